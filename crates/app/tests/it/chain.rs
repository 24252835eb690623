//! Evidence that cannot be bent: through the use cases that write it.

use app::chain::{self, ResumeRefusal, STAFF, Standing, Wrong};
use app::error_report::{self, Reported};
use app::opening_hours::{self, NewHours};
use app::outage::{self, NewOutage};
use app::staff::{self, Deed};
use app::ticket;
use app::violation::{self, NewViolation};
use app::{
    Settings, capacity_test, holiday, invoice, promise, remote_session, subscription, support_call,
};
use domain::agreement::contact::{Channel, Outcome};
use domain::agreement::scope::{Group, Paths, Scope};
use domain::agreement::violation::Clause;
use domain::calendar::day::Day;
use domain::calendar::holiday::{Holiday, HolidayBasis, HolidayStatus};
use domain::calendar::opening_hours::CalendarKind;
use domain::calendar::span::Span;
use domain::chain::Head;
use store::{Options, Value};

use crate::engines::{postgres, remove};
use crate::money::{hour, plan};
use crate::refusal;
use crate::violation::{go_to, month, span};
use crate::world::World;

fn late(n: u32) -> NewViolation {
    NewViolation {
        account: None,
        clause: Clause::Capacity,
        span: span("1405/08/20 10:00", "1405/08/20 11:00"),
        evidence: vec!["log 7".to_owned()],
        reference: format!("test:{n}"),
        actor: "Reza".to_owned(),
    }
}

/// What is wrong, by the number of its entry.
async fn wrong(world: &World, seen: &[Head]) -> Vec<(i64, Wrong)> {
    let verified = chain::verify(&world.app, seen).await.unwrap();
    verified.wrong.into_iter().map(|(number, (wrong, _))| (number, wrong)).collect()
}

pub async fn bend(world: &World, sql: &'static str) {
    let mut tx = world.db.begin().await.unwrap();
    assert!(tx.execute(sql, &[]).await.unwrap() > 0, "{sql}");
    tx.commit().await.unwrap();
}

/// I17. Goal: where nodes share a database, what is told at the desk has the time of its clock, and
/// not that of the node that took it in.
#[tokio::test]
async fn what_is_told_at_the_desk_has_the_authoritys_time() {
    let Some((server, url)) = postgres().await else { return };
    // The node's clock stands at another day; so far off it may be here.
    let options = Options { clock_limit_us: Some(i64::MAX), ..Options::default() };
    let world = World::opened(&url, Settings::default(), options).await;
    let app = &world.app;
    let node = app.now();
    let account = world.customer(0).await.0.account.id;
    let asked = ticket::Asked {
        channel: domain::agreement::ticket::Channel::Form,
        subject: "s".to_owned(),
        text: "t".to_owned(),
        about: None,
        context: Vec::new(),
    };
    let who = ticket::Who::Customer(account);
    let (opened, _) = ticket::open(app, account, who, &asked).await.unwrap();
    let reported = Reported { ticket: None, title: "t".to_owned(), description: "d".to_owned() };
    let report = error_report::report(app, account, &reported).await.unwrap();
    let call = support_call::joined(app, None, Some("09121234567"), "switch").await.unwrap();
    let entry = violation::record(app, late(1)).await.unwrap();
    let new = NewOutage {
        paths: Paths::ALL,
        scope: Scope::everyone(),
        from: node.plus_us(-7_000_000),
        to: None,
        cause: "power".to_owned(),
        evidence: "monitor 3".to_owned(),
        author: "Zahra".to_owned(),
    };
    let outage = outage::record(app, new).await.unwrap();
    let told = [
        ticket::find(app, None, opened).await.unwrap().unwrap().kept.new.opened_at,
        error_report::find(app, None, report).await.unwrap().unwrap().kept.new.reported_at,
        support_call::find(app, call).await.unwrap().unwrap().call.joined_at,
        violation::find(app, entry).await.unwrap().unwrap().steps[0].at,
    ];
    let time = Span { from: node.plus_us(-60_000_000), to: node.plus_us(1) };
    let outages = outage::list(app, time).await.unwrap();
    let of_outage = outages.iter().find(|one| one.id == outage).unwrap().recorded_at;
    // All of this takes much less than an hour by whichever clock.
    for at in told.into_iter().chain([of_outage]) {
        let off_us = at.us_since(node).abs();
        assert!(off_us > 3_600_000_000, "{at:?} is the node's");
        assert!(at.us_since(told[0]).abs() < 3_600_000_000, "{at:?} is another's");
    }
    world.books_are_away();
    world.db.clone().close().await;
    remove(&server, &url).await;
}

/// I17. Goal: what else a verdict is made from is in the chain as well: holidays, hours, who was in
/// a group, who saw it work, periods that were not normal, tests of the load.
#[tokio::test]
async fn what_verdicts_are_made_from_is_attested() {
    let world = World::new().await;
    let app = &world.app;
    let account = world.customer(0).await.0.account.id;
    let now = app.now();
    world.clock.advance_ms(60_000);
    let holiday = Holiday {
        day: Day::parse("1405/10/20").unwrap(),
        name: "a decree".to_owned(),
        name_en: String::new(),
        status: HolidayStatus::Confirmed,
        basis: HolidayBasis::Decree,
    };
    holiday::put(app, &holiday).await.unwrap();
    let (all_day, rest) = ("08:00-24:00".to_owned(), "thursday,friday".to_owned());
    let valid_from = Day::parse("1405/10/06").unwrap();
    let hours = NewHours { valid_from, rest_days: rest, ordinary: all_day.clone(), off: all_day };
    opening_hours::add(app, CalendarKind::Support, &hours, "Sara").await.unwrap();
    outage::join(app, Group::Cohort(1), account, (now, "Zahra")).await.unwrap();
    let seen = Span::new(now, app.now()).unwrap();
    outage::saw_working(app, "m", Paths::ALL, &Scope::everyone(), seen).await.unwrap();
    promise::declare(app, seen, "a war", "Maryam").await.unwrap();
    capacity_test::begin(app).await.unwrap();
    assert_eq!(wrong(&world, &[]).await, []);
    for (table, column) in [
        ("holiday", "UPDATE holiday SET day_us = day_us + $1"),
        ("opening-hours", "UPDATE opening_hours SET valid_from_us = valid_from_us + $1"),
        ("membership", "UPDATE group_member SET from_us = from_us + $1"),
        ("worked", "UPDATE watch SET to_us = to_us + $1"),
        ("abnormal-period", "UPDATE abnormal_period SET to_us = to_us + $1"),
        ("capacity-test", "UPDATE capacity_test SET begun_at_us = begun_at_us + $1"),
    ] {
        for (by, expected) in [(1, Some(table)), (-1, None)] {
            let mut tx = world.db.begin().await.unwrap();
            assert_eq!(tx.execute(column, &[Value::Int(by)]).await.unwrap(), 1, "{table}");
            tx.commit().await.unwrap();
            let found = chain::verify(app, &[]).await.unwrap().wrong;
            let kinds = found.values().map(|(_, said)| said.split(' ').next().unwrap());
            assert_eq!(kinds.collect::<Vec<_>>(), expected.into_iter().collect::<Vec<_>>());
        }
    }
    // What is done by the rules is attested again.
    let other = World::new().await;
    let account = other.customer(0).await.0.account.id;
    let from = other.app.now();
    other.clock.advance_ms(60_000);
    outage::join(&other.app, Group::Cohort(1), account, (from, "Zahra")).await.unwrap();
    outage::leave(&other.app, Group::Cohort(1), account, (other.app.now(), "Zahra")).await.unwrap();
    let until = other.app.now();
    for to in [until.plus_us(-30_000_000), until] {
        let seen = Span::new(from, to).unwrap();
        let everyone = Scope::everyone();
        outage::saw_working(&other.app, "m", Paths::ALL, &everyone, seen).await.unwrap();
    }
    opening_hours::add(&other.app, CalendarKind::Support, &hours, "Sara").await.unwrap();
    opening_hours::withdraw(&other.app, CalendarKind::Support, 2, "Sara").await.unwrap();
    assert_eq!(wrong(&other, &[]).await, []);
}

/// I17: whatever of the evidence is changed afterwards is found, by the number of its entry; what
/// is changed by the rules is not.
#[tokio::test]
async fn what_is_bent_is_found_by_its_entry() {
    let world = World::new().await;
    let app = &world.app;
    let first = violation::record(app, late(1)).await.unwrap();
    let new = NewOutage {
        paths: Paths::ALL,
        scope: Scope::everyone(),
        from: app.now().plus_us(-7_000_000),
        to: None,
        cause: "power".to_owned(),
        evidence: "monitor 3".to_owned(),
        author: "Zahra".to_owned(),
    };
    let outage = outage::record(app, new).await.unwrap();
    world.clock.advance_ms(5_000);
    outage::close(app, outage, None, "Zahra").await.unwrap();
    violation::reverse(app, first, "Maryam", "it was none").await.unwrap();
    assert_eq!(wrong(&world, &[]).await, []);
    let verified = chain::verify(app, &[]).await.unwrap();
    // Recorded and told at once, opened and closed, reversed.
    assert_eq!((verified.head.number, verified.facts), (5, 5));
    let listed = chain::list(app, Some("outage"), None, 10).await.unwrap();
    let numbers: Vec<i64> = listed.iter().map(|kept| kept.entry.number).collect();
    assert_eq!(numbers, [4, 3]);

    bend(&world, "UPDATE outage SET to_us = to_us - 1").await;
    assert_eq!(wrong(&world, &[]).await, [(4, Wrong::Fact)]);
    bend(&world, "UPDATE outage SET to_us = to_us + 1").await;
    // Who bends the chain along with the fact is found by what was seen elsewhere.
    let seen = chain::head(app).await.unwrap();
    bend(&world, "DELETE FROM chain_entry WHERE n = 5").await;
    assert_eq!(wrong(&world, &[]).await, [(5, Wrong::End)]);
    bend(&world, "UPDATE chain_head SET n = 4, seal = (SELECT seal FROM chain_entry WHERE n = 4)")
        .await;
    assert_eq!(wrong(&world, &[]).await, []);
    assert_eq!(wrong(&world, std::slice::from_ref(&seen)).await, [(5, Wrong::Seen)]);
    assert!(matches!(chain::standing(app, &seen).await.unwrap(), Standing::Lost(_)));
    bend(&world, "UPDATE chain_entry SET actor = 'Ali' WHERE n = 2").await;
    let found = chain::verify(app, &[]).await.unwrap().wrong;
    assert_eq!(found.keys().collect::<Vec<_>>(), [&2]);
    bend(&world, "UPDATE chain_entry SET actor = 'Reza' WHERE n = 2").await;
}

/// Does something of each kind at the desk and in the books.
async fn a_day_of_desk_and_books(world: &World) {
    let app = &world.app;
    let (caller, _) = world.customer(0).await;
    let account = caller.account.id;
    support_call::joined(app, Some(account), Some("09121234567"), "switch").await.unwrap();
    let (title, description) = ("empty reports".to_owned(), "Nothing is shown.".to_owned());
    let reported = Reported { ticket: None, title, description };
    let report = error_report::report(app, account, &reported).await.unwrap();
    let to = (Channel::Phone, "09121234567");
    error_report::contacted(app, report, "Sara", to, (Outcome::Busy, "")).await.unwrap();
    let kept = error_report::find(app, None, report).await.unwrap().unwrap().kept;
    let ticket = kept.new.ticket.unwrap();
    ticket::answer(app, ticket, "Sara", "We look into it.").await.unwrap();
    remote_session::ask(app, ticket, "Sara", "to see it").await.unwrap();
    let plan = subscription::add_plan(app, &plan("all", 1, 1_000)).await.unwrap();
    subscription::start(app, account, plan, month("1405-09"), "Sara").await.unwrap();
    go_to(world, "1405/09/04 00:00");
    hour(app).await;
    let invoices = invoice::list(app, account, None, 1).await.unwrap();
    invoice::pay(app, invoices[0].id, ("bank 1", None), "Sara").await.unwrap();
}

/// I17: what was said and when at the desk, and what was billed, is evidence like any other.
#[tokio::test]
async fn desk_and_books_are_in_the_chain() {
    let world = World::new().await;
    a_day_of_desk_and_books(&world).await;
    assert_eq!(wrong(&world, &[]).await, []);
    let bent = [
        (
            "UPDATE support_call_step SET at_us = at_us - 1",
            "UPDATE support_call_step SET at_us = at_us + 1",
        ),
        (
            "UPDATE error_report SET title = title || '!'",
            "UPDATE error_report SET title = 'empty reports'",
        ),
        (
            "UPDATE contact_attempt SET result = 'reached'",
            "UPDATE contact_attempt SET result = 'busy'",
        ),
        ("UPDATE ticket_step SET at_us = at_us - 1", "UPDATE ticket_step SET at_us = at_us + 1"),
        ("UPDATE remote_session SET expert = 'Ali'", "UPDATE remote_session SET expert = 'Sara'"),
        (
            "UPDATE subscription_state SET at_us = at_us - 1",
            "UPDATE subscription_state SET at_us = at_us + 1",
        ),
        (
            "UPDATE invoice SET paid_at_us = paid_at_us - 1",
            "UPDATE invoice SET paid_at_us = paid_at_us + 1",
        ),
    ];
    for (there, back) in bent {
        bend(&world, there).await;
        let found = wrong(&world, &[]).await;
        assert!(!found.is_empty(), "{there} is not seen");
        assert!(found.iter().all(|(_, wrong)| *wrong == Wrong::Fact), "{found:?}");
        bend(&world, back).await;
        assert_eq!(wrong(&world, &[]).await, [], "{back}");
    }
}

/// A chain that is gone on with after a backup was put back says so for ever, and who said it.
#[tokio::test]
async fn a_chain_is_resumed_by_somebody() {
    let world = World::new().await;
    let app = &world.app;
    violation::record(app, late(1)).await.unwrap();
    let seen = chain::head(app).await.unwrap();
    let resume = async |seen: &Head, because: &str| chain::resume(app, seen, because, "Reza").await;
    assert_eq!(refusal(resume(&seen, "a disk was lost").await), ResumeRefusal::Holds);
    let lost = Head { number: 9, ..seen.clone() };
    assert_eq!(refusal(resume(&lost, " ").await), ResumeRefusal::Unsigned);
    let head = resume(&lost, "a disk was lost").await.unwrap();
    assert_eq!(head.number, seen.number + 1);
    let verified = chain::verify(app, &[seen]).await.unwrap();
    let [resumed] = &verified.resumed[..] else { panic!("{verified:?}") };
    let note = resumed.note.as_deref().unwrap();
    assert!(note.contains("seen 9:") && note.ends_with("a disk was lost"), "{note}");
    assert_eq!(resumed.entry.actor, "Reza");
    let nodes = async || chain::nodes(app).await.unwrap();
    chain::tell(app, "a", 0, Some("entry 9 is lost".to_owned())).await.unwrap();
    assert_eq!(nodes().await[0].broken.as_deref(), Some("entry 9 is lost"));
    let alerts = app::alert::now(app).await.unwrap();
    assert_eq!(alerts["chain:a"], "entry 9 is lost");
    chain::tell(app, "a", 6_000_000, None).await.unwrap();
    let alerts = app::alert::now(app).await.unwrap();
    assert_eq!(alerts.into_keys().collect::<Vec<_>>(), ["clock:node-a"]);
    // What is the same is not written again each time, but now and then.
    let heard = nodes().await[0].heard_at;
    world.clock.advance_ms(10_000);
    chain::tell(app, "a", 6_000_000, None).await.unwrap();
    assert_eq!(nodes().await[0].heard_at, heard);
    world.clock.advance_ms(60_000);
    chain::tell(app, "a", 6_000_000, None).await.unwrap();
    assert!(nodes().await[0].heard_at > heard);
}

/// Whatever staff changes is noted with who did it, in the same commit; what changes nothing is
/// not. A note can be blanked, for the sake of whom it names, and not changed.
#[tokio::test]
async fn what_staff_does_is_noted() {
    let world = World::new().await;
    let app = &world.app;
    let deed = |line: &str| Deed {
        actor: "ali".to_owned(),
        command: "violation record".to_owned(),
        line: line.to_owned(),
    };
    let (done, changed) = staff::does(deed("violation record …"), async {
        let one = violation::record(app, late(1)).await?;
        violation::tell(app, one, "Reza", "by phone").await
    })
    .await;
    refusal(done);
    assert!(changed);
    let bad = NewViolation { reference: String::new(), ..late(2) };
    let (done, changed) = staff::does(deed("refused"), violation::record(app, bad)).await;
    refusal(done);
    assert!(!changed);
    let (_, changed) = staff::does(deed("looks"), violation::find(app, 1)).await;
    assert!(!changed);
    violation::record(app, late(3)).await.unwrap();
    let noted = chain::list(app, Some(STAFF), None, 10).await.unwrap();
    let [one] = &noted[..] else { panic!("{noted:?}") };
    assert_eq!((one.entry.actor.as_str(), one.entry.subject.as_str()), ("ali", "violation record"));
    assert_eq!(one.note.as_deref(), Some("violation record …"));
    bend(&world, "UPDATE chain_entry SET note = 'x' WHERE kind = 'staff'").await;
    assert_eq!(wrong(&world, &[]).await, [(one.entry.number, Wrong::Note)]);
    bend(&world, "UPDATE chain_entry SET note = NULL WHERE kind = 'staff'").await;
    assert_eq!(wrong(&world, &[]).await, []);
}
