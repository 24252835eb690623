//! One direction's packets checked, and opened once (RFC 3711 §3.3, §3.3.1, §3.3.2 and §3.4).
//!
//! Nothing of a packet counts before its tag was right, so that a stranger can neither move the
//! rollover counter nor the window, nor make us remember a source.

use super::session_keys::{Of, SessionKeys, equal};
use super::{ENCRYPTED, MasterKey, RTCP_INDEX_BYTES, RTCP_TAG_BYTES, Suite};

/// Sources remembered; a peer that changes its source more often restarts the oldest.
const MAX_SOURCES: usize = 4;
/// Packets behind the newest that may still come (§3.3.2).
const WINDOW: u64 = 64;
const RTCP_CLEAR_BYTES: usize = 8;

/// Why a packet was not opened. The caller counts it and drops it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rejected {
    /// Too short for a header and a tag.
    Short,
    /// The tag is not the peer's.
    Tag,
    /// It came before, or is so old that this cannot be told.
    Replayed,
}

/// Opens what a peer sends.
#[derive(Debug, Clone)]
pub struct SrtpReceiver {
    rtp: SessionKeys,
    rtcp: SessionKeys,
    tag_bytes: usize,
    sources: Vec<Source>,
    rtcp_seen: Seen,
}

#[derive(Debug, Clone)]
struct Source {
    ssrc: u32,
    seen: Seen,
}

/// Which indices were seen: the highest, and the [`WINDOW`] before it as bits.
#[derive(Debug, Clone, Copy, Default)]
struct Seen {
    any: bool,
    highest: u64,
    bits: u64,
}

impl Seen {
    /// Whether an index may be taken.
    fn is_new(&self, index: u64) -> bool {
        if !self.any || index > self.highest {
            return true;
        }
        let behind = self.highest - index;
        behind < WINDOW && self.bits >> behind & 1 == 0
    }

    fn note(&mut self, index: u64) {
        if !self.any || index > self.highest {
            let ahead = if self.any { index - self.highest } else { WINDOW };
            let shift = u32::try_from(ahead).unwrap_or(u32::MAX);
            self.bits = self.bits.checked_shl(shift).unwrap_or(0) | 1;
            (self.any, self.highest) = (true, index);
        } else {
            self.bits |= 1 << (self.highest - index);
        }
    }

    /// The index that a sequence number most probably has (appendix A).
    fn index_of(&self, sequence: u16) -> u64 {
        if !self.any {
            return sequence.into();
        }
        let rollover = self.highest >> 16;
        let last = u16::try_from(self.highest & 0xFFFF).expect("masked to 16 bits");
        let rollover = if last < 0x8000 && sequence > last.saturating_add(0x8000) {
            rollover.saturating_sub(1)
        } else if last >= 0x8000 && sequence < last - 0x8000 {
            rollover + 1
        } else {
            rollover
        };
        (rollover & 0xFFFF_FFFF) << 16 | u64::from(sequence)
    }
}

impl SrtpReceiver {
    /// At the first packet.
    pub fn new(suite: Suite, master: &MasterKey) -> Self {
        Self {
            rtp: SessionKeys::derive(master, Of::Rtp),
            rtcp: SessionKeys::derive(master, Of::Rtcp),
            tag_bytes: suite.tag_bytes(),
            sources: Vec::new(),
            rtcp_seen: Seen::default(),
        }
    }

    /// Opens a packet of RTP: the packet without its tag, decrypted.
    pub fn open(&mut self, packet: &[u8]) -> Result<Vec<u8>, Rejected> {
        let end = packet.len().checked_sub(self.tag_bytes).ok_or(Rejected::Short)?;
        let (body, tag) = packet.split_at(end);
        let start = header_bytes(body).ok_or(Rejected::Short)?;
        let sequence = u16::from_be_bytes([body[2], body[3]]);
        let ssrc = u32::from_be_bytes([body[8], body[9], body[10], body[11]]);
        let known = self.sources.iter().position(|source| source.ssrc == ssrc);
        let mut seen = known.map_or_else(Seen::default, |at| self.sources[at].seen);
        let index = seen.index_of(sequence);
        if !seen.is_new(index) {
            return Err(Rejected::Replayed);
        }
        let rollover = u32::try_from(index >> 16).unwrap_or(0);
        let expected = self.rtp.tag(&[body, &rollover.to_be_bytes()]);
        if !equal(&expected[..self.tag_bytes], tag) {
            return Err(Rejected::Tag);
        }
        seen.note(index);
        if let Some(at) = known {
            self.sources[at].seen = seen;
        } else {
            if self.sources.len() >= MAX_SOURCES {
                self.sources.remove(0);
            }
            self.sources.push(Source { ssrc, seen });
        }
        let mut opened = body.to_vec();
        self.rtp.apply(ssrc, index, &mut opened[start..]);
        Ok(opened)
    }

    /// Opens a packet of RTCP.
    pub fn open_rtcp(&mut self, packet: &[u8]) -> Result<Vec<u8>, Rejected> {
        let end = packet.len().checked_sub(RTCP_TAG_BYTES).ok_or(Rejected::Short)?;
        let (signed, tag) = packet.split_at(end);
        let (body, word) = signed.split_last_chunk::<RTCP_INDEX_BYTES>().ok_or(Rejected::Short)?;
        let Some(&[_, _, _, _, s0, s1, s2, s3]) = body.first_chunk::<RTCP_CLEAR_BYTES>() else {
            return Err(Rejected::Short);
        };
        let word = u32::from_be_bytes(*word);
        let index = u64::from(word & !ENCRYPTED);
        if !self.rtcp_seen.is_new(index) {
            return Err(Rejected::Replayed);
        }
        if !equal(&self.rtcp.tag(&[signed])[..RTCP_TAG_BYTES], tag) {
            return Err(Rejected::Tag);
        }
        self.rtcp_seen.note(index);
        let mut opened = body.to_vec();
        if word & ENCRYPTED != 0 {
            let ssrc = u32::from_be_bytes([s0, s1, s2, s3]);
            self.rtcp.apply(ssrc, index, &mut opened[RTCP_CLEAR_BYTES..]);
        }
        Ok(opened)
    }
}

/// Bytes of an RTP header with its sources and its extension, which stay readable (§3.1).
fn header_bytes(packet: &[u8]) -> Option<usize> {
    let flags = *packet.first()?;
    let sources = crate::rtp::HEADER_BYTES + usize::from(flags & 0x0F) * 4;
    let end = if flags & 0x10 == 0 {
        sources
    } else {
        let &[_, _, high, low] = packet.get(sources..)?.first_chunk::<4>()?;
        sources + 4 + usize::from(u16::from_be_bytes([high, low])) * 4
    };
    (end <= packet.len()).then_some(end)
}
