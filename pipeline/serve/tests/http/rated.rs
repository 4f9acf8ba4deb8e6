//! What shoppers gave the products: the order that a search and the chat make of it, and what they say.

use std::time::Duration;

use serde_json::{Value, json};
use shoptide_schemas::{ItemId, Topic};
use shoptide_store::{Commit, OffsetMove, RatingRow, Tally, Truth};

use crate::chatting::{PATIENCE, products, shop};
use crate::common::{NOW_MS, Shop, ids};

impl Shop {
    /// Folds ratings as the stream does (item, how many, their sum in hundredths), and waits until this process has heard of them.
    async fn rate(&self, ratings: &[(&str, i64, i64)]) {
        let row = self.truth.assign(0, &[(Topic::Feedback, 0)]).await.unwrap().remove(0);
        let (from, to) = (row.next_off, row.next_off + 1);
        let tally = Tally { logged: 1, applied: 1, ..Tally::default() };
        let row_of = |(item, n, hundredths): &(&str, i64, i64)| RatingRow {
            item: ItemId::parse(item).unwrap(),
            n: *n,
            hundredths: *hundredths,
            upto: from,
        };
        let commit = Commit {
            epoch: row.epoch,
            offsets: vec![OffsetMove { topic: Topic::Feedback, from, to, append_ms: NOW_MS, tally }],
            ratings: ratings.iter().map(row_of).collect(),
            ..Commit::default()
        };
        let before = self.live.ratings();
        self.truth.commit(commit).await.unwrap();
        let mut heard = self.live.watch_ratings();
        tokio::time::timeout(PATIENCE, heard.wait_for(|now| **now != *before)).await.unwrap().unwrap();
    }

    /// Searches until the index has the ratings too.
    async fn ordered(&self, path: &str, expected: &[&str]) -> Value {
        let until = tokio::time::Instant::now() + PATIENCE;
        loop {
            let found = self.get(path).await.json();
            if ids(&found) == expected {
                return found;
            }
            assert!(tokio::time::Instant::now() < until, "{found}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

#[tokio::test]
async fn a_search_comes_in_order_of_rating_page_by_page() {
    let shop = Shop::new().await;
    shop.stock_twelve().await;
    shop.rate(&[("T1", 1, 500), ("T2", 40, 40 * 460), ("T3", 40, 40 * 120), ("F1", 30, 30 * 450)]).await;
    let all = "/v1/search?category=technology&sort=rating";
    let expected = ["T2", "T1", "T3", "T6", "T5", "T4"];
    let found = shop.ordered(all, &expected).await;
    assert_eq!(found["sort"], "rating");
    assert_eq!(found["items"][0]["rating"], json!({"mean": 4.6, "count": 40}));
    assert!(found["items"][3].get("rating").is_none(), "{found}");
    let (mut walked, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = shop.get(&format!("{all}&n=2{cursor}")).await.json();
        walked.extend(ids(&page));
        match page["cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    assert_eq!(walked, expected);
    // Words find, ratings order.
    shop.ordered("/v1/search?q=F%20number&sort=rating&n=1", &["F1"]).await;
    // All taken back: nobody has rated it.
    shop.rate(&[("T2", -40, -40 * 460)]).await;
    shop.ordered(all, &["T1", "T3", "T6", "T5", "T4", "T2"]).await;
}

#[tokio::test]
async fn the_chat_says_what_shoppers_gave() {
    let shop = shop().await;
    // Nothing is rated: the wish orders nothing, and nothing is made up.
    let answer = shop.turn("ann", &Value::Null, "评分最高的手机").await;
    assert!(!products(&answer).is_empty() && !answer["reply"].as_str().unwrap().contains("评分"), "{answer}");
    shop.rate(&[("P06", 32, 32 * 460), ("P09", 1, 500), ("P07", 50, 50 * 130)]).await;
    for (message, said) in [
        ("评分最高的手机", ["32 位顾客评分 4.6", "1 位顾客评分 5.0", "50 位顾客评分 1.3"]),
        (
            "best rated phones",
            ["rated 4.6 by 32 shoppers", "rated 5.0 by one shopper", "rated 1.3 by 50 shoppers"],
        ),
    ] {
        let answer = shop.turn("ann", &Value::Null, message).await;
        assert_eq!(products(&answer)[..3], ["P06", "P09", "P07"], "{message}: {answer}");
        for (product, said) in answer["products"].as_array().unwrap().iter().zip(said) {
            assert_eq!(product["reasons"][0], json!({"code": "rating", "text": said}), "{product}");
            let parts = product["parts"].as_array().unwrap();
            assert!(parts.iter().any(|part| part["part"] == "rating"), "{product}");
        }
    }
    // Without the wish they still count, and only what is good is a reason.
    let answer = shop.turn("bob", &Value::Null, "手机").await;
    let reasons = |id: &str| {
        let found = answer["products"].as_array().unwrap().iter().find(|p| p["item_id"] == id);
        found.map(|p| p["reasons"].to_string()).unwrap_or_default()
    };
    assert!(reasons("P06").contains("32 位顾客评分 4.6"), "{answer}");
    assert!(!reasons("P07").contains("评分"), "{answer}");
}
