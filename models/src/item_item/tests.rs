use super::*;

fn params(k: usize) -> ItemItemParams {
    ItemItemParams::new(k, 0.0, 0.0, 0.5, 1000).unwrap()
}

fn small() -> Interactions {
    Interactions::from_rows(
        4,
        [vec![(0, 2.0), (1, 1.0)], vec![(0, 1.0), (1, 3.0), (2, 1.0)], vec![(2, 5.0)], vec![]],
    )
    .unwrap()
}

#[test]
fn similarities_are_cosines() {
    let n = Neighbours::fit(&small(), &params(10));
    let want = (2.0 * 1.0 + 1.0 * 3.0) / (5f32.sqrt() * 10f32.sqrt());
    let (items, sims) = n.row(0);
    assert_eq!(items, [1, 2]);
    assert!((sims[0] - want).abs() < 1e-6);
    assert_eq!(n.row(3), (&[][..], &[][..]));
    assert_eq!(n.row(4), (&[][..], &[][..]));
    assert_eq!(n.row(u32::MAX), (&[][..], &[][..]));
}

#[test]
fn shrinkage_and_user_weight_dampen() {
    let plain = Neighbours::fit(&small(), &params(10));
    let shrunk = Neighbours::fit(&small(), &ItemItemParams::new(10, 2.0, 0.0, 0.5, 1000).unwrap());
    // Items 0 and 1 share two users, 0 and 2 one.
    assert!((shrunk.row(0).1[0] - plain.row(0).1[0] * 0.5).abs() < 1e-6);
    assert!((shrunk.row(0).1[1] - plain.row(0).1[1] / 3.0).abs() < 1e-6);
    let damped = Neighbours::fit(&small(), &ItemItemParams::new(10, 0.0, 1.0, 0.5, 1000).unwrap());
    let (dot, n0, n1) = (2f64 / 2.0 + 3.0 / 3.0, 4.0 / 2.0 + 1.0 / 3.0, 1.0 / 2.0 + 9.0 / 3.0);
    assert!((damped.row(0).1[0] - (dot / f64::sqrt(n0 * n1)) as f32).abs() < 1e-6);
}

#[test]
fn the_k_nearest_are_kept_and_ties_go_to_the_lower_index() {
    let data = Interactions::from_rows(5, (0..4).map(|_| (0..5).map(|i| (i, 1.0)).collect())).unwrap();
    let n = Neighbours::fit(&data, &params(2));
    assert_eq!(n.row(0).0, [1, 2]);
    assert_eq!(n.row(3).0, [0, 1]);
}

#[test]
fn a_long_history_is_cut_to_its_strongest() {
    let data = Interactions::from_rows(4, [vec![(0, 1.0), (1, 3.0), (2, 1.0), (3, 2.0)]]).unwrap();
    let n = Neighbours::fit(&data, &ItemItemParams::new(9, 0.0, 0.0, 0.5, 3).unwrap());
    assert_eq!((n.row(0).0.len(), n.row(1).0.len(), n.row(2).0.len()), (2, 2, 0));
}

#[test]
fn refitting_some_items_gives_the_rows_of_a_whole_fit() {
    let rows =
        (0..60).map(|u| (0..25).filter(|i| (u * 7 + i * 3) % 5 < 2).map(|i| (i as u32, 1.0)).collect());
    let data = Interactions::from_rows(25, rows.collect::<Vec<_>>()).unwrap();
    let p = ItemItemParams::new(6, 1.0, 0.5, 0.4, 1000).unwrap();
    let whole = Neighbours::fit(&data, &p);
    let some = Neighbours::refit_items(&data, &p, &[24, 0, 3]);
    for (item, row) in &some {
        let (items, sims) = whole.row(*item);
        assert_eq!(row, &items.iter().copied().zip(sims.iter().copied()).collect::<Vec<_>>());
    }
    assert_eq!(whole.with_rows(25, &some).unwrap(), whole);
    let emptied = whole.with_rows(26, &[(3, vec![])]).unwrap();
    assert_eq!((emptied.n_items(), emptied.row(3).0.len(), emptied.row(25).0.len()), (26, 0, 0));
    assert!(whole.with_rows(25, &[(25, vec![])]).is_err());
}

#[test]
fn scores_add_up_and_name_the_largest_share() {
    let rows = [vec![(2, 0.5)], vec![(2, 0.4), (0, 0.1)], vec![]];
    let n = Neighbours::from_rows(2, &rows).unwrap();
    let mut scratch = NeighbourScratch::default();
    for _ in 0..2 {
        let mut got = n.score(&[(0, 1.0), (1, 2.0), (9, 1.0), (1, f32::NAN), (0, -1.0)], &mut scratch);
        got.sort_by_key(|s| s.item);
        assert_eq!(got.len(), 2);
        assert_eq!((got[0].item, got[0].evidence), (0, 1));
        assert!((got[1].score - 1.3).abs() < 1e-6 && got[1].evidence == 1);
    }
    assert_eq!(n.score(&[], &mut scratch), vec![]);
}

#[test]
fn lists_that_make_no_sense_are_refused() {
    let of = |row: Vec<(u32, f32)>| Neighbours::from_rows(2, &[row, vec![]]).unwrap_err();
    assert!(matches!(of(vec![(2, 0.1)]), NeighboursError::Range { .. }));
    assert!(matches!(of(vec![(0, 0.1)]), NeighboursError::Range { .. }));
    assert!(matches!(of(vec![(1, f32::NAN)]), NeighboursError::NotFinite { .. }));
    assert!(matches!(of(vec![(1, 0.1); 3]), NeighboursError::TooMany { .. }));
    assert!(ItemItemParams::new(0, 0.0, 0.0, 0.5, 9).is_err());
    assert!(ItemItemParams::new(1, f64::NAN, 0.0, 0.5, 9).is_err());
}

#[test]
fn what_lies_close_in_a_history_is_nearer() {
    // Items 0 and 1 are always touched one after the other, 0 and 2 with two in between.
    let rows = (0..3).map(|_| vec![(0, 1.0), (1, 1.0), (3, 1.0), (2, 1.0)]);
    let data = Interactions::from_rows(4, rows).unwrap();
    let close = Neighbours::fit(&data, &params(9).with_proximity(1.0, 0.2).unwrap());
    assert_eq!(close.row(0).0, [1, 3, 2]);
    let want = [0.2 + 0.8 / 2.0, 0.2 + 0.8 / 4.0, 0.2 + 0.8 / 8.0];
    assert!(close.row(0).1.iter().zip(want).all(|(got, want)| (got - want as f32).abs() < 1e-6));
    let blind = Neighbours::fit(&data, &params(9).with_proximity(1.0, 1.0).unwrap());
    assert_eq!(blind, Neighbours::fit(&data, &params(9)));
    assert!(params(9).with_proximity(0.0, 0.5).is_err() && params(9).with_proximity(1.0, 1.1).is_err());
}
