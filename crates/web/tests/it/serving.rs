//! The accept loop over real sockets: rude clients, and a gentle end.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::client::router;
use crate::world::{PATIENCE, World};

async fn serving(world: &World) -> (SocketAddr, oneshot::Sender<()>, JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = oneshot::channel();
    let shutdown = async {
        let _ = stopped.await;
    };
    (address, stop, tokio::spawn(web::serve(listener, router(world), shutdown)))
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
