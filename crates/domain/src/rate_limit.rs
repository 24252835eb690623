//! How often somebody may come: a pace for each of many, by the generic cell rate algorithm.

use std::collections::BTreeMap;

use crate::Timestamp;

/// Most of whom a pace is kept. When so many come at once, further ones are let through uncounted:
/// this is for fairness, and must not shut out those who have done nothing.
const KEYS_MAX: usize = 100_000;

/// So many at once, and then one in each interval.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pace {
    interval_us: i64,
    burst: u32,
}

impl Pace {
    /// `count` in a second, in whatever order; `None` for 0, which sets no limit.
    pub fn per_second(count: u32) -> Option<Self> {
        (count > 0).then(|| Self { interval_us: 1_000_000 / i64::from(count), burst: count })
    }

    /// `count` in a minute, in whatever order; `None` for 0, which sets no limit.
    pub fn per_minute(count: u32) -> Option<Self> {
        (count > 0).then(|| Self { interval_us: 60_000_000 / i64::from(count), burst: count })
    }
}

/// A pace for each key.
#[derive(Debug, Clone)]
pub struct RateLimit<K> {
    pace: Option<Pace>,
    /// When the next one of a key would be exactly on its pace. Who has not come for a while is as
    /// if never seen, and may be forgotten.
    due: BTreeMap<K, Timestamp>,
    forgot_at: Timestamp,
}

impl<K: Ord> RateLimit<K> {
    /// Everybody at this pace; `None` sets no limit.
    pub fn new(pace: Option<Pace>) -> Self {
        Self { pace, due: BTreeMap::new(), forgot_at: Timestamp(0) }
    }

    /// How long `key` has to wait, microseconds; `None` when it may come now.
    pub fn wait_us(&self, key: &K, now: Timestamp) -> Option<i64> {
        let pace = self.pace?;
        let early_us = pace.interval_us.saturating_mul(i64::from(pace.burst - 1));
        let ahead_us = self.due.get(key)?.us_since(now);
        // Nobody gets further ahead than this, unless the clock was set back.
        let possible = ahead_us <= early_us.saturating_add(pace.interval_us);
        let wait_us = ahead_us.saturating_sub(early_us);
        (possible && wait_us > 0).then_some(wait_us)
    }

    /// Lets `key` come once, or says how long it has to wait, microseconds.
    ///
    /// # Errors
    /// It came too often; this time is not counted.
    pub fn take(&mut self, key: K, now: Timestamp) -> Result<(), i64> {
        if let Some(wait_us) = self.wait_us(&key, now) {
            return Err(wait_us);
        }
        let Some(pace) = self.pace else { return Ok(()) };
        self.forget_idle(now);
        let most = now.plus_us(pace.interval_us.saturating_mul(i64::from(pace.burst - 1)));
        let due = self.due.get(&key).map_or(now, |due| (*due).clamp(now, most));
        let due = due.plus_us(pace.interval_us);
        if self.due.len() < KEYS_MAX || self.due.contains_key(&key) {
            self.due.insert(key, due);
        }
        Ok(())
    }

    /// Makes room, once a second at most: it goes through all of them.
    fn forget_idle(&mut self, now: Timestamp) {
        if self.due.len() >= KEYS_MAX && now.us_since(self.forgot_at) >= 1_000_000 {
            self.forgot_at = now;
            self.due.retain(|_, due| *due > now);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at_ms(ms: i64) -> Timestamp {
        Timestamp(1_000_000_000 + ms * 1000)
    }

    #[test]
    fn a_burst_and_then_the_pace_for_each_by_itself() {
        let mut limit = RateLimit::new(Pace::per_second(10));
        for _ in 0..10 {
            assert_eq!(limit.take("a", at_ms(0)), Ok(()));
        }
        assert_eq!(limit.take("a", at_ms(0)), Err(100_000));
        assert_eq!(limit.take("a", at_ms(99)), Err(1_000));
        assert_eq!(limit.take("b", at_ms(99)), Ok(()));
        assert_eq!(limit.take("a", at_ms(100)), Ok(()));
        let taken = (0..10_000).filter(|ms| limit.take("a", at_ms(100 + ms)).is_ok()).count();
        assert!((99..=101).contains(&taken), "{taken}");
        assert_eq!(limit.wait_us(&"a", at_ms(60_000)), None);
    }

    #[test]
    fn a_clock_that_is_set_back_locks_nobody_out() {
        let mut limit = RateLimit::new(Pace::per_minute(2));
        assert_eq!(limit.take(1, at_ms(3_600_000)), Ok(()));
        assert_eq!(limit.take(1, at_ms(0)), Ok(()));
        assert_eq!(limit.take(1, at_ms(0)), Err(30_000_000));
    }

    #[test]
    fn no_pace_is_no_limit_and_keeps_nothing() {
        let mut limit = RateLimit::new(Pace::per_second(0));
        assert!((0..100_000).all(|_| limit.take(7, at_ms(0)).is_ok()));
        assert!(limit.due.is_empty());
    }

    #[test]
    fn the_idle_are_forgotten_and_a_crowd_is_let_through() {
        let mut limit = RateLimit::new(Pace::per_minute(1));
        for key in 0..KEYS_MAX {
            assert_eq!(limit.take(key, at_ms(0)), Ok(()));
        }
        assert_eq!(limit.take(KEYS_MAX, at_ms(1)), Ok(()));
        assert_eq!(limit.take(KEYS_MAX, at_ms(2)), Ok(()), "it could not be counted");
        assert!(limit.take(0, at_ms(2)).is_err(), "who was known is held to the pace");
        assert_eq!(limit.take(KEYS_MAX, at_ms(60_001)), Ok(()));
        assert_eq!(limit.due.len(), 1);
    }
}
