//! Every method when all is well, its exact bytes, and every way to pass a token.

use axum::body::Body;
use axum::http::{Request, StatusCode};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use domain::{Disposition, Status};

use crate::client::{answer, encoded, get, post, router};
use crate::world::{World, tone};

/// A text of 40 letters: six seconds of the test voice.
pub const TEXT: &str = "سلام این پیام آزمایشی برای شما است دوستم";

#[tokio::test]
async fn account_status_has_the_vendors_spelling() {
    let world = World::new().await;
    let (_, token) = world.customer(12_345).await;
    let router = router(&world);
    let expected = "{\"Status\":\"Success\",\"AccountName\":\"شرکت نمونه\",\
                    \"RemaindCredit\":12345,\"Mobile\":\"09120000001\",\
                    \"ExpireDate\":\"2121-03-21 00:00:00\",\"ExpireDatePer\":\"1500/01/01\"}";
    let answered = post(&router, &token, "AccountStatus", &[]).await;
    assert_eq!((answered.status, answered.text()), (StatusCode::OK, expected));
    assert_eq!(answered.headers["content-type"], "application/json; charset=utf-8");
    assert_eq!(get(&router, &token, "accountstatus", &[]).await.text(), expected);
    let end = domain::Timestamp(1_795_293_900_000_000 + 86_400_000_000);
    let (_, token) = world.customer_like(0, |new| new.expires_at = Some(end)).await;
    let answered = post(&router, &token, "ACCOUNTSTATUS", &[]).await.json();
    assert_eq!(answered["ExpireDate"], "2026-11-23 00:15:00");
    assert_eq!(answered["ExpireDatePer"], "1405/09/02");
}

#[tokio::test]
async fn a_token_may_be_passed_in_every_known_way() {
    let world = World::new().await;
    let (_, token) = world.customer(0).await;
    let router = router(&world);
    let json = format!("{{\"token\":\"{token}\"}}");
    let requests = [
        Request::get("/Rest/AccountStatus").header("Authorization", &token).body(Body::empty()),
        Request::get("/Rest/AccountStatus")
            .header("authorization", format!("Bearer {token}"))
            .body(Body::empty()),
        Request::get(format!("/Rest/AccountStatus?Token={token}")).body(Body::empty()),
        Request::get(format!("/rest/accountstatus?token={token}")).body(Body::empty()),
        Request::post("/rest/AccountStatus").body(Body::from(format!("Token={token}"))),
        Request::post("/rEST/ACCOUNTstatus").body(Body::from(format!("TOKEN={token}"))),
        Request::post("/Rest/AccountStatus").body(Body::from(json.clone())),
        Request::post(format!("/Rest/AccountStatus?Token={token}")).body(Body::empty()),
        Request::get("/Rest/AccountStatus").body(Body::from(json)),
    ];
    for (n, request) in requests.into_iter().enumerate() {
        let answered = answer(&router, with_length(request.unwrap()).await).await;
        assert_eq!(answered.json()["Status"], "Success", "way {n}: {}", answered.text());
    }
}

/// Three and a half seconds of a tone in bytes of 8 bits: small enough for a query.
fn small_wav() -> Vec<u8> {
    let sound: Vec<u8> =
        (0..28_000).map(|n: u32| if (n / 9).is_multiple_of(2) { 208 } else { 48 }).collect();
    let length = u32::try_from(sound.len()).unwrap();
    let mut wav = b"RIFF".to_vec();
    wav.extend((36 + length).to_le_bytes());
    wav.extend(b"WAVEfmt \x10\0\0\0\x01\0\x01\0");
    wav.extend([8_000_u32, 8_000].map(u32::to_le_bytes).concat());
    wav.extend(b"\x01\0\x08\0data");
    wav.extend(length.to_le_bytes());
    [wav, sound].concat()
}

/// Goal: what the vendor's PHP samples do with GET does the same as with POST.
#[tokio::test]
async fn every_method_of_a_message_works_by_get() {
    let world = World::new().await;
    let (_, token) = world.customer(100_000).await;
    let router = router(&world);
    let ask =
        async |method: &str, query: &[(&str, &str)]| get(&router, &token, method, query).await;
    let sound = STANDARD.encode(small_wav());
    let upload = [("Title", "clip"), ("Base64", sound.as_str())];
    let made = ask("UploadMessageBase64", &upload).await.json();
    let id = made["Id"].as_i64().filter(|id| *id > 0);
    let id = id.unwrap_or_else(|| panic!("{made}")).to_string();
    let spoken = ask("GenerateTTS", &[("Title", "t"), ("Text", TEXT)]).await.json();
    assert!(spoken["Id"].as_i64() > Some(0), "{spoken}");
    let message = [("MessageID", id.as_str())];
    let shown = ask("GetMessage", &message).await.json();
    assert_eq!(shown["Details"]["Title"], "clip", "{shown}");
    assert!(ask("DownloadMessage", &message).await.body.starts_with(b"RIFF"));
    let sent = ask("QuickSend", &[message[0], ("Number", "09121234567")]).await.json();
    let send = sent["QuickSendID"].as_i64().filter(|id| *id > 0);
    let send = send.unwrap_or_else(|| panic!("{sent}")).to_string();
    let state = ask("GetQuickSend", &[("QuickSendID", &send)]).await.json();
    assert_eq!(state["dst"], "09121234567", "{state}");
    let said = ask("QuickSendWithTTS", &[("Text", TEXT), ("Number", "09121234568")]).await.json();
    assert!(said["QuickSendID"].as_i64() > Some(0), "{said}");
    assert_eq!(ask("DeleteMessage", &message).await.text(), "true");
    assert_eq!(ask("GetMessage", &message).await.text(), "null");
}

/// The length that an HTTP library writes.
async fn with_length(request: Request<Body>) -> Request<Body> {
    let (mut head, body) = request.into_parts();
    let body = axum::body::to_bytes(body, usize::MAX).await.unwrap();
    head.headers.insert("content-length", body.len().into());
    Request::from_parts(head, Body::from(body))
}

#[tokio::test]
async fn a_message_lives_from_upload_to_deletion() {
    let world = World::new().await;
    let (_, token) = world.customer(1000).await;
    let router = router(&world);
    let encoded = STANDARD.encode(tone(4000));
    let form = [("Title", "تبریک"), ("Base64", encoded.as_str()), ("Persist", "True")];
    let made = post(&router, &token, "UploadMessageBase64", &form).await;
    assert_eq!(made.text(), "{\"Id\":1,\"Length\":4}");
    let found = post(&router, &token, "GetMessage", &[("MessageID", "1")]).await;
    assert_eq!(
        found.text(),
        "{\"Details\":{\"Id\":1,\"Title\":\"تبریک\",\"Lenght\":4,\"IsDefault\":false,\
         \"ShowInGallery\":true,\"Confirmed\":1,\"CreateDate\":\"2026-11-22 12:00:00\",\
         \"InternalPrice\":225,\"ExternalPrice\":225},\"Status\":\"Success\"}"
    );
    let wav = get(&router, &token, "DownloadMessage", &[("messageid", "۱")]).await;
    assert_eq!(wav.headers["content-type"], "audio/x-wav");
    assert!(wav.body.starts_with(b"RIFF"));
    let deleted = post(&router, &token, "DeleteMessage", &[("MessageID", "1")]).await;
    assert_eq!(deleted.text(), "true");
    let deleted = post(&router, &token, "DeleteMessage", &[("MessageID", "1")]).await;
    assert_eq!(deleted.text(), "false");
    for method in ["GetMessage", "DownloadMessage", "GetQuickSend", "DownloadRecord"] {
        let gone = post(&router, &token, method, &[("MessageID", "1"), ("QuickSendID", "1")]).await;
        assert_eq!((gone.status, gone.text()), (StatusCode::OK, "null"), "{method}");
    }
}

#[tokio::test]
async fn speech_becomes_a_message() {
    let world = World::new().await;
    let (_, token) = world.customer(1000).await;
    let router = router(&world);
    let form = [("Text", TEXT), ("Title", "t"), ("Speaker", "Female"), ("ServerID", "0")];
    let made = get(&router, &token, "GenerateTTS", &form).await;
    assert_eq!(made.text(), "{\"Id\":1,\"Length\":6}");
}

#[tokio::test]
async fn a_quick_send_is_answered_as_an_object_and_followed() {
    let world = World::new().await;
    let (caller, token) = world.customer(1000).await;
    world.message(&caller, 7000).await;
    let router = router(&world);
    let form = [("MessageID", "1"), ("Number", "+98 912 123 4567"), ("Vote", "TRUE")];
    let sent = post(&router, &token, "QuickSend", &form).await;
    assert_eq!(
        sent.text(),
        "{\"QuickSendID\":1,\"MessageID\":1,\"MessageLength\":7,\"CreditDecrease_InSeconds\":7,\
         \"CreditDecrease_InPulses\":2,\"CreditDecrease_InPrice\":450,\"Status\":\"Success\"}"
    );
    let (job, _) = world.dialer.next().await;
    assert!(job.vote);
    let found = get(&router, &token, "GetQuickSend", &[("QuickSendID", "1")]).await;
    assert_eq!(
        found.text(),
        "{\"reason\":0,\"status\":\"در صف ارسال\",\"dst\":\"09121234567\",\
         \"starttime\":\"2026-11-22 12:00:00\",\"Id\":1,\"subscribeid\":1,\"duration\":0,\
         \"vote\":-1,\"price\":0}"
    );
}

#[tokio::test]
async fn a_text_is_sent_in_one_request() {
    let world = World::new().await;
    let (_, token) = world.customer(1000).await;
    let router = router(&world);
    let json = serde_json::json!({
        "text": TEXT, "number": "09121234567", "vote": false, "password": "ignored", "token": token,
    });
    let body = json.to_string();
    let request = Request::post("/Rest/QuickSendWithTTS")
        .header("content-type", "application/json")
        .header("content-length", body.len())
        .body(Body::from(body))
        .unwrap();
    let sent = answer(&router, request).await.json();
    assert_eq!((&sent["QuickSendID"], &sent["MessageLength"]), (&1.into(), &6.into()), "{sent}");
}

#[tokio::test]
async fn a_key_makes_a_send_happen_once() {
    let world = World::new().await;
    let (caller, token) = world.customer(1000).await;
    world.message(&caller, 4000).await;
    let router = router(&world);
    let body = encoded(&[("MessageID", "1"), ("Number", "09121234567")]);
    for _ in 0..2 {
        let request = Request::post("/Rest/QuickSend")
            .header("Authorization", &token)
            .header("Idempotency-Key", "k-1")
            .header("Content-Length", body.len())
            .body(Body::from(body.clone()))
            .unwrap();
        assert_eq!(answer(&router, request).await.json()["QuickSendID"], 1);
    }
    let form = [("MessageID", "1"), ("Number", "09121234567"), ("ClientReference", "k-1")];
    assert_eq!(post(&router, &token, "QuickSend", &form).await.json()["QuickSendID"], 1);
}

#[tokio::test]
async fn every_status_has_its_own_label() {
    let open = [Status::Queued, Status::Calling, Status::Ringing, Status::Answered];
    let ended = Disposition::ALL.into_iter().map(Status::Ended);
    let mut labels: Vec<&str> = open.into_iter().chain(ended).map(web::status_label).collect();
    let all = labels.len();
    labels.sort_unstable();
    labels.dedup();
    assert_eq!(labels.len(), all);
}

/// Goal: a client's ServerID reaches the route; 0 and nothing leave it to us, and one that no trunk
/// has is -2 as any number that nobody takes, in either method.
#[tokio::test]
async fn a_regional_server_may_be_asked_for() {
    const METHODS: [(&str, (&str, &str)); 2] =
        [("QuickSend", ("MessageID", "1")), ("QuickSendWithTTS", ("Text", TEXT))];
    let world = World::new().await;
    let (caller, token) = world.customer(100_000).await;
    world.message(&caller, 7000).await;
    let router = router(&world);
    for (given, server) in [("20", Some(20)), ("0", None), ("", None), (" ", None)] {
        for (method, what) in METHODS {
            let form = [what, ("Number", "09121234567"), ("serverid", given)];
            let sent = post(&router, &token, method, &form).await.json();
            assert!(sent["QuickSendID"].as_i64().unwrap() > 0, "{method} {given:?}: {sent}");
            assert_eq!(world.dialer.next().await.0.server, server, "{method} {given:?}");
        }
    }
    for unknown in ["99", "-1", "twenty", "99999999999"] {
        for (method, what) in METHODS {
            let form = [what, ("Number", "09121234567"), ("ServerID", unknown)];
            let refused = post(&router, &token, method, &form).await.json();
            assert_eq!(refused["QuickSendID"], -2, "{method} {unknown}");
        }
    }
}
