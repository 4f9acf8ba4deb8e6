//! The side of who asks: sessions whose queries run on a cluster.

use futures::future::BoxFuture;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use ballista::prelude::SessionContextExt;
use ballista_core::extension::{SessionConfigExt, ballista_scalar_functions};
use ballista_core::planner::BallistaQueryPlanner;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::logical_expr::LogicalPlan;
use datafusion::prelude::SessionContext;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep, timeout};

use super::cluster::MESSAGE_BYTES_MAX;
use super::jobs::{Jobs, Remembering};
use super::{Cluster, ScaleError};
use crate::functions::bounded;

/// Between tries of a scheduler that is away.
const RETRY_EVERY: Duration = Duration::from_millis(200);
/// For one try: a scheduler answers these in a millisecond.
const TRY_MAX: Duration = Duration::from_secs(3);
/// Between looks at whether a cluster that works for us has executors.
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// Without an executor for so long, a query is given up: the scheduler itself would keep it for ever. Enough for one to start anew.
const ALONE_MAX: Duration = Duration::from_secs(30);
/// Of an answer that says whether executors are there.
const ANSWER_BYTES_MAX: u64 = 4_096;

/// Where a scheduler is.
#[derive(Debug, Clone)]
pub(super) struct SchedulerAt {
    pub host: String,
    pub port: u16,
}

impl SchedulerAt {
    /// Reads `http://host:port`.
    pub fn parse(text: &str) -> Result<Self, ScaleError> {
        let bad = || {
            ScaleError::Refused(format!(
                "{text:?} is no scheduler's URL, expected one such as http://10.0.0.1:50050"
            ))
        };
        let url = url::Url::parse(text).map_err(|_| bad())?;
        match (url.scheme(), url.host_str(), url.port()) {
            ("http" | "df", Some(host), Some(port)) => Ok(Self { host: host.to_owned(), port }),
            _ => Err(bad()),
        }
    }

    pub fn url(&self) -> String {
        format!("http://{}:{}", self.host, self.port)
    }

    fn away(&self, why: &str) -> ScaleError {
        ScaleError::Away(format!("the scheduler at http://{}:{} {why}", self.host, self.port))
    }

    /// Ends once the scheduler has had no executor for [`ALONE_MAX`].
    pub async fn alone(&self) -> ScaleError {
        let mut since: Option<Instant> = None;
        loop {
            sleep(LOOK_EVERY).await;
            if matches!(self.status("/readyz").await, Ok(200)) {
                since = None;
                continue;
            }
            if ALONE_MAX <= since.get_or_insert_with(Instant::now).elapsed() {
                let alone = ALONE_MAX.as_secs();
                return self.away(&format!("has had no executor for {alone} s: the query was given up"));
            }
        }
    }

    /// The status of an HTTP answer.
    async fn status(&self, path: &str) -> Result<u16, ScaleError> {
        let asked = async {
            let mut stream = TcpStream::connect((self.host.as_str(), self.port)).await?;
            let request = format!("GET {path} HTTP/1.1\r\nhost: {}\r\nconnection: close\r\n\r\n", self.host);
            stream.write_all(request.as_bytes()).await?;
            let mut answer = Vec::new();
            stream.take(ANSWER_BYTES_MAX).read_to_end(&mut answer).await?;
            Ok::<_, std::io::Error>(answer)
        };
        let answer = match timeout(TRY_MAX, asked).await {
            Err(_) => return Err(self.away("does not answer")),
            Ok(Err(e)) => return Err(self.away(&format!("cannot be reached: {e}"))),
            Ok(Ok(answer)) => answer,
        };
        let answer = String::from_utf8_lossy(&answer);
        let status = answer.strip_prefix("HTTP/1.1 ").and_then(|rest| rest.get(..3)?.parse().ok());
        status
            .ok_or_else(|| ScaleError::Refused(format!("http://{}:{} is no scheduler", self.host, self.port)))
    }
}

/// Waits until a scheduler answers.
pub(super) async fn wait_for(at: &SchedulerAt, patience: Duration) -> Result<(), ScaleError> {
    let end = Instant::now() + patience;
    loop {
        match at.status("/healthz").await {
            Ok(200) => return Ok(()),
            Ok(_) => {
                return Err(ScaleError::Refused(format!("http://{}:{} is no scheduler", at.host, at.port)));
            }
            Err(error @ ScaleError::Refused(_)) => return Err(error),
            Err(error) if end <= Instant::now() => return Err(error),
            Err(_) => sleep(RETRY_EVERY).await,
        }
    }
}

/// A session whose queries run on the cluster of the scheduler at `url`. Waits up to `patience` for it and for an executor.
///
/// Tables are of the lake, under [`LAKE_URL`](crate::LAKE_URL): see [`refuse_other_tables`].
///
/// # Errors
/// [`ScaleError::Away`] if there is no scheduler, or it has no executor.
pub fn connect<'a>(
    cluster: &'a Cluster,
    url: &'a str,
    patience: Duration,
) -> BoxFuture<'a, Result<SessionContext, ScaleError>> {
    // Boxed here, so that what stands below it is compiled once, not in each program and test.
    Box::pin(connected(cluster, url, patience))
}

async fn connected(cluster: &Cluster, url: &str, patience: Duration) -> Result<SessionContext, ScaleError> {
    let at = SchedulerAt::parse(url)?;
    let end = Instant::now() + patience;
    wait_for(&at, patience).await?;
    while at.status("/readyz").await? != 200 {
        if end <= Instant::now() {
            return Err(at.away("has no executor: start one with `shoptide executor`"));
        }
        sleep(RETRY_EVERY).await;
    }
    let (config, jobs) = (cluster.config(), Arc::new(Jobs::default()));
    let planner =
        BallistaQueryPlanner::with_extension(at.url(), config.ballista_config(), cluster.logical_codec());
    let config = config
        .with_ballista_query_planner(Arc::new(Remembering { planner, jobs: jobs.clone() }))
        .with_extension(jobs);
    let state = cluster.state(config, cluster.runtime(None)?);
    let url = format!("df://{}:{}", at.host, at.port);
    let session = SessionContext::remote_with_state(&url, state).await?;
    // Becoming a remote session resets them.
    for function in bounded(ballista_scalar_functions(), MESSAGE_BYTES_MAX) {
        session.register_udf(Arc::unwrap_or_clone(function));
    }
    cluster.scalar_functions().iter().for_each(|f| session.register_udf(f.as_ref().clone()));
    Ok(session)
}

/// Refuses a query that reads a table which is not the lake's, by the names of all such tables.
///
/// `is_lake`: whether a table (its schema, if it has one, and its name) is.
///
/// # Errors
/// [`ScaleError::Refused`].
pub fn refuse_other_tables(
    plan: &LogicalPlan,
    is_lake: &dyn Fn(Option<&str>, &str) -> bool,
) -> Result<(), ScaleError> {
    let mut others = BTreeSet::new();
    plan.apply_with_subqueries(|node| {
        if let LogicalPlan::TableScan(scan) = node
            && !is_lake(scan.table_name.schema(), scan.table_name.table())
        {
            others.insert(scan.table_name.to_string());
        }
        Ok(TreeNodeRecursion::Continue)
    })?;
    if others.is_empty() {
        return Ok(());
    }
    let names: Vec<&str> = others.iter().map(String::as_str).collect();
    Err(ScaleError::Refused(super::shop::not_here(&names)))
}
