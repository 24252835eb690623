//! Follow-ups by SMS: what is written to whom a call did, or did not, reach, what that costs, and
//! how often it is tried. Nothing here sends.

use std::collections::BTreeSet;

use crate::campaign::retry::is_unreached;
use crate::{Disposition, PhoneNumber, Rials, Timestamp};

/// The longest text, in characters: what the published services take, less some room.
pub const TEXT_CHARS_MAX: usize = 600;
/// The highest price of a part: a slip of the finger must not empty accounts.
pub const PART_MAX: Rials = Rials(1_000_000);
/// The pauses before the second and each further try, minutes.
const PAUSES_MINUTES: [i64; 6] = [1, 5, 15, 60, 120, 240];
/// An SMS that comes later than this after its call says nothing any more, milliseconds.
const LATEST_MS: i64 = 24 * 3_600_000;
/// How long after its first try an SMS may be tried again, milliseconds. A service is asked first
/// whether it has it already; what is published of the one that we know says that it tells so of
/// the last twelve hours.
const KNOWN_MS: i64 = 11 * 3_600_000;
/// 2020-01-01T00:00:00Z, seconds: names of SMS count from here.
const NAMES_BEGIN_SECONDS: i64 = 1_577_836_800;
/// Bits of a name that tell SMS of the same second apart.
const NAME_BITS: u32 = 22;

/// Characters of a part in the seven-bit alphabet (3GPP TS 23.038 §6.2.1): of a text that is one
/// part, and of each of several, which begin with a header (3GPP TS 23.040 §9.2.3.24.1).
const SEVEN_BIT: (usize, usize) = (160, 153);
/// The same in UCS-2, which Persian needs.
const UCS2: (usize, usize) = (70, 67);
/// The alphabet without its letters, digits and those that count twice.
const SIGNS: &str = "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./:;<=>?¡ÄÖÑÜ§¿äöñüà";
/// What stands in the extension of the alphabet, and counts twice.
const EXTENSION: &str = "^{}\\[~]|€";

/// What is written after a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FollowUp {
    text: String,
    after: BTreeSet<Disposition>,
}

/// Why something is no follow-up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FollowUpRefusal {
    /// The text is empty or longer than [`TEXT_CHARS_MAX`], or holds signs that steer a terminal.
    Text,
    /// No ends are named, or one that nobody is written to after.
    After,
}

impl FollowUp {
    /// A text, and after which ends it is written: `heard`, `unreached`, or the word of a
    /// disposition. Who opted out, and whom the customer withdrew, is never written to.
    ///
    /// # Errors
    /// Why it is none.
    pub fn new(text: &str, after: &[String]) -> Result<Self, FollowUpRefusal> {
        let text = text.trim();
        let steers = |letter: char| letter.is_control() && letter != '\n';
        if text.is_empty() || text.chars().nth(TEXT_CHARS_MAX).is_some() || text.contains(steers) {
            return Err(FollowUpRefusal::Text);
        }
        let mut ends = BTreeSet::new();
        for word in after {
            let named: Vec<Disposition> = match word.as_str() {
                "heard" => vec![Disposition::Delivered, Disposition::HeardInPart],
                "unreached" => possible().filter(|end| is_unreached(*end)).collect(),
                word => possible().filter(|end| end.word() == word).collect(),
            };
            if named.is_empty() {
                return Err(FollowUpRefusal::After);
            }
            ends.extend(named);
        }
        if ends.is_empty() {
            return Err(FollowUpRefusal::After);
        }
        Ok(Self { text: text.to_owned(), after: ends })
    }

    /// The text.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The ends after which it is written.
    pub fn after(&self) -> &BTreeSet<Disposition> {
        &self.after
    }

    /// What one costs, at the price of a part; `None` past 64 bits.
    pub fn price(&self, part: Rials) -> Option<Rials> {
        part.checked_mul(parts(&self.text).into())
    }
}

/// The ends after which somebody may be written to.
fn possible() -> impl Iterator<Item = Disposition> {
    let barred = [Disposition::OptedOut, Disposition::Cancelled];
    Disposition::ALL.into_iter().filter(move |end| !barred.contains(end))
}

/// Whether a number can be written to: a mobile.
pub fn can_be_written_to(number: &PhoneNumber) -> bool {
    number.is_mobile()
}

/// How many parts a text is sent in, each of which is paid for.
pub fn parts(text: &str) -> u32 {
    let seven = |letter: char| match letter {
        'a'..='z' | 'A'..='Z' | '0'..='9' => Some(1),
        letter if SIGNS.contains(letter) => Some(1),
        letter if EXTENSION.contains(letter) => Some(2),
        _ => None,
    };
    let sevens: Option<usize> = text.chars().map(seven).sum();
    let (length, (one, several)) = match sevens {
        Some(length) => (length, SEVEN_BIT),
        None => (text.encode_utf16().count(), UCS2),
    };
    let parts = if length <= one { 1 } else { length.div_ceil(several) };
    u32::try_from(parts).unwrap_or(u32::MAX)
}

/// When it is tried again that has failed so often, the first time included; `None`: it has failed
/// for good.
pub fn again_at(tries: u32, now: Timestamp, created_at: Timestamp) -> Option<Timestamp> {
    let pause = PAUSES_MINUTES.get(usize::try_from(tries.max(1) - 1).ok()?)?;
    Some(now.plus_ms(pause * 60_000)).filter(|at| *at < too_late_at(created_at))
}

/// Whether it is too late to try again what was first tried then.
pub fn is_forgotten(first_tried_at: Timestamp, now: Timestamp) -> bool {
    now >= first_tried_at.plus_ms(KNOWN_MS)
}

/// What a service is told as our name of the SMS `id` whose call ended then: the same at each try.
/// It holds the time, so that a platform which begins anew does not use names over again; and less
/// than 53 bits, so that no number format of a service rounds it.
pub fn name(id: i64, created_at: Timestamp) -> i64 {
    let seconds = (created_at.0 / 1_000_000 - NAMES_BEGIN_SECONDS).clamp(0, (1 << 30) - 1);
    (seconds << NAME_BITS) | (id & ((1 << NAME_BITS) - 1))
}

/// When it is too late to write to whom a call ended then.
pub fn too_late_at(created_at: Timestamp) -> Timestamp {
    created_at.plus_ms(LATEST_MS)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn of(text: &str, after: &[&str]) -> Result<FollowUp, FollowUpRefusal> {
        let after: Vec<String> = after.iter().map(|word| (*word).to_owned()).collect();
        FollowUp::new(text, &after)
    }

    #[test]
    fn ends_are_named_by_their_words_and_groups() {
        let heard = of(" متن ", &["heard"]).unwrap();
        assert_eq!(heard.text(), "متن");
        let ends: Vec<Disposition> = heard.after().iter().copied().collect();
        assert_eq!(ends, [Disposition::Delivered, Disposition::HeardInPart]);
        let unreached = of("x", &["unreached", "busy"]).unwrap();
        assert!(unreached.after().contains(&Disposition::NoAnswer));
        assert!(!unreached.after().contains(&Disposition::Delivered));
        for (text, after, why) in [
            ("", &["heard"][..], FollowUpRefusal::Text),
            ("a\u{1b}b", &["heard"], FollowUpRefusal::Text),
            (&"x".repeat(601), &["heard"], FollowUpRefusal::Text),
            ("x", &[], FollowUpRefusal::After),
            ("x", &["opted_out"], FollowUpRefusal::After),
            ("x", &["cancelled"], FollowUpRefusal::After),
            ("x", &["heard", "nobody"], FollowUpRefusal::After),
        ] {
            assert_eq!(of(text, after), Err(why), "{text:?} {after:?}");
        }
        let all = of("x", &["unreached"]).unwrap();
        assert!(!all.after().contains(&Disposition::Cancelled));
    }

    /// What the standards say of the bounds of parts.
    #[test]
    fn a_text_has_as_many_parts_as_it_is_sent_in() {
        for (text, count) in [
            ("a".repeat(160), 1),
            ("a".repeat(161), 2),
            ("a".repeat(306), 2),
            ("a".repeat(307), 3),
            ("€".repeat(80), 1),
            ("€".repeat(81), 2),
            ("ن".repeat(70), 1),
            ("ن".repeat(71), 2),
            ("ن".repeat(134), 2),
            ("ن".repeat(135), 3),
            (format!("{}ن", "a".repeat(70)), 2),
            ("\u{1f600}".repeat(35), 1),
            ("\u{1f600}".repeat(36), 2),
        ] {
            assert_eq!(parts(&text), count, "{} characters", text.chars().count());
        }
        assert_eq!(of("سلام", &["heard"]).unwrap().price(Rials(900)), Some(Rials(900)));
    }

    #[test]
    fn it_is_tried_for_hours_and_no_longer_than_a_day() {
        let made = Timestamp(1_000_000_000);
        let mut at = made;
        let mut tries = 1;
        while let Some(next) = again_at(tries, at, made) {
            assert!(next > at);
            (at, tries) = (next, tries + 1);
        }
        assert_eq!(tries, 7);
        assert!(at.us_since(made) > 7 * 3_600_000_000, "for hours");
        assert!(!is_forgotten(made, at), "the service still knows it");
        assert!(is_forgotten(made, made.plus_ms(KNOWN_MS)));
        assert_eq!(again_at(1, too_late_at(made), made), None);
    }

    /// Goal: a platform that begins anew with the first identity does not use a name over again.
    #[test]
    fn names_differ_in_time_and_identity() {
        let at = Timestamp(1_795_000_000_123_456);
        assert_eq!(name(7, at), name(7, at.plus_ms(100)), "the same second");
        assert_ne!(name(7, at), name(8, at));
        assert_ne!(name(7, at), name(7, at.plus_ms(1_000)));
        assert!(name(i64::MAX, Timestamp(i64::MAX)) < 1 << 53);
        assert!(name(1, Timestamp(0)) > 0);
    }

    proptest! {
        /// Goal: more text is never sent in fewer parts.
        #[test]
        fn more_text_costs_no_less(text in "\\PC{0,300}", more in "\\PC{1,40}") {
            let longer = text.clone() + &more;
            prop_assert!((1..=parts(&longer)).contains(&parts(&text)));
        }
    }
}
