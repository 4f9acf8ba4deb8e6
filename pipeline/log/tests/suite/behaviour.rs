//! Appending, ownership and closing.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use shoptide_log::{LogError, NewRecord, Position, Rebalance, Watermarks};
use shoptide_schemas::partition::partition_of;
use shoptide_schemas::{EventMs, Topic};

use crate::subject::{
    PARTITIONS, PLENTY, QUEUE_RECORDS_MAX, SOON, Subject, T0_MS, append_all, mixed, read_all, record,
};

pub async fn offsets_count_up_within_each_partition<S: Subject>() {
    let subject = S::start().await;
    let (log, sent) = (subject.log(), mixed(500));
    let positions = append_all(&log, sent.clone()).await;
    let mut expected: BTreeMap<(Topic, u32), i64> = BTreeMap::new();
    for position in &positions {
        let next = expected.entry((position.topic, position.partition)).or_default();
        assert_eq!(position.offset, *next, "{position:?}");
        *next += 1;
    }
    let held = read_all(&log).await;
    assert_eq!(held.len(), sent.len());
    for (position, sent) in positions.iter().zip(&sent) {
        let found = held
            .iter()
            .find(|r| Position { topic: r.topic, partition: r.partition, offset: r.offset } == *position)
            .unwrap();
        assert_eq!((found.key.as_ref(), found.value.as_ref()), (Some(&sent.key), Some(&sent.value)));
    }
}

pub async fn an_append_lands_where_its_key_belongs<S: Subject>() {
    let subject = S::start().await;
    let log = subject.log();
    let records: Vec<NewRecord> = (0..40).map(|user| record(Topic::Order, user, 0)).collect();
    for (position, record) in log.append(records.clone()).await.unwrap().iter().zip(&records) {
        assert_eq!(position.partition, partition_of(&record.key, PARTITIONS));
    }
    let catalogue = (0..40).map(|item| record(Topic::Catalogue, item, 0)).collect();
    assert!(log.append(catalogue).await.unwrap().iter().all(|p| p.partition == 0));
}

pub async fn an_empty_append_is_nothing<S: Subject>() {
    let subject = S::start().await;
    assert_eq!(subject.log().append(Vec::new()).await.unwrap(), []);
    assert_eq!(read_all(&subject.log()).await, []);
}

pub async fn watermarks_follow_the_log<S: Subject>() {
    let subject = S::start().await;
    let log = subject.log();
    let at = log.append(vec![record(Topic::Cart, 1, 0); 5]).await.unwrap()[0].partition;
    assert_eq!(log.watermarks(Topic::Cart, at).await.unwrap(), Watermarks { first: 0, next: 5 });
    subject.truncate_below(Topic::Cart, at, 3).await.unwrap();
    assert_eq!(log.watermarks(Topic::Cart, at).await.unwrap(), Watermarks { first: 3, next: 5 });
    subject.truncate_below(Topic::Cart, at, 5).await.unwrap();
    log.append(vec![record(Topic::Cart, 1, 9)]).await.unwrap();
    assert_eq!(log.watermarks(Topic::Cart, at).await.unwrap(), Watermarks { first: 5, next: 6 });
    assert!(matches!(subject.truncate_below(Topic::Cart, at, 7).await, Err(LogError::Unusable(_))));
    assert_eq!(log.watermarks(Topic::Order, at).await.unwrap(), Watermarks { first: 0, next: 0 });
}

pub async fn a_full_queue_refuses_at_once_and_appends_nothing<S: Subject>() {
    let mut subject = S::start().await;
    let log = subject.log();
    subject.stall(true).await;
    let waiting = tokio::spawn({
        let log = subject.log();
        async move { log.append(mixed(QUEUE_RECORDS_MAX as u32)).await }
    });
    // Until the other append has taken all of the queue, a small one may still get in and wait with it.
    let mut accepted = Vec::new();
    let refused = loop {
        let mut append = Box::pin({
            let log = subject.log();
            async move { log.append(vec![record(Topic::Cart, 1, 1)]).await }
        });
        tokio::select! {
            biased;
            done = &mut append => break done.unwrap_err(),
            () = tokio::task::yield_now() => accepted.push(append),
        }
    };
    assert!(matches!(refused, LogError::Overloaded { max: QUEUE_RECORDS_MAX, .. }), "{refused}");
    subject.stall(false).await;
    let mut expected = 0;
    if let Ok(positions) = tokio::time::timeout(SOON, waiting).await.unwrap().unwrap() {
        expected += positions.len();
    }
    for append in accepted {
        expected += append.await.unwrap().len();
    }
    assert!(0 < expected);
    assert_eq!(read_all(&log).await.len(), expected);
    log.append(mixed(QUEUE_RECORDS_MAX as u32)).await.expect("the queue has room again");
}

pub async fn an_append_larger_than_the_queue_is_a_mistake<S: Subject>() {
    let subject = S::start().await;
    let refused = subject.log().append(mixed(QUEUE_RECORDS_MAX as u32 + 1)).await.unwrap_err();
    assert!(matches!(&refused, LogError::Unusable(m) if m.contains("65") && m.contains("64")), "{refused}");
    // A large record takes the room of several.
    let value = Bytes::from(vec![b'x'; 64 * 1024]);
    let large = NewRecord { topic: Topic::Forum, key: Bytes::from_static(b"u"), value };
    assert!(matches!(subject.log().append(vec![large.clone(); 4]).await, Err(LogError::Unusable(_))));
    subject.log().append(vec![large; 3]).await.unwrap();
}

pub async fn concurrent_producers_lose_and_double_nothing<S: Subject>() {
    let subject = S::start().await;
    let producers: Vec<_> = (0..8_u32)
        .map(|producer| {
            let log = subject.log();
            tokio::spawn(async move {
                let mut acknowledged = Vec::new();
                for call in 0..25 {
                    let records: Vec<_> =
                        (0..7).map(|n| record(Topic::Browse, producer * 31 + n, call * 7 + n)).collect();
                    loop {
                        match log.append(records.clone()).await {
                            Ok(positions) => break acknowledged.extend(positions.into_iter().zip(records)),
                            Err(LogError::Overloaded { .. }) => tokio::task::yield_now().await,
                            Err(other) => panic!("{other}"),
                        }
                    }
                }
                acknowledged
            })
        })
        .collect();
    let mut acknowledged = Vec::new();
    for producer in producers {
        acknowledged.extend(producer.await.unwrap());
    }
    let distinct: BTreeSet<Position> = acknowledged.iter().map(|(p, _)| *p).collect();
    assert_eq!(distinct.len(), 8 * 25 * 7);
    let held = read_all(&subject.log()).await;
    assert_eq!(held.len(), distinct.len());
    for (position, sent) in acknowledged {
        let found =
            held.iter().find(|r| (r.partition, r.offset) == (position.partition, position.offset)).unwrap();
        assert_eq!(found.value.as_ref(), Some(&sent.value));
    }
}

pub async fn append_times_never_go_backwards<S: Subject>() {
    let subject = S::start().await;
    let log = subject.log();
    let mut seen = Vec::new();
    for ms in [T0_MS, T0_MS + 50, T0_MS + 10, T0_MS - 5_000, T0_MS + 60] {
        subject.set_clock(ms);
        let at = log.append(vec![record(Topic::Cart, 1, 0)]).await.unwrap()[0];
        seen.push(log.read(Topic::Cart, at.partition, at.offset, PLENTY).await.unwrap()[0].appended);
    }
    assert_eq!(seen, [0, 50, 50, 50, 60].map(|ms| EventMs(T0_MS + ms)));
    // Not even when all records were deleted.
    let at = log.append(vec![record(Topic::Cart, 1, 0)]).await.unwrap()[0];
    subject.truncate_below(Topic::Cart, at.partition, at.offset + 1).await.unwrap();
    subject.set_clock(T0_MS);
    let at = log.append(vec![record(Topic::Cart, 1, 0)]).await.unwrap()[0];
    let after = log.read(Topic::Cart, at.partition, at.offset, PLENTY).await.unwrap()[0].appended;
    assert_eq!(after, EventMs(T0_MS + 60));
}

pub async fn foreign_records_may_lack_key_and_value<S: Subject>() {
    let subject = S::start().await;
    subject.append_foreign(Topic::Feedback, 2, None, None).await;
    subject.append_foreign(Topic::Feedback, 2, Some(Bytes::new()), None).await;
    subject.append_foreign(Topic::Feedback, 2, None, Some(Bytes::new())).await;
    for log in [subject.log(), subject.other().await] {
        let records = log.read(Topic::Feedback, 2, 0, PLENTY).await.unwrap();
        let fields: Vec<_> = records.into_iter().map(|r| (r.key, r.value)).collect();
        assert_eq!(fields, [(None, None), (Some(Bytes::new()), None), (None, Some(Bytes::new()))]);
    }
}

pub async fn close_flushes_then_refuses<S: Subject>() {
    let mut subject = S::start().await;
    let log = subject.log();
    let mut member = log.join().await.unwrap();
    member.next().await.unwrap();
    let mut reader = member.open(0, &[(Topic::Cart, 0)]).await.unwrap();
    subject.stall(true).await;
    let mut waiting = Box::pin(log.append(mixed(10)));
    tokio::select! {
        biased;
        _ = &mut waiting => panic!("appended while stalled"),
        () = tokio::task::yield_now() => {}
    }
    subject.stall(false).await;
    let (flushed, ()) = tokio::join!(waiting, log.close());
    assert_eq!(flushed.unwrap().len(), 10);
    assert!(matches!(log.append(mixed(1)).await, Err(LogError::Unavailable { .. })));
    assert!(matches!(log.read(Topic::Cart, 0, 0, PLENTY).await, Err(LogError::Unavailable { .. })));
    assert!(matches!(log.watermarks(Topic::Cart, 0).await, Err(LogError::Unavailable { .. })));
    assert!(matches!(log.join().await, Err(LogError::Unavailable { .. })));
    assert!(matches!(reader.next(PLENTY).await, Err(LogError::Unavailable { .. })));
    let told = tokio::time::timeout(SOON, member.next()).await.unwrap();
    assert_eq!(told.unwrap(), Rebalance::Closed);
    log.close().await;
}

pub async fn a_second_owner_is_refused_until_the_first_leaves<S: Subject>() {
    let subject = S::start().await;
    let log = subject.log();
    let first = log.join().await.unwrap();
    let reader = first.open(1, &[(Topic::Cart, 0)]).await.unwrap();
    let refused = subject.other().await.join().await.err().unwrap();
    assert!(
        matches!(&refused, LogError::Unusable(m) if m.contains("lock") || m.contains(".owner")),
        "{refused}"
    );
    drop(first);
    assert!(log.join().await.is_err(), "its reader still reads");
    drop(reader);
    log.join().await.expect("nobody owns the shards any more");
}

pub async fn partitions_that_do_not_exist_are_named<S: Subject>() {
    let subject = S::start().await;
    let log = subject.log();
    let refused = log.read(Topic::Cart, PARTITIONS, 0, PLENTY).await.unwrap_err();
    assert!(refused.to_string().contains("partition is 4, but shop.cart has 4"), "{refused}");
    assert!(log.watermarks(Topic::Catalogue, 1).await.is_err());
    let member = log.join().await.unwrap();
    assert!(member.open(PARTITIONS, &[]).await.is_err());
    assert!(member.open(1, &[(Topic::Catalogue, 0)]).await.is_err());
    assert!(member.open(1, &[(Topic::Cart, 0), (Topic::Cart, 0)]).await.is_err());
}
