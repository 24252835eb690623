//! The layout of one slot: checksum, mark, phase, call, how much was heard, and the body of the
//! phase. A slot of zeros is free.

use std::sync::Arc;

use app::dialing::NodeStamp;
use domain::{NodeId, Status};
use engine::{CallKey, DialogSnapshot, Outcome, record_of};

use super::bytes::{Reader, Writer, checksum};
use super::outcome;

/// The size of a slot, bytes. A divisor of every page and sector size in use.
pub const SLOT_BYTES: usize = 512;

/// One slot as it stands in the file.
pub type SlotImage = [u8; SLOT_BYTES];

/// A free slot.
pub(super) const FREE: SlotImage = [0; SLOT_BYTES];

const CALL_MARK: [u8; 4] = *b"AVC2";
const HEADER_MARK: [u8; 4] = *b"AVH2";
/// The checksum covers everything after itself.
const CHECKSUM_BYTES: usize = 8;

/// A call as the recorder remembers it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordedCall {
    /// Which call.
    pub call: CallKey,
    /// How far it came.
    pub phase: Phase,
}

/// How far a recorded call came. A call without a slot never had its INVITE sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Phase {
    /// Phase 5: it may have been dialled, and whatever became of it was recorded elsewhere or lost.
    Unknown,
    /// Phase 1: its INVITE may have left.
    Dialled,
    /// Phase 2: the far end rang.
    Ringing,
    /// Phase 3: it was answered.
    Answered {
        /// What is needed to hang up; `None` when it did not fit or cannot be read.
        dialog: Option<Arc<DialogSnapshot>>,
        /// How much of the clip had been sent when it was last written down, milliseconds.
        heard_ms: u32,
    },
    /// Phase 4: it is over, and this is all that is known of it.
    Ended(Box<Outcome>),
}

impl Phase {
    /// What the call's customer may have been told.
    pub(crate) fn status(&self) -> Status {
        match self {
            Self::Ringing => Status::Ringing,
            Self::Answered { .. } => Status::Answered,
            Self::Ended(outcome) if outcome.answered => Status::Answered,
            Self::Ended(outcome) if outcome.timeline.ringing_us.is_some() => Status::Ringing,
            Self::Unknown | Self::Dialled | Self::Ended(_) => Status::Calling,
        }
    }
}

/// The first slot of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Header {
    /// Which boot of the machine wrote the file, and for which database.
    pub(super) origin: String,
    /// The last epoch in which calls were recorded in it.
    pub(super) served: NodeStamp,
    /// Where that process was reached, which is part of the names of its calls.
    pub(super) at: String,
}

/// What a slot turned out to hold.
pub(super) enum Reading {
    Free,
    Call(Box<RecordedCall>),
    /// Bytes that nobody wrote whole.
    Torn,
}

/// A [`Phase`] to be written, borrowed.
#[derive(Debug, Clone, Copy)]
pub(super) enum Written<'a> {
    Unknown,
    Dialled,
    Ringing,
    Answered { dialog: Option<&'a DialogSnapshot>, heard_ms: u32 },
    Ended(&'a Outcome),
}

impl<'a> From<&'a Phase> for Written<'a> {
    fn from(phase: &'a Phase) -> Self {
        match phase {
            Phase::Unknown => Self::Unknown,
            Phase::Dialled => Self::Dialled,
            Phase::Ringing => Self::Ringing,
            Phase::Answered { dialog, heard_ms } => {
                Self::Answered { dialog: dialog.as_deref(), heard_ms: *heard_ms }
            }
            Phase::Ended(outcome) => Self::Ended(outcome),
        }
    }
}

pub(super) fn encode(call: CallKey, phase: Written<'_>) -> SlotImage {
    image(CALL_MARK, |to| {
        to.u8(code(phase));
        to.u64(call.0);
        match phase {
            Written::Unknown | Written::Dialled | Written::Ringing => {}
            Written::Answered { dialog, heard_ms } => {
                to.u32(heard_ms);
                let dialog = dialog.and_then(record_of);
                to.option(dialog, |to, bytes| to.counted(&bytes));
            }
            Written::Ended(outcome) => outcome::write(to, outcome),
        }
    })
}

pub(super) fn decode(slot: &[u8]) -> Reading {
    if slot.iter().all(|&byte| byte == 0) {
        return Reading::Free;
    }
    match body(slot, CALL_MARK).and_then(|body| read_call(&mut Reader(body))) {
        Some(call) => Reading::Call(Box::new(call)),
        None => Reading::Torn,
    }
}

pub(super) fn encode_header(header: &Header) -> SlotImage {
    image(HEADER_MARK, |to| {
        to.counted(header.origin.as_bytes());
        to.i64(header.served.node.0);
        to.i64(header.served.epoch);
        to.counted(header.at.as_bytes());
    })
}

/// The header, if it is whole.
pub(super) fn decode_header(slot: &[u8]) -> Option<Header> {
    let mut from = Reader(body(slot, HEADER_MARK)?);
    let origin = String::from_utf8(from.counted()?.to_vec()).ok()?;
    let served = NodeStamp { node: NodeId(from.i64()?), epoch: from.i64()? };
    // Earlier programs left zeros here, which are no place.
    let at = String::from_utf8(from.counted()?.to_vec()).ok()?;
    Some(Header { origin, served, at })
}

fn code(phase: Written<'_>) -> u8 {
    match phase {
        Written::Dialled => 1,
        Written::Ringing => 2,
        Written::Answered { .. } => 3,
        Written::Ended(_) => 4,
        Written::Unknown => 5,
    }
}

fn read_call(from: &mut Reader<'_>) -> Option<RecordedCall> {
    let phase = from.u8()?;
    let call = CallKey(from.u64()?);
    let phase = match phase {
        1 => Phase::Dialled,
        2 => Phase::Ringing,
        3 => {
            let heard_ms = from.u32()?;
            let dialog = from.option(Reader::counted)?.and_then(DialogSnapshot::decode);
            Phase::Answered { dialog: dialog.map(Arc::new), heard_ms }
        }
        4 => Phase::Ended(Box::new(outcome::read(from)?)),
        5 => Phase::Unknown,
        _ => return None,
    };
    Some(RecordedCall { call, phase })
}

fn image(mark: [u8; 4], write: impl FnOnce(&mut Writer<'_>)) -> SlotImage {
    let mut image = FREE;
    let mut to = Writer::new(&mut image[CHECKSUM_BYTES..]);
    to.bytes(&mark);
    write(&mut to);
    to.finish().expect("the engine's limits keep snapshots, reasons and keys below a slot");
    let sum = checksum(&image[CHECKSUM_BYTES..]);
    image[..CHECKSUM_BYTES].copy_from_slice(&sum.to_le_bytes());
    image
}

/// What follows the mark in a whole slot.
fn body(slot: &[u8], mark: [u8; 4]) -> Option<&[u8]> {
    let mut from = Reader(slot);
    if from.u64()? != checksum(slot.get(CHECKSUM_BYTES..)?) {
        return None;
    }
    (from.bytes(mark.len())? == mark).then_some(from.0)
}
