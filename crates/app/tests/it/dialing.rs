//! A node's verbs: what a call costs in the end, and that it costs it once.

use app::dialing::{
    self, CallRecord, EXPIRED, EndedCall, Meaning, NodeStamp, ReadyJob, SettleResult, Untried,
};
use app::quick_send::{self, NewSend, Step};
use app::{Caller, Settings};
use domain::calendar::calling_window::CallingWindow;
use domain::{AttemptId, CallFacts, Disposition, MessageClass, QuickSendId, Rials, Status};

use crate::calls::{ended, lease};
use crate::world::{NOON, World};

/// A world with a send of seven seconds that was leased.
async fn leased(world: &World) -> (Caller, NodeStamp, ReadyJob, AttemptId) {
    let (caller, _) = world.customer(1000).await;
    let message = world.message(&caller, 7000).await;
    let send = NewSend {
        message: message.id,
        number: String::from("09121234567"),
        vote: true,
        record_ms: None,
        server: None,
        reference: None,
        class: MessageClass::Service,
        follow_up: None,
    };
    quick_send::submit(&world.app, &caller, send).await.unwrap();
    let (job, _) = world.dialer.next().await;
    let stamp = dialing::take_node(&world.app, "a", NOON.plus_ms(60_000)).await.unwrap();
    let attempt = lease(world, stamp, &job, job.accepted_at).await.attempt().unwrap();
    (caller, stamp, job, attempt)
}

fn answered(job: &ReadyJob, attempt: AttemptId, heard_ms: u32) -> EndedCall {
    let at = |ms| Some(NOON.plus_ms(ms));
    let facts = CallFacts {
        answered: true,
        heard_to_end: heard_ms >= job.clip_ms,
        unanswered: None,
        sip_code: Some(200),
        q850: None,
    };
    let record = CallRecord {
        cause: String::from("played"),
        sip_code: Some(200),
        q850: None,
        heard_ms,
        vote: Some(5),
        keys: String::from("5"),
        invite_at: at(1),
        ringing_at: at(2),
        answered_at: at(3),
        first_audio_at: at(4),
        quality: None,
    };
    let ladder = dialing::Ladder {
        server: Some(String::from("192.0.2.1:5060")),
        began_at: NOON,
        rungs: vec![1],
    };
    let call = ended(job, attempt, Meaning::Call(facts), NOON.plus_ms(8000));
    EndedCall { record, ladder: Some(ladder), ..call }
}

#[tokio::test]
async fn a_delivered_message_costs_its_pulses_once() {
    let world = World::new().await;
    let (caller, _, job, attempt) = leased(&world).await;
    let call = answered(&job, attempt, job.clip_ms);
    let settled = dialing::settle(&world.app, vec![call.clone(), call.clone()]).await.unwrap();
    assert_eq!(settled, [SettleResult::Settled, SettleResult::AlreadySettled]);
    let settled = dialing::settle(&world.app, vec![call]).await.unwrap();
    assert_eq!(settled, [SettleResult::AlreadySettled]);
    let account = world.refreshed(&caller).await.account;
    assert_eq!((account.balance, account.reserved), (Rials(550), Rials::ZERO));
    let progress = quick_send::find(&world.app, &caller, job.quick_send).await.unwrap().unwrap();
    assert_eq!(progress.status, Status::Ended(Disposition::Delivered));
    assert_eq!((progress.vote, progress.charge), (Some(5), Rials(450)));
    let story = quick_send::story(&world.app, job.quick_send).await.unwrap().unwrap();
    let steps: Vec<Step> = story.steps.iter().map(|(_, step)| *step).collect();
    assert_eq!(
        steps,
        [
            Step::Accepted,
            Step::Leased,
            Step::Invited,
            Step::Ringing,
            Step::Answered,
            Step::FirstAudio,
            Step::Ended
        ]
    );
}

#[tokio::test]
async fn what_was_not_heard_is_given_back() {
    let world = World::new().await;
    let (caller, _, job, attempt) = leased(&world).await;
    dialing::settle(&world.app, vec![answered(&job, attempt, 2000)]).await.unwrap();
    let account = world.refreshed(&caller).await.account;
    assert_eq!((account.balance, account.reserved), (Rials(775), Rials::ZERO));
    let progress = quick_send::find(&world.app, &caller, job.quick_send).await.unwrap().unwrap();
    assert_eq!(progress.status, Status::Ended(Disposition::HeardInPart));
}

#[tokio::test]
async fn a_call_never_costs_more_than_it_held() {
    let world = World::new().await;
    let (caller, _, job, attempt) = leased(&world).await;
    dialing::settle(&world.app, vec![answered(&job, attempt, u32::MAX)]).await.unwrap();
    assert_eq!(world.refreshed(&caller).await.account.balance, Rials(550));
}

#[tokio::test]
async fn an_unanswered_call_costs_nothing() {
    let world = World::new().await;
    let (caller, _, job, attempt) = leased(&world).await;
    let call = EndedCall {
        meaning: Meaning::Decided(Disposition::Busy),
        record: CallRecord { cause: String::from("busy"), ..CallRecord::default() },
        ..answered(&job, attempt, 0)
    };
    dialing::settle(&world.app, vec![call]).await.unwrap();
    let account = world.refreshed(&caller).await.account;
    assert_eq!((account.balance, account.reserved), (Rials(1000), Rials::ZERO));
}

#[tokio::test]
async fn a_send_is_leased_once_and_comes_back_only_if_nothing_was_sent() {
    let world = World::new().await;
    let (_, stamp, job, attempt) = leased(&world).await;
    assert_eq!(lease(&world, stamp, &job, job.accepted_at).await.attempt(), None);
    let renew = async || dialing::renew(&world.app, stamp, NOON.plus_ms(70_000)).await.unwrap();
    assert!(renew().await.is_some());
    let next = dialing::take_node(&world.app, "a", NOON.plus_ms(60_000)).await.unwrap();
    assert_eq!(renew().await, None);
    let open = dialing::open_attempts(&world.app, next).await.unwrap();
    assert_eq!(open.iter().map(|open| open.attempt).collect::<Vec<_>>(), [attempt]);
    let back = dialing::PutBack {
        attempt,
        ended_at: NOON,
        due_at: NOON,
        failure: dialing::Failed::default(),
        ladder: None,
    };
    let closed = dialing::put_back(&world.app, vec![back]).await.unwrap();
    assert_eq!(closed, [true]);
    let again = lease(&world, next, &job, job.accepted_at).await.attempt().unwrap();
    assert_eq!((again.quick_send, again.n), (attempt.quick_send, attempt.n + 1));
    assert_eq!(
        lease(&world, stamp, &job, job.accepted_at).await.attempt(),
        None,
        "the old epoch leases nothing"
    );
}

#[tokio::test]
async fn a_send_that_waited_too_long_ends_without_a_charge() {
    let world = World::new().await;
    let (caller, _) = world.customer(1000).await;
    let message = world.message(&caller, 4000).await;
    let send = NewSend {
        message: message.id,
        number: String::from("09121234567"),
        vote: false,
        record_ms: None,
        server: None,
        reference: None,
        class: MessageClass::Service,
        follow_up: None,
    };
    let accepted = quick_send::submit(&world.app, &caller, send).await.unwrap();
    let (job, _) = world.dialer.next().await;
    let sends = || [accepted.id, QuickSendId(99)].map(|id| Untried::of(id, EXPIRED)).to_vec();
    let early = dialing::expire(&world.app, sends(), NOON).await.unwrap();
    assert_eq!(early, [false, false]);
    let late = dialing::expire(&world.app, sends(), job.expires_at).await.unwrap();
    assert_eq!(late, [true, false]);
    let account = world.refreshed(&caller).await.account;
    assert_eq!((account.balance, account.reserved), (Rials(1000), Rials::ZERO));
    let progress = quick_send::find(&world.app, &caller, accepted.id).await.unwrap().unwrap();
    assert_eq!(progress.status, Status::Ended(Disposition::Expired));
}

#[tokio::test]
async fn the_window_is_asked_again_before_dialling() {
    let window = CallingWindow::parse("08:00-12:01").unwrap();
    let world = World::with(Settings { window, ..Settings::default() }).await;
    assert!(dialing::window_open(&world.app, NOON));
    assert!(!dialing::window_open(&world.app, NOON.plus_ms(60_000)));
}

#[tokio::test]
async fn audio_that_is_gone_is_a_failure_with_its_name() {
    let world = World::new().await;
    let gone = dialing::clip(&world.app, "message/none.wav").await.unwrap_err();
    assert!(gone.to_string().contains("message/none.wav"));
}
