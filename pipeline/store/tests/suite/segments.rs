//! Segments of users: a run is seen whole or not at all, and nothing of an erased user stays in it.

use std::sync::Arc;

use shoptide_schemas::partition::partition_of;
use shoptide_schemas::{Topic, USER_TOPICS, UserId};
use shoptide_store::{Growth, PublishSegments, SegmentRow, SegmentRunRow, StoreError, Truth};

use crate::rows::*;

fn publish(run: u64, parent: Option<u64>, token: i64, names: &[(u32, &str)]) -> PublishSegments {
    let segment = |(segment, name): &(u32, &str)| SegmentRow {
        segment: *segment,
        name: (*name).to_owned(),
        users: 7,
        data: b"{}".to_vec(),
    };
    PublishSegments {
        run: SegmentRunRow { run, parent, created_ms: 5, data: b"{\"run\":1}".to_vec() },
        segments: names.iter().map(segment).collect(),
        token,
        kept_from: run.saturating_sub(1),
    }
}

fn of(users: &[(&str, u32)]) -> Vec<(UserId, u32)> {
    users.iter().map(|(id, segment)| (user(id), *segment)).collect()
}

async fn seen(truth: &dyn Truth, ids: &[&str]) -> Vec<Option<u32>> {
    let ids: Vec<UserId> = ids.iter().map(user).collect();
    truth.user_segments(SHARD, &ids).await.unwrap()
}

pub async fn a_run_is_seen_whole_or_not_at_all(truth: Arc<dyn Truth>) {
    assert_eq!(truth.segments(None).await.unwrap(), None);
    assert!(truth.claim_segments(1, 11).await.unwrap());
    assert!(!truth.claim_segments(1, 12).await.unwrap(), "somebody else has the number");
    assert!(truth.claim_segments(1, 11).await.unwrap(), "asked again after a lost answer");
    // Ids that a collation would merge.
    truth.put_user_segments(1, SHARD, of(&[("b", 1), ("a", 0), ("A", 2), ("a ", 3)])).await.unwrap();
    truth.put_user_segments(1, SHARD + 1, of(&[("z", 1)])).await.unwrap();
    assert_eq!(seen(&*truth, &["a", "b"]).await, [None, None], "the run is not published");
    truth.publish_segments(publish(1, None, 11, &[(0, "sports"), (1, "fashion")])).await.unwrap();
    assert_eq!(
        seen(&*truth, &["b", "nobody", "a", "A", "a "]).await,
        [Some(1), None, Some(0), Some(2), Some(3)]
    );
    let (run, segments) = truth.segments(None).await.unwrap().unwrap();
    assert_eq!((run.run, run.parent, truth.segment_run().await.unwrap()), (1, None, Some(1)));
    assert_eq!(segments.iter().map(|s| s.name.as_str()).collect::<Vec<_>>(), ["sports", "fashion"]);

    // The next run is on its way: the last still counts, whatever the next says of its users.
    assert!(truth.claim_segments(2, 21).await.unwrap());
    truth.put_user_segments(2, SHARD, of(&[("a", 1), ("c", 4)])).await.unwrap();
    assert_eq!(seen(&*truth, &["a", "b", "c"]).await, [Some(0), Some(1), None]);
    // Not by who has no right to the number, and not upon another parent.
    for bad in [publish(2, Some(1), 22, &[]), publish(2, None, 21, &[]), publish(3, Some(1), 21, &[])] {
        let error = truth.publish_segments(bad).await.unwrap_err();
        assert!(matches!(error, StoreError::Changed { .. }), "{error}");
    }
    assert_eq!(truth.segment_run().await.unwrap(), Some(1));
    truth.publish_segments(publish(2, Some(1), 21, &[(1, "fashion"), (4, "pets")])).await.unwrap();
    assert_eq!(seen(&*truth, &["a", "b", "c"]).await, [Some(1), None, Some(4)]);
    assert_eq!(truth.segments(Some(1)).await.unwrap().unwrap().0.run, 1, "kept for comparison");
    let walked = |rows: Vec<(u32, UserId, u32)>| rows.into_iter().map(|(s, u, g)| (s, u.to_string(), g));
    let first = truth.user_segments_after(None, 1).await.unwrap();
    let rest = truth.user_segments_after(Some((first[0].0, first[0].1.clone())), 9).await.unwrap();
    let all: Vec<_> = walked(first).chain(walked(rest)).collect();
    assert_eq!(all, [(SHARD, "a".to_owned(), 1), (SHARD, "c".to_owned(), 4)]);
    // What is left of the run before goes in pages.
    assert_eq!(truth.forget_user_segments(2, 3).await.unwrap(), 3);
    assert_eq!(truth.forget_user_segments(2, 3).await.unwrap(), 2);
    assert_eq!(truth.forget_user_segments(2, 3).await.unwrap(), 0);
    assert_eq!(seen(&*truth, &["a", "c"]).await, [Some(1), Some(4)]);
    assert!(truth.claim_segments(3, 31).await.unwrap());
    truth.publish_segments(publish(3, Some(2), 31, &[])).await.unwrap();
    let kept: Vec<u64> = truth.segment_runs().await.unwrap().iter().map(|run| run.run).collect();
    assert_eq!(kept, [3, 2]);
    assert_eq!(truth.segments(Some(1)).await.unwrap(), None);
}

pub async fn an_erased_user_is_in_no_segment(truth: Arc<dyn Truth>) {
    let epoch = truth.assign(SHARD, &USER_TOPICS.map(|topic| (topic, 0))).await.unwrap()[0].epoch;
    assert!(truth.claim_segments(1, 1).await.unwrap());
    let users: Vec<(UserId, u32)> = (0..600).map(|n| (user(format!("u{n}")), n % 3)).collect();
    truth.put_user_segments(1, SHARD, users).await.unwrap();
    truth.publish_segments(publish(1, None, 1, &[])).await.unwrap();
    assert_eq!(seen(&*truth, &["u1", "u2"]).await, [Some(1), Some(2)]);
    let mut erasure = commit(epoch, &[step(Topic::Browse, 0, 1)]);
    erasure.tombstones = vec![(user("u1"), Topic::Browse, 0)];
    erasure.chats_gone = vec![user("u1")];
    truth.commit(erasure).await.unwrap();
    assert_eq!(seen(&*truth, &["u1", "u2"]).await, [None, Some(2)]);
    // A job that read him before the erasure writes him after it.
    assert!(truth.claim_segments(2, 2).await.unwrap());
    truth.put_user_segments(2, SHARD, of(&[("u1", 0), ("u2", 0)])).await.unwrap();
    truth.publish_segments(publish(2, Some(1), 2, &[])).await.unwrap();
    assert_eq!(seen(&*truth, &["u1", "u2"]).await, [None, Some(0)]);
}

pub async fn segments_move_with_their_user(truth: Arc<dyn Truth>) {
    const FROM: u32 = 4;
    let zero = USER_TOPICS.map(|topic| (topic, 0));
    let mut epochs = Vec::new();
    for shard in 0..FROM {
        epochs.push((shard, truth.assign(shard, &zero).await.unwrap()[0].epoch));
    }
    let ours: Vec<UserId> = (0..4_000).map(|n| user(format!("u{n}"))).collect();
    let ours: Vec<UserId> = ours.into_iter().filter(|u| partition_of(u.as_bytes(), FROM) == SHARD).collect();
    assert!(truth.claim_segments(1, 1).await.unwrap());
    for some in ours.chunks(256) {
        let rows = some.iter().map(|user| (user.clone(), 5)).collect();
        truth.put_user_segments(1, SHARD, rows).await.unwrap();
    }
    truth.publish_segments(publish(1, None, 1, &[])).await.unwrap();
    let ends = (0..FROM).flat_map(|shard| USER_TOPICS.map(|topic| (topic, shard, 0))).collect();
    let growth = Growth { generation: 2, from: FROM, to: 2 * FROM, ends, begin: 1 << 40 };
    let epoch = epochs[SHARD as usize].1;
    truth.move_users(SHARD, epoch, &growth).await.unwrap();
    truth.move_users(SHARD, epoch, &growth).await.unwrap();
    truth.enter_generation(&growth, &epochs).await.unwrap();
    for user in &ours {
        let home = partition_of(user.as_bytes(), 2 * FROM);
        for shard in [SHARD, SHARD + FROM] {
            let found = truth.user_segments(shard, std::slice::from_ref(user)).await.unwrap();
            assert_eq!(found, [(shard == home).then_some(5)]);
        }
    }
}
