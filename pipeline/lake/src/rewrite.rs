//! Files made of files: their rows in order, with some left out or blanked, in constant memory.

use arrow_array::RecordBatch;
use futures::TryStreamExt;

use crate::LakeError;
use crate::archive::lost_task;
use crate::encode::{Encoded, FileMax, FileWriter};
use crate::file::LakeFile;
use crate::lake::{Lake, token};

/// What is kept of a batch.
pub(crate) type Keep<'a> = dyn Fn(RecordBatch) -> Result<RecordBatch, LakeError> + Send + Sync + 'a;

impl Lake {
    /// Puts the rows of `files`, which are of one place and in order of offset, as new files.
    pub(crate) async fn rewrite(
        &self,
        files: &[&LakeFile],
        max: FileMax,
        keep: &Keep<'_>,
    ) -> Result<Vec<LakeFile>, LakeError> {
        let Some(first) = files.first() else { return Ok(Vec::new()) };
        let (place, token) = (first.place(), token()?);
        let mut made = Vec::new();
        let mut writer = FileWriter::new(place.clone())?;
        for file in files {
            // What is damaged must not come out whole, under a hash of its own.
            self.prove(file).await?;
            let mut batches = self.read(file, None).await?;
            let mut rows = 0;
            while let Some(batch) = batches.try_next().await? {
                rows += batch.num_rows() as u64;
                let kept = keep(batch)?;
                // Packing is work; it must not hold up whoever shares this thread.
                let written = tokio::task::spawn_blocking(move || {
                    writer.write(&kept)?;
                    Ok::<FileWriter, LakeError>(writer)
                });
                writer = written.await.map_err(lost_task)??;
                if writer.is_full(max) {
                    let full = std::mem::replace(&mut writer, FileWriter::new(place.clone())?);
                    made.extend(self.finish(full, &token).await?);
                }
            }
            if rows != file.rows {
                let reason = format!("it has {rows} rows, its commit says {}", file.rows);
                return Err(LakeError::damaged(&file.path, reason));
            }
        }
        made.extend(self.finish(writer, &token).await?);
        Ok(made)
    }

    async fn finish(&self, writer: FileWriter, token: &str) -> Result<Option<LakeFile>, LakeError> {
        let Some(Encoded { file, body }) = writer.finish(token)? else { return Ok(None) };
        self.put(&file.path, body).await?;
        Ok(Some(file))
    }
}
