//! What vantage points report, through to the month: intervals, outages, and the last word of a
//! person.

use app::alert;
use app::availability;
use app::chain;
use app::dialing::{self, Asker, CallRecord, EndedCall, Meaning, SettleResult};
use app::evidence_day;
use app::interval;
use app::measurement::{self, ReportRefusal, VantageRefusal};
use app::outage;
use app::quick_send::{self, NewSend};
use app::{Caller, Settings};
use domain::access::Arrival;
use domain::agreement::availability::Class;
use domain::agreement::scope::CoveredPath;
use domain::agreement::state_interval::MINUTE_US;
use domain::agreement::vantage::{Look, Report};
use domain::calendar::month::PersianMonth;
use domain::calendar::span::Span;
use domain::{AccountId, Disposition, MessageClass, Timestamp};

use crate::calls::{ended, lease};
use crate::chain::bend;
use crate::engines::on_both_engines;
use crate::refusal;
use crate::violation::go_to;
use crate::world::World;

const SECOND_US: i64 = 1_000_000;

/// A vantage point as its own caller.
pub async fn vantage(world: &World, name: &str) -> Caller {
    let (owner, _) = world.customer(0).await;
    let added = measurement::add_vantage(&world.app, owner.account.id, name).await.unwrap();
    let arrival =
        Arrival { address: "127.0.0.1".parse().ok(), method: "v1.ReportSamples", https: true };
    app::caller::authenticate(&world.app, &added.token.secret, &arrival).await.unwrap()
}

/// Looks at every path, each half minute of these, numbered by their time.
fn looks(seconds: std::ops::Range<i64>, start: Timestamp, worked: bool) -> Vec<Look> {
    let at_each = |second: i64| {
        CoveredPath::ALL.into_iter().zip(0..).map(move |(path, n)| Look {
            run: 1,
            number: second * 10 + n,
            path,
            at: start.plus_us(second * SECOND_US),
            clock_offset_us: Some(0),
            worked: worked || path != CoveredPath::Api,
            latency_us: 5,
            error: None,
        })
    };
    seconds.step_by(30).flat_map(at_each).collect()
}

async fn report(world: &World, caller: &Caller, looks: Vec<Look>) -> measurement::Taken {
    let report = Report { sent_at: world.app.now(), looks };
    let taken = measurement::take(&world.app, caller, &report).await.unwrap();
    interval::judge_new(&world.app).await.unwrap();
    taken
}

/// Sends to a number, leases the send and ends its call, which was tried at that moment.
async fn call(world: &World, caller: &Caller, disposition: Disposition, tried_at: Timestamp) {
    let message = world.message(caller, 4000).await;
    let send = NewSend {
        message: message.id,
        number: String::from("09121234567"),
        vote: false,
        record_ms: None,
        server: None,
        reference: None,
        class: MessageClass::Service,
        follow_up: None,
    };
    quick_send::submit(&world.app, caller, send).await.unwrap();
    let (job, _) = world.dialer.next().await;
    let now = world.app.now();
    let stamp = dialing::take_node(&world.app, "a", now.plus_ms(60_000)).await.unwrap();
    let attempt = lease(world, stamp, &job, now).await.attempt().unwrap();
    let record = CallRecord { invite_at: Some(tried_at), ..CallRecord::default() };
    let call = ended(&job, attempt, Meaning::Decided(disposition), now);
    let ended = EndedCall { record, asker: Asker::of(&job), ..call };
    let settled = dialing::settle(&world.app, vec![ended.clone(), ended]).await.unwrap();
    assert_eq!(settled, [SettleResult::Settled, SettleResult::AlreadySettled]);
}

async fn outages(world: &World, start: Timestamp) -> Vec<outage::Outage> {
    let time = Span::new(start, world.app.now().plus_us(1)).unwrap();
    outage::list(&world.app, time).await.unwrap()
}

/// What the platform had of a time, second by second of its borders.
async fn had(world: &World, start: Timestamp) -> Vec<(i64, i64, Class)> {
    let month = PersianMonth::of(start);
    let shown = availability::month(&world.app, None, month).await.unwrap();
    let stretches = shown.judged.timeline.stretches().iter();
    let second = |at: Timestamp| at.us_since(start) / SECOND_US;
    let known = stretches.filter(|(_, class)| *class != Class::Unknown);
    known.map(|(span, class)| (second(span.from), second(span.to), *class)).collect()
}

/// Goal: samples of two places, late, twice and in any order, become up and down and unknown of the
/// month; an outage opens, lasts, ends with the first success, and is there once.
async fn samples_become_the_month(world: &World) {
    let (one, two) = (vantage(world, "one").await, vantage(world, "two").await);
    let start = world.app.now();
    world.clock.advance_ms(300_000);
    let good = looks(0..120, start, true);
    assert_eq!(report(world, &one, good.clone()).await.kept, 16);
    assert_eq!(report(world, &one, good.clone()).await.known, 16);
    report(world, &two, good).await;
    assert_eq!(had(world, start).await, [(0, 90, Class::Up)]);
    let bad = looks(120..300, start, false);
    report(world, &two, bad.clone()).await;
    assert_eq!(outages(world, start).await, [], "one place alone is no outage");
    let mut late = bad;
    late.reverse();
    report(world, &one, late).await;
    let seen = outages(world, start).await;
    assert_eq!(seen.len(), 1);
    assert_eq!((seen[0].from, seen[0].to), (start.plus_us(120 * SECOND_US), None));
    assert!(seen[0].measured && seen[0].paths.to_string() == "api");
    world.clock.advance_ms(60_000);
    report(world, &one, looks(300..360, start, true)).await;
    report(world, &two, looks(300..360, start, true)).await;
    let seen = outages(world, start).await;
    assert_eq!(seen[0].to, Some(start.plus_us(300 * SECOND_US)));
    let timeline = [(0, 120, Class::Up), (120, 300, Class::Down), (300, 330, Class::Up)];
    assert_eq!(had(world, start).await, timeline);
    // Of the last sample nothing is known, nor of what comes after it.
    world.clock.advance_ms(600_000);
    interval::judge_new(&world.app).await.unwrap();
    assert_eq!(had(world, start).await, timeline);
    assert_eq!(outages(world, start).await.len(), 1);
}

/// Goal: an outage of which nothing is heard any more is over with its last sample; what a person
/// says of one stands, whatever is measured afterwards, and what was said before stays to be seen.
#[tokio::test]
async fn silence_ends_an_outage_and_a_person_has_the_last_word() {
    let world = World::with(Settings::default()).await;
    let (one, two) = (vantage(&world, "one").await, vantage(&world, "two").await);
    let start = world.app.now();
    world.clock.advance_ms(121_000);
    for place in [&one, &two] {
        report(&world, place, looks(0..121, start, false)).await;
    }
    assert_eq!(outages(&world, start).await[0].to, None);
    world.clock.advance_ms(200_000);
    interval::judge_new(&world.app).await.unwrap();
    let seen = outages(&world, start).await;
    assert_eq!(seen[0].to, Some(start.plus_us(120 * SECOND_US)));
    let id = seen[0].id;
    let time = Span::new(start.plus_us(30 * SECOND_US), start.plus_us(60 * SECOND_US)).unwrap();
    outage::correct(&world.app, id, time, "only this was ours", "Reza").await.unwrap();
    for place in [&one, &two] {
        report(&world, place, looks(150..301, start, false)).await;
    }
    let seen = outages(&world, start).await;
    assert_eq!(seen.len(), 1, "{seen:?}");
    assert_eq!((seen[0].from, seen[0].to), (time.from, Some(time.to)));
    assert_eq!(seen[0].revisions.last().unwrap().author, "Reza");
    assert_eq!(seen[0].revisions.last().unwrap().from, start);
    let nobody = outage::correct(&world.app, id, time, "x", " ").await;
    assert_eq!(refusal(nobody), outage::OutageRefusal::Text("author"));
}

/// Goal: what several customers were served shows that the API was up though no probe looked; one
/// customer, or a sandbox, shows nothing.
async fn customers_that_are_served_are_evidence(world: &World) {
    let start = world.app.now();
    let (one, _) = world.customer(0).await;
    let (two, _) = world.customer(0).await;
    let (play, _) = world.sandbox(&one).await;
    let count = async |callers: &[&Caller]| {
        for caller in callers {
            interval::served(&world.app, &caller.account, CoveredPath::Api);
        }
        world.clock.advance_ms(120_000);
        interval::keep_requests(&world.app, "a", false).await.unwrap();
        interval::judge_new(&world.app).await.unwrap();
        let time = Span::new(start, world.app.now()).unwrap();
        let evidence = interval::evidence(&world.app, time).await.unwrap();
        evidence[CoveredPath::Api.index()].intervals.up.len()
    };
    assert_eq!(count(&[&one, &one, &play]).await, 0);
    assert_eq!(count(&[&one, &two]).await, 1);
    interval::failed(&world.app, CoveredPath::Api);
    assert_eq!(count(&[&one, &two]).await, 1, "somebody was failed in that minute");
}

/// Goal: calls that customers' sends led to show whether quick sends are dialled, at the time when
/// they were tried, in whatever order they end; a sandbox's show nothing.
async fn calls_that_were_placed_are_evidence(world: &World) {
    let start = world.app.now();
    let (one, _) = world.customer(10_000).await;
    let (two, _) = world.customer(10_000).await;
    let (play, _) = world.sandbox(&one).await;
    let shown = async |calls: &[(&Caller, Disposition, i64)]| {
        for (caller, disposition, minute) in calls {
            call(world, caller, *disposition, start.plus_us(minute * MINUTE_US)).await;
        }
        interval::keep_requests(&world.app, "a", true).await.unwrap();
        interval::judge_new(&world.app).await.unwrap();
        let time = Span::new(start.plus_us(-MINUTE_US), world.app.now()).unwrap();
        let evidence = interval::evidence(&world.app, time).await.unwrap();
        let quick = evidence[CoveredPath::QuickSend.index()].intervals.up.len();
        (quick, evidence[CoveredPath::Campaign.index()].intervals.up.len())
    };
    world.clock.advance_ms(600_000);
    let busy = Disposition::Busy;
    assert_eq!(shown(&[(&one, busy, 3), (&play, busy, 3), (&one, busy, 3)]).await, (0, 0));
    assert_eq!(shown(&[(&one, busy, 5), (&two, Disposition::Delivered, 5)]).await, (1, 0));
    let failed = Disposition::NetworkFailure;
    // One customer's broken calls say nothing of everybody's.
    let broken = [(&one, busy, 7), (&two, busy, 7), (&one, failed, 7), (&one, failed, 7)];
    assert_eq!(shown(&broken).await, (2, 0));
    // Those of several do; that a minute was written down before changes nothing.
    assert_eq!(shown(&[(&two, failed, 5), (&one, failed, 5)]).await, (1, 0));
}

/// Goal: samples that come late for a month whose freeze was broken off make it due for review, of
/// those who had been written down by then.
async fn late_samples_of_a_month_that_is_half_frozen_are_noted(world: &World) {
    let (one, two) = (vantage(world, "one").await, vantage(world, "two").await);
    let account = world.customer(0).await.0.account.id;
    let start = world.app.now();
    let azar = PersianMonth::of(start);
    go_to(world, "1405/10/04 00:00");
    availability::freeze(&world.app, azar).await.unwrap();
    // As if it had been killed before its last statement, that of the platform.
    bend(world, "DELETE FROM month_statement WHERE account_id = 0").await;
    for place in [&one, &two] {
        report(world, place, looks(0..300, start, true)).await;
    }
    let before = AccountId(account.0 - 1);
    let due = availability::touched(&world.app, azar, before, 9).await.unwrap();
    assert_eq!(due.iter().map(|one| one.number).collect::<Vec<_>>(), [account]);
    availability::freeze(&world.app, azar).await.unwrap();
}

/// Goal: only who is a vantage point may report, and a name is of one of them.
async fn only_vantage_points_report(world: &World) {
    let (customer, _) = world.customer(0).await;
    let report = Report { sent_at: world.app.now(), looks: Vec::new() };
    let refused = measurement::take(&world.app, &customer, &report).await;
    assert_eq!(refusal(refused), ReportRefusal::NotAVantage);
    vantage(world, "one").await;
    for (name, why) in [("one", VantageRefusal::NameTaken), (" ", VantageRefusal::Name)] {
        let account = customer.account.id;
        let refused = measurement::add_vantage(&world.app, account, name).await;
        assert_eq!(refusal(refused), why);
    }
}

/// Goal: who falls silent is told once and until somebody looks again; downtime that burns the
/// budget is told while it burns; where nobody ever looked, nobody is silent.
async fn silence_and_burning_are_told_once(world: &World) {
    assert_eq!(alert::look(&world.app).await.unwrap(), Vec::<String>::new());
    let (one, two) = (vantage(world, "one").await, vantage(world, "two").await);
    let start = world.app.now();
    world.clock.advance_ms(300_000);
    for place in [&one, &two] {
        report(world, place, looks(0..300, start, false)).await;
    }
    assert_eq!(alert::look(&world.app).await.unwrap(), ["burn:1h"]);
    world.clock.advance_ms(200_000);
    interval::judge_new(&world.app).await.unwrap();
    let silent = ["burn:1h", "silent:api", "silent:campaign", "silent:panel", "silent:quick-send"];
    for _ in 0..2 {
        assert_eq!(alert::look(&world.app).await.unwrap(), silent);
    }
    assert_eq!(alert::since(&world.app, start).await.unwrap().len(), 5);
    world.clock.advance_ms(600_000);
    for place in [&one, &two] {
        report(world, place, looks(1_000..1_100, start, true)).await;
    }
    assert_eq!(alert::look(&world.app).await.unwrap(), Vec::<String>::new());
    let told = alert::since(&world.app, start).await.unwrap();
    assert_eq!(told.len(), 5);
    assert!(told.iter().all(|alert| alert.ended_at == Some(world.app.now())), "{told:?}");
}

/// What is wrong with the chain, by the kind of the entry.
async fn wrong(world: &World) -> Vec<String> {
    let verified = chain::verify(&world.app, &[]).await.unwrap();
    let said = |(_, said): (chain::Wrong, String)| said.split(' ').next().unwrap().to_owned();
    verified.wrong.into_values().map(said).collect()
}

/// I17. Goal: the samples and intervals of a day are attested together once it is over; whatever is
/// changed of them afterwards is found, but for what comes late and what is forgotten by the rules.
async fn days_of_evidence_are_attested(world: &World) {
    let app = &world.app;
    let one = vantage(world, "one").await;
    let start = app.now();
    world.clock.advance_ms(300_000);
    report(world, &one, looks(0..120, start, true)).await;
    let look = async || evidence_day::look(app).await.unwrap();
    assert_eq!(look().await, 0, "the day is not over");
    world.clock.advance_ms(12 * 3_600_000 + 700_000);
    let paths = CoveredPath::ALL.len() as u64;
    assert_eq!((look().await, look().await), (paths * 2, 0));
    assert_eq!(wrong(world).await, [""; 0]);
    for (bent, back, kind) in [
        (
            "UPDATE sample SET latency_us = 6 WHERE number = 0",
            "UPDATE sample SET latency_us = 5 WHERE number = 0",
            "samples",
        ),
        (
            "UPDATE state_interval SET from_us = from_us + 1 WHERE path = 'api'",
            "UPDATE state_interval SET from_us = from_us - 1 WHERE path = 'api'",
            "intervals",
        ),
    ] {
        bend(world, bent).await;
        assert_eq!(wrong(world).await, [kind]);
        bend(world, back).await;
        assert_eq!(wrong(world).await, [""; 0]);
    }
    // What comes late changes the day, and is attested with it.
    assert!(report(world, &one, looks(600..660, start, true)).await.kept > 0);
    assert_eq!((wrong(world).await, look().await), (vec![], 0));
    bend(world, "DELETE FROM sample WHERE number = 0").await;
    assert_eq!(wrong(world).await, ["samples"]);
    // After their time they are forgotten, as was set, which is said.
    let days = i64::from(app.settings().measurement.sample_days) + 2;
    world.clock.advance_ms(days * 86_400_000);
    measurement::forget_old_samples(app).await.unwrap();
    let all = Span::new(start, app.now()).unwrap();
    for path in CoveredPath::ALL {
        assert_eq!(measurement::samples(app, (path, None), all).await.unwrap(), []);
    }
    measurement::forget_old_samples(app).await.unwrap();
    assert_eq!(wrong(world).await, [""; 0]);
    let said = chain::list(app, Some("samples-forgotten"), None, 99).await.unwrap();
    assert_eq!(said.len(), CoveredPath::ALL.len());
}

on_both_engines!(
    days_of_evidence_are_attested,
    samples_become_the_month,
    customers_that_are_served_are_evidence,
    late_samples_of_a_month_that_is_half_frozen_are_noted,
    calls_that_were_placed_are_evidence,
    only_vantage_points_report,
    silence_and_burning_are_told_once,
);
