//! Boosted trees over what all session models say of a candidate: the strongest of the blends, and the slowest to ask.

use super::sources::Sources;
use crate::evaluate::Query;
use crate::model::{NextItem, Scored};
use crate::trees::{Asked, Candidates, Trees};
use rayon::prelude::*;

/// Candidates of [`Sources`], ordered by [`Trees`].
#[derive(Debug, Clone)]
pub struct SessionRanker {
    sources: Sources,
    trees: Trees,
}

/// Rows of features for training: the candidates of each query whose next item is among them.
pub fn candidates(sources: &Sources, queries: &[Query<'_>]) -> Candidates {
    let asked: Vec<_> = queries
        .par_iter()
        .map(|query| {
            let (mut items, mut features) = (vec![], vec![]);
            sources.ask(query.known, &mut items, &mut features);
            match items.binary_search(&query.target) {
                Ok(right) => (features, Some(Asked { rows: items.len(), right: vec![right] })),
                Err(_) => (vec![], None),
            }
        })
        .collect();
    let mut data = Candidates { width: Sources::WIDTH, ..Candidates::default() };
    for (features, query) in asked {
        data.features.extend(features);
        data.queries.extend(query);
    }
    data
}

impl SessionRanker {
    /// Puts trees that were trained on some sources onto sources fitted to newer sessions.
    pub fn new(sources: Sources, trees: Trees) -> Self {
        Self { sources, trees }
    }
}

impl NextItem for SessionRanker {
    fn score(&self, session: &[u32], out: &mut Scored) {
        out.clear();
        if session.is_empty() {
            return;
        }
        let (mut items, mut features) = (vec![], vec![]);
        self.sources.ask(session, &mut items, &mut features);
        out.extend(
            items
                .iter()
                .zip(features.chunks_exact(Sources::WIDTH))
                .map(|(&item, row)| (item, self.trees.score(row))),
        );
    }
}
