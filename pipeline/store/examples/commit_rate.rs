//! How many user rows a second the embedded truth takes: commits of 256 users, each with a part of 1.5 KiB and a list of
//! 1.4 KiB, and 300 counts a commit, over 20,000 users. `cargo run --release -p shoptide-store --example commit_rate`
//! prints one line for a single shard, and one for four shards that commit at once.

use std::sync::Arc;
use std::time::{Duration, Instant};

use shoptide_schemas::{ItemId, Topic, UserId};
use shoptide_store::{
    Commit, CountRow, ListRow, OffsetMove, PartRow, SqliteTruth, SqliteTruthOptions, StoreError, Tally, Truth,
};

const USERS: u64 = 20_000;
const USERS_A_COMMIT: u64 = 256;
const COUNTS_A_COMMIT: u64 = 300;
const PART_BYTES: usize = 1536;
const LIST_BYTES: usize = 1434;
const RUN: Duration = Duration::from_secs(8);

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    for shards in [1, 4] {
        let dir = tempfile::tempdir()?;
        let truth = SqliteTruth::open(SqliteTruthOptions::new(dir.path().join("truth.db"))).await?;
        let begun = Instant::now();
        let tasks: Vec<_> = (0..shards).map(|shard| tokio::spawn(load(Arc::clone(&truth), shard))).collect();
        let (mut commits, mut slowest) = (0, Duration::ZERO);
        for task in tasks {
            let (count, max) = task.await??;
            commits += count;
            slowest = slowest.max(max);
        }
        let rate = (commits * USERS_A_COMMIT) as f64 / begun.elapsed().as_secs_f64();
        let bytes = std::fs::metadata(dir.path().join("truth.db"))?.len();
        println!(
            "{shards} shard(s): {rate:.0} user rows/s in {commits} commits, slowest {slowest:?}, file {} MiB, at rest {:.0} bytes a user",
            bytes >> 20,
            bytes as f64 / (USERS * u64::from(shards)) as f64,
        );
        let begun = Instant::now();
        let users: Vec<_> = (0..USERS_A_COMMIT).map(|n| user(n * 7)).collect();
        for _ in 0..100 {
            truth.users(0, &users).await?;
        }
        println!("  users(256): {:?} a call", begun.elapsed() / 100);
        let begun = Instant::now();
        for n in 0..1000 {
            truth.list(0, &user(n)).await?;
        }
        println!("  list: {:?} a call", begun.elapsed() / 1000);
        let begun = Instant::now();
        let mut parts = 0;
        truth.scan_parts(&[], &mut |_| parts += 1).await?;
        println!("  scan of {parts} parts: {:?}; count_users {:?}", begun.elapsed(), {
            let begun = Instant::now();
            truth.count_users().await?;
            begun.elapsed()
        });
        truth.close().await;
    }
    Ok(())
}

/// Commits without pause; says how many, and the longest it waited for one.
async fn load(truth: Arc<SqliteTruth>, shard: u32) -> Result<(u64, Duration), StoreError> {
    let rows = truth.assign(shard, &[(Topic::Browse, 0)]).await?;
    let epoch = rows.first().map_or(0, |row| row.epoch);
    let begun = Instant::now();
    let (mut commits, mut slowest, mut seed) = (0, Duration::ZERO, u64::from(shard) + 1);
    while begun.elapsed() < RUN {
        let from = (commits * USERS_A_COMMIT) as i64;
        let commit = commit(shard, epoch, from, &mut seed);
        let sent = Instant::now();
        truth.commit(commit).await?;
        slowest = slowest.max(sent.elapsed());
        commits += 1;
    }
    Ok((commits, slowest))
}

fn commit(shard: u32, epoch: i64, from: i64, seed: &mut u64) -> Commit {
    let to = from + USERS_A_COMMIT as i64;
    let tally = Tally { logged: to - from, applied: to - from, ..Tally::default() };
    let mut commit = Commit { shard, epoch, ..Commit::default() };
    commit.offsets.push(OffsetMove { topic: Topic::Browse, from, to, append_ms: to, tally });
    for offset in from..to {
        let user = user(next(seed) % USERS);
        let data = vec![(offset % 251) as u8; PART_BYTES];
        commit.parts.push(PartRow { shard, user: user.clone(), topic: Topic::Browse, upto: offset, data });
        let data = Arc::from(vec![(offset % 241) as u8; LIST_BYTES]);
        commit.lists.push(ListRow { user, revision: offset, model_version: 1, last_ms: offset, data });
    }
    for _ in 0..COUNTS_A_COMMIT {
        let item = ItemId::from_trusted(format!("item-{}", next(seed) % 600).as_bytes());
        commit.counts.push(CountRow { item, day: 20_000, kind: (next(seed) % 4) as u8, n: 1 });
    }
    commit
}

fn user(number: u64) -> UserId {
    UserId::from_trusted(format!("user-{number:08}").as_bytes())
}

/// SplitMix64: the same users in every run.
fn next(seed: &mut u64) -> u64 {
    *seed = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut z = *seed;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}
