//! What becomes of the attempts that an earlier process of this node left open. Decided from two
//! things only: the attempt's row and its flight record. And of those that another node left open
//! which does not come back: they are settled as dialled when they are certainly over.
//!
//! | flight record | becomes |
//! |---|---|
//! | none, and the recorder's file has served the attempt's epoch | not sent: free, called again |
//! | none, and it has not (another host's file, power loss, a torn slot) | as dialled |
//! | ended, nothing was sent | not sent |
//! | ended, its trunk failed it before anything could ring | called again by another trunk |
//! | ended | settled exactly as it ended |
//! | dialled or ringing | never called again: cancelled, `NetworkFailure`, no charge |
//! | answered | never called again: hung up, charged for what was recorded as heard |

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use app::Failure;
use app::dialing::{EndedCall, Ladder, NodeStamp, OpenAttempt, Orphan, PhoneContact};
use domain::dialer::disposition::{NODE_LOST, PROCESS_LOST};
use domain::{Callee, Destination, Disposition, Status, Timestamp};
use engine::{CallKey, Command, DialogSnapshot, Recovered, Target};

use crate::live::{Call, Stage, Terms, key};
use crate::moment::Moment;
use crate::node::{Node, Return};
use crate::recorder::{Phase, RecordedCall, Recorder, SlotError, SlotFile};
use crate::settle::{Judgement, Unsettled, Verdict, decided, judgement, told, verdict};
use crate::spec;
use crate::work::Task;

/// What to do with an open attempt.
#[derive(Debug)]
pub(crate) enum Remedy {
    /// Its INVITE was never sent: the send goes back to the queue.
    NotSent,
    /// Its trunk failed it, and another may try: the send goes back to the queue.
    FailOver(Box<EndedCall>),
    /// It is over: settle it.
    Settle(Box<EndedCall>),
    /// It may be up: end it on the wire, then settle it.
    Abandon {
        /// Its dialog, when it was answered.
        dialog: Option<Arc<DialogSnapshot>>,
        /// How it is settled.
        ended: Box<EndedCall>,
    },
}

/// Decides on an open attempt. `complete`: a call without a record was certainly not dialled.
/// `another`: another trunk may try what its own has failed.
pub(crate) fn remedy(
    open: &OpenAttempt,
    recorded: Option<Phase>,
    complete: bool,
    another: bool,
    now: Moment,
) -> Remedy {
    let terms = Terms::of_open(open);
    let how_far = how_far(recorded.as_ref());
    let ladder = Some(recovered(open, how_far, now));
    let lost = |disposition, heard_ms| {
        let ended = decided(open.attempt, &terms, disposition, PROCESS_LOST, heard_ms, now.wall);
        Box::new(EndedCall { ladder: ladder.clone(), ..ended })
    };
    match recorded {
        None if complete => Remedy::NotSent,
        None | Some(Phase::Dialled | Phase::Ringing) => {
            Remedy::Abandon { dialog: None, ended: lost(Disposition::NetworkFailure, 0) }
        }
        Some(Phase::Answered { dialog, heard_ms }) => {
            let whole = terms.is_whole(heard_ms);
            let disposition = if whole { Disposition::Delivered } else { Disposition::HeardInPart };
            Remedy::Abandon { dialog, ended: lost(disposition, heard_ms) }
        }
        Some(Phase::Ended(outcome)) => {
            // What else was heard of the trunk meanwhile is not known any more.
            let failed = matches!(judgement(&outcome, true), Judgement::Failed(_));
            let ended = match verdict(open.attempt, &terms, &outcome, open.started_at) {
                Verdict::Ended(ended) => Box::new(EndedCall { ladder, ..*ended }),
                Verdict::NotSent => return Remedy::NotSent,
            };
            if failed && another { Remedy::FailOver(ended) } else { Remedy::Settle(ended) }
        }
    }
}

fn how_far(recorded: Option<&Phase>) -> Recovered {
    match recorded {
        None => Recovered::Unrecorded,
        Some(Phase::Dialled) => Recovered::Dialled,
        Some(Phase::Ringing) => Recovered::Ringing,
        Some(Phase::Answered { .. }) => Recovered::Answered,
        Some(Phase::Ended(_)) => Recovered::Ended,
    }
}

/// The story of an attempt that another process placed.
fn recovered(open: &OpenAttempt, how_far: Recovered, now: Moment) -> Ladder {
    let after_us = u64::try_from(now.wall.us_since(open.started_at)).unwrap_or(0);
    told(&engine::Ladder::recovered(after_us, how_far), open.started_at)
}

impl Node {
    /// Decides about every open attempt and carries out what can be done at once. Every call of
    /// which it is not sure that it was not dialled has a flight record when this returns.
    pub(crate) fn recover<F: SlotFile>(
        &mut self,
        now: Moment,
        open: Vec<OpenAttempt>,
        recorder: &mut Recorder<F>,
    ) -> Result<(), Failure> {
        let taken = self.stamp;
        let found = recorder.take_found();
        let mut records: BTreeMap<CallKey, Phase> =
            found.into_iter().map(|recorded| (recorded.call, recorded.phase)).collect();
        // What is not open was settled before its slot could be freed, and makes room.
        let attempts: BTreeSet<CallKey> = open.iter().map(|open| key(open.attempt)).collect();
        records.retain(|call, _| {
            let is_open = attempts.contains(call);
            if !is_open {
                recorder.release(*call);
            }
            is_open
        });
        for open in open {
            let call = key(open.attempt);
            let (shard, recorded) = (self.shard_of(call), records.remove(&call));
            let unrecorded = recorded.is_none();
            let shown = recorded.as_ref().map_or(Status::Calling, Phase::status);
            let leased = NodeStamp { node: open.node, epoch: open.epoch };
            let complete = recorder.vouches_for(leased, taken);
            let another = self.another_may_try(&open, now);
            match remedy(&open, recorded, complete, another, now) {
                Remedy::NotSent => {
                    self.returns.push(Return::unsent(open.attempt, shard, now.wall));
                }
                Remedy::FailOver(ended) => {
                    self.tried.add(open.attempt.quick_send, &open.trunk);
                    self.stats.recovered += 1;
                    self.returns.push(Return::failed(&ended, shard, open.started_at));
                }
                Remedy::Settle(ended) => {
                    self.app.live().set(open.attempt.quick_send, shown);
                    self.stats.recovered += 1;
                    self.settlements.push(Unsettled::new(call, shard, *ended));
                }
                Remedy::Abandon { dialog, ended } => {
                    if unrecorded {
                        let recorded = RecordedCall { call, phase: Phase::Dialled };
                        recorder.adopt(&recorded).map_err(recorder_failed)?;
                    }
                    self.app.live().set(open.attempt.quick_send, shown);
                    self.stats.recovered += 1;
                    self.abandon(now, &open, shard, Stage::Abandoned { dialog, ended });
                }
            }
        }
        recorder.begin_epoch(taken).map_err(recorder_failed)
    }

    /// Ends what other nodes left open and will not end themselves: their lease ended so long ago
    /// that no call of theirs can be up, and it was not renewed since the last look, either, so
    /// that no wrong clock can make a living node look dead. Nobody is called again.
    pub(crate) fn take_orphans(&mut self, now: Moment, orphans: Vec<Orphan>) {
        let known = self.known_attempts();
        let seen = std::mem::take(&mut self.reconciling.orphans);
        for Orphan { open, lease_until } in orphans {
            if known.contains(&open.attempt) || self.may_be_up(&open, lease_until, now) {
                continue;
            }
            if seen.get(&open.attempt) != Some(&lease_until) {
                self.reconciling.orphans.insert(open.attempt, lease_until);
                continue;
            }
            let attempt = open.attempt.pack();
            tracing::warn!(attempt, node = open.node.0, "a call of a node that is gone is settled");
            let (terms, lost) = (Terms::of_open(&open), Disposition::NetworkFailure);
            let ended = decided(open.attempt, &terms, lost, NODE_LOST, 0, now.wall);
            let ladder = Some(recovered(&open, Recovered::Unrecorded, now));
            let ended = EndedCall { ladder, ..ended };
            let call = key(open.attempt);
            self.stats.recovered += 1;
            self.settlements.push(Unsettled::new(call, self.shard_of(call), ended));
        }
    }

    /// Whether a call of a node whose lease ended then may be up still: two people may talk for
    /// longer than any message plays.
    fn may_be_up(&self, open: &OpenAttempt, lease_until: Timestamp, now: Moment) -> bool {
        let talk_ms = if open.second.is_some() { i64::from(open.clip_ms) } else { 0 };
        now.wall < lease_until.plus_ms(self.config.orphan_after_ms.saturating_add(talk_ms))
    }

    /// Takes a call of a killed process in hand, to end it on the wire.
    fn abandon(&mut self, now: Moment, open: &OpenAttempt, shard: usize, stage: Stage) {
        let callee = Callee::of((open.account, open.sandbox), &open.destination);
        let room = self.gate.occupy(&callee, &open.trunk);
        let call = key(open.attempt);
        let held = Call {
            attempt: open.attempt,
            shard,
            account: open.account,
            caller_id: self.caller_id_of(open.message_class),
            callee,
            destination: open.destination.clone(),
            trunk: open.trunk.clone(),
            second: None,
            terms: Terms::of_open(open),
            dial_by: open.expires_at,
            stage,
            cancelled: false,
            room: room.map(|room| Box::new(room) as Box<dyn Send>),
        };
        self.calls.insert(call, held);
        let deadline = now.steady.plus_us(self.config.abandon_ms.saturating_mul(1000));
        self.abandoned.insert((deadline, call));
        match &open.destination {
            Destination::Number(_) => self.hang_up_abandoned(call, None),
            Destination::Extension(extension) => {
                let phone = Some((open.account, extension.clone()));
                let codecs = Vec::new();
                self.preparations.push_back(Task::Prepare { call, blob: None, codecs, phone });
            }
        }
    }

    /// Tells the engine to end a call of a killed process. A phone that had not answered and whose
    /// contact is not known any more cannot be reached: its call ends by itself at the deadline.
    pub(crate) fn hang_up_abandoned(&mut self, key: CallKey, contact: Option<&PhoneContact>) {
        let Some(call) = self.calls.get_mut(&key) else { return };
        let Stage::Abandoned { dialog, .. } = &mut call.stage else { return };
        let dialog = dialog.take();
        let target = match (&call.destination, contact) {
            (Destination::Number(number), _) => {
                let trunk = spec::trunk(&self.config, &call.trunk);
                trunk.and_then(|trunk| {
                    let server = self.marks.choose(trunk, key, Timestamp(0))?;
                    Some(spec::trunk_target(trunk, server, number))
                })
            }
            (Destination::Extension(_), Some(contact)) => spec::phone_target(contact),
            // What is sent within a dialog goes where the dialog says.
            (Destination::Extension(_), None) => dialog.as_deref().map(dialog_target),
        };
        let Some(target) = target else { return };
        let abandoned = spec::abandoned_call(&self.config, call, target, dialog);
        self.commands.push((call.shard, Command::Abandon(Box::new(abandoned))));
    }
}

/// The far end of a dialog.
fn dialog_target(dialog: &DialogSnapshot) -> Target {
    let uri = String::from_utf8_lossy(&dialog.remote_target).into_owned();
    Target::Address { address: dialog.destination, request_uri: uri.clone(), to: uri }
}

fn recorder_failed(error: SlotError) -> Failure {
    Failure::because("writing the flight recorder", error)
}
