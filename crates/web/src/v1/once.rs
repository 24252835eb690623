//! A POST under an `Idempotency-Key` is done once: asked again, it is answered as it was.

use std::net::IpAddr;

use app::request::{Answer, RequestKey, Standing};
use app::{App, Caller, Failure};
use axum::body::to_bytes;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::Value;

use super::Unanswered;
use super::messages::{REPLAYED, idempotency_key, json as answer};
use super::problem::{Kind, Problem};

/// The most of an answer that is kept, in bytes: a report of a list has the most.
const ANSWER_BYTES_MAX: usize = 256 * 1024;

/// A request of a caller.
#[derive(Clone, Copy)]
pub(super) struct Asked<'a> {
    pub(super) app: &'a App,
    pub(super) caller: &'a Caller,
    pub(super) headers: &'a HeaderMap,
    pub(super) path: &'a str,
    pub(super) body: &'a [u8],
    /// From where it came, if that is known.
    pub(super) address: Option<IpAddr>,
}

impl Asked<'_> {
    /// Its name, and everything that it stands for.
    fn key(&self) -> Result<Option<RequestKey>, Problem> {
        let key = idempotency_key(self.headers)?;
        let body = [self.path.as_bytes(), b"\n", self.body].concat();
        Ok(key.map(|key| RequestKey { key, body }))
    }
}

/// Lets `work` do what was asked, unless it was done under the same name. What was done, and the
/// answer to which was lost with a killed process, is told `again` as it stands now. A refusal that
/// changed nothing is not kept: it is judged anew.
pub(super) async fn once(
    asked: Asked<'_>,
    work: impl Future<Output = Result<Response, Unanswered>>,
    again: impl AsyncFnOnce(i64) -> Result<Response, Unanswered>,
) -> Result<Response, Unanswered> {
    let Asked { app, caller, .. } = asked;
    let Some(key) = asked.key()? else { return work.await };
    match app::request::standing(app, caller, &key).await? {
        Standing::Taken => return Err(Problem::of(Kind::KeyReused).into()),
        Standing::Answered(answer) => return Ok(replayed(as_it_was(answer))),
        Standing::Done(subject) => return Ok(replayed(again(subject).await?)),
        Standing::New => {}
    }
    let (answered, did, standing) = app::request::under(app, caller, &key, work).await?;
    match (did, standing) {
        // Another one under the same name was faster.
        (false, Standing::Answered(answer)) => return Ok(replayed(as_it_was(answer))),
        (false, Standing::Done(subject)) => return Ok(replayed(again(subject).await?)),
        _ => {}
    }
    match answered {
        Ok(response) => {
            let (answer, response) = taken_down(response).await?;
            app::request::keep(app, caller, &key, &answer).await?;
            Ok(response)
        }
        Err(Unanswered::Refused(problem)) if did => {
            let (status, body) = problem.plain();
            app::request::keep(app, caller, &key, &Answer { status, body }).await?;
            Err(problem.into())
        }
        Err(unanswered) => Err(unanswered),
    }
}

/// Lets something be changed once and shows it: as the change left it, or, asked again, as it is
/// `found` now.
pub(super) async fn changed<T>(
    asked: Asked<'_>,
    status: StatusCode,
    change: impl Future<Output = Result<T, Unanswered>>,
    found: impl AsyncFnOnce(i64) -> Result<Option<T>, Failure>,
    shown: impl Fn(&T) -> Value,
) -> Result<Response, Unanswered> {
    let again = async |id| one(status, found(id).await?.as_ref().map(&shown));
    let work = async { Ok(answer(status, &shown(&change.await?))) };
    once(asked, Box::pin(work), again).await
}

/// What was looked for, if it is there.
pub(super) fn one(status: StatusCode, shown: Option<Value>) -> Result<Response, Unanswered> {
    Ok(answer(status, &shown.ok_or_else(|| Problem::of(Kind::NotFound))?))
}

/// An answer, to be kept and to be given.
async fn taken_down(response: Response) -> Result<(Answer, Response), Unanswered> {
    let (head, body) = response.into_parts();
    let body = to_bytes(body, ANSWER_BYTES_MAX).await;
    let body = body.map_err(|error| app::Failure::because("taking an answer down", error))?;
    let answer = Answer { status: head.status.as_u16(), body: body.to_vec() };
    Ok((answer, Response::from_parts(head, body.into())))
}

fn as_it_was(answer: Answer) -> Response {
    let status = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::OK);
    let media_type =
        if status.is_success() { "application/json" } else { "application/problem+json" };
    (status, [(header::CONTENT_TYPE, media_type)], answer.body).into_response()
}

/// Marks an answer to what had been done before.
pub(super) fn replayed(mut response: Response) -> Response {
    response.headers_mut().insert(REPLAYED, HeaderValue::from_static("true"));
    response
}
