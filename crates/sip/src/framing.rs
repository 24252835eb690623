//! A stream of bytes cut into messages (RFC 3261 §18.3), and the pings between them (RFC 5626
//! §3.5.1).
//!
//! The peer decides how the bytes arrive; here a message ends where its Content-Length says and
//! nowhere else, so whatever cannot be trusted to end at a known place ends the connection. Keeps
//! at most one message's worth of bytes, and room grows only with bytes that really came.

use crate::limits::Limits;
use crate::message::{Malformed, Name, header};

/// What came over a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Frame {
    /// One whole message, for [`crate::Endpoint::receive_over`].
    Message(Vec<u8>),
    /// A double line end between messages: answer with [`PONG`].
    Ping,
    /// The answer to a ping of ours.
    Pong,
}

/// What asks the peer for a [`PONG`].
pub const PING: &[u8] = b"\r\n\r\n";
/// What answers a [`PING`].
pub const PONG: &[u8] = b"\r\n";

/// The most bytes before the body. A peer that sends more of them says nothing.
const MAX_HEAD_BYTES: usize = 16 * 1024;

/// The bytes of one connection that are not a whole message yet.
#[derive(Debug, Default)]
pub struct Framing {
    bytes: Vec<u8>,
    /// How many of them are known not to end the header fields.
    searched: usize,
    /// Where the message that has begun ends, once its header fields are there.
    end: Option<usize>,
    expects_pong: bool,
}

impl Framing {
    /// A connection on which nothing came yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes what came.
    pub fn push(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// A [`PING`] was sent: the next line end between messages is its answer.
    pub fn pinged(&mut self) {
        self.expects_pong = true;
    }

    /// Whether a message has begun and is not whole: a peer that leaves it so is too slow.
    pub fn is_waiting(&self) -> bool {
        self.bytes.iter().any(|byte| !matches!(byte, b'\r' | b'\n'))
    }

    /// The next thing that is whole.
    ///
    /// # Errors
    /// The stream cannot be understood from here on: close the connection. A missing or repeated
    /// Content-Length, one that is no number, and more bytes than a message may have.
    pub fn next(&mut self, limits: &Limits) -> Result<Option<Frame>, Malformed> {
        while self.searched == 0 && self.end.is_none() && self.bytes.first() == Some(&b'\r') {
            if self.expects_pong && self.bytes.starts_with(PONG) {
                self.expects_pong = false;
                return Ok(Some(self.take(PONG.len(), Frame::Pong)));
            }
            if self.bytes.starts_with(PING) {
                return Ok(Some(self.take(PING.len(), Frame::Ping)));
            }
            if PING.starts_with(&self.bytes) {
                return Ok(None);
            }
            if !self.bytes.starts_with(PONG) {
                return Err(Malformed::Line);
            }
            // A line end before a message is nothing (§7.5).
            self.bytes.drain(..PONG.len());
        }
        let Some(end) = self.end_of_message(limits)? else { return Ok(None) };
        if self.bytes.len() < end {
            return Ok(None);
        }
        let rest = self.bytes.split_off(end);
        let message = std::mem::replace(&mut self.bytes, rest);
        (self.searched, self.end) = (0, None);
        Ok(Some(Frame::Message(message)))
    }

    fn take(&mut self, count: usize, frame: Frame) -> Frame {
        self.bytes.drain(..count);
        frame
    }

    fn end_of_message(&mut self, limits: &Limits) -> Result<Option<usize>, Malformed> {
        if self.end.is_some() {
            return Ok(self.end);
        }
        let from = self.searched.saturating_sub(PING.len() - 1);
        let Some(at) = memchr::memmem::find(&self.bytes[from..], PING) else {
            self.searched = self.bytes.len();
            return match self.bytes.len() {
                ..=MAX_HEAD_BYTES => Ok(None),
                _ => Err(Malformed::TooLong),
            };
        };
        let head = from + at + PING.len();
        if head > MAX_HEAD_BYTES {
            return Err(Malformed::TooLong);
        }
        let end = head.checked_add(content_length(&self.bytes[..head])?);
        self.end = end.filter(|end| *end <= limits.message_bytes);
        self.end.map(Some).ok_or(Malformed::TooLong)
    }
}

/// The Content-Length of a head, which a stream cannot do without (§20.14).
fn content_length(head: &[u8]) -> Result<usize, Malformed> {
    let mut found = None;
    for value in header::values(head, b"Content-Length", b"l") {
        let length: usize = header::number(value).ok_or(Malformed::ContentLength)?;
        if found.replace(length).is_some() {
            return Err(Malformed::Duplicate(Name::ContentLength));
        }
    }
    found.ok_or(Malformed::Missing(Name::ContentLength))
}
