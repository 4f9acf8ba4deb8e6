//! Chats: a turn is written once, found by its user alone, and goes with him, with its shard, or with time.

use std::sync::Arc;

use shoptide_schemas::partition::partition_of;
use shoptide_schemas::{Currency, Micros, Topic, USER_TOPICS};
use shoptide_store::{
    Budget, ChatFeedback, ChatKey, ChatMessage, ChatOpinion, ChatRecord, ChatTurn, Growth, StoreError, Truth,
};

use crate::rows::*;

pub fn key(shard: u32, id: &str, session: &str) -> ChatKey {
    ChatKey { shard, user: user(id), session: session.to_owned() }
}

/// Turn `before + 1`, with two products.
pub fn turn(key: &ChatKey, before: u32, at_ms: i64) -> ChatTurn {
    let record = |place| ChatRecord {
        place,
        item: item(format!("i{before}{place}")),
        score: 900_000 - i64::from(place),
        why: b"{\"parts\":[]}".to_vec(),
        shown_ms: at_ms,
        feedback: None,
    };
    ChatTurn {
        key: key.clone(),
        before,
        state: format!("state {before}").into_bytes(),
        message: ChatMessage {
            turn: before + 1,
            at_ms,
            question: format!("第{before}问 \u{0} 🙂"),
            answer: vec![0, 255, b'"'],
        },
        records: vec![record(1), record(2)],
        budget: None,
        feedback: Vec::new(),
    }
}

fn liked(at_ms: i64) -> ChatFeedback {
    ChatFeedback { code: 1, at_ms, text: "好".into() }
}

fn is_changed<T: std::fmt::Debug>(outcome: Result<T, StoreError>) {
    assert!(matches!(outcome, Err(StoreError::Changed { .. })), "{outcome:?}");
}

pub async fn a_turn_is_written_once_and_found_by_its_user(truth: Arc<dyn Truth>) {
    let ann = key(SHARD, "ann", "s1");
    assert_eq!(truth.chat_session(&ann).await.unwrap(), None);
    is_changed(truth.chat_turn(turn(&ann, 1, 10)).await);
    truth.chat_turn(turn(&ann, 0, 100)).await.unwrap();
    is_changed(truth.chat_turn(turn(&ann, 0, 100)).await);
    for before in 1..4 {
        truth.chat_turn(turn(&ann, before, 100 + i64::from(before))).await.unwrap();
    }
    // Two answered at once: the second wrote nothing.
    let mut late = turn(&ann, 3, 999);
    late.message.question = "too late".into();
    is_changed(truth.chat_turn(late).await);
    let session = truth.chat_session(&ann).await.unwrap().unwrap();
    assert_eq!((session.turns, session.created_ms, session.updated_ms), (4, 100, 103));
    assert_eq!(session.state, b"state 3");

    let all = truth.chat_messages(&ann, 0, 99).await.unwrap();
    assert_eq!(all, (0..4).map(|n| turn(&ann, n, 100 + i64::from(n)).message).collect::<Vec<_>>());
    let page = truth.chat_messages(&ann, 1, 2).await.unwrap();
    assert_eq!(page.iter().map(|m| m.turn).collect::<Vec<_>>(), [2, 3]);
    // Of another user, in another shard, of another name: nothing.
    for other in [key(SHARD, "bob", "s1"), key(SHARD + 1, "ann", "s1"), key(SHARD, "ann", "S1")] {
        assert_eq!(truth.chat_session(&other).await.unwrap(), None);
        assert_eq!(truth.chat_messages(&other, 0, 9).await.unwrap(), []);
        assert_eq!(truth.chat_record(&other, 1, 1).await.unwrap(), None);
    }
}

pub async fn feedback_is_given_once(truth: Arc<dyn Truth>) {
    let ann = key(SHARD, "ann", "s1");
    truth.chat_turn(turn(&ann, 0, 100)).await.unwrap();
    let given = turn(&ann, 0, 100).records;
    assert_eq!(truth.chat_record(&ann, 1, 2).await.unwrap().as_ref(), given.get(1));
    truth.chat_feedback(&ann, 1, 2, liked(7)).await.unwrap();
    is_changed(truth.chat_feedback(&ann, 1, 2, liked(8)).await);
    is_changed(truth.chat_feedback(&ann, 1, 3, liked(8)).await);
    is_changed(truth.chat_feedback(&key(SHARD, "bob", "s1"), 1, 1, liked(8)).await);
    assert_eq!(truth.chat_record(&ann, 1, 2).await.unwrap().unwrap().feedback, Some(liked(7)));
    assert_eq!(truth.chat_record(&ann, 1, 1).await.unwrap().unwrap().feedback, None);
}

pub async fn a_turn_does_all_of_it_or_nothing(truth: Arc<dyn Truth>) {
    let ann = key(SHARD, "ann", "s1");
    let budget = |micros| Budget { month: Micros(micros), currency: Currency(*b"CNY"), updated_ms: 5 };
    let opinion = |place| ChatOpinion { turn: 1, place, feedback: liked(7) };
    let all = |before: u32, place: u32, micros: i64| ChatTurn {
        budget: Some((SHARD, user("ann"), budget(micros))),
        feedback: vec![opinion(place)],
        ..turn(&ann, before, 50)
    };
    truth.chat_turn(turn(&ann, 0, 10)).await.unwrap();
    truth.chat_turn(all(1, 2, 7)).await.unwrap();
    assert_eq!(truth.budget(SHARD, &user("ann")).await.unwrap(), Some(budget(7)));
    assert_eq!(truth.chat_record(&ann, 1, 2).await.unwrap().unwrap().feedback, Some(liked(7)));
    // The dialogue went on meanwhile; something was said of the product meanwhile; there is no such product.
    for refused in [all(1, 1, 9), all(2, 2, 9), all(2, 3, 9)] {
        is_changed(truth.chat_turn(refused).await);
        assert_eq!(truth.budget(SHARD, &user("ann")).await.unwrap(), Some(budget(7)));
        assert_eq!(truth.chat_record(&ann, 1, 1).await.unwrap().unwrap().feedback, None);
        assert_eq!(truth.chat_session(&ann).await.unwrap().unwrap().turns, 2);
        assert_eq!(truth.chat_messages(&ann, 2, 9).await.unwrap(), []);
    }
}

pub async fn an_erased_user_has_no_turn(truth: Arc<dyn Truth>) {
    let (ann, bob) = (key(SHARD, "ann", "s1"), key(SHARD, "bob", "s1"));
    for key in [&ann, &bob] {
        truth.chat_turn(turn(key, 0, 10)).await.unwrap();
    }
    let epoch = assigned(&*truth, &[Topic::Browse]).await;
    let mut erasure = commit(epoch, &[step(Topic::Browse, 0, 1)]);
    erasure.tombstones = vec![(user("ann"), Topic::Browse, 0)];
    truth.commit(erasure).await.unwrap();
    let budget = Budget { month: Micros(7), currency: Currency(*b"CNY"), updated_ms: 5 };
    for late in [turn(&ann, 1, 20), turn(&key(SHARD, "ann", "s2"), 0, 20)] {
        let late = ChatTurn { budget: Some((SHARD, user("ann"), budget)), ..late };
        is_changed(truth.chat_turn(late).await);
    }
    assert_eq!(truth.chat_session(&key(SHARD, "ann", "s2")).await.unwrap(), None);
    assert_eq!(truth.budget(SHARD, &user("ann")).await.unwrap(), None);
    truth.chat_turn(turn(&bob, 1, 20)).await.unwrap();
}

pub async fn chats_go_with_their_user_and_with_time(truth: Arc<dyn Truth>) {
    for (id, session, at) in [("ann", "s1", 10), ("ann", "s2", 30), ("bob", "s1", 20), ("cid", "s1", 5)] {
        truth.chat_turn(turn(&key(SHARD, id, session), 0, at)).await.unwrap();
        truth.chat_turn(turn(&key(SHARD, id, session), 1, at)).await.unwrap();
    }
    truth.chat_turn(turn(&key(SHARD + 1, "ann", "s1"), 0, 1)).await.unwrap();
    assert_eq!(truth.forget_chats(SHARD, 20, 3).await.unwrap(), 1, "the one that has rested longest");
    assert_eq!(truth.chat_session(&key(SHARD, "cid", "s1")).await.unwrap(), None);
    assert_eq!(truth.chat_messages(&key(SHARD, "cid", "s1"), 0, 9).await.unwrap(), []);
    assert_eq!(truth.chat_record(&key(SHARD, "cid", "s1"), 2, 1).await.unwrap(), None);
    assert_eq!(truth.forget_chats(SHARD, 20, 9).await.unwrap(), 1);
    assert_eq!(truth.forget_chats(SHARD, 20, 9).await.unwrap(), 0);
    assert_eq!(truth.chat_session(&key(SHARD, "ann", "s1")).await.unwrap(), None);

    let epoch = assigned(&*truth, &[Topic::Browse]).await;
    let mut erasure = commit(epoch, &[step(Topic::Browse, 0, 1)]);
    erasure.chats_gone = vec![user("ann")];
    truth.commit(erasure).await.unwrap();
    let ann = key(SHARD, "ann", "s2");
    assert_eq!(truth.chat_session(&ann).await.unwrap(), None);
    assert_eq!(truth.chat_messages(&ann, 0, 9).await.unwrap(), []);
    assert_eq!(truth.chat_record(&ann, 1, 1).await.unwrap(), None);
    is_changed(truth.chat_turn(turn(&ann, 2, 40)).await);
    assert!(truth.chat_session(&key(SHARD, "bob", "s1")).await.unwrap().is_some());
    assert!(truth.chat_session(&key(SHARD + 1, "ann", "s1")).await.unwrap().is_some());
}

pub async fn chats_move_with_their_user(truth: Arc<dyn Truth>) {
    let from = 4;
    let growth = Growth { generation: 2, from, to: 2 * from, ends: Vec::new(), begin: 1 << 40 };
    let mover = (0..4_000)
        .map(|n| format!("u{n}"))
        .find(|id| partition_of(id.as_bytes(), 2 * from) == SHARD + from)
        .unwrap();
    let epoch = truth.assign(SHARD, &USER_TOPICS.map(|topic| (topic, 0))).await.unwrap()[0].epoch;
    let (here, there) = (key(SHARD, &mover, "s1"), key(SHARD + from, &mover, "s1"));
    truth.chat_turn(turn(&here, 0, 10)).await.unwrap();
    truth.move_users(SHARD, epoch, &growth).await.unwrap();
    assert_eq!(truth.chat_session(&here).await.unwrap(), None);
    assert_eq!(truth.chat_messages(&there, 0, 9).await.unwrap().len(), 1);
    assert!(truth.chat_record(&there, 1, 2).await.unwrap().is_some());
    truth.chat_turn(turn(&there, 1, 20)).await.unwrap();
    // A reader who had not heard of it began another in the shard of before.
    truth.chat_turn(turn(&key(SHARD, &mover, "s2"), 0, 30)).await.unwrap();
    truth.move_late_budgets(&growth).await.unwrap();
    let late = truth.chat_session(&key(SHARD + from, &mover, "s2")).await.unwrap();
    assert_eq!(late.map(|s| s.updated_ms), Some(30));
    assert_eq!(truth.chat_session(&there).await.unwrap().map(|s| s.turns), Some(2));
}

pub async fn versions_of_an_item_come_newest_first(truth: Arc<dyn Truth>) {
    let epoch = assigned(&*truth, &[Topic::Catalogue]).await;
    let mut next = commit(epoch, &[step(Topic::Catalogue, 0, 9)]);
    next.items = vec![item_row(0, 1, "a"), item_row(1, 2, "x"), item_row(0, 4, "b"), item_row(0, 7, "c")];
    truth.commit(next).await.unwrap();
    let versions = truth.item_versions(0, 2).await.unwrap();
    let seen: Vec<_> = versions.iter().map(|v| (v.from_off, v.data.as_slice())).collect();
    assert_eq!(seen, [(7, b"c".as_slice()), (4, b"b")]);
    assert_eq!(truth.item_versions(9, 2).await.unwrap(), []);
}
