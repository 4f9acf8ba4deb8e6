//! `migrate` and `topics create`: what the real services need before the first start.

use std::process::ExitCode;

use shoptide_config::{LogKind, StoreKind};

use crate::app::Refused;
use crate::args::{Topics, TopicsWhat, With};
use crate::commands::load_config;
use crate::outln;
use crate::services;

/// Brings the tables to this version.
pub async fn migrate(with: With) -> anyhow::Result<ExitCode> {
    let config = load_config(with.config.as_deref())?;
    if config.store.kind != StoreKind::Mysql {
        let message = "store.kind is \"embedded\": its file is brought to this version whenever it is opened";
        return Err(Refused(message.to_owned()).into());
    }
    let applied = services::migrate(&config).await?;
    if applied.is_empty() {
        outln!("the schema is of this version already")?;
    }
    for version in applied {
        outln!("migrated to version {version}")?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Makes the topics that are missing.
pub async fn topics(args: Topics) -> anyhow::Result<ExitCode> {
    let with = match args.what {
        TopicsWhat::Create { with } => with,
        TopicsWhat::Grow { partitions, wait_s, with } => {
            return super::grow::grow(partitions, wait_s, with).await;
        }
        TopicsWhat::Status { with } => return super::grow::status(with).await,
    };
    let config = load_config(with.config.as_deref())?;
    if config.log.kind != LogKind::Kafka {
        return Err(Refused("log.kind is \"embedded\": topics are made in Kafka only".to_owned()).into());
    }
    let (made, there_before) = services::create_topics(&config).await?;
    for topic in made {
        outln!("made {topic}")?;
    }
    for topic in there_before {
        outln!("{topic} is there already")?;
    }
    Ok(ExitCode::SUCCESS)
}
