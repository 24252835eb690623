//! Calls that come in. Only phones that prove their password and trunks that call from where they
//! are get further than a refusal, and only to the numbers that the caller of the engine named;
//! what becomes of them is its decision.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::{Duration, Instant};

use media::{Codec, sdp};
use sip::{Headers, LegId, Request};

use super::{Engine, identity};
use crate::call::{Call, Plan, reachable};
use crate::io::{CallKey, Caller, Event, Srtp, TrunkSource};
use crate::limits::{DECISION_MS, MAX_INCOMING, MAX_SERVICES, MAX_TRUNK_RANGES};

/// 480 Temporarily Unavailable: nobody decided, or the phone that is called cannot be reached.
const UNAVAILABLE: u16 = 480;
/// 486 Busy Here: as many calls from phones as there may be.
const BUSY: u16 = 486;
/// 488 Not Acceptable Here: nothing in common with the offer.
const NOT_ACCEPTABLE: u16 = 488;

/// Calls that wait for a decision, and what may be called at all.
#[derive(Default)]
pub(super) struct Incoming {
    services: BTreeSet<String>,
    /// From where trunks call, and what holds of each.
    trunks: Vec<(RangeInclusive<IpAddr>, Arc<TrunkSource>)>,
    undecided: BTreeMap<CallKey, Undecided>,
    serial: u64,
}

struct Undecided {
    leg: LegId,
    /// Where its INVITE came from.
    source: SocketAddr,
    /// The same, when its audio may come from elsewhere there: that of a phone,
    /// which may be behind NAT, or of a trunk of which that is said.
    may_be_at: Option<IpAddr>,
    /// What the trunk asks for whose call it is.
    trunk: Option<Arc<TrunkSource>>,
    /// The offer; empty when the phone leaves that to us.
    offer: Vec<u8>,
    until: Instant,
}

impl Undecided {
    /// The codecs that may be agreed on, and whether the call must be encrypted.
    fn sound(&self) -> (&[Codec], Srtp) {
        const USUAL: &[Codec] = &[Codec::Pcma, Codec::Pcmu];
        let trunk = self.trunk.as_ref();
        let codecs = trunk.map(|trunk| &trunk.codecs[..]).filter(|codecs| !codecs.is_empty());
        let must = trunk.is_some_and(|trunk| trunk.srtp == Srtp::Required);
        (codecs.unwrap_or(USUAL), if must { Srtp::Required } else { Srtp::Optional })
    }
}

impl Incoming {
    pub(super) fn set_services(&mut self, numbers: &[String]) {
        self.services = numbers.iter().take(MAX_SERVICES).cloned().collect();
    }

    /// The trunk that calls from this address.
    fn trunk_at(&self, ip: IpAddr) -> Option<&Arc<TrunkSource>> {
        let found = self.trunks.iter().find(|(range, _)| range.contains(&ip.to_canonical()));
        found.map(|(_, trunk)| trunk)
    }

    pub(super) fn undecided(&self) -> usize {
        self.undecided.len()
    }

    /// When the first of them is refused. Keys and times grow together.
    pub(super) fn next_due(&self) -> Option<Instant> {
        self.undecided.first_key_value().map(|(_, call)| call.until)
    }

    fn next_key(&mut self) -> CallKey {
        let key = CallKey(CallKey::FIRST_INCOMING.0 | self.serial);
        self.serial += 1;
        key
    }
}

impl Engine {
    /// Replaces the trunks that may call.
    pub(super) fn set_trunks(&mut self, trunks: &[TrunkSource]) {
        let each = trunks.iter().flat_map(|source| {
            let trunk = Arc::new(source.clone());
            source.ranges.iter().map(move |range| (range.clone(), Arc::clone(&trunk)))
        });
        self.incoming.trunks = each.take(MAX_TRUNK_RANGES).collect();
        let ranges = self.incoming.trunks.iter().map(|(range, _)| range.clone());
        self.wires.sip.know(ranges.collect());
    }

    /// A new call. Nothing is kept of one that is refused, nor of one that is asked for its
    /// password: who sent it is not proven.
    pub(super) fn incoming(
        &mut self,
        now: Instant,
        leg: LegId,
        source: SocketAddr,
        request: &Request,
    ) {
        let number = std::str::from_utf8(request.uri.user()).unwrap_or_default();
        if !self.incoming.services.contains(number) {
            self.wires.counters.incoming_refused += 1;
            let code = if self.registrar.knows(number) { UNAVAILABLE } else { 404 };
            return self.turn_away(now, leg, code, &Headers::new());
        }
        let trunk = self.incoming.trunk_at(source.ip()).cloned();
        let caller = match &trunk {
            Some(trunk) => Caller::Trunk(trunk.trunk.clone()),
            None => match self.registrar.caller(now, request) {
                Ok(username) => Caller::Phone(username),
                Err((code, headers)) => {
                    self.wires.counters.incoming_unproven += 1;
                    return self.turn_away(now, leg, code, &headers);
                }
            },
        };
        let alive = self.calls.range(CallKey::FIRST_INCOMING..CallKey::FIRST_SECOND).count()
            + self.incoming.undecided.len();
        if alive >= MAX_INCOMING || self.calls.len() >= self.config.limits.calls {
            self.wires.counters.incoming_refused += 1;
            return self.turn_away(now, leg, BUSY, &Headers::new());
        }
        self.wires.counters.incoming_offered += 1;
        let call = self.incoming.next_key();
        let offer = request.sdp().unwrap_or_default().to_vec();
        let until = now + Duration::from_millis(DECISION_MS);
        if trunk.is_none() {
            self.wires.sip.stay_with_source(leg);
        }
        let follows = trunk.as_ref().is_none_or(|trunk| trunk.symmetric_rtp);
        let may_be_at = follows.then_some(source.ip());
        let undecided = Undecided { leg, source, may_be_at, trunk, offer, until };
        self.incoming.undecided.insert(call, undecided);
        self.wires.sip.ring(now, leg, 180, None, &mut self.wires.sip_out);
        let (number, from) = (number.to_owned(), identity::caller_of(request));
        self.wires.events.push(Event::Incoming { call, caller, number, from });
    }

    fn turn_away(&mut self, now: Instant, leg: LegId, code: u16, extra: &Headers) {
        self.wires.sip.turn_away(now, leg, code, extra, &mut self.wires.sip_out);
    }

    /// The caller gave up before anybody decided.
    pub(super) fn gave_up(&mut self, leg: LegId) {
        let gone = self.incoming.undecided.extract_if(.., |_, call| call.leg == leg);
        self.wires.events.extend(gone.map(|(call, _)| Event::NotAnswered { call }));
    }

    /// Answers, and begins the script as soon as that is acknowledged.
    pub(super) fn answer(&mut self, now: Instant, plan: Plan) {
        let key = plan.key;
        let Some(undecided) = self.incoming.undecided.remove(&key) else { return };
        let leg = undecided.leg;
        // Others may have taken the room while somebody thought about it.
        if self.calls.len() >= self.config.limits.calls {
            return self.refuse_phone(now, key, leg, BUSY);
        }
        let plan = Plan { may_be_at: undecided.may_be_at, ..plan };
        let (codecs, srtp) = undecided.sound();
        let peer = heard_at(&undecided.offer).unwrap_or(undecided.source.ip());
        let media = self.media_end(key, codecs, srtp, peer);
        let (agreed, sdp) = if undecided.offer.is_empty() {
            (None, media.local.print_offer())
        } else {
            match sdp::answer_offer(&media.local, &undecided.offer) {
                Ok((agreed, sdp)) if reachable(&agreed, media.local.address.ip()) => {
                    (Some(agreed), sdp)
                }
                _ => return self.refuse_phone(now, key, leg, NOT_ACCEPTABLE),
            }
        };
        self.wires.sip.answer(now, leg, &sdp, &mut self.wires.sip_out);
        self.add(key, Call::answering(now, plan, leg, media, agreed));
    }

    /// Refuses.
    pub(super) fn decline(&mut self, now: Instant, call: CallKey, sip_code: u16) {
        if let Some(undecided) = self.incoming.undecided.remove(&call) {
            self.refuse_phone(now, call, undecided.leg, sip_code.clamp(300, 699));
        }
    }

    /// Refuses what nobody decided about in time.
    pub(super) fn decline_undecided(&mut self, now: Instant) {
        while let Some((&call, _)) =
            self.incoming.undecided.first_key_value().filter(|(_, call)| call.until <= now)
        {
            self.decline(now, call, UNAVAILABLE);
        }
    }

    fn refuse_phone(&mut self, now: Instant, call: CallKey, leg: LegId, code: u16) {
        self.wires.counters.incoming_refused += 1;
        self.wires.events.push(Event::NotAnswered { call });
        self.wires.sip.reject(now, leg, code, "", &Headers::new(), &mut self.wires.sip_out);
    }
}

/// Where a caller wants to hear, which may be of another family than where it signals from.
fn heard_at(offer: &[u8]) -> Option<IpAddr> {
    let described = sdp::Description::parse(offer).ok()?;
    let of_sound = described.media.iter().find(|media| media.kind == "audio");
    let connection = of_sound.and_then(|media| media.connection.as_ref());
    match connection.or(described.connection.as_ref())? {
        sdp::Connection::Address(address) => Some(*address),
        sdp::Connection::Name(_) => None,
    }
}
