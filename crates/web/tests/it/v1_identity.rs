//! Who an account's owner is, as a customer's program proves it.

use app::{Identity, Settings};
use axum::body::Body;
use axum::http::Request;
use domain::agreement::identity::{Proof, Step};
use serde_json::{Value, json};

use crate::client::{answer, post, router, v1};
use crate::world::World;

fn stated() -> Value {
    json!({
        "national_code": "0499370899",
        "first_name": "علی",
        "last_name": "کریمی",
        "birth_day": "1370-02-31",
        "mobile": "09121234567",
    })
}

/// Goal: a customer's program begins, proves the mobile number by a code, adds a document, hands it
/// in and reads what became of it; no answer says more of the person than the ends of its numbers,
/// and nobody else sees any of it.
#[tokio::test]
async fn a_program_proves_who_its_owner_is() {
    let identity = Identity { asked: vec![Proof::Mobile, Proof::Document], ..Identity::default() };
    let world = World::with(Settings { identity, ..Settings::default() }).await;
    let (live, other) = world.customer(1_000_000).await;
    let (_, token) = world.sandbox(&live).await;
    let router = router(&world);
    let post = async |path: &str, key: Option<&str>, body: &Value| {
        v1(&router, &token, "POST", path, key, body).await.json()
    };
    let cases = "/v1/identity_verifications";
    // From now on its events are written.
    v1(&router, &token, "GET", "/v1/events", None, &Value::Null).await;
    let begun = post(cases, Some("a"), &stated()).await;
    assert_eq!((&begun["state"], &begun["national_code"]), (&json!("open"), &json!("049*****99")));
    assert_eq!(begun["asked"], json!({ "mobile": false, "document": false }));
    assert_eq!(post(cases, Some("a"), &stated()).await, begun);
    assert_eq!(post(cases, None, &stated()).await["code"], "not_in_this_state");
    let mut wrong = stated();
    wrong["national_code"] = json!("0499370898");
    let refused = post(cases, None, &wrong).await;
    assert_eq!(refused["code"], "invalid_request");
    assert!(!refused.to_string().contains("0499370898"), "{refused}");
    let path = format!("{cases}/{}", begun["id"].as_str().unwrap());
    let code = post("/v1/codes", None, &json!({ "to": "09121234567" })).await["id"].clone();
    let mobile = format!("{path}/mobile");
    let by = json!({ "code_id": code });
    assert_eq!(post(&mobile, None, &by).await["code"], "identity_not_taken");
    let check = format!("/v1/codes/{}/check", code.as_str().unwrap());
    post(&check, None, &json!({ "code": "123456" })).await;
    let proven = post(&mobile, Some("b"), &by).await;
    assert_eq!(proven["asked"]["mobile"], true, "{proven}");
    let submit = format!("{path}/submit");
    assert_eq!(post(&submit, None, &Value::Null).await["code"], "identity_not_taken");
    let file = async |bytes: &'static [u8]| {
        let request = Request::post(format!("{path}/documents?name=card.png"))
            .header("Authorization", format!("Bearer {token}"))
            .header("Content-Length", bytes.len())
            .body(Body::from(bytes))
            .unwrap();
        answer(&router, request).await.json()
    };
    assert_eq!(file(b"I am Ali").await["code"], "identity_not_taken");
    assert_eq!(file(b"\x89PNG\r\n\x1a\n card").await["documents"][0]["media_type"], "image/png");
    assert_eq!(post(&submit, None, &Value::Null).await["state"], "needs_manual");
    app::identity::decide(&world.app, 1, Step::Rejected, "Maryam", "blurred").await.unwrap();
    let get =
        async |token: &str, path: &str| v1(&router, token, "GET", path, None, &Value::Null).await;
    let read = get(&token, &path).await.json();
    let last = read["history"].as_array().unwrap().last().unwrap();
    assert_eq!((&last["step"], &last["text"]), (&json!("rejected"), &json!("blurred")));
    for word in ["Maryam", "کریمی", "0499370899", "09121234567"] {
        assert!(!read.to_string().contains(word), "{word} in {read}");
    }
    let events = get(&token, "/v1/events").await.json();
    let told = events["data"].as_array().unwrap().last().unwrap();
    assert_eq!(told["type"], "identity_verification.decided", "{events}");
    let expected = json!({ "object": "identity_verification", "id": "1", "step": "decided" });
    assert_eq!(told["data"], expected);
    let page = get(&token, &format!("{cases}?limit=1")).await.json();
    assert_eq!((&page["data"][0], &page["next_page"]), (&read, &json!("1")));
    for (token, path, code) in [
        (&other, path.as_str(), "not_found"),
        (&token, "/v1/identity_verifications/x", "not_found"),
        (&token, "/v1/identity_verifications?after=x", "invalid_request"),
    ] {
        assert_eq!(get(token, path).await.json()["code"], code, "{path}");
    }
    let withdraw = format!("{path}/withdraw");
    let theirs = v1(&router, &other, "POST", &withdraw, None, &Value::Null);
    assert_eq!(theirs.await.json()["code"], "not_found");
}

/// Goal: where the operator wants to know first who somebody is, a send is refused with a cause and
/// a fix, to old clients with their code, and the sandbox goes on.
#[tokio::test]
async fn a_send_before_that_says_what_to_do() {
    let identity = Identity { required: true, ..Identity::default() };
    let world = World::with(Settings { identity, ..Settings::default() }).await;
    let (live, token) = world.customer(1_000_000).await;
    let (_, sandbox) = world.sandbox(&live).await;
    let router = router(&world);
    let said = json!({ "to": "09121234567", "text": "سلام این پیام آزمایشی برای شما است دوستم" });
    let send = async |token: &str| v1(&router, token, "POST", "/v1/messages", None, &said).await;
    let refused = send(&token).await;
    assert_eq!(refused.status, 403);
    assert_eq!(refused.json()["code"], "identity_not_proven");
    assert!(refused.json()["fix"].as_str().unwrap().contains("/v1/identity_verifications"));
    assert_eq!(send(&sandbox).await.status, 202);
    let form = [("Number", "09121234567"), ("Text", "سلام این پیام آزمایشی برای شما است دوستم")];
    let answered = post(&router, &token, "QuickSendWithTTS", &form).await.json();
    assert_eq!(answered["QuickSendID"], -102, "{answered}");
    let form = [("Number", "09121234567"), ("Length", "6")];
    let answered = post(&router, &token, "SendOTP", &form).await.json();
    assert_eq!(answered["ErrorCode"], -102, "{answered}");
}
