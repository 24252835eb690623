//! The calls that this node has in hand: from the lease to the durable settlement.

use std::collections::BTreeSet;
use std::sync::Arc;

use app::dialing::{Asker, EndedCall, OpenAttempt, PhoneContact, ReadyJob};
use domain::quick_send::zone_of;
use domain::{AccountId, AttemptId, Callee, Destination, Rials, TariffId, Timestamp, Zone};
use engine::{CallKey, Clip, DialogSnapshot, Hop, LastWord, Target};

use crate::moment::Moment;

/// A call in hand.
pub(crate) struct Call {
    pub(crate) attempt: AttemptId,
    /// The shard that places it and has its flight record.
    pub(crate) shard: usize,
    pub(crate) account: AccountId,
    /// The number that its class shows in place of the trunk's.
    pub(crate) caller_id: Option<String>,
    pub(crate) callee: Callee,
    pub(crate) destination: Destination,
    /// The name of its trunk.
    pub(crate) trunk: String,
    /// Who is rung then, in a secure call.
    pub(crate) second: Option<Second>,
    pub(crate) terms: Terms,
    /// When it is too late to dial it: its class may not call any more, or its time is over.
    pub(crate) dial_by: Timestamp,
    pub(crate) stage: Stage,
    /// It was withdrawn, and the engine was asked to hang up.
    pub(crate) cancelled: bool,
    /// Its capacity, given back when the call is dropped.
    #[expect(dead_code, reason = "held for what its drop does")]
    pub(crate) room: Option<Box<dyn Send>>,
}

/// The second leg of a secure call.
pub(crate) struct Second {
    pub(crate) callee: Callee,
    pub(crate) destination: Destination,
    /// The name of its trunk.
    pub(crate) trunk: String,
}

/// What a call costs at most and by which prices.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Terms {
    pub(crate) tariff: TariffId,
    pub(crate) zone: Zone,
    /// The zone of the second leg of a secure call.
    pub(crate) second: Option<Zone>,
    pub(crate) hold: Rials,
    /// Whether the first key pressed is kept.
    pub(crate) vote: bool,
    /// The key by which the callee opts out.
    pub(crate) opt_out_key: Option<char>,
    /// How long the callee is recorded after the message.
    pub(crate) record_ms: Option<u32>,
    /// How long the message plays; in a secure call, how long both may talk.
    pub(crate) clip_ms: u32,
    /// When it is too late to start.
    pub(crate) expires_at: Timestamp,
    /// The regional server that is to call.
    pub(crate) server: Option<u32>,
    /// Whether it is a call of a sandbox.
    pub(crate) sandbox: bool,
    /// How many trunks failed its send before.
    pub(crate) trunks_failed: u32,
    /// Its place in the line, should it have to go back there.
    pub(crate) due_at: Timestamp,
    /// Whose it is, if that is known.
    pub(crate) asker: Option<Asker>,
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
    Prepared { clip: Arc<Clip>, target: Target, second: Option<Target>, server: Option<Hop> },
    /// The engine has it.
    Placed { started: Moment, server: Option<Hop> },
    /// A killed process left it behind; it is ended on the wire, and settled when it is over.
    Abandoned(Box<Abandoned>),
}

/// A call that a killed process left behind. Its attempt stays open, and so nobody calls its
/// number, until the far end has said that it is over, or until it cannot be up any more.
pub(crate) struct Abandoned {
    /// Its dialog, if it was answered: it is hung up by that, else cancelled.
    pub(crate) dialog: Option<Arc<DialogSnapshot>>,
    /// How it is settled.
    pub(crate) ended: Box<EndedCall>,
    /// Whether who says that it knows of no such call is believed: what is on record names it, and
    /// there is nothing else of it.
    pub(crate) certain: bool,
    /// Whether it is to have a second leg, which no record names.
    pub(crate) two_legs: bool,
    /// Where it is being ended: at this server of its trunk, or where its dialog or phone is.
    pub(crate) asked: Option<Hop>,
    /// Who said that they know of no such call.
    pub(crate) not_at: BTreeSet<Option<Hop>>,
    /// Who said nothing of it the last time that all were asked.
    pub(crate) silent: BTreeSet<Option<Hop>>,
    /// When it cannot be up any more, by the steady clock.
    pub(crate) over_at: Timestamp,
    /// When it is looked at next.
    pub(crate) look_at: Timestamp,
}

impl Abandoned {
    /// One of which nobody was asked yet.
    pub(crate) fn new(
        dialog: Option<Arc<DialogSnapshot>>,
        ended: Box<EndedCall>,
        (certain, two_legs): (bool, bool),
        over_at: Timestamp,
    ) -> Self {
        let (not_at, silent) = (BTreeSet::new(), BTreeSet::new());
        let (asked, look_at) = (None, over_at);
        Self { dialog, ended, certain, two_legs, asked, not_at, silent, over_at, look_at }
    }

    /// Whether all of it is over, as far as its far end says. A second leg is rung once the first
    /// has answered.
    pub(crate) fn is_over(&self, word: LastWord) -> bool {
        match word {
            LastWord::Unanswered => true,
            LastWord::HungUp => self.certain || !self.two_legs,
            LastWord::Unknown | LastWord::Silent => false,
        }
    }

    /// Whether this one is still to be asked before all are asked again.
    pub(crate) fn is_to_ask(&self, whom: Option<Hop>) -> bool {
        !self.not_at.contains(&whom) && !self.silent.contains(&whom)
    }
}

impl Second {
    /// Whether a trunk calls it.
    pub(crate) fn is_number(&self) -> bool {
        matches!(self.destination, Destination::Number(_))
    }
}

impl Terms {
    /// Whether what the call is for was done: the message heard to its end, or a conversation had.
    pub(crate) fn is_whole(&self, heard_ms: u32) -> bool {
        let enough_ms = if self.second.is_some() { 1 } else { self.clip_ms };
        heard_ms >= enough_ms && enough_ms > 0
    }

    pub(crate) fn of_job(job: &ReadyJob) -> Self {
        Self {
            tariff: job.tariff,
            zone: job.zone,
            second: job.second.as_ref().map(zone_of),
            hold: job.hold,
            vote: job.vote,
            opt_out_key: job.opt_out_key,
            record_ms: job.record_ms,
            clip_ms: job.clip_ms,
            expires_at: job.expires_at,
            server: job.server,
            sandbox: job.sandbox,
            trunks_failed: job.trunks_failed,
            due_at: job.due_at,
            asker: Asker::of(job),
        }
    }

    pub(crate) fn of_open(open: &OpenAttempt) -> Self {
        Self {
            tariff: open.tariff,
            zone: open.zone,
            second: open.second.as_ref().map(zone_of),
            hold: open.hold,
            vote: false,
            opt_out_key: None,
            record_ms: None,
            clip_ms: open.clip_ms,
            expires_at: open.expires_at,
            server: open.server,
            sandbox: open.sandbox,
            trunks_failed: open.trunks_failed,
            due_at: open.started_at,
            asker: None,
        }
    }
}

/// The key under which the engine and the flight recorder know an attempt.
pub(crate) fn key(attempt: AttemptId) -> CallKey {
    CallKey(attempt.pack())
}
