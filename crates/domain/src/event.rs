//! Events: what customers' programs are told of, in the order in which it became durable.

use crate::campaign::State;
use crate::{AccountId, Timestamp};

/// How long events are kept and can be read again, milliseconds: 30 days.
pub const KEPT_MS: i64 = 30 * 24 * 3_600_000;

/// An event: the `n`-th (from 1) of its account. Of two events of one account, the one with the
/// greater number was committed later.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EventId {
    /// Whose it is.
    pub account: AccountId,
    /// Its number.
    pub n: i64,
}

impl EventId {
    /// What comes before the name of an event.
    const PREFIX: &str = "evt_";

    /// Reads a name that [`Self::to_string`] made.
    pub fn parse(name: &str) -> Option<Self> {
        let (account, n) = name.strip_prefix(Self::PREFIX)?.split_once('_')?;
        let number = |digits: &str| {
            let is_number = digits.bytes().all(|byte| byte.is_ascii_digit());
            digits.parse().ok().filter(|_| is_number)
        };
        Some(Self { account: AccountId(number(account)?), n: number(n)? })
    }
}

impl std::fmt::Display for EventId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}{}_{}", Self::PREFIX, self.account, self.n)
    }
}

/// What an event tells of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum EventKind {
    /// A message was accepted; calls of campaigns are not told of.
    MessageAccepted,
    /// A message has its final result.
    MessageEnded,
    /// What a callee said can be listened to.
    RecordingReady,
    /// What a callee said is lost.
    RecordingFailed,
    /// A campaign was started, or goes on after a pause.
    CampaignRunning,
    /// A campaign pauses.
    CampaignPaused,
    /// A campaign was stopped.
    CampaignStopped,
    /// A campaign has come to its end.
    CampaignFinished,
    /// A campaign was given up.
    CampaignCancelled,
    /// An endpoint gets nothing any more, since it failed for too long.
    WebhookDisabled,
    /// A customer wanted to see an event arrive.
    WebhookTest,
    /// A person answered a ticket.
    TicketAnswered,
    /// A ticket waits for something that its customer was asked for.
    TicketWaiting,
    /// We closed a ticket.
    TicketClosed,
    /// A customer was told what a reported error is.
    ErrorReportFound,
    /// A reported error is fixed.
    ErrorReportFixed,
    /// A date for structural work was announced, or is proposed.
    ErrorReportCommitted,
    /// Structural work was delivered; it is the customer's to take it.
    ErrorReportDelivered,
    /// A customer is asked to make something available.
    ErrorReportAsked,
    /// A customer is asked for a remote session.
    RemoteSessionRequested,
    /// It was decided who a customer is, or something else is wanted for that.
    IdentityVerificationDecided,
    /// A customer is told of the time and the program of a remote session, to consent to them.
    RemoteSessionAgreed,
}

impl EventKind {
    /// Every kind.
    pub const ALL: [Self; 22] = [
        Self::MessageAccepted,
        Self::MessageEnded,
        Self::RecordingReady,
        Self::RecordingFailed,
        Self::CampaignRunning,
        Self::CampaignPaused,
        Self::CampaignStopped,
        Self::CampaignFinished,
        Self::CampaignCancelled,
        Self::WebhookDisabled,
        Self::WebhookTest,
        Self::TicketAnswered,
        Self::TicketWaiting,
        Self::TicketClosed,
        Self::ErrorReportFound,
        Self::ErrorReportFixed,
        Self::ErrorReportCommitted,
        Self::ErrorReportDelivered,
        Self::ErrorReportAsked,
        Self::RemoteSessionRequested,
        Self::IdentityVerificationDecided,
        Self::RemoteSessionAgreed,
    ];

    /// The number under which it is kept.
    pub fn code(self) -> i64 {
        match self {
            Self::MessageAccepted => 1,
            Self::MessageEnded => 2,
            Self::RecordingReady => 3,
            Self::RecordingFailed => 4,
            Self::CampaignRunning => 5,
            Self::CampaignPaused => 6,
            Self::CampaignStopped => 7,
            Self::CampaignFinished => 8,
            Self::CampaignCancelled => 9,
            Self::WebhookDisabled => 10,
            Self::WebhookTest => 11,
            Self::TicketAnswered => 12,
            Self::TicketWaiting => 13,
            Self::TicketClosed => 14,
            Self::ErrorReportFound => 15,
            Self::ErrorReportFixed => 16,
            Self::ErrorReportCommitted => 17,
            Self::ErrorReportDelivered => 18,
            Self::ErrorReportAsked => 19,
            Self::RemoteSessionRequested => 20,
            Self::IdentityVerificationDecided => 21,
            Self::RemoteSessionAgreed => 22,
        }
    }

    /// Reads a number made by [`Self::code`].
    pub fn from_code(code: i64) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.code() == code)
    }

    /// Its name among programs.
    pub fn word(self) -> &'static str {
        match self {
            Self::MessageAccepted => "message.accepted",
            Self::MessageEnded => "message.ended",
            Self::RecordingReady => "recording.ready",
            Self::RecordingFailed => "recording.failed",
            Self::CampaignRunning => "campaign.running",
            Self::CampaignPaused => "campaign.paused",
            Self::CampaignStopped => "campaign.stopped",
            Self::CampaignFinished => "campaign.finished",
            Self::CampaignCancelled => "campaign.cancelled",
            Self::WebhookDisabled => "webhook.disabled",
            Self::WebhookTest => "webhook.test",
            Self::TicketAnswered => "ticket.answered",
            Self::TicketWaiting => "ticket.waiting",
            Self::TicketClosed => "ticket.closed",
            Self::ErrorReportFound => "error_report.found",
            Self::ErrorReportFixed => "error_report.fixed",
            Self::ErrorReportCommitted => "error_report.committed",
            Self::ErrorReportDelivered => "error_report.delivered",
            Self::ErrorReportAsked => "error_report.asked",
            Self::RemoteSessionRequested => "remote_session.requested",
            Self::IdentityVerificationDecided => "identity_verification.decided",
            Self::RemoteSessionAgreed => "remote_session.agreed",
        }
    }

    /// Reads a name made by [`Self::word`].
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.word() == word)
    }

    /// What is told when a campaign comes to this state; no campaign comes back to being a draft.
    pub fn of_campaign(state: State) -> Option<Self> {
        match state {
            State::Draft => None,
            State::Running => Some(Self::CampaignRunning),
            State::Paused(_) => Some(Self::CampaignPaused),
            State::Stopped => Some(Self::CampaignStopped),
            State::Finished => Some(Self::CampaignFinished),
            State::Cancelled => Some(Self::CampaignCancelled),
        }
    }
}

/// Until when events are written for an account whose events are wanted at `now`.
pub fn wanted_until(now: Timestamp) -> Timestamp {
    now.plus_ms(KEPT_MS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_read_as_it_is_written() {
        let id = EventId { account: AccountId(7), n: 123 };
        assert_eq!(id.to_string(), "evt_7_123");
        assert_eq!(EventId::parse("evt_7_123"), Some(id));
        for name in ["", "evt_", "evt_7", "evt_7_", "evt__1", "evt_7_-1", "evt_+7_1", "7_123"] {
            assert_eq!(EventId::parse(name), None, "{name}");
        }
        assert_eq!(EventId::parse("evt_7_99999999999999999999"), None);
    }

    #[test]
    fn kinds_are_read_as_they_are_kept_and_named() {
        for kind in EventKind::ALL {
            assert_eq!(EventKind::from_code(kind.code()), Some(kind));
            assert_eq!(EventKind::from_word(kind.word()), Some(kind));
        }
        assert_eq!((EventKind::from_code(0), EventKind::from_word("message")), (None, None));
    }

    #[test]
    fn every_state_but_a_draft_is_told() {
        let told = State::ALL.into_iter().filter(|state| EventKind::of_campaign(*state).is_some());
        assert_eq!(told.count(), State::ALL.len() - 1);
    }
}
