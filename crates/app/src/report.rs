//! A send as its owner sees it in full: what was ordered, where it stands, and how it ended.

use domain::{AccountId, MessageId, QuickSendId, Rials, Status, Timestamp};
use store::quick_send::State;
pub use store::recipient::End;
use store::recording;

use crate::quick_send::Progress;
use crate::{App, Caller, Failure};

/// Most reports on one page.
pub const PAGE_MAX: u32 = 100;

/// Everything about a send.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// Where it stands.
    pub progress: Progress,
    /// What it plays.
    pub message: MessageId,
    /// How long that plays.
    pub clip_ms: u32,
    /// What was held for it.
    pub hold: Rials,
    /// When it is too late to start the call.
    pub expires_at: Timestamp,
    /// Whether it is of a sandbox.
    pub sandbox: bool,
    /// Where the recording of its callee stands, if one was asked for.
    pub recording: Option<Recorded>,
    /// How it ended, if it has.
    pub end: Option<End>,
}

/// Where a recording stands that was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Recorded {
    /// The call has not come to it, or it is not known yet whether it did.
    Expected,
    /// The call ended before it could begin.
    Unmade,
    /// It was begun, and is not kept yet.
    Begun,
    /// It can be listened to.
    Ready {
        /// How long it is.
        length_ms: u32,
    },
    /// It was begun and could not be kept.
    Failed,
}

impl Recorded {
    /// Its name among programs.
    pub fn word(self) -> &'static str {
        match self {
            Self::Expected => "expected",
            Self::Unmade => "none",
            Self::Begun => "recording",
            Self::Ready { .. } => "ready",
            Self::Failed => "failed",
        }
    }

    /// How long it is, milliseconds, once it can be listened to.
    pub fn length_ms(self) -> Option<u32> {
        match self {
            Self::Ready { length_ms } => Some(length_ms),
            Self::Expected | Self::Unmade | Self::Begun | Self::Failed => None,
        }
    }

    /// Of a send that asks for one when `record_ms` says so; `kept` is what is known of it.
    pub(crate) fn of(
        record_ms: Option<u32>,
        kept: Option<&recording::State>,
        is_over: bool,
    ) -> Option<Self> {
        record_ms?;
        Some(match kept {
            Some(recording::State::Started) => Self::Begun,
            Some(recording::State::Ready { length_ms }) => Self::Ready { length_ms: *length_ms },
            Some(recording::State::Failed { .. }) => Self::Failed,
            None if is_over => Self::Unmade,
            None => Self::Expected,
        })
    }
}

impl Report {
    /// The send as it was accepted: the same whenever it is told.
    #[must_use]
    pub fn as_accepted(mut self) -> Self {
        self.end = None;
        self.recording = self.recording.map(|_| Recorded::Expected);
        self.progress.status = Status::Queued;
        self.progress.heard_ms = 0;
        self.progress.vote = None;
        self.progress.charge = Rials::ZERO;
        self
    }

    /// The send as it ended: the same whenever it is told, whatever becomes of its recording.
    #[must_use]
    pub fn as_ended(mut self) -> Self {
        let is_answered = self.end.as_ref().is_some_and(|end| end.answered_at.is_some());
        let then = if is_answered { Recorded::Expected } else { Recorded::Unmade };
        self.recording = self.recording.map(|_| then);
        self
    }
}

/// A place in the list of an account's sends: when a send was accepted, and which it is.
pub type Place = (Timestamp, QuickSendId);

/// The caller's send `id`.
///
/// # Errors
/// The database failed.
pub async fn find(app: &App, caller: &Caller, id: QuickSendId) -> Result<Option<Report>, Failure> {
    of_account(app, caller.account.id, id).await
}

/// The account's send `id`.
pub(crate) async fn of_account(
    app: &App,
    account: AccountId,
    id: QuickSendId,
) -> Result<Option<Report>, Failure> {
    // The live status first, as in `quick_send::find`.
    let live = app.live().get(id);
    let found = store::quick_send::find(&mut app.read().await?, account, id).await?;
    Ok(found.map(|send| {
        let progress = Progress::of(&send, live);
        let is_over = matches!(send.state, State::Ended(_));
        let recording = Recorded::of(send.record_ms, send.recording.as_ref(), is_over);
        let end = match send.state {
            State::Ended(ended) => Some(End {
                cause: ended.facts.cause,
                sip_code: ended.facts.sip_code,
                q850: ended.facts.q850,
                answered_at: ended.facts.answered_at,
                keys: ended.facts.keys,
                at: ended.ended_at,
            }),
            State::Ready { .. } | State::Attempt { .. } => None,
        };
        Report {
            progress,
            message: send.message,
            clip_ms: send.clip_ms,
            hold: send.hold,
            expires_at: send.expires_at,
            sandbox: send.sandbox,
            recording,
            end,
        }
    }))
}

/// The caller's sends that were accepted before `before`, the newest first: no more than `limit`,
/// nor than [`PAGE_MAX`].
///
/// # Errors
/// The database failed.
pub async fn page(
    app: &App,
    caller: &Caller,
    before: Option<Place>,
    limit: u32,
) -> Result<Vec<Report>, Failure> {
    let before = before.unwrap_or((Timestamp(i64::MAX), QuickSendId(i64::MAX)));
    let mut reads = app.read().await?;
    let limit = limit.min(PAGE_MAX);
    let places = store::quick_send::page(&mut reads, caller.account.id, before, limit).await?;
    drop(reads);
    let mut reports = Vec::with_capacity(places.len());
    for (_, id) in places {
        reports.extend(find(app, caller, id).await?);
    }
    Ok(reports)
}
