//! The hours of the desk as the operator changes them, and numbers of the agreement that its clocks
//! go by.

use app::agreement::{self, AgreementRefusal, NewVersion};
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

/// Publishes a version that says other hours, from the first day of Dey on.
async fn says_hours(app: &App, texts: &[(&str, &str)], parameters: &[(&str, &str)]) -> u32 {
    let first = &agreement::versions(app).await.unwrap()[0].version.draft;
    let changed = |body: &str| {
        Some(texts.iter().fold(body.to_owned(), |body, (was, is)| body.replace(was, is)))
    };
    let set = parameters.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    let new = NewVersion {
        body_fa: changed(&first.body_fa),
        body_en: changed(&first.body_en),
        parameters: set.collect(),
        effective_from: month("1405-10").start(),
    };
    agreement::publish(app, new).await.unwrap().version.number
}

/// That the desk is open from 8 to 12 and not at all on off days.
const EIGHT_TO_TWELVE: [(&str, &str); 4] = [
    ("8:30 الی 14 و 14:45 الی 24", "8 الی 12"),
    ("روزهای تعطیلی رسمی 10:00 الی 14 و 14:45 الی 22", "روزهای تعطیلی رسمی بسته"),
    ("8:30 to 14 and from 14:45 to 24", "8 to 12"),
    ("official holidays from 10:00 to 14 and from 14:45 to 22", "official holidays not at all"),
];

/// C13, A35. Goal: the operator changes when the desk is open, a day before at the latest, and
/// never to less than the agreement of that day promises; from its first day on the line and the
/// clocks of tickets go by it, and before that nothing does.
async fn the_desk_opens_as_the_operator_says(world: &World) {
    let app = &world.app;
    let add = async |new: &NewHours, who: &str| {
        opening_hours::add(app, CalendarKind::Support, new, who).await
    };
    let short = hours("1405/10/06", "08:00-16:00");
    let rule = OpeningHoursRefusal::Rule;
    let tomorrow = add(&hours("1405/09/02", "08:00-16:00"), "Maryam").await;
    assert_eq!(refusal(tomorrow), rule(HoursRefusal::TooSoon));
    let mistyped = add(&hours("1450/10/06", "08:00-16:00"), "Maryam").await;
    assert_eq!(refusal(mistyped), rule(HoursRefusal::TooFar));
    for (wrong, why) in [
        (hours("1405/10/06", "8-16"), OpeningHoursRefusal::Unreadable),
        (hours("1405/10/06", "none"), rule(HoursRefusal::NeverOpen)),
        (
            NewHours { rest_days: "caturday".to_owned(), ..short.clone() },
            OpeningHoursRefusal::Unreadable,
        ),
    ] {
        assert_eq!(refusal(add(&wrong, "Maryam").await), why);
    }
    assert_eq!(refusal(add(&short, " ").await), OpeningHoursRefusal::Name);
    let promised = OpeningHoursRefusal::Promised(short.valid_from);
    assert_eq!(refusal(add(&short, "Maryam").await), promised);
    let value = "ordinary 08:00-12:00; off none; rest friday";
    says_hours(app, &EIGHT_TO_TWELVE, &[("hours.support", value)]).await;
    let early = hours("1405/09/20", "08:00-16:00");
    let dey = Day::of(month("1405-10").start());
    assert_eq!(refusal(add(&early, "Maryam").await), rule(HoursRefusal::NotAfter(dey)));
    assert_eq!(add(&short, "Maryam").await.unwrap().number(), 3);
    let again = add(&short, "Maryam").await;
    assert_eq!(refusal(again), rule(HoursRefusal::NotAfter(short.valid_from)));
    let kept = opening_hours::list(app, CalendarKind::Support).await.unwrap();
    let by: Vec<_> = kept.iter().map(|one| one.by.clone()).collect();
    let by_whom = |name: &str| Some((app.now(), name.to_owned()));
    assert_eq!(by, [None, by_whom("agreement 2"), by_whom("Maryam")]);
    assert_eq!(opening_hours::list(app, CalendarKind::Business).await.unwrap().len(), 1);

    go_to(world, "1405/09/30 23:30");
    joins(app).await.unwrap();
    let line = async || support_call::line_now(app, None).await.unwrap().unwrap();
    assert_eq!((line().await.is_open, line().await.until), (true, at("1405/10/01 00:00")));
    go_to(world, "1405/10/01 11:59");
    joins(app).await.unwrap();
    go_to(world, "1405/10/01 12:00");
    assert_eq!(refusal(joins(app).await), SupportCallRefusal::Rule(Line::Closed));
    go_to(world, "1405/10/06 08:10");
    joins(app).await.unwrap();
    go_to(world, "1405/10/06 16:00");
    assert_eq!(refusal(joins(app).await), SupportCallRefusal::Rule(Line::Closed));
    assert_eq!((line().await.is_open, line().await.until), (false, at("1405/10/07 08:00")));
    let account = world.customer(0).await.0.account.id;
    let (subject, text) = ("s".to_owned(), "t".to_owned());
    let asked = Asked { channel: Channel::Form, subject, text, about: None, context: Vec::new() };
    let (id, _) = ticket::open(app, account, Who::Customer(account), &asked).await.unwrap();
    go_to(world, "1405/10/07 16:02");
    assert_eq!(ticket::look(app).await.unwrap(), 1, "ticket {id} was due at 16:00");
}

/// C13. Goal: hours that were written down by mistake are taken back while they are more than a day
/// away, and written down anew; those that an agreement brought go with it, and none is taken back
/// while hours stand that need it.
async fn hours_are_taken_back_a_day_before(world: &World) {
    let app = &world.app;
    let support = CalendarKind::Support;
    let value = "ordinary 08:00-12:00; off none; rest friday";
    let publish = async || says_hours(app, &EIGHT_TO_TWELVE, &[("hours.support", value)]).await;
    let stand = async || {
        let kept = opening_hours::list(app, support).await.unwrap();
        let stand = kept.iter().filter(|one| one.withdrawn.is_none());
        stand.map(|one| one.hours.number()).collect::<Vec<u32>>()
    };
    assert_eq!((publish().await, stand().await), (2, vec![1, 2]));
    agreement::withdraw(app, 2).await.unwrap();
    assert_eq!(stand().await, [1]);
    assert_eq!((publish().await, stand().await), (3, vec![1, 3]));

    let back = async |number| opening_hours::withdraw(app, support, number, "Maryam").await;
    let rule = OpeningHoursRefusal::Rule;
    for unknown in [1, 2, 4] {
        assert_eq!(refusal(back(unknown).await), rule(HoursRefusal::Unknown));
    }
    let dey = Day::of(month("1405-10").start());
    assert_eq!(refusal(back(3).await), OpeningHoursRefusal::Promised(dey));
    let add = async |from: &str| {
        opening_hours::add(app, support, &hours(from, "08:00-16:00"), "Maryam").await
    };
    assert_eq!(add("1406/09/20").await.unwrap().number(), 4);
    let wrong = Day::parse("1406/09/20").unwrap();
    assert_eq!(refusal(add("1405/10/06").await), rule(HoursRefusal::NotAfter(wrong)));
    back(4).await.unwrap();
    assert_eq!(refusal(back(4).await), rule(HoursRefusal::Unknown));
    assert_eq!(add("1405/10/06").await.unwrap().number(), 5);
    assert_eq!(stand().await, [1, 3, 5]);

    let day = Day::parse("1405/10/06").unwrap();
    let taken_back = agreement::withdraw(app, 3).await;
    assert_eq!(refusal(taken_back), AgreementRefusal::Hours(support, day));
    assert_eq!(stand().await, [1, 3, 5], "nothing of it was done");
    go_to(world, "1405/10/05 00:01");
    assert_eq!(refusal(back(5).await), rule(HoursRefusal::TooSoon));
}

/// A28, C15, 1.3. Goal: by when a claim is decided, and when a caller is offered to be called back,
/// is what the agreement and the calendars of that time say.
async fn the_agreement_in_force_says_the_numbers(world: &World) {
    let app = &world.app;
    let (caller, _) = world.customer(0).await;
    let before = file(app, &caller, "1405/09/01 11:00").await;
    claim::complete(app, before, &[], "Sara").await.unwrap();
    let texts = [
        ("1:20", "2:00"),
        ("8:30 الی 21 و ایام تعطیل از ساعت 10 الی 17", "9 الی 18 و ایام تعطیل بسته"),
        ("8:30 to 21, and on holidays from 10 to 17", "9 to 18, and on holidays not at all"),
    ];
    let parameters = [
        ("claim.decision_days", "2"),
        ("queue.callback_offer_after_s", "120"),
        ("hours.business", "ordinary 09:00-18:00; off none; rest friday"),
    ];
    says_hours(app, &texts, &parameters).await;
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

on_both_engines!(
    the_desk_opens_as_the_operator_says,
    hours_are_taken_back_a_day_before,
    the_agreement_in_force_says_the_numbers,
);
