//! The manager's board: every clock that runs is on it, and no other.

use app::claim::{self, Asked as Claimed};
use app::error_report::{self, Reported};
use app::maintenance::{self, NewPlan};
use app::ticket::{self, Asked, Who};
use app::violation::{self, Answer, NewViolation};
use app::{alert, board, support_call};
use domain::agreement::availability::Window;
use domain::agreement::board::{Entry, Subject, Urgency};
use domain::agreement::claim::Track;
use domain::agreement::error_report::Finding;
use domain::agreement::scope::{Group, Paths, Scope};
use domain::agreement::ticket::Channel;
use domain::agreement::violation::Clause;
use domain::{AccountId, Timestamp};

use crate::violation::{at, go_to, span};
use crate::world::World;

async fn shown(world: &World) -> Vec<(Subject, i64, Urgency)> {
    let all = board::show(&world.app).await.unwrap();
    all.into_iter().map(|entry: Entry| (entry.subject, entry.id, entry.urgency)).collect()
}

async fn ticket(world: &World, account: AccountId) -> i64 {
    let (subject, text) = ("s".to_owned(), "t".to_owned());
    let asked = Asked { channel: Channel::Form, subject, text, about: None, context: Vec::new() };
    ticket::open(&world.app, account, Who::Customer(account), &asked).await.unwrap().0
}

async fn announce(world: &World, from: &str, to: &str) -> i64 {
    let plan = Window { paths: Paths::ALL, scope: Scope::everyone(), span: span(from, to) };
    let new = NewPlan { plan: Some(plan), author: "Reza".to_owned(), confirmed: true };
    maintenance::announce(&world.app, "disks", None, new).await.unwrap().id
}

/// T105, C03: every clock is there by when it is due, with who has it; what is done is not; and
/// what is missed or due soon is told.
#[tokio::test]
async fn every_clock_that_runs_is_on_the_board() {
    use Subject as S;
    use Urgency::{Missed, Paused, Running, Soon};
    let world = World::new().await;
    let app = &world.app;
    let (caller, _) = world.customer(0).await;
    let account = caller.account.id;
    assert_eq!(shown(&world).await, []);
    assert_eq!(alert::now(app).await.unwrap().len(), 0);

    let asked = ticket(&world, account).await;
    ticket::assign(app, asked, "Reza", "Sara").await.unwrap();
    let answered = ticket(&world, account).await;
    ticket::answer(app, answered, "Sara", "Done.").await.unwrap();
    let reported =
        Reported { ticket: Some(answered), title: "t".to_owned(), description: "d".to_owned() };
    let report = error_report::report(app, account, &reported).await.unwrap();
    let call = support_call::joined(app, Some(account), Some("09121234567"), "switch").await;
    let call = call.unwrap();
    support_call::register(app, call, None, "switch").await.unwrap();
    let claimed = Claimed {
        track: Track::Support,
        event_at: at("1405/09/01 10:00"),
        statement: "Nobody answered.".to_owned(),
    };
    let claim = claim::file(app, &caller, &claimed).await.unwrap();
    claim::complete(app, claim, &[], "Maryam").await.unwrap();
    maintenance::add_channel(app, "bale").await.unwrap();
    let notice = announce(&world, "1405/09/10 02:00", "1405/09/10 04:00").await;
    let new = NewViolation {
        account: Some(account),
        clause: Clause::Payment,
        span: span("1405/08/01 00:00", "1405/08/02 00:00"),
        evidence: vec!["invoice 1".to_owned()],
        reference: "invoice:1".to_owned(),
        actor: "Reza".to_owned(),
    };
    let entry = violation::record(app, new).await.unwrap();
    violation::answer(app, account, entry, Answer::Dispute("It was paid.")).await.unwrap();

    // The callback's ticket is due as all tickets are.
    let expected = [
        (S::Callback, call, Running),
        (S::Ticket, asked, Running),
        (S::Ticket, answered + 1, Running),
        (S::Triage, report, Running),
        (S::Notice, notice, Running),
        (S::Claim, claim, Running),
        (S::Dispute, entry, Running),
    ];
    assert_eq!(shown(&world).await, expected);
    let all = board::show(app).await.unwrap();
    assert_eq!(all[1].holder.as_deref(), Some("Sara"));
    assert_eq!((all[3].due, all[6].due), (Some(at("1405/09/02 12:00")), None));

    go_to(&world, "1405/09/01 22:00");
    error_report::ask(app, report, "Sara", at("1405/09/02 11:00"), "AnyDesk").await.unwrap();
    let urgent = shown(&world).await;
    let callback = (S::Callback, call, Missed);
    assert_eq!(urgent[..2], [callback, (S::Ticket, asked, Soon)]);
    let told = alert::now(app).await.unwrap();
    assert_eq!(told["desk:callback"], format!("1 missed, 0 due soon, the first of them {call}"));
    assert_eq!(told["desk:ticket"], format!("0 missed, 2 due soon, the first of them {asked}"));

    go_to(&world, "1405/09/02 11:30");
    let clock = async |of| shown(&world).await.into_iter().find(|(one, ..)| *one == of);
    assert_eq!(clock(S::Triage).await, Some((S::Triage, report, Soon)), "it waits for nothing");
    error_report::found(app, report, "Sara", Finding::Minor, "Ours.").await.unwrap();
    world.clock.advance_ms(1);
    assert_eq!(clock(S::Fix).await, Some((S::Fix, report, Paused)));
    ticket::answer(app, asked, "Sara", "Late.").await.unwrap();
    ticket::answer(app, answered + 1, "Sara", "Late.").await.unwrap();
    let left: Vec<Subject> = shown(&world).await.iter().map(|(of, ..)| *of).collect();
    assert_eq!(left, [S::Callback, S::Fix, S::Notice, S::Claim, S::Dispute]);
}

/// C03, C14. Goal: who waits on the line is on the board until he is answered, and is missed once
/// the offer to be called back is late.
#[tokio::test]
async fn who_waits_on_the_line_is_on_the_board() {
    let world = World::new().await;
    let app = &world.app;
    let call = support_call::joined(app, None, Some("09121234567"), "switch").await.unwrap();
    let entry = async || board::show(app).await.unwrap().pop();
    let waits = entry().await.unwrap();
    assert_eq!((waits.subject, waits.id, waits.urgency), (Subject::Caller, call, Urgency::Running));
    assert_eq!(waits.due, Some(at("1405/09/01 12:01:20")));
    world.clock.advance_ms(83_000);
    assert_eq!(entry().await.unwrap().urgency, Urgency::Missed);
    assert!(alert::now(app).await.unwrap().contains_key("desk:caller"));
    support_call::offered(app, call, "switch").await.unwrap();
    let offered = entry().await.unwrap();
    assert_eq!((offered.due, offered.urgency), (None, Urgency::Missed));
    support_call::answered(app, call, "Sara").await.unwrap();
    assert_eq!(entry().await, None);
}

/// C03. Goal: a frozen month that nobody can decide is on the board until the time for evidence
/// ends, more urgent the nearer that is; a month that is decided is not.
#[tokio::test]
async fn a_month_whose_evidence_runs_out_is_on_the_board() {
    let world = World::new().await;
    world.customer(0).await;
    go_to(&world, "1405/10/05 12:00");
    app::availability::freeze_due(&world.app).await.unwrap();
    let month = async || {
        let all = board::show(&world.app).await.unwrap();
        all.into_iter().find(|entry| entry.subject == Subject::Evidence)
    };
    let entry = month().await.unwrap();
    assert_eq!((entry.id, entry.urgency), (140_509, Urgency::Running));
    assert_eq!(entry.due, Some(at("1405/10/14 21:00")));
    go_to(&world, "1405/10/13 12:00");
    assert_eq!(month().await.unwrap().urgency, Urgency::Soon);
    go_to(&world, "1405/10/14 21:00");
    assert_eq!(month().await, None);
}

/// C03. Goal: a frozen month that something touches later is on the board, with as many days as its
/// evidence had since the first of it, and told when they are nearly over; once somebody has signed
/// what changed it is not.
#[tokio::test]
async fn a_month_that_is_due_for_review_is_on_the_board() {
    let world = World::new().await;
    let app = &world.app;
    let account = world.customer(0).await.0.account.id;
    world.customer(0).await;
    go_to(&world, "1405/10/05 12:00");
    app::availability::freeze_due(app).await.unwrap();
    let review = async || {
        let all = board::show(app).await.unwrap();
        all.into_iter().find(|entry| entry.subject == Subject::Review)
    };
    let late = async |hours, scope| {
        let time = span("1405/09/10 10:00", hours);
        let new = app::outage::NewOutage {
            paths: Paths::ALL,
            scope,
            from: time.from,
            to: Some(time.to),
            cause: "power".to_owned(),
            evidence: "log 7".to_owned(),
            author: "Zahra".to_owned(),
        };
        app::outage::record(app, new).await.unwrap();
    };
    assert_eq!(review().await, None);
    late("1405/09/10 11:00", Scope::everyone()).await;
    let entry = review().await.unwrap();
    assert_eq!((entry.id, entry.account, entry.urgency), (140_509, None, Urgency::Running));
    assert_eq!(entry.since, at("1405/10/05 12:00"));
    assert_eq!(entry.due, Some(at("1405/10/15 21:00")));
    assert!(!alert::now(app).await.unwrap().contains_key("desk:review"));
    // What comes later moves nothing of what waits already.
    go_to(&world, "1405/10/14 12:00");
    late("1405/09/10 12:00", Scope::new(vec![Group::Account(account)]).unwrap()).await;
    let entry = review().await.unwrap();
    assert_eq!((entry.due, entry.urgency), (Some(at("1405/10/15 21:00")), Urgency::Soon));
    let told = alert::now(app).await.unwrap();
    assert_eq!(told["desk:review"], "0 missed, 1 due soon, the first of them 140509");
    go_to(&world, "1405/10/15 21:01");
    assert_eq!(review().await.unwrap().urgency, Urgency::Missed);
    let azar = domain::calendar::month::PersianMonth::parse("1405-09").unwrap();
    app::availability::revise_touched(app, azar, "late logs", "Maryam").await.unwrap();
    assert_eq!(review().await, None);
}

/// What is due at night has to be done in the evening (T020).
#[tokio::test]
async fn by_when_somebody_can_act_is_told() {
    let world = World::new().await;
    let (caller, _) = world.customer(0).await;
    go_to(&world, "1405/09/05 23:50");
    let reported = Reported { ticket: None, title: "t".to_owned(), description: "d".to_owned() };
    error_report::report(&world.app, caller.account.id, &reported).await.unwrap();
    let all = board::show(&world.app).await.unwrap();
    let triage = all.iter().find(|entry| entry.subject == Subject::Triage).unwrap();
    assert_eq!(triage.due, Some(at("1405/09/06 23:50")));
    assert_eq!(triage.act_by, Some(at("1405/09/06 22:00")));
    assert_eq!(triage.since, Timestamp(at("1405/09/05 23:50").0));
}
