//! Whether the order of a file's rows tells what came after what, where the file has no times.
//!
//! A person turns to like things one after another, so neighbours in the order of time are more alike than others of the
//! same person. Files sorted by id have like neighbours too (ids are often given out in time), so they are told apart first.

use shoptide_models::evaluate::co_occurrence;
use shoptide_models::matrix::Interactions;

use super::ids::Ids;

/// Beyond this share of rows in ascending (or descending) order, a file is sorted by id. A user's own rows in time are about
/// half and half.
const SORTED_SHARE: f64 = 0.9;
/// Neighbours must be so many times as alike as others.
const RATIO_MIN: f64 = 1.1;
/// ... and the difference so many of its own standard errors.
const ERRORS_MIN: f64 = 5.0;
/// Pairs that are looked at, at most: each costs the users of two items.
const PAIRS_MAX: usize = 20_000;
/// Rows of a user from which there are items that are not neighbours.
const ROWS_MIN: usize = 6;

/// How many times as alike neighbours are as others, where that is no accident; `None` where the order tells nothing.
/// - `rows`: each user's items in the order of the file
pub(super) fn order_tells(rows: &[Vec<u32>], train: &Interactions, items: &Ids) -> Option<f64> {
    if sorted(rows, items) {
        return None;
    }
    let by_item = train.transpose();
    let long = || rows.iter().filter(|row| ROWS_MIN <= row.len());
    let every = long().map(Vec::len).sum::<usize>().div_ceil(PAIRS_MAX).max(1);
    let triples = long().flat_map(|row| {
        // The other one is half the row away, as far as an item can be.
        let far = row.iter().cycle().skip(row.len() / 2);
        row.windows(2).zip(far).filter_map(|(pair, far)| Some((*pair.first()?, *pair.last()?, *far)))
    });
    let (mut near_sum, mut far_sum, mut difference, mut squares, mut n) = (0.0, 0.0, 0.0, 0.0, 0.0);
    for (item, near, far) in triples.step_by(every).filter(|(item, _, far)| item != far) {
        let (near, far) = (co_occurrence(&by_item, item, near), co_occurrence(&by_item, item, far));
        near_sum += near;
        far_sum += far;
        difference += near - far;
        squares += (near - far) * (near - far);
        n += 1.0;
    }
    if n < 2.0 || far_sum <= 0.0 {
        return None;
    }
    let mean: f64 = difference / n;
    let error = ((squares / n - mean * mean).max(0.0) / n).sqrt();
    let ratio = near_sum / far_sum;
    (RATIO_MIN < ratio && ERRORS_MIN * error < mean).then_some(ratio)
}

/// Whether each user's rows are sorted by id, up or down, as numbers or as text.
fn sorted(rows: &[Vec<u32>], items: &Ids) -> bool {
    let (mut up, mut up_as_text, mut all) = (0usize, 0usize, 0usize);
    let number = |id: &[u8]| std::str::from_utf8(id).ok()?.parse::<f64>().ok();
    for pair in rows.iter().flat_map(|row| row.windows(2)) {
        let &[a, b] = pair else { continue };
        let (a, b) = (items.name(a), items.name(b));
        up += usize::from(number(a).zip(number(b)).map_or(a < b, |(a, b)| a < b));
        up_as_text += usize::from(a < b);
        all += 1;
    }
    let clear = |up: usize| {
        let share = up as f64 / all.max(1) as f64;
        !(1.0 - SORTED_SHARE..=SORTED_SHARE).contains(&share)
    };
    clear(up) || clear(up_as_text)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Users who go through three of ten shelves of six items, one after another, from an item in the middle.
    fn shelves() -> (Vec<Vec<u32>>, Ids) {
        let mut ids = Ids::default();
        (0..60).for_each(|item: u32| {
            ids.number(((item * 37) % 101).to_string().as_bytes()).unwrap();
        });
        let row = |user: u32| {
            let shelf = move |n: u32| (user * 7 + n * (3 + user % 4)) % 10;
            (0..18).map(move |at| shelf(at / 6) * 6 + (user + at * 5) % 6).collect::<Vec<u32>>()
        };
        (
            (0..200)
                .map(row)
                .map(|mut row| {
                    let mut seen = std::collections::HashSet::new();
                    row.retain(|item| seen.insert(*item));
                    row
                })
                .collect(),
            ids,
        )
    }

    fn tells(rows: &[Vec<u32>], ids: &Ids) -> bool {
        let each = rows.iter().map(|row| row.iter().map(|item| (*item, 1.0)).collect());
        let train = Interactions::from_rows(60, each.collect::<Vec<Vec<_>>>()).unwrap();
        order_tells(rows, &train, ids).is_some()
    }

    #[test]
    fn like_after_like_tells_and_sorted_or_mixed_rows_do_not() {
        let (rows, ids) = shelves();
        assert!(tells(&rows, &ids));
        let number = |item: &u32| std::str::from_utf8(ids.name(*item)).unwrap().parse::<u32>().unwrap();
        let mut sorted = rows.clone();
        sorted.iter_mut().for_each(|row| row.sort_by_key(number));
        assert!(!tells(&sorted, &ids));
        sorted.iter_mut().for_each(|row| row.reverse());
        assert!(!tells(&sorted, &ids));
        let mut mixed = rows;
        let dice = |item: &u32| xxhash_rust::xxh3::xxh3_64(&item.to_le_bytes());
        mixed.iter_mut().for_each(|row| row.sort_by_key(dice));
        mixed.iter_mut().enumerate().for_each(|(user, row)| {
            let n = row.len().max(1);
            row.rotate_left(user % n);
            row.sort_by_cached_key(|item| dice(&(item * 1000 + user as u32)));
        });
        assert!(!tells(&mixed, &ids));
        assert!(!tells(&[], &ids) && !tells(&[vec![1], vec![]], &ids));
    }
}
