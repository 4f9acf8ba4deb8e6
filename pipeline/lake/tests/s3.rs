//! The lake on a server that speaks S3, named by `SHOPTIDE_TEST_S3` as `http://key:secret@host:port/bucket`. Without it the test says
//! so and is passed over, but not in CI.
#![allow(clippy::unwrap_used)]

mod common;

use std::time::Duration;

use bytes::Bytes;
use common::*;
use object_store::path::Path;
use object_store::{ObjectStore, PutMode, PutOptions, PutPayload};
use shoptide_lake::{CompactLimits, Lake, LakeError, LakeOptions, S3Options};

/// A place of its own in the bucket; `None` without a server.
fn place(name: &str) -> Option<LakeOptions> {
    let Ok(server) = std::env::var("SHOPTIDE_TEST_S3") else {
        assert!(std::env::var_os("CI").is_none(), "SHOPTIDE_TEST_S3 names no server");
        eprintln!("SHOPTIDE_TEST_S3 names no server: not tried");
        return None;
    };
    let (keys, rest) = server.strip_prefix("http://")?.split_once('@')?;
    let ((access, secret), (host, bucket)) = (keys.split_once(':')?, rest.split_once('/')?);
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_nanos();
    Some(LakeOptions {
        url: format!("s3://{bucket}/{name}-{since}"),
        s3: S3Options {
            endpoint: Some(format!("http://{host}")),
            region: Some("us-east-1".to_owned()),
            access_key: Some(access.to_owned()),
            secret_key: Some(secret.to_owned()),
        },
    })
}

#[tokio::test]
async fn a_store_refuses_the_second_of_two_writers() {
    let Some(options) = place("twice") else { return };
    let lake = Lake::open(&options).await.unwrap();
    let put = |text: &'static str| {
        let payload = PutPayload::from(Bytes::from_static(text.as_bytes()));
        let store = lake.store();
        async move { store.put_opts(&Path::from("commits/one"), payload, PutOptions::from(PutMode::Create)).await }
    };
    put("first").await.unwrap();
    let second = put("second").await.unwrap_err();
    assert!(matches!(second, object_store::Error::AlreadyExists { .. }), "{second}");
    use object_store::ObjectStoreExt;
    let held = lake.store().get(&Path::from("commits/one")).await.unwrap().bytes().await.unwrap();
    assert_eq!(held, Bytes::from_static(b"first"));
}

#[tokio::test]
async fn two_archivers_share_a_bucket() {
    let Some(options) = place("shared") else { return };
    let time = Time::new();
    let log = memory_log(2, &time);
    fill(&*log, 0, 900, 20).await;
    let (one, two) = (Lake::open(&options).await.unwrap(), Lake::open(&options).await.unwrap());
    let (a, b) = (archiver(&one, &log, &time), archiver(&two, &log, &time));
    let (a, b) = tokio::join!(a.run(), b.run());
    let (a, b) = (a.unwrap(), b.unwrap());
    assert_eq!(a.records + b.records, 900);
    let lake = Lake::open(&options).await.unwrap();
    let snapshot = lake.snapshot().await.unwrap();
    assert_eq!(snapshot.commit, a.commits + b.commits);
    assert_whole(&lake, &snapshot).await;
    let limits = CompactLimits { small_bytes: 1 << 20, files_min: 2, file_rows: 10_000, file_bytes: 1 << 20 };
    assert!(0 < lake.compact(&limits, "2026-05-03", START_MS).await.unwrap().commits);
    assert_whole(&lake, &lake.snapshot().await.unwrap()).await;
    // What the loser of a step had put is nobody's, and goes with the files that were merged.
    let later = 4_102_444_800_000;
    assert!(0 < lake.sweep(Duration::from_secs(86_400), later).await.unwrap().files);
    let proof = Lake::open(&options).await.unwrap().verify().await.unwrap();
    assert!(proof.ok && proof.rows == 900, "{proof:?}");
}

#[tokio::test]
async fn a_wrong_key_and_a_missing_bucket_are_told() {
    let Some(options) = place("refused") else { return };
    let mut wrong = options.clone();
    wrong.s3.secret_key = Some("not-the-key-that-it-is".to_owned());
    let error = Lake::open(&wrong).await.err().unwrap();
    assert!(matches!(error, LakeError::Unusable(_)), "{error:?}");
    assert!(!error.to_string().contains("not-the-key-that-it-is"), "{error}");
    let mut nowhere = options;
    nowhere.url = "s3://no-such-bucket/lake".to_owned();
    let error = Lake::open(&nowhere).await.err().unwrap();
    assert!(
        error.to_string().contains("no-such-bucket") || error.to_string().contains("NoSuchBucket"),
        "{error:?}"
    );
}
