//! Reliable provisional responses (RFC 3262), both roles: those we hear are acknowledged by PRACK
//! in their early dialog; those we send are repeated until theirs comes.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::caller::authorization;
use super::compose::ReplyHead;
use super::leg::{Carrier, Outcome, State};
use super::session_timer::names;
use super::table::{Due, Owner, Plain, ServerMachine};
use super::{Endpoint, LegId, Outputs};
use crate::dialog::Dialog;
use crate::digest::Answers;
use crate::limits::{MAX_FORKS, MAX_PRACKS};
use crate::message::{Headers, Name, Request, Response, header};
use crate::token::Key;
use crate::transaction::{Handle, PATIENCE, Server, T1};
use crate::transport::Hop;

/// An early dialog of a call we place, made by a reliable provisional response.
pub(super) struct Early {
    pub(super) dialog: Dialog,
    /// The number of the INVITE.
    invite: u32,
    /// The RSeq that was acknowledged last.
    rseq: u32,
    pracks: u32,
    answers: Answers,
    /// The answer to our offer, which what comes later cannot change (RFC 3261 §13.2.1).
    pub(super) sdp: Option<Vec<u8>>,
    /// Our answer to the last offer of an UPDATE, which counts instead from then on.
    pub(super) ours: Option<Box<[u8]>>,
}

impl Early {
    /// Whether a request of the peer is in this dialog.
    pub(super) fn is_of(&self, request: &Request) -> bool {
        let from = request.headers.get(Name::From).unwrap_or_default();
        header::tag(from) == Some(&*self.dialog.remote_tag)
    }
}

/// The reliable provisional responses of a call that came in.
pub(super) struct Reliable {
    /// The number of the INVITE.
    invite: u32,
    /// The RSeq of the last one.
    rseq: u32,
    unacked: Option<Unacked>,
    /// The next one, which waits for the PRACK of the last: code and description.
    next: Option<(u16, Vec<u8>)>,
    /// The owner's answer, which waits, too.
    answer: Option<Vec<u8>>,
    /// The offer of the INVITE was answered in one of them.
    pub(super) described: bool,
}

impl Reliable {
    /// The timer that is set.
    pub(super) fn armed(&self) -> Option<Handle> {
        self.unacked.as_ref()?.armed
    }

    /// Whether the offer of the INVITE is answered for good, so that the peer may make another.
    pub(super) fn is_settled(&self) -> bool {
        self.described && self.unacked.is_none() && self.answer.is_none()
    }
}

struct Unacked {
    datagram: Arc<[u8]>,
    interval: Duration,
    ends_at: Instant,
    /// It holds a description, so that the call may not be answered before its PRACK.
    described: bool,
    /// `None` once a final response was sent: it is not repeated any more.
    armed: Option<Handle>,
}

/// The RSeq of a provisional response that wants a PRACK.
fn rseq_of(headers: &Headers) -> Option<u32> {
    let wanted = names(headers, Name::Require, b"100rel");
    headers.get(Name::RSeq).filter(|_| wanted).and_then(header::number)
}

/// RSeq and CSeq number of the RAck field of a PRACK for an INVITE.
fn rack_of(headers: &Headers) -> Option<(u32, u32)> {
    let mut words = headers.get(Name::RAck)?.split(u8::is_ascii_whitespace);
    let mut word = || words.find(|word| !word.is_empty());
    let (rseq, cseq) = (header::number(word()?)?, header::number(word()?)?);
    (word()? == b"INVITE" && word().is_none()).then_some((rseq, cseq))
}

impl Endpoint {
    /// Acknowledges a provisional response that wants it (§4). Gives back whether the response
    /// counts: not when it is a repeat, or came before one that is missing.
    pub(super) fn acknowledge(
        &mut self,
        now: Instant,
        id: LegId,
        (cseq, response): (u32, &Response),
        out: &mut Outputs,
    ) -> bool {
        let Some(rseq) = rseq_of(&response.headers) else { return true };
        let tag = response.headers.get(Name::To).and_then(header::tag).unwrap_or_default();
        let full = self.clients_full();
        let Some(leg) = self.legs.get_mut(&id) else { return false };
        let State::Calling(calling) = &mut leg.state else { return false };
        let known = calling.earlies.iter().position(|early| *early.dialog.remote_tag == *tag);
        let at = match known {
            Some(at) => {
                let early = &mut calling.earlies[at];
                let next = early.rseq.checked_add(1) == Some(rseq);
                if full || !next || early.pracks >= MAX_PRACKS {
                    self.counters.retransmits_in += u64::from(rseq <= early.rseq);
                    return false;
                }
                early.rseq = rseq;
                at
            }
            None if full || tag.is_empty() || calling.earlies.len() >= MAX_FORKS => return false,
            None => {
                let dialog = Dialog::answered(&leg.dialog.origin, cseq, &response.headers);
                let answers = Answers::default();
                let (sdp, ours) = (None, None);
                let early = Early { dialog, invite: cseq, rseq, pracks: 0, answers, sdp, ours };
                // Forks are rare: room for one, not for the four that a first push makes.
                calling.earlies.reserve_exact(1);
                calling.earlies.push(early);
                calling.earlies.len() - 1
            }
        };
        let early = &mut calling.earlies[at];
        early.pracks += 1;
        if early.sdp.is_none() {
            early.sdp = response.sdp().map(<[u8]>::to_vec);
        }
        self.send_prack(now, id, at, out);
        true
    }

    fn send_prack(&mut self, now: Instant, id: LegId, at: usize, out: &mut Outputs) {
        let (branch, cnonce) = (self.tokens.branch(), self.tokens.next());
        let Some(leg) = self.legs.get_mut(&id) else { return };
        let State::Calling(calling) = &mut leg.state else { return };
        let Some(early) = calling.earlies.get_mut(at) else { return };
        let cseq = early.dialog.next_cseq();
        let (mut writer, uri) = self.composer.in_dialog(&early.dialog, b"PRACK", &branch, cseq);
        writer.raw(&[b"RAck: "]);
        writer.number(u64::from(early.rseq));
        writer.raw(&[b" "]);
        writer.number(u64::from(early.invite));
        writer.raw(&[b" INVITE\r\n"]);
        let lines = authorization(leg.session.as_mut(), b"PRACK", &uri, b"", &cnonce);
        writer.raw(&[&lines]);
        let bytes = writer.finish(b"");
        let peer = early.dialog.destination;
        let plain = Plain { branch, cseq, peer, owner: Owner::Prack(id), bytes };
        self.start_plain(now, b"PRACK", plain, out);
    }

    /// The final response to a PRACK. Only a challenge asks for more; a peer that refuses its
    /// own PRACK says so better in its response to the INVITE.
    pub(super) fn prack_heard(
        &mut self,
        now: Instant,
        id: LegId,
        response: &Response,
        out: &mut Outputs,
    ) {
        let tag = response.headers.get(Name::To).and_then(header::tag).unwrap_or_default();
        let Some(leg) = self.legs.get_mut(&id) else { return };
        let State::Calling(calling) = &mut leg.state else { return };
        let tagged = |early: &Early| *early.dialog.remote_tag == *tag;
        let Some(at) = calling.earlies.iter().position(tagged) else { return };
        let answers = &mut calling.earlies[at].answers;
        if leg.session.as_mut().is_some_and(|session| session.challenged(response, answers)) {
            self.counters.challenges += 1;
            self.send_prack(now, id, at, out);
        }
    }

    /// Whether our provisional responses to an INVITE are to be reliable (§3).
    pub(super) fn reliable_for(&self, request: &Request, invite: u32) -> Option<Box<Reliable>> {
        let required = names(&request.headers, Name::Require, b"100rel");
        let supported = names(&request.headers, Name::Supported, b"100rel");
        // Whoever leaves the offer to us would need it in the first of them; where that is not
        // required we keep it for the 200.
        let wanted = self.config.extensions.reliable && request.sdp().is_some();
        (required || (supported && wanted)).then(|| {
            let (unacked, next, answer) = (None, None, None);
            Box::new(Reliable { invite, rseq: 0, unacked, next, answer, described: false })
        })
    }

    /// Sends a reliable provisional response, or keeps it until the one before is acknowledged.
    pub(super) fn progress_reliably(
        &mut self,
        now: Instant,
        id: LegId,
        code: u16,
        sdp: Vec<u8>,
        out: &mut Outputs,
    ) {
        let first = 1 + self.tokens.below(1 << 30);
        let Some(leg) = self.legs.get_mut(&id) else { return };
        let (Some(reliable), State::Ringing { invite, .. }) = (&mut leg.reliable, &leg.state)
        else {
            return;
        };
        if !leg.offered || reliable.answer.is_some() {
            return;
        }
        if reliable.unacked.is_some() {
            let before = reliable.next.take().map(|(_, sdp)| sdp).unwrap_or_default();
            reliable.next = Some((code, if sdp.is_empty() { before } else { sdp }));
            return;
        }
        reliable.rseq = if reliable.rseq == 0 { first } else { reliable.rseq + 1 };
        // The offer is answered once; what a later response says of it is ignored.
        let sdp = if reliable.described { Vec::new() } else { sdp };
        let described = !sdp.is_empty();
        reliable.described |= described;
        let key = *invite;
        let Some(transaction) = self.servers.get(&key) else { return };
        let mut writer = self.composer.response(&transaction.head, code, "");
        writer.raw(&[&transaction.head.record_routes]);
        self.composer.abilities(&mut writer, &leg.dialog.origin.contact);
        writer.field(Name::Require, b"100rel");
        writer.numeric(Name::RSeq, u64::from(reliable.rseq));
        let datagram: Arc<[u8]> = writer.finish_sdp(&sdp).into();
        reliable.unacked = Some(Unacked {
            datagram: Arc::clone(&datagram),
            interval: T1,
            ends_at: now + PATIENCE,
            described,
            armed: Some(self.timers.set(now + T1, Due::Reliable(id))),
        });
        self.respond(now, key, code, datagram, out);
    }

    /// A reliable provisional response was not acknowledged yet: again, or never (§3).
    pub(super) fn reliable_due(&mut self, now: Instant, id: LegId, out: &mut Outputs) {
        let Some(leg) = self.legs.get_mut(&id) else { return };
        let State::Ringing { invite, .. } = leg.state else { return };
        let Some(unacked) = leg.reliable.as_mut().and_then(|r| r.unacked.as_mut()) else { return };
        if unacked.ends_at <= now {
            unacked.armed = None;
            self.counters.unpracked += 1;
            self.respond_plain(now, invite, 504, out);
            return self.finish(now, id, Outcome::Cancelled, out);
        }
        unacked.interval *= 2;
        let at = (now + unacked.interval).min(unacked.ends_at);
        unacked.armed = Some(self.timers.set(at, Due::Reliable(id)));
        let datagram = Arc::clone(&unacked.datagram);
        let Some(transaction) = self.servers.get(&invite) else { return };
        let destination = transaction.head.destination;
        self.counters.retransmits_out += 1;
        self.transmit(destination, &datagram, out);
    }

    /// Whether the answer must wait for a PRACK; if so it is kept for then.
    pub(super) fn answer_waits(&mut self, id: LegId, sdp: &[u8]) -> bool {
        let reliable = self.legs.get_mut(&id).and_then(|leg| leg.reliable.as_mut());
        let Some(reliable) = reliable else { return false };
        if !reliable.unacked.as_ref().is_some_and(|unacked| unacked.described) {
            return false;
        }
        reliable.answer.get_or_insert_with(|| sdp.to_vec());
        true
    }

    /// Ends the repeats of a reliable provisional response; its PRACK is still welcome.
    pub(super) fn stop_reliable(&mut self, id: LegId) {
        let reliable = self.legs.get_mut(&id).and_then(|leg| leg.reliable.as_mut());
        let unacked = reliable.and_then(|reliable| reliable.unacked.as_mut());
        if let Some(handle) = unacked.and_then(|unacked| unacked.armed.take()) {
            self.timers.cancel(handle);
        }
    }

    /// A PRACK (§3): answered, and what waited for it is sent. One that acknowledges nothing of
    /// ours gets 481.
    pub(super) fn on_prack(
        &mut self,
        now: Instant,
        source: Hop,
        key: Key,
        id: LegId,
        request: &Request,
        out: &mut Outputs,
    ) {
        let Some(leg) = self.legs.get_mut(&id) else { return };
        let acknowledged = leg.reliable.as_mut().and_then(|reliable| {
            let wanted = Some((reliable.rseq, reliable.invite));
            reliable.unacked.take_if(|_| rack_of(&request.headers) == wanted)
        });
        let Some(unacked) = acknowledged else {
            self.counters.unknown_dialog += 1;
            return self.refuse(now, request, source, 481, &[], out);
        };
        if let Some(handle) = unacked.armed {
            self.timers.cancel(handle);
        }
        self.answer_prack(now, source, key, id, request, out);
        let Some(leg) = self.legs.get_mut(&id) else { return };
        let Some(reliable) = &mut leg.reliable else { return };
        if let Some(sdp) = reliable.answer.take() {
            self.accept_call(now, id, &sdp, out);
        } else if let Some((code, sdp)) = reliable.next.take() {
            self.progress_reliably(now, id, code, sdp, out);
        }
    }

    fn answer_prack(
        &mut self,
        now: Instant,
        source: Hop,
        key: Key,
        id: LegId,
        request: &Request,
        out: &mut Outputs,
    ) {
        if self.servers_full() {
            return self.refuse(now, request, source, 200, &[], out);
        }
        let head = ReplyHead::new(request, source, [0; 16]);
        self.keep(key, ServerMachine::Other(Server::new(now, source.transport)), head, Some(id));
        let Some(leg) = self.legs.get(&id) else { return };
        let settled = leg.reliable.as_ref().is_some_and(|reliable| reliable.is_settled());
        match request.sdp() {
            // A further offer (§5), which the 200 to the PRACK answers.
            Some(_) if settled && leg.reoffer.is_none() => {
                self.ask_owner(key, id, Carrier::Early, request, out);
            }
            // The first one is open, so this one may not be.
            Some(_) => self.respond_plain(now, key, 488, out),
            None => self.respond_plain(now, key, 200, out),
        }
    }
}
