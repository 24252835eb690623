//! One direction's packets protected (RFC 3711 §3.3 and §3.4).

use super::session_keys::{Of, SessionKeys};
use super::{ENCRYPTED, MasterKey, RTCP_INDEX_BYTES, RTCP_TAG_BYTES, Suite};
use crate::rtp::HEADER_BYTES;

/// Bytes of an RTCP packet that stay readable: its header and its sender.
const RTCP_CLEAR_BYTES: usize = 8;

/// Protects what one source sends.
#[derive(Debug, Clone)]
pub struct SrtpSender {
    rtp: SessionKeys,
    rtcp: SessionKeys,
    tag_bytes: usize,
    /// How often the sequence number has wrapped.
    rollover: u32,
    last_sequence: Option<u16>,
    rtcp_index: u32,
}

impl SrtpSender {
    /// At the first packet.
    pub fn new(suite: Suite, master: &MasterKey) -> Self {
        Self {
            rtp: SessionKeys::derive(master, Of::Rtp),
            rtcp: SessionKeys::derive(master, Of::Rtcp),
            tag_bytes: suite.tag_bytes(),
            rollover: 0,
            last_sequence: None,
            rtcp_index: 0,
        }
    }

    /// The bytes that follow the header: the payload encrypted, and the tag. To be called with
    /// every packet in the order of sending.
    pub fn protect(&mut self, header: &[u8; HEADER_BYTES], payload: &[u8]) -> Box<[u8]> {
        let sequence = u16::from_be_bytes([header[2], header[3]]);
        let ssrc = u32::from_be_bytes([header[8], header[9], header[10], header[11]]);
        if self.last_sequence.is_some_and(|last| sequence < last && last - sequence > 0x8000) {
            self.rollover = self.rollover.wrapping_add(1);
        }
        self.last_sequence = Some(sequence);
        let index = u64::from(self.rollover) << 16 | u64::from(sequence);
        let mut sealed = Vec::with_capacity(payload.len() + self.tag_bytes);
        sealed.extend_from_slice(payload);
        self.rtp.apply(ssrc, index, &mut sealed);
        let tag = self.rtp.tag(&[header, &sealed, &self.rollover.to_be_bytes()]);
        sealed.extend_from_slice(&tag[..self.tag_bytes]);
        sealed.into_boxed_slice()
    }

    /// A whole compound packet protected. `None` when it is shorter than a header.
    pub fn protect_rtcp(&mut self, compound: &[u8]) -> Option<Vec<u8>> {
        let &[_, _, _, _, s0, s1, s2, s3] = compound.first_chunk::<RTCP_CLEAR_BYTES>()?;
        let mut sealed = Vec::with_capacity(compound.len() + RTCP_INDEX_BYTES + RTCP_TAG_BYTES);
        sealed.extend_from_slice(compound);
        let ssrc = u32::from_be_bytes([s0, s1, s2, s3]);
        self.rtcp.apply(ssrc, self.rtcp_index.into(), &mut sealed[RTCP_CLEAR_BYTES..]);
        sealed.extend_from_slice(&(ENCRYPTED | self.rtcp_index).to_be_bytes());
        let tag = self.rtcp.tag(&[&sealed]);
        sealed.extend_from_slice(&tag[..RTCP_TAG_BYTES]);
        self.rtcp_index = (self.rtcp_index + 1) & !ENCRYPTED;
        Some(sealed)
    }
}
