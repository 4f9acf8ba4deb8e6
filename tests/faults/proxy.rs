//! A TCP proxy in front of a server: delays, slices, throttles, stalls and cuts what passes, and recognises COMMIT in
//! MySQL's protocol.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// The text query COMMIT: its packet's kind, then the words.
const COMMIT: &[u8] = b"\x03COMMIT";
/// Bytes on their way at a time.
const PIECE: usize = 16 * 1024;

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
    let ((mut from_client, mut to_client), (mut from_server, mut to_server)) =
        (client.into_split(), server.into_split());
    resets.mark_unchanged();
    let cut_after = Arc::new(AtomicBool::new(false));
    let up = async {
        let mut piece = vec![0; PIECE];
        while let Ok(n @ 1..) = from_client.read(&mut piece).await {
            let bytes = &piece[..n];
            if bytes.ends_with(COMMIT) {
                toxics.commits.fetch_add(1, Ordering::SeqCst);
                match toxics.cut.swap(Cut::No as u8, Ordering::SeqCst) {
                    1 => {
                        toxics.cuts.fetch_add(1, Ordering::SeqCst);
                        return;
                    }
                    2 => cut_after.store(true, Ordering::SeqCst),
                    _ => {}
                }
            }
            if send(&mut to_server, bytes, &toxics).await.is_err() {
                return;
            }
        }
    };
    let down = async {
        let mut piece = vec![0; PIECE];
        while let Ok(n @ 1..) = from_server.read(&mut piece).await {
            if cut_after.load(Ordering::SeqCst) {
                // The answer to COMMIT.
                toxics.cuts.fetch_add(1, Ordering::SeqCst);
                return;
            }
            if send(&mut to_client, &piece[..n], &toxics).await.is_err() {
                return;
            }
        }
    };
    tokio::select! { () = up => {}, () = down => {}, _ = resets.changed() => {} }
}

async fn send(
    to: &mut tokio::net::tcp::OwnedWriteHalf,
    bytes: &[u8],
    toxics: &Toxics,
) -> std::io::Result<()> {
    while toxics.stalled.load(Ordering::SeqCst) {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let latency = toxics.latency_ms.load(Ordering::SeqCst);
    if 0 < latency {
        tokio::time::sleep(Duration::from_millis(latency)).await;
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
