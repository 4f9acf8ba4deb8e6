//! Real sockets: slow and idle clients, framing that lies, a stop under load.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use shoptide_serve::{ServeError, serve};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::common::{Shop, view};

pub struct Server {
    address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    served: JoinHandle<Result<(), ServeError>>,
}

impl Server {
    pub async fn of(shop: &Shop) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel::<()>();
        let shutdown = async move { drop(stopped.await) };
        let served = tokio::spawn(serve(listener, shop.context.clone(), shutdown));
        Self { address, stop: Some(stop), served }
    }

    pub async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    pub async fn stop(mut self) -> Duration {
        let began = Instant::now();
        drop(self.stop.take());
        (&mut self.served).await.unwrap().unwrap();
        began.elapsed()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.served.abort();
    }
}

/// Sends bytes and reads until the server closes, at most ten seconds.
async fn raw(server: &Server, bytes: &[u8]) -> String {
    let mut socket = server.connect().await;
    socket.write_all(bytes).await.unwrap();
    ended(&mut socket).await
}

async fn ended(socket: &mut TcpStream) -> String {
    let mut read = Vec::new();
    let closed = tokio::time::timeout(Duration::from_secs(10), socket.read_to_end(&mut read)).await;
    closed.expect("the server closes the connection").ok();
    String::from_utf8_lossy(&read).into_owned()
}

fn post(headers: &str, body: &str) -> Vec<u8> {
    let head =
        "POST /v1/events HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-type: application/json\r\n";
    format!("{head}{headers}\r\n{body}").into_bytes()
}

#[tokio::test]
async fn framing_is_not_believed_twice() {
    let shop = Shop::with(|options| options.body_timeout = Duration::from_millis(300)).await;
    let server = Server::of(&shop).await;
    let event = view("e", "u", "i").to_string();
    let good = raw(&server, &post(&format!("content-length: {}\r\n", event.len()), &event)).await;
    assert!(good.starts_with("HTTP/1.1 200"), "{good}");
    // A body shorter than it says, and the client gone or silent.
    let cut = raw(&server, &post("content-length: 400\r\n", &event)).await;
    assert!(cut.starts_with("HTTP/1.1 408"), "{cut}");
    let chunk = format!("{:x}\r\n{event}\r\n0\r\n\r\n", event.len());
    let chunked = raw(&server, &post("transfer-encoding: chunked\r\n", &chunk)).await;
    assert!(chunked.starts_with("HTTP/1.1 200"), "{chunked}");
    // Both: the chunks decide where the request ends, as RFC 9112 (6.3) asks, and the connection ends with it, so that
    // nothing behind it can pass for a second request.
    for both in
        ["content-length: 5\r\ntransfer-encoding: chunked", "transfer-encoding: chunked\r\ncontent-length: 5"]
    {
        let head = "POST /v1/events HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n";
        let smuggled = "GET /live HTTP/1.1\r\nhost: x\r\n\r\n";
        let answer = raw(&server, format!("{head}{both}\r\n\r\n{chunk}{smuggled}").as_bytes()).await;
        assert!(answer.starts_with("HTTP/1.1 200") && answer.contains("connection: close"), "{answer}");
        assert_eq!(answer.matches("HTTP/1.1").count(), 1, "{answer}");
    }
    for bad in [
        post("transfer-encoding: chunked\r\n", "zz\r\n"),
        post("transfer-encoding: chunked, gzip\r\n", &chunk),
        post("content-length: 5\r\ncontent-length: 6\r\n", "12345"),
        post("content-length: -1\r\n", ""),
        b"nonsense\r\n\r\n".to_vec(),
        b"GET / HTTP/9.9\r\n\r\n".to_vec(),
    ] {
        let answer = raw(&server, &bad).await;
        assert!(answer.starts_with("HTTP/1.1 4"), "{:?} {answer}", String::from_utf8_lossy(&bad));
    }
    // The rest of a huge head may meet a closed socket; what counts is that it is not served.
    let huge = format!("GET /live HTTP/1.1\r\nhost: x\r\nx: {}\r\n\r\n", "y".repeat(1_000_000));
    let mut socket = server.connect().await;
    socket.write_all(huge.as_bytes()).await.ok();
    let answer = ended(&mut socket).await;
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 431"), "{answer}");
    assert_eq!(shop.logged().await, 4);
    server.stop().await;
}

#[tokio::test]
async fn a_head_that_does_not_come_costs_its_connection() {
    let shop = Shop::with(|options| options.header_timeout = Duration::from_millis(200)).await;
    let server = Server::of(&shop).await;
    let mut silent = server.connect().await;
    let mut half = server.connect().await;
    half.write_all(b"GET /live HTTP/1.1\r\nhost: ").await.unwrap();
    let mut kept = server.connect().await;
    kept.write_all(b"GET /live HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    assert!(!ended(&mut half).await.contains("200 OK"));
    assert_eq!(ended(&mut silent).await, "");
    assert!(ended(&mut kept).await.contains("{\"status\":\"live\"}"));
    server.stop().await;
}

#[tokio::test]
async fn idle_sockets_keep_nobody_out_for_longer_than_their_patience() {
    let shop = Shop::with(|options| {
        options.header_timeout = Duration::from_millis(300);
        options.connections_max = 64;
    })
    .await;
    let server = Server::of(&shop).await;
    // Three times as many as there is room for: the rest waits in the kernel and gets its turn.
    let mut idle = Vec::new();
    for _ in 0..192 {
        idle.push(server.connect().await);
    }
    let answer = raw(&server, b"GET /live HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    drop(idle);
    server.stop().await;
}

#[tokio::test]
async fn one_connection_carries_many_requests() {
    let shop = Shop::new().await;
    let server = Server::of(&shop).await;
    let mut socket = server.connect().await;
    let mut buffer = vec![0; 4096];
    for _ in 0..20 {
        socket.write_all(b"GET /live HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
        let n = socket.read(&mut buffer).await.unwrap();
        assert!(buffer[..n].starts_with(b"HTTP/1.1 200"));
    }
    server.stop().await;
}

#[tokio::test]
async fn a_stop_lets_open_requests_end_and_waits_for_nobody_else() {
    let shop = Shop::with(|options| options.drain = Duration::from_secs(2)).await;
    let server = Server::of(&shop).await;
    let idle = server.connect().await;
    let event = view("e", "u", "i").to_string();
    let mut open = server.connect().await;
    shop.log.stall(true);
    open.write_all(&post(&format!("content-length: {}\r\n", event.len()), &event)).await.unwrap();
    // The request is in the handler once its answer is all that is missing: the body is read, the log is stalled.
    let text = async {
        loop {
            let metrics = shop.live.metrics().text();
            if metrics.contains("POST /v1/events") {
                break;
            }
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(5), text).await.unwrap();
    tokio::time::sleep(Duration::from_millis(100)).await;
    let address = server.address;
    let stopping = tokio::spawn(server.stop());
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert!(TcpStream::connect(address).await.is_err(), "no new connections");
    shop.log.stall(false);
    assert!(ended(&mut open).await.starts_with("HTTP/1.1 200"));
    let took = stopping.await.unwrap();
    assert!(took < Duration::from_secs(2), "{took:?}");
    drop(idle);
    assert_eq!(shop.logged().await, 1);
}

#[tokio::test]
async fn a_stop_ends_even_if_a_client_does_not() {
    let shop = Shop::with(|options| options.drain = Duration::from_millis(300)).await;
    let server = Server::of(&shop).await;
    let mut stuck = server.connect().await;
    stuck.write_all(&post("content-length: 400\r\n", "{")).await.unwrap();
    let mut probe = server.connect().await;
    probe.write_all(b"GET /live HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await.unwrap();
    assert!(ended(&mut probe).await.starts_with("HTTP/1.1 200"));
    let took = server.stop().await;
    assert!(took < Duration::from_secs(2), "{took:?}");
}
