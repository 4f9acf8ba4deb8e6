//! Ids that look alike stay different, through every endpoint.

use axum::http::{Method, header};
use serde_json::json;
use shoptide_schemas::Topic;

use crate::common::{Shop, encoded, ids, view};

/// Case, accents (composed and not), white space, leading zeros, separators, emoji, a direction mark, a NUL.
const ALIKE: [&str; 20] = [
    "User1",
    "user1",
    "üser1",
    "u\u{308}ser1",
    "user1 ",
    " user1",
    "1",
    "01",
    "1.0",
    "a/b",
    "a%2Fb",
    "a b",
    "a+b",
    "a?b",
    "a#b",
    "🛍",
    "\u{202e}1resu",
    "user1\u{0}",
    "..",
    "a,b",
];

#[tokio::test]
async fn items_stay_apart() {
    let shop = Shop::new().await;
    for (place, id) in ALIKE.iter().enumerate() {
        let body = json!({"title": format!("title {place}"), "stock": place + 1});
        let answer = shop.call(Method::PUT, &format!("/v1/items/{}", encoded(id)), Some(body)).await;
        assert_eq!(answer.status, 202, "{id:?} {}", answer.json());
    }
    shop.catalogue_is_live().await;
    assert_eq!(shop.live.catalogue().len() as usize, ALIKE.len());
    for (place, id) in ALIKE.iter().enumerate() {
        let item = shop.get(&format!("/v1/items/{}", encoded(id))).await.json();
        assert_eq!((&item["item_id"], &item["title"]), (&json!(id), &json!(format!("title {place}"))));
    }
    // Exactly the excluded one is missing.
    for id in ALIKE {
        let path = format!("/v1/users/nobody/recommendations?n=20&exclude={}", encoded(id));
        let shown = ids(&shop.get(&path).await.json());
        assert_eq!(shown.len(), ALIKE.len() - 1, "{id:?}");
        assert!(!shown.iter().any(|i| i == id), "{id:?}");
    }
}

#[tokio::test]
async fn users_stay_apart() {
    let shop = Shop::new().await;
    shop.stock_twelve().await;
    for (place, id) in ALIKE.iter().enumerate() {
        shop.know(id, &[view("e", id, "T1")], &[["T1", "T2", "T3", "T4", "T5", "T6"][place % 6]]).await;
        let budget = json!({"month": format!("{}.00", place + 1000)});
        let answer = shop.call(Method::PUT, &format!("/v1/users/{}/budget", encoded(id)), Some(budget)).await;
        assert_eq!(answer.status, 200, "{id:?}");
    }
    let shown =
        shop.call(Method::POST, "/v1/recommendations", Some(json!({"user_ids": ALIKE, "n": 1}))).await.json();
    for (place, id) in ALIKE.iter().enumerate() {
        let item = ["T1", "T2", "T3", "T4", "T5", "T6"][place % 6];
        let path = |what: &str| format!("/v1/users/{}/{what}", encoded(id));
        let list = shop.get(&path("recommendations?n=1")).await.json();
        assert_eq!((&list["user_id"], &list["made_from"]), (&json!(id), &json!("personal")));
        assert_eq!(ids(&list), [item], "{id:?}");
        assert_eq!(shown["answers"][place], list);
        let budget = shop.get(&path("budget")).await.json();
        assert_eq!(budget["limit"], format!("{}.00", place + 1000), "{id:?}");
        let profile = shop.get(&path("profile")).await.json();
        assert_eq!((&profile["user_id"], &profile["counts"]), (&json!(id), &json!({"view_item": 1})));
        let legacy =
            shop.call(Method::POST, "/recommend", Some(json!({"user_id": id, "top_n": 1}))).await.json();
        assert_eq!(legacy["user_id"], json!(id));
    }
    let mut names: Vec<String> = ALIKE.iter().map(|id| (*id).to_owned()).collect();
    let users = shop.get("/users").await.json();
    let mut listed: Vec<String> = serde_json::from_value(users["users"].clone()).unwrap();
    listed.sort();
    names.sort();
    assert_eq!((listed, &users["total"]), (names, &json!(ALIKE.len())));
    // Erasing one writes under its key alone.
    for id in ALIKE {
        assert_eq!(shop.call(Method::DELETE, &format!("/v1/users/{}", encoded(id)), None).await.status, 202);
    }
    let records = shop.records(Topic::Cart).await;
    for id in ALIKE {
        let mine = records.iter().filter(|r| r.key.as_deref() == Some(id.as_bytes()));
        assert_eq!(mine.count(), 1, "{id:?}");
    }
}

#[tokio::test]
async fn events_of_ids_that_look_alike_lie_under_different_keys() {
    let shop = Shop::new().await;
    let batch: Vec<_> = ALIKE.iter().map(|id| view(id, id, id)).collect();
    assert_eq!(shop.post("/v1/events", json!(batch).to_string()).await.json()["accepted"], ALIKE.len());
    let records = shop.records(Topic::Browse).await;
    for id in ALIKE {
        let mine: Vec<_> = records.iter().filter(|r| r.key.as_deref() == Some(id.as_bytes())).collect();
        assert_eq!((mine.len(), mine[0].partition), (1, shop.shard(id)), "{id:?}");
    }
}

#[tokio::test]
async fn ids_of_a_path_have_bounds() {
    let shop = Shop::new().await;
    let long = "x".repeat(129);
    for (id, code) in [
        ("", "blank"),
        ("%20", "blank"),
        ("%E3%80%80", "blank"),
        (long.as_str(), "too_long"),
        ("%FF", "bad_value"),
    ] {
        for (method, path) in [
            (Method::GET, format!("/v1/users/{id}/recommendations")),
            (Method::GET, format!("/v1/users/{id}/profile")),
            (Method::GET, format!("/v1/users/{id}/budget")),
            (Method::DELETE, format!("/v1/users/{id}/budget")),
            (Method::DELETE, format!("/v1/users/{id}")),
            (Method::GET, format!("/v1/items/{id}")),
            (Method::GET, format!("/v1/items/{id}/similar")),
            (Method::DELETE, format!("/v1/items/{id}")),
        ] {
            let answer = shop.call(method.clone(), &path, None).await;
            if path.ends_with('/') {
                // Without an id there is no such path.
                assert_eq!(answer.error(), (404, "not_found".to_owned()), "{method} {path}");
                continue;
            }
            assert_eq!(answer.error(), (400, code.to_owned()), "{method} {path}");
        }
    }
    let longest = "é".repeat(64);
    assert_eq!(shop.get(&format!("/v1/users/{}/recommendations", encoded(&longest))).await.status, 200);
    assert_eq!(shop.logged().await, 0);
    let answer = shop.get("/v1/users/u1/recommendations").await;
    assert_eq!(answer.headers[header::CONTENT_TYPE], "application/json");
}
