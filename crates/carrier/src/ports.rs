//! Which media port belongs to which call.

use std::collections::VecDeque;

use crate::io::{CallId, PortSlot};

/// The pool of media ports. A freed port waits at the end of the line, so that late packets of
/// its last call do not reach the next one.
#[derive(Debug)]
pub(crate) struct Ports {
    numbers: Vec<u16>,
    owners: Vec<Option<CallId>>,
    free: VecDeque<PortSlot>,
}

impl Ports {
    pub(crate) fn new(numbers: Vec<u16>) -> Self {
        let owners = vec![None; numbers.len()];
        let free = (0..numbers.len()).map(PortSlot).collect();
        Self { numbers, owners, free }
    }

    /// Takes a port for a call: its slot and its number.
    pub(crate) fn take(&mut self, call: CallId) -> Option<(PortSlot, u16)> {
        let slot = self.free.pop_front()?;
        self.owners[slot.0] = Some(call);
        Some((slot, self.numbers[slot.0]))
    }

    pub(crate) fn give_back(&mut self, slot: PortSlot) {
        if self.owners[slot.0].take().is_some() {
            self.free.push_back(slot);
        }
    }

    pub(crate) fn owner(&self, slot: PortSlot) -> Option<CallId> {
        self.owners.get(slot.0).copied().flatten()
    }

    pub(crate) fn taken(&self) -> usize {
        self.numbers.len() - self.free.len()
    }
}
