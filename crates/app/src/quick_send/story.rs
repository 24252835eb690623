//! A send as the operator sees it: what is stored of it, and what happened in order.

use domain::{AttemptId, QuickSendId, Status, Timestamp};
pub use store::quick_send::Failed as FailedAttempt;
use store::quick_send::{QuickSend, State};

use super::Progress;
use crate::dialing::Ladder;
use crate::{App, Failure};

/// A send as the operator sees it: all that is stored, and the steps of its call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Story {
    /// The send.
    pub send: QuickSend,
    /// Where it stands, live calls of this process included.
    pub status: Status,
    /// The attempts before the last one, which their trunks failed.
    pub failed: Vec<FailedAttempt>,
    /// What happened, in order.
    pub steps: Vec<(Timestamp, Step)>,
    /// The stories of its attempts that are still kept, in the order of the attempts.
    pub ladders: Vec<(AttemptId, Ladder)>,
}

/// A step in the life of a send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// It was accepted and its hold taken.
    Accepted,
    /// An attempt was recorded.
    Leased,
    /// The INVITE was sent.
    Invited,
    /// It rang.
    Ringing,
    /// It was answered.
    Answered,
    /// The first sample of the message was sent.
    FirstAudio,
    /// It ended and was settled.
    Ended,
}

/// The story of any account's send, for the command line.
///
/// # Errors
/// The database failed.
pub async fn story(app: &App, id: QuickSendId) -> Result<Option<Story>, Failure> {
    let live = app.live().get(id);
    let mut reads = app.read().await?;
    let Some(account) = store::quick_send::owner(&mut reads, id).await? else { return Ok(None) };
    let send = store::quick_send::find(&mut reads, account, id).await?;
    let failed = store::quick_send::failed(&mut reads, id).await?;
    let ladders = store::ladder::of_send(&mut reads, id).await?;
    Ok(send.map(|send| Story {
        failed,
        ladders,
        status: Progress::of(&send, live).status,
        steps: steps(&send),
        send,
    }))
}

/// The steps that are stored, in order.
fn steps(send: &QuickSend) -> Vec<(Timestamp, Step)> {
    let mut steps = vec![(Some(send.accepted_at), Step::Accepted)];
    match &send.state {
        State::Ready { .. } => {}
        State::Attempt { started_at, .. } => steps.push((Some(*started_at), Step::Leased)),
        State::Ended(ended) => steps.extend([
            (ended.started_at, Step::Leased),
            (ended.facts.invite_at, Step::Invited),
            (ended.facts.ringing_at, Step::Ringing),
            (ended.facts.answered_at, Step::Answered),
            (ended.facts.first_audio_at, Step::FirstAudio),
            (Some(ended.ended_at), Step::Ended),
        ]),
    }
    steps.into_iter().filter_map(|(at, step)| at.map(|at| (at, step))).collect()
}
