//! Queries of a session kNN, one by one on one thread.

use anyhow::Context;
use serde::Deserialize;
use serde_json::{Value, json};
use shoptide_models::model::{NextItem, best};
use shoptide_models::session::index::{IndexParams, SessionIndex};
use shoptide_models::session::knn::{KnnParams, SessionKnn};
use shoptide_models::sessions::Sessions;
use std::path::{Path, PathBuf};
use std::time::Instant;

use super::arrays::{u32s, u64s};
use crate::spread::Spread;

#[derive(Debug, Deserialize)]
pub struct Inputs {
    train_ptr: PathBuf,
    train_items: PathBuf,
    /// The last item of each is what a query should find.
    test_ptr: PathBuf,
    test_items: PathBuf,
    k: usize,
    rounds: usize,
}

/// A query is everything from the session's items to its list of `k`.
///
/// # Errors
/// If the inputs cannot be read.
pub fn run(inputs: Inputs) -> anyhow::Result<Value> {
    let train = sessions(&inputs.train_ptr, &inputs.train_items)?;
    let test = sessions(&inputs.test_ptr, &inputs.test_items)?;
    let n_items = train.iter().flatten().map(|&item| item as usize + 1).max().unwrap_or(0);
    let train = Sessions::new(n_items, train.into_iter().zip(0i64..))?;
    let bounds = IndexParams::new(train.len().max(1), 1000, 10_000, n_items.max(1))?;
    let knn = SessionKnn::new(SessionIndex::of(&train, bounds), KnnParams::default());
    let (mut means_s, mut each_ms, mut hits) = (vec![], vec![], 0);
    for _ in 0..inputs.rounds {
        (each_ms, hits) = (vec![], 0);
        for session in &test {
            let Some((target, known)) = session.split_last() else { continue };
            let began = Instant::now();
            let mut scored = vec![];
            knn.score(known, &mut scored);
            let list = best(scored, &[], inputs.k);
            each_ms.push(began.elapsed().as_secs_f64() * 1e3);
            hits += usize::from(list.iter().any(|(item, _)| item == target));
        }
        means_s.push(each_ms.iter().sum::<f64>() / 1e3 / each_ms.len().max(1) as f64);
    }
    let hit_rate = hits as f64 / each_ms.len().max(1) as f64;
    let p99_ms = Spread::new(each_ms).p99();
    Ok(json!({ "seconds": means_s, "p99_ms": p99_ms, "hit_rate": hit_rate, "queries": test.len() }))
}

fn sessions(ptr: &Path, items: &Path) -> anyhow::Result<Vec<Vec<u32>>> {
    let (ptr, items) = (u64s(ptr)?, u32s(items)?);
    let session = |w: &[u64]| items.get(w[0] as usize..w[1] as usize).map(<[_]>::to_vec);
    ptr.windows(2).map(|w| session(w).context("a session ends outside the file")).collect()
}
