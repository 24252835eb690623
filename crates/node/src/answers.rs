//! What the database and the blob store answered.

use std::collections::BTreeSet;

use app::Failure;
use app::dialing::{Company, Failed, Leased, ReadyJob, Untried};
use domain::dialer::disposition::WITHDRAWN;
use domain::{AttemptId, Callee, Disposition, QuickSendId};
use engine::{CallKey, Command};

use crate::live::{Stage, key};
use crate::moment::Moment;
use crate::node::{FORGETTING_MS, FROM_START, Node, OptOut, Released, Return};
use crate::turn::{PAGE, PAUSE_MS};
use crate::under_way::Kind;
use crate::work::{Answer, Done, Open, Prepared};

/// How soon the table is read again after a lease that was refused, microseconds.
const LOOK_AGAIN_US: i64 = 500_000;
/// How long a send waits whose callee is in a call of another node, milliseconds.
const ENGAGED_MS: i64 = 500;
/// The pause between two parts of a long forgetting, milliseconds: calls come first.
const FORGET_MORE_MS: i64 = 1_000;

/// How soon campaigns are looked after again, microseconds: when nobody stepped into the line, and
/// when somebody did and there may be more.
const FEED_PAUSE_US: i64 = 1_000_000;
const FEED_AGAIN_US: i64 = 100_000;
/// How often it is looked for what was withdrawn, microseconds.
const CANCELLING_US: i64 = 1_000_000;
/// Calls that have ended since campaigns were looked after: so many have left room for others, who
/// are let in at once. Otherwise the pauses would be a limit on how fast campaigns are called.
const ENDS_MAKE_ROOM: u32 = 500;

impl Node {
    /// Takes the answer to a [`crate::Work`]. Step afterwards.
    pub fn on_done(&mut self, now: Moment, done: Done) {
        let asked = done.asked;
        match done.answer {
            Answer::Renewed(result) => self.on_renewed(now, asked, result),
            Answer::Read(result) => self.on_read(now, result),
            Answer::Fed(result) => self.on_fed(now, result),
            Answer::Leased(result) => self.on_leased(now, result),
            Answer::Settled(result) => self.on_settled(now, result),
            Answer::Expired(sends, result) => self.on_expired(now, sends, result),
            Answer::OptedOut(pressed, result) => self.on_opted_out(now, pressed, result),
            Answer::Cancelled(result) => self.on_cancelled(now, result),
            Answer::PutBack(result) => self.on_returned(now, result),
            Answer::TrunkHealth(result) => self.on_health_told(now, result),
            Answer::Reconciled(result) => self.on_reconciled(now, result),
            Answer::Forgotten(result) => self.on_forgotten(now, result),
            Answer::Prepared(call, result) => self.on_prepared(now, call, result),
        }
    }

    fn on_renewed(&mut self, now: Moment, asked: Moment, result: Result<Option<Company>, Failure>) {
        if result.is_ok() {
            self.under_way.answered(Kind::Renew);
        }
        match result {
            Ok(Some(company)) => self.heartbeat.renewed(asked, company),
            Ok(None) => {
                tracing::error!("another process has taken this node's name: dialling stops");
                self.heartbeat.lose();
            }
            Err(failure) => self.failed(now, Kind::Renew, &failure),
        }
    }

    fn on_read(&mut self, now: Moment, result: Result<Vec<ReadyJob>, Failure>) {
        match result {
            Err(failure) => self.failed(now, Kind::Read, &failure),
            Ok(jobs) => {
                self.under_way.answered(Kind::Read);
                let more = u32::try_from(jobs.len()).is_ok_and(|count| count >= PAGE);
                if more && let Some(last) = jobs.last() {
                    self.reading.after = (last.due_at, last.quick_send);
                    self.reading.next_at = now.steady;
                } else {
                    self.reading.after = FROM_START;
                    let pause_us = self.config.reread_ms.saturating_mul(1000);
                    self.reading.next_at = now.steady.plus_us(pause_us);
                }
                for job in jobs {
                    self.wait(job);
                }
            }
        }
    }

    fn on_fed(&mut self, now: Moment, result: Result<Vec<ReadyJob>, Failure>) {
        let jobs = match result {
            Ok(jobs) => jobs,
            Err(failure) => return self.failed(now, Kind::Feed, &failure),
        };
        self.under_way.answered(Kind::Feed);
        self.campaign_paces.forget(now.steady);
        let pause_us = if jobs.is_empty() { FEED_PAUSE_US } else { FEED_AGAIN_US };
        self.feed_at = now.steady.plus_us(pause_us);
        self.feed_after_ends(now);
        for job in jobs {
            self.wait(job);
        }
    }

    fn on_leased(&mut self, now: Moment, result: Result<Vec<Leased>, Failure>) {
        let chosen = std::mem::take(&mut self.under_way.lease);
        let leased = match result {
            Ok(leased) => leased,
            Err(failure) => {
                // Nothing was leased, most likely; what was after all is found by reconciling.
                self.failed(now, Kind::Lease, &failure);
                for (waiting, _) in chosen {
                    self.wait(waiting.job);
                }
                return;
            }
        };
        self.under_way.answered(Kind::Lease);
        for ((waiting, room), leased) in chosen.into_iter().zip(leased) {
            match leased {
                Leased::Attempt(attempt) => {
                    let second = room.second.as_ref().map(|second| second.trunk.clone());
                    let trunks = (room.trunk.clone(), second);
                    self.hold(now, attempt, &waiting.job, trunks, Box::new(room));
                }
                Leased::Gone => {
                    // It is in the queue no more, or our lease was too old: the table tells.
                    self.forget(waiting.job.quick_send);
                    let soon = now.steady.plus_us(LOOK_AGAIN_US);
                    self.reading.next_at = self.reading.next_at.min(soon);
                }
                Leased::Engaged => {
                    self.stats.engaged += 1;
                    let send = waiting.job.quick_send;
                    self.wait(waiting.job);
                    self.line.step_back_until(send, now.wall.plus_ms(ENGAGED_MS));
                }
                Leased::Barred(_) => {
                    self.stats.barred += 1;
                    self.forget(waiting.job.quick_send);
                }
            }
        }
    }

    /// A send waits here no more: what a trunk that failed it left of it is forgotten.
    fn forget(&mut self, send: QuickSendId) {
        self.tried.forget(send);
        if !self.is_in_hand(send) {
            self.app.live().remove(send);
        }
    }

    fn on_settled(&mut self, now: Moment, result: Result<(), Failure>) {
        if let Err(failure) = result {
            self.settlements.failed();
            return self.failed(now, Kind::Settle, &failure);
        }
        self.under_way.answered(Kind::Settle);
        for settled in self.settlements.settled() {
            self.stats.settled += 1;
            self.ended_since_fed = self.ended_since_fed.saturating_add(1);
            self.app.live().remove(settled.ended.attempt.quick_send);
            self.tried.forget(settled.ended.attempt.quick_send);
            self.released.push(Released { shard: settled.shard, call: settled.call });
        }
        self.feed_after_ends(now);
    }

    /// Looks after campaigns at once when many calls have ended since that was asked for.
    fn feed_after_ends(&mut self, now: Moment) {
        if self.ended_since_fed >= ENDS_MAKE_ROOM {
            self.feed_at = self.feed_at.min(now.steady);
        }
    }

    fn on_expired(&mut self, now: Moment, sends: Vec<Untried>, result: Result<(), Failure>) {
        match result {
            Ok(()) => {
                self.under_way.answered(Kind::Expire);
                self.stats.expired += sends.len() as u64;
                for one in sends {
                    self.forget(one.quick_send);
                }
            }
            Err(failure) => {
                self.expired.extend(sends.into_iter().map(|one| (one.quick_send, one)));
                self.failed(now, Kind::Expire, &failure);
            }
        }
    }

    /// Whoever opted out has heard enough.
    fn on_opted_out(&mut self, now: Moment, pressed: Vec<OptOut>, result: Result<(), Failure>) {
        if let Err(failure) = result {
            self.opt_outs.extend(pressed);
            return self.failed(now, Kind::OptOut, &failure);
        }
        self.under_way.answered(Kind::OptOut);
        for OptOut { call: key, .. } in pressed {
            if let Some(call) = self.calls.get(&key) {
                self.commands.push((call.shard, Command::HangUp { call: key }));
            }
        }
    }

    /// Hangs up what was withdrawn, and dials none of it.
    fn on_cancelled(&mut self, now: Moment, result: Result<Vec<AttemptId>, Failure>) {
        let marked = match result {
            Ok(marked) => marked,
            Err(failure) => return self.failed(now, Kind::Cancelled, &failure),
        };
        self.under_way.answered(Kind::Cancelled);
        self.cancelling_at = now.steady.plus_us(CANCELLING_US);
        for key in marked.into_iter().map(key) {
            let Some(call) = self.calls.get_mut(&key) else { continue };
            match call.stage {
                Stage::Preparing { .. } | Stage::Prepared { .. } => {
                    self.fail_unsent(key, Disposition::Cancelled, WITHDRAWN, now);
                }
                Stage::Placed { .. } if !call.cancelled => {
                    call.cancelled = true;
                    self.commands.push((call.shard, Command::HangUp { call: key }));
                }
                Stage::Placed { .. } | Stage::Abandoned(_) => {}
            }
        }
    }

    fn on_returned(&mut self, now: Moment, result: Result<(), Failure>) {
        let returned = std::mem::take(&mut self.under_way.returns);
        if let Err(failure) = result {
            self.returns.extend(returned);
            return self.failed(now, Kind::PutBack, &failure);
        }
        self.under_way.answered(Kind::PutBack);
        for Return { shard, back } in returned {
            if back.failure == Failed::default() {
                self.stats.not_sent += 1;
            } else {
                self.stats.failed_over += 1;
            }
            self.released.push(Released { shard, call: key(back.attempt) });
        }
        // They are in the table of waiting sends again, at their old places.
        self.reading.after = FROM_START;
        self.reading.next_at = now.steady;
    }

    fn on_health_told(&mut self, now: Moment, result: Result<(), Failure>) {
        match result {
            Ok(()) => self.under_way.answered(Kind::TrunkHealth),
            Err(failure) => {
                self.watch.not_told();
                self.failed(now, Kind::TrunkHealth, &failure);
            }
        }
    }

    fn on_reconciled(&mut self, now: Moment, result: Result<Open, Failure>) {
        let pause_us = self.config.reconcile_ms.saturating_mul(1000);
        self.reconciling.next_at = now.steady.plus_us(pause_us);
        let Open { own, orphans } = match result {
            Ok(open) => open,
            Err(failure) => return self.failed(now, Kind::Reconcile, &failure),
        };
        self.under_way.answered(Kind::Reconcile);
        self.take_orphans(now, orphans);
        if self.under_way.is_asked(Kind::Lease) {
            // Its answer may name what looks unknown now.
            self.reconciling.unknown.clear();
            return;
        }
        let known = self.known_attempts();
        let unknown = own.into_iter().filter(|open| {
            let callee = Callee::of((open.account, open.sandbox), &open.destination);
            open.epoch == self.stamp.epoch
                && !known.contains(&open.attempt)
                && !self.gate.is_busy(&callee)
        });
        let unknown: BTreeSet<AttemptId> = unknown.map(|open| open.attempt).collect();
        for &attempt in self.reconciling.unknown.intersection(&unknown) {
            tracing::warn!(attempt = attempt.pack(), "an attempt that nobody dials goes back");
            let shard = self.shard_of(key(attempt));
            self.returns.push(Return::unsent(attempt, shard, now.wall));
        }
        self.reconciling.unknown = unknown;
    }

    fn on_forgotten(&mut self, now: Moment, result: Result<bool, Failure>) {
        match result {
            Err(failure) => self.failed(now, Kind::Forget, &failure),
            Ok(more) => {
                self.under_way.answered(Kind::Forget);
                let pause_ms = if more { FORGET_MORE_MS } else { FORGETTING_MS };
                self.forgets_at = now.steady.plus_ms(pause_ms);
            }
        }
    }

    fn on_prepared(&mut self, now: Moment, key: CallKey, result: Result<Prepared, Failure>) {
        self.under_way.preparations = self.under_way.preparations.saturating_sub(1);
        let Some(call) = self.calls.get_mut(&key) else { return };
        if matches!(call.stage, Stage::Abandoned(_)) {
            let contact = result.ok().and_then(|prepared| prepared.contact).flatten();
            self.hang_up_abandoned(now, key, contact.as_ref());
            return;
        }
        let prepared = match result {
            Ok(prepared) => prepared,
            Err(failure) => {
                self.stats.failures += 1;
                let (call, error) = (key.0, failure.chain());
                tracing::warn!(call, error, "a call could not be prepared");
                self.send_back(key, now.wall.plus_ms(PAUSE_MS));
                return;
            }
        };
        if let Some((blob, clip)) = prepared.clip {
            self.clips.put(&blob, clip);
        }
        if let (Some(found), Stage::Preparing { contact, .. }) = (prepared.contact, &mut call.stage)
        {
            *contact = found;
            if contact.is_none() {
                self.fail_unsent(key, Disposition::Unreachable, "phone_not_registered", now);
                return;
            }
        }
        self.prepared(key, now);
    }
}
