//! Far ends that do what the carrier does not: a phone that registers, and a callee written out
//! message by message.

use std::collections::VecDeque;
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use media::rtp::rtcp::is_rtcp;
use media::telephone_event::{Key, KeyPress};
use media::{Codec, sdp};
use sip::{
    Credentials, Endpoint, Event, Headers, LegId, Message, Method, Name, NameAddr, OutOfDialog,
    Request, Uri,
};

use crate::world::{ENGINE_SIP, address};

/// Datagrams as (from, to, bytes).
pub type Outbox = Vec<(SocketAddr, SocketAddr, Vec<u8>)>;

/// A far end that the world delivers to.
pub trait Peer {
    fn address(&self) -> SocketAddr;
    fn receive(&mut self, now: Instant, from: SocketAddr, to: SocketAddr, bytes: &[u8]);
    fn next_timeout(&self) -> Option<Instant>;
    fn expire(&mut self, now: Instant);
    fn outbox(&mut self) -> &mut Outbox;
}

/// What a [`Callee`] does at a given time after the ACK.
#[derive(Clone)]
pub enum Act {
    Reinvite(Option<String>),
    Rtp(Vec<u8>),
    Bye(&'static str),
    /// An INFO with this Content-Type and body.
    Info(&'static str, &'static str),
}

/// A callee that writes its SIP by hand: it answers the first INVITE as told, then acts.
pub struct Callee {
    pub answer: String,
    /// A description in a 183 before the answer.
    pub early: Option<String>,
    /// Another one in an UPDATE before the answer, the 183 being reliable then.
    pub moves: Option<String>,
    pub acts: VecDeque<(Duration, Act)>,
    /// Methods of requests, and codes of responses, as they came.
    pub log: Vec<String>,
    pub rtp: Vec<(Instant, SocketAddr, Vec<u8>)>,
    invite: Option<Request>,
    acked_at: Option<Instant>,
    media_of_engine: Option<SocketAddr>,
    cseq: u32,
    address: SocketAddr,
    media: SocketAddr,
    outbox: Outbox,
}

pub const CALLEE_SIP: &str = "192.0.2.50:5060";
pub const CALLEE_MEDIA: &str = "192.0.2.50:40000";

/// A description for one audio line.
pub fn description(connection: &str, audio: &str, more: &str) -> String {
    format!(
        "v=0\r\no=- 1 1 IN IP4 {connection}\r\ns=-\r\nc=IN IP4 {connection}\r\nt=0 0\r\n\
         m=audio {audio}\r\n{more}"
    )
}

pub fn usual_description() -> String {
    let more = "a=rtpmap:101 telephone-event/8000\r\n";
    description("192.0.2.50", "40000 RTP/AVP 8 101", more)
}

impl Callee {
    pub fn new(answer: String) -> Self {
        Self::at(CALLEE_SIP, CALLEE_MEDIA, answer)
    }

    /// A callee elsewhere.
    pub fn at(sip: &str, media: &str, answer: String) -> Self {
        Self {
            answer,
            early: None,
            moves: None,
            acts: VecDeque::new(),
            log: Vec::new(),
            rtp: Vec::new(),
            invite: None,
            acked_at: None,
            media_of_engine: None,
            cseq: 100,
            address: address(sip),
            media: address(media),
            outbox: Vec::new(),
        }
    }

    pub fn then(mut self, after_ms: u64, act: Act) -> Self {
        self.acts.push_back((Duration::from_millis(after_ms), act));
        self
    }

    /// Says this from so long after the ACK on, in PCMA.
    pub fn say(mut self, after_ms: u64, samples: &[i16]) -> Self {
        for (index, frame) in (0_u16..).zip(samples.chunks(media::FRAME_SAMPLES)) {
            let at_ms = after_ms + 20 * u64::from(index);
            let header = media::rtp::Header {
                marker: index == 0,
                payload_type: 8,
                sequence: u16::try_from(at_ms / 20).unwrap(),
                timestamp: u32::try_from(at_ms * 8).unwrap(),
                ssrc: 77,
            };
            let bytes = [&header.write()[..], &Codec::Pcma.encode_all(frame)].concat();
            self = self.then(at_ms, Act::Rtp(bytes));
        }
        self
    }

    /// Presses a key this long after the ACK, for 100 ms, by RFC 4733 with payload type 101.
    pub fn press(mut self, after_ms: u64, key: char) -> Self {
        let stamp = u32::try_from(after_ms * 8).unwrap();
        let press = KeyPress::new(Key::from_char(key).unwrap(), stamp, 5);
        for (index, event) in (0_u16..).zip(press) {
            let header = media::rtp::Header {
                marker: event.marker,
                payload_type: 101,
                sequence: u16::try_from(after_ms / 20).unwrap() + index,
                timestamp: event.timestamp,
                ssrc: 77,
            };
            let bytes = [&header.write()[..], &event.payload].concat();
            self = self.then(after_ms + 20 * u64::from(index), Act::Rtp(bytes));
        }
        self
    }

    fn send(&mut self, bytes: Vec<u8>) {
        self.outbox.push((self.address, address(ENGINE_SIP), bytes));
    }

    fn respond(&mut self, request: &Request, code: u16, body: &str) {
        let mut text = format!("SIP/2.0 {code} Whatever\r\n");
        for name in [Name::Via, Name::From, Name::To, Name::CallId, Name::CSeq] {
            for value in request.headers.all(name) {
                let tag = match name {
                    Name::To if !value.windows(4).any(|part| part == b"tag=") => ";tag=callee",
                    _ => "",
                };
                let value = String::from_utf8_lossy(value);
                write!(text, "{}: {value}{tag}\r\n", name.text()).unwrap();
            }
        }
        let contact = self.address;
        if code == 183 && self.moves.is_some() {
            text.push_str("Require: 100rel\r\nRSeq: 1\r\n");
        }
        write!(text, "Contact: <sip:callee@{contact}>\r\n{}", with_body(body)).unwrap();
        self.send(text.into_bytes());
    }

    fn request(&mut self, method: &str, more: &str, body: &str) {
        let invite = self.invite.as_ref().unwrap();
        let field = |name| String::from_utf8_lossy(invite.headers.get(name).unwrap()).into_owned();
        let (from, to, call_id) = (field(Name::From), field(Name::To), field(Name::CallId));
        let cseq = if method == "ACK" { self.cseq } else { self.cseq + 1 };
        self.cseq = cseq;
        let local = self.address;
        let body = if more.contains("Content-Type") {
            format!("Content-Length: {}\r\n\r\n{body}", body.len())
        } else {
            with_body(body)
        };
        let text = format!(
            "{method} sip:{ENGINE_SIP} SIP/2.0\r\n\
             Via: SIP/2.0/UDP {local};branch=z9hG4bKby-hand-{method}-{cseq}\r\n\
             Max-Forwards: 70\r\nFrom: {to};tag=callee\r\nTo: {from}\r\nCall-ID: {call_id}\r\n\
             CSeq: {cseq} {method}\r\nContact: <sip:callee@{local}>\r\n{more}{body}"
        );
        self.send(text.into_bytes());
    }
}

fn with_body(body: &str) -> String {
    let kind = if body.is_empty() { "" } else { "Content-Type: application/sdp\r\n" };
    format!("{kind}Content-Length: {}\r\n\r\n{body}", body.len())
}

impl Peer for Callee {
    fn address(&self) -> SocketAddr {
        self.address
    }

    fn receive(&mut self, now: Instant, from: SocketAddr, to: SocketAddr, bytes: &[u8]) {
        if to != self.address {
            if !is_rtcp(bytes) {
                self.rtp.push((now, from, bytes.to_vec()));
            }
            return;
        }
        match sip::message::parse(bytes, &sip::Limits::default()).unwrap() {
            Message::Request(request) => {
                let method = String::from_utf8_lossy(request.method.as_bytes()).into_owned();
                self.log.push(method);
                match request.method {
                    Method::Invite => {
                        let body = String::from_utf8_lossy(&request.body).into_owned();
                        let port = body.split_once("m=audio ").unwrap().1;
                        let port = port.split_once(' ').unwrap().0.parse().unwrap();
                        self.media_of_engine = Some(SocketAddr::new(from.ip(), port));
                        if let Some(early) = self.early.clone() {
                            self.respond(&request, 183, &early);
                        }
                        if self.moves.is_none() {
                            let answer = self.answer.clone();
                            self.respond(&request, 200, &answer);
                        }
                        self.invite = Some(request);
                    }
                    Method::Prack => {
                        self.respond(&request, 200, "");
                        let moved = self.moves.clone().unwrap();
                        self.request("UPDATE", "", &moved);
                    }
                    Method::Ack => {
                        self.acked_at.get_or_insert(now);
                    }
                    _ => self.respond(&request, 200, ""),
                }
            }
            Message::Response(response) => {
                self.log.push(response.code.to_string());
                let cseq = response.headers.get(Name::CSeq).unwrap();
                if let (true, Some(invite)) = (cseq.ends_with(b"UPDATE"), self.invite.clone()) {
                    let answer = self.answer.clone();
                    self.respond(&invite, 200, &answer);
                }
                if cseq.ends_with(b"INVITE") && response.code >= 200 {
                    // Also when nobody asked for an answer, to see that it is ignored.
                    let answer = self.answer.clone();
                    self.request("ACK", "", &answer);
                }
            }
        }
    }

    fn next_timeout(&self) -> Option<Instant> {
        let (after, _) = self.acts.front()?;
        Some(self.acked_at? + *after)
    }

    fn expire(&mut self, _now: Instant) {
        match self.acts.pop_front().unwrap().1 {
            Act::Reinvite(body) => {
                self.request("INVITE", "", &body.unwrap_or_default());
            }
            Act::Rtp(bytes) => {
                let to = self.media_of_engine.unwrap();
                self.outbox.push((self.media, to, bytes));
            }
            Act::Bye(reason) => self.request("BYE", reason, ""),
            Act::Info(kind, body) => {
                let kind = format!("Content-Type: {kind}\r\n");
                self.request("INFO", &kind, body);
            }
        }
    }

    fn outbox(&mut self) -> &mut Outbox {
        &mut self.outbox
    }
}

/// What a phone behind NAT takes for its own address: nobody else can reach it.
const BEHIND_NAT: &str = "10.0.0.7:5060";

/// A softphone behind NAT that registers with the engine and answers what comes.
pub struct Phone {
    pub username: String,
    pub password: String,
    /// Codes and Contact fields of the responses to its REGISTERs.
    pub replies: Vec<(u16, Vec<String>)>,
    pub min_expires: Option<String>,
    /// Requests and responses as they came in.
    pub received: Vec<Vec<u8>>,
    /// It is an old phone: it sees no challenge but MD5.
    pub md5_only: bool,
    /// The last REGISTER it sent with credentials.
    pub authorised: Option<Vec<u8>>,
    pub rtp_packets: usize,
    pub calls_answered: usize,
    /// What became of its own call, in words.
    pub story: Vec<String>,
    dialled: Option<LegId>,
    endpoint: Endpoint,
    out: sip::Outputs,
    outbox: Outbox,
    local: SocketAddr,
    cseq: u32,
}

impl Phone {
    pub fn new(username: &str, password: &str, local: &str) -> Self {
        let local = address(local);
        let octet = match local.ip() {
            std::net::IpAddr::V4(ip) => ip.octets()[3],
            std::net::IpAddr::V6(_) => 0,
        };
        Self {
            username: username.to_owned(),
            password: password.to_owned(),
            replies: Vec::new(),
            min_expires: None,
            received: Vec::new(),
            md5_only: false,
            authorised: None,
            rtp_packets: 0,
            calls_answered: 0,
            story: Vec::new(),
            dialled: None,
            endpoint: Endpoint::new(sip::Config {
                local: address(BEHIND_NAT),
                secret: [octet; 32],
                user_agent: "phone".to_owned(),
                registrar: false,
                extensions: sip::Extensions::default(),
                limits: sip::Limits::default(),
            }),
            out: sip::Outputs::default(),
            outbox: Vec::new(),
            local,
            cseq: 1,
        }
    }

    /// The Contact that it registers.
    pub fn contact(&self) -> String {
        format!("sip:{}@{BEHIND_NAT}", self.username)
    }

    /// Sends a REGISTER with these Contact values and this Expires field.
    pub fn register(&mut self, now: Instant, contacts: &[&str], expires: Option<&str>) {
        let aor: Uri = format!("sip:{}@192.0.2.1", self.username).parse().unwrap();
        let mut headers = Headers::new();
        for contact in contacts {
            headers.push(Name::Contact, contact.as_bytes());
        }
        if let Some(expires) = expires {
            headers.push(Name::Expires, expires.as_bytes());
        }
        let request = OutOfDialog {
            method: Method::Register,
            destination: address(ENGINE_SIP),
            uri: "sip:192.0.2.1".parse().unwrap(),
            from: NameAddr::new(aor.clone()),
            to: NameAddr::new(aor),
            call_id: Some(format!("register-{}", self.local)),
            cseq: self.cseq,
            headers,
            body: Vec::new(),
            credentials: Some(Credentials {
                username: self.username.clone(),
                password: self.password.clone(),
            }),
        };
        self.cseq += 2;
        self.endpoint.request(now, request, &mut self.out).unwrap();
        self.drain(now);
    }

    /// Calls a number through the engine, with an offer unless told otherwise.
    pub fn dial(&mut self, now: Instant, number: &str, offers: bool) {
        let us: Uri = format!("sip:{}@192.0.2.1", self.username).parse().unwrap();
        let to: Uri = format!("sip:{number}@192.0.2.1").parse().unwrap();
        let media = SocketAddr::new(self.local.ip(), 40_000);
        let offer = sdp::Local::new(1, media, &[Codec::Pcmu, Codec::Pcma]).print_offer();
        self.cseq += 2;
        let invite = sip::Invite {
            destination: address(ENGINE_SIP),
            request_uri: to.clone(),
            from: NameAddr::new(us),
            to: NameAddr::new(to),
            call_id: format!("from-{}-{}", self.local, self.cseq),
            local_tag: None,
            branch: None,
            contact_user: self.username.clone(),
            credentials: Some(Credentials {
                username: self.username.clone(),
                password: self.password.clone(),
            }),
            sdp: if offers { offer } else { Vec::new() },
            headers: Headers::new(),
            ring_timeout: Duration::from_mins(1),
            symmetric: false,
        };
        self.dialled = Some(self.endpoint.invite(now, invite, &mut self.out).unwrap());
        self.drain(now);
    }

    /// Hangs up the call it dialled.
    pub fn hang_up(&mut self, now: Instant) {
        let leg = self.dialled.expect("it has dialled");
        self.endpoint.hang_up(now, leg, None, &mut self.out);
        self.drain(now);
    }

    pub fn request(&mut self, now: Instant, method: Method) {
        let us: Uri = format!("sip:{}@192.0.2.1", self.username).parse().unwrap();
        let request = OutOfDialog {
            method,
            destination: address(ENGINE_SIP),
            uri: "sip:192.0.2.1".parse().unwrap(),
            from: NameAddr::new(us.clone()),
            to: NameAddr::new(us),
            call_id: None,
            cseq: 1,
            headers: Headers::new(),
            body: Vec::new(),
            credentials: None,
        };
        self.endpoint.request(now, request, &mut self.out).unwrap();
        self.drain(now);
    }

    /// Sends bytes as they are.
    pub fn send_raw(&mut self, bytes: Vec<u8>) {
        self.outbox.push((self.local, address(ENGINE_SIP), bytes));
    }

    fn answer(&mut self, now: Instant, leg: LegId, request: &Request) {
        let media = SocketAddr::new(self.local.ip(), 40_000);
        let local = sdp::Local::new(1, media, &[Codec::Pcma, Codec::Pcmu]);
        let (_, answer) = sdp::answer_offer(&local, &request.body).unwrap();
        self.calls_answered += 1;
        self.endpoint.answer(now, leg, &answer, &mut self.out);
    }

    fn drain(&mut self, now: Instant) {
        while !self.out.events.is_empty() {
            for event in std::mem::take(&mut self.out.events) {
                match event {
                    Event::Incoming { leg, request, .. } => self.answer(now, leg, &request),
                    Event::Provisional { code, .. } => self.story.push(code.to_string()),
                    Event::Answered { .. } => self.story.push("answered".to_owned()),
                    Event::Ended { by, .. } => self.story.push(format!("ended by {by:?}")),
                    Event::Failed { failure, .. } => self.story.push(match failure {
                        sip::Failure::Rejected { code, .. } => code.to_string(),
                        other => format!("{other:?}"),
                    }),
                    Event::Response { result, .. } => {
                        let Ok(response) = result else { continue };
                        let text = |value: &[u8]| String::from_utf8_lossy(value).into_owned();
                        let contacts = response.headers.all(Name::Contact).map(text).collect();
                        self.min_expires = response.headers.get(Name::MinExpires).map(text);
                        self.replies.push((response.code, contacts));
                    }
                    _ => {}
                }
            }
        }
        for transmit in self.out.transmits.drain(..) {
            if transmit.bytes.windows(15).any(|part| part == b"Authorization: ") {
                self.authorised = Some(transmit.bytes.to_vec());
            }
            self.outbox.push((self.local, transmit.destination, transmit.bytes.to_vec()));
        }
    }
}

impl Peer for Phone {
    fn address(&self) -> SocketAddr {
        self.local
    }

    fn receive(&mut self, now: Instant, from: SocketAddr, to: SocketAddr, bytes: &[u8]) {
        if to != self.local {
            self.rtp_packets += usize::from(!is_rtcp(bytes));
            return;
        }
        self.received.push(bytes.to_vec());
        let text = String::from_utf8_lossy(bytes);
        let unknown = |line: &&str| self.md5_only && line.contains("algorithm=SHA-256");
        let kept: String = text.split_inclusive("\r\n").filter(|line| !unknown(line)).collect();
        self.endpoint.receive(now, from, kept.as_bytes(), &mut self.out);
        self.drain(now);
    }

    fn next_timeout(&self) -> Option<Instant> {
        self.endpoint.next_timeout()
    }

    fn expire(&mut self, now: Instant) {
        self.endpoint.expire(now, &mut self.out);
        self.drain(now);
    }

    fn outbox(&mut self) -> &mut Outbox {
        &mut self.outbox
    }
}
