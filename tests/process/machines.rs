//! Roles on machines of their own: three processes, three data directories, and nothing in common but the services.

use std::path::Path;

use serde_json::Value;

use crate::common::{Running, USERS, client, finish, follow, get, path, send, shop, until};
use crate::services::{Services, set, with};

/// A role with a data directory of its own, and where it answers.
fn role(name: &str, dir: &Path, config: &[(String, String)]) -> (Running, String) {
    let mut args = vec!["--log-json", name, "--data-dir", path(dir)];
    if name == "serve" {
        args.extend(["--port", "0"]);
    }
    let config = [config.to_vec(), set(&[("SERVE__STATUS_ADDRESS", "127.0.0.1:0")])].concat();
    follow(with(&args, &config))
}

fn models(dir: &Path) -> Vec<String> {
    let Ok(entries) = std::fs::read_dir(dir.join("models")) else { return Vec::new() };
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn models_reach_every_machine() {
    let Some(services) = Services::there() else { return };
    let _database = services.database("");
    let config = services.all();
    for prepare in [&["migrate"][..], &["topics", "create"]] {
        let ended = finish(with(prepare, &config));
        assert_eq!(ended.code, Some(0), "{ended:?}");
    }
    let machines = tempfile::tempdir().unwrap();
    let at = |name: &str| machines.path().join(name);
    let (serve, url) = role("serve", &at("serve"), &config);
    let (stream, stream_url) = role("stream", &at("stream"), &config);
    let (jobs, jobs_url) = role("jobs", &at("jobs"), &config);
    send(&url, &shop(7, 400)).await;
    for url in [&url, &stream_url, &jobs_url] {
        until("the model on every machine", || async {
            (get(&format!("{url}/health")).await["model_loaded"] == true).then_some(())
        })
        .await;
    }
    let user = "U10001";
    let lists = format!("{url}/v1/users/{user}/recommendations?n=5&explain=true");
    let made = until("a list that the stream made with the model", || async {
        let list = client().get(&lists).send().await.unwrap().json::<Value>().await.unwrap();
        let trained = list["model_version"].as_u64().is_some_and(|version| 0 < version);
        (trained && list["made_from"] == "personal").then_some(list)
    })
    .await;
    assert_eq!(made["items"].as_array().unwrap().len(), 5, "{made}");
    // Another machine joins later, and one comes back without its folder.
    serve.stop();
    std::fs::remove_dir_all(at("serve")).unwrap();
    let (serve, url) = role("serve", &at("serve"), &config);
    assert_eq!(get(&format!("{url}/health")).await["model_loaded"], true);
    assert!(get(&format!("{url}/health")).await["num_users"].as_u64().is_some_and(|n| n <= USERS && 0 < n));
    // A trainer that is killed leaves the last model to everybody, and the next one goes on.
    let version = |list: &Value| list["model_version"].as_u64().unwrap();
    let mut jobs = jobs;
    jobs.kill();
    let again = get(&format!("{url}/v1/users/{user}/recommendations?n=5")).await;
    assert!(version(&made) <= version(&again), "{again}");
    let (jobs, jobs_url) = role("jobs", &at("other trainer"), &config);
    assert_eq!(get(&format!("{jobs_url}/health")).await["model_loaded"], true);
    send(&url, &shop(8, 200)).await;
    until("a newer model", || async {
        let list = get(&format!("{url}/v1/users/{user}/recommendations?n=5")).await;
        (version(&again) < version(&list)).then_some(())
    })
    .await;
    for process in [jobs, stream, serve] {
        process.stop();
    }
    for name in ["serve", "stream", "other trainer"] {
        assert!(!models(&at(name)).is_empty(), "{name} keeps no copy");
    }
    assert_ne!(services.sql(&format!("SELECT COUNT(*) FROM {}.model_file", services.name)), "0");
    // Every file that is named is there, whole in its size.
    let missing = format!(
        "SELECT COUNT(*) FROM {0}.model m WHERE m.bytes <> (SELECT COALESCE(SUM(LENGTH(f.data)), 0) FROM {0}.model_file f \
         WHERE f.version = m.version AND f.file = m.file)",
        services.name
    );
    assert_eq!(services.sql(&missing), "0");
}
