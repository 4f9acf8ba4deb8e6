//! The process that plans queries and hands out their parts.

use futures::future::BoxFuture;
use std::net::SocketAddr;
use std::sync::Arc;

use ballista_core::config::TaskSchedulingPolicy;
use ballista_scheduler::cluster::BallistaCluster;
use ballista_scheduler::config::SchedulerConfig;
use ballista_scheduler::scheduler_process::{create_scheduler, start_grpc_service_with_listener};
use datafusion_proto::protobuf::{LogicalPlanNode, PhysicalPlanNode};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use super::cluster::MESSAGE_BYTES_MAX;
use super::{Cluster, ScaleError};

/// Seconds without a word from an executor after which its work is given to others. It speaks 20 times a second when idle and
/// every 5 s when busy.
const EXECUTOR_TIMEOUT_S: u64 = 20;
/// How often that is looked at, in seconds.
const EXPIRE_EVERY_S: u64 = 3;
/// Seconds that a query waits for an executor after the last one is lost; not less than the timeout.
const NO_EXECUTOR_MAX_S: u64 = 30;
/// Seconds for which the parts of a finished query's answer are kept for whoever asked.
const ANSWER_KEPT_S: u64 = 300;
/// Seconds for which a finished query is remembered.
const QUERY_KEPT_S: u64 = 3_600;

/// Where a scheduler listens.
#[derive(Debug, Clone)]
pub struct SchedulerOptions {
    /// Port 0 takes a free one.
    pub bind: SocketAddr,
}

/// A scheduler that runs. What it knows of queries is in its memory: if it ends, they fail, and are asked again.
pub struct Scheduler {
    address: SocketAddr,
    task: JoinHandle<Result<(), ScaleError>>,
}

impl Scheduler {
    /// # Errors
    /// [`ScaleError::Refused`] if the address cannot be bound.
    pub fn start<'a>(
        cluster: &'a Cluster,
        options: &'a SchedulerOptions,
    ) -> BoxFuture<'a, Result<Self, ScaleError>> {
        // Boxed here, so that what stands below it is compiled once, not in each program and test.
        Box::pin(Self::begin(cluster, options))
    }

    async fn begin(cluster: &Cluster, options: &SchedulerOptions) -> Result<Self, ScaleError> {
        let refused = |e| ScaleError::Refused(format!("cannot listen on {}: {e}", options.bind));
        let listener = TcpListener::bind(options.bind).await.map_err(refused)?;
        let address = listener.local_addr().map_err(refused)?;
        let (own, sessions) = (cluster.clone(), cluster.clone());
        let runtime = cluster.runtime(None)?;
        let message_bytes_max = MESSAGE_BYTES_MAX as u32;
        let config = SchedulerConfig {
            external_host: address.ip().to_string(),
            bind_host: address.ip().to_string(),
            bind_port: address.port(),
            scheduling_policy: TaskSchedulingPolicy::PullStaged,
            executor_timeout_seconds: EXECUTOR_TIMEOUT_S,
            expire_dead_executor_interval_seconds: EXPIRE_EVERY_S,
            no_executors_grace_period_seconds: NO_EXECUTOR_MAX_S,
            finished_job_data_clean_up_interval_seconds: ANSWER_KEPT_S,
            finished_job_state_clean_up_interval_seconds: QUERY_KEPT_S,
            grpc_server_max_decoding_message_size: message_bytes_max,
            grpc_server_max_encoding_message_size: message_bytes_max,
            grpc_client_max_message_size: message_bytes_max,
            override_config_producer: Some(Arc::new(move || own.config())),
            override_session_builder: Some(Arc::new(move |config| {
                Ok(sessions.state(config, runtime.clone()))
            })),
            override_logical_codec: Some(cluster.logical_codec()),
            override_physical_codec: Some(cluster.physical_codec()),
            ..SchedulerConfig::default()
        };
        let ballista = BallistaCluster::new_from_config(&config).await?;
        let server =
            create_scheduler::<LogicalPlanNode, PhysicalPlanNode>(ballista, Arc::new(config)).await?;
        let task = tokio::spawn(async move { Ok(start_grpc_service_with_listener(listener, server).await?) });
        Ok(Self { address, task })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// As clients and executors name it.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Runs until it fails.
    ///
    /// # Errors
    /// [`ScaleError`] why it does not listen any more.
    pub async fn run(&mut self) -> Result<(), ScaleError> {
        (&mut self.task).await.map_err(|e| ScaleError::Failed(format!("the scheduler ended: {e}")))?
    }
}

impl Drop for Scheduler {
    fn drop(&mut self) {
        self.task.abort();
    }
}
