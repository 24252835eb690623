//! How many recipients of a campaign stand in line at once: few, so that a million of them delay
//! nobody, and enough that the trunks have something to call.

use crate::Rials;

/// Recipients of all campaigns in line together.
pub const LINE_MAX: u32 = 4_000;
/// Recipients of one campaign in line, at most and, when there are very many campaigns, at least.
const BLOCK_MAX: u32 = 500;
const BLOCK_MIN: u32 = 10;

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
        let share = (LINE_MAX / self.campaigns.max(1)).clamp(BLOCK_MIN, BLOCK_MAX);
        let room = share.saturating_sub(self.open);
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
        assert_eq!([room(1, 0), room(1, 100), room(1, 600)], [500, 400, 0]);
        assert_eq!([room(40, 0), room(1_000, 0)], [100, 10]);
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
