//! Any sample rate to 8 kHz, fed piece by piece so that only telephone audio is kept in memory.

use rubato::audioadapter_buffers::direct::SequentialSlice;
use rubato::{Fft, FixedSync, Indexing, Resampler, WindowFunction};

use crate::{Refusal, SAMPLE_RATE};

/// Rates we take, in samples per second. Below there is no speech, above no microphone; the bounds
/// also keep the filter, whose size grows with odd rates, small.
const RATES: std::ops::RangeInclusive<u32> = 4_000..=192_000;
/// Shortest FFT block, in input samples. The block sets how steep the filter is: at 48 kHz 1024
/// already cuts at 3.7 kHz, while 2048 is flat to 3.4 kHz and lets nothing fold back.
const MIN_BLOCK: u32 = 2_048;
/// Blocks per second at high rates, which keeps the filter's steepness in hertz.
const BLOCKS_PER_SECOND: u32 = 20;

/// Collects mono audio of one rate as 8 kHz samples.
#[derive(Default)]
pub(crate) struct ToTelephone {
    converter: Option<Converter>,
    out: Vec<f32>,
}

/// The running filter of one input rate.
struct Converter {
    rate: u32,
    /// `None` when the input is at 8 kHz already.
    fft: Option<Fft<f32>>,
    /// Input not yet enough for a block.
    pending: Vec<f32>,
    /// Room for one block of output.
    block: Vec<f32>,
    /// Output samples still to drop, the filter's delay.
    delay: usize,
    /// Input samples so far.
    fed: u64,
}

impl ToTelephone {
    /// Adds mono samples at `rate`.
    ///
    /// # Errors
    /// [`Refusal::Unsupported`] for a rate outside [`RATES`], [`Refusal::Broken`] when the rate
    /// changes on the way.
    pub(crate) fn push(&mut self, rate: u32, mono: &[f32]) -> Result<(), Refusal> {
        let converter = match &mut self.converter {
            Some(converter) => converter,
            none => none.insert(Converter::new(rate)?),
        };
        if converter.rate != rate {
            let detail = format!("the sample rate changes from {} to {rate}", converter.rate);
            return Err(Refusal::Broken { detail });
        }
        converter.push(mono, &mut self.out)
    }

    /// Seconds of input so far.
    pub(crate) fn seconds_fed(&self) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "limits stop far below 2^52 samples")]
        self.converter.as_ref().map_or(0.0, |c| c.fed as f64 / f64::from(c.rate))
    }

    /// Flushes the filter and gives the samples away.
    ///
    /// # Errors
    /// [`Refusal::Broken`] if the filter fails, which its sizes rule out.
    pub(crate) fn finish(mut self) -> Result<Vec<f32>, Refusal> {
        if let Some(mut converter) = self.converter {
            converter.flush(&mut self.out)?;
        }
        Ok(self.out)
    }
}

impl Converter {
    fn new(rate: u32) -> Result<Self, Refusal> {
        if !RATES.contains(&rate) {
            return Err(Refusal::Unsupported { what: format!("a sample rate of {rate} Hz") });
        }
        let mut converter =
            Self { rate, fft: None, pending: Vec::new(), block: Vec::new(), delay: 0, fed: 0 };
        if rate != SAMPLE_RATE {
            let window = WindowFunction::BlackmanHarris2;
            let (from, to) = (rate as usize, SAMPLE_RATE as usize);
            let fft = Fft::new_custom(from, to, block(rate), 1, 1, window, FixedSync::Both)
                .map_err(broken)?;
            converter.delay = fft.output_delay();
            converter.block = vec![0.0; fft.output_frames_max()];
            converter.fft = Some(fft);
        }
        Ok(converter)
    }

    fn push(&mut self, mono: &[f32], out: &mut Vec<f32>) -> Result<(), Refusal> {
        self.fed += mono.len() as u64;
        let Some(fft) = &self.fft else {
            out.extend_from_slice(mono);
            return Ok(());
        };
        let needed = fft.input_frames_next();
        self.pending.extend_from_slice(mono);
        let mut pending = std::mem::take(&mut self.pending);
        let mut used = 0;
        while pending.len() - used >= needed {
            self.convert(&pending[used..used + needed], out)?;
            used += needed;
        }
        pending.drain(..used);
        self.pending = pending;
        Ok(())
    }

    /// Filters one block, which is short only at the end of the input.
    fn convert(&mut self, input: &[f32], out: &mut Vec<f32>) -> Result<(), Refusal> {
        let Some(fft) = &mut self.fft else { return Ok(()) };
        let room = self.block.len();
        let indexing = Indexing::new().partial_len(input.len());
        let from = SequentialSlice::new(input, 1, input.len()).map_err(broken)?;
        let mut to = SequentialSlice::new_mut(&mut self.block, 1, room).map_err(broken)?;
        let (_, made) = fft.process_into_buffer(&from, &mut to, Some(&indexing)).map_err(broken)?;
        let late = self.delay.min(made);
        self.delay -= late;
        out.extend_from_slice(&self.block[late..made]);
        Ok(())
    }

    /// Pushes the filter's tail out and cuts the output to the input's length.
    fn flush(&mut self, out: &mut Vec<f32>) -> Result<(), Refusal> {
        if self.fft.is_none() {
            return Ok(());
        }
        let length = (self.fed * u64::from(SAMPLE_RATE)).div_ceil(u64::from(self.rate));
        let length = usize::try_from(length).expect("output is shorter than memory");
        let rest = std::mem::take(&mut self.pending);
        self.convert(&rest, out)?;
        while out.len() < length {
            self.convert(&[], out)?;
        }
        out.truncate(length);
        Ok(())
    }
}

/// The block for `rate`: a multiple of the shortest that both rates divide, and even, since an odd
/// one would delay by half a sample.
fn block(rate: u32) -> usize {
    let (mut a, mut b) = (rate, SAMPLE_RATE);
    while b > 0 {
        (a, b) = (b, a % b);
    }
    let unit = rate / a;
    let mut units = (rate / BLOCKS_PER_SECOND).max(MIN_BLOCK).div_ceil(unit);
    if unit % 2 == 1 {
        units = units.next_multiple_of(2);
    }
    (units * unit) as usize
}

/// The filter refuses only wrong sizes, which are ours; still an error and no panic.
fn broken(error: impl std::fmt::Display) -> Refusal {
    Refusal::Broken { detail: format!("resampling failed: {error}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn through(rate: u32, hertz: f64, seconds: f64) -> Vec<f32> {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "test input")]
        let length = (f64::from(rate) * seconds) as u32;
        let step = std::f64::consts::TAU * hertz / f64::from(rate);
        #[expect(clippy::cast_possible_truncation, reason = "samples are f32")]
        let input: Vec<f32> = (0..length).map(|i| (f64::from(i) * step).sin() as f32).collect();
        let mut telephone = ToTelephone::default();
        for piece in input.chunks(777) {
            telephone.push(rate, piece).expect("a usual rate");
        }
        telephone.finish().expect("sizes are right")
    }

    /// Level against a full-scale sine, in dB, leaving out the edges.
    fn level(samples: &[f32]) -> f64 {
        let middle = &samples[1_000..samples.len() - 1_000];
        let energy: f64 = middle.iter().map(|&s| f64::from(s).powi(2)).sum();
        #[expect(clippy::cast_precision_loss, reason = "few samples")]
        let mean = energy / middle.len() as f64;
        10.0 * (2.0 * mean).log10()
    }

    #[test]
    fn speech_passes_flat_and_nothing_folds_back() {
        for rate in [11_025, 16_000, 22_050, 32_000, 44_100, 48_000, 96_000, 192_000] {
            for hertz in [300.0, 1_000.0, 3_400.0] {
                let level = level(&through(rate, hertz, 1.0));
                assert!(level.abs() < 0.1, "{hertz} Hz at {rate}: {level:.2} dB");
            }
            for hertz in [4_300.0, 5_000.0] {
                let level = level(&through(rate, hertz, 1.0));
                assert!(level < -80.0, "{hertz} Hz at {rate}: {level:.2} dB");
            }
        }
    }

    #[test]
    fn length_and_phase_are_kept() {
        for rate in [8_000, 16_000, 44_100, 48_000, 47_999] {
            let out = through(rate, 440.0, 1.0);
            assert_eq!(out.len(), 8_000, "{rate}");
            for (i, &sample) in (0_u32..).zip(&out).skip(1_000).take(6_000) {
                let expected = (std::f64::consts::TAU * 440.0 * f64::from(i) / 8_000.0).sin();
                assert!((f64::from(sample) - expected).abs() < 0.01, "{rate} at {i}");
            }
        }
    }

    #[test]
    fn odd_rates_are_refused() {
        for rate in [0, 1, 3_999, 192_001, u32::MAX] {
            let refusal = ToTelephone::default().push(rate, &[0.0]);
            assert!(matches!(refusal, Err(Refusal::Unsupported { .. })), "{rate}");
        }
        let mut telephone = ToTelephone::default();
        telephone.push(16_000, &[0.0]).expect("a usual rate");
        assert!(matches!(telephone.push(8_000, &[0.0]), Err(Refusal::Broken { .. })));
    }
}
