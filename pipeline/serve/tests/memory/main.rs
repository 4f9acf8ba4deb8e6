//! What bombs and huge bodies cost in memory. A process of its own, so that what it measures is theirs.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "helpers of tests are tests")]

#[allow(dead_code, reason = "shared with the other tests")]
#[path = "../http/common.rs"]
mod common;

use std::fmt::Write as _;
use std::io::Write as _;
use std::net::SocketAddr;

use axum::body::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use futures::future::join_all;
use shoptide_serve::serve;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::common::Shop;

const GROWTH_KIB_MAX: u64 = 32 * 1024;
/// In each, one body of each kind, all at a time.
const ROUNDS: usize = 40;
const MIB: usize = 1024 * 1024;

/// `VmRSS` or `VmHWM`; `None` where there is no such file.
fn kib(of: &str) -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix(of)?.strip_prefix(':'))?;
    line.trim().strip_suffix(" kB")?.parse().ok()
}

/// Nothing but blanks, a thousand to one.
fn bomb(mib: usize) -> Vec<u8> {
    let mut packed = GzEncoder::new(Vec::new(), Compression::best());
    let blanks = vec![b' '; MIB];
    for _ in 0..mib {
        packed.write_all(&blanks).unwrap();
    }
    packed.finish().unwrap()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut packed = GzEncoder::new(Vec::new(), Compression::best());
    packed.write_all(bytes).unwrap();
    packed.finish().unwrap()
}

fn post(encoding: &str, body: &[u8]) -> Bytes {
    let head =
        "POST /v1/events HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-type: application/json\r\n";
    let head = format!("{head}{encoding}content-length: {}\r\n\r\n", body.len());
    [head.as_bytes(), body].concat().into()
}

async fn status(address: SocketAddr, request: Bytes) -> u16 {
    let mut socket = TcpStream::connect(address).await.unwrap();
    // What is refused by its length is refused before it is sent whole.
    socket.write_all(&request).await.ok();
    let mut answer = [0; 12];
    socket.read_exact(&mut answer).await.unwrap();
    std::str::from_utf8(&answer[9..]).unwrap().parse().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn bombs_and_huge_bodies_cost_no_more_than_they_may() {
    let text = "x".repeat(MIB);
    let long = format!(r#"{{"event_id":"{text}","type":"view_item"}}"#);
    let deep = "[".repeat(MIB);
    let mut keys = "{".to_owned();
    for n in 0..100_000 {
        write!(keys, r#""key{n}":0,"#).unwrap();
    }
    keys.push_str(r#""last":0}"#);
    let batch = format!("[{}]", vec![r#"{"event_id":1}"#; 60_000].join(","));
    let gz = "content-encoding: gzip\r\n";
    let bodies = [
        post(gz, &bomb(256)),
        post(gz, &gzip(&bomb(256))),
        post("", long.as_bytes()),
        post(gz, &gzip(long.as_bytes())),
        post("", deep.as_bytes()),
        post("", keys.as_bytes()),
        post("", batch.as_bytes()),
    ];
    drop((text, long, deep, keys, batch));
    let shop = Shop::new().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let server = tokio::spawn(serve(listener, shop.context.clone(), async { drop(stopped.await) }));
    let good = post("", common::view("e", "u", "i").to_string().as_bytes());
    assert_eq!(status(address, good.clone()).await, 200);
    // The program's own pages are read when they are run for the first time: each kind of body once, small.
    let small: Vec<Bytes> = [b"[{\"event_id\":1}]".as_slice(), b"[[[", b"{\"a\":0}", &bomb(1)]
        .into_iter()
        .map(gzip)
        .map(|b| post(gz, &b))
        .collect();
    join_all(small.iter().map(|body| status(address, body.clone()))).await;

    // Forgets the peak of the preparations.
    std::fs::write("/proc/self/clear_refs", "5").ok();
    let Some(before) = kib("VmRSS") else { return };
    for _ in 0..ROUNDS {
        let statuses = join_all(bodies.iter().map(|body| status(address, body.clone()))).await;
        assert!(statuses.iter().all(|status| (400..500).contains(status)), "{statuses:?}");
    }
    let peak = kib("VmHWM").unwrap();
    println!("{before} KiB before, {peak} KiB at most");
    let growth = peak.saturating_sub(before);
    assert!(growth <= GROWTH_KIB_MAX, "{growth} KiB more, expected at most {GROWTH_KIB_MAX}");
    assert_eq!(status(address, good).await, 200);
    drop(stop);
    server.await.unwrap().unwrap();
}
