//! The truth as tables: read page by page while a query takes them, a page in memory at a time. A page lends its connection back
//! before the next, so many tables of one query never wait for each other, and pages of a shop that moves may be of different
//! moments.

mod catalogue;
mod column;
mod counts;
mod lists;
mod profiles;
mod small;
mod vectors;

use std::fmt;
use std::sync::Arc;

use arrow_schema::SchemaRef;
use async_trait::async_trait;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::{Result, ScalarValue, project_schema};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::logical_expr::{BinaryExpr, Expr, Operator, TableProviderFilterPushDown, TableType};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::streaming::{PartitionStream, StreamingTableExec};
use futures::stream;
use shoptide_schemas::UserId;

use crate::error::QueryError;

pub(crate) use catalogue::Items;
pub(crate) use column::Column;
pub(crate) use counts::{Counts, DeadLetters};
pub(crate) use lists::Lists;
pub(crate) use profiles::Profiles;
pub(crate) use small::{Models, Offsets, Quality, Segments};
pub use vectors::ModelSource;
pub(crate) use vectors::Vectors;

/// What a scan asks for beside its columns.
#[derive(Debug, Clone, Default)]
pub(crate) struct Wanted {
    /// Of this user only, where the table has one.
    pub user: Option<UserId>,
}

/// A table that comes in pages.
#[async_trait]
pub(crate) trait Pages: Send + Sync + 'static {
    type Row: Send + Sync + 'static;
    /// Where the next page begins.
    type Place: Send + 'static;

    /// Rows of a page: enough that asking costs little, few enough to hold.
    const ROWS: usize;
    /// Whether [`Wanted::user`] is looked at.
    const BY_USER: bool = false;

    fn columns() -> Vec<Column<Self::Row>>;

    /// About `rows` rows from `place` on, and where the next ones begin if there are any.
    async fn page(
        &self,
        place: Option<Self::Place>,
        rows: usize,
        wanted: &Wanted,
    ) -> Result<(Vec<Self::Row>, Option<Self::Place>), QueryError>;
}

/// A table of the truth.
pub(crate) struct TruthTable<P: Pages> {
    name: &'static str,
    pages: Arc<P>,
    columns: Arc<Vec<Column<P::Row>>>,
    schema: SchemaRef,
}

impl<P: Pages> TruthTable<P> {
    pub fn new(name: &'static str, pages: P) -> Arc<Self> {
        let columns = P::columns();
        let schema = column::schema(&columns);
        Arc::new(Self { name, pages: Arc::new(pages), columns: Arc::new(columns), schema })
    }
}

impl<P: Pages> fmt::Debug for TruthTable<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TruthTable").field("name", &self.name).finish_non_exhaustive()
    }
}

#[async_trait]
impl<P: Pages> TableProvider for TruthTable<P> {
    fn schema(&self) -> SchemaRef {
        self.schema.clone()
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    async fn scan(
        &self,
        _: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let places = projection.cloned().unwrap_or_else(|| (0..self.columns.len()).collect());
        let schema = project_schema(&self.schema, projection)?;
        let user = if P::BY_USER { filters.iter().find_map(user_of) } else { None };
        let scan = Scan {
            name: self.name,
            pages: self.pages.clone(),
            columns: self.columns.clone(),
            places,
            schema: schema.clone(),
            wanted: Wanted { user },
            limit,
        };
        Ok(Arc::new(StreamingTableExec::try_new(schema, vec![Arc::new(scan)], None, None, false, limit)?))
    }

    fn supports_filters_pushdown(&self, filters: &[&Expr]) -> Result<Vec<TableProviderFilterPushDown>> {
        let helps = |filter: &&Expr| match P::BY_USER && user_of(filter).is_some() {
            true => TableProviderFilterPushDown::Inexact,
            false => TableProviderFilterPushDown::Unsupported,
        };
        Ok(filters.iter().map(helps).collect())
    }
}

/// The user that a condition `user_id = '…'` names.
fn user_of(filter: &Expr) -> Option<UserId> {
    let Expr::BinaryExpr(BinaryExpr { left, op: Operator::Eq, right }) = filter else { return None };
    let (Expr::Column(column), Expr::Literal(value, _)) = (left.as_ref(), right.as_ref()) else {
        return match (left.as_ref(), right.as_ref()) {
            (Expr::Literal(..), Expr::Column(_)) => {
                let turned = BinaryExpr { left: right.clone(), op: Operator::Eq, right: left.clone() };
                user_of(&Expr::BinaryExpr(turned))
            }
            _ => None,
        };
    };
    match value {
        ScalarValue::Binary(Some(id)) | ScalarValue::BinaryView(Some(id))
            if column.name == "user_id" && !id.is_empty() =>
        {
            Some(UserId::from_trusted(id))
        }
        _ => None,
    }
}

/// One reading of a table.
struct Scan<P: Pages> {
    name: &'static str,
    pages: Arc<P>,
    columns: Arc<Vec<Column<P::Row>>>,
    places: Vec<usize>,
    schema: SchemaRef,
    wanted: Wanted,
    limit: Option<usize>,
}

impl<P: Pages> fmt::Debug for Scan<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.name)?;
        match &self.wanted.user {
            Some(_) => write!(f, " of one user"),
            None => Ok(()),
        }
    }
}

/// Where a reading stands.
enum At<T> {
    Begin,
    Place(T),
    End,
}

impl<P: Pages> PartitionStream for Scan<P> {
    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn execute(&self, _: Arc<TaskContext>) -> SendableRecordBatchStream {
        let (pages, columns) = (self.pages.clone(), self.columns.clone());
        let (places, schema, wanted) = (self.places.clone(), self.schema.clone(), self.wanted.clone());
        let rows = self.limit.map_or(P::ROWS, |limit| limit.clamp(1, P::ROWS));
        let batches = stream::try_unfold((At::Begin, self.limit), move |(at, left)| {
            let (pages, columns) = (pages.clone(), columns.clone());
            let (places, schema, wanted) = (places.clone(), schema.clone(), wanted.clone());
            async move {
                let place = match (at, left) {
                    (At::End, _) | (_, Some(0)) => return Ok(None),
                    (At::Begin, _) => None,
                    (At::Place(place), _) => Some(place),
                };
                let (page, next) = pages.page(place, rows, &wanted).await.map_err(QueryError::inside)?;
                let batch = column::batch(&columns, &places, &schema, &page)?;
                let left = left.map(|left| left.saturating_sub(batch.num_rows()));
                Ok(Some((batch, (next.map_or(At::End, At::Place), left))))
            }
        });
        Box::pin(RecordBatchStreamAdapter::new(self.schema.clone(), batches))
    }
}
