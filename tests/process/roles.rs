//! The roles as processes of their own on one data directory: serve takes events in, stream folds, jobs trains, serve
//! shows what came of it.

use std::time::Duration;

use serde_json::Value;

use crate::common::{
    caught_up, client, follow, get, get_text, path, post, role, run, send, shop, shoptide, until, up,
    verified,
};

#[tokio::test(flavor = "multi_thread")]
async fn three_processes_are_one_shop() {
    let dir = tempfile::tempdir().unwrap();
    let (serve, url) = role("serve", dir.path());
    let user = shop(7, 400).user_id(0);
    let list_url = format!("{url}/v1/users/{user}/recommendations?explain=true&n=5");
    // Alone, a shop without anything still answers.
    assert_eq!(get(&list_url).await["items"].as_array().unwrap().len(), 0);
    send(&url, &shop(7, 400)).await;
    let before = get(&list_url).await;
    assert_ne!(before["made_from"], "personal", "nobody streams yet: {before}");

    let (stream, _) = role("stream", dir.path());
    caught_up(dir.path()).await;
    let list = until("the list of the other process", || async {
        let list = get(&list_url).await;
        (list["made_from"] == "personal").then_some(list)
    })
    .await;
    assert_eq!(list["items"].as_array().unwrap().len(), 5, "{list}");
    assert_eq!(get(&format!("{url}/health")).await["model_loaded"], false, "nobody trains yet");

    let (jobs, _) = role("jobs", dir.path());
    until("the model of the other process", || async {
        (get(&format!("{url}/health")).await["model_loaded"] == true).then_some(())
    })
    .await;
    let trained = until("a list made with the model", || async {
        let list = get(&list_url).await;
        list["model_version"].as_u64().is_some_and(|version| 0 < version).then_some(list)
    })
    .await;
    assert!(
        trained["items"].as_array().unwrap().iter().all(|item| item["reason"]["text"].is_string()),
        "{trained}"
    );

    // A new event, all the way through three processes.
    let item = trained["items"][0]["item_id"].as_str().unwrap();
    let event = serde_json::json!({ "event_id": "roles-1", "type": "view_item", "user_id": user, "item_id": item,
        "occurred_at": crate::common::now_ms() });
    let answer = client().post(format!("{url}/v1/events")).json(&event).send().await.unwrap();
    let verdicts: Value = answer.json().await.unwrap();
    let offset = verdicts["verdicts"][0]["offset"].as_i64().unwrap();
    until("the effect of an event", || async {
        let list = get(&list_url).await;
        list["as_of"]["shop.browse"].as_i64().is_some_and(|next| offset < next).then_some(())
    })
    .await;

    // The shards have one owner, and the proof needs them at rest.
    run(&["stream", "--data-dir", path(dir.path())]).refused(&["owner", "process", "log.db.owner"]);
    run(&["up", "--port", "0", "--data-dir", path(dir.path())]).refused(&["owner"]);
    run(&["state", "verify", "--data-dir", path(dir.path())]).refused(&["owner"]);
    assert_eq!(get(&format!("{url}/ready")).await["status"], "ready", "the first ones did not mind");
    for process in [jobs, stream, serve] {
        process.stop();
    }
    verified(dir.path());
}

#[tokio::test]
async fn a_start_that_cannot_be_is_refused_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    for role in ["up", "serve"] {
        let ended = run(&[role, "--port", &port, "--data-dir", path(dir.path())]);
        ended.refused(&[&port, "taken", "--port"]);
        assert!(ended.took < Duration::from_secs(2), "{ended:?}");
    }
    let file = dir.path().join("file");
    std::fs::write(&file, "").unwrap();
    run(&["up", "--port", "0", "--data-dir", path(&file)]).refused(&["data directory", path(&file)]);
    run(&["stream", "--port", "1"]).refused(&["--port"]);
}

#[tokio::test]
async fn a_signal_while_requests_are_open_ends_it_all_the_same() {
    let dir = tempfile::tempdir().unwrap();
    let (running, url) = up(dir.path());
    // One that never says what it wants, one in the middle of its body, one that is only kept open.
    let address = url.strip_prefix("http://").unwrap();
    use std::io::Write;
    let silent = std::net::TcpStream::connect(address).unwrap();
    let mut half = std::net::TcpStream::connect(address).unwrap();
    half.write_all(b"POST /v1/events HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 999\r\n\r\n{").unwrap();
    let kept = client();
    assert!(kept.get(format!("{url}/live")).send().await.unwrap().status().is_success());
    let took = running.stop_by("INT");
    println!("ended {took:?} after SIGINT with open requests");
    drop((silent, half, kept));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_without_the_api_answers_monitors() {
    let dir = tempfile::tempdir().unwrap();
    // Nothing is asked to listen: nothing does.
    let (stream, nowhere) = role("stream", dir.path());
    assert_eq!(nowhere, "");
    stream.stop();
    for (name, has_shards) in [("stream", true), ("jobs", false)] {
        let mut command = shoptide(&["--log-json", name, "--data-dir", path(dir.path())]);
        command.env("SHOPTIDE_SERVE__STATUS_ADDRESS", "127.0.0.1:0");
        let (running, url) = follow(command);
        assert_eq!(get(&format!("{url}/live")).await["status"], "live");
        assert_eq!(get(&format!("{url}/health")).await["status"], "healthy");
        assert_eq!(get(&format!("{url}/ready")).await["checks"]["log"], "ok");
        let metrics = until("what the process asked itself", || async {
            let text = get_text(&format!("{url}/metrics")).await;
            let shards = text.contains("shoptide_shard_up{");
            (text.contains("shoptide_dependency_up{") && shards == has_shards).then_some(text)
        })
        .await;
        for said in [
            "shoptide_dependency_up{dependency=\"log\"} 1",
            "shoptide_dependency_up{dependency=\"store\"} 1",
            "shoptide_cache_state{state=\"ok\"} 1",
            "shoptide_cache_state{state=\"full\"} 0",
            "shoptide_store_connections{which=\"max\"}",
            "shoptide_log_queue_records{which=\"waiting\"} 0",
            &format!("roles=\"{name}\""),
        ] {
            assert!(metrics.contains(said), "{said} is not in\n{metrics}");
        }
        for path in ["/v1/trending", "/docs", "/openapi.json"] {
            let answer = client().get(format!("{url}{path}")).send().await.unwrap();
            assert_eq!(answer.status(), 404, "{path}");
        }
        assert_eq!(post(&url, "{}".to_owned()).await.unwrap().status(), 404);
        running.stop();
    }
}
