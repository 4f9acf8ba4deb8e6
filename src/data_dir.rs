//! The data directory of the embedded log and store: which file is which.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context;
use shoptide_config::{Config, LogKind, StoreKind};
use shoptide_live::ModelFiles;
use shoptide_log::{SqliteLog, SqliteLogOptions};
use shoptide_store::{SqliteTruth, SqliteTruthOptions};

use crate::app::Refused;

/// Milliseconds since 1970, from the system.
pub fn system_clock() -> Arc<dyn Fn() -> i64 + Send + Sync> {
    Arc::new(|| {
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
    })
}

/// Marks a folder that is being rebuilt.
const UNFINISHED: &str = "replay-unfinished";

fn remove(file: &Path) -> std::io::Result<()> {
    match std::fs::remove_file(file) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

/// A data directory.
#[derive(Debug, Clone)]
pub struct DataDir(PathBuf);

impl DataDir {
    /// Makes the folder if it is missing.
    pub fn create(path: &Path) -> anyhow::Result<Self> {
        let refused = |e| Refused(format!("data directory {} cannot be used: {e}", path.display()));
        std::fs::create_dir_all(path).map_err(refused)?;
        // Said here and at once, rather than by a database that asks again and again.
        tempfile::tempfile_in(path).map_err(refused)?;
        let dir = Self(path.to_owned());
        dir.refuse_unfinished()?;
        Ok(dir)
    }

    /// Makes a folder for a shop that is rebuilt, or takes one in which the same was begun; it is no shop before [`Self::finish_rebuilding`].
    /// - `what`: the command, word for word
    pub fn rebuilding(path: &Path, what: &str) -> anyhow::Result<Self> {
        let dir = Self(path.to_owned());
        let refused = |e: std::io::Error| Refused(format!("{} cannot be used: {e}", path.display()));
        std::fs::create_dir_all(path).map_err(refused)?;
        let marker = dir.0.join(UNFINISHED);
        if marker.exists() {
            let before = std::fs::read_to_string(&marker).map_err(refused)?;
            if before.trim() != what {
                let message = format!(
                    "{} holds a replay that did not finish ({}): finish that one, or remove the folder",
                    path.display(),
                    before.trim()
                );
                return Err(Refused(message).into());
            }
            // What was made before is of a run that was stopped: begun anew.
            for file in ["truth.db", "log.db"]
                .iter()
                .flat_map(|f| ["", "-wal", "-shm", "-journal"].map(|s| format!("{f}{s}")))
            {
                remove(&dir.0.join(file)).map_err(refused)?;
            }
            let models = dir.0.join("models");
            if models.exists() {
                std::fs::remove_dir_all(models).map_err(refused)?;
            }
        } else if std::fs::read_dir(path).map_err(refused)?.next().is_some() {
            let message =
                format!("{} is not empty: a shop is rebuilt into a folder of its own", path.display());
            return Err(Refused(message).into());
        } else {
            std::fs::write(&marker, what).map_err(refused)?;
            std::fs::File::open(&marker).and_then(|file| file.sync_all()).map_err(refused)?;
            std::fs::File::open(path).and_then(|dir| dir.sync_all()).map_err(refused)?;
        }
        Ok(dir)
    }

    /// The shop is whole: everything on disk, then the mark goes.
    pub fn finish_rebuilding(&self) -> anyhow::Result<()> {
        for file in [self.truth_path(), self.log_path()] {
            std::fs::File::open(&file)
                .and_then(|file| file.sync_all())
                .with_context(|| file.display().to_string())?;
        }
        let sync = |dir: &Path| std::fs::File::open(dir).and_then(|dir| dir.sync_all());
        sync(&self.0).context("the folder")?;
        std::fs::remove_file(self.0.join(UNFINISHED)).context("the mark of an unfinished replay")?;
        sync(&self.0).context("the folder")
    }

    /// Takes away a folder in which nothing was rebuilt.
    pub fn give_up_rebuilding(&self) {
        for file in ["truth.db", "log.db", UNFINISHED] {
            // What stays is marked or nothing.
            let _ = std::fs::remove_file(self.0.join(file));
        }
        let _ = std::fs::remove_dir(&self.0);
    }

    fn refuse_unfinished(&self) -> anyhow::Result<()> {
        let Ok(what) = std::fs::read_to_string(self.0.join(UNFINISHED)) else { return Ok(()) };
        let (path, what) = (self.0.display(), what.trim());
        let message = format!(
            "{path} holds half a shop, its replay did not finish: run it again ({what}), or remove the folder"
        );
        Err(Refused(message).into())
    }

    /// Takes a folder as it is, whatever it holds.
    #[cfg(feature = "lake")]
    pub fn unchecked(path: &Path) -> Self {
        Self(path.to_owned())
    }

    /// Whether a folder holds a truth; half a one is refused.
    pub fn holds_shop(path: &Path) -> anyhow::Result<bool> {
        let dir = Self(path.to_owned());
        dir.refuse_unfinished()?;
        Ok(dir.truth_path().exists())
    }

    /// Takes a folder that must hold a truth.
    pub fn existing(path: &Path) -> anyhow::Result<Self> {
        let dir = Self(path.to_owned());
        dir.refuse_unfinished()?;
        dir.holds(&dir.truth_path(), "no shop")?;
        Ok(dir)
    }

    /// Takes a folder that must hold a log, whether or not anything was made of it yet.
    pub fn with_log(path: &Path) -> anyhow::Result<Self> {
        let dir = Self(path.to_owned());
        dir.refuse_unfinished()?;
        dir.holds(&dir.log_path(), "no log")?;
        Ok(dir)
    }

    /// As [`DataDir::existing`] where the truth is embedded; elsewhere the folder holds only models.
    pub fn with_truth_of(config: &Config, path: &Path) -> anyhow::Result<Self> {
        match config.store.kind {
            StoreKind::Embedded => Self::existing(path),
            StoreKind::Mysql => Self::create(path),
        }
    }

    /// As [`DataDir::with_log`] where the log is embedded.
    pub fn with_log_of(config: &Config, path: &Path) -> anyhow::Result<Self> {
        match config.log.kind {
            LogKind::Embedded => Self::with_log(path),
            LogKind::Kafka => Self::create(path),
        }
    }

    fn holds(&self, file: &Path, what: &str) -> anyhow::Result<()> {
        match file.try_exists() {
            Ok(true) => Ok(()),
            Ok(false) => Err(self.nothing(what)),
            Err(e) => Err(Refused(format!("data directory {} cannot be used: {e}", self.0.display())).into()),
        }
    }

    /// A truth without its log: nothing may write into a new one, for its offsets would begin again at 0.
    fn refuse_lost_log(&self) -> anyhow::Result<()> {
        let bytes = |path: PathBuf| std::fs::metadata(path).map_or(0, |m| m.len());
        // What was written last may still lie in the file beside it.
        let log = bytes(self.log_path()) + bytes(self.0.join("log.db-wal"));
        if log == 0 && 0 < bytes(self.truth_path()) {
            let path = self.0.display();
            let message = format!(
                "{path} holds a truth but its log is lost: restore log.db, or begin in another folder"
            );
            return Err(Refused(message).into());
        }
        Ok(())
    }

    fn nothing(&self, what: &str) -> anyhow::Error {
        let path = self.0.display();
        let message = format!(
            "{path} holds {what} yet; start one with `shoptide up --data-dir {path}` or `shoptide demo --data-dir {path}`"
        );
        Refused(message).into()
    }

    pub fn path(&self) -> &Path {
        &self.0
    }

    pub fn log_path(&self) -> PathBuf {
        self.0.join("log.db")
    }

    pub fn truth_path(&self) -> PathBuf {
        self.0.join("truth.db")
    }

    /// Trials of `jobs tune`, to go on from.
    pub fn tune_path(&self) -> PathBuf {
        self.0.join("tune.json")
    }

    /// Models: here alone, or in the store with copies here.
    pub fn model_files(&self, config: &Config) -> ModelFiles {
        let dir = self.0.join("models");
        match config.store.kind {
            StoreKind::Embedded => ModelFiles::new(dir),
            StoreKind::Mysql => ModelFiles::shared(dir),
        }
    }

    pub async fn open_log(&self, config: &Config) -> anyhow::Result<Arc<SqliteLog>> {
        self.refuse_lost_log()?;
        let mut options = SqliteLogOptions::new(self.log_path(), config.log.partitions, system_clock());
        options.queue_records_max = config.log.queue_records_max;
        options.group_commit_max = config.log.group_commit_records_max;
        options.fsync = config.log.fsync;
        SqliteLog::open(options).await.with_context(|| format!("log {}", self.log_path().display()))
    }

    pub async fn open_truth(&self, config: &Config) -> anyhow::Result<Arc<SqliteTruth>> {
        let mut options = SqliteTruthOptions::new(self.truth_path());
        options.read_connections = config.store.read_connections;
        SqliteTruth::open(options).await.with_context(|| format!("store {}", self.truth_path().display()))
    }

    /// For commands that look beside a running process, or at a shop that is not running.
    pub async fn open_truth_to_read(&self) -> anyhow::Result<Arc<SqliteTruth>> {
        SqliteTruth::open_read_only(SqliteTruthOptions::new(self.truth_path()))
            .await
            .with_context(|| format!("store {}", self.truth_path().display()))
    }
}
