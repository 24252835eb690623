//! What a client sent and nobody read. The server cannot wait for it, so the connection closes; a
//! client that is not told would send its next request there just then (RFC 9112 §9.6).

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use axum::body::{Body, Bytes, HttpBody};
use axum::http::header::CONNECTION;
use axum::http::{HeaderValue, Request};
use axum::response::Response;
use hyper::body::{Frame, Incoming, SizeHint};

/// Knows whether a body was read to its end.
pub(crate) struct Remainder(Arc<AtomicBool>);

impl Remainder {
    /// Says in the response that the connection closes, if there is a remainder.
    pub(crate) fn told_in(&self, mut response: Response) -> Response {
        if !self.0.load(Ordering::Acquire) {
            response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        }
        response
    }
}

/// A request whose body is watched.
pub(crate) fn watch(request: Request<Incoming>) -> (Request<Body>, Remainder) {
    let is_read = Arc::new(AtomicBool::new(request.body().is_end_stream()));
    let watched = request.map(|body| Body::new(Watched { body, is_read: Arc::clone(&is_read) }));
    (watched, Remainder(is_read))
}

struct Watched {
    body: Incoming,
    is_read: Arc<AtomicBool>,
}

impl HttpBody for Watched {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let frame = Pin::new(&mut self.body).poll_frame(context);
        if matches!(frame, Poll::Ready(None)) || self.body.is_end_stream() {
            self.is_read.store(true, Ordering::Release);
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
