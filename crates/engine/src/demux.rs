//! Which call a datagram on an RTP port belongs to: the one whose answer named its source.
//!
//! Ports are shared, so two calls of one port whose answers name the same remote address cannot
//! be told apart. The earlier keeps the address; the later plays but receives nothing, which its
//! outcome says. A trunk that answers with a port a call never gets there.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use crate::io::CallKey;

#[derive(Debug, Default)]
pub(crate) struct Demux {
    calls: BTreeMap<(u8, SocketAddr), CallKey>,
}

impl Demux {
    /// Gives a source to a call. `false` when another call of the slot has it.
    pub(crate) fn claim(&mut self, slot: u8, source: SocketAddr, call: CallKey) -> bool {
        *self.calls.entry((slot, source)).or_insert(call) == call
    }

    /// Takes a source back, if it is this call's.
    pub(crate) fn release(&mut self, slot: u8, source: SocketAddr, call: CallKey) {
        if self.calls.get(&(slot, source)) == Some(&call) {
            self.calls.remove(&(slot, source));
        }
    }

    /// The call that a source belongs to.
    pub(crate) fn find(&self, slot: u8, source: SocketAddr) -> Option<CallKey> {
        self.calls.get(&(slot, source)).copied()
    }

    /// How many sources are known.
    pub(crate) fn len(&self) -> usize {
        self.calls.len()
    }
}
