//! How many calls may start now: a rate (GCRA) and a number of channels per trunk, and a rate of a
//! campaign's own if its customer asks for one.

use crate::{CampaignId, MessageClass, Timestamp};

/// The scheduling class of campaigns; lower ones go first.
pub const CAMPAIGN_CLASS: u8 = 2;
/// Where a send stands in the order in which calls start; earlier ones go first. Codes that
/// somebody waits for are never passed; warnings to the public pass everything else, whether they
/// go to one number or to a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Lane {
    /// One-time codes, and what else the policy of its class lets go first.
    Code,
    /// Emergency messages, those of campaigns included.
    Emergency,
    /// Sends to single numbers.
    QuickSend,
    /// Campaigns.
    Campaign,
}

impl Lane {
    /// The lane of a send of this scheduling class and with this kind of message.
    pub fn of(class: u8, message: MessageClass) -> Self {
        match (class, message) {
            (_, MessageClass::Emergency) => Self::Emergency,
            (0, _) => Self::Code,
            (class, _) if class < CAMPAIGN_CLASS => Self::QuickSend,
            (_, _) => Self::Campaign,
        }
    }
}

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

/// The most calls a minute that may be asked of a campaign: more than any trunk can carry.
pub const CALLS_PER_MINUTE_MAX: u32 = 600_000;

/// How much sooner than its place a call of a campaign may start, microseconds: who wakes up late
/// would otherwise push those behind it away.
const WAKE_US: i64 = 20_000;
/// How far ahead of its time a recipient of a paced campaign steps into the line, microseconds:
/// more than the time between two looks of a node after its campaigns.
const AHEAD_US: i64 = 3_000_000;
/// A line that is full for so long needs no look, microseconds.
const ENOUGH_US: i64 = 1_500_000;

/// The pace of a campaign's calls, all nodes together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pace {
    /// Whose.
    pub campaign: CampaignId,
    /// The most calls that start in a minute, evenly spread.
    pub per_minute: u32,
}

impl Pace {
    /// The time from one start to the next, microseconds.
    fn interval_us(self) -> i64 {
        60_000_000 / i64::from(self.per_minute.max(1))
    }

    /// The times of the next calls, of which the first may not begin before `due`.
    pub fn slots(self, due: Timestamp, now: Timestamp) -> Slots {
        Slots { first: due.max(now), interval_us: self.interval_us() }
    }
}

/// The times at which calls of a campaign are due, one after the other. They are given away under
/// the lock of the campaign, so that nodes share them, and kept with it, so that a restart brings
/// no burst.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Slots {
    /// The first of them.
    pub first: Timestamp,
    /// The time between two, microseconds; 0 for calls that need none.
    pub interval_us: i64,
}

impl Slots {
    /// For calls that may all begin now.
    pub fn at_once(now: Timestamp) -> Self {
        Self { first: now, interval_us: 0 }
    }

    /// How many may be given away now.
    pub fn count(self, now: Timestamp) -> u32 {
        let left = now.plus_us(AHEAD_US).us_since(self.first);
        if left < 0 {
            return 0;
        }
        u32::try_from(left / self.interval_us.max(1)).unwrap_or(u32::MAX).saturating_add(1)
    }

    /// Whether so few were given away that it is time to give away more.
    pub fn is_low(self, now: Timestamp) -> bool {
        self.first.us_since(now) < ENOUGH_US
    }

    /// Those that are left when so many were given away.
    #[must_use]
    pub fn after(self, count: u32) -> Self {
        Self { first: self.first.plus_us(self.interval_us * i64::from(count)), ..self }
    }
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

    /// A limiter for the calls of a campaign, as many a minute.
    pub fn of_pace(pace: Pace) -> Self {
        let mut limiter = Self::new(1);
        limiter.set_pace(pace);
        limiter
    }

    /// Keeps to another pace from now on; what was started so far counts.
    pub fn set_pace(&mut self, pace: Pace) {
        self.interval_us = pace.interval_us();
        self.tolerance_us = (100_000 - self.interval_us).max(WAKE_US);
    }

    /// The time from one start to the next on the rate, microseconds.
    pub fn interval_us(&self) -> i64 {
        self.interval_us
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
    fn codes_go_first_then_warnings_then_single_sends_then_lists() {
        use MessageClass::{Advertising, Emergency, OneTimeCode, Service};
        let lanes = [
            (0, OneTimeCode, Lane::Code),
            (0, Service, Lane::Code),
            (0, Emergency, Lane::Emergency),
            (1, Emergency, Lane::Emergency),
            (CAMPAIGN_CLASS, Emergency, Lane::Emergency),
            (1, Service, Lane::QuickSend),
            (1, Advertising, Lane::QuickSend),
            (CAMPAIGN_CLASS, Service, Lane::Campaign),
            (CAMPAIGN_CLASS, Advertising, Lane::Campaign),
        ];
        for (class, message, lane) in lanes {
            assert_eq!(Lane::of(class, message), lane, "{class} {message:?}");
        }
        assert!(lanes.windows(2).all(|pair| pair[0].2 <= pair[1].2));
    }

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

    /// Whatever is taken of them in whatever portions, slots are one interval apart, and not before
    /// their time; the time in which nobody took any is not made up for.
    #[test]
    fn slots_of_a_campaign_are_evenly_spread() {
        let pace = Pace { campaign: CampaignId(1), per_minute: 90 };
        let (mut due, mut given) = (Timestamp(0), Vec::new());
        for (at_ms, portion) in [(10_000, 2), (10_500, 9), (11_000, 1), (60_000, 3), (61_000, 9)] {
            let now = Timestamp(at_ms * 1_000);
            let slots = pace.slots(due, now);
            let count = slots.count(now).min(portion);
            given.extend((0..count).map(|place| slots.after(place).first));
            due = slots.after(count).first;
        }
        assert_eq!(given.len(), 2 + 4 + 1 + 3 + 4);
        assert!(given.windows(2).all(|two| two[1].us_since(two[0]) >= 666_666), "{given:?}");
        assert_eq!((given[0], given[7]), (Timestamp(10_000_000), Timestamp(60_000_000)));
        let late = pace.slots(Timestamp(99_000_000), Timestamp(90_000_000));
        let now = Timestamp(90_000_000);
        assert_eq!((late.count(now), late.is_low(now)), (0, false));
        let free = Slots::at_once(Timestamp(5)).after(7);
        assert!(free.count(Timestamp(5)) > 1_000_000 && free.first == Timestamp(5));
    }

    #[test]
    fn a_pace_that_changes_forgets_no_start() {
        let pace = |per_minute| Pace { campaign: CampaignId(1), per_minute };
        let mut gcra = Gcra::of_pace(pace(60));
        assert!(gcra.take(0, Timestamp(5_000_000)));
        gcra.set_pace(pace(30));
        assert!(!gcra.take(0, Timestamp(5_900_000)) && gcra.take(0, Timestamp(6_000_000)));
        assert!(!gcra.take(0, Timestamp(7_900_000)) && gcra.take(0, Timestamp(8_000_000)));
        assert_eq!(gcra.interval_us(), 2_000_000);
    }

    /// Whoever wakes up a little late, and each by another time, still has the pace in the long
    /// run, and never more.
    #[test]
    fn late_wake_ups_cost_nothing_of_a_pace() {
        let mut gcra = Gcra::of_pace(Pace { campaign: CampaignId(1), per_minute: 600 });
        let start = 5_000_000;
        assert!(gcra.take(0, Timestamp(start)));
        for n in 1..10_000_i64 {
            let late = [1_900, 300, 1_100, 0, 1_700][usize::try_from(n % 5).unwrap()];
            let turn = Timestamp(start + n * 100_000 + late);
            assert!(gcra.take(0, turn), "start {n}");
            assert!(!gcra.take(0, turn), "two in the place of start {n}");
        }
    }

    #[test]
    fn a_start_given_back_can_be_taken_again() {
        let mut gcra = Gcra::new(1);
        assert!(gcra.take(0, Timestamp(5_000_000)));
        gcra.give_back();
        assert!(gcra.take(0, Timestamp(5_000_001)));
    }
}
