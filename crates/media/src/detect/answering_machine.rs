//! Who answered: a person says a word and waits, a machine talks on and then beeps.
//!
//! The sound is cut into words and silences, as PBXs have done for long, and their lengths decide.
//! A pure tone is no word. The beep has a detector of its own, which goes on after the verdict: one
//! frequency with four fifths of the energy, for 120 to 1500 ms, and then silence.
//!
//! Somebody who says nothing at all may well be a person who listens, since the message plays
//! meanwhile: that is [`Verdict::Unsure`] here and not, as elsewhere, a machine.

use super::Blocks;
use super::sound::{BLOCK, BLOCK_MS, Sound};

/// Who answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Verdict {
    /// A person.
    Person,
    /// An answering machine or a voice mailbox.
    Machine,
    /// Nothing was said, or nothing that decides.
    Unsure,
}

/// Something heard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Heard {
    /// Who it is; told once.
    Verdict(Verdict),
    /// A beep is over: a machine records from now on.
    Beep,
}

/// The lengths that decide, milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timing {
    /// Silence from the answer on after which nobody is expected to speak.
    pub initial_silence_ms: u32,
    /// A greeting longer than this is a machine's.
    pub greeting_ms: u32,
    /// Silence after a greeting after which a person waits for us.
    pub after_greeting_silence_ms: u32,
    /// When to give up deciding.
    pub total_ms: u32,
    /// Anything shorter is a noise.
    pub min_word_ms: u32,
    /// Silence that separates words.
    pub between_words_ms: u32,
    /// This many words are a machine's greeting.
    pub max_words: u32,
    /// A word longer than this is a machine's.
    pub max_word_ms: u32,
    /// What is quieter is silence: the mean magnitude of 16-bit samples.
    pub silence_level: u16,
}

impl Default for Timing {
    fn default() -> Self {
        Self {
            initial_silence_ms: 2_500,
            greeting_ms: 1_500,
            after_greeting_silence_ms: 800,
            total_ms: 5_000,
            min_word_ms: 100,
            between_words_ms: 50,
            max_words: 3,
            max_word_ms: 5_000,
            silence_level: 256,
        }
    }
}

/// A beep lasts this long, milliseconds.
const BEEP_MS: std::ops::RangeInclusive<u32> = 120..=1_500;
/// It is over after this much silence, milliseconds.
const AFTER_BEEP_MS: u32 = 60;
/// Beeps have frequencies like these, hertz.
const BEEP_HZ: std::ops::RangeInclusive<f32> = 350.0..=2_600.0;
/// How far a network's tone may be from its frequency, hertz.
const NETWORK_OFF_HZ: f32 = 12.0;
/// How far the frequency of one beep wanders, hertz.
const BEEP_WANDERS_HZ: f32 = 40.0;

/// Listens to the answered line.
#[derive(Debug, Clone)]
pub struct AnsweringMachine {
    timing: Timing,
    blocks: Blocks<BLOCK>,
    speech: Speech,
    beep: Beep,
}

impl AnsweringMachine {
    /// From the answer on. `not_beeps_hz` are frequencies of the network's own tones, which are
    /// not taken for a beep.
    pub fn new(timing: Timing, not_beeps_hz: Vec<u16>) -> Self {
        let beep = Beep { not_hz: not_beeps_hz, ..Beep::default() };
        Self { timing, blocks: Blocks::new(), speech: Speech::default(), beep }
    }

    /// Takes samples; tells what is heard.
    pub fn listen(&mut self, samples: &[i16], mut heard: impl FnMut(Heard)) {
        for sample in samples {
            let Some(block) = self.blocks.push(*sample) else { continue };
            let sound = Sound::of(&block, self.timing.silence_level);
            let loud = sound.level >= f32::from(self.timing.silence_level);
            let word = loud && sound.tone_hz.is_none();
            if let Some(verdict) = self.speech.block(word, &self.timing) {
                heard(Heard::Verdict(verdict));
            }
            if self.beep.block(sound.tone_hz, loud) {
                heard(Heard::Beep);
            }
        }
    }
}

/// Words and silences so far, milliseconds.
#[derive(Debug, Clone, Default)]
struct Speech {
    decided: bool,
    total_ms: u32,
    /// From the first word on.
    greeting_ms: u32,
    words: u32,
    /// The run of sound, and of silence, that is going on.
    sound_ms: u32,
    silence_ms: u32,
    /// The run of sound has been counted as a word.
    counted: bool,
}

impl Speech {
    /// Ten milliseconds more. The verdict, when they decide.
    fn block(&mut self, word: bool, timing: &Timing) -> Option<Verdict> {
        if self.decided {
            return None;
        }
        self.total_ms += BLOCK_MS;
        if word {
            self.silence_ms = 0;
            self.sound_ms += BLOCK_MS;
        } else {
            self.silence_ms += BLOCK_MS;
            if self.silence_ms >= timing.between_words_ms {
                (self.sound_ms, self.counted) = (0, false);
            }
        }
        if self.sound_ms >= timing.min_word_ms && !self.counted {
            self.counted = true;
            self.words += 1;
        }
        if self.words > 0 && (word || self.silence_ms < timing.after_greeting_silence_ms) {
            self.greeting_ms += BLOCK_MS;
        }
        let verdict = self.weigh(timing);
        self.decided = verdict.is_some();
        verdict
    }

    fn weigh(&self, timing: &Timing) -> Option<Verdict> {
        let spoke = self.words > 0;
        if self.words >= timing.max_words.max(1) && timing.max_words > 0
            || self.sound_ms >= timing.max_word_ms
            || spoke && self.silence_ms == 0 && self.greeting_ms >= timing.greeting_ms
        {
            return Some(Verdict::Machine);
        }
        if spoke && self.silence_ms >= timing.after_greeting_silence_ms {
            return Some(Verdict::Person);
        }
        let silent = !spoke && self.silence_ms >= timing.initial_silence_ms;
        (silent || self.total_ms >= timing.total_ms).then_some(Verdict::Unsure)
    }
}

/// A pure tone and what followed it.
#[derive(Debug, Clone, Default)]
struct Beep {
    not_hz: Vec<u16>,
    hz: f32,
    lasted_ms: u32,
    silent_ms: u32,
}

impl Beep {
    /// Ten milliseconds more. Whether a beep is over now.
    fn block(&mut self, tone_hz: Option<f32>, loud: bool) -> bool {
        if let Some(hz) = tone_hz {
            let goes_on = self.silent_ms == 0 && (hz - self.hz).abs() <= BEEP_WANDERS_HZ;
            self.lasted_ms =
                if goes_on { self.lasted_ms.saturating_add(BLOCK_MS) } else { BLOCK_MS };
            (self.hz, self.silent_ms) = (hz, 0);
            return false;
        }
        if loud && self.silent_ms > 0 {
            self.lasted_ms = 0;
        }
        // A loud block that is no tone may be the edge of one.
        self.silent_ms += BLOCK_MS;
        if self.silent_ms != AFTER_BEEP_MS {
            return false;
        }
        let network =
            self.not_hz.iter().any(|hz| (f32::from(*hz) - self.hz).abs() <= NETWORK_OFF_HZ);
        let beep = BEEP_MS.contains(&self.lasted_ms) && BEEP_HZ.contains(&self.hz) && !network;
        self.lasted_ms = 0;
        beep
    }
}
