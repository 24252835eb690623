//! Offers of the peer within an answered call: re-INVITE and UPDATE, and our answers to them.

use std::time::Instant;

use super::callee::cseq_of;
use super::compose::ReplyHead;
use super::leg::{Carrier, Leg, Reoffer, State, Unacked};
use super::table::ServerMachine;
use super::{Endpoint, Event, LegId, Outputs};
use crate::dialog::Dialog;
use crate::message::{Method, Name, Request};
use crate::token::Key;
use crate::transaction::{Server, ServerInvite};
use crate::transport::Hop;

/// Why an offer is not looked at now: the code, and the seconds of a Retry-After.
type NotNow = (u16, &'static [u8]);

/// Our own offer is open: the peer's must wait (RFC 3261 §14.2, RFC 3311 §5.2).
const CROSSED: NotNow = (491, b"");
/// The peer's own offer is open.
const ONE_AT_A_TIME: NotNow = (500, b"1");
const OVER: NotNow = (481, b"");

impl Leg {
    /// Why a re-INVITE or UPDATE cannot be taken now.
    fn refuses_offer(&self, request: &Request, asks: bool) -> Option<NotNow> {
        let early = match &self.state {
            State::Up => false,
            State::Ending(_) => return Some(OVER),
            State::Calling(_) | State::Ringing { .. } if request.method == Method::Invite => {
                return Some(CROSSED);
            }
            State::Calling(calling) => {
                // Our sound is that of one dialog: who forked may change it once one is left.
                let [early] = &*calling.earlies else { return asks.then_some(CROSSED) };
                let unanswered = early.sdp.is_none() || !early.is_of(request);
                if asks && (unanswered || calling.cancel.is_some()) {
                    return Some(CROSSED);
                }
                true
            }
            State::Ringing { .. } => {
                let settled = self.reliable.as_ref().is_some_and(|reliable| reliable.is_settled());
                if asks && !settled {
                    return Some(ONE_AT_A_TIME);
                }
                true
            }
        };
        // Our own offer is open, or the answer to the one in our 200.
        let offers = || self.unacked.is_some_and(|unacked| unacked.offers);
        if asks && !early && (self.is_reinviting() || offers()) {
            return Some(CROSSED);
        }
        (asks && self.reoffer.is_some()).then_some(ONE_AT_A_TIME)
    }

    /// The dialog that a request of the peer is in; of a call that forks, the one of its tag.
    pub(super) fn dialog_of(&mut self, request: &Request) -> Option<&mut Dialog> {
        match &mut self.state {
            State::Calling(calling) => {
                let early = calling.earlies.iter_mut().find(|early| early.is_of(request))?;
                Some(&mut early.dialog)
            }
            _ => Some(&mut self.dialog),
        }
    }
}

impl Endpoint {
    /// A re-INVITE or UPDATE (§14.2, RFC 3311).
    pub(super) fn on_reoffer(
        &mut self,
        now: Instant,
        source: Hop,
        key: Key,
        id: LegId,
        request: &Request,
        out: &mut Outputs,
    ) {
        let Some(leg) = self.legs.get(&id) else { return };
        let asks = request.method == Method::Invite || request.sdp().is_some();
        if let Some((code, wait)) = leg.refuses_offer(request, asks) {
            self.counters.offers_crossed += u64::from(code == 491);
            let wait = [(Name::RetryAfter, wait)];
            return self.refuse(now, request, source, code, &wait[..usize::from(code == 500)], out);
        }
        if self.servers_full() {
            return self.refuse_full(now, request, source, out);
        }
        if !matches!(leg.state, State::Up) {
            return self.on_early_update(now, source, key, id, request, out);
        }
        let granted = match self.config.extensions.grant(&request.headers, leg.timer.as_ref()) {
            Ok(granted) => granted,
            Err(min_s) => return self.refuse_interval(now, request, source, min_s, out),
        };
        if asks {
            // Whoever offers anew has had our 200, whatever became of the ACK (RFC 5407 §3.1.4).
            self.acknowledged(now, id, None, out);
        }
        let Some(leg) = self.legs.get_mut(&id).filter(|leg| matches!(leg.state, State::Up)) else {
            return self.refuse(now, request, source, OVER.0, &[], out);
        };
        leg.dialog.retarget(&request.headers);
        leg.granted = granted;
        let head = ReplyHead::new(request, source, [0; 16]);
        let (carrier, machine) = if request.method == Method::Invite {
            (Carrier::Invite, ServerMachine::Invite(ServerInvite::new(now, source.transport)))
        } else {
            (Carrier::Update, ServerMachine::Other(Server::new(now, source.transport)))
        };
        self.keep(key, machine, head, Some(id));
        if asks {
            self.ask_owner(key, id, carrier, request, out);
        } else {
            // An UPDATE without offer only refreshes the target or the session.
            self.accept(now, key, id, b"", out);
        }
    }

    /// An UPDATE before the answer (RFC 3311 §5.2): one without offer moves the target only, since
    /// the session's timer begins with the answer.
    fn on_early_update(
        &mut self,
        now: Instant,
        source: Hop,
        key: Key,
        id: LegId,
        request: &Request,
        out: &mut Outputs,
    ) {
        let Some(leg) = self.legs.get_mut(&id) else { return };
        if let Some(dialog) = leg.dialog_of(request) {
            dialog.retarget(&request.headers);
        }
        let machine = ServerMachine::Other(Server::new(now, source.transport));
        self.keep(key, machine, ReplyHead::new(request, source, [0; 16]), Some(id));
        if request.sdp().is_some() {
            self.ask_owner(key, id, Carrier::Early, request, out);
        } else {
            self.accept_early(now, key, id, b"", out);
        }
    }

    /// Tells the owner of an offer, whose answer goes to the request of this `key`.
    pub(super) fn ask_owner(
        &mut self,
        key: Key,
        id: LegId,
        carrier: Carrier,
        request: &Request,
        out: &mut Outputs,
    ) {
        let Some(leg) = self.legs.get_mut(&id) else { return };
        let sdp = request.sdp().map(<[u8]>::to_vec);
        let (cseq, offered) = (cseq_of(request), sdp.is_some());
        leg.reoffer = Some(Reoffer { transaction: key, cseq, carrier, offered });
        out.events.push(Event::Reoffer { leg: id, sdp });
    }

    /// The 200 to an UPDATE or PRACK before the answer.
    fn accept_early(&mut self, now: Instant, key: Key, id: LegId, sdp: &[u8], out: &mut Outputs) {
        let (Some(transaction), Some(leg)) = (self.servers.get(&key), self.legs.get_mut(&id))
        else {
            return;
        };
        let mut writer = self.composer.response(&transaction.head, 200, "");
        writer.raw(&[&transaction.head.record_routes]);
        self.composer.abilities(&mut writer, &leg.dialog.origin.contact);
        let bytes = writer.finish_sdp(sdp);
        if !sdp.is_empty() {
            match &mut leg.state {
                State::Calling(calling) => {
                    // There was but one, or the offer would have been refused.
                    if let Some(early) = calling.earlies.first_mut() {
                        early.ours = Some(sdp.into());
                    }
                }
                _ => leg.described = sdp.into(),
            }
        }
        self.respond(now, key, 200, bytes, out);
    }

    /// See [`Endpoint::answer_reoffer`] and [`Endpoint::refuse_reoffer`].
    pub(super) fn settle_reoffer(
        &mut self,
        now: Instant,
        id: LegId,
        answer: Result<&[u8], u16>,
        out: &mut Outputs,
    ) {
        let Some(leg) = self.legs.get_mut(&id) else { return };
        let Some(reoffer) = leg.reoffer.take() else { return };
        let key = reoffer.transaction;
        match (answer, reoffer.carrier) {
            (Err(code), _) => {
                // Before the answer it is what the INVITE asked for.
                leg.granted.take_if(|_| matches!(leg.state, State::Up));
                self.respond_plain(now, key, code.clamp(300, 699), out);
            }
            (Ok(sdp), Carrier::Early) => self.accept_early(now, key, id, sdp, out),
            (Ok(sdp), carrier) => {
                if carrier == Carrier::Invite {
                    let (cseq, offers) = (reoffer.cseq, !reoffer.offered);
                    leg.unacked = Some(Unacked { transaction: key, cseq, first: false, offers });
                }
                self.accept(now, key, id, sdp, out);
            }
        }
    }
}
