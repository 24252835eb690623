//! Second legs: what a script rings while its own call goes on, and what two joined calls have for
//! each other.

use std::sync::Arc;
use std::time::Instant;

use super::Engine;
use crate::call::Errand;
use crate::derive;
use crate::io::{CallKey, CallSpec, Event};
use crate::outcome::{Outcome, Refusal};
use crate::script::SecondLeg;

impl Engine {
    /// Handles what SIP has told and what calls have for each other, until all are silent.
    pub(super) fn settle_down(&mut self, now: Instant) {
        self.take_sip_events(now);
        while let Some(errand) = self.wires.errands.pop_front() {
            self.run_errand(now, errand);
            self.take_sip_events(now);
        }
    }

    fn run_errand(&mut self, now: Instant, errand: Errand) {
        match errand {
            Errand::Ring { first, leg } => self.ring_second(now, first, &leg),
            Errand::Joined { call } => self.touch(now, call, |call, wires| call.joined(now, wires)),
            Errand::Parted { call } => self.touch(now, call, |call, wires| call.parted(now, wires)),
            Errand::Sound { call, samples } => {
                self.touch(now, call, |call, _| call.partner_said(&samples));
            }
        }
    }

    fn ring_second(&mut self, now: Instant, first: CallKey, leg: &SecondLeg) {
        if !self.calls.get(&first).is_some_and(|entry| entry.call.wants_partner()) {
            return;
        }
        let call = self.next_second();
        self.wires.events.push(Event::SecondLeg { call: first, leg: call });
        let spec = CallSpec {
            call,
            call_id: derive::call_id(&self.config, call),
            target: leg.target.clone(),
            from_uri: leg.from_uri.clone(),
            credentials: leg.credentials.clone(),
            codecs: leg.codecs.clone(),
            srtp: leg.srtp,
            symmetric_rtp: leg.symmetric_rtp,
            script: Arc::clone(&leg.script),
            ring_timeout_ms: leg.ring_timeout_ms,
            max_duration_ms: leg.max_duration_ms,
        };
        match self.dial(now, spec) {
            Ok(()) => {
                self.touch(now, call, |leg, _| leg.pair_with(first, true));
                self.touch(now, first, |leg, _| leg.pair_with(call, false));
            }
            Err(refusal) => {
                self.second_refused(call, refusal, leg);
                self.touch(now, first, |leg, wires| leg.parted(now, wires));
            }
        }
    }

    fn second_refused(&mut self, call: CallKey, refusal: Refusal, leg: &SecondLeg) {
        self.wires.counters.calls_refused += 1;
        let outcome = Box::new(Outcome::not_started(refusal, leg.script.subject_ms()));
        self.wires.events.push(Event::Ended { call, outcome });
    }

    /// A key that no call of this life has had, nor with any likelihood one of another.
    fn next_second(&mut self) -> CallKey {
        self.seconds = self.seconds.wrapping_add(1);
        CallKey(CallKey::FIRST_SECOND.0 | (self.seconds & !CallKey::FIRST_SECOND.0))
    }
}
