//! The promises of speed, and that none of their figures has to be believed.

use std::collections::BTreeSet;

use app::dialing::{self, NodeStamp};
use app::{campaign, capacity_test, promise};
use axum::Router;
use domain::Disposition;
use domain::calendar::span::Span;
use serde_json::{Value, json};

use crate::calls::call_all;
use crate::client::{router, v1};
use crate::v1_statement::{list, numbers};
use crate::world::World;

const PROMISES: &str = "/v1/availability/promises";
const DELIVERY: &str = "/v1/availability/delivery";

async fn get(router: &Router, token: &str, path: &str) -> Value {
    let answer = v1(router, token, "GET", path, None, &Value::Null).await;
    assert_eq!(answer.status.as_u16(), 200, "{path}: {}", answer.text());
    answer.json()
}

/// Tests the load: the sandbox calls as many as it may.
async fn test_the_load(world: &World, node: NodeStamp) {
    let app = &world.app;
    capacity_test::begin(app).await.unwrap();
    assert_eq!(capacity_test::look(app).await.unwrap(), None);
    let mut started = 0;
    while started < 1000 {
        campaign::feed(app, app.now()).await.unwrap();
        started += call_all(world, node, |_| Disposition::Delivered).await;
        world.clock.advance_ms(7_000);
    }
    assert!(capacity_test::look(app).await.unwrap().is_some());
}

/// A customer, its message and the node that calls.
struct Sender<'a> {
    world: &'a World,
    router: &'a Router,
    token: &'a str,
    audio: i64,
    node: NodeStamp,
}

impl Sender<'_> {
    /// A thousand messages at once, which are called after so many minutes and two seconds.
    async fn send(&self, batch: u32, wait: i64) {
        let to: Vec<String> = (0..1000).map(|n| format!("0912{batch:03}{n:04}")).collect();
        for some in to.chunks(100) {
            let body = json!({ "to": some, "audio_id": self.audio });
            let sent = v1(self.router, self.token, "POST", "/v1/messages", None, &body).await;
            assert!(sent.status.is_success(), "{}", sent.text());
        }
        self.world.clock.advance_ms(wait * 60_000 + 2_000);
        let called = call_all(self.world, self.node, |_| Disposition::Delivered).await;
        assert_eq!(called, 1000);
    }
}

fn sum(parts: &[Value], of: &str, name: &str) -> i64 {
    parts.iter().map(|part| part[of][name].as_i64().unwrap()).sum()
}

/// A figure of the delivery is the sum of its days.
fn days_sum_up(delivery: &Value) {
    let days = list(delivery, "days");
    for of in ["figures", "with_declared"] {
        for name in ["samples", "microseconds", "heard", "heard_microseconds"] {
            assert_eq!(delivery[of][name], sum(days, of, name), "{of} {name}");
        }
        for excluded in list(&delivery[of], "excluded") {
            let same = |part: &Value| {
                let found = list(&part[of], "excluded");
                let found = found.iter().find(|one| one["reason"] == excluded["reason"]);
                found.map_or(0, |one| one["samples"].as_i64().unwrap())
            };
            assert_eq!(excluded["samples"], days.iter().map(same).sum::<i64>());
        }
        let figures = &delivery[of];
        let (us, count) =
            (figures["microseconds"].as_i64().unwrap(), figures["samples"].as_i64().unwrap());
        assert_eq!(figures["mean_ms"], (us + count - 1) / count / 1000);
        assert_eq!(figures["met"], us < delivery["mean_limit_ms"].as_i64().unwrap() * 1000 * count);
    }
    let figures = &delivery["figures"];
    let distribution = list(delivery, "distribution");
    let counted: i64 = distribution.iter().map(|one| one["samples"].as_i64().unwrap()).sum();
    assert_eq!(figures["samples"], counted);
    for (name, percent) in [("p50_ms", 50), ("p95_ms", 95), ("p99_ms", 99)] {
        let rank = (counted * percent + 99) / 100;
        let mut before = 0;
        let second = distribution.iter().find(|one| {
            before += one["samples"].as_i64().unwrap();
            before >= rank
        });
        let (second, ms) = (second.unwrap()["seconds"].as_i64().unwrap(), &figures[name]);
        let within = (second - 1) * 1000..=second * 1000;
        assert!(within.contains(&ms.as_i64().unwrap()), "{name}: {ms} in {second}");
    }
}

/// The figures of the capacity are counts of minutes and of seconds.
async fn minutes_count_up(router: &Router, token: &str, capacity: &Value) {
    let (mut minutes, mut next) = (Vec::new(), String::new());
    loop {
        let page = get(router, token, &format!("{PROMISES}/minutes?limit=2{next}")).await;
        minutes.extend(list(&page, "data").to_vec());
        let Some(after) = page["next_page"].as_str() else { break };
        next = format!("&after={after}");
    }
    let missed = minutes.iter().filter(|one| one["kept"] == false).count();
    assert_eq!(
        (&capacity["qualifying"], &capacity["missed"]),
        (&json!(minutes.len()), &json!(missed))
    );
    for minute in &minutes {
        assert!(minute["startable"].as_i64() >= capacity["starts_min"].as_i64());
        let kept = minute["starts"].as_i64() >= capacity["starts_min"].as_i64();
        assert_eq!(minute["kept"], kept);
    }
    for test in list(capacity, "tests") {
        let seconds = list(test, "starts_by_second").iter();
        let starts: i64 = seconds.map(|second| second.as_i64().unwrap()).sum();
        assert_eq!(test["starts"], starts);
        // A test asks for twice as many as a minute has to start.
        let min = capacity["starts_min"].as_i64().unwrap();
        assert_eq!(test["startable"], 2 * min);
    }
}

/// T184, I18, A17, T198. Goal: what the capacity and the delivery came to, by what, and each number
/// of that from what it is the sum of.
#[tokio::test]
async fn every_number_of_the_promises_opens_to_what_it_comes_from() {
    let world = World::new().await;
    let (caller, token) = world.customer(1_000_000_000).await;
    let router = router(&world);
    let until = world.app.now().plus_ms(9_000_000_000);
    let node = dialing::take_node(&world.app, "a", until).await.unwrap();
    test_the_load(&world, node).await;
    let audio = world.message(&caller, 5_000).await.id.0;
    let sender = Sender { world: &world, router: &router, token: &token, audio, node };
    let told = get(&router, &token, PROMISES).await;
    let capacity = &told["capacity"];
    assert_eq!((&capacity["met"], &capacity["met_by"]), (&json!(true), &json!("test")));
    assert_eq!(told["delivery"]["figures"]["met"], Value::Null);
    minutes_count_up(&router, &token, capacity).await;

    // To the next whole hour.
    let past = world.app.now().0.rem_euclid(3_600_000_000);
    world.clock.advance_ms((3_600_000_000 - past) / 1000);
    sender.send(100, 0).await;
    assert_eq!(get(&router, &token, PROMISES).await, told, "it is judged once an hour");
    world.clock.advance_ms(3_600_000);
    let by_demand = get(&router, &token, PROMISES).await;
    let by_demand = &by_demand["capacity"];
    assert_eq!((&by_demand["met"], &by_demand["met_by"]), (&json!(true), &json!("demand")));
    world.clock.advance_ms(20 * 3_600_000);
    let batch_at = world.app.now();
    sender.send(200, 3).await;
    let declared = Span::new(batch_at, batch_at.plus_us(1)).unwrap();
    promise::declare(&world.app, declared, "the exchange burned", "Maryam").await.unwrap();
    world.clock.advance_ms(3_600_000);

    let told = get(&router, &token, PROMISES).await;
    days_sum_up(&told["delivery"]);
    let capacity = &told["capacity"];
    minutes_count_up(&router, &token, capacity).await;
    assert_eq!((&capacity["met"], &capacity["met_by"]), (&json!(false), &json!("demand")));
    assert_eq!(capacity["missed"], 2, "{capacity}");
    let (with, without) = (&told["delivery"]["with_declared"], &told["delivery"]["figures"]);
    assert_eq!((&with["samples"], &without["samples"]), (&json!(2000), &json!(1000)));
    assert_eq!((&with["met"], &without["met"]), (&json!(false), &json!(true)));
    let shown = &told["delivery"]["declared"][0];
    assert!(shown.get("author").is_none(), "nobody of staff is named");
    assert_eq!(shown["withdrawn_at"], Value::Null);
    let version = get(&router, &token, &format!("/v1/agreement/{}", told["agreement"])).await;
    let parameters = list(&version, "parameters").iter().map(|one| one["value"].as_str().unwrap());
    let parameters: BTreeSet<&str> = parameters.collect();
    for limit in [&told["delivery"]["mean_limit_ms"], &capacity["starts_min"]] {
        let of = |unit: i64| (limit.as_i64().unwrap() / unit).to_string();
        assert!(parameters.contains(&*of(1)) || parameters.contains(&*of(1000)), "{limit}");
    }
    every_number_is_known(&told);
}

/// A customer's own sends, each at a number of its own, called two seconds later.
async fn send_some(
    (world, router, node): (&World, &Router, NodeStamp),
    token: &str,
    audio: i64,
    numbers: std::ops::Range<u32>,
) -> Vec<String> {
    let to: Vec<String> = numbers.map(|n| format!("091200000{n:02}")).collect();
    let body = json!({ "to": to, "audio_id": audio });
    let sent = v1(router, token, "POST", "/v1/messages", None, &body).await;
    assert!(sent.status.is_success(), "{}", sent.text());
    world.clock.advance_ms(2_000);
    call_all(world, node, |_| Disposition::Delivered).await;
    let sent = sent.json();
    list(&sent, "data").iter().map(|one| one["id"].as_str().unwrap().to_owned()).collect()
}

/// A16, T184, I18. Goal: a customer sees what the delivery of its own sends came to, what was
/// excluded and why, and each of them; nobody else's are in it.
#[tokio::test]
async fn the_delivery_of_an_account_opens_to_its_own_sends() {
    let world = World::new().await;
    let (caller, token) = world.customer(1_000_000_000).await;
    let (other, others) = world.customer(1_000_000_000).await;
    let router = router(&world);
    let until = world.app.now().plus_ms(9_000_000_000);
    let node = dialing::take_node(&world.app, "a", until).await.unwrap();
    let audio = world.message(&caller, 5_000).await.id.0;
    let theirs = world.message(&other, 5_000).await.id.0;
    let mut mine = send_some((&world, &router, node), &token, audio, 0..5).await;
    send_some((&world, &router, node), &others, theirs, 10..13).await;
    let abnormal_at = world.app.now();
    mine.extend(send_some((&world, &router, node), &token, audio, 5..7).await);
    let abnormal = Span::new(abnormal_at, world.app.now()).unwrap();
    promise::declare(&world.app, abnormal, "the exchange burned", "Maryam").await.unwrap();
    let body = json!({ "to": ["09120000020"], "audio_id": audio });
    let withdrawn = v1(&router, &token, "POST", "/v1/messages", None, &body).await.json();
    let id = list(&withdrawn, "data")[0]["id"].as_str().unwrap().to_owned();
    let path = format!("/v1/messages/{id}/cancel");
    let cancelled = v1(&router, &token, "POST", &path, None, &Value::Null).await;
    assert!(cancelled.status.is_success(), "{}", cancelled.text());
    mine.push(id);
    world.clock.advance_ms(3_600_000);

    let told = get(&router, &token, DELIVERY).await;
    days_sum_up(&told);
    let (figures, with) = (&told["figures"], &told["with_declared"]);
    assert_eq!((&figures["samples"], &with["samples"]), (&json!(5), &json!(7)));
    assert_eq!(
        figures["excluded"],
        json!([
            { "reason": "customer's own", "samples": 1 },
            { "reason": "declared abnormal", "samples": 2 },
        ])
    );
    assert_eq!(
        (&figures["representative"], &with["representative"]),
        (&json!(false), &json!(false))
    );
    let (mut samples, mut next) = (Vec::new(), String::new());
    loop {
        let page = get(&router, &token, &format!("{DELIVERY}/samples?limit=3{next}")).await;
        assert!(list(&page, "data").len() <= 3);
        samples.extend(list(&page, "data").to_vec());
        let Some(after) = page["next_page"].as_str() else { break };
        next = format!("&after={after}");
    }
    let ids: Vec<&str> = samples.iter().map(|one| one["message_id"].as_str().unwrap()).collect();
    assert_eq!(ids, mine);
    let sum = |counts: &dyn Fn(&Value) -> bool, name: &str| -> i64 {
        let counted = samples.iter().filter(|one| counts(one));
        counted.map(|one| one[name].as_i64().unwrap_or(0)).sum()
    };
    let normal = |one: &Value| one["excluded"].is_null();
    let declared = |one: &Value| normal(one) || one["excluded"] == "declared abnormal";
    for (figures, counts) in [(figures, &normal as &dyn Fn(&Value) -> bool), (with, &declared)] {
        assert_eq!(figures["microseconds"], sum(counts, "microseconds"));
        assert_eq!(figures["heard_microseconds"], sum(counts, "heard_microseconds"));
    }
    for excluded in list(figures, "excluded") {
        let of = samples.iter().filter(|one| one["excluded"] == excluded["reason"]);
        assert_eq!(excluded["samples"], of.count());
    }
    for sample in &samples {
        get(&router, &token, &format!("/v1/messages/{}", sample["message_id"].as_str().unwrap()))
            .await;
    }
    let of_others = get(&router, &others, DELIVERY).await;
    assert_eq!(of_others["figures"]["samples"], 3);
    let platform = get(&router, &token, PROMISES).await;
    assert_eq!(platform["delivery"]["figures"]["samples"], 8);
    for wrong in ["?month=1405-13", "/samples?after=7", "/samples?limit=0", "?month=1405-10"] {
        let path = format!("{DELIVERY}{wrong}");
        let refused = v1(&router, &token, "GET", &path, None, &Value::Null).await;
        assert_eq!(refused.json()["code"], "invalid_request", "{wrong}");
    }
}

fn every_number_is_known(told: &Value) {
    let mut found = BTreeSet::new();
    numbers(told, "", &mut found);
    let known = |way: &String| {
        ["/delivery/days/", "/delivery/distribution/", "/delivery/figures/"]
            .iter()
            .chain(&["/delivery/with_declared/", "/capacity/tests/*/starts"])
            .any(|start| way.starts_with(start))
            || [
                "/agreement",
                "/delivery/mean_limit_ms",
                "/capacity/starts_min",
                "/capacity/minutes",
                "/capacity/qualifying",
                "/capacity/missed",
                "/capacity/tests/*/n",
                "/capacity/tests/*/startable",
            ]
            .contains(&way.as_str())
    };
    found.retain(|way| !known(way));
    assert_eq!(found, BTreeSet::new(), "these numbers open to nothing");
}

#[tokio::test]
async fn months_without_promises_are_refused() {
    let world = World::new().await;
    let (_, token) = world.customer(0).await;
    let router = router(&world);
    for (query, code) in [
        ("?month=1405-10", "invalid_request"),
        ("?month=1405-13", "invalid_request"),
        ("?day=1405-08-01", "invalid_request"),
        ("?month=1404-07", "not_found"),
        ("/minutes?after=-1", "invalid_request"),
        ("/minutes?limit=0", "invalid_request"),
    ] {
        let path = format!("{PROMISES}{query}");
        let refused = v1(&router, &token, "GET", &path, None, &Value::Null).await;
        assert_eq!(refused.json()["code"], code, "{query}");
    }
    let path = format!("{PROMISES}?month=1404-08");
    assert_eq!(get(&router, &token, &path).await["delivery"]["days"], json!([]));
}
