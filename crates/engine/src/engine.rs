//! The front door: takes one input at a time to whoever it concerns, and owns every timer.
//!
//! Before an input is looked at, everything that is due is done: first the packets, which are the
//! most hurried, then SIP's timers, then the calls' deadlines.

mod bridges;
mod identity;
mod incoming;
mod intake;
mod requests;
mod sound;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use incoming::Incoming;
use intake::places_in_families;
use sip::{Endpoint, LastWord, LegId, RequestId};

use crate::call::{Call, Plan, PortSound, Wires};
use crate::counters::Counters;
use crate::demux::Demux;
use crate::derive;
use crate::enrolment::Enrolments;
use crate::io::{
    AbandonedCall, CallKey, Clip, Command, EngineConfig, Event, Input, Outputs, RtpTransmit,
    TrunkCheck,
};
use crate::leg;
use crate::limits::{SESSION_MS, STRANGERS};
use crate::outcome::Cause;
use crate::playout::{Notice, Wheel};
use crate::registrar::Registrar;

/// RTP ports that a slot number can name.
const MAX_PORTS: usize = 256;
/// Requests of ours that one call may have alive at once: INVITE twice, CANCEL, BYE, and those of
/// the calls before it, all lingering for 32 s.
const TRANSACTIONS_PER_CALL: usize = 8;

/// All calls of one thread.
pub struct Engine {
    config: EngineConfig,
    wires: Wires,
    calls: BTreeMap<CallKey, Box<Entry>>,
    legs: BTreeMap<LegId, CallKey>,
    deadlines: BTreeSet<(Instant, CallKey)>,
    calls_on_port: Vec<usize>,
    listeners_on_port: Vec<usize>,
    abandoning: BTreeSet<CallKey>,
    checks: BTreeMap<RequestId, Check>,
    incoming: Incoming,
    /// The number of the last second leg.
    seconds: u64,
    registrar: Registrar,
    enrolments: Enrolments,
    /// What is still to be told, the next one last.
    notices: Vec<Notice>,
    sip_events: Vec<sip::Event>,
    /// The call that something is just happening to: after a panic, the one that is lost.
    touching: Option<CallKey>,
    /// When all that was due was done last.
    done_at: Option<Instant>,
}

/// A call, the deadline that is noted for it, and whether it is counted as a listener.
struct Entry {
    call: Call,
    armed: Instant,
    listens: bool,
}

struct Check {
    number: u64,
    began_at: Instant,
}

/// What is alive in an engine, for gauges and for tests that prove nothing leaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Live {
    /// Calls between `Start` and `Ended`.
    pub calls: usize,
    /// Calls that send RTP.
    pub playing: usize,
    /// Remote addresses from which RTP is expected.
    pub rtp_sources: usize,
    /// Calls that need their peer's sound.
    pub listeners: usize,
    /// Deadlines noted.
    pub deadlines: usize,
    /// Abandoned calls being cleared.
    pub abandoned: usize,
    /// Trunk checks under way.
    pub checks: usize,
    /// Calls that came in and wait for a decision.
    pub undecided: usize,
    /// Our registrations with trunks.
    pub registrations: usize,
    /// SIP legs; one outlives its call while the peer has not confirmed the end.
    pub sip_legs: usize,
    /// SIP transactions, those that only wait for repetitions included.
    pub sip_transactions: usize,
}

impl Engine {
    /// An engine with nothing going on.
    ///
    /// # Panics
    /// When `config.rtp` is empty: a shard without a port cannot make an offer.
    pub fn new(mut config: EngineConfig) -> Self {
        assert!(!config.rtp.is_empty(), "an engine needs at least one RTP port");
        config.rtp.truncate(MAX_PORTS);
        let limits = config.limits;
        let fresh = derive::subkey(&config.fresh_secret, *b"2nd.");
        let legs = limits.calls + limits.abandoned;
        let mut sip = Endpoint::new(sip::Config {
            local: config.sip_local,
            secret: derive::subkey(&config.fresh_secret, *b"sip."),
            user_agent: config.user_agent.clone(),
            registrar: true,
            extensions: sip::Extensions {
                session_expires_s: Some(SESSION_MS / 1_000),
                ..sip::Extensions::default()
            },
            limits: sip::Limits {
                legs,
                client_transactions: legs.saturating_mul(TRANSACTIONS_PER_CALL),
                // A BYE of the peer's for each call; one that finds no room is answered, too.
                server_transactions: legs,
                strangers: Some(STRANGERS),
                ..sip::Limits::default()
            },
        });
        sip.trace_calls();
        let wires = Wires {
            sip,
            sip_out: sip::Outputs::default(),
            wheel: Wheel::new(places_in_families(&config.rtp)),
            demux: Demux::default(),
            sound: vec![PortSound::default(); config.rtp.len()],
            counters: Counters::default(),
            events: Vec::new(),
            silence: Arc::new(Clip::from_samples(&[])),
            pause: Arc::new(Clip::from_samples(&[0; media::FRAME_SAMPLES])),
            errands: VecDeque::new(),
            cues: Vec::new(),
            recorded: Vec::new(),
            rtcp: Vec::new(),
        };
        Self {
            enrolments: Enrolments::new(derive::subkey(&config.fresh_secret, *b"enr.")),
            registrar: Registrar::new(
                &config.realm,
                derive::subkey(&config.fresh_secret, *b"reg."),
                &config.phone_digests,
            ),
            calls_on_port: vec![0; config.rtp.len()],
            listeners_on_port: vec![0; config.rtp.len()],
            config,
            wires,
            calls: BTreeMap::new(),
            legs: BTreeMap::new(),
            deadlines: BTreeSet::new(),
            abandoning: BTreeSet::new(),
            checks: BTreeMap::new(),
            incoming: Incoming::default(),
            seconds: u64::from_be_bytes(std::array::from_fn(|at| fresh[at])),
            notices: Vec::new(),
            sip_events: Vec::new(),
            touching: None,
            done_at: None,
        }
    }

    /// Takes one input; what comes of it is appended to `out`. `now` never goes back.
    pub fn handle(&mut self, now: Instant, input: Input<'_>, out: &mut Outputs) {
        if let Input::Rtp { slot, source, bytes } = input
            && self.only_counted(now, slot, source, bytes)
        {
            return;
        }
        self.begin(out);
        self.do_what_is_due(now, &mut out.rtp);
        match input {
            Input::Sip { source, bytes } => {
                self.wires.sip.receive(now, source, bytes, &mut self.wires.sip_out);
            }
            Input::SipOver { peer, bytes } => {
                self.wires.sip.receive_over(now, peer, bytes, &mut self.wires.sip_out);
            }
            Input::Disconnected { peer } => {
                self.wires.sip.disconnected(now, peer, &mut self.wires.sip_out);
            }
            Input::Rtp { slot, source, bytes } => self.rtp(now, slot, source, bytes),
            Input::Undeliverable { destination } => {
                self.wires.sip.undeliverable(now, destination, &mut self.wires.sip_out);
            }
            Input::RtpRefused(packet) => {
                self.touch(now, packet.call, |call, wires| call.refused(packet, wires));
            }
            Input::Command(command) => self.command(now, command),
            Input::Timeout => {}
        }
        self.settle_down(now);
        self.end(out);
    }

    /// Goes on after a panic of [`Engine::handle`], which is a bug of ours: the call that was
    /// being handled ends at once, with [`Cause::HungUpByUs`] unless its end was decided already;
    /// the input is dropped; all others live on.
    pub fn recover(&mut self, now: Instant, out: &mut Outputs) {
        self.begin(out);
        self.wires.counters.panics += 1;
        if let Some(key) = self.touching.take() {
            self.touch(now, key, |call, wires| call.lose(now, wires));
        }
        self.take_notices(now);
        self.settle_down(now);
        self.end(out);
    }

    /// Lends the room of `out`. What a panic left behind comes first.
    fn begin(&mut self, out: &mut Outputs) {
        std::mem::swap(&mut self.wires.events, &mut out.events);
        self.wires.events.append(&mut out.events);
        std::mem::swap(&mut self.wires.sip_out.transmits, &mut out.sip);
        self.wires.sip_out.transmits.append(&mut out.sip);
        std::mem::swap(&mut self.wires.recorded, &mut out.recorded);
        self.wires.recorded.append(&mut out.recorded);
        std::mem::swap(&mut self.wires.rtcp, &mut out.rtcp);
        self.wires.rtcp.append(&mut out.rtcp);
    }

    fn end(&mut self, out: &mut Outputs) {
        std::mem::swap(&mut self.wires.events, &mut out.events);
        std::mem::swap(&mut self.wires.sip_out.transmits, &mut out.sip);
        std::mem::swap(&mut self.wires.recorded, &mut out.recorded);
        std::mem::swap(&mut self.wires.rtcp, &mut out.rtcp);
    }

    /// Says where peers of that address's family reach us over a transport, when that is not
    /// [`EngineConfig::sip_local`].
    pub fn reach(&mut self, transport: sip::Transport, local: SocketAddr) {
        self.wires.sip.reach(transport, local);
    }

    /// When [`Input::Timeout`] is wanted. `None` while nothing is going on.
    pub fn next_timeout(&self) -> Option<Instant> {
        let deadline = self.deadlines.first().map(|(at, _)| *at);
        let wheel = self.wires.wheel.next_due();
        let sip = self.wires.sip.next_timeout();
        let phones = [self.registrar.next_expiry(), self.incoming.next_due()];
        let trunks = self.enrolments.next_timeout();
        [deadline, wheel, sip, trunks].into_iter().chain(phones).flatten().min()
    }

    /// How many calls are between `Start` and `Ended`.
    pub fn live_calls(&self) -> usize {
        self.calls.len()
    }

    /// How many of them have the RTP port of this slot.
    pub fn calls_on_port(&self, slot: u8) -> usize {
        self.calls_on_port.get(usize::from(slot)).copied().unwrap_or_default()
    }

    /// How many of those need what is said on that port: to record it, to find out who answered,
    /// to pass it on, or to follow a peer. The others need only key presses and reports.
    pub fn listeners_on_port(&self, slot: u8) -> usize {
        self.listeners_on_port.get(usize::from(slot)).copied().unwrap_or_default()
    }

    /// What is alive, in detail.
    pub fn live(&self) -> Live {
        let sip = self.wires.sip.live();
        Live {
            calls: self.calls.len(),
            playing: self.wires.wheel.len(),
            rtp_sources: self.wires.demux.len(),
            listeners: self.listeners_on_port.iter().sum(),
            deadlines: self.deadlines.len(),
            abandoned: self.abandoning.len(),
            checks: self.checks.len(),
            undecided: self.incoming.undecided(),
            registrations: self.enrolments.len(),
            sip_legs: sip.legs,
            sip_transactions: sip.client_transactions + sip.server_transactions,
        }
    }

    /// Totals since the start, each with its name: the engine's own, then those of SIP.
    pub fn counters(&self) -> impl Iterator<Item = (&'static str, u64)> {
        let late = ("rtp_late_frames", self.wires.wheel.late_frames());
        self.wires.counters.iter().chain([late]).chain(self.wires.sip.counters().iter())
    }

    /// Where a phone is registered: its Contact URI and the address to send to.
    pub fn registration(&self, username: &str) -> Option<(&str, SocketAddr)> {
        self.registrar.registration(username)
    }

    fn do_what_is_due(&mut self, now: Instant, rtp: &mut Vec<RtpTransmit>) {
        if self.wires.wheel.next_due().is_some_and(|at| at <= now) {
            self.wires.wheel.serve(now, rtp, &mut self.notices);
            self.notices.reverse();
        }
        self.take_notices(now);
        if self.wires.sip.next_timeout().is_some_and(|at| at <= now) {
            self.wires.sip.expire(now, &mut self.wires.sip_out);
            self.take_sip_events(now);
        }
        while let Some(&(at, key)) = self.deadlines.first()
            && at <= now
        {
            self.deadlines.remove(&(at, key));
            self.touch(now, key, |call, wires| call.due(now, wires));
            if let Some(entry) = self.calls.get(&key) {
                self.deadlines.insert((entry.armed, key));
            }
        }
        self.decline_undecided(now);
        self.take_sip_events(now);
        self.registrar.expire(now, &mut self.wires.events);
        let Wires { sip, sip_out, events, .. } = &mut self.wires;
        self.enrolments.expire(now, sip, sip_out, events);
        self.done_at = Some(now);
    }

    /// Tells calls how far their sound is. One at a time, so that a panic costs no other call what
    /// it waits for.
    fn take_notices(&mut self, now: Instant) {
        while let Some(notice) = self.notices.pop() {
            self.touch(now, notice.call, |call, wires| call.played(now, notice, wires));
        }
    }

    /// Lets something happen to a call, then notes its new deadline or its end.
    fn touch(&mut self, now: Instant, key: CallKey, what: impl FnOnce(&mut Call, &mut Wires)) {
        let Some(entry) = self.calls.get_mut(&key) else { return };
        self.touching = Some(key);
        entry.call.take_counted(&mut self.wires.demux);
        entry.call.take_traces(now, &mut self.wires.sip_out.traces);
        what(&mut entry.call, &mut self.wires);
        entry.call.take_traces(now, &mut self.wires.sip_out.traces);
        self.touching = None;
        let (slot, listens) = (usize::from(entry.call.port_slot()), entry.call.listens());
        if listens != entry.listens {
            entry.listens = listens;
            let listeners = &mut self.listeners_on_port[slot];
            *listeners = if listens { *listeners + 1 } else { *listeners - 1 };
        }
        let Some(outcome) = entry.call.outcome(now, &self.wires) else {
            entry.call.lend_counted(&mut self.wires.demux);
            let deadline = entry.call.deadline();
            if deadline != entry.armed {
                self.deadlines.remove(&(entry.armed, key));
                self.deadlines.insert((deadline, key));
                entry.armed = deadline;
            }
            return;
        };
        self.deadlines.remove(&(entry.armed, key));
        self.legs.remove(&entry.call.leg());
        self.calls_on_port[slot] -= 1;
        self.listeners_on_port[slot] -= usize::from(listens);
        self.calls.remove(&key);
        self.wires.events.push(Event::Ended { call: key, outcome: Box::new(outcome) });
    }

    fn command(&mut self, now: Instant, command: Command) {
        match command {
            Command::Start(spec) => self.start(now, *spec),
            Command::HangUp { call } => {
                self.touch(now, call, |call, wires| call.hang_up(now, Cause::HungUpByUs, wires));
            }
            Command::Abandon(call) => self.abandon(now, *call),
            Command::SetPhones(phones) => {
                let most = self.config.limits.phones;
                let over = self.registrar.set_phones(now, &phones, most, &mut self.wires.events);
                self.wires.counters.phones_over_limit += over as u64;
            }
            Command::SetServices(numbers) => self.incoming.set_services(&numbers),
            Command::SetTrunks(trunks) => self.set_trunks(&trunks),
            Command::Answer { call, script, max_duration_ms } => {
                self.answer(now, Plan { key: call, script, max_duration_ms, may_be_at: None });
            }
            Command::Follow { call, script } => {
                self.touch(now, call, |call, wires| call.follow_script(now, script, wires));
            }
            Command::Reject { call, sip_code } => self.decline(now, call, sip_code),
            Command::SetRegistrations(specs) => {
                let Wires { sip, sip_out, events, .. } = &mut self.wires;
                self.enrolments.set(now, &specs, sip, sip_out, events);
            }
            Command::CheckTrunk(check) => self.check(now, &check),
        }
    }

    fn abandon(&mut self, now: Instant, abandoned: AbandonedCall) {
        let call = abandoned.call;
        if self.abandoning.contains(&call) {
            return;
        }
        let room = self.abandoning.len() < self.config.limits.abandoned;
        let begun = leg::abandoned(&self.config.secret, abandoned)
            .filter(|_| room && !self.calls.contains_key(&call))
            .map(|abandoned| self.wires.sip.abandon(now, abandoned, &mut self.wires.sip_out));
        if let Some(Ok(())) = begun {
            self.abandoning.insert(call);
        } else {
            self.wires.counters.abandons_refused += 1;
            self.wires.events.push(Event::Abandoned { call, word: LastWord::Silent });
        }
    }

    fn check(&mut self, now: Instant, check: &TrunkCheck) {
        let room = self.checks.len() < self.config.limits.checks;
        let begun = leg::options(check)
            .filter(|_| room)
            .map(|options| self.wires.sip.request(now, options, &mut self.wires.sip_out));
        if let Some(Ok(id)) = begun {
            self.checks.insert(id, Check { number: check.check, began_at: now });
        } else {
            self.wires.counters.checks_refused += 1;
            let (check, round_trip_us) = (check.check, 0);
            self.wires.events.push(Event::TrunkChecked { check, sip_code: None, round_trip_us });
        }
    }

    /// Handles what SIP has told, and what it tells because of that, until it is silent.
    fn take_sip_events(&mut self, now: Instant) {
        loop {
            // One at a time, as with notices.
            while let Some(event) = self.sip_events.pop() {
                self.sip_event(now, event);
            }
            if self.wires.sip_out.events.is_empty() {
                break;
            }
            std::mem::swap(&mut self.sip_events, &mut self.wires.sip_out.events);
            self.sip_events.reverse();
        }
        self.take_traces(now);
    }

    /// Gives the messages that no event went with to their calls.
    fn take_traces(&mut self, now: Instant) {
        for sip::Trace { leg, sign } in self.wires.sip_out.traces.drain(..) {
            if let Some(key) = self.legs.get(&leg)
                && let Some(entry) = self.calls.get_mut(key)
            {
                entry.call.trace(now, sign);
            }
        }
    }

    fn sip_event(&mut self, now: Instant, event: sip::Event) {
        match event {
            sip::Event::Provisional { leg, code, sdp } => {
                self.touch_leg(now, leg, |call, wires| call.provisional(now, code, sdp, wires));
            }
            sip::Event::Answered { leg, sdp, dialog } => {
                self.touch_leg(now, leg, |call, wires| call.answered(now, sdp, dialog, wires));
            }
            sip::Event::Reoffer { leg, sdp } => {
                self.touch_leg(now, leg, |call, wires| call.reoffer(now, sdp.as_deref(), wires));
            }
            // We change nothing in a call of ours; what a refresh of the session brings along is
            // what was agreed.
            sip::Event::OfferAnswered { leg, sdp } => {
                self.touch_leg(now, leg, |call, wires| {
                    call.offer_answered(now, sdp.as_deref(), wires);
                });
            }
            sip::Event::Acked { leg, sdp } => {
                self.touch_leg(now, leg, |call, wires| call.acked(now, sdp.as_deref(), wires));
            }
            sip::Event::Failed { leg, failure } => {
                self.touch_leg(now, leg, |call, wires| call.failed(now, failure, wires));
            }
            sip::Event::Ended { leg, by, q850 } => {
                self.touch_leg(now, leg, |call, wires| call.ended(now, by, q850, wires));
            }
            sip::Event::Incoming { leg, request, source } => {
                self.incoming(now, leg, source, &request);
            }
            sip::Event::Cancelled { leg } => self.gave_up(leg),
            sip::Event::OfferRefused { .. } => {}
            sip::Event::Request { id, leg, request, source, transport } => {
                let peer = sip::Hop { transport, address: source };
                let reply = self.reply_to(now, leg, &request, peer);
                self.wires.sip.reply(now, id, &reply, &mut self.wires.sip_out);
            }
            sip::Event::Response { id, result } => {
                let Wires { sip, events, .. } = &mut self.wires;
                if self.enrolments.heard(now, id, &result, sip, events) {
                    return;
                }
                let Some(check) = self.checks.remove(&id) else { return };
                let round_trip = now.saturating_duration_since(check.began_at).as_micros();
                self.wires.events.push(Event::TrunkChecked {
                    check: check.number,
                    sip_code: result.ok().map(|response| response.code),
                    round_trip_us: u64::try_from(round_trip).unwrap_or(u64::MAX),
                });
            }
            sip::Event::AbandonDone { token, word } => {
                let call = CallKey(token);
                if self.abandoning.remove(&call) {
                    self.wires.events.push(Event::Abandoned { call, word });
                }
            }
        }
    }

    fn touch_leg(&mut self, now: Instant, leg: LegId, what: impl FnOnce(&mut Call, &mut Wires)) {
        if let Some(&key) = self.legs.get(&leg) {
            self.touch(now, key, what);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::sync::Arc;
    use std::time::Duration;

    use media::Codec;

    use super::*;
    use crate::io::CallSpec;
    use crate::limits::Limits;

    fn engine() -> Engine {
        Engine::new(EngineConfig {
            sip_local: "192.0.2.1:5060".parse().unwrap(),
            rtp: vec!["192.0.2.1:30000".parse().unwrap()],
            secret: [1; 32],
            fresh_secret: [2; 32],
            realm: "phones.example".to_owned(),
            phone_digests: vec![sip::digest::Algorithm::Md5],
            user_agent: "test".to_owned(),
            call_id_prefix: String::new(),
            limits: Limits::default(),
        })
    }

    /// Goal: a bug that panics in one call ends that call, and no other.
    #[test]
    fn a_panic_costs_the_call_it_came_from() {
        #[expect(clippy::disallowed_methods, reason = "any instant does as the origin")]
        let mut now = Instant::now();
        let mut engine = engine();
        let mut out = Outputs::default();
        let clip = Arc::new(crate::Clip::from_samples(&[0; 800]));
        for key in [1, 2] {
            let uri = "sip:09121234567@192.0.2.2".to_owned();
            let spec = CallSpec {
                call: CallKey(key),
                call_id: format!("call-{key}@engine.test"),
                target: crate::Target::Address {
                    address: "192.0.2.2:5060".parse().unwrap(),
                    request_uri: uri.clone(),
                    to: uri.clone(),
                },
                from_uri: uri,
                credentials: None,
                codecs: vec![Codec::Pcma],
                srtp: crate::Srtp::Off,
                symmetric_rtp: false,
                script: Arc::new(crate::Script::message(Arc::clone(&clip), None)),
                ring_timeout_ms: 30_000,
                max_duration_ms: 120_000,
            };
            engine.handle(now, Input::Command(Command::Start(Box::new(spec))), &mut out);
        }
        out.clear();
        // What waited behind the call that panics: the other one rings.
        let (&leg, _) = engine.legs.iter().find(|(_, call)| **call == CallKey(2)).unwrap();
        engine.sip_events.push(sip::Event::Provisional { leg, code: 180, sdp: None });
        let panic = AssertUnwindSafe(|| {
            engine.begin(&mut out);
            engine.touch(now, CallKey(1), |_, wires| {
                wires.events.push(Event::Ringing { call: CallKey(1) });
                panic!("a bug of ours")
            });
        });
        assert!(catch_unwind(panic).is_err());
        engine.recover(now, &mut out);
        assert!(matches!(out.events[0], Event::Ringing { .. }), "what had happened is told");
        let Event::Ended { call: CallKey(1), outcome } = &out.events[1] else { panic!() };
        assert_eq!(outcome.cause, Cause::HungUpByUs);
        assert!(matches!(out.events[2], Event::Ringing { call: CallKey(2) }), "what waited came");
        assert_eq!(engine.live_calls(), 1);
        out.clear();
        // Nobody answers: the other call, and what is left of the first, come to their ends.
        while let Some(at) = engine.next_timeout() {
            now = at.max(now + Duration::from_millis(1));
            engine.handle(now, Input::Timeout, &mut out);
        }
        assert_eq!(engine.live(), Live::default());
        assert!(matches!(out.events.last(), Some(Event::Ended { call: CallKey(2), .. })));
    }
}
