//! A month as it was written down, and that nothing in it has to be believed.

use std::collections::BTreeSet;

use app::maintenance::{self, NewPlan};
use app::measurement::{self, NewVantage};
use app::outage::{self, NewOutage};
use app::signature::Whose;
use app::{availability, interval};
use axum::Router;
use domain::access::Arrival;
use domain::agreement::availability::Window;
use domain::agreement::claim::{Decision, Member, Outcome, Seat};
use domain::agreement::scope::{CoveredPath, Paths, Scope};
use domain::agreement::staff::Role;
use domain::agreement::vantage::{Look, Report};
use domain::calendar::date_time::Written;
use domain::calendar::month::PersianMonth;
use domain::calendar::span::Span;
use domain::{AccountId, Rials, Timestamp};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::client::{router, v1};
use crate::world::World;

const MONTH: &str = "1405-10";
const CLASSES: [&str; 5] = ["not covered", "down", "unknown", "planned", "up"];

fn at(text: &str) -> Timestamp {
    let written = Written::parse(text).unwrap();
    written.at_second(written.second().unwrap_or(0)).unwrap()
}

fn span(from: &str, to: &str) -> Span {
    Span::new(at(from), at(to)).unwrap()
}

pub fn go_to(world: &World, text: &str) {
    let ms = at(text).us_since(world.app.now()) / 1000;
    assert!(ms > 0, "{text} is in the past");
    world.clock.advance_ms(ms);
}

async fn outage(world: &World, paths: &str, scope: &str, time: Span) -> i64 {
    let (paths, scope) = (Paths::parse(paths).unwrap(), Scope::parse(scope).unwrap());
    let (cause, evidence) = ("power".to_owned(), "log 7".to_owned());
    let new = NewOutage {
        paths,
        scope,
        from: time.from,
        to: Some(time.to),
        cause,
        evidence,
        author: "Zahra".to_owned(),
    };
    outage::record(&world.app, new).await.unwrap()
}

/// Maintenance on the 20th from two to four in the morning, told on the 17th everywhere.
async fn maintain(world: &World) {
    let app = &world.app;
    go_to(world, "1405/10/17 20:00");
    maintenance::add_channel(app, "bale").await.unwrap();
    let night = span("1405/10/20 02:00", "1405/10/20 04:00");
    let plan = Window { paths: Paths::ALL, scope: Scope::everyone(), span: night };
    let plan = NewPlan { plan: Some(plan), author: "Reza".to_owned(), confirmed: false };
    let saved = maintenance::announce(app, "new disks", None, plan).await.unwrap();
    maintenance::tell(app, saved.id, None, "/#1", "قطعی برنامه‌ریزی شده").await.unwrap();
    maintenance::tell(app, saved.id, Some("bale"), "42", "قطعی").await.unwrap();
}

/// Ten minutes in which two places look each half minute and both see the API fail for two, while
/// customers are served and one request fails.
async fn measure(world: &World, owner: AccountId, served: &[(&Router, &str)]) {
    let start = at("1405/10/10 10:00");
    go_to(world, "1405/10/10 10:04");
    for (router, token) in served {
        v1(router, token, "GET", "/v1/agreement", None, &Value::Null).await;
        v1(router, token, "GET", "/v1/announcements", None, &Value::Null).await;
    }
    interval::failed(&world.app, CoveredPath::Api);
    go_to(world, "1405/10/10 10:10");
    for name in ["here", "there"] {
        let NewVantage { token, .. } =
            measurement::add_vantage(&world.app, owner, name).await.unwrap();
        let method = "v1.ReportSamples";
        let from = Arrival { address: "127.0.0.1".parse().ok(), method, https: true };
        let caller = app::caller::authenticate(&world.app, &token.secret, &from).await.unwrap();
        let look = |(number, path): (i64, CoveredPath)| Look {
            run: 1,
            number,
            path,
            at: start.plus_us(number / 4 * 30_000_000),
            clock_offset_us: Some(0),
            worked: path != CoveredPath::Api || !(16..32).contains(&number),
            latency_us: 7_000,
            error: None,
        };
        let looks = (0..84).zip(CoveredPath::ALL.into_iter().cycle()).map(look).collect();
        let report = Report { sent_at: world.app.now(), looks };
        measurement::take(&world.app, &caller, &report).await.unwrap();
    }
    interval::keep_requests(&world.app, "a", true).await.unwrap();
    interval::judge_new(&world.app).await.unwrap();
}

/// A month with all there is: what was measured, noted, corrected, taken back, and planned.
async fn a_month(world: &World, account: AccountId) {
    maintain(world).await;
    go_to(world, "1405/11/01 01:00");
    outage(world, "all", "everyone", span("1405/10/20 02:00", "1405/10/20 04:40")).await;
    outage(world, "panel", "everyone", span("1405/10/18 08:00", "1405/10/18 14:00")).await;
    let (mine, two_hours) =
        (format!("account:{account}"), span("1405/10/12 10:00", "1405/10/12 12:00"));
    let own = outage(world, "api", &mine, two_hours);
    let shorter = span("1405/10/12 10:00", "1405/10/12 11:00");
    let app = &world.app;
    outage::correct(app, own.await, shorter, "the log says so", "Maryam").await.unwrap();
    let none = outage(world, "all", "everyone", span("1405/10/15 10:00", "1405/10/15 20:00"));
    outage::reverse(app, none.await, "a drill", "Zahra").await.unwrap();
    for (from, to) in [
        ("1405/10/01 00:00", "1405/10/10 10:00"),
        ("1405/10/10 10:10", "1405/10/25 03:00"),
        ("1405/10/25 03:30", "1405/11/01 00:00"),
    ] {
        let everyone = Scope::everyone();
        outage::saw_working(app, "monitor 3", Paths::ALL, &everyone, span(from, to)).await.unwrap();
    }
}

/// What a caller reads.
struct Reader<'a> {
    router: &'a Router,
    token: &'a str,
}

impl Reader<'_> {
    async fn get(&self, path: &str) -> Value {
        let answer = v1(self.router, self.token, "GET", path, None, &Value::Null).await;
        assert_eq!(answer.status.as_u16(), 200, "{path}: {}", answer.text());
        answer.json()
    }

    /// A statement with all of its pages.
    async fn statement(&self, query: &str) -> Value {
        let mut whole = self.get(&format!("/v1/availability/statement?{query}")).await;
        for part in ["stretches", "parts", "inputs", "maintenance"] {
            let path = format!("/v1/availability/statement/{part}?{query}&limit=7");
            let (mut data, mut after) = (Vec::new(), String::new());
            loop {
                let page = self.get(&format!("{path}{after}")).await;
                assert!(list(&page, "data").len() <= 7);
                data.extend(list(&page, "data").to_vec());
                let Some(next) = page["next_page"].as_str() else { break };
                after = format!("&after={next}");
            }
            whole[part] = Value::from(data);
        }
        let lines: Vec<&str> =
            list(&whole, "inputs").iter().map(|line| line.as_str().unwrap()).collect();
        whole["inputs"] = Value::from(lines.join("\n"));
        whole
    }

    async fn evidence(&self, day: u32, path: &str) -> Value {
        self.get(&format!("/v1/availability/evidence?day={MONTH}-{day:02}&path={path}")).await
    }
}

/// Every number in a value, be it written as text, by the way to it. Places in lists are `*`.
pub fn numbers(value: &Value, way: &str, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                numbers(value, &format!("{way}/{name}"), found);
            }
        }
        Value::Array(values) => {
            for value in values {
                numbers(value, &format!("{way}/*"), found);
            }
        }
        Value::Number(_) => drop(found.insert(way.to_owned())),
        Value::String(text) if text.parse::<f64>().is_ok() => drop(found.insert(way.to_owned())),
        _ => {}
    }
}

pub fn list<'a>(value: &'a Value, name: &str) -> &'a [Value] {
    value[name].as_array().unwrap_or_else(|| panic!("{name} of {value}"))
}

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap_or_else(|| panic!("{name} of {value}"))
}

/// A moment as it is told, which is of Tehran's clock always.
fn moment(told: &str) -> Timestamp {
    at(&told.replace('T', " ").replace("+03:30", ""))
}

fn has(part: &Value, now: &str) -> bool {
    text(part, "from") <= now && now < text(part, "to")
}

fn names(part: &Value, path: &str) -> bool {
    text(part, "paths").split(',').any(|one| one == path || one == "all")
}

/// The class of an instant, from the parts that the statement opens to: the rule of the
/// specification, path by path, written down a second time.
fn class(statement: &Value, now: &str) -> &'static str {
    let parts = list(statement, "parts");
    let of = |kind: &str, path: &str| {
        parts.iter().any(|part| part["kind"] == kind && names(part, path) && has(part, now))
    };
    let paths: Vec<&str> = CoveredPath::ALL.iter().map(|path| path.word()).collect();
    let entitled: Vec<&str> = paths.into_iter().filter(|path| of("entitled", path)).collect();
    let covered = list(statement, "covered").iter().any(|span| has(span, now));
    if !covered || entitled.is_empty() {
        return "not covered";
    }
    let some = |holds: &dyn Fn(&str) -> bool| entitled.iter().any(|path| holds(path));
    if some(&|path| of("down", path) && !of("window", path)) {
        return "down";
    }
    let silent = |path: &str| !of("down", path) && !of("up", path);
    if some(&|path| silent(path) && !of("window", path)) {
        return "unknown";
    }
    if some(&|path| of("down", path) || silent(path)) { "planned" } else { "up" }
}

/// Figures, totals and stretches, each from what it opens to.
async fn figures_open(reader: &Reader<'_>, statement: &Value) {
    let stretches = list(statement, "stretches");
    for class in CLASSES {
        let of = stretches.iter().filter(|stretch| stretch["class"] == class);
        let us: i64 = of.map(|stretch| stretch["microseconds"].as_i64().unwrap()).sum();
        assert_eq!(statement["microseconds"][class], us, "{class}");
    }
    let us = |class: &str| statement["microseconds"][class].as_i64().unwrap();
    let covered = us("planned") + us("down") + us("unknown") + us("up");
    let figures = &statement["figures"];
    for (name, us) in [
        ("covered_seconds", covered),
        ("planned_seconds", us("planned")),
        ("down_seconds", us("down")),
        ("unknown_seconds", us("unknown")),
    ] {
        assert_eq!(figures[name], us / 1_000_000, "{name}");
    }
    let base = covered - us("planned");
    let cut = |part: i64, whole: i64| {
        let thousandths = i128::from(part) * 100_000 / i128::from(whole);
        format!("{}.{:03}", thousandths / 1000, thousandths % 1000)
    };
    let known = base - us("unknown");
    assert_eq!(figures["low_percent"], cut(known - us("down"), base));
    assert_eq!(figures["measured_percent"], cut(known - us("down"), known));
    assert_eq!(figures["high_percent"], cut(base - us("down"), base));
    let mut end = "1405";
    for stretch in stretches {
        let (from, to) = (text(stretch, "from"), text(stretch, "to"));
        assert!(end == "1405" || end == from, "no time lies between {end} and {from}");
        assert_eq!(stretch["microseconds"], moment(to).us_since(moment(from)));
        let borders = list(statement, "parts").iter().map(|part| text(part, "from"));
        let within = borders.filter(|border| from < *border && *border < to);
        for now in std::iter::once(from).chain(within) {
            assert_eq!(class(statement, now), text(stretch, "class"), "{now}");
        }
        end = to;
    }
    // The version that it was judged by says the same numbers, and the text is the one that was
    // kept.
    let version = reader.get(&format!("/v1/agreement/{}", statement["agreement"])).await;
    assert_eq!(version["version"], statement["agreement"]);
    for term in list(statement, "terms") {
        let of = list(&version, "parameters").iter().find(|one| one["name"] == term["name"]);
        assert_eq!(of.unwrap()["value"], term["value"], "{term}");
    }
    let digest = domain::chain::hex(&Sha256::digest(text(statement, "inputs")));
    assert_eq!(statement["sha256"], digest);
}

/// Each part, day by day, from what was seen: an interval of a path or a note; an outage; notices.
async fn parts_open(reader: &Reader<'_>, statement: &Value) {
    let parts = list(statement, "parts");
    for path in CoveredPath::ALL.map(CoveredPath::word) {
        for day in 1..=30 {
            let evidence = reader.evidence(day, path).await;
            let of_path = list(&evidence, "paths").iter().find(|one| one["path"] == path).unwrap();
            let from = text(&evidence, "from").max(text(&parts[0], "from"));
            for kind in ["up", "down"] {
                let seen = |now: &str| match kind {
                    "up" => {
                        let notes = list(&evidence, "notes").iter();
                        list(of_path, "up").iter().any(|one| has(one, now))
                            || notes.filter(|note| names(note, path)).any(|one| has(one, now))
                    }
                    _ => list(&evidence, "outages").iter().any(|one| {
                        one["reversed_at"].is_null() && names(one, path) && has(one, now)
                    }),
                };
                let of = parts.iter().filter(|part| part["kind"] == kind && names(part, path));
                let of: Vec<&Value> = of.collect();
                let borders = of.iter().flat_map(|part| [text(part, "from"), text(part, "to")]);
                let today = borders.filter(|now| from <= *now && *now < text(&evidence, "to"));
                for now in std::iter::once(from).chain(today) {
                    let counted = of.iter().any(|part| has(part, now));
                    assert_eq!(counted, seen(now), "{path} {kind} {now}");
                }
            }
            evidence_opens(reader, &evidence, path).await;
        }
    }
    for window in parts.iter().filter(|part| part["kind"] == "window") {
        let told = list(statement, "maintenance").iter().find(|one| {
            list(one, "planned").iter().any(|planned| planned["from"] == window["from"])
        });
        let channels: BTreeSet<&str> =
            list(told.unwrap(), "notices").iter().map(|one| text(one, "channel")).collect();
        assert_eq!(channels.len(), 2, "{window}");
    }
}

/// What evidence counts, from the looks and requests that it counts.
async fn evidence_opens(reader: &Reader<'_>, evidence: &Value, path: &str) {
    let of_path = list(evidence, "paths").iter().find(|one| one["path"] == path).unwrap();
    let day = text(evidence, "from").get(..10).unwrap();
    for tally in list(of_path, "vantages") {
        let of = format!("day={day}&path={path}&vantage={}", tally["vantage"]);
        let samples = reader.get(&format!("/v1/availability/evidence?{of}")).await;
        let count = |worked: bool| {
            let samples = list(&samples, "samples").iter();
            samples.filter(|one| one["worked"] == worked).count()
        };
        assert_eq!(
            (&tally["worked"], &tally["failed"]),
            (&json!(count(true)), &json!(count(false)))
        );
    }
    for (sum, one) in [("requests_served", "served"), ("requests_failed", "failed")] {
        let minutes = list(evidence, "requests").iter().chain([&evidence["requests_of_few"]]);
        let minutes: u64 = minutes.map(|minute| minute[one].as_u64().unwrap()).sum();
        assert_eq!(of_path[sum], minutes, "{sum}");
    }
    for outage in list(evidence, "outages") {
        assert_eq!(outage["corrections"], list(outage, "before").len());
    }
    let mut found = BTreeSet::new();
    numbers(evidence, "", &mut found);
    // What a place looked at and a minute counted is where opening ends.
    let opened = [
        "/paths/*/vantages/*/vantage",
        "/paths/*/vantages/*/worked",
        "/paths/*/vantages/*/failed",
        "/paths/*/requests_served",
        "/paths/*/requests_failed",
        "/outages/*/id",
        "/outages/*/corrections",
        "/samples/*/vantage",
        "/samples/*/latency_ms",
        "/samples/*/clock_offset_ms",
        "/requests/*/served",
        "/requests/*/failed",
        "/requests_of_few/minutes",
        "/requests_of_few/served",
        "/requests_of_few/failed",
    ];
    found.retain(|way| !opened.contains(&way.as_str()));
    assert_eq!(found, BTreeSet::new(), "these numbers of the evidence open to nothing");
}

/// T184, I18. Goal: every number on a frozen statement opens to its intervals, these to evidence,
/// and all to the version; and a number that is added to it and opens to nothing fails this test.
#[tokio::test]
async fn t184_every_number_on_a_statement_opens_to_what_it_comes_from() {
    let world = World::new().await;
    let (caller, token) = world.customer(0).await;
    let (_, other) = world.customer(0).await;
    let router = router(&world);
    let account = caller.account.id;
    measure(&world, account, &[(&router, &token), (&router, &other)]).await;
    a_month(&world, account).await;
    go_to(&world, "1405/11/04 00:00");
    availability::freeze(&world.app, PersianMonth::parse(MONTH).unwrap()).await.unwrap();

    let reader = Reader { router: &router, token: &token };
    let statement = reader.statement(&format!("month={MONTH}")).await;
    let us = &statement["microseconds"];
    // Two minutes of the API were measured, an hour of it recorded, six hours of the panel, and the
    // maintenance took forty minutes too long.
    let down = (2 + 60 + 360 + 40) * 60_000_000_i64;
    assert_eq!((&us["down"], &us["planned"]), (&json!(down), &json!(7_200_000_000_i64)));
    assert_eq!((&us["unknown"], &us["not covered"]), (&json!(1_800_000_000_i64), &json!(0)));
    let shown = reader.get(&format!("/v1/availability?month={MONTH}")).await;
    for (name, figure) in statement["figures"].as_object().unwrap() {
        assert_eq!(&shown["statements"][0][name], figure, "{name}");
    }
    let same = format!("month={MONTH}&revision={}", statement["revision"]);
    assert_eq!(reader.statement(&same).await, statement);
    figures_open(&reader, &statement).await;
    parts_open(&reader, &statement).await;
    let told = &list(&statement, "maintenance")[0];
    for notice in list(told, "notices") {
        let version = usize::try_from(notice["version"].as_u64().unwrap()).unwrap();
        assert!(version < list(told, "versions").len());
    }
    let mut found = BTreeSet::new();
    numbers(&statement, "", &mut found);
    // What was opened above; the others name a thing, and where it was told.
    let opened = |way: &String| {
        way.starts_with("/figures/")
            || way.starts_with("/microseconds/")
            || [
                "/revision",
                "/agreement",
                "/terms/*/value",
                "/stretches/*/microseconds",
                "/maintenance/*/id",
                "/maintenance/*/notices/*/version",
                "/maintenance/*/notices/*/reference",
            ]
            .contains(&way.as_str())
    };
    found.retain(|way| !opened(way));
    assert_eq!(found, BTreeSet::new(), "these numbers open to nothing");

    let platform = reader.statement(&format!("month={MONTH}&of=platform")).await;
    assert_eq!(platform["microseconds"]["down"], down - 3_600_000_000);
    figures_open(&reader, &platform).await;
    let public = Reader { router: &router, token: "" };
    let public = public.get(&format!("/v1/transparency?month={MONTH}")).await;
    assert_eq!(
        public["availability"],
        reader.get(&format!("/v1/availability?month={MONTH}&of=platform")).await
    );
    for (name, figure) in platform["figures"].as_object().unwrap() {
        assert_eq!(&public["availability"]["statements"][0][name], figure, "{name}");
    }
    assert_eq!(public["violations"][0]["count"], Value::Null, "fewer than five: {public}");
    let (reza, month) = ("Reza", PersianMonth::parse(MONTH).unwrap());
    app::post::appoint(&world.app, reza, Role::Manager, "the board").await.unwrap();
    app::signature::sign(&world.app, month, Whose::All, reza).await.unwrap();
    let signed = reader.get(&format!("/v1/availability/statement?month={MONTH}")).await;
    let signature = &signed["manager_signature"];
    assert_eq!((&signature["by"], &signature["deputy_of"]), (&json!(reza), &Value::Null));
    assert_eq!(signature["sha256"], signed["sha256"]);
    let shown = reader.get(&format!("/v1/availability?month={MONTH}")).await;
    assert_eq!(&shown["statements"][0]["manager_signature"], signature);
    let late = span("1405/10/26 08:00", "1405/10/26 08:01");
    outage(&world, "api", "everyone", late).await;
    for whose in [None, Some(account)] {
        let (why, who) = ("Zahra found it", "Maryam");
        availability::revise(&world.app, whose, month, why, who).await.unwrap();
    }
    let of = async |of: &str| {
        let path = format!("/v1/availability/statement?month={MONTH}&of={of}");
        let told = reader.get(&path).await;
        assert_eq!(told["manager_signature"], Value::Null, "a new revision is unsigned");
        (told["revision"].clone(), told["reason"].clone(), told["signed_by"].clone())
    };
    assert_eq!(of("platform").await, (json!(1), Value::Null, Value::Null));
    assert_eq!(of("account").await, (json!(1), json!("Zahra found it"), json!("Maryam")));

    let theirs = Reader { router: &router, token: &other };
    let theirs = theirs.get(&format!("/v1/availability/statement?month={MONTH}")).await;
    assert_eq!(theirs["microseconds"]["down"], down - 3_600_000_000);
    for (query, code) in [
        ("month=1405-09&revision=7", "not_found"),
        ("month=1405-11", "not_found"),
        ("month=1405-13", "invalid_request"),
        ("", "invalid_request"),
        ("month=1405-10&revision=-1", "invalid_request"),
        ("month=1405-10&of=everybody", "invalid_request"),
    ] {
        for part in ["", "/stretches", "/parts", "/inputs", "/maintenance"] {
            let path = format!("/v1/availability/statement{part}?{query}");
            let refused = v1(&router, &token, "GET", &path, None, &Value::Null).await;
            assert_eq!(refused.json()["code"], code, "{part} {query}");
        }
    }
    for after in ["7", "0.x", "-1.0", "1.5&revision=0"] {
        let path = format!("/v1/availability/statement/parts?month={MONTH}&after={after}");
        let refused = v1(&router, &token, "GET", &path, None, &Value::Null).await;
        assert_eq!(refused.json()["code"], "invalid_request", "{after}");
    }
}

/// T081, C22. Goal: the panel is away for six hours of the time of notice. The notice stays valid,
/// the statement shows the gap, and a committee may judge it and pay for it.
#[tokio::test]
async fn t081_a_panel_that_was_away_while_a_notice_stood_is_shown_and_can_be_judged() {
    let world = World::new().await;
    let (caller, token) = world.customer(0).await;
    let router = router(&world);
    let account = caller.account.id;
    a_month(&world, account).await;
    let elsewhere = span("1405/10/19 08:00", "1405/10/19 09:00");
    outage(&world, "api", "everyone", elsewhere).await;
    outage(&world, "panel", "cohort:7", elsewhere).await;
    go_to(&world, "1405/11/04 00:00");
    availability::freeze(&world.app, PersianMonth::parse(MONTH).unwrap()).await.unwrap();
    let reader = Reader { router: &router, token: &token };
    let statement = reader.statement(&format!("month={MONTH}")).await;
    assert_eq!(statement["figures"]["planned_seconds"], 7200);
    let told = &list(&statement, "maintenance")[0];
    assert_eq!(list(told, "planned")[0]["from"], list(told, "versions")[0]["plan"]["from"]);
    let gaps = list(told, "panel_was_away");
    assert_eq!(gaps.len(), 1, "{told}");
    assert_eq!(moment(text(&gaps[0], "from")), at("1405/10/18 08:00"));
    assert_eq!(moment(text(&gaps[0], "to")), at("1405/10/18 14:00"));

    let body = json!({
        "event_at": "2027-01-10 02:00", "track": "availability",
        "statement": "The panel was away, so nobody could read of it.",
    });
    let filed = v1(&router, &token, "POST", "/v1/claims", None, &body).await;
    assert_eq!(filed.status.as_u16(), 201, "{}", filed.text());
    judged_by_a_committee(&world, text(&filed.json(), "id").parse().unwrap()).await;
    let claim = reader.get(&format!("/v1/claims/{}", text(&filed.json(), "id"))).await;
    assert_eq!(claim["state"], "announced", "{claim}");
}

async fn judged_by_a_committee(world: &World, claim: i64) {
    let app = &world.app;
    let seats = [("t1", Seat::Technical), ("t2", Seat::Technical), ("o1", Seat::Oversight)];
    let committee = seats.map(|(name, seat)| Member { name: name.to_owned(), seat });
    app::claim::complete(app, claim, &[], "Sara").await.unwrap();
    app::claim::assign(app, claim, &committee, "Sara").await.unwrap();
    let decision = Decision {
        outcome: Outcome::Accepted,
        amount: Some(Rials(50_000)),
        method: Some("by card".to_owned()),
        reasons: "the panel was away for six of the 48 hours".to_owned(),
        votes: committee.iter().map(|one| (one.name.clone(), true)).collect(),
        at: Timestamp(0),
    };
    app::claim::decide(app, claim, decision, "Sara").await.unwrap();
    app::claim::announce(app, claim, "Sara").await.unwrap();
}

/// 0106, 0110, T178. Goal: nobody reads what our people wrote of others, nor when a few others
/// asked for something, not even by looking again and again on the day; whom it concerns alone
/// reads all of it.
#[tokio::test]
async fn evidence_tells_each_what_concerns_it() {
    let world = World::new().await;
    let (caller, token) = world.customer(0).await;
    let router = router(&world);
    let many: Vec<String> = {
        let mut tokens = Vec::new();
        for _ in 0..5 {
            tokens.push(world.customer(0).await.1);
        }
        tokens
    };
    let reader = |token| Reader { router: &router, token };
    go_to(&world, "1405/10/12 10:00");
    for token in many.iter().chain([&token, &token]) {
        reader(token).get("/v1/agreement_acceptances").await;
    }
    go_to(&world, "1405/10/12 10:03");
    reader(&token).get("/v1/agreement_acceptances").await;
    interval::failed(&world.app, CoveredPath::Api);
    go_to(&world, "1405/10/12 12:00");
    let own = format!("account:{}", caller.account.id);
    let (from, to) = ("1405/10/12 08:00", "1405/10/12 09:00");
    for scope in [&*own, "everyone"] {
        let id = outage(&world, "api", scope, span(from, to)).await;
        let shorter = span(from, "1405/10/12 08:30");
        outage::correct(&world.app, id, shorter, "Zahra says so", "Maryam").await.unwrap();
        outage::reverse(&world.app, id, "Zahra was wrong", "Zahra").await.unwrap();
    }
    interval::keep_requests(&world.app, "a", true).await.unwrap();

    let evidence = reader(&token).evidence(12, "api").await;
    let outages = list(&evidence, "outages");
    assert_eq!(outages.len(), 2);
    for (told, one) in [true, false].into_iter().zip(outages) {
        let texts = [&one["evidence"], &one["before"][0]["because"], &one["reversed_because"]];
        assert_eq!(texts.map(|text| !text.is_null()), [told; 3], "{one}");
        assert!(!one["reversed_at"].is_null() && one["cause"] == "power");
    }
    let theirs = reader(&many[0]).evidence(12, "api").await;
    assert_eq!(list(&theirs, "outages").len(), 1);
    assert!(!theirs.to_string().contains("Zahra"), "{theirs}");
    let minutes = list(&evidence, "requests");
    assert_eq!((minutes.len(), &minutes[0]["served"]), (1, &json!(7)));
    let of_path = |evidence: &Value| list(evidence, "paths")[1].clone();
    assert_eq!(evidence["requests_of_few"], Value::Null, "the day runs");
    let until = moment(text(&of_path(&evidence), "requests_until"));
    assert_eq!(until, at("1405/10/12 11:00"));
    assert_eq!(of_path(&evidence)["requests_served"], 7);
    // A look is a request, too.
    go_to(&world, "1405/10/12 12:59");
    interval::keep_requests(&world.app, "a", true).await.unwrap();
    assert_eq!(of_path(&reader(&token).evidence(12, "api").await), of_path(&evidence));
    go_to(&world, "1405/10/13 01:00");
    interval::keep_requests(&world.app, "a", true).await.unwrap();
    let whole = reader(&token).evidence(12, "api").await;
    let few = json!({ "minutes": 3, "served": 4, "failed": 1 });
    assert_eq!(whole["requests_of_few"], few);
    assert_eq!(of_path(&whole)["requests_served"], 11);
}
