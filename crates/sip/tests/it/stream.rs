//! Calls over connections: bytes that arrive in any pieces, and connections that break.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use proptest::prelude::*;
use sip::framing::{Frame, Framing, PING, PONG};
use sip::message::{Message, parse};
use sip::{
    Endpoint, Event, Failure, Headers, Hop, Invite, LegId, Limits, Live, Malformed, Method, Name,
    OutOfDialog, Outputs, Party, Transmit, Transport,
};

use crate::pair::{CALLEE, CALLER, addr, config, epoch, invite, ms};

const BYE: &[u8] = b"BYE sip:a@b SIP/2.0\r\nContent-Length: 3\r\n\r\nx\r\n";
const INFO: &[u8] = b"INFO sip:a@b SIP/2.0\r\nl:0\r\nX: 1\r\n\r\n";

/// Everything that can be cut out of `pieces`, in order.
fn frames<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> Result<Vec<Frame>, Malformed> {
    let (mut framing, mut frames) = (Framing::new(), Vec::new());
    for piece in pieces {
        framing.push(piece);
        while let Some(frame) = framing.next(&Limits::default())? {
            frames.push(frame);
        }
    }
    Ok(frames)
}

proptest! {
    /// Goal: however the bytes are split and merged on their way, the same messages come out.
    #[test]
    fn splitting_changes_nothing(
        parts in prop::collection::vec(0..4_usize, 1..12),
        cuts in prop::collection::vec(1..40_usize, 1..200),
    ) {
        let kinds: [(&[u8], Frame); 4] = [
            (BYE, Frame::Message(BYE.to_vec())),
            (INFO, Frame::Message(INFO.to_vec())),
            (PING, Frame::Ping),
            (BYE, Frame::Message(BYE.to_vec())),
        ];
        let bytes: Vec<u8> = parts.iter().flat_map(|kind| kinds[*kind].0).copied().collect();
        let expected: Vec<Frame> = parts.iter().map(|kind| kinds[*kind].1.clone()).collect();
        let mut rest = &bytes[..];
        let mut pieces = Vec::new();
        for cut in cuts.into_iter().cycle() {
            let (piece, after) = rest.split_at(cut.min(rest.len()));
            pieces.push(piece);
            rest = after;
            if rest.is_empty() {
                break;
            }
        }
        prop_assert_eq!(frames(pieces), Ok(expected));
    }

    /// Goal: no bytes whatever make it panic, or keep more than it was given.
    #[test]
    fn noise(pieces in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..64), 0..64)) {
        let _ = frames(pieces.iter().map(Vec::as_slice));
    }
}

/// Goal: a stream that cannot be understood ends at once, with the reason.
#[test]
fn hostile_streams() {
    let long = format!("BYE sip:a@b SIP/2.0\r\nX: {}", "a".repeat(17_000));
    let cases: [(&str, Malformed); 8] = [
        ("A\r\nContent-Length: 70000\r\n\r\n", Malformed::TooLong),
        ("A\r\nContent-Length: 18446744073709551615\r\n\r\n", Malformed::TooLong),
        ("A\r\nContent-Length: 99999999999999999999999\r\n\r\n", Malformed::ContentLength),
        ("A\r\nContent-Length: -1\r\n\r\n", Malformed::ContentLength),
        ("A\r\nContent-Length: 1\r\nl: 1\r\n\r\n", Malformed::Duplicate(Name::ContentLength)),
        ("A\r\nX: 1\r\n\r\n", Malformed::Missing(Name::ContentLength)),
        ("\rA", Malformed::Line),
        (&long, Malformed::TooLong),
    ];
    for (text, reason) in cases {
        assert_eq!(frames([text.as_bytes()]), Err(reason), "{text:.40}");
    }
}

/// Goal: a line end is the pong we wait for, half a ping, or nothing at all.
#[test]
fn pings_and_pongs() {
    let mut framing = Framing::new();
    framing.push(PONG);
    assert_eq!(framing.next(&Limits::default()), Ok(None));
    assert!(!framing.is_waiting(), "a peer may leave half a ping");
    framing.push(PONG);
    assert_eq!(framing.next(&Limits::default()), Ok(Some(Frame::Ping)));
    framing.pinged();
    framing.push(PONG);
    framing.push(b"A");
    assert_eq!(framing.next(&Limits::default()), Ok(Some(Frame::Pong)));
    assert_eq!(framing.next(&Limits::default()), Ok(None));
    assert!(framing.is_waiting());
    assert_eq!(frames([&b"\r\nA\r\nl:0\r\n\r\n"[..]]).unwrap().len(), 1);
}

/// Two endpoints and the connection between them, which delivers in pieces.
struct Line {
    ends: [Endpoint; 2],
    now: Instant,
    wire: [VecDeque<u8>; 2],
    framing: [Framing; 2],
    pub events: [Vec<Event>; 2],
    /// Every message in order: which end sent it, and what.
    pub sent: Vec<(usize, Message)>,
    transport: Transport,
    up: bool,
}

const CALLEE_PORT: &str = "192.0.2.2:40000";

impl Line {
    fn new(transport: Transport) -> Self {
        Self {
            ends: [Endpoint::new(config(CALLER, 1)), Endpoint::new(config(CALLEE, 1))],
            now: epoch(),
            wire: [VecDeque::new(), VecDeque::new()],
            framing: [Framing::new(), Framing::new()],
            events: [Vec::new(), Vec::new()],
            sent: Vec::new(),
            transport,
            up: true,
        }
    }

    /// As each end sees the other: the caller has opened the connection, from some port.
    fn peer_of(&self, end: usize) -> Hop {
        let address = addr([CALLEE, "192.0.2.1:45678"][end]);
        Hop { transport: self.transport, address }
    }

    fn act<T>(
        &mut self,
        end: usize,
        act: impl FnOnce(&mut Endpoint, Instant, &mut Outputs) -> T,
    ) -> T {
        let mut out = Outputs::default();
        let result = act(&mut self.ends[end], self.now, &mut out);
        for Transmit { destination, transport, bytes } in out.transmits {
            self.sent.push((end, parse(&bytes, &Limits::default()).unwrap()));
            assert_eq!(transport, self.transport);
            let connected = self.up && destination == self.peer_of(end).address;
            if connected {
                self.wire[1 - end].extend(bytes.iter());
            }
        }
        self.events[end].extend(out.events);
        result
    }

    /// Delivers all that is on the way, `piece` bytes at a time, and lets `time` pass.
    fn run(&mut self, piece: usize, time: Duration) {
        let end_at = self.now + time;
        loop {
            while let Some(end) = (0..2).find(|end| !self.wire[*end].is_empty()) {
                let count = piece.min(self.wire[end].len());
                let bytes: Vec<u8> = self.wire[end].drain(..count).collect();
                self.framing[end].push(&bytes);
                while let Some(frame) = self.framing[end].next(&Limits::default()).unwrap() {
                    let Frame::Message(message) = frame else { panic!() };
                    let peer = self.peer_of(end);
                    self.act(end, |e, now, out| e.receive_over(now, peer, &message, out));
                }
            }
            let next = self.ends.iter().filter_map(Endpoint::next_timeout).min();
            let Some(at) = next.filter(|at| *at <= end_at) else { break };
            self.now = self.now.max(at);
            for end in 0..2 {
                self.act(end, Endpoint::expire);
            }
        }
        self.now = end_at;
    }

    fn disconnect(&mut self) {
        self.up = false;
        self.wire = [VecDeque::new(), VecDeque::new()];
        for end in 0..2 {
            let peer = self.peer_of(end);
            self.act(end, |e, now, out| e.disconnected(now, peer, out));
        }
    }

    fn call(&mut self) -> LegId {
        let name = self.transport.name().to_ascii_lowercase();
        let uri = format!("sip:100@{CALLEE};transport={name}").parse().unwrap();
        let invite = Invite { request_uri: uri, ..invite() };
        self.act(0, |e, now, out| e.invite(now, invite, out)).unwrap()
    }

    fn incoming(&self) -> LegId {
        let find = |event: &Event| match event {
            Event::Incoming { leg, .. } => Some(*leg),
            _ => None,
        };
        self.events[1].iter().find_map(find).expect("the call came in")
    }

    fn count(&self, end: usize, wanted: &str) -> usize {
        let is = |message: &Message| match message {
            Message::Request(request) => request.method.as_bytes() == wanted.as_bytes(),
            Message::Response(response) => response.code.to_string() == wanted,
        };
        self.sent.iter().filter(|(from, message)| *from == end && is(message)).count()
    }
}

/// Goal: a whole call over a connection, in pieces of any size: each message goes once, also when
/// the peer is slow, and nothing is left behind for repeats that cannot come.
#[test]
fn a_call_over_a_connection() {
    for (transport, piece) in
        [(Transport::Tcp, 1), (Transport::Tcp, 7), (Transport::Tls, 100), (Transport::Tls, 5_000)]
    {
        let mut line = Line::new(transport);
        let leg = line.call();
        line.run(piece, Duration::from_secs(5));
        assert_eq!(line.count(0, "INVITE"), 1, "timer A is off");
        assert_eq!(line.count(1, "100"), 1);
        let incoming = line.incoming();
        line.act(1, |e, now, out| e.answer(now, incoming, b"v=0", out));
        line.run(piece, ms(10));
        assert!(matches!(line.events[0][0], Event::Answered { .. }));
        line.act(0, |e, now, out| e.hang_up(now, leg, None, out));
        line.run(piece, ms(10));
        assert!(matches!(line.events[1].last(), Some(Event::Ended { by: Party::Peer, .. })));
        for (end, what) in [(0, "ACK"), (0, "BYE"), (1, "200")] {
            assert_eq!(line.count(end, what), if what == "200" { 2 } else { 1 }, "{what}");
        }
        let first = line.sent.first().unwrap();
        let (0, Message::Request(invite)) = first else { panic!() };
        let via = String::from_utf8_lossy(invite.headers.get(Name::Via).unwrap()).into_owned();
        assert!(via.starts_with(&format!("SIP/2.0/{} {CALLER};rport;alias;", transport.name())));
        let contact = String::from_utf8_lossy(invite.headers.get(Name::Contact).unwrap());
        let name = transport.name().to_ascii_lowercase();
        assert!(contact.ends_with(&format!(";transport={name}>")), "{contact}");
        // INVITEs linger for the repeats of a 200, which forks send (RFC 6026); the others do not.
        line.run(piece, Duration::from_secs(33));
        assert_eq!(line.ends[0].live(), Live::default());
        assert_eq!(line.ends[1].live(), Live::default());
    }
}

/// Goal: requests are not kept for repeats (timers J and K are zero), a refusal is not repeated.
#[test]
fn nothing_lingers() {
    let mut line = Line::new(Transport::Tcp);
    line.call();
    line.run(100, ms(1));
    let incoming = line.incoming();
    line.act(1, |e, now, out| e.reject(now, incoming, 486, "", &Headers::new(), out));
    line.run(100, ms(1));
    assert_eq!(line.count(1, "486"), 1);
    assert_eq!(line.ends[0].live(), Live::default());
    assert_eq!(line.ends[1].live(), Live::default());
}

/// Goal: a connection that breaks fails what waits for a first word, at once.
#[test]
fn a_broken_connection_fails_what_waits() {
    let mut line = Line::new(Transport::Tcp);
    line.call();
    let uri: sip::Uri = format!("sip:{CALLEE};transport=tcp").parse().unwrap();
    let options = OutOfDialog {
        method: Method::Options,
        destination: addr(CALLEE),
        from: (&uri).into(),
        to: (&uri).into(),
        uri,
        call_id: None,
        cseq: 1,
        headers: Headers::new(),
        body: Vec::new(),
        credentials: None,
    };
    line.act(0, |e, now, out| e.request(now, options, out)).unwrap();
    line.disconnect();
    assert!(matches!(
        line.events[0][..],
        [
            Event::Failed { failure: Failure::Transport, .. },
            Event::Response { result: Err(Failure::Transport), .. }
        ] | [
            Event::Response { result: Err(Failure::Transport), .. },
            Event::Failed { failure: Failure::Transport, .. }
        ]
    ));
    assert_eq!(line.ends[0].live(), Live::default());
}

/// Goal: a call outlives its connection: what follows is sent to the addresses that were written,
/// and answers to a request whose connection is gone go where its Via says.
#[test]
fn a_call_outlives_its_connection() {
    let mut line = Line::new(Transport::Tcp);
    let leg = line.call();
    line.run(100, ms(1));
    let incoming = line.incoming();
    line.act(1, |e, now, out| e.ring(now, incoming, 180, None, out));
    line.run(100, ms(1));
    line.disconnect();
    assert!(matches!(line.events[0][..], [Event::Provisional { .. }]), "the call still rings");
    let mut out = Outputs::default();
    line.ends[1].answer(line.now, incoming, b"v=0", &mut out);
    let [answer] = &out.transmits[..] else { panic!() };
    assert_eq!((answer.destination, answer.transport), (addr(CALLER), Transport::Tcp));
    // It comes over a connection that the callee has opened.
    let hop = Hop { transport: Transport::Tcp, address: addr(CALLEE_PORT) };
    line.up = true;
    let bytes = answer.bytes.clone();
    line.act(0, |e, now, out| e.receive_over(now, hop, &bytes, out));
    assert!(matches!(line.events[0].last(), Some(Event::Answered { .. })));
    line.act(0, |e, now, out| e.hang_up(now, leg, None, out));
    line.run(100, ms(1));
    assert!(matches!(line.events[1].last(), Some(Event::Ended { by: Party::Peer, .. })));
}
