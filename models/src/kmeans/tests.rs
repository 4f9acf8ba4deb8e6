use super::*;

/// `groups` bundles of rows, each around its own column, with a little noise in a shared one.
fn bundles(groups: u32, each: u32) -> SparseRows {
    let rows = (0..groups * each).map(|i| {
        let noise = (i * 7919 % 101) as f32 / 500.0;
        vec![(i % groups, 1.0 - noise), (groups, noise)]
    });
    SparseRows::new(groups as usize + 1, rows).unwrap()
}

fn run(rows: &SparseRows, k: usize, iterations: usize, seed: u64) -> Clusters {
    fit(rows, &KMeansParams::new(k, iterations, 0.0, seed).unwrap(), &mut |_| ()).unwrap()
}

#[test]
fn bundles_are_found_and_the_inertia_is_their_spread() {
    for groups in [1u32, 2, 7, 8, 9, 33, 40] {
        let rows = bundles(groups, 60);
        let found = run(&rows, groups as usize, 50, 3);
        assert_eq!(found.sizes(groups as usize), vec![60; groups as usize], "{groups}");
        let mut plain = 0.0;
        for row in 0..rows.n_rows() {
            let mut x = vec![0f64; rows.n_cols()];
            let (cols, vals) = rows.row(row);
            cols.iter().zip(vals).for_each(|(&c, &v)| x[c as usize] = f64::from(v));
            let centre = &found.centres[found.of[row] as usize * rows.n_cols()..][..rows.n_cols()];
            plain += x.iter().zip(centre).map(|(x, c)| (x - f64::from(*c)).powi(2)).sum::<f64>();
        }
        assert!((found.inertia - plain).abs() < 1e-3 * plain, "{groups}: {} {plain}", found.inertia);
    }
}

#[test]
fn inertia_never_rises_and_threads_do_not_show() {
    let rows = SparseRows::new(
        50,
        (0..3000u32).map(|i| vec![(i % 17, 1.0), (17 + i % 13, (i % 5) as f32), (30 + i * i % 19, 0.5)]),
    )
    .unwrap();
    let params = KMeansParams::new(11, 30, 0.0, 5).unwrap();
    let on = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let mut losses = vec![];
        let found = pool.install(|| fit(&rows, &params, &mut |p| losses.push(p.loss.unwrap())).unwrap());
        (found, losses)
    };
    let (found, losses) = on(1);
    assert!(losses.windows(2).all(|w| w[1] <= w[0] * (1.0 + 1e-6)), "{losses:?}");
    assert!(found.inertia <= losses[losses.len() - 1]);
    assert_eq!(on(3), (found, losses));
}

#[test]
fn what_cannot_be_clustered_is_an_error_or_a_sensible_answer() {
    let params = KMeansParams::new(2, 5, 0.0, 0).unwrap();
    let fit = |rows: &SparseRows| fit(rows, &params, &mut |_| ());
    let of = |rows: Vec<Vec<(u32, f32)>>| SparseRows::new(3, rows).unwrap();
    assert_eq!(fit(&of(vec![])), Err(KMeansError::TooFewRows { rows: 0, k: 2 }));
    assert_eq!(fit(&of(vec![vec![(0, 1.0)]])), Err(KMeansError::TooFewRows { rows: 1, k: 2 }));
    assert_eq!(fit(&of(vec![vec![], vec![(0, f32::MAX)]])), Err(KMeansError::TooFar { row: 1 }));
    let same = fit(&of(vec![vec![(1, 2.0)]; 9])).unwrap();
    assert_eq!((same.inertia, same.of.len()), (0.0, 9));
    let empty = fit(&SparseRows::new(0, vec![vec![]; 4]).unwrap()).unwrap();
    assert_eq!(empty.inertia, 0.0);
    let each_its_own = run(&bundles(3, 1), 3, 5, 0);
    assert_eq!((each_its_own.inertia, each_its_own.sizes(3)), (0.0, vec![1; 3]));
    let wide = SparseRows::new(u32::MAX as usize, vec![vec![]; 4]).unwrap();
    assert!(matches!(fit(&wide), Err(KMeansError::TooLarge { .. })));
    let starts = fit_from(&bundles(2, 2), &[0, 4], &params, &mut |_| ());
    assert_eq!(starts, Err(KMeansError::Start { index: 1, row: 4, rows: 4 }));
}

#[test]
fn a_cluster_that_lost_its_rows_takes_the_farthest() {
    // Two starts on the same place: the second has no rows of its own.
    let rows = SparseRows::new(1, [vec![], vec![], vec![(0, 1.0)], vec![(0, 9.0)]]).unwrap();
    let params = KMeansParams::new(2, 9, 0.0, 0).unwrap();
    let found = fit_from(&rows, &[0, 1], &params, &mut |_| ()).unwrap();
    assert_eq!(found.sizes(2), [3, 1]);
    assert_eq!(found.of[3], 1);
}

#[test]
fn parameters_are_checked() {
    let message = |r: Result<KMeansParams, crate::params::BadParam>| r.unwrap_err().to_string();
    assert_eq!(message(KMeansParams::new(0, 1, 0.0, 0)), "kmeans.k is 0, expected 1 to 4096");
    assert_eq!(message(KMeansParams::new(1, 0, 0.0, 0)), "kmeans.iterations is 0, expected 1 to 10000");
    assert_eq!(message(KMeansParams::new(1, 1, f64::NAN, 0)), "kmeans.tolerance is NaN, expected 0 to 1");
}
