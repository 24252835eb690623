//! Which call a datagram on an RTP port belongs to: the one whose answer named its source.
//!
//! Ports are shared, so two calls of one port whose answers name the same remote address cannot
//! be told apart. The earlier keeps the address; the later plays but receives nothing, which its
//! outcome says. A trunk that answers with a port a call never gets there.
//!
//! A phone behind NAT sends from an address that its answer did not name. Its call is found by the
//! IPs from which it may come, as long as one call of the port alone waits for that.

use std::collections::BTreeSet;
#[expect(clippy::disallowed_types, reason = "it is looked up and never walked")]
use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};

use crate::io::CallKey;
use crate::limits::MAX_FOLLOWING;

#[derive(Debug, Default)]
pub(crate) struct Demux {
    #[expect(clippy::disallowed_types, reason = "it is looked up and never walked")]
    calls: HashMap<(u8, SocketAddr), CallKey>,
    /// Calls that follow their peer, by the IPs from which it may come.
    expected: BTreeSet<(u8, IpAddr, CallKey)>,
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

    /// Lets a call follow its peer to this IP.
    pub(crate) fn expect(&mut self, slot: u8, ip: IpAddr, call: CallKey) {
        self.expected.insert((slot, ip, call));
    }

    /// Takes that back.
    pub(crate) fn expect_no_more(&mut self, slot: u8, ip: IpAddr, call: CallKey) {
        self.expected.remove(&(slot, ip, call));
    }

    /// The calls that may be meant by a source that belongs to none, at most
    /// [`MAX_FOLLOWING`].
    pub(crate) fn expecting(&self, slot: u8, ip: IpAddr) -> impl Iterator<Item = CallKey> {
        let range = (slot, ip, CallKey(0))..=(slot, ip, CallKey(u64::MAX));
        self.expected.range(range).map(|(_, _, call)| *call).take(MAX_FOLLOWING)
    }

    /// How many sources are known, those that are only expected included.
    pub(crate) fn len(&self) -> usize {
        self.calls.len() + self.expected.len()
    }
}
