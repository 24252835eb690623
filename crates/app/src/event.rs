//! Events as their customers read them: what was committed, in that order. What is told of one is
//! read from rows that do not change any more, so that it is the same whenever it is told.

use domain::event::{KEPT_MS, wanted_until};
use domain::{AccountId, CampaignId, EventId, EventKind, QuickSendId, Timestamp, WebhookId};
use store::event::Event as Stored;
pub use store::recording::State as RecordingState;

use crate::account::never_refused;
use crate::report::{self, Report};
use crate::{App, Failure};

/// Most events on one page.
pub const PAGE_MAX: u32 = 100;
/// How often it is written down that somebody still reads, milliseconds: once a day.
const WANTED_EVERY_MS: i64 = 24 * 3_600_000;
/// Accounts that are looked at in one go.
const ACCOUNTS: u32 = 100;

/// Something that a customer is told of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// Whose it is, and its number.
    pub id: EventId,
    /// What happened.
    pub kind: EventKind,
    /// When.
    pub at: Timestamp,
    /// To what.
    pub subject: Subject,
    /// Which of the events of its call it is, from 1, in the order of commits; `None` for what is
    /// told of no call.
    pub n_of_call: Option<i64>,
}

/// What something happened to, as it was then.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Subject {
    /// A message.
    Message(Box<Report>),
    /// The recording of a message.
    Recording(QuickSendId, RecordingState),
    /// A campaign; the kind of the event is the state it came to.
    Campaign(CampaignId),
    /// An endpoint.
    Webhook(WebhookId),
    /// A ticket of this number; the kind of the event is the state it came to.
    Ticket(i64),
    /// A reported error of this number; the kind of the event is what happened to it.
    ErrorReport(i64),
    /// A remote session of this number.
    RemoteSession(i64),
    /// A case of identity.
    IdentityVerification(i64),
}

/// The account's events after the `after`-th: at most `limit`, nor more than [`PAGE_MAX`]. Whoever
/// reads them wants them: from then on they are written, for as long as somebody reads.
///
/// # Errors
/// The database failed.
pub async fn page(
    app: &App,
    account: AccountId,
    after: i64,
    limit: u32,
) -> Result<Vec<Event>, Failure> {
    want(app, account).await?;
    let limit = limit.min(PAGE_MAX);
    let stored = store::event::after(&mut app.read().await?, account, after, limit).await?;
    let mut events = Vec::with_capacity(stored.len());
    for one in stored {
        events.push(told(app, one).await?);
    }
    Ok(events)
}

/// An event of the account; `None` when it has none like that, or has it no more.
///
/// # Errors
/// The database failed.
pub async fn find(app: &App, id: EventId) -> Result<Option<Event>, Failure> {
    match store::event::find(&mut app.read().await?, id).await? {
        Some(stored) => told(app, stored).await.map(Some),
        None => Ok(None),
    }
}

/// The number of the account's last event, 0 before the first.
///
/// # Errors
/// The database failed.
pub async fn last(app: &App, account: AccountId) -> Result<i64, Failure> {
    let log = store::event::log(&mut app.read().await?, account).await?;
    Ok(log.map_or(0, |log| log.last_n))
}

/// Lets the account's events be written from now on.
///
/// # Errors
/// The database failed.
pub(crate) async fn want(app: &App, account: AccountId) -> Result<(), Failure> {
    let now = app.now();
    let log = store::event::log(&mut app.read().await?, account).await?;
    let until = log.and_then(|log| log.until);
    if until.is_some_and(|until| until >= wanted_until(now).plus_ms(-WANTED_EVERY_MS)) {
        return Ok(());
    }
    let wanted =
        app.write(async |tx| Ok(store::event::want(tx, account, wanted_until(now)).await?)).await;
    wanted.map_err(never_refused)
}

/// Forgets what is older than is kept, and goes on writing the events of accounts with endpoints.
///
/// # Errors
/// The database failed; what is left is forgotten another time.
pub async fn look_after(app: &App) -> Result<(), Failure> {
    let before = app.now().plus_ms(-KEPT_MS);
    let mut last = AccountId(0);
    loop {
        let accounts = store::event::accounts(&mut app.read().await?, last, ACCOUNTS).await?;
        let Some(next) = accounts.last() else { break };
        last = *next;
        for account in accounts {
            let forget = async || {
                app.write(async |tx| Ok(store::event::forget(tx, account, before).await?)).await
            };
            while forget().await.map_err(never_refused)? > 0 {}
        }
    }
    let mut last = AccountId(0);
    loop {
        let accounts = store::webhook::owners(&mut app.read().await?, last, ACCOUNTS).await?;
        let Some(next) = accounts.last() else { return Ok(()) };
        last = *next;
        for account in accounts {
            want(app, account).await?;
        }
    }
}

/// The event with what happened to its subject.
pub(crate) async fn told(app: &App, stored: Stored) -> Result<Event, Failure> {
    let Stored { id, kind, subject, at, n_of_call } = stored;
    let subject = match kind {
        EventKind::MessageAccepted => {
            Subject::Message(Box::new(message(app, id, subject).await?.as_accepted()))
        }
        EventKind::MessageEnded => {
            Subject::Message(Box::new(message(app, id, subject).await?.as_ended()))
        }
        EventKind::RecordingReady | EventKind::RecordingFailed => {
            recording(app, id, QuickSendId(subject)).await?
        }
        EventKind::CampaignRunning
        | EventKind::CampaignPaused
        | EventKind::CampaignStopped
        | EventKind::CampaignFinished
        | EventKind::CampaignCancelled => Subject::Campaign(CampaignId(subject)),
        EventKind::WebhookDisabled | EventKind::WebhookTest => Subject::Webhook(WebhookId(subject)),
        EventKind::TicketAnswered | EventKind::TicketWaiting | EventKind::TicketClosed => {
            Subject::Ticket(subject)
        }
        EventKind::ErrorReportFound
        | EventKind::ErrorReportFixed
        | EventKind::ErrorReportCommitted
        | EventKind::ErrorReportDelivered
        | EventKind::ErrorReportAsked => Subject::ErrorReport(subject),
        EventKind::RemoteSessionRequested | EventKind::RemoteSessionAgreed => {
            Subject::RemoteSession(subject)
        }
        EventKind::IdentityVerificationDecided => Subject::IdentityVerification(subject),
    };
    Ok(Event { id, kind, at, subject, n_of_call })
}

async fn message(app: &App, id: EventId, send: i64) -> Result<Report, Failure> {
    let found = report::of_account(app, id.account, QuickSendId(send)).await?;
    found.ok_or_else(|| Failure::of(format!("reading event {id}: there is no send {send}")))
}

async fn recording(app: &App, id: EventId, send: QuickSendId) -> Result<Subject, Failure> {
    let found = store::recording::find(&mut app.read().await?, id.account, send).await?;
    let gone = || Failure::of(format!("reading event {id}: there is no recording of {send}"));
    Ok(Subject::Recording(send, found.ok_or_else(gone)?.state))
}
