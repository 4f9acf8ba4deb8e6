//! A whole training on a cluster: interactions with dense numbers, then half-steps, then the factors in the store.
//!
//! Whoever drives holds one side's factors (`4 · rows · rank` bytes) and nothing else of any size; interactions and ids pass
//! through it as a stream.

use futures::future::BoxFuture;
use std::sync::Arc;
use std::time::Instant;

use arrow_array::cast::AsArray;
use arrow_array::types::UInt32Type;
use arrow_array::{ArrayRef, RecordBatch, UInt32Array};
use arrow_schema::{DataType, Field, Schema, SchemaRef};
use datafusion::execution::SendableRecordBatchStream;
use datafusion::logical_expr::AggregateUDF;
use datafusion::prelude::{ParquetReadOptions, SessionContext, cast, col};
use futures::{StreamExt, TryStreamExt};
use object_store::buffered::BufWriter;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt, PutMode, PutOptions};
use parquet::arrow::async_writer::AsyncArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::WriterProperties;
use shoptide_models::als::{AlsParams, initial_items};

use super::held::{self, HeldRef};
use super::row::AlsRow;
use super::{ITEM, STRENGTH, USER};
use crate::scale::{Cluster, ScaleError, lake_url};

/// Rows of a file: several files, so that a scan of them is shared by many tasks.
const FILE_ROWS: usize = 4_000_000;
/// Rows of a row group, the smallest part that a task can scan by itself.
const GROUP_ROWS: usize = 250_000;

/// What to train.
#[derive(Debug, Clone)]
pub struct AlsJob {
    /// A query for `user_id`, `item_id` (both Binary) and `strength` above 0; no pair twice.
    pub interactions_sql: String,
    /// The solver is exact whatever it says: steps from the last factors would need those on the executors too.
    pub params: AlsParams,
    /// Of this run alone; what it writes is below `scale/<run>/` in the lake's store.
    pub run: String,
}

/// Which factors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    Users,
    Items,
}

/// One sweep, in seconds.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize)]
pub struct SweepReport {
    pub users_s: f64,
    pub items_s: f64,
}

/// What a training did.
#[derive(Debug, Clone, serde::Serialize)]
pub struct AlsReport {
    pub run: String,
    pub users: HeldRef,
    pub items: HeldRef,
    /// Files of `(row, user_id)` and `(row, item_id)`.
    pub user_ids: String,
    pub item_ids: String,
    pub interactions: u64,
    /// Folder of `(user, item, strength)`.
    pub interactions_at: String,
    /// Strengths from events, in seconds.
    pub build_s: f64,
    /// Dense numbers for ids, in seconds.
    pub number_s: f64,
    pub sweeps: Vec<SweepReport>,
    /// The users once more, against the final items.
    pub last_users_s: f64,
}

struct Driver<'a> {
    cluster: &'a Cluster,
    session: &'a SessionContext,
    at: String,
}

/// Trains on the cluster of `session` (see [`connect`](crate::scale::connect)) and writes factors, ids and a report
/// `scale/<run>/report.json`, which is written last: without it there was no training.
///
/// `observe` hears what was done and how long it took.
///
/// # Errors
/// [`ScaleError`]; nothing of the run is then to be used.
pub fn run<'a>(
    cluster: &'a Cluster,
    session: &'a SessionContext,
    job: &'a AlsJob,
    observe: &'a mut (dyn FnMut(&str, f64) + Send),
) -> BoxFuture<'a, Result<AlsReport, ScaleError>> {
    // Boxed here, so that what stands below it is compiled once, not in each program and test.
    Box::pin(trained(cluster, session, job, observe))
}

async fn trained(
    cluster: &Cluster,
    session: &SessionContext,
    job: &AlsJob,
    observe: &mut (dyn FnMut(&str, f64) + Send),
) -> Result<AlsReport, ScaleError> {
    let driver = Driver { cluster, session, at: format!("scale/{}", job.run) };
    let store = cluster.store();
    let began = Instant::now();
    let raw = driver.write_query("strengths", &job.interactions_sql).await?;
    if raw.rows == 0 {
        let message = "no interactions in the lake: events that came more than 30 days late, of erased users, or without an item \
            make none";
        return Err(ScaleError::Refused(message.to_owned()));
    }
    let build_s = began.elapsed().as_secs_f64();
    observe("strengths from events", build_s);

    let began = Instant::now();
    let n_users = driver.number("user_id").await?;
    let n_items = driver.number("item_id").await?;
    let sql = format!(
        "SELECT u.row AS \"{USER}\", i.row AS \"{ITEM}\", s.strength AS \"{STRENGTH}\" FROM strengths s \
         JOIN user_id_rows u ON s.user_id = u.id JOIN item_id_rows i ON s.item_id = i.id"
    );
    let interactions = driver.write_query("interactions", &sql).await?;
    if interactions.rows != raw.rows {
        return Err(ScaleError::Failed(format!(
            "{} strengths became {} interactions",
            raw.rows, interactions.rows
        )));
    }
    let number_s = began.elapsed().as_secs_f64();
    observe("numbers for ids", number_s);

    let start =
        initial_items(n_items as usize, &job.params, None).map_err(|e| ScaleError::Refused(e.to_string()))?;
    let mut items = held::write(store, &driver.side_path(Side::Items, 0), &start, &job.params).await?;
    drop(start);
    let mut sweeps = Vec::with_capacity(job.params.sweeps());
    let mut old: Vec<String> = Vec::new();
    for sweep in 1..=job.params.sweeps() {
        let began = Instant::now();
        let users = driver.half_step(Side::Users, n_users, &items, sweep).await?;
        let users_s = began.elapsed().as_secs_f64();
        observe(&format!("sweep {sweep}, users"), users_s);
        let began = Instant::now();
        let next = driver.half_step(Side::Items, n_items, &users, sweep).await?;
        let items_s = began.elapsed().as_secs_f64();
        observe(&format!("sweep {sweep}, items"), items_s);
        sweeps.push(SweepReport { users_s, items_s });
        old.extend([std::mem::replace(&mut items, next).path, users.path]);
        // A task of the half-step before may still read its side; nobody reads those before that.
        while 2 < old.len() {
            driver.remove(&old.remove(0)).await;
        }
    }
    let began = Instant::now();
    let users = driver.half_step(Side::Users, n_users, &items, job.params.sweeps() + 1).await?;
    let last_users_s = began.elapsed().as_secs_f64();
    observe("users against the final items", last_users_s);
    for path in &old {
        driver.remove(path).await;
    }
    let report = AlsReport {
        run: job.run.clone(),
        users,
        items,
        user_ids: driver.path("user_id_rows"),
        item_ids: driver.path("item_id_rows"),
        interactions: interactions.rows,
        interactions_at: interactions.at,
        build_s,
        number_s,
        sweeps,
        last_users_s,
    };
    let text = serde_json::to_vec_pretty(&report).map_err(|e| ScaleError::Failed(e.to_string()))?;
    let once = PutOptions { mode: PutMode::Create, ..PutOptions::default() };
    store.put_opts(&Path::from(format!("{}/report.json", driver.at)), text.into(), once).await?;
    Ok(report)
}

struct Written {
    at: String,
    rows: u64,
}

impl Driver<'_> {
    fn path(&self, name: &str) -> String {
        format!("{}/{name}", self.at)
    }

    fn side_path(&self, side: Side, step: usize) -> String {
        let name = match side {
            Side::Users => "users",
            Side::Items => "items",
        };
        self.path(&format!("sides/{name}-{step:04}.parquet"))
    }

    async fn remove(&self, path: &str) {
        for path in [path.to_owned(), format!("{path}.begun")] {
            if let Err(error) = self.cluster.store().delete(&Path::from(path.as_str())).await {
                tracing::warn!(path, %error, "an old side stays");
            }
        }
    }

    /// Runs a query, writes what it gives to files, and makes them a table of that name.
    async fn write_query(&self, name: &str, sql: &str) -> Result<Written, ScaleError> {
        let rows = self.session.sql(sql).await?.execute_stream().await?;
        let schema = rows.schema();
        self.write(name, schema, rows.map_err(ScaleError::from)).await
    }

    async fn write(
        &self,
        name: &str,
        schema: SchemaRef,
        batches: impl futures::Stream<Item = Result<RecordBatch, ScaleError>>,
    ) -> Result<Written, ScaleError> {
        let at = self.path(name);
        let mut batches = std::pin::pin!(batches);
        let mut files = Files::new(self.cluster.store().clone(), at.clone(), schema);
        while let Some(batch) = batches.try_next().await? {
            files.write(&batch).await?;
        }
        let rows = files.close().await?;
        let options = ParquetReadOptions::default();
        self.session.deregister_table(name)?;
        self.session.register_parquet(name, lake_url(&format!("{at}/")), options).await?;
        Ok(Written { at, rows })
    }

    /// Gives each id of a column its number, in order of the ids, as the table `<column>_rows`; returns how many there are.
    async fn number(&self, column: &str) -> Result<u32, ScaleError> {
        let sql = format!("SELECT {column} AS id FROM strengths GROUP BY {column} ORDER BY id");
        let ids: SendableRecordBatchStream = self.session.sql(&sql).await?.execute_stream().await?;
        let id = ids.schema().field(0).clone();
        let schema = Arc::new(Schema::new(vec![Field::new("row", DataType::UInt32, false), id]));
        let (of, mut next) = (schema.clone(), 0u32);
        let numbered = ids.map(move |batch| {
            let batch = batch?;
            let many = || ScaleError::Refused(format!("more than 2^32 - 1 values of {column}"));
            let from = next;
            let n = u32::try_from(batch.num_rows()).map_err(|_| many())?;
            next = next.checked_add(n).ok_or_else(many)?;
            let rows: ArrayRef = Arc::new(UInt32Array::from_iter_values(from..next));
            RecordBatch::try_new(of.clone(), vec![rows, batch.column(0).clone()])
                .map_err(|e| ScaleError::Failed(e.to_string()))
        });
        let written = self.write(&format!("{column}_rows"), schema, numbered).await?;
        u32::try_from(written.rows).map_err(|_| ScaleError::Failed("rows were lost".to_owned()))
    }

    /// Solves every row of a side against the other, and writes it.
    async fn half_step(
        &self,
        side: Side,
        n_rows: u32,
        held: &HeldRef,
        step: usize,
    ) -> Result<HeldRef, ScaleError> {
        let (row, other) = match side {
            Side::Users => (USER, ITEM),
            Side::Items => (ITEM, USER),
        };
        let rank = held.params.rank();
        let solve = AggregateUDF::from(AlsRow::new(held.clone(), self.cluster.sides().clone()));
        let factors = solve.call(vec![col(other), col(STRENGTH)]).alias("factors");
        let solved = self
            .session
            .table("interactions")
            .await?
            .aggregate(vec![col(row)], vec![factors])?
            .select(vec![cast(col(row), DataType::UInt32).alias("row"), col("factors")])?;
        let mut batches = solved.execute_stream().await?;
        let mut made = vec![0f32; n_rows as usize * rank];
        let mut seen = vec![false; n_rows as usize];
        while let Some(batch) = batches.try_next().await? {
            let wrong = || ScaleError::Failed(format!("rows of {side:?} came back that were not asked for"));
            let rows = batch.column(0).as_primitive_opt::<UInt32Type>().ok_or_else(wrong)?;
            for row in rows.values() {
                if std::mem::replace(seen.get_mut(*row as usize).ok_or_else(wrong)?, true) {
                    return Err(ScaleError::Failed(format!("row {row} of {side:?} came back twice")));
                }
            }
            held::place(&batch, rank, &mut made).ok_or_else(wrong)?;
        }
        if let Some(row) = seen.iter().position(|seen| !seen) {
            return Err(ScaleError::Failed(format!("row {row} of {side:?} did not come back")));
        }
        held::write(self.cluster.store(), &self.side_path(side, step), &made, &held.params).await
    }
}

/// Parquet files of bounded length, one after another.
struct Files {
    store: Arc<dyn ObjectStore>,
    at: String,
    schema: SchemaRef,
    writer: Option<AsyncArrowWriter<BufWriter>>,
    in_file: usize,
    n_files: usize,
    rows: u64,
}

impl Files {
    fn new(store: Arc<dyn ObjectStore>, at: String, schema: SchemaRef) -> Self {
        Self { store, at, schema, writer: None, in_file: 0, n_files: 0, rows: 0 }
    }

    async fn write(&mut self, batch: &RecordBatch) -> Result<(), ScaleError> {
        let mut writer = match self.writer.take() {
            Some(writer) => writer,
            None => self.begin()?,
        };
        writer.write(batch).await?;
        self.in_file += batch.num_rows();
        self.rows += batch.num_rows() as u64;
        if self.in_file < FILE_ROWS {
            self.writer = Some(writer);
        } else {
            writer.close().await?;
            self.in_file = 0;
        }
        Ok(())
    }

    fn begin(&mut self) -> Result<AsyncArrowWriter<BufWriter>, ScaleError> {
        let path = Path::from(format!("{}/{:06}.parquet", self.at, self.n_files));
        self.n_files += 1;
        let properties = WriterProperties::builder()
            .set_compression(Compression::ZSTD(ZstdLevel::default()))
            .set_max_row_group_row_count(Some(GROUP_ROWS))
            .build();
        let sink = BufWriter::new(self.store.clone(), path);
        Ok(AsyncArrowWriter::try_new(sink, self.schema.clone(), Some(properties))?)
    }

    /// Rows in all. There is always a file, so that the table has columns.
    async fn close(mut self) -> Result<u64, ScaleError> {
        if self.n_files == 0 {
            self.writer = Some(self.begin()?);
        }
        if let Some(writer) = self.writer {
            writer.close().await?;
        }
        Ok(self.rows)
    }
}
