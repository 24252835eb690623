//! `cargo x <command>`: see `xtask::commands`.

use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match xtask::commands::dispatch(&arguments) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            xtask::say::warn(&format!("error: {error:#}"));
            ExitCode::FAILURE
        }
    }
}
