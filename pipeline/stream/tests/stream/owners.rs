//! Owners that come and go: stops under load, second owners, what the last one still owed.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use serde_json::{Value, json};
use shoptide_log::{MemoryLog, MemoryLogOptions, SqliteLog, SqliteLogOptions};
use shoptide_schemas::{Topic, USER_TOPICS};
use shoptide_store::{Commit, OffsetMove, Tally, Truth};
use tempfile::TempDir;

use crate::faulty::Fault;
use crate::shop::{NOW_MS, Shop, id, mixed, view};

#[tokio::test(flavor = "multi_thread")]
async fn stops_under_load_lose_and_double_nothing() {
    let dir = TempDir::new().unwrap();
    let clock = Arc::new(AtomicI64::new(NOW_MS));
    let time = clock.clone();
    let options =
        SqliteLogOptions::new(dir.path().join("log.db"), 4, Arc::new(move || time.load(Ordering::Relaxed)));
    let log = SqliteLog::open(options).await.unwrap();
    let mut shop = Shop::over(log, 4, clock, dir).await;
    shop.context.options.batch_records_max = 32;
    shop.stock_up(20).await;
    let events = mixed(61, 3_000);
    for (round, some) in events.chunks(600).enumerate() {
        for topic in [Topic::Browse, Topic::Cart, Topic::Order] {
            let of: Vec<Value> = some.iter().filter(|(t, _)| *t == topic).map(|(_, e)| e.clone()).collect();
            shop.send(topic, &of).await;
        }
        let mut writes = shop.truth.writes();
        let running = shop.run();
        // In the middle of the round, never at the same place.
        let from = *writes.borrow_and_update();
        writes.wait_for(|n| from + 2 + round as u64 * 3 <= *n).await.unwrap();
        running.stop().await.unwrap();
    }
    let running = shop.run();
    shop.settled().await;
    running.stop().await.unwrap();
    shop.prove().await;
    let logged: i64 = shop.truth.offsets().await.unwrap().iter().map(|r| r.tally.logged).sum();
    assert_eq!(logged, 3_020);
    shop.log.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_owner_fences_the_first_who_leaves_the_shard_alone_for_a_while() {
    let shop = Shop::new(1).await;
    let running = shop.run();
    shop.send(Topic::Browse, &[view(0, "anna", 1)]).await;
    shop.settled().await;
    let epoch = shop.truth.inner.assign(0, &[(Topic::Browse, 0)]).await.unwrap()[0].epoch;
    shop.send(Topic::Browse, &[view(1, "anna", 2)]).await;
    while shop.live.shards_down() != [0] {
        tokio::task::yield_now().await;
    }
    let now = shop.truth.offsets().await.unwrap().iter().map(|r| r.epoch).max().unwrap();
    assert_eq!(now, epoch, "a fenced owner must not take the shard back at once");
    assert_eq!(shop.live.metrics().commit_failures.with_label_values(&["fenced"]).get(), 1);
    // Nobody tells the first that the shard is another's: whoever fenced it is gone, so it goes on.
    shop.settled().await;
    running.stop().await.unwrap();
    assert_eq!(shop.list("anna").await.unwrap().epoch, epoch + 1);
    assert!(shop.live.shards_down().is_empty());
    shop.prove().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_owner_whose_shard_was_folded_by_another_stops_and_leaves_no_half_state() {
    let shop = Shop::new(1).await;
    let running = shop.run();
    shop.settled().await;
    // Elsewhere the cart goes on, while a commit of the browsing waits.
    *shop.truth.gate.closed.lock().unwrap() = true;
    shop.send(Topic::Browse, &[view(0, "anna", 1)]).await;
    shop.truth.gate.waits.notified().await;
    let epoch = shop.truth.inner.assign(0, &USER_TOPICS.map(|t| (t, 0))).await.unwrap()[0].epoch;
    let tally = Tally { logged: 1, late: 1, ..Tally::default() };
    let step = OffsetMove { topic: Topic::Cart, from: 0, to: 1, append_ms: NOW_MS, tally };
    shop.truth.inner.commit(Commit { epoch, offsets: vec![step], ..Commit::default() }).await.unwrap();
    *shop.truth.gate.closed.lock().unwrap() = false;
    shop.truth.gate.open.notify_one();
    let up = shop.live.metrics().shard_up.with_label_values(&["0"]);
    while up.get() == 1 {
        tokio::task::yield_now().await;
    }
    running.stop().await.unwrap();
    let row = shop.truth.users(0, &[id("anna")]).await.unwrap().remove(0);
    assert!(row.parts.iter().all(Option::is_none) && row.list.is_none());
}

fn identify(anonymous: &str, known: &str) -> Value {
    json!({"event_id": "id", "type": "identify", "user_id": anonymous, "known_user_id": known, "occurred_at": NOW_MS})
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_last_owner_owed_is_sent_at_the_start() {
    let shop = Shop::new(2).await;
    let running = shop.run();
    shop.settled().await;
    shop.truth.outbox.set(std::iter::repeat_n(Fault::Unavailable, 1_000));
    shop.send(Topic::Browse, &[view(0, "anon", 1), identify("anon", "known")]).await;
    let shard = shop.shard_of("anon");
    shop.until("a debt", || async { !shop.truth.inner.outbox(shard, 1).await.unwrap().is_empty() }).await;
    running.stop().await.unwrap();
    shop.truth.outbox.set([]);
    // Sent, but the store cannot forget the debt for a while: it must not be sent each time it tries.
    shop.truth.outbox_done.set([Fault::Unavailable; 4]);
    let running = shop.run();
    shop.settled().await;
    running.stop().await.unwrap();
    assert_eq!(shop.truth.outbox_done.left(), 0);
    let heir = shop.shard_of("known");
    let max = shoptide_log::ReadMax { records: 100, bytes: 1 << 20 };
    let records = shop.log.read(Topic::Browse, heir, 0, max).await.unwrap();
    let sent = |r: &&shoptide_log::Record| r.key.as_deref() == Some(b"known");
    assert_eq!(records.iter().filter(sent).count(), 1, "appended once, although forgotten late");
    let known = shop.truth.users(shop.shard_of("known"), &[id("known")]).await.unwrap().remove(0);
    let part = shoptide_models::state::Part::decode(&known.parts[0].as_ref().unwrap().1).unwrap();
    assert_eq!(part.items.len(), 1);
    assert_eq!(part.items[0].acts.iter().map(|a| a.n).sum::<u32>(), 1, "folded once");
    assert!(shop.list("known").await.is_some() && shop.list("anon").await.is_none());
    shop.prove().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn many_debts_are_paid_although_the_log_is_quiet_and_the_store_falters() {
    let shop = Shop::new(2).await;
    // All debtors in one shard, all heirs in the other: nothing that is sent wakes the sender.
    let named = |prefix: &str, shard: u32| {
        let all = (0..).map(|n| format!("{prefix}{n}"));
        all.filter(|u| shop.shard_of(u) == shard).take(450).collect::<Vec<_>>()
    };
    let (debtors, heirs) = (named("anon", 0), named("known", 1));
    let events: Vec<Value> = debtors.iter().zip(&heirs).map(|(a, k)| identify(a, k)).collect();
    shop.truth.outbox.set([Fault::Pass, Fault::Pass, Fault::Pass, Fault::Unavailable, Fault::Unavailable]);
    shop.send(Topic::Feedback, &events).await;
    let running = shop.run();
    shop.settled().await;
    running.stop().await.unwrap();
    let rows = shop.truth.offsets().await.unwrap();
    let heirs = rows.iter().find(|r| r.shard == 1 && r.topic == Topic::Feedback).unwrap();
    assert_eq!(heirs.tally.applied, 450);
    shop.prove().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_identity_over_all_topics_ends_in_one_list() {
    let shop = Shop::new(4).await;
    shop.stock_up(20).await;
    let running = shop.run();
    for (topic, event) in mixed(3, 60) {
        shop.send(topic, &[event]).await;
    }
    for topic in USER_TOPICS {
        shop.send(topic, &[identify("u1", "anna")]).await;
        shop.send(topic, &[identify("u1", "anna")]).await;
    }
    shop.send(Topic::Browse, &[view(9_000, "u1", 19)]).await;
    shop.settled().await;
    running.stop().await.unwrap();
    assert!(
        shop.list("anna").await.is_some()
            && shop.list("u1").await.is_none()
            && shop.cached("u1").await.is_none()
    );
    let dead: i64 = shop.truth.offsets().await.unwrap().iter().map(|r| r.tally.dead).sum();
    assert_eq!(dead, 0);
    shop.prove().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shard_that_panics_is_named_and_taken_over_again() {
    let shop = Shop::new(1).await;
    let running = shop.run();
    shop.send(Topic::Browse, &[view(0, "anna", 1)]).await;
    shop.settled().await;
    shop.truth.users.set([Fault::Panic]);
    shop.send(Topic::Browse, &[view(1, "berta", 2)]).await;
    while shop.live.shards_down() != [0] {
        tokio::task::yield_now().await;
    }
    assert_eq!(shop.live.metrics().shard_up.with_label_values(&["0"]).get(), 0);
    shop.settled().await;
    assert!(shop.live.shards_down().is_empty());
    running.stop().await.unwrap();
    assert!(shop.list("berta").await.is_some());
    shop.prove().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_truncated_log_stops_its_shard_and_no_other() {
    let clock = Arc::new(AtomicI64::new(NOW_MS));
    let time = clock.clone();
    let log = MemoryLog::new(MemoryLogOptions {
        partitions: 4,
        clock: Arc::new(move || time.load(Ordering::Relaxed)),
        queue_records_max: 1_000,
    });
    let shop = Shop::over(log.clone(), 4, clock, TempDir::new().unwrap()).await;
    shop.stock_up(5).await;
    let running = shop.run();
    // One user a shard.
    let named = |shard: u32| (0..).map(|n| format!("u{n}")).find(|u| shop.shard_of(u) == shard).unwrap();
    let users: Vec<String> = (0..4).map(named).collect();
    for (n, user) in users.iter().enumerate() {
        shop.send(Topic::Browse, &[view(n, user, 1)]).await;
    }
    shop.settled().await;
    running.stop().await.unwrap();
    // While nobody reads, more is written to shard 2 than its log keeps.
    shop.send(Topic::Browse, &[view(10, &users[2], 2), view(11, &users[2], 3)]).await;
    log.truncate_below(Topic::Browse, 2, 2).await.unwrap();
    let before = shop.truth.offsets().await.unwrap();
    let running = shop.run();
    for (n, user) in users.iter().enumerate().filter(|(n, _)| *n != 2) {
        shop.send(Topic::Browse, &[view(20 + n, user, 4)]).await;
    }
    shop.until("the other shards run on", || async {
        let rows = shop.truth.offsets().await.unwrap();
        rows.iter().filter(|r| r.topic == Topic::Browse && r.shard != 2).all(|r| r.next_off == 2)
    })
    .await;
    assert_eq!(shop.live.shards_down(), [2]);
    let text = shop.live.metrics().text();
    for said in ["shard_truncated{shard=\"2\"} 1", "shard_up{shard=\"2\"} 0", "shard_up{shard=\"1\"} 1"] {
        assert!(text.contains(said), "{said} is not in\n{text}");
    }
    // It never jumps.
    let browse = |rows: &[shoptide_store::OffsetRow]| {
        rows.iter().find(|r| (r.shard, r.topic) == (2, Topic::Browse)).map(|r| (r.next_off, r.tally))
    };
    assert_eq!(browse(&shop.truth.offsets().await.unwrap()), browse(&before));
    running.stop().await.unwrap();
    // Whoever no longer has the shard says nothing about it.
    shop.live.forget_shard(2);
    assert!(shop.live.shards_down().is_empty());
    let text = shop.live.metrics().text();
    assert!(!text.contains("shard=\"2\""), "{text}");
}
