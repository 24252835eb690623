//! A client without sockets: requests go straight into the router.

use std::fmt::Write;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{HeaderMap, Request, StatusCode};
use serde_json::Value;
use tower::ServiceExt;
use web::Settings;

use crate::world::World;

/// What came back.
#[derive(Debug, Clone)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }
}

pub fn settings() -> Settings {
    Settings {
        body_bytes_max: 1024 * 1024,
        bodies_bytes_max: 8 * 1024 * 1024,
        requests_max: 100,
        heavy_requests_max: 100,
        support_phone: Some(String::from("021-9100")),
        trusted_proxies: Vec::new(),
        body_timeout: Duration::from_secs(5),
        readiness: Arc::new(|| Ok(())),
        remark: Arc::new(|| None),
        stopping: Arc::new(|| false),
        metrics: Arc::new(|| String::from("calls_total 7\n")),
    }
}

pub fn router(world: &World) -> Router {
    web::router(world.app.clone(), settings())
}

pub async fn answer(router: &Router, request: Request<Body>) -> Answer {
    let response = router.clone().oneshot(request).await.unwrap();
    let (head, body) = response.into_parts();
    let body = to_bytes(body, usize::MAX).await.unwrap().to_vec();
    if let Ok(told) = serde_json::from_slice(&body) {
        in_both_languages(&told);
    }
    Answer { status: head.status, headers: head.headers, body }
}

/// Each problem of an answer, wherever it stands in it, says everything in Persian, too.
fn in_both_languages(told: &Value) {
    let persian = |text: &Value| {
        text.as_str().is_some_and(|text| text.chars().any(|c| ('\u{600}'..='\u{6ff}').contains(&c)))
    };
    match told {
        Value::Array(all) => all.iter().for_each(in_both_languages),
        Value::Object(fields) => {
            if told["title"].is_string() && told["fix"].is_string() {
                assert!(persian(&told["title_fa"]) && persian(&told["fix_fa"]), "{told}");
                let (en, fa) = (told.get("detail"), told.get("detail_fa"));
                assert_eq!(en.is_some(), fa.is_some_and(persian), "{told}");
            }
            fields.values().for_each(in_both_languages);
        }
        _ => {}
    }
}

/// POST of a form with the token in the header, as most clients do it.
pub async fn post(router: &Router, token: &str, method: &str, form: &[(&str, &str)]) -> Answer {
    let request = Request::post(format!("/Rest/{method}"))
        .header("Authorization", token)
        .header("Content-Type", "application/x-www-form-urlencoded")
        .header("Content-Length", encoded(form).len())
        .body(Body::from(encoded(form)))
        .unwrap();
    answer(router, request).await
}

/// GET with everything in the query, as the vendor's PHP samples do it.
pub async fn get(router: &Router, token: &str, method: &str, query: &[(&str, &str)]) -> Answer {
    let query = encoded(&[query, &[("Token", token)]].concat());
    let request = Request::get(format!("/rest/{method}?{query}")).body(Body::empty()).unwrap();
    answer(router, request).await
}

/// A request to the modern API; without a body when that is null.
pub async fn v1(
    router: &Router,
    token: &str,
    method: &str,
    path: &str,
    key: Option<&str>,
    body: &Value,
) -> Answer {
    let body = if body.is_null() { String::new() } else { body.to_string() };
    let mut request = Request::builder()
        .method(method)
        .uri(path)
        .header("Authorization", format!("Bearer {token}"))
        .header("Content-Type", "application/json")
        .header("Content-Length", body.len());
    if let Some(key) = key {
        request = request.header("Idempotency-Key", key);
    }
    answer(router, request.body(Body::from(body)).unwrap()).await
}

/// Form encoding, everything but letters and digits escaped.
pub fn encoded(form: &[(&str, &str)]) -> String {
    let mut text = String::new();
    for (name, value) in form {
        if !text.is_empty() {
            text.push('&');
        }
        text.push_str(name);
        text.push('=');
        for byte in value.bytes() {
            if byte.is_ascii_alphanumeric() {
                text.push(char::from(byte));
            } else {
                write!(text, "%{byte:02X}").unwrap();
            }
        }
    }
    text
}
