//! A stored list: numbers instead of ids, and the names of the immutable inputs it was made from.

use crate::topic::PARTS;

/// First byte of the format at rest.
const FORMAT: u8 = 1;
const HEADER_BYTES: usize = 1 + 8 + 8 + 8 + 8 + 8 + 8 + 8 * PARTS + 4;
const ENTRY_BYTES: usize = 4 + 4 + 1 + 4;

/// One place of a list.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ListEntry {
    /// The catalogue's number of the item.
    pub item: u32,
    pub score: f32,
    /// Which source made the place; codes are `models`' `Source`.
    pub source: u8,
    /// The catalogue's number of the user's own item that speaks loudest for this place, `u32::MAX` for none.
    pub evidence: u32,
}

/// A user's list as the truth and the cache hold it. Two lists with equal inputs have equal entries.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct StoredList {
    /// The owner's epoch and the list's revision: what "newer" means in the cache.
    pub epoch: i64,
    pub revision: i64,
    /// The model (factors, item-item, popularity, segments), by its number; 0 before the first.
    pub model_version: u64,
    /// The catalogue as of this offset.
    pub catalogue_offset: i64,
    /// Hash of the configuration of weights, blend and rules.
    pub rules_version: u64,
    /// Time of the user's last event; "now" of every decay in the list.
    pub now_ms: i64,
    /// Next offset of each user topic in the owner's partition: which events the list contains.
    pub as_of: [i64; PARTS],
    /// Best first.
    pub entries: Vec<ListEntry>,
}

/// Why stored bytes are no list.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum ListError {
    #[error("stored list has format {found}, expected {FORMAT}")]
    Format { found: u8 },
    #[error("stored list of {bytes} bytes is cut short")]
    Truncated { bytes: usize },
}

impl StoredList {
    /// The bytes at rest, little-endian.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(HEADER_BYTES + self.entries.len() * ENTRY_BYTES);
        out.push(FORMAT);
        out.extend(self.epoch.to_le_bytes());
        out.extend(self.revision.to_le_bytes());
        out.extend(self.model_version.to_le_bytes());
        out.extend(self.catalogue_offset.to_le_bytes());
        out.extend(self.rules_version.to_le_bytes());
        out.extend(self.now_ms.to_le_bytes());
        for offset in self.as_of {
            out.extend(offset.to_le_bytes());
        }
        out.extend((self.entries.len() as u32).to_le_bytes());
        for entry in &self.entries {
            out.extend(entry.item.to_le_bytes());
            out.extend(entry.score.to_le_bytes());
            out.push(entry.source);
            out.extend(entry.evidence.to_le_bytes());
        }
        out
    }

    /// # Errors
    /// [`ListError`] for bytes of another format or length.
    pub fn decode(bytes: &[u8]) -> Result<Self, ListError> {
        let truncated = || ListError::Truncated { bytes: bytes.len() };
        let mut rest = bytes;
        let [format] = take::<1>(&mut rest).ok_or_else(truncated)?;
        if format != FORMAT {
            return Err(ListError::Format { found: format });
        }
        let mut number = || take::<8>(&mut rest).map(i64::from_le_bytes).ok_or_else(truncated);
        let mut list = StoredList {
            epoch: number()?,
            revision: number()?,
            model_version: number()?.cast_unsigned(),
            catalogue_offset: number()?,
            rules_version: number()?.cast_unsigned(),
            now_ms: number()?,
            ..StoredList::default()
        };
        for offset in &mut list.as_of {
            *offset = number()?;
        }
        let count = take::<4>(&mut rest).map(u32::from_le_bytes).ok_or_else(truncated)? as usize;
        if rest.len() != count.saturating_mul(ENTRY_BYTES) {
            return Err(truncated());
        }
        list.entries.reserve_exact(count);
        while let Some(item) = take::<4>(&mut rest) {
            list.entries.push(ListEntry {
                item: u32::from_le_bytes(item),
                score: f32::from_le_bytes(take::<4>(&mut rest).ok_or_else(truncated)?),
                source: take::<1>(&mut rest).ok_or_else(truncated)?[0],
                evidence: u32::from_le_bytes(take::<4>(&mut rest).ok_or_else(truncated)?),
            });
        }
        Ok(list)
    }

    /// The cache's version: zero-padded, so that comparing strings compares numbers.
    pub fn version_key(&self) -> String {
        format!("{:020}.{:020}", self.epoch.max(0), self.revision.max(0))
    }
}

fn take<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    let (head, tail) = rest.split_first_chunk::<N>()?;
    *rest = tail;
    Some(*head)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn round_trips_and_refuses_every_cut() {
        let list = StoredList {
            epoch: 3,
            revision: 9,
            model_version: 7,
            catalogue_offset: 600,
            rules_version: u64::MAX,
            now_ms: 1_700_000_000_000,
            as_of: [1, 2, 3, 4, 5],
            entries: vec![ListEntry { item: 5, score: 0.25, source: 1, evidence: u32::MAX }; 3],
        };
        let bytes = list.encode();
        assert_eq!(StoredList::decode(&bytes).unwrap(), list);
        for cut in 0..bytes.len() {
            assert!(StoredList::decode(&bytes[..cut]).is_err(), "cut at {cut}");
        }
    }
}
