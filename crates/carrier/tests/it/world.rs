//! A caller and a carrier with a wire of 1 ms between them, in virtual time.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use carrier::{Carrier, Config, Event, Heard, Input, Outputs, PortSlot};
use media::rtp::Sender;
use media::sdp::{self, Negotiated};
use media::{Codec, EncodedClip};
use sip::{Credentials, Endpoint, Failure, Headers, Invite, LegId, Party, Uri};

pub const CALLER_SIP: &str = "192.0.2.1:5060";
pub const CALLER_RTP: &str = "192.0.2.1:30000";
pub const CARRIER_SIP: &str = "192.0.2.2:5060";
pub const FIRST_PORT: u16 = 40_000;

const WIRE: Duration = Duration::from_millis(1);
/// Longer than any transaction lingers, so that what is alive then has leaked.
const LINGER_MS: u64 = 200_000;

pub fn address(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

pub fn config() -> Config {
    let ports = (0..4).map(|n| FIRST_PORT + 2 * n).collect();
    Config::new(address(CARRIER_SIP), ports, [7; 32])
}

#[expect(clippy::disallowed_methods, reason = "the only way to get a first instant")]
fn epoch() -> Instant {
    Instant::now()
}

/// A datagram on its way.
enum Datagram {
    SipToCarrier(Vec<u8>),
    SipToCaller(Vec<u8>),
    RtpToCarrier(PortSlot, Vec<u8>),
    RtpToCaller(Vec<u8>),
}

/// How the caller behaves.
pub struct Caller {
    pub codecs: Vec<Codec>,
    pub offers: bool,
    pub credentials: Option<Credentials>,
    pub clip: EncodedClip,
    /// Hangs up when the clip is over.
    pub hangs_up: bool,
    pub ring_timeout_ms: u64,
    /// Deaf and mute from the answer on, as after a crash.
    pub dies: bool,
}

impl Default for Caller {
    fn default() -> Self {
        Self {
            codecs: vec![Codec::Pcma, Codec::Pcmu],
            offers: true,
            credentials: None,
            clip: clip(Codec::Pcma, 100),
            hangs_up: true,
            ring_timeout_ms: 30_000,
            dies: false,
        }
    }
}

/// A clip in which every sample tells where it stands.
pub fn clip(codec: Codec, frames: usize) -> EncodedClip {
    let samples: Vec<i16> =
        (0..frames * 160).map(|n| i16::try_from(n * 37 % 20_000).unwrap() - 10_000).collect();
    EncodedClip::from_samples(codec, &samples)
}

pub struct World {
    pub start: Instant,
    pub now: Instant,
    pub carrier: Carrier,
    pub uac: Endpoint,
    pub caller: Caller,
    pub leg: Option<LegId>,
    pub negotiated: Option<Negotiated>,
    /// What the caller saw, with the time in ms.
    pub story: Vec<(u64, String)>,
    pub events: Vec<Event>,
    /// RTP that the caller received, with the time in ms.
    pub received: Vec<(u64, Vec<u8>)>,
    wire: BTreeMap<(Instant, u64), Datagram>,
    sent: u64,
    playing: Option<(Instant, usize, Sender)>,
    dead: bool,
}

impl World {
    pub fn new(config: Config, caller: Caller) -> Self {
        let start = epoch();
        let uac = Endpoint::new(sip::Config {
            local: address(CALLER_SIP),
            secret: [9; 32],
            user_agent: "caller".to_owned(),
            registrar: false,
            extensions: sip::Extensions::default(),
            limits: sip::Limits::default(),
        });
        Self {
            start,
            now: start,
            carrier: Carrier::new(config),
            uac,
            caller,
            leg: None,
            negotiated: None,
            story: vec![],
            events: vec![],
            received: vec![],
            wire: BTreeMap::new(),
            sent: 0,
            playing: None,
            dead: false,
        }
    }

    /// Calls a number and runs until nothing is alive any more.
    pub fn called(number: &str, caller: Caller) -> Self {
        let mut world = Self::new(config(), caller);
        world.dial(number);
        world.run_to_the_end();
        world
    }

    pub fn local(&self) -> sdp::Local {
        sdp::Local::new(1, address(CALLER_RTP), &self.caller.codecs)
    }

    pub fn dial(&mut self, number: &str) {
        let to = Uri::sip(number, address(CARRIER_SIP));
        let mut out = sip::Outputs::default();
        let sdp = if self.caller.offers { self.local().print_offer() } else { vec![] };
        let invite = Invite {
            destination: address(CARRIER_SIP),
            request_uri: to.clone(),
            from: Uri::sip("2100", address(CALLER_SIP)).into(),
            to: to.into(),
            call_id: format!("call-{}@caller", self.sent),
            local_tag: None,
            branch: None,
            contact_user: String::new(),
            credentials: self.caller.credentials.clone(),
            sdp,
            headers: Headers::new(),
            ring_timeout: Duration::from_millis(self.caller.ring_timeout_ms),
            symmetric: false,
        };
        self.leg = Some(self.uac.invite(self.now, invite, &mut out).unwrap());
        self.after_uac(out);
    }

    pub fn hang_up(&mut self) {
        let mut out = sip::Outputs::default();
        self.uac.hang_up(self.now, self.leg.unwrap(), None, &mut out);
        self.after_uac(out);
    }

    pub fn elapsed_ms(&self) -> u64 {
        u64::try_from(self.now.duration_since(self.start).as_millis()).unwrap()
    }

    /// Feeds the carrier one input at once, past the wire.
    pub fn feed(&mut self, input: Input<'_>) -> Outputs {
        let mut out = Outputs::default();
        self.carrier.handle(self.now, input, &mut out);
        out
    }

    pub fn run_to_the_end(&mut self) {
        self.run_until_ms(self.elapsed_ms() + LINGER_MS);
        let live = self.carrier.live();
        assert_eq!(live, carrier::Live::default(), "the carrier leaks: {:?}", self.story);
        if !self.dead {
            assert_eq!(self.uac.live(), sip::Live::default(), "the caller leaks");
        }
    }

    /// Runs all that is due up to a time.
    pub fn run_until_ms(&mut self, end_ms: u64) {
        let end = self.start + Duration::from_millis(end_ms);
        while let Some(at) = self.next_at().filter(|at| *at <= end) {
            self.now = self.now.max(at);
            if let Some(entry) = self.wire.first_entry().filter(|entry| entry.key().0 <= self.now) {
                let datagram = entry.remove();
                self.deliver(datagram);
            } else if self.carrier.next_timeout().is_some_and(|at| at <= self.now) {
                let out = self.feed(Input::Timeout);
                self.after_carrier(out);
            } else if self.playing.as_ref().is_some_and(|(at, ..)| *at <= self.now) {
                self.play();
            } else {
                let mut out = sip::Outputs::default();
                self.uac.expire(self.now, &mut out);
                self.after_uac(out);
            }
        }
        self.now = end;
    }

    fn next_at(&self) -> Option<Instant> {
        let uac = self.uac.next_timeout().filter(|_| !self.dead);
        let wire = self.wire.first_key_value().map(|((at, _), _)| *at);
        let playing = self.playing.as_ref().map(|(at, ..)| *at);
        [uac, wire, playing, self.carrier.next_timeout()].into_iter().flatten().min()
    }

    fn put(&mut self, datagram: Datagram) {
        self.sent += 1;
        self.wire.insert((self.now + WIRE, self.sent), datagram);
    }

    fn deliver(&mut self, datagram: Datagram) {
        match datagram {
            Datagram::SipToCarrier(bytes) => {
                let input = Input::Sip { source: address(CALLER_SIP), bytes: &bytes };
                let out = self.feed(input);
                self.after_carrier(out);
            }
            Datagram::RtpToCarrier(port, bytes) => {
                let source = address(CALLER_RTP);
                let out = self.feed(Input::Rtp { port, source, bytes: &bytes });
                self.after_carrier(out);
            }
            Datagram::SipToCaller(bytes) if !self.dead => {
                let mut out = sip::Outputs::default();
                self.uac.receive(self.now, address(CARRIER_SIP), &bytes, &mut out);
                self.after_uac(out);
            }
            Datagram::RtpToCaller(bytes) if !self.dead => {
                self.received.push((self.elapsed_ms(), bytes));
            }
            _ => {}
        }
    }

    pub fn after_carrier(&mut self, out: Outputs) {
        // What goes elsewhere goes to a stranger who does not answer.
        for transmit in out.sip.into_iter().filter(|t| t.destination == address(CALLER_SIP)) {
            self.put(Datagram::SipToCaller(transmit.bytes.to_vec()));
        }
        for rtp in out.rtp.into_iter().filter(|rtp| rtp.destination == address(CALLER_RTP)) {
            self.put(Datagram::RtpToCaller(rtp.bytes));
        }
        self.events.extend(out.events);
    }

    fn after_uac(&mut self, out: sip::Outputs) {
        for transmit in out.transmits {
            assert_eq!(transmit.destination, address(CARRIER_SIP));
            self.put(Datagram::SipToCarrier(transmit.bytes.to_vec()));
        }
        for event in out.events {
            self.follow(event);
        }
    }

    fn follow(&mut self, event: sip::Event) {
        let text = match event {
            sip::Event::Provisional { code, sdp, .. } => {
                format!("{code}{}", if sdp.is_some() { " with media" } else { "" })
            }
            sip::Event::Answered { sdp, .. } => {
                self.answered(sdp);
                "answered".to_owned()
            }
            sip::Event::Failed { failure, .. } => match failure {
                Failure::Rejected { code, q850, retry_after_seconds, .. } => {
                    let cause = q850.map(|cause| format!(" cause {cause}")).unwrap_or_default();
                    let retry = retry_after_seconds.map(|s| format!(" retry {s}"));
                    format!("{code}{cause}{}", retry.unwrap_or_default())
                }
                other => format!("{other:?}"),
            },
            sip::Event::Ended { by, .. } => {
                self.playing = None;
                match by {
                    Party::Us => "caller hung up".to_owned(),
                    Party::Peer => "carrier hung up".to_owned(),
                }
            }
            other => format!("{other:?}"),
        };
        self.story.push((self.elapsed_ms(), text));
    }

    fn answered(&mut self, sdp: Option<Vec<u8>>) {
        if self.caller.dies {
            self.dead = true;
            return;
        }
        self.negotiated = sdp.and_then(|sdp| sdp::read_answer(&self.local(), &sdp).ok());
        if self.negotiated.is_some() {
            self.playing = Some((self.now, 0, Sender::new(77, 65_530, u32::MAX - 800)));
        }
    }

    fn play(&mut self) {
        let Some((at, n, mut sender)) = self.playing.take() else { return };
        let negotiated = self.negotiated.unwrap();
        let Some(frame) = self.caller.clip.frame(n) else {
            if self.caller.hangs_up {
                self.hang_up();
            }
            return;
        };
        let header = sender.frame(negotiated.payload_type);
        let bytes = [&header.write()[..], frame].concat();
        self.put(Datagram::RtpToCarrier(self.port(), bytes));
        self.playing = Some((at + Duration::from_millis(20), n + 1, sender));
    }

    /// The carrier's port that the caller was told.
    pub fn port(&self) -> PortSlot {
        let port = self.negotiated.unwrap().remote.port();
        PortSlot(usize::from((port - FIRST_PORT) / 2))
    }

    pub fn said(&self) -> Vec<&str> {
        self.story.iter().map(|(_, text)| text.as_str()).collect()
    }

    pub fn at_ms(&self, text: &str) -> u64 {
        self.story.iter().find(|(_, said)| said == text).unwrap().0
    }

    pub fn heard(&self) -> &Heard {
        self.events
            .iter()
            .find_map(|event| match event {
                Event::Heard(heard) => Some(heard),
                _ => None,
            })
            .unwrap()
    }
}
