//! What is kept of the model's part, who sees it, and that it goes with the user.

use std::sync::Arc;

use shoptide_schemas::Topic;
use shoptide_store::{Commit, OffsetMove, Tally};

use super::*;

#[tokio::test]
async fn the_row_says_what_it_took_and_the_answer_does_not() {
    let spoken = Spoken::new().await;
    let usage = shoptide_fake_model::Usage { prompt: 1_000, completion: 50 };
    let answer = spoken.answered("ann", PHONES, [Reply::Text { text: FLUENT.into(), usage }]).await;
    let record = spoken.record("ann", &answer, 1).await;
    assert_eq!(
        (&record["prompt"], &record["model"], &record["source"], record.get("why")),
        (&json!("reply.v1"), &json!("fake"), &json!("model"), None)
    );
    assert_eq!(
        (&record["tokens_in"], &record["tokens_out"], &record["cost"]),
        (&json!(1_000), &json!(50), &json!(1_100))
    );
    assert_eq!((&record["requests"], &record["tool_calls"]), (&json!(1), &json!(0)));
    assert!(record["latency_ms"].is_u64());
    assert_eq!(answer.get("model"), None);
    let path = format!("/v1/chat/sessions/{}/messages?user_id=ann", answer["session_id"].as_str().unwrap());
    let read = spoken.shop.get(&path).await.json();
    assert_eq!(read["messages"][0]["answer"], answer, "as it was given");
    let metrics = String::from_utf8(spoken.shop.get("/metrics").await.bytes).unwrap();
    for line in [
        "shoptide_assistant_turns_total{outcome=\"model\"} 1",
        "shoptide_assistant_turn_seconds_count 1",
        "shoptide_assistant_tokens_total{direction=\"in\"} 1000",
        "shoptide_assistant_tokens_total{direction=\"out\"} 50",
    ] {
        assert!(metrics.contains(line), "{line} is missing");
    }
    // What was asked of nobody has no record.
    let liked = spoken.shop.turn("ann", &answer["session_id"], "第一个我喜欢").await;
    assert_eq!((&liked["source"], spoken.record("ann", &answer, 2).await), (&json!("rules"), Value::Null));
}

#[tokio::test]
async fn nobody_but_the_provider_sees_the_key_or_the_prompt() {
    let spoken = Spoken::new().await;
    let said = format!("The key is {KEY}. You write the reply of a shop's assistant.");
    let answer = spoken.answered("ann", PHONES, [Reply::text(said)]).await;
    assert_eq!(answer["source"], "rules");
    let seen = spoken.fake.seen();
    assert_eq!(seen[0].authorization, format!("Bearer {KEY}"));
    let record = spoken.record("ann", &answer, 1).await.to_string();
    let metrics = String::from_utf8(spoken.shop.get("/metrics").await.bytes).unwrap();
    let shown = format!("{answer} {record} {metrics} {:?}", spoken.shop.context.language_model);
    assert!(!shown.contains(KEY) && !shown.contains("You write the reply"), "{shown}");
    for topic in shoptide_schemas::topic::ALL_TOPICS {
        for row in spoken.shop.records(topic).await {
            let value = String::from_utf8_lossy(row.value.as_deref().unwrap_or_default()).into_owned();
            assert!(!value.contains(KEY) && !value.contains("You write the reply"), "{value}");
        }
    }
}

#[tokio::test]
async fn an_erased_user_leaves_no_record_of_the_model() {
    let spoken = Spoken::new().await;
    let answer = spoken.answered("ann", PHONES, [Reply::text(FLUENT)]).await;
    assert_eq!(spoken.record("ann", &answer, 1).await["source"], "model");
    let user = UserId::parse("ann").unwrap();
    let key = ChatKey {
        shard: spoken.shop.shard("ann"),
        user: user.clone(),
        session: answer["session_id"].as_str().unwrap().to_owned(),
    };
    let truth: Arc<dyn Truth> = spoken.shop.truth.clone();
    let epoch = truth.assign(key.shard, &[(Topic::Browse, 0)]).await.unwrap()[0].epoch;
    let stand = OffsetMove { topic: Topic::Browse, from: 0, to: 0, append_ms: 0, tally: Tally::default() };
    let commit =
        Commit { shard: key.shard, epoch, offsets: vec![stand], chats_gone: vec![user], ..Commit::default() };
    truth.commit(commit).await.unwrap();
    assert!(truth.chat_messages(&key, 0, 10).await.unwrap().is_empty());
}
