//! Running before everything else on the machine (docs/decisions/0129).

use anyhow::{Result, anyhow};
use thread_priority::{
    RealtimeThreadSchedulePolicy, ThreadPriority, ThreadSchedulePolicy,
    set_thread_priority_and_policy, thread_native_id,
};

/// The calling thread is run from now on whenever it has something to do, before all threads that
/// have no such precedence (`SCHED_FIFO`, its lowest priority).
///
/// # Errors
/// The system does not allow it: it takes `CAP_SYS_NICE`, or a limit of real-time priority above 0.
pub fn take() -> Result<()> {
    let policy = ThreadSchedulePolicy::Realtime(RealtimeThreadSchedulePolicy::Fifo);
    set_thread_priority_and_policy(thread_native_id(), ThreadPriority::Min, policy)
        .map_err(|error| anyhow!("taking precedence over other threads: {error:?}"))
}

#[cfg(test)]
mod tests {
    use thread_priority::thread_schedule_policy;

    use super::*;

    /// Goal: a thread has precedence after it, or is told that it has none.
    #[test]
    fn precedence_is_had_or_refused() {
        let thread = std::thread::spawn(|| (take().is_ok(), thread_schedule_policy().unwrap()));
        let (taken, policy) = thread.join().unwrap();
        let has_it = policy == ThreadSchedulePolicy::Realtime(RealtimeThreadSchedulePolicy::Fifo);
        assert_eq!(taken, has_it, "{policy:?}");
    }
}
