//! National public holidays: data with a status and a basis, edited and imported by the operator.

use std::collections::{BTreeMap, BTreeSet};

use super::day::Day;
use crate::Timestamp;

/// The holidays that ship with the program, and where each comes from.
const SHIPPED: &str = include_str!("holidays.tsv");
/// A lunar day that two lists have at most so many days apart is the same day, moved by the moon.
const MOVED_DAYS_MAX: i32 = 3;
/// Longest name of a holiday, bytes.
pub const NAME_MAX: usize = 200;

/// How sure a holiday is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum HolidayStatus {
    /// It may still move, mostly by a day, with the moon.
    Provisional,
    /// It is as announced.
    Confirmed,
    /// It was entered, and is no holiday; it is kept so that one sees that it was.
    Withdrawn,
}

/// What says that a day is a holiday.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum HolidayBasis {
    /// The law of public holidays: a day of the solar year.
    Law,
    /// Two independent lists agree on this lunar day.
    Agreed,
    /// One list has this lunar day as published.
    Published,
    /// The lunar day was computed.
    Estimate,
    /// A decision of the government for this day alone.
    Decree,
    /// The operator entered it.
    Operator,
}

/// A public holiday of the whole country.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Holiday {
    /// Its day.
    pub day: Day,
    /// Its name in Persian.
    pub name: String,
    /// Its name in English; may be empty.
    pub name_en: String,
    /// How sure it is.
    pub status: HolidayStatus,
    /// What says so.
    pub basis: HolidayBasis,
}

/// The public holidays by day, with what was known of them when. A day may have several, and is off
/// once.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Holidays {
    /// What was entered about each day and when, in that order; of a name the last one counts.
    days: BTreeMap<Day, Vec<(Timestamp, Holiday)>>,
}

/// What ships was known all the time.
const SINCE_EVER: Timestamp = Timestamp(i64::MIN);
const NOW: Timestamp = Timestamp(i64::MAX);

/// What an import may change at once, and what a person has to decide: nothing that is there is
/// changed silently.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ImportPlan {
    /// Holidays that nothing here speaks against.
    pub new: Vec<Holiday>,
    /// How many are here already, just so.
    pub unchanged: usize,
    /// Holidays that differ from what is here.
    pub conflicts: Vec<Conflict>,
}

/// A holiday of an import, and the one here that it is at odds with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conflict {
    /// What is here.
    pub here: Holiday,
    /// What was to be imported.
    pub imported: Holiday,
}

/// Why a line is no holiday.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnreadableLine {
    /// Its number, from 1.
    pub line: usize,
    /// The field that is wrong, in the words of the file's head.
    pub field: &'static str,
}

impl Holidays {
    /// The holidays of 1400 to 1410 that ship with the program.
    pub fn shipped() -> Self {
        let mut holidays = Self::default();
        for holiday in read(SHIPPED).expect("the shipped holidays are tested") {
            holidays.put(holiday);
        }
        holidays
    }

    /// The shipped ones, as the operator has changed them since: what was entered, and when.
    pub fn shipped_with(entered: impl IntoIterator<Item = (Timestamp, Holiday)>) -> Self {
        let mut holidays = Self::shipped();
        for (at, holiday) in entered {
            holidays.enter(at, holiday);
        }
        holidays
    }

    /// Puts a holiday there as if it had been known all the time, or replaces the one of the same
    /// day and name.
    pub fn put(&mut self, holiday: Holiday) {
        self.enter(SINCE_EVER, holiday);
    }

    /// Enters a holiday from a moment on, or replaces the one of the same day and name. What was
    /// entered at the same time counts in the order in which it comes.
    pub fn enter(&mut self, at: Timestamp, holiday: Holiday) {
        let day = self.days.entry(holiday.day).or_default();
        let earlier = day.partition_point(|(since, _)| *since <= at);
        day.insert(earlier, (at, holiday));
    }

    /// Everything that was entered for this day, withdrawn holidays too.
    pub fn on(&self, day: Day) -> Vec<&Holiday> {
        self.known(day, NOW)
    }

    fn known(&self, day: Day, at: Timestamp) -> Vec<&Holiday> {
        let mut known: Vec<&Holiday> = Vec::new();
        let entered = self.days.get(&day).map_or(&[][..], Vec::as_slice);
        for (_, holiday) in entered.iter().take_while(|(since, _)| *since <= at) {
            match known.iter_mut().find(|known| known.name == holiday.name) {
                Some(known) => *known = holiday,
                None => known.push(holiday),
            }
        }
        known
    }

    /// Whether the day is off because of a holiday.
    pub fn is_holiday(&self, day: Day) -> bool {
        self.was_holiday(day, NOW)
    }

    /// Whether the day was off because of a holiday, by what was known at a moment.
    pub fn was_holiday(&self, day: Day, at: Timestamp) -> bool {
        self.known(day, at).iter().any(|holiday| holiday.status != HolidayStatus::Withdrawn)
    }

    /// When something was entered about a day, the earliest first; never what ships.
    pub fn entered_about(&self, day: Day) -> impl Iterator<Item = Timestamp> {
        let entered = self.days.get(&day).map_or(&[][..], Vec::as_slice);
        entered.iter().map(|(at, _)| *at).filter(|at| *at > SINCE_EVER)
    }

    /// When something was entered about any day after a moment, each moment once, the earliest
    /// first.
    pub fn entered_after(&self, at: Timestamp) -> BTreeSet<Timestamp> {
        let entered = self.days.values().flatten().map(|(since, _)| *since);
        entered.filter(|since| *since > at).collect()
    }

    /// Whether a deadline that counts this day may still move: the day is off by provisional
    /// holidays alone, or the moon may bring one from the days beside it.
    pub fn may_move(&self, day: Day) -> bool {
        let provisional =
            |day| self.on(day).iter().any(|holiday| holiday.status == HolidayStatus::Provisional);
        let confirmed = self.on(day).iter().any(|h| h.status == HolidayStatus::Confirmed);
        !confirmed && (-1..=1).any(|days| provisional(day.plus(days)))
    }

    /// All of them in order.
    pub fn iter(&self) -> impl Iterator<Item = &Holiday> {
        self.days.keys().flat_map(|day| self.on(*day))
    }

    /// What an import of these would do. It is a conflict when the same day and name stand here
    /// with another status or basis, when the name stands here a few days beside, or when the day
    /// has other names here.
    pub fn plan_import(&self, imported: Vec<Holiday>) -> ImportPlan {
        let mut plan = ImportPlan::default();
        for holiday in imported {
            match self.at_odds(&holiday) {
                _ if self.on(holiday.day).contains(&&holiday) => plan.unchanged += 1,
                Some(here) => {
                    plan.conflicts.push(Conflict { here: here.clone(), imported: holiday });
                }
                None => plan.new.push(holiday),
            }
        }
        plan
    }

    fn at_odds(&self, holiday: &Holiday) -> Option<&Holiday> {
        let same_name = |known: &&Holiday| known.name == holiday.name;
        let near = -MOVED_DAYS_MAX..=MOVED_DAYS_MAX;
        let moved = || near.flat_map(|days| self.on(holiday.day.plus(days))).find(same_name);
        let on_the_day = self.on(holiday.day);
        let first = on_the_day.first().copied();
        on_the_day.into_iter().find(same_name).or_else(moved).or(first)
    }
}

/// Reads holidays as the shipped file has them: one a line, fields apart by tabs.
///
/// # Errors
/// The first line that is none.
pub fn read(text: &str) -> Result<Vec<Holiday>, UnreadableLine> {
    let lines = text.lines().enumerate();
    let written = lines.filter(|(_, line)| !line.trim().is_empty() && !line.starts_with('#'));
    written
        .map(|(row, line)| read_line(line).map_err(|field| UnreadableLine { line: row + 1, field }))
        .collect()
}

fn read_line(line: &str) -> Result<Holiday, &'static str> {
    let mut fields = line.split('\t').map(str::trim);
    let day = fields.next().and_then(Day::parse).ok_or("day")?;
    let status = fields.next().and_then(HolidayStatus::parse).ok_or("status")?;
    let basis = fields.next().and_then(HolidayBasis::parse).ok_or("basis")?;
    let named = |name: &&str| !name.is_empty() && name.len() <= NAME_MAX;
    let name = fields.next().filter(named).ok_or("name in Persian")?.to_owned();
    let name_en = fields.next().unwrap_or_default();
    if name_en.len() > NAME_MAX || fields.next().is_some() {
        return Err("name in English");
    }
    Ok(Holiday { day, name, name_en: name_en.to_owned(), status, basis })
}

impl HolidayStatus {
    /// Every status.
    pub const ALL: [Self; 3] = [Self::Provisional, Self::Confirmed, Self::Withdrawn];

    /// The word under which it is kept and shown to the operator.
    pub fn word(self) -> &'static str {
        match self {
            Self::Provisional => "provisional",
            Self::Confirmed => "confirmed",
            Self::Withdrawn => "withdrawn",
        }
    }

    /// Reads such a word.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.word() == word)
    }
}

impl HolidayBasis {
    /// Every basis.
    pub const ALL: [Self; 6] =
        [Self::Law, Self::Agreed, Self::Published, Self::Estimate, Self::Decree, Self::Operator];

    /// The word under which it is kept and shown to the operator.
    pub fn word(self) -> &'static str {
        match self {
            Self::Law => "law",
            Self::Agreed => "agreed",
            Self::Published => "published",
            Self::Estimate => "estimate",
            Self::Decree => "decree",
            Self::Operator => "operator",
        }
    }

    /// Reads such a word.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|basis| basis.word() == word)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(text: &str) -> Day {
        Day::parse(text).unwrap()
    }

    fn line(text: &str) -> Holiday {
        read(text).unwrap().remove(0)
    }

    #[test]
    fn the_shipped_years_have_their_days() {
        let holidays = Holidays::shipped();
        let of = |year: i32| holidays.iter().filter(move |h| h.day.to_jalali().0 == year);
        let off = |year: i32| {
            let mut days: Vec<Day> = of(year).map(|holiday| holiday.day).collect();
            days.dedup();
            days.len()
        };
        // As counted in the set of `holidays` 0.109.
        assert_eq!([1403, 1404, 1405, 1406, 1407].map(off), [27, 33, 26, 27, 25]);
        let provisional = |year: i32| {
            of(year).filter(|holiday| holiday.status == HolidayStatus::Provisional).count()
        };
        assert_eq!([1404, 1405, 1406, 1407].map(provisional), [0, 5, 17, 18]);
        assert!((1400..=1410).all(|year| off(year) >= 24));
        // The law fixes what no moon moves, and nothing that was computed is called confirmed.
        for holiday in holidays.iter() {
            let estimate = holiday.basis == HolidayBasis::Estimate;
            assert_eq!(estimate, holiday.status == HolidayStatus::Provisional, "{holiday:?}");
        }
    }

    /// T008, T009, T011.
    #[test]
    fn a_day_with_two_holidays_is_off_once_and_a_provisional_one_may_move() {
        let holidays = Holidays::shipped();
        let nowruz = holidays.on(day("2026-03-21"));
        assert_eq!(nowruz.len(), 2);
        assert!(holidays.is_holiday(day("2026-06-05")));
        assert!(!holidays.may_move(day("2026-03-21")));
        assert!(holidays.may_move(day("2027-03-10")) && holidays.may_move(day("2027-03-09")));
        let mut holidays = holidays;
        for eid in ["عید سعید فطر", "تعطیل به مناسبت عید سعید فطر"]
        {
            let known = holidays.iter().filter(|holiday| holiday.day > day("1405/12/01"));
            let known = known.filter(|holiday| holiday.name == eid).min().unwrap().clone();
            holidays.put(Holiday { status: HolidayStatus::Confirmed, ..known });
        }
        assert!(!holidays.may_move(day("2027-03-10")));
        assert_eq!(holidays.on(day("2027-03-10")).len(), 1);
    }

    #[test]
    fn what_is_withdrawn_stays_visible_and_is_no_holiday() {
        let mut holidays = Holidays::shipped();
        let closure = line("1405/09/10\tconfirmed\toperator\tتعطیلی سراسری");
        holidays.put(closure.clone());
        assert!(holidays.is_holiday(closure.day));
        holidays.put(Holiday { status: HolidayStatus::Withdrawn, ..closure.clone() });
        assert!(!holidays.is_holiday(closure.day));
        assert_eq!(holidays.on(closure.day).len(), 1);
    }

    /// Goal: a day is a holiday by what was known at the time that is asked about.
    #[test]
    fn what_is_entered_counts_from_then_on() {
        let closure = line("1405/09/10\tconfirmed\toperator\tتعطیلی سراسری");
        let withdrawn = Holiday { status: HolidayStatus::Withdrawn, ..closure.clone() };
        let (first, then) = (Timestamp(10), Timestamp(20));
        let entered = [(then, withdrawn.clone()), (first, closure.clone())];
        let holidays = Holidays::shipped_with(entered);
        let was = |at| holidays.was_holiday(closure.day, Timestamp(at));
        assert_eq!([9, 10, 19, 20].map(was), [false, true, true, false]);
        assert!(!holidays.is_holiday(closure.day));
        assert_eq!(holidays.on(closure.day), [&withdrawn]);
        assert_eq!(holidays.entered_about(closure.day).collect::<Vec<_>>(), [first, then]);
        assert_eq!(holidays.entered_about(closure.day.next()).count(), 0);
        assert_eq!(holidays.entered_after(first).into_iter().collect::<Vec<_>>(), [then]);
        // Of what was entered together, the last counts.
        let together = Holidays::shipped_with([(first, withdrawn), (first, closure.clone())]);
        assert!(together.is_holiday(closure.day));
    }

    /// T012.
    #[test]
    fn an_import_changes_nothing_silently() {
        let holidays = Holidays::shipped();
        let known = holidays.on(day("2027-03-10"))[0].clone();
        let moved = Holiday { day: day("2027-03-11"), ..known.clone() };
        let other_name = line("2026-06-25\tconfirmed\toperator\tروز دیگر");
        let plain = line("1405/09/10\tconfirmed\tdecree\tتعطیلی سراسری\tClosure");
        let plan = holidays.plan_import(vec![
            known.clone(),
            moved.clone(),
            other_name.clone(),
            plain.clone(),
        ]);
        assert_eq!((plan.unchanged, plan.new), (1, vec![plain]));
        assert_eq!(plan.conflicts[0], Conflict { here: known, imported: moved });
        assert_eq!(plan.conflicts[1].imported, other_name);
    }

    #[test]
    fn a_line_that_is_no_holiday_is_named() {
        for (text, field) in [
            ("1404/12/30\tconfirmed\tlaw\tx", "day"),
            ("1404/12/29\tsure\tlaw\tx", "status"),
            ("1404/12/29\tconfirmed\trumour\tx", "basis"),
            ("1404/12/29\tconfirmed\tlaw\t", "name in Persian"),
            ("1404/12/29\tconfirmed\tlaw\tx\ty\tz", "name in English"),
        ] {
            let told = read(&format!("# head\n\n{text}\n"));
            assert_eq!(told, Err(UnreadableLine { line: 3, field }), "{text}");
        }
    }
}
