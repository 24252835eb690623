//! Accept: the hold, the send and its place in the queue (or its first attempt), in one commit.

use domain::{AccountId, Destination, MessageId, QuickSendId, Rials, TariffId, Timestamp, Zone};

use super::LeaseStamp;
use crate::{Db, Result};

/// A quick send that was admitted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Accept {
    /// Who pays.
    pub account: AccountId,
    /// What is played.
    pub message: MessageId,
    /// How long it plays.
    pub clip_ms: u32,
    /// Whom to call.
    pub destination: Destination,
    /// Whether the first key pressed is kept.
    pub vote: bool,
    /// The prices that were used.
    pub tariff: TariffId,
    /// The price zone that was used.
    pub zone: Zone,
    /// The most it can cost; reserved until it ends. Not negative.
    pub hold: Rials,
    /// When it was accepted, and from when on it may be called.
    pub at: Timestamp,
    /// When it is too late to start the call.
    pub expires_at: Timestamp,
    /// Scheduling class: the dialer's number, kept as it is.
    pub class: u8,
    /// The customer's own key: a second send with it returns the first one.
    pub client_reference: Option<String>,
    /// When given, the first attempt is recorded in the same commit instead of a place in the
    /// queue, provided that the node still holds its epoch.
    pub lease: Option<LeaseStamp>,
}

/// A send that is now durable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Accepted {
    /// Its identity.
    pub quick_send: QuickSendId,
    /// Whether attempt 1 was recorded: the caller, and nobody else, dials it now.
    pub leased: bool,
    /// Whether it had been accepted before under the same client reference; nothing was changed.
    pub repeated: bool,
}

/// Why a send was not accepted although it was admitted: the account changed in between.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AcceptRefusal {
    /// The available balance does not cover the hold any more.
    InsufficientCredit,
    /// There is no such account, or it was switched off.
    AccountGone,
}

impl Db {
    /// Accepts a batch. Answers stand in the order of the elements.
    ///
    /// # Errors
    /// [`crate::Error::Unavailable`] and [`crate::Error::Conflict`] (an unknown message or
    /// tariff); then no element was accepted.
    pub async fn accept(
        &self,
        elements: Vec<Accept>,
    ) -> Result<Vec<std::result::Result<Accepted, AcceptRefusal>>> {
        unimplemented!("{elements:?}")
    }

    /// Accepts one send; callers at the same time still share a commit.
    ///
    /// # Errors
    /// As [`Self::accept`].
    pub async fn accept_one(
        &self,
        element: Accept,
    ) -> Result<std::result::Result<Accepted, AcceptRefusal>> {
        let answers = self.accept(vec![element]).await?;
        Ok(answers.into_iter().next().expect("one answer for one element"))
    }
}
