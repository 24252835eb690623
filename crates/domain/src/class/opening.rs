//! Whether a class may call now, and until when. The dialer asks this for every call, so that what
//! was accepted in time and waited too long is not called too late.

use std::sync::Arc;

use super::{MessageClass, Policy};
use crate::calendar::holiday::Holidays;
use crate::calendar::working_time::Timetable;
use crate::{PolicyId, Timestamp};

/// The policies in force, with the holidays that decide which days are off.
#[derive(Debug, Clone)]
pub struct Policies(Vec<(Policy, Timetable)>);

/// Why a class may call now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Basis {
    /// It is within the hours of its policy.
    Hours,
    /// The account has a document and may call at any hour.
    Permission,
    /// The call reaches no person: it goes to the sandbox carrier or to a phone of the account.
    NoPerson,
}

/// Whether a class may call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Opening {
    /// It may, until before that moment.
    Open {
        /// Why.
        basis: Basis,
        /// The end of it; the end of time when nothing ends it.
        until: Timestamp,
    },
    /// It may not before that moment. `None`: as the policy stands, never.
    Closed {
        /// When it may again.
        opens_at: Option<Timestamp>,
    },
}

impl Basis {
    /// Every basis.
    pub const ALL: [Self; 3] = [Self::Hours, Self::Permission, Self::NoPerson];

    /// The word under which it is kept.
    pub fn word(self) -> &'static str {
        match self {
            Self::Hours => "hours",
            Self::Permission => "permission",
            Self::NoPerson => "no_person",
        }
    }

    /// Reads a word made by [`Self::word`].
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|basis| basis.word() == word)
    }
}

impl Opening {
    /// Whether it is open.
    pub fn is_open(self) -> bool {
        matches!(self, Self::Open { .. })
    }

    /// Whether it is open, and will be until after that moment.
    pub fn is_open_at(self, last: Timestamp) -> bool {
        matches!(self, Self::Open { until, .. } if until > last)
    }
}

impl Policies {
    /// The policies in force, one for each class; `None` when a class has none.
    pub fn new(policies: Vec<Policy>, holidays: &Arc<Holidays>) -> Option<Self> {
        let with_timetable = |policy: Policy| {
            let timetable = Timetable::new(vec![policy.hours.clone()], Arc::clone(holidays))?;
            Some((policy, timetable))
        };
        let policies: Vec<_> = policies.into_iter().map(with_timetable).collect::<Option<_>>()?;
        let has = |class| policies.iter().any(|(policy, _)| policy.class == class);
        MessageClass::ALL.into_iter().all(has).then_some(Self(policies))
    }

    /// The policy of a class.
    pub fn of(&self, class: MessageClass) -> &Policy {
        &self.entry(class).0
    }

    /// The version that is in force of a class.
    pub fn version(&self, class: MessageClass) -> PolicyId {
        self.of(class).id
    }

    fn entry(&self, class: MessageClass) -> &(Policy, Timetable) {
        let entry = self.0.iter().find(|(policy, _)| policy.class == class);
        entry.expect("there is one for each class")
    }

    /// Whether messages of a class may be called at `now`, to a person or to nobody, for an account
    /// that may call at any hour or may not. A class that is not allowed calls nobody at all.
    pub fn opening(
        &self,
        class: MessageClass,
        (any_hour, person): (bool, bool),
        now: Timestamp,
    ) -> Opening {
        let (policy, timetable) = self.entry(class);
        if !policy.allowed || (policy.needs_document && !any_hour) {
            return Opening::Closed { opens_at: None };
        }
        let for_ever = |basis| Opening::Open { basis, until: Timestamp(i64::MAX) };
        if !person {
            return for_ever(Basis::NoPerson);
        }
        // Advertising has its hours whatever the documents say: they are about warnings.
        if any_hour && class != MessageClass::Advertising {
            return for_ever(Basis::Permission);
        }
        match timetable.next_open(now) {
            Some(span) if span.from <= now => Opening::Open { basis: Basis::Hours, until: span.to },
            span => Opening::Closed { opens_at: span.map(|span| span.from) },
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::calendar::day::Day;

    /// The policies that the platform starts with.
    pub(crate) fn seeds() -> Vec<Policy> {
        let policy = |id, class, ordinary: &str, off: &str| Policy {
            id: PolicyId(id),
            class,
            effective_from: Timestamp(0),
            allowed: class != MessageClass::Advertising,
            needs_document: class == MessageClass::Emergency,
            needs_approval: false,
            hours: Policy::read_hours(ordinary, off).unwrap(),
            daily_cap: None,
            tries_max: 10,
            retry_minutes: 0,
            caller_id: None,
            opt_out_key: None,
            priority: 1,
        };
        vec![
            policy(1, MessageClass::OneTimeCode, "00:00-24:00", "00:00-24:00"),
            policy(2, MessageClass::Service, "07:00-23:00", "07:00-23:00"),
            policy(3, MessageClass::Advertising, "09:30-14:00,16:30-22:00", "none"),
            policy(4, MessageClass::Emergency, "00:00-24:00", "00:00-24:00"),
        ]
    }

    fn policies(advertising: bool) -> Policies {
        let mut seeds = seeds();
        seeds[2].allowed = advertising;
        Policies::new(seeds, &Arc::new(Holidays::shipped())).unwrap()
    }

    /// A Sunday that is no holiday.
    fn at(hour: u16, minute: u16) -> Timestamp {
        Day::gregorian(2026, 11, 22).unwrap().at_minute(hour * 60 + minute)
    }

    fn opening(class: MessageClass, any_hour: bool, now: Timestamp) -> Opening {
        policies(true).opening(class, (any_hour, true), now)
    }

    #[test]
    fn service_calls_from_seven_to_twenty_three() {
        let service = |now| opening(MessageClass::Service, false, now);
        assert_eq!(service(at(6, 59)), Opening::Closed { opens_at: Some(at(7, 0)) });
        let open = Opening::Open { basis: Basis::Hours, until: at(23, 0) };
        assert_eq!((service(at(7, 0)), service(at(23, 0).plus_us(-1))), (open, open));
        let tomorrow = at(7, 0).plus_ms(24 * 3_600_000);
        assert_eq!(service(at(23, 0)), Opening::Closed { opens_at: Some(tomorrow) });
    }

    #[test]
    fn advertising_rests_at_noon_and_on_days_off() {
        let advertising = |now| opening(MessageClass::Advertising, true, now);
        assert_eq!(advertising(at(15, 0)), Opening::Closed { opens_at: Some(at(16, 30)) });
        assert!(advertising(at(16, 30)).is_open() && !advertising(at(22, 0)).is_open());
        // Friday, and 1 Farvardin, which is a public holiday.
        let friday = Day::gregorian(2026, 11, 27).unwrap().at_minute(600);
        let new_year = Day::jalali(1405, 1, 1).unwrap().at_minute(600);
        assert!(!advertising(friday).is_open() && !advertising(new_year).is_open());
    }

    #[test]
    fn a_document_opens_the_night_but_for_advertising() {
        let night = at(3, 0);
        let open = Opening::Open { basis: Basis::Permission, until: Timestamp(i64::MAX) };
        assert_eq!(opening(MessageClass::Service, true, night), open);
        assert_eq!(opening(MessageClass::Emergency, true, night), open);
        assert!(!opening(MessageClass::Advertising, true, night).is_open());
        let without = opening(MessageClass::Emergency, false, at(12, 0));
        assert_eq!(without, Opening::Closed { opens_at: None });
    }

    #[test]
    fn what_is_not_allowed_calls_nobody_and_the_sandbox_has_no_night() {
        let (off, on) = (policies(false), policies(true));
        let noon = at(12, 0);
        let advertising = |policies: &Policies, person, now| {
            policies.opening(MessageClass::Advertising, (false, person), now)
        };
        assert_eq!(advertising(&off, false, noon), Opening::Closed { opens_at: None });
        let open = Opening::Open { basis: Basis::NoPerson, until: Timestamp(i64::MAX) };
        assert_eq!(advertising(&on, false, at(3, 0)), open);
    }

    #[test]
    fn every_class_has_a_policy() {
        assert!(Policies::new(seeds()[..3].to_vec(), &Arc::default()).is_none());
        assert_eq!(policies(true).version(MessageClass::Service), PolicyId(2));
    }
}
