//! What an operator's tools ask.

use std::sync::Arc;

use axum::body::Body;
use axum::http::{Request, StatusCode};

use crate::client::{answer, router, settings};
use crate::world::World;

fn get(path: &str) -> Request<Body> {
    Request::get(path).body(Body::empty()).unwrap()
}

#[tokio::test]
async fn a_node_is_alive_ready_and_counted() {
    let world = World::new().await;
    let router = router(&world);
    for (path, expected) in
        [("/healthz", "ok\n"), ("/readyz", "ready\n"), ("/metrics", "calls_total 7\n")]
    {
        let answered = answer(&router, get(path)).await;
        assert_eq!((answered.status, answered.text()), (StatusCode::OK, expected));
    }
    let front = answer(&router, get("/")).await;
    assert!(front.text().contains("docs/API.md"));
}

#[tokio::test]
async fn a_node_that_does_not_lead_says_so() {
    let world = World::new().await;
    let readiness = Arc::new(|| Err(String::from("another node leads")));
    let router = web::router(world.app.clone(), web::Settings { readiness, ..settings() });
    let answered = answer(&router, get("/readyz")).await;
    assert_eq!(answered.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(answered.text(), "another node leads\n");
}

#[tokio::test]
async fn a_node_whose_database_is_gone_is_not_ready() {
    let world = World::new().await;
    let router = router(&world);
    world.close_database().await;
    let answered = answer(&router, get("/readyz")).await;
    assert_eq!(answered.status, StatusCode::SERVICE_UNAVAILABLE);
    let answered = answer(&router, get("/Rest/AccountStatus?Token=x")).await;
    assert_eq!(answered.json()["Result"], -20);
    assert!(answered.headers.contains_key("x-reference"));
    assert_eq!(answer(&router, get("/healthz")).await.status, StatusCode::OK);
}
