//! Strengths by SQL against the fold and the trainer's formula.

use std::collections::{BTreeMap, HashSet};

use arrow_array::cast::AsArray;
use arrow_array::types::Float32Type;
use datafusion::prelude::SessionContext;
use serde_json::json;
use shoptide_models::state::{Act, Change, Decision, Facts, Part, RecordAt, TasteParams, UserState, decide};
use shoptide_query::scale::interactions_sql;
use shoptide_schemas::arrow::{EventRow, event_batch};
use shoptide_schemas::topic::PARTS;
use shoptide_schemas::{EventMs, ShopEvent, Topic, UserId, wire};

const NOW_MS: i64 = 1_780_000_000_000;
const HOUR_MS: i64 = 3_600_000;

fn taste() -> TasteParams {
    let weights: Vec<(Act, f64)> = Act::all()
        .map(|act| {
            let weight = match act.name() {
                "view_item" => 1.0,
                "add_to_cart" => 4.0,
                "remove_from_cart" => -2.0,
                "purchase" => 8.0,
                "refund" => -8.0,
                "rate_item" => 5.0,
                "feedback_like" => 3.0,
                "feedback_dislike" => -4.0,
                "forum_reply" => 2.0,
                _ => 0.0,
            };
            (act, weight)
        })
        .collect();
    TasteParams::new(&weights, [30.0, 45.0, 180.0, 60.0, 120.0], 2.0, 30.0).unwrap()
}

pub struct Record {
    pub topic: Topic,
    pub offset: i64,
    pub appended: i64,
    pub event: ShopEvent,
    pub json: String,
}

pub fn records() -> Vec<Record> {
    let mut state = 11u64;
    let mut dice = |n: u64| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % n
    };
    let kinds = [
        "view_item",
        "view_item",
        "view_item",
        "add_to_cart",
        "remove_from_cart",
        "purchase",
        "refund",
        "rate_item",
        "recommendation_feedback",
        "forum_reply",
        "search",
    ];
    let mut offsets: BTreeMap<u8, i64> = BTreeMap::new();
    let mut made: Vec<Record> = Vec::new();
    for i in 0..3_000u64 {
        let kind = kinds[dice(kinds.len() as u64) as usize];
        let appended = NOW_MS + i as i64 * HOUR_MS / 4;
        // Some late, some from the future, some imports of long ago.
        let (occurred, historical) = match dice(20) {
            0 => (appended - 40 * 24 * HOUR_MS, false),
            1 => (appended + HOUR_MS, false),
            2 => (appended - 90 * 24 * HOUR_MS, true),
            _ => (appended - dice(72) as i64 * HOUR_MS, false),
        };
        let mut wire = json!({
            "event_id": format!("e{i}"), "type": kind, "user_id": format!("u{}", dice(25)), "occurred_at": occurred,
            "historical": historical, "item_id": format!("i{}", dice(40)),
        });
        match kind {
            "purchase" | "refund" => {
                // Some lines are sent again under another id.
                wire["order_id"] = json!(format!("o{}", dice(30)));
                wire["order_line"] = json!("1");
                wire["quantity"] = json!(1);
            }
            "rate_item" => wire["rating"] = json!(dice(11) as f64 / 2.0),
            "recommendation_feedback" => {
                wire["feedback"] = json!(["like", "dislike"][dice(2) as usize]);
                wire["list_id"] = json!("l1");
            }
            "forum_reply" => {
                wire["thread_id"] = json!("t1");
                wire["text"] = json!("yes");
            }
            "search" => wire["query"] = json!("shoe"),
            _ => (),
        }
        let event = wire::decode(wire.to_string().as_bytes()).unwrap();
        let topic = event.event_type.topic();
        let repeats = 1 + u64::from(dice(15) == 0);
        for _ in 0..repeats {
            let offset = offsets.entry(topic.code()).or_default();
            made.push(Record {
                topic,
                offset: *offset,
                appended,
                event: event.clone(),
                json: wire.to_string(),
            });
            *offset += 1;
        }
        // Half way, one user is erased.
        if i == 1_500 {
            let erased =
                json!({"event_id": "gone", "type": "user_erased", "user_id": "u3", "occurred_at": appended});
            let event = wire::decode(erased.to_string().as_bytes()).unwrap();
            for topic in shoptide_schemas::USER_TOPICS {
                let offset = offsets.entry(topic.code()).or_default();
                made.push(Record {
                    topic,
                    offset: *offset,
                    appended,
                    event: event.clone(),
                    json: erased.to_string(),
                });
                *offset += 1;
            }
        }
    }
    made
}

fn folded(records: &[Record], taste: &TasteParams) -> BTreeMap<(Vec<u8>, Vec<u8>), f32> {
    let mut users: BTreeMap<UserId, UserState> = BTreeMap::new();
    let mut erased: Vec<(UserId, Topic)> = Vec::new();
    let mut lines = HashSet::new();
    for record in records {
        let user = users.entry(record.event.user.clone()).or_default();
        let part: &mut Part = &mut user.parts[usize::from(record.topic.code())];
        let at = RecordAt {
            topic: record.topic,
            partition: 0,
            offset: record.offset,
            appended: EventMs(record.appended),
        };
        let gone = erased.contains(&(record.event.user.clone(), record.topic));
        let event = &record.event;
        let line = event.order_line().map(|line| (event.user.clone(), event.event_type as u8, line.clone()));
        let known = line.as_ref().is_some_and(|line| lines.contains(&format!("{line:?}")));
        if let Decision::Apply(change) = decide(part, event, at, Facts { line_known: known, erased: gone }) {
            lines.extend(line.map(|line| format!("{line:?}")));
            if change == Change::Erase {
                erased.push((record.event.user.clone(), record.topic));
            }
            part.commit(&change, &record.event, record.offset);
        }
    }
    let mut made = BTreeMap::new();
    for (id, user) in &users {
        for item in user.tastes(taste).items {
            if 0.0 < item.strength {
                made.insert((id.as_bytes().to_vec(), item.item.as_bytes().to_vec()), item.strength);
            }
        }
    }
    made
}

#[tokio::test]
async fn strengths_by_sql_are_those_of_the_fold() {
    assert_eq!(PARTS, 5);
    let (taste, records) = (taste(), records());
    let rows: Vec<EventRow<'_>> = records
        .iter()
        .map(|r| EventRow {
            topic: r.topic,
            partition: 0,
            offset: r.offset,
            appended: EventMs(r.appended),
            event: &r.event,
        })
        .collect();
    let session = SessionContext::new();
    session.register_batch("events", event_batch(&rows).unwrap()).unwrap();
    let made = session.sql(&interactions_sql(&taste)).await.unwrap().collect().await.unwrap();
    let mut by_sql = BTreeMap::new();
    for batch in &made {
        let (users, items) = (batch.column(0).as_binary::<i32>(), batch.column(1).as_binary::<i32>());
        let strengths = batch.column(2).as_primitive::<Float32Type>();
        for i in 0..batch.num_rows() {
            let key = (users.value(i).to_vec(), items.value(i).to_vec());
            assert!(by_sql.insert(key, strengths.value(i)).is_none());
        }
    }
    let folded = folded(&records, &taste);
    assert!(300 < folded.len());
    assert_eq!(by_sql.keys().collect::<Vec<_>>(), folded.keys().collect::<Vec<_>>());
    for (key, want) in &folded {
        let got = by_sql[key];
        assert!((got - want).abs() <= 1e-5 * want.abs().max(1.0), "{key:?}: {got}, expected {want}");
    }
}
