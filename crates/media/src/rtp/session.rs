//! What each direction of a call remembers between packets (RFC 3550 §6.4.1, appendix A).
//!
//! The sender is a handful of bytes, so that thousands of them stay in cache; the receiver only
//! counts and never stores audio.

use std::time::Instant;

use super::packet::Header;
use crate::{FRAME_MS, SAMPLE_RATE_HZ};

/// Timestamp units of one frame.
const FRAME_TICKS: u32 = SAMPLE_RATE_HZ / 1_000 * FRAME_MS;

/// Numbers the packets that we send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sender {
    ssrc: u32,
    timestamp: u32,
    sequence: u16,
    marker: bool,
}

impl Sender {
    /// Starts at the given points, which should be hard to guess (RFC 3550 §5.1): derive them
    /// from the seed of the call.
    pub fn new(ssrc: u32, first_sequence: u16, first_timestamp: u32) -> Self {
        Self { ssrc, timestamp: first_timestamp, sequence: first_sequence, marker: true }
    }

    /// The header for the next frame of audio. The first after a start or a pause is marked.
    pub fn frame(&mut self, payload_type: u8) -> Header {
        let header = Header {
            marker: self.marker,
            payload_type,
            sequence: self.sequence,
            timestamp: self.timestamp,
            ssrc: self.ssrc,
        };
        self.marker = false;
        self.sequence = self.sequence.wrapping_add(1);
        self.timestamp = self.timestamp.wrapping_add(FRAME_TICKS);
        header
    }

    /// Lets 20 ms pass without a packet of audio; the next one will be marked.
    pub fn pause(&mut self) {
        self.marker = true;
        self.timestamp = self.timestamp.wrapping_add(FRAME_TICKS);
    }

    /// The header of a telephone-event packet, which repeats the timestamp at which the event
    /// began (RFC 4733 §2.3). It takes 20 ms of the clock, as a frame does.
    pub fn event(&mut self, payload_type: u8, began_at: u32, marker: bool) -> Header {
        let header = Header {
            marker,
            payload_type,
            sequence: self.sequence,
            timestamp: began_at,
            ssrc: self.ssrc,
        };
        self.sequence = self.sequence.wrapping_add(1);
        self.pause();
        header
    }

    /// The timestamp that the next frame will carry.
    pub fn timestamp(&self) -> u32 {
        self.timestamp
    }

    /// The source that we are.
    pub fn ssrc(&self) -> u32 {
        self.ssrc
    }
}

/// What a receiver has counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ReceiverReport {
    /// Packets received, duplicates included.
    pub received: u64,
    /// Packets expected by sequence number and not received; never below zero.
    pub lost: u64,
    /// Packets that came after one with a higher sequence number.
    pub reordered: u64,
    /// Interarrival jitter in samples at 8 kHz (RFC 3550 §6.4.1, A.8).
    pub jitter_samples: u32,
    /// How often the sender changed its source or jumped in its numbering.
    pub restarts: u32,
}

/// Counts the packets that we receive from one peer.
#[derive(Debug, Clone, Default)]
pub struct Receiver {
    stream: Option<Stream>,
    report: ReceiverReport,
    lost_before: u64,
    jitter_x16: u32,
    epoch: Option<Instant>,
}

/// One run of sequence numbers from one source.
#[derive(Debug, Clone)]
struct Stream {
    ssrc: u32,
    first: u64,
    highest: u64,
    received: u64,
    transit: u32,
}

/// A forward jump of more than this is a restart, not loss (RFC 3550 A.1, MAX_DROPOUT).
const LARGEST_GAP: u16 = 3_000;
/// A step back of more than this is a restart, not reordering (RFC 3550 A.1, MAX_MISORDER).
const LARGEST_STEP_BACK: u16 = 100;

impl Receiver {
    /// Nothing received yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Counts one packet that arrived `now`.
    pub fn receive(&mut self, now: Instant, header: &Header) {
        self.report.received += 1;
        let transit = self.arrival_ticks(now).wrapping_sub(header.timestamp);
        let Some(stream) = self.stream.as_mut().filter(|stream| stream.ssrc == header.ssrc) else {
            return self.restart(header, transit);
        };
        let low = u16::try_from(stream.highest & 0xFFFF).expect("masked to 16 bits");
        let ahead = header.sequence.wrapping_sub(low);
        let behind = low.wrapping_sub(header.sequence);
        if ahead != 0 && ahead < LARGEST_GAP {
            stream.highest += u64::from(ahead);
        } else if behind < LARGEST_STEP_BACK {
            self.report.reordered += u64::from(behind != 0);
        } else {
            return self.restart(header, transit);
        }
        stream.received += 1;
        let difference = transit.wrapping_sub(stream.transit).cast_signed().unsigned_abs();
        stream.transit = transit;
        // RFC 3550 A.8: J += (|D| - J) / 16, kept sixteen times larger so that integers suffice.
        let decayed = self.jitter_x16 - (self.jitter_x16.saturating_add(8) >> 4);
        self.jitter_x16 = decayed.saturating_add(difference);
        self.report.jitter_samples = self.jitter_x16 >> 4;
        self.report.lost = self.lost_before + stream.lost();
    }

    /// The counts so far.
    pub fn report(&self) -> ReceiverReport {
        self.report
    }

    /// The source that was heard last and its highest sequence number, with the wraps above it.
    pub fn source(&self) -> Option<(u32, u32)> {
        let stream = self.stream.as_ref()?;
        // The count starts at one wrap, so that a first packet that was overtaken has a place.
        let highest = u32::try_from(stream.highest.wrapping_sub(0x1_0000) & 0xFFFF_FFFF);
        Some((stream.ssrc, highest.expect("masked to 32 bits")))
    }

    fn restart(&mut self, header: &Header, transit: u32) {
        if let Some(old) = self.stream.take() {
            self.lost_before += old.lost();
            self.report.restarts += 1;
        }
        let sequence = u64::from(header.sequence) | 0x1_0000;
        self.stream = Some(Stream {
            ssrc: header.ssrc,
            first: sequence,
            highest: sequence,
            received: 1,
            transit,
        });
    }

    fn arrival_ticks(&mut self, now: Instant) -> u32 {
        let epoch = *self.epoch.get_or_insert(now);
        let micros = now.saturating_duration_since(epoch).as_micros();
        let ticks = micros * u128::from(SAMPLE_RATE_HZ) / 1_000_000;
        // The RTP clock wraps at 32 bits, and so does this one.
        u32::try_from(ticks & u128::from(u32::MAX)).expect("masked to 32 bits")
    }
}

impl Stream {
    fn lost(&self) -> u64 {
        (self.highest - self.first + 1).saturating_sub(self.received)
    }
}
