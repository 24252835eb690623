//! Webhooks: endpoints of customers, and the deliveries of events to them. An event is delivered
//! at least once: it is claimed by a conditional update before it is posted and marked afterwards,
//! so that a process that dies in between leaves it to the next.

use std::collections::BTreeMap;

use domain::verification::CallbackUrl;
use domain::webhook::{
    ENDPOINTS_MAX, ROTATION_MS, SECRET_BYTES, endpoint_url, is_given_up, is_gone, pause_after,
};
use domain::{AccountId, EventId, EventKind, Timestamp, WebhookId};
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use store::Tx;
use store::webhook::{Delivery as Way, NewWebhook};

pub use store::webhook::{Try, Webhook};

use crate::account::never_refused;
use crate::event::{self, Event};
use crate::{App, Error, Failure, Result, request};

/// Most deliveries of one endpoint on a page.
pub const PAGE_MAX: u32 = 100;
/// Tries at one delivery that are told, the newest.
const TRIES_MAX: u32 = 20;
/// How long a delivery that was begun is left to whoever began it, milliseconds.
const CLAIM_MS: i64 = 20_000;
/// How long a delivery may take, milliseconds: no longer than it is left to whoever makes it.
pub const PATIENCE_MS: u64 = 15_000;
/// Deliveries to one endpoint that are made at the same time by this process.
const EACH_MAX: u32 = 8;
/// Deliveries to the endpoints of one account that are made at the same time by this process.
const OF_ACCOUNT_MAX: u32 = 32;
/// Deliveries to one endpoint that are begun and have not arrived; more events wait in the log.
const OPEN_MAX: u32 = 256;
/// Events that get their ways to one endpoint in one transaction.
const BLOCK: u32 = 64;
/// Endpoints that are looked at in one go.
const ENDPOINTS: u32 = 100;

/// Why an endpoint was not made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WebhookRefusal {
    /// Not an address that may be called: not `https`, and no host that the operator named.
    WrongUrl,
    /// The account has as many as it may.
    TooMany,
}

/// A delivery to be made now.
#[derive(Clone)]
pub struct Delivery {
    way: Way,
    claimed_until: Timestamp,
    /// Where to.
    pub url: CallbackUrl,
    /// What.
    pub event: Event,
    /// What it is signed with: the secret, and while it is replaced the one before.
    pub secrets: Vec<Vec<u8>>,
}

impl Delivery {
    /// Whose endpoint it goes to, and to which.
    pub fn webhook(&self) -> (AccountId, WebhookId) {
        (self.way.event.account, self.way.webhook)
    }
}

/// A delivery as its customer sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivered {
    /// Which event.
    pub event: EventId,
    /// When it is tried next, if it is.
    pub next_try_at: Option<Timestamp>,
    /// When it arrived.
    pub delivered_at: Option<Timestamp>,
    /// What came of its newest tries.
    pub tries: Vec<Try>,
}

/// Makes an endpoint for the kinds of events, or for all if none is named. Tells its secret, too.
///
/// # Errors
/// Refused as [`WebhookRefusal`] says.
pub async fn create(
    app: &App,
    account: AccountId,
    url: &str,
    kinds: &[EventKind],
) -> Result<Webhook, WebhookRefusal> {
    let url = endpoint_url(url, &app.settings().private_hosts);
    let url = url.ok_or(Error::Refused(WebhookRefusal::WrongUrl))?;
    event::want(app, account).await?;
    let words: Vec<&str> = kinds.iter().map(|kind| kind.word()).collect();
    let new = NewWebhook {
        account,
        url: url.as_str().to_owned(),
        kinds: (!words.is_empty()).then(|| words.join(",")),
        secret: new_secret(app),
        created_at: app.now(),
    };
    request::write(
        app,
        |made: &Webhook| Some(made.id.0),
        async |tx| {
            let made = store::webhook::insert(tx, &new, ENDPOINTS_MAX).await?;
            let id = made.ok_or(Error::Refused(WebhookRefusal::TooMany))?;
            let made = store::webhook::find(tx, account, id).await?;
            made.ok_or_else(|| Failure::of("making an endpoint: it is not there").into())
        },
    )
    .await
}

/// The account's endpoints.
///
/// # Errors
/// The database failed.
pub async fn list(app: &App, account: AccountId) -> std::result::Result<Vec<Webhook>, Failure> {
    Ok(store::webhook::list(&mut app.read().await?, account).await?)
}

/// The account's endpoint `id`.
///
/// # Errors
/// The database failed.
pub async fn find(
    app: &App,
    account: AccountId,
    id: WebhookId,
) -> std::result::Result<Option<Webhook>, Failure> {
    Ok(store::webhook::find(&mut app.read().await?, account, id).await?)
}

/// Forgets an endpoint. `false`: the account has none like that.
///
/// # Errors
/// The database failed.
pub async fn delete(
    app: &App,
    account: AccountId,
    id: WebhookId,
) -> std::result::Result<bool, Failure> {
    let now = app.now();
    let done = app.write(async |tx| Ok(store::webhook::delete(tx, account, id, now).await?)).await;
    done.map_err(never_refused)
}

/// Gives an endpoint a new secret; the one before signs as well for a day. `None`: the account has
/// no such endpoint.
///
/// # Errors
/// The database failed.
pub async fn rotate(
    app: &App,
    account: AccountId,
    id: WebhookId,
) -> std::result::Result<Option<Webhook>, Failure> {
    let (secret, until) = (new_secret(app), app.now().plus_ms(ROTATION_MS));
    let done = request::write(app, number, async |tx| {
        store::webhook::rotate(tx, account, id, &secret, until).await?;
        Ok(store::webhook::find(tx, account, id).await?)
    });
    done.await.map_err(never_refused)
}

/// Switches an endpoint on that failed for too long: it gets what it missed. One that is on stays
/// so. `None`: the account has no such endpoint.
///
/// # Errors
/// The database failed.
pub async fn enable(
    app: &App,
    account: AccountId,
    id: WebhookId,
) -> std::result::Result<Option<Webhook>, Failure> {
    let done = request::write(app, number, async |tx| {
        store::webhook::enable(tx, account, id).await?;
        Ok(store::webhook::find(tx, account, id).await?)
    });
    done.await.map_err(never_refused)
}

/// What a request that changed an endpoint was done to.
#[expect(clippy::ref_option, reason = "it is what a transaction came to")]
fn number(changed: &Option<Webhook>) -> Option<i64> {
    changed.as_ref().map(|changed| changed.id.0)
}

/// Lets a test event happen that is for this endpoint alone. `None`: the account has no such
/// endpoint.
///
/// # Errors
/// The database failed.
pub async fn test(
    app: &App,
    account: AccountId,
    id: WebhookId,
) -> std::result::Result<Option<EventId>, Failure> {
    event::want(app, account).await?;
    let now = app.now();
    let number = |told: &Option<EventId>| told.map(|event| event.n);
    let done = request::write(app, number, async |tx| {
        if store::webhook::find(tx, account, id).await?.is_none() {
            return Ok(None);
        }
        let event = store::event::tell(tx, account, EventKind::WebhookTest, id.0, now).await?;
        if let Some(event) = event {
            // Also to one that is switched off: that is how it is tried before it goes on.
            store::webhook::replay(tx, id, event, now).await?;
        }
        Ok(event)
    });
    done.await.map_err(never_refused)
}

/// Delivers an event of the account to an endpoint once more, whatever became of it. `false`: the
/// account has no such event or endpoint.
///
/// # Errors
/// The database failed.
pub async fn replay(
    app: &App,
    account: AccountId,
    id: WebhookId,
    event: EventId,
) -> std::result::Result<bool, Failure> {
    if event.account != account {
        return Ok(false);
    }
    let now = app.now();
    let number = |is_known: &bool| is_known.then_some(event.n);
    let done = request::write(app, number, async |tx| {
        let is_known = store::webhook::find(tx, account, id).await?.is_some()
            && store::event::find(tx, event).await?.is_some();
        if is_known {
            store::webhook::replay(tx, id, event, now).await?;
        }
        Ok(is_known)
    });
    done.await.map_err(never_refused)
}

/// What became of deliveries to an endpoint of the account, of events before the `before`-th, the
/// newest first: at most `limit`, nor more than [`PAGE_MAX`]. `None`: there is no such endpoint.
///
/// # Errors
/// The database failed.
pub async fn deliveries(
    app: &App,
    account: AccountId,
    id: WebhookId,
    before: i64,
    limit: u32,
) -> std::result::Result<Option<Vec<Delivered>>, Failure> {
    let mut reads = app.read().await?;
    if store::webhook::find(&mut reads, account, id).await?.is_none() {
        return Ok(None);
    }
    let limit = limit.min(PAGE_MAX);
    let mut told = Vec::new();
    for way in store::webhook::deliveries(&mut reads, id, before, limit).await? {
        told.push(Delivered {
            event: way.event,
            next_try_at: way.next_try_at,
            delivered_at: way.delivered_at,
            tries: store::webhook::tries(&mut reads, id, way.event, TRIES_MAX).await?,
        });
    }
    Ok(Some(told))
}

/// Gives events that came since their ways to the endpoints that want them.
///
/// # Errors
/// The database failed; what is left goes another time.
pub async fn advance(app: &App) -> std::result::Result<(), Failure> {
    let mut last = WebhookId(0);
    loop {
        let behind = store::webhook::behind(&mut app.read().await?, last, ENDPOINTS).await?;
        let Some(next) = behind.last() else { return Ok(()) };
        last = next.id;
        let now = app.now();
        for endpoint in behind {
            let (open, block) = (OPEN_MAX, BLOCK);
            app.write(async |tx| {
                Ok(store::webhook::advance(tx, &endpoint, open, block, now).await?)
            })
            .await
            .map_err(never_refused)?;
        }
    }
}

/// What is to be posted now: at most `room` deliveries, few to one endpoint and not many of one
/// account; `busy` says whose this process is at, one for each delivery. Whoever is given one makes
/// it and says how it went.
///
/// # Errors
/// The database failed.
pub async fn due(
    app: &App,
    busy: &[(AccountId, WebhookId)],
    room: u32,
) -> std::result::Result<Vec<Delivery>, Failure> {
    let now = app.now();
    // Each one under way keeps at most one of those found from being made: so many more are asked
    // for, and whoever is busy fills nobody else's room.
    let limit = room.saturating_add(u32::try_from(busy.len()).unwrap_or(u32::MAX));
    let most = (EACH_MAX, OF_ACCOUNT_MAX);
    let mut found = store::webhook::due(&mut app.read().await?, now, most, limit).await?;
    let mut of_endpoint: BTreeMap<WebhookId, u32> = BTreeMap::new();
    let mut of_account: BTreeMap<AccountId, u32> = BTreeMap::new();
    for (account, endpoint) in busy {
        *of_endpoint.entry(*endpoint).or_default() += 1;
        *of_account.entry(*account).or_default() += 1;
    }
    found.retain(|way| {
        let endpoint = of_endpoint.entry(way.webhook).or_default();
        let account = of_account.entry(way.event.account).or_default();
        let fits = *endpoint < EACH_MAX && *account < OF_ACCOUNT_MAX;
        *endpoint += u32::from(fits);
        *account += u32::from(fits);
        fits
    });
    found.truncate(usize::try_from(room).unwrap_or(usize::MAX));
    if found.is_empty() {
        return Ok(Vec::new());
    }
    let claimed_until = now.plus_ms(CLAIM_MS);
    let claimed = app.write(async |tx| {
        let mut claimed = Vec::new();
        for way in found {
            let endpoint = store::webhook::find(tx, way.event.account, way.webhook).await?;
            if let Some(endpoint) = endpoint
                && store::webhook::claim(tx, &way, claimed_until).await?
            {
                claimed.push((way, endpoint));
            }
        }
        Ok(claimed)
    });
    let claimed = claimed.await.map_err(never_refused)?;
    let mut due = Vec::with_capacity(claimed.len());
    for (way, endpoint) in claimed {
        let Some(url) = endpoint_url(&endpoint.url, &app.settings().private_hosts) else {
            let why = String::from("the operator does not name this host any more");
            written(app, &way, claimed_until, Err(why), 0).await?;
            continue;
        };
        match event::find(app, way.event).await {
            Ok(Some(event)) => {
                let secrets = secrets(&endpoint, now);
                due.push(Delivery { way, claimed_until, url, event, secrets });
            }
            // Older than events are kept: it is forgotten with them.
            Ok(None) => {}
            Err(failure) => {
                let error = failure.chain();
                tracing::error!(event = %way.event, error, "an event cannot be told");
            }
        }
    }
    Ok(due)
}

/// What deliveries to an endpoint are signed with now.
fn secrets(endpoint: &Webhook, now: Timestamp) -> Vec<Vec<u8>> {
    let former = endpoint.former.as_ref().filter(|(_, until)| *until > now);
    let former = former.map(|(secret, _)| secret.clone());
    [Some(endpoint.secret.clone()), former].into_iter().flatten().collect()
}

/// Writes down how a delivery went: an HTTP status, or why there is none. One that did not arrive
/// is made again after a while, for nearly three days; an endpoint to which nothing arrives for two
/// days, or that says it is gone, is switched off.
///
/// # Errors
/// The database failed; it is made again soon.
pub async fn told(
    app: &App,
    delivery: &Delivery,
    answer: std::result::Result<u16, String>,
    took_ms: u32,
) -> std::result::Result<(), Failure> {
    written(app, &delivery.way, delivery.claimed_until, answer, took_ms).await
}

async fn written(
    app: &App,
    way: &Way,
    claimed_until: Timestamp,
    answer: std::result::Result<u16, String>,
    took_ms: u32,
) -> std::result::Result<(), Failure> {
    let mut random = [0; 8];
    app.rng().fill(&mut random);
    let now = app.now();
    let at = now.plus_ms(-i64::from(took_ms));
    let one = Try { n: way.tries.saturating_add(1), at, took_ms, answer };
    let arrived = one.arrived();
    let pause = pause_after(one.n, u64::from_be_bytes(random)).filter(|_| !arrived);
    let next = pause.map(|pause_ms| now.plus_ms(pause_ms));
    let done = app.write(async |tx| {
        store::webhook::tried(tx, way, claimed_until, &one, next).await?;
        let failing_since = store::webhook::note(tx, way.webhook, arrived, now).await?;
        if let Some(reason) = reason_to_stop(&one, failing_since, now) {
            stop(tx, way, reason, now).await?;
        }
        Ok(())
    });
    done.await.map_err(never_refused)
}

/// Why nothing more is posted to an endpoint after this try.
fn reason_to_stop(
    one: &Try,
    failing_since: Option<Timestamp>,
    now: Timestamp,
) -> Option<&'static str> {
    if one.answer.as_ref().is_ok_and(|status| is_gone(*status)) {
        return Some("it answered 410 Gone");
    }
    let given_up = failing_since.is_some_and(|since| is_given_up(since, now));
    given_up.then_some("nothing arrived for two days")
}

/// Switches an endpoint off and lets that be told.
async fn stop(
    tx: &mut Tx,
    way: &Way,
    reason: &str,
    now: Timestamp,
) -> std::result::Result<(), store::Error> {
    if store::webhook::disable(tx, way.webhook, reason, now).await? {
        tracing::warn!(webhook = way.webhook.0, reason, "an endpoint was switched off");
        let (account, kind) = (way.event.account, EventKind::WebhookDisabled);
        store::event::tell(tx, account, kind, way.webhook.0, now).await?;
    }
    Ok(())
}

/// The signature of a delivery, as Standard Webhooks makes it: HMAC-SHA256 over its id, its time
/// and its body with dots between.
pub fn signature(secret: &[u8], id: &str, seconds: i64, body: &str) -> [u8; 32] {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret).expect("HMAC takes a key of any length");
    mac.update(format!("{id}.{seconds}.").as_bytes());
    mac.update(body.as_bytes());
    mac.finalize().into_bytes().into()
}

fn new_secret(app: &App) -> Vec<u8> {
    let mut secret = vec![0; SECRET_BYTES];
    app.rng().fill(&mut secret);
    secret
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of the specification of Standard Webhooks.
    #[test]
    fn a_signature_is_that_of_the_standard() {
        // whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw
        let secret = [
            0x31, 0xf2, 0x90, 0xf6, 0xbf, 0x06, 0x29, 0x8a, 0xab, 0x4f, 0x08, 0xd4, 0x3c, 0x3f,
            0x08, 0x2c, 0xf6, 0x48, 0xa3, 0x62, 0xda, 0x2d, 0xa4, 0xb0,
        ];
        let id = "msg_p5jXN8AQM9LWM0D4loKWxJek";
        let made = signature(&secret, id, 1_614_265_330, r#"{"test": 2432232314}"#);
        // g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=
        let expected = [
            0x83, 0x48, 0x4c, 0xf5, 0x2b, 0x04, 0xf8, 0xe4, 0xcf, 0x25, 0x31, 0xad, 0xfe, 0xd9,
            0x88, 0x2a, 0xd4, 0xb2, 0x66, 0x51, 0x37, 0xb8, 0x52, 0x44, 0x2d, 0x59, 0x4d, 0x20,
            0xe2, 0xc9, 0xd4, 0xe1,
        ];
        assert_eq!(made, expected);
    }
}
