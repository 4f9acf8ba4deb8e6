//! What users' acts say of items: what is bought together, and where it is talked of. Counts of users' baskets and of users,
//! never who they were; what only one basket says is not kept.

use std::collections::BTreeMap;

use shoptide_schemas::ItemId;

use crate::codec::{CodecError, Reader, Writer};

const FORMAT: u8 = 1;
const WHAT: &str = "the links of an item";

/// Items kept for one: as many as a page shows beside it.
pub const LINKS_MAX: usize = 20;
/// Threads kept for one item.
pub const THREADS_MAX: usize = 10;
/// Baskets that must say it: of one basket it would be known whose it is.
pub const TOGETHER_MIN: u32 = 2;
/// Items of one basket that are looked at: in a larger one things stand together by chance.
pub const BASKET_ITEMS_MAX: usize = 30;
/// Pairs counted, 8 bytes each. Baskets beyond are passed over.
pub const PAIRS_MAX: usize = 8_000_000;

/// Of one item.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ItemLinks {
    /// With in how many baskets, most first.
    pub bought_with: Vec<(ItemId, u32)>,
    /// With how many users who wrote there of it, most first.
    pub threads: Vec<(String, u32)>,
}

impl ItemLinks {
    pub fn is_empty(&self) -> bool {
        self.bought_with.is_empty() && self.threads.is_empty()
    }

    /// The canonical bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Writer::with_format(FORMAT);
        out.uint(self.bought_with.len() as u64);
        for (item, baskets) in &self.bought_with {
            out.bytes(item.as_bytes());
            out.uint(u64::from(*baskets));
        }
        out.uint(self.threads.len() as u64);
        for (thread, users) in &self.threads {
            out.bytes(thread.as_bytes());
            out.uint(u64::from(*users));
        }
        out.finish()
    }

    /// # Errors
    /// [`CodecError`] for bytes of another format, cut short, or with something left over.
    pub fn decode(bytes: &[u8]) -> Result<Self, CodecError> {
        let mut from = Reader::new(WHAT, bytes, FORMAT)?;
        let mut links = Self::default();
        for _ in 0..from.count()? {
            let item = ItemId::from_trusted(from.bytes()?);
            links.bought_with.push((item, from.u32()?));
        }
        for _ in 0..from.count()? {
            let thread = from.text()?;
            links.threads.push((thread, from.u32()?));
        }
        from.finish()?;
        Ok(links)
    }
}

/// Counts in how many baskets two items stand together.
/// - `baskets`: items by number, each basket in any order
/// - returns by item its at most [`LINKS_MAX`] others with at least [`TOGETHER_MIN`] baskets, most first, of equals the smaller
///   number first
///
/// ```
/// let baskets = [vec![1, 2], vec![2, 1, 3], vec![3, 1, 2]];
/// let counted = shoptide_models::knowledge::bought_with(baskets.into_iter());
/// assert_eq!(counted[&1], [(2, 3), (3, 2)]);
/// ```
pub fn bought_with(baskets: impl Iterator<Item = Vec<u32>>) -> BTreeMap<u32, Vec<(u32, u32)>> {
    let mut pairs: Vec<(u32, u32)> = Vec::new();
    for mut basket in baskets {
        basket.sort_unstable();
        basket.dedup();
        if BASKET_ITEMS_MAX < basket.len() || PAIRS_MAX < pairs.len() + basket.len() * basket.len() {
            continue;
        }
        for one in &basket {
            pairs.extend(basket.iter().filter(|other| *other != one).map(|other| (*one, *other)));
        }
    }
    pairs.sort_unstable();
    let mut counted: BTreeMap<u32, Vec<(u32, u32)>> = BTreeMap::new();
    for run in pairs.chunk_by(|a, b| a == b) {
        let Some((one, other)) = run.first() else { continue };
        let baskets = u32::try_from(run.len()).unwrap_or(u32::MAX);
        if TOGETHER_MIN <= baskets {
            counted.entry(*one).or_default().push((*other, baskets));
        }
    }
    for others in counted.values_mut() {
        others.sort_by_key(|(other, baskets)| (std::cmp::Reverse(*baskets), *other));
        others.truncate(LINKS_MAX);
    }
    counted
}

/// Counts in which threads users wrote of an item: `(item, thread)`, once for each user who did.
///
/// Returns by item its at most [`THREADS_MAX`] threads, those of most users first.
pub fn discussed_in<'a>(posts: impl Iterator<Item = (u32, &'a str)>) -> BTreeMap<u32, Vec<(&'a str, u32)>> {
    let mut counts: BTreeMap<(u32, &str), u32> = BTreeMap::new();
    posts.for_each(|post| *counts.entry(post).or_default() += 1);
    let mut by_item: BTreeMap<u32, Vec<(&str, u32)>> = BTreeMap::new();
    for ((item, thread), users) in counts {
        by_item.entry(item).or_default().push((thread, users));
    }
    for threads in by_item.values_mut() {
        threads.sort_by_key(|(thread, users)| (std::cmp::Reverse(*users), *thread));
        threads.truncate(THREADS_MAX);
    }
    by_item
}
