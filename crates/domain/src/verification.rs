//! One-click verification: a user sees a digit on a customer's site and presses it on the phone
//! that we call; then the customer's address is called (avanak-api §2.5, decision 6).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Longest callback address, bytes.
const URL_BYTES_MAX: usize = 2_000;
/// The pauses between tries to call the customer's address, milliseconds: over a day in all.
const PAUSES_MS: [i64; 7] = [5_000, 30_000, 120_000, 600_000, 3_600_000, 21_600_000, 86_400_000];

/// The digit to be pressed, 1 to 9, from a random number.
pub fn code(random: u64) -> u8 {
    u8::try_from(random % 9 + 1).expect("from 1 to 9")
}

/// When the customer's address is called again after so many tries, milliseconds later; `None`
/// when it is given up.
pub fn pause_after(tries: u32) -> Option<i64> {
    PAUSES_MS.get(usize::try_from(tries.checked_sub(1)?).ok()?).copied()
}

/// Where a customer wants to be called back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallbackUrl {
    text: String,
    /// Whether it is to be encrypted.
    https: bool,
    host: String,
    port: u16,
    path: String,
    query: String,
}

impl CallbackUrl {
    /// Reads `http://HOST[:PORT]/PATH?QUERY` or the same with https. `None` for anything else:
    /// other schemes, user names, spaces, letters outside ASCII.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let fits = text.len() <= URL_BYTES_MAX && text.bytes().all(|byte| byte.is_ascii_graphic());
        let (scheme, rest) = text.split_once("://").filter(|_| fits)?;
        let https = match scheme.to_ascii_lowercase().as_str() {
            "http" => false,
            "https" => true,
            _ => return None,
        };
        let rest = rest.split('#').next().unwrap_or_default();
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        let (authority, rest) = rest.split_at(end);
        let (host, port) = host_and_port(authority, if https { 443 } else { 80 })?;
        let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
        let path = if path.is_empty() { "/" } else { path };
        Some(Self {
            text: text.to_owned(),
            https,
            host,
            port,
            path: path.to_owned(),
            query: query.to_owned(),
        })
    }

    /// As it was given.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether it is to be encrypted.
    pub fn is_https(&self) -> bool {
        self.https
    }

    /// A name or an address.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The host and port as a request names them.
    pub fn authority(&self) -> String {
        let host =
            if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.clone() };
        match (self.https, self.port) {
            (true, 443) | (false, 80) => host,
            (_, port) => format!("{host}:{port}"),
        }
    }

    /// The path to ask for.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The path and its own query.
    pub fn target(&self) -> String {
        if self.query.is_empty() {
            self.path.clone()
        } else {
            format!("{}?{}", self.path, self.query)
        }
    }

    /// Its own query with what became of a verification behind it.
    pub fn query_with(&self, end: &VerificationEnd<'_>) -> String {
        let VerificationEnd { send, number, code, vote } = *end;
        let own = if self.query.is_empty() { String::new() } else { format!("{}&", self.query) };
        let pressed = vote.map_or(-1, i64::from);
        let result = u8::from(vote == Some(code));
        format!("{own}SendId={send}&Number={number}&Code={code}&Vote={pressed}&Result={result}")
    }
}

/// What became of a verification.
#[derive(Debug, Clone, Copy)]
pub struct VerificationEnd<'a> {
    /// Its send.
    pub send: i64,
    /// The number that was called, national form.
    pub number: &'a str,
    /// The digit that was to be pressed.
    pub code: u8,
    /// The one that was.
    pub vote: Option<u8>,
}

/// Everything but unreserved characters as `%XX` (RFC 3986 section 2), which also fits the values
/// of header fields (RFC 8187 section 3.2.1).
pub fn percent_encoded(text: &str) -> String {
    const DIGITS: [char; 16] =
        ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'A', 'B', 'C', 'D', 'E', 'F'];
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            let (high, low) = (usize::from(byte >> 4), usize::from(byte & 15));
            encoded.extend(['%', DIGITS[high], DIGITS[low]]);
        }
    }
    encoded
}

fn host_and_port(authority: &str, default: u16) -> Option<(String, u16)> {
    if authority.contains('@') {
        return None;
    }
    let (host, port) = match authority.strip_prefix('[') {
        Some(rest) => {
            let (host, after) = rest.split_once(']')?;
            host.parse::<Ipv6Addr>().ok()?;
            (host, after.strip_prefix(':').or(after.is_empty().then_some(""))?)
        }
        None => authority.split_once(':').unwrap_or((authority, "")),
    };
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || b"-.".contains(&byte) || byte == b':';
    let port =
        if port.is_empty() { default } else { port.parse().ok().filter(|port| *port > 0)? };
    (!host.is_empty() && host.bytes().all(is_name)).then(|| (host.to_owned(), port))
}

/// Whether an address is one of the public internet. Nothing else is called on a customer's word:
/// it could be a machine of ours.
pub fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    let special = address.is_private()
        || address.is_loopback()
        || address.is_link_local()
        || address.is_broadcast()
        || address.is_multicast()
        || address.is_documentation()
        // This network, shared space of carriers, protocol assignments, benchmarks, reserved.
        || a == 0
        || (a == 100 && (64..128).contains(&b))
        || (a, b, c) == (192, 0, 0)
        || (a == 198 && (18..20).contains(&b))
        || a >= 240;
    !special
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    let [first, second, ..] = address.segments();
    match (first, second) {
        // Addresses of IPv4 in other clothes: compatible, mapped, and behind a translator.
        (0, 0) => address.to_ipv4().is_some_and(is_public_v4),
        (0x64, 0xff9b) => {
            let [.., net, subnet, part, host] = address.octets();
            is_public_v4(Ipv4Addr::new(net, subnet, part, host))
        }
        // Only what is given out, and of that no tunnels and no documentation.
        (0x2001, 0 | 0xdb8) | (0x2002, _) => false,
        _ => first & 0xe000 == 0x2000,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_callback_address_is_taken_apart() {
        let url = CallbackUrl::parse("http://mysite.com/OCVCallback?Number=09120000000#x").unwrap();
        assert_eq!((url.is_https(), url.host(), url.port()), (false, "mysite.com", 80));
        assert_eq!((url.path(), url.authority().as_str()), ("/OCVCallback", "mysite.com"));
        assert_eq!(url.target(), "/OCVCallback?Number=09120000000");
        let end = VerificationEnd { send: 7, number: "09121234567", code: 3, vote: Some(3) };
        assert_eq!(
            url.query_with(&end),
            "Number=09120000000&SendId=7&Number=09121234567&Code=3&Vote=3&Result=1"
        );
        let url = CallbackUrl::parse("HTTPS://[2001:db8::1]:8443").unwrap();
        assert_eq!((url.is_https(), url.host(), url.port()), (true, "2001:db8::1", 8443));
        assert_eq!((url.path(), url.authority().as_str()), ("/", "[2001:db8::1]:8443"));
        assert_eq!(url.target(), "/");
        for (vote, told) in [(None, "Vote=-1&Result=0"), (Some(4), "Vote=4&Result=0")] {
            let query = url.query_with(&VerificationEnd { vote, ..end });
            assert!(query.ends_with(told), "{query}");
        }
        assert_eq!(CallbackUrl::parse("http://a?b=1").unwrap().path(), "/");
    }

    #[test]
    fn what_is_no_address_is_refused() {
        for text in [
            "",
            "mysite.com/x",
            "ftp://mysite.com",
            "http://",
            "http:///x",
            "http://user@mysite.com/",
            "http://mysite.com:0/",
            "http://mysite.com:99999/",
            "http://my site.com/",
            "http://mysite.com/\r\nX: y",
            "http://[::1/",
            "http://[::1]x/",
            "http://سایت.com/",
        ] {
            assert_eq!(CallbackUrl::parse(text), None, "{text}");
        }
        assert_eq!(CallbackUrl::parse(&format!("http://a/{}", "x".repeat(2_000))), None);
    }

    #[test]
    fn our_own_machines_are_not_public() {
        for address in [
            "127.0.0.1",
            "10.1.2.3",
            "172.16.0.1",
            "192.168.1.1",
            "169.254.169.254",
            "100.64.0.1",
            "0.0.0.0",
            "198.18.0.1",
            "224.0.0.1",
            "255.255.255.255",
            "::1",
            "::",
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
            "64:ff9b::7f00:1",
            "fe80::1",
            "fd00::1",
            "ff02::1",
            "2001:db8::1",
            "2002:7f00:1::",
        ] {
            assert!(!is_public(address.parse().unwrap()), "{address}");
        }
        for address in ["93.184.216.34", "::ffff:93.184.216.34", "2606:2800:220:1::1"] {
            assert!(is_public(address.parse().unwrap()), "{address}");
        }
    }

    #[test]
    fn tries_end_after_a_day_and_a_code_is_a_key_from_one_to_nine() {
        assert_eq!((pause_after(1), pause_after(7)), (Some(5_000), Some(86_400_000)));
        assert_eq!((pause_after(0), pause_after(8)), (None, None));
        let codes: std::collections::BTreeSet<u8> = (0..100).map(code).collect();
        assert_eq!(codes.into_iter().collect::<Vec<_>>(), [1, 2, 3, 4, 5, 6, 7, 8, 9]);
    }
}
