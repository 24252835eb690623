//! A soak in virtual time: `cargo x soak --virtual`. Prints what both sides counted; exit code 1
//! when something grew, was left, leaked or was counted differently.

use std::io::Write as _;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Result, bail};
use clap::Parser;
use sim::soak::{Load, soak};

/// Many calls at once, for long, with loss.
#[derive(Debug, Parser)]
struct Arguments {
    /// Virtual minutes.
    #[arg(long, default_value_t = 60)]
    minutes: u64,
    /// Calls at once.
    #[arg(long, default_value_t = 500)]
    calls: usize,
    /// Datagrams lost of a thousand.
    #[arg(long, default_value_t = 20)]
    loss_permille: u32,
    /// What chance follows.
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

/// What vectors may keep of their room, bytes; nothing of it grows with the time.
const ROOM_BYTES: i64 = 4_096;

fn main() -> Result<ExitCode> {
    let Arguments { minutes, calls, loss_permille, seed } = Arguments::parse();
    if calls > 10_000 {
        bail!("the carrier has ports for 10000 calls at once");
    }
    let load = Load { calls, time: Duration::from_mins(minutes), loss_permille, seed };
    let mut report = None;
    let left = allocation_counter::measure(|| report = Some(soak(load)));
    let mut report = report.expect("the soak came to its end");
    if left.bytes_current > ROOM_BYTES {
        report.findings.push(format!("{} bytes were left allocated", left.bytes_current));
    }
    let mut out = std::io::stdout().lock();
    write!(out, "{calls} calls at once for {minutes} virtual minutes\n{report}")?;
    writeln!(
        out,
        "heap: at most {} kB, {} bytes left",
        left.bytes_max / 1_024,
        left.bytes_current
    )?;
    Ok(if report.findings.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
