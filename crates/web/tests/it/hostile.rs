//! Requests that no client of the vendor's would send.

use std::sync::Arc;

use axum::body::Body;
use axum::http::{Method, Request, StatusCode};

use crate::client::{answer, post, router, settings};
use crate::rest::TEXT;
use crate::world::{PATIENCE, World};

fn request(method: Method, path: &str, body: impl Into<Body>) -> Request<Body> {
    Request::builder().method(method).uri(path).body(body.into()).unwrap()
}

#[tokio::test]
async fn http_itself_refuses_what_is_no_method() {
    let world = World::new().await;
    let router = router(&world);
    let cases = [
        (Method::GET, "/Rest/Nothing", StatusCode::NOT_FOUND),
        (Method::GET, "/Rest/", StatusCode::NOT_FOUND),
        (Method::GET, "/Rest/QuickSend/1", StatusCode::NOT_FOUND),
        (Method::GET, "/other", StatusCode::NOT_FOUND),
        (Method::HEAD, "/Rest/QuickSend", StatusCode::METHOD_NOT_ALLOWED),
        (Method::PUT, "/Rest/QuickSend", StatusCode::METHOD_NOT_ALLOWED),
        (Method::DELETE, "/Rest/DeleteMessage", StatusCode::METHOD_NOT_ALLOWED),
    ];
    for (method, path, expected) in cases {
        let answered = answer(&router, request(method, path, Body::empty())).await;
        assert_eq!(answered.status, expected, "{path}");
    }
    let mut multipart = request(Method::POST, "/Rest/QuickSend", "--x--");
    let media_type = "Multipart/form-data; boundary=x".parse().unwrap();
    multipart.headers_mut().insert("content-type", media_type);
    let answered = answer(&router, multipart).await;
    assert_eq!(answered.status, StatusCode::UNSUPPORTED_MEDIA_TYPE);
}

#[tokio::test]
async fn nonsense_in_the_body_is_a_request_without_parameters() {
    let world = World::new().await;
    let (_, token) = world.customer(1000).await;
    let router = router(&world);
    let deep = format!("{{\"Number\":{}", "[".repeat(200_000));
    let wide = format!("{{{}\"Number\":\"09121234567\"}}", "\"a\":1,".repeat(50_000));
    let bodies: [Vec<u8>; 7] = [
        deep.into_bytes(),
        wide.into_bytes(),
        b"Number=%ff%fe&MessageID=%00".to_vec(),
        vec![0xff; 100_000],
        b"{\"Number\":1e400}".to_vec(),
        b"&&&&====&&&%%%".to_vec(),
        b"Number=".repeat(1000),
    ];
    for body in bodies {
        let mut request = request(Method::POST, "/Rest/QuickSend", Body::empty());
        request.headers_mut().insert("authorization", token.parse().unwrap());
        request.headers_mut().insert("content-length", body.len().into());
        *request.body_mut() = Body::from(body);
        let answered = answer(&router, request).await;
        assert_eq!(answered.status, StatusCode::OK);
        assert!(answered.json()["QuickSendID"].as_i64().unwrap() < 0, "{}", answered.text());
    }
}

#[tokio::test]
async fn bodies_have_a_limit_each_and_together() {
    let world = World::new().await;
    let (_, token) = world.customer(1000).await;
    let small = web::Settings { body_bytes_max: 1000, bodies_bytes_max: 2048, ..settings() };
    let router = web::router(world.app.clone(), small);
    let send = async |length: Option<&str>, chunked: bool, body: Vec<u8>| {
        let mut request = request(Method::POST, "/Rest/AccountStatus", body);
        request.headers_mut().insert("authorization", token.parse().unwrap());
        if let Some(length) = length {
            request.headers_mut().insert("content-length", length.parse().unwrap());
        }
        if chunked {
            request.headers_mut().insert("transfer-encoding", "chunked".parse().unwrap());
        }
        answer(&router, request).await.status
    };
    assert_eq!(send(Some("1000"), false, vec![b'a'; 1000]).await, StatusCode::OK);
    assert_eq!(send(Some("1001"), false, vec![b'a'; 1001]).await, StatusCode::PAYLOAD_TOO_LARGE);
    assert_eq!(send(None, true, vec![b'a'; 1001]).await, StatusCode::PAYLOAD_TOO_LARGE);
    let absurd = "99999999999999999999999";
    assert_eq!(send(Some(absurd), false, Vec::new()).await, StatusCode::PAYLOAD_TOO_LARGE);

    let none = web::Settings { bodies_bytes_max: 1024, body_bytes_max: 4096, ..settings() };
    let router = web::router(world.app.clone(), none);
    let mut request = request(Method::POST, "/Rest/AccountStatus", vec![b'a'; 2000]);
    request.headers_mut().insert("authorization", token.parse().unwrap());
    request.headers_mut().insert("content-length", 2000.into());
    let answered = answer(&router, request).await;
    assert_eq!(answered.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(answered.headers["retry-after"], "1");
}

#[tokio::test]
async fn a_stranger_is_refused_before_the_body_is_read() {
    let world = World::new().await;
    let router = router(&world);
    let mut request = request(Method::POST, "/Rest/UploadMessageBase64", Body::empty());
    request.headers_mut().insert("authorization", "stranger".parse().unwrap());
    request.headers_mut().insert("content-length", "999999999".parse().unwrap());
    let answered = answer(&router, request).await;
    assert_eq!((answered.status, &answered.json()["Id"]), (StatusCode::OK, &(-201).into()));
}

#[tokio::test]
async fn one_request_too_many_is_told_to_come_back() {
    let world = World::new().await;
    let none = web::Settings { requests_max: 0, ..settings() };
    let router = web::router(world.app.clone(), none);
    let answered = post(&router, "x", "AccountStatus", &[]).await;
    assert_eq!(answered.status, StatusCode::SERVICE_UNAVAILABLE);
    for open in ["/", "/feed.atom"] {
        let answered = answer(&router, request(Method::GET, open, Body::empty())).await;
        assert_eq!(answered.status, StatusCode::SERVICE_UNAVAILABLE, "{open}");
    }
    let probe = answer(&router, request(Method::GET, "/healthz", Body::empty())).await;
    assert_eq!(probe.status, StatusCode::OK, "probes always have a place");
}

#[tokio::test]
async fn of_two_values_the_first_counts_and_the_body_before_the_query() {
    let world = World::new().await;
    let (caller, token) = world.customer(1000).await;
    world.message(&caller, 4000).await;
    let router = router(&world);
    let body = "number=09121234567&Number=1&MESSAGEID=1";
    let mut request = request(Method::POST, "/Rest/QuickSend?messageid=77&Number=2", body);
    request.headers_mut().insert("authorization", token.parse().unwrap());
    request.headers_mut().insert("content-length", body.len().into());
    assert_eq!(answer(&router, request).await.json()["QuickSendID"], 1);
}

#[tokio::test]
async fn a_burst_of_speech_leaves_room_for_the_others() {
    let world = World::new().await;
    let (caller, token) = world.customer(1000).await;
    world.message(&caller, 4000).await;
    let router =
        web::router(world.app.clone(), web::Settings { heavy_requests_max: 1, ..settings() });
    let pause = Arc::new(tokio::sync::Notify::new());
    *world.voice.pause.lock().unwrap() = Some(pause.clone());
    let speaking = {
        let (router, token) = (router.clone(), token.clone());
        tokio::spawn(async move { post(&router, &token, "GenerateTTS", &[("Text", TEXT)]).await })
    };
    tokio::time::timeout(PATIENCE, world.voice.bell.notified()).await.unwrap();
    for heavy in ["GenerateTTS", "QuickSendWithTTS", "UploadMessageBase64"] {
        let refused = post(&router, &token, heavy, &[("Text", TEXT)]).await;
        assert_eq!(refused.status, StatusCode::SERVICE_UNAVAILABLE, "{heavy}");
        assert_eq!(refused.headers["retry-after"], "1");
    }
    let form = [("MessageID", "1"), ("Number", "09121234567")];
    assert_eq!(post(&router, &token, "QuickSend", &form).await.json()["QuickSendID"], 1);
    let found = post(&router, &token, "GetQuickSend", &[("QuickSendID", "1")]).await;
    assert_eq!(found.json()["reason"], 0);
    pause.notify_one();
    let spoken = tokio::time::timeout(PATIENCE, speaking).await.unwrap().unwrap();
    assert_eq!(spoken.json()["Id"], 2);
    let again = post(&router, &token, "GenerateTTS", &[("Text", TEXT)]).await;
    assert_eq!(again.json()["Id"], 3, "the place is free again");
}
