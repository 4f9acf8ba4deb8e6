//! Who is who: the pairing of two sets that makes the sum of their likenesses largest.
//!
//! Kuhn, *The Hungarian method for the assignment problem*, 1955, in the form with potentials of Jonker & Volgenant, 1987.

/// Pairs rows with columns, each at most once. Cost `O(n³)` for the larger side.
/// - `likeness`: by row, then column; what is not finite counts as 0
/// - returns for each row its column; rows left over, or those whose pair is less alike than `least`, have none
///
/// ```
/// use shoptide_models::segments::matching;
/// // Greedy would take 0.9 and be left with 0.0.
/// assert_eq!(matching(&[vec![0.9, 0.8], vec![0.8, 0.0]], 2, 0.5), [Some(1), Some(0)]);
/// ```
pub fn matching(likeness: &[Vec<f64>], columns: usize, least: f64) -> Vec<Option<usize>> {
    let rows = likeness.len();
    let n = rows.max(columns);
    let of = |row: usize, column: usize| {
        let value = likeness.get(row).and_then(|row| row.get(column)).copied().unwrap_or(0.0);
        if value.is_finite() { value } else { 0.0 }
    };
    // 1-based, as in the literature: place 0 is the row that looks for a column.
    let (mut of_row, mut of_column) = (vec![0f64; n + 1], vec![0f64; n + 1]);
    let mut taken = vec![0usize; n + 1];
    for row in 1..=n {
        taken[0] = row;
        let mut at = 0;
        let (mut slack, mut from, mut done) =
            (vec![f64::INFINITY; n + 1], vec![0usize; n + 1], vec![false; n + 1]);
        while taken[at] != 0 {
            done[at] = true;
            let (holder, mut step, mut next) = (taken[at], f64::INFINITY, 0);
            for column in 1..=n {
                if done[column] {
                    continue;
                }
                let cost = -of(holder - 1, column - 1) - of_row[holder] - of_column[column];
                if cost < slack[column] {
                    (slack[column], from[column]) = (cost, at);
                }
                if slack[column] < step {
                    (step, next) = (slack[column], column);
                }
            }
            for column in 0..=n {
                if done[column] {
                    of_row[taken[column]] += step;
                    of_column[column] -= step;
                } else {
                    slack[column] -= step;
                }
            }
            at = next;
        }
        while at != 0 {
            taken[at] = taken[from[at]];
            at = from[at];
        }
    }
    let mut pairs = vec![None; rows];
    for (column, holder) in taken.iter().skip(1).take(columns).enumerate() {
        let row = holder.wrapping_sub(1);
        if row < rows && least <= of(row, column) {
            pairs[row] = Some(column);
        }
    }
    pairs
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn best(likeness: &[Vec<f64>], row: usize, free: &mut Vec<bool>) -> f64 {
        if likeness.len() <= row {
            return 0.0;
        }
        let mut most = best(likeness, row + 1, free);
        for column in 0..free.len() {
            if free[column] {
                free[column] = false;
                most = most.max(likeness[row][column] + best(likeness, row + 1, free));
                free[column] = true;
            }
        }
        most
    }

    proptest! {
        #[test]
        fn no_other_pairing_is_more_alike(
            (columns, values) in (1usize..6).prop_flat_map(|c| (Just(c), prop::collection::vec(prop::collection::vec(0u8..20, c), 0..6)))
        ) {
            let likeness: Vec<Vec<f64>> =
                values.iter().map(|row| row.iter().map(|v| f64::from(*v) / 20.0).collect()).collect();
            let pairs = matching(&likeness, columns, 0.0);
            let sum: f64 = pairs.iter().enumerate().filter_map(|(row, c)| Some(likeness[row][(*c)?])).sum();
            prop_assert!((sum - best(&likeness, 0, &mut vec![true; columns])).abs() < 1e-9);
            let mut used: Vec<usize> = pairs.into_iter().flatten().collect();
            let n = used.len();
            used.sort_unstable();
            used.dedup();
            prop_assert_eq!(used.len(), n);
        }
    }

    #[test]
    fn who_is_not_alike_is_nobody() {
        assert_eq!(matching(&[vec![0.2], vec![0.9]], 1, 0.5), [None, Some(0)]);
        assert_eq!(matching(&[vec![0.2, f64::NAN]], 2, 0.5), [None]);
        assert!(matching(&[], 3, 0.5).is_empty());
    }
}
