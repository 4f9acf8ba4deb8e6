//! Models on their way between machines: a trainer and its readers share a store and nothing else.

use std::path::Path;
use std::sync::Arc;

use shoptide_jobs::train::{start, train_once};
use shoptide_live::{Live, Metrics, ModelFiles};
use shoptide_store::{ModelPart, Truth};
use tempfile::TempDir;
use tokio::sync::watch;

use crate::train_support::{Shop, view, views};

/// A trainer whose store serves several machines.
async fn trainer() -> Shop {
    let mut shop = Shop::new().await;
    shop.context.files = ModelFiles::shared(shop.models());
    shop.fold(&views(0, 40, 400)).await;
    shop
}

/// A process elsewhere, with a folder of its own.
async fn elsewhere(shop: &Shop, dir: &Path) -> Arc<Live> {
    let (files, metrics) = (ModelFiles::shared(dir.to_owned()), Arc::new(Metrics::new().unwrap()));
    Live::start(shop.log.clone(), shop.truth.clone(), files, metrics).await.unwrap()
}

async fn reaches(live: &Live, version: u64) {
    let mut model = live.watch_model();
    let wait = model.wait_for(|m| m.as_ref().is_some_and(|m| m.version() == version));
    tokio::time::timeout(std::time::Duration::from_secs(60), wait).await.expect("the model in time").unwrap();
}

/// Publishes the next version: a delta, for somebody acted.
async fn next_version(shop: &Shop, n: usize) {
    let (stop, stopped) = watch::channel(false);
    let handle = start(shop.context.clone(), stopped);
    let version = shop.live.model().unwrap().version() + 1;
    shop.fold(&[view(n, "u1", &format!("new {n}")), view(n + 1, "u2", "i1")]).await;
    shop.published(version).await;
    stop.send_replace(true);
    handle.join().await;
}

fn names(dir: &Path) -> Vec<String> {
    let mut names: Vec<String> =
        std::fs::read_dir(dir).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

fn same_files(a: &Path, b: &Path) {
    assert_eq!(names(a), names(b));
    for name in names(a) {
        assert!(std::fs::read(a.join(&name)).unwrap() == std::fs::read(b.join(&name)).unwrap(), "{name}");
    }
}

#[tokio::test]
async fn a_model_is_read_on_another_machine() {
    let (shop, far) = (trainer().await, TempDir::new().unwrap());
    let dir = far.path().join("not made yet");
    let live = elsewhere(&shop, &dir).await;
    assert!(live.model().is_none());
    train_once(&shop.context).await.unwrap();
    reaches(&live, 1).await;
    next_version(&shop, 1_000).await;
    reaches(&live, 2).await;
    live.stop();
    same_files(&shop.models(), &dir);
    // A copy that is damaged is fetched again, and so is one that is gone.
    let copies = names(&dir);
    std::fs::write(dir.join(&copies[0]), b"half of a mod").unwrap();
    std::fs::remove_file(dir.join(&copies[1])).unwrap();
    let again = elsewhere(&shop, &dir).await;
    assert_eq!(again.model().unwrap().version(), 2);
    again.stop();
    same_files(&shop.models(), &dir);
    // A folder that cannot keep copies is no reason to be without a model.
    let file = far.path().join("a file");
    std::fs::write(&file, b"").unwrap();
    let without = elsewhere(&shop, &file).await;
    assert_eq!(without.model().unwrap().version(), 2);
    without.stop();
}

#[tokio::test]
async fn a_trainer_that_dies_half_way_leaves_the_older_model() {
    let (shop, far) = (trainer().await, TempDir::new().unwrap());
    train_once(&shop.context).await.unwrap();
    // It wrote its file and some of the parts, and died before the row.
    let half =
        ModelPart { version: 2, file: "model-000000000002-delta-0.arrow".into(), part: 0, data: vec![1; 99] };
    shop.truth.put_model_part(half.clone()).await.unwrap();
    let live = elsewhere(&shop, far.path()).await;
    assert_eq!(live.model().unwrap().version(), 1);
    // The next one publishes the same version, and takes the half one away.
    next_version(&shop, 1_000).await;
    reaches(&live, 2).await;
    live.stop();
    assert_eq!(shop.truth.model_part(2, &half.file, 0).await.unwrap(), None);
    same_files(&shop.models(), far.path());
}

#[tokio::test]
async fn forgotten_models_leave_every_machine() {
    let (mut shop, far) = (trainer().await, TempDir::new().unwrap());
    shop.params(|params| params.models_kept_min = 1);
    train_once(&shop.context).await.unwrap();
    let live = elsewhere(&shop, far.path()).await;
    let first = shop.truth.models().await.unwrap().remove(0);
    for version in 2..=4 {
        train_once(&shop.context).await.unwrap();
        reaches(&live, version).await;
    }
    let kept: Vec<String> = shop.truth.models().await.unwrap().into_iter().map(|row| row.file).collect();
    assert!(!kept.contains(&first.file) && kept.len() < 4, "{kept:?}");
    assert_eq!(shop.truth.model_part(1, &first.file, 0).await.unwrap(), None);
    assert_eq!(names(&shop.models()), kept);
    // Copies go after the model is in use.
    let gone = async {
        while far.path().join(&first.file).exists() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(60), gone).await.expect("the oldest copy goes");
    live.stop();
}
