//! `recommend USER --at T`: one user, the catalogue and the model as they were, in a small truth of their own, of which the API is asked as of
//! any other.

use std::collections::{BTreeMap, HashSet};
use std::path::Path;
use std::sync::Arc;

use shoptide_live::fold::{first_bases, state_of};
use shoptide_live::{ModelFiles, catalogue_at, load_version};
use shoptide_log::{Log, generation_of};
use shoptide_models::list::{Linked, ListParams, ListScratch};
use shoptide_models::state::UserState;
use shoptide_schemas::partition::partition_of;
use shoptide_schemas::topic::PARTS;
use shoptide_schemas::{EventMs, ItemId, ListEntry, Topic, USER_TOPICS, UserId};
use shoptide_store::{Commit, CountRow, ItemRow, OffsetMove, SqliteTruth, Tally, Truth};

use super::cut::{check, cut_at};
use super::generation::latest;
use super::lists::{list_of, list_row, standing};
use super::parts::put_user;
use super::{
    Cut, History, ModelThen, Moment, ReplayToError, cut_of, forgotten_since, model_named, model_then,
    take_chain,
};

/// Forwarding addresses that are followed: as many as the fold and the API follow.
const HOPS_MAX: usize = 3;
/// "In the last 7 days" is a day and the six before it.
const RECENT_DAYS: u32 = 6;

/// What is asked of whom.
pub struct UserThen<'a> {
    pub log: &'a dyn Log,
    pub history: &'a History<'a>,
    /// The shop's truth.
    pub truth: &'a dyn Truth,
    pub files: &'a ModelFiles,
    pub lists: &'a ListParams,
    pub rules_version: u64,
    /// An empty truth and models' folder for what was.
    pub then: &'a SqliteTruth,
    pub models: &'a ModelFiles,
    /// An empty folder for what is folded on the way.
    pub scratch: &'a Path,
}

/// What was known of the user.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Who {
    Known,
    Unknown,
    /// He was erased after the moment: nothing is said of him.
    ErasedSince,
}

/// The moment as it was found.
#[derive(Debug, Clone)]
pub struct Then {
    pub at_ms: i64,
    pub who: Who,
    /// Of the user topics then.
    pub partitions: u32,
    /// Next offset of the user's partition by topic.
    pub as_of: BTreeMap<Topic, i64>,
    pub catalogue_offset: i64,
    pub model: ModelThen,
    /// What was done about the month's budget, if the user has one.
    pub budget: Option<String>,
    /// The whole stored list, before the reader's rules.
    pub entries: Vec<ListEntry>,
}

/// Puts what was into the empty truth.
///
/// # Errors
/// [`ReplayToError`].
pub async fn user_then(of: &UserThen<'_>, user: &UserId, moment: &Moment) -> Result<Then, ReplayToError> {
    let (cut, at_ms) = whole_cut(of.history, moment, user).await?;
    let partitions = of.history.partitions_in(cut.generation());
    let shard = partition_of(user.as_bytes(), partitions);
    let forgotten = forgotten_since(of.history, of.truth, &cut).await?;
    let who = match forgotten.holds(user) {
        true => Who::ErasedSince,
        false => Who::Unknown,
    };
    let catalogue_offset = cut.get(Topic::Catalogue, 0).unwrap_or(0);
    let catalogue = Arc::new(catalogue_at(of.truth, of.log, catalogue_offset).await?);
    let rows = catalogue.rows().map(|(num, item, row)| ItemRow {
        num,
        item: item.clone(),
        from_off: 0,
        data: row.encode(),
    });
    let stands = of.then.assign(0, &first_bases(0, |_| 0)).await?;
    let epoch = stands.iter().map(|row| row.epoch).max().unwrap_or(0);
    let step = OffsetMove {
        topic: Topic::Catalogue,
        from: 0,
        to: catalogue_offset,
        append_ms: at_ms,
        tally: Tally::default(),
    };
    let commit = Commit { epoch, offsets: vec![step], items: rows.collect(), ..Commit::default() };
    of.then.commit(commit).await?;
    let (rows, now) = (of.truth.models().await?, of.truth.model_pointer().await?);
    let then = match moment {
        Moment::AsOf { model: Some(version), .. } => model_named(&rows, now, (*version, at_ms)),
        _ => model_then(&rows, now, at_ms),
    };
    let model = take_chain((of.truth, of.files), (of.then, of.models), then).await?;
    let mut found = Then {
        at_ms,
        who,
        partitions,
        as_of: USER_TOPICS.into_iter().filter_map(|t| Some((t, cut.get(t, shard)?))).collect(),
        catalogue_offset,
        model,
        budget: None,
        entries: Vec::new(),
    };
    if who == Who::ErasedSince {
        return Ok(found);
    }
    let (mut user, mut known) = (user.clone(), UserState::default());
    let mut row = None;
    for hop in 0..=HOPS_MAX {
        let shard = partition_of(user.as_bytes(), partitions);
        let scratch = of.scratch.join(format!("user-{hop}.db"));
        let put = put_user((of, &forgotten, &cut), &user, &scratch).await?;
        known = state_of(&put.parts)?;
        let next = known.forward().cloned();
        row = Some((shard, put));
        match next {
            Some(next) if !forgotten.holds(&next) => user = next,
            _ => break,
        }
    }
    let Some((shard, row)) = row else { return Ok(found) };
    if known.last_ms().is_some() || known.forward().is_some() {
        found.who = Who::Known;
    }
    let snapshot = match found.model.version {
        Some(version) => Some(load_version(of.then, of.models, version, None).await?),
        None => None,
    };
    let linked = Linked::new(snapshot, catalogue, None);
    let mut as_of = [0; PARTS];
    for (slot, topic) in as_of.iter_mut().zip(USER_TOPICS) {
        *slot = cut.get(topic, shard).unwrap_or(0);
    }
    let stands = of.then.offsets().await?;
    let at = stands.iter().find(|row| (row.shard, row.topic) == (shard, Topic::Browse));
    let (epoch, next) = at.map_or((0, 0), |row| (row.epoch, row.next_off));
    let erased = row.erased.iter().any(Option::is_some);
    let mut scratch = ListScratch::default();
    let made_from = (&linked, of.lists, of.rules_version);
    if let Some(list) = list_of(&known, erased, made_from, (epoch, as_of), &mut scratch) {
        found.entries = list.entries.clone();
        let rows = vec![list_row(&row.user, &list)];
        of.then.commit(standing(shard, epoch, Topic::Browse, next, rows)).await?;
    }
    found.budget = put_budget(of, shard, &row.user, at_ms).await?;
    put_counts(of, &linked, &found).await?;
    Ok(found)
}

/// The cut, and the time that it stands for.
async fn whole_cut(
    history: &History<'_>,
    moment: &Moment,
    user: &UserId,
) -> Result<(Cut, i64), ReplayToError> {
    match moment {
        Moment::Time(ms) => Ok((cut_of(history, moment).await?, *ms)),
        Moment::Cut(_) => {
            let cut = cut_of(history, moment).await?;
            let at_ms = latest(history, &cut).await?;
            Ok((cut, at_ms))
        }
        Moment::AsOf { offsets, .. } => {
            let of_users = offsets.iter().filter(|(topic, _)| topic.is_user());
            let generation = of_users.map(|(_, next)| generation_of(*next)).max().unwrap_or(1);
            let partitions = history.partitions_in(generation);
            let shard = if 0 < partitions { partition_of(user.as_bytes(), partitions) } else { 0 };
            let mut own = Cut::default();
            for (topic, next) in offsets {
                check(history, generation, (*topic, shard), *next)?;
                own.set(*topic, shard, *next);
            }
            let at_ms = latest(history, &own).await?;
            // Of the same generation, also where others were still in the one before at that time.
            let mut cut = cut_at(history, generation, at_ms).await?;
            own.iter().for_each(|(topic, partition, next)| cut.set(topic, partition, next));
            Ok((cut, at_ms))
        }
    }
}

/// Limits have no history: the one of now, if it was set before the moment.
async fn put_budget(
    of: &UserThen<'_>,
    shard: u32,
    user: &UserId,
    at_ms: i64,
) -> Result<Option<String>, ReplayToError> {
    let now = of.history.partitions_in(of.history.generations());
    let lives = partition_of(user.as_bytes(), now);
    let Some(budget) = of.truth.budget(lives, user).await? else { return Ok(None) };
    let set = EventMs(budget.updated_ms).to_rfc3339();
    if at_ms < budget.updated_ms {
        return Ok(Some(format!(
            "not applied: the month's budget was last set {set}, after this moment, and what it was before is not kept"
        )));
    }
    of.then.set_budget(shard, user, Some(budget)).await?;
    Ok(Some(format!("applied: {} {} a month, set {set}", budget.month, budget.currency)))
}

/// How often users acted lately on what may be shown, for the reasons: as the counters of those days say now.
async fn put_counts(of: &UserThen<'_>, linked: &Linked, found: &Then) -> Result<(), ReplayToError> {
    let day = EventMs(found.at_ms).day();
    let numbers: HashSet<u32> = found.entries.iter().map(|entry| entry.item).collect();
    let ids = numbers.iter().filter_map(|number| linked.catalogue().row(*number)).map(|(id, _)| id.clone());
    let ids: Vec<ItemId> = ids.collect();
    if ids.is_empty() {
        return Ok(());
    }
    let counts = of.truth.item_counts(&ids, day.saturating_sub(RECENT_DAYS), day).await?;
    let stands = of.then.offsets().await?;
    let Some(row) = stands.iter().find(|row| (row.shard, row.topic) == (0, Topic::Catalogue)) else {
        return Ok(());
    };
    let counts =
        counts.into_iter().map(|count| CountRow { item: count.item, day, kind: count.kind, n: count.n });
    let commit = standing(0, row.epoch, Topic::Catalogue, row.next_off, Vec::new());
    of.then.commit(Commit { counts: counts.collect(), ..commit }).await?;
    Ok(())
}
