//! How a call listens, where its script asks for it: for keys in the sound, for a machine and its
//! beep, for what the network says before the answer, and to record. A call that only plays has
//! nothing of this.

use std::time::{Duration, Instant};

use media::Codec;
use media::codec::Decoder;
use media::detect::answering_machine::{AnsweringMachine, Heard, Verdict};
use media::detect::progress::{Progress, ProgressListener};
use media::detect::tone::ToneKeys;
use media::rtp::{JitterBuffer, Packet, Piece};
use media::sdp::Negotiated;
use media::telephone_event::Key;

use super::playing::KeySource;
use super::{Call, Phase, Wires, reachable};
use crate::io::{CallKey, Recorded};
use crate::ladder::Turn;
use crate::limits::{MAX_GAP_SAMPLES, RECORDED_SAMPLES};
use crate::outcome::Cause;
use crate::script::OnMachine;

/// What is louder is a voice: the mean magnitude of 16-bit samples.
const VOICE_LEVEL: u32 = 256;
/// Samples in a millisecond.
const SAMPLES_PER_MS: usize = 8;

/// What no later packet has pushed out of the buffer is listened to so long after it was due. With
/// a peer that goes on sending, the next packet comes first, and no time is waited for.
const UNHEARD: Duration = Duration::from_millis(60);

/// How far packets may overtake each other at least.
const LEAST_DELAY: Duration = Duration::from_millis(60);

/// What a call listens with.
#[derive(Debug)]
pub(super) struct Ears {
    /// Puts what comes in order and in time.
    buffer: JitterBuffer,
    /// What the sound is decoded with; it has a memory.
    decoder: Option<(Codec, Decoder)>,
    keys: Option<ToneKeys>,
    machine: Option<AnsweringMachine>,
    progress: Option<ProgressListener>,
    tape: Option<Tape>,
    /// The partner that hears what is heard here.
    passes_to: Option<CallKey>,
}

/// A recording that is going on.
#[derive(Debug)]
pub(super) struct Tape {
    /// Not handed over yet.
    samples: Vec<i16>,
    /// How many there may be, and how many there are.
    most: usize,
    recorded: usize,
}

impl Tape {
    pub(super) fn new(most_ms: u32) -> Self {
        let most = usize::try_from(most_ms).unwrap_or(usize::MAX).saturating_mul(SAMPLES_PER_MS);
        Self { samples: Vec::new(), most, recorded: 0 }
    }

    /// Ends it with what was not handed over yet.
    pub(super) fn end(&mut self, call: CallKey, recorded: &mut Vec<Recorded>) {
        self.hand_over(call, recorded);
        let length_ms = u32::try_from(self.recorded / SAMPLES_PER_MS).unwrap_or(u32::MAX);
        recorded.push(Recorded::Ended { call, length_ms });
    }

    pub(super) fn record(&mut self, call: CallKey, samples: &[i16], recorded: &mut Vec<Recorded>) {
        let room = self.most - self.recorded;
        let samples = &samples[..samples.len().min(room)];
        self.recorded += samples.len();
        self.samples.extend_from_slice(samples);
        if self.samples.len() >= RECORDED_SAMPLES {
            self.hand_over(call, recorded);
        }
    }

    fn hand_over(&mut self, call: CallKey, recorded: &mut Vec<Recorded>) {
        if !self.samples.is_empty() {
            let samples = std::mem::take(&mut self.samples);
            recorded.push(Recorded::Audio { call, samples });
        }
    }
}

/// What was heard in one packet.
#[derive(Default)]
struct Noticed {
    keys: Vec<Key>,
    machine: Vec<Heard>,
    voice: bool,
    passed: Vec<i16>,
}

impl Ears {
    fn new() -> Self {
        Self {
            buffer: JitterBuffer::new(LEAST_DELAY),
            decoder: None,
            keys: None,
            machine: None,
            progress: None,
            tape: None,
            passes_to: None,
        }
    }

    /// Nothing is left to listen for.
    fn are_idle(&self) -> bool {
        self.keys.is_none()
            && self.machine.is_none()
            && self.progress.is_none()
            && self.tape.is_none()
            && self.passes_to.is_none()
    }

    /// Lets a partner hear what is heard from now on, with this delay at least.
    pub(super) fn pass_to(&mut self, partner: CallKey, least_delay: Duration) {
        self.passes_to = Some(partner);
        self.buffer = JitterBuffer::new(least_delay);
    }

    fn hear(
        &mut self,
        call: CallKey,
        piece: &Piece,
        codec: Codec,
        noticed: &mut Noticed,
        recorded: &mut Vec<Recorded>,
    ) {
        let samples = decoded(&mut self.decoder, piece, codec);
        if let Some(progress) = &mut self.progress {
            progress.listen(&samples);
        }
        if let Some(keys) = &mut self.keys {
            keys.listen(&samples, |key| noticed.keys.push(key));
        }
        if let Some(machine) = &mut self.machine {
            machine.listen(&samples, |heard| noticed.machine.push(heard));
        }
        if let Some(tape) = &mut self.tape {
            noticed.voice |= is_voice(&samples);
            tape.record(call, &samples, recorded);
        }
        if self.passes_to.is_some() {
            noticed.passed.extend_from_slice(&samples);
        }
    }
}

/// The samples of a piece. A peer that changes its codec begins anew.
fn decoded(decoder: &mut Option<(Codec, Decoder)>, piece: &Piece, codec: Codec) -> Vec<i16> {
    decoder.take_if(|(known, _)| *known != codec);
    let (_, decoder) = decoder.get_or_insert_with(|| (codec, Decoder::new(codec)));
    let mut samples = Vec::new();
    match piece {
        Piece::Audio(payload) => decoder.decode(payload, &mut samples),
        Piece::Gap { samples: missing } => {
            samples.resize(usize::try_from(*missing).unwrap_or(usize::MAX).min(MAX_GAP_SAMPLES), 0);
        }
    }
    samples
}

fn is_voice(samples: &[i16]) -> bool {
    let sum: u64 = samples.iter().map(|sample| u64::from(sample.unsigned_abs())).sum();
    sum >= u64::from(VOICE_LEVEL) * samples.len().max(1) as u64
}

impl Call {
    /// Early media: listened to when the script wants to know what the network says, from where it
    /// was described last.
    pub(super) fn listen_early(&mut self, agreed: Negotiated, wires: &mut Wires) {
        let Some(detection) = self.script.machine() else { return };
        let tones = detection.tones.clone();
        if !reachable(&agreed, self.local.address.ip()) {
            return;
        }
        // Nothing is given up for a source that another call has.
        let owner = wires.demux.find(self.port_slot, agreed.remote);
        if owner.is_some_and(|owner| owner != self.key()) {
            return;
        }
        self.release_sources(wires);
        wires.demux.claim(self.port_slot, agreed.remote, self.key());
        self.take_keys(&agreed);
        self.agreed = Some(agreed);
        self.ears().progress.get_or_insert_with(|| ProgressListener::new(tones));
    }

    /// The call was answered: listens for what the script wants.
    pub(super) fn listen(&mut self, now: Instant, agreed: &Negotiated) {
        if let Some(ears) = &mut self.ears
            && let Some(progress) = ears.progress.take()
        {
            self.early_media_heard(now, progress.heard());
        }
        if self.script.in_band_keys(agreed.telephone_event_pt.is_some()) {
            self.ears().keys = Some(ToneKeys::new());
        }
        if let Some(detection) = self.script.machine() {
            let tones = detection.tones.iter().map(|tone| tone.hz).collect();
            let machine = AnsweringMachine::new(detection.timing, tones);
            self.ears().machine = Some(machine);
        }
        self.drop_idle_ears();
    }

    /// A packet of audio.
    pub(super) fn hear(
        &mut self,
        now: Instant,
        packet: &Packet<'_>,
        codec: Codec,
        wires: &mut Wires,
    ) {
        let Some(ears) = &mut self.ears else { return };
        ears.buffer.push(now, &packet.header, packet.payload);
        self.listen_on(now, codec, wires);
    }

    /// When the buffer has to be looked at, though nothing came.
    pub(super) fn unheard_at(&self) -> Option<Instant> {
        Some(self.ears.as_ref()?.buffer.next_due()? + UNHEARD)
    }

    /// Looks at the buffer if it is time.
    pub(super) fn listen_if_due(&mut self, now: Instant, wires: &mut Wires) {
        if let Some(agreed) = self.agreed.filter(|_| self.unheard_at().is_some_and(|at| at <= now))
        {
            self.listen_on(now, agreed.codec, wires);
        }
    }

    /// Listens to what is due.
    fn listen_on(&mut self, now: Instant, codec: Codec, wires: &mut Wires) {
        let call = self.key();
        let Some(ears) = &mut self.ears else { return };
        let mut noticed = Noticed::default();
        while let Some(piece) = ears.buffer.pop(now) {
            ears.hear(call, &piece, codec, &mut noticed, &mut wires.recorded);
        }
        if !noticed.passed.is_empty() {
            self.pass_on(noticed.passed, wires);
        }
        if noticed.voice {
            self.follow(now, wires, |place, _| place.voice(now));
        }
        for key in noticed.keys {
            self.key_pressed(now, key.as_char(), KeySource::Tone, wires);
        }
        for heard in noticed.machine {
            self.heard_machine(now, heard, wires);
        }
        self.drop_idle_ears();
    }

    fn heard_machine(&mut self, now: Instant, heard: Heard, wires: &mut Wires) {
        if self.phase != Phase::Up || self.answered_by == Some(Verdict::Person) {
            return;
        }
        let (verdict, beep) = match heard {
            Heard::Verdict(verdict) => (verdict, false),
            Heard::Beep => (Verdict::Machine, true),
        };
        if self.answered_by.replace(verdict) != Some(verdict) {
            self.turn(now, Turn::AnsweredBy(verdict));
        }
        let hangs_up = |detection: &crate::script::MachineDetection| {
            verdict == Verdict::Machine && detection.on_machine == OnMachine::HangUp
        };
        if self.script.machine().is_some_and(hangs_up) {
            return self.hang_up(now, Cause::AnsweringMachine, wires);
        }
        if beep || verdict == Verdict::Person {
            self.stop_detection();
        }
        if beep {
            self.follow(now, wires, |place, cues| place.beep(now, cues));
        } else if verdict != Verdict::Unsure {
            let machine = verdict == Verdict::Machine;
            self.follow(now, wires, |place, cues| place.answered_by(now, machine, cues));
        }
    }

    /// A key was pressed: machines press none.
    pub(super) fn person_pressed(&mut self, now: Instant, wires: &mut Wires) {
        if self.script.machine().is_some() {
            self.answered_by = Some(Verdict::Person);
            self.stop_detection();
            self.follow(now, wires, |place, cues| place.answered_by(now, false, cues));
        }
    }

    fn stop_detection(&mut self) {
        if let Some(ears) = &mut self.ears {
            ears.machine = None;
        }
    }

    /// Records from now on.
    pub(super) fn record(&mut self, max_ms: u32, wires: &mut Wires) {
        let call = self.key();
        self.ears().tape = Some(Tape::new(max_ms));
        wires.recorded.push(Recorded::Started { call });
    }

    /// Ends the recording, if there is one, with all that was held back for it.
    pub(super) fn stop_recording(&mut self, now: Instant, wires: &mut Wires) {
        let call = self.key();
        let codec = self.agreed.map_or(Codec::Pcma, |agreed| agreed.codec);
        let Some(ears) = &mut self.ears else { return };
        let Some(mut tape) = ears.tape.take() else { return };
        ears.buffer.flush();
        while let Some(piece) = ears.buffer.pop(now) {
            let samples = decoded(&mut ears.decoder, &piece, codec);
            tape.record(call, &samples, &mut wires.recorded);
        }
        tape.end(call, &mut wires.recorded);
        self.drop_idle_ears();
    }

    /// The call is over.
    pub(super) fn stop_listening(&mut self, now: Instant, wires: &mut Wires) {
        self.stop_recording(now, wires);
        if let Some(progress) = self.ears.take().and_then(|ears| ears.progress) {
            self.early_media_heard(now, progress.heard());
        }
    }

    fn early_media_heard(&mut self, now: Instant, heard: Option<Progress>) {
        self.early_media = heard;
        if let Some(tone) = heard {
            self.turn(now, Turn::Tone(tone));
        }
    }

    /// No partner hears this call any more.
    pub(super) fn stop_passing(&mut self) {
        if let Some(ears) = &mut self.ears {
            ears.passes_to = None;
        }
        self.drop_idle_ears();
    }

    /// Whether the peer's sound matters, and not only its keys and reports.
    pub(crate) fn listens(&self) -> bool {
        self.ears.is_some() || self.latch.is_some()
    }

    pub(super) fn ears(&mut self) -> &mut Ears {
        self.ears.get_or_insert_with(|| Box::new(Ears::new()))
    }

    fn drop_idle_ears(&mut self) {
        self.ears.take_if(|ears| ears.are_idle());
    }
}
