//! Questions that the shop has answered itself, asked in a dialogue.

use super::*;

#[tokio::test]
async fn what_the_shop_has_answered_is_said_in_the_askers_language() {
    let shop = Shop::with_example_faq().await;
    shop.stock(Value::Array(rows())).await;
    shop.words_are_known().await;
    let answers = shop.get("/v1/faq/entries?n=100").await.json();
    let entry = |id: &str| {
        let entries = answers["entries"].as_array().unwrap();
        entries.iter().find(|entry| entry["id"] == id).unwrap()["answers"].clone()
    };
    for (message, id, language) in
        [("运费多少钱", "delivery-fee", "zh"), ("How much is shipping?", "delivery-fee", "en")]
    {
        let answer = shop.turn("ann", &Value::Null, message).await;
        assert_eq!(answer["intent"], "order_or_service", "{message}");
        assert_eq!(answer["reply"], entry(id)[language], "{message}");
        assert_eq!(answer["products"], json!([]));
    }
}

#[tokio::test]
async fn what_it_has_not_answered_is_not_made_up() {
    let shop = Shop::with_example_faq().await;
    shop.stock(Value::Array(rows())).await;
    shop.words_are_known().await;
    let known = shop.get("/v1/faq/entries?n=100").await.json();
    let answer = shop.turn("ann", &Value::Null, "Can customer service teach me to invest in bonds?").await;
    let reply = answer["reply"].as_str().unwrap();
    for entry in known["entries"].as_array().unwrap() {
        assert!(!reply.contains(entry["answers"]["en"].as_str().unwrap()), "{reply}");
    }
}

#[tokio::test]
async fn an_answer_is_text_whatever_it_holds() {
    let shop = shop().await;
    let entry = json!({"category": "delivery", "questions": {"en": ["How much is shipping?"]},
        "answers": {"en": "Free.\u{202e}\u{0007} Always."}});
    assert_eq!(shop.call(Method::PUT, "/v1/faq/entries/x", Some(entry)).await.status, 200);
    let answer = shop.turn("ann", &Value::Null, "How much is shipping?").await;
    assert_eq!(answer["reply"], "Free.  Always.");
}
