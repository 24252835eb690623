//! The sending half of a call's media: a tone before the answer, silence and keys after it.

use std::time::{Duration, Instant};

use media::rtp::{HEADER_BYTES, Sender};
use media::sdp::Negotiated;
use media::telephone_event::{Key, KeyPress};
use media::{Codec, EncodedClip, FRAME_MS, FRAME_SAMPLES};

const FRAME: Duration = Duration::from_millis(FRAME_MS as u64);
/// When frames are later than this, those in between are left out instead of sent in a burst.
const LATEST: Duration = Duration::from_millis(200);
/// How long a key is held, in frames of 20 ms.
const KEY_FRAMES: u16 = 5;

/// What one call says.
#[derive(Debug)]
pub(crate) struct Voice {
    sender: Sender,
    next_at: Instant,
    /// The tone until the answer, then nothing: silence.
    tone: Option<EncodedClip>,
    frame: usize,
    press: Option<KeyPress>,
}

impl Voice {
    /// Begins to speak at `now`, with the tone of early media or in silence.
    pub(crate) fn new(now: Instant, sender: Sender, tone_with: Option<Codec>) -> Self {
        let tone = tone_with.map(|codec| EncodedClip::from_samples(codec, &tone()));
        Self { sender, next_at: now, tone, frame: 0, press: None }
    }

    /// From the answer on there is silence.
    pub(crate) fn answered(&mut self) {
        self.tone = None;
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
        let tone = self.tone.as_ref().and_then(|tone| tone.frame(self.frame % tone.frame_count()));
        match tone {
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
