//! Any moment of a log that has grown to larger topics, twice: rebuilt as the stream had it, and asked for one user.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU32, Ordering};

use async_trait::async_trait;
use serde_json::{Value, json};
use shoptide_config::Config;
use shoptide_jobs::grow;
use shoptide_jobs::import::{LogSink, Outgoing, Sink};
use shoptide_jobs::replay::{
    Archive, Cut, History, Moment, Rebuild, ReplayToError, Report, Then, UserThen, Who, WithoutLog, user_then,
};
use shoptide_jobs::shop::{Shop, ShopOptions, ShopParams};
use shoptide_jobs::verify::Verify;
use shoptide_live::ModelFiles;
use shoptide_live::fold::{Stretch, first_bases, replay};
use shoptide_log::{
    Log, LogError, Membership, MemoryLog, MemoryLogOptions, NewRecord, Position, ReadMax, Record, SqliteLog,
    SqliteLogOptions, Watermarks, first_offset, generation_of,
};
use shoptide_schemas::partition::partition_of;
use shoptide_schemas::{EventMs, Topic, USER_TOPICS, UserId};
use shoptide_store::{FoldedTable, Growth, SqliteTruth, SqliteTruthOptions, Truth};
use tempfile::TempDir;

use crate::train_support::NOW_MS;

/// By generation.
const PARTITIONS: [u32; 3] = [2, 4, 8];
/// Batches of a generation, a second each.
const LEG: usize = 12;
const ALL: ReadMax = ReadMax { records: 100_000, bytes: usize::MAX };

/// Several logs as one: offsets of each begin where its generation does.
struct Grown {
    logs: Vec<Arc<MemoryLog>>,
    stands: AtomicU32,
}

impl Grown {
    fn of(&self, topic: Topic, generation: u32) -> Option<(&Arc<MemoryLog>, i64)> {
        let generation = if topic.is_user() { generation } else { 1 };
        Some((self.logs.get(generation as usize - 1)?, first_offset(generation)))
    }
}

#[async_trait]
impl Log for Grown {
    async fn append(&self, _: Vec<NewRecord>) -> Result<Vec<Position>, LogError> {
        Err(LogError::Unusable("nobody appends here".to_owned()))
    }

    fn partitions(&self, topic: Topic) -> u32 {
        self.partitions_at(topic, first_offset(self.stands.load(Ordering::SeqCst)))
    }

    fn partitions_at(&self, topic: Topic, offset: i64) -> u32 {
        self.of(topic, generation_of(offset)).map_or(0, |(log, _)| log.partitions(topic))
    }

    async fn watermarks(&self, topic: Topic, partition: u32) -> Result<Watermarks, LogError> {
        self.watermarks_at(topic, partition, first_offset(self.stands.load(Ordering::SeqCst))).await
    }

    async fn watermarks_at(&self, topic: Topic, partition: u32, at: i64) -> Result<Watermarks, LogError> {
        let (log, base) = self.of(topic, generation_of(at)).unwrap();
        let marks = log.watermarks(topic, partition).await?;
        Ok(Watermarks { first: base + marks.first, next: base + marks.next })
    }

    async fn read(
        &self,
        topic: Topic,
        partition: u32,
        from: i64,
        max: ReadMax,
    ) -> Result<Vec<Record>, LogError> {
        let (log, base) = self.of(topic, generation_of(from)).unwrap();
        let moved = |mut record: Record| {
            record.offset += base;
            record
        };
        Ok(log.read(topic, partition, from - base, max).await?.into_iter().map(moved).collect())
    }

    async fn join(&self) -> Result<Box<dyn Membership>, LogError> {
        Err(LogError::Unusable("nobody joins here".to_owned()))
    }

    async fn wait_beyond(&self, _: Topic, _: u32, _: i64, _: u64) -> bool {
        false
    }

    async fn close(&self) {}
}

/// Whose erasure comes in which generation, before which batch.
type Erasure<'a> = (usize, usize, &'a str);

struct Scene {
    dir: TempDir,
    log: Arc<Grown>,
    now: Arc<AtomicI64>,
}

impl Scene {
    /// The generated shop over all generations, a second for each hundred events. Both of two take records for some time.
    async fn generated(seed: u64, erasures: &[Erasure<'_>]) -> Self {
        let now = Arc::new(AtomicI64::new(NOW_MS));
        let log = |partitions| {
            let clock = now.clone();
            let clock: shoptide_log::Clock = Arc::new(move || clock.load(Ordering::Relaxed));
            MemoryLog::new(MemoryLogOptions { partitions, clock, queue_records_max: 100_000 })
        };
        let log = Grown { logs: PARTITIONS.map(log).into(), stands: AtomicU32::new(1) };
        let scene = Self { dir: TempDir::new().unwrap(), log: Arc::new(log), now };
        let demo = ShopOptions::demo(seed, NOW_MS);
        let events = (PARTITIONS.len() * LEG * 100) as u64;
        let options = ShopOptions { users: 80, items: 60, events, bad_per_mille: 10, ..demo };
        let shop = Shop::new(ShopParams::new(options).unwrap());
        let mut items = shop.catalogue().map(Outgoing::Item);
        let mut events = shop.events().map(Outgoing::Event);
        let mut sinks: Vec<LogSink> = scene.log.logs.iter().map(|log| LogSink::new(log.clone())).collect();
        for generation in 0..PARTITIONS.len() {
            let news: Vec<Outgoing> = items.by_ref().take(30).collect();
            sinks[0].send(news).await.unwrap();
            for batch in 0..LEG {
                for (.., user) in erasures.iter().filter(|(g, b, _)| (*g, *b) == (generation + 1, batch)) {
                    scene.erase(generation + 1, user).await;
                }
                let mut sent: Vec<Outgoing> = events.by_ref().take(100).collect();
                if batch == 0 && 0 < generation {
                    let late = sent.split_off(70);
                    sinks[generation].send(sent).await.unwrap();
                    scene.pass();
                    sent = late;
                    sinks[generation - 1].send(sent).await.unwrap();
                } else {
                    sinks[generation].send(sent).await.unwrap();
                }
                scene.pass();
            }
        }
        scene
    }

    fn pass(&self) {
        self.now.fetch_add(1_000, Ordering::Relaxed);
    }

    /// So many seconds after a generation began.
    fn moment(generation: i64, seconds: i64) -> i64 {
        // While two took records a second more went by.
        NOW_MS + ((generation - 1) * LEG as i64 + (generation - 2).max(0) + seconds) * 1_000
    }

    async fn append(&self, generation: usize, topic: Topic, event: Value) {
        let key = event["user_id"].as_str().unwrap().as_bytes().to_vec();
        let record = NewRecord { topic, key: key.into(), value: event.to_string().into_bytes().into() };
        self.log.logs[generation - 1].append(vec![record]).await.unwrap();
    }

    async fn erase(&self, generation: usize, user: &str) {
        for topic in USER_TOPICS {
            let at = self.now.load(Ordering::Relaxed);
            let event = json!({"event_id": "bye", "type": "user_erased", "user_id": user, "occurred_at": at});
            self.append(generation, topic, event).await;
        }
    }

    async fn ends(&self, generation: u32) -> Cut {
        let mut cut = Cut::default();
        let begin = first_offset(generation);
        for topic in USER_TOPICS.into_iter().chain([Topic::Catalogue]) {
            for partition in 0..self.log.partitions_at(topic, begin) {
                let next = self.log.watermarks_at(topic, partition, begin).await.unwrap().next;
                cut.set(topic, partition, next);
            }
        }
        cut
    }

    /// A truth folded batch by batch, generation by generation, up to a cut.
    async fn folded(&self, name: &str, cut: &Cut) -> Arc<SqliteTruth> {
        let truth = SqliteTruth::open(SqliteTruthOptions::rebuilt(self.dir.path().join(name))).await.unwrap();
        for generation in 1..=cut.generation() {
            let ends = if generation < cut.generation() { self.ends(generation).await } else { cut.clone() };
            let begun = |shard: u32| {
                let place = PARTITIONS.iter().position(|partitions| shard < *partitions).unwrap();
                move |topic: Topic| if topic.is_user() { first_offset(place as u32 + 1) } else { 0 }
            };
            for shard in 0..PARTITIONS[generation as usize - 1] {
                let bases = first_bases(shard, begun(shard));
                let until: BTreeMap<u8, i64> = bases
                    .iter()
                    .filter(|(topic, _)| topic.is_user() || generation == cut.generation())
                    .map(|(t, _)| (t.code(), ends.get(*t, shard).unwrap()))
                    .collect();
                replay(&*self.log, &*truth, shard, &bases, &until, None).await.unwrap();
            }
            if generation < cut.generation() {
                let ends = ends.iter().filter(|(topic, ..)| topic.is_user()).collect();
                let [from, to] = [generation - 1, generation].map(|place| PARTITIONS[place as usize]);
                let begin = first_offset(generation + 1);
                let growth = Growth { generation: generation + 1, from, to, ends, begin };
                grow::enter(&*truth, &growth).await.unwrap();
            }
        }
        truth
    }

    /// The shop's truth, and the log where it stands.
    async fn truth(&self, generation: u32) -> Arc<SqliteTruth> {
        self.log.stands.store(generation, Ordering::SeqCst);
        self.folded(&format!("all-{generation}.db"), &self.ends(generation).await).await
    }

    async fn rebuild(
        &self,
        name: &str,
        (truth, archive): (&SqliteTruth, Option<&dyn Archive>),
        moment: Moment,
    ) -> Result<Report, ReplayToError> {
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
            stretch: Stretch { records: 700, bytes: usize::MAX },
        };
        into.run().await
    }

    async fn one_user(
        &self,
        (truth, history): (&SqliteTruth, &History<'_>),
        user: &UserId,
        moment: &Moment,
    ) -> (Then, Arc<SqliteTruth>) {
        let dir = TempDir::new_in(self.dir.path()).unwrap().keep();
        let then = SqliteTruth::open(SqliteTruthOptions::rebuilt(dir.join("truth.db"))).await.unwrap();
        let (files, lists) = (ModelFiles::new(self.dir.path().join("models")), lists());
        let asked = UserThen {
            log: &*self.log,
            history,
            truth,
            files: &files,
            lists: &lists,
            rules_version: 7,
            then: &then,
            models: &ModelFiles::new(dir.join("models")),
            scratch: &dir,
        };
        (user_then(&asked, user, moment).await.unwrap(), then)
    }

    async fn opened(&self, name: &str, partitions: u32) -> (Arc<SqliteLog>, Arc<SqliteTruth>) {
        let dir = self.dir.path().join(name);
        let options = SqliteLogOptions::new(dir.join("log.db"), partitions, Arc::new(|| NOW_MS));
        let log = SqliteLog::open(options).await.unwrap();
        (log, SqliteTruth::open(SqliteTruthOptions::new(dir.join("truth.db"))).await.unwrap())
    }
}

fn lists() -> shoptide_models::list::ListParams {
    Config::load(None, std::iter::empty()).unwrap().list_params()
}

fn as_cut(json: &Value) -> Cut {
    let Moment::Cut(cut) = Moment::parse(&json!({ "cut": json }).to_string()).unwrap() else { panic!() };
    cut
}

async fn assert_equal(truth: &SqliteTruth, expected: &SqliteTruth, what: &str) {
    for table in FoldedTable::ALL {
        let (mut ours, mut theirs) = (Vec::new(), Vec::new());
        truth.dump(table, &mut |row| ours.push(row.to_vec())).await.unwrap();
        expected.dump(table, &mut |row| theirs.push(row.to_vec())).await.unwrap();
        let name = table.name();
        assert!(ours == theirs, "{what}: {name} has {} rows, expected {}", ours.len(), theirs.len());
        assert!(!ours.is_empty() || table == FoldedTable::Tombstones, "{what}: {name} is empty");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_moment_of_a_grown_log_is_as_it_was() {
    let user = user(7);
    let scene = Scene::generated(21, &[(1, 2, &user)]).await;
    let all = scene.truth(3).await;
    // In the seconds in which both take records it is the one before.
    let moments = [
        (Scene::moment(1, 1), 1),
        (Scene::moment(1, 5), 1),
        (Scene::moment(2, 0), 1),
        (Scene::moment(2, 1), 2),
        (Scene::moment(2, 6), 2),
        (Scene::moment(3, 0), 2),
        (Scene::moment(3, 5), 3),
        (i64::MAX / 2, 3),
    ];
    for (n, (at, generation)) in moments.into_iter().enumerate() {
        let name = format!("then-{n}");
        let report = scene.rebuild(&name, (&all, None), Moment::Time(at)).await.unwrap();
        let partitions = PARTITIONS[generation as usize - 1];
        assert_eq!((report.generation, report.partitions), (generation, partitions), "{name}");
        assert_eq!(report.log_copied, generation == 1);
        assert_eq!(report.without_log, (1 < generation).then_some(WithoutLog::Grown));
        // The copies that larger topics have of his tombstone do not make him one who was erased since.
        assert_eq!((report.erased_since, 0 < report.lists), (usize::from(n == 0), true), "{name}");
        let cut = as_cut(&report.cut);
        assert_eq!(report.cut["shop.browse"].as_array().unwrap().len(), partitions as usize);
        for (topic, partition, next) in cut.iter() {
            let base = if topic.is_user() { first_offset(generation) } else { 0 };
            let records = scene.log.read(topic, partition, base, ALL).await.unwrap();
            let until = records.iter().filter(|record| record.appended.0 <= at).count() as i64;
            assert_eq!(next - base, until, "{name}: {topic} {partition}");
        }
        let (log, truth) = scene.opened(&name, partitions).await;
        if n != 0 {
            let expected = scene.folded(&format!("expected-{n}.db"), &cut).await;
            assert_equal(&truth, &expected, &name).await;
        }
        if at == i64::MAX / 2 {
            assert_equal(&truth, &all, "everything").await;
        }
        if generation == 1 {
            proved(&scene, &name, (&*log, &*truth)).await;
        }
        goes_on(&*log, &*truth, generation).await;
        truth.close().await;
        log.close().await;
        let again = scene.rebuild(&format!("again-{n}"), (&all, None), Moment::Cut(cut)).await.unwrap();
        assert_eq!((again.cut, again.records, again.lists), (report.cut, report.records, report.lists));
    }
}

fn user(number: u64) -> String {
    Shop::new(ShopParams::new(ShopOptions::demo(1, NOW_MS)).unwrap()).user_id(number)
}

/// An embedded log goes on where it was cut.
async fn goes_on(log: &dyn Log, truth: &dyn Truth, generation: u32) {
    shoptide_live::stand(truth, log).await.unwrap();
    assert!(log.stand_in(generation + 1).await.is_err(), "it never grows");
    let event = json!({"event_id": "next", "type": "view_item", "user_id": "ann", "item_id": "i1", "occurred_at": NOW_MS});
    let value = event.to_string().into_bytes().into();
    let record = NewRecord { topic: Topic::Browse, key: b"ann".to_vec().into(), value };
    let at = log.append(vec![record]).await.unwrap()[0];
    let rows = truth.offsets().await.unwrap();
    let row = rows.iter().find(|row| (row.topic, row.shard) == (Topic::Browse, at.partition)).unwrap();
    assert_eq!((at.offset, generation_of(at.offset)), (row.next_off, generation));
}

async fn proved(scene: &Scene, name: &str, (log, truth): (&dyn Log, &dyn Truth)) {
    let (files, lists) = (ModelFiles::new(scene.dir.path().join(name).join("models")), lists());
    let scratch = TempDir::new().unwrap();
    let verify = Verify {
        log,
        truth,
        files: &files,
        lists: &lists,
        rules_version: 7,
        scratch: scratch.path(),
        inspect: None,
    };
    let report = verify.run().await.unwrap();
    assert!(report.ok && report.behind == 0 && 5 < report.lists.equal, "{report:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_was_erased_in_a_later_generation_does_not_come_back() {
    let users: Vec<String> = (0..6).map(user).collect();
    let scene = Scene::generated(22, &[(1, 4, &users[0]), (2, 5, &users[1]), (3, 5, &users[2])]).await;
    let all = scene.truth(3).await;
    // The truth has not seen this one.
    scene.erase(3, &users[3]).await;
    for (at, since) in [
        (Scene::moment(1, 2), vec![0, 1, 2, 3]),
        (Scene::moment(1, 9), vec![1, 2, 3]),
        (Scene::moment(2, 3), vec![1, 2, 3]),
        (Scene::moment(2, 9), vec![2, 3]),
        (Scene::moment(3, 9), vec![3]),
    ] {
        let name = format!("then-{at}");
        let report = scene.rebuild(&name, (&all, None), Moment::Time(at)).await.unwrap();
        assert_eq!(report.erased_since, since.len(), "{report:?}");
        let (log, then) = scene.opened(&name, report.partitions).await;
        for user in since.iter().map(|n| UserId::parse(&users[*n]).unwrap()) {
            for shard in 0..report.partitions {
                let row = then.users(shard, std::slice::from_ref(&user)).await.unwrap().remove(0);
                assert!(row.parts.iter().all(Option::is_none) && row.list.is_none(), "{user} at {at}");
            }
        }
        let stays = UserId::parse(&users[4]).unwrap();
        let shard = partition_of(stays.as_bytes(), report.partitions);
        let row = then.users(shard, &[stays]).await.unwrap().remove(0);
        assert!(row.parts.iter().any(Option::is_some) && row.list.is_some(), "at {at}");
        then.close().await;
        log.close().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_that_is_just_growing_has_what_is_folded() {
    let erased = user(3);
    let scene = Scene::generated(23, &[(2, 5, &erased)]).await;
    let truth = scene.truth(1).await;
    let before = scene.rebuild("before", (&truth, None), Moment::Time(Scene::moment(1, 8))).await.unwrap();
    assert_eq!((before.generation, before.erased_since), (1, 1), "what waits in larger topics is heard of");
    let error = scene.rebuild("since", (&truth, None), Moment::Time(Scene::moment(2, 1))).await.unwrap_err();
    let since = EventMs(Scene::moment(2, 0)).to_rfc3339();
    assert!(error.is_refusal() && error.to_string().contains(&since), "{error}");
    for (offsets, why) in [
        (json!({ "shop.browse": [first_offset(2), 0] }), "generation 2 of the topics are asked for"),
        (json!({ "shop.browse": [1_000_000, 0] }), "asked for the moment before 1000000"),
        (json!({ "shop.browse": [0, 0, 0] }), "no partition 2"),
        (json!({ "shop.browse": [0, 0] }), "the offsets name no"),
    ] {
        let error = scene.rebuild("no", (&truth, None), Moment::Cut(as_cut(&offsets))).await.unwrap_err();
        assert!(error.is_refusal() && error.to_string().contains(why), "{offsets}: {error}");
    }
}

/// `recommend --at`: the parts of one user are those of the whole shop then.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_user_is_as_he_was_before_and_after_the_log_grew() {
    let erased = user(3);
    let scene = Scene::generated(24, &[(2, 5, &erased)]).await;
    let all = scene.truth(3).await;
    let history = History::open(&*scene.log, None, &*all).await.unwrap();
    let users: Vec<UserId> = (0..9).map(|n| UserId::parse(&user(n)).unwrap()).collect();
    for at in [Scene::moment(1, 4), Scene::moment(2, 4), Scene::moment(3, 4)] {
        let report = scene.rebuild(&format!("then-{at}"), (&all, None), Moment::Time(at)).await.unwrap();
        let (log, whole) = scene.opened(&format!("then-{at}"), report.partitions).await;
        let (cut, mut known) = (as_cut(&report.cut), 0);
        for user in &users {
            let home = partition_of(user.as_bytes(), report.partitions);
            let offsets = USER_TOPICS.map(|topic| (topic, cut.get(topic, home).unwrap())).into();
            for moment in [Moment::Time(at), Moment::AsOf { offsets, model: None }] {
                let (found, then) = scene.one_user((&all, &history), user, &moment).await;
                assert_eq!(found.partitions, report.partitions);
                if user.to_string() == erased && at < Scene::moment(2, 5) {
                    assert_eq!(found.who, Who::ErasedSince);
                    continue;
                }
                let expected = whole.users(home, std::slice::from_ref(user)).await.unwrap().remove(0);
                let row = then.users(home, std::slice::from_ref(user)).await.unwrap().remove(0);
                assert!(row.parts == expected.parts, "{user} at {at}, {moment:?}");
                known += usize::from(found.who == Who::Known);
            }
        }
        assert!(10 < known, "{known} known at {at}");
        whole.close().await;
        log.close().await;
    }
}

/// Two users of one partition are folded then, one after the other.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_was_anonymous_is_found_as_whom_he_turned_out_to_be() {
    let scene = Scene::generated(26, &[]).await;
    let known = UserId::parse(&user(4)).unwrap();
    let home = partition_of(known.as_bytes(), PARTITIONS[2]);
    let anonymous = (0..).map(|n| format!("anon-{n}"));
    let anonymous =
        anonymous.into_iter().find(|id| partition_of(id.as_bytes(), PARTITIONS[2]) == home).unwrap();
    let at = scene.now.load(Ordering::Relaxed);
    for topic in USER_TOPICS {
        let event = json!({"event_id": "id", "type": "identify", "user_id": anonymous, "known_user_id": known.to_string(), "occurred_at": at});
        scene.append(3, topic, event).await;
    }
    scene.pass();
    // What both are then is no longer what the truth holds of them.
    for user in [&anonymous, &known.to_string()] {
        for (topic, kind) in [(Topic::Browse, "view_item"), (Topic::Cart, "add_to_cart")] {
            let event = json!({"event_id": "later", "type": kind, "user_id": user, "item_id": "i1", "occurred_at": at});
            scene.append(3, topic, event).await;
        }
    }
    let all = scene.truth(3).await;
    let report = scene.rebuild("then", (&all, None), Moment::Time(at)).await.unwrap();
    let (log, whole) = scene.opened("then", report.partitions).await;
    let history = History::open(&*scene.log, None, &*all).await.unwrap();
    let anonymous = UserId::parse(&anonymous).unwrap();
    let (found, then) = scene.one_user((&all, &history), &anonymous, &Moment::Time(at)).await;
    assert_eq!(found.who, Who::Known);
    let expected = whole.users(home, &[anonymous.clone(), known.clone()]).await.unwrap();
    let rows = then.users(home, &[anonymous, known]).await.unwrap();
    for (row, expected) in rows.iter().zip(expected) {
        assert!(row.parts == expected.parts && row.parts.iter().flatten().count() != 0, "{}", row.user);
    }
    whole.close().await;
    log.close().await;
}

/// A former generation is the first that a log forgets.
#[cfg(feature = "lake")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_generation_that_is_gone_comes_from_the_lake() {
    use shoptide_jobs::replay::LakeArchive;
    use shoptide_lake::{ArchiveLimits, Archiver, Lake, LakeOptions};

    let scene = Scene::generated(25, &[]).await;
    let all = scene.truth(3).await;
    let options = LakeOptions::local(scene.dir.path().join("lake"));
    let lake = Lake::open(&options).await.unwrap();
    let (clock, limits): (shoptide_log::Clock, _) = (Arc::new(|| NOW_MS), ArchiveLimits::default());
    Archiver { lake, log: scene.log.clone(), clock, limits }.run().await.unwrap();
    for (topic, partition, next) in scene.ends(1).await.iter().filter(|(topic, ..)| topic.is_user()) {
        scene.log.logs[0].truncate_below(topic, partition, next).await.unwrap();
    }
    let error = scene.rebuild("gone", (&all, None), Moment::Time(i64::MAX / 2)).await.unwrap_err();
    assert!(error.is_refusal() && error.to_string().contains("no lake is given"), "{error}");
    let archive = LakeArchive::open(&options, PARTITIONS.into()).await.unwrap();
    let whole = Scene::generated(25, &[]).await;
    for (n, (at, why)) in [
        (Scene::moment(1, 5), WithoutLog::Archived),
        (Scene::moment(2, 5), WithoutLog::Grown),
        (i64::MAX / 2, WithoutLog::Grown),
    ]
    .into_iter()
    .enumerate()
    {
        let name = format!("then-{n}");
        let report = scene.rebuild(&name, (&all, Some(&archive)), Moment::Time(at)).await.unwrap();
        assert!(0 < report.from.archive && report.without_log == Some(why), "{report:?}");
        let (log, truth) = scene.opened(&name, report.partitions).await;
        let expected = match n {
            2 => all.clone(),
            _ => whole.folded(&format!("expected-{n}.db"), &as_cut(&report.cut)).await,
        };
        assert_equal(&truth, &expected, &name).await;
        truth.close().await;
        log.close().await;
    }
}
