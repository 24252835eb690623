//! What peers are refused, in the log: one line a reason and ten seconds, however many there were.
//! Knows nothing of the reasons but their names.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// How often each reason may have its line.
const EVERY: Duration = Duration::from_secs(10);

/// The engine's counters that mean a peer was refused, ignored or not understood.
const REASONS: &[&str] = &[
    "dropped_source_too_fast",
    "incoming_refused",
    "panics",
    "refused_content_length",
    "refused_duplicate",
    "refused_fields",
    "refused_full",
    "refused_sources_busy",
    "refused_start_line",
    "refused_too_long",
    "refused_too_many_fields",
    "refused_unsupported",
    "registrations_denied",
    "registrations_refused",
    "rtp_malformed",
    "rtp_strangers",
    "stray_responses",
    "unknown_dialog",
    "withheld_unpaid",
    "wrong_source",
];

/// What was counted when the log was last written.
pub struct Refusals {
    due: Instant,
    told: BTreeMap<&'static str, u64>,
}

impl Refusals {
    /// Nothing was refused yet.
    pub fn new(now: Instant) -> Self {
        Self { due: now + EVERY, told: BTreeMap::new() }
    }

    /// How often each reason came up since the last time, once ten seconds have passed; reasons
    /// that did not are left out.
    pub fn since(
        &mut self,
        now: Instant,
        counters: impl Iterator<Item = (&'static str, u64)>,
    ) -> Vec<(&'static str, u64)> {
        if now < self.due {
            return Vec::new();
        }
        self.due = now + EVERY;
        counters
            .filter(|(name, _)| REASONS.contains(name))
            .filter_map(|(name, total)| {
                let before = self.told.insert(name, total).unwrap_or(0);
                (total > before).then_some((name, total - before))
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Goal: a flood is one line in ten seconds, with its size; what is no refusal has none.
    #[test]
    fn one_line_a_reason_and_ten_seconds() {
        let now = crate::clock::instant();
        let mut refusals = Refusals::new(now);
        let mut at = |s, refused| {
            let counters = [("rtp_strangers", refused), ("calls_started", 9), ("refused_full", 0)];
            refusals.since(now + Duration::from_secs(s), counters.into_iter())
        };
        assert_eq!(at(9, 1_000), []);
        assert_eq!(at(10, 2_000), [("rtp_strangers", 2_000)]);
        assert_eq!(at(19, 2_500), []);
        assert_eq!(at(20, 3_000), [("rtp_strangers", 1_000)]);
        assert_eq!(at(30, 3_000), []);
    }

    /// Goal: a counter that is renamed in the engine does not fall silent here.
    #[test]
    fn every_reason_is_a_counter_of_the_engine() {
        let config = engine::EngineConfig {
            sip_local: ([127, 0, 0, 1], 5060).into(),
            media_address: [127, 0, 0, 1].into(),
            rtp_ports: vec![4000],
            secret: [0; 32],
            fresh_secret: [0; 32],
            realm: String::new(),
            phone_digests: Vec::new(),
            user_agent: String::new(),
            call_id_prefix: String::new(),
            limits: engine::Limits::default(),
        };
        let engine = engine::Engine::new(config);
        for reason in REASONS {
            assert!(engine.counters().any(|(name, _)| name == *reason), "{reason}");
        }
    }
}
