//! Lease: from the queue to an open attempt. What it returns, and only that, may be dialled.

use domain::{
    AccountId, AttemptId, Destination, MessageId, NodeId, QuickSendId, Rials, TariffId, Timestamp,
    Zone,
};

use crate::{Db, Result};

/// A node and the epoch it runs under.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NodeStamp {
    /// The node.
    pub node: NodeId,
    /// Grows each time a process takes the node; an older one is fenced off.
    pub epoch: i64,
}

/// Who dials a send that is leased while it is accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeaseStamp {
    /// The node that will dial.
    pub node: NodeStamp,
    /// The trunk it will use.
    pub trunk: String,
    /// When the attempt starts.
    pub at: Timestamp,
}

/// A send that waits for its turn, with all that dialling it needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReadyJob {
    /// Which send.
    pub quick_send: QuickSendId,
    /// Who pays.
    pub account: AccountId,
    /// Scheduling class.
    pub class: u8,
    /// From when on it may be called.
    pub due_at: Timestamp,
    /// Whom to call.
    pub destination: Destination,
    /// What is played.
    pub message: MessageId,
    /// The name of its audio in the blob store.
    pub blob: String,
    /// How long it plays.
    pub clip_ms: u32,
    /// Whether the first key pressed is kept.
    pub vote: bool,
    /// The prices to charge by.
    pub tariff: TariffId,
    /// The price zone to charge by.
    pub zone: Zone,
    /// What is reserved for it.
    pub hold: Rials,
    /// When it was accepted.
    pub accepted_at: Timestamp,
    /// When it is too late to start the call.
    pub expires_at: Timestamp,
}

impl Db {
    /// Takes sends out of the queue and records an attempt for each (on which trunk, from when).
    /// `None` for those that are not in the queue any more, and for all of them when the stamp is
    /// stale or the node's lease ended before the attempt would start.
    ///
    /// # Errors
    /// [`crate::Error::Unavailable`]; then nothing was leased.
    pub async fn lease(
        &self,
        stamp: NodeStamp,
        elements: Vec<(QuickSendId, String, Timestamp)>,
    ) -> Result<Vec<Option<AttemptId>>> {
        unimplemented!("{stamp:?} {elements:?}")
    }

    /// Waiting sends in the order of (due, id), from the one after `after` on.
    ///
    /// # Errors
    /// [`crate::Error::Unavailable`] and [`crate::Error::Corrupt`].
    pub async fn load_ready(
        &self,
        after_due: Timestamp,
        after_id: QuickSendId,
        limit: u32,
    ) -> Result<Vec<ReadyJob>> {
        unimplemented!("{after_due:?} {after_id:?} {limit}")
    }
}
