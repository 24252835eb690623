//! Bytes to message (RFC 3261 §7, §18.3): every limit and every ambiguity is refused here, so
//! that later code may trust the fields it was promised.

use std::fmt;

use super::header::{CSeq, Via, number};
use super::{Headers, Message, Method, Name, NameAddr, Request, Response, Uri};
use crate::limits::{Limits, MAX_TOKEN_BYTES};

/// Why a datagram is not a message we accept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Malformed {
    /// More bytes than [`Limits::message_bytes`].
    TooLong,
    /// More fields than [`Limits::header_fields`].
    TooManyFields,
    /// The first line is neither a request line nor a status line.
    StartLine,
    /// A SIP version other than 2.0.
    Version,
    /// A header line without a name and a colon, or a stray line end.
    Line,
    /// A field that may stand once stands twice.
    Duplicate(Name),
    /// A field every message needs is absent.
    Missing(Name),
    /// A value breaks the grammar.
    Value(Name),
    /// Content-Length is not a number or claims more than there is.
    ContentLength,
    /// The method of CSeq is not that of the request.
    MethodMismatch,
    /// A text that is not a URI.
    Uri,
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLong => f.write_str("the message is too long"),
            Self::TooManyFields => f.write_str("the message has too many header fields"),
            Self::StartLine => f.write_str("the first line is not SIP"),
            Self::Version => f.write_str("the SIP version is not 2.0"),
            Self::Line => f.write_str("a header line is broken"),
            Self::Duplicate(name) => write!(f, "{} stands twice", name.text()),
            Self::Missing(name) => write!(f, "{} is missing", name.text()),
            Self::Value(name) => write!(f, "the value of {} is broken", name.text()),
            Self::ContentLength => f.write_str("Content-Length does not fit the message"),
            Self::MethodMismatch => f.write_str("CSeq names another method"),
            Self::Uri => f.write_str("the text is not a URI"),
        }
    }
}

impl std::error::Error for Malformed {}

/// Reads one datagram. Line ends before the message are skipped (§7.5), bytes after
/// Content-Length are ignored (§18.3).
///
/// # Errors
/// The first reason found why this is no acceptable message.
pub fn parse(bytes: &[u8], limits: &Limits) -> Result<Message, Malformed> {
    if bytes.len() > limits.message_bytes {
        return Err(Malformed::TooLong);
    }
    let skip = bytes.iter().take_while(|b| matches!(b, b'\r' | b'\n')).count();
    let bytes = &bytes[skip..];
    let (line, rest) = split_line(bytes).ok_or(Malformed::StartLine)?;
    let start = StartLine::parse(line)?;
    let (headers, rest) = fields(rest, limits)?;
    check(&headers, &start)?;
    let body = body(&headers, rest)?.to_vec();
    Ok(match start {
        StartLine::Request(method, uri) => Message::Request(Request { method, uri, headers, body }),
        StartLine::Status(code, reason) => {
            Message::Response(Response { code, reason: reason.to_vec(), headers, body })
        }
    })
}

/// The line before the next CRLF and what follows it. A lone CR or LF is no line end.
fn split_line(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = memchr::memchr(b'\r', bytes)?;
    (bytes.get(end + 1) == Some(&b'\n')).then(|| (&bytes[..end], &bytes[end + 2..]))
}

enum StartLine<'a> {
    Request(Method, Uri),
    Status(u16, &'a [u8]),
}

impl<'a> StartLine<'a> {
    fn parse(line: &'a [u8]) -> Result<Self, Malformed> {
        if line.get(..4).is_some_and(|start| start.eq_ignore_ascii_case(b"SIP/")) {
            return Self::status(line);
        }
        let mut words = line.splitn(3, |b| *b == b' ');
        let method = words.next().and_then(Method::parse).ok_or(Malformed::StartLine)?;
        let uri = words.next().ok_or(Malformed::StartLine)?;
        let version = words.next().ok_or(Malformed::StartLine)?;
        if !version.eq_ignore_ascii_case(b"SIP/2.0") {
            let other = version.get(..4).is_some_and(|v| v.eq_ignore_ascii_case(b"SIP/"));
            let clean = other && !version.contains(&b' ');
            return Err(if clean { Malformed::Version } else { Malformed::StartLine });
        }
        let uri = Uri::parse(uri)?;
        if uri.has_headers() {
            return Err(Malformed::Uri);
        }
        Ok(Self::Request(method, uri))
    }

    fn status(line: &'a [u8]) -> Result<Self, Malformed> {
        let (version, rest) = line.split_at(line.len().min(7));
        if !version.eq_ignore_ascii_case(b"SIP/2.0") {
            return Err(Malformed::Version);
        }
        let rest = rest.strip_prefix(b" ").ok_or(Malformed::StartLine)?;
        let (digits, reason) = rest.split_at(rest.len().min(3));
        let code = number::<u16>(digits).filter(|c| (100..700).contains(c) && digits.len() == 3);
        // The space after the code may be absent when the phrase is empty: some peers do that.
        let reason = match reason {
            b"" => Some(reason),
            _ => reason.strip_prefix(b" "),
        };
        match (code, reason) {
            (Some(code), Some(reason)) => Ok(Self::Status(code, reason)),
            _ => Err(Malformed::StartLine),
        }
    }
}

/// Reads the header fields up to the empty line and gives what follows it.
fn fields<'a>(bytes: &'a [u8], limits: &Limits) -> Result<(Headers, &'a [u8]), Malformed> {
    let mut headers = Headers::with_capacity(bytes.len().min(2048), 24);
    let mut rest = bytes;
    loop {
        let (_, after) = split_line(rest).ok_or(Malformed::Line)?;
        let mut end = after;
        let mut length = rest.len() - after.len() - 2;
        if length == 0 {
            return Ok((headers, after));
        }
        // A line that starts with white space continues the one before (§7.3.1).
        while matches!(end.first(), Some(b' ' | b'\t')) {
            let (_, next) = split_line(end).ok_or(Malformed::Line)?;
            end = next;
            length = rest.len() - next.len() - 2;
        }
        if headers.len() == limits.header_fields {
            return Err(Malformed::TooManyFields);
        }
        let line = &rest[..length];
        let colon = memchr::memchr(b':', line).ok_or(Malformed::Line)?;
        let name = line[..colon].trim_ascii_end();
        if !super::header::is_token(name) || has_lone_feed(&line[colon..]) {
            return Err(Malformed::Line);
        }
        headers.push_token(name, &line[colon + 1..]);
        rest = end;
    }
}

/// A line feed that is not part of CRLF would end the field for another reader.
fn has_lone_feed(value: &[u8]) -> bool {
    memchr::memchr_iter(b'\n', value).any(|at| at == 0 || value[at - 1] != b'\r')
}

/// The fields every message needs, and the ones whose meaning must be unique.
fn check(headers: &Headers, start: &StartLine<'_>) -> Result<(), Malformed> {
    if let Some(name) = headers.duplicate() {
        return Err(Malformed::Duplicate(name));
    }
    let need = |name| headers.get(name).ok_or(Malformed::Missing(name));
    need(Name::Via)?;
    for value in headers.all(Name::Via) {
        via_elements(value)?;
    }
    for name in [Name::From, Name::To] {
        let tag = NameAddr::check(need(name)?, name)?;
        if tag.is_some_and(|tag| tag.len() > MAX_TOKEN_BYTES) {
            return Err(Malformed::Value(name));
        }
    }
    let call_id = need(Name::CallId)?;
    let strange = |b: &u8| b.is_ascii_whitespace() || b.is_ascii_control();
    if call_id.is_empty() || call_id.len() > MAX_TOKEN_BYTES || call_id.iter().any(strange) {
        return Err(Malformed::Value(Name::CallId));
    }
    let cseq = CSeq::parse(need(Name::CSeq)?)?;
    if let StartLine::Request(method, _) = start {
        if cseq.method != *method {
            return Err(Malformed::MethodMismatch);
        }
        if let Some(hops) = headers.get(Name::MaxForwards) {
            number::<u8>(hops).ok_or(Malformed::Value(Name::MaxForwards))?;
        }
        for value in headers.elements(Name::Contact).filter(|value| *value != b"*") {
            NameAddr::check(value, Name::Contact)?;
        }
    }
    Ok(())
}

/// A Via line must be a list without holes, each element whole: we echo it in every response.
fn via_elements(value: &[u8]) -> Result<(), Malformed> {
    for element in value.split(|b| *b == b',') {
        let via = Via::parse(super::header::trim(element))?;
        if via.branch.len() > MAX_TOKEN_BYTES {
            return Err(Malformed::Value(Name::Via));
        }
    }
    Ok(())
}

/// The body: Content-Length bytes, or on a datagram without that field all that is left (§18.3).
fn body<'a>(headers: &Headers, rest: &'a [u8]) -> Result<&'a [u8], Malformed> {
    match headers.get(Name::ContentLength) {
        None => Ok(rest),
        Some(value) => {
            let length = number::<usize>(value).ok_or(Malformed::ContentLength)?;
            rest.get(..length).ok_or(Malformed::ContentLength)
        }
    }
}
