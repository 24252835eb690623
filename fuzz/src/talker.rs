//! The peer's media: packets and reports that can be taken for those of a call, some of them
//! encrypted with the key that the peer describes.

use engine::RtpTransmit;
use media::rtp::Header;
use media::rtp::rtcp::{Report, ReportBlock, SenderInfo};
use media::srtp::{MASTER_BYTES, MasterKey, SrtpSender, Suite};

use crate::tape::Tape;

/// With what the peer encrypts.
pub const KEY: MasterKey = MasterKey::new([0x5A; MASTER_BYTES]);

/// Sound, comfort noise, keys, and what nobody offered.
const PAYLOAD_TYPES: &[u8] = &[8, 0, 9, 101, 13, 96];

/// Who sends on the peer's side.
pub struct Talker {
    sequence: u16,
    timestamp: u32,
    sealer: SrtpSender,
    /// The source of our latest packet.
    ours: u32,
}

impl Default for Talker {
    fn default() -> Self {
        let sealer = SrtpSender::new(Suite::Sha1Tag80, &KEY);
        Self { sequence: 65_530, timestamp: 0, sealer, ours: 0 }
    }
}

impl Talker {
    /// Hears a packet of ours.
    pub fn hear(&mut self, packet: &RtpTransmit) {
        let [.., s0, s1, s2, s3] = packet.header;
        self.ours = u32::from_be_bytes([s0, s1, s2, s3]);
    }

    /// The next packet, or one out of order, or one of another source.
    pub fn packet(&mut self, tape: &mut Tape<'_>) -> Vec<u8> {
        let payload_type = tape.one_of(PAYLOAD_TYPES);
        let how = tape.byte();
        let step = if how & 1 == 0 { 1 } else { u16::from(tape.byte() % 8).wrapping_sub(3) };
        self.sequence = self.sequence.wrapping_add(step);
        self.timestamp = self.timestamp.wrapping_add(if payload_type == 101 { 0 } else { 160 });
        let header = Header {
            marker: how & 2 != 0,
            payload_type,
            sequence: self.sequence,
            timestamp: self.timestamp,
            ssrc: u32::from(how >> 2 & 3 == 3),
        };
        let (header, payload) = (header.write(), payload(payload_type, tape));
        if how & 16 == 0 {
            return [&header as &[u8], &payload].concat();
        }
        [&header as &[u8], &self.sealer.protect(&header, &payload)].concat()
    }

    /// A report about our packets.
    pub fn report(&mut self, tape: &mut Tape<'_>) -> Vec<u8> {
        let how = tape.byte();
        let sender =
            SenderInfo { ntp: u64::from(tape.word()) << 16, timestamp: 0, packets: 9, bytes: 9 };
        let block = ReportBlock {
            ssrc: self.ours,
            fraction_lost: tape.byte(),
            lost: i32::from(tape.word()),
            highest: tape.word().into(),
            jitter: u32::from(tape.word()) << 16,
            last_report: u32::from(tape.word()) << 8,
            delay: tape.word().into(),
        };
        let report = Report {
            ssrc: 1,
            sender: (how & 1 != 0).then_some(sender),
            block: (how & 2 != 0).then_some(block),
            cname: "peer",
            bye: how & 4 != 0,
        };
        let clear = report.write();
        if how & 16 == 0 {
            return clear;
        }
        self.sealer.protect_rtcp(&clear).expect("a report has a header")
    }
}

/// A frame of sound, the like of it, or a key press (RFC 4733 §2.3).
fn payload(payload_type: u8, tape: &mut Tape<'_>) -> Vec<u8> {
    if payload_type == 101 {
        let end = if tape.coin() { 0x80 } else { 0 };
        return vec![tape.byte() % 20, end | 0x0A, tape.byte() % 8, 160];
    }
    // What alternates is loud with every codec, what does not is silence with some.
    let (first, second, length) = (tape.byte(), tape.byte(), usize::from(tape.byte() % 3) * 80);
    (0..length).map(|at| if at % 16 < 8 { first } else { second }).collect()
}
