//! The numbers and choices of the agreement: typed, each with where it comes from, and checked
//! against the text that people read.

mod text;

use std::fmt::Write as _;
use std::ops::RangeInclusive;

use super::availability::{Comparison, MonthBasis, Terms, Treatment};
use super::callback::Policy;
use super::cause::Exclusions;
use super::delivery::Promised;
use super::scope::Paths;
use crate::calendar::opening_hours::{CalendarKind, OpeningHours};
use crate::calendar::working_time::DayCount;

/// Where a value comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Source {
    /// The text of the first agreement says it.
    Seed,
    /// The operator decided it.
    Operator,
    /// The text leaves it open, and this is how it is read until somebody decides.
    Default,
}

impl Source {
    /// Every source.
    pub const ALL: [Self; 3] = [Self::Seed, Self::Operator, Self::Default];

    /// The word under which it is kept and shown.
    pub fn word(self) -> &'static str {
        match self {
            Self::Seed => "seed",
            Self::Operator => "operator",
            Self::Default => "default",
        }
    }

    /// Reads such a word.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|source| source.word() == word)
    }
}

/// What a value may be.
enum Kind {
    Number(RangeInclusive<u64>),
    Word(&'static [&'static str]),
    Paths,
    Causes,
    Hours,
}

/// A parameter: its name, what it may be, its first value and where that comes from.
struct Definition {
    name: &'static str,
    kind: Kind,
    first: &'static str,
    source: Source,
}

const THRESHOLD: usize = 0;
const COMPARISON: usize = 1;
const MONTH_BASIS: usize = 2;
const PATHS: usize = 3;
const TREATMENT: usize = 4;
const LEAD: usize = 5;
const DAY_COUNT: usize = 6;
const OFFER_AFTER: usize = 7;
const MEAN_LIMIT: usize = 8;
const STARTS: usize = 9;
const TRIAGE: usize = 10;
const FIX: usize = 11;
const DECISION: usize = 12;
const CARRIED: usize = 13;
const EXCLUSIONS: usize = 14;
const EVIDENCE: usize = 15;
const SUPPORT: usize = 16;
const BUSINESS: usize = 17;
const CLAIM_MONTHS: usize = 18;
const COMMITTEE: usize = 19;
const CALLBACK_ATTEMPTS: usize = 20;
const CALLBACK_RETRY: usize = 21;
const CALLBACK_SAME: usize = 22;
const CALLBACK_NEXT: usize = 23;
const EXCLUDED_MAX: usize = 24;
const FREEZE: usize = 25;

const fn seed(name: &'static str, kind: Kind, first: &'static str) -> Definition {
    Definition { name, kind, first, source: Source::Seed }
}

const fn default(name: &'static str, kind: Kind, first: &'static str) -> Definition {
    Definition { name, kind, first, source: Source::Default }
}

/// Those from here on came after versions were published. One that has its first value is not in
/// the form over which checksums are made, so that what was published before has the one it had.
const LATER: usize = EXCLUSIONS;

/// Every parameter, in the order of the constants above.
static DEFINITIONS: [Definition; 26] = [
    seed("availability.threshold_ppm", Kind::Number(1..=1_000_000), "995800"),
    seed("availability.comparison", Kind::Word(&["above", "at_least"]), "above"),
    default("availability.month_basis", Kind::Word(&["actual", "fixed30"]), "actual"),
    default("availability.paths", Kind::Paths, "all"),
    default(
        "maintenance.treatment",
        Kind::Word(&["exclude_both", "count_as_available"]),
        "exclude_both",
    ),
    seed("maintenance.lead_hours", Kind::Number(1..=720), "48"),
    default("business_days.count", Kind::Word(&["every_day", "ordinary_days"]), "every_day"),
    seed("queue.callback_offer_after_s", Kind::Number(1..=3600), "80"),
    seed("delivery.mean_limit_s", Kind::Number(1..=3600), "15"),
    seed("capacity.starts_per_minute", Kind::Number(1..=10_000_000), "1000"),
    seed("report.triage_hours", Kind::Number(1..=720), "24"),
    seed("report.fix_days", Kind::Number(1..=365), "3"),
    default("claim.decision_days", Kind::Number(1..=365), "10"),
    default("credit.carried_months", Kind::Number(1..=120), "12"),
    default("availability.exclusions", Kind::Causes, "none"),
    default("availability.evidence_days", Kind::Number(1..=365), "10"),
    seed(
        "hours.support",
        Kind::Hours,
        "ordinary 08:30-14:00,14:45-24:00; off 10:00-14:00,14:45-22:00; rest friday",
    ),
    seed("hours.business", Kind::Hours, "ordinary 08:30-21:00; off 10:00-17:00; rest friday"),
    default("claim.window_months", Kind::Number(1..=24), "2"),
    default("claim.committee_min", Kind::Number(3..=15), "3"),
    default("queue.callback_attempts", Kind::Number(1..=10), "3"),
    default("queue.callback_retry_minutes", Kind::Number(1..=240), "10"),
    default("queue.callback_same_window_minutes", Kind::Number(1..=240), "15"),
    default("queue.callback_next_window_minutes", Kind::Number(5..=480), "60"),
    default("delivery.excluded_max_percent", Kind::Number(0..=100), "10"),
    default("availability.freeze_hours", Kind::Number(1..=480), "72"),
];

/// The parameters of a version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parameters(Vec<(String, Source)>);

/// A parameter as it is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Parameter<'a> {
    /// Its name.
    pub name: &'static str,
    /// Its value.
    pub value: &'a str,
    /// Where that comes from.
    pub source: Source,
}

/// Why a value is none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// No parameter has this name.
    Name(String),
    /// The parameter of this name cannot be that.
    Value(&'static str),
}

/// The language of a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Language {
    /// Persian, which decides.
    Persian,
    /// English.
    English,
}

impl Parameters {
    /// What the first agreement says, and how it is read where it says nothing.
    pub fn first() -> Self {
        let first = |definition: &Definition| (definition.first.to_owned(), definition.source);
        Self(DEFINITIONS.iter().map(first).collect())
    }

    /// All of them, in order.
    pub fn iter(&self) -> impl Iterator<Item = Parameter<'_>> {
        let parameters = DEFINITIONS.iter().zip(&self.0);
        parameters.map(|(definition, (value, source))| Parameter {
            name: definition.name,
            value,
            source: *source,
        })
    }

    /// Gives a parameter another value, as the operator decided.
    ///
    /// # Errors
    /// When there is no such parameter, or it cannot be that.
    pub fn set(&mut self, name: &str, value: &str) -> Result<(), Refusal> {
        self.put(name, value, Source::Operator)
    }

    fn put(&mut self, name: &str, value: &str, source: Source) -> Result<(), Refusal> {
        let place = DEFINITIONS.iter().position(|definition| definition.name == name);
        let place = place.ok_or_else(|| Refusal::Name(name.chars().take(100).collect()))?;
        let definition = &DEFINITIONS[place];
        let value = definition.kind.read(value.trim()).ok_or(Refusal::Value(definition.name))?;
        self.0[place] = (value, source);
        Ok(())
    }

    /// One a line, `name = value (source)`, as they are kept: without those that came later and
    /// have their first value.
    pub fn to_text(&self) -> String {
        let is_kept = |place: usize| {
            let (Definition { first, source, .. }, mine) = (&DEFINITIONS[place], &self.0[place]);
            place < LATER || (mine.0.as_str(), mine.1) != (first, *source)
        };
        let kept = self.iter().enumerate().filter(|(place, _)| is_kept(*place));
        kept.fold(String::new(), |mut text, (_, Parameter { name, value, source })| {
            writeln!(text, "{name} = {value} ({})", source.word()).expect("a string takes it");
            text
        })
    }

    /// All of them as they are shown, one a line like those of [`Self::to_text`].
    pub fn shown(&self) -> String {
        self.iter().fold(String::new(), |mut text, Parameter { name, value, source }| {
            writeln!(text, "{name} = {value} ({})", source.word()).expect("a string takes it");
            text
        })
    }

    /// Reads what [`Self::to_text`] wrote; a parameter that is not there has its first value.
    pub fn parse(text: &str) -> Option<Self> {
        let mut parameters = Self::first();
        for line in text.lines() {
            let (name, rest) = line.split_once(" = ")?;
            let (value, source) = rest.rsplit_once(" (")?;
            let source = Source::parse(source.strip_suffix(')')?)?;
            parameters.put(name, value, source).ok()?;
        }
        Some(parameters)
    }

    fn number(&self, place: usize) -> u64 {
        self.0[place].0.parse().expect("a number was checked when it was set")
    }

    fn is(&self, place: usize, word: &str) -> bool {
        self.0[place].0 == word
    }

    /// What they say of availability.
    pub fn terms(&self) -> Terms {
        let threshold = u32::try_from(self.number(THRESHOLD)).expect("it is at most a million");
        let at_least = self.is(COMPARISON, "at_least");
        let fixed = self.is(MONTH_BASIS, "fixed30");
        let available = self.is(TREATMENT, "count_as_available");
        Terms {
            threshold_ppm: threshold,
            comparison: if at_least { Comparison::AtLeast } else { Comparison::Above },
            basis: if fixed { MonthBasis::Fixed30 } else { MonthBasis::Actual },
            treatment: if available { Treatment::CountAsAvailable } else { Treatment::ExcludeBoth },
        }
    }

    /// The paths that a subscription covers.
    pub fn paths(&self) -> Paths {
        Paths::parse(&self.0[PATHS].0).expect("paths were checked when they were set")
    }

    /// How long before its start a maintenance has to be told, microseconds.
    pub fn lead_us(&self) -> i64 {
        i64::try_from(self.number(LEAD)).expect("it is at most a month") * 3_600_000_000
    }

    /// What the mean of the deliveries has to be, and how many of them may be excluded.
    pub fn delivery(&self) -> Promised {
        let seconds = i64::try_from(self.number(MEAN_LIMIT)).expect("it is at most an hour");
        let percent = usize::try_from(self.number(EXCLUDED_MAX)).expect("it is at most 100");
        Promised { mean_us: seconds * 1_000_000, excluded_percent: percent }
    }

    /// What a minute has to start when so many calls can be.
    pub fn starts_per_minute(&self) -> u64 {
        self.number(STARTS)
    }

    /// The time in which a reported error is looked at and the result told, microseconds.
    pub fn triage_us(&self) -> i64 {
        i64::try_from(self.number(TRIAGE)).expect("it is at most a month") * 3_600_000_000
    }

    /// The business days in which a fault of ours is fixed.
    pub fn fix_days(&self) -> u32 {
        u32::try_from(self.number(FIX)).expect("it is at most a year")
    }

    /// After how long on the line a caller is offered to be called back, microseconds.
    pub fn offer_after_us(&self) -> i64 {
        i64::try_from(self.number(OFFER_AFTER)).expect("it is at most an hour") * 1_000_000
    }

    /// The business days in which the committee decides a claim.
    pub fn decision_days(&self) -> u32 {
        u32::try_from(self.number(DECISION)).expect("it is at most a year")
    }

    /// For how many months after its own a credit is carried from invoice to invoice.
    pub fn carried_months(&self) -> u16 {
        u16::try_from(self.number(CARRIED)).expect("it is at most ten years")
    }

    /// Which days count as business days.
    pub fn day_count(&self) -> DayCount {
        let ordinary = self.is(DAY_COUNT, "ordinary_days");
        if ordinary { DayCount::OrdinaryDays } else { DayCount::EveryDay }
    }

    /// The causes of outages that do not count as downtime (A21).
    pub fn exclusions(&self) -> Exclusions {
        Exclusions::parse(&self.0[EXCLUSIONS].0).expect("causes were checked when they were set")
    }

    /// The business days after a month is frozen in which evidence can still decide it.
    pub fn evidence_days(&self) -> u32 {
        u32::try_from(self.number(EVIDENCE)).expect("it is at most a year")
    }

    /// For how many Persian months after its own something can be claimed for (A28).
    pub fn claim_months(&self) -> u16 {
        u16::try_from(self.number(CLAIM_MONTHS)).expect("it is at most two years")
    }

    /// The fewest members of a committee (A29); their number is odd.
    pub fn committee_min(&self) -> usize {
        usize::try_from(self.number(COMMITTEE)).expect("it is at most 15")
    }

    /// How callers are called back (A12).
    pub fn callback(&self) -> Policy {
        let number = |place| u32::try_from(self.number(place)).expect("it is at most 480");
        Policy {
            attempts: number(CALLBACK_ATTEMPTS),
            retry_minutes: number(CALLBACK_RETRY),
            same_window_minutes: number(CALLBACK_SAME),
            next_window_minutes: number(CALLBACK_NEXT),
        }
    }

    /// How long after its end a month is frozen, microseconds: so long evidence may still come.
    pub fn freeze_us(&self) -> i64 {
        i64::try_from(self.number(FREEZE)).expect("it is at most 20 days") * 3_600_000_000
    }

    /// The hours of one of the desk's calendars, as they are promised.
    pub fn hours(&self, kind: CalendarKind) -> OpeningHours {
        let place = if kind == CalendarKind::Business { BUSINESS } else { SUPPORT };
        OpeningHours::parse(&self.0[place].0).expect("hours were checked when they were set")
    }

    /// The first parameter that the text does not say as it is (T173): its name.
    pub fn missing_in(&self, text: &str, language: Language) -> Option<&'static str> {
        text::missing(self, text, language).map(|place| DEFINITIONS[place].name)
    }
}

impl Kind {
    /// The value as it is kept, if it is one.
    fn read(&self, value: &str) -> Option<String> {
        match self {
            Self::Number(range) => {
                let digits = value.bytes().all(|byte| byte.is_ascii_digit());
                let number: u64 = digits.then(|| value.parse().ok()).flatten()?;
                range.contains(&number).then(|| number.to_string())
            }
            Self::Word(words) => words.contains(&value).then(|| value.to_owned()),
            Self::Paths => Paths::parse(value).map(|paths| paths.to_string()),
            Self::Causes => Exclusions::parse(value).map(|causes| causes.to_string()),
            Self::Hours => OpeningHours::parse(value).map(|hours| hours.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PERSIAN: &str = include_str!("version/first.fa.txt");
    const ENGLISH: &str = include_str!("version/first.en.txt");

    #[test]
    fn the_first_agreement_says_what_its_parameters_are() {
        let first = Parameters::first();
        assert_eq!(first.missing_in(PERSIAN, Language::Persian), None);
        assert_eq!(first.missing_in(ENGLISH, Language::English), None);
        assert_eq!(first.terms(), Terms::of_the_agreement());
        assert_eq!(first.lead_us(), crate::agreement::maintenance::LEAD_US);
        let mean_us = crate::agreement::delivery::MEAN_LIMIT_US;
        assert_eq!(first.delivery(), Promised { mean_us, excluded_percent: 10 });
        assert_eq!(first.starts_per_minute(), crate::agreement::capacity::STARTS_MIN);
        assert_eq!((first.paths(), first.day_count()), (Paths::ALL, DayCount::EveryDay));
        let seed = first.iter().filter(|parameter| parameter.source == Source::Seed).count();
        assert_eq!(seed, 10);
        for kind in CalendarKind::OF_THE_DESK {
            assert_eq!(first.hours(kind), OpeningHours::of_the_agreement(kind));
        }
        assert_eq!((first.exclusions(), first.evidence_days()), (Exclusions::default(), 10));
        assert_eq!(first.callback(), Policy::of_the_agreement());
        assert_eq!((first.claim_months(), first.committee_min()), (2, 3));
        assert_eq!(first.freeze_us(), 72 * 3_600_000_000);
    }

    /// T173.
    #[test]
    fn a_text_that_says_something_else_is_found_out() {
        for (name, value) in [
            ("availability.threshold_ppm", "999000"),
            ("availability.comparison", "at_least"),
            ("maintenance.lead_hours", "72"),
            ("queue.callback_offer_after_s", "120"),
            ("delivery.mean_limit_s", "20"),
            ("capacity.starts_per_minute", "2000"),
            ("report.triage_hours", "12"),
            ("report.fix_days", "2"),
            ("availability.exclusions", "power"),
            ("hours.support", "ordinary 08:30-14:00,14:45-23:00; off 10:00-14:00; rest friday"),
            ("hours.support", "ordinary 08:30-14:00; off 10:00-14:00,14:45-21:30; rest friday"),
            ("hours.business", "ordinary 08:00-21:00; off none; rest friday"),
            // Each window stands somewhere in the text, and none where it is promised.
            (
                "hours.support",
                "ordinary 10:00-14:00,14:45-22:00; off 08:30-14:00,14:45-24:00; rest friday",
            ),
            ("hours.support", "ordinary 08:30-21:00; off 10:00-17:00; rest friday"),
            ("hours.business", "ordinary 08:30-14:00,14:45-24:00; off 10:00-17:00; rest friday"),
            ("hours.business", "ordinary 08:30-21:00; off 10:00-17:00; rest thursday,friday"),
            ("hours.business", "ordinary 08:30-21:00; off 10:00-17:00; rest none"),
            ("hours.business", "ordinary 08:30-21:00; off 10:00-17:00; rest monday"),
        ] {
            let mut changed = Parameters::first();
            changed.set(name, value).unwrap();
            assert_eq!(changed.missing_in(PERSIAN, Language::Persian), Some(name));
            assert_eq!(changed.missing_in(ENGLISH, Language::English), Some(name));
        }
        let mut excluding = Parameters::first();
        excluding.set("availability.exclusions", "power,force-majeure").unwrap();
        let persian = format!("{PERSIAN}\nقطع برق و فورس ماژور به حساب نمی‌آید.");
        let english = format!("{ENGLISH}\nA power failure and force majeure do not count.");
        assert_eq!(excluding.missing_in(&persian, Language::Persian), None);
        assert_eq!(excluding.missing_in(&english, Language::English), None);
        let two = PERSIAN.replacen("99.58%", "۹۹٫۹٪", 1);
        let found = Parameters::first().missing_in(&two, Language::Persian);
        assert_eq!(found, Some("availability.threshold_ppm"));
        let persian_digits = PERSIAN.replace("99.58%", "۹۹٫۵۸ ٪").replace("48", "۴۸");
        assert_eq!(Parameters::first().missing_in(&persian_digits, Language::Persian), None);
    }

    /// T173: a text that says what the seed leaves open says it as the parameter is; and days of
    /// rest are said as the days from the first one of work to the last, or by their names.
    #[test]
    fn what_a_text_says_beside_the_seed_is_checked_too() {
        let said = |more: &str, language| {
            let text = if language == Language::Persian { PERSIAN } else { ENGLISH };
            Parameters::first().missing_in(&format!("{text}\n{more}\n"), language)
        };
        let (fa, en) = (Language::Persian, Language::English);
        for (right, wrong, language, name) in [
            (
                "تا پایان ۲ ماه پس از رویداد",
                "تا پایان ۳ ماه پس از رویداد",
                fa,
                "claim.window_months",
            ),
            ("ظرف ۱۰ روز کاری تصمیم", "ظرف ۵ روز کاری تصمیم", fa, "claim.decision_days"),
            ("کمیته‌ای از حداقل ۳ عضو", "کمیته‌ای از حداقل ۵ عضو", fa, "claim.committee_min"),
            (
                "until the end of 2 months after the event",
                "until the end of 1 months after the event",
                en,
                "claim.window_months",
            ),
            (
                "called back up to 3 times",
                "called back up to 5 times",
                en,
                "queue.callback_attempts",
            ),
            (
                "frozen 72 hours after the end of the month",
                "frozen 24 hours after the end of the month",
                en,
                "availability.freeze_hours",
            ),
        ] {
            assert_eq!(said(right, language), None, "{right}");
            assert_eq!(said(wrong, language), Some(name), "{wrong}");
        }
        let rest = |days: &str, persian: &str, english: &str| {
            let mut changed = Parameters::first();
            let hours = format!("ordinary 08:30-21:00; off 10:00-17:00; rest {days}");
            changed.set("hours.business", &hours).unwrap();
            let fa = PERSIAN.replace("روزکاری: شنبه تا پنج شنبه", &format!("روزکاری: {persian}"));
            let en = ENGLISH.replace("day: Saturday to Thursday", &format!("day: {english}"));
            assert_eq!(changed.missing_in(&fa, Language::Persian), None, "{persian}");
            assert_eq!(changed.missing_in(&en, Language::English), None, "{english}");
        };
        rest("thursday,friday", "شنبه تا چهارشنبه", "Saturday to Wednesday");
        rest("saturday,friday", "یک‌شنبه تا پنجشنبه", "Sunday to Thursday");
        rest("none", "شنبه تا جمعه", "Saturday to Friday");
        rest("monday", "همه روزها جز دوشنبه", "all days but Monday");
    }

    #[test]
    fn what_is_written_is_read_again() {
        let mut parameters = Parameters::first();
        parameters.set("availability.paths", "api,quick-send").unwrap();
        parameters.set("business_days.count", "ordinary_days").unwrap();
        let text = parameters.to_text();
        assert!(text.contains("availability.paths = api,quick-send (operator)\n"), "{text}");
        assert_eq!(Parameters::parse(&text), Some(parameters.clone()));
        // What came later is written when somebody decided it, be it what it was.
        assert!(!text.contains("availability.evidence_days"), "{text}");
        parameters.set("availability.evidence_days", "10").unwrap();
        let text = parameters.to_text();
        assert!(text.contains("availability.evidence_days = 10 (operator)\n"), "{text}");
        assert_eq!(Parameters::parse(&text), Some(parameters));
        for wrong in ["x = 1 (seed)", "report.fix_days = 3", "report.fix_days = 0 (seed)"] {
            assert_eq!(Parameters::parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_value_that_cannot_be_is_refused() {
        let mut parameters = Parameters::first();
        let name = parameters.set("availability.colour", "red");
        assert_eq!(name, Err(Refusal::Name("availability.colour".to_owned())));
        for (name, value) in [
            ("availability.threshold_ppm", "1000001"),
            ("availability.threshold_ppm", "-1"),
            ("availability.threshold_ppm", "+1"),
            ("availability.comparison", "below"),
            ("availability.paths", "sms"),
            ("availability.exclusions", "ours"),
            ("hours.support", "ordinary none; off none; rest friday"),
            ("hours.business", "08:30-21:00"),
        ] {
            assert_eq!(parameters.set(name, value), Err(Refusal::Value(name)));
        }
        assert_eq!(parameters, Parameters::first());
    }
}
