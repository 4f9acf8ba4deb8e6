//! Real services that are not as the configuration says: refused at the start with what to do, waited for with an end, or lived
//! without by name. No secret is ever told.

use std::path::Path;
use std::time::Duration;

use serde_json::Value;

use crate::common::{Ended, client, finish, follow, get, now_ms, path, post, until};
use crate::services::{Redis, Services, free_port, redis_at, set, with};

/// Stands in every password that a test gives.
const CANARY: &str = "canary-0451-secret";

/// Runs a role that must not come up.
fn role(name: &str, dir: &Path, config: &[(String, String)]) -> Ended {
    let port: &[&str] = if name == "stream" { &[] } else { &["--port", "0"] };
    let ended = finish(with(&[&[name, "--data-dir", path(dir)], port].concat(), config));
    for text in [&ended.out, &ended.err] {
        assert!(!text.contains(CANARY), "{text}");
    }
    ended
}

#[test]
fn a_database_that_cannot_be_used_is_refused() {
    let Some(services) = Services::there() else { return };
    let dir = tempfile::tempdir().unwrap();
    let and = |more: &[(&str, &str)]| [services.mysql(), set(more)].concat();
    let migrate = |config: &[(String, String)]| {
        let ended = finish(with(&["migrate"], config));
        assert!(!format!("{ended:?}").contains(CANARY), "{ended:?}");
        ended
    };
    for refused in [role("up", dir.path(), &services.mysql()), migrate(&services.mysql())] {
        refused.refused(&["MySQL at 127.0.0.1:", "does not exist (1049)", "create it first"]);
    }
    let _database = services.database("");
    let wrong = and(&[("MYSQL__PASSWORD", CANARY)]);
    for refused in [role("up", dir.path(), &wrong), role("serve", dir.path(), &wrong), migrate(&wrong)] {
        refused.refused(&["MySQL at 127.0.0.1:", "denies access (1045)", "check user, password"]);
    }
    let nobody = and(&[("MYSQL__USER", "nobody"), ("MYSQL__PASSWORD", CANARY)]);
    role("stream", dir.path(), &nobody).refused(&["denies access (1045)"]);
    // Tables: none, half of them, those of a newer program.
    role("up", dir.path(), &services.mysql()).refused(&["version 0", "run `shoptide migrate`"]);
    let migrated = migrate(&services.mysql());
    let all = shoptide_schemas::migrations::STORE.len();
    assert_eq!((migrated.code, migrated.out.lines().count()), (Some(0), all), "{migrated:?}");
    assert!(migrate(&services.mysql()).out.contains("already"));
    let name = &services.name;
    services.sql(&format!("UPDATE {name}.shoptide_migration SET complete = 0 WHERE version = 3"));
    role("up", dir.path(), &services.mysql()).refused(&["half way", "run `shoptide migrate`"]);
    assert_eq!(migrate(&services.mysql()).code, Some(0));
    services.sql(&format!("INSERT INTO {name}.shoptide_migration VALUES (99, 0, 1)"));
    for refused in [role("up", dir.path(), &services.mysql()), migrate(&services.mysql())] {
        refused.refused(&["newer version (99)"]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_of_any_charset_keeps_every_id() {
    let Some(services) = Services::there() else { return };
    // One that cannot write half of them, and takes accents, case and trailing spaces for nothing.
    let _database = services.database("CHARACTER SET latin1 COLLATE latin1_swedish_ci");
    let dir = tempfile::tempdir().unwrap();
    assert_eq!(finish(with(&["migrate"], &services.mysql())).code, Some(0));
    let args = ["--log-json", "up", "--port", "0", "--data-dir", path(dir.path())];
    let (running, url) = follow(with(&args, &services.mysql()));
    let users = ["User1", "user1", "üser1", "user1 ", "用户1", "🛒1"];
    let event = |(n, user): (usize, &&str)| {
        serde_json::json!({ "event_id": format!("c{n}"), "type": "view_item", "user_id": user, "item_id": format!("i{n}"),
            "occurred_at": now_ms() })
        .to_string()
    };
    let lines: Vec<String> = users.iter().enumerate().map(event).collect();
    assert_eq!(post(&url, lines.join("\n")).await.unwrap().status(), 200);
    until("every user is one of his own", || async {
        (get(&format!("{url}/health")).await["num_users"] == users.len()).then_some(())
    })
    .await;
    running.stop();
}

#[test]
fn topics_that_cannot_be_used_are_refused() {
    let Some(services) = Services::there() else { return };
    let dir = tempfile::tempdir().unwrap();
    for name in ["up", "stream"] {
        role(name, dir.path(), &services.kafka()).refused(&[
            "Kafka at 127.0.0.1:",
            &format!("topic {} is missing", services.topic("shop.browse")),
            "`shoptide topics create`",
        ]);
    }
    let made = finish(with(&["topics", "create"], &services.kafka()));
    assert_eq!(made.code, Some(0), "{made:?}");
    // By another hand: another number of partitions, and the producers' time in place of the log's.
    let cart = services.topic("shop.cart");
    services.kafka_tool(
        "org.apache.kafka.tools.TopicCommand",
        &["--alter", "--topic", &cart, "--partitions", "5"],
    );
    role("up", dir.path(), &services.kafka()).refused(&[
        &format!("{cart} has 5 partitions"),
        "all user topics need the same number",
        "kafka.prefix",
    ]);
    let Some(other) = Services::there() else { return };
    assert_eq!(finish(with(&["topics", "create"], &other.kafka())).code, Some(0));
    let order = other.topic("shop.order");
    let alter = ["--alter", "--entity-type", "topics", "--entity-name", &order];
    let time = ["--add-config", "message.timestamp.type=CreateTime"];
    other.kafka_tool("kafka.admin.ConfigCommand", &[&alter[..], &time].concat());
    role("serve", dir.path(), &other.kafka()).refused(&[
        &format!("topic {order} has message.timestamp.type CreateTime, expected LogAppendTime"),
        "kafka-configs --alter",
    ]);
}

#[test]
fn servers_that_do_not_answer_are_waited_for_and_then_named() {
    let Some(services) = Services::there() else { return };
    let dir = tempfile::tempdir().unwrap();
    let nobody = free_port().to_string();
    let patience = ("STORE__START_PATIENCE_S", "3");
    let mysql =
        [services.mysql(), set(&[("MYSQL__PORT", &nobody), ("MYSQL__PASSWORD", CANARY), patience])].concat();
    let unknown = set(&[("MYSQL__HOST", "mysql.invalid"), patience]);
    let kafka =
        [services.kafka(), set(&[("KAFKA__BROKERS", &format!("127.0.0.1:{nobody}")), patience])].concat();
    let ask = [
        (mysql, vec!["MySQL at 127.0.0.1:", "did not answer within 3 s", "check mysql.host and mysql.port"]),
        ([services.mysql(), unknown].concat(), vec!["MySQL at mysql.invalid:", "check mysql.host"]),
        (kafka, vec!["Kafka at 127.0.0.1:", "did not answer within 3 s", "check kafka.brokers"]),
    ];
    for (config, says) in ask {
        let ended = role("up", dir.path(), &config);
        // A server that is down is no mistake of the configuration: whoever restarts processes may start this one again.
        assert_eq!(ended.code, Some(1), "{ended:?}");
        assert!(Duration::from_secs(1) < ended.took && ended.took < Duration::from_secs(20), "{ended:?}");
        for part in says {
            assert!(ended.err.contains(part), "{part}: {ended:?}");
        }
    }
}

#[test]
fn a_cache_with_another_password_is_refused() {
    let Some(redis) = Redis::start(free_port(), &["--requirepass", &format!("{CANARY}-right")]) else {
        return;
    };
    let dir = tempfile::tempdir().unwrap();
    let at = redis_at(&redis.address());
    role("up", dir.path(), &at).refused(&["Redis", "asks for a password: set password"]);
    let wrong = [at, set(&[("REDIS__PASSWORD", &format!("{CANARY}-wrong"))])].concat();
    role("up", dir.path(), &wrong).refused(&["Redis", "refuses the password", "check username and password"]);
}

/// What `/health` names, by part, once `done` is content with it.
async fn degraded(url: &str, what: &str, done: impl Fn(&Value) -> bool) -> Value {
    until(what, || async {
        let health = get(&format!("{url}/health")).await;
        done(&health).then_some(health)
    })
    .await
}

fn event(id: &str, user: &str) -> String {
    serde_json::json!({ "event_id": id, "type": "view_item", "user_id": user, "item_id": "i1", "occurred_at": now_ms() })
        .to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_cache_is_named_and_recovers() {
    let full = ["--maxmemory", "64mb", "--maxmemory-policy", "noeviction"];
    let Some(redis) = Redis::start(free_port(), &full) else { return };
    let dir = tempfile::tempdir().unwrap();
    let args = ["--log-json", "up", "--port", "0", "--data-dir", path(dir.path())];
    let (running, url) = follow(with(&args, &redis_at(&redis.address())));
    running
        .err
        .find(|line| line.contains("takes no more lists when it is full").then_some(()))
        .expect("a warning");
    assert_eq!(get(&format!("{url}/health")).await["status"], "healthy");
    // Less than it holds already: it serves what it has and takes nothing.
    redis.cli(&["CONFIG", "SET", "maxmemory", "200kb"]);
    post(&url, event("f1", "anna")).await.unwrap();
    // On a busy machine a probe may be late for once, which is another state.
    let full = |health: &Value| health["degraded"][0]["state"] == "full";
    let health = degraded(&url, "the full cache is named", full).await;
    assert_eq!((&health["status"], &health["degraded"][0]["part"]), (&"degraded".into(), &"cache".into()));
    assert!(
        health["degraded"][0]["message"].as_str().unwrap().contains("maxmemory-policy allkeys-lru"),
        "{health}"
    );
    // Everything still answers.
    assert_eq!(get(&format!("{url}/ready")).await["status"], "ready");
    let list = client().get(format!("{url}/v1/users/anna/recommendations")).send().await.unwrap();
    assert_eq!(list.status(), 200);
    let metrics = until("the metrics say it too", || async {
        let text = crate::common::get_text(&format!("{url}/metrics")).await;
        text.contains("shoptide_cache_state{state=\"full\"} 1").then_some(text)
    })
    .await;
    let failed =
        metrics.lines().find_map(|line| line.strip_prefix("shoptide_cache_failures_total{kind=\"full\"} "));
    assert!(1 <= failed.unwrap().parse::<u64>().unwrap(), "{metrics}");
    // Room again: the next list is taken, and all is well.
    redis.cli(&["CONFIG", "SET", "maxmemory", "64mb"]);
    post(&url, event("f2", "anna")).await.unwrap();
    degraded(&url, "room again", |health| health["status"] == "healthy").await;
    running.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cache_that_is_away_is_named_and_used_when_it_comes() {
    let port = free_port();
    let dir = tempfile::tempdir().unwrap();
    let args = ["--log-json", "up", "--port", "0", "--data-dir", path(dir.path())];
    let (running, url) = follow(with(&args, &redis_at(&format!("127.0.0.1:{port}"))));
    let away = |health: &Value| health["degraded"][0]["state"] == "away";
    degraded(&url, "no cache yet", away).await;
    post(&url, event("a1", "anna")).await.unwrap();
    assert_eq!(get(&format!("{url}/ready")).await["status"], "ready");
    let Some(redis) = Redis::start(port, &[]) else { return };
    degraded(&url, "the cache has come", |health| health["status"] == "healthy").await;
    post(&url, event("a2", "anna")).await.unwrap();
    until("a list in the cache", || async { (redis.cli(&["DBSIZE"]) != "0").then_some(()) }).await;
    drop(redis);
    degraded(&url, "the cache is gone again", away).await;
    assert_eq!(get(&format!("{url}/ready")).await["status"], "ready");
    running.stop();
}
