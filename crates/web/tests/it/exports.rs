//! Exports of the modern API as its clients see them.

use axum::Router;
use serde_json::{Value, json};

use crate::campaign::{first_is_called, world};
use crate::client::{Answer, router, v1};

async fn ask(router: &Router, token: &str, method: &str, path: &str, body: &Value) -> Answer {
    v1(router, token, method, path, None, body).await
}

/// Goal: a file is asked for once, told of while it is written, and fetched as it was announced.
#[tokio::test]
async fn results_are_exported() {
    let (world, token) = world(10_000).await;
    let router = router(&world);
    let plan = json!({
        "title": "t", "audio_id": 1, "to": ["09121234567", "02112345678"],
        "starts": "2026-11-22 08:00", "ends": "2026-11-24 20:00",
    });
    ask(&router, &token, "POST", "/v1/campaigns", &plan).await;
    first_is_called(&world).await;
    let wanted = json!({ "kind": "campaign_numbers", "campaign_id": "1", "bom": false });
    let made = v1(&router, &token, "POST", "/v1/exports", Some("k"), &wanted).await;
    assert_eq!(made.status, 202, "{}", made.text());
    let again = v1(&router, &token, "POST", "/v1/exports", Some("k"), &wanted).await;
    assert_eq!(again.text(), made.text());
    let made = made.json();
    assert_eq!(
        (&made["id"], &made["state"], &made["file"]),
        (&json!("1"), &json!("waiting"), &Value::Null)
    );
    let early = ask(&router, &token, "GET", "/v1/exports/1/file", &Value::Null).await;
    assert_eq!((early.status.as_u16(), &early.json()["code"]), (409, &json!("not_in_this_state")));
    assert!(app::export::write_next(&world.app).await.unwrap());
    let ready = ask(&router, &token, "GET", "/v1/exports/1", &Value::Null).await.json();
    assert_eq!((&ready["state"], &ready["rows"]), (&json!("ready"), &json!(2)));
    let file = ask(&router, &token, "GET", ready["file"].as_str().unwrap(), &Value::Null).await;
    assert_eq!(file.headers["content-type"], "text/csv; charset=utf-8");
    assert_eq!(
        file.headers["content-disposition"],
        "attachment; filename=\"campaign_numbers-1.csv\""
    );
    assert_eq!(json!(file.body.len()), ready["bytes"]);
    let lines: Vec<&str> = file.text().lines().collect();
    assert_eq!(
        lines[0],
        "number,state,result,tries,heard_seconds,key,charged_rials,called_at,ended_at,message_id,\
         keys,recording,recording_seconds"
    );
    assert!(
        lines[1].starts_with("09121234567,ended,delivered,1,4.000,3,225,2026-11-22T12:00:"),
        "{}",
        lines[1]
    );
    assert!(lines[2].starts_with("02112345678,queued,,0,0.000,,0,,,"), "{}", lines[2]);

    let wanted = json!({ "kind": "messages", "from": "1405/09/01", "to": "1405/09/01" });
    ask(&router, &token, "POST", "/v1/exports", &wanted).await;
    let wanted =
        json!({ "kind": "statement", "from": "2026-11-22", "to": "2026-11-22", "dates": "jalali" });
    ask(&router, &token, "POST", "/v1/exports", &wanted).await;
    world.clock.advance_ms(60_000);
    while app::export::write_next(&world.app).await.unwrap() {}
    let page = ask(&router, &token, "GET", "/v1/exports?limit=2", &Value::Null).await.json();
    let kinds: Vec<&Value> =
        page["data"].as_array().unwrap().iter().map(|one| &one["kind"]).collect();
    assert_eq!(
        (kinds, &page["next_page"]),
        (vec![&json!("statement"), &json!("messages")], &json!("2"))
    );
    let rest =
        ask(&router, &token, "GET", "/v1/exports?limit=2&after=2", &Value::Null).await.json();
    assert_eq!((&rest["data"][0]["id"], &rest["next_page"]), (&json!("1"), &Value::Null));
    let (_, stranger) = world.customer(0).await;
    for path in ["/v1/exports/1", "/v1/exports/1/file", "/v1/exports/x"] {
        let theirs = ask(&router, &stranger, "GET", path, &Value::Null).await;
        assert_eq!(theirs.json()["code"], "not_found", "{path}");
    }
    world.clock.advance_ms(domain::export::KEPT_MS);
    app::export::look_after(&world.app).await.unwrap();
    let gone = ask(&router, &token, "GET", "/v1/exports/1/file", &Value::Null).await;
    assert_eq!((gone.status.as_u16(), &gone.json()["code"]), (410, &json!("export_expired")));
}

/// Goal: what cannot be exported says why.
#[tokio::test]
async fn what_is_no_export_says_why() {
    let (world, token) = world(0).await;
    let router = router(&world);
    let days = |kind: &str| json!({ "kind": kind, "from": "2026-11-22", "to": "2026-11-23" });
    for (body, status, code) in [
        (json!({ "kind": "x" }), 400, "invalid_request"),
        (json!({ "kind": "messages" }), 400, "invalid_request"),
        (
            json!({ "kind": "messages", "from": "2026-11-23", "to": "2026-11-22" }),
            400,
            "invalid_request",
        ),
        (json!({ "kind": "campaign_numbers" }), 400, "invalid_request"),
        (json!({ "kind": "campaign_numbers", "campaign_id": "9" }), 404, "not_found"),
        (json!({ "kind": "statement", "campaign_id": "1" }), 400, "invalid_request"),
        (json!({ "kind": "statement", "dates": "x" }), 400, "invalid_request"),
    ] {
        let refused = ask(&router, &token, "POST", "/v1/exports", &body).await;
        assert_eq!(
            (refused.status.as_u16(), &refused.json()["code"]),
            (status, &json!(code)),
            "{body}"
        );
    }
    for _ in 0..5 {
        let made = ask(&router, &token, "POST", "/v1/exports", &days("messages")).await;
        assert_eq!(made.status, 202, "{}", made.text());
    }
    let refused = ask(&router, &token, "POST", "/v1/exports", &days("statement")).await;
    assert_eq!(
        (refused.status.as_u16(), &refused.json()["code"]),
        (409, &json!("too_many_exports"))
    );
}
