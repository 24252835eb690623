//! The grammar inside header field values (RFC 3261 §25.1): parameters, lists, addresses, Via,
//! CSeq. Everything borrows; nothing here allocates except [`NameAddr`].

use super::bytes::ByteSet;
use super::{Headers, Malformed, Method, Name, Uri, valid_host};

/// The bytes of tokens (RFC 3261 §25.1).
const TOKEN: ByteSet = ByteSet::alphanumeric_and(b"-.!%*_+`'~");

/// Whether `text` is a token (RFC 3261 §25.1).
pub fn is_token(text: &[u8]) -> bool {
    !text.is_empty() && TOKEN.has_all(text)
}

/// A whole decimal number that fits `T`; nothing else may stand beside it.
pub fn number<T: TryFrom<u64>>(text: &[u8]) -> Option<T> {
    if text.is_empty() {
        return None;
    }
    let mut value = 0_u64;
    for byte in text {
        let digit = byte.is_ascii_digit().then(|| u64::from(byte - b'0'))?;
        value = value.checked_mul(10)?.checked_add(digit)?;
    }
    T::try_from(value).ok()
}

/// The values of a header field in the bytes of a message, up to its body: for who must know one
/// field before the message is read. Nothing else is checked. A folded value is given as it came.
pub(crate) fn values<'a>(
    message: &'a [u8],
    name: &'static [u8],
    compact: &'static [u8],
) -> impl Iterator<Item = &'a [u8]> {
    let mut rest = message;
    let lines = std::iter::from_fn(move || {
        let mut end = memchr::memchr(b'\n', rest)?;
        let is_last = matches!(rest[..end], [] | [b'\r']);
        while !is_last && matches!(rest.get(end + 1), Some(b' ' | b'\t')) {
            end += 1 + memchr::memchr(b'\n', &rest[end + 1..])?;
        }
        let line = &rest[..end];
        rest = &rest[end + 1..];
        Some(line)
    });
    // The first is no field.
    lines.skip(1).take_while(|line| !matches!(line, [] | [b'\r'])).filter_map(move |line| {
        let colon = memchr::memchr(b':', line)?;
        let found = line[..colon].trim_ascii_end();
        let wanted = found.eq_ignore_ascii_case(name) || found.eq_ignore_ascii_case(compact);
        wanted.then(|| trim(&line[colon + 1..]))
    })
}

/// The Call-ID of a message that nobody has read yet, for who must know first whose it is. The
/// message may turn out to be none.
pub fn call_id(message: &[u8]) -> Option<&[u8]> {
    values(without_pings(message), b"Call-ID", b"i").next()
}

/// Whether a message that nobody has read yet belongs to something that we began: a response, or a
/// request within a dialog.
pub fn is_for_us(message: &[u8]) -> bool {
    let message = without_pings(message);
    message.starts_with(b"SIP/2.0 ") || values(message, b"To", b"t").next().and_then(tag).is_some()
}

fn without_pings(message: &[u8]) -> &[u8] {
    let pings = message.iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
    &message[pings..]
}

/// Without white space at both ends, line ends included.
pub fn trim(text: &[u8]) -> &[u8] {
    text.trim_ascii()
}

/// Appends a value as one line: outer white space dropped, each fold one space (§7.3.1).
pub(crate) fn unfold(value: &[u8], into: &mut Vec<u8>) {
    let value = trim(value);
    if memchr::memchr2(b'\r', b'\n', value).is_none() {
        into.extend_from_slice(value);
        return;
    }
    for (index, line) in value.split(|b| *b == b'\r' || *b == b'\n').enumerate() {
        let line = if index == 0 { line.trim_ascii_end() } else { trim(line) };
        if line.is_empty() {
            continue;
        }
        if index > 0 {
            into.push(b' ');
        }
        into.extend_from_slice(line);
    }
}

/// The end of the quoted string that starts at `text[0]`, past its closing quote.
fn quoted_end(text: &[u8]) -> Option<usize> {
    let mut at = 1;
    loop {
        match text.get(at)? {
            b'\\' => at += 2,
            b'"' => return Some(at + 1),
            _ => at += 1,
        }
    }
}

/// Where the first `stop` stands outside quotes and angle brackets; the length if nowhere.
/// `None` when a quote or bracket is never closed.
fn find_outside(text: &[u8], stop: u8) -> Option<usize> {
    let mut at = 0;
    while let Some(found) = memchr::memchr3(stop, b'"', b'<', &text[at..]) {
        at += found;
        match text[at] {
            b'"' => at += quoted_end(&text[at..])?,
            b'<' => at += memchr::memchr(b'>', &text[at..])? + 1,
            _ => return Some(at),
        }
    }
    Some(text.len())
}

/// Splits a comma-separated list outside quotes and angle brackets; empty elements are skipped.
/// An unclosed quote makes the rest one element.
pub fn elements(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = Some(value);
    std::iter::from_fn(move || {
        loop {
            let text = rest?;
            let end = find_outside(text, b',').unwrap_or(text.len());
            rest = text.get(end + 1..);
            let element = trim(&text[..end]);
            if !element.is_empty() {
                return Some(element);
            }
        }
    })
}

/// Walks `;name=value;name` (a leading separator is optional); values keep their quotes.
pub fn params(text: &[u8], separator: u8) -> impl Iterator<Item = (&[u8], Option<&[u8]>)> {
    let mut rest = Some(text);
    std::iter::from_fn(move || {
        loop {
            let text = rest?;
            let end = find_outside(text, separator).unwrap_or(text.len());
            rest = text.get(end + 1..);
            let one = trim(&text[..end]);
            if one.is_empty() {
                continue;
            }
            return Some(match memchr::memchr(b'=', one) {
                Some(equals) => (trim(&one[..equals]), Some(trim(&one[equals + 1..]))),
                None => (one, None),
            });
        }
    })
}

/// The value of one parameter in `;a=b;c`; empty when it stands without a value.
pub fn param<'a>(text: &'a [u8], name: &str) -> Option<&'a [u8]> {
    params(text, b';')
        .find(|(found, _)| found.eq_ignore_ascii_case(name.as_bytes()))
        .map(|(_, value)| value.unwrap_or_default())
}

/// Reads `;a=b;c` whose names must be tokens and of which none may be empty, and gives the value of
/// one of them, empty when there is none. One walk, since every message has several of these.
fn checked_params<'a>(text: &'a [u8], wanted: &[u8]) -> Option<&'a [u8]> {
    let text = trim(text);
    let mut found = None;
    if text.is_empty() {
        return Some(b"");
    }
    let mut rest = text.strip_prefix(b";")?;
    loop {
        let end = find_outside(rest, b';')?;
        let one = trim(&rest[..end]);
        let (name, value) = match memchr::memchr(b'=', one) {
            Some(equals) => (trim(&one[..equals]), trim(&one[equals + 1..])),
            None => (one, b"".as_slice()),
        };
        if !is_token(name) {
            return None;
        }
        if found.is_none() && name.eq_ignore_ascii_case(wanted) {
            found = Some(value);
        }
        match rest.get(end + 1..) {
            Some(more) => rest = more,
            None => return Some(found.unwrap_or_default()),
        }
    }
}

/// The content of a quoted string with its escapes undone; other text as it is.
pub fn unquote(text: &[u8]) -> Vec<u8> {
    let Some(inner) = text.strip_prefix(b"\"").and_then(|t| t.strip_suffix(b"\"")) else {
        return text.to_vec();
    };
    let mut plain = Vec::with_capacity(inner.len());
    let mut bytes = inner.iter();
    while let Some(byte) = bytes.next() {
        plain.extend(if *byte == b'\\' { bytes.next() } else { Some(byte) });
    }
    plain
}

/// A body that is a session description: by its type, or untyped.
pub(crate) fn sdp<'a>(headers: &Headers, body: &'a [u8]) -> Option<&'a [u8]> {
    let is_sdp = headers.get(Name::ContentType).is_none_or(|value| {
        let kind = value.split(|b| *b == b';').next().unwrap_or_default();
        trim(kind).eq_ignore_ascii_case(b"application/sdp")
    });
    (is_sdp && !body.is_empty()).then_some(body)
}

/// A CSeq value (RFC 3261 §20.16).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CSeq {
    /// The sequence number, below 2³¹.
    pub number: u32,
    /// The method of the request.
    pub method: Method,
}

impl CSeq {
    /// Reads `4711 INVITE`.
    ///
    /// # Errors
    /// [`Malformed::Value`] when the number is 2³¹ or more or the method is not a token.
    pub fn parse(value: &[u8]) -> Result<Self, Malformed> {
        let mut words = value.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
        let mut read = || {
            let number = words.next().and_then(number::<u32>).filter(|n| *n < 1 << 31)?;
            let method = Method::parse(words.next()?)?;
            words.next().is_none().then_some(Self { number, method })
        };
        read().ok_or(Malformed::Value(Name::CSeq))
    }
}

/// One Via element (RFC 3261 §20.42), borrowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Via<'a> {
    /// `UDP`, `TCP`, …, as written.
    pub transport: &'a [u8],
    /// The sent-by host, an IPv6 literal with its brackets.
    pub host: &'a [u8],
    /// The sent-by port, when written.
    pub port: Option<u16>,
    /// The parameters from the first `;` on.
    pub params: &'a [u8],
    /// The branch; empty when there is none (an RFC 2543 peer).
    pub branch: &'a [u8],
}

impl<'a> Via<'a> {
    /// Reads `SIP/2.0/UDP host:port;branch=…`; white space is allowed where the grammar has it.
    ///
    /// # Errors
    /// [`Malformed::Value`] when the protocol, host, port or parameters break the grammar.
    pub fn parse(value: &'a [u8]) -> Result<Self, Malformed> {
        Self::read(value).ok_or(Malformed::Value(Name::Via))
    }

    fn read(value: &'a [u8]) -> Option<Self> {
        let semicolon = memchr::memchr(b';', value).unwrap_or(value.len());
        let (front, params) = value.split_at(semicolon);
        let mut parts = front.splitn(3, |b| *b == b'/');
        let (protocol, version) = (trim(parts.next()?), trim(parts.next()?));
        if !protocol.eq_ignore_ascii_case(b"SIP") || version != b"2.0" {
            return None;
        }
        let branch = checked_params(params, b"branch")?;
        let rest = trim(parts.next()?);
        let space = rest.iter().position(u8::is_ascii_whitespace)?;
        let (transport, sent_by) = (&rest[..space], trim(&rest[space..]));
        let host_end = match sent_by.first()? {
            b'[' => memchr::memchr(b']', sent_by)? + 1,
            _ => memchr::memchr(b':', sent_by).unwrap_or(sent_by.len()),
        };
        let host = trim(&sent_by[..host_end]);
        let port = match trim(&sent_by[host_end..]) {
            b"" => None,
            text => Some(number(trim(text.strip_prefix(b":")?))?),
        };
        let valid = is_token(transport) && valid_host(host);
        valid.then_some(Self { transport, host, port, params, branch })
    }
}

/// The parts of `"name" <uri>;params` or `uri;params`, borrowed and checked.
struct Parts<'a> {
    display: &'a [u8],
    uri: &'a [u8],
    params: &'a [u8],
    /// Empty when there is none.
    tag: &'a [u8],
}

impl<'a> Parts<'a> {
    fn tag(&self) -> Option<&'a [u8]> {
        (!self.tag.is_empty()).then_some(self.tag)
    }
}

fn parts(value: &[u8]) -> Option<Parts<'_>> {
    let value = trim(value);
    let open = match value.first()? {
        b'"' => {
            let end = quoted_end(value)?;
            let gap = value[end..].iter().position(|b| !b.is_ascii_whitespace())?;
            (value[end + gap] == b'<').then_some(Some(end + gap))?
        }
        _ => memchr::memchr(b'<', value),
    };
    let Some(open) = open else {
        // Without brackets, everything after the first semicolon belongs to the field, and the
        // URI may hold neither a comma nor a question mark (RFC 3261 §20).
        let end = memchr::memchr(b';', value).unwrap_or(value.len());
        let (uri, params) = value.split_at(end);
        let (uri, tag) = (trim(uri), checked_params(params, b"tag")?);
        let bare = memchr::memchr2(b',', b'?', uri).is_none();
        return bare.then_some(Parts { display: b"", uri, params, tag });
    };
    let close = open + memchr::memchr(b'>', &value[open..])?;
    let (display, params) = (trim(&value[..open]), &value[close + 1..]);
    let tokens = |b: &u8| TOKEN.has(*b) || b.is_ascii_whitespace() || *b >= 0x80;
    let named = display.first() == Some(&b'"') || display.iter().all(tokens);
    let tag = checked_params(params, b"tag")?;
    let uri = &value[open + 1..close];
    named.then_some(Parts { display, uri, params: trim(params), tag })
}

/// An address with an optional display name and field parameters: the value of From, To,
/// Contact, Route and Record-Route (RFC 3261 §20.10).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NameAddr {
    /// The display name as written, quotes included; empty when there is none. Not always UTF-8.
    pub display: Vec<u8>,
    /// The address.
    pub uri: Uri,
    /// The field parameters (`;tag=…`) from the first `;` on.
    pub params: Vec<u8>,
}

impl NameAddr {
    /// An address without name and parameters.
    pub fn new(uri: Uri) -> Self {
        Self { display: Vec::new(), uri, params: Vec::new() }
    }

    /// The same address with a display name, quoted and escaped as needed.
    #[must_use]
    pub fn with_display(mut self, name: &str) -> Self {
        self.display = Vec::with_capacity(name.len() + 2);
        self.display.push(b'"');
        for byte in name.bytes().filter(|b| !b.is_ascii_control()) {
            if matches!(byte, b'"' | b'\\') {
                self.display.push(b'\\');
            }
            self.display.push(byte);
        }
        self.display.push(b'"');
        self
    }

    /// Reads one address.
    ///
    /// # Errors
    /// [`Malformed::Value`] naming `field` when the value breaks the grammar.
    pub fn parse(value: &[u8], field: Name) -> Result<Self, Malformed> {
        let parts = parts(value).ok_or(Malformed::Value(field))?;
        let uri = Uri::in_field(parts.uri, field)?;
        Ok(Self { display: parts.display.to_vec(), uri, params: parts.params.to_vec() })
    }

    /// A field parameter (case-insensitive name); empty when it has no value.
    pub fn param(&self, name: &str) -> Option<&[u8]> {
        param(&self.params, name)
    }

    /// The tag (RFC 3261 §19.3).
    pub fn tag(&self) -> Option<&[u8]> {
        self.param("tag").filter(|tag| !tag.is_empty())
    }

    /// Appends the address as it stands in a header field.
    pub fn write(&self, into: &mut Vec<u8>) {
        self.write_plain(into);
        into.extend_from_slice(&self.params);
    }

    /// Appends the address without its field parameters.
    pub(crate) fn write_plain(&self, into: &mut Vec<u8>) {
        if !self.display.is_empty() {
            into.extend_from_slice(&self.display);
            into.push(b' ');
        }
        into.push(b'<');
        into.extend_from_slice(self.uri.as_bytes());
        into.push(b'>');
    }

    /// The tag of a value that is an address, found without keeping anything of it.
    ///
    /// # Errors
    /// As [`NameAddr::parse`].
    pub(super) fn check(value: &[u8], field: Name) -> Result<Option<&[u8]>, Malformed> {
        let parts = parts(value).filter(|parts| Uri::is_valid(parts.uri));
        Ok(parts.ok_or(Malformed::Value(field))?.tag())
    }
}

impl From<Uri> for NameAddr {
    fn from(uri: Uri) -> Self {
        Self::new(uri)
    }
}

/// The tag of a From or To value, without building the address.
pub fn tag(value: &[u8]) -> Option<&[u8]> {
    parts(value)?.tag()
}

/// The URI text of a Route, Record-Route or Contact element, without building the address.
pub(crate) fn address_of(value: &[u8]) -> Option<&[u8]> {
    parts(value).map(|parts| parts.uri)
}

/// The cause of a Reason field of protocol Q.850 (RFC 3326), such as `Q.850;cause=16`.
pub fn q850(headers: &Headers) -> Option<u8> {
    headers.elements(Name::Reason).find_map(|value| {
        let (protocol, params) = value.split_at(memchr::memchr(b';', value)?);
        if !trim(protocol).eq_ignore_ascii_case(b"Q.850") {
            return None;
        }
        number(param(params, "cause")?)
    })
}

/// The seconds of Retry-After (RFC 3261 §20.33); comment and parameters are ignored.
pub fn retry_after_seconds(headers: &Headers) -> Option<u32> {
    let value = headers.get(Name::RetryAfter)?;
    let digits = value.iter().take_while(|b| b.is_ascii_digit()).count();
    number(&value[..digits])
}
