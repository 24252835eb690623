//! What became of a call, told alike of a message that was sent alone, with others, or by a
//! campaign.

use app::campaign::Recipient;
use app::report::{End, Recorded, Report};
use domain::calendar::jalali::rfc3339;
use domain::campaign::RecipientStatus;
use domain::{Disposition, QuickSendId, Status};
use serde::Serialize;

/// A call as it is shown, within the message or the number that it is of.
#[derive(Serialize)]
pub(super) struct Call {
    state: &'static str,
    result: Option<&'static str>,
    reason: Option<Reason>,
    answered_by: Option<&'static str>,
    /// Not known of a number that was not called yet.
    clip_seconds: Option<f64>,
    heard_seconds: f64,
    key: Option<u8>,
    /// All that were pressed, in their order.
    keys: Vec<char>,
    recording: Option<Recording>,
    charged: i64,
    answered_at: Option<String>,
    ended_at: Option<String>,
}

/// Why a call ended as it did.
#[derive(Serialize)]
struct Reason {
    cause: String,
    sip_code: Option<u16>,
    q850: Option<u8>,
}

/// The recording of the callee.
#[derive(Serialize)]
struct Recording {
    state: &'static str,
    seconds: Option<f64>,
    /// Where it can be listened to.
    url: Option<String>,
}

impl Call {
    pub(super) fn of_message(report: &Report) -> Self {
        let progress = &report.progress;
        let send = Some(progress.id);
        Self {
            clip_seconds: Some(seconds(report.clip_ms)),
            heard_seconds: seconds(progress.heard_ms),
            key: progress.vote,
            recording: report.recording.map(|recorded| Recording::of(recorded, send)),
            charged: progress.charge.0,
            ..Self::that_ended(state(progress.status), Some(progress.status), report.end.as_ref())
        }
    }

    /// The last call of a campaign to a number, or the one that waits; what was charged is for all
    /// of them.
    pub(super) fn of_number(recipient: &Recipient) -> Self {
        let it = &recipient.stored;
        let (shown, status) = match recipient.status {
            RecipientStatus::Retrying => (("retrying", None), None),
            RecipientStatus::Of(Status::Queued) if it.send.is_none() => (("waiting", None), None),
            RecipientStatus::Of(status) => (state(status), Some(status)),
        };
        Self {
            clip_seconds: it.clip_ms.map(seconds),
            heard_seconds: seconds(it.heard_ms),
            key: it.vote,
            recording: recipient.recording.map(|recorded| Recording::of(recorded, it.send)),
            charged: it.charge.0,
            ..Self::that_ended(shown, status, recipient.end.as_ref())
        }
    }

    /// What is known by its state and its end alone.
    fn that_ended(
        (state, result): (&'static str, Option<&'static str>),
        status: Option<Status>,
        end: Option<&End>,
    ) -> Self {
        Self {
            state,
            result,
            reason: end.map(|end| Reason {
                cause: end.cause.clone(),
                sip_code: end.sip_code,
                q850: end.q850,
            }),
            answered_by: end.and_then(|end| answered_by(status, end)),
            clip_seconds: None,
            heard_seconds: 0.0,
            key: None,
            keys: end.map(|end| end.keys.chars().collect()).unwrap_or_default(),
            recording: None,
            charged: 0,
            answered_at: end.and_then(|end| end.answered_at).map(rfc3339),
            ended_at: end.map(|end| rfc3339(end.at)),
        }
    }
}

impl Recording {
    fn of(recorded: Recorded, send: Option<QuickSendId>) -> Self {
        let (state, length_ms) = (recorded.word(), recorded.length_ms());
        let url = send.map(|send| format!("/v1/messages/{send}/recording"));
        Self { state, seconds: length_ms.map(seconds), url: url.filter(|_| length_ms.is_some()) }
    }
}

/// How far it is, which never goes back, and how it ended.
pub(super) fn state(status: Status) -> (&'static str, Option<&'static str>) {
    let (state, result) = status.words();
    (state, Some(result).filter(|result| !result.is_empty()))
}

/// Who answered, as far as it is known: machines are told apart, and only people press keys.
fn answered_by(status: Option<Status>, end: &End) -> Option<&'static str> {
    match status {
        Some(Status::Ended(Disposition::AnsweringMachine)) => Some("machine"),
        _ if end.answered_at.is_some() && !end.keys.is_empty() => Some("person"),
        _ => end.answered_at.map(|_| "unknown"),
    }
}

pub(super) fn seconds(ms: u32) -> f64 {
    f64::from(ms) / 1000.0
}
