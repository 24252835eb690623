//! What comes to an RTP port: to which call it goes, and a short way for what most of it is, sound
//! that is counted and that nobody listens to.

use std::net::SocketAddr;
use std::time::Instant;

use super::Engine;
use crate::io::CallKey;

impl Engine {
    /// Says whether what comes to a port is whole, or sound is thrown away before it gets here.
    /// What calls of the port lost on the way is then not known, now and later: it is told as
    /// nothing, to their peers and in their records.
    pub fn drops_sound(&mut self, slot: u8, drops: bool) {
        if let Some(sound) = self.wires.sound.get_mut(usize::from(slot)) {
            sound.times += u32::from(drops && !sound.drops);
            sound.drops = drops;
        }
    }

    /// Counts a packet of sound that nobody listens to. It leads to nothing, so nothing has to be
    /// looked at afterwards. `false`: it is more than that, or something else comes first.
    pub(super) fn only_counted(
        &mut self,
        now: Instant,
        slot: u8,
        source: SocketAddr,
        bytes: &[u8],
    ) -> bool {
        if self.done_at != Some(now) {
            return false;
        }
        let Some((call, counted)) = self.wires.demux.counted(slot, source) else { return false };
        self.touching = Some(call);
        let counted = counted.count(now, bytes);
        self.touching = None;
        self.wires.counters.rtp_received += u64::from(counted);
        counted
    }

    /// Takes any datagram of an RTP port.
    pub(super) fn rtp(&mut self, now: Instant, slot: u8, source: SocketAddr, bytes: &[u8]) {
        let demux = &self.wires.demux;
        if let Some(key) = demux.find(slot, source) {
            self.touch(now, key, |call, wires| call.received(now, bytes, wires));
        } else if let Some(key) = demux.find_reports(slot, source) {
            self.touch(now, key, |call, wires| call.received_report(now, bytes, wires));
        } else if let Some(key) = self.follower(now, slot, source) {
            self.touch(now, key, |call, wires| call.stranger(now, source, bytes, wires));
        } else {
            self.wires.counters.rtp_strangers += 1;
        }
    }

    /// The one call that a packet of an unknown source may belong to.
    fn follower(&self, now: Instant, slot: u8, source: SocketAddr) -> Option<CallKey> {
        let waits =
            |key: &CallKey| self.calls.get(key).is_some_and(|entry| entry.call.follows(now));
        let mut waiting = self.wires.demux.expecting(slot, source.ip()).filter(waits);
        let first = waiting.next()?;
        waiting.next().is_none().then_some(first)
    }
}
