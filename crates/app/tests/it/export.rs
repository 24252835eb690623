//! Exports as customers meet them: written by whoever is free, whole after a kill, gone in time.

use app::dialing::{self, CallRecord, EndedCall, Meaning};
use app::export::{self, ExportRefusal, Of, PART_BYTES, Sink, What, parts};
use app::quick_send::{self, NewSend};
use app::{Caller, Failure, campaign};
use domain::calendar::date_time::Period;
use domain::export::{State, Style};
use domain::{CampaignId, Disposition, QuickSendId, Rials, Timestamp};

use crate::calls::{ended, lease};
use crate::campaign::new_campaign;
use crate::engines::on_both_engines;
use crate::quick_send::new_send;
use crate::refusal;
use crate::world::World;

const STYLE: Style = Style { bom: true, jalali: true };

fn days() -> Period {
    Period::parse("1405/08/01", "1405/12/01").unwrap()
}

/// A world whose customer's statement has this many lines beside the first.
async fn world(lines: u32) -> (World, Caller) {
    let world = World::new().await;
    let (caller, _) = world.customer(100_000).await;
    for n in 0..lines {
        let (account, note) = (caller.account.id, format!("=SUM({n})"));
        app::account::credit(&world.app, account, Rials(10), None, note).await.unwrap();
    }
    world.clock.advance_ms(1);
    (world, caller)
}

/// The whole file of an export.
async fn file(world: &World, export: &export::Export) -> String {
    let mut bytes = Vec::new();
    for n in 0..parts(export) {
        bytes.extend(export::part(&world.app, export, n).await.unwrap());
    }
    assert_eq!(bytes.len() as u64, export.bytes);
    String::from_utf8(bytes).unwrap()
}

/// Goal: what was asked for is written in the form that was asked for, and sums up to the balance.
#[tokio::test]
async fn a_statement_is_written() {
    let (world, caller) = world(3).await;
    let (app, account) = (&world.app, caller.account.id);
    let asked = export::create(app, account, Of::Statement(days()), STYLE).await.unwrap();
    assert_eq!(asked.state, State::Waiting);
    assert!(export::write_next(app).await.unwrap());
    assert!(!export::write_next(app).await.unwrap(), "there is no other");
    let ready = export::find(app, account, asked.id).await.unwrap().unwrap();
    assert_eq!((ready.state, ready.rows), (State::Ready, 4));
    let text = file(&world, &ready).await;
    let lines: Vec<&str> = text.split("\r\n").collect();
    assert_eq!(lines[0], "\u{feff}at,rials,kind,message_id,note");
    assert_eq!(lines[2], "1405/09/01 12:00:00,10,credit,,\"'=SUM(0)\"");
    let rials = lines[1..5].iter().map(|line| line.split(',').nth(1).unwrap());
    let sum: i64 = rials.map(|rials| rials.parse::<i64>().unwrap()).sum();
    assert_eq!(sum, world.refreshed(&caller).await.account.balance.0);
    let (stranger, _) = world.customer(0).await;
    assert_eq!(export::find(app, stranger.account.id, asked.id).await.unwrap(), None);
    let refused = export::create(app, account, Of::CampaignNumbers(CampaignId(9)), STYLE).await;
    assert_eq!(refusal(refused), ExportRefusal::NoCampaign);
    for _ in 0..5 {
        export::create(app, account, Of::Messages(days()), STYLE).await.unwrap();
    }
    let refused = export::create(app, account, Of::Messages(days()), STYLE).await;
    assert_eq!(refusal(refused), ExportRefusal::TooMany);
}

/// Goal: whoever is killed in the middle of a file leaves it to another, who writes it whole.
#[tokio::test]
async fn a_file_is_whole_after_a_kill() {
    let (world, caller) = world(2).await;
    let (app, account) = (&world.app, caller.account.id);
    let asked = export::create(app, account, Of::Statement(days()), STYLE).await.unwrap();
    // Somebody took it, wrote a part and died.
    let mut tx = world.db.begin().await.unwrap();
    let until = app.now().plus_ms(30_000);
    store::export::claim(&mut tx, &asked, until).await.unwrap().unwrap();
    tx.commit().await.unwrap();
    let half = format!("export/{}-1/0", asked.id);
    app::ports::Blobs::put(&*world.blobs, &half, vec![1; 10]).await.unwrap();
    assert!(!export::write_next(app).await.unwrap(), "it may live");
    world.clock.advance_ms(30_001);
    assert!(export::write_next(app).await.unwrap());
    let ready = export::find(app, account, asked.id).await.unwrap().unwrap();
    assert_eq!((ready.state, ready.tries, ready.rows), (State::Ready, 2, 3));
    assert!(file(&world, &ready).await.ends_with("\r\n"));
    assert_eq!(app::ports::Blobs::get(&*world.blobs, &half).await.unwrap(), None, "it is removed");

    export::look_after(app).await.unwrap();
    assert_eq!(export::find(app, account, asked.id).await.unwrap().unwrap().state, State::Ready);
    world.clock.advance_ms(domain::export::KEPT_MS + 1);
    export::look_after(app).await.unwrap();
    let over = export::find(app, account, asked.id).await.unwrap().unwrap();
    assert_eq!((over.state, over.blob), (State::Expired, None));
    let left = app::ports::Blobs::get(&*world.blobs, &format!("export/{}-2/0", asked.id)).await;
    assert_eq!(left.unwrap(), None);
    world.clock.advance_ms(domain::export::KNOWN_MS);
    export::look_after(app).await.unwrap();
    assert_eq!(export::find(app, account, asked.id).await.unwrap(), None);
}

/// Goal: one that can never be written is given up.
#[tokio::test]
async fn what_kills_everybody_is_given_up() {
    let (world, caller) = world(0).await;
    let (app, account) = (&world.app, caller.account.id);
    let asked = export::create(app, account, Of::Statement(days()), STYLE).await.unwrap();
    let mut seen = asked.clone();
    for _ in 0..domain::export::TRIES_MAX {
        let mut tx = world.db.begin().await.unwrap();
        let until = app.now().plus_ms(30_000);
        seen = store::export::claim(&mut tx, &seen, until).await.unwrap().unwrap();
        tx.commit().await.unwrap();
        world.clock.advance_ms(30_001);
    }
    assert!(export::write_next(app).await.unwrap());
    let given_up = export::find(app, account, asked.id).await.unwrap().unwrap();
    assert_eq!(given_up.state, State::Failed);
    assert!(!export::write_next(app).await.unwrap());
}

/// Keeps parts.
#[derive(Default)]
struct Kept(Vec<Vec<u8>>);

impl Sink for Kept {
    async fn take(&mut self, part: Vec<u8>) -> Result<(), Failure> {
        self.0.push(part);
        Ok(())
    }
}

/// Goal: a long file comes in parts of one size, cut wherever, and whole when put together.
#[tokio::test]
async fn a_long_file_comes_in_parts() {
    let world = World::new().await;
    let (caller, _) = world.customer(0).await;
    let (app, account) = (&world.app, caller.account.id);
    let note = "سلام ".repeat(2_000);
    for n in 0..100 {
        let note = format!("{n}{note}");
        app::account::credit(app, account, Rials(1), None, note).await.unwrap();
    }
    world.clock.advance_ms(1);
    let what = export::what(app, account, Of::Statement(days())).await.unwrap();
    assert!(matches!(what, What::Statement(_, to) if to == app.now()));
    let mut kept = Kept::default();
    let (rows, bytes) = export::write(app, account, (what, STYLE), &mut kept).await.unwrap();
    let (last, full) = kept.0.split_last().unwrap();
    assert!(!full.is_empty() && full.iter().all(|part| part.len() == PART_BYTES));
    assert!(last.len() <= PART_BYTES);
    let text = String::from_utf8(kept.0.concat()).unwrap();
    assert_eq!((rows, bytes), (100, text.len() as u64));
    assert_eq!(text.lines().count(), 101);
}

/// Goal: the files tell what a callee pressed and whether he was recorded, as a message does.
async fn keys_and_recordings_are_told(world: &World) {
    let app = &world.app;
    let (caller, _) = world.customer_like(100_000, |new| new.records_callees = true).await;
    let message = world.message(&caller, 4_000).await.id;
    let node = dialing::take_node(app, "a", app.now().plus_ms(86_400_000)).await.unwrap();
    for (number, record_ms) in [("09121234560", Some(5_000)), ("09121234561", Some(5_000))] {
        let new = NewSend { record_ms, vote: true, ..new_send(message, number) };
        quick_send::submit(app, &caller, new).await.unwrap();
    }
    let mut new = new_campaign(message);
    new.numbers = Some(String::from("09121234562").into());
    new.plan.record_ms = Some(5_000);
    let campaign = campaign::create(app, &caller, new).await.unwrap().id;
    let fed = campaign::feed(app, app.now()).await.unwrap();
    let from = (Timestamp(i64::MIN), QuickSendId(0));
    let jobs = dialing::load_ready(app, from, 10).await.unwrap();
    for (job, how) in jobs.iter().zip(["heard", "busy", "heard"]) {
        let attempt = lease(world, node, job, app.now()).await.attempt().unwrap();
        let mut record = CallRecord::default();
        let mut meaning = Meaning::Decided(Disposition::Busy);
        if how == "heard" {
            assert!(app::recording::begin(app, attempt, "a").await.unwrap());
            app::recording::keep(app, attempt, vec![0; 10], 2_500).await.unwrap();
            meaning = Meaning::Decided(Disposition::Delivered);
            record.keys = String::from("03#");
            record.answered_at = Some(app.now());
        }
        let call = ended(job, attempt, meaning, app.now());
        dialing::settle(app, vec![EndedCall { record, ..call }]).await.unwrap();
    }
    world.clock.advance_ms(1);
    let plain = Style { bom: false, jalali: false };
    let lines = async |of| {
        let (mut kept, account) = (Kept::default(), caller.account.id);
        let what = export::what(app, account, of).await.unwrap();
        export::write(app, account, (what, plain), &mut kept).await.unwrap();
        let text = String::from_utf8(kept.0.concat()).unwrap();
        text.lines().map(str::to_owned).collect::<Vec<_>>()
    };
    let sent = lines(Of::Messages(days())).await;
    assert!(sent[0].ends_with(",campaign_id,keys,recording,recording_seconds"), "{}", sent[0]);
    assert!(sent[1].ends_with(",,03#,ready,2.500"), "{}", sent[1]);
    assert!(sent[2].ends_with(",,,none,"), "{}", sent[2]);
    let numbers = lines(Of::CampaignNumbers(campaign)).await;
    assert!(numbers[0].ends_with(",message_id,keys,recording,recording_seconds"), "{}", numbers[0]);
    let id = fed[0].quick_send;
    assert!(numbers[1].ends_with(&format!(",{id},03#,ready,2.500")), "{}", numbers[1]);
}

on_both_engines![keys_and_recordings_are_told];
