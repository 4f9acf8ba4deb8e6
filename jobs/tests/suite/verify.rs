//! The proof itself: it holds for a clean store, and names what was tampered with.

use std::sync::Arc;

use serde_json::json;
use shoptide_jobs::train::train_once;
use shoptide_jobs::verify::{Report, Verify};
use shoptide_live::fold::state_of;
use shoptide_models::list::{Linked, ListScratch, make_list};
use shoptide_schemas::{StoredList, Topic, UserId};
use shoptide_store::{Commit, ListRow, OffsetMove, PartRow, Tally, Truth};
use tempfile::TempDir;

use crate::train_support::{NOW_MS, Shop, views};

const RULES: u64 = 7;

async fn verify(shop: &Shop) -> Report {
    let scratch = TempDir::new().unwrap();
    let verify = Verify {
        log: &*shop.log,
        truth: &*shop.truth,
        files: &shop.context.files,
        lists: &shop.context.params.lists,
        rules_version: RULES,
        scratch: scratch.path(),
        inspect: None,
    };
    verify.run().await.unwrap()
}

fn upsert(n: usize) -> (Topic, serde_json::Value) {
    let e = json!({"event_id": "c", "type": "item_upsert", "item_id": format!("i{n}"), "title": "t", "occurred_at": NOW_MS});
    (Topic::Catalogue, e)
}

fn erased(n: usize) -> (Topic, serde_json::Value) {
    let e =
        json!({"event_id": "e", "type": "user_erased", "user_id": format!("u{n}"), "occurred_at": NOW_MS});
    (Topic::Browse, e)
}

/// Changes the store past the fold: a commit that moves nothing.
async fn tamper(shop: &Shop, commit: impl FnOnce(&mut Commit)) {
    let row = shop.truth.offsets().await.unwrap().into_iter().find(|r| r.topic == Topic::Browse).unwrap();
    let stand = OffsetMove {
        topic: Topic::Browse,
        from: row.next_off,
        to: row.next_off,
        append_ms: 0,
        tally: Tally::default(),
    };
    let mut change = Commit { epoch: row.epoch, offsets: vec![stand], ..Commit::default() };
    commit(&mut change);
    shop.truth.commit(change).await.unwrap();
}

/// A folded shop of 40 users with a model and a list each. `folded`: catalogue records that the store has folded.
async fn shop_with_lists(folded: usize) -> Shop {
    let shop = Shop::new().await;
    shop.append(&(0..folded).map(upsert).collect::<Vec<_>>()).await;
    shop.fold(&views(0, 40, 400)).await;
    shop.fold_topics(&[Topic::Catalogue]).await;
    shop.append(&(folded..30).map(upsert).collect::<Vec<_>>()).await;
    let live = shop.restarted().await.unwrap();
    while live.catalogue().len() < 30 {
        tokio::task::yield_now().await;
    }
    let model = train_once(&shop.context).await.unwrap().model;
    let linked = Linked::new(Some(model), live.catalogue(), None);
    let mut rows = Vec::new();
    for (shard, user) in shop.truth.users_after(None, 1_000).await.unwrap() {
        let row = shop.truth.users(shard, std::slice::from_ref(&user)).await.unwrap().remove(0);
        let state = state_of(&row.parts).unwrap();
        let entries = make_list(&state, &linked, &shop.context.params.lists, &mut ListScratch::default());
        let list = StoredList {
            revision: 1,
            model_version: 1,
            catalogue_offset: linked.catalogue().offset(),
            rules_version: RULES,
            now_ms: state.last_ms().unwrap(),
            as_of: [400, 0, 0, 0, 0],
            entries,
            ..StoredList::default()
        };
        rows.push(ListRow {
            user,
            revision: 1,
            model_version: 1,
            last_ms: list.now_ms,
            data: Arc::from(list.encode()),
        });
    }
    tamper(&shop, |c| c.lists = rows).await;
    shop
}

#[tokio::test]
async fn a_clean_store_is_proved() {
    let shop = shop_with_lists(30).await;
    let report = verify(&shop).await;
    assert!(report.ok, "{report:?}");
    assert_eq!((report.lists.recomputed, report.lists.equal, report.lists.skipped), (40, 40, 0));
    assert_eq!(report.records, 430);
}

/// As after a kill: lists name what the live catalogue had read, the store had not folded that far.
#[tokio::test]
async fn lists_may_be_ahead_of_the_stored_catalogue() {
    let shop = shop_with_lists(3).await;
    let report = verify(&shop).await;
    assert!(report.ok, "{report:?}");
    assert_eq!((report.lists.recomputed, report.lists.equal), (40, 40));
}

#[tokio::test]
async fn a_changed_part_a_lost_part_and_a_forged_list_are_found() {
    let shop = shop_with_lists(30).await;
    let user = UserId::from_trusted(b"u7");
    let part = PartRow {
        shard: 0,
        user: user.clone(),
        topic: Topic::Browse,
        upto: 0,
        data: vec![1, 0, 0, 0, 0, 0, 0],
    };
    tamper(&shop, |c| c.parts = vec![part]).await;
    let report = verify(&shop).await;
    let parts = report.tables.iter().find(|t| t.table == "user_part").unwrap();
    assert!(!report.ok && !parts.equal && parts.differences.len() == 2, "{report:?}");
    tamper(&shop, |c| c.parts_gone = vec![(user, Topic::Browse)]).await;
    let report = verify(&shop).await;
    let parts = report.tables.iter().find(|t| t.table == "user_part").unwrap();
    assert_eq!((parts.rows + 1, parts.equal), (parts.replayed_rows, false));

    let shop = shop_with_lists(30).await;
    let user = UserId::from_trusted(b"u3");
    let mut list = StoredList::decode(&shop.truth.list(0, &user).await.unwrap().unwrap()).unwrap();
    list.entries.swap(0, 1);
    let row = ListRow { user, revision: 2, model_version: 1, last_ms: 0, data: Arc::from(list.encode()) };
    tamper(&shop, |c| c.lists = vec![row]).await;
    let report = verify(&shop).await;
    assert!(!report.ok && report.tables.iter().all(|t| t.equal));
    assert_eq!(report.lists.different.len(), 1);
    assert!(!report.lists.different[0].contains("u3"), "no ids in reports");
}

/// A list's inputs live as long as it names them; only a new chain may drop a model before.
#[tokio::test]
async fn a_model_that_lists_still_name_may_not_be_gone() {
    let shop = shop_with_lists(30).await;
    // The published one is kept in any case.
    assert_eq!(train_once(&shop.context).await.unwrap().model.version(), 2);
    shop.truth.forget_models(&[1]).await.unwrap();
    let report = verify(&shop).await;
    assert!(!report.ok && report.lists.different.len() == 40, "{report:?}");
    shop.fold(&[erased(39)]).await;
    let model = train_once(&shop.context).await.unwrap().model;
    assert_eq!((model.version(), model.parent()), (3, None));
    let report = verify(&shop).await;
    assert!(report.ok, "{report:?}");
    assert_eq!((report.lists.recomputed, report.lists.skipped), (0, 39));
}

#[tokio::test]
async fn what_is_not_folded_yet_is_said() {
    let shop = shop_with_lists(30).await;
    assert_eq!(verify(&shop).await.behind, 0);
    shop.append(&views(1, 3, 5)).await;
    let report = verify(&shop).await;
    assert_eq!((report.ok, report.behind, report.records), (true, 5, 430));
}

#[tokio::test]
async fn an_empty_store_is_proved() {
    assert!(verify(&Shop::new().await).await.ok);
}
