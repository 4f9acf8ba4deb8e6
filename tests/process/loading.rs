//! Events from elsewhere: files imported through a collector or straight into the log, and the generated shop.

use std::io::Read;
use std::process::Stdio;

use crate::common::{caught_up, path, run, shoptide, total_of_users, up, verified};

const ROWS: &str = "timestamp,visitorid,event,itemid,transactionid
1433221332117,257597,view,355908,
1433224214164,992329,view,248676,
1433221999827,111016,addtocart,318965,
1433221955914,483717,transaction,12836,7
yesterday,951259,view,367447,
1433222276276,599528,buy,356475,
1433222276277,,view,356475,
";
const OWN: &str = r#"format = "csv"
[fields]
user = "visitorid"
item = "itemid"
type = "event"
time = "timestamp"
[time]
unit = "epoch"
[types]
view = "view_item"
"#;

#[tokio::test(flavor = "multi_thread")]
async fn a_file_imported_twice_counts_once() {
    let temporary = tempfile::tempdir().unwrap();
    let file = temporary.path().join("events.csv");
    std::fs::write(&file, ROWS).unwrap();
    let data = temporary.path().join("data");
    let import = |more: &[&str]| {
        run(&[&["import", path(&file), "--mapping", "retailrocket", "--data-dir", path(&data)], more]
            .concat())
    };
    let direct = import(&["--json"]).json();
    assert_eq!(
        ["rows", "events", "bad", "accepted", "rejected"].map(|field| direct[field].as_u64().unwrap()),
        [7, 4, 3, 4, 0],
        "{direct}"
    );
    let lines: Vec<u64> =
        direct["bad_lines"].as_array().unwrap().iter().map(|bad| bad["line"].as_u64().unwrap()).collect();
    assert_eq!(lines, [6, 7, 8], "{direct}");
    let (running, url) = up(&data);
    caught_up(&data).await;
    let page = import(&["--to", &url]);
    assert!(page.code == Some(0) && page.out.starts_with("7 rows: 4 events"), "{page:?}");
    caught_up(&data).await;
    running.stop();
    let report = verified(&data);
    assert_eq!(
        ["applied", "duplicate", "late"].map(|column| total_of_users(&report, column)),
        [4, 4, 0],
        "{report:#}"
    );
    let known = run(&["profile", "483717", "--data-dir", path(&data)]);
    assert!(known.out.contains("purchase 1") && known.out.contains("2015-06-02"), "{known:?}");
}

#[test]
fn an_import_that_cannot_be_is_refused() {
    let temporary = tempfile::tempdir().unwrap();
    let file = temporary.path().join("events.csv");
    std::fs::write(&file, ROWS).unwrap();
    let data = temporary.path().join("data");
    let import =
        |file: &str, more: &[&str]| run(&[&["import", file, "--data-dir", path(&data)], more].concat());
    let file = path(&file);
    import(file, &["--mapping", "retailrocket", "--speed", "fast"]).refused(&["speed", "fast"]);
    import(file, &["--mapping", "retailrokcet"]).refused(&["retailrokcet", "retailrocket"]);
    import("no-such.csv", &["--mapping", "retailrocket"]).refused(&["no-such.csv"]);
    import(file, &[]).refused(&["--mapping"]);
    import(file, &["--mapping", "retailrocket", "--to", "https://shop.example"]).refused(&["http://"]);
    // A file of another shape: the missing column is named.
    import(file, &["--mapping", "movielens"]).refused(&["column"]);
    // A mapping of one's own: a column that the file lacks, a misspelt key, no mapping at all.
    let mapping = temporary.path().join("own.toml");
    for (text, why) in [
        (OWN.replace("visitorid", "customer"), ["fields.user", "customer"]),
        (OWN.replace("user =", "usr ="), ["own.toml", "usr"]),
        (ROWS.to_owned(), ["own.toml", "not a mapping"]),
    ] {
        std::fs::write(&mapping, text).unwrap();
        import(file, &["--mapping", path(&mapping)]).refused(&why);
    }
    import(file, &["--mapping", path(temporary.path())]).refused(&["mapping"]);
    // What is no file of events: a folder, nothing, bytes, packed and cut off at once.
    import(path(temporary.path()), &["--mapping", "retailrocket"]).refused(&["directory"]);
    let other = temporary.path().join("other");
    for bytes in [&b""[..], b"\0\x01\xff\xfe", b"\x1f\x8b\x08", b"\x28\xb5\x2f\xfd\x04"] {
        std::fs::write(&other, bytes).unwrap();
        import(path(&other), &["--mapping", "retailrocket"]).refused(&[]);
    }
    assert!(!data.exists(), "nothing was made");
}

#[test]
fn a_generated_shop_is_the_same_bytes_every_time() {
    let temporary = tempfile::tempdir().unwrap();
    let size = ["--events", "2000", "--items", "30"];
    let generate = |more: &[&str]| run(&[&["generate"], &size[..], more].concat());
    let (one, two) = (generate(&["--seed", "11"]), generate(&["--seed", "11"]));
    assert_eq!((one.code, one.out.lines().count()), (Some(0), 2_030));
    assert!(one.out == two.out, "the same seed");
    assert!(one.out != generate(&["--seed", "12"]).out, "another seed");
    let file = temporary.path().join("shop.jsonl");
    assert_eq!(generate(&["--seed", "11", "--to", path(&file)]).code, Some(0));
    assert_eq!(std::fs::read_to_string(&file).unwrap().trim_end(), one.out);
    for line in one.out.lines() {
        serde_json::from_str::<serde_json::Value>(line).unwrap();
    }
    generate(&["--users", "0"]).refused(&["users is 0"]);
    generate(&["--end", "tomorrow"]).refused(&["--end"]);
    generate(&["--run", "a b"]).refused(&["run is"]);
    generate(&["--to", path(&temporary.path().join("no/such/folder"))]).refused(&["no/such/folder"]);
    generate(&["--to", "ftp://shop.example"]).refused(&["ftp://"]);
}

#[test]
fn a_reader_that_has_seen_enough_is_no_failure() {
    let mut command = shoptide(&["generate", "--events", "1000000"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut some = [0; 1_000];
    child.stdout.take().unwrap().read_exact(&mut some).unwrap();
    let status = child.wait().unwrap();
    let mut err = String::new();
    child.stderr.take().unwrap().read_to_string(&mut err).unwrap();
    assert_eq!((status.code(), err.as_str()), (Some(0), ""));
}
