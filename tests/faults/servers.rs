//! The servers: those that all tests share, or a set of its own for a test that kills one of them.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::running::PATIENCE;

/// Where the servers are.
#[derive(Clone, Debug)]
pub struct Servers {
    /// Brokers as `host:port`, with commas between.
    pub kafka: String,
    /// `mysql://user:password@host:port`, without a database.
    pub mysql: String,
    pub redis: String,
    /// The folder of logs, sockets and process numbers.
    pub dir: PathBuf,
}

impl Servers {
    /// Those that `deploy/services run` has started for all tests; nothing where it has not, said once a test.
    pub fn shared() -> Option<Self> {
        let names = ["KAFKA", "MYSQL", "REDIS", "SERVICES"].map(|name| format!("SHOPTIDE_TEST_{name}"));
        let found: Vec<String> = names.iter().filter_map(|name| std::env::var(name).ok()).collect();
        let [kafka, mysql, redis, dir] = <[String; 4]>::try_from(found).ok().or_else(|| {
            assert!(std::env::var_os("CI").is_none(), "{} name no servers", names.join(", "));
            println!("skipped: {} name no servers; `deploy/services run` does", names.join(", "));
            None
        })?;
        Some(Self { kafka, mysql, redis, dir: dir.into() })
    }

    pub fn brokers(&self) -> usize {
        self.kafka.split(',').count()
    }

    pub fn mysql_address(&self) -> String {
        self.mysql.rsplit_once('@').unwrap().1.to_owned()
    }

    pub fn redis_address(&self) -> String {
        self.redis.trim_start_matches("redis://").to_owned()
    }
}

/// Servers of its own, gone with the test.
pub struct Own {
    pub servers: Servers,
    dir: tempfile::TempDir,
    /// What was started again here, to be waited for.
    again: Mutex<BTreeMap<String, Child>>,
}

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/deploy/services");

impl Own {
    /// Where the shared servers are missing, these are too.
    pub fn start(brokers: u32) -> Option<Self> {
        Self::start_by(&[], &["--brokers", &brokers.to_string()])
    }

    /// `words`: what stands before the script, such as the command that enters a network.
    pub fn start_by(words: &[String], options: &[&str]) -> Option<Self> {
        Servers::shared()?;
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("servers");
        let mut words = words.iter().map(String::as_str).chain([SCRIPT, "up"]);
        let mut up = Command::new(words.next().unwrap());
        up.args(words).args(options).arg("--dir").arg(&folder).stdin(Stdio::null());
        let out = up.output().unwrap();
        assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
        let text = String::from_utf8_lossy(&out.stdout).into_owned();
        let of = |name: &str| {
            let line =
                text.lines().find_map(|line| line.strip_prefix(&format!("export SHOPTIDE_TEST_{name}=")));
            line.unwrap_or_else(|| panic!("no {name} in {text}")).to_owned()
        };
        let (kafka, mysql, redis) = (of("KAFKA"), of("MYSQL"), of("REDIS"));
        let servers = Servers { kafka, mysql, redis, dir: folder };
        Some(Self { servers, dir, again: Mutex::default() })
    }

    fn pid(&self, server: &str) -> u32 {
        let file = self.servers.dir.join(format!("{server}.pid"));
        std::fs::read_to_string(file).unwrap().trim().parse().unwrap()
    }

    /// `STOP`, `CONT`, `TERM` or `KILL` to `kafka-1`, `mariadb` or `redis`.
    pub fn signal(&self, server: &str, signal: &str) {
        let id = self.pid(server).to_string();
        assert!(Command::new("kill").args(["-s", signal, &id]).status().unwrap().success());
    }

    /// Whether a server still runs that was started again here.
    pub fn runs_again(&self, server: &str) -> bool {
        let mut again = self.again.lock().unwrap();
        again.get_mut(server).is_some_and(|child| child.try_wait().is_ok_and(|ended| ended.is_none()))
    }

    /// A server as it runs now, to be had again should it end by itself.
    pub fn remembered(&self, server: &str) -> Ended<'_> {
        let pid = self.pid(server);
        let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap();
        let words = line.split(|byte| *byte == 0).filter(|word| !word.is_empty());
        let words: Vec<OsString> = words.map(|word| OsString::from_vec(word.to_vec())).collect();
        assert!(!words.is_empty(), "{server} does not run");
        Ended { own: self, server: server.to_owned(), words }
    }

    /// Ends a server, and returns the way to have it again.
    pub fn end(&self, server: &str, signal: &str) -> Ended<'_> {
        let (pid, ended) = (self.pid(server), self.remembered(server));
        self.signal(server, signal);
        let until = Instant::now() + PATIENCE;
        while runs(pid) {
            if let Some(child) = self.again.lock().unwrap().get_mut(server) {
                // Whether it has ended is seen above.
                let _ = child.try_wait();
            }
            assert!(Instant::now() < until, "{server} does not end");
            std::thread::sleep(Duration::from_millis(5));
        }
        ended
    }
}

/// Whether a process runs; one that has ended and that nobody asked for does not.
fn runs(pid: u32) -> bool {
    std::fs::read(format!("/proc/{pid}/cmdline")).is_ok_and(|line| !line.is_empty())
}

/// A server that was ended.
pub struct Ended<'a> {
    own: &'a Own,
    server: String,
    words: Vec<OsString>,
}

impl Ended<'_> {
    /// Starts it as it was; it may take a while to answer.
    pub fn again(self) {
        self.again_with(|words| words);
    }

    /// Starts it with other words.
    pub fn again_with(self, change: impl FnOnce(Vec<OsString>) -> Vec<OsString>) {
        let dir = &self.own.servers.dir;
        let log =
            std::fs::File::options().append(true).open(dir.join(format!("{}.log", self.server))).unwrap();
        let words = change(self.words);
        let mut command = Command::new(&words[0]);
        command.args(&words[1..]).stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log);
        let child = command.spawn().unwrap();
        // For whoever takes all of them down.
        std::fs::write(dir.join(format!("{}.pid", self.server)), child.id().to_string()).unwrap();
        self.own.again.lock().unwrap().insert(self.server, child);
    }
}

impl Drop for Own {
    fn drop(&mut self) {
        for (server, child) in self.again.get_mut().unwrap_or_else(PoisonError::into_inner) {
            if let Err(error) = child.kill().and_then(|()| child.wait()) {
                eprintln!("{server} was not ended: {error}");
            }
        }
        let folder = self.dir.path().join("servers");
        // A folder that cannot be cleared goes with the temporary one; its servers are what matters.
        let _ = Command::new(SCRIPT).args(["down", "--dir"]).arg(folder).output();
    }
}
