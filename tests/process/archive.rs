//! `jobs archive` killed (-9) at random moments of its work: the lake has every record of the log, once.
//! `KILL_SEED=… cargo test` repeats a run's moments as nearly as the machine allows.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::{Duration, Instant};

use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use bytes::Bytes;
use futures::TryStreamExt;
use shoptide_jobs::import::Outgoing;
use shoptide_lake::{Lake, LakeOptions};
use shoptide_log::{Log, NewRecord};
use shoptide_schemas::topic::ALL_TOPICS;
use shoptide_schemas::{EventType, Topic};

use crate::common::{PATIENCE, Running, finish, line, now_ms, open_log, path, shop, shoptide};

const KILLS: usize = 15;
/// Files that a run may make before it is killed.
const FILES: u64 = 25;

fn dice(seed: &mut u64) -> u64 {
    *seed = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut z = *seed;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// A shop's events in the log; nobody folds.
async fn fill(dir: &Path, seed: u64) {
    let log = open_log(dir).await;
    let shop = shop(seed, 3_000);
    let records: Vec<NewRecord> = shop
        .catalogue()
        .map(Outgoing::Item)
        .chain(shop.events().map(Outgoing::Event))
        .map(|one| {
            let (topic, key) = match &one {
                Outgoing::Item(item) => (Topic::Catalogue, item.item_id.clone()),
                Outgoing::Event(event) => {
                    let name = event.event_type.as_deref().unwrap();
                    (EventType::from_name(name).unwrap().topic(), event.user_id.clone())
                }
            };
            NewRecord { topic, key: Bytes::from(key.unwrap_or_default()), value: Bytes::from(line(&one)) }
        })
        .collect();
    for some in records.chunks(500) {
        log.append(some.to_vec()).await.unwrap();
    }
    log.close().await;
}

fn files(dir: &Path) -> u64 {
    let Ok(entries) = std::fs::read_dir(dir) else { return 0 };
    entries.flatten().map(|entry| if entry.path().is_dir() { files(&entry.path()) } else { 1 }).sum()
}

fn archive(dir: &Path) -> std::process::Command {
    let mut command = shoptide(&["jobs", "archive", "--json", "--data-dir", path(dir)]);
    command.env("SHOPTIDE_LAKE__STEP_RECORDS_MAX", "100").env("SHOPTIDE_LAKE__FILE_ROWS_MAX", "100");
    command
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_at_random_moments_every_record_is_in_the_lake_once() {
    let seed =
        std::env::var("KILL_SEED").ok().and_then(|s| s.parse().ok()).unwrap_or(now_ms().unsigned_abs());
    println!("KILL_SEED={seed}");
    let mut state = seed;
    let dir = tempfile::tempdir().unwrap();
    fill(dir.path(), seed % 1_000).await;
    let lake_dir = dir.path().join("lake");
    let mut killed = 0;
    for _ in 0..KILLS {
        let until = files(&lake_dir) + dice(&mut state) % FILES;
        let pause = Duration::from_micros(dice(&mut state) % 20_000);
        let mut running = Running::start(archive(dir.path()));
        let began = Instant::now();
        while running.is_running() && files(&lake_dir) < until {
            assert!(began.elapsed() < PATIENCE, "{}", running.err.text());
            std::thread::sleep(Duration::from_millis(1));
        }
        std::thread::sleep(pause);
        killed += usize::from(running.is_running());
        if running.is_running() {
            running.kill();
        }
    }
    println!("{killed} of {KILLS} were killed at work");
    assert!(0 < killed);
    // Two that end by themselves, at once; then there is nothing left to do.
    let (one, two) = (Running::start(archive(dir.path())), Running::start(archive(dir.path())));
    for mut running in [one, two] {
        assert_eq!(running.wait(PATIENCE).code(), Some(0), "{}", running.err.text());
    }
    assert_eq!(finish(archive(dir.path())).json()["records"], 0);

    let log = open_log(dir.path()).await;
    let lake = Lake::open(&LakeOptions::local(&lake_dir)).await.unwrap();
    let snapshot = lake.snapshot().await.unwrap();
    let mut seen: BTreeSet<(Topic, u32, i64)> = BTreeSet::new();
    for file in &snapshot.files {
        let mut batches = lake.read(file, Some(&["offset"])).await.unwrap();
        while let Some(batch) = batches.try_next().await.unwrap() {
            for offset in batch.column(0).as_primitive::<Int64Type>().values() {
                assert!(
                    seen.insert((file.topic, file.partition, *offset)),
                    "{} has {offset} again",
                    file.path
                );
            }
        }
    }
    for topic in ALL_TOPICS {
        for partition in 0..log.partitions(topic) {
            let marks = log.watermarks(topic, partition).await.unwrap();
            for offset in marks.first..marks.next {
                assert!(
                    seen.remove(&(topic, partition, offset)),
                    "{topic} partition {partition} lacks {offset}"
                );
            }
            assert!(marks.next == 0 || snapshot.cut_of(topic, partition) == Some(marks.next));
        }
    }
    assert!(seen.is_empty(), "the log never had {seen:?}");
    log.close().await;
    let proof = finish(shoptide(&["lake", "verify", "--json", "--data-dir", path(dir.path())])).json();
    assert_eq!(proof["ok"], true, "{proof}");

    // A file that is not what was written is named, and the exit code says so.
    let victim = lake_dir.join(&snapshot.files[0].path);
    std::fs::write(&victim, b"PAR1, or so it says").unwrap();
    let broken = finish(shoptide(&["lake", "verify", "--data-dir", path(dir.path())]));
    assert!(broken.code == Some(1) && broken.out.contains(&snapshot.files[0].path), "{broken:?}");
    let nothing = dir.path().join("nothing");
    finish(shoptide(&["lake", "verify", "--data-dir", path(&nothing)])).refused(&["holds no lake yet"]);
}
