//! Requests from peers (UAS): new calls, their ACK and CANCEL, and what comes within calls.

use std::sync::Arc;
use std::time::Instant;

use super::compose::ReplyHead;
use super::leg::{Leg, Outcome, State, Unacked, Why};
use super::session_timer::{EXPIRED, names, not_understood, write_granted};
use super::table::{ServerMachine, ServerTransaction};
use super::{Endpoint, Event, LastWord, LegId, Outputs, Party, Reason, ServerRequest};
use crate::admission::Verdict;
use crate::dialog::{Dialog, Origin};
use crate::digest::Answers;
use crate::message::{CSeq, Method, Name, Request, Scheme, header};
use crate::token::Key;
use crate::transaction::{Server, ServerInvite};
use crate::transport::Hop;

pub(super) fn cseq_of(request: &Request) -> u32 {
    let value = request.headers.get(Name::CSeq).unwrap_or_default();
    CSeq::parse(value).map_or(0, |cseq| cseq.number)
}

impl Endpoint {
    /// Takes any request.
    pub(super) fn request_heard(
        &mut self,
        now: Instant,
        source: Hop,
        request: Request,
        out: &mut Outputs,
    ) {
        match request.method {
            Method::Ack => return self.on_ack(now, &request, out),
            Method::Cancel => return self.on_cancel(now, source, &request, out),
            _ => {}
        }
        let key = self.server_key(&request, request.method.as_bytes());
        if let Some(transaction) = self.servers.get(&key) {
            self.trace_request(transaction.leg, &request, out);
            return self.repeat(key, out);
        }
        let leg = self.leg_of(&request);
        self.trace_request(leg, &request, out);
        if leg.is_none() && !self.admitted(now, source, &request, out) {
            return;
        }
        if let Some(refusal) = self.unsupported(&request) {
            self.counters.refused_unsupported += 1;
            return self.refuse(now, &request, source, refusal, &[], out);
        }
        let to = request.headers.get(Name::To).unwrap_or_default();
        match leg {
            Some(leg) => self.within_dialog(now, source, key, leg, request, out),
            None if header::tag(to).is_some() => {
                self.counters.unknown_dialog += 1;
                self.refuse(now, &request, source, 481, &[], out);
            }
            None => self.outside_of_dialogs(now, source, key, request, out),
        }
    }

    /// Whether a request that belongs to no call of ours is looked at.
    fn admitted(
        &mut self,
        now: Instant,
        source: Hop,
        request: &Request,
        out: &mut Outputs,
    ) -> bool {
        match self.sources.admit(now, &self.tokens, source.address.ip()) {
            Verdict::Admitted => return true,
            Verdict::TooFast => self.counters.dropped_source_too_fast += 1,
            Verdict::Busy => {
                self.counters.refused_sources_busy += 1;
                self.retry_later(now, request, source, out);
            }
        }
        false
    }

    /// A request came again: the same response again (§17.2).
    fn repeat(&mut self, key: Key, out: &mut Outputs) {
        self.counters.retransmits_in += 1;
        let Some(transaction) = self.servers.get(&key) else { return };
        let silent = match &transaction.machine {
            ServerMachine::Invite(machine) => !machine.repeats_to_invite(),
            ServerMachine::Other(_) => false,
        };
        let destination = transaction.head.destination;
        if let (false, Some(datagram)) = (silent, transaction.datagram.clone()) {
            self.transmit(destination, &datagram, out);
        }
    }

    /// The code a request is refused with before anybody looks at what it wants.
    fn unsupported(&self, request: &Request) -> Option<u16> {
        // Whatever a BYE requires, the call is over.
        if request.method != Method::Bye && not_understood(&request.headers).next().is_some() {
            return Some(420);
        }
        if request.uri.scheme() == Scheme::Other {
            return Some(416);
        }
        match request.method {
            // A body of another kind that need not be understood is left aside (§20.11).
            Method::Invite if !request.body.is_empty() && request.sdp().is_none() => {
                let handling = request.headers.find("Content-Disposition").unwrap_or_default();
                let handling = header::param(handling, "handling").unwrap_or_default();
                (!handling.eq_ignore_ascii_case(b"optional")).then_some(415)
            }
            Method::Register if !self.config.registrar => Some(405),
            Method::Message
            | Method::Notify
            | Method::Subscribe
            | Method::Publish
            | Method::Refer => Some(405),
            Method::Other(_) => Some(501),
            _ => None,
        }
    }

    /// Keeps a request until it is answered and beyond.
    pub(super) fn keep(
        &mut self,
        key: Key,
        machine: ServerMachine,
        head: ReplyHead,
        leg: Option<LegId>,
    ) {
        let transaction = ServerTransaction { machine, head, datagram: None, leg, armed: None };
        self.servers.insert(key, Box::new(transaction));
        self.rearm_server(key);
    }

    fn outside_of_dialogs(
        &mut self,
        now: Instant,
        source: Hop,
        key: Key,
        request: Request,
        out: &mut Outputs,
    ) {
        match request.method {
            Method::Invite if self.servers_full() || self.legs.len() >= self.config.limits.legs => {
                self.refuse_full(now, &request, source, out);
            }
            Method::Invite => self.incoming(now, source, key, request, out),
            Method::Options | Method::Register if self.servers_full() => {
                self.refuse_full(now, &request, source, out);
            }
            Method::Options | Method::Register => {
                let head = ReplyHead::new(&request, source, self.stateless_tag(&request));
                self.keep(
                    key,
                    ServerMachine::Other(Server::new(now, source.transport)),
                    head,
                    None,
                );
                let id = ServerRequest(key.0);
                let Hop { transport, address: source } = source;
                out.events.push(Event::Request { id, leg: None, request, source, transport });
            }
            _ => {
                self.counters.unknown_dialog += 1;
                self.refuse(now, &request, source, 481, &[], out);
            }
        }
    }

    /// A new call: all of it is the owner's affair.
    fn incoming(
        &mut self,
        now: Instant,
        source: Hop,
        key: Key,
        request: Request,
        out: &mut Outputs,
    ) {
        let granted = match self.config.extensions.grant(&request.headers, None) {
            Ok(granted) => granted,
            Err(min_s) => return self.refuse_interval(now, &request, source, min_s, out),
        };
        let tag = self.tokens.next();
        let head = ReplyHead::new(&request, source, tag);
        let get = |name| request.headers.get(name).unwrap_or_default();
        let user = String::from_utf8_lossy(request.uri.user()).into_owned();
        let origin = Arc::new(Origin {
            call_id: get(Name::CallId).into(),
            local: [&head.to, b";tag=".as_slice(), &tag].concat().into(),
            local_tag: tag.as_slice().into(),
            remote: get(Name::From).into(),
            request_uri: request.uri.clone(),
            destination: source,
            symmetric: false,
            contact: self.contact(&user, source),
        });
        let dialog_key = self.dialog_key(&origin.call_id, &origin.local_tag);
        let cseq = cseq_of(&request);
        let dialog = Dialog::incoming(origin, cseq, &request.headers);
        let mut leg = Leg::new(dialog, State::Ringing { invite: key, cseq });
        leg.granted = granted;
        leg.reliable = self.reliable_for(&request, cseq);
        leg.takes_update = names(&request.headers, Name::Allow, b"UPDATE");
        leg.offered = request.sdp().is_some();
        let leg = self.add_leg(dialog_key, leg);
        let machine = ServerMachine::Invite(ServerInvite::new(now, source.transport));
        self.keep(key, machine, head, Some(leg));
        out.events.push(Event::Incoming { leg, request, source: source.address });
    }

    /// An ACK: to a refusal within its transaction, to a 200 within its dialog.
    fn on_ack(&mut self, now: Instant, request: &Request, out: &mut Outputs) {
        let key = self.server_key(request, b"INVITE");
        if let Some(transaction) = self.servers.get_mut(&key)
            && let ServerMachine::Invite(machine) = &mut transaction.machine
            && !machine.is_accepted()
        {
            machine.acknowledged_refusal(now);
            let leg = transaction.leg;
            self.trace_request(leg, request, out);
            self.rearm_server(key);
            return;
        }
        let Some(id) = self.leg_of(request) else {
            self.counters.stray_acks += 1;
            return;
        };
        self.trace_request(Some(id), request, out);
        let cseq = cseq_of(request);
        let unacked = self.legs.get(&id).and_then(|leg| leg.unacked);
        if unacked.is_some_and(|unacked| unacked.cseq == cseq) {
            self.acknowledged(now, id, request.sdp(), out);
        }
    }

    /// The peer has had our 200.
    pub(super) fn acknowledged(
        &mut self,
        now: Instant,
        id: LegId,
        sdp: Option<&[u8]>,
        out: &mut Outputs,
    ) {
        let Some(leg) = self.legs.get_mut(&id) else { return };
        let Some(unacked) = leg.unacked.take() else { return };
        let hang_up = leg.hang_up_after_ack.take();
        self.stop_repeats(unacked.transaction);
        let sdp = sdp.map(<[u8]>::to_vec);
        if unacked.first || sdp.is_some() {
            out.events.push(Event::Acked { leg: id, sdp });
        }
        if let Some(why) = hang_up {
            self.hang_up_now(now, id, why.reason(), out);
        }
    }

    /// The leg an in-dialog request belongs to: our tag, and the peer's once it is known.
    pub(super) fn leg_of(&self, request: &Request) -> Option<LegId> {
        let get = |name| request.headers.get(name).unwrap_or_default();
        let local_tag = header::tag(get(Name::To))?;
        let key = self.dialog_key(get(Name::CallId), local_tag);
        let id = *self.dialogs.get(&key)?;
        let leg = self.legs.get(&id)?;
        let remote_tag = header::tag(get(Name::From)).unwrap_or_default();
        let early = matches!(leg.state, State::Calling(_));
        (early || *leg.dialog.remote_tag == *remote_tag).then_some(id)
    }

    /// A CANCEL is always answered at once; it ends the INVITE only if that has no final
    /// response yet (§9.2).
    fn on_cancel(&mut self, now: Instant, source: Hop, request: &Request, out: &mut Outputs) {
        let key = self.server_key(request, b"INVITE");
        let Some(transaction) = self.servers.get(&key) else {
            if !self.admitted(now, source, request, out) {
                return;
            }
            self.counters.unknown_dialog += 1;
            return self.refuse(now, request, source, 481, &[], out);
        };
        let (tag, leg) = (transaction.head.tag, transaction.leg);
        let pending = match &transaction.machine {
            ServerMachine::Invite(machine) => machine.is_proceeding(),
            ServerMachine::Other(_) => false,
        };
        let head = ReplyHead::new(request, source, tag.unwrap_or_default());
        let datagram: Arc<[u8]> = self.composer.response(&head, 200, "").finish(b"").into();
        self.trace_request(leg, request, out);
        self.trace_reply(leg, head.asked, 200, out);
        self.transmit(head.destination, &datagram, out);
        if !pending {
            return;
        }
        self.respond_plain(now, key, 487, out);
        let Some(id) = leg else { return };
        let Some(leg) = self.legs.get_mut(&id) else { return };
        match leg.state {
            State::Ringing { .. } => self.finish(now, id, Outcome::Cancelled, out),
            _ => leg.reoffer = None,
        }
    }

    fn within_dialog(
        &mut self,
        now: Instant,
        source: Hop,
        key: Key,
        id: LegId,
        request: Request,
        out: &mut Outputs,
    ) {
        let Some(leg) = self.legs.get_mut(&id) else { return };
        let cseq = cseq_of(&request);
        // Numbers may skip but not go back (§12.2.2). Before the answer each early dialog has its
        // own; those of a fork without one are not kept: a BYE is all that is done for it.
        if let Some(dialog) = leg.dialog_of(&request) {
            if dialog.remote_cseq.is_some_and(|last| cseq < last) {
                self.counters.stale_cseq += 1;
                return self.refuse(now, &request, source, 500, &[], out);
            }
            dialog.remote_cseq = Some(cseq);
        }
        match request.method {
            Method::Bye => self.on_bye(now, source, key, id, &request, out),
            Method::Invite | Method::Update => {
                self.on_reoffer(now, source, key, id, &request, out);
            }
            Method::Prack => self.on_prack(now, source, key, id, &request, out),
            Method::Register => self.refuse(now, &request, source, 403, &[], out),
            _ if self.servers_full() => self.refuse_full(now, &request, source, out),
            _ => {
                let head = ReplyHead::new(&request, source, [0; 16]);
                self.keep(
                    key,
                    ServerMachine::Other(Server::new(now, source.transport)),
                    head,
                    Some(id),
                );
                let id_of_request = ServerRequest(key.0);
                let leg = Some(id);
                let Hop { transport, address: source } = source;
                let id = id_of_request;
                out.events.push(Event::Request { id, leg, request, source, transport });
            }
        }
    }

    /// A BYE is always answered with 200, whatever else is going on.
    fn on_bye(
        &mut self,
        now: Instant,
        source: Hop,
        key: Key,
        id: LegId,
        request: &Request,
        out: &mut Outputs,
    ) {
        if self.servers_full() {
            self.refuse(now, request, source, 200, &[], out);
        } else {
            let head = ReplyHead::new(request, source, [0; 16]);
            let machine = ServerMachine::Other(Server::new(now, source.transport));
            self.keep(key, machine, head, Some(id));
            self.respond_plain(now, key, 200, out);
        }
        let q850 = header::q850(&request.headers);
        let Some(leg) = self.legs.get_mut(&id) else { return };
        match &mut leg.state {
            State::Up => self.finish(now, id, Outcome::Ended(Party::Peer, q850), out),
            State::Ringing { invite, .. } => {
                let invite = *invite;
                self.respond_plain(now, invite, 487, out);
                self.finish(now, id, Outcome::Cancelled, out);
            }
            // Its 200 was lost or overtaken: should it still come, the call is already over.
            State::Calling(calling) => {
                let from = request.headers.get(Name::From).unwrap_or_default();
                let tag = header::tag(from).unwrap_or_default();
                calling.early_bye.get_or_insert((tag.into(), q850));
            }
            // Both sides hang up: ours is under way and ends the leg.
            State::Ending(_) => self.confirm(id, LastWord::HungUp, true),
        }
    }

    /// Sends a 200 that makes or keeps a dialog: with Contact, and Record-Route as it came. It
    /// starts the session timer, the first time or anew.
    pub(super) fn accept(
        &mut self,
        now: Instant,
        key: Key,
        id: LegId,
        sdp: &[u8],
        out: &mut Outputs,
    ) {
        let (Some(transaction), Some(leg)) = (self.servers.get(&key), self.legs.get_mut(&id))
        else {
            return;
        };
        let head = &transaction.head;
        let mut writer = self.composer.response(head, 200, "");
        writer.raw(&[&head.record_routes]);
        self.composer.abilities(&mut writer, &leg.dialog.origin.contact);
        let granted = leg.granted.take();
        if let Some(granted) = granted {
            write_granted(&mut writer, granted);
        }
        if !sdp.is_empty() {
            leg.described = sdp.into();
        }
        let bytes = writer.finish_sdp(sdp);
        self.respond(now, key, 200, bytes, out);
        if let Some(granted) = granted {
            self.start_session(now, id, granted.interval_s, !granted.by_peer);
        }
    }

    /// The INVITE, and its number, of a leg that is still ours to answer.
    pub(super) fn ringing(&self, id: LegId) -> Option<(Key, u32)> {
        match self.legs.get(&id)?.state {
            State::Ringing { invite, cseq } => Some((invite, cseq)),
            _ => None,
        }
    }

    /// See [`Endpoint::ring`].
    pub(super) fn progress(
        &mut self,
        now: Instant,
        id: LegId,
        code: u16,
        sdp: Option<&[u8]>,
        out: &mut Outputs,
    ) {
        let waiting = self.ringing(id).filter(|_| (101..200).contains(&code));
        let Some((key, _)) = waiting else { return };
        let (Some(transaction), Some(leg)) = (self.servers.get(&key), self.legs.get(&id)) else {
            return;
        };
        let sdp = sdp.unwrap_or_default();
        if leg.reliable.is_some() {
            return self.progress_reliably(now, id, code, sdp.to_vec(), out);
        }
        let head = &transaction.head;
        let mut writer = self.composer.response(head, code, "");
        writer.raw(&[&head.record_routes]);
        self.composer.abilities(&mut writer, &leg.dialog.origin.contact);
        let bytes = writer.finish_sdp(sdp);
        self.respond(now, key, code, bytes, out);
    }

    /// See [`Endpoint::answer`].
    pub(super) fn accept_call(&mut self, now: Instant, id: LegId, sdp: &[u8], out: &mut Outputs) {
        let Some((key, cseq)) = self.ringing(id) else { return };
        if self.answer_waits(id, sdp) {
            return;
        }
        self.stop_reliable(id);
        let Some(leg) = self.legs.get_mut(&id) else { return };
        leg.state = State::Up;
        let offers = !leg.offered;
        leg.unacked = Some(Unacked { transaction: key, cseq, first: true, offers });
        let answered = leg.reliable.as_ref().is_some_and(|reliable| reliable.described);
        // An UPDATE may have changed what was answered before.
        if !answered || leg.described.is_empty() {
            leg.described = sdp.into();
        }
        self.accept(now, key, id, if answered { b"" } else { sdp }, out);
    }

    /// Our 200 went unheard for 32 s: the call cannot be trusted (§13.3.1.4).
    pub(super) fn never_acknowledged(
        &mut self,
        now: Instant,
        id: LegId,
        key: Key,
        out: &mut Outputs,
    ) {
        let Some(leg) = self.legs.get_mut(&id) else { return };
        if leg.unacked.take_if(|unacked| unacked.transaction == key).is_none() {
            return;
        }
        let asked = leg.hang_up_after_ack.take().and_then(Why::reason);
        let reason = asked.unwrap_or(EXPIRED);
        if matches!(leg.state, State::Up) {
            let outcome = Outcome::Ended(Party::Us, Some(reason.q850));
            self.bye(now, id, outcome, Some(reason), Answers::default(), out);
        }
    }

    pub(super) fn hang_up_now(
        &mut self,
        now: Instant,
        id: LegId,
        reason: Option<Reason>,
        out: &mut Outputs,
    ) {
        let outcome = Outcome::Ended(Party::Us, reason.map(|reason| reason.q850));
        self.bye(now, id, outcome, reason, Answers::default(), out);
    }
}
