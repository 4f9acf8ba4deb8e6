//! Chats go when nobody has spoken in them for long enough, and with their user.

use std::sync::atomic::Ordering;

use serde_json::json;
use shoptide_schemas::{Topic, UserId};
use shoptide_store::{ChatKey, ChatMessage, ChatTurn, Truth};

use crate::shop::{NOW_MS, Shop};

fn turn(key: &ChatKey, at_ms: i64) -> ChatTurn {
    ChatTurn {
        key: key.clone(),
        before: 0,
        state: Vec::new(),
        message: ChatMessage { turn: 1, at_ms, question: "hi".into(), answer: Vec::new() },
        records: Vec::new(),
        budget: None,
        feedback: Vec::new(),
    }
}

fn key(user: &str, session: &str) -> ChatKey {
    ChatKey { shard: 0, user: UserId::from_trusted(user.as_bytes()), session: session.to_owned() }
}

#[tokio::test(flavor = "multi_thread")]
async fn old_chats_are_forgotten_and_young_ones_stay() {
    let mut shop = Shop::new(1).await;
    shop.context.options.chats_kept_ms = 10_000;
    let now = shop.clock.load(Ordering::Relaxed);
    // More than one look takes.
    for n in 0..70 {
        shop.truth.chat_turn(turn(&key("ann", &format!("old{n}")), now - 10_001 - n)).await.unwrap();
    }
    shop.truth.chat_turn(turn(&key("ann", "young"), now - 9_999)).await.unwrap();
    let running = shop.run();
    shop.until("the old ones are gone", || async {
        let mut left = 0;
        for n in 0..70 {
            left += usize::from(
                shop.truth.chat_session(&key("ann", &format!("old{n}"))).await.unwrap().is_some(),
            );
        }
        left == 0
    })
    .await;
    assert!(shop.truth.chat_session(&key("ann", "young")).await.unwrap().is_some());
    running.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_erasure_takes_the_chats_with_it() {
    let shop = Shop::new(1).await;
    for user in ["ann", "bob"] {
        shop.truth.chat_turn(turn(&key(user, "s"), NOW_MS)).await.unwrap();
    }
    let running = shop.run();
    let erased = json!({"event_id": "e", "type": "user_erased", "user_id": "ann", "occurred_at": NOW_MS});
    shop.send(Topic::Feedback, &[erased]).await;
    shop.until("ann's chat is gone", || async {
        shop.truth.chat_session(&key("ann", "s")).await.unwrap().is_none()
    })
    .await;
    assert!(shop.truth.chat_session(&key("bob", "s")).await.unwrap().is_some());
    running.stop().await.unwrap();
}
