//! When a call reports, what it reports, and what it learns from the peer's reports (RFC 3550 §6.2,
//! §6.3 and §6.4).

use std::time::{Duration, Instant};

use super::rtcp::{Received, Report, ReportBlock, SenderInfo};
use super::session::Receiver;
use crate::{FRAME_SAMPLES, SAMPLE_RATE_HZ};

/// The middle of the interval between two reports (§6.2).
const INTERVAL: Duration = Duration::from_secs(5);
/// The longest round trip that is believed, microseconds; more is a broken clock.
const MAX_ROUND_TRIP_US: u64 = 10_000_000;

/// What the peer reported of our packets, and what follows from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PeerView {
    /// Packets of ours that it lost.
    pub lost: u32,
    /// The jitter of ours that it saw, microseconds.
    pub jitter_us: u32,
    /// The round trip between us, microseconds, when its reports allow to tell.
    pub round_trip_us: Option<u32>,
}

/// Reports of one call.
#[derive(Debug, Clone)]
pub struct Reporter {
    ssrc: u32,
    began_at: Instant,
    next_at: Instant,
    /// State of the numbers that spread the intervals.
    spread: u64,
    /// Expected and received packets at the last report (appendix A.3).
    before: (u64, u64),
    /// The middle bits of the peer's last clock, and when they came.
    last_report: Option<(u32, Instant)>,
    view: Option<PeerView>,
}

impl Reporter {
    /// A reporter of a call that begins to send `now`. `seed` spreads its reports; it should differ
    /// from call to call.
    pub fn new(now: Instant, ssrc: u32, seed: u64) -> Self {
        let mut reporter = Self {
            ssrc,
            began_at: now,
            next_at: now,
            spread: seed,
            before: (0, 0),
            last_report: None,
            view: None,
        };
        // The first comes after half the time (§6.2).
        reporter.next_at = now + reporter.interval() / 2;
        reporter
    }

    /// When the next report is due.
    pub fn next_at(&self) -> Instant {
        self.next_at
    }

    /// Takes what the peer reported `now`.
    pub fn received(&mut self, now: Instant, received: &Received) {
        if let Some((_, middle)) = received.sender {
            self.last_report = Some((middle, now));
        }
        let Some(block) = received.about_us else { return };
        let round_trip_us =
            self.round_trip(now, &block).or_else(|| self.view.and_then(|view| view.round_trip_us));
        self.view = Some(PeerView {
            lost: u32::try_from(block.lost).unwrap_or(0),
            jitter_us: saturated(u64::from(block.jitter) * 1_000_000 / u64::from(SAMPLE_RATE_HZ)),
            round_trip_us,
        });
    }

    /// The compound packet that is due `now`, and the time of the next. `packets` were sent, the
    /// next of them with `timestamp`.
    pub fn report(
        &mut self,
        now: Instant,
        packets: u32,
        timestamp: u32,
        receiver: &Receiver,
        cname: &str,
        bye: bool,
    ) -> Vec<u8> {
        self.next_at = now + self.interval();
        let frame_bytes = u32::try_from(FRAME_SAMPLES).expect("a small number");
        let sender = (packets > 0).then(|| SenderInfo {
            ntp: self.clock(now),
            timestamp,
            packets,
            bytes: packets.wrapping_mul(frame_bytes),
        });
        let block =
            receiver.source().map(|(ssrc, highest)| self.block(now, ssrc, highest, receiver));
        Report { ssrc: self.ssrc, sender, block, cname, bye }.write()
    }

    /// What the peer last reported.
    pub fn view(&self) -> Option<PeerView> {
        self.view
    }

    fn block(&mut self, now: Instant, ssrc: u32, highest: u32, receiver: &Receiver) -> ReportBlock {
        let report = receiver.report();
        let expected = report.received + report.lost;
        let (expected_before, received_before) =
            std::mem::replace(&mut self.before, (expected, report.received));
        let expected_now = expected.saturating_sub(expected_before);
        let lost_now = expected_now.saturating_sub(report.received.saturating_sub(received_before));
        let fraction = (lost_now * 256).checked_div(expected_now).unwrap_or(0).min(255);
        let since =
            self.last_report.map_or(Duration::ZERO, |(_, at)| now.saturating_duration_since(at));
        ReportBlock {
            ssrc,
            fraction_lost: u8::try_from(fraction).expect("at most 255"),
            lost: i32::try_from(report.lost).unwrap_or(i32::MAX),
            highest,
            jitter: report.jitter_samples,
            last_report: self.last_report.map_or(0, |(middle, _)| middle),
            delay: middle_of(fixed_point(since)),
        }
    }

    /// Arrival minus our report's time minus the peer's delay (§6.4.1, figure 2).
    fn round_trip(&self, now: Instant, block: &ReportBlock) -> Option<u32> {
        if block.last_report == 0 {
            return None;
        }
        let arrival = middle_of(self.clock(now));
        let units = arrival.wrapping_sub(block.last_report).wrapping_sub(block.delay);
        let micros = (u64::from(units) * 1_000_000) >> 16;
        (micros <= MAX_ROUND_TRIP_US).then(|| saturated(micros))
    }

    /// Our clock: the time since the call began, which is all that a report needs (§4), and
    /// one second more, so that it is never the zero that means "none".
    fn clock(&self, now: Instant) -> u64 {
        fixed_point(now.saturating_duration_since(self.began_at) + Duration::from_secs(1))
    }

    /// Between half and one and a half times the middle, so that calls do not report together.
    fn interval(&mut self) -> Duration {
        // SplitMix64: any numbers that differ between calls will do.
        self.spread = self.spread.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.spread ^ (self.spread >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let part = u32::try_from(mixed >> 54).expect("ten bits");
        INTERVAL / 2 + INTERVAL * part / 1_024
    }
}

/// A time in units of 2⁻³² s.
fn fixed_point(time: Duration) -> u64 {
    (time.as_secs() << 32) | ((u64::from(time.subsec_nanos()) << 32) / 1_000_000_000)
}

/// The middle 32 bits: units of 2⁻¹⁶ s.
fn middle_of(fixed_point: u64) -> u32 {
    u32::try_from(fixed_point >> 16 & 0xFFFF_FFFF).expect("masked to 32 bits")
}

fn saturated(count: u64) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}
