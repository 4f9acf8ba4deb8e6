//! Pairs of items clicked in the same session, added up: the sparse matrices that the linear models are made of.

use rayon::prelude::*;

use crate::model::Scored;
use crate::sessions::Sessions;

/// Pairs further apart than this in a session do not count: bounds the cost of long sessions.
pub const WINDOW: usize = 12;
/// Pairs that are counted, from the newest session back: they are held in memory at 8 bytes each before they are merged.
const PAIRS_MAX: usize = 100_000_000;

/// Rows of a sparse matrix, each by item.
#[derive(Debug, Clone, PartialEq)]
pub struct Rows {
    ptr: Vec<usize>,
    items: Vec<u32>,
    weights: Vec<f32>,
    /// Sum of a row before its weakest were cut.
    sums: Vec<f32>,
}

/// Ages of sessions, 0 for the newest to 1 for the oldest.
pub fn ages(sessions: &Sessions) -> Vec<f32> {
    let ends = (0..sessions.len()).filter(|&s| !sessions.items(s).is_empty()).map(|s| sessions.ended_s(s));
    let (oldest, newest) = ends.fold((i64::MAX, i64::MIN), |(lo, hi), s| (lo.min(s), hi.max(s)));
    // in f64: the difference of two times may not fit into an i64
    let span = newest as f64 - oldest as f64;
    let age = |s| ((newest as f64 - sessions.ended_s(s) as f64) / span).clamp(0.0, 1.0) as f32;
    (0..sessions.len()).map(|s| if 0.0 < span { age(s) } else { 0.0 }).collect()
}

impl Rows {
    /// Adds up `exp(-age / recency) · weigh(distance, left)` over all pairs of clicks at most [`WINDOW`] apart; `left` is the
    /// number of clicks after the later of the two, and `weigh` gives what counts from the earlier to the later and what
    /// counts back. Distance 0 is a click with itself, of which only the first counts. The strongest `kept` of a row stay.
    pub fn count(
        sessions: &Sessions,
        recency: f32,
        kept: usize,
        weigh: &(dyn Fn(usize, usize) -> (f32, f32) + Sync),
    ) -> Self {
        let ages = ages(sessions);
        let first = newest_of(sessions);
        let pairs = |seen: &mut dyn FnMut(u32, u32, f32)| {
            for &session in &first {
                let (items, recency) = (sessions.items(session), (-ages[session] / recency).exp());
                for (at, &from) in items.iter().enumerate() {
                    for (distance, &to) in items[at..].iter().take(WINDOW + 1).enumerate() {
                        let (forth, back) = weigh(distance, items.len() - 1 - at - distance);
                        if 0.0 < forth {
                            seen(from, to, recency * forth);
                        }
                        if 0.0 < back && 0 < distance {
                            seen(to, from, recency * back);
                        }
                    }
                }
            }
        };
        let n_items = sessions.n_items();
        let mut ptr = vec![0usize; n_items + 1];
        pairs(&mut |from, _, _| ptr[from as usize + 1] += 1);
        for item in 0..n_items {
            ptr[item + 1] += ptr[item];
        }
        let mut all = vec![(0u32, 0f32); ptr[n_items]];
        let mut place = ptr.clone();
        pairs(&mut |from, to, weight| {
            all[place[from as usize]] = (to, weight);
            place[from as usize] += 1;
        });
        let rows = (0..n_items).into_par_iter().map(|item| merge(&all[ptr[item]..ptr[item + 1]], kept));
        Self::of(rows.collect())
    }

    /// Packs rows that are in order, each with its sum.
    pub fn of(rows: Vec<(f32, Scored)>) -> Self {
        let mut made = Self { ptr: vec![0], items: vec![], weights: vec![], sums: vec![] };
        for (sum, row) in rows {
            made.items.extend(row.iter().map(|x| x.0));
            made.weights.extend(row.iter().map(|x| x.1));
            made.ptr.push(made.items.len());
            made.sums.push(sum);
        }
        made
    }

    /// The other way round; sums are of what is there.
    pub fn transposed(&self) -> Self {
        let mut rows: Vec<(f32, Scored)> = vec![(0.0, vec![]); self.sums.len()];
        for from in 0..self.sums.len() as u32 {
            let (items, weights, _) = self.row(from);
            for (&to, &weight) in items.iter().zip(weights) {
                if let Some(row) = rows.get_mut(to as usize) {
                    row.0 += weight;
                    row.1.push((from, weight));
                }
            }
        }
        Self::of(rows)
    }

    /// One row by item, with its sum before it was cut; empty for an item that is unknown.
    pub fn row(&self, item: u32) -> (&[u32], &[f32], f32) {
        match (self.ptr.get(item as usize), self.ptr.get(item as usize + 1)) {
            (Some(&from), Some(&to)) => {
                (&self.items[from..to], &self.weights[from..to], self.sums[item as usize])
            }
            _ => (&[], &[], 0.0),
        }
    }

    /// Keeps the strongest of each row.
    pub fn cut(&mut self, kept: usize) {
        let rows = (0..self.len() as u32).map(|item| {
            let (items, weights, sum) = self.row(item);
            let mut row: Scored = items.iter().copied().zip(weights.iter().copied()).collect();
            strongest(&mut row, kept);
            (sum, row)
        });
        *self = Self::of(rows.collect());
    }

    /// Number of rows.
    pub fn len(&self) -> usize {
        self.sums.len()
    }
}

/// Sessions that fit into [`PAIRS_MAX`], the newest that do, in their own order.
fn newest_of(sessions: &Sessions) -> Vec<usize> {
    let mut order: Vec<usize> = (0..sessions.len()).collect();
    order.sort_by_key(|&session| sessions.ended_s(session));
    let mut pairs = 0usize;
    let fits = |&&session: &&usize| {
        let clicks = sessions.items(session).len();
        pairs = pairs.saturating_add(clicks * clicks.min(WINDOW) * 2);
        pairs <= PAIRS_MAX
    };
    let mut kept: Vec<usize> = order.iter().rev().take_while(fits).copied().collect();
    kept.sort_unstable();
    kept
}

/// Adds up what is there for the same item and keeps the strongest, by item.
fn merge(pairs: &[(u32, f32)], kept: usize) -> (f32, Scored) {
    let mut sorted = pairs.to_vec();
    sorted.sort_by_key(|x| x.0); // stable: the sums are made in the order of the sessions
    let mut row = Scored::new();
    for &(item, weight) in &sorted {
        match row.last_mut() {
            Some(last) if last.0 == item => last.1 += weight,
            _ => row.push((item, weight)),
        }
    }
    let sum = row.iter().map(|x| x.1).sum();
    strongest(&mut row, kept);
    (sum, row)
}

/// Keeps the strongest, by item.
pub fn strongest(row: &mut Scored, kept: usize) {
    if kept < row.len() {
        row.select_nth_unstable_by(kept.max(1) - 1, |a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
        row.truncate(kept);
    }
    row.sort_unstable_by_key(|x| x.0);
}
