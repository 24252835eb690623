//! A whole SIP endpoint, caller and callee, under any sequence of datagrams, commands and time.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use sip::{
    Abandoned, Config, DialogSnapshot, Endpoint, Event, Extensions, Headers, Invite, LegId, Limits,
    Live, NameAddr, Outputs, Reason, Reply, Stage, Uri,
};

use crate::peer::{self, PEER, Peer};
use crate::tape::{Tape, origin};

const SDP: &[u8] = b"v=0\r\nc=IN IP4 192.0.2.1\r\nm=audio 30000 RTP/AVP 8\r\n";
/// Calls alive at once.
const LEGS: usize = 8;
/// Bytes from here on stand for a restart. The seeds are older, and have hardly any of them.
const RESTARTS: u8 = 252;
/// Transactions alive at once, in each direction.
const TRANSACTIONS: usize = 64;
/// Steps of time after which a quiet endpoint must have nothing left to do.
const PATIENCE: usize = 20_000;

struct World {
    now: Instant,
    endpoint: Endpoint,
    out: Outputs,
    peer: Peer,
    /// Every leg there was in this life.
    legs: Vec<LegId>,
    calls: u32,
    /// The calls of ours whose names were written down.
    written: Vec<Written>,
    /// Calls of former lives that are being ended.
    ending: BTreeSet<u64>,
}

/// A call of ours as far as it was written down.
struct Written {
    leg: LegId,
    invite: Invite,
    dialog: Option<Arc<DialogSnapshot>>,
}

/// Plays the tape to an endpoint, then leaves it alone: nothing may stay alive.
pub fn sip_endpoint(data: &[u8]) {
    let mut tape = Tape::new(data);
    let mut world = World::new();
    while !tape.is_over() {
        world.step(&mut tape);
        world.settle();
    }
    for leg in world.legs.clone() {
        let World { endpoint, out, now, .. } = &mut world;
        endpoint.reject(*now, leg, 480, "", &Headers::new(), out);
        endpoint.refuse_reoffer(*now, leg, 488, out);
        endpoint.hang_up(*now, leg, None, out);
        world.settle();
    }
    for _ in 0..PATIENCE {
        let Some(at) = world.endpoint.next_timeout() else { break };
        world.now = world.now.max(at);
        world.endpoint.expire(world.now, &mut world.out);
        world.settle();
    }
    assert_eq!(world.endpoint.live(), Live::default(), "something was left alive");
    assert!(world.ending.is_empty(), "nothing was said of former calls: {:?}", world.ending);
}

impl World {
    fn new() -> Self {
        Self {
            now: origin(),
            endpoint: new_life(),
            out: Outputs::default(),
            peer: Peer::default(),
            legs: Vec::new(),
            calls: 0,
            written: Vec::new(),
            ending: BTreeSet::new(),
        }
    }

    fn step(&mut self, tape: &mut Tape<'_>) {
        let what = tape.byte();
        if what >= RESTARTS {
            return self.restart(tape);
        }
        match what % 9 {
            0 => {
                let source = if tape.byte() == 0 { "203.0.113.9:9" } else { PEER };
                let source = source.parse().expect("a literal address");
                self.endpoint.receive(self.now, source, tape.bytes(), &mut self.out);
            }
            1 => self.dial(tape),
            2 => {
                let reply = self.peer.reply(tape);
                self.receive(reply);
            }
            3 | 4 => {
                let request = self.peer.request(tape);
                self.receive(request);
            }
            5 => {
                let call = self.peer.call(tape);
                self.receive(Some(call));
            }
            6 => self.decide(tape),
            7 => {
                self.now += Duration::from_millis(u64::from(tape.word()));
                self.endpoint.expire(self.now, &mut self.out);
            }
            _ => self.endpoint.undeliverable(self.now, peer::address(), &mut self.out),
        }
    }

    fn receive(&mut self, bytes: Option<Vec<u8>>) {
        if let Some(bytes) = bytes {
            self.endpoint.receive(self.now, peer::address(), &bytes, &mut self.out);
        }
    }

    fn dial(&mut self, tape: &mut Tape<'_>) {
        self.calls += 1;
        let named = self.calls % 2 == 1;
        let to: Uri = format!("sip:1@{PEER}").parse().expect("a literal URI");
        let from: Uri = "sip:us@192.0.2.1".parse().expect("a literal URI");
        let invite = Invite {
            destination: peer::address(),
            request_uri: to.clone(),
            from: NameAddr::new(from),
            to: NameAddr::new(to),
            call_id: format!("call-{}", self.calls),
            local_tag: named.then(|| format!("tag{}", self.calls)),
            branch: named.then(|| format!("z9hG4bKb{}", self.calls)),
            contact_user: "us".into(),
            credentials: tape
                .coin()
                .then(|| sip::Credentials { username: "u".into(), password: "p".into() }),
            sdp: SDP.to_vec(),
            headers: Headers::new(),
            ring_timeout: Duration::from_millis(u64::from(tape.word())),
            symmetric: tape.coin(),
        };
        if let Ok(leg) = self.endpoint.invite(self.now, invite.clone(), &mut self.out) {
            self.legs.push(leg);
            if named {
                self.written.push(Written { leg, invite, dialog: None });
            }
        }
    }

    /// The program dies and its next life ends what is on record, be it over or not.
    fn restart(&mut self, tape: &mut Tape<'_>) {
        (self.endpoint, self.ending) = (new_life(), BTreeSet::new());
        self.legs.clear();
        let written = std::mem::take(&mut self.written);
        for (token, call) in (0..).zip(written.into_iter().rev().take(LEGS)) {
            let credentials = call.invite.credentials.clone();
            let stage = stage(call, tape.byte());
            let abandoned = Abandoned { token, stage, credentials };
            if self.endpoint.abandon(self.now, abandoned, &mut self.out).is_ok() {
                self.ending.insert(token);
            }
        }
    }

    /// The owner does something with one of the legs, be it a sensible thing or not.
    fn decide(&mut self, tape: &mut Tape<'_>) {
        if self.legs.is_empty() {
            return;
        }
        let leg = tape.one_of(&self.legs);
        let (now, endpoint, out) = (self.now, &mut self.endpoint, &mut self.out);
        match tape.byte() % 9 {
            0 => endpoint.ring(now, leg, 180, None, out),
            1 => endpoint.ring(now, leg, 183, Some(SDP), out),
            2 => endpoint.answer(now, leg, SDP, out),
            3 => endpoint.reject(now, leg, 486, "Busy", &Headers::new(), out),
            4 => endpoint.hang_up(now, leg, Some(Reason { q850: 16 }), out),
            5 => endpoint.turn_away(now, leg, 503, &sip::Headers::new(), out),
            6 => {
                endpoint.offer(now, leg, SDP, out);
            }
            7 => endpoint.answer_reoffer(now, leg, SDP, out),
            _ => endpoint.refuse_reoffer(now, leg, 488, out),
        }
    }

    /// Lets the peer hear what was sent, and answers what is the owner's affair.
    fn settle(&mut self) {
        let mut waiting = Vec::new();
        for event in self.out.events.drain(..) {
            match event {
                Event::Incoming { leg, .. } => self.legs.push(leg),
                Event::Answered { leg, dialog, .. } => {
                    let call = self.written.iter_mut().find(|call| call.leg == leg);
                    if let Some(call) = call {
                        call.dialog = Some(dialog);
                    }
                }
                Event::AbandonDone { token, .. } => {
                    assert!(self.ending.remove(&token), "nobody asked about {token}");
                }
                Event::Request { id, .. } => waiting.push(id),
                _ => {}
            }
        }
        for id in waiting {
            let reply = Reply { code: 200, ..Reply::default() };
            self.endpoint.reply(self.now, id, &reply, &mut self.out);
        }
        for transmit in self.out.transmits.drain(..) {
            self.peer.hear(&transmit.bytes);
        }
        let live = self.endpoint.live();
        assert!(live.legs <= LEGS, "{live:?}");
        assert!(live.client_transactions <= TRANSACTIONS, "{live:?}");
        assert!(live.server_transactions <= TRANSACTIONS, "{live:?}");
    }
}

fn new_life() -> Endpoint {
    Endpoint::new(Config {
        local: SocketAddr::from(([192, 0, 2, 1], 5060)),
        secret: [7; 32],
        user_agent: "fuzz".into(),
        registrar: true,
        extensions: Extensions::default(),
        limits: Limits {
            legs: LEGS,
            client_transactions: TRANSACTIONS,
            server_transactions: TRANSACTIONS,
            ..Limits::default()
        },
    })
}

/// How far a call had come by what was written down of it.
fn stage(call: Written, tries: u8) -> Stage {
    let Written { invite, dialog, .. } = call;
    match dialog {
        Some(dialog) => Stage::Answered((*dialog).clone()),
        None => Stage::Calling {
            destination: invite.destination,
            symmetric: invite.symmetric,
            request_uri: invite.request_uri,
            from: invite.from,
            to: invite.to,
            call_id: invite.call_id,
            local_tag: invite.local_tag.unwrap_or_default(),
            branch: invite.branch.unwrap_or_default(),
            tries,
        },
    }
}
