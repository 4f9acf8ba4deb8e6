//! `evaluate sessions`: which item comes next.

use std::path::PathBuf;
use std::time::Instant;

use shoptide_models::evaluate::{Answer, Query, SessionQuality, answer_all};
use shoptide_models::model::NextItem;
use shoptide_models::sessions::Sessions;
use shoptide_models::tune::Point;

use super::error::EvaluateError;
use super::exposure::of_sessions;
use super::files::{ReadSession, SessionFile, read_sessions};
use super::frame::{
    Choice, Gauge, Options, Say, Setting, check_k, check_share, chosen, or_note, own_search, train,
};
use super::ids::Ids;
use super::lists_file::ListsFile;
use super::registry::sessions::{BEST, MODELS};
use super::registry::{Aim, FitSessions, SessionModel};
use super::report::{Report, Row};
use super::tune::{Judge, settle};

/// Whether the current item is left out of its list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExcludeCurrent {
    /// As is better on the validation cut.
    Auto,
    Yes,
    No,
}

/// What is asked.
#[derive(Debug, Clone)]
pub struct SessionsTask {
    pub train: PathBuf,
    pub test: PathBuf,
    /// Share of the training sessions, the last ones, that parameters are chosen on.
    pub valid_share: f64,
    pub exclude_current: ExcludeCurrent,
    pub k: usize,
    pub options: Options,
}

/// Queries of the validation cut at most: enough to tell models apart, few enough to try many.
const VALID_QUERIES_MAX: usize = 5_000;

/// Of the queries of the cut, every so many are asked at each rung of a search.
const RUNG_SHARES: [usize; 2] = [4, 1];

/// Sessions with what is asked of them.
struct Asked {
    sessions: Vec<ReadSession>,
    /// Session, number of clicks known.
    at: Vec<(usize, usize)>,
}

impl Asked {
    /// Every next click of every session.
    fn each_next(sessions: Vec<ReadSession>) -> Self {
        let nexts =
            |(s, session): (usize, &ReadSession)| (1..session.items.len()).map(move |known| (s, known));
        let at = sessions.iter().enumerate().flat_map(nexts).collect();
        Self { sessions, at }
    }

    /// As the test file means it.
    fn of_test(file: SessionFile, path: &std::path::Path) -> Result<Self, EvaluateError> {
        if !file.line_each {
            let asked = Self::each_next(file.sessions);
            return match asked.at.is_empty() {
                true => Err(EvaluateError::file(path, "has no session of two clicks, so nothing to predict")),
                false => Ok(asked),
            };
        }
        let mut at = Vec::with_capacity(file.sessions.len());
        for (s, session) in file.sessions.iter().enumerate() {
            if session.items.len() < 2 {
                let line = session.lines.first().copied().unwrap_or(0);
                let what = format!("{} ids, expected 2 or more: the last is the target", session.items.len());
                return Err(EvaluateError::line(path, line, what));
            }
            at.push((s, session.items.len() - 1));
        }
        Ok(Self { sessions: file.sessions, at })
    }

    fn queries(&self) -> Vec<Query<'_>> {
        let query = |&(s, known): &(usize, usize)| {
            let items = &self.sessions.get(s)?.items;
            Some(Query { known: items.get(..known)?, target: *items.get(known)? })
        };
        self.at.iter().filter_map(query).collect()
    }

    /// The line of each query: of the session, or of the click to be predicted.
    fn keys(&self) -> impl Iterator<Item = String> + '_ {
        self.at.iter().map(|&(s, known)| {
            let lines = self.sessions.get(s).map_or(&[][..], |session| &session.lines);
            lines.get(known).or(lines.first()).map_or(String::new(), u64::to_string)
        })
    }
}

/// Everything that training and tuning read.
struct Data {
    all: Sessions,
    /// Without the validation cut.
    part: Sessions,
    valid: Asked,
    exclude: ExcludeCurrent,
    k: usize,
    seed: u64,
}

fn sessions_of(n_items: usize, read: &[ReadSession]) -> Result<Sessions, EvaluateError> {
    let each = read.iter().map(|session| (session.items.clone(), session.ended_s));
    Sessions::new(n_items, each)
        .map_err(|e| EvaluateError::Fit { model: "sessions".to_owned(), why: e.to_string() })
}

/// Runs the protocol.
///
/// # Errors
/// [`EvaluateError`] for bad flags or files, or, with one model's name, if it cannot be trained.
pub fn sessions(task: &SessionsTask, say: Say<'_>) -> Result<Report, EvaluateError> {
    let began = Instant::now();
    task.options.check()?;
    check_share(task.valid_share)?;
    let models = chosen(&task.options.model, MODELS)?;
    let mut ids = Ids::default();
    let read = read_sessions(&task.train, &mut ids)?;
    let n_items = ids.len();
    check_k(task.k, n_items)?;
    let test = Asked::of_test(read_sessions(&task.test, &mut ids)?, &task.test)?;
    let lists = ListsFile::create(task.options.lists.as_deref())?;

    let all = sessions_of(n_items, &read.sessions)?;
    let cut = cut(read.sessions.len(), task.valid_share);
    let (kept, held) = read.sessions.split_at(cut);
    let mut valid = Asked::each_next(held.to_vec());
    thin(&mut valid.at, VALID_QUERIES_MAX);
    let part = sessions_of(n_items, kept)?;
    let data = Data { all, part, valid, exclude: task.exclude_current, k: task.k, seed: task.options.seed };

    let queries = test.queries();
    let unseen = queries.iter().filter(|query| n_items <= query.target as usize).count();
    let mut notes = Vec::new();
    if 0 < unseen {
        notes.push(format!("{unseen} targets are not in the training data: they count as misses"));
    }
    let mut rows: Vec<(Row, Vec<Answer>)> = Vec::new();
    let seconds = task.options.search_s();
    if task.options.model == Choice::Best {
        let exclude_current = match task.exclude_current {
            ExcludeCurrent::Auto => None,
            ExcludeCurrent::Yes => Some(true),
            ExcludeCurrent::No => Some(false),
        };
        let (k, seed) = (task.k, task.options.seed);
        let aim = Aim { k, valid_share: task.valid_share, exclude_current, timed: true, seed };
        let (won, gauge, setting) =
            own_search(seconds, began, say, |spent, tell| BEST(&data.all, aim, spent, tell))?;
        rows.push(data.ask(gauge, &won.name, &setting, &*won.model, won.exclude_current, &queries));
    } else {
        let mut judge = SessionJudge { data: &data, kept: None };
        let found = settle(&task.options, &models, seconds, &mut judge, &mut notes, say)?;
        judge.kept = None;
        for found in &found {
            let row = data.measure(found.model, &found.setting, &queries, say);
            rows.extend(or_note(&task.options.model, row, &mut notes)?);
        }
    }
    if let (Some(lists), Some((_, answers))) = (lists, rows.last()) {
        let each: Vec<Vec<u32>> = answers.iter().map(|answer| answer.list.clone()).collect();
        lists.write(test.keys(), &each, &ids)?;
    }
    Ok(Report {
        protocol: format!(
            "next item in a session: full ranking, rank of the target with ties as half a place, mean over {} queries at {}",
            queries.len(),
            task.k
        ),
        k: Some(task.k),
        seed: task.options.seed,
        sizes: [
            ("train_sessions", data.all.len()),
            ("train_clicks", data.all.clicks()),
            ("items", n_items),
            ("valid_queries", data.valid.at.len()),
            ("test_queries", queries.len()),
        ]
        .into(),
        notes,
        rows: rows.into_iter().map(|row| row.0).collect(),
    })
}

/// Sessions trained on while parameters are chosen: at least one, and all but one.
fn cut(sessions: usize, valid_share: f64) -> usize {
    let valid = (sessions as f64 * valid_share).ceil() as usize;
    sessions.saturating_sub(valid.max(1)).max(1).min(sessions)
}

/// Keeps at most `max`, spread evenly.
fn thin<T: Copy>(all: &mut Vec<T>, max: usize) {
    if max < all.len() {
        *all = (0..max).filter_map(|n| all.get(n * all.len() / max).copied()).collect();
    }
}

/// Of a session model on the validation cut: hit rate plus reciprocal rank.
struct SessionJudge<'a> {
    data: &'a Data,
    /// The model trained last, for the next rung.
    kept: Option<(&'static str, Point, Box<dyn NextItem>)>,
}

impl Judge<FitSessions> for SessionJudge<'_> {
    fn rungs(&self) -> usize {
        RUNG_SHARES.len()
    }

    fn score(&mut self, model: &SessionModel, point: &Point, rung: usize) -> Result<f64, EvaluateError> {
        let same = |kept: &(&str, Point, _)| kept.0 == model.name && kept.1 == *point;
        if !self.kept.as_ref().is_some_and(same) {
            self.kept = None;
            let made = self.data.fit_part(model, point)?;
            self.kept = Some((model.name, point.clone(), made));
        }
        let share = RUNG_SHARES.get(rung).copied().unwrap_or(1);
        let made = self.kept.as_ref().map(|kept| &*kept.2);
        Ok(made.map_or(f64::NAN, |made| self.data.score(made, share).0))
    }
}

impl Data {
    fn fit_part(&self, model: &SessionModel, point: &Point) -> Result<Box<dyn NextItem>, EvaluateError> {
        train(model.name, self.seed, &mut |_| {}, |run| (model.fit)(&self.part, point, run))
            .map(|made| made.0)
    }

    /// Hit rate plus reciprocal rank on every so many queries of the validation cut, and whether the current item was
    /// left out.
    fn score(&self, made: &dyn NextItem, every: usize) -> (f64, bool) {
        let queries: Vec<Query<'_>> = self.valid.queries().into_iter().step_by(every).collect();
        self.either(|exclude| SessionQuality::of(&answer_all(made, &queries, self.k, exclude), self.k, 0))
    }

    /// With or without the current item, as was asked, or as is better.
    fn either(&self, quality: impl Fn(bool) -> SessionQuality) -> (f64, bool) {
        let score = |exclude| {
            let q = quality(exclude);
            (q.hit_rate + q.mrr, exclude)
        };
        match self.exclude {
            ExcludeCurrent::Yes => score(true),
            ExcludeCurrent::No => score(false),
            ExcludeCurrent::Auto => {
                let (with, without) = (score(false), score(true));
                if with.0 < without.0 { without } else { with }
            }
        }
    }

    fn measure(
        &self,
        model: &SessionModel,
        setting: &Setting,
        queries: &[Query<'_>],
        say: Say<'_>,
    ) -> Result<(Row, Vec<Answer>), EvaluateError> {
        let exclude = match self.exclude {
            ExcludeCurrent::Yes => true,
            ExcludeCurrent::No => false,
            ExcludeCurrent::Auto => self.score(&*self.fit_part(model, &setting.point)?, 1).1,
        };
        let mut gauge = Gauge::start();
        let (made, seconds) =
            train(model.name, self.seed, say, |run| (model.fit)(&self.all, &setting.point, run))?;
        gauge.trained(seconds);
        Ok(self.ask(gauge, model.name, setting, &*made, exclude, queries))
    }

    fn ask(
        &self,
        gauge: Gauge,
        name: &str,
        setting: &Setting,
        made: &dyn NextItem,
        exclude: bool,
        queries: &[Query<'_>],
    ) -> (Row, Vec<Answer>) {
        let began = Instant::now();
        let answers = answer_all(made, queries, self.k, exclude);
        let mut row = gauge.row(name, setting, queries.len(), began.elapsed().as_secs_f64());
        let q = SessionQuality::of(&answers, self.k, self.all.n_items());
        let at = |name: &str| format!("{name}@{}", self.k);
        row.metrics = vec![
            (at("HR"), q.hit_rate),
            (at("MRR"), q.mrr),
            (at("NDCG"), q.ndcg),
            (at("coverage"), q.coverage),
        ];
        row.exclude_current = Some(exclude);
        of_sessions(&mut row, &answers, queries, &self.all, self.k);
        (row, answers)
    }
}
