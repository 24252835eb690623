//! SendOTP: its bytes, its codes, and what the phone hears.

use app::Settings;
use domain::calendar::calling_window::CallingWindow;

use crate::client::{post, router};
use crate::world::World;

const NUMBER: (&str, &str) = ("Number", "09121234567");

#[tokio::test]
async fn a_code_is_made_spoken_and_sent_ahead_of_others() {
    let world = World::new().await;
    let (caller, token) = world.customer(10_000).await;
    let router = router(&world);
    let own = [NUMBER, ("Length", "4"), ("OptionalCode", "۰۸۱۵")];
    let sent = post(&router, &token, "SendOTP", &own).await;
    let expected = "{\"ErrorCode\":0,\"QuickSendID\":1,\"GeneratedCode\":\"0815\"}";
    assert_eq!(sent.text(), expected);
    let (job, _) = world.dialer.next().await;
    assert_eq!((job.class, job.vote, job.record_ms), (0, false, None));
    assert!(job.clip_ms >= 3_000, "{}", job.clip_ms);
    let spoken = world.voice.spoken.load(std::sync::atomic::Ordering::SeqCst);
    assert_eq!(spoken, 6, "two phrases and four digits, each once");
    let account = world.refreshed(&caller).await.account;
    let speech = i64::from(job.clip_ms.div_ceil(1000)) * 10;
    assert_eq!(account.balance.0, 10_000 - speech);

    let random = [NUMBER, ("Length", "6"), ("OptionalCode", "0")];
    let sent = post(&router, &token, "SendOTP", &random).await.json();
    let code = sent["GeneratedCode"].as_str().unwrap();
    assert!(code.len() == 6 && code.bytes().all(|byte| byte.is_ascii_digit()), "{sent}");
    let files = world.blobs.files.lock().unwrap();
    assert!(files.keys().all(|name| !name.contains(code)), "{:?}", files.keys());
}

/// The words of a code need nobody's approval.
#[tokio::test]
async fn a_demo_account_may_send_codes() {
    let world = World::new().await;
    let (_, token) = world.customer_like(10_000, |new| new.approves_own_messages = false).await;
    let form = [NUMBER, ("Length", "5")];
    let sent = post(&router(&world), &token, "SendOTP", &form).await.json();
    assert_eq!(sent["ErrorCode"], 0);
}

#[tokio::test]
async fn each_refusal_has_its_code() {
    let world = World::new().await;
    let (_, token) = world.customer(20).await;
    let router = router(&world);
    let cases = [
        (-5, vec![NUMBER]),
        (-5, vec![NUMBER, ("Length", "3")]),
        (-5, vec![NUMBER, ("Length", "9")]),
        (-5, vec![NUMBER, ("Length", "-4")]),
        (-5, vec![NUMBER, ("Length", "4"), ("OptionalCode", "123")]),
        (-5, vec![NUMBER, ("Length", "4"), ("OptionalCode", "12x4")]),
        (-2, vec![("Number", "12"), ("Length", "4")]),
        (-2, vec![("Length", "4")]),
        (-2, vec![NUMBER, ("Length", "4"), ("ServerID", "99")]),
        (-3, vec![NUMBER, ("Length", "4")]),
    ];
    for (expected, form) in cases {
        let answered = post(&router, &token, "SendOTP", &form).await.json();
        assert_eq!(answered["ErrorCode"], expected, "{form:?}");
        assert!(answered["GeneratedCode"].is_null() && answered["QuickSendID"].is_null());
    }
    let off = Settings { quick_send_enabled: false, ..Settings::default() };
    let night =
        Settings { window: CallingWindow::parse("22:00-23:00").unwrap(), ..Settings::default() };
    for (settings, code) in [(off, -25), (night, -6)] {
        let world = World::with(settings).await;
        let (_, token) = world.customer(10_000).await;
        let router = crate::client::router(&world);
        let form = [NUMBER, ("Length", "4")];
        let answered = post(&router, &token, "SendOTP", &form).await.json();
        assert_eq!(answered["ErrorCode"], code);
        assert_eq!(world.voice.spoken.load(std::sync::atomic::Ordering::SeqCst), 0);
    }
}
