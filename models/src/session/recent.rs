//! What is clicked everywhere: the baseline of next items, and what is known of an item without any session.

use crate::model::{NextItem, Scored};
use crate::params::{BadParam, check};
use crate::sessions::Sessions;
use crate::tune::{Dimension, Point, Range, Tunable};

/// Items that the baseline lists: no list is longer, and a query does not walk the catalogue.
const LISTED_MAX: usize = 1000;

/// Checked parameters of [`RecentItems::fit`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RecentParams {
    recency: f32,
}

impl RecentParams {
    /// - `recency`: a click of age `a` (0 to 1, share of the time of all sessions) counts `exp(-a / recency)`,
    ///   0.0001 to 1000
    ///
    /// # Errors
    /// [`BadParam`] if it is out of bounds.
    pub fn new(recency: f64) -> Result<Self, BadParam> {
        let ok = (0.0001..=1000.0).contains(&recency);
        Ok(Self { recency: check("recent_items.recency", recency, ok, "0.0001 to 1000")? as f32 })
    }
}

impl Default for RecentParams {
    fn default() -> Self {
        Self { recency: 0.1 }
    }
}

impl Tunable for RecentParams {
    const SPACE: &'static [Dimension] = &[Dimension { name: "recency", range: Range::Log(0.001, 10.0) }];

    fn at(point: &Point) -> Result<Self, BadParam> {
        point.get("recency").map_or(Ok(Self::default()), |&recency| Self::new(recency))
    }
}

/// Items by decayed clicks; what is asked of it does not matter.
///
/// ```
/// use shoptide_models::session::recent::{RecentItems, RecentParams};
/// use shoptide_models::{model::NextItem, sessions::Sessions};
/// let sessions = Sessions::new(3, [(vec![0, 1], 1), (vec![1], 2)]).unwrap();
/// let mut out = vec![];
/// RecentItems::fit(&sessions, RecentParams::default()).score(&[2], &mut out);
/// assert_eq!(out.iter().map(|x| x.0).collect::<Vec<_>>(), [1, 0]);
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct RecentItems {
    clicks: Vec<f32>,
    top: Scored,
}

impl RecentItems {
    /// Counts the decayed clicks of all sessions, in time of the clicks.
    pub fn fit(sessions: &Sessions, params: RecentParams) -> Self {
        let mut clicks = vec![0f32; sessions.n_items()];
        for (session, age) in super::pairs::ages(sessions).iter().enumerate() {
            for &item in sessions.items(session) {
                clicks[item as usize] += (-age / params.recency).exp();
            }
        }
        let clicked = (0..).zip(clicks.iter().copied()).filter(|x| 0.0 < x.1).collect();
        Self { top: crate::model::best(clicked, &[], LISTED_MAX), clicks }
    }

    /// Decayed clicks of an item; 0 for one that is unknown.
    pub fn clicks(&self, item: u32) -> f32 {
        self.clicks.get(item as usize).copied().unwrap_or(0.0)
    }

    /// The most clicked items, best first, with their clicks.
    pub fn top(&self) -> &[(u32, f32)] {
        &self.top
    }
}

impl NextItem for RecentItems {
    fn score(&self, _session: &[u32], out: &mut Scored) {
        out.clear();
        out.extend_from_slice(&self.top);
    }
}
