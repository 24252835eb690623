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

/// Goal: every row that is none is had as a table, however many there are, also after the others
/// were added; nobody else's, and nothing of what is no list.
#[tokio::test]
async fn all_rows_that_are_none_are_told() {
    const ROWS: usize = 20_000;
    let (world, token) = world(10_000).await;
    let router = router(&world);
    let draft = json!({
        "title": "t", "audio_id": 1, "start": false,
        "starts": "2026-11-22 08:00", "ends": "2026-11-30 20:00",
    });
    v1(&router, &token, "POST", "/v1/campaigns", None, &draft).await;
    let row = |n: usize| if n.is_multiple_of(2) { format!("0912{n:07}") } else { format!("=x{n}") };
    let rows: Vec<String> = (0..ROWS).map(row).collect();
    let ask = async |token: &str, kind: &str, body: String| {
        let path = "/v1/campaigns/1/numbers?dry_run=true";
        let path = if kind == "text/csv" { path } else { "/v1/campaigns/1/numbers" };
        let request = Request::post(path)
            .header("Authorization", format!("Bearer {token}"))
            .header("Content-Type", kind)
            .header("Content-Length", body.len())
            .header("Accept", "text/csv")
            .body(Body::from(body));
        answer(&router, request.unwrap()).await
    };
    let file = rows.join("\r\n");
    for _ in 0..2 {
        let told = ask(&token, "text/csv", file.clone()).await;
        assert_eq!(told.headers["content-type"], "text/csv; charset=utf-8");
        assert_eq!(told.headers["content-length"], told.body.len().to_string());
        let lines: Vec<&str> = told.text().split("\r\n").collect();
        assert_eq!(lines.len(), 1 + ROWS / 2 + 1);
        assert_eq!(lines[..2], ["row,text,value,why", "2,\"'=x1\",,no_telephone_number"]);
        assert_eq!(lines[ROWS / 2], format!("{ROWS},\"'=x{}\",,no_telephone_number", ROWS - 1));
        let added = self::file(&router, &token, "", "text/csv", file.as_bytes()).await.json();
        assert_eq!(added["list"]["invalid_rows"].as_array().unwrap().len(), 1_000);
    }
    let listed = json!({ "to": ["x", "09121234567"], "dry_run": true }).to_string();
    let told = ask(&token, "application/json", listed).await;
    assert_eq!(told.text(), "row,text,value,why\r\n1,x,,no_telephone_number\r\n");
    let broken = ask(&token, "text/csv", String::from("a,\"b")).await;
    assert_eq!(broken.json()["code"], "file_unreadable");
    let (_, stranger) = world.customer(0).await;
    assert_eq!(ask(&stranger, "text/csv", file).await.json()["code"], "not_found");
}
