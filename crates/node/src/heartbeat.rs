//! The node's lease: renewed well before it ends; when that fails for too long, the node stops
//! dialling by itself, so that whoever takes its place cannot find it still at work.

use app::dialing::Company;
use domain::Timestamp;
use domain::dialer::share::Share;

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
    /// The nodes that lived then.
    company: Company,
}

impl Heartbeat {
    /// A lease taken at `now` for `lease_ms` by a node that has no company.
    pub(crate) fn new(now: Moment, lease_ms: i64) -> Self {
        let lease_us = lease_ms.max(30).saturating_mul(1000);
        let company = Company { share: Share::WHOLE, joined_at: now.wall, others: Vec::new() };
        let next_try = now.steady.plus_us(lease_us / 3);
        Self { lease_us, renewed: now, next_try, lost: false, company }
    }

    /// Whom the node lives with.
    pub(crate) fn meet(&mut self, company: Company) {
        self.company = company;
    }

    /// Whether other nodes live.
    pub(crate) fn has_company(&self) -> bool {
        self.company.share != Share::WHOLE
    }

    /// With whom it has what all nodes have together. One that has just come takes nothing of that
    /// before each of the others has renewed its lease, and so knows of it, or stopped dialling,
    /// and before it has looked what calls they have since then.
    pub(crate) fn company(&self) -> Option<&Company> {
        let age_us = self.renewed.wall.us_since(self.company.joined_at);
        let known = !self.has_company() || age_us >= self.lease_us / 3 * 2;
        known.then_some(&self.company)
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
    pub(crate) fn renewed(&mut self, asked: Moment, company: Company) {
        self.company = company;
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
    const ALONE: Company = with(Share::WHOLE, START);

    const fn with(share: Share, joined: Moment) -> Company {
        Company { share, joined_at: joined.wall, others: Vec::new() }
    }

    /// The others find a new node when they renew, a third of a lease after it came, and stop
    /// dialling when they cannot for two thirds: then, and not before, they keep to their parts.
    #[test]
    fn a_node_that_has_just_come_takes_nothing_yet() {
        let mut heartbeat = Heartbeat::new(START, 15_000);
        assert_eq!(heartbeat.company(), Some(&ALONE));
        let second = Share { place: 1, nodes: 2 };
        heartbeat.meet(with(second, START));
        assert_eq!(heartbeat.company(), None);
        heartbeat.renewed(START.plus_us(9_999_999), with(second, START));
        assert_eq!(heartbeat.company(), None);
        heartbeat.renewed(START.plus_us(10_000_000), with(second, START));
        assert_eq!(heartbeat.company(), Some(&with(second, START)));
        // Whoever renews after a gap has come anew, and who is left alone waits for nobody.
        let later = START.plus_us(60_000_000);
        heartbeat.renewed(later, with(second, later));
        assert_eq!(heartbeat.company(), None);
        heartbeat.renewed(later, with(Share::WHOLE, later));
        assert_eq!(heartbeat.company(), Some(&with(Share::WHOLE, later)));
    }

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
        heartbeat.renewed(now, ALONE);
        assert!(heartbeat.allows_dialling(now));
    }

    #[test]
    fn a_lost_node_is_lost_for_good() {
        let mut heartbeat = Heartbeat::new(START, 15_000);
        heartbeat.lose();
        heartbeat.renewed(START, ALONE);
        assert!(!heartbeat.allows_dialling(START));
        assert!(!heartbeat.is_due(START.plus_us(60_000_000)));
    }
}
