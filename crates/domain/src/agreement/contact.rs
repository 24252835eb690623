//! Tries to reach a customer: what proves that a customer could not be reached (C20).

use super::clock::PauseReason;
use crate::Timestamp;
use crate::calendar::working_time::Timetable;

/// Longest address or note, bytes.
pub const TEXT_MAX: usize = 1000;
/// The most tries for one report.
pub const ATTEMPTS_MAX: usize = 200;

/// On which way it was tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Channel {
    /// A telephone call.
    Phone,
    /// A text message.
    Sms,
    /// An e-mail.
    Email,
    /// A messenger.
    Messenger,
}

/// What came of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Outcome {
    /// The customer was reached.
    Reached,
    /// Nobody answered.
    NoAnswer,
    /// The number was busy.
    Busy,
    /// The number was off, or the address takes nothing.
    Off,
}

/// A try.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt {
    /// When.
    pub at: Timestamp,
    /// By whom.
    pub actor: String,
    /// On which way.
    pub channel: Channel,
    /// At which number or address.
    pub address: String,
    /// What came of it.
    pub outcome: Outcome,
    /// A note; may be empty.
    pub note: String,
}

impl Channel {
    /// Every channel.
    const ALL: [Self; 4] = [Self::Phone, Self::Sms, Self::Email, Self::Messenger];

    /// The word under which it is kept and shown.
    pub fn word(self) -> &'static str {
        match self {
            Self::Phone => "phone",
            Self::Sms => "sms",
            Self::Email => "email",
            Self::Messenger => "messenger",
        }
    }

    /// Reads such a word.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|channel| channel.word() == word)
    }
}

impl Outcome {
    /// Every outcome.
    const ALL: [Self; 4] = [Self::Reached, Self::NoAnswer, Self::Busy, Self::Off];

    /// The word under which it is kept and shown.
    pub fn word(self) -> &'static str {
        match self {
            Self::Reached => "reached",
            Self::NoAnswer => "no_answer",
            Self::Busy => "busy",
            Self::Off => "off",
        }
    }

    /// Reads such a word.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|outcome| outcome.word() == word)
    }
}

/// The tries that prove at a moment that a customer cannot be reached: those since `since` that
/// failed, in support's hours, at different times. `None` when they prove nothing.
pub fn unreachable(
    attempts: &[Attempt],
    since: Timestamp,
    now: Timestamp,
    support: &Timetable,
) -> Option<Vec<Timestamp>> {
    let reached = attempts.iter().filter(|one| one.outcome == Outcome::Reached);
    let since = reached.map(|one| one.at).max().map_or(since, |reached| reached.max(since));
    let failed = attempts.iter().filter(|one| one.outcome != Outcome::Reached && one.at >= since);
    let failed = failed.map(|one| one.at).filter(|at| support.is_open(*at));
    let failed: Vec<Timestamp> = failed.collect();
    PauseReason::Unreachable(failed.clone()).is_proven(now, support).then_some(failed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::calendar::date_time::Written;
    use crate::calendar::holiday::Holidays;
    use crate::calendar::opening_hours::{CalendarKind, OpeningHours};

    fn at(text: &str) -> Timestamp {
        let written = Written::parse(text).unwrap();
        written.at_second(written.second().unwrap()).unwrap()
    }

    fn tried(text: &str, outcome: Outcome) -> Attempt {
        Attempt {
            at: at(text),
            actor: "Sara".to_owned(),
            channel: Channel::Phone,
            address: "0912".to_owned(),
            outcome,
            note: String::new(),
        }
    }

    /// T031: two tries at different times in support's hours, none of which reached the customer.
    #[test]
    fn two_tries_that_failed_prove_it() {
        let hours = OpeningHours::of_the_agreement(CalendarKind::Support);
        let support = Timetable::new(vec![hours], Holidays::shipped()).unwrap();
        let (since, now) = (at("1405/09/07 12:00"), at("1405/09/07 16:00"));
        let proven = |all: &[Attempt]| unreachable(all, since, now, &support).is_some();
        let no = Outcome::NoAnswer;
        let (early, noon) = (tried("1405/09/07 11:59", no), tried("1405/09/07 13:00", no));
        let (at_break, later) = (tried("1405/09/07 14:10", no), tried("1405/09/07 15:00", no));
        assert!(!proven(&[]));
        assert!(!proven(&[early, noon.clone()]));
        assert!(!proven(&[noon.clone(), at_break]));
        assert!(!proven(&[noon.clone(), tried("1405/09/07 13:09", Outcome::Busy)]));
        assert!(proven(&[noon.clone(), later.clone()]));
        let reached = tried("1405/09/07 15:30", Outcome::Reached);
        assert!(!proven(&[noon, later, reached]), "it was reached since");
    }

    #[test]
    fn every_word_is_read_again() {
        for channel in Channel::ALL {
            assert_eq!(Channel::parse(channel.word()), Some(channel));
        }
        for outcome in Outcome::ALL {
            assert_eq!(Outcome::parse(outcome.word()), Some(outcome));
        }
    }
}
