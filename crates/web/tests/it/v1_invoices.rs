//! Subscriptions, invoices and credits, as customers see them.

use app::outage::NewOutage;
use domain::Rials;
use domain::agreement::scope::{Paths, Scope};
use domain::billing::subscription::Plan;
use domain::calendar::month::PersianMonth;
use domain::calendar::span::Span;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::client::{router, v1};
use crate::world::World;

const SCHEDULE: &str = "shape = percent-by-downtime\nborder = lower\ncap_bp = 10000\n\
                        least_rials = 0\nreview_hours = 0\nrow = 0 3600 0\nrow = 3600 - 1000\n";

async fn hour(world: &World) {
    app::availability::freeze_due(&world.app).await.unwrap();
    app::credit::propose_due(&world.app).await.unwrap();
    app::credit::post_due(&world.app).await.unwrap();
    app::invoice::issue_due(&world.app).await.unwrap();
}

/// A credit opens to everything that was done to it, and to the text that it is computed from.
async fn opens(get: &impl AsyncFn(&str, &str) -> Value, token: &str, path: &str, full: &Value) {
    assert_eq!((&full["moves"], &full["history"][0]["move"]), (&json!(1), &json!("posted")));
    let history = get(token, &format!("{path}/history?limit=1")).await;
    assert_eq!((&history["data"], &history["next_page"]), (&full["history"], &json!("1")));
    let none = get(token, &format!("{path}/history?after=1")).await;
    assert_eq!((&none["data"], &none["next_page"]), (&json!([]), &Value::Null));
    let (mut lines, mut after) = (Vec::new(), String::new());
    loop {
        let page = get(token, &format!("{path}/inputs?limit=3{after}")).await;
        let data = page["data"].as_array().unwrap();
        assert!(data.len() <= 3);
        lines.extend(data.iter().map(|line| line.as_str().unwrap().to_owned()));
        let Some(next) = page["next_page"].as_str() else { break };
        after = format!("&after={next}");
    }
    let text = lines.join("\n");
    assert!(text.contains("month 1405-09"));
    let sum = domain::chain::hex(&Sha256::digest(&text));
    assert_eq!(full["computed_from"]["sha256"], sum);
}

/// Goal: an account reads its subscription, its invoices with their discounts, and its credits with
/// all that they are computed from; nobody else does.
#[tokio::test]
async fn a_breached_month_is_read_on_the_invoice() {
    let world = World::new().await;
    let (caller, token) = world.customer(0).await;
    let (_, stranger) = world.customer(0).await;
    let router = router(&world);
    let get = async |token: &str, path: &str| {
        v1(&router, token, "GET", path, None, &Value::Null).await.json()
    };
    let app = &world.app;
    let azar = PersianMonth::parse("1405-09").unwrap();
    let plan = Plan {
        name: "basic".to_owned(),
        paths: Paths::ALL,
        months: 1,
        price: Rials(1_000_001),
        tax_bp: 1000,
        due_days: 7,
        grace_days: 7,
    };
    let plan = app::subscription::add_plan(app, &plan).await.unwrap();
    app::subscription::start(app, caller.account.id, plan, azar, "Sara").await.unwrap();
    let listed = get(&token, "/v1/subscriptions").await;
    assert_eq!(
        (&listed["data"][0]["state"], &listed["data"][0]["price"]),
        (&json!("trial"), &json!(1_000_001))
    );

    let frozen = azar.end().plus_us(73 * 3_600_000_000);
    world.clock.advance_ms(azar.start().plus_us(73 * 3_600_000_000).us_since(app.now()) / 1000);
    hour(&world).await;
    world.clock.advance_ms(frozen.us_since(app.now()) / 1000);
    let whole = Span { from: azar.start(), to: azar.end() };
    let everyone = Scope::everyone();
    app::outage::saw_working(app, "m", Paths::ALL, &everyone, whole).await.unwrap();
    let outage = NewOutage {
        paths: Paths::ALL,
        scope: Scope::everyone(),
        from: whole.to.plus_us(-4 * 3_600_000_000),
        to: Some(whole.to),
        cause: "power".to_owned(),
        evidence: "log 7".to_owned(),
        author: "Zahra".to_owned(),
    };
    app::outage::record(app, outage).await.unwrap();
    hour(&world).await;
    let waiting = get(&token, "/v1/credits").await;
    assert_eq!(
        (&waiting["awaiting_schedule"], &waiting["data"]),
        (&json!(["1405-09"]), &json!([]))
    );
    let number = app::compensation::draft(app, SCHEDULE, "Maryam").await.unwrap();
    app::compensation::publish(app, number, "Reza", azar).await.unwrap();
    hour(&world).await;
    let credit = get(&token, "/v1/credits").await["data"][0].clone();
    assert_eq!((&credit["amount"], &credit["state"]), (&json!(100_001), &json!("posted")));
    let path = format!("/v1/credits/{}", credit["id"].as_str().unwrap());
    let full = get(&token, &path).await;
    assert_eq!(full["computed_from"]["down_seconds"], 14_400, "{full}");
    opens(&get, &token, &path, &full).await;

    let open = get(&token, "/v1/invoices?limit=1").await["data"][0].clone();
    app::invoice::void(app, open["id"].as_str().unwrap().parse().unwrap(), "Sara", "x")
        .await
        .unwrap();
    let dey = azar.next();
    let again = app::invoice::issue(app, 1, dey).await.unwrap();
    let path = format!("/v1/invoices/{again}");
    let invoice = get(&token, &path).await;
    assert_eq!(
        (&invoice["discount"], &invoice["tax"], &invoice["total"]),
        (&json!(100_001), &json!(90_000), &json!(990_000))
    );
    assert_eq!(
        invoice["discounts"],
        json!([{
            "credit": credit["id"], "month": "1405-09", "statement_revision": 0, "claim": null,
            "track": "availability", "schedule": number, "amount": 100_001,
        }])
    );
    let voided = get(&token, &format!("/v1/invoices/{}", open["id"].as_str().unwrap())).await;
    assert_eq!((&voided["state"], &voided["voided_because"]), (&json!("voided"), &json!("x")));
    for path in [
        &path,
        "/v1/invoices/99",
        "/v1/invoices/x",
        "/v1/credits/1",
        "/v1/credits/1/history",
        "/v1/credits/1/inputs",
    ] {
        assert_eq!(get(&stranger, path).await["code"], "not_found", "{path}");
    }
    assert_eq!(get(&stranger, "/v1/invoices").await["data"], json!([]));
    assert_eq!(get(&token, "/v1/invoices?after=x").await["code"], "invalid_request");
}

/// Goal: an account sees what is offered, takes another plan once under its key, and reads what
/// that asks for; nobody takes one for another account.
#[tokio::test]
async fn a_plan_is_changed_by_whose_it_is() {
    let world = World::new().await;
    let (caller, token) = world.customer(0).await;
    let (_, stranger) = world.customer(0).await;
    let router = router(&world);
    let app = &world.app;
    let plan = |name: &str, price: i64| Plan {
        name: name.to_owned(),
        paths: Paths::ALL,
        months: 1,
        price: Rials(price),
        tax_bp: 1000,
        due_days: 7,
        grace_days: 7,
    };
    let small = app::subscription::add_plan(app, &plan("small", 1_000_000)).await.unwrap();
    let large = app::subscription::add_plan(app, &plan("large", 1_600_000)).await.unwrap();
    // Made for one customer alone: nobody sees it, and nobody takes it by themselves.
    let own = app::subscription::add_plan(app, &plan("own", 1)).await.unwrap();
    for offered in [small, large] {
        app::subscription::offer_plan(app, offered, true).await.unwrap();
    }
    let azar = PersianMonth::parse("1405-09").unwrap();
    let id = app::subscription::start(app, caller.account.id, small, azar, "Sara").await.unwrap();
    let half = azar.start().plus_us(15 * 86_400_000_000);
    world.clock.advance_ms(azar.start().plus_us(73 * 3_600_000_000).us_since(app.now()) / 1000);
    hour(&world).await;
    world.clock.advance_ms(half.us_since(app.now()) / 1000);
    let plans = v1(&router, &token, "GET", "/v1/plans", None, &Value::Null).await.json();
    let names: Vec<&str> =
        plans["data"].as_array().unwrap().iter().map(|one| one["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["small", "large"]);
    let path = format!("/v1/subscriptions/{id}/plan");
    let wanted = |plan: i64, when: &str| json!({ "plan_id": plan.to_string(), "when": when });
    let post =
        async |token: &str, key, body: Value| v1(&router, token, "POST", &path, key, &body).await;
    let theirs = post(&stranger, None, wanted(large, "now")).await;
    assert_eq!(theirs.json()["code"], "not_found");
    for (plan, when) in [(large, "soon"), (99, "now"), (small, "now"), (own, "next_period")] {
        let refused = post(&token, None, wanted(plan, when)).await.json();
        assert_eq!(refused["code"], "invalid_request", "{plan} {when}: {refused}");
    }
    let changed = post(&token, Some("k1"), wanted(large, "now")).await;
    assert_eq!(changed.status.as_u16(), 200, "{}", changed.text());
    let again = post(&token, Some("k1"), wanted(large, "now")).await;
    assert_eq!(
        (&again.body, again.headers.contains_key("idempotency-replayed")),
        (&changed.body, true)
    );
    let changed = changed.json();
    assert_eq!(
        (&changed["plan"], &changed["plans"][1]["rest"]),
        (&json!("large"), &json!(300_000))
    );
    let cheaper = post(&token, None, wanted(small, "now")).await.json();
    assert_eq!(cheaper["code"], "invalid_request", "{cheaper}");
    let later = post(&token, None, wanted(small, "next_period")).await.json();
    assert_eq!((&later["plan"], later["plans"].as_array().unwrap().len()), (&json!("large"), 3));
    world.clock.advance_ms(azar.end().plus_us(73 * 3_600_000_000).us_since(app.now()) / 1000);
    hour(&world).await;
    let made = v1(&router, &token, "GET", "/v1/invoices?limit=1", None, &Value::Null).await.json();
    let made = format!("/v1/invoices/{}", made["data"][0]["id"].as_str().unwrap());
    let made = v1(&router, &token, "GET", &made, None, &Value::Null).await.json();
    assert_eq!((&made["price"], &made["rests"][0]["amount"]), (&json!(1_300_000), &json!(300_000)));
}

/// Goal: a customer follows each rial page by page to what it comes from, and the pages add up to
/// the balance; nobody else sees it.
#[tokio::test]
async fn every_rial_is_told_with_what_it_comes_from() {
    let (world, token) = crate::campaign::world(10_000).await;
    let router = router(&world);
    let plan = json!({
        "title": "t", "audio_id": 1, "to": ["09121234567", "09121234568"],
        "starts": "2026-11-22 08:00", "ends": "2026-11-30 20:00",
    });
    v1(&router, &token, "POST", "/v1/campaigns", None, &plan).await;
    crate::campaign::first_is_called(&world).await;
    let page = async |query: &str| {
        let path = format!("/v1/ledger{query}");
        v1(&router, &token, "GET", &path, None, &Value::Null).await.json()
    };
    let all = page("").await;
    let kinds: Vec<&Value> =
        all["data"].as_array().unwrap().iter().map(|line| &line["kind"]).collect();
    assert_eq!(kinds, ["credit", "call"], "{all}");
    let call = &all["data"][1];
    assert_eq!((&call["amount"], &call["campaign_id"]), (&json!(-225), &json!("1")));
    assert_eq!((&call["to"], &call["balance"]), (&json!("09121234567"), &json!(9_775)));
    let message = format!("/v1/messages/{}", call["message_id"].as_str().unwrap());
    let message = v1(&router, &token, "GET", &message, None, &Value::Null).await.json();
    assert_eq!(message["charged"], 225);
    for (name, value) in [
        ("opening_balance", 0),
        ("closing_balance", 9_775),
        ("balance_before", 0),
        ("balance_after", 9_775),
        ("balance", 9_775),
        ("held", 225),
    ] {
        assert_eq!(all[name], value, "{name}");
    }
    let first = page("?limit=1").await;
    let next = page(&format!("?limit=1&after={}", first["next_page"].as_str().unwrap())).await;
    assert_eq!(next["balance_before"], first["balance_after"]);
    assert_eq!((&next["data"][0], &next["closing_balance"]), (call, &json!(9_775)));
    let later = page("?from=2026-11-23&to=2026-11-24").await;
    assert_eq!((&later["opening_balance"], &later["data"]), (&json!(9_775), &json!([])));
    for wrong in ["?from=2026-11-23", "?from=x&to=y", "?after=7", "?after=1.-1.1", "?limit=0"] {
        assert_eq!(page(wrong).await["code"], "invalid_request", "{wrong}");
    }
    let (_, stranger) = world.customer(0).await;
    let theirs = v1(&router, &stranger, "GET", "/v1/ledger", None, &Value::Null).await.json();
    assert_eq!((&theirs["data"], &theirs["balance"]), (&json!([]), &json!(0)));
}
