//! Reading a message with the model where the rules are unsure.

use serde_json::json;
use shoptide_assistant::{Unused, is_unsure, schema};
use shoptide_fake_model::{FakeModel, Reply};
use shoptide_models::chat::{DialogueState, Intent, Lexicon, understand};
use shoptide_schemas::Micros;

use crate::{assistant, options};

fn reading() -> serde_json::Value {
    json!({"intent": "find", "category": "smartphone", "brands": [], "brands_excluded": [], "features": ["good camera"],
        "features_excluded": [], "for_whom": [], "occasions": [], "sort": null})
}

const MESSAGE: &str = "给我来个能把演唱会拍清楚而且揣兜里不碍事的玩意儿，三千以内";

#[tokio::test]
async fn a_reading_fills_what_the_rules_left_open() {
    let (lexicon, state) = (Lexicon::default(), DialogueState::default());
    let rules = understand(MESSAGE, &lexicon, &state);
    assert!(is_unsure(&rules), "{rules:?}");
    let fake = FakeModel::scripted([Reply::json(&reading())]).await.unwrap();
    let (assistant, _) = assistant(options(&fake));
    let mut turn = assistant.begin(b"u1").unwrap();
    let read = turn.understand(MESSAGE, &state).await.unwrap().merged(&rules, &lexicon);
    assert_eq!((read.intent, read.slots.category.as_deref()), (Intent::Find, Some("phone")));
    assert_eq!(read.slots.features, ["camera"]);
    assert_eq!(read.slots.price.and_then(|p| p.max), Some(Micros(3_000_000_000)));
    let record = turn.end(None);
    assert_eq!((record.prompt, record.tokens_in, record.why), ("understand.v1", 100, None));
    let body = &fake.seen()[0].body;
    assert_eq!(body["response_format"]["json_schema"]["schema"], schema());
    assert_eq!(body["response_format"]["json_schema"]["strict"], true);
}

#[tokio::test]
async fn a_reading_that_is_none_leaves_the_rules() {
    let state = DialogueState::default();
    let mut unknown_key = reading();
    unknown_key["price"] = json!(1);
    let mut missing = reading();
    missing.as_object_mut().unwrap().remove("brands");
    for (reply, expected) in [
        (Reply::text("find a phone"), Unused::Broken),
        (Reply::json(&unknown_key), Unused::Broken),
        (Reply::json(&missing), Unused::Broken),
        (Reply::Refusal("no".into()), Unused::Declined),
        (Reply::Filtered, Unused::Declined),
        (Reply::Huge(64 << 20), Unused::TooLarge),
        (Reply::Body { content_type: "application/json", body: "{".into() }, Unused::Broken),
        (Reply::Body { content_type: "application/json", body: "{}".into() }, Unused::Broken),
        (Reply::status(400), Unused::Rejected(400)),
    ] {
        let fake = FakeModel::scripted([reply.clone()]).await.unwrap();
        let (assistant, _) = assistant(options(&fake));
        let mut turn = assistant.begin(b"u1").unwrap();
        let read = turn.understand(MESSAGE, &state).await;
        assert_eq!(read.map(|_| ()), Err(expected), "{reply:?}");
        assert_eq!(turn.end(Some(expected)).why, Some(expected.name()));
    }
}
