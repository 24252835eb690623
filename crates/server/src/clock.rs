//! The one place that asks what time it is and draws randomness.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

use domain::Timestamp;

/// The machine's clock as the application's port.
#[derive(Debug, Clone, Copy)]
pub struct SystemClock;

impl app::ports::Clock for SystemClock {
    fn now(&self) -> Timestamp {
        timestamp()
    }
}

/// The wall clock, in microseconds of UTC.
#[expect(clippy::disallowed_methods, reason = "this file is where the program asks the time")]
pub fn timestamp() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
}

/// The steady clock of the engine.
#[expect(clippy::disallowed_methods, reason = "this file is where the program asks the time")]
pub fn instant() -> Instant {
    Instant::now()
}

/// The operating system's random bytes as the application's port.
#[derive(Debug, Clone, Copy)]
pub struct SystemRng;

impl app::ports::Rng for SystemRng {
    fn fill(&self, bytes: &mut [u8]) {
        fill_random(bytes);
    }
}

/// Fills `bytes` from the operating system's generator.
pub fn fill_random(bytes: &mut [u8]) {
    use rand::TryRng as _;
    rand::rngs::SysRng.try_fill_bytes(bytes).expect("the kernel's generator is always there");
}

/// A fresh secret, for tags, branches and nonces of one run.
pub fn random_secret() -> [u8; 32] {
    let mut secret = [0; 32];
    fill_random(&mut secret);
    secret
}

/// Both clocks of a node: the wall's, and a steady one that starts with the program.
#[derive(Debug, Clone, Copy)]
pub struct Clocks {
    origin: Instant,
}

impl Clocks {
    /// Clocks whose steady one starts now.
    pub fn new() -> Self {
        Self { origin: instant() }
    }

    /// This moment by both.
    pub fn now(&self) -> node::Moment {
        let steady = instant().duration_since(self.origin).as_micros();
        node::Moment {
            wall: timestamp(),
            steady: Timestamp(i64::try_from(steady).unwrap_or(i64::MAX)),
        }
    }
}

impl Default for Clocks {
    fn default() -> Self {
        Self::new()
    }
}
