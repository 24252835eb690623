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
//!
//! What may be up at the far end keeps its attempt, and with it its number, until the far end has
//! said that it is over, or until it cannot be up any more.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use app::Failure;
use app::dialing::{EndedCall, Ladder, NodeStamp, OpenAttempt, Orphan, PhoneContact};
use domain::dialer::disposition::{NODE_LOST, PROCESS_LOST};
use domain::{Callee, Destination, Disposition, Status, Timestamp};
use engine::{CallKey, Command, DialogSnapshot, Hop, LastWord, Recovered, Target};

use crate::config::Trunk;
use crate::live::{Abandoned, Call, Stage, Terms, key};
use crate::moment::Moment;
use crate::node::{Node, Return};
use crate::recorder::{Phase, RecordedCall, Recorder, SlotError, SlotFile};
use crate::servers::Marks;
use crate::settle::{Judgement, Unsettled, Verdict, decided, judgement, told, verdict};
use crate::spec;
use crate::work::Task;

/// How soon a call is tried to be ended again whose far end did not say that it is over,
/// milliseconds.
const END_AGAIN_MS: i64 = 5_000;

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
        /// A far end that knows of no such call is believed. It knows nothing of one that was
        /// placed under names which are not on record, nor of a second leg.
        certain: bool,
        /// It may have been answered.
        answered: bool,
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
        None | Some(Phase::Unknown | Phase::Dialled | Phase::Ringing) => {
            let certain = matches!(recorded, Some(Phase::Dialled | Phase::Ringing));
            let ended = lost(Disposition::NetworkFailure, 0);
            Remedy::Abandon { dialog: None, ended, certain, answered: !certain }
        }
        Some(Phase::Answered { dialog, heard_ms }) => {
            let whole = terms.is_whole(heard_ms);
            let disposition = if whole { Disposition::Delivered } else { Disposition::HeardInPart };
            let certain = dialog.is_some() && open.second.is_none();
            let ended = lost(disposition, heard_ms);
            Remedy::Abandon { dialog, ended, certain, answered: true }
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
        None | Some(Phase::Unknown) => Recovered::Unrecorded,
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
        let at = self.config.reached_at();
        let by_name = recorder.was_at(&at);
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
            let (shard, mut recorded) = (self.shard_of(call), records.remove(&call));
            if !by_name && matches!(recorded, Some(Phase::Dialled | Phase::Ringing)) {
                // Whoever is asked to cancel it knows it by another name.
                recorder.forget(call).map_err(recorder_failed)?;
                recorded = Some(Phase::Unknown);
            }
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
                Remedy::Abandon { dialog, ended, certain, answered } => {
                    if unrecorded {
                        let recorded = RecordedCall { call, phase: Phase::Unknown };
                        recorder.adopt(&recorded).map_err(recorder_failed)?;
                    }
                    self.app.live().set(open.attempt.quick_send, shown);
                    self.stats.recovered += 1;
                    let over_at = self.over_at(&open, answered, now);
                    let two_legs = open.second.is_some();
                    let left = Abandoned::new(dialog, ended, (certain, two_legs), over_at);
                    self.abandon(now, &open, shard, left);
                }
            }
        }
        recorder.begin_epoch(taken, &at).map_err(recorder_failed)
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

    /// Whether a call of a node whose lease ended then may be up still.
    fn may_be_up(&self, open: &OpenAttempt, lease_until: Timestamp, now: Moment) -> bool {
        now.wall < lease_until.plus_ms(self.up_ms(open, true))
    }

    /// When a call cannot be up any more that an earlier process left behind, by the steady clock:
    /// counted from the first start after that, so that no start after it puts it off.
    fn over_at(&self, open: &OpenAttempt, answered: bool, now: Moment) -> Timestamp {
        let up_us = self.up_ms(open, answered).saturating_mul(1_000);
        let since_us = open.lost_at.map_or(0, |lost_at| now.wall.us_since(lost_at));
        now.steady.plus_us(up_us.saturating_sub(since_us).clamp(0, up_us))
    }

    /// How long a call may be up that nobody of ours has in hand, milliseconds: two people may talk
    /// for longer than any message plays.
    fn up_ms(&self, open: &OpenAttempt, answered: bool) -> i64 {
        if !answered {
            return self.config.unanswered_ms;
        }
        let talk_ms = if open.second.is_some() { i64::from(open.clip_ms) } else { 0 };
        self.config.orphan_after_ms.saturating_add(talk_ms)
    }

    /// Takes a call of a killed process in hand, to end it on the wire.
    fn abandon(&mut self, now: Moment, open: &OpenAttempt, shard: usize, left: Abandoned) {
        let callee = Callee::of((open.account, open.sandbox), &open.destination);
        let room = self.gate.occupy(&callee, &open.trunk);
        let call = key(open.attempt);
        self.abandoned.insert((left.look_at, call));
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
            stage: Stage::Abandoned(Box::new(left)),
            cancelled: false,
            room: room.map(|room| Box::new(room) as Box<dyn Send>),
        };
        self.calls.insert(call, held);
        self.try_to_end(now, call);
    }

    /// Tries to end a call of a killed process on the wire.
    fn try_to_end(&mut self, now: Moment, key: CallKey) {
        let Some(call) = self.calls.get(&key) else { return };
        match &call.destination {
            Destination::Number(_) => self.hang_up_abandoned(now, key, None),
            Destination::Extension(extension) => {
                let phone = Some((call.account, extension.clone()));
                let codecs = Vec::new();
                let prepare = Task::Prepare { call: key, blob: None, codecs, phone };
                self.preparations.push_back(prepare);
            }
        }
    }

    /// Tells the engine to end a call of a killed process. A phone that had not answered and whose
    /// contact is not known now, or a trunk that is not there, is looked for again.
    pub(crate) fn hang_up_abandoned(
        &mut self,
        now: Moment,
        key: CallKey,
        contact: Option<&PhoneContact>,
    ) {
        let Some(call) = self.calls.get(&key) else { return };
        let Stage::Abandoned(left) = &call.stage else { return };
        let dialog = left.dialog.clone();
        let trunk = spec::trunk(&self.config, &call.trunk);
        let asked = whom(trunk, call, left).into_iter().find(|one| left.is_to_ask(*one));
        let target = match (&dialog, &call.destination) {
            // What is sent within a dialog goes where the dialog says.
            (Some(dialog), _) => Some(dialog_target(dialog)),
            (None, Destination::Number(number)) => trunk
                .zip(asked.flatten())
                .map(|(trunk, server)| spec::trunk_target(trunk, server, number)),
            (None, Destination::Extension(_)) => contact.and_then(spec::phone_target),
        };
        let Some(target) = target else { return self.look_again(now, key) };
        let abandoned = spec::abandoned_call(&self.config, call, target, dialog);
        self.commands.push((call.shard, Command::Abandon(Box::new(abandoned))));
        if let Some(Stage::Abandoned(left)) = self.calls.get_mut(&key).map(|call| &mut call.stage) {
            left.asked = asked.flatten();
        }
    }

    /// The engine has tried to end an abandoned call on the wire, of which its far end said this.
    pub(crate) fn on_abandoned(&mut self, now: Moment, key: CallKey, word: LastWord) {
        let Some(call) = self.calls.get_mut(&key) else { return };
        let trunk = spec::trunk(&self.config, &call.trunk);
        let Stage::Abandoned(left) = &mut call.stage else { return };
        // The sandbox carrier reached nobody, and was a part of the process that died.
        if trunk.is_some_and(|trunk| trunk.sandbox) || left.is_over(word) {
            return self.end_abandoned(now, key);
        }
        let asked = left.asked;
        let list = if word == LastWord::Unknown { &mut left.not_at } else { &mut left.silent };
        list.insert(asked);
        let Stage::Abandoned(left) = &call.stage else { return };
        let servers = whom(trunk, call, left);
        let (more, certain) = (servers.iter().any(|one| left.is_to_ask(*one)), left.certain);
        if more {
            // Another server of its trunk may have got it, and is not to wait for a dead one.
            self.try_to_end(now, key);
        } else if servers.is_empty() || servers.iter().any(|one| !left.not_at.contains(one)) {
            self.look_again(now, key);
        } else if certain {
            self.end_abandoned(now, key);
        }
    }

    /// Has an abandoned call looked at again after a while.
    fn look_again(&mut self, now: Moment, key: CallKey) {
        let Some(call) = self.calls.get_mut(&key) else { return };
        let Stage::Abandoned(left) = &mut call.stage else { return };
        self.abandoned.remove(&(left.look_at, key));
        left.silent.clear();
        left.look_at = left.over_at.min(now.steady.plus_ms(END_AGAIN_MS));
        self.abandoned.insert((left.look_at, key));
    }

    /// Tries again to end the calls whose far end did not say that they are over, and waits no
    /// longer for those that cannot be up.
    pub(crate) fn look_after_abandoned(&mut self, now: Moment) {
        while let Some(&(look_at, key)) =
            self.abandoned.first().filter(|(look_at, _)| *look_at <= now.steady)
        {
            self.abandoned.remove(&(look_at, key));
            let Some(call) = self.calls.get_mut(&key) else { continue };
            let Stage::Abandoned(left) = &mut call.stage else { continue };
            if left.over_at <= now.steady {
                self.end_abandoned(now, key);
                continue;
            }
            left.look_at = left.over_at;
            self.abandoned.insert((left.look_at, key));
            self.try_to_end(now, key);
        }
    }

    /// An abandoned call is over: it is settled and its number is free.
    fn end_abandoned(&mut self, now: Moment, key: CallKey) {
        let Some(call) = self.calls.get(&key) else { return };
        let Stage::Abandoned(left) = &call.stage else { return };
        let ended = EndedCall { ended_at: now.wall, ..(*left.ended).clone() };
        let unsettled = Unsettled::new(key, call.shard, ended);
        let unsettled = unsettled.resting(self.rests_until(now));
        self.abandoned.remove(&(left.look_at, key));
        self.calls.remove(&key);
        self.settlements.push(unsettled);
    }
}

/// Who may have a call that a killed process left behind. Each server of a trunk may, as none is on
/// record; who has answered is named by the dialog.
fn whom(trunk: Option<&Trunk>, call: &Call, left: &Abandoned) -> Vec<Option<Hop>> {
    if left.dialog.is_some() || matches!(call.destination, Destination::Extension(_)) {
        return vec![None];
    }
    let servers = trunk.map(|trunk| Marks::all(trunk, key(call.attempt)));
    servers.unwrap_or_default().into_iter().map(Some).collect()
}

/// The far end of a dialog.
fn dialog_target(dialog: &DialogSnapshot) -> Target {
    let uri = String::from_utf8_lossy(&dialog.remote_target).into_owned();
    Target::Address { address: dialog.destination, request_uri: uri.clone(), to: uri }
}

fn recorder_failed(error: SlotError) -> Failure {
    Failure::because("writing the flight recorder", error)
}
