//! Who preferred what, and how strongly: a sparse matrix in compressed rows.
//!
//! Everything that learns reads this one type. It is checked when made (columns in range and unique, strengths
//! finite and not negative), so the numeric code has nothing left to check.

use std::borrow::Cow;

/// Sparse `(n_rows, n_cols)` matrix of strengths `s > 0` (unitless), usually users x items.
///
/// A strength of zero is the same as an absent entry and is not stored. Each entry remembers its place in the list it came
/// in, which is how [`crate::item_item`] knows what a user turned to shortly before or after.
#[derive(Debug, Clone, PartialEq)]
pub struct Interactions {
    n_rows: usize,
    n_cols: usize,
    row_ptr: Vec<usize>,
    cols: Vec<u32>,
    vals: Vec<f32>,
    places: Vec<u32>,
}

/// An entry on its way into a matrix: column, strength, place in its history.
type Entry = (u32, f32, u32);

/// Why rows were refused. The caller's data is wrong: nothing to retry.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum MatrixError {
    #[error("row {row} has column {col}, expected below {n_cols}")]
    ColumnRange { row: usize, col: u32, n_cols: usize },
    #[error("row {row} has column {col} twice")]
    Duplicate { row: usize, col: u32 },
    #[error("row {row}, column {col} has strength {strength}, expected a finite number, 0 or more")]
    Strength { row: usize, col: u32, strength: f32 },
    #[error("the matrix has {n_cols} columns, expected at most 4294967295")]
    TooManyColumns { n_cols: usize },
}

impl Interactions {
    /// Builds the matrix from its rows, each a list of `(column, strength)`: oldest first where their order in time is known
    /// and is to count, else in any order.
    ///
    /// # Errors
    /// [`MatrixError`] on the first entry that is out of range, repeated, negative or not finite.
    ///
    /// ```
    /// use shoptide_models::matrix::Interactions;
    /// let m = Interactions::from_rows(3, [vec![(2, 1.0), (0, 4.0)], vec![]]).unwrap();
    /// assert_eq!(m.row(0), (&[0, 2][..], &[4.0, 1.0][..]));
    /// assert!(Interactions::from_rows(3, [vec![(3, 1.0)]]).is_err());
    /// ```
    pub fn from_rows(
        n_cols: usize,
        rows: impl IntoIterator<Item = Vec<(u32, f32)>>,
    ) -> Result<Self, MatrixError> {
        if u32::try_from(n_cols).is_err() {
            return Err(MatrixError::TooManyColumns { n_cols });
        }
        let mut made = Self::empty(n_cols);
        for (row, entries) in rows.into_iter().enumerate() {
            let placed =
                entries.into_iter().zip(0u32..).map(|((col, strength), place)| (col, strength, place));
            let mut entries: Vec<Entry> = placed.collect();
            entries.sort_unstable_by_key(|&(col, ..)| col);
            let mut before = None;
            for &(col, strength, _) in &entries {
                if n_cols <= col as usize {
                    return Err(MatrixError::ColumnRange { row, col, n_cols });
                }
                if before == Some(col) {
                    return Err(MatrixError::Duplicate { row, col });
                }
                if !strength.is_finite() || strength < 0.0 {
                    return Err(MatrixError::Strength { row, col, strength });
                }
                before = Some(col);
            }
            made.push(entries.into_iter().filter(|&(_, strength, _)| 0.0 < strength));
        }
        Ok(made)
    }

    fn empty(n_cols: usize) -> Self {
        Self { n_rows: 0, n_cols, row_ptr: vec![0], cols: vec![], vals: vec![], places: vec![] }
    }

    /// Adds a row of good entries: ascending unique columns in range, strengths above 0.
    fn push(&mut self, entries: impl Iterator<Item = Entry>) {
        for (col, strength, place) in entries {
            self.cols.push(col);
            self.vals.push(strength);
            self.places.push(place);
        }
        self.n_rows += 1;
        self.row_ptr.push(self.cols.len());
    }

    /// The same rows cut to their `max` strongest entries, ties to the lower column.
    pub(crate) fn strongest(&self, max: usize) -> Cow<'_, Self> {
        if self.row_ptr.windows(2).all(|w| w[1] - w[0] <= max) {
            return Cow::Borrowed(self);
        }
        let mut made = Self::empty(self.n_cols);
        for row in 0..self.n_rows {
            let (cols, vals) = self.row(row);
            let mut entries: Vec<Entry> =
                cols.iter().zip(vals).zip(self.places(row)).map(|((c, v), p)| (*c, *v, *p)).collect();
            if max < entries.len() {
                entries.select_nth_unstable_by(max, |a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
                entries.truncate(max);
                entries.sort_unstable_by_key(|&(col, ..)| col);
            }
            made.push(entries.into_iter());
        }
        Cow::Owned(made)
    }

    /// Number of rows (users), empty ones included.
    pub fn n_rows(&self) -> usize {
        self.n_rows
    }

    /// Number of columns (items).
    pub fn n_cols(&self) -> usize {
        self.n_cols
    }

    /// Number of stored entries.
    pub fn nnz(&self) -> usize {
        self.cols.len()
    }

    /// Columns (ascending) and strengths of one row; both empty for a row that does not exist.
    #[inline]
    pub fn row(&self, row: usize) -> (&[u32], &[f32]) {
        if self.n_rows <= row {
            return (&[], &[]);
        }
        let range = self.row_ptr[row]..self.row_ptr[row + 1];
        (&self.cols[range.clone()], &self.vals[range])
    }

    /// The place of each entry of [`Interactions::row`] in the list it came in, 0 the first. A transposed matrix has the
    /// places of the original.
    pub fn places(&self, row: usize) -> &[u32] {
        if self.n_rows <= row { &[] } else { &self.places[self.row_ptr[row]..self.row_ptr[row + 1]] }
    }

    /// The same entries as `(n_cols, n_rows)`: items x users. Cost `O(nnz)`.
    pub fn transpose(&self) -> Self {
        let mut row_ptr = vec![0usize; self.n_cols + 1];
        for &col in &self.cols {
            row_ptr[col as usize + 1] += 1;
        }
        for i in 0..self.n_cols {
            row_ptr[i + 1] += row_ptr[i];
        }
        let mut next = row_ptr.clone();
        let nnz = self.nnz();
        let (mut cols, mut vals, mut places) = (vec![0u32; nnz], vec![0f32; nnz], vec![0u32; nnz]);
        for row in 0..self.n_rows {
            let (row_cols, row_vals) = self.row(row);
            for ((&col, &val), &place) in row_cols.iter().zip(row_vals).zip(self.places(row)) {
                let slot = &mut next[col as usize];
                cols[*slot] = row as u32;
                vals[*slot] = val;
                places[*slot] = place;
                *slot += 1;
            }
        }
        Self { n_rows: self.n_cols, n_cols: self.n_rows, row_ptr, cols, vals, places }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn refuses_what_cannot_be_learned_from() {
        let with = |entry| Interactions::from_rows(3, [vec![], vec![(1, 1.0), entry]]).unwrap_err();
        assert_eq!(with((3, 1.0)), MatrixError::ColumnRange { row: 1, col: 3, n_cols: 3 });
        assert_eq!(with((1, 2.0)), MatrixError::Duplicate { row: 1, col: 1 });
        assert_eq!(with((2, -1.0)), MatrixError::Strength { row: 1, col: 2, strength: -1.0 });
        assert!(matches!(with((2, f32::NAN)), MatrixError::Strength { .. }));
        assert!(matches!(with((2, f32::INFINITY)), MatrixError::Strength { .. }));
    }

    #[test]
    fn a_zero_is_an_absent_entry() {
        let m = Interactions::from_rows(2, [vec![(0, 0.0), (1, 1.0)]]).unwrap();
        assert_eq!((m.nnz(), m.row(0)), (1, (&[1][..], &[1.0][..])));
        assert_eq!(m.row(7), (&[][..], &[][..]));
    }

    #[test]
    fn an_entry_remembers_its_place() {
        let m = Interactions::from_rows(9, [vec![(5, 1.0), (8, 3.0), (2, 2.0)], vec![(2, 1.0)]]).unwrap();
        assert_eq!((m.row(0).0, m.places(0)), (&[2, 5, 8][..], &[2, 0, 1][..]));
        assert_eq!(m.transpose().places(2), [2, 0]);
        let two = m.strongest(2);
        assert_eq!((two.row(0).0, two.places(0), two.places(9)), (&[2, 8][..], &[2, 1][..], &[][..]));
    }

    proptest! {
        #[test]
        fn transposing_twice_changes_nothing(
            rows in prop::collection::vec(prop::collection::btree_map(0u32..20, 0.5f32..9.0, 0..15), 0..15)
        ) {
            let m = Interactions::from_rows(20, rows.into_iter().map(|r| r.into_iter().collect())).unwrap();
            let t = m.transpose();
            for row in 0..m.n_rows() {
                let (cols, vals) = m.row(row);
                for (&col, &val) in cols.iter().zip(vals) {
                    let (users, strengths) = t.row(col as usize);
                    let at = users.binary_search(&(row as u32)).unwrap();
                    prop_assert_eq!(strengths[at], val);
                }
            }
            prop_assert_eq!(t.transpose(), m);
        }
    }
}
