//! Quick sends: what is taken, what it holds, what is refused, and that asking twice sends once.

use std::future::Future;
use std::pin::pin;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll, Waker};

use app::phone::NewPhone;
use app::ports::Speaker;
use app::quick_send::{self, NewSend, NewTextSend, Step, TextRefusal};
use app::{Caller, Error, RepeatLimit, Settings, dialing};
use domain::calendar::calling_window::CallingWindow;
use domain::quick_send::Refusal;
use domain::{MessageClass, MessageId, QuickSendId, Rials, Status};

use crate::refusal;
use crate::world::{NOON, World};

const TEXT: &str = "سلام این پیام آزمایشی برای شما است دوستم";

pub fn new_send(message: MessageId, number: &str) -> NewSend {
    NewSend {
        message,
        number: number.to_owned(),
        vote: false,
        record_ms: None,
        server: None,
        reference: None,
        class: MessageClass::Service,
        follow_up: None,
    }
}

pub fn new_text(number: &str) -> NewTextSend {
    NewTextSend {
        text: TEXT.to_owned(),
        speaker: Speaker::Male,
        call_from_mobile: None,
        number: number.to_owned(),
        vote: false,
        record_ms: None,
        server: None,
        reference: None,
        class: MessageClass::Service,
        follow_up: None,
    }
}

#[tokio::test]
async fn a_send_holds_its_price_and_waits_for_the_dialer() {
    let world = World::new().await;
    let (caller, _) = world.customer(1000).await;
    let message = world.message(&caller, 7000).await;
    let send = new_send(message.id, "۰۹۱۲ ۱۲۳ ۴۵۶۷");
    let accepted = quick_send::submit(&world.app, &caller, send).await.unwrap();
    assert_eq!((accepted.hold.seconds, accepted.hold.pulses), (7, 2));
    assert_eq!((accepted.hold.price, accepted.message), (Rials(450), message.id));
    let (job, leased) = world.dialer.next().await;
    assert_eq!((job.quick_send, leased), (accepted.id, false));
    assert_eq!(job.destination.as_str(), "09121234567");
    assert_eq!(dialing::load_ready(&world.app, (NOON, QuickSendId(0)), 10).await.unwrap(), [job]);
    let account = world.refreshed(&caller).await.account;
    assert_eq!((account.balance, account.available()), (Rials(1000), Rials(550)));
    let progress = quick_send::find(&world.app, &caller, accepted.id).await.unwrap().unwrap();
    assert_eq!((progress.status, progress.charge), (Status::Queued, Rials::ZERO));
    let story = quick_send::story(&world.app, accepted.id).await.unwrap().unwrap();
    assert_eq!(story.steps, [(NOON, Step::Accepted)]);
    assert_eq!(quick_send::story(&world.app, QuickSendId(99)).await.unwrap(), None);
    let (other, _) = world.customer(0).await;
    assert_eq!(quick_send::find(&world.app, &other, accepted.id).await.unwrap(), None);
}

#[tokio::test]
async fn a_send_with_room_is_leased_while_it_is_accepted() {
    let world = World::new().await;
    let (caller, _) = world.customer(1000).await;
    let message = world.message(&caller, 4000).await;
    let stamp = dialing::take_node(&world.app, "a", NOON.plus_ms(60_000)).await.unwrap();
    *world.dialer.room.lock().unwrap() = Some(stamp);
    let send = new_send(message.id, "09121234567");
    let accepted = quick_send::submit(&world.app, &caller, send).await.unwrap();
    let (_, leased) = world.dialer.next().await;
    assert!(leased);
    let status =
        async || quick_send::find(&world.app, &caller, accepted.id).await.unwrap().unwrap().status;
    assert_eq!(status().await, Status::Calling);
    world.app.live().set(accepted.id, Status::Answered);
    world.app.live().set(accepted.id, Status::Ringing);
    assert_eq!(status().await, Status::Answered, "a late event never goes back");
    let story = quick_send::story(&world.app, accepted.id).await.unwrap().unwrap();
    assert_eq!(story.steps, [(NOON, Step::Accepted), (NOON, Step::Leased)]);
}

#[tokio::test]
async fn a_stale_node_does_not_get_the_lease() {
    let world = World::new().await;
    let (caller, _) = world.customer(1000).await;
    let message = world.message(&caller, 4000).await;
    let old = dialing::take_node(&world.app, "a", NOON.plus_ms(60_000)).await.unwrap();
    dialing::take_node(&world.app, "a", NOON.plus_ms(60_000)).await.unwrap();
    *world.dialer.room.lock().unwrap() = Some(old);
    let send = new_send(message.id, "09121234567");
    quick_send::submit(&world.app, &caller, send).await.unwrap();
    let (job, leased) = world.dialer.next().await;
    assert!(!leased);
    assert_eq!(dialing::load_ready(&world.app, (NOON, QuickSendId(0)), 10).await.unwrap(), [job]);
}

#[tokio::test]
async fn the_dialer_is_told_even_if_the_client_hangs_up() {
    let world = World::new().await;
    // Enough for every send that becomes durable although its client has gone.
    let (caller, _) = world.customer(100_000_000).await;
    let message = world.message(&caller, 4000).await;
    // Poll after poll: at each await the client may be gone. Whatever is durable must be told.
    for polls in 1.. {
        let send = new_send(message.id, "09121234567");
        let mut submitting = pin!(quick_send::submit(&world.app, &caller, send));
        let mut context = Context::from_waker(Waker::noop());
        let mut done = false;
        for _ in 0..polls {
            if let Poll::Ready(accepted) = submitting.as_mut().poll(&mut context) {
                accepted.unwrap();
                done = true;
                break;
            }
            tokio::task::yield_now().await;
        }
        if done || polls > 10_000 {
            assert!(done, "it never ends");
            break;
        }
    }
    let waiting = dialing::load_ready(&world.app, (NOON, QuickSendId(0)), 20_000).await.unwrap();
    for _ in &waiting {
        world.dialer.next().await;
    }
    assert!(world.dialer.told.lock().unwrap().is_empty());
}

#[tokio::test]
async fn what_cannot_be_sent_has_its_reason() {
    let world = World::new().await;
    let (caller, _) = world.customer(400).await;
    let (other, _) = world.customer(400).await;
    let message = world.message(&caller, 4000).await.id;
    let long = world.message(&caller, 9000).await.id;
    let foreign = world.message(&other, 4000).await.id;
    let recorded = NewSend { record_ms: Some(30_000), ..new_send(message, "09121234567") };
    let cases = [
        (Refusal::WrongNumber, new_send(message, "")),
        (Refusal::WrongNumber, new_send(message, "0912123456x")),
        (Refusal::WrongNumber, new_send(message, "05131234567")),
        (Refusal::WrongNumber, new_send(message, "100")),
        (Refusal::WrongMessage, new_send(MessageId(0), "09121234567")),
        (Refusal::WrongMessage, new_send(foreign, "09121234567")),
        (Refusal::InsufficientCredit, new_send(long, "09121234567")),
        (Refusal::RecordingNotPermitted, recorded),
    ];
    for (expected, send) in cases {
        let accepted = quick_send::submit(&world.app, &caller, send.clone()).await;
        assert_eq!(refusal(accepted), expected, "{send:?}");
    }
    let (waiting, _) = world.customer_like(400, |new| new.approves_own_messages = false).await;
    let unheard = world.message(&waiting, 4000).await.id;
    let accepted = quick_send::submit(&world.app, &waiting, new_send(unheard, "09121234567")).await;
    assert_eq!(refusal(accepted), Refusal::WrongMessage);
    assert!(world.dialer.told.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_balance_that_changed_meanwhile_is_judged_by_the_store() {
    let world = World::new().await;
    let (caller, _) = world.customer(400).await;
    let message = world.message(&caller, 4000).await.id;
    quick_send::submit(&world.app, &caller, new_send(message, "09121234567")).await.unwrap();
    // The caller still shows the balance from before the first send.
    let second = quick_send::submit(&world.app, &caller, new_send(message, "09121234567")).await;
    assert_eq!(refusal(second), Refusal::InsufficientCredit);
}

#[tokio::test]
async fn the_operator_can_close_the_shop() {
    let off = Settings { quick_send_enabled: false, ..Settings::default() };
    let night =
        Settings { window: CallingWindow::parse("22:00-23:00").unwrap(), ..Settings::default() };
    for (settings, expected) in [(off, Refusal::Disabled), (night, Refusal::TimeNotAllowed)] {
        let world = World::with(settings).await;
        let (caller, _) = world.customer(1000).await;
        let message = world.message(&caller, 4000).await.id;
        let send = new_send(message, "09121234567");
        let accepted = quick_send::submit(&world.app, &caller, send).await;
        assert_eq!(refusal(accepted), expected);
        let accepted = quick_send::submit_text(&world.app, &caller, new_text("09121234567")).await;
        assert_eq!(refusal(accepted), TextRefusal::from(expected));
        assert_eq!(world.voice.spoken.load(Ordering::SeqCst), 0);
    }
}

#[tokio::test]
async fn the_same_reference_sends_once() {
    let world = World::new().await;
    let (caller, _) = world.customer(10_000).await;
    let (other, _) = world.customer(10_000).await;
    let message = world.message(&caller, 4000).await.id;
    let reference = Some(String::from("order-7"));
    let send = NewSend { reference: reference.clone(), ..new_send(message, "09121234567") };
    let first = quick_send::submit(&world.app, &caller, send.clone()).await.unwrap();
    let again = quick_send::submit(&world.app, &caller, send.clone()).await.unwrap();
    assert_eq!((first.id, first.hold), (again.id, again.hold));
    assert_eq!((first.repeated, again.repeated), (false, true));
    let text = NewTextSend { reference: reference.clone(), ..new_text("09121234567") };
    let third = quick_send::submit_text(&world.app, &caller, text.clone()).await.unwrap();
    assert_eq!(third.id, first.id);
    assert_eq!(world.voice.spoken.load(Ordering::SeqCst), 0, "nothing was spoken for it");
    let theirs = quick_send::submit_text(&world.app, &other, text).await.unwrap();
    assert_ne!(theirs.id, first.id, "references are the customer's own");

    let long = Some("x".repeat(100_000));
    let send = NewSend { reference: long, ..send };
    let first = quick_send::submit(&world.app, &caller, send.clone()).await.unwrap();
    let again = quick_send::submit(&world.app, &caller, send).await.unwrap();
    assert_eq!(first.id, again.id);
    assert_eq!(world.dialer.told.lock().unwrap().len(), 3);
}

#[tokio::test]
async fn two_at_once_with_one_reference_are_one_send() {
    let world = World::new().await;
    let (caller, _) = world.customer(10_000).await;
    let message = world.message(&caller, 4000).await.id;
    let reference = Some(String::from("order-8"));
    let send = NewSend { reference, ..new_send(message, "09121234567") };
    let (one, two) = tokio::join!(
        quick_send::submit(&world.app, &caller, send.clone()),
        quick_send::submit(&world.app, &caller, send),
    );
    assert_eq!(one.unwrap().id, two.unwrap().id);
    assert_eq!(world.dialer.told.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn a_text_is_spoken_charged_and_sent() {
    let world = World::new().await;
    let (caller, _) = world.customer(1000).await;
    let sent = quick_send::submit_text(&world.app, &caller, new_text("02112345678")).await.unwrap();
    let account = world.refreshed(&caller).await.account;
    let speech = i64::from(sent.clip_ms.div_ceil(1000)) * 10;
    assert_eq!(account.balance, Rials(1000 - speech));
    assert_eq!(account.reserved, sent.hold.price);
    let (job, _) = world.dialer.next().await;
    assert_eq!((job.message, job.clip_ms), (sent.message, sent.clip_ms));
    let clip = dialing::clip(&world.app, &job.blob).await.unwrap();
    assert_eq!(clip.len() as u64 / 8, u64::from(sent.clip_ms));
}

#[tokio::test]
async fn a_text_that_cannot_be_sent_has_its_reason_and_costs_nothing() {
    let world = World::new().await;
    let (caller, _) = world.customer(500).await;
    let texts = |text: &str| NewTextSend { text: text.to_owned(), ..new_text("09121234567") };
    let cases = [
        (TextRefusal::EmptyText, texts("")),
        (TextRefusal::TextTooLong, texts(&"س ".repeat(501))),
        (TextRefusal::NotSpoken, texts("...")),
        (TextRefusal::NotSpoken, texts("این متن سکوت است و شنیده نمی‌شود")),
        (TextRefusal::TooShort, texts("سلام")),
        (TextRefusal::WrongNumber, new_text("12")),
        (
            TextRefusal::WrongMobile,
            NewTextSend { call_from_mobile: Some(String::from("1")), ..new_text("09121234567") },
        ),
        (
            TextRefusal::RecordingNotPermitted,
            NewTextSend { record_ms: Some(30_000), ..new_text("09121234567") },
        ),
        // Six seconds: 60 for the speech and 450 for the call.
        (TextRefusal::InsufficientCredit, new_text("09121234567")),
    ];
    for (expected, send) in cases {
        let accepted = quick_send::submit_text(&world.app, &caller, send.clone()).await;
        assert_eq!(refusal(accepted), expected, "{send:?}");
    }
    let failed = quick_send::submit_text(&world.app, &caller, texts("این موتور خراب است")).await;
    assert!(matches!(failed, Err(Error::Failed(_))));
    let account = world.refreshed(&caller).await.account;
    assert_eq!((account.balance, account.reserved), (Rials(500), Rials::ZERO));

    let (demo, _) = world.customer_like(5000, |new| new.approves_own_messages = false).await;
    let accepted = quick_send::submit_text(&world.app, &demo, new_text("09121234567")).await;
    assert_eq!(refusal(accepted), TextRefusal::MustBeApproved);
}

#[tokio::test]
async fn one_number_is_not_sent_to_too_often() {
    let repeats = Some(RepeatLimit { count: 2, interval_ms: 60_000 });
    let world = World::with(Settings { repeats, ..Settings::default() }).await;
    let (caller, _) = world.customer(100_000).await;
    let send = async |number| quick_send::submit_text(&world.app, &caller, new_text(number)).await;
    send("09121234567").await.unwrap();
    world.clock.advance_ms(30_000);
    send("+989121234567").await.unwrap();
    assert_eq!(refusal(send("09121234567").await), TextRefusal::RepeatedTooOften);
    send("09121234568").await.unwrap();
    world.clock.advance_ms(30_001);
    send("09121234567").await.unwrap();
}

#[tokio::test]
async fn a_registered_phone_can_be_called_by_its_short_number() {
    let world = World::new().await;
    let (caller, _) = world.customer(1000).await;
    let (other, _) = world.customer(1000).await;
    let message = world.message(&caller, 4000).await.id;
    let phone = NewPhone {
        account: caller.account.id,
        extension: String::from("100"),
        fixed_contact: Some(String::from("sip:me@192.0.2.1")),
    };
    app::phone::add(&world.app, phone).await.unwrap();
    quick_send::submit(&world.app, &caller, new_send(message, "100")).await.unwrap();
    let theirs = world.message(&other, 4000).await.id;
    let accepted = quick_send::submit(&world.app, &other, new_send(theirs, "100")).await;
    assert_eq!(refusal(accepted), Refusal::WrongNumber, "a phone is its owner's");
}

/// What an account was charged for speech, and how many messages and sends it has.
async fn spoken_and_sent(world: &World, caller: &Caller) -> (usize, usize, usize) {
    let mut reads = world.db.read().await.unwrap();
    let account = caller.account.id;
    let (from, to) = (NOON.plus_ms(-1), NOON.plus_ms(1));
    let lines = store::entry::statement(&mut reads, account, from, to, 20_000).await.unwrap();
    let speeches = lines.iter().filter(|line| line.kind == "speech").count();
    let messages = store::message::list(&mut reads, account, None, 20_000).await.unwrap().len();
    let sends = dialing::load_ready(&world.app, (NOON, QuickSendId(0)), 20_000).await.unwrap();
    (speeches, messages, sends.len())
}

/// Many texts at once on an account that covers two of them: nobody pays for speech that is not
/// sent.
#[tokio::test]
async fn speech_is_charged_only_together_with_its_send() {
    let world = World::new().await;
    // Six seconds: 60 for the speech and 450 for the call.
    let (caller, _) = world.customer(2 * 510 + 60).await;
    let sending: Vec<_> = (0..8)
        .map(|n| {
            let (app, caller) = (world.app.clone(), caller.clone());
            let new = new_text(&format!("0912123456{n}"));
            tokio::spawn(async move { quick_send::submit_text(&app, &caller, new).await })
        })
        .collect();
    let mut sent = 0;
    for task in sending {
        match task.await.unwrap() {
            Ok(_) => sent += 1,
            refused => assert_eq!(refusal(refused), TextRefusal::InsufficientCredit),
        }
    }
    assert_eq!(sent, 2);
    assert_eq!(spoken_and_sent(&world, &caller).await, (2, 2, 2));
    let account = world.refreshed(&caller).await.account;
    assert_eq!((account.balance, account.reserved), (Rials(960), Rials(900)));
}

/// The database goes away at the last moment before a send is accepted, as in a kill: what is
/// found afterwards is a send that is paid for, or nothing.
#[tokio::test]
async fn a_send_that_is_cut_off_leaves_no_charge_for_its_speech() {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite:{}", folder.path().join("avanak.db").display());
    let world = World::at(&url, Settings::default()).await;
    let (caller, _) = world.customer(10_000).await;
    *world.dialer.last_moment.lock().unwrap() = Some(world.db.clone());
    let sent = quick_send::submit_text(&world.app, &caller, new_text("09121234567")).await;
    assert!(matches!(sent, Err(Error::Failed(_))), "{sent:?}");
    world.books_are_away();

    let after = World::at(&url, Settings::default()).await;
    assert_eq!(spoken_and_sent(&after, &caller).await, (0, 0, 0));
    let account = after.refreshed(&caller).await.account;
    assert_eq!((account.balance, account.reserved), (Rials(10_000), Rials::ZERO));
}

/// A client that asks again with its own reference pays once, whether it waited for the first
/// answer or not.
#[tokio::test]
async fn a_repeated_text_is_paid_once() {
    let world = World::new().await;
    let (caller, _) = world.customer(10_000).await;
    let reference = Some(String::from("order-9"));
    let mobile = Some(String::from("09121234567"));
    let new = NewTextSend { reference, call_from_mobile: mobile, ..new_text("09121234567") };
    let (one, two) = tokio::join!(
        quick_send::submit_text(&world.app, &caller, new.clone()),
        quick_send::submit_text(&world.app, &caller, new.clone()),
    );
    let three = quick_send::submit_text(&world.app, &caller, new).await.unwrap();
    let (one, two) = (one.unwrap(), two.unwrap());
    assert_eq!((one.id, one.message), (two.id, two.message));
    assert_eq!((one.id, one.message), (three.id, three.message));
    assert_eq!(spoken_and_sent(&world, &caller).await, (1, 1, 1));
    assert_eq!(world.dialer.told.lock().unwrap().len(), 1);
    let files = world.blobs.files.lock().unwrap();
    let own = files.keys().filter(|name| name.starts_with("message/")).count();
    assert_eq!(own, 1, "the audio of the second is gone: {:?}", files.keys());
}
