//! The truth goes away: MySQL is stopped cleanly or killed under load, takes long, or the connection is cut inside COMMIT.

use std::time::{Duration, Instant};

use crate::kills::first_commit;
use crate::load::Load;
use crate::oracle::{self, Sampler};
use crate::proxy::{Cut, Proxy};
use crate::running::Running;
use crate::seed::{Dice, count};
use crate::servers::{Own, Servers};
use crate::shop::{LOOK_AGAIN, Shop};
use crate::tables::Tables;

/// Until events are folded again, once the server answers.
const RESUMED: Duration = Duration::from_secs(5);
/// The same where other tests have their own servers on the same cores.
const RESUMED_BESIDE_OTHERS: Duration = Duration::from_secs(60);
/// What a process may need more while it waits.
const GROWTH_MIB: u64 = 64;
const FOLDED: &str = "SELECT CAST(SUM(next_off) AS SIGNED) FROM stream_offset";

/// Resident memory of a process.
fn rss_mib(process: &Running) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", process.id())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() / 1024
}

/// Waits until the server answers.
async fn answers(shop: &Shop) -> Tables {
    let began = Instant::now();
    loop {
        if let Some(tables) = Tables::again(&shop.servers, &shop.database).await {
            return tables;
        }
        assert!(began.elapsed() < Duration::from_secs(60), "MySQL does not come back");
        tokio::time::sleep(LOOK_AGAIN).await;
    }
}

/// `longest`: the last outage, in which memory is watched.
async fn outages(name: &str, times: usize, longest: Duration, resumed: Duration) {
    let Some(own) = Own::start(1) else { return };
    let mut dice = Dice::of(name);
    let shop = Shop::open(&own.servers, 4).await;
    let (stream, serve) = (shop.start("stream"), shop.start("serve"));
    let load = Load::start(&mut dice, 300, &serve.url);
    let mut tables = shop.tables().await;
    for outage in 1..=times {
        load.answered(Duration::from_secs(60)).await;
        tokio::time::sleep(dice.moment(100, 1_500)).await;
        let signal = if outage % 2 == 0 { "TERM" } else { "KILL" };
        let before = [rss_mib(&stream.process), rss_mib(&serve.process)];
        let ended = tokio::task::block_in_place(|| own.end("mariadb", signal));
        let away = if outage == times { longest } else { dice.moment(100, 3_000) };
        tokio::time::sleep(away).await;
        let after = [rss_mib(&stream.process), rss_mib(&serve.process)];
        for (before, after) in before.into_iter().zip(after) {
            assert!(after < before + GROWTH_MIB, "from {before} to {after} MiB in {away:?}");
        }
        ended.again();
        tables = answers(&shop).await;
        let (back, folded) = (Instant::now(), tables.number(FOLDED).await);
        while tables.number(FOLDED).await == folded {
            assert!(back.elapsed() < resumed, "nothing is folded {resumed:?} after MySQL is back");
            tokio::time::sleep(LOOK_AGAIN).await;
        }
        println!(
            "{signal}: away {away:.1?}, MiB {before:?} to {after:?}, folds {:.1?} after it is back",
            back.elapsed()
        );
    }
    drop(tables);
    let ledger = load.finish().await;
    println!("{times} MySQL outages: {}", oracle::all(&shop, &ledger).await);
    drop((stream, serve));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_mysql_that_goes_and_comes_loses_nothing() {
    outages("F7", 5, Duration::from_secs(15), RESUMED_BESIDE_OTHERS).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
#[ignore = "long: SHOPTIDE_OUTAGES of them, 20 if not said, the last for a minute"]
async fn twenty_mysql_outages() {
    outages("F7 long", count("SHOPTIDE_OUTAGES", 20), Duration::from_secs(60), RESUMED).await;
}

/// The connection goes while the server decides: only the offsets can tell whether it committed.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
#[ignore = "long"]
async fn a_connection_cut_inside_commit_is_never_run_again_blindly() {
    let Some(servers) = Servers::shared() else { return };
    let mut dice = Dice::of("F10");
    let mut shop = Shop::open(&servers, 4).await;
    let serve = shop.start("serve");
    let proxy = Proxy::start(&servers.mysql_address()).await;
    shop.aim_mysql(&proxy.address);
    let stream = shop.start("stream");
    let load = Load::start(&mut dice, 200, &serve.url);
    load.answered(Duration::from_secs(60)).await;
    let sampler = Sampler::start(&shop, &load.ledger).await;
    let lost =
        || stream.process.err.all().iter().filter(|line| line.contains("was lost during a commit")).count();
    // Half of what is cut are reads, which end in COMMIT as well.
    let (wanted, cuts_max) = (count("SHOPTIDE_CUTS", 50), 10 * count("SHOPTIDE_CUTS", 50));
    for cut in 0..cuts_max {
        if wanted <= lost() {
            break;
        }
        let (seen, before) = (proxy.cuts(), proxy.commits());
        // The server hears of it, or does not.
        proxy.cut_commit(if cut % 2 == 0 { Cut::Before } else { Cut::After });
        let began = Instant::now();
        while proxy.cuts() == seen {
            assert!(began.elapsed() < Duration::from_secs(20), "no COMMIT after {before}");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        tokio::time::sleep(dice.moment(20, 400)).await;
    }
    let looks = sampler.finish().await;
    let ledger = load.finish().await;
    let proof = oracle::all(&shop, &ledger).await;
    let unknown =
        stream.process.err.all().iter().filter(|line| line.contains("was lost during a commit")).count();
    println!("{} commits cut, {unknown} unknown to a shard: {proof}; {looks} looks", proxy.cuts());
    assert!(wanted <= unknown, "only {unknown} shards had to find out");
    drop((stream, serve));
    shop.close().await;
}

/// Somebody else's session holds rows that a commit needs (1205), or takes them in the other order (1213).
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
#[ignore = "long"]
async fn lost_locks_run_the_whole_batch_again() {
    let Some(servers) = Servers::shared() else { return };
    let mut dice = Dice::of("F8");
    let shop = Shop::open(&servers, 4).await;
    let (serve, stream) = (shop.start("serve"), shop.start("stream"));
    let load = Load::start(&mut dice, 200, &serve.url);
    let lost =
        || stream.process.err.all().iter().filter(|line| line.contains("lost against another")).count();
    let mut rival = shop.tables().await;
    first_commit(&mut rival, 0).await;
    // Longer than a commit waits for a lock.
    rival.run("START TRANSACTION").await;
    rival.run("SELECT * FROM stream_offset FOR UPDATE").await;
    tokio::time::sleep(Duration::from_secs(7)).await;
    rival.run("ROLLBACK").await;
    let waited = lost();
    assert!(0 < waited, "no commit had to wait too long");
    // The server gives up whoever has changed less.
    rival.run("CREATE TABLE rival (n BIGINT NOT NULL PRIMARY KEY) ENGINE=InnoDB").await;
    let rows: Vec<String> = (0..5_000).map(|n| format!("({n})")).collect();
    for _ in 0..count("SHOPTIDE_DEADLOCKS", 20) {
        load.answered(Duration::from_secs(60)).await;
        rival.run("START TRANSACTION").await;
        rival.run(&format!("INSERT INTO rival VALUES {}", rows.join(","))).await;
        rival.run("UPDATE user_part SET upto = upto").await;
        // Shards hold their offset rows by now and wait for users.
        tokio::time::sleep(dice.moment(50, 300)).await;
        rival.run("SELECT * FROM stream_offset FOR UPDATE").await;
        rival.run("ROLLBACK").await;
    }
    let deadlocks = lost() - waited;
    let ledger = load.finish().await;
    rival.run("DROP TABLE rival").await;
    println!("{waited} lock waits, {deadlocks} deadlocks: {}", oracle::all(&shop, &ledger).await);
    assert!(0 < deadlocks, "no commit was given up");
    drop((stream, serve));
    shop.close().await;
}

/// Slow, read-only, without connections to give: events wait, none becomes a dead letter, and readers get their lists.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
#[ignore = "long"]
async fn a_mysql_that_refuses_to_write_makes_events_wait() {
    let Some(own) = Own::start(1) else { return };
    let mut dice = Dice::of("F9");
    let mut shop = Shop::open(&own.servers, 4).await;
    let proxy = Proxy::start(&own.servers.mysql_address()).await;
    shop.aim_mysql(&proxy.address);
    // Who may do everything may also write where others may only read.
    Tables::server(&own.servers, "CREATE USER modest@'127.0.0.1' IDENTIFIED BY 'shoptide'").await;
    let grant = format!("GRANT ALL ON {}.* TO modest@'127.0.0.1'", shop.database);
    Tables::server(&own.servers, &grant).await;
    shop.set("SHOPTIDE_MYSQL__USER", "modest");
    let (stream, serve) = (shop.start("stream"), shop.start("serve"));
    let load = Load::start(&mut dice, 100, &serve.url);
    for _ in 0..20 {
        load.answered(Duration::from_secs(60)).await;
    }
    let user = load.ledger.known().users[0].clone();
    let reader = crate::load::client();
    let read = async |what: &str| {
        let began = Instant::now();
        let answer =
            reader.get(format!("{}/v1/users/{user}/recommendations", serve.url)).send().await.unwrap();
        println!("{what}: a list after {:.1?}", began.elapsed());
        assert_eq!(answer.status(), 200, "{what}");
    };
    let mut tables = shop.tables().await;
    first_commit(&mut tables, 0).await;
    proxy.latency(Duration::from_secs(1));
    tokio::time::sleep(Duration::from_secs(8)).await;
    read("a second a packet").await;
    proxy.latency(Duration::ZERO);
    let folds = async |what: &str, tables: &mut Tables| {
        let (before, began) = (tables.number(FOLDED).await, Instant::now());
        while tables.number(FOLDED).await == before {
            assert!(began.elapsed() < Duration::from_secs(15), "{what}: nothing is folded");
            tokio::time::sleep(LOOK_AGAIN).await;
        }
        println!("{what} is over: folds after {:.1?}", began.elapsed());
    };
    folds("slowness", &mut tables).await;
    tables.run("SET GLOBAL read_only = 1").await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    let before = tables.number(FOLDED).await;
    tokio::time::sleep(Duration::from_secs(4)).await;
    assert_eq!(tables.number(FOLDED).await, before, "it was written although nobody may");
    read("read-only").await;
    tables.run("SET GLOBAL read_only = 0").await;
    folds("read-only", &mut tables).await;
    // No connection is left, and those that there are go.
    let max = tables.number("SELECT @@max_connections").await;
    tables.run("SET GLOBAL max_connections = 10").await;
    proxy.reset();
    let mut greedy = Vec::new();
    while let Some(one) = Tables::again(&shop.servers, &shop.database).await {
        greedy.push(one);
    }
    tokio::time::sleep(Duration::from_secs(5)).await;
    read("no connections").await;
    greedy.clear();
    tables.run(&format!("SET GLOBAL max_connections = {max}")).await;
    folds("want of connections", &mut tables).await;
    // Asleep, and awake again before anybody gives up for good.
    own.signal("mariadb", "STOP");
    tokio::time::sleep(Duration::from_secs(8)).await;
    read("asleep").await;
    own.signal("mariadb", "CONT");
    folds("sleep", &mut tables).await;
    let ledger = load.finish().await;
    println!("a MySQL that refuses: {}", oracle::all(&shop, &ledger).await);
    drop((stream, serve));
}
