//! Webhooks: customers' addresses that events are posted to. When a delivery is tried again, when
//! an address is given up, and which addresses there may be.

use crate::Timestamp;
use crate::verification::CallbackUrl;

/// The most endpoints of one account.
pub const ENDPOINTS_MAX: u32 = 10;
/// How long the former secret signs beside a new one, milliseconds: a day.
pub const ROTATION_MS: i64 = 24 * 3_600_000;
/// Bytes of a secret.
pub const SECRET_BYTES: usize = 32;
/// The pauses between tries to deliver an event, milliseconds: nearly three days in all.
const PAUSES_MS: [i64; 9] =
    [5_000, 60_000, 300_000, 1_800_000, 7_200_000, 21_600_000, 43_200_000, 86_400_000, 86_400_000];
/// Pauses are shorter by up to this part of them, so that what failed together does not come back
/// together.
const JITTER_PARTS: i64 = 5;
/// For how long nothing but failures is borne, milliseconds: two days.
const FAILING_MS_MAX: i64 = 48 * 3_600_000;

/// Where events are to be posted: encrypted, but for hosts that the operator named.
pub fn endpoint_url(text: &str, private_hosts: &[String]) -> Option<CallbackUrl> {
    let url = CallbackUrl::parse(text)?;
    (url.is_https() || is_named(url.host(), private_hosts)).then_some(url)
}

/// Whether the operator named a host as one of his own network that may be called.
pub fn is_named(host: &str, private_hosts: &[String]) -> bool {
    private_hosts.iter().any(|named| named.eq_ignore_ascii_case(host))
}

/// When an event is posted again after so many tries, milliseconds later; `None` when it is given
/// up. `random` spreads it.
pub fn pause_after(tries: u32, random: u64) -> Option<i64> {
    let pause = *PAUSES_MS.get(usize::try_from(tries.checked_sub(1)?).ok()?)?;
    let spread = (pause / JITTER_PARTS).cast_unsigned();
    Some(pause - (random % (spread + 1)).cast_signed())
}

/// Whether an endpoint is switched off that has only failed since then.
pub fn is_given_up(failing_since: Timestamp, now: Timestamp) -> bool {
    now.us_since(failing_since) >= FAILING_MS_MAX * 1_000
}

/// Whether the answer says that there is no such address any more, so that it is switched off at
/// once (RFC 9110 section 15.5.11).
pub fn is_gone(status: u16) -> bool {
    status == 410
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_is_encrypted_unless_the_operator_named_its_host() {
        let named = [String::from("hooks.lan"), String::from("127.0.0.1")];
        for text in ["https://a.example/x", "http://hooks.lan/x", "http://127.0.0.1:81/"] {
            assert!(endpoint_url(text, &named).is_some(), "{text}");
        }
        for text in ["http://a.example/x", "http://127.0.0.2/", "http://x.hooks.lan/", "a.example"]
        {
            assert_eq!(endpoint_url(text, &named), None, "{text}");
        }
        assert_eq!(endpoint_url("http://127.0.0.1/", &[]), None);
    }

    #[test]
    fn tries_are_spread_and_end_after_days() {
        assert_eq!((pause_after(1, 0), pause_after(1, 1_000)), (Some(5_000), Some(4_000)));
        assert_eq!((pause_after(0, 0), pause_after(10, 0)), (None, None));
        for random in [0, 1, u64::MAX] {
            let pauses: Vec<i64> =
                (1..10).map(|tries| pause_after(tries, random).unwrap()).collect();
            assert!(
                pauses.iter().zip(PAUSES_MS).all(|(got, most)| (most * 4 / 5..=most).contains(got))
            );
            let days = pauses.iter().sum::<i64>() / 86_400_000;
            assert!((2..3).contains(&days), "{pauses:?}");
        }
    }

    #[test]
    fn two_days_of_failures_are_enough() {
        let since = Timestamp(5);
        assert!(!is_given_up(since, since.plus_ms(FAILING_MS_MAX).plus_us(-1)));
        assert!(is_given_up(since, since.plus_ms(FAILING_MS_MAX)));
        assert_eq!((is_gone(410), is_gone(404)), (true, false));
    }
}
