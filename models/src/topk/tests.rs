use super::*;
use crate::model::best;
use proptest::prelude::*;

fn numbers(n: usize, seed: f32) -> Vec<f32> {
    (0..n).map(|i| (i as f32 * 0.731 + seed).sin()).collect()
}

/// Every score in full, then sorted.
fn plain(items: &[f32], users: &[f32], dim: usize, k: usize, skip: &[Vec<u32>]) -> Vec<Scored> {
    let score =
        |user: &[f32], item: &[f32]| user.iter().zip(item).fold(0f32, |sum, (x, y)| y.mul_add(*x, sum));
    let list = |(u, user): (usize, &[f32])| {
        let all = items.chunks(dim).zip(0u32..).map(|(item, i)| (i, score(user, item)));
        best(all.filter(|(_, s)| s.is_finite()).collect(), &skip[u], k)
    };
    users.chunks(dim).enumerate().map(list).collect()
}

#[test]
fn the_lists_are_those_of_a_full_sort() {
    for (n_items, batch, dim, k) in [
        (1, 1, 1, 1),
        (7, 3, 2, 3),
        (500, 9, 13, 20),
        (5_000, 1, 16, 100),
        (9_001, 33, 8, 50),
        (40, 300, 3, 100),
    ] {
        let (items, users) = (numbers(n_items * dim, 0.1), numbers(batch * dim, 2.0));
        let skip: Vec<Vec<u32>> = (0..batch as u32)
            .map(|u| (0..n_items as u32).filter(|i| (i * 7 + u) % 5 == 0).collect())
            .collect();
        let got = top_k(&items, &users, dim, k, &|u| &skip[u]).unwrap();
        assert_close(&got, &plain(&items, &users, dim, k, &skip));
    }
}

/// The portable target rounds twice where this test's sum rounds once, so only nearly equal.
fn assert_close(got: &[Scored], want: &[Scored]) {
    assert_eq!(got.len(), want.len());
    for (got, want) in got.iter().zip(want) {
        assert_eq!(got.len(), want.len());
        assert!(got.iter().zip(want).all(|(g, w)| (g.1 - w.1).abs() < 1e-4), "{got:?} {want:?}");
        assert!(got.windows(2).all(|w| w[1].1 < w[0].1 || (w[1].1 == w[0].1 && w[0].0 < w[1].0)));
    }
}

#[test]
fn equal_scores_go_to_the_lower_item() {
    let items = [1.0f32, 2.0].repeat(5_000);
    let lists = top_k(&items, &[1.0, 0.0], 2, 5, &|_| &[]).unwrap();
    assert_eq!(lists[0].iter().map(|s| s.0).collect::<Vec<_>>(), [0, 1, 2, 3, 4]);
    let lists = top_k(&items, &[0.0; 40], 2, 3, &|_| &[0, 2]).unwrap();
    assert!(lists.iter().all(|l| *l == [(1, 0.0), (3, 0.0), (4, 0.0)]));
}

#[test]
fn neither_threads_nor_batch_change_a_list() {
    let (items, users) = (numbers(20_000 * 10, 0.7), numbers(100 * 10, 1.0));
    let with = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| top_k(&items, &users, 10, 30, &|_| &[]).unwrap())
    };
    let one = with(1);
    assert_eq!(with(3), one);
    for (user, list) in users.chunks(10).zip(&one) {
        assert_eq!(&top_k(&items, user, 10, 30, &|_| &[]).unwrap()[0], list);
    }
}

#[test]
fn arguments_without_sense_give_an_error_or_a_sensible_list() {
    let none = |_: usize| -> &'static [u32] { &[] };
    assert_eq!(top_k(&[1.0], &[1.0], 0, 1, &none), Err(TopKError::NoDimensions));
    assert_eq!(
        top_k(&[1.0; 3], &[1.0; 2], 2, 1, &none),
        Err(TopKError::Shape { what: "items", len: 3, dim: 2 })
    );
    assert_eq!(
        top_k(&[1.0; 2], &[1.0; 3], 2, 1, &none),
        Err(TopKError::Shape { what: "users", len: 3, dim: 2 })
    );
    assert_eq!(top_k(&[], &[], 2, 1, &none).unwrap(), Vec::<Scored>::new());
    assert_eq!(top_k(&[], &[1.0, 2.0], 2, 9, &none).unwrap(), vec![Scored::new()]);
    assert_eq!(top_k(&[1.0, 2.0], &[1.0, 2.0], 2, 0, &none).unwrap(), vec![Scored::new()]);
    assert_eq!(top_k(&[1.0, 2.0], &[1.0, 2.0], 2, usize::MAX, &none).unwrap(), vec![vec![(0, 5.0)]]);
    let broken = [f32::NAN, f32::INFINITY, f32::MAX, 1.0];
    assert_eq!(top_k(&broken, &[1e30], 1, 4, &none).unwrap(), vec![vec![(3, 1e30)]]);
    assert_eq!(top_k(&[1.0, 2.0], &[f32::NAN], 1, 2, &none).unwrap(), vec![Scored::new()]);
    assert_eq!(top_k(&[1.0, 2.0], &[1.0], 1, 2, &|_| &[0, 1, 7]).unwrap(), vec![Scored::new()]);
}

proptest! {
    #[test]
    fn any_search_is_a_full_sort(
        n_items in 0usize..200, batch in 0usize..20, k in 0usize..30, seed in 0u32..1000, coarse in 1f32..8.0,
    ) {
        // Few distinct values: plenty of ties, and sums that are exact on every target.
        let whole = |n, shift: f32| numbers(n, seed as f32 + shift).iter().map(|x| (x * coarse).round()).collect::<Vec<_>>();
        let (items, users) = (whole(n_items * 3, 0.0), whole(batch * 3, 0.5));
        let skip: Vec<Vec<u32>> = (0..batch as u32).map(|u| (0..200).filter(|i| (i * 3 + u) % 7 < 2).collect()).collect();
        let got = top_k(&items, &users, 3, k, &|u| &skip[u]).unwrap();
        prop_assert_eq!(got, plain(&items, &users, 3, k, &skip));
    }
}
