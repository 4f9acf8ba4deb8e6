//! Each ready question of a generated shop, its answer counted once more in plain loops.

use std::collections::{BTreeMap, BTreeSet};

use shoptide_query::ready::{READY, Ready};

use crate::common::*;

fn sql(name: &str) -> &'static str {
    Ready::named(name).unwrap().sql
}

#[test]
fn each_says_what_it_tells() {
    for ready in READY {
        assert!(40 < ready.meaning().len(), "{}: {}", ready.name, ready.meaning());
    }
    assert!(Ready::named("nothing").is_none());
}

#[tokio::test]
async fn the_funnel_is_what_users_did_in_order() {
    let lake = lake(11, 4_000);
    // By pair: first look, first and last put into the cart, last purchase.
    type Pair = (Vec<u8>, Vec<u8>);
    let mut pairs: BTreeMap<Pair, [Option<i64>; 4]> = BTreeMap::new();
    for event in &lake.events {
        let place = match event.event.event_type.name() {
            "view_item" => 0,
            "add_to_cart" => 1,
            "purchase" => 3,
            _ => continue,
        };
        let at = event.event.at.0;
        let pair = pairs.entry((event.user(), event.item().unwrap())).or_default();
        match place {
            0 => pair[0] = Some(pair[0].map_or(at, |t| t.min(at))),
            1 => {
                pair[1] = Some(pair[1].map_or(at, |t| t.min(at)));
                pair[2] = Some(pair[2].map_or(at, |t| t.max(at)));
            }
            _ => pair[3] = Some(pair[3].map_or(at, |t| t.max(at))),
        }
    }
    let (mut counts, mut users) = ([0_u64; 3], [const { BTreeSet::new() }; 3]);
    for ((user, _), [viewed, carted, carted_last, bought]) in &pairs {
        let Some(viewed) = viewed else { continue };
        let steps = match (carted, carted_last, bought) {
            (Some(carted), Some(last), Some(bought)) if viewed <= last && carted <= bought => 3,
            (_, Some(last), _) if viewed <= last => 2,
            _ => 1,
        };
        for step in 0..steps {
            counts[step] += 1;
            users[step].insert(user.clone());
        }
    }
    assert!(0 < counts[2] && counts[2] < counts[1] && counts[1] < counts[0], "{counts:?}");
    let found = rows(&lake.shop, sql("funnel")).await;
    let mut expected: Vec<String> = users.iter().map(|u| u.len().to_string()).collect();
    expected.extend(counts.map(|n| n.to_string()));
    assert_eq!(found[0][..6], expected);
    let percent: f64 = found[0][6].parse().unwrap();
    assert!((percent - 100.0 * counts[1] as f64 / counts[0] as f64).abs() < 0.006, "{percent}");
}

#[tokio::test]
async fn retention_counts_who_came_back() {
    let lake = lake(12, 400);
    let mut weeks: BTreeMap<Vec<u8>, BTreeSet<i64>> = BTreeMap::new();
    for event in &lake.events {
        // Days since a Monday.
        weeks.entry(event.user()).or_default().insert((event.day() - FIRST_DAY).div_euclid(7));
    }
    let mut counted: BTreeMap<(i64, i64), u64> = BTreeMap::new();
    for weeks in weeks.values() {
        let first = *weeks.first().unwrap();
        weeks.iter().for_each(|week| *counted.entry((first, week - first)).or_default() += 1);
    }
    let expected: Vec<Vec<String>> = counted
        .iter()
        .map(|((cohort, later), users)| {
            let date = shoptide_lake::date_name((FIRST_DAY + 7 * cohort) as u32);
            vec![date, later.to_string(), users.to_string()]
        })
        .collect();
    let found = rows(&lake.shop, sql("retention")).await;
    assert_eq!(found.iter().map(|row| row[..3].to_vec()).collect::<Vec<_>>(), expected);
    for row in &found {
        let cohort = found.iter().find(|first| first[0] == row[0]).unwrap();
        let share = 100.0 * row[2].parse::<f64>().unwrap() / cohort[2].parse::<f64>().unwrap();
        assert!((share - row[3].parse::<f64>().unwrap()).abs() < 0.006, "{row:?}");
    }
}

#[tokio::test]
async fn pairs_of_a_basket_are_counted_by_order() {
    let lake = lake(13, 3_000);
    let mut baskets: BTreeMap<(Vec<u8>, String), BTreeSet<Vec<u8>>> = BTreeMap::new();
    for event in &lake.events {
        if let Some(order) = event.event.order_line() {
            baskets.entry((event.user(), order.order.clone())).or_default().insert(event.item().unwrap());
        }
    }
    let mut together: BTreeMap<(Vec<u8>, Vec<u8>), u64> = BTreeMap::new();
    let mut sold: BTreeMap<Vec<u8>, u64> = BTreeMap::new();
    for items in baskets.values() {
        for a in items {
            *sold.entry(a.clone()).or_default() += 1;
            items.iter().filter(|b| a < *b).for_each(|b| {
                *together.entry((a.clone(), b.clone())).or_default() += 1;
            });
        }
    }
    let mut pairs: Vec<_> = together.into_iter().collect();
    pairs.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    assert!(1 < pairs[0].1);
    let found = rows(&lake.shop, sql("basket_pairs")).await;
    assert_eq!(found.len(), pairs.len().min(100));
    for (row, ((a, b), n)) in found.iter().zip(&pairs) {
        let name = |id: &[u8]| String::from_utf8(id.to_vec()).unwrap();
        assert_eq!(row[..3], [name(a), name(b), n.to_string()]);
        let lift = *n as f64 * baskets.len() as f64 / sold[a] as f64 / sold[b] as f64;
        assert!((lift - row[5].parse::<f64>().unwrap()).abs() < 0.006, "{row:?}: {lift}");
        let share = *n as f64 / sold[a] as f64;
        assert!((share - row[3].parse::<f64>().unwrap()).abs() < 0.0001, "{row:?}: {share}");
    }
}

#[tokio::test]
async fn movers_are_those_of_the_last_week() {
    let lake = lake(14, 3_000);
    let last = lake.events.iter().map(Logged::day).max().unwrap();
    let mut weeks: BTreeMap<Vec<u8>, [BTreeSet<Vec<u8>>; 2]> = BTreeMap::new();
    for event in &lake.events {
        let age = last - event.day();
        let (Some(item), true) = (event.item(), age < 14) else { continue };
        weeks.entry(item).or_default()[usize::from(7 <= age)].insert(event.event.id.as_bytes().to_vec());
    }
    let found = rows(&lake.shop, sql("top_movers")).await;
    assert_eq!(found.len(), weeks.len());
    let mut before = f64::INFINITY;
    for row in &found {
        let [now, then] = &weeks[row[0].as_bytes()];
        assert_eq!(row[1..3], [now.len().to_string(), then.len().to_string()]);
        let score = (now.len() as f64 - then.len() as f64) / ((now.len() + then.len()) as f64).sqrt();
        assert!((score - row[4].parse::<f64>().unwrap()).abs() < 0.006, "{row:?}: {score}");
        assert!(score.abs() <= before + 0.01, "{row:?}");
        before = score.abs();
    }
    // The generator lets those rise that have high numbers.
    assert!(found[0][0].as_bytes()[1] >= b'6' || found[0][0].len() == 3, "{:?}", found[0]);
}
