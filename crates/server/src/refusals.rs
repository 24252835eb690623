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
    "incoming_unproven",
    "panics",
    "phones_over_limit",
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
    "rtcp_malformed",
    "rtp_ambiguous_sources",
    "rtp_bad_event",
    "rtp_malformed",
    "rtp_strangers",
    "rtp_unknown_payload",
    "srtp_rejected",
    "stale_cseq",
    "stray_acks",
    "stray_responses",
    "turned_away",
    "unknown_dialog",
    "withheld_unpaid",
    "wrong_source",
];

/// A shard had no room for a datagram that another one read for it.
pub const SHARD_WITHOUT_ROOM: &str = "shard_without_room";

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
            .filter(|(name, _)| REASONS.contains(name) || *name == SHARD_WITHOUT_ROOM)
            .filter_map(|(name, total)| {
                let before = self.told.insert(name, total).unwrap_or(0);
                (total > before).then_some((name, total - before))
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

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

    /// What the engine counts that is no refusal.
    const USUAL: &[&str] = &[
        "abandons_refused",
        "calls_answered",
        "calls_cut_by_deadline",
        "calls_refused",
        "calls_started",
        "challenges",
        "checks_refused",
        "datagrams_in",
        "datagrams_out",
        "forks",
        "glares",
        "incoming_offered",
        "keepalives",
        "keys_dropped",
        "keys_pressed",
        "keys_repeated",
        "late_responses",
        "offers_crossed",
        "registrations_accepted",
        "registrations_challenged",
        "retransmits_in",
        "retransmits_out",
        "rtcp_received",
        "rtcp_sent",
        "rtcp_unexpected",
        "rtp_followed",
        "rtp_late_frames",
        "rtp_received",
        "rtp_refused",
        "sessions_expired",
        "sessions_refreshed",
        "starts_repeated",
        "timeouts",
        "unacknowledged",
        "unpracked",
    ];

    /// Goal: no counter of the engine is forgotten here, or renamed there.
    #[test]
    fn every_counter_of_the_engine_is_a_reason_or_usual() {
        let config = engine::EngineConfig {
            sip_local: ([127, 0, 0, 1], 5060).into(),
            rtp: vec![([127, 0, 0, 1], 4000).into()],
            secret: [0; 32],
            fresh_secret: [0; 32],
            realm: String::new(),
            phone_digests: Vec::new(),
            user_agent: String::new(),
            call_id_prefix: String::new(),
            limits: engine::Limits::default(),
        };
        let engine = engine::Engine::new(config);
        let counted: BTreeSet<&str> = engine.counters().map(|(name, _)| name).collect();
        let reasons: BTreeSet<&str> = REASONS.iter().copied().collect();
        let usual: BTreeSet<&str> = USUAL.iter().copied().collect();
        assert_eq!(reasons.intersection(&usual).next(), None);
        assert_eq!(&reasons | &usual, counted);
    }
}
