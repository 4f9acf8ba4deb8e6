//! Questions out of a file: beside a running shop, all or nothing.

use serde_json::json;

use crate::common::{get, path, run, until, up};

const ASK: &str = "v1/faq?q=%E8%BF%90%E8%B4%B9%E5%A4%9A%E5%B0%91%E9%92%B1";

#[tokio::test(flavor = "multi_thread")]
async fn a_file_is_imported_beside_a_running_shop_or_refused_as_a_whole() {
    let dir = tempfile::tempdir().unwrap();
    let (data, file) = (dir.path().join("shop"), dir.path().join("faq.jsonl"));
    let (running, url) = up(&data);
    let example = run(&["faq", "example"]);
    assert_eq!((example.code, example.out.lines().count()), (Some(0), 40), "{example:?}");
    std::fs::write(&file, &example.out).unwrap();
    let import = |file: &std::path::Path, more: &[&str]| {
        run(&[&["faq", "import", path(file), "--data-dir", path(&data)], more].concat())
    };
    let imported = import(&file, &[]);
    assert_eq!((imported.code, imported.out.trim()), (Some(0), "40 questions imported"), "{imported:?}");
    let answer = until("the running shop answers", || async {
        let answer = get(&format!("{url}/{ASK}")).await;
        (answer["known"] == true).then_some(answer)
    })
    .await;
    assert_eq!(answer["answers"][0]["id"], "delivery-fee");
    let listed = || run(&["faq", "list", "--data-dir", path(&data)]).out;
    let before = listed();
    assert_eq!(before.lines().count(), 40);

    let bad = dir.path().join("bad.jsonl");
    let first = example.out.lines().next().unwrap();
    std::fs::write(&bad, format!("{}\n{first}\n{first}\n{{\"id\": 1}}\n", json!({"id": "new"}))).unwrap();
    let refused = import(&bad, &["--replace"]);
    refused.refused(&["nothing was changed", "line 1: category: ", "line 3: id: ", "line 4: "]);
    std::fs::write(&bad, b"{}\n\xff\n").unwrap();
    import(&bad, &[]).refused(&["line 2: not UTF-8"]);
    let csv = dir.path().join("bad.CSV");
    std::fs::write(&csv, "id,category,question_en,answer_en\na,c,q\n").unwrap();
    import(&csv, &[]).refused(&["line 2: row: "]);
    import(&dir.path().join("none"), &[]).refused(&["cannot be read"]);
    assert_eq!(listed(), before);

    std::fs::write(&csv, "id,category,question_en,answer_en\nlamp,c,Which bulb fits the lamp?,E27.\n")
        .unwrap();
    assert_eq!(import(&csv, &["--replace"]).code, Some(0));
    assert_eq!(listed().lines().count(), 1);
    until("the running shop forgets", || async {
        (get(&format!("{url}/{ASK}")).await["known"] == false).then_some(())
    })
    .await;
    running.stop();
}
