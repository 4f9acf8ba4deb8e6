use super::*;
use ndarray::Array2;
use proptest::prelude::*;

fn params(rank: usize) -> AlsParams {
    AlsParams::new(rank, 5, 2.0, 0.1, 0.05, 1.0, 42).unwrap()
}

fn numbers(n: usize, rank: usize, seed: f32) -> Array2<f32> {
    Array2::from_shape_fn((n, rank), |(i, k)| ((i * rank + k) as f32 * 0.731 + seed).sin() * 0.4)
}

/// The textbook formula with Gaussian elimination, sharing nothing with the code under test.
#[allow(clippy::needless_range_loop)] // indices as in the formula
fn dense_solution(factors: &Array2<f32>, entries: &[(u32, f32)], n_total: usize, p: &AlsParams) -> Vec<f64> {
    let (n, rank) = factors.dim();
    let y = |i: usize, k: usize| f64::from(factors[(i, k)]);
    let (w0, alpha) = (p.unobserved_weight(), p.alpha());
    let n_u = entries.iter().filter(|e| e.1 > 0.0).count() as f64;
    let lambda = p.regularization() * (n_u + w0 * n_total as f64).powf(p.reg_exponent());
    let mut a = vec![vec![0f64; rank + 1]; rank];
    for r in 0..rank {
        for c in 0..rank {
            a[r][c] = w0 * (0..n).map(|i| y(i, r) * y(i, c)).sum::<f64>();
        }
        a[r][r] += lambda;
    }
    for &(i, s) in entries {
        let i = i as usize;
        if s <= 0.0 {
            continue;
        }
        for r in 0..rank {
            for c in 0..rank {
                a[r][c] += alpha * f64::from(s) * y(i, r) * y(i, c);
            }
            a[r][rank] += (w0 + alpha * f64::from(s)) * y(i, r);
        }
    }
    for col in 0..rank {
        let best = (col..rank).max_by(|&i, &j| a[i][col].abs().total_cmp(&a[j][col].abs())).unwrap();
        a.swap(col, best);
        for row in 0..rank {
            if row != col {
                let factor = a[row][col] / a[col][col];
                for k in col..=rank {
                    a[row][k] -= factor * a[col][k];
                }
            }
        }
    }
    (0..rank).map(|r| a[r][rank] / a[r][r]).collect()
}

fn relative_error(got: &[f32], want: &[f64]) -> f64 {
    let error: f64 = got.iter().zip(want).map(|(g, w)| (f64::from(*g) - w).powi(2)).sum();
    let size: f64 = want.iter().map(|w| w * w).sum();
    if size == 0.0 { error.sqrt() } else { (error / size).sqrt() }
}

#[test]
fn a_fold_in_is_the_dense_solution() {
    for rank in [1, 7, 8, 64, 100] {
        let factors = numbers(600, rank, 0.3);
        for nu in [0.0, 0.5, 1.0] {
            let p = AlsParams::new(rank, 1, 3.0, 0.05, 0.01, nu, 0).unwrap();
            let side = ItemSide::new(factors.clone(), p).unwrap();
            for n in [1usize, 10, 30, 63, 64, 65, 500] {
                let entries: Vec<(u32, f32)> =
                    (0..n).map(|i| ((i * 7 % 600) as u32, 0.01 + (i * i % 97) as f32)).collect();
                let got = side.fold_in(&entries, &mut FoldScratch::default()).unwrap();
                let want = dense_solution(&factors, &entries, 600, &p);
                let error = relative_error(&got, &want);
                assert!(error < 1e-5, "rank {rank}, nu {nu}, {n} interactions: {error}");
            }
        }
    }
}

proptest! {
    #[test]
    fn any_fold_in_is_the_dense_solution(
        rank in 1usize..20,
        entries in prop::collection::btree_map(0u32..40, 0f32..50.0, 0..40),
        alpha in 0.01f64..50.0, w0 in 0.001f64..2.0, lambda in 0.001f64..5.0, nu in 0.0f64..1.0,
    ) {
        let factors = numbers(40, rank, alpha as f32);
        let p = AlsParams::new(rank, 1, alpha, w0, lambda, nu, 0).unwrap();
        let side = ItemSide::new(factors.clone(), p).unwrap();
        let entries: Vec<(u32, f32)> = entries.into_iter().collect();
        let got = side.fold_in(&entries, &mut FoldScratch::default()).unwrap();
        prop_assert!(relative_error(&got, &dense_solution(&factors, &entries, 40, &p)) < 1e-5);
        let mut turned = entries.clone();
        turned.reverse();
        let again = side.fold_in(&turned, &mut FoldScratch::default()).unwrap();
        prop_assert!(relative_error(&again, &got.iter().map(|x| f64::from(*x)).collect::<Vec<_>>()) < 1e-5);
    }
}

#[test]
fn arguments_that_cannot_be_folded_in_are_named() {
    let side = ItemSide::new(numbers(5, 3, 0.0), params(3)).unwrap();
    let mut scratch = FoldScratch::default();
    let mut error = |entries: &[(u32, f32)]| side.fold_in(entries, &mut scratch).unwrap_err();
    assert_eq!(error(&[(5, 1.0)]), FoldInError::Unknown { index: 5, n_known: 5 });
    assert_eq!(error(&[(2, 1.0), (0, 1.0), (2, 1.0)]), FoldInError::Duplicate { index: 2 });
    assert_eq!(error(&[(2, -1.0)]), FoldInError::Strength { index: 2, strength: -1.0 });
    assert!(matches!(error(&[(2, f32::NAN)]), FoldInError::Strength { .. }));
    assert_eq!(side.fold_in(&[], &mut scratch).unwrap(), vec![0.0; 3]);
    assert_eq!(side.fold_in(&[(1, 0.0)], &mut scratch).unwrap(), vec![0.0; 3]);
    let extreme = side.fold_in(&[(0, f32::MAX), (1, f32::MIN_POSITIVE)], &mut scratch);
    assert!(extreme.map_or_else(|e| e == FoldInError::Singular, |x| x.iter().all(|x| x.is_finite())));
}

#[test]
fn a_strength_that_has_all_but_faded_loses_no_precision() {
    let (factors, p) = (numbers(50, 16, 0.1), params(16));
    let side = ItemSide::new(factors.clone(), p).unwrap();
    for n in [3usize, 40] {
        let fading = |i: usize| (i as u32, 5.0 * (-(i as f32) * 3.0).exp2().max(f32::MIN_POSITIVE));
        let entries: Vec<(u32, f32)> = (0..n).map(fading).collect();
        let got = side.fold_in(&entries, &mut FoldScratch::default()).unwrap();
        assert!(relative_error(&got, &dense_solution(&factors, &entries, 50, &p)) < 1e-5);
    }
}

#[test]
fn factors_that_cannot_be_a_side_are_refused() {
    assert_eq!(
        ItemSide::new(numbers(5, 4, 0.0), params(3)).unwrap_err(),
        SideError::Rank { found: 4, rank: 3 }
    );
    let mut bad = numbers(5, 3, 0.0);
    bad[(4, 1)] = f32::INFINITY;
    assert_eq!(ItemSide::new(bad, params(3)).unwrap_err(), SideError::NotFinite { row: 4 });
    let none = ItemSide::new(Array2::zeros((0, 3)), params(3)).unwrap();
    assert_eq!((none.n_items(), none.item(0)), (0, None));
}

/// Two groups of users and items that never mix, and a little noise in the strengths.
fn two_groups(n_users: usize, n_items: usize) -> Interactions {
    let rows = (0..n_users).map(|u| {
        let mine = (0..n_items).filter(move |i| i % 2 == u % 2 && (u * 31 + i * 17) % 5 < 3);
        mine.map(|i| (i as u32, 1.0 + ((u + i) % 4) as f32)).collect()
    });
    Interactions::from_rows(n_items, rows.collect::<Vec<_>>()).unwrap()
}

#[test]
fn the_loss_is_the_objective_and_falls() {
    let (data, p) = (two_groups(30, 20), params(6));
    let mut losses = Vec::new();
    let factors = fit(&data, &p, None, &mut |sweep| losses.push(sweep.loss)).unwrap();
    assert_eq!(losses.len(), 5);
    assert!(losses.windows(2).all(|w| w[1] <= w[0] * (1.0 + 1e-6)), "{losses:?}");

    let by_item = data.transpose();
    let mut plain = 0.0;
    for u in 0..30 {
        let (cols, vals) = data.row(u);
        for i in 0..20 {
            let s = cols.iter().position(|&c| c as usize == i).map_or(0.0, |at| f64::from(vals[at]));
            let dot: f64 =
                (0..6).map(|k| f64::from(factors.users[(u, k)]) * f64::from(factors.items[(i, k)])).sum();
            let target = if s > 0.0 { 1.0 } else { 0.0 };
            plain += (0.1 + 2.0 * s) * (target - dot) * (target - dot);
        }
    }
    for (factors, of) in [(&factors.users, &data), (&factors.items, &by_item)] {
        for (row, x) in factors.outer_iter().enumerate() {
            let size: f64 = x.iter().map(|x| f64::from(*x).powi(2)).sum();
            plain += p.lambda(of.row(row).0.len(), of.n_cols()) * size;
        }
    }
    let (users, items) = (factors.users.as_slice().unwrap(), factors.items.as_slice().unwrap());
    let ours = loss(&data, &by_item, users, items, &p);
    assert!((ours - plain).abs() < 1e-5 * plain, "{ours} is not {plain}");
    assert!(ours <= losses[4] * (1.0 + 1e-6));
}

#[test]
fn the_same_bytes_at_any_number_of_threads() {
    let (data, p) = (two_groups(200, 90), params(16));
    let with = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| fit(&data, &p, None, &mut |_| ()).unwrap())
    };
    let one = with(1);
    for threads in [2, 3, 8] {
        assert_eq!(with(threads), one);
    }
}

#[test]
fn users_are_the_fold_in_against_the_items() {
    let (data, p) = (two_groups(40, 30), params(9));
    let factors = fit(&data, &p, None, &mut |_| ()).unwrap();
    let side = ItemSide::new(factors.items.clone(), p).unwrap();
    for u in 0..40 {
        let (cols, vals) = data.row(u);
        let entries: Vec<(u32, f32)> = cols.iter().copied().zip(vals.iter().copied()).collect();
        let folded = side.fold_in(&entries, &mut FoldScratch::default()).unwrap();
        assert_eq!(folded, factors.users.row(u).to_vec());
    }
}

#[test]
fn refreshed_items_are_the_dense_solution() {
    let (data, p) = (two_groups(40, 30), params(9));
    let factors = fit(&data, &p, None, &mut |_| ()).unwrap();
    let by_item = data.transpose();
    let touched: Vec<(u32, Vec<(u32, f32)>)> = [3u32, 0, 29]
        .map(|i| {
            let (users, strengths) = by_item.row(i as usize);
            (i, users.iter().copied().zip(strengths.iter().copied()).collect())
        })
        .to_vec();
    let all = UserSide::new(factors.users.view(), p).unwrap();
    let fresh = refresh_items(&all, &touched).unwrap();
    for ((item, got), (wanted, by)) in fresh.iter().zip(&touched) {
        assert_eq!(item, wanted);
        assert!(relative_error(got, &dense_solution(&factors.users, by, 40, &p)) < 1e-5);
    }
    // The same, holding only the rows referred to.
    let gram = gram(factors.users.view());
    let some = UserSide::with_gram(factors.users.view(), gram.view(), 40, p).unwrap();
    assert_eq!(refresh_items(&some, &touched).unwrap(), fresh);
    let unknown = refresh_items(&all, &[(1, vec![(40, 1.0)])]).unwrap_err();
    assert_eq!(unknown, FoldInError::Unknown { index: 40, n_known: 40 });
}

#[test]
fn a_warm_start_goes_on_where_it_was() {
    let (data, p) = (two_groups(60, 40), params(8));
    let mut cold = Vec::new();
    let factors = fit(&data, &p, None, &mut |s| cold.push(s.loss)).unwrap();
    let mut warm = Vec::new();
    fit(&data, &p, Some(factors.items.view()), &mut |s| warm.push(s.loss)).unwrap();
    assert!(warm[0] <= cold[4] * (1.0 + 1e-6), "{warm:?} after {cold:?}");
    // New items at the end start as they would alone; a warm start of another shape is refused.
    let fewer = factors.items.slice(ndarray::s![..30, ..]);
    assert!(fit(&data, &p, Some(fewer), &mut |_| ()).is_ok());
    let error = fit(&data, &params(7), Some(factors.items.view()), &mut |_| ()).unwrap_err();
    assert_eq!(error, FitError::WarmShape { rows: 40, cols: 8, n_items: 40, rank: 7 });
    let mut bad = factors.items;
    bad[(2, 0)] = f32::NAN;
    let error = fit(&data, &p, Some(bad.view()), &mut |_| ()).unwrap_err();
    assert_eq!(error, FitError::WarmNotFinite { row: 2 });
}

const FAST: [Solver; 4] = [
    Solver::Cholesky,
    Solver::ConjugateGradient { steps: 3 },
    Solver::ConjugateGradient { steps: 40 },
    Solver::Subspace { width: 16 },
];

#[test]
fn every_solver_lowers_the_same_objective() {
    let data = two_groups(120, 90);
    for rank in [3, 16, 40] {
        let p = AlsParams::new(rank, 8, 2.0, 0.1, 0.05, 0.7, 42).unwrap();
        let mut exact = f64::NAN;
        fit(&data, &p, None, &mut |sweep| exact = sweep.loss).unwrap();
        for solver in FAST {
            let mut losses = Vec::new();
            fit(&data, &p.with_solver(solver).unwrap(), None, &mut |sweep| losses.push(sweep.loss)).unwrap();
            assert!(losses.windows(2).all(|w| w[1] <= w[0] * (1.0 + 1e-5)), "{solver:?} {losses:?}");
            assert!(losses[7] <= exact * 1.06, "{solver:?}, rank {rank}: {} against {exact}", losses[7]);
        }
    }
}

#[test]
fn solvers_that_end_at_the_solution_agree_with_the_exact_one() {
    let data = two_groups(60, 50);
    let p = AlsParams::new(20, 1, 2.0, 0.1, 0.05, 1.0, 42).unwrap();
    let exact = fit(&data, &p, None, &mut |_| ()).unwrap();
    for solver in [Solver::Cholesky, Solver::ConjugateGradient { steps: 40 }, Solver::Subspace { width: 512 }]
    {
        let got = fit(&data, &p.with_solver(solver).unwrap(), None, &mut |_| ()).unwrap();
        for (got, want) in got.users.outer_iter().zip(exact.users.outer_iter()) {
            let want: Vec<f64> = want.iter().map(|x| f64::from(*x)).collect();
            assert!(relative_error(&got.to_vec(), &want) < 1e-3, "{solver:?}");
        }
    }
}

#[test]
fn every_solver_gives_the_same_bytes_at_any_number_of_threads() {
    let data = two_groups(900, 90);
    for solver in FAST {
        let p = params(20).with_solver(solver).unwrap();
        let with = |threads: usize| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| fit(&data, &p, None, &mut |_| ()).unwrap())
        };
        assert_eq!(with(1), with(3), "{solver:?}");
    }
}

#[test]
fn no_solver_stumbles_over_odd_data() {
    let odd = [
        Interactions::from_rows(0, Vec::<Vec<(u32, f32)>>::new()).unwrap(),
        Interactions::from_rows(3, vec![vec![], vec![]]).unwrap(),
        Interactions::from_rows(1, vec![vec![(0, 1.0)]]).unwrap(),
        Interactions::from_rows(4, vec![vec![(2, 1.0)]; 50]).unwrap(),
        Interactions::from_rows(40, vec![(0..40).map(|i| (i, 1.0)).collect(), vec![], vec![(3, 1e-30)]])
            .unwrap(),
        Interactions::from_rows(4, vec![vec![(0, f32::MAX), (1, f32::MIN_POSITIVE)], vec![(1, 1.0)]])
            .unwrap(),
    ];
    for data in &odd {
        for solver in FAST.into_iter().chain([Solver::Exact]) {
            match fit(data, &params(9).with_solver(solver).unwrap(), None, &mut |_| ()) {
                Ok(factors) => {
                    assert_eq!(
                        (factors.users.nrows(), factors.items.nrows()),
                        (data.n_rows(), data.n_cols())
                    );
                    assert!(factors.users.iter().chain(&factors.items).all(|x| x.is_finite()));
                }
                Err(error) => assert!(matches!(error, FitError::Singular { .. }), "{solver:?} {error}"),
            }
        }
    }
}

#[test]
fn a_loss_is_calculated_only_on_demand() {
    let (data, p) = (two_groups(30, 20), params(6));
    let mut heard = Vec::new();
    let quiet = train(&data, &p, Training::default(), &mut |progress| heard.push(progress)).unwrap();
    assert_eq!(heard.last(), Some(&Progress { done: 5, total: 5, loss: None }));
    assert_eq!(quiet, fit(&data, &p, None, &mut |_| ()).unwrap());
}

#[test]
fn an_item_is_folded_in_like_a_user() {
    let users = numbers(50, 8, 0.3);
    let side = UserSide::new(users.view(), params(8)).unwrap();
    let by = [(3, 1.0), (40, 2.5)];
    let got = side.fold_in(&by, &mut FoldScratch::default()).unwrap();
    assert!(relative_error(&got, &dense_solution(&users, &by, 50, &params(8))) < 1e-5);
    assert!(side.fold_in(&[(50, 1.0)], &mut FoldScratch::default()).is_err());
}

#[test]
fn a_row_in_pieces_is_the_row() {
    for rank in [1, 7, 8, 64] {
        let factors = numbers(3_000, rank, 0.3);
        let p = AlsParams::new(rank, 1, 3.0, 0.05, 0.01, 1.0, 0).unwrap();
        let side = HeldSide::new(factors.view(), p).unwrap();
        for n in [1usize, 5, 64, 65, 2_500] {
            let entries: Vec<(u32, f32)> =
                (0..n).map(|i| ((i * 7 % 3_000) as u32, (i * i % 97) as f32 * 0.1)).collect();
            let whole = side.solve(&entries, &mut FoldScratch::default()).unwrap();
            let want = dense_solution(&factors, &entries, 3_000, &p);
            let mut sums = RowSums::new(rank);
            for piece in entries.chunks(37) {
                let mut part = RowSums::new(rank);
                side.add(piece, &mut part).unwrap();
                let mut bytes = Vec::new();
                part.encode(&mut bytes);
                assert_eq!(bytes.len(), RowSums::worth_it(rank) * 8);
                // Only what lies below the diagonal, which nobody reads, does not travel.
                let part = RowSums::decode(rank, &bytes).unwrap();
                assert!(sums.merge(&part));
            }
            let pieces = side.solve_sums(&sums).unwrap();
            assert_eq!(sums.n(), entries.iter().filter(|e| 0.0 < e.1).count() as u64);
            assert!(relative_error(&whole, &want) < 1e-5);
            assert!(relative_error(&pieces, &want) < 1e-5, "rank {rank}, {n} interactions");
        }
    }
}

#[test]
fn pieces_of_another_rank_or_side_are_refused() {
    let p = params(4);
    let side = HeldSide::new(numbers(5, 4, 0.1).view(), p).unwrap();
    let mut sums = RowSums::new(4);
    assert!(matches!(side.add(&[(5, 1.0)], &mut sums), Err(FoldInError::Unknown { index: 5, n_known: 5 })));
    assert!(matches!(side.add(&[(1, f32::NAN)], &mut sums), Err(FoldInError::Strength { index: 1, .. })));
    assert_eq!((sums.n(), side.solve_sums(&sums).unwrap()), (0, vec![0.0; 4]));
    assert!(!sums.merge(&RowSums::new(5)));
    assert!(matches!(side.solve_sums(&RowSums::new(5)), Err(FoldInError::Singular)));
    assert!(RowSums::decode(4, &[0; 8]).is_none());
}
