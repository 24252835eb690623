//! Packets of audio in the order in which they were sent, within a small window, with what is
//! missing between them.

use std::collections::BTreeMap;

use media::rtp::Header;

/// Packets that may wait for one that is missing.
const WINDOW: usize = 8;
/// A gap longer than this, in samples, is not a gap but another stream.
const LONGEST_GAP: u32 = 16_000;

/// What comes out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Piece {
    /// Sound as encoded.
    Audio(Vec<u8>),
    /// So many samples that did not come.
    Gap { samples: u32 },
}

/// One stream being put in order.
#[derive(Debug, Default)]
pub(super) struct Order {
    ssrc: u32,
    /// The sequence number and timestamp that come next.
    next: Option<(u16, u32)>,
    /// Packets ahead of it, by how far they are, with their timestamps.
    held: BTreeMap<u16, (u32, Vec<u8>)>,
}

impl Order {
    /// Takes a packet; gives what is in order now.
    pub(super) fn push(&mut self, header: &Header, payload: &[u8], mut out: impl FnMut(Piece)) {
        let new = self.next.is_none() || self.ssrc != header.ssrc;
        if new {
            self.flush(&mut out);
            self.ssrc = header.ssrc;
            self.next = Some((header.sequence, header.timestamp));
        }
        let Some((sequence, _)) = self.next else { return };
        let ahead = header.sequence.wrapping_sub(sequence);
        if ahead > u16::MAX / 2 {
            return;
        }
        self.held.insert(ahead, (header.timestamp, payload.to_vec()));
        while self.held.contains_key(&0) || self.held.len() > WINDOW {
            self.pop(&mut out);
        }
    }

    /// Gives what is held; nothing more is to come before it.
    pub(super) fn flush(&mut self, mut out: impl FnMut(Piece)) {
        while !self.held.is_empty() {
            self.pop(&mut out);
        }
    }

    fn pop(&mut self, out: &mut impl FnMut(Piece)) {
        let (Some((ahead, (timestamp, payload))), Some((sequence, due))) =
            (self.held.pop_first(), self.next)
        else {
            return;
        };
        let missing = timestamp.wrapping_sub(due);
        if (1..=LONGEST_GAP).contains(&missing) {
            out(Piece::Gap { samples: missing });
        }
        // What G.711 brings lasts as many samples as it has bytes.
        let lasts = u32::try_from(payload.len()).unwrap_or(0);
        let skipped = ahead.wrapping_add(1);
        self.next = Some((sequence.wrapping_add(skipped), timestamp.wrapping_add(lasts)));
        let rest = std::mem::take(&mut self.held);
        self.held = rest.into_iter().map(|(at, held)| (at.wrapping_sub(skipped), held)).collect();
        out(Piece::Audio(payload));
    }
}
