//! Bytes of users that wait, many to a segment. Each of a shard's fifty thousand users is packed and opened again and again, and grows meanwhile: in
//! blocks of an allocator's own sizes that leaves holes of nearly the size of what is held. Here the holes are counted, and closed: records are
//! appended, what was taken out is dead, and the segment with the most of that is copied into the last one and given back.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};

use shoptide_schemas::UserId;

/// Bytes of a segment, some thousand users: given back to the system as a whole. A user who needs more has one of his own.
const SEGMENT_BYTES: usize = 1 << 20;
/// Of all bytes of segments, the share that may be dead, as its inverse: a copied byte frees about a third of itself.
pub(super) const DEAD_SHARE: usize = 8;
/// What a user takes in the map, with its share of empty places.
const SLOT_BYTES: usize = 72;
/// Before an id and its bytes: the length of each.
const HEAD_BYTES: usize = 8;

/// What is known of a packed user without opening him.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Meta {
    /// When he was touched last.
    pub tick: u64,
    /// Of his list: looked at for every user after each training.
    pub revision: i64,
    pub model_version: u64,
}

#[derive(Debug, Clone, Copy)]
struct Slot {
    segment: u32,
    at: u32,
    meta: Meta,
}

#[derive(Default)]
struct Segment {
    bytes: Vec<u8>,
    dead: usize,
}

/// A record of a segment.
struct Record<'a> {
    id: &'a [u8],
    packed: &'a [u8],
}

impl Record<'_> {
    fn weight(&self) -> usize {
        HEAD_BYTES + self.id.len() + self.packed.len()
    }
}

impl Segment {
    fn record(&self, at: usize) -> Option<Record<'_>> {
        let rest = self.bytes.get(at..)?;
        let (head, rest) = rest.split_first_chunk::<HEAD_BYTES>()?;
        let [a, b, c, d, e, f, g, h] = *head;
        let id_len = u32::from_le_bytes([a, b, c, d]) as usize;
        let (id, rest) = rest.split_at_checked(id_len)?;
        let packed = rest.get(..u32::from_le_bytes([e, f, g, h]) as usize)?;
        Some(Record { id, packed })
    }

    fn has_room(&self, weight: usize) -> bool {
        self.bytes.len() + weight <= self.bytes.capacity()
    }
}

#[derive(Default)]
pub(super) struct PackedUsers {
    /// By the id's hash. Of two ids of one hash the later one is held, the other is asked of the truth.
    slots: HashMap<u64, Slot>,
    hasher: RandomState,
    /// A place that was given back is empty, without capacity.
    segments: Vec<Segment>,
    /// Where records are appended.
    last: usize,
    /// Of the segments: of records, dead ones with them, and of those alone.
    held: usize,
    dead: usize,
}

impl PackedUsers {
    pub fn len(&self) -> usize {
        self.slots.len()
    }

    /// Bytes of the users that are held, the map's with them. Memory is at most a seventh more, as an eighth of all may be dead, and one segment.
    pub fn live_bytes(&self) -> usize {
        self.held - self.dead + self.slots.len() * SLOT_BYTES
    }

    pub fn meta(&self, id: &UserId) -> Option<Meta> {
        let (_, slot, _) = self.find(id)?;
        Some(slot.meta)
    }

    fn find(&self, id: &UserId) -> Option<(u64, Slot, Record<'_>)> {
        let hash = self.hasher.hash_one(id.as_bytes());
        let slot = *self.slots.get(&hash)?;
        let record = self.record(slot)?;
        (record.id == id.as_bytes()).then_some((hash, slot, record))
    }

    fn record(&self, slot: Slot) -> Option<Record<'_>> {
        self.segments.get(slot.segment as usize)?.record(slot.at as usize)
    }

    /// Takes a user out, through `open`.
    pub fn take<T>(&mut self, id: &UserId, open: impl FnOnce(Meta, &[u8]) -> T) -> Option<T> {
        let (hash, slot, record) = self.find(id)?;
        let (opened, weight) = (open(slot.meta, record.packed), record.weight());
        self.slots.remove(&hash);
        self.died(slot, weight);
        Some(opened)
    }

    /// Puts a user in.
    pub fn put(&mut self, id: &UserId, meta: Meta, packed: &[u8]) {
        let hash = self.hasher.hash_one(id.as_bytes());
        let record = Record { id: id.as_bytes(), packed };
        let Some((segment, at)) = append(&mut self.segments, &mut self.last, &record) else { return };
        self.held += record.weight();
        if let Some(before) = self.slots.insert(hash, Slot { segment, at, meta })
            && let Some(weight) = self.record(before).map(|record| record.weight())
        {
            self.died(before, weight);
        }
    }

    fn died(&mut self, slot: Slot, weight: usize) {
        if let Some(segment) = self.segments.get_mut(slot.segment as usize) {
            segment.dead += weight;
            self.dead += weight;
        }
    }

    /// When each was touched last.
    pub fn ticks(&self) -> impl Iterator<Item = u64> {
        self.slots.values().map(|slot| slot.meta.tick)
    }

    /// All of them.
    pub fn ids(&self) -> impl Iterator<Item = (UserId, u64)> {
        self.slots.values().filter_map(|slot| {
            let record = self.record(*slot)?;
            Some((UserId::from_trusted(record.id), slot.meta.tick))
        })
    }

    /// Lets go of those whom nothing touched after `tick`.
    pub fn let_go(&mut self, tick: u64) {
        let gone: Vec<Slot> =
            self.slots.extract_if(|_, slot| slot.meta.tick <= tick).map(|(_, slot)| slot).collect();
        for slot in gone {
            if let Some(weight) = self.record(slot).map(|record| record.weight()) {
                self.died(slot, weight);
            }
        }
    }

    /// Closes holes until they are a small share of all.
    pub fn compact(&mut self) {
        while SEGMENT_BYTES < self.dead && self.held < self.dead * DEAD_SHARE {
            let fullest = self.segments.iter().enumerate().max_by_key(|(_, segment)| segment.dead);
            let Some((number, _)) = fullest else { return };
            self.rewrite(number);
        }
    }

    /// Copies what lives in a segment to the last one. That may get the same number; but a copy never stands behind the place of its record, which has been
    /// passed, so that no dead record is taken for one that lives.
    fn rewrite(&mut self, number: usize) {
        let Some(segment) = self.segments.get_mut(number).map(std::mem::take) else { return };
        self.held -= segment.bytes.len();
        self.dead -= segment.dead;
        let mut at = 0;
        while let Some(record) = segment.record(at) {
            let here = |slot: &&mut Slot| (slot.segment as usize, slot.at as usize) == (number, at);
            if let Some(slot) = self.slots.get_mut(&self.hasher.hash_one(record.id)).filter(here)
                && let Some((segment, at)) = append(&mut self.segments, &mut self.last, &record)
            {
                (slot.segment, slot.at) = (segment, at);
                self.held += record.weight();
            }
            at += record.weight();
        }
    }
}

/// Where a record went. `None` if it has no place in 32 bits: it is not held.
fn append(segments: &mut Vec<Segment>, last: &mut usize, record: &Record<'_>) -> Option<(u32, u32)> {
    let lens = [u32::try_from(record.id.len()).ok()?, u32::try_from(record.packed.len()).ok()?];
    if segments.get(*last).is_none_or(|segment| !segment.has_room(record.weight())) {
        let bytes = Vec::with_capacity(SEGMENT_BYTES.max(record.weight()));
        let empty = segments.iter().position(|segment| segment.bytes.capacity() == 0);
        *last = empty.unwrap_or(segments.len());
        match segments.get_mut(*last) {
            Some(segment) => *segment = Segment { bytes, dead: 0 },
            None => segments.push(Segment { bytes, dead: 0 }),
        }
    }
    let segment = segments.get_mut(*last)?;
    let at = u32::try_from(segment.bytes.len()).ok()?;
    lens.into_iter().for_each(|len| segment.bytes.extend_from_slice(&len.to_le_bytes()));
    segment.bytes.extend_from_slice(record.id);
    segment.bytes.extend_from_slice(record.packed);
    Some((u32::try_from(*last).ok()?, at))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn id(n: u64) -> UserId {
        UserId::from_trusted(format!("u{n}").as_bytes())
    }

    fn meta(tick: u64) -> Meta {
        Meta { tick, revision: -3, model_version: tick + 1 }
    }

    /// Capacity of all segments: what the system gave.
    fn capacity(users: &PackedUsers) -> usize {
        users.segments.iter().map(|segment| segment.bytes.capacity()).sum()
    }

    #[test]
    fn what_was_put_in_comes_out_whatever_came_between() {
        // xorshift, seed 42.
        let mut dice = 42_u64;
        let mut roll = move |n: u64| {
            dice ^= dice << 13;
            dice ^= dice >> 7;
            dice ^= dice << 17;
            dice % n
        };
        let (mut users, mut model) = (PackedUsers::default(), BTreeMap::new());
        for tick in 0..60_000 {
            let n = roll(3_000);
            if roll(3) == 0 {
                let taken = users.take(&id(n), |meta, bytes| (meta, bytes.to_vec()));
                assert_eq!(taken, model.remove(&n));
            } else {
                let long = if roll(20_000) == 0 { 3 * SEGMENT_BYTES } else { roll(2_000) as usize };
                let bytes = vec![n as u8; long];
                users.put(&id(n), meta(tick), &bytes);
                model.insert(n, (meta(tick), bytes));
            }
            if tick % 64 == 0 {
                users.compact();
                let live: usize = model
                    .iter()
                    .map(|(n, (_, bytes))| HEAD_BYTES + id(*n).as_bytes().len() + bytes.len())
                    .sum();
                assert_eq!(users.live_bytes(), live + model.len() * SLOT_BYTES);
                assert_eq!(users.held, users.segments.iter().map(|s| s.bytes.len()).sum::<usize>());
                assert_eq!(users.dead, users.segments.iter().map(|s| s.dead).sum::<usize>());
                // An eighth dead, what a segment lost at its end, the segment that is written, and those that came too late to be closed.
                assert!(
                    capacity(&users) <= live * DEAD_SHARE / (DEAD_SHARE - 1) * 101 / 100 + 5 * SEGMENT_BYTES
                );
            }
            if tick == 40_000 {
                users.let_go(30_000);
                model.retain(|_, (meta, _)| 30_000 < meta.tick);
            }
        }
        assert!(1_000 < model.len() && users.len() == model.len());
        let ids: BTreeMap<UserId, u64> = users.ids().collect();
        assert_eq!(ids, model.iter().map(|(n, (meta, _))| (id(*n), meta.tick)).collect());
        for (n, (meta, bytes)) in model {
            assert_eq!(users.meta(&id(n)), Some(meta));
            assert_eq!(users.take(&id(n), |meta, bytes| (meta, bytes.to_vec())), Some((meta, bytes)));
            assert_eq!(users.meta(&id(n)), None);
        }
        users.compact();
        assert_eq!((users.live_bytes(), users.len()), (0, 0));
        assert!(capacity(&users) <= 8 * SEGMENT_BYTES, "{}", capacity(&users));
    }
}
