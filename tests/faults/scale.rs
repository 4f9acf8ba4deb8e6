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
    load.answered(Duration::from_secs(20)).await;
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
    let zero = shop.caught_up(Duration::from_secs(10)).await;
    let proof = oracle::all(&shop, &ledger).await;
    println!("scale-out: lag zero {zero:.1?} after the last event; {proof}; {looks} looks");
    drop((first, third, serve));
    shop.close().await;
}
