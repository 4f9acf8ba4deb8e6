//! `lake verify`: the proof that every record of the log is in the lake once.

use std::process::ExitCode;

use crate::args::{Lake, LakeWhat};

/// What a program without the lake says.
#[cfg(not(feature = "lake"))]
pub fn without(command: &str) -> anyhow::Error {
    let message = format!(
        "`shoptide {command}` needs the feature `lake`, which this program was built without: `cargo build --release` has it"
    );
    crate::app::Refused(message).into()
}

#[cfg(not(feature = "lake"))]
pub async fn run(args: Lake) -> anyhow::Result<ExitCode> {
    let LakeWhat::Verify { .. } = args.what;
    Err(without("lake verify"))
}

/// What a person must change is refused (exit code 2), the rest failed.
#[cfg(feature = "lake")]
pub fn told(error: shoptide_lake::LakeError) -> anyhow::Error {
    match error {
        shoptide_lake::LakeError::Unusable(reason) => crate::app::Refused(reason).into(),
        other => other.into(),
    }
}

#[cfg(feature = "lake")]
pub async fn run(args: Lake) -> anyhow::Result<ExitCode> {
    use shoptide_lake::LakeOptions;

    use crate::commands::load_config;
    use crate::outln;

    let LakeWhat::Verify { json, place } = args.what;
    let config = load_config(place.config.as_deref())?;
    let options = LakeOptions::of(&config.lake, &place.data_dir);
    if !options.url.contains("://") && !std::path::Path::new(&options.url).is_dir() {
        let message = format!("{} holds no lake yet; `shoptide jobs archive` makes it", options.url);
        return Err(crate::app::Refused(message).into());
    }
    let lake = shoptide_lake::Lake::open(&options).await.map_err(told)?;
    let proof = lake.verify().await.map_err(told)?;
    if json {
        outln!("{}", serde_json::to_string(&proof)?)?;
    } else {
        outln!(
            "commit {}: {} rows in {} files, {} bytes; {} records, {} of erased users, {} beyond the retention",
            proof.commit,
            proof.rows,
            proof.files,
            proof.bytes,
            proof.records,
            proof.erased,
            proof.retired
        )?;
        for fault in &proof.faults {
            outln!("  {}: {}", fault.place, fault.reason)?;
        }
        if 0 < proof.more_faults {
            outln!("  and {} more", proof.more_faults)?;
        }
        outln!("{}", if proof.ok { "the lake is whole" } else { "THE LAKE IS NOT WHOLE" })?;
    }
    Ok(if proof.ok { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
