//! Several stream processes share the shards: one joins, one is killed, and members come and go without end.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use crate::load::Load;
use crate::log_reader::Reader;
use crate::oracle::{self, Sampler};
use crate::running::Running;
use crate::seed::Dice;
use crate::servers::Servers;
use crate::shop::{Shop, owned, until};

/// Until every process has its share: a rebalance takes a moment, a dead member's session 10 s.
const SHARED: Duration = Duration::from_secs(30);

/// A storm that has refused too few zombies goes on, up to so many times its length.
const LONGER: u32 = 5;
/// Batches in a hurry before a process falls asleep, so that it has something to commit when it wakes up.
const RUSHED: u32 = 50;

/// Waits until these processes own all shards, each once and each process at least one; the shares.
async fn shared(shop: &Shop, processes: &[&Running]) -> Vec<BTreeSet<u32>> {
    let all: BTreeSet<u32> = (0..shop.partitions).collect();
    until("every process has its share", SHARED, || async {
        let shares: Vec<BTreeSet<u32>> = processes.iter().map(|process| owned(process)).collect();
        let together: Vec<u32> = shares.iter().flatten().copied().collect();
        let once = together.len() == all.len() && together.iter().all(|shard| all.contains(shard));
        let distinct = together.iter().collect::<BTreeSet<_>>().len() == all.len();
        (once && distinct && shares.iter().all(|share| !share.is_empty())).then_some(shares)
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn two_share_a_third_joins_and_one_is_killed() {
    let Some(servers) = Servers::shared() else { return };
    let mut dice = Dice::of("scale-out");
    let shop = Shop::open(&servers, 8).await;
    let serve = shop.start("serve");
    let _jobs = shop.start("jobs");
    let first = shop.start("stream").process;
    let mut second = shop.start("stream").process;
    let load = Load::start(&mut dice, 400, &serve.url);
    let two = shared(&shop, &[&first, &second]).await;
    load.answered(Duration::from_secs(60)).await;
    let sampler = Sampler::start(&shop, &load.ledger).await;
    let began = Instant::now();
    let third = shop.start("stream").process;
    let three = shared(&shop, &[&first, &second, &third]).await;
    let joined = began.elapsed();
    tokio::time::sleep(Duration::from_secs(2)).await;
    let began = Instant::now();
    second.kill();
    let after = shared(&shop, &[&first, &third]).await;
    let taken = began.elapsed();
    println!("shares {two:?}, then {three:?} after {joined:.1?}, then {after:?} after {taken:.1?}");
    // While events come in, what waits returns to nothing.
    let (reader, mut tables) = (Reader::new(&shop), shop.tables().await);
    let began = Instant::now();
    loop {
        let lag = shop.lag(&reader, &mut tables).await;
        if lag < 100 {
            break;
        }
        assert!(began.elapsed() < SHARED, "{lag} records wait");
    }
    let looks = sampler.finish().await;
    let ledger = load.finish().await;
    let zero = shop.caught_up(Duration::from_secs(60)).await;
    let proof = oracle::all(&shop, &ledger).await;
    println!("scale-out: lag zero {zero:.1?} after the last event; {proof}; {looks} looks");
    drop((first, third, serve));
    shop.close().await;
}

/// Members come, leave, die and fall asleep without end; who wakes up as a zombie must be refused.
async fn storm(name: &str, lasts: Duration, refusals_min: usize) {
    let Some(servers) = Servers::shared() else { return };
    let mut dice = Dice::of(name);
    let shop = Shop::open(&servers, 8).await;
    let serve = shop.start("serve");
    let load = Load::start(&mut dice, 400, &serve.url);
    let mut awake: Vec<Running> = vec![shop.start("stream").process, shop.start("stream").process];
    let mut asleep: Vec<(Instant, Running)> = Vec::new();
    let (mut refused, mut changes) = (0, 0);
    let refusals =
        |process: &Running| process.err.all().iter().filter(|line| line.contains("is not at offset")).count();
    load.answered(Duration::from_secs(60)).await;
    let sampler = Sampler::start(&shop, &load.ledger).await;
    let began = Instant::now();
    // Whether a process falls asleep in the middle of a commit stays chance: the storm goes on until enough did.
    let tried = |refused: usize, awake: &[Running]| {
        refusals_min <= refused + awake.iter().map(refusals).sum::<usize>()
    };
    while began.elapsed() < lasts || (!tried(refused, &awake) && began.elapsed() < LONGER * lasts) {
        tokio::time::sleep(dice.moment(1_000, 3_000)).await;
        changes += 1;
        // Longer asleep than a session lasts.
        if asleep.first().is_some_and(|(since, _)| Duration::from_secs(15) < since.elapsed()) {
            let (_, process) = asleep.remove(0);
            process.signal("CONT");
            awake.push(process);
            continue;
        }
        let act = if asleep.is_empty() && 2 < awake.len() { 3 } else { dice.below(4) };
        match (awake.len(), act) {
            (0..2, _) | (2..4, 0) => awake.push(shop.spawn("stream")),
            (_, 1) => {
                let process = awake.remove(0);
                refused += refusals(&process);
                tokio::task::block_in_place(|| process.stop());
            }
            (_, 2) => {
                let mut process = awake.remove(0);
                refused += refusals(&process);
                process.kill();
            }
            _ => {
                // Who owns nothing, as in the middle of a rebalance, wakes up as nobody's zombie.
                let Some(owner) = awake.iter().position(owns_shards) else { continue };
                let process = awake.remove(owner);
                load.rush(RUSHED, Duration::from_secs(60)).await;
                process.signal("STOP");
                asleep.push((Instant::now(), process));
            }
        }
    }
    let took = began.elapsed();
    let mut tables = shop.tables().await;
    let (folded, ends) = (tables.offsets().await, Reader::new(&shop).ends());
    let (folded, sent): (i64, i64) = (folded.iter().map(|row| row.next_off).sum(), ends.values().sum());
    for (_, process) in asleep {
        process.signal("CONT");
        awake.push(process);
    }
    let looks = sampler.finish().await;
    let ledger = load.finish().await;
    let proof = oracle::all(&shop, &ledger).await;
    refused += awake.iter().map(refusals).sum::<usize>();
    println!(
        "{changes} changes in {took:.1?}: {folded} of {sent} folded meanwhile, {refused} refusals; {proof}; {looks} looks"
    );
    assert!(sent * 3 / 10 <= folded, "only {folded} of {sent} records were folded meanwhile");
    assert!(refusals_min <= refused, "{refused} refusals, {refusals_min} are wanted to have tried it");
    drop((awake, serve));
    shop.close().await;
}

/// What the process said last of the group.
fn owns_shards(process: &Running) -> bool {
    let said = process.err.all();
    let last = said.iter().rev().find(|line| line.contains("the group was rebalanced"));
    last.is_some_and(|line| line.contains("\"assigned\":true") && !line.contains("\"shards\":\"{}\""))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_storm_of_rebalances_shows_nowhere() {
    storm("F12", Duration::from_secs(60), 3).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
#[ignore = "long: five minutes"]
async fn a_long_storm_of_rebalances() {
    storm("F12 long", Duration::from_secs(300), 50).await;
}
