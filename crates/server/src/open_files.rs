//! How many files and sockets this process may have open, and who gets how many. Connections of
//! clients take what the rest leaves: a flood of them must not keep the database from its files.

use anyhow::{Context as _, Result};
use nix::sys::resource::{Resource, getrlimit, setrlimit};

use crate::config::Config;

/// Most connections of clients at a time, however many files are allowed.
const CONNECTIONS_MAX: u64 = 4_096;
/// Fewest connections that are of any use; with fewer files than that, we try all the same.
const CONNECTIONS_MIN: u64 = 64;
/// Readers of the database: each of the runtime's blocking threads may have the database, its log
/// and an audio file open.
const READERS: u64 = 3 * 512;
/// The writer and its log, PostgreSQL's pools, the flight recorder, logs, timers, and the pipes of
/// the speech engine.
const OTHERS: u64 = 128;

/// Who may have how many files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shares {
    /// What all of us would like to have.
    pub wanted: u64,
    /// What is allowed.
    pub allowed: u64,
    /// Connections of clients at a time.
    pub connections: usize,
}

impl Shares {
    /// Shares out `allowed` files.
    fn of(config: &Config, allowed: u64) -> Self {
        let kept = kept_free(config);
        let connections = allowed.saturating_sub(kept).clamp(CONNECTIONS_MIN, CONNECTIONS_MAX);
        Self {
            wanted: kept + CONNECTIONS_MAX,
            allowed,
            connections: usize::try_from(connections).expect("a few thousand"),
        }
    }

    /// Whether a flood of connections leaves the others what they need.
    pub fn suffices(&self, config: &Config) -> bool {
        self.allowed >= kept_free(config) + CONNECTIONS_MIN
    }
}

/// What everything but the clients' connections may need. The sandbox has a socket for each call.
fn kept_free(config: &Config) -> u64 {
    let runs = config.trunk.is_empty() || config.sandbox.beside_trunks;
    let calls = if runs { config.sandbox.max_calls as u64 } else { 0 };
    let ports = u64::from(config.sip.media_ports) * config.sip.sides().count() as u64;
    calls + ports + READERS + OTHERS
}

/// Raises this process's limit as far as it is wanted and allowed; the usual soft limit of 1024 is
/// too low.
///
/// # Errors
/// The system does not tell the limit, or does not let us raise it within its own bound.
pub fn raise(config: &Config) -> Result<Shares> {
    let (soft, hard) = limits()?;
    let wanted = Shares::of(config, hard).wanted;
    let allowed = soft.max(wanted.min(hard));
    setrlimit(Resource::RLIMIT_NOFILE, allowed, hard).context("raising the limit of open files")?;
    Ok(Shares::of(config, allowed))
}

/// What [`raise`] would find, for `doctor`.
///
/// # Errors
/// The system does not tell the limit.
pub fn expected(config: &Config) -> Result<Shares> {
    let (soft, hard) = limits()?;
    let wanted = Shares::of(config, hard).wanted;
    Ok(Shares::of(config, soft.max(wanted.min(hard))))
}

fn limits() -> Result<(u64, u64)> {
    getrlimit(Resource::RLIMIT_NOFILE).context("asking for the limit of open files")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_never_take_what_the_others_need() {
        let config = Config::default();
        let kept = 1_500 + 20 + 1_536 + 128;
        let full = Shares::of(&config, 1_000_000);
        assert_eq!((full.wanted, full.connections), (kept + 4_096, 4_096));
        for allowed in kept + 64..kept + 5_000 {
            let shares = Shares::of(&config, allowed);
            assert!(shares.connections as u64 + kept <= allowed, "{shares:?}");
            assert!(shares.suffices(&config));
        }
        let poor = Shares::of(&config, 1_024);
        assert_eq!(poor.connections, 64);
        assert!(!poor.suffices(&config));
    }

    #[test]
    fn without_the_sandbox_its_sockets_are_not_kept() {
        let trunk = crate::config::Trunk::default();
        let config = Config { trunk: vec![trunk], ..Config::default() };
        assert_eq!(Shares::of(&config, 1_684 + 1_000).connections, 1_000);
    }

    #[test]
    fn the_limit_is_raised_to_what_is_expected() {
        let config = Config::default();
        let expected = expected(&config).unwrap();
        assert_eq!(raise(&config).unwrap(), expected);
        assert_eq!(limits().unwrap().0, expected.allowed);
    }
}
