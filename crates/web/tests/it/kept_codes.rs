//! One-time codes that the platform keeps, as clients of the modern API see them.

use axum::Router;
use serde_json::{Value, json};

use crate::client::{Answer, router, v1};
use crate::world::World;

const NUMBER: &str = "09121234567";

/// A request; the body of one that starts a code, where it is plain text, is its own key.
async fn ask(router: &Router, token: &str, method: &str, path: &str, body: &Value) -> Answer {
    let key = body.to_string();
    let key = Some(&*key).filter(|key| key.is_ascii() && path == "/v1/codes");
    v1(router, token, method, path, key, body).await
}

/// Goal: a code is started, shown without its digits, and refuses what is wrong until it is over.
#[tokio::test]
async fn the_life_of_a_code() {
    let world = World::new().await;
    let (_, token) = world.customer(1_000_000).await;
    let (_, stranger) = world.customer(0).await;
    let router = router(&world);
    let wanted = json!({ "to": NUMBER, "length": 8, "life_seconds": 120, "voice": "female" });
    let started = ask(&router, &token, "POST", "/v1/codes", &wanted).await;
    assert_eq!(started.status, 202, "{}", started.text());
    let code = started.json();
    assert_eq!(
        (&code["object"], &code["to"], &code["state"]),
        (&json!("code"), &json!(NUMBER), &json!("pending"))
    );
    assert_eq!((&code["checks_left"], &code["sends_left"]), (&json!(5), &json!(4)));
    assert_eq!(code["expires_at"], "2026-11-22T12:02:00+03:30");
    let again = ask(&router, &token, "POST", "/v1/codes", &wanted).await;
    assert_eq!(
        (again.text(), again.headers["idempotency-replayed"].to_str().unwrap()),
        (started.text(), "true")
    );
    let path = format!("/v1/codes/{}", code["id"].as_str().unwrap());
    let message = format!("/v1/messages/{}", code["message_id"].as_str().unwrap());
    assert_eq!(ask(&router, &token, "GET", &message, &Value::Null).await.json()["to"], NUMBER);
    assert_eq!(ask(&router, &token, "GET", &path, &Value::Null).await.json(), code);
    let soon = ask(&router, &token, "POST", &format!("{path}/resend"), &Value::Null).await;
    assert_eq!(
        (soon.status.as_u16(), soon.json()["code"].clone()),
        (429, json!("number_sent_to_too_often"))
    );
    assert_eq!(soon.headers["retry-after"], "31");
    for (method, what) in [("GET", ""), ("POST", "/resend"), ("POST", "/check")] {
        let body = if what == "/check" { json!({ "code": "12345678" }) } else { Value::Null };
        let theirs = ask(&router, &stranger, method, &format!("{path}{what}"), &body).await;
        assert_eq!(theirs.status, 404, "{method} {what}");
    }
    let check = format!("{path}/check");
    for bad in [json!({}), json!({ "code": 1234 }), json!({ "code": "48x1" }), json!([])] {
        let refused = ask(&router, &token, "POST", &check, &bad).await;
        assert_eq!(refused.json()["code"], "invalid_request", "{bad}");
        assert!(!refused.text().contains("48x1") && !refused.text().contains("1234"), "{bad}");
    }
    for left in [4, 3, 2, 1] {
        let wrong = ask(&router, &token, "POST", &check, &json!({ "code": "4711" })).await;
        assert_eq!(
            (wrong.status.as_u16(), wrong.json()["code"].clone()),
            (422, json!("code_wrong"))
        );
        assert!(wrong.json()["detail"].as_str().unwrap().starts_with(&left.to_string()));
    }
    for _ in 0..2 {
        let over = ask(&router, &token, "POST", &check, &json!({ "code": "4711" })).await;
        assert_eq!(
            (over.status.as_u16(), over.json()["code"].clone()),
            (410, json!("code_exhausted"))
        );
    }
    let shown = ask(&router, &token, "GET", &path, &Value::Null).await.json();
    assert_eq!(shown["state"], "exhausted");
}

/// Goal: what cannot be started is a problem that says what to mend.
#[tokio::test]
async fn codes_that_are_refused() {
    let world = World::new().await;
    let (_, token) = world.customer(1_000_000).await;
    let (_, poor) = world.customer(1).await;
    let router = router(&world);
    for (token, body, code) in [
        (&token, json!({}), "invalid_request"),
        (&token, json!({ "to": NUMBER, "length": 9 }), "invalid_request"),
        (&token, json!({ "to": NUMBER, "life_seconds": 5 }), "invalid_request"),
        (&token, json!({ "to": NUMBER, "text": "سلام" }), "invalid_request"),
        (&token, json!({ "to": NUMBER, "code": "123" }), "invalid_request"),
        (&token, json!({ "to": NUMBER, "code": "1234", "length": 4 }), "invalid_request"),
        (&token, json!({ "to": "12" }), "number_not_callable"),
        (&poor, json!({ "to": NUMBER }), "insufficient_credit"),
    ] {
        let refused = ask(&router, token, "POST", "/v1/codes", &body).await;
        assert_eq!(refused.json()["code"], code, "{body}: {}", refused.text());
    }
    for _ in 0..5 {
        let body = json!({ "to": NUMBER, "text": format!("کد {{code}} {}", world.app.now().0) });
        world.clock.advance_ms(1);
        assert_eq!(ask(&router, &token, "POST", "/v1/codes", &body).await.status, 202);
    }
    let often = ask(&router, &token, "POST", "/v1/codes", &json!({ "to": NUMBER })).await;
    assert_eq!(often.json()["code"], "number_sent_to_too_often");
    assert!(often.headers.contains_key("retry-after"));
}

/// Goal: a code is foretold without being spoken, and not spoken when it could cost too much.
#[tokio::test]
async fn a_code_is_foretold_and_bounded() {
    let world = World::new().await;
    let (_, token) = world.customer(1_000_000).await;
    let router = router(&world);
    let wanted = |max: u64, dry: bool| -> Value {
        json!({ "to": NUMBER, "code": "4815", "max_cost": max, "dry_run": dry })
    };
    let foretold = ask(&router, &token, "POST", "/v1/codes", &wanted(0, true)).await;
    assert_eq!(foretold.status, 200, "{}", foretold.text());
    let foretold = foretold.json();
    let cost = foretold["cost_max"].as_u64().unwrap();
    assert_eq!(
        foretold["data"][0],
        json!({
            "object": "call", "to": NUMBER, "barred": null,
            "cost_max": cost - foretold["cost_min"].as_u64().unwrap(),
        })
    );
    let dear = ask(&router, &token, "POST", "/v1/codes", &wanted(cost - 1, false)).await;
    assert_eq!((dear.status.as_u16(), &dear.json()["code"]), (402, &json!("max_cost_exceeded")));
    let spoken = ask(&router, &token, "POST", "/v1/codes", &wanted(cost, false)).await;
    assert_eq!(spoken.status, 202, "{}", spoken.text());
}
