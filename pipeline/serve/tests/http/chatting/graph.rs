//! Questions that the graph of products answers, each with what says so; and what "the first one" counts on after a comparison.

use shoptide_models::knowledge::ItemLinks;
use shoptide_schemas::ItemId;
use shoptide_store::{ItemLinksRow, Truth};

use super::*;

/// The small shop, a phone that says it has no NFC, and what was bought with P03.
async fn linked() -> Shop {
    let shop = Shop::new().await;
    let mut rows = rows();
    rows.push(
        json!({"item_id": "N1", "title": "Nadir Phone", "brand": "Nadir", "category": "technology/phone",
        "description": "Large screen. Without NFC.", "price": "900.00", "currency": "CNY", "stock": 4}),
    );
    shop.stock(Value::Array(rows)).await;
    let id = |id: &str| ItemId::parse(id).unwrap();
    let links =
        ItemLinks { bought_with: vec![(id("P17"), 9), (id("P14"), 4), (id("P08"), 3)], threads: Vec::new() };
    let row = ItemLinksRow { item: id("P03"), data: links.encode() };
    shop.truth.put_item_links(1, vec![row]).await.unwrap();
    shop.words_are_known().await;
    shop
}

fn reply(answer: &Value) -> &str {
    answer["reply"].as_str().unwrap()
}

fn title(answer: &Value, place: usize) -> &str {
    answer["products"][place]["title"].as_str().unwrap()
}

#[tokio::test]
async fn whether_it_has_something_is_answered_with_what_says_so() {
    let shop = linked().await;
    for (find, question, said) in [
        ("小米手机", "它有NFC吗", "有“nfc”：标签写着“nfc”"),
        ("nadir phone", "does it have NFC", "Not \"nfc\": its description says \"without nfc\""),
        ("nadir phone", "does it have a big screen", ": its description says \"large screen\""),
        ("红米手机", "它有NFC吗", "不能确定"),
        ("redmi phone", "is it good for gaming", "does not say"),
    ] {
        let found = shop.turn("ann", &Value::Null, find).await;
        assert_eq!(products(&found).len(), 1, "{find}: {found}");
        let answer = shop.turn("ann", &found["session_id"], question).await;
        assert_eq!(answer["action"], "describe", "{question}: {answer}");
        assert!(reply(&answer).contains(said), "{question}: {}", reply(&answer));
    }
    // Nor is it found as one that has it.
    let with = shop.turn("ann", &Value::Null, "nadir phone with NFC").await;
    assert_eq!(products(&with).len(), 0, "{with}");
}

#[tokio::test]
async fn what_goes_with_it_is_what_baskets_say() {
    let shop = linked().await;
    for (find, question, said) in [
        ("小米手机", "和它搭配什么好", "一起买过 9 次"),
        ("xiaomi phone", "what goes with it", "in the same basket 9 times"),
        ("xiaomi phone", "what is bought with the first one", "in the same basket 9 times"),
    ] {
        let found = shop.turn("ann", &Value::Null, find).await;
        let answer = shop.turn("ann", &found["session_id"], question).await;
        assert_eq!((&answer["intent"], &answer["action"]), (&json!("ask_product"), &json!("goes_with")));
        assert_eq!(products(&answer), ["P17", "P14"], "what is sold out is not shown: {answer}");
        assert!(reply(&answer).contains(said), "{}", reply(&answer));
        assert_eq!(answer["products"][0]["reasons"][0]["code"], "bought-with");
        let first = shop.turn("ann", &answer["session_id"], "第一个多少钱").await;
        assert!(reply(&first).contains("1105"), "{}", reply(&first));
        shop.clock.fetch_add(60_000, std::sync::atomic::Ordering::Relaxed);
    }
    let found = shop.turn("bob", &Value::Null, "红米手机").await;
    let answer = shop.turn("bob", &found["session_id"], "它搭配什么").await;
    assert_eq!((&answer["action"], products(&answer).len()), (&json!("goes_with"), 0));
    assert!(reply(&answer).contains("没有什么说明"), "{}", reply(&answer));
    // Without a product it is a search, whatever it is called.
    let free = shop.turn("bob", &Value::Null, "搭配裙子的包").await;
    assert_ne!(free["action"], "goes_with");
}

#[tokio::test]
async fn one_of_two_is_better_for_what_was_asked_and_it_is_said_why() {
    let shop = linked().await;
    let found = shop.turn("ann", &Value::Null, "耳机").await;
    let listed = products(&found);
    let runs = |id: &String| id == "P16" || id == "P17";
    let one = listed.iter().position(runs).unwrap();
    let other = listed.iter().position(|id| !runs(id)).unwrap();
    let message = format!("第{}个和第{}个哪个更适合跑步", other + 1, one + 1);
    let answer = shop.turn("ann", &found["session_id"], &message).await;
    assert_eq!(answer["action"], "compare", "{answer}");
    assert!(reply(&answer).contains(&format!("“{}”更合适", title(&found, one))), "{}", reply(&answer));
    assert!(reply(&answer).contains("标签写着“跑步”"), "{}", reply(&answer));
    assert!(reply(&answer).contains("不能确定"), "nobody says that it is not: {}", reply(&answer));
    let message = format!("which is better for gaming, the {} or the {}", ORDINALS[one], ORDINALS[other]);
    let answer = shop.turn("ann", &found["session_id"], &message).await;
    assert!(reply(&answer).contains("does not decide"), "{}", reply(&answer));
}

const ORDINALS: [&str; 5] = ["first one", "second one", "third one", "fourth one", "fifth one"];

#[tokio::test]
async fn after_a_comparison_by_brands_the_first_is_the_first_of_these() {
    let shop = shop().await;
    let before = shop.turn("ann", &Value::Null, "小米手机").await;
    assert_eq!(products(&before), ["P03"]);
    let compared = shop.turn("ann", &before["session_id"], "苹果和华为哪个好").await;
    assert_eq!((&compared["action"], products(&compared).len()), (&json!("compare"), 2), "{compared}");
    assert_eq!(
        (&compared["products"][0]["brand"], &compared["products"][1]["brand"]),
        (&json!("Apple"), &json!("华为"))
    );
    for (question, place) in [("第一个多少钱", 0), ("第二个多少钱", 1)] {
        let numbered = format!("{}. {}：", place + 1, title(&compared, place));
        assert!(reply(&compared).contains(&numbered), "{}", reply(&compared));
        let answer = shop.turn("ann", &compared["session_id"], question).await;
        assert!(reply(&answer).contains(title(&compared, place)), "{question}: {}", reply(&answer));
    }
}

#[tokio::test]
async fn after_a_comparison_of_named_products_too_and_those_of_the_list_keep_their_places() {
    let shop = shop().await;
    shop.call(Method::PATCH, "/v1/items/P06", Some(json!({"stock": 0}))).await;
    shop.words_are_known().await;
    // One of them is sold out: it is said, behind what can be had, and can be pointed at.
    let named = shop.turn("ann", &Value::Null, "Nova 12和Mate 60哪个好").await;
    assert_eq!((&named["action"], products(&named)), (&json!("compare"), vec!["P05".to_owned()]), "{named}");
    assert!(reply(&named).contains("2. 华为 Nova 12 256GB 粉色：2599 元，缺货"), "{}", reply(&named));
    for (question, part) in
        [("第一个多少钱", "Mate 60"), ("第二个多少钱", "Nova 12"), ("第二个不喜欢", "Nova 12")]
    {
        let answer = shop.turn("ann", &named["session_id"], question).await;
        assert!(reply(&answer).contains(part), "{question}: {}", reply(&answer));
    }
    let opinions = shop.records(Topic::Feedback).await;
    let said = |record: &shoptide_log::Record| {
        let event: Value = serde_json::from_slice(record.value.as_ref().unwrap()).unwrap();
        event["type"] == "recommendation_feedback" && event["item_id"] == "P06"
    };
    assert_eq!(opinions.iter().filter(|record| said(record)).count(), 1);

    let list = shop.turn("bob", &Value::Null, "手机").await;
    let compared = shop.turn("bob", &list["session_id"], "第一个和第三个哪个好").await;
    let numbered = format!("3. {}：", title(&list, 2));
    assert!(reply(&compared).contains(&numbered), "{}", reply(&compared));
    let answer = shop.turn("bob", &compared["session_id"], "第三个多少钱").await;
    assert!(reply(&answer).contains(title(&list, 2)), "{}", reply(&answer));
}
