//! What the shop's people do: events of few users and items, so that they meet, and records of producers that know no rules.

use bytes::Bytes;
use serde_json::{Value, json};
use shoptide_live::fold::Inspect;
use shoptide_schemas::{Topic, USER_TOPICS};
use std::sync::Arc;

use crate::dice::Dice;

pub const USERS: u64 = 14;
pub const ITEMS: u64 = 12;
const DAY_MS: i64 = 86_400_000;
/// Marks an event whose fold panics.
pub const POISON: &str = "poison";

pub fn poison() -> Inspect {
    Arc::new(|event| assert!(!event.id.as_bytes().starts_with(POISON.as_bytes()), "poison"))
}

/// The panics that are meant are not printed.
pub fn hush() {
    let before = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        let text = info.payload().downcast_ref::<&str>().copied().unwrap_or_default();
        if text != "poison" {
            before(info);
        }
    }));
}

pub fn user(n: u64) -> String {
    format!("u{n}")
}

pub fn catalogue(n: u64, id: String, now_ms: i64, dice: &mut Dice) -> Value {
    let item = format!("i{}", n % ITEMS);
    match dice.below(10) {
        0 => json!({"event_id": id, "type": "item_removed", "item_id": item, "occurred_at": now_ms}),
        1..4 => {
            json!({"event_id": id, "type": "stock", "item_id": item, "in_stock": dice.chance(70.0), "occurred_at": now_ms})
        }
        _ => upsert(n, id, now_ms),
    }
}

pub fn upsert(n: u64, id: String, now_ms: i64) -> Value {
    json!({"event_id": id, "type": "item_upsert", "item_id": format!("i{}", n % ITEMS), "title": format!("t{n}"), "occurred_at": now_ms})
}

/// One event of a user.
pub fn event(id: String, now_ms: i64, dice: &mut Dice) -> Value {
    let who = user(dice.below(USERS));
    let item = format!("i{}", dice.below(ITEMS));
    let at = match dice.below(40) {
        0 => now_ms - 40 * DAY_MS,
        1 => now_ms - dice.below(1_000_000).cast_signed(),
        _ => now_ms,
    };
    let mut event = json!({"event_id": id, "user_id": who, "item_id": item, "occurred_at": at});
    match dice.below(100) {
        0..40 => event["type"] = json!("view_item"),
        40..60 => event["type"] = json!("add_to_cart"),
        60..66 => event["type"] = json!("remove_from_cart"),
        66..80 => {
            event["type"] = json!(if dice.chance(80.0) { "purchase" } else { "refund" });
            event["price"] = json!("2.50");
            event["currency"] = json!("CNY");
            event["order_id"] = json!(format!("o{}", dice.below(30)));
        }
        80..86 => {
            event["type"] = json!("rate_item");
            event["rating"] = json!(dice.below(6));
        }
        86..92 => {
            event["type"] = json!("view_item");
            event["historical"] = json!(true);
            event["occurred_at"] = json!(now_ms - 60 * DAY_MS);
        }
        92..94 => {
            event["event_id"] = json!(format!("{POISON}-{id}"));
            event["type"] = json!(if dice.chance(50.0) { "view_item" } else { "add_to_cart" });
        }
        94..96 => {
            event = json!({"event_id": id, "user_id": who, "type": "user_erased", "occurred_at": now_ms});
        }
        96..98 => {
            let anonymous = format!("a{}", dice.below(6));
            event = json!({"event_id": id, "user_id": anonymous, "type": "identify", "known_user_id": who, "occurred_at": now_ms});
        }
        _ => {
            // Somebody not known yet.
            event["user_id"] = json!(format!("a{}", dice.below(6)));
            event["type"] = json!("view_item");
        }
    }
    event
}

/// A record that no collector wrote, and why it must be refused.
pub struct Foreign {
    pub topic: Topic,
    pub partition: u32,
    pub key: Option<Bytes>,
    pub value: Option<Bytes>,
    pub reason: &'static str,
}

pub fn foreign(partitions: u32, id: String, now_ms: i64, dice: &mut Dice) -> Foreign {
    let topic = USER_TOPICS[dice.below(USER_TOPICS.len() as u64) as usize];
    let partition = dice.below(u64::from(partitions)) as u32;
    let who = user(dice.below(USERS));
    let (value, reason) = match dice.below(4) {
        0 => (None, "malformed"),
        1 => (Some(Bytes::from(dice.next().to_le_bytes().to_vec())), "malformed"),
        2 => (
            Some(
                json!({"event_id": id, "type": "no_such", "user_id": who, "occurred_at": now_ms})
                    .to_string()
                    .into(),
            ),
            "unknown_type",
        ),
        _ => {
            let home = shoptide_schemas::partition::partition_of(who.as_bytes(), partitions);
            let event = json!({"event_id": id, "type": "view_item", "user_id": who, "item_id": "i1", "occurred_at": now_ms});
            let wrong = (home + 1) % partitions;
            return Foreign {
                topic: Topic::Browse,
                partition: wrong,
                key: Some(who.into()),
                value: Some(event.to_string().into()),
                reason: "wrong_partition",
            };
        }
    };
    let key = dice.chance(70.0).then(|| Bytes::from(who));
    Foreign { topic, partition, key, value, reason }
}
