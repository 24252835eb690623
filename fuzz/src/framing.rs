//! A connection's bytes cut into messages: how they arrive does not change what is read.

use sip::Limits;
use sip::framing::{Frame, Framing};

use crate::tape::Tape;

/// What came of a stream, and whether it could be understood to its end.
#[derive(Debug, PartialEq, Eq)]
struct Read {
    frames: Vec<Frame>,
    broken: bool,
}

/// A stream, once as a whole and once in pieces as the tape says.
pub fn sip_framing(data: &[u8]) {
    let mut tape = Tape::new(data);
    let limits = Limits { message_bytes: 256 + usize::from(tape.byte()) * 16, ..Limits::default() };
    let (pinged, pieces) = (tape.coin(), [tape.byte(), tape.byte(), tape.byte()]);
    let stream = tape.rest();
    let whole = read(&limits, pinged, std::iter::once(stream));
    let cut = read(&limits, pinged, Pieces { rest: stream, sizes: pieces, at: 0 });
    assert_eq!(whole, cut, "how the bytes arrive changes nothing");
    let mut bytes = 0;
    for frame in &whole.frames {
        if let Frame::Message(message) = frame {
            assert!(message.len() <= limits.message_bytes, "a message within the bound");
            bytes += message.len();
            // It may be no message for all that; reading it harms nobody.
            let _ = sip::message::parse(message, &limits).is_ok();
        }
    }
    assert!(bytes <= stream.len(), "nothing is read that did not come");
}

fn read<'a>(limits: &Limits, pinged: bool, pieces: impl Iterator<Item = &'a [u8]>) -> Read {
    let mut framing = Framing::new();
    if pinged {
        framing.pinged();
    }
    let mut frames = Vec::new();
    for piece in pieces {
        framing.push(piece);
        loop {
            match framing.next(limits) {
                Ok(Some(frame)) => frames.push(frame),
                Ok(None) => break,
                Err(_) => return Read { frames, broken: true },
            }
        }
    }
    Read { frames, broken: false }
}

/// A stream in pieces of 1 to 256 bytes.
struct Pieces<'a> {
    rest: &'a [u8],
    sizes: [u8; 3],
    at: usize,
}

impl<'a> Iterator for Pieces<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        if self.rest.is_empty() {
            return None;
        }
        let size = usize::from(self.sizes[self.at % self.sizes.len()]) + 1;
        self.at += 1;
        let (piece, rest) = self.rest.split_at(size.min(self.rest.len()));
        self.rest = rest;
        Some(piece)
    }
}
