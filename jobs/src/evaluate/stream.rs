//! `evaluate stream`: test, then learn, event by event.

use std::path::PathBuf;
use std::time::Instant;

use shoptide_models::evaluate::{StreamParams, StreamQuality, prequential};
use shoptide_models::model::Rated;
use shoptide_models::tune::Point;

use super::error::EvaluateError;
use super::files::read_rated;
use super::frame::{Choice, Gauge, Options, Say, Setting, check_k, chosen, flag, or_note, train};
use super::ids::Ids;
use super::registry::stream::MODELS;
use super::registry::{MakeStream, StreamAim, StreamModel};
use super::report::{Report, Row};
use super::tune::{Judge, settle, standing};

/// What is asked.
#[derive(Debug, Clone)]
pub struct StreamTask {
    pub events: PathBuf,
    /// An event of at least this value is a target.
    pub positive: f32,
    pub k: usize,
    /// Parts of the stream reported by themselves.
    pub windows: usize,
    pub options: Options,
}

/// Shares of the stream, its beginning, that parameters are chosen on: at each rung of a search.
const TUNE_SHARES: [f64; 2] = [0.06, 0.2];

struct Data<'a> {
    events: &'a [Rated],
    params: StreamParams,
    seed: u64,
}

/// Runs the protocol.
///
/// # Errors
/// As [`sessions`](super::sessions()).
pub fn stream(task: &StreamTask, say: Say<'_>) -> Result<Report, EvaluateError> {
    task.options.check()?;
    if task.options.lists.is_some() {
        return Err(flag("--lists", "given for a stream", "no lists: they change at every event"));
    }
    let models = chosen(&task.options.model, MODELS)?;
    let (mut users, mut items) = (Ids::default(), Ids::default());
    let read = read_rated(&task.events, &mut users, &mut items, true)?;
    check_k(task.k, items.len())?;
    let params = StreamParams::new(task.k, task.positive, task.windows)?;
    if !read.events.iter().any(|event| params.is_positive(event)) {
        let most = read.events.iter().map(|event| event.value).fold(f32::NEG_INFINITY, f32::max);
        return Err(flag(
            "--positive",
            task.positive,
            format!("at most {most}, the largest value of the file"),
        ));
    }
    let data = Data { events: &read.events, params, seed: task.options.seed };
    let mut notes = Vec::new();
    let mut rows: Vec<(Row, StreamQuality)> = Vec::new();
    let mut judge = StreamJudge { data: &data };
    let found = settle(&task.options, &models, task.options.search_s(), &mut judge, &mut notes, say)?;
    if task.options.model == Choice::Best {
        notes.push(standing(&found));
    }
    let measured = if task.options.model == Choice::Best { 1 } else { found.len() };
    for found in found.iter().take(measured) {
        let row = data.run(found.model, &found.setting, say);
        rows.extend(or_note(&task.options.model, row, &mut notes)?);
    }
    if let (Choice::Best, Some((row, _))) = (&task.options.model, rows.first_mut()) {
        row.tried = found.iter().flat_map(|found| found.setting.tried.iter().cloned()).collect();
    }
    let (tests, repeats) = rows.first().map_or((0, 0), |(_, q)| (q.tests, q.repeats));
    Ok(Report {
        protocol: format!(
            "prequential over {} events: each is predicted, then learned; targets are the {tests} of value {} or more whose user \
             did not have the item before; full ranking at {}",
            read.events.len(),
            task.positive,
            task.k
        ),
        k: Some(task.k),
        seed: task.options.seed,
        sizes: [
            ("events", read.events.len()),
            ("users", users.len()),
            ("items", items.len()),
            ("tests", tests),
            ("repeats", repeats),
        ]
        .into(),
        notes,
        rows: rows.into_iter().map(|row| row.0).collect(),
    })
}

/// Of a model on the beginning of the stream: recall, of a part of it first.
struct StreamJudge<'a> {
    data: &'a Data<'a>,
}

impl Judge<MakeStream> for StreamJudge<'_> {
    fn rungs(&self) -> usize {
        TUNE_SHARES.len()
    }

    /// The whole stream after its beginning; a model slows down a little as it fills.
    fn last_trials(&self) -> f64 {
        1.3 / TUNE_SHARES.last().copied().unwrap_or(1.0)
    }

    fn score(&mut self, model: &StreamModel, point: &Point, rung: usize) -> Result<f64, EvaluateError> {
        let share = TUNE_SHARES.get(rung).copied().unwrap_or(1.0);
        let n = ((self.data.events.len() as f64 * share) as usize).max(1);
        let head = Data { events: self.data.events.get(..n).unwrap_or(self.data.events), ..*self.data };
        let setting = Setting { point: point.clone(), ..Setting::default() };
        head.run(model, &setting, &mut |_| {}).map(|(_, q)| q.recall)
    }
}

impl Data<'_> {
    fn run(
        &self,
        model: &StreamModel,
        setting: &Setting,
        say: Say<'_>,
    ) -> Result<(Row, StreamQuality), EvaluateError> {
        let mut gauge = Gauge::start();
        let aim = StreamAim { positive: self.params.positive() };
        let (mut made, seconds) =
            train(model.name, self.seed, say, |run| (model.fit)(aim, &setting.point, run))?;
        gauge.trained(seconds);
        let began = Instant::now();
        let q = prequential(&mut *made, self.events, &self.params, &mut |p| {
            say(&format!("{}: {} of {} events", model.name, p.done, p.total));
        });
        // One event after the other: there is no share of other threads to count.
        let seconds =
            began.elapsed().as_secs_f64() / rayon::current_num_threads().min(self.events.len()) as f64;
        let mut row = gauge.row(model.name, setting, self.events.len(), seconds);
        let at = |name: &str| format!("{name}@{}", self.params.k());
        row.metrics = vec![(at("recall"), q.recall), (at("NDCG"), q.ndcg)];
        (row.windows, row.running) = (q.windows.clone(), q.running());
        Ok((row, q))
    }
}
