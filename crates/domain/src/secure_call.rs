//! A secure call: two people talk through us, and neither sees the other's number. This file
//! decides whether it is placed, what it holds and how long it may last; it never looks anything
//! up.

use crate::billing::rating::{Rate, rate_conversation_rounding_up};
use crate::billing::tariff::{Tariff, Zone};
use crate::calendar::calling_window::CallingWindow;
use crate::message::{Approval, Message};
use crate::quick_send::zone_of;
use crate::{Account, Destination, Timestamp};

/// The longest that an operator may let two people talk, milliseconds: two hours.
pub const TALK_MS_MAX: u32 = 2 * 60 * 60 * 1000;
/// One that could not be started within this time is given up: whoever asked waits at a telephone.
const START_WITHIN_MS: i64 = 2 * 60 * 1000;

/// What a customer asks for; `None` where what was written is no number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// Who is rung first, and waits with music for the other.
    pub first: Option<Destination>,
    /// Who is rung once the first has answered.
    pub second: Option<Destination>,
}

/// Everything the decision needs, read beforehand.
#[derive(Debug, Clone)]
pub struct Facts<'a> {
    /// The account that pays.
    pub account: &'a Account,
    /// What the first one hears until the second one is there, if the account has it.
    pub hold_message: Option<&'a Message>,
    /// The tariff in force.
    pub tariff: &'a Tariff,
    /// When calls may be placed.
    pub window: &'a CallingWindow,
    /// How long the operator lets two people talk, milliseconds; 0: there are no secure calls.
    pub talk_ms_max: u32,
    /// Whether the operator knows enough of who the account's owner is.
    pub identified: bool,
    /// Whether some trunk takes both numbers.
    pub reachable: bool,
    /// Whether some trunk of the regional server that is asked for does.
    pub served: bool,
}

/// What was decided.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Admission {
    /// Who is rung first.
    pub first: Destination,
    /// Who is rung then.
    pub second: Destination,
    /// What the conversation costs if it lasts as long as it may.
    pub hold: Rate,
    /// The zone of the one who is rung first.
    pub zone: Zone,
    /// How long both may talk, milliseconds: as long as the balance pays for, at most.
    pub talk_ms: u32,
    /// When it is too late to start.
    pub expires_at: Timestamp,
}

/// Why a secure call is not placed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// The operator switched secure calls off.
    Disabled,
    /// The account may not place them.
    NotPermitted,
    /// The operator asks who the account's owner is, and that is not proven.
    NotIdentified,
    /// One of the two is not a public number that can be called.
    WrongNumber,
    /// Both are the same number.
    SameNumber,
    /// No trunk of the regional server that is asked for takes both.
    WrongServer,
    /// The account has no such message to be played meanwhile, or it may not be played.
    WrongMessage,
    /// Outside the hours in which calls may be placed.
    TimeNotAllowed,
    /// The available balance is below the tariff's minimum for secure calls, or pays for no pulse.
    InsufficientCredit,
}

/// Decides on a secure call. Pure: the same facts give the same answer.
///
/// # Errors
/// The first [`Refusal`] that applies.
pub fn admit(facts: &Facts<'_>, request: Request, now: Timestamp) -> Result<Admission, Refusal> {
    let listened_to = |message: &Message| message.approval == Approval::Approved;
    let both = request.first.filter(is_public).zip(request.second.filter(is_public));
    let differ = both.as_ref().is_none_or(|(first, second)| first != second);
    let rules = [
        (facts.talk_ms_max > 0, Refusal::Disabled),
        (facts.account.places_secure_calls, Refusal::NotPermitted),
        (facts.identified, Refusal::NotIdentified),
        (both.is_some(), Refusal::WrongNumber),
        (differ, Refusal::SameNumber),
        (facts.reachable, Refusal::WrongNumber),
        (facts.served, Refusal::WrongServer),
        (facts.hold_message.is_some_and(listened_to), Refusal::WrongMessage),
        (facts.window.allows(now), Refusal::TimeNotAllowed),
    ];
    if let Some((_, refusal)) = rules.into_iter().find(|(kept, _)| !kept) {
        return Err(refusal);
    }
    let (first, second) = both.ok_or(Refusal::WrongNumber)?;
    let zones = [zone_of(&first), zone_of(&second)];
    let longest = longest(facts.account, facts.tariff, facts.talk_ms_max, zones);
    let (hold, talk_ms) = longest.ok_or(Refusal::InsufficientCredit)?;
    let expires_at = now.plus_ms(START_WITHIN_MS);
    Ok(Admission { first, second, hold, zone: zones[0], talk_ms, expires_at })
}

fn is_public(destination: &Destination) -> bool {
    matches!(destination, Destination::Number(_))
}

/// The longest conversation between two zones that the balance pays for, and how long that is,
/// milliseconds. `None` when it pays for none, or is below the tariff's minimum.
pub fn longest(
    account: &Account,
    tariff: &Tariff,
    talk_ms_max: u32,
    zones: [Zone; 2],
) -> Option<(Rate, u32)> {
    let spendable = account.spendable();
    if spendable < tariff.secure_minimum {
        return None;
    }
    let rate = |talk_ms| rate_conversation_rounding_up(tariff, zones, talk_ms);
    let pulse = rate(1)?;
    let affordable = spendable.0.checked_div(pulse.price.0).unwrap_or(i64::MAX);
    let affordable_ms = affordable.saturating_mul(i64::from(tariff.pulse_seconds) * 1000);
    let talk_ms = u32::try_from(affordable_ms).unwrap_or(u32::MAX).min(talk_ms_max);
    let longest = rate(talk_ms).filter(|rate| rate.price <= spendable)?;
    (talk_ms > 0).then_some((longest, talk_ms))
}

#[cfg(test)]
mod tests {
    use std::sync::LazyLock;

    use super::*;
    use crate::{AccountId, MessageId, Rials};

    /// Half past three in the morning.
    const NOW: Timestamp = Timestamp(1_000);
    static DAY: LazyLock<CallingWindow> =
        LazyLock::new(|| CallingWindow::new(7 * 60, 23 * 60).unwrap());

    fn account(rials: i64) -> Account {
        Account {
            id: AccountId(1),
            name: String::from("A"),
            mobile: String::from("09120000001"),
            balance: Rials(rials),
            reserved: Rials(0),
            debt_limit: Rials(0),
            expires_at: None,
            disabled_at: None,
            approves_own_messages: true,
            records_callees: false,
            places_secure_calls: true,
            calls_regions: false,
            sandbox_of: None,
        }
    }

    fn music() -> Message {
        Message {
            id: MessageId(1),
            account: AccountId(1),
            title: String::new(),
            approval: Approval::Approved,
            decided_at: None,
            refused_because: None,
            length_ms: 5_000,
            blob: String::new(),
            persistent: true,
            created_at: NOW,
        }
    }

    fn request(first: &str, second: &str) -> Request {
        Request { first: Destination::parse(first), second: Destination::parse(second) }
    }

    /// Judges with all in order but for what `change` does.
    fn judged(
        rials: i64,
        request: &Request,
        change: impl FnOnce(&mut Facts<'_>),
    ) -> Result<Admission, Refusal> {
        let (account, tariff, music) = (account(rials), Tariff::example(), music());
        let mut facts = Facts {
            account: &account,
            hold_message: Some(&music),
            tariff: &tariff,
            window: &CallingWindow::ALWAYS,
            talk_ms_max: 900_000,
            identified: true,
            reachable: true,
            served: true,
        };
        change(&mut facts);
        admit(&facts, request.clone(), NOW)
    }

    #[test]
    fn both_legs_are_paid_for_as_long_as_they_talk() {
        // A mobile and a landline: 75 rials a second, 375 a pulse.
        let admitted = judged(1_000_000, &request("09120000000", "02100000000"), |_| ()).unwrap();
        assert_eq!((admitted.talk_ms, admitted.hold.price), (900_000, Rials(67_500)));
        assert_eq!((admitted.zone, admitted.expires_at), (Zone::External, NOW.plus_ms(120_000)));
    }

    #[test]
    fn a_small_balance_pays_for_a_short_conversation() {
        // 450 rials a pulse: 10 399 rials pay for 23 pulses.
        let admitted = judged(10_399, &request("09120000000", "09120000001"), |_| ()).unwrap();
        assert_eq!((admitted.talk_ms, admitted.hold.price), (115_000, Rials(10_350)));
        let refused = judged(9_999, &request("09120000000", "09120000001"), |_| ());
        assert_eq!(refused, Err(Refusal::InsufficientCredit));
    }

    #[test]
    fn every_refusal_has_its_reason() {
        let usual = request("09120000000", "02100000000");
        let refused = |change: fn(&mut Facts<'_>)| judged(1_000_000, &usual, change).unwrap_err();
        assert_eq!(refused(|facts| facts.talk_ms_max = 0), Refusal::Disabled);
        assert_eq!(refused(|facts| facts.reachable = false), Refusal::WrongNumber);
        assert_eq!(refused(|facts| facts.served = false), Refusal::WrongServer);
        assert_eq!(refused(|facts| facts.hold_message = None), Refusal::WrongMessage);
        assert_eq!(refused(|facts| facts.window = &DAY), Refusal::TimeNotAllowed);
        assert_eq!(refused(|facts| facts.identified = false), Refusal::NotIdentified);
        let same = request("09120000000", "+989120000000");
        assert_eq!(judged(1_000_000, &same, |_| ()), Err(Refusal::SameNumber));
        for wrong in [request("09120000000", "101"), request("nobody", "02100000000")] {
            assert_eq!(judged(1_000_000, &wrong, |_| ()), Err(Refusal::WrongNumber));
        }
    }
}
