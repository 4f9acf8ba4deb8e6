//! A larger generation of topics: users move with all that is theirs, in steps that may be repeated and are fenced, and the
//! offsets step over at once.

use std::sync::Arc;

use shoptide_schemas::partition::partition_of;
use shoptide_schemas::{Currency, Micros, Topic, USER_TOPICS, UserId};
use shoptide_store::{Budget, DeadPage, Growth, StoreError, Truth};

use crate::rows::*;

/// Of the generation before; the suite's shard is one of them.
const FROM: u32 = 4;
const BEGIN: i64 = 1 << 40;

/// Users who live in the suite's shard, by where they will live: some who stay, some who move.
fn users() -> (Vec<UserId>, Vec<UserId>) {
    let ours =
        (0..4_000).map(|n| user(format!("u{n}"))).filter(|u| partition_of(u.as_bytes(), FROM) == SHARD);
    ours.partition(|u| partition_of(u.as_bytes(), 2 * FROM) == SHARD)
}

fn budget(month: i64, updated_ms: i64) -> Budget {
    Budget { month: Micros(month), currency: Currency(*b"CNY"), updated_ms }
}

/// All four shards taken over; that of the suite has folded ten records of each topic, of many users.
async fn folded(truth: &dyn Truth) -> (Growth, Vec<(u32, i64)>) {
    let zero = USER_TOPICS.map(|topic| (topic, 0));
    let mut epochs = Vec::new();
    for shard in 0..FROM {
        // Owners have changed more often here than there.
        for _ in 0..=shard {
            epochs.push((shard, truth.assign(shard, &zero).await.unwrap()[0].epoch));
        }
    }
    let epochs: Vec<(u32, i64)> =
        (0..FROM).map(|s| *epochs.iter().rfind(|(of, _)| *of == s).unwrap()).collect();
    let (stay, go) = users();
    let mut all = commit(epochs[SHARD as usize].1, &USER_TOPICS.map(|topic| step(topic, 0, 10)));
    for user in stay.iter().chain(&go) {
        all.parts.push(part(user, Topic::Browse, 3, user.as_bytes()));
        all.lines.push(line(user, "o", "1"));
        all.lists.push(list(user, 1, 7));
    }
    all.todo = vec![go[0].clone(), stay[0].clone()];
    all.tombstones = vec![(user("gone"), Topic::Cart, 5)];
    all.dead = vec![
        dead(Topic::Cart, 1, &go[1]),
        dead(Topic::Cart, 2, &stay[1]),
        dead(Topic::Cart, 3, &user("elsewhere")),
    ];
    all.counts = vec![count("x", 9, 2)];
    truth.commit(all).await.unwrap();
    truth.set_budget(SHARD, &go[2], Some(budget(5, 100))).await.unwrap();
    let end = |topic, shard| (topic, shard, if shard == SHARD { 10 } else { 0 });
    let ends = (0..FROM).flat_map(|shard| USER_TOPICS.map(|topic| end(topic, shard))).collect();
    (Growth { generation: 2, from: FROM, to: 2 * FROM, ends, begin: BEGIN }, epochs)
}

pub async fn users_move_with_all_that_is_theirs(truth: Arc<dyn Truth>) {
    let (growth, epochs) = folded(&*truth).await;
    let (stay, go) = users();
    assert!(300 < stay.len() && 512 < go.len() + stay.len(), "more than a page of them");
    let (epoch, heir) = (epochs[SHARD as usize].1, SHARD + FROM);
    // Twice, as after a crash; in between an owner of before has made a list that nobody needs.
    truth.move_users(SHARD, epoch, &growth).await.unwrap();
    let mut late = commit(epoch, &[step(Topic::Browse, 10, 10)]);
    late.lists = vec![list(&go[0], 9, 7)];
    truth.commit(late).await.unwrap();
    truth.move_users(SHARD, epoch, &growth).await.unwrap();
    assert_eq!(truth.generation().await.unwrap(), 1, "nothing has changed for those who fold");
    truth.enter_generation(&growth, &epochs).await.unwrap();
    assert_eq!(truth.generation().await.unwrap(), 2);
    for (shard, users, absent) in [(SHARD, &stay, heir), (heir, &go, SHARD)] {
        let rows = truth.users(shard, users).await.unwrap();
        assert!(
            rows.iter()
                .all(|row| row.parts[0].as_ref().is_some_and(|(upto, _)| *upto == 3) && row.list.is_some())
        );
        let lines: Vec<_> = users.iter().map(|user| line(user, "o", "1")).collect();
        assert!(truth.known_lines(shard, &lines).await.unwrap().iter().all(|known| *known));
        let gone = truth.users(absent, users).await.unwrap();
        assert!(gone.iter().all(|row| row.parts[0].is_none() && row.list.is_none()));
        // Whose a tombstone is cannot be told from its hash.
        let row = truth.users(shard, &[user("gone")]).await.unwrap().remove(0);
        assert_eq!(row.erased[usize::from(Topic::Cart.code())], Some(5));
    }
    assert_eq!(truth.todo(heir, 9).await.unwrap(), [go[0].clone()]);
    assert_eq!(truth.todo(SHARD, 9).await.unwrap(), [stay[0].clone()]);
    assert_eq!(truth.budget(heir, &go[2]).await.unwrap(), Some(budget(5, 100)));
    let letters = truth.dead_letters(DeadPage { limit: 9, ..DeadPage::default() }).await.unwrap();
    let mut letters: Vec<_> = letters.iter().map(|letter| (letter.offset, letter.shard)).collect();
    letters.sort_unstable();
    assert_eq!(letters, [(1, heir), (2, SHARD), (3, SHARD)]);
    assert_eq!(truth.item_counts(&[], 0, 99).await.unwrap()[0].n, 2, "counts are summed over shards");
}

pub async fn offsets_step_over_at_once(truth: Arc<dyn Truth>) {
    let (growth, mut epochs) = folded(&*truth).await;
    // Not at their end, or somebody else's: nothing happens at all.
    let before = truth.offsets().await.unwrap();
    let mut short = growth.clone();
    short.ends[7].2 += 1;
    let fenced = truth.enter_generation(&short, &epochs).await.unwrap_err();
    assert!(matches!(fenced, StoreError::Fenced { .. }), "{fenced}");
    epochs[1].1 -= 1;
    let fenced = truth.enter_generation(&growth, &epochs).await.unwrap_err();
    assert!(matches!(fenced, StoreError::Fenced { shard: 1, .. }), "{fenced}");
    let moved = truth.move_users(1, epochs[1].1, &growth).await.unwrap_err();
    assert!(matches!(moved, StoreError::Fenced { shard: 1, .. }), "{moved}");
    let mut skipped = growth.clone();
    skipped.generation = 3;
    assert!(
        truth.enter_generation(&skipped, &epochs).await.unwrap_err().to_string().contains("cannot follow")
    );
    assert_eq!(truth.offsets().await.unwrap(), before);
    epochs[1].1 += 1;

    truth.enter_generation(&growth, &epochs).await.unwrap();
    let after = truth.offsets().await.unwrap();
    assert_eq!(after.len(), 2 * before.len());
    let top = before.iter().map(|row| row.epoch).max().unwrap();
    for row in &after {
        assert_eq!(row.next_off, BEGIN, "{row:?}");
        assert!(top < row.epoch, "lists that moved are older than what is made from now on: {row:?}");
        let old = before.iter().find(|old| (old.shard, old.topic) == (row.shard, row.topic));
        let (base, tally) =
            old.map_or((BEGIN, shoptide_store::Tally::default()), |old| (old.base_off, old.tally));
        assert_eq!((row.base_off, row.tally), (base, tally), "counting goes on: {row:?}");
    }
    let mut ended = truth.ended(1).await.unwrap();
    ended.sort_unstable();
    let mut ends = growth.ends.clone();
    ends.sort_unstable();
    assert_eq!(ended, ends);
    assert_eq!(truth.ended(2).await.unwrap(), []);
    // Whoever folded before is fenced, and a repeat does nothing.
    let zombie = commit(epochs[SHARD as usize].1, &[step(Topic::Browse, 10, 11)]);
    assert!(matches!(truth.commit(zombie).await, Err(StoreError::Fenced { .. })));
    truth.enter_generation(&growth, &epochs).await.unwrap();
    assert_eq!(truth.offsets().await.unwrap(), after);
}

pub async fn the_later_budget_stays(truth: Arc<dyn Truth>) {
    let (growth, epochs) = folded(&*truth).await;
    let (_, go) = users();
    let heir = SHARD + FROM;
    truth.move_users(SHARD, epochs[SHARD as usize].1, &growth).await.unwrap();
    truth.enter_generation(&growth, &epochs).await.unwrap();
    // Readers of before set three budgets; of one, a reader of now has set a later one, of another an earlier one.
    for (user, here, there) in [(&go[3], 200, None), (&go[4], 200, Some(300)), (&go[5], 200, Some(100))] {
        truth.set_budget(SHARD, user, Some(budget(1, here))).await.unwrap();
        if let Some(there) = there {
            truth.set_budget(heir, user, Some(budget(2, there))).await.unwrap();
        }
    }
    truth.move_late_budgets(&growth).await.unwrap();
    let months = async |user: &UserId| truth.budget(heir, user).await.unwrap().map(|budget| budget.month.0);
    assert_eq!(months(&go[3]).await, Some(1));
    assert_eq!(months(&go[4]).await, Some(2));
    assert_eq!(months(&go[5]).await, Some(1));
    for user in &go[3..6] {
        assert_eq!(truth.budget(SHARD, user).await.unwrap(), None);
    }
}

/// A cut that does not know the new shards sees all of them.
pub async fn a_cut_of_before_sees_the_new_shards(truth: Arc<dyn Truth>) {
    let (growth, epochs) = folded(&*truth).await;
    let (stay, go) = users();
    truth.move_users(SHARD, epochs[SHARD as usize].1, &growth).await.unwrap();
    truth.enter_generation(&growth, &epochs).await.unwrap();
    let since: Vec<_> = (0..FROM).flat_map(|shard| USER_TOPICS.map(|topic| (shard, topic, 10))).collect();
    let mut seen = Vec::new();
    truth.scan_parts(&since, &mut |part| seen.push((part.shard, part.user))).await.unwrap();
    let mut expected: Vec<_> = go.iter().map(|user| (SHARD + FROM, user.clone())).collect();
    expected.sort_unstable();
    assert_eq!(seen, expected, "those who stayed have not changed: {}", stay.len());
}
