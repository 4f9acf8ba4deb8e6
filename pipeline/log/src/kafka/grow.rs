//! Larger topics beside the old ones. The old ones are sealed by the brokers: a topic whose largest message is smaller than any
//! takes no append, from whomever. Each step may be done again.

use rdkafka::admin::{AdminOptions, AlterConfig, ConfigSource, ResourceSpecifier};
use rdkafka::consumer::BaseConsumer;
use shoptide_schemas::{Topic, USER_TOPICS};

use super::admin::{self, TopicsOptions, TopicsReport};
use super::errors::{of_client, unavailable};
use super::names::Names;
use super::{ASK, Core, KafkaOptions, blocking};
use crate::LogError;
use crate::generation::first_offset;

const LARGEST: &str = "max.message.bytes";
/// No batch is as small as this.
const SEALED: &str = "1";

/// One generation of the user topics.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Generation {
    pub number: u32,
    /// Of each topic.
    pub partitions: u32,
    /// No topic of it takes an append any more.
    pub sealed: bool,
}

/// All generations that are whole, the oldest first.
///
/// # Errors
/// [`LogError`] if the cluster cannot be reached, or its topics are of no use.
pub async fn generations(options: &KafkaOptions) -> Result<Vec<Generation>, LogError> {
    options.check()?;
    let (asker, names) = (asker(options)?, Names::new(&options.prefix));
    let asked = names.clone();
    let counts = blocking(move || admin::check(&asker, &asked)).await?;
    let mut found = Vec::with_capacity(counts.len());
    for (number, partitions) in (1..).zip(counts) {
        let sealed = sealed(options, &names, number).await?.iter().all(|sealed| *sealed);
        found.push(Generation { number, partitions, sealed });
    }
    Ok(found)
}

/// Makes the topics of a generation that are missing.
///
/// # Errors
/// [`LogError::Unusable`] if the count is no multiple of the one before; else as
/// [`create_topics`](crate::create_topics).
pub async fn grow_topics(
    options: &KafkaOptions,
    topics: &TopicsOptions,
    generation: u32,
) -> Result<TopicsReport, LogError> {
    let before = generations(options).await?;
    let Some(last) = before.iter().find(|known| known.number.saturating_add(1) == generation) else {
        return Err(LogError::Unusable(format!("there is no generation before generation {generation}")));
    };
    let multiple = topics.partitions.is_multiple_of(last.partitions) && last.partitions < topics.partitions;
    if !multiple {
        return Err(LogError::Unusable(format!(
            "partitions is {}, expected a multiple of {} and more: each shard's users go to shards of their own",
            topics.partitions, last.partitions
        )));
    }
    admin::create(options, topics, generation).await
}

/// Seals a generation: the brokers refuse every append to it from now on. Returns once all its settings say so.
///
/// # Errors
/// [`LogError`] if the cluster cannot be reached, or refuses.
pub async fn seal_topics(options: &KafkaOptions, generation: u32) -> Result<(), LogError> {
    options.check()?;
    let names = Names::new(&options.prefix);
    let topics = USER_TOPICS.map(|topic| (topic, names.of(topic, generation)));
    let mut changes = Vec::with_capacity(topics.len());
    // The change replaces all that was set of a topic, so all of it is said again.
    for ((_, name), settings) in topics.iter().zip(admin::settings(options, &topics).await?) {
        let settings = settings.map_err(|code| {
            LogError::Unusable(format!("the settings of topic {name} cannot be read: {code}"))
        })?;
        let kept: Vec<(String, String)> = settings
            .entries
            .into_iter()
            .filter(|entry| matches!(entry.source, ConfigSource::DynamicTopic) && entry.name != LARGEST)
            .filter_map(|entry| Some((entry.name, entry.value?)))
            .collect();
        changes.push((name, kept));
    }
    let changes: Vec<AlterConfig<'_>> = changes
        .iter()
        .map(|(name, kept)| {
            let change = AlterConfig::new(ResourceSpecifier::Topic(name)).set(LARGEST, SEALED);
            kept.iter().fold(change, |change, (key, value)| change.set(key, value))
        })
        .collect();
    let timeouts = AdminOptions::new().request_timeout(Some(ASK));
    for answer in admin::admin(options)?.alter_configs(&changes, &timeouts).await.map_err(unavailable)? {
        if let Err((resource, code)) = answer {
            return Err(LogError::Unusable(format!("{resource:?} cannot be sealed: {code}")));
        }
    }
    Ok(())
}

/// Where each partition of a generation ends now.
///
/// # Errors
/// [`LogError`] if the cluster cannot be reached.
pub async fn partition_ends(
    options: &KafkaOptions,
    generation: &Generation,
) -> Result<Vec<(Topic, u32, i64)>, LogError> {
    let (asker, names, generation) = (asker(options)?, Names::new(&options.prefix), generation.clone());
    blocking(move || {
        let mut ends = Vec::new();
        for topic in USER_TOPICS {
            let name = names.of(topic, generation.number);
            for partition in 0..generation.partitions {
                let (_, end) = super::ends::ends(&asker, &name, partition).map_err(unavailable)?;
                ends.push((topic, partition, first_offset(generation.number).saturating_add(end)));
            }
        }
        Ok(ends)
    })
    .await
}

/// The generation that appends go to: the newest whose predecessor is sealed.
pub(super) async fn written(options: &KafkaOptions, names: &Names, counts: &[u32]) -> Result<u32, LogError> {
    let newest = u32::try_from(counts.len()).unwrap_or(u32::MAX).max(1);
    for generation in (2..=newest).rev() {
        if sealed(options, names, generation - 1).await?.iter().all(|sealed| *sealed) {
            return Ok(generation);
        }
    }
    Ok(1)
}

/// Whether a topic that appends go to is sealed already.
pub(super) async fn is_growing(core: &Core) -> bool {
    let written = core.shape().written;
    let sealed = sealed(&core.options, &core.names, written).await;
    sealed.is_ok_and(|sealed| sealed.iter().any(|sealed| *sealed))
}

/// By user topic.
async fn sealed(options: &KafkaOptions, names: &Names, generation: u32) -> Result<Vec<bool>, LogError> {
    let topics = USER_TOPICS.map(|topic| (topic, names.of(topic, generation)));
    let settings = admin::settings(options, &topics).await?;
    let is_sealed = |config: &rdkafka::admin::ConfigResource| {
        config.get(LARGEST).and_then(|entry| entry.value.as_deref()) == Some(SEALED)
    };
    // Settings that may not be looked at are those of a topic that is written to.
    Ok(settings.iter().map(|settings| settings.as_ref().is_ok_and(is_sealed)).collect())
}

fn asker(options: &KafkaOptions) -> Result<BaseConsumer, LogError> {
    options.client("asker").create().map_err(of_client)
}
