//! The one place that prints.

/// One line for whoever started the benchmark.
#[expect(clippy::print_stdout, reason = "the figures are what a benchmark is for")]
pub fn say(line: &str) {
    println!("{line}");
}

/// The closing line of a benchmark: a figure beside its target.
pub fn verdict(figure: &str, holds: bool, target: &str) {
    let word = if holds { "HOLDS" } else { "MISSED" };
    say(&format!("{word}: {figure} (target: {target})"));
}

/// What the figures should be read with, beside them.
#[expect(clippy::print_stderr, reason = "a yardstick's output is its figures")]
pub fn complain(line: &str) {
    eprintln!("{line}");
}
