//! The number that a phone or a trunk calls to hear whether its line works: three beeps, and the
//! line closes.

use std::sync::Arc;

use engine::{CallKey, Caller, Clip, Command, Outcome, Play, Script, Step};
use tokio::sync::mpsc;

/// What a phone dials.
pub const NUMBER: &str = "*43";

/// How long the call may last, milliseconds: the beeps, and time for a slow ACK.
const MAX_DURATION_MS: u32 = 60_000;
/// Beeps, and samples of each and of the silence after it: 400 ms and 200 ms.
const BEEPS: usize = 3;
const BEEP_SAMPLES: usize = 3_200;
const PAUSE_SAMPLES: usize = 1_600;
/// One period of 1 kHz at 8 kHz, at about -12 dBm0.
const PERIOD: [i16; 8] = [0, 4_100, 5_800, 4_100, 0, -4_100, -5_800, -4_100];

/// Answers calls to the number.
pub struct EchoTest {
    script: Arc<Script>,
    orders: mpsc::Sender<Command>,
}

impl EchoTest {
    /// Orders for the engine go to `orders`.
    pub fn new(orders: mpsc::Sender<Command>) -> Self {
        let clip = Arc::new(Clip::from_samples(&beeps()));
        let script = Script::new(vec![Step::Play(Play::whole(clip))])
            .expect("a script of one step is within every limit");
        Self { script: Arc::new(script), orders }
    }

    /// Answers a call of a phone that has proven itself, or of a trunk.
    pub fn take(&self, call: CallKey, caller: &Caller, number: &str) {
        match caller {
            Caller::Phone(username) => tracing::info!(username, number, "a phone tests its line"),
            Caller::Trunk(trunk) => tracing::info!(trunk, number, "a trunk tests its line"),
        }
        let script = Arc::clone(&self.script);
        let answer = Command::Answer { call, script, max_duration_ms: MAX_DURATION_MS };
        if self.orders.try_send(answer).is_err() {
            tracing::warn!(?caller, "no room to answer a call; it will be refused");
        }
    }

    /// Notes how such a call ended.
    pub fn ended(outcome: &Outcome) {
        metrics::counter!("avanak_line_tests_total").increment(1);
        tracing::info!(cause = ?outcome.cause, "the test of a line is over");
    }
}

/// What is heard.
pub fn beeps() -> Vec<i16> {
    let tone = PERIOD.into_iter().cycle().take(BEEP_SAMPLES);
    let one: Vec<i16> = tone.chain(std::iter::repeat_n(0, PAUSE_SAMPLES)).collect();
    one.repeat(BEEPS)
}
