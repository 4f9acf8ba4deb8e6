//! Questions to the lake that a cluster answers.

use futures::future::BoxFuture;
use std::sync::Arc;
use std::time::Duration;

use arrow_array::RecordBatch;
use arrow_array::types::Date32Type;
use arrow_cast::parse::Parser;
use datafusion::execution::object_store::ObjectStoreUrl;
use datafusion::logical_expr::registry::FunctionRegistry;
use datafusion::prelude::{SQLOptions, SessionContext};
use futures::stream::{self, BoxStream};
use futures::{FutureExt, StreamExt, TryStreamExt};
use shoptide_lake::{FileKind, LakeFile, Snapshot};

use super::failed::query_error;
use super::jobs::Jobs;
use super::remote::{SchedulerAt, connect, refuse_other_tables};
use super::{Cluster, ScaleError};
use crate::functions::IdsAsText;
use crate::lake::{LakeKind, LakePart, LakeTable, Opened};
use crate::shop::asks_for_segments;
use crate::{Answer, LAKE_TABLES, LAKE_URL, QueryError, STORE_TABLES, Statement};

/// The lake at one commit, asked through a cluster.
pub struct ClusterShop {
    session: SessionContext,
    scheduler: SchedulerAt,
}

impl ClusterShop {
    /// # Errors
    /// As [`connect`].
    pub async fn open(
        cluster: &Cluster,
        scheduler: &str,
        patience: Duration,
        snapshot: &Snapshot,
    ) -> Result<Self, ScaleError> {
        let session = connect(cluster, scheduler, patience).await?;
        session.state_ref().write().register_function_rewrite(Arc::new(IdsAsText))?;
        register_lake(&session, snapshot)?;
        Ok(Self { session, scheduler: SchedulerAt::parse(scheduler)? })
    }

    /// The session itself, for what is built on it.
    pub fn session(&self) -> &SessionContext {
        &self.session
    }

    /// Work on the cluster, given up if its executors are gone.
    ///
    /// # Errors
    /// Those of the work; [`ScaleError::Away`].
    pub async fn unless_alone<T>(
        &self,
        work: impl Future<Output = Result<T, ScaleError>>,
    ) -> Result<T, ScaleError> {
        tokio::select! {
            done = work => done,
            alone = self.scheduler.alone() => Err(alone),
        }
    }

    /// Ends on the cluster what this was asked and has not answered. An error is for the log: who asked has gone.
    pub async fn cancel(&self) {
        if let Some(jobs) = self.session.copied_config().get_extension::<Jobs>() {
            jobs.cancel(&self.scheduler.url()).await;
        }
    }

    /// Begins to answer a statement that only reads the lake.
    ///
    /// # Errors
    /// [`QueryError::Wrong`] naming all tables that are not the lake's; [`QueryError`].
    pub fn run(&self, statement: Statement) -> BoxFuture<'_, Result<Answer, QueryError>> {
        // Boxed here, so that what stands below it is compiled once, not in each program and test.
        Box::pin(self.answer(statement))
    }

    async fn answer(&self, statement: Statement) -> Result<Answer, QueryError> {
        let state = self.session.state();
        let statement = statement.into_inner();
        let named = state.resolve_table_references(&statement)?;
        let others: Vec<&str> =
            named.iter().map(|name| name.table()).filter(|name| STORE_TABLES.contains(name)).collect();
        if !others.is_empty() {
            return Err(QueryError::Wrong(not_here(&others)));
        }
        let plan = state.statement_to_plan(statement).await?;
        SQLOptions::new()
            .with_allow_ddl(false)
            .with_allow_dml(false)
            .with_allow_statements(false)
            .verify_plan(&plan)
            .map_err(|_| QueryError::ReadOnly { what: plan.display().to_string() })?;
        if asks_for_segments(&plan) {
            return Err(QueryError::Wrong(not_here(&["segment()"])));
        }
        let is_lake = |schema: Option<&str>, table: &str| {
            LAKE_TABLES.contains(&table) || schema == Some("information_schema")
        };
        refuse_other_tables(&plan, &is_lake).map_err(|e| QueryError::Wrong(e.to_string()))?;
        let batches =
            self.session.execute_logical_plan(plan).await?.execute_stream().await.map_err(query_error)?;
        let schema = batches.schema();
        let batches = batches.map_err(query_error).boxed();
        Ok(Answer { schema, batches: unless_alone(batches, self.scheduler.clone()) })
    }
}

type Batches = BoxStream<'static, Result<RecordBatch, QueryError>>;

/// The batches, or an error if the cluster's executors are gone.
fn unless_alone(batches: Batches, scheduler: SchedulerAt) -> Batches {
    let alone = async move { scheduler.alone().await }.boxed();
    stream::unfold(Some((batches, alone)), |left| async move {
        let (mut batches, mut alone) = left?;
        tokio::select! {
            biased;
            batch = batches.next() => Some((batch?, Some((batches, alone)))),
            alone = &mut alone => Some((Err(QueryError::Failed(alone.to_string())), None)),
        }
    })
    .boxed()
}

/// What a query is told that names these tables.
pub(super) fn not_here(others: &[&str]) -> String {
    let names = others.join(", ");
    format!("a cluster reads the lake only, and the query also names {names}: run it without --scheduler")
}

/// The tables `events` and `records` of a snapshot.
///
/// # Errors
/// [`ScaleError`] if the session has them already, or a file's date is none.
pub fn register_lake(session: &SessionContext, snapshot: &Snapshot) -> Result<(), ScaleError> {
    let url = ObjectStoreUrl::parse(LAKE_URL)?;
    let opened = Arc::new(Opened::default());
    let [events, records] = LAKE_TABLES;
    for (name, kind) in [(events, LakeKind::Events), (records, LakeKind::Records)] {
        let parts = lake_parts(snapshot, kind)?;
        session.register_table(name, Arc::new(LakeTable::new(kind, url.clone(), parts, opened.clone())))?;
    }
    Ok(())
}

/// The files of a table in a snapshot.
///
/// # Errors
/// [`ScaleError::Failed`] if a file's date is none.
pub fn lake_parts(snapshot: &Snapshot, kind: LakeKind) -> Result<Vec<LakePart>, ScaleError> {
    let of = match kind {
        LakeKind::Events => FileKind::Events,
        LakeKind::Records => FileKind::Records,
    };
    snapshot.files.iter().filter(|file| file.kind == of).map(part).collect()
}

fn part(file: &LakeFile) -> Result<LakePart, ScaleError> {
    Ok(LakePart {
        path: file.path.clone(),
        bytes: file.bytes,
        rows: file.rows,
        topic: file.topic.name(),
        partition: file.partition,
        offsets: (file.first, file.next),
        day: match file.date.as_str() {
            "" => None,
            date => Some(
                Date32Type::parse(date)
                    .ok_or_else(|| ScaleError::Failed(format!("{} has the date {date:?}", file.path)))?,
            ),
        },
        event_type: file.event_type,
    })
}
