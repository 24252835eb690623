//! Which shard a SIP message is for. All shards share the sockets, so that peers see one address;
//! what comes in is sorted by the Call-ID, which names the shard of every call that we placed.
//! Everything else is for the first shard: phones, registrations, and calls that come in.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use sip::message::header;

use super::inbox::{Inbox, ShardCommand};
use crate::refusals::SHARD_WITHOUT_ROOM;

/// The inboxes of all shards.
pub struct Sorter {
    inboxes: Vec<Inbox>,
}

impl Sorter {
    /// For shards in their order.
    pub(crate) fn new(inboxes: Vec<Inbox>) -> Self {
        Self { inboxes }
    }

    /// The inbox of the shard that a message is for.
    pub fn inbox_for(&self, message: &[u8]) -> &Inbox {
        &self.inboxes[self.shard_for(message)]
    }

    fn shard_for(&self, message: &[u8]) -> usize {
        if self.inboxes.len() == 1 {
            return 0;
        }
        // Who calls us may have chosen a Call-ID that looks like one of ours.
        header::call_id(message)
            .filter(|_| header::is_for_us(message))
            .and_then(|call_id| node::shard_of_call_id(call_id, self.inboxes.len()))
            .unwrap_or(0)
    }

    /// Every inbox.
    pub fn inboxes(&self) -> &[Inbox] {
        &self.inboxes
    }
}

/// The receiving side of the SIP socket, which the first shard has for all.
pub(super) struct Door {
    sorter: Arc<Sorter>,
    /// The shards that got datagrams and were not woken yet.
    posted: Vec<bool>,
    /// ICMP errors wait at the socket.
    pub(super) errors: bool,
    /// Datagrams wait on the socket.
    pub(super) waits: bool,
    /// Until then the socket wakes nobody.
    pub(super) gathers_until: Instant,
    /// Datagrams for which the other shards had no room: [`SHARD_WITHOUT_ROOM`].
    pub(super) dropped: u64,
}

impl Door {
    pub(super) fn new(sorter: Arc<Sorter>, now: Instant) -> Self {
        let posted = vec![false; sorter.inboxes.len()];
        let (errors, waits, dropped) = (false, false, 0);
        Self { sorter, posted, errors, waits, gathers_until: now, dropped }
    }

    /// Takes a datagram that is for another shard. Returns whether it was.
    pub(super) fn take(&mut self, source: SocketAddr, bytes: &[u8]) -> bool {
        let shard = self.sorter.shard_for(bytes);
        if shard == 0 {
            return false;
        }
        if self.sorter.inboxes[shard].post(source, bytes) {
            self.posted[shard] = true;
        } else {
            self.dropped += 1;
            let reason = SHARD_WITHOUT_ROOM;
            metrics::counter!("avanak_sip_messages_dropped_total", "reason" => reason).increment(1);
        }
        true
    }

    /// Wakes the shards that got something.
    pub(super) fn ring(&mut self) {
        for (inbox, posted) in self.sorter.inboxes.iter().zip(&mut self.posted) {
            if std::mem::take(posted) {
                inbox.wake();
            }
        }
    }

    /// Tells the other shards that a destination cannot be reached.
    pub(super) fn undeliverable(&self, destination: SocketAddr) {
        for inbox in &self.sorter.inboxes[1..] {
            // Without it, the timers of a call say the same a little later.
            let _ = inbox.send(ShardCommand::Undeliverable { destination });
        }
    }
}
