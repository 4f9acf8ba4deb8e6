//! Sparse rows: few numbers in a wide space, such as the weights of words in texts. Unlike
//! [`crate::matrix::Interactions`] the numbers may be negative and have no place in time.

/// Sparse `(n_rows, n_cols)` matrix in compressed rows; columns ascend within a row, values are finite.
#[derive(Debug, Clone, PartialEq)]
pub struct SparseRows {
    n_cols: usize,
    ptr: Vec<usize>,
    cols: Vec<u32>,
    vals: Vec<f32>,
}

/// Why rows were refused. The caller's data is wrong: nothing to retry.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum SparseError {
    #[error("row {row} has column {col}, expected below {n_cols}")]
    ColumnRange { row: usize, col: u32, n_cols: usize },
    #[error("row {row} has column {col} twice")]
    Duplicate { row: usize, col: u32 },
    #[error("row {row}, column {col} is {value}, expected a finite number")]
    NotFinite { row: usize, col: u32, value: f32 },
}

impl SparseRows {
    /// Builds from rows of `(column, value)` in any order; zeros are not stored.
    ///
    /// # Errors
    /// [`SparseError`] on the first entry that is out of range, repeated or not finite.
    ///
    /// ```
    /// use shoptide_models::sparse::SparseRows;
    /// let m = SparseRows::new(3, [vec![(2, 1.0), (0, -4.0)], vec![]]).unwrap();
    /// assert_eq!(m.row(0), (&[0, 2][..], &[-4.0, 1.0][..]));
    /// assert!(SparseRows::new(3, [vec![(0, f32::NAN)]]).is_err());
    /// ```
    pub fn new(n_cols: usize, rows: impl IntoIterator<Item = Vec<(u32, f32)>>) -> Result<Self, SparseError> {
        let mut made = Self::empty(n_cols);
        for (row, mut entries) in rows.into_iter().enumerate() {
            entries.sort_unstable_by_key(|&(col, _)| col);
            let mut before = None;
            for &(col, value) in &entries {
                if n_cols <= col as usize {
                    return Err(SparseError::ColumnRange { row, col, n_cols });
                }
                if before == Some(col) {
                    return Err(SparseError::Duplicate { row, col });
                }
                if !value.is_finite() {
                    return Err(SparseError::NotFinite { row, col, value });
                }
                before = Some(col);
            }
            made.push(entries.into_iter().filter(|&(_, value)| value != 0.0));
        }
        Ok(made)
    }

    pub(crate) fn empty(n_cols: usize) -> Self {
        Self { n_cols, ptr: vec![0], cols: vec![], vals: vec![] }
    }

    /// Adds a row of good entries: ascending columns in range, finite values.
    pub(crate) fn push(&mut self, entries: impl Iterator<Item = (u32, f32)>) {
        for (col, value) in entries {
            self.cols.push(col);
            self.vals.push(value);
        }
        self.ptr.push(self.cols.len());
    }

    pub fn n_rows(&self) -> usize {
        self.ptr.len() - 1
    }

    pub fn n_cols(&self) -> usize {
        self.n_cols
    }

    /// Number of stored entries.
    pub fn nnz(&self) -> usize {
        self.cols.len()
    }

    /// Columns (ascending) and values of one row; both empty for a row that does not exist.
    pub fn row(&self, row: usize) -> (&[u32], &[f32]) {
        match (self.ptr.get(row), self.ptr.get(row + 1)) {
            (Some(&from), Some(&to)) => (&self.cols[from..to], &self.vals[from..to]),
            _ => (&[], &[]),
        }
    }

    /// The sum of a row's squares.
    pub(crate) fn square(&self, row: usize) -> f64 {
        self.row(row).1.iter().map(|&v| f64::from(v) * f64::from(v)).sum()
    }

    /// `(n_cols, n_rows)`; rows ascend within each of its rows.
    pub fn transpose(&self) -> Self {
        let mut ptr = vec![0usize; self.n_cols + 1];
        for &col in &self.cols {
            ptr[col as usize + 1] += 1;
        }
        for col in 0..self.n_cols {
            ptr[col + 1] += ptr[col];
        }
        let mut next = ptr.clone();
        let (mut cols, mut vals) = (vec![0u32; self.nnz()], vec![0f32; self.nnz()]);
        for row in 0..self.n_rows() {
            let (of, values) = self.row(row);
            for (&col, &value) in of.iter().zip(values) {
                let at = &mut next[col as usize];
                cols[*at] = row as u32;
                vals[*at] = value;
                *at += 1;
            }
        }
        Self { n_cols: self.n_rows(), ptr, cols, vals }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refuses_what_is_no_matrix() {
        let with = |entry| SparseRows::new(3, [vec![], vec![(1, 1.0), entry]]).unwrap_err();
        assert_eq!(with((3, 1.0)), SparseError::ColumnRange { row: 1, col: 3, n_cols: 3 });
        assert_eq!(with((1, 2.0)), SparseError::Duplicate { row: 1, col: 1 });
        assert!(matches!(with((2, f32::INFINITY)), SparseError::NotFinite { .. }));
    }

    #[test]
    fn transposing_swaps_rows_and_columns() {
        let m = SparseRows::new(3, [vec![(0, 1.0), (2, 2.0)], vec![], vec![(2, -3.0), (1, 0.0)]]).unwrap();
        assert_eq!((m.n_rows(), m.nnz(), m.row(9)), (3, 3, (&[][..], &[][..])));
        let t = m.transpose();
        assert_eq!((t.row(2), t.row(1)), ((&[0, 2][..], &[2.0, -3.0][..]), (&[][..], &[][..])));
        assert_eq!(t.transpose(), m);
        assert_eq!(SparseRows::new(0, []).unwrap().transpose().n_cols(), 0);
    }
}
