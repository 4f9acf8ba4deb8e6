//! Model files on their way between machines: into the store in parts before the pointer flips, out of it into the folder of
//! whoever reads them, and whole by the hash in their name.

use shoptide_store::{MODEL_PART_BYTES_MAX, ModelPart, ModelRow, StoreError, Truth};

use crate::LiveError;
use crate::files::{ModelFileError, ModelFiles, is_whole};

impl ModelFiles {
    /// Puts a file that is about to be published where other machines find it; nothing to do for a store of this machine.
    ///
    /// # Errors
    /// [`StoreError`]; what was put stays unseen, and goes with the next publish.
    pub async fn share(
        &self,
        truth: &dyn Truth,
        version: u64,
        file: &str,
        bytes: &[u8],
    ) -> Result<(), StoreError> {
        if !self.is_shared() {
            return Ok(());
        }
        for (part, data) in (0_u32..).zip(bytes.chunks(MODEL_PART_BYTES_MAX)) {
            let part = ModelPart { version, file: file.to_owned(), part, data: data.to_vec() };
            truth.put_model_part(part).await?;
        }
        Ok(())
    }

    /// The bytes of a published version: of the folder if it has them whole, else of the store.
    ///
    /// # Errors
    /// [`ModelFileError`] if neither has them; [`StoreError`] if the store cannot be asked.
    pub async fn fetch(&self, truth: &dyn Truth, row: &ModelRow) -> Result<Vec<u8>, LiveError> {
        let (files, name, shared) = (self.clone(), row.file.clone(), self.is_shared());
        // Reading megabytes is no work for a thread that serves requests.
        let read = shoptide_faults::blocking(move || {
            files.read(&name).map(|bytes| (!shared || is_whole(&name, &bytes)).then_some(bytes))
        });
        let failed =
            |error| ModelFileError::Io { path: self.path(&row.file), source: std::io::Error::other(error) };
        let local = read.await.map_err(failed)?;
        match local {
            Ok(Some(bytes)) => return Ok(bytes),
            Err(error) if !shared => return Err(error.into()),
            Ok(None) | Err(_) => {}
        }
        let bytes = self.take(truth, row).await?;
        let (files, name) = (self.clone(), row.file.clone());
        let kept = shoptide_faults::blocking(move || (files.write(&name, &bytes), bytes));
        let (kept, bytes) = kept.await.map_err(failed)?;
        if let Err(error) = kept {
            tracing::warn!(%error, "a model from the store cannot be kept on disk, the next start fetches it again");
        }
        Ok(bytes)
    }

    /// Out of the store.
    async fn take(&self, truth: &dyn Truth, row: &ModelRow) -> Result<Vec<u8>, LiveError> {
        let lost = |reason: &str| ModelFileError::Io {
            path: self.path(&row.file),
            source: std::io::Error::new(std::io::ErrorKind::NotFound, reason.to_owned()),
        };
        let mut bytes = Vec::with_capacity(usize::try_from(row.bytes).unwrap_or(0).min(CAPACITY_BYTES_MAX));
        for part in 0_u32.. {
            if row.bytes <= bytes.len() as u64 {
                break;
            }
            match truth.model_part(row.version, &row.file, part).await? {
                Some(data) if !data.is_empty() => bytes.extend_from_slice(&data),
                _ => return Err(lost("neither the folder nor the store has all of it").into()),
            }
        }
        if !is_whole(&row.file, &bytes) {
            return Err(lost("the store's copy is damaged").into());
        }
        tracing::info!(version = row.version, bytes = bytes.len(), "a model was fetched from the store");
        Ok(bytes)
    }
}

/// What a row may claim before its parts have shown it.
const CAPACITY_BYTES_MAX: usize = 256 * 1024 * 1024;
