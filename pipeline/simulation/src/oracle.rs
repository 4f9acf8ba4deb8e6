//! What must hold once everything is quiet, whatever happened before.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use serde_json::Value;
use shoptide_jobs::verify::Verify;
use shoptide_live::ModelFiles;
use shoptide_log::{Log, MemoryLog, ReadMax, Record};
use shoptide_models::list::ListParams;
use shoptide_schemas::topic::ALL_TOPICS;
use shoptide_schemas::{StoredList, Topic, UserId};
use shoptide_store::{DeadPage, SqliteTruth, Truth};

use crate::cache::Shared;
use crate::helper::Helper;
use crate::process::RULES_VERSION;
use crate::shop;
use crate::world::World;

/// All that one run leaves behind.
pub struct Remains<'a> {
    pub world: &'a Arc<World>,
    pub helper: &'a Helper,
    pub log: Arc<MemoryLog>,
    pub store: Arc<SqliteTruth>,
    pub cache: &'a Shared,
    pub lists: ListParams,
    pub dir: &'a Path,
    /// Ids that a 2xx promised to be in the log.
    pub promised: &'a BTreeSet<String>,
    /// Records of foreign producers: where they are, and why they must be refused.
    pub foreign: &'a BTreeMap<(Topic, u32, i64), &'static str>,
}

impl Remains<'_> {
    pub fn judge(&self) {
        let records = self.records();
        self.promises(&records);
        self.dead_letters(&records);
        self.cached();
        self.replayed();
    }

    fn records(&self) -> Vec<Record> {
        let log = self.log.clone();
        self.helper.call(async move {
            let mut all = Vec::new();
            for topic in ALL_TOPICS {
                for partition in 0..log.partitions(topic) {
                    let max = ReadMax { records: 1_000_000, bytes: usize::MAX };
                    all.extend(log.read(topic, partition, 0, max).await.unwrap());
                }
            }
            all
        })
    }

    /// Every event id that was answered 2xx is in the log.
    fn promises(&self, records: &[Record]) {
        let held: BTreeSet<String> = records.iter().filter_map(id_of).collect();
        for id in self.promised.difference(&held) {
            self.world.violated(format!("event {id} was answered 2xx and is not in the log"));
        }
    }

    /// Refused is what must be refused, for its reason, and nothing else.
    fn dead_letters(&self, records: &[Record]) {
        let poisoned = |r: &&Record| id_of(r).is_some_and(|id| id.starts_with(shop::POISON));
        let mut expected: BTreeMap<(Topic, u32, i64), &str> =
            records.iter().filter(poisoned).map(|r| ((r.topic, r.partition, r.offset), "panicked")).collect();
        expected.extend(self.foreign.iter().map(|(at, why)| (*at, *why)));
        let store = self.store.clone();
        let page = DeadPage { limit: 100_000, ..DeadPage::default() };
        let dead = self.helper.call(async move { store.dead_letters(page).await }).unwrap();
        let dead: BTreeMap<_, _> =
            dead.into_iter().map(|d| ((d.topic, d.shard, d.offset), d.reason)).collect();
        for (at, why) in &expected {
            if dead.get(at).map(String::as_str) != Some(*why) {
                self.world.violated(format!("dead letter {at:?} is {:?}, expected {why}", dead.get(at)));
            }
        }
        for (at, why) in dead.iter().filter(|(at, _)| !expected.contains_key(*at)) {
            self.world.violated(format!("a good event is a dead letter: {at:?} {why}"));
        }
    }

    /// After the quiet every list in the cache is the truth's.
    fn cached(&self) {
        let store = self.store.clone();
        let lists: Vec<(u32, UserId, Option<Vec<u8>>)> = self.helper.call(async move {
            let mut lists = Vec::new();
            for (shard, user) in store.users_after(None, 10_000).await.unwrap() {
                let list = store.list(shard, &user).await.unwrap();
                lists.push((shard, user, list));
            }
            lists
        });
        for (shard, user, list) in lists {
            let Some(held) = self.cache.get(shard, &user) else { continue };
            self.world.saw("list in cache at the end");
            let version =
                |bytes: &[u8]| StoredList::decode(bytes).map(|l| l.version_key()).unwrap_or_default();
            match list {
                Some(list) if *list == *held => {}
                Some(list) => self.world.violated(format!(
                    "the cache holds version {} of {user}, the truth {}",
                    version(&held),
                    version(&list)
                )),
                None => self.world.violated(format!(
                    "the cache holds version {} of {user}, the truth has no list of him",
                    version(&held)
                )),
            }
        }
    }

    /// The folded tables are those of one clean run, the sums add up, and lists follow from what they name.
    fn replayed(&self) {
        self.world.judge();
        let (log, store, lists) = (self.log.clone(), self.store.clone(), self.lists.clone());
        let (files, scratch) = (ModelFiles::new(self.dir.join("models")), self.dir.to_owned());
        let report = self.helper.call(async move {
            let verify = Verify {
                log: &*log,
                truth: &*store,
                files: &files,
                lists: &lists,
                rules_version: RULES_VERSION,
                scratch: &scratch,
                inspect: Some(shop::poison()),
            };
            verify.run().await
        });
        let report = match report {
            Ok(report) => report,
            Err(error) => return self.world.violated(format!("the proof cannot be made: {error}")),
        };
        if report.behind != 0 {
            self.world.violated(format!("{} records are not folded", report.behind));
        }
        for table in report.tables.iter().filter(|t| !t.equal) {
            let (ours, clean) = (table.rows, table.replayed_rows);
            self.world
                .violated(format!("{} has {ours} rows, a clean run {clean}, or other ones", table.table));
        }
        for sum in report.sums.iter().filter(|s| !s.adds_up) {
            self.world.violated(format!("sums do not add up: {sum:?}"));
        }
        for why in &report.lists.different {
            self.world.violated(format!("a list does not follow from its inputs: {why}"));
        }
        (0..report.lists.equal).for_each(|_| self.world.saw("list recomputed"));
    }
}

fn id_of(record: &Record) -> Option<String> {
    let value: Value = serde_json::from_slice(record.value.as_ref()?).ok()?;
    Some(value["event_id"].as_str()?.to_owned())
}
