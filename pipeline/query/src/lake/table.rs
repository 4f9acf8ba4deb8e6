//! `events` and `records`: files that a commit names, and nothing else. What a file's name says of all its rows (topic, partition,
//! and of events their type and day) is not read from it, so a condition on these passes over whole files.

use std::fmt;
use std::sync::Arc;

use arrow_schema::{DataType, Field, FieldRef, Schema, SchemaRef};
use async_trait::async_trait;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::stats::Precision;
use datafusion::common::{Constraints, Result, ScalarValue, Statistics};
use datafusion::config::TableParquetOptions;
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::physical_plan::{FileGroup, FileScanConfigBuilder, ParquetSource};
use datafusion::datasource::source::DataSourceExec;
use datafusion::datasource::table_schema::TableSchema;
use datafusion::execution::object_store::ObjectStoreUrl;
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown, TableType};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::empty::EmptyExec;
use shoptide_lake::{FileKind, LakeFile, Snapshot};
use shoptide_schemas::EventType;
use shoptide_schemas::arrow::event_schema;

use super::damage::Opened;
use super::prune;
use super::reader::LakeReaders;

/// Which rows a file has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LakeKind {
    Events,
    /// What is no event: catalogue records, and what did not decode.
    Records,
}

/// A file of the lake, as its commit names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LakePart {
    /// Within the lake.
    pub path: String,
    pub bytes: u64,
    pub rows: u64,
    pub topic: &'static str,
    pub partition: u32,
    /// Offsets of its rows, the second exclusive.
    pub offsets: (i64, i64),
    /// Days since 1970 of `occurred_at`; none for records.
    pub day: Option<i32>,
    pub event_type: Option<EventType>,
}

/// The lake as a table of a session.
pub struct LakeTable {
    kind: LakeKind,
    url: ObjectStoreUrl,
    /// What is read from files, and behind it what their names say.
    inner: TableSchema,
    /// The order in which people see the columns, as places in `inner`.
    order: Vec<usize>,
    schema: SchemaRef,
    parts: Arc<[LakePart]>,
    opened: Arc<Opened>,
}

/// Views of bytes and texts: grouped and compared without being copied.
fn as_view(field: &FieldRef) -> FieldRef {
    let data_type = match field.data_type() {
        DataType::Utf8 => DataType::Utf8View,
        DataType::Binary => DataType::BinaryView,
        other => other.clone(),
    };
    Arc::new(Field::new(field.name(), data_type, field.is_nullable()))
}

/// The columns as files have them.
pub(super) fn written(kind: LakeKind) -> SchemaRef {
    match kind {
        LakeKind::Events => event_schema(),
        LakeKind::Records => shoptide_lake::record_schema(),
    }
}

/// What a file's name says, in the order in which [`values`] gives it.
fn named(kind: LakeKind) -> Vec<FieldRef> {
    let field = |name: &str, data_type| Arc::new(Field::new(name, data_type, false));
    let mut named = vec![field("topic", DataType::Utf8View), field("partition", DataType::UInt32)];
    if kind == LakeKind::Events {
        named.extend([field("type", DataType::Utf8View), field("date", DataType::Date32)]);
    }
    named
}

fn values(kind: LakeKind, part: &LakePart) -> Vec<ScalarValue> {
    let text = |text: &str| ScalarValue::Utf8View(Some(text.to_owned()));
    let mut values = vec![text(part.topic), ScalarValue::UInt32(Some(part.partition))];
    if kind == LakeKind::Events {
        values.extend([text(part.event_type.map_or("", EventType::name)), ScalarValue::Date32(part.day)]);
    }
    values
}

impl LakeTable {
    /// `url`: of the store that the session knows the lake by.
    pub fn new(kind: LakeKind, url: ObjectStoreUrl, parts: Vec<LakePart>, opened: Arc<Opened>) -> Self {
        let (written, named) = (written(kind), named(kind));
        let is_named = |field: &&FieldRef| named.iter().any(|n| n.name() == field.name());
        let read: Vec<FieldRef> =
            written.fields().iter().filter(|field| !is_named(field)).map(as_view).collect();
        let inner = TableSchema::builder(Arc::new(Schema::new(read)))
            .with_table_partition_cols(named.clone())
            .build();
        // As the files have them; what only their names say comes last.
        let mut names: Vec<&String> = written.fields().iter().map(|field| field.name()).collect();
        names.extend(named.iter().map(|field| field.name()).filter(|name| written.index_of(name).is_err()));
        let order: Vec<usize> =
            names.into_iter().filter_map(|name| inner.table_schema().index_of(name).ok()).collect();
        let ordered = order.iter().filter_map(|place| inner.table_schema().fields().get(*place).cloned());
        let schema = Arc::new(Schema::new(ordered.collect::<Vec<_>>()));
        Self { kind, url, inner, order, schema, parts: parts.into(), opened }
    }

    pub fn kind(&self) -> LakeKind {
        self.kind
    }

    /// The files of the table.
    pub fn parts(&self) -> &[LakePart] {
        &self.parts
    }

    /// The store that the session knows the lake by.
    pub fn url(&self) -> &ObjectStoreUrl {
        &self.url
    }

    /// Names of the columns that a file's name gives, and so whole files by a condition on them.
    fn is_named(&self, column: &str) -> bool {
        self.inner.table_partition_cols().iter().any(|field| field.name() == column)
    }

    /// Whether a condition speaks of nothing but files' names.
    fn of_names(&self, filter: &Expr) -> bool {
        let columns = filter.column_refs();
        !columns.is_empty() && columns.iter().all(|c| self.is_named(&c.name)) && prune::is_plain(filter)
    }

    /// A file with what is known of it before it is opened.
    fn file(&self, part: &LakePart) -> PartitionedFile {
        let mut statistics = Statistics::new_unknown(self.inner.file_schema());
        statistics.num_rows = Precision::Exact(usize::try_from(part.rows).unwrap_or(usize::MAX));
        PartitionedFile::new(part.path.clone(), part.bytes)
            .with_partition_values(values(self.kind, part))
            .with_statistics(Arc::new(statistics))
    }

    /// What is known of all rows of some files.
    fn statistics_of(&self, parts: &[&LakePart]) -> Statistics {
        let count = |n: u64| Precision::Exact(usize::try_from(n).unwrap_or(usize::MAX));
        let mut statistics = Statistics::new_unknown(self.inner.table_schema());
        statistics.num_rows = count(parts.iter().map(|part| part.rows).sum());
        statistics.total_byte_size = count(parts.iter().map(|part| part.bytes).sum()).to_inexact();
        statistics
    }
}

impl fmt::Debug for LakeTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LakeTable")
            .field("kind", &self.kind)
            .field("files", &self.parts.len())
            .finish_non_exhaustive()
    }
}

#[async_trait]
impl TableProvider for LakeTable {
    fn schema(&self) -> SchemaRef {
        self.schema.clone()
    }

    fn constraints(&self) -> Option<&Constraints> {
        None
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    fn supports_filters_pushdown(&self, filters: &[&Expr]) -> Result<Vec<TableProviderFilterPushDown>> {
        let how = |filter: &&Expr| match self.of_names(filter) {
            true => TableProviderFilterPushDown::Exact,
            // Groups of rows are passed over by their statistics; what is left is looked at row by row.
            false => TableProviderFilterPushDown::Inexact,
        };
        Ok(filters.iter().map(how).collect())
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let inside = |place: &usize| self.order.get(*place).copied();
        let places: Vec<usize> = match projection {
            Some(places) => places.iter().filter_map(inside).collect(),
            None => self.order.clone(),
        };
        let (by_name, rest): (Vec<&Expr>, Vec<&Expr>) = filters.iter().partition(|f| self.of_names(f));
        let named = self.inner.table_partition_cols();
        let kept = prune::kept(state, named, &self.parts, |part| values(self.kind, part), &by_name)?;
        let kept = prune::possible(state, self.inner.table_schema(), kept, &rest)?;
        if kept.is_empty() {
            let schema = Arc::new(self.inner.table_schema().project(&places)?);
            return Ok(Arc::new(EmptyExec::new(schema)));
        }
        // A limit that some of the files fulfil needs no others.
        let enough = if rest.is_empty() { limit } else { None };
        let kept = first_of(kept, enough);
        let options = TableParquetOptions {
            global: state.config_options().execution.parquet.clone(),
            ..TableParquetOptions::default()
        };
        let store = state.runtime_env().object_store(&self.url)?;
        let cache = state.runtime_env().cache_manager.get_file_metadata_cache();
        let readers = LakeReaders::new(self.kind, store, cache, self.opened.clone());
        let source = ParquetSource::new(self.inner.clone())
            .with_table_parquet_options(options)
            .with_parquet_file_reader_factory(Arc::new(readers));
        let statistics = self.statistics_of(&kept);
        let groups = grouped(kept, state.config().target_partitions());
        let groups = groups
            .into_iter()
            .map(|parts| FileGroup::new(parts.into_iter().map(|part| self.file(part)).collect()));
        let config = FileScanConfigBuilder::new(self.url.clone(), Arc::new(source))
            .with_file_groups(groups.collect())
            .with_statistics(statistics)
            .with_projection_indices(Some(places))?
            .with_limit(enough)
            .build();
        Ok(DataSourceExec::from_data_source(config))
    }
}

/// The first files that together have `rows` rows.
fn first_of(parts: Vec<&LakePart>, rows: Option<usize>) -> Vec<&LakePart> {
    let Some(rows) = rows else { return parts };
    let mut seen = 0_u64;
    let needed = parts.into_iter().take_while(|part| {
        let before = seen;
        seen = seen.saturating_add(part.rows);
        before < rows as u64
    });
    needed.collect()
}

/// As many groups as there are threads, of about the same size each: the largest files first, each into the lightest group.
fn grouped(mut parts: Vec<&LakePart>, groups: usize) -> Vec<Vec<&LakePart>> {
    let groups = groups.clamp(1, parts.len().max(1));
    parts.sort_by(|a, b| b.bytes.cmp(&a.bytes).then_with(|| a.path.cmp(&b.path)));
    let mut out: Vec<(u64, Vec<&LakePart>)> = vec![(0, Vec::new()); groups];
    for part in parts {
        if let Some((bytes, group)) = out.iter_mut().min_by_key(|(bytes, _)| *bytes) {
            *bytes += part.bytes;
            group.push(part);
        }
    }
    out.into_iter().map(|(_, group)| group).collect()
}

impl LakePart {
    /// The files of one kind that a snapshot of the lake names.
    pub fn of(snapshot: &Snapshot, kind: LakeKind) -> Vec<LakePart> {
        let wanted = match kind {
            LakeKind::Events => FileKind::Events,
            LakeKind::Records => FileKind::Records,
        };
        snapshot.files.iter().filter(|file| file.kind == wanted).map(LakePart::from).collect()
    }
}

impl From<&LakeFile> for LakePart {
    fn from(file: &LakeFile) -> Self {
        Self {
            path: file.path.clone(),
            bytes: file.bytes,
            rows: file.rows,
            topic: file.topic.name(),
            partition: file.partition,
            offsets: (file.first, file.next),
            day: day_of(&file.date),
            event_type: file.event_type,
        }
    }
}

/// Days since 1970 of `YYYY-MM-DD`.
fn day_of(date: &str) -> Option<i32> {
    match ScalarValue::try_from_string(date.to_owned(), &DataType::Date32) {
        Ok(ScalarValue::Date32(day)) if !date.is_empty() => day,
        _ => None,
    }
}
