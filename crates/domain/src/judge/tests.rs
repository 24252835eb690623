//! The judge hears logs that were cooked, and catches each.

use super::*;
use crate::calendar::holiday::{Holiday, HolidayBasis, HolidayStatus};
use crate::class::PolicyRefusal;

/// A Sunday at noon in Tehran.
fn noon() -> Timestamp {
    Day::gregorian(2026, 11, 22).unwrap().at_minute(12 * 60)
}

fn policy(id: i64, class: MessageClass, hours: &str) -> Policy {
    let read = |text: &str| -> Result<_, PolicyRefusal> { Policy::read_hours(text, "none") };
    Policy {
        id: PolicyId(id),
        class,
        effective_from: Timestamp(0),
        allowed: true,
        needs_document: false,
        needs_approval: false,
        hours: read(hours).unwrap(),
        daily_cap: None,
        tries_max: 3,
        retry_minutes: 0,
        caller_id: None,
        opt_out_key: None,
        priority: 1,
    }
}

/// A lawful call of ten seconds at noon.
fn fact() -> Fact {
    Fact {
        send: QuickSendId(1),
        n: 1,
        at: noon(),
        barred: None,
        basis: Some(String::from("hours")),
        policy: Some(PolicyId(2)),
        lists: Some(3),
        account: AccountId(1),
        campaign: Some(CampaignId(7)),
        number: String::from("09121234567"),
        is_public: true,
        class: MessageClass::Service,
        trunk: Some(String::from("north")),
        call: CallSpan::Closed(noon(), noon().plus_ms(10_000)),
    }
}

struct Court {
    policies: Vec<Policy>,
    permissions: Vec<Permission>,
}

impl Court {
    fn new() -> Self {
        let policies = vec![
            policy(2, MessageClass::Service, "07:00-23:00"),
            policy(3, MessageClass::Advertising, "09:30-14:00,16:30-22:00"),
        ];
        Self { policies, permissions: Vec::new() }
    }

    /// What the judge finds of these rows.
    fn violations(&self, facts: &[(Fact, Vec<Listed>)]) -> Vec<Violation> {
        let holidays = Holidays::shipped();
        let mut judge = Judge::new(self.policies.clone(), self.permissions.clone(), holidays);
        for (fact, listed) in facts {
            judge.hear(fact, listed);
        }
        let reports = judge.close();
        reports.values().flat_map(|report| report.violations.keys().copied()).collect()
    }

    fn one(&self, fact: Fact) -> Vec<Violation> {
        self.violations(&[(fact, Vec::new())])
    }
}

fn at(hour: u16, minute: u16) -> Timestamp {
    Day::gregorian(2026, 11, 22).unwrap().at_minute(hour * 60 + minute)
}

#[test]
fn a_lawful_call_is_found_lawful() {
    assert_eq!(Court::new().one(fact()), []);
}

#[test]
fn a_call_out_of_its_hours_is_caught() {
    let court = Court::new();
    for (when, found) in [
        (at(6, 59), vec![Violation::OutsideHours]),
        (at(7, 0), vec![]),
        (at(22, 59), vec![]),
        (at(23, 0), vec![Violation::OutsideHours]),
        // A Friday, on which there are no hours.
        (noon().plus_ms(5 * 86_400_000), vec![Violation::OutsideHours]),
        // 1 Farvardin, a public holiday.
        (Day::jalali(1406, 1, 1).unwrap().at_minute(720), vec![Violation::OutsideHours]),
    ] {
        assert_eq!(court.one(Fact { at: when, ..fact() }), found, "{when:?}");
    }
}

/// Goal: a day that becomes a holiday is one from then on, and none again when that is withdrawn;
/// who decided within the grace may have known or not.
#[test]
fn a_holiday_counts_from_when_it_was_entered() {
    let decree = Holiday {
        day: Day::of(noon()),
        name: String::from("تعطیلی آلودگی هوا"),
        name_en: String::new(),
        status: HolidayStatus::Confirmed,
        basis: HolidayBasis::Decree,
    };
    let withdrawn = Holiday { status: HolidayStatus::Withdrawn, ..decree.clone() };
    let holidays = Holidays::shipped_with([(noon(), decree), (at(14, 0), withdrawn)]);
    let is_lawful = |at: Timestamp| {
        let mut judge = Judge::new(Court::new().policies, Vec::new(), holidays.clone());
        judge.hear(&Fact { at, call: CallSpan::None, ..fact() }, &[]);
        judge.close().remove(&Some(CampaignId(7))).unwrap().is_clean()
    };
    assert!(is_lawful(at(11, 59)) && is_lawful(noon().plus_ms(10_000)));
    assert!(!is_lawful(noon().plus_ms(11_000)) && !is_lawful(at(13, 59)));
    assert!(is_lawful(at(14, 0).plus_ms(-10_000)) && is_lawful(at(14, 1)));
}

/// Goal: a call within the hours of its class and outside those of its campaign is caught; each is
/// judged by what the campaign had then, whatever it was changed to.
#[test]
fn a_call_out_of_its_campaigns_hours_is_caught() {
    let between = |start: &str, end: &str| Schedule::between(start, end).unwrap();
    let morning = between("2026-11-22 09:00", "2026-11-23 12:30");
    let evening = between("2026-11-22 18:00", "2026-11-24 20:00");
    let court = Court::new();
    let judged = |at: Timestamp, campaign: Option<i64>, log: &[(Timestamp, Schedule)]| {
        let mut judge = Judge::new(court.policies.clone(), Vec::new(), Holidays::shipped());
        judge.learn(CampaignId(7), log.to_vec());
        assert!(judge.knows(CampaignId(7)) && !judge.knows(CampaignId(8)));
        let campaign = campaign.map(CampaignId);
        judge.hear(&Fact { at, campaign, call: CallSpan::None, ..fact() }, &[]);
        let report = judge.close().remove(&campaign).unwrap();
        report.violations.into_keys().collect::<Vec<_>>()
    };
    let caught = [Violation::OutsideSchedule];
    let first = [(at(8, 0), morning)];
    assert_eq!(judged(at(8, 59), Some(7), &first), caught);
    assert_eq!(judged(at(9, 0), Some(7), &first), []);
    assert_eq!(judged(at(12, 29), Some(7), &first), []);
    assert_eq!(judged(at(12, 30), Some(7), &first), caught);
    assert_eq!(judged(at(12, 0).plus_ms(2 * 86_400_000), Some(7), &first), caught, "a later day");
    assert_eq!(judged(at(7, 30), Some(7), &first), [], "nothing is known of before");
    assert_eq!(judged(at(20, 0), None, &first), [], "a send of no campaign");
    assert_eq!(judged(at(20, 0), Some(8), &first), [], "another campaign");
    let both = [(at(8, 0), morning), (at(12, 0), evening)];
    assert_eq!(judged(at(10, 0), Some(7), &both), [], "as it was then");
    assert_eq!(judged(at(19, 0), Some(7), &both), []);
    assert_eq!(judged(at(12, 1), Some(7), &both), caught, "as it was no more");
    let (just_before, just_after) = (at(12, 0).plus_ms(-9_000), at(12, 0).plus_ms(9_000));
    assert_eq!(judged(just_before, Some(7), &both), []);
    assert_eq!(judged(just_after, Some(7), &both), [], "clocks differ");
    let back = [both[0], both[1], (at(18, 30), morning)];
    assert_eq!(judged(at(18, 15), Some(7), &back), []);
    assert_eq!(judged(at(18, 45), Some(7), &back), caught);
}

#[test]
fn a_permission_that_was_not_there_is_caught() {
    let night = Fact { at: at(3, 0), basis: Some(String::from("permission")), ..fact() };
    let mut court = Court::new();
    assert_eq!(court.one(night.clone()), [Violation::OutsideHours]);
    let account = AccountId(1);
    let permission = Permission { account, granted_at: at(1, 0), revoked_at: None };
    court.permissions = vec![permission];
    assert_eq!(court.one(night.clone()), []);
    court.permissions = vec![Permission { revoked_at: Some(at(2, 0)), ..permission }];
    assert_eq!(court.one(night.clone()), [Violation::OutsideHours]);
    court.permissions = vec![permission];
    let (class, policy) = (MessageClass::Advertising, Some(PolicyId(3)));
    let advertising = Fact { policy, class, ..night };
    assert_eq!(court.one(advertising), [Violation::OutsideHours], "it has its hours");
}

#[test]
fn a_class_that_is_off_is_caught() {
    let mut court = Court::new();
    court.policies[0].allowed = false;
    assert_eq!(court.one(fact()), [Violation::ClassNotAllowed]);
    court.policies[0] =
        Policy { needs_document: true, ..policy(2, MessageClass::Service, "07:00-23:00") };
    assert_eq!(court.one(fact()), [Violation::ClassNotAllowed]);
}

#[test]
fn a_policy_of_another_class_or_time_is_caught() {
    let mut court = Court::new();
    let advertising = Fact { policy: Some(PolicyId(3)), ..fact() };
    assert_eq!(court.one(advertising), [Violation::WrongPolicy]);
    assert_eq!(court.one(Fact { policy: None, ..fact() }), [Violation::WrongPolicy]);
    assert_eq!(court.one(Fact { policy: Some(PolicyId(9)), ..fact() }), [Violation::WrongPolicy]);
    let newer = policy(4, MessageClass::Service, "08:00-20:00");
    court.policies.push(Policy { effective_from: noon().plus_ms(-11_000), ..newer.clone() });
    assert_eq!(court.one(fact()), [Violation::WrongPolicy], "it was replaced before");
    court.policies[2].effective_from = noon().plus_ms(-9_000);
    assert_eq!(court.one(fact()), [], "it could not be known yet");
}

#[test]
fn a_call_that_says_it_reached_nobody_is_looked_at() {
    let court = Court::new();
    let nobody = Fact { at: at(3, 0), basis: Some(String::from("no_person")), ..fact() };
    assert_eq!(court.one(nobody.clone()), [Violation::ReachedSomebody]);
    assert_eq!(court.one(Fact { trunk: Some(SANDBOX.to_owned()), ..nobody.clone() }), []);
    assert_eq!(court.one(Fact { is_public: false, ..nobody }), []);
}

#[test]
fn a_call_to_somebody_who_opted_out_is_caught() {
    let court = Court::new();
    let listed = |list, account, since_ms, version| Listed {
        list,
        account: AccountId(account),
        added: (noon().plus_ms(since_ms), version),
        removed: None,
    };
    let heard = |listed: Listed| court.violations(&[(fact(), vec![listed])]);
    let caught = [Violation::OptedOut];
    assert_eq!(heard(listed(OptOutList::Account, 1, -1, 3)), caught, "by the version");
    assert_eq!(heard(listed(OptOutList::Account, 1, -1, 4)), [], "it came a moment too late");
    assert_eq!(heard(listed(OptOutList::Account, 1, -11_000, 4)), caught, "a stale version");
    assert_eq!(heard(listed(OptOutList::Account, 2, -60_000, 1)), [], "another's list");
    assert_eq!(heard(listed(OptOutList::National, 0, -60_000, 1)), [], "service is no advertising");
    assert_eq!(heard(listed(OptOutList::Operator, 0, -60_000, 1)), caught);
    let over = Listed {
        removed: Some((noon().plus_ms(-30_000), 2)),
        ..listed(OptOutList::Account, 1, -60_000, 1)
    };
    assert_eq!(heard(over), [], "it had been taken off");
}

#[test]
fn one_call_too_many_is_caught() {
    let mut court = Court::new();
    court.policies[0].daily_cap = Some(2);
    let call = |send: i64, n, minutes: i64| {
        let at = noon().plus_ms(minutes * 60_000);
        let call = CallSpan::Closed(at, at.plus_ms(1_000));
        (Fact { send: QuickSendId(send), n, at, call, ..fact() }, Vec::new())
    };
    let two = [call(1, 1, 0), call(2, 1, 1), call(2, 2, 2)];
    assert_eq!(court.violations(&two), [], "another attempt is no other send");
    let three = [call(1, 1, 0), call(2, 1, 1), call(3, 1, 2)];
    assert_eq!(court.violations(&three), [Violation::CapExceeded]);
    let tomorrow = [call(1, 1, 0), call(2, 1, 1), call(3, 1, 24 * 60)];
    assert_eq!(court.violations(&tomorrow), []);
}

#[test]
fn two_calls_at_once_are_caught() {
    let court = Court::new();
    let call = |send: i64, from_ms, to_ms: Option<i64>| {
        let from = noon().plus_ms(from_ms);
        let call =
            to_ms.map_or(CallSpan::Open(from), |to| CallSpan::Closed(from, noon().plus_ms(to)));
        (Fact { send: QuickSendId(send), call, ..fact() }, Vec::new())
    };
    let caught = [Violation::TwiceAtOnce];
    assert_eq!(court.violations(&[call(1, 0, Some(10)), call(2, 10, Some(20))]), []);
    assert_eq!(court.violations(&[call(1, 0, Some(11)), call(2, 10, Some(20))]), caught);
    assert_eq!(court.violations(&[call(2, 10, Some(20)), call(1, 0, Some(11))]), caught);
    assert_eq!(
        court.violations(&[call(1, 0, None), call(2, 86_400_000, Some(86_400_010))]),
        caught
    );
    let mut unsent = call(3, 0, Some(10));
    unsent.0.call = CallSpan::None;
    assert_eq!(court.violations(&[call(1, 0, Some(10)), unsent]), []);
}

/// Goal: an attempt that was lost with its process is told, and accuses nobody.
#[test]
fn what_is_lost_proves_nothing() {
    let mut judge = Judge::new(Court::new().policies, Vec::new(), Holidays::default());
    judge.hear(&fact(), &[]);
    judge.hear(&Fact { send: QuickSendId(2), call: CallSpan::Lost, ..fact() }, &[]);
    let reports = judge.close();
    let report = reports.values().next().unwrap();
    assert_eq!((report.allowed, report.lost, report.is_clean()), (2, 1, true), "{report:?}");
}

#[test]
fn a_call_that_is_not_in_the_log_is_caught_and_each_campaign_has_its_report() {
    let mut judge = Judge::new(Court::new().policies, Vec::new(), Holidays::default());
    let barred = Some(String::from("opted_out"));
    judge.hear(&fact(), &[]);
    judge.hear(&Fact { barred, n: 0, call: CallSpan::None, policy: None, ..fact() }, &[]);
    judge.hear_of_unlogged(Some(CampaignId(8)), QuickSendId(5), 2);
    let reports = judge.close();
    let clean = &reports[&Some(CampaignId(7))];
    assert!(clean.is_clean() && clean.allowed == 1 && clean.barred["opted_out"] == 1);
    let told = &reports[&Some(CampaignId(8))].told;
    assert_eq!(told, &[(QuickSendId(5), 2, Violation::NotLogged)]);
}
