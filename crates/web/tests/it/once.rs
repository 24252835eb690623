//! Every POST under an `Idempotency-Key`: done once, answered as it was, and no name for two
//! things.

use axum::Router;
use serde_json::{Value, json};

use crate::campaign::world;
use crate::client::{Answer, router, v1};
use crate::world::World;

/// Later than answers are kept, milliseconds.
const FOUR_DAYS_MS: i64 = 4 * 24 * 3_600_000;

async fn post(router: &Router, token: &str, path: &str, key: &str, body: &Value) -> Answer {
    v1(router, token, "POST", path, Some(key).filter(|key| !key.is_empty()), body).await
}

async fn get(router: &Router, token: &str, path: &str) -> Value {
    v1(router, token, "GET", path, None, &Value::Null).await.json()
}

/// Does something under a key; asked again it is answered to the byte as it was, and nothing else
/// is done under the key. The answer.
async fn done_once(router: &Router, token: &str, path: &str, body: &Value) -> Answer {
    let key = path.replace('/', "-");
    let first = post(router, token, path, &key, body).await;
    assert!(!first.headers.contains_key("idempotency-replayed"), "{path}: {}", first.text());
    let again = post(router, token, path, &key, body).await;
    assert_eq!(
        (again.status, again.text(), &again.headers["content-type"]),
        (first.status, first.text(), &first.headers["content-type"]),
        "{path}"
    );
    assert_eq!(again.headers["idempotency-replayed"], "true", "{path}");
    let other =
        post(router, token, "/v1/opt-outs", &key, &json!({ "numbers": ["09120000009"] })).await;
    assert_eq!(
        (other.status.as_u16(), &other.json()["code"]),
        (409, &json!("idempotency_key_reused")),
        "{path}"
    );
    first
}

/// Forgets the answers, as time does and as a kill between the deed and its answer does.
async fn forget_answers(world: &World) {
    world.clock.advance_ms(FOUR_DAYS_MS);
    app::request::look_after(&world.app).await.unwrap();
}

/// What is told of something that was done, but whose answer is gone.
async fn told_again(router: &Router, token: &str, path: &str, body: &Value) -> Answer {
    let told = post(router, token, path, &path.replace('/', "-"), body).await;
    assert_eq!(told.headers["idempotency-replayed"], "true", "{path}: {}", told.text());
    told
}

/// Goal: what is asked of an endpoint is done once, also when the answer to it was lost.
#[tokio::test]
async fn endpoints_are_made_changed_and_tried_once() {
    let world = World::new().await;
    let (_, token) = world.customer(0).await;
    let router = router(&world);
    let wanted = json!({ "url": "https://a.example/x" });
    let made = done_once(&router, &token, "/v1/webhooks", &wanted).await;
    assert_eq!(made.status, 201, "{}", made.text());
    let id = made.json()["id"].as_str().unwrap().to_owned();
    let path = |verb: &str| format!("/v1/webhooks/{id}/{verb}");
    let tested = done_once(&router, &token, &path("test"), &Value::Null).await.json();
    let event = json!({ "event_id": tested["event_id"] });
    done_once(&router, &token, &path("replay"), &event).await;
    done_once(&router, &token, &path("enable"), &Value::Null).await;
    let deliveries = get(&router, &token, &path("deliveries")).await;
    assert_eq!(deliveries["data"].as_array().unwrap().len(), 1, "{deliveries}");
    let rotated = done_once(&router, &token, &path("secret"), &Value::Null).await.json();
    assert_ne!(rotated["secret"], made.json()["secret"]);

    forget_answers(&world).await;
    let again = told_again(&router, &token, "/v1/webhooks", &wanted).await;
    assert_eq!((again.status.as_u16(), &again.json()), (201, &rotated), "as it is by now");
    let again = told_again(&router, &token, &path("secret"), &Value::Null).await.json();
    assert_eq!(again, rotated);
    let again = told_again(&router, &token, &path("test"), &Value::Null).await.json();
    assert_eq!(again, tested);
    told_again(&router, &token, &path("replay"), &event).await;
    told_again(&router, &token, &path("enable"), &Value::Null).await;
    let all = get(&router, &token, "/v1/webhooks").await;
    assert_eq!(all["data"].as_array().unwrap().len(), 1, "{all}");
}

/// Goal: of two that come at once under one name, one is done, and both are answered alike.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_at_once_are_one() {
    let world = World::new().await;
    let (_, token) = world.customer(0).await;
    let router = router(&world);
    let wanted = json!({ "url": "https://a.example/x" });
    for key in ["a", "b", "c", "d"] {
        let ask = || post(&router, &token, "/v1/webhooks", key, &wanted);
        let (one, other) = tokio::join!(ask(), ask());
        assert_eq!((one.status.as_u16(), one.json()), (other.status.as_u16(), other.json()));
    }
    let all = get(&router, &token, "/v1/webhooks").await;
    assert_eq!(all["data"].as_array().unwrap().len(), 4, "{all}");
}

/// Goal: a refusal that changed nothing is judged anew under the same key.
#[tokio::test]
async fn a_refusal_is_not_kept() {
    let (world, token) = world(10_000).await;
    let router = router(&world);
    let plan = json!({
        "title": "t", "audio_id": 1, "to": ["09121234567", "09121234568"], "start": false,
        "starts": "2026-11-22 08:00", "ends": "2026-11-30 20:00",
    });
    post(&router, &token, "/v1/campaigns", "", &plan).await;
    let refused = post(&router, &token, "/v1/campaigns/1/pause", "k", &Value::Null).await;
    assert_eq!(refused.json()["code"], "not_in_this_state");
    post(&router, &token, "/v1/campaigns/1/start", "", &Value::Null).await;
    let paused = post(&router, &token, "/v1/campaigns/1/pause", "k", &Value::Null).await;
    assert_eq!(paused.json()["state"], "paused");
    let wrong = json!({ "url": "ftp://a.example/" });
    for _ in 0..2 {
        let refused = post(&router, &token, "/v1/webhooks", "w", &wrong).await;
        assert_eq!(refused.json()["code"], "webhook_url_not_allowed");
        assert!(!refused.headers.contains_key("idempotency-replayed"));
    }
    let unreadable = v1(&router, &token, "POST", "/v1/opt-outs", Some(""), &json!({})).await;
    assert_eq!(unreadable.status, 400, "{}", unreadable.text());
}

/// Goal: each verb of a campaign, and a list that is added, is done once.
#[tokio::test]
async fn campaigns_are_changed_once() {
    let (world, token) = world(10_000).await;
    let router = router(&world);
    let plan = json!({
        "title": "t", "audio_id": 1, "to": ["09121234567", "09121234568"], "start": false,
        "starts": "2026-11-22 08:00", "ends": "2026-11-30 20:00",
    });
    post(&router, &token, "/v1/campaigns", "", &plan).await;
    let more = json!({ "to": ["09123333333", "x"] });
    let added = done_once(&router, &token, "/v1/campaigns/1/numbers", &more).await.json();
    assert_eq!((&added["list"]["accepted"], &added["list"]["invalid"]), (&json!(1), &json!(1)));
    for verb in ["start", "pause", "resume", "stop", "cancel"] {
        let path = format!("/v1/campaigns/1/{verb}");
        let answered = done_once(&router, &token, &path, &Value::Null).await;
        assert_eq!(answered.status, 200, "{verb}: {}", answered.text());
    }
    forget_answers(&world).await;
    for verb in ["start", "pause", "resume", "stop", "cancel"] {
        let path = format!("/v1/campaigns/1/{verb}");
        let told = told_again(&router, &token, &path, &Value::Null).await.json();
        assert_eq!((&told["state"], &told["numbers"]["total"]), (&json!("cancelled"), &json!(3)));
    }
    let told = told_again(&router, &token, "/v1/campaigns/1/numbers", &more).await.json();
    assert_eq!(told["numbers"]["total"], 3);
}

/// Goal: a try at a code counts once, right or wrong, and it is said again once.
#[tokio::test]
async fn codes_are_checked_and_said_again_once() {
    let world = World::new().await;
    let (caller, _) = world.customer(0).await;
    let (_, token) = world.sandbox(&caller).await;
    let router = router(&world);
    let started = post(&router, &token, "/v1/codes", "", &json!({ "to": "09121234567" })).await;
    let path = format!("/v1/codes/{}", started.json()["id"].as_str().unwrap());
    let left = async || get(&router, &token, &path).await["checks_left"].clone();
    world.clock.advance_ms(31_000);
    let resend = format!("{path}/resend");
    let said = done_once(&router, &token, &resend, &Value::Null).await;
    assert_eq!((said.status.as_u16(), &said.json()["sends_left"]), (202, &json!(3)));
    let check = format!("{path}/check");
    let wrong = json!({ "code": "654321" });
    let first = post(&router, &token, &check, "wrong", &wrong).await;
    assert_eq!(first.json()["code"], "code_wrong");
    let again = post(&router, &token, &check, "wrong", &wrong).await;
    assert_eq!((again.status, &again.json()["detail"]), (first.status, &first.json()["detail"]));
    assert_eq!(again.headers["content-type"], "application/problem+json");
    assert_eq!(again.headers["idempotency-replayed"], "true");
    assert_eq!(left().await, 4);
    let bad = post(&router, &token, &check, "bad", &json!({ "code": "x" })).await;
    assert_eq!(bad.json()["code"], "invalid_request");
    let right = json!({ "code": "123456" });
    let approved = done_once(&router, &token, &check, &right).await.json();
    assert_eq!((&approved["state"], left().await), (&json!("approved"), json!(3)));
    let used = post(&router, &token, &check, "another", &right).await;
    assert_eq!(used.json()["code"], "code_used");
}

/// Goal: numbers that are put on the list are told as they were when they were new.
#[tokio::test]
async fn a_list_of_opt_outs_is_told_as_it_was() {
    let world = World::new().await;
    let (_, token) = world.customer(0).await;
    let router = router(&world);
    let numbers = json!({ "numbers": ["09121234567", "09121234568"] });
    let added = post(&router, &token, "/v1/opt-outs", "k", &numbers).await.json();
    assert_eq!((&added["added"], &added["unchanged"]), (&json!(2), &json!(0)));
    forget_answers(&world).await;
    let again = post(&router, &token, "/v1/opt-outs", "k", &numbers).await;
    assert_eq!(again.headers["idempotency-replayed"], "true");
    assert_eq!(again.json(), added);
    let anew = post(&router, &token, "/v1/opt-outs", "", &numbers).await.json();
    assert_eq!((&anew["added"], &anew["unchanged"]), (&json!(0), &json!(2)));
}
