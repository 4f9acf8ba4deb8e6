//! Cosine, Jaccard and Pearson from the sums over what two rows share.

/// A measure of how alike two rows (items or users) are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Similarity {
    /// `Σxy / (|x| |y|)`, norms over all entries of each row.
    #[default]
    Cosine,
    /// Shared entries over entries of either; strengths do not count.
    Jaccard,
    /// Correlation over the shared entries only: `(nΣxy - ΣxΣy) / √((nΣx² - (Σx)²)(nΣy² - (Σy)²))`. Two rows that share
    /// fewer than two entries, or one that is constant over the shared ones, have none (0).
    Pearson,
}

/// Sums over the entries that two rows share.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct PairSums {
    /// Shared entries (or what decay has left of them).
    pub n: f64,
    pub x: f64,
    pub y: f64,
    pub xx: f64,
    pub yy: f64,
    pub xy: f64,
}

/// Sums over all entries of one row.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Side {
    pub n: f64,
    pub squares: f64,
}

impl PairSums {
    /// Adds one shared entry.
    pub fn add(&mut self, x: f64, y: f64, weight: f64) {
        self.n += weight;
        self.x += weight * x;
        self.y += weight * y;
        self.xx += weight * x * x;
        self.yy += weight * y * y;
        self.xy += weight * x * y;
    }

    /// Lets all that has been added count `factor` as much.
    pub fn fade(&mut self, factor: f64) {
        for sum in [&mut self.n, &mut self.x, &mut self.y, &mut self.xx, &mut self.yy, &mut self.xy] {
            *sum *= factor;
        }
    }
}

impl Side {
    /// Adds one entry.
    pub fn add(&mut self, x: f64, weight: f64) {
        self.n += weight;
        self.squares += weight * x * x;
    }

    /// Lets all that has been added count `factor` as much.
    pub fn fade(&mut self, factor: f64) {
        self.n *= factor;
        self.squares *= factor;
    }
}

/// A variance below this part of `nΣx²` is rounding, not variance.
const VARIANCE_MIN: f64 = 1e-9;

impl Similarity {
    /// The similarity of two rows, times `n / (n + shrinkage)` with `n` the shared entries. Finite, -1 to 1; 0 where the
    /// formula has no value.
    ///
    /// ```
    /// use shoptide_models::collab::{PairSums, Side, Similarity};
    /// let (mut pair, mut a, mut b) = (PairSums::default(), Side::default(), Side::default());
    /// for (x, y) in [(1.0, 2.0), (2.0, 4.0), (3.0, 7.0)] {
    ///     (pair.add(x, y, 1.0), a.add(x, 1.0), b.add(y, 1.0));
    /// }
    /// assert!((Similarity::Pearson.of(&pair, &a, &b, 0.0) - 15.0 / (6.0 * 38.0f64).sqrt()).abs() < 1e-12);
    /// assert_eq!(Similarity::Jaccard.of(&pair, &a, &b, 3.0), 0.5);
    /// ```
    pub fn of(self, pair: &PairSums, x: &Side, y: &Side, shrinkage: f64) -> f64 {
        let similarity = match self {
            Self::Cosine => pair.xy / (x.squares * y.squares).sqrt(),
            Self::Jaccard => pair.n / (x.n + y.n - pair.n),
            Self::Pearson => {
                let (vx, vy) = (pair.n * pair.xx - pair.x * pair.x, pair.n * pair.yy - pair.y * pair.y);
                let constant = vx <= VARIANCE_MIN * pair.n * pair.xx || vy <= VARIANCE_MIN * pair.n * pair.yy;
                if constant { 0.0 } else { (pair.n * pair.xy - pair.x * pair.y) / (vx * vy).sqrt() }
            }
        };
        let trust = pair.n / (pair.n + shrinkage);
        if similarity.is_finite() && trust.is_finite() { (similarity * trust).clamp(-1.0, 1.0) } else { 0.0 }
    }
}
