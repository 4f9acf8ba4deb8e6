//! Processes whose clocks are wrong: what is folded depends on the log's time alone.

use std::path::Path;
use std::time::Duration;

use crate::load::Load;
use crate::oracle;
use crate::seed::Dice;
use crate::servers::Servers;
use crate::shop::Shop;

/// Where Debian's package `libfaketime` puts it.
const LIBRARY: &str = "/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1";

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
#[ignore = "long"]
async fn wrong_clocks_change_nothing_that_is_folded() {
    let Some(servers) = Servers::shared() else { return };
    if !Path::new(LIBRARY).exists() {
        println!("skipped: {LIBRARY} is not there; Debian's package libfaketime has it");
        return;
    }
    let mut dice = Dice::of("F14");
    let mut shop = Shop::open(&servers, 4).await;
    let first = shop.start("serve");
    let load = Load::start(&mut dice, 150, &first.url);
    shop.set("LD_PRELOAD", LIBRARY);
    shop.set("FAKETIME_DONT_FAKE_MONOTONIC", 1);
    for [serve, stream] in [["+10d", "-10d"], ["-10d", "+10d"], ["-1h", "+0"], ["+0", "-1h"]] {
        shop.set("FAKETIME", serve);
        let serving = shop.start("serve");
        shop.set("FAKETIME", stream);
        let streaming = shop.start("stream");
        load.aim(&serving.url);
        for _ in 0..15 {
            load.answered(Duration::from_secs(30)).await;
        }
        load.aim(&first.url);
        load.answered(Duration::from_secs(30)).await;
        drop((serving, streaming));
    }
    for key in ["LD_PRELOAD", "FAKETIME", "FAKETIME_DONT_FAKE_MONOTONIC"] {
        shop.unset(key);
    }
    let stream = shop.start("stream");
    let ledger = load.finish().await;
    let proof = oracle::all(&shop, &ledger).await;
    println!("wrong clocks: {proof}");
    drop((first, stream));
    shop.close().await;
}
