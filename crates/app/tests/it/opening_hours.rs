//! The hours of the desk as the operator changes them, and numbers of the agreement that its clocks
//! go by.

use app::agreement::{self, NewVersion};
use app::opening_hours::{self, NewHours, OpeningHoursRefusal};
use app::support_call::{self, SupportCallRefusal};
use app::ticket::{self, Asked, Who};
use app::{App, claim, violation};
use domain::agreement::support_call::Refusal as Line;
use domain::agreement::ticket::Channel;
use domain::agreement::violation::Clause;
use domain::calendar::day::Day;
use domain::calendar::opening_hours::{CalendarKind, HoursRefusal};

use crate::claim::file;
use crate::engines::on_both_engines;
use crate::refusal;
use crate::violation::{at, go_to, month};
use crate::world::World;

fn hours(from: &str, ordinary: &str) -> NewHours {
    let (rest_days, off) = ("friday".to_owned(), "none".to_owned());
    let valid_from = Day::parse(from).unwrap();
    NewHours { valid_from, rest_days, ordinary: ordinary.to_owned(), off }
}

async fn joins(app: &App) -> app::Result<i64, SupportCallRefusal> {
    support_call::joined(app, None, None, "switch").await
}

/// C13, A35. Goal: the operator changes when the desk is open, a day before at the latest; from its
/// first day on the line and the clocks of tickets go by it, and before that nothing does.
async fn the_desk_opens_as_the_operator_says(world: &World) {
    let app = &world.app;
    let add = async |new: &NewHours, who: &str| {
        opening_hours::add(app, CalendarKind::Support, new, who).await
    };
    let short = hours("1405/09/03", "08:00-16:00");
    let rule = OpeningHoursRefusal::Rule;
    let tomorrow = add(&hours("1405/09/02", "08:00-16:00"), "Maryam").await;
    assert_eq!(refusal(tomorrow), rule(HoursRefusal::TooSoon));
    for (wrong, why) in [
        (hours("1405/09/03", "8-16"), OpeningHoursRefusal::Unreadable),
        (hours("1405/09/03", "none"), rule(HoursRefusal::NeverOpen)),
        (
            NewHours { rest_days: "caturday".to_owned(), ..short.clone() },
            OpeningHoursRefusal::Unreadable,
        ),
    ] {
        assert_eq!(refusal(add(&wrong, "Maryam").await), why);
    }
    assert_eq!(refusal(add(&short, " ").await), OpeningHoursRefusal::Name);
    assert_eq!(add(&short, "Maryam").await.unwrap().number(), 2);
    let again = add(&short, "Maryam").await;
    assert_eq!(refusal(again), rule(HoursRefusal::NotAfter(short.valid_from)));
    let kept = opening_hours::list(app, CalendarKind::Support).await.unwrap();
    let by: Vec<_> = kept.iter().map(|one| one.by.clone()).collect();
    assert_eq!(by, [None, Some((app.now(), "Maryam".to_owned()))]);
    assert_eq!(opening_hours::list(app, CalendarKind::Business).await.unwrap().len(), 1);

    go_to(world, "1405/09/02 23:30");
    joins(app).await.unwrap();
    let line = async || support_call::line_now(app, None).await.unwrap().unwrap();
    assert_eq!((line().await.is_open, line().await.until), (true, at("1405/09/03 00:00")));
    go_to(world, "1405/09/03 08:10");
    joins(app).await.unwrap();
    go_to(world, "1405/09/03 16:00");
    assert_eq!(refusal(joins(app).await), SupportCallRefusal::Rule(Line::Closed));
    assert_eq!((line().await.is_open, line().await.until), (false, at("1405/09/04 08:00")));
    let account = world.customer(0).await.0.account.id;
    let (subject, text) = ("s".to_owned(), "t".to_owned());
    let asked = Asked { channel: Channel::Form, subject, text, about: None, context: Vec::new() };
    let (id, _) = ticket::open(app, account, Who::Customer(account), &asked).await.unwrap();
    go_to(world, "1405/09/04 16:02");
    assert_eq!(ticket::look(app).await.unwrap(), 1, "ticket {id} was due at 16:00");
}

/// A28, C15, 1.3. Goal: by when a claim is decided, and when a caller is offered to be called back,
/// is what the agreement and the calendars of that time say.
async fn the_agreement_in_force_says_the_numbers(world: &World) {
    let app = &world.app;
    let (caller, _) = world.customer(0).await;
    let before = file(app, &caller, "1405/09/01 11:00").await;
    claim::complete(app, before, &[], "Sara").await.unwrap();
    let first = &agreement::versions(app).await.unwrap()[0].version.draft;
    let later = |text: &str| Some(text.replace("1:20", "2:00"));
    let set = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let new = NewVersion {
        body_fa: later(&first.body_fa),
        body_en: later(&first.body_en),
        parameters: vec![
            set("claim.decision_days", "2"),
            set("queue.callback_offer_after_s", "120"),
        ],
        effective_from: month("1405-10").start(),
    };
    agreement::publish(app, new).await.unwrap();
    let short = hours("1405/10/01", "09:00-18:00");
    opening_hours::add(app, CalendarKind::Business, &short, "Maryam").await.unwrap();
    let due = async |id| claim::find(app, None, id).await.unwrap().unwrap().due;
    assert_eq!(due(before).await, Some(at("1405/09/11 21:00")), "ten days, as it was");

    go_to(world, "1405/09/30 12:00");
    let offers = async |id: i64| {
        support_call::left(app, id, "switch").await.unwrap();
        let all = violation::list(app, None, None, 9).await.unwrap();
        all.iter().filter(|one| one.violation.clause() == Clause::CallbackOffer).count()
    };
    let early = joins(app).await.unwrap();
    world.clock.advance_ms(100_000);
    assert_eq!(offers(early).await, 1, "it was to be offered after 80 seconds");
    go_to(world, "1405/10/01 12:00");
    let waits = joins(app).await.unwrap();
    world.clock.advance_ms(100_000);
    assert_eq!(offers(waits).await, 1, "it is to be offered after 120");
    let after = file(app, &caller, "1405/10/01 11:00").await;
    claim::complete(app, after, &[], "Sara").await.unwrap();
    // Off days have no hours any more and so do not count: of the next four one is a holiday, and
    // one a Friday.
    assert_eq!(due(after).await, Some(at("1405/10/05 18:00")));
}

on_both_engines!(the_desk_opens_as_the_operator_says, the_agreement_in_force_says_the_numbers,);
