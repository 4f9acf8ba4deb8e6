//! What is known of a product, and questions to it.

use serde_json::{Value, json};
use shoptide_models::knowledge::ItemLinks;
use shoptide_schemas::ItemId;
use shoptide_store::{ItemLinksRow, Truth};

use crate::common::{Shop, encoded};

async fn shop() -> Shop {
    let shop = Shop::new().await;
    let item = |id: &str, title: &str, tags: Value, description: &str| {
        json!({"item_id": id, "title": title, "brand": "Aurora", "category": "technology/phone", "tags": tags, "description": description,
            "price": "10.00", "currency": "CNY", "stock": 2})
    };
    shop.stock(json!([
        item("a", "Aurora Phone X200", json!(["NFC"]), ""),
        item("b", "Aurora Phone 7", json!([]), "Without NFC."),
        item("c", "Case compatible with Aurora Phone X200", json!([]), ""),
    ]))
    .await;
    let links = ItemLinks {
        bought_with: vec![(ItemId::parse("c").unwrap(), 4)],
        threads: vec![("t-9".to_owned(), 2)],
    };
    let row = ItemLinksRow { item: ItemId::parse("a").unwrap(), data: links.encode() };
    shop.truth.put_item_links(1, vec![row]).await.unwrap();
    shop.words_are_known().await;
    shop
}

#[tokio::test]
async fn a_process_learns_the_words_once_or_not_at_all() {
    let shop = Shop::with(|options| options.chat = false).await;
    shop.stock_twelve().await;
    let answer = shop.get("/v1/items/T1/facts?has=nfc").await;
    assert_eq!(answer.error(), (503, "unavailable".to_owned()));
    assert_eq!(answer.json()["field"], "chat");
    assert!(answer.headers.contains_key("retry-after"));
    assert_eq!(shop.get("/v1/items/none/facts").await.error().0, 404, "what is not there is not there");
}

#[tokio::test]
async fn facts_come_with_what_says_so() {
    let shop = shop().await;
    let known = shop.get("/v1/items/a/facts").await.json();
    let facts = known["facts"].as_array().unwrap();
    let fact = |relation: &str, to: &str| {
        let found = facts.iter().find(|f| f["relation"] == relation && f["to"] == to);
        found.unwrap_or_else(|| panic!("{relation} {to}: {known}")).clone()
    };
    assert_eq!(fact("made-by", "Aurora")["evidence"], json!({"field": "brand", "text": "Aurora"}));
    assert_eq!(fact("has", "nfc")["evidence"], json!({"field": "tags", "text": "nfc"}));
    let case = fact("bought-with", "c");
    assert_eq!(
        (&case["title"], &case["evidence"]),
        (&json!("Case compatible with Aurora Phone X200"), &json!({"baskets": 4}))
    );
    assert_eq!(fact("discussed-in", "t-9")["evidence"], json!({"users": 2}));
    assert_eq!(known["complete"], true);
    let fits = shop.get("/v1/items/c/facts").await.json();
    assert!(
        fits["facts"]
            .as_array()
            .unwrap()
            .iter()
            .any(|f| f["relation"] == "compatible-with" && f["to"] == "a"),
        "{fits}"
    );
}

#[tokio::test]
async fn questions_are_answered_by_facts_and_follow_the_catalogue() {
    let shop = shop().await;
    let has = async |id: &str, text: &str| {
        shop.get(&format!("/v1/items/{id}/facts?has={}", encoded(text))).await.json()["asked"].clone()
    };
    for (id, answer) in [("a", "yes"), ("b", "no"), ("c", "unknown")] {
        let asked = has(id, "does it have NFC?").await;
        assert_eq!(
            (&asked[0]["wish"], &asked[0]["answer"]),
            (&json!("nfc"), &json!(answer)),
            "{id}: {asked}"
        );
    }
    let both = shop.get("/v1/items/b/facts?has=nfc&or=a").await.json();
    assert_eq!((&both["better"], &both["other"][0]["answer"]), (&json!("a"), &json!("yes")), "{both}");
    shop.call(axum::http::Method::PATCH, "/v1/items/c", Some(json!({"tags": ["NFC"]}))).await;
    shop.catalogue_is_live().await;
    assert_eq!(has("c", "支持近场通信吗").await[0]["answer"], "yes");
    for text in ["", "😀😀", "* OR (", "what do you think of it"] {
        assert_eq!(has("a", text).await, json!([]), "{text}");
    }
    let long = format!("/v1/items/a/facts?has={}", "x".repeat(2_001));
    for (path, status, code) in [
        ("/v1/items/none/facts", 404, "not_found"),
        ("/v1/items/a/facts?has=nfc&or=none", 404, "not_found"),
        ("/v1/items/a/facts?or=b", 400, "missing"),
        ("/v1/items/a/facts?has=%ff", 400, "bad_value"),
        (long.as_str(), 400, "too_long"),
    ] {
        assert_eq!(shop.get(path).await.error(), (status, code.to_owned()), "{path:.60}");
    }
}
