//! How a new call is taken in, whoever began it: its port, its numbers, its place in the tables.

use std::net::{IpAddr, SocketAddr};
use std::time::Instant;

use media::{Codec, sdp};

use super::{Engine, Entry};
use crate::call::{Call, MediaEnd, Plan};
use crate::derive;
use crate::io::{CallKey, CallSpec, Event, Srtp, Target};
use crate::leg::{self, Destination};
use crate::outcome::{Outcome, Refusal};

impl Engine {
    /// Places a call, or says at once why not.
    pub(super) fn start(&mut self, now: Instant, spec: CallSpec) {
        let call = spec.call;
        if self.calls.contains_key(&call) {
            self.wires.counters.starts_repeated += 1;
            return;
        }
        let clip_ms = spec.script.subject_ms();
        if let Err(refusal) = self.dial(now, spec) {
            self.wires.counters.calls_refused += 1;
            let outcome = Box::new(Outcome::not_started(refusal, clip_ms));
            self.wires.events.push(Event::Ended { call, outcome });
        }
    }

    pub(super) fn dial(&mut self, now: Instant, mut spec: CallSpec) -> Result<(), Refusal> {
        if self.calls.len() >= self.config.limits.calls {
            return Err(Refusal::Full);
        }
        let destination = Destination::of(&spec.target);
        if spec.codecs.is_empty() {
            spec.codecs = Codec::DEFAULT_ORDER.to_vec();
        }
        let media = self.media_end(spec.call, &spec.codecs, spec.srtp, destination.address.ip());
        let offer = media.local.print_offer();
        let invite =
            leg::invite(&self.config.secret, &spec, &destination, offer).ok_or(Refusal::BadSpec)?;
        let leg = match self.wires.sip.invite(now, invite, &mut self.wires.sip_out) {
            Ok(leg) => leg,
            Err(sip::Full::Taken) => return Err(Refusal::Taken),
            Err(_) => return Err(Refusal::Full),
        };
        let key = spec.call;
        self.wires.counters.calls_started += 1;
        self.wires.events.push(Event::Dialling { call: key });
        let (script, max_duration_ms) = (spec.script, spec.max_duration_ms);
        let may_be_at = match &spec.target {
            Target::Phone { address, .. } => Some(address.ip()),
            Target::Address { address, .. } => spec.symmetric_rtp.then_some(address.ip()),
        };
        let plan = Plan { key, script, max_duration_ms, may_be_at };
        self.add(key, Call::new(now, plan, leg, media));
        Ok(())
    }

    /// Where a new call with this peer gets its sound, and from which port it speaks.
    pub(super) fn media_end(
        &self,
        call: CallKey,
        codecs: &[Codec],
        srtp: Srtp,
        peer: IpAddr,
    ) -> MediaEnd {
        let port_slot = self.emptiest_port(peer);
        let address = self.config.rtp[usize::from(port_slot)];
        let numbers = derive::media_numbers(&self.config.secret, call);
        let mut local = sdp::Local::new(numbers.session_id, address, codecs);
        local.rtcp_mux = true;
        local.srtp = (srtp != Srtp::Off).then(|| {
            let keys = derive::srtp_keys(&self.config.fresh_secret, call);
            Box::new(sdp::LocalSrtp { required: srtp == Srtp::Required, agreed: None, keys })
        });
        let dropped_before = self.wires.sound[usize::from(port_slot)].times;
        MediaEnd { port_slot, dropped_before, numbers, local }
    }

    /// Takes a call in that has its leg.
    pub(super) fn add(&mut self, key: CallKey, call: Call) {
        let (slot, listens) = (usize::from(call.port_slot()), call.listens());
        self.calls_on_port[slot] += 1;
        self.listeners_on_port[slot] += usize::from(listens);
        self.legs.insert(call.leg(), key);
        let armed = call.deadline();
        self.deadlines.insert((armed, key));
        self.calls.insert(key, Box::new(Entry { call, armed, listens }));
    }

    /// The port with the fewest calls that a peer's family reaches; where none is, any: the call
    /// will not agree on sound.
    fn emptiest_port(&self, peer: IpAddr) -> u8 {
        let strange = |at: &SocketAddr| at.is_ipv4() != peer.is_ipv4();
        (0..=u8::MAX)
            .zip(self.config.rtp.iter().zip(&self.calls_on_port))
            .min_by_key(|(_, (at, calls))| (strange(at), **calls))
            .map_or(0, |(slot, _)| slot)
    }
}

/// The place of each RTP socket among those of its family.
pub(super) fn places_in_families(rtp: &[SocketAddr]) -> Vec<u8> {
    let mut next = [0_u8; 2];
    let place = |at: &SocketAddr| {
        let next = &mut next[usize::from(at.is_ipv6())];
        let place = *next;
        *next = next.saturating_add(1);
        place
    };
    rtp.iter().map(place).collect()
}
