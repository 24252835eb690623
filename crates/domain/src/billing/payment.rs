//! Payments by a gateway or against a bank receipt: each is noted before anybody is sent anywhere,
//! and taken once, whoever asks how often whether it was paid.

use std::ops::RangeInclusive;

use super::money::Rials;
use crate::Timestamp;

/// What a customer may pay in at once; gateways take no more.
pub const AMOUNTS: RangeInclusive<Rials> = Rials(10_000)..=Rials(1_000_000_000);
/// How long a payment waits for its customer, milliseconds.
pub const LIFE_MS: i64 = 3_600_000;
/// How long one waits for its receipt, milliseconds: a week.
pub const RECEIPT_LIFE_MS: i64 = 7 * 86_400_000;
/// Longest reference of a bank, as it is kept, bytes.
const REFERENCE_MAX: usize = 64;
/// The longest that is written for one, bytes.
const WRITTEN_MAX: usize = 4 * REFERENCE_MAX;
/// How long opening one at its gateway may take, milliseconds; what is not open then never will be.
pub const OPENING_MS: i64 = 120_000;
/// The most payments of an account that are not over.
pub const OPEN_MAX: i64 = 10;
/// The name of who is paid without a gateway.
pub const RECEIPT: &str = "receipt";
/// The pauses between questions whether one was paid, milliseconds; the last one goes on.
const PAUSES_MS: [i64; 4] = [30_000, 60_000, 300_000, 600_000];

/// Where a payment stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum State {
    /// It is noted, and its gateway or its receipt is not known yet.
    Made,
    /// Its customer is at the gateway.
    Waiting,
    /// Its receipt waits for one of us.
    Review,
    /// The money is there, and was taken in.
    Paid,
    /// It will not be.
    Failed,
}

impl State {
    /// Every state.
    pub const ALL: [Self; 5] = [Self::Made, Self::Waiting, Self::Review, Self::Paid, Self::Failed];

    /// The word under which it is kept and shown.
    pub fn word(self) -> &'static str {
        match self {
            Self::Made => "made",
            Self::Waiting => "waiting",
            Self::Review => "review",
            Self::Paid => "paid",
            Self::Failed => "failed",
        }
    }

    /// Reads such a word.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.word() == word)
    }
}

/// What a bank calls a transfer, as it is kept: Latin digits and capital letters, without what
/// stands between them, so that one is the same however it is written. `None`: it is none.
pub fn reference(text: &str) -> Option<String> {
    if text.len() > WRITTEN_MAX {
        return None;
    }
    let folded = |c: char| match c {
        '۰'..='۹' => char::from_digit(u32::from(c) - u32::from('۰'), 10),
        '٠'..='٩' => char::from_digit(u32::from(c) - u32::from('٠'), 10),
        c if c.is_ascii_alphanumeric() => Some(c.to_ascii_uppercase()),
        _ => None,
    };
    // Marks of direction come along when it is copied out of a Persian text.
    let is_mark = |c| matches!(c, '\u{200b}'..='\u{200f}' | '\u{2066}'..='\u{2069}');
    let between = |c: char| c.is_whitespace() || "-_/.".contains(c) || is_mark(c);
    let kept = text.chars().filter(|c| !between(*c)).map(folded).collect::<Option<String>>()?;
    (1..=REFERENCE_MAX).contains(&kept.len()).then_some(kept)
}

/// When a payment counts as paid: when who has the money says, which cannot be before the earliest
/// moment that it could be, or still to come; else when we learn of it.
pub fn paid_at(told: Option<Timestamp>, earliest: Timestamp, now: Timestamp) -> Timestamp {
    told.filter(|told| (earliest..=now).contains(told)).unwrap_or(now)
}

/// When it is asked again that was asked so many times, milliseconds later.
pub fn ask_again_ms(times: u32) -> i64 {
    let place = usize::try_from(times.saturating_sub(1)).unwrap_or(usize::MAX);
    PAUSES_MS[place.min(PAUSES_MS.len() - 1)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_read_and_pauses_grow() {
        for state in State::ALL {
            assert_eq!(State::parse(state.word()), Some(state));
        }
        assert_eq!(State::parse("expired"), None);
        let pauses: Vec<i64> = (0..9).map(ask_again_ms).collect();
        assert!(pauses.windows(2).all(|two| two[0] <= two[1]), "{pauses:?}");
        assert_eq!((pauses[0], ask_again_ms(u32::MAX)), (30_000, 600_000));
    }

    #[test]
    fn what_a_bank_cannot_say_of_a_moment_is_not_believed() {
        let of = |told: Option<i64>| paid_at(told.map(Timestamp), Timestamp(10), Timestamp(20)).0;
        assert_eq!([None, Some(9), Some(21)].map(of), [20; 3]);
        assert_eq!([Some(10), Some(15), Some(20)].map(of), [10, 15, 20]);
    }

    #[test]
    fn a_reference_is_the_same_however_it_is_written() {
        for text in ["tr-4711", "TR 4711", " tr۴۷۱۱", "Tr/٤٧ 11", "tr.4711\u{200f}"] {
            assert_eq!(reference(text).as_deref(), Some("TR4711"), "{text:?}");
        }
        for text in ["", " - ", "a;", "رسید", "a\0", &"1".repeat(65), &" ".repeat(999)] {
            assert_eq!(reference(text), None, "{text:?}");
        }
        assert_eq!(reference(&"1".repeat(64)).map(|kept| kept.len()), Some(64));
    }
}
