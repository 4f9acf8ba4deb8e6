//! How far two divisions of the same users agree.

use std::collections::BTreeMap;

/// How many users stand in which pair of (before, now).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Pairs {
    counts: BTreeMap<(u32, u32), u64>,
    /// Users who are in one division only.
    pub came: u64,
    pub left: u64,
}

/// What became of the division of a run before.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Drift {
    /// Users in both.
    pub users: u64,
    /// Of those, the share whose segment is another now.
    pub changed: f64,
    /// The adjusted Rand index of the two divisions, 1 for the same.
    pub adjusted_rand: f64,
    pub came: u64,
    pub left: u64,
}

impl Pairs {
    pub fn add(&mut self, before: Option<u32>, now: Option<u32>) {
        match (before, now) {
            (Some(before), Some(now)) => *self.counts.entry((before, now)).or_default() += 1,
            (None, Some(_)) => self.came += 1,
            (Some(_), None) => self.left += 1,
            (None, None) => {}
        }
    }

    pub fn drift(&self) -> Drift {
        let users: u64 = self.counts.values().sum();
        let same: u64 = self.counts.iter().filter(|((a, b), _)| a == b).map(|(_, n)| n).sum();
        let changed = if users == 0 { 0.0 } else { (users - same) as f64 / users as f64 };
        let Self { came, left, .. } = *self;
        Drift { users, changed, adjusted_rand: self.adjusted_rand(), came, left }
    }

    /// Hubert & Arabie, *Comparing partitions*, 1985: 1 if the divisions are the same, about 0 if they have nothing to do with each
    /// other. 1 as well where neither divides anything.
    pub fn adjusted_rand(&self) -> f64 {
        let two = |n: u64| n as f64 * (n as f64 - 1.0) / 2.0;
        let (mut before, mut now) = (BTreeMap::<u32, u64>::new(), BTreeMap::<u32, u64>::new());
        for ((a, b), n) in &self.counts {
            *before.entry(*a).or_default() += n;
            *now.entry(*b).or_default() += n;
        }
        let together: f64 = self.counts.values().map(|n| two(*n)).sum();
        let (a, b) =
            (before.values().map(|n| two(*n)).sum::<f64>(), now.values().map(|n| two(*n)).sum::<f64>());
        let all = two(self.counts.values().sum());
        let expected = if 0.0 < all { a * b / all } else { 0.0 };
        let most = (a + b) / 2.0;
        if most == expected { 1.0 } else { (together - expected) / (most - expected) }
    }
}

/// The adjusted Rand index of two divisions of the same users.
///
/// ```
/// use shoptide_models::segments::adjusted_rand;
/// assert_eq!(adjusted_rand([(0, 5), (0, 5), (1, 3), (1, 3)]), 1.0);
/// assert!(adjusted_rand([(0, 0), (0, 1), (1, 0), (1, 1)]) < 0.0);
/// ```
pub fn adjusted_rand(pairs: impl IntoIterator<Item = (u32, u32)>) -> f64 {
    let mut all = Pairs::default();
    pairs.into_iter().for_each(|(a, b)| all.add(Some(a), Some(b)));
    all.adjusted_rand()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn agrees_with_a_published_example() {
        // scikit-learn's documentation: adjusted_rand_score([0, 0, 1, 2], [0, 0, 1, 1]) is 0.57.
        let got = adjusted_rand([(0, 0), (0, 0), (1, 1), (2, 1)]);
        assert!((got - 0.571_428_571).abs() < 1e-6, "{got}");
        assert_eq!((adjusted_rand([]), adjusted_rand([(3, 4)])), (1.0, 1.0));
    }

    #[test]
    fn drift_counts_who_changed_came_and_left() {
        let mut pairs = Pairs::default();
        for (before, now) in [
            (Some(0), Some(0)),
            (Some(0), Some(1)),
            (Some(1), Some(1)),
            (Some(1), Some(1)),
            (None, Some(0)),
            (Some(0), None),
            (None, None),
        ] {
            pairs.add(before, now);
        }
        let drift = pairs.drift();
        assert_eq!((drift.users, drift.changed, drift.came, drift.left), (4, 0.25, 1, 1));
        assert!(0.0 <= drift.adjusted_rand && drift.adjusted_rand < 1.0);
    }
}
