//! What strangers may cost: how many of their requests are looked at, and how much is sent to an
//! address that nobody has proven to be theirs.
//!
//! A source address may be forged, so a stateless answer is paid for with the bytes that came
//! from there: nobody can use us to send a victim more than it was made to "send". Knows nothing
//! of messages; keeps a fixed table, never a record per source.

use std::net::IpAddr;
use std::ops::RangeInclusive;
use std::time::{Duration, Instant};

use crate::limits::{
    KNOWN_PEERS, Rates, SOURCE_BUCKETS, SOURCE_CREDIT_BYTES, SOURCE_CREDIT_BYTES_PER_SECOND,
};
use crate::token::Tokens;

/// Whether a stranger's request is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It is.
    Admitted,
    /// Its source asks too much: drop it.
    TooFast,
    /// All sources together ask too much: 503.
    Busy,
}

/// A token bucket, as the time at which it will be full again; `None` when it is.
#[derive(Debug, Clone, Copy, Default)]
struct Bucket {
    full_at: Option<Instant>,
}

impl Bucket {
    /// Takes `cost`, if no more than `depth` is missing then. Tokens are counted by the time they
    /// take to come back.
    fn take(&mut self, now: Instant, cost: Duration, depth: Duration) -> bool {
        let full_at = self.full_at.map_or(now, |at| at.max(now)) + cost;
        let enough = full_at.saturating_duration_since(now) <= depth;
        if enough {
            self.full_at = Some(full_at);
        }
        enough
    }

    /// Puts `amount` back.
    fn give(&mut self, amount: Duration) {
        self.full_at = self.full_at.and_then(|at| at.checked_sub(amount));
    }
}

#[derive(Debug, Clone, Copy, Default)]
struct Source {
    requests: Bucket,
    credit: Bucket,
}

/// The counters of all sources.
pub(crate) struct Sources {
    rates: Option<Rates>,
    /// Peers that we know: the crowd of all others takes nothing from them.
    known: Vec<RangeInclusive<IpAddr>>,
    table: Vec<Source>,
    all: Bucket,
}

/// Both per-source and overall buckets hold as much as comes back in this time.
const BURST: Duration = Duration::from_secs(2);

fn each(per_second: u32) -> Duration {
    Duration::from_secs(1) / per_second.max(1)
}

fn worth(bytes: usize) -> Duration {
    let bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
    each(SOURCE_CREDIT_BYTES_PER_SECOND).saturating_mul(bytes)
}

impl Sources {
    pub(crate) fn new(rates: Option<Rates>) -> Self {
        let buckets = if rates.is_some() { SOURCE_BUCKETS } else { 0 };
        Self {
            rates,
            known: Vec::new(),
            table: vec![Source::default(); buckets],
            all: Bucket::default(),
        }
    }

    /// Replaces the addresses of peers that we know.
    pub(crate) fn know(&mut self, mut peers: Vec<RangeInclusive<IpAddr>>) {
        peers.truncate(KNOWN_PEERS);
        self.known = peers;
    }

    fn knows(&self, ip: IpAddr) -> bool {
        // Ranges are of one family each, and those of the other compare below or above.
        self.known.iter().any(|range| range.contains(&ip.to_canonical()))
    }

    /// The counters of an address. Which addresses share them is unknown outside.
    fn of(&mut self, tokens: &Tokens, ip: IpAddr) -> Option<&mut Source> {
        let key = match ip.to_canonical() {
            IpAddr::V4(ip) => tokens.key(&[b"source", &ip.octets()]),
            IpAddr::V6(ip) => tokens.key(&[b"source", &ip.octets()[..8]]),
        };
        let buckets = u64::try_from(self.table.len()).unwrap_or(u64::MAX);
        let index = usize::try_from(key.0.checked_rem(buckets)?).ok()?;
        self.table.get_mut(index)
    }

    /// A request of `bytes` bytes came: that much may be sent back.
    pub(crate) fn earned(&mut self, tokens: &Tokens, ip: IpAddr, bytes: usize) {
        if let Some(source) = self.of(tokens, ip) {
            source.credit.give(worth(bytes));
        }
    }

    /// Whether a request outside of calls is looked at.
    pub(crate) fn admit(&mut self, now: Instant, tokens: &Tokens, ip: IpAddr) -> Verdict {
        let Some(rates) = self.rates else { return Verdict::Admitted };
        let known = self.knows(ip);
        let Some(source) = self.of(tokens, ip) else { return Verdict::Admitted };
        if !source.requests.take(now, each(rates.per_source), BURST) {
            Verdict::TooFast
        } else if known || self.all.take(now, each(rates.in_all), BURST) {
            Verdict::Admitted
        } else {
            Verdict::Busy
        }
    }

    /// Whether an answer of `bytes` bytes, of which nothing is kept, may be sent there.
    pub(crate) fn pays(&mut self, now: Instant, tokens: &Tokens, ip: IpAddr, bytes: usize) -> bool {
        let depth = worth(usize::try_from(SOURCE_CREDIT_BYTES).unwrap_or(usize::MAX));
        self.of(tokens, ip).is_none_or(|source| source.credit.take(now, worth(bytes), depth))
    }
}
