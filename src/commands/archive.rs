//! `jobs archive`: the log into the lake, once or for ever.

use std::process::ExitCode;

use crate::args::Place;

#[cfg(not(feature = "lake"))]
pub async fn run(_: Place, _: bool, _: bool) -> anyhow::Result<ExitCode> {
    Err(crate::commands::lake::without("jobs archive"))
}

#[cfg(feature = "lake")]
pub async fn run(place: Place, follow: bool, json: bool) -> anyhow::Result<ExitCode> {
    use std::time::{Duration, Instant};

    use shoptide_config::LogKind;
    use shoptide_jobs::archive::{ArchiveContext, archive_once, pause_after};
    use shoptide_lake::{Lake, LakeOptions};

    use crate::app::Signals;
    use crate::commands::drawn::Drawn;
    use crate::commands::load_config;
    use crate::data_dir::{DataDir, system_clock};
    use crate::services;

    /// A sweep lists the whole lake.
    const SWEEP_EVERY: Duration = Duration::from_secs(3_600);

    let mut signals = Signals::catch()?;
    let config = load_config(place.config.as_deref())?;
    let data = DataDir::with_log_of(&config, &place.data_dir)?;
    let log = services::open_log_patiently(&config, &data).await?;
    let truth = match config.log.kind {
        LogKind::Embedded => None,
        LogKind::Kafka => Some(services::open_truth_to_read(&config, &data).await?),
    };
    let lake =
        Lake::open(&LakeOptions::of(&config.lake, data.path())).await.map_err(crate::commands::lake::told)?;
    let mut context = ArchiveContext {
        lake,
        log: log.clone(),
        truth: truth.clone(),
        clock: system_clock(),
        config: config.lake.clone(),
        sweep: true,
    };
    let rounds = async {
        let (mut swept, mut failures) = (Instant::now(), 0);
        loop {
            let (progress, drawn) = Drawn::start("archive", follow || json);
            let round = archive_once(&context, &progress).await;
            drawn.end().await;
            let pause = match round {
                Ok(outcome) => {
                    failures = 0;
                    if !follow || !outcome.is_nothing() {
                        print(&outcome, json)?;
                    }
                    config.lake.every
                }
                Err(error) if follow && error.passes() => {
                    failures += 1;
                    tracing::warn!(%error, failures, "a round of the archiver failed and is tried again");
                    pause_after(failures, config.lake.every)
                }
                Err(shoptide_jobs::archive::ArchiveError::Lake(error)) => {
                    return Err(crate::commands::lake::told(error));
                }
                Err(error) => return Err(error.into()),
            };
            if !follow {
                return Ok(());
            }
            context.sweep = SWEEP_EVERY <= swept.elapsed();
            if context.sweep {
                swept = Instant::now();
            }
            tokio::time::sleep(pause).await;
        }
    };
    // A step that is cut is done again by whoever comes next.
    let done: anyhow::Result<()> = tokio::select! {
        done = rounds => done,
        () = signals.next() => Ok(()),
    };
    log.close().await;
    if let Some(truth) = truth {
        truth.close().await;
    }
    done.map(|()| ExitCode::SUCCESS)
}

#[cfg(feature = "lake")]
fn print(outcome: &shoptide_jobs::archive::ArchiveOutcome, json: bool) -> anyhow::Result<()> {
    use crate::outln;

    if json {
        return outln!("{}", serde_json::to_string(outcome)?);
    }
    outln!(
        "{} records, {} rows in {} files, {} bytes, {} commits",
        outcome.records,
        outcome.rows,
        outcome.files,
        outcome.bytes,
        outcome.commits
    )?;
    for (count, what) in [
        (outcome.conflicts, "steps were won by another archiver"),
        (outcome.merged, "small files were merged"),
        (outcome.erased_rows, "rows of erased users were taken out"),
        (outcome.retired_files, "files were beyond the retention"),
        (outcome.swept_files, "files that nothing named were deleted"),
    ] {
        if 0 < count {
            outln!("{count} {what}")?;
        }
    }
    Ok(())
}
