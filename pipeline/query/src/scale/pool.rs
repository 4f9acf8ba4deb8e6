//! Connections from executor to executor, kept for the next fetch: a shuffle makes as many fetches as it has partitions squared,
//! and each with a connection of its own would use up the machine's ports.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use ballista_core::client::BallistaClient;
use ballista_core::client_pool::{BallistaClientPool, PooledClient};
use ballista_core::extension::BallistaConfigGrpcEndpoint;
use ballista_core::utils::GrpcClientConfig;

/// Idle connections kept to one executor: as many as one reads from at a time on a machine of 16 cores.
const IDLE_MAX: usize = 16;
/// How long an idle one is kept: longer than the pause between two stages, shorter than a firewall's memory.
const IDLE_FOR: Duration = Duration::from_secs(30);

type Idle = Arc<Mutex<HashMap<(String, u16), Vec<(Instant, BallistaClient)>>>>;

#[derive(Default)]
pub(super) struct Connections {
    idle: Idle,
}

impl std::fmt::Debug for Connections {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Connections")
    }
}

fn put_back(idle: &Idle, key: (String, u16), client: BallistaClient) {
    if let Ok(mut idle) = idle.lock() {
        let of = idle.entry(key).or_default();
        if of.len() < IDLE_MAX {
            of.push((Instant::now(), client));
        }
    }
}

impl Connections {
    fn sweep(&self) {
        if let Ok(mut idle) = self.idle.lock() {
            idle.values_mut().for_each(|of| of.retain(|(since, _)| since.elapsed() < IDLE_FOR));
            idle.retain(|_, of| !of.is_empty());
        }
    }

    fn taken(&self, key: &(String, u16)) -> Option<BallistaClient> {
        self.idle.lock().ok()?.get_mut(key)?.pop().map(|(_, client)| client)
    }
}

#[async_trait::async_trait]
impl BallistaClientPool for Connections {
    async fn acquire(
        &self,
        host: &str,
        port: u16,
        config: &GrpcClientConfig,
        customize: Option<Arc<BallistaConfigGrpcEndpoint>>,
    ) -> ballista_core::error::Result<PooledClient> {
        self.sweep();
        let key = (host.to_owned(), port);
        let client = match self.taken(&key) {
            Some(client) => client,
            None => {
                BallistaClient::try_new(
                    host,
                    port,
                    config.max_message_size,
                    config.use_tls,
                    customize,
                    config.io_retries_times,
                    config.io_retry_wait_time_ms,
                    config.initial_connection_window_size,
                    config.initial_stream_window_size,
                )
                .await?
            }
        };
        let idle = self.idle.clone();
        Ok(PooledClient::new(client, Box::new(move |client| put_back(&idle, key, client))))
    }

    async fn evict_idle(&self) {
        self.sweep();
    }
}
