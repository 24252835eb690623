//! The numbers of the sandbox: what happens when each is called.
//!
//! [`ROWS`] is the only place that knows; the carrier acts by it and `docs/SANDBOX.md` is written
//! from it.

use std::fmt::Write as _;

use media::telephone_event::Key;

/// The numbers begin with these digits, then come the three of [`Row::suffix`].
pub const PREFIX: &str = "09990000";
/// User name and password for the numbers that ask for them, unless configured otherwise.
pub const SANDBOX_CREDENTIAL: &str = "sandbox";

/// The letter in a [`Row::suffix`] that stands for any digit: the key to press.
const ANY_KEY: char = 'K';

/// What happens when a number is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Behaviour {
    /// What the caller hears at once.
    pub progress: Progress,
    /// What comes of it.
    pub then: Then,
    /// The status code with which good credentials are asked for first: 401 or 407.
    pub challenge: Option<u16>,
    /// How many of 100 datagrams are lost, each way, SIP and RTP.
    pub loss_percent: u8,
    /// What is said from the answer on.
    pub says: Says,
    /// Keys are pressed as tones in the sound, and telephone events are not agreed to.
    pub keys_in_band: bool,
}

/// What the caller hears at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// Nothing but 100 Trying.
    Trying,
    /// 180 Ringing.
    Ringing,
    /// 183 Session Progress with a description, and a tone without end by RTP.
    EarlyMedia,
    /// The same with the ringing tone of a network: 1 s on, 4 s off.
    RingingTone,
    /// The same with a voice, as when a number does not exist.
    Announcement,
}

/// What is said from the answer on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Says {
    /// Nothing.
    Nothing,
    /// A word, as a person does.
    Word,
    /// A greeting of 3 s and a beep, as a machine does.
    Greeting,
    /// A minute of talk.
    Talk,
}

/// What comes of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Then {
    /// Not one response, not even 100.
    Silence,
    /// It rings until the caller gives up.
    RingOn,
    /// It is refused.
    Refuse {
        /// How long after the INVITE, milliseconds.
        after_ms: u64,
        /// The status code.
        code: u16,
        /// The Q.850 cause in the Reason field (RFC 3326).
        q850: Option<u8>,
        /// The Retry-After field, seconds.
        retry_after_seconds: Option<u32>,
    },
    /// It is answered.
    Answer {
        /// How long after the INVITE, milliseconds.
        after_ms: u64,
        /// When we hang up, counted from the answer; `None` waits for the caller.
        hang_up_after_ms: Option<u64>,
        /// Which key we press one second after the answer.
        key: Option<Key>,
    },
}

impl Behaviour {
    /// Whether a call needs a port: it is answered, or heard before that.
    pub(crate) fn has_media(&self) -> bool {
        let early = !matches!(self.progress, Progress::Trying | Progress::Ringing);
        early || matches!(self.then, Then::Answer { .. })
    }

    /// Whether something is sent from the answer on.
    pub(crate) fn speaks(&self) -> bool {
        let presses = matches!(self.then, Then::Answer { key: Some(_), .. });
        presses || self.says != Says::Nothing
    }
}

/// One number, or ten when the suffix holds a `K`.
#[derive(Debug, Clone, Copy)]
pub struct Row {
    /// The digits after [`PREFIX`].
    pub suffix: &'static str,
    /// What happens, in words, for the documentation.
    pub does: &'static str,
    /// What happens.
    pub behaviour: Behaviour,
}

/// How long after the answer a key is pressed, milliseconds.
pub const KEY_AFTER_MS: u64 = 1_000;

/// Rings and answers after a second, then listens to the end.
const USUAL: Behaviour = Behaviour {
    progress: Progress::Ringing,
    then: Then::Answer { after_ms: 1_000, hang_up_after_ms: None, key: None },
    challenge: None,
    loss_percent: 0,
    says: Says::Nothing,
    keys_in_band: false,
};

const fn refused(after_ms: u64, code: u16, q850: u8) -> Behaviour {
    let then = Then::Refuse { after_ms, code, q850: Some(q850), retry_after_seconds: None };
    Behaviour { progress: Progress::Trying, then, ..USUAL }
}

const fn answered(progress: Progress, after_ms: u64, hang_up_after_ms: Option<u64>) -> Behaviour {
    let then = Then::Answer { after_ms, hang_up_after_ms, key: None };
    Behaviour { progress, then, ..USUAL }
}

/// Every number that is not usual.
pub const ROWS: &[Row] = &[
    Row {
        suffix: "002",
        does: "rings, answers after 1 s and hangs up 2 s later",
        behaviour: answered(Progress::Ringing, 1_000, Some(2_000)),
    },
    Row {
        suffix: "010",
        does: "rings, answers after 1 s; 10 % of all datagrams, SIP and RTP, each way, are lost",
        behaviour: Behaviour { loss_percent: 10, ..USUAL },
    },
    Row {
        suffix: "020",
        does: "answers late: rings for 20 s first",
        behaviour: answered(Progress::Ringing, 20_000, None),
    },
    Row {
        suffix: "11K",
        does: "rings, answers after 1 s and presses the key `K` (0–9) 1 s later, by RFC 4733",
        behaviour: USUAL,
    },
    Row {
        suffix: "12K",
        does: "as `11K`, but the key is two tones in the sound, and telephone events are refused",
        behaviour: Behaviour { keys_in_band: true, ..USUAL },
    },
    Row {
        suffix: "180",
        does: "rings and nobody answers",
        behaviour: Behaviour { then: Then::RingOn, ..USUAL },
    },
    Row {
        suffix: "183",
        does: "early media: 183 with a tone by RTP, answered after 2 s",
        behaviour: answered(Progress::EarlyMedia, 2_000, None),
    },
    Row {
        suffix: "184",
        does: "early media: a network's ringing tone (1 s on, 4 s off), answered after 6 s",
        behaviour: answered(Progress::RingingTone, 6_000, None),
    },
    Row {
        suffix: "185",
        does: "early media: a voice for 4 s, then 480, as from a network about a phone that is off",
        behaviour: Behaviour { progress: Progress::Announcement, ..refused(4_000, 480, 20) },
    },
    Row {
        suffix: "200",
        does: "answers at once, without ringing",
        behaviour: answered(Progress::Trying, 0, None),
    },
    Row {
        suffix: "301",
        does: "an answering machine: rings, answers after 1 s, talks for 3 s, beeps and listens",
        behaviour: Behaviour { says: Says::Greeting, ..USUAL },
    },
    Row {
        suffix: "302",
        does: "a person: rings, answers after 1 s, says a word and listens",
        behaviour: Behaviour { says: Says::Word, ..USUAL },
    },
    Row {
        suffix: "303",
        does: "rings, answers after 1 s and talks for a minute, for what records it",
        behaviour: Behaviour { says: Says::Talk, ..USUAL },
    },
    Row {
        suffix: "401",
        does: "asks for digest with 401, then rings and answers after 1 s",
        behaviour: Behaviour { challenge: Some(401), ..USUAL },
    },
    Row { suffix: "404", does: "no such number: 404", behaviour: refused(0, 404, 1) },
    Row {
        suffix: "407",
        does: "asks for digest with 407, then rings and answers after 1 s",
        behaviour: Behaviour { challenge: Some(407), ..USUAL },
    },
    Row {
        suffix: "408",
        does: "no response at all, not even 100 Trying",
        behaviour: Behaviour { progress: Progress::Trying, then: Then::Silence, ..USUAL },
    },
    Row {
        suffix: "480",
        does: "switched off or out of reach: 480 after 1 s, without ringing",
        behaviour: refused(1_000, 480, 20),
    },
    Row { suffix: "486", does: "busy: 486", behaviour: refused(0, 486, 17) },
    Row {
        suffix: "503",
        does: "the trunk fails: 503 with `Retry-After: 5`",
        behaviour: Behaviour {
            then: Then::Refuse {
                after_ms: 0,
                code: 503,
                q850: Some(34),
                retry_after_seconds: Some(5),
            },
            progress: Progress::Trying,
            ..USUAL
        },
    },
    Row {
        suffix: "603",
        does: "rings, rejected by the callee after 1 s: 603",
        behaviour: Behaviour { progress: Progress::Ringing, ..refused(1_000, 603, 21) },
    },
];

/// What happens when `number` is called: `09990000486`, `+989990000486`, `989990000486` and
/// `00989990000486` are the same. Anything outside the table is usual: it rings, answers after a
/// second and listens until the caller hangs up.
pub fn behaviour(number: &str) -> Behaviour {
    let national = ["+98", "0098", "98", "0"]
        .into_iter()
        .find_map(|prefix| number.strip_prefix(prefix))
        .unwrap_or(number);
    let Some(suffix) = national.strip_prefix(&PREFIX[1..]) else { return USUAL };
    ROWS.iter().find_map(|row| row.matches(suffix)).unwrap_or(USUAL)
}

impl Row {
    fn matches(&self, suffix: &str) -> Option<Behaviour> {
        let mut behaviour = self.behaviour;
        if suffix.len() != self.suffix.len() {
            return None;
        }
        for (wanted, digit) in self.suffix.chars().zip(suffix.chars()) {
            if wanted == ANY_KEY && digit.is_ascii_digit() {
                if let Then::Answer { key, .. } = &mut behaviour.then {
                    *key = Key::from_char(digit);
                }
            } else if wanted != digit {
                return None;
            }
        }
        Some(behaviour)
    }
}

/// How `docs/SANDBOX.md` begins.
const INTRODUCTION: &str = "# The sandbox carrier

When no trunk is configured, calls go to a carrier that is part of the program. It speaks real SIP
and RTP on a socket of its own, so everything between the API and the wire is the same as with a
real trunk, and the number called decides what happens.

This file is written from `crates/carrier/src/numbers.rs`; change it there and run the tests of
`carrier` with `UPDATE_DOCS=1`.

| Number | What happens |
|---|---|
| any other | rings, answers after 1 s and listens until the caller hangs up |
";

/// The text of `docs/SANDBOX.md`.
pub fn markdown() -> String {
    let mut text = INTRODUCTION.to_owned();
    for row in ROWS {
        writeln!(text, "| `{PREFIX}{}` | {} |", row.suffix, row.does)
            .expect("writing into a String never fails");
    }
    write!(
        text,
        "
`{PREFIX}486`, `+98{short}486`, `98{short}486` and `0098{short}486` are the same number. Times
count from the INVITE. A refusal carries the Q.850 cause in its Reason field, as mobile networks do.

The numbers that ask for digest, by MD5 and by SHA-256, want the user `{SANDBOX_CREDENTIAL}` with
the password `{SANDBOX_CREDENTIAL}`. A carrier that is configured with credentials wants those, at
every number. A caller without telephone-event in its offer hears no key but those of `12K`.

The carrier takes PCMA and PCMU in the caller's order, holds and re-offers, and an INVITE without an
offer. It sends audio back only where the table speaks of a tone, a voice or a key (silence around
it; the voices are made by arithmetic and say nothing), unless told to send silence on every call. It hangs up on a caller from whom no packet has come for
a minute, and refuses with 503 when all its media ports are taken.
",
        short = &PREFIX[1..]
    )
    .expect("writing into a String never fails");
    text
}
