//! How soon something new is known, with the defaults as they are shipped: an item that nobody has seen before is
//! recommended within 10 s of its first event.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::common::{
    caught_up, client, get, now_ms, post, send, shop, trained, until, up_as_shipped, verified_as_shipped,
};

const RECOMMENDABLE_WITHIN: Duration = Duration::from_secs(10);
/// Users who turn to the new item together with a known one.
const KEEN: usize = 8;

fn event(id: &str, kind: &str, user: &str, item: &str) -> String {
    json!({ "event_id": id, "type": kind, "user_id": user, "item_id": item, "occurred_at": now_ms() })
        .to_string()
}

fn has(answer: &Value, item: &str) -> bool {
    answer["items"].as_array().unwrap().iter().any(|place| place["item_id"] == item)
}

async fn accepted(url: &str, events: &[String]) {
    let answer: Value = post(url, events.join("\n")).await.unwrap().json().await.unwrap();
    assert_eq!(answer["accepted"], events.len(), "{answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_item_is_recommended_within_ten_seconds_of_its_first_event() {
    let dir = tempfile::tempdir().unwrap();
    let (running, url) = up_as_shipped(dir.path());
    let old = shop(7, 2_000);
    send(&url, &old).await;
    caught_up(dir.path()).await;
    trained(&url).await;
    let trending = get(&format!("{url}/v1/trending?n=2")).await;
    let known = |place: usize| trending["items"][place]["item_id"].as_str().unwrap().to_owned();
    // One that the catalogue was told of, one that only events name.
    for (new, known, listed) in [("NEW-1", known(0), true), ("NEW-2", known(1), false)] {
        if listed {
            let item = json!({ "title": "Just arrived", "category": "arrivals", "stock": 5 });
            let put = client().put(format!("{url}/v1/items/{new}")).json(&item).send().await.unwrap();
            assert!(put.status().is_success(), "{}", put.status());
        }
        let similar_url = format!("{url}/v1/items/{known}/similar?n=10");
        let onlooker = format!("onlooker-of-{new}");
        let list_url = format!("{url}/v1/users/{onlooker}/recommendations?explain=true&n=5");
        accepted(&url, &[event(&format!("{onlooker}-1"), "add_to_cart", &onlooker, &known)]).await;
        assert!(!has(&get(&similar_url).await, new) && !has(&get(&list_url).await, new), "not yet");

        let began = Instant::now();
        for keen in 0..KEEN {
            let (user, id) = (format!("keen-{new}-{keen}"), |n: usize| format!("{new}-{keen}-{n}"));
            let events = [
                event(&id(1), "view_item", &user, &known),
                event(&id(2), "view_item", &user, new),
                event(&id(3), "add_to_cart", &user, new),
            ];
            accepted(&url, &events).await;
        }
        until("the new item is similar to what it was seen with", || async {
            has(&get(&similar_url).await, new).then_some(())
        })
        .await;
        let similar = began.elapsed();
        // Somebody who knew nothing of it comes back.
        accepted(&url, &[event(&format!("{onlooker}-2"), "view_item", &onlooker, &known)]).await;
        let list = until("the new item is in a list", || async {
            let list = get(&list_url).await;
            has(&list, new).then_some(list)
        })
        .await;
        let recommended = began.elapsed();
        println!("{new}: similar after {similar:.1?}, recommended after {recommended:.1?}");
        assert!(
            similar <= RECOMMENDABLE_WITHIN && recommended <= RECOMMENDABLE_WITHIN,
            "{similar:?} {recommended:?}"
        );
        let place = list["items"].as_array().unwrap().iter().find(|place| place["item_id"] == new).unwrap();
        assert!(place["reason"]["text"].is_string(), "{place}");
    }
    running.stop();
    verified_as_shipped(dir.path());
}
