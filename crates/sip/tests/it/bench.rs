//! One endpoint at a bench: every datagram it sends is read back, every one it hears is written
//! by hand.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use sip::message::{Message, parse};
use sip::{Endpoint, Event, Invite, LegId, Limits, Live, Name, Outputs, Request};

use crate::pair::{CALLEE, CALLER, addr, config, epoch, invite};

/// An endpoint at `CALLER` and whatever it sent.
pub struct Bench {
    pub endpoint: Endpoint,
    pub now: Instant,
    pub sent: Vec<(SocketAddr, Message)>,
    pub events: Vec<Event>,
}

impl Bench {
    pub fn new() -> Self {
        Self::with_limits(Limits::default())
    }

    pub fn with_limits(limits: Limits) -> Self {
        let mut config = config(CALLER, 1);
        config.limits = limits;
        Self { endpoint: Endpoint::new(config), now: epoch(), sent: Vec::new(), events: Vec::new() }
    }

    pub fn act<T>(&mut self, act: impl FnOnce(&mut Endpoint, Instant, &mut Outputs) -> T) -> T {
        let mut out = Outputs::default();
        let result = act(&mut self.endpoint, self.now, &mut out);
        for transmit in out.transmits {
            let message = parse(&transmit.bytes, &Limits::default()).expect("we send valid SIP");
            self.sent.push((transmit.destination, message));
        }
        self.events.extend(out.events);
        result
    }

    pub fn call(&mut self, invite: Invite) -> LegId {
        self.act(|e, now, out| e.invite(now, invite, out)).unwrap()
    }

    pub fn hear_from(&mut self, source: &str, text: &str) {
        let text = text.trim_start().replace("\r\n", "\n").replace('\n', "\r\n");
        self.act(|e, now, out| e.receive(now, addr(source), text.as_bytes(), out));
    }

    pub fn hear(&mut self, text: &str) {
        self.hear_from(CALLEE, text);
    }

    /// Lets time pass, timer by timer.
    pub fn wait(&mut self, duration: Duration) {
        let end = self.now + duration;
        while let Some(at) = self.endpoint.next_timeout().filter(|at| *at <= end) {
            self.now = self.now.max(at);
            self.act(Endpoint::expire);
        }
        self.now = end;
    }

    /// The last request sent.
    pub fn request(&self) -> (SocketAddr, &Request) {
        let found = self.sent.iter().rev().find_map(|(to, message)| match message {
            Message::Request(request) => Some((*to, request)),
            Message::Response(_) => None,
        });
        found.expect("a request was sent")
    }

    /// The codes of all responses sent.
    pub fn codes(&self) -> Vec<u16> {
        let code = |(_, message): &(SocketAddr, Message)| match message {
            Message::Response(response) => Some(response.code),
            Message::Request(_) => None,
        };
        self.sent.iter().filter_map(code).collect()
    }

    pub fn methods(&self) -> Vec<String> {
        let method = |(_, message): &(SocketAddr, Message)| match message {
            Message::Request(r) => Some(String::from_utf8_lossy(r.method.as_bytes()).into_owned()),
            Message::Response(_) => None,
        };
        self.sent.iter().filter_map(method).collect()
    }

    /// A response to the last request with `method`, with extra lines.
    pub fn respond(&mut self, method: &str, code: u16, tag: &str, extra: &str) {
        let text = self.response(method, code, tag, extra);
        self.answer(method, &text);
    }

    /// Hears a response from where the last request with `method` went.
    pub fn answer(&mut self, method: &str, text: &str) {
        let sent_to = |(to, message): &(SocketAddr, Message)| match message {
            Message::Request(r) if r.method.as_bytes() == method.as_bytes() => Some(*to),
            _ => None,
        };
        let source = self.sent.iter().rev().find_map(sent_to).expect("the request was sent");
        self.hear_from(&source.to_string(), text);
    }

    /// How many requests with `method` were sent, repeats not counted.
    pub fn requests(&self, method: &str) -> usize {
        let numbers: std::collections::BTreeSet<&[u8]> = self
            .sent
            .iter()
            .filter_map(|(_, message)| match message {
                Message::Request(r) if r.method.as_bytes() == method.as_bytes() => {
                    r.headers.get(Name::CSeq)
                }
                _ => None,
            })
            .collect();
        numbers.len()
    }

    pub fn response(&self, method: &str, code: u16, tag: &str, extra: &str) -> String {
        let request = self
            .sent
            .iter()
            .rev()
            .find_map(|(_, message)| match message {
                Message::Request(r) if r.method.as_bytes() == method.as_bytes() => Some(r),
                _ => None,
            })
            .expect("the request was sent");
        let get = |name| String::from_utf8_lossy(request.headers.get(name).unwrap()).into_owned();
        let mut to = get(Name::To);
        if !tag.is_empty() && !to.contains(";tag=") {
            to = format!("{to};tag={tag}");
        }
        format!(
            "SIP/2.0 {code} Whatever\nVia: {}\nFrom: {}\nTo: {to}\nCall-ID: {}\nCSeq: {}\n{extra}\
             Content-Length: 0\n\n",
            get(Name::Via),
            get(Name::From),
            get(Name::CallId),
            get(Name::CSeq),
        )
    }

    /// A request of the peer within the dialog of an outgoing call.
    pub fn in_dialog(&mut self, method: &str, cseq: u32, branch: &str, tag: &str, extra: &str) {
        let invite = self
            .sent
            .iter()
            .find_map(|(_, message)| match message {
                Message::Request(r) if r.method == sip::Method::Invite => Some(r),
                _ => None,
            })
            .expect("an INVITE was sent");
        let get = |name| String::from_utf8_lossy(invite.headers.get(name).unwrap()).into_owned();
        let (from, to) = (get(Name::To), get(Name::From));
        let text = format!(
            "{method} sip:avanak@{CALLER} SIP/2.0\nVia: SIP/2.0/UDP {CALLEE};branch=z9hG4bK{branch}\
             \nFrom: {from};tag={tag}\nTo: {to}\nCall-ID: {}\nCSeq: {cseq} {method}\n\
             Max-Forwards: 70\n{extra}",
            get(Name::CallId)
        );
        let end = if extra.contains("\n\n") { "" } else { "Content-Length: 0\n\n" };
        self.hear(&format!("{text}{end}"));
    }

    /// A call that is up, answered with tag `far`.
    pub fn answered(extra: &str) -> (Self, LegId) {
        let mut bench = Self::new();
        let leg = bench.call(invite());
        bench.respond("INVITE", 200, "far", extra);
        assert!(bench.events.iter().any(|e| matches!(e, Event::Answered { .. })));
        (bench, leg)
    }

    /// Waits until nothing can be left and proves it.
    pub fn rest(&mut self) {
        self.wait(Duration::from_secs(140));
        assert_eq!(self.endpoint.live(), Live::default());
    }
}
