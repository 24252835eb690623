//! The one place that prints: people read stdout, unless a machine asked for it (`--json`).

use std::io::Write;
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
pub fn say(line: &str) {
    if stdout_is_reserved() {
        warn(line);
    } else {
        write(&mut std::io::stdout().lock(), line);
    }
}

/// One line on stderr, whatever stdout is for.
pub fn warn(line: &str) {
    write(&mut std::io::stderr().lock(), line);
}

/// One line for a machine, always on stdout.
pub fn json(line: &str) {
    write(&mut std::io::stdout().lock(), line);
}

fn write(to: &mut impl Write, line: &str) {
    // Nobody is left to tell when the reader has gone (`cargo x tidy | head`); the work goes on.
    drop(writeln!(to, "{line}").and_then(|()| to.flush()));
}
