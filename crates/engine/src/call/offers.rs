//! Offers and answers of a call's sound (RFC 3264): what the answer agrees on, what the peer wants
//! changed before it and after.

use std::time::Instant;

use media::sdp::{self, Negotiated};

use super::{Call, Phase, Wires, reachable};

impl Call {
    /// What a 200 agrees on: by its own answer, by ours to the last UPDATE before it, or else by
    /// what came before it.
    pub(super) fn agreed_by(&mut self, sdp: Option<Vec<u8>>) -> Result<Negotiated, sdp::Refusal> {
        let (ours, before) = (self.answered_with.take(), self.early_sdp.take());
        match (sdp, ours) {
            (None, Some(ours)) => Ok(*ours),
            (sdp, _) => {
                let body = sdp.or(before.map(Vec::from)).unwrap_or_default();
                sdp::read_answer(&self.local, &body)
            }
        }
    }

    /// The callee moves what it described before it answers, such as from a tone to a phone.
    fn reoffer_early(&mut self, now: Instant, sdp: &[u8], wires: &mut Wires) {
        match sdp::answer_offer(&self.local, sdp) {
            Ok((agreed, answer)) if reachable(&agreed, self.local.address.ip()) => {
                wires.sip.answer_reoffer(now, self.leg, &answer, &mut wires.sip_out);
                self.listen_early(agreed, wires);
                self.answered_with = Some(Box::new(agreed));
            }
            _ => wires.sip.refuse_reoffer(now, self.leg, 488, &mut wires.sip_out),
        }
    }

    /// The peer wants other media: another address or codec, hold or resume.
    pub(crate) fn reoffer(&mut self, now: Instant, sdp: Option<&[u8]>, wires: &mut Wires) {
        if let (Phase::Calling, Some(sdp)) = (self.phase, sdp) {
            self.local.session_version += 1;
            return self.reoffer_early(now, sdp, wires);
        }
        if self.phase != Phase::Up {
            return wires.sip.refuse_reoffer(now, self.leg, 488, &mut wires.sip_out);
        }
        self.local.session_version += 1;
        self.awaits_answer = sdp.is_none();
        let Some(sdp) = sdp else {
            let offer = self.local.print_offer();
            return wires.sip.answer_reoffer(now, self.leg, &offer, &mut wires.sip_out);
        };
        match sdp::answer_offer(&self.local, sdp) {
            Ok((agreed, answer)) if reachable(&agreed, self.local.address.ip()) => {
                wires.sip.answer_reoffer(now, self.leg, &answer, &mut wires.sip_out);
                self.agree(now, agreed, wires);
            }
            _ => wires.sip.refuse_reoffer(now, self.leg, 488, &mut wires.sip_out),
        }
    }

    /// The answer to an offer of ours within the call.
    pub(crate) fn offer_answered(&mut self, now: Instant, sdp: Option<&[u8]>, wires: &mut Wires) {
        let (Phase::Up, Some(sdp)) = (self.phase, sdp) else { return };
        if let Ok(agreed) = sdp::read_answer(&self.local, sdp)
            && reachable(&agreed, self.local.address.ip())
        {
            self.agree(now, agreed, wires);
        }
    }
}
