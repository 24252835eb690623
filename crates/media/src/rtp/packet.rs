//! One RTP packet: the fixed header written, a whole packet read (RFC 3550 §5.1 and §5.3.1).

/// Bytes of a header without contributing sources and extension, the only kind we send.
pub const HEADER_BYTES: usize = 12;

const VERSION: u8 = 2;

/// The fields of the fixed header that matter to a telephone call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// Set on the first packet of a talk spurt and of a key press.
    pub marker: bool,
    /// What the payload is, 0–127, by the negotiated description.
    pub payload_type: u8,
    /// Counts packets, wrapping.
    pub sequence: u16,
    /// Counts samples at 8 kHz, wrapping.
    pub timestamp: u32,
    /// Who sends.
    pub ssrc: u32,
}

impl Header {
    /// The twelve bytes on the wire. The top bit of `payload_type` is dropped.
    pub fn write(&self) -> [u8; HEADER_BYTES] {
        let mut bytes = [0; HEADER_BYTES];
        bytes[0] = VERSION << 6;
        bytes[1] = (u8::from(self.marker) << 7) | (self.payload_type & 0x7F);
        bytes[2..4].copy_from_slice(&self.sequence.to_be_bytes());
        bytes[4..8].copy_from_slice(&self.timestamp.to_be_bytes());
        bytes[8..12].copy_from_slice(&self.ssrc.to_be_bytes());
        bytes
    }
}

/// Why a datagram is not an RTP packet. The caller counts it and drops it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Malformed {
    /// Shorter than its own header claims.
    Short,
    /// The first two bits do not say version 2: STUN, DTLS or noise.
    Version,
    /// A second byte of 192–223: RTCP on the RTP port (RFC 5761 §4).
    Rtcp,
    /// Padding of zero bytes or of more than there is.
    Padding,
}

/// A packet read from a datagram.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Packet<'a> {
    /// Its fixed header.
    pub header: Header,
    /// Its payload, without padding.
    pub payload: &'a [u8],
}

impl<'a> Packet<'a> {
    /// Reads a datagram. Contributing sources and an extension are skipped, padding is checked.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, Malformed> {
        let (fixed, rest) = bytes.split_first_chunk::<HEADER_BYTES>().ok_or(Malformed::Short)?;
        let [flags, kind, s0, s1, t0, t1, t2, t3, i0, i1, i2, i3] = *fixed;
        if flags >> 6 != VERSION {
            return Err(Malformed::Version);
        }
        if (192..=223).contains(&kind) {
            return Err(Malformed::Rtcp);
        }
        let header = Header {
            marker: kind & 0x80 != 0,
            payload_type: kind & 0x7F,
            sequence: u16::from_be_bytes([s0, s1]),
            timestamp: u32::from_be_bytes([t0, t1, t2, t3]),
            ssrc: u32::from_be_bytes([i0, i1, i2, i3]),
        };
        let sources = usize::from(flags & 0x0F) * 4;
        let mut payload = rest.get(sources..).ok_or(Malformed::Short)?;
        if flags & 0x10 != 0 {
            payload = after_extension(payload)?;
        }
        if flags & 0x20 != 0 {
            payload = without_padding(payload)?;
        }
        Ok(Self { header, payload })
    }
}

fn after_extension(bytes: &[u8]) -> Result<&[u8], Malformed> {
    let ([_, _, high, low], rest) = bytes.split_first_chunk::<4>().ok_or(Malformed::Short)?;
    let words = usize::from(u16::from_be_bytes([*high, *low]));
    rest.get(words * 4..).ok_or(Malformed::Short)
}

fn without_padding(bytes: &[u8]) -> Result<&[u8], Malformed> {
    let padding = usize::from(*bytes.last().ok_or(Malformed::Padding)?);
    let kept = bytes.len().checked_sub(padding).ok_or(Malformed::Padding)?;
    if padding == 0 { Err(Malformed::Padding) } else { Ok(&bytes[..kept]) }
}
