//! Reported errors and remote sessions as customers see them.

use app::error_report;
use app::remote_session;
use domain::agreement::contact::{Channel, Outcome};
use domain::agreement::error_report::Finding;
use serde_json::{Value, json};

use crate::client::{router, v1};
use crate::world::World;

/// Goal: an error is reported once under its key, its customer sees what it is, what is promised
/// and each try to reach it, agrees, rejects and accepts; and nobody else sees it.
#[tokio::test]
async fn an_error_is_reported_and_its_work_accepted() {
    let world = World::new().await;
    let (_, token) = world.customer(0).await;
    let (_, stranger) = world.customer(0).await;
    let router = router(&world);
    let app = &world.app;
    let post = async |token: &str, path: &str, key: Option<&str>, body: &Value| {
        v1(&router, token, "POST", path, key, body).await
    };
    let get = async |token: &str, path: &str| {
        v1(&router, token, "GET", path, None, &Value::Null).await.json()
    };
    get(&token, "/v1/events").await;
    let body = json!({ "title": "گزارش", "description": "خالی است" });
    let made = post(&token, "/v1/error_reports", Some("one"), &body).await;
    assert_eq!((made.status.as_u16(), &made.json()["state"]), (201, &json!("triaging")));
    let again = post(&token, "/v1/error_reports", Some("one"), &body).await;
    assert_eq!(again.json(), made.json());
    let made = made.json();
    let clock = json!({ "clock": "triage", "state": "running",
                        "due_at": "2026-11-23T12:00:00+03:30", "may_move": false });
    assert_eq!((&made["ticket_id"], &made["clocks"]), (&json!("1"), &json!([clock])));
    for (body, code) in [
        (json!({}), "invalid_request"),
        (json!({ "title": "a\nb", "description": "d" }), "invalid_request"),
        (json!({ "title": "t", "description": " " }), "invalid_request"),
        (json!({ "title": "t", "description": "d", "ticket_id": "7" }), "invalid_request"),
        (json!({ "title": "t", "description": "d", "ticket_id": "x" }), "not_found"),
    ] {
        let refused = post(&token, "/v1/error_reports", None, &body).await.json();
        assert_eq!(refused["code"], code, "{body}");
    }
    let words = json!({ "text": "because" });
    for verb in ["reopen", "provide", "agree", "accept", "reject"] {
        let path = format!("/v1/error_reports/1/{verb}");
        let early = post(&token, &path, None, &words).await.json();
        assert_eq!(early["code"], "not_in_this_state", "{verb}");
        assert_eq!(post(&stranger, &path, None, &words).await.json()["code"], "not_found");
    }

    let to = (Channel::Phone, "09120000001");
    error_report::contacted(app, 1, "Sara", to, (Outcome::NoAnswer, "")).await.unwrap();
    error_report::assign(app, 1, "Reza", "Sara").await.unwrap();
    error_report::found(app, 1, "Sara", Finding::Structural, "ساختاری").await.unwrap();
    let due = world.app.now().plus_ms(10 * 24 * 3_600_000);
    error_report::commit(app, 1, "Sara", due, "تا آن روز").await.unwrap();
    let later = due.plus_ms(24 * 3_600_000);
    error_report::propose(app, 1, "Sara", later, "یک روز دیرتر").await.unwrap();
    let agreed = post(&token, "/v1/error_reports/1/agree", Some("two"), &Value::Null).await.json();
    assert_eq!(agreed["dates"][1]["agreed"], true, "{agreed}");
    assert_eq!((&agreed["finding"], &agreed["fault"]), (&json!("structural"), &json!("ours")));
    assert_eq!(agreed["contacts"][0]["result"], "no_answer");
    assert!(!agreed.to_string().contains("Sara"), "{agreed}");
    error_report::deliver(app, 1, "Sara", "run 7").await.unwrap();
    let rejected = post(&token, "/v1/error_reports/1/reject", None, &words).await.json();
    assert_eq!(rejected["state"], "committed");
    error_report::deliver(app, 1, "Sara", "run 8").await.unwrap();
    let accepted = post(&token, "/v1/error_reports/1/accept", None, &Value::Null).await.json();
    assert_eq!(accepted["state"], "accepted");
    let states: Vec<&Value> =
        accepted["clocks"].as_array().unwrap().iter().map(|clock| &clock["state"]).collect();
    assert_eq!(states, ["met", "met", "met"]);
    assert_eq!(get(&stranger, "/v1/error_reports/1").await["code"], "not_found");
    assert_eq!(get(&stranger, "/v1/error_reports").await["data"], json!([]));
    let page = get(&token, "/v1/error_reports?limit=1").await;
    assert_eq!((&page["data"][0]["id"], &page["next_page"]), (&json!("1"), &json!("1")));
    let events = get(&token, "/v1/events").await;
    let found = events["data"].as_array().unwrap().iter();
    let found: Vec<&Value> = found.filter(|event| event["type"] == "error_report.found").collect();
    let expected = json!({ "object": "error_report", "id": "1", "step": "found" });
    assert_eq!((found.len(), &found[0]["data"]), (1, &expected));
}

/// Goal: a session is agreed on and consented to by its customer alone.
#[tokio::test]
async fn remote_help_is_agreed_on_and_consented_to() {
    let world = World::new().await;
    let (_, token) = world.customer(0).await;
    let (_, stranger) = world.customer(0).await;
    let router = router(&world);
    let app = &world.app;
    let post = async |token: &str, path: &str, body: &Value| {
        v1(&router, token, "POST", path, Some(path), body).await.json()
    };
    post(&token, "/v1/tickets", &json!({ "subject": "s", "text": "t" })).await;
    for _ in 0..2 {
        remote_session::ask(app, 1, "Sara", "to see it").await.unwrap();
    }
    let wrong = json!({ "at": "2026-11-21 10:00", "tool": "AnyDesk" });
    for body in [wrong, json!({ "at": "soon", "tool": "AnyDesk" }), json!({})] {
        let refused = v1(&router, &token, "POST", "/v1/remote_sessions/1/agree", None, &body).await;
        assert_eq!(refused.json()["code"], "invalid_request", "{body}");
    }
    let body = json!({ "at": "2026-11-22 12:05", "tool": "rustdesk" });
    let agreed = post(&token, "/v1/remote_sessions/1/agree", &body).await;
    assert_eq!((&agreed["state"], &agreed["tool"]), (&json!("agreed"), &json!("RustDesk")));
    let theirs = post(&stranger, "/v1/remote_sessions/1/consent", &Value::Null).await;
    assert_eq!(theirs["code"], "not_found");
    let consented = post(&token, "/v1/remote_sessions/1/consent", &Value::Null).await;
    assert_eq!(consented["state"], "consented");
    remote_session::start(app, 1, "Sara").await.unwrap();
    let stopped = post(&token, "/v1/remote_sessions/1/withdraw", &Value::Null).await;
    assert_eq!(stopped["state"], "ended");
    let why = json!({ "text": "not today" });
    let declined = post(&token, "/v1/remote_sessions/2/decline", &why).await;
    assert_eq!(declined["history"][1]["text"], "not today");
    let late = v1(&router, &token, "POST", "/v1/remote_sessions/2/consent", None, &Value::Null);
    assert_eq!(late.await.json()["code"], "not_in_this_state");
    let get = async |token: &str, path: &str| {
        v1(&router, token, "GET", path, None, &Value::Null).await.json()
    };
    assert_eq!(get(&stranger, "/v1/remote_sessions").await["data"], json!([]));
    assert_eq!(get(&stranger, "/v1/remote_sessions/1").await["code"], "not_found");
    assert_eq!(get(&token, "/v1/remote_sessions").await["data"][1]["id"], "1");
}
