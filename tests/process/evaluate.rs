//! `shoptide evaluate` as other programs call it: files in, a table or JSON out, 2 for whatever is wrong; no data directory.

use std::path::Path;

use crate::common::{path, run};

fn files(dir: &Path) -> (String, String) {
    let (train, test) = (dir.join("train"), dir.join("test"));
    std::fs::write(&train, "a b\n".repeat(10) + &"c d\n".repeat(10)).unwrap();
    std::fs::write(&test, "c d\na b\n").unwrap();
    (path(&train).to_owned(), path(&test).to_owned())
}

#[test]
fn files_in_rows_out() {
    let dir = tempfile::tempdir().unwrap();
    let (train, test) = files(dir.path());
    let lists = path(&dir.path().join("lists")).to_owned();
    let asked =
        ["evaluate", "sessions", "--train", &train, "--test", &test, "--model", "item_item", "--k", "3"];
    let shown = run(&asked);
    assert_eq!(shown.code, Some(0), "{shown:?}");
    assert!(shown.out.contains("HR@3") && shown.out.contains("item_item"), "{shown:?}");
    let json = run(&[&asked[..], &["--json", "--lists", &lists, "--exclude-current", "yes"]].concat()).json();
    assert_eq!(json["rows"][0]["metrics"]["HR@3"], 1.0, "{json}");
    let lists = std::fs::read_to_string(lists).unwrap();
    assert!(lists.starts_with("1\td") && lists.contains("\n2\tb"), "{lists}");
    assert!(!Path::new("shoptide-data").exists(), "no data directory was made");
}

#[test]
fn whatever_is_wrong_is_named_and_is_2() {
    let dir = tempfile::tempdir().unwrap();
    let (train, test) = files(dir.path());
    let sessions = ["evaluate", "sessions", "--train", &train, "--test", &test];
    let ratings = ["evaluate", "ratings", "--file", &train];
    let cases: [(&[&str], &[&str], &str); 7] = [
        (&sessions, &["--model", "nope"], "--model is nope, expected all, best or one of popularity"),
        (&sessions, &["--k", "0"], "--k is 0, expected 1 to 4"),
        (&sessions, &["--valid-share", "1"], "--valid-share is 1, expected above 0 and below 1"),
        (&sessions, &["--lists", "/no/where"], "--lists is given with --model all"),
        (
            &sessions,
            &["--model", "popularity", "--k", "2", "--lists", "/no/where"],
            "/no/where cannot be written",
        ),
        (&sessions, &["--exclude-current", "maybe"], "possible values: auto, yes, no"),
        (&ratings, &[], "line 1: expected the columns user, item, value"),
    ];
    for (command, more, expected) in cases {
        let ended = run(&[command, more].concat());
        assert!(
            ended.code == Some(2) && ended.err.contains(expected) && ended.out.is_empty(),
            "{more:?}: {ended:?}"
        );
    }
}
