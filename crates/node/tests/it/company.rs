//! Several nodes on one database: they share the caps of trunks, and nobody is in two of their
//! calls.

use app::Caller;
use app::dialing::{self, EndedCall, Meaning, NodeStamp, Start};
use domain::{Disposition, MessageId, Timestamp};
use node::{Caps, NodeConfig, Sharing, Trunk};

use store::quick_send::State;

use crate::fixture::{World, busy, config, ended};

fn number(n: usize) -> String {
    format!("0912{n:07}")
}

/// A world whose trunk every node uses.
async fn sharing(max_channels: u32) -> World {
    let caps = Caps { max_channels, max_cps: 1_000 };
    let trunk = Trunk::new("north", "192.0.2.1:5060".parse().unwrap(), "02100000000", caps);
    let trunks = vec![Trunk { sharing: Sharing::Together, ..trunk }];
    World::new(NodeConfig { trunks, ..config(1, 1) }).await
}

/// Another node comes, or renews its lease, for so long.
async fn b_lives(world: &World, seconds: i64) -> NodeStamp {
    dialing::take_node(&world.app, "b", world.now.wall.plus_ms(seconds * 1_000)).await.unwrap()
}

/// A call of node `b` to a number; no other send may wait.
async fn call_of_b(world: &World, of: &(Caller, MessageId), number: &str) -> EndedCall {
    let b = b_lives(world, 3_600).await;
    let send = world.submit(of, number).await;
    let from = (Timestamp(i64::MIN), domain::QuickSendId(0));
    let jobs = dialing::load_ready(&world.app, from, 9).await.unwrap();
    let job = jobs.into_iter().find(|job| job.quick_send == send).unwrap();
    let (trunk, at) = (String::from("north"), world.now.wall);
    let start = Start { job: job.clone(), person: true, trunk, at };
    let leased = dialing::lease(&world.app, b, vec![start]).await.unwrap();
    EndedCall {
        attempt: leased[0].attempt().unwrap(),
        tariff: job.tariff,
        zone: job.zone,
        second: None,
        hold: job.hold,
        meaning: Meaning::Decided(Disposition::Busy),
        record: dialing::CallRecord::default(),
        ladder: None,
        ended_at: world.now.wall,
        asker: None,
    }
}

/// Goal: whoever is in a call of another node is called when that has ended, and everybody else at
/// once.
#[tokio::test]
async fn who_is_in_a_call_of_another_node_is_called_afterwards() {
    let mut world = World::new(config(0, 50)).await;
    let customer = world.account(1_000_000).await;
    let theirs = call_of_b(&world, &customer, &number(1)).await;
    // A process with channels of its own takes the place of the one without.
    world.kill();
    world.config = config(10, 50);
    world.start().await;
    world.submit(&customer, &number(1)).await;
    world.submit(&customer, &number(2)).await;
    world.pass_ms(5_000).await;
    assert_eq!(world.called(), [number(2)]);
    assert!(world.node.as_ref().unwrap().stats().engaged > 1, "it was tried again");
    dialing::settle(&world.app, vec![theirs]).await.unwrap();
    world.pass_ms(1_000).await;
    assert_eq!(world.called(), [number(2), number(1)]);
    world.audit().await;
}

/// Goal: two nodes have together as many channels as the trunk, whoever comes and goes.
#[tokio::test]
async fn the_channels_of_a_trunk_are_shared_by_those_who_live() {
    let mut world = sharing(4).await;
    let customer = world.account(1_000_000).await;
    let first = world.submit(&customer, &number(0)).await;
    for n in 1..20 {
        world.submit(&customer, &number(n)).await;
    }
    world.pass_ms(100).await;
    assert_eq!(world.called().len(), 4, "alone it has all of them");
    world.pass_s(10).await;
    b_lives(&world, 60).await;
    // It knows of the other one when it has renewed its lease; what is up stays up.
    world.pass_s(6).await;
    let calls: Vec<_> = world.started.iter().map(|spec| spec.call).collect();
    let ends = |world: &mut World, n: usize| world.tell(ended(calls[n], busy()));
    ends(&mut world, 0);
    ends(&mut world, 1);
    world.pass_ms(500).await;
    assert_eq!(world.called().len(), 4, "half of them is the other one's");
    // Nobody else may call who was just called: his attempt stays open until he has rested.
    assert!(matches!(world.state(&customer, first).await, State::Attempt { .. }));
    world.pass_ms(600).await;
    assert_eq!(world.ended(&customer, first).await.disposition, Disposition::Busy);
    ends(&mut world, 2);
    world.pass_ms(500).await;
    assert_eq!(world.called().len(), 5);
    // The other one is gone: its lease has ended, and the next renewal finds that.
    world.pass_s(60).await;
    assert_eq!(world.called().len(), 7, "it is alone again");
}

/// Goal: a node that has just come starts nothing on a shared trunk before the other one knows of
/// it, also after a restart in the meantime; and keeps to its part then.
#[tokio::test]
async fn who_comes_last_waits_until_the_others_know() {
    let mut world = sharing(4).await;
    world.kill();
    // Long enough for its own lease to have ended.
    world.set_wall(world.now.wall.plus_ms(60_000));
    b_lives(&world, 3_600).await;
    world.config.name = String::from("late");
    world.start().await;
    let customer = world.account(1_000_000).await;
    for n in 0..20 {
        world.submit(&customer, &number(n)).await;
    }
    world.pass_s(5).await;
    world.kill();
    world.start().await;
    world.pass_s(4).await;
    assert!(world.started.is_empty(), "{:?}", world.called());
    world.pass_s(2).await;
    assert_eq!(world.called().len(), 2);
}

/// Goal: the calls that the others have up when a node comes are reckoned with: it takes what they
/// leave, and its part when they have come down to theirs.
#[tokio::test]
async fn who_comes_takes_what_the_others_leave() {
    let mut world = sharing(4).await;
    let customer = world.account(1_000_000).await;
    world.kill();
    world.set_wall(world.now.wall.plus_ms(60_000));
    let mut theirs = Vec::new();
    for n in 100..103 {
        theirs.push(call_of_b(&world, &customer, &number(n)).await);
    }
    world.config.name = String::from("late");
    world.start().await;
    for n in 0..20 {
        world.submit(&customer, &number(n)).await;
    }
    world.pass_s(16).await;
    assert_eq!(world.called().len(), 1, "three of four are up");
    dialing::settle(&world.app, vec![theirs.remove(0)]).await.unwrap();
    world.pass_s(6).await;
    assert_eq!(world.called().len(), 2, "both have their parts");
    dialing::settle(&world.app, theirs).await.unwrap();
    world.pass_s(6).await;
    assert_eq!(world.called().len(), 2, "what the other one leaves of its part is not lent");
    world.audit().await;
}

/// Goal: the calls of a node that is gone have their channels until it is certain that they are
/// over.
#[tokio::test]
async fn calls_of_a_dead_node_keep_their_channels() {
    let mut world = sharing(4).await;
    let customer = world.account(1_000_000).await;
    let mut theirs = Vec::new();
    world.kill();
    world.set_wall(world.now.wall.plus_ms(60_000));
    for n in 100..103 {
        theirs.push(call_of_b(&world, &customer, &number(n)).await);
    }
    // The lease of the other node ends, and its calls are up.
    world.set_wall(world.now.wall.plus_ms(3_700_000));
    world.config.name = String::from("late");
    world.start().await;
    for n in 0..20 {
        world.submit(&customer, &number(n)).await;
    }
    world.pass_s(6).await;
    assert_eq!(world.called().len(), 1);
    dialing::settle(&world.app, theirs).await.unwrap();
    world.pass_s(6).await;
    assert_eq!(world.called().len(), 4);
    world.audit().await;
}
