//! Several models as one: each source's scores are brought to a common scale, weighed and summed.
//!
//! The weights come from a search on a validation cut ([`crate::search`]), or from feedback ([`learn`]).

mod learn;

pub use learn::{LearnError, LearnParams, Shown, Window, learn};

use crate::model::{NextItem, RankItems, Scored, best};
use crate::params::{BadParam, check};

/// Items of each source that count: what is below has no say in a list of usual length, and sums stay short.
pub const DEPTH: usize = 500;
/// Places that soften the top of [`Scale::Place`]; the usual value of reciprocal rank fusion is 60, lists here are short.
const PLACE_OFFSET: f32 = 10.0;

/// How the scores of different sources become comparable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scale {
    /// Over the source's largest score in this answer; scores below 0 count 0.
    Largest,
    /// From 1 at the source's best to 0 at its last of [`DEPTH`]: for sources whose scores have no zero.
    Spread,
    /// `10 / (10 + place)`, places from 0: forgets the scores, keeps the order. After Cormack et al., *Reciprocal rank
    /// fusion*, SIGIR 2009.
    Place,
}

impl Scale {
    /// The best [`DEPTH`] of a source's scores, best first, on the common scale of 0 to 1.
    ///
    /// ```
    /// use shoptide_models::hybrid::Scale;
    /// let scored = vec![(7, 1.0), (8, 4.0), (9, -1.0)];
    /// assert_eq!(Scale::Largest.apply(scored.clone()), [(8, 1.0), (7, 0.25), (9, 0.0)]);
    /// assert_eq!(Scale::Spread.apply(scored.clone()), [(8, 1.0), (7, 0.4), (9, 0.0)]);
    /// assert_eq!(Scale::Place.apply(scored)[0], (8, 1.0));
    /// ```
    pub fn apply(self, mut scored: Scored) -> Scored {
        scored.retain(|entry| entry.1.is_finite());
        let mut scored = best(scored, &[], DEPTH);
        let (Some(first), Some(last)) = (scored.first().copied(), scored.last().copied()) else {
            return scored;
        };
        let (mut place, spread) = (0.0, first.1 - last.1);
        for (_, score) in &mut scored {
            *score = match self {
                Self::Largest if 0.0 < first.1 => (*score / first.1).max(0.0),
                Self::Largest => 0.0,
                Self::Spread if 0.0 < spread => (*score - last.1) / spread,
                Self::Spread => 1.0,
                Self::Place => PLACE_OFFSET / (PLACE_OFFSET + place),
            };
            place += 1.0;
        }
        scored
    }
}

/// Checked weights, one a source.
#[derive(Debug, Clone, PartialEq)]
pub struct Weights(Vec<f32>);

impl Weights {
    /// Each 0 to 1000, not all 0.
    ///
    /// # Errors
    /// [`BadParam`] otherwise.
    pub fn new(weights: &[f64]) -> Result<Self, BadParam> {
        for &weight in weights {
            check("hybrid.weight", weight, (0.0..=1000.0).contains(&weight), "0 to 1000")?;
        }
        let some = weights.iter().any(|weight| 0.0 < *weight as f32);
        check("hybrid.weights", "all 0", some, "at least one weight above 0")?;
        Ok(Self(weights.iter().map(|weight| *weight as f32).collect()))
    }

    /// What feedback taught, as weights: a source that speaks against its own lists is left out.
    ///
    /// # Errors
    /// [`BadParam`] if that leaves none.
    pub fn learned(weights: &[f64]) -> Result<Self, BadParam> {
        Self::new(&weights.iter().map(|weight| weight.clamp(0.0, 1000.0)).collect::<Vec<_>>())
    }

    pub fn get(&self) -> &[f32] {
        &self.0
    }

    /// `Σ weight · score` by item, items ascending, over sources on a common scale; sources beyond the weights count 0.
    pub fn sum<'a>(&self, sources: impl IntoIterator<Item = &'a [(u32, f32)]>, out: &mut Scored) {
        out.clear();
        for (weight, source) in self.0.iter().zip(sources) {
            if 0.0 < *weight {
                out.extend(source.iter().map(|(item, score)| (*item, weight * score)));
            }
        }
        // Stable: an item's shares are summed in the order of the sources.
        out.sort_by_key(|entry| entry.0);
        out.dedup_by(|next, kept| {
            let same = next.0 == kept.0;
            if same {
                kept.1 += next.1;
            }
            same
        });
    }
}

/// A weighted blend of models.
pub struct Blend<M: ?Sized> {
    weights: Weights,
    scale: Scale,
    sources: Vec<Box<M>>,
}

impl<M: ?Sized> Blend<M> {
    /// Sources beyond the weights are not asked, weights beyond the sources do nothing.
    pub fn new(weights: Weights, scale: Scale, sources: Vec<Box<M>>) -> Self {
        Self { weights, scale, sources }
    }

    fn sum(&self, ask: &mut dyn FnMut(&M) -> Scored, out: &mut Scored) {
        let sources = self.weights.0.iter().zip(&self.sources);
        let answers: Vec<Scored> =
            sources.map(|(w, m)| if 0.0 < *w { self.scale.apply(ask(m)) } else { vec![] }).collect();
        self.weights.sum(answers.iter().map(Vec::as_slice), out);
    }
}

impl NextItem for Blend<dyn NextItem> {
    fn score(&self, session: &[u32], out: &mut Scored) {
        let mut ask = |model: &(dyn NextItem + 'static)| {
            let mut scored = Scored::new();
            model.score(session, &mut scored);
            scored
        };
        self.sum(&mut ask, out);
    }
}

impl RankItems for Blend<dyn RankItems> {
    fn top(&self, user: u32, skip: &[u32], k: usize) -> Scored {
        let mut summed = Scored::new();
        self.sum(&mut |model| model.top(user, skip, k.max(DEPTH)), &mut summed);
        best(summed, skip, k)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Fixed(Scored);

    impl NextItem for Fixed {
        fn score(&self, _: &[u32], out: &mut Scored) {
            out.clone_from(&self.0);
        }
    }

    impl RankItems for Fixed {
        fn top(&self, _: u32, skip: &[u32], k: usize) -> Scored {
            best(self.0.clone(), skip, k)
        }
    }

    #[test]
    fn by_hand() {
        let (a, b) = (vec![(1, 10.0), (2, 5.0)], vec![(2, 0.2), (3, 0.1)]);
        let weights = Weights::new(&[1.0, 2.0]).unwrap();
        let both: Vec<Box<dyn NextItem>> = vec![Box::new(Fixed(a.clone())), Box::new(Fixed(b.clone()))];
        let mut out = vec![(9, 9.0)];
        Blend::new(weights.clone(), Scale::Largest, both).score(&[], &mut out);
        assert_eq!(out, [(1, 1.0), (2, 2.5), (3, 1.0)]);
        let both: Vec<Box<dyn RankItems>> = vec![Box::new(Fixed(a)), Box::new(Fixed(b))];
        let blend = Blend::new(weights, Scale::Largest, both);
        assert_eq!(blend.top(0, &[], 2), [(2, 2.5), (1, 1.0)]);
        assert_eq!(blend.top(0, &[2], 9), [(3, 2.0), (1, 1.0)]);
        assert_eq!(blend.top(0, &[], 0), []);
    }

    #[test]
    fn odd_sources_do_no_harm() {
        let odd = vec![(1, f32::NAN), (2, f32::INFINITY), (3, -1.0), (4, -1.0)];
        for scale in [Scale::Largest, Scale::Spread, Scale::Place] {
            let scaled = scale.apply(odd.clone());
            assert!(scaled.len() == 2 && scaled.iter().all(|(_, s)| (0.0..=1.0).contains(s)), "{scaled:?}");
            assert_eq!(scale.apply(vec![]), []);
            let many = (0..2000).map(|item| (item, item as f32)).collect();
            assert_eq!(scale.apply(many).len(), DEPTH);
        }
    }

    #[test]
    fn weights_are_checked() {
        let message = |weights: &[f64]| Weights::new(weights).unwrap_err().to_string();
        assert_eq!(message(&[0.0, 0.0]), "hybrid.weights is all 0, expected at least one weight above 0");
        assert_eq!(message(&[]), message(&[1e-60]));
        assert_eq!(message(&[f64::NAN]), "hybrid.weight is NaN, expected 0 to 1000");
        assert!(Weights::new(&[-1.0, 1.0]).is_err());
        assert_eq!(Weights::learned(&[-1.0, 2.0]).unwrap().get(), [0.0, 2.0]);
        assert!(Weights::learned(&[-1.0]).is_err());
    }
}
