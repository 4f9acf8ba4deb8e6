//! Who rated what how: checked once, so that what learns from it has nothing left to check.

use crate::model::Rated;

/// Ratings further from 0 than this are refused: sums of their squares would lose all precision.
const VALUE_MAX: f32 = 1e6;

/// Steps of a stream's scale that count as one: four make its width, so a five-star scale is close to unit variance.
const UNITS_PER_SCALE: f32 = 4.0;

/// Lowest and highest rating that can be given.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Scale {
    low: f32,
    high: f32,
}

impl Scale {
    /// # Errors
    /// [`RatingsError::Scale`] unless both are at most a million from 0 and `low <= high`.
    pub fn new(low: f32, high: f32) -> Result<Self, RatingsError> {
        if low <= high && low.abs() <= VALUE_MAX && high.abs() <= VALUE_MAX {
            Ok(Self { low, high })
        } else {
            Err(RatingsError::Scale { low, high })
        }
    }

    pub fn low(&self) -> f32 {
        self.low
    }

    pub fn high(&self) -> f32 {
        self.high
    }

    pub(crate) fn clamp(&self, value: f32) -> f32 {
        value.clamp(self.low, self.high)
    }

    /// What counts as one inside the models, so that rates and penalties mean the same on any scale.
    pub(crate) fn unit(&self) -> f32 {
        let unit = (self.high - self.low) / UNITS_PER_SCALE;
        if unit.is_normal() { unit } else { 1.0 }
    }
}

/// Ratings by user and by item, `(n_users, n_items)`. A pair given twice counts by its last value.
#[derive(Debug, Clone, PartialEq)]
pub struct Ratings {
    pub(crate) by_user: Rows,
    pub(crate) by_item: Rows,
    mean: f32,
    scale: Scale,
}

/// Compressed rows of `(index on the other side, value)`, indices ascending.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Rows {
    ptr: Vec<usize>,
    pub other: Vec<u32>,
    pub values: Vec<f32>,
}

impl Rows {
    /// From entries `(row, other, value)` sorted by row, then other.
    fn new(n: usize, sorted: impl Iterator<Item = (u32, u32, f32)>) -> Self {
        let mut rows = Self { ptr: vec![0; n + 1], other: vec![], values: vec![] };
        for (row, other, value) in sorted {
            rows.ptr[row as usize + 1] += 1;
            rows.other.push(other);
            rows.values.push(value);
        }
        for row in 0..n {
            rows.ptr[row + 1] += rows.ptr[row];
        }
        rows
    }

    /// Rows.
    pub fn n(&self) -> usize {
        self.ptr.len() - 1
    }

    /// Number of entries of a row.
    pub fn count(&self, row: usize) -> usize {
        self.ptr[row + 1] - self.ptr[row]
    }

    /// Where a row's entries begin.
    pub fn start(&self, row: usize) -> usize {
        self.ptr[row]
    }

    pub fn others(&self, row: usize) -> &[u32] {
        &self.other[self.ptr[row]..self.ptr[row + 1]]
    }

    pub fn values(&self, row: usize) -> &[f32] {
        &self.values[self.ptr[row]..self.ptr[row + 1]]
    }
}

/// Why ratings were refused. The caller's data is wrong: nothing to retry.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum RatingsError {
    #[error("rating {index} is of user {user}, expected below {n_users}")]
    UserRange { index: usize, user: u32, n_users: usize },
    #[error("rating {index} is of item {item}, expected below {n_items}")]
    ItemRange { index: usize, item: u32, n_items: usize },
    #[error("rating {index} is {value}, expected a number of at most a million, plus or minus")]
    Value { index: usize, value: f32 },
    #[error("{n} {what}, expected at most 4294967295")]
    TooMany { what: &'static str, n: usize },
    #[error("the scale is from {low} to {high}, expected low <= high, each at most a million from 0")]
    Scale { low: f32, high: f32 },
}

impl Ratings {
    /// Takes ratings in any order; of a pair that is there twice, the later in the list counts. The scale is from the
    /// lowest to the highest value. None at all is allowed: everything is predicted to be 0 then.
    ///
    /// # Errors
    /// [`RatingsError`] on the first that is out of range or no number.
    ///
    /// ```
    /// use shoptide_models::{model::Rated, ratings::Ratings};
    /// let rated = |user, item, value| Rated { user, item, value, at_s: 0 };
    /// let r = Ratings::new(2, 2, [rated(0, 1, 2.0), rated(1, 0, 4.0), rated(0, 1, 3.0)]).unwrap();
    /// assert_eq!((r.len(), r.mean(), r.scale().low()), (2, 3.5, 3.0));
    /// assert!(Ratings::new(2, 2, [rated(0, 0, f32::NAN)]).is_err());
    /// ```
    pub fn new(
        n_users: usize,
        n_items: usize,
        ratings: impl IntoIterator<Item = Rated>,
    ) -> Result<Self, RatingsError> {
        for (what, n) in [("users", n_users), ("items", n_items)] {
            if u32::try_from(n).is_err() {
                return Err(RatingsError::TooMany { what, n });
            }
        }
        let mut entries = Vec::new();
        for (index, Rated { user, item, value, .. }) in ratings.into_iter().enumerate() {
            if n_users <= user as usize {
                return Err(RatingsError::UserRange { index, user, n_users });
            }
            if n_items <= item as usize {
                return Err(RatingsError::ItemRange { index, item, n_items });
            }
            if !(-VALUE_MAX..=VALUE_MAX).contains(&value) {
                return Err(RatingsError::Value { index, value });
            }
            let place =
                u32::try_from(index).map_err(|_| RatingsError::TooMany { what: "ratings", n: index })?;
            entries.push((user, item, u32::MAX - place, value));
        }
        Ok(Self::of_checked(n_users, n_items, entries))
    }

    /// A part of these ratings: nothing to check again.
    pub(super) fn only(&self, ratings: impl Iterator<Item = Rated>) -> Self {
        let entries = ratings.zip(0u32..).map(|(r, place)| (r.user, r.item, u32::MAX - place, r.value));
        Self::of_checked(self.n_users(), self.n_items(), entries.collect())
    }

    fn of_checked(n_users: usize, n_items: usize, mut entries: Vec<(u32, u32, u32, f32)>) -> Self {
        // The last of a pair comes first and is the one that stays.
        entries.sort_unstable_by_key(|&(user, item, place, _)| (user, item, place));
        entries.dedup_by_key(|&mut (user, item, ..)| (user, item));
        let sum: f64 = entries.iter().map(|entry| f64::from(entry.3)).sum();
        let mean = (sum / entries.len().max(1) as f64) as f32;
        let scale = Scale {
            low: entries.iter().map(|entry| entry.3).reduce(f32::min).unwrap_or(0.0),
            high: entries.iter().map(|entry| entry.3).reduce(f32::max).unwrap_or(0.0),
        };
        let by_user = Rows::new(n_users, entries.iter().map(|&(user, item, _, value)| (user, item, value)));
        entries.sort_unstable_by_key(|&(user, item, ..)| (item, user));
        let by_item = Rows::new(n_items, entries.iter().map(|&(user, item, _, value)| (item, user, value)));
        Self { by_user, by_item, mean, scale }
    }

    pub fn n_users(&self) -> usize {
        self.by_user.n()
    }

    pub fn n_items(&self) -> usize {
        self.by_item.n()
    }

    /// Number of rated pairs.
    pub fn len(&self) -> usize {
        self.by_user.other.len()
    }

    pub fn is_empty(&self) -> bool {
        self.by_user.other.is_empty()
    }

    /// Mean of the ratings; 0 without any.
    pub fn mean(&self) -> f32 {
        self.mean
    }

    pub fn scale(&self) -> Scale {
        self.scale
    }

    /// Items that a user rated, ascending, and how; both empty for a user who does not exist.
    pub fn of_user(&self, user: usize) -> (&[u32], &[f32]) {
        if user < self.n_users() {
            (self.by_user.others(user), self.by_user.values(user))
        } else {
            (&[], &[])
        }
    }

    /// Every pair, by user, then item.
    pub fn iter(&self) -> impl Iterator<Item = Rated> + '_ {
        (0..self.n_users()).flat_map(move |user| {
            let (items, values) = self.of_user(user);
            let rated = move |(&item, &value)| Rated { user: user as u32, item, value, at_s: 0 };
            items.iter().zip(values).map(rated)
        })
    }
}
