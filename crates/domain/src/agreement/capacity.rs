//! The promise that at least 1000 voice messages can be sent in a minute (C25, A17). A minute
//! counts when so many could have been started; then it has to start so many.

use crate::Timestamp;
use crate::calendar::month::PersianMonth;

/// What a minute has to start when so many can be (N9).
pub const STARTS_MIN: u64 = 1000;
/// In the last days of a month that had no demand like that the load is tested, microseconds.
const TEST_DAYS_US: i64 = 3 * 24 * HOUR_US;
/// At night, when calls are fewest: so long before midnight, hours.
const TEST_HOURS: std::ops::Range<i64> = 19..22;
const HOUR_US: i64 = 3_600_000_000;

/// Whether it is time to test the load of this month, if its demand never was high enough (A17):
/// between 2 and 5 in the night, on the last three days.
pub fn is_test_due(now: Timestamp) -> bool {
    let left = PersianMonth::of(now).end().us_since(now);
    left <= TEST_DAYS_US && TEST_HOURS.contains(&(left / HOUR_US % 24))
}

/// What one customer has waiting when a minute begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backlog {
    /// What may be called now: within its hours, and paid for.
    pub waiting: u64,
    /// The most that its own throttle lets through in the minute.
    pub throttle: Option<u64>,
}

/// What could be started in a minute. What a customer's own throttle holds back could not.
pub fn startable(backlogs: impl IntoIterator<Item = Backlog>) -> u64 {
    let open = |backlog: Backlog| backlog.waiting.min(backlog.throttle.unwrap_or(u64::MAX));
    backlogs.into_iter().map(open).fold(0, u64::saturating_add)
}

/// One minute of the platform.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Minute {
    /// What could be started at its beginning.
    pub startable: u64,
    /// How many calls were started in it.
    pub starts: u64,
}

/// What a month of minutes came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Capacity {
    /// All minutes.
    pub minutes: u64,
    /// Those in which enough could be started.
    pub qualifying: u64,
    /// Those of them in which too little was.
    pub missed: u64,
}

impl Capacity {
    /// Judges minutes against so many starts.
    pub fn of(minutes: impl IntoIterator<Item = Minute>, starts_min: u64) -> Self {
        let mut capacity = Self::default();
        for minute in minutes {
            let qualifies = minute.startable >= starts_min;
            capacity.minutes += 1;
            capacity.qualifying += u64::from(qualifies);
            capacity.missed += u64::from(qualifies && minute.starts < starts_min);
        }
        capacity
    }

    /// Whether no minute missed it; `None` when the demand never was that high, so that only a
    /// test of the load can tell.
    pub fn met(self) -> Option<bool> {
        (self.qualifying > 0).then_some(self.missed == 0)
    }

    /// The same with the minute of a test, which counts where demand says nothing.
    pub fn met_or_tested(self, test: Option<Minute>, starts_min: u64) -> Option<bool> {
        let tested = || Self::of(test, starts_min).met();
        self.met().or_else(tested)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(minutes: &[(u64, u64)]) -> Capacity {
        let minutes = minutes
            .iter()
            .map(|(startable, starts)| Minute { startable: *startable, starts: *starts });
        Capacity::of(minutes, STARTS_MIN)
    }

    /// T195.
    #[test]
    fn a_minute_that_could_start_1000_has_to() {
        let ten = vec![(20_000, 1000); 10];
        assert_eq!(judged(&ten).met(), Some(true));
        let missed = judged(&[(20_000, 999), (1000, 1000), (999, 1), (0, 0)]);
        assert_eq!(missed, Capacity { minutes: 4, qualifying: 2, missed: 1 });
        assert_eq!(missed.met(), Some(false));
        assert_eq!(judged(&[(999, 0)]).met(), None);
    }

    /// A17.
    #[test]
    fn a_test_counts_where_demand_says_nothing() {
        let test = |starts| Some(Minute { startable: 2000, starts });
        let none = judged(&[(999, 0)]);
        assert_eq!(none.met_or_tested(test(1000), STARTS_MIN), Some(true));
        assert_eq!(none.met_or_tested(test(999), STARTS_MIN), Some(false));
        assert_eq!(none.met_or_tested(None, STARTS_MIN), None);
        assert_eq!(judged(&[(2000, 1)]).met_or_tested(test(1000), STARTS_MIN), Some(false));
        assert_eq!(judged(&[(2000, 1000)]).met_or_tested(test(0), STARTS_MIN), Some(true));
    }

    #[test]
    fn the_load_is_tested_in_the_last_nights() {
        let end = PersianMonth::new(1405, 9).unwrap().end();
        let before = |hours: i64, us: i64| is_test_due(end.plus_us(-hours * HOUR_US - us));
        // Midnight less 22 hours is two in the night.
        assert!(!before(22, 0) && before(22, -1) && before(19, 0) && !before(19, -1));
        assert!(before(24 + 20, 0) && before(48 + 20, 0) && !before(72 + 20, 0));
    }

    /// T197.
    #[test]
    fn what_a_customer_throttles_could_not_be_started() {
        let throttled = Backlog { waiting: 50_000, throttle: Some(10) };
        let open = Backlog { waiting: 900, throttle: None };
        assert_eq!(startable([throttled, open]), 910);
        assert_eq!(startable([Backlog { waiting: u64::MAX, throttle: None }; 2]), u64::MAX);
    }
}
