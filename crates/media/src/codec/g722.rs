//! G.722 at 64 kbit/s (ITU-T G.722, mode 1), for sound that is 8 kHz on our side.
//!
//! G.722 splits sound of 16 kHz into a lower and an upper band of 8 kHz each and sends six bits of
//! the one and two of the other. Telephone sound at 8 kHz *is* a lower band, so no filter is needed
//! here: what we encode has a silent upper band, and of what we decode the upper band is left out.
//! A peer hears our 4 kHz of sound, we hear the lower 4 kHz of its 8.

/// The code of silence: the quantiser's middle in both bands, with which a decoder comes to rest
/// within 50 ms of whatever was before.
pub const SILENCE: u8 = 0xFF;

/// Scale of the quantiser's steps (table 18/G.722: the 15 decision levels, and 29 of six bits).
static DECISION: [i32; 30] = [
    0, 35, 72, 110, 150, 190, 233, 276, 323, 370, 422, 473, 530, 587, 650, 714, 786, 858, 940,
    1023, 1121, 1219, 1339, 1458, 1612, 1765, 1980, 2195, 2557, 2919,
];
/// Logarithmic step change by the four upper bits of a lower code (tables 9 and 13).
static LOWER_CHANGE: [i32; 16] =
    [-60, 3042, 1198, 538, 334, 172, 58, -30, 3042, 1198, 538, 334, 172, 58, -30, -60];
/// Values of the four upper bits of a lower code, by which the predictor is adapted (table 19).
static LOWER_COARSE: [i32; 16] = [
    0, -20456, -12896, -8968, -6288, -4240, -2584, -1200, 20456, 12896, 8968, 6288, 4240, 2584,
    1200, 0,
];
/// Values of all six bits of a lower code (table 17).
static LOWER_FINE: [i32; 64] = [
    -136, -136, -136, -136, -24808, -21904, -19008, -16704, -14984, -13512, -12280, -11192, -10232,
    -9360, -8576, -7856, -7192, -6576, -6000, -5456, -4944, -4464, -4008, -3576, -3168, -2776,
    -2400, -2032, -1688, -1360, -1040, -728, 24808, 21904, 19008, 16704, 14984, 13512, 12280,
    11192, 10232, 9360, 8576, 7856, 7192, 6576, 6000, 5456, 4944, 4464, 4008, 3576, 3168, 2776,
    2400, 2032, 1688, 1360, 1040, 728, 432, 136, -432, -136,
];
/// Logarithmic step change by an upper code (table 14).
static UPPER_CHANGE: [i32; 4] = [798, -214, 798, -214];
/// Values of an upper code (table 21).
static UPPER: [i32; 4] = [-7408, -1616, 7408, 1616];
/// 2^11 × 2^(n/32): mantissas of the step (table 11, inverse logarithm).
static MANTISSA: [i32; 32] = [
    2048, 2093, 2139, 2186, 2233, 2282, 2332, 2383, 2435, 2489, 2543, 2599, 2656, 2714, 2774, 2834,
    2896, 2960, 3025, 3091, 3158, 3228, 3298, 3371, 3444, 3520, 3597, 3676, 3756, 3838, 3922, 4008,
];

/// The adaptive part that both bands, and both ends, have alike (blocks 3 and 4 of §3.5 and §3.6).
#[derive(Debug, Clone)]
struct Band {
    /// Prediction of the next sample.
    prediction: i32,
    /// Its part from the zeros of the predictor.
    from_zeros: i32,
    /// The last two reconstructed samples.
    reconstructed: [i32; 2],
    /// The last two sums of zeros' part and difference.
    partial: [i32; 2],
    poles: [i32; 2],
    zeros: [i32; 6],
    /// The last six quantised differences, the newest first.
    differences: [i32; 6],
    log_step: i32,
    step: i32,
}

/// What the two bands have of their own: the largest step's logarithm and the offset of its scale.
struct Scale {
    log_step_max: i32,
    shift: i32,
}

const LOWER_SCALE: Scale = Scale { log_step_max: 18_432, shift: 8 };
const UPPER_SCALE: Scale = Scale { log_step_max: 22_528, shift: 10 };

impl Band {
    /// The state at reset, with the smallest step of its band.
    fn new(step: i32) -> Self {
        Self {
            prediction: 0,
            from_zeros: 0,
            reconstructed: [0; 2],
            partial: [0; 2],
            poles: [0; 2],
            zeros: [0; 6],
            differences: [0; 6],
            log_step: 0,
            step,
        }
    }

    /// Adapts the step (blocks LOGSCL, LOGSCH and SCALEL, SCALEH).
    fn adapt_step(&mut self, change: i32, scale: &Scale) {
        let decayed = (self.log_step * 127) >> 7;
        self.log_step = (decayed + change).clamp(0, scale.log_step_max);
        let mantissa = MANTISSA[usize_of((self.log_step >> 6) & 31)];
        let shift = scale.shift - (self.log_step >> 11);
        let linear = if shift < 0 { mantissa << -shift } else { mantissa >> shift };
        self.step = linear << 2;
    }

    /// Takes in a quantised difference and predicts the next sample (block 4).
    fn adapt_predictor(&mut self, difference: i32) {
        let reconstructed = saturate(self.prediction + difference);
        let partial = saturate(self.from_zeros + difference);
        self.adapt_poles(partial);
        self.adapt_zeros(difference);
        self.reconstructed = [reconstructed, self.reconstructed[0]];
        self.partial = [partial, self.partial[0]];
        self.differences.rotate_right(1);
        self.differences[0] = difference;
        let pole = |at: usize| (self.poles[at] * saturate(2 * self.reconstructed[at])) >> 15;
        let from_poles = saturate(pole(0) + pole(1));
        let zeros = self.zeros.iter().zip(&self.differences);
        self.from_zeros =
            saturate(zeros.map(|(zero, past)| (zero * saturate(2 * past)) >> 15).sum());
        self.prediction = saturate(from_poles + self.from_zeros);
    }

    /// Blocks UPPOL2 and UPPOL1.
    fn adapt_poles(&mut self, partial: i32) {
        let agrees = |past: i32| (partial < 0) == (past < 0);
        let [first, second] = self.poles;
        let quarter = saturate(first << 2);
        let toward = if agrees(self.partial[0]) { -quarter } else { quarter };
        let toward = (toward.min(32_767) >> 7) + if agrees(self.partial[1]) { 128 } else { -128 };
        let second = (toward + ((second * 32_512) >> 15)).clamp(-12_288, 12_288);
        let step = if agrees(self.partial[0]) { 192 } else { -192 };
        let limit = saturate(15_360 - second);
        let first = saturate(step + ((first * 32_640) >> 15)).clamp(-limit, limit);
        self.poles = [first, second];
    }

    /// Block UPZERO.
    fn adapt_zeros(&mut self, difference: i32) {
        let step = if difference == 0 { 0 } else { 128 };
        for (zero, past) in self.zeros.iter_mut().zip(&self.differences) {
            let toward = if (difference < 0) == (*past < 0) { step } else { -step };
            *zero = saturate(toward + ((*zero * 32_640) >> 15));
        }
    }
}

/// The step of each band at reset.
const LOWER_STEP: i32 = 32;
const UPPER_STEP: i32 = 8;

/// Turns samples into bytes.
#[derive(Debug, Clone)]
pub struct Encoder {
    lower: Band,
    upper: Band,
}

impl Default for Encoder {
    fn default() -> Self {
        Self { lower: Band::new(LOWER_STEP), upper: Band::new(UPPER_STEP) }
    }
}

impl Encoder {
    /// One sample at 8 kHz as one byte.
    pub fn encode(&mut self, sample: i16) -> u8 {
        let lower = quantise_lower(
            saturate((i32::from(sample) >> 1) - self.lower.prediction),
            self.lower.step,
        );
        let coarse = usize::from(lower >> 2);
        let difference = (self.lower.step * LOWER_COARSE[coarse]) >> 15;
        self.lower.adapt_step(LOWER_CHANGE[coarse], &LOWER_SCALE);
        self.lower.adapt_predictor(difference);
        let upper = quantise_upper(saturate(-self.upper.prediction), self.upper.step);
        let difference = (self.upper.step * UPPER[usize::from(upper)]) >> 15;
        self.upper.adapt_step(UPPER_CHANGE[usize::from(upper)], &UPPER_SCALE);
        self.upper.adapt_predictor(difference);
        (upper << 6) | lower
    }
}

/// Block QUANTL: six bits, inverted as they are sent.
fn quantise_lower(difference: i32, step: i32) -> u8 {
    let negative = difference < 0;
    let magnitude = if negative { -(difference + 1) } else { difference };
    let level = (1..30).find(|&level| magnitude < (DECISION[level] * step) >> 12).unwrap_or(30);
    let level = u8::try_from(level).expect("a level is at most 30");
    match (negative, level) {
        // The two smallest negative levels stand at the end of the table (table 16).
        (true, 1 | 2) => 64 - level,
        (true, _) => 34 - level,
        (false, _) => 62 - level,
    }
}

/// Block QUANTH: two bits.
fn quantise_upper(difference: i32, step: i32) -> u8 {
    let negative = difference < 0;
    let magnitude = if negative { -(difference + 1) } else { difference };
    let far = magnitude >= (564 * step) >> 12;
    match (negative, far) {
        (true, true) => 0,
        (true, false) => 1,
        (false, true) => 2,
        (false, false) => 3,
    }
}

/// Turns bytes into samples.
#[derive(Debug, Clone)]
pub struct Decoder {
    lower: Band,
}

impl Default for Decoder {
    fn default() -> Self {
        Self { lower: Band::new(LOWER_STEP) }
    }
}

impl Decoder {
    /// One byte as one sample at 8 kHz: what lies below 4 kHz.
    pub fn decode(&mut self, byte: u8) -> i16 {
        let fine = (self.lower.step * LOWER_FINE[usize::from(byte & 0x3F)]) >> 15;
        let sample = (self.lower.prediction + fine).clamp(-16_384, 16_383);
        let coarse = usize::from((byte & 0x3F) >> 2);
        let difference = (self.lower.step * LOWER_COARSE[coarse]) >> 15;
        self.lower.adapt_step(LOWER_CHANGE[coarse], &LOWER_SCALE);
        self.lower.adapt_predictor(difference);
        i16::try_from(sample << 1).expect("a sample of 15 bits, doubled")
    }
}

fn saturate(value: i32) -> i32 {
    value.clamp(i16::MIN.into(), i16::MAX.into())
}

/// A masked, so never negative, index.
fn usize_of(index: i32) -> usize {
    usize::try_from(index).expect("masked")
}
