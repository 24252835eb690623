//! Campaigns of the modern API as its clients see them.

use axum::Router;
use serde_json::{Value, json};

use crate::campaign::{first_is_called, world};
use crate::client::{Answer, router, v1};
use crate::rest::TEXT;

/// A request with a body, under a key unless that is empty.
async fn post(router: &Router, token: &str, path: &str, key: &str, body: &Value) -> Answer {
    v1(router, token, "POST", path, Some(key).filter(|key| !key.is_empty()), body).await
}

async fn get(router: &Router, token: &str, path: &str) -> Value {
    v1(router, token, "GET", path, None, &Value::Null).await.json()
}

/// Two good numbers, one that stands there twice, and two that are none.
fn plan() -> Value {
    json!({
        "title": "یادآوری",
        "audio_id": 1,
        "to": ["09121234567", "۰۲۱۱۲۳۴۵۶۷۸", "+98 912 123 4567", "x", "09121111111,09122222222"],
        "starts": "2026-11-22 08:00",
        "ends": "1405/09/03 20:00",
        "tries": 2,
    })
}

/// Goal: a list is foretold, taken once, and told row by row; what becomes of each number is told.
#[tokio::test]
async fn a_campaign_from_its_list_to_its_results() {
    let (world, token) = world(10_000).await;
    let router = router(&world);
    let mut dry = plan();
    dry["dry_run"] = json!(true);
    let foretold = post(&router, &token, "/v1/campaigns", "", &dry).await;
    assert_eq!(foretold.status, 200, "{}", foretold.text());
    let foretold = foretold.json();
    assert_eq!((&foretold["cost_max"], &foretold["covered"]), (&json!(450), &json!(true)));
    assert_eq!(foretold["expected"], Value::Null, "nobody was called yet");
    assert_eq!(foretold["skipped"], json!({ "opted_out": 0, "capped": 0 }));
    assert_eq!(get(&router, &token, "/v1/campaigns").await["data"], json!([]));

    let made = post(&router, &token, "/v1/campaigns", "k", &plan()).await;
    assert_eq!(made.status, 201, "{}", made.text());
    let again = post(&router, &token, "/v1/campaigns", "k", &plan()).await;
    assert_eq!(again.text(), made.text());
    assert_eq!(again.headers["idempotency-replayed"], "true");
    let other = post(&router, &token, "/v1/campaigns", "k", &dry_changed()).await;
    assert_eq!(
        (other.status.as_u16(), &other.json()["code"]),
        (409, &json!("idempotency_key_reused"))
    );
    let made = made.json();
    assert_eq!(made["list"], foretold["list"]);
    assert_eq!(
        made["list"],
        json!({
            "accepted": 2, "duplicates": 1, "invalid": 2, "full": false,
            "invalid_rows": [
                { "row": 4, "text": "x" }, { "row": 5, "text": "09121111111?09122222222" },
            ],
        })
    );
    assert_eq!((&made["state"], &made["hours"]), (&json!("running"), &json!("08:00-20:00")));
    assert_eq!(made["ends_at"], "2026-11-24T20:00:00+03:30");

    first_is_called(&world).await;
    let shown = get(&router, &token, "/v1/campaigns/1").await;
    let counts = json!({
        "total": 2, "waiting": 0, "open": 1, "retrying": 0, "results": { "delivered": 1 },
    });
    assert_eq!((&shown["numbers"], &shown["charged"]), (&counts, &json!(225)));
    let first = get(&router, &token, "/v1/campaigns/1/numbers?limit=1").await;
    let number = &first["data"][0];
    assert_eq!((&number["to"], &number["result"]), (&json!("09121234567"), &json!("delivered")));
    assert_eq!((&number["key"], &number["heard_seconds"]), (&json!(3), &json!(4.0)));
    let next = first["next_page"].as_str().unwrap();
    let second =
        get(&router, &token, &format!("/v1/campaigns/1/numbers?limit=1&after={next}")).await;
    assert_eq!(second["data"][0]["state"], "queued");
    let send = format!("/v1/messages/{}", number["message_id"].as_str().unwrap());
    let message = get(&router, &token, &send).await;
    for told in TOLD_OF_CALLS {
        assert_eq!(number[told], message[told], "{told} is the same of both");
        assert!(number.get(told).is_some(), "{told}");
    }
    assert_eq!((&message["result"], &message["keys"]), (&json!("delivered"), &json!(["3", "#"])));
    let reason = json!({ "cause": "played", "sip_code": 200, "q850": 16 });
    assert_eq!((&message["reason"], &message["clip_seconds"]), (&reason, &json!(4.0)));
    let list = get(&router, &token, "/v1/campaigns?limit=1").await;
    assert_eq!((&list["data"][0], &list["next_page"]), (&shown, &json!("1")));
    let (_, stranger) = world.customer(0).await;
    for path in ["/v1/campaigns/1", "/v1/campaigns/1/numbers", "/v1/campaigns/x"] {
        assert_eq!(get(&router, &stranger, path).await["code"], "not_found", "{path}");
    }
}

/// What a message and a number of a campaign tell alike.
const TOLD_OF_CALLS: [&str; 13] = [
    "state",
    "result",
    "reason",
    "answered_by",
    "clip_seconds",
    "heard_seconds",
    "key",
    "keys",
    "recording",
    "charged",
    "answered_at",
    "ended_at",
    "to",
];

/// Goal: a campaign takes a text as messages do, and speaks it once; before it calls anybody its
/// customer hears it.
#[tokio::test]
async fn a_campaign_of_a_text_is_heard_first() {
    let (world, token) = world(100_000).await;
    let router = router(&world);
    let mut asked = plan();
    asked["start"] = json!(false);
    asked["text"] = json!(TEXT);
    let create =
        async |asked: &Value, key: &str| post(&router, &token, "/v1/campaigns", key, asked).await;
    let detail = create(&asked, "").await.json()["detail"].clone();
    assert_eq!(detail, "give one of text, audio_id and template_id");
    asked.as_object_mut().unwrap().remove("audio_id");
    let foretold = create(&with(&asked, "dry_run", json!(true)), "").await.json();
    let speech = foretold["cost_min"].as_i64().unwrap();
    assert!(speech > 0 && foretold["cost_max"].as_i64().unwrap() > speech, "{foretold}");
    for (name, value, code) in [
        ("voice", json!("nobody"), "invalid_request"),
        ("append_number", json!("x"), "append_number_invalid"),
        ("text", json!(" "), "text_not_speakable"),
    ] {
        let refused = create(&with(&asked, name, value), "").await.json();
        assert_eq!(refused["code"], code, "{refused}");
    }
    let made = create(&asked, "k").await;
    assert_eq!(made.status, 201, "{}", made.text());
    assert_eq!(create(&asked, "k").await.text(), made.text());
    assert_eq!(made.json()["audio_id"], 2, "spoken once");

    let call = async |key: &str, to: &str| {
        post(&router, &token, "/v1/campaigns/1/test", key, &json!({ "to": to })).await
    };
    let heard = call("t", "09120000001").await;
    assert_eq!((heard.status.as_u16(), heard.json()["audio_id"].clone()), (202, json!(2)));
    let again = call("t", "09120000001").await;
    assert_eq!(
        (again.text(), &again.headers["idempotency-replayed"]),
        (heard.text(), &"true".parse().unwrap())
    );
    assert_eq!(call("t", "09120000002").await.json()["code"], "idempotency_key_reused");
    assert_eq!(call("", "12").await.json()["code"], "number_not_callable");
    let nobody = post(&router, &token, "/v1/campaigns/9/test", "", &json!({ "to": "0912" })).await;
    assert_eq!(nobody.json()["code"], "not_found");
    let (_, stranger) = world.customer(10_000).await;
    let body = json!({ "to": "09120000001" });
    let refused = post(&router, &stranger, "/v1/campaigns/1/test", "", &body).await;
    assert_eq!(refused.json()["code"], "not_found");
}

fn with(object: &Value, name: &str, value: Value) -> Value {
    let mut changed = object.clone();
    changed[name] = value;
    changed
}

fn dry_changed() -> Value {
    let mut changed = plan();
    changed["tries"] = json!(3);
    changed
}

/// Goal: each verb does what it says, and says why when it cannot.
#[tokio::test]
async fn a_campaign_is_paused_stopped_added_to_and_called_again() {
    let (world, token) = world(10_000).await;
    let router = router(&world);
    let ask = async |path: &str, body: Value| {
        let answered = post(&router, &token, &format!("/v1/campaigns{path}"), "", &body).await;
        (answered.status.as_u16(), answered.json())
    };
    let mut draft = plan();
    draft["start"] = json!(false);
    assert_eq!(ask("", draft).await.1["state"], "draft");
    for (verb, status, field, value) in [
        ("pause", 409, "code", "not_in_this_state"),
        ("start", 200, "state", "running"),
        ("start", 409, "code", "not_in_this_state"),
        ("pause", 200, "paused_because", "asked"),
        ("resume", 200, "state", "running"),
        ("stop", 200, "state", "stopped"),
    ] {
        let (answered, body) = ask(&format!("/1/{verb}"), Value::Null).await;
        assert_eq!((answered, &body[field]), (status, &json!(value)), "{verb}: {body}");
    }
    let hours = json!({ "starts": "2026-11-22 09:00", "ends": "2026-11-23 21:00" });
    assert_eq!(ask("/1/start", hours.clone()).await.1["hours"], "09:00-21:00");
    first_is_called(&world).await;
    let more = json!({ "to": ["09123333333", "09121234567"] });
    let (status, added) = ask("/1/numbers", more.clone()).await;
    assert_eq!(
        (status, &added["list"]["accepted"], &added["numbers"]["total"]),
        (200, &json!(1), &json!(3))
    );
    assert_eq!(ask("/1/numbers", more).await.1["code"], "no_new_number");
    assert_eq!(ask("/1/redial", hours.clone()).await.1["code"], "campaign_not_allowed");
    assert_eq!(ask("/1/cancel", Value::Null).await.1["state"], "cancelled");
    let more = json!({ "to": ["09124444444"] });
    assert_eq!(ask("/1/numbers", more).await.1["code"], "not_in_this_state");
    let (status, again) = ask("/1/redial", hours.clone()).await;
    assert_eq!((status, &again["id"], &again["numbers"]["total"]), (201, &json!("2"), &json!(2)));
}

/// Goal: those who were not reached are called once more, however often that is asked under a key.
#[tokio::test]
async fn a_redial_is_made_once() {
    let (world, token) = world(10_000).await;
    let router = router(&world);
    let ask = async |path: &str, key: &str, body: Value| {
        post(&router, &token, &format!("/v1/campaigns{path}"), key, &body).await
    };
    ask("", "", plan()).await;
    ask("/1/cancel", "", Value::Null).await;
    let hours = json!({ "starts": "2026-11-22 09:00", "ends": "2026-11-23 21:00" });
    let first = ask("/1/redial", "k", hours.clone()).await;
    assert_eq!(first.status, 201, "{}", first.text());
    let again = ask("/1/redial", "k", hours.clone()).await;
    assert_eq!(
        (&again.json()["id"], again.json()["list"]["accepted"].clone()),
        (&first.json()["id"], json!(2))
    );
    assert_eq!(again.headers["idempotency-replayed"], "true");
    let other = ask("/2/redial", "k", hours).await;
    assert_eq!(other.json()["code"], "idempotency_key_reused");
    assert_eq!(get(&router, &token, "/v1/campaigns").await["data"].as_array().unwrap().len(), 2);
}

/// Goal: only a list may be large.
#[tokio::test]
async fn what_is_no_list_is_small() {
    let (world, token) = world(10_000).await;
    let router = router(&world);
    let many = vec!["0"; 40_000];
    let body = json!({ "numbers": many });
    let refused = post(&router, &token, "/v1/opt-outs", "", &body).await;
    assert_eq!((refused.status.as_u16(), &refused.json()["code"]), (413, &json!("too_large")));
    let mut list = plan();
    list["to"] = json!(many);
    let refused = post(&router, &token, "/v1/campaigns", "", &list).await;
    assert_eq!(refused.json()["code"], "campaign_not_allowed", "it was read");
}

/// Goal: what cannot be is refused with a reason, and nothing is kept of it.
#[tokio::test]
async fn what_is_no_campaign_says_why() {
    let (world, token) = world(300).await;
    let router = router(&world);
    let with = |name: &str, value: Value| {
        let mut changed = plan();
        changed[name] = value;
        changed
    };
    for (body, status, code) in [
        (plan(), 402, "insufficient_credit"),
        (with("audio_id", json!(9)), 422, "audio_not_usable"),
        (with("audio_id", json!(0)), 400, "invalid_request"),
        (with("tries", json!(11)), 422, "campaign_not_allowed"),
        (with("to", json!(["x"])), 422, "campaign_not_allowed"),
        (with("to", json!([])), 422, "campaign_not_allowed"),
        (with("starts", json!("soon")), 422, "campaign_not_allowed"),
        (with("ends", json!("2026-11-21 20:00")), 422, "campaign_not_allowed"),
        (with("record_seconds", json!(30)), 403, "recording_not_permitted"),
        (with("record_seconds", json!(301)), 400, "invalid_request"),
        (with("what", json!(1)), 400, "invalid_request"),
    ] {
        let answered = post(&router, &token, "/v1/campaigns", "", &body).await;
        let told = answered.json();
        assert_eq!((answered.status.as_u16(), &told["code"]), (status, &json!(code)), "{told}");
    }
    assert_eq!(get(&router, &token, "/v1/campaigns").await["data"], json!([]));
}

/// Goal: the pace is asked for with the campaign and changed at any time, within its bounds, by its
/// owner alone, and not once it is over.
#[tokio::test]
async fn a_campaigns_pace_is_changed_at_any_time() {
    let (world, token) = world(10_000).await;
    let router = router(&world);
    let patch = async |token: &str, path: &str, body: Value| {
        let answered = v1(&router, token, "PATCH", path, None, &body).await;
        (answered.status.as_u16(), answered.json())
    };
    let mut wrong = plan();
    for pace in [0, 600_001] {
        wrong["calls_per_minute"] = json!(pace);
        let refused = post(&router, &token, "/v1/campaigns", "", &wrong).await;
        assert_eq!(
            (refused.status.as_u16(), &refused.json()["code"]),
            (400, &json!("invalid_request"))
        );
    }
    let mut paced = plan();
    paced["calls_per_minute"] = json!(600);
    let made = post(&router, &token, "/v1/campaigns", "", &paced).await.json();
    assert_eq!(made["calls_per_minute"], 600, "{made}");
    let path = "/v1/campaigns/1";
    let (status, told) = patch(&token, path, json!({ "calls_per_minute": 30 })).await;
    assert_eq!((status, &told["calls_per_minute"]), (200, &json!(30)), "{told}");
    assert_eq!(get(&router, &token, path).await["calls_per_minute"], 30);
    let (status, told) = patch(&token, path, json!({ "calls_per_minute": null })).await;
    assert_eq!((status, &told["calls_per_minute"]), (200, &Value::Null));
    for body in [json!({}), json!({ "calls_per_minute": 0 }), json!({ "tries": 2 })] {
        assert_eq!(patch(&token, path, body).await.0, 400);
    }
    let (_, stranger) = world.customer(0).await;
    assert_eq!(patch(&stranger, path, json!({ "calls_per_minute": 1 })).await.0, 404);
    post(&router, &token, "/v1/campaigns/1/cancel", "", &json!({})).await;
    let (status, told) = patch(&token, path, json!({ "calls_per_minute": 1 })).await;
    assert_eq!((status, &told["code"]), (409, &json!("not_in_this_state")));
}

/// Goal: who waits is told what for, gate by gate, and when the next try may be.
#[tokio::test]
async fn what_waits_says_what_for() {
    let (world, token) = world(10_000).await;
    let router = router(&world);
    let closed = |told: &Value| -> Vec<String> {
        let gates = told["gates"].as_array().unwrap().iter();
        let closed = gates.filter(|gate| gate["open"] == false);
        closed.map(|gate| gate["gate"].as_str().unwrap().to_owned()).collect()
    };
    let explain = async |path: &str| get(&router, &token, &format!("{path}/explain")).await;
    let mut later = plan();
    later["starts"] = json!("2026-11-23 08:00");
    post(&router, &token, "/v1/campaigns", "", &later).await;
    let numbers = get(&router, &token, "/v1/campaigns/1/numbers").await;
    let number =
        |n: usize| format!("/v1/campaign_numbers/{}", numbers["data"][n]["id"].as_str().unwrap());
    let told = explain(&number(1)).await;
    assert_eq!(closed(&told), ["campaign_hours", "list_place"], "{told}");
    assert_eq!((&told["ahead"], &told["next_try"]), (&json!(1), &Value::Null));
    let told = explain(&number(0)).await;
    assert_eq!(
        (closed(&told), &told["next_try"]),
        (vec!["campaign_hours".to_owned()], &json!("2026-11-23T08:00:00+03:30"))
    );
    assert!(told["gates"][1]["why_fa"].is_string());

    let body = json!({ "to": ["09123333333", "09123333333"], "audio_id": 1 });
    let sent = post(&router, &token, "/v1/messages", "", &body).await.json();
    let path = |n: usize| format!("/v1/messages/{}", sent["data"][n]["id"].as_str().unwrap());
    let told = explain(&path(0)).await;
    assert_eq!((closed(&told), &told["state"]), (vec![], &json!("queued")), "{told}");
    assert_eq!(told["next_try"], "2026-11-22T12:00:00+03:30", "now");
    assert_eq!(closed(&explain(&path(1)).await), ["line"]);
    // The first is called: the second waits for its number.
    let node = app::dialing::take_node(&world.app, "a", world.app.now().plus_ms(1_000)).await;
    let from = (domain::Timestamp(0), domain::QuickSendId(0));
    let jobs = app::dialing::load_ready(&world.app, from, 1).await.unwrap();
    let start = app::dialing::Start {
        job: jobs[0].clone(),
        person: false,
        trunk: String::from("t"),
        at: world.app.now(),
    };
    app::dialing::lease(&world.app, node.unwrap(), vec![start]).await.unwrap();
    assert_eq!(closed(&explain(&path(1)).await), ["number_free"]);
    let told = explain(&path(0)).await;
    assert_eq!((&told["state"], &told["gates"]), (&json!("calling"), &json!([])));
    let (_, stranger) = world.customer(0).await;
    for path in [path(0), number(0), String::from("/v1/campaign_numbers/x")] {
        let told = get(&router, &stranger, &format!("{path}/explain")).await;
        assert_eq!(told["code"], "not_found", "{path}");
    }
}

/// Goal: each verb that costs something is foretold without doing it, and stays below what it may
/// cost: a start, a call to hear it, and a campaign of those who were not reached.
#[tokio::test]
async fn what_costs_something_is_foretold_and_bounded() {
    let (world, token) = world(10_000).await;
    let router = router(&world);
    let mut draft = plan();
    draft["start"] = json!(false);
    post(&router, &token, "/v1/campaigns", "", &draft).await;
    let start = "/v1/campaigns/1/start";
    let foretold = post(&router, &token, start, "k", &json!({ "dry_run": true })).await;
    assert_eq!(foretold.status, 200, "{}", foretold.text());
    let foretold = foretold.json();
    let told = (&foretold["object"], &foretold["to_call"], &foretold["cost_max"]);
    assert_eq!(told, (&json!("dry_run"), &json!(2), &json!(450)));
    assert_eq!((&foretold["covered"], &foretold["ceiling"]), (&json!(true), &Value::Null));
    assert_eq!(get(&router, &token, "/v1/campaigns/1").await["state"], "draft");
    let half = post(&router, &token, start, "", &json!({ "starts": "2026-11-22 08:00" })).await;
    assert_eq!(half.json()["code"], "invalid_request");

    let test = "/v1/campaigns/1/test";
    let listener =
        |max: u64, dry: bool| json!({ "to": "09120000001", "max_cost": max, "dry_run": dry });
    let foretold = post(&router, &token, test, "", &listener(9, true)).await.json();
    assert_eq!((&foretold["object"], &foretold["cost_max"]), (&json!("dry_run"), &json!(225)));
    assert_eq!(foretold["data"][0]["object"], "call");
    let dear = post(&router, &token, test, "", &listener(224, false)).await;
    assert_eq!(dear.json()["code"], "max_cost_exceeded");
    assert_eq!(dear.json()["detail_fa"], "هزینهٔ آن می‌تواند 225 ریال شود.");
    let called = post(&router, &token, test, "", &listener(225, false)).await;
    assert_eq!(called.status, 202, "{}", called.text());

    // The same key as the dry run had: that one did nothing, so it has no name.
    let bounded = json!({ "max_cost": 300 });
    let started = post(&router, &token, start, "k", &bounded).await;
    assert_eq!(started.status, 200, "{}", started.text());
    assert_eq!(started.json()["max_cost"], 300);
    first_is_called(&world).await;
    let hours = json!({ "starts": "2026-11-22 08:00", "ends": "2026-11-30 20:00" });
    let redial = |more: Value| {
        let mut body = hours.clone();
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        body
    };
    let path = "/v1/campaigns/1/redial";
    post(&router, &token, "/v1/campaigns/1/cancel", "", &Value::Null).await;
    let body = redial(json!({ "dry_run": true, "max_cost": 1000 }));
    let foretold = post(&router, &token, path, "r", &body).await;
    assert_eq!(foretold.status, 200, "{}", foretold.text());
    let foretold = foretold.json();
    assert_eq!((&foretold["to_call"], &foretold["ceiling"]), (&json!(1), &json!(1000)));
    let list = get(&router, &token, "/v1/campaigns").await;
    assert_eq!(list["data"].as_array().unwrap().len(), 1, "nothing was made: {list}");
    let made = post(&router, &token, path, "r", &redial(json!({ "max_cost": 1000 }))).await;
    assert_eq!(made.status, 201, "{}", made.text());
    assert_eq!(made.json()["max_cost"], 1000);
}

/// Goal: whoever calls can prove that it was lawful: each rule is named in both languages, with how
/// often it was broken.
#[tokio::test]
async fn a_campaign_has_a_report_of_its_judge() {
    let (world, token) = world(10_000).await;
    let router = router(&world);
    post(&router, &token, "/v1/campaigns", "", &plan()).await;
    first_is_called(&world).await;
    let report = get(&router, &token, "/v1/campaigns/1/compliance").await;
    assert_eq!((&report["object"], &report["clean"]), (&json!("compliance_report"), &json!(true)));
    assert_eq!((&report["attempts"], &report["complete"]), (&json!(1), &json!(false)), "{report}");
    assert_eq!(report["violations"], json!([]));
    let rules = report["rules"].as_array().unwrap();
    assert_eq!(rules.len(), 9);
    for rule in rules {
        assert_eq!(rule["violations"], 0, "{rule}");
        assert_ne!(rule["said"], rule["said_fa"], "{rule}");
    }
    let (_, stranger) = world.customer(0).await;
    for path in ["/v1/campaigns/1/compliance", "/v1/campaigns/x/compliance"] {
        assert_eq!(get(&router, &stranger, path).await["code"], "not_found");
    }
}
