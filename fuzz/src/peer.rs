//! A peer that knows enough of SIP to be taken seriously: it answers what it is sent, within the
//! right transaction and dialog, with whatever code and fields the tape says.

use std::net::SocketAddr;

use sip::digest::{Algorithm, ha1};
use sip::{Headers, Limits, Message, Method, Name, Request, Response, Transport};

use crate::tape::Tape;

/// Where the peer is.
pub const PEER: &str = "192.0.2.2:5060";

/// Whom the peer calls or registers as, and the number that it calls.
pub const USER: &str = "us";
/// The password of that user.
pub const PASSWORD: &str = "secret";
/// The realm in which it counts.
pub const REALM: &str = "fuzz";

/// Codes that have a meaning of their own, and some that have none.
const CODES: &[u16] = &[
    100, 180, 183, 199, 200, 202, 302, 401, 407, 408, 422, 480, 481, 486, 487, 491, 500, 503, 603,
    699,
];
const METHODS: &[&[u8]] = &[
    b"ACK",
    b"BYE",
    b"CANCEL",
    b"INFO",
    b"INVITE",
    b"OPTIONS",
    b"PRACK",
    b"REGISTER",
    b"UPDATE",
    b"MESSAGE",
];
const BODIES: &[(&[u8], &[u8])] = &[
    (
        b"application/sdp",
        b"v=0\r\no=p 1 1 IN IP4 192.0.2.2\r\ns=-\r\nc=IN IP4 192.0.2.2\r\n\
        t=0 0\r\nm=audio 20000 RTP/AVP 8 0 101\r\na=rtpmap:101 telephone-event/8000\r\n",
    ),
    (
        b"application/sdp",
        b"v=0\r\no=p 1 2 IN IP4 192.0.2.2\r\ns=-\r\nc=IN IP4 0.0.0.0\r\n\
        t=0 0\r\nm=audio 20000 RTP/AVP 0\r\na=sendonly\r\n",
    ),
    (b"application/sdp", b"v=0\r\nm=audio 0 RTP/AVP 8\r\n"),
    (b"application/dtmf-relay", b"Signal=5\r\nDuration=160\r\n"),
    // The key is that of the peer's media.
    (
        b"application/sdp",
        b"v=0\r\no=p 1 3 IN IP4 192.0.2.2\r\ns=-\r\nc=IN IP4 192.0.2.2\r\nt=0 0\r\n\
        m=audio 20000 RTP/SAVP 8 101\r\na=rtpmap:101 telephone-event/8000\r\n\
        a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:WlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpa\r\n",
    ),
    (
        b"application/sdp",
        b"v=0\r\no=p 1 4 IN IP4 192.0.2.2\r\ns=-\r\nc=IN IP4 192.0.2.2\r\n\
        t=0 0\r\nm=audio 20000 RTP/AVP 9 0\r\na=rtcp-mux\r\n",
    ),
    // From behind NAT.
    (
        b"application/sdp",
        b"v=0\r\no=p 1 5 IN IP4 10.0.0.7\r\ns=-\r\nc=IN IP4 10.0.0.7\r\n\
        t=0 0\r\nm=audio 40000 RTP/AVP 8 0\r\na=inactive\r\n",
    ),
    (
        b"application/sdp",
        b"v=0\r\no=p 1 6 IN IP4 10.0.0.7\r\ns=-\r\nc=IN IP4 10.0.0.7\r\n\
        t=0 0\r\nm=audio 40000 RTP/AVP 8 101\r\na=rtpmap:101 telephone-event/8000\r\n",
    ),
    (b"application/dtmf", b"5"),
    (b"text/plain", b"?"),
];

/// What the peer remembers of what it was sent.
#[derive(Default)]
pub struct Peer {
    /// The latest request that came.
    request: Option<Request>,
    /// The latest INVITE that came.
    invite: Option<Request>,
    /// The latest response to an INVITE of the peer's own.
    response: Option<Response>,
    /// The nonce of the latest challenge that came, and how often it was used.
    nonce: Option<(String, u32)>,
    /// By what the peer's own requests say that they travel.
    pub transport: Transport,
    cseq: u32,
}

/// Where the peer is.
pub fn address() -> SocketAddr {
    PEER.parse().expect("a literal address")
}

impl Peer {
    /// Hears a datagram of ours.
    pub fn hear(&mut self, bytes: &[u8]) {
        let message = sip::message::parse(bytes, &Limits::default());
        match message.expect("what we send can be read") {
            Message::Request(request) => {
                if request.method.as_bytes() == b"INVITE" {
                    self.invite = Some(request.clone());
                }
                self.request = Some(request);
            }
            Message::Response(response) => {
                self.note_challenge(&response);
                let of_invite = |value: &[u8]| value.ends_with(b"INVITE");
                if response.headers.get(Name::CSeq).is_some_and(of_invite) {
                    self.response = Some(response);
                }
            }
        }
    }

    fn note_challenge(&mut self, response: &Response) {
        let fields = [Name::WwwAuthenticate, Name::ProxyAuthenticate];
        let Some(value) = fields.into_iter().find_map(|name| response.headers.get(name)) else {
            return;
        };
        let text = String::from_utf8_lossy(value);
        let nonce = text.split("nonce=\"").nth(1).and_then(|rest| rest.split('"').next());
        self.nonce = nonce.map(|nonce| (nonce.to_owned(), 0));
    }

    /// The proof of the password for a request, with the latest nonce (RFC 7616 §3.4.1).
    fn proof(&mut self, method: &[u8]) -> Option<String> {
        let (nonce, used) = self.nonce.as_mut()?;
        *used += 1;
        let (count, uri) = (format!("{used:08x}"), format!("sip:{USER}@192.0.2.1"));
        let secret = ha1(Algorithm::Md5, USER, REALM, PASSWORD);
        // Three texts joined by colons and hashed are three texts joined by colons and hashed.
        let what = ha1(Algorithm::Md5, &String::from_utf8_lossy(method), "sip", &uri[4..]);
        let middle = format!("{nonce}:{count}:c:auth");
        let response = ha1(Algorithm::Md5, &secret, &middle, &what);
        Some(format!(
            "Digest username=\"{USER}\", realm=\"{REALM}\", nonce=\"{nonce}\", uri=\"{uri}\", \
             response=\"{response}\", algorithm=MD5, qop=auth, nc={count}, cnonce=\"c\""
        ))
    }

    /// A response to the latest request or to the latest INVITE.
    pub fn reply(&self, tape: &mut Tape<'_>) -> Option<Vec<u8>> {
        let to = if tape.coin() { &self.request } else { &self.invite };
        let request = to.as_ref()?;
        let code = tape.one_of(CODES);
        let mut headers = Headers::new();
        for via in request.headers.all(Name::Via) {
            headers.push(Name::Via, via);
        }
        for name in [Name::From, Name::CallId, Name::CSeq] {
            headers.push(name, request.headers.get(name)?);
        }
        let mut to = request.headers.get(Name::To)?.to_vec();
        if sip::message::header::tag(&to).is_none() {
            to.extend_from_slice(format!(";tag=fork{}", tape.byte() % 4).as_bytes());
        }
        headers.push(Name::To, &to);
        let body = decorate(&mut headers, tape);
        Some(Response { code, reason: b"Said".to_vec(), headers, body }.print())
    }

    /// A new call of the peer's.
    pub fn call(&mut self, tape: &mut Tape<'_>) -> Vec<u8> {
        let number = tape.byte() % 32;
        let method = if tape.byte() < 224 { b"INVITE" as &[u8] } else { tape.one_of(METHODS) };
        // A second try with the same number would be the first one again.
        let (number_of_call, number) = (1 + u32::from(number >> 3 & 1), number % 8);
        self.cseq = number_of_call;
        let again = if number_of_call == 1 { "" } else { "again" };
        let (branch, call) = (format!("z9hG4bKc{number}{again}"), format!("peer-{number}"));
        let from = format!("<sip:peer@{PEER}>;tag=p{number}");
        let to = "<sip:us@192.0.2.1>";
        self.request_line(method, (&branch, &call), &from, to, number_of_call, tape)
    }

    /// A request within a dialog: that of a call of ours, or that of the peer's own.
    pub fn request(&mut self, tape: &mut Tape<'_>) -> Option<Vec<u8>> {
        let text = |value: &[u8]| String::from_utf8_lossy(value).into_owned();
        let own = tape.coin();
        let headers =
            if own { &self.response.as_ref()?.headers } else { &self.invite.as_ref()?.headers };
        let field = |name| headers.get(name).map(text);
        let (mut from, mut to) = (field(Name::From)?, field(Name::To)?);
        if !own {
            to = format!("{to};tag=fork{}", tape.byte() % 4);
            std::mem::swap(&mut from, &mut to);
        }
        let call = field(Name::CallId)?;
        let of_its_invite = field(Name::CSeq)?.split(' ').next()?.parse().ok()?;
        let method = tape.one_of(METHODS);
        // An ACK or a CANCEL belongs to the INVITE, whose number it has.
        let of_invite = matches!(method, b"ACK" | b"CANCEL");
        self.cseq += u32::from(tape.byte() % 3) * u32::from(!of_invite);
        let branch = format!("z9hG4bKd{}", tape.byte() % 16);
        let branch = if of_invite { format!("z9hG4bKc{}", tape.byte() % 8) } else { branch };
        let cseq = if of_invite { of_its_invite } else { self.cseq };
        Some(self.request_line(method, (&branch, &call), &from, &to, cseq, tape))
    }

    fn request_line(
        &mut self,
        method: &[u8],
        (branch, call): (&str, &str),
        from: &str,
        to: &str,
        cseq: u32,
        tape: &mut Tape<'_>,
    ) -> Vec<u8> {
        let mut headers = Headers::new();
        let by = self.transport.name();
        let via = format!("SIP/2.0/{by} {PEER};branch={branch};rport");
        headers.push(Name::Via, via.as_bytes());
        headers.push(Name::From, from.as_bytes());
        headers.push(Name::To, to.as_bytes());
        headers.push(Name::CallId, call.as_bytes());
        let number = [cseq.to_string().as_bytes(), b" ", method].concat();
        headers.push(Name::CSeq, &number);
        headers.push_named(b"Max-Forwards", b"70");
        if tape.byte() & 1 != 0
            && let Some(proof) = self.proof(method)
        {
            headers.push(Name::Authorization, proof.as_bytes());
        }
        let body = decorate(&mut headers, tape);
        let method = Method::parse(method).expect("a literal method");
        let uri = "sip:us@192.0.2.1".parse().expect("a literal URI");
        Request { method, uri, headers, body }.print()
    }
}

/// Adds fields as the tape says, and a body or none.
fn decorate(headers: &mut Headers, tape: &mut Tape<'_>) -> Vec<u8> {
    let wanted = tape.byte();
    let fields: [(u8, &[u8], &[u8]); 8] = [
        (1, b"Contact", b"<sip:peer@192.0.2.2:5060>"),
        (2, b"Record-Route", b"<sip:192.0.2.2;lr>, <sip:192.0.2.2>"),
        (4, b"Require", b"100rel"),
        (8, b"Session-Expires", b"90;refresher=uac"),
        (8, b"Min-SE", b"1800"),
        (16, b"WWW-Authenticate", b"Digest realm=\"r\", nonce=\"n\", algorithm=MD5, qop=\"auth\""),
        (16, b"Retry-After", b"3"),
        (128, b"Expires", b"300"),
    ];
    for (bit, name, value) in fields {
        if wanted & bit != 0 {
            headers.push_named(name, value);
        }
    }
    if wanted & 4 != 0 {
        headers.push_named(b"RSeq", (tape.byte() % 4).to_string().as_bytes());
    }
    if wanted & 32 != 0 {
        headers.push_named(b"Supported", b"100rel, timer");
        headers.push_named(b"RAck", format!("{} 1 INVITE", tape.byte() % 4).as_bytes());
    }
    if wanted & 64 == 0 {
        return Vec::new();
    }
    let (kind, body) = tape.one_of(BODIES);
    headers.push_named(b"Content-Type", kind);
    body.to_vec()
}
