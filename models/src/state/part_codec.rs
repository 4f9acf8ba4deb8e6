//! A part as bytes at rest.

use shoptide_schemas::{Currency, ItemId, UserId};

use super::act::Act;
use super::part::{ActCount, ItemEntry, Part, Query, Spend};
use crate::codec::{CodecError, Reader, Writer};

const FORMAT: u8 = 1;
const WHAT: &str = "a user's part";

impl Part {
    /// The canonical bytes: equal parts give equal bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Writer::with_format(FORMAT);
        out.int(self.last_ms);
        out.uint(self.recent.len() as u64);
        self.recent.iter().for_each(|key| out.fixed(*key));
        out.uint(self.items.len() as u64);
        for entry in &self.items {
            out.bytes(entry.item.as_bytes());
            out.int(entry.last_ms);
            out.uint(u64::from(entry.last_act.0));
            out.int(entry.last_off);
            out.uint(entry.rating.map_or(0, |r| u64::from(r) + 1));
            out.optional(entry.thread.as_ref().map(String::as_bytes));
            out.uint(entry.acts.len() as u64);
            for act in &entry.acts {
                out.uint(u64::from(act.act.0));
                out.uint(u64::from(act.day));
                out.uint(u64::from(act.n));
            }
        }
        out.uint(self.spend.len() as u64);
        for spend in &self.spend {
            out.uint(u64::from(spend.month));
            out.bytes(&spend.currency.0);
            out.int(spend.micros);
        }
        out.uint(self.queries.len() as u64);
        for query in &self.queries {
            out.int(query.at_ms);
            out.bytes(query.text.as_bytes());
        }
        out.optional(self.forward.as_ref().map(UserId::as_bytes));
        out.finish()
    }

    /// # Errors
    /// [`CodecError`] for bytes of another format, cut short, or with something left over.
    pub fn decode(bytes: &[u8]) -> Result<Part, CodecError> {
        let mut from = Reader::new(WHAT, bytes, FORMAT)?;
        let mut part = Part { last_ms: from.int()?, ..Part::default() };
        for _ in 0..from.count()? {
            part.recent.push_back(from.fixed()?);
        }
        let items = from.count()?;
        part.items.reserve_exact(items);
        for _ in 0..items {
            part.items.push(item_entry(&mut from)?);
        }
        for _ in 0..from.count()? {
            let month = from.u32()?;
            let currency = from.bytes()?.try_into().map(Currency).map_err(|_| from.damaged())?;
            part.spend.push(Spend { month, currency, micros: from.int()? });
        }
        for _ in 0..from.count()? {
            part.queries.push(Query { at_ms: from.int()?, text: from.text()? });
        }
        part.forward = from.optional()?.map(UserId::from_trusted);
        from.finish()?;
        Ok(part)
    }
}

fn item_entry(from: &mut Reader<'_>) -> Result<ItemEntry, CodecError> {
    let item = ItemId::from_trusted(from.bytes()?);
    let last_ms = from.int()?;
    let last_act = Act(from.u8()?);
    let last_off = from.int()?;
    let rating = match from.uint()? {
        0 => None,
        r => Some(u16::try_from(r - 1).map_err(|_| from.damaged())?),
    };
    let thread = match from.optional()? {
        Some(bytes) => Some(String::from_utf8(bytes.to_vec()).map_err(|_| from.damaged())?),
        None => None,
    };
    let count = from.count()?;
    let mut acts = Vec::with_capacity(count);
    for _ in 0..count {
        acts.push(ActCount { act: Act(from.u8()?), day: from.u32()?, n: from.u32()? });
    }
    Ok(ItemEntry { item, last_ms, last_act, last_off, rating, thread, acts })
}
