//! A shop of its own on real servers: database, topics, keys and a folder for models, and the processes that run it.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

use crate::log_reader::Reader;
use crate::running::{PATIENCE, Running};
use crate::servers::Servers;
use crate::tables::Tables;

static NUMBER: AtomicU32 = AtomicU32::new(0);
/// Between two looks at something that another process does.
pub const LOOK_AGAIN: Duration = Duration::from_millis(20);
/// A small model, soon and often.
const SMALL: [(&str, &str); 6] = [
    ("SHOPTIDE_ALS__RANK", "8"),
    ("SHOPTIDE_ALS__SWEEPS", "2"),
    ("SHOPTIDE_TRAIN__FIRST_AFTER_EVENTS", "100"),
    ("SHOPTIDE_TRAIN__REFRESH_EVERY_MS", "1000"),
    ("SHOPTIDE_LOG__KIND", "kafka"),
    ("SHOPTIDE_STORE__KIND", "mysql"),
];

pub struct Shop {
    pub servers: Servers,
    pub partitions: u32,
    /// Of topics, group and keys.
    pub prefix: String,
    pub database: String,
    pub folder: TempDir,
    env: BTreeMap<String, String>,
}

/// A role that runs, and where it answers if it serves.
pub struct Role {
    pub process: Running,
    pub url: String,
}

/// How a process is started, if not plainly.
#[derive(Clone, Default)]
pub struct Way {
    /// Another build of the program.
    pub binary: Option<OsString>,
    /// What stands before it, such as the command that enters a network.
    pub words: Vec<String>,
    pub env: Vec<(String, String)>,
}

impl Shop {
    /// Makes database and topics by the program's own commands.
    pub async fn open(servers: &Servers, partitions: u32) -> Self {
        let name = format!("faults_{}_{}", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed));
        let prefix = format!("{name}.");
        Tables::server(servers, &format!("CREATE DATABASE {name}")).await;
        let mut shop = Self {
            servers: servers.clone(),
            partitions,
            prefix,
            database: name,
            folder: tempfile::tempdir().unwrap(),
            env: SMALL.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect(),
        };
        shop.set("SHOPTIDE_LOG__PARTITIONS", partitions);
        shop.set("SHOPTIDE_STORE__CACHE", "redis");
        shop.set("SHOPTIDE_KAFKA__BROKERS", &servers.kafka);
        shop.set("SHOPTIDE_KAFKA__PREFIX", shop.prefix.clone());
        shop.set("SHOPTIDE_KAFKA__GROUP", format!("{}group", shop.prefix));
        shop.set("SHOPTIDE_KAFKA__REPLICATION", servers.brokers().min(3));
        shop.aim_mysql(&servers.mysql_address());
        shop.set("SHOPTIDE_MYSQL__USER", "shoptide");
        shop.set("SHOPTIDE_MYSQL__PASSWORD", "shoptide");
        shop.set("SHOPTIDE_MYSQL__DATABASE", shop.database.clone());
        shop.set("SHOPTIDE_REDIS__NODES", servers.redis_address());
        shop.set("SHOPTIDE_REDIS__PREFIX", shop.database.clone());
        shop.done(&["migrate"]);
        shop.done(&["topics", "create"]);
        shop
    }

    /// A key of the configuration, for processes started from now on.
    pub fn set(&mut self, key: &str, value: impl ToString) {
        self.env.insert(key.to_owned(), value.to_string());
    }

    #[cfg(feature = "faults")]
    pub fn unset(&mut self, key: &str) {
        self.env.remove(key);
    }

    /// Lets processes started from now on find MySQL elsewhere, such as behind a proxy.
    pub fn aim_mysql(&mut self, address: &str) {
        let (host, port) = address.rsplit_once(':').unwrap();
        self.set("SHOPTIDE_MYSQL__HOST", host);
        self.set("SHOPTIDE_MYSQL__PORT", port);
    }

    pub fn command(&self, args: &[&str]) -> Command {
        self.command_by(&Way::default(), args)
    }

    fn command_by(&self, way: &Way, args: &[&str]) -> Command {
        // A long run beside other work names a binary that nobody builds anew.
        let given = way.binary.clone().or_else(|| std::env::var_os("SHOPTIDE_TEST_BINARY"));
        let binary = given.unwrap_or_else(|| env!("CARGO_BIN_EXE_shoptide").into());
        let mut command = match way.words.split_first() {
            Some((first, rest)) => {
                let mut command = Command::new(first);
                command.args(rest).arg(binary);
                command
            }
            None => Command::new(binary),
        };
        for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("SHOPTIDE_")) {
            command.env_remove(name);
        }
        let more = way.env.iter().map(|(key, value)| (key, value));
        command.envs(&self.env).envs(more).args(args).stdin(Stdio::null()).current_dir(self.folder.path());
        command
    }

    /// Starts a role and does not wait for it.
    pub fn spawn(&self, role: &str) -> Running {
        self.spawn_by(&Way::default(), role)
    }

    pub fn spawn_by(&self, way: &Way, role: &str) -> Running {
        let mut args = vec!["--log-json", role, "--data-dir", "data"];
        if matches!(role, "up" | "serve") {
            args.extend(["--port", "0"]);
        }
        Running::start(self.command_by(way, &args))
    }

    /// Starts a role and waits until it is up.
    pub fn start(&self, role: &str) -> Role {
        self.start_by(&Way::default(), role)
    }

    pub fn start_by(&self, way: &Way, role: &str) -> Role {
        let process = self.spawn_by(way, role);
        let url = is_up(&process).unwrap_or_else(|| panic!("{role} did not start:\n{}", process.err.text()));
        Role { process, url }
    }

    /// Runs a command that must succeed; what it printed.
    pub fn done(&self, args: &[&str]) -> String {
        let (code, out, err) = self.ended(args);
        assert_eq!(code, Some(0), "{args:?}: {out}\n{err}");
        out
    }

    /// Runs a command to its end.
    pub fn ended(&self, args: &[&str]) -> (Option<i32>, String, String) {
        let mut running = Running::start(self.command(args));
        let status = running.wait(2 * PATIENCE);
        (status.code(), running.out.whole(), running.err.whole())
    }

    pub async fn tables(&self) -> Tables {
        Tables::of(&self.servers, &self.database).await
    }

    /// Waits until all that is in the log is in the truth and nothing is owed; how long that took.
    pub async fn caught_up(&self, within: Duration) -> Duration {
        let began = Instant::now();
        let reader = Reader::new(self);
        let mut tables = self.tables().await;
        loop {
            let lag = self.lag(&reader, &mut tables).await;
            if lag == 0 && tables.number("SELECT COUNT(*) FROM outbox").await == 0 {
                return began.elapsed();
            }
            assert!(began.elapsed() < within, "{lag} records are not folded after {within:?}");
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    }

    /// Records of the log that are not in the truth.
    pub async fn lag(&self, reader: &Reader, tables: &mut Tables) -> i64 {
        let ends = reader.ends();
        let offsets = tables.offsets().await;
        let behind = |((topic, partition), end): (&(String, u32), &i64)| {
            let row = offsets.iter().find(|row| row.topic == *topic && row.shard == *partition);
            end - row.map_or(0, |row| row.next_off)
        };
        ends.iter().map(behind).sum()
    }

    /// Takes database and topics away. After a failed test they stay, to be looked at, until the servers go.
    pub async fn close(self) {
        Tables::server(&self.servers, &format!("DROP DATABASE {}", self.database)).await;
        Reader::new(&self).delete_topics().await;
    }
}

/// Where a role answers, empty if it does not serve; nothing if it ended first.
pub fn is_up(process: &Running) -> Option<String> {
    process.err.find(|line| {
        let log: Value = serde_json::from_str(line).ok()?;
        let up = log.pointer("/fields/message")?.as_str()? == "shoptide is up";
        up.then(|| log.pointer("/fields/url").and_then(Value::as_str).unwrap_or_default().to_owned())
    })
}

/// The shards that a stream process owns, as it last said itself.
pub fn owned(process: &Running) -> BTreeSet<u32> {
    let said = |line: &String| {
        let log: Value = serde_json::from_str(line).ok()?;
        let fields = log.get("fields")?;
        (fields.get("message")? == "the group was rebalanced").then_some(())?;
        if fields.get("assigned")? != true {
            return Some(BTreeSet::new());
        }
        let numbers = fields.get("shards")?.as_str()?.trim_matches(['{', '}']);
        Some(numbers.split(", ").filter_map(|n| n.parse().ok()).collect())
    };
    process.err.all().iter().rev().find_map(said).unwrap_or_default()
}

/// Looks again and again until there is something.
pub async fn until<T, F: Future<Output = Option<T>>>(
    what: &str,
    within: Duration,
    mut look: impl FnMut() -> F,
) -> T {
    let began = Instant::now();
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(began.elapsed() < within, "{what}: not within {within:?}");
        tokio::time::sleep(LOOK_AGAIN).await;
    }
}
