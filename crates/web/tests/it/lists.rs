//! Lists of numbers as files, as clients of the modern API send them.

use axum::Router;
use axum::body::Body;
use axum::http::Request;
use serde_json::{Value, json};

use crate::campaign::world;
use crate::client::{Answer, answer, router, v1};

/// A file for the numbers of campaign 1.
async fn file(router: &Router, token: &str, query: &str, kind: &str, bytes: &[u8]) -> Answer {
    let request = Request::post(format!("/v1/campaigns/1/numbers{query}"))
        .header("Authorization", format!("Bearer {token}"))
        .header("Content-Type", kind)
        .header("Content-Length", bytes.len())
        .header("Idempotency-Key", "file")
        .body(Body::from(bytes.to_vec()));
    answer(router, request.unwrap()).await
}

/// Goal: a campaign is made without numbers, gets them from a file, once, and is started.
#[tokio::test]
async fn a_campaign_gets_its_numbers_from_a_file() {
    let (world, token) = world(10_000).await;
    let router = router(&world);
    let draft = json!({
        "title": "t", "audio_id": 1, "start": false,
        "starts": "2026-11-22 08:00", "ends": "2026-11-30 20:00",
    });
    let made = v1(&router, &token, "POST", "/v1/campaigns", None, &draft).await;
    assert_eq!((made.status.as_u16(), &made.json()["state"]), (201, &json!("draft")));
    let start = async || {
        v1(&router, &token, "POST", "/v1/campaigns/1/start", None, &Value::Null).await.json()
    };
    assert_eq!(start().await["code"], "not_in_this_state", "it has no numbers");
    let table = "نام;شماره موبایل\nعلی;۹۱۲۱۲۳۴۵۶۷\n\nرضا;0912 123 4567\nقلی;12\n".as_bytes();
    let report = json!({
        "accepted": 1, "duplicates": 1, "invalid": 1, "full": false,
        "invalid_rows": [{ "row": 5, "text": "12" }],
    });
    let foretold = file(&router, &token, "?dry_run=true", "text/csv", table).await;
    assert_eq!(foretold.json(), json!({ "object": "dry_run", "list": report }));
    let added = file(&router, &token, "", "text/csv; charset=utf-8", table).await;
    assert_eq!((added.status.as_u16(), &added.json()["list"]), (200, &report), "{}", added.text());
    let again = file(&router, &token, "", "text/csv", table).await;
    assert_eq!(
        (again.text(), again.headers.contains_key("idempotency-replayed")),
        (added.text(), true)
    );
    let other = file(&router, &token, "?column=2", "text/csv", table).await;
    assert_eq!(other.json()["code"], "idempotency_key_reused");
    assert_eq!(start().await["numbers"]["total"], 1);
    for (query, kind, code) in [
        ("?column=x", "text/csv", "idempotency_key_reused"),
        ("?sheet=x", "text/csv", "invalid_request"),
        ("?dry_run=1", "text/csv", "invalid_request"),
        ("?column=x&dry_run=true", "text/csv", "file_unreadable"),
        ("?column=2", "application/json", "invalid_request"),
        (
            "?sheet=x&dry_run=true",
            "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
            "file_unreadable",
        ),
    ] {
        let refused = file(&router, &token, query, kind, table).await;
        assert_eq!(refused.json()["code"], code, "{query} {kind}");
    }
    let without = json!({ "to": ["09121234568"], "dry_run": true });
    let foretold = v1(&router, &token, "POST", "/v1/campaigns/1/numbers", None, &without).await;
    assert_eq!(foretold.json()["list"]["accepted"], 1);
    let mut started = draft;
    started["start"] = json!(true);
    let refused = v1(&router, &token, "POST", "/v1/campaigns", None, &started).await;
    assert_eq!(refused.json()["code"], "campaign_not_allowed", "there is nobody to call");
}
