use super::*;
use crate::item_item::{ItemItemParams, Neighbours};
use crate::matrix::Interactions;
use crate::model::{LearnEvent, Rated};

const FORMULAS: [Similarity; 3] = [Similarity::Cosine, Similarity::Jaccard, Similarity::Pearson];

/// Ratings 1 to 5 of 25 users for 12 items, with gaps.
fn ratings() -> Vec<Vec<(u32, f32)>> {
    let value = |u: u32, i: u32| 1.0 + ((u * 7 + i * 5 + u * i) % 5) as f32;
    (0..25)
        .map(|u| {
            (0..12_u32).filter(|i| !(u * 3 + i * 7).is_multiple_of(4)).map(|i| (i, value(u, i))).collect()
        })
        .collect()
}

/// The formulas as a textbook has them, from two whole rows.
fn plain(formula: Similarity, a: &[f64], b: &[f64], shrinkage: f64) -> f64 {
    let shared: Vec<(f64, f64)> =
        a.iter().copied().zip(b.iter().copied()).filter(|(x, y)| 0.0 < *x && 0.0 < *y).collect();
    let n = shared.len() as f64;
    let size = |v: &[f64]| v.iter().filter(|x| 0.0 < **x).count() as f64;
    let similarity = match formula {
        Similarity::Cosine => {
            let norm = |v: &[f64]| v.iter().map(|x| x * x).sum::<f64>().sqrt();
            shared.iter().map(|(x, y)| x * y).sum::<f64>() / (norm(a) * norm(b))
        }
        Similarity::Jaccard => n / (size(a) + size(b) - n),
        Similarity::Pearson => {
            let (mx, my) =
                (shared.iter().map(|p| p.0).sum::<f64>() / n, shared.iter().map(|p| p.1).sum::<f64>() / n);
            let over =
                |f: &dyn Fn(f64, f64) -> f64| shared.iter().map(|(x, y)| f(x - mx, y - my)).sum::<f64>();
            over(&|x, y| x * y) / (over(&|x, _| x * x) * over(&|_, y| y * y)).sqrt()
        }
    };
    if similarity.is_finite() { similarity * n / (n + shrinkage) } else { 0.0 }
}

fn columns(rows: &[Vec<(u32, f32)>]) -> Vec<Vec<f64>> {
    let mut made = vec![vec![0.0; rows.len()]; 12];
    for (u, row) in rows.iter().enumerate() {
        row.iter().for_each(|&(i, s)| made[i as usize][u] = f64::from(s));
    }
    made
}

#[test]
fn neighbours_in_batch_and_in_a_stream_are_the_textbooks() {
    let rows = ratings();
    let columns = columns(&rows);
    let data = Interactions::from_rows(12, rows.clone()).unwrap();
    for formula in FORMULAS {
        let params = ItemItemParams::new(50, 2.0, 0.0, 0.5, 1000).unwrap().with_similarity(formula);
        let batch = Neighbours::fit(&data, &params);
        let params = StreamParams::new(formula, 1e6, 2.0, 50, 1000, 1000).unwrap();
        let (mut items, mut users) = (ItemStream::new(params), UserStream::new(params));
        for (user, row) in (0u32..).zip(&rows) {
            for &(item, value) in row {
                items.learn(&Rated { user, item, value, at_s: 0 });
                users.learn(&Rated { user, item, value, at_s: 0 });
            }
        }
        for item in 0..12u32 {
            let want = |other: u32| plain(formula, &columns[item as usize], &columns[other as usize], 2.0);
            let (near, sims) = batch.row(item);
            let streamed = items.nearest(item);
            let positive = (0..12).filter(|&other| other != item && 1e-6 < want(other)).count();
            assert_eq!((near.len(), streamed.len()), (positive, positive), "{formula:?} {item}");
            for (other, sim) in near.iter().copied().zip(sims.iter().copied()).chain(streamed) {
                assert!(
                    (f64::from(sim) - want(other)).abs() < 1e-5,
                    "{formula:?} {item} {other}: {sim} {}",
                    want(other)
                );
            }
        }
        let dense = |row: &Vec<(u32, f32)>| {
            let mut v = vec![0.0; 12];
            row.iter().for_each(|&(i, s)| v[i as usize] = f64::from(s));
            v
        };
        let knn = UserKnn::fit(&data, &UserKnnParams::new(formula, 99, 2.0, 0.0, 0.0, 0.5).unwrap());
        for user in [0usize, 7, 24] {
            let want = |other: u32| plain(formula, &dense(&rows[user]), &dense(&rows[other as usize]), 2.0);
            for (other, sim) in users.nearest(user as u32) {
                assert!((f64::from(sim) - want(other)).abs() < 1e-5, "{formula:?} users {user} {other}");
            }
            // The cosine of a history leaves out what is the same for all: the history's own norm.
            let own = if formula == Similarity::Cosine {
                dense(&rows[user]).iter().map(|x| x * x).sum::<f64>().sqrt()
            } else {
                1.0
            };
            for (other, sim) in knn.nearest(&rows[user]) {
                assert!((f64::from(sim) / own - want(other)).abs() < 1e-5, "{formula:?} knn {user} {other}");
            }
        }
    }
}

#[test]
fn what_is_old_fades() {
    let params = StreamParams::new(Similarity::Cosine, 1.0, 0.0, 10, 100, 100).unwrap();
    let mut stream = ItemStream::new(params);
    let day = 86_400;
    let mut learn = |user: u32, item: u32, days: i64| {
        stream.learn(&Rated { user, item, value: 1.0, at_s: days * day });
    };
    // Ten users had 0 with 1 long ago, two have 0 with 2 now.
    (0..10).for_each(|u| [0, 1].into_iter().for_each(|i| learn(u, i, 0)));
    (10..12).for_each(|u| [0, 2].into_iter().for_each(|i| learn(u, i, 20)));
    assert_eq!(stream.nearest(0)[0].0, 2);
    let top = stream.top(10, 20 * day, &[0, 2], 5);
    assert_eq!(top.iter().map(|x| x.0).collect::<Vec<_>>(), [1]);
}

#[test]
fn memory_is_bounded_and_nonsense_is_passed_over() {
    let params = StreamParams::new(Similarity::Cosine, 10.0, 0.0, 1000, 5, 8).unwrap();
    let (mut items, mut users) = (ItemStream::new(params), UserStream::new(params));
    let streams: [&mut dyn LearnEvent; 2] = [&mut items, &mut users];
    for stream in streams {
        assert_eq!(stream.top(0, 0, &[], 5), []);
        for (value, at_s) in [(f32::NAN, 0), (f32::INFINITY, 0), (-1.0, 0), (0.0, 0)] {
            stream.learn(&Rated { user: 0, item: 0, value, at_s });
        }
        assert_eq!(stream.top(0, 0, &[], 5), []);
        for (value, at_s) in
            [(1.0, i64::MAX), (1.0, i64::MIN), (f32::MAX, 0), (f32::MIN_POSITIVE, -1), (2.0, 3)]
        {
            for n in 0..40u32 {
                stream.learn(&Rated { user: n % 3, item: n.wrapping_mul(0x9e37_79b9), value, at_s });
            }
        }
        for (user, at_s, k) in [(0, 0, 5), (1, i64::MAX, usize::MAX), (u32::MAX, i64::MIN, 0)] {
            let top = stream.top(user, at_s, &[0], k);
            assert!(top.len() <= k && top.iter().all(|x| x.1.is_finite() && x.0 != 0));
        }
    }
    assert!((0..40u32).all(|n| items.nearest(n.wrapping_mul(0x9e37_79b9)).len() <= 8));
}

#[test]
fn parameters_out_of_range_are_named() {
    let stream = |half, shrinkage, k, recent, near| {
        StreamParams::new(Similarity::Cosine, half, shrinkage, k, recent, near).unwrap_err().to_string()
    };
    assert!(stream(0.0, 0.0, 1, 1, 2).starts_with("neighbour_stream.half_life_days is 0"));
    assert!(stream(1.0, f64::NAN, 1, 1, 2).starts_with("neighbour_stream.shrinkage is NaN"));
    assert!(stream(1.0, 0.0, 0, 1, 2).starts_with("neighbour_stream.k is 0"));
    assert!(stream(1.0, 0.0, 1, 0, 2).starts_with("neighbour_stream.recent_max is 0"));
    assert!(stream(1.0, 0.0, 1, 1, 1).starts_with("neighbour_stream.near_max is 1"));
    let users =
        |k, item, target, size| UserKnnParams::new(Similarity::Cosine, k, 0.0, item, target, size).is_err();
    assert!(
        users(0, 0.0, 0.0, 0.5)
            && users(1, -1.0, 0.0, 0.5)
            && users(1, 0.0, 3.0, 0.5)
            && users(1, 0.0, 0.0, f64::NAN)
    );
}
