//! Whom to call: Iranian telephone numbers and the short numbers of registered phones.
//! Digits of any script are accepted, one canonical form is kept.

/// An Iranian mobile or landline number, kept in its national form (`09121234567`).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PhoneNumber(String);

/// The short number (3 to 6 digits, not starting with 0) of a phone registered with us.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Extension(String);

/// A destination of a call.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Destination {
    /// A number of the public network.
    Number(PhoneNumber),
    /// One of the account's own phones.
    Extension(Extension),
}

/// Longest text that is looked at as a number; longer input is refused unread.
const TEXT_MAX: usize = 64;

impl PhoneNumber {
    /// Reads a number as people write it: `0912…`, `+98912…`, `0098912…`, `98912…`, `912…`, with
    /// Persian or Arabic digits, spaces, dashes, dots, brackets and invisible direction marks.
    ///
    /// Mobile numbers have ten digits after the 0 and start with 9; landlines have ten too and
    /// start with 1 to 8 (area code and number).
    pub fn parse(text: &str) -> Option<Self> {
        let digits = canonical_digits(text)?;
        let national = significant_part(&digits)?;
        let first = *national.as_bytes().first()?;
        (national.len() == 10 && first != b'0').then(|| Self(format!("0{national}")))
    }

    /// The national form, `0` and ten digits.
    pub fn national(&self) -> &str {
        &self.0
    }

    /// The international form, `+98` and ten digits.
    pub fn e164(&self) -> String {
        format!("+98{}", &self.0[1..])
    }

    /// Whether the number belongs to a mobile network.
    pub fn is_mobile(&self) -> bool {
        self.0.starts_with("09")
    }

    /// The number with its middle hidden, for logs: `0912***4567`.
    pub fn masked(&self) -> String {
        format!("{}***{}", &self.0[..4], &self.0[7..])
    }
}

impl Extension {
    /// Reads a short number in any script of digits.
    pub fn parse(text: &str) -> Option<Self> {
        let digits = canonical_digits(text)?;
        let fits = (3..=6).contains(&digits.len()) && !digits.starts_with(['0', '+']);
        fits.then_some(Self(digits))
    }

    /// The digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Destination {
    /// Reads a public number or a short number.
    pub fn parse(text: &str) -> Option<Self> {
        PhoneNumber::parse(text)
            .map(Self::Number)
            .or_else(|| Extension::parse(text).map(Self::Extension))
    }

    /// The one form in which a destination is stored and compared.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Number(number) => number.national(),
            Self::Extension(extension) => extension.as_str(),
        }
    }

    /// The destination as a log may show it.
    pub fn masked(&self) -> String {
        match self {
            Self::Number(number) => number.masked(),
            Self::Extension(extension) => extension.as_str().to_owned(),
        }
    }
}

/// The digits of all scripts as ASCII, a leading `+` kept, punctuation and marks dropped.
/// Anything else makes it not a number.
fn canonical_digits(text: &str) -> Option<String> {
    if text.len() > TEXT_MAX {
        return None;
    }
    let mut digits = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '0'..='9' => digits.push(c),
            '۰'..='۹' => digits.push(shifted(c, '۰')),
            '٠'..='٩' => digits.push(shifted(c, '٠')),
            '+' if digits.is_empty() => digits.push('+'),
            ' ' | '-' | '.' | '(' | ')' | '\u{a0}' | '\u{200c}' => {}
            _ if is_direction_mark(c) => {}
            _ => return None,
        }
    }
    Some(digits)
}

/// Direction marks come along when a number is pasted from a Persian text.
fn is_direction_mark(c: char) -> bool {
    matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

fn shifted(c: char, zero: char) -> char {
    char::from_digit(u32::from(c) - u32::from(zero), 10).expect("the pattern admits ten digits")
}

/// The number without trunk or country prefix.
fn significant_part(digits: &str) -> Option<&str> {
    if let Some(rest) = digits.strip_prefix('+') {
        return rest.strip_prefix("98");
    }
    if let Some(rest) = digits.strip_prefix("0098") {
        return Some(rest);
    }
    match digits.len() {
        12 => digits.strip_prefix("98"),
        11 => digits.strip_prefix('0'),
        _ => Some(digits),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ways_people_write_a_number_mean_the_same() {
        for text in [
            "09121234567",
            "+989121234567",
            "00989121234567",
            "989121234567",
            "9121234567",
            "۰۹۱۲۱۲۳۴۵۶۷",
            "٠٩١٢١٢٣٤٥٦٧",
            "0912 123-4567",
            "\u{202a}+98 (912) 123 4567\u{202c}",
        ] {
            let number = PhoneNumber::parse(text).unwrap_or_else(|| panic!("{text}"));
            assert_eq!(number.national(), "09121234567", "{text}");
        }
    }

    #[test]
    fn wrong_numbers_are_refused() {
        for text in ["", "0912", "091212345678", "+4989123456", "abc", "0912123456x", "00000000000"]
        {
            assert_eq!(PhoneNumber::parse(text), None, "{text}");
        }
        assert_eq!(PhoneNumber::parse(&"1".repeat(100_000)), None);
    }

    #[test]
    fn short_numbers_are_extensions() {
        assert_eq!(Destination::parse("۱۰۰").unwrap().as_str(), "100");
        assert_eq!(Destination::parse("01"), None);
        assert_eq!(Destination::parse("1234567"), None);
    }

    #[test]
    fn logs_never_see_the_whole_number() {
        assert_eq!(Destination::parse("09121234567").unwrap().masked(), "0912***4567");
    }
}
