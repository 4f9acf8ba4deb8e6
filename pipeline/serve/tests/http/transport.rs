//! Bad transport: media types, encodings, sizes, bombs, bodies that are none.

use std::io::Write;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::{Request, header};
use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::json;
use shoptide_log::{Log, NewRecord};
use shoptide_schemas::Topic;

use crate::common::{Shop, view};

const EVENTS: &str = "/v1/events";
const BODY_BYTES_MAX: usize = 2 * 1024 * 1024;

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut packed = GzEncoder::new(Vec::new(), Compression::best());
    packed.write_all(bytes).unwrap();
    packed.finish().unwrap()
}

fn one() -> Vec<u8> {
    serde_json::to_vec(&view("e1", "u1", "i1")).unwrap()
}

fn request(headers: &[(&str, &str)], body: impl Into<Body>) -> Request<Body> {
    let mut request = Request::post(EVENTS);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(body.into()).unwrap()
}

const JSON: (&str, &str) = ("content-type", "application/json");
const LINES: (&str, &str) = ("content-type", "application/x-ndjson");
const GZIP: (&str, &str) = ("content-encoding", "gzip");

#[tokio::test]
async fn media_types_and_encodings_are_taken_at_their_word() {
    let shop = Shop::new().await;
    let twice = gzip(&gzip(&one()));
    let bomb = gzip(&vec![b' '; 64 * 1024 * 1024]);
    let mut cut = gzip(&one());
    cut.truncate(cut.len() - 6);
    let big = vec![b' '; BODY_BYTES_MAX + 1];
    /// Name, headers, body, status, code.
    type Case<'a> = (&'a str, Vec<(&'a str, &'a str)>, Vec<u8>, u16, &'a str);
    let cases: Vec<Case<'_>> = vec![
        ("no content type", vec![], one(), 415, "unsupported_media_type"),
        ("another content type", vec![("content-type", "text/plain")], one(), 415, "unsupported_media_type"),
        (
            "a form",
            vec![("content-type", "application/x-www-form-urlencoded")],
            one(),
            415,
            "unsupported_media_type",
        ),
        (
            "another charset",
            vec![("content-type", "application/json; charset=gbk")],
            one(),
            415,
            "unsupported_media_type",
        ),
        ("two content types", vec![JSON, LINES], one(), 415, "unsupported_media_type"),
        ("no bytes", vec![JSON], vec![], 400, "malformed"),
        ("blanks", vec![JSON], b" \r\n ".to_vec(), 400, "malformed"),
        ("a byte order mark", vec![JSON], [b"\xef\xbb\xbf".to_vec(), one()].concat(), 400, "malformed"),
        ("bad UTF-8", vec![JSON], b"{\"event_id\":\"\xff\xfe\"}".to_vec(), 400, "malformed"),
        ("UTF-16", vec![JSON], b"{\0\"\0".to_vec(), 400, "malformed"),
        ("2 MiB and 1", vec![JSON], big.clone(), 413, "too_long"),
        ("a gzip bomb", vec![JSON, GZIP], bomb, 413, "too_long"),
        ("gzip twice, said once", vec![JSON, GZIP], twice.clone(), 400, "malformed"),
        (
            "gzip twice",
            vec![JSON, ("content-encoding", "gzip, gzip")],
            twice.clone(),
            415,
            "unsupported_media_type",
        ),
        ("gzip and gzip", vec![JSON, GZIP, GZIP], twice, 415, "unsupported_media_type"),
        ("brotli", vec![JSON, ("content-encoding", "br")], one(), 415, "unsupported_media_type"),
        ("gzip that is none", vec![JSON, GZIP], one(), 400, "malformed"),
        ("gzip cut short", vec![JSON, GZIP], cut, 400, "malformed"),
    ];
    for (name, headers, body, status, code) in cases {
        let answer = shop.send(request(&headers, body)).await;
        assert_eq!(answer.error(), (status, code.to_owned()), "{name}");
    }
    assert_eq!(shop.logged().await, 0);
    for (headers, body) in [
        (vec![("content-type", "Application/JSON; Charset=\"UTF-8\"")], one()),
        (vec![LINES], one()),
        (vec![JSON, GZIP], gzip(&one())),
        (vec![JSON, ("content-encoding", "identity")], one()),
    ] {
        assert_eq!(shop.send(request(&headers, body)).await.status, 200, "{headers:?}");
    }
}

#[tokio::test]
async fn exactly_the_bounds_pass_and_one_more_does_not() {
    let shop = Shop::new().await;
    let mut padded = one();
    padded.resize(BODY_BYTES_MAX, b' ');
    assert_eq!(shop.post(EVENTS, padded).await.status, 200);

    let batch = |n: usize| json!((0..n).map(|i| view(&format!("e{i}"), "u1", "i1")).collect::<Vec<_>>());
    assert_eq!(shop.post(EVENTS, batch(1000).to_string()).await.json()["accepted"], 1000);
    let logged = shop.logged().await;
    let lines = batch(1001).as_array().unwrap().iter().map(|e| format!("{e}\n")).collect::<String>();
    assert_eq!(shop.post(EVENTS, batch(1001).to_string()).await.error(), (413, "too_long".to_owned()));
    assert_eq!(
        shop.post_as("application/x-ndjson", EVENTS, lines).await.error(),
        (413, "too_long".to_owned())
    );
    assert_eq!(shop.logged().await, logged, "a batch that is too long is refused whole");
}

#[tokio::test]
async fn items_may_not_multiply_a_request_beyond_the_log() {
    let shop = Shop::new().await;
    let lines: Vec<_> = (0..200).map(|i| json!({"item_id": i.to_string()})).collect();
    let event = |i: usize| {
        json!({"event_id": format!("o{i}"), "type": "purchase", "user_id": "u", "occurred_at": crate::common::NOW_MS,
        "order_id": format!("o{i}"), "items": lines})
    };
    let batch: Vec<_> = (0..30).map(event).collect();
    let answer = shop.post(EVENTS, json!(batch).to_string()).await;
    assert_eq!((answer.status.as_u16(), answer.json()["accepted"].clone()), (200, json!(25)));
    assert_eq!(answer.json()["verdicts"][29]["code"], "too_long");
    assert_eq!(shop.records(Topic::Order).await.len(), 5_000);

    // 4 KiB of context, repeated by 200 lines, is 800 KiB an event: 8 MiB hold about ten.
    let mut fat = event(99);
    fat["context"] = json!({"x": "x".repeat(4000)});
    let batch: Vec<_> = (0..15).map(|_| fat.clone()).collect();
    let answer = shop.post(EVENTS, json!(batch).to_string()).await.json();
    assert!((8..=10).contains(&answer["accepted"].as_i64().unwrap()), "{answer}");
    assert_eq!(
        (&answer["verdicts"][14]["code"], &answer["verdicts"][14]["field"]),
        (&json!("too_long"), &json!("items"))
    );
}

#[tokio::test]
async fn a_slow_body_is_told_so() {
    let shop = Shop::with(|options| options.body_timeout = Duration::from_millis(50)).await;
    let never = futures::stream::pending::<Result<Bytes, std::io::Error>>();
    let answer = shop.send(request(&[JSON], Body::from_stream(never))).await;
    assert_eq!(answer.error(), (408, "timeout".to_owned()));
}

#[tokio::test]
async fn a_body_that_breaks_off_is_malformed() {
    let shop = Shop::new().await;
    let chunks = vec![Ok(Bytes::from_static(b"[{\"event_id\"")), Err(std::io::Error::other("gone"))];
    let answer = shop.send(request(&[JSON], Body::from_stream(futures::stream::iter(chunks)))).await;
    assert_eq!(answer.error(), (400, "malformed".to_owned()));
}

#[tokio::test]
async fn a_declared_length_beyond_the_bound_is_not_waited_for() {
    let shop = Shop::new().await;
    let never = futures::stream::pending::<Result<Bytes, std::io::Error>>();
    let mut huge = request(&[JSON], Body::from_stream(never));
    huge.headers_mut().insert(header::CONTENT_LENGTH, (BODY_BYTES_MAX + 1).into());
    assert_eq!(shop.send(huge).await.error(), (413, "too_long".to_owned()));
}

#[tokio::test]
async fn a_log_that_is_full_or_gone_is_503_and_nothing_is_logged() {
    let shop = Shop::with_queue(10, |_| {}).await;
    let batch =
        |n: usize| json!((0..n).map(|i| view(&format!("e{i}"), "u1", "i1")).collect::<Vec<_>>()).to_string();
    shop.log.stall(true);
    let record =
        NewRecord { topic: Topic::Browse, key: Bytes::from_static(b"u"), value: Bytes::from_static(b"{}") };
    let mut queued = shop.log.append(vec![record; 8]);
    assert!(futures::poll!(queued.as_mut()).is_pending());
    let refused = shop.post(EVENTS, batch(8)).await;
    assert_eq!(refused.error(), (503, "overloaded".to_owned()));
    assert_eq!(refused.headers[header::RETRY_AFTER], "1");
    shop.log.stall(false);
    assert_eq!(queued.await.unwrap().len(), 8);
    assert_eq!(shop.logged().await, 8);
    assert_eq!(shop.post(EVENTS, batch(8)).await.status, 200);
    shop.log.close().await;
    let gone = shop.post(EVENTS, batch(1)).await;
    assert_eq!(gone.error(), (503, "unavailable".to_owned()));
    assert_eq!(gone.headers[header::RETRY_AFTER], "1");
}
