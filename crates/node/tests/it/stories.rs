//! The stories of attempts: kept with what they came to, told by recovery where a process was
//! killed, and forgotten after a while.

use app::quick_send::Story;
use domain::QuickSendId;
use engine::{CallKey, Event, Ladder, LastWord, Outcome, Recovered, Turn};

use crate::fixture::{World, busy, config, dialog, ended, heard_out, refused};

const SECOND_US: u64 = 1_000_000;

/// What an engine might tell of a call.
fn ladder() -> Ladder {
    let after_us = 3 * SECOND_US;
    Ladder::recovered(after_us, Recovered::Ringing)
}

async fn story(world: &World, send: QuickSendId) -> Story {
    app::quick_send::story(&world.app, send).await.unwrap().unwrap()
}

/// Lets hours pass, stepping every minute: the node has nothing else to do.
async fn pass_hours(world: &mut World, hours: i64) {
    for _ in 0..hours * 60 {
        world.now = world.now.plus_us(60_000_000);
        world.set_wall(world.now.wall);
        world.run().await;
    }
}

/// A send that was given to the engine.
async fn dialled() -> (World, QuickSendId, CallKey) {
    let mut world = World::new(config(10, 50)).await;
    let customer = world.account(10_000).await;
    let send = world.submit(&customer, "09121234567").await;
    world.run().await;
    let call = world.last_call();
    (world, send, call)
}

/// Goal: what the engine tells of a call is kept as it is, with the server that the call went to.
#[tokio::test]
async fn a_settled_call_keeps_its_story() {
    let (mut world, send, call) = dialled().await;
    world.tell(ended(call, Outcome { ladder: ladder(), ..heard_out() }));
    world.run().await;
    let [(attempt, kept)] = &story(&world, send).await.ladders[..] else { panic!() };
    assert_eq!((attempt.quick_send, attempt.n), (send, 1));
    assert_eq!(Ladder::decode(&kept.rungs), Some(ladder()));
    let server = kept.server.as_deref().unwrap();
    assert!(server.ends_with(" over UDP"), "{server}");
    assert_eq!(server.parse::<std::net::SocketAddr>().ok(), None, "with what carried it");
}

/// Goal: an attempt that its trunk failed has its story, too, beside that of the next one.
#[tokio::test]
async fn a_failed_attempt_keeps_its_story() {
    let mut config = config(10, 50);
    let mut second = config.trunks[0].clone();
    second.name = String::from("second");
    config.trunks.push(second);
    let mut world = World::new(config).await;
    let customer = world.account(10_000).await;
    let send = world.submit(&customer, "09121234567").await;
    world.run().await;
    world.tell(ended(world.last_call(), Outcome { ladder: ladder(), ..refused(503) }));
    world.pass_ms(2_000).await;
    world.tell(ended(world.last_call(), Outcome { ladder: ladder(), ..busy() }));
    world.run().await;
    let told = story(&world, send).await;
    let attempts: Vec<u16> = told.ladders.iter().map(|(attempt, _)| attempt.n).collect();
    assert_eq!((attempts, told.failed.len()), (vec![1, 2], 1));
}

/// Goal: a call whose process was killed says that it was recovered, and how far it had got.
#[tokio::test]
async fn a_recovered_call_says_what_was_known() {
    let known = [Recovered::Dialled, Recovered::Ringing, Recovered::Answered, Recovered::Ended];
    for how_far in known {
        let (mut world, send, call) = dialled().await;
        let event = match how_far {
            Recovered::Ringing => Some(Event::Ringing { call }),
            Recovered::Answered => Some(Event::Answered { call, dialog: dialog() }),
            Recovered::Ended => Some(ended(call, heard_out())),
            Recovered::Dialled | Recovered::Unrecorded => None,
        };
        if let Some(event) = event {
            world.recorder.as_mut().unwrap().note([&event]);
        }
        world.kill();
        world.start().await;
        world.tell(Event::Abandoned { call, word: LastWord::Unknown });
        world.run().await;
        let [(_, kept)] = &story(&world, send).await.ladders[..] else { panic!("{how_far:?}") };
        let ladder = Ladder::decode(&kept.rungs).unwrap();
        let turns: Vec<Turn> = ladder.rungs().iter().map(engine::Rung::turn).collect();
        assert_eq!(turns, [Turn::Recovered(how_far)]);
        assert_eq!(kept.server, None);
    }
}

/// Goal: a story is forgotten once it is older than the operator wants; what the call came to
/// stays.
#[tokio::test]
async fn old_stories_are_forgotten() {
    for (days, forgotten) in [(Some(1), true), (Some(30), false), (None, false)] {
        let day_ms = 24 * 60 * 60 * 1_000;
        let mut config = config(10, 50);
        config.ladder_keep_ms = days.map(|days: i64| days * day_ms);
        let mut world = World::new(config).await;
        let customer = world.account(10_000).await;
        let send = world.submit(&customer, "09121234567").await;
        world.run().await;
        world.tell(ended(world.last_call(), Outcome { ladder: ladder(), ..heard_out() }));
        world.run().await;
        pass_hours(&mut world, 12).await;
        assert_eq!(story(&world, send).await.ladders.len(), 1, "{days:?}");
        pass_hours(&mut world, 24).await;
        let told = story(&world, send).await;
        assert_eq!(told.ladders.is_empty(), forgotten, "{days:?}");
        assert_eq!(world.ended(&customer, send).await.charge.0, 450);
        world.audit().await;
    }
}
