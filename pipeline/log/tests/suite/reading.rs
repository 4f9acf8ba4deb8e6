//! Reading: order, bounds, waiting, fairness, deletion.

use std::time::Duration;

use bytes::Bytes;
use shoptide_log::{LogError, NewRecord, ReadMax, Record};
use shoptide_schemas::{Topic, USER_TOPICS};

use crate::subject::{
    PARTITIONS, PLENTY, QUEUE_RECORDS_MAX, SOON, Subject, append_all, mixed, next, read_all, reader, record,
};

/// Long enough for anything that would come to come, when nothing shall.
const A_MOMENT: Duration = Duration::from_millis(60);

pub async fn memory_and_disk_read_the_same<S: Subject>() {
    let subject = S::start().await;
    append_all(&subject.log(), mixed(1_000)).await;
    subject.append_foreign(Topic::Catalogue, 0, None, None).await;
    let (near, far) = (subject.log(), subject.other().await);
    assert_eq!(read_all(&near).await, read_all(&far).await);
    for max in [1, 7, 64, 65, 1_000].map(|records| ReadMax { records, bytes: 500 }) {
        for from in [0, 1, 20] {
            let near = near.read(Topic::Cart, 1, from, max).await.unwrap();
            assert_eq!(near, far.read(Topic::Cart, 1, from, max).await.unwrap(), "{max:?} from {from}");
            assert_eq!(near.first().map(|r| r.offset), Some(from));
        }
    }
}

pub async fn reads_keep_to_their_bounds<S: Subject>() {
    let subject = S::start().await;
    let log = subject.log();
    let of_bytes = |n: usize| NewRecord {
        topic: Topic::Forum,
        key: Bytes::from_static(b"u"),
        value: vec![0; n - 1].into(),
    };
    let at = log.append(vec![of_bytes(100); 20]).await.unwrap()[0].partition;
    for log in [log, subject.other().await] {
        let count = async |records, bytes| {
            log.read(Topic::Forum, at, 0, ReadMax { records, bytes }).await.unwrap().len()
        };
        assert_eq!(count(5, 10_000).await, 5);
        assert_eq!(count(100, 350).await, 3);
        assert_eq!(count(100, 400).await, 4);
        assert_eq!(count(100, 1).await, 1, "one record however large, or nobody would ever get past it");
        assert_eq!(count(0, 0).await, 1);
        assert_eq!(count(100, 10_000).await, 20);
        assert_eq!(log.read(Topic::Forum, at, 20, PLENTY).await.unwrap(), []);
    }
}

pub async fn an_append_wakes_the_reader<S: Subject>() {
    let subject = S::start().await;
    let log = subject.log();
    let shard = log.append(vec![record(Topic::Cart, 5, 0)]).await.unwrap()[0].partition;
    let (_member, mut reader) = reader(&log, shard).await;
    assert_eq!(next(&mut reader, PLENTY).await.records.len(), 1);
    for number in 1..50 {
        let waiting = tokio::spawn(async move {
            let batch = next(&mut reader, PLENTY).await;
            (batch, reader)
        });
        log.append(vec![record(Topic::Cart, 5, number)]).await.unwrap();
        let batch;
        (batch, reader) = waiting.await.unwrap();
        assert_eq!(batch.records.iter().map(|r| r.offset).collect::<Vec<_>>(), [i64::from(number)]);
    }
}

pub async fn a_reader_of_one_shard_sees_only_that<S: Subject>() {
    let subject = S::start().await;
    append_all(&subject.log(), mixed(800)).await;
    // Half from memory, half from disk, in small steps: still each once and in order.
    let log = subject.other().await;
    let member = log.join().await.unwrap();
    let mut total = 0;
    for shard in 0..PARTITIONS {
        let mut reader = member.open(shard, &USER_TOPICS.map(|t| (t, 0))).await.unwrap();
        let mut read: Vec<Record> = Vec::new();
        while 0 < reader.lag() {
            read.extend(next(&mut reader, ReadMax { records: 13, bytes: 100_000 }).await.records);
        }
        for topic in USER_TOPICS {
            let of_topic: Vec<Record> = read.iter().filter(|r| r.topic == topic).cloned().collect();
            assert_eq!(of_topic, log.read(topic, shard, 0, PLENTY).await.unwrap());
        }
        total += read.len();
    }
    assert_eq!(total, 800);
}

pub async fn drained_means_nothing_more<S: Subject>() {
    let subject = S::start().await;
    let log = subject.log();
    let positions = log.append(vec![record(Topic::Cart, 5, 0); 10]).await.unwrap();
    let (_member, mut reader) = reader(&log, positions[0].partition).await;
    let mut read = 0;
    while read < 10 {
        let part = next(&mut reader, ReadMax { records: 9, bytes: 100_000 }).await;
        assert!(part.records.len() < 10);
        read += part.records.len();
        assert_eq!(part.drained, read == 10, "after {read}");
    }
}

pub async fn no_topic_starves<S: Subject>() {
    let subject = S::start().await;
    let log = subject.log();
    let busy: Vec<_> = (0..500).map(|n| record(Topic::Browse, 5, n)).collect();
    append_all(&log, busy).await;
    let shard = log.append(vec![record(Topic::Order, 5, 0); 3]).await.unwrap()[0].partition;
    let (_member, mut reader) = reader(&log, shard).await;
    let first = next(&mut reader, ReadMax { records: 20, bytes: 100_000 }).await;
    assert_eq!(first.records.iter().filter(|r| r.topic == Topic::Order).count(), 3);
    assert_eq!(first.records.len(), 20, "what one topic does not need, another gets");
    // Also when a single record is all that fits.
    log.append(vec![record(Topic::Cart, 5, 0)]).await.unwrap();
    let mut carts = 0;
    for _ in 0..USER_TOPICS.len() {
        let one = next(&mut reader, ReadMax { records: 1, bytes: 1 }).await;
        assert_eq!(one.records.len(), 1);
        carts += one.records.iter().filter(|r| r.topic == Topic::Cart).count();
    }
    assert_eq!(carts, 1);
}

pub async fn a_paused_reader_waits<S: Subject>() {
    let subject = S::start().await;
    let log = subject.log();
    let shard = log.append(vec![record(Topic::Cart, 5, 0)]).await.unwrap()[0].partition;
    let (_member, mut reader) = reader(&log, shard).await;
    reader.pause();
    assert!(tokio::time::timeout(A_MOMENT, reader.next(PLENTY)).await.is_err());
    assert_eq!(reader.lag(), 1);
    reader.resume();
    assert_eq!(next(&mut reader, PLENTY).await.records.len(), 1);
}

pub async fn a_cancelled_read_loses_nothing<S: Subject>() {
    let subject = S::start().await;
    let sent: Vec<_> = (0..300).map(|n| record(Topic::Cart, 5, n)).collect();
    let shard = append_all(&subject.log(), sent.clone()).await[0].partition;
    let log = subject.other().await;
    let (_member, mut reader) = reader(&log, shard).await;
    let mut read = Vec::new();
    let mut polls = 0_u32;
    while 0 < reader.lag() {
        let mut cancelled = false;
        {
            let mut reading = reader.next(ReadMax { records: 3, bytes: 100_000 });
            // Dropped after 0 to 3 polls.
            let mut polls_left = polls % 4;
            let batch = std::future::poll_fn(|context| match reading.as_mut().poll(context) {
                std::task::Poll::Ready(batch) => std::task::Poll::Ready(Some(batch)),
                std::task::Poll::Pending if polls_left == 0 => std::task::Poll::Ready(None),
                std::task::Poll::Pending => {
                    polls_left -= 1;
                    std::task::Poll::Pending
                }
            })
            .await;
            match batch {
                Some(batch) => read.extend(batch.unwrap().records),
                None => cancelled = true,
            }
        }
        polls += 1;
        if cancelled && polls.is_multiple_of(50) {
            read.extend(next(&mut reader, ReadMax { records: 3, bytes: 100_000 }).await.records);
        }
    }
    let values: Vec<_> = read.into_iter().filter_map(|r| r.value).collect();
    assert_eq!(values, sent.into_iter().map(|r| r.value).collect::<Vec<_>>());
}

pub async fn lag_counts_what_is_left<S: Subject>() {
    let subject = S::start().await;
    let log = subject.log();
    let shard = log.append(vec![record(Topic::Cart, 5, 0); 4]).await.unwrap()[0].partition;
    log.append(vec![record(Topic::Order, 5, 0); 2]).await.unwrap();
    let member = log.join().await.unwrap();
    let mut reader = member.open(shard, &[(Topic::Cart, 1), (Topic::Order, 2)]).await.unwrap();
    assert_eq!(reader.lag(), 3);
    let mut left = 3;
    while 0 < left {
        left -= next(&mut reader, ReadMax { records: 2, bytes: 100_000 }).await.records.len() as u64;
        assert_eq!(reader.lag(), left);
    }
}

pub async fn deleted_records_are_never_jumped_over<S: Subject>() {
    let subject = S::start().await;
    let (near, far) = (subject.log(), subject.other().await);
    let shard = near.append(vec![record(Topic::Cart, 5, 0); 8]).await.unwrap()[0].partition;
    let (member, mut reader) = reader(&near, shard).await;
    next(&mut reader, ReadMax { records: 2, bytes: 100_000 }).await;
    subject.truncate_below(Topic::Cart, shard, 5).await.unwrap();
    let is_truncated = |e: LogError, from: i64| {
        let Some(LogError::Truncated { topic, partition, asked, first }) = Some(e) else { return false };
        (topic, partition, asked, first) == (Topic::Cart, shard, from, 5)
    };
    assert!(is_truncated(reader.next(PLENTY).await.unwrap_err(), 2));
    assert!(is_truncated(reader.next(PLENTY).await.unwrap_err(), 2), "and it stays so");
    assert!(is_truncated(member.open(shard, &[(Topic::Cart, 4)]).await.err().unwrap(), 4));
    for log in [near, far] {
        assert!(is_truncated(log.read(Topic::Cart, shard, 4, PLENTY).await.unwrap_err(), 4));
        assert_eq!(log.read(Topic::Cart, shard, 5, PLENTY).await.unwrap().len(), 3);
    }
    drop(reader);
    let mut later = member.open(shard, &[(Topic::Cart, 5)]).await.unwrap();
    assert_eq!(next(&mut later, PLENTY).await.records.len(), 3);
}

pub async fn offsets_beyond_the_end_are_refused<S: Subject>() {
    let subject = S::start().await;
    let member = subject.log().join().await.unwrap();
    let refused = member.open(0, &[(Topic::Cart, 3)]).await.err().unwrap();
    assert!(refused.to_string().contains("ends at offset 0, asked for 3"), "{refused}");
}

pub async fn waiting_beyond_an_offset<S: Subject>() {
    let subject = S::start().await;
    let log = subject.log();
    let at = log.append(vec![record(Topic::Cart, 5, 0)]).await.unwrap()[0].partition;
    assert!(log.wait_beyond(Topic::Cart, at, 0, 0).await);
    assert!(!log.wait_beyond(Topic::Cart, at, 1, 0).await);
    let waiting = tokio::spawn({
        let log = subject.other().await;
        async move { log.wait_beyond(Topic::Cart, at, 3, SOON.as_millis() as u64).await }
    });
    for number in 1..4 {
        log.append(vec![record(Topic::Cart, 5, number)]).await.unwrap();
    }
    assert!(waiting.await.unwrap());
    assert!(!log.wait_beyond(Topic::Cart, 99, 0, 0).await);
}

pub async fn the_catalogue_belongs_to_shard_zero<S: Subject>() {
    let subject = S::start().await;
    let log = subject.log();
    append_all(&log, (0..QUEUE_RECORDS_MAX as u32).map(|n| record(Topic::Catalogue, n, n)).collect()).await;
    let member = log.join().await.unwrap();
    let mut reader = member.open(0, &[(Topic::Browse, 0), (Topic::Catalogue, 10)]).await.unwrap();
    let (mut read, mut drained) = (0, false);
    // A log on other machines may come in parts.
    while read < QUEUE_RECORDS_MAX - 10 {
        let batch = next(&mut reader, PLENTY).await;
        (read, drained) = (read + batch.records.len(), batch.drained);
    }
    assert_eq!(read, QUEUE_RECORDS_MAX - 10);
    assert!(drained);
    let waiting = tokio::spawn(async move { next(&mut reader, PLENTY).await });
    log.append(vec![record(Topic::Catalogue, 1, 1)]).await.unwrap();
    assert_eq!(waiting.await.unwrap().records.len(), 1);
}
