//! Search and suggestions: what a shopper types finds what can be had, and whatever else he sends is told to him.

use std::collections::BTreeSet;
use std::time::Duration;

use axum::http::Method;
use serde_json::{Value, json};
use shoptide_log::Log;
use shoptide_schemas::Topic;

use crate::common::{Shop, encoded, ids, view};
use crate::reading::publish_model;

/// Patience with a machine that does other things too.
const PATIENCE: Duration = Duration::from_secs(60);

impl Shop {
    /// Asks until everything that was written can be found.
    pub async fn found(&self, path: &str) -> Value {
        let next = self.log.watermarks(Topic::Catalogue, 0).await.unwrap().next;
        let until = tokio::time::Instant::now() + PATIENCE;
        loop {
            let now = self.get("/v1/search?n=1").await.json();
            if now["complete"] == true && next <= now["as_of"]["shop.catalogue"].as_i64().unwrap() {
                break;
            }
            assert!(tokio::time::Instant::now() < until, "the index stays behind: {now}");
            tokio::task::yield_now().await;
        }
        let answer = self.get(path).await;
        assert_eq!(answer.status, 200, "{path}: {:?}", String::from_utf8_lossy(&answer.bytes));
        answer.json()
    }

    async fn find(&self, text: &str) -> Vec<String> {
        ids(&self.found(&format!("/v1/search?q={}", encoded(text))).await)
    }
}

#[tokio::test]
async fn an_answer_says_what_was_found_and_how_much_of_what() {
    let shop = Shop::new().await;
    shop.stock_twelve().await;
    let answer = shop.found("/v1/search?q=number&category=technology&sort=price&n=2").await;
    assert_eq!(ids(&answer), ["T6", "T5"]);
    let place = json!({"rank": 1, "item_id": "T6", "title": "T number 6", "brand": "Aurora", "category": "technology/phone",
        "price": "100.00", "currency": "CNY", "score": 0.0, "source": "search", "in_stock": true});
    assert_eq!(answer["items"][0], place);
    assert_eq!(
        (&answer["total"], &answer["sort"], &answer["matched"]),
        (&json!(6), &json!("price"), &json!("all"))
    );
    let facets = json!({"brands": [{"value": "Aurora", "count": 6}],
        "categories": [{"value": "fashion", "count": 6}, {"value": "technology/phone", "count": 6}],
        "prices": [{"min": "100.00", "max": "200.00", "count": 1}, {"min": "200.00", "max": "500.00", "count": 3},
            {"min": "500.00", "max": "1000.00", "count": 2}]});
    assert_eq!((&answer["facets"], &answer["currency"]), (&facets, &json!("CNY")));
    assert!(answer["list_id"].as_str().unwrap().starts_with("q-"));
    let all = shop.found("/v1/search").await;
    assert_eq!((&all["total"], ids(&all).len()), (&json!(12), 10), "without a text, everything");
    assert_eq!(ids(&shop.found("/v1/search?q=t%20number%203").await)[0], "T3", "the whole title is in front");
}

#[tokio::test]
async fn what_can_be_had_is_decided_at_the_moment_of_reading() {
    let shop = Shop::new().await;
    shop.stock_twelve().await;
    let path = "/v1/search?q=number&category=fashion";
    assert_eq!(ids(&shop.found(path).await).len(), 6);
    shop.call(Method::PATCH, "/v1/items/F1", Some(json!({"stock": 0}))).await;
    shop.call(Method::PATCH, "/v1/items/F2", Some(json!({"hidden": true}))).await;
    shop.call(Method::DELETE, "/v1/items/F3", None).await;
    shop.call(Method::PATCH, "/v1/items/F4", Some(json!({"price": "9999.00", "currency": "CNY"}))).await;
    shop.catalogue_is_live().await;
    // At once: the index need not have heard of it.
    let shown: BTreeSet<String> = ids(&shop.get(path).await.json()).into_iter().collect();
    assert_eq!(shown.iter().map(String::as_str).collect::<Vec<_>>(), ["F4", "F5", "F6"]);
    assert!(!ids(&shop.get(&format!("{path}&price_max=700")).await.json()).contains(&"F4".to_owned()));
    let sold_out = shop.found(&format!("{path}&in_stock=false")).await;
    let place = sold_out["items"].as_array().unwrap().iter().find(|i| i["item_id"] == "F1").unwrap();
    assert_eq!((&place["in_stock"], &sold_out["total"]), (&json!(false), &json!(4)));
    // And once it has, the counts are right too.
    assert_eq!(shop.found(path).await["total"], 3);
}

#[tokio::test]
async fn new_and_changed_items_are_found() {
    let shop = Shop::new().await;
    shop.stock(json!([{"item_id": "a", "title": "Red kettle"}, {"item_id": "b", "title": "Blue kettle"}]))
        .await;
    assert_eq!(shop.find("red kettle").await[0], "a");
    shop.stock(json!([{"item_id": "c", "title": "红色水壶", "titles": {"en": "Crimson kettle"}}])).await;
    assert_eq!(shop.find("crimson").await, ["c"]);
    assert_eq!(shop.find("水壶").await, ["c"]);
    shop.call(Method::PATCH, "/v1/items/a", Some(json!({"title": "Green kettle"}))).await;
    shop.catalogue_is_live().await;
    assert_eq!(shop.find("green").await, ["a"]);
    assert_eq!(shop.find("red").await, [""; 0]);
    // Only events have named it: there is nothing to show of it.
    shop.call(Method::POST, "/v1/events", Some(view("e1", "u1", "ghost"))).await;
    assert_eq!(shop.find("ghost").await, [""; 0]);
}

#[tokio::test]
async fn a_walk_meets_each_item_once() {
    let shop = Shop::new().await;
    let items = |from: usize, to: usize| {
        let item = |n| json!({"item_id": format!("i{n}"), "title": format!("Lamp {n}"), "price": format!("{}.00", n % 5), "currency": "CNY"});
        Value::Array((from..to).map(item).collect())
    };
    shop.stock(items(0, 230)).await;
    publish_model(&shop);
    for sort in ["relevance", "price", "personal&user_id=u1"] {
        let (mut seen, mut next, mut pages) = (Vec::new(), String::new(), 0);
        loop {
            let page = shop.found(&format!("/v1/search?q=lamp&n=50&sort={sort}{next}")).await;
            seen.extend(ids(&page));
            pages += 1;
            if pages == 2 {
                shop.call(Method::PATCH, "/v1/items/i7", Some(json!({"stock": 3}))).await;
            }
            let Some(cursor) = page["cursor"].as_str() else { break };
            next = format!("&cursor={cursor}");
        }
        let once: BTreeSet<&String> = seen.iter().collect();
        assert_eq!((seen.len(), once.len(), pages), (230, 230, 5), "{sort}");
    }
}

#[tokio::test]
async fn a_personal_order_follows_the_user() {
    let shop = Shop::new().await;
    shop.stock_twelve().await;
    publish_model(&shop);
    shop.know("u1", &[view("e", "u1", "T1")], &["T3"]).await;
    let path = "/v1/search?q=number&category=technology&sort=personal&user_id=";
    let of_u1 = shop.found(&format!("{path}u1")).await;
    // Factors of T1 to T3 point one way, and T2 is the neighbour of T1.
    let first: BTreeSet<String> = ids(&of_u1).into_iter().take(3).collect();
    assert_eq!(first, ["T1", "T2", "T3"].map(str::to_owned).into(), "{of_u1}");
    assert_eq!((&of_u1["sort"], &of_u1["model_version"]), (&json!("personal"), &json!(1)));
    let stranger = shop.found(&format!("{path}nobody")).await;
    assert_eq!(ids(&stranger)[0], "T6", "what is trending, {stranger}");
    // The whole title stays in front, whatever the user likes.
    let exact = shop.found("/v1/search?q=T%20number%204&sort=personal&user_id=u1").await;
    assert_eq!(ids(&exact)[0], "T4");
}

#[tokio::test]
async fn suggestions_complete_what_is_typed() {
    let shop = Shop::new().await;
    let item = |id: &str, title: &str, en: &str, brand: &str| json!({"item_id": id, "title": title, "titles": {"en": en}, "brand": brand, "category": "technology/audio", "stock": 1});
    shop.stock(json!([
        item("a", "无线耳机", "Wireless headphones", "Aurora"),
        item("b", "无线音箱", "Wireless speaker", "Aurora"),
        item("c", "有线耳机", "Wired headphones", "Borealis")
    ]))
    .await;
    shop.found("/v1/search").await;
    let of = async |text: &str| shop.get(&format!("/v1/suggest?q={}", encoded(text))).await.json();
    let wire = of("Wire").await;
    assert_eq!(wire["completions"], json!(["wireless", "wired"]));
    assert_eq!(wire["brands"][0], json!({"value": "Aurora", "count": 2}));
    assert_eq!(wire["categories"], json!([{"value": "technology/audio", "count": 3}]));
    assert_eq!(wire["items"].as_array().unwrap().len(), 3);
    assert_eq!(of("无").await["completions"], json!(["无线", "无线耳机"]));
    assert_eq!(of("wireless h").await["completions"], json!(["wireless headphones"]));
    assert_eq!(of("w").await["items"].as_array().unwrap().len(), 3, "one letter is enough");
    let nothing = json!({"completions": [], "brands": [], "categories": [], "items": []});
    for blank in ["", "  ", "🎁", "zzzz"] {
        assert_eq!(of(blank).await, nothing, "{blank}");
    }
    assert_eq!(ids(&shop.get("/v1/suggest?q=wire&n=1").await.json()), ["c"], "of equals the newest");
    shop.call(Method::PATCH, "/v1/items/b", Some(json!({"stock": 0}))).await;
    shop.catalogue_is_live().await;
    assert!(!ids(&of("wireless").await).contains(&"b".to_owned()), "what is sold out is not suggested");
}

#[tokio::test]
async fn what_cannot_be_read_is_told() {
    let shop = Shop::new().await;
    shop.stock_twelve().await;
    let long = "x".repeat(1_025);
    for (query, status, code, field) in [
        ("q=%ff", 400, "bad_value", "q"),
        ("q=%", 400, "bad_value", "q"),
        ("q=a%C3", 400, "bad_value", "q"),
        (&*format!("q={long}"), 400, "too_long", "q"),
        ("q=a&q=b", 400, "duplicate_field", "q"),
        ("query=a", 400, "unknown_field", "query"),
        ("sort=best", 400, "bad_value", "sort"),
        ("sort=", 400, "bad_value", "sort"),
        ("sort=personal", 400, "missing", "user_id"),
        ("sort=personal&user_id=", 400, "blank", "user_id"),
        ("price_min=5&price_max=3", 400, "out_of_range", "price_min"),
        ("price_min=-1", 400, "bad_value", "price_min"),
        ("price_max=1e9", 400, "bad_value", "price_max"),
        ("price_max=NaN", 400, "bad_value", "price_max"),
        ("price_max=99999999999", 400, "out_of_range", "price_max"),
        ("in_stock=yes", 400, "bad_value", "in_stock"),
        ("category=", 400, "blank", "category"),
        ("brand=%20", 400, "blank", "brand"),
        (&*format!("brand={long}"), 400, "too_long", "brand"),
        ("n=0", 400, "out_of_range", "n"),
        ("n=101", 400, "out_of_range", "n"),
        ("n=-1", 400, "out_of_range", "n"),
        ("n=ten", 400, "bad_value", "n"),
        ("cursor=", 400, "bad_value", "cursor"),
        ("cursor=AAAA", 400, "bad_value", "cursor"),
        ("cursor=%F0%9F%8E%81", 400, "bad_value", "cursor"),
        (&*format!("cursor={}", "A".repeat(9_000)), 400, "bad_value", "cursor"),
    ] {
        let answer = shop.get(&format!("/v1/search?{query}")).await;
        let shown = &query[..query.len().min(60)];
        assert_eq!(answer.error(), (status, code.to_owned()), "{shown}");
        assert_eq!(answer.json()["field"], field, "{shown}");
    }
    for (query, code) in [("q=%ff", "bad_value"), ("n=21", "out_of_range"), ("sort=price", "unknown_field")] {
        assert_eq!(
            shop.get(&format!("/v1/suggest?{query}")).await.error(),
            (400, code.to_owned()),
            "{query}"
        );
    }
    // A cursor goes on only with the question it was given for.
    let page = shop.found("/v1/search?q=number&n=5").await;
    let cursor = page["cursor"].as_str().unwrap();
    assert_eq!(ids(&shop.get(&format!("/v1/search?q=number&n=3&cursor={cursor}")).await.json()).len(), 3);
    for other in ["q=numbers", "q=number&sort=price", "q=number&brand=aurora", "q=number&in_stock=false"] {
        let answer = shop.get(&format!("/v1/search?{other}&n=5&cursor={cursor}")).await;
        assert_eq!(answer.error(), (400, "bad_value".to_owned()), "{other}");
    }
}

#[tokio::test]
async fn odd_texts_find_nothing_or_something() {
    let shop = Shop::new().await;
    shop.stock_twelve().await;
    for (text, total) in [
        ("🎁🎉🎁", 0),
        ("\u{202e}\u{200f}number\u{202c}", 12),
        ("title:number AND -T~2 \"F\"^3 (", 12),
        ("* OR *:*", 0),
        ("number\0", 12),
        ("ＮＵＭＢＥＲ", 12),
        ("🎁 number", 12),
    ] {
        let found = shop.found(&format!("/v1/search?q={}", encoded(text))).await;
        let total_of = found["total"].as_i64().unwrap();
        assert!(total_of == total || (found["matched"] == "some" && 0 < total_of), "{text}: {found}");
    }
}

#[tokio::test]
async fn a_process_without_an_index_says_so() {
    let shop = Shop::with(|options| options.search = false).await;
    for path in ["/v1/search?q=a", "/v1/suggest?q=a"] {
        assert_eq!(shop.get(path).await.error(), (503, "unavailable".to_owned()), "{path}");
    }
}
