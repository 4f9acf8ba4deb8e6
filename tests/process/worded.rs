//! The program with a language model configured: from its keys to the words of the chat, and nothing of it in the log.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;

use serde_json::{Value, json};
use shoptide_fake_model::{FakeModel, Reply};

use crate::common::{client, finish, follow, path, post, shoptide, until};

const KEY: &str = "sk-canary-process-0123456789";
const SAID: &str = "The Cloudsail phone 7 costs 1999 CNY and is in stock.";
/// A word that only a shopper says.
const SHOPPERS: &str = "canaryword";

async fn say(url: &str, user: Option<&str>, message: &str) -> Value {
    let body = json!({"message": message, "user_id": user}).to_string();
    let request = client().post(format!("{url}/v1/chat")).header("content-type", "application/json");
    request.body(body).send().await.unwrap().json().await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_configured_model_words_the_chat_and_is_in_no_log() {
    let fake = FakeModel::deciding(|_| Reply::text(SAID)).await.unwrap();
    let dir = tempfile::tempdir().unwrap();
    let key = dir.path().join("model.key");
    std::fs::write(&key, KEY).unwrap();
    std::fs::set_permissions(&key, Permissions::from_mode(0o600)).unwrap();
    let shop = dir.path().join("shop");
    let mut command = shoptide(&["--log-json", "up", "--port", "0", "--data-dir", path(&shop)]);
    command.envs([
        ("SHOPTIDE_ASSISTANT__MODEL", "fake"),
        ("SHOPTIDE_ASSISTANT__BASE_URL", &fake.base_url()),
        ("SHOPTIDE_ASSISTANT__KEY_FILE", path(&key)),
        ("SHOPTIDE_ASSISTANT__TIMEOUT_MS", "30000"),
        ("SHOPTIDE_ASSISTANT__MILLION_IN_COST", "2"),
        ("SHOPTIDE_LOG", "trace"),
    ]);
    let (running, url) = follow(command);
    let item = json!({"event_id": "i1", "type": "item_upsert", "item_id": "P7", "occurred_at": 1_777_896_000_000_i64,
        "title": "Cloudsail phone 7", "brand": "Cloudsail", "category": "technology/phone", "price": "1999.00",
        "currency": "CNY", "stock": 3});
    assert_eq!(post(&url, item.to_string()).await.unwrap().status(), 200);
    until("the shop's words are known", || async {
        let answer = say(&url, None, "hello").await;
        (answer["as_of"]["shop.catalogue"] == 1).then_some(())
    })
    .await;
    let answer = say(&url, Some("ann"), "a phone below 3000 yuan").await;
    assert_eq!((&answer["source"], &answer["reply"]), (&json!("model"), &json!(SAID)), "{answer}");
    assert_eq!(answer["products"][0]["item_id"], "P7");
    // Read again, since the rules do not know the word; what it says is no reading.
    let answer = say(&url, Some("ann"), &format!("a phone, {SHOPPERS}")).await;
    assert_eq!(answer["source"], "rules", "{answer}");
    let seen = fake.seen();
    assert!(
        seen.iter().all(|seen| seen.authorization == format!("Bearer {KEY}") && seen.body["model"] == "fake")
    );
    let log = running.err.text();
    assert!(log.contains("a model's turn ended"), "the log is heard");
    for secret in [KEY, SHOPPERS, SAID, "You write the reply"] {
        let line = log.lines().find(|line| line.contains(secret));
        assert_eq!(line, None, "{secret} is in the log");
    }
}

#[test]
fn what_cannot_be_a_model_is_refused_and_the_key_never_shown() {
    let dir = tempfile::tempdir().unwrap();
    let mut command = shoptide(&["up", "--port", "0", "--data-dir", path(&dir.path().join("shop"))]);
    command.envs([
        ("SHOPTIDE_ASSISTANT__MODEL", "fake"),
        ("SHOPTIDE_ASSISTANT__BASE_URL", "http://10.0.0.1/v1"),
        ("SHOPTIDE_ASSISTANT__KEY", KEY),
    ]);
    let ended = finish(command);
    ended.refused(&["assistant.base_url"]);
    assert!(!ended.err.contains(KEY), "{ended:?}");
}
