//! The carrier: the SIP endpoint, the calls, and what leads from one to the other.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::Instant;

use media::Codec;
use media::rtp::Sender;
use media::sdp;
use sip::{Endpoint, Headers, LegId, Method, Name, Party, Reply, Request};

use crate::call::{Call, Line, Step};
use crate::chance::Chance;
use crate::config::{Config, SendAudio};
use crate::ear::Ear;
use crate::gate::{Challenge, Gate};
use crate::io::{
    CallId, CallReport, Counters, Ending, Event, Heard, Input, Live, Outputs, PortSlot, RtpOut,
};
use crate::numbers::{self, Behaviour, Progress, Then};
use crate::ports::Ports;
use crate::voice::{Sound, Voice};
use crate::wire;

/// The longest number that is kept, bytes.
const MAX_NUMBER_BYTES: usize = 128;
/// What a caller is told to wait when all ports are taken, seconds.
const RETRY_AFTER_SECONDS: u32 = 2;

/// A sandbox carrier.
pub struct Carrier {
    config: Config,
    endpoint: Endpoint,
    gate: Gate,
    chance: Chance,
    ports: Ports,
    calls: BTreeMap<CallId, Call>,
    /// When each call wants to be looked at: one entry a call.
    timers: BTreeSet<(Instant, CallId)>,
    /// Calls that lose datagrams on purpose, by Call-ID, with how many of 100.
    lossy: BTreeMap<Vec<u8>, u8>,
    /// How many bytes of audio may still be kept.
    room: usize,
    counters: Counters,
    from_sip: sip::Outputs,
}

impl Carrier {
    /// A carrier without calls.
    pub fn new(config: Config) -> Self {
        let endpoint = Endpoint::new(sip::Config {
            local: config.sip,
            secret: config.secret,
            user_agent: "Avanak sandbox carrier".to_owned(),
            registrar: false,
            extensions: sip::Extensions::default(),
            limits: sip::Limits { legs: config.limits.calls, ..sip::Limits::default() },
        });
        Self {
            endpoint,
            gate: Gate::new(config.secret, config.require_auth.clone()),
            chance: Chance::new(&config.secret),
            ports: Ports::new(config.media_ports.clone()),
            calls: BTreeMap::new(),
            timers: BTreeSet::new(),
            lossy: BTreeMap::new(),
            room: config.limits.recorded_bytes,
            counters: Counters::default(),
            from_sip: sip::Outputs::default(),
            config,
        }
    }

    /// Takes one input and appends what comes of it to `out`.
    pub fn handle(&mut self, now: Instant, input: Input<'_>, out: &mut Outputs) {
        match input {
            Input::Sip { source, bytes } => {
                if self.lets_through(bytes) {
                    self.endpoint.receive(now, source, bytes, &mut self.from_sip);
                }
            }
            Input::Rtp { port, source, bytes } => self.hear(now, port, source, bytes),
            Input::Timeout => {
                self.endpoint.expire(now, &mut self.from_sip);
                self.wake_due(now, out);
            }
        }
        self.drain(now, out);
    }

    /// When [`Input::Timeout`] is wanted next; `None` when nothing is going on.
    pub fn next_timeout(&self) -> Option<Instant> {
        let call = self.timers.first().map(|(at, _)| *at);
        [call, self.endpoint.next_timeout()].into_iter().flatten().min()
    }

    /// What is alive now.
    pub fn live(&self) -> Live {
        Live {
            calls: self.calls.len(),
            ports: self.ports.taken(),
            timers: self.timers.len(),
            lossy: self.lossy.len(),
            recorded_bytes: self.config.limits.recorded_bytes - self.room,
            sip: self.endpoint.live(),
        }
    }

    /// Totals since the start.
    pub fn counters(&self) -> Counters {
        self.counters
    }

    /// Totals of the SIP endpoint since the start.
    pub fn sip_counters(&self) -> &sip::Counters {
        self.endpoint.counters()
    }

    /// Whether the endpoint gets to see a datagram: not those for the silent number, and not
    /// those that are lost on purpose.
    fn lets_through(&mut self, bytes: &[u8]) -> bool {
        let called = wire::request_user(bytes).map(behaviour_of);
        if called.is_some_and(|behaviour| behaviour.then == Then::Silence) {
            self.counters.ignored += 1;
            return false;
        }
        let before_the_call = called.map_or(0, |behaviour| behaviour.loss_percent);
        let percent = self.loss_of(bytes).unwrap_or(before_the_call);
        !self.loses(percent)
    }

    /// How many of 100 datagrams the call of this one loses.
    fn loss_of(&self, bytes: &[u8]) -> Option<u8> {
        if self.lossy.is_empty() {
            return None;
        }
        self.lossy.get(wire::call_id(bytes)?).copied()
    }

    fn loses(&mut self, percent: u8) -> bool {
        let lost = self.chance.happens(percent);
        self.counters.lost_on_purpose += u64::from(lost);
        lost
    }

    fn hear(&mut self, now: Instant, port: PortSlot, source: SocketAddr, bytes: &[u8]) {
        let call = self.ports.owner(port).and_then(|id| self.calls.get_mut(&id));
        let Some(call) = call else {
            self.counters.rtp_without_call += 1;
            return;
        };
        if self.chance.happens(call.behaviour.loss_percent) {
            self.counters.lost_on_purpose += 1;
        } else if let Some(line) = &mut call.line {
            line.hear(now, source, bytes, &mut self.room);
        }
    }

    /// Passes on what the endpoint says, until it says nothing more.
    fn drain(&mut self, now: Instant, out: &mut Outputs) {
        loop {
            let events = std::mem::take(&mut self.from_sip.events);
            let begins = |event: &sip::Event| matches!(event, sip::Event::Incoming { .. });
            let (begun, others): (Vec<_>, Vec<_>) = events.into_iter().partition(begins);
            if begun.is_empty() && others.is_empty() && self.from_sip.transmits.is_empty() {
                return;
            }
            // A call shares its losses with its datagrams, so it begins before they go out, and
            // whatever else happened, such as its end, comes after.
            for event in begun {
                self.follow(now, event, out);
            }
            for transmit in std::mem::take(&mut self.from_sip.transmits) {
                let percent = self.loss_of(&transmit.bytes).unwrap_or(0);
                if !self.loses(percent) {
                    out.sip.push(transmit);
                }
            }
            for event in others {
                self.follow(now, event, out);
            }
        }
    }

    fn follow(&mut self, now: Instant, event: sip::Event, out: &mut Outputs) {
        match event {
            sip::Event::Incoming { leg, request, source } => {
                self.incoming(now, leg, &request, source, out);
            }
            sip::Event::Acked { leg, sdp: Some(answer) } => {
                if let Some(line) = self.line(leg)
                    && let Ok(negotiated) = sdp::read_answer(&line.local, &answer)
                {
                    line.negotiated = Some(negotiated);
                    self.schedule(call_of(leg));
                }
            }
            sip::Event::Cancelled { leg } => {
                self.end(now, call_of(leg), Ending::Cancelled, out);
            }
            sip::Event::Ended { leg, by, .. } => {
                let ending = match by {
                    Party::Us => Ending::WeHungUp,
                    Party::Peer => Ending::CallerHungUp,
                };
                self.end(now, call_of(leg), ending, out);
            }
            sip::Event::Reoffer { leg, sdp } => self.reoffer(now, leg, sdp.as_deref()),
            sip::Event::Request { id, request, .. } => {
                let code = match request.method {
                    Method::Options | Method::Info => 200,
                    _ => 501,
                };
                let reply = Reply { code, ..Reply::default() };
                self.endpoint.reply(now, id, &reply, &mut self.from_sip);
            }
            // The rest are about calls and requests of our own, and we make none.
            _ => {}
        }
    }

    fn incoming(
        &mut self,
        now: Instant,
        leg: LegId,
        request: &Request,
        source: SocketAddr,
        out: &mut Outputs,
    ) {
        let user = request.uri.user();
        let behaviour = behaviour_of(user);
        if let Err(Challenge { code, headers }) = self.gate.check(now, request, behaviour.challenge)
        {
            self.counters.challenged += 1;
            return self.endpoint.reject(now, leg, code, "", &headers, &mut self.from_sip);
        }
        let number = String::from_utf8_lossy(&user[..user.len().min(MAX_NUMBER_BYTES)]);
        let sip_call_id = request.headers.get(Name::CallId).unwrap_or_default().to_vec();
        let mut call =
            Call::new(now, number.into_owned(), sip_call_id, behaviour, &self.config.limits);
        if behaviour.has_media() {
            match self.open_line(leg, behaviour, request.sdp(), source) {
                Ok(line) => call.line = Some(line),
                Err(code) => return self.refuse(now, leg, code, None, Some(RETRY_AFTER_SECONDS)),
            }
        }
        let id = call_of(leg);
        out.events.push(Event::CallStarted {
            call: id,
            sip_call_id: String::from_utf8_lossy(&call.sip_call_id).into_owned(),
            number: call.number.clone(),
            at: now,
        });
        if behaviour.loss_percent > 0 {
            self.lossy.insert(call.sip_call_id.clone(), behaviour.loss_percent);
        }
        self.calls.insert(id, call);
        self.progress(now, leg, behaviour.progress);
        self.wake(now, id, out);
    }

    /// Takes a port and agrees on the media, or says with which code to refuse.
    fn open_line(
        &mut self,
        leg: LegId,
        behaviour: Behaviour,
        offer: Option<&[u8]>,
        source: SocketAddr,
    ) -> Result<Line, u16> {
        let Some((slot, port)) = self.ports.take(call_of(leg)) else {
            self.counters.refused_full += 1;
            return Err(503);
        };
        let address = SocketAddr::new(self.config.media_address, port);
        let session_id = u64::from(self.chance.next_u32());
        let limits = &self.config.limits;
        let kept_ms = if self.config.record { limits.recorded_ms } else { 0 };
        let mut line = Line {
            slot,
            local: sdp::Local::new(session_id, address, &[Codec::Pcma, Codec::Pcmu]),
            negotiated: None,
            description: Vec::new(),
            sip_source: source.ip(),
            ear: Ear::new(usize::try_from(kept_ms.saturating_mul(8)).unwrap_or(usize::MAX)),
            voice: None,
        };
        // Reports come to the same port; nobody here reads them.
        line.local.rtcp_mux = true;
        if behaviour.keys_in_band {
            line.local.telephone_event = None;
        }
        if line.describe(offer).is_err() {
            self.counters.refused_offer += 1;
            self.ports.give_back(slot);
            return Err(488);
        }
        Ok(line)
    }

    fn progress(&mut self, now: Instant, leg: LegId, progress: Progress) {
        let out = &mut self.from_sip;
        match progress {
            Progress::Trying => {}
            Progress::Ringing => self.endpoint.ring(now, leg, 180, None, out),
            Progress::EarlyMedia | Progress::RingingTone | Progress::Announcement => {
                let call = self.calls.get_mut(&call_of(leg));
                let Some(line) = call.and_then(|call| call.line.as_mut()) else { return };
                self.endpoint.ring(now, leg, 183, Some(&line.description), out);
                let codec = line.negotiated.map(|agreed| agreed.codec);
                let mut voice = Voice::new(now, sender(&mut self.chance));
                voice.say(codec.and_then(|codec| Sound::early(progress, codec)));
                line.voice = Some(voice);
            }
        }
    }

    fn reoffer(&mut self, now: Instant, leg: LegId, offer: Option<&[u8]>) {
        let call = self.calls.get_mut(&call_of(leg));
        let Some(line) = call.and_then(|call| call.line.as_mut()) else { return };
        let out = &mut self.from_sip;
        if line.describe(offer).is_ok() {
            self.endpoint.answer_reoffer(now, leg, &line.description, out);
        } else {
            self.counters.refused_offer += 1;
            self.endpoint.refuse_reoffer(now, leg, 488, out);
        }
        self.schedule(call_of(leg));
    }

    fn refuse(
        &mut self,
        now: Instant,
        leg: LegId,
        code: u16,
        q850: Option<u8>,
        retry_after_seconds: Option<u32>,
    ) {
        let mut headers = Headers::new();
        if let Some(cause) = q850 {
            headers.push(Name::Reason, format!("Q.850;cause={cause}").as_bytes());
        }
        if let Some(seconds) = retry_after_seconds.filter(|_| code == 503) {
            headers.push(Name::RetryAfter, seconds.to_string().as_bytes());
        }
        self.endpoint.reject(now, leg, code, "", &headers, &mut self.from_sip);
    }

    fn wake_due(&mut self, now: Instant, out: &mut Outputs) {
        while let Some(&(at, id)) = self.timers.first()
            && at <= now
        {
            self.timers.pop_first();
            if let Some(call) = self.calls.get_mut(&id) {
                call.timer = None;
            }
            self.wake(now, id, out);
        }
    }

    /// Does what is due for one call, and sets its timer.
    fn wake(&mut self, now: Instant, id: CallId, out: &mut Outputs) {
        while let Some(step) = self.calls.get_mut(&id).and_then(|call| call.take_step(now)) {
            self.step(now, id, step, out);
        }
        self.speak(now, id, out);
        let limits = self.config.limits;
        if let Some(call) = self.calls.get_mut(&id)
            && call.watch_at <= now
            && call.is_over(now, &limits)
        {
            let step = if call.answered_at.is_some() {
                Step::HangUp
            } else {
                Step::Refuse { code: 480, q850: None, retry_after_seconds: None }
            };
            self.step(now, id, step, out);
        }
        self.schedule(id);
    }

    fn step(&mut self, now: Instant, id: CallId, step: Step, out: &mut Outputs) {
        let leg = LegId(id.0);
        match step {
            Step::Answer => self.answer(now, id, out),
            Step::Refuse { code, q850, retry_after_seconds } => {
                self.refuse(now, leg, code, q850, retry_after_seconds);
                self.end(now, id, Ending::Refused(code), out);
            }
            Step::Press(key) => {
                let Some(call) = self.calls.get_mut(&id) else { return };
                call.plan_end();
                let in_band = call.behaviour.keys_in_band;
                let Some(line) = &mut call.line else { return };
                let codec = line.negotiated.map(|agreed| agreed.codec);
                match (&mut line.voice, codec) {
                    (Some(voice), Some(codec)) if in_band => {
                        voice.say(Some(Sound::key(key, codec)));
                    }
                    (Some(voice), _) => voice.press(key),
                    (None, _) => {}
                }
            }
            Step::HangUp => {
                if let Some(call) = self.calls.get_mut(&id) {
                    call.hang_up(now);
                }
                self.endpoint.hang_up(now, leg, None, &mut self.from_sip);
            }
        }
    }

    fn answer(&mut self, now: Instant, id: CallId, out: &mut Outputs) {
        let Some(call) = self.calls.get_mut(&id) else { return };
        let speaks = call.behaviour.speaks() || self.config.send_audio == SendAudio::Always;
        let line = call.line.as_mut().filter(|line| line.voice.is_none() && speaks);
        if let Some(line) = line {
            line.voice = Some(Voice::new(now, sender(&mut self.chance)));
        }
        call.answer(now, &self.config.limits);
        let Some(line) = &mut call.line else { return };
        self.endpoint.answer(now, LegId(id.0), &line.description, &mut self.from_sip);
        out.events.push(Event::CallAnswered { call: id, at: now });
    }

    fn speak(&mut self, now: Instant, id: CallId, out: &mut Outputs) {
        let Some(call) = self.calls.get_mut(&id) else { return };
        let percent = call.behaviour.loss_percent;
        let Some(line) = &mut call.line else { return };
        while let Some((destination, bytes)) = line.speak(now) {
            if self.chance.happens(percent) {
                self.counters.lost_on_purpose += 1;
            } else {
                out.rtp.push(RtpOut { port: line.slot, destination, bytes });
            }
        }
    }

    /// Sets the one timer of a call to when it wants to be looked at.
    fn schedule(&mut self, id: CallId) {
        let Some(call) = self.calls.get_mut(&id) else { return };
        let due_at = call.due_at();
        if call.timer != Some(due_at) {
            if let Some(old) = call.timer.replace(due_at) {
                self.timers.remove(&(old, id));
            }
            self.timers.insert((due_at, id));
        }
    }

    fn end(&mut self, now: Instant, id: CallId, ending: Ending, out: &mut Outputs) {
        let Some(call) = self.calls.remove(&id) else { return };
        if let Some(at) = call.timer {
            self.timers.remove(&(at, id));
        }
        self.lossy.remove(&call.sip_call_id);
        let number = call.number;
        let report = call.line.as_ref().map_or_else(CallReport::default, |line| line.ear.report());
        out.events.push(Event::CallEnded {
            call: id,
            number: number.clone(),
            at: now,
            ending,
            report,
        });
        let Some(line) = call.line else { return };
        self.ports.give_back(line.slot);
        self.room += line.ear.kept_bytes();
        if self.config.record && call.answered_at.is_some() {
            let kept = line.ear.into_recording();
            out.events.push(Event::Heard(Heard {
                call: id,
                sip_call_id: String::from_utf8_lossy(&call.sip_call_id).into_owned(),
                number,
                codec: kept.codec,
                audio: kept.audio,
                keys: kept.keys,
                truncated: kept.truncated,
                report,
                ending,
            }));
        }
    }

    fn line(&mut self, leg: LegId) -> Option<&mut Line> {
        self.calls.get_mut(&call_of(leg))?.line.as_mut()
    }
}

fn call_of(leg: LegId) -> CallId {
    CallId(leg.0)
}

fn behaviour_of(user: &[u8]) -> Behaviour {
    numbers::behaviour(std::str::from_utf8(user).unwrap_or_default())
}

/// A sender with starting points of its own (RFC 3550 §5.1).
fn sender(chance: &mut Chance) -> Sender {
    let (ssrc, timestamp) = (chance.next_u32(), chance.next_u32());
    let sequence = u16::try_from(chance.next() >> 48).expect("the upper quarter has 16 bits");
    Sender::new(ssrc, sequence, timestamp)
}
