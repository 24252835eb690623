//! Campaigns as their customers and nodes meet them. Every test ends with an audit of the books,
//! which compares the counts of campaigns with their rows.

use app::account::NewAccount;
use app::bulk::{self, Content, NewBulk};
use app::campaign::{
    Added, CreateRefusal, List, ListRefusal, NewCampaign, NewRedial, Played, RehearsalRefusal,
    Start, StartPlan, StartRefusal, WrittenPlan,
};
use app::dialing::NodeStamp;
use app::ports::Speaker;
use app::quick_send::TextRefusal;
use app::request::RequestKey;
use app::{Caller, Settings, campaign, dialing, judge};
use domain::calendar::calling_window::CallingWindow;
use domain::campaign::{PauseReason, RecipientStatus, State};
use domain::judge::Violation;
use domain::{CampaignId, Disposition, MessageClass, MessageId, Rials, Status, Timestamp};
use sha2::{Digest, Sha256};

use crate::calls::call_all;
use crate::refusal;
use crate::world::{NOON, World};

/// A four-second message to a mobile holds one pulse.
const HOLD: i64 = 225;

fn plan() -> WrittenPlan {
    WrittenPlan {
        title: String::from("یادآوری"),
        start: String::from("2026-11-22 08:00:00"),
        end: String::from("2026-11-24 20:00:00"),
        max_tries: 2,
        minutes_between_tries: 10,
        vote: true,
        record_ms: None,
        server: None,
        priority: 0,
        max_cost: None,
        class: MessageClass::Service,
        opt_out_key: None,
        calls_per_minute: None,
    }
}

fn list(count: usize) -> String {
    (0..count).map(|n| format!("0912{n:07}")).collect::<Vec<_>>().join(",")
}

/// A campaign of one number.
pub fn new_campaign(message: MessageId) -> NewCampaign {
    NewCampaign {
        message: message.into(),
        numbers: Some(list(1).into()),
        sms: None,
        plan: plan(),
        auto_start: true,
        request: None,
    }
}

/// A world with a customer, a message and a node.
struct Stage {
    world: World,
    caller: Caller,
    message: MessageId,
    node: NodeStamp,
}

impl Stage {
    async fn new(rials: i64) -> Self {
        Self::with(rials, Settings::default()).await
    }

    async fn with(rials: i64, settings: Settings) -> Self {
        let world = World::with(settings).await;
        let (caller, _) = world.customer(rials).await;
        let message = world.message(&caller, 4000).await.id;
        let until = NOON.plus_ms(9_000_000_000);
        let node = dialing::take_node(&world.app, "a", until).await.unwrap();
        Self { world, caller, message, node }
    }

    fn new_campaign(&self, numbers: String) -> NewCampaign {
        NewCampaign { numbers: Some(numbers.into()), ..new_campaign(self.message) }
    }

    /// What sending the message to so many numbers would come to.
    async fn dry_run(&self, count: usize) -> bulk::Estimate {
        let new = NewBulk {
            content: Content::Message(self.message),
            numbers: (0..count).map(|place| format!("0912123{place:04}")).collect(),
            vote: false,
            record_ms: None,
            server: None,
            class: MessageClass::Service,
            follow_up: None,
            max_cost: None,
            request: None,
        };
        let caller = self.world.refreshed(&self.caller).await;
        bulk::estimate(&self.world.app, &caller, &new).await.unwrap()
    }

    async fn create(&self, new: NewCampaign) -> CampaignId {
        let caller = self.world.refreshed(&self.caller).await;
        campaign::create(&self.world.app, &caller, new).await.unwrap().id
    }

    async fn refused(&self, new: NewCampaign) -> CreateRefusal {
        let caller = self.world.refreshed(&self.caller).await;
        refusal(campaign::create(&self.world.app, &caller, new).await)
    }

    async fn progress(&self, id: CampaignId) -> campaign::Progress {
        let account = self.caller.account.id;
        campaign::find(&self.world.app, account, id).await.unwrap().unwrap()
    }

    async fn state(&self, id: CampaignId) -> State {
        self.progress(id).await.campaign.state
    }

    /// One look of a node after its campaigns; how many stepped into the line.
    async fn feed(&self) -> usize {
        campaign::feed(&self.world.app, self.world.app.now()).await.unwrap().len()
    }

    /// Calls everybody in line; each call ends as `end` says of its place.
    async fn call(&self, end: impl Fn(usize) -> Disposition) -> usize {
        call_all(&self.world, self.node, end).await
    }

    async fn results(&self, id: CampaignId) -> Vec<(Disposition, u32)> {
        self.progress(id).await.results.into_iter().collect()
    }

    async fn funds(&self) -> (i64, i64) {
        let account = self.world.refreshed(&self.caller).await.account;
        (account.balance.0, account.reserved.0)
    }
}

/// From the list to its end: everybody is called, tried again where it is worth it, counted, paid.
#[tokio::test]
async fn a_campaign_starts_and_ends() {
    let stage = Stage::new(100_000).await;
    let id = stage.create(stage.new_campaign(list(6) + ",x,09120000000")).await;
    assert_eq!(stage.funds().await, (100_000, 0), "nothing is held for who is not in line");
    assert_eq!(stage.feed().await, 6);
    assert_eq!(stage.funds().await, (100_000, 6 * HOLD));
    assert_eq!(stage.feed().await, 0, "each once");
    let ends = [Disposition::Delivered, Disposition::Busy, Disposition::Rejected];
    stage.call(|place| ends[place % 3]).await;
    assert_eq!(stage.feed().await, 0, "the busy ones wait");
    assert_eq!(stage.state(id).await, State::Running);
    stage.world.clock.advance_ms(600_000);
    assert_eq!(stage.feed().await, 2);
    stage.call(|_| Disposition::NoAnswer).await;
    stage.feed().await;
    assert_eq!(stage.state(id).await, State::Finished);
    let expected =
        [(Disposition::Delivered, 2), (Disposition::NoAnswer, 2), (Disposition::Rejected, 2)];
    assert_eq!(stage.results(id).await, expected);
    assert_eq!(stage.funds().await, (100_000 - 2 * HOLD, 0));
    let progress = stage.progress(id).await;
    assert_eq!((progress.campaign.charged, progress.waiting()), (Rials(2 * HOLD), 0));
    let account = stage.caller.account.id;
    let seen = campaign::recipients(&stage.world.app, account, id, 0, 9).await.unwrap().unwrap();
    let seen: Vec<_> = seen.iter().map(|one| (one.stored.tries, one.status.code())).collect();
    assert_eq!(seen, [(1, 10), (2, 20), (1, 22), (1, 10), (2, 20), (1, 22)]);
}

/// Nobody is called outside of the hours; who stood in line when they ended is called in the next.
#[tokio::test]
async fn hours_are_kept_and_the_last_day_ends_it() {
    const HOUR_MS: i64 = 3_600_000;
    let stage = Stage::new(100_000).await;
    let mut new = stage.new_campaign(list(3));
    new.plan.start = String::from("2026-11-23 09:00:00");
    new.plan.end = String::from("2026-11-24 10:00:00");
    let id = stage.create(new).await;
    assert_eq!(stage.feed().await, 0, "it starts tomorrow");
    stage.world.clock.advance_ms(21 * HOUR_MS);
    assert_eq!(stage.feed().await, 3);
    stage.world.clock.advance_ms(HOUR_MS);
    let ready = dialing::load_ready(&stage.world.app, (NOON, domain::QuickSendId(0)), 9).await;
    let untried = |job: &dialing::ReadyJob| dialing::Untried::of(job.quick_send, dialing::EXPIRED);
    let late = ready.unwrap().iter().map(untried).collect();
    let expired = dialing::expire(&stage.world.app, late, stage.world.app.now()).await.unwrap();
    assert_eq!(expired, [true; 3]);
    assert_eq!((stage.feed().await, stage.funds().await), (0, (100_000, 0)));
    stage.world.clock.advance_ms(23 * HOUR_MS);
    assert_eq!(stage.feed().await, 3, "the next morning");
    stage.call(|place| [Disposition::Delivered, Disposition::Busy, Disposition::Busy][place]).await;
    stage.world.clock.advance_ms(HOUR_MS);
    stage.feed().await;
    stage.feed().await;
    assert_eq!(stage.state(id).await, State::Finished);
    assert_eq!(stage.results(id).await, [(Disposition::Delivered, 1), (Disposition::Busy, 2)]);
}

/// The operator's hours bind campaigns, too.
#[tokio::test]
async fn the_operators_hours_are_kept() {
    let window = CallingWindow::parse("13:00-14:00").unwrap();
    let stage = Stage::with(100_000, Settings { window, ..Settings::default() }).await;
    stage.create(stage.new_campaign(list(1))).await;
    assert_eq!(stage.feed().await, 0);
    stage.world.clock.advance_ms(3_600_000);
    assert_eq!(stage.feed().await, 1);
}

#[tokio::test]
async fn each_verb_does_what_it_says() {
    let stage = Stage::new(100_000).await;
    let (app, account) = (&stage.world.app, stage.caller.account.id);
    let id = stage.create(stage.new_campaign(list(4))).await;
    assert_eq!(stage.feed().await, 4);
    assert!(campaign::pause(app, account, id).await.unwrap());
    assert!(!campaign::pause(app, account, id).await.unwrap());
    assert_eq!(stage.funds().await, (100_000, 0), "the line is empty, the holds are back");
    assert_eq!(stage.feed().await, 0);
    assert_eq!(stage.state(id).await, State::Paused(PauseReason::Asked));
    stage.world.clock.advance_ms(1);
    assert!(campaign::resume(app, account, id).await.unwrap());
    assert_eq!(stage.feed().await, 4);
    stage.call(|_| Disposition::Busy).await;
    assert!(campaign::stop(app, account, id).await.unwrap());
    assert_eq!(stage.state(id).await, State::Stopped);
    let again = StartPlan {
        title: Some(String::from("دوباره")),
        start: String::from("2026-11-22 08:00:00"),
        end: String::from("2026-11-25 20:00:00"),
        max_tries: 3,
        minutes_between_tries: 5,
        server: None,
        max_cost: None,
    };
    stage.world.clock.advance_ms(600_000);
    campaign::start(app, account, id, Start::Under(again.clone())).await.unwrap();
    assert_eq!(stage.feed().await, 4);
    stage.call(|_| Disposition::Busy).await;
    let campaign = stage.progress(id).await.campaign;
    assert_eq!((campaign.plan.title.as_str(), campaign.retrying), ("دوباره", 4));
    assert!(campaign::cancel(app, account, id).await.unwrap());
    stage.feed().await;
    assert_eq!(stage.results(id).await, [(Disposition::Busy, 4)]);
    for refused in [
        campaign::stop(app, account, id).await.unwrap(),
        campaign::resume(app, account, id).await.unwrap(),
        campaign::cancel(app, account, id).await.unwrap(),
        campaign::stop(app, account, CampaignId(99)).await.unwrap(),
    ] {
        assert!(!refused);
    }
    let refused = refusal(campaign::start(app, account, id, Start::Under(again)).await);
    assert_eq!(refused, StartRefusal::CannotStart);
}

#[tokio::test]
async fn what_cannot_be_made_has_its_reason() {
    let stage = Stage::new(450).await;
    let good = || stage.new_campaign(list(2));
    let with = |change: fn(&mut WrittenPlan)| {
        let mut new = good();
        change(&mut new.plan);
        new
    };
    let cases = [
        (CreateRefusal::WrongMessage, NewCampaign { message: MessageId(99).into(), ..good() }),
        (CreateRefusal::TriesNotAllowed, with(|plan| plan.max_tries = 0)),
        (CreateRefusal::RecordingNotPermitted, with(|plan| plan.record_ms = Some(1_000))),
        (
            CreateRefusal::EndsBeforeItStarts,
            with(|plan| plan.end = String::from("2026-11-21 21:00")),
        ),
        (
            CreateRefusal::HoursEndBeforeTheyStart,
            with(|plan| plan.end = String::from("2026-11-24 08:00")),
        ),
        (CreateRefusal::Invalid, with(|plan| plan.start = String::from("tomorrow"))),
        (CreateRefusal::Invalid, with(|plan| plan.start = String::from("2020-01-01 01:00"))),
        (
            CreateRefusal::Invalid,
            NewCampaign { numbers: Some(String::from("x,,12").into()), ..good() },
        ),
        (
            CreateRefusal::InsufficientCredit,
            NewCampaign { numbers: Some(list(3).into()), ..good() },
        ),
    ];
    for (expected, mut new) in cases {
        if new.plan.start.starts_with("2020") {
            new.plan.end = String::from("2020-01-02 02:00");
        }
        assert_eq!(stage.refused(new.clone()).await, expected, "{new:?}");
    }
    let none = campaign::newest(&stage.world.app, None, 9).await.unwrap();
    assert_eq!(none, [], "nothing of what was refused is left");
    let (waiting, _) =
        stage.world.customer_like(9_000, |new| new.approves_own_messages = false).await;
    let unheard = stage.world.message(&waiting, 4000).await.id;
    let new = NewCampaign { message: unheard.into(), ..good() };
    let refused = refusal(campaign::create(&stage.world.app, &waiting, new.clone()).await);
    assert_eq!(refused, CreateRefusal::MessageWaiting);
    let refused =
        domain::message::Reason::new("advertising").map(domain::message::Decision::Refuse);
    app::message::decide(&stage.world.app, unheard, &refused.unwrap()).await.unwrap();
    let refused = refusal(campaign::create(&stage.world.app, &waiting, new).await);
    assert_eq!(refused, CreateRefusal::MessageRejected);
}

/// A campaign that cannot be paid any more, or has come to its ceiling, pauses and says why.
#[tokio::test]
async fn money_that_runs_out_pauses_a_campaign() {
    let stage = Stage::new(10 * HOLD).await;
    let mut new = stage.new_campaign(list(5));
    new.plan.max_cost = Some(Rials(2 * HOLD + 1));
    let capped = stage.create(new).await;
    let other = stage.create(stage.new_campaign(list(10))).await;
    assert_eq!(stage.feed().await, 2 + 8);
    stage.call(|_| Disposition::Delivered).await;
    assert_eq!(stage.feed().await, 0);
    assert_eq!(stage.state(capped).await, State::Paused(PauseReason::Ceiling));
    assert_eq!(stage.state(other).await, State::Paused(PauseReason::InsufficientCredit));
    assert_eq!(stage.funds().await, (0, 0));
    let (app, account) = (&stage.world.app, stage.caller.account.id);
    app::account::credit(app, account, Rials(9 * HOLD), None, String::new()).await.unwrap();
    assert!(campaign::resume(app, account, other).await.unwrap());
    assert_eq!(stage.feed().await, 2);
}

/// Numbers are added while it runs; the same list twice adds nothing.
#[tokio::test]
async fn numbers_are_added_while_it_runs() {
    let stage = Stage::new(100_000).await;
    let (app, account) = (&stage.world.app, stage.caller.account.id);
    let id = stage.create(stage.new_campaign(list(2))).await;
    stage.feed().await;
    stage.call(|_| Disposition::Delivered).await;
    let more = || List::Written(list(5) + "\nnobody");
    let Added { accepted, rest } = campaign::add_numbers(app, account, id, more()).await.unwrap();
    assert_eq!((accepted, rest.duplicates, rest.invalid), (3, 2, 1));
    let again = refusal(campaign::add_numbers(app, account, id, more()).await);
    assert_eq!(again, ListRefusal::NoNumber);
    assert_eq!(stage.feed().await, 3);
    stage.call(|_| Disposition::Delivered).await;
    stage.feed().await;
    assert_eq!(stage.results(id).await, [(Disposition::Delivered, 5)]);
    let over = refusal(campaign::add_numbers(app, account, id, more()).await);
    assert_eq!(over, ListRefusal::Over);
    let none = refusal(campaign::add_numbers(app, account, CampaignId(9), more()).await);
    assert_eq!(none, ListRefusal::NoCampaign);
}

/// Whom a campaign did not reach can be called by a new one; whoever heard it is left alone.
#[tokio::test]
async fn the_unreached_are_called_again_by_a_new_campaign() {
    let stage = Stage::new(100_000).await;
    let mut new = stage.new_campaign(list(4));
    new.plan.max_tries = 1;
    let id = stage.create(new).await;
    stage.feed().await;
    let ends = [Disposition::Delivered, Disposition::Busy];
    stage.call(|place| ends[place % 2]).await;
    stage.feed().await;
    let (app, caller) = (&stage.world.app, stage.world.refreshed(&stage.caller).await);
    let anew = |start: &str, end: &str, max_cost| NewRedial {
        start: start.to_owned(),
        end: end.to_owned(),
        max_cost,
    };
    let new = anew("2026-11-22 08:00", "2026-11-23 20:00", Some(Rials(900)));
    let foretold = campaign::estimate_redial(app, &caller, id, &new).await.unwrap();
    assert_eq!((foretold.added.accepted, foretold.ceiling), (2, Some(Rials(900))));
    assert_eq!(stage.progress(id).await.campaign.id, id);
    assert_eq!(campaign::newest(app, None, 9).await.unwrap().len(), 1, "nothing was made");
    let again = campaign::redial(app, &caller, id, &new, None).await.unwrap();
    assert_eq!(stage.progress(again.id).await.campaign.plan.max_cost, Some(Rials(900)));
    assert_eq!((again.added.accepted, stage.feed().await), (2, 2));
    stage.call(|_| Disposition::Delivered).await;
    stage.feed().await;
    let late = anew("2026-11-22", "2026-11-23", None);
    let nobody = campaign::redial(app, &caller, again.id, &late, None).await;
    assert_eq!(refusal(nobody), CreateRefusal::Invalid);
}

/// The customer's most urgent campaign steps in first; the others follow.
#[tokio::test]
async fn priority_comes_first() {
    let stage = Stage::new(1_000_000).await;
    let normal = stage.create(stage.new_campaign(list(3))).await;
    let mut new = stage.new_campaign(list(2));
    new.plan.priority = 5;
    let urgent = stage.create(new).await;
    assert_eq!(stage.feed().await, 2);
    assert_eq!(stage.progress(urgent).await.campaign.open, 2);
    assert_eq!(stage.feed().await, 3, "the urgent one has nobody left");
    assert_eq!(stage.progress(normal).await.campaign.open, 3);
}

/// Goal: a request for a campaign is done once, and a process that was killed in the middle of it
/// leaves nothing that the same request does not complete.
#[tokio::test]
async fn a_campaign_is_made_once_and_completed_after_a_kill() {
    let stage = Stage::new(10_000_000).await;
    let (app, account) = (&stage.world.app, stage.caller.account.id);
    let key =
        |body: &str| Some(RequestKey { key: String::from("k"), body: body.as_bytes().to_vec() });
    let new = NewCampaign { request: key("a"), ..stage.new_campaign(list(5_000)) };
    // What a process leaves that is killed after the second of three batches.
    let mut tx = stage.world.db.begin().await.unwrap();
    let hash = |text: &str| -> [u8; 32] { Sha256::digest(text.as_bytes()).into() };
    let request = store::request::NewRequest {
        account,
        key_hash: hash("k"),
        body_hash: hash("a"),
        asked_at: NOON,
    };
    assert!(store::request::claim(&mut tx, &request).await.unwrap());
    tx.commit().await.unwrap();
    let draft = NewCampaign { auto_start: false, request: None, ..stage.new_campaign(list(4_000)) };
    let draft = stage.create(draft).await;
    let mut tx = stage.world.db.begin().await.unwrap();
    assert!(store::request::set_campaign(&mut tx, account, &hash("k"), draft).await.unwrap());
    tx.commit().await.unwrap();

    let caller = stage.world.refreshed(&stage.caller).await;
    let made = campaign::create(app, &caller, new.clone()).await.unwrap();
    assert_eq!((made.id, made.repeated, made.added.accepted), (draft, true, 5_000));
    let progress = stage.progress(draft).await.campaign;
    assert_eq!((progress.state, progress.recipients.total()), (State::Running, 5_000));
    let again = campaign::create(app, &caller, new).await.unwrap();
    assert_eq!((again.id, again.added.accepted), (draft, 5_000));
    assert_eq!(stage.progress(draft).await.campaign.recipients.total(), 5_000);
    let other = NewCampaign { request: key("b"), ..stage.new_campaign(list(5)) };
    assert_eq!(stage.refused(other).await, CreateRefusal::KeyReused);
}

/// A draft is not called, and strangers see nothing.
#[tokio::test]
async fn a_draft_waits_for_its_start() {
    let stage = Stage::new(100_000).await;
    let new = NewCampaign { auto_start: false, ..stage.new_campaign(list(2)) };
    let id = stage.create(new).await;
    assert_eq!((stage.feed().await, stage.state(id).await), (0, State::Draft));
    let (stranger, _) = stage.world.customer(0).await;
    let app = &stage.world.app;
    assert_eq!(campaign::find(app, stranger.account.id, id).await.unwrap(), None);
    assert_eq!(campaign::recipients(app, stranger.account.id, id, 0, 9).await.unwrap(), None);
    assert!(!campaign::cancel(app, stranger.account.id, id).await.unwrap());
    let account = stage.caller.account.id;
    let seen = campaign::recipients(app, account, id, 1, 1).await.unwrap().unwrap();
    assert_eq!((seen.len(), seen[0].stored.id.n), (1, 2));
    assert_eq!(seen[0].status, RecipientStatus::Of(Status::Queued));
    assert!(campaign::cancel(app, account, id).await.unwrap());
    assert_eq!(stage.results(id).await, [(Disposition::Cancelled, 2)]);
}

/// Goal: a campaign whose calls nearly all fail pauses by itself, says why, and goes on when asked.
#[tokio::test]
async fn a_campaign_that_fails_abnormally_pauses() {
    let stage = Stage::new(1_000_000).await;
    let numbers: Vec<String> = (0..120).map(|n| format!("0912{n:07}")).collect();
    let id = stage.create(stage.new_campaign(numbers.join(","))).await;
    assert_eq!(stage.feed().await, 120);
    let fails = |place: usize| {
        if place.is_multiple_of(10) { Disposition::Busy } else { Disposition::NetworkFailure }
    };
    assert_eq!(stage.call(fails).await, 120);
    stage.world.clock.advance_ms(11 * 60_000);
    assert_eq!(stage.feed().await, 0);
    let account = stage.caller.account.id;
    let seen = campaign::find(&stage.world.app, account, id).await.unwrap().unwrap().campaign;
    assert_eq!(seen.state, State::Paused(PauseReason::Failing));
    assert!(campaign::resume(&stage.world.app, account, id).await.unwrap());
    assert!(stage.feed().await > 0, "what failed before is forgotten");
}

/// Goal: a campaign is heard on one's own phone before it calls anybody, and counts nothing of it.
#[tokio::test]
async fn a_campaign_is_rehearsed() {
    let stage = Stage::new(100_000).await;
    let mut new =
        NewCampaign { auto_start: false, ..stage.new_campaign(String::from("09121234567")) };
    new.plan.opt_out_key = Some('7');
    let id = stage.create(new).await;
    let account = stage.caller.account.clone();
    let (app, own) = (&stage.world.app, "09120000001");
    let named = RequestKey { key: String::from("k"), body: b"1".to_vec() };
    let rehearse = |id| campaign::rehearse(app, &stage.caller, id, (own, None), Some(&named));
    let sent = rehearse(id).await.unwrap().unwrap();
    assert_eq!((sent.message, sent.repeated), (stage.message, false));
    let again = rehearse(id).await.unwrap().unwrap();
    assert_eq!((again.id, again.repeated), (sent.id, true), "the same request calls once");
    let other = RequestKey { body: b"2".to_vec(), ..named.clone() };
    let refused = campaign::rehearse(app, &stage.caller, id, (own, None), Some(&other)).await;
    assert_eq!(refusal(refused), RehearsalRefusal::KeyReused);
    let (job, _) = stage.world.dialer.next().await;
    assert_eq!((job.destination.as_str(), job.vote), (own, true));
    assert_eq!(job.opt_out_key, Some('7'), "by which its callees opt out");
    let seen = campaign::find(app, account.id, id).await.unwrap().unwrap().campaign;
    assert_eq!((seen.state, seen.cursor), (State::Draft, 0));
    assert!(rehearse(CampaignId(9)).await.unwrap().is_none());
}

/// Goal: a campaign of a text speaks it once, when all else is right, and charges for it with the
/// campaign: what is refused costs nothing and leaves nothing behind.
#[tokio::test]
async fn a_campaign_of_a_text_speaks_it() {
    let stage = Stage::new(20 * HOLD).await;
    let (app, account) = (&stage.world.app, stage.caller.account.id);
    let of_text = |text: &str, mobile: Option<&str>| NewCampaign {
        message: Played::Text {
            text: text.to_owned(),
            speaker: Speaker::default(),
            call_from_mobile: mobile.map(str::to_owned),
        },
        ..stage.new_campaign(list(2))
    };
    let balance = async || stage.world.refreshed(&stage.caller).await.account.balance;
    let new = of_text("سلام، فردا نوبت شماست", Some("09120000001"));
    let foretold = campaign::estimate(app, &stage.caller, new.clone()).await.unwrap();
    assert!(foretold.speech > Rials::ZERO && foretold.cost_max > foretold.speech);
    assert_eq!(balance().await, Rials(20 * HOLD), "a dry run costs nothing");

    let many = NewCampaign { numbers: Some(list(20).into()), ..new.clone() };
    assert_eq!(stage.refused(many).await, CreateRefusal::InsufficientCredit);
    let nobody = NewCampaign { numbers: Some(String::from("x").into()), ..new.clone() };
    assert_eq!(stage.refused(nobody).await, CreateRefusal::Invalid);
    let empty = stage.refused(of_text("  ", None)).await;
    assert_eq!(empty, CreateRefusal::Text(TextRefusal::EmptyText));
    let before = app::message::page(app, account, None, 9).await.unwrap().len();
    assert_eq!((balance().await, before), (Rials(20 * HOLD), 1), "nothing of it is left");

    let named = RequestKey { key: String::from("k"), body: b"1".to_vec() };
    let new = NewCampaign { request: Some(named), ..new };
    let id = stage.create(new.clone()).await;
    assert_eq!(stage.create(new).await, id, "the same request speaks once");
    let made = stage.progress(id).await.campaign;
    let messages = app::message::page(app, account, None, 9).await.unwrap();
    assert_eq!((messages.len(), messages[0].id), (2, made.message));
    assert_eq!(messages[0].title, made.plan.title);
    assert_eq!(balance().await, Rials(20 * HOLD - foretold.speech.0));
    assert_eq!(stage.feed().await, 2);

    let asks = |new: &mut NewAccount| new.approves_own_messages = false;
    let (must_ask, _) = stage.world.customer_like(100_000, asks).await;
    let refused = campaign::create(app, &must_ask, of_text("سلام، فردا نوبت شماست", None)).await;
    assert_eq!(refusal(refused), CreateRefusal::Text(TextRefusal::MustBeApproved));
}

/// What a campaign will probably cost is told from the account's own calls, or everybody's while it
/// has too few, and says from which.
#[tokio::test]
async fn the_cost_is_foretold_from_the_calls_that_were_made() {
    let stage = Stage::new(1_000_000).await;
    let estimate = async |caller: &Caller, message: MessageId| {
        let new = NewCampaign { message: message.into(), ..stage.new_campaign(list(100)) };
        campaign::estimate(&stage.world.app, caller, new).await.unwrap()
    };
    let before = estimate(&stage.caller, stage.message).await;
    assert_eq!((before.expected, before.cost_max), (None, Rials(100 * HOLD)));
    stage.create(stage.new_campaign(list(60))).await;
    while stage.feed().await > 0 {
        // Every other one is reached; the others are called twice.
        stage.call(|place| [Disposition::Delivered, Disposition::Busy][place % 2]).await;
    }
    let expected = estimate(&stage.caller, stage.message).await.expected.unwrap();
    assert!(expected.is_own);
    assert_eq!((expected.history.calls, expected.history.charged), (60, 30));
    let (low, high) = (expected.forecast.low, expected.forecast.high);
    assert!(Rials(0) < low && low < Rials(50 * HOLD), "{expected:?}");
    assert!(Rials(50 * HOLD) < high && high < Rials(100 * HOLD), "{expected:?}");
    let (neighbour, _) = stage.world.customer(0).await;
    let message = stage.world.message(&neighbour, 4000).await.id;
    let theirs = estimate(&neighbour, message).await.expected.unwrap();
    assert!(!theirs.is_own);
    assert_eq!(theirs.forecast, expected.forecast);
    // A few sends are foretold from the same calls, and less surely.
    let few = stage.dry_run(3).await;
    assert_eq!((few.cost_max(), few.calls.len()), (Rials(3 * HOLD), 3));
    let few = few.expected.unwrap();
    assert_eq!((few.history, few.is_own), (expected.history, true));
    assert!(few.forecast.low < Rials(HOLD), "three may all be out: {few:?}");
    assert!(few.forecast.high > Rials(2 * HOLD), "three may all answer: {few:?}");
}

/// Goal: what a start would come to is told of those who are left alone, and changes nothing; with
/// another ceiling a campaign that paused at the first one goes on.
#[tokio::test]
async fn a_start_is_foretold_and_bounded() {
    let stage = Stage::new(10 * HOLD).await;
    let (app, account) = (&stage.world.app, stage.caller.account.clone());
    let mut new = stage.new_campaign(list(5));
    new.plan.max_cost = Some(Rials(2 * HOLD + 1));
    new.plan.max_tries = 1;
    let id = stage.create(new).await;
    let foretell = async |how: Start| campaign::estimate_start(app, &account, id, how).await;
    let runs = refusal(foretell(Start::AsPlanned(None)).await);
    assert_eq!(runs, StartRefusal::CannotStart, "as the start itself is refused");
    assert_eq!(stage.feed().await, 2);
    stage.call(|_| Disposition::Delivered).await;
    stage.feed().await;
    assert_eq!(stage.state(id).await, State::Paused(PauseReason::Ceiling));

    let before = stage.progress(id).await.campaign;
    let foretold = foretell(Start::AsPlanned(None)).await.unwrap().unwrap();
    assert_eq!((foretold.added.accepted, foretold.cost_max), (3, Rials(3 * HOLD)));
    assert_eq!(foretold.ceiling, Some(Rials(1)), "what is left below it");
    let more = Start::AsPlanned(Some(Rials(4 * HOLD)));
    let foretold = foretell(more.clone()).await.unwrap().unwrap();
    assert_eq!((foretold.ceiling, foretold.is_covered), (Some(Rials(2 * HOLD)), true));
    assert_eq!(stage.progress(id).await.campaign, before, "nothing was changed");
    let less = refusal(foretell(Start::AsPlanned(Some(Rials(HOLD)))).await);
    assert_eq!(less, StartRefusal::CostsMore(Rials(2 * HOLD)), "as it costs that already");
    let stranger = stage.world.customer(0).await.0.account;
    let theirs = campaign::estimate_start(app, &stranger, id, more.clone()).await.unwrap();
    assert!(theirs.is_none());

    campaign::start(app, account.id, id, more).await.unwrap();
    assert_eq!(stage.feed().await, 2);
    stage.call(|_| Disposition::Delivered).await;
    stage.feed().await;
    assert_eq!(stage.state(id).await, State::Paused(PauseReason::Ceiling));
    assert_eq!(stage.progress(id).await.campaign.charged, Rials(4 * HOLD));
}

/// Goal: a start that the balance does not cover is foretold as one, and the start is refused.
#[tokio::test]
async fn a_start_without_money_is_foretold() {
    let stage = Stage::new(2 * HOLD).await;
    let (app, account) = (&stage.world.app, stage.caller.account.clone());
    let new = NewCampaign { auto_start: false, ..stage.new_campaign(list(3)) };
    let id = stage.create(new).await;
    let how = Start::AsPlanned(None);
    let foretold = campaign::estimate_start(app, &account, id, how.clone()).await;
    assert!(!foretold.unwrap().unwrap().is_covered);
    let refused = refusal(campaign::start(app, account.id, id, how).await);
    assert_eq!(refused, StartRefusal::InsufficientCredit);
    let bounded = Start::AsPlanned(Some(Rials(2 * HOLD)));
    let foretold = campaign::estimate_start(app, &account, id, bounded.clone()).await;
    assert!(foretold.unwrap().unwrap().is_covered, "up to its ceiling");
    campaign::start(app, account.id, id, bounded).await.unwrap();
}

/// Goal: a call to hear a campaign is foretold, and not made when it could cost too much.
#[tokio::test]
async fn a_rehearsal_is_foretold_and_bounded() {
    let stage = Stage::new(10 * HOLD).await;
    let app = &stage.world.app;
    let new = NewCampaign { auto_start: false, ..stage.new_campaign(list(1)) };
    let id = stage.create(new).await;
    let own = "09120000001";
    let told = campaign::estimate_rehearsal(app, &stage.caller, id, own).await.unwrap().unwrap();
    assert_eq!(told.1.cost_max(), Rials(HOLD));
    let rehearse =
        |max: i64| campaign::rehearse(app, &stage.caller, id, (own, Some(Rials(max))), None);
    let refused = refusal(rehearse(HOLD - 1).await);
    assert_eq!(refused, RehearsalRefusal::TooExpensive(Rials(HOLD)));
    assert_eq!(stage.funds().await, (10 * HOLD, 0), "nobody was called");
    rehearse(HOLD).await.unwrap().unwrap();
    assert_eq!(stage.funds().await, (10 * HOLD, HOLD));
}

/// Goal: a customer has its campaign judged by the log alone, other customers' calls to the same
/// numbers included, and sees what was wrong; nobody judges the campaign of somebody else.
#[tokio::test]
async fn a_campaign_is_judged_for_its_customer() {
    let stage = Stage::new(100 * HOLD).await;
    let (app, account) = (&stage.world.app, stage.caller.account.id);
    let mut new = stage.new_campaign(list(3));
    new.plan.max_tries = 1;
    let id = stage.create(new).await;
    let (neighbour, _) = stage.world.customer(100 * HOLD).await;
    let message = stage.world.message(&neighbour, 4000).await.id;
    let theirs = NewCampaign { numbers: Some(list(5).into()), ..new_campaign(message) };
    let theirs = campaign::create(app, &neighbour, theirs).await.unwrap().id;
    let draft = NewCampaign { auto_start: false, ..stage.new_campaign(list(1)) };
    let uncalled = stage.create(draft).await;
    stage.feed().await;
    stage.call(|_| Disposition::Delivered).await;
    stage.feed().await;
    let judged = async |account, id| judge::of_campaign(app, account, id).await;
    let of_log = async |id| {
        judge::judge(app, Timestamp(0)).await.unwrap().remove(&Some(id)).unwrap_or_default()
    };
    let clean = judged(account, id).await.unwrap();
    assert_eq!((clean.report.allowed, clean.report.is_clean(), clean.is_complete), (3, true, true));
    let nothing = judged(account, uncalled).await.unwrap();
    assert_eq!((nothing.report.allowed, nothing.is_complete), (0, false));
    assert_eq!(refusal(judged(account, theirs).await), judge::NotJudged::NoSuchCampaign);

    // A judge who finds nothing in a log that was bent would prove nothing.
    let bend = async |sql: &'static str| {
        let mut tx = stage.world.db.begin().await.unwrap();
        assert_eq!(tx.execute(sql, &[]).await.unwrap(), 1, "{sql}");
        tx.commit().await.unwrap();
    };
    bend(
        "DELETE FROM decision WHERE id = (
             SELECT MAX(d.id) FROM decision d JOIN quick_send q ON q.id = d.quick_send_id
             WHERE q.recipient_id = 16777218)",
    )
    .await;
    bend(
        "UPDATE decision SET at_us = at_us - 43200000000 WHERE id = (
             SELECT MAX(d.id) FROM decision d JOIN quick_send q ON q.id = d.quick_send_id
             WHERE q.recipient_id = 16777219)",
    )
    .await;
    let found = judged(account, id).await.unwrap().report;
    let kinds: Vec<(Violation, u64)> = found.violations.clone().into_iter().collect();
    let expected = [
        (Violation::NotLogged, 1),
        (Violation::WrongPolicy, 1),
        (Violation::OutsideHours, 1),
        (Violation::OutsideSchedule, 1),
    ];
    let is_expected = |kind: &&(Violation, u64)| expected.contains(kind);
    assert_eq!(kinds.iter().filter(is_expected).count(), kinds.len(), "{kinds:?}");
    assert!(kinds.contains(&expected[0]) && kinds.contains(&expected[2]), "{kinds:?}");
    assert_eq!(found, of_log(id).await, "as the whole log is judged");
    let unharmed = judged(neighbour.account.id, theirs).await.unwrap().report;
    assert_eq!((unharmed.allowed, unharmed.is_clean()), (5, true), "{unharmed:?}");
}
