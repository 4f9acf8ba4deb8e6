//! Records of every kind, made by hand or by proptest.

use bytes::Bytes;
use proptest::prelude::*;
use serde_json::{Value, json};
use shoptide_log::Record;
use shoptide_schemas::{EventMs, Topic, USER_TOPICS};

/// 2026-05-04T12:00:00Z.
pub const NOW_MS: i64 = 1_777_896_000_000;
pub const DAY_MS: i64 = 86_400_000;
/// Ids that careless stores merge.
pub const USERS: [&str; 6] = ["User1", "user1", "üser1", "user1 ", "1", "01"];
pub const ITEMS: [&str; 5] = ["P1", "p1", "P1 ", "7", "07"];

/// A log under construction: offsets per topic, one append a second.
#[derive(Debug, Clone, Default)]
pub struct Log {
    pub records: Vec<Record>,
}

impl Log {
    pub fn next(&self, topic: Topic) -> i64 {
        self.records.iter().filter(|r| r.topic == topic).count() as i64
    }

    pub fn put(&mut self, topic: Topic, key: Option<&[u8]>, value: Option<&[u8]>) -> i64 {
        let offset = self.next(topic);
        let appended = EventMs(NOW_MS + self.records.len() as i64 * 1_000);
        let (key, value) = (key.map(Bytes::copy_from_slice), value.map(Bytes::copy_from_slice));
        self.records.push(Record { topic, partition: 0, offset, appended, key, value });
        offset
    }

    /// A user event, keyed by its user.
    pub fn event(&mut self, topic: Topic, event: &Value) -> i64 {
        let key = event["user_id"].as_str().unwrap_or_default().as_bytes().to_vec();
        self.put(topic, Some(&key), Some(event.to_string().as_bytes()))
    }

    pub fn erase(&mut self, user: &str, id: &str) {
        for topic in USER_TOPICS {
            self.event(topic, &event(id, "user_erased", user, NOW_MS));
        }
    }
}

pub fn event(id: &str, kind: &str, user: &str, at_ms: i64) -> Value {
    json!({ "event_id": id, "type": kind, "user_id": user, "occurred_at": at_ms })
}

pub fn on_item(id: &str, kind: &str, user: &str, item: &str) -> Value {
    let mut event = event(id, kind, user, NOW_MS);
    event["item_id"] = json!(item);
    event
}

pub fn purchase(id: &str, user: &str, item: &str, order: Option<(&str, &str)>) -> Value {
    let mut event = on_item(id, "purchase", user, item);
    (event["price"], event["currency"]) = (json!("10.50"), json!("CNY"));
    if let Some((order, line)) = order {
        (event["order_id"], event["order_line"]) = (json!(order), json!(line));
    }
    event
}

/// One record before it has an offset.
#[derive(Debug, Clone)]
pub struct Draft {
    pub topic: Topic,
    pub key: Option<Vec<u8>>,
    pub value: Option<Vec<u8>>,
    /// Its time is neither late nor in the future, so a copy of it can only be a duplicate.
    pub in_time: bool,
}

pub fn logged(drafts: &[Draft]) -> Log {
    let mut log = Log::default();
    for d in drafts {
        log.put(d.topic, d.key.as_deref(), d.value.as_deref());
    }
    log
}

fn any_time() -> impl Strategy<Value = (i64, bool, bool)> {
    prop_oneof![
        8 => (-3_i64..=0).prop_map(|days| (NOW_MS + days * DAY_MS, false, true)),
        1 => Just((NOW_MS - 40 * DAY_MS, false, false)),
        1 => Just((NOW_MS - 400 * DAY_MS, true, true)),
        1 => Just((NOW_MS + DAY_MS, false, false)),
    ]
}

const TYPES: [(&str, Topic); 16] = [
    ("view_item", Topic::Browse),
    ("view_item_list", Topic::Browse),
    ("search", Topic::Browse),
    ("add_to_wishlist", Topic::Cart),
    ("add_to_cart", Topic::Cart),
    ("remove_from_cart", Topic::Cart),
    ("begin_checkout", Topic::Cart),
    ("purchase", Topic::Order),
    ("refund", Topic::Order),
    ("forum_post", Topic::Forum),
    ("forum_reply", Topic::Forum),
    ("forum_like", Topic::Forum),
    ("rate_item", Topic::Feedback),
    ("recommendation_clicked", Topic::Feedback),
    ("recommendation_feedback", Topic::Feedback),
    ("chat_intent", Topic::Feedback),
];

fn drafted(topic: Topic, event: &Value, in_time: bool) -> Draft {
    let key = event["user_id"].as_str().map(|u| u.as_bytes().to_vec());
    Draft { topic, key, value: Some(event.to_string().into_bytes()), in_time }
}

/// A good event of any type but the broadcast ones.
pub fn act() -> impl Strategy<Value = Draft> {
    let what = (0..TYPES.len(), 0..USERS.len(), 0..ITEMS.len(), 0..40_u32);
    let more = (any_time(), 0..4_u8, 1..4_i64, 0..=10_u8);
    (what, more).prop_map(|((kind, user, item, id), ((at, historical, in_time), order, quantity, rating))| {
        let (name, topic) = TYPES[kind];
        let mut e = event(&format!("e{id}"), name, USERS[user], at);
        if historical {
            e["historical"] = json!(true);
        }
        if !matches!(name, "begin_checkout" | "forum_like" | "chat_intent") {
            e["item_id"] = json!(ITEMS[item]);
        }
        match name {
            "search" => e["query"] = json!(format!("query {item}")),
            "add_to_cart" | "remove_from_cart" => e["quantity"] = json!(quantity),
            "purchase" | "refund" => {
                (e["quantity"], e["price"], e["currency"]) = (json!(quantity), json!("1.25"), json!("EUR"));
                if order < 3 {
                    e["order_id"] = json!(format!("o{order}"));
                }
            }
            "forum_post" => e["text"] = json!("好 a post"),
            "forum_reply" => (e["text"], e["thread_id"]) = (json!("r"), json!(format!("t{order}"))),
            "forum_like" => e["thread_id"] = json!(format!("t{order}")),
            "rate_item" => e["rating"] = json!(f64::from(rating) / 2.0),
            "recommendation_feedback" => {
                e["feedback"] = json!(["like", "dislike", "not_interested", "bought"][usize::from(order)]);
            }
            _ => {}
        }
        drafted(topic, &e, in_time)
    })
}

/// `user_erased` or `identify`, in one topic: the copies of the others may never come.
pub fn broadcast() -> impl Strategy<Value = Draft> {
    (0..USER_TOPICS.len(), 0..USERS.len(), 0..USERS.len(), 0..40_u32).prop_map(|(topic, user, known, id)| {
        let erased = known == user;
        let mut e =
            event(&format!("e{id}"), if erased { "user_erased" } else { "identify" }, USERS[user], NOW_MS);
        if !erased {
            e["known_user_id"] = json!(USERS[known]);
        }
        drafted(USER_TOPICS[topic], &e, true)
    })
}

/// What no collector of ours lets through.
pub fn rubbish() -> impl Strategy<Value = Draft> {
    let topic = prop::sample::select(shoptide_schemas::topic::ALL_TOPICS.to_vec());
    let key = prop::option::of(prop::sample::select(USERS.to_vec()).prop_map(|u| u.as_bytes().to_vec()));
    let value = prop_oneof![
        Just(None),
        prop::collection::vec(any::<u8>(), 0..40).prop_map(Some),
        Just(Some(on_item("e1", "view_item", "User1", "P1").to_string().into_bytes())),
        Just(Some(
            json!({"event_id": "e2", "type": "purchase", "user_id": "1", "occurred_at": NOW_MS,
            "items": [{"item_id": "7"}]})
            .to_string()
            .into_bytes()
        )),
    ];
    (topic, key, value).prop_filter_map("a good event in its topic", |(topic, key, value)| {
        let good =
            topic == Topic::Browse && value.as_ref().is_some_and(|v| v.starts_with(b"{\"event_id\":\"e1"));
        (!good).then_some(Draft { topic, key, value, in_time: false })
    })
}

/// A change of the catalogue.
pub fn change() -> impl Strategy<Value = Draft> {
    (0..6_u8, 0..ITEMS.len(), 0..3_i64).prop_map(|(kind, item, n)| {
        let mut e = json!({"event_id": "c", "item_id": ITEMS[item], "occurred_at": NOW_MS});
        let name =
            ["item_upsert", "item_patch", "stock", "price", "item_removed", "item_seen"][usize::from(kind)];
        e["type"] = json!(name);
        match name {
            "item_upsert" => (e["title"], e["category"]) = (json!(format!("title {n}")), json!("a/b")),
            "item_patch" => e["hidden"] = json!(n == 1),
            "stock" => e["stock"] = json!(n),
            "price" => (e["price"], e["currency"]) = (json!(format!("{n}.99")), json!("CNY")),
            _ => {}
        }
        let value = Some(e.to_string().into_bytes());
        Draft { topic: Topic::Catalogue, key: Some(ITEMS[item].as_bytes().to_vec()), value, in_time: true }
    })
}

/// Any log.
pub fn any_log() -> impl Strategy<Value = Vec<Draft>> {
    let draft = prop_oneof![20 => act(), 2 => broadcast(), 2 => rubbish(), 3 => change()];
    prop::collection::vec(draft, 0..60)
}
