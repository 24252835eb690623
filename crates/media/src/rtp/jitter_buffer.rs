//! Puts what came over a network back in order and in time, for sound that is recorded or passed
//! on to another call.
//!
//! Packets are placed on a line of samples by their timestamps. A place is due at the time of the
//! fastest packets plus a delay that grows at once with the worst lateness seen and shrinks slowly.
//! What is there when its place is due comes out once and in order; what is missing comes out as a
//! [`Piece::Gap`], so that nothing later moves. What comes after its place is dropped and counted.
//!
//! Packets are bounded in number and size and the delay in time, whatever a sender does with its
//! clock. A payload lasts as many samples as it has bytes, as it does with every codec here.
//! Comfort noise and telephone events are not to be pushed; they come out as gaps.

use std::collections::BTreeSet;
use std::collections::btree_map::{BTreeMap, Entry};
use std::time::{Duration, Instant};

use super::packet::Header;
use crate::{FRAME_SAMPLES, SAMPLE_RATE_HZ};

/// Packets held at once; with more, the oldest come out early.
pub const MAX_HELD: usize = 64;
/// The longest payload that is held, bytes: 120 ms.
pub const MAX_HELD_BYTES: usize = 960;
/// The shortest delay, for a network without jitter.
pub const MIN_DELAY: Duration = Duration::from_millis(20);
/// The longest delay; what is later than that is lost.
pub const MAX_DELAY: Duration = Duration::from_millis(200);
/// A packet further than this from where its timestamp says begins a new stream.
const LARGEST_JUMP_US: i64 = 1_000_000;
/// Room before the first packet of a stream for earlier ones that it overtook, samples.
const LEAD: u64 = 1_600;
/// What is missing is told in frames of so many samples.
const FRAME: u64 = FRAME_SAMPLES as u64;
/// The delay gives back this part of what it has too much with each packet.
const DELAY_DECAY: i64 = 256;
/// Clocks of peers differ by less than this part.
const SKEW: i64 = 2_048;

/// What comes out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Piece {
    /// Sound, as encoded.
    Audio(Vec<u8>),
    /// So many samples for which nothing came in time: to be concealed, or silence.
    Gap {
        /// At 8 kHz, never 0.
        samples: u64,
    },
}

/// What was dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct JitterCounts {
    /// Packets whose place was over when they came.
    pub late: u64,
    /// Packets that were there already.
    pub repeated: u64,
    /// Packets without a payload, or with one longer than [`MAX_HELD_BYTES`].
    pub unusable: u64,
    /// Packets that came while twice [`MAX_HELD`] were waiting for [`JitterBuffer::pop`].
    pub overflowed: u64,
}

/// The buffer of one direction of a call.
#[derive(Debug, Clone)]
pub struct JitterBuffer {
    least_delay_us: i64,
    held: BTreeMap<u64, Vec<u8>>,
    stream: Option<Stream>,
    /// The first sample that has not come out yet.
    next: u64,
    /// Everything before this place is due now: a stream that is over, or too much.
    flush_before: u64,
    /// Where the places of streams begin of which nothing has come out yet.
    beginnings: BTreeSet<u64>,
    counts: JitterCounts,
}

/// How one source's timestamps stand to places and to our clock.
#[derive(Debug, Clone)]
struct Stream {
    ssrc: u32,
    /// The last packet's timestamp and its place, to which others are relative.
    timestamp: u32,
    place: u64,
    /// A fixed instant, and the place that the fastest packets have then, in microseconds from
    /// the origin: a packet at place `p` comes at `origin + fastest_us + p` at the earliest.
    origin: Instant,
    fastest_us: i64,
    delay_us: i64,
    last_us: i64,
}

impl JitterBuffer {
    /// Nothing held; the delay begins at `least` and never falls below it, nor below
    /// [`MIN_DELAY`]. Packets may overtake each other by as much without a loss: a listener that is
    /// in no hurry asks for more.
    pub fn new(least: Duration) -> Self {
        Self {
            least_delay_us: micros(least.clamp(MIN_DELAY, MAX_DELAY)),
            held: BTreeMap::new(),
            stream: None,
            next: 0,
            flush_before: 0,
            beginnings: BTreeSet::new(),
            counts: JitterCounts::default(),
        }
    }

    /// Takes in a packet of audio that arrived `now`.
    pub fn push(&mut self, now: Instant, header: &Header, payload: &[u8]) {
        if payload.is_empty() || payload.len() > MAX_HELD_BYTES {
            self.counts.unusable += 1;
            return;
        }
        if self.held.len() >= 2 * MAX_HELD {
            self.counts.overflowed += 1;
            return;
        }
        let least = self.least_delay_us;
        let place = match self.stream.as_mut().and_then(|stream| stream.place(now, header, least)) {
            Some(place) => place,
            None => self.begin(now, header),
        };
        let end = place + payload.len() as u64;
        if end <= self.next || self.beginnings.last().is_some_and(|&from| place < from) {
            self.counts.late += 1;
        } else if let Entry::Vacant(vacant) = self.held.entry(place) {
            vacant.insert(payload.to_vec());
        } else {
            self.counts.repeated += 1;
        }
        if self.held.len() > MAX_HELD
            && let Some((&first, bytes)) = self.held.first_key_value()
        {
            self.flush_before = self.flush_before.max(first + bytes.len() as u64);
        }
    }

    /// What is due, if anything. To be called until it gives nothing.
    pub fn pop(&mut self, now: Instant) -> Option<Piece> {
        let due = self.due_before(now);
        loop {
            let first = self.held.first_entry()?;
            let place = *first.key();
            let end = place + first.get().len() as u64;
            if end <= self.next {
                // Packets with other boundaries covered it.
                first.remove();
                self.counts.late += 1;
                continue;
            }
            if self.beginnings.first().is_some_and(|&from| place >= from) {
                if place >= due {
                    return None;
                }
                // A stream begins where its first packet is; nothing was missed before that.
                self.next = place;
                self.beginnings.retain(|&from| from > place);
            }
            if self.next >= due {
                return None;
            }
            if place > self.next {
                let due_frames = (due - self.next).next_multiple_of(FRAME);
                let samples = due_frames.min(place - self.next);
                self.next += samples;
                return Some(Piece::Gap { samples });
            }
            let mut bytes = first.remove();
            let known = usize::try_from(self.next - place).expect("less than its length");
            bytes.drain(..known);
            self.next = end;
            return Some(Piece::Audio(bytes));
        }
    }

    /// When [`Self::pop`] has something next; `None` while nothing is held.
    pub fn next_due(&self) -> Option<Instant> {
        let (&place, _) = self.held.first_key_value()?;
        let stream = self.stream.as_ref()?;
        let begins = self.beginnings.first().is_some_and(|&from| place >= from);
        let next = if begins { place } else { self.next };
        if next < self.flush_before {
            return Some(stream.origin);
        }
        let due_us = u64::try_from(stream.due_us(next)).unwrap_or(0);
        Some(stream.origin + Duration::from_micros(due_us))
    }

    /// Makes everything that is held due at once, for the end of a call.
    pub fn flush(&mut self) {
        // Packets may lie over each other: the last to begin need not be the last to end.
        let ends = self.held.iter().map(|(&place, bytes)| place + bytes.len() as u64);
        self.flush_before = ends.fold(self.flush_before, u64::max);
    }

    /// What was dropped so far.
    pub fn counts(&self) -> JitterCounts {
        self.counts
    }

    /// How many packets are held.
    pub fn held(&self) -> usize {
        self.held.len()
    }

    /// The first place that is not due yet.
    fn due_before(&self, now: Instant) -> u64 {
        let by_time = self.stream.as_ref().map_or(0, |stream| stream.due_before(now));
        by_time.max(self.flush_before)
    }

    /// A new stream: what the old one left comes out now, and the new one follows it directly.
    fn begin(&mut self, now: Instant, header: &Header) -> u64 {
        self.flush();
        let from = self.flush_before.max(self.next);
        self.beginnings.insert(from);
        let place = from + LEAD;
        let least = self.least_delay_us;
        let delay_us = self.stream.as_ref().map_or(least, |stream| stream.delay_us);
        self.stream = Some(Stream {
            ssrc: header.ssrc,
            timestamp: header.timestamp,
            place,
            origin: now,
            fastest_us: -us_of(place),
            delay_us,
            last_us: 0,
        });
        place
    }
}

impl Stream {
    /// The place of a packet, and what its arrival tells of the network. `None` when it does not
    /// belong to this stream.
    fn place(&mut self, now: Instant, header: &Header, least_delay_us: i64) -> Option<u64> {
        if header.ssrc != self.ssrc {
            return None;
        }
        let step = i64::from(header.timestamp.wrapping_sub(self.timestamp).cast_signed());
        // A packet from before the beginning has no place.
        let place = self.place.checked_add_signed(step)?;
        let now_us = micros(now.saturating_duration_since(self.origin));
        let late_us = now_us - us_of(place) - self.fastest_us;
        if late_us > LARGEST_JUMP_US || late_us < -micros(MAX_DELAY) {
            return None;
        }
        let passed_us = now_us - self.last_us;
        self.last_us = now_us;
        self.fastest_us += late_us.min(passed_us / SKEW);
        let late_us = late_us.max(0);
        if late_us > self.delay_us {
            self.delay_us = late_us;
        } else {
            self.delay_us -= (self.delay_us - late_us) / DELAY_DECAY;
        }
        self.delay_us = self.delay_us.clamp(least_delay_us, micros(MAX_DELAY));
        self.timestamp = header.timestamp;
        self.place = place;
        Some(place)
    }

    /// Microseconds after the origin at which a place is due.
    fn due_us(&self, place: u64) -> i64 {
        us_of(place) + self.fastest_us + self.delay_us
    }

    /// The first place that is not due yet.
    fn due_before(&self, now: Instant) -> u64 {
        let now_us = micros(now.saturating_duration_since(self.origin));
        let over_us = now_us - self.fastest_us - self.delay_us;
        // A place that is due this very microsecond is due.
        u64::try_from(over_us.div_euclid(SAMPLE_US) + 1).unwrap_or(0)
    }
}

/// Microseconds of a sample.
const SAMPLE_US: i64 = 1_000_000 / SAMPLE_RATE_HZ as i64;

fn us_of(place: u64) -> i64 {
    i64::try_from(place).unwrap_or(i64::MAX).saturating_mul(SAMPLE_US)
}

fn micros(time: Duration) -> i64 {
    i64::try_from(time.as_micros()).unwrap_or(i64::MAX)
}
