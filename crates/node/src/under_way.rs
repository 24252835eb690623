//! What was asked of the database and is not answered yet: one request of each kind at most, and
//! a pause after one that failed.

use std::collections::{BTreeMap, BTreeSet};

use domain::Timestamp;

use crate::dialer::Waiting;
use crate::gate::Room;
use crate::node::Return;

/// The pause after a request failed, microseconds.
const PAUSE_US: i64 = 500_000;

/// Kinds of requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    Renew,
    Read,
    Feed,
    Lease,
    Settle,
    Expire,
    OptOut,
    Cancelled,
    PutBack,
    TrunkHealth,
    Reconcile,
    Forget,
}

/// Requests without an answer.
#[derive(Default)]
pub(crate) struct UnderWay {
    asked: BTreeSet<Kind>,
    pauses: BTreeMap<Kind, Timestamp>,
    /// What is being leased, with the room for it.
    pub(crate) lease: Vec<(Waiting, Room)>,
    /// What is being put back.
    pub(crate) returns: Vec<Return>,
    /// Clips and contacts being read.
    pub(crate) preparations: usize,
}

impl UnderWay {
    /// Whether a request of this kind may be made now.
    pub(crate) fn may_ask(&self, kind: Kind, steady: Timestamp) -> bool {
        !self.is_asked(kind) && !self.is_paused(kind, steady)
    }

    pub(crate) fn is_asked(&self, kind: Kind) -> bool {
        self.asked.contains(&kind)
    }

    pub(crate) fn is_paused(&self, kind: Kind, steady: Timestamp) -> bool {
        self.pauses.get(&kind).is_some_and(|until| *until > steady)
    }

    pub(crate) fn ask(&mut self, kind: Kind) {
        self.asked.insert(kind);
    }

    /// The answer came.
    pub(crate) fn answered(&mut self, kind: Kind) {
        self.asked.remove(&kind);
        self.pauses.remove(&kind);
    }

    /// The answer was a failure: not again for a moment.
    pub(crate) fn failed(&mut self, kind: Kind, steady: Timestamp) {
        self.asked.remove(&kind);
        self.pauses.insert(kind, steady.plus_us(PAUSE_US));
    }

    /// The ends of the pauses.
    pub(crate) fn pauses(&self) -> impl Iterator<Item = Timestamp> + '_ {
        self.pauses.values().copied()
    }
}
