//! The commands of `cargo x` and what each is for.

use anyhow::{Result, bail};

use crate::process::{cargo, root, run, succeeds};
use crate::say::say;
use crate::server::Profile;
use crate::setup::{self, Goal};
use crate::{bench, demo, fuzz, suite, tidy};

const HELP: &str = "\
cargo x <command>

  demo     the main job, end to end: speaks a sentence, calls a phone, shows the call
             --once              stop after the call instead of serving on
             --json              end with one JSON object on stdout
             --to sip:user@host  call a softphone at this address
             --to phone          call a softphone that registers with us first
             --data-dir DIR      keep the data there (else a fresh folder)
             AVANAK_BIN=FILE     show this program instead of building one
  dev      serve on ./var with the sandbox carrier (debug build)
  test     everything: format, lints, tidy, all tests, real peers, simulation
             --fast              without lints, simulation and fuzzing
             --no-setup          do not look for missing programs
             further arguments go to cargo test
  tidy     the house rules alone
  sim      the simulator: --seed N for one run, --seeds N for many
             --campaign N        one campaign to N numbers, with kills
  fuzz     libFuzzer on every target, or the one named: --seconds N for each (else 60)
  soak     500 calls for ten minutes with loss, against the release build: --minutes N, --calls N
             --virtual           an hour of them in virtual time instead
  bench    the benchmarks, or those named (docs/BENCHMARKS.md)
  setup    install what the commands above need (they do it themselves, too)
  ci       what .ci/run runs: test
  help     this text
";

/// Runs one command. True when what it stands for succeeded.
pub fn dispatch(arguments: &[String]) -> Result<bool> {
    let (command, rest) = match arguments.split_first() {
        Some((command, rest)) => (command.as_str(), rest),
        None => ("help", arguments),
    };
    match command {
        "demo" => demo::run(&demo::Options::parse(rest)?),
        "dev" => dev(rest),
        "test" | "ci" => suite::run(&suite::Options::parse(rest)),
        "tidy" => tidy::run(),
        "sim" => sim(rest),
        "fuzz" => fuzz::run_targets(&fuzz::Options::parse(rest)?),
        "soak" => soak(rest),
        "bench" => bench::run(rest),
        "setup" => {
            setup::ready(Goal::Test)?;
            say("Everything needed is there.");
            Ok(true)
        }
        "help" | "--help" | "-h" => {
            say(HELP.trim_end());
            Ok(true)
        }
        other => bail!("there is no command {other}; see cargo x help"),
    }
}

/// Runs the simulator with these arguments. True when every invariant held.
pub fn sim(arguments: &[String]) -> Result<bool> {
    let mut command = cargo();
    command.args(["run", "--profile", "quick", "--quiet"]);
    command.args(["--package", "sim", "--bin", "sim", "--"]);
    succeeds(command.args(arguments))
}

/// Runs a soak, on the wire or in virtual time. True when nothing grew, was left or was miscounted.
fn soak(arguments: &[String]) -> Result<bool> {
    let mut command = cargo();
    command.args(["run", "--quiet", "--bin", "soak"]);
    let (virtual_time, others): (Vec<_>, Vec<_>) =
        arguments.iter().partition(|argument| *argument == "--virtual");
    if virtual_time.is_empty() {
        setup::ready(Goal::Demo)?;
        let server = crate::server::build(Profile::Release)?;
        command.args(["--release", "--package", "bench"]).env("AVANAK_BIN", server);
    } else {
        command.args(["--profile", "quick", "--package", "sim"]);
    }
    succeeds(command.arg("--").args(others))
}

fn dev(arguments: &[String]) -> Result<bool> {
    setup::ready(Goal::Demo)?;
    let mut command = cargo();
    command.args(["run", "--quiet", "--package", "server", "--bin", "avanak", "--", "serve"]);
    command.arg("--data-dir").arg(root().join("var")).args(arguments);
    run(&mut command)?;
    Ok(true)
}
