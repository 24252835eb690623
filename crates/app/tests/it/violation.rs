//! What follows when a promise is not kept: the ledger of both sides, and the schedules.

use app::availability;
use app::compensation::{self, ScheduleRefusal, Stage};
use app::maintenance::{self, NewPlan};
use app::outage::{self, NewOutage};
use app::violation::{self, Answer, Kept, MACHINE, NewViolation, ViolationRefusal};
use domain::agreement::availability::{Verdict, Window};
use domain::agreement::compensation::{Refusal as Rule, Unread};
use domain::agreement::scope::{Paths, Scope};
use domain::agreement::violation::{Clause, Party, Refusal, Status};
use domain::calendar::date_time::Written;
use domain::calendar::month::PersianMonth;
use domain::calendar::span::Span;
use domain::{AccountId, Timestamp};

use crate::engines::on_both_engines;
use crate::refusal;
use crate::world::World;

/// A tenth of the price for each row that is reached.
pub const SCHEDULE: &str = "shape = percent-by-availability\nborder = lower\ncap_bp = 10000\n\
                            least_rials = 0\nreview_hours = 24\nrow = 0 990000 2500\n\
                            row = 990000 995800 1000\nrow = 995800 1000000 0\n";

pub fn at(text: &str) -> Timestamp {
    let written = Written::parse(text).unwrap();
    written.at_second(written.second().unwrap()).unwrap()
}

pub fn span(from: &str, to: &str) -> Span {
    Span::new(at(from), at(to)).unwrap()
}

pub fn month(text: &str) -> PersianMonth {
    PersianMonth::parse(text).unwrap()
}

pub fn go_to(world: &World, text: &str) {
    let ms = at(text).us_since(world.app.now()) / 1000;
    assert!(ms > 0, "{text} is in the past");
    world.clock.advance_ms(ms);
}

/// Everything worked in this time, but for these stretches, for these paths.
pub async fn seen(world: &World, time: Span, paths: &str, down: &[Span]) {
    let everyone = Scope::everyone();
    outage::saw_working(&world.app, "m", Paths::ALL, &everyone, time).await.unwrap();
    for span in down {
        let new = NewOutage {
            paths: Paths::parse(paths).unwrap(),
            scope: Scope::everyone(),
            from: span.from,
            to: Some(span.to),
            cause: "power".to_owned(),
            evidence: "monitor 3".to_owned(),
            author: "Zahra".to_owned(),
        };
        outage::record(&world.app, new).await.unwrap();
    }
}

fn unpaid(account: Option<AccountId>, world: &World) -> NewViolation {
    let now = world.app.now();
    NewViolation {
        account,
        clause: Clause::Payment,
        span: Span::new(now.plus_us(-3_600_000_000), now).unwrap(),
        evidence: vec!["invoice 1 is not paid".to_owned()],
        reference: "invoice:1".to_owned(),
        actor: "Reza".to_owned(),
    }
}

fn statuses(kept: &Kept) -> Vec<Status> {
    kept.violation.history().to_vec()
}

/// T140, T141, T142, I16: a schedule is two persons' work, and without one there is none in force.
async fn a_schedule_is_written_by_one_and_published_by_another(world: &World) {
    let app = &world.app;
    let draft = async |text: &str| compensation::draft(app, text, "Maryam").await;
    assert_eq!(compensation::list(app).await.unwrap(), []);
    let line = refusal(draft(&SCHEDULE.replace("border = lower", "border = left")).await);
    assert_eq!(line, ScheduleRefusal::Unread(Unread::Line(2)));
    let hole = refusal(draft(&SCHEDULE.replace("row = 990000", "row = 991000")).await);
    assert_eq!(hole, ScheduleRefusal::Rule(Rule::Hole(990_000)));
    let number = draft(SCHEDULE).await.unwrap();
    let publish = async |number, approver: &str, from: &str| {
        compensation::publish(app, number, approver, month(from)).await
    };
    let same = refusal(publish(number, " maryam", "1405-10").await);
    assert_eq!(same, ScheduleRefusal::Rule(Rule::SamePerson));
    assert_eq!(refusal(publish(number, "", "1405-10").await), ScheduleRefusal::Name);
    assert_eq!(refusal(publish(9, "Reza", "1405-10").await), ScheduleRefusal::NoSuchDraft);
    publish(number, "Reza", "1405-10").await.unwrap();
    assert_eq!(refusal(publish(number, "Reza", "1405-11").await), ScheduleRefusal::NoSuchDraft);
    let stages = async || {
        let all = compensation::list(app).await.unwrap();
        all.iter().map(|(_, stage)| *stage).collect::<Vec<_>>()
    };
    assert_eq!(stages().await, [Stage::Published]);
    go_to(world, "1405/10/02 00:00");
    assert_eq!(stages().await, [Stage::Effective]);
    let less = draft(&SCHEDULE.replace("2500", "2000")).await.unwrap();
    let lowers = refusal(publish(less, "Reza", "1405-10").await);
    assert_eq!(lowers, ScheduleRefusal::Rule(Rule::LowersThePast));
    let more = draft(&SCHEDULE.replace("2500", "3000")).await.unwrap();
    publish(more, "Reza", "1405-10").await.unwrap();
    assert_eq!(stages().await, [Stage::Superseded, Stage::Draft, Stage::Effective]);
}

/// T176, T177, T179, I15: both sides' entries have one form, are disputed by whose duty it was, and
/// are decided by somebody else.
async fn both_sides_are_in_one_ledger(world: &World) {
    let app = &world.app;
    let (one, other) = (world.customer(0).await.0.account.id, world.customer(0).await.0.account.id);
    let record = async |change: fn(&mut NewViolation)| {
        let mut new = unpaid(Some(one), world);
        change(&mut new);
        violation::record(app, new).await
    };
    assert_eq!(
        refusal(record(|new| new.evidence.clear()).await),
        ViolationRefusal::Rule(Refusal::Evidence)
    );
    assert_eq!(refusal(record(|new| new.account = None).await), ViolationRefusal::WhoseDuty);
    let stranger = refusal(record(|new| new.account = Some(AccountId(77))).await);
    assert_eq!(stranger, ViolationRefusal::NoSuchAccount);
    assert_eq!(refusal(record(|new| new.actor.clear()).await), ViolationRefusal::Text("name"));
    let future = refusal(record(|new| new.span.to = new.span.to.plus_us(1)).await);
    assert_eq!(future, ViolationRefusal::Time);
    let id = record(|_| ()).await.unwrap();
    assert_eq!(record(|_| ()).await.unwrap(), id);
    let else_ = refusal(record(|new| new.clause = Clause::Identity).await);
    assert_eq!(else_, ViolationRefusal::Reference);

    assert_eq!(violation::find_for(app, other, id).await.unwrap(), None);
    let dispute = Answer::Dispute("it was paid at the bank");
    let theirs = violation::answer(app, other, id, dispute).await;
    assert_eq!(refusal(theirs), ViolationRefusal::NoSuchViolation);
    let ours = violation::answer_for_us(app, id, "Maryam", dispute).await;
    assert_eq!(refusal(ours), ViolationRefusal::NoSuchViolation);
    let silent = violation::answer(app, one, id, Answer::Dispute(" ")).await;
    assert_eq!(refusal(silent), ViolationRefusal::Text("reason"));
    violation::tell(app, id, "Reza", "by telephone").await.unwrap();
    violation::answer(app, one, id, dispute).await.unwrap();
    let own = violation::decide(app, id, true, "reza", "no such payment").await;
    assert_eq!(refusal(own), ViolationRefusal::Rule(Refusal::Partial));
    let reversed = violation::decide(app, id, false, "Maryam", "it was paid").await.unwrap();
    let all = [Status::Recorded, Status::Notified, Status::Disputed, Status::Reversed];
    assert_eq!(statuses(&reversed), all);
    assert_eq!(reversed.steps[3].reason, "it was paid");
    let again = violation::reverse(app, id, "Maryam", "again").await;
    assert_eq!(refusal(again), ViolationRefusal::Rule(Refusal::Status));

    // One of ours, in the same list and form; we know of it at once.
    let triage = NewViolation {
        clause: Clause::Triage,
        reference: "report:5:triage".to_owned(),
        ..unpaid(Some(one), world)
    };
    let id = violation::record(app, triage).await.unwrap();
    violation::answer_for_us(app, id, "Reza", Answer::Accept).await.unwrap();
    violation::done(app, id, "Reza", "the customer was told").await.unwrap();
    let listed = violation::list(app, Some(one), None, 10).await.unwrap();
    let parties: Vec<Party> = listed.iter().map(|kept| kept.violation.party()).collect();
    assert_eq!(parties, [Party::Provider, Party::Customer]);
    assert_eq!(violation::list(app, Some(other), None, 10).await.unwrap(), []);
    let counts = violation::counts(app, PersianMonth::of(app.now())).await.unwrap();
    assert_eq!(counts, [(Party::Provider, Clause::Triage, None)]);
}

/// A month that is frozen as breached is in the ledger with it, once, and a revision that takes it
/// back reverses the entry. Frozen twice and looked at twice, nothing is entered twice (T061).
async fn a_missed_month_is_entered_with_its_statement(world: &World) {
    let app = &world.app;
    let account = world.customer(0).await.0.account.id;
    go_to(world, "1405/11/04 00:00");
    let down = span("1405/10/10 00:00", "1405/10/10 04:00");
    seen(world, span("1405/10/01 00:00", "1405/11/01 00:00"), "api", &[down]).await;
    availability::freeze(app, month("1405-10")).await.unwrap();
    availability::freeze(app, month("1405-10")).await.unwrap();
    // Azar had nothing but silence: its time for evidence has passed.
    availability::freeze(app, month("1405-09")).await.unwrap();
    let listed = async || violation::list(app, Some(account), None, 10).await.unwrap();
    let found = listed().await;
    assert_eq!(found.len(), 2, "the account's own and the platform's: {found:?}");
    let own = found.iter().find(|kept| kept.account == Some(account)).unwrap();
    assert_eq!((own.violation.clause(), own.violation.version()), (Clause::Availability, 1));
    assert_eq!(
        own.violation.evidence()[2],
        "covered 2592000 s, planned 0 s, down 14400 s, \
                                             unknown 0 s"
    );
    assert_eq!(statuses(own), [Status::Recorded, Status::Notified]);
    assert_eq!(violation::look(app).await.unwrap(), 2);
    assert_eq!(violation::look(app).await.unwrap(), 0);
    assert_eq!(listed().await.len(), 4);

    let outages = outage::list(app, down).await.unwrap();
    outage::reverse(app, outages[0].id, "the monitor was wrong", "Zahra").await.unwrap();
    let revised =
        availability::revise(app, Some(account), month("1405-10"), "wrong monitor", "Maryam");
    assert_eq!(revised.await.unwrap().verdict, Some(Verdict::Met));
    let after = violation::find(app, own.id).await.unwrap().unwrap();
    let last = after.steps.last().unwrap();
    assert_eq!((last.status, last.actor.as_str()), (Status::Reversed, MACHINE));
    assert_eq!(last.reason, "revision 1 of the month");
    assert_eq!(violation::look(app).await.unwrap(), 0);
}

/// T071: maintenance that was told too late is entered when it begins; what was told in time never.
async fn late_maintenance_is_entered_by_itself(world: &World) {
    let app = &world.app;
    maintenance::add_channel(app, "bale").await.unwrap();
    for (from, to) in
        [("1405/09/02 02:00", "1405/09/02 04:00"), ("1405/09/10 02:00", "1405/09/10 04:00")]
    {
        let plan = Window { paths: Paths::ALL, scope: Scope::everyone(), span: span(from, to) };
        let plan = NewPlan { plan: Some(plan), author: "Reza".to_owned(), confirmed: true };
        let id = maintenance::announce(app, "disks", None, plan).await.unwrap().id;
        maintenance::tell(app, id, None, "1", "text").await.unwrap();
        maintenance::tell(app, id, Some("bale"), "2", "text").await.unwrap();
    }
    assert_eq!(violation::look(app).await.unwrap(), 0);
    go_to(world, "1405/09/20 00:00");
    assert_eq!(violation::look(app).await.unwrap(), 1);
    assert_eq!(violation::look(app).await.unwrap(), 0);
    let found = violation::list(app, None, None, 10).await.unwrap();
    assert_eq!((found[0].violation.clause(), found[0].account), (Clause::Maintenance, None));
    assert_eq!(found[0].violation.span(), span("1405/09/02 02:00", "1405/09/02 04:00"));
    assert_eq!(found[0].violation.evidence()[1], "7200 s of it lay outside what was told in time");
}

on_both_engines!(
    a_schedule_is_written_by_one_and_published_by_another,
    both_sides_are_in_one_ledger,
    a_missed_month_is_entered_with_its_statement,
    late_maintenance_is_entered_by_itself,
);
