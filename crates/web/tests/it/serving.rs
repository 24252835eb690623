//! The accept loop over real sockets: rude clients, and a gentle end.

use std::net::SocketAddr;
use std::time::Duration;

use app::account::{AccessChange, change_access};
use axum::Router;
use domain::Network;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::client::{router, settings};
use crate::world::{PATIENCE, World};

async fn serving(world: &World) -> (SocketAddr, oneshot::Sender<()>, JoinHandle<()>) {
    serving_with(router(world), 100).await
}

async fn serving_with(
    router: Router,
    connections_max: usize,
) -> (SocketAddr, oneshot::Sender<()>, JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = oneshot::channel();
    let shutdown = async {
        let _ = stopped.await;
    };
    (address, stop, tokio::spawn(web::serve(listener, router, connections_max, shutdown)))
}

/// Everything the server says until it closes.
async fn told(address: SocketAddr, request: &[u8]) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(request).await.unwrap();
    let mut told = Vec::new();
    let read = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut told)).await.unwrap();
    // A reset after the answer is an end too.
    let _ = read;
    String::from_utf8_lossy(&told).into_owned()
}

#[tokio::test]
async fn requests_are_answered_over_sockets() {
    let world = World::new().await;
    let (_, token) = world.customer(7).await;
    let (address, _stop, _server) = serving(&world).await;
    let request = format!(
        "POST /Rest/AccountStatus HTTP/1.1\r\nHost: x\r\nAuthorization: {token}\r\n\
         Connection: close\r\nContent-Length: 0\r\n\r\n"
    );
    let answered = told(address, request.as_bytes()).await;
    assert!(answered.starts_with("HTTP/1.1 200"), "{answered}");
    assert!(answered.contains("\"RemaindCredit\":7"), "{answered}");
}

/// Goal: whoever is answered before the request was read is told that the connection closes, by
/// every service and refusal; whoever was read may go on.
#[tokio::test]
async fn what_nobody_read_closes_the_connection_and_that_is_said() {
    let world = World::new().await;
    let (_, token) = world.customer(7).await;
    let (address, _stop, _server) = serving(&world).await;
    let post = |path: &str, token: &str, length: usize| {
        format!(
            "POST {path} HTTP/1.1\r\nHost: x\r\nAuthorization: {token}\r\n\
             Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n{{"
        )
    };
    // More than anything takes, and a token that is none.
    for (path, token, length) in [
        ("/Rest/AccountStatus", "nobody", 100),
        ("/v1/messages", "nobody", 100),
        ("/v1/messages", &*token, usize::MAX / 2),
        ("/nowhere", &*token, 100),
    ] {
        let answered = told(address, post(path, token, length).as_bytes()).await;
        assert!(
            answered.starts_with("HTTP/1.1 4") || answered.starts_with("HTTP/1.1 2"),
            "{answered}"
        );
        assert!(answered.contains("\r\nconnection: close\r\n"), "{path}: {answered}");
    }
    let mut stream = TcpStream::connect(address).await.unwrap();
    for _ in 0..2 {
        stream.write_all(&post("/v1/messages", &token, 1).into_bytes()).await.unwrap();
        let mut answer = vec![0; 4_096];
        let length = tokio::time::timeout(PATIENCE, stream.read(&mut answer)).await.unwrap();
        let answer = String::from_utf8_lossy(&answer[..length.unwrap()]).into_owned();
        assert!(answer.starts_with("HTTP/1.1 4") && !answer.contains("connection:"), "{answer}");
    }
}

#[tokio::test]
async fn rude_clients_get_a_short_answer() {
    let world = World::new().await;
    let (address, _stop, _server) = serving(&world).await;
    let many = format!("GET / HTTP/1.1\r\n{}\r\n", "a: b\r\n".repeat(500));
    let wide = format!("GET / HTTP/1.1\r\na: {}\r\n\r\n", "b".repeat(100_000));
    let garbage = "\u{1}\u{2}\u{3} nothing\r\n\r\n";
    for request in [many.as_str(), &wide, garbage] {
        let answered = told(address, request.as_bytes()).await;
        assert!(answered.is_empty() || answered.starts_with("HTTP/1.1 4"), "{answered}");
    }
}

#[tokio::test]
async fn a_stop_ends_idle_connections_at_once() {
    let world = World::new().await;
    let (address, stop, server) = serving(&world).await;
    let mut idle = TcpStream::connect(address).await.unwrap();
    idle.write_all(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    let mut answer = [0; 15];
    idle.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"HTTP/1.1 200 OK");
    stop.send(()).unwrap();
    tokio::time::timeout(Duration::from_secs(5), server).await.expect("it ends").unwrap();
    assert!(TcpStream::connect(address).await.is_err(), "nobody listens any more");
}

/// An account that must come by HTTPS from one network, through a proxy that the operator lists;
/// what anyone else writes in the same headers counts for nothing.
#[tokio::test]
async fn only_a_trusted_proxy_is_believed() {
    let world = World::new().await;
    let (caller, token) = world.customer(7).await;
    let ask = async |address, headers: &str| {
        let request = format!(
            "GET /Rest/AccountStatus HTTP/1.1\r\nHost: x\r\nAuthorization: {token}\r\n\
             {headers}Connection: close\r\n\r\n"
        );
        let answered = told(address, request.as_bytes()).await;
        let (_, body) = answered.split_once("\r\n\r\n").unwrap();
        let answered: serde_json::Value = serde_json::from_str(body).unwrap();
        answered["Result"].as_i64().unwrap_or(0)
    };
    let lies = "X-Forwarded-For: 192.0.2.7\r\nX-Forwarded-Proto: https\r\n";
    let elsewhere = "X-Forwarded-For: 192.0.2.7, 198.51.100.1\r\nX-Forwarded-Proto: https\r\n";
    let plain = "X-Forwarded-For: 192.0.2.7\r\nX-Forwarded-Proto: http\r\n";
    let networks = Some(vec![Network::parse("192.0.2.0/24").unwrap()]);
    let change = AccessChange { https_only: Some(true), networks, ..AccessChange::default() };
    change_access(&world.app, caller.account.id, change).await.unwrap();

    let (open, _stop, _server) = serving(&world).await;
    assert_eq!(ask(open, lies).await, -109);

    let trusted_proxies = vec![Network::parse("127.0.0.1").unwrap()];
    let router = web::router(world.app.clone(), web::Settings { trusted_proxies, ..settings() });
    let (behind, _stop_too, _server_too) = serving_with(router, 100).await;
    assert_eq!(ask(behind, lies).await, 0);
    assert_eq!(ask(behind, plain).await, -109);
    assert_eq!(ask(behind, elsewhere).await, -107);
    assert_eq!(ask(behind, "X-Forwarded-Proto: https\r\n").await, -107);

    let change = AccessChange { https_only: Some(false), ..AccessChange::default() };
    change_access(&world.app, caller.account.id, change).await.unwrap();
    assert_eq!(ask(open, lies).await, -107, "the address is the connection's");
    let here = Some(vec![Network::parse("127.0.0.0/8").unwrap()]);
    let change = AccessChange { networks: here, ..AccessChange::default() };
    change_access(&world.app, caller.account.id, change).await.unwrap();
    assert_eq!(ask(open, lies).await, 0);
}

/// A flood of connections takes the places that it is given and nothing else; when they go, the
/// next is served.
#[tokio::test]
async fn connections_beyond_the_limit_wait() {
    let world = World::new().await;
    let (address, _stop, _server) = serving_with(router(&world), 2).await;
    let request = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n";
    let mut answer = [0; 15];
    let mut flood = Vec::new();
    for _ in 0..2 {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(request).await.unwrap();
        stream.read_exact(&mut answer).await.unwrap();
        flood.push(stream);
    }
    let mut third = TcpStream::connect(address).await.unwrap();
    third.write_all(request).await.unwrap();
    let early = tokio::time::timeout(Duration::from_millis(200), third.read_exact(&mut answer));
    assert!(early.await.is_err(), "there is no place for it yet");
    flood.pop();
    tokio::time::timeout(PATIENCE, third.read_exact(&mut answer)).await.unwrap().unwrap();
    assert_eq!(&answer, b"HTTP/1.1 200 OK");
}
