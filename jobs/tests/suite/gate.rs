//! What may be served: the gate, candidates, promotion, return.

use std::time::Duration;

use serde_json::json;
use shoptide_config::Promote;
use shoptide_jobs::train::{
    Mode, Name, Outcome, Status, TrainOptions, Verdict, VersionError, compare, list, promote, rollback,
    start, train_as, train_once,
};
use shoptide_live::load_version;
use shoptide_models::als::AlsParams;
use shoptide_models::item_item::ItemItemParams;
use shoptide_models::snapshot::Kind;
use shoptide_schemas::USER_TOPICS;
use shoptide_store::Truth;
use tokio::sync::watch;

use crate::train_support::{NOW_MS, Shop, view};

const PATIENCE: Duration = Duration::from_secs(60);

/// Sixty users of three groups, each at home among thirty items of its own; judged from ten users on.
async fn shop() -> Shop {
    let mut shop = Shop::new().await;
    let mut events = Vec::new();
    for n in 0..1_200_usize {
        let (user, group) = (n % 60, n % 3);
        events.push(view(n, &format!("u{user}"), &format!("g{group} i{}", (n / 60 * 7 + user * 5) % 30)));
    }
    shop.fold(&events).await;
    shop.params(|p| p.gate.users_min = 10);
    shop
}

/// One factor and one neighbour cannot tell three groups apart.
fn worse(shop: &mut Shop) {
    shop.params(|p| {
        p.als = AlsParams::new(1, 1, 1.0, 0.1, 100.0, 0.0, 1).unwrap();
        p.item_item = ItemItemParams::new(1, 1_000.0, 0.5, 0.5, 2).unwrap();
        p.config_hash = "worse".to_owned();
    });
}

/// Names and states of all that there is.
async fn stand(shop: &Shop) -> Vec<(String, Status)> {
    let all = list(&*shop.truth).await.unwrap();
    all.into_iter().map(|one| (one.name.to_string(), one.status)).collect()
}

fn said(rows: &[(&str, Status)]) -> Vec<(String, Status)> {
    rows.iter().map(|(name, status)| ((*name).to_owned(), *status)).collect()
}

fn files(shop: &Shop) -> Vec<String> {
    let entries = std::fs::read_dir(shop.models()).unwrap();
    let mut names: Vec<String> = entries.map(|f| f.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// The trainer's loop until a version is published.
async fn train_until(shop: &Shop, version: u64) {
    let (stop, stopped) = watch::channel(false);
    let handle = start(shop.context.clone(), stopped);
    shop.published(version).await;
    stop.send_replace(true);
    tokio::time::timeout(PATIENCE, handle.join()).await.unwrap();
}

#[tokio::test]
async fn a_worse_training_waits_and_what_is_served_goes_on() {
    let mut shop = shop().await;
    let first = train_once(&shop.context).await.unwrap();
    assert_eq!((&first.outcome, &first.gate), (&Outcome::Published, &None));
    worse(&mut shop);
    let second = train_once(&shop.context).await.unwrap();
    let shown = shop.context.progress.look();
    let sweeps = (shop.context.params.als.sweeps() + first.model.side().params().sweeps()) as u64;
    assert_eq!((shown.phase.as_str(), shown.done, shown.total), ("judging", sweeps, sweeps));
    let Outcome::Candidate { number: 1, why } = &second.outcome else { panic!("{:?}", second.outcome) };
    let gate = second.gate.as_ref().unwrap();
    assert_eq!((gate.verdict, gate.served, gate.users), (Verdict::Refused, Some(1), 60));
    assert!(why.iter().any(|why| why.starts_with("ndcg_20 is 0.") && why.contains("% less")), "{why:?}");
    let ndcg = &gate.metrics[0];
    assert!(ndcg.candidate < ndcg.served, "{ndcg:?}");
    assert_eq!(second.model.meta().metrics.get("held_out_ndcg_20"), Some(&ndcg.candidate));
    assert_eq!(shop.truth.model_pointer().await.unwrap(), Some(1));
    assert_eq!(stand(&shop).await, said(&[("1", Status::Served), ("c1", Status::Refused)]));
    assert_eq!(files(&shop).len(), 2, "the candidate's file is kept");
    // The refused configuration is still in force; a restarted trainer refreshes items, and does not try it again.
    shop.fold(&[view(2_000, "u1", "brand new"), view(2_001, "u2", "g2 i1")]).await;
    train_until(&shop, 2).await;
    let delta = shop.live.model().unwrap();
    assert_eq!((delta.kind(), delta.parent(), delta.side().params().rank()), (Kind::Delta, Some(1), 4));
    assert!(delta.index_of(b"brand new").is_some());
    let expected = [("1", Status::Base), ("2", Status::Served), ("c1", Status::Refused)];
    assert_eq!(stand(&shop).await, said(&expected));
}

#[tokio::test]
async fn a_training_of_the_same_quality_is_published_with_what_it_was_measured_by() {
    let shop = shop().await;
    train_once(&shop.context).await.unwrap();
    let again = train_once(&shop.context).await.unwrap();
    assert_eq!(again.outcome, Outcome::Published, "{:?}", again.gate);
    let all = list(&*shop.truth).await.unwrap();
    let second = all.iter().find(|one| one.name == Name::Version(2)).unwrap();
    let gate = second.report.gate.as_ref().unwrap();
    assert_eq!((gate.verdict, gate.users), (Verdict::Passed, 60));
    assert_eq!(second.report.config, shop.context.params.shaping);
    assert_eq!(second.report.mode, "warm");
    assert!(
        second.bytes == std::fs::metadata(shop.models().join(&files(&shop)[0])).unwrap().len()
            || 0 < second.bytes
    );
    // With too few users nobody is judged.
    let mut few = Shop::beside(&shop).await;
    few.params(|p| (p.gate.users_min, p.gate.users_max) = (61, 100));
    worse(&mut few);
    let blind = train_once(&few.context).await.unwrap();
    assert_eq!(blind.outcome, Outcome::Published);
    assert_eq!(blind.gate.unwrap().why, ["60 users have enough items to hide one, expected 61"]);
}

#[tokio::test]
async fn a_refused_candidate_is_promoted_only_by_force_and_comes_as_the_next_version() {
    let mut shop = shop().await;
    train_once(&shop.context).await.unwrap();
    worse(&mut shop);
    train_once(&shop.context).await.unwrap();
    let shelf = shop.context.shelf();
    let error = promote(&shelf, 1, false).await.unwrap_err();
    assert!(matches!(&error, VersionError::Refused { candidate: 1, why } if !why.is_empty()), "{error}");
    assert!(error.to_string().contains("ndcg_20") && error.to_string().contains("--force"), "{error}");
    assert!(matches!(promote(&shelf, 2, true).await, Err(VersionError::Unknown(Name::Candidate(2)))));
    let model = promote(&shelf, 1, true).await.unwrap();
    assert_eq!((model.version(), model.kind(), model.side().params().rank()), (2, Kind::Full, 1));
    // Whoever runs sees it as any publish.
    shop.published(2).await;
    assert_eq!(stand(&shop).await, said(&[("1", Status::Retired), ("2", Status::Served)]));
    assert_eq!(files(&shop).len(), 2, "the candidate's own file is gone");
    // A trainer that ran all the while goes on from it.
    shop.fold(&[view(2_000, "u1", "brand new")]).await;
    train_until(&shop, 3).await;
    assert_eq!(shop.live.model().unwrap().parent(), Some(2));
}

#[tokio::test]
async fn a_trainer_that_runs_goes_on_from_what_somebody_promoted() {
    let shop = shop().await;
    train_once(&shop.context).await.unwrap();
    let asked = TrainOptions { mode: Mode::Full, candidate: true };
    let waiting = train_as(&shop.context, asked).await.unwrap();
    assert!(
        matches!(&waiting.outcome, Outcome::Candidate { number: 1, why } if why == &["it was asked for as a candidate"])
    );
    let (stop, stopped) = watch::channel(false);
    let handle = start(shop.context.clone(), stopped);
    shop.fold(&[view(2_000, "u1", "new a")]).await;
    shop.published(2).await;
    promote(&shop.context.shelf(), 1, false).await.unwrap();
    // What was promoted is 3; what it had not seen is read again at once.
    shop.published(4).await;
    let model = shop.live.model().unwrap();
    assert_eq!((model.kind(), model.parent()), (Kind::Delta, Some(3)));
    assert!(model.index_of(b"new a").is_some(), "what it missed is read again");
    shop.fold(&[view(2_001, "u2", "new b")]).await;
    shop.published(5).await;
    stop.send_replace(true);
    tokio::time::timeout(PATIENCE, handle.join()).await.unwrap();
    assert!(shop.live.model().unwrap().index_of(b"new b").is_some());
}

#[tokio::test]
async fn a_return_has_the_old_content_a_new_number_and_holds() {
    let mut shop = shop().await;
    shop.params(|p| (p.models_kept_min, p.fulls_kept_min) = (2, 5));
    let shelf = shop.context.shelf();
    assert!(matches!(rollback(&shelf, None).await, Err(VersionError::NothingBefore)));
    let first = train_once(&shop.context).await.unwrap().model;
    assert!(matches!(rollback(&shelf, None).await, Err(VersionError::NothingBefore)));
    shop.params(|p| p.gate.promote = Promote::Always);
    worse(&mut shop);
    assert_eq!(train_once(&shop.context).await.unwrap().model.version(), 2);
    let back = rollback(&shelf, None).await.unwrap();
    assert_eq!((back.version(), back.parent(), back.kind()), (3, Some(1), Kind::Full));
    assert_eq!(
        (back.side(), back.neighbours(), back.meta()),
        (first.side(), first.neighbours(), first.meta())
    );
    shop.published(3).await;
    let read = load_version(&*shop.truth, &shop.context.files, 3, None).await.unwrap();
    assert_eq!(*read, *back);
    let expected = [("1", Status::Retired), ("2", Status::Retired), ("3", Status::Served)];
    assert_eq!(stand(&shop).await, said(&expected));
    // It holds, whatever the next training is worth and whatever else is configured.
    let next = train_once(&shop.context).await.unwrap();
    let Outcome::Candidate { number, why } = next.outcome else { panic!("{:?}", next.outcome) };
    assert!(why[0].contains("rolled back to version 1"), "{why:?}");
    // Going back from there goes further back, not to where it came from; by name anything can be had.
    assert!(matches!(rollback(&shelf, None).await, Err(VersionError::NothingBefore)));
    assert!(matches!(rollback(&shelf, Some(3)).await, Err(VersionError::Served(Name::Version(3)))));
    assert!(matches!(rollback(&shelf, Some(9)).await, Err(VersionError::Unknown(Name::Version(9)))));
    assert_eq!(rollback(&shelf, Some(2)).await.unwrap().version(), 4);
    // A promotion ends the hold.
    assert_eq!(promote(&shelf, number, false).await.unwrap().version(), 5);
    assert_eq!(train_once(&shop.context).await.unwrap().outcome, Outcome::Published);
}

#[tokio::test]
async fn an_erasure_is_not_undone_by_a_candidate_or_a_return_and_asks_nobody() {
    let mut shop = shop().await;
    shop.params(|p| p.fulls_kept_min = 5);
    train_once(&shop.context).await.unwrap();
    train_once(&shop.context).await.unwrap();
    shop.params(|p| p.gate.promote = Promote::ByHand);
    let waiting = train_once(&shop.context).await.unwrap();
    let Outcome::Candidate { number, why } = waiting.outcome else { panic!("{:?}", waiting.outcome) };
    assert_eq!(why, ["gate.promote is \"by_hand\""]);
    let bye = json!({"event_id": "bye", "type": "user_erased", "user_id": "u7", "occurred_at": NOW_MS});
    shop.fold(&USER_TOPICS.map(|t| (t, bye.clone()))).await;
    let shelf = shop.context.shelf();
    assert!(matches!(promote(&shelf, number, true).await, Err(VersionError::Erased(Name::Candidate(1)))));
    assert!(matches!(rollback(&shelf, None).await, Err(VersionError::Erased(Name::Version(1)))));
    assert_eq!(stand(&shop).await.len(), 3, "nothing is changed by what is refused");
    // The new chain is published although everything else waits for a hand, and nothing of before is left to go back to.
    let new = train_once(&shop.context).await.unwrap();
    assert_eq!((new.outcome, new.model.parent()), (Outcome::Published, None));
    assert_eq!(stand(&shop).await, said(&[("3", Status::Served)]));
    assert_eq!(files(&shop).len(), 1);
}

#[tokio::test]
async fn candidates_and_full_versions_are_bounded() {
    let mut shop = shop().await;
    shop.params(|p| (p.candidates_kept_max, p.fulls_kept_min, p.models_kept_min) = (2, 2, 2));
    for _ in 0..5 {
        assert_eq!(train_once(&shop.context).await.unwrap().outcome, Outcome::Published);
    }
    shop.params(|p| p.gate.promote = Promote::ByHand);
    for _ in 0..4 {
        train_once(&shop.context).await.unwrap();
    }
    let named: Vec<String> = stand(&shop).await.into_iter().map(|(name, _)| name).collect();
    assert_eq!(named, ["3", "4", "5", "c3", "c4"]);
    assert_eq!(files(&shop).len(), 5);
}

#[tokio::test]
async fn the_ways_to_train_differ_and_repeat() {
    let shop = shop().await;
    train_once(&shop.context).await.unwrap();
    let as_candidate = async |mode| {
        let trained = train_as(&shop.context, TrainOptions { mode, candidate: true }).await.unwrap();
        (trained.model.side().factors().to_owned(), trained.model.meta().metrics.get("warm").copied())
    };
    let (warm, cold) = (as_candidate(Mode::Warm).await, as_candidate(Mode::Full).await);
    assert_eq!((warm.1, cold.1), (Some(1.0), Some(0.0)));
    assert_ne!(warm.0, cold.0);
    assert_eq!(cold.0, as_candidate(Mode::Full).await.0);
    assert_eq!(warm.0, as_candidate(Mode::Warm).await.0);
    let nothing = train_as(&shop.context, TrainOptions { mode: Mode::Items, candidate: false }).await;
    assert!(matches!(nothing, Err(shoptide_jobs::train::TrainError::Nothing)), "{nothing:?}");
    shop.fold(&[view(2_000, "u1", "g1 i1")]).await;
    let items = train_as(&shop.context, TrainOptions { mode: Mode::Items, candidate: false }).await.unwrap();
    assert_eq!((items.model.kind(), items.model.version()), (Kind::Delta, 2));
}

#[tokio::test]
async fn two_models_are_compared_by_what_they_say() {
    let mut shop = shop().await;
    train_once(&shop.context).await.unwrap();
    worse(&mut shop);
    shop.params(|p| p.shaping.insert("als.factors".to_owned(), "1".to_owned()).map_or((), drop));
    train_once(&shop.context).await.unwrap();
    let names = [Name::Version(1), Name::Candidate(1)];
    let beside = compare(&shop.context.shelf(), &shop.context.params, names).await.unwrap();
    assert_eq!((beside.users, beside.items), (60, [90, 0, 0]));
    assert!(beside.lists_overlap < 0.9 && beside.nearest_overlap < 0.9, "{beside:?}");
    assert_eq!(beside.config.keys().collect::<Vec<_>>(), ["als.factors"]);
    assert!(beside.metrics["held_out_ndcg_20"][1].is_some() && beside.metrics["loss"][0].is_some());
    let same = compare(&shop.context.shelf(), &shop.context.params, [Name::Version(1); 2]).await.unwrap();
    assert_eq!((same.lists_overlap, same.nearest_overlap, same.config.len()), (1.0, 1.0, 0));
    let unknown =
        compare(&shop.context.shelf(), &shop.context.params, [Name::Version(1), Name::Version(7)]).await;
    assert!(matches!(unknown, Err(VersionError::Unknown(Name::Version(7)))));
}

#[tokio::test]
async fn a_long_training_comes_behind_the_refreshes_of_its_chain_and_behind_nothing_else() {
    let shop = shop().await;
    train_once(&shop.context).await.unwrap();
    // A second trainer that stands at version 1 while the first goes on.
    let mut slow = Shop::beside(&shop).await;
    let behind = crate::train_support::Blind::at(&shop.truth, 1, 1);
    slow.context.truth = std::sync::Arc::new(behind);
    shop.fold(&[view(2_000, "u1", "brand new")]).await;
    let items = TrainOptions { mode: Mode::Items, candidate: false };
    assert_eq!(train_as(&shop.context, items).await.unwrap().model.version(), 2);
    let full = train_once(&slow.context).await.unwrap();
    assert_eq!((full.outcome, full.model.version(), full.model.parent()), (Outcome::Published, 3, Some(1)));
    assert_eq!(shop.truth.model_pointer().await.unwrap(), Some(3));
    // Another full training is not written over.
    let behind = crate::train_support::Blind::at(&shop.truth, 3, 1);
    slow.context.truth = std::sync::Arc::new(behind);
    assert_eq!(train_once(&shop.context).await.unwrap().model.version(), 4);
    let late = train_once(&slow.context).await;
    assert!(matches!(late, Err(shoptide_jobs::train::TrainError::Store(_))), "{late:?}");
    assert_eq!(shop.truth.model_pointer().await.unwrap(), Some(4));
}
