//! One run: the seed decides what happens when; then everything heals, comes to rest, and is judged.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use shoptide_faults::{Break, Point, enter};
use shoptide_log::{Log, MemoryLog, MemoryLogOptions};
use shoptide_schemas::{Topic, USER_TOPICS};
use shoptide_store::{LocalCache, LocalCacheOptions, SqliteTruth, SqliteTruthOptions, Truth};

use crate::cache::{Shared, SimCache};
use crate::clients::Clients;
use crate::dice::Dice;
use crate::group::Group;
use crate::helper::Helper;
use crate::log::SimLog;
use crate::oracle::Remains;
use crate::process::{Process, Setup};
use crate::shop;
use crate::truth::{Pointer, SimTruth};
use crate::world::{BEGIN_MS, Service, World};

/// After the last fault everything must have come to rest within this simulated time.
const REST_MS: i64 = 90_000;
/// Then nothing may change any more for so long.
const QUIET_MS: i64 = 3_000;

/// What one run came to.
#[derive(Debug, Clone)]
pub struct Outcome {
    pub seed: u64,
    pub violations: Vec<String>,
    /// Two runs of one seed have the same.
    pub trace: u64,
    /// The last lines of it, if they were asked for.
    pub lines: Vec<String>,
    /// Point: times passed, times something was done there.
    pub points: BTreeMap<Point, [u64; 2]>,
    pub seen: BTreeMap<&'static str, u64>,
}

/// What runs on one thread share, one after the other.
pub struct Lab {
    helper: Arc<Helper>,
    setup: Setup,
    dir: tempfile::TempDir,
    template: PathBuf,
}

impl Default for Lab {
    fn default() -> Self {
        Self::new()
    }
}

impl Lab {
    pub fn new() -> Self {
        shop::hush();
        // Databases in memory, where the machine has such a folder: what is tried here is no disk.
        let memory = std::path::Path::new("/dev/shm");
        let dir = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() }.unwrap();
        let template = dir.path().join("template.db");
        let (helper, path) = (Arc::new(Helper::new()), template.clone());
        helper.call(async move {
            SqliteTruth::open(SqliteTruthOptions::new(path)).await.unwrap().close().await;
        });
        Self { helper, setup: Setup::new(), dir, template }
    }

    /// Runs one seed, with one protection broken or none.
    pub fn run(&self, seed: u64, broken: Option<Break>, tracing: bool) -> Outcome {
        let world = World::new(seed, broken, tracing);
        let dir = tempfile::tempdir_in(self.dir.path()).unwrap();
        let _here = enter(world.clone());
        self.helper.enter(world.clone());
        let path = dir.path().join("truth.db");
        std::fs::copy(&self.template, &path).unwrap();
        let mut options = SqliteTruthOptions::new(path);
        options.read_connections = 1;
        let store = self.helper.call(async move { SqliteTruth::open(options).await }).unwrap();
        let mut run = Run::new(self, world.clone(), store.clone(), dir.path().to_owned(), seed);
        run.chaos();
        run.heal();
        if run.rest() {
            run.judge();
        }
        run.processes.clear();
        drop(run);
        self.helper.call(async move { store.close().await });
        let (trace, lines) = world.trace();
        Outcome {
            seed,
            violations: world.violations(),
            trace,
            lines,
            points: world.counts(),
            seen: world.seen(),
        }
    }
}

struct Run<'a> {
    lab: &'a Lab,
    world: Arc<World>,
    store: Arc<SqliteTruth>,
    log: Arc<MemoryLog>,
    group: Arc<Mutex<Group>>,
    cache: Arc<Shared>,
    pointer: Pointer,
    dir: PathBuf,
    dice: Dice,
    partitions: u32,
    /// Lists at each event, or put off for a while.
    list_every_ms: u64,
    processes: Vec<Process>,
    clients: Clients,
    /// When the next processes start.
    boots: Vec<i64>,
    started: u32,
    buried: Vec<u32>,
    foreign: BTreeMap<(Topic, u32, i64), &'static str>,
}

impl<'a> Run<'a> {
    fn new(lab: &'a Lab, world: Arc<World>, store: Arc<SqliteTruth>, dir: PathBuf, seed: u64) -> Self {
        let mut dice = Dice::new(!seed);
        let partitions = dice.between(2, 4) as u32;
        let list_every_ms = if dice.chance(50.0) { 0 } else { dice.between(20, 1_500) };
        let time = world.clone();
        let clock: shoptide_store::Clock = Arc::new(move || time.now_ms());
        let log =
            MemoryLog::new(MemoryLogOptions { partitions, clock: clock.clone(), queue_records_max: 100_000 });
        let held = LocalCache::new(LocalCacheOptions { entries_max: 10_000, ttl_ms: i64::MAX / 2, clock });
        let cache = Shared::new(world.clone(), held, lab.helper.clone(), store.clone());
        let group = Arc::new(Mutex::new(Group::new(partitions)));
        let boots = (0..dice.between(2, 3)).map(|n| BEGIN_MS + n.cast_signed() * 40).collect();
        Self {
            lab,
            world,
            store,
            log,
            group,
            cache,
            pointer: Pointer::default(),
            dir,
            dice,
            partitions,
            list_every_ms,
            processes: Vec::new(),
            clients: Clients::default(),
            boots,
            started: 0,
            buried: Vec::new(),
            foreign: BTreeMap::new(),
        }
    }

    /// The time in which things go wrong.
    fn chaos(&mut self) {
        let now_ms = self.world.now_ms();
        let mut upserts = Vec::new();
        for n in 0..shop::ITEMS {
            upserts.push(shop::upsert(n, self.clients.new_id(), now_ms));
        }
        self.clients.bring(upserts, now_ms);
        let until = BEGIN_MS + self.dice.between(6_000, 12_000).cast_signed();
        while self.world.now_ms() < until {
            let ms = [1, 1, 2, 3, 5, 8, 13, 30][self.dice.below(8) as usize];
            self.tick(ms, 2);
            self.misfortune(ms as f64);
            if self.dice.chance(0.6 * ms as f64) {
                self.clients.wish(&self.world, &mut self.dice);
            }
        }
    }

    /// One step of everybody.
    fn tick(&mut self, ms: u64, rounds: u64) {
        let by = Duration::from_millis(ms);
        self.world.advance(by);
        let now_ms = self.world.now_ms();
        let (due, later): (Vec<i64>, Vec<i64>) =
            std::mem::take(&mut self.boots).into_iter().partition(|at| *at <= now_ms);
        self.boots = later;
        due.into_iter().for_each(|_| self.boot());
        self.cache.arrive(now_ms);
        self.group.lock().unwrap().tick(now_ms);
        self.buried.iter().for_each(|id| self.group.lock().unwrap().bury(*id));
        if !self.processes.is_empty() {
            let first = self.dice.below(self.processes.len() as u64) as usize;
            self.processes.rotate_left(first);
        }
        let mut place = 0;
        while place < self.processes.len() {
            let id = self.processes[place].id;
            if self.processes[place].asleep_until.is_some_and(|at| at <= now_ms) {
                self.processes[place].asleep_until = None;
                self.group.lock().unwrap().awake(id);
                self.world.note(id, || "wakes".to_owned());
            }
            self.processes[place].step(&self.world, by, rounds);
            let (ends, sleeps) = self.world.due();
            if ends.contains(&id) {
                self.kill(place);
                continue;
            }
            if sleeps.contains(&id) && self.world.chaos() {
                self.put_to_sleep(place);
            }
            if self.processes[place].has_ended() {
                let again = !self.processes[place].is_stopping();
                self.world.note(id, || format!("ended, again {again}"));
                drop(self.processes.remove(place));
                self.boots.push(now_ms + self.dice.between(50, 1_500).cast_signed());
                continue;
            }
            place += 1;
        }
        self.clients.tick(&self.world, &self.processes, &mut self.dice);
    }

    fn boot(&mut self) {
        self.started += 1;
        let (world, process) = (self.world.clone(), self.started);
        let log = SimLog { world: world.clone(), log: self.log.clone(), group: self.group.clone(), process };
        let truth = SimTruth {
            world: world.clone(),
            helper: self.lab.helper.clone(),
            store: self.store.clone(),
            pointer: self.pointer.clone(),
            models: self.dir.join("models"),
            process,
        };
        let cache = SimCache { shared: self.cache.clone(), process };
        world.note(process, || "boots".to_owned());
        self.processes.push(Process::boot(
            &self.lab.setup,
            log,
            truth,
            cache,
            self.dir.join("models"),
            self.list_every_ms,
        ));
    }

    /// As `kill -9`: its tasks go where they stand, nobody hears of it before its session ends.
    fn kill(&mut self, place: usize) {
        let id = self.processes[place].id;
        self.world.note(id, || "dies".to_owned());
        self.world.saw("crash");
        self.world.end(id);
        let now_ms = self.world.now_ms();
        drop(self.processes.remove(place));
        self.group.lock().unwrap().silent(id, now_ms + self.dice.between(500, 4_000).cast_signed());
        self.buried.push(id);
        self.boots.push(now_ms + self.dice.between(50, 2_000).cast_signed());
    }

    /// As SIGSTOP: it wakes with everything in its hands, perhaps long after others took its shards.
    fn put_to_sleep(&mut self, place: usize) {
        let now_ms = self.world.now_ms();
        let until = now_ms + self.dice.between(200, 9_000).cast_signed();
        let process = &mut self.processes[place];
        self.world.note(process.id, || format!("falls asleep until {}", until - BEGIN_MS));
        self.world.saw("sleep");
        process.asleep_until = Some(until);
        self.group.lock().unwrap().silent(process.id, now_ms + 2_000);
    }

    fn misfortune(&mut self, ms: f64) {
        let times_in_ten_seconds = |n: f64| n * ms / 100.0;
        let now_ms = self.world.now_ms();
        if self.dice.chance(times_in_ten_seconds(1.5)) && !self.processes.is_empty() {
            let place = self.dice.below(self.processes.len() as u64) as usize;
            self.kill(place);
        }
        if self.dice.chance(times_in_ten_seconds(0.8)) && !self.processes.is_empty() {
            let place = self.dice.below(self.processes.len() as u64) as usize;
            self.put_to_sleep(place);
        }
        if self.dice.chance(times_in_ten_seconds(0.5)) && !self.processes.is_empty() {
            let place = self.dice.below(self.processes.len() as u64) as usize;
            self.processes[place].tell_stop();
            self.world.saw("stop");
        }
        if self.dice.chance(times_in_ten_seconds(2.0)) {
            self.group.lock().unwrap().storm();
            self.world.saw("rebalance");
        }
        for service in [Service::Log, Service::Truth, Service::Cache] {
            if self.dice.chance(times_in_ten_seconds(0.8)) {
                let until = now_ms + self.dice.between(20, 2_500).cast_signed();
                self.world.note(0, || format!("{service:?} is away until {}", until - BEGIN_MS));
                self.world.send_away(service, until);
            }
        }
        if self.dice.chance(times_in_ten_seconds(0.4)) {
            self.cache.lose_all();
        }
        if self.dice.chance(times_in_ten_seconds(2.0)) && !self.processes.is_empty() {
            let place = self.dice.below(self.processes.len() as u64) as usize;
            self.processes[place].train(&self.world);
        }
        if self.dice.chance(times_in_ten_seconds(3.0)) {
            self.foreign_record();
        }
    }

    fn foreign_record(&mut self) {
        let id = format!("f{}", self.foreign.len());
        let record = shop::foreign(self.partitions, id, self.world.now_ms(), &mut self.dice);
        let (log, reason) = (self.log.clone(), record.reason);
        let append =
            async move { log.append_foreign(record.topic, record.partition, record.key, record.value).await };
        let at = self.lab.helper.call(append).unwrap();
        self.foreign.insert((at.topic, at.partition, at.offset), reason);
        self.world.news.notify_waiters();
    }

    /// Nothing fails any more; whoever sleeps wakes, whoever is gone comes back.
    fn heal(&mut self) {
        self.world.calm();
        let now_ms = self.world.now_ms();
        for process in &mut self.processes {
            process.asleep_until = process.asleep_until.map(|_| now_ms);
        }
        self.boots.iter_mut().for_each(|at| *at = now_ms);
        self.world.note(0, || "all is well from here".to_owned());
    }

    /// Waits until everything is folded, sent and made. False if that does not happen.
    fn rest(&mut self) -> bool {
        let until = self.world.now_ms() + REST_MS;
        let mut look_at = 0;
        while self.world.now_ms() < until {
            self.tick(20, 2);
            if self.world.now_ms() < look_at {
                continue;
            }
            look_at = self.world.now_ms() + 400;
            // A shard that is still a dead member's has nobody who could bring its lists to the cache.
            let whole = self.group.lock().unwrap().is_whole();
            if whole && self.clients.is_idle() && self.boots.is_empty() && self.owed().is_empty() {
                let quiet = self.world.now_ms() + QUIET_MS;
                while self.world.now_ms() < quiet {
                    self.tick(25, 2);
                }
                // A slow call may be what brings a list that was committed at the last moment.
                while 0 < self.world.under_way() && self.world.now_ms() < until {
                    self.tick(5, 2);
                }
                if self.world.under_way() == 0 && self.owed().is_empty() {
                    return true;
                }
            }
        }
        let owed = self.owed();
        self.world.violated(format!(
            "no rest after {REST_MS} ms: {owed:?}, clients idle {}",
            self.clients.is_idle()
        ));
        false
    }

    /// What is still to be done.
    fn owed(&self) -> Vec<String> {
        let (store, log, partitions) = (self.store.clone(), self.log.clone(), self.partitions);
        self.lab.helper.call(async move {
            let mut owed = Vec::new();
            let rows = store.offsets().await.unwrap();
            for shard in 0..partitions {
                for topic in USER_TOPICS.into_iter().chain((shard == 0).then_some(Topic::Catalogue)) {
                    let end = log.watermarks(topic, shard).await.unwrap().next;
                    let next =
                        rows.iter().find(|r| (r.shard, r.topic) == (shard, topic)).map_or(0, |r| r.next_off);
                    if next != end {
                        owed.push(format!("shard {shard} {topic} stands at {next} of {end}"));
                    }
                }
            }
            if owed.is_empty() {
                for shard in 0..partitions {
                    let (outbox, todo) =
                        (store.outbox(shard, 1).await.unwrap(), store.todo(shard, 1).await.unwrap());
                    if !outbox.is_empty() || !todo.is_empty() {
                        owed.push(format!(
                            "shard {shard} owes {} records and {} lists",
                            outbox.len(),
                            todo.len()
                        ));
                    }
                }
            }
            owed
        })
    }

    fn judge(&self) {
        let promised: &BTreeSet<String> = &self.clients.promised;
        let remains = Remains {
            world: &self.world,
            helper: &self.lab.helper,
            log: self.log.clone(),
            store: self.store.clone(),
            cache: &self.cache,
            lists: self.lab.setup.lists.clone(),
            dir: &self.dir,
            promised,
            foreign: &self.foreign,
        };
        remains.judge();
    }
}
