//! Events and endpoints as clients of the modern API see them.

use std::future::poll_fn;
use std::pin::Pin;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, HttpBody};
use axum::http::Request;
use domain::QuickSendId;
use serde_json::{Value, json};
use tower::ServiceExt;

use crate::client::{Answer, answer, router, settings, v1};
use crate::rest::TEXT;
use crate::world::{PATIENCE, World};

const NUMBER: &str = "09121234567";

async fn ask(router: &Router, token: &str, method: &str, path: &str, body: &Value) -> Answer {
    v1(router, token, method, path, None, body).await
}

async fn get(router: &Router, token: &str, path: &str) -> Answer {
    ask(router, token, "GET", path, &Value::Null).await
}

async fn post(router: &Router, token: &str, path: &str, body: &Value) -> Answer {
    ask(router, token, "POST", path, body).await
}

/// Sends to the number; the message's id.
async fn send(router: &Router, token: &str) -> String {
    let sent = post(router, token, "/v1/messages", &json!({ "to": NUMBER, "text": TEXT })).await;
    assert_eq!(sent.status, 202, "{}", sent.text());
    sent.json()["id"].as_str().unwrap().to_owned()
}

/// Lets a message end: nobody could call it in time.
async fn expire(world: &World, id: &str) {
    let later = world.app.now().plus_ms(86_400_000);
    let sends = vec![(QuickSendId(id.parse().unwrap()), app::dialing::EXPIRED)];
    assert_eq!(world.db.expire(sends, later).await.unwrap(), [true]);
}

async fn events(router: &Router, token: &str, query: &str) -> Vec<Value> {
    let page = get(router, token, &format!("/v1/events?{query}")).await;
    assert_eq!(page.status, 200, "{}", page.text());
    page.json()["data"].as_array().unwrap().clone()
}

fn types(events: &[Value]) -> Vec<&str> {
    events.iter().map(|event| event["type"].as_str().unwrap()).collect()
}

/// Goal: who reads events is told of each step once, in order, in the words of the message itself.
#[tokio::test]
async fn events_are_read_page_by_page() {
    let world = World::new().await;
    let (caller, token) = world.customer(1_000_000).await;
    let router = router(&world);
    send(&router, &token).await;
    assert_eq!(events(&router, &token, "").await, [] as [Value; 0], "nobody had asked before");
    let id = send(&router, &token).await;
    let path = format!("/v1/messages/{id}");
    let accepted = get(&router, &token, &path).await.json();
    expire(&world, &id).await;
    let ended = get(&router, &token, &path).await.json();
    let told = events(&router, &token, "").await;
    assert_eq!(types(&told), ["message.accepted", "message.ended"]);
    assert_eq!((&told[0]["data"], &told[1]["data"]), (&accepted, &ended));
    assert_eq!((&told[1]["data"]["result"], &told[1]["sequence"]), (&json!("expired"), &json!(2)));
    let of_call: Vec<&Value> = told.iter().map(|event| &event["call_sequence"]).collect();
    assert_eq!(of_call, [&json!(1), &json!(2)]);
    assert_eq!(told[0]["timestamp"], "2026-11-22T12:00:00+03:30");
    let account = caller.account.id;
    assert_eq!(told[0]["id"], format!("evt_{account}_1"));
    let first = get(&router, &token, "/v1/events?limit=1").await.json();
    assert_eq!((&first["data"][0], &first["next_page"]), (&told[0], &told[0]["id"]));
    let rest = events(&router, &token, &format!("limit=1&after=evt_{account}_1")).await;
    assert_eq!(rest, [told[1].clone()]);
    assert_eq!(events(&router, &token, &format!("after=evt_{account}_2")).await.len(), 0);
    let one = get(&router, &token, &format!("/v1/events/evt_{account}_2")).await;
    assert_eq!(one.json(), told[1]);
}

/// Goal: nobody sees another's events, and nonsense is refused.
#[tokio::test]
async fn events_belong_to_their_account() {
    let world = World::new().await;
    let (caller, token) = world.customer(1_000_000).await;
    let (_, stranger) = world.customer(0).await;
    let router = router(&world);
    assert_eq!(events(&router, &token, "").await.len(), 0);
    send(&router, &token).await;
    assert_eq!(events(&router, &stranger, "").await.len(), 0);
    let id = format!("evt_{}_1", caller.account.id);
    for (token, path, status) in [
        (&token, format!("/v1/events/{id}"), 200),
        (&stranger, format!("/v1/events/{id}"), 404),
        (&token, String::from("/v1/events/evt_x"), 404),
        (&token, String::from("/v1/events?after=x"), 400),
        (&stranger, format!("/v1/events?after={id}"), 400),
        (&token, String::from("/v1/events?limit=101"), 400),
        (&String::new(), String::from("/v1/events"), 401),
    ] {
        assert_eq!(get(&router, token, &path).await.status, status, "{path}");
    }
}

/// A stream that is followed.
struct Followed(Body);

impl Followed {
    async fn begin(router: &Router, token: &str, last: Option<&str>) -> Self {
        let mut request = Request::get("/v1/events")
            .header("Authorization", format!("Bearer {token}"))
            .header("Accept", "text/event-stream");
        if let Some(last) = last {
            request = request.header("Last-Event-ID", last);
        }
        let request = request.body(Body::empty()).unwrap();
        let response = router.clone().oneshot(request).await.unwrap();
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        Self(response.into_body())
    }

    /// The next part; `None` at the end.
    async fn part(&mut self) -> Option<String> {
        let next = poll_fn(|context| Pin::new(&mut self.0).poll_frame(context));
        let frame = tokio::time::timeout(PATIENCE, next).await.expect("the stream goes on")?;
        let data = frame.unwrap().into_data().unwrap();
        Some(String::from_utf8(data.to_vec()).unwrap())
    }

    /// The next event: its id, its type and its data.
    async fn event(&mut self) -> (String, String, Value) {
        loop {
            let part = self.part().await.unwrap();
            let mut lines = part.lines();
            let Some(id) = lines.next().unwrap().strip_prefix("id: ") else { continue };
            let kind = lines.next().unwrap().strip_prefix("event: ").unwrap();
            let data = lines.next().unwrap().strip_prefix("data: ").unwrap();
            assert_eq!((lines.next(), lines.next()), (Some(""), None), "{part}");
            return (id.to_owned(), kind.to_owned(), serde_json::from_str(data).unwrap());
        }
    }
}

/// Goal: a follower is told as it happens, and after a break from where he was.
#[tokio::test]
async fn a_stream_tells_as_it_happens() {
    let world = World::new().await;
    let (_, token) = world.customer(1_000_000).await;
    let router = router(&world);
    events(&router, &token, "").await;
    send(&router, &token).await;
    let mut stream = Followed::begin(&router, &token, None).await;
    assert_eq!(stream.part().await.unwrap(), ": still here\n\n", "the past is not told");
    let id = send(&router, &token).await;
    let (first, kind, data) = stream.event().await;
    assert_eq!((kind.as_str(), &data["id"]), ("message.accepted", &json!(first)));
    assert_eq!(data["data"]["id"], json!(id));
    drop(stream);
    expire(&world, &id).await;
    let mut again = Followed::begin(&router, &token, Some(&first)).await;
    let (last, kind, data) = again.event().await;
    assert_eq!((kind.as_str(), &data["data"]["state"]), ("message.ended", &json!("ended")));
    assert_eq!(events(&router, &token, "").await.last().unwrap()["id"], json!(last));
}

/// Goal: streams are bounded for each account, and end when the process stops.
#[tokio::test]
async fn streams_are_bounded_and_end() {
    let world = World::new().await;
    let (_, token) = world.customer(0).await;
    let stop = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    let told = stop.clone();
    let stopping = move || told.load(std::sync::atomic::Ordering::SeqCst);
    let settings = web::Settings { stopping: std::sync::Arc::new(stopping), ..settings() };
    let router = web::router(world.app.clone(), settings);
    let mut streams = Vec::new();
    for _ in 0..4 {
        streams.push(Followed::begin(&router, &token, None).await);
    }
    let request = Request::get("/v1/events")
        .header("Authorization", format!("Bearer {token}"))
        .header("Accept", "text/event-stream");
    let refused = answer(&router, request.body(Body::empty()).unwrap()).await;
    assert_eq!(refused.json()["code"], "too_many_streams");
    streams.pop();
    streams.push(Followed::begin(&router, &token, None).await);
    stop.store(true, std::sync::atomic::Ordering::SeqCst);
    for mut stream in streams {
        let end = async { while stream.part().await.is_some() {} };
        tokio::time::timeout(Duration::from_secs(10), end).await.expect("the stream ends");
    }
}

/// Goal: an endpoint is made, shown without its secret, given a new one, and forgotten.
#[tokio::test]
async fn the_life_of_an_endpoint() {
    let world = World::new().await;
    let (_, token) = world.customer(0).await;
    let (_, stranger) = world.customer(0).await;
    let router = router(&world);
    let new = json!({ "url": "https://a.example/hook?x=1", "events": ["message.ended"] });
    let made = post(&router, &token, "/v1/webhooks", &new).await;
    assert_eq!(made.status, 201, "{}", made.text());
    let (made, path) =
        (made.json(), format!("/v1/webhooks/{}", made.json()["id"].as_str().unwrap()));
    assert!(made["secret"].as_str().unwrap().starts_with("whsec_"));
    let found = get(&router, &token, &path).await.json();
    let mut expected = made.clone();
    expected.as_object_mut().unwrap().remove("secret");
    assert_eq!(found, expected);
    assert_eq!(get(&router, &token, "/v1/webhooks").await.json()["data"], json!([found]));
    let rotated = post(&router, &token, &format!("{path}/secret"), &Value::Null).await.json();
    assert_ne!(rotated["secret"], made["secret"]);
    let enabled = post(&router, &token, &format!("{path}/enable"), &Value::Null).await.json();
    assert_eq!(enabled, found);
    let tested = post(&router, &token, &format!("{path}/test"), &Value::Null).await;
    assert_eq!(tested.status, 202);
    let event = tested.json()["event_id"].clone();
    let told = events(&router, &token, "").await;
    assert_eq!((types(&told), &told[0]["id"]), (vec!["webhook.test"], &event));
    assert_eq!(told[0]["data"], json!({ "object": "webhook", "id": made["id"] }));
    let again = json!({ "event_id": event });
    let replayed = post(&router, &token, &format!("{path}/replay"), &again).await;
    assert_eq!(replayed.status, 202, "{}", replayed.text());
    let deliveries = get(&router, &token, &format!("{path}/deliveries")).await.json();
    assert_eq!(deliveries["data"][0]["event_id"], event);
    assert_eq!(deliveries["data"][0]["tries"], json!([]));
    for (method, what) in [
        ("GET", ""),
        ("DELETE", ""),
        ("POST", "/secret"),
        ("POST", "/enable"),
        ("POST", "/test"),
        ("POST", "/replay"),
        ("GET", "/deliveries"),
    ] {
        let path = format!("{path}{what}");
        let body = if what == "/replay" { again.clone() } else { Value::Null };
        let refused = ask(&router, &stranger, method, &path, &body).await;
        assert_eq!(refused.status, 404, "{method} {path}: {}", refused.text());
    }
    assert_eq!(ask(&router, &token, "DELETE", &path, &Value::Null).await.status, 204);
    assert_eq!(get(&router, &token, &path).await.status, 404);
}

/// Goal: only addresses that may be called are taken, and a bounded number of them.
#[tokio::test]
async fn endpoints_that_are_refused() {
    let world = World::new().await;
    let (_, token) = world.customer(0).await;
    let router = router(&world);
    let url = |url: &str| json!({ "url": url });
    for (body, code) in [
        (url("http://a.example/"), "webhook_url_not_allowed"),
        (url("https://user@a.example/"), "webhook_url_not_allowed"),
        (url(&format!("https://a.example/{}", "x".repeat(2_000))), "webhook_url_not_allowed"),
        (json!({}), "invalid_request"),
        (json!({ "url": "https://a.example/", "events": ["nonsense"] }), "invalid_request"),
        (json!({ "url": "https://a.example/", "surprise": 1 }), "invalid_request"),
    ] {
        let refused = post(&router, &token, "/v1/webhooks", &body).await;
        assert_eq!(refused.json()["code"], code, "{body}");
    }
    for _ in 0..10 {
        let made = post(&router, &token, "/v1/webhooks", &url("https://a.example/")).await;
        assert_eq!(made.status, 201);
    }
    let refused = post(&router, &token, "/v1/webhooks", &url("https://a.example/")).await;
    assert_eq!(refused.json()["code"], "too_many_webhooks");
}
