//! Signals to stop: always gone in time, with the servers there or not.

use std::time::{Duration, Instant};

use crate::load::Load;
use crate::oracle;
use crate::running::Running;
use crate::seed::Dice;
use crate::servers::Own;
use crate::shop::Shop;

/// However the servers are.
const GONE: Duration = Duration::from_secs(10);

/// Signals, once or twice; how long it took, and the exit code.
fn stopped(mut process: Running, signals: &[&str]) -> (Duration, Option<i32>) {
    let began = Instant::now();
    for signal in signals {
        process.signal(signal);
        std::thread::sleep(Duration::from_millis(100));
    }
    let status = process.wait(GONE);
    assert!(!process.err.text().contains("panicked"), "{}", process.err.text());
    (began.elapsed(), status.code())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_signal_always_ends_a_process() {
    let Some(own) = Own::start(1) else { return };
    let mut dice = Dice::of("F19");
    let shop = Shop::open(&own.servers, 4).await;
    let mut serve = shop.start("serve");
    let load = Load::start(&mut dice, 200, &serve.url);
    // Under load, one signal and two.
    for (role, signals) in [
        ("stream", &["TERM"][..]),
        ("stream", &["TERM", "TERM"]),
        ("jobs", &["INT", "TERM"]),
        ("up", &["TERM"]),
        ("serve", &["TERM", "INT"]),
    ] {
        let process = shop.start(role).process;
        load.answered(Duration::from_secs(60)).await;
        tokio::time::sleep(dice.moment(200, 2_000)).await;
        let (took, code) = tokio::task::block_in_place(|| stopped(process, signals));
        println!("{role} after {signals:?}: {took:.1?}, code {code:?}");
        assert_eq!(code, Some(0));
    }
    // The collector itself: nothing that it acknowledged is lost.
    let (took, code) = tokio::task::block_in_place(|| stopped(serve.process, &["TERM"]));
    assert_eq!(code, Some(0), "after {took:?}");
    serve = shop.start("serve");
    load.aim(&serve.url);
    load.answered(Duration::from_secs(60)).await;
    // One server after the other is away, or does not answer.
    for (server, signal) in [
        ("kafka-1", "KILL"),
        ("mariadb", "KILL"),
        ("redis", "KILL"),
        ("kafka-1", "STOP"),
        ("mariadb", "STOP"),
        ("redis", "STOP"),
    ] {
        let processes = ["stream", "up", "serve"].map(|role| (role, shop.start(role).process));
        load.answered(Duration::from_secs(30)).await;
        tokio::time::sleep(dice.moment(500, 2_000)).await;
        let ended = (signal == "KILL").then(|| tokio::task::block_in_place(|| own.end(server, signal)));
        if ended.is_none() {
            own.signal(server, signal);
        }
        tokio::time::sleep(dice.moment(0, 3_000)).await;
        let took = processes.map(|(role, process)| {
            let (took, code) = tokio::task::block_in_place(|| stopped(process, &["TERM"]));
            assert_eq!(code, Some(0), "{role} after {took:?}");
            took
        });
        println!("stream, up, serve with {server} {signal}: {took:.1?}");
        match ended {
            Some(ended) => ended.again(),
            None => own.signal(server, "CONT"),
        }
        load.answered(Duration::from_secs(60)).await;
    }
    let stream = shop.start("stream");
    let ledger = load.finish().await;
    println!("stops: {}", oracle::all(&shop, &ledger).await);
    drop((stream, serve));
}
