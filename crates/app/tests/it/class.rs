//! Message classes: what each may send and when, asked when a send is taken and again when its turn
//! comes.

use app::bulk::{self, Content, NewBulk};
use app::campaign::{self, CreateRefusal, NewCampaign, Start, StartPlan};
use app::class::Skipped;
use app::dialing::{self, Leased, NodeStamp, ReadyJob};
use app::quick_send::{self, NewPersonalSend, NewSend, PersonalRefusal, TextRefusal};
use app::template::NewTemplate;
use app::{Caller, class};
use domain::class::{Policy, PolicyRefusal};
use domain::dialer::disposition::OUTSIDE_HOURS;
use domain::explanation::Gate;
use domain::judge::Violation;
use domain::message::Decision;
use domain::quick_send::Refusal;
use domain::{Disposition, MessageClass, MessageId, RecipientId, Rials, Status, Timestamp};
use store::hot::Bar;

use crate::calls::{ended, lease};
use crate::campaign::new_campaign;
use crate::refusal;
use crate::world::{NOON, World};

const HOUR_MS: i64 = 3_600_000;

fn send(message: MessageId, class: MessageClass) -> NewSend {
    NewSend {
        message,
        number: String::from("09121234567"),
        vote: false,
        record_ms: None,
        server: None,
        reference: None,
        class,
        follow_up: None,
    }
}

/// A world with a customer and a message.
async fn stage() -> (World, Caller, MessageId) {
    let world = World::new().await;
    let (caller, _) = world.customer(100_000).await;
    let message = world.message(&caller, 4000).await.id;
    (world, caller, message)
}

async fn set(world: &World, class: MessageClass, change: impl Fn(Policy) -> Policy) -> Policy {
    // Two versions of a class cannot begin at the same moment.
    world.clock.advance_ms(2_000);
    class::set(&world.app, class, |policy| Ok(change(policy))).await.unwrap()
}

#[tokio::test]
async fn at_night_service_needs_a_document() {
    let (world, caller, message) = stage().await;
    world.clock.advance_ms(11 * HOUR_MS);
    let service = || send(message, MessageClass::Service);
    let refused = refusal(quick_send::submit(&world.app, &caller, service()).await);
    assert_eq!(refused, Refusal::TimeNotAllowed);
    let emergency = send(message, MessageClass::Emergency);
    let refused = refusal(quick_send::submit(&world.app, &caller, emergency.clone()).await);
    assert_eq!(refused, Refusal::ClassNotAllowed);
    let account = caller.account.id;
    assert!(class::set_hours_document(&world.app, account, Some("نامهٔ ۱۲")).await.unwrap());
    quick_send::submit(&world.app, &caller, service()).await.unwrap();
    quick_send::submit(&world.app, &caller, emergency).await.unwrap();
    assert!(class::set_hours_document(&world.app, account, None).await.unwrap());
    refusal(quick_send::submit(&world.app, &caller, service()).await);
    assert!(!class::set_hours_document(&world.app, account, Some(" ")).await.unwrap());
}

#[tokio::test]
async fn advertising_is_off_until_it_is_switched_on() {
    let (world, caller, message) = stage().await;
    let advertising = || send(message, MessageClass::Advertising);
    let refused = refusal(quick_send::submit(&world.app, &caller, advertising()).await);
    assert_eq!(refused, Refusal::ClassNotAllowed);
    set(&world, MessageClass::Advertising, |old| Policy { allowed: true, ..old }).await;
    world.clock.advance_ms(1_000);
    // Its account approves its own messages; this class asks for staff's ear.
    let refused = refusal(quick_send::submit(&world.app, &caller, advertising()).await);
    assert_eq!(refused, Refusal::WrongMessage);
    assert!(app::message::decide(&world.app, message, &Decision::Approve).await.unwrap());
    quick_send::submit(&world.app, &caller, advertising()).await.unwrap();
    let (job, _) = world.dialer.next().await;
    assert_eq!((job.message_class, job.opt_out_key), (MessageClass::Advertising, Some('9')));
    // At three in the afternoon people rest.
    world.clock.advance_ms(3 * HOUR_MS);
    let refused = refusal(quick_send::submit(&world.app, &caller, advertising()).await);
    assert_eq!(refused, Refusal::TimeNotAllowed);
}

/// Goal: a class whose messages staff must hear calls nobody with what an account has approved for
/// itself, by whichever way: one number, several, a template, a new campaign or one that starts.
#[tokio::test]
async fn a_class_that_must_be_heard_is_heard_by_staff() {
    let (world, caller, message) = stage().await;
    let app = &world.app;
    let template = NewTemplate {
        title: String::from("پیام"),
        written: format!("{{clip {message}}} {{amount:rial debt}}"),
        voice: None,
        longest_ms: None,
    };
    let template = app::template::create(app, &caller, template).await.unwrap().id;
    let draft = |message| NewCampaign { auto_start: false, ..new_campaign(message) };
    let made = campaign::create(app, &caller, draft(message)).await.unwrap().id;
    set(&world, MessageClass::Service, |old| Policy { needs_approval: true, ..old }).await;
    world.clock.advance_ms(2_000);
    let account = caller.account.id;
    let one = || quick_send::submit(app, &caller, send(message, MessageClass::Service));
    let personal = || {
        let NewSend { number, vote, record_ms, server, reference, class, follow_up, .. } =
            send(message, MessageClass::Service);
        let values = vec![(String::from("debt"), String::from("1000"))];
        let new = NewPersonalSend {
            template,
            values,
            number,
            vote,
            record_ms,
            server,
            reference,
            class,
            follow_up,
        };
        quick_send::submit_personal(app, &caller, new)
    };
    let rehearsed = || campaign::rehearse(app, &caller, made, ("09121234567", None), None);
    for refused in [message, template] {
        let refused = campaign::create(app, &caller, draft(refused)).await;
        assert_eq!(refusal(refused), CreateRefusal::MessageWaiting);
        let refused = campaign::estimate(app, &caller, draft(message)).await;
        assert_eq!(refusal(refused), CreateRefusal::MessageWaiting);
    }
    let refused = campaign::start_as_planned(app, account, made).await;
    assert_eq!(refusal(refused), campaign::StartRefusal::WrongMessage);
    assert_eq!(refusal(one().await), Refusal::WrongMessage);
    let refused = refusal(rehearsed().await);
    assert_eq!(refused, campaign::RehearsalRefusal::Message(Refusal::WrongMessage));

    let refused = PersonalRefusal::Send(TextRefusal::MustBeApproved);
    assert_eq!(refusal(personal().await), refused);
    // Nobody of staff listens to what reaches nobody.
    let (sandbox, _) = world.sandbox(&caller).await;
    let played = world.message(&sandbox, 4000).await.id;
    quick_send::submit(app, &sandbox, send(played, MessageClass::Service)).await.unwrap();
    campaign::create(app, &sandbox, new_campaign(played)).await.unwrap();

    let waiting = async || {
        let listed = app::message::waiting(app, MessageId(0), 9).await.unwrap();
        listed.iter().map(|one| one.id).collect::<Vec<_>>()
    };
    assert_eq!(waiting().await, [message], "staff sees what is wanted, and nothing else");
    assert!(app::message::decide(app, message, &Decision::Approve).await.unwrap());
    assert_eq!(waiting().await, []);
    campaign::create(app, &caller, draft(message)).await.unwrap();
    personal().await.unwrap();
    one().await.unwrap();
    rehearsed().await.unwrap();
    campaign::start_as_planned(app, account, made).await.unwrap();
}

/// Goal: what would keep a number from being called is told beforehand, by a dry run and to whoever
/// asks why it waits: a call of whomever, a wish not to be called, the cap of the day.
#[tokio::test]
async fn what_bars_a_number_is_told_beforehand() {
    let (world, caller, message) = stage().await;
    let app = &world.app;
    let node = dialing::take_node(app, "a", NOON.plus_ms(24 * HOUR_MS)).await.unwrap();
    let (other, _) = world.customer(100_000).await;
    let (played, _) = world.sandbox(&caller).await;
    let theirs = world.message(&other, 4000).await.id;
    let plays = world.message(&played, 4000).await.id;
    let closed = async |whose: &Caller, id| {
        let told = app::explain::send(app, whose, id).await.unwrap().unwrap();
        let gates = told.gates.iter().filter(|gate| !gate.open);
        gates.map(|gate| gate.gate).collect::<Vec<_>>()
    };
    // Another account calls the number: ours waits for it, that of a sandbox does not.
    quick_send::submit(app, &other, send(theirs, MessageClass::Service)).await.unwrap();
    let (job, _) = world.dialer.next().await;
    assert!(lease(&world, node, &job, app.now()).await.attempt().is_some());
    let ours = quick_send::submit(app, &caller, send(message, MessageClass::Service)).await;
    let ours = ours.unwrap().id;
    let play = quick_send::submit(app, &played, send(plays, MessageClass::Service)).await;
    assert_eq!(closed(&caller, ours).await, [Gate::NumberFree]);
    assert!(!closed(&played, play.unwrap().id).await.contains(&Gate::NumberFree));

    // The second number wishes no call, and the third is the first one again.
    set(&world, MessageClass::Service, |old| Policy { daily_cap: Some(1), ..old }).await;
    world.clock.advance_ms(2_000);
    let opted_out = domain::PhoneNumber::parse("09121234568").unwrap();
    let list = app::opt_out::list_of(caller.account.id);
    app::opt_out::add(app, list, &[opted_out], "test").await.unwrap();
    let numbers = ["09121234560", "09121234568", "09121234560"].map(String::from).to_vec();
    let new = NewBulk {
        content: Content::Message(message),
        numbers,
        vote: false,
        record_ms: None,
        server: None,
        class: MessageClass::Service,
        follow_up: None,
        max_cost: None,
        request: None,
    };
    let foretold = bulk::estimate(app, &caller, &new).await.unwrap();
    let barred = [None, Some(Bar::OptedOut), Some(Bar::Capped)];
    assert_eq!(foretold.barred, barred, "twice the same number is once too often");
    assert_eq!(foretold.skipped(), Skipped { opted_out: 1, capped: 1 });
    let one = foretold.cost_max();
    assert_eq!(foretold.held, Rials(3 * one.0), "each may be called when its turn comes");
    assert_eq!(foretold.cost_max(), foretold.calls[0].clone().unwrap());
    assert!(foretold.cost_max().0 > 0);
    let new = NewBulk { content: Content::Message(theirs), ..new };
    let foretold = bulk::estimate(app, &other, &new).await.unwrap();
    assert_eq!(foretold.skipped(), Skipped { opted_out: 0, capped: 1 }, "a list of another's");

    let mut new = NewCampaign { auto_start: false, ..new_campaign(message) };
    new.numbers = Some(String::from("09121234560,09121234568,09121234569").into());
    let foretold = campaign::estimate(app, &caller, new.clone()).await.unwrap();
    assert_eq!(foretold.skipped, Skipped { opted_out: 1, capped: 0 });
    assert_eq!((foretold.added.accepted, foretold.cost_max), (3, Rials(2 * 225)));
    let id = campaign::create(app, &caller, new).await.unwrap().id;
    let second = RecipientId { campaign: id, n: 2 };
    let told = app::explain::recipient(app, &caller, second).await.unwrap().unwrap();
    let gates = told.gates.iter().filter(|gate| !gate.open).map(|gate| gate.gate);
    assert!(gates.collect::<Vec<_>>().contains(&Gate::OptOut));
}

/// Goal: why a number of a campaign waits for credit, and that what may be owed is credit.
#[tokio::test]
async fn a_number_waits_for_credit_or_a_debt_that_is_allowed() {
    let world = World::new().await;
    let app = &world.app;
    let (caller, _) = world.customer(225).await;
    let message = world.message(&caller, 4_000).await.id;
    let mut new = NewCampaign { auto_start: true, ..new_campaign(message) };
    new.numbers = Some(String::from("09121234560").into());
    let id = campaign::create(app, &caller, new).await.unwrap().id;
    let sent =
        quick_send::submit(app, &caller, crate::quick_send::new_send(message, "09121234561")).await;
    sent.unwrap();
    let stands = async || {
        let (caller, first) = (world.refreshed(&caller).await, RecipientId { campaign: id, n: 1 });
        let told = app::explain::recipient(app, &caller, first).await.unwrap().unwrap();
        told.gates.iter().find(|one| one.gate == Gate::Credit).unwrap().open
    };
    assert!(!stands().await);
    app::account::set_debt_limit(app, caller.account.id, Rials(224)).await.unwrap();
    assert!(!stands().await);
    app::account::set_debt_limit(app, caller.account.id, Rials(225)).await.unwrap();
    assert!(stands().await);
}

/// Goal: who was called as often as may be is told so, and may be called tomorrow; a campaign that
/// is for today alone will not call there.
#[tokio::test]
async fn a_cap_is_told_beforehand() {
    let (world, caller, message) = stage().await;
    let app = &world.app;
    let node = dialing::take_node(app, "a", NOON.plus_ms(24 * HOUR_MS)).await.unwrap();
    set(&world, MessageClass::Service, |old| Policy { daily_cap: Some(1), ..old }).await;
    world.clock.advance_ms(2_000);
    quick_send::submit(app, &caller, send(message, MessageClass::Service)).await.unwrap();
    let (job, _) = world.dialer.next().await;
    let attempt = lease(&world, node, &job, app.now()).await.attempt().unwrap();
    dialing::settle(app, vec![heard(&job, attempt, app.now())]).await.unwrap();
    let waits = quick_send::submit(app, &caller, send(message, MessageClass::Service)).await;
    let told = app::explain::send(app, &caller, waits.unwrap().id).await.unwrap().unwrap();
    let closed: Vec<_> = told.gates.iter().filter(|gate| !gate.open).collect();
    let tomorrow = domain::calendar::day::Day::of(NOON).next().start();
    assert_eq!((closed.len(), closed[0].gate), (1, Gate::DailyCap));
    assert_eq!(told.next_try, Some(tomorrow));

    let mut new = NewCampaign { auto_start: false, ..new_campaign(message) };
    new.numbers = Some(String::from("09121234567,09121234569").into());
    let foretold = campaign::estimate(app, &caller, new.clone()).await.unwrap();
    assert_eq!((foretold.skipped, foretold.cost_max), (Skipped::default(), Rials(450)));
    new.plan.end = String::from("2026-11-22 20:00:00");
    let foretold = campaign::estimate(app, &caller, new).await.unwrap();
    assert_eq!(foretold.skipped, Skipped { opted_out: 0, capped: 1 });
    assert_eq!(foretold.cost_max, Rials(225));
}

#[tokio::test]
async fn what_waits_beyond_its_hours_is_not_called_and_says_why() {
    let (world, caller, message) = stage().await;
    let node = dialing::take_node(&world.app, "a", NOON.plus_ms(24 * HOUR_MS)).await.unwrap();
    world.clock.advance_ms(11 * HOUR_MS - 60_000);
    let service = send(message, MessageClass::Service);
    let accepted = quick_send::submit(&world.app, &caller, service).await.unwrap();
    let (job, _) = world.dialer.next().await;
    let eleven = NOON.plus_ms(11 * HOUR_MS);
    assert_eq!(lease(&world, node, &job, eleven).await, Leased::Gone);
    let sends = vec![dialing::Untried::of(accepted.id, OUTSIDE_HOURS)];
    assert_eq!(dialing::expire(&world.app, sends, job.expires_at).await.unwrap(), [true]);
    let story = quick_send::story(&world.app, accepted.id).await.unwrap().unwrap();
    assert_eq!(story.status, Status::Ended(Disposition::Expired));
    let store::quick_send::State::Ended(ended) = story.send.state else { panic!("not ended") };
    assert_eq!(ended.facts.cause, OUTSIDE_HOURS);
}

/// Goal: a document that is taken back, or given again, counts for what waits already.
#[tokio::test]
async fn a_document_counts_for_what_waits() {
    let (world, caller, message) = stage().await;
    let node = dialing::take_node(&world.app, "a", NOON.plus_ms(24 * HOUR_MS)).await.unwrap();
    world.clock.advance_ms(11 * HOUR_MS);
    let account = caller.account.id;
    assert!(class::set_hours_document(&world.app, account, Some("نامهٔ ۱۲")).await.unwrap());
    quick_send::submit(&world.app, &caller, send(message, MessageClass::Service)).await.unwrap();
    let (job, _) = world.dialer.next().await;
    assert!(class::set_hours_document(&world.app, account, None).await.unwrap());
    world.clock.advance_ms(2_000);
    assert_eq!(lease(&world, node, &job, world.app.now()).await, Leased::Gone);
    assert!(class::set_hours_document(&world.app, account, Some("نامهٔ ۱۳")).await.unwrap());
    world.clock.advance_ms(2_000);
    assert!(lease(&world, node, &job, world.app.now()).await.attempt().is_some());
}

/// Leases a send; its call, if there is one, has ended then, and its number is free.
async fn leased_and_over(world: &World, node: NodeStamp, job: &ReadyJob, at: Timestamp) -> Leased {
    let leased = lease(world, node, job, at).await;
    if let Some(attempt) = leased.attempt() {
        dialing::settle(&world.app, vec![heard(job, attempt, at)]).await.unwrap();
    }
    leased
}

/// Goal: how often a number was called is known until the end of the day after, and no longer.
#[tokio::test]
async fn the_counts_of_old_days_are_forgotten() {
    let (world, caller, message) = stage().await;
    let node = dialing::take_node(&world.app, "a", NOON.plus_ms(72 * HOUR_MS)).await.unwrap();
    set(&world, MessageClass::Service, |old| Policy { daily_cap: Some(1), ..old }).await;
    world.clock.advance_ms(2_000);
    let first_day = world.app.now();
    let mut leased = Vec::new();
    for _ in 0..3 {
        assert!(!dialing::forget_daily_calls(&world.app, world.app.now()).await.unwrap());
        let service = send(message, MessageClass::Service);
        quick_send::submit(&world.app, &caller, service).await.unwrap();
        let (job, _) = world.dialer.next().await;
        leased.push(leased_and_over(&world, node, &job, first_day).await);
        world.clock.advance_ms(24 * HOUR_MS);
    }
    assert_eq!(leased[1], Leased::Barred(Bar::Capped));
    assert!(leased[0].attempt().is_some() && leased[2].attempt().is_some());
}

#[tokio::test]
async fn a_number_is_called_as_often_in_a_day_as_its_class_may() {
    let (world, caller, message) = stage().await;
    let node = dialing::take_node(&world.app, "a", NOON.plus_ms(48 * HOUR_MS)).await.unwrap();
    set(&world, MessageClass::Service, |old| Policy { daily_cap: Some(2), ..old }).await;
    let (other, _) = world.customer(100_000).await;
    let theirs = world.message(&other, 4000).await.id;
    let mut leased = Vec::new();
    for (who, message) in [(&caller, message), (&other, theirs), (&caller, message)] {
        world.clock.advance_ms(2_000);
        let service = send(message, MessageClass::Service);
        let accepted = quick_send::submit(&world.app, who, service).await.unwrap();
        let (job, _) = world.dialer.next().await;
        let told = leased_and_over(&world, node, &job, world.app.now()).await;
        leased.push((told, accepted.id));
    }
    assert!(leased[0].0.attempt().is_some() && leased[1].0.attempt().is_some());
    assert_eq!(leased[2].0, Leased::Barred(Bar::Capped));
    let progress = quick_send::find(&world.app, &caller, leased[2].1).await.unwrap().unwrap();
    assert_eq!(progress.status, Status::Ended(Disposition::Expired));
    // Another day, another count.
    world.clock.advance_ms(24 * HOUR_MS);
    quick_send::submit(&world.app, &caller, send(message, MessageClass::Service)).await.unwrap();
    let (job, _) = world.dialer.next().await;
    assert!(lease(&world, node, &job, world.app.now()).await.attempt().is_some());
}

#[tokio::test]
async fn a_policy_that_makes_no_sense_is_refused() {
    let (world, _, _) = stage().await;
    world.clock.advance_ms(2_000);
    let wrong = class::set(&world.app, MessageClass::Service, |old| {
        Ok(Policy { daily_cap: Some(0), ..old })
    });
    assert_eq!(refusal(wrong.await), PolicyRefusal::WrongCap);
    let hours = |policy: Policy| {
        let hours = Policy::read_hours("08:00-20:00", "none")?;
        Ok(Policy { hours, ..policy })
    };
    let new = class::set(&world.app, MessageClass::Service, hours).await.unwrap();
    let listed = class::list(&world.app).await.unwrap();
    assert_eq!(listed.iter().find(|policy| policy.class == MessageClass::Service), Some(&new));
    assert_eq!(listed.len(), MessageClass::ALL.len());
}

/// Goal: what the platform does is lawful in the judge's eyes, and what was changed behind its back
/// is not.
#[tokio::test]
async fn the_judge_reads_what_was_done() {
    let (world, caller, message) = stage().await;
    let node = dialing::take_node(&world.app, "a", NOON.plus_ms(24 * HOUR_MS)).await.unwrap();
    let number = domain::PhoneNumber::parse("09121234567").unwrap();
    let mut sends = Vec::new();
    for _ in 0..2 {
        world.clock.advance_ms(1_000);
        let service = send(message, MessageClass::Service);
        quick_send::submit(&world.app, &caller, service).await.unwrap();
        let (job, _) = world.dialer.next().await;
        let leased = lease(&world, node, &job, world.app.now()).await;
        if let Some(attempt) = leased.attempt() {
            dialing::settle(&world.app, vec![heard(&job, attempt, world.app.now())]).await.unwrap();
        }
        sends.push(leased);
        let attempt = sends[0].attempt().unwrap();
        app::opt_out::by_key(&world.app, caller.account.id, &number, attempt).await.unwrap();
    }
    assert_eq!(sends[1], Leased::Barred(Bar::OptedOut));
    let reports = app::judge::judge(&world.app, Timestamp(0)).await.unwrap();
    let report = &reports[&None];
    assert!(report.is_clean(), "{report:?}");
    assert_eq!((report.allowed, report.barred["opted_out"]), (1, 1));
    let since_later = app::judge::judge(&world.app, world.app.now().plus_ms(1)).await.unwrap();
    assert!(since_later.is_empty());
}

/// Goal: a call outside its campaign's own hours is reported of that campaign, though its class may
/// call; new hours judge what comes, and the old ones what was.
#[tokio::test]
async fn the_judge_goes_by_the_hours_that_a_campaign_had() {
    let (world, caller, message) = stage().await;
    let (app, account) = (&world.app, caller.account.id);
    let node = dialing::take_node(app, "a", NOON.plus_ms(24 * HOUR_MS)).await.unwrap();
    let mut new = new_campaign(message);
    new.numbers = Some(String::from("09121234560,09121234561,09121234562").into());
    (new.plan.start, new.plan.end) = (String::from("2026-11-22 11:00"), "2026-11-23 13:00".into());
    let id = campaign::create(app, &caller, new).await.unwrap().id;
    let jobs = campaign::feed(app, world.app.now()).await.unwrap();
    let call = async |job: &ReadyJob| {
        let at = world.app.now();
        let attempt = lease(&world, node, job, at).await.attempt().unwrap();
        dialing::settle(app, vec![heard(job, attempt, at)]).await.unwrap();
    };
    let judged = async || {
        let report = app::judge::judge(app, Timestamp(0)).await.unwrap().remove(&Some(id)).unwrap();
        let late = report.violations.get(&Violation::OutsideSchedule).copied();
        assert_eq!(report.violations.len(), usize::from(late.is_some()), "{report:?}");
        (report.allowed, late)
    };
    call(&jobs[0]).await;
    assert_eq!(judged().await, (1, None));
    // What no node of ours does: it calls in the evening what was for the morning.
    world.clock.advance_ms(2 * HOUR_MS);
    call(&jobs[1]).await;
    assert_eq!(judged().await, (2, Some(1)));
    world.clock.advance_ms(60_000);
    assert!(campaign::stop(app, account, id).await.unwrap());
    let plan = StartPlan {
        title: None,
        start: String::from("2026-11-22 14:00"),
        end: String::from("2026-11-22 20:00"),
        max_tries: 1,
        minutes_between_tries: 10,
        server: None,
        max_cost: None,
    };
    campaign::start(app, account, id, Start::Under(plan)).await.unwrap();
    world.clock.advance_ms(HOUR_MS);
    let jobs = campaign::feed(app, world.app.now()).await.unwrap();
    call(&jobs[0]).await;
    assert_eq!(judged().await, (3, Some(1)));
}

/// A call of a second that was heard out.
fn heard(job: &ReadyJob, attempt: domain::AttemptId, at: Timestamp) -> dialing::EndedCall {
    let record = dialing::CallRecord {
        cause: String::from("played"),
        heard_ms: job.clip_ms,
        invite_at: Some(at),
        ..dialing::CallRecord::default()
    };
    let meaning = dialing::Meaning::Decided(Disposition::Delivered);
    dialing::EndedCall { record, ..ended(job, attempt, meaning, at.plus_ms(500)) }
}

/// Goal: a campaign that starts with a shorter pause between tries than its class may have gets
/// that of its class; a longer one stays.
#[tokio::test]
async fn a_class_says_how_soon_it_tries_again() {
    let world = World::new().await;
    let (caller, _) = world.customer(100_000).await;
    let message = world.message(&caller, 4_000).await.id;
    let app = &world.app;
    let longer = |policy: Policy| Ok(Policy { retry_minutes: 45, ..policy });
    class::set(app, MessageClass::Service, longer).await.unwrap();
    let too_long = |policy: Policy| Ok(Policy { retry_minutes: 7 * 24 * 60 + 1, ..policy });
    let refused = refusal(class::set(app, MessageClass::Service, too_long).await);
    assert_eq!(refused, PolicyRefusal::WrongPause);
    world.clock.advance_ms(60_000);
    for (asked, kept) in [(10, 45), (45, 45), (90, 90)] {
        let mut new = new_campaign(message);
        new.plan.minutes_between_tries = asked;
        let id = campaign::create(app, &caller, new).await.unwrap().id;
        let made = campaign::find(app, caller.account.id, id).await.unwrap().unwrap().campaign;
        assert_eq!(made.plan.minutes_between_tries, kept, "{asked} minutes were asked for");
    }
}
