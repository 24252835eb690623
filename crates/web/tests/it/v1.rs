//! The modern API as its clients see it.

use app::Settings;
use axum::Router;
use axum::body::Body;
use axum::http::Request;
use domain::calendar::calling_window::CallingWindow;
use serde_json::{Value, json};

use crate::client::{Answer, answer, router, v1};
use crate::rest::TEXT;
use crate::world::World;

const NUMBER: &str = "09121234567";

/// POST /v1/messages of this body, under this key.
async fn send(router: &Router, token: &str, key: Option<&str>, body: &Value) -> Answer {
    v1(router, token, "POST", "/v1/messages", key, body).await
}

async fn get(router: &Router, token: &str, path: &str) -> Answer {
    v1(router, token, "GET", path, None, &Value::Null).await
}

/// How many messages the list has.
async fn count(router: &Router, token: &str) -> usize {
    let page = get(router, token, "/v1/messages?limit=100").await.json();
    page["data"].as_array().unwrap().len()
}

/// Goal: a text is accepted with all that is known of it, and found again by id and in the list.
#[tokio::test]
async fn a_message_is_accepted_and_found() {
    let world = World::new().await;
    let (_, token) = world.customer(1_000_000).await;
    let router = router(&world);
    let sent = send(&router, &token, None, &json!({ "to": "۰۹۱۲ ۱۲۳ ۴۵۶۷", "text": TEXT })).await;
    assert_eq!(sent.status, 202, "{}", sent.text());
    let message = sent.json();
    assert_eq!(message["object"], "message");
    assert_eq!(message["state"], "queued");
    assert_eq!(message["created_at"], "2026-11-22T12:00:00+03:30");
    assert_eq!(message["result"], Value::Null);
    assert_eq!(message["charged"], 0);
    assert!(message["held"].as_i64().unwrap() > 0);
    let path = format!("/v1/messages/{}", message["id"].as_str().unwrap());
    let found = get(&router, &token, &path).await;
    assert_eq!((found.status.as_u16(), found.json()["id"].clone()), (200, message["id"].clone()));
    assert!(found.headers.contains_key("request-id"));
    assert_eq!(count(&router, &token).await, 1);
    let (_, stranger) = world.customer(0).await;
    assert_eq!(get(&router, &stranger, &path).await.json()["code"], "not_found");
    let recording = get(&router, &token, &format!("{path}/recording")).await;
    assert_eq!(recording.json()["code"], "not_found");
}

/// Goal: a customer sees what waits, what was refused and why, and hears it; nobody else does.
#[tokio::test]
async fn audio_that_was_refused_says_why() {
    let world = World::new().await;
    let (caller, token) = world.customer_like(0, |new| new.approves_own_messages = false).await;
    let router = router(&world);
    let message = world.message(&caller, 4_000).await.id;
    let path = format!("/v1/audio/{message}");
    let waiting = get(&router, &token, &path).await.json();
    assert_eq!((&waiting["object"], &waiting["state"]), (&json!("audio"), &json!("waiting")));
    assert_eq!((&waiting["id"], &waiting["refused_because"]), (&json!(message.0), &Value::Null));
    let reason = domain::message::Reason::new("نام شرکت گفته نمی‌شود").unwrap();
    let refusal = domain::message::Decision::Refuse(reason);
    assert!(app::message::decide(&world.app, message, &refusal).await.unwrap());
    let list = get(&router, &token, "/v1/audio?limit=1").await.json();
    assert_eq!(list["data"][0]["state"], "refused");
    assert_eq!(list["data"][0]["refused_because"], "نام شرکت گفته نمی‌شود");
    let next = format!("/v1/audio?after={}", list["next_page"].as_str().unwrap());
    assert_eq!(get(&router, &token, &next).await.json()["data"], json!([]));
    let sound = get(&router, &token, &format!("{path}/sound")).await;
    assert!(sound.body.starts_with(b"RIFF"), "{}", sound.text());
    let (_, stranger) = world.customer(0).await;
    for path in [path.clone(), format!("{path}/sound"), String::from("/v1/audio/0")] {
        assert_eq!(get(&router, &stranger, &path).await.json()["code"], "not_found");
    }
    let slip = get(&router, &token, "/v1/audio?after=x").await.json();
    assert_eq!(slip["code"], "invalid_request");
}

/// Goal: a list is answered in its order, each number by itself, and its text is charged once.
#[tokio::test]
async fn a_list_is_spoken_once() {
    let world = World::new().await;
    let (caller, token) = world.customer(1_000_000).await;
    let router = router(&world);
    let body = json!({ "to": ["12", NUMBER, "09121234568"], "text": TEXT });
    let foretold = send(&router, &token, None, &with(&body, "dry_run", json!(true))).await.json();
    assert_eq!(count(&router, &token).await, 0);
    assert_eq!(world.refreshed(&caller).await.account, caller.account, "a dry run costs nothing");
    let sent = send(&router, &token, None, &body).await.json();
    let objects = |answer: &Value| -> Vec<Value> {
        answer["data"].as_array().unwrap().iter().map(|one| one["object"].clone()).collect()
    };
    assert_eq!(objects(&foretold), ["skipped", "call", "call"]);
    assert_eq!(objects(&sent), ["skipped", "message", "message"]);
    assert_eq!(sent["data"][0]["problem"]["code"], "number_not_callable");
    assert_eq!(foretold["data"][0]["problem"], sent["data"][0]["problem"]);
    assert_eq!(sent["data"][1]["audio_id"], sent["data"][2]["audio_id"]);
    let account = world.refreshed(&caller).await.account;
    let taken = caller.account.available().0 - account.available().0;
    assert_eq!(foretold["cost_max"], taken, "the dry run told what is held and charged");
    assert_eq!(foretold["cost_min"], caller.account.balance.0 - account.balance.0);
}

/// Goal: a request is done once, however often and however concurrently it comes.
#[tokio::test]
async fn a_key_sends_once() {
    let world = World::new().await;
    let (_, token) = world.customer(1_000_000).await;
    let router = router(&world);
    let body = json!({ "to": [NUMBER, "12", "09121234568"], "text": TEXT });
    let once = || send(&router, &token, Some("k1"), &body);
    let (one, two, three) = tokio::join!(once(), once(), once());
    assert_eq!(one.status, 202, "{}", one.text());
    assert_eq!((one.text(), one.text()), (two.text(), three.text()));
    world.clock.advance_ms(25 * 3_600_000);
    let again = once().await;
    assert_eq!(again.text(), one.text(), "the answer is replayed a day later");
    assert_eq!(again.headers["idempotency-replayed"], "true");
    assert_eq!(count(&router, &token).await, 2);
    let other = send(&router, &token, Some("k1"), &with(&body, "collect_key", json!(true))).await;
    assert_eq!(other.status, 409);
    assert_eq!(other.json()["code"], "idempotency_key_reused");
    let (_, neighbour) = world.customer(1_000_000).await;
    let theirs =
        send(&router, &neighbour, Some("k1"), &json!({ "to": NUMBER, "text": TEXT })).await;
    assert_eq!(theirs.status, 202, "keys of two accounts are two keys: {}", theirs.text());
}

/// Goal: a request that was refused did nothing and may come again under its key.
#[tokio::test]
async fn a_refusal_is_judged_anew() {
    let window = CallingWindow::parse("07:00-23:00").unwrap();
    let world = World::with(Settings { window, ..Settings::default() }).await;
    let (_, token) = world.customer(1_000_000).await;
    let router = router(&world);
    let body = json!({ "to": NUMBER, "text": TEXT });
    world.clock.advance_ms(12 * 3_600_000);
    let refused = send(&router, &token, Some("k"), &body).await;
    assert_eq!(refused.json()["code"], "outside_calling_hours", "{}", refused.text());
    world.clock.advance_ms(12 * 3_600_000);
    let sent = send(&router, &token, Some("k"), &body).await;
    assert_eq!(sent.status, 202, "{}", sent.text());
    assert!(!sent.headers.contains_key("idempotency-replayed"));
}

/// Goal: nothing is sent that could cost more than the client allows.
#[tokio::test]
async fn max_cost_bounds_all_of_it() {
    let world = World::new().await;
    let (caller, token) = world.customer(1_000_000).await;
    let router = router(&world);
    let body = json!({ "to": [NUMBER, "09121234568"], "text": TEXT });
    let foretold = send(&router, &token, None, &with(&body, "dry_run", json!(true))).await.json();
    let cost = foretold["cost_max"].as_i64().unwrap();
    let refused = send(&router, &token, None, &with(&body, "max_cost", json!(cost - 1))).await;
    assert_eq!(
        (refused.status.as_u16(), refused.json()["code"].clone()),
        (402, json!("max_cost_exceeded"))
    );
    assert_eq!(world.refreshed(&caller).await.account, caller.account);
    let sent = send(&router, &token, None, &with(&body, "max_cost", json!(cost))).await;
    assert_eq!(sent.status, 202, "{}", sent.text());
}

/// Goal: pages hold every message once, the newest first.
#[tokio::test]
async fn pages_follow_each_other() {
    let world = World::new().await;
    let (_, token) = world.customer(1_000_000).await;
    let router = router(&world);
    let numbers = ["09121234561", "09121234562", "09121234563", "09121234564", "09121234565"];
    send(&router, &token, None, &json!({ "to": numbers, "text": TEXT })).await;
    let (mut seen, mut path) = (Vec::new(), String::from("/v1/messages?limit=2"));
    loop {
        let page = get(&router, &token, &path).await.json();
        let data = page["data"].as_array().unwrap().clone();
        seen.extend(data.iter().map(|one| one["to"].as_str().unwrap().to_owned()));
        let Some(next) = page["next_page"].as_str() else { break };
        path = format!("/v1/messages?limit=2&after={next}");
    }
    let newest_first: Vec<_> = numbers.iter().rev().map(|number| (*number).to_owned()).collect();
    assert_eq!(seen, newest_first);
    for bad in ["limit=0", "limit=101", "limit=x", "after=x", "after=1"] {
        let refused = get(&router, &token, &format!("/v1/messages?{bad}")).await;
        assert_eq!(refused.json()["code"], "invalid_request", "{bad}");
    }
}

/// Goal: every refusal is a problem with a code, both languages and a remedy.
#[tokio::test]
async fn refusals_are_problems() {
    let world = World::new().await;
    let (_, token) = world.customer(1_000_000).await;
    let (_, poor) = world.customer(1).await;
    let router = router(&world);
    let good = json!({ "to": NUMBER, "text": TEXT });
    let cases: &[(&str, Option<&str>, Value, u16, &str)] = &[
        ("wrong", None, good.clone(), 401, "unauthorized"),
        ("", None, good.clone(), 401, "unauthorized"),
        (&poor, None, good.clone(), 402, "insufficient_credit"),
        (&token, Some(""), good.clone(), 400, "invalid_idempotency_key"),
        (&token, None, json!([]), 400, "invalid_request"),
        (&token, None, json!({ "text": TEXT }), 400, "invalid_request"),
        (&token, None, json!({ "to": NUMBER }), 400, "invalid_request"),
        (&token, None, json!({ "to": [], "text": TEXT }), 400, "invalid_request"),
        (&token, None, with(&good, "audio_id", json!(1)), 400, "invalid_request"),
        (&token, None, with(&good, "surprise", json!(1)), 400, "invalid_request"),
        (&token, None, with(&good, "record_seconds", json!(301)), 400, "invalid_request"),
        (&token, None, with(&good, "record_seconds", json!(9)), 403, "recording_not_permitted"),
        (&token, None, with(&good, "to", json!("12")), 422, "number_not_callable"),
        (&token, None, with(&good, "text", json!(" ")), 422, "text_not_speakable"),
        (&token, None, json!({ "to": NUMBER, "audio_id": 9 }), 422, "audio_not_usable"),
    ];
    for (token, key, body, status, code) in cases {
        let refused = send(&router, token, *key, body).await;
        let problem = refused.json();
        assert_eq!((refused.status.as_u16(), &problem["code"]), (*status, &json!(code)), "{body}");
        assert_eq!(refused.headers["content-type"], "application/problem+json");
        assert_eq!(problem["request_id"], refused.headers["request-id"].to_str().unwrap());
        for word in ["title", "title_fa", "fix", "fix_fa"] {
            assert!(!problem[word].as_str().unwrap().is_empty(), "{code}: {word}");
        }
    }
    let surprise = send(&router, &token, None, &with(&good, "surprise", json!(1))).await.json();
    assert!(surprise["detail"].as_str().unwrap().contains("surprise"), "{surprise}");
    assert_eq!(get(&router, &token, "/v1/nothing/here/at/all").await.json()["code"], "not_found");
    assert_eq!(count(&router, &token).await, 0);
}

/// Goal: the document names exactly the paths that are served and the problems that there are.
#[tokio::test]
async fn the_document_says_what_is_served() {
    let world = World::new().await;
    let router = router(&world);
    let document = get(&router, "", "/v1/openapi.json").await.json();
    assert_eq!(document["openapi"], "3.1.0");
    let source = include_str!("../../src/v1/routes.rs");
    let quoted = source.split('"').skip(1).step_by(2);
    let routes = quoted.filter(|text| text.starts_with("/v1"));
    let hidden = ["/v1/openapi.json", "/v1/docs", "/v1", "/v1/{*rest}"];
    let mut served: Vec<&str> = routes.filter(|path| !hidden.contains(path)).collect();
    served.sort_unstable();
    served.dedup();
    let paths = document["paths"].as_object().unwrap();
    let mut described: Vec<&str> = paths.keys().map(String::as_str).collect();
    described.sort_unstable();
    assert_eq!(described, served);
    for (path, operations) in paths {
        for verb in ["get", "post", "put", "patch", "delete"] {
            // A stranger may not ask so often at once.
            world.clock.advance_ms(1_000);
            let path = path.replace("{id}", "1");
            let request = Request::builder().method(verb.to_uppercase().as_str()).uri(path);
            let answered = answer(&router, request.body(Body::empty()).unwrap()).await;
            let expected = match operations.get(verb) {
                Some(operation) if operation["security"] == json!([]) => 200,
                Some(_) => 401,
                None => 405,
            };
            assert_eq!(answered.status, expected, "{verb} {operations}");
            if expected == 405 {
                assert_eq!(answered.json()["code"], "method_not_allowed");
                assert!(answered.headers.contains_key("allow"), "{verb} {operations}");
            }
        }
    }
    let key = json!({ "$ref": "#/components/parameters/IdempotencyKey" });
    for (path, operations) in paths {
        let Some(post) = operations.get("post") else { continue };
        let takes_key = post["parameters"].as_array().is_some_and(|all| all.contains(&key));
        assert!(takes_key, "POST {path} says nothing of the Idempotency-Key");
    }
    let page = get(&router, "", "/v1/docs").await;
    let rows = page.text().split("<tr id=\"").skip(1).map(|row| row.split_once('"').unwrap().0);
    let told: Vec<&str> = rows.collect();
    assert_eq!(
        document["components"]["schemas"]["Problem"]["properties"]["code"]["enum"],
        json!(told)
    );
    assert!(!page.text().contains("://"), "the page must need no other host");
}

/// Goal: everybody reads the agreement, all its versions and where its numbers come from.
#[tokio::test]
async fn the_agreement_is_open_to_all() {
    let world = World::new().await;
    let router = router(&world);
    let in_force = get(&router, "", "/v1/agreement").await.json();
    assert_eq!((&in_force["object"], &in_force["version"]), (&json!("agreement"), &json!(1)));
    assert!(in_force["text_fa"].as_str().unwrap().contains("آوانک"));
    assert!(in_force["text_en"].as_str().unwrap().contains("more than 99.58%"));
    let threshold = &in_force["parameters"][0];
    let expected =
        json!({ "name": "availability.threshold_ppm", "value": "995800", "source": "seed" });
    assert_eq!(threshold, &expected);
    assert_eq!(in_force["versions"][0]["sha256"], in_force["sha256"]);
    assert_eq!(get(&router, "", "/v1/agreement/1").await.json(), in_force);
    for path in ["/v1/agreement/2", "/v1/agreement/x", "/v1/agreement/-1"] {
        let missing = get(&router, "", path).await;
        assert_eq!(
            (missing.status.as_u16(), missing.json()["code"].clone()),
            (404, json!("not_found"))
        );
    }
}

/// C08, C13, C31, T011. Goal: everybody reads when somebody answers, by which hours, and which days
/// of a year are off, those that may still move with it.
#[tokio::test]
async fn the_calendar_is_open_to_all() {
    use domain::calendar::day::Day;
    use domain::calendar::opening_hours::CalendarKind;
    let world = World::new().await;
    let router = router(&world);
    let new = app::opening_hours::NewHours {
        valid_from: Day::of(world.app.now()).plus(3),
        rest_days: "thursday,friday".to_owned(),
        ordinary: "08:00-24:00".to_owned(),
        off: "08:00-24:00".to_owned(),
    };
    let mistaken =
        app::opening_hours::NewHours { valid_from: new.valid_from.plus(9), ..new.clone() };
    for new in [&new, &mistaken] {
        app::opening_hours::add(&world.app, CalendarKind::Support, new, "Maryam").await.unwrap();
    }
    app::opening_hours::withdraw(&world.app, CalendarKind::Support, 3, "Maryam").await.unwrap();
    let told = get(&router, "", "/v1/calendar").await.json();
    let line = &told["support_line"];
    assert_eq!((&told["year"], &line["open_now"]), (&json!(1405), &json!(true)));
    assert_eq!(line["until"], "2026-11-22T14:00:00+03:30");
    let support = &told["calendars"][1];
    let versions = support["versions"].as_array().unwrap();
    assert_eq!((&support["kind"], versions.len()), (&json!("support"), 3));
    assert_eq!(versions[1]["withdrawn_at"], Value::Null);
    assert_eq!(versions[2]["withdrawn_at"], "2026-11-22T12:00:00+03:30");
    assert_eq!(
        (&versions[0]["ordinary"], &versions[0]["off"], &versions[0]["entered_at"]),
        (&json!("08:30-14:00,14:45-24:00"), &json!("10:00-14:00,14:45-22:00"), &Value::Null)
    );
    assert_eq!(
        (&versions[1]["valid_from"], &versions[1]["rest_days"]),
        (&json!("2026-11-25"), &json!("thursday,friday"))
    );
    assert!(!told.to_string().contains("Maryam"), "nobody of staff is named");
    let holidays = told["holidays"].as_array().unwrap();
    let days: std::collections::BTreeSet<&str> =
        holidays.iter().map(|one| one["day"].as_str().unwrap()).collect();
    assert_eq!(days.len(), 26);
    let eid = holidays.iter().find(|one| one["day"] == "2027-03-10").unwrap();
    assert_eq!((&eid["status"], &eid["basis"]), (&json!("provisional"), &json!("estimate")));
    let next = get(&router, "", "/v1/calendar?year=1406").await.json();
    assert_eq!(next["holidays"][0]["day_fa"], "1406/01/01");
    for wrong in ["year=x", "year=1200", "month=1405-08"] {
        let refused = get(&router, "", &format!("/v1/calendar?{wrong}")).await;
        assert_eq!(refused.json()["code"], "invalid_request", "{wrong}");
    }
}

/// C10, T170. Goal: everybody reads what a version says otherwise than an earlier one, line by
/// line, with the checksums of both; of the first one, all of it.
#[tokio::test]
async fn what_a_version_changes_is_open_to_all() {
    let world = World::new().await;
    let router = router(&world);
    let first = get(&router, "", "/v1/agreement/1").await.json();
    let month = domain::calendar::month::PersianMonth::of(world.app.now()).next();
    let text = first["text_en"].as_str().unwrap();
    let new = app::agreement::NewVersion {
        body_fa: None,
        body_en: Some(text.replacen("Service", "Our service", 1)),
        parameters: vec![("availability.month_basis".to_owned(), "fixed30".to_owned())],
        effective_from: month.start(),
    };
    app::agreement::publish(&world.app, new).await.unwrap();
    let changes = get(&router, "", "/v1/agreement/2/changes").await.json();
    assert_eq!((&changes["version"], &changes["since"]), (&json!(2), &json!(1)));
    assert_eq!(changes["since_sha256"], first["sha256"]);
    let words = |lines: &Value, change: &str| -> Vec<String> {
        let lines = lines.as_array().unwrap().iter().filter(|line| line["change"] == change);
        lines.map(|line| line["line"].as_str().unwrap().to_owned()).collect()
    };
    let parameters = &changes["parameters"];
    assert_eq!(words(parameters, "removed"), ["availability.month_basis = actual (default)"]);
    assert_eq!(words(parameters, "added"), ["availability.month_basis = fixed30 (operator)"]);
    assert_eq!(changes["text_fa"], json!([]));
    let (old, new) = (words(&changes["text_en"], "removed"), words(&changes["text_en"], "added"));
    assert_eq!((old.len(), new.len()), (1, 1), "{changes}");
    assert_eq!(old[0].replacen("Service", "Our service", 1), new[0]);
    let same = get(&router, "", "/v1/agreement/2/changes?since=2").await.json();
    assert_eq!((&same["parameters"], &same["text_en"]), (&json!([]), &json!([])));
    let whole = get(&router, "", "/v1/agreement/1/changes").await.json();
    assert_eq!(words(&whole["text_en"], "added").join("\n"), text.trim_end());
    for (path, code) in [
        ("/v1/agreement/3/changes", "not_found"),
        ("/v1/agreement/2/changes?since=7", "not_found"),
        ("/v1/agreement/2/changes?since=x", "invalid_request"),
        ("/v1/agreement/2/changes?until=1", "invalid_request"),
    ] {
        assert_eq!(get(&router, "", path).await.json()["code"], code, "{path}");
    }
}

/// Goal: a customer accepts the agreement and sees that it did; nobody else does it in its name.
#[tokio::test]
async fn the_agreement_is_accepted() {
    let world = World::new().await;
    let router = router(&world);
    let (_, token) = world.customer(0).await;
    let (_, other) = world.customer(0).await;
    let path = "/v1/agreement_acceptances";
    let before = get(&router, &token, path).await.json();
    assert_eq!((&before["changed"], &before["in_force"]), (&json!(true), &json!(1)));
    let accept = async |path: &str| v1(&router, &token, "POST", path, None, &Value::Null).await;
    let accepted = accept("/v1/agreement/1/accept").await;
    assert_eq!(accepted.status.as_u16(), 200, "{}", accepted.text());
    assert_eq!(accepted.json(), get(&router, &token, path).await.json());
    let accepted = accepted.json();
    assert_eq!((&accepted["changed"], &accepted["data"][0]["version"]), (&json!(false), &json!(1)));
    for wrong in ["/v1/agreement/2/accept", "/v1/agreement/x/accept"] {
        assert_eq!(accept(wrong).await.status.as_u16(), 404);
    }
    assert_eq!(get(&router, &other, path).await.json()["data"], json!([]));
    assert_eq!(get(&router, "", path).await.status.as_u16(), 401);
}

/// Goal: an account reads its own months with all that they come from, and no other's.
#[tokio::test]
async fn an_account_reads_its_own_months() {
    let world = World::new().await;
    let (caller, token) = world.customer(0).await;
    let router = router(&world);
    world.clock.advance_ms(3_600_000);
    let now = world.app.now();
    let hour = domain::calendar::span::Span::new(now.plus_us(-3_600_000_000), now).unwrap();
    let minute = domain::calendar::span::Span { to: hour.from.plus_us(60_000_000), ..hour };
    let (all, everyone) =
        (domain::agreement::scope::Paths::ALL, domain::agreement::scope::Scope::everyone());
    app::outage::saw_working(&world.app, "m", all, &everyone, hour).await.unwrap();
    let outage = app::outage::NewOutage {
        paths: all,
        scope: domain::agreement::scope::Scope::parse(&format!("account:{}", caller.account.id))
            .unwrap(),
        from: minute.from,
        to: Some(minute.to),
        cause: "disk".to_owned(),
        evidence: "log".to_owned(),
        author: "Zahra".to_owned(),
    };
    app::outage::record(&world.app, outage).await.unwrap();
    let month = get(&router, &token, "/v1/availability?month=1405-09").await.json();
    assert_eq!(month, get(&router, &token, "/v1/availability").await.json());
    let now = &month["computed_now"];
    assert_eq!((&now["covered_seconds"], &now["down_seconds"]), (&json!(3600), &json!(60)));
    assert_eq!((&now["low_percent"], &month["verdict"]), (&json!("98.333"), &json!("breached")));
    let classes: Vec<&str> = month["stretches"]
        .as_array()
        .unwrap()
        .iter()
        .map(|stretch| stretch["class"].as_str().unwrap())
        .collect();
    assert_eq!(classes, ["not covered", "down"]);
    assert_eq!((&month["state"], &month["statements"]), (&json!("open"), &json!([])));
    let (_, neighbour) = world.customer(0).await;
    let theirs = get(&router, &neighbour, "/v1/availability").await.json();
    assert_eq!(theirs["computed_now"]["down_seconds"], 0);
    for query in ["month=1405-13", "month=1480-01", "month=x"] {
        let refused = get(&router, &token, &format!("/v1/availability?{query}")).await;
        assert_eq!(refused.json()["code"], "invalid_request", "{query}");
    }
    assert_eq!(get(&router, "", "/v1/availability").await.status, 401);
}

/// The object with one more field.
fn with(object: &Value, name: &str, value: Value) -> Value {
    let mut changed = object.clone();
    changed[name] = value;
    changed
}

/// Goal: what is of a sandbox says so, and is apart from the account's own.
#[tokio::test]
async fn a_sandbox_is_apart() {
    let world = World::new().await;
    let (caller, token) = world.customer(1_000_000).await;
    let (_, played) = world.sandbox(&caller).await;
    let router = router(&world);
    let body = json!({ "to": NUMBER, "text": TEXT });
    let real = send(&router, &token, Some("k"), &body).await.json();
    let play = send(&router, &played, Some("k"), &with(&body, "collect_key", json!(true))).await;
    assert_eq!(play.status, 202, "the same key is another one there: {}", play.text());
    let play = play.json();
    assert_eq!((&real["live"], &play["live"]), (&json!(true), &json!(false)));
    assert_eq!((count(&router, &token).await, count(&router, &played).await), (1, 1));
    let path = format!("/v1/messages/{}", play["id"].as_str().unwrap());
    assert_eq!(get(&router, &token, &path).await.json()["code"], "not_found");
    assert_eq!(get(&router, &played, &path).await.json()["live"], false);
}

/// Goal: a customer keeps its own list of those who are not called, and reads it in pages.
#[tokio::test]
async fn an_account_keeps_whom_it_does_not_call() {
    let world = World::new().await;
    let router = router(&world);
    let (_, token) = world.customer(0).await;
    let (_, stranger) = world.customer(0).await;
    let add = async |numbers: Value| {
        let request = Request::post("/v1/opt-outs")
            .header("authorization", &token)
            .body(Body::from(json!({ "numbers": numbers }).to_string()));
        answer(&router, request.unwrap()).await
    };
    let added = add(json!(["۰۹۱۲ ۱۲۳ ۴۵۶۷", "+98 21 88776655", "09121234567"])).await;
    assert_eq!(added.json(), json!({ "object": "opt_outs", "added": 2, "unchanged": 1 }));
    for (numbers, code) in [(json!([]), "invalid_request"), (json!(["12"]), "number_not_callable")]
    {
        assert_eq!(add(numbers).await.json()["code"], code);
    }
    let first = get(&router, &token, "/v1/opt-outs?limit=1").await.json();
    assert_eq!(first["data"][0]["number"], "02188776655");
    let next = first["next_page"].as_str().unwrap();
    let second = get(&router, &token, &format!("/v1/opt-outs?limit=1&after={next}")).await.json();
    assert_eq!(second["data"][0]["number"], "09121234567");
    assert_eq!(second["data"][0]["source"], "api");
    assert_eq!(get(&router, &stranger, "/v1/opt-outs").await.json()["data"], json!([]));
    let remove = async |token: &str| {
        let request = Request::delete("/v1/opt-outs/09121234567").header("authorization", token);
        answer(&router, request.body(Body::empty()).unwrap()).await.status.as_u16()
    };
    assert_eq!(
        (remove(&stranger).await, remove(&token).await, remove(&token).await),
        (404, 204, 404)
    );
}
