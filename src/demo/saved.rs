//! What the demo remembers between two starts on one data directory: which shop it is, and how far it was sent.

use std::path::{Path, PathBuf};

use anyhow::Context;
use serde::{Deserialize, Serialize};
use shoptide_jobs::shop::ShopOptions;

use crate::app::Refused;
use crate::args::Demo;

/// `demo.json`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Saved {
    pub seed: u64,
    pub users: u64,
    pub items: u64,
    pub events: u64,
    /// The shop's newest event: when the demo was first started.
    pub end_ms: i64,
    /// Catalogue rows and events that the collector has answered for. A crash before this is written sends one batch
    /// again, which the dedupe window knows.
    pub sent: u64,
    /// Starts on this directory: each run's visitors have ids of their own.
    pub runs: u64,
    #[serde(skip)]
    path: PathBuf,
}

impl Saved {
    /// Reads what is there, or makes up a new one; writes nothing.
    pub fn read(dir: &Path, demo: &Demo, now_ms: i64) -> anyhow::Result<Self> {
        let path = dir.join("demo.json");
        let saved = match std::fs::read(&path) {
            Ok(bytes) => {
                let mut saved: Saved = serde_json::from_slice(&bytes).map_err(|e| {
                    Refused(format!("{} is damaged: {e}; choose another --data-dir", path.display()))
                })?;
                saved.path = path;
                saved
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Saved {
                seed: demo.seed,
                users: demo.users,
                items: demo.items,
                events: demo.events,
                end_ms: now_ms,
                sent: 0,
                runs: 0,
                path,
            },
            Err(error) => return Err(error).with_context(|| format!("reading {}", path.display())),
        };
        let asked = (demo.seed, demo.users, demo.items, demo.events);
        if 0 < saved.runs && asked != (saved.seed, saved.users, saved.items, saved.events) {
            eprintln!(
                "this directory holds the shop of --seed {} --users {} --items {} --events {}; it goes on with that",
                saved.seed, saved.users, saved.items, saved.events
            );
        }
        Ok(saved)
    }

    /// Counts this start.
    pub fn begin(&mut self) -> anyhow::Result<()> {
        self.runs += 1;
        self.write()
    }

    /// Written whole under another name, then renamed.
    pub fn write(&self) -> anyhow::Result<()> {
        let temporary = self.path.with_extension("writing");
        std::fs::write(&temporary, serde_json::to_vec(self)?)
            .and_then(|()| std::fs::rename(&temporary, &self.path))
            .with_context(|| format!("writing {}", self.path.display()))
    }

    pub fn shop_options(&self) -> ShopOptions {
        let mut options = ShopOptions::demo(self.seed, self.end_ms);
        (options.users, options.items, options.events) = (self.users, self.items, self.events);
        options
    }
}
