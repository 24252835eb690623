//! A call script: all that a call does once it is answered, as data. The one place where the
//! behaviour of a call is described; [`crate::place`] follows it.
//!
//! A script is checked when it is made and shared by every call that follows it. It may branch and
//! go back, and it always ends: steps and transitions are counted. It never says whom to call or
//! what that costs.

use std::sync::Arc;

use media::Codec;
use media::detect::answering_machine::Timing;
use media::detect::progress::{NetworkTone, TONES_425};

use crate::io::{Clip, Credentials, Srtp, Target};
use crate::keys::{KeySet, Keys};
use crate::limits::{
    BEEP_WAIT_MS, MAX_BRANCHES, MAX_BRIDGE_RECORDING_MS, MAX_CLIPS, MAX_KEYS, MAX_RECORDING_MS,
    MAX_STEPS,
};

/// A checked script. The call is hung up after its last step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Script {
    steps: Vec<Step>,
    message: Option<usize>,
    in_band_keys: bool,
    machine: Option<Arc<MachineDetection>>,
}

/// A place in a script: the number of a step, the first being 0. One past the last is the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Label(pub u8);

/// One thing to do. What comes after it is the next step, unless it says otherwise.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Plays what the call is for: what was heard of it is [`crate::Outcome::heard_ms`]. A script
    /// has one of these at most; one without is for the conversation of its bridge, if it has one.
    Message(Play),
    /// Plays anything else: a greeting, the digits of a number.
    Play(Play),
    /// Plays one clip over and over, for as long as this or until a key that stops it.
    Loop {
        /// What is played.
        clip: Arc<Clip>,
        /// For how long, milliseconds.
        for_ms: u32,
        /// Keys that end it.
        barge_in: KeySet,
    },
    /// Waits for keys.
    Gather(Gather),
    /// Records what the peer says.
    Record(Record),
    /// Rings somebody else and joins the two: each hears the other.
    Bridge(Bridge),
    /// In the script of a [`SecondLeg`]: is joined with the leg that rang it, until that leaves.
    /// The first leg waits for this step. Elsewhere there is nobody to join, and the script goes
    /// on.
    Join,
    /// Goes on elsewhere.
    GoTo(Label),
    /// Ends the call.
    HangUp,
}

/// Clips to be played one after another, without a gap.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Play {
    /// The clips, at most [`MAX_CLIPS`].
    pub clips: Vec<Arc<Clip>>,
    /// Keys that cut it off. The key counts for the next [`Gather`] all the same.
    pub barge_in: KeySet,
}

impl Play {
    /// One clip that nothing cuts off.
    pub fn whole(clip: Arc<Clip>) -> Self {
        Self { clips: vec![clip], barge_in: KeySet::NONE }
    }

    /// The digits of a number, said one by one: `digits` has a clip for each of 0 to 9. What is no
    /// digit is passed over, and so is what comes after [`MAX_CLIPS`] of them.
    pub fn digits(digits: &[Arc<Clip>; 10], number: &str) -> Self {
        let said = number.chars().filter_map(|letter| usize::try_from(letter.to_digit(10)?).ok());
        let clips = said.take(MAX_CLIPS).map(|digit| Arc::clone(&digits[digit])).collect();
        Self { clips, barge_in: KeySet::NONE }
    }

    /// How long it plays, milliseconds.
    pub fn duration_ms(&self) -> u32 {
        self.clips.iter().fold(0, |sum: u32, clip| sum.saturating_add(clip.duration_ms()))
    }
}

/// Waiting for keys. Keys pressed since the last gathering, while something played, come first: a
/// person who knows what will be asked need not wait.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gather {
    /// Played before each try; may be empty.
    pub prompt: Play,
    /// The keys that count; others are as if not pressed.
    pub accept: KeySet,
    /// Fewer than this many are not enough.
    pub min: u8,
    /// With this many it is complete.
    pub max: u8,
    /// Keys that complete it and are not part of it.
    pub terminators: KeySet,
    /// How long to wait for the first key, milliseconds.
    pub first_ms: u32,
    /// How long to wait for each further key, milliseconds.
    pub between_ms: u32,
    /// How often it is tried again when nothing, or nothing valid, was pressed.
    pub repeats: u8,
    /// Where to go on for which keys. When there are any, no others are valid.
    pub branches: Vec<(Keys, Label)>,
    /// Where to go on when nothing was pressed. `None`: the next step.
    pub on_timeout: Option<Label>,
    /// Where to go on when nothing valid was pressed. `None`: the next step.
    pub on_invalid: Option<Label>,
    /// The first digit gathered is the call's vote.
    pub vote: bool,
}

impl Gather {
    /// Waiting for one digit, which is kept as the vote.
    pub fn vote(wait_ms: u32) -> Self {
        Self {
            prompt: Play { clips: Vec::new(), barge_in: KeySet::NONE },
            accept: KeySet::DIGITS,
            min: 1,
            max: 1,
            terminators: KeySet::NONE,
            first_ms: wait_ms,
            between_ms: wait_ms,
            repeats: 0,
            branches: Vec::new(),
            on_timeout: None,
            on_invalid: None,
            vote: true,
        }
    }
}

/// Recording what the peer says, from the end of the beep on. What is recorded comes out as
/// [`crate::Recorded`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Played first; may be empty.
    pub beep: Play,
    /// It ends after so long, milliseconds; at most [`MAX_RECORDING_MS`].
    pub max_ms: u32,
    /// It ends after so long a silence, milliseconds; 0: silence does not end it.
    pub silence_ms: u32,
    /// Keys that end it.
    pub terminators: KeySet,
}

/// Another leg, to be joined with this one.
///
/// Whoever hangs up ends the conversation. When it is the second leg, or the time is over, or a key
/// says so, this script goes on; when it is this call, the script of the second leg goes on behind
/// its [`Step::Join`], or it is hung up if it has not come to that yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bridge {
    /// Who is rung.
    pub leg: Arc<SecondLeg>,
    /// Played over and over until the second leg joins; silence when it is empty.
    pub hold: Arc<Clip>,
    /// How long both may talk, milliseconds.
    pub max_ms: u32,
    /// Keys of this leg that end the conversation.
    pub leave: KeySet,
    /// Both are recorded together from when they are joined, as [`crate::Recorded`] of this call;
    /// then `max_ms` is at most [`MAX_BRIDGE_RECORDING_MS`]. While this leg holds the call, nothing
    /// is added.
    pub record: bool,
    /// Where to go on after a conversation. `None`: the next step.
    pub on_ended: Option<Label>,
    /// Where to go on when the second leg never joined. `None`: the next step.
    pub on_failed: Option<Label>,
}

/// Whom a [`Bridge`] rings, and what that leg does. It counts as a call of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecondLeg {
    /// Where it goes.
    pub target: Target,
    /// The URI of its From header.
    pub from_uri: String,
    /// For a 401 or 407.
    pub credentials: Option<Credentials>,
    /// Codecs in the order of preference, whatever the first leg has. Empty: PCMA, PCMU.
    pub codecs: Vec<Codec>,
    /// Whether its sound is encrypted.
    pub srtp: Srtp,
    /// Whether sound is sent to where it comes from.
    pub symmetric_rtp: bool,
    /// What it does once it is answered, with a [`Step::Join`] somewhere and no [`Bridge`].
    pub script: Arc<Script>,
    /// How long to wait for its answer, milliseconds.
    pub ring_timeout_ms: u32,
    /// How long it may last from when it is rung, milliseconds.
    pub max_duration_ms: u32,
}

/// Finding out who answered, while the script goes on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MachineDetection {
    /// What to do when it is a machine.
    pub on_machine: OnMachine,
    /// What decides.
    pub timing: Timing,
    /// The tones of the network: told apart in early media, and no beeps.
    pub tones: Vec<NetworkTone>,
    /// How long to wait for a beep when the message is over before it, milliseconds.
    pub beep_wait_ms: u32,
}

/// What to do when a machine answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnMachine {
    /// Nothing; the outcome says so.
    Report,
    /// Hang up.
    HangUp,
    /// Begin the message anew after the beep.
    LeaveMessage,
}

impl MachineDetection {
    /// With the usual timing and tones of 425 Hz.
    pub fn new(on_machine: OnMachine) -> Self {
        Self {
            on_machine,
            timing: Timing::default(),
            tones: TONES_425.to_vec(),
            beep_wait_ms: BEEP_WAIT_MS,
        }
    }
}

/// Why steps are not a script.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flaw {
    /// More than [`MAX_STEPS`] steps.
    TooManySteps,
    /// More than [`MAX_CLIPS`] clips in one step.
    TooManyClips,
    /// More than [`MAX_BRANCHES`] branches in one step.
    TooManyBranches,
    /// A label beyond the end.
    NoSuchStep,
    /// A second message.
    TwoMessages,
    /// A gathering that cannot be complete: no key is enough, or more than are kept.
    NeverComplete,
    /// A recording longer than [`MAX_RECORDING_MS`], or [`MAX_BRIDGE_RECORDING_MS`] of two legs.
    RecordingTooLong,
    /// The script of a second leg never joins the first, or rings a third.
    NotASecondLeg,
}

impl std::fmt::Display for Flaw {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::TooManySteps => "the script has too many steps",
            Self::TooManyClips => "a step of the script has too many clips",
            Self::TooManyBranches => "a step of the script has too many branches",
            Self::NoSuchStep => "a label of the script is beyond its end",
            Self::TwoMessages => "the script has two messages",
            Self::NeverComplete => "a gathering of the script can never be complete",
            Self::RecordingTooLong => "a recording of the script is too long",
            Self::NotASecondLeg => "the script of a second leg must join the first and ring nobody",
        })
    }
}

impl std::error::Error for Flaw {}

impl Script {
    /// Checks steps and makes them a script.
    ///
    /// # Errors
    /// The first [`Flaw`] found.
    pub fn new(steps: Vec<Step>) -> Result<Self, Flaw> {
        if steps.len() > MAX_STEPS {
            return Err(Flaw::TooManySteps);
        }
        let mut message = None;
        for (at, step) in steps.iter().enumerate() {
            if matches!(step, Step::Message(_)) && message.replace(at).is_some() {
                return Err(Flaw::TwoMessages);
            }
            step.check(steps.len())?;
        }
        Ok(Self { steps, message, in_band_keys: false, machine: None })
    }

    /// A message that nothing cuts off, then a vote when one is waited for this long.
    pub fn message(clip: Arc<Clip>, vote_ms: Option<u32>) -> Self {
        let vote = vote_ms.map(|wait_ms| Step::Gather(Gather::vote(wait_ms)));
        let steps = std::iter::once(Step::Message(Play::whole(clip))).chain(vote).collect();
        Self { steps, message: Some(0), in_band_keys: false, machine: None }
    }

    /// Listens for keys in the sound even when the peer sends them as telephone events. When it
    /// does not, that is done without being told if keys are waited for.
    #[must_use]
    pub fn with_in_band_keys(self) -> Self {
        Self { in_band_keys: true, ..self }
    }

    /// Finds out who answered.
    #[must_use]
    pub fn with_machine_detection(self, detection: impl Into<Arc<MachineDetection>>) -> Self {
        Self { machine: Some(detection.into()), ..self }
    }

    pub(crate) fn machine(&self) -> Option<&MachineDetection> {
        self.machine.as_deref()
    }

    /// Whether keys are to be found in the sound of a peer that sends no telephone events, or does.
    pub(crate) fn in_band_keys(&self, telephone_events: bool) -> bool {
        self.in_band_keys || (!telephone_events && self.steps.iter().any(Step::heeds_keys))
    }

    /// How long what the call is for lasts at most, milliseconds: its message, or in a script
    /// without one the conversation of its first bridge; 0 with neither.
    pub fn subject_ms(&self) -> u32 {
        match self.message_step() {
            Some(message) => message.duration_ms(),
            None => self.conversation().map_or(0, |bridge| bridge.max_ms),
        }
    }

    /// The bridge that a call without a message is for.
    pub fn conversation(&self) -> Option<&Bridge> {
        let bridges = self.steps.iter().filter_map(|step| match step {
            Step::Bridge(bridge) => Some(bridge),
            _ => None,
        });
        bridges.take(usize::from(self.message.is_none())).next()
    }

    pub(crate) fn message_at(&self) -> Option<usize> {
        self.message
    }

    pub(crate) fn message_step(&self) -> Option<&Play> {
        match self.step(self.message?) {
            Some(Step::Message(play)) => Some(play),
            _ => None,
        }
    }

    pub(crate) fn step(&self, at: usize) -> Option<&Step> {
        self.steps.get(at)
    }
}

impl Step {
    fn check(&self, steps: usize) -> Result<(), Flaw> {
        match self {
            Self::Message(play) | Self::Play(play) => play.check(),
            Self::Gather(gather) => gather.check(steps),
            Self::Record(record) => record.check(),
            Self::Bridge(bridge) => bridge.check(steps),
            Self::GoTo(label) => label.check(steps),
            Self::Join | Self::Loop { .. } | Self::HangUp => Ok(()),
        }
    }
}

impl Step {
    fn heeds_keys(&self) -> bool {
        match self {
            Self::Message(play) | Self::Play(play) => !play.barge_in.is_empty(),
            Self::Loop { barge_in, .. } => !barge_in.is_empty(),
            Self::Record(record) => !record.terminators.is_empty(),
            Self::Bridge(bridge) => !bridge.leave.is_empty(),
            Self::Gather(_) => true,
            Self::Join | Self::GoTo(_) | Self::HangUp => false,
        }
    }
}

impl Record {
    fn check(&self) -> Result<(), Flaw> {
        self.beep.check()?;
        if self.max_ms > MAX_RECORDING_MS { Err(Flaw::RecordingTooLong) } else { Ok(()) }
    }
}

impl Bridge {
    fn check(&self, steps: usize) -> Result<(), Flaw> {
        let theirs = &self.leg.script.steps;
        let joins = theirs.iter().any(|step| matches!(step, Step::Join));
        if !joins || theirs.iter().any(|step| matches!(step, Step::Bridge(_))) {
            return Err(Flaw::NotASecondLeg);
        }
        if self.record && self.max_ms > MAX_BRIDGE_RECORDING_MS {
            return Err(Flaw::RecordingTooLong);
        }
        let mut labels = self.on_ended.iter().chain(&self.on_failed);
        labels.try_for_each(|label| label.check(steps))
    }
}

impl Play {
    fn check(&self) -> Result<(), Flaw> {
        if self.clips.len() > MAX_CLIPS { Err(Flaw::TooManyClips) } else { Ok(()) }
    }
}

impl Gather {
    fn check(&self, steps: usize) -> Result<(), Flaw> {
        self.prompt.check()?;
        if self.branches.len() > MAX_BRANCHES {
            return Err(Flaw::TooManyBranches);
        }
        if self.max == 0 || self.min > self.max || usize::from(self.max) > MAX_KEYS {
            return Err(Flaw::NeverComplete);
        }
        let branches = self.branches.iter().map(|(_, label)| label);
        let mut labels = branches.chain(&self.on_timeout).chain(&self.on_invalid);
        labels.try_for_each(|label| label.check(steps))
    }
}

impl Label {
    fn check(self, steps: usize) -> Result<(), Flaw> {
        if usize::from(self.0) <= steps { Ok(()) } else { Err(Flaw::NoSuchStep) }
    }
}
