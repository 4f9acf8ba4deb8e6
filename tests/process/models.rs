//! What is served is changed by hand while a shop runs.

use std::path::Path;

use serde_json::Value;

use crate::common::{
    Ended, caught_up, finish, get, path, run, send, shop, shoptide, trained, until, up, verified,
};

fn models(dir: &Path, args: &[&str]) -> Ended {
    run(&[&["models", "--data-dir", path(dir)], args].concat())
}

/// A training beside the shop that nobody would want: one factor, no neighbours, judged from ten users on.
fn worse(dir: &Path) -> Ended {
    let mut command = shoptide(&["jobs", "--data-dir", path(dir), "train", "--json"]);
    command
        .env("SHOPTIDE_GATE__USERS_MIN", "10")
        .env("SHOPTIDE_ALS__RANK", "1")
        .env("SHOPTIDE_ALS__SWEEPS", "1");
    command.env("SHOPTIDE_ALS__REGULARIZATION", "100").env("SHOPTIDE_ITEM_ITEM__K", "1");
    finish(command)
}

fn statuses(dir: &Path) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let all = models(dir, &["list", "--json"]).json();
    all.as_array().unwrap().iter().map(|one| (text(&one["model"]), text(&one["status"]))).collect()
}

/// The version that the shop's lists are made with.
async fn listed(url: &str) -> u64 {
    let user = shop(7, 1).user_id(0);
    get(&format!("{url}/v1/users/{user}/recommendations")).await["model_version"].as_u64().unwrap_or(0)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_candidate_is_refused_promoted_and_taken_back_beside_a_running_shop() {
    let dir = tempfile::tempdir().unwrap();
    models(dir.path(), &["list"]).refused(&["no shop"]);
    let (running, url) = up(dir.path());
    send(&url, &shop(7, 3_000)).await;
    caught_up(dir.path()).await;
    trained(&url).await;
    let refused = worse(dir.path());
    assert_eq!(refused.code, Some(1), "{refused:?}");
    let said: Value = serde_json::from_str(&refused.out).unwrap();
    let name = said["candidate"].as_str().unwrap().to_owned();
    assert_eq!(
        (said["status"].as_str(), said["gate"]["verdict"].as_str()),
        (Some("candidate"), Some("refused"))
    );
    assert!(said["why"][0].as_str().unwrap().contains("% less"), "{said}");
    assert!(statuses(dir.path()).contains(&(name.clone(), "refused".to_owned())));
    let shown = models(dir.path(), &["show", &name]);
    assert!(shown.code == Some(0) && shown.out.contains("gate: beside version"), "{shown:?}");
    let served = statuses(dir.path()).into_iter().find(|(_, status)| status == "served").unwrap().0;
    let beside = models(dir.path(), &["compare", &served, &name, "--json"]).json();
    assert!(beside["users"].as_u64().unwrap() > 10 && beside["lists_overlap"].is_number(), "{beside}");
    // Against the gate only by force; then the running shop takes it over, and takes it back.
    let no = models(dir.path(), &["promote", &name]);
    assert!(no.code == Some(1) && no.err.contains("--force") && no.err.contains("% less"), "{no:?}");
    let yes = models(dir.path(), &["promote", &name, "--force"]);
    assert!(yes.code == Some(0) && yes.out.contains("is served as version"), "{yes:?}");
    let version = |out: &str| out.split("version ").last().unwrap().trim().parse::<u64>().unwrap();
    let promoted = version(&yes.out);
    until("the promoted model", || async { (promoted <= listed(&url).await).then_some(()) }).await;
    let back = models(dir.path(), &["rollback"]);
    assert!(back.code == Some(0) && back.out.contains("is served again, as version"), "{back:?}");
    let again = version(back.out.lines().next().unwrap());
    assert!(promoted < again);
    until("the older model", || async { (again <= listed(&url).await).then_some(()) }).await;
    models(dir.path(), &["rollback", "c1"]).refused(&["was never served"]);
    models(dir.path(), &["promote", "1"]).refused(&["was served already"]);
    for no in [["show", "99"], ["promote", "99"], ["promote", "c99"], ["rollback", "99"]] {
        models(dir.path(), &no).refused(&["no model", no[1], "models list"]);
    }
    models(dir.path(), &["compare", "1", "99"]).refused(&["no model 99"]);
    models(dir.path(), &["show", "999"]).refused(&["no model 999"]);
    models(dir.path(), &["show", "x"]).refused(&["a candidate such as"]);
    assert!(!running.err.text().contains("\"ERROR\""), "{}", running.err.text());
    running.stop();
    verified(dir.path());
}
