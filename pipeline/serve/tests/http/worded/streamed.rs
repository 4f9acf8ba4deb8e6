//! Words as they come: over server-sent events, and over OpenAI's protocol.

use axum::body::Body;

use super::*;
use crate::chatting::products;
use crate::chatting::streamed::events;

async fn streamed(
    spoken: &Spoken,
    user: &str,
    replies: impl IntoIterator<Item = Reply>,
) -> Vec<(String, Value)> {
    spoken.fake.queue(replies);
    let answer = spoken.shop.say(json!({"user_id": user, "message": PHONES, "stream": true})).await;
    assert_eq!(answer.status, 200);
    events(std::str::from_utf8(&answer.bytes).unwrap())
}

fn words(events: &[(String, Value)]) -> Vec<&str> {
    events
        .iter()
        .filter(|(name, _)| name == "words")
        .map(|(_, data)| data["text"].as_str().unwrap())
        .collect()
}

#[tokio::test]
async fn first_the_products_then_sentences_as_they_stand() {
    let spoken = Spoken::new().await;
    let said = format!("{FLUENT}云帆 影像手机 1005售价9元。");
    let told = streamed(&spoken, "ann", [Reply::text(said)]).await;
    let names: Vec<&str> = told.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["answer", "products", "words", "words", "done"]);
    assert_eq!(told[0].1.get("source"), None, "nobody knows yet whose words it will be");
    let found: Vec<&str> =
        told[1].1.as_array().unwrap().iter().map(|p| p["item_id"].as_str().unwrap()).collect();
    assert_eq!(found, products(&by_rules(PHONES).await));
    assert_eq!(words(&told).concat(), FLUENT);
    let done = &told[4].1;
    assert_eq!((&done["reply"], &done["source"]), (&json!(FLUENT), &json!("model")));
    let path =
        format!("/v1/chat/sessions/{}/messages?user_id=ann", told[0].1["session_id"].as_str().unwrap());
    let kept = spoken.shop.get(&path).await.json();
    assert_eq!(
        (&kept["messages"][0]["answer"]["reply"], &kept["messages"][0]["answer"]["source"]),
        (&done["reply"], &done["source"])
    );
}

/// The first sentence is there while the model still writes the second.
#[tokio::test]
async fn words_leave_before_the_model_has_ended() {
    let timeout = Duration::from_secs(4);
    let spoken = Spoken::with(|options| options.timeout = timeout, |_| {}).await;
    let slow = Reply::Drip { text: FLUENT.into(), every: Duration::from_millis(60) };
    spoken.fake.queue([slow]);
    let body = json!({"user_id": "ann", "message": PHONES, "stream": true}).to_string();
    let request = axum::http::Request::post("/v1/chat").header("content-type", "application/json");
    let response =
        tower::ServiceExt::oneshot(spoken.shop.router.clone(), request.body(Body::from(body)).unwrap())
            .await
            .unwrap();
    let mut pieces = response.into_body().into_data_stream();
    let mut heard = String::new();
    while !heard.contains("event: words") {
        let piece = futures::StreamExt::next(&mut pieces).await.unwrap().unwrap();
        heard.push_str(std::str::from_utf8(&piece).unwrap());
    }
    assert!(heard.contains("event: products") && !heard.contains("event: done"), "{heard}");
}

#[tokio::test]
async fn a_reply_that_breaks_off_is_replaced_by_the_rules() {
    let spoken = Spoken::new().await;
    let rules = by_rules(PHONES).await;
    // Broken in its second sentence; and before its first one ended.
    for (user, pieces, sent) in [("ann", 14, "华为 Nova 12 256GB 粉色售价2599元，有货。"), ("bob", 4, "")]
    {
        let told = streamed(&spoken, user, [Reply::Cut { text: FLUENT.into(), pieces }]).await;
        let done = &told.last().unwrap().1;
        assert_eq!((&done["reply"], &done["source"]), (&rules["reply"], &json!("rules")), "{told:?}");
        let heard = words(&told).concat();
        if sent.is_empty() { assert_eq!(json!(heard), rules["reply"]) } else { assert_eq!(heard, sent) }
    }
}

#[tokio::test]
async fn a_conflict_at_the_end_is_an_event() {
    let spoken = Spoken::new().await;
    let first = spoken.answered("ann", PHONES, [Reply::text(FLUENT)]).await;
    let seen = spoken.fake.seen().len();
    spoken.fake.queue([Reply::Drip { text: FLUENT.into(), every: Duration::from_millis(20) }]);
    let body =
        json!({"user_id": "ann", "session_id": first["session_id"], "message": "还有NFC的", "stream": true});
    let meanwhile = async {
        while spoken.fake.seen().len() == seen {
            tokio::task::yield_now().await;
        }
        spoken.shop.turn("ann", &first["session_id"], "第一个我喜欢").await
    };
    let (slow, _) = tokio::join!(spoken.shop.say(body), meanwhile);
    let told = events(std::str::from_utf8(&slow.bytes).unwrap());
    let (name, error) = told.last().unwrap();
    assert_eq!((name.as_str(), &error["code"]), ("error", &json!("conflict")));
}

#[tokio::test]
async fn a_turn_whose_reader_left_is_kept() {
    let spoken = Spoken::new().await;
    let first = spoken.answered("ann", PHONES, [Reply::text(FLUENT)]).await;
    let seen = spoken.fake.seen().len();
    let said = "华为 Nova 12 256GB 粉色售价2599元，有货。华为 Nova 12 256GB 粉色有拍照。";
    spoken.fake.queue([Reply::Drip { text: said.into(), every: Duration::from_millis(20) }]);
    let body =
        json!({"user_id": "ann", "session_id": first["session_id"], "message": "还有NFC的", "stream": true})
            .to_string();
    let request = axum::http::Request::post("/v1/chat").header("content-type", "application/json");
    let response =
        tower::ServiceExt::oneshot(spoken.shop.router.clone(), request.body(Body::from(body)).unwrap())
            .await
            .unwrap();
    while spoken.fake.seen().len() == seen {
        tokio::task::yield_now().await;
    }
    drop(response);
    let path =
        format!("/v1/chat/sessions/{}/messages?user_id=ann&after=1", first["session_id"].as_str().unwrap());
    let until = tokio::time::Instant::now() + crate::chatting::PATIENCE;
    loop {
        let kept = spoken.shop.get(&path).await.json();
        if let Some(message) = kept["messages"].as_array().unwrap().first() {
            assert_eq!((&message["answer"]["source"], message["turn"].as_i64()), (&json!("rules"), Some(2)));
            break;
        }
        assert!(tokio::time::Instant::now() < until, "it was never kept");
        tokio::task::yield_now().await;
    }
    assert_eq!(spoken.record("ann", &first, 2).await["why"], "left");
}

#[tokio::test]
async fn the_same_words_over_openais_protocol() {
    let spoken = Spoken::new().await;
    let mut body =
        json!({"model": "shoptide", "user": "ann", "messages": [{"role": "user", "content": PHONES}]});
    let usage = shoptide_fake_model::Usage { prompt: 700, completion: 30 };
    spoken.fake.queue([Reply::Text { text: FLUENT.into(), usage }]);
    let path = "/v1/chat/completions";
    let whole = spoken.shop.call(axum::http::Method::POST, path, Some(body.clone())).await.json();
    assert_eq!(whole["choices"][0]["message"]["content"], FLUENT);
    assert_eq!(
        (&whole["usage"]["total_tokens"], &whole["shoptide"]["source"]),
        (&json!(730), &json!("model"))
    );
    body["stream"] = json!(true);
    let chunks = |text: &str| -> String {
        let data =
            text.lines().filter_map(|line| line.strip_prefix("data: ")).filter(|data| *data != "[DONE]");
        let chunk = |data: &str| {
            serde_json::from_str::<Value>(data).unwrap()["choices"][0]["delta"]["content"]
                .as_str()
                .map(str::to_owned)
        };
        data.filter_map(chunk).collect()
    };
    for (reply, expected) in [
        (Reply::text(FLUENT), json!(FLUENT)),
        (Reply::text("推荐 iPhone 17 Pro。"), by_rules(PHONES).await["reply"].clone()),
    ] {
        spoken.fake.queue([reply]);
        let streamed = spoken.shop.call(axum::http::Method::POST, path, Some(body.clone())).await;
        let text = String::from_utf8(streamed.bytes).unwrap();
        assert_eq!(json!(chunks(&text).trim()), expected, "{text}");
    }
}
