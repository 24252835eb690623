//! Tickets as customers open and follow them.

use app::ticket::{self, NewFile, Who};
use axum::body::Body;
use axum::http::Request;
use serde_json::{Value, json};
use store::Queries as _;

use crate::client::{Answer, answer, router, v1};
use crate::world::World;

/// Goal: a ticket is opened, answered, closed and opened again, each once under its key; its
/// customer sees what was said and no notes, and nobody else sees it.
#[tokio::test]
async fn a_ticket_is_opened_and_answered() {
    let world = World::new().await;
    let (_, token) = world.customer(0).await;
    let (_, stranger) = world.customer(0).await;
    let router = router(&world);
    let post = async |token: &str, path: &str, key: Option<&str>, body: &Value| {
        v1(&router, token, "POST", path, key, body).await
    };
    let get = async |token: &str, path: &str| {
        v1(&router, token, "GET", path, None, &Value::Null).await.json()
    };
    let twice = async |path: &str, body: &Value| {
        let first = post(&token, path, Some(path), body).await.json();
        let again = post(&token, path, Some(path), body).await;
        assert_eq!(again.json(), first, "{path}");
        assert_eq!(again.headers["idempotency-replayed"], "true", "{path}");
        first
    };
    get(&token, "/v1/events").await;
    let click = json!({ "channel": "click", "context": { "page": "/reports", "locale": "fa" } });
    let opened = post(&token, "/v1/tickets", None, &click).await;
    assert_eq!(opened.status, 201, "{}", opened.text());
    let same = post(&token, "/v1/tickets", None, &click).await;
    assert_eq!((same.status.as_u16(), same.json()), (200, opened.json()));
    let body = json!({ "subject": "گزارش", "text": "خالی است" });
    let asked = twice("/v1/tickets", &body).await;
    assert_eq!((&asked["state"], &asked["overdue"]), (&json!("new"), &json!(false)));
    assert_eq!(asked["due_at"], "2026-11-23T00:00:00+03:30");
    let id: i64 = asked["id"].as_str().unwrap().parse().unwrap();
    let path = format!("/v1/tickets/{id}");
    for (body, code) in [
        (json!({}), "invalid_request"),
        (json!({ "subject": "s" }), "invalid_request"),
        (json!({ "channel": "phone", "subject": "s", "text": "t" }), "invalid_request"),
        (json!({ "subject": "s", "text": "t", "about": "message:7" }), "invalid_request"),
        (json!({ "subject": "s", "text": "t", "about": "weather" }), "invalid_request"),
        (json!({ "channel": "click", "context": { "page": 7 } }), "invalid_request"),
        (json!({ "channel": "click", "context": { "token": "x" } }), "invalid_request"),
    ] {
        let refused = post(&token, "/v1/tickets", None, &body).await.json();
        assert_eq!(refused["code"], code, "{body}");
    }

    ticket::note(&world.app, id, "Sara", "a secret of ours").await.unwrap();
    ticket::assign(&world.app, id, "Reza", "Sara").await.unwrap();
    ticket::ask(&world.app, id, "Sara", "کدام ماه؟").await.unwrap();
    let words = json!({ "text": "مهر" });
    let replied = twice(&format!("{path}/replies"), &words).await;
    assert_eq!(replied["state"], "open");
    ticket::answer(&world.app, id, "Sara", "درست شد").await.unwrap();
    let closed = twice(&format!("{path}/close"), &Value::Null).await;
    assert_eq!((&closed["state"], &closed["due_at"]), (&json!("closed"), &Value::Null));
    let late = post(&token, &format!("{path}/replies"), None, &words).await.json();
    assert_eq!(late["code"], "not_in_this_state");
    let reopened = twice(&format!("{path}/reopen"), &words).await;
    let steps: Vec<&str> = reopened["history"]
        .as_array()
        .unwrap()
        .iter()
        .map(|step| step["step"].as_str().unwrap())
        .collect();
    let expected = ["opened", "assigned", "asked", "written", "answered", "closed", "reopened"];
    assert_eq!(steps, expected);
    let told = reopened.to_string();
    assert!(!told.contains("secret") && !told.contains("Sara"), "{told}");
    for path in [&path, &format!("{path}/x"), "/v1/tickets/0", "/v1/tickets/x"] {
        assert_eq!(get(&stranger, path).await["code"], "not_found", "{path}");
    }
    for verb in ["replies", "close", "reopen", "attachments?name=a"] {
        let theirs = post(&stranger, &format!("{path}/{verb}"), None, &words).await.json();
        assert_eq!(theirs["code"], "not_found", "{verb}");
    }
    assert_eq!(get(&stranger, "/v1/tickets").await["data"], json!([]));
    let page = get(&token, "/v1/tickets?limit=1").await;
    assert_eq!((&page["data"][0]["id"], &page["next_page"]), (&asked["id"], &asked["id"]));
    let rest = get(&token, &format!("/v1/tickets?after={id}")).await;
    assert_eq!((&rest["data"][0]["channel"], &rest["next_page"]), (&json!("click"), &Value::Null));
    let events = get(&token, "/v1/events").await;
    assert_eq!(events["data"][0]["type"], "ticket.waiting");
    let expected = json!({ "object": "ticket", "id": asked["id"], "state": "answered" });
    assert_eq!(events["data"][1]["data"], expected);
}

/// Goal: a file comes as the body, is what its bytes say, and is never shown as a page of ours.
#[tokio::test]
async fn files_go_with_a_ticket() {
    let world = World::new().await;
    let (caller, token) = world.customer(0).await;
    let (_, stranger) = world.customer(0).await;
    let router = router(&world);
    let body = json!({ "subject": "s", "text": "t" });
    v1(&router, &token, "POST", "/v1/tickets", None, &body).await;
    let send = async |token: &str, name: &str, key: Option<&str>, bytes: &[u8]| -> Answer {
        let mut request = Request::post(format!("/v1/tickets/1/attachments?name={name}"))
            .header("Authorization", format!("Bearer {token}"))
            .header("Content-Type", "image/png")
            .header("Content-Length", bytes.len());
        if let Some(key) = key {
            request = request.header("Idempotency-Key", key);
        }
        answer(&router, request.body(Body::from(bytes.to_vec())).unwrap()).await
    };
    let page = b"<script>alert(1)</script>";
    let named = "%D8%B9%DA%A9%D8%B3.html";
    let added = send(&token, named, Some("k"), page).await;
    assert_eq!(added.status, 201, "{}", added.text());
    let again = send(&token, named, Some("k"), page).await;
    assert_eq!(
        (again.json(), again.json()["attachments"].as_array().unwrap().len()),
        (added.json(), 1)
    );
    let file = added.json()["attachments"][0].clone();
    assert_eq!((&file["name"], &file["bytes"]), (&json!("عکس.html"), &json!(25)));
    let get =
        async |token: &str, path: &str| v1(&router, token, "GET", path, None, &Value::Null).await;
    let path = file["file"].as_str().unwrap();
    let found = get(&token, path).await;
    assert_eq!(found.body, page);
    assert_eq!(found.headers["content-type"], "text/plain; charset=utf-8");
    assert_eq!(found.headers["x-content-type-options"], "nosniff");
    let disposition = format!("attachment; filename*=UTF-8''{named}");
    assert_eq!(found.headers["content-disposition"], disposition.as_str());
    assert_eq!(get(&stranger, path).await.json()["code"], "not_found");
    for (name, bytes, code) in [
        ("..", &b"x"[..], "file_not_taken"),
        ("", b"x", "file_not_taken"),
        ("a.exe", b"MZ\x00", "file_not_taken"),
        ("a", b"", "file_not_taken"),
    ] {
        assert_eq!(send(&token, name, None, bytes).await.json()["code"], code, "{name}");
    }
    let large = vec![b'a'; 6 * 1024 * 1024];
    assert_eq!(send(&token, "a", None, &large).await.json()["code"], "too_large");
    let ours = NewFile { name: "log.txt".to_owned(), bytes: b"ours".to_vec() };
    ticket::attach(&world.app, 1, Who::Staff("Sara"), ours).await.unwrap();
    let shown = get(&token, "/v1/tickets/1").await.json();
    assert_eq!(shown["attachments"][1]["name"], "log.txt");
    assert_eq!(caller.account.id.0, 1);
}

/// Goal: what is said to a ticket that was merged is answered with the one in which it is said,
/// also when it is asked twice; and a ticket that is full says so and keeps all that it has.
#[tokio::test]
async fn a_reply_is_shown_where_it_is_said() {
    let world = World::new().await;
    let (_, token) = world.customer(0).await;
    let router = router(&world);
    let post = async |path: &str, key: Option<&str>, body: &Value| {
        v1(&router, &token, "POST", path, key, body).await
    };
    let body = json!({ "subject": "s", "text": "t" });
    for id in ["1", "2"] {
        assert_eq!(post("/v1/tickets", None, &body).await.json()["id"], id);
    }
    ticket::merge(&world.app, 1, 2, "Sara").await.unwrap();
    let words = json!({ "text": "still" });
    let said = post("/v1/tickets/1/replies", Some("k"), &words).await;
    assert_eq!((said.status.as_u16(), &said.json()["id"]), (200, &json!("2")));
    let again = post("/v1/tickets/1/replies", Some("k"), &words).await;
    assert_eq!(again.json(), said.json());

    let long = json!({ "text": "x".repeat(8000) });
    let full = loop {
        let answer = post("/v1/tickets/2/replies", None, &long).await;
        if answer.status != 200 {
            break answer.json();
        }
    };
    assert_eq!((&full["status"], &full["code"]), (&json!(409), &json!("not_in_this_state")));
    assert!(full["detail"].as_str().unwrap().contains("open a new one"), "{full}");
    let get = async || v1(&router, &token, "GET", "/v1/tickets/2", None, &Value::Null).await.json();
    let history = get().await["history"].as_array().unwrap().clone();
    assert_eq!((&history[1]["text"], history.len()), (&json!("still"), 67));
    let list = v1(&router, &token, "GET", "/v1/tickets", None, &Value::Null).await.json();
    assert_eq!(list["data"][0]["history"], json!([]), "a list tells where tickets stand");
    assert_eq!(post("/v1/tickets/2/close", None, &Value::Null).await.json()["state"], "closed");
}

/// T091. Goal: while nothing can be written down, a request to the desk is answered with the number
/// to call and when somebody answers there; nothing of it is kept, and the same request under the
/// same key makes one ticket when the database is back.
#[tokio::test]
async fn t091_a_click_while_the_database_is_down_is_told_whom_to_call_and_is_not_lost() {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite:{}", folder.path().join("a.db").display());
    let world = World::at(&url, app::Settings::default()).await;
    let (_, token) = world.customer(0).await;
    let click = json!({ "channel": "click", "context": { "page": "/reports", "error": "500" } });
    let asked = json!({ "subject": "گزارش", "text": "x".repeat(8000) });

    // The disk is full: the transaction fails in the middle.
    let before = router(&world);
    let post =
        async |router, key, body| v1(router, &token, "POST", "/v1/tickets", Some(key), body).await;
    let tickets = async |router| {
        let list = v1(router, &token, "GET", "/v1/tickets", None, &Value::Null).await.json();
        list["data"].as_array().unwrap().len()
    };
    pages(&world, "PRAGMA max_page_count = 1").await;
    fill(&world).await;
    let failed = post(&before, "form", &asked).await;
    is_the_fallback(&failed, "1405/09/01 14:00");
    assert_eq!(tickets(&before).await, 0);
    pages(&world, "PRAGMA max_page_count = 1000000").await;
    assert_eq!(post(&before, "form", &asked).await.status, 201);
    assert_eq!(tickets(&before).await, 1);

    // There is no database to write to at all.
    world.close_database().await;
    world.clock.advance_ms(2 * 3_600_000);
    is_the_fallback(&post(&before, "click", &click).await, "1405/09/01 14:45");
    let claim = json!({ "event_at": "2026-11-22 10:00", "statement": "Nobody answered." });
    let other = v1(&before, &token, "POST", "/v1/claims", None, &claim).await;
    assert_eq!((other.status.as_u16(), &other.json()["code"]), (500, &json!("internal_error")));

    let world = World::at(&url, app::Settings::default()).await;
    let back = router(&world);
    assert_eq!(tickets(&back).await, 1);
    let opened = post(&back, "click", &click).await;
    assert_eq!(opened.status, 201, "{}", opened.text());
    let again = post(&back, "click", &click).await;
    assert_eq!((again.json(), tickets(&back).await), (opened.json(), 2));
}

async fn pages(world: &World, sql: &'static str) {
    let mut tx = world.db.begin().await.unwrap();
    tx.query_one(sql, &[]).await.unwrap();
    tx.commit().await.unwrap();
}

/// Fills what is left of the database's pages.
async fn fill(world: &World) {
    let now = world.app.now();
    for _ in 0..10_000 {
        let outage = app::outage::NewOutage {
            paths: domain::agreement::scope::Paths::ALL,
            scope: domain::agreement::scope::Scope::everyone(),
            from: now.plus_us(-2),
            to: Some(now),
            cause: "x".repeat(4000),
            evidence: "x".repeat(4000),
            author: "Zahra".to_owned(),
        };
        if app::outage::record(&world.app, outage).await.is_err() {
            return;
        }
    }
    panic!("the database is never full");
}

fn is_the_fallback(answer: &Answer, until: &str) {
    let told = answer.json();
    assert_eq!((answer.status.as_u16(), &told["code"]), (503, &json!("desk_away")), "{told}");
    assert_eq!(answer.headers["retry-after"], "30");
    assert_eq!(answer.headers["content-type"], "application/problem+json");
    let support = &told["support"];
    assert_eq!(support["phone"], "021-9100");
    assert!(support["said"].as_str().unwrap().contains(until), "{told}");
    assert!(support["said_fa"].as_str().unwrap().contains("۰۲۱-۹۱۰۰"), "{told}");
    assert_eq!(support["open_now"], !until.ends_with("45"));
}
