//! What an error of Redis means: whose turn it is to act. No text here comes from an option, so no secret can be in it.

use redis::{ErrorKind, RedisError, ServerErrorKind};

use super::STORE;
use crate::StoreError;

/// How a call ended that did not succeed.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Failure {
    /// The connection is gone; another one may do.
    Lost(String),
    /// No answer in time. The command may still be carried out: all of ours may be, late or twice.
    Late,
    /// The server answers that it cannot at present.
    NotNow(String),
    /// The server answers readers, but takes no writes.
    NoWrites(String),
    /// The server has no memory for another list.
    Full,
    /// The server does not know the script (any more).
    NoScript,
    /// Nothing but a person will change it.
    Unusable(String),
}

impl From<&RedisError> for Failure {
    fn from(error: &RedisError) -> Self {
        if error.is_timeout() {
            return Self::Late;
        }
        let (code, detail) = (error.code().unwrap_or_default(), error.detail().unwrap_or_default());
        // In Redis 6 an error inside a script is an `ERR` that quotes the real one.
        let says = |word: &str| code == word || (code == "ERR" && detail.contains(word));
        let advice = |text: &str| Self::Unusable(text.to_owned());
        if says("OOM") {
            return Self::Full;
        }
        if says("WRONGTYPE") {
            return advice(
                "a key under its prefix holds a value of another type: choose a prefix that nothing else uses",
            );
        }
        if says("NOAUTH") {
            return advice(
                "it asks for a password: set password, and username for a user other than the default",
            );
        }
        if says("WRONGPASS") || error.kind() == ErrorKind::AuthenticationFailed {
            return advice(
                "it refuses the password, or has none set and expects none: check username and password",
            );
        }
        if says("NOPERM") {
            return Self::Unusable(format!(
                "its ACL refuses a command ({detail}): allow the user ~PREFIX:* +get +getrange +strlen +set +del +unlink \
                 +pexpire +evalsha +eval +scan +ping +info +cluster|slots"
            ));
        }
        if detail.contains("cluster support disabled") {
            return advice("it is a single server: set cluster = false");
        }
        if says("MISCONF") {
            return Self::NoWrites(format!("it takes no writes until its disk does: {detail}"));
        }
        match error.kind() {
            ErrorKind::Server(ServerErrorKind::NoScript) => Self::NoScript,
            ErrorKind::Server(ServerErrorKind::Moved) => {
                advice("it is a node of a cluster: set cluster = true")
            }
            ErrorKind::Server(ServerErrorKind::ReadOnly) => {
                Self::NoWrites("it is a read-only replica: use the address of its primary".to_owned())
            }
            ErrorKind::InvalidClientConfig => Self::Unusable(error.to_string()),
            ErrorKind::Io | ErrorKind::Client | ErrorKind::Parse | ErrorKind::ClusterConnectionNotFound => {
                Self::Lost(error.to_string())
            }
            _ => Self::NotNow(error.to_string()),
        }
    }
}

impl From<RedisError> for Failure {
    fn from(error: RedisError) -> Self {
        Self::from(&error)
    }
}

impl Failure {
    pub fn reason(&self) -> String {
        match self {
            Self::Lost(reason) | Self::NotNow(reason) | Self::NoWrites(reason) | Self::Unusable(reason) => {
                reason.clone()
            }
            Self::Late => "no answer in time".to_owned(),
            Self::Full => super::state::FULL.to_owned(),
            Self::NoScript => "scripts vanish as soon as they are loaded".to_owned(),
        }
    }

    pub fn into_error(self) -> StoreError {
        let reason = self.reason();
        match self {
            Self::Full => StoreError::Full { store: STORE, reason },
            Self::Unusable(_) => StoreError::Unusable(format!("{STORE}: {reason}")),
            Self::Lost(_) | Self::Late | Self::NotNow(_) | Self::NoWrites(_) | Self::NoScript => {
                StoreError::Unavailable { store: STORE, reason }
            }
        }
    }
}
