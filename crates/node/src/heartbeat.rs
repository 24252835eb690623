//! The node's lease: renewed well before it ends; when that fails for too long, the node stops
//! dialling by itself, so that whoever takes its place cannot find it still at work.

use domain::Timestamp;

use crate::moment::Moment;

/// Where the lease stands. All decisions are by the steady clock; the wall clock only adds one:
/// when it was set forward past the end of the lease, the database thinks the lease is over.
#[derive(Debug)]
pub(crate) struct Heartbeat {
    lease_us: i64,
    /// When the last successful renewal was asked for.
    renewed: Moment,
    next_try: Timestamp,
    lost: bool,
}

impl Heartbeat {
    /// A lease taken at `now` for `lease_ms`.
    pub(crate) fn new(now: Moment, lease_ms: i64) -> Self {
        let lease_us = lease_ms.max(30).saturating_mul(1000);
        Self { lease_us, renewed: now, next_try: now.steady.plus_us(lease_us / 3), lost: false }
    }

    /// Until when a renewal at `now` should hold.
    pub(crate) fn until(&self, now: Moment) -> Timestamp {
        now.wall.plus_us(self.lease_us)
    }

    /// Whether a renewal should be tried now.
    pub(crate) fn is_due(&self, now: Moment) -> bool {
        !self.lost && (self.next_try <= now.steady || !self.holds_by_wall(now))
    }

    /// When to look again.
    pub(crate) fn next_try(&self) -> Timestamp {
        self.next_try
    }

    /// A renewal was asked for; the next one is tried after a pause even if this one fails.
    pub(crate) fn asked(&mut self, now: Moment) {
        self.next_try = now.steady.plus_us(self.lease_us / 15);
    }

    /// A renewal asked for at `asked` succeeded.
    pub(crate) fn renewed(&mut self, asked: Moment) {
        self.renewed = asked;
        self.next_try = asked.steady.plus_us(self.lease_us / 3);
    }

    /// Another process has taken the node: for good.
    pub(crate) fn lose(&mut self) {
        self.lost = true;
    }

    /// Whether another process has taken the node.
    pub(crate) fn is_lost(&self) -> bool {
        self.lost
    }

    /// Whether calls may be started: with at least a third of the lease left by both clocks.
    pub(crate) fn allows_dialling(&self, now: Moment) -> bool {
        let age = now.steady.us_since(self.renewed.steady);
        !self.lost && age < self.lease_us / 3 * 2 && self.holds_by_wall(now)
    }

    fn holds_by_wall(&self, now: Moment) -> bool {
        now.wall.us_since(self.renewed.wall) < self.lease_us / 3 * 2
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Moment = Moment { wall: Timestamp(1_000_000_000), steady: Timestamp(0) };

    #[test]
    fn dialling_stops_before_the_lease_is_over() {
        let heartbeat = Heartbeat::new(START, 15_000);
        assert!(!heartbeat.is_due(START.plus_us(4_999_999)));
        assert!(heartbeat.is_due(START.plus_us(5_000_000)));
        assert!(heartbeat.allows_dialling(START.plus_us(9_999_999)));
        assert!(!heartbeat.allows_dialling(START.plus_us(10_000_000)));
    }

    #[test]
    fn a_wall_clock_set_forward_asks_for_a_renewal_at_once() {
        let mut heartbeat = Heartbeat::new(START, 15_000);
        let mut now = START.plus_us(1_000);
        now.wall = now.wall.plus_ms(3_600_000);
        assert!(!heartbeat.allows_dialling(now));
        assert!(heartbeat.is_due(now));
        heartbeat.renewed(now);
        assert!(heartbeat.allows_dialling(now));
    }

    #[test]
    fn a_lost_node_is_lost_for_good() {
        let mut heartbeat = Heartbeat::new(START, 15_000);
        heartbeat.lose();
        heartbeat.renewed(START);
        assert!(!heartbeat.allows_dialling(START));
        assert!(!heartbeat.is_due(START.plus_us(60_000_000)));
    }
}
