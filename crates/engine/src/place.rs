//! Where a call is in its script, and what comes next.
//!
//! It is told what happens (the answer, the end of a clip, a key, the time) and gives back cues:
//! what the call is to do now. It never touches media or SIP itself.

use std::sync::Arc;
use std::time::{Duration, Instant};

use media::FRAME_MS;

use crate::io::Clip;
use crate::keys::Keys;
use crate::limits::{DRAIN_MS, MAX_TRANSITIONS};
use crate::script::{Bridge, Gather, Label, OnMachine, Play, Record, Script, SecondLeg, Step};

/// Something for the call to do now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Cue {
    /// Play this clip from its first frame; what played before is over. `of_message` is its number
    /// among the clips of the message, when it is one of them.
    Play { clip: Arc<Clip>, of_message: Option<usize> },
    /// Play nothing.
    Hush,
    /// Record from now on, so long at most, milliseconds.
    Record { max_ms: u32 },
    /// The recording is over.
    StopRecording,
    /// Ring this leg.
    Ring(Arc<SecondLeg>),
    /// Hear the other leg and be heard by it, recorded for so long at most, milliseconds, if at
    /// all.
    Join { record_ms: Option<u32> },
    /// Leave the other leg.
    Part,
}

/// The place of one call in its script.
#[derive(Debug)]
pub(crate) struct Place {
    script: Arc<Script>,
    at: usize,
    stage: Stage,
    /// How often a step was begun.
    transitions: u16,
    /// How often the present gathering was tried.
    tries: u16,
    /// Keys that no gathering has taken yet.
    typed: Keys,
    vote: Option<u8>,
    leave: Leave,
    /// Until then there is something on its way that should be heard.
    heard_at: Option<Instant>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// Before the answer.
    Unanswered,
    /// This clip of the step (of its prompt, when it gathers) is playing.
    Playing { clip: usize },
    /// One clip plays over and over.
    Looping { until: Instant },
    /// Waiting for keys.
    Gathering { until: Instant },
    /// Recording; silence ends it, too.
    Recording { until: Instant, silent_at: Option<Instant> },
    /// Another leg is rung, or both talk until then at the most.
    Bridged { joined: bool, until: Option<Instant> },
    /// The message is over; it is not known yet who heard it, or the beep is still to come.
    AwaitingBeep { until: Instant },
    /// There is nothing more to do.
    Ended { at: Instant },
}

/// Whether the message is to be left after a beep.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Leave {
    /// No, or not any more.
    No,
    /// If it turns out to be a machine.
    IfMachine,
    /// It is a machine.
    AfterBeep,
}

/// What becomes of the keys of a gathering.
#[derive(Debug, Clone, Copy)]
enum Gathered {
    Incomplete,
    Valid(Option<Label>),
    Invalid,
}

impl Place {
    pub(crate) fn new(script: Arc<Script>) -> Self {
        let leave = match script.machine() {
            Some(detection) if detection.on_machine == OnMachine::LeaveMessage => Leave::IfMachine,
            _ => Leave::No,
        };
        Self {
            leave,
            script,
            at: 0,
            stage: Stage::Unanswered,
            transitions: 0,
            tries: 0,
            typed: Keys::default(),
            vote: None,
            heard_at: None,
        }
    }

    /// The digit that a gathering took as the vote.
    pub(crate) fn vote(&self) -> Option<u8> {
        self.vote
    }

    /// When [`Self::due`] wants to be called.
    pub(crate) fn due_at(&self) -> Option<Instant> {
        match self.stage {
            Stage::Unanswered | Stage::Playing { .. } => None,
            Stage::Bridged { until, .. } => until,
            Stage::Looping { until }
            | Stage::Gathering { until }
            | Stage::AwaitingBeep { until } => Some(until),
            Stage::Recording { until, silent_at } => {
                Some(silent_at.map_or(until, |silent| silent.min(until)))
            }
            Stage::Ended { at } => Some(at),
        }
    }

    /// Whether the call is to be hung up `now`.
    pub(crate) fn is_over(&self, now: Instant) -> bool {
        matches!(self.stage, Stage::Ended { at } if now >= at)
    }

    /// The call was answered: the first step begins.
    pub(crate) fn answered(&mut self, now: Instant, cues: &mut Vec<Cue>) {
        if self.stage == Stage::Unanswered {
            self.begin(now, 0, cues);
        }
    }

    /// The script is left wherever it is.
    pub(crate) fn leave(&mut self, cues: &mut Vec<Cue>) {
        match self.stage {
            Stage::Recording { .. } => cues.push(Cue::StopRecording),
            Stage::Bridged { .. } => cues.push(Cue::Part),
            _ => {}
        }
        cues.push(Cue::Hush);
    }

    /// Another script is begun by [`Self::answered`]. The vote stays.
    pub(crate) fn change_to(&mut self, script: Arc<Script>) {
        let (vote, heard_at) = (self.vote, self.heard_at);
        *self = Self { vote, heard_at, ..Self::new(script) };
    }

    /// The last frame of the present clip left `now`.
    pub(crate) fn clip_ended(&mut self, now: Instant, cues: &mut Vec<Cue>) {
        self.heard_at = Some(now + millis(FRAME_MS + DRAIN_MS));
        let script = Arc::clone(&self.script);
        match (self.stage, script.step(self.at)) {
            (Stage::Looping { .. }, Some(Step::Loop { clip, .. })) => {
                cues.push(Cue::Play { clip: Arc::clone(clip), of_message: None });
            }
            (Stage::Bridged { joined: false, .. }, Some(Step::Bridge(bridge))) => {
                cues.push(Cue::Play { clip: Arc::clone(&bridge.hold), of_message: None });
            }
            (Stage::Playing { clip }, Some(step)) => self.next_clip(now, step, clip + 1, cues),
            _ => {}
        }
    }

    /// A key was pressed `now`.
    pub(crate) fn key_pressed(&mut self, now: Instant, key: char, cues: &mut Vec<Cue>) {
        if !self.typed.push(key) {
            return;
        }
        let script = Arc::clone(&self.script);
        match (self.stage, script.step(self.at)) {
            (Stage::Playing { .. }, Some(Step::Message(play) | Step::Play(play)))
                if play.barge_in.contains(key) =>
            {
                cues.push(Cue::Hush);
                self.begin(now, self.at + 1, cues);
            }
            (Stage::Looping { .. }, Some(Step::Loop { barge_in, .. }))
                if barge_in.contains(key) =>
            {
                cues.push(Cue::Hush);
                self.begin(now, self.at + 1, cues);
            }
            (Stage::Playing { .. }, Some(Step::Gather(gather)))
                if gather.prompt.barge_in.contains(key) =>
            {
                cues.push(Cue::Hush);
                self.wait_for_keys(now, gather, cues);
            }
            (Stage::Recording { .. }, Some(Step::Record(record)))
                if record.terminators.contains(key) =>
            {
                self.end_recording(now, cues);
            }
            (Stage::Bridged { .. }, Some(Step::Bridge(bridge))) if bridge.leave.contains(key) => {
                self.leave_bridge(now, bridge, cues);
            }
            (Stage::Gathering { .. }, Some(Step::Gather(gather)))
                if gather.accept.contains(key) || gather.terminators.contains(key) =>
            {
                self.heard_at = self.heard_at.max(Some(now + millis(DRAIN_MS)));
                self.weigh(now, gather, cues);
            }
            _ => {}
        }
    }

    /// The time of [`Self::due_at`] has come.
    pub(crate) fn due(&mut self, now: Instant, cues: &mut Vec<Cue>) {
        let script = Arc::clone(&self.script);
        match (self.stage, script.step(self.at)) {
            (Stage::Looping { until }, Some(Step::Loop { .. })) if now >= until => {
                cues.push(Cue::Hush);
                self.begin(now, self.at + 1, cues);
            }
            (Stage::Gathering { until }, Some(Step::Gather(gather))) if now >= until => {
                let gathered = self.first_of(gather).map(|_| self.gathered(gather, true));
                self.conclude(now, gather, gathered, cues);
            }
            (Stage::Recording { until, silent_at }, _)
                if now >= until || silent_at.is_some_and(|at| now >= at) =>
            {
                self.end_recording(now, cues);
            }
            (Stage::Bridged { until: Some(until), .. }, Some(Step::Bridge(bridge)))
                if now >= until =>
            {
                self.leave_bridge(now, bridge, cues);
            }
            (Stage::AwaitingBeep { until }, _) if now >= until => {
                self.leave = Leave::No;
                self.begin(now, self.at + 1, cues);
            }
            _ => {}
        }
    }

    /// The peer's voice was heard `now`.
    pub(crate) fn voice(&mut self, now: Instant) {
        if let (Stage::Recording { silent_at: Some(at), .. }, Some(Step::Record(record))) =
            (&mut self.stage, self.script.step(self.at))
        {
            *at = now + millis(record.silence_ms);
        }
    }

    /// It is known who answered.
    pub(crate) fn answered_by(&mut self, now: Instant, machine: bool, cues: &mut Vec<Cue>) {
        if self.leave == Leave::No {
            return;
        }
        self.leave = if machine { Leave::AfterBeep } else { Leave::No };
        if matches!(self.stage, Stage::AwaitingBeep { .. }) {
            if machine {
                self.await_beep(now);
            } else {
                self.begin(now, self.at + 1, cues);
            }
        }
    }

    /// A machine's beep is over: the message begins anew, wherever the script is.
    pub(crate) fn beep(&mut self, now: Instant, cues: &mut Vec<Cue>) {
        let Some(message) = self.script.message_at().filter(|_| self.leave != Leave::No) else {
            return;
        };
        self.leave = Leave::No;
        match self.stage {
            Stage::Recording { .. } => cues.push(Cue::StopRecording),
            Stage::Bridged { .. } => cues.push(Cue::Part),
            _ => {}
        }
        self.begin(now, message, cues);
    }

    /// The second leg has joined this one.
    pub(crate) fn joined(&mut self, now: Instant, cues: &mut Vec<Cue>) {
        let script = Arc::clone(&self.script);
        if let (Stage::Bridged { joined: false, .. }, Some(Step::Bridge(bridge))) =
            (self.stage, script.step(self.at))
        {
            self.stage = Stage::Bridged { joined: true, until: Some(now + millis(bridge.max_ms)) };
            cues.push(Cue::Join { record_ms: bridge.record.then_some(bridge.max_ms) });
        }
    }

    /// The other leg is gone, or there never was one.
    pub(crate) fn parted(&mut self, now: Instant, cues: &mut Vec<Cue>) {
        let Stage::Bridged { joined, .. } = self.stage else { return };
        let script = Arc::clone(&self.script);
        let label = match script.step(self.at) {
            Some(Step::Bridge(bridge)) if joined => bridge.on_ended,
            Some(Step::Bridge(bridge)) => bridge.on_failed,
            _ => None,
        };
        cues.push(Cue::Hush);
        self.begin(now, label.map_or(self.at + 1, |label| usize::from(label.0)), cues);
    }

    fn leave_bridge(&mut self, now: Instant, bridge: &Bridge, cues: &mut Vec<Cue>) {
        let Stage::Bridged { joined, .. } = self.stage else { return };
        cues.extend([Cue::Part, Cue::Hush]);
        let label = if joined { bridge.on_ended } else { bridge.on_failed };
        self.begin(now, label.map_or(self.at + 1, |label| usize::from(label.0)), cues);
    }

    fn await_beep(&mut self, now: Instant) {
        let wait_ms = self.script.machine().map_or(0, |detection| match self.leave {
            Leave::IfMachine => detection.timing.total_ms,
            Leave::AfterBeep | Leave::No => detection.beep_wait_ms,
        });
        self.stage = Stage::AwaitingBeep { until: now + millis(wait_ms) };
    }

    fn record(&mut self, now: Instant, record: &Record, cues: &mut Vec<Cue>) {
        let silence = (record.silence_ms > 0).then_some(millis(record.silence_ms));
        self.stage = Stage::Recording {
            until: now + millis(record.max_ms),
            silent_at: silence.map(|silence| now + silence),
        };
        cues.push(Cue::Record { max_ms: record.max_ms });
    }

    fn end_recording(&mut self, now: Instant, cues: &mut Vec<Cue>) {
        cues.push(Cue::StopRecording);
        self.begin(now, self.at + 1, cues);
    }

    /// Goes to a step and on from there until something has to be waited for.
    fn begin(&mut self, now: Instant, at: usize, cues: &mut Vec<Cue>) {
        let script = Arc::clone(&self.script);
        self.at = at;
        loop {
            self.transitions += 1;
            let step = script.step(self.at).filter(|_| self.transitions <= MAX_TRANSITIONS);
            match step {
                None | Some(Step::HangUp) => {
                    self.stage = Stage::Ended { at: self.heard_at.map_or(now, |at| at.max(now)) };
                    return;
                }
                Some(Step::Message(play) | Step::Play(play)) => {
                    if self.play(play, 0, cues) {
                        return;
                    }
                    self.at += 1;
                }
                Some(Step::Loop { clip, for_ms, .. }) => {
                    if clip.duration_ms() > 0 {
                        cues.push(Cue::Play { clip: Arc::clone(clip), of_message: None });
                    }
                    self.stage = Stage::Looping { until: now + millis(*for_ms) };
                    return;
                }
                Some(Step::Gather(gather)) => {
                    self.tries = 0;
                    return self.try_to_gather(now, gather, cues);
                }
                Some(Step::Record(record)) => {
                    if !self.play(&record.beep, 0, cues) {
                        self.record(now, record, cues);
                    }
                    return;
                }
                Some(Step::Bridge(bridge)) => {
                    if bridge.hold.duration_ms() > 0 {
                        cues.push(Cue::Play { clip: Arc::clone(&bridge.hold), of_message: None });
                    }
                    cues.push(Cue::Ring(Arc::clone(&bridge.leg)));
                    self.stage = Stage::Bridged { joined: false, until: None };
                    return;
                }
                Some(Step::Join) => {
                    cues.push(Cue::Join { record_ms: None });
                    self.stage = Stage::Bridged { joined: true, until: None };
                    return;
                }
                Some(Step::GoTo(label)) => self.at = usize::from(label.0),
            }
        }
    }

    /// Plays the step's next clip, or goes on when there is none.
    fn next_clip(&mut self, now: Instant, step: &Step, clip: usize, cues: &mut Vec<Cue>) {
        let play = match step {
            Step::Message(play) | Step::Play(play) => play,
            Step::Gather(gather) => &gather.prompt,
            Step::Record(record) => &record.beep,
            Step::Loop { .. } | Step::Bridge(_) | Step::Join | Step::GoTo(_) | Step::HangUp => {
                return;
            }
        };
        if self.play(play, clip, cues) {
            return;
        }
        match step {
            Step::Gather(gather) => self.wait_for_keys(now, gather, cues),
            Step::Record(record) => self.record(now, record, cues),
            Step::Message(_) if self.leave != Leave::No => self.await_beep(now),
            _ => self.begin(now, self.at + 1, cues),
        }
    }

    /// Plays from this clip on. `false` when nothing is left that makes a sound.
    fn play(&mut self, play: &Play, from: usize, cues: &mut Vec<Cue>) -> bool {
        let rest = play.clips.iter().enumerate().skip(from);
        let mut audible = rest.filter(|(_, clip)| clip.duration_ms() > 0);
        let Some((at, clip)) = audible.next() else {
            return false;
        };
        self.stage = Stage::Playing { clip: at };
        let message = matches!(self.script.step(self.at), Some(Step::Message(_)));
        cues.push(Cue::Play { clip: Arc::clone(clip), of_message: message.then_some(at) });
        true
    }

    fn try_to_gather(&mut self, now: Instant, gather: &Gather, cues: &mut Vec<Cue>) {
        self.tries += 1;
        // Whoever has typed already what is wanted is not asked for it.
        let known = matches!(self.gathered(gather, false), Gathered::Valid(_));
        if known || !self.play(&gather.prompt, 0, cues) {
            self.wait_for_keys(now, gather, cues);
        }
    }

    fn wait_for_keys(&mut self, now: Instant, gather: &Gather, cues: &mut Vec<Cue>) {
        self.stage = Stage::Gathering { until: now };
        self.weigh(now, gather, cues);
    }

    /// Looks at the keys there are, and waits for more when they are not complete.
    fn weigh(&mut self, now: Instant, gather: &Gather, cues: &mut Vec<Cue>) {
        match self.gathered(gather, false) {
            Gathered::Incomplete => {
                let first = self.first_of(gather).is_none();
                let wait_ms = if first { gather.first_ms } else { gather.between_ms };
                // The time does not begin before the last frame is out.
                let after_sound = millis(wait_ms.saturating_sub(DRAIN_MS));
                let from_sound = self.heard_at.map(|at| at + after_sound);
                let until = from_sound.max(Some(now + millis(wait_ms))).unwrap_or(now);
                self.stage = Stage::Gathering { until };
            }
            gathered => self.conclude(now, gather, Some(gathered), cues),
        }
    }

    /// The first key typed that the gathering accepts.
    fn first_of(&self, gather: &Gather) -> Option<char> {
        self.typed.iter().find(|key| gather.accept.contains(*key))
    }

    /// What the keys typed so far mean; at a `deadline` there will be no more of them.
    fn gathered(&self, gather: &Gather, deadline: bool) -> Gathered {
        let (mut taken, mut complete) = (Keys::default(), deadline);
        for key in self.typed.iter() {
            if gather.terminators.contains(key) {
                complete = true;
                break;
            }
            if gather.accept.contains(key) {
                taken.push(key);
            }
            if taken.len() >= usize::from(gather.max) {
                complete = true;
                break;
            }
        }
        if !complete {
            return Gathered::Incomplete;
        }
        let branch = gather.branches.iter().find(|(keys, _)| *keys == taken);
        let enough = taken.len() >= usize::from(gather.min);
        match branch {
            Some((_, label)) if enough => Gathered::Valid(Some(*label)),
            None if enough && gather.branches.is_empty() => Gathered::Valid(None),
            _ => Gathered::Invalid,
        }
    }

    /// Ends a try: goes on, or tries again. `None`: nothing was pressed.
    fn conclude(
        &mut self,
        now: Instant,
        gather: &Gather,
        gathered: Option<Gathered>,
        cues: &mut Vec<Cue>,
    ) {
        let first = self.first_of(gather);
        let typed = std::mem::take(&mut self.typed);
        let label = match gathered {
            Some(Gathered::Valid(label)) => {
                if gather.vote {
                    self.vote = self.vote.or(first.and_then(digit));
                }
                self.typed = beyond(&typed, gather);
                label
            }
            _ if self.tries <= gather.repeats.into() && self.transitions < MAX_TRANSITIONS => {
                self.transitions += 1;
                return self.try_to_gather(now, gather, cues);
            }
            None => gather.on_timeout,
            Some(_) => gather.on_invalid,
        };
        let next = label.map_or(self.at + 1, |label| usize::from(label.0));
        self.begin(now, next, cues);
    }
}

/// The keys that were typed ahead beyond what one gathering takes.
fn beyond(typed: &Keys, gather: &Gather) -> Keys {
    let (mut taken, mut rest, mut complete) = (0, Keys::default(), false);
    for key in typed.iter() {
        if complete {
            rest.push(key);
            continue;
        }
        taken += u8::from(gather.accept.contains(key) && !gather.terminators.contains(key));
        complete = gather.terminators.contains(key) || taken >= gather.max;
    }
    rest
}

fn digit(key: char) -> Option<u8> {
    key.to_digit(10).and_then(|digit| u8::try_from(digit).ok())
}

fn millis(count: u32) -> Duration {
    Duration::from_millis(count.into())
}
