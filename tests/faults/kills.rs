//! Processes killed (-9) under load, at random moments.

use std::time::{Duration, Instant};

use crate::foreign::Foreign;
use crate::load::Load;
use crate::oracle::{self, Sampler};
use crate::running::Running;
use crate::seed::{Dice, count};
use crate::servers::Servers;
use crate::shop::{Role, Shop, is_up, until};
use crate::tables::Tables;

/// How long after the first commit since the restart.
const MOMENTS_MS: std::ops::Range<u64> = 20..2_000;
/// The session of a member that died lasts 10 s; then its shards are somebody's again.
const STEADY: Duration = Duration::from_secs(15);
/// Kills of one shop: the proof reads the whole log again each time.
const KILLS_OF_A_SHOP: usize = 20;
/// Shops at a time. Each waits most of the time for the end of a dead member's session.
const LANES: usize = 5;
const PARTITIONS: u32 = 4;

/// Where all shards stand together.
async fn stand(tables: &mut Tables) -> (i64, i64) {
    let rows = tables.offsets().await;
    (rows.iter().map(|row| row.epoch).sum(), rows.iter().map(|row| row.next_off).sum())
}

/// Waits until somebody has taken shards over after `epochs`, and has committed since.
pub async fn first_commit(tables: &mut Tables, epochs: i64) {
    let began = Instant::now();
    let mut taken = None;
    loop {
        let (now, offsets) = stand(tables).await;
        match taken {
            None if epochs < now => taken = Some(offsets),
            Some(before) if before < offsets => return,
            _ => {}
        }
        assert!(began.elapsed() < 2 * STEADY, "no commit within {:?}, epochs {epochs} to {now}", 2 * STEADY);
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// One shop, killed `kills` times. `streams`: how many processes share its shards; a random one is killed. The longest time
/// from a restart to the first commit.
async fn killed(servers: &Servers, mut dice: Dice, kills: usize, streams: usize) -> Duration {
    let shop = Shop::open(servers, PARTITIONS).await;
    let serve = shop.start("serve");
    let _jobs = shop.start("jobs");
    let mut processes: Vec<Running> = (0..streams).map(|_| shop.start("stream").process).collect();
    let load = Load::start(&mut dice, 150, &serve.url);
    let foreign = Foreign::new(&shop, &load.ledger);
    let mut tables = shop.tables().await;
    load.answered(Duration::from_secs(60)).await;
    first_commit(&mut tables, 0).await;
    let sampler = Sampler::start(&shop, &load.ledger).await;
    let mut longest = Duration::ZERO;
    for kill in 1..=kills {
        if kill % 3 == 0 {
            foreign.some(&mut dice, 5);
        }
        // The moment itself is what is tested.
        tokio::time::sleep(dice.moment(MOMENTS_MS.start, MOMENTS_MS.end)).await;
        let victim = dice.below(streams as u64) as usize;
        let (epochs, _) = stand(&mut tables).await;
        processes[victim].kill();
        processes[victim] = shop.spawn("stream");
        let restarted = Instant::now();
        // Meanwhile the group waits for the dead member's session to end.
        oracle::folded(&shop);
        first_commit(&mut tables, epochs).await;
        longest = longest.max(restarted.elapsed());
    }
    foreign.flush();
    let looks = sampler.finish().await;
    let ledger = load.finish().await;
    let proof = oracle::all(&shop, &ledger).await;
    println!("{kills} kills of {streams}: {proof}; {looks} looks, steady after at most {longest:.1?}");
    assert!(longest <= STEADY, "steady only after {longest:?}");
    drop((processes, serve));
    shop.close().await;
    longest
}

async fn killed_in_lanes(name: &str, kills: usize) {
    let Some(servers) = Servers::shared() else { return };
    let mut dice = Dice::of(name);
    let began = Instant::now();
    let (mut left, mut longest) = (kills, Duration::ZERO);
    let mut lanes = tokio::task::JoinSet::new();
    let mut streams = [1, 2].into_iter().cycle();
    while 0 < left || !lanes.is_empty() {
        while 0 < left && lanes.len() < LANES {
            let now = left.min(KILLS_OF_A_SHOP).min(kills.div_ceil(LANES));
            left -= now;
            let (servers, dice, streams) = (servers.clone(), dice.fork(), streams.next().unwrap());
            lanes.spawn(async move { killed(&servers, dice, now, streams).await });
        }
        longest = longest.max(lanes.join_next().await.unwrap().unwrap());
    }
    println!(
        "{kills} of {kills} kills proven in {:.0?}, steady after at most {longest:.1?}",
        began.elapsed()
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_killed_stream_leaves_what_one_clean_run_makes() {
    killed_in_lanes("F1", 10).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
#[ignore = "long: SHOPTIDE_KILLS of them, 1,000 if not said"]
async fn a_thousand_kills() {
    killed_in_lanes("F1 long", count("SHOPTIDE_KILLS", 1_000)).await;
}

/// Everything in one process, its collector included: what was acknowledged is in the log.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_killed_collector_loses_nothing_that_it_acknowledged() {
    let Some(servers) = Servers::shared() else { return };
    let mut dice = Dice::of("F3");
    let shop = Shop::open(&servers, PARTITIONS).await;
    let stream = shop.start("stream");
    let mut serve = shop.start("serve");
    let load = Load::start(&mut dice, 400, &serve.url);
    for _ in 0..count("SHOPTIDE_COLLECTOR_KILLS", 10) {
        load.answered(Duration::from_secs(60)).await;
        tokio::time::sleep(dice.moment(20, 1_000)).await;
        serve.process.kill();
        let process = shop.spawn("serve");
        let url = until("the collector", Duration::from_secs(20), || async { is_up(&process) }).await;
        serve = Role { process, url };
        load.aim(&serve.url);
    }
    load.answered(Duration::from_secs(60)).await;
    let silent = load.ledger.known().silent;
    let ledger = load.finish().await;
    println!("collector killed: {silent} requests without an answer, {}", oracle::all(&shop, &ledger).await);
    drop((stream, serve));
    shop.close().await;
}
