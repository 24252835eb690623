//! One-time codes: the digits that a customer's user hears and types. Randomness is an argument.

/// The fewest and the most digits of a code (avanak-api §2.2).
pub const LENGTHS: std::ops::RangeInclusive<usize> = 4..=8;
/// How many random bytes a code is made of: so many that no code is noticeably likelier.
pub const RANDOM_BYTES: usize = 16;

/// A code of 4 to 8 digits. Its digits are no part of any log.
#[derive(Clone, PartialEq, Eq)]
pub struct OneTimeCode(String);

impl OneTimeCode {
    /// Reads a code of the customer's own, in digits of any script.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        if text.chars().count() > *LENGTHS.end() {
            return None;
        }
        let digits: Option<String> = text.chars().map(ascii_digit).collect();
        digits.filter(|digits| LENGTHS.contains(&digits.len())).map(Self)
    }

    /// A code of `length` digits from random bytes; `None` for a length that is not allowed.
    pub fn random(length: usize, random: [u8; RANDOM_BYTES]) -> Option<Self> {
        if !LENGTHS.contains(&length) {
            return None;
        }
        let mut rest = u128::from_be_bytes(random);
        let digit = |_| {
            let digit = u32::try_from(rest % 10).expect("below ten");
            rest /= 10;
            char::from_digit(digit, 10).expect("below ten")
        };
        Some(Self((0..length).map(digit).collect()))
    }

    /// The digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for OneTimeCode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "OneTimeCode({} digits)", self.0.len())
    }
}

fn ascii_digit(c: char) -> Option<char> {
    let value = match c {
        '0'..='9' => return Some(c),
        '۰'..='۹' => u32::from(c) - u32::from('۰'),
        '٠'..='٩' => u32::from(c) - u32::from('٠'),
        _ => return None,
    };
    char::from_digit(value, 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_of_ones_own_has_four_to_eight_digits_of_any_script() {
        for (text, code) in [("0012", "0012"), (" ۱۲۳۴۵۶۷۸ ", "12345678"), ("٤٥٦٧", "4567")]
        {
            assert_eq!(OneTimeCode::parse(text).unwrap().as_str(), code);
        }
        for text in ["", "123", "123456789", "12a4", "-1234", &"1".repeat(10_000)] {
            assert_eq!(OneTimeCode::parse(text), None, "{text}");
        }
    }

    #[test]
    fn a_random_code_uses_each_digit() {
        let made = |length, byte| {
            let code = OneTimeCode::random(length, [byte; RANDOM_BYTES])?;
            Some(code.as_str().to_owned())
        };
        assert_eq!((made(3, 1), made(9, 1)), (None, None));
        assert_eq!(made(4, 0).unwrap(), "0000");
        let seen: String = (0..=255).filter_map(|byte| made(8, byte)).collect();
        assert!(('0'..='9').all(|digit| seen.contains(digit)));
    }

    #[test]
    fn a_log_shows_no_digit() {
        let code = OneTimeCode::parse("4821").unwrap();
        assert_eq!(format!("{code:?}"), "OneTimeCode(4 digits)");
    }
}
