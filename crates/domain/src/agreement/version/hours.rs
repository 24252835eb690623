//! The hours of the desk beside those that the agreement promises (C13, N3, N5).

use super::{Version, in_force};
use crate::Timestamp;
use crate::calendar::day::Day;
use crate::calendar::opening_hours::{CalendarKind, OpeningHours};

/// The first day, not before the one of `from`, on which a calendar of the desk gives less than the
/// version of the agreement promises that holds then. The calendar's versions are those that stand.
pub fn falls_short(
    versions: &[Version],
    kind: CalendarKind,
    calendar: &[OpeningHours],
    from: Timestamp,
) -> Option<Day> {
    let starts = versions.iter().map(|version| version.draft.effective_from);
    let begins = calendar.iter().map(|hours| hours.valid_from().start());
    let mut moments: Vec<Timestamp> = starts.chain(begins).filter(|at| *at > from).collect();
    moments.push(from);
    moments.sort_unstable();
    let short = moments.into_iter().find(|at| {
        let has_begun = |hours: &&OpeningHours| hours.valid_from().start() <= *at;
        let hours = calendar.iter().filter(has_begun).max_by_key(|hours| hours.valid_from());
        let promised = in_force(versions, *at).map(|version| &version.draft.parameters);
        hours.zip(promised).is_some_and(|(hours, promised)| {
            !hours.keep(kind, &promised.hours(kind), promised.day_count())
        })
    });
    short.map(Day::of)
}

#[cfg(test)]
mod tests {
    use super::super::{Draft, Version};
    use super::*;
    use crate::calendar::day::Weekday;
    use crate::class::read_windows;

    fn hours(number: u32, from: &str, ordinary: &str) -> OpeningHours {
        let windows = |text: &str| read_windows(text).unwrap();
        let (from, off) = (Day::parse(from).unwrap(), windows("10:00-14:00,14:45-22:00"));
        OpeningHours::new(number, from, &[Weekday::Friday], &windows(ordinary), &off).unwrap()
    }

    fn version(number: u32, from: &str, ordinary: &str) -> Version {
        let first = Version::first();
        let mut draft = Draft { effective_from: Day::parse(from).unwrap().start(), ..first.draft };
        let value = format!("ordinary {ordinary}; off 10:00-14:00,14:45-22:00; rest friday");
        draft.parameters.set("hours.support", &value).unwrap();
        Version { number, draft, ..first }
    }

    /// Goal: shorter hours begin with an agreement that says so, or later; and it is seen on which
    /// day they would fall short, also when that comes of an agreement that promises more.
    #[test]
    fn hours_begin_with_an_agreement_that_says_so() {
        let kind = CalendarKind::Support;
        let (whole, short) = ("08:30-14:00,14:45-24:00", "09:00-14:00");
        let first = OpeningHours::of_the_agreement(kind);
        let now = Day::parse("1405/09/01").unwrap().start();
        let found = |versions: &[Version], calendar: &[OpeningHours]| {
            falls_short(versions, kind, calendar, now).map(|day| day.to_string())
        };
        let day = |text: &str| Some(Day::parse(text).unwrap().to_string());
        let alone = [Version::first()];
        assert_eq!(found(&alone, std::slice::from_ref(&first)), None);
        let both = [first.clone(), hours(2, "1405/10/05", short)];
        assert_eq!(found(&alone, &both), day("1405/10/05"));
        let says_so = [Version::first(), version(2, "1405/10/01", short)];
        assert_eq!(found(&says_so, &both), None);
        assert_eq!(
            found(&says_so, &[first.clone(), hours(2, "1405/09/20", short)]),
            day("1405/09/20")
        );
        let back = [Version::first(), says_so[1].clone(), version(3, "1405/12/01", whole)];
        assert_eq!(found(&back, &both), day("1405/12/01"));
        let mut withdrawn = says_so.clone();
        withdrawn[1].withdrawn_at = Some(now);
        assert_eq!(found(&withdrawn, &both), day("1405/10/05"));
        assert_eq!(
            found(&back, &[both[0].clone(), both[1].clone(), hours(3, "1405/12/01", whole)]),
            None
        );
    }
}
