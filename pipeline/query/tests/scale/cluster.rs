//! A scheduler and two executors on free ports.

use std::sync::Arc;
use std::time::Duration;

use datafusion::logical_expr::ScalarUDF;
use datafusion::prelude::SessionContext;
use object_store::local::LocalFileSystem;
use shoptide_query::scale::{Cluster, Executor, ExecutorOptions, Scheduler, SchedulerOptions, connect};
use tempfile::TempDir;

pub const PATIENCE: Duration = Duration::from_secs(60);

pub struct TestCluster {
    pub lake: TempDir,
    pub cluster: Cluster,
    pub scheduler: Scheduler,
    pub _executors: Vec<Executor>,
    // After the executors, which write into it.
    _work: TempDir,
}

pub fn cluster_of(lake: &TempDir, functions: Vec<Arc<ScalarUDF>>) -> Cluster {
    let store = LocalFileSystem::new_with_prefix(lake.path()).unwrap();
    Cluster::new(Arc::new(store), functions, 1 << 30)
}

pub async fn start(lake: TempDir, functions: Vec<Arc<ScalarUDF>>) -> TestCluster {
    let cluster = cluster_of(&lake, functions);
    let scheduler =
        Scheduler::start(&cluster, &SchedulerOptions { bind: "127.0.0.1:0".parse().unwrap() }).await.unwrap();
    let work = tempfile::tempdir().unwrap();
    let mut executors = Vec::new();
    for _ in 0..2 {
        let options = ExecutorOptions {
            scheduler: scheduler.url(),
            bind: "127.0.0.1:0".parse().unwrap(),
            host: None,
            vcores: 2,
            memory_bytes: 256 << 20,
            work_dir: work.path().to_owned(),
            work_bytes_max: 1 << 30,
            patience: PATIENCE,
        };
        executors.push(Executor::start(&cluster, &options).await.unwrap());
    }
    TestCluster { lake, cluster, scheduler, _executors: executors, _work: work }
}

impl TestCluster {
    pub async fn session(&self) -> SessionContext {
        connect(&self.cluster, &self.scheduler.url(), PATIENCE).await.unwrap()
    }
}
