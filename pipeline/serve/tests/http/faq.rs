//! Questions to the shop, and who may write the answers.

use axum::body::Body;
use axum::http::{Method, Request};
use serde_json::{Value, json};
use shoptide_models::faq::example;
use shoptide_serve::ApiKey;
use shoptide_store::{FaqChange, FaqRow, Truth};

use crate::common::{Shop, encoded};

fn entry() -> Value {
    json!({"category": "lamps", "tags": ["bulb"], "questions": {"zh": ["台灯怎么换灯泡？"], "en": ["How do I change the bulb?"]},
        "answers": {"zh": "拧开即可。", "en": "Unscrew it."}})
}

impl Shop {
    /// The example's entries, as an import beside the process puts them.
    pub async fn with_example_faq() -> Self {
        let shop = Self::new().await;
        let put =
            example().unwrap().iter().map(|e| FaqRow { id: e.id.clone(), data: e.to_bytes() }).collect();
        shop.truth.change_faq(FaqChange { put, entries_max: 100, ..FaqChange::default() }).await.unwrap();
        shop.live.refresh_faq(&*shop.truth).await.unwrap();
        shop
    }

    async fn ask(&self, question: &str) -> Value {
        let answer = self.get(&format!("/v1/faq?q={}", encoded(question))).await;
        assert_eq!(answer.status, 200, "{}", answer.json());
        answer.json()
    }
}

#[tokio::test]
async fn the_shop_answers_in_the_askers_language_or_says_that_it_does_not_know() {
    let shop = Shop::with_example_faq().await;
    for (question, id, language) in [
        ("运费多少钱", "delivery-fee", "zh"),
        ("How much is postage?", "delivery-fee", "en"),
        ("忘记密码", "account-password", "zh"),
    ] {
        let answer = shop.ask(question).await;
        assert_eq!((&answer["known"], &answer["language"]), (&json!(true), &json!(language)), "{answer}");
        let best = &answer["answers"][0];
        assert_eq!((&best["id"], &best["language"]), (&json!(id), &json!(language)), "{answer}");
        assert!(answer.get("message").is_none());
    }
    for question in ["what is the capital of France", "今天天气怎么样"] {
        let answer = shop.ask(question).await;
        assert_eq!((&answer["known"], &answer["answers"]), (&json!(false), &json!([])), "{answer}");
        let says = answer["message"].as_str().unwrap();
        assert!(says.contains("customer service") || says.contains("客服"), "{answer}");
    }
}

#[tokio::test]
async fn questions_are_text_and_bounded() {
    let shop = Shop::with_example_faq().await;
    for question in
        ["😀🎉👍🏽", "title:\"x\" AND (y OR *) [1 TO 2]~ -z +退", "\u{202e}\u{200f}؟", "'; DROP TABLE faq; --"]
    {
        shop.ask(question).await;
    }
    // A whole paste: refused by its length, whatever it says.
    let pasted = format!("/v1/faq?q={}", "a".repeat(100 * 1024));
    let request = Request::get(pasted).body(Body::empty());
    assert!(request.is_err() || shop.send(request.unwrap()).await.error() == (400, "too_long".to_owned()));
    let long = format!("/v1/faq?q={}", "a".repeat(2_001));
    for (path, code) in [
        ("/v1/faq", "missing"),
        ("/v1/faq?q=", "blank"),
        ("/v1/faq?q=%20", "blank"),
        ("/v1/faq?q=%ff", "bad_value"),
        ("/v1/faq?q=a&q=b", "duplicate_field"),
        ("/v1/faq?q=a&n=0", "out_of_range"),
        ("/v1/faq?q=a&n=11", "out_of_range"),
        ("/v1/faq?question=a", "unknown_field"),
        (long.as_str(), "too_long"),
    ] {
        assert_eq!(shop.get(path).await.error(), (400, code.to_owned()), "{path:.60}");
    }
    assert_eq!(shop.ask(&"a".repeat(2_000)).await["known"], false);
}

#[tokio::test]
async fn entries_are_written_listed_and_removed() {
    let shop = Shop::new().await;
    assert_eq!(shop.ask("换灯泡").await["known"], false);
    for id in ["b", "a", "ü/?#"] {
        let mut entry = entry();
        entry["questions"]["en"] = json!([format!("How do I change the bulb of {id}?")]);
        let path = format!("/v1/faq/entries/{}", encoded(id));
        let put = shop.call(Method::PUT, &path, Some(entry)).await;
        assert_eq!((put.status.as_u16(), &put.json()["id"]), (200, &json!(id)), "{}", put.json());
    }
    let page = shop.get("/v1/faq/entries?n=2").await.json();
    assert_eq!((&page["total"], &page["next"]), (&json!(3), &json!("b")), "{page}");
    let rest = shop.get("/v1/faq/entries?n=2&after=b").await.json();
    assert_eq!((&rest["entries"][0]["id"], rest.get("next")), (&json!("ü/?#"), None), "{rest}");
    assert_eq!(shop.ask("台灯换灯泡").await["answers"][0]["answer"], "拧开即可。");
    for id in ["a", "b", "ü/?#", "nothing"] {
        let path = format!("/v1/faq/entries/{}", encoded(id));
        assert_eq!(shop.call(Method::DELETE, &path, None).await.status, 204);
    }
    assert_eq!(shop.get("/v1/faq/entries").await.json()["total"], 0);
    assert_eq!(shop.ask("换灯泡").await["known"], false);
}

#[tokio::test]
async fn what_is_no_entry_is_refused() {
    let shop = Shop::new().await;
    let put = async |id: &str, change: &dyn Fn(&mut Value)| {
        let mut body = entry();
        change(&mut body);
        let answer = shop.call(Method::PUT, &format!("/v1/faq/entries/{id}"), Some(body)).await;
        answer.error()
    };
    for (id, change, code) in [
        ("a", (&|e: &mut Value| e["id"] = json!("b")) as &dyn Fn(&mut Value), "bad_value"),
        ("%20", &|_| {}, "blank"),
        ("a", &|e| e["answers"] = json!({"zh": "好"}), "missing"),
        ("a", &|e| e["questions"] = json!({}), "missing"),
        ("a", &|e| e["questions"]["fr"] = json!(["quoi"]), "unknown_field"),
        ("a", &|e| e["questions"]["en"] = json!(["x".repeat(100 * 1024)]), "too_long"),
        ("a", &|e| e["answer"] = json!("x"), "unknown_field"),
    ] {
        assert_eq!(put(id, change).await, (422, code.to_owned()));
    }
    let long = "a".repeat(65);
    assert_eq!(put(&long, &|_| {}).await, (422, "too_long".to_owned()));
    assert_eq!(shop.get("/v1/faq/entries").await.json()["total"], 0);
}

#[tokio::test]
async fn only_writers_see_and_change_entries() {
    let shop = Shop::with(|options| {
        options.read_key = Some(ApiKey::new("r".repeat(20)));
        options.write_key = Some(ApiKey::new("w".repeat(20)));
    })
    .await;
    let status = async |method: Method, path: &str, key: &str| {
        let request = Request::builder().method(method).uri(path).header("x-api-key", key.repeat(20));
        let request =
            request.header("content-type", "application/json").body(Body::from(entry().to_string()));
        shop.send(request.unwrap()).await.status.as_u16()
    };
    for (method, path) in [
        (Method::GET, "/v1/faq/entries"),
        (Method::PUT, "/v1/faq/entries/a"),
        (Method::DELETE, "/v1/faq/entries/a"),
    ] {
        assert_eq!(status(method.clone(), path, "r").await, 401, "{method} {path}");
        assert!([200, 204].contains(&status(method.clone(), path, "w").await), "{method} {path}");
    }
    assert_eq!(status(Method::GET, "/v1/faq?q=a", "r").await, 200);
    assert_eq!(status(Method::GET, "/v1/faq?q=a", "x").await, 401);
}
