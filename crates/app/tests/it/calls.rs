//! Calls as a node makes them: leased, and ended as a test says.

use app::dialing::{self, CallRecord, EndedCall, Leased, Meaning, NodeStamp, ReadyJob, Start};
use domain::{AttemptId, Disposition, QuickSendId, Timestamp};

use crate::world::World;

pub async fn lease(world: &World, node: NodeStamp, job: &ReadyJob, at: Timestamp) -> Leased {
    let start = Start { job: job.clone(), person: !job.sandbox, trunk: String::from("main"), at };
    dialing::lease(&world.app, node, vec![start]).await.unwrap()[0]
}

/// A call that meant this, and ended at that moment.
pub fn ended(job: &ReadyJob, attempt: AttemptId, meaning: Meaning, at: Timestamp) -> EndedCall {
    EndedCall {
        attempt,
        tariff: job.tariff,
        zone: job.zone,
        second: None,
        hold: job.hold,
        meaning,
        record: CallRecord::default(),
        ladder: None,
        ended_at: at,
        asker: None,
    }
}

/// Calls everybody in line; each call ends as `end` says of its place.
pub async fn call_all(world: &World, node: NodeStamp, end: impl Fn(usize) -> Disposition) -> usize {
    let (app, now) = (&world.app, world.app.now());
    let from = (Timestamp(i64::MIN), QuickSendId(0));
    let jobs = dialing::load_ready(app, from, 10_000).await.unwrap();
    for (place, job) in jobs.iter().enumerate() {
        assert!(now < job.expires_at, "nobody is called after the hours");
        let attempt = lease(world, node, job, now).await.attempt().unwrap();
        let disposition = end(place);
        let heard_ms = if disposition == Disposition::Delivered { job.clip_ms } else { 0 };
        let record = CallRecord { heard_ms, ..CallRecord::default() };
        let call = ended(job, attempt, Meaning::Decided(disposition), now);
        dialing::settle(app, vec![EndedCall { record, ..call }]).await.unwrap();
    }
    jobs.len()
}
