//! The chat from outside: what a shopper says, what he gets, and what must never be shown to him or to others.

mod bad;
mod dialogues;
mod graph;
mod honest;
mod kept;
mod protocol;
mod questions;
pub mod streamed;

use std::time::Duration;

use axum::http::Method;
use serde_json::{Value, json};
use shoptide_log::Log;
use shoptide_schemas::{Micros, Topic};

use crate::common::{Answer, Shop};

pub const CHAT: &str = "/v1/chat";
/// Between two tries of what will be soon.
pub const BREATH: Duration = Duration::from_millis(20);
/// Patience with a machine that does other things too.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// The small shop that the chat's own tests speak of, some of whose rows a test may change.
pub fn rows() -> Vec<Value> {
    let file = include_str!("../../../../models/tests/chat/catalogue.jsonl");
    let row = |line: &str| {
        let mut row: Value = serde_json::from_str(line).unwrap();
        let fields = row.as_object_mut().unwrap();
        let english = fields.remove("title_en").unwrap();
        fields.insert("titles".to_owned(), json!({ "en": english }));
        row
    };
    file.lines().map(row).collect()
}

/// A shop whose chat knows the small catalogue.
pub async fn shop() -> Shop {
    let shop = Shop::new().await;
    shop.stock(Value::Array(rows())).await;
    shop.words_are_known().await;
    shop
}

impl Shop {
    /// Asks until the words of everything that was written are known.
    pub async fn words_are_known(&self) {
        let next = self.log.watermarks(Topic::Catalogue, 0).await.unwrap().next;
        let until = tokio::time::Instant::now() + PATIENCE;
        loop {
            let answer = self.say(json!({"message": "hello"})).await;
            if answer.status == 200 && next <= answer.json()["as_of"]["shop.catalogue"].as_i64().unwrap() {
                return;
            }
            assert!(tokio::time::Instant::now() < until, "{:?}", String::from_utf8_lossy(&answer.bytes));
            // Each try is one of the dialogues that visitors may begin, and the clock stands still.
            tokio::time::sleep(BREATH).await;
        }
    }

    pub async fn say(&self, body: Value) -> Answer {
        self.call(Method::POST, CHAT, Some(body)).await
    }

    /// One message of a user; `session` is that of the answer before, or null.
    pub async fn turn(&self, user: &str, session: &Value, message: &str) -> Value {
        let mut body = json!({"user_id": user, "message": message});
        if session.is_string() {
            body["session_id"] = session.clone();
        }
        let answer = self.say(body).await;
        assert_eq!(answer.status, 200, "{message}: {}", String::from_utf8_lossy(&answer.bytes));
        answer.json()
    }
}

pub fn products(answer: &Value) -> Vec<String> {
    let products = answer["products"].as_array().unwrap();
    products.iter().map(|p| p["item_id"].as_str().unwrap().to_owned()).collect()
}

fn price(product: &Value) -> Micros {
    Micros::parse(product["price"].as_str().unwrap(), "price").unwrap()
}

#[tokio::test]
async fn a_shopper_asks_in_his_own_words() {
    let shop = shop().await;
    let answer = shop.turn("u1", &Value::Null, "三千以内拍照好的手机，不要苹果").await;
    assert_eq!(
        (&answer["intent"], &answer["action"], &answer["source"]),
        (&json!("find"), &json!("show"), &json!("rules"))
    );
    let mut found = products(&answer);
    found.sort();
    assert_eq!(found, ["P06", "P09"]);
    for (place, product) in answer["products"].as_array().unwrap().iter().enumerate() {
        assert!(price(product) <= Micros(3_000_000_000), "{product}");
        assert_ne!(product["brand"], "Apple");
        let parts = product["parts"].as_array().unwrap();
        let sum: f64 =
            parts.iter().map(|p| p["score"].as_f64().unwrap() * p["share"].as_f64().unwrap()).sum();
        assert!((sum - product["score"].as_f64().unwrap()).abs() < 1e-3, "{product}");
        assert!(parts.iter().any(|p| p["part"] == "price") && parts.iter().any(|p| p["part"] == "features"));
        assert!(!product["reasons"].as_array().unwrap().is_empty());
        let record = format!("{}.1.{}", answer["session_id"].as_str().unwrap(), place + 1);
        assert_eq!((&product["rank"], &product["record_id"]), (&json!(place + 1), &json!(record)));
        assert!(answer["reply"].as_str().unwrap().contains(product["title"].as_str().unwrap()));
    }
    assert!(answer["reply"].as_str().unwrap().contains("不要"), "{answer}");
    assert!(answer["list_id"].as_str().unwrap().starts_with("c-"));
    let session = answer["session_id"].as_str().unwrap();
    assert!(!answer["list_id"].as_str().unwrap().contains(session), "who reads events could read dialogues");

    let answer = shop.turn("u1", &answer["session_id"], "还要有NFC").await;
    assert_eq!((products(&answer), &answer["intent"]), (vec!["P06".to_owned()], &json!("refine")));
}
