//! Whether a full training may replace what is served. Both are measured on the same users, on what nobody has seen: the
//! last fifth of each user's items is hidden, and a twin of either is trained on the rest, the candidate's with its
//! parameters, the served one's with its own and without what happened after its cut. The models themselves have seen
//! everything, so measuring them would tell nothing. Pure: the same tables give the same verdict.

use rayon::prelude::*;
use shoptide_config::{GateConfig, GateMetric};
use shoptide_models::als::{self, ItemSide};
use shoptide_models::blend::{BlendParams, Scorer, Scratch};
use shoptide_models::evaluate::{Quality, quality};
use shoptide_models::item_item::Neighbours;
use shoptide_models::matrix::Interactions;
use shoptide_models::popularity::Popularity;
use shoptide_models::snapshot::{Kind, Snapshot, SnapshotParts};

use super::full::lineage;
use super::held_out::{K, TRAIN_SHARE, list};
use super::report::{Compared, GateReport, Verdict};
use super::tables::Tables;
use super::{Measured, TrainError, TrainParams};
use crate::schedule::Progress;

/// Standard errors of the difference that are taken for chance: one of forty equal trainings would be refused with fewer.
const CHANCE: f64 = 2.0;

/// What is served, as the gate needs it.
pub(super) struct Served<'a> {
    pub model: &'a Snapshot,
    /// What it was trained with.
    pub params: TrainParams,
}

/// One user of the sample: what is hidden of him, and what either model sees.
struct Case {
    hidden: Vec<u32>,
    seen: Vec<(u32, f32)>,
    seen_by_served: Vec<(u32, f32)>,
    /// Of it, what happened before the served model's cut.
    trained_by_served: Vec<(u32, f32)>,
}

/// Compares a training with `params` on the tables with what is served.
///
/// # Errors
/// [`TrainError::Numbers`] if a twin cannot be solved.
pub(super) fn judge(
    tables: &Tables,
    params: &TrainParams,
    gate: &GateConfig,
    served: &Served<'_>,
    progress: &Progress,
) -> Result<GateReport, TrainError> {
    let cases = cases(tables, params, gate.users_max, served);
    let users = cases.iter().filter(|case| !case.hidden.is_empty()).count();
    let version = Some(served.model.version());
    if users < gate.users_min {
        let why = format!("{users} users have enough items to hide one, expected {}", gate.users_min);
        return Ok(GateReport {
            served: version,
            users,
            metrics: Vec::new(),
            verdict: Verdict::NotJudged,
            why: vec![why],
        });
    }
    progress.begin("judging", (params.als.sweeps() + served.params.als.sweeps()) as u64);
    let ours = twin(tables, params, cases.iter().map(|case| case.seen.clone()), progress)?;
    let before = cases.iter().map(|case| case.trained_by_served.clone());
    let theirs = twin(tables, &served.params, before, progress)?;
    let pairs = measure(&cases, &ours, &theirs, &params.lists.blend);
    let metrics: Vec<Compared> = GATE_METRICS.into_iter().map(|metric| compared(metric, &pairs)).collect();
    let why = refusals(&metrics, gate);
    let verdict = if why.is_empty() { Verdict::Passed } else { Verdict::Refused };
    Ok(GateReport { served: version, users, metrics, verdict, why })
}

const GATE_METRICS: [GateMetric; 3] = [GateMetric::Ndcg, GateMetric::Recall, GateMetric::HitRate];

fn cases(tables: &Tables, params: &TrainParams, users_max: usize, served: &Served<'_>) -> Vec<Case> {
    let now_ms = served.model.meta().now_ms;
    let bare = |row: Vec<(i64, u32, f32)>| row.into_iter().map(|(_, item, s)| (item, s)).collect();
    tables
        .sample(users_max)
        .map(|user| {
            let mut seen = user.timed(&params.taste);
            let kept = (seen.len() as f64 * TRAIN_SHARE).ceil() as usize;
            let hidden: Vec<u32> = seen.split_off(kept).into_iter().map(|(_, item, _)| item).collect();
            let mut theirs = user.timed(&served.params.taste);
            theirs.retain(|(_, item, _)| !hidden.contains(item));
            let before = theirs.iter().filter(|(last_ms, _, _)| *last_ms <= now_ms).copied().collect();
            Case { hidden, seen: bare(seen), seen_by_served: bare(theirs), trained_by_served: bare(before) }
        })
        .collect()
}

/// A model of rows, as [`super::held_out()`] trains one.
pub(super) fn twin(
    tables: &Tables,
    params: &TrainParams,
    rows: impl Iterator<Item = Vec<(u32, f32)>>,
    progress: &Progress,
) -> Result<Snapshot, TrainError> {
    let numbers = |e: &dyn std::fmt::Display| TrainError::Numbers(e.to_string());
    let train = Interactions::from_rows(tables.item_ids().len(), rows).map_err(|e| numbers(&e))?;
    let quiet = als::Training { warm: None, losses: false };
    let factors =
        als::train(&train, &params.als, quiet, &mut |_| progress.add(1)).map_err(|e| numbers(&e))?;
    let mut popular = vec![0_f32; train.n_cols()];
    for row in 0..train.n_rows() {
        let (items, strengths) = train.row(row);
        for (item, s) in items.iter().zip(strengths) {
            if let Some(sum) = popular.get_mut(*item as usize) {
                *sum += s;
            }
        }
    }
    let trending = vec![0_f32; popular.len()];
    Ok(Snapshot::new(SnapshotParts {
        segments: Default::default(),
        version: 1,
        parent: None,
        kind: Kind::Full,
        meta: lineage(tables, params, Measured::new()),
        item_ids: tables.item_ids().to_vec(),
        side: ItemSide::new(factors.items, params.als).map_err(|e| numbers(&e))?,
        neighbours: Neighbours::fit(&train, &params.item_item),
        popularity: Popularity::from_scores(popular, trending).map_err(|e| numbers(&e))?,
    })?)
}

/// Candidate and served, of each user with something hidden, in the order of users.
fn measure(
    cases: &[Case],
    ours: &Snapshot,
    theirs: &Snapshot,
    blend: &BlendParams,
) -> Vec<(Quality, Quality)> {
    let (ours, theirs) = (Scorer::new(ours, blend), Scorer::new(theirs, blend));
    let of = |scorer: &Scorer<'_>, row: &[(u32, f32)], hidden: &[u32], scratch: &mut Scratch| {
        let ranked: Vec<u32> = list(scorer, row, K, scratch).iter().map(|c| c.item).collect();
        quality(&ranked, hidden, K)
    };
    cases
        .par_iter()
        .map_init(Scratch::default, |scratch, case| {
            let ours = of(&ours, &case.seen, &case.hidden, scratch)?;
            Some((ours, of(&theirs, &case.seen_by_served, &case.hidden, scratch)?))
        })
        .flatten()
        .collect()
}

fn value(metric: GateMetric, quality: &Quality) -> f64 {
    match metric {
        GateMetric::Ndcg => quality.ndcg,
        GateMetric::Recall => quality.recall,
        GateMetric::HitRate => quality.hit_rate,
    }
}

fn compared(metric: GateMetric, pairs: &[(Quality, Quality)]) -> Compared {
    let n = pairs.len().max(1) as f64;
    let mean = |of: &dyn Fn(&(Quality, Quality)) -> f64| pairs.iter().map(of).sum::<f64>() / n;
    let candidate = mean(&|pair| value(metric, &pair.0));
    let served = mean(&|pair| value(metric, &pair.1));
    let spread = mean(&|pair| {
        let d = value(metric, &pair.0) - value(metric, &pair.1) - (candidate - served);
        d * d
    });
    let error = (spread / (n - 1.0).max(1.0)).sqrt();
    Compared { metric: format!("{}_{K}", metric.name()), candidate, served, error }
}

/// Why it may not be published; nothing if it may.
fn refusals(metrics: &[Compared], gate: &GateConfig) -> Vec<String> {
    let watched = |metric: &Compared| {
        gate.metrics.iter().any(|watched| metric.metric == format!("{}_{K}", watched.name()))
    };
    let worse = |m: &&Compared| {
        let lost = m.served - m.candidate;
        // A number that is none is no quality.
        !m.candidate.is_finite() || (gate.tolerance * m.served < lost && CHANCE * m.error < lost)
    };
    let said = |m: &Compared| {
        let share = (m.served - m.candidate) / m.served.max(f64::MIN_POSITIVE);
        format!(
            "{} is {:.4}, that of the served model {:.4}: {:.1} % less, at most {:.1} % is allowed (standard error {:.4})",
            m.metric,
            m.candidate,
            m.served,
            share * 100.0,
            gate.tolerance * 100.0,
            m.error
        )
    };
    metrics.iter().filter(|m| watched(m)).filter(worse).map(said).collect()
}

#[cfg(test)]
mod tests {
    use shoptide_config::Config;

    use super::*;

    fn metric(name: &str, candidate: f64, served: f64, error: f64) -> Compared {
        Compared { metric: name.to_owned(), candidate, served, error }
    }

    #[test]
    fn what_is_worse_by_more_than_is_allowed_and_more_than_chance_is_refused() {
        let gate = Config::load(None, std::iter::empty()).unwrap().gate;
        let refused = |m: Compared| refusals(&[m], &gate);
        assert!(refused(metric("ndcg_20", 0.2, 0.2, 0.0)).is_empty());
        assert!(refused(metric("ndcg_20", 0.3, 0.2, 0.0)).is_empty());
        assert!(refused(metric("ndcg_20", 0.197, 0.2, 0.0)).is_empty(), "within the tolerance");
        assert!(refused(metric("ndcg_20", 0.15, 0.2, 0.03)).is_empty(), "within chance");
        assert!(refused(metric("hit_rate_20", 0.1, 0.2, 0.0)).is_empty(), "not asked for");
        let why = refused(metric("ndcg_20", 0.15, 0.2, 0.01));
        assert_eq!(
            why,
            [
                "ndcg_20 is 0.1500, that of the served model 0.2000: 25.0 % less, at most 2.0 % is allowed (standard error 0.0100)"
            ]
        );
        assert_eq!(refused(metric("recall_20", f64::NAN, 0.2, 0.0)).len(), 1);
    }
}
