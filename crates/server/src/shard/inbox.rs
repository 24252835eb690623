//! How others talk to a running shard: a bounded queue of commands, and a bell.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};

use anyhow::{Context as _, Result};
use engine::{CallKey, Command, Hop};
use nix::sys::eventfd::{EfdFlags, EventFd};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Commands that may wait for the shard; more is refused by the sender's side.
const COMMANDS: usize = 16_384;
/// Datagrams among them. What is beyond that is lost, as in a full socket.
const DATAGRAMS: usize = 1_024;

/// What a shard can be told.
pub enum ShardCommand {
    /// For the engine.
    Engine(Command),
    /// A datagram came to the SIP socket for a call of this shard.
    Sip {
        /// Who sent it.
        source: SocketAddr,
        /// The whole datagram.
        bytes: Vec<u8>,
        /// Its place among the datagrams that may wait; free again when it was handled.
        permit: OwnedSemaphorePermit,
    },
    /// A message came over a connection.
    SipOver {
        /// From whom.
        peer: Hop,
        /// The whole message.
        bytes: Vec<u8>,
        /// Its place among the messages that may wait; free again when it was handled.
        permit: OwnedSemaphorePermit,
    },
    /// A connection is gone, or could not be made.
    Disconnected {
        /// With whom.
        peer: Hop,
    },
    /// ICMP said that SIP cannot be delivered.
    Undeliverable {
        /// Where to.
        destination: SocketAddr,
    },
    /// The call is settled: its place in the flight recorder is free.
    Release(CallKey),
    /// End the thread. Calls that are alive are left to recovery.
    Stop,
}

/// Where a running shard takes its commands from; for whoever has something to say to it.
#[derive(Clone)]
pub struct Inbox {
    queue: SyncSender<ShardCommand>,
    wake: Arc<EventFd>,
    /// Set when the thread has ended.
    ended: Arc<AtomicBool>,
    datagrams: Arc<Semaphore>,
}

/// The shard's end of it.
pub(super) struct Commands {
    pub(super) queue: Receiver<ShardCommand>,
    pub(super) wake: Arc<EventFd>,
    /// Goes with the thread, however that ends.
    #[expect(dead_code, reason = "held for what its drop does")]
    pub(super) end: SetAtEnd,
}

/// Tells that a thread has ended.
#[derive(Default)]
pub(super) struct SetAtEnd(Arc<AtomicBool>);

impl Drop for SetAtEnd {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// An inbox, and the shard's end of it.
pub(super) fn inbox() -> Result<(Inbox, Commands)> {
    let (sender, queue) = sync_channel(COMMANDS);
    let wake = EventFd::from_flags(EfdFlags::EFD_NONBLOCK | EfdFlags::EFD_CLOEXEC)
        .context("making the shard's wake-up")?;
    let (wake, end) = (Arc::new(wake), SetAtEnd::default());
    let inbox = Inbox {
        queue: sender,
        wake: Arc::clone(&wake),
        ended: Arc::clone(&end.0),
        datagrams: Arc::new(Semaphore::new(DATAGRAMS)),
    };
    Ok((inbox, Commands { queue, wake, end }))
}

impl Inbox {
    /// Hands a command over.
    ///
    /// # Errors
    /// The command, when the shard is so far behind that its inbox is full, or has ended.
    pub fn send(&self, command: ShardCommand) -> std::result::Result<(), ShardCommand> {
        // A place that becomes free is no hurry: the next command or packet wakes the shard.
        let hurry = !matches!(command, ShardCommand::Release(_));
        self.put(command)?;
        if hurry {
            self.wake();
        }
        Ok(())
    }

    /// Puts a datagram in without ringing: more may follow. Returns whether there was room.
    pub(super) fn post(&self, source: SocketAddr, bytes: &[u8]) -> bool {
        let Ok(permit) = Arc::clone(&self.datagrams).try_acquire_owned() else { return false };
        self.put(ShardCommand::Sip { source, bytes: bytes.to_vec(), permit }).is_ok()
    }

    /// Rings.
    pub(super) fn wake(&self) {
        // A full counter wakes just as well.
        let _ = self.wake.write(1);
    }

    fn put(&self, command: ShardCommand) -> std::result::Result<(), ShardCommand> {
        match self.queue.try_send(command) {
            Ok(()) => Ok(()),
            Err(TrySendError::Full(command) | TrySendError::Disconnected(command)) => Err(command),
        }
    }

    /// Whether nobody takes commands any more.
    pub fn has_ended(&self) -> bool {
        self.ended.load(Ordering::Relaxed)
    }
}
