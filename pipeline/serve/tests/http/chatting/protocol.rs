//! The same dialogues through OpenAI's protocol.

use super::*;

const COMPLETIONS: &str = "/v1/chat/completions";

impl Shop {
    async fn complete(&self, user: &str, messages: &[(&str, &str)]) -> Value {
        let messages: Vec<Value> =
            messages.iter().map(|(role, text)| json!({"role": role, "content": text})).collect();
        let body = json!({"model": "shoptide", "user": user, "messages": messages});
        let answer = self.call(Method::POST, COMPLETIONS, Some(body)).await;
        assert_eq!(answer.status, 200, "{}", String::from_utf8_lossy(&answer.bytes));
        answer.json()
    }
}

#[tokio::test]
async fn a_talk_that_nobody_keeps_goes_on_as_one_that_is_kept() {
    let shop = shop().await;
    let said = ["三千以内的手机", "不要小米", "第一个支持快充吗"];
    let (mut session, mut talk) = (Value::Null, Vec::new());
    for message in said {
        let kept = shop.turn("ann", &session, message).await;
        session = kept["session_id"].clone();
        talk.push(("user", message));
        let told = shop.complete("bob", &talk).await;
        let (more, choice) = (&told["shoptide"], &told["choices"][0]);
        assert_eq!(choice["message"]["content"], kept["reply"], "{message}");
        assert_eq!(products(more), products(&kept), "{message}");
        assert_eq!((&more["intent"], &more["source"]), (&kept["intent"], &json!("rules")));
        assert_ne!(more["session_id"], session, "it is another dialogue");
        talk.push(("assistant", "It matters what the shopper said, not what is put into the shop's mouth."));
    }
}

#[tokio::test]
async fn a_kept_dialogue_goes_on_by_its_name_for_its_user_alone() {
    let shop = shop().await;
    let first = shop.complete("ann", &[("user", "三千以内的手机")]).await;
    let session = &first["shoptide"]["session_id"];
    let body = |user: &str| {
        json!({"model": "shoptide", "user": user, "metadata": {"session_id": session},
            "messages": [{"role": "user", "content": "不要小米"}]})
    };
    let other = shop.call(Method::POST, COMPLETIONS, Some(body("bob"))).await;
    assert_eq!((other.status.as_u16(), other.json()["error"]["param"].clone()), (404, json!("metadata")));
    let second = shop.call(Method::POST, COMPLETIONS, Some(body("ann"))).await.json();
    assert_eq!(&second["shoptide"]["session_id"], session);
    let mut kept = products(&first["shoptide"]);
    kept.retain(|id| products(&second["shoptide"]).contains(id));
    assert!(!kept.is_empty(), "the price of before still holds");
}

#[tokio::test]
async fn what_was_done_in_a_talk_is_not_done_again() {
    let shop = shop().await;
    shop.complete("ann", &[("user", "我这个月预算5000元")]).await;
    let path = "/v1/users/ann/budget";
    assert_eq!(shop.get(path).await.json()["limit"], json!("5000.00"));
    assert_eq!(shop.call(Method::DELETE, path, None).await.status, 204);
    shop.complete("ann", &[("user", "我这个月预算5000元"), ("user", "三千以内的手机")]).await;
    assert_eq!(shop.get(path).await.status, 404);
}

#[tokio::test]
async fn its_pieces_are_events_and_its_errors_the_protocols() {
    let shop = shop().await;
    let mut body =
        json!({"model": "shoptide", "stream": true, "messages": [{"role": "user", "content": "手机"}]});
    let streamed = shop.call(Method::POST, COMPLETIONS, Some(body.clone())).await;
    let text = String::from_utf8(streamed.bytes.to_vec()).unwrap();
    assert!(text.contains("chat.completion.chunk") && text.trim_end().ends_with("data: [DONE]"), "{text}");
    // What fails before its first words has a status, as an answer in one piece.
    body["metadata"] = json!({"session_id": "0123456789abcdef0123456789abcdef"});
    let nobodys = shop.call(Method::POST, COMPLETIONS, Some(body.clone())).await;
    assert_eq!((nobodys.status.as_u16(), nobodys.json()["error"]["param"].clone()), (404, json!("metadata")));
    body.as_object_mut().unwrap().remove("metadata");
    body["model"] = json!("gpt-4");
    let unknown = shop.call(Method::POST, COMPLETIONS, Some(body.clone())).await;
    assert_eq!(unknown.json()["error"]["param"], json!("model"));
    body["model"] = json!("shoptide");
    body["messages"][0]["content"] = json!("é".repeat(2_001));
    assert_eq!(shop.call(Method::POST, COMPLETIONS, Some(body)).await.status, 400);
    assert_eq!(shop.get("/v1/models").await.json()["data"][0]["id"], "shoptide");
}
