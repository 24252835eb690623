//! From what the engine reports to what is settled, and the line of calls that wait for it. A
//! settlement that the database did not take is tried again until it does; the flight record
//! stays until then.

use std::collections::VecDeque;

use app::dialing::{CallRecord, EndedCall, Failed, Ladder, Meaning, Quality};
use domain::dialer::disposition::{CANCELLED, Spoiled};
use domain::dialer::health::TrunkFailure;
use domain::{AttemptId, CallFacts, Disposition, Fault, Timestamp, Unanswered};
use engine::{CallKey, Cause, Outcome, Refusal, RtpSummary};

use crate::live::Terms;

/// The most calls settled in one commit.
const BATCH_MAX: usize = 500;

/// A call that ended and is not settled yet.
#[derive(Debug, Clone)]
pub(crate) struct Unsettled {
    pub(crate) call: CallKey,
    pub(crate) shard: usize,
    pub(crate) ended: EndedCall,
    /// Settling it failed before: it is tried alone, so that it holds up no other.
    failed: bool,
    /// When its callee has rested, by the steady clock: until then no node may call him, as its
    /// attempt is open.
    rests_until: Timestamp,
}

impl Unsettled {
    pub(crate) fn new(call: CallKey, shard: usize, ended: EndedCall) -> Self {
        Self { call, shard, ended, failed: false, rests_until: Timestamp(i64::MIN) }
    }

    /// The same, of a call after which its callee rests until then.
    pub(crate) fn resting(self, rests_until: Timestamp) -> Self {
        Self { rests_until, ..self }
    }
}

/// The calls that wait for their settlement.
#[derive(Debug, Default)]
pub(crate) struct Settlements {
    waiting: VecDeque<Unsettled>,
    in_flight: Vec<Unsettled>,
}

impl Settlements {
    pub(crate) fn push(&mut self, unsettled: Unsettled) {
        self.waiting.push_back(unsettled);
    }

    /// How many are not settled yet.
    pub(crate) fn len(&self) -> usize {
        self.waiting.len() + self.in_flight.len()
    }

    /// The attempts that wait for it.
    pub(crate) fn attempts(&self) -> impl Iterator<Item = AttemptId> + '_ {
        self.waiting.iter().chain(&self.in_flight).map(|unsettled| unsettled.ended.attempt)
    }

    /// When the first of those that wait has rested, by the steady clock.
    pub(crate) fn next_time(&self) -> Option<Timestamp> {
        self.waiting.front().map(|next| next.rests_until)
    }

    /// The next batch to settle; only to be asked for while none is under way.
    pub(crate) fn next_batch(&mut self, steady: Timestamp) -> Option<Vec<EndedCall>> {
        let rested = |next: &&Unsettled| next.rests_until <= steady;
        let rested = self.waiting.iter().take(BATCH_MAX).take_while(rested);
        let count = match rested.clone().take_while(|next| !next.failed).count() {
            0 => rested.count().min(1),
            untried => untried,
        };
        if count == 0 {
            return None;
        }
        self.in_flight = self.waiting.drain(..count).collect();
        Some(self.in_flight.iter().map(|unsettled| unsettled.ended.clone()).collect())
    }

    /// The batch under way is durable.
    pub(crate) fn settled(&mut self) -> Vec<Unsettled> {
        std::mem::take(&mut self.in_flight)
    }

    /// The batch under way failed; it waits again, behind the others.
    pub(crate) fn failed(&mut self) {
        let failed = self.in_flight.drain(..);
        self.waiting.extend(failed.map(|unsettled| Unsettled { failed: true, ..unsettled }));
    }
}

/// What an outcome means for the send.
#[derive(Debug)]
pub(crate) enum Verdict {
    /// It is settled like this.
    Ended(Box<EndedCall>),
    /// Nothing was sent: the send goes back to the queue.
    NotSent,
}

/// Reads an outcome. `started` is when the call was given to the engine, or nearly so after a
/// restart: the times of the call are counted from it.
pub(crate) fn verdict(
    attempt: AttemptId,
    terms: &Terms,
    outcome: &Outcome,
    started: Timestamp,
) -> Verdict {
    let meaning = match outcome.cause {
        Cause::Refused(Refusal::Full | Refusal::Taken) => return Verdict::NotSent,
        Cause::Refused(Refusal::BadSpec) => spoiled(Spoiled::NotCallable),
        Cause::NoMediaAgreed => spoiled(Spoiled::NoMediaAgreed),
        Cause::NotEncrypted => spoiled(Spoiled::NotEncrypted),
        Cause::AnsweringMachine => spoiled(Spoiled::MachineAnswered),
        _ if outcome.answered && outcome.heard_ms == 0 && outcome.rtp.refused > 0 => {
            spoiled(Spoiled::NothingLeft)
        }
        _ => {
            let facts = facts_of(outcome);
            let whole = facts.heard_to_end || terms.is_whole(outcome.heard_ms);
            Meaning::Call(CallFacts { heard_to_end: whole, ..facts })
        }
    };
    let at = |us: Option<u64>| {
        let us = i64::try_from(us?).ok()?;
        Some(started.plus_us(us))
    };
    let timeline = &outcome.timeline;
    let record = CallRecord {
        cause: cause_word(outcome.cause).to_owned(),
        sip_code: outcome.sip_code,
        q850: outcome.q850,
        heard_ms: if outcome.answered { outcome.heard_ms.min(terms.clip_ms) } else { 0 },
        vote: outcome.vote.filter(|_| terms.vote),
        keys: keys(terms, outcome),
        invite_at: at(timeline.invite_us),
        ringing_at: at(timeline.ringing_us),
        answered_at: at(timeline.answered_us),
        first_audio_at: at(timeline.first_audio_us),
        quality: outcome.answered.then(|| quality(&outcome.rtp)),
    };
    let ended_at = at(timeline.ended_us).unwrap_or(started);
    let rungs = &outcome.ladder;
    let ladder = (!rungs.rungs().is_empty()).then(|| told(rungs, started));
    let ended = ended(attempt, terms, meaning, record, ended_at);
    Verdict::Ended(Box::new(EndedCall { ladder, ..ended }))
}

fn spoiled(by: Spoiled) -> Meaning {
    Meaning::Decided(by.reading().disposition)
}

/// The keys that were pressed, where pressing one was asked for: what somebody types unasked is
/// nobody's affair.
fn keys(terms: &Terms, outcome: &Outcome) -> String {
    let asked = terms.vote || terms.opt_out_key.is_some();
    if asked { outcome.keys.to_string() } else { String::new() }
}

/// A story as it is kept.
pub(crate) fn told(ladder: &engine::Ladder, began_at: Timestamp) -> Ladder {
    Ladder { server: None, began_at, rungs: ladder.encode() }
}

/// What the rules are told of a call.
fn facts_of(outcome: &Outcome) -> CallFacts {
    let unanswered = match outcome.cause {
        Cause::NoAnswer => Some(Unanswered::RangOut),
        Cause::NoResponse => Some(Unanswered::Silent),
        Cause::Undeliverable => Some(Unanswered::Undeliverable),
        Cause::DeadlineReached | Cause::HungUpByUs => Some(Unanswered::CutByUs),
        _ => None,
    };
    CallFacts {
        answered: outcome.answered,
        heard_to_end: outcome.heard_to_end,
        unanswered: unanswered.filter(|_| !outcome.answered),
        sip_code: outcome.sip_code,
        q850: outcome.q850,
    }
}

/// What a finished call says of its trunk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Judgement {
    /// It brought the call to its callee.
    Served,
    /// It failed before anything could ring: another may try.
    Failed(TrunkFailure),
    /// Nothing.
    Unknown,
}

/// Judges a trunk by a call. `heard`: something else was heard of the trunk meanwhile, so that its
/// silence about this one call says nothing of the trunk, and the phone may have rung.
pub(crate) fn judgement(outcome: &Outcome, heard: bool) -> Judgement {
    if outcome.answered || outcome.timeline.ringing_us.is_some() {
        return Judgement::Served;
    }
    let nobody_there = match outcome.cause {
        Cause::NoResponse | Cause::Undeliverable if heard => return Judgement::Unknown,
        Cause::NoResponse | Cause::Undeliverable => true,
        _ => false,
    };
    match facts_of(outcome).unanswered_reading().fault {
        Fault::Callee => Judgement::Served,
        Fault::Ours => Judgement::Unknown,
        Fault::Trunk => {
            // Only with 503 it is about the trunk and not about the callee (RFC 3261 §21.5.4).
            let retry_after_s = outcome.retry_after_s.filter(|_| outcome.sip_code == Some(503));
            Judgement::Failed(TrunkFailure { nobody_there, retry_after_s })
        }
    }
}

/// How a trunk failed an attempt, for the record.
pub(crate) fn failed(ended: &EndedCall) -> Failed {
    let CallRecord { cause, sip_code, q850, invite_at, .. } = ended.record.clone();
    Failed { cause, sip_code, q850, invite_at }
}

fn quality(rtp: &RtpSummary) -> Quality {
    Quality {
        sent: rtp.sent,
        received: rtp.received,
        lost: rtp.lost,
        jitter_us: rtp.jitter_us,
        peer_lost: rtp.peer.map(|peer| peer.lost),
        peer_jitter_us: rtp.peer.map(|peer| peer.jitter_us),
        round_trip_us: rtp.peer.and_then(|peer| peer.round_trip_us),
    }
}

/// The end of a call that no outcome tells of: decided by the node, and why in a word.
pub(crate) fn decided(
    attempt: AttemptId,
    terms: &Terms,
    disposition: Disposition,
    cause: &str,
    heard_ms: u32,
    at: Timestamp,
) -> EndedCall {
    let record = CallRecord {
        cause: cause.to_owned(),
        heard_ms: heard_ms.min(terms.clip_ms),
        ..CallRecord::default()
    };
    ended(attempt, terms, Meaning::Decided(disposition), record, at)
}

fn ended(
    attempt: AttemptId,
    terms: &Terms,
    meaning: Meaning,
    record: CallRecord,
    ended_at: Timestamp,
) -> EndedCall {
    let Terms { tariff, zone, second, hold, asker, .. } = *terms;
    let ladder = None;
    EndedCall { attempt, tariff, zone, second, hold, meaning, record, ladder, ended_at, asker }
}

/// What a call comes to that was withdrawn while it was up, if that is what ended it: it costs what
/// was heard, and when nothing was, it is as if nobody had been called.
pub(crate) fn cancelled(ended: &mut EndedCall, outcome: &Outcome) {
    if outcome.cause != Cause::HungUpByUs {
        return;
    }
    CANCELLED.clone_into(&mut ended.record.cause);
    if ended.record.heard_ms == 0 {
        ended.meaning = Meaning::Decided(Disposition::Cancelled);
    }
}

/// The engine's cause as it is kept in the database and shown in logs.
fn cause_word(cause: Cause) -> &'static str {
    match cause {
        Cause::Played => "played",
        Cause::AnsweringMachine => "answering_machine",
        Cause::CalleeHungUp => "callee_hung_up",
        Cause::NoAnswer => "no_answer",
        Cause::Failed => "failed",
        Cause::NoResponse => "no_response",
        Cause::Undeliverable => "undeliverable",
        Cause::NoMediaAgreed => "no_media_agreed",
        Cause::NotEncrypted => "not_encrypted",
        Cause::DeadlineReached => "deadline_reached",
        Cause::HungUpByUs => "hung_up_by_us",
        Cause::Refused(Refusal::Full) => "refused_full",
        Cause::Refused(Refusal::BadSpec) => "refused_bad_spec",
        Cause::Refused(Refusal::Taken) => "refused_taken",
    }
}
