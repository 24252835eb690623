//! One form for every letter, digit and sign, so that the rest of the module knows only one.

use super::digits;

/// The text with Arabic letters as Persian ones, digits and number signs in ASCII, invisible
/// characters gone, and everything a speech engine might take as a command replaced by a space.
pub(super) fn canonical(text: &str) -> String {
    text.chars().filter_map(one).collect()
}

/// Signs that are read as a pause or a word.
const SIGNS: &str = ".،,؛;:؟?!()-/%+'’@#*&=$€£﷼";

/// Vowel marks and the zero-width non-joiner, which belong to words.
pub(super) fn is_mark(c: char) -> bool {
    matches!(c, '\u{200c}' | '\u{64b}'..='\u{655}' | '\u{670}')
}

/// The character to read instead of `c`, or `None` for one that only steers the display.
fn one(c: char) -> Option<char> {
    if let Some(digit) = digits::value(c) {
        return char::from_digit(u32::try_from(digit).ok()?, 10);
    }
    Some(match c {
        'ي' | 'ى' | 'ې' | 'ۍ' => 'ی',
        'ك' | 'ڪ' => 'ک',
        'ة' | 'ۀ' | 'ە' | 'ہ' | 'ھ' => 'ه',
        'ٱ' => 'ا',
        // Marks of direction, joiners without effect, byte order marks and tatweel.
        '\u{61c}'
        | '\u{200b}'
        | '\u{200d}'..='\u{200f}'
        | '\u{202a}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}'
        | '\u{feff}'
        | '\u{ad}'
        | '\u{640}' => return None,
        '\u{66b}' | '…' | '۔' => '.',
        '\u{66c}' => ',',
        '\u{66a}' => '%',
        '\u{2010}'..='\u{2015}' | '\u{2212}' | '\u{fe63}' | '\u{ff0d}' => '-',
        '\n' | '\r' | '\u{2028}' | '\u{2029}' | '\u{85}' => '\n',
        c if c.is_alphabetic() || is_mark(c) || SIGNS.contains(c) => c,
        _ => ' ',
    })
}
