//! The ledger of both sides and the schedules of compensation, as customers see them.

use app::violation::NewViolation;
use domain::agreement::violation::Clause;
use domain::calendar::month::PersianMonth;
use domain::calendar::span::Span;
use serde_json::{Value, json};

use crate::client::{router, v1};
use crate::world::World;

const SCHEDULE: &str = "shape = multiple-of-excess\nborder = lower\ncap_bp = 10000\n\
                        least_rials = 0\nreview_hours = 0\ntimes_hundredths = 300\n";

/// Goal: an account reads its own entries and the platform's, answers those of its own duties, and
/// nobody else sees them.
#[tokio::test]
async fn each_side_sees_what_either_did_not_keep() {
    let world = World::new().await;
    let (caller, token) = world.customer(0).await;
    let (_, stranger) = world.customer(0).await;
    let router = router(&world);
    let now = world.app.now();
    let record = async |clause, account, n: i64| {
        let new = NewViolation {
            account,
            clause,
            span: Span::new(now.plus_us(-n * 1_000_000), now).unwrap(),
            evidence: vec!["log 7".to_owned()],
            reference: format!("test:{n}"),
            actor: "Reza".to_owned(),
        };
        app::violation::record(&world.app, new).await.unwrap()
    };
    let get =
        async |token: &str, path: &str| v1(&router, token, "GET", path, None, &Value::Null).await;
    let post = async |token: &str, path: &str, body: &Value| {
        v1(&router, token, "POST", path, None, body).await
    };
    let unpaid = record(Clause::Payment, Some(caller.account.id), 1).await;
    let platform = record(Clause::Capacity, None, 2).await;
    let page = get(&token, "/v1/violations?limit=1").await.json();
    assert_eq!(
        (&page["data"][0]["concerns"], &page["data"][0]["party"]),
        (&json!("platform"), &json!("provider"))
    );
    let next = format!("/v1/violations?limit=1&after={}", page["next_page"].as_str().unwrap());
    let mine = get(&token, &next).await.json()["data"][0].clone();
    assert_eq!((&mine["id"], &mine["clause_number"]), (&json!(unpaid.to_string()), &json!("C19")));
    assert_eq!(mine, get(&token, &format!("/v1/violations/{unpaid}")).await.json());
    for (token, path, code) in [
        (&stranger, format!("/v1/violations/{unpaid}"), "not_found"),
        (&token, "/v1/violations/x".to_owned(), "not_found"),
        (&token, "/v1/violations?after=x".to_owned(), "invalid_request"),
    ] {
        assert_eq!(get(token, &path).await.json()["code"], code, "{path}");
    }
    let why = json!({ "reason": "it was paid" });
    let path = format!("/v1/violations/{unpaid}/dispute");
    for (token, path, body, code) in [
        (&stranger, path.clone(), &why, "not_found"),
        (&token, format!("/v1/violations/{platform}/dispute"), &why, "not_found"),
        (&token, path.clone(), &json!({ "reason": " " }), "invalid_request"),
        (&token, path.clone(), &json!({}), "invalid_request"),
    ] {
        assert_eq!(post(token, &path, body).await.json()["code"], code, "{path}");
    }
    let disputed = post(&token, &path, &why).await.json();
    assert_eq!(
        (&disputed["status"], &disputed["history"][2]["reason"]),
        (&json!("disputed"), &json!("it was paid"))
    );
    let accept = post(&token, &format!("/v1/violations/{unpaid}/accept"), &Value::Null).await;
    assert_eq!(accept.json()["code"], "not_in_this_state");
}

/// Goal: everybody reads how many entries stand, and what breached months pay back, or that nothing
/// is published.
#[tokio::test]
async fn counts_and_schedules_are_open_to_all() {
    let world = World::new().await;
    let router = router(&world);
    let get = async |path: &str| v1(&router, "", "GET", path, None, &Value::Null).await.json();
    let none = get("/v1/compensation").await;
    assert_eq!((&none["in_force"], &none["schedules"]), (&Value::Null, &json!([])));
    let number = app::compensation::draft(&world.app, SCHEDULE, "Maryam").await.unwrap();
    assert_eq!(get("/v1/compensation").await["schedules"], json!([]), "a draft is not public");
    let month = PersianMonth::of(world.app.now());
    app::compensation::publish(&world.app, number, "Reza", month).await.unwrap();
    let told = get("/v1/compensation").await;
    assert_eq!(told["in_force"], number);
    assert_eq!(told["schedules"][0]["text"], SCHEDULE);
    assert_eq!(told["schedules"][0]["approver"], "Reza");
    let now = world.app.now();
    for n in 1..=5 {
        let new = NewViolation {
            account: None,
            clause: Clause::Capacity,
            span: Span::new(now.plus_us(-n), now).unwrap(),
            evidence: vec!["log 7".to_owned()],
            reference: format!("minute:{n}"),
            actor: "Reza".to_owned(),
        };
        app::violation::record(&world.app, new).await.unwrap();
    }
    let counts = get("/v1/violations/counts?month=1405-09").await;
    assert_eq!(counts["data"][0]["count"], 5, "{counts}");
    assert_eq!(get("/v1/violations/counts?month=1405-08").await["data"], json!([]));
    assert_eq!(get("/v1/violations/counts?month=x").await["code"], "invalid_request");
}
