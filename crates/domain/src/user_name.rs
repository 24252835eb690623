//! The name under which a customer comes with a password. Letters have no case, so that a name is
//! one customer's however it is typed.

use std::fmt;

/// Fewest and most characters.
const CHARS: std::ops::RangeInclusive<usize> = 3..=64;

/// A user name in its one spelling: small ASCII letters, digits and `. _ - @ +`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct UserName(String);

impl UserName {
    /// Reads a name as it is typed: letters of any case, spaces around it. `None` for anything else
    /// than 3 to 64 ASCII letters, digits and `. _ - @ +`.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let fits = CHARS.contains(&text.len())
            && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-@+".contains(&byte));
        fits.then(|| Self(text.to_ascii_lowercase()))
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for UserName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_the_same_however_it_is_typed() {
        for typed in ["Shop-1@example.ir", " shop-1@EXAMPLE.ir "] {
            assert_eq!(UserName::parse(typed).unwrap().as_str(), "shop-1@example.ir");
        }
        for wrong in ["", "ab", " ab ", "a b c", "فروشگاه", "a\0bc", &"a".repeat(65)] {
            assert_eq!(UserName::parse(wrong), None, "{wrong}");
        }
        assert!(UserName::parse(&"a".repeat(64)).is_some());
    }
}
