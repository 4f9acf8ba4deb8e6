//! `evaluate ranking`: what a user turns to of all that he did not have.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Instant;

use serde_json::json;
use shoptide_models::content::ContentParams;
use shoptide_models::evaluate::{
    Exposure, Groups, UserLists, co_occurrence, intra_list_diversity, list_quality, rank_users,
};
use shoptide_models::matrix::Interactions;
use shoptide_models::model::RankItems;
use shoptide_models::tune::Point;

use super::content::{self, ByContent, ItemsFile};
use super::error::EvaluateError;
use super::exposure;
use super::files::{Pair, read_pairs};
use super::frame::{
    Choice, Gauge, Options, Say, Setting, check_k, check_share, chosen, flag, or_note, own_search, train,
};
use super::ids::Ids;
use super::lists_file::ListsFile;
use super::order::order_tells;
use super::registry::ranking::{BEST, MODELS};
use super::registry::{Aim, FitRanking, RankingModel};
use super::report::{Report, Row};
use super::tune::{Judge, settle};

/// What is asked.
#[derive(Debug, Clone)]
pub struct RankingTask {
    pub train: PathBuf,
    pub test: PathBuf,
    /// What items say of themselves, for the model `content`.
    pub items: Option<PathBuf>,
    /// Share of each user's training items that parameters are chosen on.
    pub valid_share: f64,
    pub k: usize,
    pub options: Options,
}

/// Users of the validation cut at most.
const VALID_USERS_MAX: usize = 5_000;
/// Lists whose inner diversity is measured at most: the cost is `lists · k²` set intersections.
const DIVERSITY_LISTS_MAX: usize = 1_000;
/// Groups of users by how much they had in training.
const GROUPS: usize = 4;

/// Of the users of the cut, every so many are asked at each rung of a search.
const RUNG_SHARES: [usize; 2] = [5, 1];

/// Users with their targets.
#[derive(Debug, Default)]
struct Asked {
    users: Vec<u32>,
    targets: Vec<Vec<u32>>,
}

struct Data {
    all: Interactions,
    part: Interactions,
    valid: Asked,
    k: usize,
    seed: u64,
}

/// Runs the protocol.
///
/// # Errors
/// As [`sessions`](super::sessions()).
pub fn ranking(task: &RankingTask, say: Say<'_>) -> Result<Report, EvaluateError> {
    let began = Instant::now();
    task.options.check()?;
    check_share(task.valid_share)?;
    let only_content = task.options.model == Choice::One(content::NAME.to_owned());
    if only_content && task.items.is_none() {
        return Err(flag("--items", "not given", "the file that --model content reads"));
    }
    let models = if only_content { Vec::new() } else { chosen(&task.options.model, MODELS)? };
    let (mut users, mut items) = (Ids::default(), Ids::default());
    let read = read_pairs(&task.train, &mut users, &mut items)?;
    let (n_users, n_items) = (users.len(), items.len());
    check_k(task.k, n_items)?;
    let texts = task.items.as_deref().map(|file| ItemsFile::read(file, &items)).transpose()?;
    let test = read_pairs(&task.test, &mut users, &mut items)?;
    let lists = ListsFile::create(task.options.lists.as_deref())?;

    let (rows, repeats) = rows_of(n_users, &read.pairs);
    let all = matrix(n_items, rows.clone())?;
    let told = if read.timed { None } else { order_tells(&rows, &all, &items) };
    let timed = read.timed || told.is_some();
    let (kept, held) = cut(&rows, task.valid_share, timed, task.options.seed);
    drop(rows);
    let data = Data { all, part: matrix(n_items, kept)?, valid: held, k: task.k, seed: task.options.seed };
    let (asked, mut notes) = asked(&test.pairs, &data.all, n_users, n_items);
    if 0 < repeats {
        notes.push(format!("{repeats} training rows repeat a pair: each pair counts once"));
    }
    if let Some(ratio) = told {
        notes.push(format!(
            "no times, but neighbours in the order of the rows are {ratio:.1} times as alike as others: taken as the order of time"
        ));
    }
    let mut rows: Vec<(Row, UserLists)> = Vec::new();
    let seconds = task.options.search_s();
    if task.options.model == Choice::Best {
        let (k, seed) = (task.k, task.options.seed);
        let aim = Aim { k, valid_share: task.valid_share, exclude_current: None, timed, seed };
        let (won, gauge, setting) =
            own_search(seconds, began, say, |spent, tell| BEST(&data.all, aim, spent, tell))?;
        rows.push(data.ask(gauge, &won.name, &setting, &*won.model, &asked));
    } else {
        let mut judge = RankingJudge { data: &data, kept: None };
        let found = settle(&task.options, &models, seconds, &mut judge, &mut notes, say)?;
        judge.kept = None;
        for found in &found {
            let row = data.measure(found.model, &found.setting, &asked, say);
            rows.extend(or_note(&task.options.model, row, &mut notes)?);
        }
        if let Some(texts) = texts.filter(|_| only_content || task.options.model == Choice::All) {
            notes.push(texts.note(n_items));
            rows.push(data.by_content(&texts, &asked));
        }
    }
    if let (Some(lists), Some((_, made))) = (lists, rows.last()) {
        lists.write(made.users.iter().map(|user| users.name(*user)), &made.lists, &items)?;
    }
    Ok(Report {
        protocol: format!(
            "full ranking of {n_items} items minus each user's training items, mean over {} users at {}",
            asked.users.len(),
            task.k
        ),
        k: Some(task.k),
        seed: task.options.seed,
        sizes: [
            ("train_users", n_users),
            ("items", n_items),
            ("train_pairs", data.all.nnz()),
            ("valid_users", data.valid.users.len()),
            ("test_users", asked.users.len()),
            ("test_pairs", test.pairs.len()),
        ]
        .into(),
        notes,
        rows: rows.into_iter().map(|row| row.0).collect(),
    })
}

/// Each user's items in the order of the file (of time, where it has times), and how many rows were repeats.
fn rows_of(n_users: usize, pairs: &[Pair]) -> (Vec<Vec<u32>>, usize) {
    let mut rows: Vec<Vec<u32>> = vec![Vec::new(); n_users];
    let mut seen = std::collections::HashSet::with_capacity(pairs.len());
    for pair in pairs {
        if let Some(row) = rows.get_mut(pair.user as usize).filter(|_| seen.insert((pair.user, pair.item))) {
            row.push(pair.item);
        }
    }
    (rows, pairs.len() - seen.len())
}

fn matrix(n_items: usize, rows: Vec<Vec<u32>>) -> Result<Interactions, EvaluateError> {
    let rows = rows.into_iter().map(|row| row.into_iter().map(|item| (item, 1.0)).collect());
    Interactions::from_rows(n_items, rows)
        .map_err(|e| EvaluateError::Fit { model: "ranking".to_owned(), why: e.to_string() })
}

/// Hides a share of each user's items, at least one of two: the last ones where there is time, else drawn by hash. Only so
/// many users are asked; of the others everything is kept.
fn cut(rows: &[Vec<u32>], share: f64, timed: bool, seed: u64) -> (Vec<Vec<u32>>, Asked) {
    let able = rows.iter().filter(|row| 1 < row.len()).count();
    let every = able.div_ceil(VALID_USERS_MAX).max(1);
    let (mut kept, mut held, mut met) = (Vec::with_capacity(rows.len()), Asked::default(), 0usize);
    for (user, row) in (0u32..).zip(rows) {
        let mut row = row.clone();
        if 1 < row.len() {
            met += 1;
            if met % every == 0 {
                let hidden = ((row.len() as f64 * share).round() as usize).clamp(1, row.len() - 1);
                let mut order = row.clone();
                if !timed {
                    order.sort_by_cached_key(|item| hash(seed, user, *item));
                }
                let mut targets = order.split_off(order.len() - hidden);
                targets.sort_unstable();
                row.retain(|item| targets.binary_search(item).is_err());
                held.users.push(user);
                held.targets.push(targets);
            }
        }
        kept.push(row);
    }
    (kept, held)
}

fn hash(seed: u64, user: u32, item: u32) -> u64 {
    let mut bytes = [0u8; 16];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    bytes[8..12].copy_from_slice(&user.to_le_bytes());
    bytes[12..].copy_from_slice(&item.to_le_bytes());
    xxhash_rust::xxh3::xxh3_64(&bytes)
}

/// The test file by user, in the order of their first rows, and what cannot be hit.
fn asked(test: &[Pair], train: &Interactions, n_users: usize, n_items: usize) -> (Asked, Vec<String>) {
    let mut places: BTreeMap<u32, usize> = BTreeMap::new();
    let mut made = Asked::default();
    let (mut unseen, mut again) = (0usize, 0usize);
    for pair in test {
        let place = *places.entry(pair.user).or_insert_with(|| {
            made.users.push(pair.user);
            made.targets.push(Vec::new());
            made.users.len() - 1
        });
        made.targets[place].push(pair.item);
        unseen += usize::from(n_items <= pair.item as usize);
        again += usize::from(train.row(pair.user as usize).0.binary_search(&pair.item).is_ok());
    }
    let strangers = made.users.iter().filter(|user| n_users <= **user as usize).count();
    let counted = [
        (strangers, "test users are not in the training data: they get what the model has for strangers"),
        (unseen, "test pairs have items that are not in the training data: they count as missed"),
        (again, "test pairs are in the training data too: they count as missed"),
    ];
    let notes = counted.into_iter().filter(|(n, _)| 0 < *n).map(|(n, what)| format!("{n} {what}"));
    (made, notes.collect())
}

/// Of a model on the validation cut: recall plus NDCG.
struct RankingJudge<'a> {
    data: &'a Data,
    /// The model trained last, for the next rung.
    kept: Option<(&'static str, Point, Box<dyn RankItems>)>,
}

impl Judge<FitRanking> for RankingJudge<'_> {
    fn rungs(&self) -> usize {
        RUNG_SHARES.len()
    }

    fn score(&mut self, model: &RankingModel, point: &Point, rung: usize) -> Result<f64, EvaluateError> {
        let same = |kept: &(&str, Point, _)| kept.0 == model.name && kept.1 == *point;
        if !self.kept.as_ref().is_some_and(same) {
            self.kept = None;
            let made = self.data.fit_part(model, point)?;
            self.kept = Some((model.name, point.clone(), made));
        }
        let every = RUNG_SHARES.get(rung).copied().unwrap_or(1);
        Ok(self.kept.as_ref().map_or(f64::NAN, |kept| self.data.score(&*kept.2, every)))
    }
}

impl Data {
    fn fit_part(&self, model: &RankingModel, point: &Point) -> Result<Box<dyn RankItems>, EvaluateError> {
        train(model.name, self.seed, &mut |_| {}, |run| (model.fit)(&self.part, point, run))
            .map(|made| made.0)
    }

    /// Recall plus NDCG on every so many users of the validation cut.
    fn score(&self, made: &dyn RankItems, every: usize) -> f64 {
        let users: Vec<u32> = self.valid.users.iter().copied().step_by(every).collect();
        self.worth(&rank_users(made, &self.part, &users, self.k).lists, every)
    }

    fn worth(&self, lists: &[Vec<u32>], every: usize) -> f64 {
        let targets: Vec<Vec<u32>> = self.valid.targets.iter().step_by(every).cloned().collect();
        let q = list_quality(lists, &targets, self.k, 0);
        q.recall + q.ndcg
    }

    fn measure(
        &self,
        model: &RankingModel,
        setting: &Setting,
        asked: &Asked,
        say: Say<'_>,
    ) -> Result<(Row, UserLists), EvaluateError> {
        let mut gauge = Gauge::start();
        let (made, seconds) =
            train(model.name, self.seed, say, |run| (model.fit)(&self.all, &setting.point, run))?;
        gauge.trained(seconds);
        Ok(self.ask(gauge, model.name, setting, &*made, asked))
    }

    fn by_content(&self, texts: &ItemsFile, asked: &Asked) -> (Row, UserLists) {
        let (mut gauge, began) = (Gauge::start(), Instant::now());
        let made = ByContent::fit(texts, &self.all, &ContentParams::default());
        gauge.trained(began.elapsed().as_secs_f64());
        self.ask(gauge, content::NAME, &Setting::default(), &made, asked)
    }

    fn ask(
        &self,
        gauge: Gauge,
        name: &str,
        setting: &Setting,
        made: &dyn RankItems,
        asked: &Asked,
    ) -> (Row, UserLists) {
        let began = Instant::now();
        let lists = rank_users(made, &self.all, &asked.users, self.k);
        let mut row = gauge.row(name, setting, asked.users.len(), began.elapsed().as_secs_f64());
        self.describe(&mut row, &lists, asked);
        (row, lists)
    }

    fn describe(&self, row: &mut Row, made: &UserLists, asked: &Asked) {
        let q = list_quality(&made.lists, &asked.targets, self.k, self.all.n_cols());
        let by_item = self.all.transpose();
        let users_of: Vec<u32> = (0..by_item.n_rows())
            .map(|item| u32::try_from(by_item.row(item).0.len()).unwrap_or(u32::MAX))
            .collect();
        let shown = Exposure::of(&made.lists, &users_of, self.all.n_rows());
        let every = made.lists.len().div_ceil(DIVERSITY_LISTS_MAX).max(1);
        let some: Vec<Vec<u32>> = made.lists.iter().step_by(every).cloned().collect();
        let diversity = intra_list_diversity(&some, &|a, b| co_occurrence(&by_item, a, b));
        let groups = Groups::of(&made.lists, &asked.targets, &self.by_activity(&asked.users), self.k);
        let at = |name: &str| format!("{name}@{}", self.k);
        row.metrics = vec![
            (at("recall"), q.recall),
            (at("NDCG"), q.ndcg),
            (at("precision"), q.precision),
            (at("MAP"), q.map),
            (at("HR"), q.hit_rate),
            (at("coverage"), q.coverage),
            ("novelty".to_owned(), shown.novelty),
            ("diversity".to_owned(), diversity),
            ("pop. lift".to_owned(), shown.popularity_lift),
            ("fairness".to_owned(), groups.ndcg_ratio()),
        ];
        row.more.insert("by_activity".to_owned(), exposure::each(&groups));
        let segments = exposure::segments(&self.all, &asked.users, self.seed);
        let by_segment = Groups::of(&made.lists, &asked.targets, &segments, self.k);
        row.more.insert("by_segment".to_owned(), exposure::each(&by_segment));
        row.more.insert("fairness_by_segment".to_owned(), json!(by_segment.ndcg_ratio()));
        row.more.insert("gini".to_owned(), json!(shown.gini));
    }

    /// Quarters of the asked users by how much they had in training, the least active 0.
    fn by_activity(&self, users: &[u32]) -> Vec<u32> {
        let had = |user: u32| self.all.row(user as usize).0.len();
        let mut sorted: Vec<usize> = users.iter().map(|user| had(*user)).collect();
        sorted.sort_unstable();
        let bounds: Vec<usize> =
            (1..GROUPS).filter_map(|g| sorted.get(g * sorted.len() / GROUPS).copied()).collect();
        users.iter().map(|user| bounds.iter().filter(|bound| **bound <= had(*user)).count() as u32).collect()
    }
}
