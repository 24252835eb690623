//! Which shard has a call. A rule instead of a table: whoever sees a call's key, or a message with
//! its Call-ID, finds the shard without asking anybody, also for the calls of a killed process that
//! had another number of shards (docs/decisions/0026).

use domain::{AttemptId, QuickSendId};
use engine::CallKey;

use crate::live::key;

/// 2⁶⁴ divided by the golden ratio: the multiples of it spread consecutive keys evenly.
const GOLDEN: u64 = 0x9E37_79B9_7F4A_7C15;
/// What stands before the number of a shard in the Call-IDs that it makes itself.
const PREFIX: &str = "shard";

/// The shard, counted from 0, that has a call when there are so many.
pub fn shard_of(call: CallKey, shards: usize) -> usize {
    let spread = u128::from(call.0.wrapping_mul(GOLDEN));
    let shard = (spread * shards.max(1) as u128) >> u64::BITS;
    usize::try_from(shard).expect("it is below the number of shards")
}

/// What the Call-IDs begin with that a shard makes itself, those of second legs.
pub fn shard_prefix(shard: usize) -> String {
    format!("{PREFIX}{shard}-")
}

/// The shard of a call that we placed, by its Call-ID; the host in it may be one that we had in an
/// earlier life. `None` when it does not look like one of ours.
pub fn shard_of_call_id(call_id: &[u8], shards: usize) -> Option<usize> {
    let call_id = std::str::from_utf8(call_id).ok()?;
    let (name, _) = call_id.split_once('@')?;
    let (first, second) = name.split_once('-')?;
    if let Some(shard) = first.strip_prefix(PREFIX) {
        return shard.parse().ok().filter(|shard| *shard < shards);
    }
    let attempt =
        AttemptId { quick_send: QuickSendId(first.parse().ok()?), n: second.parse().ok()? };
    Some(shard_of(key(attempt), shards))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::call_id;

    const HOST: &str = "192.0.2.1";

    /// Goal: every shard has its share of any run of calls, short or long, whatever every second
    /// or tenth of them is like.
    #[test]
    fn calls_spread_evenly() {
        for (shards, step, count) in [(2, 1, 20), (2, 2, 1_000), (4, 10, 1_000), (16, 1, 10_000)] {
            let mut calls = vec![0; shards];
            for n in 1..=count {
                let attempt = AttemptId { quick_send: QuickSendId(777 + n * step), n: 1 };
                calls[shard_of(key(attempt), shards)] += 1;
            }
            let share = count / i64::try_from(shards).unwrap();
            for has in &calls {
                assert!((share * 9 / 10 - 1..=share * 11 / 10 + 1).contains(has), "{calls:?}");
            }
        }
    }

    /// Goal: a message names the shard of its call by its Call-ID alone, and one that is not of a
    /// call of ours names none.
    #[test]
    fn a_call_id_names_its_shard() {
        for n in 1..200 {
            let attempt =
                AttemptId { quick_send: QuickSendId(n), n: u16::try_from(n % 3).unwrap() };
            let named = shard_of_call_id(call_id(attempt, HOST).as_bytes(), 3);
            assert_eq!(named, Some(shard_of(key(attempt), 3)));
        }
        let second = format!("{}0a1b@{HOST}", shard_prefix(2));
        assert_eq!(shard_of_call_id(second.as_bytes(), 3), Some(2));
        let strange = ["", "17-1", "17@192.0.2.1", "x-1@192.0.2.1", "1-x@192.0.2.1"];
        for strange in strange {
            assert_eq!(shard_of_call_id(strange.as_bytes(), 3), None, "{strange}");
        }
        // Of a process that had more shards.
        assert_eq!(shard_of_call_id(second.as_bytes(), 2), None);
        assert_eq!(shard_of_call_id(&[0xFF, b'@'], 2), None);
    }
}
