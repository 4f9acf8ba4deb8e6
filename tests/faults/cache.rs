//! The cache goes away, is emptied, is full, or does not answer: readers get their lists all the same.

use std::time::{Duration, Instant};

use crate::load::{Load, client};
use crate::oracle;
use crate::seed::Dice;
use crate::servers::Own;
use crate::shop::Shop;

/// Of a reader, whatever the cache does.
const READ_P99: Duration = Duration::from_millis(300);
/// Readers at a time, and how long they read through each fault.
const READERS: usize = 4;
const READ_FOR: Duration = Duration::from_secs(6);

/// Reads lists of random users from several tasks; the 99th percentile of what an answer took, and how many there were.
async fn read(url: &str, users: &[String], dice: &mut Dice) -> (Duration, usize) {
    let mut readers = tokio::task::JoinSet::new();
    for _ in 0..READERS {
        let (url, users, mut dice) = (url.to_owned(), users.to_vec(), dice.fork());
        readers.spawn(async move {
            let (http, began, mut took) = (client(), Instant::now(), Vec::new());
            while began.elapsed() < READ_FOR {
                let user = &users[dice.below(users.len() as u64) as usize];
                let asked = Instant::now();
                let answer = http.get(format!("{url}/v1/users/{user}/recommendations")).send().await.unwrap();
                assert!(answer.status() == 200, "{}: {}", answer.status(), answer.text().await.unwrap());
                let list: serde_json::Value = answer.json().await.unwrap();
                assert!(!list["items"].as_array().unwrap().is_empty(), "{list}");
                took.push(asked.elapsed());
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            took
        });
    }
    let mut took: Vec<Duration> = readers.join_all().await.into_iter().flatten().collect();
    took.sort_unstable();
    (took[took.len() * 99 / 100], took.len())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
#[ignore = "long"]
async fn readers_never_notice_what_the_cache_does() {
    let Some(own) = Own::start(1) else { return };
    let mut dice = Dice::of("F11");
    let shop = Shop::open(&own.servers, 4).await;
    let (serve, _stream, _jobs) = (shop.start("serve"), shop.start("stream"), shop.start("jobs"));
    let load = Load::start(&mut dice, 100, &serve.url);
    for _ in 0..20 {
        load.answered(Duration::from_secs(60)).await;
    }
    let users = load.ledger.known().users.clone();
    let address = own.servers.redis.clone();
    let redis = |words: &[&str]| -> redis::RedisResult<redis::Value> {
        let mut conn = redis::Client::open(address.as_str())?.get_connection()?;
        redis::cmd(words[0]).arg(&words[1..]).query(&mut conn)
    };
    let mut check = async |what: &str| {
        let (p99, n) = read(&serve.url, &users, &mut dice).await;
        println!("{what}: {n} lists read, p99 {p99:.1?}");
        assert!(p99 <= READ_P99, "{what}: {p99:?}");
    };
    check("as usual").await;
    redis(&["FLUSHALL"]).unwrap();
    check("FLUSHALL").await;
    redis(&["CONFIG", "SET", "maxmemory", "2mb", "maxmemory-policy", "noeviction"]).unwrap();
    check("full, nothing goes").await;
    redis(&["CONFIG", "SET", "maxmemory-policy", "allkeys-lru"]).unwrap();
    check("full, old ones go").await;
    redis(&["CONFIG", "SET", "maxmemory", "1gb"]).unwrap();
    // A script of somebody else that does not end: every command waits, then is answered BUSY.
    let busy = {
        let address = own.servers.redis.clone();
        std::thread::spawn(move || {
            let mut conn = redis::Client::open(address.as_str()).unwrap().get_connection().unwrap();
            // Killed below.
            let _ = redis::cmd("EVAL").arg("while true do end").arg(0).query::<redis::Value>(&mut conn);
        })
    };
    check("a busy script").await;
    let began = Instant::now();
    while redis(&["SCRIPT", "KILL"]).is_err() {
        assert!(began.elapsed() < Duration::from_secs(10), "the script cannot be killed");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    busy.join().unwrap();
    own.signal("redis", "STOP");
    check("asleep").await;
    own.signal("redis", "CONT");
    let ended = tokio::task::block_in_place(|| own.end("redis", "KILL"));
    check("killed").await;
    ended.again();
    check("back, empty").await;
    // Full again, of everybody who has a list.
    let ledger = load.finish().await;
    let proof = oracle::all(&shop, &ledger).await;
    println!("cache: {proof}");
}
