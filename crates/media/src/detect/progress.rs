//! What a network says before the answer: ringing, busy and congestion tones by frequency and
//! cadence (ITU-T E.180), or an announcement by a voice.

use super::Blocks;
use super::sound::{BLOCK, BLOCK_MS, Sound};

/// What is heard before the answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Progress {
    /// It rings.
    Ringing,
    /// The line is busy.
    Busy,
    /// The network is full.
    Congestion,
    /// A voice says something: that the number does not exist, or that the phone is off.
    Announcement,
}

/// One tone of a network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NetworkTone {
    /// What it means.
    pub means: Progress,
    /// Its frequency, hertz.
    pub hz: u16,
    /// How long it sounds, milliseconds.
    pub on_ms: u32,
    /// How long it is silent then, milliseconds.
    pub off_ms: u32,
}

/// The tones of a network with 425 Hz, Iran's among them.
pub const TONES_425: [NetworkTone; 3] = [
    NetworkTone { means: Progress::Ringing, hz: 425, on_ms: 1_000, off_ms: 4_000 },
    NetworkTone { means: Progress::Busy, hz: 425, on_ms: 500, off_ms: 500 },
    NetworkTone { means: Progress::Congestion, hz: 425, on_ms: 250, off_ms: 250 },
];

/// Quieter than this is silence: the mean magnitude of 16-bit samples.
const SILENCE_LEVEL: u16 = 128;
/// How far from its frequency a tone may be, hertz.
const OFF_HZ: f32 = 20.0;
/// A length is right within a fifth.
const OFF_FIFTH: u32 = 5;
/// A voice this long, in pieces, is an announcement, milliseconds.
const ANNOUNCEMENT_MS: u32 = 1_500;

/// Listens to early media. The last thing recognised is what counts.
#[derive(Debug, Clone)]
pub struct ProgressListener {
    tones: Vec<NetworkTone>,
    blocks: Blocks<BLOCK>,
    /// The tone that sounds or sounded last, hertz.
    hz: f32,
    on_ms: u32,
    off_ms: u32,
    voice_ms: u32,
    heard: Option<Progress>,
}

impl ProgressListener {
    /// Nothing heard yet.
    pub fn new(tones: Vec<NetworkTone>) -> Self {
        Self {
            tones,
            blocks: Blocks::new(),
            hz: 0.0,
            on_ms: 0,
            off_ms: 0,
            voice_ms: 0,
            heard: None,
        }
    }

    /// What was recognised so far, the last of it.
    pub fn heard(&self) -> Option<Progress> {
        self.heard
    }

    /// Takes samples.
    pub fn listen(&mut self, samples: &[i16]) {
        for sample in samples {
            if let Some(block) = self.blocks.push(*sample) {
                self.block(Sound::of(&block, SILENCE_LEVEL));
            }
        }
    }

    fn block(&mut self, sound: Sound) {
        if let Some(hz) = sound.tone_hz {
            if self.off_ms > 0 || (hz - self.hz).abs() > OFF_HZ {
                self.cadence(false);
                (self.on_ms, self.off_ms) = (0, 0);
            }
            (self.hz, self.on_ms) = (hz, self.on_ms.saturating_add(BLOCK_MS));
            return;
        }
        if sound.level >= f32::from(SILENCE_LEVEL) {
            self.voice_ms = self.voice_ms.saturating_add(BLOCK_MS);
            if self.voice_ms >= ANNOUNCEMENT_MS {
                self.heard = Some(Progress::Announcement);
            }
            // Right after a tone it may be its edge; later it is what no cadence has.
            if self.off_ms > 0 {
                self.on_ms = 0;
            }
        }
        self.off_ms = self.off_ms.saturating_add(BLOCK_MS);
        self.cadence(true);
    }

    /// Compares tone and silence with the tones known. A silence that goes on is long enough as
    /// soon as no other tone with this sound has a longer one.
    fn cadence(&mut self, goes_on: bool) {
        let sounds = |tone: &&NetworkTone| {
            (f32::from(tone.hz) - self.hz).abs() <= OFF_HZ && near(self.on_ms, tone.on_ms)
        };
        let found = self.tones.iter().filter(sounds).find(|tone| {
            if goes_on {
                self.off_ms >= tone.off_ms - tone.off_ms / OFF_FIFTH
            } else {
                near(self.off_ms, tone.off_ms)
            }
        });
        if let Some(tone) = found {
            self.heard = Some(tone.means);
            self.voice_ms = 0;
        }
    }
}

fn near(measured_ms: u32, wanted_ms: u32) -> bool {
    measured_ms.abs_diff(wanted_ms) <= (wanted_ms / OFF_FIFTH).max(2 * BLOCK_MS)
}
