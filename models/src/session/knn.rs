//! Sessions that resemble this one vote on how it goes on.
//!
//! Jannach & Ludewig's session kNN in the incremental form of Kersbergen, Sprangers & Schelter (*Serenade*, SIGMOD 2022)
//! with the decays of Garg et al. (*Sequence and time aware neighborhood*, SIGIR 2019).

mod params;

use std::borrow::Borrow;
use std::cell::RefCell;

pub use params::KnnParams;

use super::index::SessionIndex;
use super::tally::Tally;
use crate::model::{NextItem, Scored};

/// Distinct items of the current session that are looked up, the latest first: older ones decide nothing any more.
pub const SESSION_ITEMS_MAX: usize = 20;
/// Sessions that are compared with the current one; those of older items are left out beyond. With [`SESSION_ITEMS_MAX`], the bound on the time of a query.
pub const CANDIDATES_MAX: usize = 3_000;
/// Items that can be scored by one query: a thousand neighbours seldom have as many, and the table stays in the cache.
const ITEMS_MAX: usize = 8_000;

/// Session kNN over an index that is owned or borrowed (`I = &SessionIndex`).
///
/// ```
/// use shoptide_models::model::{NextItem, best};
/// use shoptide_models::session::index::{IndexParams, SessionIndex};
/// use shoptide_models::session::knn::{KnnParams, SessionKnn};
/// let mut index = SessionIndex::new(IndexParams::new(1000, 50, 500, 100).unwrap());
/// for (session, item) in [(1, 7), (1, 8), (2, 7), (2, 8), (3, 7), (3, 9)] {
///     index.click(session, item, 0);
/// }
/// let mut scored = vec![];
/// SessionKnn::new(&index, KnnParams::default()).score(&[7], &mut scored);
/// assert_eq!(best(scored, &[7], 1)[0].0, 8);
/// ```
#[derive(Debug, Clone)]
pub struct SessionKnn<I> {
    index: I,
    params: KnnParams,
    /// `exp(-d / near)` by distance, before and after the shared item.
    after: Vec<f32>,
    before: Vec<f32>,
    /// `n^-length` by number of clicks.
    length: Vec<f32>,
}

/// Distances in a neighbour and lengths of it beyond this count as this.
const STEPS: usize = 1000;

/// What one query needs, kept per thread so that no query allocates.
struct Scratch {
    sessions: Tally,
    items: Tally,
    near: Vec<(f32, u32, u32)>,
}

thread_local! {
    static SCRATCH: RefCell<Scratch> = RefCell::new(Scratch {
        sessions: Tally::new(CANDIDATES_MAX),
        items: Tally::new(ITEMS_MAX),
        near: vec![],
    });
}

impl<I: Borrow<SessionIndex>> SessionKnn<I> {
    pub fn new(index: I, params: KnnParams) -> Self {
        let decay: Vec<f32> = (0..STEPS).map(|d| (-(d as f32) / params.near).exp()).collect();
        Self {
            before: decay.iter().map(|w| w * params.before).collect(),
            after: decay,
            length: (0..STEPS).map(|n| (n.max(1) as f32).powf(-params.length)).collect(),
            index,
            params,
        }
    }

    /// The index, to take clicks in.
    pub fn index_mut(&mut self) -> &mut I {
        &mut self.index
    }

    /// Finds the neighbours: `(similarity, row, shared item that was clicked last)`.
    fn neighbours(&self, session: &[u32], sessions: &mut Tally, near: &mut Vec<(f32, u32, u32)>) {
        let (index, params) = (self.index.borrow(), &self.params);
        sessions.clear();
        let mut looked_up = 0;
        for (distance, &item) in session.iter().rev().enumerate() {
            let newer = &session[session.len() - distance..];
            if newer.contains(&item) {
                continue;
            }
            let weight = (-(distance as f32) / params.position).exp();
            for row in index.recent(item).take(params.recent) {
                sessions.add(row, weight, item);
            }
            looked_up += 1;
            if looked_up == SESSION_ITEMS_MAX || sessions.is_full() {
                break;
            }
        }
        near.clear();
        let ages = index.ages();
        near.extend(sessions.iter().map(|(row, entry)| {
            let (age, clicks) = ages.of(row);
            let recency = (-age / params.recency).exp();
            let length = self.length[clicks.min(STEPS - 1)];
            (entry.sum * recency * length, row, entry.note)
        }));
        if params.neighbours < near.len() {
            near.select_nth_unstable_by(params.neighbours - 1, |a, b| {
                b.0.total_cmp(&a.0).then(b.1.cmp(&a.1))
            });
            near.truncate(params.neighbours);
        }
        // the order of the sums must not hang on how the selection left them
        near.sort_unstable_by_key(|&(_, row, _)| row);
    }
}

impl<I: Borrow<SessionIndex> + Sync> NextItem for SessionKnn<I> {
    fn score(&self, session: &[u32], out: &mut Scored) {
        out.clear();
        let Some(&current) = session.last() else { return };
        let (index, params) = (self.index.borrow(), &self.params);
        SCRATCH.with_borrow_mut(|Scratch { sessions, items, near }| {
            self.neighbours(session, sessions, near);
            items.clear();
            for &(similarity, row, shared) in near.iter() {
                let row = index.row(row);
                let Some(at) = row.iter().rposition(|&item| item == shared) else { continue };
                for (&item, distance) in row[..at].iter().zip((1..=at).rev()) {
                    items.add(item, similarity * self.before[distance.min(STEPS - 1)], 0);
                }
                for (distance, &item) in row[at..].iter().enumerate() {
                    items.add(item, similarity * self.after[distance.min(STEPS - 1)], 0);
                }
            }
            let sessions = index.sessions() as f32;
            out.extend(items.iter().filter_map(|(item, entry)| {
                let rarity = (1.0 + sessions / index.sessions_with(item).max(1) as f32).ln();
                let mut score = entry.sum * rarity.powf(params.rarity);
                if item == current {
                    score *= params.current;
                } else if session.contains(&item) {
                    score *= params.seen;
                }
                (0.0 < score).then_some((item, score))
            }));
        });
    }
}
