//! A store that falls silent: nobody waits long, nothing piles up, budgets hold, and the erased stay erased.

use std::time::{Duration, Instant};

use axum::http::Method;
use futures::future::join_all;
use serde_json::{Value, json};
use shoptide_schemas::UserId;
use shoptide_store::Cache;

use crate::common::{NOW_MS, Shop, ids, view};
use crate::stalling::StallingTruth;

const LIST: &str = "/v1/users/u1/recommendations?n=12";

/// Waits until as many questions are under way.
async fn questions(truth: &StallingTruth, wanted: impl Fn(usize) -> bool) {
    let reached = async {
        while !wanted(truth.waiting()) {
            tokio::task::yield_now().await;
        }
    };
    let waited = tokio::time::timeout(Duration::from_secs(10), reached).await;
    waited.unwrap_or_else(|_| panic!("{} questions are under way", truth.waiting()));
}

#[tokio::test]
async fn reads_that_nobody_waits_for_are_withdrawn() {
    let mut shop = Shop::with(|options| options.request_timeout = Duration::from_millis(200)).await;
    let truth = StallingTruth::before(&mut shop);
    shop.stock_twelve().await;
    truth.silence(true);
    let paths: Vec<String> = (0..40).map(|n| format!("/v1/users/u{n}/profile")).collect();
    let answers = join_all(paths.iter().map(|path| shop.get(path))).await;
    assert!(answers.iter().all(|a| a.error() == (503, "unavailable".to_owned())));
    assert_eq!(shop.get("/ready").await.error(), (503, "unavailable".to_owned()));
    questions(&truth, |waiting| waiting == 0).await;
    // Lists are answered all the same; what still fills the cache has a bound of its own.
    let lists = join_all((0..40).map(|n| {
        let shop = &shop;
        async move { shop.get(&format!("/v1/users/u{n}/recommendations?n=3")).await }
    }));
    for list in lists.await {
        assert_eq!((list.status.as_u16(), ids(&list.json()).len()), (200, 3));
    }
    questions(&truth, |waiting| waiting == 0).await;
}

#[tokio::test]
async fn questions_are_bounded_and_one_more_is_refused_at_once() {
    const BOUND: usize = 512;
    let mut shop = Shop::with(|options| options.request_timeout = Duration::from_secs(60)).await;
    let truth = StallingTruth::before(&mut shop);
    shop.stock_twelve().await;
    truth.silence(true);
    let router = shop.router.clone();
    let ask = move |n: usize| {
        let request = axum::http::Request::get(format!("/v1/users/u{n}/profile"));
        let request = request.body(axum::body::Body::empty()).unwrap();
        tokio::spawn(tower::ServiceExt::oneshot(router.clone(), request))
    };
    let waiting: Vec<_> = (0..BOUND).map(&ask).collect();
    questions(&truth, |waiting| waiting == BOUND).await;
    let refused = shop.get("/v1/users/u/profile").await;
    assert_eq!(refused.error(), (503, "overloaded".to_owned()));
    assert_eq!(
        (refused.json()["field"].as_str(), refused.headers.contains_key("retry-after")),
        (Some("store"), true)
    );
    assert_eq!(ids(&shop.get("/v1/users/u/recommendations?n=3").await.json()).len(), 3);
    assert_eq!(truth.waiting(), BOUND);
    // Clients who hang up take their questions with them.
    waiting.iter().for_each(|task| task.abort());
    questions(&truth, |waiting| waiting == 0).await;
    truth.silence(false);
    assert_eq!(shop.get("/v1/users/u/profile").await.error(), (404, "not_found".to_owned()));
}

#[tokio::test]
async fn a_write_that_takes_long_still_happens() {
    let mut shop = Shop::with(|options| options.request_timeout = Duration::from_millis(50)).await;
    let truth = StallingTruth::before(&mut shop);
    truth.silence(true);
    let body = Some(json!({"month": "150.00", "currency": "CNY"}));
    assert_eq!(shop.call(Method::PUT, "/v1/users/u1/budget", body).await.status, 503);
    questions(&truth, |waiting| waiting == 1).await;
    truth.silence(false);
    questions(&truth, |waiting| waiting == 0).await;
    assert_eq!(shop.get("/v1/users/u1/budget").await.json()["limit"], "150.00");
}

fn dearest(list: &Value) -> f64 {
    let prices = list["items"].as_array().unwrap().iter();
    prices.map(|item| item["price"].as_str().unwrap().parse::<f64>().unwrap()).fold(0.0, f64::max)
}

#[tokio::test]
async fn a_budget_holds_while_the_store_is_silent() {
    let mut shop = Shop::with(|options| options.request_timeout = Duration::from_secs(2)).await;
    let truth = StallingTruth::before(&mut shop);
    shop.stock_twelve().await;
    let bought = json!({"event_id": "b", "type": "purchase", "user_id": "u1", "item_id": "F6", "price": "100.00",
        "currency": "CNY", "occurred_at": NOW_MS});
    shop.know("u1", &[view("e", "u1", "T1"), bought], &["T1", "T4", "T5"]).await;
    let budget = |month: &str| Some(json!({"month": month, "currency": "CNY"}));
    assert_eq!(shop.call(Method::PUT, "/v1/users/u1/budget", budget("350.00")).await.status, 200);
    let before = shop.get(LIST).await.json();
    assert_eq!((dearest(&before), before.get("budget")), (200.0, None), "100 of 350 are spent");

    truth.silence(true);
    let began = Instant::now();
    // Of a user nobody has asked for, nothing is known: he gets a list, and it says so.
    let stranger = shop.get("/v1/users/u2/recommendations?n=3").await.json();
    assert_eq!((ids(&stranger).len(), &stranger["budget"]), (3, &json!("unknown")));
    assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
    let during = shop.get(LIST).await.json();
    assert_eq!((dearest(&during), &during["budget"]), (200.0, &json!("last_known")), "{during}");
    // A change whose outcome is unknown makes the old budget doubtful, but no budget at all would be worse.
    assert_eq!(shop.call(Method::PUT, "/v1/users/u1/budget", budget("9000.00")).await.status, 503);
    let during = shop.get(LIST).await.json();
    assert_eq!((dearest(&during), &during["budget"]), (200.0, &json!("last_known")), "{during}");
    // The list itself is gone from the cache as well: what fills it up keeps within the budget.
    shop.cache.clear().await.unwrap();
    let during = shop.get(LIST).await.json();
    assert_eq!((dearest(&during), &during["made_from"]), (200.0, &json!("fallback")), "{during}");

    truth.silence(false);
    assert_eq!(shop.call(Method::PUT, "/v1/users/u1/budget", budget("250.00")).await.status, 200);
    truth.silence(true);
    assert_eq!(dearest(&shop.get(LIST).await.json()), 100.0, "a budget set here holds at once");
    truth.silence(false);
    assert_eq!(shop.call(Method::DELETE, "/v1/users/u1/budget", None).await.status, 204);
    let free = shop.get(LIST).await.json();
    assert_eq!((dearest(&free), free.get("budget")), (600.0, None));
}

#[tokio::test]
async fn a_reader_who_began_before_an_erasure_does_not_undo_it() {
    let mut shop = Shop::new().await;
    let truth = StallingTruth::before(&mut shop);
    shop.stock_twelve().await;
    shop.know("u1", &[view("e", "u1", "T1")], &["T3", "T1"]).await;
    truth.silence(true);
    let router = shop.router.clone();
    let request = axum::http::Request::get(LIST).body(axum::body::Body::empty()).unwrap();
    let reader = tokio::spawn(tower::ServiceExt::oneshot(router, request));
    questions(&truth, |waiting| waiting == 1).await;
    // The stream has folded the erasure and tells the cache; then the old row reaches the reader.
    let user = UserId::parse("u1").unwrap();
    shop.cache.remove(shop.shard("u1"), &user).await.unwrap();
    truth.silence(false);
    assert_eq!(reader.await.unwrap().unwrap().status(), 200);
    questions(&truth, |waiting| waiting == 0).await;
    assert_eq!(shop.cache.get(shop.shard("u1"), &user).await.unwrap(), None);
}

#[tokio::test]
async fn a_shard_that_has_stopped_is_named() {
    let shop = Shop::new().await;
    assert_eq!(shop.get("/ready").await.status, 200);
    shop.live.note_shard(3, false);
    let ready = shop.get("/ready").await;
    assert_eq!(ready.error(), (503, "unavailable".to_owned()));
    let said = ready.json();
    assert_eq!((&said["field"], &said["checks"]["store"]), (&json!("shards"), &json!("ok")));
    assert_eq!(said["message"], "shard 3 has stopped on an error");
    shop.live.note_shard(1, false);
    assert_eq!(shop.get("/ready").await.json()["message"], "shards 1, 3 have stopped on an error");
    shop.live.note_shard(1, true);
    shop.live.note_shard(3, true);
    assert_eq!(shop.get("/ready").await.status, 200);
}
