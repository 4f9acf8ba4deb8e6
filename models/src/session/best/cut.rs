//! The most recent sessions, set aside in blocks: each is asked of models that know only what came before it, as the
//! sessions of tomorrow will be.

use std::ops::Range;

use crate::evaluate::Query;
use crate::sessions::{Sessions, SessionsError};

/// Blocks at the most. Each costs a fit of all models.
const BLOCKS_MAX: usize = 6;
/// Of all sessions, at most this share is set aside.
const SHARE_MAX: f64 = 0.3;

/// How sessions are divided.
#[derive(Debug)]
pub struct Cut<'a> {
    sessions: &'a Sessions,
    /// Sessions that are not empty, in the order of their ends.
    order: Vec<usize>,
    /// Places in `order`, the latest block first.
    blocks: Vec<Range<usize>>,
    /// Fewest clicks that are known when a session is asked: sets without short sessions do not ask for their middles.
    known_min: usize,
    queries_max: usize,
}

impl<'a> Cut<'a> {
    /// Sets blocks of `share` of the sessions aside, as many as give `queries_max` queries.
    pub fn new(sessions: &'a Sessions, share: f64, queries_max: usize) -> Self {
        let mut order: Vec<usize> = (0..sessions.len()).filter(|&s| !sessions.items(s).is_empty()).collect();
        order.sort_by_key(|&session| sessions.ended_s(session));
        let clicks = order.iter().map(|&session| sessions.items(session).len()).filter(|&n| 2 <= n);
        let known_min = clicks.min().unwrap_or(2) - 1;
        let mut cut = Self { sessions, order, blocks: vec![], known_min, queries_max };
        let each = ((cut.order.len() as f64 * share).ceil() as usize).max(1);
        let keep = (cut.order.len() as f64 * (1.0 - SHARE_MAX)) as usize;
        let (mut to, mut found) = (cut.order.len(), 0);
        while found < queries_max && cut.blocks.len() < BLOCKS_MAX {
            let from = to.saturating_sub(each);
            if from == 0 || (!cut.blocks.is_empty() && from < keep) {
                break;
            }
            cut.blocks.push(from..to);
            found += cut.queries(cut.blocks.len() - 1).len();
            to = from;
        }
        cut
    }

    /// Blocks; 0 is the latest.
    pub fn blocks(&self) -> usize {
        self.blocks.len()
    }

    /// What was clicked before a block.
    ///
    /// # Errors
    /// None that sessions which were taken once could give.
    pub fn before(&self, block: usize) -> Result<Sessions, SessionsError> {
        let to = self.blocks.get(block).map_or(0, |block| block.start);
        let rows =
            self.order[..to].iter().map(|&s| (self.sessions.items(s).to_vec(), self.sessions.ended_s(s)));
        Sessions::new(self.sessions.n_items(), rows)
    }

    /// Every next click of a block's sessions, in the order of the sessions; of too many, the latest.
    pub fn queries(&self, block: usize) -> Vec<Query<'a>> {
        let Some(block) = self.blocks.get(block) else { return vec![] };
        let mut found: Vec<Query<'a>> = self.order[block.clone()]
            .iter()
            .flat_map(|&session| {
                let items = self.sessions.items(session);
                (self.known_min..items.len()).map(|at| Query { known: &items[..at], target: items[at] })
            })
            .collect();
        found.drain(..found.len().saturating_sub(self.queries_max));
        found
    }
}
