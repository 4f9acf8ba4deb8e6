//! Who waits for the model harms nobody else.

use std::time::Instant;

use axum::http::Method;
use futures::future::join_all;

use super::*;

/// More turns wait than there are seats for scans or places of the model; everything else goes on at its own pace.
#[tokio::test]
async fn others_are_answered_while_turns_wait_for_the_model() {
    let timeout = Duration::from_secs(6);
    let spoken = Spoken::deciding(
        |_| Reply::Stall(Duration::from_secs(60)),
        |options| (options.timeout, options.turns_max) = (timeout, 12),
        |_| {},
    )
    .await;
    let shop = &spoken.shop;
    let began = Instant::now();
    let users: Vec<String> = (0..12).map(|n| format!("waits{n}")).collect();
    let waiting = join_all(users.iter().map(|user| shop.turn(user, &Value::Null, PHONES)));
    let others = async {
        while spoken.fake.seen().len() < 12 {
            tokio::task::yield_now().await;
        }
        // All places are taken: the next shopper has the rules' words at once.
        for n in 0..20 {
            let answer = shop.turn(&format!("u{n}"), &Value::Null, PHONES).await;
            assert_eq!(answer["source"], "rules");
            assert_eq!(spoken.record(&format!("u{n}"), &answer, 1).await["why"], "busy");
        }
        for _ in 0..20 {
            assert_eq!(shop.get("/v1/trending").await.status, 200);
            assert_eq!(shop.get("/v1/items/P06/similar").await.status, 200);
            assert_eq!(shop.get("/v1/users/ann/recommendations").await.status, 200);
        }
        // A product that comes meanwhile is learned: no lock on the words is held.
        let mut row = rows().into_iter().find(|row| row["item_id"] == "P09").unwrap();
        (row["item_id"], row["price"]) = (json!("P99"), json!("1500.00"));
        shop.stock(json!([row])).await;
        let next = shop.live.catalogue().offset();
        loop {
            let answer = shop.say(json!({"message": "帮我推荐一下"})).await.json();
            if next <= answer["as_of"]["shop.catalogue"].as_i64().unwrap() {
                break;
            }
            tokio::task::yield_now().await;
        }
        assert_eq!(shop.call(Method::DELETE, "/v1/items/P99", None).await.status.as_u16() / 100, 2);
        began.elapsed()
    };
    let (answers, others) = tokio::join!(waiting, others);
    assert!(others < timeout, "others waited {others:?}");
    assert!(answers.iter().all(|answer| answer["source"] == "rules"));
    assert!(began.elapsed() < timeout + Duration::from_secs(4), "{:?}", began.elapsed());
}

/// A dialogue that goes on while its last message waits: one of the two is kept, and the other is told.
#[tokio::test]
async fn a_session_that_is_spoken_in_meanwhile_is_a_conflict() {
    let spoken = Spoken::new().await;
    let first = spoken.answered("ann", PHONES, [Reply::text(FLUENT)]).await;
    spoken.fake.queue([Reply::Drip { text: FLUENT.into(), every: Duration::from_millis(20) }]);
    let say = |message: &str| {
        spoken.shop.say(json!({"user_id": "ann", "session_id": first["session_id"], "message": message}))
    };
    let seen = spoken.fake.seen().len();
    let meanwhile = async {
        while spoken.fake.seen().len() == seen {
            tokio::task::yield_now().await;
        }
        say("第一个我喜欢").await
    };
    let (slow, quick) = tokio::join!(say("还有NFC的"), meanwhile);
    assert_eq!((slow.status.as_u16(), quick.status.as_u16()), (409, 200));
}
