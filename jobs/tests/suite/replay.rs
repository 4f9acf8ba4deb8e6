//! A moment rebuilt is the moment as it was: the same bytes as a shop that stopped then, verified by its own log.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use serde_json::json;
use shoptide_config::Config;
use shoptide_jobs::import::{LogSink, Outgoing, Sink};
use shoptide_jobs::replay::{Archive, Cut, Moment, Rebuild, Report};
use shoptide_jobs::shop::{Shop, ShopOptions, ShopParams};
use shoptide_jobs::skew::{SkewParams, skew};
use shoptide_jobs::verify::Verify;
use shoptide_live::ModelFiles;
use shoptide_live::fold::{Stretch, first_bases, replay};
use shoptide_log::{Log, MemoryLog, MemoryLogOptions, NewRecord, SqliteLog, SqliteLogOptions};
use shoptide_schemas::topic::ALL_TOPICS;
use shoptide_schemas::{Topic, USER_TOPICS};
use shoptide_store::{FoldedTable, SqliteTruth, SqliteTruthOptions, Truth};
use tempfile::TempDir;

use crate::train_support::NOW_MS;

const PARTITIONS: u32 = 3;

/// A log whose clock goes on by a second with every batch.
struct Scene {
    dir: TempDir,
    log: Arc<MemoryLog>,
    now: Arc<AtomicI64>,
}

impl Scene {
    fn new() -> Self {
        let now = Arc::new(AtomicI64::new(NOW_MS));
        let clock = now.clone();
        let clock: shoptide_log::Clock = Arc::new(move || clock.load(Ordering::Relaxed));
        let log =
            MemoryLog::new(MemoryLogOptions { partitions: PARTITIONS, clock, queue_records_max: 100_000 });
        Self { dir: TempDir::new().unwrap(), log, now }
    }

    /// The generated shop, spoiled here and there.
    async fn generated(seed: u64) -> Self {
        let scene = Self::new();
        let demo = ShopOptions::demo(seed, NOW_MS);
        let options = ShopOptions { users: 80, items: 60, events: 4_000, bad_per_mille: 10, ..demo };
        let shop = Shop::new(ShopParams::new(options).unwrap());
        let mut all =
            shop.catalogue().map(Outgoing::Item).chain(shop.events().map(Outgoing::Event)).peekable();
        let mut sink = LogSink::new(scene.log.clone());
        while all.peek().is_some() {
            sink.send(all.by_ref().take(100).collect()).await.unwrap();
            scene.now.fetch_add(1_000, Ordering::Relaxed);
        }
        scene
    }

    async fn append(&self, topic: Topic, event: serde_json::Value) {
        let key = event["user_id"].as_str().or(event["item_id"].as_str()).unwrap().as_bytes().to_vec();
        let record = NewRecord { topic, key: key.into(), value: event.to_string().into_bytes().into() };
        self.log.append(vec![record]).await.unwrap();
    }

    async fn ends(&self) -> Cut {
        let mut cut = Cut::default();
        for topic in ALL_TOPICS {
            for partition in 0..self.log.partitions(topic) {
                cut.set(topic, partition, self.log.watermarks(topic, partition).await.unwrap().next);
            }
        }
        cut
    }

    /// A truth folded batch by batch up to a cut.
    async fn folded(&self, name: &str, cut: &Cut) -> Arc<SqliteTruth> {
        let truth = SqliteTruth::open(SqliteTruthOptions::rebuilt(self.dir.path().join(name))).await.unwrap();
        for shard in 0..PARTITIONS {
            let bases = first_bases(shard, |_| 0);
            let until: BTreeMap<u8, i64> =
                bases.iter().map(|(t, _)| (t.code(), cut.get(*t, shard).unwrap())).collect();
            replay(&*self.log, &*truth, shard, &bases, &until, None).await.unwrap();
        }
        truth
    }

    async fn rebuild(&self, name: &str, truth: &SqliteTruth, moment: Moment, records: usize) -> Report {
        self.rebuild_with(None, name, truth, moment, records).await
    }

    async fn rebuild_with(
        &self,
        archive: Option<&dyn Archive>,
        name: &str,
        truth: &SqliteTruth,
        moment: Moment,
        records: usize,
    ) -> Report {
        let dir = self.dir.path().join(name);
        std::fs::create_dir_all(&dir).unwrap();
        let (files, lists) = (ModelFiles::new(self.dir.path().join("models")), lists());
        let into = Rebuild {
            log: &*self.log,
            archive,
            truth,
            files: &files,
            lists: &lists,
            rules_version: 7,
            moment,
            truth_path: &dir.join("truth.db"),
            log_path: &dir.join("log.db"),
            models: ModelFiles::new(dir.join("models")),
            copy_log: true,
            make_lists: true,
            inspect: None,
            stretch: Stretch { records, bytes: usize::MAX },
        };
        into.run().await.unwrap()
    }

    async fn opened(&self, name: &str) -> (Arc<SqliteLog>, Arc<SqliteTruth>) {
        let dir = self.dir.path().join(name);
        let options = SqliteLogOptions::new(dir.join("log.db"), PARTITIONS, Arc::new(|| NOW_MS));
        let log = SqliteLog::open(options).await.unwrap();
        (log, SqliteTruth::open(SqliteTruthOptions::new(dir.join("truth.db"))).await.unwrap())
    }
}

fn lists() -> shoptide_models::list::ListParams {
    Config::load(None, std::iter::empty()).unwrap().list_params()
}

async fn dump(truth: &SqliteTruth) -> Vec<(&'static str, Vec<Vec<u8>>)> {
    let mut tables = Vec::new();
    for table in FoldedTable::ALL {
        let mut rows = Vec::new();
        truth.dump(table, &mut |row| rows.push(row.to_vec())).await.unwrap();
        tables.push((table.name(), rows));
    }
    tables
}

async fn proved(scene: &Scene, name: &str) {
    let (log, truth) = scene.opened(name).await;
    let (files, lists) = (ModelFiles::new(scene.dir.path().join(name).join("models")), lists());
    let scratch = TempDir::new().unwrap();
    let verify = Verify {
        log: &*log,
        truth: &*truth,
        files: &files,
        lists: &lists,
        rules_version: 7,
        scratch: scratch.path(),
        inspect: None,
    };
    let report = verify.run().await.unwrap();
    assert!(report.ok && report.behind == 0, "{report:?}");
    assert!(10 < report.lists.equal, "{report:?}");
    truth.close().await;
    log.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_moment_is_as_it_was() {
    let scene = Scene::generated(11).await;
    let all = scene.folded("all.db", &scene.ends().await).await;
    let last = scene.now.load(Ordering::Relaxed);
    for (n, (at, records)) in
        [(NOW_MS + 3_500, usize::MAX), (NOW_MS + 20_000, 100), (last, 1_000)].into_iter().enumerate()
    {
        let name = format!("then-{n}");
        let report = scene.rebuild(&name, &all, Moment::Time(at), records).await;
        let Moment::Cut(cut) = Moment::parse(&json!({ "cut": report.cut }).to_string()).unwrap() else {
            panic!()
        };
        // Nothing appended later, everything before.
        for (topic, partition, next) in cut.iter() {
            let all = shoptide_log::ReadMax { records: 100_000, bytes: usize::MAX };
            let records = scene.log.read(topic, partition, 0, all).await.unwrap();
            assert_eq!(
                records.iter().filter(|r| r.appended.0 <= at).count() as i64,
                next,
                "{topic} {partition}"
            );
        }
        let expected = scene.folded(&format!("expected-{n}.db"), &cut).await;
        let (log, truth) = scene.opened(&name).await;
        assert!(dump(&truth).await == dump(&expected).await, "{at}");
        for topic in ALL_TOPICS {
            for partition in 0..log.partitions(topic) {
                let max = shoptide_log::ReadMax { records: 100_000, bytes: usize::MAX };
                let mut was = scene.log.read(topic, partition, 0, max).await.unwrap();
                was.retain(|record| record.offset < cut.get(topic, partition).unwrap());
                assert!(log.read(topic, partition, 0, max).await.unwrap() == was, "{topic} {partition}");
            }
        }
        truth.close().await;
        log.close().await;
        proved(&scene, &name).await;
        // The same moment by its offsets.
        let again = scene.rebuild(&format!("again-{n}"), &all, Moment::Cut(cut), usize::MAX).await;
        assert_eq!((again.cut, again.records, again.lists), (report.cut, report.records, report.lists));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_was_erased_since_does_not_come_back() {
    let scene = Scene::generated(12).await;
    let at = scene.now.load(Ordering::Relaxed);
    let user = |n: u32| format!("U{}", 10_000 + n);
    let before = scene.folded("before.db", &scene.ends().await).await;
    let ids: Vec<String> =
        before.users_after(None, 5).await.unwrap().into_iter().map(|(_, id)| id.to_string()).collect();
    assert_eq!(ids.len(), 5, "users are named as {}", user(1));
    scene.now.fetch_add(60_000, Ordering::Relaxed);
    // One that the truth has folded, one that it has not seen yet.
    let erase =
        |id: &str| json!({"event_id": "bye", "type": "user_erased", "user_id": id, "occurred_at": NOW_MS});
    for topic in USER_TOPICS {
        scene.append(topic, erase(&ids[0])).await;
    }
    let truth = scene.folded("truth.db", &scene.ends().await).await;
    for topic in USER_TOPICS {
        scene.append(topic, erase(&ids[1])).await;
    }
    let report = scene.rebuild("then", &truth, Moment::Time(at), 500).await;
    assert_eq!(report.erased_since, 2);
    let (log, then) = scene.opened("then").await;
    for (n, id) in ids.iter().enumerate() {
        let id = shoptide_schemas::UserId::parse(id).unwrap();
        let shard = shoptide_schemas::partition::partition_of(id.as_bytes(), PARTITIONS);
        let row = then.users(shard, std::slice::from_ref(&id)).await.unwrap().remove(0);
        assert_eq!(row.parts.iter().any(Option::is_some), 2 <= n, "{id}");
        assert_eq!(row.list.is_some(), 2 <= n, "{id}");
    }
    then.close().await;
    log.close().await;
    proved(&scene, "then").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_gone_is_said() {
    let scene = Scene::generated(13).await;
    let truth = scene.folded("truth.db", &scene.ends().await).await;
    scene.log.truncate_below(Topic::Browse, 1, 40).await.unwrap();
    let (files, lists) = (ModelFiles::new(scene.dir.path().join("models")), lists());
    let dir = scene.dir.path().join("then");
    let into = |moment| Rebuild {
        log: &*scene.log,
        archive: None,
        truth: &*truth,
        files: &files,
        lists: &lists,
        rules_version: 7,
        moment,
        truth_path: &dir,
        log_path: &dir,
        models: files.clone(),
        copy_log: true,
        make_lists: true,
        inspect: None,
        stretch: Stretch::default(),
    };
    let error = into(Moment::Time(NOW_MS + 9_000)).run().await.unwrap_err();
    assert!(error.is_refusal() && !dir.exists(), "{error}");
    for part in ["shop.browse partition 1", "records 0 to 40", "no lake", "2026-05-04T12:00"] {
        assert!(error.to_string().contains(part), "{part}: {error}");
    }
}

/// One user makes 30 % and one item 50 % of the events: counts stay exact, and rows are spread.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_skewed_shop_stays_exact() {
    let scene = Scene::new();
    let (mut hot_user, mut hot_item) = (0, 0);
    for n in 0..4_000_u64 {
        let user = if n % 10 < 3 { "hot".to_owned() } else { format!("u{}", n % 97) };
        let item = if n % 2 == 0 { "best".to_owned() } else { format!("i{}", n % 89) };
        (hot_user, hot_item) = (hot_user + u64::from(user == "hot"), hot_item + u64::from(item == "best"));
        let (topic, kind) =
            [(Topic::Browse, "view_item"), (Topic::Cart, "add_to_cart")][(n % 7 == 0) as usize];
        let e = json!({"event_id": format!("e{n}"), "type": kind, "user_id": user, "item_id": item,
            "occurred_at": NOW_MS - (n % 5) as i64 * 86_400_000});
        scene.append(topic, e).await;
        scene.now.fetch_add(10, Ordering::Relaxed);
    }
    let truth = scene.folded("truth.db", &scene.ends().await).await;
    let report = skew(&*scene.log, &*truth, SkewParams { keys: 1_000, top: 3, batch: 500 }).await.unwrap();
    assert!(report.exact && report.events == 4_000, "{report:?}");
    let (user, item) = (&report.users[0], &report.items[0]);
    assert_eq!((user.id.as_str(), user.events, user.error), ("hot", hot_user, 0));
    assert_eq!((item.key.id.as_str(), item.key.events, item.key.error), ("best", hot_item, 0));
    assert_eq!((user.share, item.key.share), (0.3, 0.5));
    // Two acts on five days: on three of them in three shards, on two only the hot user took it.
    assert_eq!((item.rows, item.shards), (22, 3));
    assert!(item.largest_row < 0.2 && report.writes < report.counts, "{report:?}");
    assert!(item.writes * 20 < item.key.events, "a batch writes a row once: {report:?}");
    // What the rows add up to is what happened: nothing lost, nothing twice.
    let day = shoptide_schemas::EventMs(NOW_MS).day();
    let best = shoptide_schemas::ItemId::parse("best").unwrap();
    let sums = truth.item_counts(&[best], day - 10, day).await.unwrap();
    assert_eq!(sums.iter().map(|count| count.n as u64).sum::<u64>(), hot_item);
    // Counted with too few keys, the bounds say so and hold.
    let rough = skew(&*scene.log, &*truth, SkewParams { keys: 20, top: 1, batch: 500 }).await.unwrap();
    assert!(!rough.exact && rough.users[0].id == "hot" && rough.items[0].key.id == "best");
    assert!(rough.users[0].events - rough.users[0].error <= hot_user && hot_user <= rough.users[0].events);
    let at = scene.now.load(Ordering::Relaxed);
    let rebuilt = scene.rebuild("then", &truth, Moment::Time(at), 700).await;
    assert_eq!(rebuilt.records, 4_000);
    let (log, then) = scene.opened("then").await;
    assert!(dump(&then).await == dump(&truth).await);
    then.close().await;
    log.close().await;
    proved(&scene, "then").await;
}

/// What the log has forgotten is the same from the lake: events by day and type, refused records, the catalogue.
#[cfg(feature = "lake")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_log_has_forgotten_comes_from_the_lake() {
    use shoptide_jobs::replay::LakeArchive;
    use shoptide_lake::{ArchiveLimits, Archiver, Lake, LakeOptions};

    let scene = Scene::generated(14).await;
    let ends = scene.ends().await;
    let all = scene.folded("all.db", &ends).await;
    let expected = dump(&all).await;
    let at = NOW_MS + 12_500;
    let middle = scene.rebuild("middle", &all, Moment::Time(at), 1_000).await;
    let Moment::Cut(cut) = Moment::parse(&middle.cut.to_string()).unwrap() else { panic!() };
    let was = dump(&*scene.folded("middle.db", &cut).await).await;
    let options = LakeOptions::local(scene.dir.path().join("lake"));
    let limits =
        ArchiveLimits { portion_rows: 300, step_records: 700, file_rows: 90, ..ArchiveLimits::default() };
    let clock: shoptide_log::Clock = Arc::new(|| NOW_MS);
    let lake = Lake::open(&options).await.unwrap();
    Archiver { lake, log: scene.log.clone(), clock, limits }.run().await.unwrap();
    for (topic, partition, next) in ends.iter() {
        // Some of it, all of it, nothing of it.
        let gone = [next / 2, next, 0][(partition as usize + usize::from(topic.code())) % 3];
        scene.log.truncate_below(topic, partition, gone).await.unwrap();
    }
    let archive = LakeArchive::open(&options, vec![PARTITIONS]).await.unwrap();
    for (n, (moment, expected, records)) in
        [(Moment::Time(i64::MAX / 2), &expected, 100), (Moment::Time(at), &was, usize::MAX)]
            .into_iter()
            .enumerate()
    {
        let name = format!("from-lake-{n}");
        let report = scene.rebuild_with(Some(&archive), &name, &all, moment, records).await;
        assert!(0 < report.from.archive && !report.log_copied, "{report:?}");
        let then = SqliteTruth::open(SqliteTruthOptions::new(scene.dir.path().join(&name).join("truth.db")))
            .await
            .unwrap();
        for ((table, rows), (_, expected)) in dump(&then).await.iter().zip(expected.iter()) {
            assert!(rows == expected, "{table} of {name}: {} rows, expected {}", rows.len(), expected.len());
        }
        then.close().await;
    }
}
