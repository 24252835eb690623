//! Holidays as the operator has changed them: who calls and who waits goes by them from the moment
//! they are entered, and nothing before that.

use app::dialing::{self, ReadyJob};
use app::error_report::{self, Reported};
use app::explain;
use app::holiday::{self, HolidayRefusal};
use app::support_call::{self, SupportCallRefusal};
use app::ticket::{self, Asked, Who};
use app::{board, campaign, claim, class, quick_send};
use domain::agreement::error_report::{Finding, Metric};
use domain::agreement::support_call::Refusal as Closed;
use domain::agreement::ticket::Channel;
use domain::calendar::day::Day;
use domain::calendar::holiday::{Holiday, HolidayBasis, HolidayStatus, read};
use domain::calendar::opening_hours::DayType;
use domain::class::{Policy, hours_text};
use domain::explanation::Gate;
use domain::quick_send::Refusal;
use domain::{MessageClass, RecipientId, Timestamp};

use crate::calls::{ended, lease};
use crate::campaign::new_campaign;
use crate::engines::on_both_engines;
use crate::refusal;
use crate::violation::{at, go_to};
use crate::world::{NOON, World};

const NAME: &str = "تعطیلی آلودگی هوا";

fn decree(day: Day) -> Holiday {
    Holiday {
        day,
        name: String::from(NAME),
        name_en: String::new(),
        status: HolidayStatus::Confirmed,
        basis: HolidayBasis::Decree,
    }
}

/// Lets service messages rest on holidays.
async fn rest_on_holidays(world: &World) {
    let change = |old: Policy| {
        let hours = Policy::read_hours(&hours_text(&old.hours, DayType::Ordinary), "none")?;
        Ok(Policy { hours, ..old })
    };
    class::set(&world.app, MessageClass::Service, change).await.unwrap();
}

/// Goal: a day that becomes a holiday stops the campaigns of a class that rests on holidays, for
/// what waits and for what is sent, and everybody is told why; what was called before was lawful.
async fn a_campaign_rests_from_when_a_holiday_is_entered(world: &World) {
    let app = &world.app;
    rest_on_holidays(world).await;
    let (caller, _) = world.customer(1_000_000).await;
    let message = world.message(&caller, 4_000).await.id;
    let mut new = new_campaign(message);
    new.numbers = Some(String::from("09121234560,09121234561,09121234562").into());
    let id = campaign::create(app, &caller, new).await.unwrap().id;
    let node = dialing::take_node(app, "a", NOON.plus_ms(86_400_000)).await.unwrap();
    let jobs = campaign::feed(app, app.now()).await.unwrap();
    let call = async |job: &ReadyJob| {
        let now = app.now();
        let attempt = lease(world, node, job, now).await.attempt().unwrap();
        let meaning = dialing::Meaning::Decided(domain::Disposition::NoAnswer);
        dialing::settle(app, vec![ended(job, attempt, meaning, now)]).await.unwrap();
    };
    call(&jobs[0]).await;

    world.clock.advance_ms(60_000);
    let today = Day::of(app.now());
    holiday::put(app, &decree(today)).await.unwrap();
    world.clock.advance_ms(60_000);
    let opens_at = today.next().at_minute(7 * 60);
    let waits = async |n: u32, gate: Gate| {
        let told = explain::recipient(app, &caller, RecipientId { campaign: id, n }).await;
        let told = told.unwrap().unwrap();
        let closed = told.gates.into_iter().find(|one| one.gate == gate && !one.open);
        closed.and_then(|one| one.opens_at)
    };
    // One that waits for another try, and one that stands in the line.
    assert_eq!(waits(1, Gate::ClassHours).await, Some(opens_at));
    assert_eq!(waits(2, Gate::ClassHours).await, Some(opens_at));
    let send = || {
        let new = crate::quick_send::new_send(message, "09121234569");
        quick_send::submit(app, &caller, new)
    };
    assert_eq!(refusal(send().await), Refusal::TimeNotAllowed);
    let more = campaign::create(app, &caller, new_campaign(message)).await.unwrap().id;
    assert_eq!(campaign::feed(app, app.now()).await.unwrap(), [], "nobody of {more} either");
    let judged = async || {
        let reports = app::judge::judge(app, Timestamp(0)).await.unwrap();
        let report = &reports[&Some(id)];
        (report.allowed, report.is_clean())
    };
    assert_eq!(judged().await, (1, true));

    holiday::withdraw(app, today, NAME).await.unwrap();
    world.clock.advance_ms(60_000);
    assert_eq!(waits(2, Gate::ClassHours).await, None);
    call(&jobs[1]).await;
    send().await.unwrap();
    assert!(!campaign::feed(app, app.now()).await.unwrap().is_empty());
    assert_eq!(judged().await, (2, true));
}

/// Goal: the desk goes by the operator's holidays, too, and what was to be done by then has no less
/// time because a day became one.
async fn a_holiday_closes_the_desk_and_takes_no_time_from_it(world: &World) {
    let app = &world.app;
    let (caller, _) = world.customer(0).await;
    let account = caller.account.id;
    go_to(world, "1405/09/08 12:00");
    let asked = Asked {
        channel: Channel::Phone,
        subject: String::from("s"),
        text: String::from("t"),
        about: None,
        context: Vec::new(),
    };
    let open = async || ticket::open(app, account, Who::Customer(account), &asked).await.unwrap().0;
    let due = async |id| ticket::find(app, Some(account), id).await.unwrap().unwrap().due;
    let (evening, end) = (at("1405/09/08 22:00"), at("1405/09/09 00:00"));
    let before = open().await;
    assert_eq!(due(before).await, Some(end));
    world.clock.advance_ms(60_000);
    holiday::put(app, &decree(Day::of(app.now()))).await.unwrap();
    world.clock.advance_ms(60_000);
    assert_eq!(due(before).await, Some(end), "a correction of the same day makes no miss");
    let after = open().await;
    assert_eq!(due(after).await, Some(evening));
    go_to(world, "1405/09/08 22:30");
    let closed = support_call::joined(app, None, None, "switch").await;
    assert_eq!(refusal(closed), SupportCallRefusal::Rule(Closed::Closed));
}

/// Goal: a list is taken as far as nothing speaks against it, a name is a name, and what is no
/// holiday cannot be withdrawn.
async fn a_list_changes_nothing_silently(world: &World) {
    let app = &world.app;
    let list = "1405/09/10\tconfirmed\tdecree\tتعطیلی\n1406/01/01\tconfirmed\tdecree\tروز دیگر";
    let foretold = holiday::import(app, read(list).unwrap(), true).await.unwrap();
    assert_eq!((foretold.new.len(), foretold.conflicts.len()), (1, 1));
    let day = foretold.new[0].day;
    assert!(!holiday::list(app).await.unwrap().is_holiday(day));
    assert_eq!(holiday::import(app, read(list).unwrap(), false).await.unwrap(), foretold);
    let known = holiday::list(app).await.unwrap();
    assert!(known.is_holiday(day) && known.on(day) == [&foretold.new[0]]);
    assert_eq!(holiday::import(app, read(list).unwrap(), false).await.unwrap().unchanged, 1);
    for name in ["", " ", "الف\tب", &"x".repeat(201)] {
        let nameless = Holiday { name: name.to_owned(), ..decree(day) };
        assert_eq!(refusal(holiday::put(app, &nameless).await), HolidayRefusal::WrongName);
    }
    holiday::withdraw(app, day, "تعطیلی").await.unwrap();
    for (day, name) in [(day, "تعطیلی"), (day, NAME), (day.next(), "تعطیلی")] {
        let none = holiday::withdraw(app, day, name).await;
        assert_eq!(refusal(none), HolidayRefusal::NoSuchHoliday);
    }
    // What ships can be withdrawn like what was entered.
    let new_year = Day::jalali(1406, 1, 1).unwrap();
    let names: Vec<String> =
        known.on(new_year).iter().map(|holiday| holiday.name.clone()).collect();
    for name in names {
        holiday::withdraw(app, new_year, &name).await.unwrap();
    }
    assert!(!holiday::list(app).await.unwrap().is_holiday(new_year));
}

/// Goal: what was entered last counts, also when the clock of who enters it was set back: order is
/// by when it is entered, and not by what clocks say.
async fn what_is_entered_last_counts_whatever_clocks_say(world: &World) {
    let app = &world.app;
    let day = Day::parse("1405/10/10").unwrap();
    holiday::put(app, &decree(day)).await.unwrap();
    let hour_ms = 3_600_000;
    world.clock.advance_ms(-hour_ms);
    holiday::withdraw(app, day, NAME).await.unwrap();
    assert!(!holiday::list(app).await.unwrap().is_holiday(day));
    holiday::put(app, &decree(day)).await.unwrap();
    assert!(holiday::list(app).await.unwrap().is_holiday(day));
    holiday::withdraw(app, day, NAME).await.unwrap();
    world.clock.advance_ms(hour_ms);
    holiday::put(app, &decree(day.next())).await.unwrap();
    let known = holiday::list(app).await.unwrap();
    assert!(!known.is_holiday(day) && known.is_holiday(day.next()));
    let entered: Vec<Timestamp> = known.entered_about(day).collect();
    assert_eq!(entered.len(), 4);
    assert!(entered.windows(2).all(|two| two[0] < two[1]), "{entered:?}");
    assert!(known.was_holiday(day, entered[0]) && !known.was_holiday(day, entered[1]));
}

/// T011. Goal: whoever sees a deadline that a holiday may still move, of which the moon decides,
/// sees that it may, on the board too, until that day is confirmed; of others nobody says so.
async fn a_deadline_that_may_move_says_so(world: &World) {
    let app = &world.app;
    let (caller, _) = world.customer(0).await;
    go_to(world, "1405/12/12 12:00");
    let open = async || {
        let (subject, text) = ("s".to_owned(), "t".to_owned());
        let channel = Channel::Form;
        let asked = Asked { channel, subject, text, about: None, context: Vec::new() };
        ticket::open(app, caller.account.id, Who::Customer(caller.account.id), &asked).await
    };
    let soon = open().await.unwrap().0;
    let claim = crate::claim::file(app, &caller, "1405/12/12 11:00").await;
    let shown = async |id| ticket::find(app, None, id).await.unwrap().unwrap();
    let of_claim = async || claim::find(app, None, claim).await.unwrap().unwrap();
    assert!(!shown(soon).await.may_move, "it is due before the days that the moon decides about");
    assert_eq!(
        (of_claim().await.due, of_claim().await.may_move),
        (Some(at("1405/12/22 21:00")), true)
    );
    ticket::answer(app, soon, "Sara", "Done.").await.unwrap();

    go_to(world, "1405/12/16 10:00");
    let reported =
        Reported { ticket: Some(soon), title: "t".to_owned(), description: "d".to_owned() };
    let report = error_report::report(app, caller.account.id, &reported).await.unwrap();
    error_report::found(app, report, "Sara", Finding::Minor, "Ours.").await.unwrap();
    go_to(world, "1405/12/18 20:00");
    let late = open().await.unwrap().0;
    let clocks = async || {
        let found = error_report::find(app, None, report).await.unwrap().unwrap();
        let of = |clock: &error_report::Running| (clock.metric, clock.may_move);
        found.clocks.iter().map(of).collect::<Vec<_>>()
    };
    assert_eq!(clocks().await, [(Metric::Triage, false), (Metric::Fix, true)]);
    assert!(shown(late).await.may_move);
    let on_board = async || {
        let all = board::show(app).await.unwrap();
        all.iter().map(|entry| (entry.subject, entry.may_move)).collect::<Vec<_>>()
    };
    let moving = on_board().await;
    assert_eq!(moving.len(), 3, "{moving:?}");
    assert!(moving.iter().all(|(_, may_move)| *may_move), "{moving:?}");

    for day in ["2027-03-10", "2027-03-11"] {
        let known = holiday::list(app).await.unwrap();
        let known = known.on(Day::parse(day).unwrap())[0].clone();
        let confirmed = Holiday { status: HolidayStatus::Confirmed, ..known };
        holiday::put(app, &confirmed).await.unwrap();
    }
    assert!(!of_claim().await.may_move && !shown(late).await.may_move);
    assert_eq!(clocks().await, [(Metric::Triage, false), (Metric::Fix, false)]);
    assert!(on_board().await.iter().all(|(_, may_move)| !*may_move));
}

on_both_engines![
    a_deadline_that_may_move_says_so,
    what_is_entered_last_counts_whatever_clocks_say,
    a_campaign_rests_from_when_a_holiday_is_entered,
    a_holiday_closes_the_desk_and_takes_no_time_from_it,
    a_list_changes_nothing_silently,
];
