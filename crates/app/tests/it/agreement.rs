//! The agreement as the operator keeps it: versions, maintenance, outages, and months that become
//! final.

use app::agreement::{self, AgreementRefusal, NewVersion};
use app::availability::{self, Frozen, MonthRefusal};
use app::maintenance::{self, MaintenanceRefusal, NewPlan};
use app::outage::{self, NewOutage, OutageRefusal};
use domain::agreement::availability::{Totals, Verdict, Window};
use domain::agreement::cause::Cause;
use domain::agreement::maintenance::{Judgement, Refusal, State as Stage};
use domain::agreement::measurement::Observed;
use domain::agreement::parameter::{self, Language};
use domain::agreement::scope::{CoveredPath, Group, Paths, Scope};
use domain::agreement::statement::State;
use domain::agreement::version;
use domain::calendar::date_time::Written;
use domain::calendar::month::PersianMonth;
use domain::calendar::span::Span;
use domain::{AccountId, Timestamp};

use crate::engines::on_both_engines;
use crate::refusal;
use crate::world::World;

const HOUR_US: i64 = 3_600_000_000;

fn at(text: &str) -> Timestamp {
    let written = Written::parse(text).unwrap();
    written.at_second(written.second().unwrap()).unwrap()
}

fn span(from: &str, to: &str) -> Span {
    Span::new(at(from), at(to)).unwrap()
}

fn dey() -> PersianMonth {
    PersianMonth::parse("1405-10").unwrap()
}

/// Lets the time come.
fn go_to(world: &World, text: &str) {
    let ms = at(text).us_since(world.app.now()) / 1000;
    assert!(ms > 0, "{text} is in the past");
    world.clock.advance_ms(ms);
}

fn plan(span: Span, confirmed: bool) -> NewPlan {
    let plan = Window { paths: Paths::ALL, scope: Scope::everyone(), span };
    NewPlan { plan: Some(plan), author: "Reza".to_owned(), confirmed }
}

fn outage_of(paths: &str, scope: &str, span: Span) -> NewOutage {
    NewOutage {
        paths: Paths::parse(paths).unwrap(),
        scope: Scope::parse(scope).unwrap(),
        from: span.from,
        to: Some(span.to),
        cause: "power".to_owned(),
        evidence: "monitor 3".to_owned(),
        author: "Zahra".to_owned(),
    }
}

async fn worked(world: &World, span: Span) {
    let everyone = Scope::everyone();
    outage::saw_working(&world.app, "monitor", Paths::ALL, &everyone, span).await.unwrap();
}

/// The month of the agreement's checks, a Dey: O1 for all, O2 of the API for cohort 1, maintenance
/// told 50 hours before that overran by 40 minutes, and half an hour of silence.
async fn a_month(world: &World) {
    let app = &world.app;
    go_to(world, "1405/10/18 00:00");
    maintenance::add_channel(app, "bale").await.unwrap();
    let night = span("1405/10/20 02:00", "1405/10/20 04:00");
    let saved = maintenance::announce(app, "new disks", None, plan(night, false)).await.unwrap();
    assert_eq!(saved.judgement, Judgement { lead_us: 50 * HOUR_US, counted_us: 0 });
    maintenance::tell(app, saved.id, None, "notice 1", "قطعی برنامه‌ریزی شده").await.unwrap();
    maintenance::tell(app, saved.id, Some("bale"), "post 7", "قطعی").await.unwrap();
    go_to(world, "1405/11/01 01:00");
    for new in [
        outage_of("all", "everyone", span("1405/10/10 10:00", "1405/10/10 11:30")),
        outage_of("api", "cohort:1", span("1405/10/10 11:00", "1405/10/10 12:00")),
        outage_of("all", "everyone", span("1405/10/20 02:00", "1405/10/20 04:40")),
    ] {
        outage::record(app, new).await.unwrap();
    }
    worked(world, span("1405/10/01 00:00", "1405/10/25 03:00")).await;
    worked(world, span("1405/10/25 03:30", "1405/11/01 00:00")).await;
}

fn seconds(totals: Totals) -> [i64; 4] {
    [totals.covered_us(), totals.planned_us, totals.down_us, totals.unknown_us]
        .map(|us| us / 1_000_000)
}

/// T040, T042, T061, T064 and I07, through the use cases.
async fn a_month_is_judged_frozen_once_and_revised_beside_what_was_frozen(world: &World) {
    let app = &world.app;
    let inside = world.customer(0).await.0.account.id;
    let outside = world.customer(0).await.0.account.id;
    outage::join(app, Group::Cohort(1), inside, (app.now(), "Zahra")).await.unwrap();
    a_month(world).await;

    let of = async |account| availability::month(app, account, dey()).await.unwrap();
    let shown = of(Some(inside)).await;
    assert_eq!(seconds(shown.judged.totals), [2_592_000, 7_200, 9_600, 1_800]);
    let figures = shown.judged.figures.unwrap();
    assert_eq!(
        (figures.low.to_string(), figures.high.to_string()),
        ("99.558".to_owned(), "99.628".to_owned())
    );
    assert_eq!(
        (shown.state, shown.judged.verdict),
        (State::Provisional, Some(Verdict::Undetermined))
    );
    let other = of(Some(outside)).await;
    assert_eq!(seconds(other.judged.totals), [2_592_000, 7_200, 7_800, 1_800]);
    assert_eq!(other.judged.verdict, Some(Verdict::Met));
    assert_eq!(of(None).await.judged.totals, other.judged.totals);

    let early = refusal(availability::freeze(app, dey()).await);
    assert_eq!(early, MonthRefusal::NotFinal(at("1405/11/04 00:00")));
    let unfrozen = availability::revise(app, Some(inside), dey(), "late logs", "Maryam").await;
    assert_eq!(refusal(unfrozen), MonthRefusal::NotFrozen);
    go_to(world, "1405/11/04 00:00");
    let frozen = availability::freeze(app, dey()).await.unwrap();
    assert_eq!((frozen.written, frozen.already), (3, 0));
    let again = availability::freeze(app, dey()).await.unwrap();
    assert_eq!(again, Frozen { written: 0, already: 3, computed: frozen.computed });

    // Evidence that comes late shows at once and changes nothing that was written.
    worked(world, span("1405/10/25 03:00", "1405/10/25 03:30")).await;
    let late = of(Some(inside)).await;
    assert_eq!((late.state, late.judged.verdict), (State::Frozen, Some(Verdict::Met)));
    assert_eq!(late.written[0].verdict, Some(Verdict::Undetermined));
    assert_eq!(late.verdict, Some(Verdict::Undetermined));
    go_to(world, "1405/11/14 21:00");
    let decided = of(Some(inside)).await;
    assert_eq!(decided.evidence_until, at("1405/11/14 21:00"));
    assert_eq!(decided.verdict, Some(Verdict::Breached));
    for (reason, signer) in [("", "Maryam"), ("late logs", " ")] {
        let unsigned = availability::revise(app, Some(inside), dey(), reason, signer).await;
        assert_eq!(refusal(unsigned), MonthRefusal::Unsigned);
    }
    availability::revise(app, Some(inside), dey(), "late logs", "Maryam").await.unwrap();
    let unchanged = availability::revise(app, Some(inside), dey(), "again", "Maryam").await;
    assert_eq!(refusal(unchanged), MonthRefusal::Unchanged);
    let revised = of(Some(inside)).await;
    assert_eq!((revised.state, &revised.written[0]), (State::Revised(1), &late.written[0]));
    assert_eq!(revised.verdict, Some(Verdict::Met));
    for statement in &revised.written {
        let (inputs, judged) = availability::reproduce(app, statement).await.unwrap().unwrap();
        assert_eq!((inputs.month, judged.totals), (dey(), statement.totals));
    }
    let mut bent = revised.written[0].clone();
    (bent.totals.down_us, bent.totals.up_us) = (0, bent.totals.up_us + bent.totals.down_us);
    assert_eq!(availability::reproduce(app, &bent).await.unwrap(), None);
}

/// Goal: whoever changes an outage of a frozen month, or brings evidence of it late, has all listed
/// whose figures that touches, and nobody else; one command revises them all with the reason, goes
/// on where it was broken off, and what was frozen stays.
async fn whom_a_change_touches_is_due_for_review(world: &World) {
    let app = &world.app;
    let inside = world.customer(0).await.0.account.id;
    let outside = world.customer(0).await.0.account.id;
    outage::join(app, Group::Cohort(1), inside, (app.now(), "Zahra")).await.unwrap();
    a_month(world).await;
    let due = async || {
        let page = availability::touched(app, dey(), AccountId(-1), 9).await.unwrap();
        page.into_iter().map(|one| (one.number.0, one.because)).collect::<Vec<_>>()
    };
    assert_eq!(due().await, [], "nothing is frozen");
    go_to(world, "1405/11/04 00:00");
    availability::freeze(app, dey()).await.unwrap();
    assert_eq!(due().await, []);
    // Of the cohort alone.
    let longer = span("1405/10/10 11:00", "1405/10/10 14:00");
    let time = span("1405/10/10 00:00", "1405/10/11 00:00");
    let all = outage::list(app, time).await.unwrap();
    let cohorts = all.iter().find(|one| one.scope != Scope::everyone()).unwrap().id;
    outage::correct(app, cohorts, longer, "the log", "Reza").await.unwrap();
    assert_eq!(due().await, [(inside.0, format!("outage {cohorts} was corrected"))]);
    let shown = availability::month(app, Some(inside), dey()).await.unwrap();
    assert_eq!(shown.touched.map(|one| one.noted_at), Some(app.now()));
    let months = availability::touched_months(app).await.unwrap();
    let since = app.now();
    assert_eq!(months, [availability::TouchedMonth { month: dey(), accounts: 1, since }]);
    // Of everybody, and the platform; of another month, nobody.
    let night = outage_of("all", "everyone", span("1405/10/12 00:00", "1405/10/12 01:00"));
    let late = outage::record(app, night).await.unwrap();
    outage::record(app, outage_of("all", "everyone", span("1405/11/02 00:00", "1405/11/02 01:00")))
        .await
        .unwrap();
    let because = format!("outage {late} was recorded");
    let all = [0, inside.0, outside.0].map(|number| (number, because.clone()));
    assert_eq!(due().await, all);
    let unsigned = availability::revise_touched(app, dey(), "late logs", " ").await;
    assert_eq!(refusal(unsigned), MonthRefusal::Unsigned);
    // One was revised by hand before: he is not due any more.
    availability::revise(app, Some(outside), dey(), "he asked", "Maryam").await.unwrap();
    assert_eq!(due().await.len(), 2);
    let revise = async || availability::revise_touched(app, dey(), "late logs", "Maryam").await;
    let done = revise().await.unwrap();
    assert_eq!((done.revised, done.unchanged), (2, 0));
    assert_eq!((due().await, revise().await.unwrap()), (vec![], availability::Revised::default()));
    let shown = availability::month(app, Some(inside), dey()).await.unwrap();
    let signed = shown.written[1].signed.clone().unwrap();
    assert_eq!(signed, (format!("late logs ({because})"), "Maryam".to_owned()));
    let down = |n: usize| shown.written[n].totals.down_us / 1_000_000;
    assert_eq!((shown.written.len(), down(0), down(1)), (2, 9_600, 9_600 + 7_200 + 3_600));
    // Evidence that changes nothing takes them off the list and writes nothing.
    worked(world, span("1405/10/02 00:00", "1405/10/02 01:00")).await;
    assert_eq!(due().await.len(), 3);
    let same = revise().await.unwrap();
    assert_eq!((same.revised, same.unchanged), (0, 3));
    // Who was in a group is said later, of that one alone.
    outage::join(app, Group::Cohort(1), outside, (at("1405/10/05 00:00"), "Zahra")).await.unwrap();
    assert_eq!(due().await.iter().map(|(number, _)| *number).collect::<Vec<_>>(), [outside.0]);
}

/// Goal: what changes after a freeze was broken off, before it goes on, is due for review of those
/// who had been written down by then.
async fn what_changes_within_a_freeze_is_due_for_review(world: &World) {
    let app = &world.app;
    let account = world.customer(0).await.0.account.id;
    a_month(world).await;
    go_to(world, "1405/11/04 00:00");
    availability::freeze(app, dey()).await.unwrap();
    // As if it had been killed before its last statement, that of the platform.
    crate::chain::bend(world, "DELETE FROM month_statement WHERE account_id = 0").await;
    let night = outage_of("all", "everyone", span("1405/10/12 00:00", "1405/10/12 01:00"));
    outage::record(app, night).await.unwrap();
    let due = async || {
        let page = availability::touched(app, dey(), AccountId(-1), 9).await.unwrap();
        page.into_iter().map(|one| one.number).collect::<Vec<_>>()
    };
    assert_eq!(due().await, [account]);
    // Nobody can revise it yet, and it is not forgotten for that.
    let early = availability::revise_touched(app, dey(), "late logs", "Maryam").await.unwrap();
    assert_eq!((early, due().await), (availability::Revised::default(), vec![account]));
    // As if the outage had come while it was written down, which noted nothing, and it was killed
    // then: whoever goes on finds it.
    crate::chain::bend(world, "DELETE FROM month_touched").await;
    assert_eq!(availability::freeze(app, dey()).await.unwrap().written, 1);
    assert_eq!(due().await, [account]);
    let done = availability::revise_touched(app, dey(), "late logs", "Maryam").await.unwrap();
    assert_eq!((done.revised, due().await), (1, vec![]));
    let down = async |account| {
        let shown = availability::month(app, account, dey()).await.unwrap();
        shown.written.last().unwrap().totals.down_us
    };
    assert_eq!(down(Some(account)).await, down(None).await);
}

/// A month without any evidence is never met, and one that has not begun is not shown.
async fn silence_and_strangers_have_no_month(world: &World) {
    let app = &world.app;
    let account = world.customer(0).await.0.account.id;
    let azar = PersianMonth::parse("1405-09").unwrap();
    world.clock.advance_ms(3_600_000);
    let shown = availability::month(app, Some(account), azar).await.unwrap();
    assert_eq!((shown.state, shown.judged.verdict), (State::Open, Some(Verdict::Undetermined)));
    // The account began at noon; the hour since then is covered.
    assert_eq!(seconds(shown.judged.totals), [3_600, 0, 0, 3_600]);
    let future = availability::month(app, Some(account), dey()).await;
    assert_eq!(refusal(future), MonthRefusal::NotBegun);
    let stranger = availability::month(app, Some(AccountId(77)), azar).await;
    assert_eq!(refusal(stranger), MonthRefusal::NoSuchAccount);
}

/// Many accounts are written down in several transactions, and computed by what they felt.
async fn accounts_that_felt_the_same_share_what_they_were_computed_from(world: &World) {
    let app = &world.app;
    for _ in 0..205 {
        let new = app::account::NewAccount {
            name: "x".to_owned(),
            mobile: "09120000001".to_owned(),
            credit: domain::Rials(0),
            expires_at: None,
            approves_own_messages: false,
            records_callees: false,
        };
        app::account::create(app, new).await.unwrap();
    }
    a_month(world).await;
    go_to(world, "1405/11/03 23:59");
    // Azar is over since long; its month was not written down before.
    let frozen = availability::freeze_due(app).await.unwrap();
    let months: Vec<String> = frozen.iter().map(|(month, _)| month.to_string()).collect();
    assert_eq!(months, ["1405-08", "1405-09"], "that before the first account, too");
    assert_eq!(availability::freeze_due(app).await.unwrap(), []);
    go_to(world, "1405/11/04 00:00");
    let new = world.customer(0).await.0.account.id;
    let [(month, frozen)] = availability::freeze_due(app).await.unwrap()[..] else {
        panic!("one month")
    };
    assert_eq!((month, availability::freeze_due(app).await.unwrap()), (dey(), Vec::new()));
    // Who came after the month has no statement of it; the others are two batches that are all
    // alike, and the platform.
    assert_eq!(frozen, Frozen { written: 206, already: 0, computed: 3 });
    let first = availability::month(app, Some(AccountId(1)), dey()).await.unwrap();
    let last = availability::month(app, Some(AccountId(205)), dey()).await.unwrap();
    assert_eq!(first.written[0].digest, last.written[0].digest);
    let late = availability::month(app, Some(new), dey()).await.unwrap();
    assert_eq!((late.written, late.verdict), (Vec::new(), None));
}

/// C08. Goal: months whose time came while nobody was there to freeze them are frozen all together,
/// the oldest first, and none twice; one that is not due by its agreement waits.
async fn months_that_were_skipped_are_frozen(world: &World) {
    let app = &world.app;
    world.customer(0).await;
    let new = NewVersion {
        body_fa: None,
        body_en: None,
        parameters: vec![("availability.freeze_hours".to_owned(), "240".to_owned())],
        effective_from: PersianMonth::parse("1405-11").unwrap().start(),
    };
    agreement::publish(app, new).await.unwrap();
    go_to(world, "1405/12/04 00:00");
    let frozen = async || {
        let done = availability::freeze_due(app).await.unwrap();
        done.iter().map(|(month, _)| month.to_string()).collect::<Vec<_>>()
    };
    assert_eq!(frozen().await, ["1405-08", "1405-09", "1405-10"]);
    assert_eq!(frozen().await, Vec::<String>::new());
    let early = availability::freeze(app, PersianMonth::parse("1405-11").unwrap()).await;
    assert_eq!(refusal(early), MonthRefusal::NotFinal(at("1405/12/11 00:00")));
    go_to(world, "1405/12/11 00:00");
    assert_eq!(frozen().await, ["1405-11"]);
    // Another three months later.
    go_to(world, "1406/02/04 00:00");
    assert_eq!(frozen().await, ["1405-12"], "Farvardin is due by ten days");
}

/// T071, T073, T074, T082: what counts is said before it is saved.
async fn maintenance_is_judged_before_it_is_saved(world: &World) {
    let app = &world.app;
    let night = span("1405/09/03 11:00", "1405/09/03 13:00");
    let announce = async |confirmed| {
        maintenance::announce(app, "new disks", Some("they fail"), plan(night, confirmed)).await
    };
    let nowhere = refusal(announce(true).await);
    assert_eq!(nowhere, MaintenanceRefusal::Rule(Refusal::NoSocialChannel));
    assert!(maintenance::add_channel(app, "bale").await.unwrap());
    let late = Judgement { lead_us: 47 * HOUR_US, counted_us: 2 * HOUR_US };
    let unconfirmed = MaintenanceRefusal::Rule(Refusal::Unconfirmed(late));
    assert_eq!(refusal(announce(false).await), unconfirmed);
    let time = span("1405/09/01 00:00", "1405/10/01 00:00");
    assert_eq!(maintenance::list(app, time).await.unwrap(), []);
    let saved = announce(true).await.unwrap();
    let stage = async || maintenance::list(app, time).await.unwrap()[0].1;
    assert_eq!(stage().await, Stage::Announced);
    let moved = span("1405/09/04 11:00", "1405/09/04 13:00");
    maintenance::change(app, saved.id, plan(moved, false)).await.unwrap();
    let elsewhere = maintenance::tell(app, saved.id, Some("telegram"), "1", "text").await;
    assert_eq!(refusal(elsewhere), MaintenanceRefusal::NoSuchChannel);
    let page = maintenance::tell(app, saved.id, None, "1", "text").await.unwrap();
    maintenance::tell(app, saved.id, Some("bale"), "2", "text").await.unwrap();
    assert_eq!(stage().await, Stage::Noticed);
    go_to(world, "1405/09/04 06:00");
    maintenance::withdraw_notice(app, page).await.unwrap();
    let twice = refusal(maintenance::withdraw_notice(app, page).await);
    assert_eq!(twice, MaintenanceRefusal::NoSuchNotice);
    go_to(world, "1405/09/04 12:00");
    assert_eq!(stage().await, Stage::Unplanned);
    let cancel = NewPlan { plan: None, ..plan(moved, true) };
    let begun = refusal(maintenance::change(app, saved.id, cancel).await);
    assert_eq!(begun, MaintenanceRefusal::Rule(Refusal::Begun));
    assert_eq!(refusal(maintenance::verify(app, saved.id).await), MaintenanceRefusal::NotOver);
    go_to(world, "1405/09/04 13:00");
    assert_eq!(stage().await, Stage::Verifying);
    maintenance::verify(app, saved.id).await.unwrap();
    assert_eq!(stage().await, Stage::Completed);
    let over = refusal(maintenance::tell(app, saved.id, None, "3", "text").await);
    assert_eq!(over, MaintenanceRefusal::Rule(Refusal::Closed));
    let unknown = refusal(maintenance::verify(app, 99).await);
    assert_eq!(unknown, MaintenanceRefusal::NoSuchMaintenance);
}

/// What cannot be is no outage.
async fn nonsense_is_no_outage(world: &World) {
    let app = &world.app;
    let account = world.customer(0).await.0.account.id;
    let hour = span("1405/09/01 10:00", "1405/09/01 11:00");
    let record = async |change: fn(&mut NewOutage)| {
        let mut new = outage_of("all", "everyone", hour);
        change(&mut new);
        refusal(outage::record(app, new).await)
    };
    assert_eq!(record(|new| new.paths = Paths::NONE).await, OutageRefusal::NoPath);
    assert_eq!(record(|new| new.to = Some(new.from)).await, OutageRefusal::Time);
    let future = record(|new| new.to = Some(new.from.plus_us(50 * HOUR_US))).await;
    assert_eq!(future, OutageRefusal::Time);
    assert_eq!(record(|new| new.cause.clear()).await, OutageRefusal::Text("cause"));
    let endless = record(|new| new.evidence = "x".repeat(outage::TEXT_MAX + 1)).await;
    assert_eq!(endless, OutageRefusal::Text("evidence"));
    let lasting = NewOutage { to: None, ..outage_of("all", "everyone", hour) };
    let id = outage::record(app, lasting).await.unwrap();
    outage::close(app, id, None, "Zahra").await.unwrap();
    assert_eq!(refusal(outage::close(app, id, None, "Zahra").await), OutageRefusal::NoSuchOutage);
    assert_eq!(refusal(outage::reverse(app, id, "", "Zahra").await), OutageRefusal::Text("reason"));
    outage::reverse(app, id, "a drill", "Zahra").await.unwrap();
    assert_eq!(
        refusal(outage::reverse(app, id, "again", "Zahra").await),
        OutageRefusal::NoSuchOutage
    );
    let shown = outage::list(app, hour).await.unwrap();
    assert_eq!(shown[0].reversed.as_ref().map(|(_, why)| why.as_str()), Some("a drill"));
    let now = app.now();
    let all = outage::join(app, Group::Everyone, account, (now, "Zahra")).await;
    assert_eq!(refusal(all), OutageRefusal::Group);
    let stranger = outage::join(app, Group::Cohort(1), AccountId(77), (now, "Zahra")).await;
    assert_eq!(refusal(stranger), OutageRefusal::NoSuchAccount);
    let left = outage::leave(app, Group::Cohort(1), account, (now, "Zahra")).await;
    assert_eq!(refusal(left), OutageRefusal::Member);
}

fn new_version(parameters: &[(&str, &str)], from: &str) -> NewVersion {
    let own = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    NewVersion {
        body_fa: None,
        body_en: None,
        parameters: parameters.iter().map(own).collect(),
        effective_from: at(from),
    }
}

/// T175: who accepts a version has accepted it, once and from there; another one that comes into
/// force shows as a change, and the history stays.
async fn an_acceptance_stays_and_a_change_shows(world: &World) {
    let app = &world.app;
    let (caller, _) = world.customer(0).await;
    let (other, _) = world.customer(0).await;
    let accepted = async || agreement::accepted(app, caller.account.id).await.unwrap();
    assert!(accepted().await.is_changed(), "nothing was accepted yet");
    let first: Timestamp = app.now();
    let here = "192.0.2.7".parse().ok();
    agreement::accept(app, &caller, 1, here).await.unwrap();
    world.clock.advance_ms(5_000);
    agreement::accept(app, &caller, 1, None).await.unwrap();
    let [one] = &accepted().await.acceptances[..] else { panic!("it is accepted once") };
    assert_eq!((one.version, one.at, one.address.as_deref()), (1, first, Some("192.0.2.7")));
    assert!(!accepted().await.is_changed());
    assert!(agreement::accepted(app, other.account.id).await.unwrap().acceptances.is_empty());
    let fixed = [("availability.month_basis", "fixed30")];
    let second = agreement::publish(app, new_version(&fixed, "1405/10/01 00:00")).await.unwrap();
    let number = second.version.number;
    assert!(!accepted().await.is_changed(), "it does not hold yet");
    go_to(world, "1405/10/01 00:00");
    assert_eq!((accepted().await.in_force, accepted().await.is_changed()), (number, true));
    let old = agreement::accept(app, &other, 1, None).await;
    assert_eq!(refusal(old), agreement::NoSuchVersion, "it holds no more");
    let none = agreement::accept(app, &other, number + 1, None).await;
    assert_eq!(refusal(none), agreement::NoSuchVersion);
    agreement::accept(app, &caller, number, None).await.unwrap();
    let versions = accepted().await.acceptances.into_iter().map(|one| one.version);
    assert_eq!(versions.collect::<Vec<_>>(), [number, 1]);
    assert!(app::chain::verify(app, &[]).await.unwrap().wrong.is_empty());
}

/// T170, T171, T173, T174: a month is judged by the version of its start.
async fn a_version_is_published_withdrawn_and_judges_from_its_month_on(world: &World) {
    let app = &world.app;
    let publish = async |new| agreement::publish(app, new).await;
    let lead = [("maintenance.lead_hours", "72")];
    let mismatch = refusal(publish(new_version(&lead, "1405/10/01 00:00")).await);
    let text = version::Refusal::Text("maintenance.lead_hours", Language::Persian);
    assert_eq!(mismatch, AgreementRefusal::Version(text));
    let unknown = refusal(publish(new_version(&[("x", "1")], "1405/10/01 00:00")).await);
    let name = parameter::Refusal::Name("x".to_owned());
    assert_eq!(unknown, AgreementRefusal::Parameter(name));
    let fixed = [("availability.month_basis", "fixed30")];
    let middle = refusal(publish(new_version(&fixed, "1405/09/15 00:00")).await);
    assert_eq!(middle, AgreementRefusal::Version(version::Refusal::NotMonthStart(dey())));
    let second = publish(new_version(&fixed, "1405/10/01 00:00")).await.unwrap();
    assert_eq!(second.version.number, 2);
    let versions = agreement::versions(app).await.unwrap();
    assert_eq!((versions.len(), &versions[1]), (2, &second));
    for kept in &versions {
        assert_eq!(agreement::checksum(&kept.version), kept.checksum);
    }
    let first = refusal(agreement::withdraw(app, 1).await);
    assert_eq!(first, AgreementRefusal::Version(version::Refusal::InForce));
    agreement::withdraw(app, 2).await.unwrap();
    let gone = refusal(agreement::withdraw(app, 3).await);
    assert_eq!(gone, AgreementRefusal::Version(version::Refusal::Unknown));
    let third = publish(new_version(&fixed, "1405/11/01 00:00")).await.unwrap();
    assert_eq!(third.version.number, 3);
    go_to(world, "1405/11/20 00:00");
    let judged_by = async |month: &str| {
        let month = PersianMonth::parse(month).unwrap();
        availability::month(app, None, month).await.unwrap().inputs.version
    };
    assert_eq!((judged_by("1405-10").await, judged_by("1405-11").await), (1, 3));
}

/// The first version is never another one: whoever changes its text or parameters changes what was
/// promised.
#[test]
fn the_first_version_is_pinned() {
    let checksum = agreement::checksum(&version::Version::first());
    let pinned = [
        0x04, 0x95, 0x3d, 0x51, 0x7b, 0x26, 0x59, 0xf3, 0xe0, 0x69, 0xe0, 0xc7, 0xa8, 0x26, 0x2b,
        0xa9, 0xec, 0x2f, 0x65, 0x3e, 0xac, 0x79, 0xb0, 0x04, 0xf1, 0x08, 0x99, 0xcf, 0x70, 0xe3,
        0x03, 0x47,
    ];
    assert_eq!(checksum, pinned);
}

/// I03, A21. Goal: an outage from an excluded cause that somebody records over silence excuses
/// nothing: the time stays unknown but for what was measured of it.
async fn an_excluded_cause_excuses_no_silence(world: &World) {
    let app = &world.app;
    let first = agreement::versions(app).await.unwrap()[0].version.draft.clone();
    let new = NewVersion {
        body_fa: Some(format!("{}\nقطع برق به حساب نمی‌آید.", first.body_fa)),
        body_en: Some(format!("{}\nA power failure does not count.", first.body_en)),
        parameters: vec![("availability.exclusions".to_owned(), "power".to_owned())],
        effective_from: dey().start(),
    };
    agreement::publish(app, new).await.unwrap();
    go_to(world, "1405/11/02 00:00");
    worked(world, span("1405/10/01 00:00", "1405/10/10 00:00")).await;
    worked(world, span("1405/10/11 00:00", "1405/11/01 00:00")).await;
    let (others, everyone) =
        (Paths::parse("panel,quick-send,campaign").unwrap(), Scope::everyone());
    let day = span("1405/10/10 00:00", "1405/10/11 00:00");
    outage::saw_working(app, "monitor", others, &everyone, day).await.unwrap();
    let totals = async || {
        let totals = availability::month(app, None, dey()).await.unwrap().judged.totals;
        (totals.unknown_us / HOUR_US, totals.down_us / HOUR_US)
    };
    assert_eq!(totals().await, (24, 0));
    let new = outage_of("api", "everyone", span("1405/10/10 13:00", "1405/10/10 16:00"));
    let id = outage::record(app, new).await.unwrap();
    assert_eq!(totals().await, (21, 3));
    outage::trace(app, id, Cause::Power, "the log of the UPS", "Reza").await.unwrap();
    assert_eq!(totals().await, (24, 0), "it proves nothing");
    let measured = Observed {
        down: vec![span("1405/10/10 14:00", "1405/10/10 15:00")],
        ..Observed::default()
    };
    let mut tx = world.db.begin().await.unwrap();
    let nothing = Observed::default();
    store::interval::replace(&mut tx, CoveredPath::Api, &nothing, &measured).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(totals().await, (23, 0), "this was measured, and is excused");
}

/// A21. Goal: whatever an outage comes from, it counts; unless the agreement that holds when its
/// month begins says in its text that it does not. Nothing is excluded afterwards, and by when an
/// undetermined month is decided is a number of the agreement, too.
async fn causes_count_unless_the_agreement_excludes_them(world: &World) {
    let app = &world.app;
    let first = agreement::versions(app).await.unwrap()[0].version.draft.clone();
    let new = |body_fa: String| NewVersion {
        body_fa: Some(body_fa),
        body_en: Some(format!("{}\nA power failure does not count.", first.body_en)),
        parameters: vec![
            ("availability.exclusions".to_owned(), "power".to_owned()),
            ("availability.evidence_days".to_owned(), "2".to_owned()),
        ],
        effective_from: dey().start(),
    };
    let silent = agreement::publish(app, new(first.body_fa.clone())).await;
    let why = version::Refusal::Text("availability.exclusions", Language::Persian);
    assert_eq!(refusal(silent), AgreementRefusal::Version(why));
    let body_fa = format!("{}\nقطع برق به حساب نمی‌آید.", first.body_fa);
    agreement::publish(app, new(body_fa)).await.unwrap();

    go_to(world, "1405/11/02 00:00");
    worked(world, span("1405/09/01 00:00", "1405/11/01 00:00")).await;
    let mut outages = Vec::new();
    for (from, to) in
        [("1405/09/10 10:00", "1405/09/10 12:00"), ("1405/10/10 10:00", "1405/10/10 12:00")]
    {
        let new = outage_of("api", "everyone", span(from, to));
        outages.push(outage::record(app, new).await.unwrap());
    }
    let azar = PersianMonth::parse("1405-09").unwrap();
    let of = async |month| availability::month(app, None, month).await.unwrap();
    let down = async |month| of(month).await.judged.totals.down_us / HOUR_US;
    assert_eq!((down(azar).await, down(dey()).await), (2, 2), "nobody has said where from");
    for id in &outages {
        outage::trace(app, *id, Cause::Carrier, "their notice", "Reza").await.unwrap();
    }
    assert_eq!((down(azar).await, down(dey()).await), (2, 2), "carriers count");
    for id in &outages {
        outage::trace(app, *id, Cause::Power, "the log of the UPS", "Reza").await.unwrap();
    }
    assert_eq!((down(azar).await, down(dey()).await), (2, 0), "from Dey on power does not");
    let judged = of(dey()).await;
    assert_eq!(judged.judged.totals.planned_us, 0, "and is no maintenance");
    // The hour after it began something of ours was down, too, and until after it.
    let ours = outage_of("api", "everyone", span("1405/10/10 11:00", "1405/10/10 13:00"));
    let ours = outage::record(app, ours).await.unwrap();
    assert_eq!(down(dey()).await, 2, "an excluded cause hides no outage of ours");
    outage::reverse(app, ours, "it was not", "Zahra").await.unwrap();
    assert_eq!(judged.evidence_until, at("1405/11/06 21:00"));
    assert_eq!(of(azar).await.evidence_until, at("1405/10/14 21:00"));
    let all = outage::list(app, Span { from: dey().start(), to: dey().end() }).await.unwrap();
    let traced: Vec<Cause> = all[0].causes.iter().map(|one| one.to).collect();
    assert_eq!(traced, [Cause::Carrier, Cause::Power]);
    let unsigned = outage::trace(app, outages[0], Cause::Ours, "it", " ").await;
    assert_eq!(refusal(unsigned), OutageRefusal::Text("author"));
    let unknown = outage::trace(app, 99, Cause::Ours, "it", "Reza").await;
    assert_eq!(refusal(unknown), OutageRefusal::NoSuchOutage);

    go_to(world, "1405/11/04 01:00");
    availability::freeze(app, dey()).await.unwrap();
    let unchanged = availability::revise(app, None, dey(), "again", "Sara").await;
    assert_eq!(refusal(unchanged), MonthRefusal::Unchanged);
    outage::trace(app, outages[1], Cause::Ours, "a switch that we had off", "Sara").await.unwrap();
    let revised = availability::revise(app, None, dey(), "it was ours", "Sara").await.unwrap();
    assert_eq!(revised.totals.down_us, 2 * HOUR_US);
    let verified = app::chain::verify(app, &[]).await.unwrap();
    assert!(verified.wrong.is_empty(), "{:?}", verified.wrong);
}

on_both_engines!(
    whom_a_change_touches_is_due_for_review,
    what_changes_within_a_freeze_is_due_for_review,
    months_that_were_skipped_are_frozen,
    causes_count_unless_the_agreement_excludes_them,
    an_excluded_cause_excuses_no_silence,
    a_month_is_judged_frozen_once_and_revised_beside_what_was_frozen,
    silence_and_strangers_have_no_month,
    accounts_that_felt_the_same_share_what_they_were_computed_from,
    maintenance_is_judged_before_it_is_saved,
    nonsense_is_no_outage,
    an_acceptance_stays_and_a_change_shows,
    a_version_is_published_withdrawn_and_judges_from_its_month_on,
);
