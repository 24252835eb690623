//! The judge: reads the log of what was allowed and what became of it, and says for each campaign
//! whether every call was lawful. It shares no decision with the dialer: hours, lists, caps and
//! overlaps are worked out here again, from what is stored and nothing else.

use std::collections::BTreeMap;

use crate::calendar::day::Day;
use crate::calendar::holiday::Holidays;
use crate::calendar::opening_hours::DayType;
use crate::campaign::Schedule;
use crate::class::Policy;
use crate::opt_out::OptOutList;
use crate::{AccountId, CampaignId, MessageClass, PolicyId, QuickSendId, Timestamp};

/// The trunk whose calls reach nobody.
pub const SANDBOX: &str = "sandbox";
/// How long a policy, a permission or a list may be believed after it changed, microseconds: clocks
/// differ, and what is read takes a moment to be committed.
const GRACE_US: i64 = 10_000_000;
/// Tehran's clock is ahead of UTC by this, microseconds, since it keeps no daylight saving.
const TEHRAN_US: i64 = 12_600_000_000;
const MINUTE_US: i64 = 60_000_000;
const DAY_US: i64 = 24 * 60 * MINUTE_US;
/// Violations of one report that are told one by one; the others are counted.
const TOLD_MAX: usize = 1_000;

/// One row of the log, with what is stored of the send and the call that it is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fact {
    /// Which send.
    pub send: QuickSendId,
    /// Which attempt of it; 0 when it was barred.
    pub n: u16,
    /// When it was decided, and the attempt started.
    pub at: Timestamp,
    /// Whether it was allowed; otherwise the cause for which it was barred.
    pub barred: Option<String>,
    /// Why its class was open: `hours`, `permission` or `no_person`.
    pub basis: Option<String>,
    /// The version of the policy that was asked.
    pub policy: Option<PolicyId>,
    /// The version of the lists that was asked.
    pub lists: Option<i64>,
    /// Who called.
    pub account: AccountId,
    /// For which campaign, if for one.
    pub campaign: Option<CampaignId>,
    /// Whom.
    pub number: String,
    /// Whether that is a public number, and no phone of the account.
    pub is_public: bool,
    /// With what kind of message.
    pub class: MessageClass,
    /// By which trunk.
    pub trunk: Option<String>,
    /// What became of it.
    pub call: CallSpan,
}

/// When the phone of an attempt may have been in a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CallSpan {
    /// There was none: it was barred, or its INVITE was never sent.
    None,
    /// From then on, and still.
    Open(Timestamp),
    /// From one moment until before another.
    Closed(Timestamp, Timestamp),
    /// Nobody knows whether there was one: the attempt was lost with its process or node.
    Lost,
}

/// A number's time on a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Listed {
    /// Which kind of list.
    pub list: OptOutList,
    /// Whose, if an account's.
    pub account: AccountId,
    /// When it came there, and by which version of the lists.
    pub added: (Timestamp, i64),
    /// When it left, and by which version.
    pub removed: Option<(Timestamp, i64)>,
}

/// A permission to call at any hour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Permission {
    /// Whose.
    pub account: AccountId,
    /// From when on.
    pub granted_at: Timestamp,
    /// Until when, if it ended.
    pub revoked_at: Option<Timestamp>,
}

/// What was wrong with a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Violation {
    /// The log has no row of it.
    NotLogged,
    /// The policy it names is none, of another class, or not in force then.
    WrongPolicy,
    /// Its class was not allowed, or only with a document that the account had not.
    ClassNotAllowed,
    /// It left its hours.
    OutsideHours,
    /// It says that it reached nobody, and it went to a public number by a real trunk.
    ReachedSomebody,
    /// It left the days and hours that its campaign had then.
    OutsideSchedule,
    /// Its number was on a list that its class obeys.
    OptedOut,
    /// Its number had been called as often that day as its class may.
    CapExceeded,
    /// Its number was in another call.
    TwiceAtOnce,
}

/// What the judge found about one campaign, or about all sends that are of none.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Report {
    /// Attempts that were allowed.
    pub allowed: u64,
    /// Those of them that were lost with their process or node: whether they were calls, and for
    /// how long, is not known, so they prove nothing.
    pub lost: u64,
    /// Sends that were barred, by cause.
    pub barred: BTreeMap<String, u64>,
    /// How many violations of each kind there are.
    pub violations: BTreeMap<Violation, u64>,
    /// The first of them: which send and attempt.
    pub told: Vec<(QuickSendId, u16, Violation)>,
}

impl Violation {
    /// Each of them.
    pub const ALL: [Self; 9] = [
        Self::NotLogged,
        Self::WrongPolicy,
        Self::ClassNotAllowed,
        Self::OutsideHours,
        Self::ReachedSomebody,
        Self::OutsideSchedule,
        Self::OptedOut,
        Self::CapExceeded,
        Self::TwiceAtOnce,
    ];

    /// A word for it.
    pub fn word(self) -> &'static str {
        match self {
            Self::NotLogged => "not_logged",
            Self::WrongPolicy => "wrong_policy",
            Self::ClassNotAllowed => "class_not_allowed",
            Self::OutsideHours => "outside_hours",
            Self::ReachedSomebody => "reached_somebody",
            Self::OutsideSchedule => "outside_schedule",
            Self::OptedOut => "opted_out",
            Self::CapExceeded => "cap_exceeded",
            Self::TwiceAtOnce => "twice_at_once",
        }
    }
}

impl Report {
    /// Whether nothing was wrong.
    pub fn is_clean(&self) -> bool {
        self.violations.is_empty()
    }

    fn accuse(&mut self, send: QuickSendId, n: u16, violation: Violation) {
        *self.violations.entry(violation).or_default() += 1;
        if self.told.len() < TOLD_MAX {
            self.told.push((send, n, violation));
        }
    }
}

/// A call as the judge remembers it.
struct Call {
    from: Timestamp,
    to: Timestamp,
    send: QuickSendId,
    n: u16,
    campaign: Option<CampaignId>,
}

/// The judge. It hears the rows of the log in their order.
pub struct Judge {
    policies: BTreeMap<PolicyId, Policy>,
    permissions: Vec<Permission>,
    /// With when each was entered.
    holidays: Holidays,
    schedules: BTreeMap<CampaignId, Vec<(Timestamp, Schedule)>>,
    reports: BTreeMap<Option<CampaignId>, Report>,
    calls: BTreeMap<String, Vec<Call>>,
    /// Sends that were counted: (day, class, number).
    counts: BTreeMap<(i64, MessageClass, String), u32>,
}

impl Judge {
    /// A judge who knows every policy, permission and holiday that there ever was.
    pub fn new(policies: Vec<Policy>, permissions: Vec<Permission>, holidays: Holidays) -> Self {
        let policies = policies.into_iter().map(|policy| (policy.id, policy)).collect();
        let (reports, calls, counts) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        let schedules = BTreeMap::new();
        Self { policies, permissions, holidays, schedules, reports, calls, counts }
    }

    /// Whether it was told of the days and hours of a campaign.
    pub fn knows(&self, campaign: CampaignId) -> bool {
        self.schedules.contains_key(&campaign)
    }

    /// Learns all the days and hours that a campaign has had, each from a moment on, the oldest
    /// first. To be told before a call of it is heard.
    pub fn learn(&mut self, campaign: CampaignId, schedules: Vec<(Timestamp, Schedule)>) {
        self.schedules.insert(campaign, schedules);
    }

    /// Hears a row of the log, and every time that its number ever was on a list.
    pub fn hear(&mut self, fact: &Fact, listed: &[Listed]) {
        let mut found = Vec::new();
        if fact.barred.is_none() {
            self.judge_policy(fact, &mut found);
            if !self.is_within_schedule(fact) {
                found.push(Violation::OutsideSchedule);
            }
            if listed.iter().any(|listed| is_barred(fact, *listed)) {
                found.push(Violation::OptedOut);
            }
            if self.is_beyond_cap(fact) {
                found.push(Violation::CapExceeded);
            }
            self.remember(fact);
        }
        let report = self.reports.entry(fact.campaign).or_default();
        match &fact.barred {
            None => {
                report.allowed += 1;
                report.lost += u64::from(fact.call == CallSpan::Lost);
            }
            Some(cause) => *report.barred.entry(cause.clone()).or_default() += 1,
        }
        for violation in found {
            report.accuse(fact.send, fact.n, violation);
        }
    }

    /// Hears of an attempt that the log does not have.
    pub fn hear_of_unlogged(&mut self, campaign: Option<CampaignId>, send: QuickSendId, n: u16) {
        let report = self.reports.entry(campaign).or_default();
        report.accuse(send, n, Violation::NotLogged);
    }

    /// The reports, once everything was heard.
    pub fn close(mut self) -> BTreeMap<Option<CampaignId>, Report> {
        for calls in self.calls.values_mut() {
            calls.sort_by_key(|call| (call.from, call.to));
            let mut busy_until = Timestamp(i64::MIN);
            for call in calls {
                if call.from < busy_until {
                    let report = self.reports.entry(call.campaign).or_default();
                    report.accuse(call.send, call.n, Violation::TwiceAtOnce);
                }
                busy_until = busy_until.max(call.to);
            }
        }
        self.reports
    }

    fn judge_policy(&self, fact: &Fact, found: &mut Vec<Violation>) {
        let Some(policy) = fact.policy.and_then(|id| self.policies.get(&id)) else {
            return found.push(Violation::WrongPolicy);
        };
        if policy.class != fact.class || !self.was_in_force(policy, fact.at) {
            found.push(Violation::WrongPolicy);
        }
        let permitted = self.had_permission(fact.account, fact.at);
        if !policy.allowed || (policy.needs_document && !permitted) {
            found.push(Violation::ClassNotAllowed);
        }
        let reaches_nobody = !fact.is_public || fact.trunk.as_deref() == Some(SANDBOX);
        match fact.basis.as_deref() {
            Some("no_person") if reaches_nobody => {}
            Some("no_person") => found.push(Violation::ReachedSomebody),
            Some("permission") if permitted && fact.class != MessageClass::Advertising => {}
            _ if self.is_within_hours(policy, fact.at) => {}
            _ => found.push(Violation::OutsideHours),
        }
    }

    /// Whether no newer version of the same class had been in force for longer than the grace.
    fn was_in_force(&self, policy: &Policy, at: Timestamp) -> bool {
        let newer = self.policies.values().any(|other| {
            other.class == policy.class
                && other.effective_from > policy.effective_from
                && at.us_since(other.effective_from) > GRACE_US
        });
        policy.effective_from.us_since(at) <= GRACE_US && !newer
    }

    fn had_permission(&self, account: AccountId, at: Timestamp) -> bool {
        self.permissions.iter().any(|one| {
            let begun = one.granted_at.us_since(at) <= GRACE_US;
            let ended = one.revoked_at.is_some_and(|end| at.us_since(end) > GRACE_US);
            one.account == account && begun && !ended
        })
    }

    fn is_within_hours(&self, policy: &Policy, at: Timestamp) -> bool {
        let local = at.0.saturating_add(TEHRAN_US);
        let (day, in_day) = (local.div_euclid(DAY_US), local.rem_euclid(DAY_US));
        // 1 January 1970 was a Thursday.
        let friday = day.rem_euclid(7) == 1;
        let minute = in_day / MINUTE_US;
        let is_open = |known_at: Timestamp| {
            let off = friday || self.holidays.was_holiday(Day::of(at), known_at);
            let day_type = if off { DayType::Off } else { DayType::Ordinary };
            policy.hours.windows(day_type).iter().any(|window| {
                (i64::from(window.from_minute())..i64::from(window.to_minute())).contains(&minute)
            })
        };
        // What was entered about the day within the grace may have been known, or not.
        let entered = self.holidays.entered_about(Day::of(at));
        let mut about_now = entered.filter(|entered| entered.us_since(at).abs() <= GRACE_US);
        is_open(at.plus_us(-GRACE_US - 1)) || about_now.any(is_open)
    }

    /// Whether its campaign had days and hours then that contain the moment: those in force, or
    /// others that were within the grace. Nothing is known of the time before the first ones.
    fn is_within_schedule(&self, fact: &Fact) -> bool {
        let schedules = fact.campaign.and_then(|campaign| self.schedules.get(&campaign));
        let schedules = schedules.map_or(&[][..], Vec::as_slice);
        let mut in_force = schedules.iter().enumerate().filter(|(place, (from, _))| {
            let next = schedules.get(place + 1);
            let replaced = next.is_some_and(|(next, _)| fact.at.us_since(*next) > GRACE_US);
            from.us_since(fact.at) <= GRACE_US && !replaced
        });
        let minute = fact.at.0.saturating_add(TEHRAN_US).rem_euclid(DAY_US) / MINUTE_US;
        let contains = |(_, (_, schedule)): (usize, &(Timestamp, Schedule))| {
            let hours = schedule.daily.from_minute().into()..schedule.daily.to_minute().into();
            (schedule.starts_at..schedule.ends_at).contains(&fact.at) && hours.contains(&minute)
        };
        match in_force.next() {
            None => true,
            Some(first) => contains(first) || in_force.any(contains),
        }
    }

    /// Counts the first attempts of sends while their policy has a cap.
    fn is_beyond_cap(&mut self, fact: &Fact) -> bool {
        let cap = fact.policy.and_then(|id| self.policies.get(&id)?.daily_cap);
        let Some(cap) = cap.filter(|_| fact.is_public && fact.n == 1) else { return false };
        let day = fact.at.0.saturating_add(TEHRAN_US).div_euclid(DAY_US);
        let count = self.counts.entry((day, fact.class, fact.number.clone())).or_default();
        *count += 1;
        *count > cap
    }

    fn remember(&mut self, fact: &Fact) {
        let (from, to) = match fact.call {
            CallSpan::None | CallSpan::Lost => return,
            CallSpan::Open(from) => (from, Timestamp(i64::MAX)),
            CallSpan::Closed(from, to) => (from, to),
        };
        // A short number means another phone in each account.
        let whom = if fact.is_public {
            fact.number.clone()
        } else {
            format!("{}:{}", fact.account, fact.number)
        };
        let Fact { send, n, campaign, .. } = *fact;
        self.calls.entry(whom).or_default().push(Call { from, to, send, n, campaign });
    }
}

/// Whether a number was on a list that the class obeys, by the version that was asked or for so
/// long that whoever decided had to know.
fn is_barred(fact: &Fact, listed: Listed) -> bool {
    let theirs = listed.list != OptOutList::Account || listed.account == fact.account;
    if !theirs || !fact.class.obeys(listed.list) {
        return false;
    }
    let by_version = fact.lists.is_some_and(|version| {
        listed.added.1 <= version && listed.removed.is_none_or(|(_, removed)| version < removed)
    });
    let known = fact.at.us_since(listed.added.0) > GRACE_US;
    let over = listed.removed.is_some_and(|(at, _)| at.us_since(fact.at) <= GRACE_US);
    by_version || (known && !over)
}

#[cfg(test)]
mod tests;
