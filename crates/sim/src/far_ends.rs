//! The carriers of a world: the one that every trunk and phone leads to, and one that stands in for
//! it behind a trunk of its own. Either can be in trouble for a while: silent, refusing, or gone.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::time::Instant;

use carrier::{Carrier, Event, Heard, Input, PortSlot};

use crate::customers::CARRIER_SIP;
use crate::netem::Datagram;
use crate::wire::{Glance, Start, glance};

/// Where the carrier is that stands in.
pub(crate) const RESERVE_SIP: &str = "192.0.2.3:5060";
/// Their RTP ports.
const RTP: std::ops::Range<u16> = 40_000..41_000;

/// What may be wrong with a carrier.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// It hears nothing.
    Silent,
    /// It refuses every new call with 503, and asks for that many seconds if any.
    Refuses(Option<u32>),
    /// Its address refuses datagrams.
    Gone,
}

/// The carriers.
pub(crate) struct FarEnds([FarEnd; 2]);

struct FarEnd {
    sip: SocketAddr,
    carrier: Carrier,
    out: carrier::Outputs,
    trouble: Option<(Trouble, i64)>,
    /// The calls that it has taken, by Call-ID.
    taken: BTreeSet<String>,
}

/// What came of letting something happen to a carrier.
#[derive(Default)]
pub(crate) struct Came {
    /// What it sends.
    pub(crate) datagrams: Vec<Datagram>,
    /// What its phones heard.
    pub(crate) heard: Vec<Heard>,
    /// Somebody who cannot be reached any more.
    pub(crate) unreachable: Option<SocketAddr>,
}

impl FarEnds {
    pub(crate) fn new(seed: u64) -> Self {
        let end = |which: u8, sip: &str| {
            let sip: SocketAddr = sip.parse().expect("a literal");
            let mut secret = [which; 32];
            secret[..8].copy_from_slice(&seed.to_le_bytes());
            FarEnd {
                sip,
                carrier: Carrier::new(carrier::Config::new(sip, RTP.collect(), secret)),
                out: carrier::Outputs::default(),
                trouble: None,
                taken: BTreeSet::new(),
            }
        };
        Self([end(0, CARRIER_SIP), end(1, RESERVE_SIP)])
    }

    pub(crate) fn next_timeout(&self) -> Option<Instant> {
        self.0.iter().filter_map(|end| end.carrier.next_timeout()).min()
    }

    /// The first carrier is in trouble until then.
    pub(crate) fn trouble(&mut self, trouble: Trouble, until: i64) {
        self.0[0].trouble = Some((trouble, until));
    }

    /// Calls that are alive at either.
    pub(crate) fn live_calls(&self) -> usize {
        self.0.iter().map(|end| end.carrier.live().calls).sum()
    }

    /// Lets their timers run.
    pub(crate) fn expire(&mut self, instant: Instant) -> Came {
        let mut came = Came::default();
        for end in &mut self.0 {
            if end.carrier.next_timeout().is_some_and(|at| at <= instant) {
                end.carrier.handle(instant, Input::Timeout, &mut end.out);
                end.flush(&mut came);
            }
        }
        came
    }

    /// A datagram arrives at one of them.
    pub(crate) fn arrive(&mut self, now: i64, instant: Instant, datagram: Datagram) -> Came {
        let mut came = Came::default();
        let at = self.0.iter_mut().find(|end| end.sip.ip() == datagram.to.ip());
        if let Some(end) = at {
            end.arrive(now, instant, datagram, &mut came);
        }
        came
    }
}

impl FarEnd {
    fn arrive(&mut self, now: i64, instant: Instant, datagram: Datagram, came: &mut Came) {
        let Datagram { from: source, to, bytes, .. } = datagram;
        match self.trouble.filter(|(_, until)| now < *until).map(|(trouble, _)| trouble) {
            Some(Trouble::Silent) => return,
            Some(Trouble::Gone) => {
                came.unreachable = Some(to);
                return;
            }
            Some(Trouble::Refuses(retry_after_s)) if to == self.sip => {
                if let Some(refusal) = self.refusal(&bytes, retry_after_s) {
                    let (from, to) = (self.sip, source);
                    came.datagrams.push(Datagram::new(from, to, refusal));
                    return;
                }
            }
            _ => {}
        }
        let slot = RTP.contains(&to.port()).then(|| usize::from(to.port() - RTP.start));
        let input = match slot {
            Some(slot) => Input::Rtp { port: PortSlot(slot), source, bytes: &bytes },
            None => Input::Sip { source, bytes: &bytes },
        };
        self.carrier.handle(instant, input, &mut self.out);
        self.flush(came);
    }

    /// 503 to a new call; the INVITE of one that was taken is none.
    fn refusal(&self, bytes: &[u8], retry_after_s: Option<u32>) -> Option<Vec<u8>> {
        let Glance { start: Start::Request { .. }, call_id, method, .. } = glance(bytes)? else {
            return None;
        };
        let text = String::from_utf8_lossy(bytes);
        let names = ["Via:", "From:", "To:", "Call-ID:", "CSeq:"];
        if !text.starts_with("INVITE ") || method != "INVITE" || self.taken.contains(&call_id) {
            return None;
        }
        let mut refusal = String::from("SIP/2.0 503 Service Unavailable\r\n");
        for line in text.split("\r\n").take_while(|line| !line.is_empty()) {
            if names.iter().any(|name| line.starts_with(name)) {
                refusal.push_str(line);
                refusal.push_str(if line.starts_with("To:") { ";tag=no\r\n" } else { "\r\n" });
            }
        }
        if let Some(seconds) = retry_after_s {
            write!(refusal, "Retry-After: {seconds}\r\n").expect("a String takes any text");
        }
        refusal.push_str("Content-Length: 0\r\n\r\n");
        Some(refusal.into_bytes())
    }

    fn flush(&mut self, came: &mut Came) {
        let mut out = std::mem::take(&mut self.out);
        let from = self.sip;
        for transmit in out.sip.drain(..) {
            let bytes = transmit.bytes.to_vec();
            came.datagrams.push(Datagram::new(from, transmit.destination, bytes));
        }
        for packet in out.rtp.drain(..) {
            let port = RTP.start + u16::try_from(packet.port.0).unwrap_or(0);
            let from = SocketAddr::new(from.ip(), port);
            came.datagrams.push(Datagram::new(from, packet.destination, packet.bytes));
        }
        for event in out.events.drain(..) {
            match event {
                Event::Heard(heard) => came.heard.push(heard),
                Event::CallStarted { sip_call_id, .. } => drop(self.taken.insert(sip_call_id)),
                _ => {}
            }
        }
        self.out = out;
    }
}
