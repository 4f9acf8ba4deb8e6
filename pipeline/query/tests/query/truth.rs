//! Tables of the truth: every row once, whatever the size of a page, and what they say of users and lists.

use std::sync::Arc;

use shoptide_models::catalogue::CatalogueItem;
use shoptide_models::state::{Act, ActCount, ItemEntry, Part, Spend};
use shoptide_query::{Shop, Sources, open};
use shoptide_schemas::{Currency, ItemId, ListEntry, Micros, StoredList, Topic, UserId};
use shoptide_store::{
    Commit, CountRow, DeadLetter, ItemRow, ListRow, OffsetMove, PartRow, PublishSegments, SegmentRow,
    SegmentRunRow, SqliteTruth, SqliteTruthOptions, Tally, Truth,
};

use crate::common::*;

/// The databases that the store's own tests make.
#[path = "../../../store/tests/server/mod.rs"]
#[allow(dead_code, reason = "these tests use a part of it")]
mod server;

/// More than two pages of users, and lists of three places each.
const USERS: u32 = 600;
const ITEMS: u32 = 1_500;

fn user(n: u32) -> UserId {
    UserId::from_trusted(format!("u{n:04}").as_bytes())
}

fn item(n: u32) -> ItemId {
    ItemId::from_trusted(format!("i{n}").as_bytes())
}

fn entry(n: u32, act: Act, times: u32) -> ItemEntry {
    let day = FIRST_DAY as u32;
    ItemEntry {
        item: item(n),
        last_ms: FIRST_DAY * DAY_MS,
        last_act: act,
        last_off: 1,
        rating: None,
        thread: None,
        acts: vec![ActCount { act, day, n: times }],
    }
}

async fn filled(dir: &tempfile::TempDir) -> Arc<dyn Truth> {
    let truth: Arc<dyn Truth> =
        SqliteTruth::open(SqliteTruthOptions::new(dir.path().join("truth.db"))).await.unwrap();
    fill(&*truth).await;
    truth
}

async fn fill(truth: &dyn Truth) {
    for shard in 0..2 {
        let epoch = truth.assign(shard, &[(Topic::Browse, 0), (Topic::Order, 0)]).await.unwrap()[0].epoch;
        let tally = Tally { logged: 1, applied: 1, ..Tally::default() };
        let step = |topic| OffsetMove { topic, from: 0, to: 1, append_ms: 7, tally };
        let mut commit = Commit {
            shard,
            epoch,
            offsets: vec![step(Topic::Browse), step(Topic::Order)],
            ..Commit::default()
        };
        for n in (0..USERS).filter(|n| n % 2 == shard) {
            let viewed = Part {
                last_ms: FIRST_DAY * DAY_MS,
                items: vec![entry(n % 7, Act::VIEW, 1 + n % 3)],
                ..Part::default()
            };
            let spend = Spend { month: 202_601, currency: Currency(*b"CNY"), micros: i64::from(n) };
            let foreign = Spend { month: 202_601, currency: Currency(*b"EUR"), micros: 5 };
            let bought = Part {
                last_ms: FIRST_DAY * DAY_MS + 1,
                items: vec![entry(7, Act::PURCHASE, 1)],
                spend: vec![spend, foreign],
                ..Part::default()
            };
            let row =
                |topic, part: &Part| PartRow { shard, user: user(n), topic, upto: 0, data: part.encode() };
            commit.parts.extend([row(Topic::Browse, &viewed), row(Topic::Order, &bought)]);
            let place = |item| ListEntry { item, score: 0.5, source: 1, evidence: 7 };
            let list = StoredList {
                model_version: 3,
                revision: 9,
                now_ms: FIRST_DAY * DAY_MS,
                entries: vec![place(n % 5), place(ITEMS - 1), place(ITEMS + 5)],
                ..StoredList::default()
            };
            let data: Arc<[u8]> = list.encode().into();
            commit.lists.push(ListRow { user: user(n), revision: 9, model_version: 3, last_ms: 1, data });
        }
        if shard == 0 {
            commit.items = (0..ITEMS)
                .map(|n| {
                    let row = CatalogueItem {
                        title: format!("Item {n}"),
                        category: "sports/shoes".into(),
                        tags: vec!["a".into(), "b".into()],
                        price: Some((Micros(1_000_000 * i64::from(n)), Currency(*b"CNY"))),
                        stock: (n % 2 == 0).then_some(3),
                        ..CatalogueItem::default()
                    };
                    ItemRow { num: n, item: item(n), from_off: 1, data: row.encode() }
                })
                .collect();
        }
        commit.counts = (0..3_000)
            .map(|n| CountRow { item: item(n % 500), day: FIRST_DAY as u32 + n / 500, kind: 1, n: 2 })
            .collect();
        commit.quality = vec![(FIRST_DAY as u32, 0, 10), (FIRST_DAY as u32, 1, 4)];
        commit.dead = (0..700)
            .map(|offset| DeadLetter {
                shard,
                topic: Topic::Browse,
                offset,
                append_ms: 1_000 + offset,
                reason: if offset % 3 == 0 { "malformed" } else { "too_long" }.into(),
                field: "body".into(),
                message: "no".into(),
                key: Some(vec![0xff]),
                payload: Some(b"{".to_vec()),
            })
            .collect();
        truth.commit(commit).await.unwrap();
    }
}

async fn shop(dir: &tempfile::TempDir) -> Shop {
    shop_of(filled(dir).await)
}

fn shop_of(truth: Arc<dyn Truth>) -> Shop {
    let source = truth_source(truth, Arc::new(NoModel));
    open(&options(), Sources { lake: None, truth: Some(source) }).unwrap()
}

#[tokio::test]
async fn a_server_answers_what_sqlite_does() {
    let Some(database) = server::Database::new().await else { return };
    let dir = tempfile::tempdir().unwrap();
    let truth: Arc<dyn Truth> = database.truth().await;
    fill(&*truth).await;
    let (of_server, of_file) = (shop_of(Arc::clone(&truth)), shop(&dir).await);
    for (table, order) in [
        ("catalogue", "item_number"),
        ("profiles", "user_id"),
        ("lists", "user_id, place"),
        ("item_counts", "item_id, day, type, \"partition\""),
        ("dead_letters", "\"partition\", \"offset\""),
        ("offsets", "topic, \"partition\""),
        ("quality", "day, metric"),
        ("models", "version"),
        ("segments", "segment"),
    ] {
        let sql = format!("SELECT * FROM {table} ORDER BY {order}");
        let (server, file) = (rows(&of_server, &sql).await, rows(&of_file, &sql).await);
        assert_eq!(server, file, "{table}");
        assert_eq!(server.is_empty(), ["models", "segments"].contains(&table), "{table}");
    }
    let one = "SELECT * FROM profiles WHERE user_id = 'u0008'";
    assert_eq!(rows(&of_server, one).await, rows(&of_file, one).await);
    let joined = "SELECT c.category, count(*), sum(p.purchases) FROM lists l JOIN catalogue c ON c.item_id = l.item_id \
                  JOIN profiles p ON p.user_id = l.user_id GROUP BY 1";
    assert_eq!(rows(&of_server, joined).await, rows(&of_file, joined).await);
    truth.close().await;
    database.drop().await;
}

#[tokio::test]
async fn every_row_of_every_table_comes_once() {
    let dir = tempfile::tempdir().unwrap();
    let shop = shop(&dir).await;
    for (sql, expected) in [
        (
            "SELECT count(*), count(DISTINCT item_id), max(item_number) FROM catalogue",
            vec!["1500", "1500", "1499"],
        ),
        ("SELECT count(*), count(DISTINCT user_id) FROM profiles", vec!["600", "600"]),
        ("SELECT count(*), count(DISTINCT user_id), max(place) FROM lists", vec!["1800", "600", "3"]),
        ("SELECT count(*), sum(n) FROM item_counts", vec!["6000", "12000"]),
        ("SELECT count(*), count(DISTINCT \"partition\") FROM dead_letters", vec!["1400", "2"]),
        ("SELECT count(*), sum(applied) FROM offsets", vec!["4", "4"]),
        ("SELECT sum(n) FROM quality WHERE metric = 'hit_20'", vec!["8"]),
        ("SELECT count(*) FROM models", vec!["0"]),
        ("SELECT count(*) FROM item_vectors", vec!["0"]),
        ("SELECT count(*) FROM (SELECT * FROM catalogue LIMIT 1030)", vec!["1030"]),
    ] {
        assert_eq!(rows(&shop, sql).await, [expected], "{sql}");
    }
}

#[tokio::test]
async fn profiles_sum_up_what_is_known() {
    let dir = tempfile::tempdir().unwrap();
    let shop = shop(&dir).await;
    let sql = "SELECT user_id, acts, items, views, purchases, spent_micros, segment, tastes[1]['item_id'], last_at, erased \
               FROM profiles WHERE user_id = 'u0008'";
    let expected = ["u0008", "4", "2", "3", "1", "8", "", "i7", "2026-01-05T00:00:00.001Z", "false"];
    assert_eq!(rows(&shop, sql).await, [expected]);
    // Of him alone: no step had all users to go through.
    let all = format!("output_rows={USERS}");
    let plan = rows(&shop, &format!("EXPLAIN ANALYZE {sql}")).await.concat().concat();
    assert!(!plan.contains(&all), "{plan}");
    let plan = rows(&shop, "EXPLAIN ANALYZE SELECT count(tastes) FROM profiles").await.concat().concat();
    assert!(plan.contains(&all), "{plan}");
    let spent = rows(&shop, "SELECT sum(spent_micros) FROM profiles").await;
    assert_eq!(spent, [[(0..USERS).sum::<u32>().to_string()]]);
    assert_eq!(rows(&shop, "SELECT count(*) FROM profiles WHERE segment(user_id) IS NULL").await, [["600"]]);
}

#[tokio::test]
async fn segments_are_those_of_the_run_that_counts() {
    let dir = tempfile::tempdir().unwrap();
    let truth = filled(&dir).await;
    let shop = {
        let source = truth_source(truth.clone(), Arc::new(NoModel));
        open(&options(), Sources { lake: None, truth: Some(source) }).unwrap()
    };
    assert_eq!(rows(&shop, "SELECT count(*) FROM segments").await, [["0"]]);
    assert!(truth.claim_segments(1, 5).await.unwrap());
    for shard in 0..2 {
        // A third of the users has none.
        let users = (0..USERS).filter(|n| n % 2 == shard && n % 3 != 2).map(|n| (user(n), 10 + n % 3));
        truth.put_user_segments(1, shard, users.collect()).await.unwrap();
    }
    let row =
        |segment, name: &str| SegmentRow { segment, name: name.into(), users: 200, data: b"{}".to_vec() };
    let run = SegmentRunRow { run: 1, parent: None, created_ms: 5, data: b"{}".to_vec() };
    let segments = vec![row(10, "sports"), row(11, "technology")];
    truth.publish_segments(PublishSegments { run, segments, token: 5, kept_from: 0 }).await.unwrap();
    let expected = [["", "200"], ["sports", "200"], ["technology", "200"]];
    let by = "FROM profiles GROUP BY 1 ORDER BY 1 NULLS FIRST";
    assert_eq!(rows(&shop, &format!("SELECT segment(user_id), count(*) {by}")).await, expected);
    assert_eq!(rows(&shop, &format!("SELECT segment, count(*) {by}")).await, expected);
    assert_eq!(
        rows(&shop, "SELECT name, run FROM segments ORDER BY segment").await,
        [["sports", "1"], ["technology", "1"]]
    );
    assert_eq!(
        rows(&shop, "SELECT segment('u0001'), segment('u0002'), segment('nobody')").await,
        [["technology", "", ""]]
    );
}

#[tokio::test]
async fn lists_name_items_sources_and_evidence() {
    let dir = tempfile::tempdir().unwrap();
    let shop = shop(&dir).await;
    let sql = "SELECT place, item_id, item_number, score, source, evidence_item_id, model_version, revision \
               FROM lists WHERE user_id = 'u0013' ORDER BY place";
    // An item that the catalogue does not know yet has its number alone.
    let expected = [
        ["1", "i3", "3", "0.5", "item_item", "i7", "3", "9"],
        ["2", "i1499", "1499", "0.5", "item_item", "i7", "3", "9"],
        ["3", "", "1505", "0.5", "item_item", "i7", "3", "9"],
    ];
    assert_eq!(rows(&shop, sql).await, expected);
    let joined = "SELECT c.title, count(*) FROM lists l JOIN catalogue c ON c.item_id = l.item_id \
                  WHERE l.place = 1 GROUP BY 1 ORDER BY 1";
    let found = rows(&shop, joined).await;
    assert_eq!(found, (0..5).map(|n| vec![format!("Item {n}"), "120".to_owned()]).collect::<Vec<_>>());
}

#[tokio::test]
async fn dead_letters_are_counted_by_reason() {
    let dir = tempfile::tempdir().unwrap();
    let shop = shop(&dir).await;
    let sql = shoptide_query::ready::Ready::named("dead_letters_by_reason").unwrap().sql;
    let found = rows(&shop, sql).await;
    let (malformed, long) =
        ((0..700).filter(|n| n % 3 == 0).count() * 2, (0..700).filter(|n| n % 3 != 0).count() * 2);
    let shown: Vec<Vec<&str>> = found.iter().map(|row| row.iter().map(String::as_str).collect()).collect();
    let (first, last) = ("1970-01-01T00:00:01", "1970-01-01T00:00:01.69");
    assert_eq!(shown[0][..4], ["too_long", "body", "shop.browse", &long.to_string()]);
    assert_eq!(shown[1][..4], ["malformed", "body", "shop.browse", &malformed.to_string()]);
    assert!(shown[0][4].starts_with(first) && shown[1][5].starts_with(last), "{shown:?}");
    assert_eq!((shown[0][6], shown[1][6]), ("shop.browse/1/698", "shop.browse/1/699"));
}

#[tokio::test]
async fn many_tables_at_once_do_not_wait_for_each_other() {
    let dir = tempfile::tempdir().unwrap();
    let shop = shop(&dir).await;
    // Eight readings of a store that lends four connections.
    let each = "SELECT user_id FROM profiles";
    let sql = format!("SELECT count(*) FROM ({})", [each; 8].join(" UNION ALL "));
    let answer = tokio::time::timeout(std::time::Duration::from_secs(120), rows(&shop, &sql)).await;
    assert_eq!(answer.unwrap(), [[(8 * USERS).to_string()]]);
}
