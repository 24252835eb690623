//! The sending half of a call's media: tones and voices before and after the answer, keys, and
//! silence.

use std::time::{Duration, Instant};

use media::rtp::{HEADER_BYTES, Sender};
use media::sdp::Negotiated;
use media::telephone_event::{Key, KeyPress};
use media::{Codec, EncodedClip, FRAME_MS, FRAME_SAMPLES};

use crate::numbers::{Progress, Says};
use crate::sounds;

const FRAME: Duration = Duration::from_millis(FRAME_MS as u64);
/// When frames are later than this, those in between are left out instead of sent in a burst.
const LATEST: Duration = Duration::from_millis(200);
/// How long a key is held, in frames of 20 ms.
const KEY_FRAMES: u16 = 5;
/// Whose voice it is.
const ANNOUNCER: u32 = 11;
const MACHINE: u32 = 6;
const PERSON: u32 = 5;

/// Something to say.
#[derive(Debug)]
pub(crate) struct Sound {
    clip: EncodedClip,
    repeats: bool,
}

impl Sound {
    /// What is heard before the answer.
    pub(crate) fn early(progress: Progress, codec: Codec) -> Option<Self> {
        let samples = match progress {
            Progress::Trying | Progress::Ringing => return None,
            Progress::EarlyMedia => tone(),
            Progress::RingingTone => sounds::cadence(425.0, 1_000, 4_000, 1),
            Progress::Announcement => sounds::talk(ANNOUNCER, 4_000),
        };
        Some(Self { clip: EncodedClip::from_samples(codec, &samples), repeats: true })
    }

    /// What is said from the answer on.
    pub(crate) fn answer(says: Says, codec: Codec) -> Option<Self> {
        let samples = match says {
            Says::Nothing => return None,
            Says::Word => [sounds::silence(400), sounds::talk(PERSON, 400)].concat(),
            Says::Greeting => [
                sounds::silence(300),
                sounds::talk(MACHINE, 3_000),
                sounds::silence(500),
                sounds::tone(1_000.0, 400),
            ]
            .concat(),
            Says::Talk => sounds::talk(PERSON, 60_000),
        };
        Some(Self { clip: EncodedClip::from_samples(codec, &samples), repeats: false })
    }

    /// A key as tones.
    pub(crate) fn key(key: Key, codec: Codec) -> Self {
        let samples = sounds::key(key, u32::from(KEY_FRAMES) * FRAME_MS);
        Self { clip: EncodedClip::from_samples(codec, &samples), repeats: false }
    }

    fn frame(&self, at: usize) -> Option<&[u8]> {
        let at = if self.repeats { at % self.clip.frame_count() } else { at };
        self.clip.frame(at)
    }
}

/// What one call says.
#[derive(Debug)]
pub(crate) struct Voice {
    sender: Sender,
    next_at: Instant,
    /// What is said, over and over or once, and the next frame of it; then there is silence.
    sound: Option<Sound>,
    frame: usize,
    press: Option<KeyPress>,
}

impl Voice {
    /// Begins to speak at `now`, in silence.
    pub(crate) fn new(now: Instant, sender: Sender) -> Self {
        Self { sender, next_at: now, sound: None, frame: 0, press: None }
    }

    /// Says something else from the next frame on, or nothing.
    pub(crate) fn say(&mut self, sound: Option<Sound>) {
        (self.sound, self.frame) = (sound, 0);
    }

    /// Presses a key from the next frame on.
    pub(crate) fn press(&mut self, key: Key) {
        self.press = Some(KeyPress::new(key, self.sender.timestamp(), KEY_FRAMES));
    }

    /// When the next packet is due.
    pub(crate) fn next_at(&self) -> Instant {
        self.next_at
    }

    /// The packet that is due at `now`.
    pub(crate) fn packet(&mut self, now: Instant, negotiated: &Negotiated) -> Vec<u8> {
        self.next_at += FRAME;
        if now.saturating_duration_since(self.next_at) > LATEST {
            self.next_at = now + FRAME;
        }
        let key = self.press.as_mut().and_then(Iterator::next);
        if let (Some(key), Some(payload_type)) = (key, negotiated.telephone_event_pt) {
            let header = self.sender.event(payload_type, key.timestamp, key.marker);
            return [&header.write()[..], &key.payload].concat();
        }
        let header = self.sender.frame(negotiated.payload_type);
        let mut bytes = Vec::with_capacity(HEADER_BYTES + FRAME_SAMPLES);
        bytes.extend_from_slice(&header.write());
        match self.sound.as_ref().and_then(|sound| sound.frame(self.frame)) {
            Some(frame) => bytes.extend_from_slice(frame),
            None => bytes.resize(HEADER_BYTES + FRAME_SAMPLES, negotiated.codec.silence()),
        }
        self.frame += 1;
        bytes
    }
}

/// 40 ms of 425 Hz, the tone of a ringing telephone: 17 whole periods, so that it repeats
/// without a click.
fn tone() -> Vec<i16> {
    // A resonator: y[n] = 2·cos(ω)·y[n-1] − y[n-2] with ω = 2π·425/8000, in units of 2^-14.
    const TWICE_COSINE: i32 = 30_960;
    const FIRST: i32 = 2_621;
    let (mut before, mut sample) = (0_i32, FIRST);
    let mut samples = vec![0];
    while samples.len() < 2 * FRAME_SAMPLES {
        samples.push(i16::try_from(sample).expect("the resonator stays below 8200"));
        (before, sample) = (sample, ((TWICE_COSINE * sample) >> 14) - before);
    }
    samples
}
