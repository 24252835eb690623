//! What the engines report.

use domain::{Destination, Status};
use engine::{CallKey, Event, Outcome};

use crate::live::Stage;
use crate::moment::Moment;
use crate::node::{Node, OptOut};
use crate::settle::{self, Unsettled, Verdict, verdict};
use crate::turn::PAUSE_MS;

impl Node {
    /// Takes what a shard reported, in its order. Step afterwards. Events about phones and their
    /// calls are the server's own affair and ignored here.
    pub fn on_events(&mut self, now: Moment, shard: usize, events: Vec<Event>) {
        for event in events {
            match event {
                Event::Dialling { call } => self.on_dialling(call),
                Event::SecondLeg { call, .. } => self.on_second_leg(call),
                // Many carriers play the ringing tone as early media and send no 180.
                Event::Ringing { call } | Event::EarlyMedia { call } => {
                    self.show(now, call, Status::Ringing);
                }
                Event::Answered { call, .. } => self.show(now, call, Status::Answered),
                Event::Ended { call, outcome } => self.on_ended(now, shard, call, &outcome),
                Event::Abandoned { call, word } => self.on_abandoned(now, call, word),
                Event::FirstAudio { .. }
                | Event::Progress { .. }
                | Event::Incoming { .. }
                | Event::NotAnswered { .. }
                | Event::PhoneRegistered { .. }
                | Event::PhoneGone { .. }
                | Event::TrunkLeft { .. } => {}
                Event::Key { call, digit } => self.on_key(call, digit),
                Event::TrunkRegistration { trunk, standing } => {
                    self.on_registration(&trunk, standing);
                }
                Event::TrunkChecked { check, sip_code, .. } => self.on_pinged(now, check, sip_code),
            }
        }
    }

    fn on_dialling(&mut self, call: CallKey) {
        if let Some(call) = self.calls.get(&call) {
            self.gate.dialled(&call.callee);
        }
    }

    /// The other one of a secure call is rung.
    fn on_second_leg(&mut self, call: CallKey) {
        if let Some(second) = self.calls.get(&call).and_then(|call| call.second.as_ref()) {
            self.gate.dialled(&second.callee);
        }
    }

    /// The callee may have opted out: that is written before anything else of the call happens.
    fn on_key(&mut self, key: CallKey, digit: char) {
        let Some(call) = self.calls.get(&key) else { return };
        let Destination::Number(number) = &call.destination else { return };
        if call.terms.opt_out_key != Some(digit) {
            return;
        }
        let (account, number, attempt) = (call.account, number.clone(), call.attempt);
        if self.opt_outs.iter().all(|one| one.call != key) {
            self.opt_outs.push(OptOut { call: key, account, number, attempt });
        }
    }

    fn show(&mut self, now: Moment, call: CallKey, status: Status) {
        if let Some(call) = self.calls.get(&call) {
            self.gate.served(&call.callee, now);
            self.app.live().set(call.attempt.quick_send, status);
        }
    }

    fn on_ended(&mut self, now: Moment, shard: usize, key: CallKey, outcome: &Outcome) {
        let Some(call) = self.calls.get(&key) else { return };
        let Stage::Placed { started, server } = call.stage else { return };
        if let Some(server) = server {
            self.marks.learn(server, outcome, now.steady);
        }
        match verdict(call.attempt, &call.terms, outcome, started.wall) {
            Verdict::NotSent => self.send_back(key, now.wall.plus_ms(PAUSE_MS)),
            Verdict::Ended(mut ended) => {
                if let (Some(ladder), Some(server)) = (&mut ended.ladder, server) {
                    let transport = server.transport.name();
                    ladder.server = Some(format!("{} over {transport}", server.address));
                }
                if self.calls.get(&key).is_some_and(|call| call.cancelled) {
                    settle::cancelled(&mut ended, outcome);
                }
                if self.fail_over(now, key, outcome, &ended) {
                    return;
                }
                self.calls.remove(&key);
                let rests_until = self.rests_until(now);
                self.settlements.push(Unsettled::new(key, shard, *ended).resting(rests_until));
            }
        }
    }
}
