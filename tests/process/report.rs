//! Reports from the command line: of a shop at rest, of a log alone, and refused.

use std::path::Path;

use serde_json::Value;
use shoptide_schemas::EventMs;
use shoptide_schemas::time::DAY_MS;

use crate::common::{Ended, caught_up, now_ms, path, post, rested_shop, run, shop, up};

fn report(dir: &Path, more: &[&str]) -> Ended {
    run(&[&["report", "--data-dir", path(dir)], more].concat())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_list_led_to_is_told_of_the_shop_and_of_one_user() {
    let dir = tempfile::tempdir().unwrap();
    rested_shop(dir.path()).await;
    let user = shop(7, 1).user_id(0);
    let list = run(&["recommend", &user, "--json", "-n", "5", "--data-dir", path(dir.path())]).json();
    let places = list["items"].as_array().unwrap();
    let (running, url) = up(dir.path());
    let at = now_ms();
    let told = |what: &str, place: &Value, later: i64, more: &str| {
        let (item, list) = (&place["item_id"], &list["list_id"]);
        format!(
            r#"{{"event_id":"{what}-{}","type":"{what}","user_id":"{user}","item_id":{item},"list_id":{list},"occurred_at":{}{more}}}"#,
            place["rank"],
            at + later
        )
    };
    let mut lines: Vec<String> =
        places.iter().map(|place| told("recommendation_shown", place, 0, "")).collect();
    lines.push(told("recommendation_clicked", &places[0], 10, ""));
    lines.push(told("recommendation_clicked", &places[1], 20, ""));
    lines.push(told("add_to_cart", &places[1], 30, ""));
    lines.push(told("purchase", &places[1], 40, r#","order_id":"o-9","price":"3.20","currency":"CNY""#));
    lines.push(told("recommendation_feedback", &places[0], 50, r#","feedback":"dislike""#));
    assert_eq!(post(&url, lines.join("\n")).await.unwrap().status(), 200);
    caught_up(dir.path()).await;
    running.stop();

    let out = dir.path().join("out");
    let page = report(dir.path(), &["--out", path(&out)]);
    assert!(page.code == Some(0) && page.out.contains("click-through"), "{page:?}");
    assert!(std::fs::read_to_string(out.join("index.html")).unwrap().contains("<svg"));
    let told = report(dir.path(), &["--json", "--source", "log"]).json();
    let rows = |dimension: &str| -> Vec<&Value> {
        told["groups"].as_array().unwrap().iter().filter(|row| row["dimension"] == dimension).collect()
    };
    let total = rows("total")[0];
    let of = |rate: &str| (total[rate]["n"].as_u64().unwrap(), total[rate]["of"].as_u64().unwrap());
    assert_eq!(
        (of("click_through"), of("add_to_cart"), of("conversion")),
        ((2, 5), (1, 2), (1, 2)),
        "{total}"
    );
    assert_eq!((&total["value"]["CNY"], &total["dislike"]), (&"3.20".into(), &1.into()));
    // The shop's own feedback names no list.
    let lists: Vec<&Value> = rows("list").iter().map(|row| &row["group"]).collect();
    assert_eq!(lists, ["personal", "no list named"]);
    assert_eq!(rows("model")[0]["group"], list["model_version"].to_string());
    // Each place is counted under the source that the answer itself named.
    for row in rows("source").into_iter().filter(|row| row["group"] != "unknown") {
        let named = places.iter().filter(|place| place["source"] == row["group"]).count();
        assert_eq!(row["click_through"]["of"], named, "{row} of {list}");
    }

    let why = report(dir.path(), &["--json", "--user", &user]).json();
    assert_eq!(
        (&why["user_id"], why["list"]["items"].as_array().unwrap().is_empty()),
        (&user.as_str().into(), false)
    );
    assert!(why["list"]["items"][0]["reason"]["text"].is_string() && why["profile"]["recent"].is_array());
    let first = &why["list"]["items"][0];
    let parts: f64 = first["parts"].as_object().unwrap().values().map(|part| part.as_f64().unwrap()).sum();
    assert!(0.0 < parts, "{first}");
    let what = |n: usize| why["moments"][n]["what"].as_str().unwrap();
    assert_eq!([what(0), what(1), what(2)], ["said", "bought", "clicked"]);
    let one = dir.path().join("one");
    let page = report(dir.path(), &["--user", &user, "--out", path(&one)]);
    assert!(page.code == Some(0) && one.join("moments.csv").is_file(), "{page:?}");
    assert_eq!(report(dir.path(), &["--json", "--user", "nobody"]).json()["profile"], Value::Null);
}

#[test]
fn a_log_alone_is_enough() {
    let dir = tempfile::tempdir().unwrap();
    let shop = ["--events", "2000", "--users", "50", "--items", "30", "--end", "now", "--data-dir"];
    let made = run(&[&["generate", "--to", "log"], &shop[..], &[path(dir.path())]].concat());
    assert_eq!(made.code, Some(0), "{made:?}");
    let told = report(dir.path(), &["--json"]).json();
    assert!(
        0 < told["totals"]["lines"].as_u64().unwrap() && 0 < told["members"]["members"].as_u64().unwrap()
    );
    assert!(!dir.path().join("truth.db").exists(), "a question makes nothing");
    let none = report(dir.path(), &["--json", "--from", "1999-01-01", "--to", "1999-01-02"]).json();
    assert_eq!((&none["totals"]["lines"], none["groups"].as_array().unwrap().len()), (&0.into(), 0));
}

#[test]
fn bad_arguments_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    report(dir.path(), &[]).refused(&["no log"]);
    let made = ["generate", "--to", "log", "--events", "100", "--users", "5", "--items", "9", "--data-dir"];
    assert_eq!(run(&[&made[..], &[path(dir.path())]].concat()).code, Some(0));
    for (more, why) in [
        (&["--from", "2026-02-01", "--to", "2026-01-01"][..], "--to is 2026-01-01"),
        (&["--from", "2026-02-01", "--to", "2026-02-01"], "--to is 2026-02-01"),
        (&["--from", "yesterday"], "--from is \"yesterday\""),
        (&["--to", "2026-13-01"], "--to is \"2026-13-01\""),
        (&["--window", "91d"], "90 days"),
        (&["--window", "0d"], "a minute"),
        (&["--window", "7"], "--window is \"7\""),
        (&["--window", "99999999999999999999d"], "--window is"),
        (&["--window=-1d"], "--window"),
        (&["--credit", "luck"], "luck"),
        (&["--source", "crystal"], "crystal"),
        (&["--source", "lake"], "lake"),
        (&["--user", " "], "--user"),
        (&["--out", "/"], "no name of a folder"),
        (&["--out", path(dir.path())], "other things"),
    ] {
        report(dir.path(), more).refused(&[why]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_scheduled_report_that_may_not_replace_a_folder_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    rested_shop(dir.path()).await;
    // The last whole day, whichever side of midnight this runs on.
    for back in [0, 1] {
        let day = EventMs(now_ms() - back * DAY_MS).to_rfc3339();
        let folder = dir.path().join("reports").join(&day[..10]);
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join("notes.txt"), "mine").unwrap();
    }
    let ran = run(&["jobs", "--data-dir", path(dir.path()), "run", "report", "--json"]);
    assert_eq!(ran.code, Some(1), "{ran:?}");
    let ran: Value = serde_json::from_str(&ran.out).unwrap();
    assert_eq!(ran["status"], "refused", "{ran:#}");
    assert!(ran["error"].as_str().unwrap().contains("notes.txt"), "{ran:#}");
}

#[cfg(feature = "lake")]
#[tokio::test(flavor = "multi_thread")]
async fn the_lake_is_read_once_something_is_archived() {
    let dir = tempfile::tempdir().unwrap();
    rested_shop(dir.path()).await;
    let source = |ended: Ended| ended.json()["reading"]["source"].clone();
    assert_eq!(source(report(dir.path(), &["--json"])), "log");
    assert!(!dir.path().join("lake").exists(), "a question makes nothing");
    assert_eq!(run(&["jobs", "--data-dir", path(dir.path()), "archive"]).code, Some(0));
    let mut of_lake = report(dir.path(), &["--json"]).json();
    assert_eq!(of_lake["reading"]["source"], "lake");
    of_lake["reading"]["source"] = "log".into();
    assert_eq!(of_lake, report(dir.path(), &["--json", "--source", "log"]).json());
    let user = shop(7, 1).user_id(0);
    assert_eq!(report(dir.path(), &["--json", "--user", &user]).json()["reading"]["source"], "lake");
}
