//! Offers of the peer within an answered call: re-INVITE and UPDATE, and our answers to them.

use std::time::Instant;

use super::callee::cseq_of;
use super::compose::ReplyHead;
use super::leg::{Carrier, Leg, Reoffer, State, Unacked};
use super::table::ServerMachine;
use super::{Endpoint, Event, LegId, Outputs};
use crate::message::{Method, Name, Request};
use crate::token::Key;
use crate::transaction::{Server, ServerInvite};
use crate::transport::Hop;

impl Leg {
    /// Why a re-INVITE or UPDATE cannot be taken now, with the seconds of a Retry-After.
    fn refuses_offer(&self, asks: bool) -> Option<(u16, &'static [u8])> {
        match self.state {
            State::Up => {}
            State::Ending(_) => return Some((481, b"")),
            State::Calling(_) | State::Ringing { .. } => return Some((491, b"")),
        }
        // Our own offer is open (§14.2), or the answer to the one in our 200.
        let crossed = self.is_reinviting() || self.unacked.is_some_and(|unacked| unacked.offers);
        if asks && crossed {
            return Some((491, b""));
        }
        (asks && self.reoffer.is_some()).then_some((500, b"1"))
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
        let sdp = request.sdp().map(<[u8]>::to_vec);
        let by_invite = request.method == Method::Invite;
        let asks = by_invite || sdp.is_some();
        if let Some((code, wait)) = leg.refuses_offer(asks) {
            self.counters.offers_crossed += u64::from(code == 491);
            let wait = [(Name::RetryAfter, wait)];
            return self.refuse(now, request, source, code, &wait[..usize::from(code == 500)], out);
        }
        if self.servers_full() {
            return self.refuse_full(now, request, source, out);
        }
        let granted = match self.config.extensions.grant(&request.headers, leg.timer.as_ref()) {
            Ok(granted) => granted,
            Err(min_s) => return self.refuse_interval(now, request, source, min_s, out),
        };
        if asks {
            // Whoever offers anew has had our 200, whatever became of the ACK (RFC 5407 §3.1.4).
            self.acknowledged(now, id, None, out);
        }
        let Some(leg) = self.legs.get_mut(&id) else { return };
        if !matches!(leg.state, State::Up) {
            return self.refuse(now, request, source, 481, &[], out);
        }
        leg.dialog.retarget(&request.headers);
        leg.granted = granted;
        if asks {
            let carrier = if by_invite { Carrier::Invite } else { Carrier::Update };
            let (cseq, offered) = (cseq_of(request), sdp.is_some());
            leg.reoffer = Some(Reoffer { transaction: key, cseq, carrier, offered });
        }
        let head = ReplyHead::new(request, source, [0; 16]);
        let machine = if by_invite {
            ServerMachine::Invite(ServerInvite::new(now, source.transport))
        } else {
            ServerMachine::Other(Server::new(now, source.transport))
        };
        self.keep(key, machine, head, Some(id));
        if asks {
            out.events.push(Event::Reoffer { leg: id, sdp });
        } else {
            // An UPDATE without offer only refreshes the target or the session.
            self.accept(now, key, id, b"", out);
        }
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
                leg.granted.take_if(|_| reoffer.carrier != Carrier::Prack);
                self.respond_plain(now, key, code.clamp(300, 699), out);
            }
            (Ok(sdp), Carrier::Prack) => {
                let Some(transaction) = self.servers.get(&key) else { return };
                let writer = self.composer.response(&transaction.head, 200, "");
                let bytes = writer.finish_sdp(sdp);
                self.respond(now, key, 200, bytes, out);
            }
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
