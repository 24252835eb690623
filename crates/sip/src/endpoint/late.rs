//! Ends calls that come to life after we gave them up: nobody waits for such a phone, so it must
//! not go on ringing. Knows only what is left of the INVITE, and nothing of strangers.

use std::time::Instant;

use super::table::{Owner, Plain};
use super::{Endpoint, Failure, Outputs, Reason};
use crate::token::Key;

/// Q.850 cause 102, recovery on timer expiry.
const TIMER_EXPIRED: Reason = Reason { q850: 102 };

impl Endpoint {
    /// Nobody answered in time. The owner is told; of an INVITE the transaction stays as long as
    /// its machine wants, without an owner.
    pub(super) fn give_up_client(&mut self, now: Instant, key: Key, out: &mut Outputs) {
        let kept = self.clients.get_mut(key).filter(|transaction| transaction.invite.is_some());
        let Some(transaction) = kept else {
            return self.fail_client(now, key, &Failure::Timeout, out);
        };
        transaction.datagram = None;
        let owner = std::mem::replace(&mut transaction.owner, Owner::Nobody);
        self.rearm_client(key);
        self.tell_unheard(now, owner, &Failure::Timeout, out);
    }

    /// A 1xx to an INVITE for whose answer nobody waits any more: cancelled, again at the next 1xx
    /// after the CANCEL's own transaction, so that the peer cannot make us send much.
    pub(super) fn cancel_late(&mut self, now: Instant, key: Key, out: &mut Outputs) {
        let Some(transaction) = self.clients.get(key) else { return };
        let Some(invite) = transaction.invite.as_ref().filter(|invite| invite.within.is_none())
        else {
            return;
        };
        let (branch, cseq, peer) = (transaction.branch.clone(), transaction.cseq, transaction.peer);
        if self.clients.contains_key(self.client_key(&branch, b"CANCEL")) {
            return;
        }
        let bytes = self.composer.cancel(&invite.origin, &branch, cseq, Some(TIMER_EXPIRED));
        self.counters.late_responses += 1;
        let plain = Plain { branch, cseq, peer, owner: Owner::Nobody, bytes };
        self.start_plain(now, b"CANCEL", plain, out);
    }
}
