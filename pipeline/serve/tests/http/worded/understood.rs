//! A message that the rules are unsure of is read again.

use super::*;
use crate::chatting::products;

const ODD: &str = "给我来个能把演唱会拍清楚而且揣兜里不碍事的玩意儿，三千以内，不要苹果";

fn reading(intent: &str, category: Option<&str>, features: &[&str], brands: &[&str]) -> Reply {
    Reply::json(
        &json!({"intent": intent, "category": category, "brands": brands, "brands_excluded": [], "features": features,
        "features_excluded": [], "for_whom": [], "occasions": [], "sort": null}),
    )
}

#[tokio::test]
async fn an_odd_message_finds_products_once_the_model_has_read_it() {
    let spoken = Spoken::new().await;
    let rules = by_rules(ODD).await;
    let replies = [reading("find", Some("smartphone"), &["good camera"], &[]), Reply::text(FLUENT)];
    let answer = spoken.answered("ann", ODD, replies).await;
    let mut found = products(&answer);
    found.sort();
    assert_eq!(found, ["P06", "P09"], "{answer}");
    assert_ne!(found, products(&rules), "the rules alone would have found them");
    let seen = spoken.fake.seen();
    assert_eq!(seen.iter().filter(|s| is_reading(&s.body)).count(), 1);
    let record = spoken.record("ann", &answer, 1).await;
    assert_eq!(record["requests"], seen.len());
    // What was read is remembered: the dialogue goes on from it.
    let next = spoken.shop.turn("ann", &answer["session_id"], "还要有NFC").await;
    assert_eq!(products(&next), ["P06"]);
}

#[tokio::test]
async fn the_rules_win_on_numbers_and_exclusions_and_decide_what_is_done() {
    let spoken = Spoken::new().await;
    // It wants what the shopper excluded, and something done.
    let replies = [reading("find", Some("smartphone"), &[], &["Apple"]), Reply::text("?")];
    let answer = spoken.answered("ann", ODD, replies).await;
    assert!(!products(&answer).is_empty());
    for product in answer["products"].as_array().unwrap() {
        assert_ne!(product["brand"], "Apple");
        assert!(product["price"].as_str().unwrap().parse::<f64>().unwrap() <= 3_000.0);
    }
    for intent in ["budget", "feedback", "erase"] {
        let answer = spoken.answered("bob", ODD, [reading(intent, None, &[], &[]), Reply::text("?")]).await;
        assert!(!["budget", "feedback"].contains(&answer["intent"].as_str().unwrap()), "{answer}");
    }
    assert_eq!(spoken.shop.get("/v1/users/bob/budget").await.status, 404);
}

#[tokio::test]
async fn a_reading_that_fails_leaves_what_the_rules_read() {
    let rules = by_rules(ODD).await;
    for reply in [Reply::status(400), Reply::text("find a phone"), Reply::Refusal("no".into())] {
        let spoken = Spoken::new().await;
        let answer = spoken.answered("ann", ODD, [reply.clone()]).await;
        assert_eq!((&answer["reply"], &answer["source"]), (&rules["reply"], &json!("rules")), "{reply:?}");
        assert_eq!(spoken.fake.seen().len(), 1, "the same turn asks no more of it");
        let record = spoken.record("ann", &answer, 1).await;
        assert_eq!(record["prompt"], "understand.v1");
    }
}

#[tokio::test]
async fn a_message_that_is_understood_is_not_read_again() {
    let spoken = Spoken::new().await;
    spoken.answered("ann", PHONES, [Reply::text(FLUENT)]).await;
    assert!(spoken.fake.seen().iter().all(|seen| !is_reading(&seen.body)));
}
