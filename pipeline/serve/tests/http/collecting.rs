//! Events that are good: where they go, under which key, and what the verdict says of it.

use serde_json::{Value, json};
use shoptide_schemas::{Topic, USER_TOPICS, wire};

use crate::common::{NOW_MS, Shop, view};

const EVENTS: &str = "/v1/events";

fn event(id: &str, kind: &str, more: Value) -> Value {
    let mut event =
        json!({"event_id": id, "type": kind, "user_id": "u1", "occurred_at": "2026-05-04T11:59:00Z"});
    event.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    event
}

#[tokio::test]
async fn every_type_goes_to_its_topic_under_its_key() {
    let shop = Shop::new().await;
    let batch = json!([
        event("1", "view_item", json!({"item_id": "i"})),
        event("2", "search", json!({"query": "phone"})),
        event("3", "add_to_cart", json!({"item_id": "i", "quantity": 2})),
        event("4", "purchase", json!({"item_id": "i", "price": "9.90", "currency": "CNY", "order_id": "o"})),
        event("5", "forum_reply", json!({"thread_id": "t", "text": "good"})),
        event("6", "rate_item", json!({"item_id": "i", "rating": 4.5})),
        {"event_id": "7", "type": "item_upsert", "item_id": "i", "title": "An item", "occurred_at": NOW_MS},
        {"event_id": "8", "type": "stock", "item_id": "i", "stock": 3, "occurred_at": NOW_MS},
        {"event_id": "9", "type": "price", "item_id": "i", "price": "1", "currency": "CNY", "occurred_at": NOW_MS},
        {"event_id": "10", "type": "item_removed", "item_id": "i", "occurred_at": NOW_MS},
    ]);
    let topics = [
        "shop.browse",
        "shop.browse",
        "shop.cart",
        "shop.order",
        "shop.forum",
        "shop.feedback",
        "shop.catalogue",
        "shop.catalogue",
        "shop.catalogue",
        "shop.catalogue",
    ];
    let answer = shop.post(EVENTS, batch.to_string()).await;
    assert_eq!(answer.status, 200);
    let body = answer.json();
    assert_eq!((&body["accepted"], &body["rejected"]), (&json!(10), &json!(0)));
    for (place, topic) in topics.iter().enumerate() {
        let verdict = &body["verdicts"][place];
        assert_eq!(verdict["topic"], *topic);
        assert_eq!(verdict["event_id"], (place + 1).to_string());
        // The position is real: the record there is this event, under the key that its topic asks for.
        let records = shop.records(Topic::from_name(topic).unwrap()).await;
        let at =
            |r: &&shoptide_log::Record| verdict["partition"] == r.partition && verdict["offset"] == r.offset;
        let record = records.iter().find(at).unwrap();
        let stored: Value = serde_json::from_slice(record.value.as_ref().unwrap()).unwrap();
        assert_eq!(stored["event_id"], verdict["event_id"]);
        let key: &[u8] = if *topic == "shop.catalogue" { b"i" } else { b"u1" };
        assert_eq!(record.key.as_deref(), Some(key));
        let partition = if *topic == "shop.catalogue" { 0 } else { shop.shard("u1") };
        assert_eq!(record.partition, partition);
    }
}

#[tokio::test]
async fn an_erasure_and_an_identity_reach_every_user_topic() {
    let shop = Shop::new().await;
    let batch =
        json!(
            [event("a", "user_erased", json!({})), event("b", "identify", json!({"known_user_id": "u2"})),]
        );
    let body = shop.post(EVENTS, batch.to_string()).await.json();
    for topic in USER_TOPICS {
        let records = shop.records(topic).await;
        let ids: Vec<_> =
            records.iter().map(|r| wire::decode(r.value.as_ref().unwrap()).unwrap().id).collect();
        assert_eq!(ids.iter().map(ToString::to_string).collect::<Vec<_>>(), ["a", "b"], "{topic}");
        assert!(records.iter().all(|r| r.partition == shop.shard("u1")));
    }
    assert_eq!(body["verdicts"][0]["topic"], "shop.feedback");
    assert_eq!(shop.logged().await, 10);
}

#[tokio::test]
async fn items_become_one_record_a_line() {
    let shop = Shop::new().await;
    let lines = json!([{"item_id": "a", "quantity": 2, "price": "5.00", "item_name": "A"}, {"item_id": "b"}]);
    let order =
        event("o1", "purchase", json!({"order_id": "7", "price": "1.00", "currency": "CNY", "items": lines}));
    let body = shop.post(EVENTS, order.to_string()).await.json();
    assert_eq!((&body["accepted"], &body["verdicts"][0]["event_id"]), (&json!(1), &json!("o1")));
    let records = shop.records(Topic::Order).await;
    let stored: Vec<Value> =
        records.iter().map(|r| serde_json::from_slice(r.value.as_ref().unwrap()).unwrap()).collect();
    assert_eq!(stored.len(), 2);
    for (place, (line, item)) in stored.iter().zip(["a", "b"]).enumerate() {
        assert_eq!(line["event_id"], format!("o1#{place}"));
        assert_eq!((&line["item_id"], &line["order_line"]), (&json!(item), &json!(place.to_string())));
        assert!(wire::decode(serde_json::to_vec(line).unwrap().as_slice()).is_ok());
    }
    assert_eq!(body["verdicts"][0]["offset"], 1, "the last line's");
}

#[tokio::test]
async fn a_bad_line_does_not_hold_back_the_others() {
    let shop = Shop::new().await;
    let good = |id: &str| view(id, "u1", "i1").to_string();
    let body = format!("{}\n{{\"event_id\":\n\n{}\r\n\u{0}\n{}", good("1"), good("2"), good("3"));
    let answer = shop.post_as("application/x-ndjson", EVENTS, body).await;
    let said = answer.json();
    let status: Vec<&str> =
        said["verdicts"].as_array().unwrap().iter().map(|v| v["status"].as_str().unwrap()).collect();
    assert_eq!(status, ["accepted", "rejected", "accepted", "rejected", "accepted"]);
    assert_eq!(said["verdicts"][1]["code"], "malformed");
    assert_eq!(shop.logged().await, 3);
    // Bytes that are no UTF-8 spoil their line alone.
    let mut body = good("4").into_bytes();
    body.extend(b"\n{\"event_id\":\"\xff\"}\n");
    body.extend(good("5").into_bytes());
    let said = shop.post_as("application/x-ndjson", EVENTS, body).await.json();
    assert_eq!((&said["accepted"], &said["verdicts"][1]["code"]), (&json!(2), &json!("malformed")));
}

#[tokio::test]
async fn an_event_of_the_log_is_what_it_was_on_the_wire() {
    let shop = Shop::new().await;
    let sent = event(
        "1",
        "recommendation_clicked",
        json!({"item_id": "i", "list_id": "p-1-2", "historical": true,
        "session_id": "s", "context": {"z": 1, "a": [1.50, {"b": "c"}]}}),
    );
    assert_eq!(shop.post(EVENTS, sent.to_string()).await.status, 200);
    let record = shop.records(Topic::Feedback).await.remove(0);
    let stored: Value = serde_json::from_slice(&record.value.unwrap()).unwrap();
    assert_eq!(stored, sent);
    assert_eq!(record.appended.0, NOW_MS);
}

#[tokio::test]
async fn the_same_batch_twice_is_accepted_twice() {
    // The log may hold a repeat; the fold gives it no second effect. A retry must not be told otherwise.
    let shop = Shop::new().await;
    let batch = json!([view("1", "u", "i"), view("1", "u", "i")]).to_string();
    for _ in 0..2 {
        assert_eq!(shop.post(EVENTS, batch.clone()).await.json()["accepted"], 2);
    }
    assert_eq!(shop.logged().await, 4);
}

#[tokio::test]
async fn verdicts_are_counted() {
    let shop = Shop::new().await;
    let batch = json!([view("1", "u", "i"), {"type": "view_item"}, {"type": "nothing"}]).to_string();
    shop.post(EVENTS, batch).await;
    let text = String::from_utf8(shop.get("/metrics").await.bytes).unwrap();
    for line in [
        "shoptide_collected_events_total{verdict=\"accepted\"} 1",
        "shoptide_collected_events_total{verdict=\"rejected\"} 2",
        "shoptide_http_requests_total{route=\"POST /v1/events\",status=\"200\"} 1",
    ] {
        assert!(text.contains(line), "{line} is missing in\n{text}");
    }
    assert!(!text.contains("u1"));
}
