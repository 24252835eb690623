//! Which core does what: so that both sides of a benchmark do not take turns on one.

use std::ffi::OsStr;
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail};

/// Where our side and the yardsticks run.
pub const OURS: &str = "0";
/// Where the far end runs.
pub const THEIRS: &str = "1";

/// A program that runs on our core only.
pub fn on_our_core(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new("taskset");
    command.args(["-c", OURS]).arg(program);
    command
}

/// Moves this thread, and those that it starts from now on, to the far end's core.
///
/// # Errors
/// There is only one core, or no `taskset` (package util-linux).
pub fn take_theirs() -> Result<()> {
    let mut taskset = Command::new("taskset");
    taskset.args(["-cp", THEIRS, &std::process::id().to_string()]).stdout(Stdio::null());
    if !taskset.status().context("starting taskset")?.success() {
        bail!("this benchmark needs two cores");
    }
    Ok(())
}
