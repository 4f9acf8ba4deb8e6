//! A shop that can be asked: its tables in a session, questions in, answers out as they come.

use futures::future::BoxFuture;
use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use datafusion::common::DataFusionError;
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::execution::context::SQLOptions;
use datafusion::execution::memory_pool::MemoryConsumer;
use datafusion::execution::object_store::ObjectStoreUrl;
use datafusion::logical_expr::{Expr, LogicalPlan};
use datafusion::prelude::SessionContext;
use futures::StreamExt;
use futures::stream::{self, BoxStream};
use object_store::ObjectStore;
use shoptide_lake::{Lake, Snapshot};
use shoptide_models::state::TasteParams;
use shoptide_schemas::Currency;
use shoptide_store::Truth;

use crate::error::QueryError;
use crate::functions::{NamedSegments, SegmentsHandle};
use crate::lake::{LakeKind, LakePart, LakeTable, Opened};
use crate::session::{SessionOptions, session_with};
use crate::statement::Statement;
use crate::tables::{
    Counts, DeadLetters, Items, Lists, ModelSource, Models, Offsets, Profiles, Quality, Segments, TruthTable,
    Vectors,
};

/// The store of the lake, as plans name it.
pub const LAKE_URL: &str = "lake://shop";
/// Tables of the lake.
pub const LAKE_TABLES: [&str; 2] = ["events", "records"];
/// Tables of the truth.
pub const STORE_TABLES: [&str; 10] = [
    "catalogue",
    "dead_letters",
    "item_counts",
    "item_vectors",
    "lists",
    "models",
    "offsets",
    "profiles",
    "quality",
    "segments",
];

/// One commit of the event lake.
pub struct LakeSource {
    /// Rooted at the lake.
    pub store: Arc<dyn ObjectStore>,
    pub events: Vec<LakePart>,
    pub records: Vec<LakePart>,
}

impl LakeSource {
    /// The lake as a snapshot has it.
    pub fn of(lake: &Lake, snapshot: &Snapshot) -> Self {
        let parts = |kind| LakePart::of(snapshot, kind);
        Self { store: lake.store(), events: parts(LakeKind::Events), records: parts(LakeKind::Records) }
    }
}

/// The truth, and what it takes to read its states.
pub struct TruthSource {
    pub truth: Arc<dyn Truth>,
    /// None: `item_vectors` is empty.
    pub models: Arc<dyn ModelSource>,
    pub tastes: TasteParams,
    /// Of `profiles.spent_micros`.
    pub currency: Currency,
}

/// Where the tables come from. Questions about what is not there are refused, others answered.
#[derive(Default)]
pub struct Sources {
    pub lake: Option<LakeSource>,
    pub truth: Option<TruthSource>,
}

/// A shop that can be asked.
pub struct Shop {
    context: SessionContext,
    truth: Option<Arc<dyn Truth>>,
    lake: Option<Arc<dyn ObjectStore>>,
    segments: SegmentsHandle,
    opened: Arc<Opened>,
}

/// Opens a session over all that there is. Cheap: nothing is read yet.
///
/// # Errors
/// [`QueryError`] if the session cannot be made.
pub fn open(options: &SessionOptions, sources: Sources) -> Result<Shop, QueryError> {
    let (segments, opened) = (SegmentsHandle::default(), Arc::new(Opened::default()));
    let context = session_with(options, segments.clone())?;
    let lake = match sources.lake {
        Some(lake) => {
            let url = ObjectStoreUrl::parse(LAKE_URL)?;
            context.register_object_store(url.as_ref(), lake.store.clone());
            let [events, records] = LAKE_TABLES;
            for (name, kind, parts) in
                [(events, LakeKind::Events, lake.events), (records, LakeKind::Records, lake.records)]
            {
                let table = LakeTable::new(kind, url.clone(), parts, opened.clone());
                context.register_table(name, Arc::new(table))?;
            }
            Some(lake.store)
        }
        None => None,
    };
    let truth = match sources.truth {
        Some(source) => {
            let truth = source.truth.clone();
            register_truth(&context, source)?;
            Some(truth)
        }
        None => None,
    };
    Ok(Shop { context, truth, lake, segments, opened })
}

fn register_truth(context: &SessionContext, source: TruthSource) -> Result<(), QueryError> {
    let truth = source.truth;
    let profiles = Profiles { truth: truth.clone(), tastes: source.tastes, currency: source.currency };
    context.register_table("catalogue", TruthTable::new("catalogue", Items(truth.clone())))?;
    context.register_table("dead_letters", TruthTable::new("dead_letters", DeadLetters(truth.clone())))?;
    context.register_table("item_counts", TruthTable::new("item_counts", Counts(truth.clone())))?;
    context.register_table("item_vectors", TruthTable::new("item_vectors", Vectors(source.models)))?;
    context.register_table("lists", TruthTable::new("lists", Lists::new(truth.clone())))?;
    context.register_table("models", TruthTable::new("models", Models(truth.clone())))?;
    context.register_table("offsets", TruthTable::new("offsets", Offsets(truth.clone())))?;
    context.register_table("profiles", TruthTable::new("profiles", profiles))?;
    context.register_table("quality", TruthTable::new("quality", Quality(truth.clone())))?;
    context.register_table("segments", TruthTable::new("segments", Segments(truth)))?;
    Ok(())
}

/// Rows as they come; an error is the last thing that does.
pub struct Answer {
    pub schema: SchemaRef,
    pub batches: BoxStream<'static, Result<RecordBatch, QueryError>>,
}

impl Shop {
    /// The session itself, for what is built on it.
    pub fn context(&self) -> &SessionContext {
        &self.context
    }

    /// The tables that there are, in order of name.
    pub fn tables(&self) -> Vec<String> {
        let schema = self.context.catalog("datafusion").and_then(|c| c.schema("public"));
        let mut names = schema.map(|s| s.table_names()).unwrap_or_default();
        names.sort_unstable();
        names
    }

    /// Names and types of a table's columns.
    ///
    /// # Errors
    /// [`QueryError::NoTable`], [`QueryError::NoLake`].
    pub async fn columns(&self, table: &str) -> Result<SchemaRef, QueryError> {
        let found = self.context.table_provider(table).await;
        found.map(|table| table.schema()).map_err(|_| self.no_table(table))
    }

    /// Asks one question: its one statement, which only reads.
    ///
    /// # Errors
    /// [`QueryError`]: nothing has run then.
    pub async fn ask(&self, sql: &str) -> Result<Answer, QueryError> {
        let mut statements = Statement::all(sql)?;
        match (statements.pop(), statements.is_empty()) {
            (Some(statement), true) => self.run(statement).await,
            (None, _) => Err(QueryError::Wrong("there is no statement".to_owned())),
            (Some(_), false) => {
                Err(QueryError::Wrong("there are several statements, expected one".to_owned()))
            }
        }
    }

    /// Begins to answer.
    ///
    /// # Errors
    /// [`QueryError`]: nothing has run then.
    pub fn run(&self, statement: Statement) -> BoxFuture<'_, Result<Answer, QueryError>> {
        // Boxed here, so that what stands below it is compiled once, not in each program and test.
        Box::pin(self.answer(statement))
    }

    async fn answer(&self, statement: Statement) -> Result<Answer, QueryError> {
        let plan = self.plan(statement).await?;
        self.segments_for(&plan).await?;
        let frame = self.context.execute_logical_plan(plan).await.map_err(|e| self.explained(e))?;
        let batches = frame.execute_stream().await.map_err(|e| self.explained(e))?;
        let schema = batches.schema();
        let (opened, lake) = (self.opened.clone(), self.lake.clone());
        let batches = stream::unfold(Some(batches), move |batches| {
            let (opened, lake) = (opened.clone(), lake.clone());
            async move {
                let mut batches = batches?;
                match batches.next().await? {
                    Ok(batch) => Some((Ok(batch), Some(batches))),
                    Err(error) => Some((Err(named(error, &opened, lake.as_ref()).await), None)),
                }
            }
        });
        Ok(Answer { schema, batches: batches.boxed() })
    }

    /// What a statement means here.
    ///
    /// # Errors
    /// [`QueryError`]; statements that change something are refused.
    pub async fn plan(&self, statement: Statement) -> Result<LogicalPlan, QueryError> {
        let plan = self.context.state().statement_to_plan(statement.into_inner()).await;
        let plan = plan.map_err(|error| self.explained(error))?;
        let reading =
            SQLOptions::new().with_allow_ddl(false).with_allow_dml(false).with_allow_statements(false);
        let refused = |_| QueryError::ReadOnly { what: plan.display().to_string() };
        reading.verify_plan(&plan).map_err(refused)?;
        Ok(plan)
    }

    /// Loads who is in which segment, if the question asks.
    async fn segments_for(&self, plan: &LogicalPlan) -> Result<(), QueryError> {
        let Some(truth) = self.truth.as_ref().filter(|_| asks_for_segments(plan)) else { return Ok(()) };
        let segments = segments_of(&**truth, &self.context).await?;
        self.segments.fill(Arc::new(segments));
        Ok(())
    }

    fn explained(&self, error: DataFusionError) -> QueryError {
        match QueryError::from(error) {
            QueryError::Wrong(reason) => match missing_table(&reason) {
                Some(name) => self.no_table(name),
                None => QueryError::Wrong(reason),
            },
            other => other,
        }
    }

    fn no_table(&self, name: &str) -> QueryError {
        if LAKE_TABLES.contains(&name) && self.lake.is_none() {
            return QueryError::NoLake { table: name.to_owned() };
        }
        if STORE_TABLES.contains(&name) && self.truth.is_none() {
            return QueryError::NoStore { table: name.to_owned() };
        }
        QueryError::NoTable { name: name.to_owned(), have: self.tables() }
    }
}

/// An error while it ran; of a file that cannot be unpacked, with its name.
async fn named(error: DataFusionError, opened: &Opened, lake: Option<&Arc<dyn ObjectStore>>) -> QueryError {
    let of_bytes = matches!(
        error.find_root(),
        DataFusionError::ParquetError(_) | DataFusionError::ArrowError(..) | DataFusionError::External(_)
    );
    match (QueryError::from(error), lake) {
        (error @ QueryError::Failed(_), Some(lake)) if of_bytes => {
            opened.damaged(lake).await.unwrap_or(error)
        }
        (error, _) => error,
    }
}

/// The name in DataFusion's "table 'datafusion.public.name' not found".
fn missing_table(reason: &str) -> Option<&str> {
    let (_, rest) = reason.split_once("table '")?;
    let (path, _) = rest.split_once("' not found")?;
    path.rsplit('.').next()
}

/// Users of one page of them.
const SEGMENT_USERS: usize = 8_192;

/// Who is in which segment of the run that counts, for as long as the session lasts.
///
/// # Errors
/// [`QueryError::TooMuch`] if that is more than a query may hold.
async fn segments_of(truth: &dyn Truth, context: &SessionContext) -> Result<NamedSegments, QueryError> {
    let Some((_, rows)) = truth.segments(None).await? else { return Ok(NamedSegments::default()) };
    let held = MemoryConsumer::new("segment").register(&context.runtime_env().memory_pool);
    let (mut found, mut after) = (NamedSegments::default(), None);
    loop {
        let page = truth.user_segments_after(after, SEGMENT_USERS).await?;
        held.try_grow(page.len() * NamedSegments::USER_BYTES)?;
        after = page.last().map(|(shard, user, _)| (*shard, user.clone()));
        let more = page.len() == SEGMENT_USERS;
        let place = |number: u32| rows.iter().position(|row| row.segment == number);
        found.add(
            page.into_iter()
                .filter_map(|(_, user, number)| Some((user, u32::try_from(place(number)?).ok()?))),
        );
        if !more {
            break;
        }
    }
    Ok(found.named(rows.into_iter().map(|row| row.name).collect(), held))
}

/// Whether it uses `segment`.
pub(crate) fn asks_for_segments(plan: &LogicalPlan) -> bool {
    let mut asks = false;
    // The closures cannot fail.
    let _ = plan.apply_with_subqueries(|node| {
        node.apply_expressions(|expr| {
            expr.apply(|e| {
                asks |= matches!(e, Expr::ScalarFunction(f) if f.name() == crate::functions::SEGMENT);
                Ok(TreeNodeRecursion::Continue)
            })
        })
    });
    asks
}
