//! What is kept of a dialogue, what goes to the log, and what happens when the store is away.

use std::sync::Arc;

use shoptide_models::state::{Change, Part};
use shoptide_schemas::{UserId, wire};
use shoptide_store::{ChatKey, Commit, OffsetMove, Tally, Truth};

use super::*;
use crate::common::NOW_MS;

fn key(shop: &Shop, user: &str, session: &Value) -> ChatKey {
    let user = UserId::parse(user).unwrap();
    ChatKey { shard: shop.shard(&user.to_string()), user, session: session.as_str().unwrap().to_owned() }
}

#[tokio::test]
async fn messages_are_read_back_page_by_page() {
    let shop = shop().await;
    let mut session = Value::Null;
    let mut answers = Vec::new();
    for message in ["三千以内的手机", "不要小米", "second one", "thanks"] {
        let answer = shop.turn("ann", &session, message).await;
        session = answer["session_id"].clone();
        answers.push((message, answer));
    }
    let path = format!("/v1/chat/sessions/{}/messages?user_id=ann", session.as_str().unwrap());
    let all = shop.get(&path).await.json();
    assert_eq!((&all["session_id"], &all["more"]), (&session, &json!(false)));
    for (n, (message, answer)) in answers.iter().enumerate() {
        let kept = &all["messages"][n];
        assert_eq!(
            (&kept["turn"], &kept["message"], &kept["answer"]),
            (&json!(n + 1), &json!(message), answer)
        );
        assert_eq!(kept["at"], "2026-05-04T12:00:00.000Z");
    }
    let page = shop.get(&format!("{path}&after=1&n=2")).await.json();
    let turns: Vec<_> = page["messages"].as_array().unwrap().iter().map(|m| m["turn"].clone()).collect();
    assert_eq!((turns, &page["more"]), (vec![json!(2), json!(3)], &json!(true)));
    for bad in ["n=0", "n=101", "after=-1", "after=x", "user_id=", "limit=3"] {
        assert_eq!(shop.get(&format!("{path}&{bad}")).await.error().0, 400, "{bad}");
    }
}

#[tokio::test]
async fn records_keep_the_score_its_parts_and_its_reasons() {
    let shop = shop().await;
    let answer = shop.turn("ann", &Value::Null, "三千以内拍照好的手机").await;
    let key = key(&shop, "ann", &answer["session_id"]);
    for (place, product) in answer["products"].as_array().unwrap().iter().enumerate() {
        let record = shop.truth.chat_record(&key, 1, place as u32 + 1).await.unwrap().unwrap();
        assert_eq!(record.item.to_string(), product["item_id"].as_str().unwrap());
        assert!((record.score as f64 / 1e6 - product["score"].as_f64().unwrap()).abs() < 1e-5);
        let why: Value = serde_json::from_slice(&record.why).unwrap();
        assert_eq!((&why["parts"], &why["reasons"]), (&product["parts"], &product["reasons"]));
        assert_eq!(record.feedback, None);
    }
    // An opinion in words is one of the same record.
    shop.turn("ann", &answer["session_id"], "第一个我喜欢").await;
    let record = shop.truth.chat_record(&key, 1, 1).await.unwrap().unwrap();
    assert_eq!(record.feedback.map(|f| f.code), Some(1));
    let path =
        format!("/v1/recommendations/{}/feedback", answer["products"][0]["record_id"].as_str().unwrap());
    let again = shop.call(Method::POST, &path, Some(json!({"user_id": "ann", "feedback": "dislike"}))).await;
    assert_eq!(again.error().0, 409);
}

#[tokio::test]
async fn intents_are_events_and_move_what_is_known_of_the_user() {
    let shop = shop().await;
    let first = shop.turn("ann", &Value::Null, "三千以内拍照好的手机，不要苹果").await;
    let second = shop.turn("ann", &first["session_id"], "第一个支持快充吗").await;
    let mut part = Part::default();
    let mut seen = Vec::new();
    for record in shop.records(Topic::Feedback).await {
        let event = wire::decode(record.value.as_ref().unwrap()).unwrap();
        if event.user.to_string() != "ann" {
            continue;
        }
        let json: Value = serde_json::from_slice(record.value.as_ref().unwrap()).unwrap();
        seen.push((
            json["type"].clone(),
            json["context"]["intent"].clone(),
            json["list_id"].clone(),
            json["item_id"].clone(),
        ));
        assert!(!json.to_string().contains(first["session_id"].as_str().unwrap()), "{json}");
        part.commit(&Change::Fold, &event, record.offset);
    }
    let intent = json!("chat_intent");
    let pointed = first["products"][0]["item_id"].clone();
    assert_eq!(
        seen,
        [
            (intent.clone(), json!("find"), first["list_id"].clone(), Value::Null),
            (intent, json!("ask_product"), second["list_id"].clone(), pointed.clone()),
        ]
    );
    let entry = part.items.iter().find(|e| e.item.to_string() == pointed.as_str().unwrap());
    assert_eq!(entry.map(|e| e.last_act.name()), Some("chat_intent"));
    let words: Vec<&str> = part.queries.iter().map(|q| &*q.text).collect();
    assert!(words.contains(&"第一个支持快充吗"), "{words:?}");
}

#[tokio::test]
async fn two_messages_at_once_are_one_turn_and_one_refusal_or_two_turns() {
    let shop = shop().await;
    let first = shop.turn("ann", &Value::Null, "手机").await;
    let say =
        || shop.say(json!({"user_id": "ann", "session_id": first["session_id"], "message": "三千以内"}));
    let all = futures::future::join_all((0..6).map(|_| say())).await;
    let good = all.iter().filter(|a| a.status == 200).count();
    assert!(1 <= good && all.iter().all(|a| a.status == 200 || a.error() == (409, "conflict".to_owned())));
    let stored = shop.truth.chat_session(&key(&shop, "ann", &first["session_id"])).await.unwrap().unwrap();
    assert_eq!(stored.turns as usize, 1 + good);
    let messages = shop.truth.chat_messages(&key(&shop, "ann", &first["session_id"]), 0, 99).await.unwrap();
    assert_eq!(messages.len(), 1 + good);
}

#[tokio::test]
async fn an_erased_user_leaves_no_chat() {
    let shop = shop().await;
    let answer = shop.turn("ann", &Value::Null, "手机").await;
    let key = key(&shop, "ann", &answer["session_id"]);
    let truth: Arc<dyn Truth> = shop.truth.clone();
    let epoch = truth.assign(key.shard, &[(Topic::Browse, 0)]).await.unwrap()[0].epoch;
    let stand = OffsetMove { topic: Topic::Browse, from: 0, to: 0, append_ms: 0, tally: Tally::default() };
    let commit = Commit {
        shard: key.shard,
        epoch,
        offsets: vec![stand],
        chats_gone: vec![key.user.clone()],
        ..Commit::default()
    };
    truth.commit(commit).await.unwrap();
    let body = json!({"user_id": "ann", "session_id": answer["session_id"], "message": "第一个"});
    assert_eq!(shop.say(body).await.error().0, 404);
    assert_eq!(truth.chat_record(&key, 1, 1).await.unwrap(), None);
}

#[tokio::test]
async fn without_the_store_there_is_no_chat_and_it_says_so() {
    let shop = shop().await;
    shop.truth.close().await;
    let answer = shop.say(json!({"user_id": "ann", "message": "手机"})).await;
    assert_eq!(answer.error(), (503, "unavailable".to_owned()));
    assert!(answer.headers.contains_key("retry-after"));
}

#[tokio::test]
async fn a_dialogue_is_of_whoever_an_id_belongs_to() {
    let shop = shop().await;
    let before = shop.turn("device", &Value::Null, "手机").await;
    let identify = json!({"event_id": "i", "type": "identify", "user_id": "device", "known_user_id": "ann", "occurred_at": NOW_MS});
    shop.know("device", &[identify], &[]).await;
    let answer = shop.turn("device", &Value::Null, "三千以内的手机").await;
    assert!(shop.truth.chat_session(&key(&shop, "ann", &answer["session_id"])).await.unwrap().is_some());
    assert!(shop.truth.chat_session(&key(&shop, "device", &answer["session_id"])).await.unwrap().is_none());
    // It goes on under both ids, and its feedback and messages are found under both.
    for user in ["ann", "device"] {
        let next = shop.turn(user, &answer["session_id"], "不要小米").await;
        assert_eq!(next["session_id"], answer["session_id"]);
        let path =
            format!("/v1/chat/sessions/{}/messages?user_id={user}", answer["session_id"].as_str().unwrap());
        assert_eq!(shop.get(&path).await.status, 200);
    }
    for (user, record, status) in [("device", 0, 204), ("ann", 0, 409), ("bob", 0, 404)] {
        let path = format!(
            "/v1/recommendations/{}/feedback",
            answer["products"][record]["record_id"].as_str().unwrap()
        );
        let body = json!({"user_id": user, "feedback": "like"});
        assert_eq!(shop.call(Method::POST, &path, Some(body)).await.status.as_u16(), status, "{user}");
    }
    // What was said before anybody knew whose the device is is not ann's to read.
    let body = json!({"user_id": "device", "session_id": before["session_id"], "message": "第一个"});
    assert_eq!(shop.say(body).await.error().0, 404);
}

#[tokio::test]
async fn who_was_erased_is_told_so() {
    let shop = shop().await;
    let key = key(&shop, "ann", &json!("0123456789abcdef0123456789abcdef"));
    let truth: Arc<dyn Truth> = shop.truth.clone();
    let epoch = truth.assign(key.shard, &[(Topic::Browse, 0)]).await.unwrap()[0].epoch;
    let stand = OffsetMove { topic: Topic::Browse, from: 0, to: 0, append_ms: 0, tally: Tally::default() };
    let commit = Commit {
        shard: key.shard,
        epoch,
        offsets: vec![stand],
        tombstones: vec![(key.user.clone(), Topic::Browse, 0)],
        ..Commit::default()
    };
    truth.commit(commit).await.unwrap();
    let before = shop.records(Topic::Feedback).await.len();
    let answer = shop.say(json!({"user_id": "ann", "message": "我这个月预算5000元"})).await;
    assert_eq!(answer.error(), (409, "conflict".to_owned()));
    assert_eq!(shop.get("/v1/users/ann/budget").await.status, 404);
    assert_eq!(shop.records(Topic::Feedback).await.len(), before);
}
