//! Places for streams, which stay open: a bounded number, and few of one account.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use domain::AccountId;

/// Streams of everybody together.
const SEATS: u32 = 256;
/// Streams of one account.
const EACH: u32 = 4;

/// The places.
#[derive(Clone, Default)]
pub(crate) struct Seats(Arc<Mutex<BTreeMap<AccountId, u32>>>);

/// A place that is taken until this is dropped.
pub(crate) struct Seat {
    seats: Seats,
    account: AccountId,
}

impl Seats {
    /// A place, if there is one.
    pub(crate) fn take(&self, account: AccountId) -> Option<Seat> {
        let mut taken = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let all: u32 = taken.values().sum();
        let own = taken.get(&account).copied().unwrap_or(0);
        if all >= SEATS || own >= EACH {
            return None;
        }
        taken.insert(account, own + 1);
        Some(Seat { seats: self.clone(), account })
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut taken = self.seats.0.lock().unwrap_or_else(PoisonError::into_inner);
        let left = taken.get(&self.account).map_or(0, |count| count - 1);
        if left == 0 {
            taken.remove(&self.account);
        } else {
            taken.insert(self.account, left);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_bounded_and_come_back() {
        let seats = Seats::default();
        let mut own: Vec<Seat> = (0..EACH).map(|_| seats.take(AccountId(1)).unwrap()).collect();
        assert!(seats.take(AccountId(1)).is_none());
        own.pop();
        own.push(seats.take(AccountId(1)).unwrap());
        let rest: Vec<Seat> = (2..).map_while(|n| seats.take(AccountId(n))).collect();
        assert_eq!(rest.len() + own.len(), usize::try_from(SEATS).unwrap());
        drop((own, rest));
        assert!(seats.0.lock().unwrap().is_empty());
    }
}
