//! RTCP (RFC 3550 §6): what each side of a call tells the other about the packets it got.
//!
//! Reading is tolerant and bounded: a compound packet is walked from header to header, what is
//! unknown is passed over, and the walk ends where a length does not fit. Only what matters to a
//! call of two is kept: the peer's clock, what it says of our packets, and its leaving.

/// Bytes of the longest name that is written (SDES CNAME).
pub const MAX_CNAME_BYTES: usize = 64;

const VERSION: u8 = 2;
const SENDER_REPORT: u8 = 200;
const RECEIVER_REPORT: u8 = 201;
const DESCRIPTION: u8 = 202;
const BYE: u8 = 203;
const CNAME: u8 = 1;
/// Bytes of a header with its source.
const HEADER_BYTES: usize = 8;
/// Bytes of the sender's part of a sender report.
const SENDER_BYTES: usize = 20;
const BLOCK_BYTES: usize = 24;

/// Whether a datagram on an RTP port is RTCP (RFC 5761 §4).
pub fn is_rtcp(bytes: &[u8]) -> bool {
    bytes.len() >= HEADER_BYTES && bytes[0] >> 6 == VERSION && (192..=223).contains(&bytes[1])
}

/// What a sender says of itself (§6.4.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SenderInfo {
    /// A clock in units of 2⁻³² s. It need not be the time of day; ours is not.
    pub ntp: u64,
    /// The same moment in the units of RTP timestamps.
    pub timestamp: u32,
    /// Packets sent so far.
    pub packets: u32,
    /// Bytes of payload sent so far.
    pub bytes: u32,
}

/// What a receiver says of one source (§6.4.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ReportBlock {
    /// Whose packets.
    pub ssrc: u32,
    /// The part of them lost since the last report, in 256ths.
    pub fraction_lost: u8,
    /// How many were lost in all; negative when some came twice. 24 bits on the wire.
    pub lost: i32,
    /// The highest sequence number received, with its wraps above it.
    pub highest: u32,
    /// Interarrival jitter in RTP timestamp units.
    pub jitter: u32,
    /// The middle 32 bits of the last sender report's clock, 0 before the first.
    pub last_report: u32,
    /// How long ago that came, in units of 2⁻¹⁶ s.
    pub delay: u32,
}

/// What a compound packet told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Received {
    /// The source of a sender report, and the middle 32 bits of its clock.
    pub sender: Option<(u32, u32)>,
    /// What was said of our packets.
    pub about_us: Option<ReportBlock>,
    /// A source leaves.
    pub bye: bool,
}

/// Reads a compound packet for whoever sends as `ours`. `None` when it does not begin with a
/// report (§6.1, appendix A.2).
pub fn parse(bytes: &[u8], ours: u32) -> Option<Received> {
    if !is_rtcp(bytes) || ![SENDER_REPORT, RECEIVER_REPORT].contains(&bytes[1]) {
        return None;
    }
    let mut received = Received::default();
    let mut rest = bytes;
    while let Some(&[flags, kind, high, low]) = rest.first_chunk::<4>() {
        let length = (usize::from(u16::from_be_bytes([high, low])) + 1) * 4;
        if flags >> 6 != VERSION || length > rest.len() {
            break;
        }
        let (packet, after) = rest.split_at(length);
        received.read(flags & 0x1F, kind, packet, ours);
        rest = after;
    }
    Some(received)
}

impl Received {
    fn read(&mut self, count: u8, kind: u8, packet: &[u8], ours: u32) {
        let blocks = match kind {
            SENDER_REPORT => {
                let Some(info) = packet.get(HEADER_BYTES..HEADER_BYTES + SENDER_BYTES) else {
                    return;
                };
                self.sender = Some((word(packet, 4), word(info, 2)));
                &packet[HEADER_BYTES + SENDER_BYTES..]
            }
            RECEIVER_REPORT => packet.get(HEADER_BYTES..).unwrap_or_default(),
            BYE => {
                self.bye |= count > 0;
                return;
            }
            _ => return,
        };
        let (blocks, _) = blocks.as_chunks::<BLOCK_BYTES>();
        let about_us = blocks
            .iter()
            .take(count.into())
            .map(ReportBlock::read)
            .find(|block| block.ssrc == ours);
        self.about_us = about_us.or(self.about_us);
    }
}

impl ReportBlock {
    fn read(bytes: &[u8; BLOCK_BYTES]) -> Self {
        let loss = word(bytes, 4);
        Self {
            ssrc: word(bytes, 0),
            fraction_lost: bytes[4],
            // The sign of 24 bits, spread.
            lost: (loss << 8).cast_signed() >> 8,
            highest: word(bytes, 8),
            jitter: word(bytes, 12),
            last_report: word(bytes, 16),
            delay: word(bytes, 20),
        }
    }

    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.ssrc.to_be_bytes());
        out.push(self.fraction_lost);
        let [_, lost @ ..] = self.lost.clamp(-0x80_0000, 0x7F_FFFF).to_be_bytes();
        out.extend_from_slice(&lost);
        for word in [self.highest, self.jitter, self.last_report, self.delay] {
            out.extend_from_slice(&word.to_be_bytes());
        }
    }
}

/// What we tell in one compound packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Report<'a> {
    /// Our source.
    pub ssrc: u32,
    /// What we sent; `None` before the first packet.
    pub sender: Option<SenderInfo>,
    /// What we received; `None` before the first packet.
    pub block: Option<ReportBlock>,
    /// Our name, the same through the call and of no other meaning (§6.5.1, RFC 7022); cut to
    /// [`MAX_CNAME_BYTES`].
    pub cname: &'a str,
    /// We leave.
    pub bye: bool,
}

impl Report<'_> {
    /// The compound packet: a report, our name, and a goodbye if it is one (§6.1).
    pub fn write(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(160);
        let kind = if self.sender.is_some() { SENDER_REPORT } else { RECEIVER_REPORT };
        let start = begin(&mut out, u8::from(self.block.is_some()), kind, self.ssrc);
        if let Some(info) = self.sender {
            out.extend_from_slice(&info.ntp.to_be_bytes());
            for word in [info.timestamp, info.packets, info.bytes] {
                out.extend_from_slice(&word.to_be_bytes());
            }
        }
        if let Some(block) = self.block {
            block.write(&mut out);
        }
        finish(&mut out, start);
        let start = begin(&mut out, 1, DESCRIPTION, self.ssrc);
        let name = &self.cname.as_bytes()[..self.cname.len().min(MAX_CNAME_BYTES)];
        out.extend_from_slice(&[CNAME, u8::try_from(name.len()).unwrap_or(0)]);
        out.extend_from_slice(name);
        // One zero byte ends the list at least, and more fill the word (§6.5).
        out.push(0);
        out.resize(out.len().next_multiple_of(4), 0);
        finish(&mut out, start);
        if self.bye {
            let start = begin(&mut out, 1, BYE, self.ssrc);
            finish(&mut out, start);
        }
        out
    }
}

fn begin(out: &mut Vec<u8>, count: u8, kind: u8, ssrc: u32) -> usize {
    let start = out.len();
    out.extend_from_slice(&[VERSION << 6 | count, kind, 0, 0]);
    out.extend_from_slice(&ssrc.to_be_bytes());
    start
}

/// Writes the length of the packet that began there, in words less one.
fn finish(out: &mut [u8], start: usize) {
    let words = u16::try_from((out.len() - start) / 4 - 1).expect("our packets are short");
    out[start + 2..start + 4].copy_from_slice(&words.to_be_bytes());
}

/// The big-endian word at an offset that the caller has checked.
fn word(bytes: &[u8], at: usize) -> u32 {
    u32::from_be_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}
