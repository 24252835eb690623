//! What is known of calls in progress before anything is written down: ringing, answered. A hint
//! for status questions; the store alone knows how a call ended.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use domain::{QuickSendId, Status};

/// The calls this process has on the wire. Bounded by the engine's own limit of calls, since an
/// entry lives from the INVITE to the settlement.
#[derive(Debug, Default)]
pub struct LiveCalls {
    by_send: Mutex<BTreeMap<QuickSendId, Status>>,
}

impl LiveCalls {
    /// Moves a call forward. A status that would go back (a late event) is ignored, and so is a
    /// terminal one: ends are read from the store.
    pub fn set(&self, send: QuickSendId, status: Status) {
        if matches!(status, Status::Ended(_)) {
            return;
        }
        let mut calls = self.calls();
        let known = calls.entry(send).or_insert(status);
        *known = (*known).max(status);
    }

    /// Forgets a call: its end is in the store now, or it never began.
    pub fn remove(&self, send: QuickSendId) {
        self.calls().remove(&send);
    }

    /// Where a call stands, if this process has it.
    pub fn get(&self, send: QuickSendId) -> Option<Status> {
        self.calls().get(&send).copied()
    }

    /// How many calls there are.
    pub fn len(&self) -> usize {
        self.calls().len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.calls().is_empty()
    }

    /// A panic elsewhere cannot leave a half-written entry, so a poisoned lock is still good.
    fn calls(&self) -> MutexGuard<'_, BTreeMap<QuickSendId, Status>> {
        self.by_send.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::Disposition;

    #[test]
    fn a_late_event_never_takes_a_call_back() {
        let live = LiveCalls::default();
        let send = QuickSendId(7);
        live.set(send, Status::Answered);
        live.set(send, Status::Ringing);
        live.set(send, Status::Ended(Disposition::Delivered));
        assert_eq!(live.get(send), Some(Status::Answered));
        live.remove(send);
        assert!(live.is_empty());
    }
}
