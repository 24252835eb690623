//! How many recipients of a campaign stand in line at once: few, so that a million of them delay
//! nobody, and enough that the trunks have something to call.

use crate::Rials;

/// Recipients of all campaigns in line and in calls together.
const LINE_MAX: u32 = 20_000;
/// Those of one campaign, at most and, when there are very many campaigns, at least.
const SHARE_MAX: u32 = 4_000;
const SHARE_MIN: u32 = 10;
/// Recipients that step into the line in one transaction, for which other writers may wait.
const STEP_MAX: u32 = 500;

/// How many recipients of one campaign may be in line and in calls while so many campaigns call.
fn share(campaigns: u32) -> u32 {
    (LINE_MAX / campaigns.max(1)).clamp(SHARE_MIN, SHARE_MAX)
}

/// Whether a campaign with so many recipients in line and in calls is worth a step.
pub fn is_low(campaigns: u32, open: u32) -> bool {
    let share = share(campaigns);
    share.saturating_sub(open) >= (share / 4).max(1)
}

/// What one campaign may still put into the line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Feed {
    /// Campaigns that call now, this one included.
    pub campaigns: u32,
    /// Its recipients that stand in line or are in a call.
    pub open: u32,
    /// What its customer may spend.
    pub available: Rials,
    /// What is left below its ceiling, if it has one.
    pub below_ceiling: Option<Rials>,
    /// The most that a call of it can cost.
    pub price: Rials,
}

/// Why a campaign cannot go on although it has recipients.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dry {
    /// The balance does not cover one call.
    Credit,
    /// The ceiling does not allow one.
    Ceiling,
}

impl Feed {
    /// How many recipients may step into the line now. Nobody is refused while calls are open:
    /// what they release may cover the next one.
    ///
    /// # Errors
    /// Why there is not even room for one, and none will come.
    pub fn room(&self) -> Result<u32, Dry> {
        let room = share(self.campaigns).saturating_sub(self.open).min(STEP_MAX);
        let covered = |funds: Rials| match self.price.0 {
            price if price <= 0 => room,
            price => u32::try_from((funds.0 / price).max(0)).unwrap_or(u32::MAX),
        };
        let ceiling = self.below_ceiling.map_or(room, covered);
        let credit = covered(self.available);
        if self.open == 0 && ceiling == 0 {
            return Err(Dry::Ceiling);
        }
        if self.open == 0 && credit == 0 {
            return Err(Dry::Credit);
        }
        Ok(room.min(ceiling).min(credit))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FEED: Feed = Feed {
        campaigns: 1,
        open: 0,
        available: Rials(1_000_000),
        below_ceiling: None,
        price: Rials(450),
    };

    #[test]
    fn campaigns_share_the_line() {
        let room = |campaigns, open| Feed { campaigns, open, ..FEED }.room().unwrap();
        assert_eq!([room(1, 0), room(1, 3_900), room(1, 4_100)], [500, 100, 0]);
        assert_eq!([room(100, 0), room(100, 150), room(9_000, 0)], [200, 50, 10]);
        let low = |campaigns, open| is_low(campaigns, open);
        assert!(low(1, 3_000) && !low(1, 3_001) && low(9_000, 8) && !low(9_000, 9));
    }

    #[test]
    fn no_more_is_held_than_there_is() {
        assert_eq!(Feed { available: Rials(1_000), ..FEED }.room(), Ok(2));
        assert_eq!(Feed { available: Rials(449), ..FEED }.room(), Err(Dry::Credit));
        assert_eq!(Feed { available: Rials(-5), open: 1, ..FEED }.room(), Ok(0));
        assert_eq!(Feed { below_ceiling: Some(Rials(900)), ..FEED }.room(), Ok(2));
        assert_eq!(Feed { below_ceiling: Some(Rials(0)), ..FEED }.room(), Err(Dry::Ceiling));
        assert_eq!(Feed { price: Rials(0), available: Rials(0), ..FEED }.room(), Ok(500));
    }
}
