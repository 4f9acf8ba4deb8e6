//! `shoptide evaluate` from files to rows: every format, every way to be wrong.

use std::io::Write;
use std::path::{Path, PathBuf};

use shoptide_jobs::evaluate::{
    Choice, EvaluateError, ExcludeCurrent, Options, RankingTask, RatingsTask, Report, SessionsTask,
    StreamTask, ranking, ratings, sessions, stream,
};

struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn file(&self, name: &str, content: &str) -> PathBuf {
        let path = self.0.path().join(name);
        std::fs::write(&path, content).unwrap();
        path
    }
}

fn options(model: &str) -> Options {
    Options { model: Choice::from(model), seed: 1, budget_s: None, lists: None }
}

fn session_task(train: &Path, test: &Path, model: &str) -> SessionsTask {
    SessionsTask {
        train: train.to_owned(),
        test: test.to_owned(),
        valid_share: 0.2,
        exclude_current: ExcludeCurrent::No,
        k: 2,
        options: options(model),
    }
}

fn ranking_task(train: &Path, test: &Path, model: &str) -> RankingTask {
    RankingTask {
        train: train.to_owned(),
        test: test.to_owned(),
        items: None,
        valid_share: 0.2,
        k: 2,
        options: options(model),
    }
}

fn stream_task(events: &Path, model: &str) -> StreamTask {
    StreamTask { events: events.to_owned(), positive: 4.0, k: 2, windows: 3, options: options(model) }
}

fn ratings_task(file: &Path, model: &str) -> RatingsTask {
    RatingsTask { file: file.to_owned(), folds: 2, options: options(model) }
}

fn run_sessions(task: &SessionsTask) -> Result<Report, EvaluateError> {
    sessions(task, &mut |_| {})
}

fn run_ranking(task: &RankingTask) -> Result<Report, EvaluateError> {
    ranking(task, &mut |_| {})
}

fn metric(report: &Report, name: &str) -> f64 {
    report.rows[0].metrics.iter().find(|(n, _)| n == name).unwrap_or_else(|| panic!("{name}: {report:?}")).1
}

/// Ten sessions `a b` and five `c d`.
fn lines() -> String {
    "a b\n".repeat(10) + &"c d\n".repeat(5)
}

#[test]
fn sessions_a_line_are_measured_and_listed() {
    let folder = Folder::new();
    let (train, test) = (folder.file("train", &lines()), folder.file("test", "c d\nd c a b\nx y\n"));
    let mut task = session_task(&train, &test, "item_item");
    task.options.lists = Some(folder.0.path().join("lists"));
    let report = run_sessions(&task).unwrap();
    // d after c and b after a are certain; y was never seen.
    assert!((metric(&report, "HR@2") - 2.0 / 3.0).abs() < 1e-9, "{report:?}");
    assert!((metric(&report, "MRR@2") - 2.0 / 3.0).abs() < 1e-9, "{report:?}");
    assert_eq!(report.sizes["test_queries"], 3);
    assert!(report.notes.iter().any(|note| note.starts_with("1 targets are not in the training data")));
    let lists = std::fs::read_to_string(folder.0.path().join("lists")).unwrap();
    let lines: Vec<&str> = lines_of(&lists);
    assert_eq!(lines.len(), 3);
    assert!(lines[0].starts_with("1\td") && lines[2] == "3", "{lines:?}");
    let row = &report.json()["rows"][0];
    assert!(
        row["train_seconds"].is_number() && row["params"].is_object() && row["metrics"]["HR@2"].is_number()
    );
    // Listed: d, then b and d, then nothing. Of 15 sessions d was in 5 and b in 10: -(2 log2 6/16 + log2 11/16) / 3.
    assert!((metric(&report, "novelty") - 1.1235).abs() < 1e-3, "{report:?}");
    // b and d were never in one session; of the two queries of one click one is hit, the one of three clicks is.
    assert_eq!((metric(&report, "diversity"), metric(&report, "fairness")), (1.0, 0.5), "{report:?}");
    assert_eq!(row["by_length"][0]["users"], 2, "sessions of one known click: {row}");
}

fn lines_of(text: &str) -> Vec<&str> {
    text.lines().collect()
}

#[test]
fn session_rows_may_be_packed_in_any_order_and_in_milliseconds() {
    let folder = Folder::new();
    let mut rows = "SessionId\tItemId\tTime\n".to_owned();
    for s in 0..15 {
        let (first, second) = if s < 10 { ("a", "b") } else { ("c", "d") };
        rows += &format!("{s}\t{second}\t{}.5\n{s}\t{first}\t{}\n", 100 * s + 60, 100 * s);
    }
    let plain = folder.file("plain.tsv", &rows);
    let gz = folder.0.path().join("train.tsv.gz");
    let mut packer =
        flate2::write::GzEncoder::new(std::fs::File::create(&gz).unwrap(), flate2::Compression::fast());
    packer.write_all(rows.as_bytes()).unwrap();
    packer.finish().unwrap();
    let zst = folder.0.path().join("train.zst");
    std::fs::write(&zst, zstd::stream::encode_all(rows.as_bytes(), 1).unwrap()).unwrap();
    let test = folder.file(
        "test.tsv",
        "session_id,item_id,timestamp\n1,c,1592337718000\n1,d,1592337719000\n1,c,1592337720000\n",
    );
    let mut found = Vec::new();
    for train in [&plain, &gz, &zst] {
        let mut task = session_task(train, &test, "item_item");
        task.options.lists = Some(folder.0.path().join("lists"));
        let report = run_sessions(&task).unwrap();
        assert_eq!(report.sizes["test_queries"], 2);
        found
            .push((metric(&report, "HR@2"), std::fs::read_to_string(folder.0.path().join("lists")).unwrap()));
    }
    assert!(found[0] == found[1] && found[1] == found[2], "{found:?}");
    // The key is the line of the click that was to be predicted.
    assert!(lines_of(&found[0].1).iter().map(|l| l.split('\t').next().unwrap()).eq(["3", "4"]), "{found:?}");
}

#[test]
fn pairs_are_ranked_without_what_the_user_had() {
    let folder = Folder::new();
    let train = folder.file("train", "user\titem\nu1\ta\nu1\tb\nu2\ta\nu2\tc\nu3\ta\nu1\ta\n");
    let test = folder.file("test", "user\titem\nu3\tb\nu1\tc\nnew\ta\nu2\tzzz\nu2\ta\n");
    let mut task = ranking_task(&train, &test, "popularity");
    task.options.lists = Some(folder.0.path().join("lists"));
    let report = run_ranking(&task).unwrap();
    let lists = std::fs::read_to_string(folder.0.path().join("lists")).unwrap();
    assert_eq!(lists, "u3\tb c\nu1\tc\nnew\ta b\nu2\tb\n");
    // u3, u1 and the stranger are served, u2 is not.
    assert_eq!(metric(&report, "recall@2"), 3.0 / 4.0);
    assert_eq!(metric(&report, "precision@2"), 3.0 / 8.0);
    let starts = [
        "1 test users",
        "1 test pairs have items",
        "1 test pairs are in the training",
        "1 training rows repeat",
    ];
    assert!(starts.iter().all(|s| report.notes.iter().any(|note| note.starts_with(s))), "{:?}", report.notes);
}

#[test]
fn streams_and_ratings_are_read_by_name_or_by_place() {
    let folder = Folder::new();
    let mut rows = "userId,movieId,rating,timestamp\n".to_owned();
    for n in 0..40 {
        rows += &format!("{},{},{},{}\n", n % 8, n % 5, 1 + (n % 5), 1000 - n);
    }
    let named = folder.file("named.csv", &rows);
    let by_place = folder.file("place.csv", &rows.replace("userId,movieId,rating,timestamp", "w,x,y,z"));
    let mut found = Vec::new();
    for file in [&named, &by_place] {
        let streamed = stream(&stream_task(file, "popularity"), &mut |_| {}).unwrap();
        assert_eq!((streamed.sizes["events"], streamed.sizes["tests"]), (40, 16));
        assert_eq!(streamed.rows[0].windows.len(), 3);
        let rated = ratings(&ratings_task(file, "mean"), &mut |_| {}).unwrap();
        assert!(metric(&rated, "RMSE") < 2.0);
        found.push((metric(&streamed, "recall@2"), metric(&rated, "RMSE")));
    }
    assert_eq!(found[0], found[1]);
    let mut folds = "user,item,value,fold\n".to_owned();
    for n in 0..40 {
        folds += &format!("{},{},{},{}\n", n % 8, n % 5, 1 + (n % 5), n % 4);
    }
    let given = ratings(&ratings_task(&folder.file("folds.csv", &folds), "mean"), &mut |_| {}).unwrap();
    assert!(given.protocol.contains("4 folds (given)"), "{}", given.protocol);
}

/// Whatever is wrong is named: the file and the line, or the flag and its bound.
#[test]
fn bad_session_input_is_refused() {
    let f = Folder::new();
    let (train, test) = (f.file("train", &lines()), f.file("test", "a b\n"));
    let header = "SessionId\tItemId\tTime\n";
    let cases: Vec<(&str, SessionsTask, &str)> = vec![
        ("missing", session_task(&f.0.path().join("none"), &test, "popularity"), "none: No such file"),
        ("a folder", session_task(f.0.path(), &test, "popularity"), "is a folder, expected a file"),
        (
            "empty train",
            session_task(&f.file("e1", ""), &test, "popularity"),
            "e1: is empty, expected sessions",
        ),
        ("blank train", session_task(&f.file("e2", "\n \n"), &test, "popularity"), "e2: has no ids"),
        ("empty test", session_task(&train, &f.file("e3", ""), "popularity"), "e3: is empty"),
        ("only a header", session_task(&f.file("e4", header), &test, "popularity"), "e4: has only a header"),
        (
            "one id",
            session_task(&train, &f.file("e5", "a b\nc\n"), "popularity"),
            "e5, line 2: 1 ids, expected 2 or more",
        ),
        (
            "a time that is none",
            session_task(&f.file("e6", &format!("{header}1\ta\tNaN\n")), &test, "popularity"),
            "e6, line 2: time is NaN, expected a finite number",
        ),
        (
            "an infinite time",
            session_task(&f.file("e7", &format!("{header}1\ta\tinf\n")), &test, "popularity"),
            "e7, line 2: time is inf",
        ),
        (
            "too few fields",
            session_task(&f.file("e8", &format!("{header}1\ta\n")), &test, "popularity"),
            "e8, line 2: 2 fields, expected 3",
        ),
        (
            "no time",
            session_task(&f.file("e9", "SessionId\tItemId\n1\ta\n"), &test, "popularity"),
            "e9, line 1: no column time, expected session, item, time",
        ),
        (
            "sessions of one click",
            session_task(&train, &f.file("e10", &format!("{header}1\ta\t1\n2\tb\t1\n")), "popularity"),
            "e10: has no session of two clicks",
        ),
        (
            "unknown model",
            session_task(&train, &test, "gru"),
            "--model is gru, expected all, best or one of popularity",
        ),
        (
            "k 0",
            SessionsTask { k: 0, ..session_task(&train, &test, "popularity") },
            "--k is 0, expected 1 to 4",
        ),
        (
            "k too large",
            SessionsTask { k: 5, ..session_task(&train, &test, "popularity") },
            "--k is 5, expected 1 to 4",
        ),
        (
            "share 0",
            SessionsTask { valid_share: 0.0, ..session_task(&train, &test, "popularity") },
            "--valid-share is 0, expected above 0 and below 1",
        ),
        (
            "share NaN",
            SessionsTask { valid_share: f64::NAN, ..session_task(&train, &test, "popularity") },
            "--valid-share is NaN",
        ),
        (
            "lists of all",
            SessionsTask {
                options: Options { lists: Some(f.0.path().join("l")), ..options("all") },
                ..session_task(&train, &test, "all")
            },
            "--lists is given with --model all, expected one model's NAME, or best",
        ),
        (
            "lists nowhere",
            SessionsTask {
                options: Options { lists: Some(f.0.path().join("no/where")), ..options("popularity") },
                ..session_task(&train, &test, "popularity")
            },
            "no/where cannot be written",
        ),
        (
            "budget below 0",
            SessionsTask {
                options: Options { budget_s: Some(-1.0), ..options("best") },
                ..session_task(&train, &test, "best")
            },
            "--budget-s is -1, expected 0 to 86400",
        ),
    ];
    for (what, task, expected) in cases {
        let said = run_sessions(&task).unwrap_err().to_string();
        assert!(said.contains(expected), "{what}: {said}");
    }
    assert!(!f.0.path().join("l").exists(), "nothing was written for a refused run");
}

#[test]
fn bad_pairs_are_refused() {
    let f = Folder::new();
    let (train, test) = (f.file("train", "user\titem\n1\ta\n2\tb\n"), f.file("test", "user\titem\n1\tb\n"));
    let cases = [
        (
            "empty train",
            ranking_task(&f.file("e1", ""), &test, "als"),
            "e1: is empty, expected a header with user, item",
        ),
        (
            "only a header",
            ranking_task(&train, &f.file("e2", "user\titem\n"), "als"),
            "e2: has only a header",
        ),
        (
            "no header",
            ranking_task(&f.file("e3", "1\t2\n1\t3\n"), &test, "als"),
            "e3, line 1: expected the columns user, item",
        ),
        ("one column", ranking_task(&f.file("e4", "user\n1\n"), &test, "als"), "e4, line 1: no column item"),
        (
            "no id",
            ranking_task(&f.file("e5", "user\titem\n\ta\n"), &test, "als"),
            "e5, line 2: user is empty, expected an id",
        ),
        (
            "unknown model",
            ranking_task(&train, &test, "knn"),
            "expected all, best or one of popularity, item_item",
        ),
        (
            "k too large",
            RankingTask { k: 3, ..ranking_task(&train, &test, "als") },
            "--k is 3, expected 1 to 2",
        ),
        (
            "share 1",
            RankingTask { valid_share: 1.0, ..ranking_task(&train, &test, "als") },
            "--valid-share is 1",
        ),
    ];
    for (what, task, expected) in cases {
        let said = run_ranking(&task).unwrap_err().to_string();
        assert!(said.contains(expected), "{what}: {said}");
    }
}

#[test]
fn bad_ratings_and_streams_are_refused() {
    let f = Folder::new();
    let good = f.file("good", "user,item,value,time\n1,a,5,1\n1,b,3,2\n2,a,4,3\n");
    let of = |name: &str, rows: &str| f.file(name, &format!("user,item,value,time\n{rows}"));
    let long = "1".repeat(60);
    for (name, rows, expected) in [
        ("r1", "1,a,NaN,1\n", "line 2: value is NaN, expected a finite number"),
        ("r2", "1,a,5,1\n1,a,inf,1\n", "line 3: value is inf"),
        ("r3", "1,a,,1\n", "line 2: value is , expected a finite number"),
        ("r4", "1,a,5,9e15\n", "line 2: time is 9000000000000000, expected at most 1e15"),
        ("r5", "", "has only a header"),
        ("r6", &format!("1,a,{long}e9,1\n"), "line 2: value is 1111"),
    ] {
        let file = of(name, rows);
        for said in [
            stream(&stream_task(&file, "popularity"), &mut |_| {}).unwrap_err().to_string(),
            ratings(&ratings_task(&file, "mean"), &mut |_| {}).unwrap_err().to_string(),
        ] {
            assert!(said.contains(name) && said.contains(expected), "{name}: {said}");
        }
    }
    let stream_says = |task: StreamTask| stream(&task, &mut |_| {}).unwrap_err().to_string();
    let task = stream_task(&good, "popularity");
    assert!(stream_says(StreamTask { k: 9, ..task.clone() }).contains("--k is 9, expected 1 to 2"));
    assert!(
        stream_says(StreamTask { positive: 6.0, ..task.clone() })
            .contains("--positive is 6, expected at most 5")
    );
    assert!(stream_says(StreamTask { positive: f32::NAN, ..task.clone() }).contains("positive is NaN"));
    assert!(
        stream_says(StreamTask { windows: 0, ..task.clone() }).contains("windows is 0, expected 1 to 10000")
    );
    let lists = Options { lists: Some(f.0.path().join("x")), ..options("popularity") };
    assert!(stream_says(StreamTask { options: lists, ..task }).contains("--lists is given for a stream"));
    let ratings_say = |task: RatingsTask| ratings(&task, &mut |_| {}).unwrap_err().to_string();
    assert!(
        ratings_say(RatingsTask { folds: 1, ..ratings_task(&good, "mean") })
            .contains("--folds is 1, expected 2 to 3")
    );
    assert!(
        ratings_say(RatingsTask { folds: 4, ..ratings_task(&good, "mean") })
            .contains("--folds is 4, expected 2 to 3")
    );
    assert!(
        ratings_say(ratings_task(&good, "svd3"))
            .contains("--model is svd3, expected all, best or one of mean")
    );
    let untimed = f.file("untimed", "user,item,value\n1,a,5\n");
    assert!(stream_says(stream_task(&untimed, "popularity")).contains("untimed, line 1: no column time"));
}

/// Every model of every protocol on data that is as poor as it can be: a row or an error, never a panic.
#[test]
fn poor_data_never_panics() {
    let f = Folder::new();
    let tests = f.file("test", "a a\n");
    for (n, rows) in
        ["a\n", "a a a a\n", "a\na\na\n", "a b c d e f g h\n", "a a\nb b\n"].into_iter().enumerate()
    {
        let train = f.file(&format!("s{n}"), rows);
        for model in ["all", "best"] {
            let task = session_task(&train, &tests, model);
            let options = Options { budget_s: Some(0.05), ..task.options.clone() };
            let made = run_sessions(&SessionsTask { k: 1, options, ..task });
            assert!(
                made.is_ok() || made.is_err_and(|e| matches!(e, EvaluateError::Fit { .. })),
                "{rows:?} {model}"
            );
        }
    }
    let header = "user\titem\n";
    let test = f.file("rt", &format!("{header}1\ta\nnew\tnew\n"));
    for (n, rows) in
        ["1\ta\n", "1\ta\n1\tb\n1\tc\n", "1\ta\n2\ta\n3\ta\n", "1\ta\n1\ta\n"].into_iter().enumerate()
    {
        let train = f.file(&format!("r{n}"), &format!("{header}{rows}"));
        for model in ["all", "best"] {
            let task = ranking_task(&train, &test, model);
            let options = Options { budget_s: Some(0.05), ..task.options.clone() };
            let made = run_ranking(&RankingTask { k: 1, options, ..task });
            assert!(
                made.is_ok() || made.is_err_and(|e| matches!(e, EvaluateError::Fit { .. })),
                "{rows:?} {model}"
            );
        }
    }
    let header = "user,item,value,time\n";
    for (n, rows) in ["1,a,5,1\n1,b,5,1\n", "1,a,5,1\n1,a,5,1\n2,a,5,1\n", "1,a,5,-9\n1,b,-3,0\n2,c,4,1e14\n"]
        .into_iter()
        .enumerate()
    {
        let file = f.file(&format!("e{n}"), &format!("{header}{rows}"));
        for model in ["all", "best"] {
            let options = Options { budget_s: Some(0.05), ..options(model) };
            let task = StreamTask { k: 1, options: options.clone(), ..stream_task(&file, model) };
            stream(&task, &mut |_| {}).unwrap();
            ratings(&RatingsTask { options, ..ratings_task(&file, model) }, &mut |_| {}).unwrap();
        }
    }
}

#[test]
fn the_best_is_found_on_the_cut_and_is_the_same_again() {
    let f = Folder::new();
    // Who likes even items goes on with even ones; the popular item 0 misleads.
    let (mut train, mut test) = ("user\titem\n".to_owned(), "user\titem\n".to_owned());
    for user in 0..60 {
        let side = user % 2;
        for step in 0..8 {
            train += &format!("{user}\t{}\n", 2 * ((user * 7 + step * 3) % 20) + side);
        }
        test += &format!("{user}\t{}\n", 2 * ((user * 7 + 8 * 3) % 20) + side);
    }
    let (train, test) = (f.file("train", &train), f.file("test", &test));
    let run = |model: &str, budget_s| {
        let task = ranking_task(&train, &test, model);
        let options = Options { budget_s, ..task.options.clone() };
        run_ranking(&RankingTask { k: 10, options, ..task }).unwrap()
    };
    let all = run("all", None);
    let best = run("best", Some(0.0));
    assert_eq!(best.rows.len(), 1);
    assert!(best.rows[0].tuned.is_some_and(|tuned| 0 < tuned.trials), "{best:?}");
    let of = |report: &Report, at: usize| report.rows[at].metrics[0].1;
    let popularity = of(&all, 0);
    assert!(popularity < of(&best, 0), "{best:?}");
    let again = run("best", Some(0.0));
    assert_eq!(best.rows[0].metrics, again.rows[0].metrics);
}

/// Half of the users are of one taste and well served, half of another that the yardstick cannot see.
#[test]
fn fairness_is_measured_by_segment() {
    let f = Folder::new();
    let (mut train, mut test) = ("user\titem\n".to_owned(), "user\titem\n".to_owned());
    for user in 0..20 {
        let side = if user < 14 { "a" } else { "b" };
        (0..5).for_each(|n| train += &format!("{user}\t{side}{}\n", (user + n) % 6));
        test += &format!("{user}\t{side}{}\n", (user + 5) % 6);
    }
    let (train, test) = (f.file("train", &train), f.file("test", &test));
    let report = run_ranking(&RankingTask { k: 1, ..ranking_task(&train, &test, "popularity") }).unwrap();
    let row = &report.json()["rows"][0];
    let groups = row["by_segment"].as_array().unwrap();
    assert_eq!(groups.iter().map(|g| g["users"].as_u64().unwrap()).sum::<u64>(), 20, "{row}");
    let best = groups.iter().map(|g| g["ndcg"].as_f64().unwrap()).fold(0.0, f64::max);
    assert!(best == 1.0 && row["fairness_by_segment"] == 0.0, "{row}");
    assert!(row["by_activity"].is_array() && row["gini"].is_number(), "{row}");
}

#[test]
fn items_are_ranked_by_what_they_say_of_themselves() {
    let f = Folder::new();
    let train = f.file("train", "user\titem\n1\ta\n2\tb\n3\tc\n4\td\n");
    let test = f.file("test", "user\titem\n1\tc\n2\td\n");
    // A quoted comma, a byte order mark, an item that nobody had; `d` says nothing.
    let said = "\u{feff}Item_ID,title,genres\na,\"Red, warm shoe\",sport|shoes\nb,Blue lamp,home\nc,Green shoe,sport\nzz,x,\n";
    let with = |items: &Path, model: &str| {
        run_ranking(&RankingTask {
            items: Some(items.to_owned()),
            k: 1,
            ..ranking_task(&train, &test, model)
        })
    };
    let items = f.file("items", said);
    let report = with(&items, "content").unwrap();
    assert_eq!((report.rows.len(), metric(&report, "recall@1")), (1, 0.5), "{report:?}");
    assert!(report.notes[0].contains("3 of 4 items say something; 1 rows are of items"), "{report:?}");
    assert_eq!(
        with(&items, "all").unwrap().rows.last().map(|row| row.model.clone()),
        Some("content".to_owned())
    );

    let long = format!("item,title\na,{}\n", "x".repeat(70_000));
    for (name, content, expected) in [
        ("i1", "", "i1, line 1: no column item"),
        ("i2", "title\nx\n", "i2, line 1: no column item"),
        ("i3", "item,price\na,1\n", "i3, line 1: expected one of the columns title"),
        ("i4", "item,title\n,x\n", "i4, line 2: item is empty"),
        ("i5", &long, "i5, line 2: a field of 70000 bytes, expected at most 65536"),
    ] {
        let said = with(&f.file(name, content), "content").unwrap_err().to_string();
        assert!(said.contains(expected), "{said}");
    }
    let folder = with(f.0.path(), "content").unwrap_err().to_string();
    assert!(folder.contains("directory"), "{folder}");
    let without = run_ranking(&ranking_task(&train, &test, "content")).unwrap_err().to_string();
    assert!(without.contains("--items is not given"), "{without}");
    let nothing = with(&f.file("i6", "item,title\n"), "content").unwrap();
    assert_eq!(metric(&nothing, "recall@1"), 0.0);
}
