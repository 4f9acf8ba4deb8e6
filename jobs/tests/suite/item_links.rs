//! What a full training says of items from users' baskets and forum posts, and that an erasure takes it back.

use serde_json::{Value, json};
use shoptide_jobs::train::train_once;
use shoptide_models::knowledge::ItemLinks;
use shoptide_schemas::{ItemId, Topic, USER_TOPICS};
use shoptide_store::Truth;

use crate::train_support::{NOW_MS, Shop};

const DAY_MS: i64 = 86_400_000;

fn bought(user: &str, days_ago: i64, item: &str) -> (Topic, Value) {
    let order = format!("{user}-{days_ago}");
    let event = json!({"event_id": format!("{order}-{item}"), "type": "purchase", "user_id": user, "item_id": item, "order_id": order,
        "price": "9.00", "currency": "CNY", "occurred_at": NOW_MS - days_ago * DAY_MS});
    (Topic::Order, event)
}

fn wrote(user: &str, item: &str, thread: &str) -> (Topic, Value) {
    let event = json!({"event_id": format!("{user}-{item}-{thread}"), "type": "forum_post", "user_id": user, "item_id": item,
        "thread_id": thread, "text": "good", "occurred_at": NOW_MS - DAY_MS});
    (Topic::Forum, event)
}

async fn links(shop: &Shop, item: &str) -> Option<ItemLinks> {
    let bytes = shop.truth.item_links(&ItemId::parse(item).unwrap()).await.unwrap();
    bytes.map(|bytes| ItemLinks::decode(&bytes).unwrap())
}

#[tokio::test]
async fn baskets_and_threads_become_links_and_go_with_their_user() {
    let shop = Shop::new().await;
    let mut events = Vec::new();
    for user in ["u1", "u2", "u3"] {
        events.extend([bought(user, 1, "phone"), bought(user, 1, "case"), wrote(user, "phone", "t1")]);
    }
    // Only one basket has both; two of another day are no basket.
    events.extend([bought("u1", 1, "cable"), bought("u2", 5, "lamp"), wrote("u1", "case", "t2")]);
    shop.fold(&events).await;
    train_once(&shop.context).await.unwrap();
    let id = |id: &str| ItemId::parse(id).unwrap();
    let phone = links(&shop, "phone").await.unwrap();
    assert_eq!((phone.bought_with, phone.threads), (vec![(id("case"), 3)], vec![("t1".to_owned(), 3)]));
    assert_eq!(links(&shop, "case").await.unwrap().threads, [("t2".to_owned(), 1)]);
    assert_eq!((links(&shop, "cable").await, links(&shop, "lamp").await), (None, None));

    let erased: Vec<_> = ["u1", "u2"]
        .iter()
        .flat_map(|user| USER_TOPICS.map(|topic| (topic, *user)))
        .map(|(topic, user)| {
            let event = json!({"event_id": format!("gone-{user}"), "type": "user_erased", "user_id": user, "occurred_at": NOW_MS});
            (topic, event)
        })
        .collect();
    shop.fold(&erased).await;
    train_once(&shop.context).await.unwrap();
    let phone = links(&shop, "phone").await.unwrap();
    assert_eq!((phone.bought_with, phone.threads), (Vec::new(), vec![("t1".to_owned(), 1)]));
    assert_eq!(links(&shop, "case").await, None);
}
