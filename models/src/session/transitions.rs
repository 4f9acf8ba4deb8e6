//! What is clicked after what: a graph of items from pairs within sessions, walked one or two steps.
//!
//! Sequential rules with decays (Ludewig & Jannach, *Evaluation of session-based recommendation algorithms*, UMUAI 2018)
//! and, by the second step, what never met in one session (Choi et al., *S-Walk*, WSDM 2022, cut off after two steps).

use std::cell::RefCell;

use super::pairs::Rows;
use super::tally::Tally;
use crate::model::{NextItem, Scored};
use crate::params::{BadParam, check};
use crate::sessions::Sessions;
use crate::tune::{Dimension, Point, Range, Tunable};

/// Distinct items of the current session that are asked, the latest first.
const SESSION_ITEMS_MAX: usize = 12;
/// Items after the first step from which the second is taken, best first.
const SECOND_STEP_FROM: usize = 30;
/// Items that one query can score: `SESSION_ITEMS_MAX` or `SECOND_STEP_FROM` rows of at most 1000.
const ITEMS_MAX: usize = 42_000;

/// Checked parameters of [`Transitions::fit`]: the default, or [`Tunable::at`] a point. By name:
///
/// - `kept`: strongest successors kept of an item, 1 to 1000
/// - `near`: clicks; a pair `d` clicks apart counts `exp(-(d - 1) / near)`, 0.05 to 1000
/// - `before`: what the way back (from the later to the earlier) counts, 0 to 1
/// - `recency`: a session of age `a` (0 to 1, share of the time of all sessions) counts `exp(-a / recency)`, 0.001 to 1000
/// - `position`: clicks; the successors of an item `d` clicks before the current one count `exp(-d / position)`,
///   0.05 to 1000
/// - `share`: an item's successors are divided by their sum to this power, 0 to 1
/// - `second`: what the second step counts, 0 (none is taken) to 10
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TransitionParams {
    kept: usize,
    near: f32,
    before: f32,
    recency: f32,
    position: f32,
    share: f32,
    second: f32,
}

impl Default for TransitionParams {
    fn default() -> Self {
        Self { kept: 200, near: 2.0, before: 0.5, recency: 0.5, position: 1.0, share: 0.8, second: 0.2 }
    }
}

impl Tunable for TransitionParams {
    const SPACE: &'static [Dimension] = &[
        Dimension { name: "near", range: Range::Log(0.3, 10.0) },
        Dimension { name: "before", range: Range::Linear(0.0, 1.0) },
        Dimension { name: "recency", range: Range::Log(0.02, 10.0) },
        Dimension { name: "position", range: Range::Log(0.2, 10.0) },
        Dimension { name: "share", range: Range::Linear(0.0, 1.0) },
        Dimension { name: "second", range: Range::Log(0.03, 5.0) },
    ];

    fn at(point: &Point) -> Result<Self, BadParam> {
        let default = Self::default();
        let value = |name: &str, default: f32| point.get(name).copied().unwrap_or(f64::from(default));
        let within = |key, name: &str, default: f32, from: f64, to: f64, expected| {
            let found = value(name, default);
            check(key, found, (from..=to).contains(&found), expected).map(|x| x as f32)
        };
        let (places, unit) = ("0.05 to 1000", "0 to 1");
        let kept = within("transitions.kept", "kept", default.kept as f32, 1.0, 1000.0, "1 to 1000")?;
        let recency = ("transitions.recency", "recency", default.recency);
        Ok(Self {
            kept: kept as usize,
            near: within("transitions.near", "near", default.near, 0.05, 1000.0, places)?,
            before: within("transitions.before", "before", default.before, 0.0, 1.0, unit)?,
            recency: within(recency.0, recency.1, recency.2, 0.001, 1000.0, "0.001 to 1000")?,
            position: within("transitions.position", "position", default.position, 0.05, 1000.0, places)?,
            share: within("transitions.share", "share", default.share, 0.0, 1.0, unit)?,
            second: within("transitions.second", "second", default.second, 0.0, 10.0, "0 to 10")?,
        })
    }
}

/// Each item's successors with their weights.
#[derive(Debug, Clone, PartialEq)]
pub struct Transitions {
    params: TransitionParams,
    rows: Rows,
}

thread_local! {
    static SCRATCH: RefCell<(Tally, Scored)> = RefCell::new((Tally::new(ITEMS_MAX), vec![]));
}

impl Transitions {
    /// Counts the pairs of all sessions. Cost: clicks times the window of pairs, about a second for a million clicks.
    pub fn fit(sessions: &Sessions, params: TransitionParams) -> Self {
        let weigh = |distance: usize, _| match distance {
            0 => (0.0, 0.0),
            d => {
                let near = (-(d as f32 - 1.0) / params.near).exp();
                (near, near * params.before)
            }
        };
        Self { params, rows: Rows::count(sessions, params.recency, params.kept, &weigh) }
    }

    /// Share of `to` among the successors of `from`, 0 to 1.
    pub fn share(&self, from: u32, to: u32) -> f32 {
        let (items, weights, sum) = self.rows.row(from);
        items.binary_search(&to).map_or(0.0, |place| weights[place] / sum)
    }

    fn step(&self, from: u32, weight: f32, tally: &mut Tally) {
        let (items, weights, sum) = self.rows.row(from);
        let weight = weight / sum.max(f32::MIN_POSITIVE).powf(self.params.share);
        for (&item, w) in items.iter().zip(weights) {
            tally.add(item, weight * w, 0);
        }
    }
}

impl NextItem for Transitions {
    fn score(&self, session: &[u32], out: &mut Scored) {
        out.clear();
        SCRATCH.with_borrow_mut(|(tally, first)| {
            tally.clear();
            let mut asked = 0;
            for (distance, &item) in session.iter().rev().enumerate() {
                if session[session.len() - distance..].contains(&item) {
                    continue;
                }
                self.step(item, (-(distance as f32) / self.params.position).exp(), tally);
                asked += 1;
                if asked == SESSION_ITEMS_MAX {
                    break;
                }
            }
            if 0.0 < self.params.second {
                first.clear();
                first.extend(tally.iter().map(|(item, entry)| (item, entry.sum)));
                if SECOND_STEP_FROM < first.len() {
                    first.select_nth_unstable_by(SECOND_STEP_FROM - 1, |a, b| {
                        b.1.total_cmp(&a.1).then(a.0.cmp(&b.0))
                    });
                    first.truncate(SECOND_STEP_FROM);
                }
                first.sort_unstable_by_key(|x| x.0);
                for &(item, weight) in first.iter() {
                    self.step(item, weight * self.params.second, tally);
                }
            }
            out.extend(tally.iter().map(|(item, entry)| (item, entry.sum)));
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::best;

    fn fitted(second: f64, sessions: &[&[u32]]) -> Transitions {
        let sessions = sessions.iter().enumerate().map(|(at, s)| (s.to_vec(), at as i64));
        let point = Point::from([("second".into(), second), ("recency".into(), 1000.0)]);
        Transitions::fit(&Sessions::new(9, sessions).unwrap(), TransitionParams::at(&point).unwrap())
    }

    fn top(model: &Transitions, session: &[u32]) -> Vec<u32> {
        let mut out = vec![];
        model.score(session, &mut out);
        best(out, &[], 9).iter().map(|x| x.0).collect()
    }

    #[test]
    fn what_followed_most_often_is_first_and_the_way_back_counts_less() {
        let model = fitted(0.0, &[&[0, 1], &[0, 1], &[0, 2], &[3, 0]]);
        assert_eq!(top(&model, &[0]), [1, 2, 3]);
        assert!((model.share(0, 1) - 2.0 / 3.5).abs() < 1e-3);
    }

    #[test]
    fn the_second_step_reaches_what_never_met() {
        let sessions: &[&[u32]] = &[&[0, 1], &[1, 2]];
        assert!(!top(&fitted(0.0, sessions), &[0]).contains(&2));
        assert!(top(&fitted(0.5, sessions), &[0]).contains(&2));
    }

    #[test]
    fn nothing_known_gives_nothing() {
        for (sessions, asked) in [
            (&[][..], &[0][..]),
            (&[&[][..]], &[0]),
            (&[&[5]], &[5]),
            (&[&[0, 1]], &[]),
            (&[&[0, 1]], &[77, u32::MAX]),
        ] {
            assert_eq!(top(&fitted(0.3, sessions), asked), [0; 0]);
        }
        for (name, value) in [("near", 0.0), ("before", -1.0), ("kept", f64::NAN), ("second", f64::INFINITY)]
        {
            assert!(TransitionParams::at(&Point::from([(name.into(), value)])).is_err(), "{name}");
        }
    }
}
