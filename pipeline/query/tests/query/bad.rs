//! Questions that cannot be answered, and files that cannot be read: each says what is wrong and where.

use std::sync::Arc;

use arrow_array::{Int64Array, RecordBatch};
use arrow_schema::{DataType, Field, Schema};
use shoptide_query::{QueryError, Sources, Statement};

use crate::common::*;

#[tokio::test]
async fn a_syntax_error_has_its_place() {
    let error = Statement::all("SELECT 1;\nSELECT count(*)\n  FROMM events WHERE").unwrap_err();
    let QueryError::Syntax { at, .. } = &error else { panic!("{error:?}") };
    assert_eq!(at.unwrap().0, 3, "{error}");
    assert!(error.to_string().starts_with("syntax error at line 3, column"), "{error}");
    let error = Statement::all("SELECT 'open").unwrap_err();
    assert!(matches!(error, QueryError::Syntax { at: Some((1, _)), .. }), "{error:?}");
    assert!(error.is_refusal());
}

#[tokio::test]
async fn unknown_names_are_told_with_those_that_there_are() {
    let lake = lake(21, 100);
    let error = refused(&lake.shop, "SELECT * FROM event").await;
    let QueryError::NoTable { name, have } = &error else { panic!("{error:?}") };
    assert_eq!(
        (name.as_str(), have.as_slice()),
        ("event", ["events".to_owned(), "records".to_owned()].as_slice())
    );
    let error = refused(&lake.shop, "SELECT usr_id FROM events").await;
    let QueryError::NoColumn { name, have } = &error else { panic!("{error:?}") };
    assert_eq!(name, "usr_id");
    assert!(have.contains(&"user_id".to_owned()) && have.contains(&"date".to_owned()), "{have:?}");
    let error = refused(&lake.shop, "SELECT nothing_of_ours(1)").await;
    assert!(error.to_string().contains("nothing_of_ours"), "{error}");
    assert!(lake.shop.columns("events").await.is_ok());
    assert!(matches!(lake.shop.columns("event").await, Err(QueryError::NoTable { .. })));
}

#[tokio::test]
async fn what_is_not_there_says_how_to_make_it() {
    let shop = shoptide_query::open(&options(), Sources::default()).unwrap();
    let error = refused(&shop, "SELECT count(*) FROM events").await;
    assert!(matches!(error, QueryError::NoLake { .. }), "{error:?}");
    assert!(error.to_string().contains("`shoptide jobs archive`"), "{error}");
    let error = refused(&shop, "SELECT count(*) FROM catalogue").await;
    assert!(matches!(error, QueryError::NoStore { .. }), "{error:?}");
}

#[tokio::test]
async fn whatever_writes_is_refused() {
    let lake = lake(22, 100);
    for (sql, what) in [
        ("INSERT INTO events SELECT * FROM events", "INSERT INTO"),
        ("DELETE FROM events", "DELETE FROM"),
        ("UPDATE events SET type = 'x'", "UPDATE"),
        ("CREATE TABLE t AS SELECT 1", "CREATE TABLE"),
        ("CREATE VIEW v AS SELECT 1", "CREATE VIEW"),
        ("CREATE EXTERNAL TABLE t STORED AS PARQUET LOCATION '/etc'", "CREATE EXTERNAL TABLE"),
        ("DROP TABLE events", "DROP TABLE"),
        ("COPY events TO '/tmp/x.parquet'", "COPY"),
        ("SET datafusion.execution.batch_size = 1", "SET"),
        ("EXPLAIN ANALYZE INSERT INTO events SELECT * FROM events", ""),
        ("SELECT * INTO t FROM events", ""),
    ] {
        let error = refused(&lake.shop, sql).await;
        let QueryError::ReadOnly { what: found } = &error else { panic!("{sql}: {error:?}") };
        assert!(found.contains(what), "{sql}: {found}");
        assert!(error.is_refusal());
    }
    // Nothing of the machine can be named as a table.
    assert!(refused(&lake.shop, "SELECT * FROM '/etc/passwd'").await.is_refusal());
}

fn is_of(error: &QueryError, path: &str, words: &str) {
    let QueryError::File { path: found, reason } = error else { panic!("{error:?}") };
    assert_eq!(found, path);
    assert!(reason.contains(words), "{reason}");
}

#[tokio::test]
async fn a_file_that_is_cut_short_is_named() {
    let lake = lake(23, 500);
    let path = lake.path(7);
    let bytes = std::fs::read(&path).unwrap();
    std::fs::write(&path, &bytes[..bytes.len() / 2]).unwrap();
    is_of(
        &refused(&lake.shop, "SELECT max(user_id) FROM events").await,
        &lake.parts[7].path,
        "cannot be read",
    );
    std::fs::remove_file(&path).unwrap();
    is_of(
        &refused(&lake.shop, "SELECT max(user_id) FROM events").await,
        &lake.parts[7].path,
        "cannot be read",
    );
}

#[tokio::test]
async fn a_file_whose_pages_are_damaged_is_named() {
    let lake = lake(24, 500);
    let path = lake.path(9);
    let mut bytes = std::fs::read(&path).unwrap();
    // The footer stays whole: only unpacking can notice.
    let (_, last) = bytes.split_last_chunk::<8>().unwrap();
    let footer = u32::from_le_bytes([last[0], last[1], last[2], last[3]]) as usize;
    let pages = bytes.len() - 8 - footer;
    bytes[4..pages].fill(0xa5);
    std::fs::write(&path, &bytes).unwrap();
    let error = refused(&lake.shop, "SELECT topic, max(event_id), max(user_id), max(occurred_at), max(appended_at), max(\"offset\") FROM events GROUP BY 1").await;
    is_of(&error, &lake.parts[9].path, "cannot be read");
}

#[tokio::test]
async fn a_foreign_file_is_no_rows_of_null() {
    let lake = lake(25, 500);
    let schema = Arc::new(Schema::new(vec![Field::new("user_id", DataType::Int64, false)]));
    let batch = RecordBatch::try_new(schema, vec![Arc::new(Int64Array::from(vec![1, 2, 3]))]).unwrap();
    write_parquet(&lake.path(3), &batch);
    let bytes = std::fs::metadata(lake.path(3)).unwrap().len();
    let mut parts = lake.parts.clone();
    parts[3].bytes = bytes;
    let sources = Sources { lake: Some(lake_source(lake.dir.path(), parts)), truth: None };
    let shop = shoptide_query::open(&options(), sources).unwrap();
    is_of(&refused(&shop, "SELECT max(item_id) FROM events").await, &lake.parts[3].path, "no column");
}
