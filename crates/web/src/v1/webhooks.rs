//! Endpoints that events are posted to, and how a posted event looks (Standard Webhooks).

use app::webhook::{Delivered, Delivery, PAGE_MAX, Try, Webhook, WebhookRefusal};
use app::{App, Caller, Error};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use domain::calendar::jalali::rfc3339;
use domain::{EventId, EventKind, Timestamp, WebhookId};
use serde::{Deserialize, Serialize};

use super::Unanswered;
use super::events::Envelope;
use super::listing::{id_of, listed, next_page, part};
use super::messages::json;
use super::once::{Asked, once};
use super::problem::{Kind, Problem};

/// What comes before a secret, so that people know one when they see it.
const SECRET_PREFIX: &str = "whsec_";
/// How long a secret may be, bytes (Standard Webhooks).
const SECRET_BYTES: std::ops::RangeInclusive<usize> = 24..=64;

/// An endpoint that a client wants.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewEndpoint {
    url: String,
    #[serde(default)]
    events: Vec<String>,
}

/// Which event is to be posted once more.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Replay {
    event_id: String,
}

/// An endpoint as it is shown.
#[derive(Serialize)]
struct Endpoint {
    object: &'static str,
    id: String,
    url: String,
    /// Empty for all.
    events: Vec<&'static str>,
    created_at: String,
    failing_since: Option<String>,
    disabled_at: Option<String>,
    disabled_reason: Option<String>,
    /// Only when it was just made.
    #[serde(skip_serializing_if = "Option::is_none")]
    secret: Option<String>,
}

/// A delivery as it is shown.
#[derive(Serialize)]
struct Shown {
    object: &'static str,
    event_id: String,
    delivered_at: Option<String>,
    next_try_at: Option<String>,
    tries: Vec<ShownTry>,
}

/// What came of a try.
#[derive(Serialize)]
struct ShownTry {
    at: String,
    took_ms: u32,
    status: Option<u16>,
    error: Option<String>,
}

/// POST /v1/webhooks.
pub(super) async fn create(asked: Asked<'_>) -> Result<Response, Unanswered> {
    let Asked { app, caller, body, .. } = asked;
    let new: NewEndpoint = read(body)?;
    let kind = |name: &String| {
        EventKind::from_word(name).ok_or_else(|| {
            Problem::with(
                Kind::InvalidRequest,
                ("events has a name that no event has", "events نامی دارد که نام هیچ رویدادی نیست"),
            )
        })
    };
    let mut kinds = new.events.iter().map(kind).collect::<Result<Vec<_>, _>>()?;
    kinds.sort_unstable();
    kinds.dedup();
    let account = caller.account.id;
    let made = |made: &Webhook| json(StatusCode::CREATED, &Endpoint::with_secret(made));
    let work = async {
        match app::webhook::create(app, account, &new.url, &kinds).await {
            Ok(new) => Ok(made(&new)),
            Err(Error::Refused(WebhookRefusal::WrongUrl)) => {
                Err(Problem::of(Kind::WrongWebhookUrl).into())
            }
            Err(Error::Refused(WebhookRefusal::TooMany)) => {
                Err(Problem::of(Kind::TooManyWebhooks).into())
            }
            Err(Error::Failed(failure)) => Err(failure.into()),
        }
    };
    let again = async |id| {
        let found = app::webhook::find(app, account, WebhookId(id)).await?;
        Ok(made(&found.ok_or_else(not_found)?))
    };
    once(asked, work, again).await
}

/// GET /v1/webhooks.
pub(super) async fn list(app: &App, caller: &Caller) -> Result<Response, Unanswered> {
    let found = app::webhook::list(app, caller.account.id).await?;
    let data: Vec<Endpoint> = found.iter().map(Endpoint::of).collect();
    Ok(listed(&data, None))
}

/// GET /v1/webhooks/{id}.
pub(super) async fn get(app: &App, caller: &Caller, id: &str) -> Result<Response, Unanswered> {
    let found = app::webhook::find(app, caller.account.id, webhook_id(id)?).await?;
    shown(found, Endpoint::of)
}

/// DELETE /v1/webhooks/{id}.
pub(super) async fn delete(app: &App, caller: &Caller, id: &str) -> Result<Response, Unanswered> {
    if app::webhook::delete(app, caller.account.id, webhook_id(id)?).await? {
        Ok(StatusCode::NO_CONTENT.into_response())
    } else {
        Err(not_found())
    }
}

/// POST /v1/webhooks/{id}/secret.
pub(super) async fn rotate(asked: Asked<'_>, id: &str) -> Result<Response, Unanswered> {
    let (app, account, id) = (asked.app, asked.caller.account.id, webhook_id(id)?);
    let work =
        async { shown(app::webhook::rotate(app, account, id).await?, Endpoint::with_secret) };
    let again = async |_| shown(app::webhook::find(app, account, id).await?, Endpoint::with_secret);
    once(asked, work, again).await
}

/// POST /v1/webhooks/{id}/enable.
pub(super) async fn enable(asked: Asked<'_>, id: &str) -> Result<Response, Unanswered> {
    let (app, account, id) = (asked.app, asked.caller.account.id, webhook_id(id)?);
    let work = async { shown(app::webhook::enable(app, account, id).await?, Endpoint::of) };
    let again = async |_| shown(app::webhook::find(app, account, id).await?, Endpoint::of);
    once(asked, work, again).await
}

/// POST /v1/webhooks/{id}/test.
pub(super) async fn test(asked: Asked<'_>, id: &str) -> Result<Response, Unanswered> {
    let (app, account, id) = (asked.app, asked.caller.account.id, webhook_id(id)?);
    let work = async {
        let event = app::webhook::test(app, account, id).await?;
        Ok(on_its_way(event.ok_or_else(not_found)?))
    };
    let again = async |n| Ok(on_its_way(EventId { account, n }));
    once(asked, work, again).await
}

/// POST /v1/webhooks/{id}/replay.
pub(super) async fn replay(asked: Asked<'_>, id: &str) -> Result<Response, Unanswered> {
    let (app, account, id) = (asked.app, asked.caller.account.id, webhook_id(id)?);
    let wanted: Replay = read(asked.body)?;
    let event = EventId::parse(&wanted.event_id).ok_or_else(not_found)?;
    let work = async {
        let is_known = app::webhook::replay(app, account, id, event).await?;
        if is_known { Ok(on_its_way(event)) } else { Err(not_found()) }
    };
    once(asked, work, async |_| Ok(on_its_way(event))).await
}

/// GET /v1/webhooks/{id}/deliveries.
pub(super) async fn deliveries(
    app: &App,
    caller: &Caller,
    id: &str,
    query: &str,
) -> Result<Response, Unanswered> {
    let (limit, before) = part(query, EventId::parse)?;
    let (limit, before) = (limit.min(PAGE_MAX), before.map_or(i64::MAX, |id| id.n));
    let (account, id) = (caller.account.id, webhook_id(id)?);
    let found = app::webhook::deliveries(app, account, id, before, limit).await?;
    let found = found.ok_or_else(not_found)?;
    let next_page = next_page(&found, limit, |last| last.event);
    let data: Vec<Shown> = found.into_iter().map(Shown::of).collect();
    Ok(listed(&data, next_page.as_deref()))
}

/// An event as it is posted: header fields and a body, signed at this moment.
pub struct Posted {
    /// Names and values.
    pub headers: Vec<(&'static str, String)>,
    /// JSON; the same bytes each time.
    pub body: String,
}

/// How a delivery is posted now: with each of its secrets a signature (Standard Webhooks).
pub fn posted(delivery: &Delivery, now: Timestamp) -> Posted {
    let (id, body) = (delivery.event.id.to_string(), Envelope::of(&delivery.event).text());
    signed(&delivery.secrets, id, body, now)
}

/// A body of JSON as it is posted now under this id: with each secret a signature (Standard
/// Webhooks).
pub fn signed(secrets: &[Vec<u8>], id: String, body: String, now: Timestamp) -> Posted {
    let seconds = now.0.div_euclid(1_000_000);
    let signatures = secrets.iter().map(|secret| {
        let signature = app::webhook::signature(secret, &id, seconds, &body);
        format!("v1,{}", STANDARD.encode(signature))
    });
    let signatures: Vec<String> = signatures.collect();
    let headers = vec![
        ("Content-Type", String::from("application/json")),
        ("webhook-id", id),
        ("webhook-timestamp", seconds.to_string()),
        ("webhook-signature", signatures.join(" ")),
    ];
    Posted { headers, body }
}

/// The bytes of a secret as people have it: `whsec_` and 24 to 64 bytes in Base64 (Standard
/// Webhooks). `None`: it is none.
pub fn secret_of(text: &str) -> Option<Vec<u8>> {
    let secret = STANDARD.decode(text.strip_prefix(SECRET_PREFIX)?).ok()?;
    SECRET_BYTES.contains(&secret.len()).then_some(secret)
}

fn read<'a, T: Deserialize<'a>>(body: &'a [u8]) -> Result<T, Problem> {
    serde_json::from_slice(body).map_err(|error| Problem::unread(&error))
}

fn not_found() -> Unanswered {
    Problem::of(Kind::NotFound).into()
}

fn webhook_id(text: &str) -> Result<WebhookId, Problem> {
    id_of(text).map(WebhookId).ok_or(Problem::of(Kind::NotFound))
}

fn shown(
    found: Option<Webhook>,
    how: impl Fn(&Webhook) -> Endpoint,
) -> Result<Response, Unanswered> {
    let found = found.ok_or_else(not_found)?;
    Ok(json(StatusCode::OK, &how(&found)))
}

fn on_its_way(event: EventId) -> Response {
    let answer = serde_json::json!({ "object": "delivery", "event_id": event.to_string() });
    json(StatusCode::ACCEPTED, &answer)
}

impl Endpoint {
    fn of(webhook: &Webhook) -> Self {
        let kinds = webhook.kinds.iter().flatten();
        let (disabled_at, disabled_reason) = webhook.disabled.clone().unzip();
        Self {
            object: "webhook",
            id: webhook.id.to_string(),
            url: webhook.url.clone(),
            events: kinds.map(|kind| kind.word()).collect(),
            created_at: rfc3339(webhook.created_at),
            failing_since: webhook.failing_since.map(rfc3339),
            disabled_at: disabled_at.map(rfc3339),
            disabled_reason,
            secret: None,
        }
    }

    fn with_secret(webhook: &Webhook) -> Self {
        let secret = format!("{SECRET_PREFIX}{}", STANDARD.encode(&webhook.secret));
        Self { secret: Some(secret), ..Self::of(webhook) }
    }
}

impl Shown {
    fn of(delivered: Delivered) -> Self {
        Self {
            object: "delivery",
            event_id: delivered.event.to_string(),
            delivered_at: delivered.delivered_at.map(rfc3339),
            next_try_at: delivered.next_try_at.map(rfc3339),
            tries: delivered.tries.into_iter().map(ShownTry::of).collect(),
        }
    }
}

impl ShownTry {
    fn of(one: Try) -> Self {
        let (status, error) = match one.answer {
            Ok(status) => (Some(status), None),
            Err(error) => (None, Some(error)),
        };
        Self { at: rfc3339(one.at), took_ms: one.took_ms, status, error }
    }
}
