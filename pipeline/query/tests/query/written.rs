//! Answers as they are written: read back, they are the answer.

use std::io::Write;
use std::sync::{Arc, Mutex};

use arrow_array::cast::AsArray;
use futures::TryStreamExt;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use shoptide_query::output::{Format, Rows, sink};

use crate::common::*;

#[derive(Clone, Default)]
struct Kept(Arc<Mutex<Vec<u8>>>);

impl Write for Kept {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

async fn written(lake: &Lake, sql: &str, format: Format) -> Vec<u8> {
    let mut answer = lake.shop.ask(sql).await.unwrap();
    let kept = Kept::default();
    let mut sink = sink(format, &answer.schema, Box::new(kept.clone())).unwrap();
    while let Some(batch) = answer.batches.try_next().await.unwrap() {
        sink.write(&batch).unwrap();
    }
    sink.finish().unwrap();
    kept.0.lock().unwrap().clone()
}

const SQL: &str = "SELECT user_id, type, occurred_at, [user_id, id('a\"b')] AS both, NULL AS nothing, 1.5 AS half FROM events \
     WHERE user_id = id('0xff0075') ORDER BY occurred_at, event_id LIMIT 2";

#[tokio::test]
async fn csv_has_a_header_and_quotes() {
    let lake = lake(31, 800);
    let text = String::from_utf8(written(&lake, SQL, Format::Csv).await).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines[0], "user_id,type,occurred_at,both,nothing,half");
    assert!(lines[1].starts_with("0xff0075,"), "{text}");
    assert!(lines[1].ends_with(r#","[""0xff0075"",""a\""b""]",,1.5"#), "{text}");
    assert!(lines[1].contains("T") && lines[1].contains("Z,"), "{text}");
    assert_eq!(lines.len(), 3);
    // No rows are a header all the same.
    let none = written(&lake, "SELECT user_id FROM events WHERE type = 'refund'", Format::Csv).await;
    assert_eq!(String::from_utf8(none).unwrap(), "user_id\n");
}

#[tokio::test]
async fn json_is_an_object_a_line() {
    let lake = lake(32, 800);
    let text = String::from_utf8(written(&lake, SQL, Format::Json).await).unwrap();
    let lines: Vec<serde_json::Value> =
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 2);
    assert_eq!(lines[0]["user_id"], "0xff0075");
    assert_eq!(lines[0]["both"], serde_json::json!(["0xff0075", "a\"b"]));
    assert_eq!(lines[0].get("nothing"), Some(&serde_json::Value::Null));
}

#[tokio::test]
async fn parquet_keeps_bytes_as_bytes() {
    let lake = lake(33, 800);
    let bytes =
        written(&lake, "SELECT user_id, type FROM events ORDER BY user_id DESC", Format::Parquet).await;
    let reader = ParquetRecordBatchReaderBuilder::try_new(bytes::Bytes::from(bytes)).unwrap();
    let batches: Vec<_> = reader.build().unwrap().map(Result::unwrap).collect();
    assert_eq!(batches.iter().map(|b| b.num_rows()).sum::<usize>(), lake.events.len());
    assert_eq!(batches[0].column(0).as_binary::<i32>().value(0), [0xff, 0, b'u']);
}

#[tokio::test]
async fn a_table_shows_the_first_rows_and_knows_that_there_are_more() {
    let lake = lake(34, 800);
    let answer = lake.shop.ask("SELECT user_id, quantity FROM events").await.unwrap();
    let mut shown = Rows::new(&answer.schema, 5);
    let batches: Vec<_> = answer.batches.try_collect().await.unwrap();
    batches.iter().for_each(|batch| shown.take(batch).unwrap());
    assert_eq!((shown.cells.len(), shown.count, shown.is_whole()), (5, lake.events.len() as u64, false));
}
