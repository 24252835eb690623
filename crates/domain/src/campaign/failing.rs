//! When a campaign fails abnormally: so many of its latest calls that something must be wrong with
//! its list or the way out, and calling on would only spoil the rest.

use super::retry::Tried;
use crate::Disposition;
use crate::dialer::disposition::is_lost;

/// Calls that are looked at together.
const LOOKED_AT: u32 = 50;
/// From so many of a hundred on, failures are abnormal.
const ABNORMAL_PERCENT: u32 = 80;

/// The calls of a campaign that ended since they were last looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Recent {
    /// All of them.
    pub ended: u32,
    /// Those that came to nothing by the way out, or since there is no such number.
    pub failed: u32,
}

/// What the latest calls say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Look {
    /// There are too few of them to say anything.
    TooFew,
    /// Nothing is wrong; the next ones are counted from zero.
    Usual,
    /// Nearly all of them failed.
    Abnormal,
}

impl Recent {
    /// Counts what ended, and by which cause; `tried` is all that came of the number, this call
    /// with it. What was never called says nothing, and neither do the calls that a process of ours
    /// took with it when it died, nor a number that failed before: such numbers are the last of
    /// every campaign, and would pause it.
    #[must_use]
    pub fn and(self, disposition: Disposition, cause: &str, tried: Tried) -> Self {
        let failed = match disposition {
            Disposition::NetworkFailure if is_lost(cause) => return self,
            Disposition::NetworkFailure if tried.failures > 1 => return self,
            Disposition::Expired | Disposition::Cancelled | Disposition::OptedOut => return self,
            Disposition::NetworkFailure | Disposition::InvalidNumber => 1,
            Disposition::Delivered
            | Disposition::HeardInPart
            | Disposition::NoAnswer
            | Disposition::Busy
            | Disposition::Rejected
            | Disposition::Unreachable
            | Disposition::AnsweringMachine => 0,
        };
        let ended = self.ended.saturating_add(1);
        Self { ended, failed: self.failed.saturating_add(failed) }
    }

    /// Looks at them.
    pub fn look(self) -> Look {
        if self.ended < LOOKED_AT {
            return Look::TooFew;
        }
        let failed = u64::from(self.failed) * 100;
        let abnormal = failed >= u64::from(self.ended) * u64::from(ABNORMAL_PERCENT);
        if abnormal { Look::Abnormal } else { Look::Usual }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dialer::disposition::{NODE_LOST, PROCESS_LOST};

    /// Otherwise every crash would pause the campaigns that were calling.
    #[test]
    fn what_a_dead_process_took_with_it_says_nothing() {
        for lost in [PROCESS_LOST, NODE_LOST] {
            assert_eq!(after(&[], lost), Recent::default());
        }
        let failed = after(&[], "failed");
        assert_eq!((failed.ended, failed.failed), (1, 1));
    }

    /// Otherwise the numbers that the network fails, which are called again after all others, would
    /// pause every campaign that has fifty of them.
    #[test]
    fn a_number_that_failed_before_says_nothing() {
        assert_eq!(after(&[Disposition::NetworkFailure], "failed"), Recent::default());
        let before = [Disposition::Busy, Disposition::NoAnswer];
        assert_eq!(after(&before, "failed").failed, 1, "it is the first time that it fails");
    }

    /// What a call says that the network failed, of a number that was called before.
    fn after(before: &[Disposition], cause: &str) -> Recent {
        let failed = Disposition::NetworkFailure;
        let tried = before.iter().fold(Tried::default(), |tried, end| tried.and(*end, ""));
        Recent::default().and(failed, cause, tried.and(failed, cause))
    }

    fn look(failed: u32, reached: u32) -> Look {
        let ends = std::iter::repeat_n(Disposition::NetworkFailure, failed as usize)
            .chain(std::iter::repeat_n(Disposition::Busy, reached as usize))
            .chain([Disposition::Expired, Disposition::OptedOut, Disposition::Cancelled]);
        let first = |end| Tried::default().and(end, "");
        ends.fold(Recent::default(), |recent, end| recent.and(end, "", first(end))).look()
    }

    #[test]
    fn four_of_five_is_abnormal_once_there_are_enough() {
        assert_eq!(look(49, 0), Look::TooFew);
        assert_eq!(look(40, 10), Look::Abnormal);
        assert_eq!(look(39, 11), Look::Usual);
        assert_eq!(look(50, 0), Look::Abnormal);
    }
}
