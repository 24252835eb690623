//! What is heard: keys as tones, a person or a machine, and the tones of the network. Samples come
//! in, verdicts go out.
//!
//! Every detector is fed linear samples at 8 kHz in order, in portions of any size, and keeps a
//! bounded state. Levels are those of G.711: a sine of full scale has +3 dBm0. Nothing here knows
//! what a verdict is good for.

pub mod answering_machine;
pub mod progress;
mod sound;
pub mod tone;

/// Collects samples into blocks of one length.
#[derive(Debug, Clone)]
struct Blocks<const N: usize> {
    samples: [f32; N],
    filled: usize,
}

impl<const N: usize> Blocks<N> {
    const fn new() -> Self {
        Self { samples: [0.0; N], filled: 0 }
    }

    /// Adds a sample; gives the block that it completes.
    fn push(&mut self, sample: i16) -> Option<[f32; N]> {
        self.samples[self.filled] = f32::from(sample);
        self.filled += 1;
        if self.filled < N {
            return None;
        }
        self.filled = 0;
        Some(self.samples)
    }
}
