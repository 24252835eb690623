//! Calls we place (UAC): INVITE, its answers and forks, CANCEL, and the BYE of either role.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::abandon::word_of_bye;
use super::leg::{Calling, Ending, Leg, Outcome, State, Why};
use super::session_timer::{min_se, names};
use super::table::{
    Ack, Acknowledging, ClientMachine, ClientTransaction, Due, Owner, Plain, ServerMachine,
};
use super::{
    Endpoint, Event, Failure, Full, Invite, LastWord, LegId, Outputs, Party, Reason, Timer,
};
use crate::dialog::{Dialog, Origin};
use crate::digest::{Answers, Asked, Session};
use crate::limits::MAX_INVITES;
use crate::message::{Name, NameAddr, Response, Uri, header};
use crate::token::{Key, Token};
use crate::transaction::{ClientInvite, Heard};
use crate::transport::Hop;

/// A longer ring timeout counts as this one.
const MAX_RING_TIMEOUT: Duration = Duration::from_hours(1);

/// How often an INVITE is sent anew, with credentials or another session interval.
const MAX_TRIES: u8 = MAX_INVITES - 1;

impl Endpoint {
    /// Begins a call; see [`Endpoint::invite`].
    pub(super) fn call(
        &mut self,
        now: Instant,
        invite: Invite,
        out: &mut Outputs,
    ) -> Result<LegId, Full> {
        if self.legs.len() >= self.config.limits.legs {
            return Err(Full::Legs);
        }
        if self.clients_full() {
            return Err(Full::Transactions);
        }
        let tag = invite
            .local_tag
            .as_deref()
            .map_or_else(|| self.tokens.next().into(), |tag| token_only(tag.as_bytes()));
        let branch = invite
            .branch
            .as_deref()
            .map_or_else(|| self.tokens.branch(), |branch| token_only(branch.as_bytes()));
        let call_id = only(invite.call_id.as_bytes(), |byte| !byte.is_ascii_whitespace());
        let dialog_key = self.dialog_key(&call_id, &tag);
        let key = self.client_key(&branch, b"INVITE");
        if self.dialogs.contains_key(&dialog_key) || self.clients.contains_key(key) {
            return Err(Full::Taken);
        }
        let transport = invite.request_uri.transport().unwrap_or_default();
        let destination = Hop { transport, address: invite.destination };
        let origin = Arc::new(Origin {
            call_id,
            local: with_tag(&invite.from, &tag),
            local_tag: tag,
            remote: written(&invite.to),
            request_uri: invite.request_uri,
            destination,
            symmetric: invite.symmetric,
            contact: self.contact(&invite.contact_user, destination),
        });
        let calling = Calling {
            transaction: key,
            branch: branch.clone(),
            first_branch: branch,
            answers: Answers::default(),
            tries: 0,
            min_se_s: 0,
            earlies: Vec::new(),
            provisional: false,
            cancel: None,
            cancel_sent: false,
            early_bye: None,
            sdp: invite.sdp,
            headers: invite.headers,
        };
        let state = State::Calling(Box::new(calling));
        let mut leg = Leg::new(Dialog::unanswered(origin, 0), state);
        leg.session = invite.credentials.map(Session::new);
        leg.placed = true;
        let id = self.add_leg(dialog_key, leg);
        let ring_timeout = invite.ring_timeout.min(MAX_RING_TIMEOUT);
        let ring = self.timers.set(now + ring_timeout, Due::Ring(id));
        self.legs.get_mut(&id).expect("the leg was just added").ring = Some(ring);
        self.send_invite(now, id, out);
        Ok(id)
    }

    pub(super) fn add_leg(&mut self, dialog_key: Key, leg: Leg) -> LegId {
        let id = LegId(self.next_id());
        self.dialogs.insert(dialog_key, id);
        self.legs.insert(id, Box::new(leg));
        id
    }

    /// Our Contact value for a peer.
    pub(super) fn contact(&self, user: &str, peer: Hop) -> Box<[u8]> {
        let mut value = Vec::with_capacity(96);
        value.push(b'<');
        Uri::write(user, self.composer.own_hop(peer), &mut value);
        value.push(b'>');
        value.into()
    }

    /// Sends the INVITE, the first time, or again with credentials or another session interval.
    fn send_invite(&mut self, now: Instant, id: LegId, out: &mut Outputs) {
        let cnonce = self.tokens.next();
        let Some(leg) = self.legs.get_mut(&id) else { return };
        let State::Calling(calling) = &mut leg.state else { return };
        let origin = &leg.dialog.origin;
        calling.earlies.clear();
        if calling.tries > 0 {
            let suffix = [b'.', b'1' + calling.tries];
            calling.branch = [&*calling.first_branch, &suffix].concat().into();
        }
        leg.dialog.local_cseq += 1;
        let cseq = leg.dialog.local_cseq;
        let mut writer = self.composer.initial(origin, b"INVITE", &calling.branch, cseq, None);
        self.composer.abilities(&mut writer, &origin.contact);
        Self::ask_for_session(&self.config.extensions, calling.min_se_s, &mut writer);
        writer.fields(&calling.headers);
        let authorization = authorization(
            leg.session.as_mut(),
            b"INVITE",
            origin.request_uri.as_bytes(),
            &calling.sdp,
            &cnonce,
        );
        writer.raw(&[&authorization]);
        let datagram = writer.finish_sdp(&calling.sdp).into();
        let branch = calling.branch.clone();
        let transaction = ClientTransaction {
            machine: ClientMachine::Invite(ClientInvite::new(now, origin.destination.transport)),
            branch: branch.clone(),
            cseq,
            peer: origin.destination,
            owner: Owner::Leg(id),
            datagram: Some(datagram),
            armed: None,
            invite: Some(Acknowledging {
                origin: Arc::clone(origin),
                authorization,
                acks: Vec::new(),
                within: None,
            }),
        };
        let key = self.tokens.key(&[b"client", &branch, b"INVITE"]);
        calling.transaction = key;
        calling.provisional = false;
        self.start_client(key, transaction, out);
    }

    /// The leg's state, if it still waits for the answer to this very INVITE.
    fn calling(&mut self, owner: Owner, key: Key) -> Option<(LegId, &mut Calling)> {
        let Owner::Leg(id) = owner else { return None };
        match &mut self.legs.get_mut(&id)?.state {
            State::Calling(calling) if calling.transaction == key => Some((id, calling)),
            _ => None,
        }
    }

    /// A response to an INVITE of ours.
    pub(super) fn invite_heard(
        &mut self,
        now: Instant,
        key: Key,
        heard: Heard,
        response: &Response,
        out: &mut Outputs,
    ) {
        match heard {
            Heard::Provisional => self.on_provisional(now, key, response, out),
            Heard::Final if response.code < 300 => self.on_success(now, key, response, out),
            Heard::MoreSuccess => self.on_success(now, key, response, out),
            Heard::Final => self.on_refusal(now, key, response, out),
            Heard::FinalAgain => {
                self.counters.retransmits_in += 1;
                let transaction = self.clients.get(key);
                let again =
                    transaction.and_then(|t| Some((t.peer, t.datagram.clone()?, t.traced_ack())));
                if let Some((peer, ack, traced)) = again {
                    self.transmit_ack(traced, peer, &ack, out);
                }
            }
            Heard::Absorbed => {}
        }
    }

    fn on_provisional(&mut self, now: Instant, key: Key, response: &Response, out: &mut Outputs) {
        let Some(transaction) = self.clients.get_mut(key) else { return };
        // The INVITE will not be sent again.
        transaction.datagram = None;
        let (owner, cseq) = (transaction.owner, transaction.cseq);
        if let (Owner::Change(_), ClientMachine::Invite(machine)) =
            (owner, &mut transaction.machine)
        {
            // Nobody has to be fetched to the phone for a re-INVITE.
            machine.limited(now);
            self.rearm_client(key);
        }
        let Some((leg, calling)) = self.calling(owner, key) else {
            return self.cancel_late(now, key, out);
        };
        calling.provisional = true;
        if calling.cancel.is_some() {
            self.send_cancel(now, leg, out);
        } else if response.code > 100 && self.acknowledge(now, leg, (cseq, response), out) {
            let sdp = response.sdp().map(<[u8]>::to_vec);
            out.events.push(Event::Provisional { leg, code: response.code, sdp });
        }
    }

    /// A 2xx: the answer, its repeat, a fork, or one that crossed our CANCEL. Each is
    /// acknowledged; all but the first, and those nobody wants any more, are hung up (§13.2.2.4).
    fn on_success(&mut self, now: Instant, key: Key, response: &Response, out: &mut Outputs) {
        let branch = self.tokens.branch();
        let Some(transaction) = self.clients.get_mut(key) else { return };
        transaction.datagram = None;
        let (owner, cseq) = (transaction.owner, transaction.cseq);
        let traced = transaction.traced_ack();
        let Some(invite) = &mut transaction.invite else { return };
        let tag = response.headers.get(Name::To).and_then(header::tag).unwrap_or_default();
        if let Some(ack) = invite.acks.iter().find(|ack| *ack.remote_tag == *tag) {
            let (destination, datagram) = (ack.destination, Arc::clone(&ack.datagram));
            self.counters.retransmits_in += 1;
            self.transmit_ack(traced, destination, &datagram, out);
            return;
        }
        if invite.acks.len() >= crate::limits::MAX_FORKS {
            return;
        }
        let dialog = match &invite.within {
            Some(dialog) => {
                let mut dialog = (**dialog).clone();
                dialog.retarget(&response.headers);
                dialog
            }
            None => Dialog::answered(&invite.origin, cseq, &response.headers),
        };
        let within = invite.within.is_some();
        let (mut writer, _) = self.composer.in_dialog(&dialog, b"ACK", &branch, cseq);
        writer.raw(&[&invite.authorization]);
        let datagram: Arc<[u8]> = writer.finish(b"").into();
        invite.acks.reserve_exact(1);
        invite.acks.push(Ack {
            remote_tag: tag.into(),
            destination: dialog.destination,
            datagram: Arc::clone(&datagram),
        });
        self.transmit_ack(traced, dialog.destination, &datagram, out);
        if let Some((id, _)) = self.calling(owner, key) {
            self.answered(now, id, dialog, response, out);
        } else if within {
            self.reinvite_heard(now, owner, response, out);
        } else {
            let late = owner == Owner::Nobody;
            self.counters.late_responses += u64::from(late);
            self.counters.forks += u64::from(!late);
            self.hang_up_fork(now, dialog, out);
        }
    }

    /// The first 2xx for a leg that still waits for one.
    fn answered(
        &mut self,
        now: Instant,
        id: LegId,
        dialog: Dialog,
        response: &Response,
        out: &mut Outputs,
    ) {
        let Some(leg) = self.legs.get_mut(&id) else { return };
        if let Some(handle) = leg.ring.take() {
            self.timers.cancel(handle);
        }
        leg.dialog = dialog;
        let State::Calling(mut calling) = std::mem::replace(&mut leg.state, State::Up) else {
            return;
        };
        let tag = &leg.dialog.remote_tag;
        let early = calling.earlies.iter_mut().find(|early| early.dialog.remote_tag == *tag);
        let (early_sdp, ours) = early.map_or((None, None), |early| {
            leg.dialog.local_cseq = early.dialog.local_cseq;
            leg.dialog.remote_cseq = early.dialog.remote_cseq;
            (early.sdp.take(), early.ours.take())
        });
        if let Some(former) = &mut leg.abandoned {
            former.word = LastWord::Silent;
            leg.dialog.skip_pracks();
        }
        if let Some(why) = calling.cancel {
            self.counters.glares += 1;
            let outcome = Outcome::Failed(why.failure());
            self.bye(now, id, outcome, why.reason(), Answers::default(), out);
            return;
        }
        // After an UPDATE, what the INVITE was answered with counts no more.
        let fresh = ours.is_none();
        let told = || early_sdp.or_else(|| response.sdp().map(<[u8]>::to_vec));
        let sdp = fresh.then(told).flatten();
        leg.described = ours.unwrap_or(calling.sdp.into());
        leg.takes_update = takes_update(response);
        let snapshot = Arc::new(leg.dialog.snapshot());
        let gone = calling.early_bye.filter(|(tag, _)| **tag == *leg.dialog.remote_tag);
        out.events.push(Event::Answered { leg: id, sdp, dialog: snapshot });
        match gone {
            Some((_, q850)) => self.finish(now, id, Outcome::Ended(Party::Peer, q850), out),
            None => self.session_answered(now, id, &response.headers),
        }
    }

    /// The first final response to a re-INVITE of ours, acknowledged already.
    fn reinvite_heard(
        &mut self,
        now: Instant,
        owner: Owner,
        response: &Response,
        out: &mut Outputs,
    ) {
        if let Owner::Change(id) = owner {
            self.change_heard(now, id, response, out);
        }
    }

    /// Hangs up a dialog that no leg stands for.
    fn hang_up_fork(&mut self, now: Instant, mut dialog: Dialog, out: &mut Outputs) {
        let branch = self.tokens.branch();
        dialog.skip_pracks();
        let cseq = dialog.next_cseq();
        let (writer, _) = self.composer.in_dialog(&dialog, b"BYE", &branch, cseq);
        let bytes = writer.finish(b"");
        let peer = dialog.destination;
        let plain = Plain { branch, cseq, peer, owner: Owner::Nobody, bytes };
        self.start_plain(now, b"BYE", plain, out);
    }

    /// A final response of 300 or more: acknowledged within the transaction (§17.1.1.3), then
    /// tried again with credentials or reported.
    fn on_refusal(&mut self, now: Instant, key: Key, response: &Response, out: &mut Outputs) {
        let Some(transaction) = self.clients.get_mut(key) else { return };
        let Some(invite) = &transaction.invite else { return };
        let to = response.headers.get(Name::To);
        let (branch, cseq) = (&transaction.branch, transaction.cseq);
        let writer = match &invite.within {
            Some(dialog) => self.composer.in_dialog(dialog, b"ACK", branch, cseq).0,
            None => self.composer.initial(&invite.origin, b"ACK", branch, cseq, to),
        };
        let ack: Arc<[u8]> = writer.finish(b"").into();
        transaction.datagram = Some(Arc::clone(&ack));
        let (peer, owner) = (transaction.peer, transaction.owner);
        let traced = transaction.traced_ack();
        self.transmit_ack(traced, peer, &ack, out);
        let Some((id, _)) = self.calling(owner, key) else {
            return self.reinvite_heard(now, owner, response, out);
        };
        // After a challenge, or one for a longer interval, another INVITE may have been sent.
        let in_force = !matches!(response.code, 401 | 407 | 422);
        self.confirm(id, LastWord::Unanswered, in_force);
        let Some(leg) = self.legs.get_mut(&id) else { return };
        let State::Calling(calling) = &mut leg.state else { return };
        let failure = match calling.cancel {
            // A challenge says nothing about a call that nobody wants any more.
            Some(why) if matches!(response.code, 487 | 401 | 407) => why.failure(),
            Some(_) => rejected(response),
            None => {
                let answers = &mut calling.answers;
                let longer = min_se(&response.headers).filter(|min_s| {
                    response.code == 422 && calling.tries < MAX_TRIES && *min_s > calling.min_se_s
                });
                let challenged = calling.tries < MAX_TRIES
                    && leg.session.as_mut().is_some_and(|s| s.challenged(response, answers));
                self.counters.challenges += u64::from(challenged);
                calling.min_se_s = longer.unwrap_or(calling.min_se_s);
                if challenged || longer.is_some() {
                    calling.tries += 1;
                    return self.send_invite(now, id, out);
                }
                rejected(response)
            }
        };
        self.finish(now, id, Outcome::Failed(failure), out);
    }

    /// The ring timeout: the call is cancelled as soon as that is allowed.
    pub(super) fn ring_timeout(&mut self, now: Instant, id: LegId, out: &mut Outputs) {
        if let Some(leg) = self.legs.get_mut(&id) {
            leg.ring = None;
            self.trace_timer(id, Timer::Ring, out);
            self.cancel(now, id, Why::RingTimeout, out);
        }
    }

    pub(super) fn cancel(&mut self, now: Instant, id: LegId, why: Why, out: &mut Outputs) {
        let Some(leg) = self.legs.get_mut(&id) else { return };
        let State::Calling(calling) = &mut leg.state else { return };
        calling.cancel.get_or_insert(why);
        if calling.provisional {
            self.send_cancel(now, id, out);
        }
    }

    /// Sends the CANCEL, once, with the branch and number of the INVITE (§9.1).
    pub(super) fn send_cancel(&mut self, now: Instant, id: LegId, out: &mut Outputs) {
        let Some(leg) = self.legs.get_mut(&id) else { return };
        let State::Calling(calling) = &mut leg.state else { return };
        if std::mem::replace(&mut calling.cancel_sent, true) {
            return;
        }
        let key = calling.transaction;
        let (branch, cseq) = (calling.branch.clone(), leg.dialog.local_cseq);
        let reason = calling.cancel.and_then(Why::reason);
        let bytes = self.composer.cancel(&leg.dialog.origin, &branch, cseq, reason);
        let peer = leg.dialog.origin.destination;
        if let Some(transaction) = self.clients.get_mut(key)
            && let ClientMachine::Invite(machine) = &mut transaction.machine
        {
            machine.limited(now);
            self.rearm_client(key);
        }
        let plain = Plain { branch, cseq, peer, owner: Owner::Cancel(id), bytes };
        self.start_plain(now, b"CANCEL", plain, out);
    }

    /// Sends a BYE; the leg ends with `outcome` when it is answered or times out.
    pub(super) fn bye(
        &mut self,
        now: Instant,
        id: LegId,
        outcome: Outcome,
        reason: Option<Reason>,
        answers: Answers,
        out: &mut Outputs,
    ) {
        let (branch, cnonce) = (self.tokens.branch(), self.tokens.next());
        let Some(leg) = self.legs.get_mut(&id) else { return };
        let cseq = leg.dialog.next_cseq();
        let (mut writer, uri) = self.composer.in_dialog(&leg.dialog, b"BYE", &branch, cseq);
        writer.reason(reason.map(|reason| reason.q850));
        let session = leg.session.as_mut();
        writer.raw(&[&authorization(session, b"BYE", &uri, b"", &cnonce)]);
        let bytes = writer.finish(b"");
        leg.state = State::Ending(Box::new(Ending { outcome, reason, answers }));
        let peer = leg.dialog.destination;
        let plain = Plain { branch, cseq, peer, owner: Owner::Leg(id), bytes };
        self.start_plain(now, b"BYE", plain, out);
    }

    /// The final response to a BYE or CANCEL of a leg.
    pub(super) fn leg_heard(
        &mut self,
        now: Instant,
        id: LegId,
        response: &Response,
        out: &mut Outputs,
    ) {
        let Some(leg) = self.legs.get_mut(&id) else { return };
        let State::Ending(ending) = &mut leg.state else { return };
        let (outcome, reason) = (ending.outcome.clone(), ending.reason);
        if let Some(session) = &mut leg.session
            && session.challenged(response, &mut ending.answers)
        {
            let answers = ending.answers;
            self.counters.challenges += 1;
            self.bye(now, id, outcome, reason, answers, out);
            return;
        }
        self.confirm(id, word_of_bye(response.code), true);
        self.finish(now, id, outcome, out);
    }

    /// Nobody answered an INVITE or BYE of a leg.
    pub(super) fn leg_unheard(
        &mut self,
        now: Instant,
        id: LegId,
        failure: Failure,
        out: &mut Outputs,
    ) {
        let Some(leg) = self.legs.get(&id) else { return };
        let outcome = match &leg.state {
            State::Calling(calling) => Outcome::Failed(match calling.cancel {
                // Without any response at all the ring timeout says less than the silence.
                Some(Why::RingTimeout) if !calling.provisional => failure,
                Some(why) => why.failure(),
                None => failure,
            }),
            State::Ending(ending) => ending.outcome.clone(),
            State::Up | State::Ringing { .. } => return,
        };
        self.finish(now, id, outcome, out);
    }

    /// Removes a leg, stops what it still had going, and tells its owner.
    pub(super) fn finish(&mut self, now: Instant, id: LegId, outcome: Outcome, out: &mut Outputs) {
        let Some(leg) = self.legs.remove(&id) else { return };
        if let Some(handle) = leg.ring {
            self.timers.cancel(handle);
        }
        let origin = &leg.dialog.origin;
        let dialog_key = self.dialog_key(&origin.call_id, &origin.local_tag);
        if self.dialogs.get(&dialog_key) == Some(&id) {
            self.dialogs.remove(&dialog_key);
        }
        if let Some(unacked) = leg.unacked {
            self.stop_repeats(unacked.transaction);
        }
        let put_off = leg.change.and_then(|change| change.put_off);
        let session = leg.timer.map(|timer| timer.armed);
        let reliable = leg.reliable.and_then(|reliable| reliable.armed());
        for handle in [put_off, session, reliable].into_iter().flatten() {
            self.timers.cancel(handle);
        }
        if let Some(reoffer) = leg.reoffer {
            self.respond_plain(now, reoffer.transaction, 487, out);
        }
        match leg.abandoned {
            Some(former) => self.abandon_done(former, out),
            None => out.events.extend(outcome.event(id)),
        }
    }

    /// Our 200 need not be sent again.
    pub(super) fn stop_repeats(&mut self, key: Key) {
        if let Some(transaction) = self.servers.get_mut(&key)
            && let ServerMachine::Invite(machine) = &mut transaction.machine
        {
            machine.acknowledged();
            transaction.datagram = None;
            self.rearm_server(key);
        }
    }
}

/// Whether the peer says that it takes UPDATE.
fn takes_update(response: &Response) -> bool {
    names(&response.headers, Name::Allow, b"UPDATE")
}

/// What a final response of 300 or more says.
pub(super) fn rejected(response: &Response) -> Failure {
    Failure::Rejected {
        code: response.code,
        phrase: String::from_utf8_lossy(&response.reason).into_owned(),
        q850: header::q850(&response.headers),
        retry_after_seconds: header::retry_after_seconds(&response.headers),
    }
}

/// The Authorization lines for a request; empty before the first challenge.
pub(super) fn authorization(
    session: Option<&mut Session>,
    method: &[u8],
    uri: &[u8],
    body: &[u8],
    cnonce: &Token,
) -> Vec<u8> {
    let Some(session) = session else { return Vec::new() };
    let answers = session.answers(&Asked { method, uri, body, cnonce });
    let mut lines = Vec::new();
    for (name, value) in answers {
        for part in [name.text().as_bytes(), b": ", &value, b"\r\n"] {
            lines.extend_from_slice(part);
        }
    }
    lines
}

/// Only the bytes that may stand in a token: our own callers, too, cannot break a line.
fn token_only(text: &[u8]) -> Box<[u8]> {
    only(text, |byte| header::is_token(&[byte]))
}

/// The bytes that may stand, in one piece of memory.
fn only(text: &[u8], may_stand: impl Fn(u8) -> bool) -> Box<[u8]> {
    let mut kept = Vec::with_capacity(text.len());
    kept.extend(text.iter().copied().filter(|byte| may_stand(*byte)));
    kept.into()
}

/// An address as a From value with `tag` in place of whatever parameters it had.
pub(super) fn with_tag(address: &NameAddr, tag: &[u8]) -> Box<[u8]> {
    let mut value = Vec::with_capacity(96);
    address.write_plain(&mut value);
    value.extend_from_slice(b";tag=");
    value.extend_from_slice(tag);
    value.into()
}

fn written(address: &NameAddr) -> Box<[u8]> {
    let mut value = Vec::with_capacity(64);
    address.write(&mut value);
    value.into()
}
