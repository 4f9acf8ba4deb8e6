//! The generated shop from outside: the same bytes for a seed, shares as asked for, every event good, and a structure
//! that a personalised list can find.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::time::Instant;

use shoptide_jobs::shop::{Group, Shop, ShopOptions, ShopParams, Visitors};
use shoptide_schemas::time::DAY_MS;
use shoptide_schemas::wire::{self, WireEvent, WireTime};
use shoptide_schemas::{CatalogueChange, EventType, catalogue};
use xxhash_rust::xxh3::Xxh3;

const END_MS: i64 = 1_790_000_000_000;

fn shop(change: impl FnOnce(&mut ShopOptions)) -> Shop {
    let mut options = ShopOptions::demo(42, END_MS);
    change(&mut options);
    Shop::new(ShopParams::new(options).unwrap())
}

fn at_ms(event: &WireEvent) -> i64 {
    match event.occurred_at {
        Some(WireTime::Ms(ms)) => ms,
        _ => panic!("generated times are milliseconds"),
    }
}

fn hash_of(shop: &Shop) -> u64 {
    let mut hash = Xxh3::new();
    for row in shop.catalogue() {
        hash.update(&serde_json::to_vec(&row).unwrap());
    }
    for event in shop.events() {
        hash.update(&serde_json::to_vec(&event).unwrap());
    }
    hash.digest()
}

#[test]
fn the_same_seed_gives_the_same_bytes_everywhere() {
    assert_eq!(
        hash_of(&shop(|_| ())),
        4_047_333_506_644_963_880,
        "pinned: a change here changes every generated shop"
    );
    assert_ne!(hash_of(&shop(|o| o.seed = 43)), hash_of(&shop(|_| ())));
}

#[test]
fn every_event_is_good_and_shares_are_as_asked_for() {
    let shop = shop(|_| ());
    let (mut ids, mut users, mut types) = (HashMap::new(), HashSet::new(), BTreeMap::new());
    let (mut repeats, mut late, mut out_of_order, mut before) = (0, 0, 0, i64::MIN);
    let mut newest = i64::MIN;
    for event in shop.events() {
        let bytes = serde_json::to_vec(&event).unwrap();
        let checked =
            wire::decode(&bytes).unwrap_or_else(|e| panic!("{e}: {}", String::from_utf8_lossy(&bytes)));
        *types.entry(checked.event_type).or_insert(0_u32) += 1;
        match ids.insert(event.event_id.clone().unwrap(), bytes.clone()) {
            Some(first) => {
                repeats += 1;
                assert_eq!(first, bytes, "a repeat is the same event");
                continue;
            }
            None => users.insert(checked.user),
        };
        newest = newest.max(checked.at.0);
        if checked.at.0 < END_MS - 39 * DAY_MS {
            late += 1;
            continue;
        }
        assert!(END_MS - 25 * DAY_MS - 90_000 <= checked.at.0 && checked.at.0 <= END_MS);
        out_of_order += u32::from(checked.at.0 < before);
        before = checked.at.0;
    }
    let total: u32 = types.values().sum();
    assert_eq!((total, repeats, users.len(), newest), (50_000, 500, 1_000, END_MS));
    assert!((25..100).contains(&late), "{late} late");
    assert!((500..4_000).contains(&out_of_order), "{out_of_order} out of order");
    let share = |t: EventType| f64::from(types.get(&t).copied().unwrap_or(0)) / f64::from(total);
    for (event_type, low, high) in [
        (EventType::ViewItem, 0.5, 0.75),
        (EventType::Search, 0.04, 0.1),
        (EventType::AddToCart, 0.05, 0.15),
        (EventType::AddToWishlist, 0.01, 0.06),
        (EventType::RemoveFromCart, 0.004, 0.03),
        (EventType::BeginCheckout, 0.02, 0.08),
        (EventType::Purchase, 0.02, 0.08),
        (EventType::Refund, 0.000_5, 0.01),
        (EventType::RateItem, 0.004, 0.03),
        (EventType::ForumPost, 0.002, 0.02),
        (EventType::ForumReply, 0.002, 0.02),
        (EventType::ForumLike, 0.001, 0.02),
        (EventType::RecommendationFeedback, 0.002, 0.02),
    ] {
        assert!(
            (low..high).contains(&share(event_type)),
            "{} is {:.4}",
            event_type.name(),
            share(event_type)
        );
    }
}

#[test]
fn repeats_come_within_200_events_of_their_user() {
    let (mut counts, mut seen) = (HashMap::<String, u64>::new(), HashMap::<String, u64>::new());
    for event in shop(|o| o.duplicate_per_mille = 100).events() {
        let own = counts.entry(event.user_id.unwrap()).or_default();
        *own += 1;
        if let Some(first) = seen.insert(event.event_id.unwrap(), *own) {
            assert!(*own - first <= 200);
        }
    }
}

#[test]
fn every_catalogue_row_is_good_and_bilingual() {
    let shop = shop(|_| ());
    let (mut ids, mut groups, mut sold_out, mut hidden) = (BTreeSet::new(), BTreeMap::new(), 0, 0);
    for row in shop.catalogue() {
        let event = catalogue::decode(&serde_json::to_vec(&row).unwrap()).unwrap();
        let CatalogueChange::Upsert(fields) = event.change else { panic!("an upsert") };
        ids.insert(event.item.to_string());
        let category = fields.category.unwrap();
        *groups.entry(category.split_once('/').unwrap().0.to_owned()).or_insert(0) += 1;
        assert!(!fields.title.unwrap().is_ascii() && fields.titles.unwrap()["en"].is_ascii());
        let tags = fields.tags.unwrap();
        assert!(tags.iter().any(|t| t.is_ascii()) && tags.iter().any(|t| !t.is_ascii()));
        assert!(fields.price.is_some() && fields.brand.is_some() && fields.description.is_some());
        sold_out += u32::from(fields.stock == Some(0));
        hidden += u32::from(fields.hidden == Some(true));
    }
    assert_eq!(ids.len(), 600);
    for id in ["TECH1005", "FASH2010", "SPRT3015"] {
        assert!(ids.contains(id), "{id}");
    }
    assert_eq!(groups.into_values().collect::<Vec<_>>(), [200, 200, 200]);
    assert!((1..60).contains(&sold_out) && (1..60).contains(&hidden), "{sold_out} sold out, {hidden} hidden");
    // Events name only items of the catalogue.
    assert!(shop.events().filter_map(|e| e.item_id).all(|i| ids.contains(&i)));
}

#[test]
fn users_stay_mostly_in_their_group() {
    let shop = shop(|_| ());
    let (mut inside, mut all) = (0_u32, 0_u32);
    for event in shop.events() {
        let Some(item) = event.item_id else { continue };
        let group = shop.group_of(event.user_id.as_deref().unwrap()).unwrap();
        let prefix = match group {
            Group::Technology => "TECH",
            Group::Fashion => "FASH",
            Group::Sports => "SPRT",
        };
        inside += u32::from(item.starts_with(prefix));
        all += 1;
    }
    assert!(0.85 < f64::from(inside) / f64::from(all), "{inside} of {all}");
    for stranger in ["U10000", "U10002", "U13001", "u10001", "U010001", "X"] {
        assert_eq!(shop.group_of(stranger), None, "{stranger}");
    }
    assert!(shop.group_of("U10001").is_some() && shop.group_of(&shop.user_id(999)).is_some());
}

/// Recall at 20 of unseen items, after the first 80 % of each user's events.
#[test]
fn neighbours_of_items_tell_more_than_popularity() {
    let shop = shop(|_| ());
    let mut numbers = BTreeMap::new();
    let mut histories = BTreeMap::<String, Vec<usize>>::new();
    for event in shop.events() {
        if let Some(item) = event.item_id {
            let next = numbers.len();
            let number = *numbers.entry(item).or_insert(next);
            histories.entry(event.user_id.unwrap()).or_default().push(number);
        }
    }
    let n = numbers.len();
    let (mut together, mut popular) = (vec![0.0_f64; n * n], vec![0.0_f64; n]);
    let mut cases = Vec::new();
    for history in histories.values() {
        let (before, after) = history.split_at(history.len() * 8 / 10);
        let known: BTreeSet<usize> = before.iter().copied().collect();
        let targets: BTreeSet<usize> = after.iter().copied().filter(|i| !known.contains(i)).collect();
        for a in &known {
            popular[*a] += 1.0;
            known.iter().for_each(|b| together[a * n + b] += 1.0);
        }
        if !targets.is_empty() {
            cases.push((known, targets));
        }
    }
    let recall = |scores: &dyn Fn(&BTreeSet<usize>, usize) -> f64| {
        let mut sum = 0.0;
        for (known, targets) in &cases {
            let mut ranked: Vec<(f64, usize)> =
                (0..n).filter(|i| !known.contains(i)).map(|i| (scores(known, i), i)).collect();
            ranked.sort_by(|a, b| b.0.total_cmp(&a.0));
            sum += ranked.iter().take(20).filter(|(_, i)| targets.contains(i)).count() as f64
                / targets.len() as f64;
        }
        sum / cases.len() as f64
    };
    let by_popularity = recall(&|_, i| popular[i]);
    let by_neighbours = recall(&|known, i| {
        known.iter().map(|k| together[k * n + i] / (popular[*k] * popular[i] + 1.0).sqrt()).sum()
    });
    println!("recall@20: popularity {by_popularity:.3}, item cosine {by_neighbours:.3}");
    assert!(3.0 * by_popularity < by_neighbours && 0.3 < by_neighbours);
}

#[test]
fn ten_million_users_and_a_hundred_million_events_begin_at_once() {
    let begun = Instant::now();
    let shop = shop(|o| (o.users, o.events) = (10_000_000, 100_000_000));
    let mut users = HashSet::new();
    let taken = shop.events().take(100_000).map(|e| users.insert(e.user_id.unwrap())).count();
    assert_eq!(taken, 100_000);
    assert!(5_000 < users.len());
    // Holding ten million users would take seconds; the figure is generous for unoptimised builds.
    assert!(begun.elapsed().as_secs() < 20, "{:?}", begun.elapsed());
}

/// The highest rate asked of it: planned steps must not pile up at the end of the span.
#[test]
fn a_dense_run_still_spreads_over_its_span() {
    let shop = shop(|o| (o.events, o.span_days, o.late_per_mille) = (400_000, 1, 0));
    let mut hours = [0_u32; 25];
    for event in shop.events() {
        hours[((END_MS - at_ms(&event)) / 3_600_000).clamp(0, 24) as usize] += 1;
    }
    let (least, most) = (hours[..24].iter().min().unwrap(), hours[..24].iter().max().unwrap());
    assert!(most < &(2 * least), "{hours:?}");
}

#[test]
fn tiny_shops_give_exactly_what_was_asked_for() {
    for (users, items, events) in [(1, 3, 1), (1, 3, 2), (2, 4, 37), (3, 7, 1_000)] {
        let shop =
            shop(|o| (o.users, o.items, o.events, o.duplicate_per_mille) = (users, items, events, 500));
        assert_eq!(shop.events().count() as u64, events, "{users} {items} {events}");
        assert_eq!(shop.catalogue().count() as u64, items);
        assert!(shop.events().all(|e| wire::check(e).is_ok()));
    }
}

#[test]
fn bad_events_appear_only_when_asked_for() {
    let shop = shop(|o| o.bad_per_mille = 100);
    let mut codes = BTreeMap::new();
    for event in shop.events() {
        let bytes = serde_json::to_vec(&event).unwrap();
        if let Err(reject) = wire::decode(&bytes) {
            *codes.entry(reject.code.as_str()).or_insert(0_u32) += 1;
        }
    }
    assert!((3_500..6_000).contains(&codes.values().sum::<u32>()), "{codes:?}");
    assert!(6 <= codes.len(), "{codes:?}");
}

#[test]
fn visitors_go_on_with_fresh_ids_at_the_time_they_are_given() {
    let shop = shop(|_| ());
    let mut ids: HashSet<String> = shop.events().map(|e| e.event_id.unwrap()).collect();
    let mut orders: HashSet<_> = shop.events().filter_map(|e| Some((e.order_id?, e.order_line?))).collect();
    for run in ["v1", "v2"] {
        let mut visitors = Visitors::new(&shop, run, END_MS).unwrap();
        let (mut users, mut order_lines) = (HashSet::new(), 0);
        for tick in 0..20_000 {
            let event = visitors.next_event(END_MS + tick);
            assert_eq!(at_ms(&event), END_MS + tick);
            assert!(ids.insert(event.event_id.clone().unwrap()));
            if event.event_type.as_deref() == Some("purchase") {
                order_lines += 1;
                assert!(orders.insert((event.order_id.clone().unwrap(), event.order_line.clone().unwrap())));
            }
            assert!(shop.group_of(event.user_id.as_deref().unwrap()).is_some());
            users.insert(event.user_id.clone());
            wire::check(event).unwrap();
        }
        assert!(900 < users.len() && 100 < order_lines, "{} users, {order_lines} lines", users.len());
        // A clock that goes back is taken as standing still.
        assert_eq!(at_ms(&visitors.next_event(0)), END_MS + 19_999);
    }
    assert!(Visitors::new(&shop, "a b", END_MS).is_err());
}

#[test]
fn bounds_are_named() {
    for (change, message) in [
        ((|o| o.users = 0) as fn(&mut ShopOptions), "users is 0, expected 1 to 10000000"),
        (|o| o.users = 10_000_001, "users is 10000001, expected 1 to 10000000"),
        (|o| o.items = 2, "items is 2, expected 3 to 1000000"),
        (|o| o.events = 0, "events is 0, expected 1 to 100000000000"),
        (|o| o.span_days = 366, "span_days is 366, expected 1 to 365"),
        (|o| o.bad_per_mille = 501, "bad_per_mille is 501, expected 0 to 500"),
        (|o| o.run = "a b".into(), "run is \"a b\", expected 1 to 24 ASCII letters, digits, - or _"),
        (
            |o| o.end_ms = 1_790_000_000,
            "end_ms is 1790000000, expected milliseconds, 662774400000 to 4102444799999",
        ),
    ] {
        let mut options = ShopOptions::demo(1, END_MS);
        change(&mut options);
        assert_eq!(ShopParams::new(options).unwrap_err().to_string(), message);
    }
}
