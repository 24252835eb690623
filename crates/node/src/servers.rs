//! Which of a trunk's servers a call is sent to. Those that were found dead are left out for a
//! while (RFC 3263 §4.3); a trunk has failed only when all of its servers have.

use std::collections::BTreeMap;

use domain::Timestamp;
use engine::{CallKey, Cause, Hop, Outcome, locate};

use crate::config::Trunk;

/// How long a server is left out that did not answer or said 503 without a time, milliseconds.
const DEAD_MS: i64 = 30_000;
/// The longest that a server's own word (Retry-After) leaves it out, milliseconds.
const DEAD_MAX_MS: i64 = 300_000;
/// Servers that are left out at the same time; what is beyond that is tried.
const MARKS_MAX: usize = 1_024;

/// The servers that were found dead.
#[derive(Debug, Default)]
pub(crate) struct Marks {
    /// Until when they are left out, by the steady clock.
    dead: BTreeMap<Hop, Timestamp>,
}

impl Marks {
    /// The server that a call is sent to. When all are dead, it is the one that has been so
    /// longest. `None`: the trunk has none.
    pub(crate) fn choose(&self, trunk: &Trunk, call: CallKey, steady: Timestamp) -> Option<Hop> {
        let order = locate::order(&trunk.servers, chance(call.0));
        let until = |hop: &Hop| self.dead.get(hop).copied().filter(|until| *until > steady);
        let first = order.iter().find(|hop| until(hop).is_none());
        first.or_else(|| order.iter().min_by_key(|hop| until(hop))).copied()
    }

    /// The servers that may have got a call, each once.
    pub(crate) fn all(trunk: &Trunk, call: CallKey) -> Vec<Hop> {
        locate::order(&trunk.servers, chance(call.0))
    }

    /// Whether a trunk of several servers has one that is not known to be dead.
    pub(crate) fn has_another(&self, trunk: &Trunk, steady: Timestamp) -> bool {
        let dead = |hop: &Hop| self.dead.get(hop).is_some_and(|until| *until > steady);
        let hops: Vec<Hop> = locate::order(&trunk.servers, chance(0));
        hops.len() > 1 && !hops.iter().all(dead)
    }

    /// A server has answered a ping, or has not.
    pub(crate) fn pinged(&mut self, hop: Hop, alive: bool, steady: Timestamp) {
        if alive {
            self.dead.remove(&hop);
        } else if self.dead.len() < MARKS_MAX {
            self.dead.insert(hop, steady.plus_ms(DEAD_MS));
        }
    }

    /// What came of a call says something about its server.
    pub(crate) fn learn(&mut self, hop: Hop, outcome: &Outcome, steady: Timestamp) {
        match dead_ms(outcome) {
            Some(dead_ms) => {
                self.dead.retain(|_, until| *until > steady);
                if self.dead.len() < MARKS_MAX {
                    self.dead.insert(hop, steady.plus_ms(dead_ms));
                }
            }
            None if outcome.sip_code.is_some() || outcome.timeline.ringing_us.is_some() => {
                self.dead.remove(&hop);
            }
            None => {}
        }
    }
}

/// For how long the server of this call is left out, milliseconds, if at all.
fn dead_ms(outcome: &Outcome) -> Option<i64> {
    if outcome.answered || outcome.timeline.ringing_us.is_some() || outcome.early_media.is_some() {
        return None;
    }
    match (outcome.cause, outcome.sip_code) {
        (Cause::NoResponse | Cause::Undeliverable, _) => Some(DEAD_MS),
        (Cause::Failed, Some(503)) => {
            let asked_ms = outcome.retry_after_s.map(|s| i64::from(s).saturating_mul(1_000));
            Some(asked_ms.map_or(DEAD_MS, |ms| ms.clamp(1_000, DEAD_MAX_MS)))
        }
        _ => None,
    }
}

/// Numbers from 0 to the one asked for, which look like chance and are the same for the same call
/// (splitmix64). Nobody gains by guessing them.
fn chance(call: u64) -> impl FnMut(u32) -> u32 {
    let mut state = call;
    move |highest| {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        let drawn = ((mixed ^ (mixed >> 31)) >> 32) * (u64::from(highest) + 1);
        u32::try_from(drawn >> 32).unwrap_or(highest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use engine::Located;

    use crate::config::Caps;

    const NOW: Timestamp = Timestamp(1_000_000);

    fn hop(port: u16) -> Hop {
        Hop::udp(([192, 0, 2, 1], port).into())
    }

    fn trunk(servers: &[(u16, u32, u16)]) -> Trunk {
        let caps = Caps { max_channels: 1, max_cps: 1 };
        let server = |&(port, rank, weight): &(u16, u32, u16)| Located {
            rank,
            weight,
            ..Located::at(hop(port))
        };
        let servers = servers.iter().map(server).collect();
        Trunk { servers, ..Trunk::new("t", hop(1).address, "1", caps) }
    }

    fn outcome(cause: Cause, sip_code: Option<u16>, retry_after_s: Option<u32>) -> Outcome {
        Outcome { cause, sip_code, retry_after_s, ..crate::recorder::refused(0) }
    }

    /// Goal: calls go to the first server until it is found dead, then to the second, and back
    /// once the time is over.
    #[test]
    fn a_dead_server_is_left_out_for_a_while() {
        let trunk = trunk(&[(1, 0, 0), (2, 1, 0)]);
        let mut marks = Marks::default();
        let chosen = |marks: &Marks, at| marks.choose(&trunk, CallKey(7), at);
        assert_eq!(chosen(&marks, NOW), Some(hop(1)));
        marks.learn(hop(1), &outcome(Cause::NoResponse, None, None), NOW);
        assert_eq!(chosen(&marks, NOW), Some(hop(2)));
        assert_eq!(chosen(&marks, NOW.plus_ms(DEAD_MS)), Some(hop(1)));
        marks.learn(hop(2), &outcome(Cause::Failed, Some(503), Some(3_600)), NOW.plus_ms(1));
        assert_eq!(chosen(&marks, NOW.plus_ms(2)), Some(hop(1)), "it has been dead longest");
        assert_eq!(chosen(&marks, NOW.plus_ms(DEAD_MS)), Some(hop(1)));
        marks.learn(hop(1), &outcome(Cause::Failed, Some(486), None), NOW.plus_ms(3));
        assert_eq!(chosen(&marks, NOW.plus_ms(4)), Some(hop(1)));
    }

    /// Goal: what the callee decided says nothing against the server.
    #[test]
    fn only_a_failure_of_the_server_marks_it() {
        for (cause, code, dead) in [
            (Cause::NoResponse, None, true),
            (Cause::Undeliverable, None, true),
            (Cause::Failed, Some(503), true),
            (Cause::Failed, Some(486), false),
            (Cause::Failed, Some(500), false),
            (Cause::NoAnswer, None, false),
            (Cause::Played, Some(200), false),
        ] {
            let outcome = outcome(cause, code, None);
            assert_eq!(dead_ms(&outcome).is_some(), dead, "{cause:?} {code:?}");
            let mut rang = outcome;
            rang.timeline.ringing_us = Some(1);
            assert_eq!(dead_ms(&rang), None, "it rang, {cause:?} {code:?}");
        }
    }

    /// Goal: over many calls, servers get their shares.
    #[test]
    fn calls_are_shared_by_weight() {
        let trunk = trunk(&[(1, 0, 1), (2, 0, 3)]);
        let marks = Marks::default();
        let to_second = (0..10_000_u64)
            .filter(|call| marks.choose(&trunk, CallKey(*call), NOW) == Some(hop(2)))
            .count();
        // RFC 2782 draws from 0 to the sum, so that the first has 2 of 5 chances.
        assert!((5_700..6_300).contains(&to_second), "{to_second} of 10000");
    }
}
