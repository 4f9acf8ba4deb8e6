//! A log that has let go of records which were not folded yet: its shard stops and says so at once, the others run on.

use std::time::{Duration, Instant};

use serde_json::Value;
use shoptide_schemas::partition::partition_of;

use crate::common::{client, finish, follow, get, get_text, now_ms, path, post, until};
use crate::services::{Services, with};

/// Within this an alert must have fired; what is looked at here is scraped every 10 s and judged every 10 s.
const SAID_WITHIN: Duration = Duration::from_secs(10);
const PARTITIONS: u32 = 4;

fn event(id: &str, user: &str) -> String {
    serde_json::json!({ "event_id": id, "type": "view_item", "user_id": user, "item_id": "i1", "occurred_at": now_ms() })
        .to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_truncated_below_what_was_folded_stops_one_shard() {
    let Some(services) = Services::there() else { return };
    assert_eq!(finish(with(&["topics", "create"], &services.kafka())).code, Some(0));
    let dir = tempfile::tempdir().unwrap();
    let start = |role: &str| {
        let args = ["--log-json", role, "--port", "0", "--data-dir", path(dir.path())];
        follow(with(&args, &services.kafka()))
    };
    let users = async |url: &str, n: usize| {
        until("the users are folded", || async {
            (get(&format!("{url}/health")).await["num_users"] == n).then_some(())
        })
        .await;
    };
    // One user a shard.
    let of = |shard: u32, after: usize| {
        (after..).map(|n| format!("u{n}")).find(|u| partition_of(u.as_bytes(), PARTITIONS) == shard).unwrap()
    };
    let first: Vec<String> = (0..PARTITIONS).map(|shard| of(shard, 0)).collect();
    let (running, url) = start("up");
    let lines: Vec<String> = first.iter().map(|user| event(&format!("a-{user}"), user)).collect();
    assert_eq!(post(&url, lines.join("\n")).await.unwrap().status(), 200);
    users(&url, 4).await;
    running.stop();
    // Nobody streams: two more events of shard 2, and the log forgets all it has of it.
    let (serve, url) = start("serve");
    let more = [event("b-1", &first[2]), event("b-2", &first[2])];
    assert_eq!(post(&url, more.join("\n")).await.unwrap().status(), 200);
    serve.stop();
    let topic = services.topic("shop.browse");
    let order = format!(r#"{{"partitions":[{{"topic":"{topic}","partition":2,"offset":3}}],"version":1}}"#);
    let file = dir.path().join("delete.json");
    std::fs::write(&file, order).unwrap();
    services.kafka_tool("org.apache.kafka.tools.DeleteRecordsCommand", &["--offset-json-file", path(&file)]);

    let began = Instant::now();
    let (running, url) = start("up");
    let metrics = until("the truncated shard is said", || async {
        let text = get_text(&format!("{url}/metrics")).await;
        text.contains("shoptide_shard_truncated{shard=\"2\"} 1").then_some(text)
    })
    .await;
    assert!(began.elapsed() < SAID_WITHIN, "said after {:?}", began.elapsed());
    assert!(metrics.contains("shoptide_shard_up{shard=\"2\"} 0"), "{metrics}");
    running
        .err
        .find(|line| {
            (line.contains("begins at offset 3, asked for 1") && line.contains("a person must look"))
                .then_some(())
        })
        .expect("the log says where it stands");
    let ready = client().get(format!("{url}/ready")).send().await.unwrap();
    assert_eq!(ready.status(), 503);
    let ready: Value = ready.json().await.unwrap();
    assert_eq!(ready["message"], "shard 2 has stopped on an error");
    let health = get(&format!("{url}/health")).await;
    assert_eq!(
        (&health["degraded"][0]["part"], &health["degraded"][0]["state"]),
        (&"shards".into(), &"stopped".into())
    );
    // The others fold on, and what comes for the stopped one waits in the log: nothing jumps.
    let second: Vec<String> = (0..PARTITIONS).map(|shard| of(shard, 100)).collect();
    let lines: Vec<String> = second.iter().map(|user| event(&format!("c-{user}"), user)).collect();
    assert_eq!(post(&url, lines.join("\n")).await.unwrap().status(), 200);
    users(&url, 7).await;
    let text = get_text(&format!("{url}/metrics")).await;
    assert!(text.contains("shoptide_shard_truncated{shard=\"2\"} 1"), "{text}");
    let unknown = client().get(format!("{url}/v1/users/{}/profile", second[2])).send().await.unwrap();
    assert_eq!(unknown.status(), 404);
    running.stop();
}
