//! Claims as customers make them.

use domain::agreement::claim::{Decision, Member, Outcome, Seat};
use domain::{Rials, Timestamp};
use serde_json::{Value, json};

use crate::client::{router, v1};
use crate::world::World;

/// Goal: a claim is filed, answered, appealed and withdrawn once under its key, is decided, and
/// only its account sees it.
#[tokio::test]
async fn a_claim_is_filed_once_and_decided() {
    let world = World::new().await;
    let (_, token) = world.customer(0).await;
    let (_, stranger) = world.customer(0).await;
    let router = router(&world);
    let post = async |token: &str, path: &str, key: Option<&str>, body: &Value| {
        v1(&router, token, "POST", path, key, body).await
    };
    let twice = async |path: &str, body: &Value| {
        let first = post(&token, path, Some(path), body).await.json();
        let again = post(&token, path, Some(path), body).await;
        assert_eq!(again.json(), first, "{path}");
        assert_eq!(again.headers["idempotency-replayed"], "true", "{path}");
        first
    };
    let body = json!({ "event_at": "2026-11-22 10:00", "statement": "Nobody answered." });
    let filed = post(&token, "/v1/claims", Some("one"), &body).await;
    assert_eq!((filed.status.as_u16(), &filed.json()["state"]), (201, &json!("filed")));
    assert!(!filed.headers.contains_key("idempotency-replayed"));
    let again = post(&token, "/v1/claims", Some("one"), &body).await;
    assert_eq!(again.json(), filed.json());
    assert_eq!(again.headers["idempotency-replayed"], "true");
    let id = filed.json()["id"].as_str().unwrap().to_owned();
    let path = format!("/v1/claims/{id}");
    let future = json!({ "event_at": "2026-11-23 10:00", "statement": "x" });
    let late = json!({ "event_at": "2026-08-01 10:00", "statement": "x" });
    let unsaid = json!({ "event_at": "2026-11-22 10:00", "statement": " " });
    let no_time = json!({ "event_at": "yesterday", "statement": "x" });
    let track = json!({ "event_at": "2026-11-22 10:00", "statement": "x", "track": "weather" });
    for (body, key, code) in [
        (&future, None, "claim_not_taken"),
        (&late, None, "claim_not_taken"),
        (&unsaid, None, "invalid_request"),
        (&no_time, None, "invalid_request"),
        (&track, None, "invalid_request"),
        (&json!({}), None, "invalid_request"),
        (&future, Some("one"), "idempotency_key_reused"),
    ] {
        assert_eq!(post(&token, "/v1/claims", key, body).await.json()["code"], code, "{body}");
    }
    let text = json!({ "text": "0912…" });
    for (token, path, code) in [
        (&token, format!("{path}/evidence"), "not_in_this_state"),
        (&token, format!("{path}/appeal"), "not_in_this_state"),
        (&stranger, format!("{path}/appeal"), "not_found"),
        (&stranger, format!("{path}/withdraw"), "not_found"),
    ] {
        assert_eq!(post(token, &path, None, &text).await.json()["code"], code, "{path}");
    }

    let number = id.parse().unwrap();
    let grounds = format!("{path}/grounds");
    let before = v1(&router, &token, "GET", &grounds, None, &Value::Null).await.json();
    assert_eq!((&before["object"], &before["agreement"]), (&json!("claim_grounds"), &json!(1)));
    assert_eq!((&before["hours"][1]["day"], &before["calls"]), (&json!("2026-11-22"), &json!([])));
    let theirs = v1(&router, &stranger, "GET", &grounds, None, &Value::Null).await.json();
    assert_eq!(theirs["code"], "not_found");
    let member = |name: &str, seat| Member { name: name.to_owned(), seat };
    let committee = [
        member("t1", Seat::Technical),
        member("t2", Seat::Technical),
        member("o1", Seat::Oversight),
    ];
    app::claim::complete(&world.app, number, &[], "Sara").await.unwrap();
    app::claim::assign(&world.app, number, &committee, "Sara").await.unwrap();
    app::claim::ask(&world.app, number, "From which number?", "t1").await.unwrap();
    let answered = twice(&format!("{path}/evidence"), &text).await;
    assert_eq!(answered["state"], "under_review");
    let decision = Decision {
        outcome: Outcome::Partly,
        amount: Some(Rials(5)),
        method: Some("by card".to_owned()),
        reasons: "half an hour".to_owned(),
        votes: committee.iter().map(|one| (one.name.clone(), one.name != "t2")).collect(),
        at: Timestamp(0),
    };
    app::claim::decide(&world.app, number, decision, "Sara").await.unwrap();
    app::claim::announce(&world.app, number, "Sara").await.unwrap();
    let get = async |token: &str, path: &str| {
        v1(&router, token, "GET", path, None, &Value::Null).await.json()
    };
    let told = get(&token, &path).await;
    let decided = &told["decisions"][0];
    assert_eq!(
        (&decided["amount"], &decided["method"], &decided["votes_against"]),
        (&json!(5), &json!("by card"), &json!(1))
    );
    let appealed = twice(&format!("{path}/appeal"), &text).await;
    assert_eq!((&appealed["state"], &appealed["overdue"]), (&json!("appealed"), &json!(false)));
    assert_eq!(get(&stranger, &path).await["code"], "not_found");
    assert_eq!(get(&stranger, "/v1/claims").await["data"], json!([]));
    assert_eq!(get(&token, "/v1/claims?limit=1").await["data"][0]["id"], id);
    let second = post(&token, "/v1/claims", None, &body).await.json();
    let withdraw = format!("/v1/claims/{}/withdraw", second["id"].as_str().unwrap());
    let withdrawn = twice(&withdraw, &Value::Null).await;
    assert_eq!(withdrawn["state"], "withdrawn");
}
