//! The end of what a client has asked: a scheduler goes on with a query until it is told, and an executor with its parts.

use std::fmt::{self, Debug, Display, Formatter};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use ballista_core::JobId;
use ballista_core::execution_plans::DistributedQueryExec;
use ballista_core::planner::BallistaQueryPlanner;
use ballista_core::serde::protobuf::scheduler_grpc_client::SchedulerGrpcClient;
use ballista_core::serde::protobuf::{
    CancelJobParams, GetJobStatusParams, RuntimeStatsReport, ShuffleWritePartition, TaskColumnStats,
    WindowStateReport, job_status,
};
use ballista_executor::execution_engine::QueryStageExecutor;
use datafusion::catalog::Session;
use datafusion::common::exec_err;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion::error::Result;
use datafusion::execution::TaskContext;
use datafusion::execution::context::QueryPlanner;
use datafusion::logical_expr::LogicalPlan;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::coop::CooperativeExec;
use datafusion::physical_plan::joins::{CrossJoinExec, HashJoinExec, NestedLoopJoinExec};
use datafusion::physical_plan::metrics::MetricsSet;
use datafusion_proto::protobuf::LogicalPlanNode;
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

use super::failed::said;

/// Queries of a session that are remembered: more than it runs at a time.
const REMEMBERED: usize = 16;
/// For the scheduler to take note of all that has ended.
const CANCEL_MAX: Duration = Duration::from_secs(3);
/// Between an executor's looks at whether the query of a part has ended. In this way of sharing work out the scheduler cannot
/// reach an executor, only be asked.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// What a session has asked lately.
#[derive(Debug, Default)]
pub(super) struct Jobs {
    plans: Mutex<Vec<Arc<dyn ExecutionPlan>>>,
}

impl Jobs {
    fn remember(&self, plan: Arc<dyn ExecutionPlan>) {
        if let Ok(mut plans) = self.plans.lock() {
            if plans.len() == REMEMBERED {
                plans.remove(0);
            }
            plans.push(plan);
        }
    }

    /// Tells the scheduler that nobody waits for them any more; what has ended already stays as it is.
    pub async fn cancel(&self, scheduler: &str) {
        let plans = self.plans.lock().map(|mut plans| std::mem::take(&mut *plans)).unwrap_or_default();
        let mut jobs = Vec::new();
        plans.iter().for_each(|plan| jobs_of(plan, &mut jobs));
        let told = async {
            let mut client =
                SchedulerGrpcClient::connect(scheduler.to_owned()).await.map_err(|e| e.to_string())?;
            for job_id in jobs {
                client.cancel_job(CancelJobParams { job_id }).await.map_err(|e| e.to_string())?;
            }
            Ok::<_, String>(())
        };
        match timeout(CANCEL_MAX, told).await {
            Ok(Ok(())) => {}
            Ok(Err(why)) => tracing::warn!("the scheduler goes on with the query: {why}"),
            Err(_) => tracing::warn!("the scheduler goes on with the query: it does not answer"),
        }
    }
}

fn jobs_of(plan: &Arc<dyn ExecutionPlan>, jobs: &mut Vec<String>) {
    if let Some(asked) = plan.downcast_ref::<DistributedQueryExec<LogicalPlanNode>>() {
        jobs.extend(asked.job_id().map(String::from));
    }
    plan.children().into_iter().for_each(|child| jobs_of(child, jobs));
}

/// Plans for the cluster, and remembers what it has planned.
#[derive(Debug)]
pub(super) struct Remembering {
    pub planner: BallistaQueryPlanner<LogicalPlanNode>,
    pub jobs: Arc<Jobs>,
}

#[async_trait]
impl QueryPlanner for Remembering {
    async fn create_physical_plan(
        &self,
        plan: &LogicalPlan,
        session: &dyn Session,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let plan = self.planner.create_physical_plan(plan, session).await?;
        self.jobs.remember(plan.clone());
        Ok(plan)
    }
}

/// A part of a query, given up when the query has ended without it.
pub(super) struct UntilEnded {
    part: Arc<dyn QueryStageExecutor>,
    ended: Arc<Notify>,
    looks: JoinHandle<()>,
}

impl UntilEnded {
    /// The looks are taken by the runtime this is called in: those that run parts may all be at work.
    pub fn new(part: Arc<dyn QueryStageExecutor>, job: JobId, scheduler: String) -> Self {
        let ended = Arc::new(Notify::new());
        let tell = ended.clone();
        let looks = tokio::spawn(async move {
            until_ended(&job, &scheduler).await;
            tracing::info!(%job, "a part is given up: its query was ended");
            tell.notify_one();
        });
        Self { part, ended, looks }
    }
}

impl Drop for UntilEnded {
    fn drop(&mut self) {
        self.looks.abort();
    }
}

/// Resolves once the scheduler says so; one that is away says nothing.
async fn until_ended(job: &JobId, scheduler: &str) {
    let mut client = None;
    loop {
        sleep(LOOK_EVERY).await;
        if client.is_none() {
            client = SchedulerGrpcClient::connect(scheduler.to_owned()).await.ok();
        }
        let Some(asked) = &mut client else { continue };
        match asked.get_job_status(GetJobStatusParams { job_id: job.clone().into() }).await {
            Ok(answer) => {
                let status = answer.into_inner().status.and_then(|job| job.status);
                // A scheduler that was started anew knows nothing of it.
                if matches!(status, None | Some(job_status::Status::Failed(_))) {
                    return;
                }
            }
            Err(_) => client = None,
        }
    }
}

/// The same plan, whose joins let others run now and then: else one that makes many rows of few is never asked whether to stop.
pub(super) fn yielding(plan: Arc<dyn ExecutionPlan>) -> Result<Arc<dyn ExecutionPlan>> {
    plan.transform_up(|node| {
        let makes_many =
            node.is::<CrossJoinExec>() || node.is::<NestedLoopJoinExec>() || node.is::<HashJoinExec>();
        Ok(if makes_many {
            Transformed::yes(Arc::new(CooperativeExec::new(node)) as _)
        } else {
            Transformed::no(node)
        })
    })
    .data()
}

impl Debug for UntilEnded {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        Debug::fmt(&self.part, f)
    }
}

impl Display for UntilEnded {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        Display::fmt(&self.part, f)
    }
}

#[async_trait]
impl QueryStageExecutor for UntilEnded {
    async fn execute_query_stage(
        &self,
        task: usize,
        context: Arc<TaskContext>,
    ) -> Result<Vec<ShuffleWritePartition>> {
        tokio::select! {
            biased;
            () = self.ended.notified() => exec_err!("the query was ended"),
            done = self.part.execute_query_stage(task, context) => done.map_err(said),
        }
    }

    fn collect_plan_metrics(&self) -> Vec<MetricsSet> {
        self.part.collect_plan_metrics()
    }

    fn collect_runtime_stats_reports(&self) -> Vec<RuntimeStatsReport> {
        self.part.collect_runtime_stats_reports()
    }

    fn collect_window_state_reports(&self) -> Result<Vec<WindowStateReport>> {
        self.part.collect_window_state_reports()
    }

    fn collect_column_stats(&self) -> Vec<TaskColumnStats> {
        self.part.collect_column_stats()
    }
}
