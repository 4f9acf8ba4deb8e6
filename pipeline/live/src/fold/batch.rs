//! Folding a batch: each record decided and taken over in order, the sum of it as one commit.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::panic::{AssertUnwindSafe, catch_unwind};

use ahash::RandomState;
use shoptide_faults::{Break, broken};
use shoptide_log::Record;
use shoptide_models::catalogue::CatalogueBuilder;
use shoptide_models::state::{Act, Change, Decision, Facts, RecordAt, decide};
use shoptide_schemas::limits::DEAD_FIELD_BYTES_MAX;
use shoptide_schemas::{Code, ItemId, Reject, ShopEvent, Topic, UserId};
use shoptide_store::{
    Commit, CountRow, DeadLetter, ItemRow, OffsetMove, OrderLineRow, OutboxRow, PartRow, RatingRow, Tally,
};

use super::user::{CachedUser, MEASURED_PLACES};
use super::{Decoded, Folded, Panicked, ShardFold, Touch, line_row};

/// What one record came to.
enum Outcome {
    Applied,
    Duplicate,
    Late,
    Erased,
    Dead(Reject),
}

/// What was folded and is not written yet: of one batch, or of many.
#[derive(Default)]
pub(super) struct Sum {
    moves: BTreeMap<u8, OffsetMove>,
    counts: HashMap<(ItemId, u32, u8), i64, RandomState>,
    ratings: HashMap<ItemId, RatingRow, RandomState>,
    /// Parts that changed, by user and topic index, each once: [`CachedUser::changed`].
    parts: Vec<(UserId, usize)>,
    lines: HashSet<OrderLineRow>,
    folded: Folded,
    /// Nobody makes lists of it: whom it touched is not noted.
    listless: bool,
    /// Bytes of rows that grow with the records and not with the users.
    row_bytes: usize,
}

impl Sum {
    /// For a run that makes no lists.
    pub fn listless() -> Self {
        Self { listless: true, ..Self::default() }
    }

    /// What its rows take in memory beside the users: a bound for whoever adds up many batches.
    pub fn row_bytes(&self) -> usize {
        self.row_bytes
    }
}

impl ShardFold {
    /// Folds a batch. `known`: the order lines of it that the truth has.
    ///
    /// # Errors
    /// [`Panicked`] names the record; memory may then hold half an event, so the batch's users must be forgotten.
    pub fn fold(
        &mut self,
        records: &[Record],
        batch: &[Decoded],
        known: &HashSet<OrderLineRow>,
    ) -> Result<Folded, Panicked> {
        let mut sum = Sum::default();
        self.fold_into(&mut sum, records, batch, known)?;
        Ok(self.finish(sum))
    }

    /// Adds a batch to what was folded before it. `known`: the order lines of it that the truth has.
    ///
    /// # Errors
    /// As [`ShardFold::fold`]; the sum is then half done too, and good for nothing.
    pub(super) fn fold_into(
        &mut self,
        sum: &mut Sum,
        records: &[Record],
        batch: &[Decoded],
        known: &HashSet<OrderLineRow>,
    ) -> Result<(), Panicked> {
        self.tick += 1;
        // Users can be loaded again after a panic; the catalogue in memory must go back by itself.
        let touches_catalogue = batch.iter().any(|d| matches!(d, Decoded::Catalogue(_)));
        let catalogue = self.catalogue.as_ref().filter(|_| touches_catalogue).map(|c| c.so_far().clone());
        for (place, (record, decoded)) in records.iter().zip(batch).enumerate() {
            let outcome = catch_unwind(AssertUnwindSafe(|| self.record(record, decoded, known, sum)));
            let Ok(outcome) = outcome else {
                if let Some(catalogue) = &catalogue {
                    self.catalogue = Some(CatalogueBuilder::from(catalogue));
                }
                return Err(Panicked { place });
            };
            self.tally(record, decoded.user_event(), outcome, sum);
        }
        Ok(())
    }

    /// The commit that buries one record, after its fold panicked twice.
    pub fn bury(&mut self, record: &Record) -> Folded {
        let mut sum = Sum::default();
        let reject = Reject::new(Code::Panicked, "body", "folding the event failed twice");
        self.tally(record, None, Outcome::Dead(reject), &mut sum);
        self.finish(sum)
    }

    /// After the truth has it: the positions move.
    pub fn committed(&mut self, commit: &Commit) {
        for step in &commit.offsets {
            self.positions.insert(step.topic.code(), step.to);
        }
    }

    fn record(
        &mut self,
        record: &Record,
        decoded: &Decoded,
        known: &HashSet<OrderLineRow>,
        sum: &mut Sum,
    ) -> Outcome {
        match decoded {
            Decoded::Dead(reject) => Outcome::Dead(reject.clone()),
            Decoded::Catalogue(event) => {
                let Some(catalogue) = &mut self.catalogue else {
                    return Outcome::Dead(Reject::new(
                        Code::WrongPartition,
                        "item_id",
                        "not the catalogue's partition",
                    ));
                };
                let Some((num, data)) = catalogue.fold(event) else { return Outcome::Duplicate };
                sum.folded.commit.items.push(ItemRow {
                    num,
                    item: event.item.clone(),
                    from_off: record.offset,
                    data,
                });
                Outcome::Applied
            }
            Decoded::User(event) => self.user_event(record, event, known, sum),
        }
    }

    fn user_event(
        &mut self,
        record: &Record,
        event: &ShopEvent,
        known: &HashSet<OrderLineRow>,
        sum: &mut Sum,
    ) -> Outcome {
        if let Some(inspect) = &self.inspect {
            inspect(event);
        }
        let topic = usize::from(record.topic.code());
        let Self { users, popular, numbers, tick, .. } = self;
        let user = users.get_or_new(&event.user);
        user.tick = *tick;
        let line = event.order_line().map(|line| line_row(event, line));
        let facts = Facts {
            line_known: line.as_ref().is_some_and(|l| known.contains(l) || sum.lines.contains(l)),
            erased: user.erased.get(topic).is_some_and(Option::is_some),
        };
        let at = RecordAt {
            topic: record.topic,
            partition: record.partition,
            offset: record.offset,
            appended: record.appended,
        };
        let Some(part) = user.state.parts.get(topic) else {
            return Outcome::Dead(Reject::new(Code::WrongTopic, "type", "not a user topic"));
        };
        let change = match decide(part, event, at, facts) {
            Decision::Apply(change) => change,
            Decision::Duplicate if broken(Break::NoDedupe) => Change::Fold,
            Decision::Duplicate => return Outcome::Duplicate,
            Decision::Late => return Outcome::Late,
            Decision::Erased => {
                // What readers wrote under his id since the first erasure is not of the fold, and is asked to go again.
                if matches!(event.kind, shoptide_schemas::event::EventKind::Erased) {
                    sum.folded.commit.budgets_gone.push(event.user.clone());
                    sum.folded.commit.chats_gone.push(event.user.clone());
                }
                return Outcome::Erased;
            }
            Decision::Dead(reject) => return Outcome::Dead(reject),
        };
        if matches!(change, Change::Fold) {
            measure(user, event, popular, numbers, &mut sum.folded.quality);
        }
        let Some(part) = user.state.parts.get_mut(topic) else { return Outcome::Duplicate };
        let counted = part.commit(&change, event, record.offset);
        for count in counted.counts {
            *sum.counts.entry((count.item, count.day, count.act.0)).or_default() += count.n;
        }
        for rating in counted.ratings {
            let none = RatingRow { item: rating.item.clone(), n: 0, hundredths: 0, upto: record.offset };
            let row = sum.ratings.entry(rating.item).or_insert(none);
            row.n += rating.n;
            row.hundredths += rating.hundredths;
            row.upto = record.offset;
        }
        if let Some(upto) = user.upto.get_mut(topic) {
            *upto = record.offset;
        }
        if !user.changed.get(topic).is_some_and(|changed| *changed) {
            sum.parts.push((event.user.clone(), topic));
        }
        if let Some(changed) = user.changed.get_mut(topic) {
            *changed = true;
        }
        if !sum.listless {
            let touch: &mut Touch = sum.folded.touched.entry(event.user.clone()).or_default();
            touch.live |= !event.historical;
            touch.appended_ms = touch.appended_ms.max(record.appended.0);
            touch.gone |= matches!(change, Change::Erase | Change::Leave { .. } | Change::Forward { .. });
        }
        let commit = &mut sum.folded.commit;
        if let Change::Leave { .. } = &change {
            // What was said under this id would not be found by an erasure of the known user.
            commit.chats_gone.push(event.user.clone());
        }
        match change {
            Change::Fold | Change::Absorb(_) => {
                if let Some(line) = line {
                    sum.lines.insert(line);
                }
            }
            Change::Erase => {
                if let Some(erased) = user.erased.get_mut(topic) {
                    *erased = Some(record.offset);
                }
                if broken(Break::NoTombstone) {
                    return Outcome::Applied;
                }
                commit.tombstones.push((event.user.clone(), record.topic, record.offset));
                commit.dead_redacted.push((event.user.clone(), record.topic, record.offset));
                commit.budgets_gone.push(event.user.clone());
                commit.chats_gone.push(event.user.clone());
                if record.topic == Topic::Order {
                    commit.lines_gone.push(event.user.clone());
                }
            }
            Change::Leave { known, record: payload } | Change::Forward { known, record: payload } => {
                sum.row_bytes += payload.len();
                commit.outbox.push(OutboxRow {
                    topic: record.topic,
                    off: record.offset,
                    key: known.as_bytes().to_vec(),
                    payload,
                });
            }
        }
        Outcome::Applied
    }

    fn tally(&self, record: &Record, event: Option<&ShopEvent>, outcome: Outcome, sum: &mut Sum) {
        let code = record.topic.code();
        let step = sum.moves.entry(code).or_insert_with(|| OffsetMove {
            topic: record.topic,
            from: self.positions.get(&code).copied().unwrap_or(record.offset),
            to: record.offset,
            append_ms: 0,
            tally: Tally::default(),
        });
        step.to = record.offset + 1;
        step.append_ms = record.appended.0;
        step.tally.logged += 1;
        match outcome {
            Outcome::Applied => step.tally.applied += 1,
            Outcome::Duplicate => step.tally.duplicate += 1,
            Outcome::Late => step.tally.late += 1,
            Outcome::Erased => step.tally.erased += 1,
            Outcome::Dead(reject) => {
                step.tally.dead += 1;
                // A dead letter is found by its key when its user is erased.
                let key = record.key.as_ref().map(|k| head(k).to_vec());
                let key = key.or_else(|| event.map(|e| e.user.as_bytes().to_vec()));
                let erased = self.is_erased(record);
                sum.row_bytes += record.bytes() + reject.message.len();
                sum.folded.commit.dead.push(DeadLetter {
                    shard: self.shard,
                    topic: record.topic,
                    offset: record.offset,
                    append_ms: record.appended.0,
                    reason: reject.code.as_str().to_owned(),
                    field: reject.field.into_owned(),
                    message: reject.message,
                    key: key.filter(|_| !erased),
                    payload: record.value.as_ref().filter(|_| !erased).map(|v| head(v).to_vec()),
                });
            }
        }
    }

    /// Whether the record's key is a user who was erased in its topic: what is refused of him then is not kept either.
    fn is_erased(&self, record: &Record) -> bool {
        let user = super::keyed_user(record).and_then(|user| self.users.get(&user));
        user.and_then(|u| u.erased.get(usize::from(record.topic.code()))).is_some_and(Option::is_some)
    }

    /// The commit of what was added up.
    pub(super) fn finish(&mut self, sum: Sum) -> Folded {
        let Sum { moves, counts, ratings, parts, mut lines, mut folded, listless: _, row_bytes: _ } = sum;
        let commit = &mut folded.commit;
        (commit.shard, commit.epoch) = (self.shard, self.epoch);
        commit.offsets = moves.into_values().collect();
        if !commit.lines_gone.is_empty() {
            let gone: HashSet<&UserId> = commit.lines_gone.iter().collect();
            lines.retain(|line| !gone.contains(&line.user));
        }
        commit.lines = lines.into_iter().collect();
        commit.counts = counts
            .into_iter()
            .filter(|(_, n)| *n != 0)
            .map(|((item, day, kind), n)| CountRow { item, day, kind, n })
            .collect();
        commit.ratings = ratings.into_values().collect();
        for (id, topic) in parts {
            let (Some(user), Some(of)) = (self.users.get_mut(&id), shoptide_schemas::USER_TOPICS.get(topic))
            else {
                continue;
            };
            if let Some(changed) = user.changed.get_mut(topic) {
                *changed = false;
            }
            let (Some(part), Some(upto)) = (user.state.parts.get(topic), user.upto.get(topic)) else {
                continue;
            };
            if user.erased.get(topic).is_some_and(Option::is_some) {
                commit.parts_gone.push((id, *of));
            } else {
                let data = part.encode();
                commit.parts.push(PartRow { shard: self.shard, user: id, topic: *of, upto: *upto, data });
            }
        }
        commit.lists_gone.extend(folded.touched.iter().filter(|(_, t)| t.gone).map(|(id, _)| id.clone()));
        folded
    }
}

/// What a dead letter keeps of a key or a payload.
fn head(bytes: &[u8]) -> &[u8] {
    bytes.get(..DEAD_FIELD_BYTES_MAX).unwrap_or(bytes)
}

/// Test-then-learn: was this event's item, new to the user, in the list he had? Over the full catalogue.
fn measure(
    user: &CachedUser,
    event: &ShopEvent,
    popular: &[u32],
    numbers: &shoptide_models::catalogue::Catalogue,
    quality: &mut [i64; 3],
) {
    let wanted = [Act::VIEW, Act::CART_ADD, Act::PURCHASE].contains(&Act::of(event));
    let Some(item) = event.item().filter(|_| wanted && !user.top.is_empty()) else { return };
    if user.state.parts.iter().any(|p| p.entry(item).is_some()) {
        return;
    }
    let Some(number) = numbers.number(item) else { return };
    let unseen = |n: &u32| {
        numbers
            .row(*n)
            .is_some_and(|(id, row)| row.listable() && user.state.parts.iter().all(|p| p.entry(id).is_none()))
    };
    let popular_hit = popular.iter().filter(|n| unseen(n)).take(MEASURED_PLACES).any(|n| *n == number);
    let [predicted, hits, popular_hits] = quality;
    *predicted += 1;
    *hits += i64::from(user.top.contains(&number));
    *popular_hits += i64::from(popular_hit);
}
