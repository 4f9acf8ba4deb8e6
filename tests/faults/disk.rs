//! MySQL's disk is full: events wait, none becomes a dead letter, readers get their lists, and with room again all goes on.

use std::ffi::OsString;
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use crate::load::{Load, client};
use crate::oracle;
use crate::seed::Dice;
use crate::servers::Own;
use crate::shop::{LOOK_AGAIN, Shop, until};
use crate::tables::Tables;

/// Enough for an empty server and a few minutes of load.
const DISK_MIB: u64 = 400;
const FOLDED: &str = "SELECT CAST(SUM(next_off) AS SIGNED) FROM stream_offset";
/// Nothing was folded for so long although events came in.
const STANDS: Duration = Duration::from_secs(4);
/// Until rows need room that is not there.
const FULL_WITHIN: Duration = Duration::from_secs(120);
const RESUMED: Duration = Duration::from_secs(15);

/// A small file system of its own in a file, or in memory where loop devices are missing; unmounted in the end.
struct Disk {
    at: PathBuf,
    _folder: tempfile::TempDir,
}

impl Disk {
    fn mount() -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let (image, at) = (folder.path().join("image"), folder.path().join("disk"));
        std::fs::create_dir(&at).unwrap();
        File::create(&image).unwrap().set_len(DISK_MIB << 20).unwrap();
        let done = |command: &mut Command| command.output().is_ok_and(|ended| ended.status.success());
        let made = done(Command::new("mkfs.ext4").args(["-q", "-m", "0", "-F"]).arg(&image));
        let kind = if made && done(Command::new("mount").args(["-o", "loop"]).arg(&image).arg(&at)) {
            "ext4 in a file"
        } else if done(
            Command::new("mount")
                .args(["-t", "tmpfs", "-o"])
                .arg(format!("size={DISK_MIB}m"))
                .arg("tmpfs")
                .arg(&at),
        ) {
            "tmpfs"
        } else {
            println!("skipped: no file system can be mounted here");
            return None;
        };
        println!("{DISK_MIB} MiB of {kind}");
        Some(Self { at, _folder: folder })
    }

    /// Writes until there is no room; how much that was.
    fn fill(&self) -> u64 {
        let mut file = File::options().create(true).append(true).open(self.ballast()).unwrap();
        // Smaller and smaller, to the last block.
        for size in [1 << 20, 1 << 16, 1 << 12] {
            let piece = vec![1; size];
            while file.write_all(&piece).and_then(|()| file.sync_data()).is_ok() {}
        }
        std::fs::metadata(self.ballast()).unwrap().len()
    }

    fn ballast(&self) -> PathBuf {
        self.at.join("ballast")
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // Lazily: a server that a failed test has left is ended right after.
        let _ = Command::new("umount").arg("-l").arg(&self.at).status();
    }
}

/// Moves the server, with nothing in it yet, to another disk.
fn moved(own: &Own, disk: &Path) {
    let data = disk.join("data");
    let made = Command::new("mariadb-install-db")
        .args(["--no-defaults", "--user=root", "--auth-root-authentication-method=normal", "--skip-test-db"])
        .arg(format!("--datadir={}", data.display()))
        .output()
        .unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    own.end("mariadb", "TERM").again_with(|words| {
        let other = |word: OsString| match word.to_string_lossy().split_once('=') {
            Some(("--datadir", _)) => format!("--datadir={}", data.display()).into(),
            Some(("--innodb-log-file-size", _)) => "--innodb-log-file-size=32M".into(),
            Some(("--innodb-buffer-pool-size", _)) => "--innodb-buffer-pool-size=64M".into(),
            _ => word,
        };
        words.into_iter().map(other).collect()
    });
    let user = "CREATE USER shoptide@'127.0.0.1' IDENTIFIED BY 'shoptide'; GRANT ALL ON *.* TO shoptide@'127.0.0.1' \
                WITH GRANT OPTION;";
    let began = Instant::now();
    let socket = format!("--socket={}", own.servers.dir.join("mariadb.sock").display());
    loop {
        let asked = Command::new("mariadb")
            .args(["--no-defaults", &socket, "-u", "root", "-e", user])
            .output()
            .unwrap();
        if asked.status.success() {
            return;
        }
        let said = String::from_utf8_lossy(&asked.stderr).into_owned();
        assert!(began.elapsed() < Duration::from_secs(60), "the server does not answer: {said}");
        std::thread::sleep(LOOK_AGAIN);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
#[ignore = "long; needs root to mount"]
async fn a_mysql_without_room_makes_events_wait() {
    // Dropped last: the server writes to it.
    let Some(disk) = Disk::mount() else { return };
    let Some(own) = Own::start(1) else { return };
    let mut dice = Dice::of("F9 full");
    tokio::task::block_in_place(|| moved(&own, &disk.at));
    let shop = Shop::open(&own.servers, 4).await;
    let (mut stream, serve) = (shop.start("stream"), shop.start("serve"));
    let load = Load::start(&mut dice, 200, &serve.url);
    for _ in 0..20 {
        load.answered(Duration::from_secs(60)).await;
    }
    let folded = async || Some(Tables::again(&shop.servers, &shop.database).await?.number(FOLDED).await);
    for round in 1..=2 {
        let server = own.remembered("mariadb");
        let filled = tokio::task::block_in_place(|| disk.fill());
        let (full, mut moved, mut last) = (Instant::now(), Instant::now(), None);
        while moved.elapsed() < STANDS {
            load.answered(Duration::from_secs(60)).await;
            // The server may have ended, for that is what InnoDB does if it cannot write a page.
            let now = if own.runs_again("mariadb") { folded().await } else { None };
            if now.is_some() && now != last {
                (last, moved) = (now, Instant::now());
            }
            assert!(full.elapsed() < FULL_WITHIN, "it is folded although there is no room");
        }
        let lives = own.runs_again("mariadb");
        println!(
            "{round}: {} MiB were free; folding stands {:.0?} after; MySQL {}",
            filled >> 20,
            full.elapsed(),
            if lives { "lives" } else { "has ended" }
        );
        let user = load.ledger.known().users[round - 1].clone();
        let url = format!("{}/v1/users/{user}/recommendations", serve.url);
        for _ in 0..20 {
            let answer = client().get(&url).send().await.unwrap();
            assert_eq!(answer.status(), 200, "a reader of a shop whose disk is full");
        }
        assert!(stream.process.is_running(), "{}", stream.process.err.text());
        std::fs::remove_file(disk.ballast()).unwrap();
        if !own.runs_again("mariadb") {
            server.again();
        }
        let answers = async || folded().await;
        let before = until("MySQL answers", Duration::from_secs(60), answers).await;
        let room = Instant::now();
        until("events are folded again", RESUMED, async || folded().await.filter(|now| *now != before)).await;
        println!("{round}: folds {:.1?} after there is room and MySQL answers", room.elapsed());
    }
    let said = stream.process.err.all().iter().filter(|line| line.contains("cannot write now")).count();
    println!("refused for want of room {said} times");
    let ledger = load.finish().await;
    println!("a full disk: {}", oracle::all(&shop, &ledger).await);
    drop((stream, serve));
}
