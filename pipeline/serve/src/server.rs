//! The loop over a listener: a bounded number of connections, each with a bounded patience for a request's head, and a
//! stop that ends within its bound whatever the clients do.

use std::future::Future;
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;

use crate::app::ServeContext;
use crate::router::router;

/// The longest a stop waits for open requests, whatever is configured: the program has 5 s to end in all.
const DRAIN_MAX: Duration = Duration::from_secs(4);
/// Pause after a failed accept (no file descriptors left, mostly), so that the loop does not spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// Bytes of a request's head; hyper's default of 400 KiB is for pages with very large cookies.
const HEAD_BYTES_MAX: usize = 64 * 1024;

/// Why serving ended early.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// Stop: the listener itself is unusable.
    #[error("the listener cannot be used: {0}")]
    Listener(#[from] io::Error),
}

/// Serves until `shutdown` resolves, then lets open requests end within the configured drain.
///
/// # Errors
/// [`ServeError::Listener`] if the listener has no address, that is, is closed.
pub async fn serve(
    listener: TcpListener,
    context: ServeContext,
    shutdown: impl Future<Output = ()>,
) -> Result<(), ServeError> {
    let address = listener.local_addr()?;
    let options = context.options.clone();
    let service = TowerToHyperService::new(router(context));
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(options.header_timeout).max_buf_size(HEAD_BYTES_MAX);
    let room = Arc::new(Semaphore::new(options.connections_max.clamp(1, Semaphore::MAX_PERMITS)));
    let (stop, stopping) = watch::channel(false);
    let mut connections = JoinSet::new();
    let mut shutdown = pin!(shutdown);
    tracing::info!(%address, "serving");
    loop {
        let accepted = tokio::select! {
            biased;
            () = &mut shutdown => break,
            accepted = accept(&listener, &room) => accepted,
            // Ended connections are collected as they end.
            Some(_) = connections.join_next() => continue,
        };
        let Some((stream, permit)) = accepted else { continue };
        let connection = http.serve_connection(TokioIo::new(stream), service.clone());
        let mut stopping = stopping.clone();
        connections.spawn(async move {
            let mut connection = pin!(connection);
            let early = tokio::select! {
                ended = connection.as_mut() => Some(ended),
                () = async { drop(stopping.wait_for(|stop| *stop).await) } => None,
            };
            let ended = match early {
                Some(ended) => ended,
                None => {
                    connection.as_mut().graceful_shutdown();
                    connection.await
                }
            };
            if let Err(error) = ended {
                // Clients hang up, send nonsense, or fall asleep: their affair.
                tracing::debug!(%error, "a connection ended early");
            }
            drop(permit);
        });
    }
    drop(listener);
    stop.send_replace(true);
    let drained = async { while connections.join_next().await.is_some() {} };
    if tokio::time::timeout(options.drain.min(DRAIN_MAX), drained).await.is_err() {
        tracing::warn!(open = connections.len(), "requests were still open when the time to stop was over");
        connections.shutdown().await;
    }
    Ok(())
}

/// Takes the next connection once there is room for it; further ones wait in the kernel.
async fn accept(
    listener: &TcpListener,
    room: &Arc<Semaphore>,
) -> Option<(TcpStream, tokio::sync::OwnedSemaphorePermit)> {
    let permit = room.clone().acquire_owned().await.ok()?;
    match listener.accept().await {
        Ok((stream, _)) => {
            if let Err(error) = stream.set_nodelay(true) {
                tracing::debug!(%error, "a connection has no TCP_NODELAY");
            }
            Some((stream, permit))
        }
        Err(error) => {
            tracing::warn!(%error, "a connection cannot be accepted");
            tokio::time::sleep(ACCEPT_PAUSE).await;
            None
        }
    }
}
