//! Recover: who runs as which node, and what a process that died left open.

use domain::{
    AccountId, AttemptId, Destination, MessageId, NodeId, Rials, TariffId, Timestamp, Zone,
};

use super::NodeStamp;
use crate::{Db, Result};

/// An attempt without an outcome.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenAttempt {
    /// Which attempt.
    pub attempt: AttemptId,
    /// The node that recorded it.
    pub node: NodeId,
    /// The epoch it was recorded under.
    pub epoch: i64,
    /// The trunk it was meant for.
    pub trunk: String,
    /// When it started.
    pub started_at: Timestamp,
    /// Who pays.
    pub account: AccountId,
    /// Whom it calls.
    pub destination: Destination,
    /// What is played.
    pub message: MessageId,
    /// How long it plays.
    pub clip_ms: u32,
    /// The prices to charge by.
    pub tariff: TariffId,
    /// The price zone to charge by.
    pub zone: Zone,
    /// What is reserved for it.
    pub hold: Rials,
    /// When it is too late to start the call.
    pub expires_at: Timestamp,
}

impl Db {
    /// Takes the node `name` until `until` with a new epoch, which fences off whoever had it.
    ///
    /// # Errors
    /// [`crate::Error::Unavailable`].
    pub async fn take_node(&self, name: &str, until: Timestamp) -> Result<NodeStamp> {
        unimplemented!("{name} {until:?}")
    }

    /// Prolongs the node's lease. `false`: another process took the node, stop dialling.
    ///
    /// # Errors
    /// [`crate::Error::Unavailable`].
    pub async fn renew(&self, stamp: NodeStamp, until: Timestamp) -> Result<bool> {
        unimplemented!("{stamp:?} {until:?}")
    }

    /// What earlier processes of this node (epochs below the stamp's) left open.
    ///
    /// # Errors
    /// [`crate::Error::Unavailable`] and [`crate::Error::Corrupt`].
    pub async fn open_attempts(&self, stamp: NodeStamp) -> Result<Vec<OpenAttempt>> {
        unimplemented!("{stamp:?}")
    }

    /// What other nodes whose lease ended before `now` left open.
    ///
    /// # Errors
    /// [`crate::Error::Unavailable`] and [`crate::Error::Corrupt`].
    pub async fn orphans(&self, now: Timestamp) -> Result<Vec<OpenAttempt>> {
        unimplemented!("{now:?}")
    }

    /// Closes attempts whose INVITE was never sent, without money, and puts their sends back into
    /// the queue, due `at`. Tells for each whether it was open.
    ///
    /// # Errors
    /// [`crate::Error::Unavailable`]; then nothing was changed. Doing it again is safe.
    pub async fn not_sent(&self, attempts: Vec<AttemptId>, at: Timestamp) -> Result<Vec<bool>> {
        unimplemented!("{attempts:?} {at:?}")
    }
}
