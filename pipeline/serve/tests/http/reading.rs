//! Lists: personal, filtered by this moment's rules, filled up, explained; and never nothing.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use axum::http::Method;
use serde_json::{Value, json};
use shoptide_models::als::{AlsParams, ItemSide};
use shoptide_models::blend::Source;
use shoptide_models::item_item::Neighbours;
use shoptide_models::list::{ListKind, ListName};
use shoptide_models::popularity::Popularity;
use shoptide_models::segments::ServedSegments;
use shoptide_models::snapshot::{Kind, Lineage, Snapshot, SnapshotParts};
use shoptide_schemas::{StoredList, UserId};
use shoptide_store::{Cache, CacheEntry, ITEM_LISTS, Truth};

use crate::common::{NOW_MS, Shop, ids, view};

/// A model of `T1`..`T6` that finds `T6` trending, `T5` popular, and `T1` next to `T2`.
pub fn publish_model(shop: &Shop) {
    publish_model_with(shop, Arc::default());
}

/// The same with segments.
pub fn publish_model_with(shop: &Shop, segments: Arc<ServedSegments>) {
    let zeros = vec![0.0; 6];
    let mut factors = Vec::new();
    for item in 0..6 {
        factors.extend(if item < 3 { [1.0, 0.1 * item as f32] } else { [0.0, 1.0] });
    }
    let neighbours: Vec<Vec<(u32, f32)>> =
        (0..6).map(|i| if i == 0 { vec![(1, 0.9)] } else { Vec::new() }).collect();
    let mut trend = zeros.clone();
    trend[5] = 2.0;
    let parts = SnapshotParts {
        segments,
        version: 1,
        parent: None,
        kind: Kind::Full,
        meta: Lineage::default(),
        item_ids: (1..=6).map(|n| format!("T{n}").into_bytes()).collect(),
        side: ItemSide::new(two_columns(factors), AlsParams::new(2, 1, 1.0, 0.1, 0.1, 1.0, 1).unwrap())
            .unwrap(),
        neighbours: Neighbours::from_rows(5, &neighbours).unwrap(),
        popularity: Popularity::from_scores(vec![0.1, 0.2, 0.3, 0.4, 9.0, 0.6], trend).unwrap(),
    };
    shop.live.adopt(Arc::new(Snapshot::new(parts).unwrap()));
}

fn two_columns(factors: Vec<f32>) -> ndarray::Array2<f32> {
    ndarray::Array2::from_shape_vec((factors.len() / 2, 2), factors).unwrap()
}

fn sources(answer: &Value) -> Vec<&str> {
    answer["items"].as_array().unwrap().iter().map(|i| i["source"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn a_personal_list_says_what_it_was_made_from() {
    let shop = Shop::new().await;
    shop.stock_twelve().await;
    shop.know("u1", &[view("e", "u1", "T1")], &["T3", "T1", "F2"]).await;
    let first = shop.get("/v1/users/u1/recommendations?n=3").await.json();
    assert_eq!(ids(&first), ["T3", "T1", "F2"]);
    assert_eq!(first["made_from"], "personal");
    assert_eq!((&first["partition"], &first["model_version"]), (&json!(shop.shard("u1")), &json!(7)));
    assert_eq!(
        first["as_of"],
        json!({"shop.browse": 1, "shop.cart": 2, "shop.order": 3, "shop.forum": 4, "shop.feedback": 5})
    );
    let place = json!({"rank": 1, "item_id": "T3", "title": "T number 3", "brand": "Aurora", "category": "technology/phone",
        "price": "400.00", "currency": "CNY", "score": 1.0, "source": "item_item"});
    assert_eq!(first["items"][0], place);
    // The first read came from the store and filled the cache; the second is the same list with the same name.
    assert_eq!(shop.cache.len(), 1);
    assert_eq!(shop.get("/v1/users/u1/recommendations?n=3").await.json(), first);
    let text = String::from_utf8(shop.get("/metrics").await.bytes).unwrap();
    for outcome in ["hit", "store"] {
        assert!(
            text.contains(&format!("shoptide_cache_reads_total{{outcome=\"{outcome}\"}} 1")),
            "{outcome}"
        );
    }
    assert_eq!(
        ids(&shop.get("/v1/users/u1/recommendations").await.json()).len(),
        10,
        "filled up to the default"
    );
}

#[tokio::test]
async fn the_rules_of_this_moment_hold_without_a_new_list() {
    let shop = Shop::new().await;
    shop.stock_twelve().await;
    shop.know("u1", &[], &["T1", "T2", "T3", "F1", "F2"]).await;
    let path = "/v1/users/u1/recommendations?n=5";
    assert_eq!(ids(&shop.get(path).await.json()), ["T1", "T2", "T3", "F1", "F2"]);
    shop.call(Method::PATCH, "/v1/items/T1", Some(json!({"stock": 0}))).await;
    shop.call(Method::PATCH, "/v1/items/T3", Some(json!({"hidden": true}))).await;
    shop.call(Method::DELETE, "/v1/items/F1", None).await;
    shop.catalogue_is_live().await;
    let shown = ids(&shop.get(path).await.json());
    assert_eq!((&shown[..2], shown.len()), (&["T2".to_owned(), "F2".to_owned()][..], 5));
    assert!(!shown.iter().any(|i| ["T1", "T3", "F1"].contains(&i.as_str())));
    assert_eq!(ids(&shop.get(&format!("{path}&exclude=T2,F6")).await.json())[0], "F2");
    let fashion = shop.get("/v1/users/u1/recommendations?n=9&category=fashion").await.json();
    assert_eq!(ids(&fashion)[0], "F2");
    assert!(fashion["items"].as_array().unwrap().iter().all(|i| i["category"] == "fashion"));
    for (category, n) in
        [("technology", 4), ("technology/", 4), ("technology/phone", 4), ("tech", 0), ("Fashion", 0)]
    {
        let path = format!("/v1/users/u1/recommendations?n=9&category={category}");
        assert_eq!(ids(&shop.get(&path).await.json()).len(), n, "{category}");
    }
}

#[tokio::test]
async fn what_was_written_a_moment_ago_is_never_older_than_what_it_is_made_of() {
    let shop = Shop::new().await;
    shop.stock_twelve().await;
    let all = ["T1", "T2", "T3", "T4", "T5", "F1", "F2", "F3", "F4", "F5"];
    shop.know("u1", &[view("e", "u1", "T1")], &all).await;
    let path = "/v1/users/u1/recommendations";
    let first = shop.get(path).await;
    assert_eq!(ids(&first.json()), all);
    for _ in 0..3 {
        assert_eq!(shop.get(path).await.bytes, first.bytes);
    }
    // Another price, then nothing left.
    shop.call(Method::PATCH, "/v1/items/T1", Some(json!({"price": "1.50", "currency": "CNY"}))).await;
    shop.catalogue_is_live().await;
    for _ in 0..2 {
        assert_eq!(shop.get(path).await.json()["items"][0]["price"], "1.50");
    }
    shop.call(Method::PATCH, "/v1/items/T1", Some(json!({"stock": 0}))).await;
    shop.catalogue_is_live().await;
    assert!(!ids(&shop.get(path).await.json()).contains(&"T1".to_owned()));
    shop.call(Method::PATCH, "/v1/items/T1", Some(json!({"stock": 5}))).await;
    shop.catalogue_is_live().await;
    for _ in 0..2 {
        assert_eq!(ids(&shop.get(path).await.json()), all);
    }
    // A newer list.
    let held = shop.cache.get(shop.shard("u1"), &UserId::parse("u1").unwrap()).await.unwrap().unwrap();
    let list = StoredList::decode(&held).unwrap();
    let newer = StoredList { revision: 2, entries: list.entries.iter().rev().copied().collect(), ..list };
    shop.cache.set_if_newer(vec![shop.cache_entry("u1", &newer)]).await.unwrap();
    for _ in 0..2 {
        assert_eq!(ids(&shop.get(path).await.json())[0], "F5");
    }
    // Other questions get other answers.
    assert_eq!(ids(&shop.get(&format!("{path}?n=3")).await.json()).len(), 3);
    assert!(!ids(&shop.get(&format!("{path}?exclude=F5")).await.json()).contains(&"F5".to_owned()));
    assert!(shop.get(&format!("{path}?explain=true")).await.json()["items"][0]["reason"].is_object());
    // A budget of this moment, then none again.
    let budget = json!({"month": "250.00", "currency": "CNY"});
    let put = shop.call(Method::PUT, "/v1/users/u1/budget", Some(budget)).await;
    assert!(put.status.is_success(), "{}", put.json());
    for _ in 0..2 {
        let shown = shop.get(path).await.json();
        let dear = |item: &Value| 250.0 < item["price"].as_str().unwrap().parse::<f64>().unwrap();
        assert!(!shown["items"].as_array().unwrap().iter().any(dear), "{shown}");
    }
    shop.call(Method::DELETE, "/v1/users/u1/budget", None).await;
    assert_eq!(ids(&shop.get(path).await.json())[0], "F5");
    // Erased: nothing of before.
    shop.cache.remove(shop.shard("u1"), &UserId::parse("u1").unwrap()).await.unwrap();
    assert_ne!(ids(&shop.get(path).await.json())[0], "F5");
}

#[tokio::test]
async fn nobody_gets_nothing() {
    let shop = Shop::new().await;
    let path = "/v1/users/stranger/recommendations?n=4";
    let empty = shop.get(path).await;
    assert_eq!((empty.status.as_u16(), ids(&empty.json()).len()), (200, 0), "the catalogue is empty");
    shop.stock_twelve().await;
    let new = shop.get(path).await.json();
    assert_eq!((&new["made_from"], &new["as_of"]), (&json!("fallback"), &json!({})));
    assert_eq!(sources(&new), ["catalogue"; 4]);
    assert_eq!(ids(&new), ["F6", "F5", "F4", "F3"], "newest first");
    publish_model(&shop);
    let shown = shop.get(path).await.json();
    assert_eq!(shown["model_version"], 1);
    let sources = sources(&shown);
    assert!(sources.contains(&"trending") && sources.contains(&"popularity"), "{shown}");
    assert_eq!(ids(&shop.get("/v1/users/stranger/recommendations?n=100").await.json()).len(), 12);
    // With the truth gone it is still so.
    shop.truth.close().await;
    assert_eq!(ids(&shop.get("/v1/users/another/recommendations?n=4").await.json()), ids(&shown));
}

#[tokio::test]
async fn a_list_in_the_cache_outlives_the_truth() {
    let shop = Shop::new().await;
    shop.stock_twelve().await;
    shop.know("u1", &[view("e", "u1", "T1")], &["T3", "T1"]).await;
    let path = "/v1/users/u1/recommendations?n=2";
    let before = shop.get(path).await.json();
    shop.truth.close().await;
    assert_eq!(shop.get(path).await.json(), before);
    assert_eq!(shop.get(&format!("{path}&explain=true")).await.status, 200);
    shop.cache.clear().await.unwrap();
    let after = shop.get(path).await.json();
    assert_eq!((&after["made_from"], ids(&after).len()), (&json!("fallback"), 2));
    // What cannot be answered without the truth says so.
    for path in ["/v1/users/u1/profile", "/v1/users/u1/budget", "/users"] {
        assert_eq!(shop.get(path).await.error(), (503, "unavailable".to_owned()), "{path}");
    }
    let ready = shop.get("/ready").await;
    assert_eq!(ready.error(), (503, "unavailable".to_owned()));
    assert_eq!((&ready.json()["field"], &ready.json()["checks"]["log"]), (&json!("store"), &json!("ok")));
    assert_eq!(shop.get("/live").await.status, 200);
    assert_eq!(shop.get("/health").await.json()["status"], "degraded");
}

#[tokio::test]
async fn damaged_bytes_in_the_cache_are_replaced() {
    let shop = Shop::new().await;
    shop.stock_twelve().await;
    shop.know("u1", &[], &["T3", "T1"]).await;
    let mut entry = shop.cache_entry("u1", &StoredList::default());
    entry.data = vec![9, 9, 9].into();
    shop.cache.set_if_newer(vec![entry]).await.unwrap();
    for _ in 0..2 {
        assert_eq!(ids(&shop.get("/v1/users/u1/recommendations?n=2").await.json()), ["T3", "T1"]);
    }
}

#[tokio::test]
async fn an_anonymous_user_is_read_as_whom_he_became() {
    let shop = Shop::new().await;
    shop.stock_twelve().await;
    let identify = json!({"event_id": "i", "type": "identify", "user_id": "anon", "known_user_id": "u1", "occurred_at": NOW_MS});
    shop.know("u1", &[view("e", "u1", "T1")], &["T3", "T1"]).await;
    shop.know("anon", &[identify], &[]).await;
    let list = shop.get("/v1/users/anon/recommendations?n=2&explain=true").await.json();
    assert_eq!((ids(&list), &list["user_id"]), (vec!["T3".to_owned(), "T1".to_owned()], &json!("anon")));
    assert_eq!(list["partition"], shop.shard("u1"));
    let profile = shop.get("/v1/users/anon/profile").await.json();
    assert_eq!((&profile["forwarded_to"], &profile["recent"][0]["item_id"]), (&json!("u1"), &json!("T1")));
    // Two ids that name each other must not keep a reader for ever.
    let back = |from: &str, to: &str| json!({"event_id": "i", "type": "identify", "user_id": from, "known_user_id": to, "occurred_at": NOW_MS});
    shop.know("a", &[back("a", "b")], &[]).await;
    shop.know("b", &[back("b", "a")], &[]).await;
    assert_eq!(ids(&shop.get("/v1/users/a/recommendations?n=3").await.json()).len(), 3);
    assert_eq!(shop.get("/v1/users/a/profile").await.status, 200);
}

#[tokio::test]
async fn reasons_name_the_evidence() {
    let shop = Shop::new().await;
    shop.stock_twelve().await;
    let cart = json!({"event_id": "c", "type": "add_to_cart", "user_id": "u1", "item_id": "T3", "occurred_at": "2026-05-03T10:00:00Z"});
    shop.know("u1", &[cart], &["T3", "T1"]).await;
    let plain = shop.get("/v1/users/u1/recommendations?n=3").await.json();
    assert!(plain["items"][0].get("reason").is_none());
    let shown = shop.get("/v1/users/u1/recommendations?n=3&explain=true").await.json();
    let reason = &shown["items"][1]["reason"];
    assert_eq!(reason["code"], "with_what_you");
    assert_eq!(
        reason["text"],
        "often chosen together with what you know: you put into the cart \"T number 3\" on 2026-05-03"
    );
    let evidence = json!({"item_id": "T3", "title": "T number 3", "act": "add_to_cart", "at": "2026-05-03T10:00:00.000Z"});
    assert_eq!(reason["evidence"], evidence);
    assert_eq!(shown["items"][2]["reason"]["code"], "catalogue");
}

#[tokio::test]
async fn what_fills_a_list_up_is_not_what_the_user_has_done_with() {
    let shop = Shop::new().await;
    shop.stock_twelve().await;
    let bought: Vec<Value> = ["F6", "F5"]
        .iter()
        .map(|item| json!({"event_id": item, "type": "purchase", "user_id": "u1", "item_id": item, "occurred_at": NOW_MS}))
        .collect();
    shop.know("u1", &bought, &["T1"]).await;
    assert_eq!(ids(&shop.get("/v1/users/u1/recommendations?n=3").await.json()), ["T1", "F4", "F3"]);
    // But when nothing else is left, better what was seen than nothing.
    let only = "exclude=F1,F2,F3,F4&category=fashion&n=5";
    assert_eq!(ids(&shop.get(&format!("/v1/users/u1/recommendations?{only}")).await.json()), ["F6", "F5"]);
}

#[tokio::test]
async fn sessions_trends_and_neighbours() {
    let shop = Shop::new().await;
    shop.stock_twelve().await;
    publish_model(&shop);
    let session = |body: Value| {
        let shop = &shop;
        async move { shop.call(Method::POST, "/v1/session/recommendations", Some(body)).await }
    };
    let list = session(json!({"items": ["T1", "unknown"], "n": 12})).await.json();
    assert_eq!((&list["made_from"], list.get("user_id")), (&json!("session"), None));
    assert_eq!((ids(&list).len(), ids(&list)[0].as_str()), (11, "T2"), "{list}");
    assert!(!ids(&list).contains(&"T1".to_owned()));
    assert_eq!(session(json!({"items": []})).await.json()["made_from"], "fallback");
    for (body, code) in [
        (json!({}), "missing"),
        (json!({"items": vec!["a"; 201]}), "too_long"),
        (json!({"items": [""]}), "blank"),
        (json!({"items": "T1"}), "bad_value"),
        (json!({"items": [], "user_ids": ["u"]}), "unknown_field"),
        (json!({"items": [], "explain": true}), "bad_value"),
        (json!({"items": [], "n": 0}), "out_of_range"),
        (json!({"items": [], "n": "ten"}), "bad_value"),
        (json!({"items": [], "category": ""}), "blank"),
        (json!({"items": [], "exclude": vec!["a"; 201]}), "too_long"),
    ] {
        assert_eq!(session(body.clone()).await.error(), (422, code.to_owned()), "{body}");
    }
    let trending = shop.get("/v1/trending?n=3").await.json();
    assert_eq!(
        (ids(&trending), sources(&trending)),
        (vec!["T6".to_owned(), "T5".into(), "T4".into()], vec!["trending", "popularity", "popularity"])
    );
    assert_eq!(ids(&shop.get("/v1/trending?n=2&category=fashion").await.json()), ["F6", "F5"]);
    let similar = shop.get("/v1/items/T1/similar?n=5").await.json();
    assert_eq!(ids(&similar)[..3], ["T2", "T3", "T6"].map(str::to_owned), "{similar}");
    assert_eq!(sources(&similar)[..3], ["item_item", "factors", "category"]);
    assert_eq!(ids(&shop.get("/v1/items/F1/similar?n=2").await.json()), ["F6", "F5"]);
}

#[tokio::test]
async fn an_items_list_is_made_once_and_held_for_all() {
    let shop = Shop::new().await;
    shop.stock_twelve().await;
    publish_model(&shop);
    let owner = UserId::from_trusted(b"T1");
    let first = shop.get("/v1/items/T1/similar?n=2").await.json();
    assert_eq!((ids(&first), &first["model_version"]), (vec!["T2".to_owned(), "T3".into()], &json!(1)));
    let held = shop.cache.get(ITEM_LISTS, &owner).await.unwrap().unwrap();
    let list = StoredList::decode(&held).unwrap();
    assert_eq!((list.epoch, list.model_version, list.now_ms), (1, 1, NOW_MS));
    // What the cache holds is what is shown: another order, as a process with another model would have put it there.
    let turned =
        StoredList { entries: list.entries.iter().rev().copied().collect(), revision: i64::MAX, ..list };
    let entry = |list: &StoredList| CacheEntry {
        shard: ITEM_LISTS,
        user: owner.clone(),
        version: list.version_key(),
        data: list.encode().into(),
    };
    shop.cache.set_if_newer(vec![entry(&turned)]).await.unwrap();
    assert_eq!(ids(&shop.get("/v1/items/T1/similar?n=2").await.json()), ["T3", "T2"]);
    // The rules are those of this moment, and what the list lacks is looked for.
    let filtered = shop.get("/v1/items/T1/similar?n=2&category=fashion").await;
    assert_eq!(ids(&filtered.json()), Vec::<String>::new());
    assert_eq!(ids(&shop.get("/v1/items/T1/similar?n=5").await.json()).len(), 5);
    // A list by an older model serves for a moment, then another is made.
    let old = StoredList { model_version: 0, epoch: 2, ..turned };
    shop.cache.set_if_newer(vec![entry(&old)]).await.unwrap();
    let answer = shop.get("/v1/items/T1/similar?n=2").await.json();
    assert_eq!((ids(&answer), &answer["model_version"]), (vec!["T3".to_owned(), "T2".into()], &json!(0)));
    shop.clock.fetch_add(2_000, Ordering::Relaxed);
    assert_eq!(ids(&shop.get("/v1/items/T1/similar?n=2").await.json()), ["T2", "T3"]);
    // A catalogue that this process has not read yet, or bytes that are no list: not believed.
    let ahead = StoredList { catalogue_offset: i64::MAX, model_version: 1, epoch: 3, ..old };
    shop.cache.set_if_newer(vec![entry(&ahead)]).await.unwrap();
    assert_eq!(ids(&shop.get("/v1/items/T1/similar?n=2").await.json()), ["T2", "T3"]);
    let broken = CacheEntry { data: Arc::from(&b"?"[..]), ..entry(&StoredList { epoch: 4, ..ahead }) };
    shop.cache.set_if_newer(vec![broken]).await.unwrap();
    assert_eq!(ids(&shop.get("/v1/items/T1/similar?n=2").await.json()), ["T2", "T3"]);
}

#[test]
fn a_scan_of_the_model_keeps_no_other_request_waiting() {
    // The one thread for work that takes long is held, so a scan cannot end before it is let go. Were it done on the
    // thread of the requests, its first poll would end it.
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().max_blocking_threads(1).build().unwrap();
    runtime.block_on(async {
        let shop = Shop::new().await;
        shop.stock_twelve().await;
        publish_model(&shop);
        for item in 1..=6 {
            let (let_go, held) = std::sync::mpsc::channel::<()>();
            // Ends when the sender is dropped, so also when this test fails.
            let holder = tokio::task::spawn_blocking(move || held.recv());
            let path = format!("/v1/items/T{item}/similar?n=5");
            let mut scanning = Box::pin(shop.get(&path));
            assert!(futures::poll!(&mut scanning).is_pending(), "{path}");
            assert_eq!(shop.get("/live").await.status, 200);
            assert!(futures::poll!(&mut scanning).is_pending(), "{path}");
            drop(let_go);
            assert_eq!(ids(&scanning.await.json()).len(), 5, "{path}");
            assert!(holder.await.unwrap().is_err());
        }
    });
}

#[tokio::test]
async fn many_users_at_once() {
    let shop = Shop::new().await;
    shop.stock_twelve().await;
    shop.know("u1", &[], &["T3"]).await;
    let many = |body: Value| {
        let shop = &shop;
        async move { shop.call(Method::POST, "/v1/recommendations", Some(body)).await }
    };
    let said = many(
        json!({"user_ids": ["u1", "stranger", "u1"], "n": 2, "category": "technology", "exclude": ["T6"]}),
    )
    .await
    .json();
    let answers = said["answers"].as_array().unwrap();
    assert_eq!(answers.iter().map(ids).collect::<Vec<_>>(), [["T3", "T5"], ["T5", "T4"], ["T3", "T5"]]);
    for (body, code) in [
        (json!({"user_ids": []}), "missing"),
        (json!({}), "missing"),
        (json!({"user_ids": vec!["u"; 101]}), "too_long"),
        (json!({"user_ids": ["u", ""]}), "blank"),
        (json!({"user_ids": ["u", 1]}), "bad_value"),
        (json!({"user_ids": ["u"], "items": []}), "unknown_field"),
    ] {
        assert_eq!(many(body.clone()).await.error(), (422, code.to_owned()), "{body}");
    }
}

#[tokio::test]
async fn bad_queries_name_the_parameter() {
    let shop = Shop::new().await;
    let long = "c".repeat(257);
    let many = "a,".repeat(201);
    for (query, code) in [
        ("n=0", "out_of_range"),
        ("n=101", "out_of_range"),
        ("n=-1", "out_of_range"),
        ("n=ten", "bad_value"),
        ("n=1e9", "bad_value"),
        ("n=1.5", "bad_value"),
        ("n=", "bad_value"),
        ("n=%2B5", "bad_value"),
        ("n=99999999999999999999", "out_of_range"),
        ("n=5&n=6", "duplicate_field"),
        ("limit=5", "unknown_field"),
        ("N=5", "unknown_field"),
        ("category=", "blank"),
        ("category=%20", "blank"),
        ("category=%FF", "bad_value"),
        ("category=%4", "bad_value"),
        (&format!("category={long}"), "too_long"),
        ("exclude=%20", "blank"),
        (&format!("exclude={many}"), "too_long"),
        ("explain=yes", "bad_value"),
        ("explain=", "bad_value"),
    ] {
        let answer = shop.get(&format!("/v1/users/u1/recommendations?{query}")).await;
        assert_eq!(answer.error(), (400, code.to_owned()), "{query}");
    }
    for good in ["", "?", "?n=1&", "?exclude=", "?n=100&explain=false"] {
        assert_eq!(shop.get(&format!("/v1/users/u1/recommendations{good}")).await.status, 200, "{good}");
    }
}

#[tokio::test]
async fn older_clients_get_what_they_expect() {
    let shop = Shop::new().await;
    shop.stock_twelve().await;
    shop.know("7", &[view("e", "7", "T1")], &["T3", "T1", "T2"]).await;
    let recommend = |body: Value| {
        let shop = &shop;
        async move { shop.call(Method::POST, "/recommend", Some(body)).await }
    };
    let said = recommend(json!({"user_id": 7, "top_n": 3, "exclude_rated": false})).await.json();
    assert_eq!((&said["user_id"], &said["total_count"]), (&json!(7), &json!(3)));
    assert_eq!(
        said["recommendations"][1],
        json!({"rank": 2, "item_id": "T1", "predicted_rating": 3.0, "title": "T number 1"})
    );
    let said = recommend(json!({"user_id": "7", "top_n": 100})).await.json();
    let items: Vec<&str> =
        said["recommendations"].as_array().unwrap().iter().map(|r| r["item_id"].as_str().unwrap()).collect();
    assert_eq!((items.len(), items.contains(&"T1"), &said["user_id"]), (11, false, &json!("7")));
    let ratings =
        said["recommendations"].as_array().unwrap().iter().map(|r| r["predicted_rating"].as_f64().unwrap());
    assert!(ratings.clone().all(|r| (1.0..=5.0).contains(&r)) && ratings.clone().any(|r| r == 5.0));
    assert_eq!(recommend(json!({"user_id": "nobody"})).await.json()["total_count"], 10);
    for (body, code) in [
        (json!({"user_id": "u", "top_n": 0}), "out_of_range"),
        (json!({"user_id": "u", "top_n": 101}), "out_of_range"),
        (json!({"user_id": "u", "top_n": -1}), "out_of_range"),
        (json!({"user_id": "u", "top_n": "ten"}), "bad_value"),
        (json!({"user_id": "u", "top_n": 1e9}), "bad_value"),
        (json!({"user_id": ""}), "blank"),
        (json!({"user_id": 1.5}), "bad_value"),
        (json!({"user_id": null}), "bad_value"),
        (json!({}), "missing"),
    ] {
        assert_eq!(recommend(body.clone()).await.error(), (422, code.to_owned()), "{body}");
    }
    let health = shop.get("/health").await.json();
    assert_eq!(
        health,
        json!({"status": "healthy", "model_loaded": false, "num_users": 1, "num_items": 12, "degraded": []})
    );
    assert_eq!(shop.get("/users").await.json(), json!({"users": ["7"], "total": 1}));
}

#[tokio::test]
async fn a_profile_is_readable() {
    let shop = Shop::new().await;
    shop.stock_twelve().await;
    assert_eq!(shop.get("/v1/users/u1/profile").await.error(), (404, "not_found".to_owned()));
    let search = json!({"event_id": "s", "type": "search", "user_id": "u1", "query": "手机 phone", "occurred_at": NOW_MS});
    let buy = json!({"event_id": "b", "type": "purchase", "user_id": "u1", "item_id": "F2", "price": "9.90", "currency": "CNY",
        "occurred_at": "2026-05-01T00:00:00Z"});
    shop.know("u1", &[view("1", "u1", "T1"), view("2", "u1", "T1"), search, buy], &[]).await;
    let profile = shop.get("/v1/users/u1/profile").await.json();
    assert_eq!(profile["counts"], json!({"view_item": 2, "purchase": 1}));
    assert_eq!(profile["spending"], json!([{"month": "2026-05", "currency": "CNY", "amount": "9.90"}]));
    assert_eq!(profile["queries"], json!([{"text": "手机 phone", "at": "2026-05-04T12:00:00.000Z"}]));
    assert_eq!(
        (&profile["tastes"][0]["item_id"], &profile["tastes"][0]["hidden"]),
        (&json!("F2"), &json!(true))
    );
    assert_eq!(profile["categories"][0]["name"], "fashion");
    assert_eq!(profile["brands"][0]["name"], "Aurora");
    assert_eq!(
        (&profile["recent"][0]["item_id"], &profile["recent"][0]["act"]),
        (&json!("T1"), &json!("view_item"))
    );
    assert_eq!(profile["last_event_at"], "2026-05-04T12:00:00.000Z");
}

#[tokio::test]
async fn a_lists_name_says_model_and_sources_to_whoever_reads_events_later() {
    let shop = Shop::new().await;
    shop.stock_twelve().await;
    publish_model(&shop);
    shop.know("u1", &[view("e", "u1", "T1")], &["T3", "T1", "F2"]).await;
    let session = json!({"items": ["T1"], "n": 4});
    let session = shop.call(Method::POST, "/v1/session/recommendations", Some(session)).await.json();
    for (answer, kind) in [
        (shop.get("/v1/users/u1/recommendations?n=6").await.json(), ListKind::Personal),
        (shop.get("/v1/users/stranger/recommendations?n=6").await.json(), ListKind::Fallback),
        (shop.get("/v1/trending?n=5").await.json(), ListKind::Trending),
        (session, ListKind::Session),
    ] {
        let name = ListName::read(answer["list_id"].as_str().unwrap());
        assert_eq!((name.kind, name.model), (kind, answer["model_version"].as_u64()), "{answer}");
        for place in answer["items"].as_array().unwrap() {
            let source = name.source_of(place["item_id"].as_str().unwrap().as_bytes());
            assert_eq!(source.map(Source::as_str), place["source"].as_str(), "{place} of {answer}");
        }
    }
}
