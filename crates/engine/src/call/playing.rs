//! How a call follows its script: it plays what the place says, tells the place what happens, and
//! counts what was heard.

use std::sync::Arc;
use std::time::{Duration, Instant};

use media::{Codec, EncodedClip, FRAME_MS};

use super::{Call, Phase, Wires};
use crate::io::{Clip, Event, RtpTransmit};
use crate::keys::Keys;
use crate::ladder::Turn;
use crate::limits::SAME_KEY_MS;
use crate::place::{Cue, Place};
use crate::playout::{Notice, Step, frame_count};
use crate::script::Script;

/// Frames that sound for a second, after which progress is told.
const FRAMES_A_SECOND: u32 = 1_000 / FRAME_MS;

/// The way by which a key came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum KeySource {
    /// As a telephone event (RFC 4733).
    Event,
    /// As a pair of tones in the sound.
    Tone,
    /// In the body of a SIP INFO.
    Info,
}

/// What sounds, and what was sent of it and before it.
#[derive(Debug, Default)]
pub(super) struct Sound {
    /// What plays, or played last.
    clip: Option<Arc<Clip>>,
    /// When that is a clip of the message: the frames of the message before it.
    message_from: Option<u32>,
    /// Packets sent, without those of the present clip.
    pub(super) sent: u32,
    /// Frames of the message that were sent at a stretch, at most; of the conversation, where that
    /// is what the call is for.
    heard: u32,
    /// Frames of any clip that the operating system did not take. All of them are taken off what
    /// was heard of the message: a machine that refuses packets is not to be paid for.
    refused: u32,
}

impl Sound {
    /// What plays, in this codec.
    pub(super) fn encoded(&self, codec: Codec, silence: &Arc<Clip>) -> Arc<EncodedClip> {
        Arc::clone(self.clip.as_ref().unwrap_or(silence).encoded(codec))
    }

    pub(super) fn heard_ms(&self) -> u32 {
        self.left_ms(self.heard)
    }

    /// How long so many frames sound, without those that were refused.
    fn left_ms(&self, frames: u32) -> u32 {
        frames.saturating_sub(self.refused).saturating_mul(FRAME_MS)
    }

    /// The present clip is over; so many frames were sent since it began.
    pub(super) fn stopped(&mut self, frames: u32) {
        self.sent = self.sent.saturating_add(frames);
        let (Some(from), Some(clip)) = (self.message_from.take(), &self.clip) else { return };
        let of_clip = frames.min(frame_count(clip.encoded(Codec::Pcma)));
        self.heard = self.heard.max(from.saturating_add(of_clip));
    }
}

impl Call {
    /// The wheel has sent a frame worth telling of.
    pub(crate) fn played(&mut self, now: Instant, notice: Notice, wires: &mut Wires) {
        let call = self.key();
        match notice.step {
            Step::FirstFrame if self.timeline.first_audio_us.is_none() => {
                self.timeline.first_audio_us = Some(self.micros(now));
                self.turn(now, Turn::FirstAudio);
                wires.events.push(Event::FirstAudio { call });
            }
            Step::FirstFrame => {}
            Step::Second => {
                let Some(from) = self.sound.message_from else { return };
                let heard = from.saturating_add(notice.sent).max(self.sound.heard);
                let heard_ms = self.sound.left_ms(heard);
                wires.events.push(Event::Progress { call, heard_ms });
            }
            Step::ClipEnded if self.is_live() => {
                self.conversed(wires);
                self.play_partner(wires);
            }
            Step::ClipEnded => {
                self.turn(now, Turn::ClipEnded);
                self.follow(now, wires, |place, cues| place.clip_ended(now, cues));
            }
        }
    }

    /// A frame of the conversation has left.
    fn conversed(&mut self, wires: &mut Wires) {
        if self.script.conversation().is_none() {
            return;
        }
        self.sound.heard = self.sound.heard.saturating_add(1);
        if self.sound.heard.is_multiple_of(FRAMES_A_SECOND) {
            let (call, heard_ms) = (self.key(), self.sound.heard_ms());
            wires.events.push(Event::Progress { call, heard_ms });
        }
    }

    /// The operating system did not take a packet.
    pub(crate) fn refused(&mut self, packet: &RtpTransmit, wires: &mut Wires) {
        wires.counters.rtp_refused += 1;
        self.rtp.refused = self.rtp.refused.saturating_add(1);
        if packet.frame < frame_count(&packet.clip) {
            self.sound.refused = self.sound.refused.saturating_add(1);
        }
    }

    /// A key was pressed. The same key by another way at nearly the same time is the same press.
    pub(crate) fn key_pressed(
        &mut self,
        now: Instant,
        digit: char,
        source: KeySource,
        wires: &mut Wires,
    ) {
        if self.phase != Phase::Up {
            return;
        }
        let once = Duration::from_millis(SAME_KEY_MS.into());
        let repeated = self.last_key.is_some_and(|(last, by, at)| {
            last == digit && by != source && now.saturating_duration_since(at) < once
        });
        if repeated {
            wires.counters.keys_repeated += 1;
            return;
        }
        self.last_key = Some((digit, source, now));
        wires.counters.keys_pressed += 1;
        self.person_pressed(now, wires);
        if !self.keys.push(digit) {
            wires.counters.keys_dropped += 1;
            return;
        }
        self.turn(now, Turn::Key);
        wires.events.push(Event::Key { call: self.key(), digit });
        self.follow(now, wires, |place, cues| place.key_pressed(now, digit, cues));
    }

    /// Goes on with another script.
    pub(crate) fn follow_script(&mut self, now: Instant, script: Arc<Script>, wires: &mut Wires) {
        if self.phase == Phase::Up {
            self.follow(now, wires, Place::leave);
        }
        if !matches!(self.phase, Phase::Closing(_) | Phase::Over(_)) {
            self.place.change_to(Arc::clone(&script));
            self.script = script;
            self.keys = Keys::default();
        }
        if let (Phase::Up, Some(agreed)) = (self.phase, self.agreed) {
            self.listen(now, &agreed);
            self.follow(now, wires, |place, cues| place.answered(now, cues));
        }
    }

    /// Tells the place something and does what it says.
    pub(super) fn follow(
        &mut self,
        now: Instant,
        wires: &mut Wires,
        tell: impl FnOnce(&mut Place, &mut Vec<Cue>),
    ) {
        let mut cues = std::mem::take(&mut wires.cues);
        tell(&mut self.place, &mut cues);
        for cue in cues.drain(..) {
            match cue {
                Cue::Play { clip, of_message } => self.play(Some(clip), of_message, wires),
                Cue::Hush => self.play(None, None, wires),
                Cue::Record { max_ms } => self.record(max_ms, wires),
                Cue::StopRecording => self.stop_recording(now, wires),
                Cue::Ring(leg) => self.ring(leg, wires),
                Cue::Join { record_ms } => self.join(now, record_ms, wires),
                Cue::Part => self.part(wires),
            }
        }
        wires.cues = cues;
    }

    /// Plays a clip, or nothing, from the next frame on.
    fn play(&mut self, clip: Option<Arc<Clip>>, of_message: Option<usize>, wires: &mut Wires) {
        let codec = self.agreed.map_or(Codec::Pcma, |agreed| agreed.codec);
        let encoded = Arc::clone(clip.as_ref().unwrap_or(&wires.silence).encoded(codec));
        self.play_encoded(encoded, wires);
        self.sound.message_from = of_message.map(|at| self.frames_before(at));
        self.sound.clip = clip;
    }

    /// The frames of the message before its clip with this number.
    fn frames_before(&self, at: usize) -> u32 {
        let clips = self.script.message_step().into_iter().flat_map(|play| &play.clips);
        clips
            .take(at)
            .fold(0, |sum: u32, clip| sum.saturating_add(frame_count(clip.encoded(Codec::Pcma))))
    }
}
