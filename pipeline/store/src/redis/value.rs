//! Keys and values as Redis holds them. A value is `version (41) | echo (8) | list`; without a list it is a tombstone.
//!
//! The version is first, so that a script compares it with one short GETRANGE. It is decimal digits: Lua would round numbers
//! beyond 2^53, and orders strings by the server's locale, in which digits of equal length always order as numbers do.
//! The echo is a hash of the key: a reply that belongs to another question is noticed (redis-rs issue 698).

use std::sync::Arc;

use shoptide_schemas::UserId;
use xxhash_rust::xxh3::xxh3_64;

use crate::{CacheEntry, ITEM_LISTS, StoreError};

/// Two numbers of 20 digits and a point.
pub(super) const VERSION_BYTES: usize = 41;
const POINT: usize = 20;
/// 64 bits: of all wrong replies one in 2^64 passes.
pub(super) const ECHO_BYTES: usize = 8;
/// What comes before the list, and the whole of a tombstone.
pub(super) const HEAD_BYTES: usize = VERSION_BYTES + ECHO_BYTES;
/// Above every version: whatever comes may be of before the removal.
const ANY_VERSION: [u8; VERSION_BYTES] = {
    let mut version = [b'9'; VERSION_BYTES];
    version[POINT] = b'.';
    version
};

/// `prefix:shard:user`, and `prefix:items:item`: no two share one, whatever bytes their ids have.
pub(super) fn key(prefix: &str, shard: u32, user: &UserId) -> Vec<u8> {
    let user = user.as_bytes();
    let mut key = Vec::with_capacity(prefix.len() + 12 + user.len());
    key.extend_from_slice(prefix.as_bytes());
    match shard {
        ITEM_LISTS => key.extend_from_slice(b":items:"),
        shard => key.extend_from_slice(format!(":{shard}:").as_bytes()),
    }
    key.extend_from_slice(user);
    key
}

/// # Errors
/// [`StoreError::Unusable`] for a version that would not compare as numbers do, or for an empty list, which would be a tombstone.
pub(super) fn pack(key: &[u8], entry: &CacheEntry) -> Result<Vec<u8>, StoreError> {
    let version = entry.version.as_bytes();
    let digit =
        |(place, byte): (usize, &u8)| if place == POINT { *byte == b'.' } else { byte.is_ascii_digit() };
    if version.len() != VERSION_BYTES || !version.iter().enumerate().all(digit) {
        return Err(StoreError::Unusable(format!(
            "version of a list has {} bytes, expected two numbers of {POINT} digits",
            version.len()
        )));
    }
    if entry.data.is_empty() {
        return Err(StoreError::Unusable("a list for the cache has 0 bytes, expected at least 1".into()));
    }
    Ok([version, &echo(key), &entry.data].concat())
}

/// The tombstone of a user who was removed.
pub(super) fn tombstone(key: &[u8]) -> Vec<u8> {
    [ANY_VERSION.as_slice(), &echo(key)].concat()
}

/// The list in a value; none in a tombstone, nor in bytes that are not this key's.
pub(super) fn unpack(key: &[u8], value: &[u8]) -> Option<Arc<[u8]>> {
    let (head, list) = value.split_at_checked(HEAD_BYTES)?;
    let (_, found) = head.split_at_checked(VERSION_BYTES)?;
    (found == echo(key) && !list.is_empty()).then(|| Arc::from(list))
}

fn echo(key: &[u8]) -> [u8; ECHO_BYTES] {
    xxh3_64(key).to_le_bytes()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    fn entry(version: &str, data: &[u8]) -> CacheEntry {
        let user = UserId::from_trusted(b"u");
        CacheEntry { shard: 7, user, version: version.into(), data: Arc::from(data) }
    }

    #[test]
    fn a_value_is_read_by_its_own_key_only() {
        let version = format!("{:020}.{:020}", 1, 2);
        let (mine, other) =
            (key("p", 7, &UserId::from_trusted(b"u")), key("p", 71, &UserId::from_trusted(b"")));
        assert_eq!(mine, b"p:7:u");
        assert_eq!(key("p", ITEM_LISTS, &UserId::from_trusted(b"u")), b"p:items:u");
        let packed = pack(&mine, &entry(&version, b"list")).unwrap();
        assert_eq!(packed.len(), HEAD_BYTES + 4);
        assert_eq!(unpack(&mine, &packed).as_deref(), Some(b"list".as_slice()));
        assert_eq!(unpack(&other, &packed), None);
        for cut in 0..=HEAD_BYTES {
            assert_eq!(unpack(&mine, packed.get(..cut).unwrap()), None, "cut at {cut}");
        }
        assert_eq!(unpack(&mine, &tombstone(&mine)), None);
        assert!(packed.get(..VERSION_BYTES).unwrap() < ANY_VERSION.as_slice());
    }

    #[test]
    fn what_would_not_compare_is_refused() {
        let good = format!("{:020}.{:020}", i64::MAX, i64::MAX);
        assert!(pack(b"k", &entry(&good, b"x")).is_ok());
        for bad in ["", "1.2", &good.replace('.', "0"), &good.replace('9', "x"), &good.replace('9', " ")] {
            assert!(matches!(pack(b"k", &entry(bad, b"x")), Err(StoreError::Unusable(_))), "{bad}");
        }
        assert!(matches!(pack(b"k", &entry(&good, b"")), Err(StoreError::Unusable(_))));
    }
}
