//! The servers: those that all tests share, or a set of its own for a test that kills one of them.

use std::path::PathBuf;
use std::process::{Command, Stdio};

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
}

fn script() -> Command {
    let mut command = Command::new(concat!(env!("CARGO_MANIFEST_DIR"), "/deploy/services"));
    command.stdin(Stdio::null());
    command
}

impl Own {
    /// Where the shared servers are missing, these are too.
    pub fn start(brokers: u32) -> Option<Self> {
        Servers::shared()?;
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("servers");
        let mut up = script();
        up.args(["up", "--brokers", &brokers.to_string(), "--dir", folder.to_str().unwrap()]);
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
        Some(Self { servers, dir })
    }
}

impl Drop for Own {
    fn drop(&mut self) {
        let folder = self.dir.path().join("servers");
        // A folder that cannot be cleared goes with the temporary one; its servers are what matters.
        let _ = script().args(["down", "--dir"]).arg(folder).output();
    }
}
