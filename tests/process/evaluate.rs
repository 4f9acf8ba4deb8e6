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
    let cases: [(&[&str], &[&str], &str); 10] = [
        (&sessions, &["--budget-s", "-1"], "--budget-s is -1, expected 0 to 86400"),
        (&sessions, &["--valid-share", "-1"], "--valid-share is -1, expected above 0 and below 1"),
        (&sessions, &["--k", "-1"], "invalid value '-1' for '--k <K>'"),
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

#[test]
fn a_plot_is_written_at_the_end_or_refused_at_the_start() {
    let dir = tempfile::tempdir().unwrap();
    let (train, test) = files(dir.path());
    let plot = path(&dir.path().join("plot.svg")).to_owned();
    let sessions = ["evaluate", "sessions", "--train", &train, "--test", &test, "--k", "2", "--plot"];
    let drawn = run(&[&sessions[..], &[&plot, "--model", "session_knn", "--budget-s", "1"]].concat());
    assert_eq!(drawn.code, Some(0), "{drawn:?}");
    let svg = std::fs::read_to_string(&plot).unwrap();
    assert!(svg.starts_with("<svg") && svg.contains("HR@2") && svg.contains("trial of its model"), "{svg}");
    std::fs::remove_file(&plot).unwrap();

    let failed = run(&[&sessions[..], &[&plot, "--model", "nope"]].concat());
    assert!(failed.code == Some(2) && !Path::new(&plot).exists(), "{failed:?}");
    let folder = path(dir.path()).to_owned();
    for (out, why) in [
        ("/no/where.svg", "--plot /no/where.svg cannot be written"),
        (folder.as_str(), "cannot be written"),
        (train.as_str(), "expected a file of its own"),
    ] {
        let refused = run(&[&sessions[..], &[out]].concat());
        assert!(
            refused.code == Some(2) && refused.err.contains("--plot") && refused.err.contains(why),
            "{refused:?}"
        );
    }
    let lists = ["--model", "popularity", "--lists", &train];
    let refused = run(&[&sessions[..], &[plot.as_str()], &lists].concat());
    assert!(refused.code == Some(2) && refused.err.contains("--lists is"), "{refused:?}");
    assert!(std::fs::read_to_string(&train).unwrap().starts_with("a b"), "what is read is never replaced");
}
