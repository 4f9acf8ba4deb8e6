//! An anonymous user turns out to be a known one: what he did travels once, what he does later follows.

use serde_json::{Value, json};
use shoptide_schemas::{Topic, USER_TOPICS, UserId};

use crate::events::{Log, NOW_MS, event, on_item, purchase};
use crate::tables::{Fault, Shard, Tables};

/// Relays more than this are a game of ping-pong.
const ROUNDS_MAX: usize = 20;

fn identify(log: &mut Log, id: &str, anonymous: &str, known: &str) {
    for topic in USER_TOPICS {
        let mut e = event(id, "identify", anonymous, NOW_MS);
        e["known_user_id"] = json!(known);
        log.event(topic, &e);
    }
}

/// Folds, relays what is owed (each record `times` times, as after a crash between append and done), folds again.
fn settle(log: &mut Log, times: usize) -> Tables {
    settle_on(&mut Shard::new(3, None), &mut 0, log, times)
}

/// The same from where a shard stands.
fn settle_on(shard: &mut Shard, folded: &mut usize, log: &mut Log, times: usize) -> Tables {
    for _ in 0..ROUNDS_MAX {
        let records = log.records[*folded..].to_vec();
        *folded = log.records.len();
        shard.take(&records, &[2, 7, 1], &[Fault::BeforeCommit, Fault::AfterCommit]);
        let owed = std::mem::take(&mut shard.tables.outbox);
        if owed.is_empty() {
            return shard.tables.clone();
        }
        for _ in 0..times {
            for ((topic, _), (key, payload)) in &owed {
                log.put(*topic, Some(key), Some(payload));
            }
        }
    }
    panic!("still owing after {ROUNDS_MAX} rounds");
}

fn views(tables: &Tables, user: &str) -> Vec<(String, u64)> {
    let part = tables.part(user, Topic::Browse).unwrap_or_default();
    part.items.iter().map(|e| (e.item.to_string(), e.acts.iter().map(|a| u64::from(a.n)).sum())).collect()
}

fn expect(views: &[(&str, u64)]) -> Vec<(String, u64)> {
    views.iter().map(|(item, n)| ((*item).to_owned(), *n)).collect()
}

#[test]
fn parts_travel_once_and_later_events_follow() {
    for times in [1, 3] {
        let mut log = Log::default();
        log.event(Topic::Browse, &on_item("a1", "view_item", "anon", "P1"));
        log.event(Topic::Browse, &on_item("a2", "view_item", "anon", "P1"));
        log.event(Topic::Order, &purchase("a3", "anon", "7", Some(("o", "0"))));
        log.event(Topic::Browse, &on_item("k1", "view_item", "known", "P1"));
        identify(&mut log, "id", "anon", "known");
        log.event(Topic::Browse, &on_item("a4", "view_item", "anon", "07"));
        log.event(Topic::Browse, &on_item("a4", "view_item", "anon", "07"));
        let tables = settle(&mut log, times);
        assert_eq!(views(&tables, "known"), expect(&[("07", 1), ("P1", 3)]), "relayed {times} times");
        let anon = tables.part("anon", Topic::Browse).unwrap();
        assert!(anon.items.is_empty() && anon.forward.is_some());
        assert_eq!(tables.part("known", Topic::Order).unwrap().spend.len(), 1);
        assert_eq!(tables.tallies.values().map(|t| t.dead).sum::<i64>(), 0);
        // What was said under the id of before goes; the known user keeps his own.
        assert_eq!(tables.chats_ended, [UserId::from_trusted(b"anon")].into());
        // Counts: each act once, wherever it is counted.
        assert_eq!(tables.counts.values().sum::<i64>(), 5);
    }
}

#[test]
fn the_same_identity_again_has_no_second_effect() {
    let mut log = Log::default();
    log.event(Topic::Browse, &on_item("a1", "view_item", "anon", "P1"));
    // A storefront says it at every login.
    for n in 0..5 {
        identify(&mut log, &format!("id{n}"), "anon", "known");
    }
    let tables = settle(&mut log, 1);
    assert_eq!(views(&tables, "known"), expect(&[("P1", 1)]));
    for topic in USER_TOPICS {
        let tally = tables.tally(topic);
        assert_eq!((tally.dead, tally.duplicate), (0, 4), "{topic}");
    }
}

#[test]
fn a_device_that_two_people_share_does_not_make_them_one() {
    let mut log = Log::default();
    log.event(Topic::Browse, &on_item("a1", "view_item", "device", "P1"));
    identify(&mut log, "id1", "device", "anna");
    log.event(Topic::Browse, &on_item("k1", "view_item", "anna", "7"));
    let (mut shard, mut folded) = (Shard::new(3, None), 0);
    settle_on(&mut shard, &mut folded, &mut log, 1);
    identify(&mut log, "id2", "device", "ben");
    log.event(Topic::Browse, &on_item("a2", "view_item", "device", "07"));
    let tables = settle_on(&mut shard, &mut folded, &mut log, 1);
    assert_eq!(views(&tables, "anna"), expect(&[("7", 1), ("P1", 1)]));
    assert_eq!(views(&tables, "ben"), expect(&[("07", 1)]));
    assert!(tables.part("anna", Topic::Browse).unwrap().forward.is_none());
}

#[test]
fn two_identities_that_name_each_other_come_to_rest() {
    let mut log = Log::default();
    log.event(Topic::Browse, &on_item("a1", "view_item", "a", "P1"));
    log.event(Topic::Browse, &on_item("b1", "view_item", "b", "7"));
    identify(&mut log, "id1", "a", "b");
    identify(&mut log, "id2", "b", "a");
    log.event(Topic::Browse, &on_item("a2", "view_item", "a", "P1"));
    let before = log.records.len();
    let tables = settle(&mut log, 1);
    assert!(log.records.len() < before + 40, "{} records relayed", log.records.len() - before);
    let seen: u64 = ["a", "b"].iter().flat_map(|u| views(&tables, u)).map(|(_, n)| n).sum();
    assert_eq!(seen, 3, "nothing is lost on the way: {:?} {:?}", views(&tables, "a"), views(&tables, "b"));
    assert_eq!(tables.tallies.values().map(|t| t.dead).sum::<i64>(), 0);
}

#[test]
fn what_follows_an_erased_user_is_erased_and_his_counts_go() {
    let mut log = Log::default();
    log.event(Topic::Browse, &on_item("a1", "view_item", "anon", "P1"));
    identify(&mut log, "id", "anon", "known");
    let (mut shard, mut folded) = (Shard::new(3, None), 0);
    settle_on(&mut shard, &mut folded, &mut log, 1);
    log.erase("known", "bye");
    log.event(Topic::Browse, &on_item("a2", "view_item", "anon", "P1"));
    let tables = settle_on(&mut shard, &mut folded, &mut log, 1);
    assert!(tables.part("known", Topic::Browse).is_none());
    assert_eq!(tables.tally(Topic::Browse).erased, 1);
    assert!(tables.counts.is_empty(), "{:?}", tables.counts);
}

#[test]
fn a_large_part_leaves_its_oldest_items_behind_not_all_of_them() {
    let mut log = Log::default();
    let item = |n: usize| format!("{n:03}{}", "x".repeat(120));
    for n in 0..256 {
        log.event(Topic::Browse, &on_item(&format!("e{n}"), "view_item", "first", &item(n)));
    }
    identify(&mut log, "id1", "first", "second");
    settle(&mut log, 1);
    // All items of the second have the offset of the one record that brought them.
    identify(&mut log, "id2", "second", "third");
    let tables = settle(&mut log, 1);
    let arrived = views(&tables, "third").len();
    assert!((100..256).contains(&arrived), "{arrived} items arrived");
    assert_eq!(tables.tallies.values().map(|t| t.dead).sum::<i64>(), 0);
}

#[test]
fn a_part_that_cannot_be_read_is_a_dead_letter() {
    let mut log = Log::default();
    let mut absorbed: Value = event("due:1:0:0:0", "part_absorbed", "known", NOW_MS);
    (absorbed["known_user_id"], absorbed["part"]) = (json!("anon"), json!("00ff"));
    log.event(Topic::Browse, &absorbed);
    assert_eq!(settle(&mut log, 1).dead[&(Topic::Browse, 0)].0, "bad_value");
}
