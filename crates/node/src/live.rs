//! The calls that this node has in hand: from the lease to the durable settlement.

use std::sync::Arc;

use app::dialing::{EndedCall, OpenAttempt, PhoneContact, ReadyJob};
use domain::{AccountId, AttemptId, Destination, Rials, TariffId, Timestamp, Zone};
use engine::{CallKey, Clip, DialogSnapshot, Hop, Target};

use crate::gate::Callee;
use crate::moment::Moment;

/// A call in hand.
pub(crate) struct Call {
    pub(crate) attempt: AttemptId,
    /// The shard that places it and has its flight record.
    pub(crate) shard: usize,
    pub(crate) account: AccountId,
    pub(crate) callee: Callee,
    pub(crate) destination: Destination,
    /// The name of its trunk.
    pub(crate) trunk: String,
    pub(crate) terms: Terms,
    pub(crate) stage: Stage,
    /// Its capacity, given back when the call is dropped.
    #[expect(dead_code, reason = "held for what its drop does")]
    pub(crate) room: Option<Box<dyn Send>>,
}

/// What a call costs at most and by which prices.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Terms {
    pub(crate) tariff: TariffId,
    pub(crate) zone: Zone,
    pub(crate) hold: Rials,
    /// Whether the first key pressed is kept.
    pub(crate) vote: bool,
    /// How long the callee is recorded after the message.
    pub(crate) record_ms: Option<u32>,
    pub(crate) clip_ms: u32,
    /// When it is too late to start.
    pub(crate) expires_at: Timestamp,
    /// The regional server that is to call.
    pub(crate) server: Option<u32>,
    /// How many trunks failed its send before.
    pub(crate) trunks_failed: u32,
    /// Its place in the line, should it have to go back there.
    pub(crate) due_at: Timestamp,
}

/// How far a call in hand is.
pub(crate) enum Stage {
    /// Its clip or its phone's contact is being read.
    Preparing {
        /// The name of its clip.
        blob: String,
        /// The phone's contact, once it is known.
        contact: Option<PhoneContact>,
    },
    /// It may be dialled as soon as the pace on the wire allows; on a trunk, at this server.
    Prepared { clip: Arc<Clip>, target: Target, server: Option<Hop> },
    /// The engine has it.
    Placed { started: Moment, server: Option<Hop> },
    /// A killed process left it behind; it is ended, by this dialog if it was answered, and then
    /// settled like this.
    Abandoned { dialog: Option<Arc<DialogSnapshot>>, ended: Box<EndedCall> },
}

impl Terms {
    pub(crate) fn of_job(job: &ReadyJob) -> Self {
        Self {
            tariff: job.tariff,
            zone: job.zone,
            hold: job.hold,
            vote: job.vote,
            record_ms: job.record_ms,
            clip_ms: job.clip_ms,
            expires_at: job.expires_at,
            server: job.server,
            trunks_failed: job.trunks_failed,
            due_at: job.due_at,
        }
    }

    pub(crate) fn of_open(open: &OpenAttempt) -> Self {
        Self {
            tariff: open.tariff,
            zone: open.zone,
            hold: open.hold,
            vote: false,
            record_ms: None,
            clip_ms: open.clip_ms,
            expires_at: open.expires_at,
            server: open.server,
            trunks_failed: open.trunks_failed,
            due_at: open.started_at,
        }
    }
}

/// The key under which the engine and the flight recorder know an attempt.
pub(crate) fn key(attempt: AttemptId) -> CallKey {
    CallKey(attempt.pack())
}
