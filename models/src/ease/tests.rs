use super::*;
use crate::item_item::Neighbours;
use crate::matrix::Interactions;
use crate::ranking::ScoreItems;

fn data(n_users: u32, n_items: u32) -> Interactions {
    let row = |u: u32| {
        (0..n_items)
            .filter(move |i| (u * 7 + i * 13 + u * i) % 11 < 6)
            .map(move |i| (i, 1.0 + ((u + i) % 3) as f32))
    };
    Interactions::from_rows(n_items as usize, (0..n_users).map(|u| row(u).collect())).unwrap()
}

/// The weights of the paper by Gaussian elimination, sharing nothing with the code under test.
fn plain(data: &Interactions, ridge: impl Fn(f64) -> f64) -> Vec<Vec<f64>> {
    let n = data.n_cols();
    let mut a = vec![vec![0.0; 2 * n]; n];
    for u in 0..data.n_rows() {
        let (items, s) = data.row(u);
        for (&i, &x) in items.iter().zip(s) {
            for (&j, &y) in items.iter().zip(s) {
                a[i as usize][j as usize] += f64::from(x) * f64::from(y);
            }
        }
    }
    for (i, row) in a.iter_mut().enumerate() {
        row[i] += ridge(row[i]);
        row[n + i] = 1.0;
    }
    for i in 0..n {
        let pivot = a[i].clone();
        for (r, row) in a.iter_mut().enumerate() {
            let factor = if r == i { 1.0 - 1.0 / pivot[i] } else { row[i] / pivot[i] };
            row.iter_mut().zip(&pivot).for_each(|(x, p)| *x -= factor * p);
        }
    }
    let p = |i: usize, j: usize| a[i][n + j];
    (0..n).map(|i| (0..n).map(|j| if i == j { 0.0 } else { -p(i, j) / p(j, j) }).collect()).collect()
}

#[test]
fn the_weights_are_the_closed_form() {
    let data = data(60, 23);
    for (lambda, dropout) in [(2.0, 0.0), (50.0, 0.5), (1e-3, 0.0)] {
        let params = EaseParams::new(lambda, dropout, 0.0, 0.0).unwrap();
        let ease = Ease::fit(&data, &params, &mut |_| ()).unwrap();
        let want = plain(&data, |g| lambda + dropout / (1.0 - dropout) * g);
        for (i, want) in want.iter().enumerate() {
            let got = ease.weights(i as u32);
            assert!(
                got.iter().zip(want).all(|(g, w)| (f64::from(*g) - w).abs() < 1e-3),
                "{lambda} {i}: {got:?} {want:?}"
            );
        }
        // Among all items, the approximation is no longer one.
        let sparse =
            fit_sparse_ease(&data, &SparseEaseParams::new(params, 100).unwrap(), &mut |_| ()).unwrap();
        for (i, want) in want.iter().enumerate() {
            let (items, weights) = sparse.row(i as u32);
            assert!(items.iter().zip(weights).all(|(&j, &w)| (f64::from(w) - want[j as usize]).abs() < 1e-3));
        }
    }
}

#[test]
fn scaling_of_columns_is_undone_in_the_scores() {
    // With almost no ridge, scaling the columns changes nothing: the scores must come back in the old units.
    let data = data(60, 11);
    let fit = |exponent| {
        Ease::fit(&data, &EaseParams::new(1e-3, 0.0, 0.0, exponent).unwrap(), &mut |_| ()).unwrap()
    };
    let (plain, scaled) = (fit(0.0), fit(0.3));
    for i in 0..11 {
        assert!(plain.weights(i).iter().zip(scaled.weights(i)).all(|(a, b)| (a - b).abs() < 2e-2), "{i}");
    }
}

#[test]
fn a_few_neighbours_give_almost_the_lists_of_all() {
    let data = data(400, 60);
    let params = EaseParams::new(20.0, 0.0, 0.0, 0.0).unwrap();
    let dense = Ease::fit(&data, &params, &mut |_| ()).unwrap();
    let sparse: Neighbours =
        fit_sparse_ease(&data, &SparseEaseParams::new(params, 40).unwrap(), &mut |_| ()).unwrap();
    let mut same = 0;
    for user in 0..100 {
        let (items, s) = data.row(user);
        let history: Vec<(u32, f32)> = items.iter().copied().zip(s.iter().copied()).collect();
        let top =
            |model: &dyn ScoreItems| model.top(&history, items, 5).iter().map(|x| x.0).collect::<Vec<_>>();
        let (a, b) = (top(&dense), top(&sparse));
        same += a.iter().filter(|x| b.contains(x)).count();
    }
    assert!(350 < same, "{same} of 500");
}

#[test]
fn too_many_items_and_bad_parameters_are_errors() {
    let huge = Interactions::from_rows(ITEMS_MAX + 1, [vec![(0, 1.0)]]).unwrap();
    let error = Ease::fit(&huge, &EaseParams::default(), &mut |_| ()).unwrap_err();
    assert_eq!(error, EaseError::TooManyItems { n_items: ITEMS_MAX + 1 });
    assert!(fit_sparse_ease(&huge, &SparseEaseParams::default(), &mut |_| ()).is_ok());
    let bad = |l, d, u, i| EaseParams::new(l, d, u, i).unwrap_err().to_string();
    assert!(bad(0.0, 0.0, 0.0, 0.0).starts_with("ease.regularization is 0"));
    assert!(bad(1.0, 1.0, 0.0, 0.0).starts_with("ease.dropout is 1"));
    assert!(bad(1.0, 0.0, f64::NAN, 0.0).starts_with("ease.user_exponent is NaN"));
    assert!(bad(1.0, 0.0, 0.0, 2.0).starts_with("ease.item_exponent is 2"));
    assert!(SparseEaseParams::new(EaseParams::default(), 0).is_err());
}

#[test]
fn progress_ends_at_the_end() {
    let mut last = None;
    Ease::fit(&data(30, 300), &EaseParams::default(), &mut |p| last = Some(p)).unwrap();
    assert!(last.is_some_and(|p| p.done == p.total));
}
