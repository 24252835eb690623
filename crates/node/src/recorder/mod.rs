//! The flight recorder: one small fixed slot per live call, written before the datagrams of the
//! same step leave, so that after a kill it is known what was dialled. It is used inside the
//! shard's thread; it must never wait for anything but its file.
//!
//! It survives the death of the process through the page cache and promises nothing across a
//! loss of power. The header names the origin of the file (the boot that wrote it, the database it
//! was written for) and the last epoch it has served: a file of another origin vouches for nothing,
//! and no file vouches for calls that were dialled while another one was in use
//! (docs/decisions/0028).

mod bytes;
mod outcome;
mod slot;

use std::collections::BTreeMap;
use std::sync::Arc;

use app::dialing::NodeStamp;
use engine::{
    CallKey, Cause, DialogSnapshot, Event, Keys, Ladder, Outcome, Refusal, RtpSummary, Timeline,
};

pub use slot::{Phase, RecordedCall, SLOT_BYTES, SlotImage};

use slot::{Reading, Written};

use crate::shard::shard_of;

/// Why a slot could not be written or read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SlotError(pub String);

impl std::fmt::Display for SlotError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "flight recorder: {}", self.0)
    }
}

impl std::error::Error for SlotError {}

/// Where slots are kept. Slot `n` lies at byte `n` × [`SLOT_BYTES`]. What was written is there for
/// the next process even if this one is killed the moment `write_at` returns.
pub trait SlotFile {
    /// Replaces slot `slot`.
    ///
    /// # Errors
    /// The storage failed (a full disk, for one); the slot may be torn.
    fn write_at(&mut self, slot: u32, bytes: &SlotImage) -> Result<(), SlotError>;

    /// Everything there is, in order; nothing when the file is new.
    ///
    /// # Errors
    /// The storage failed.
    fn read_all(&mut self) -> Result<Vec<u8>, SlotError>;
}

/// A recorder: of a whole node while it starts, then split into one for each of its shards. They
/// share a file, in which each has slots of its own; so however many shards the next process has,
/// it finds all calls, and one header vouches for all of them.
#[derive(Debug)]
pub struct Recorder<F> {
    file: F,
    origin: String,
    /// The last epoch that the file has served whole: of calls leased until then, those that are
    /// not in it were not dialled. `None` when the file is new, torn or of another origin.
    served: Option<NodeStamp>,
    /// Where the process was reached that wrote it, as its calls were named.
    at: String,
    live: BTreeMap<CallKey, Place>,
    /// The slots of the file, the header left out.
    slots: u32,
    /// Slots that may be written to, the next one last. Slot 0 is the header.
    free: Vec<u32>,
    /// What was found when it was opened, until the node takes it.
    found: Vec<RecordedCall>,
    write_errors: u64,
}

#[derive(Debug)]
struct Place {
    slot: u32,
    /// What the file holds, except that a failed write is behind.
    stage: Stage,
}

/// How far a live call came; of one that is over, the file alone knows how it ended.
#[derive(Debug)]
enum Stage {
    Unknown,
    Dialled,
    Ringing,
    Answered { dialog: Option<Arc<DialogSnapshot>>, heard_ms: u32 },
    Ended,
}

impl From<&Phase> for Stage {
    fn from(phase: &Phase) -> Self {
        match phase {
            Phase::Unknown => Self::Unknown,
            Phase::Dialled => Self::Dialled,
            Phase::Ringing => Self::Ringing,
            Phase::Answered { dialog, heard_ms } => {
                Self::Answered { dialog: dialog.clone(), heard_ms: *heard_ms }
            }
            Phase::Ended(_) => Self::Ended,
        }
    }
}

impl Stage {
    /// The stage that an event leads to, or `None` when it changes nothing worth a write.
    fn after(&self, event: &Event) -> Option<Self> {
        match (self, event) {
            (Self::Ended, _) => None,
            (_, Event::Ended { .. }) => Some(Self::Ended),
            (Self::Dialled, Event::Ringing { .. } | Event::EarlyMedia { .. }) => {
                Some(Self::Ringing)
            }
            (Self::Dialled | Self::Ringing, Event::Answered { dialog, .. }) => {
                Some(Self::Answered { dialog: Some(Arc::clone(dialog)), heard_ms: 0 })
            }
            (Self::Answered { dialog, .. }, Event::Progress { heard_ms, .. }) => {
                Some(Self::Answered { dialog: dialog.clone(), heard_ms: *heard_ms })
            }
            _ => None,
        }
    }

    /// As it is written; the end of a call is written from its outcome.
    fn written(&self) -> Option<Written<'_>> {
        Some(match self {
            Self::Unknown => Written::Unknown,
            Self::Dialled => Written::Dialled,
            Self::Ringing => Written::Ringing,
            Self::Answered { dialog, heard_ms } => {
                Written::Answered { dialog: dialog.as_deref(), heard_ms: *heard_ms }
            }
            Self::Ended => return None,
        })
    }
}

/// The longest origin that is kept, in characters of up to four bytes.
const ORIGIN_CHARS_MAX: usize = 64;
/// The longest place that is kept: an address with a port of each family.
const PLACE_CHARS_MAX: usize = 96;

impl<F: SlotFile> Recorder<F> {
    /// Opens the file and reads what an earlier process left. `origin` names the running boot of
    /// the machine and the database that the calls stand in; `slots` is how many calls there may be
    /// at once. Calls found beyond that are kept too.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn open_file(mut file: F, origin: &str, slots: u32) -> Result<Self, SlotError> {
        let origin: String = origin.chars().take(ORIGIN_CHARS_MAX).collect();
        let bytes = file.read_all()?;
        let mut images = bytes.chunks(SLOT_BYTES);
        let header = images.next().and_then(slot::decode_header);
        let at = header.as_ref().map(|header| header.at.clone()).unwrap_or_default();
        let mut recorder = Self {
            file,
            served: header.filter(|header| header.origin == origin).map(|header| header.served),
            origin,
            at,
            live: BTreeMap::new(),
            slots,
            free: Vec::new(),
            found: Vec::new(),
            write_errors: 0,
        };
        let mut taken = std::collections::BTreeSet::new();
        for (slot, image) in (1..).zip(images) {
            recorder.read_slot(slot, image, &mut taken);
        }
        recorder.free = (1..=slots).rev().filter(|slot| !taken.contains(slot)).collect();
        Ok(recorder)
    }

    fn read_slot(&mut self, slot: u32, image: &[u8], taken: &mut std::collections::BTreeSet<u32>) {
        match slot::decode(image) {
            Reading::Free => {}
            Reading::Torn => self.served = None,
            Reading::Call(recorded) => {
                taken.insert(slot);
                self.slots = self.slots.max(slot);
                self.live
                    .insert(recorded.call, Place { slot, stage: Stage::from(&recorded.phase) });
                self.found.push(*recorded);
            }
        }
    }

    /// Writes down that the INVITE of `call` may leave. To be called before the engine is given
    /// the call; on `Err` the engine must not be given it, and the event is what to report instead.
    ///
    /// # Errors
    /// The end of the call, refused because it could not be written down.
    pub fn open(&mut self, call: CallKey, clip_ms: u32) -> Result<(), Event> {
        if self.live.contains_key(&call) {
            return Ok(());
        }
        let recorded = RecordedCall { call, phase: Phase::Dialled };
        if self.free.pop().is_some_and(|slot| self.take(slot, &recorded).is_ok()) {
            return Ok(());
        }
        Err(Event::Ended { call, outcome: Box::new(refused(clip_ms)) })
    }

    /// Writes down what happened in a step, once for each call. To be called before the datagrams
    /// of the step are sent. Events of calls without a slot are ignored.
    pub fn note<'a>(&mut self, events: impl IntoIterator<Item = &'a Event>) {
        let mut changed: BTreeMap<CallKey, Option<&Outcome>> = BTreeMap::new();
        for event in events {
            let Some(call) = call_of(event) else { continue };
            let Some(place) = self.live.get_mut(&call) else { continue };
            if let Some(stage) = place.stage.after(event) {
                place.stage = stage;
                let ended = match event {
                    Event::Ended { outcome, .. } => Some(&**outcome),
                    _ => None,
                };
                changed.insert(call, ended);
            }
        }
        for (call, ended) in changed {
            let Some(place) = self.live.get(&call) else { continue };
            let Some(phase) = ended.map(Written::Ended).or_else(|| place.stage.written()) else {
                continue;
            };
            if self.file.write_at(place.slot, &slot::encode(call, phase)).is_err() {
                self.write_errors += 1;
            }
        }
    }

    /// Frees the slot of a call whose settlement is durable. It goes on naming that call until it
    /// is used again, which recovery passes over: that spares every call a write.
    pub fn release(&mut self, call: CallKey) {
        if let Some(place) = self.live.remove(&call) {
            self.free.push(place.slot);
        }
    }

    /// One recorder for each shard of the node, with the records of its calls and room for `each`
    /// calls in all. To be called when the node has started.
    #[must_use]
    pub fn split(mut self, shards: usize, each: u32) -> Vec<Self>
    where
        F: Clone,
    {
        let each = usize::try_from(each).unwrap_or(usize::MAX);
        let mut parts: Vec<Self> = (0..shards.max(1))
            .map(|_| Self {
                file: self.file.clone(),
                origin: self.origin.clone(),
                served: self.served,
                at: self.at.clone(),
                live: BTreeMap::new(),
                slots: self.slots,
                free: Vec::new(),
                found: Vec::new(),
                write_errors: 0,
            })
            .collect();
        for (call, place) in self.live {
            parts[shard_of(call, shards)].live.insert(call, place);
        }
        // Where earlier calls lie unevenly, the file becomes longer.
        let mut next = self.slots;
        for part in &mut parts {
            while part.live.len() + part.free.len() < each {
                part.free.push(self.free.pop().unwrap_or_else(|| {
                    next += 1;
                    next
                }));
            }
            part.free.reverse();
        }
        parts
    }

    /// Takes over the record of a call that this file does not have yet.
    /// Where there is no room left, the file becomes longer: a start must not fail for that.
    pub(crate) fn adopt(&mut self, recorded: &RecordedCall) -> Result<(), SlotError> {
        let slot = self.free.pop().unwrap_or_else(|| {
            self.slots += 1;
            self.slots
        });
        self.take(slot, recorded)
    }

    fn take(&mut self, slot: u32, recorded: &RecordedCall) -> Result<(), SlotError> {
        let image = slot::encode(recorded.call, Written::from(&recorded.phase));
        if let Err(error) = self.file.write_at(slot, &image) {
            self.write_errors += 1;
            self.free.insert(0, slot);
            return Err(error);
        }
        self.live.insert(recorded.call, Place { slot, stage: Stage::from(&recorded.phase) });
        Ok(())
    }

    /// What was found at opening, once.
    pub(crate) fn take_found(&mut self) -> Vec<RecordedCall> {
        std::mem::take(&mut self.found)
    }

    /// Whether a call that was leased under `leased` and is not in this file is known not to have
    /// been dialled. `taken` is the epoch that begins: a file that has served it already knows
    /// another past than the database, which is a copy from before.
    pub(crate) fn vouches_for(&self, leased: NodeStamp, taken: NodeStamp) -> bool {
        self.served.is_some_and(|served| {
            served.node == leased.node && leased.epoch <= served.epoch && served.epoch < taken.epoch
        })
    }

    /// Whether the process that wrote it was reached here: then peers know its calls by the names
    /// that this one would give them (RFC 3261 §9.1, §17.2.3).
    pub(crate) fn was_at(&self, at: &str) -> bool {
        at.chars().take(PLACE_CHARS_MAX).eq(self.at.chars())
    }

    /// Notes that nothing is known any more of how far a call came.
    pub(crate) fn forget(&mut self, call: CallKey) -> Result<(), SlotError> {
        let Some(slot) = self.live.get(&call).map(|place| place.slot) else { return Ok(()) };
        self.take(slot, &RecordedCall { call, phase: Phase::Unknown })
    }

    /// Makes the file serve an epoch: from now on a missing call of it, or of any before it, was
    /// not dialled. Every earlier call of which that is not sure must have been adopted before.
    pub(crate) fn begin_epoch(&mut self, taken: NodeStamp, at: &str) -> Result<(), SlotError> {
        let at: String = at.chars().take(PLACE_CHARS_MAX).collect();
        let header = slot::Header { origin: self.origin.clone(), served: taken, at: at.clone() };
        self.file.write_at(0, &slot::encode_header(&header))?;
        (self.served, self.at) = (Some(taken), at);
        Ok(())
    }

    /// Writes that failed since the start. Each is a call refused, or a step of a call that a
    /// later recovery will not know of.
    pub fn write_errors(&self) -> u64 {
        self.write_errors
    }

    /// How many slots are in use.
    pub fn len(&self) -> usize {
        self.live.len()
    }

    /// Whether no slot is in use.
    pub fn is_empty(&self) -> bool {
        self.live.is_empty()
    }
}

/// The call that an event is about.
pub(crate) fn call_of(event: &Event) -> Option<CallKey> {
    match event {
        Event::Dialling { call }
        | Event::Ringing { call }
        | Event::EarlyMedia { call }
        | Event::Answered { call, .. }
        | Event::FirstAudio { call }
        | Event::Progress { call, .. }
        | Event::Key { call, .. }
        | Event::Ended { call, .. }
        | Event::Abandoned { call, .. } => Some(*call),
        // A call that came in is nobody's attempt: there is nothing to recover.
        Event::Incoming { .. }
        | Event::NotAnswered { .. }
        | Event::SecondLeg { .. }
        | Event::PhoneRegistered { .. }
        | Event::PhoneGone { .. }
        | Event::TrunkRegistration { .. }
        | Event::TrunkLeft { .. }
        | Event::TrunkChecked { .. } => None,
    }
}

/// The outcome of a call that could not be written down and was therefore not placed.
pub(crate) fn refused(clip_ms: u32) -> Outcome {
    Outcome {
        cause: Cause::Refused(Refusal::Full),
        sip_code: None,
        sip_reason: None,
        q850: None,
        retry_after_s: None,
        answered: false,
        heard_ms: 0,
        clip_ms,
        heard_to_end: false,
        keys: Keys::default(),
        vote: None,
        answered_by: None,
        early_media: None,
        timeline: Timeline::default(),
        rtp: RtpSummary::default(),
        codec: None,
        ladder: Ladder::default(),
    }
}
