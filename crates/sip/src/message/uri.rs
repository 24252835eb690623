//! Addresses: `sip:`, `sips:` and `tel:` URIs (RFC 3261 §19.1, RFC 3966), kept as they were
//! written so that printing gives back the same bytes.

use std::fmt;
use std::io::Write as _;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::ops::Range;
use std::str::FromStr;

use super::bytes::ByteSet;
use super::{Malformed, Name};
use crate::transport::{Hop, Transport};

/// The scheme of a [`Uri`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scheme {
    /// `sip:`.
    Sip,
    /// `sips:`.
    Sips,
    /// `tel:` (RFC 3966): the user part is the number, there is no host.
    Tel,
    /// Another scheme with valid syntax; a server refuses it with 416.
    Other,
}

/// A checked URI and the places of its parts. Equality is that of the bytes.
#[derive(Clone, PartialEq, Eq)]
pub struct Uri {
    text: Box<[u8]>,
    parts: Parts,
}

/// Where the parts of a URI stand in its text.
#[derive(Clone, PartialEq, Eq)]
struct Parts {
    scheme: Scheme,
    user: Range<u16>,
    host: Range<u16>,
    port: Option<u16>,
    params: Range<u16>,
}

impl Uri {
    /// Reads a URI; the whole of `text` must be one.
    ///
    /// # Errors
    /// [`Malformed::Uri`] when it has no scheme, an empty or broken host, a port above 65535,
    /// white space, control characters, quotes or angle brackets, or more than 4096 bytes.
    pub fn parse(text: &[u8]) -> Result<Self, Malformed> {
        parse(text).map(|parts| Self { text: text.into(), parts }).ok_or(Malformed::Uri)
    }

    /// Whether `text` is one.
    pub(super) fn is_valid(text: &[u8]) -> bool {
        parse(text).is_some()
    }

    /// As [`Uri::sip`], with the transport when it is not UDP: where we are reached.
    pub fn at(user: &str, hop: Hop) -> Self {
        let mut text = Vec::with_capacity(64 + user.len());
        Self::write(user, hop, &mut text);
        Self::parse(&text).expect("an escaped user and a socket address make a valid URI")
    }

    /// `sip:user@address:port`; an empty `user` gives `sip:address:port`.
    ///
    /// Bytes of `user` that may not stand there are percent-encoded (RFC 3261 §19.1.2).
    pub fn sip(user: &str, address: SocketAddr) -> Self {
        Self::at(user, Hop::udp(address))
    }

    /// Appends what [`Uri::at`] makes.
    pub(crate) fn write(user: &str, hop: Hop, into: &mut Vec<u8>) {
        into.extend_from_slice(b"sip:");
        if !user.is_empty() {
            escape_user(user.as_bytes(), into);
            into.push(b'@');
        }
        write!(into, "{}", hop.address).expect("a vector takes whatever is written to it");
        if hop.transport != Transport::Udp {
            into.extend_from_slice(b";transport=");
            into.extend(hop.transport.name().bytes().map(|byte| byte.to_ascii_lowercase()));
        }
    }

    /// The bytes as they were written.
    pub fn as_bytes(&self) -> &[u8] {
        &self.text
    }

    /// The scheme.
    pub fn scheme(&self) -> Scheme {
        self.parts.scheme
    }

    /// The user part without password, still percent-encoded; the number of a `tel:` URI.
    pub fn user(&self) -> &[u8] {
        self.slice(&self.parts.user)
    }

    /// The host as written, an IPv6 literal with its brackets; empty for `tel:`.
    pub fn host(&self) -> &[u8] {
        self.slice(&self.parts.host)
    }

    /// The port, when one is written.
    pub fn port(&self) -> Option<u16> {
        self.parts.port
    }

    /// The value of a URI parameter (case-insensitive name); empty when it has no value.
    pub fn param(&self, name: &str) -> Option<&[u8]> {
        super::header::param(self.slice(&self.parts.params), name)
    }

    /// Whether header fields follow a question mark, which no Request-URI may have (§19.1.1).
    pub(crate) fn has_headers(&self) -> bool {
        let after = usize::from(self.parts.params.end);
        matches!(self.parts.scheme, Scheme::Sip | Scheme::Sips)
            && self.text.get(after) == Some(&b'?')
    }

    /// The transport that the URI asks for: its parameter, else TLS for `sips:` (RFC 3263 §4.1).
    /// `None` when it leaves the choice to us, or names one that we do not know.
    pub fn transport(&self) -> Option<Transport> {
        match (self.parts.scheme, self.param("transport")) {
            (Scheme::Sips, _) => Some(Transport::Tls),
            (_, Some(name)) => Transport::named(name),
            (_, None) => None,
        }
    }

    /// The address to send to without DNS: an IP literal host and its port (5060 when absent,
    /// 5061 for TLS).
    pub fn socket_addr(&self) -> Option<SocketAddr> {
        let ip = literal(self.host())?;
        let port =
            self.parts.port.unwrap_or_else(|| self.transport().unwrap_or_default().default_port());
        Some(SocketAddr::new(ip, port))
    }

    fn slice(&self, range: &Range<u16>) -> &[u8] {
        &self.text[usize::from(range.start)..usize::from(range.end)]
    }
}

impl fmt::Display for Uri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&String::from_utf8_lossy(&self.text))
    }
}

impl fmt::Debug for Uri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Uri({self})")
    }
}

impl FromStr for Uri {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<Self, Malformed> {
        Self::parse(text.as_bytes())
    }
}

/// Percent-encodes what may not stand in a user part (RFC 3261 §25.1 `user`).
fn escape_user(user: &[u8], into: &mut Vec<u8>) {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    for &byte in user {
        if byte.is_ascii_alphanumeric() || b"-_.!~*'()&=+$,;?/".contains(&byte) {
            into.push(byte);
        } else {
            into.push(b'%');
            into.push(HEX[usize::from(byte >> 4)]);
            into.push(HEX[usize::from(byte & 15)]);
        }
    }
}

/// An IPv4 address or a bracketed IPv6 address.
pub(crate) fn literal(host: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(host).ok()?;
    match text.strip_prefix('[') {
        Some(rest) => Ipv6Addr::from_str(rest.strip_suffix(']')?).ok().map(IpAddr::V6),
        None => Ipv4Addr::from_str(text).ok().map(IpAddr::V4),
    }
}

fn scheme_of(text: &[u8]) -> Option<(Scheme, usize)> {
    let colon = memchr::memchr(b':', text)?;
    let name = &text[..colon];
    let valid = name.first().is_some_and(u8::is_ascii_alphabetic)
        && name.iter().all(|b| b.is_ascii_alphanumeric() || b"+-.".contains(b));
    let scheme = match name {
        _ if !valid => return None,
        n if n.eq_ignore_ascii_case(b"sip") => Scheme::Sip,
        n if n.eq_ignore_ascii_case(b"sips") => Scheme::Sips,
        n if n.eq_ignore_ascii_case(b"tel") => Scheme::Tel,
        _ => Scheme::Other,
    };
    Some((scheme, colon + 1))
}

/// What may stand anywhere in a URI.
const VISIBLE: ByteSet = ByteSet::visible_but(b"<>\"");
/// What may stand in a host that is no IPv6 address. Underscores occur in practice.
const HOST: ByteSet = ByteSet::alphanumeric_and(b"-._");

fn parse(text: &[u8]) -> Option<Parts> {
    if text.len() > 4096 || !VISIBLE.has_all(text) {
        return None;
    }
    let (scheme, start) = scheme_of(text)?;
    let mut parts = Parts { scheme, user: 0..0, host: 0..0, port: None, params: 0..0 };
    match scheme {
        Scheme::Sip | Scheme::Sips => hierarchical(text, start, &mut parts)?,
        Scheme::Tel => telephone(text, start, &mut parts)?,
        Scheme::Other if start == text.len() => return None,
        Scheme::Other => {}
    }
    Some(parts)
}

/// `user:password@host:port;params?headers`.
fn hierarchical(text: &[u8], start: usize, uri: &mut Parts) -> Option<()> {
    // An unescaped `@` cannot stand in host, parameters or headers, so the last one ends the user.
    let host_start = match memchr::memrchr(b'@', &text[start..]) {
        Some(at) => {
            let info = &text[start..start + at];
            let user = memchr::memchr(b':', info).unwrap_or(info.len());
            if user == 0 || info.contains(&b'@') {
                return None;
            }
            uri.user = range(start, start + user);
            start + at + 1
        }
        None => start,
    };
    let rest = &text[host_start..];
    let host_length = match rest.first()? {
        b'[' => memchr::memchr(b']', rest)? + 1,
        _ => memchr::memchr3(b':', b';', b'?', rest).unwrap_or(rest.len()),
    };
    let host = &rest[..host_length];
    if !valid_host(host) {
        return None;
    }
    uri.host = range(host_start, host_start + host_length);
    let mut at = host_start + host_length;
    if text.get(at) == Some(&b':') {
        let digits = text[at + 1..].iter().take_while(|b| b.is_ascii_digit()).count();
        uri.port = Some(super::header::number(&text[at + 1..at + 1 + digits])?);
        at += 1 + digits;
    }
    let end = memchr::memchr(b'?', &text[at..]).map_or(text.len(), |mark| at + mark);
    if at < end && text[at] != b';' {
        return None;
    }
    uri.params = range(at, end);
    Some(())
}

/// `number;params`.
fn telephone(text: &[u8], start: usize, uri: &mut Parts) -> Option<()> {
    let length = memchr::memchr(b';', &text[start..]).unwrap_or(text.len() - start);
    let number = &text[start..start + length];
    let digits = number.strip_prefix(b"+").unwrap_or(number);
    let valid = |b: &u8| b.is_ascii_hexdigit() || b"-.()*#".contains(b);
    if digits.is_empty() || !digits.iter().all(valid) {
        return None;
    }
    uri.user = range(start, start + length);
    uri.params = range(start + length, text.len());
    Some(())
}

/// A host name, an IPv4 address, or a bracketed IPv6 address.
pub(crate) fn valid_host(host: &[u8]) -> bool {
    if host.first() == Some(&b'[') {
        return literal(host).is_some();
    }
    !host.is_empty() && HOST.has_all(host)
}

fn range(from: usize, to: usize) -> Range<u16> {
    let short = |at| u16::try_from(at).expect("a URI is at most 4096 bytes");
    short(from)..short(to)
}

impl From<&Uri> for super::NameAddr {
    fn from(uri: &Uri) -> Self {
        Self::new(uri.clone())
    }
}

impl Uri {
    /// The field this module reports when a URI inside a header field is refused.
    pub(crate) fn in_field(text: &[u8], field: Name) -> Result<Self, Malformed> {
        Self::parse(text).map_err(|_| Malformed::Value(field))
    }
}
