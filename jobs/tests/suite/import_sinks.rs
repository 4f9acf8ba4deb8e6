//! The two ways out: over HTTP to a collector that is busy, refuses, or hangs up; and straight into a log.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::IntoResponse;
use axum::routing::post;
use serde_json::{Value, json};
use shoptide_jobs::import::{CollectorSink, LogSink, Outgoing, Sink, SinkError};
use shoptide_jobs::shop::{Shop, ShopOptions, ShopParams};
use shoptide_log::{Log, LogError, MemoryLog, MemoryLogOptions, ReadMax};
use shoptide_schemas::catalogue::WireCatalogue;
use shoptide_schemas::partition::partition_of;
use shoptide_schemas::topic::ALL_TOPICS;
use shoptide_schemas::wire::{self, WireEvent, WireLine, WireTime};
use shoptide_schemas::{Topic, USER_TOPICS, catalogue};

const NOW_MS: i64 = 1_790_000_000_000;

fn view(id: &str) -> WireEvent {
    WireEvent {
        event_id: Some(id.to_owned()),
        event_type: Some("view_item".to_owned()),
        user_id: Some("ann".to_owned()),
        item_id: Some("TECH1005".to_owned()),
        occurred_at: Some(WireTime::Ms(NOW_MS)),
        ..WireEvent::default()
    }
}

/// A collector that answers as told, then accepts what has a user.
#[derive(Clone, Default)]
struct Fake {
    answers: Arc<Mutex<VecDeque<(StatusCode, String)>>>,
    requests: Arc<Mutex<Vec<Request>>>,
}

/// The key and the lines of one request.
type Request = (String, Vec<Value>);

async fn receive(State(fake): State<Fake>, headers: HeaderMap, body: String) -> impl IntoResponse {
    let key = headers.get("authorization").map(|v| v.to_str().unwrap().to_owned()).unwrap_or_default();
    let lines: Vec<Value> = body.lines().map(|l| serde_json::from_str(l).unwrap()).collect();
    assert!(lines.len() <= 1_000 && body.len() <= 2 * 1024 * 1024);
    assert_eq!(headers["content-type"], "application/x-ndjson");
    fake.requests.lock().unwrap().push((key, lines.clone()));
    if let Some((status, body)) = fake.answers.lock().unwrap().pop_front() {
        return (status, body);
    }
    let verdicts: Vec<Value> = lines
        .iter()
        .enumerate()
        .map(|(index, line)| match line.get("user_id").or(line.get("title")) {
            Some(_) => json!({"index": index, "status": "accepted", "topic": "shop.browse", "partition": 3, "offset": index}),
            None => json!({"index": index, "status": "rejected", "code": "missing", "field": "user_id", "message": "user_id is missing"}),
        })
        .collect();
    let accepted = verdicts.iter().filter(|v| v["status"] == "accepted").count();
    let body = json!({"accepted": accepted, "rejected": lines.len() - accepted, "verdicts": verdicts});
    (StatusCode::OK, body.to_string())
}

/// The fake's address; it stops with the test's runtime.
async fn serve(fake: Fake) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let app = Router::new().route("/v1/events", post(receive)).with_state(fake);
    tokio::spawn(async move { axum::serve(listener, app).await });
    address
}

#[tokio::test]
async fn a_batch_is_cut_to_requests_and_its_verdicts_joined() {
    let fake = Fake::default();
    let mut sink = CollectorSink::new(&serve(fake.clone()).await, Some("s3cret")).unwrap();
    let mut batch: Vec<Outgoing> = (0..2_500).map(|n| Outgoing::Event(view(&format!("e{n}")))).collect();
    if let Outgoing::Event(event) = &mut batch[1_700] {
        event.user_id = None;
    }
    batch.push(Outgoing::Item(WireCatalogue { title: Some("t".to_owned()), ..WireCatalogue::default() }));
    let sent = sink.send(batch).await.unwrap();
    assert_eq!((sent.accepted, sent.rejected, sent.verdicts.len()), (2_500, 1, 2_501));
    assert!(sent.verdicts.iter().enumerate().all(|(place, v)| v.index == place));
    let refused = &sent.verdicts[1_700];
    assert_eq!((refused.code.as_deref(), refused.field.as_deref()), (Some("missing"), Some("user_id")));
    assert_eq!((sent.verdicts[2_000].partition, sent.verdicts[2_000].offset), (Some(3), Some(0)));
    let requests = fake.requests.lock().unwrap();
    assert_eq!(requests.iter().map(|(_, lines)| lines.len()).collect::<Vec<_>>(), [1_000, 1_000, 501]);
    assert!(requests.iter().all(|(key, _)| key == "Bearer s3cret"));
    assert!(!format!("{sink:?}").contains("s3cret"));
}

#[tokio::test]
async fn a_request_never_has_more_bytes_than_a_collector_takes() {
    let fake = Fake::default();
    let mut sink = CollectorSink::new(&serve(fake.clone()).await, None).unwrap();
    let wide = |n: usize| {
        let mut event = view(&format!("e{n}"));
        event.text = Some("x".repeat(16_000));
        Outgoing::Event(event)
    };
    let sent = sink.send((0..300).map(wide).collect()).await.unwrap();
    assert_eq!(sent.accepted, 300);
    assert_eq!(fake.requests.lock().unwrap().len(), 3); // the fake checks each one's bytes
}

#[tokio::test]
async fn a_busy_collector_is_asked_again_and_a_refusal_is_not() {
    let fake = Fake::default();
    let mut sink = CollectorSink::new(&serve(fake.clone()).await, None).unwrap();
    for status in [StatusCode::SERVICE_UNAVAILABLE, StatusCode::TOO_MANY_REQUESTS] {
        fake.answers.lock().unwrap().push_back((status, "{}".to_owned()));
    }
    assert_eq!(sink.send(vec![Outgoing::Event(view("a"))]).await.unwrap().accepted, 1);
    assert_eq!(fake.requests.lock().unwrap().len(), 3);

    let body = r#"{"code":"unauthorized","field":"authorization","message":"the write key is wrong"}"#;
    fake.answers.lock().unwrap().push_back((StatusCode::UNAUTHORIZED, body.to_owned()));
    let error = sink.send(vec![Outgoing::Event(view("b"))]).await.unwrap_err();
    assert!(matches!(error, SinkError::Refused { status: 401, .. }), "{error}");
    assert!(
        error.to_string().ends_with("refused the batch with 401: unauthorized the write key is wrong"),
        "{error}"
    );
    assert_eq!(fake.requests.lock().unwrap().len(), 4);

    // Nothing good in the batch: still verdicts, not a refusal of the request.
    let body = r#"{"code":"missing","field":"user_id","message":"user_id is missing","accepted":0,"rejected":1,
        "verdicts":[{"index":0,"event_id":"b","status":"rejected","code":"missing","field":"user_id","message":"user_id is missing"}]}"#;
    fake.answers.lock().unwrap().push_back((StatusCode::BAD_REQUEST, body.to_owned()));
    let sent = sink.send(vec![Outgoing::Event(view("b"))]).await.unwrap();
    assert_eq!((sent.accepted, sent.rejected, sent.verdicts[0].code.as_deref()), (0, 1, Some("missing")));

    fake.answers.lock().unwrap().push_back((StatusCode::OK, "hello".to_owned()));
    let error = sink.send(vec![Outgoing::Event(view("c"))]).await.unwrap_err();
    assert!(matches!(error, SinkError::NotACollector { .. }), "{error}");
}

#[tokio::test(start_paused = true)]
async fn nobody_there_ends_after_bounded_tries() {
    // Bound and dropped: nothing listens there now.
    let address = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let mut sink = CollectorSink::new(&format!("http://{address}"), None).unwrap();
    let error = sink.send(vec![Outgoing::Event(view("a"))]).await.unwrap_err();
    assert!(matches!(error, SinkError::Away { attempts: 12, .. }), "{error}");
    for wrong in ["127.0.0.1:8000", "https://127.0.0.1", "http://", "x"] {
        assert!(matches!(CollectorSink::new(wrong, None), Err(SinkError::NotACollector { .. })), "{wrong}");
    }
    assert!(CollectorSink::new("http://127.0.0.1", Some("a\nb")).is_err());
}

fn memory_log(queue_records_max: usize) -> Arc<MemoryLog> {
    MemoryLog::new(MemoryLogOptions { partitions: 4, clock: Arc::new(|| NOW_MS), queue_records_max })
}

/// Every record of a topic as (partition, key, value).
async fn records(log: &MemoryLog, topic: Topic) -> Vec<(u32, Vec<u8>, Vec<u8>)> {
    let mut all = Vec::new();
    for partition in 0..log.partitions(topic) {
        let next = log.watermarks(topic, partition).await.unwrap().next;
        let mut from = 0;
        while from < next {
            let max = ReadMax { records: 10_000, bytes: 64 * 1024 * 1024 };
            let read = log.read(topic, partition, from, max).await.unwrap();
            from += read.len() as i64;
            all.extend(
                read.into_iter().map(|r| (partition, r.key.unwrap().to_vec(), r.value.unwrap().to_vec())),
            );
        }
    }
    all
}

#[tokio::test]
async fn a_generated_shop_goes_into_the_log_where_every_reader_takes_it() {
    let mut options = ShopOptions::demo(7, NOW_MS);
    (options.events, options.bad_per_mille) = (5_000, 50);
    let shop = Shop::new(ShopParams::new(options).unwrap());
    let log = memory_log(100_000);
    let mut sink = LogSink::new(log.clone());
    let mut batch: Vec<Outgoing> = shop.catalogue().map(Outgoing::Item).collect();
    batch.extend(shop.events().map(Outgoing::Event));
    let bad = shop.events().filter(|e| wire::check(e.clone()).is_err()).count();
    let sent = sink.send(batch).await.unwrap();
    assert_eq!((sent.accepted, sent.rejected), (5_600 - bad as u64, bad as u64));
    assert!(100 < bad && sent.verdicts.iter().enumerate().all(|(place, v)| v.index == place));
    let mut logged = 0;
    for topic in ALL_TOPICS {
        for (partition, key, value) in records(&log, topic).await {
            logged += 1;
            if topic == Topic::Catalogue {
                assert_eq!(catalogue::decode(&value).unwrap().item.as_bytes(), key);
                continue;
            }
            let event = wire::decode(&value).unwrap();
            assert_eq!((event.event_type.topic(), event.user.as_bytes()), (topic, key.as_slice()));
            assert_eq!(partition, partition_of(&key, 4));
        }
    }
    assert_eq!(logged, sent.accepted);
}

#[tokio::test]
async fn erasure_reaches_every_user_topic_and_lines_are_split() {
    let log = memory_log(1_000);
    let mut sink = LogSink::new(log.clone());
    let typed = |name: &str| WireEvent { event_type: Some(name.to_owned()), item_id: None, ..view(name) };
    let mut order = typed("purchase");
    order.order_id = Some("o1".to_owned());
    let line = |item: &str| WireLine { item_id: item.to_owned(), ..WireLine::default() };
    order.items = Some(vec![line("a"), line("b")]);
    let mut known = typed("identify");
    known.known_user_id = Some("bob".to_owned());
    let mut absorbed = typed("part_absorbed");
    (absorbed.known_user_id, absorbed.part) = (Some("bob".to_owned()), Some("00".to_owned()));
    let seen = WireCatalogue { event_type: Some("item_seen".to_owned()), ..WireCatalogue::default() };
    let mut batch: Vec<Outgoing> =
        [order, known, typed("user_erased"), absorbed].map(Outgoing::Event).to_vec();
    batch.push(Outgoing::Item(seen));
    let own_id = WireEvent { event_id: Some("due:1:0:0:0".to_owned()), ..view("x") };
    batch.push(Outgoing::Event(own_id));
    let sent = sink.send(batch).await.unwrap();
    assert_eq!((sent.accepted, sent.rejected), (3, 3));
    let at = |v: usize| (sent.verdicts[v].topic.as_deref(), sent.verdicts[v].offset);
    assert_eq!(
        [at(0), at(1), at(2)],
        [(Some("shop.order"), Some(1)), (Some("shop.feedback"), Some(0)), (Some("shop.feedback"), Some(1))]
    );
    assert_eq!(sent.verdicts[3].code.as_deref(), Some("internal"));
    assert_eq!(sent.verdicts[4].code.as_deref(), Some("unknown_type"));
    assert_eq!(sent.verdicts[5].field.as_deref(), Some("event_id"));
    let mut counts = BTreeMap::new();
    for topic in USER_TOPICS {
        counts.insert(topic, records(&log, topic).await.len());
    }
    assert_eq!(counts.into_values().collect::<Vec<_>>(), [2, 2, 4, 2, 2]);
    let lines: Vec<_> =
        records(&log, Topic::Order).await.into_iter().map(|(_, _, v)| wire::decode(&v).unwrap()).collect();
    assert_eq!(lines[0].order_line().unwrap().line, "0");
    assert_eq!(lines[1].order_line().unwrap().line, "1");
}

#[tokio::test(start_paused = true)]
async fn an_overloaded_log_is_asked_again_and_a_closed_one_ends_it() {
    let log = memory_log(1);
    log.stall(true);
    // One append fills the queue of one; the sink's own then finds it full until the stall ends.
    let (filler_log, filler) = (
        log.clone(),
        shoptide_log::NewRecord {
            topic: Topic::Browse,
            key: "ann".into(),
            value: serde_json::to_vec(&view("f")).unwrap().into(),
        },
    );
    let waiting = tokio::spawn(async move { filler_log.append(vec![filler]).await });
    tokio::task::yield_now().await;
    let mut sink = LogSink::new(log.clone());
    let sending = tokio::spawn(async move { sink.send(vec![Outgoing::Event(view("a"))]).await });
    tokio::time::sleep(std::time::Duration::from_millis(60)).await;
    assert!(!sending.is_finished());
    log.stall(false);
    waiting.await.unwrap().unwrap();
    assert_eq!(sending.await.unwrap().unwrap().accepted, 1);
    assert_eq!(records(&log, Topic::Browse).await.len(), 2);

    log.close().await;
    let error = LogSink::new(log).send(vec![Outgoing::Event(view("b"))]).await.unwrap_err();
    assert!(matches!(error, SinkError::Away { .. } | SinkError::Log(LogError::Unusable(_))), "{error}");
}
