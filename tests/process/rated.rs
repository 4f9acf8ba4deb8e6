//! What shoppers give an item: seen by a search within two seconds of the event, gone with whoever is erased, and summed up once in a
//! store from before there were sums.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use sqlx::{ConnectOptions, Connection};

use crate::common::{caught_up, client, get, now_ms, post, until, up_as_shipped, verified_as_shipped};

const SHOWN_WITHIN: Duration = Duration::from_secs(2);

fn rate(user: &str, item: &str, rating: f64) -> String {
    json!({"event_id": format!("{user}-{item}-{rating}"), "type": "rate_item", "user_id": user, "item_id": item,
        "rating": rating, "occurred_at": now_ms()})
    .to_string()
}

fn item(id: &str) -> String {
    json!({"event_id": format!("new-{id}"), "type": "item_upsert", "item_id": id, "title": format!("lamp {id}"),
        "price": "10.00", "currency": "CNY", "stock": 3, "occurred_at": now_ms()})
    .to_string()
}

async fn send(url: &str, lines: &[String]) {
    let answer = post(url, lines.join("\n")).await.unwrap();
    assert_eq!(answer.status(), 200);
}

/// The items in order of rating, each with mean and count; `-` for what nobody has rated.
async fn order(url: &str) -> Vec<String> {
    let found = get(&format!("{url}/v1/search?q=lamp&sort=rating")).await;
    let said = |place: &Value| {
        let rating = &place["rating"];
        let of = |key: &str| rating[key].as_f64().map_or("-".to_owned(), |n| n.to_string());
        format!("{} {} {}", place["item_id"].as_str().unwrap(), of("mean"), of("count"))
    };
    found["items"].as_array().unwrap().iter().map(said).collect()
}

async fn becomes(url: &str, expected: &[&str]) -> Duration {
    let began = Instant::now();
    until(&format!("{expected:?}"), || async {
        let found = order(url).await;
        // Of the last look, if it was in vain.
        println!("{found:?}");
        (found == expected).then_some(())
    })
    .await;
    began.elapsed()
}

#[tokio::test(flavor = "multi_thread")]
async fn ratings_show_within_two_seconds_and_go_with_their_user() {
    let dir = tempfile::tempdir().unwrap();
    let (running, url) = up_as_shipped(dir.path());
    send(&url, &["a", "b", "c"].map(item)).await;
    becomes(&url, &["c - -", "b - -", "a - -"]).await;
    let many: Vec<String> = (0..12).map(|n| rate(&format!("u{n}"), "a", 4.5)).collect();
    send(&url, &[many, vec![rate("friend", "b", 5.0)]].concat()).await;
    let took = becomes(&url, &["a 4.5 12", "b 5 1", "c - -"]).await;
    assert!(took <= SHOWN_WITHIN, "{took:?}");
    // He thinks again; a rating before there is a row waits for it.
    send(&url, &[rate("friend", "b", 2.0), rate("friend", "d", 3.0)]).await;
    becomes(&url, &["a 4.5 12", "b 2 1", "c - -"]).await;
    send(&url, &[item("d")]).await;
    becomes(&url, &["a 4.5 12", "d 3 1", "b 2 1", "c - -"]).await;
    let erased = client().delete(format!("{url}/v1/users/friend")).send().await.unwrap();
    assert!(erased.status().is_success(), "{}", erased.status());
    becomes(&url, &["a 4.5 12", "d - -", "c - -", "b - -"]).await;
    caught_up(dir.path()).await;
    running.stop();
    verified_as_shipped(dir.path());
}

/// As the version before left it: parts that hold ratings, and no sums.
#[tokio::test(flavor = "multi_thread")]
async fn a_store_of_before_is_summed_up_once() {
    let dir = tempfile::tempdir().unwrap();
    let (running, url) = up_as_shipped(dir.path());
    let ratings = [rate("u1", "a", 4.0), rate("u2", "a", 5.0), rate("u3", "b", 1.0), rate("u4", "b", 2.0)];
    send(&url, &[vec![item("a"), item("b")], ratings.to_vec()].concat()).await;
    becomes(&url, &["a 4.5 2", "b 1.5 2"]).await;
    // The view of a user who has seen much since: what he rated is forgotten, and is in no sum of an older store.
    let much: Vec<String> = (0..300).map(|n| rate("u4", &format!("other-{n}"), 3.0)).collect();
    send(&url, &much).await;
    caught_up(dir.path()).await;
    running.stop();
    let file = sqlx::sqlite::SqliteConnectOptions::new().filename(dir.path().join("truth.db"));
    let mut truth = file.connect().await.unwrap();
    let before = "DROP TABLE segment_run; DROP TABLE segment; DROP TABLE user_segment; \
                  DROP TABLE job_lease; DROP TABLE job_schedule; DROP TABLE job_run; \
                  DROP TABLE model_candidate; ALTER TABLE model DROP COLUMN report; \
                  DROP TABLE item_rating; DELETE FROM pointer WHERE CAST(name AS TEXT) LIKE 'rate%'; PRAGMA user_version = 5";
    sqlx::raw_sql(before).execute(&mut truth).await.unwrap();
    truth.close().await.unwrap();

    for _ in 0..2 {
        let (running, url) = up_as_shipped(dir.path());
        becomes(&url, &["a 4.5 2", "b 1 1"]).await;
        running.stop();
        verified_as_shipped(dir.path());
    }
    let (running, url) = up_as_shipped(dir.path());
    send(&url, &[rate("u1", "a", 3.0), rate("u5", "b", 2.0)]).await;
    becomes(&url, &["a 4 2", "b 1.5 2"]).await;
    caught_up(dir.path()).await;
    running.stop();
    verified_as_shipped(dir.path());
}
