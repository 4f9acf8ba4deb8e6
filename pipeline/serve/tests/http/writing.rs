//! Items, budgets and erasure over HTTP.

use std::sync::atomic::Ordering;

use axum::body::Body;
use axum::http::{Method, Request, header};
use serde_json::{Value, json};
use shoptide_schemas::{CatalogueChange, Topic, catalogue};

use crate::common::{NOW_MS, Shop, ids};

#[tokio::test]
async fn an_item_lives_and_dies() {
    let shop = Shop::new().await;
    let path = "/v1/items/TECH1";
    assert_eq!(shop.get(path).await.error(), (404, "not_found".to_owned()));
    let body = json!({"title": "Headphones", "titles": {"zh": "耳机"}, "brand": "Aurora", "category": "technology/audio",
        "tags": ["wireless"], "description": "Good ones.", "price": "1299.00", "currency": "CNY", "stock": 2});
    let written = shop.call(Method::PUT, path, Some(body)).await;
    assert_eq!((written.status.as_u16(), &written.json()["topic"]), (202, &json!("shop.catalogue")));
    shop.catalogue_is_live().await;
    let item = shop.get(path).await.json();
    assert_eq!(
        item,
        json!({"item_id": "TECH1", "title": "Headphones", "titles": {"zh": "耳机"}, "brand": "Aurora",
            "category": "technology/audio", "tags": ["wireless"], "description": "Good ones.", "price": "1299.00",
            "currency": "CNY", "stock": 2, "hidden": false, "unlisted": false})
    );
    shop.call(Method::PATCH, path, Some(json!({"stock": 0, "item_id": "TECH1"}))).await;
    shop.catalogue_is_live().await;
    let patched = shop.get(path).await.json();
    assert_eq!((&patched["stock"], &patched["title"]), (&json!(0), &json!("Headphones")));
    assert!(ids(&shop.get("/v1/trending").await.json()).is_empty(), "sold out");
    shop.call(Method::PUT, path, Some(json!({"title": "Other"}))).await;
    shop.catalogue_is_live().await;
    let replaced = shop.get(path).await.json();
    assert_eq!((&replaced["brand"], &replaced["stock"]), (&json!(""), &Value::Null));
    assert_eq!(shop.call(Method::DELETE, path, None).await.status, 202);
    shop.catalogue_is_live().await;
    assert_eq!(shop.get(path).await.error(), (404, "not_found".to_owned()));
    assert_eq!(shop.get(&format!("{path}/similar")).await.error(), (404, "not_found".to_owned()));
}

#[tokio::test]
async fn item_writes_are_named_by_their_key_or_by_us() {
    let shop = Shop::new().await;
    let put = |key: &str| {
        let request = Request::put("/v1/items/a").header(header::CONTENT_TYPE, "application/json");
        request.header("idempotency-key", key).body(Body::from(r#"{"title":"A"}"#)).unwrap()
    };
    assert_eq!(shop.send(put("order-7")).await.json()["event_id"], "order-7");
    for key in [" ", "", &"k".repeat(61)] {
        let (status, code) = shop.send(put(key)).await.error();
        assert_eq!(status, 400, "{key:?} {code}");
    }
    for _ in 0..2 {
        shop.call(Method::PUT, "/v1/items/a", Some(json!({"title": "A"}))).await;
    }
    let records = shop.records(Topic::Catalogue).await;
    let events: Vec<_> =
        records.iter().map(|r| catalogue::decode(r.value.as_ref().unwrap()).unwrap()).collect();
    assert_eq!(events.len(), 3);
    assert_ne!(events[1].id, events[2].id);
    assert!(events.iter().all(|e| e.at.0 == NOW_MS && matches!(e.change, CatalogueChange::Upsert(_))));
}

#[tokio::test]
async fn bad_items_are_refused_by_name() {
    let shop = Shop::new().await;
    for (body, code, field) in [
        (json!({}), "missing", "title"),
        (json!({"title": " "}), "blank", "title"),
        (json!({"title": "x".repeat(1025)}), "too_long", "title"),
        (json!({"title": "a", "colour": "red"}), "unknown_field", "colour"),
        (json!({"title": "a", "type": "item_removed"}), "unknown_field", "type"),
        (json!({"title": "a", "item_id": "b"}), "bad_value", "item_id"),
        (json!({"title": "a", "price": "-1", "currency": "CNY"}), "bad_value", "price"),
        (json!({"title": "a", "price": 1, "currency": "CNY"}), "bad_value", "body"),
        (json!({"title": "a", "price": "1"}), "missing", "currency"),
        (json!({"title": "a", "stock": -1}), "out_of_range", "stock"),
        (json!({"title": "a", "stock": 1e300}), "bad_value", "body"),
        (json!({"title": "a", "tags": vec!["t"; 33]}), "too_long", "tags"),
        (json!([1]), "malformed", "body"),
        (json!(null), "bad_value", "body"),
    ] {
        let answer = shop.call(Method::PUT, "/v1/items/a", Some(body.clone())).await;
        assert_eq!(answer.error(), (422, code.to_owned()), "{body} {}", answer.json());
        assert_eq!(answer.json()["field"], field, "{body}");
    }
    let batch = json!([{"item_id": "a", "title": "A"}, {"title": "nobody's"}, {"item_id": "b"}, 5, {"item_id": "c", "title": "C"}]);
    let said = shop.post("/v1/items", batch.to_string()).await.json();
    let codes: Vec<&Value> = said["verdicts"].as_array().unwrap().iter().map(|v| &v["code"]).collect();
    assert_eq!(
        codes,
        [&Value::Null, &json!("missing"), &json!("missing"), &json!("bad_value"), &Value::Null]
    );
    assert_eq!(shop.post("/v1/items", "[{}]").await.error(), (422, "missing".to_owned()));
    let many = json!(vec![json!({"item_id": "a", "title": "A"}); 1001]);
    assert_eq!(shop.post("/v1/items", many.to_string()).await.error(), (413, "too_long".to_owned()));
    assert_eq!(shop.post_as("application/x-ndjson", "/recommend", "{}").await.error().0, 415);
    assert_eq!(shop.logged().await, 2);
}

#[tokio::test]
async fn a_budget_is_set_read_spent_and_removed() {
    let shop = Shop::new().await;
    shop.stock_twelve().await;
    let path = "/v1/users/u1/budget";
    assert_eq!(shop.get(path).await.error(), (404, "not_found".to_owned()));
    let bought = |id: &str, price: &str, currency: &str, at: &str| {
        json!({"event_id": id, "type": "purchase", "user_id": "u1", "item_id": "F6", "occurred_at": at, "price": price,
            "currency": currency, "quantity": 2})
    };
    let events = [
        bought("1", "100.50", "CNY", "2026-05-02T00:00:00Z"),
        bought("2", "70.00", "USD", "2026-05-02T00:00:00Z"),
        bought("3", "900.00", "CNY", "2026-04-30T23:59:59Z"),
    ];
    shop.know("u1", &events, &["T1", "T2", "T3", "T4", "T5"]).await;
    let list = "/v1/users/u1/recommendations?n=5&category=technology";
    assert_eq!(ids(&shop.get(list).await.json()), ["T1", "T2", "T3", "T4", "T5"]);
    let said = shop.call(Method::PUT, path, Some(json!({"month": "601.00"}))).await.json();
    let expected = json!({"user_id": "u1", "month": "2026-05", "currency": "CNY", "limit": "601.00", "spent": "201.00",
        "left": "400.00"});
    assert_eq!(said, expected);
    assert_eq!(shop.get(path).await.json(), expected);
    // T1 is 600, T2 500, T3 400: what is left buys T3 and cheaper ones, T6 fills up.
    assert_eq!(ids(&shop.get(list).await.json()), ["T3", "T4", "T5", "T6"]);
    // Next month nothing is spent yet.
    shop.clock.store(NOW_MS + 28 * 86_400_000, Ordering::Relaxed);
    assert_eq!(shop.get(path).await.json()["left"], "601.00");
    assert_eq!(ids(&shop.get(list).await.json()).len(), 5);
    // Another currency is never compared.
    shop.call(Method::PUT, path, Some(json!({"month": "1", "currency": "USD"}))).await;
    assert_eq!(ids(&shop.get(list).await.json()).len(), 5);
    assert_eq!(shop.call(Method::DELETE, path, None).await.status, 204);
    assert_eq!(shop.get(path).await.error().0, 404);
    for (body, code, field) in [
        (json!({}), "missing", "month"),
        (json!({"month": "-1"}), "bad_value", "month"),
        (json!({"month": 3000}), "bad_value", "body"),
        (json!({"month": "1", "currency": "Yuan"}), "bad_value", "currency"),
        (json!({"month": "1", "week": "1"}), "unknown_field", "week"),
        (json!({"month": "1000000000"}), "out_of_range", "month"),
    ] {
        let answer = shop.call(Method::PUT, path, Some(body.clone())).await;
        assert_eq!(answer.error(), (422, code.to_owned()), "{body}");
        assert_eq!(answer.json()["field"], field);
    }
}

#[tokio::test]
async fn an_erasure_says_where_it_is() {
    let shop = Shop::new().await;
    let said = shop.call(Method::DELETE, "/v1/users/u1", None).await;
    assert_eq!(said.status, 202);
    let written = said.json()["written"].as_array().unwrap().clone();
    let topics: Vec<&str> = written.iter().map(|w| w["topic"].as_str().unwrap()).collect();
    assert_eq!(topics, ["shop.browse", "shop.cart", "shop.order", "shop.forum", "shop.feedback"]);
    assert!(written.iter().all(|w| w["partition"] == shop.shard("u1") && w["offset"] == 0));
    assert_eq!(shop.logged().await, 5);
}
