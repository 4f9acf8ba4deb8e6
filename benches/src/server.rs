//! A role of the program as a process of its own, held to some cores, on a data directory that goes when it ends.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::Context;
use serde_json::Value;

use crate::machine::pinned;

/// A start takes well under a second.
const START_MAX: Duration = Duration::from_secs(20);
/// The promise is 5 s.
const STOP_MAX: Duration = Duration::from_secs(8);

/// A running server.
pub struct Server {
    child: Child,
    pub host: String,
    pub pinned: bool,
    _data: tempfile::TempDir,
}

impl Server {
    /// Starts all roles on a free port. `set`: configuration keys.
    ///
    /// # Errors
    /// If it does not come up.
    pub fn start(shoptide: &Path, cpus: Option<&str>, set: &[String]) -> anyhow::Result<Self> {
        Self::start_role(shoptide, "up", None, cpus, set)
    }

    /// As [`Server::start`], one role by its command, with a configuration file.
    ///
    /// # Errors
    /// If it does not come up.
    pub fn start_role(
        shoptide: &Path,
        role: &str,
        config: Option<&Path>,
        cpus: Option<&str>,
        set: &[String],
    ) -> anyhow::Result<Self> {
        let data = tempfile::Builder::new().prefix("shoptide-bench-").tempdir()?;
        let (mut command, is_pinned) = pinned(shoptide, cpus);
        command.args(["--log-json", role, "--data-dir"]).arg(data.path());
        // Roles without an API answer monitors where they are told to.
        match role {
            "jobs" | "stream" => command.env("SHOPTIDE_SERVE__STATUS_ADDRESS", "127.0.0.1:0"),
            _ => command.args(["--port", "0"]),
        };
        if let Some(config) = config {
            command.arg("--config").arg(config);
        }
        for one in set {
            let (key, value) = one.split_once('=').with_context(|| format!("{one}: expected key=value"))?;
            command.env(format!("SHOPTIDE_{}", key.replace('.', "__").to_uppercase()), value);
        }
        command.env("SHOPTIDE_LOG", "info").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.spawn().with_context(|| format!("starting {}", shoptide.display()))?;
        let stderr = child.stderr.take().context("the server's log")?;
        let (tell, told) = std::sync::mpsc::channel();
        // Reads to the end, so that the server never blocks on a full pipe; warnings are passed on.
        std::thread::spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                let said: Value = serde_json::from_str(&line).unwrap_or_default();
                if let Some(address) = said.pointer("/fields/address").and_then(Value::as_str) {
                    // The starter may have given up.
                    let _ = tell.send(address.to_owned());
                } else if said.get("level").and_then(Value::as_str) != Some("INFO") {
                    eprintln!("server: {line}");
                }
            }
        });
        let Ok(host) = told.recv_timeout(START_MAX) else {
            let _ = child.kill();
            let _ = child.wait();
            anyhow::bail!("the server did not come up within {} s", START_MAX.as_secs());
        };
        Ok(Self { child, host, pinned: is_pinned, _data: data })
    }

    /// `taskset` becomes the program it starts, so this is the server.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Peak resident memory so far, in MiB.
    pub fn peak_rss_mib(&self) -> f64 {
        self.status_mib("VmHWM:")
    }

    /// Resident memory now, in MiB.
    pub fn rss_mib(&self) -> f64 {
        self.status_mib("VmRSS:")
    }

    fn status_mib(&self, name: &str) -> f64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid())).unwrap_or_default();
        let kib =
            status.lines().find_map(|l| l.strip_prefix(name)?.trim().split(' ').next()?.parse::<f64>().ok());
        kib.unwrap_or(0.0) / 1_024.0
    }

    /// Seconds of processor time so far.
    pub fn cpu_s(&self) -> f64 {
        /// The kernel's unit of these numbers; 100 a second on every Linux there is.
        const TICKS_PER_S: f64 = 100.0;
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.pid())).unwrap_or_default();
        let after_name = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
        let ticks = after_name.split_whitespace().skip(11).take(2).filter_map(|n| n.parse::<f64>().ok());
        ticks.sum::<f64>() / TICKS_PER_S
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status();
        let began = Instant::now();
        while began.elapsed() < STOP_MAX {
            if !matches!(self.child.try_wait(), Ok(None)) {
                return;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        eprintln!("the server did not end within {} s and is killed", STOP_MAX.as_secs());
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Builds the program as it ships and says where it is.
///
/// # Errors
/// If it cannot be built.
pub fn build_shoptide() -> anyhow::Result<PathBuf> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let built = Command::new(cargo).args(["build", "--release", "--quiet", "--package", "shoptide"]).status();
    anyhow::ensure!(built.context("cargo build")?.success(), "shoptide cannot be built");
    let here = std::env::current_exe().context("where this program is")?;
    let shoptide = here.with_file_name("shoptide");
    anyhow::ensure!(shoptide.exists(), "{} is not there after the build", shoptide.display());
    Ok(shoptide)
}
