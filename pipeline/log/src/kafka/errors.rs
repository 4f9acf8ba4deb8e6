//! What a caller can do about an error of the client library.

use rdkafka::error::{KafkaError, RDKafkaErrorCode};

use crate::LogError;

/// For a question or a produced record.
pub(super) fn unavailable(error: KafkaError) -> LogError {
    match error.rdkafka_error_code() {
        Some(code) if needs_a_person(code) => LogError::Unusable(format!("Kafka refuses: {}", hint(code))),
        Some(code) => LogError::Unavailable { reason: format!("Kafka: {code}") },
        None => LogError::Unavailable { reason: format!("Kafka: {error}") },
    }
}

/// For the making of a client: wrong settings, or files that cannot be read.
pub(super) fn of_client(error: KafkaError) -> LogError {
    LogError::Unusable(match error {
        // The value may be a password.
        KafkaError::ClientConfig(_, description, key, _) => format!("kafka setting {key}: {description}"),
        other => format!("kafka: {other}"),
    })
}

/// Whether waiting does not help. A topic that is not known is none of these: whether there is one is asked at the start, and a
/// broker that has just come back may not know its topics yet.
pub(super) fn needs_a_person(code: RDKafkaErrorCode) -> bool {
    use RDKafkaErrorCode as Code;
    matches!(
        code,
        Code::Authentication
            | Code::SaslAuthenticationFailed
            | Code::UnsupportedSASLMechanism
            | Code::TopicAuthorizationFailed
            | Code::GroupAuthorizationFailed
            | Code::ClusterAuthorizationFailed
            | Code::InvalidTopic
            | Code::MessageSizeTooLarge
            | Code::UnsupportedVersion
    )
}

/// Whether a batch itself is what cannot be read: damaged at rest, packed by a codec that this build lacks, or unpacked
/// larger than any answer of a broker may be.
pub(super) fn is_unreadable(code: RDKafkaErrorCode) -> bool {
    use RDKafkaErrorCode as Code;
    matches!(code, Code::BadMessage | Code::BadCompression | Code::NotImplemented)
}

fn hint(code: RDKafkaErrorCode) -> String {
    use RDKafkaErrorCode as Code;
    match code {
        Code::Authentication | Code::SaslAuthenticationFailed | Code::UnsupportedSASLMechanism => {
            format!("{code}; check kafka.security, kafka.sasl, kafka.user and the password")
        }
        Code::TopicAuthorizationFailed
        | Code::GroupAuthorizationFailed
        | Code::ClusterAuthorizationFailed => {
            format!("{code}; the user needs rights on the shop's topics and on kafka.group")
        }
        Code::MessageSizeTooLarge => {
            format!("{code}; the topic's max.message.bytes must be at least 1048576")
        }
        other => other.to_string(),
    }
}
