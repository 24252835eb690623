//! Keys as pairs of tones (ITU-T Q.23), for peers that send no telephone events.
//!
//! Blocks of 15 ms, one each 7.5 ms, under a Hann window. A block shows a key when its strongest
//! row and column stand out, hold most of the block's energy, are about equally strong, and when
//! the phase of each has moved since the last block as its frequency says. The phase is what tells
//! a tone that is 1.5 % off, which counts (ITU-T Q.24), from one that is 3.5 % off, which must not:
//! no filter that is as short as a key press could.
//!
//! Speech hardly ever holds two such tones for three blocks, and nothing else, so it is not taken
//! for a key.

use crate::SAMPLE_RATE_HZ;
use crate::telephone_event::Key;

/// The frequencies of rows and columns, hertz (Q.23).
const ROWS_HZ: [f32; 4] = [697.0, 770.0, 852.0, 941.0];
const COLUMNS_HZ: [f32; 4] = [1209.0, 1336.0, 1477.0, 1633.0];
/// The keys by row and column.
const KEYS: [[char; 4]; 4] =
    [['1', '2', '3', 'A'], ['4', '5', '6', 'B'], ['7', '8', '9', 'C'], ['*', '0', '#', 'D']];

/// Samples of a block, and from one block to the next.
const BLOCK: usize = 120;
const HOP: usize = 60;
/// Blocks in which a key must show before it counts, the half-filled ones at its edges included.
/// A tone of 40 ms shows in four at least, one of 20 ms in three at most.
const SHOWS: u8 = 4;
/// Blocks without the key after which it is released: a gap of 10 ms is none, one of 40 ms is.
const GONE: u8 = 3;
/// How far off a frequency may be, between the 1.5 % that count and the 3.5 % that must not.
const OFF_MOST: f32 = 0.025;
/// The least that the two tones have of a block's energy. At 1.5 % off and with noise 15 dB below
/// it is 0.78.
const SHARE_LEAST: f32 = 0.72;
/// How much stronger the row may be, as a ratio of energies: 8 dB. Long lines damp the column more.
const ROW_STRONGER_MOST: f32 = 6.31;
/// How much stronger the column may be: 4 dB.
const COLUMN_STRONGER_MOST: f32 = 2.51;
/// The least energy of either tone, as the mean square of its samples: -35 dBm0, where a sine of
/// 0 dBm0 has an amplitude of 22 800.
const TONE_LEAST: f32 = 22_800.0 * 22_800.0 / 2.0 * 3.16e-4;

/// One complex number.
#[derive(Debug, Clone, Copy, Default)]
struct Complex {
    re: f32,
    im: f32,
}

impl Complex {
    fn energy(self) -> f32 {
        self.re * self.re + self.im * self.im
    }

    /// The angle from `earlier` to this, radians.
    fn turned_since(self, earlier: Self) -> f32 {
        let re = self.re * earlier.re + self.im * earlier.im;
        let im = self.im * earlier.re - self.re * earlier.im;
        im.atan2(re)
    }
}

/// A resonator for one frequency (Goertzel).
#[derive(Debug, Clone, Copy)]
struct Resonator {
    hz: f32,
    cosine: f32,
    sine: f32,
    /// By how much its phase turns from block to block, radians.
    turn: f32,
    last: Complex,
    now: Complex,
}

impl Resonator {
    fn new(hz: f32) -> Self {
        let omega = std::f32::consts::TAU * hz / rate();
        let turn = omega * f32::from(u8::try_from(HOP).expect("a hop is short"));
        Self {
            hz,
            cosine: omega.cos(),
            sine: omega.sin(),
            turn,
            last: Complex::default(),
            now: Complex::default(),
        }
    }

    fn listen(&mut self, windowed: &[f32; BLOCK]) {
        let (mut s1, mut s2) = (0.0_f32, 0.0_f32);
        for sample in windowed {
            let s0 = sample + 2.0 * self.cosine * s1 - s2;
            (s1, s2) = (s0, s1);
        }
        self.last = self.now;
        // Turned by the same angle in every block, which a difference of phases does not see.
        self.now = Complex { re: s1 - self.cosine * s2, im: self.sine * s2 };
    }

    /// How far the tone in it is from its frequency, as a part of it.
    fn off(&self) -> f32 {
        let beyond = wrapped(self.now.turned_since(self.last) - self.turn);
        let hz = beyond / std::f32::consts::TAU * rate() / 60.0;
        (hz / self.hz).abs()
    }
}

/// Turns samples into key presses, each reported once, after 35 ms of it.
#[derive(Debug, Clone)]
pub struct ToneKeys {
    rows: [Resonator; 4],
    columns: [Resonator; 4],
    window: [f32; BLOCK],
    /// The last samples, the newest half being filled.
    samples: [f32; BLOCK],
    filled: usize,
    /// What the last block showed, and in how many in a row.
    shown: Option<Key>,
    shows: u8,
    /// The key that is down, and since how many blocks it does not show.
    down: Option<Key>,
    gone: u8,
}

impl Default for ToneKeys {
    fn default() -> Self {
        Self::new()
    }
}

impl ToneKeys {
    /// Nothing heard yet.
    pub fn new() -> Self {
        let mut window = [0.0; BLOCK];
        for (at, weight) in (0_u8..).zip(&mut window) {
            let turn = std::f32::consts::TAU * (f32::from(at) + 0.5) / 120.0;
            *weight = 0.5 - 0.5 * turn.cos();
        }
        Self {
            rows: ROWS_HZ.map(Resonator::new),
            columns: COLUMNS_HZ.map(Resonator::new),
            window,
            samples: [0.0; BLOCK],
            filled: HOP,
            shown: None,
            shows: 0,
            down: None,
            gone: 0,
        }
    }

    /// Takes samples; tells of each key that has come down.
    pub fn listen(&mut self, samples: &[i16], mut pressed: impl FnMut(Key)) {
        for sample in samples {
            self.samples[self.filled] = f32::from(*sample);
            self.filled += 1;
            if self.filled == BLOCK {
                let shown = self.block();
                if let Some(key) = self.follow(shown) {
                    pressed(key);
                }
                self.samples.copy_within(HOP.., 0);
                self.filled = HOP;
            }
        }
    }

    /// The key that the present block shows.
    fn block(&mut self) -> Option<Key> {
        let mut windowed = self.samples;
        let mut energy = 0.0;
        for (sample, weight) in windowed.iter_mut().zip(&self.window) {
            *sample *= weight;
            energy += *sample * *sample;
        }
        // The mean square of a Hann window is 3/8, so a tone that is loud enough shows more.
        if energy < TONE_LEAST * 120.0 * 0.375 {
            let all = self.rows.iter_mut().chain(&mut self.columns);
            all.for_each(|resonator| resonator.now = Complex::default());
            return None;
        }
        let listen = |group: &mut [Resonator; 4]| {
            for resonator in group.iter_mut() {
                resonator.listen(&windowed);
            }
            strongest(group)
        };
        let (row, column) = (listen(&mut self.rows), listen(&mut self.columns));
        let (row_tone, column_tone) = (&self.rows[row], &self.columns[column]);
        // A sine of amplitude A has |X|² = (A/2 · 60)², and a mean square of A²/2.
        let mean_square = |tone: &Resonator| tone.now.energy() / 1_800.0;
        let (low, high) = (mean_square(row_tone), mean_square(column_tone));
        let share = (low + high) * 120.0 * 0.375 / energy;
        let loud = low.min(high) >= TONE_LEAST;
        let even = low <= high * ROW_STRONGER_MOST && high <= low * COLUMN_STRONGER_MOST;
        let exact = row_tone.off() <= OFF_MOST && column_tone.off() <= OFF_MOST;
        let shows = loud && even && exact && share >= SHARE_LEAST;
        if shows { Key::from_char(KEYS[row][column]) } else { None }
    }

    /// Follows keys from block to block; gives the one that has just come down.
    fn follow(&mut self, shown: Option<Key>) -> Option<Key> {
        self.shows = if shown.is_some() && shown == self.shown {
            self.shows.saturating_add(1)
        } else {
            u8::from(shown.is_some())
        };
        self.shown = shown;
        if shown.is_some() && shown == self.down {
            self.gone = 0;
            return None;
        }
        self.gone = self.gone.saturating_add(1);
        if self.gone >= GONE {
            self.down = None;
        }
        if self.shows < SHOWS {
            return None;
        }
        self.down = shown;
        self.gone = 0;
        shown
    }
}

fn strongest(group: &[Resonator; 4]) -> usize {
    let energy = |at: &usize| group[*at].now.energy();
    (1..4).fold(0, |best, at| if energy(&at) > energy(&best) { at } else { best })
}

/// An angle within half a turn of zero.
fn wrapped(angle: f32) -> f32 {
    let turns = (angle / std::f32::consts::TAU).round();
    angle - turns * std::f32::consts::TAU
}

fn rate() -> f32 {
    f32::from(u16::try_from(SAMPLE_RATE_HZ).expect("8000 has 16 bits"))
}
