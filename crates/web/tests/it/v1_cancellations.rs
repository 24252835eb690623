//! What customers withdraw, as they see it.

use serde_json::{Value, json};

use crate::client::{router, v1};
use crate::world::World;

/// Goal: a message that waits is cancelled once, under a key as well, by its owner alone; a call is
/// cancelled while it lasts; what has ended, and a campaign's call, is not.
#[tokio::test]
async fn a_message_is_cancelled_by_its_owner() {
    let world = World::new().await;
    let (caller, token) = world.customer(1_000_000).await;
    let router = router(&world);
    let audio = world.message(&caller, 4_000).await.id.0;
    let post = async |token: &str, path: &str, key: Option<&str>, body: &Value| {
        let answered = v1(&router, token, "POST", path, key, body).await;
        (answered.status.as_u16(), answered.json())
    };
    let send = async || {
        let body = json!({ "to": "09121234567", "audio_id": audio });
        let sent = post(&token, "/v1/messages", None, &body).await.1;
        sent["id"].as_str().unwrap().to_owned()
    };
    let waits = format!("/v1/messages/{}/cancel", send().await);
    let (_, stranger) = world.customer(0).await;
    assert_eq!(post(&stranger, &waits, None, &Value::Null).await.0, 404);
    let (status, told) = post(&token, &waits, Some("k"), &Value::Null).await;
    assert_eq!(
        (status, &told["state"], &told["result"]),
        (200, &json!("ended"), &json!("cancelled"))
    );
    assert_eq!((&told["reason"]["cause"], &told["charged"]), (&json!("withdrawn"), &json!(0)));
    assert_eq!(post(&token, &waits, Some("k"), &Value::Null).await, (200, told));
    let (status, told) = post(&token, &waits, None, &Value::Null).await;
    assert_eq!((status, &told["code"]), (409, &json!("not_in_this_state")));

    let called = send().await;
    let node = app::dialing::take_node(&world.app, "a", world.app.now().plus_ms(1_000)).await;
    let from = (domain::Timestamp(0), domain::QuickSendId(0));
    let jobs = app::dialing::load_ready(&world.app, from, 1).await.unwrap();
    let start = app::dialing::Start {
        job: jobs[0].clone(),
        person: false,
        trunk: String::from("t"),
        at: world.app.now(),
    };
    let node = node.unwrap();
    app::dialing::lease(&world.app, node, vec![start]).await.unwrap();
    let path = format!("/v1/messages/{called}/cancel");
    let (status, told) = post(&token, &path, None, &Value::Null).await;
    assert_eq!((status, &told["state"]), (200, &json!("calling")));
    let marked = app::cancellation::marked(&world.app, node.node).await.unwrap();
    assert_eq!(marked.len(), 1);
    assert_eq!(marked[0].quick_send.0.to_string(), called);

    let campaign = json!({
        "title": "c", "audio_id": audio, "to": ["09351112233"], "starts": "2026-11-22 08:00",
        "ends": "2026-11-22 20:00",
    });
    assert_eq!(post(&token, "/v1/campaigns", None, &campaign).await.0, 201);
    let jobs = app::campaign::feed(&world.app, world.app.now()).await.unwrap();
    let path = format!("/v1/messages/{}/cancel", jobs[0].quick_send.0);
    let (status, told) = post(&token, &path, None, &Value::Null).await;
    assert_eq!((status, &told["code"]), (409, &json!("not_in_this_state")), "{told}");
    assert_eq!(post(&token, "/v1/messages/x/cancel", None, &Value::Null).await.0, 404);
}
