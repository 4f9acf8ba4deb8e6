//! UCI's Online Retail, 541,909 invoice lines with all their dirt: imported into a log, archived, reported from both; and every
//! statement about it held against another reading of the file.

use std::collections::HashSet;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context, ensure};
use flate2::read::MultiGzDecoder;
use serde_json::json;
use shoptide_jobs::import::{Import, LogSink, Mapping, Outgoing, Report as Imported, Sink};
use shoptide_jobs::report::{
    Events, LakeEvents, LogEvents, Report, ReportContext, catalogue_of, report_once,
};
use shoptide_lake::{ArchiveLimits, Archiver, Lake, LakeOptions};
use shoptide_log::{Log, SqliteLog, SqliteLogOptions};
use shoptide_models::report::{Credit, Period, Rules, decimal};
use shoptide_schemas::{Currency, Micros};

use crate::figure::{Figure, Row};
use crate::shop::{clock, config, data};

const NAME: &str = "online retail file: imported, archived, reported; imported + rejected";
const FILE: &str = "online_retail/online_retail.csv.gz";
const SUM_MICROS: i128 = 9_747_747_934_000;
const WINDOW_MS: i64 = 7 * 86_400_000;

/// # Errors
/// If log, lake or report fail, or a statement about the file is not so.
pub async fn row(set: &[String]) -> anyhow::Result<Row> {
    let path = match data(FILE) {
        Ok(path) => path,
        Err(reason) => return Ok(Row::Skipped { name: NAME.to_owned(), reason }),
    };
    let config = config(set)?;
    let raw = Raw::read(&path)?;
    let folder = tempfile::Builder::new().prefix("shoptide-bench-").tempdir()?;
    let options = SqliteLogOptions::new(folder.path().join("log.db"), config.log.partitions, clock());
    let log = SqliteLog::open(options).await?;
    let began = Instant::now();
    let (imported, seen) = import(&path, log.clone()).await?;
    let import_s = began.elapsed().as_secs_f64();
    held_against(&raw, &imported, &seen)?;
    let lake = Lake::open(&LakeOptions::local(folder.path().join("lake"))).await?;
    let archiver =
        Archiver { lake: lake.clone(), log: log.clone(), clock: clock(), limits: ArchiveLimits::default() };
    let began = Instant::now();
    let archived = archiver.run().await?;
    let archive_s = began.elapsed().as_secs_f64();
    let began = Instant::now();
    let of_lake = reported(&log, Arc::new(LakeEvents::open(lake).await?)).await?;
    let report_s = began.elapsed().as_secs_f64();
    let mut of_log = reported(&log, Arc::new(LogEvents(log.clone()))).await?;
    log.close().await;
    of_log.reading.source = of_lake.reading.source;
    ensure!(of_log == of_lake, "the report of the lake is not that of the log");
    let gbp = Currency::parse("GBP").map_err(|e| anyhow::anyhow!(e.message))?;
    let net = of_lake.totals.net.0.get(&gbp).copied().unwrap_or(0);
    let exact = net + imported.rejected_micros == SUM_MICROS
        && imported.sum_micros() == SUM_MICROS
        && raw.micros == SUM_MICROS;
    Ok(Row::Measured(Figure {
        what: NAME.to_owned(),
        measured: format!(
            "**{} + {} = {}** ({import_s:.1} s to import, {archive_s:.1} s to archive, {report_s:.1} s to report)",
            decimal(net),
            decimal(imported.rejected_micros),
            decimal(net + imported.rejected_micros),
        ),
        bar: format!("= {} exactly", decimal(SUM_MICROS)),
        met: Some(exact),
        reference: String::new(),
        how: format!(
            "{} rows: {} purchases, {} refunds, {} rejected as adjustments; {} customers named by their invoice; ids are file and \
             line; sums in integer millionths, of the lake's report, of the import and of the file read another way; {} events \
             in {} files of {:.1} bytes an event",
            imported.rows,
            imported.events_by_type.get("purchase").copied().unwrap_or(0),
            imported.events_by_type.get("refund").copied().unwrap_or(0),
            imported.bad_by_reason.get("adjustment").copied().unwrap_or(0),
            seen.by_invoice.len(),
            archived.rows,
            archived.files,
            archived.bytes as f64 / archived.rows.max(1) as f64,
        ),
        values: json!({ "net": decimal(net), "rejected": decimal(imported.rejected_micros), "import_s": import_s,
            "archive_s": archive_s, "report_s": report_s, "rows": imported.rows, "events": imported.events,
            "members": of_lake.members.members, "lake_bytes": archived.bytes, "lake_rows": archived.rows }),
    }))
}

/// The file read without the importer.
#[derive(Default)]
struct Raw {
    rows: u64,
    micros: i128,
    /// Rows that are no adjustment: with pieces that came back, and all.
    returned: u64,
    kept: u64,
    negative_prices: u64,
    without_customer: HashSet<String>,
}

impl Raw {
    fn read(path: &Path) -> anyhow::Result<Self> {
        let file = std::fs::File::open(path).with_context(|| path.display().to_string())?;
        let mut reader = csv::Reader::from_reader(MultiGzDecoder::new(file));
        let mut raw = Self::default();
        for record in reader.records() {
            let record = record?;
            let field = |n: usize| record.get(n).unwrap_or_default();
            let quantity: i128 = field(3).parse()?;
            let (sign, digits) = field(5).strip_prefix('-').map_or((1, field(5)), |rest| (-1, rest));
            let price = Micros::parse(digits, "UnitPrice").map_err(|e| anyhow::anyhow!(e.message))?;
            raw.rows += 1;
            raw.micros += quantity * sign * i128::from(price.0);
            raw.negative_prices += u64::from(sign < 0);
            if field(0).starts_with('A') || sign < 0 {
                continue;
            }
            raw.returned += u64::from(quantity < 0);
            raw.kept += u64::from(0 < quantity);
            if field(6).is_empty() {
                raw.without_customer.insert(format!("invoice:{}", field(0)));
            }
        }
        Ok(raw)
    }
}

/// What the importer made of it.
#[derive(Default)]
struct Seen {
    ids: HashSet<String>,
    by_invoice: HashSet<String>,
    sent: u64,
}

async fn import(path: &Path, log: Arc<dyn Log>) -> anyhow::Result<(Imported, Seen)> {
    let mut import = Import::open(path, Mapping::find("online-retail")?)?;
    let (mut sink, mut seen) = (LogSink::new(log), Seen::default());
    while let Some(batch) = import.next_batch(5_000)? {
        for event in &batch.events {
            seen.ids.extend(event.event_id.clone());
            seen.by_invoice.extend(event.user_id.clone().filter(|user| user.starts_with("invoice:")));
        }
        let events = batch.events.into_iter().map(Outgoing::Event);
        let sent = sink.send(batch.catalogue.into_iter().map(Outgoing::Item).chain(events).collect()).await?;
        ensure!(sent.rejected == 0, "the log refused {} events", sent.rejected);
        seen.sent += sent.accepted;
    }
    Ok((import.report().clone(), seen))
}

fn held_against(raw: &Raw, imported: &Imported, seen: &Seen) -> anyhow::Result<()> {
    let of = |name: &str| imported.events_by_type.get(name).copied().unwrap_or(0);
    ensure!(imported.rows == raw.rows, "{} rows, the file has {}", imported.rows, raw.rows);
    ensure!(seen.ids.len() as u64 == imported.events, "an id of file and line is not unique");
    ensure!(seen.by_invoice == raw.without_customer, "a missing customer is not his invoice");
    ensure!(of("refund") == raw.returned, "{} refunds, {} negative quantities", of("refund"), raw.returned);
    ensure!(of("purchase") == raw.kept, "{} purchases of {}", of("purchase"), raw.kept);
    let adjustments = imported.bad_by_reason.get("adjustment").copied().unwrap_or(0);
    ensure!(
        raw.negative_prices <= adjustments && adjustments == imported.bad,
        "a bad row that is no adjustment"
    );
    Ok(())
}

async fn reported(log: &Arc<SqliteLog>, events: Arc<dyn Events>) -> anyhow::Result<Report> {
    let context = ReportContext {
        events,
        catalogue: Arc::new(catalogue_of(&**log).await?),
        segments: None,
        rules: Rules::new(Period::ALL, WINDOW_MS, Credit::LastClick)?,
        out: None,
        progress: Default::default(),
    };
    Ok(report_once(&context).await?.report)
}
