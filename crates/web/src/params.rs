//! Parameters as the vendor's clients send them: query, form or JSON, names in any case, numbers in
//! any script, booleans as .NET prints them. Reading never fails: what cannot be read is absent,
//! and the method that needs it answers with its own code.

use std::borrow::Cow;

/// Most parameters of one request; the rest is not looked at. The widest method has 17.
const COUNT_MAX: usize = 64;
/// Longest name that is looked at, in bytes.
const NAME_MAX: usize = 64;
/// Longest text that is looked at as a number or a boolean, in bytes.
const SCALAR_MAX: usize = 64;

/// What one request says, by lower-case name.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Params {
    named: Vec<(String, String)>,
}

impl Params {
    /// The parameters of the query and the body. Where both name one, the body wins; within one
    /// place the first wins.
    pub(crate) fn read(query: &str, body: &[u8]) -> Self {
        let mut params = Self::default();
        params.add_body(body);
        params.add_form(query.as_bytes());
        params
    }

    /// A name that is none of these.
    pub(crate) fn stranger(&self, known: &[&str]) -> Option<&str> {
        self.named.iter().map(|(name, _)| name.as_str()).find(|name| !known.contains(name))
    }

    /// The value as it was sent.
    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        debug_assert!(
            !name.bytes().any(|b| b.is_ascii_uppercase()),
            "names are kept in lower case"
        );
        self.named.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// Takes the value out; for the large ones.
    pub(crate) fn take(&mut self, name: &str) -> Option<String> {
        let at = self.named.iter().position(|(known, _)| known == name)?;
        Some(self.named.swap_remove(at).1)
    }

    /// A whole number in digits of any script. Absent and unreadable are the same.
    pub(crate) fn integer(&self, name: &str) -> Option<i64> {
        whole(self.text(name)?)
    }

    /// `true` or `1` in any case is true, anything else is false, as in the vendor's services.
    pub(crate) fn flag(&self, name: &str) -> bool {
        let text = self.text(name).unwrap_or_default().trim();
        text.eq_ignore_ascii_case("true") || text == "1"
    }

    /// JSON when it looks like an object, a form otherwise: clients do not always say which.
    fn add_body(&mut self, body: &[u8]) {
        let starts = body.iter().find(|byte| !byte.is_ascii_whitespace());
        if starts == Some(&b'{') { self.add_json(body) } else { self.add_form(body) }
    }

    fn add_json(&mut self, body: &[u8]) {
        let Ok(serde_json::Value::Object(fields)) = serde_json::from_slice(body) else { return };
        for (name, value) in fields {
            match value {
                serde_json::Value::String(text) => self.add(&name, text),
                serde_json::Value::Number(number) => self.add(&name, number.to_string()),
                serde_json::Value::Bool(flag) => self.add(&name, flag.to_string()),
                // No parameter of the vendor's is a list, an object or null.
                _ => {}
            }
        }
    }

    fn add_form(&mut self, form: &[u8]) {
        for pair in form.split(|&byte| byte == b'&').filter(|pair| !pair.is_empty()) {
            let at = pair.iter().position(|&byte| byte == b'=').unwrap_or(pair.len());
            let (name, value) = (&pair[..at], pair.get(at + 1..).unwrap_or_default());
            if name.len() > NAME_MAX {
                continue;
            }
            if let (Some(name), Some(value)) = (decoded(name), decoded(value)) {
                self.add(&name, value);
            }
        }
    }

    /// Calls a parameter otherwise; one that has that name already stays.
    pub(crate) fn rename(&mut self, from: &str, to: &str) {
        if let Some(value) = self.take(from) {
            self.add(to, value);
        }
    }

    /// Adds a parameter, unless there is one of its name.
    pub(crate) fn add(&mut self, name: &str, value: String) {
        // No database text may hold a zero, and no parameter of the vendor's does.
        if self.named.len() >= COUNT_MAX || name.len() > NAME_MAX || value.contains('\0') {
            return;
        }
        let name = name.trim().to_ascii_lowercase();
        if self.text(&name).is_none() {
            self.named.push((name, value));
        }
    }
}

/// A whole number in digits of any script.
pub(crate) fn whole(text: &str) -> Option<i64> {
    let text = text.trim();
    if text.len() > SCALAR_MAX {
        return None;
    }
    text.chars().map(ascii_digit).collect::<String>().parse().ok()
}

/// `application/x-www-form-urlencoded` text (WHATWG URL, 5.1). `None` when it is not UTF-8.
fn decoded(encoded: &[u8]) -> Option<String> {
    let mut bytes = Vec::with_capacity(encoded.len());
    let mut rest = encoded;
    while let [first, tail @ ..] = rest {
        rest = tail;
        match (first, tail) {
            (b'+', _) => bytes.push(b' '),
            (b'%', [high, low, after @ ..]) => match (hex(*high), hex(*low)) {
                (Some(high), Some(low)) => {
                    bytes.push(high << 4 | low);
                    rest = after;
                }
                // A stray percent sign stands for itself.
                _ => bytes.push(b'%'),
            },
            (&byte, _) => bytes.push(byte),
        }
    }
    String::from_utf8(bytes).ok()
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok())
}

/// Persian and Arabic digits as ASCII ones, everything else as it is.
fn ascii_digit(c: char) -> char {
    let zero = match c {
        '۰'..='۹' => '۰',
        '٠'..='٩' => '٠',
        _ => return c,
    };
    char::from_digit(u32::from(c) - u32::from(zero), 10).expect("the patterns admit ten digits")
}

/// The bytes of base64 as clients send it: standard or URL alphabet, padded or not, with line
/// breaks, with `+` turned to spaces by a careless form, after a `data:` prefix.
pub(crate) fn base64_bytes(text: &str) -> Option<Vec<u8>> {
    use base64::Engine;
    use base64::engine::DecodePaddingMode;
    use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};

    const LENIENT: GeneralPurpose = GeneralPurpose::new(
        &base64::alphabet::STANDARD,
        GeneralPurposeConfig::new()
            .with_decode_padding_mode(DecodePaddingMode::Indifferent)
            .with_decode_allow_trailing_bits(true),
    );
    let text = match text.strip_prefix("data:").map(|url| url.split_once(',')) {
        Some(Some((_, data))) => data,
        Some(None) => return None,
        None => text,
    };
    let text = text.trim();
    let clean = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+/=".contains(&byte));
    let text: Cow<'_, str> = if clean { text.into() } else { repaired(text).into() };
    LENIENT.decode(text.as_bytes()).ok()
}

fn repaired(text: &str) -> String {
    text.chars()
        .filter(|c| !matches!(c, '\r' | '\n' | '\t'))
        .map(|c| match c {
            ' ' | '-' => '+',
            '_' => '/',
            other => other,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_have_no_case_and_the_body_wins() {
        let params = Params::read("NUMBER=1&vote=True&a=x", b"number=2&Number=3");
        assert_eq!(params.text("number"), Some("2"));
        assert!(params.flag("vote"));
        assert_eq!(params.text("a"), Some("x"));
        assert_eq!(params.text("b"), None);
    }

    #[test]
    fn json_scalars_are_texts_like_any_other() {
        let params =
            Params::read("", br#" {"MessageID": 12, "Vote": true, "Text": "x", "n": [1]}"#);
        assert_eq!(params.integer("messageid"), Some(12));
        assert!(params.flag("vote"));
        assert_eq!(params.text("text"), Some("x"));
        assert_eq!(params.text("n"), None);
    }

    #[test]
    fn hostile_bodies_are_read_as_nothing() {
        let deep = format!("{{\"a\":{}", "[".repeat(100_000));
        for body in [deep.as_bytes(), b"{", b"{]", b"&&==&", b"a=%ff%fe", b"%ff=1", b"[1]"] {
            assert_eq!(Params::read("", body).text("a"), None);
        }
        let many = "a=1&".repeat(100_000)
            + &(0..1000).map(|n| format!("p{n}=1")).collect::<Vec<_>>().join("&");
        assert!(Params::read(&many, b"").named.len() <= COUNT_MAX);
    }

    #[test]
    fn a_zero_makes_a_value_unreadable() {
        assert_eq!(Params::read("a=x%00y", br#"{"A": "\u0000"}"#), Params::default());
    }

    #[test]
    fn form_text_is_decoded() {
        let params = Params::read("t=%D8%B3+a%2Bb%zz&empty=&bare", b"");
        assert_eq!(params.text("t"), Some("س a+b%zz"));
        assert_eq!(params.text("empty"), Some(""));
        assert_eq!(params.text("bare"), Some(""));
    }

    #[test]
    fn numbers_are_read_in_any_script() {
        let params = Params::read("a=%DB%B1%DB%B2&b=9999999999999999999999&c=-5&d=1.0&e=+7", b"");
        assert_eq!(params.integer("a"), Some(12));
        assert_eq!(params.integer("b"), None);
        assert_eq!(params.integer("c"), Some(-5));
        assert_eq!(params.integer("d"), None);
        assert_eq!(params.integer("e"), Some(7));
    }

    #[test]
    fn base64_is_read_as_it_comes() {
        for text in ["+/+/", "-_-_", "+/\n+/", "data:audio/wav;base64,+/+/"] {
            assert_eq!(base64_bytes(text), base64_bytes("+/+/"), "{text}");
        }
        assert_eq!(base64_bytes("QUI"), Some(b"AB".to_vec()));
        assert_eq!(base64_bytes("QUI=\r\n"), Some(b"AB".to_vec()));
        assert_eq!(base64_bytes("a+ b"), base64_bytes("a++b"));
        for text in ["!!!!", "a", "data:nothing", "QUI=QUI="] {
            assert_eq!(base64_bytes(text), None, "{text}");
        }
    }
}
