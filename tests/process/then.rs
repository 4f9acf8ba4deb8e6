//! What was is found again: lists as they were shown, a whole shop rebuilt, and nothing half built taken for whole.

use std::path::Path;

use serde_json::{Value, json};

use crate::common::{
    Running, caught_up, client, finish, follow, get, now_ms, path, post, run, send, shop, shoptide, trained,
    until, verified,
};

const USERS: [&str; 3] = ["ann", "bob", "好"];
const MARK: &str = "replay-unfinished";

/// Nothing is trained unless it is asked for, so that it is known which model a list was made with.
fn up(dir: &Path) -> (Running, String) {
    let mut command = shoptide(&["--log-json", "up", "--data-dir", path(dir), "--port", "0"]);
    command.env("SHOPTIDE_TRAIN__FIRST_AFTER_EVENTS", "1000000000");
    command.env("SHOPTIDE_TRAIN__REFRESH_EVERY_MS", "3600000");
    follow(command)
}

fn event(id: &str, user: &str, item: &str) -> String {
    json!({ "event_id": id, "type": "view_item", "user_id": user, "item_id": item, "occurred_at": now_ms() })
        .to_string()
}

/// What is shown to these users at a moment after which nothing was appended for a while.
async fn shown(dir: &Path, url: &str) -> (i64, Vec<Value>) {
    caught_up(dir).await;
    let mut lists = Vec::new();
    for user in USERS {
        let (user, n) = (user.replace('好', "%E5%A5%BD"), 7);
        lists.push(get(&format!("{url}/v1/users/{user}/recommendations?explain=true&n={n}")).await);
    }
    let at = now_ms();
    until("the clock goes on", || async { (at + 5 < now_ms()).then_some(()) }).await;
    (at, lists)
}

/// A list without its name, and without how often others acted: that is counted as of now.
fn told(list: &Value) -> Value {
    let mut list = list.clone();
    let fields = list.as_object_mut().unwrap();
    fields.remove("list_id");
    fields.remove("at");
    // Of when the list was made; others of the partition may have acted since.
    fields.remove("as_of");
    for place in list["items"].as_array_mut().unwrap() {
        if matches!(place["reason"]["code"].as_str(), Some("popular" | "trending")) {
            place["reason"]["text"] = Value::Null;
        }
    }
    list
}

fn ask(dir: &Path, user: &str, at: &str) -> Value {
    run(&["recommend", user, "--at", at, "-n", "7", "--json", "--data-dir", path(dir)]).json()
}

fn train(dir: &Path) {
    run(&["jobs", "train", "--json", "--data-dir", path(dir)]).json();
}

async fn views(url: &str, wave: usize, items: [&str; 3]) {
    for (user, item) in USERS.iter().zip(items) {
        let answer = post(url, event(&format!("{wave}-{user}"), user, item)).await.unwrap();
        assert_eq!(answer.status(), 200);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_shown_is_found_again() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let (running, url) = up(dir);
    send(&url, &shop(21, 600)).await;
    let items: Vec<String> = {
        let list = get(&format!("{url}/v1/trending?n=6")).await;
        list["items"].as_array().unwrap().iter().map(|i| i["item_id"].as_str().unwrap().to_owned()).collect()
    };
    let of = |n: usize| items[n].as_str();
    let mut moments = Vec::new();
    views(&url, 1, [of(0), of(1), of(2)]).await;
    moments.push(shown(dir, &url).await);
    train(dir);
    trained(&url).await;
    // Made anew with the first model, of events that came before it.
    let remade = until("bob's list by the first model", || async {
        let list = get(&format!("{url}/v1/users/bob/recommendations?explain=true&n=7")).await;
        (list["model_version"] == 1).then_some(list)
    })
    .await;
    let budget = json!({ "month": "900.00", "currency": "CNY" });
    let put = client().put(format!("{url}/v1/users/ann/budget")).json(&budget).send().await.unwrap();
    assert!(put.status().is_success(), "{}", put.status());
    views(&url, 2, [of(3), of(4), of(5)]).await;
    moments.push(shown(dir, &url).await);
    // Sold out, and another model.
    let first = moments[1].1[1]["items"][0]["item_id"].as_str().unwrap().to_owned();
    let gone =
        client().patch(format!("{url}/v1/items/{first}")).json(&json!({ "stock": 0 })).send().await.unwrap();
    assert!(gone.status().is_success(), "{}", gone.status());
    train(dir);
    until("the second model", || async {
        (get(&format!("{url}/v1/trending?n=1")).await["model_version"] == 2).then_some(())
    })
    .await;
    views(&url, 3, [of(1), of(2), of(0)]).await;
    moments.push(shown(dir, &url).await);
    views(&url, 4, [of(5), of(5), of(5)]).await;
    send(&url, &shop(22, 100)).await;
    caught_up(dir).await;
    running.stop();

    let versions: Vec<_> =
        moments.iter().map(|(_, lists)| lists[0]["model_version"].as_u64().unwrap()).collect();
    assert_eq!(versions, [0, 1, 2]);
    for (at, lists) in &moments {
        for (user, list) in USERS.iter().zip(lists) {
            let then = ask(dir, user, &at.to_string());
            assert_eq!(then["at"]["user"], "known");
            assert_eq!(then["at"]["model"]["exact"], true, "{then:#}");
            assert_eq!(told(&then), told(list), "{user} at {at}");
        }
    }
    assert!(
        ask(dir, "ann", &moments[0].0.to_string())["at"]["budget"].as_str().unwrap().contains("not applied")
    );
    assert!(
        ask(dir, "ann", &moments[1].0.to_string())["at"]["budget"].as_str().unwrap().starts_with("applied")
    );
    // By what the answer said itself, and by name of a day before anything.
    let as_of = moments[2].1[1]["as_of"].to_string();
    assert_eq!(ask(dir, "bob", &as_of)["items"][0]["item_id"], moments[2].1[1]["items"][0]["item_id"]);
    let then = ask(dir, "bob", &remade.to_string());
    assert_eq!(
        (&then["at"]["model"]["version"], &then["at"]["model"]["exact"]),
        (&json!(1), &json!(true)),
        "{then:#}"
    );
    assert_eq!(told(&then), told(&remade));
    let without = ask(dir, "bob", &remade["as_of"].to_string());
    assert_eq!(
        without["at"]["model"]["version"],
        Value::Null,
        "only the answer names its model: {without:#}"
    );
    let nobody = ask(dir, "nobody", &moments[1].0.to_string());
    assert_eq!((&nobody["at"]["user"], &nobody["made_from"]), (&json!("unknown"), &json!("fallback")));
    let early = ask(dir, "ann", "2020-01-01T00:00:00Z");
    assert_eq!((&early["at"]["user"], &early["at"]["model"]["version"]), (&json!("unknown"), &Value::Null));
    let table = run(&["recommend", "bob", "--at", &moments[1].0.to_string(), "--data-dir", path(dir)]);
    assert!(table.out.contains("bob at 2") && table.out.contains("model: version 1"), "{table:?}");
    run(&["recommend", "bob", "--at", "yesterday", "--data-dir", path(dir)]).refused(&[
        "--at",
        "yesterday",
        "RFC 3339",
    ]);

    rebuilt(dir, &moments[1]).await;
}

/// A whole shop of a moment: a directory like any other.
async fn rebuilt(dir: &Path, (at, lists): &(i64, Vec<Value>)) {
    let home = tempfile::tempdir().unwrap();
    let then = home.path().join("then");
    let at = at.to_string();
    let args = ["replay", "--until", &at, "--into", path(&then), "--json", "--data-dir", path(dir)];
    let report = run(&args).json();
    assert_eq!((&report["model"]["version"], &report["log_copied"]), (&json!(1), &json!(true)), "{report:#}");
    let proof = verified(&then);
    assert_eq!(report["records"], proof["records"]);
    assert!(0 < proof["lists"]["equal"].as_u64().unwrap(), "{proof:#}");
    for (user, list) in USERS.iter().zip(lists).skip(1) {
        let now = run(&["recommend", user, "-n", "7", "--json", "--data-dir", path(&then)]).json();
        let ids = |list: &Value| {
            list["items"]
                .as_array()
                .unwrap()
                .iter()
                .map(|i| (i["item_id"].clone(), i["score"].clone()))
                .collect::<Vec<_>>()
        };
        assert_eq!(ids(&now), ids(list), "{user}");
    }
    run(&args).refused(&["not empty"]);
    let skew = run(&["jobs", "skew", "--json", "--data-dir", path(&then)]).json();
    assert!(skew["exact"] == true && !skew["users"].as_array().unwrap().is_empty(), "{skew:#}");

    // Killed at some moment of it: not a shop, and the same command makes one.
    let mut killed = None;
    for n in 0..20 {
        let half = home.path().join(format!("half-{n}"));
        let mut running = Running::start(shoptide(&[
            "replay",
            "--until",
            &at,
            "--into",
            path(&half),
            "--data-dir",
            path(dir),
        ]));
        until("it begins", || async { half.join("truth.db").exists().then_some(()) }).await;
        running.kill();
        if half.join(MARK).exists() {
            killed = Some(half);
            break;
        }
    }
    let half = killed.unwrap();
    for command in
        [vec!["recommend", "bob"], vec!["state", "verify"], vec!["jobs", "list"], vec!["up", "--port", "0"]]
    {
        let mut args = command.clone();
        args.extend(["--data-dir", path(&half)]);
        finish(shoptide(&args)).refused(&["did not finish"]);
    }
    run(&["replay", "--until", "2020-01-01T00:00:00Z", "--into", path(&half), "--data-dir", path(dir)])
        .refused(&["did not finish"]);
    let again =
        run(&["replay", "--until", &at, "--into", path(&half), "--json", "--data-dir", path(dir)]).json();
    assert_eq!((&again["records"], &again["cut"]), (&report["records"], &report["cut"]));
    assert!(!half.join(MARK).exists());
    verified(&half);
}
