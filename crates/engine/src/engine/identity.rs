//! Who is said to call, when a call comes in.

use sip::{Name, NameAddr, Request};

use crate::limits::MAX_CALLER;

/// The number or name of the caller; `None` when it is hidden or none that could be kept.
pub(super) fn caller_of(request: &Request) -> Option<String> {
    if asks_for_privacy(request) {
        return None;
    }
    let mut asserted = request.headers.elements(Name::PAssertedIdentity);
    let asserted = asserted.find_map(|value| user(value, Name::PAssertedIdentity));
    let from = || user(request.headers.get(Name::From)?, Name::From);
    // A hidden caller whose network adds no Privacy header (RFC 3261 §8.1.1.3).
    asserted.or_else(from).filter(|user| !user.eq_ignore_ascii_case("anonymous"))
}

/// Whether it says that the caller is not to be told (RFC 3323 §4.2, RFC 3325 §9.3).
fn asks_for_privacy(request: &Request) -> bool {
    let Some(value) = request.headers.find("Privacy") else { return false };
    let hides = |part: &[u8]| {
        [b"id".as_slice(), b"user", b"header"].iter().any(|word| part.eq_ignore_ascii_case(word))
    };
    value.split(|byte| *byte == b';').any(|part| hides(part.trim_ascii()))
}

/// The user part without its parameters (RFC 3966 §3 writes them behind a semicolon).
fn user(value: &[u8], field: Name) -> Option<String> {
    let address = NameAddr::parse(value, field).ok()?;
    let user = address.uri.user().split(|byte| *byte == b';').next()?;
    let user = std::str::from_utf8(user).ok()?;
    // Some networks escape the plus of a global number, which need not be (§19.1.2).
    let user = match user.get(..3) {
        Some(escaped) if escaped.eq_ignore_ascii_case("%2b") => format!("+{}", &user[3..]),
        _ => user.to_owned(),
    };
    (!user.is_empty() && user.len() <= MAX_CALLER).then_some(user)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn caller(fields: &str) -> Option<String> {
        let text = format!(
            "INVITE sip:021@192.0.2.1 SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.9;branch=z9hG4bK1\r\n\
             To: <sip:021@192.0.2.1>\r\nCall-ID: 1\r\nCSeq: 1 INVITE\r\nMax-Forwards: 70\r\n\
             {fields}Content-Length: 0\r\n\r\n"
        );
        let message = sip::message::parse(text.as_bytes(), &sip::Limits::default()).unwrap();
        let sip::Message::Request(request) = message else { panic!("{text}") };
        caller_of(&request)
    }

    #[test]
    fn the_networks_word_goes_before_the_callers() {
        let from = "From: \"Ali\" <sip:09121234567@192.0.2.9>;tag=a\r\n";
        let asserted = "P-Asserted-Identity: <tel:+982112345678;cpc=ordinary>\r\n";
        assert_eq!(caller(from).as_deref(), Some("09121234567"));
        assert_eq!(caller(&format!("{from}{asserted}")).as_deref(), Some("+982112345678"));
        let escaped = "From: <sip:%2B989121234567@192.0.2.9>;tag=a\r\n";
        assert_eq!(caller(escaped).as_deref(), Some("+989121234567"));
    }

    #[test]
    fn who_hides_is_nobody() {
        let from = "From: <sip:09121234567@192.0.2.9>;tag=a\r\n";
        assert_eq!(caller(&format!("{from}Privacy: critical;id\r\n")), None);
        assert!(caller(&format!("{from}Privacy: none\r\n")).is_some());
        assert_eq!(caller("From: <sip:Anonymous@anonymous.invalid>;tag=a\r\n"), None);
        assert_eq!(caller("From: <sip:192.0.2.9>;tag=a\r\n"), None);
        let long = "1".repeat(MAX_CALLER + 1);
        assert_eq!(caller(&format!("From: <sip:{long}@192.0.2.9>;tag=a\r\n")), None);
    }
}
