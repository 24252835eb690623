//! Whether a campaign is taken and whether it may start. Pure: the facts are read beforehand.

use super::Schedule;
use super::retry::{DELAY_MINUTES_MAX, TRIES_MAX};
use crate::billing::rating::rate_rounding_up;
use crate::dialer::pacing::CALLS_PER_MINUTE_MAX;
use crate::message::TITLE_CHARS_MAX;
use crate::{Account, Approval, Message, MessageClass, Rials, Tariff, Timestamp, Zone};

/// How a campaign is to be called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// Its customer's title for it.
    pub title: String,
    /// Its days and hours.
    pub schedule: Schedule,
    /// Tries at each recipient.
    pub max_tries: u32,
    /// The pause between two tries, minutes.
    pub minutes_between_tries: u32,
    /// Whether the first key pressed is kept.
    pub vote: bool,
    /// How long the callee's voice is recorded after the message, milliseconds, if it is.
    pub record_ms: Option<u32>,
    /// The regional server that is to call, if one is asked for.
    pub server: Option<u32>,
    /// Campaigns of a customer with a higher one step into the line first.
    pub priority: i64,
    /// The most that it may cost.
    pub max_cost: Option<Rials>,
    /// What kind of message it is.
    pub class: MessageClass,
    /// The key by which callees opt out, in place of that of its class.
    pub opt_out_key: Option<char>,
    /// The most calls of it that start in a minute, beside what trunks allow.
    pub calls_per_minute: Option<u32>,
}

/// Why a plan is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PlanRefusal {
    /// The number of tries is not allowed.
    TriesNotAllowed,
    /// The pause, the title, the pace or the end is not allowed.
    Invalid,
    /// The account may not record callees.
    RecordingNotPermitted,
}

impl Plan {
    /// Judges the plan at `now`.
    ///
    /// # Errors
    /// The first [`PlanRefusal`] that applies.
    pub fn check(&self, account: &Account, now: Timestamp) -> Result<(), PlanRefusal> {
        if !(1..=TRIES_MAX).contains(&self.max_tries) {
            return Err(PlanRefusal::TriesNotAllowed);
        }
        let too_long = self.title.chars().nth(TITLE_CHARS_MAX).is_some();
        let ceiling_is_none = self.max_cost.is_some_and(|cost| cost <= Rials::ZERO);
        let delay = self.minutes_between_tries;
        if delay > DELAY_MINUTES_MAX
            || too_long
            || ceiling_is_none
            || !self.calls_per_minute.is_none_or(is_pace)
            || self.schedule.ends_at <= now
        {
            return Err(PlanRefusal::Invalid);
        }
        if self.record_ms.is_some() && !account.records_callees {
            return Err(PlanRefusal::RecordingNotPermitted);
        }
        Ok(())
    }
}

/// Whether a campaign may be asked to start so many calls a minute.
pub fn is_pace(per_minute: u32) -> bool {
    (1..=CALLS_PER_MINUTE_MAX).contains(&per_minute)
}

/// Why a message cannot be a campaign's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MessageRefusal {
    /// The account has no such message.
    None,
    /// It waits for its approval.
    Waiting,
    /// It was rejected.
    Rejected,
}

/// Judges a campaign's message. `by_staff`: whether the policy of its class asks that a member of
/// staff has approved it.
///
/// # Errors
/// Why it may not be called.
pub fn check_message(
    message: Option<&Message>,
    by_staff: bool,
) -> Result<&Message, MessageRefusal> {
    let message = message.ok_or(MessageRefusal::None)?;
    match message.approval {
        Approval::Approved if message.may_be_sent(by_staff) => Ok(message),
        Approval::Approved | Approval::Waiting | Approval::WaitingByPhone => {
            Err(MessageRefusal::Waiting)
        }
        Approval::Rejected => Err(MessageRefusal::Rejected),
    }
}

/// How many recipients there are in each price zone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Zones {
    /// Inside the network.
    pub internal: u32,
    /// Outside of it.
    pub external: u32,
}

impl Zones {
    /// How many there are.
    pub fn total(self) -> u32 {
        self.internal.saturating_add(self.external)
    }

    /// Counts one more.
    #[must_use]
    pub fn and(self, zone: Zone) -> Self {
        match zone {
            Zone::Internal => Self { internal: self.internal.saturating_add(1), ..self },
            Zone::External => Self { external: self.external.saturating_add(1), ..self },
        }
    }
}

/// What one call to its end costs in each zone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CallPrices {
    /// Inside the network.
    pub internal: Rials,
    /// Outside of it.
    pub external: Rials,
}

impl CallPrices {
    /// The prices of a message of that length; `None` past 64 bits.
    pub fn of(tariff: &Tariff, clip_ms: u32) -> Option<Self> {
        let price = |zone| rate_rounding_up(tariff, zone, clip_ms).map(|rate| rate.price);
        Some(Self { internal: price(Zone::Internal)?, external: price(Zone::External)? })
    }

    /// What it costs when everybody hears the message to its end; `None` past 64 bits.
    pub fn of_all(&self, recipients: Zones) -> Option<Rials> {
        let internal = self.internal.checked_mul(recipients.internal.into())?;
        internal.checked_add(self.external.checked_mul(recipients.external.into())?)
    }

    /// The dearest call.
    pub fn most(&self) -> Rials {
        self.internal.max(self.external)
    }
}

/// Whether the account can pay for calling all `recipients` once, or up to the plan's ceiling.
pub fn is_covered(
    account: &Account,
    prices: &CallPrices,
    recipients: Zones,
    max_cost: Option<Rials>,
) -> bool {
    let Some(all) = prices.of_all(recipients) else { return false };
    max_cost.map_or(all, |ceiling| ceiling.min(all)) <= account.spendable()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::AccountId;

    fn account(balance: i64) -> Account {
        Account {
            id: AccountId(1),
            name: String::from("A"),
            mobile: String::from("09120000001"),
            balance: Rials(balance),
            reserved: Rials(0),
            debt_limit: Rials(0),
            expires_at: None,
            disabled_at: None,
            approves_own_messages: true,
            records_callees: false,
            places_secure_calls: false,
            calls_regions: false,
            sandbox_of: None,
        }
    }

    fn plan() -> Plan {
        Plan {
            title: String::from("t"),
            schedule: Schedule::between("2026-11-22 08:00", "2026-11-23 20:00").unwrap(),
            max_tries: 1,
            minutes_between_tries: 10,
            vote: false,
            record_ms: None,
            server: None,
            priority: 0,
            max_cost: None,
            class: MessageClass::Service,
            opt_out_key: None,
            calls_per_minute: None,
        }
    }

    #[test]
    fn a_plan_that_cannot_be_has_its_reason() {
        let check = |plan: Plan| plan.check(&account(0), Timestamp(0)).err();
        assert_eq!(check(plan()), None);
        for max_tries in [0, 11] {
            let refused = check(Plan { max_tries, ..plan() });
            assert_eq!(refused, Some(PlanRefusal::TriesNotAllowed));
        }
        for bad in [
            Plan { minutes_between_tries: DELAY_MINUTES_MAX + 1, ..plan() },
            Plan { title: "x".repeat(201), ..plan() },
            Plan { max_cost: Some(Rials(0)), ..plan() },
            Plan { calls_per_minute: Some(0), ..plan() },
            Plan { calls_per_minute: Some(CALLS_PER_MINUTE_MAX + 1), ..plan() },
        ] {
            assert_eq!(check(bad), Some(PlanRefusal::Invalid));
        }
        let refused = check(Plan { record_ms: Some(1), ..plan() });
        assert_eq!(refused, Some(PlanRefusal::RecordingNotPermitted));
        let late = plan().check(&account(0), plan().schedule.ends_at);
        assert_eq!(late, Err(PlanRefusal::Invalid));
    }

    #[test]
    fn everybody_must_be_paid_for_up_to_the_ceiling() {
        let prices = CallPrices::of(&Tariff::example(), 10_000).unwrap();
        let recipients = Zones::default().and(Zone::Internal).and(Zone::External);
        assert_eq!((prices.of_all(recipients), prices.most()), (Some(Rials(750)), Rials(450)));
        let covered = |balance, max_cost: Option<i64>| {
            is_covered(&account(balance), &prices, recipients, max_cost.map(Rials))
        };
        assert!(covered(750, None) && !covered(749, None));
        assert!(covered(300, Some(300)) && !covered(299, Some(300)) && covered(750, Some(900)));
        let lent = Account { debt_limit: Rials(50), ..account(700) };
        assert!(is_covered(&lent, &prices, recipients, None));
    }
}
