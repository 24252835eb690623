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

/// Bytes read at once.
const READ_BYTES: usize = 8 * 1024;

/// How long we wait for a peer. A pong is waited for less long than a silence.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// A message may take so long from its first byte to its last.
    message: Duration,
    /// The peer may take so long to read what we write.
    write: Duration,
    /// After this much silence we ping whom we connected to (RFC 5626 §4.4.1).
    ping_after: Duration,
    /// An answer to a ping may take so long (RFC 5626 §4.4.1).
    pong: Duration,
    /// A peer that connected to us may take so long to say anything.
    first: Duration,
    /// A peer that connected to us may be silent so long. Registered phones refresh more often.
    idle: Duration,
}

impl Patience {
    /// What everybody gets.
    pub const USUAL: Self = Self {
        message: Duration::from_secs(30),
        write: Duration::from_secs(10),
        ping_after: Duration::from_secs(30),
        pong: Duration::from_secs(10),
        first: Duration::from_secs(30),
        idle: Duration::from_mins(65),
    };
}

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
    /// How long the peer is waited for.
    pub patience: Patience,
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
        let Self { peer, ours, patience, shards, room, outbox, waiting } = self;
        let hear = Ear { peer, ours, patience, shards, room, outbox };
        tokio::select! {
            end = hear.read(reader) => end,
            end = write(writer, waiting, patience.write) => end,
        }
    }
}

async fn write(
    mut writer: impl AsyncWrite + Unpin,
    mut waiting: mpsc::Receiver<Arc<[u8]>>,
    time: Duration,
) -> End {
    while let Some(bytes) = waiting.recv().await {
        match timeout(time, writer.write_all(&bytes)).await {
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
    patience: Patience,
    shards: Arc<Sorter>,
    room: Arc<Semaphore>,
    outbox: mpsc::WeakSender<Arc<[u8]>>,
}

impl Ear {
    async fn read(self, mut reader: impl AsyncRead + Unpin) -> End {
        let mut framing = Framing::new();
        let mut buffer = vec![0; READ_BYTES];
        let Patience { message, ping_after, pong, first, idle, .. } = self.patience;
        let silence = if self.ours { ping_after } else { idle };
        let mut quiet_until = Instant::now() + if self.ours { ping_after } else { first };
        // Whoever connected to us is somebody once a message of theirs was whole.
        let mut is_somebody = self.ours;
        let mut whole_by: Option<Instant> = None;
        let mut pong_by: Option<Instant> = None;
        loop {
            let deadline = [Some(quiet_until), whole_by, pong_by].into_iter().flatten().min();
            let deadline = deadline.unwrap_or(quiet_until);
            match timeout_at(deadline, reader.read(&mut buffer)).await {
                Ok(Ok(0) | Err(_)) => return End::Gone,
                Ok(Ok(count)) => {
                    framing.push(&buffer[..count]);
                    // Whatever came, the peer is there.
                    pong_by = None;
                    let taken = self.take(&mut framing).await;
                    is_somebody |= taken.as_ref().is_ok_and(|messages| *messages > 0);
                    if is_somebody {
                        quiet_until = Instant::now() + silence;
                    }
                    match taken {
                        Ok(0) if whole_by.is_some() => {}
                        Ok(_) => {
                            let waits = framing.is_waiting();
                            whole_by = waits.then(|| Instant::now() + message);
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
                    pong_by = Some(Instant::now() + pong);
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

#[cfg(test)]
mod tests {
    use tokio::io::{DuplexStream, duplex};
    use tokio::task::JoinHandle;

    use super::*;

    /// Short enough to wait for, long enough to be kept.
    const BRISK: Patience = Patience {
        message: Duration::from_millis(400),
        write: Duration::from_millis(400),
        ping_after: Duration::from_millis(400),
        pong: Duration::from_millis(300),
        first: Duration::from_millis(600),
        idle: Duration::from_millis(1_500),
    };

    /// A connection that we opened, or that the peer did, and the peer's end.
    fn connected(ours: bool, room: usize) -> (JoinHandle<End>, DuplexStream, impl Sized) {
        let (near, far) = duplex(room);
        let (outbox, waiting) = mpsc::channel(4);
        let connection = Connection {
            peer: Hop { transport: engine::Transport::Tcp, address: ([192, 0, 2, 2], 5060).into() },
            ours,
            patience: BRISK,
            shards: Arc::new(Sorter::new(Vec::new())),
            room: Arc::new(Semaphore::new(1)),
            outbox: outbox.downgrade(),
            waiting,
        };
        (tokio::spawn(connection.carry(near)), far, outbox)
    }

    async fn reads(far: &mut DuplexStream, wanted: &[u8]) {
        let mut bytes = vec![0; wanted.len()];
        far.read_exact(&mut bytes).await.unwrap();
        assert_eq!(bytes, wanted);
    }

    /// Goal: whom we connected to is pinged when nothing comes; who answers is pinged again, and
    /// who does not is gone.
    #[tokio::test]
    async fn a_silent_peer_is_pinged_and_given_up_without_a_pong() {
        let (carried, mut far, _outbox) = connected(true, 64);
        for _ in 0..2 {
            reads(&mut far, PING).await;
            far.write_all(PONG).await.unwrap();
        }
        reads(&mut far, PING).await;
        let asked = Instant::now();
        assert_eq!(carried.await.unwrap(), End::Silent);
        assert!(asked.elapsed() >= BRISK.pong / 2, "it was waited for: {:?}", asked.elapsed());
    }

    /// Goal: who connected to us is not pinged, has a pong for each ping, and is gone after a long
    /// silence.
    #[tokio::test]
    async fn a_peer_that_connected_to_us_pings_and_is_not_pinged() {
        let (carried, mut far, _outbox) = connected(false, 64);
        for _ in 0..2 {
            far.write_all(PING).await.unwrap();
            reads(&mut far, PONG).await;
        }
        assert_eq!(carried.await.unwrap(), End::Silent);
        let mut rest = Vec::new();
        far.read_to_end(&mut rest).await.unwrap();
        assert!(rest.is_empty(), "it was pinged: {rest:?}");
    }

    /// Goal: who connected to us and only pings is no peer, and is not kept for long.
    #[tokio::test]
    async fn who_says_nothing_but_pings_is_let_go() {
        let (carried, mut far, _outbox) = connected(false, 64);
        let mut pong = [0; 2];
        while far.write_all(PING).await.is_ok() && far.read_exact(&mut pong).await.is_ok() {
            tokio::time::sleep(BRISK.first / 8).await;
        }
        assert_eq!(carried.await.unwrap(), End::Silent);
    }

    /// Goal: a message that stops midway, and a peer that reads nothing, end their connection.
    #[tokio::test]
    async fn who_is_too_slow_is_not_waited_for() {
        let (carried, mut far, _outbox) = connected(false, 64);
        far.write_all(b"OPTIONS sip:a SIP/2.0\r\n").await.unwrap();
        assert_eq!(carried.await.unwrap(), End::Slow);
        let (carried, mut far, _outbox) = connected(false, PONG.len());
        // It is gone before all of that is written.
        assert!(far.write_all(&PING.repeat(64)).await.is_err());
        assert_eq!(carried.await.unwrap(), End::Deaf);
    }
}
