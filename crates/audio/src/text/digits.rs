//! Numbers that are codes, read digit by digit.

use super::{Speakable, TextRefusal, number};

/// Most digits spoken in one go: a Sheba has 24, a card 16.
const MAX_DIGITS: usize = 64;

/// A code or a telephone number digit by digit, with a pause after each: `2103` is
/// «دو، یک، صفر، سه». Digits of all three scripts are read, separators and signs are skipped.
///
/// # Errors
/// [`TextRefusal::Empty`] without a digit, [`TextRefusal::TooLong`] beyond 64 of them.
pub fn spoken(code: &str) -> Result<Speakable, TextRefusal> {
    let digits: Vec<u64> = code.chars().filter_map(value).take(MAX_DIGITS + 1).collect();
    match digits.len() {
        0 => Err(TextRefusal::Empty),
        1..=MAX_DIGITS => Ok(Speakable::ours(list(digits))),
        _ => Err(TextRefusal::TooLong { limit_chars: MAX_DIGITS }),
    }
}

/// The words of digits, each followed by a pause but for the last.
pub(super) fn list(digits: impl IntoIterator<Item = u64>) -> String {
    digits.into_iter().map(number::words).collect::<Vec<_>>().join("، ")
}

/// The value of an ASCII, Persian (U+06F0…) or Arabic (U+0660…) digit.
pub(super) fn value(c: char) -> Option<u64> {
    let value = match c {
        '0'..='9' => u32::from(c) - u32::from('0'),
        '\u{6f0}'..='\u{6f9}' => u32::from(c) - 0x6f0,
        '\u{660}'..='\u{669}' => u32::from(c) - 0x660,
        _ => return None,
    };
    Some(u64::from(value))
}
