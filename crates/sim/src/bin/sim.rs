//! Runs simulated worlds: one seed, or many from a start on, on every core.
//!
//! Prints one line per failure with its seed and story, a line of totals, and as the last line
//! `N passed, M failed`. Exit code 1 if any failed.

use std::io::Write as _;
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::{Context as _, Result};
use clap::Parser;
use sim::{Failed, Plan, Totals, run};

/// Simulated worlds of calls, customers, carriers and kills.
#[derive(Debug, Parser)]
struct Arguments {
    /// Run this seed alone and tell its story.
    #[arg(long, conflicts_with = "seeds")]
    seed: Option<u64>,
    /// Run one campaign to this many numbers instead, with a kill every other minute.
    #[arg(long, conflicts_with_all = ["seed", "seeds", "from"])]
    campaign: Option<u32>,
    /// Run this many seeds.
    #[arg(long, default_value_t = 200)]
    seeds: u64,
    /// The first of many seeds.
    #[arg(long, default_value_t = 0)]
    from: u64,
    /// Tell the whole story of every seed.
    #[arg(long)]
    verbose: bool,
    /// How many worlds run at once; 0 takes as many as there are cores.
    #[arg(long, default_value_t = 0)]
    threads: usize,
}

/// A seed and what its world came to.
type Outcome = (u64, Result<Totals, Box<Failed>>);

/// What the threads share.
#[derive(Default)]
struct Tally {
    next: AtomicU64,
    results: Mutex<Vec<Outcome>>,
}

fn main() -> Result<ExitCode> {
    let arguments = Arguments::parse();
    if let Some(numbers) = arguments.campaign {
        let result = run_one(Plan::campaign(numbers), arguments.verbose)?;
        return report(&[(numbers.into(), result)], "--campaign");
    }
    let (from, count) = match arguments.seed {
        Some(seed) => (seed, 1),
        None => (arguments.from, arguments.seeds),
    };
    let verbose = arguments.verbose || arguments.seed.is_some();
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let threads = if arguments.threads == 0 { cores } else { arguments.threads };
    let tally = Tally::default();
    std::thread::scope(|scope| {
        let worker = || work(&tally, from, count, verbose);
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(worker)).collect();
        for worker in workers {
            worker.join().map_err(|_| anyhow::anyhow!("a world panicked"))??;
        }
        anyhow::Ok(())
    })?;
    let mut results = tally.results.into_inner().context("reading the results")?;
    results.sort_by_key(|(seed, _)| *seed);
    report(&results, "--seed")
}

/// Runs seeds until none is left.
fn work(tally: &Tally, from: u64, count: u64, verbose: bool) -> Result<()> {
    loop {
        let n = tally.next.fetch_add(1, Ordering::Relaxed);
        if n >= count {
            return Ok(());
        }
        let seed = from + n;
        let result = run_one(Plan::of(seed), verbose)?;
        let mut results = tally.results.lock().map_err(|_| anyhow::anyhow!("a world panicked"))?;
        results.push((seed, result));
    }
}

fn run_one(plan: Plan, verbose: bool) -> Result<Result<Totals, Box<Failed>>> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("making a runtime")?;
    let seed = plan.seed;
    runtime.block_on(run(plan, verbose)).with_context(|| format!("running seed {seed}"))
}

/// `again`: what a single one of them is run with.
fn report(results: &[Outcome], again: &str) -> Result<ExitCode> {
    let mut out = std::io::stdout().lock();
    let mut totals = Totals::default();
    let mut failed = 0;
    for (seed, result) in results {
        match result {
            Ok(run) => totals += *run,
            Err(failure) => {
                failed += 1;
                writeln!(out, "seed {seed}: {}: {}", failure.breach.rule, failure.breach.detail)?;
                for line in &failure.story {
                    writeln!(out, "    {line}")?;
                }
                writeln!(out, "    again: cargo x sim {again} {seed}")?;
            }
        }
    }
    writeln!(out, "{totals}")?;
    writeln!(out, "{} passed, {failed} failed", results.len() - failed)?;
    Ok(if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
