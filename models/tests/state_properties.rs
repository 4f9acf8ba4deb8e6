//! Properties of one part of one user: the fold, its bounds and its bytes.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::BTreeMap;

use proptest::prelude::*;
use shoptide_models::catalogue::{Catalogue, CatalogueBuilder, CatalogueItem};
use shoptide_models::state::{
    ACTS_PER_ITEM_MAX, CountChange, Counted, DEDUPE_WINDOW, Decision, Facts, ITEMS_PER_PART_MAX, Part,
    QUERIES_MAX, RatingChange, RecordAt, SPEND_MONTHS_MAX, decide,
};
use shoptide_schemas::catalogue::ItemFields;
use shoptide_schemas::event::OrderLine;
use shoptide_schemas::{
    CatalogueChange, CatalogueEvent, Currency, EventId, EventKind, EventMs, EventType, Feedback, ItemId,
    Micros, ShopEvent, Topic, UserId,
};

/// 2026-05-04T12:00:00Z.
const NOW_MS: i64 = 1_777_896_000_000;
const DAY_MS: i64 = 86_400_000;

fn any_bytes(max: usize) -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(any::<u8>(), 1..max)
}

fn any_item() -> impl Strategy<Value = ItemId> {
    prop_oneof![
        9 => (0..400_u32).prop_map(|n| ItemId::from_trusted(format!("i{n}").as_bytes())),
        1 => any_bytes(128).prop_map(|b| ItemId::from_trusted(&b)),
    ]
}

fn any_user() -> impl Strategy<Value = UserId> {
    prop::sample::select(vec!["User1", "user1", "üser1", "user1 ", "1", "01"])
        .prop_map(|u| UserId::from_trusted(u.as_bytes()))
}

fn any_money() -> impl Strategy<Value = Option<(Micros, Currency)>> {
    let money = (0..=999_999_999_999_999_i64, prop::sample::select(vec![*b"CNY", *b"EUR"]));
    prop::option::of(money.prop_map(|(m, c)| (Micros(m), Currency(c))))
}

fn any_kind() -> impl Strategy<Value = (EventType, EventKind)> {
    let item = any_item;
    let order =
        || prop::option::of("[a-z]{1,3}").prop_map(|o| o.map(|order| OrderLine { order, line: "0".into() }));
    prop_oneof![
        4 => item().prop_map(|item| (EventType::ViewItem, EventKind::View { item })),
        1 => (".{1,200}", prop::option::of(item())).prop_map(|(query, item)| (EventType::Search, EventKind::Search { query, item })),
        2 => (item(), 1..=100_000_u32).prop_map(|(item, quantity)| (EventType::AddToCart, EventKind::CartAdd { item, quantity })),
        1 => Just((EventType::BeginCheckout, EventKind::Checkout)),
        2 => (item(), 1..=100_000_u32, any_money(), order()).prop_map(|(item, quantity, paid, order)| (EventType::Purchase, EventKind::Purchase { item, quantity, paid, order })),
        1 => (item(), 1..=100_000_u32, any_money(), order()).prop_map(|(item, quantity, paid, order)| (EventType::Refund, EventKind::Refund { item, quantity, paid, order })),
        1 => (prop::option::of(item()), ".{1,40}").prop_map(|(item, thread)| (EventType::ForumLike, EventKind::Like { item, thread })),
        1 => (item(), 0..=500_u16).prop_map(|(item, hundredths)| (EventType::RateItem, EventKind::Rate { item, hundredths })),
        1 => item().prop_map(|item| (EventType::RecommendationFeedback, EventKind::Feedback { item, feedback: Feedback::Dislike })),
        1 => any_user().prop_map(|known| (EventType::Identify, EventKind::Identify { known })),
        1 => (any_user(), any_bytes(60)).prop_map(|(from, part)| (EventType::PartAbsorbed, EventKind::Absorbed { from, part })),
        1 => Just((EventType::UserErased, EventKind::Erased)),
    ]
}

fn any_event() -> impl Strategy<Value = ShopEvent> {
    let at = prop_oneof![
        6 => (-60_i64..1).prop_map(|d| NOW_MS + d * DAY_MS / 2),
        1 => 631_152_000_000_i64..4_102_444_800_000,
    ];
    (any_kind(), any_user(), 0..300_u32, at, any::<bool>()).prop_map(
        |((event_type, kind), user, id, at, historical)| ShopEvent {
            id: EventId::from_trusted(format!("e{id}").as_bytes()),
            event_type,
            user,
            at: EventMs(at),
            historical,
            list: None,
            session: None,
            kind,
        },
    )
}

fn at(offset: i64) -> RecordAt {
    RecordAt { topic: Topic::Order, partition: 0, offset, appended: EventMs(NOW_MS) }
}

/// Folds as the shell does; the tally is (applied, everything else).
fn folded(events: &[ShopEvent]) -> (Part, Counted, Vec<Decision>) {
    let (mut part, mut counted, mut decisions) = (Part::default(), Counted::default(), Vec::new());
    let mut erased = false;
    for (event, offset) in events.iter().zip(0..) {
        let decision = decide(&part, event, at(offset), Facts { line_known: false, erased });
        if let Decision::Apply(change) = &decision {
            let Counted { counts, ratings } = part.commit(change, event, offset);
            counted.counts.extend(counts);
            counted.ratings.extend(ratings);
            erased |= event.kind == EventKind::Erased;
        }
        decisions.push(decision);
    }
    (part, counted, decisions)
}

fn within_bounds(part: &Part) {
    assert!(part.recent.len() <= DEDUPE_WINDOW);
    assert!(part.items.len() <= ITEMS_PER_PART_MAX);
    assert!(part.items.iter().all(|e| (1..=ACTS_PER_ITEM_MAX).contains(&e.acts.len())));
    assert!(part.spend.len() <= SPEND_MONTHS_MAX && part.queries.len() <= QUERIES_MAX);
    assert!(part.items.is_sorted_by(|a, b| a.item < b.item));
    assert!(part.items.iter().all(|e| e.acts.is_sorted_by(|a, b| (a.act, a.day) < (b.act, b.day))));
    assert!(part.spend.is_sorted_by(|a, b| (a.month, a.currency) < (b.month, b.currency)));
}

fn sums(counts: &[CountChange]) -> BTreeMap<(ItemId, u32, u8), i64> {
    let mut sums = BTreeMap::new();
    counts.iter().for_each(|c| *sums.entry((c.item.clone(), c.day, c.act.0)).or_default() += c.n);
    sums.retain(|_, n| *n != 0);
    sums
}

fn rating_sums(changes: &[RatingChange]) -> BTreeMap<ItemId, (i64, i64)> {
    let mut sums: BTreeMap<ItemId, (i64, i64)> = BTreeMap::new();
    for change in changes {
        let (n, hundredths) = sums.entry(change.item.clone()).or_default();
        (*n, *hundredths) = (*n + change.n, *hundredths + change.hundredths);
    }
    sums
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn any_events_fold_without_panic_twice_the_same_and_within_bounds(events in prop::collection::vec(any_event(), 0..120)) {
        let (part, counts, decisions) = folded(&events);
        within_bounds(&part);
        let again = folded(&events);
        prop_assert_eq!(&part, &again.0);
        prop_assert_eq!(part.encode(), again.0.encode());
        prop_assert_eq!(counts, again.1);
        prop_assert_eq!(decisions, again.2);
    }

    #[test]
    fn a_part_reads_back_and_no_cut_of_it_does(events in prop::collection::vec(any_event(), 0..40)) {
        let (part, ..) = folded(&events);
        let bytes = part.encode();
        prop_assert_eq!(&Part::decode(&bytes).unwrap(), &part);
        for cut in 0..bytes.len() {
            prop_assert!(Part::decode(&bytes[..cut]).is_err(), "cut at {}", cut);
        }
        let mut longer = bytes.clone();
        longer.push(0);
        prop_assert!(Part::decode(&longer).is_err());
    }

    /// Damage is refused or gives another part; it never panics, here or in what reads the part.
    #[test]
    fn damaged_bytes_never_panic(events in prop::collection::vec(any_event(), 0..20), flips in prop::collection::vec((any::<prop::sample::Index>(), 1..=255_u8), 1..4)) {
        let mut bytes = folded(&events).0.encode();
        for (place, flip) in flips {
            let place = place.index(bytes.len());
            bytes[place] ^= flip;
        }
        if let Ok(theirs) = Part::decode(&bytes) {
            let mut part = Part::default();
            let absorbed = ShopEvent {
                id: EventId::from_trusted(b"a"),
                event_type: EventType::PartAbsorbed,
                user: UserId::from_trusted(b"known"),
                at: EventMs(NOW_MS),
                historical: true,
                list: None,
                session: None,
                kind: EventKind::Absorbed { from: UserId::from_trusted(b"anon"), part: theirs.encode() },
            };
            let Decision::Apply(change) = decide(&part, &absorbed, at(7), Facts::default()) else { return Ok(()) };
            part.commit(&change, &absorbed, 7);
            prop_assert!(part.items.len() <= ITEMS_PER_PART_MAX && part.queries.len() <= QUERIES_MAX);
            prop_assert_eq!(Part::decode(&part.encode()).unwrap(), part);
        }
    }

    #[test]
    fn random_bytes_are_no_part(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        if let Ok(part) = Part::decode(&bytes) {
            let canonical = part.encode();
            prop_assert_eq!(Part::decode(&canonical).unwrap(), part);
        }
    }

    /// A counter is a sum: order and batching of what is added do not matter; an erasure takes back all that is still held.
    #[test]
    fn counters_commute_and_erasure_takes_them_back(
        acts in prop::collection::vec((0..8_u32, 0..3_i64), 0..100),
        turn in 0..100_usize,
    ) {
        let event = |n: usize, kind, day: i64| ShopEvent {
            id: EventId::from_trusted(format!("e{n}").as_bytes()),
            event_type: EventType::ViewItem,
            user: UserId::from_trusted(b"u"),
            at: EventMs(NOW_MS - day * DAY_MS),
            historical: false,
            list: None,
            session: None,
            kind,
        };
        let view = |item: u32| EventKind::View { item: ItemId::from_trusted(&item.to_le_bytes()) };
        let mut events: Vec<ShopEvent> =
            acts.iter().enumerate().map(|(n, (item, day))| event(n, view(*item), *day)).collect();
        let straight = sums(&folded(&events).1.counts);
        let turn = turn.min(events.len());
        events.rotate_left(turn);
        prop_assert_eq!(&straight, &sums(&folded(&events).1.counts));
        prop_assert_eq!(straight.values().sum::<i64>(), acts.len() as i64);
        events.push(event(1_000, EventKind::Erased, 0));
        let (part, counted, _) = folded(&events);
        prop_assert!(part.is_empty() && sums(&counted.counts).is_empty());
    }

    /// The sums are those of what the part holds: one rating an item, the last; none after an erasure.
    #[test]
    fn ratings_sum_to_what_is_held(acts in prop::collection::vec((0..8_u32, prop::option::of(0..=500_u16)), 0..100)) {
        let event = |n: usize, event_type, kind| ShopEvent {
            id: EventId::from_trusted(format!("e{n}").as_bytes()),
            event_type,
            user: UserId::from_trusted(b"u"),
            at: EventMs(NOW_MS),
            historical: false,
            list: None,
            session: None,
            kind,
        };
        let item = |item: u32| ItemId::from_trusted(&item.to_le_bytes());
        let mut events: Vec<ShopEvent> = acts
            .iter()
            .enumerate()
            .map(|(n, (number, rating))| match rating {
                Some(hundredths) => {
                    let kind = EventKind::Rate { item: item(*number), hundredths: *hundredths };
                    event(n, EventType::RateItem, kind)
                }
                None => event(n, EventType::ViewItem, EventKind::View { item: item(*number) }),
            })
            .collect();
        let (part, counted, _) = folded(&events);
        let mut last = BTreeMap::new();
        for (number, rating) in &acts {
            rating.iter().for_each(|r| { last.insert(item(*number), (1, i64::from(*r))); });
        }
        prop_assert_eq!(rating_sums(&counted.ratings), last.clone());
        let held: BTreeMap<_, _> = part.ratings().map(|(item, r)| (item.clone(), (1, i64::from(r)))).collect();
        prop_assert_eq!(held, last);
        events.push(event(1_000, EventType::UserErased, EventKind::Erased));
        let left = rating_sums(&folded(&events).1.ratings);
        prop_assert!(left.values().all(|sum| *sum == (0, 0)), "{:?}", left);
    }

    #[test]
    fn a_window_of_256_remembers(n in 1..600_usize) {
        let event = |n: usize| ShopEvent {
            id: EventId::from_trusted(format!("e{n}").as_bytes()),
            event_type: EventType::BeginCheckout,
            user: UserId::from_trusted(b"u"),
            at: EventMs(NOW_MS),
            historical: false,
            list: None,
            session: None,
            kind: EventKind::Checkout,
        };
        let mut events: Vec<ShopEvent> = (0..n).map(event).collect();
        events.push(event(0));
        let last = folded(&events).2.pop().unwrap();
        prop_assert_eq!(last == Decision::Duplicate, n <= DEDUPE_WINDOW);
    }

    #[test]
    fn catalogue_rows_read_back_and_refuse_every_cut(fields in any_fields()) {
        let row = shoptide_models::catalogue::apply(None, &CatalogueChange::Upsert(fields));
        let Some(row) = row else { return Ok(()) };
        let bytes = row.encode();
        prop_assert_eq!(CatalogueItem::decode(&bytes).unwrap(), row);
        for cut in 0..bytes.len() {
            prop_assert!(CatalogueItem::decode(&bytes[..cut]).is_err());
        }
    }

    /// Snapshots made on the way are what they were, and the last one is what a fresh run makes.
    #[test]
    fn catalogue_snapshots_are_immutable_and_repeatable(changes in prop::collection::vec((0..700_u32, any_change()), 0..80), cut in 0..80_usize) {
        let event = |(item, change): &(u32, CatalogueChange)| CatalogueEvent {
            id: EventId::from_trusted(b"c"),
            item: ItemId::from_trusted(format!("i{item}").as_bytes()),
            at: EventMs(NOW_MS),
            change: change.clone(),
        };
        let fold = |from: &Catalogue, changes: &[(u32, CatalogueChange)], offset| {
            let mut builder = CatalogueBuilder::from(from);
            changes.iter().for_each(|c| { builder.fold(&event(c)); });
            builder.finish(offset)
        };
        let rows = |c: &Catalogue| c.rows().map(|(n, id, row)| (n, id.clone(), row.encode())).collect::<Vec<_>>();
        let cut = cut.min(changes.len());
        let first = fold(&Catalogue::default(), &changes[..cut], cut as i64);
        let held = rows(&first);
        let second = fold(&first, &changes[cut..], changes.len() as i64);
        prop_assert_eq!(&rows(&first), &held);
        prop_assert_eq!(rows(&second), rows(&fold(&Catalogue::default(), &changes, 0)));
        // Numbers stay: an item of the first has the same number in the second.
        for (number, id, _) in first.rows() {
            prop_assert_eq!(second.number(id), Some(number));
        }
        for (number, id, _) in second.rows() {
            prop_assert_eq!(second.number(id), Some(number));
        }
    }
}

fn any_fields() -> impl Strategy<Value = ItemFields> {
    let text = || prop::option::of(".{0,12}");
    (
        text(),
        text(),
        text(),
        prop::option::of(prop::collection::vec(".{0,6}", 0..4)),
        any_money(),
        prop::option::of(0..9_i64),
        any::<Option<bool>>(),
    )
        .prop_map(|(title, brand, category, tags, price, stock, hidden)| ItemFields {
            title,
            brand,
            category,
            tags,
            price,
            stock,
            hidden,
            ..ItemFields::default()
        })
}

fn any_change() -> impl Strategy<Value = CatalogueChange> {
    prop_oneof![
        any_fields().prop_map(CatalogueChange::Upsert),
        any_fields().prop_map(CatalogueChange::Patch),
        Just(CatalogueChange::Removed),
        Just(CatalogueChange::Seen),
    ]
}

#[test]
fn ten_thousand_items_stay_within_the_bounds_and_the_newest_stay() {
    let mut events = Vec::new();
    for n in 0..10_000_u32 {
        let item = ItemId::from_trusted(format!("i{n}").as_bytes());
        let kind = if n % 3 == 0 {
            EventKind::Search { query: format!("q{n} {}", "x".repeat(200)), item: Some(item) }
        } else {
            let paid = Some((Micros(999_999_999_999_999), Currency(*b"CNY")));
            EventKind::Purchase { item, quantity: 100_000, paid, order: None }
        };
        events.push(ShopEvent {
            id: EventId::from_trusted(format!("e{n}").as_bytes()),
            event_type: if n % 3 == 0 { EventType::Search } else { EventType::Purchase },
            user: UserId::from_trusted(b"bot"),
            // Two hundred months.
            at: EventMs(NOW_MS - i64::from(n % 200) * 31 * DAY_MS),
            historical: true,
            list: None,
            session: None,
            kind,
        });
    }
    let (part, ..) = folded(&events);
    within_bounds(&part);
    assert_eq!(part.items.len(), ITEMS_PER_PART_MAX);
    assert!(part.items.iter().all(|e| 10_000 - ITEMS_PER_PART_MAX as i64 <= e.last_off));
    assert!(part.encode().len() < 64 * 1024, "{} bytes", part.encode().len());
}

#[test]
fn one_item_on_a_thousand_days_keeps_the_newest() {
    let view = |n: i64| ShopEvent {
        id: EventId::from_trusted(format!("e{n}").as_bytes()),
        event_type: EventType::ViewItem,
        user: UserId::from_trusted(b"u"),
        at: EventMs(NOW_MS - (1_000 - n) * DAY_MS),
        historical: true,
        list: None,
        session: None,
        kind: EventKind::View { item: ItemId::from_trusted(b"i") },
    };
    let (part, ..) = folded(&(0..1_000).map(view).collect::<Vec<_>>());
    within_bounds(&part);
    let days: Vec<u32> = part.items[0].acts.iter().map(|a| a.day).collect();
    assert_eq!(days.len(), ACTS_PER_ITEM_MAX);
    assert_eq!(*days.last().unwrap(), EventMs(NOW_MS - DAY_MS).day());
}

/// Of what an anonymous user and the known one both rated one rating stays; what only one of them rated stays.
#[test]
fn an_anonymous_user_who_is_known_rates_once() {
    let rate = |id: &str, item: &str, hundredths| ShopEvent {
        id: EventId::from_trusted(id.as_bytes()),
        event_type: EventType::RateItem,
        user: UserId::from_trusted(b"u"),
        at: EventMs(NOW_MS),
        historical: false,
        list: None,
        session: None,
        kind: EventKind::Rate { item: ItemId::from_trusted(item.as_bytes()), hundredths },
    };
    let (theirs, of_theirs, _) = folded(&[rate("1", "both", 500), rate("2", "theirs", 100)]);
    let own = [rate("3", "both", 200), rate("4", "own", 300)];
    let absorbed = ShopEvent {
        event_type: EventType::PartAbsorbed,
        kind: EventKind::Absorbed { from: UserId::from_trusted(b"anon"), part: theirs.encode() },
        ..rate("5", "", 0)
    };
    let (part, of_own, _) = folded(&[own[0].clone(), own[1].clone(), absorbed]);
    let all = rating_sums(&[of_theirs.ratings, of_own.ratings].concat());
    let sum = |item: &str| all[&ItemId::from_trusted(item.as_bytes())];
    assert_eq!((sum("both"), sum("own"), sum("theirs")), ((1, 500), (1, 300), (1, 100)));
    assert_eq!(part.ratings().count(), 3);
}
