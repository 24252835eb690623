//! Personal messages: an order of clips and typed values, and what is taken for a value. A template
//! has no words of its own: those are clips, which were listened to. Nothing here speaks.
//!
//! A template is written like `{clip 12} {amount:rial debt} {clip 13} {date:jalali until}`: in each
//! pair of braces a clip of the account by its identity, or the type of a value and its name. A
//! value without a name is called as its type is, up to the colon.

use std::fmt;

use crate::MessageId;
use crate::calendar::jalali;

/// Clips and values of a template.
pub const SEGMENTS_MAX: usize = 32;
/// The longest template as it is written, in characters.
pub const TEMPLATE_CHARS_MAX: usize = 2_000;
/// The longest name of a value, in characters.
pub const NAME_CHARS_MAX: usize = 32;
/// The most digits of a code: a Sheba has 24, a card 16.
pub const DIGITS_MAX: usize = 32;
/// The most digits of a number or amount; beyond that words tell a listener nothing.
pub const NUMBER_DIGITS_MAX: usize = 15;
/// The most digits after the point of a number.
pub const DECIMALS_MAX: usize = 3;
/// The longest text that is a value, in characters.
pub const VALUE_CHARS_MAX: usize = 200;
/// The longest value that is looked at, in bytes.
const VALUE_BYTES_MAX: usize = 1_024;
/// What stands between the values of a recipient where they are kept; no value holds it.
const SEPARATOR: char = '\n';

/// What a value is, and how it is read out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// A code, digit by digit.
    Digits,
    /// A number in words, which may have a sign and a decimal part.
    Number,
    /// Money in rials.
    AmountRial,
    /// A day of the Persian calendar.
    DateJalali,
    /// Any words.
    Text,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Self; 5] =
        [Self::Digits, Self::Number, Self::AmountRial, Self::DateJalali, Self::Text];

    /// How it is written.
    pub fn word(self) -> &'static str {
        match self {
            Self::Digits => "digits",
            Self::Number => "number",
            Self::AmountRial => "amount:rial",
            Self::DateJalali => "date:jalali",
            Self::Text => "text",
        }
    }

    /// Reads what [`Self::word`] wrote.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.word() == word)
    }

    /// How long one is thought to be spoken at most, milliseconds, when a template does not say how
    /// long it may play as a whole.
    pub fn usual_ms(self) -> u32 {
        match self {
            Self::Digits | Self::Text => 20_000,
            Self::Number | Self::AmountRial => 12_000,
            Self::DateJalali => 6_000,
        }
    }

    /// The value in its one form, digits in ASCII.
    ///
    /// # Errors
    /// Why it is none of this kind.
    pub fn read(self, typed: &str) -> Result<String, ValueRefusal> {
        if typed.len() > VALUE_BYTES_MAX {
            return Err(ValueRefusal::TooLong);
        }
        let typed = typed.trim();
        if typed.is_empty() {
            return Err(ValueRefusal::Missing);
        }
        match self {
            Self::Digits => digits(typed),
            Self::Number => number(typed),
            Self::AmountRial => amount(typed),
            Self::DateJalali => date(typed),
            Self::Text => text(typed),
        }
    }
}

/// Why something is no value of its kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ValueRefusal {
    /// There is none.
    Missing,
    /// The template has no value of that name.
    Unknown,
    /// It holds something that is no digit.
    NotDigits,
    /// It is no number.
    NotANumber,
    /// It is no day of the Persian calendar.
    NotADate,
    /// It holds nothing that can be spoken.
    NotSpoken,
    /// It is longer than such a value may be.
    TooLong,
}

impl ValueRefusal {
    /// For programs; never changes.
    pub fn word(self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::Unknown => "unknown",
            Self::NotDigits => "not_digits",
            Self::NotANumber => "not_a_number",
            Self::NotADate => "not_a_date",
            Self::NotSpoken => "not_speakable",
            Self::TooLong => "too_long",
        }
    }
}

/// Which value is none, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadValue {
    /// Its name.
    pub name: String,
    /// Why.
    pub why: ValueRefusal,
}

impl BadValue {
    /// A value that has no place.
    pub fn unknown(name: &str) -> Self {
        Self { name: excerpt(name), why: ValueRefusal::Unknown }
    }
}

/// The beginning of what may be long.
fn excerpt(text: &str) -> String {
    text.chars().take(NAME_CHARS_MAX).collect()
}

/// A value of a template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Slot {
    /// Its name, which stands once among the values.
    pub name: String,
    /// What it is.
    pub kind: Kind,
}

/// A part of a template.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Segment {
    /// A message of the account.
    Clip(MessageId),
    /// The value at this place of [`Template::values`].
    Value(usize),
}

/// Why what is written is no template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SyntaxRefusal {
    /// Nothing is written.
    Empty,
    /// More than [`TEMPLATE_CHARS_MAX`] characters, or more than [`SEGMENTS_MAX`] parts.
    TooLong,
    /// Words outside of braces, beginning like this.
    Words(String),
    /// A brace that is never closed, or was never opened.
    Brace,
    /// What stands in braces is neither a clip nor a value.
    NoSuchKind(String),
    /// A name with other characters than letters, digits, `_` and `-`, or too long a one.
    Name(String),
    /// A name that two kinds of values have.
    TwoKinds(String),
}

impl fmt::Display for SyntaxRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("it is empty"),
            Self::TooLong => write!(
                f,
                "it has more than {SEGMENTS_MAX} parts or {TEMPLATE_CHARS_MAX} characters"
            ),
            Self::Words(words) => write!(
                f,
                "'{words}' stands outside of braces: words are audio of their own, named by \
                 {{clip ID}}"
            ),
            Self::Brace => f.write_str("a brace has no other one"),
            Self::NoSuchKind(kind) => write!(
                f,
                "'{kind}' is none of clip, digits, number, amount:rial, date:jalali, text"
            ),
            Self::Name(name) => {
                write!(f, "'{name}' is no name: 1 to {NAME_CHARS_MAX} letters, digits, _ and -")
            }
            Self::TwoKinds(name) => write!(f, "{name} is the name of two kinds of values"),
        }
    }
}

/// An order of clips and values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template {
    segments: Vec<Segment>,
    values: Vec<Slot>,
}

impl Template {
    /// Reads a template.
    ///
    /// # Errors
    /// Why it is none.
    pub fn parse(written: &str) -> Result<Self, SyntaxRefusal> {
        if written.chars().nth(TEMPLATE_CHARS_MAX).is_some() {
            return Err(SyntaxRefusal::TooLong);
        }
        let mut template = Self { segments: Vec::new(), values: Vec::new() };
        let mut rest = written.trim();
        while !rest.is_empty() {
            let (before, after) = match rest.split_once('{') {
                Some((before, after)) => (before.trim(), after),
                None => (rest, ""),
            };
            if before.contains('}') {
                return Err(SyntaxRefusal::Brace);
            }
            if !before.is_empty() {
                return Err(SyntaxRefusal::Words(excerpt(before)));
            }
            let (inside, after) = after.split_once('}').ok_or(SyntaxRefusal::Brace)?;
            if inside.contains('{') {
                return Err(SyntaxRefusal::Brace);
            }
            template.push(inside.trim())?;
            rest = after.trim_start();
        }
        if template.segments.is_empty() { Err(SyntaxRefusal::Empty) } else { Ok(template) }
    }

    fn push(&mut self, inside: &str) -> Result<(), SyntaxRefusal> {
        if self.segments.len() >= SEGMENTS_MAX {
            return Err(SyntaxRefusal::TooLong);
        }
        let (word, name) = match inside.split_once(char::is_whitespace) {
            Some((word, name)) => (word, Some(name.trim())),
            None => (inside, None),
        };
        let unknown = || SyntaxRefusal::NoSuchKind(excerpt(inside));
        if word == "clip" {
            let id = name.and_then(|id| id.parse().ok()).filter(|id| *id > 0);
            self.segments.push(Segment::Clip(MessageId(id.ok_or_else(unknown)?)));
            return Ok(());
        }
        let kind = Kind::from_word(word).ok_or_else(unknown)?;
        let of_kind = || kind.word().split(':').next().unwrap_or_default();
        let name = name.unwrap_or_else(of_kind);
        let is_of_name = |letter: char| letter.is_alphanumeric() || "_-".contains(letter);
        if !name.chars().all(is_of_name) || name.chars().nth(NAME_CHARS_MAX).is_some() {
            return Err(SyntaxRefusal::Name(excerpt(name)));
        }
        let place = match self.values.iter().position(|slot| slot.name == name) {
            Some(place) if self.values[place].kind == kind => place,
            Some(_) => return Err(SyntaxRefusal::TwoKinds(name.to_owned())),
            None => {
                self.values.push(Slot { name: name.to_owned(), kind });
                self.values.len() - 1
            }
        };
        self.segments.push(Segment::Value(place));
        Ok(())
    }

    /// Its parts, in the order in which they are heard.
    pub fn segments(&self) -> &[Segment] {
        &self.segments
    }

    /// Its values, each once.
    pub fn values(&self) -> &[Slot] {
        &self.values
    }

    /// The clips that it plays, in their order.
    pub fn clips(&self) -> impl Iterator<Item = MessageId> + '_ {
        self.segments.iter().filter_map(|segment| match segment {
            Segment::Clip(id) => Some(*id),
            Segment::Value(_) => None,
        })
    }

    /// Whether somebody's own words may stand in it, which nobody has listened to.
    pub fn has_text(&self) -> bool {
        self.values.iter().any(|slot| slot.kind == Kind::Text)
    }

    /// Reads the values of one recipient, by their names.
    ///
    /// # Errors
    /// The first one that is missing, none of its kind, or has no place in the template.
    pub fn fill<'a>(
        &self,
        given: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Result<Filled, BadValue> {
        let mut filled: Vec<Option<String>> = vec![None; self.values.len()];
        for (name, typed) in given {
            let place = self.values.iter().position(|slot| slot.name == name);
            let place = place.ok_or_else(|| BadValue::unknown(name))?;
            let refused = |why| BadValue { name: name.to_owned(), why };
            filled[place] = Some(self.values[place].kind.read(typed).map_err(refused)?);
        }
        let values = filled.into_iter().zip(&self.values).map(|(value, slot)| {
            value.ok_or_else(|| BadValue { name: slot.name.clone(), why: ValueRefusal::Missing })
        });
        values.collect::<Result<_, _>>().map(Filled)
    }
}

impl fmt::Display for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, segment) in self.segments.iter().enumerate() {
            let space = if place == 0 { "" } else { " " };
            match segment {
                Segment::Clip(id) => write!(f, "{space}{{clip {}}}", id.0)?,
                Segment::Value(value) => {
                    let Slot { name, kind } = &self.values[*value];
                    write!(f, "{space}{{{} {name}}}", kind.word())?;
                }
            }
        }
        Ok(())
    }
}

/// The values of one recipient, read, in the order of [`Template::values`].
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Filled(Vec<String>);

impl Filled {
    /// The values.
    pub fn values(&self) -> &[String] {
        &self.0
    }

    /// The values in one text, to be kept.
    pub fn to_text(&self) -> String {
        self.0.join("\n")
    }

    /// Reads what [`Self::to_text`] wrote for a template with that many values.
    pub fn from_text(kept: &str, values: usize) -> Option<Self> {
        let filled = match values {
            0 => Vec::new(),
            _ => kept.split(SEPARATOR).map(str::to_owned).collect(),
        };
        (filled.len() == values).then_some(Self(filled))
    }
}

/// The value of an ASCII, Persian or Arabic digit, as ASCII; other characters stay.
fn plain(letter: char) -> char {
    let offset = match letter {
        '\u{6f0}'..='\u{6f9}' => u32::from(letter) - 0x6f0,
        '\u{660}'..='\u{669}' => u32::from(letter) - 0x660,
        other => return other,
    };
    char::from_digit(offset, 10).unwrap_or(letter)
}

fn digits(typed: &str) -> Result<String, ValueRefusal> {
    let letters = typed.chars().map(plain).filter(|letter| !matches!(letter, ' ' | '-'));
    let digits: String = letters.collect();
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(ValueRefusal::NotDigits);
    }
    if digits.len() > DIGITS_MAX { Err(ValueRefusal::TooLong) } else { Ok(digits) }
}

/// The digits of a whole number that may be written in groups of three, without zeros before it.
fn whole(typed: &str) -> Result<String, ValueRefusal> {
    let is_group_mark = |letter: char| matches!(letter, ',' | '،' | '٬' | '\'' | ' ');
    let groups: Vec<&str> = typed.split(is_group_mark).collect();
    let is_grouped = groups.len() == 1
        || (groups[1..].iter().all(|group| group.len() == 3) && (1..=3).contains(&groups[0].len()));
    let digits = groups.concat();
    if !is_grouped || digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(ValueRefusal::NotANumber);
    }
    let digits = digits.trim_start_matches('0');
    if digits.len() > NUMBER_DIGITS_MAX {
        return Err(ValueRefusal::TooLong);
    }
    Ok(if digits.is_empty() { String::from("0") } else { digits.to_owned() })
}

fn number(typed: &str) -> Result<String, ValueRefusal> {
    let typed: String = typed.chars().map(plain).collect();
    let (sign, rest) = match typed.strip_prefix(['-', '\u{2212}']) {
        Some(rest) => ("-", rest.trim_start()),
        None => ("", typed.as_str()),
    };
    let (before, decimals) = match rest.split_once(['.', '٫']) {
        Some((before, decimals)) => (before, decimals),
        None => (rest, "0"),
    };
    if decimals.is_empty() || !decimals.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(ValueRefusal::NotANumber);
    }
    if decimals.len() > DECIMALS_MAX {
        return Err(ValueRefusal::TooLong);
    }
    let (before, decimals) = (whole(before)?, decimals.trim_end_matches('0'));
    Ok(match decimals {
        "" if before == "0" => before,
        "" => format!("{sign}{before}"),
        _ => format!("{sign}{before}.{decimals}"),
    })
}

fn amount(typed: &str) -> Result<String, ValueRefusal> {
    let typed: String = typed.chars().map(plain).collect();
    let typed = ["ریال", "﷼"].iter().find_map(|unit| typed.strip_suffix(unit)).unwrap_or(&typed);
    whole(typed.trim_end())
}

fn date(typed: &str) -> Result<String, ValueRefusal> {
    let typed: String = typed.chars().map(plain).collect();
    let read = || {
        let mut parts = typed.split(['/', '-', '.']);
        let (year, month, day) = (parts.next()?, parts.next()?, parts.next()?);
        let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        let shaped = parts.next().is_none()
            && [year, month, day].into_iter().all(digits)
            && year.len() == 4
            && [month, day].iter().all(|part| (1..=2).contains(&part.len()));
        let (year, month, day) = (year.parse().ok()?, month.parse().ok()?, day.parse().ok()?);
        let there = shaped && (1_300..1_500).contains(&year);
        (there && jalali::is_day(year, month, day))
            .then(|| format!("{year:04}/{month:02}/{day:02}"))
    };
    read().ok_or(ValueRefusal::NotADate)
}

fn text(typed: &str) -> Result<String, ValueRefusal> {
    let line = typed.split_whitespace().collect::<Vec<_>>().join(" ");
    if line.chars().nth(VALUE_CHARS_MAX).is_some() {
        return Err(ValueRefusal::TooLong);
    }
    if line.chars().any(char::is_control) || !line.chars().any(char::is_alphanumeric) {
        return Err(ValueRefusal::NotSpoken);
    }
    Ok(line)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Goal: a template is read as people write it, and is written in one form only.
    #[test]
    fn a_template_is_read_and_written() {
        let written = " {clip 12}{amount:rial debt}\n{clip 13} { date:jalali  until } {digits}";
        let template = Template::parse(written).unwrap();
        assert_eq!(
            template.to_string(),
            "{clip 12} {amount:rial debt} {clip 13} {date:jalali until} {digits digits}"
        );
        let names: Vec<&str> = template.values().iter().map(|slot| &*slot.name).collect();
        assert_eq!(names, ["debt", "until", "digits"]);
        assert_eq!(template.clips().collect::<Vec<_>>(), [MessageId(12), MessageId(13)]);
        assert!(!template.has_text());
        let twice = Template::parse("{text name}{clip 1}{text name}").unwrap();
        assert_eq!((twice.values().len(), twice.segments().len()), (1, 3));
        assert!(twice.has_text());
    }

    /// Goal: what is no template is told by what is wrong with it.
    #[test]
    fn what_is_no_template_says_why() {
        let why = |written: &str| Template::parse(written).unwrap_err();
        assert_eq!(why("  "), SyntaxRefusal::Empty);
        assert_eq!(why("سلام {clip 1}"), SyntaxRefusal::Words(String::from("سلام")));
        assert_eq!(why("{clip 1} پایان"), SyntaxRefusal::Words(String::from("پایان")));
        for brace in ["{clip 1", "{clip {text}}", "clip 1}", "{clip 1}}"] {
            assert_eq!(why(brace), SyntaxRefusal::Brace, "{brace}");
        }
        for kind in ["{}", "{clip}", "{clip 0}", "{clip x}", "{amount}", "{amount:toman x}"] {
            assert!(matches!(why(kind), SyntaxRefusal::NoSuchKind(_)), "{kind}");
        }
        for name in ["{text a b}", "{text a,b}", &format!("{{text {}}}", "x".repeat(33))] {
            assert!(matches!(why(name), SyntaxRefusal::Name(_)), "{name}");
        }
        assert_eq!(why("{text a}{digits a}"), SyntaxRefusal::TwoKinds(String::from("a")));
        assert_eq!(why(&"{clip 1}".repeat(33)), SyntaxRefusal::TooLong);
        assert_eq!(why(&" ".repeat(2_001)), SyntaxRefusal::TooLong);
    }

    /// Goal: values are read as people write them, and refused for what they are not.
    #[test]
    fn a_value_is_checked_for_its_kind() {
        let read = |kind: Kind, typed: &str| kind.read(typed).map_err(ValueRefusal::word);
        let good = [
            (Kind::Digits, " ۰۰12-۳٤ ", "001234"),
            (Kind::Number, "۱٬۲۵۰٬۰۰۰", "1250000"),
            (Kind::Number, "-12٫50", "-12.5"),
            (Kind::Number, "007", "7"),
            (Kind::Number, "-0", "0"),
            (Kind::AmountRial, "1,250,000 ریال", "1250000"),
            (Kind::AmountRial, "۰", "0"),
            (Kind::DateJalali, "۱۴۰۵/۹/۸", "1405/09/08"),
            (Kind::DateJalali, "1403-12-30", "1403/12/30"),
            (Kind::Text, "  علی \n رضایی ", "علی رضایی"),
        ];
        for (kind, typed, kept) in good {
            assert_eq!(read(kind, typed), Ok(kept.to_owned()), "{typed}");
        }
        let bad = [
            (Kind::Digits, "12a", "not_digits"),
            (Kind::Digits, "- -", "not_digits"),
            (Kind::Digits, &"1".repeat(33), "too_long"),
            (Kind::Number, "1,25,000", "not_a_number"),
            (Kind::Number, "1e3", "not_a_number"),
            (Kind::Number, "1.", "not_a_number"),
            (Kind::Number, "1.2345", "too_long"),
            (Kind::AmountRial, "12.5", "not_a_number"),
            (Kind::AmountRial, "-5", "not_a_number"),
            (Kind::AmountRial, &"9".repeat(16), "too_long"),
            (Kind::DateJalali, "1404/12/30", "not_a_date"),
            (Kind::DateJalali, "1405/13/01", "not_a_date"),
            (Kind::DateJalali, "2026/11/29", "not_a_date"),
            (Kind::DateJalali, "1405/+9/08", "not_a_date"),
            (Kind::Text, "…!", "not_speakable"),
            (Kind::Text, "a\u{1b}b", "not_speakable"),
            (Kind::Text, &"x".repeat(201), "too_long"),
            (Kind::Text, " \t", "missing"),
        ];
        for (kind, typed, why) in bad {
            assert_eq!(read(kind, typed), Err(why), "{typed}");
        }
    }

    #[test]
    fn each_value_has_its_place_and_no_other_is_taken() {
        let template = Template::parse("{clip 1}{digits code}{amount:rial debt}").unwrap();
        let filled = template.fill([("debt", "۵۰۰"), ("code", "12")]).unwrap();
        assert_eq!(filled.values(), ["12", "500"]);
        assert_eq!(Filled::from_text(&filled.to_text(), 2), Some(filled));
        assert_eq!(Filled::from_text("12", 2), None);
        assert_eq!(Filled::from_text("", 0), Some(Filled::default()));
        let why = |given: &[(&str, &str)]| {
            let bad = template.fill(given.iter().copied()).unwrap_err();
            (bad.name, bad.why)
        };
        assert_eq!(why(&[("code", "1")]), (String::from("debt"), ValueRefusal::Missing));
        assert_eq!(why(&[("dept", "1")]), (String::from("dept"), ValueRefusal::Unknown));
        assert_eq!(why(&[("code", "x")]), (String::from("code"), ValueRefusal::NotDigits));
    }

    proptest! {
        /// Goal: whatever is written, it is refused or read, and what is read reads the same again.
        #[test]
        fn any_text_is_read_or_refused(written in "[{}a-z0-9: ]{0,60}|\\PC{0,60}") {
            if let Ok(template) = Template::parse(&written) {
                prop_assert_eq!(Template::parse(&template.to_string()), Ok(template));
            }
        }

        /// Goal: a value that was read reads the same again, and never breaks what is kept.
        #[test]
        fn any_value_is_read_or_refused(
            kind in 0..5_usize,
            typed in "[0-9۰-۹,.\\-/ ]{0,40}|\\PC{0,260}",
        ) {
            let kind = Kind::ALL[kind];
            if let Ok(kept) = kind.read(&typed) {
                prop_assert!(!kept.is_empty() && !kept.contains(SEPARATOR));
                prop_assert_eq!(kind.read(&kept), Ok(kept.clone()));
            }
        }
    }
}
