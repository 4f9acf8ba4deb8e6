//! One rule a test: erasure, order lines, time, foreign records, panics, ids.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::json;
use shoptide_live::fold::Inspect;
use shoptide_schemas::{Topic, USER_TOPICS};

use crate::events::{DAY_MS, ITEMS, Log, NOW_MS, USERS, event, on_item, purchase};
use crate::tables::{Fault, Shard, Tables, sequential};

fn reason(tables: &Tables, topic: Topic, off: i64) -> &str {
    tables.dead.get(&(topic, off)).map_or("none", |row| row.0.as_str())
}

/// Everything a user can leave behind.
fn traces(log: &mut Log, user: &str) {
    log.event(Topic::Browse, &on_item("b1", "view_item", user, "P1"));
    log.event(Topic::Cart, &on_item("c1", "add_to_cart", user, "P1"));
    log.event(Topic::Order, &purchase("o1", user, "P1", Some(("order", "0"))));
    let mut post = on_item("f1", "forum_post", user, "P1");
    post["text"] = json!("text");
    log.event(Topic::Forum, &post);
    log.event(Topic::Feedback, &on_item("x1", "recommendation_clicked", user, "P1"));
    for topic in USER_TOPICS {
        log.put(topic, Some(user.as_bytes()), Some(format!("rubbish of {user}").as_bytes()));
    }
}

#[test]
fn erasure_leaves_no_trace_and_no_neighbour_is_touched() {
    let mut log = Log::default();
    traces(&mut log, "gone");
    traces(&mut log, "stays");
    log.erase("gone", "bye");
    traces(&mut log, "gone");
    // A key is all that tells whose rubbish it is.
    log.put(Topic::Browse, Some(b"gone"), Some(b"more rubbish of gone"));
    let tables = sequential(&log.records);
    // What was asked to go is no table.
    let bytes = format!("{:?}", Tables { chats_ended: BTreeSet::new(), ..tables.clone() });
    let hex = |text: &str| text.bytes().map(|b| b.to_string()).collect::<Vec<_>>().join(", ");
    assert!(!bytes.contains("gone") && !bytes.contains(&hex("gone")), "{bytes}");
    assert!(bytes.contains(&hex("rubbish of stays")));
    for topic in USER_TOPICS {
        assert_eq!(tables.tally(topic).erased, 1, "{topic}: what came later");
        assert!(tables.part("stays", topic).is_some());
    }
    assert_eq!(tables.tombstones.len(), 5);
    assert_eq!(tables.lines.len(), 1);
    assert!(tables.counts.values().all(|n| *n == 1), "only one user's are left: {:?}", tables.counts);
    for widths in [[1], [3], [100]] {
        let mut shard = Shard::new(1, None);
        shard.take(&log.records, &widths, &[Fault::AfterCommit, Fault::BeforeCommit]);
        assert_eq!(shard.tables, tables, "batches of {widths:?}");
    }
}

#[test]
fn a_dead_letter_without_a_key_is_found_by_its_user() {
    let mut log = Log::default();
    let future = event("e1", "begin_checkout", "gone", NOW_MS + DAY_MS).to_string();
    log.put(Topic::Cart, None, Some(future.as_bytes()));
    assert_eq!(sequential(&log.records).dead[&(Topic::Cart, 0)].2.as_deref(), Some(&b"gone"[..]));
    log.erase("gone", "bye");
    let row = &sequential(&log.records).dead[&(Topic::Cart, 0)];
    assert_eq!((row.2.as_ref(), row.3.as_ref()), (None, None));
}

#[test]
fn a_second_erasure_and_what_follows_count_as_erased() {
    let mut log = Log::default();
    log.erase("u", "one");
    log.erase("u", "two");
    log.event(Topic::Browse, &on_item("e", "view_item", "u", "P1"));
    let tables = sequential(&log.records);
    assert_eq!((tables.tally(Topic::Browse).applied, tables.tally(Topic::Browse).erased), (1, 2));
    assert!(tables.parts.is_empty());
    // What readers wrote since the first goes with the second; his later acts ask for nothing.
    assert_eq!(tables.asked_to_go, 2 * shoptide_schemas::USER_TOPICS.len() as u64);
}

#[test]
fn an_erasure_is_never_too_late() {
    let mut log = Log::default();
    log.event(Topic::Browse, &on_item("e", "view_item", "u", "P1"));
    log.event(Topic::Browse, &event("bye", "user_erased", "u", NOW_MS - 90 * DAY_MS));
    assert!(sequential(&log.records).parts.is_empty());
}

#[test]
fn an_order_line_counts_once_for_ever() {
    let mut log = Log::default();
    log.event(Topic::Order, &purchase("a", "u", "P1", Some(("order", "0"))));
    // Far outside the window of event ids, under another name, in another batch.
    for n in 0..600 {
        log.event(Topic::Order, &purchase(&format!("n{n}"), "u", "7", None));
    }
    log.event(Topic::Order, &purchase("b", "u", "P1", Some(("order", "0"))));
    log.event(Topic::Order, &purchase("c", "u", "P1", Some(("order", "1"))));
    log.event(Topic::Order, &purchase("d", "u", "P1", Some(("order", "1"))));
    let mut refund = purchase("e", "u", "P1", Some(("order", "0")));
    refund["type"] = json!("refund");
    log.event(Topic::Order, &refund);
    log.event(Topic::Order, &purchase("f", "other", "P1", Some(("order", "0"))));
    let tables = sequential(&log.records);
    assert_eq!(tables.tally(Topic::Order).duplicate, 2);
    assert_eq!(tables.lines.len(), 4, "two lines, a refund, another user's");
    let spent: i64 = tables.part("u", Topic::Order).unwrap().spend.iter().map(|s| s.micros).sum();
    assert_eq!(spent, 10_500_000 * (600 + 2 - 1));
}

#[test]
fn outside_the_window_an_event_counts_again() {
    let mut log = Log::default();
    log.event(Topic::Browse, &on_item("first", "view_item", "u", "P1"));
    for n in 0..255 {
        log.event(Topic::Browse, &on_item(&format!("n{n}"), "view_item", "u", "7"));
    }
    log.event(Topic::Browse, &on_item("first", "view_item", "u", "P1"));
    log.event(Topic::Browse, &on_item("last", "view_item", "u", "7"));
    log.event(Topic::Browse, &on_item("first", "view_item", "u", "P1"));
    let tables = sequential(&log.records);
    assert_eq!(tables.tally(Topic::Browse).duplicate, 1, "as documented");
}

#[test]
fn time_is_judged_by_the_append_never_by_a_clock() {
    let mut log = Log::default();
    let at = |id: &str, ms: i64| event(id, "begin_checkout", "u", ms);
    let edge = NOW_MS - 30 * DAY_MS;
    log.event(Topic::Cart, &at("edge", edge));
    log.event(Topic::Cart, &at("late", edge));
    log.event(Topic::Cart, &at("ahead", NOW_MS + 300_000 + 2_000));
    log.event(Topic::Cart, &at("future", NOW_MS + 300_000 + 3_001));
    let mut import = at("import", NOW_MS - 4_000 * DAY_MS);
    import["historical"] = json!(true);
    log.event(Topic::Cart, &import);
    import["occurred_at"] = json!(NOW_MS + DAY_MS);
    import["event_id"] = json!("import2");
    log.event(Topic::Cart, &import);
    let tables = sequential(&log.records);
    let tally = tables.tally(Topic::Cart);
    assert_eq!((tally.applied, tally.late, tally.dead), (3, 1, 2));
    assert_eq!((reason(&tables, Topic::Cart, 3), reason(&tables, Topic::Cart, 5)), ("future", "future"));
}

#[test]
fn foreign_records_are_dead_letters_with_their_reason() {
    let mut log = Log::default();
    let view = on_item("e", "view_item", "u", "P1").to_string();
    log.put(Topic::Cart, Some(b"u"), Some(view.as_bytes()));
    log.put(Topic::Cart, Some(b"u"), None);
    log.put(Topic::Cart, None, Some(&[0xff, 0, 0x80]));
    let mut unsplit = event("e", "add_to_cart", "u", NOW_MS);
    unsplit["items"] = json!([{"item_id": "P1"}]);
    log.event(Topic::Cart, &unsplit);
    let mut unknown = on_item("e", "add_to_cart", "u", "P1");
    unknown["type"] = json!("teleport");
    log.event(Topic::Cart, &unknown);
    log.event(Topic::Cart, &on_item("good", "add_to_cart", "u", "P1"));
    let tables = sequential(&log.records);
    let reasons: Vec<&str> = (0..6).map(|off| reason(&tables, Topic::Cart, off)).collect();
    assert_eq!(reasons, ["wrong_topic", "malformed", "malformed", "unsplit", "unknown_type", "none"]);
    assert_eq!(tables.tally(Topic::Cart).applied, 1);
    let mut wrong = log.records[5].clone();
    wrong.partition = (shoptide_schemas::partition::partition_of(b"u", 4) + 1) % 4;
    let decoded = shoptide_live::fold::decode(&wrong, 4);
    assert!(matches!(decoded, shoptide_live::fold::Decoded::Dead(r) if r.code.as_str() == "wrong_partition"));
}

/// A fold that panics on events whose id begins with `poison`.
fn poison() -> Option<Inspect> {
    Some(Arc::new(|event| assert!(!event.id.as_bytes().starts_with(b"poison"), "poison")))
}

#[test]
fn poison_is_tried_alone_and_buried_and_its_neighbours_live() {
    let mut log = Log::default();
    let mut clean = Log::default();
    for n in 0..30 {
        let name = if n % 7 == 3 { format!("poison{n}") } else { format!("e{n}") };
        log.event(Topic::Browse, &on_item(&name, "view_item", USERS[n % 3], ITEMS[n % 5]));
        if n % 7 == 3 {
            clean.put(Topic::Browse, Some(USERS[n % 3].as_bytes()), Some(b"poison"));
        } else {
            clean.event(Topic::Browse, &on_item(&name, "view_item", USERS[n % 3], ITEMS[n % 5]));
        }
        // In the same batch: what shard 0 folds of the catalogue must survive the panic.
        let upsert = json!({"event_id": "c", "type": "item_upsert", "item_id": format!("I{n}"), "title": "t", "occurred_at": NOW_MS});
        for l in [&mut log, &mut clean] {
            l.put(Topic::Catalogue, Some(format!("I{n}").as_bytes()), Some(upsert.to_string().as_bytes()));
        }
    }
    for width in [1, 2, 5, 60] {
        let mut shard = Shard::new(100, poison());
        shard.take(&log.records, &[width], &[]);
        let expected = sequential(&clean.records);
        assert_eq!(shard.tables.parts, expected.parts, "batches of {width}");
        assert_eq!(shard.tables.items, expected.items, "batches of {width}");
        assert_eq!(shard.tables.versions, expected.versions);
        assert_eq!(shard.tables.tallies, expected.tallies);
        let dead: Vec<_> = shard.tables.dead.iter().map(|((_, off), row)| (*off, row.0.as_str())).collect();
        assert_eq!(dead, [(3, "panicked"), (10, "panicked"), (17, "panicked"), (24, "panicked")]);
    }
}

#[test]
fn ids_that_look_alike_stay_apart_everywhere() {
    let mut log = Log::default();
    for (n, user) in USERS.iter().enumerate() {
        log.event(Topic::Order, &purchase("same", user, ITEMS[n % 5], Some(("same", "same"))));
        log.put(Topic::Order, Some(user.as_bytes()), Some(b"rubbish"));
    }
    let tables = sequential(&log.records);
    assert_eq!((tables.parts.len(), tables.lines.len(), tables.dead.len()), (6, 6, 6));
    assert_eq!(tables.tally(Topic::Order).duplicate, 0);
    assert_eq!(tables.counts.len(), 5);
    log.erase("user1", "bye");
    let tables = sequential(&log.records);
    assert_eq!(tables.parts.len(), 5);
    assert_eq!(tables.dead.values().filter(|row| row.3.is_none()).count(), 1);
}

#[test]
fn memory_keeps_to_its_bound_and_one_batch() {
    let mut log = Log::default();
    for n in 0..2_000 {
        log.event(Topic::Browse, &on_item("e", "view_item", &format!("u{n}"), "P1"));
    }
    let mut shard = Shard::new(64, None);
    for chunk in log.records.chunks(50) {
        shard.take(chunk, &[25], &[]);
        assert!(shard.users_in_memory() <= 64 + 25, "{}", shard.users_in_memory());
    }
    assert_eq!(shard.tables, sequential(&log.records));
}
