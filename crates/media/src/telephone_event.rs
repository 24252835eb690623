//! Key presses as RTP packets (RFC 4733): events 0–15, which are the keys of a telephone.
//!
//! One press is many packets: each says how long the key has been down, and the last is sent
//! three times. All of them carry the timestamp at which the press began, which is how a press is
//! told from its repetitions.

/// Bytes of the payload (RFC 4733 §2.3).
pub const PAYLOAD_BYTES: usize = 4;
/// How often the last packet of a press is sent (RFC 4733 §2.5.1.4).
pub const END_PACKETS: u8 = 3;

const FRAME_TICKS: u16 = 160;
/// From here on a segment may end for want of room, its sender's steps being 100 ms at most.
const FULL_TICKS: u32 = 65_535 - 800;
/// What may be missing at the end of a segment, 250 ms: its last packets were lost.
const LOST_TICKS: u32 = 2_000;
/// Power in −dBm0 that we send: the usual −10.
const VOLUME: u8 = 10;

/// A key of a telephone: `0`–`9`, `*`, `#`, `A`–`D`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key(u8);

impl Key {
    const NAMES: &'static [u8; 16] = b"0123456789*#ABCD";

    /// The key of an event code 0–15 (RFC 4733 table 3).
    pub fn from_event(event: u8) -> Option<Self> {
        (event < 16).then_some(Self(event))
    }

    /// The key with this name.
    pub fn from_char(name: char) -> Option<Self> {
        let name = name.to_ascii_uppercase();
        let at = Self::NAMES.iter().position(|&known| char::from(known) == name)?;
        u8::try_from(at).ok().map(Self)
    }

    /// The key in the body of a SIP INFO, as old gateways tell keys: `Signal=5` lines
    /// (`application/dtmf-relay`) or the bare name (`application/dtmf`). Both name a key as
    /// printed, or `*`, `#` and `A`–`D` by their event codes 10 to 15. `None`: there is none.
    pub fn in_info(body: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(body).ok()?;
        let signal = text.lines().find_map(|line| {
            let (name, value) = line.split_once('=')?;
            name.trim().eq_ignore_ascii_case("signal").then_some(value)
        });
        let name = signal.unwrap_or(text).trim();
        let mut letters = name.chars();
        match (letters.next(), letters.next()) {
            (Some(letter), None) => Self::from_char(letter),
            _ => name.parse().ok().filter(|code| *code > 9).and_then(Self::from_event),
        }
    }

    /// Its event code, 0–15.
    pub fn event(self) -> u8 {
        self.0
    }

    /// Its name as printed on the telephone.
    pub fn as_char(self) -> char {
        char::from(Self::NAMES[usize::from(self.0)])
    }
}

/// The payload of one packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TelephoneEvent {
    /// Event code; 0–15 are keys, the rest are tones that we ignore.
    pub event: u8,
    /// The key has been released.
    pub end: bool,
    /// Power in −dBm0, 0–63.
    pub volume: u8,
    /// How long the key has been down, in samples at 8 kHz.
    pub duration: u16,
}

impl TelephoneEvent {
    /// Reads a payload. Bytes after the fourth are ignored; fewer are `None`.
    pub fn parse(payload: &[u8]) -> Option<Self> {
        let [event, flags, high, low] = *payload.first_chunk::<PAYLOAD_BYTES>()?;
        Some(Self {
            event,
            end: flags & 0x80 != 0,
            volume: flags & 0x3F,
            duration: u16::from_be_bytes([high, low]),
        })
    }

    /// The four bytes on the wire.
    pub fn write(&self) -> [u8; PAYLOAD_BYTES] {
        let [high, low] = self.duration.to_be_bytes();
        [self.event, (u8::from(self.end) << 7) | (self.volume & 0x3F), high, low]
    }
}

/// Turns packets into key presses, each reported once: at the first packet seen of it, so that a
/// lost packet, even the first or the last, neither hides nor delays a press.
#[derive(Debug, Clone, Default)]
pub struct KeyReceiver {
    last: Option<Press>,
}

#[derive(Debug, Clone, Copy)]
struct Press {
    ssrc: u32,
    timestamp: u32,
    event: u8,
    ended: bool,
    /// The longest that was heard.
    duration: u16,
}

impl Press {
    /// Whether what begins `ahead` ticks later is the same press: a key held for longer than a
    /// duration can say goes on in a second segment where the first one ends (RFC 4733 §2.5.1.3),
    /// which is some step of its sender before the end of what can be said.
    fn goes_on(&self, event: u8, ahead: u32) -> bool {
        let missed = ahead.saturating_sub(u32::from(self.duration));
        let full = (FULL_TICKS..=u32::from(u16::MAX)).contains(&ahead);
        !self.ended && self.event == event && full && missed <= LOST_TICKS
    }
}

impl KeyReceiver {
    /// Nothing pressed yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes the payload of a telephone-event packet with its source and timestamp.
    pub fn receive(&mut self, ssrc: u32, timestamp: u32, payload: &[u8]) -> Option<Key> {
        let packet = TelephoneEvent::parse(payload)?;
        let key = Key::from_event(packet.event)?;
        let TelephoneEvent { event, end: ended, duration, .. } = packet;
        let press = Press { ssrc, timestamp, event, ended, duration };
        let Some(last) = self.last.as_mut().filter(|last| last.ssrc == ssrc) else {
            self.last = Some(press);
            return Some(key);
        };
        let ahead = timestamp.wrapping_sub(last.timestamp);
        if ahead == 0 {
            last.ended |= ended;
            last.duration = last.duration.max(duration);
            return None;
        }
        if ahead > u32::MAX / 2 {
            // A late packet of an earlier press, which has been reported already.
            return None;
        }
        let goes_on = last.goes_on(event, ahead);
        *last = press;
        (!goes_on).then_some(key)
    }
}

/// One packet of a press that we send, due 20 ms after the one before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeyPacket {
    /// Set on the first packet of the press.
    pub marker: bool,
    /// The RTP timestamp, the same in every packet of the press.
    pub timestamp: u32,
    /// The payload.
    pub payload: [u8; PAYLOAD_BYTES],
}

/// Yields the packets of one press, one each 20 ms, the last three of them alike.
#[derive(Debug, Clone)]
pub struct KeyPress {
    key: Key,
    timestamp: u32,
    frames: u16,
    sent: u16,
}

impl KeyPress {
    /// Starts a press at RTP time `timestamp` that is held for `frames` × 20 ms, which is kept
    /// within 1–400 (8 s).
    pub fn new(key: Key, timestamp: u32, frames: u16) -> Self {
        Self { key, timestamp, frames: frames.clamp(1, 400), sent: 0 }
    }
}

impl Iterator for KeyPress {
    type Item = KeyPacket;

    fn next(&mut self) -> Option<KeyPacket> {
        let last = self.frames + u16::from(END_PACKETS) - 1;
        if self.sent >= last {
            return None;
        }
        self.sent += 1;
        let down = self.sent.min(self.frames);
        let event = TelephoneEvent {
            event: self.key.event(),
            end: down == self.frames,
            volume: VOLUME,
            duration: down * FRAME_TICKS,
        };
        Some(KeyPacket {
            marker: self.sent == 1,
            timestamp: self.timestamp,
            payload: event.write(),
        })
    }
}
