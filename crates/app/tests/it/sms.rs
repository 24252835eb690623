//! Follow-ups by SMS: taken with a price, sent with patience, kept from whom the rules keep them.

use std::sync::atomic::Ordering;
use std::time::Duration;

use app::bulk::{self, Content, NewBulk};
use app::campaign::{self, NewCampaign, WrittenPlan};
use app::dialing::{self, NodeStamp};
use app::ports::SmsFailure;
use app::sms::{self, FollowUpRefusal, SmsRefusal, State, WrittenFollowUp};
use app::{App, Caller, opt_out};
use domain::{Disposition, MessageClass, MessageId, PhoneNumber, Rials, Tariff, TariffId};

use crate::calls::call_all;
use crate::refusal;
use crate::world::{NOON, World};

const NUMBER: &str = "09121234567";
/// A call of four seconds, and a part of an SMS.
const CALL: i64 = 225;
const PART: i64 = 900;

fn written() -> WrittenFollowUp {
    WrittenFollowUp {
        text: String::from("تماس گرفتیم"), after: vec![String::from("heard")]
    }
}

/// A customer with a message, and a price for SMS.
struct Stage {
    world: World,
    caller: Caller,
    message: MessageId,
    node: NodeStamp,
}

impl Stage {
    async fn new(rials: i64) -> Self {
        let world = World::new().await;
        let (caller, _) = world.customer(rials).await;
        let message = world.message(&caller, 4_000).await.id;
        let until = NOON.plus_ms(9_000_000_000);
        let node = dialing::take_node(&world.app, "a", until).await.unwrap();
        Self { world, caller, message, node }
    }

    async fn priced(rials: i64) -> Self {
        let stage = Self::new(rials).await;
        let app = &stage.world.app;
        let before = app::tariff::in_force(app).await.unwrap();
        let priced = Tariff { id: TariffId(0), sms_part: Some(Rials(PART)), ..before };
        app::tariff::add(app, priced, None).await.unwrap();
        // Prices are looked for anew after some seconds.
        stage.world.clock.advance_ms(60_000);
        stage
    }

    fn app(&self) -> &App {
        &self.world.app
    }

    fn bulk(&self, follow_up: Option<i64>) -> NewBulk {
        NewBulk {
            content: Content::Message(self.message),
            numbers: vec![String::from(NUMBER)],
            vote: false,
            record_ms: None,
            server: None,
            class: MessageClass::Service,
            follow_up,
            max_cost: None,
            request: None,
        }
    }

    /// Calls everybody in line; each hears everything.
    async fn call(&self) {
        call_all(&self.world, self.node, |_| Disposition::Delivered).await;
    }

    /// A call that was heard and is followed.
    async fn followed(&self) {
        let follow_up = sms::keep(self.app(), &self.caller, &written()).await.unwrap();
        let sent = bulk::send(self.app(), &self.caller, &self.bulk(Some(follow_up))).await.unwrap();
        assert!(sent[0].is_ok(), "{sent:?}");
        self.call().await;
    }

    async fn only(&self) -> sms::Sms {
        let mut all = sms::page(self.app(), &self.caller, None, 9).await.unwrap();
        assert_eq!(all.len(), 1);
        all.remove(0)
    }

    async fn funds(&self) -> (i64, i64) {
        let account = self.world.refreshed(&self.caller).await.account;
        (account.balance.0, account.reserved.0)
    }
}

/// Goal: without a price nothing is taken, never for nothing.
#[tokio::test]
async fn without_a_price_no_sms_is_taken() {
    let stage = Stage::new(10_000).await;
    let kept = sms::keep(stage.app(), &stage.caller, &written()).await;
    assert_eq!(refusal(kept), SmsRefusal::NoPrice);
    let stage = Stage::priced(10_000).await;
    let empty = WrittenFollowUp { text: String::new(), ..written() };
    let why = refusal(sms::keep(stage.app(), &stage.caller, &empty).await);
    assert_eq!(why, SmsRefusal::Written(FollowUpRefusal::Text));
    let nobody = WrittenFollowUp { after: vec![String::from("opted_out")], ..written() };
    let why = refusal(sms::keep(stage.app(), &stage.caller, &nobody).await);
    assert_eq!(why, SmsRefusal::Written(FollowUpRefusal::After));
}

/// Goal: after a call that was heard an SMS is sent, once, and charged.
#[tokio::test]
async fn a_call_is_followed_by_an_sms() {
    let stage = Stage::priced(10_000).await;
    stage.followed().await;
    assert_eq!(stage.only().await.state, State::Due);
    assert!(!sms::send_due(stage.app()).await.unwrap());
    assert!(!sms::send_due(stage.app()).await.unwrap());
    let sent = stage.only().await;
    let letters = stage.world.sms.taken.lock().unwrap().clone();
    assert_eq!(
        letters,
        [(domain::sms::name(sent.id, sent.created_at), String::from(NUMBER), written().text)]
    );
    assert_eq!((sent.state, sent.tries, sent.charge), (State::Sent, 1, Rials(PART)));
    assert_eq!(sent.provider_id, Some(format!("L{}", letters[0].0)));
    assert_eq!(stage.funds().await, (10_000 - CALL - PART, 0));
    let (stranger, _) = stage.world.customer(0).await;
    assert!(sms::find(stage.app(), &stranger, sent.id).await.unwrap().is_none());
}

/// Goal: what a service fails is tried again for hours under the same name, what it refuses for
/// good is not, and neither costs anything.
#[tokio::test]
async fn a_failure_is_tried_again_and_a_refusal_is_not() {
    let stage = Stage::priced(10_000).await;
    stage.followed().await;
    let failure = |for_good| SmsFailure { why: String::from("418 credit"), for_good };
    *stage.world.sms.failing.lock().unwrap() = vec![failure(false)];
    sms::send_due(stage.app()).await.unwrap();
    let waiting = stage.only().await;
    assert_eq!((waiting.state, waiting.tries), (State::Due, 1));
    assert_eq!(waiting.problem.as_deref(), Some("418 credit"));
    assert_eq!(stage.funds().await, (10_000 - CALL, PART), "its price stays reserved");
    sms::send_due(stage.app()).await.unwrap();
    assert_eq!(stage.only().await.tries, 1, "not at once");
    stage.world.clock.advance_ms(61_000);
    sms::send_due(stage.app()).await.unwrap();
    let sent = stage.only().await;
    assert_eq!((sent.state, sent.tries, sent.problem), (State::Sent, 2, None));
    assert_eq!(*stage.world.sms.again.lock().unwrap(), [false, true], "the service is told so");

    let stage = Stage::priced(10_000).await;
    stage.followed().await;
    *stage.world.sms.failing.lock().unwrap() = vec![failure(true)];
    sms::send_due(stage.app()).await.unwrap();
    let failed = stage.only().await;
    assert_eq!((failed.state, failed.tries, failed.charge), (State::Failed, 1, Rials(0)));
    assert_eq!(stage.funds().await, (10_000 - CALL, 0));

    let stage = Stage::priced(10_000).await;
    stage.followed().await;
    for _ in 0..4 {
        stage.world.sms.failing.lock().unwrap().push(failure(false));
        sms::send_due(stage.app()).await.unwrap();
        stage.world.clock.advance_ms(3_600_000);
    }
    assert_eq!(stage.only().await.state, State::Due, "it is tried for hours");
    stage.world.clock.advance_ms(8 * 3_600_000);
    sms::send_due(stage.app()).await.unwrap();
    let late = stage.only().await;
    assert_eq!((late.state, late.problem.as_deref()), (State::Failed, Some("unanswered")));
    assert!(stage.world.sms.taken.lock().unwrap().is_empty());
    assert_eq!(stage.funds().await, (10_000 - CALL, 0));

    let stage = Stage::priced(10_000).await;
    stage.followed().await;
    stage.world.clock.advance_ms(24 * 3_600_000);
    sms::send_due(stage.app()).await.unwrap();
    let late = stage.only().await;
    assert_eq!((late.state, late.problem.as_deref()), (State::Failed, Some("expired")));
}

/// Goal: an SMS whose try was cut off by a kill is tried again in minutes, as one that the service
/// may have.
#[tokio::test]
async fn a_try_that_was_cut_off_is_tried_again() {
    let stage = Stage::priced(10_000).await;
    stage.followed().await;
    stage.world.sms.hangs.store(true, Ordering::Relaxed);
    let cut_off = tokio::time::timeout(Duration::from_millis(200), sms::send_due(stage.app()));
    assert!(cut_off.await.is_err(), "it waits for the service");
    stage.world.sms.hangs.store(false, Ordering::Relaxed);
    let open = stage.only().await;
    assert_eq!((open.state, open.tries), (State::Due, 1), "the try is on disk");
    sms::send_due(stage.app()).await.unwrap();
    assert_eq!(stage.only().await.tries, 1, "it may still be with whoever had it");
    stage.world.clock.advance_ms(5 * 60_000 + 1);
    sms::send_due(stage.app()).await.unwrap();
    assert_eq!(stage.only().await.state, State::Sent);
    assert_eq!(*stage.world.sms.again.lock().unwrap(), [false, true]);
    assert_eq!(stage.funds().await, (10_000 - CALL - PART, 0), "and paid once");
}

/// Goal: an SMS waits for the hours of its class.
#[tokio::test]
async fn an_sms_waits_for_the_hours_of_its_class() {
    let stage = Stage::priced(10_000).await;
    stage.followed().await;
    // NOON and eleven hours: service messages end at 23:00.
    stage.world.clock.advance_ms(11 * 3_600_000);
    sms::send_due(stage.app()).await.unwrap();
    let waiting = stage.only().await;
    assert_eq!((waiting.state, waiting.tries), (State::Due, 0));
    let morning = waiting.due_at.us_since(NOON) / 3_600_000_000;
    assert_eq!(morning, 19, "until seven o'clock");
    assert!(stage.world.sms.taken.lock().unwrap().is_empty());
    stage.world.clock.advance_ms(8 * 3_600_000);
    sms::send_due(stage.app()).await.unwrap();
    assert_eq!(stage.only().await.state, State::Sent);
}

/// Goal: who opted out is not written to, and who cannot pay does not write.
#[tokio::test]
async fn lists_and_balances_hold_for_sms() {
    let stage = Stage::priced(10_000).await;
    stage.followed().await;
    let of = opt_out::list_of(stage.caller.account.id);
    let number = PhoneNumber::parse(NUMBER).unwrap();
    opt_out::add(stage.app(), of, &[number], "test").await.unwrap();
    sms::send_due(stage.app()).await.unwrap();
    let barred = stage.only().await;
    assert_eq!((barred.state, barred.problem.as_deref()), (State::Failed, Some("opted_out")));
    assert!(stage.world.sms.taken.lock().unwrap().is_empty());

    let stage = Stage::priced(CALL + PART - 1).await;
    stage.followed().await;
    sms::send_due(stage.app()).await.unwrap();
    let unpaid = stage.only().await;
    assert_eq!(
        (unpaid.state, unpaid.problem.as_deref()),
        (State::Failed, Some("insufficient_credit"))
    );
    assert_eq!(stage.funds().await, (PART - 1, 0));
}

/// Goal: what a sandbox writes reaches nobody, and costs play money.
#[tokio::test]
async fn a_sandbox_writes_to_nobody() {
    let stage = Stage::priced(10_000).await;
    let (caller, _) = stage.world.sandbox(&stage.caller).await;
    let message = stage.world.message(&caller, 4_000).await.id;
    let stage = Stage { caller, message, ..stage };
    stage.followed().await;
    sms::send_due(stage.app()).await.unwrap();
    let sent = stage.only().await;
    assert_eq!((sent.state, sent.provider.as_deref()), (State::Sent, Some("sandbox")));
    assert_eq!(sent.charge, Rials(PART));
    assert!(stage.world.sms.taken.lock().unwrap().is_empty());
}

/// Goal: a campaign names what is written; a redial writes the same.
#[tokio::test]
async fn a_campaign_is_followed() {
    let stage = Stage::priced(100_000).await;
    let plan = WrittenPlan {
        title: String::from("t"),
        start: String::from("2026-11-22 08:00:00"),
        end: String::from("2026-11-24 20:00:00"),
        max_tries: 1,
        minutes_between_tries: 10,
        vote: false,
        record_ms: None,
        server: None,
        priority: 0,
        max_cost: None,
        class: MessageClass::Service,
        opt_out_key: None,
    };
    let new = NewCampaign {
        message: stage.message.into(),
        numbers: Some(String::from(NUMBER).into()),
        sms: Some(written()),
        plan,
        auto_start: true,
        request: None,
    };
    let foretold = campaign::estimate(stage.app(), &stage.caller, new.clone()).await.unwrap();
    assert_eq!(foretold.sms_price, Some(Rials(PART)));
    let made = campaign::create(stage.app(), &stage.caller, new).await.unwrap();
    campaign::feed(stage.app(), stage.app().now()).await.unwrap();
    stage.call().await;
    sms::send_due(stage.app()).await.unwrap();
    let sent = stage.only().await;
    assert_eq!(sent.recipient.map(|one| one.campaign), Some(made.id));
    let account = stage.caller.account.id;
    let kept = sms::of_campaign(stage.app(), account, made.id).await.unwrap().unwrap();
    let counts = sms::counts(stage.app(), &kept).await.unwrap();
    assert_eq!((kept.text, counts), (written().text, vec![(State::Sent, 1)]));
}
