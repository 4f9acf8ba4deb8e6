//! What a run says of itself: as it rests in the store, and as it is shown.

use serde::{Deserialize, Serialize};
use shoptide_models::catalogue::Catalogue;
use shoptide_models::content::{TermKind, readable};
use shoptide_models::segments::{Centre, Drift, Habits, SegmentParams};
use shoptide_store::{StoreError, Truth};

use super::Who;
use super::assign::Assigned;

/// Terms shown of a segment.
const TERMS_SHOWN: usize = 12;
/// Categories shown of a segment.
const CATEGORIES_SHOWN: usize = 3;

/// A run and its segments.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SegmentsReport {
    #[serde(flatten)]
    pub run: RunReport,
    /// The largest first.
    pub segments: Vec<SegmentReport>,
}

/// How a run was made, and what it measured.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunReport {
    pub run: u64,
    pub parent: Option<u64>,
    pub created_ms: i64,
    /// Greatest event time of what it learned from: what recency is counted to.
    pub now_ms: i64,
    /// (topic, shard, first offset that it did not learn from).
    pub cut: Vec<(String, u32, i64)>,
    pub seed: u64,
    /// Three letters, of `value`.
    pub currency: Option<String>,
    /// Users with an event.
    pub users: u64,
    /// Of those, how many have a segment.
    pub assigned: u64,
    /// Users it learned from.
    pub sample: u64,
    /// -1 to 1: how well users lie in their segments.
    pub silhouette: f64,
    /// `(k, silhouette)` of every number tried.
    pub tried: Vec<(usize, f64)>,
    /// Against the run before; none without one.
    pub drift: Option<Drift>,
    /// The smallest number that no segment ever had.
    pub next_id: u32,
}

/// One segment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SegmentReport {
    pub id: u32,
    pub name: String,
    pub users: u64,
    /// Of the users that have a segment.
    pub share: f64,
    /// What sets it apart, for people.
    pub categories: Vec<String>,
    pub terms: Vec<SegmentTerm>,
    /// Medians over the users that were learned from.
    pub typical: Typical,
    /// How alike it is to what it was in the run before, 0 to 1; none for a new one.
    pub alike: Option<f64>,
    /// How far its centre moved since: 1 minus `alike`.
    pub shift: Option<f64>,
    /// The most popular first; the first weighs 1.
    pub popular: Vec<PopularItem>,
    /// What sets it apart, for the next run.
    pub centre: Centre,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SegmentTerm {
    /// `word`, `brand` or `category`.
    pub kind: String,
    pub text: String,
    /// By how much more it weighs in the mean taste here than among all.
    pub lift: f32,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PopularItem {
    pub item_id: String,
    pub title: String,
    pub weight: f64,
}

/// A user in the middle of his segment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Typical {
    pub recency_days: f32,
    pub acts: f32,
    pub active_days: f32,
    /// Spent, in the run's currency.
    pub value: f32,
    pub price_level: f32,
}

/// What [`made`] is made of.
pub(super) struct Made<'a> {
    pub run: u64,
    pub created_ms: i64,
    pub now_ms: i64,
    pub cut: Vec<(String, u32, i64)>,
    pub params: &'a SegmentParams,
    pub currency: Option<&'a str>,
    pub tried: Vec<(usize, f64)>,
    pub silhouette: f64,
    /// By user of the sample.
    pub of: &'a [Option<u32>],
    pub habits: &'a [Habits],
    pub centres: Vec<Centre>,
    pub who: Who,
    pub assigned: Assigned,
    pub before: Option<&'a SegmentsReport>,
    pub catalogue: &'a Catalogue,
}

/// To millionths: no more is known, and so many digits read back as they were written.
fn rounded(x: f64) -> f64 {
    (x * 1e6).round() / 1e6
}

pub(super) fn made(made: Made<'_>) -> SegmentsReport {
    let Made { centres, who, mut assigned, .. } = made;
    let with_segment: u64 = assigned.sizes.values().sum();
    let mut segments: Vec<SegmentReport> = Vec::with_capacity(centres.len());
    let known = who.ids.iter().zip(who.names).zip(who.alike);
    for (place, (centre, ((id, name), alike))) in (0u32..).zip(centres.into_iter().zip(known)) {
        let users = assigned.sizes.get(id).copied().unwrap_or(0);
        let here = made.of.iter().zip(made.habits).filter(|(of, _)| **of == Some(place)).map(|(_, h)| h);
        let popular = assigned.popular.remove(id).unwrap_or_default();
        let most = popular.first().map_or(1.0, |(_, weight)| *weight).max(f64::MIN_POSITIVE);
        segments.push(SegmentReport {
            id: *id,
            name,
            users,
            share: rounded(users as f64 / with_segment.max(1) as f64),
            categories: categories(&centre),
            terms: terms(&centre),
            typical: typical(here),
            alike: alike.map(rounded),
            shift: alike.map(|alike| rounded(1.0 - alike)),
            popular: popular
                .into_iter()
                .filter_map(|(number, weight)| {
                    let (item, row) = made.catalogue.row(number)?;
                    let (item_id, title) = (item.to_string(), row.title.clone());
                    Some(PopularItem { item_id, title, weight: rounded(weight / most) })
                })
                .collect(),
            centre,
        });
    }
    segments.sort_by_key(|segment| (std::cmp::Reverse(segment.users), segment.id));
    let run = RunReport {
        run: made.run,
        parent: made.before.map(|b| b.run.run),
        created_ms: made.created_ms,
        now_ms: made.now_ms,
        cut: made.cut,
        seed: made.params.seed(),
        currency: made.currency.map(str::to_owned),
        users: assigned.users,
        assigned: with_segment,
        sample: made.of.len() as u64,
        silhouette: rounded(made.silhouette),
        tried: made.tried.into_iter().map(|(k, score)| (k, rounded(score))).collect(),
        drift: made.before.map(|_| {
            let drift = assigned.pairs.drift();
            let (changed, adjusted_rand) = (rounded(drift.changed), rounded(drift.adjusted_rand));
            Drift { changed, adjusted_rand, ..drift }
        }),
        next_id: who.next_id,
    };
    SegmentsReport { run, segments }
}

fn kind(kind: TermKind) -> &'static str {
    match kind {
        TermKind::Word => "word",
        TermKind::Brand => "brand",
        TermKind::Category => "category",
        TermKind::PriceBand => "price",
    }
}

fn terms(centre: &Centre) -> Vec<SegmentTerm> {
    let told = centre.terms.iter().take(TERMS_SHOWN).map(|(term, lift)| (readable(term), *lift));
    told.map(|((of, text), lift)| SegmentTerm { kind: kind(of).to_owned(), text: text.to_owned(), lift })
        .collect()
}

fn categories(centre: &Centre) -> Vec<String> {
    let terms = centre.terms.iter().map(|(term, _)| readable(term));
    let categories = terms.filter(|(kind, _)| *kind == TermKind::Category);
    categories.take(CATEGORIES_SHOWN).map(|(_, text)| text.to_owned()).collect()
}

fn typical<'a>(users: impl Iterator<Item = &'a Habits> + Clone) -> Typical {
    let middle = |of: fn(&Habits) -> f32| {
        let mut values: Vec<f32> = users.clone().map(of).collect();
        values.sort_unstable_by(f32::total_cmp);
        values.get(values.len() / 2).copied().unwrap_or(0.0)
    };
    Typical {
        recency_days: middle(|h| h.recency_days),
        acts: middle(|h| h.acts),
        active_days: middle(|h| h.active_days),
        value: middle(|h| h.value),
        price_level: middle(|h| h.price_level),
    }
}

/// The run that counts, if there is one.
///
/// # Errors
/// [`StoreError`], also for rows that cannot be read.
pub async fn current(truth: &dyn Truth) -> Result<Option<SegmentsReport>, StoreError> {
    read(truth, None).await
}

/// A run that is kept.
///
/// # Errors
/// As [`current`].
pub async fn of_run(truth: &dyn Truth, run: u64) -> Result<Option<SegmentsReport>, StoreError> {
    read(truth, Some(run)).await
}

async fn read(truth: &dyn Truth, run: Option<u64>) -> Result<Option<SegmentsReport>, StoreError> {
    let Some((run, rows)) = truth.segments(run).await? else { return Ok(None) };
    let damaged =
        |e: serde_json::Error| StoreError::Unusable(format!("stored run {} of segments: {e}", run.run));
    let mut segments = Vec::with_capacity(rows.len());
    for row in &rows {
        segments.push(serde_json::from_slice::<SegmentReport>(&row.data).map_err(damaged)?);
    }
    segments.sort_by_key(|segment| (std::cmp::Reverse(segment.users), segment.id));
    Ok(Some(SegmentsReport { run: serde_json::from_slice(&run.data).map_err(damaged)?, segments }))
}
