//! `faq`: the shop's questions and answers, out of a file and back.

use std::path::Path;
use std::process::ExitCode;

use anyhow::Context;
use shoptide_jobs::faq::{BadRow, FILE_BYTES_MAX, read_csv, read_lines};
use shoptide_models::faq::example;
use shoptide_schemas::FaqEntry;
use shoptide_schemas::limits::FAQ_ENTRIES_MAX;
use shoptide_store::{FaqChange, FaqRow, StoreError, Truth};

use crate::app::Refused;
use crate::args::{Faq, FaqWhat};
use crate::commands::load_config;
use crate::data_dir::DataDir;
use crate::outln;
use crate::services;

pub async fn run(args: Faq) -> anyhow::Result<ExitCode> {
    match args.what {
        FaqWhat::Import { file, replace } => {
            let entries = read(&file)?;
            let config = load_config(args.place.config.as_deref())?;
            let data = DataDir::create(&args.place.data_dir)?;
            let truth = services::open_truth(&config, &data).await?;
            let put = put_all(&*truth, &entries, replace).await;
            truth.close().await;
            put?;
            outln!("{} questions imported", entries.len())?;
        }
        FaqWhat::List => {
            let config = load_config(args.place.config.as_deref())?;
            let data = DataDir::with_truth_of(&config, &args.place.data_dir)?;
            let truth = services::open_truth_to_read(&config, &data).await?;
            let (_, rows) = truth.faq().await?;
            for row in rows {
                outln!("{}", String::from_utf8_lossy(&row.data))?;
            }
        }
        FaqWhat::Example => {
            for entry in example().context("the example")? {
                outln!("{}", String::from_utf8_lossy(&entry.to_bytes()))?;
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Puts entries into the store, in one transaction.
///
/// # Errors
/// [`Refused`] if there would be too many, or the store's own.
pub async fn put_all(truth: &dyn Truth, entries: &[FaqEntry], replace: bool) -> anyhow::Result<()> {
    let put = entries.iter().map(|entry| FaqRow { id: entry.id.clone(), data: entry.to_bytes() }).collect();
    let change = FaqChange { replace, put, entries_max: FAQ_ENTRIES_MAX, ..FaqChange::default() };
    truth.change_faq(change).await.map_err(|error| match error {
        StoreError::Full { reason, .. } => Refused(reason).into(),
        other => other.into(),
    })
}

/// The entries of a file, all or none.
fn read(file: &Path) -> anyhow::Result<Vec<FaqEntry>> {
    let shown = file.display();
    let unreadable = |e: std::io::Error| Refused(format!("{shown} cannot be read: {e}"));
    let bytes = std::fs::metadata(file).map_err(unreadable)?.len();
    if FILE_BYTES_MAX < bytes {
        return Err(Refused(format!("{shown} has {bytes} bytes, expected at most {FILE_BYTES_MAX}")).into());
    }
    let text = std::fs::read(file).map_err(unreadable)?;
    let text = String::from_utf8(text).map_err(|e| {
        let line =
            e.as_bytes().iter().take(e.utf8_error().valid_up_to()).filter(|b| **b == b'\n').count() + 1;
        Refused(format!("{shown}: line {line}: not UTF-8"))
    })?;
    let csv = file.extension().is_some_and(|end| end.eq_ignore_ascii_case("csv"));
    let entries = if csv { read_csv(&text) } else { read_lines(&text) };
    entries.map_err(|bad| {
        let named: Vec<String> = bad.iter().map(BadRow::to_string).collect();
        let all = format!("{shown} was not imported, nothing was changed:\n{}", named.join("\n"));
        Refused(all).into()
    })
}
