//! The story of a call, kept as it happens so that support can read it later: every message of its
//! signalling and every turn that it took, with times. Collecting it costs one small buffer a call;
//! what is collected is bounded, and what did not fit is counted.
//!
//! It must never hold text: numbers, credentials, addresses, keys and bodies have no place in it.

use std::fmt;

use media::Codec;
use media::detect::answering_machine::Verdict;
use media::detect::progress::Progress;
use sip::{Party, Sign, Signal, Timer, TracedMethod};

use crate::limits::{MAX_LADDER_BYTES, MAX_MESSAGES, MAX_RUNGS, RUNGS_FOR_THE_END};

/// Rungs that a usual call needs, so that its buffer is made once.
const USUAL_RUNGS: usize = 16;
/// The first byte of what is kept on disk; another one means another format.
const FORMAT: u8 = 1;
/// How exactly times are kept, microseconds: so that 32 bits last longer than any call.
const TICK_US: u64 = 10;
/// Set in a rung's first byte on disk when it stands for more than one message.
const REPEATED: u8 = 0x80;
/// The first byte of the first of [`TURNS`] on disk; those below are messages.
const FIRST_TURN: u8 = 0x20;
/// The first byte on disk of [`Turn::Q850`], which has a number.
const Q850: u8 = 0x7f;
/// The first byte on disk of [`Turn::LeftOut`], which has one, too.
const LEFT_OUT: u8 = 0x7e;

/// What happened in a call beside its messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turn {
    /// A message was sent or received.
    Message(Signal),
    /// A timer of the signalling has fired.
    Timer(Timer),
    /// The first description before the answer: the network may sound.
    EarlyMedia,
    /// The network's sound was recognised.
    Tone(Progress),
    /// It was answered.
    Answered,
    /// What the sound is in from now on.
    Codec(Codec),
    /// The first frame of sound was sent.
    FirstAudio,
    /// The first packet of the peer's sound came after the answer.
    FirstReceived,
    /// Something of the script was played to its end.
    ClipEnded,
    /// A key was pressed. Which one is not told here.
    Key,
    /// It was found out who answered.
    AnsweredBy(Verdict),
    /// The peer wants no sound.
    Held,
    /// The peer wants sound again.
    Resumed,
    /// The call may last no longer.
    Deadline,
    /// The INVITE, or another message, could not be delivered.
    Undeliverable,
    /// Somebody ended the call.
    HungUp(Party),
    /// The Q.850 cause that the peer gave for the end (RFC 3326).
    Q850(u8),
    /// The call is over.
    Ended,
    /// From here on, so many steps found no room.
    LeftOut(u32),
    /// The process was killed, and the next one knew this much of the call.
    Recovered(Recovered),
}

/// How far a call had got when its process was killed, by the flight recorder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Recovered {
    /// There is no record, and the call may have been dialled.
    Unrecorded,
    /// Its INVITE may have left.
    Dialled,
    /// It rang.
    Ringing,
    /// It was answered.
    Answered,
    /// It was over, and not settled.
    Ended,
}

/// The turns without a number. Their places are kept on disk: new ones go to the end.
const TURNS: [Turn; 33] = [
    Turn::Timer(Timer::B),
    Turn::Timer(Timer::F),
    Turn::Timer(Timer::H),
    Turn::Timer(Timer::Ring),
    Turn::Timer(Timer::Session),
    Turn::EarlyMedia,
    Turn::Tone(Progress::Ringing),
    Turn::Tone(Progress::Busy),
    Turn::Tone(Progress::Congestion),
    Turn::Tone(Progress::Announcement),
    Turn::Answered,
    Turn::Codec(Codec::Pcma),
    Turn::Codec(Codec::Pcmu),
    Turn::Codec(Codec::G722),
    Turn::FirstAudio,
    Turn::ClipEnded,
    Turn::Key,
    Turn::AnsweredBy(Verdict::Person),
    Turn::AnsweredBy(Verdict::Machine),
    Turn::AnsweredBy(Verdict::Unsure),
    Turn::Held,
    Turn::Resumed,
    Turn::Deadline,
    Turn::Undeliverable,
    Turn::HungUp(Party::Us),
    Turn::HungUp(Party::Peer),
    Turn::Ended,
    Turn::Recovered(Recovered::Unrecorded),
    Turn::Recovered(Recovered::Dialled),
    Turn::Recovered(Recovered::Ringing),
    Turn::Recovered(Recovered::Answered),
    Turn::Recovered(Recovered::Ended),
    Turn::FirstReceived,
];

/// One step of the story.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rung {
    /// When it happened first, in steps of [`TICK_US`] since `Start`.
    ticks: u32,
    /// How often.
    times: u16,
    turn: Turn,
}

const _: () = assert!(size_of::<Rung>() <= 20, "what a step of a call costs in memory");

impl fmt::Display for Rung {
    /// What happened, in words, and how often if it did again.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.turn)?;
        if self.times > 1 { write!(f, ", {} times", self.times) } else { Ok(()) }
    }
}

impl fmt::Display for Turn {
    /// What happened, in words. Messages carry the number of their CSeq field.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words = match *self {
            Self::Message(Signal { from, method, code, cseq }) => {
                let what = if from == Party::Us { "sent" } else { "received" };
                let name = method.name();
                return match code {
                    0 => write!(f, "{what} {name} {cseq}"),
                    _ => write!(f, "{what} {code} to {name} {cseq}"),
                };
            }
            Self::Codec(codec) => return write!(f, "codec {}", codec.encoding_name()),
            Self::Q850(cause) => return write!(f, "Q.850 cause {cause}"),
            Self::LeftOut(count) => return write!(f, "… {count} more"),
            Self::Timer(timer) => timer_words(timer),
            Self::EarlyMedia => "early media",
            Self::Tone(Progress::Ringing) => "the network sounded a ringing tone",
            Self::Tone(Progress::Busy) => "the network sounded a busy tone",
            Self::Tone(Progress::Congestion) => "the network sounded congestion",
            Self::Tone(Progress::Announcement) => "the network announced something",
            Self::Answered => "answered",
            Self::FirstAudio => "first audio",
            Self::FirstReceived => "first sound of the peer",
            Self::ClipEnded => "clip played to its end",
            Self::Key => "key pressed",
            Self::AnsweredBy(Verdict::Person) => "a person answered",
            Self::AnsweredBy(Verdict::Machine) => "a machine answered",
            Self::AnsweredBy(Verdict::Unsure) => "a person or a machine answered",
            Self::Held => "held by the peer",
            Self::Resumed => "resumed by the peer",
            Self::Deadline => "the call's deadline passed",
            Self::Undeliverable => "not deliverable",
            Self::HungUp(Party::Us) => "we hung up",
            Self::HungUp(Party::Peer) => "the peer hung up",
            Self::Ended => "end",
            Self::Recovered(how_far) => recovered_words(how_far),
        };
        f.write_str(words)
    }
}

fn timer_words(timer: Timer) -> &'static str {
    match timer {
        Timer::B => "timer B: no answer to our INVITE",
        Timer::F => "timer F: no answer to our request",
        Timer::H => "timer H: our answer was not acknowledged",
        Timer::Ring => "the ring timeout passed",
        Timer::Session => "the session timer ran out",
    }
}

fn recovered_words(how_far: Recovered) -> &'static str {
    match how_far {
        Recovered::Unrecorded => "recovered after a kill: perhaps dialled",
        Recovered::Dialled => "recovered after a kill: dialled",
        Recovered::Ringing => "recovered after a kill: ringing",
        Recovered::Answered => "recovered after a kill: answered",
        Recovered::Ended => "recovered after a kill: ended",
    }
}

impl Rung {
    /// When it happened, microseconds since `Start`; of a repeated message, when it did first.
    pub fn at_us(&self) -> u64 {
        u64::from(self.ticks) * TICK_US
    }

    /// What happened.
    pub fn turn(&self) -> Turn {
        self.turn
    }

    /// How often it happened: a message that was sent or received again, or clips that ended one
    /// after the other.
    pub fn times(&self) -> u16 {
        self.times
    }
}

/// The story of one call, its steps in the order in which they happened first.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Ladder {
    rungs: Vec<Rung>,
}

impl Ladder {
    /// The story of a call that began in another life of the program.
    pub fn recovered(at_us: u64, how_far: Recovered) -> Self {
        let mut ladder = Self::default();
        ladder.add(at_us, Turn::Recovered(how_far));
        ladder
    }

    /// The steps.
    pub fn rungs(&self) -> &[Rung] {
        &self.rungs
    }

    /// Adds what the signalling has traced. A message that is there already is one that came or
    /// went again, and is counted.
    pub(crate) fn trace(&mut self, at_us: u64, sign: Sign) {
        let turn = match sign {
            Sign::Message(signal) => Turn::Message(signal),
            Sign::Timer(timer) => Turn::Timer(timer),
        };
        match self.rungs.iter_mut().rfind(|rung| rung.turn == turn) {
            Some(rung) => rung.times = rung.times.saturating_add(1),
            None => self.add(at_us, turn),
        }
    }

    /// Adds a step. Messages leave room for the turns of the call, and all for its end. Clips that
    /// end one after the other are one step.
    pub(crate) fn add(&mut self, at_us: u64, turn: Turn) {
        if turn == Turn::ClipEnded
            && let Some(rung) = self.rungs.last_mut().filter(|rung| rung.turn == turn)
        {
            rung.times = rung.times.saturating_add(1);
            return;
        }
        let room = match turn {
            // The last place but one tells what was left out.
            Turn::Ended => MAX_RUNGS,
            Turn::Timer(_)
            | Turn::Deadline
            | Turn::Undeliverable
            | Turn::HungUp(_)
            | Turn::Q850(_) => MAX_RUNGS - 2,
            Turn::Message(_) => MAX_MESSAGES,
            _ => MAX_RUNGS - RUNGS_FOR_THE_END,
        };
        if self.rungs.len() >= room {
            return self.leave_out(at_us);
        }
        if self.rungs.capacity() == 0 {
            self.rungs.reserve_exact(USUAL_RUNGS);
        }
        self.push(at_us, turn);
    }

    fn leave_out(&mut self, at_us: u64) {
        let counts = self.rungs.iter_mut().find_map(|rung| match &mut rung.turn {
            Turn::LeftOut(count) => Some(count),
            _ => None,
        });
        match counts {
            Some(count) => *count = count.saturating_add(1),
            None => self.push(at_us, Turn::LeftOut(1)),
        }
    }

    fn push(&mut self, at_us: u64, turn: Turn) {
        let ticks = u32::try_from(at_us / TICK_US).unwrap_or(u32::MAX);
        self.rungs.push(Rung { ticks, times: 1, turn });
    }

    /// The story as few bytes, at most [`MAX_LADDER_BYTES`].
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(8 + 7 * self.rungs.len());
        bytes.push(FORMAT);
        let mut before = 0;
        for rung in &self.rungs {
            let repeated = if rung.times > 1 { REPEATED } else { 0 };
            match rung.turn {
                Turn::Message(signal) => {
                    bytes.push(message_tag(signal) | repeated);
                    put(&mut bytes, signal.code.into());
                    put(&mut bytes, signal.cseq);
                }
                Turn::Q850(cause) => bytes.extend([Q850 | repeated, cause]),
                Turn::LeftOut(count) => {
                    bytes.push(LEFT_OUT | repeated);
                    put(&mut bytes, count);
                }
                turn => bytes.push(turn_tag(turn) | repeated),
            }
            put(&mut bytes, rung.ticks.saturating_sub(before));
            before = before.max(rung.ticks);
            if repeated != 0 {
                put(&mut bytes, rung.times.into());
            }
        }
        debug_assert!(bytes.len() <= MAX_LADDER_BYTES, "the longest rungs fit");
        bytes
    }

    /// Reads what [`Ladder::encode`] wrote; `None` for anything else.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let mut bytes = bytes.iter().copied();
        if bytes.next()? != FORMAT {
            return None;
        }
        let mut ladder = Self::default();
        let mut ticks: u32 = 0;
        while let Some(first) = bytes.next() {
            if ladder.rungs.len() >= MAX_RUNGS {
                return None;
            }
            let tag = first & !REPEATED;
            let turn = match tag {
                Q850 => Turn::Q850(bytes.next()?),
                LEFT_OUT => Turn::LeftOut(take(&mut bytes)?),
                ..FIRST_TURN => Turn::Message(message(tag, &mut bytes)?),
                _ => *TURNS.get(usize::from(tag - FIRST_TURN))?,
            };
            ticks = ticks.checked_add(take(&mut bytes)?)?;
            let times = if first == tag { 1 } else { take(&mut bytes)?.try_into().ok()? };
            if times == 0 {
                return None;
            }
            ladder.rungs.push(Rung { ticks, times, turn });
        }
        Some(ladder)
    }
}

fn message_tag(signal: Signal) -> u8 {
    let place = TracedMethod::ALL.iter().position(|method| *method == signal.method);
    let method = place.and_then(|place| u8::try_from(place).ok()).expect("nine methods");
    2 * method + u8::from(signal.from == Party::Peer)
}

fn message(tag: u8, bytes: &mut impl Iterator<Item = u8>) -> Option<Signal> {
    Some(Signal {
        from: if tag.is_multiple_of(2) { Party::Us } else { Party::Peer },
        method: *TracedMethod::ALL.get(usize::from(tag / 2))?,
        code: take(bytes)?.try_into().ok()?,
        cseq: take(bytes)?,
    })
}

fn turn_tag(turn: Turn) -> u8 {
    let place = TURNS.iter().position(|known| *known == turn);
    let place = place.and_then(|place| u8::try_from(place).ok());
    FIRST_TURN + place.expect("every turn without a number stands in the table")
}

/// Writes a number, seven bits a byte, the lowest first.
fn put(bytes: &mut Vec<u8>, mut number: u32) {
    while number >= 0x80 {
        bytes.push(number.to_le_bytes()[0] | 0x80);
        number >>= 7;
    }
    bytes.push(number.to_le_bytes()[0]);
}

/// Reads a number that [`put`] wrote.
fn take(bytes: &mut impl Iterator<Item = u8>) -> Option<u32> {
    let mut number = 0_u64;
    for shift in [0, 7, 14, 21, 28] {
        let byte = bytes.next()?;
        number |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return number.try_into().ok();
        }
    }
    None
}
