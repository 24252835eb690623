//! Answers that are sent part by part, while they are made.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Bytes, HttpBody};
use hyper::body::Frame;
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout_at};

use super::seats::Seat;

/// How long a client may take until there is room for another part.
const PATIENCE: Duration = Duration::from_secs(30);

/// The body of a stream: what its task sends, and its place, which is free once the body is gone.
pub(crate) struct Stream {
    parts: mpsc::Receiver<Bytes>,
    _seat: Seat,
}

impl Stream {
    /// A stream of what is sent to the other end of `parts`.
    pub(crate) fn new(parts: mpsc::Receiver<Bytes>, seat: Seat) -> Self {
        Self { parts, _seat: seat }
    }
}

impl HttpBody for Stream {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.parts.poll_recv(context).map(|part| part.map(|part| Ok(Frame::data(part))))
    }
}

/// Sends a part. `false`: the client is gone or reads no more, or the stream has lasted long
/// enough.
pub(crate) async fn sent(parts: &mpsc::Sender<Bytes>, part: Bytes, ends_at: Instant) -> bool {
    let now = Instant::now();
    let until = ends_at.min(now + PATIENCE);
    now < ends_at && matches!(timeout_at(until, parts.send(part)).await, Ok(Ok(())))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Goal: a client that reads nothing holds nobody up, and a stream ends though it is read.
    #[tokio::test]
    async fn a_stream_ends_whatever_its_client_does() {
        let (parts, mut received) = mpsc::channel(1);
        let part = || Bytes::from_static(b"a");
        let soon = || Instant::now() + Duration::from_millis(20);
        assert!(sent(&parts, part(), soon() + PATIENCE).await);
        assert!(!sent(&parts, part(), soon()).await, "there is no room");
        assert_eq!(received.recv().await, Some(part()));
        assert!(!sent(&parts, part(), Instant::now()).await, "there is no time");
        assert!(sent(&parts, part(), soon() + PATIENCE).await);
        drop(received);
        assert!(!sent(&parts, part(), soon() + PATIENCE).await, "there is no client");
    }
}
