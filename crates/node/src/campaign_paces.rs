//! The paces of campaigns as a node keeps them. What steps into the line is due at its campaign's
//! pace already, all nodes together; here it is kept to when the line was full for a while, or the
//! process was away, and many are overdue.

use std::collections::BTreeMap;

use domain::dialer::pacing::{Gcra, Pace};
use domain::{CampaignId, Timestamp};

/// A campaign that started nothing for so long is forgotten, microseconds; slower than a call a
/// minute is none.
const FORGOTTEN_US: i64 = 2 * 60_000_000;
/// The campaigns' own calls have no order among each other.
const CLASS: u8 = 0;

/// What each campaign has started lately.
#[derive(Debug, Default)]
pub(crate) struct CampaignPaces(BTreeMap<CampaignId, Kept>);

#[derive(Debug)]
struct Kept {
    pace: Pace,
    limiter: Gcra,
    /// The next moment that was promised to nobody who had to step back.
    free_from: Timestamp,
}

impl Kept {
    fn new(pace: Pace) -> Self {
        Self { pace, limiter: Gcra::of_pace(pace), free_from: Timestamp(i64::MIN) }
    }
}

impl CampaignPaces {
    /// Keeps to this pace of a campaign from now on: what was read last counts, also for those in
    /// line for longer.
    pub(crate) fn learn(&mut self, pace: Pace) {
        let kept = self.0.entry(pace.campaign).or_insert_with(|| Kept::new(pace));
        if kept.pace != pace {
            kept.pace = pace;
            kept.limiter.set_pace(pace);
            kept.free_from = Timestamp(i64::MIN);
        }
    }

    /// Whether a call may start now; otherwise when its turn comes, which nobody else is told.
    pub(crate) fn ask(&mut self, pace: Pace, steady: Timestamp) -> Result<(), Timestamp> {
        let kept = self.0.entry(pace.campaign).or_insert_with(|| Kept::new(pace));
        let next = kept.limiter.next_start(CLASS);
        if next <= steady {
            return Ok(());
        }
        let turn = next.max(kept.free_from);
        kept.free_from = turn.plus_us(kept.limiter.interval_us());
        Err(turn)
    }

    /// A call has started that was let.
    pub(crate) fn started(&mut self, pace: Pace, steady: Timestamp) {
        if let Some(kept) = self.0.get_mut(&pace.campaign) {
            kept.limiter.take(CLASS, steady);
        }
    }

    /// Forgets the campaigns that have started nothing for long.
    pub(crate) fn forget(&mut self, steady: Timestamp) {
        self.0.retain(|_, kept| steady.us_since(kept.limiter.next_start(CLASS)) < FORGOTTEN_US);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Goal: however many are overdue, they start one interval apart, and each steps back once.
    #[test]
    fn the_overdue_start_one_by_one() {
        let (mut paces, pace) =
            (CampaignPaces::default(), Pace { campaign: CampaignId(3), per_minute: 60 });
        let start = Timestamp(7_000_000);
        assert_eq!(paces.ask(pace, start), Ok(()));
        paces.started(pace, start);
        let turns: Vec<i64> =
            (0..5).map(|_| paces.ask(pace, start).unwrap_err().us_since(start)).collect();
        // Two hundredths of a second sooner, so that who wakes up late loses nothing.
        assert_eq!(turns, [1, 2, 3, 4, 5].map(|seconds| seconds * 1_000_000 - 20_000));
        for turn in turns {
            let at = start.plus_us(turn);
            assert_eq!(paces.ask(pace, at), Ok(()));
            paces.started(pace, at);
        }
        let other = Pace { campaign: CampaignId(4), ..pace };
        assert_eq!(paces.ask(other, start), Ok(()), "each has its own");
        // Ten times as fast: the next turn is soon, for those who came with the old pace, too.
        paces.learn(Pace { per_minute: 600, ..pace });
        let now = start.plus_us(5_950_000);
        assert_eq!(paces.ask(pace, now).unwrap_err().us_since(start), 5_980_000);
        assert_eq!(paces.ask(pace, now).unwrap_err().us_since(start), 6_080_000);
        paces.forget(start.plus_us(115_000_000));
        assert_eq!(paces.0.len(), 1, "what has not started has nothing to keep");
        paces.forget(start.plus_us(200_000_000));
        assert_eq!(paces.0.len(), 0);
    }
}
