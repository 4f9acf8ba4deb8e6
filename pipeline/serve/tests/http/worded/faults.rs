//! Whatever goes wrong with the model, a shopper gets the rules' words, and the row says why.

use std::time::Instant;

use super::*;

#[tokio::test]
async fn each_fault_is_the_rules_words() {
    let rules = by_rules(PHONES).await;
    let body = |content_type, body: &str| Reply::Body { content_type, body: body.to_owned() };
    for (replies, why) in [
        (vec![Reply::Status { status: 429, retry_after: Some(60) }], "rate_limited"),
        (vec![Reply::status(500), Reply::status(503)], "failed"),
        (vec![Reply::status(401)], "rejected"),
        (vec![body("application/json", "{\"choices\": [{")], "broken"),
        (vec![Reply::BrokenEvent { text: FLUENT.into() }], "broken"),
        (vec![Reply::Cut { text: FLUENT.into(), pieces: 12 }], "cut"),
        (vec![Reply::Refusal("I cannot help with that.".into())], "declined"),
        (vec![Reply::Filtered], "declined"),
        (vec![Reply::Huge(8 << 20)], "too_large"),
    ] {
        let spoken = Spoken::new().await;
        let answer = spoken.answered("ann", PHONES, replies.clone()).await;
        assert_eq!(
            (&answer["source"], &answer["reply"]),
            (&json!("rules"), &rules["reply"]),
            "{why}: {replies:?}"
        );
        assert_eq!(answer["products"].as_array().map(Vec::len), rules["products"].as_array().map(Vec::len));
        let record = spoken.record("ann", &answer, 1).await;
        assert_eq!((&record["why"], &record["prompt"]), (&json!(why), &json!("reply.v1")), "{replies:?}");
        let metrics = String::from_utf8(spoken.shop.get("/metrics").await.bytes).unwrap();
        let line = format!("shoptide_assistant_turns_total{{outcome=\"{why}\"}} 1");
        assert!(metrics.contains(&line), "{line} is missing");
    }
}

#[tokio::test]
async fn a_provider_that_nobody_runs_is_the_rules_words() {
    let rules = by_rules(PHONES).await;
    // A port that was free a moment ago and is taken by nobody.
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let base_url = format!("http://{}/v1", free.local_addr().unwrap());
    drop(free);
    let spoken = Spoken::with(|options| options.base_url = base_url, |_| {}).await;
    let answer = spoken.shop.turn("ann", &Value::Null, PHONES).await;
    assert_eq!((&answer["source"], &answer["reply"]), (&json!("rules"), &rules["reply"]));
    assert_eq!(spoken.record("ann", &answer, 1).await["why"], "unreachable");
}

#[tokio::test]
async fn a_spent_budget_is_the_rules_words_for_him_who_spent_it() {
    let spoken =
        Spoken::deciding(|_| Reply::text(FLUENT), |options| options.user_tokens_max = 30_000, |_| {}).await;
    let usage = shoptide_fake_model::Usage { prompt: 29_000, completion: 900 };
    let first = spoken.answered("ann", PHONES, [Reply::Text { text: FLUENT.into(), usage }]).await;
    assert_eq!(first["source"], "model");
    let asked = spoken.fake.seen().len();
    let second = spoken.shop.turn("ann", &first["session_id"], PHONES).await;
    assert_eq!(second["source"], "rules");
    assert_eq!(spoken.record("ann", &first, 2).await["why"], "spent");
    assert_eq!(spoken.fake.seen().len(), asked, "what is spent is not asked");
    assert_eq!(spoken.shop.turn("bob", &Value::Null, PHONES).await["source"], "model");
}

/// Who names no user begins as many dialogues as he likes: all of them together have one bound.
#[tokio::test]
async fn visitors_spend_what_is_theirs_and_no_users() {
    let spoken =
        Spoken::deciding(|_| Reply::text(FLUENT), |options| options.visitors_tokens_max = 30_000, |_| {})
            .await;
    let visit = async || spoken.shop.say(json!({"message": PHONES})).await.json();
    let usage = shoptide_fake_model::Usage { prompt: 29_000, completion: 900 };
    spoken.fake.queue([Reply::Text { text: FLUENT.into(), usage }]);
    assert_eq!(visit().await["source"], "model");
    let asked = spoken.fake.seen().len();
    for _ in 0..3 {
        assert_eq!(visit().await["source"], "rules");
    }
    assert_eq!(spoken.fake.seen().len(), asked, "what is spent is not asked");
    assert_eq!(spoken.shop.turn("ann", &Value::Null, PHONES).await["source"], "model");
}

#[tokio::test]
async fn a_model_that_fails_in_a_row_is_left_alone() {
    let spoken = Spoken::deciding(
        |_| Reply::status(500),
        |options| (options.failures_max, options.retries_max) = (2, 0),
        |_| {},
    )
    .await;
    let mut whys = Vec::new();
    for user in ["a", "b", "c"] {
        let answer = spoken.shop.turn(user, &Value::Null, PHONES).await;
        whys.push(spoken.record(user, &answer, 1).await["why"].clone());
    }
    assert_eq!(whys, ["failed", "failed", "resting"]);
    assert_eq!(spoken.fake.seen().len(), 2);
}

/// The turn's own time, whatever the patience of the API is: that is for everything else.
#[tokio::test]
async fn a_model_that_stalls_for_a_minute_is_waited_for_no_longer_than_configured() {
    let timeout = Duration::from_millis(2_500);
    let spoken = Spoken::deciding(
        |_| Reply::Stall(Duration::from_secs(60)),
        |options| options.timeout = timeout,
        |serve| {
            (serve.request_timeout, serve.body_timeout) = (Duration::from_secs(2), Duration::from_millis(100))
        },
    )
    .await;
    let rules = by_rules(PHONES).await;
    let began = Instant::now();
    let answer = spoken.shop.turn("ann", &Value::Null, PHONES).await;
    let took = began.elapsed();
    assert_eq!((&answer["source"], &answer["reply"]), (&json!("rules"), &rules["reply"]));
    assert!(timeout <= took && took < timeout + Duration::from_secs(3), "{took:?}");
    assert_eq!(spoken.record("ann", &answer, 1).await["why"], "timed_out");
}
