//! Files of questions: what is read, and how each bad row is named.

use shoptide_jobs::faq::{BAD_ROWS_MAX, BadRow, read_csv, read_lines};
use shoptide_models::faq::example;

fn line(id: &str, question: &str) -> String {
    format!(r#"{{"id":"{id}","category":"c","questions":{{"en":["{question}"]}},"answers":{{"en":"yes"}}}}"#)
}

fn named(bad: &[BadRow]) -> Vec<(u64, &str, &str)> {
    bad.iter().map(|row| (row.line, &*row.reject.field, row.reject.code.as_str())).collect()
}

#[test]
fn both_formats_say_the_same() {
    let entries = example().unwrap();
    let lines: String =
        entries.iter().map(|entry| String::from_utf8(entry.to_bytes()).unwrap() + "\r\n\n").collect();
    assert_eq!(read_lines(&lines).unwrap(), entries);
    let mut csv = csv::Writer::from_writer(Vec::new());
    csv.write_record(["id", "answer_en", "category", "tags", "question_zh", "question_en", "answer_zh"])
        .unwrap();
    for entry in &entries {
        let asked = |language: &str| entry.questions[language].join(" | ");
        let row = [
            entry.id.as_str(),
            &entry.answers["en"],
            &entry.category,
            &entry.tags.join("|"),
            &asked("zh"),
            &asked("en"),
            &entry.answers["zh"],
        ];
        csv.write_record(row).unwrap();
    }
    let csv = String::from_utf8(csv.into_inner().unwrap()).unwrap();
    assert_eq!(read_csv(&format!("\u{feff}{csv}")).unwrap(), entries);
}

#[test]
fn every_bad_line_is_named_with_its_field() {
    let text = [
        line("a", "one"),
        line("a", "two"),
        line("b", "One "),
        "{broken".to_owned(),
        r#"["a"]"#.to_owned(),
        line("", "three"),
        line("c", "four").replace("\"answers\"", "\"replies\""),
        line("d", &"x".repeat(2_000)),
        line("e", "five"),
    ]
    .join("\n");
    let bad = read_lines(&text).unwrap_err();
    let expected = [
        (2, "id", "duplicate_field"),
        (3, "questions.en", "duplicate_field"),
        (4, "entry", "malformed"),
        (5, "entry", "bad_value"),
        (6, "id", "blank"),
        (7, "replies", "unknown_field"),
        (8, "questions.en", "too_long"),
    ];
    assert_eq!(named(&bad), expected);
    assert_eq!(bad[0].to_string(), "line 2: id: id has the id of line 1 again");
}

#[test]
fn every_bad_row_of_csv_is_named_with_its_line() {
    let text = "id,category,question_en,answer_en\n\
        a,c,\"two\nlines\",yes\n\
        a,c,other,yes\n\
        b,c,third\n\
        c,,fourth,yes\n\
        d,c,fifth,\n\
        e,c,,yes\n";
    let bad = read_csv(text).unwrap_err();
    let expected = [
        (4, "id", "duplicate_field"),
        (5, "row", "malformed"),
        (6, "category", "blank"),
        (7, "answers.en", "missing"),
        (8, "questions", "missing"),
    ];
    assert_eq!(named(&bad), expected);
}

#[test]
fn heads_and_files_that_cannot_be_meant_are_refused() {
    for (text, field, code) in [
        ("", "entry", "missing"),
        ("id,category\n", "entry", "missing"),
        ("id,question_en,answer_en\na,b,c\n", "category", "missing"),
        ("id,id,category\na,b,c\n", "head", "duplicate_field"),
        ("id,category,quesion_en\na,b,c\n", "head", "unknown_field"),
    ] {
        assert_eq!(named(&read_csv(text).unwrap_err()), [(1, field, code)], "{text}");
    }
    assert_eq!(named(&read_lines(" \n\n").unwrap_err()), [(1, "entry", "missing")]);
    assert_eq!(read_lines(&"nonsense\n".repeat(10_000)).unwrap_err().len(), BAD_ROWS_MAX);
}
