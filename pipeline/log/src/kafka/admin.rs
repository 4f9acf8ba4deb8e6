//! Topics: made by a command, checked at every start.

use std::time::Duration;

use rdkafka::admin::{
    AdminClient, AdminOptions, ConfigResource, NewTopic, ResourceSpecifier, TopicReplication,
};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::RDKafkaErrorCode;
use shoptide_schemas::topic::ALL_TOPICS;
use shoptide_schemas::{Topic, USER_TOPICS};

use super::errors::{of_client, unavailable};
use super::options::check_partitions;
use super::{ASK, KafkaOptions, Names};
use crate::LogError;

/// How long making topics may take on the brokers' side.
const CREATE: Duration = Duration::from_secs(30);
/// Between two looks whether a new topic is there.
const SHOWN_AGAIN: Duration = Duration::from_millis(50);
/// In-sync replicas below which one broken disk can lose what was acknowledged.
const SAFE_REPLICAS: usize = 3;

/// What topics to make.
#[derive(Debug, Clone)]
pub struct TopicsOptions {
    /// Of each user topic; the catalogue has one.
    pub partitions: u32,
    pub replication: u16,
    /// How long records are kept; `None` is for ever.
    pub retention_ms: Option<u64>,
}

/// What became of each topic.
#[derive(Debug, Clone, Default)]
pub struct TopicsReport {
    pub made: Vec<String>,
    pub there_before: Vec<String>,
}

/// Makes the topics that are missing.
///
/// # Errors
/// [`LogError`] if the cluster cannot be reached or refuses; topics made before that stay.
pub async fn create_topics(options: &KafkaOptions, topics: &TopicsOptions) -> Result<TopicsReport, LogError> {
    create(options, topics, 1).await
}

/// The same for a generation; the catalogue belongs to the first.
pub(super) async fn create(
    options: &KafkaOptions,
    topics: &TopicsOptions,
    generation: u32,
) -> Result<TopicsReport, LogError> {
    options.check()?;
    check_partitions("a user topic", topics.partitions as usize)?;
    let admin = admin(options)?;
    let names = Names::new(&options.prefix);
    let wanted = ALL_TOPICS.into_iter().filter(|topic| topic.is_user() || generation == 1);
    let wanted: Vec<(Topic, String)> = wanted.map(|topic| (topic, names.of(topic, generation))).collect();
    let retention = topics.retention_ms.map_or("-1".to_owned(), |ms| ms.to_string());
    // With three replicas one may be away and appends are still acknowledged by two.
    let in_sync = if 3 <= topics.replication { "2" } else { "1" };
    let new = wanted.iter().map(|(topic, name)| {
        let partitions = if topic.is_user() { topics.partitions } else { 1 };
        // The catalogue is what every list is made of: it has no end.
        let retention = if topic.is_user() { retention.as_str() } else { "-1" };
        NewTopic::new(
            name,
            i32::try_from(partitions).unwrap_or(i32::MAX),
            TopicReplication::Fixed(i32::from(topics.replication)),
        )
        .set("message.timestamp.type", "LogAppendTime")
        .set("retention.ms", retention)
        .set("cleanup.policy", "delete")
        .set("min.insync.replicas", in_sync)
        .set("unclean.leader.election.enable", "false")
    });
    let new: Vec<NewTopic<'_>> = new.collect();
    let timeouts = AdminOptions::new().operation_timeout(Some(CREATE)).request_timeout(Some(CREATE));
    let mut report = TopicsReport::default();
    for answer in admin.create_topics(&new, &timeouts).await.map_err(unavailable)? {
        match answer {
            Ok(name) => report.made.push(name),
            Err((name, RDKafkaErrorCode::TopicAlreadyExists)) => report.there_before.push(name),
            Err((name, code)) => {
                return Err(LogError::Unusable(format!("topic {name} cannot be made: {code}")));
            }
        }
    }
    shown(options, report.made.clone()).await?;
    Ok(report)
}

/// Waits until a broker names the new topics to clients, which takes it a moment.
async fn shown(options: &KafkaOptions, made: Vec<String>) -> Result<(), LogError> {
    let asker: BaseConsumer = options.client("asker").create().map_err(of_client)?;
    super::blocking(move || {
        let began = std::time::Instant::now();
        loop {
            let metadata = asker.fetch_metadata(None, ASK).map_err(unavailable)?;
            let known = |name: &String| {
                let found = metadata.topics().iter().find(|topic| topic.name() == name);
                found.is_some_and(|topic| {
                    topic.error().is_none() && topic.partitions().iter().all(|part| 0 <= part.leader())
                })
            };
            if made.iter().all(known) {
                return Ok(());
            }
            if CREATE <= began.elapsed() {
                let reason = "Kafka made the topics, but does not name them yet".to_owned();
                return Err(LogError::Unavailable { reason });
            }
            std::thread::sleep(SHOWN_AGAIN);
        }
    })
    .await
}

pub(super) fn admin(options: &KafkaOptions) -> Result<AdminClient<DefaultClientContext>, LogError> {
    options.client("admin").create().map_err(of_client)
}

/// Partitions of the user topics by generation, all equal within one. A generation that is not whole is not one yet.
pub(super) fn check(asker: &BaseConsumer, names: &Names) -> Result<Vec<u32>, LogError> {
    let metadata = asker.fetch_metadata(None, ASK).map_err(|error| match unavailable(error) {
        LogError::Unavailable { reason } => LogError::Unavailable {
            reason: format!("{reason}; check kafka.brokers and kafka.security, and that a broker runs there"),
        },
        other => other,
    })?;
    let count = |name: &str| {
        let found = metadata.topics().iter().find(|known| known.name() == name && known.error().is_none());
        found.map(|known| known.partitions().len()).filter(|count| 0 < *count)
    };
    let needed = |topic: Topic| {
        let name = names.of(topic, 1);
        count(&name).ok_or_else(|| {
            LogError::Unusable(format!(
                "topic {name} is missing; make the topics with `shoptide topics create`"
            ))
        })
    };
    for topic in ALL_TOPICS {
        needed(topic)?;
    }
    let catalogue = needed(Topic::Catalogue)?;
    if catalogue != 1 {
        return Err(LogError::Unusable(format!(
            "{} has {catalogue} partitions, expected 1",
            names.of(Topic::Catalogue, 1)
        )));
    }
    let of_catalogue = metadata.topics().iter().filter(|topic| names.topic(topic.name()).is_some());
    let partitions = of_catalogue.flat_map(|topic| topic.partitions());
    let replicas = partitions.map(|partition| partition.replicas().len()).min().unwrap_or(0);
    if replicas < SAFE_REPLICAS {
        tracing::warn!(
            replicas,
            "topics have fewer than {SAFE_REPLICAS} replicas: a broken disk can lose acknowledged events"
        );
    }
    let mut counts: Vec<u32> = Vec::new();
    for generation in 1.. {
        let named = USER_TOPICS.map(|topic| names.of(topic, generation));
        let found: Vec<(&String, usize)> =
            named.iter().filter_map(|name| Some((name, count(name)?))).collect();
        let (Some((first, of_first)), true) = (found.first().copied(), found.len() == named.len()) else {
            break;
        };
        if let Some((name, other)) = found.iter().find(|(_, other)| *other != of_first) {
            return Err(LogError::Unusable(format!(
                "{name} has {other} partitions but {first} has {of_first}: all user topics need the same number, or a user \
                 would have two owners; make new topics under another kafka.prefix"
            )));
        }
        let partitions = check_partitions(first, of_first)?;
        if let Some(before) = counts.last().filter(|before| !partitions.is_multiple_of(**before)) {
            return Err(LogError::Unusable(format!(
                "{first} has {partitions} partitions, expected a multiple of the {before} of the generation before"
            )));
        }
        counts.push(partitions);
    }
    Ok(counts)
}

/// Settings of the topics: what would make a replay differ is refused, what is dangerous is said.
pub(super) async fn check_settings(
    options: &KafkaOptions,
    names: &Names,
    counts: &[u32],
) -> Result<(), LogError> {
    let user = (1..).zip(counts).flat_map(|(generation, _)| USER_TOPICS.map(|topic| (topic, generation)));
    let all: Vec<(Topic, String)> =
        user.chain([(Topic::Catalogue, 1)]).map(|(topic, of)| (topic, names.of(topic, of))).collect();
    let mut alone: Vec<&str> = Vec::new();
    for ((topic, name), answer) in all.iter().zip(settings(options, &all).await?) {
        match answer {
            Ok(config) => {
                check_topic(*topic, name, &config)?;
                if config.get("min.insync.replicas").is_some_and(|entry| entry.value.as_deref() == Some("1"))
                {
                    alone.push(name);
                }
            }
            // A user without the right to look may still have those to read and write.
            Err(code) => tracing::warn!(topic = name, %code, "the topic's settings cannot be checked"),
        }
    }
    if !alone.is_empty() {
        tracing::warn!(
            topics = alone.join(", "),
            "min.insync.replicas is 1: an event counts as acknowledged when a single broker has it, expected 2"
        );
    }
    Ok(())
}

/// The settings of some topics, in their order.
pub(super) async fn settings(
    options: &KafkaOptions,
    topics: &[(Topic, String)],
) -> Result<Vec<Result<ConfigResource, RDKafkaErrorCode>>, LogError> {
    let asked: Vec<ResourceSpecifier<'_>> =
        topics.iter().map(|(_, name)| ResourceSpecifier::Topic(name)).collect();
    let timeouts = AdminOptions::new().request_timeout(Some(ASK));
    admin(options)?.describe_configs(&asked, &timeouts).await.map_err(unavailable)
}

fn check_topic(topic: Topic, name: &str, config: &ConfigResource) -> Result<(), LogError> {
    let value = |key: &str| config.get(key).and_then(|entry| entry.value.as_deref()).unwrap_or_default();
    let time = value("message.timestamp.type");
    if time != "LogAppendTime" {
        return Err(LogError::Unusable(format!(
            "topic {name} has message.timestamp.type {time}, expected LogAppendTime: whether an event is late is judged by \
             the log's time; set it with `kafka-configs --alter --topic {name} --add-config \
             message.timestamp.type=LogAppendTime` before the first event"
        )));
    }
    if value("cleanup.policy").contains("compact") {
        return Err(LogError::Unusable(format!(
            "topic {name} has cleanup.policy {}, expected delete: a compacted log forgets events that were acknowledged",
            value("cleanup.policy")
        )));
    }
    if value("unclean.leader.election.enable") == "true" {
        tracing::warn!(
            topic = name,
            "unclean.leader.election.enable is true: a stale replica may take over and lose acknowledged events"
        );
    }
    if topic == Topic::Catalogue && value("retention.ms") != "-1" {
        tracing::warn!(
            topic = name,
            retention_ms = value("retention.ms"),
            "the catalogue's topic forgets items after a while: a new serve process reads them from the store, a replay \
             cannot"
        );
    }
    Ok(())
}
