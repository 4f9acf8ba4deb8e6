//! Events become lists; lists become new with the model.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use serde_json::json;
use shoptide_models::snapshot::Kind;
use shoptide_schemas::Topic;
use shoptide_store::{Cache, Truth};

use crate::faulty::Fault;
use crate::shop::{NOW_MS, Shop, id, mixed, model, view};

#[tokio::test(flavor = "multi_thread")]
async fn an_event_becomes_a_list_that_contains_it() {
    let shop = Shop::new(2).await;
    shop.stock_up(20).await;
    shop.live.adopt(model(1, 20, Kind::Full));
    let running = shop.run();
    shop.send(Topic::Browse, &[view(0, "anna", 1), view(1, "ben", 2)]).await;
    shop.clock.store(NOW_MS + 40, Ordering::Relaxed);
    shop.send(Topic::Cart, &[json!({"event_id": "c", "type": "add_to_cart", "user_id": "anna", "item_id": "i3", "occurred_at": NOW_MS})]).await;
    shop.settled().await;
    running.stop().await.unwrap();
    for user in ["anna", "ben"] {
        let list = shop.list(user).await.unwrap();
        assert_eq!(list.model_version, 1);
        assert_eq!(list.entries.len(), if user == "anna" { 18 } else { 19 }, "all but what was dealt with");
        assert_eq!((list.catalogue_offset, list.rules_version, list.now_ms), (20, 7, NOW_MS));
        assert_eq!(shop.cached(user).await.unwrap(), list);
        let ends = [Topic::Browse, Topic::Cart];
        for (place, topic) in ends.into_iter().enumerate() {
            let end = shop.log.watermarks(topic, shop.shard_of(user)).await.unwrap().next;
            if topic == Topic::Browse || user == "anna" {
                assert_eq!(list.as_of[place], end, "{topic} of {user}");
            }
        }
    }
    let freshness = &shop.live.metrics().freshness;
    assert!((2..=3).contains(&freshness.get_sample_count()), "one a user and batch");
    assert!(freshness.get_sample_sum() <= 0.121);
    // The cache may go at any moment.
    shop.cache.clear().await.unwrap();
    assert!(shop.cached("anna").await.is_none() && shop.list("anna").await.is_some());
    shop.prove().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_import_gets_its_lists_from_the_sweep() {
    let shop = Shop::new(1).await;
    shop.stock_up(20).await;
    let event = |n: usize| {
        let mut e = view(n, &format!("u{}", n % 150), n % 20);
        (e["historical"], e["occurred_at"]) = (json!(true), json!(NOW_MS - 400 * 86_400_000));
        e
    };
    shop.send(Topic::Browse, &(0..600).map(event).collect::<Vec<_>>()).await;
    // Whatever fails on the way, no row is forgotten.
    shop.truth.sweeps.set([Fault::Unavailable, Fault::Pass, Fault::UnknownDone, Fault::UnknownLost]);
    let running = shop.run();
    shop.settled().await;
    running.stop().await.unwrap();
    assert_eq!(shop.truth.sweeps.left(), 0);
    assert_eq!((shop.made("event"), shop.made("sweep")), (0, 0));
    for n in 0..150 {
        assert!(shop.list(&format!("u{n}")).await.is_some(), "u{n}");
    }
    shop.prove().await;
}

/// Users with a list from before the first model.
async fn old_lists(shop: &Shop, users: usize) {
    shop.stock_up(20).await;
    let running = shop.run();
    shop.send(Topic::Browse, &(0..users).map(|n| view(n, &format!("u{n:04}"), n % 20)).collect::<Vec<_>>())
        .await;
    shop.settled().await;
    running.stop().await.unwrap();
}

async fn all_new(shop: &Shop, version: u64) -> bool {
    let heads = shop.truth.lists_after(0, None, 10_000).await.unwrap();
    heads.iter().all(|h| h.model_version == version)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_publish_makes_every_list_anew_at_a_bounded_rate_whatever_fails() {
    let mut shop = Shop::new(1).await;
    // Most users are not in memory, so that most are found page by page.
    shop.context.options.users_cached_max = 16;
    shop.context.options.sweep_lists_per_s = 640;
    old_lists(&shop, 400).await;
    shop.truth.sweeps.set([Fault::Pass, Fault::Unavailable, Fault::UnknownLost, Fault::UnknownDone]);
    shop.live.adopt(model(1, 20, Kind::Full));
    let (began, running) = (Instant::now(), shop.run());
    shop.until("a sweep of all lists", || all_new(&shop, 1)).await;
    running.stop().await.unwrap();
    // Four hundred at 64 each tenth of a second.
    assert!(500 <= began.elapsed().as_millis(), "{:?}", began.elapsed());
    assert_eq!(shop.truth.sweeps.left(), 0);
    assert_eq!(shop.made("event"), 400);
    let list = shop.list("u0001").await.unwrap();
    assert_eq!(shop.cached("u0001").await.unwrap().model_version, 1);
    assert!(list.revision <= 3 && list.as_of[0] == 400, "{list:?}");
    shop.prove().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_who_cannot_be_read_does_not_cost_the_page() {
    let mut shop = Shop::new(1).await;
    shop.context.options.users_cached_max = 16;
    old_lists(&shop, 130).await;
    shop.truth.users.set([Fault::Pass, Fault::Unavailable]);
    shop.live.adopt(model(1, 20, Kind::Full));
    let running = shop.run();
    shop.until("a sweep of all lists", || all_new(&shop, 1)).await;
    running.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_publish_is_seen_although_the_log_never_runs_dry() {
    let mut shop = Shop::new(1).await;
    shop.context.options.batch_records_max = 4;
    old_lists(&shop, 20).await;
    let swept = Arc::new(AtomicU64::new(0));
    let (live, seen) = (shop.live.clone(), swept.clone());
    let first = model(1, 20, Kind::Full);
    shop.context.inspect = Some(Arc::new(move |event| match event.id.as_bytes() {
        b"e1040" => live.adopt(first.clone()),
        b"e2999" => {
            seen.store(live.metrics().lists_made.with_label_values(&["sweep"]).get(), Ordering::Relaxed)
        }
        // A slow fold: two thousand of these take far longer than a sweep may be overdue, on any machine.
        _ => std::thread::sleep(std::time::Duration::from_micros(500)),
    }));
    shop.send(Topic::Browse, &(1_000..3_000).map(|n| view(n, "busy", n % 20)).collect::<Vec<_>>()).await;
    let running = shop.run();
    shop.settled().await;
    running.stop().await.unwrap();
    assert_eq!(swept.load(Ordering::Relaxed), 20, "lists swept before the last event was folded");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_delta_leaves_lists_alone_until_they_lag_too_far() {
    let shop = Shop::new(1).await;
    old_lists(&shop, 10).await;
    shop.live.adopt(model(1, 20, Kind::Full));
    let running = shop.run();
    shop.until("the full version", || all_new(&shop, 1)).await;
    shop.live.adopt(model(2, 20, Kind::Delta));
    shop.send(Topic::Browse, &[view(5_000, "u0001", 3)]).await;
    shop.settled().await;
    assert_eq!(shop.list("u0001").await.unwrap().model_version, 2, "an event takes the newest");
    assert_eq!(shop.list("u0002").await.unwrap().model_version, 1);
    shop.live.adopt(model(12, 20, Kind::Delta));
    shop.until("the sweep of a delta", || all_new(&shop, 12)).await;
    running.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_erased_user_has_no_list_anywhere() {
    let shop = Shop::new(2).await;
    shop.stock_up(20).await;
    let running = shop.run();
    for (topic, event) in mixed(5, 100) {
        shop.send(topic, &[event]).await;
    }
    shop.settled().await;
    assert!(shop.list("u1").await.is_some() && shop.cached("u1").await.is_some());
    for (n, topic) in shoptide_schemas::USER_TOPICS.into_iter().enumerate() {
        shop.send(
            topic,
            &[json!({"event_id": "bye", "type": "user_erased", "user_id": "u1", "occurred_at": NOW_MS})],
        )
        .await;
        shop.send(Topic::Forum, &[json!({"event_id": format!("f{n}"), "type": "forum_like", "thread_id": "t", "user_id": "u1", "occurred_at": NOW_MS})]).await;
    }
    shop.live.adopt(model(1, 20, Kind::Full));
    shop.settled().await;
    running.stop().await.unwrap();
    assert!(shop.list("u1").await.is_none() && shop.cached("u1").await.is_none());
    let row = shop.truth.users(shop.shard_of("u1"), &[id("u1")]).await.unwrap().remove(0);
    assert!(row.parts.iter().all(Option::is_none) && row.erased.iter().all(Option::is_some));
    shop.prove().await;
}
