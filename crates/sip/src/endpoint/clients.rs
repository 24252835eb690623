//! The requests that we sent, found by what their responses repeat. Those that only absorb repeats
//! outnumber the others a hundred times under load; they stand apart, so that what is needed for
//! every message stays small.

use std::collections::BTreeMap;

use super::table::ClientTransaction;
use crate::token::Key;

// Boxed, since trees move what they hold.
type Kept = BTreeMap<Key, Box<ClientTransaction>>;

/// All client transactions of an endpoint.
#[derive(Default)]
pub(super) struct Clients {
    active: Kept,
    lingering: Kept,
}

impl Clients {
    pub(super) fn len(&self) -> usize {
        self.active.len() + self.lingering.len()
    }

    pub(super) fn contains_key(&self, key: Key) -> bool {
        self.active.contains_key(&key) || self.lingering.contains_key(&key)
    }

    pub(super) fn get(&self, key: Key) -> Option<&ClientTransaction> {
        self.active.get(&key).or_else(|| self.lingering.get(&key)).map(|kept| &**kept)
    }

    pub(super) fn get_mut(&mut self, key: Key) -> Option<&mut ClientTransaction> {
        let active = self.active.get_mut(&key);
        active.or_else(|| self.lingering.get_mut(&key)).map(|kept| &mut **kept)
    }

    pub(super) fn insert(&mut self, key: Key, transaction: ClientTransaction) {
        self.active.insert(key, Box::new(transaction));
    }

    pub(super) fn remove(&mut self, key: Key) -> Option<Box<ClientTransaction>> {
        self.active.remove(&key).or_else(|| self.lingering.remove(&key))
    }

    /// Sets a transaction apart from which nothing more is expected.
    pub(super) fn linger(&mut self, key: Key) {
        if let Some(transaction) = self.active.remove(&key) {
            self.lingering.insert(key, transaction);
        }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&Key, &ClientTransaction)> {
        self.active.iter().chain(&self.lingering).map(|(key, kept)| (key, &**kept))
    }
}
