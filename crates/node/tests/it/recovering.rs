//! What becomes of calls that a killed process left behind, row by row of the table in
//! `recovery.rs`.

use std::collections::BTreeSet;

use app::Caller;
use domain::{Disposition, MessageId, QuickSendId, Status};
use engine::{CallKey, Cause, Event, Hop, LastWord, Located, Outcome, Refusal, Target};
use node::SLOT_BYTES;
use store::quick_send::State;

use crate::fixture::{MemoryFile, World, busy, config, dialog, ended, heard_out};

/// After so long a call cannot be up any more that had not been answered, if nobody says so sooner.
const UNANSWERED_S: i64 = 3 * 60 + 33;
/// The same of one that may have been answered.
const ANSWERED_S: i64 = 30 * 60 + 33;

struct Killed {
    world: World,
    customer: (Caller, MessageId),
    send: QuickSendId,
    call: CallKey,
}

/// A send that is leased in a world of its own, and not given to the engine.
async fn leased() -> (World, (Caller, MessageId), QuickSendId) {
    leased_in(World::new(config(10, 50)).await).await
}

async fn leased_in(world: World) -> (World, (Caller, MessageId), QuickSendId) {
    let customer = world.account(10_000).await;
    let send = world.submit(&customer, "09121234567").await;
    (world, customer, send)
}

/// A send that is leased and given to the engine.
async fn dialled() -> Killed {
    dialled_in(World::new(config(10, 50)).await).await
}

async fn dialled_in(world: World) -> Killed {
    let (mut world, customer, send) = leased_in(world).await;
    world.run().await;
    let call = world.last_call();
    Killed { world, customer, send, call }
}

/// A process with a recorder of its own, after one whose recorder is given, too, and was killed.
async fn taken_over() -> (World, MemoryFile) {
    let mut world = World::new(config(10, 50)).await;
    let first = world.file.clone();
    world.kill();
    world.file = MemoryFile::default();
    world.start().await;
    (world, first)
}

impl Killed {
    async fn restart(&mut self) {
        self.world.kill();
        self.world.start().await;
    }

    async fn end(&self) -> (Disposition, i64) {
        let end = self.world.ended(&self.customer, self.send).await;
        (end.disposition, end.charge.0)
    }

    async fn check_never_called_again(&mut self) {
        self.world.pass_ms(60_000).await;
        assert!(self.world.started.is_empty());
        assert!(self.world.recorder.as_ref().unwrap().is_empty());
        assert!(self.world.node.as_ref().unwrap().is_idle());
        self.world.audit().await;
    }
}

#[tokio::test]
async fn leased_but_never_given_to_the_engine_is_called_again() {
    let (mut world, customer, send) = leased().await;
    assert!(matches!(world.state(&customer, send).await, State::Attempt { .. }));
    world.kill();
    world.start().await;
    world.pass_ms(100).await;
    assert_eq!(world.called(), ["09121234567"]);
    assert_eq!(world.started[0].call_id, format!("{send}-2@avanak.invalid"));
    assert!(world.abandoned.is_empty());
    world.audit().await;
}

#[tokio::test]
async fn dialled_is_cancelled_and_never_called_again() {
    let mut killed = dialled().await;
    killed.restart().await;
    assert_eq!(killed.world.abandoned, [killed.call]);
    killed.world.tell(Event::Abandoned { call: killed.call, word: LastWord::Unknown });
    killed.world.run().await;
    assert_eq!(killed.end().await, (Disposition::NetworkFailure, 0));
    killed.check_never_called_again().await;
}

#[tokio::test]
async fn ringing_is_cancelled_and_never_called_again() {
    let mut killed = dialled().await;
    killed.world.tell(Event::Ringing { call: killed.call });
    killed.restart().await;
    assert_eq!(killed.world.abandoned, [killed.call]);
    killed.world.pass_s(UNANSWERED_S).await;
    killed.check_never_called_again().await;
    assert_eq!(killed.end().await, (Disposition::NetworkFailure, 0));
}

#[tokio::test]
async fn answered_is_hung_up_and_charged_for_what_is_on_record() {
    let mut killed = dialled().await;
    killed.world.tell(Event::Answered { call: killed.call, dialog: dialog() });
    killed.world.tell(Event::Progress { call: killed.call, heard_ms: 6_000 });
    killed.restart().await;
    assert_eq!(killed.world.abandoned, [killed.call]);
    killed.world.tell(Event::Abandoned { call: killed.call, word: LastWord::Unknown });
    killed.world.run().await;
    assert_eq!(killed.end().await, (Disposition::HeardInPart, 450));
    killed.check_never_called_again().await;
}

#[tokio::test]
async fn ended_is_settled_exactly_as_it_ended() {
    let mut killed = dialled().await;
    killed.world.tell(Event::Answered { call: killed.call, dialog: dialog() });
    let mut outcome = heard_out();
    outcome.keys.push('4');
    killed.world.tell(ended(killed.call, outcome));
    killed.restart().await;
    assert!(killed.world.abandoned.is_empty());
    assert_eq!(killed.end().await, (Disposition::Delivered, 450));
    let end = killed.world.ended(&killed.customer, killed.send).await;
    assert_eq!(end.facts.sip_code, Some(200));
    assert_eq!(end.facts.heard_ms, 10_000);
    killed.check_never_called_again().await;
}

#[tokio::test]
async fn refused_by_the_engine_is_called_again() {
    let mut killed = dialled().await;
    let outcome = Outcome { cause: Cause::Refused(Refusal::Full), sip_code: None, ..busy() };
    killed.world.tell(ended(killed.call, outcome));
    killed.restart().await;
    killed.world.pass_ms(100).await;
    assert!(killed.world.abandoned.is_empty());
    assert_eq!(killed.world.called(), ["09121234567"]);
}

#[tokio::test]
async fn settled_before_the_record_was_freed_changes_nothing() {
    let mut killed = dialled().await;
    let call = killed.call;
    killed.world.tell(ended(call, heard_out()));
    let slots = killed.world.file.bytes.lock().unwrap().clone();
    killed.world.run().await;
    assert_eq!(killed.world.released, [call]);
    *killed.world.file.bytes.lock().unwrap() = slots;
    killed.restart().await;
    assert!(killed.world.recorder.as_ref().unwrap().is_empty(), "its slot is free again");
    assert_eq!(killed.world.balance(&killed.customer).await, (9_550, 0));
    killed.check_never_called_again().await;
}

/// Goal: a file without a free slot keeps nobody from starting after another boot: what is settled
/// makes room, and where that is not enough, the file becomes longer.
#[tokio::test]
async fn a_full_file_takes_the_calls_that_nobody_vouches_for() {
    let mut killed = dialled().await;
    killed.world.tell(ended(killed.call, heard_out()));
    let slots = killed.world.file.bytes.lock().unwrap().clone();
    killed.world.run().await;
    let mut lost = Vec::new();
    for number in ["09121234568", "09121234569"] {
        killed.world.submit(&killed.customer, number).await;
        killed.world.run().await;
        lost.push(killed.world.last_call());
    }
    killed.world.kill();
    // Of the two that were dialled the file knows nothing, and it is of another boot.
    *killed.world.file.bytes.lock().unwrap() = slots;
    (killed.world.boot, killed.world.slots) = ("boot-2", 1);
    killed.world.start().await;
    assert_eq!(killed.world.abandoned, lost);
    assert_eq!(killed.world.recorder.as_ref().unwrap().len(), 2);
    for call in lost {
        // Of a call that is not on record, nobody's word is taken: it may have been answered.
        killed.world.tell(Event::Abandoned { call, word: LastWord::Unknown });
    }
    killed.world.pass_s(UNANSWERED_S).await;
    assert_eq!(killed.world.recorder.as_ref().unwrap().len(), 2);
    killed.world.pass_s(ANSWERED_S - UNANSWERED_S).await;
    killed.check_never_called_again().await;
}

#[tokio::test]
async fn after_a_loss_of_power_nothing_open_is_called_again() {
    let (mut world, customer, send) = leased().await;
    world.kill();
    world.boot = "boot-2";
    world.start().await;
    assert_eq!(world.abandoned.len(), 1, "it may have been dialled");
    // A second kill finds the same, although the recorder's file is of this boot now.
    world.kill();
    world.start().await;
    assert_eq!(world.abandoned.len(), 1);
    // It knows as little of it as the first one did.
    world.tell(Event::Abandoned { call: world.abandoned[0], word: LastWord::Unknown });
    world.pass_s(UNANSWERED_S).await;
    assert!(matches!(world.state(&customer, send).await, State::Attempt { .. }));
    world.pass_s(ANSWERED_S - UNANSWERED_S).await;
    assert!(world.started.is_empty());
    assert_eq!(world.ended(&customer, send).await.disposition, Disposition::NetworkFailure);
    world.audit().await;
}

#[tokio::test]
async fn what_another_host_dialled_is_never_called_again_by_one_that_was_there_before() {
    // Host B runs first, in the same boot as ever after; host A dials and is killed.
    let (world, host_b) = taken_over().await;
    let mut killed = dialled_in(world).await;
    killed.world.kill();
    // B comes back: its recorder is whole and of this boot, and knows nothing of the call.
    killed.world.file = host_b;
    killed.world.start().await;
    assert_eq!(killed.world.abandoned, [killed.call]);
    killed.world.pass_s(ANSWERED_S).await;
    killed.check_never_called_again().await;
    assert_eq!(killed.end().await, (Disposition::NetworkFailure, 0));
}

#[tokio::test]
async fn a_second_data_directory_on_the_same_database_calls_nobody_again() {
    let (world, second_directory) = taken_over().await;
    let mut killed = dialled_in(world).await;
    // The first process lives on, as nothing locks the database.
    let mut first = killed.world.node.take().unwrap();
    killed.world.kill();
    killed.world.file = second_directory;
    killed.world.start().await;
    assert_eq!(killed.world.abandoned, [killed.call]);
    killed.world.pass_s(ANSWERED_S).await;
    killed.check_never_called_again().await;
    assert_eq!(killed.end().await, (Disposition::NetworkFailure, 0));
    // Whatever the first one tries now, it is told that it is not the node any more.
    let now = killed.world.now;
    for work in first.step(now).work {
        let done = work.run().await;
        first.on_done(now, done);
    }
    assert!(first.step(now).fenced);
}

#[tokio::test]
async fn what_was_not_sent_is_called_again_even_if_it_could_not_be_put_back_at_once() {
    let (mut world, ..) = leased().await;
    world.kill();
    // The next process knows that nothing was sent, but dies before it can write that down.
    world.database_is_there = false;
    world.start().await;
    world.kill();
    world.database_is_there = true;
    world.start().await;
    world.pass_ms(100).await;
    assert!(world.abandoned.is_empty());
    assert_eq!(world.called(), ["09121234567"]);
    world.audit().await;
}

#[tokio::test]
async fn a_recorder_that_is_ahead_of_the_database_vouches_for_nothing() {
    // The database is a copy from before: this recorder has served epochs that it does not know.
    let mut later = World::new(config(10, 50)).await;
    for _ in 0..3 {
        later.kill();
        later.start().await;
    }
    let (mut world, ..) = leased().await;
    world.kill();
    world.file = later.file.clone();
    world.start().await;
    assert_eq!(world.abandoned.len(), 1, "it may have been dialled");
}

#[tokio::test]
async fn a_torn_slot_makes_every_call_without_a_record_count_as_dialled() {
    let mut killed = dialled().await;
    let other = killed.world.submit(&killed.customer, "09127654321").await;
    {
        let mut bytes = killed.world.file.bytes.lock().unwrap();
        let second_half = SLOT_BYTES + SLOT_BYTES / 2..2 * SLOT_BYTES;
        bytes[second_half].fill(0xa5);
    }
    killed.restart().await;
    assert_eq!(killed.world.abandoned.len(), 2);
    killed.world.pass_s(ANSWERED_S).await;
    killed.check_never_called_again().await;
    assert_eq!(killed.end().await, (Disposition::NetworkFailure, 0));
    let end = killed.world.ended(&killed.customer, other).await;
    assert_eq!(end.disposition, Disposition::NetworkFailure);
}

#[tokio::test]
async fn the_number_stays_excluded_until_the_old_call_is_cleared() {
    let mut killed = dialled().await;
    let again = killed.world.submit(&killed.customer, "09121234567").await;
    killed.world.run().await;
    killed.restart().await;
    killed.world.pass_ms(4_000).await;
    assert!(killed.world.started.is_empty());
    // Nobody was there, or there was no room to try: that frees nobody, and it is tried again.
    killed.world.tell(Event::Abandoned { call: killed.call, word: LastWord::Silent });
    killed.world.pass_ms(4_900).await;
    assert_eq!(killed.world.abandoned, [killed.call]);
    killed.world.pass_ms(200).await;
    assert_eq!(killed.world.abandoned, [killed.call; 2]);
    assert!(killed.world.started.is_empty());
    killed.world.tell(Event::Abandoned { call: killed.call, word: LastWord::Unknown });
    killed.world.pass_ms(1_500).await;
    assert_eq!(killed.world.called(), ["09121234567"]);
    assert!(matches!(killed.world.state(&killed.customer, again).await, State::Attempt { .. }));
}

#[tokio::test]
async fn without_news_of_the_old_call_the_number_is_free_when_it_cannot_be_up() {
    for answered in [false, true] {
        let mut killed = dialled().await;
        if answered {
            killed.world.tell(Event::Answered { call: killed.call, dialog: dialog() });
        }
        killed.restart().await;
        let long_s = if answered { ANSWERED_S } else { UNANSWERED_S };
        for _ in 0..long_s / 40 {
            killed.world.pass_s(40).await;
            // Its far end does not answer, however often it is asked.
            killed.world.tell(Event::Abandoned { call: killed.call, word: LastWord::Silent });
        }
        assert!(killed.world.abandoned.len() > 4, "{answered}");
        let again = killed.world.submit(&killed.customer, "09121234567").await;
        killed.world.run().await;
        assert!(matches!(killed.world.state(&killed.customer, again).await, State::Ready { .. }));
        killed.world.pass_s(40).await;
        assert_eq!(killed.world.called(), ["09121234567"], "{answered}");
        killed.end().await;
    }
}

/// Goal: a process that listens elsewhere cannot cancel what an earlier one dialled, and is told of
/// nothing where it asks: the number is not free before the call cannot be up.
#[tokio::test]
async fn who_listens_elsewhere_takes_nobodys_word() {
    let mut killed = dialled().await;
    killed.world.config.sip_port = 5070;
    // Nor does the one after it, although it listens where that one did.
    for _ in 0..2 {
        killed.restart().await;
        killed.world.tell(Event::Abandoned { call: killed.call, word: LastWord::Unknown });
        killed.world.pass_s(UNANSWERED_S).await;
        assert!(killed.world.node.as_ref().unwrap().stats().calls == 1);
    }
    killed.world.pass_s(ANSWERED_S).await;
    killed.check_never_called_again().await;
    assert_eq!(killed.end().await, (Disposition::NetworkFailure, 0));
}

/// Goal: who calls the sandbox carrier, which died with the process, waits for nobody.
#[tokio::test]
async fn a_call_of_the_sandbox_is_over_when_its_process_is() {
    let mut config = config(10, 50);
    config.trunks[0].sandbox = true;
    let mut killed = dialled_in(World::new(config).await).await;
    killed.world.tell(Event::Answered { call: killed.call, dialog: dialog() });
    killed.restart().await;
    killed.world.tell(Event::Abandoned { call: killed.call, word: LastWord::Silent });
    killed.check_never_called_again().await;
    killed.end().await;
}

/// Goal: of a trunk with several servers nobody knows which one got the call: its number is free
/// when none of them has it.
#[tokio::test]
async fn a_call_is_ended_at_each_server_that_may_have_it() {
    let mut config = config(10, 50);
    let servers = ["192.0.2.1:5060", "192.0.2.2:5060", "192.0.2.3:5060"];
    config.trunks[0].servers =
        servers.map(|server| Located::at(Hop::udp(server.parse().unwrap()))).to_vec();
    let mut killed = dialled_in(World::new(config).await).await;
    killed.restart().await;
    let mut asked = BTreeSet::new();
    for n in 1..=3 {
        assert_eq!(killed.world.abandoned.len(), n);
        let Some(Target::Address { address, .. }) = killed.world.abandoned_at.last() else {
            panic!()
        };
        asked.insert(*address);
        killed.world.pass_ms(2_000).await;
        assert!(matches!(
            killed.world.state(&killed.customer, killed.send).await,
            State::Attempt { .. }
        ));
        killed.world.tell(Event::Abandoned { call: killed.call, word: LastWord::Unknown });
        killed.world.run().await;
    }
    assert_eq!(asked.len(), 3);
    assert_eq!(killed.end().await, (Disposition::NetworkFailure, 0));
    killed.check_never_called_again().await;
}

/// Goal: who knew the call and has ended it is believed even if nothing is on record; who knows of
/// no such call is not.
#[tokio::test]
async fn a_far_end_that_knew_the_call_is_believed_without_a_record() {
    for (word, is_over) in [
        (LastWord::Unanswered, true),
        (LastWord::HungUp, true),
        (LastWord::Unknown, false),
        (LastWord::Silent, false),
    ] {
        let (mut world, customer, send) = leased().await;
        world.kill();
        world.boot = "boot-2";
        world.start().await;
        world.tell(Event::Abandoned { call: world.abandoned[0], word });
        world.pass_s(UNANSWERED_S).await;
        let state = world.state(&customer, send).await;
        assert_eq!(matches!(state, State::Ended(_)), is_over, "{word:?}: {state:?}");
        world.audit().await;
    }
}

/// Goal: of a call of two legs only the one that hung up is over; if the first was never answered,
/// the second was never rung.
#[tokio::test]
async fn a_second_leg_is_not_over_with_the_first() {
    for (word, is_over) in [(LastWord::Unanswered, true), (LastWord::HungUp, false)] {
        let mut world = World::new(config(10, 50)).await;
        let customer = crate::secure_calls::customer(&world).await;
        let send = crate::secure_calls::join(&world, &customer, "09121234567").await;
        world.run().await;
        assert_eq!(world.started.len(), 1);
        world.kill();
        world.boot = "boot-2";
        world.file = MemoryFile::default();
        world.start().await;
        world.tell(Event::Abandoned { call: world.abandoned[0], word });
        world.pass_s(UNANSWERED_S).await;
        let state = world.state(&customer, send).await;
        assert_eq!(matches!(state, State::Ended(_)), is_over, "{word:?}: {state:?}");
    }
}

/// Goal: a first server that is dead keeps the second one neither from its CANCEL nor from ending
/// the call; the dead one is asked again only in the next round.
#[tokio::test]
async fn a_dead_server_keeps_no_other_from_its_cancel() {
    let mut config = config(10, 50);
    let servers = ["192.0.2.1:5060", "192.0.2.2:5060"];
    config.trunks[0].servers =
        servers.map(|server| Located::at(Hop::udp(server.parse().unwrap()))).to_vec();
    let mut killed = dialled_in(World::new(config).await).await;
    killed.restart().await;
    let silent = Event::Abandoned { call: killed.call, word: LastWord::Silent };
    killed.world.tell(silent.clone());
    killed.world.run().await;
    assert_eq!(killed.world.abandoned.len(), 2, "the second is asked at once");
    assert_ne!(killed.world.abandoned_at[0], killed.world.abandoned_at[1]);
    // It does not know the call; only the first one may have it.
    killed.world.tell(Event::Abandoned { call: killed.call, word: LastWord::Unknown });
    killed.world.pass_ms(4_900).await;
    assert_eq!(killed.world.abandoned.len(), 2);
    killed.world.pass_ms(200).await;
    assert_eq!(killed.world.abandoned_at[2], killed.world.abandoned_at[0]);
    killed.world.tell(silent);
    killed.world.pass_ms(5_100).await;
    assert_eq!(killed.world.abandoned_at[3], killed.world.abandoned_at[0]);
    assert!(matches!(
        killed.world.state(&killed.customer, killed.send).await,
        State::Attempt { .. }
    ));
    killed.world.tell(Event::Abandoned { call: killed.call, word: LastWord::Unanswered });
    killed.world.run().await;
    killed.check_never_called_again().await;
    killed.end().await;
}

/// Goal: a process that dies again and again keeps no number longer than one that lives.
#[tokio::test]
async fn no_restart_puts_the_end_of_the_hold_off() {
    let mut killed = dialled().await;
    killed.restart().await;
    for _ in 0..UNANSWERED_S / 50 {
        killed.world.pass_s(50).await;
        let state = killed.world.state(&killed.customer, killed.send).await;
        assert!(matches!(state, State::Attempt { .. }));
        killed.restart().await;
    }
    killed.world.pass_s(UNANSWERED_S % 50).await;
    assert_eq!(killed.end().await, (Disposition::NetworkFailure, 0));
    killed.check_never_called_again().await;
}

/// Goal: a trunk that was removed meanwhile keeps nobody from hanging up by the dialog.
#[tokio::test]
async fn a_call_of_a_trunk_that_is_gone_is_hung_up_by_its_dialog() {
    let mut killed = dialled().await;
    killed.world.tell(Event::Answered { call: killed.call, dialog: dialog() });
    killed.world.config.trunks.clear();
    killed.restart().await;
    assert_eq!(killed.world.abandoned, [killed.call]);
    killed.world.tell(Event::Abandoned { call: killed.call, word: LastWord::HungUp });
    killed.check_never_called_again().await;
    killed.end().await;
}

/// Goal: a call ends when its far end says so, and not when the next process began to ask; that
/// changes nothing of what it costs.
#[tokio::test]
async fn a_recovered_call_ends_when_its_end_is_confirmed() {
    let mut killed = dialled().await;
    killed.world.tell(Event::Answered { call: killed.call, dialog: dialog() });
    killed.world.tell(Event::Progress { call: killed.call, heard_ms: 6_000 });
    killed.restart().await;
    killed.world.pass_s(100).await;
    let confirmed_at = killed.world.now.wall;
    killed.world.tell(Event::Abandoned { call: killed.call, word: LastWord::HungUp });
    killed.world.pass_s(5).await;
    let end = killed.world.ended(&killed.customer, killed.send).await;
    assert_eq!(end.ended_at, confirmed_at);
    assert_eq!((end.facts.heard_ms, end.charge.0), (6_000, 450));
}

/// Goal: a process with any other number of shards finds every call, ends it in the shard that has
/// it now, and frees its record there.
#[tokio::test]
async fn records_are_found_however_many_shards_there_are() {
    use node::{Gate, Node, Recorder, shard_of};
    for shards in 1..=4 {
        let mut killed = dialled().await;
        for n in 0..7 {
            killed.world.submit(&killed.customer, &format!("0912123457{n}")).await;
            killed.world.pass_ms(100).await;
        }
        let calls: Vec<_> = killed.world.started.iter().map(|spec| spec.call).collect();
        assert_eq!(calls.len(), 8);
        killed.world.kill();
        let mut recorder = Recorder::open_file(killed.world.file.clone(), "boot-1", 8).unwrap();
        let gate = Gate::new(&killed.world.config, Box::new(|| {}));
        let app = killed.world.app.clone();
        let config = node::NodeConfig { shards, ..killed.world.config.clone() };
        let mut node =
            Node::start(killed.world.now, app, gate, config, &mut recorder).await.unwrap();
        let steps = node.step(killed.world.now);
        let mut abandoned = Vec::new();
        for (shard, command) in steps.commands {
            let engine::Command::Abandon(call) = command else { panic!("{command:?}") };
            assert_eq!(shard, shard_of(call.call, shards));
            abandoned.push(call.call);
        }
        abandoned.sort_unstable();
        assert_eq!(abandoned, calls);
        // Each shard has its own records, and room for its share of calls beside them.
        let mut parts = recorder.split(shards, 8);
        for call in calls {
            let part = &mut parts[shard_of(call, shards)];
            let before = part.len();
            part.release(call);
            assert_eq!(part.len(), before - 1);
        }
        for (part, key) in parts.iter_mut().zip([1_u64, 100, 200, 300]) {
            assert!((key..key + 8).all(|key| part.open(engine::CallKey(key), 0).is_ok()));
            assert!(part.open(engine::CallKey(key + 8), 0).is_err());
        }
        // What they wrote, they wrote to places of their own.
        let whole = Recorder::open_file(killed.world.file.clone(), "boot-1", 8).unwrap();
        assert_eq!(whole.len(), 8 * shards);
    }
}

/// What a customer was told is never taken back by a restart.
#[tokio::test]
async fn a_restart_takes_no_status_back() {
    for (status, n) in [(Status::Ringing, 0), (Status::Ringing, 1), (Status::Answered, 2)] {
        let mut killed = dialled().await;
        let call = killed.call;
        let answered = Event::Answered { call, dialog: dialog() };
        let events = [Event::Ringing { call }, Event::EarlyMedia { call }, answered];
        killed.world.tell(events[n].clone());
        assert_eq!(killed.world.status(&killed.customer, killed.send).await, status);
        killed.restart().await;
        assert_eq!(killed.world.status(&killed.customer, killed.send).await, status);
        killed.world.tell(Event::Abandoned { call: killed.call, word: LastWord::Unknown });
        killed.check_never_called_again().await;
        assert!(killed.world.app.live().is_empty());
    }
}

#[tokio::test]
async fn a_call_that_ended_before_the_kill_is_shown_as_far_as_it_came_until_it_is_settled() {
    let mut killed = dialled().await;
    killed.world.tell(ended(killed.call, heard_out()));
    killed.world.kill();
    killed.world.database_is_there = false;
    killed.world.start().await;
    let status = killed.world.status(&killed.customer, killed.send).await;
    assert_eq!(status, Status::Answered);
    killed.world.database_is_there = true;
    killed.world.pass_ms(1_000).await;
    let status = killed.world.status(&killed.customer, killed.send).await;
    assert_eq!(status, Status::Ended(Disposition::Delivered));
}

#[tokio::test]
async fn a_send_that_goes_back_to_the_queue_is_still_being_called_for_its_customer() {
    let (mut world, customer, send) = leased().await;
    assert_eq!(world.status(&customer, send).await, Status::Calling);
    let now = world.now;
    world.node.as_mut().unwrap().drain(now);
    world.run().await;
    assert!(matches!(world.state(&customer, send).await, State::Ready { .. }));
    assert_eq!(world.status(&customer, send).await, Status::Calling);
}
