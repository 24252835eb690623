//! Personal messages: made, heard before they are sent, sent alone and by campaigns.

use app::bulk::{self, Content, NewBulk, NumberRefusal};
use app::campaign::{self, List, NewCampaign, Person, Recipients, Wanted, WrittenPlan};
use app::dialing::{self, NodeStamp, ReadyJob};
use app::quick_send::TextRefusal;
use app::template::{self, Heard, NewTemplate, SaidRefusal, TemplateRefusal};
use app::{App, Caller, Error};
use audio::Clip;
use domain::campaign::State;
use domain::message::{Decision, Reason};
use domain::template::{SyntaxRefusal, ValueRefusal};
use domain::{CampaignId, Disposition, MessageClass, MessageId, RecipientId, Status};

use crate::refusal;
use crate::world::{NOON, World};

const WRITTEN: &str = "{clip 1} {amount:rial debt} {clip 2}";

fn new(written: &str) -> NewTemplate {
    let (title, written) = (String::from("بدهی"), written.to_owned());
    NewTemplate { title, written, voice: None, longest_ms: None }
}

fn person(number: &str, debt: &str) -> Person {
    let values = vec![(String::from("debt"), debt.to_owned())];
    Person { number: number.to_owned(), values }
}

/// A customer with two clips of four seconds and a template of both.
async fn stage(rials: i64) -> (World, Caller, MessageId) {
    let world = World::new().await;
    let (caller, _) = world.customer(rials).await;
    for _ in 0..2 {
        world.message(&caller, 4_000).await;
    }
    let made = template::create(&world.app, &caller, new(WRITTEN)).await.unwrap();
    assert_eq!(made.longest_ms, 2 * 4_000 + 2 * 100 + 12_000, "its clips, pauses and an amount");
    (world, caller, made.id)
}

/// The samples that a job plays.
async fn played(app: &App, job: &ReadyJob) -> Vec<i16> {
    dialing::clip(app, &job.blob).await.unwrap().to_vec()
}

/// Goal: a template is made of what its customer may send, and refused with the reason.
#[tokio::test]
async fn a_template_is_made_of_approved_clips() {
    let (world, caller, id) = stage(10_000).await;
    let app = &world.app;
    let found = template::find(app, &caller, id).await.unwrap().unwrap();
    assert_eq!(found.template.to_string(), WRITTEN);
    let (stranger, _) = world.customer_like(0, |new| new.approves_own_messages = false).await;
    assert!(template::find(app, &stranger, id).await.unwrap().is_none());
    assert!(template::page(app, &stranger, None, 9).await.unwrap().is_empty());
    assert_eq!(template::page(app, &caller, None, 9).await.unwrap(), [found]);

    let refused = async |caller: &Caller, new| refusal(template::create(app, caller, new).await);
    let gone = TemplateRefusal::NoSuchClip(MessageId(1));
    assert_eq!(refused(&stranger, new(WRITTEN)).await, gone, "it is somebody else's");
    assert_eq!(refused(&stranger, new("{text name}")).await, TemplateRefusal::TextNotAllowed);
    let itself = new(&format!("{{clip {}}}", id.0));
    assert_eq!(refused(&caller, itself).await, TemplateRefusal::NoSuchClip(id));
    let words = TemplateRefusal::Written(SyntaxRefusal::Words(String::from("سلام")));
    assert_eq!(refused(&caller, new("سلام")).await, words);
    let nobody = NewTemplate { voice: Some(String::from("nobody")), ..new(WRITTEN) };
    assert_eq!(refused(&caller, nobody).await, TemplateRefusal::NoSuchVoice);
    let short = NewTemplate { longest_ms: Some(8_000), ..new(WRITTEN) };
    assert_eq!(refused(&caller, short).await, TemplateRefusal::WrongLength(8_200));
}

/// Goal: what somebody would hear is told in words and as sound, and equal values are spoken once.
#[tokio::test]
async fn a_message_is_heard_before_it_is_sent() {
    let (world, caller, id) = stage(0).await;
    let app = &world.app;
    let values = vec![(String::from("debt"), String::from("۱٬۵۰۰"))];
    let heard = template::preview(app, &caller, id, &values).await.unwrap();
    let value = Heard::Value {
        name: String::from("debt"),
        value: String::from("1500"),
        spoken: String::from("هزارُ پانصد ریال"),
    };
    assert_eq!(heard.parts, [Heard::Clip(MessageId(1)), value, Heard::Clip(MessageId(2))]);
    let sound = Clip::from_wav(&heard.wav).unwrap();
    assert_eq!(sound.duration_ms(), u64::from(heard.length_ms));
    let again = template::preview(app, &caller, id, &values).await.unwrap();
    assert_eq!((again, world.voice.spoken.load(std::sync::atomic::Ordering::SeqCst)), (heard, 1));

    let why = async |values: &[(String, String)]| {
        refusal(template::preview(app, &caller, id, values).await)
    };
    let SaidRefusal::Value(bad) = why(&[]).await else { panic!("a value is missing") };
    assert_eq!((&*bad.name, bad.why), ("debt", ValueRefusal::Missing));
    let (stranger, _) = world.customer(0).await;
    let theirs = template::preview(app, &stranger, id, &values).await;
    assert_eq!(refusal(theirs), SaidRefusal::NotFound);
}

/// Goal: several numbers hear values of their own, each of its real length and price; who brings
/// no value is told, and costs nothing.
#[tokio::test]
async fn several_numbers_hear_values_of_their_own() {
    let (world, caller, id) = stage(100_000).await;
    let app = &world.app;
    let values = |debt: &str| vec![(String::from("debt"), debt.to_owned())];
    let new = NewBulk {
        content: Content::Personal {
            template: id,
            values: vec![values("5"), values("125000"), Vec::new(), values("5")],
        },
        numbers: ["09121234567", "09121234568", "09121234569", "x"].map(str::to_owned).to_vec(),
        vote: false,
        record_ms: None,
        server: None,
        class: MessageClass::Service,
        follow_up: None,
        max_cost: None,
        request: None,
    };
    let estimate = bulk::estimate(app, &caller, &new).await.unwrap();
    assert_eq!(estimate.speech.0, 0);
    let sent = bulk::send(app, &caller, &new).await.unwrap();
    let clips = [&sent[0], &sent[1]].map(|one| one.as_ref().unwrap().clip_ms);
    assert!(clips[0] < clips[1] && clips[1] == estimate.clip_ms, "{clips:?}");
    assert_eq!(estimate.calls[1], Ok(sent[1].as_ref().unwrap().hold.price));
    assert!(matches!(&sent[2], Err(NumberRefusal::Said(SaidRefusal::Value(_)))), "{:?}", sent[2]);
    assert_eq!(sent[3], Err(NumberRefusal::Text(TextRefusal::WrongNumber)));
    assert_eq!(
        &estimate.calls[2..],
        &[Err(sent[2].clone().unwrap_err()), Err(sent[3].clone().unwrap_err()),]
    );
    let refused = Decision::Refuse(Reason::new("نامفهوم").unwrap());
    app::message::decide(app, MessageId(2), &refused).await.unwrap();
    let late = bulk::send(app, &caller, &new).await.unwrap();
    assert_eq!(late[0], Err(NumberRefusal::Text(TextRefusal::MustBeApproved)));

    let (job, _) = world.dialer.next().await;
    let heard = template::preview(app, &caller, id, &values("125000")).await.unwrap();
    assert_eq!(played(app, &job).await, Clip::from_wav(&heard.wav).unwrap().samples());
    let message = app::message::download(app, &caller, job.message).await.unwrap();
    assert_eq!(message, Some(heard.wav), "its customer hears what the number hears");
    let account = world.refreshed(&caller).await.account;
    let holds: i64 = sent.iter().flatten().map(|one| one.hold.price.0).sum();
    assert_eq!((account.balance.0, account.reserved.0), (100_000, holds));
}

/// Goal: words that nobody listened to are for accounts that need no approval.
#[tokio::test]
async fn free_words_need_the_right_to_say_them() {
    let (world, caller, _) = stage(100_000).await;
    let app = &world.app;
    let made = template::create(app, &caller, new("{clip 1}{text name}")).await.unwrap();
    let content = Content::Personal {
        template: made.id,
        values: vec![vec![(String::from("name"), String::from("علی"))]],
    };
    let new = NewBulk {
        content,
        numbers: vec![String::from("09121234567")],
        vote: false,
        record_ms: None,
        server: None,
        class: MessageClass::Service,
        follow_up: None,
        max_cost: None,
        request: None,
    };
    let mut tied = caller.clone();
    tied.account.approves_own_messages = false;
    let refused = bulk::send(app, &tied, &new).await.unwrap().remove(0);
    assert_eq!(refused, Err(NumberRefusal::Text(TextRefusal::MustBeApproved)));
    assert!(bulk::send(app, &caller, &new).await.unwrap()[0].is_ok());
}

fn plan() -> WrittenPlan {
    WrittenPlan {
        title: String::from("بدهی"),
        start: String::from("2026-11-22 08:00:00"),
        end: String::from("2026-11-24 20:00:00"),
        max_tries: 2,
        minutes_between_tries: 10,
        vote: false,
        record_ms: None,
        server: None,
        priority: 0,
        max_cost: None,
        class: MessageClass::Service,
        opt_out_key: None,
        calls_per_minute: None,
    }
}

async fn campaign(
    world: &World,
    caller: &Caller,
    id: MessageId,
    people: Vec<Person>,
) -> CampaignId {
    let caller = world.refreshed(caller).await;
    let new = NewCampaign {
        message: id.into(),
        numbers: Some(Recipients::People(people)),
        sms: None,
        plan: plan(),
        auto_start: true,
        request: None,
    };
    let made = campaign::create(&world.app, &caller, new).await.unwrap();
    made.id
}

async fn lead(app: &App) -> NodeStamp {
    dialing::take_node(app, "a", NOON.plus_ms(9_000_000_000)).await.unwrap()
}

/// Goal: a campaign speaks ahead, calls in its order, and each hears its own; who cannot be spoken
/// to ends with the reason and no charge, and an engine that fails only delays.
#[tokio::test]
async fn a_campaign_speaks_ahead_of_its_calls() {
    let (world, caller, id) = stage(100_000).await;
    let app = &world.app;
    lead(app).await;
    let made = template::create(app, &caller, new("{text name}{clip 1}")).await.unwrap();
    assert_ne!(made.id, id);
    let said = |number: &str, name: &str| Person {
        number: number.to_owned(),
        values: vec![(String::from("name"), name.to_owned())],
    };
    let people = vec![
        said("09121234567", "علی"),
        said("09121234568", "سکوت"),
        said("09121234569", "خراب"),
        said("09121234560", "علی"),
    ];
    let id = campaign(&world, &caller, made.id, people).await;
    assert!(campaign::feed(app, app.now()).await.unwrap().is_empty(), "nothing was spoken");
    let explained = app::explain::recipient(app, &caller, RecipientId { campaign: id, n: 1 });
    let explained = explained.await.unwrap().unwrap();
    let closed: Vec<_> = explained.gates.iter().filter(|gate| !gate.open).collect();
    assert_eq!(closed.len(), 1, "{closed:?}");
    assert_eq!(closed[0].gate, domain::explanation::Gate::Spoken);

    let mut ahead = template::Ahead::default();
    assert!(!ahead.speak(app).await.unwrap(), "the engine fails the third");
    let jobs = campaign::feed(app, app.now()).await.unwrap();
    assert_eq!(jobs.len(), 2, "in their order, up to the one that waits");
    assert!(jobs[1].blob.is_empty(), "silence cannot be heard");
    let heard = template::preview_of_recipient(app, &caller, RecipientId { campaign: id, n: 1 });
    let heard = heard.await.unwrap();
    assert_eq!(played(app, &jobs[0]).await, Clip::from_wav(&heard.wav).unwrap().samples());
    assert_eq!(jobs[0].clip_ms, heard.length_ms);
    let (stranger, _) = world.customer(0).await;
    let theirs = RecipientId { campaign: id, n: 1 };
    let theirs = template::preview_of_recipient(app, &stranger, theirs).await;
    assert_eq!(refusal(theirs), SaidRefusal::NotFound);

    let cause = domain::dialer::disposition::NOT_SPOKEN;
    let untried = dialing::Untried::of(jobs[1].quick_send, cause);
    dialing::expire(app, vec![untried], app.now()).await.unwrap();
    let seen = campaign::recipients(app, caller.account.id, id, 0, 9).await.unwrap().unwrap();
    let ended = domain::campaign::RecipientStatus::Of(Status::Ended(Disposition::Cancelled));
    assert_eq!((seen[1].status, seen[1].stored.charge.0), (ended, 0));
    let seen = campaign::find(app, caller.account.id, id).await.unwrap().unwrap();
    assert_eq!((seen.campaign.state, seen.campaign.open), (State::Running, 1));
}

/// Goal: a list is told row by row by its values, from JSON and from a file, and a redial says the
/// same to those whom it calls again.
#[tokio::test]
async fn lists_bring_values() {
    let (world, caller, id) = stage(1_000_000).await;
    let (app, account) = (&world.app, caller.account.id);
    let first = vec![person("09121234567", "500"), person("09121234568", "much")];
    let id = campaign(&world, &caller, id, first).await;
    let plain = List::Written(String::from("09121234569"));
    let plain = campaign::look_through(app, account, id, plain).await.unwrap();
    let why = plain.rest.invalid_rows[0].value.as_ref().unwrap();
    assert_eq!((plain.accepted, &*why.name, why.why), (0, "debt", ValueRefusal::Missing));
    let file = "شماره,Debt\n09121234560,۲۰۰\n09121234561,x\n".as_bytes();
    let file = List::csv(file.into(), Wanted::Any);
    let added = campaign::add_numbers(app, account, id, file).await.unwrap();
    let bad = &added.rest.invalid_rows[0];
    assert_eq!((added.accepted, bad.row, &*bad.excerpt), (1, 3, "09121234561"));
    let headless = List::csv("09121234562,5".as_bytes().into(), Wanted::Any);
    let headless = campaign::add_numbers(app, account, id, headless).await;
    let unreadable = campaign::ListRefusal::Unreadable(campaign::Unreadable::NoValueColumn);
    assert_eq!(refusal(headless), unreadable);

    campaign::cancel(app, account, id).await.unwrap();
    let new = campaign::NewRedial {
        start: String::from("2026-11-22 08:00"),
        end: String::from("2026-11-24 20:00"),
        max_cost: None,
    };
    let again = campaign::redial(app, &caller, id, &new, None).await.unwrap();
    assert_eq!(again.added.accepted, 2);
    let second = RecipientId { campaign: again.id, n: 2 };
    let heard = template::preview_of_recipient(app, &caller, second).await.unwrap();
    let value = &heard.parts[1];
    assert!(matches!(value, Heard::Value { value, .. } if value == "200"), "{value:?}");
    let own = "09120000001";
    let sent = campaign::rehearse(app, &caller, again.id, (own, None), None).await;
    assert_eq!(sent.unwrap().unwrap().clip_ms, heard.length_ms, "the first one's debt is as long");
}

/// Goal: a campaign that plays one message for all takes no values.
#[tokio::test]
async fn values_need_a_template() {
    let (world, caller, _) = stage(100_000).await;
    let new = NewCampaign {
        message: MessageId(1).into(),
        numbers: Some(Recipients::People(vec![person("09121234567", "500")])),
        sms: None,
        plan: plan(),
        auto_start: true,
        request: None,
    };
    let refused = campaign::create(&world.app, &caller, new).await;
    assert!(matches!(refused, Err(Error::Refused(campaign::CreateRefusal::Invalid))));
}

/// Goal: a campaign that an engine fails waits alone, and is tried again after a while.
#[tokio::test]
async fn a_failing_campaign_keeps_no_other_waiting() {
    let (world, caller, _) = stage(1_000_000).await;
    let app = &world.app;
    lead(app).await;
    let made = template::create(app, &caller, new("{text name}{clip 1}")).await.unwrap();
    let said = |n: u32, name: &str| Person {
        number: format!("0912{n:07}"),
        values: vec![(String::from("name"), name.to_owned())],
    };
    let broken = campaign(&world, &caller, made.id, vec![said(1, "خراب")]).await;
    let people = (2..47).map(|n| said(n, "علی")).collect();
    campaign(&world, &caller, made.id, people).await;
    let mut ahead = template::Ahead::default();
    let spoken = || world.voice.spoken.load(std::sync::atomic::Ordering::SeqCst);
    let before = spoken();
    assert!(ahead.speak(app).await.unwrap(), "there are more of the second one");
    assert!(ahead.speak(app).await.unwrap());
    assert!(!ahead.speak(app).await.unwrap(), "all of the second one are spoken to");
    assert_eq!(spoken() - before, 2, "one name, and the broken one once");
    assert_eq!(campaign::feed(app, app.now()).await.unwrap().len(), 45);
    world.clock.advance_ms(10_001);
    ahead.speak(app).await.unwrap();
    assert_eq!(spoken() - before, 3, "it is tried again");
    let seen = campaign::find(app, caller.account.id, broken).await.unwrap().unwrap();
    assert_eq!(seen.campaign.open, 0);
}

/// Goal: a value that the engine refuses ends its recipient, and the campaign goes on.
#[tokio::test]
async fn a_refused_value_ends_its_recipient_alone() {
    let (world, caller, _) = stage(1_000_000).await;
    let app = &world.app;
    lead(app).await;
    let made = template::create(app, &caller, new("{text name}{clip 1}")).await.unwrap();
    let said = |number: &str, name: &str| Person {
        number: number.to_owned(),
        values: vec![(String::from("name"), name.to_owned())],
    };
    let people = vec![said("09121234567", "نگو"), said("09121234568", "علی")];
    campaign(&world, &caller, made.id, people).await;
    template::Ahead::default().speak(app).await.unwrap();
    let jobs = campaign::feed(app, app.now()).await.unwrap();
    let played: Vec<bool> = jobs.iter().map(|job| !job.blob.is_empty()).collect();
    assert_eq!(played, [false, true]);
}

/// Goal: an engine that refuses whatever it is given, or makes no sound of it, is broken: it ends
/// nobody's message, and all of them are spoken when it works again.
#[tokio::test]
async fn a_broken_engine_ends_no_message() {
    let (world, caller, id) = stage(1_000_000).await;
    let app = &world.app;
    lead(app).await;
    campaign(&world, &caller, id, vec![person("09121234567", "500")]).await;
    world.voice.broken.store(true, std::sync::atomic::Ordering::SeqCst);
    let mut ahead = template::Ahead::default();
    ahead.speak(app).await.unwrap();
    assert!(campaign::feed(app, app.now()).await.unwrap().is_empty(), "it waits");
    let heard = template::preview(app, &caller, id, &person("", "700").values).await;
    assert!(matches!(heard, Err(Error::Failed(_))), "{heard:?}");
    world.voice.broken.store(false, std::sync::atomic::Ordering::SeqCst);
    ahead.speak(app).await.unwrap();
    assert!(campaign::feed(app, app.now()).await.unwrap().is_empty(), "it is left alone a while");
    world.clock.advance_ms(10_001);
    ahead.speak(app).await.unwrap();
    let jobs = campaign::feed(app, app.now()).await.unwrap();
    assert!(!jobs[0].blob.is_empty());
}

/// Goal: with a template that was deleted nothing is begun, and what was begun goes on.
#[tokio::test]
async fn a_template_can_be_deleted() {
    let (world, caller, id) = stage(1_000_000).await;
    let app = &world.app;
    lead(app).await;
    let begun = campaign(&world, &caller, id, vec![person("09121234567", "500")]).await;
    let (stranger, _) = world.customer(0).await;
    assert!(!template::delete(app, &stranger, id).await.unwrap());
    assert!(template::delete(app, &caller, id).await.unwrap());
    assert!(!template::delete(app, &caller, id).await.unwrap(), "once");
    assert!(template::find(app, &caller, id).await.unwrap().is_none());
    assert!(template::page(app, &caller, None, 9).await.unwrap().is_empty());
    let account = caller.account.id;
    let values = List::csv("شماره,debt\n09121234569,700\n".as_bytes().into(), Wanted::Any);
    let added = campaign::add_numbers(app, account, begun, values).await.unwrap();
    assert_eq!(added.accepted, 1, "as its template says");
    let plain = List::Written(String::from("09121234560"));
    let plain = campaign::add_numbers(app, account, begun, plain).await;
    assert_eq!(refusal(plain), campaign::ListRefusal::NoNumber, "it has no value");
    template::Ahead::default().speak(app).await.unwrap();
    let jobs = campaign::feed(app, app.now()).await.unwrap();
    assert_eq!(jobs.len(), 2, "the campaign goes on");
    assert!(jobs.iter().all(|job| !job.blob.is_empty()));
    let new = NewCampaign {
        message: id.into(),
        numbers: Some(Recipients::People(vec![person("09121234568", "500")])),
        sms: None,
        plan: plan(),
        auto_start: true,
        request: None,
    };
    let refused = refusal(campaign::create(app, &caller, new).await);
    assert_eq!(refused, campaign::CreateRefusal::WrongMessage);
}
