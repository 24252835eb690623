//! Which call a datagram on an RTP port belongs to: the one whose answer named its source.
//!
//! Ports are shared, so two calls of one port whose answers name the same remote address cannot
//! be told apart. The earlier keeps the address; the later plays but receives nothing, which its
//! outcome says. A trunk that answers with a port a call never gets there. An address that one call
//! names for its reports and another for its sound is no such case: sound goes to the latter.
//!
//! A phone behind NAT sends from an address that its answer did not name. Its call is found by the
//! IPs from which it may come, as long as one call of the port alone waits for that.

use std::collections::BTreeSet;
#[expect(clippy::disallowed_types, reason = "it is looked up and never walked")]
use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::time::Instant;

use media::rtp::{Packet, Receiver};

use crate::io::CallKey;
use crate::limits::MAX_FOLLOWING;

/// The sound of a peer that nobody listens to. Most packets are of it; what they touch lies apart
/// from the rest of their call, which is not in the caches when they come.
#[derive(Debug, Default)]
pub(crate) struct Counted {
    pub(crate) receiver: Receiver,
    /// The payload types of what is only counted.
    pub(crate) sound: [u8; 3],
}

impl Counted {
    /// Counts a packet, if it is such sound: whether that was all.
    pub(crate) fn count(&mut self, now: Instant, bytes: &[u8]) -> bool {
        let Ok(packet) = Packet::parse(bytes) else { return false };
        if !self.sound.contains(&packet.header.payload_type) {
            return false;
        }
        self.receiver.receive(now, &packet.header);
        true
    }
}

/// Where packets come from.
#[derive(Debug)]
struct Source {
    call: CallKey,
    /// While sound from here is only counted.
    counted: Option<Box<Counted>>,
}

#[derive(Debug, Default)]
pub(crate) struct Demux {
    #[expect(clippy::disallowed_types, reason = "it is looked up and never walked")]
    calls: HashMap<(u8, SocketAddr), Source>,
    /// Where reports come from, and nothing else.
    #[expect(clippy::disallowed_types, reason = "it is looked up and never walked")]
    reports: HashMap<(u8, SocketAddr), CallKey>,
    /// Calls that follow their peer, by the IPs from which it may come.
    expected: BTreeSet<(u8, IpAddr, CallKey)>,
}

impl Demux {
    /// Gives a source to a call. `false` when another call of the slot has it.
    pub(crate) fn claim(&mut self, slot: u8, source: SocketAddr, call: CallKey) -> bool {
        let new = || Source { call, counted: None };
        self.calls.entry((slot, source)).or_insert_with(new).call == call
    }

    /// Gives a source of reports to a call, unless another call of the slot has it.
    pub(crate) fn claim_reports(&mut self, slot: u8, source: SocketAddr, call: CallKey) {
        self.reports.entry((slot, source)).or_insert(call);
    }

    /// The call whose reports come from there.
    pub(crate) fn find_reports(&self, slot: u8, source: SocketAddr) -> Option<CallKey> {
        self.reports.get(&(slot, source)).copied()
    }

    /// Takes a source back, if it is this call's.
    pub(crate) fn release(&mut self, slot: u8, source: SocketAddr, call: CallKey) {
        if self.find(slot, source) == Some(call) {
            self.calls.remove(&(slot, source));
        }
        if self.find_reports(slot, source) == Some(call) {
            self.reports.remove(&(slot, source));
        }
    }

    /// The call that a source belongs to.
    pub(crate) fn find(&self, slot: u8, source: SocketAddr) -> Option<CallKey> {
        self.calls.get(&(slot, source)).map(|source| source.call)
    }

    /// Counts the sound of a source here from now on. Given back when the source is not this
    /// call's.
    pub(crate) fn lend_counted(
        &mut self,
        slot: u8,
        source: SocketAddr,
        call: CallKey,
        counted: Box<Counted>,
    ) -> Option<Box<Counted>> {
        match self.calls.get_mut(&(slot, source)) {
            Some(source) if source.call == call => source.counted.replace(counted),
            _ => Some(counted),
        }
    }

    /// Counts it here no more: what was counted so far.
    pub(crate) fn take_counted(
        &mut self,
        slot: u8,
        source: SocketAddr,
        call: CallKey,
    ) -> Option<Box<Counted>> {
        let source = self.calls.get_mut(&(slot, source))?;
        if source.call == call { source.counted.take() } else { None }
    }

    /// Where the sound of a source is counted, and of which call, while it is only counted.
    pub(crate) fn counted(
        &mut self,
        slot: u8,
        source: SocketAddr,
    ) -> Option<(CallKey, &mut Counted)> {
        let source = self.calls.get_mut(&(slot, source))?;
        Some((source.call, source.counted.as_deref_mut()?))
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
        self.calls.len() + self.reports.len() + self.expected.len()
    }
}
