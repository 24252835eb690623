//! Settle: an attempt becomes an outcome, and its hold a charge and a release, exactly once.

use domain::{AttemptId, Disposition, QuickSendId, Rials, Timestamp};

use crate::{Db, Result};

/// How an attempt ended and what it costs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settle {
    /// Which attempt.
    pub attempt: AttemptId,
    /// What it means to the business.
    pub disposition: Disposition,
    /// What is charged; cut to 0..=hold. The rest of the hold is released.
    pub charge: Rials,
    /// What the call reported.
    pub facts: Facts,
    /// When it ended.
    pub ended_at: Timestamp,
}

/// What is kept of a call beside its disposition.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Facts {
    /// Why it ended, in the engine's words.
    pub cause: String,
    /// The final SIP code.
    pub sip_code: Option<u16>,
    /// The Q.850 cause.
    pub q850: Option<u8>,
    /// How much of the clip was sent while the call was up.
    pub heard_ms: u32,
    /// The first key pressed, 0 to 9; `None` for no vote.
    pub vote: Option<u8>,
    /// When the INVITE was sent.
    pub invite_at: Option<Timestamp>,
    /// When it rang.
    pub ringing_at: Option<Timestamp>,
    /// When it was answered.
    pub answered_at: Option<Timestamp>,
    /// When the first sample of the clip was sent.
    pub first_audio_at: Option<Timestamp>,
}

/// What settling did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SettleResult {
    /// The outcome was written and the money moved.
    Settled,
    /// The attempt had ended before; nothing was changed.
    AlreadySettled,
    /// There is no such attempt.
    Unknown,
}

impl Db {
    /// Settles a batch. Answers stand in the order of the elements.
    ///
    /// # Errors
    /// [`crate::Error::Unavailable`]; then nothing was settled. Settling again is safe.
    pub async fn settle(&self, elements: Vec<Settle>) -> Result<Vec<SettleResult>> {
        unimplemented!("{elements:?}")
    }

    /// Ends those of `sends` that still wait although their time is over at `now`: outcome 0,
    /// `Expired`, the hold released. Tells for each whether it was ended.
    ///
    /// # Errors
    /// [`crate::Error::Unavailable`]; then none was ended.
    pub async fn expire(&self, sends: Vec<QuickSendId>, now: Timestamp) -> Result<Vec<bool>> {
        unimplemented!("{sends:?} {now:?}")
    }
}
