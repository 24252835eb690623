//! What is told of a call: alike of a message and of a campaign's number.

use app::dialing::{CallRecord, EndedCall, Meaning, ReadyJob, Start, lease, settle, take_node};
use domain::{AttemptId, Disposition};
use serde_json::{Value, json};

use crate::client::{router, v1};
use crate::rest::TEXT;
use crate::world::World;

/// Begins the call of a job.
pub async fn begin(world: &World, job: &ReadyJob) -> AttemptId {
    let (app, now) = (&world.app, world.app.now());
    let node = take_node(app, "a", now.plus_ms(60_000)).await.unwrap();
    let start = Start { job: job.clone(), person: true, trunk: String::from("t"), at: now };
    lease(app, node, vec![start]).await.unwrap()[0].attempt().unwrap()
}

/// Ends a call that was begun.
pub async fn end(
    world: &World,
    (job, attempt): (&ReadyJob, AttemptId),
    disposition: Disposition,
    record: CallRecord,
) {
    let call = EndedCall {
        attempt,
        tariff: job.tariff,
        zone: job.zone,
        second: None,
        hold: job.hold,
        meaning: Meaning::Decided(disposition),
        record,
        ladder: None,
        ended_at: world.app.now(),
        asker: None,
    };
    settle(&world.app, vec![call]).await.unwrap();
}

/// A call that was answered, in which 3 and # were pressed.
pub fn answered(world: &World, job: &ReadyJob) -> CallRecord {
    CallRecord {
        cause: String::from("played"),
        sip_code: Some(200),
        q850: Some(16),
        heard_ms: job.clip_ms,
        vote: Some(3),
        keys: String::from("3#"),
        answered_at: Some(world.app.now()),
        ..CallRecord::default()
    }
}

/// Goal: a message says where its recording stands and where it is heard, and which keys were
/// pressed; what an event says of it stays as it was.
#[tokio::test]
async fn a_message_tells_of_its_recording_and_keys() {
    let world = World::new().await;
    let (caller, token) = world.customer_like(1_000_000, |new| new.records_callees = true).await;
    let router = router(&world);
    let get = async |path: &str| v1(&router, &token, "GET", path, None, &Value::Null).await.json();
    assert_eq!(get("/v1/events").await["data"], json!([]), "from now on they are wanted");
    let asked = json!({
        "to": "09121234567", "text": TEXT, "collect_key": true, "record_seconds": 10,
    });
    let sent = v1(&router, &token, "POST", "/v1/messages", None, &asked).await.json();
    let state = |state: &str| json!({ "state": state, "seconds": null, "url": null });
    assert_eq!((&sent["recording"], &sent["keys"]), (&state("expected"), &json!([])));
    let path = format!("/v1/messages/{}", sent["id"].as_str().unwrap());

    let (job, _) = world.dialer.next().await;
    let attempt = begin(&world, &job).await;
    assert!(app::recording::begin(&world.app, attempt, "a").await.unwrap());
    assert_eq!(get(&path).await["recording"], state("recording"));
    end(&world, (&job, attempt), Disposition::Delivered, answered(&world, &job)).await;
    let told = get("/v1/events").await["data"][1].clone();
    assert_eq!(
        (&told["type"], &told["data"]["recording"]),
        (&json!("message.ended"), &state("expected"))
    );

    app::recording::keep(&world.app, attempt, vec![0; 60], 1_500).await.unwrap();
    let ended = get(&path).await;
    let url = format!("{path}/recording");
    assert_eq!(ended["recording"], json!({ "state": "ready", "seconds": 1.5, "url": url }));
    assert_eq!(v1(&router, &token, "GET", &url, None, &Value::Null).await.body, vec![0; 60]);
    assert_eq!((&ended["key"], &ended["keys"]), (&json!(3), &json!(["3", "#"])));
    assert_eq!(ended["answered_by"], "person");
    assert_eq!(get("/v1/events").await["data"][1], told, "an event is told as it was");

    let sent = v1(&router, &token, "POST", "/v1/messages", None, &asked).await.json();
    let path = format!("/v1/messages/{}", sent["id"].as_str().unwrap());
    let (job, _) = world.dialer.next().await;
    let attempt = begin(&world, &job).await;
    let busy = CallRecord { cause: String::from("failed"), ..CallRecord::default() };
    end(&world, (&job, attempt), Disposition::Busy, busy).await;
    assert_eq!(get(&path).await["recording"], state("none"), "nobody answered");
    drop(caller);
}
