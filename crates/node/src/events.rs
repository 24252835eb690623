//! What the engines report.

use domain::Status;
use engine::{CallKey, Event, Outcome};

use crate::live::Stage;
use crate::moment::Moment;
use crate::node::Node;
use crate::settle::{Unsettled, Verdict, verdict};
use crate::turn::PAUSE_MS;

impl Node {
    /// Takes what a shard reported, in its order. Step afterwards. Events about phones and their
    /// calls, registrations with trunks and checks of them are the server's own affair and ignored
    /// here.
    pub fn on_events(&mut self, now: Moment, shard: usize, events: Vec<Event>) {
        for event in events {
            match event {
                Event::Dialling { call } => self.on_dialling(call),
                // Many carriers play the ringing tone as early media and send no 180.
                Event::Ringing { call } | Event::EarlyMedia { call } => {
                    self.show(call, Status::Ringing);
                }
                Event::Answered { call, .. } => self.show(call, Status::Answered),
                Event::Ended { call, outcome } => self.on_ended(now, shard, call, &outcome),
                Event::Abandoned { call } => self.end_abandoned(call),
                Event::FirstAudio { .. }
                | Event::Progress { .. }
                | Event::Key { .. }
                | Event::Incoming { .. }
                | Event::SecondLeg { .. }
                | Event::PhoneRegistered { .. }
                | Event::PhoneGone { .. }
                | Event::TrunkRegistration { .. }
                | Event::TrunkLeft { .. }
                | Event::TrunkChecked { .. } => {}
            }
        }
    }

    fn on_dialling(&mut self, call: CallKey) {
        if let Some(call) = self.calls.get(&call) {
            self.gate.dialled(&call.callee);
        }
    }

    fn show(&mut self, call: CallKey, status: Status) {
        if let Some(call) = self.calls.get(&call) {
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
            Verdict::Ended(ended) => {
                self.calls.remove(&key);
                self.settlements.push(Unsettled::new(key, shard, *ended));
            }
        }
    }

    /// An abandoned call is ended on the wire, or we stop waiting for that: it is settled and its
    /// number is free.
    pub(crate) fn end_abandoned(&mut self, key: CallKey) {
        let Some(call) = self.calls.get(&key) else { return };
        let Stage::Abandoned { ended, .. } = &call.stage else { return };
        let unsettled = Unsettled::new(key, call.shard, (**ended).clone());
        self.calls.remove(&key);
        self.abandoned.retain(|(_, other)| *other != key);
        self.settlements.push(unsettled);
    }
}
