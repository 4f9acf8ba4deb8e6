//! Real redis-server processes for tests, each in a folder of its own, gone when dropped.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use shoptide_store::RedisCacheOptions;
use tempfile::TempDir;

/// How long a server may take to answer on a busy machine.
const ANSWER_MAX: Duration = Duration::from_secs(20);

/// Whether redis-server is installed. Where services are required its absence fails the test instead of skipping it.
pub fn installed() -> bool {
    let found = Command::new("redis-server").arg("--version").stdout(Stdio::null()).status().is_ok();
    if !found {
        let required = std::env::var("SHOPTIDE_TEST_SERVICES").is_ok_and(|value| !value.is_empty());
        assert!(!required, "SHOPTIDE_TEST_SERVICES is set, but there is no redis-server: install it");
        println!("skipped: there is no redis-server");
    }
    found
}

pub struct Server {
    child: Option<Child>,
    pub port: u16,
    pub dir: TempDir,
    args: Vec<String>,
}

impl Server {
    /// A server with these settings beside those of a cache; nothing where none is installed.
    pub fn start(args: &[&str]) -> Option<Self> {
        installed().then(|| Self::with(tempfile::tempdir().unwrap(), args))
    }

    /// The same in a folder that holds what the settings name. `PORT` in a setting is the server's.
    pub fn with(mut dir: TempDir, args: &[&str]) -> Self {
        // A port may be taken between choosing and listening.
        for _ in 0..5 {
            let port = free_port();
            let args = args.iter().map(|arg| arg.replace("PORT", &port.to_string())).collect();
            let mut server = Self { child: None, port, dir, args };
            if server.run() {
                return server;
            }
            dir = server.into_dir();
        }
        panic!("redis-server does not start");
    }

    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    pub fn options(&self) -> RedisCacheOptions {
        patient(RedisCacheOptions::new(self.url()))
    }

    /// Starts again at the same port, as after a kill.
    pub fn restart(&mut self) {
        self.kill();
        assert!(self.run(), "redis-server does not start again");
    }

    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    pub fn signal(&self, signal: Signal) {
        let child = self.child.as_ref().unwrap();
        kill_process(Pid::from_child(child), signal).unwrap();
    }

    pub fn cli(&self, command: &[&str]) -> String {
        cli(self.port, command)
    }

    fn into_dir(mut self) -> TempDir {
        self.kill();
        std::mem::replace(&mut self.dir, tempfile::tempdir().unwrap())
    }

    /// False if the server ended before it answered.
    fn run(&mut self) -> bool {
        let port = self.port.to_string();
        let mut command = Command::new("redis-server");
        command.current_dir(self.dir.path()).args([
            "--bind",
            "127.0.0.1",
            "--save",
            "",
            "--appendonly",
            "no",
        ]);
        if !self.args.iter().any(|arg| arg == "--tls-port") {
            command.args(["--port", &port]);
        }
        command.args(&self.args).args(["--logfile", "log"]);
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).spawn().unwrap();
        self.child = Some(child);
        let began = Instant::now();
        while began.elapsed() < ANSWER_MAX {
            if self.child.as_mut().unwrap().try_wait().unwrap().is_some() {
                return false;
            }
            // Any answer will do, also one that asks for a password; with TLS a connection is all that can be had.
            if ping(self.port) || (self.args.iter().any(|arg| arg == "--tls-port") && connects(self.port)) {
                return true;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        panic!("redis-server does not answer");
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// Waits that a busy machine keeps: what is tested is that they are bounded, not how short they are.
pub fn patient(options: RedisCacheOptions) -> RedisCacheOptions {
    RedisCacheOptions {
        read_timeout_ms: 1_000,
        write_timeout_ms: 5_000,
        connect_timeout_ms: 5_000,
        ..options
    }
}

pub fn cli(port: u16, command: &[&str]) -> String {
    let out = Command::new("redis-cli").args(["-p", &port.to_string()]).args(command).output().unwrap();
    String::from_utf8(out.stdout).unwrap().trim().to_owned()
}

fn connects(port: u16) -> bool {
    TcpStream::connect(("127.0.0.1", port)).is_ok()
}

fn ping(port: u16) -> bool {
    let Ok(mut stream) = TcpStream::connect(("127.0.0.1", port)) else { return false };
    stream.set_read_timeout(Some(Duration::from_secs(1))).unwrap();
    let mut first = [0_u8];
    stream.write_all(b"PING\r\n").is_ok() && stream.read_exact(&mut first).is_ok()
}

/// Below the range that clients get theirs from, and with room above for a cluster's second port.
fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    loop {
        let step = NEXT.fetch_add(1, Ordering::Relaxed);
        let seed = u16::try_from(std::process::id() % 8_000).unwrap();
        let port = 12_000 + (seed + step.wrapping_mul(37)) % 8_000;
        let free = |port| TcpListener::bind(("127.0.0.1", port)).is_ok();
        if free(port) && free(port + 10_000) {
            return port;
        }
    }
}
