//! The archive job over the generated shop: what a round does, and what an event takes on the disk.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use shoptide_config::Config;
use shoptide_jobs::archive::{ArchiveContext, archive_once};
use shoptide_jobs::import::{LogSink, Outgoing, Sink};
use shoptide_jobs::schedule::Progress;
use shoptide_jobs::shop::{Shop, ShopOptions, ShopParams};
use shoptide_lake::{Lake, LakeOptions};
use shoptide_log::{Clock, Log, MemoryLog, MemoryLogOptions};

/// 2026-05-03T00:00:00Z.
const END_MS: i64 = 1_777_766_400_000;
/// Of one day: a file describes itself in 2 KiB, which is much for a day of a few events.
const EVENTS: u64 = 60_000;
/// The bar, with `event_id` aside: producers choose it, and it is random as a rule.
const BYTES_MAX: f64 = 25.0;

#[tokio::test]
async fn a_round_archives_merges_and_an_event_takes_few_bytes() {
    let folder = tempfile::tempdir().unwrap();
    // Each batch is appended 20 ms after the one before.
    let ticks = Arc::new(AtomicI64::new(END_MS));
    let clock: Clock = Arc::new(move || ticks.fetch_add(20, Ordering::SeqCst));
    let options = MemoryLogOptions { partitions: 4, clock: Arc::clone(&clock), queue_records_max: 20_000 };
    let log: Arc<dyn Log> = MemoryLog::new(options);
    let demo = ShopOptions::demo(7, END_MS);
    let shop = Shop::new(
        ShopParams::new(ShopOptions { events: EVENTS, span_days: 1, late_per_mille: 0, ..demo }).unwrap(),
    );
    let mut sink = LogSink::new(log.clone());
    // Nothing late: each day that only a few events fall on has files of its own.
    let all: Vec<Outgoing> =
        shop.catalogue().map(Outgoing::Item).chain(shop.events().map(Outgoing::Event)).collect();
    let mut rest = all.into_iter().peekable();
    while rest.peek().is_some() {
        sink.send(rest.by_ref().take(200).collect()).await.unwrap();
    }
    let lake = Lake::open(&LakeOptions::local(folder.path())).await.unwrap();
    let config = Config::load(None, std::iter::empty()).unwrap().lake;
    let context = ArchiveContext { lake: lake.clone(), log, truth: None, clock, config, sweep: true };
    let outcome = archive_once(&context, &Progress::default()).await.unwrap();
    assert!(EVENTS <= outcome.records && outcome.rows == outcome.records, "{outcome:?}");
    assert_eq!((outcome.conflicts, outcome.swept_files), (0, 0));
    assert!(archive_once(&context, &Progress::default()).await.unwrap().is_nothing());
    assert!(lake.verify().await.unwrap().ok);

    let snapshot = lake.snapshot().await.unwrap();
    let files: Vec<_> = snapshot.files.iter().filter(|f| !f.date.is_empty()).collect();
    let (rows, bytes) = files.iter().fold((0, 0), |(r, b), f| (r + f.rows, b + f.bytes));
    let mut columns: BTreeMap<String, u64> = BTreeMap::new();
    for file in &files {
        for (name, bytes) in lake.column_bytes(file).await.unwrap() {
            *columns.entry(name).or_default() += bytes;
        }
    }
    let packed: u64 = columns.values().sum();
    for (name, bytes) in &columns {
        println!("{name}: {:.2}", *bytes as f64 / rows as f64);
    }
    let each = |bytes: u64| bytes as f64 / rows as f64;
    println!(
        "{rows} rows in {} files, {:.2} bytes each, {:.2} of it footers",
        files.len(),
        each(bytes),
        each(bytes - packed)
    );
    let without_ids = each(bytes - columns["event_id"]);
    println!("{without_ids:.2} without event_id");
    assert!(
        without_ids <= BYTES_MAX,
        "{without_ids:.2} bytes an event without its id, in {} files",
        files.len()
    );
}
