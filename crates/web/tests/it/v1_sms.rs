//! SMS that follow calls, as clients of the modern API see them.

use axum::Router;
use domain::{Rials, Tariff, TariffId};
use serde_json::{Value, json};
use store::Queries as _;

use crate::campaign::{first_is_called, world};
use crate::client::{Answer, router, v1};
use crate::world::World;

async fn post(router: &Router, token: &str, path: &str, key: &str, body: &Value) -> Answer {
    v1(router, token, "POST", path, Some(key).filter(|key| !key.is_empty()), body).await
}

async fn get(router: &Router, token: &str, path: &str) -> Answer {
    v1(router, token, "GET", path, None, &Value::Null).await
}

pub async fn priced(world: &World) {
    let before = app::tariff::in_force(&world.app).await.unwrap();
    let priced = Tariff { id: TariffId(0), sms_part: Some(Rials(900)), ..before };
    app::tariff::add(&world.app, priced, None).await.unwrap();
    world.clock.advance_ms(60_000);
}

fn plan() -> Value {
    json!({
        "title": "t", "audio_id": 1, "to": ["09121234567", "09121234568"],
        "starts": "2026-11-22 08:00", "ends": "2026-11-30 20:00",
        "sms": { "text": "شنیدید", "after": ["heard"] },
    })
}

/// Goal: a campaign tells what is written after its calls and how far that is; each SMS tells where
/// it stands; without a price there is none.
#[tokio::test]
async fn sms_follow_the_calls_of_a_campaign() {
    let (world, token) = world(100_000).await;
    let router = router(&world);
    let refused = post(&router, &token, "/v1/campaigns", "", &plan()).await;
    assert_eq!(
        (refused.status.as_u16(), &refused.json()["code"]),
        (422, &json!("sms_not_taken")),
        "there is no price"
    );
    priced(&world).await;
    let mut dry = plan();
    dry["dry_run"] = json!(true);
    let dry = post(&router, &token, "/v1/campaigns", "", &dry).await.json();
    assert_eq!(dry["sms_price"], 900, "{dry}");
    let made = post(&router, &token, "/v1/campaigns", "k", &plan()).await;
    assert_eq!(made.status, 201, "{}", made.text());
    let sms = |due: u32, sent: u32| {
        json!({
            "text": "شنیدید", "after": ["delivered", "heard_in_part"], "price": 900, "due": due,
            "sent": sent, "failed": 0,
        })
    };
    assert_eq!(made.json()["sms"], sms(0, 0));
    first_is_called(&world).await;
    assert_eq!(get(&router, &token, "/v1/campaigns/1").await.json()["sms"], sms(1, 0));
    app::sms::send_due(&world.app).await.unwrap();
    assert_eq!(get(&router, &token, "/v1/campaigns/1").await.json()["sms"], sms(0, 1));
    let listed = get(&router, &token, "/v1/campaigns").await.json();
    let listed = &listed["data"][0]["sms"];
    assert_eq!((&listed["price"], &listed["sent"]), (&json!(900), &Value::Null));
    let all = get(&router, &token, "/v1/sms").await.json();
    let one = &all["data"][0];
    let told =
        ["state", "to", "text", "charged", "provider", "tries"].map(|name| one[name].clone());
    let expected = [
        json!("sent"),
        json!("09121234567"),
        json!("شنیدید"),
        json!(900),
        json!("letterbox"),
        json!(1),
    ];
    assert_eq!(told, expected);
    let path = format!("/v1/sms/{}", one["id"].as_str().unwrap());
    assert_eq!(&get(&router, &token, &path).await.json(), one);
    assert_eq!(get(&router, &token, "/v1/sms/9").await.status, 404);
    let (_, stranger) = world.customer(0).await;
    assert_eq!(get(&router, &stranger, &path).await.status, 404);
}

async fn follow_ups(world: &World) -> i64 {
    let mut tx = world.db.begin().await.unwrap();
    let count = tx.query_one("SELECT COUNT(*) AS n FROM follow_up", &[]).await.unwrap();
    count.get("n").unwrap()
}

/// Goal: a message takes an SMS as a campaign does, and refuses one that is none.
#[tokio::test]
async fn an_sms_follows_a_message() {
    let (world, token) = world(100_000).await;
    priced(&world).await;
    let router = router(&world);
    let message = |after: &str| {
        let sms = json!({ "text": "x", "after": [after] });
        json!({ "to": "09121234567", "audio_id": 1, "sms": sms })
    };
    for after in ["cancelled", "nothing"] {
        let refused = post(&router, &token, "/v1/messages", "", &message(after)).await;
        assert_eq!(refused.json()["code"], "sms_not_taken", "{after}");
    }
    let sent = post(&router, &token, "/v1/messages", "k", &message("expired")).await;
    assert_eq!(sent.status, 202, "{}", sent.text());
    // What comes of nothing, asked again or refused, leaves nothing.
    let again = post(&router, &token, "/v1/messages", "k", &message("expired")).await;
    assert_eq!(again.json()["id"], sent.json()["id"]);
    let mut nobody = message("expired");
    nobody["to"] = json!("09");
    assert_eq!(post(&router, &token, "/v1/messages", "", &nobody).await.status, 422);
    assert_eq!(follow_ups(&world).await, 1);
    world.clock.advance_ms(3_600_000);
    let send = sent.json()["id"].as_str().unwrap().parse().unwrap();
    let send = domain::QuickSendId(send);
    let late = vec![app::dialing::Untried::of(send, app::dialing::EXPIRED)];
    app::dialing::expire(&world.app, late, world.app.now()).await.unwrap();
    let all = get(&router, &token, "/v1/sms").await.json();
    assert_eq!(all["data"][0]["message_id"], sent.json()["id"], "{all}");
    assert_eq!(all["data"][0]["state"], "due");
}
