//! What a call does once it is answered: play, wait for keys, hang up.

use std::time::{Duration, Instant};

use media::FRAME_MS;

use crate::io::Gather;
use crate::limits::DRAIN_MS;

/// Where a call is in its script.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Script {
    stage: Stage,
    gather: Option<Gather>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// Before the answer, or while the clip plays.
    Playing,
    /// The last frame is on its way; the line stays open so that it is heard.
    Draining { until: Instant },
    /// Waiting for keys.
    Gathering { until: Instant },
}

impl Script {
    pub(crate) fn new(gather: Option<Gather>) -> Self {
        Self { stage: Stage::Playing, gather }
    }

    /// The last frame of the clip left `now`; `keys` were pressed so far.
    pub(crate) fn clip_ended(&mut self, now: Instant, keys: usize) {
        if self.stage != Stage::Playing {
            return;
        }
        let tail_heard = now + millis(FRAME_MS) + millis(DRAIN_MS);
        self.stage = match self.gather {
            Some(gather) if keys < usize::from(gather.max_digits) => Stage::Gathering {
                until: tail_heard.max(now + millis(FRAME_MS) + millis(gather.wait_after_clip_ms)),
            },
            _ => Stage::Draining { until: tail_heard },
        };
    }

    /// A key was pressed `now`, the `keys`-th.
    pub(crate) fn key_pressed(&mut self, now: Instant, keys: usize) {
        let (Stage::Gathering { until }, Some(gather)) = (self.stage, self.gather) else { return };
        self.stage = if keys < usize::from(gather.max_digits) {
            Stage::Gathering { until: until.max(now + millis(gather.wait_after_clip_ms)) }
        } else {
            // The clip has been out since before this key, so at most its tail is still to come.
            Stage::Draining { until: now + millis(DRAIN_MS) }
        };
    }

    /// When the script is over, once that is known.
    pub(crate) fn over_at(&self) -> Option<Instant> {
        match self.stage {
            Stage::Playing => None,
            Stage::Draining { until } | Stage::Gathering { until } => Some(until),
        }
    }
}

fn millis(count: u32) -> Duration {
    Duration::from_millis(count.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(offset_ms: u32) -> Instant {
        use std::sync::OnceLock;
        static ORIGIN: OnceLock<Instant> = OnceLock::new();
        #[expect(clippy::disallowed_methods, reason = "any instant does as the origin")]
        let origin = *ORIGIN.get_or_init(Instant::now);
        origin + millis(offset_ms)
    }

    #[test]
    fn without_gather_the_line_closes_after_the_drain() {
        let mut script = Script::new(None);
        script.key_pressed(at(10), 1);
        assert_eq!(script.over_at(), None);
        script.clip_ended(at(1_000), 1);
        assert_eq!(script.over_at(), Some(at(1_220)));
    }

    #[test]
    fn a_vote_waits_for_a_key_only_when_none_was_pressed() {
        let vote = Gather { wait_after_clip_ms: 5_000, max_digits: 1 };
        let mut early = Script::new(Some(vote));
        early.key_pressed(at(500), 1);
        early.clip_ended(at(1_000), 1);
        assert_eq!(early.over_at(), Some(at(1_220)));
        let mut late = Script::new(Some(vote));
        late.clip_ended(at(1_000), 0);
        assert_eq!(late.over_at(), Some(at(6_020)));
        late.key_pressed(at(3_000), 1);
        assert_eq!(late.over_at(), Some(at(3_200)));
    }

    #[test]
    fn each_of_several_digits_starts_the_wait_anew() {
        let code = Gather { wait_after_clip_ms: 2_000, max_digits: 4 };
        let mut script = Script::new(Some(code));
        script.clip_ended(at(1_000), 0);
        script.key_pressed(at(2_900), 1);
        assert_eq!(script.over_at(), Some(at(4_900)));
    }
}
