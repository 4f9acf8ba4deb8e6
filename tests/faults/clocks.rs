//! Processes whose clocks are wrong, each by another amount, and jump under load: what is stored does not depend on them.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::load::{Load, client, now_ms};
use crate::oracle::{self, Sampler};
use crate::seed::{Dice, count};
use crate::servers::Servers;
use crate::shop::{Shop, Way};

const HOUR_S: i64 = 3_600;
const DAY_S: i64 = 24 * HOUR_S;
/// What a clock may be wrong by.
const WRONG_S: [i64; 6] = [10 * DAY_S, -10 * DAY_S, HOUR_S, -HOUR_S, 61, 0];
/// No line that is looked at is older.
const SURE_S: i64 = 60;

/// One process' clock.
struct Clock {
    file: PathBuf,
    way: Way,
}

impl Clock {
    fn new(shim: &Path, folder: &Path, name: &str, wrong_s: i64) -> Self {
        let file = folder.join(format!("{name}.clock"));
        std::fs::write(&file, wrong_s.to_ne_bytes()).unwrap();
        let text = |path: &Path| path.to_str().unwrap().to_owned();
        let env = vec![("LD_PRELOAD".to_owned(), text(shim)), ("WRONG_CLOCK".to_owned(), text(&file))];
        Self { file, way: Way { env, ..Way::default() } }
    }

    /// Jumps, at once: the process sees the file's own memory.
    fn jump(&self, wrong_s: i64) {
        use std::os::unix::fs::FileExt;
        let file = std::fs::File::options().write(true).open(&self.file).unwrap();
        file.write_all_at(&wrong_s.to_ne_bytes(), 0).unwrap();
    }
}

/// Builds what is preloaded; nothing where there is no compiler.
fn shim(folder: &Path) -> Option<PathBuf> {
    let (source, shim) =
        (concat!(env!("CARGO_MANIFEST_DIR"), "/tests/faults/clock.c"), folder.join("clock.so"));
    let built = Command::new("cc")
        .args(["-O2", "-Wall", "-shared", "-fPIC", source, "-ldl", "-o"])
        .arg(&shim)
        .output();
    match built {
        Ok(built) if built.status.success() => Some(shim),
        built => {
            println!("skipped: nothing can be built to change clocks with: {built:?}");
            None
        }
    }
}

/// That it works at all: the lines of a process' own log are of its own hour.
fn seen_wrong(lines: &[String], wrong_s: i64) {
    let hour = |before_s: i64| {
        let at = format!("@{}", now_ms() / 1_000 + wrong_s - before_s);
        let shown = Command::new("date").args(["-u", "+%Y-%m-%dT%H", "-d", &at]).output().unwrap();
        String::from_utf8(shown.stdout).unwrap().trim().to_owned()
    };
    let hours = [hour(0), hour(SURE_S)];
    let last = lines.last().unwrap();
    assert!(hours.iter().any(|hour| last.contains(hour)), "{last} is not of {hours:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
#[ignore = "long: SHOPTIDE_JUMPS of them, 30 if not said; needs cc"]
async fn wrong_clocks_change_nothing_that_is_stored() {
    let Some(servers) = Servers::shared() else { return };
    let folder = tempfile::tempdir().unwrap();
    let Some(shim) = shim(folder.path()) else { return };
    let mut dice = Dice::of("F14");
    let shop = Shop::open(&servers, 4).await;
    let clock = |name: &str, wrong_s| Clock::new(&shim, folder.path(), name, wrong_s);
    let clocks = [
        clock("one", 10 * DAY_S),
        clock("two", -HOUR_S),
        clock("jobs", -10 * DAY_S),
        clock("serve", 10 * DAY_S),
    ];
    let mut roles: Vec<_> = clocks
        .iter()
        .zip(["stream", "stream", "jobs", "serve"])
        .map(|(c, role)| shop.start_by(&c.way, role))
        .collect();
    for (role, wrong_s) in roles.iter().zip([10 * DAY_S, -HOUR_S, -10 * DAY_S, 10 * DAY_S]) {
        seen_wrong(&role.process.err.all(), wrong_s);
    }
    let load = Load::start(&mut dice, 200, &roles[3].url);
    load.answered(Duration::from_secs(60)).await;
    let sampler = Sampler::start(&shop, &load.ledger).await;
    let user = load.ledger.known().users[0].clone();
    let url = format!("{}/v1/users/{user}/recommendations", roles[3].url);
    let jumps = count("SHOPTIDE_JUMPS", 30);
    for _ in 0..jumps {
        let (who, wrong) = (dice.below(4) as usize, dice.below(WRONG_S.len() as u64) as usize);
        clocks[who].jump(WRONG_S[wrong]);
        tokio::time::sleep(dice.moment(100, 1_500)).await;
        load.answered(Duration::from_secs(60)).await;
        assert_eq!(client().get(&url).send().await.unwrap().status(), 200, "a reader");
    }
    // Somebody is started anew while its clock is wrong.
    let stream = roles.remove(0);
    tokio::task::block_in_place(|| stream.process.stop());
    clocks[0].jump(-10 * DAY_S);
    roles.push(shop.start_by(&clocks[0].way, "stream"));
    load.answered(Duration::from_secs(60)).await;
    let looks = sampler.finish().await;
    let ledger = load.finish().await;
    let proof = oracle::all(&shop, &ledger).await;
    println!("{jumps} jumps of four clocks: {proof}; {looks} looks");
    for role in &mut roles {
        assert!(role.process.is_running(), "{}", role.process.err.text());
    }
    drop(roles);
    shop.close().await;
}
