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

/// What is left below a ceiling for SMS that follow calls, as long as they are not counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Spent {
    /// What calls have cost or hold.
    pub calls: Rials,
    /// What an SMS costs.
    pub follow_up: Rials,
    /// Recipients who have stepped into the line, each of whom may be written to once.
    pub stepped_in: u32,
    /// Those of them whose calls have not come to their end.
    pub unended: u32,
}

impl Spent {
    /// What is left when everybody who was called is written to.
    pub fn left_at_worst(&self, ceiling: Rials) -> Rials {
        self.left(ceiling, self.stepped_in.into())
    }

    /// What is left when so many were written to, and all whose calls have not ended will be.
    pub fn left_after(&self, ceiling: Rials, written: u64) -> Rials {
        self.left(ceiling, written.saturating_add(self.unended.into()))
    }

    /// Whether that may be too little for a whole step, so that it is worth counting.
    pub fn is_close(&self, left: Rials, price: Rials) -> bool {
        let one = price.0.saturating_add(self.follow_up.0);
        self.follow_up > Rials::ZERO && left.0 < one.saturating_mul(STEP_MAX.into())
    }

    fn left(&self, ceiling: Rials, sms: u64) -> Rials {
        let sms = i64::try_from(sms).unwrap_or(i64::MAX).saturating_mul(self.follow_up.0);
        Rials(ceiling.0.saturating_sub(self.calls.0).saturating_sub(sms))
    }
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
    /// What the SMS after it costs, which counts below the ceiling; it is reserved when it is due.
    pub follow_up: Rials,
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
        let covered = |funds: Rials, price: i64| match price {
            price if price <= 0 => room,
            price => u32::try_from((funds.0 / price).max(0)).unwrap_or(u32::MAX),
        };
        let with_sms = self.price.0.saturating_add(self.follow_up.0);
        let ceiling = self.below_ceiling.map_or(room, |left| covered(left, with_sms));
        let credit = covered(self.available, self.price.0);
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
        follow_up: Rials(0),
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
    fn sms_count_below_the_ceiling() {
        let (calls, follow_up) = (Rials(4_500), Rials(50));
        let spent = Spent { calls, follow_up, stepped_in: 10, unended: 2 };
        assert_eq!(spent.left_at_worst(Rials(6_000)), Rials(1_000));
        assert_eq!(spent.left_after(Rials(6_000), 3), Rials(1_250));
        assert!(spent.is_close(Rials(249_999), Rials(450)));
        assert!(!spent.is_close(Rials(250_000), Rials(450)));
        let alone = Spent { follow_up: Rials(0), ..spent };
        assert_eq!(alone.left_at_worst(Rials(6_000)), Rials(1_500));
        assert!(!alone.is_close(Rials(0), Rials(450)), "there is nothing to count");
    }

    #[test]
    fn no_more_is_held_than_there_is() {
        assert_eq!(Feed { available: Rials(1_000), ..FEED }.room(), Ok(2));
        assert_eq!(Feed { available: Rials(449), ..FEED }.room(), Err(Dry::Credit));
        assert_eq!(Feed { available: Rials(-5), open: 1, ..FEED }.room(), Ok(0));
        assert_eq!(Feed { below_ceiling: Some(Rials(900)), ..FEED }.room(), Ok(2));
        let written_to = Feed { follow_up: Rials(51), ..FEED };
        assert_eq!(Feed { below_ceiling: Some(Rials(1_001)), ..written_to }.room(), Ok(1));
        assert_eq!(Feed { available: Rials(900), ..written_to }.room(), Ok(2));
        assert_eq!(Feed { below_ceiling: Some(Rials(0)), ..FEED }.room(), Err(Dry::Ceiling));
        assert_eq!(Feed { price: Rials(0), available: Rials(0), ..FEED }.room(), Ok(500));
    }
}
