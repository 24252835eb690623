//! `cargo x test`: everything that must hold, in one command, with one closing line.

use std::fmt::Write as _;
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::fuzz;
use crate::postgres::{self, Cluster};
use crate::process::{cargo, stream, succeeds};
use crate::say::say;
use crate::setup::{self, Goal};
use crate::tidy;

const SEEDS: &str = "200";
/// Long enough to try what the seeds and their neighbours have not; `cargo x fuzz` looks longer.
const FUZZ_SECONDS: u32 = 5;

/// The suite's switches.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// Leave out lints, simulation and fuzzing, and allow PostgreSQL to be missing.
    pub fast: bool,
    /// Do not look for missing programs.
    pub no_setup: bool,
    /// Passed on to `cargo test`.
    pub rest: Vec<String>,
}

impl Options {
    /// Reads the arguments behind `cargo x test`.
    pub fn parse(arguments: &[String]) -> Self {
        let mut options = Self::default();
        for argument in arguments {
            match argument.as_str() {
                "--fast" => options.fast = true,
                "--no-setup" => options.no_setup = true,
                other => options.rest.push(other.to_owned()),
            }
        }
        options
    }

    /// Everything is tested unless packages were named.
    fn packages(&self) -> &[&str] {
        let names = |argument: &String| ["-p", "--package"].contains(&argument.as_str());
        if self.rest.iter().any(names) { &[] } else { &["--workspace"] }
    }
}

/// How many tests and checks passed, failed and were left out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Tests and checks that hold.
    pub passed: u64,
    /// Tests and checks that do not.
    pub failed: u64,
    /// Tests that were not run.
    pub skipped: u64,
}

impl Tally {
    /// Adds the counts of a `test result:` line; other lines count nothing.
    pub fn count_line(&mut self, line: &str) {
        let Some((_, counts)) =
            line.strip_prefix("test result: ").and_then(|rest| rest.split_once(". "))
        else {
            return;
        };
        for part in counts.split("; ") {
            let Some((number, what)) = part.split_once(' ') else { continue };
            let Ok(number) = number.parse::<u64>() else { continue };
            match what {
                "passed" => self.passed += number,
                "failed" => self.failed += number,
                "ignored" => self.skipped += number,
                _ => {}
            }
        }
    }

    fn check(&mut self, name: &str, holds: bool) {
        if holds {
            self.passed += 1;
        } else {
            self.failed += 1;
            say(&format!("FAILED: {name}"));
        }
    }

    /// The closing line that every reader of test runs understands.
    pub fn line(&self) -> String {
        let mut line = format!("{} passed, {} failed", self.passed, self.failed);
        if self.skipped > 0 {
            write!(line, ", {} skipped", self.skipped).expect("a String takes all text");
        }
        line
    }
}

/// Runs the suite. True when nothing failed.
pub fn run(options: &Options) -> Result<bool> {
    if !options.no_setup {
        setup::ready(Goal::Test)?;
    }
    let cluster = start_cluster(options)?;
    let mut tally = Tally::default();
    let steps = run_steps(options, cluster.as_ref(), &mut tally);
    drop(cluster);
    steps?;
    say("");
    say(&tally.line());
    Ok(tally.failed == 0)
}

fn start_cluster(options: &Options) -> Result<Option<Cluster>> {
    if postgres::programs().is_some() {
        say("Starting a throw-away PostgreSQL …");
        return Cluster::start().map(Some);
    }
    if options.fast && std::env::var_os("CI").is_none() {
        say("!! PostgreSQL is not installed: its half of the store's tests is SKIPPED.");
        return Ok(None);
    }
    bail!("PostgreSQL is not installed; run cargo x setup")
}

fn run_steps(options: &Options, cluster: Option<&Cluster>, tally: &mut Tally) -> Result<()> {
    say("\n== format");
    tally.check("cargo fmt", succeeds(cargo().args(["fmt", "--all", "--check"]))?);
    if !options.fast {
        say("\n== lints");
        let mut clippy = cargo();
        clippy.args(["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"]);
        tally.check("cargo clippy", succeeds(&mut clippy)?);
    }
    say("\n== tidy");
    tally.check("tidy", tidy::run()?);

    say("\n== tests");
    let mut test = cargo();
    test.args(["test", "--no-fail-fast"]).args(options.packages()).args(&options.rest);
    test.env("AVANAK_TEST_PYTHON", setup::client_python());
    test.env("AVANAK_TEST_TYPES", setup::client_types());
    give_cluster(&mut test, cluster);
    let failed_before = tally.failed;
    let mut run_any = false;
    let succeeded = stream(&mut test, |line| {
        say(line);
        run_any |= line.starts_with("test result: ");
        tally.count_line(line);
    })
    .context("cannot run the tests")?;
    if !succeeded && (tally.failed == failed_before || !run_any) {
        tally.check("cargo test", false);
    }

    if !options.fast {
        say(&format!("\n== simulation, {SEEDS} seeds"));
        tally.check("simulation", crate::commands::sim(&["--seeds".into(), SEEDS.into()])?);
        say(&format!("\n== fuzzing, {FUZZ_SECONDS} s each target"));
        let short = fuzz::Options { target: None, seconds: FUZZ_SECONDS };
        tally.check("fuzzing", fuzz::run_targets(&short)?);
    }
    Ok(())
}

fn give_cluster(test: &mut Command, cluster: Option<&Cluster>) {
    match cluster {
        Some(cluster) => test.env("AVANAK_TEST_POSTGRES", cluster.url()),
        None => test.env_remove("AVANAK_TEST_POSTGRES"),
    };
}
