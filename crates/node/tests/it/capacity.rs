//! The promise of 1000 starts a minute, kept or missed by a real node in virtual time, and judged
//! by what it left in the database (C25, A17).

use app::promise::{self, Promises};
use domain::calendar::month::PersianMonth;

use crate::campaigns::start_for;
use crate::fixture::{World, config, ended, heard_out};

/// How long each call lasts, seconds.
const CALL_S: usize = 10;

/// A node that may start so many calls a second calls a campaign of so many recipients for so many
/// minutes, and a little longer.
async fn called_for(
    minutes: usize,
    per_second: u32,
    recipients: usize,
    pace: Option<u32>,
) -> Promises {
    let mut world = World::new(config(400, per_second)).await;
    world.kill();
    world.slots = 1_000;
    world.start().await;
    let customer = world.account(1_000_000_000).await;
    let numbers: Vec<String> = (0..recipients).map(|n| format!("0912{n:07}")).collect();
    start_for(&world, &customer, numbers.join(",").into(), pace).await;
    let mut started: Vec<usize> = Vec::new();
    let mut over = 0;
    for second in 0..minutes * 60 + 2 {
        world.pass_ms(1_000).await;
        started.push(world.started.len());
        if second >= CALL_S {
            let calls: Vec<_> = world.started[over..started[second - CALL_S]]
                .iter()
                .map(|spec| spec.call)
                .collect();
            over += calls.len();
            for call in calls {
                world.tell(ended(call, heard_out()));
            }
        }
    }
    let month = PersianMonth::of(world.now.wall);
    let judged = promise::month(&world.app, month).await.unwrap();
    world.audit().await;
    judged
}

/// T195. Goal: with 20 000 waiting, each full minute of ten starts 1000 calls or more.
#[tokio::test]
async fn twenty_thousand_that_wait_are_started_a_thousand_a_minute() {
    let judged = called_for(11, 18, 20_000, None).await;
    let minutes: Vec<(u64, u64)> =
        judged.parts.minutes.iter().map(|(_, one)| (one.startable, one.starts)).collect();
    // The first minute begins before anybody has stepped into the line.
    assert_eq!(minutes.len(), 10, "{minutes:?}");
    assert!(minutes.iter().all(|(_, starts)| *starts >= 1_000), "{minutes:?}");
    assert_eq!((judged.capacity.missed, judged.capacity_met()), (0, Some(true)));
}

/// Goal: a trunk that carries 900 a minute is a promise that was not kept, in each minute.
#[tokio::test]
async fn a_trunk_that_is_too_small_is_found_out() {
    let judged = called_for(3, 15, 20_000, None).await;
    assert_eq!((judged.capacity.qualifying, judged.capacity.missed), (2, 2));
    let starts: Vec<u64> = judged.parts.minutes.iter().map(|(_, one)| one.starts).collect();
    assert!(starts.iter().all(|starts| (880..=910).contains(starts)), "{starts:?}");
}

/// T197. Goal: who has 20 000 recipients and lets ten a minute through has no more than ten that
/// could be started, so that such a campaign is no demand that was not met.
#[tokio::test]
async fn a_campaign_that_its_customer_paces_is_no_demand() {
    let judged = called_for(3, 100, 20_000, Some(10)).await;
    // The month began ten hours before.
    assert_eq!((judged.capacity.minutes, judged.capacity.qualifying), (603, 0));
    assert_eq!(judged.capacity_met(), None);
}
