//! Assignment, the one transaction, and who may not make it.

use std::sync::Arc;
use std::task::{Context, Waker};

use shoptide_schemas::topic::PARTS;
use shoptide_schemas::{Currency, Micros, Topic};
use shoptide_store::{Budget, Commit, DeadPage, StoreError, Tally, Truth};

use crate::rows::*;

pub async fn assign_raises_one_epoch_for_all_topics(truth: Arc<dyn Truth>) {
    let rows = truth.assign(SHARD, &[(Topic::Cart, 7), (Topic::Browse, 5)]).await.unwrap();
    let seen: Vec<_> = rows.iter().map(|r| (r.topic, r.next_off, r.base_off, r.epoch)).collect();
    assert_eq!(seen, [(Topic::Browse, 5, 5, 1), (Topic::Cart, 7, 7, 1)]);
    // A topic that joins later shares the shard's next epoch; the bases of those that are there stay.
    let rows =
        truth.assign(SHARD, &[(Topic::Browse, 99), (Topic::Cart, 99), (Topic::Order, 9)]).await.unwrap();
    let seen: Vec<_> = rows.iter().map(|r| (r.topic, r.base_off, r.epoch)).collect();
    assert_eq!(seen, [(Topic::Browse, 5, 2), (Topic::Cart, 7, 2), (Topic::Order, 9, 2)]);
    assert_eq!(truth.assign(SHARD + 1, &[(Topic::Browse, 0)]).await.unwrap()[0].epoch, 1);
    assert_eq!(truth.offsets().await.unwrap().len(), 4);
}

/// A commit that writes every table once.
fn everything(epoch: i64) -> Commit {
    let (ann, bob) = (user("ann"), user("bob"));
    let mut all = commit(epoch, &[step(Topic::Browse, 0, 4), step(Topic::Order, 0, 2)]);
    all.offsets[0].tally = Tally { logged: 4, applied: 3, dead: 1, ..Tally::default() };
    all.parts = vec![
        part(&bob, Topic::Browse, 3, b"b"),
        part(&ann, Topic::Order, 1, b""),
        part(&ann, Topic::Browse, 2, b"a"),
    ];
    all.lines = vec![line(&ann, "o1", "1"), line(&ann, "o1", "0")];
    all.counts = vec![count("x", 9, 2), count("x", 9, 3), count("y", 9, 1)];
    all.dead = vec![dead(Topic::Browse, 3, &bob)];
    all.tombstones = vec![(user("gone"), Topic::Cart, 12)];
    all.outbox = vec![outbox(1)];
    all.lists = vec![list(&ann, 2, 7), list(&bob, 1, 8)];
    all.todo = vec![bob.clone(), ann.clone()];
    all.quality = vec![(9, 1, 5), (9, 1, 6)];
    all.items = vec![item_row(1, 10, "new"), item_row(1, 4, "old"), item_row(0, 3, "zero")];
    all
}

pub async fn a_commit_writes_every_table(truth: Arc<dyn Truth>) {
    let epoch = assigned(&*truth, &[Topic::Browse, Topic::Order]).await;
    truth.commit(everything(epoch)).await.unwrap();
    let offsets = truth.offsets().await.unwrap();
    assert_eq!(
        offsets.iter().map(|r| (r.next_off, r.append_ms)).collect::<Vec<_>>(),
        [(4, 1_004), (2, 1_002)]
    );
    assert_eq!(offsets[0].tally, Tally { logged: 4, applied: 3, dead: 1, ..Tally::default() });

    let (ann, bob) = (user("ann"), user("bob"));
    let rows = truth
        .users(SHARD, &[bob.clone(), user("gone"), user("nobody"), ann.clone(), bob.clone()])
        .await
        .unwrap();
    assert_eq!(rows[0].parts[0], Some((3, b"b".to_vec())));
    assert_eq!(rows[0], rows[4]);
    assert_eq!(rows[1].erased, [None, Some(12), None, None, None]);
    assert_eq!(
        (&rows[2].parts, &rows[2].erased, &rows[2].list),
        (&Default::default(), &[None; PARTS], &None)
    );
    assert_eq!(rows[3].parts[2], Some((1, Vec::new())));
    assert_eq!(rows[3].list.as_deref(), Some(b"list 2 of model 7".as_slice()));
    assert_eq!(truth.list(SHARD, &bob).await.unwrap().as_deref(), Some(b"list 1 of model 8".as_slice()));
    assert_eq!(truth.list(SHARD + 1, &bob).await.unwrap(), None);

    let asked = [line(&ann, "o1", "0"), line(&bob, "o1", "0"), line(&ann, "o1", "1"), line(&ann, "o1", "2")];
    assert_eq!(truth.known_lines(SHARD, &asked).await.unwrap(), [true, false, true, false]);
    assert_eq!(truth.outbox(SHARD, 9).await.unwrap(), [outbox(1)]);
    assert_eq!(truth.todo(SHARD, 9).await.unwrap(), [ann, bob.clone()]);
    assert_eq!(truth.quality(9).await.unwrap(), [(9, 1, 11)]);
    assert_eq!(
        truth.dead_letters(DeadPage { limit: 9, ..DeadPage::default() }).await.unwrap(),
        [dead(Topic::Browse, 3, &bob)]
    );
    assert_eq!(truth.catalogue().await.unwrap().0, [item_row(0, 3, "zero"), item_row(1, 10, "new")]);
    assert_eq!(truth.catalogue_at(10).await.unwrap(), [item_row(0, 3, "zero"), item_row(1, 4, "old")]);
    let counts = truth.item_counts(&[], 0, 99).await.unwrap();
    assert_eq!(
        counts.iter().map(|c| (c.item.clone(), c.n)).collect::<Vec<_>>(),
        [(item("x"), 5), (item("y"), 1)]
    );
}

/// Nobody may tell afterwards that the commit was tried.
async fn refused(truth: &dyn Truth, tried: Commit, topic: Topic) {
    let before = (dumped(truth).await, truth.offsets().await.unwrap(), truth.todo(SHARD, 99).await.unwrap());
    let error = truth.commit(tried).await.unwrap_err();
    assert!(matches!(error, StoreError::Fenced { shard: SHARD, topic: t, .. } if t == topic), "{error}");
    assert_eq!(
        before,
        (dumped(truth).await, truth.offsets().await.unwrap(), truth.todo(SHARD, 99).await.unwrap())
    );
    assert_eq!(truth.list(SHARD, &user("ann")).await.unwrap(), None);
    assert_eq!(truth.quality(0).await.unwrap(), []);
    assert_eq!(truth.outbox(SHARD, 9).await.unwrap(), []);
}

pub async fn a_fenced_commit_leaves_nothing(truth: Arc<dyn Truth>) {
    let old = assigned(&*truth, &[Topic::Browse, Topic::Order]).await;
    let mut moved = everything(old);
    moved.offsets[1].from = 1;
    moved.offsets[1].tally = Tally { logged: 1, applied: 1, ..Tally::default() };
    refused(&*truth, moved, Topic::Order).await; // only the second topic is elsewhere: nothing of the first either
    let epoch = assigned(&*truth, &[Topic::Browse, Topic::Order]).await;
    refused(&*truth, everything(old), Topic::Browse).await;
    refused(&*truth, everything(epoch + 1), Topic::Browse).await;
    let mut unassigned = everything(epoch);
    unassigned.offsets.push(step(Topic::Forum, 0, 1));
    refused(&*truth, unassigned, Topic::Forum).await;
    // Of lists alone the epoch and the offset still decide.
    let mut lists = commit(old, &[step(Topic::Browse, 0, 0)]);
    lists.lists = vec![list(&user("ann"), 1, 1)];
    refused(&*truth, lists.clone(), Topic::Browse).await;
    lists.epoch = epoch;
    lists.offsets = vec![step(Topic::Browse, 1, 1)];
    refused(&*truth, lists.clone(), Topic::Browse).await;
    lists.offsets = vec![step(Topic::Browse, 0, 0)];
    truth.commit(lists).await.unwrap();
    assert!(truth.list(SHARD, &user("ann")).await.unwrap().is_some());
    truth.commit(everything(epoch)).await.unwrap();
    let again = truth.commit(everything(epoch)).await.unwrap_err();
    assert!(matches!(again, StoreError::Fenced { expected: 0, .. }), "{again}");
}

pub async fn a_commit_that_cannot_be_meant_is_refused(truth: Arc<dyn Truth>) {
    let epoch = assigned(&*truth, &[Topic::Browse]).await;
    let before = dumped(&*truth).await;
    let mut sum = commit(epoch, &[step(Topic::Browse, 0, 2)]);
    sum.offsets[0].tally.late = 1;
    let twice = commit(epoch, &[step(Topic::Browse, 0, 1), step(Topic::Browse, 1, 2)]);
    let back = commit(epoch, &[step(Topic::Browse, 0, -1)]);
    let mut foreign = commit(epoch, &[step(Topic::Browse, 0, 1)]);
    foreign.parts = vec![part(&user("ann"), Topic::Browse, 0, b"")];
    foreign.parts[0].shard = SHARD + 1;
    for wrong in [commit(epoch, &[]), sum, twice, back, foreign] {
        let error = truth.commit(wrong).await.unwrap_err();
        assert!(matches!(error, StoreError::Unusable(_)), "{error}");
    }
    assert_eq!(before, dumped(&*truth).await);
}

pub async fn a_commit_refused_at_its_end_leaves_nothing(truth: Arc<dyn Truth>) {
    let epoch = assigned(&*truth, &[Topic::Browse, Topic::Order]).await;
    let before = (dumped(&*truth).await, truth.offsets().await.unwrap());
    // One item under two numbers breaks a constraint after all other tables were written.
    let mut all = everything(epoch);
    all.items[0].item = all.items[2].item.clone();
    let error = truth.commit(all).await.unwrap_err();
    assert!(matches!(error, StoreError::Unusable(_)), "{error}");
    assert_eq!(before, (dumped(&*truth).await, truth.offsets().await.unwrap()));
    assert_eq!(truth.list(SHARD, &user("ann")).await.unwrap(), None);
    truth.commit(everything(epoch)).await.unwrap();
}

pub async fn erasure_takes_everything_of_a_user_and_nothing_else(truth: Arc<dyn Truth>) {
    let (ann, bob) = (user("ann"), user("bob"));
    let epoch = assigned(&*truth, &[Topic::Browse, Topic::Order]).await;
    let mut both = everything(epoch);
    both.lines.push(line(&bob, "o2", "0"));
    both.dead =
        vec![dead(Topic::Browse, 1, &bob), dead(Topic::Browse, 2, &ann), dead(Topic::Browse, 3, &bob)];
    both.dead.extend([dead(Topic::Order, 1, &bob)]);
    both.offsets[0].tally = Tally { logged: 4, applied: 1, dead: 3, ..Tally::default() };
    truth.commit(both).await.unwrap();
    let budget = Budget { month: Micros(5), currency: Currency(*b"CNY"), updated_ms: 1 };
    truth.set_budget(SHARD, &bob, Some(budget)).await.unwrap();
    truth.set_budget(SHARD, &ann, Some(budget)).await.unwrap();

    let mut erasure = commit(epoch, &[step(Topic::Browse, 4, 5)]);
    erasure.parts_gone = vec![(bob.clone(), Topic::Browse), (bob.clone(), Topic::Order)];
    erasure.lines_gone = vec![bob.clone()];
    erasure.lists_gone = vec![bob.clone()];
    erasure.budgets_gone = vec![bob.clone()];
    erasure.todo_done = vec![bob.clone()];
    erasure.dead_redacted = vec![(bob.clone(), Topic::Browse, 3)];
    erasure.tombstones = vec![(bob.clone(), Topic::Browse, 4)];
    truth.commit(erasure).await.unwrap();

    let rows = truth.users(SHARD, &[ann.clone(), bob.clone()]).await.unwrap();
    assert!(rows[0].parts[0].is_some() && rows[0].parts[2].is_some() && rows[0].list.is_some());
    assert_eq!((&rows[1].parts, &rows[1].list, rows[1].erased[0]), (&Default::default(), &None, Some(4)));
    let lines = [line(&ann, "o1", "0"), line(&bob, "o2", "0")];
    assert_eq!(truth.known_lines(SHARD, &lines).await.unwrap(), [true, false]);
    assert_eq!(truth.todo(SHARD, 9).await.unwrap(), std::slice::from_ref(&ann));
    assert_eq!(truth.budget(SHARD, &bob).await.unwrap(), None);
    assert_eq!(truth.budget(SHARD, &ann).await.unwrap(), Some(budget));
    let letters = truth.dead_letters(DeadPage { limit: 9, ..DeadPage::default() }).await.unwrap();
    let held: Vec<_> =
        letters.iter().map(|d| (d.topic, d.offset, d.key.is_some(), d.payload.is_some())).collect();
    // Bob's at 1 is blank; the one at 3 is not before the erasure's bound, the one of another topic waits for its own.
    assert_eq!(
        held,
        [
            (Topic::Browse, 3, true, true),
            (Topic::Browse, 2, true, true),
            (Topic::Browse, 1, false, false),
            (Topic::Order, 1, true, true),
        ]
    );
}

pub async fn a_dropped_commit_is_whole_or_absent(truth: Arc<dyn Truth>) {
    let epoch = assigned(&*truth, &[Topic::Browse]).await;
    for from in 0..50 {
        let mut next = commit(epoch, &[step(Topic::Browse, from, from + 1)]);
        next.parts = (0..40).map(|n| part(&user(format!("u{n}")), Topic::Browse, from, &[1; 500])).collect();
        next.counts = vec![count("x", 1, 1)];
        // Polled a few times, then dropped wherever it is.
        let mut dropped = truth.commit(next.clone());
        for _ in 0..from % 3 {
            let _ = dropped.as_mut().poll(&mut Context::from_waker(Waker::noop()));
            tokio::task::yield_now().await;
        }
        drop(dropped);
        // Either it was done (or still will be, before this one), or it never was: the offset tells.
        match truth.commit(next).await {
            Ok(()) => {}
            Err(StoreError::Fenced { expected, .. }) => assert_eq!(expected, from),
            Err(error) => panic!("{error}"),
        }
        let now = &truth.offsets().await.unwrap()[0];
        assert_eq!((now.next_off, now.tally.applied), (from + 1, from + 1));
        assert_eq!(truth.item_counts(&[], 0, 9).await.unwrap()[0].n, from + 1);
    }
    assert!(parts_of(&*truth).await.iter().all(|part| part.upto == 49));
}
