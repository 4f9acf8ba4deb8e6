//! A sample of the stored lists, recomputed from the inputs that they name.

use std::collections::HashMap;
use std::sync::Arc;

use serde::Serialize;
use shoptide_live::fold::state_of;
use shoptide_live::{LiveError, ModelFileError, catalogue_at, load_version};
use shoptide_models::catalogue::Catalogue;
use shoptide_models::list::{Linked, ListScratch, make_list};
use shoptide_models::snapshot::Snapshot;
use shoptide_schemas::{ListEntry, StoredList, UserId};
use shoptide_store::UserRow;

use super::{Verify, VerifyError};

/// Lists of the sample.
const LISTS_MAX: u64 = 200;
/// Users of one page on the way through all shards.
const USERS_PAGE: usize = 10_000;

/// The sample of lists.
#[derive(Debug, Clone, Default, Serialize)]
pub struct ListsReport {
    pub recomputed: usize,
    pub equal: usize,
    /// The user has acted since, or an input is gone by rule (erasure): nothing to compare with.
    pub skipped: usize,
    pub different: Vec<String>,
}

/// What recomputing one list showed.
enum Outcome {
    Equal,
    Different(String),
    Skipped,
}

/// The sample on its way: inputs that several lists share are read once.
pub(super) struct Sample<'a> {
    of: &'a Verify<'a>,
    models: HashMap<u64, Arc<Snapshot>>,
    catalogues: HashMap<i64, Arc<Catalogue>>,
    scratch: ListScratch,
    /// The version that began the newest chain of models: an erasure or a lost file begins one, and what was before may be
    /// gone although a list still names it.
    chain_began: u64,
}

/// The version that began the newest chain of models.
async fn chain_began(of: &Verify<'_>) -> Result<u64, VerifyError> {
    let models = of.truth.models().await?;
    Ok(models.iter().filter(|m| m.parent.is_none()).map(|m| m.version).max().unwrap_or(0))
}

impl<'a> Sample<'a> {
    pub(super) async fn new(of: &'a Verify<'a>) -> Result<Self, VerifyError> {
        Ok(Self {
            of,
            models: HashMap::new(),
            catalogues: HashMap::new(),
            scratch: ListScratch::default(),
            chain_began: chain_began(of).await?,
        })
    }

    /// Every n-th user of all shards, so that each shard is looked at.
    pub(super) async fn run(mut self) -> Result<ListsReport, VerifyError> {
        let stride = self.of.truth.count_users().await?.div_ceil(LISTS_MAX).max(1);
        let mut report = ListsReport::default();
        let (mut after, mut place) = (None, 0_u64);
        loop {
            let page = self.of.truth.users_after(after.take(), USERS_PAGE).await?;
            let full = page.len() == USERS_PAGE;
            after = page.last().cloned();
            for (shard, user) in page {
                place += 1;
                if (place - 1).is_multiple_of(stride) {
                    self.add(shard, &user, &mut report).await?;
                }
            }
            if !full {
                return Ok(report);
            }
        }
    }

    async fn add(&mut self, shard: u32, user: &UserId, report: &mut ListsReport) -> Result<(), VerifyError> {
        let found = self.of.truth.users(shard, std::slice::from_ref(user)).await?;
        let Some((row, bytes)) = found.first().and_then(|row| Some((row, row.list.as_ref()?))) else {
            return Ok(());
        };
        let outcome = match StoredList::decode(bytes) {
            Ok(stored) => self.compare(row, &stored).await?,
            Err(error) => Outcome::Different(error.to_string()),
        };
        match outcome {
            Outcome::Skipped => report.skipped += 1,
            Outcome::Equal => {
                report.recomputed += 1;
                report.equal += 1;
            }
            // A stream that runs meanwhile has replaced the list, and the model that it named may be gone with it.
            Outcome::Different(_) if self.replaced(shard, user, bytes).await? => report.skipped += 1,
            Outcome::Different(why) => {
                report.recomputed += 1;
                let hash = xxhash_rust::xxh3::xxh3_64(user.as_bytes());
                report.different.push(format!("shard {shard} user hash {hash:016x}: {why}"));
            }
        }
        Ok(())
    }

    async fn replaced(&self, shard: u32, user: &UserId, bytes: &[u8]) -> Result<bool, VerifyError> {
        Ok(self.of.truth.list(shard, user).await?.as_deref() != Some(bytes))
    }

    async fn compare(&mut self, row: &UserRow, stored: &StoredList) -> Result<Outcome, VerifyError> {
        let mut parts = row.parts.iter().zip(stored.as_of);
        let newer = parts.any(|(part, as_of)| part.as_ref().is_some_and(|(upto, _)| as_of <= *upto));
        if newer || stored.rules_version != self.of.rules_version {
            return Ok(Outcome::Skipped);
        }
        let mut model = self.model(stored.model_version).await;
        if matches!(model, Err(LiveError::Model(ModelFileError::Unknown { .. }))) {
            // A trainer that runs meanwhile may have begun a new chain.
            self.chain_began = chain_began(self.of).await?;
            model = self.model(stored.model_version).await;
        }
        let model = match model {
            Ok(model) => model,
            // The sweep is about to make the list anew.
            Err(LiveError::Model(ModelFileError::Unknown { .. }))
                if stored.model_version < self.chain_began =>
            {
                return Ok(Outcome::Skipped);
            }
            // A list's inputs live as long as it names them.
            Err(LiveError::Model(error)) if error.is_lost() => {
                return Ok(Outcome::Different(error.to_string()));
            }
            Err(error) => return Err(error.into()),
        };
        let catalogue = self.catalogue(stored.catalogue_offset).await?;
        // The table that holds it differs already; the rest of the proof is still of interest.
        let state = match state_of(&row.parts) {
            Ok(state) => state,
            Err(error) => return Ok(Outcome::Different(error.to_string())),
        };
        let linked = Linked::new(model, catalogue, None);
        let entries = make_list(&state, &linked, self.of.lists, &mut self.scratch);
        let bits =
            |list: &[ListEntry]| StoredList { entries: list.to_vec(), ..StoredList::default() }.encode();
        Ok(match bits(&entries) == bits(&stored.entries) {
            true => Outcome::Equal,
            false => Outcome::Different("its inputs give another list".to_owned()),
        })
    }

    async fn model(&mut self, version: u64) -> Result<Option<Arc<Snapshot>>, LiveError> {
        if version == 0 {
            return Ok(None);
        }
        if let Some(model) = self.models.get(&version) {
            return Ok(Some(model.clone()));
        }
        let model = load_version(self.of.truth, self.of.files, version, None).await?;
        self.models.insert(version, model.clone());
        Ok(Some(model))
    }

    async fn catalogue(&mut self, offset: i64) -> Result<Arc<Catalogue>, VerifyError> {
        if let Some(catalogue) = self.catalogues.get(&offset) {
            return Ok(catalogue.clone());
        }
        let made = Arc::new(catalogue_at(self.of.truth, self.of.log, offset).await?);
        self.catalogues.insert(offset, made.clone());
        Ok(made)
    }
}
