//! The folded tables in memory, with a shard before them that can be cut into batches, made to crash and made to forget.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use shoptide_live::fold::{Decoded, Folded, Inspect, Room, ShardFold, decode};
use shoptide_log::Record;
use shoptide_models::catalogue::{Catalogue, CatalogueBuilder, CatalogueItem};
use shoptide_models::state::Part;
use shoptide_schemas::{Topic, UserId};
use shoptide_store::{Commit, OrderLineRow, Tally, UserRow, user_hash};

type DeadRow = (String, String, Option<Vec<u8>>, Option<Vec<u8>>);

/// What the one transaction leaves behind.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Tables {
    pub next: BTreeMap<u8, i64>,
    pub tallies: BTreeMap<u8, Tally>,
    pub append_ms: BTreeMap<u8, i64>,
    pub parts: BTreeMap<(UserId, Topic), (i64, Vec<u8>)>,
    pub lines: BTreeSet<OrderLineRow>,
    pub counts: BTreeMap<(Vec<u8>, u32, u8), i64>,
    pub ratings: BTreeMap<Vec<u8>, (i64, i64, i64)>,
    pub dead: BTreeMap<(Topic, i64), DeadRow>,
    pub tombstones: BTreeMap<([u8; 16], Topic), i64>,
    pub outbox: BTreeMap<(Topic, i64), (Vec<u8>, Vec<u8>)>,
    pub items: BTreeMap<u32, (Vec<u8>, i64, Vec<u8>)>,
    pub versions: BTreeMap<(u32, i64), Vec<u8>>,
    /// Topics' copies of erasures that asked for what readers wrote to go.
    pub asked_to_go: u64,
    pub chats_ended: BTreeSet<UserId>,
}

impl Tables {
    pub fn commit(&mut self, c: &Commit) {
        for step in &c.offsets {
            let code = step.topic.code();
            assert_eq!(self.next.get(&code).copied().unwrap_or(0), step.from, "{} moved", step.topic);
            assert!(step.tally.adds_up());
            self.next.insert(code, step.to);
            self.append_ms.insert(code, step.append_ms);
            self.tallies.entry(code).or_default().add(&step.tally);
        }
        for (user, topic) in &c.parts_gone {
            self.parts.remove(&(user.clone(), *topic));
        }
        assert!(c.budgets_gone.iter().all(|user| c.chats_gone.contains(user)));
        self.asked_to_go += c.budgets_gone.len() as u64;
        self.chats_ended.extend(c.chats_gone.iter().cloned());
        self.lines.retain(|l| !c.lines_gone.contains(&l.user));
        for p in &c.parts {
            self.parts.insert((p.user.clone(), p.topic), (p.upto, p.data.clone()));
        }
        self.lines.extend(c.lines.iter().cloned());
        for n in &c.counts {
            *self.counts.entry((n.item.as_bytes().to_vec(), n.day, n.kind)).or_default() += n.n;
        }
        self.counts.retain(|_, n| *n != 0);
        for r in &c.ratings {
            let (n, hundredths, upto) = self.ratings.entry(r.item.as_bytes().to_vec()).or_default();
            (*n, *hundredths, *upto) = (*n + r.n, *hundredths + r.hundredths, r.upto);
        }
        for d in &c.dead {
            let row = (d.reason.clone(), d.field.clone(), d.key.clone(), d.payload.clone());
            self.dead.insert((d.topic, d.offset), row);
        }
        for (user, topic, off) in &c.dead_redacted {
            for ((t, o), row) in &mut self.dead {
                if t == topic && o < off && row.2.as_deref() == Some(user.as_bytes()) {
                    (row.2, row.3) = (None, None);
                }
            }
        }
        for (user, topic, off) in &c.tombstones {
            self.tombstones.insert((user_hash(user), *topic), *off);
        }
        for o in &c.outbox {
            self.outbox.insert((o.topic, o.off), (o.key.clone(), o.payload.clone()));
        }
        for i in &c.items {
            self.versions.insert((i.num, i.from_off), i.data.clone());
            self.items.insert(i.num, (i.item.as_bytes().to_vec(), i.from_off, i.data.clone()));
        }
    }

    fn users(&self, users: &[UserId]) -> Vec<UserRow> {
        let row = |user: &UserId| {
            let mut row = UserRow {
                user: user.clone(),
                parts: Default::default(),
                erased: Default::default(),
                list: None,
            };
            for (place, topic) in shoptide_schemas::USER_TOPICS.into_iter().enumerate() {
                row.parts[place] = self.parts.get(&(user.clone(), topic)).cloned();
                row.erased[place] = self.tombstones.get(&(user_hash(user), topic)).copied();
            }
            row
        };
        users.iter().map(row).collect()
    }

    fn catalogue(&self) -> Catalogue {
        let mut builder = CatalogueBuilder::default();
        for (num, (id, _, data)) in &self.items {
            let id = shoptide_schemas::ItemId::from_trusted(id);
            builder.put(id, CatalogueItem::decode(data).unwrap(), *num);
        }
        builder.finish(self.next.get(&Topic::Catalogue.code()).copied().unwrap_or(0))
    }

    pub fn part(&self, user: &str, topic: Topic) -> Option<Part> {
        let row = self.parts.get(&(UserId::from_trusted(user.as_bytes()), topic))?;
        Some(Part::decode(&row.1).unwrap())
    }

    pub fn tally(&self, topic: Topic) -> Tally {
        self.tallies.get(&topic.code()).copied().unwrap_or_default()
    }
}

/// What goes wrong with a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    None,
    /// The process dies between fold and commit.
    BeforeCommit,
    /// The commit happens, the process dies before it hears of it.
    AfterCommit,
}

/// A shard and its tables.
pub struct Shard {
    pub tables: Tables,
    pub inspect: Option<Inspect>,
    pub users_max: usize,
    fold: ShardFold,
}

impl Shard {
    pub fn new(users_max: usize, inspect: Option<Inspect>) -> Self {
        let fold = Self::begin(&Tables::default(), users_max, inspect.clone());
        Self { tables: Tables::default(), inspect, users_max, fold }
    }

    fn begin(tables: &Tables, users_max: usize, inspect: Option<Inspect>) -> ShardFold {
        let positions = shoptide_schemas::topic::ALL_TOPICS
            .iter()
            .map(|t| (t.code(), tables.next.get(&t.code()).copied().unwrap_or(0)))
            .collect();
        ShardFold::new(
            0,
            1,
            1,
            positions,
            Some(&tables.catalogue()),
            Room { users_max, bytes_max: usize::MAX },
        )
        .with_inspect(inspect)
    }

    /// Everything in memory is gone.
    pub fn crash(&mut self) {
        self.fold = Self::begin(&self.tables, self.users_max, self.inspect.clone());
    }

    /// Takes records as the stream does, in batches of the widths given, over and over. Whatever fails is tried again.
    pub fn take(&mut self, records: &[Record], widths: &[usize], faults: &[Fault]) {
        let (mut from, mut turn) = (0, 0);
        let mut width_now = None;
        while from < records.len() {
            let width = width_now.take().unwrap_or_else(|| widths[turn % widths.len()].max(1));
            let fault = faults.get(turn).copied().unwrap_or(Fault::None);
            turn += 1;
            let to = (from + width).min(records.len());
            let now = &records[from..to];
            let batch: Vec<Decoded> = now.iter().map(|r| decode(r, 1)).collect();
            let folded = match self.attempt(now, &batch) {
                Ok(folded) => folded,
                Err(place) => {
                    self.fold.forget(batch.iter().filter_map(Decoded::user_event).map(|e| &e.user));
                    if now.len() == 1 {
                        let folded = self.fold.bury(&now[0]);
                        self.tables.commit(&folded.commit);
                        self.fold.committed(&folded.commit);
                        from = to;
                    } else {
                        width_now = Some(place.max(1));
                    }
                    continue;
                }
            };
            if fault == Fault::BeforeCommit {
                self.crash();
                continue;
            }
            self.tables.commit(&folded.commit);
            from = to;
            if fault == Fault::AfterCommit {
                self.crash();
                continue;
            }
            self.fold.committed(&folded.commit);
            self.fold.trim();
        }
    }

    fn attempt(&mut self, now: &[Record], batch: &[Decoded]) -> Result<Folded, usize> {
        let wants = self.fold.wants(now, batch);
        self.fold.admit(self.tables.users(&wants.users)).unwrap();
        let known: HashSet<_> = wants.lines.into_iter().filter(|l| self.tables.lines.contains(l)).collect();
        self.fold.fold(now, batch, &known).map_err(|p| p.place)
    }

    pub fn users_in_memory(&self) -> usize {
        self.fold.users_by_recency().len()
    }
}

/// A clean run, one record at a time.
pub fn sequential(records: &[Record]) -> Tables {
    let mut shard = Shard::new(1_000, None);
    shard.take(records, &[1], &[]);
    shard.tables
}
