//! The one place that prints: people read stdout, unless a machine asked for it (`--json`).

use std::sync::atomic::{AtomicBool, Ordering};

static MACHINE_READS_STDOUT: AtomicBool = AtomicBool::new(false);

/// From now on stdout belongs to a machine: text for people goes to stderr.
pub fn reserve_stdout_for_json() {
    MACHINE_READS_STDOUT.store(true, Ordering::Relaxed);
}

/// Whether stdout was reserved by [`reserve_stdout_for_json`].
pub fn stdout_is_reserved() -> bool {
    MACHINE_READS_STDOUT.load(Ordering::Relaxed)
}

/// One line for people.
#[expect(clippy::print_stdout, reason = "automation talks to the person who started it")]
pub fn say(line: &str) {
    if stdout_is_reserved() {
        warn(line);
    } else {
        println!("{line}");
    }
}

/// One line on stderr, whatever stdout is for.
#[expect(clippy::print_stderr, reason = "automation talks to the person who started it")]
pub fn warn(line: &str) {
    eprintln!("{line}");
}

/// One line for a machine, always on stdout.
#[expect(clippy::print_stdout, reason = "the contract of --json is a line on stdout")]
pub fn json(line: &str) {
    println!("{line}");
}
