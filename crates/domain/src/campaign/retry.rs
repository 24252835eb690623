//! Whom a campaign calls again. What the recipient's side answered uses up a try; what our side or
//! a trunk failed does not, but is not repeated for ever; what was never dialled is free.

use crate::calendar::day::Day;
use crate::dialer::disposition::{CAPPED, NOT_SPOKEN, is_lost};
use crate::{Disposition, Timestamp};

/// How often and after which pause a recipient is tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetryPolicy {
    /// Tries at each recipient, at least 1.
    pub max_tries: u32,
    /// The pause between two of them, milliseconds.
    pub delay_ms: i64,
    /// The campaign's end: no try is made after it.
    pub ends_at: Timestamp,
}

/// The most tries that a client may ask for.
pub const TRIES_MAX: u32 = 10;
/// The longest pause between two tries, minutes: a week.
pub const DELAY_MINUTES_MAX: u32 = 7 * 24 * 60;
/// The shortest pause after a call that was lost with its process, milliseconds. By then the far
/// end has said that it is over, or it cannot be up any more (decision 0126); the pause is for who
/// was rung or spoken to and cut off, so that he is not rung again at once.
const LOST_PAUSE_MS: i64 = 120_000;
/// How often a recipient is called again although a trunk or we failed.
const FAILURES_MAX: u32 = 3;

/// What has come of the calls to a recipient so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Tried {
    /// Tries that count.
    pub tries: u32,
    /// Calls that a trunk or we failed.
    pub failures: u32,
}

impl Tried {
    /// Counts a call by what it came to and by its cause.
    #[must_use]
    pub fn and(self, disposition: Disposition, cause: &str) -> Self {
        match disposition {
            Disposition::Expired | Disposition::Cancelled | Disposition::OptedOut => self,
            // The phone may have rung before our process or node was lost.
            Disposition::NetworkFailure if !is_lost(cause) => {
                Self { failures: self.failures.saturating_add(1), ..self }
            }
            _ => Self { tries: self.tries.saturating_add(1), ..self },
        }
    }
}

impl RetryPolicy {
    /// When a recipient may be called again whose last call came to this, by this cause; `tried`
    /// counts that call too. `None`: this was the last one.
    pub fn again_at(
        &self,
        disposition: Disposition,
        cause: &str,
        tried: Tried,
        ended_at: Timestamp,
    ) -> Option<Timestamp> {
        if cause == NOT_SPOKEN {
            // It would not be spoken the next time either.
            return None;
        }
        let delay_ms = match disposition {
            Disposition::Delivered
            | Disposition::HeardInPart
            | Disposition::Rejected
            | Disposition::InvalidNumber
            | Disposition::OptedOut => return None,
            Disposition::NetworkFailure if is_lost(cause) => self.delay_ms.max(LOST_PAUSE_MS),
            Disposition::NoAnswer
            | Disposition::Busy
            | Disposition::Unreachable
            | Disposition::AnsweringMachine
            | Disposition::NetworkFailure => self.delay_ms,
            Disposition::Expired | Disposition::Cancelled => 0,
        };
        let at = if cause == CAPPED {
            // Its number may be called as often again on the next day.
            Day::of(ended_at).end()
        } else {
            ended_at.plus_ms(delay_ms)
        };
        let left = tried.tries < self.max_tries && tried.failures <= FAILURES_MAX;
        (left && at < self.ends_at).then_some(at)
    }
}

/// Whether a person who was left like this is worth a campaign of its own later.
pub fn is_unreached(disposition: Disposition) -> bool {
    match disposition {
        Disposition::NoAnswer
        | Disposition::Busy
        | Disposition::Unreachable
        | Disposition::AnsweringMachine
        | Disposition::NetworkFailure
        | Disposition::Expired
        | Disposition::Cancelled => true,
        Disposition::Delivered
        | Disposition::HeardInPart
        | Disposition::Rejected
        | Disposition::InvalidNumber
        | Disposition::OptedOut => false,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::dialer::disposition::{NODE_LOST, PROCESS_LOST};

    #[test]
    fn what_cannot_be_spoken_is_not_tried_again() {
        let (ended, tried) = (Disposition::Cancelled, Tried::default());
        assert_eq!(policy(3).again_at(ended, NOT_SPOKEN, tried, NOW), None);
        assert_eq!(policy(3).again_at(ended, "withdrawn", tried, NOW), Some(NOW));
    }

    const NOW: Timestamp = Timestamp(1_000_000_000);

    fn policy(max_tries: u32) -> RetryPolicy {
        RetryPolicy { max_tries, delay_ms: 600_000, ends_at: NOW.plus_ms(3_600_000) }
    }

    /// The calls that one recipient gets when they come to this.
    fn calls(policy: RetryPolicy, ends: &[(Disposition, &str)]) -> usize {
        let mut tried = Tried::default();
        for (place, (disposition, cause)) in ends.iter().enumerate() {
            tried = tried.and(*disposition, cause);
            if policy.again_at(*disposition, cause, tried, NOW).is_none() {
                return place + 1;
            }
        }
        ends.len()
    }

    #[test]
    fn only_what_is_worth_it_is_tried_again() {
        let again = Disposition::ALL.map(|end| (end, calls(policy(3), &[(end, "failed"); 9])));
        let expected = Disposition::ALL.map(|end| match end {
            Disposition::Delivered
            | Disposition::HeardInPart
            | Disposition::Rejected
            | Disposition::InvalidNumber
            | Disposition::OptedOut => (end, 1),
            Disposition::NoAnswer
            | Disposition::Busy
            | Disposition::Unreachable
            | Disposition::AnsweringMachine => (end, 3),
            Disposition::NetworkFailure => (end, 4),
            Disposition::Expired | Disposition::Cancelled => (end, 9),
        });
        assert_eq!(again, expected);
    }

    #[test]
    fn our_failures_use_up_no_try_and_lost_calls_do() {
        const FAILED: (Disposition, &str) = (Disposition::NetworkFailure, "failed");
        const LOST: (Disposition, &str) = (Disposition::NetworkFailure, PROCESS_LOST);
        const GONE: (Disposition, &str) = (Disposition::NetworkFailure, NODE_LOST);
        const BUSY: (Disposition, &str) = (Disposition::Busy, "failed");
        assert_eq!(calls(policy(1), &[FAILED, BUSY, BUSY]), 2);
        assert_eq!(calls(policy(1), &[LOST, BUSY, BUSY]), 1);
        assert_eq!(calls(policy(1), &[GONE, BUSY, BUSY]), 1);
    }

    #[test]
    fn nothing_is_tried_after_the_end() {
        let policy = RetryPolicy { ends_at: NOW.plus_ms(600_000), ..policy(3) };
        let tried = Tried { tries: 1, failures: 0 };
        assert_eq!(policy.again_at(Disposition::Busy, "failed", tried, NOW), None);
        let before = NOW.plus_ms(-1);
        let again = policy.again_at(Disposition::Busy, "failed", tried, before);
        assert_eq!(again, Some(before.plus_ms(600_000)));
    }

    /// Goal: a phone that may still be in the call of a killed process is not rung by another.
    #[test]
    fn a_lost_call_is_over_before_the_next_one() {
        let policy = RetryPolicy { delay_ms: 0, ..policy(3) };
        let again =
            |cause| policy.again_at(Disposition::NetworkFailure, cause, Tried::default(), NOW);
        assert_eq!(again("failed"), Some(NOW));
        assert_eq!(again(PROCESS_LOST), Some(NOW.plus_ms(120_000)));
        assert_eq!(again(NODE_LOST), Some(NOW.plus_ms(120_000)));
    }

    #[test]
    fn a_number_that_was_called_often_enough_waits_for_the_next_day() {
        let evening = Day::jalali(1405, 9, 1).unwrap().at_minute(22 * 60);
        let policy = RetryPolicy { ends_at: evening.plus_ms(24 * 3_600_000), ..policy(1) };
        let again = policy.again_at(Disposition::Expired, CAPPED, Tried::default(), evening);
        assert_eq!(again, Some(evening.plus_ms(2 * 3_600_000)));
    }

    proptest! {
        /// However calls end, nobody is called for ever.
        #[test]
        fn nobody_is_called_more_often_than_tries_and_failures_allow(
            max_tries in 1..=TRIES_MAX,
            ends in prop::collection::vec(prop::sample::select(&Disposition::ALL[..9]), 40),
        ) {
            let ends: Vec<_> = ends.into_iter().map(|end| (end, "failed")).collect();
            let most = max_tries + FAILURES_MAX + 1;
            prop_assert!(calls(policy(max_tries), &ends) <= most as usize);
        }
    }
}
