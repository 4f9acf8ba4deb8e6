//! Between what is a user's own and what is everybody's: what his segment likes.

use std::sync::Arc;

use serde_json::{Value, json};
use shoptide_models::segments::{ServedSegment, ServedSegments};
use shoptide_schemas::UserId;
use shoptide_store::{PublishSegments, SegmentRow, SegmentRunRow, Truth};

use crate::common::{NOW_MS, Shop, ids, view};
use crate::reading::publish_model_with;

/// Who likes fashion likes `T4`, then `T2`; who likes technology `T3`.
fn segments() -> Arc<ServedSegments> {
    let segment = |id, name: &str, terms: &[&str], popular: &[(u32, u32)]| ServedSegment {
        id,
        name: name.to_owned(),
        terms: terms.iter().map(|term| ((*term).to_owned(), 500_000)).collect(),
        popular: popular.to_vec(),
    };
    let fashion = segment(4, "fashion", &["cfashion", "wdress"], &[(3, 1_000_000), (1, 250_000)]);
    let technology = segment(0, "technology", &["ctechnology"], &[(2, 1_000_000)]);
    Arc::new(ServedSegments { run: 9, segments: vec![technology, fashion] })
}

fn column<'a>(answer: &'a Value, name: &str) -> Vec<&'a str> {
    answer["items"].as_array().unwrap().iter().map(|i| i[name].as_str().unwrap()).collect()
}

#[tokio::test]
async fn who_has_no_list_gets_what_his_segment_likes_and_is_told_so() {
    let shop = Shop::new().await;
    shop.stock_twelve().await;
    publish_model_with(&shop, segments());
    let search = json!({"event_id": "s", "type": "search", "user_id": "asks", "query": "summer dresses", "occurred_at": NOW_MS});
    shop.know("looks", &[view("e", "looks", "F1")], &[]).await;
    shop.know("asks", &[search], &[]).await;
    for user in ["looks", "asks"] {
        let list = shop.get(&format!("/v1/users/{user}/recommendations?n=4&explain=true")).await.json();
        assert_eq!((&list["made_from"], &list["model_version"]), (&json!("segment"), &json!(1)), "{list}");
        assert_eq!(ids(&list)[..2], ["T4", "T2"]);
        assert_eq!(column(&list, "source")[..2], ["segment", "segment"]);
        assert_ne!(column(&list, "source")[2], "segment", "the rest is everybody's");
        let reason = &list["items"][0]["reason"];
        assert_eq!(reason["code"], "popular_in_segment");
        assert_eq!(reason["text"], "popular among fashion lovers");
        assert!(reason.get("evidence").is_none());
    }
    // Of a user of whom nothing speaks there is no segment.
    let nobody = shop.get("/v1/users/stranger/recommendations?n=4").await.json();
    assert_eq!(nobody["made_from"], "fallback");
    assert!(!column(&nobody, "source").contains(&"segment"));
}

#[tokio::test]
async fn a_list_that_is_too_short_is_filled_up_from_the_segment_first() {
    let shop = Shop::new().await;
    shop.stock_twelve().await;
    publish_model_with(&shop, segments());
    shop.know("u1", &[view("e", "u1", "T1")], &["F2", "T6"]).await;
    let list = shop.get("/v1/users/u1/recommendations?n=4&explain=true").await.json();
    assert_eq!(
        (&list["made_from"], &ids(&list)[..3]),
        (&json!("personal"), &["F2", "T6", "T3"].map(String::from)[..])
    );
    assert_eq!(list["items"][2]["reason"]["text"], "popular among technology lovers");
    // The rules of the moment hold for the segment's items too: of fashion it has none.
    let fashion = shop.get("/v1/users/u1/recommendations?n=4&category=fashion").await.json();
    assert!(!column(&fashion, "source").contains(&"segment"), "{fashion}");
    let without = shop.get("/v1/users/u1/recommendations?n=4&exclude=T3").await.json();
    assert!(!ids(&without).contains(&"T3".to_owned()));
}

#[tokio::test]
async fn a_profile_names_the_segment() {
    let shop = Shop::new().await;
    shop.stock_twelve().await;
    shop.know("u1", &[view("e", "u1", "T1")], &["T2"]).await;
    let profile = async || shop.get("/v1/users/u1/profile").await.json();
    assert!(profile().await.get("segment").is_none());
    let user = UserId::parse("u1").unwrap();
    assert!(shop.truth.claim_segments(1, 5).await.unwrap());
    shop.truth.put_user_segments(1, shop.shard("u1"), vec![(user, 3)]).await.unwrap();
    assert!(profile().await.get("segment").is_none(), "the run is not published");
    let row = SegmentRow { segment: 3, name: "technology".to_owned(), users: 1, data: b"{}".to_vec() };
    let run = SegmentRunRow { run: 1, parent: None, created_ms: NOW_MS, data: b"{}".to_vec() };
    let publish = PublishSegments { run, segments: vec![row], token: 5, kept_from: 1 };
    shop.truth.publish_segments(publish).await.unwrap();
    assert_eq!(profile().await["segment"], json!({"id": 3, "name": "technology"}));
}
