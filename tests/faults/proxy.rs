//! A TCP proxy in front of a server: delays, slices, throttles, stalls and cuts what passes, and recognises COMMIT in
//! MySQL's protocol.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::Instant;

/// The text query COMMIT: its packet's kind, then the words.
const COMMIT: &[u8] = b"\x03COMMIT";
/// Bytes of a piece, and pieces on their way at a time: 4 MiB, what half a second of 64 Mbit/s holds.
const PIECE: usize = 16 * 1024;
const PIECES_MAX: usize = 256;

/// When the connection of the next COMMIT is cut.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Cut {
    No = 0,
    /// The server never hears of it.
    Before = 1,
    /// The server commits, and nobody hears of that.
    After = 2,
}

/// What happens to whatever passes.
#[derive(Default)]
struct Toxics {
    latency_ms: AtomicU64,
    /// Bytes of one write, 0 for all at once.
    slice: AtomicUsize,
    stalled: AtomicBool,
    /// New connections are closed at once.
    down: AtomicBool,
    cut: AtomicU8,
    cuts: AtomicUsize,
    commits: AtomicUsize,
}

pub struct Proxy {
    pub address: String,
    toxics: Arc<Toxics>,
    reset: watch::Sender<u64>,
    task: JoinHandle<()>,
}

impl Proxy {
    pub async fn start(server: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let (toxics, (reset, resets)) = (Arc::new(Toxics::default()), watch::channel(0));
        let (shared, server) = (toxics.clone(), server.to_owned());
        let task = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                if shared.down.load(Ordering::SeqCst) {
                    continue;
                }
                let (toxics, server, resets) = (shared.clone(), server.clone(), resets.clone());
                tokio::spawn(async move {
                    if let Ok(upstream) = TcpStream::connect(&server).await {
                        pass(client, upstream, toxics, resets).await;
                    }
                });
            }
        });
        Self { address, toxics, reset, task }
    }

    /// Each piece is so much later.
    pub fn latency(&self, latency: Duration) {
        self.toxics.latency_ms.store(latency.as_millis() as u64, Ordering::SeqCst);
    }

    /// Pieces of so many bytes; 0 as they come.
    pub fn slice(&self, bytes: usize) {
        self.toxics.slice.store(bytes, Ordering::SeqCst);
    }

    /// Nothing passes, and nobody is told.
    pub fn stall(&self, stalled: bool) {
        self.toxics.stalled.store(stalled, Ordering::SeqCst);
    }

    /// Nobody gets in.
    pub fn down(&self, down: bool) {
        self.toxics.down.store(down, Ordering::SeqCst);
    }

    /// Every open connection is cut.
    pub fn reset(&self) {
        self.reset.send_modify(|number| *number += 1);
    }

    pub fn cut_commit(&self, cut: Cut) {
        self.toxics.cut.store(cut as u8, Ordering::SeqCst);
    }

    pub fn cuts(&self) -> usize {
        self.toxics.cuts.load(Ordering::SeqCst)
    }

    pub fn commits(&self) -> usize {
        self.toxics.commits.load(Ordering::SeqCst)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Until either side ends, or the connection is cut: both sides see the end, as when the network goes.
async fn pass(client: TcpStream, server: TcpStream, toxics: Arc<Toxics>, mut resets: watch::Receiver<u64>) {
    let ((from_client, to_client), (from_server, to_server)) = (client.into_split(), server.into_split());
    resets.mark_unchanged();
    let cut_after = AtomicBool::new(false);
    let up = carry(from_client, to_server, &toxics, |bytes| {
        if !bytes.ends_with(COMMIT) {
            return true;
        }
        toxics.commits.fetch_add(1, Ordering::SeqCst);
        match toxics.cut.swap(Cut::No as u8, Ordering::SeqCst) {
            1 => {
                toxics.cuts.fetch_add(1, Ordering::SeqCst);
                return false;
            }
            2 => cut_after.store(true, Ordering::SeqCst),
            _ => {}
        }
        true
    });
    let down = carry(from_server, to_client, &toxics, |_| {
        let is_answer = cut_after.load(Ordering::SeqCst);
        if is_answer {
            toxics.cuts.fetch_add(1, Ordering::SeqCst);
        }
        !is_answer
    });
    tokio::select! { () = up => {}, () = down => {}, _ = resets.changed() => {} }
}

/// Carries what one side says to the other. Several pieces are on their way at a time: a long way takes longer, and carries as much.
/// Ends with the side, or where `passes` says no.
async fn carry(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    toxics: &Toxics,
    mut passes: impl FnMut(&[u8]) -> bool,
) {
    let (put, mut on_its_way) = mpsc::channel::<(Instant, Vec<u8>)>(PIECES_MAX);
    let reading = async move {
        let mut piece = vec![0; PIECE];
        while let Ok(n @ 1..) = from.read(&mut piece).await {
            if !passes(&piece[..n]) {
                return false;
            }
            let due = Instant::now() + Duration::from_millis(toxics.latency_ms.load(Ordering::SeqCst));
            if put.send((due, piece[..n].to_vec())).await.is_err() {
                return false;
            }
        }
        true
    };
    let writing = async {
        while let Some((due, bytes)) = on_its_way.recv().await {
            tokio::time::sleep_until(due).await;
            if write(&mut to, &bytes, toxics).await.is_err() {
                return;
            }
        }
    };
    let mut writing = pin!(writing);
    tokio::select! {
        ended = reading => if ended { writing.await },
        () = &mut writing => {}
    }
}

async fn write(to: &mut OwnedWriteHalf, bytes: &[u8], toxics: &Toxics) -> std::io::Result<()> {
    while toxics.stalled.load(Ordering::SeqCst) {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let slice = toxics.slice.load(Ordering::SeqCst);
    for part in bytes.chunks(if slice == 0 { bytes.len() } else { slice }) {
        to.write_all(part).await?;
        if slice != 0 {
            tokio::task::yield_now().await;
        }
    }
    Ok(())
}
