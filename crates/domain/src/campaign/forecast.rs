//! What calls will probably cost: the length of its message, its numbers and tries, and how
//! calls ended that were made lately. An expectation with its bounds, no promise.

use super::admission::{CallPrices, Zones};
use crate::{Rials, Tariff};

/// The newest calls that are looked at.
pub const CALLS_MAX: u32 = 5_000;
/// Fewer calls than these say nothing.
pub const CALLS_MIN: u32 = 50;
/// How far the bounds lie apart, in standard deviations: 19 of 20 times the share lies within.
const DEVIATIONS: f64 = 1.96;

/// How calls ended lately.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct History {
    /// Calls that ended.
    pub calls: u32,
    /// Those of them that cost something, since somebody answered.
    pub charged: u32,
    /// What was heard in those, milliseconds.
    pub heard_ms: u64,
    /// What there was to be heard in those, milliseconds.
    pub clip_ms: u64,
}

/// What is expected.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Forecast {
    /// It will hardly cost less.
    pub low: Rials,
    /// It will hardly cost more.
    pub high: Rials,
    /// The share of one call that costs something: the lower bound.
    pub charged_low: f64,
    /// The upper bound.
    pub charged_high: f64,
    /// The share of the message that those who answer hear.
    pub heard: f64,
}

impl Forecast {
    /// What is expected with a cost that is sure beside it. `None`: beyond 64 bits.
    #[must_use]
    pub fn beside(self, cost: Rials) -> Option<Self> {
        let (low, high) = (self.low.checked_add(cost)?, self.high.checked_add(cost)?);
        Some(Self { low, high, ..self })
    }
}

impl History {
    /// Whether there are calls enough to expect anything from.
    pub fn tells(&self) -> bool {
        self.calls >= CALLS_MIN
    }

    /// How much of a message of this length those hear who answer, milliseconds.
    pub fn heard_of(&self, clip_ms: u32) -> u32 {
        part(clip_ms, heard(self.heard_ms, self.clip_ms))
    }

    /// What calling these recipients, up to so many times each until one answers, is expected to
    /// cost. `None` when there are too few calls, or past 64 bits.
    pub fn forecast(
        &self,
        tariff: &Tariff,
        recipients: Zones,
        (clip_ms, tries): (u32, u32),
    ) -> Option<Forecast> {
        let part = CallPrices::of(tariff, self.heard_of(clip_ms))?.of_all(recipients)?;
        let whole = CallPrices::of(tariff, clip_ms)?.of_all(recipients)?;
        self.range(recipients.total(), tries, (part, whole))
    }

    /// The same, for so many recipients that all together cost the first when each hears the part
    /// of the message that is usually heard, and the second when each hears the whole of it.
    pub fn range(
        &self,
        recipients: u32,
        tries: u32,
        (part, whole): (Rials, Rials),
    ) -> Option<Forecast> {
        if !self.tells() || recipients == 0 {
            return None;
        }
        let (charged_low, charged_high) = bounds(self.charged, self.calls, recipients);
        // At least one try is made, at most all; and whoever hears it hears his part, or all.
        let tries = i32::try_from(tries.max(1)).unwrap_or(i32::MAX);
        let any_high = 1.0 - (1.0 - charged_high).powi(tries);
        Some(Forecast {
            low: share(part, charged_low).min(share(whole, any_high)),
            high: share(whole, any_high),
            charged_low,
            charged_high,
            heard: heard(self.heard_ms, self.clip_ms),
        })
    }
}

/// The bounds within which the share of `more` calls will lie, after `part` of `all` were seen.
/// Wilson's interval, for as many calls as both together are worth: few calls to come are as
/// uncertain as few calls that were seen.
fn bounds(part: u32, all: u32, more: u32) -> (f64, f64) {
    let (seen, more) = (f64::from(all), f64::from(more));
    let (n, p) = (seen * more / (seen + more), f64::from(part) / seen);
    let z2 = DEVIATIONS * DEVIATIONS;
    let middle = p + z2 / (2.0 * n);
    let spread = DEVIATIONS * (p * (1.0 - p) / n + z2 / (4.0 * n * n)).sqrt();
    let scale = 1.0 + z2 / n;
    (((middle - spread) / scale).max(0.0), ((middle + spread) / scale).min(1.0))
}

#[expect(clippy::cast_precision_loss, reason = "a share of milliseconds")]
fn heard(heard_ms: u64, clip_ms: u64) -> f64 {
    if clip_ms == 0 { 1.0 } else { (heard_ms as f64 / clip_ms as f64).min(1.0) }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a share of a length is a length"
)]
fn part(clip_ms: u32, heard: f64) -> u32 {
    (f64::from(clip_ms) * heard).round() as u32
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    reason = "an expectation of rials needs no last digit"
)]
fn share(all: Rials, share: f64) -> Rials {
    Rials((all.0 as f64 * share).round() as i64)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A thousand calls of which 400 cost something, and half of the message was heard in them.
    const LATELY: History =
        History { calls: 1_000, charged: 400, heard_ms: 2_000_000, clip_ms: 4_000_000 };

    fn forecast(history: History, tries: u32) -> Option<Forecast> {
        let recipients = Zones { internal: 0, external: 10_000 };
        history.forecast(&Tariff::example(), recipients, (10_000, tries))
    }

    #[test]
    fn the_range_is_that_of_the_calls_that_were_seen() {
        // A whole call costs 450, half of it 225. Wilson's bounds for 400 of 1000, seen before as
        // many as ten thousand more: those of 909 calls.
        let once = forecast(LATELY, 1).unwrap();
        assert!((0.368..0.369).contains(&once.charged_low), "{once:?}");
        assert!((0.432..0.433).contains(&once.charged_high), "{once:?}");
        assert!((once.heard - 0.5).abs() < 1e-9);
        assert!((828_000..831_000).contains(&once.low.0), "{once:?}");
        assert!((1_944_000..1_949_000).contains(&once.high.0), "{once:?}");
        let twice = forecast(LATELY, 2).unwrap();
        assert_eq!(twice.low, once.low, "everybody may answer at once");
        assert!(twice.high > once.high && twice.high < Rials(4_500_000));
    }

    #[test]
    fn one_call_may_cost_nothing_or_nearly_all_whatever_was_seen() {
        let one = LATELY.range(1, 1, (Rials(225), Rials(450))).unwrap();
        assert!(one.low < Rials(30) && one.high > Rials(400), "{one:?}");
        let many = LATELY.range(1_000, 1, (Rials(225_000), Rials(450_000))).unwrap();
        assert!(many.low > Rials(80_000) && many.high < Rials(203_000), "{many:?}");
        assert_eq!(LATELY.range(0, 1, (Rials(0), Rials(0))), None);
    }

    #[test]
    fn bounds_hold_at_the_ends_and_few_calls_say_nothing() {
        assert_eq!(forecast(History { calls: 49, charged: 49, ..LATELY }, 1), None);
        let all = forecast(History { calls: 50, charged: 50, ..LATELY }, 10).unwrap();
        assert!(all.high <= Rials(4_500_000) && all.low <= all.high);
        let none = History { calls: 5_000, charged: 0, heard_ms: 0, clip_ms: 0 };
        let none = forecast(none, 1).unwrap();
        assert_eq!(none.low, Rials(0));
        assert!(none.high > Rials(0) && none.high < Rials(9_000), "{none:?}");
        let few = bounds(20, 50, 10_000);
        let many = bounds(2_000, 5_000, 10_000);
        assert!(few.0 < many.0 && many.1 < few.1, "more calls say more");
    }
}
