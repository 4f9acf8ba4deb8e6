//! A shop on the real services, with topics, a database and keys of its own, and what the tests ask of it.

use std::io::Write;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Instant;

use serde_json::{Value, json};
use shoptide_schemas::partition::partition_of;
use shoptide_store::{MysqlAddress, MysqlTls, MysqlTruth, MysqlTruthOptions};
use tempfile::TempDir;

use crate::common::{Ended, PATIENCE, Running, as_shipped, finish, now_ms};

static NUMBER: AtomicU32 = AtomicU32::new(0);
pub const PARTITIONS: u32 = 4;

/// Where the servers are, as `deploy/services` says it.
pub struct Shop {
    pub kafka: String,
    pub jars: String,
    services: String,
    pub name: String,
    pub folder: TempDir,
    env: Vec<(String, String)>,
}

impl Shop {
    /// Nothing, and a word about it, where there are no servers.
    pub fn open() -> Option<Self> {
        let names =
            ["KAFKA", "MYSQL", "REDIS", "SERVICES", "KAFKA_JARS"].map(|n| format!("SHOPTIDE_TEST_{n}"));
        let found: Vec<String> = names.iter().filter_map(|name| std::env::var(name).ok()).collect();
        let Ok([kafka, mysql, redis, services, jars]) = <[String; 5]>::try_from(found) else {
            assert!(std::env::var_os("CI").is_none(), "{} name no servers", names.join(", "));
            println!("skipped: {} name no servers; `deploy/services run` does", names.join(", "));
            return None;
        };
        let name = format!("k{}_{}", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed));
        let (host, port) = mysql.rsplit_once('@').unwrap().1.rsplit_once(':').unwrap();
        let settings = [
            ("LOG__KIND", "kafka"),
            ("LOG__PARTITIONS", &PARTITIONS.to_string()),
            ("STORE__KIND", "mysql"),
            ("STORE__CACHE", "redis"),
            ("KAFKA__BROKERS", &kafka),
            ("KAFKA__PREFIX", &format!("{name}.")),
            ("KAFKA__GROUP", &format!("{name}.stream")),
            ("KAFKA__REPLICATION", "1"),
            ("MYSQL__HOST", host),
            ("MYSQL__PORT", port),
            ("MYSQL__USER", "shoptide"),
            ("MYSQL__PASSWORD", "shoptide"),
            ("MYSQL__DATABASE", &name),
            ("REDIS__NODES", redis.trim_start_matches("redis://")),
            ("REDIS__PREFIX", &name),
        ];
        let env = settings.map(|(key, value)| (format!("SHOPTIDE_{key}"), value.to_owned())).to_vec();
        let shop = Self { kafka, jars, services, name, folder: tempfile::tempdir().unwrap(), env };
        shop.sql(&format!("CREATE DATABASE {}", shop.name));
        shop.done(&["migrate"]);
        shop.done(&["topics", "create"]);
        Some(shop)
    }

    /// The truth, as the program opens it.
    pub async fn truth(&self) -> Arc<MysqlTruth> {
        let of = |key: &str| {
            let name = format!("SHOPTIDE_MYSQL__{key}");
            self.env.iter().find(|(key, _)| *key == name).unwrap().1.clone()
        };
        let address = MysqlAddress {
            host: of("HOST"),
            port: of("PORT").parse().unwrap(),
            user: of("USER"),
            password: Some(of("PASSWORD")),
            database: of("DATABASE"),
            tls: MysqlTls::Off,
            ca_file: None,
        };
        MysqlTruth::open(MysqlTruthOptions::new(&address)).await.unwrap()
    }

    /// A statement as the database's own client runs it; what it printed.
    pub fn sql(&self, statement: &str) -> String {
        let socket = format!("--socket={}/mariadb.sock", self.services);
        let mut client = Command::new("mariadb");
        let client = client.args(["--no-defaults", &socket, "-u", "root", "-N", "-B", "-e", statement]);
        let out = client.output().unwrap();
        assert!(out.status.success(), "{statement}: {}", String::from_utf8_lossy(&out.stderr));
        String::from_utf8(out.stdout).unwrap()
    }

    /// The program, in this shop.
    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = as_shipped(args);
        command.envs(self.env.iter().cloned()).current_dir(self.folder.path());
        command
    }

    pub fn ended(&self, args: &[&str]) -> Ended {
        finish(self.command(args))
    }

    pub fn done(&self, args: &[&str]) -> Ended {
        let ended = self.ended(args);
        assert_eq!(ended.code, Some(0), "{ended:?}");
        ended
    }

    /// A role, once it is up; where it answers, if it serves.
    pub fn start(&self, role: &str) -> (Running, String) {
        let mut args = vec!["--log-json", role, "--data-dir", "data"];
        if matches!(role, "up" | "serve") {
            args.extend(["--port", "0"]);
        }
        let running = Running::start(self.command(&args));
        let url = running.err.find(|line| {
            let log: Value = serde_json::from_str(line).ok()?;
            let up = log.pointer("/fields/message")?.as_str()? == "shoptide is up";
            up.then(|| log.pointer("/fields/url").and_then(Value::as_str).unwrap_or_default().to_owned())
        });
        let Some(url) = url else { panic!("{role} did not start:\n{}", running.err.text()) };
        (running, url)
    }

    pub fn topic(&self, name: &str) -> String {
        format!("{}.shop.{name}", self.name)
    }

    /// Waits until the store has folded `logged` records of the user topics.
    pub fn folded(&self, logged: i64, stream: &Running) {
        let began = Instant::now();
        let ask = format!("SELECT COALESCE(SUM(logged), 0) FROM {}.stream_offset WHERE topic < 5", self.name);
        loop {
            let now: i64 = self.sql(&ask).trim().parse().unwrap();
            assert!(now <= logged, "{now} records are folded, expected {logged}");
            if now == logged {
                return;
            }
            assert!(
                began.elapsed() < PATIENCE,
                "{now} of {logged} records are folded:\n{}",
                stream.err.text()
            );
            std::thread::sleep(std::time::Duration::from_millis(50));
        }
    }

    /// Waits until nothing of the log is left to fold; the proof of then.
    pub fn caught_up(&self, streams: &[&Running]) -> Value {
        let began = Instant::now();
        loop {
            let ended = self.ended(&["state", "verify", "--json", "--data-dir", "data"]);
            let report: Value = serde_json::from_str(&ended.out).unwrap_or_else(|_| panic!("{ended:?}"));
            if report["behind"] == 0 {
                return report;
            }
            let said: Vec<String> = streams.iter().map(|stream| stream.err.text()).collect();
            assert!(
                began.elapsed() < PATIENCE,
                "{} are not folded:\n{}",
                report["behind"],
                said.join("\n---\n")
            );
        }
    }

    /// The proof, which must hold and leave nothing out.
    pub fn verified(&self) -> Value {
        let ended = self.ended(&["state", "verify", "--json", "--data-dir", "data"]);
        let report: Value = serde_json::from_str(&ended.out).unwrap_or_else(|_| panic!("{ended:?}"));
        assert!(ended.code == Some(0) && report["ok"] == true && report["behind"] == 0, "{report:#}");
        report
    }

    /// Every dead letter, as `reason partition/offset`, in order of the latter.
    pub fn dead_letters(&self) -> Vec<String> {
        let ended = self.done(&["dead-letters", "list", "-n", "100000", "--json", "--data-dir", "data"]);
        let mut letters: Vec<(u64, u64, String)> = ended
            .out
            .lines()
            .map(|line| serde_json::from_str::<Value>(line).unwrap())
            .map(|letter| {
                let number = |field: &str| letter[field].as_u64().unwrap();
                (number("partition"), number("offset"), letter["code"].as_str().unwrap().to_owned())
            })
            .collect();
        letters.sort_unstable();
        letters.into_iter().map(|(partition, offset, code)| format!("{code} {partition}/{offset}")).collect()
    }

    /// The records of one topic: (partition, offset, key).
    pub fn records(&self, topic: &str) -> Vec<(u32, i64, String)> {
        let args = ["events", "tail", "--topic", topic, "-n", "1000000", "--json", "--data-dir", "data"];
        let record = |line: &str| {
            let record: Value = serde_json::from_str(line).unwrap();
            let partition = u32::try_from(record["partition"].as_u64().unwrap()).unwrap();
            let key = record["key"].as_str().unwrap_or_default().to_owned();
            (partition, record["offset"].as_i64().unwrap(), key)
        };
        self.done(&args).out.lines().map(record).collect()
    }

    /// Gives a client that is not ours lines to produce.
    pub fn fed(mut client: Command, lines: &[String]) {
        let mut running =
            client.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let text = lines.iter().fold(String::new(), |text, line| text + line + "\n");
        running.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
        let out = running.wait_with_output().unwrap();
        assert!(out.status.success(), "{client:?}: {}", String::from_utf8_lossy(&out.stderr));
    }

    /// A class of Kafka's own Java tools.
    pub fn java(&self, class: &str, args: &[&str]) -> Command {
        let mut command = Command::new("java");
        command
            .args(["-cp", &format!("{}/*", self.jars), class, "--bootstrap-server", &self.kafka])
            .args(args);
        command
    }
}

impl Drop for Shop {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.sql(&format!("DROP DATABASE {}", self.name));
        }
    }
}

/// A view of an item by a user, as JSON.
pub fn view(user: &str, number: usize) -> String {
    json!({ "event_id": format!("{user}-{number}"), "type": "view_item", "user_id": user,
        "item_id": format!("i{}", number % 17), "occurred_at": now_ms() })
    .to_string()
}

/// The first user, by number, who belongs to a partition.
pub fn user_of(partition: u32) -> String {
    let mut users = (0..).map(|n| format!("user-{n}"));
    users.find(|user| partition_of(user.as_bytes(), PARTITIONS) == partition).unwrap()
}
