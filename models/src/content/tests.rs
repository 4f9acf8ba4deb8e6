use proptest::prelude::*;
use shoptide_schemas::{Currency, Micros};

use super::*;
use crate::matrix::Interactions;
use crate::model::RankItems;

fn titled(title: &str) -> ItemText<'_> {
    ItemText { title, ..ItemText::default() }
}

fn shop() -> Vec<ItemText<'static>> {
    let of = |title, category, brand, yuan: i64| ItemText {
        title,
        category,
        brand,
        price: Some((Micros(yuan * Micros::PER_UNIT), Currency(*b"CNY"))),
        ..ItemText::default()
    };
    vec![
        of("小米手机 大屏", "technology/phone", "小米", 1999),
        of("华为手机 拍照", "technology/phone", "华为", 4999),
        of("小米蓝牙耳机", "technology/audio", "小米", 199),
        of("running shoes", "sports/shoes", "tide", 399),
        of("shoes for runners", "sports/shoes", "reef", 429),
        ItemText::default(),
    ]
}

#[test]
fn the_nearest_are_of_the_same_kind() {
    let index = ContentIndex::fit(&shop(), &ContentParams::default());
    let all = index.all_neighbours(3);
    assert_eq!((all[3][0].0, all[4][0].0), (4, 3));
    assert_eq!((all[0][0].0, all[0].len()), (1, 2));
    assert!(all[5].is_empty() && index.neighbours(99, 3, &mut ContentScratch::default()).is_empty());
    let query = index.vector(&titled("拍照好的手机 unheard-of"));
    let mut out = vec![];
    index.score(&query, &mut ContentScratch::default(), &mut out);
    assert_eq!(crate::model::best(out, &[], 1)[0].0, 1);
}

#[test]
fn the_price_tells_apart_what_is_else_alike() {
    let at = |yuan: i64| ItemText {
        price: Some((Micros(yuan * Micros::PER_UNIT), Currency(*b"CNY"))),
        ..titled("phone")
    };
    let index = ContentIndex::fit(&[at(1000), at(9000), at(1100), at(8500)], &ContentParams::default());
    let all = index.all_neighbours(1);
    assert_eq!(all.iter().map(|n| n[0].0).collect::<Vec<_>>(), [2, 3, 0, 1]);
}

#[test]
fn a_user_gets_what_is_like_what_they_liked() {
    let index = ContentIndex::fit(&shop(), &ContentParams::default());
    let users = [vec![(0, 1.0)], vec![(3, 2.0)], vec![(5, 1.0)], vec![]];
    let users = Interactions::from_rows(6, users).unwrap();
    let model = ContentRank { index: &index, users: &users };
    let items = |user, skip: &[u32], k| model.top(user, skip, k).iter().map(|s| s.0).collect::<Vec<_>>();
    assert_eq!(items(1, &[3], 9), [4]);
    assert_eq!(items(0, &[0], 2), [1, 2]);
    assert_eq!(
        (items(2, &[], 5), items(3, &[], 5), items(77, &[], 5), items(0, &[], 0)),
        (vec![], vec![], vec![], vec![])
    );
}

#[test]
fn bad_input_is_passed_over() {
    let params = ContentParams::default();
    let none = ContentIndex::fit(&[], &params);
    assert!(none.all_neighbours(5).is_empty() && none.profile(&[(0, 1.0)]).is_empty());
    let index = ContentIndex::fit(&shop(), &params);
    let profile = index.profile(&[(0, f32::NAN), (1, f32::INFINITY), (2, -1.0), (88, 1.0)]);
    assert!(profile.is_empty());
    let doubled = index.profile(&[(0, 1.0), (0, 1.0)]);
    let once = index.profile(&[(0, 7.0)]);
    assert!(doubled.len() == once.len() && doubled.iter().zip(&once).all(|(a, b)| (a.1 - b.1).abs() < 1e-6));
    assert!(index.profile(&[(0, f32::MAX), (1, f32::MAX)]).iter().all(|(_, w)| w.is_finite()));
    let mut out = vec![];
    index.score(&[(0, f32::NAN), (u32::MAX, 1.0)], &mut ContentScratch::default(), &mut out);
    assert!(out.is_empty());
    // All the same item: each is the others' neighbour, by number.
    let same = ContentIndex::fit(&[titled("apple"); 4], &params);
    assert_eq!(same.all_neighbours(9)[2].iter().map(|n| n.0).collect::<Vec<_>>(), [0, 1, 3]);
    let rare = ContentParams::new(FieldWeights::default(), 1.0, 2).unwrap();
    assert!(ContentIndex::fit(&[titled("apple"); 4], &rare).all_neighbours(9)[2].is_empty());
    let mut far = ContentIndex::fit(&[], &params);
    assert!(!far.upsert(u32::MAX, &titled("apple")) && far.n_items() == 0);
}

#[test]
fn threads_do_not_show() {
    let titles: Vec<String> = (0..700).map(|i| format!("w{} w{} w{}", i % 7, i % 31, i % 53)).collect();
    let items: Vec<ItemText<'_>> = titles.iter().map(|t| titled(t)).collect();
    let run = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| ContentIndex::fit(&items, &ContentParams::default()).all_neighbours(10))
    };
    assert_eq!(run(1), run(3));
}

proptest! {
    #[test]
    fn upserts_end_where_a_fit_with_the_same_frequencies_would(
        words in prop::collection::vec("[a-f]{1,2} [a-f]{1,2} [x-z]", 2..12),
        order in prop::collection::vec(0usize..12, 0..30),
    ) {
        let items: Vec<ItemText<'_>> = words.iter().map(|w| titled(w)).collect();
        let fitted = ContentIndex::fit(&items, &ContentParams::default());
        let mut moved = fitted.clone();
        for &i in &order {
            let item = (i % items.len()) as u32;
            moved.upsert(item, &titled("something else"));
            moved.upsert(item, &items[item as usize]);
        }
        for item in 0..items.len() as u32 {
            prop_assert_eq!(moved.item(item), fitted.item(item));
        }
        prop_assert_eq!(moved.all_neighbours(5), fitted.all_neighbours(5));
    }
}

#[test]
fn a_new_item_has_neighbours_at_once_and_a_removed_one_none() {
    let mut index = ContentIndex::fit(&shop(), &ContentParams::default());
    index.upsert(8, &titled("shoes for trails"));
    assert_eq!(index.n_items(), 9);
    let scratch = &mut ContentScratch::default();
    assert_eq!(index.neighbours(8, 2, scratch).len(), 2);
    index.remove(4);
    assert_eq!(index.neighbours(8, 2, scratch).iter().map(|n| n.0).collect::<Vec<_>>(), [3]);
    index.remove(99);
}
