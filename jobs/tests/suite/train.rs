//! The trainer over a folded truth: what it publishes, again and after every kind of trouble.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use shoptide_jobs::train::{
    Tables, TrainError, TuneOptions, Workers, held_out, start, train_once, tune_blend,
};
use shoptide_live::{LiveError, ModelFileError, load_version};
use shoptide_models::search::Trials;
use shoptide_models::snapshot::Kind;
use shoptide_schemas::{Topic, USER_TOPICS};
use shoptide_store::Truth;
use tokio::sync::watch;

use crate::train_support::{NOW_MS, Shop, view, views};

/// Long enough for a loaded machine, short enough to fail a hanging test.
const PATIENCE: Duration = Duration::from_secs(60);

/// Bytes of every model file, in order of version.
async fn files(shop: &Shop) -> Vec<(u64, String, Vec<u8>)> {
    let rows = shop.truth.models().await.unwrap();
    rows.into_iter()
        .map(|r| (r.version, r.kind, std::fs::read(shop.models().join(&r.file)).unwrap()))
        .collect()
}

/// The trainer's loop until `versions` are published.
async fn train_until(shop: &Shop, version: u64) {
    let (stop, stopped) = watch::channel(false);
    let handle = start(shop.context.clone(), stopped);
    shop.published(version).await;
    stop.send_replace(true);
    tokio::time::timeout(PATIENCE, handle.join()).await.unwrap();
}

/// A full version, then two deltas; `restart`: the trainer ends between versions.
async fn chain(restart: bool, threads: usize) -> Vec<(u64, String, Vec<u8>)> {
    let run = async move {
        let mut shop = Shop::new().await;
        shop.context.workers = Workers::new(threads).unwrap();
        shop.fold(&views(0, 40, 400)).await;
        if restart {
            train_until(&shop, 1).await;
            shop.fold(&[view(1_000, "u1", "new a"), view(1_001, "u2", "i1")]).await;
            train_until(&shop, 2).await;
            shop.fold(&[view(1_002, "u0", "new b"), view(1_003, "u9", "i2")]).await;
            train_until(&shop, 3).await;
        } else {
            let (stop, stopped) = watch::channel(false);
            let handle = start(shop.context.clone(), stopped);
            shop.published(1).await;
            shop.fold(&[view(1_000, "u1", "new a"), view(1_001, "u2", "i1")]).await;
            shop.published(2).await;
            shop.fold(&[view(1_002, "u0", "new b"), view(1_003, "u9", "i2")]).await;
            shop.published(3).await;
            stop.send_replace(true);
            handle.join().await;
        }
        files(&shop).await
    };
    run.await
}

#[tokio::test]
async fn the_same_cuts_give_the_same_bytes() {
    let once = chain(false, 4).await;
    assert_eq!(
        once.iter().map(|f| (f.0, f.1.as_str())).collect::<Vec<_>>(),
        [(1, "full"), (2, "delta"), (3, "delta")]
    );
    for (restart, threads) in [(false, 4), (true, 4), (false, 1), (true, 1)] {
        let again = chain(restart, threads).await;
        for (a, b) in once.iter().zip(&again) {
            assert!(a == b, "version {} differs with restart {restart}, {threads} threads", a.0);
        }
    }
}

#[tokio::test]
async fn the_first_version_does_not_depend_on_how_often_the_tables_were_read() {
    let batches = [views(0, 20, 50), views(50, 40, 50), vec![view(900, "a", "zz"), view(901, "zz", "a")]];
    let straight = Shop::new().await;
    for some in &batches {
        straight.fold(some).await;
    }
    let expected = train_once(&straight.context).await.unwrap();
    let sweeps = straight.context.params.als.sweeps() as u64;
    let shown = straight.context.progress.look();
    assert_eq!((shown.phase.as_str(), shown.done, shown.total), ("training", sweeps, sweeps));
    // A trainer that looks before there is enough, and again.
    let mut slow = Shop::new().await;
    slow.params(|p| (p.first_after_events, p.refresh_every_ms) = (102, 1));
    let (stop, stopped) = watch::channel(false);
    let handle = start(slow.context.clone(), stopped);
    for some in &batches {
        slow.fold(some).await;
    }
    slow.published(1).await;
    stop.send_replace(true);
    handle.join().await;
    let first = slow.live.model().unwrap();
    if first.meta().cut == expected.model.meta().cut {
        assert_eq!(first.item_ids(), expected.model.item_ids());
        assert_eq!(files(&slow).await[0].2, files(&straight).await[0].2);
    }
}

#[tokio::test]
async fn a_delta_touches_only_what_was_touched() {
    let shop = Shop::new().await;
    shop.fold(&views(0, 40, 400)).await;
    train_until(&shop, 1).await;
    let before = shop.live.model().unwrap();
    shop.fold(&[view(1_000, "u1", "i1"), view(1_001, "u2", "brand new")]).await;
    train_until(&shop, 2).await;
    let after = shop.live.model().unwrap();
    assert_eq!((after.kind(), after.parent(), after.n_items()), (Kind::Delta, Some(1), before.n_items() + 1));
    for (index, id) in before.item_ids().iter().enumerate() {
        let same = before.side().item(index as u32) == after.side().item(index as u32);
        assert_eq!(same, id != b"i1", "{}", String::from_utf8_lossy(id));
    }
    assert!(
        after.side().item(before.n_items() as u32).unwrap().iter().any(|x| *x != 0.0),
        "the new item has factors"
    );
}

#[tokio::test]
async fn an_erasure_begins_a_new_chain_and_old_versions_go() {
    let shop = Shop::new().await;
    shop.fold(&views(0, 40, 400)).await;
    shop.fold(&[view(999, "gone", "only of the erased")]).await;
    train_until(&shop, 1).await;
    assert!(shop.live.model().unwrap().item_ids().iter().any(|i| i == b"only of the erased"));
    let bye = json!({"event_id": "bye", "type": "user_erased", "user_id": "gone", "occurred_at": NOW_MS});
    shop.fold(&USER_TOPICS.map(|t| (t, bye.clone()))).await;
    train_until(&shop, 2).await;
    let model = shop.live.model().unwrap();
    assert_eq!((model.kind(), model.parent()), (Kind::Full, None));
    assert!(!model.item_ids().iter().any(|i| i == b"only of the erased"));
    let rows = shop.truth.models().await.unwrap();
    assert_eq!(rows.iter().map(|r| r.version).collect::<Vec<_>>(), [2]);
    let on_disk = std::fs::read_dir(shop.models()).unwrap().count();
    assert_eq!(on_disk, 1, "the old version's file is gone");
}

#[tokio::test]
async fn an_identified_user_begins_no_new_chain() {
    let shop = Shop::new().await;
    shop.fold(&views(0, 40, 400)).await;
    train_until(&shop, 1).await;
    let identify = json!({"event_id": "id", "type": "identify", "user_id": "u1", "known_user_id": "anna", "occurred_at": NOW_MS});
    shop.fold(&[(Topic::Browse, identify), view(1_000, "u2", "i1")]).await;
    train_until(&shop, 2).await;
    assert_eq!(shop.live.model().unwrap().kind(), Kind::Delta);
}

#[tokio::test]
async fn items_without_a_catalogue_row_are_announced_once() {
    let shop = Shop::new().await;
    shop.fold(&views(0, 10, 50)).await;
    train_until(&shop, 1).await;
    let items = shop.live.model().unwrap().n_items();
    // The live catalogue follows the log by itself.
    tokio::time::timeout(PATIENCE, async {
        while (shop.live.catalogue().len() as usize) < items {
            tokio::task::yield_now().await;
        }
    })
    .await
    .unwrap();
    let linked = shop.live.linked();
    assert!((0..items as u32).all(|i| linked.listable(i)), "all can be recommended");
    let end = shop.log_end(Topic::Catalogue).await;
    shop.fold(&[view(1_000, "u1", "i1")]).await;
    train_until(&shop, 2).await;
    assert_eq!(shop.log_end(Topic::Catalogue).await, end, "not announced again");
}

#[tokio::test]
async fn of_two_trainers_the_loser_begins_again_and_the_winners_file_stays() {
    let shop = Shop::new().await;
    shop.fold(&views(0, 40, 400)).await;
    train_until(&shop, 1).await;
    let (a, b) = tokio::join!(train_once(&shop.context), train_once(&shop.context));
    let lost = [&a, &b].into_iter().filter(|r| matches!(r, Err(TrainError::Store(_)))).count();
    assert!(lost <= 1, "{a:?} {b:?}");
    let rows = shop.truth.models().await.unwrap();
    let mut named: Vec<String> = rows.iter().map(|r| r.file.clone()).collect();
    let mut on_disk: Vec<String> = std::fs::read_dir(shop.models())
        .unwrap()
        .map(|f| f.unwrap().file_name().into_string().unwrap())
        .collect();
    named.sort();
    on_disk.sort();
    assert_eq!(on_disk, named, "no file but the published ones");
    train_once(&shop.context).await.unwrap();
}

#[tokio::test]
async fn a_loser_with_other_content_does_not_touch_the_winners_file() {
    let shop = Shop::new().await;
    shop.fold(&views(0, 40, 400)).await;
    train_once(&shop.context).await.unwrap();
    let before = files(&shop).await;
    // As another trainer that has not heard of version 1: its own version 1, of other parameters.
    let mut other = Shop::beside(&shop).await;
    other.params(|p| p.config_hash = "other".to_owned());
    let blind = crate::train_support::Blind::over(&shop.truth);
    other.context.truth = Arc::new(blind);
    assert!(matches!(train_once(&other.context).await, Err(TrainError::Store(_))));
    assert_eq!(files(&shop).await, before);
    assert_eq!(std::fs::read_dir(shop.models()).unwrap().count(), 1);
}

#[tokio::test]
async fn a_corrupt_or_removed_file_is_no_end_the_next_version_begins_a_new_chain() {
    let shop = Shop::new().await;
    shop.fold(&views(0, 40, 400)).await;
    train_once(&shop.context).await.unwrap();
    let path = shop.models().join(&shop.truth.models().await.unwrap()[0].file);
    let mut bytes = std::fs::read(&path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 0x55;
    std::fs::write(&path, &bytes).unwrap();
    assert_eq!(shop.live.model().unwrap().version(), 1, "in use until the process ends");
    let error = load_version(&*shop.truth, &shop.context.files, 1, None).await.unwrap_err();
    assert!(matches!(&error, LiveError::Model(ModelFileError::Content { .. })), "{error}");
    assert!(error.to_string().contains("jobs train") && error.to_string().contains("model-"), "{error}");
    assert!(shop.restarted().await.unwrap().model().is_none());
    // As the message says.
    std::fs::remove_file(&path).unwrap();
    let live = shop.restarted().await.unwrap();
    assert!(live.model().is_none());
    assert_eq!(live.metrics().model_failures.with_label_values(&["load"]).get(), 1);
    let mut context = shop.context.clone();
    context.live = live;
    let trained = train_once(&context).await.unwrap();
    assert_eq!((trained.model.version(), trained.model.parent()), (2, None));
    assert_eq!(shop.restarted().await.unwrap().model().unwrap().version(), 2);
}

#[tokio::test]
async fn a_disk_that_takes_no_file_is_an_error_and_the_next_try_works() {
    let shop = Shop::new().await;
    shop.fold(&views(0, 40, 400)).await;
    // A file where the folder should be: nothing can be written, whoever runs the test.
    std::fs::write(shop.models(), b"in the way").unwrap();
    let error = train_once(&shop.context).await.unwrap_err();
    assert!(matches!(error, TrainError::File(ModelFileError::Io { .. })), "{error}");
    assert_eq!(shop.truth.model_pointer().await.unwrap(), None);
    std::fs::remove_file(shop.models()).unwrap();
    assert_eq!(train_once(&shop.context).await.unwrap().model.version(), 1);
}

#[tokio::test]
async fn another_configuration_is_trained_in_full() {
    let mut shop = Shop::new().await;
    shop.fold(&views(0, 40, 400)).await;
    train_until(&shop, 1).await;
    shop.params(|p| {
        p.als = shoptide_models::als::AlsParams::new(5, 2, 1.0, 0.1, 0.1, 0.0, 1).unwrap();
        p.config_hash = "other".to_owned();
    });
    train_until(&shop, 2).await;
    let model = shop.live.model().unwrap();
    assert_eq!((model.kind(), model.side().params().rank()), (Kind::Full, 5));
}

#[tokio::test]
async fn a_shard_that_appears_later_is_read_whole() {
    let shop = Shop::new().await;
    shop.fold(&views(0, 40, 100)).await;
    let mut tables = Tables::default();
    tables.advance(&*shop.truth).await.unwrap();
    let known = tables.n_users();
    shop.foreign_shard(9, "visitor").await;
    tables.advance(&*shop.truth).await.unwrap();
    assert_eq!(tables.n_users(), known + 1);
}

/// Sixty users of three groups, each at home among thirty items of its own.
async fn three_groups(shop: &Shop) -> Tables {
    let mut events = Vec::new();
    for n in 0..1_200_usize {
        let (user, group) = (n % 60, n % 3);
        events.push(view(n, &format!("u{user}"), &format!("g{group} i{}", (n / 60 * 7 + user * 5) % 30)));
    }
    shop.fold(&events).await;
    let mut tables = Tables::default();
    tables.advance(&*shop.truth).await.unwrap();
    tables
}

#[tokio::test]
async fn held_out_quality_finds_the_groups() {
    let shop = Shop::new().await;
    assert!(matches!(train_once(&shop.context).await, Err(TrainError::Nothing)));
    let tables = three_groups(&shop).await;
    let quality = held_out(&tables, &shop.context.params).unwrap();
    assert_eq!(quality.users, 60);
    assert!(quality.popularity.recall < quality.blend.recall, "{quality:?}");
    let again = held_out(&tables, &shop.context.params).unwrap();
    assert_eq!(quality.blend.ndcg.to_bits(), again.blend.ndcg.to_bits());
}

#[tokio::test]
async fn tuning_finds_and_feedback_teaches_what_the_groups_show() {
    let shop = Shop::new().await;
    let tables = three_groups(&shop).await;
    let options = TuneOptions { trials: 6, seed: 3 };
    let tune = || {
        let mut trials = Trials::default();
        tune_blend(&tables, &shop.context.params, options, &mut trials, &mut || true, &mut |_| {}).unwrap()
    };
    let tuned = tune();
    assert_eq!((tuned.trials, tuned.tried.len(), tuned.without.len()), (6, 6, 3));
    let learned = tuned.learned.as_ref().unwrap();
    assert!(0 < learned.taken && learned.taken < learned.shown && !learned.windows.is_empty(), "{learned:?}");
    assert!(learned.log_loss < learned.log_loss_of_mean, "the sources know more than the mean: {learned:?}");
    let (source, weight, adds) = learned.sources.iter().copied().max_by(|a, b| a.2.total_cmp(&b.2)).unwrap();
    assert!(source != "popularity" && 0.0 < weight && 0.0 < adds, "{learned:?}");
    let (blend, quality) = learned.blend.as_ref().unwrap();
    assert!(
        ["factors", "item_item", "popularity", "recency_places"].iter().all(|key| blend.contains_key(*key))
    );
    assert!(0.0 < quality.ndcg, "{quality:?}");
    assert_eq!(format!("{:?}", tuned.learned), format!("{:?}", tune().learned));
}
