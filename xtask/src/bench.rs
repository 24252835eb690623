//! `cargo x bench`: the figures of `docs/BENCHMARKS.md`, each by one program of the crate `bench`.

use anyhow::{Result, bail};

use crate::postgres::Cluster;
use crate::process::{cargo, succeeds};
use crate::say::say;
use crate::server::Profile;
use crate::setup::{self, Goal};

/// The benchmarks by name; the crate `bench` has a binary for each but the last.
pub const NAMES: &[&str] = &[
    "accept",
    "dial_latency",
    "call_cpu",
    "media_pacing",
    "one_way",
    "two_way",
    "originate",
    "campaign",
    "claim",
    "by_sip",
    "restarts",
    "month_close",
    CROWD,
];

/// The close of a month of a crowd, with its credits and invoices: the tests of the crate `app`
/// that do it, and compare all of it, in release.
const CROWD: &str = "crowd";
/// What these tests are called.
const CROWD_TESTS: &str = "month_close::a_crowd_is_closed_in_minutes";

/// The benchmarks that have both engines of the store.
const NEED_POSTGRES: &[&str] = &["accept", "campaign", "claim", "by_sip", "restarts", CROWD];

/// Runs the benchmarks named, all when none is. True when each ran to its end.
pub fn run(arguments: &[String]) -> Result<bool> {
    if let Some(unknown) = arguments.iter().find(|name| !NAMES.contains(&name.as_str())) {
        bail!("no benchmark is called {unknown}; there are: {}", NAMES.join(", "));
    }
    setup::ready(Goal::Test)?;
    let server = crate::server::build(Profile::Release)?;
    let mut succeeded = true;
    for name in NAMES {
        if !arguments.is_empty() && !arguments.iter().any(|wanted| wanted == name) {
            continue;
        }
        say(&format!("\n== {name}"));
        let mut bench = cargo();
        if *name == CROWD {
            bench.args(["test", "--release", "--quiet", "--package", "app", "--test", "it", "--"]);
            // One engine after the other: beside each other they would measure each other.
            bench.args(["--ignored", "--nocapture", "--test-threads=1", CROWD_TESTS]);
        } else {
            bench.args(["run", "--release", "--quiet", "--package", "bench", "--bin", name]);
        }
        // It runs while this benchmark does and not longer, so that it disturbs no other.
        let cluster = if NEED_POSTGRES.contains(name) { Some(Cluster::start()?) } else { None };
        if let Some(cluster) = &cluster {
            bench.env("AVANAK_TEST_POSTGRES", cluster.url());
        }
        succeeded &= succeeds(bench.env("AVANAK_BIN", &server))?;
    }
    Ok(succeeded)
}
