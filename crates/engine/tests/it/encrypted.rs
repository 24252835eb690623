//! Goal: a call that is to be encrypted is heard by whoever has the keys, and by nobody else; one
//! that cannot be ends with a reason.

use std::cell::RefCell;
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Instant;

use engine::{CallSpec, Cause, Outcome, Srtp};
use media::Codec;
use media::rtp::{Packet, Receiver, Reporter, rtcp};
use media::sdp::Description;
use media::srtp::{MASTER_BYTES, MasterKey, SrtpReceiver, SrtpSender, Suite};

use crate::peer::{Act, CALLEE_MEDIA, CALLEE_SIP, Callee, Outbox, Peer, description};
use crate::world::{World, address, call_to, clip_of_frames, playing};

const THEIR_KEY: MasterKey = MasterKey::new([0x5A; MASTER_BYTES]);

/// How a callee describes itself under this protocol and with these suites, in their order.
fn told(protocol: &str, suites: &[Suite]) -> String {
    let mut more = String::from("a=rtpmap:101 telephone-event/8000\r\na=rtcp-mux\r\n");
    for (tag, suite) in (1..).zip(suites) {
        let line = media::sdp::CryptoLine { tag, suite: *suite, key: THEIR_KEY };
        write!(more, "{line}\r\n").unwrap();
    }
    description("192.0.2.50", &format!("40000 {protocol} 8 101"), &more)
}

/// A callee with keys: opens what comes, and encrypts what its acts send and its reports.
struct Secure {
    callee: Callee,
    suite: Suite,
    opener: Option<SrtpReceiver>,
    sealer: SrtpSender,
    receiver: Receiver,
    reporter: Option<Reporter>,
    to: Option<SocketAddr>,
    /// Sound in the clear, as bytes of the codec.
    heard: Vec<u8>,
    /// Packets that its keys do not open.
    strange: usize,
    offers: Vec<Description>,
}

impl Secure {
    /// `key` is with what it really encrypts, whatever it says.
    fn new(callee: Callee, suite: Suite, key: MasterKey) -> Self {
        Self {
            callee,
            suite,
            opener: None,
            sealer: SrtpSender::new(suite, &key),
            receiver: Receiver::new(),
            reporter: None,
            to: None,
            heard: Vec::new(),
            strange: 0,
            offers: Vec::new(),
        }
    }

    fn offer(&mut self, bytes: &[u8]) {
        let text = String::from_utf8_lossy(bytes);
        if let Some((_, body)) = text.split_once("\r\n\r\n").filter(|(_, body)| !body.is_empty()) {
            let description = Description::parse(body.as_bytes()).unwrap();
            let lines = &description.media[0].crypto;
            if let Some(line) = lines.iter().find(|line| line.suite == self.suite) {
                self.opener = Some(SrtpReceiver::new(self.suite, &line.key));
            }
            self.offers.push(description);
        }
    }

    fn media(&mut self, now: Instant, from: SocketAddr, bytes: &[u8]) {
        let Some(opener) = &mut self.opener else {
            self.strange += 1;
            return;
        };
        self.to = Some(from);
        let reporter = self.reporter.get_or_insert_with(|| Reporter::new(now, 77, 3));
        if rtcp::is_rtcp(bytes) {
            match opener.open_rtcp(bytes) {
                Ok(clear) => reporter.received(now, &rtcp::parse(&clear, 77).unwrap()),
                Err(_) => self.strange += 1,
            }
            return;
        }
        match opener.open(bytes) {
            Ok(clear) => {
                let packet = Packet::parse(&clear).unwrap();
                self.receiver.receive(now, &packet.header);
                self.heard.extend_from_slice(packet.payload);
            }
            Err(_) => self.strange += 1,
        }
    }
}

impl Peer for Secure {
    fn address(&self) -> SocketAddr {
        self.callee.address()
    }

    fn receive(&mut self, now: Instant, from: SocketAddr, to: SocketAddr, bytes: &[u8]) {
        if to == self.address() {
            self.offer(bytes);
        } else {
            self.media(now, from, bytes);
        }
        self.callee.receive(now, from, to, bytes);
    }

    fn next_timeout(&self) -> Option<Instant> {
        let over = self.callee.log.last().is_some_and(|last| last == "BYE");
        let report = self.reporter.as_ref().map(Reporter::next_at).filter(|_| !over);
        [self.callee.next_timeout(), report].into_iter().flatten().min()
    }

    fn expire(&mut self, now: Instant) {
        if self.callee.next_timeout().is_some_and(|at| at <= now) {
            self.callee.expire(now);
            for (from, _, bytes) in self.callee.outbox() {
                if *from == address(CALLEE_MEDIA) {
                    let (header, payload) = bytes.split_first_chunk().unwrap();
                    *bytes = [&header[..], &self.sealer.protect(header, payload)].concat();
                }
            }
            return;
        }
        let (Some(reporter), Some(to)) = (&mut self.reporter, self.to) else { return };
        let report = reporter.report(now, 0, 0, &self.receiver, "they", false);
        let sealed = self.sealer.protect_rtcp(&report).unwrap();
        self.callee.outbox().push((address(CALLEE_MEDIA), to, sealed));
    }

    fn outbox(&mut self) -> &mut Outbox {
        self.callee.outbox()
    }
}

fn spec(srtp: Srtp, frames: usize) -> CallSpec {
    let mut spec = call_to(1, "callee", address(CALLEE_SIP));
    spec.srtp = srtp;
    spec.script = playing(clip_of_frames(frames));
    spec
}

fn run(peer: Secure, spec: CallSpec) -> (World, Rc<RefCell<Secure>>) {
    let mut world = World::new();
    let peer = world.add_peer(peer);
    world.start(spec);
    world.run_until_quiet();
    (world, peer)
}

/// The outcome of a call that is answered like this.
fn answered(srtp: Srtp, answer: String) -> Outcome {
    let peer = Secure::new(Callee::new(answer), Suite::Sha1Tag80, THEIR_KEY);
    run(peer, spec(srtp, 50)).0.outcome(1).clone()
}

#[test]
fn an_encrypted_call_is_heard_both_ways_to_the_last_sample_and_reports() {
    for suite in Suite::ALL {
        let callee = Callee::new(told("RTP/SAVP", &[suite])).press(1_000, '4').press(2_000, '2');
        let peer = Secure::new(callee, suite, THEIR_KEY);
        let (world, peer) = run(peer, spec(Srtp::Required, 1_000));
        let outcome = world.outcome(1);
        assert_eq!((outcome.cause, outcome.heard_ms), (Cause::Played, 20_000), "{suite:?}");
        assert_eq!(outcome.keys.to_string(), "42");
        assert_eq!(outcome.rtp.peer.unwrap().lost, 0, "its reports are read");
        let peer = peer.borrow();
        let clip = clip_of_frames(1_000);
        let wanted = clip.encoded(Codec::Pcma).encoded();
        assert!(peer.heard[..wanted.len()] == *wanted && peer.strange == 0);
        assert!(peer.offers[0].media[0].protocol == "RTP/SAVP");
        assert_eq!(peer.offers[0].media[0].crypto.len(), 2);
        assert_eq!(world.counter("srtp_rejected"), 0);
    }
}

#[test]
fn what_is_on_the_wire_is_not_the_message() {
    let mut world = World::new();
    world.keep_sent_rtp = true;
    let answer = told("RTP/SAVP", &[Suite::Sha1Tag80]);
    world.add_peer(Secure::new(Callee::new(answer), Suite::Sha1Tag80, THEIR_KEY));
    world.start(spec(Srtp::Required, 100));
    world.run_until_quiet();
    let clip = clip_of_frames(100);
    for (_, _, bytes) in &world.sent_rtp {
        assert_eq!(bytes.len(), 12 + 160 + 10);
        let sound = clip.encoded(Codec::Pcma).encoded().chunks(160);
        assert!(sound.into_iter().all(|frame| bytes[12..172] != *frame));
    }
}

#[test]
fn two_calls_and_two_lives_have_different_keys() {
    let mut keys = Vec::new();
    for restarted in [false, true] {
        let mut world = World::new();
        if restarted {
            world.restart_engine();
        }
        let answer = told("RTP/SAVP", &[Suite::Sha1Tag80]);
        let peer = world.add_peer(Secure::new(Callee::new(answer), Suite::Sha1Tag80, THEIR_KEY));
        for key in [1, 2] {
            let mut spec = spec(Srtp::Required, 10);
            spec.call = engine::CallKey(key);
            spec.call_id = format!("{key}@engine.test");
            world.start(spec);
            world.run_until_quiet();
        }
        let peer = peer.borrow();
        keys.extend(
            peer.offers
                .iter()
                .flat_map(|offer| &offer.media[0].crypto)
                .map(|line| *line.key.bytes()),
        );
    }
    assert_eq!(keys.len(), 8);
    keys.sort_unstable();
    keys.dedup();
    assert_eq!(keys.len(), 8, "two suites, two calls, two lives");
}

#[test]
fn an_answer_without_a_usable_key_ends_an_encrypted_call() {
    let bad_key = "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:AAAA\r\n";
    let other_suite = "a=crypto:1 AES_256_CM_HMAC_SHA1_80 inline:AAAA\r\n";
    for answer in [
        told("RTP/SAVP", &[]),
        told("RTP/AVP", &[]),
        description("192.0.2.50", "40000 RTP/SAVP 8", bad_key),
        description("192.0.2.50", "40000 RTP/SAVP 8", other_suite),
    ] {
        let outcome = answered(Srtp::Required, answer.clone());
        assert_eq!((outcome.cause, outcome.answered), (Cause::NotEncrypted, true), "{answer}");
        assert_eq!((outcome.heard_ms, outcome.rtp.sent), (0, 0));
    }
}

#[test]
fn an_optional_key_is_used_where_both_have_one() {
    let plain = answered(Srtp::Optional, told("RTP/AVP", &[]));
    assert_eq!((plain.cause, plain.heard_ms), (Cause::Played, 1_000));
    let peer =
        Secure::new(Callee::new(told("RTP/AVP", &[Suite::Sha1Tag32])), Suite::Sha1Tag32, THEIR_KEY);
    let (world, peer) = run(peer, spec(Srtp::Optional, 50));
    assert_eq!(world.outcome(1).cause, Cause::Played);
    assert!(peer.borrow().heard.len() >= 50 * 160 && peer.borrow().strange == 0);
    assert_eq!(peer.borrow().offers[0].media[0].protocol, "RTP/AVP");
}

#[test]
fn with_a_wrong_key_nothing_is_heard_and_the_message_plays_on() {
    let callee = Callee::new(told("RTP/SAVP", &[Suite::Sha1Tag80])).press(300, '7');
    let wrong = MasterKey::new([1; MASTER_BYTES]);
    let (world, _) = run(Secure::new(callee, Suite::Sha1Tag80, wrong), spec(Srtp::Required, 300));
    let outcome = world.outcome(1);
    assert_eq!((outcome.cause, outcome.heard_ms), (Cause::Played, 6_000));
    assert!(outcome.keys.is_empty() && outcome.rtp.received == 0 && outcome.rtp.peer.is_none());
    assert_eq!(outcome.rtp.strangers, 7, "every packet of the key press");
    assert!(world.counter("srtp_rejected") > 7, "and its reports");
}

#[test]
fn hold_and_resume_keep_the_keys_and_no_reinvite_takes_the_encryption_away() {
    let offer = |direction: &str, protocol: &str, suites: &[Suite]| {
        Act::Reinvite(Some(format!("{}a={direction}\r\n", told(protocol, suites))))
    };
    let suite = Suite::Sha1Tag32;
    let callee = Callee::new(told("RTP/SAVP", &[suite]))
        .then(500, offer("inactive", "RTP/SAVP", &Suite::ALL))
        .then(1_500, offer("sendrecv", "RTP/SAVP", &Suite::ALL))
        .then(2_000, offer("sendrecv", "RTP/AVP", &[]))
        .then(2_500, offer("sendrecv", "RTP/SAVP", &[Suite::Sha1Tag80]))
        .press(3_000, '1');
    let (world, peer) = run(Secure::new(callee, suite, THEIR_KEY), spec(Srtp::Required, 200));
    assert_eq!((world.outcome(1).cause, world.outcome(1).heard_ms), (Cause::Played, 4_000));
    assert_eq!(world.outcome(1).keys.to_string(), "1");
    let peer = peer.borrow();
    let clip = clip_of_frames(200);
    let wanted = clip.encoded(Codec::Pcma).encoded();
    assert!(peer.heard[..wanted.len()] == *wanted && peer.strange == 0);
    // The hand-made callee's ACK of a refusal fits no transaction, so those come again.
    let mut codes = peer.callee.log.iter().filter(|line| line.parse::<u16>().is_ok());
    assert_eq!([codes.next().unwrap(), codes.next().unwrap()], ["200", "200"]);
    assert!(codes.clone().count() >= 2 && codes.all(|code| code == "488"));
}

#[test]
fn an_encrypted_peer_behind_nat_is_followed_by_its_key_alone() {
    for key in [THEIR_KEY, MasterKey::new([1; MASTER_BYTES])] {
        let answer = told("RTP/SAVP", &[Suite::Sha1Tag80]).replace("192.0.2.50", "10.0.0.7");
        let mut callee = Callee::new(answer);
        for sequence in 0..100_u16 {
            let timestamp = 160 * u32::from(sequence);
            let header =
                media::rtp::Header { marker: false, payload_type: 8, sequence, timestamp, ssrc: 7 };
            let bytes = [&header.write()[..], &[0xD5; 160]].concat();
            callee = callee.then(100 + 20 * u64::from(sequence), Act::Rtp(bytes));
        }
        let spec = CallSpec { symmetric_rtp: true, ..spec(Srtp::Required, 100) };
        let (world, peer) = run(Secure::new(callee, Suite::Sha1Tag80, key), spec);
        let knows_the_key = key == THEIR_KEY;
        assert_eq!(world.counter("rtp_followed"), u64::from(knows_the_key));
        assert_eq!(world.outcome(1).rtp.received > 90, knows_the_key);
        assert_eq!(!peer.borrow().heard.is_empty(), knows_the_key);
    }
}
