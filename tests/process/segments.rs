//! Segments by hand beside a shop that runs: found, shown, in profiles, in lists, and the lists proven.

use std::path::Path;

use serde_json::{Value, json};

use crate::common::{caught_up, get, path, post, run, send, shop, shoptide, trained, until, up, verified};

fn command(dir: &Path, args: &[&str]) -> crate::common::Ended {
    run(&[args, &["--json", "--data-dir", path(dir)]].concat())
}

#[tokio::test(flavor = "multi_thread")]
async fn segments_are_found_beside_a_running_shop_and_reach_its_lists() {
    let dir = tempfile::tempdir().unwrap();
    let (running, url) = up(dir.path());
    send(&url, &shop(8, 2_000)).await;
    trained(&url).await;
    caught_up(dir.path()).await;
    command(dir.path(), &["segments", "list"]).refused(&["no segments yet", "jobs segment"]);

    let found = command(dir.path(), &["jobs", "segment"]).json();
    let names: Vec<&str> =
        found["segments"].as_array().unwrap().iter().map(|s| s["name"].as_str().unwrap()).collect();
    assert!(["technology", "fashion", "sports"].iter().all(|group| names.contains(group)), "{names:?}");
    assert_eq!(command(dir.path(), &["segments", "list"]).json(), found);
    let first = &found["segments"][0];
    let id = first["id"].to_string();
    assert_eq!(&command(dir.path(), &["segments", "show", &id]).json(), first);
    command(dir.path(), &["segments", "show", "99"]).refused(&["segment 99 is unknown, expected one of"]);
    let drift = command(dir.path(), &["segments", "drift"]).json();
    assert_eq!((drift.as_array().unwrap().len(), &drift[0]["run"]), (1, &json!(1)));
    let table = run(&["segments", "list", "--data-dir", path(dir.path())]);
    assert!(table.code == Some(0) && names.iter().all(|name| table.out.contains(name)), "{table:?}");

    let users = get(&format!("{url}/users")).await;
    let user = users["users"].as_array().or(users.as_array()).and_then(|all| all.first()).cloned();
    let user = user.as_ref().and_then(|u| u.as_str().or(u["user_id"].as_str())).expect("a user").to_owned();
    let profile = get(&format!("{url}/v1/users/{user}/profile")).await;
    assert!(names.contains(&profile["segment"]["name"].as_str().unwrap()), "{profile}");
    let page = run(&["profile", &user, "--data-dir", path(dir.path())]);
    assert!(page.out.contains("segment     "), "{page:?}");

    // The next model version carries them. A visitor who has only searched is new at each look.
    let mut visitor = 0;
    let list = until("a list of a segment", || {
        visitor += 1;
        let (url, user) = (url.clone(), format!("visitor{visitor}"));
        async move {
            let at = crate::common::now_ms();
            let search = json!({"event_id": format!("ask-{user}"), "type": "search", "user_id": user, "query": "sports", "occurred_at": at});
            post(&url, search.to_string()).await.ok()?;
            let list = get(&format!("{url}/v1/users/{user}/recommendations?n=5&explain=true")).await;
            (list["made_from"] == "segment").then_some(list)
        }
    })
    .await;
    let reason =
        |item: &Value| item["reason"]["text"].as_str().unwrap().starts_with("popular among sports lovers");
    assert!(list["items"].as_array().unwrap().iter().all(reason), "{list:#}");

    // A number that is given is taken, and who is found again keeps his number and name.
    let two = command(dir.path(), &["jobs", "segment", "--k", "2"]).json();
    assert_eq!((two["segments"].as_array().unwrap().len(), &two["parent"]), (2, &json!(1)));
    assert_eq!(command(dir.path(), &["segments", "drift"]).json().as_array().unwrap().len(), 2);
    let bad = run(&["jobs", "--data-dir", path(dir.path()), "segment", "--k", "1"]);
    assert!(bad.code == Some(2) && bad.err.contains("--k"), "{bad:?}");
    let mut misconfigured = shoptide(&["jobs", "--data-dir", path(dir.path()), "segment"]);
    misconfigured.env("SHOPTIDE_SEGMENTS__K_MAX", "1");
    crate::common::finish(misconfigured).refused(&["segments.k_max", "k_min to 32"]);

    caught_up(dir.path()).await;
    assert!(!running.err.text().contains("ERROR"), "{}", running.err.text());
    running.stop();
    verified(dir.path());
}
