//! The network between processes and servers breaks: one way, both ways, on and off, one after the other. Nobody is told; packets
//! are just not there.

use std::time::{Duration, Instant};

use crate::load::Load;
use crate::log_reader::Reader;
use crate::networks::{Cut, Network};
use crate::oracle::{self, Sampler};
use crate::running::Running;
use crate::seed::{Dice, count};
use crate::servers::Own;
use crate::shop::{LOOK_AGAIN, Role, Shop, Way};

/// From the moment when everybody can speak again until all that was in the log then is folded, and a client is answered.
const RECOVERED: Duration = Duration::from_secs(15);
/// How long a partition lasts.
const LASTS_MS: std::ops::Range<u64> = 1_000..30_000;
/// How long a way that flaps is open or closed.
const FLAPS_MS: std::ops::Range<u64> = 100..1_500;
/// Processes by their number in the network.
const ROLES: [&str; 4] = ["stream", "stream", "serve", "jobs"];
const SERVE: usize = 3;

/// What breaks.
#[derive(Clone, Copy, Debug)]
enum Kind {
    /// One way between one process and one server: what it sends, what it hears, or both are lost.
    Deaf,
    Mute,
    Both,
    /// One way between them, on and off.
    Flapping,
    /// A process alone.
    Alone,
    /// A server that nobody reaches.
    Unreachable,
    /// Several ways, closed one after the other and opened in another order.
    Swizzle,
}

const KINDS: [Kind; 7] =
    [Kind::Alone, Kind::Deaf, Kind::Swizzle, Kind::Mute, Kind::Flapping, Kind::Unreachable, Kind::Both];

/// Waits until all that is in the log by now is folded; how long that took.
async fn recovered(shop: &Shop, load: &Load, what: &str) -> Duration {
    let began = Instant::now();
    let ends = Reader::new(shop).ends();
    let mut tables = shop.tables().await;
    loop {
        let rows = tables.offsets().await;
        let stands = |topic: &str, shard: u32| {
            rows.iter().find(|row| row.topic == topic && row.shard == shard).map_or(0, |row| row.next_off)
        };
        let behind: i64 = ends.iter().map(|((t, p), end)| (end - stands(t, *p)).max(0)).sum();
        if behind == 0 {
            break;
        }
        assert!(began.elapsed() < RECOVERED, "{what}: {behind} records wait {RECOVERED:?} after it is over");
        tokio::time::sleep(LOOK_AGAIN).await;
    }
    load.answered(RECOVERED.saturating_sub(began.elapsed())).await;
    began.elapsed()
}

/// Somebody's random process and server.
fn one(dice: &mut Dice, ports: &[u16; 3]) -> Cut {
    let process = 1 + dice.below(ROLES.len() as u64) as usize;
    Cut { process, port: ports[dice.below(3) as usize], up: true, down: true }
}

fn shuffled(dice: &mut Dice, mut cuts: Vec<Cut>) -> Vec<Cut> {
    for n in (1..cuts.len()).rev() {
        cuts.swap(n, dice.below(n as u64 + 1) as usize);
    }
    cuts
}

/// Breaks the network for a while, and mends it.
async fn broken(network: &Network, dice: &mut Dice, ports: &[u16; 3], kind: Kind) -> (Vec<Cut>, Duration) {
    let lasts = dice.moment(LASTS_MS.start, LASTS_MS.end);
    let one = one(dice, ports);
    let cuts = match kind {
        Kind::Deaf => vec![Cut { up: false, ..one }],
        Kind::Mute => vec![Cut { down: false, ..one }],
        Kind::Both | Kind::Flapping => vec![one],
        Kind::Alone => ports.iter().map(|port| Cut { port: *port, ..one }).collect(),
        Kind::Unreachable => (1..=ROLES.len()).map(|process| Cut { process, ..one }).collect(),
        Kind::Swizzle => {
            let all = (1..=ROLES.len())
                .flat_map(|process| ports.iter().map(move |port| Cut { process, port: *port, ..one }));
            shuffled(dice, all.collect()).into_iter().take(5).collect()
        }
    };
    let began = Instant::now();
    match kind {
        Kind::Flapping => {
            while began.elapsed() < lasts {
                network.close(&cuts).unwrap();
                tokio::time::sleep(dice.moment(FLAPS_MS.start, FLAPS_MS.end)).await;
                network.close(&[]).unwrap();
                tokio::time::sleep(dice.moment(FLAPS_MS.start, FLAPS_MS.end)).await;
            }
        }
        Kind::Swizzle => {
            let step = lasts / (2 * cuts.len() as u32);
            for n in 1..=cuts.len() {
                network.close(&cuts[..n]).unwrap();
                tokio::time::sleep(step).await;
            }
            let mut left = shuffled(dice, cuts.clone());
            while left.pop().is_some() {
                network.close(&left).unwrap();
                tokio::time::sleep(step).await;
            }
        }
        _ => {
            network.close(&cuts).unwrap();
            tokio::time::sleep(lasts).await;
        }
    }
    network.close(&[]).unwrap();
    (cuts, began.elapsed())
}

fn port(address: &str) -> u16 {
    address.rsplit_once(':').unwrap().1.parse().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
#[ignore = "long: SHOPTIDE_PARTITIONS of them, 14 if not said; needs root and nft"]
async fn a_broken_network_makes_no_second_truth() {
    // Dropped last: the servers live in it.
    let Some(network) = Network::make(ROLES.len()) else { return };
    let address = network.address_of_servers();
    let Some(own) = Own::start_by(&network.enter_servers(), &["--host", &address]) else { return };
    let mut dice = Dice::of("F16");
    let ports =
        [own.servers.kafka.as_str(), &own.servers.mysql_address(), &own.servers.redis_address()].map(port);
    let mut shop = Shop::open(&own.servers, 4).await;
    let mut roles: Vec<Role> = Vec::new();
    for (place, role) in ROLES.into_iter().enumerate() {
        let words = network.enter(1 + place);
        if role == "serve" {
            shop.set("SHOPTIDE_SERVE__HOST", network.address(1 + place));
        }
        roles.push(shop.start_by(&Way { words, ..Way::default() }, role));
    }
    let load = Load::start(&mut dice, 150, &roles[SERVE - 1].url);
    for _ in 0..20 {
        load.answered(Duration::from_secs(60)).await;
    }
    recovered(&shop, &load, "the beginning").await;
    let sampler = Sampler::start(&shop, &load.ledger).await;
    let refusals =
        |process: &Running| process.err.all().iter().filter(|line| line.contains("is not at offset")).count();
    let mut longest = Duration::ZERO;
    let rounds = count("SHOPTIDE_PARTITIONS", 2 * KINDS.len());
    for kind in KINDS.into_iter().cycle().take(rounds) {
        let (cuts, lasted) = broken(&network, &mut dice, &ports, kind).await;
        let ways = cuts.iter().map(|cut| {
            let server =
                ["kafka", "mysql", "redis"][ports.iter().position(|port| *port == cut.port).unwrap()];
            format!("{}{}-{server}", ROLES[cut.process - 1], cut.process)
        });
        let what = format!("{kind:?} {} for {lasted:.1?}", ways.collect::<Vec<_>>().join(" "));
        println!("{what}");
        let took = recovered(&shop, &load, &what).await;
        println!("  folded and answered {took:.1?} after it is over");
        longest = longest.max(took);
        for (role, name) in roles.iter_mut().zip(ROLES) {
            assert!(role.process.is_running(), "{name} ended: {}", role.process.err.text());
        }
        oracle::folded(&shop);
    }
    let complaints =
        |role: &Role| role.process.err.all().iter().filter(|line| line.contains("cannot be reached")).count();
    let noticed: usize = roles.iter().map(complaints).sum();
    assert!(0 < noticed, "nobody noticed: was anything cut?");
    let refused: usize = roles.iter().map(|role| refusals(&role.process)).sum();
    let looks = sampler.finish().await;
    let ledger = load.finish().await;
    let (away, silent) = {
        let known = ledger.known();
        (known.refused, known.silent)
    };
    let proof = oracle::all(&shop, &ledger).await;
    println!(
        "{rounds} partitions: recovered after at most {longest:.1?}, noticed {noticed} times, {refused} zombies refused, {away} requests refused, {silent} \
         without an answer; {proof}; {looks} looks"
    );
    drop(roles);
}
