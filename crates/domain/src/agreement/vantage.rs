//! What a vantage point reports, as it may be believed: when a look was, by the clock of who
//! collects them all, and how far the clock over there was off.

use super::scope::CoveredPath;
use crate::Timestamp;

/// Samples of one report.
pub const SAMPLES_MAX: usize = 500;
/// Longest name of a vantage point, characters.
pub const NAME_CHARS_MAX: usize = 60;
/// Longest account of what went wrong, bytes.
pub const ERROR_BYTES_MAX: usize = 300;
/// A sample that comes later than this is not believed, microseconds: its month is frozen.
pub const LATE_MAX_US: i64 = 40 * 86_400_000_000;
/// How far a sample may seem to lie in the future, microseconds: what a network's delay makes of
/// a clock's reading.
const AHEAD_MAX_US: i64 = 5_000_000;

/// One look at a path, as it is reported.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Look {
    /// Which run of the probe it is of, and which of its looks: together its name, for ever.
    pub run: i64,
    /// Which look of the run.
    pub number: i64,
    /// At what.
    pub path: CoveredPath,
    /// When it began, by the clock over there.
    pub at: Timestamp,
    /// How far that clock was ahead of ours at that moment, microseconds, as the probe knew from
    /// our last answer and its steady clock; `None` when it had none.
    pub clock_offset_us: Option<i64>,
    /// Whether the path worked.
    pub worked: bool,
    /// How long the look took, microseconds.
    pub latency_us: i64,
    /// What went wrong.
    pub error: Option<String>,
}

/// What a probe reports at once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// The clock over there at the moment of sending.
    pub sent_at: Timestamp,
    /// What was seen; nothing is a sign of life, too.
    pub looks: Vec<Look>,
}

impl Report {
    /// How far the clock over there is ahead of ours, microseconds.
    pub fn clock_offset_us(&self, received_at: Timestamp) -> i64 {
        self.sent_at.us_since(received_at)
    }
}

/// When a look began by our clock, and by how much the clock over there was ahead. `None`: it lies
/// in the future, or too far in the past, and proves nothing.
pub fn dated(look: &Look, report: &Report, received_at: Timestamp) -> Option<(Timestamp, i64)> {
    let offset = look.clock_offset_us.unwrap_or_else(|| report.clock_offset_us(received_at));
    let at = look.at.plus_us(offset.saturating_neg());
    let is_believed = at <= received_at.plus_us(AHEAD_MAX_US)
        && at >= received_at.plus_us(-LATE_MAX_US)
        && look.latency_us >= 0;
    is_believed.then(|| (at.min(received_at), offset))
}

/// What went wrong, cut to what is kept, without control characters.
pub fn cut_error(text: &str) -> String {
    let mut kept = String::new();
    for letter in text.chars().map(|letter| if letter.is_control() { ' ' } else { letter }) {
        if kept.len() + letter.len_utf8() > ERROR_BYTES_MAX {
            break;
        }
        kept.push(letter);
    }
    kept
}

/// The name of a vantage point: of visible characters, not too many. `None`: it is none.
pub fn name(text: &str) -> Option<&str> {
    let text = text.trim();
    let fits = !text.is_empty()
        && text.chars().count() <= NAME_CHARS_MAX
        && !text.chars().any(char::is_control);
    fits.then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND_US: i64 = 1_000_000;

    fn look(at: i64, clock_offset_us: Option<i64>) -> Look {
        Look {
            run: 1,
            number: 1,
            path: CoveredPath::Api,
            at: Timestamp(at * SECOND_US),
            clock_offset_us,
            worked: true,
            latency_us: 1,
            error: None,
        }
    }

    fn judged(look: &Look, sent: i64, received: i64) -> Option<(i64, i64)> {
        let report = Report { sent_at: Timestamp(sent * SECOND_US), looks: Vec::new() };
        let dated = dated(look, &report, Timestamp(received * SECOND_US));
        dated.map(|(at, offset)| (at.0 / SECOND_US, offset / SECOND_US))
    }

    /// T058: whatever a clock over there says, samples lie where they were.
    #[test]
    fn a_look_is_dated_by_our_clock() {
        const NOW: i64 = 10_000_000;
        // Right, and reported at once; seven minutes fast; three hours slow.
        assert_eq!(judged(&look(NOW - 30, None), NOW, NOW), Some((NOW - 30, 0)));
        assert_eq!(judged(&look(NOW + 390, None), NOW + 420, NOW), Some((NOW - 30, 420)));
        let slow = look(NOW - 10_830, None);
        assert_eq!(judged(&slow, NOW - 10_800, NOW), Some((NOW - 30, -10_800)));
        // The clock was put right between look and report: the look knows how far it was off.
        let fast = look(NOW + 390, Some(420 * SECOND_US));
        assert_eq!(judged(&fast, NOW, NOW), Some((NOW - 30, 420)));
    }

    #[test]
    fn what_cannot_be_is_not_believed() {
        const NOW: i64 = 10_000_000;
        assert_eq!(judged(&look(NOW + 3, None), NOW, NOW), Some((NOW, 0)));
        assert_eq!(judged(&look(NOW + 6, None), NOW, NOW), None);
        assert_eq!(judged(&look(NOW - 41 * 86_400, None), NOW, NOW), None);
        assert_eq!(judged(&look(NOW, Some(i64::MIN)), NOW, NOW), None);
        assert_eq!(
            judged(&look(i64::MIN / SECOND_US, Some(i64::MAX)), i64::MIN / SECOND_US, 0),
            None
        );
        let mut never = look(NOW, None);
        never.latency_us = -1;
        assert_eq!(judged(&never, NOW, NOW), None);
    }

    #[test]
    fn texts_from_outside_are_cut() {
        let long = "خطا\n".repeat(200);
        let cut = cut_error(&long);
        assert!(cut.len() <= ERROR_BYTES_MAX && cut.starts_with("خطا خطا"));
        assert_eq!(name("  tehran-1 "), Some("tehran-1"));
        assert_eq!((name(" "), name("a\nb"), name(&"a".repeat(61))), (None, None, None));
    }
}
