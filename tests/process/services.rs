//! Kafka, MariaDB and Redis for tests of the program: names of their own on the servers that `deploy/services` provides, and
//! small Redis servers of a test's own. What a test makes, it takes away.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use crate::common::{PATIENCE, shoptide};

static NUMBER: AtomicU32 = AtomicU32::new(0);

/// A shop of its own on the servers.
pub struct Services {
    brokers: String,
    /// `host:port`, user and password.
    mysql: (String, String, String),
    redis: String,
    jars: String,
    pub name: String,
}

impl Services {
    /// Nothing where the servers are missing, said once a test.
    pub fn there() -> Option<Self> {
        let named = |what: &str| std::env::var(format!("SHOPTIDE_TEST_{what}")).ok();
        let (Some(brokers), Some(mysql), Some(redis), Some(jars)) =
            (named("KAFKA"), named("MYSQL"), named("REDIS"), named("KAFKA_JARS"))
        else {
            assert!(
                std::env::var_os("CI").is_none(),
                "SHOPTIDE_TEST_KAFKA, _MYSQL, _REDIS or _KAFKA_JARS is missing"
            );
            println!("skipped: deploy/services provides what SHOPTIDE_TEST_KAFKA, _MYSQL and _REDIS name");
            return None;
        };
        let (login, at) = mysql.strip_prefix("mysql://").unwrap().split_once('@').unwrap();
        let (user, password) = login.split_once(':').unwrap();
        let name = format!("proc_{}_{}", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed));
        let mysql = (at.to_owned(), user.to_owned(), password.to_owned());
        let redis = redis.strip_prefix("redis://").unwrap().to_owned();
        Some(Self { brokers, mysql, redis, jars, name })
    }

    /// What makes a command use Kafka.
    pub fn kafka(&self) -> Vec<(String, String)> {
        set(&[
            ("LOG__KIND", "kafka"),
            ("KAFKA__BROKERS", &self.brokers),
            ("KAFKA__PREFIX", &format!("{}.", self.name)),
            ("KAFKA__GROUP", &self.name),
            ("KAFKA__REPLICATION", "1"),
        ])
    }

    /// What makes a command use the database.
    pub fn mysql(&self) -> Vec<(String, String)> {
        let (host, port) = self.mysql.0.split_once(':').unwrap();
        set(&[
            ("STORE__KIND", "mysql"),
            ("MYSQL__HOST", host),
            ("MYSQL__PORT", port),
            ("MYSQL__DATABASE", &self.name),
            ("MYSQL__USER", &self.mysql.1),
            ("MYSQL__PASSWORD", &self.mysql.2),
        ])
    }

    pub fn redis(&self) -> Vec<(String, String)> {
        let mut all = redis_at(&self.redis);
        all.extend(set(&[("REDIS__PREFIX", &self.name)]));
        all
    }

    pub fn all(&self) -> Vec<(String, String)> {
        [self.kafka(), self.mysql(), self.redis()].concat()
    }

    /// Runs SQL on the database server, with the rights of the tests' user.
    pub fn sql(&self, sql: &str) -> String {
        let (host, port) = self.mysql.0.split_once(':').unwrap();
        let done = Command::new("mariadb")
            .args(["--no-defaults", "-N", "-h", host, "-P", port, "-u", &self.mysql.1, "-e", sql])
            .env("MYSQL_PWD", &self.mysql.2)
            .output()
            .unwrap();
        assert!(done.status.success(), "{sql}: {}", String::from_utf8_lossy(&done.stderr));
        String::from_utf8(done.stdout).unwrap().trim().to_owned()
    }

    /// An empty database; taken away when the test succeeds, else with the server.
    pub fn database(&self, options: &str) -> Database<'_> {
        self.sql(&format!("CREATE DATABASE {} {options}", self.name));
        Database(self)
    }

    /// One of Kafka's own tools.
    pub fn kafka_tool(&self, class: &str, args: &[&str]) {
        let done = Command::new("java")
            .args(["-cp", &format!("{}/*", self.jars), class, "--bootstrap-server", &self.brokers])
            .args(args)
            .output()
            .unwrap();
        assert!(done.status.success(), "{class} {args:?}: {done:?}");
    }

    pub fn topic(&self, name: &str) -> String {
        format!("{}.{name}", self.name)
    }
}

pub struct Database<'a>(&'a Services);

impl Drop for Database<'_> {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.0.sql(&format!("DROP DATABASE {}", self.0.name));
        }
    }
}

/// Configuration as a process gets it.
pub fn set(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(key, value)| (format!("SHOPTIDE_{key}"), (*value).to_owned())).collect()
}

pub fn redis_at(address: &str) -> Vec<(String, String)> {
    set(&[("STORE__CACHE", "redis"), ("REDIS__NODES", address)])
}

/// The program with configuration from the environment.
pub fn with(args: &[&str], config: &[(String, String)]) -> Command {
    let mut command = shoptide(args);
    command.envs(config.iter().cloned());
    command
}

/// A port that nobody listens on, at this moment.
pub fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// A Redis of a test's own.
pub struct Redis {
    child: Child,
    pub port: u16,
    _dir: tempfile::TempDir,
}

impl Redis {
    /// Nothing where there is none to start.
    pub fn start(port: u16, options: &[&str]) -> Option<Self> {
        let dir = tempfile::tempdir().unwrap();
        let started = Command::new("redis-server")
            .args([
                "--port",
                &port.to_string(),
                "--bind",
                "127.0.0.1",
                "--save",
                "",
                "--appendonly",
                "no",
                "--dir",
            ])
            .arg(dir.path())
            .args(options)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        let child = match started {
            Ok(child) => child,
            Err(error) => {
                assert!(std::env::var_os("CI").is_none(), "redis-server: {error}");
                println!("skipped: no redis-server here");
                return None;
            }
        };
        let server = Self { child, port, _dir: dir };
        let until = Instant::now() + PATIENCE;
        while !server.answers() {
            assert!(Instant::now() < until, "redis-server does not answer");
            std::thread::sleep(Duration::from_millis(20));
        }
        Some(server)
    }

    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// `PONG`, or that a password is missing.
    fn answers(&self) -> bool {
        let Ok(mut stream) = TcpStream::connect(self.address()) else { return false };
        let mut first = [0];
        stream.write_all(b"PING\r\n").is_ok() && stream.read_exact(&mut first).is_ok()
    }

    pub fn cli(&self, args: &[&str]) -> String {
        let done =
            Command::new("redis-cli").args(["-p", &self.port.to_string()]).args(args).output().unwrap();
        String::from_utf8(done.stdout).unwrap().trim().to_owned()
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        // One that has ended already is what is wanted.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
