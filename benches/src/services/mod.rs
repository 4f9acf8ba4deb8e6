//! The program on Kafka, MariaDB and Redis, all of them on the same two cores, and what these servers give to a client that does
//! nothing else.

mod bare;
mod flood;
mod memory;
mod path;
mod reads;
mod restart;
mod size;

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::Context;

use crate::machine::{OTHER_CORES, TWO_CORES, cores};
use crate::produce::Ask;
use crate::server::Server;

pub use bare::rows as bare;
pub use flood::rows as overload;
pub use memory::row as memory;
pub use path::{coalesced, sustained};
pub use reads::row as reads;
pub use restart::row as catch_up;
pub use size::row as redis_bytes;

/// The shop of these figures.
pub const USERS: u64 = 200_000;
pub const ITEMS: u64 = 20_000;
const PARTITIONS: u32 = 4;

/// A run of the producer against that shop.
fn ask(mode: &str, host: &str, run: &str) -> Ask {
    Ask { users: USERS, items: ITEMS, run: run.to_owned(), ..Ask::new(mode, host) }
}

/// The three servers as `deploy/services run` names them.
pub struct Services {
    pub brokers: String,
    pub mysql: String,
    pub redis: String,
    folder: PathBuf,
}

impl Services {
    /// # Errors
    /// If `deploy/services run` did not start this.
    pub fn from_env() -> anyhow::Result<Self> {
        let var = |name: &str| {
            std::env::var(name)
                .with_context(|| format!("{name} is not set: start this with `deploy/services run -- ...`"))
        };
        Ok(Self {
            brokers: var("SHOPTIDE_TEST_KAFKA")?,
            mysql: var("SHOPTIDE_TEST_MYSQL")?,
            redis: var("SHOPTIDE_TEST_REDIS")?,
            folder: var("SHOPTIDE_TEST_SERVICES")?.into(),
        })
    }

    /// Holds every thread of the servers to the cores that are measured. Whether that worked.
    pub fn pin(&self) -> bool {
        let pids = ["kafka-1", "mariadb", "redis"]
            .map(|who| std::fs::read_to_string(self.folder.join(format!("{who}.pid"))));
        pids.into_iter().all(|pid| {
            let Ok(pid) = pid else { return false };
            let pinned =
                Command::new("taskset").args(["-acp", TWO_CORES, pid.trim()]).stdout(Stdio::null()).status();
            pinned.is_ok_and(|status| status.success())
        })
    }

    /// A database of that name, empty.
    ///
    /// # Errors
    /// If the server refuses.
    pub fn database(&self, name: &str) -> anyhow::Result<()> {
        let socket = format!("--socket={}", self.folder.join("mariadb.sock").display());
        let sql = format!("DROP DATABASE IF EXISTS {name}; CREATE DATABASE {name}");
        let made =
            Command::new("mariadb").args(["--no-defaults", &socket, "-u", "root", "-e", &sql]).status();
        anyhow::ensure!(made.context("mariadb, the client")?.success(), "{name} cannot be made");
        Ok(())
    }
}

/// A shop of its own on the servers: topics, tables and a configuration file.
pub struct Shop<'a> {
    pub services: &'a Services,
    shoptide: &'a Path,
    pub name: String,
    /// Passwords are in it: its mode is 600.
    config: tempfile::NamedTempFile,
}

impl<'a> Shop<'a> {
    /// # Errors
    /// If topics or tables cannot be made.
    pub fn new(services: &'a Services, shoptide: &'a Path, name: &str) -> anyhow::Result<Self> {
        let name = format!("bench_{name}_{}", std::process::id());
        services.database(&name)?;
        let (user, password, host, port) =
            address(&services.mysql).context("SHOPTIDE_TEST_MYSQL is no address")?;
        let redis = services.redis.trim_start_matches("redis://");
        let mut text = String::new();
        write!(
            text,
            "[log]\nkind = \"kafka\"\npartitions = {PARTITIONS}\n[store]\nkind = \"mysql\"\ncache = \"redis\"\n\
             [kafka]\nbrokers = \"{}\"\nprefix = \"{name}-\"\ngroup = \"{name}\"\nreplication = 1\n\
             [mysql]\nhost = \"{host}\"\nport = {port}\ndatabase = \"{name}\"\nuser = \"{user}\"\npassword = \"{password}\"\n\
             [redis]\nnodes = [\"{redis}\"]\nprefix = \"{name}\"\n\
             [stream]\nsweep_lists_per_s = 200\n",
            services.brokers
        )?;
        let config = tempfile::Builder::new().prefix("shoptide-bench-").suffix(".toml").tempfile()?;
        std::fs::write(config.path(), text)?;
        let shop = Self { services, shoptide, name, config };
        for command in [["topics", "create"].as_slice(), &["migrate"]] {
            let done = Command::new(shoptide)
                .args(command)
                .arg("--config")
                .arg(shop.config.path())
                .stdout(Stdio::null())
                .status();
            anyhow::ensure!(done.context("shoptide")?.success(), "shoptide {} failed", command.join(" "));
        }
        Ok(shop)
    }

    /// A role of the program on the cores that the servers have.
    ///
    /// # Errors
    /// If it does not come up.
    pub fn start(&self, role: &str, set: &[String]) -> anyhow::Result<Server> {
        Server::start_role(self.shoptide, role, Some(self.config.path()), Some(TWO_CORES), set)
    }
}

/// User, password, host and port of `mysql://user:password@host:port`.
fn address(url: &str) -> Option<(&str, &str, &str, u16)> {
    let (login, place) = url.strip_prefix("mysql://")?.split_once('@')?;
    let ((user, password), (host, port)) = (login.split_once(':')?, place.split_once(':')?);
    Some((user, password, host, port.trim_end_matches('/').parse().ok()?))
}

/// A producer against a collector, on the cores that are not measured if there are any.
///
/// # Errors
/// If it fails.
pub(super) fn produce(ask: &Ask) -> anyhow::Result<serde_json::Value> {
    ask.run_pinned(Some(if 4 <= cores() { OTHER_CORES } else { TWO_CORES }))
}

/// What every row says of where it ran.
pub(super) fn held(pinned: bool) -> String {
    let producer = if 4 <= cores() { "the producer on two others" } else { "the producer too" };
    match pinned {
        true => format!("Kafka, MariaDB, Redis and the program on the same 2 cores by taskset, {producer}"),
        false => "NOT pinned: no taskset".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_taken_apart() {
        assert_eq!(address("mysql://u:p@127.0.0.1:3307"), Some(("u", "p", "127.0.0.1", 3307)));
        assert_eq!(address("mysql://127.0.0.1"), None);
    }
}
