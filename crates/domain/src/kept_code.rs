//! One-time codes that the platform keeps: how long they live, how often they may be tried and
//! spoken, and how often a number may be called for one. A customer never sees the code.

use std::ops::RangeInclusive;

use crate::{AccountId, Destination, Timestamp};

/// How many digits a code has unless its customer says otherwise.
pub const LENGTH: usize = 6;
/// How long a code is good, seconds.
pub const LIFE_SECONDS: RangeInclusive<u32> = 60..=3_600;
/// How long a code is good unless its customer says otherwise, seconds.
pub const LIFE_SECONDS_USUAL: u32 = 600;
/// How often a code may be tried.
pub const CHECKS_MAX: u32 = 5;
/// How often a code may be spoken.
pub const SENDS_MAX: u32 = 5;
/// How long it takes until a code may be spoken again, milliseconds.
pub const RESEND_PAUSE_MS: i64 = 30_000;
/// How long what became of a code can be asked, milliseconds: 30 days.
pub const KEPT_MS: i64 = 30 * 24 * 3_600_000;
/// Longest text around a code, in characters.
const TEMPLATE_CHARS_MAX: usize = 200;
/// What stands for the code in a text.
const PLACE: &str = "{code}";
/// Digits at the end of a number that its neighbours differ in: ten thousand numbers are
/// neighbours, which is how blocks are given out and how fraud calls them.
const NEIGHBOUR_DIGITS: usize = 4;

/// Where a code stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// It can be tried.
    Pending,
    /// The right digits were given.
    Approved,
    /// Wrong digits were given too often.
    Exhausted,
    /// A newer code to the same number took its place.
    Replaced,
    /// Its time was over before the right digits were given.
    Expired,
}

impl State {
    /// Every state.
    pub const ALL: [Self; 5] =
        [Self::Pending, Self::Approved, Self::Exhausted, Self::Replaced, Self::Expired];

    /// The word under which it is kept and shown.
    pub fn word(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Approved => "approved",
            Self::Exhausted => "exhausted",
            Self::Replaced => "replaced",
            Self::Expired => "expired",
        }
    }

    /// Reads a word made by [`Self::word`].
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.word() == word)
    }

    /// Where a code that was kept as this stands at `now`.
    #[must_use]
    pub fn at(self, expires_at: Timestamp, now: Timestamp) -> Self {
        if self == Self::Pending && now >= expires_at { Self::Expired } else { self }
    }
}

/// The words around a code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template {
    /// What is said before it.
    pub before: String,
    /// What is said after it.
    pub after: String,
}

impl Template {
    /// Reads a text with `{code}` in it, once; `None` for any other or one that is too long.
    pub fn parse(text: &str) -> Option<Self> {
        let (before, after) = text.split_once(PLACE)?;
        let fits = text.chars().count() <= TEMPLATE_CHARS_MAX;
        let is_plain = |part: &str| !part.contains(['{', '}', '\0']);
        (fits && is_plain(before) && is_plain(after))
            .then(|| Self { before: before.trim().to_owned(), after: after.trim().to_owned() })
    }
}

/// So many within a time, spread or at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Velocity {
    /// How many; at least 1.
    pub count: u32,
    /// Within how many milliseconds.
    pub within_ms: i64,
}

impl Velocity {
    /// How much time one of them takes, microseconds.
    pub fn each_us(self) -> i64 {
        self.within_ms.saturating_mul(1_000) / i64::from(self.count.max(1))
    }

    /// How much time those before may have taken in advance, microseconds.
    pub fn ahead_us(self) -> i64 {
        self.each_us().saturating_mul(i64::from(self.count.max(1)) - 1)
    }
}

/// Under which names calls for a code to this destination are counted: the number for everybody, so
/// that nobody is bothered by many customers together, and its neighbours for one customer.
/// A sandbox calls nobody, so that it counts for itself alone.
pub fn velocity_keys(
    (account, is_sandbox): (AccountId, bool),
    destination: &Destination,
) -> (String, Option<String>) {
    match destination {
        Destination::Number(number) if is_sandbox => {
            (format!("sandbox:{account}:{}", number.national()), None)
        }
        Destination::Number(number) => {
            let number = number.national();
            let shared = &number[..number.len().saturating_sub(NEIGHBOUR_DIGITS)];
            (format!("number:{number}"), Some(format!("prefix:{account}:{shared}")))
        }
        Destination::Extension(extension) => {
            (format!("extension:{account}:{}", extension.as_str()), None)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_template_has_one_place_for_the_code() {
        let template = Template::parse(" کد ورود شما {code} است ").unwrap();
        assert_eq!((template.before.as_str(), template.after.as_str()), ("کد ورود شما", "است"));
        assert_eq!(Template::parse("{code}").unwrap().before, "");
        let long = format!("{}{{code}}", "ا".repeat(195));
        for text in ["", "کد", "{code} {code}", "{name} {code}", "\0{code}", &long] {
            assert_eq!(Template::parse(text), None, "{text}");
        }
    }

    #[test]
    fn a_code_that_waits_runs_out() {
        let (now, end) = (Timestamp(5), Timestamp(6));
        assert_eq!(State::Pending.at(end, now), State::Pending);
        assert_eq!(State::Pending.at(end, end), State::Expired);
        assert_eq!(State::Approved.at(now, end), State::Approved);
        for state in State::ALL {
            assert_eq!(State::from_word(state.word()), Some(state));
        }
    }

    #[test]
    fn calls_are_counted_by_number_and_by_its_neighbours() {
        let keys = |is_sandbox, text: &str| {
            velocity_keys((AccountId(7), is_sandbox), &Destination::parse(text).unwrap())
        };
        let (number, prefix) = keys(false, "09121234567");
        assert_eq!(
            (number.as_str(), prefix.as_deref()),
            ("number:09121234567", Some("prefix:7:0912123"))
        );
        assert_eq!(keys(false, "100"), (String::from("extension:7:100"), None));
        let played = (String::from("sandbox:7:09121234567"), None);
        assert_eq!(keys(true, "09121234567"), played);
        let velocity = Velocity { count: 5, within_ms: 10 };
        assert_eq!((velocity.each_us(), velocity.ahead_us()), (2_000, 8_000));
    }
}
