//! From the operator's words about answering machines to what the engine is told.

use std::sync::Arc;

use anyhow::{Result, bail};
use engine::{MachineDetection, NetworkTone, OnMachine, Progress, Timing};

use crate::config::{Detection, Machines};

/// The most tones of a network.
const TONES_MAX: usize = 16;

impl Detection {
    /// What calls are to find out; `None` when nobody listens.
    ///
    /// # Errors
    /// A tone that cannot be read, or too many; the message names the key.
    pub fn engine(&self) -> Result<Option<Arc<MachineDetection>>> {
        if self.tones.len() > TONES_MAX {
            bail!("detection.tones: at most {TONES_MAX}");
        }
        let tones = self.tones.iter().map(|text| tone(text)).collect::<Result<Vec<_>>>()?;
        let on_machine = match self.machines {
            Machines::Off => return Ok(None),
            Machines::Report => OnMachine::Report,
            Machines::HangUp => OnMachine::HangUp,
            Machines::LeaveMessage => OnMachine::LeaveMessage,
        };
        let timing = Timing {
            initial_silence_ms: self.initial_silence_ms,
            greeting_ms: self.greeting_ms,
            after_greeting_silence_ms: self.after_greeting_silence_ms,
            total_ms: self.total_ms,
            min_word_ms: self.min_word_ms,
            between_words_ms: self.between_words_ms,
            max_words: self.max_words,
            max_word_ms: self.max_word_ms,
            silence_level: self.silence_level,
        };
        let beep_wait_ms = self.beep_wait_ms;
        Ok(Some(Arc::new(MachineDetection { on_machine, timing, tones, beep_wait_ms })))
    }
}

fn tone(text: &str) -> Result<NetworkTone> {
    let found = match text.split_whitespace().collect::<Vec<_>>()[..] {
        [means, hz, on_ms, off_ms] => read(means, hz, on_ms, off_ms),
        _ => None,
    };
    match found {
        Some(tone) => Ok(tone),
        None => bail!("detection.tones: '{text}' is not like 'busy 425 500 500'"),
    }
}

fn read(means: &str, hz: &str, on_ms: &str, off_ms: &str) -> Option<NetworkTone> {
    let means = match means {
        "ringing" => Progress::Ringing,
        "busy" => Progress::Busy,
        "congestion" => Progress::Congestion,
        _ => return None,
    };
    let hz = hz.parse().ok().filter(|hz| (100..=3_400).contains(hz))?;
    let length = |text: &str| text.parse().ok().filter(|ms| (50..=20_000).contains(ms));
    Some(NetworkTone { means, hz, on_ms: length(on_ms)?, off_ms: length(off_ms)? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_those_of_the_engine_and_off() {
        assert_eq!(Detection::default().engine().unwrap(), None);
        let report = Detection { machines: Machines::Report, ..Detection::default() };
        let expected = MachineDetection::new(OnMachine::Report);
        assert_eq!(report.engine().unwrap().as_deref(), Some(&expected));
    }

    #[test]
    fn a_tone_that_is_not_one_is_refused_by_name() {
        for text in ["", "busy", "busy 425 500", "dial 425 500 500", "busy 0 500 500", "busy x 1 1"]
        {
            let detection = Detection { tones: vec![String::from(text)], ..Detection::default() };
            let error = detection.engine().unwrap_err().to_string();
            assert!(error.starts_with("detection.tones"), "{error}");
        }
    }
}
