//! Every refusal of every method has its code, and nothing but 200 goes with it.

use app::account::{AccessChange, change_access, disable_token, set_disabled, set_expiry};
use app::{RepeatLimit, RequestLimits, Settings};
use axum::body::Body;
use axum::http::{Request, StatusCode};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use domain::access::Allowed;
use domain::calendar::calling_window::CallingWindow;
use domain::{Network, Timestamp};

use crate::client::{answer, get, post, router};
use crate::rest::TEXT;
use crate::world::{World, tone};

const NUMBER: (&str, &str) = ("Number", "09121234567");

#[tokio::test]
async fn a_wrong_token_is_told_in_the_shape_of_each_method() {
    let unlimited = RequestLimits { wrong_per_minute: 0, ..RequestLimits::default() };
    let world = World::with(Settings { requests: unlimited, ..Settings::default() }).await;
    let router = router(&world);
    let nothing_sent = "\"MessageID\":0,\"MessageLength\":0,\"CreditDecrease_InSeconds\":0,\
                        \"CreditDecrease_InPulses\":0,\"CreditDecrease_InPrice\":0,\
                        \"Status\":\"Token_NotExists\"}";
    let sent = format!("{{\"QuickSendID\":-201,{nothing_sent}");
    let made = "{\"Id\":-201,\"Length\":0,\"Status\":\"Token_NotExists\"}";
    let status = "{\"Result\":-201,\"Status\":\"Token_NotExists\",\"AccountName\":null,\
                  \"RemaindCredit\":0,\"Mobile\":null,\"ExpireDate\":null,\"ExpireDatePer\":null}";
    let otp = "{\"ErrorCode\":-201,\"QuickSendID\":null,\"GeneratedCode\":null,\
               \"Status\":\"Token_NotExists\"}";
    let ocv = "{\"Result\":-201,\"Code\":0,\"SendId\":0,\"Status\":\"Token_NotExists\"}";
    let shapes = [
        ("AccountStatus", status),
        ("SendOTP", otp),
        ("SendOCV", ocv),
        ("UploadMessageBase64", made),
        ("GenerateTTS", made),
        ("GetMessage", "null"),
        ("DownloadMessage", "null"),
        ("DeleteMessage", "false"),
        ("QuickSend", &sent),
        ("QuickSendWithTTS", &sent),
        ("GetQuickSend", "null"),
        ("DownloadRecord", "null"),
        ("GetMessages", "null"),
        ("GetQuickSendStatistics", "null"),
        ("CreateCampaign", "-201"),
        ("StartCampaign", "-201"),
        ("StopCampaign", "false"),
        ("GetCampaign", "null"),
        ("GetCampaignNumbersByCampaignID", "null"),
        (
            "GetProfile",
            "{\"Result\":-201,\"Status\":\"Token_NotExists\",\"UserName\":null,\
             \"FullName\":null,\"Mobile\":null,\"ExpireDate\":null}",
        ),
        ("GetPrices", "null"),
        ("GetTransactions", "null"),
        ("GetTotalCostByDate", "-201"),
        ("GetCampaignsByDate", "null"),
        ("GetMessagesByPage", "null"),
        ("GetCampaignNumbersByMessageId", "null"),
        ("GetCampaignNumbersBySendDate", "null"),
        ("GetCampaignNumbersBySubscribeId", "null"),
        ("GetCampaignNumbersDataByIds", "null"),
        ("GetCampaignNumberStatusById", "-201"),
        ("GetCampaignNumbersStatusByIds", "null"),
        ("CreateCampaignGIS", "-201"),
        ("MakeSecureCall", "-201"),
    ];
    for (method, expected) in shapes {
        for token in ["", "x", &"f".repeat(40), &"f".repeat(128)] {
            let answered = post(&router, token, method, &[]).await;
            assert_eq!((answered.status, answered.text()), (StatusCode::OK, expected), "{method}");
            let answered = get(&router, token, method, &[]).await;
            assert_eq!((answered.status, answered.text()), (StatusCode::OK, expected), "{method}");
        }
    }
}

/// Goal: what cannot be a token has a code of its own, so that a bad copy is told from a wrong one.
#[tokio::test]
async fn what_cannot_be_a_token_has_its_code() {
    let world = World::new().await;
    let router = router(&world);
    for token in ["f".repeat(129), "f".repeat(5000), String::from("توکن")] {
        let request = [("Token", token.as_str())];
        let answered = post(&router, "", "AccountStatus", &request).await.json();
        assert_eq!(answered["Result"], -202);
        assert_eq!(answered["Status"], "Token_NotExists");
    }
}

/// Goal: who comes too often is told by HTTP for how long to stay away, by whichever door.
#[tokio::test]
async fn who_comes_too_often_is_told_for_how_long_to_wait() {
    let requests = RequestLimits { per_caller: 1, per_address: 0, wrong_per_minute: 0 };
    let world = World::with(Settings { requests, ..Settings::default() }).await;
    let router = router(&world);
    // Making the customer was the one request of this second.
    let (_, token) = world.customer(0).await;
    let rest = post(&router, &token, "AccountStatus", &[]).await;
    let asked = async |path: &str| {
        let request = Request::get(path).header("Authorization", &token).body(Body::empty());
        answer(&router, request.unwrap()).await
    };
    let (soap, v1) = (asked("/webservice3/GetCredit").await, asked("/v1/messages").await);
    for answered in [&rest, &soap, &v1] {
        assert_eq!(answered.status, StatusCode::TOO_MANY_REQUESTS);
        assert_eq!(answered.headers["retry-after"], "1");
    }
    assert_eq!(v1.json()["code"], "too_many_requests");
    world.clock.advance_ms(1_000);
    assert_eq!(post(&router, &token, "AccountStatus", &[]).await.status, StatusCode::OK);
}

#[tokio::test]
async fn each_reason_to_be_locked_out_has_its_code() {
    let world = World::new().await;
    let router = router(&world);
    let code = async |token: &str| {
        let answered = post(&router, token, "AccountStatus", &[]).await.json();
        (answered["Result"].clone(), answered["Status"].clone())
    };
    let (caller, token) = world.customer(0).await;
    let id = caller.account.id;
    set_disabled(&world.app, id, true).await.unwrap();
    assert_eq!(code(&token).await, ((-103).into(), "User_Disabled".into()));
    set_disabled(&world.app, id, false).await.unwrap();
    set_expiry(&world.app, id, Some(Timestamp(1))).await.unwrap();
    assert_eq!(code(&token).await, ((-104).into(), "User_Expired".into()));
    disable_token(&world.app, id, caller.token.unwrap()).await.unwrap();
    assert_eq!(code(&token).await, ((-203).into(), "Token_Disabled".into()));
    let ends = Some(world.app.now());
    let label = String::from("short");
    let short =
        app::account::create_token(&world.app, id, label, ends, Allowed::default()).await.unwrap();
    assert_eq!(code(&short.secret).await, ((-204).into(), "Token_Expired".into()));
}

/// Each restriction of an account, on its own, in the shape of a method.
#[tokio::test]
async fn each_restriction_of_an_account_has_its_code() {
    let world = World::new().await;
    let router = router(&world);
    let (caller, token) = world.customer(0).await;
    let change = AccessChange::default;
    let elsewhere = vec![Network::parse("192.0.2.0/24").unwrap()];
    let cases = [
        (-106, "WebService_NotPermitted", AccessChange { permitted: Some(false), ..change() }),
        (-105, "WebService_Blocked", AccessChange { blocked: Some(true), ..change() }),
        (-102, "Mobile_NotVerified", AccessChange { mobile_verified: Some(false), ..change() }),
        (-109, "Http_NotAllowed", AccessChange { https_only: Some(true), ..change() }),
        (-107, "Ip_NotAllowed", AccessChange { networks: Some(elsewhere), ..change() }),
        (-108, "Method_NotAllowed", AccessChange { methods: names(&["QuickSend"]), ..change() }),
    ];
    for (code, status, restriction) in cases {
        change_access(&world.app, caller.account.id, restriction).await.unwrap();
        let answered = post(&router, &token, "AccountStatus", &[]).await.json();
        assert_eq!((&answered["Result"], &answered["Status"]), (&code.into(), &status.into()));
        let lifted = AccessChange {
            permitted: Some(true),
            blocked: Some(false),
            mobile_verified: Some(true),
            https_only: Some(false),
            networks: Some(Vec::new()),
            methods: names(&[]),
        };
        change_access(&world.app, caller.account.id, lifted).await.unwrap();
        let answered = post(&router, &token, "accountstatus", &[]).await.json();
        assert_eq!(answered["Status"], "Success", "after {code}");
    }
}

#[expect(clippy::unnecessary_wraps, reason = "the field of a change is an option")]
fn names(methods: &[&str]) -> Option<Vec<String>> {
    Some(methods.iter().map(|name| (*name).to_owned()).collect())
}

/// A token that is bound to a method or an address does nothing else, however it is passed.
#[tokio::test]
async fn each_restriction_of_a_token_has_its_code() {
    let world = World::new().await;
    let router = router(&world);
    let (caller, _) = world.customer(0).await;
    let token = async |networks, methods| {
        let allowed = Allowed::new(networks, methods).unwrap();
        let (id, label) = (caller.account.id, String::from("bound"));
        app::account::create_token(&world.app, id, label, None, allowed).await.unwrap().secret
    };
    let send = token(Vec::new(), vec![String::from("QuickSend")]).await;
    let away = token(vec![Network::parse("192.0.2.1").unwrap()], Vec::new()).await;
    for (token, code, status) in
        [(&send, -208, "Method_NotAllowed"), (&away, -207, "Ip_NotAllowed")]
    {
        for answered in [
            post(&router, token, "GenerateTTS", &[]).await,
            get(&router, token, "GenerateTTS", &[]).await,
            post(&router, "", "GenerateTTS", &[("Token", token)]).await,
        ] {
            let answered = answered.json();
            assert_eq!((&answered["Id"], &answered["Status"]), (&code.into(), &status.into()));
        }
    }
    let allowed = post(&router, &send, "quicksend", &[]).await.json();
    assert_eq!(allowed["QuickSendID"], -2, "the method itself refuses");
}

/// Before a method is reached, a failure is nobody's but ours: −20 in the shape of each method.
#[tokio::test]
async fn without_the_database_the_error_is_unknown() {
    let world = World::new().await;
    let router = router(&world);
    world.close_database().await;
    for (method, field) in
        [("AccountStatus", "Result"), ("GenerateTTS", "Id"), ("QuickSendWithTTS", "QuickSendID")]
    {
        let answered = post(&router, "x", method, &[]).await;
        assert_eq!((answered.status, &answered.json()[field]), (StatusCode::OK, &(-20).into()));
        assert!(answered.headers.contains_key("x-reference"));
    }
}

#[tokio::test]
async fn the_operator_can_switch_the_services_off() {
    let world = World::with(Settings { web_enabled: false, ..Settings::default() }).await;
    let answered = post(&router(&world), "x", "QuickSend", &[]).await.json();
    let expected = ((-300).into(), "System_Disabled".into());
    assert_eq!((answered["QuickSendID"].clone(), answered["Status"].clone()), expected);
}

/// Posts each form and compares the code in `field`.
async fn check(world: &World, token: &str, method: &str, field: &str, cases: &[Case<'_>]) {
    let router = router(world);
    for (expected, form) in cases {
        let answered = post(&router, token, method, form).await;
        assert_eq!(answered.status, StatusCode::OK);
        let names: Vec<&str> = form.iter().map(|(name, _)| *name).collect();
        let shown = answered.text();
        assert_eq!(answered.json()[field], *expected, "{method} {names:?}: {shown}");
    }
}

type Case<'a> = (i32, Vec<(&'a str, &'a str)>);

#[tokio::test]
async fn codes_of_upload() {
    let settings = Settings { upload_bytes_max: 100_000, ..Settings::default() };
    let world = World::with(settings).await;
    let (_, token) = world.customer(5).await;
    let good = STANDARD.encode(tone(4000));
    let short = STANDARD.encode(tone(2000));
    let large = STANDARD.encode(tone(7000));
    let broken = STANDARD.encode(&tone(5000)[..20_000]);
    let title = "ن".repeat(201);
    let cases = [
        (-10, vec![]),
        (-10, vec![("Base64", "!!!!")]),
        (-10, vec![("Base64", "QUJDRA==")]),
        (-10, vec![("Base64", large.as_str())]),
        (-20, vec![("Base64", broken.as_str())]),
        (-6, vec![("Base64", short.as_str())]),
        (-5, vec![("Base64", good.as_str()), ("Title", title.as_str())]),
        (-2, vec![("Base64", good.as_str()), ("CallFromMobile", "12")]),
        (-3, vec![("Base64", good.as_str()), ("CallFromMobile", "09121234567")]),
        (1, vec![("base64", good.as_str())]),
    ];
    check(&world, &token, "UploadMessageBase64", "Id", &cases).await;
    let slow = World::with(Settings { decode_ms_max: 0, ..Settings::default() }).await;
    let (_, token) = slow.customer(5).await;
    let cases = [(-30, vec![("Base64", good.as_str())])];
    check(&slow, &token, "UploadMessageBase64", "Id", &cases).await;
}

#[tokio::test]
async fn codes_of_speech() {
    let world = World::new().await;
    let (_, token) = world.customer(30).await;
    let long = "س ".repeat(501);
    let title = "ن".repeat(201);
    let cases = [
        (-6, vec![]),
        (-6, vec![("Text", "  ")]),
        (-6, vec![("Text", "سلام")]),
        (-5, vec![("Text", long.as_str())]),
        (-5, vec![("Text", TEXT), ("Title", title.as_str())]),
        (-4, vec![("Text", "؟!")]),
        (-4, vec![("Text", TEXT), ("CallFromMobile", "12")]),
        (-3, vec![("Text", TEXT)]),
        (-2, vec![("Text", "این موتور خراب است و بس")]),
    ];
    check(&world, &token, "GenerateTTS", "Id", &cases).await;
}

#[tokio::test]
async fn codes_of_quick_send() {
    let world = World::new().await;
    let (caller, token) = world.customer(400).await;
    world.message(&caller, 4000).await;
    world.message(&caller, 9000).await;
    let message = ("MessageID", "1");
    let record = ("RecordVoice", "true");
    let huge = "9".repeat(10_000);
    let cases = [
        (-2, vec![]),
        (-2, vec![message]),
        (-2, vec![message, ("Number", "12")]),
        (-2, vec![message, ("Number", huge.as_str())]),
        (-8, vec![NUMBER]),
        (-8, vec![NUMBER, ("MessageID", "0")]),
        (-8, vec![NUMBER, ("MessageID", "-1")]),
        (-8, vec![NUMBER, ("MessageID", "99999999999999999999")]),
        (-8, vec![NUMBER, ("MessageID", huge.as_str())]),
        (-8, vec![NUMBER, ("MessageID", "1.5")]),
        (-3, vec![NUMBER, ("MessageID", "2")]),
        (-72, vec![NUMBER, message, record]),
        (-72, vec![NUMBER, message, record, ("RecordVoiceDuration", "30")]),
        (-71, vec![NUMBER, message, record, ("RecordVoiceDuration", "0")]),
        (-71, vec![NUMBER, message, record, ("RecordVoiceDuration", "x")]),
        (1, vec![NUMBER, message, ("RecordVoiceDuration", "x")]),
    ];
    check(&world, &token, "QuickSend", "QuickSendID", &cases).await;
}

#[tokio::test]
async fn codes_of_quick_send_with_tts() {
    let repeats = Some(RepeatLimit { count: 1, interval_ms: 60_000 });
    let world = World::with(Settings { repeats, ..Settings::default() }).await;
    let (_, token) = world.customer(600).await;
    let long = "س ".repeat(501);
    let text = ("Text", TEXT);
    let record = ("RecordVoice", "True");
    let cases = [
        (-2, vec![]),
        (-2, vec![text, ("Number", "1")]),
        (-10, vec![NUMBER]),
        (-5, vec![NUMBER, ("Text", long.as_str())]),
        (-7, vec![NUMBER, ("Text", "؟!")]),
        (-7, vec![NUMBER, text, ("CallFromMobile", "12")]),
        (-8, vec![NUMBER, ("Text", "سلام")]),
        (-9, vec![NUMBER, ("Text", "این موتور خراب است و بس")]),
        (-71, vec![NUMBER, text, record, ("RecordVoiceDuration", "-3")]),
        (-72, vec![NUMBER, text, record]),
        (1, vec![NUMBER, text]),
        (-3, vec![("Number", "09121234568"), text]),
    ];
    check(&world, &token, "QuickSendWithTTS", "QuickSendID", &cases).await;
    app::account::credit(
        &world.app,
        domain::AccountId(1),
        domain::Rials(1000),
        None,
        String::new(),
    )
    .await
    .unwrap();
    let cases = [(-11, vec![NUMBER, text])];
    check(&world, &token, "QuickSendWithTTS", "QuickSendID", &cases).await;
    let (_, demo) = world.customer_like(5000, |new| new.approves_own_messages = false).await;
    let cases = [(0, vec![("Number", "09121234569"), text])];
    check(&world, &demo, "QuickSendWithTTS", "QuickSendID", &cases).await;
}

#[tokio::test]
async fn codes_of_the_operators_choices() {
    let off = Settings { quick_send_enabled: false, ..Settings::default() };
    let night =
        Settings { window: CallingWindow::parse("22:00-23:00").unwrap(), ..Settings::default() };
    for (settings, code) in [(off, -25), (night, -6)] {
        let world = World::with(settings).await;
        let (caller, token) = world.customer(400).await;
        world.message(&caller, 4000).await;
        let cases = [(code, vec![NUMBER, ("MessageID", "1")])];
        check(&world, &token, "QuickSend", "QuickSendID", &cases).await;
        let cases = [(code, vec![NUMBER, ("Text", TEXT)])];
        check(&world, &token, "QuickSendWithTTS", "QuickSendID", &cases).await;
    }
}

#[tokio::test]
async fn a_failure_of_ours_can_be_found_in_the_log() {
    let world = World::new().await;
    let (_, token) = world.customer(1000).await;
    let router = router(&world);
    let form = [("Text", "این موتور خراب است و بس")];
    let first = post(&router, &token, "GenerateTTS", &form).await;
    let second = post(&router, &token, "GenerateTTS", &form).await;
    assert_eq!(first.text(), "{\"Id\":-2,\"Length\":0}");
    assert_ne!(first.headers["x-reference"], second.headers["x-reference"]);
}
