//! A process that a test has started: what it writes, signals to it, and its end, also when the test fails.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

/// Whatever is waited for comes within this, or is broken.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// A process that does not outlive its test.
pub struct Running {
    child: Child,
    pub out: Lines,
    pub err: Lines,
}

/// What a process has written so far, line by line.
#[derive(Clone, Default)]
pub struct Lines(Arc<Written>);

#[derive(Default)]
struct Written {
    held: Mutex<Held>,
    more: Condvar,
}

#[derive(Default)]
struct Held {
    lines: Vec<String>,
    ended: bool,
}

impl Lines {
    fn follow(from: impl Read + Send + 'static) -> Self {
        let lines = Self::default();
        let written = lines.0.clone();
        std::thread::spawn(move || {
            let mut from = BufReader::new(from);
            let mut line = Vec::new();
            while from.read_until(b'\n', &mut line).is_ok_and(|n| 0 < n) {
                let text = String::from_utf8_lossy(&line).trim_end_matches('\n').to_owned();
                line.clear();
                written.held.lock().unwrap().lines.push(text);
                written.more.notify_all();
            }
            written.held.lock().unwrap().ended = true;
            written.more.notify_all();
        });
        lines
    }

    pub fn all(&self) -> Vec<String> {
        self.0.held.lock().unwrap().lines.clone()
    }

    pub fn text(&self) -> String {
        self.all().join("\n")
    }

    /// Waits for a line that `wanted` makes something of; `None` if the process ends or the time does.
    pub fn find<T>(&self, wanted: impl Fn(&str) -> Option<T>) -> Option<T> {
        let until = Instant::now() + PATIENCE;
        let mut held = self.0.held.lock().unwrap();
        let mut seen = 0;
        loop {
            if let Some(found) = held.lines[seen..].iter().find_map(|line| wanted(line)) {
                return Some(found);
            }
            seen = held.lines.len();
            let left = until.checked_duration_since(Instant::now())?;
            if held.ended {
                return None;
            }
            held = self.0.more.wait_timeout(held, left).unwrap().0;
        }
    }

    /// All of it, once the process has closed it.
    pub fn whole(&self) -> String {
        let held = self.0.held.lock().unwrap();
        let (held, _) = self.0.more.wait_timeout_while(held, PATIENCE, |held| !held.ended).unwrap();
        held.lines.join("\n")
    }
}

impl Running {
    pub fn start(mut command: Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let out = Lines::follow(child.stdout.take().unwrap());
        let err = Lines::follow(child.stderr.take().unwrap());
        Self { child, out, err }
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// `TERM`, `INT`, `STOP` or `CONT`, by the process' own id.
    pub fn signal(&self, name: &str) {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").args(["-s", name, &id]).status().unwrap().success());
    }

    /// SIGKILL.
    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    pub fn is_running(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    pub fn wait(&mut self, within: Duration) -> ExitStatus {
        let until = Instant::now() + within;
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(Instant::now() < until, "still running after {within:?}:\n{}", self.err.text());
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// SIGTERM, and it must be gone within 5 s with exit code 0.
    pub fn stop(self) -> Duration {
        self.stop_by("TERM")
    }

    pub fn stop_by(mut self, signal: &str) -> Duration {
        let began = Instant::now();
        self.signal(signal);
        let status = self.wait(Duration::from_secs(5));
        assert_eq!(status.code(), Some(0), "{}", self.err.text());
        began.elapsed()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // One that has ended already is what is wanted.
        let _ = self.child.kill();
        let _ = self.child.wait();
        // For whoever looks for the cause of a failure.
        if let Some(folder) = std::env::var_os("SHOPTIDE_TEST_LOGS") {
            let file = std::path::Path::new(&folder).join(format!("{}.log", self.child.id()));
            let _ = std::fs::write(file, self.err.text());
        }
    }
}
