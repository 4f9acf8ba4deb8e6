//! Merging, erasing, dropping and sweeping, and the proof over all of it.

mod common;

use std::time::Duration;

use common::*;
use futures::TryStreamExt;
use shoptide_lake::{CompactLimits, FileMax, Lake, LakeError, LakeOptions, user_hash};
use shoptide_log::Log;
use shoptide_schemas::time::DAY_MS;
use shoptide_schemas::{EventType, Topic};

const LIMITS: CompactLimits =
    CompactLimits { small_bytes: 1 << 20, files_min: 3, file_rows: 10_000, file_bytes: 1 << 20 };
const MAX: FileMax = FileMax { rows: 10_000, bytes: 1 << 20 };
const DAY: Duration = Duration::from_secs(86_400);

#[allow(clippy::unwrap_used)]
fn now_ms() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    i64::try_from(since.as_millis()).unwrap()
}

#[tokio::test]
async fn small_files_are_merged_and_old_snapshots_stay_readable_for_a_while() {
    let (time, folder) = (Time::new(), tempfile::tempdir().unwrap());
    let log = memory_log(2, &time);
    let lake = Lake::open(&LakeOptions::local(folder.path())).await.unwrap();
    for n in 0..6 {
        fill(&*log, n * 100, 100, 10).await;
        archiver(&lake, &log, &time).run().await.unwrap();
    }
    let before = lake.snapshot().await.unwrap();
    let merged = lake.compact(&LIMITS, "2026-05-02", now_ms()).await.unwrap();
    let after = lake.snapshot().await.unwrap();
    assert!(after.files.len() * 2 < before.files.len(), "{merged:?}");
    let rows_before = rows(&lake, &before).await;
    assert_eq!(rows(&lake, &after).await, rows_before, "old and new are both there");
    assert_eq!((after.cut.clone(), &after.tallies), (before.cut.clone(), &before.tallies));
    // The day that is over has one file a place.
    let first_day: Vec<_> = events(&after).filter(|f| f.date == "2026-05-01").map(|f| f.place()).collect();
    assert_eq!(first_day.iter().collect::<std::collections::HashSet<_>>().len(), first_day.len());
    assert_eq!(lake.compact(&LIMITS, "2026-05-02", now_ms()).await.unwrap().commits, 0, "nothing is left");

    // Within the grace period nothing goes, after it the replaced files do.
    assert_eq!(lake.sweep(DAY, now_ms()).await.unwrap().files, 0);
    assert_eq!(rows(&lake, &before).await, rows_before);
    let swept = lake.sweep(DAY, now_ms() + 2 * DAY_MS).await.unwrap();
    assert_eq!(swept.files, merged.files_before);
    assert_eq!(rows(&lake, &after).await, rows_before);
    let gone = lake.read(&before.files[0], None).await.err().unwrap();
    assert!(matches!(&gone, LakeError::Missing { path } if *path == before.files[0].path), "{gone}");
    assert!(lake.verify().await.unwrap().ok);
    assert!(matches!(lake.sweep(Duration::from_secs(60), now_ms()).await, Err(LakeError::Unusable(_))));
}

#[tokio::test]
async fn what_an_erased_user_left_goes_from_every_file() {
    let (time, folder) = (Time::new(), tempfile::tempdir().unwrap());
    let log = memory_log(4, &time);
    fill(&*log, 0, 600, 12).await;
    let at = START_MS;
    log.append(vec![
        identify(Topic::Browse, "device-1", "user-3", at),
        identify(Topic::Browse, "device-2", "user-4", at),
        event(Topic::Browse, "user-3", "no event"),
    ])
    .await
    .unwrap();
    let lake = Lake::open(&LakeOptions::local(folder.path())).await.unwrap();
    archiver(&lake, &log, &time).run().await.unwrap();
    let before = lake.snapshot().await.unwrap();
    let naming = |id: &str, rows: &Rows, topic: Topic| {
        let bytes = format!("{:?}", id.as_bytes());
        rows.iter().filter(|((t, ..), row)| *t == topic && row.contains(&bytes)).count()
    };
    let rows_before = rows(&lake, &before).await;
    assert!(20 < naming("user-3", &rows_before, Topic::Browse));

    log.append(vec![erased(Topic::Browse, "user-3", at), erased(Topic::Cart, "user-3", at)]).await.unwrap();
    archiver(&lake, &log, &time).run().await.unwrap();
    assert_eq!(lake.snapshot().await.unwrap().pending.len(), 2);
    let settled = lake.settle(&*log, MAX, at).await.unwrap();
    let after = lake.snapshot().await.unwrap();
    assert!(after.pending.is_empty() && settled.erasures == 2 && 0 < settled.files_rewritten, "{settled:?}");
    // Of the other partitions only identifications and records are looked into.
    assert!(settled.files_read < before.files.len() as u64 / 2, "{settled:?} of {}", before.files.len());
    let rows_after = rows(&lake, &after).await;
    for topic in [Topic::Browse, Topic::Cart] {
        assert_eq!(naming("user-3", &rows_after, topic), 0, "{topic}");
    }
    assert_eq!(naming("user-4", &rows_after, Topic::Browse), naming("user-4", &rows_before, Topic::Browse));
    let kept: Vec<_> = after.files.iter().filter(|f| f.event_type == Some(EventType::UserErased)).collect();
    assert_eq!(kept.iter().map(|f| f.rows).sum::<u64>(), 2);
    let marks = rows_after.values().filter(|row| row.contains("user_erased")).collect::<Vec<_>>();
    assert!(marks.iter().all(|row| !row.contains(&format!("{:?}", b"erase user-3"))), "{marks:?}");
    assert!(after.erased.contains_hash(Topic::Cart, user_hash(b"user-3")));
    let proof = lake.verify().await.unwrap();
    assert!(proof.ok && proof.erased == settled.rows, "{proof:?}");
    // Nothing of it is on the disk once the grace is over.
    lake.sweep(DAY, now_ms() + 2 * DAY_MS).await.unwrap();
    assert_eq!(lake.settle(&*log, MAX, at).await.unwrap().files_read, 0);
}

#[tokio::test]
async fn days_beyond_the_retention_are_dropped() {
    let (time, folder) = (Time::new(), tempfile::tempdir().unwrap());
    let log = memory_log(1, &time);
    fill(&*log, 0, 300, 10).await;
    let lake = Lake::open(&LakeOptions::local(folder.path())).await.unwrap();
    archiver(&lake, &log, &time).run().await.unwrap();
    let dropped = lake.retire(1, START_MS + 1_000).await.unwrap();
    let after = lake.snapshot().await.unwrap();
    assert!(0 < dropped && events(&after).all(|f| "2026-05-02" <= f.date.as_str()));
    let proof = lake.verify().await.unwrap();
    assert!(proof.ok && 0 < proof.retired && proof.rows + proof.retired == 300, "{proof:?}");
    // A clock that is years ahead of everything that was appended takes nothing more.
    assert_eq!(lake.retire(1, START_MS + 400 * DAY_MS).await.unwrap(), 0);
    assert_eq!(lake.snapshot().await.unwrap(), after);
    // The catalogue's records stay, those that were refused go.
    time.set(START_MS + 5 * DAY_MS);
    log.append(vec![view(1_000, "anna", START_MS - 9 * DAY_MS)]).await.unwrap();
    archiver(&lake, &log, &time).run().await.unwrap();
    lake.retire(1, START_MS + 5 * DAY_MS).await.unwrap();
    let after = lake.snapshot().await.unwrap();
    assert!(!after.files.is_empty() && after.files.iter().all(|f| f.topic == Topic::Catalogue));
    assert!(lake.verify().await.unwrap().ok);
}

#[tokio::test]
async fn the_proof_names_what_is_wrong() {
    let (time, folder) = (Time::new(), tempfile::tempdir().unwrap());
    let log = memory_log(1, &time);
    fill(&*log, 0, 300, 10).await;
    let options = LakeOptions::local(folder.path());
    let lake = Lake::open(&options).await.unwrap();
    archiver(&lake, &log, &time).run().await.unwrap();
    let snapshot = lake.snapshot().await.unwrap();
    let file = |n: usize| folder.path().join(&snapshot.files[n].path);
    let whole: Vec<Vec<u8>> = (0..4).map(|n| std::fs::read(file(n)).unwrap()).collect();
    let faults = || async {
        let proof = Lake::open(&options).await.unwrap().verify().await.unwrap();
        assert_eq!(proof.ok, proof.faults.is_empty());
        proof.faults.into_iter().map(|f| format!("{}: {}", f.place, f.reason)).collect::<Vec<_>>()
    };
    assert!(faults().await.is_empty());
    let path = |n: usize| snapshot.files[n].path.as_str();

    let mut flipped = whole[0].clone();
    flipped[20] ^= 1;
    let foreign = b"PAR1 is not all that it takes".to_vec();
    for (bytes, why) in [
        (flipped, "not those that were written"),
        (whole[0][..whole[0].len() / 2].to_vec(), "its commit says"),
        (foreign, "its commit says"),
        (whole[1].clone(), "its commit says"),
    ] {
        std::fs::write(file(0), bytes).unwrap();
        let found = faults().await;
        assert_eq!(found.len(), 2, "the file, and its partition: {found:?}");
        assert!(found[0].starts_with(path(0)) && found[0].contains(why), "{found:?}");
        assert!(
            found[1].starts_with("shop.browse partition 0") && found[1].contains("cannot be read"),
            "{found:?}"
        );
        let error = lake.read(&snapshot.files[0], None).await;
        if let Err(error) = error {
            assert!(matches!(&error, LakeError::Damaged { path: p, .. } if p == path(0)), "{error}");
        }
    }
    std::fs::remove_file(file(0)).unwrap();
    let found = faults().await;
    assert_eq!(found[0], format!("{}: is missing", path(0)));
    std::fs::write(file(0), &whole[0]).unwrap();
    assert!(faults().await.is_empty());

    // A commit that is gone, or is not one: there is no lake to speak of, and it says which.
    let commit = folder.path().join(format!("commits/{:020}.json", 1));
    let text = std::fs::read(&commit).unwrap();
    std::fs::remove_file(&commit).unwrap();
    if 1 < snapshot.commit {
        let error = Lake::open(&options).await.err().unwrap();
        assert!(matches!(&error, LakeError::Missing { path } if path.contains("commits/")), "{error}");
    }
    std::fs::write(&commit, b"{}").unwrap();
    let error = Lake::open(&options).await.err().unwrap();
    assert!(matches!(&error, LakeError::Damaged { path, .. } if path.contains("commits/")), "{error}");
    // A gap: a commit that goes on further than the one before it ended.
    let told = String::from_utf8(text).unwrap();
    std::fs::write(&commit, told.replace(r#""records":"#, r#""records":1"#)).unwrap();
    let error = Lake::open(&options).await.err().unwrap();
    assert!(error.to_string().contains("do not add up"), "{error}");
}

/// Most turned bits unpack without an error, into another item or another user.
#[tokio::test]
async fn a_turned_bit_is_never_read() {
    let (time, folder) = (Time::new(), tempfile::tempdir().unwrap());
    let log = memory_log(1, &time);
    fill(&*log, 0, 400, 10).await;
    let options = LakeOptions::local(folder.path());
    let lake = Lake::open(&options).await.unwrap();
    archiver(&lake, &log, &time).run().await.unwrap();
    let snapshot = lake.snapshot().await.unwrap();
    let file = events(&snapshot).max_by_key(|file| file.rows).unwrap();
    let path = folder.path().join(&file.path);
    let whole = std::fs::read(&path).unwrap();
    for at in (0..whole.len()).step_by(1 + whole.len() / 150) {
        let mut turned = whole.clone();
        turned[at] ^= 1 << (at % 8);
        std::fs::write(&path, turned).unwrap();
        let fresh = Lake::open(&options).await.unwrap();
        for columns in [None, Some(&["offset"][..])] {
            let error = fresh.read(file, columns).await.err();
            assert!(
                matches!(&error, Some(LakeError::Damaged { path, reason })
                    if *path == file.path && reason.contains("not those that were written")),
                "byte {at}: {error:?}"
            );
        }
    }
    std::fs::write(&path, &whole).unwrap();
    assert_eq!(rows(&Lake::open(&options).await.unwrap(), &snapshot).await.len(), 400);
}

/// What is made of a file anew gets a hash of its own: damage must not come out of it whole.
#[tokio::test]
async fn what_is_damaged_is_neither_merged_nor_cleared_of_erased_users() {
    let (time, folder) = (Time::new(), tempfile::tempdir().unwrap());
    let log = memory_log(1, &time);
    let lake = Lake::open(&LakeOptions::local(folder.path())).await.unwrap();
    for n in 0..4 {
        fill(&*log, n * 100, 100, 10).await;
        archiver(&lake, &log, &time).run().await.unwrap();
    }
    log.append(vec![erased(Topic::Browse, "user-3", START_MS)]).await.unwrap();
    archiver(&lake, &log, &time).run().await.unwrap();
    let before = lake.snapshot().await.unwrap();
    // This process has read it all, so it knows each file as whole.
    assert!(400 <= rows(&lake, &before).await.len());
    let views =
        events(&before).filter(|f| f.event_type == Some(EventType::ViewItem) && f.date == "2026-05-01");
    let hit = views.max_by_key(|file| file.rows).unwrap();
    let path = folder.path().join(&hit.path);
    let whole = std::fs::read(&path).unwrap();
    // A bit that reading does not notice: only what was written tells.
    let mut silent = false;
    for at in whole.len() / 8..whole.len() / 2 {
        let mut turned = whole.clone();
        turned[at] ^= 4;
        std::fs::write(&path, turned).unwrap();
        if let Ok(batches) = lake.read(hit, None).await {
            let read: Result<Vec<_>, _> = batches.try_collect().await;
            silent = read.is_ok_and(|read| read.iter().map(|b| b.num_rows() as u64).sum::<u64>() == hit.rows);
        }
        if silent {
            break;
        }
    }
    assert!(silent);
    let merged = lake.compact(&LIMITS, "2026-05-02", now_ms()).await.err();
    let settled = lake.settle(&*log, MAX, START_MS).await.err();
    for error in [merged, settled] {
        assert!(
            matches!(&error, Some(LakeError::Damaged { path, .. }) if *path == hit.path),
            "{}: {error:?}",
            hit.path
        );
    }
    let after = lake.snapshot().await.unwrap();
    assert!(after.files.iter().any(|file| file.path == hit.path), "it is still what the lake has");
    assert!(!lake.verify().await.unwrap().ok);
    std::fs::write(&path, whole).unwrap();
    lake.settle(&*log, MAX, START_MS).await.unwrap();
    lake.compact(&LIMITS, "2026-05-02", now_ms()).await.unwrap();
    assert!(lake.verify().await.unwrap().ok);
}

#[tokio::test]
async fn many_commits_are_opened_by_their_checkpoint() {
    let (time, folder) = (Time::new(), tempfile::tempdir().unwrap());
    let log = memory_log(1, &time);
    let options = LakeOptions::local(folder.path());
    let lake = Lake::open(&options).await.unwrap();
    for n in 0..70 {
        log.append(vec![view(n, "anna", START_MS)]).await.unwrap();
        archiver(&lake, &log, &time).run().await.unwrap();
    }
    let newest = lake.snapshot().await.unwrap();
    assert_eq!(newest.commit, 70);
    // The commits before the checkpoint are not read.
    for number in 1..=60 {
        std::fs::remove_file(folder.path().join(format!("commits/{number:020}.json"))).unwrap();
    }
    assert_eq!(Lake::open(&options).await.unwrap().snapshot().await.unwrap(), newest);
    let past = Lake::open(&options).await.unwrap().snapshot_at(66).await.unwrap();
    assert_eq!((past.commit, past.files.len()), (66, 66));
}
