//! Pages, outbox, dead letters, catalogue, budgets, models.

use std::sync::Arc;

use shoptide_schemas::{Currency, Micros, Topic};
use shoptide_store::{
    Budget, CandidateRow, Commit, DeadPage, MODEL_PART_BYTES_MAX, ModelPart, ModelRow, StoreError, Tally,
    Truth,
};

use crate::rows::*;

pub async fn users_and_lists_are_paged_in_order(truth: Arc<dyn Truth>) {
    assert_eq!(truth.oldest_model_in_lists().await.unwrap(), None);
    for shard in [0, 2, 9] {
        let epoch = truth.assign(shard, &[(Topic::Browse, 0)]).await.unwrap()[0].epoch;
        let mut next = Commit { shard, epoch, offsets: vec![step(Topic::Browse, 0, 1)], ..Commit::default() };
        for n in 0..400 {
            let id = user(format!("u{n:03}"));
            let mut row = part(&id, Topic::Browse, n, b"x");
            row.shard = shard;
            next.parts.push(row.clone());
            row.topic = Topic::Order;
            next.parts.push(row);
            next.lists.push(list(&id, n, 3 + u64::from(shard)));
        }
        truth.commit(next).await.unwrap();
    }
    let (mut users, mut after) = (Vec::new(), None);
    loop {
        let page = truth.users_after(after.clone(), 171).await.unwrap();
        assert!(page.len() <= 171);
        let Some(last) = page.last() else { break };
        after = Some(last.clone());
        users.extend(page);
    }
    assert!(users.len() == 1200 && users.is_sorted() && users[400].0 == 2);
    assert_eq!(truth.count_users().await.unwrap(), 1200);

    let (mut heads, mut after) = (Vec::new(), None);
    loop {
        let page = truth.lists_after(2, after.as_ref(), 150).await.unwrap();
        let Some(last) = page.last() else { break };
        after = Some(last.user.clone());
        heads.extend(page);
    }
    assert_eq!(heads.len(), 400);
    for (n, head) in heads.iter().enumerate() {
        assert_eq!((&head.user, head.revision), (&user(format!("u{n:03}")), n as i64));
        assert_eq!((head.model_version, head.last_ms), (5, 5_000 + n as i64));
    }
    assert_eq!(truth.oldest_model_in_lists().await.unwrap(), Some(3));
    // Many users at once, in the order asked.
    let asked: Vec<_> = (0..400).rev().map(|n| user(format!("u{n:03}"))).collect();
    let rows = truth.users(9, &asked).await.unwrap();
    assert!(
        rows.iter()
            .zip(&asked)
            .all(|(row, id)| row.user == *id && row.parts[2].is_some() && row.list.is_some())
    );
    assert_eq!(truth.users(9, &[]).await.unwrap(), []);
}

pub async fn todo_and_outbox_are_worked_off_in_order(truth: Arc<dyn Truth>) {
    let epoch = assigned(&*truth, &[Topic::Feedback]).await;
    let mut next = commit(epoch, &[step(Topic::Feedback, 0, 9)]);
    next.todo = ["c", "a", "b", "a"].map(user).to_vec();
    next.outbox = [5, 2, 8].map(outbox).to_vec();
    truth.commit(next).await.unwrap();
    assert_eq!(truth.todo(SHARD, 2).await.unwrap(), ["a", "b"].map(user));
    let mut next = commit(epoch, &[step(Topic::Feedback, 9, 9)]);
    next.todo_done = ["a", "c", "unknown"].map(user).to_vec();
    truth.commit(next).await.unwrap();
    assert_eq!(truth.todo(SHARD, 9).await.unwrap(), ["b"].map(user));

    assert_eq!(truth.outbox(SHARD, 2).await.unwrap(), [2, 5].map(outbox));
    truth
        .outbox_done(SHARD, &[(Topic::Feedback, 5), (Topic::Feedback, 2), (Topic::Browse, 8)])
        .await
        .unwrap();
    assert_eq!(truth.outbox(SHARD, 9).await.unwrap(), [8].map(outbox));
    truth.outbox_done(SHARD, &[]).await.unwrap();
    assert_eq!(truth.outbox(SHARD + 1, 9).await.unwrap(), []);
}

pub async fn what_the_cache_is_owed_is_remembered(truth: Arc<dyn Truth>) {
    let epoch = assigned(&*truth, &[Topic::Browse, Topic::Cart]).await;
    let published = || async {
        let rows = truth.offsets().await.unwrap();
        rows.iter().map(|row| (row.base_off, row.published_off, row.next_off)).collect::<Vec<_>>()
    };
    assert_eq!(published().await, [(0, 0, 0); 2], "nothing was owed before the first record");
    let mut next = commit(epoch, &[step(Topic::Browse, 0, 9), step(Topic::Cart, 0, 3)]);
    next.published = vec![(Topic::Browse, 4), (Topic::Order, 7)];
    next.owed = ["c", "a", "b", "a"].map(user).to_vec();
    truth.commit(next).await.unwrap();
    assert_eq!(published().await, [(0, 4, 9), (0, 0, 3)], "a topic that is not named keeps its own");
    assert_eq!(truth.owed(SHARD, 2).await.unwrap(), ["a", "b"].map(user));
    assert_eq!(truth.owed(SHARD + 1, 9).await.unwrap(), []);
    let mut next = commit(epoch, &[step(Topic::Browse, 9, 9), step(Topic::Cart, 3, 4)]);
    next.published = vec![(Topic::Browse, 9), (Topic::Cart, 3)];
    next.owed_done = ["a", "c", "unknown"].map(user).to_vec();
    next.owed = vec![user("c")];
    truth.commit(next).await.unwrap();
    assert_eq!(published().await, [(0, 4, 9), (0, 3, 4)], "only a topic that moves says how far");
    assert_eq!(truth.owed(SHARD, 9).await.unwrap(), ["b", "c"].map(user), "what goes, goes first");
}

pub async fn dead_letters_come_newest_first(truth: Arc<dyn Truth>) {
    let epoch = assigned(&*truth, &[Topic::Browse, Topic::Cart]).await;
    let mut next = commit(epoch, &[step(Topic::Browse, 0, 6), step(Topic::Cart, 0, 3)]);
    next.offsets[0].tally = Tally { logged: 6, dead: 6, ..Tally::default() };
    next.dead = (0..6).map(|off| dead(Topic::Browse, off, &user("ann"))).collect();
    next.dead.push(dead(Topic::Cart, 2, &user("bob")));
    next.dead[5].key = None;
    next.dead[5].payload = None;
    truth.commit(next).await.unwrap();
    let page = |reason: Option<&str>, at, limit| DeadPage { reason: reason.map(str::to_owned), at, limit };
    let found = truth.dead_letters(page(None, None, 3)).await.unwrap();
    assert_eq!(
        found.iter().map(|d| (d.topic, d.offset)).collect::<Vec<_>>(),
        [(Topic::Browse, 5), (Topic::Browse, 4), (Topic::Browse, 3)]
    );
    assert_eq!((&found[0].key, &found[0].payload), (&None, &None));
    let found = truth.dead_letters(page(Some("malformed"), None, 9)).await.unwrap();
    assert_eq!(
        found.iter().map(|d| (d.topic, d.offset)).collect::<Vec<_>>(),
        [(Topic::Browse, 4), (Topic::Browse, 2), (Topic::Cart, 2), (Topic::Browse, 0)]
    );
    let one = truth.dead_letters(page(None, Some((SHARD, Topic::Cart, 2)), 1)).await.unwrap();
    assert_eq!(one, [dead(Topic::Cart, 2, &user("bob"))]);
    assert_eq!(truth.dead_letters(page(None, Some((SHARD, Topic::Cart, 1)), 1)).await.unwrap(), []);
}

pub async fn the_catalogue_keeps_every_version(truth: Arc<dyn Truth>) {
    assert_eq!(truth.catalogue().await.unwrap(), (vec![], None));
    let epoch = truth.assign(0, &[(Topic::Catalogue, 0)]).await.unwrap()[0].epoch;
    for (from, rows) in [
        (0, vec![item_row(1, 1, "b1"), item_row(0, 0, "a0")]),
        (2, vec![item_row(1, 3, "b3"), item_row(1, 2, "b2"), item_row(2, 3, "c3")]),
        (4, vec![item_row(0, 5, "a5")]),
    ] {
        let step = step(Topic::Catalogue, from, from + 2);
        let next = Commit { epoch, offsets: vec![step], items: rows, ..Commit::default() };
        truth.commit(next).await.unwrap();
    }
    let (rows, offset) = truth.catalogue().await.unwrap();
    assert_eq!(rows, [item_row(0, 5, "a5"), item_row(1, 3, "b3"), item_row(2, 3, "c3")]);
    assert_eq!(offset.map(|row| (row.topic, row.next_off)), Some((Topic::Catalogue, 6)));
    assert_eq!(truth.catalogue_at(6).await.unwrap(), rows);
    assert_eq!(truth.catalogue_at(5).await.unwrap()[0], item_row(0, 0, "a0"));
    assert_eq!(truth.catalogue_at(3).await.unwrap(), [item_row(0, 0, "a0"), item_row(1, 2, "b2")]);
    assert_eq!(truth.catalogue_at(1).await.unwrap(), [item_row(0, 0, "a0")]);
    assert_eq!(truth.catalogue_at(0).await.unwrap(), []);
}

pub async fn budgets_are_set_replaced_and_removed(truth: Arc<dyn Truth>) {
    let ann = user("ann");
    assert_eq!(truth.budget(0, &ann).await.unwrap(), None);
    for month in [i64::MAX, 5, 0] {
        let budget = Budget { month: Micros(month), currency: Currency(*b"CNY"), updated_ms: month - 1 };
        truth.set_budget(0, &ann, Some(budget)).await.unwrap();
        assert_eq!(truth.budget(0, &ann).await.unwrap(), Some(budget));
    }
    assert_eq!(truth.budget(1, &ann).await.unwrap(), None);
    truth.set_budget(0, &ann, None).await.unwrap();
    assert_eq!(truth.budget(0, &ann).await.unwrap(), None);
}

fn model(version: u64) -> ModelRow {
    ModelRow {
        version,
        parent: version.checked_sub(1).filter(|parent| *parent != 0),
        kind: if version == 1 { "full" } else { "delta" }.into(),
        file: format!("{version}.arrow"),
        bytes: 1 << 40,
        created_ms: 7,
        lineage: b"{}".to_vec(),
        report: if version == 2 { b"{\"a\":1}".to_vec() } else { Vec::new() },
    }
}

fn candidate(number: u64) -> CandidateRow {
    CandidateRow {
        number,
        parent: (number != 1).then_some(3),
        file: format!("c{number}.arrow"),
        bytes: 1 << 40,
        created_ms: 8,
        lineage: b"{}".to_vec(),
        report: b"{\"why\":[]}".to_vec(),
    }
}

pub async fn candidates_have_numbers_of_their_own(truth: Arc<dyn Truth>) {
    assert_eq!(truth.candidates().await.unwrap(), (0, vec![]));
    truth.publish_model(model(1)).await.unwrap();
    for wrong in [0, 2, u64::MAX] {
        assert!(matches!(truth.put_candidate(candidate(wrong)).await, Err(StoreError::Unusable(_))));
    }
    // Of two trainers with the same number one comes to a row.
    let [lost, kept] = ["lost.arrow", "c1.arrow"].map(|f| piece(CandidateRow::parts_version(1), f, 0, 9));
    truth.put_model_part(lost.clone()).await.unwrap();
    truth.put_model_part(kept.clone()).await.unwrap();
    truth.put_candidate(candidate(1)).await.unwrap();
    assert_eq!(truth.model_part(lost.version, &lost.file, 0).await.unwrap(), None);
    truth.put_candidate(candidate(2)).await.unwrap();
    // What is served goes on beside them, and leaves their files alone.
    truth.publish_model(model(2)).await.unwrap();
    assert_eq!(truth.model_pointer().await.unwrap(), Some(2));
    assert_eq!(truth.models().await.unwrap(), [1, 2].map(model));
    assert_eq!(truth.model_part(kept.version, &kept.file, 0).await.unwrap(), Some(kept.data.clone()));
    assert_eq!(truth.candidates().await.unwrap(), (2, [1, 2].map(candidate).to_vec()));
    truth.forget_candidates(&[1, 2, 9]).await.unwrap();
    assert_eq!(truth.model_part(kept.version, &kept.file, 0).await.unwrap(), None);
    // A number is never given again: what was said of c2 is not said of another.
    assert_eq!(truth.candidates().await.unwrap(), (2, vec![]));
    assert!(truth.put_candidate(candidate(2)).await.is_err());
    truth.put_candidate(candidate(3)).await.unwrap();
}

pub async fn models_are_published_in_order(truth: Arc<dyn Truth>) {
    assert_eq!(truth.model_pointer().await.unwrap(), None);
    for wrong in [0, 2] {
        let error = truth.publish_model(model(wrong)).await.unwrap_err();
        assert_eq!(error.to_string(), format!("published model has version {wrong}, expected 1"));
    }
    truth.publish_model(model(1)).await.unwrap();
    for wrong in [1, 3, u64::MAX] {
        assert!(matches!(truth.publish_model(model(wrong)).await, Err(StoreError::Unusable(_))));
    }
    assert_eq!(
        (truth.model_pointer().await.unwrap(), truth.models().await.unwrap()),
        (Some(1), vec![model(1)])
    );
    truth.publish_model(model(2)).await.unwrap();
    truth.publish_model(model(3)).await.unwrap();
    assert!(matches!(truth.forget_models(&[1, 3]).await, Err(StoreError::Unusable(_))));
    assert_eq!(truth.models().await.unwrap(), [1, 2, 3].map(model));
    truth.forget_models(&[1, 2, 77]).await.unwrap();
    assert_eq!(
        (truth.model_pointer().await.unwrap(), truth.models().await.unwrap()),
        (Some(3), vec![model(3)])
    );
}

fn piece(version: u64, file: &str, part: u32, bytes: usize) -> ModelPart {
    let fill = |n: usize| u8::try_from((n + version as usize + part as usize) % 251).unwrap();
    ModelPart { version, file: file.into(), part, data: (0..bytes).map(fill).collect() }
}

pub async fn parts_of_models_come_and_go_with_their_row(truth: Arc<dyn Truth>) {
    let held = async |file: &str, of: &ModelPart| {
        let found = truth.model_part(of.version, file, of.part).await.unwrap();
        found.map(|data| assert!(data == of.data, "part {} of {file} is another", of.part)).is_some()
    };
    let (first, second) = (piece(1, "1.arrow", 0, MODEL_PART_BYTES_MAX), piece(1, "1.arrow", 1, 3));
    for wanted in [&first, &second, &first] {
        truth.put_model_part(wanted.clone()).await.unwrap();
    }
    assert!(held("1.arrow", &first).await && held("1.arrow", &second).await);
    assert_eq!(truth.model_part(1, "1.arrow", 2).await.unwrap(), None);
    assert_eq!(truth.model_part(2, "1.arrow", 0).await.unwrap(), None);
    let large = truth.put_model_part(piece(1, "1.arrow", 2, MODEL_PART_BYTES_MAX + 1)).await;
    assert!(large.unwrap_err().to_string().contains("expected at most 1048576"));
    // Two trainers that never published: one of this version, one that is already on its way to the next.
    let (lost, coming) = (piece(1, "other.arrow", 0, 10), piece(2, "2.arrow", 0, 10));
    truth.put_model_part(lost.clone()).await.unwrap();
    truth.put_model_part(coming.clone()).await.unwrap();
    // Nothing is published by its parts.
    assert_eq!((truth.model_pointer().await.unwrap(), truth.models().await.unwrap()), (None, vec![]));
    truth.publish_model(model(1)).await.unwrap();
    assert!(
        held("1.arrow", &first).await && held("1.arrow", &second).await && held("2.arrow", &coming).await
    );
    assert!(!held("other.arrow", &lost).await, "nobody will ever publish it");
    truth.publish_model(model(2)).await.unwrap();
    assert!(truth.forget_models(&[2]).await.is_err());
    assert!(held("2.arrow", &coming).await && held("1.arrow", &first).await);
    truth.forget_models(&[1]).await.unwrap();
    assert!(
        held("2.arrow", &coming).await && !held("1.arrow", &first).await && !held("1.arrow", &second).await
    );
}

pub async fn a_closed_truth_says_so(truth: Arc<dyn Truth>) {
    truth.ping().await.unwrap();
    truth.close().await;
    truth.close().await;
    assert!(matches!(truth.ping().await, Err(StoreError::Unavailable { .. })));
    let late = truth.set_budget(0, &user("ann"), None).await;
    assert!(matches!(late, Err(StoreError::Unavailable { .. })));
}
