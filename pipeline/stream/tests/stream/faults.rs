//! Faults of the store and of events, which must not be seen afterwards.

use shoptide_schemas::Topic;
use shoptide_store::{DeadPage, Truth};

use crate::faulty::Fault;
use crate::shop::{Shop, mixed, poison, view};

async fn send_mixed(shop: &Shop, n: usize) {
    for topic in [Topic::Browse, Topic::Cart, Topic::Order] {
        let events: Vec<_> = mixed(23, n).into_iter().filter(|(t, _)| *t == topic).map(|(_, e)| e).collect();
        shop.send(topic, &events).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn commits_that_fail_or_get_lost_happen_exactly_once() {
    use Fault::{Pass, Unavailable, UnknownDone, UnknownLost};
    for plan in [
        vec![Unavailable, Unavailable],
        vec![UnknownDone],
        vec![UnknownLost],
        vec![Pass, UnknownDone, UnknownLost, Pass, Unavailable, UnknownDone, UnknownDone, Pass, UnknownLost],
    ] {
        let shop = Shop::new(1).await;
        shop.stock_up(20).await;
        send_mixed(&shop, 600).await;
        shop.truth.commits.set(plan.clone());
        let running = shop.run();
        shop.settled().await;
        running.stop().await.unwrap();
        assert_eq!(shop.truth.commits.left(), 0, "{plan:?}");
        shop.prove().await;
        // Prequential counters are no folded table, yet count once.
        let metrics = shop.live.metrics();
        let applied: u64 = ["shop.browse", "shop.cart", "shop.order"]
            .iter()
            .map(|t| metrics.records.with_label_values(&[t, "applied"]).get())
            .sum();
        let stored: i64 = shop
            .truth
            .offsets()
            .await
            .unwrap()
            .iter()
            .filter(|r| r.topic.is_user())
            .map(|r| r.tally.applied)
            .sum();
        assert_eq!(applied as i64, stored, "{plan:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_whose_commit_failed_was_never_made() {
    for fault in [Fault::Unavailable, Fault::UnknownDone, Fault::UnknownLost] {
        let shop = Shop::new(1).await;
        shop.stock_up(20).await;
        let running = shop.run();
        shop.settled().await;
        shop.truth.commits.set([fault]);
        shop.send(Topic::Browse, &[view(0, "anna", 1)]).await;
        shop.settled().await;
        let first = shop.list("anna").await.unwrap();
        assert_eq!(first.revision, 1, "{fault:?}");
        shop.send(Topic::Browse, &[view(1, "anna", 2)]).await;
        shop.settled().await;
        running.stop().await.unwrap();
        let second = shop.list("anna").await.unwrap();
        assert_eq!(second.revision, 2, "{fault:?}");
        assert!(first.version_key() < second.version_key());
        assert_eq!(shop.cached("anna").await.unwrap(), second);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_is_away_at_every_step_only_costs_time() {
    use Fault::{Pass, Unavailable, UnknownDone, UnknownLost};
    let shop = Shop::new(2).await;
    send_mixed(&shop, 400).await;
    // At the first assignment, and when shards are taken over after failed commits.
    shop.truth.assigns.set([
        Unavailable,
        UnknownDone,
        Pass,
        UnknownLost,
        Pass,
        UnknownDone,
        Unavailable,
        UnknownLost,
    ]);
    shop.truth.users.set([Pass, Unavailable, Pass, Unavailable]);
    shop.truth.commits.set([Pass, Unavailable, UnknownDone]);
    let running = shop.run();
    shop.settled().await;
    running.stop().await.unwrap();
    assert_eq!((shop.truth.assigns.left(), shop.truth.users.left(), shop.truth.commits.left()), (0, 0, 0));
    for shard in ["0", "1"] {
        assert_eq!(shop.live.metrics().shard_up.with_label_values(&[shard]).get(), 1);
    }
    shop.prove().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_stream_stops_although_the_store_never_answers() {
    let mut shop = Shop::new(1).await;
    shop.context.inspect = Some(poison());
    let forever = || std::iter::repeat_n(Fault::Unavailable, 100_000);
    // Before the first assignment; with a batch that cannot be committed; with one that can only be buried.
    shop.truth.assigns.set(forever());
    let running = shop.run();
    running.stop().await.unwrap();
    shop.truth.assigns.set([]);
    for event in [
        view(0, "anna", 1),
        serde_json::json!({"event_id": "poison", "type": "begin_checkout", "user_id": "anna", "occurred_at": crate::shop::NOW_MS}),
    ] {
        let topic = if event["type"] == "view_item" { Topic::Browse } else { Topic::Cart };
        let running = shop.run();
        shop.settled().await;
        shop.truth.commits.set(forever());
        shop.send(topic, &[event]).await;
        let before = shop.truth.commits.left();
        shop.until("a failed commit", || async { shop.truth.commits.left() < before }).await;
        running.stop().await.unwrap();
        shop.truth.commits.set([]);
        let running = shop.run();
        shop.settled().await;
        running.stop().await.unwrap();
        shop.prove().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn poison_becomes_a_dead_letter_and_its_neighbours_do_not_notice() {
    let mut shop = Shop::new(1).await;
    shop.context.inspect = Some(poison());
    let mut events: Vec<_> = (0..100).map(|n| view(n, &format!("u{}", n % 7), n % 20)).collect();
    for place in [0, 1, 40, 99] {
        events[place]["event_id"] = serde_json::json!(format!("poison{place}"));
    }
    shop.send(Topic::Browse, &events).await;
    // Shard 0 folds the catalogue in the same batches.
    shop.stock_up(50).await;
    let running = shop.run();
    shop.settled().await;
    running.stop().await.unwrap();
    let dead = shop.truth.dead_letters(DeadPage { limit: 10, ..DeadPage::default() }).await.unwrap();
    let mut at: Vec<_> = dead.iter().map(|d| (d.offset, d.reason.as_str())).collect();
    at.sort_unstable();
    assert_eq!(at, [(0, "panicked"), (1, "panicked"), (40, "panicked"), (99, "panicked")]);
    let (items, _) = shop.truth.catalogue().await.unwrap();
    assert_eq!(items.len(), 50);
    shop.prove().await;
}
