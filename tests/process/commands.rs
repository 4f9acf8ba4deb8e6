//! What a curious engineer types, against a shop at rest: tables for people, JSON for machines, errors that say why.

use std::io::{BufRead, BufReader, Read};
use std::process::Stdio;
use std::time::Duration;

use serde_json::Value;
use sqlx::{ConnectOptions, Connection};

use crate::common::{
    Running, caught_up, finish, path, post, rested_shop, run, shop, shoptide, total, up, verified,
};

#[tokio::test(flavor = "multi_thread")]
async fn a_shop_at_rest_answers() {
    let temporary = tempfile::tempdir().unwrap();
    let dir = path(temporary.path());
    rested_shop(temporary.path()).await;
    let user = shop(7, 1).user_id(0);
    let asked = |args: &[&str]| run(&[args, &["--data-dir", dir]].concat());

    let list = asked(&["recommend", &user, "--json", "-n", "7"]).json();
    assert_eq!(
        (&list["made_from"], list["items"].as_array().unwrap().len()),
        (&"personal".into(), 7),
        "{list}"
    );
    let page = asked(&["recommend", &user, "-n", "3"]);
    assert!(page.out.contains("why") && page.out.lines().count() == 5, "{page:?}");
    let fallback = asked(&["recommend", "nobody knows 我", "--json"]).json();
    assert_ne!(fallback["made_from"], "personal", "{fallback}");
    assert_eq!(fallback["items"].as_array().unwrap().len(), 10, "{fallback}");
    // Ids are opaque: none is a path, a query, an option or the end of a line.
    for id in ["a\nb", "../..", "a/b?n=3", "%2F", " x", "\u{1b}[2J"] {
        assert_eq!(asked(&["recommend", id, "--json"]).json()["user_id"], id);
    }
    let dashed = run(&["recommend", "--json", "--data-dir", dir, "--", "--once"]).json();
    assert_eq!(dashed["user_id"], "--once");
    assert_eq!(asked(&["recommend", "--once"]).code, Some(2));
    assert_eq!(asked(&["recommend", &user, "-n", "-1"]).code, Some(2));
    let refused = asked(&["recommend", &user, "-n", "0"]);
    assert!(refused.code == Some(2) && refused.err.contains("n is 0"), "{refused:?}");

    let item = list["items"][0]["item_id"].as_str().unwrap();
    let similar = asked(&["similar", item, "--json"]).json();
    assert!(similar["items"].as_array().unwrap().iter().all(|other| other["item_id"] != item), "{similar}");
    assert!(asked(&["similar", item]).out.starts_with('#'));
    let unknown = asked(&["similar", "NO-SUCH"]);
    assert!(unknown.code == Some(1) && unknown.err.contains("not_found"), "{unknown:?}");

    let profile = asked(&["profile", &user, "--json"]);
    assert!(profile.out.starts_with(r#"{"user_id":"#), "the API's own order: {profile:?}");
    profile.json();
    let page = asked(&["profile", &user]).out;
    let at = |part: &str| page.find(part).unwrap_or_else(|| panic!("{part}: {page}"));
    assert!(
        at("last event") < at("\ndid ")
            && at("\ndid ") < at("\ntastes\n")
            && at("\ntastes\n") < at("\ncategories\n")
    );
    let unknown = asked(&["profile", "nobody"]);
    assert!(unknown.code == Some(1) && unknown.err.contains("nothing is known"), "{unknown:?}");

    let trained = run(&["jobs", "--data-dir", dir, "train", "--json"]);
    assert!(1 < trained.json()["version"].as_u64().unwrap());
    let quality = run(&["jobs", "--data-dir", dir, "evaluate", "--json"]).json();
    assert!(quality["models"]["blend (served)"]["recall_20"].is_number(), "{quality}");
    assert!(run(&["jobs", "--data-dir", dir, "evaluate"]).out.contains("NDCG@20"));
    verified(temporary.path());
    let page = asked(&["state", "verify"]);
    assert!(page.code == Some(0) && page.out.contains("the truth is what the log says"), "{page:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_tail_of_the_log_is_whole_and_follows() {
    let temporary = tempfile::tempdir().unwrap();
    let dir = path(temporary.path());
    // A log without a truth is enough.
    let generated = run(&[
        "generate",
        "--to",
        "log",
        "--events",
        "3000",
        "--users",
        "50",
        "--items",
        "30",
        "--data-dir",
        dir,
    ]);
    assert_eq!(
        (generated.code, generated.out.as_str()),
        (Some(0), "3030 accepted, 0 rejected"),
        "{generated:?}"
    );
    let tail = |more: &[&str]| run(&[&["events", "tail", "--data-dir", dir], more].concat());
    let all = tail(&["--json", "-n", "1000000"]);
    assert_eq!(all.out.lines().count(), 3_030);
    let last = tail(&["--json", "-n", "40"]);
    let lines: Vec<&str> = all.out.lines().collect();
    assert_eq!(last.out.lines().collect::<Vec<_>>(), lines[lines.len() - 40..], "the newest");
    let cart = tail(&["--json", "-n", "5", "--topic", "shop.cart"]);
    assert!(
        cart.out.lines().count() == 5 && cart.out.lines().all(|line| line.contains("shop.cart")),
        "{cart:?}"
    );
    assert_eq!(tail(&["-n", "3"]).out.lines().count(), 4, "headings, and three rows");
    tail(&["--topic", "shop.nonsense"]).refused(&["shop.nonsense", "shop.browse"]);
    tail(&["-n", "1000001"]).refused(&["1000001"]);

    // A reader that has seen enough is no failure.
    let mut command = shoptide(&["events", "tail", "--json", "-n", "1000000", "--data-dir", dir]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut first = String::new();
    BufReader::with_capacity(64, child.stdout.take().unwrap()).read_line(&mut first).unwrap();
    let status = child.wait().unwrap();
    let mut err = String::new();
    child.stderr.take().unwrap().read_to_string(&mut err).unwrap();
    assert_eq!((status.code(), err.as_str()), (Some(0), ""));

    let args =
        ["events", "tail", "--json", "-n", "0", "--follow", "--topic", "shop.browse", "--data-dir", dir];
    let following = Running::start(shoptide(&args));
    let (running, url) = up(temporary.path());
    let event = format!(
        r#"{{"event_id":"followed","type":"view_item","user_id":"U","item_id":"I","occurred_at":{}}}"#,
        crate::common::now_ms()
    );
    // Again until it is seen: the follower may have begun after the first.
    let seen = crate::common::until("the follower", || async {
        assert_eq!(post(&url, event.clone()).await.unwrap().status(), 200);
        following.out.text().contains("followed").then_some(())
    });
    seen.await;
    following.stop();
    running.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_truth_that_somebody_touched_is_found_out() {
    let temporary = tempfile::tempdir().unwrap();
    rested_shop(temporary.path()).await;
    let records = verified(temporary.path())["records"].as_i64().unwrap();
    for (table, sql) in [
        (
            "item_count",
            "UPDATE item_count SET n = n + 1 WHERE rowid IN (SELECT rowid FROM item_count LIMIT 1)",
        ),
        (
            "user_part",
            "UPDATE user_part SET data = data || x'00' WHERE upto = (SELECT MAX(upto) FROM user_part)",
        ),
        ("item_rating", "UPDATE item_rating SET hundredths = hundredths + 1"),
        ("order_line", "DELETE FROM order_line"),
        (
            "stream_offset",
            "UPDATE stream_offset SET applied = applied + 1, duplicate = duplicate - 1 WHERE applied = (SELECT MAX(applied) FROM stream_offset)",
        ),
    ] {
        let copy = tempfile::tempdir().unwrap();
        let copied = ["log.db", "truth.db"];
        for name in copied {
            std::fs::copy(temporary.path().join(name), copy.path().join(name)).unwrap();
        }
        copy_models(temporary.path(), copy.path());
        let file = sqlx::sqlite::SqliteConnectOptions::new().filename(copy.path().join("truth.db"));
        let mut truth = file.connect().await.unwrap();
        // Without row ids where the table has none.
        let sql = if table == "item_count" { "UPDATE item_count SET n = n + 1" } else { sql };
        assert_ne!(sqlx::raw_sql(sql).execute(&mut truth).await.unwrap().rows_affected(), 0, "{table}");
        truth.close().await.unwrap();
        let ended = run(&["state", "verify", "--json", "--data-dir", path(copy.path())]);
        assert_eq!(ended.code, Some(1), "{table}: {ended:?}");
        let report: Value = serde_json::from_str(&ended.out).unwrap();
        let different: Vec<&str> = report["tables"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|row| row["equal"] == false)
            .map(|row| row["table"].as_str().unwrap())
            .collect();
        assert!(different.contains(&table), "{table}: {report:#}");
        assert!(report["ok"] == false && report["records"] == records);
        let page = run(&["state", "verify", "--data-dir", path(copy.path())]);
        assert!(
            page.code == Some(1) && page.out.contains("DIFFERENT") && page.out.contains("NOT WHAT"),
            "{page:?}"
        );
    }
}

fn copy_models(from: &std::path::Path, to: &std::path::Path) {
    std::fs::create_dir(to.join("models")).unwrap();
    for file in std::fs::read_dir(from.join("models")).unwrap() {
        let file = file.unwrap();
        std::fs::copy(file.path(), to.join("models").join(file.file_name())).unwrap();
    }
}

#[test]
fn configuration_is_checked_and_shown() {
    let dir = tempfile::tempdir().unwrap();
    let good = run(&["config", "check"]);
    assert_eq!(good.code, Some(0), "{good:?}");
    let file = dir.path().join("shop.toml");
    std::fs::write(&file, "[serve]\nport = 9001\n").unwrap();
    let with = |name: &str, value: &str, args: &[&str]| {
        let mut command = shoptide(args);
        command.env(name, value);
        finish(command)
    };
    let shown = with("SHOPTIDE_LIST__LENGTH", "77", &["config", "show", "--config", path(&file)]);
    let says =
        |key: &str, value: &str| shown.out.lines().any(|line| line.contains(key) && line.contains(value));
    assert!(says("port", "9001") && says("length", "77"), "{}", shown.out);
    let secret = with("SHOPTIDE_SERVE__WRITE_KEY", "a-very-secret-write-key", &["config", "show"]);
    assert!(secret.code == Some(0) && !secret.out.contains("very-secret"), "{secret:?}");

    let refused = |ended: crate::common::Ended, key: &str| {
        ended.refused(&[key]);
        assert!(ended.took < Duration::from_secs(1), "{:?}", ended.took);
    };
    for command in
        [&["config", "check"][..], &["config", "show"], &["up", "--port", "0", "--data-dir", "never-made"]]
    {
        refused(with("SHOPTIDE_SERVE__PROT", "1", command), "SHOPTIDE_SERVE__PROT");
        refused(with("SHOPTIDE_SERVE__PORT", "eighty", command), "serve.port");
        refused(with("SHOPTIDE_LIST__LENGTH", "9", command), "list.length");
    }
    for (text, key) in [
        ("[serve]\nprot = 1\n", "prot"),
        ("[list\n", "shop.toml"),
        ("[list]\nlength = 20\nshown_default = 30\n", "list.shown_default"),
    ] {
        std::fs::write(&file, text).unwrap();
        refused(run(&["config", "check", "--config", path(&file)]), key);
    }
    refused(run(&["config", "check", "--config", "no-such-file.toml"]), "no-such-file.toml");
    assert!(!std::path::Path::new("never-made").exists());
    // A program that cannot ask a model refuses one, rather than to leave it out without a word.
    #[cfg(not(feature = "assistant"))]
    {
        let shop = dir.path().join("shop");
        with("SHOPTIDE_ASSISTANT__MODEL", "a-model", &["up", "--port", "0", "--data-dir", path(&shop)])
            .refused(&["assistant.model", "--features assistant"]);
    }
}

#[test]
fn every_command_explains_itself_and_refuses_what_it_does_not_know() {
    for command in [
        &["--help"][..],
        &["demo", "--help"],
        &["up", "--help"],
        &["stream", "--help"],
        &["serve", "--help"],
        &["jobs", "--help"],
        &["jobs", "train", "--help"],
        &["jobs", "evaluate", "--help"],
        &["import", "--help"],
        &["generate", "--help"],
        &["recommend", "--help"],
        &["similar", "--help"],
        &["profile", "--help"],
        &["events", "tail", "--help"],
        &["dead-letters", "list", "--help"],
        &["dead-letters", "show", "--help"],
        &["dead-letters", "retry", "--help"],
        &["state", "verify", "--help"],
        &["config", "check", "--help"],
        &["config", "show", "--help"],
    ] {
        let help = run(command);
        assert_eq!(help.code, Some(0), "{help:?}");
        let bare = |line: &&str| {
            let line = line.trim();
            line.starts_with("--") && line.split_whitespace().count() <= 2 && !line.contains("=")
        };
        // Every flag has a word of explanation, on its line or the next.
        let lines: Vec<&str> = help.out.lines().collect();
        for (i, line) in lines.iter().enumerate().filter(|(_, line)| bare(line)) {
            assert!(
                lines.get(i + 1).is_some_and(|next| next.starts_with("          ")),
                "{command:?}: {line}"
            );
        }
    }
    assert_eq!(run(&["--version"]).code, Some(0));
    for wrong in [
        &[][..],
        &["dmeo"],
        &["demo", "--events", "many"],
        &["demo", "--port", "65536"],
        &["recommend"],
        &["up", "--once"],
        &["dead-letters", "retry"],
        &["dead-letters", "retry", "shop.browse/0/1", "--reason", "malformed"],
        &["jobs", "dance"],
    ] {
        assert_eq!(run(wrong).code, Some(2), "{wrong:?}");
    }
    let nowhere = tempfile::tempdir().unwrap();
    let dir = path(nowhere.path());
    for question in [
        &["recommend", "U"][..],
        &["similar", "I"],
        &["profile", "U"],
        &["events", "tail"],
        &["dead-letters", "list"],
        &["dead-letters", "show", "shop.browse/0/1"],
        &["dead-letters", "retry", "--reason", "malformed"],
        &["state", "verify"],
    ] {
        run(&[question, &["--data-dir", dir]].concat()).refused(&["yet", "shoptide demo"]);
    }
    run(&["jobs", "--data-dir", dir, "train"]).refused(&["yet"]);
    assert_eq!(std::fs::read_dir(dir).unwrap().count(), 0, "questions make nothing");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shop_with_keys_is_fed_with_a_key_file() {
    let temporary = tempfile::tempdir().unwrap();
    let key_file = temporary.path().join("key");
    std::fs::write(&key_file, "a-key-for-writers-only\n").unwrap();
    let data = temporary.path().join("data");
    let mut command = shoptide(&["--log-json", "up", "--port", "0", "--data-dir", path(&data)]);
    command.env("SHOPTIDE_SERVE__WRITE_KEY", "a-key-for-writers-only");
    let running = Running::start(command);
    let url = running
        .err
        .find(|line| {
            Some(serde_json::from_str::<Value>(line).ok()?.pointer("/fields/url")?.as_str()?.to_owned())
        })
        .unwrap();
    let size = ["--events", "200", "--users", "10", "--items", "12"];
    let without = run(&[&["generate", "--to", &url], &size[..]].concat());
    assert!(without.code == Some(1) && without.err.contains("401"), "{without:?}");
    let with = run(&[&["generate", "--to", &url, "--key-file", path(&key_file)], &size[..]].concat());
    assert_eq!((with.code, with.out.as_str()), (Some(0), "212 accepted, 0 rejected"), "{with:?}");
    assert!(!running.err.text().contains("for-writers-only"), "no key in the logs");
    caught_up(&data).await;
    running.stop();
    assert_eq!(total(&verified(&data), "logged"), 212);
}
