//! How many calls may start now: a rate (GCRA) and a number of channels per trunk.

use crate::Timestamp;

/// The scheduling class of campaigns; lower ones go first.
pub const CAMPAIGN_CLASS: u8 = 2;
/// Campaigns leave one channel in so many to sends that somebody waits for.
const KEPT_FREE: u32 = 10;

/// And this part of the burst that a trunk's pace allows: who waits for a code must not wait until
/// what a campaign has just started is made up for.
const BURST_KEPT: i64 = 5;

/// How many of a trunk's channels calls of a class may have: a campaign leaves a tenth of them,
/// and one of two, to one-time codes and quick sends, which must not wait until a call ends.
pub fn channels_for(class: u8, max_channels: u32) -> u32 {
    if class < CAMPAIGN_CLASS || max_channels < 2 {
        return max_channels;
    }
    max_channels - (max_channels / KEPT_FREE).max(1)
}

/// The generic cell rate algorithm: at most `per_second` starts a second, evenly spread, with a
/// burst of up to a tenth of a second's worth (at least one).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Gcra {
    interval_us: i64,
    tolerance_us: i64,
    /// Theoretical arrival time: when the next start would be exactly on the rate.
    due: Timestamp,
}

impl Gcra {
    /// A limiter for `per_second` starts a second (at least 1).
    pub fn new(per_second: u32) -> Self {
        let interval_us = 1_000_000 / i64::from(per_second.max(1));
        Self {
            interval_us,
            tolerance_us: 100_000_i64.max(interval_us) - interval_us,
            due: Timestamp(0),
        }
    }

    /// When the next start is allowed to a call of this class; a moment not after `now` means at
    /// once. A campaign leaves a part of the burst, and none of the rate, to those that go first.
    pub fn next_start(&self, class: u8) -> Timestamp {
        let kept = if class < CAMPAIGN_CLASS { 0 } else { self.tolerance_us / BURST_KEPT };
        Timestamp(self.due.0.saturating_sub(self.tolerance_us - kept))
    }

    /// Takes one start for a call of this class if it is allowed at `now`.
    pub fn take(&mut self, class: u8, now: Timestamp) -> bool {
        if self.next_start(class) > now {
            return false;
        }
        self.due = self.due.max(now).plus_us(self.interval_us);
        true
    }

    /// Gives a start back that was taken and not used.
    pub fn give_back(&mut self) {
        self.due = Timestamp(self.due.0.saturating_sub(self.interval_us));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn never_more_than_the_rate_and_a_small_burst() {
        let mut gcra = Gcra::new(50);
        let started =
            (0..10_000).filter(|ms| gcra.take(0, Timestamp(1_000_000 + ms * 1000))).count();
        assert!((500..=505).contains(&started), "{started}");
    }

    /// Who comes right after a campaign has taken all it may starts at once; the campaign itself is
    /// as fast as anyone in the long run.
    #[test]
    fn campaigns_leave_a_part_of_the_burst() {
        let mut gcra = Gcra::new(1_000);
        let now = Timestamp(1_000_000);
        let mut taken = |class| (0..1_000).filter(|_| gcra.take(class, now)).count();
        assert_eq!([taken(CAMPAIGN_CLASS), taken(0)], [80, 20]);
        for per_second in [1, 12, 50, 1_000] {
            let mut gcra = Gcra::new(per_second);
            let turns = (0..1_000).map(|turn| Timestamp(10_000_000 + turn * 20_000));
            let started: usize =
                turns.map(|at| (0..1_000).filter(|_| gcra.take(CAMPAIGN_CLASS, at)).count()).sum();
            let asked = 20 * per_second as usize;
            assert!(started * 10 >= asked * 9 && started <= asked + 100, "{started} of {asked}");
        }
    }

    #[test]
    fn campaigns_leave_channels_to_those_who_wait() {
        let for_campaigns = [0, 1, 2, 9, 20, 1_000].map(|max| channels_for(CAMPAIGN_CLASS, max));
        assert_eq!(for_campaigns, [0, 1, 1, 8, 18, 900]);
        assert_eq!([channels_for(0, 20), channels_for(1, 20)], [20, 20]);
    }

    #[test]
    fn a_slow_trunk_starts_one_at_a_time() {
        let mut gcra = Gcra::new(1);
        assert!(gcra.take(0, Timestamp(5_000_000)));
        assert!(!gcra.take(0, Timestamp(5_900_000)));
        assert!(gcra.take(0, Timestamp(6_000_000)));
    }

    #[test]
    fn a_start_given_back_can_be_taken_again() {
        let mut gcra = Gcra::new(1);
        assert!(gcra.take(0, Timestamp(5_000_000)));
        gcra.give_back();
        assert!(gcra.take(0, Timestamp(5_000_001)));
    }
}
