//! A network of a test's own: the servers and each process in a namespace, joined by a bridge, and rules that drop what one of them
//! receives from another. Needs root, `ip` and `nft`. Everything goes with the test.

use std::io::Write;
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

static NUMBER: AtomicU32 = AtomicU32::new(0);
/// Namespaces by number: the servers, then the processes.
const SERVERS: usize = 0;

/// A way between a process and a server that is closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cut {
    /// Number of the process, from 1.
    pub process: usize,
    pub port: u16,
    /// What the process sends does not arrive.
    pub up: bool,
    /// What the server sends does not arrive.
    pub down: bool,
}

pub struct Network {
    /// Of the bridge, and the beginning of every other name.
    name: String,
    /// The first three numbers of every address.
    subnet: String,
    spaces: usize,
}

fn run(command: &mut Command) -> Result<(), String> {
    let told = format!("{command:?}");
    match command.stdin(Stdio::null()).output() {
        Ok(Output { status, .. }) if status.success() => Ok(()),
        Ok(Output { stderr, .. }) => Err(format!("{told}: {}", String::from_utf8_lossy(&stderr).trim())),
        Err(error) => Err(format!("{told}: {error}")),
    }
}

fn ip(words: &str) -> Result<(), String> {
    run(Command::new("ip").args(words.split_whitespace()))
}

impl Network {
    /// With so many processes. Nothing where this machine does not let one be made, and says why.
    pub fn make(processes: usize) -> Option<Self> {
        let pid = std::process::id();
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let network = Self {
            // The name of an interface has at most 15 letters.
            name: format!("st{}x{number}", pid % 1_000_000),
            subnet: format!("10.{}.{}", 64 + (pid >> 8) % 128, (pid + number) % 256),
            spaces: 1 + processes,
        };
        match network.build() {
            Ok(()) => Some(network),
            Err(reason) => {
                println!("skipped: no network of its own can be made here: {reason}");
                None
            }
        }
    }

    fn build(&self) -> Result<(), String> {
        let (name, subnet) = (&self.name, &self.subnet);
        run(Command::new("nft").arg("--version"))?;
        ip(&format!("link add {name} type bridge"))?;
        ip(&format!("addr add {subnet}.1/24 dev {name}"))?;
        ip(&format!("link set {name} up"))?;
        for space in 0..self.spaces {
            let (inside, address) = (self.space(space), self.address(space));
            ip(&format!("netns add {inside}"))?;
            ip(&format!("link add {name}v{space} type veth peer name eth0 netns {inside}"))?;
            ip(&format!("link set {name}v{space} master {name} up"))?;
            ip(&format!("-n {inside} addr add {address}/24 dev eth0"))?;
            ip(&format!("-n {inside} link set lo up"))?;
            ip(&format!("-n {inside} link set eth0 up"))?;
        }
        // Whether rules can be set at all.
        self.close(&[])
    }

    fn space(&self, number: usize) -> String {
        format!("{}n{number}", self.name)
    }

    pub fn address(&self, number: usize) -> String {
        format!("{}.{}", self.subnet, 10 + number)
    }

    pub fn address_of_servers(&self) -> String {
        self.address(SERVERS)
    }

    /// The words that let a command run inside: it keeps its process number, and sees this machine's files.
    pub fn enter(&self, number: usize) -> Vec<String> {
        vec!["nsenter".into(), format!("--net=/run/netns/{}", self.space(number))]
    }

    pub fn enter_servers(&self) -> Vec<String> {
        self.enter(SERVERS)
    }

    /// Closes these ways and opens all others. Dropped where it is received: whoever sends is told nothing.
    pub fn close(&self, cuts: &[Cut]) -> Result<(), String> {
        for space in 0..self.spaces {
            let drops = cuts.iter().filter_map(|cut| {
                let (process, port) = (self.address(cut.process), cut.port);
                match space {
                    SERVERS if cut.up => Some(format!("ip saddr {process} tcp dport {port} drop\n")),
                    _ if space == cut.process && cut.down => {
                        Some(format!("ip saddr {} tcp sport {port} drop\n", self.address_of_servers()))
                    }
                    _ => None,
                }
            });
            let rules: String = drops.collect();
            // One transaction of the kernel: there is no moment without rules.
            let table = format!(
                "table inet cut {{\n}}\ndelete table inet cut\ntable inet cut {{\nchain input {{\n\
                 type filter hook input priority 0;\n{rules}}}\n}}\n"
            );
            self.rules(space, &table)?;
        }
        Ok(())
    }

    fn rules(&self, space: usize, text: &str) -> Result<(), String> {
        let words = self.enter(space);
        let mut nft = Command::new(&words[0]);
        nft.args(&words[1..]).args(["nft", "-f", "-"]);
        nft.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = nft.spawn().map_err(|error| error.to_string())?;
        let written = child.stdin.take().unwrap().write_all(text.as_bytes());
        let ended = child.wait_with_output().map_err(|error| error.to_string())?;
        match (written, ended.status.success()) {
            (Ok(()), true) => Ok(()),
            (written, _) => Err(format!("nft: {written:?} {}", String::from_utf8_lossy(&ended.stderr))),
        }
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        // Some of it may not have been made.
        for space in 0..self.spaces {
            let _ = ip(&format!("link del {}v{space}", self.name));
            let _ = ip(&format!("netns del {}", self.space(space)));
        }
        let _ = ip(&format!("link del {}", self.name));
    }
}
