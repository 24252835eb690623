//! Events: read page by page, or followed as they come. What is posted to endpoints is the same.

use std::sync::Arc;
use std::time::Duration;

use app::event::{Event, PAGE_MAX, Subject};
use app::{Caller, Failure};
use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use domain::calendar::jalali::rfc3339;
use domain::{AccountId, EventId, EventKind};
use serde::Serialize;
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::Unanswered;
use super::call::seconds;
use super::listing::page;
use super::messages::{Message, json, limit, query_of};
use super::problem::{Kind, Problem};
use super::stream::{Stream, sent};
use crate::router::Web;

/// What a client asks to accept who wants to follow.
const STREAM: &str = "text/event-stream";
/// The last event that a client has seen who follows again.
const LAST_EVENT_ID: &str = "last-event-id";
/// How often it is looked for new events.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Looks without an event until a sign of life is sent.
const SILENT_LOOKS_MAX: u32 = 15;
/// How long a stream lasts; whoever follows comes again and is judged anew.
const LASTS: Duration = Duration::from_mins(15);
/// Parts of a stream that may wait for a slow client.
const PARTS: usize = 8;

/// An event as it is told, here and to endpoints.
#[derive(Serialize)]
pub(super) struct Envelope {
    id: String,
    r#type: &'static str,
    timestamp: String,
    sequence: i64,
    call_sequence: Option<i64>,
    data: Data,
}

/// What happened to what.
#[derive(Serialize)]
#[serde(untagged)]
enum Data {
    Message(Box<Message>),
    Recording { object: &'static str, message_id: String, state: &'static str, seconds: f64 },
    Campaign { object: &'static str, id: String, state: &'static str },
    Webhook { object: &'static str, id: String },
    Ticket { object: &'static str, id: String, state: &'static str },
    Happened { object: &'static str, id: String, step: &'static str },
}

impl Envelope {
    pub(super) fn of(event: &Event) -> Self {
        Self {
            id: event.id.to_string(),
            r#type: event.kind.word(),
            timestamp: rfc3339(event.at),
            sequence: event.id.n,
            call_sequence: event.n_of_call,
            data: Data::of(event),
        }
    }

    /// As JSON, the same bytes each time.
    pub(super) fn text(&self) -> String {
        serde_json::to_string(self).expect("an event is plain structs with text keys")
    }
}

impl Data {
    fn of(event: &Event) -> Self {
        match &event.subject {
            Subject::Message(report) => Self::Message(Box::new(Message::of(report))),
            Subject::Recording(send, state) => {
                let length_ms = match state {
                    app::event::RecordingState::Ready { length_ms } => *length_ms,
                    _ => 0,
                };
                Self::Recording {
                    object: "recording",
                    message_id: send.to_string(),
                    state: last_word(event.kind),
                    seconds: seconds(length_ms),
                }
            }
            Subject::Campaign(id) => Self::Campaign {
                object: "campaign",
                id: id.to_string(),
                state: last_word(event.kind),
            },
            Subject::Webhook(id) => Self::Webhook { object: "webhook", id: id.to_string() },
            Subject::Ticket(id) => {
                Self::Ticket { object: "ticket", id: id.to_string(), state: last_word(event.kind) }
            }
            Subject::ErrorReport(id) => Self::Happened {
                object: "error_report",
                id: id.to_string(),
                step: last_word(event.kind),
            },
            Subject::RemoteSession(id) => Self::Happened {
                object: "remote_session",
                id: id.to_string(),
                step: last_word(event.kind),
            },
            Subject::IdentityVerification(id) => Self::Happened {
                object: "identity_verification",
                id: id.to_string(),
                step: last_word(event.kind),
            },
        }
    }
}

/// What the name of a kind says after its dot.
fn last_word(kind: EventKind) -> &'static str {
    kind.word().rsplit_once('.').map_or("", |(_, last)| last)
}

/// GET /v1/events: a page, or a stream for who accepts one.
pub(super) async fn list(
    web: &Arc<Web>,
    caller: &Caller,
    headers: &HeaderMap,
    query: &str,
) -> Result<Response, Unanswered> {
    let params = query_of(query, &["limit", "after"])?;
    let account = caller.account.id;
    let after = params.text("after").map(|name| number(account, name)).transpose()?;
    // Whoever follows again says so in a header.
    let seen = headers.get(LAST_EVENT_ID).map(|value| value.to_str().unwrap_or("not text"));
    let after = seen.map(|name| number(account, name)).transpose()?.or(after);
    if wants_stream(headers) {
        return follow(web, account, after).await;
    }
    let limit = limit(&params)?;
    let events = app::event::page(&web.app, account, after.unwrap_or(0), limit).await?;
    Ok(page(&events, limit, |last| last.id, Envelope::of))
}

/// GET /v1/events/{id}.
pub(super) async fn get(web: &Web, caller: &Caller, name: &str) -> Result<Response, Unanswered> {
    let id = EventId::parse(name).filter(|id| id.account == caller.account.id);
    let id = id.ok_or(Problem::of(Kind::NotFound))?;
    let event = app::event::find(&web.app, id).await?.ok_or(Problem::of(Kind::NotFound))?;
    Ok(json(StatusCode::OK, &Envelope::of(&event)))
}

/// The number of an event of the account.
fn number(account: AccountId, name: &str) -> Result<i64, Problem> {
    let id = EventId::parse(name).filter(|id| id.account == account);
    id.map(|id| id.n).ok_or(Problem::with(
        Kind::InvalidRequest,
        (
            "after, or Last-Event-ID, is no id of an event of yours",
            "after یا Last-Event-ID شناسهٔ رویدادی از حساب شما نیست",
        ),
    ))
}

fn wants_stream(headers: &HeaderMap) -> bool {
    let accepted = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok());
    accepted.is_some_and(|accepted| accepted.to_ascii_lowercase().contains(STREAM))
}

/// A stream of what happens after the event that the client saw last; without one, from now on.
async fn follow(
    web: &Arc<Web>,
    account: AccountId,
    after: Option<i64>,
) -> Result<Response, Unanswered> {
    let after = match after {
        Some(n) => n,
        None => app::event::last(&web.app, account).await?,
    };
    // The first look also says that events are wanted.
    let first = app::event::page(&web.app, account, after, PAGE_MAX).await?;
    let seat = web.seats.take(account).ok_or(Problem::of(Kind::TooManyStreams))?;
    let (parts, received) = mpsc::channel(PARTS);
    let (web, span) = (Arc::clone(web), tracing::Span::current());
    tokio::spawn(async move {
        if let Err(failure) = tell(&web, account, (after, first), parts).await {
            span.in_scope(|| tracing::error!(error = failure.chain(), "a stream ended early"));
        }
    });
    let headers = [(header::CONTENT_TYPE, STREAM), (header::CACHE_CONTROL, "no-store")];
    Ok((headers, Body::new(Stream::new(received, seat))).into_response())
}

/// Sends events until the client goes or reads no more, we stop, or the stream has lasted long
/// enough.
async fn tell(
    web: &Web,
    account: AccountId,
    (mut after, mut events): (i64, Vec<Event>),
    parts: mpsc::Sender<Bytes>,
) -> Result<(), Failure> {
    let mut silent = SILENT_LOOKS_MAX;
    let ends_at = Instant::now() + LASTS;
    while Instant::now() < ends_at {
        while let Some(last) = events.last() {
            (after, silent) = (last.id.n, 0);
            let text: String = events.iter().map(part).collect();
            if !sent(&parts, Bytes::from(text), ends_at).await {
                return Ok(());
            }
            events = app::event::page(&web.app, account, after, PAGE_MAX).await?;
        }
        if silent >= SILENT_LOOKS_MAX {
            silent = 0;
            if !sent(&parts, Bytes::from_static(b": still here\n\n"), ends_at).await {
                return Ok(());
            }
        }
        tokio::select! {
            () = tokio::time::sleep(LOOK_EVERY) => silent += 1,
            () = parts.closed() => return Ok(()),
        }
        if (web.settings.stopping)() {
            return Ok(());
        }
        if app::event::last(&web.app, account).await? > after {
            events = app::event::page(&web.app, account, after, PAGE_MAX).await?;
        }
    }
    Ok(())
}

/// An event as a stream has it.
fn part(event: &Event) -> String {
    let envelope = Envelope::of(event);
    format!("id: {}\nevent: {}\ndata: {}\n\n", envelope.id, envelope.r#type, envelope.text())
}
