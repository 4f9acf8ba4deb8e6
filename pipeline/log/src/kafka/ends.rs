//! Where a partition begins and ends, asked of its leader.

use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};

use super::ASK;

/// A leader is named by the metadata some moments before it knows of it, and after it moved away.
const MOVED_AGAIN: Duration = Duration::from_millis(100);

/// First and next offset of one partition. A leader that moves is looked for, for [`ASK`] in all; blocks for at most twice that.
pub(super) fn ends(asker: &BaseConsumer, topic: &str, partition: u32) -> Result<(i64, i64), KafkaError> {
    let number = i32::try_from(partition).unwrap_or(i32::MAX);
    let began = Instant::now();
    loop {
        match asker.fetch_watermarks(topic, number, ASK) {
            Err(error) if moves(&error) && began.elapsed() < ASK => std::thread::sleep(MOVED_AGAIN),
            answer => return answer,
        }
    }
}

fn moves(error: &KafkaError) -> bool {
    use RDKafkaErrorCode::{LeaderNotAvailable, NotLeaderForPartition};
    matches!(error.rdkafka_error_code(), Some(LeaderNotAvailable | NotLeaderForPartition))
}
