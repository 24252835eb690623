//! Versions of the agreement: what was promised when. A version never changes; what it judges, it
//! judges for ever (C10, A23).

mod hours;

use std::fmt::Write as _;

pub use hours::falls_short;

use super::parameter::{Language, Parameters};
use crate::Timestamp;
use crate::calendar::day::Day;
use crate::calendar::month::PersianMonth;

/// Longest text of a version in one language, bytes.
pub const BODY_MAX: usize = 200_000;
/// The most lines of it.
pub const LINES_MAX: usize = 2000;

/// What is to become a version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Draft {
    /// The text in Persian.
    pub body_fa: String,
    /// The text in English; may be empty.
    pub body_en: String,
    /// Its numbers and choices.
    pub parameters: Parameters,
    /// From when on it holds.
    pub effective_from: Timestamp,
}

/// A version that was published.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Version {
    /// Its number, from 1.
    pub number: u32,
    /// What it says.
    pub draft: Draft,
    /// When it was published.
    pub published_at: Timestamp,
    /// When it was taken back, which is possible only before it holds.
    pub withdrawn_at: Option<Timestamp>,
}

/// Why a draft is not published, or a version not withdrawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// No text in Persian, or one that is too long.
    Body,
    /// It says nothing new.
    Unchanged,
    /// It would hold in the past.
    Retroactive,
    /// It changes what is measured, and starts within a month; this is the first that it can.
    NotMonthStart(PersianMonth),
    /// Another version starts that day, or later.
    NotAfter(u32),
    /// The text in this language does not say this parameter as it is.
    Text(&'static str, Language),
    /// It holds already, or was withdrawn.
    InForce,
    /// There is no such version.
    Unknown,
}

/// What a line of a comparison is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// In both.
    Same,
    /// In the older one only.
    Removed,
    /// In the newer one only.
    Added,
}

impl Version {
    /// The first one: the text that the agreement began with. It holds since ever.
    pub fn first() -> Self {
        let draft = Draft {
            body_fa: include_str!("first.fa.txt").to_owned(),
            body_en: include_str!("first.en.txt").to_owned(),
            parameters: Parameters::first(),
            effective_from: Timestamp(0),
        };
        Self { number: 1, draft, published_at: Timestamp(0), withdrawn_at: None }
    }

    /// Everything in it that its checksum is made over, in one unmistakable form.
    pub fn canonical(&self) -> String {
        let Draft { body_fa, body_en, parameters, effective_from } = &self.draft;
        let mut text = format!("avanak agreement {}\n", self.number);
        for (name, part) in [
            ("effective", effective_from.0.to_string().as_str()),
            ("published", self.published_at.0.to_string().as_str()),
            ("parameters", parameters.to_text().as_str()),
            ("fa", body_fa),
            ("en", body_en),
        ] {
            writeln!(text, "{name} {}\n{part}", part.len()).expect("a string takes it");
        }
        text
    }

    /// Whether it can still be taken back.
    ///
    /// # Errors
    /// When it holds already, or was taken back.
    pub fn may_be_withdrawn(&self, now: Timestamp) -> Result<(), Refusal> {
        let open = self.withdrawn_at.is_none() && self.draft.effective_from > now;
        if open { Ok(()) } else { Err(Refusal::InForce) }
    }
}

/// Publishes a draft after these versions, all there are.
///
/// # Errors
/// The first thing that speaks against it.
pub fn publish(published: &[Version], draft: Draft, now: Timestamp) -> Result<Version, Refusal> {
    let fits = |body: &str| body.len() <= BODY_MAX && body.lines().count() <= LINES_MAX;
    if draft.body_fa.trim().is_empty() || !fits(&draft.body_fa) || !fits(&draft.body_en) {
        return Err(Refusal::Body);
    }
    let standing = || published.iter().filter(|version| version.withdrawn_at.is_none());
    let last = standing().max_by_key(|version| version.draft.effective_from);
    let last = last.ok_or(Refusal::Unknown)?;
    let texts = |draft: &Draft| (draft.body_fa.clone(), draft.body_en.clone());
    let metric = last.draft.parameters != draft.parameters;
    if !metric && texts(&last.draft) == texts(&draft) {
        return Err(Refusal::Unchanged);
    }
    if draft.effective_from < now {
        return Err(Refusal::Retroactive);
    }
    let day = |version: &Version| Day::of(version.draft.effective_from);
    if Day::of(draft.effective_from) <= day(last) {
        return Err(Refusal::NotAfter(last.number));
    }
    let month = PersianMonth::of(draft.effective_from);
    if metric && month.start() != draft.effective_from {
        return Err(Refusal::NotMonthStart(month.next()));
    }
    for (body, language) in
        [(&draft.body_fa, Language::Persian), (&draft.body_en, Language::English)]
    {
        let silent = language == Language::English && body.trim().is_empty();
        let missing = draft.parameters.missing_in(body, language).filter(|_| !silent);
        if let Some(name) = missing {
            return Err(Refusal::Text(name, language));
        }
    }
    let number = published.iter().map(|version| version.number).max().unwrap_or(0) + 1;
    Ok(Version { number, draft, published_at: now, withdrawn_at: None })
}

/// The version that holds at a moment: of those that were not withdrawn, the last that started.
pub fn in_force(published: &[Version], at: Timestamp) -> Option<&Version> {
    let started =
        |version: &&Version| version.withdrawn_at.is_none() && version.draft.effective_from <= at;
    published.iter().filter(started).max_by_key(|version| version.draft.effective_from)
}

/// The lines of two texts, and which are only in one of them. Both are bounded by [`LINES_MAX`].
pub fn diff<'a>(older: &'a str, newer: &'a str) -> Vec<(Change, &'a str)> {
    let older: Vec<&str> = older.lines().take(LINES_MAX).collect();
    let newer: Vec<&str> = newer.lines().take(LINES_MAX).collect();
    // How many lines the rests from (i, j) on have in common at most.
    let width = newer.len() + 1;
    let mut common = vec![0_u16; (older.len() + 1) * width];
    for i in (0..older.len()).rev() {
        for j in (0..newer.len()).rev() {
            common[i * width + j] = if older[i] == newer[j] {
                common[(i + 1) * width + j + 1] + 1
            } else {
                common[(i + 1) * width + j].max(common[i * width + j + 1])
            };
        }
    }
    let (mut i, mut j) = (0, 0);
    let mut lines = Vec::with_capacity(older.len() + newer.len());
    while i < older.len() || j < newer.len() {
        let below = |i: usize, j: usize| common[i * width + j];
        if i < older.len() && j < newer.len() && older[i] == newer[j] {
            lines.push((Change::Same, older[i]));
            (i, j) = (i + 1, j + 1);
        } else if j == newer.len() || (i < older.len() && below(i + 1, j) >= below(i, j + 1)) {
            lines.push((Change::Removed, older[i]));
            i += 1;
        } else {
            lines.push((Change::Added, newer[j]));
            j += 1;
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    fn start(text: &str) -> Timestamp {
        PersianMonth::parse(text).unwrap().start()
    }

    fn now() -> Timestamp {
        start("1405-09").plus_us(1)
    }

    fn draft(changes: &[(&str, &str)], effective_from: Timestamp) -> Draft {
        let mut draft = Version::first().draft;
        draft.effective_from = effective_from;
        for (name, value) in changes {
            draft.parameters.set(name, value).unwrap();
        }
        draft
    }

    const STRICTER: [(&str, &str); 1] = [("availability.threshold_ppm", "999000")];

    fn stricter(effective_from: Timestamp) -> Draft {
        let mut draft = draft(&STRICTER, effective_from);
        draft.body_fa = draft.body_fa.replace("99.58%", "99.9%");
        draft.body_en = draft.body_en.replace("99.58%", "99.9%");
        draft
    }

    /// T171, T173.
    #[test]
    fn what_changes_a_measure_starts_with_a_month_and_is_what_the_text_says() {
        let first = [Version::first()];
        let next = PersianMonth::parse("1405-10").unwrap();
        let middle = publish(&first, stricter(start("1405-09").plus_us(86_400_000_000)), now());
        assert_eq!(middle, Err(Refusal::NotMonthStart(next)));
        let mismatch = publish(&first, draft(&STRICTER, next.start()), now());
        let threshold = "availability.threshold_ppm";
        assert_eq!(mismatch, Err(Refusal::Text(threshold, Language::Persian)));
        let published = publish(&first, stricter(next.start()), now()).unwrap();
        assert_eq!((published.number, published.published_at), (2, now()));
        let past = publish(&first, stricter(start("1405-09")), now());
        assert_eq!(past, Err(Refusal::Retroactive));
    }

    #[test]
    fn a_text_may_change_within_a_month_but_not_twice_a_day() {
        let first = [Version::first()];
        let mut typo = draft(&[], now().plus_us(5));
        assert_eq!(publish(&first, typo.clone(), now()), Err(Refusal::Unchanged));
        typo.body_en = typo.body_en.replace("Purpose", "Aim");
        let second = publish(&first, typo.clone(), now()).unwrap();
        let both = [Version::first(), second];
        let same_day = draft(&[], now().plus_us(6));
        assert_eq!(publish(&both, same_day, now()), Err(Refusal::NotAfter(2)));
        typo.body_fa.clear();
        assert_eq!(publish(&first, typo, now()), Err(Refusal::Body));
    }

    /// T174.
    #[test]
    fn what_happened_is_judged_by_the_version_of_its_time() {
        let mut versions = vec![Version::first()];
        let second = publish(&versions, stricter(start("1405-10")), now()).unwrap();
        assert_eq!(second.may_be_withdrawn(now()), Ok(()));
        assert_eq!(second.may_be_withdrawn(start("1405-10")), Err(Refusal::InForce));
        versions.push(second);
        let number = |at: Timestamp| in_force(&versions, at).unwrap().number;
        let before = start("1405-10").plus_us(-1);
        assert_eq!((number(Timestamp(0)), number(before), number(start("1405-10"))), (1, 1, 2));
        let mut withdrawn = versions.clone();
        withdrawn[1].withdrawn_at = Some(now());
        assert_eq!(in_force(&withdrawn, start("1405-12")).unwrap().number, 1);
        assert_eq!(withdrawn[1].may_be_withdrawn(now()), Err(Refusal::InForce));
        let third = publish(&withdrawn, stricter(start("1405-11")), now()).unwrap();
        assert_eq!(third.number, 3);
    }

    /// The canonical form is what the checksum stands for: parts cannot pass for each other.
    #[test]
    fn the_canonical_form_tells_versions_apart() {
        let first = Version::first();
        let mut moved = first.clone();
        moved.draft.body_fa.push_str("en 0\n");
        moved.draft.body_en.clear();
        assert_ne!(first.canonical(), moved.canonical());
        assert!(first.canonical().starts_with("avanak agreement 1\neffective 1\n0\n"));
    }

    #[test]
    fn a_comparison_shows_what_left_and_what_came() {
        use Change as C;
        let lines = diff("a\nb\nc\n", "a\nx\nc\nd\n");
        let shown =
            [(C::Same, "a"), (C::Removed, "b"), (C::Added, "x"), (C::Same, "c"), (C::Added, "d")];
        assert_eq!(lines, shown);
        assert_eq!(diff("", "a"), [(C::Added, "a")]);
        assert_eq!(diff("a", ""), [(C::Removed, "a")]);
        assert_eq!(diff("", ""), []);
    }
}
