//! Descriptions read, tolerantly: a line that we do not need is skipped, however it looks.
//!
//! Only an `m=` line that cannot be read, or too much of anything, refuses the whole body,
//! because the answer would otherwise speak of other lines than the offer.

use std::net::IpAddr;

use super::crypto::{CryptoLine, MAX_CRYPTO};
use super::{Connection, Description, Direction, Map, Media};

/// The longest body that is read, bytes.
pub const MAX_BODY_BYTES: usize = 16 * 1024;
/// The most lines that are read.
pub const MAX_LINES: usize = 512;
/// The most `m=` lines.
pub const MAX_MEDIA: usize = 16;
/// The most formats, and the most `a=rtpmap` lines, of one `m=` line.
pub const MAX_FORMATS: usize = 64;
/// The longest word that is kept, bytes: session ids, host names, encodings.
const MAX_WORD_BYTES: usize = 255;

/// Why a body was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Malformed {
    /// It does not begin with `v=`.
    NotSdp,
    /// More bytes, lines, media or formats than the limits of this module.
    TooLarge,
    /// An `m=` line that cannot be read.
    MediaLine,
}

impl Description {
    /// Reads a body. Lines may end in CRLF, LF or CR; bytes need not be UTF-8.
    pub fn parse(body: &[u8]) -> Result<Self, Malformed> {
        if body.len() > MAX_BODY_BYTES {
            return Err(Malformed::TooLarge);
        }
        let mut lines = lines(body);
        if !lines.next().is_some_and(|line| line.starts_with(b"v=")) {
            return Err(Malformed::NotSdp);
        }
        let mut description = Self::default();
        for (count, line) in lines.enumerate() {
            if count >= MAX_LINES {
                return Err(Malformed::TooLarge);
            }
            let Some(equals) = memchr::memchr(b'=', line) else { continue };
            if let [kind @ (b'o' | b'c' | b'm' | b'a')] = line[..equals].trim_ascii() {
                let value = String::from_utf8_lossy(line[equals + 1..].trim_ascii());
                description.read_line(*kind, &value)?;
            }
        }
        Ok(description)
    }

    fn read_line(&mut self, kind: u8, value: &str) -> Result<(), Malformed> {
        match kind {
            b'o' => self.read_origin(value),
            b'c' => {
                if let Some(connection) = parse_connection(value) {
                    match self.media.last_mut() {
                        Some(media) => media.connection = Some(connection),
                        None => self.connection = Some(connection),
                    }
                }
            }
            b'm' if self.media.len() >= MAX_MEDIA => return Err(Malformed::TooLarge),
            b'm' => self.media.push(parse_media(value)?),
            _ => return self.read_attribute(value),
        }
        Ok(())
    }

    fn read_origin(&mut self, value: &str) {
        let mut words = value.split_ascii_whitespace().skip(1);
        let mut digits = || words.next().filter(|word| word.len() <= MAX_WORD_BYTES);
        if let (Some(id), Some(version)) = (digits(), digits()) {
            id.clone_into(&mut self.session_id);
            version.clone_into(&mut self.session_version);
        }
    }

    fn read_attribute(&mut self, value: &str) -> Result<(), Malformed> {
        let (name, value) = value.split_once(':').unwrap_or((value, ""));
        if let Some(direction) = parse_direction(name.trim()) {
            match self.media.last_mut() {
                Some(media) => media.direction = Some(direction),
                None => self.direction = Some(direction),
            }
        }
        let Some(media) = self.media.last_mut() else { return Ok(()) };
        if name.eq_ignore_ascii_case("rtpmap") {
            if media.maps.len() >= MAX_FORMATS {
                return Err(Malformed::TooLarge);
            }
            media.maps.extend(parse_map(value));
        } else if name.eq_ignore_ascii_case("ptime") {
            media.ptime_ms = value.trim().parse().ok();
        } else if name.eq_ignore_ascii_case("rtcp-mux") {
            media.rtcp_mux = true;
        } else if name.eq_ignore_ascii_case("rtcp") {
            media.rtcp = parse_rtcp(value);
        } else if name.eq_ignore_ascii_case("crypto") && media.crypto.len() < MAX_CRYPTO {
            media.crypto.extend(CryptoLine::parse(value));
        }
        Ok(())
    }
}

/// The lines that are not empty.
fn lines(body: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = body;
    std::iter::from_fn(move || {
        while !rest.is_empty() {
            let end = memchr::memchr2(b'\n', b'\r', rest).unwrap_or(rest.len());
            let line = &rest[..end];
            rest = rest.get(end + 1..).unwrap_or_default();
            if !line.is_empty() {
                return Some(line);
            }
        }
        None
    })
}

fn parse_direction(name: &str) -> Option<Direction> {
    [Direction::SendRecv, Direction::SendOnly, Direction::RecvOnly, Direction::Inactive]
        .into_iter()
        .find(|direction| name.eq_ignore_ascii_case(direction.name()))
}

/// `IN IP4 192.0.2.1`, with a multicast TTL or count after a slash ignored.
fn parse_connection(value: &str) -> Option<Connection> {
    let address = value.split_ascii_whitespace().nth(2)?;
    let address = address.split('/').next()?.trim_matches(['[', ']']);
    if address.len() > MAX_WORD_BYTES {
        return None;
    }
    Some(match address.parse::<IpAddr>() {
        Ok(literal) => Connection::Address(literal),
        Err(_) => Connection::Name(address.to_owned()),
    })
}

/// `53020 IN IP4 192.0.2.1`, the address being optional (RFC 3605 §2.1).
fn parse_rtcp(value: &str) -> Option<(u16, Option<IpAddr>)> {
    let mut words = value.split_ascii_whitespace();
    let port = words.next()?.parse().ok().filter(|&port| port != 0)?;
    Some((port, words.nth(2).and_then(|address| address.parse().ok())))
}

/// `audio 49170 RTP/AVP 0 8 101`, with a number of ports after a slash ignored.
fn parse_media(value: &str) -> Result<Media, Malformed> {
    let mut words = value.split_ascii_whitespace();
    let mut word =
        || words.next().filter(|word| word.len() <= MAX_WORD_BYTES).ok_or(Malformed::MediaLine);
    let (kind, port, protocol) = (word()?.to_owned(), word()?, word()?.to_owned());
    let port = port.split('/').next().and_then(|port| port.parse().ok());
    let port = port.ok_or(Malformed::MediaLine)?;
    let mut formats = String::with_capacity(value.len());
    for (count, format) in words.enumerate() {
        if count >= MAX_FORMATS {
            return Err(Malformed::TooLarge);
        }
        if count > 0 {
            formats.push(' ');
        }
        formats.push_str(format);
    }
    Ok(Media { kind, port, protocol, formats, ..Media::default() })
}

/// `101 telephone-event/8000`, with a number of channels ignored.
fn parse_map(value: &str) -> Option<Map> {
    let (payload_type, rest) = value.trim().split_once(char::is_whitespace)?;
    let mut parts = rest.trim().split('/');
    let encoding = parts.next().filter(|name| name.len() <= MAX_WORD_BYTES)?.trim();
    let clock_rate_hz = parts.next()?.trim().parse().ok()?;
    let payload_type = payload_type.parse().ok().filter(|&number: &u8| number < 128)?;
    Some(Map { payload_type, encoding: encoding.to_owned(), clock_rate_hz })
}
