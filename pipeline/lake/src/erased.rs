//! Who was erased: by topic, the hash of the id, as the store's tombstones have it. Nothing of the id itself stays.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use shoptide_schemas::Topic;

/// 128 bits of XXH3 of a user's id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct UserHash(pub [u8; 16]);

/// The hash under which an erased user is remembered.
pub fn user_hash(user: &[u8]) -> UserHash {
    UserHash(xxhash_rust::xxh3::xxh3_128(user).to_be_bytes())
}

/// What stands in `user_id` of the row of an erasure.
pub fn erased_id(hash: UserHash) -> String {
    format!("erased:{}", hash.hex())
}

impl UserHash {
    pub fn hex(self) -> String {
        self.0.iter().map(|b| format!("{b:02x}")).collect()
    }

    fn from_hex(text: &str) -> Option<Self> {
        (text.len() == 32)
            .then(|| u128::from_str_radix(text, 16).ok())
            .flatten()
            .map(|n| Self(n.to_be_bytes()))
    }
}

impl Serialize for UserHash {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_str(&self.hex())
    }
}

impl<'de> Deserialize<'de> for UserHash {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let text = String::deserialize(d)?;
        Self::from_hex(&text).ok_or_else(|| serde::de::Error::custom("expected 32 hexadecimal digits"))
    }
}

/// An erasure as the log holds it: one copy in each user topic, each for its own topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Erasure {
    #[serde(with = "crate::file::topic_name")]
    pub topic: Topic,
    pub user: UserHash,
    pub partition: u32,
    /// Of the first `user_erased` of this user in this topic.
    pub offset: i64,
}

/// All erasures that are archived. Rows of these users do not stay in the lake: neither earlier ones nor later ones.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ErasedUsers {
    users: BTreeMap<(Topic, UserHash), (u32, i64)>,
}

impl ErasedUsers {
    pub fn is_empty(&self) -> bool {
        self.users.is_empty()
    }

    pub fn len(&self) -> usize {
        self.users.len()
    }

    /// Whether this user was erased in this topic.
    pub fn contains(&self, topic: Topic, user: &[u8]) -> bool {
        !self.users.is_empty() && self.users.contains_key(&(topic, user_hash(user)))
    }

    pub fn contains_hash(&self, topic: Topic, user: UserHash) -> bool {
        self.users.contains_key(&(topic, user))
    }

    /// False if it was known.
    pub fn insert(&mut self, erasure: Erasure) -> bool {
        let Erasure { topic, user, partition, offset } = erasure;
        let mut new = false;
        self.users.entry((topic, user)).or_insert_with(|| {
            new = true;
            (partition, offset)
        });
        new
    }

    pub fn iter(&self) -> impl Iterator<Item = Erasure> {
        self.users.iter().map(|((topic, user), (partition, offset))| Erasure {
            topic: *topic,
            user: *user,
            partition: *partition,
            offset: *offset,
        })
    }
}

impl Serialize for ErasedUsers {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_seq(self.iter())
    }
}

impl<'de> Deserialize<'de> for ErasedUsers {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let mut users = ErasedUsers::default();
        for erasure in Vec::<Erasure>::deserialize(d)? {
            users.insert(erasure);
        }
        Ok(users)
    }
}
