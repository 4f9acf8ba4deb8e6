//! The bytes of a stored list. The cache holds one for each user, so they are few: numbers of the header as LEB128, and 6 bytes
//! a place in a shop of less than 16.7 million items.
//!
//! `format | epoch | revision | model | catalogue | now | as_of.. | rules (8) | count | shape (1) | proofs | items | scores | tags`.
//! A tag is the source in 3 bits and the place of the evidence among the proofs in 5, or a byte and two where that is too little.

use half::f16;

use super::{ListEntry, StoredList};
use crate::topic::PARTS;

/// First byte of the format at rest.
const FORMAT: u8 = 2;
/// Bits of the shape byte: numbers of items take 4 bytes, tags take 3.
const WIDE_ITEMS: u8 = 1;
const WIDE_TAGS: u8 = 2;
const NO_EVIDENCE: u32 = u32::MAX;
/// The places of a narrow tag: proofs before it, none at it.
const NARROW_NONE: u16 = 31;
const NARROW_SOURCES: u8 = 8;
const WIDE_NONE: u16 = u16::MAX;
/// Seven bits a byte.
const VARINT_BYTES_MAX: usize = 10;

/// Why stored bytes are no list.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum ListError {
    #[error("stored list has format {found}, expected {FORMAT}")]
    Format { found: u8 },
    #[error("stored list of {bytes} bytes is cut short")]
    Truncated { bytes: usize },
}

impl StoredList {
    /// The bytes at rest. Scores keep half precision, and the bytes of what was decoded are the same bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut proofs: Vec<u32> =
            self.entries.iter().map(|e| e.evidence).filter(|e| *e != NO_EVIDENCE).collect();
        proofs.sort_unstable();
        proofs.dedup();
        let wide_items = proofs.iter().chain(self.entries.iter().map(|e| &e.item)).any(|n| 0xff_ffff < *n);
        let wide_tags = usize::from(NARROW_NONE) < proofs.len()
            || self.entries.iter().any(|e| NARROW_SOURCES <= e.source);
        let mut out = Vec::with_capacity(64 + 4 * proofs.len() + self.entries.len() * 9);
        out.push(FORMAT);
        signed(&mut out, self.epoch);
        signed(&mut out, self.revision);
        unsigned(&mut out, self.model_version);
        signed(&mut out, self.catalogue_offset);
        signed(&mut out, self.now_ms);
        self.as_of.into_iter().for_each(|offset| signed(&mut out, offset));
        out.extend(self.rules_version.to_le_bytes());
        unsigned(&mut out, self.entries.len() as u64);
        out.push(if wide_items { WIDE_ITEMS } else { 0 } | if wide_tags { WIDE_TAGS } else { 0 });
        unsigned(&mut out, proofs.len() as u64);
        let number_bytes = number_bytes(wide_items);
        for number in proofs.iter().chain(self.entries.iter().map(|e| &e.item)) {
            out.extend(number.to_le_bytes().into_iter().take(number_bytes));
        }
        for entry in &self.entries {
            out.extend(f16::from_f32(entry.score).to_le_bytes());
        }
        for entry in &self.entries {
            let place =
                proofs.binary_search(&entry.evidence).ok().and_then(|place| u16::try_from(place).ok());
            if wide_tags {
                out.push(entry.source);
                out.extend(place.unwrap_or(WIDE_NONE).to_le_bytes());
            } else {
                let [place, _] = place.unwrap_or(NARROW_NONE).to_le_bytes();
                out.push(entry.source << 5 | place);
            }
        }
        out
    }

    /// # Errors
    /// [`ListError`] for bytes of another format or length.
    pub fn decode(bytes: &[u8]) -> Result<Self, ListError> {
        if let Some(found) = bytes.first().filter(|format| **format != FORMAT) {
            return Err(ListError::Format { found: *found });
        }
        decode(bytes).ok_or(ListError::Truncated { bytes: bytes.len() })
    }
}

fn decode(bytes: &[u8]) -> Option<StoredList> {
    let mut rest = bytes.get(1..)?;
    let mut list = StoredList {
        epoch: take_signed(&mut rest)?,
        revision: take_signed(&mut rest)?,
        model_version: take_unsigned(&mut rest)?,
        catalogue_offset: take_signed(&mut rest)?,
        now_ms: take_signed(&mut rest)?,
        ..StoredList::default()
    };
    debug_assert_eq!(list.as_of.len(), PARTS);
    for offset in &mut list.as_of {
        *offset = take_signed(&mut rest)?;
    }
    list.rules_version = u64::from_le_bytes(take(&mut rest)?);
    let count = usize::try_from(take_unsigned(&mut rest)?).ok()?;
    let [shape] = take(&mut rest)?;
    if WIDE_ITEMS | WIDE_TAGS < shape {
        return None;
    }
    let (number_bytes, wide_tags) = (number_bytes(shape & WIDE_ITEMS != 0), shape & WIDE_TAGS != 0);
    let proofs = usize::try_from(take_unsigned(&mut rest)?).ok()?;
    let tag_bytes = if wide_tags { 3 } else { 1 };
    // A count that no memory holds is not believed.
    let length =
        proofs.checked_mul(number_bytes)?.checked_add(count.checked_mul(number_bytes + 2 + tag_bytes)?)?;
    if rest.len() != length {
        return None;
    }
    let (proofs, rest) = rest.split_at_checked(proofs * number_bytes)?;
    let (items, rest) = rest.split_at_checked(count * number_bytes)?;
    let (scores, tags) = rest.split_at_checked(count * 2)?;
    let proofs: Vec<u32> = proofs.chunks_exact(number_bytes).map(number).collect();
    let evidence = |place: u16, none: u16| {
        if place == none { Some(NO_EVIDENCE) } else { proofs.get(usize::from(place)).copied() }
    };
    let places =
        items.chunks_exact(number_bytes).zip(scores.as_chunks::<2>().0).zip(tags.chunks_exact(tag_bytes));
    list.entries.reserve_exact(count);
    for ((item, score), tag) in places {
        let (source, evidence) = match tag {
            [source, low, high] => (*source, evidence(u16::from_le_bytes([*low, *high]), WIDE_NONE)?),
            [tag] => (tag >> 5, evidence(u16::from(tag & 31), NARROW_NONE)?),
            _ => return None,
        };
        let score = f16::from_le_bytes(*score).to_f32();
        list.entries.push(ListEntry { item: number(item), score, source, evidence });
    }
    Some(list)
}

fn number_bytes(wide: bool) -> usize {
    if wide { 4 } else { 3 }
}

/// A number of 3 or 4 bytes, little-endian.
fn number(bytes: &[u8]) -> u32 {
    bytes.iter().rev().fold(0, |sum, byte| sum << 8 | u32::from(*byte))
}

fn unsigned(out: &mut Vec<u8>, mut value: u64) {
    loop {
        let [low, ..] = value.to_le_bytes();
        value >>= 7;
        if value == 0 {
            return out.push(low & 0x7f);
        }
        out.push(low | 0x80);
    }
}

/// Small numbers of either sign become small ones.
fn signed(out: &mut Vec<u8>, value: i64) {
    unsigned(out, ((value << 1) ^ (value >> 63)).cast_unsigned());
}

fn take_unsigned(rest: &mut &[u8]) -> Option<u64> {
    let mut value = 0_u64;
    for place in 0..VARINT_BYTES_MAX {
        let [byte] = take(rest)?;
        let bits = u64::from(byte & 0x7f);
        let shifted = bits << (7 * place);
        if shifted >> (7 * place) != bits {
            return None;
        }
        value |= shifted;
        if byte < 0x80 {
            return Some(value);
        }
    }
    None
}

fn take_signed(rest: &mut &[u8]) -> Option<i64> {
    take_unsigned(rest).map(|value| (value >> 1).cast_signed() ^ -(value & 1).cast_signed())
}

fn take<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    let (head, tail) = rest.split_first_chunk::<N>()?;
    *rest = tail;
    Some(*head)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(item: u32, source: u8, evidence: u32) -> ListEntry {
        ListEntry { item, score: 0.25, source, evidence }
    }

    fn list(entries: Vec<ListEntry>) -> StoredList {
        StoredList {
            epoch: 3,
            revision: 9,
            model_version: 7,
            catalogue_offset: 600,
            rules_version: u64::MAX,
            now_ms: 1_700_000_000_000,
            as_of: [1, 2, 300, 4, 5],
            entries,
        }
    }

    #[test]
    fn round_trips_in_every_shape_and_refuses_every_cut() {
        let many = (0..100).map(|n| entry(n, 1, n)).collect();
        for (shape, entries) in [
            (0, vec![]),
            (0, vec![entry(0xff_ffff, 7, 5), entry(1, 0, NO_EVIDENCE), entry(2, 7, 5), entry(3, 1, 0)]),
            (WIDE_ITEMS, vec![entry(0x100_0000, 1, 5)]),
            (WIDE_ITEMS, vec![entry(1, 1, u32::MAX - 1)]),
            (WIDE_TAGS, vec![entry(1, 8, NO_EVIDENCE)]),
            (WIDE_TAGS, many),
            (WIDE_ITEMS | WIDE_TAGS, vec![entry(u32::MAX, 255, 0); 3]),
        ] {
            let list = list(entries);
            let bytes = list.encode();
            let decoded = StoredList::decode(&bytes).unwrap();
            assert_eq!(decoded, list, "shape {shape}");
            assert_eq!(decoded.encode(), bytes);
            for cut in 0..bytes.len() {
                assert!(StoredList::decode(&bytes[..cut]).is_err(), "shape {shape} cut at {cut}");
            }
            let longer = [bytes.as_slice(), &[0]].concat();
            assert_eq!(StoredList::decode(&longer), Err(ListError::Truncated { bytes: longer.len() }));
        }
    }

    #[test]
    fn a_place_takes_six_bytes() {
        let bytes = |n| list((0..n).map(|n| entry(n, 1, 5)).collect()).encode().len();
        assert_eq!(bytes(50) - bytes(40), 60);
        assert!(bytes(0) < 40, "{}", bytes(0));
    }

    #[test]
    fn scores_keep_half_precision() {
        for score in [0.0, -0.0, 1.0, 0.333, 1e-5, -7.25, 65_504.0, f32::INFINITY, f32::NAN] {
            let list = list(vec![ListEntry { score, ..entry(1, 1, 1) }]);
            let decoded = StoredList::decode(&list.encode()).unwrap();
            let kept = decoded.entries[0].score;
            assert!((kept - score).abs() <= score.abs() / 2_048.0 + 3e-8 || kept == score || score.is_nan());
            assert_eq!(decoded.encode(), list.encode());
        }
    }

    #[test]
    fn numbers_take_as_many_bytes_as_they_need() {
        for value in [0, 1, -1, 63, 64, -64, -65, i64::MAX, i64::MIN] {
            let mut bytes = Vec::new();
            signed(&mut bytes, value);
            assert_eq!(take_signed(&mut bytes.as_slice()), Some(value));
        }
        let mut small = Vec::new();
        signed(&mut small, -64);
        assert_eq!(small.len(), 1);
        // Eleven bytes, and more than 64 bits in ten.
        assert_eq!(take_unsigned(&mut [0xff; 11].as_slice()), None);
        let mut over = [0xff; 10];
        over[9] = 2;
        assert_eq!(take_unsigned(&mut over.as_slice()), None);
    }
}
