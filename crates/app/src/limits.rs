//! How often callers may come, as this process has seen them. In memory: with several nodes each
//! keeps its own count, and a restart begins anew.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Mutex, MutexGuard, PoisonError};

use domain::rate_limit::{Pace, RateLimit};
use domain::{AccountId, Timestamp, TokenId};

use crate::settings::RequestLimits;

/// How often it is noted that a token was used, microseconds.
const NOTED_US: i64 = 60_000_000;
/// Tokens whose last note is remembered. When there are more, all are forgotten.
const NOTED_MAX: usize = 10_000;

/// A caller who is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Who {
    /// By this token.
    Token(TokenId),
    /// By user name and password.
    Account(AccountId),
}

/// Must wait so long before coming again, seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Wait(pub(crate) u32);

/// What is known of callers.
#[derive(Debug)]
pub(crate) struct Limits {
    addresses: Mutex<RateLimit<Option<IpAddr>>>,
    known: Mutex<RateLimit<Who>>,
    wrong: Mutex<RateLimit<Option<IpAddr>>>,
    noted: Mutex<BTreeMap<TokenId, Timestamp>>,
}

impl Limits {
    pub(crate) fn new(settings: &RequestLimits) -> Self {
        Self {
            addresses: Mutex::new(RateLimit::new(Pace::per_second(settings.per_address))),
            known: Mutex::new(RateLimit::new(Pace::per_second(settings.per_caller))),
            wrong: Mutex::new(RateLimit::new(Pace::per_minute(settings.wrong_per_minute))),
            noted: Mutex::default(),
        }
    }

    /// Counts a request from an address, whoever it is.
    pub(crate) fn come_from(&self, address: Option<IpAddr>, now: Timestamp) -> Result<(), Wait> {
        lock(&self.addresses).take(address.map(network), now).map_err(seconds)
    }

    /// Counts a request of somebody known.
    pub(crate) fn come(&self, who: Who, now: Timestamp) -> Result<(), Wait> {
        lock(&self.known).take(who, now).map_err(seconds)
    }

    /// Whether credentials from an address may be tried that were not proven before.
    pub(crate) fn may_try(&self, address: Option<IpAddr>, now: Timestamp) -> Result<(), Wait> {
        match lock(&self.wrong).wait_us(&address.map(network), now) {
            None => Ok(()),
            Some(wait_us) => Err(seconds(wait_us)),
        }
    }

    /// Counts wrong credentials from an address.
    pub(crate) fn was_wrong(&self, address: Option<IpAddr>, now: Timestamp) -> Result<(), Wait> {
        lock(&self.wrong).take(address.map(network), now).map_err(seconds)
    }

    /// Whether it is to be noted that a token is used now; from then on not for a minute.
    pub(crate) fn is_to_be_noted(&self, token: TokenId, now: Timestamp) -> bool {
        let mut noted = lock(&self.noted);
        if noted.get(&token).is_some_and(|at| (0..NOTED_US).contains(&now.us_since(*at))) {
            return false;
        }
        if noted.len() >= NOTED_MAX {
            noted.clear();
        }
        noted.insert(token, now);
        true
    }
}

/// A panic elsewhere leaves at worst a request uncounted.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn seconds(wait_us: i64) -> Wait {
    let seconds = wait_us.max(1).saturating_add(999_999) / 1_000_000;
    Wait(u32::try_from(seconds).unwrap_or(u32::MAX))
}

/// Who has one IPv6 address has the 2^64 beside it, too.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(v4) => v4.into(),
        IpAddr::V6(v6) => Ipv6Addr::from(u128::from(v6) & !u128::from(u64::MAX)).into(),
    }
}
