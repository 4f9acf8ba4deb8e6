//! Segments of the generated shop: they are its groups, they stay who they are from run to run, and the trainer carries them into lists.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::{Value, json};
use shoptide_config::Config;
use shoptide_jobs::segments::{SegmentContext, SegmentsReport, current, of_run, segment_once};
use shoptide_jobs::shop::{Group, Shop as Generated, ShopOptions, ShopParams};
use shoptide_jobs::train::{Workers, start, train_once};
use shoptide_jobs::verify::Verify;
use shoptide_live::catalogue_at;
use shoptide_live::fold::state_of;
use shoptide_models::blend::Source;
use shoptide_models::list::{Linked, ListScratch, explain, make_list};
use shoptide_models::segments::adjusted_rand;
use shoptide_models::snapshot::Kind;
use shoptide_schemas::{EventType, ListEntry, StoredList, Topic, UserId};
use shoptide_store::{Commit, ListRow, OffsetMove, Tally, Truth};
use tokio::sync::watch;

use crate::train_support::{NOW_MS, Shop};

/// A generated shop, folded. Its catalogue is in the log, as a shop would send it.
async fn generated(seed: u64, users: u64, events: u64) -> (Shop, Generated) {
    println!("seed {seed}, {users} users, {events} events");
    let mut options = ShopOptions::demo(seed, NOW_MS);
    (options.users, options.items, options.events) = (users, 300, events);
    let made = Generated::new(ShopParams::new(options).unwrap());
    let shop = Shop::new().await;
    let rows: Vec<(Topic, Value)> =
        made.catalogue().map(|row| (Topic::Catalogue, serde_json::to_value(&row).unwrap())).collect();
    shop.append(&rows).await;
    let events: Vec<(Topic, Value)> = made
        .events()
        .filter_map(|event| {
            let event = serde_json::to_value(&event).unwrap();
            let of = EventType::from_name(event["type"].as_str()?)?;
            Some((of.topic(), event))
        })
        .collect();
    shop.fold(&events).await;
    (shop, made)
}

async fn context(shop: &Shop) -> SegmentContext {
    let config = Config::load(None, std::iter::empty()).unwrap();
    let end = shop.log_end(Topic::Catalogue).await;
    let catalogue = catalogue_at(&*shop.truth, &*shop.log, end).await.unwrap();
    SegmentContext {
        truth: shop.truth.clone(),
        catalogue: Arc::new(catalogue),
        taste: config.tastes.clone(),
        params: config.segments.params,
        popular_items: config.segments.popular_items,
        runs_kept: config.segments.runs_kept,
        workers: Workers::new(2).unwrap(),
        clock: Arc::new(|| NOW_MS),
        progress: Default::default(),
    }
}

async fn segments_of_users(shop: &Shop) -> BTreeMap<String, u32> {
    let rows = shop.truth.user_segments_after(None, 100_000).await.unwrap();
    rows.into_iter().map(|(_, user, segment)| (user.to_string(), segment)).collect()
}

/// Agreement with the generator, and which group most of each segment's users are of.
async fn agreement(shop: &Shop, made: &Generated) -> (f64, BTreeMap<u32, Group>) {
    let users = segments_of_users(shop).await;
    let group = |user: &str| made.group_of(user).unwrap();
    let index = adjusted_rand(users.iter().map(|(user, segment)| (group(user) as u32, *segment)));
    let mut counts: BTreeMap<u32, BTreeMap<Group, usize>> = BTreeMap::new();
    for (user, segment) in &users {
        *counts.entry(*segment).or_default().entry(group(user)).or_default() += 1;
    }
    let most = |groups: &BTreeMap<Group, usize>| *groups.iter().max_by_key(|(_, n)| **n).unwrap().0;
    (index, counts.iter().map(|(segment, groups)| (*segment, most(groups))).collect())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_groups_of_the_generated_shop_are_found_and_named() {
    for seed in [1, 42, 2026] {
        let (shop, made) = generated(seed, 400, 12_000).await;
        let context = context(&shop).await;
        let report = segment_once(&context).await.unwrap();
        let shown = context.progress.look();
        assert_eq!((shown.phase.as_str(), shown.done), ("assigning users", shown.total));
        assert!(report.run.assigned <= shown.total && 0 < shown.total);
        let (index, groups) = agreement(&shop, &made).await;
        println!("seed {seed}: adjusted Rand index {index:.4}, tried {:?}", report.run.tried);
        assert!(0.9 <= index, "seed {seed}: {index}");
        assert_eq!(report.segments.len(), 3, "{:?}", report.run.tried);
        for segment in &report.segments {
            assert_eq!(segment.name, groups[&segment.id].name(), "seed {seed}: {segment:#?}");
            assert!(!segment.terms.is_empty() && !segment.popular.is_empty());
            assert!(0.0 < segment.typical.acts && 0.0 < segment.typical.recency_days);
        }
        let users: u64 = report.segments.iter().map(|s| s.users).sum();
        assert_eq!((users, report.run.assigned), (segments_of_users(&shop).await.len() as u64, users));
        assert!(0.9 * report.run.users as f64 <= users as f64, "{} of {}", users, report.run.users);
        assert!(current(&*shop.truth).await.unwrap().unwrap() == report, "as shown, so at rest");
    }
}

/// Without who ran it and when.
fn essence(mut report: SegmentsReport) -> SegmentsReport {
    (report.run.run, report.run.parent, report.run.drift) = (0, None, None);
    report.segments.iter_mut().for_each(|s| (s.alike, s.shift) = (None, None));
    report
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_run_finds_the_same_segments_under_the_same_names() {
    let (shop, _) = generated(7, 300, 8_000).await;
    let mut context = context(&shop).await;
    let first = segment_once(&context).await.unwrap();
    let users = segments_of_users(&shop).await;
    // On other threads, the same.
    context.workers = Workers::new(1).unwrap();
    let second = segment_once(&context).await.unwrap();
    assert_eq!((second.run.run, second.run.parent), (2, Some(1)));
    let drift = second.run.drift.unwrap();
    assert_eq!((drift.changed, drift.adjusted_rand, drift.came, drift.left), (0.0, 1.0, 0, 0));
    assert!(second.segments.iter().all(|s| 0.999 < s.alike.unwrap()));
    assert_eq!(segments_of_users(&shop).await, users);
    let text = |report| serde_json::to_string_pretty(&essence(report)).unwrap();
    let (one, two) = (text(first.clone()), text(second));
    let differs = one.lines().zip(two.lines()).find(|(a, b)| a != b);
    assert_eq!(differs, None);

    // Fashion goes out of fashion: its users turn to sports, and who they are is still known.
    let by_name: BTreeMap<&str, u32> = first.segments.iter().map(|s| (s.name.as_str(), s.id)).collect();
    let sports = first.segments.iter().find(|s| s.name == "sports").unwrap();
    let mut events = Vec::new();
    let fashion = users.iter().filter(|(_, s)| **s == by_name["fashion"]).map(|(user, _)| user);
    let turned: BTreeSet<&String> = fashion.take(40).collect();
    for (n, user) in turned.iter().enumerate() {
        for (m, item) in sports.popular.iter().take(30).enumerate() {
            let event = json!({"event_id": format!("turn-{n}-{m}"), "type": "add_to_wishlist", "user_id": user,
                "item_id": item.item_id, "occurred_at": NOW_MS});
            events.push((Topic::Cart, event));
        }
    }
    shop.fold(&events).await;
    let third = segment_once(&context).await.unwrap();
    let now = segments_of_users(&shop).await;
    for segment in &third.segments {
        assert_eq!(by_name.get(segment.name.as_str()), Some(&segment.id), "{}", segment.name);
    }
    let drift = third.run.drift.unwrap();
    let moved = users.iter().filter(|(user, segment)| now.get(*user) != Some(segment)).count();
    assert!(35 <= turned.iter().filter(|user| now.get(**user) == Some(&sports.id)).count());
    assert!((drift.changed - moved as f64 / users.len() as f64).abs() < 1e-5);
    assert!(drift.adjusted_rand < 0.9 && third.segments.iter().all(|s| 0.0 <= s.shift.unwrap()));
    assert!(of_run(&*shop.truth, 1).await.unwrap().unwrap() == first, "kept to compare with");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn too_few_users_change_nothing() {
    let shop = Shop::new().await;
    let context = context(&shop).await;
    let error = segment_once(&context).await.unwrap_err();
    assert!(error.is_too_little(), "{error}");
    assert!(current(&*shop.truth).await.unwrap().is_none());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_number_of_segments_that_is_given_is_taken() {
    let (shop, _) = generated(5, 200, 4_000).await;
    let mut context = context(&shop).await;
    context.params = context.params.with_k(5).unwrap();
    let report = segment_once(&context).await.unwrap();
    assert_eq!(report.segments.len(), 5);
    let names: BTreeSet<&str> = report.segments.iter().map(|s| s.name.as_str()).collect();
    assert_eq!(names.len(), 5, "{names:?}");
}

/// A user of whose items the model knows none gets what his segment likes, from the model version alone.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_model_carries_the_segments_into_lists() {
    let (shop, _) = generated(3, 150, 4_000).await;
    assert!(train_once(&shop.context).await.unwrap().model.segments().is_empty());
    let report = segment_once(&context(&shop).await).await.unwrap();
    let model = train_once(&shop.context).await.unwrap().model;
    assert_eq!(model.segments().run, 1);
    let (_, file) =
        shop.truth.models().await.map(|rows| (rows.len(), rows.last().unwrap().file.clone())).unwrap();
    let bytes = std::fs::read(shop.models().join(file)).unwrap();
    assert_eq!(shoptide_models::snapshot_file::decode_full(&bytes).unwrap(), *model, "and its file too");

    let new = json!({"event_id": "new", "type": "item_upsert", "item_id": "NEW1", "title": "Trail poles", "category": "sports/outdoor",
        "price": "10.00", "currency": "CNY", "stock": 3, "occurred_at": NOW_MS});
    shop.append(&[(Topic::Catalogue, new)]).await;
    let look = json!({"event_id": "look", "type": "view_item", "user_id": "newcomer", "item_id": "NEW1", "occurred_at": NOW_MS});
    let words = json!({"event_id": "ask", "type": "search", "user_id": "searcher", "query": "technology", "occurred_at": NOW_MS});
    shop.fold(&[(Topic::Browse, look), (Topic::Browse, words)]).await;
    let end = shop.log_end(Topic::Catalogue).await;
    let catalogue = Arc::new(catalogue_at(&*shop.truth, &*shop.log, end).await.unwrap());
    let linked = Linked::new(Some(model.clone()), catalogue.clone(), None);
    let mut lists = Vec::new();
    for (user, name) in [("newcomer", "sports"), ("searcher", "technology")] {
        let segment = report.segments.iter().find(|s| s.name == name).unwrap();
        let row = shop.truth.users(0, &[UserId::from_trusted(user.as_bytes())]).await.unwrap().remove(0);
        let state = state_of(&row.parts).unwrap();
        let list = make_list(&state, &linked, &shop.context.params.lists, &mut ListScratch::default());
        let first = &list[0];
        assert_eq!((first.source, first.evidence), (Source::Segment.code(), segment.id), "{user}");
        let popular: BTreeSet<&str> = segment.popular.iter().map(|p| p.item_id.as_str()).collect();
        let of_segment = list.iter().filter(|e| e.source == Source::Segment.code());
        assert!(of_segment.clone().all(|e| popular.contains(&*catalogue.row(e.item).unwrap().0.to_string())));
        assert!(10 <= of_segment.count());
        let reason =
            explain(Source::Segment, Some(first.evidence), &state, &catalogue, model.segments(), Some(3));
        assert_eq!(reason.text, format!("popular among {name} lovers, 3 times in the last 7 days"));
        lists.push((UserId::from_trusted(user.as_bytes()), list, state.last_ms().unwrap()));
    }
    proven(&shop, lists, model.version(), end).await;
}

/// The lists can be made again from the inputs that they name.
async fn proven(shop: &Shop, lists: Vec<(UserId, Vec<ListEntry>, i64)>, model_version: u64, catalogue: i64) {
    shop.fold_topics(&[Topic::Catalogue]).await;
    let offsets = shop.truth.offsets().await.unwrap();
    let browse = offsets.iter().find(|row| row.topic == Topic::Browse).unwrap();
    let tally = Tally::default();
    let (from, to) = (browse.next_off, browse.next_off);
    let row = |(user, entries, now_ms): (UserId, Vec<ListEntry>, i64)| {
        let as_of = [browse.next_off; 5];
        let named = StoredList {
            revision: 1,
            model_version,
            catalogue_offset: catalogue,
            rules_version: 7,
            now_ms,
            as_of,
            entries,
            ..StoredList::default()
        };
        ListRow { user, revision: 1, model_version, last_ms: now_ms, data: Arc::from(named.encode()) }
    };
    let lists = lists.into_iter().map(row).collect();
    let stand = OffsetMove { topic: Topic::Browse, from, to, append_ms: 0, tally };
    let commit = Commit { epoch: browse.epoch, offsets: vec![stand], lists, ..Commit::default() };
    shop.truth.commit(commit).await.unwrap();
    let scratch = tempfile::TempDir::new().unwrap();
    let verify = Verify {
        log: &*shop.log,
        truth: &*shop.truth,
        files: &shop.context.files,
        lists: &shop.context.params.lists,
        rules_version: 7,
        scratch: scratch.path(),
        inspect: None,
    };
    let report = verify.run().await.unwrap();
    assert!(report.ok && report.lists.equal == 2, "{report:?}");
    assert_eq!(report.lists.different, Vec::<String>::new());
}

/// A trainer that runs takes a new run in without a single new event, as a small version.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_running_trainer_takes_a_new_run_in() {
    let (shop, _) = generated(11, 120, 2_500).await;
    let (stop, stopped) = watch::channel(false);
    let handle = start(shop.context.clone(), stopped);
    shop.published(1).await;
    let report = segment_once(&context(&shop).await).await.unwrap();
    shop.published(2).await;
    let model = shop.live.model().unwrap();
    assert_eq!((model.kind(), model.segments().run), (Kind::Delta, report.run.run));
    assert_eq!(model.segments().segments.len(), report.segments.len());
    stop.send_replace(true);
    handle.join().await;
    // Read again from its files, by another process.
    let live = shop.restarted().await.unwrap();
    assert_eq!(live.model().unwrap().segments(), model.segments());
}
