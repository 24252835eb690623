//! One connection: cuts what comes into messages, writes what is sent, pings and loses patience.
//! Knows bytes and time, and no SIP beyond where a message ends.

use std::sync::Arc;
use std::time::Duration;

use engine::Hop;
use sip::framing::{Frame, Framing, PING, PONG};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::sync::{Semaphore, mpsc};
use tokio::time::{Instant, timeout, timeout_at};

use crate::shard::{ShardCommand, Sorter};

/// How long a message may take from its first byte to its last.
const MESSAGE_TIME: Duration = Duration::from_secs(30);
/// How long the peer may take to read what we write.
const WRITE_TIME: Duration = Duration::from_secs(10);
/// After this much silence we ping whom we connected to (RFC 5626 §4.4.1).
const PING_AFTER: Duration = Duration::from_secs(30);
/// How long an answer to a ping may take (RFC 5626 §4.4.1).
const PONG_TIME: Duration = Duration::from_secs(10);
/// How long a peer that connected to us may be silent. Registered phones refresh more often.
const IDLE_TIME: Duration = Duration::from_mins(65);
/// Bytes read at once.
const READ_BYTES: usize = 8 * 1024;

/// Why a connection ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// The peer closed it, or it broke.
    Gone,
    /// What came cannot be cut into messages.
    Garbage,
    /// A message was not whole in time.
    Slow,
    /// The peer did not read what was written.
    Deaf,
    /// It was silent for too long, or left a ping unanswered.
    Silent,
    /// The shard has ended.
    Stopped,
}

/// What a connection needs.
pub struct Connection {
    /// The other side.
    pub peer: Hop,
    /// Whether we opened it.
    pub ours: bool,
    /// Where messages go.
    pub shards: Arc<Sorter>,
    /// How many messages of all connections may wait for the shards.
    pub room: Arc<Semaphore>,
    /// To itself, for pings and pongs.
    pub outbox: mpsc::WeakSender<Arc<[u8]>>,
    /// What is to be written.
    pub waiting: mpsc::Receiver<Arc<[u8]>>,
}

impl Connection {
    /// Carries bytes both ways until the connection ends.
    pub async fn carry(self, stream: impl AsyncRead + AsyncWrite) -> End {
        let (reader, writer) = tokio::io::split(stream);
        let Self { peer, ours, shards, room, outbox, waiting } = self;
        let hear = Ear { peer, ours, shards, room, outbox };
        tokio::select! {
            end = hear.read(reader) => end,
            end = write(writer, waiting) => end,
        }
    }
}

async fn write(mut writer: impl AsyncWrite + Unpin, mut waiting: mpsc::Receiver<Arc<[u8]>>) -> End {
    while let Some(bytes) = waiting.recv().await {
        match timeout(WRITE_TIME, writer.write_all(&bytes)).await {
            Ok(Ok(())) => {}
            Ok(Err(_)) => return End::Gone,
            Err(_) => return End::Deaf,
        }
        if waiting.is_empty() && writer.flush().await.is_err() {
            return End::Gone;
        }
    }
    End::Stopped
}

/// The reading half.
struct Ear {
    peer: Hop,
    ours: bool,
    shards: Arc<Sorter>,
    room: Arc<Semaphore>,
    outbox: mpsc::WeakSender<Arc<[u8]>>,
}

impl Ear {
    async fn read(self, mut reader: impl AsyncRead + Unpin) -> End {
        let mut framing = Framing::new();
        let mut buffer = vec![0; READ_BYTES];
        let silence = if self.ours { PING_AFTER } else { IDLE_TIME };
        let mut quiet_until = Instant::now() + silence;
        let mut whole_by: Option<Instant> = None;
        let mut pong_by: Option<Instant> = None;
        loop {
            let deadline = [Some(quiet_until), whole_by, pong_by].into_iter().flatten().min();
            let deadline = deadline.unwrap_or(quiet_until);
            match timeout_at(deadline, reader.read(&mut buffer)).await {
                Ok(Ok(0) | Err(_)) => return End::Gone,
                Ok(Ok(count)) => {
                    framing.push(&buffer[..count]);
                    quiet_until = Instant::now() + silence;
                    // Whatever came, the peer is there.
                    pong_by = None;
                    match self.take(&mut framing).await {
                        Ok(0) if whole_by.is_some() => {}
                        Ok(_) => {
                            let waits = framing.is_waiting();
                            whole_by = waits.then(|| Instant::now() + MESSAGE_TIME);
                        }
                        Err(end) => return end,
                    }
                }
                Err(_) if whole_by == Some(deadline) => return End::Slow,
                Err(_) if pong_by == Some(deadline) || !self.ours => return End::Silent,
                Err(_) => {
                    if !self.say(PING) {
                        return End::Deaf;
                    }
                    framing.pinged();
                    pong_by = Some(Instant::now() + PONG_TIME);
                    quiet_until = Instant::now() + silence;
                }
            }
        }
    }

    /// Hands over what is whole; gives how many messages that were.
    async fn take(&self, framing: &mut Framing) -> Result<usize, End> {
        let mut messages = 0;
        let limits = sip::Limits::default();
        while let Some(frame) = framing.next(&limits).map_err(|_| End::Garbage)? {
            match frame {
                Frame::Message(bytes) => {
                    messages += 1;
                    self.hand_over(bytes).await?;
                }
                Frame::Ping if !self.say(PONG) => return Err(End::Deaf),
                Frame::Ping | Frame::Pong => {}
            }
        }
        Ok(messages)
    }

    /// Waits until the shard has room; meanwhile nothing is read, and the peer has to wait, too.
    async fn hand_over(&self, bytes: Vec<u8>) -> Result<(), End> {
        let permit = Arc::clone(&self.room).acquire_owned().await.map_err(|_| End::Stopped)?;
        let shard = self.shards.inbox_for(&bytes);
        let mut command = ShardCommand::SipOver { peer: self.peer, bytes, permit };
        while let Err(refused) = shard.send(command) {
            if shard.has_ended() {
                return Err(End::Stopped);
            }
            command = refused;
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        Ok(())
    }

    /// Writes a few bytes of our own; `false` when the peer reads nothing.
    fn say(&self, bytes: &'static [u8]) -> bool {
        self.outbox.upgrade().is_some_and(|outbox| outbox.try_send(bytes.into()).is_ok())
    }
}
