//! The loop over a listener: a bounded number of connections, each with a bounded patience for a request's head (less
//! when others wait for its seat), and a stop that ends within its bound whatever the clients do.

use std::future::Future;
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use hyper::server::conn::http1;
use hyper::service::Service;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::app::ServeContext;
use crate::options::ServeOptions;
use crate::router::{router, status_router};
use crate::seats::{Seat, Seats};

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

/// Serves only what monitors ask, for a process without the API.
///
/// # Errors
/// As [`serve`].
pub async fn serve_status(
    listener: TcpListener,
    context: ServeContext,
    shutdown: impl Future<Output = ()>,
) -> Result<(), ServeError> {
    let options = context.options.clone();
    run(listener, status_router(context), options, shutdown).await
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
    let options = context.options.clone();
    run(listener, router(context), options, shutdown).await
}

async fn run(
    listener: TcpListener,
    router: axum::Router,
    options: ServeOptions,
    shutdown: impl Future<Output = ()>,
) -> Result<(), ServeError> {
    let address = listener.local_addr()?;
    let service = TowerToHyperService::new(router);
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(options.header_timeout).max_buf_size(HEAD_BYTES_MAX);
    let seats = Seats::new(options.connections_max);
    let (stop, stopping) = watch::channel(false);
    let mut connections = JoinSet::new();
    let mut shutdown = pin!(shutdown);
    tracing::info!(%address, "serving");
    loop {
        let accepted = tokio::select! {
            biased;
            () = &mut shutdown => break,
            accepted = accept(&listener, &seats) => accepted,
            // Ended connections are collected as they end.
            Some(_) = connections.join_next() => continue,
        };
        let Some((stream, seat)) = accepted else { continue };
        let service = Seated { inner: service.clone(), seat: seat.clone() };
        let connection = http.serve_connection(TokioIo::new(stream), service);
        let mut stopping = stopping.clone();
        connections.spawn(async move {
            let mut connection = pin!(connection);
            let early = tokio::select! {
                ended = connection.as_mut() => Some(ended),
                () = async { drop(stopping.wait_for(|stop| *stop).await) } => None,
                () = seat.dismissed() => {
                    if !seat.is_busy() {
                        return;
                    }
                    // A request that came at the last moment is still answered.
                    None
                }
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

/// The router for one connection, which is busy while a request is answered.
struct Seated<S> {
    inner: S,
    seat: Arc<Seat>,
}

impl<S, R> Service<R> for Seated<S>
where
    S: Service<R, Future: Send + 'static>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = BoxFuture<'static, Result<S::Response, S::Error>>;

    fn call(&self, request: R) -> Self::Future {
        let busy = self.seat.busy();
        let answer = self.inner.call(request);
        Box::pin(async move {
            let answer = answer.await;
            drop(busy);
            answer
        })
    }
}

/// Takes the next connection once there is a seat for it; further ones wait in the kernel.
async fn accept(listener: &TcpListener, seats: &Arc<Seats>) -> Option<(TcpStream, Arc<Seat>)> {
    let seat = seats.take().await?;
    match listener.accept().await {
        Ok((stream, _)) => {
            if let Err(error) = stream.set_nodelay(true) {
                tracing::debug!(%error, "a connection has no TCP_NODELAY");
            }
            // It waits from now on, not from when the seat was made ready.
            seat.wait();
            Some((stream, Arc::new(seat)))
        }
        Err(error) => {
            tracing::warn!(%error, "a connection cannot be accepted");
            tokio::time::sleep(ACCEPT_PAUSE).await;
            None
        }
    }
}
