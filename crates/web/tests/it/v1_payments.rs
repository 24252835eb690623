//! Payments, as a customer's program begins them and its user comes back from a gateway.

use app::ports::Verdict;
use axum::body::Body;
use axum::http::Request;
use serde_json::{Value, json};

use crate::client::{answer, router, v1};
use crate::world::World;

/// Goal: a program begins a payment once under its key, sends its user to the url, and reads that
/// it is paid after the user came back; nobody else sees it, and what cannot be paid says why.
#[tokio::test]
async fn a_program_lets_its_user_pay() {
    let world = World::new().await;
    let (_, token) = world.customer(0).await;
    let (_, other) = world.customer(0).await;
    let router = router(&world);
    let post = async |key: Option<&str>, body: &Value| {
        v1(&router, &token, "POST", "/v1/payments", key, body).await.json()
    };
    let body = json!({ "gateway": "zarinpal", "amount_rials": 50_000 });
    let made = post(Some("k"), &body).await;
    assert_eq!((&made["state"], &made["url"]), (&json!("waiting"), &json!("https://pay/1")));
    assert_eq!(post(Some("k"), &body).await, made);
    for (body, code) in [
        (json!({ "gateway": "zarinpal" }), "invalid_request"),
        (
            json!({ "gateway": "zarinpal", "amount_rials": 50_000, "invoice_id": "1" }),
            "invalid_request",
        ),
        (json!({ "gateway": "zarinpal", "amount_rials": 1 }), "payment_not_taken"),
        (json!({ "gateway": "paypal", "amount_rials": 50_000 }), "payment_not_taken"),
        (json!({ "gateway": "zarinpal", "invoice_id": "9" }), "payment_not_taken"),
    ] {
        assert_eq!(post(None, &body).await["code"], code, "{body}");
    }
    let kept = app::payment::find(&world.app, None, 1).await.unwrap().unwrap();
    let come_back = async |token: &str| {
        let request = Request::get(format!("/payments/{token}?Status=OK")).body(Body::empty());
        answer(&router, request.unwrap()).await
    };
    assert_eq!(come_back("0").await.status, 404);
    let says = |verdict| world.gateways.verdicts.lock().unwrap().push(Some(verdict));
    says(Verdict::NotPaid("-51".to_owned()));
    assert!(come_back(&kept.token).await.text().contains("هنوز"));
    says(Verdict::Paid { reference: "7".to_owned(), paid_at: None });
    assert!(come_back(&kept.token).await.text().contains("انجام شد"));
    let get =
        async |token: &str, path: &str| v1(&router, token, "GET", path, None, &Value::Null).await;
    let read = get(&token, "/v1/payments/1").await.json();
    assert_eq!((&read["state"], &read["url"]), (&json!("paid"), &Value::Null));
    assert!(!read.to_string().contains(&kept.token), "{read}");
    let receipt = post(None, &json!({ "gateway": "receipt", "amount_rials": 50_000 })).await;
    let path = format!("/v1/payments/{}/receipt", receipt["id"].as_str().unwrap());
    let send = async |token: &str, bytes: &'static [u8]| {
        let request = Request::post(&path)
            .header("Authorization", format!("Bearer {token}"))
            .header("Content-Length", bytes.len())
            .body(Body::from(bytes));
        answer(&router, request.unwrap()).await.json()
    };
    assert_eq!(send(&token, b"text").await["code"], "payment_not_taken");
    assert_eq!(send(&other, b"%PDF-").await["code"], "not_found");
    assert_eq!(send(&token, b"%PDF-").await["state"], "review");
    let page = get(&token, "/v1/payments?limit=1").await.json();
    assert_eq!((&page["data"][0]["state"], &page["next_page"]), (&json!("review"), &json!("2")));
    let gateways = get(&token, "/v1/payments/gateways").await.json();
    assert_eq!(gateways["data"], json!(["zarinpal", "receipt"]));
    assert_eq!(get(&other, "/v1/payments/1").await.json()["code"], "not_found");
    assert_eq!(get(&other, "/v1/payments").await.json()["data"], json!([]));
}
