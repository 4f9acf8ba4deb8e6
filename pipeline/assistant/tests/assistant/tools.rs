//! Tool calls: what they bring may be said, and nothing about them is unbounded.

use std::sync::Mutex;

use async_trait::async_trait;
use serde_json::{Value, json};
use shoptide_assistant::{Ask, AssistantOptions, ToolAnswer, ToolError, ToolSpec, Tools, Unused};
use shoptide_fake_model::{Call, FakeModel, Reply};

use crate::{assistant, options, scenes};

/// Finds the headphones, and keeps what it was asked.
#[derive(Default)]
struct Shop {
    asked: Mutex<Vec<(String, Value)>>,
    huge: bool,
}

#[async_trait]
impl Tools for Shop {
    fn list(&self) -> Vec<ToolSpec> {
        let parameters = json!({"type": "object", "properties": {"q": {"type": "string"}}, "required": ["q"], "additionalProperties": false});
        vec![ToolSpec { name: "search_products".into(), description: "Finds products.".into(), parameters }]
    }

    async fn call(&self, name: &str, arguments: Value) -> Result<ToolAnswer, ToolError> {
        self.asked.lock().unwrap().push((name.to_owned(), arguments));
        let products = scenes::scenes().remove("headphones").unwrap().products;
        let ids: Vec<&str> = products.iter().map(|p| p.id.as_str()).collect();
        let padding = if self.huge { "x".repeat(100_000) } else { String::new() };
        let json = json!({"products": ids, "padding": padding});
        Ok(ToolAnswer { json, products, quotes: vec!["Delivery takes three days.".into()] })
    }
}

fn ask() -> Ask {
    Ask { message: "headphones, and how long does delivery take?".into(), ..Ask::default() }
}

fn search(arguments: impl ToString) -> Reply {
    Reply::calls(vec![Call::new("call_1", "search_products", arguments)])
}

#[tokio::test]
async fn what_a_tool_brought_may_be_said() {
    let said = "The Bose QC45 costs ¥1,899.00. Delivery takes three days.";
    let fake = FakeModel::scripted([search(json!({"q": "headphones"})), Reply::text(said)]).await.unwrap();
    let (assistant, _) = assistant(options(&fake));
    let shop = Shop::default();
    let written = assistant.begin(b"u1").unwrap().reply(&ask(), &shop, None).await;
    assert_eq!(written.result.as_deref(), Ok(said));
    assert_eq!(*shop.asked.lock().unwrap(), [("search_products".to_owned(), json!({"q": "headphones"}))]);
    assert_eq!((written.record.requests, written.record.tool_calls), (2, 1));
    let seen = fake.seen();
    assert_eq!(seen[0].body["tools"][0]["function"]["name"], "search_products");
    let messages = seen[1].body["messages"].as_array().unwrap();
    assert_eq!(messages[2]["tool_calls"][0]["function"]["arguments"], "{\"q\":\"headphones\"}");
    assert_eq!(messages[3]["role"], "tool");
    assert!(messages[3]["content"].as_str().unwrap().contains("P14"));
}

#[tokio::test]
async fn without_the_tool_the_same_words_do_not_stand() {
    let fake = FakeModel::scripted([Reply::text("The Bose QC45 costs ¥1,899.00.")]).await.unwrap();
    let (assistant, _) = assistant(options(&fake));
    let written = assistant.begin(b"u1").unwrap().reply(&ask(), &Shop::default(), None).await;
    assert!(matches!(written.result, Err(Unused::Ungrounded(_))));
}

#[tokio::test]
async fn bad_calls_reach_no_tool_and_are_answered() {
    for (name, arguments) in [
        ("search_products", "{\"q\": \"x\", \"user_id\": \"somebody\"}"),
        ("search_products", "{\"q\""),
        ("search_products", "[]"),
        ("delete_user", "{}"),
        ("", ""),
    ] {
        let calls = Reply::calls(vec![Call::new("call_1", name, arguments)]);
        let fake =
            FakeModel::scripted([calls, Reply::text("Hello! What are you looking for?")]).await.unwrap();
        let (assistant, _) = assistant(options(&fake));
        let shop = Shop::default();
        let written = assistant.begin(b"u1").unwrap().reply(&ask(), &shop, None).await;
        assert!(written.result.is_ok(), "{written:?}");
        assert!(shop.asked.lock().unwrap().is_empty(), "{name} {arguments}");
        let answer = fake.seen()[1].body["messages"][3]["content"].as_str().unwrap().to_owned();
        assert!(answer.contains("error"), "{answer}");
    }
}

#[tokio::test]
async fn calls_and_rounds_end() {
    let fake = FakeModel::deciding(|_| search(json!({"q": "more"}))).await.unwrap();
    let (assistant, _) = assistant(AssistantOptions { rounds_max: 2, ..options(&fake) });
    let shop = Shop::default();
    let written = assistant.begin(b"u1").unwrap().reply(&ask(), &shop, None).await;
    assert_eq!(written.result, Err(Unused::TooManyCalls));
    assert_eq!(fake.seen().len(), 3);
    assert!(fake.seen()[2].body.get("tools").is_none(), "the last round offers none");

    let many: Vec<Call> =
        (0..7).map(|i| Call::new(&format!("c{i}"), "search_products", json!({"q": i.to_string()}))).collect();
    let fake = FakeModel::scripted([Reply::calls(many)]).await.unwrap();
    let (assistant, _) = crate::assistant(options(&fake));
    let shop = Shop::default();
    let written = assistant.begin(b"u1").unwrap().reply(&ask(), &shop, None).await;
    assert_eq!(written.result, Err(Unused::TooManyCalls));
    assert!(shop.asked.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_large_answer_is_no_answer_and_no_fact() {
    let fake =
        FakeModel::scripted([search(json!({"q": "x"})), Reply::text("The Bose QC45 costs ¥1,899.00.")])
            .await
            .unwrap();
    let (assistant, _) = assistant(options(&fake));
    let shop = Shop { huge: true, ..Shop::default() };
    let written = assistant.begin(b"u1").unwrap().reply(&ask(), &shop, None).await;
    assert!(matches!(written.result, Err(Unused::Ungrounded(_))));
    let sent = fake.seen()[1].body.to_string().len();
    assert!(sent < 20_000, "{sent}");
}
