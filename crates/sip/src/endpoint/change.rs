//! Changes of ours to an answered call: offers of the owner (re-INVITE, RFC 3261 §14) and
//! refreshes of the session (RFC 4028), by UPDATE where the peer takes it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::caller::authorization;
use super::leg::{Change, Leg, State};
use super::session_timer::min_se;
use super::table::{Acknowledging, ClientMachine, ClientTransaction, Due, Owner, Plain};
use super::{Endpoint, Event, LegId, Outputs};
use crate::digest::Answers;
use crate::limits::MAX_CHANGE_TRIES;
use crate::message::{Response, header};
use crate::transaction::ClientInvite;

/// The longest that a peer's Retry-After puts a change off, in seconds.
const MAX_WAIT_S: u32 = 10;

impl Leg {
    /// Whether a re-INVITE of ours waits for its response, so that no other may begin (§14.2).
    pub(super) fn is_reinviting(&self) -> bool {
        self.change.as_ref().is_some_and(|change| !change.by_update && change.put_off.is_none())
    }

    /// Whether an offer of the peer's, or our 200, is still open.
    fn is_occupied(&self) -> bool {
        self.reoffer.is_some() || self.unacked.is_some()
    }
}

impl Endpoint {
    /// See [`Endpoint::offer`].
    pub(super) fn begin_offer(
        &mut self,
        now: Instant,
        id: LegId,
        sdp: &[u8],
        out: &mut Outputs,
    ) -> bool {
        let Some(leg) = self.legs.get_mut(&id) else { return false };
        if !matches!(leg.state, State::Up) || leg.hang_up_after_ack.is_some() {
            return false;
        }
        match &mut leg.change {
            Some(change) if change.offer.is_some() || change.next.is_some() => return false,
            Some(refresh) => refresh.next = Some(sdp.into()),
            None => self.begin_change(now, id, Some(sdp.into()), out),
        }
        true
    }

    /// Refreshes the session.
    pub(super) fn begin_refresh(&mut self, now: Instant, id: LegId, out: &mut Outputs) {
        self.begin_change(now, id, None, out);
    }

    fn begin_change(
        &mut self,
        now: Instant,
        id: LegId,
        offer: Option<Box<[u8]>>,
        out: &mut Outputs,
    ) {
        let Some(leg) = self.legs.get_mut(&id) else { return };
        let by_update = offer.is_none() && leg.takes_update;
        let answers = Answers::default();
        let change = Change { offer, next: None, by_update, answers, tries: 0, put_off: None };
        leg.change = Some(Box::new(change));
        self.send_change(now, id, out);
    }

    /// Sends the change, the first time or again, unless this is no moment for it.
    fn send_change(&mut self, now: Instant, id: LegId, out: &mut Outputs) {
        let occupied =
            self.clients_full() || self.legs.get(&id).is_some_and(|leg| leg.is_occupied());
        if occupied {
            return self.put_off(now, id, None, out);
        }
        let (branch, cnonce) = (self.tokens.branch(), self.tokens.next());
        let Some(leg) = self.legs.get_mut(&id) else { return };
        let Some(change) = &leg.change else { return };
        let by_update = change.by_update;
        let method: &[u8] = if by_update { b"UPDATE" } else { b"INVITE" };
        let body: &[u8] = match &change.offer {
            Some(offer) => offer,
            None if by_update => b"",
            None => &leg.described,
        };
        let cseq = leg.dialog.next_cseq();
        let (mut writer, uri) = self.composer.in_dialog(&leg.dialog, method, &branch, cseq);
        self.composer.abilities(&mut writer, &leg.dialog.origin.contact);
        Self::keep_session(&self.config.extensions, leg, &mut writer);
        let authorization = authorization(leg.session.as_mut(), method, &uri, body, &cnonce);
        writer.raw(&[&authorization]);
        let bytes = writer.finish_sdp(body);
        let (peer, owner) = (leg.dialog.destination, Owner::Change(id));
        if by_update {
            let plain = Plain { branch, cseq, peer, owner, bytes };
            return self.start_plain(now, method, plain, out);
        }
        let transaction = ClientTransaction {
            machine: ClientMachine::Invite(ClientInvite::new(now, peer.transport)),
            branch: branch.clone(),
            cseq,
            peer,
            owner,
            datagram: Some(bytes.into()),
            armed: None,
            invite: Some(Acknowledging {
                origin: Arc::clone(&leg.dialog.origin),
                authorization,
                acks: Vec::new(),
                within: Some(Box::new(leg.dialog.clone())),
            }),
        };
        self.start_client(self.client_key(&branch, method), transaction, out);
    }

    /// Waits for a better moment: `after`, or as long as §14.1 says, so that two sides whose
    /// offers crossed do not cross again.
    fn put_off(&mut self, now: Instant, id: LegId, after: Option<Duration>, out: &mut Outputs) {
        let Some(leg) = self.legs.get(&id) else { return };
        // In steps of 10 ms: 2.1 to 4 s for the owner of the Call-ID, 0 to 2 s for the other.
        let (least, steps) = if leg.placed { (210, 191) } else { (0, 201) };
        let crossed = Duration::from_millis(10 * u64::from(least + self.tokens.below(steps)));
        let Some(change) = self.legs.get_mut(&id).and_then(|leg| leg.change.as_mut()) else {
            return;
        };
        change.tries += 1;
        if change.tries > MAX_CHANGE_TRIES {
            return self.change_refused(now, id, 491, out);
        }
        let at = now + after.unwrap_or(crossed);
        change.put_off = Some(self.timers.set(at, Due::Change(id)));
    }

    /// A change that was put off may be tried again.
    pub(super) fn change_due(&mut self, now: Instant, id: LegId, out: &mut Outputs) {
        let Some(leg) = self.legs.get_mut(&id) else { return };
        let Some(change) = &mut leg.change else { return };
        change.put_off = None;
        if matches!(leg.state, State::Up) {
            self.send_change(now, id, out);
        }
    }

    /// The final response to a re-INVITE or UPDATE of ours.
    pub(super) fn change_heard(
        &mut self,
        now: Instant,
        id: LegId,
        response: &Response,
        out: &mut Outputs,
    ) {
        let Some(leg) = self.legs.get_mut(&id) else { return };
        let Some(change) = &mut leg.change else { return };
        if !matches!(leg.state, State::Up) {
            return;
        }
        let again = change.tries < MAX_CHANGE_TRIES;
        match response.code {
            ..300 => return self.change_accepted(now, id, response, out),
            // The peer does not know the call any more (§12.2.1.2).
            408 | 481 => return self.session_over(now, id, out),
            401 | 407 => {
                let answers = &mut change.answers;
                if leg.session.as_mut().is_some_and(|s| s.challenged(response, answers)) {
                    self.counters.challenges += 1;
                    return self.send_change(now, id, out);
                }
            }
            422 if again => {
                if let (Some(timer), Some(min_s)) = (&mut leg.timer, min_se(&response.headers)) {
                    change.tries += 1;
                    timer.interval_s = timer.interval_s.max(min_s);
                    return self.send_change(now, id, out);
                }
            }
            491 => {
                self.counters.offers_crossed += 1;
                return self.put_off(now, id, None, out);
            }
            405 | 501 if change.by_update => {
                change.by_update = false;
                leg.takes_update = false;
                return self.send_change(now, id, out);
            }
            500 => {
                let wait = header::retry_after_seconds(&response.headers);
                if let Some(wait) = wait.filter(|wait| *wait <= MAX_WAIT_S) {
                    let wait = Duration::from_secs(u64::from(wait));
                    return self.put_off(now, id, Some(wait), out);
                }
            }
            _ => {}
        }
        self.change_refused(now, id, response.code, out);
    }

    fn change_accepted(&mut self, now: Instant, id: LegId, response: &Response, out: &mut Outputs) {
        let Some(leg) = self.legs.get_mut(&id) else { return };
        let Some(change) = leg.change.take() else { return };
        leg.dialog.retarget(&response.headers);
        self.session_answered(now, id, &response.headers);
        let Some(leg) = self.legs.get_mut(&id) else { return };
        let sdp = response.sdp().map(<[u8]>::to_vec);
        if let Some(offer) = change.offer {
            leg.described = offer;
            out.events.push(Event::OfferAnswered { leg: id, sdp });
        } else {
            self.counters.sessions_refreshed += 1;
            if sdp.is_some() {
                out.events.push(Event::OfferAnswered { leg: id, sdp });
            }
        }
        if let Some(next) = change.next {
            self.begin_change(now, id, Some(next), out);
        }
    }

    /// The call goes on as it was.
    fn change_refused(&mut self, now: Instant, id: LegId, code: u16, out: &mut Outputs) {
        let Some(change) = self.legs.get_mut(&id).and_then(|leg| leg.change.take()) else { return };
        if change.offer.is_some() {
            out.events.push(Event::OfferRefused { leg: id, code });
        } else {
            self.refresh_refused(now, id);
        }
        if let Some(next) = change.next {
            self.begin_change(now, id, Some(next), out);
        }
    }

    /// Nobody answered: to be treated as 408 (§8.1.3.1), and the call is over.
    pub(super) fn change_unheard(&mut self, now: Instant, id: LegId, out: &mut Outputs) {
        let waiting = |leg: &Leg| leg.change.is_some() && matches!(leg.state, State::Up);
        if self.legs.get(&id).is_some_and(|leg| waiting(leg)) {
            self.session_over(now, id, out);
        }
    }
}
