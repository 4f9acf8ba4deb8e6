//! Segments: groups of users found by what they like and how they shop, published run by run.
//!
//! Two walks over the users, both in bounded memory: the first keeps a sample that the groups are learned from, the second assigns
//! everybody, page by page. What is written on the way is seen by nobody until the run is whole and the pointer names it. The trainer
//! then carries the run into its next model version, which is where lists find it.

mod assign;
mod popular;
mod report;
mod sampled;
mod served;

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use shoptide_models::catalogue::Catalogue;
use shoptide_models::segments::{Centre, ItemSpace, SegmentError, SegmentParams, Shop, fit, matching, named};
use shoptide_models::state::TasteParams;
use shoptide_store::{PublishSegments, SegmentRow, SegmentRunRow, StoreError, Truth};

pub use report::{
    PopularItem, RunReport, SegmentReport, SegmentTerm, SegmentsReport, Typical, current, of_run,
};
pub(crate) use served::served;

use crate::schedule::Progress;
use crate::train::{TrainError, Workers};

/// Two segments of two runs are one if they are alike by this much at least (cosine of what sets them apart): below it they have less
/// in common than not.
const LIKENESS_MIN: f64 = 0.5;
/// Numbers of runs that are asked for before somebody must look: each is taken by another job, or by one that died.
const CLAIMS_MAX: u64 = 64;
/// Rows of runs before that one transaction takes away.
const FORGOTTEN_AT_ONCE: usize = 2_048;
/// Tells the tokens of one process apart.
static TOKENS: AtomicI64 = AtomicI64::new(0);

/// All that a run works with.
#[derive(Clone)]
pub struct SegmentContext {
    pub truth: Arc<dyn Truth>,
    pub catalogue: Arc<Catalogue>,
    pub taste: TasteParams,
    pub params: SegmentParams,
    /// Items kept as popular in a segment.
    pub popular_items: usize,
    /// Runs kept to compare with.
    pub runs_kept: u64,
    pub workers: Workers,
    /// Milliseconds since 1970: stamps rows, decides nothing.
    pub clock: Arc<dyn Fn() -> i64 + Send + Sync>,
    /// For whoever waits.
    pub progress: Progress,
}

/// Why a run was not published.
#[derive(Debug, thiserror::Error)]
pub enum SegmentJobError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("segments: {0}")]
    Segments(#[from] SegmentError),
    #[error("segments: {0}")]
    Work(TrainError),
    #[error("segments: {0}")]
    Damaged(String),
}

impl SegmentJobError {
    /// There is too little to divide yet: nothing is wrong.
    pub fn is_too_little(&self) -> bool {
        matches!(self, Self::Segments(SegmentError::TooFew { .. }))
    }
}

/// Finds the segments anew, assigns all users and publishes.
///
/// # Errors
/// [`SegmentJobError`]; the run before counts on, whole.
pub async fn segment_once(context: &SegmentContext) -> Result<SegmentsReport, SegmentJobError> {
    let before = current(&*context.truth).await?;
    let (run, token) = claim(context, before.as_ref().map_or(0, |b| b.run.run)).await?;
    let catalogue = context.catalogue.clone();
    let space = context
        .workers
        .run(move || (ItemSpace::of(&catalogue), Shop::of(&catalogue)))
        .await
        .map_err(SegmentJobError::Work)?;
    let space = Arc::new(space);
    context.progress.begin("reading users", 0);
    let sample = sampled::read(context, &space.0, &space.1).await?;
    let (now_ms, cut, habits) = (sample.now_ms, sample.cut, sample.habits);
    let (params, learned, of_space) = (context.params, sample.learned, space.clone());
    let (users, shown) = (sample.users, context.progress.clone());
    shown.begin("finding segments", 0);
    let k_before = before.as_ref().map(|b| b.segments.len());
    let found = context
        .workers
        .run(move || {
            let mut observe = |tried: shoptide_models::model::Progress| {
                shown.set(tried.done as u64, tried.total as u64);
            };
            let term = |number| of_space.0.term(number);
            fit(&learned, of_space.0.n_terms(), term, &params, k_before, &mut observe)
        })
        .await
        .map_err(SegmentJobError::Work)??;
    let who = identify(&found.centres, before.as_ref());
    let fitted = Arc::new(found.fitted);
    context.progress.begin("assigning users", users);
    let assigned = assign::everybody(context, &space, &fitted, &who.ids, run, now_ms).await?;
    let report = report::made(report::Made {
        run,
        created_ms: (context.clock)(),
        now_ms,
        cut,
        params: &context.params,
        currency: space.1.currency(),
        tried: found.tried,
        silhouette: found.silhouette,
        of: &found.of,
        habits: &habits,
        centres: found.centres,
        who,
        assigned,
        before: before.as_ref(),
        catalogue: &context.catalogue,
    });
    publish(context, &report, token).await?;
    tracing::info!(run, segments = report.segments.len(), users = report.run.users, "segments published");
    Ok(report)
}

/// The next number that nobody has.
async fn claim(context: &SegmentContext, published: u64) -> Result<(u64, i64), SegmentJobError> {
    let own = TOKENS.fetch_add(1, Ordering::Relaxed);
    let seed = [(context.clock)(), i64::from(std::process::id()), own].map(i64::to_le_bytes).concat();
    let token = xxhash_rust::xxh3::xxh3_64(&seed).cast_signed();
    for run in published + 1..=published + CLAIMS_MAX {
        if context.truth.claim_segments(run, token).await? {
            return Ok((run, token));
        }
    }
    let reason = format!("runs {} to {} are all taken", published + 1, published + CLAIMS_MAX);
    Err(SegmentJobError::Damaged(reason))
}

/// Who the segments found are, beside those of the run before.
struct Who {
    /// By place of the centre.
    ids: Vec<u32>,
    names: Vec<String>,
    /// How alike each is to what it was; none for a new one.
    alike: Vec<Option<f64>>,
    /// The smallest number that no segment ever had.
    next_id: u32,
}

fn identify(centres: &[Centre], before: Option<&SegmentsReport>) -> Who {
    let known = before.map_or(&[][..], |b| &b.segments);
    let likeness: Vec<Vec<f64>> =
        centres.iter().map(|c| known.iter().map(|k| c.likeness(&k.centre)).collect()).collect();
    let pairs = matching(&likeness, known.len(), LIKENESS_MIN);
    let of = |pair: &Option<usize>| pair.and_then(|place| known.get(place));
    let mut next_id = before.map_or(0, |b| b.run.next_id);
    let ids = pairs
        .iter()
        .map(|pair| {
            of(pair).map_or_else(
                || {
                    next_id += 1;
                    next_id - 1
                },
                |k| k.id,
            )
        })
        .collect();
    let names: Vec<Option<&str>> = pairs.iter().map(|pair| of(pair).map(|k| k.name.as_str())).collect();
    let alike = pairs.iter().zip(&likeness).map(|(pair, row)| row.get((*pair)?).copied()).collect();
    Who { ids, names: named(centres, &names), alike, next_id }
}

async fn publish(
    context: &SegmentContext,
    report: &SegmentsReport,
    token: i64,
) -> Result<(), SegmentJobError> {
    let written = |e: serde_json::Error| SegmentJobError::Damaged(e.to_string());
    let mut segments = Vec::with_capacity(report.segments.len());
    for segment in &report.segments {
        segments.push(SegmentRow {
            segment: segment.id,
            name: segment.name.clone(),
            users: segment.users,
            data: serde_json::to_vec(segment).map_err(written)?,
        });
    }
    let run = SegmentRunRow {
        run: report.run.run,
        parent: report.run.parent,
        created_ms: report.run.created_ms,
        data: serde_json::to_vec(&report.run).map_err(written)?,
    };
    let kept_from = run.run.saturating_sub(context.runs_kept.saturating_sub(1));
    let number = run.run;
    context.truth.publish_segments(PublishSegments { run, segments, token, kept_from }).await?;
    // The run counts already; what is left of those before is only room.
    while context.truth.forget_user_segments(number, FORGOTTEN_AT_ONCE).await? != 0 {}
    Ok(())
}
