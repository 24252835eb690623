//! CPU time, user and system together: of this thread, this process, a thread by name, and of
//! children that were waited for.

use std::time::Duration;

use anyhow::{Context as _, Result};
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike as _;
use nix::time::{ClockId, clock_gettime};

/// In what Linux tells times of processes (`USER_HZ`).
const TICKS_PER_SECOND: u64 = 100;

/// Whose CPU time.
#[derive(Debug, Clone, Copy)]
pub enum Whose {
    /// The calling thread's.
    ThisThread,
    /// This process's, all threads.
    ThisProcess,
    /// That of the children that were waited for.
    EndedChildren,
}

/// CPU time from a moment on.
#[derive(Debug, Clone, Copy)]
pub struct Stopwatch {
    whose: Whose,
    before: Duration,
}

impl Stopwatch {
    /// From now on.
    ///
    /// # Errors
    /// The kernel has no such clock.
    pub fn start(whose: Whose) -> Result<Self> {
        Ok(Self { whose, before: total(whose)? })
    }

    /// What was used since.
    ///
    /// # Errors
    /// The kernel has no such clock.
    pub fn spent(&self) -> Result<Duration> {
        Ok(total(self.whose)?.saturating_sub(self.before))
    }
}

fn total(whose: Whose) -> Result<Duration> {
    let clock = match whose {
        Whose::ThisThread => ClockId::CLOCK_THREAD_CPUTIME_ID,
        Whose::ThisProcess => ClockId::CLOCK_PROCESS_CPUTIME_ID,
        Whose::EndedChildren => {
            let usage = getrusage(UsageWho::RUSAGE_CHILDREN).context("asking for CPU time")?;
            let spent = usage.user_time() + usage.system_time();
            return Ok(Duration::from_micros(u64::try_from(spent.num_microseconds()).unwrap_or(0)));
        }
    };
    Ok(Duration::from(clock_gettime(clock).context("asking for CPU time")?))
}

/// What the living thread of this name has used in this process.
///
/// # Errors
/// There is no such thread, or the kernel keeps no statistics of threads.
pub fn of_thread(name: &str) -> Result<Duration> {
    for task in std::fs::read_dir("/proc/self/task").context("listing the threads")? {
        let task = task.context("listing the threads")?.path();
        // A thread that ends between the two looks is none that is asked for.
        let Ok(comm) = std::fs::read_to_string(task.join("comm")) else { continue };
        if comm.trim_end() == name {
            let text = std::fs::read_to_string(task.join("schedstat"))
                .context("reading a thread's schedstat")?;
            let ns = text.split_whitespace().next().and_then(|ns| ns.parse().ok());
            return Ok(Duration::from_nanos(ns.context("schedstat has no number")?));
        }
    }
    anyhow::bail!("there is no thread called {name}")
}

/// What another process has used, by all its threads, to a hundredth of a second.
///
/// # Errors
/// There is no such process.
pub fn of_process(id: u32) -> Result<Duration> {
    let stat = std::fs::read_to_string(format!("/proc/{id}/stat")).context("reading its stat")?;
    // The name stands in brackets and may hold anything.
    let (_, fields) = stat.rsplit_once(')').context("its stat has no name")?;
    let ticks: Vec<u64> = fields.split_whitespace().skip(11).take(2).flat_map(str::parse).collect();
    let &[user, system] = ticks.as_slice() else { anyhow::bail!("its stat has no times") };
    Ok(Duration::from_millis((user + system) * 1_000 / TICKS_PER_SECOND))
}
