//! Two endpoints in virtual time with a seeded network between them that loses, repeats and
//! reorders datagrams.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use sip::{
    Config, Endpoint, Event, Extensions, Headers, Invite, LegId, Limits, Live, NameAddr, Outputs,
    Request,
};

/// An instant to count from. Only differences matter.
#[expect(clippy::disallowed_methods, reason = "virtual time needs one real instant to start at")]
pub fn epoch() -> Instant {
    Instant::now()
}

pub fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

pub fn addr(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

pub const CALLER: &str = "192.0.2.1:5060";
pub const CALLEE: &str = "192.0.2.2:5060";

pub fn config(local: &str, seed: u64) -> Config {
    let mut secret = [7; 32];
    secret[..8].copy_from_slice(&seed.to_be_bytes());
    for (byte, letter) in secret[8..].iter_mut().zip(local.bytes()) {
        *byte = letter;
    }
    Config {
        local: addr(local),
        secret,
        user_agent: "test".into(),
        registrar: true,
        extensions: sip::Extensions::default(),
        limits: Limits::default(),
    }
}

/// An INVITE from the caller to the callee.
pub fn invite() -> Invite {
    let to: sip::Uri = format!("sip:09121234567@{CALLEE}").parse().unwrap();
    Invite {
        destination: addr(CALLEE),
        request_uri: to.clone(),
        from: NameAddr::new(format!("sip:avanak@{CALLER}").parse().unwrap()),
        to: NameAddr::new(to),
        call_id: "call-1".into(),
        local_tag: None,
        branch: None,
        contact_user: "avanak".into(),
        credentials: None,
        sdp: b"v=0 offer".to_vec(),
        headers: Headers::new(),
        ring_timeout: Duration::from_mins(1),
        symmetric: false,
    }
}

/// A small deterministic generator (xorshift).
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % bound
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    Caller,
    Callee,
}

/// What the callee's owner does by itself.
#[derive(Debug, Clone)]
pub struct Policy {
    pub ring_after: Option<Duration>,
    pub ring_code: u16,
    pub answer_after: Option<Duration>,
    pub reject: Option<(u16, Headers)>,
    pub hang_up_after: Option<Duration>,
    pub challenge: Option<Challenge>,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            ring_after: Some(ms(100)),
            ring_code: 180,
            answer_after: Some(ms(1000)),
            reject: None,
            hang_up_after: None,
            challenge: None,
        }
    }
}

/// How the callee asks for credentials.
#[derive(Debug, Clone, Copy)]
pub struct Challenge {
    pub code: u16,
    /// A part of the challenges that is replaced: from, to.
    pub replace: &'static [(&'static str, &'static str)],
    /// Which of the two challenges (SHA-256, MD5) are sent.
    pub send: &'static [usize],
}

#[derive(Debug, Clone)]
enum Item {
    Datagram(Side, SocketAddr, Arc<[u8]>),
    Ring(LegId),
    Answer(LegId),
    HangUp(Side, LegId),
    Offer(Side, LegId, &'static [u8]),
}

/// Whether to drop a datagram, by sender and text.
pub type Dropper = Box<dyn FnMut(Side, &str) -> bool>;

pub struct Pair {
    pub now: Instant,
    pub start: Instant,
    pub caller: Endpoint,
    pub callee: Endpoint,
    pub caller_events: Vec<Event>,
    pub callee_events: Vec<Event>,
    pub policy: Policy,
    /// Every datagram that was sent: from whom, and its first line with the CSeq.
    pub ladder: Vec<(Side, String)>,
    /// What an endpoint traced, where it was asked to.
    pub traces: Vec<sip::Trace>,
    /// Datagrams to drop before chance has its say.
    pub dropper: Dropper,
    digest: sip::digest::Server,
    items: BTreeMap<(Instant, u64), Item>,
    serial: u64,
    random: Random,
    loss_percent: u64,
}

impl Pair {
    pub fn new(seed: u64, loss_percent: u64) -> Self {
        let now = epoch();
        Self {
            now,
            start: now,
            caller: Endpoint::new(config(CALLER, seed)),
            callee: Endpoint::new(config(CALLEE, seed)),
            caller_events: Vec::new(),
            callee_events: Vec::new(),
            policy: Policy::default(),
            ladder: Vec::new(),
            traces: Vec::new(),
            dropper: Box::new(|_, _| false),
            digest: sip::digest::Server::new("avanak", [3; 32]),
            items: BTreeMap::new(),
            serial: 0,
            random: Random::new(seed),
            loss_percent,
        }
    }

    /// The same with other extensions than the usual ones: the caller's, the callee's.
    pub fn with_extensions(seed: u64, loss_percent: u64, extensions: [Extensions; 2]) -> Self {
        let [caller, callee] = extensions;
        Self {
            caller: Endpoint::new(Config { extensions: caller, ..config(CALLER, seed) }),
            callee: Endpoint::new(Config { extensions: callee, ..config(CALLEE, seed) }),
            ..Self::new(seed, loss_percent)
        }
    }

    pub fn call(&mut self, invite: Invite) -> LegId {
        let mut out = Outputs::default();
        let leg = self.caller.invite(self.now, invite, &mut out).unwrap();
        self.absorb(Side::Caller, out);
        leg
    }

    pub fn hang_up(&mut self, side: Side, leg: LegId) {
        let mut out = Outputs::default();
        let now = self.now;
        self.endpoint(side).hang_up(now, leg, Some(sip::Reason { q850: 16 }), &mut out);
        self.absorb(side, out);
    }

    pub fn hang_up_at(&mut self, side: Side, leg: LegId, after: Duration) {
        self.push(self.now + after, Item::HangUp(side, leg));
    }

    pub fn offer_at(&mut self, side: Side, leg: LegId, sdp: &'static [u8], after: Duration) {
        self.push(self.now + after, Item::Offer(side, leg, sdp));
    }

    pub fn with(&mut self, side: Side, act: impl FnOnce(&mut Endpoint, Instant, &mut Outputs)) {
        let mut out = Outputs::default();
        let now = self.now;
        act(self.endpoint(side), now, &mut out);
        self.absorb(side, out);
    }

    fn endpoint(&mut self, side: Side) -> &mut Endpoint {
        match side {
            Side::Caller => &mut self.caller,
            Side::Callee => &mut self.callee,
        }
    }

    fn push(&mut self, at: Instant, item: Item) {
        self.serial += 1;
        self.items.insert((at, self.serial), item);
    }

    fn absorb(&mut self, side: Side, out: Outputs) {
        self.traces.extend(out.traces);
        for transmit in out.transmits {
            let text = String::from_utf8_lossy(&transmit.bytes).into_owned();
            let line = text.lines().next().unwrap_or_default().to_string();
            let cseq = text.lines().find(|l| l.starts_with("CSeq")).unwrap_or_default();
            self.ladder.push((side, format!("{line} | {cseq}")));
            if (self.dropper)(side, &text) || self.random.below(100) < self.loss_percent {
                continue;
            }
            let to = match transmit.destination.to_string().as_str() {
                CALLER => Side::Caller,
                CALLEE => Side::Callee,
                _ => continue,
            };
            let from = addr(if side == Side::Caller { CALLER } else { CALLEE });
            let copies = if self.loss_percent > 0 && self.random.below(20) == 0 { 2 } else { 1 };
            for _ in 0..copies {
                // Up to 60 ms of jitter reorders datagrams.
                let spread = if self.loss_percent > 0 { self.random.below(60) } else { 0 };
                let at = self.now + ms(10 + spread);
                self.push(at, Item::Datagram(to, from, Arc::clone(&transmit.bytes)));
            }
        }
        for event in out.events {
            if let Event::Reoffer { leg, .. } = event {
                self.with(side, |e, now, out| {
                    e.answer_reoffer(now, leg, b"v=0 second answer", out);
                });
            }
            match side {
                Side::Caller => self.caller_events.push(event),
                Side::Callee => self.callee_owner(event),
            }
        }
    }

    fn callee_owner(&mut self, event: Event) {
        match &event {
            Event::Incoming { leg, request, .. } => self.incoming(*leg, request),
            Event::Acked { leg, .. } => {
                if let Some(after) = self.policy.hang_up_after {
                    self.push(self.now + after, Item::HangUp(Side::Callee, *leg));
                }
            }
            _ => {}
        }
        self.callee_events.push(event);
    }

    fn incoming(&mut self, leg: LegId, request: &Request) {
        if let Some(challenge) = self.policy.challenge
            && !self.authorised(leg, request, challenge)
        {
            return;
        }
        if let Some((code, headers)) = self.policy.reject.clone() {
            self.with(Side::Callee, |e, now, out| e.reject(now, leg, code, "", &headers, out));
            return;
        }
        if let Some(after) = self.policy.ring_after {
            self.push(self.now + after, Item::Ring(leg));
        }
        if let Some(after) = self.policy.answer_after {
            self.push(self.now + after, Item::Answer(leg));
        }
    }

    /// Checks the digest answer of an INVITE, challenging when there is none.
    fn authorised(&mut self, leg: LegId, request: &Request, challenge: Challenge) -> bool {
        let asked = match challenge.code {
            401 => sip::Name::WwwAuthenticate,
            _ => sip::Name::ProxyAuthenticate,
        };
        let verdict = self.digest.check(self.now, request, |user, algorithm| {
            (user == "trunk").then(|| sip::digest::ha1(algorithm, user, "avanak", "secret"))
        });
        let stale = match verdict {
            sip::digest::Verdict::Accepted { .. } => return true,
            sip::digest::Verdict::Challenge { stale } => stale,
            sip::digest::Verdict::Wrong { .. } => false,
        };
        let all = self.digest.challenges(self.now, stale);
        let mut headers = Headers::new();
        for index in challenge.send {
            let mut text = all[*index].clone();
            for (from, to) in challenge.replace {
                text = text.replace(from, to);
            }
            headers.push(asked, text.as_bytes());
        }
        let code = challenge.code;
        self.with(Side::Callee, |e, now, out| e.reject(now, leg, code, "", &headers, out));
        false
    }

    fn next(&self) -> Option<Instant> {
        let item = self.items.first_key_value().map(|((at, _), _)| *at);
        let timers = [self.caller.next_timeout(), self.callee.next_timeout()];
        timers.into_iter().chain([item]).flatten().min()
    }

    /// Does the next thing that is due; `false` when nothing is left.
    pub fn step(&mut self) -> bool {
        let item = self.items.first_key_value().map(|((at, _), _)| *at);
        let Some(at) = self.next() else { return false };
        self.now = self.now.max(at);
        let now = self.now;
        for side in [Side::Caller, Side::Callee] {
            let mut out = Outputs::default();
            self.endpoint(side).expire(now, &mut out);
            self.absorb(side, out);
        }
        if item.is_some_and(|at| at <= now)
            && let Some((_, item)) = self.items.pop_first()
        {
            self.run_item(item);
        }
        true
    }

    fn run_item(&mut self, item: Item) {
        match item {
            Item::Datagram(to, from, bytes) => {
                self.with(to, |e, now, out| e.receive(now, from, &bytes, out));
            }
            Item::Ring(leg) => {
                let code = self.policy.ring_code;
                let sdp = (code == 183).then_some(b"v=0 early".as_slice());
                self.with(Side::Callee, |e, now, out| e.ring(now, leg, code, sdp, out));
            }
            Item::Answer(leg) => {
                self.with(Side::Callee, |e, now, out| e.answer(now, leg, b"v=0 answer", out));
            }
            Item::HangUp(side, leg) => self.hang_up(side, leg),
            Item::Offer(side, leg, sdp) => {
                self.with(side, |e, now, out| {
                    e.offer(now, leg, sdp, out);
                });
            }
        }
    }

    /// Runs until the caller has seen an event that fits, at most `limit` of virtual time.
    pub fn until(&mut self, limit: Duration, fits: impl Fn(&Event) -> bool) -> Event {
        let deadline = self.now + limit;
        loop {
            if let Some(event) = self.caller_events.iter().find(|event| fits(event)) {
                return event.clone();
            }
            assert!(self.step() && self.now <= deadline, "not seen: {:#?}", self.ladder);
        }
    }

    /// Runs until nothing is left to do and proves that nothing is kept.
    pub fn drain(&mut self) {
        let deadline = self.now + Duration::from_secs(400);
        while self.step() {
            assert!(self.now < deadline, "never comes to rest: {:#?}", self.ladder);
        }
        assert_eq!(self.caller.live(), Live::default(), "{:#?}", self.ladder);
        assert_eq!(self.callee.live(), Live::default(), "{:#?}", self.ladder);
    }

    /// Runs for this long.
    pub fn run_for(&mut self, time: Duration) {
        let end = self.now + time;
        while self.next().is_some_and(|at| at <= end) && self.step() {}
        self.now = end;
    }

    /// The leg of the callee.
    pub fn callee_leg(&self) -> LegId {
        let incoming = |event: &Event| match event {
            Event::Incoming { leg, .. } => Some(*leg),
            _ => None,
        };
        self.callee_events.iter().find_map(incoming).expect("the call came in")
    }

    /// How many datagrams `side` sent in whose ladder line a word begins with `part`.
    pub fn sent(&self, side: Side, part: &str) -> usize {
        let (first, later) = (|line: &str| line.starts_with(part), format!(" {part}"));
        let fits = |line: &str| first(line) || line.contains(&later);
        self.ladder.iter().filter(|(from, line)| *from == side && fits(line)).count()
    }
}

/// The events of the caller that end a leg.
pub fn ends(events: &[Event]) -> Vec<&Event> {
    let end = |event: &&Event| {
        matches!(event, Event::Failed { .. } | Event::Ended { .. } | Event::Cancelled { .. })
    };
    events.iter().filter(end).collect()
}
