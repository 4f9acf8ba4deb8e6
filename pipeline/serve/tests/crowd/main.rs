//! Five thousand sockets that drip a head and never end it: everybody else is answered as before. A process of its own,
//! for its own file descriptors.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "helpers of tests are tests")]

#[allow(dead_code, reason = "shared with the other tests")]
#[path = "../http/common.rs"]
mod common;

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use shoptide_serve::{CONNECTIONS_MAX, serve};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::common::Shop;

const SOCKETS: usize = 5_000;
/// Requests of others, one after the other.
const PROBES: usize = 200;
/// After so many sockets an attacker sees that the server has come as far as him. Faster than any server accepts, he
/// would fill the kernel's queue, whose overflow costs everybody a second; that is another attack.
const PACE: usize = 100;
/// No single answer may take longer, however crowded the machine that runs this.
const ANSWER_MAX: Duration = Duration::from_secs(2);
/// Twice the undisturbed p99 is the bar; below this, it is the machine's noise that is measured.
const NOISE: Duration = Duration::from_millis(50);

/// Both ends of each socket are in this process.
fn allow_open_files(wanted: u64) {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    if current.is_none_or(|current| wanted <= current) {
        return;
    }
    let hard = maximum.map(|maximum| maximum.max(wanted));
    let raised = setrlimit(Resource::Nofile, Rlimit { current: Some(wanted), maximum: hard });
    raised.or_else(|_| setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum })).unwrap();
    let now = getrlimit(Resource::Nofile).current;
    assert!(now.is_none_or(|now| wanted <= now), "{now:?} files may be open, this test needs {wanted}");
}

/// Time to connect, ask and be answered.
async fn probe(address: SocketAddr) -> Duration {
    let began = Instant::now();
    let asked = async {
        let mut socket = TcpStream::connect(address).await.unwrap();
        let request = b"GET /v1/trending?n=3 HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
        socket.write_all(request).await.unwrap();
        let mut answer = Vec::new();
        socket.read_to_end(&mut answer).await.unwrap();
        assert!(answer.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&answer));
    };
    tokio::time::timeout(ANSWER_MAX, asked).await.expect("somebody else is kept waiting");
    began.elapsed()
}

async fn p99(address: SocketAddr) -> Duration {
    let mut times = Vec::with_capacity(PROBES);
    for _ in 0..PROBES {
        times.push(probe(address).await);
    }
    times.sort_unstable();
    times[PROBES * 99 / 100]
}

async fn dripping(address: SocketAddr) -> Vec<TcpStream> {
    let mut sockets = Vec::with_capacity(SOCKETS);
    for n in 1..=SOCKETS {
        let mut socket = TcpStream::connect(address).await.unwrap();
        // The server may have shut the door already.
        socket.write_all(b"GET /live HTTP/1.1\r\nhost: ").await.ok();
        sockets.push(socket);
        if n.is_multiple_of(PACE) {
            probe(address).await;
        }
    }
    sockets
}

fn open(sockets: &[TcpStream]) -> usize {
    let closed = |socket: &TcpStream| !matches!(socket.try_read(&mut [0; 16]), Err(e) if e.kind() == std::io::ErrorKind::WouldBlock);
    sockets.iter().filter(|socket| !closed(socket)).count()
}

/// With a seat for each of them, and with the seats there are.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn others_are_answered_beside_five_thousand_dripping_sockets() {
    allow_open_files(3 * SOCKETS as u64 + 1_000);
    for seats in [SOCKETS + 100, CONNECTIONS_MAX] {
        let shop = Shop::with(|options| {
            options.connections_max = seats;
            // Their patience does not help here.
            options.header_timeout = Duration::from_secs(300);
            options.drain = Duration::from_millis(10);
        })
        .await;
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        let server = tokio::spawn(serve(listener, shop.context.clone(), async { drop(stopped.await) }));
        let before = p99(address).await;
        let began = Instant::now();
        let mut sockets = dripping(address).await;
        let came = began.elapsed();
        let during = p99(address).await;
        println!(
            "{seats} seats: p99 {before:?}, beside {SOCKETS} sockets (connected in {came:?}) {during:?}"
        );
        assert!(during <= (2 * before).max(NOISE), "{before:?} became {during:?}");
        // And while they keep coming.
        let more = tokio::spawn(dripping(address));
        let meanwhile = p99(address).await;
        sockets.extend(more.await.unwrap());
        let left = open(&sockets);
        println!("p99 {meanwhile:?} while they came; {left} of {} sockets are still open", sockets.len());
        assert!(left <= seats, "{left} connections, expected at most {seats}");
        drop(sockets);
        drop(stop);
        server.await.unwrap().unwrap();
    }
}
