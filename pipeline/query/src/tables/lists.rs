//! `lists`: every place of every stored list.

use std::sync::{Arc, OnceLock};

use async_trait::async_trait;
use shoptide_models::blend::Source;
use shoptide_schemas::{StoredList, UserId};
use shoptide_store::Truth;

use super::column::{self, Column};
use super::{Pages, Wanted};
use crate::error::QueryError;

/// Catalogue rows asked for at once while the ids of all items are read.
const ITEMS_PAGE: usize = 4096;

/// One place of one list.
pub struct Place {
    /// Of the list.
    head: Arc<Head>,
    place: u32,
    item: u32,
    score: f32,
    source: Source,
    evidence: Option<u32>,
    ids: Arc<ItemIds>,
}

struct Head {
    shard: u32,
    user: UserId,
    revision: i64,
    model_version: u64,
    catalogue_offset: i64,
    rules_version: u64,
    now_ms: i64,
}

/// Ids of all items by number, one after the other: what they take is their bytes and four more each, as in every process that
/// makes lists.
#[derive(Default)]
struct ItemIds {
    bytes: Vec<u8>,
    /// Where each begins; one more for the end.
    starts: Vec<usize>,
}

impl ItemIds {
    fn get(&self, number: u32) -> Option<&[u8]> {
        let (from, to) = (self.starts.get(number as usize)?, self.starts.get(number as usize + 1)?);
        self.bytes.get(*from..*to)
    }
}

pub struct Lists {
    truth: Arc<dyn Truth>,
    ids: OnceLock<Arc<ItemIds>>,
}

impl Lists {
    pub fn new(truth: Arc<dyn Truth>) -> Self {
        Self { truth, ids: OnceLock::new() }
    }

    /// Read at most once a session; an item that came later is shown by its number alone.
    async fn ids(&self) -> Result<Arc<ItemIds>, QueryError> {
        if let Some(ids) = self.ids.get() {
            return Ok(ids.clone());
        }
        let (mut ids, mut after) = (ItemIds { starts: vec![0], ..ItemIds::default() }, None);
        loop {
            let page = self.truth.items_after(after, ITEMS_PAGE).await?;
            for row in &page {
                // Numbers have no gaps; were there one, what is missing has no bytes.
                while ids.starts.len() <= row.num as usize {
                    ids.starts.push(ids.bytes.len());
                }
                ids.bytes.extend(row.item.as_bytes());
                ids.starts.push(ids.bytes.len());
            }
            match page.last() {
                Some(last) if page.len() == ITEMS_PAGE => after = Some(last.num),
                _ => break,
            }
        }
        Ok(self.ids.get_or_init(|| Arc::new(ids)).clone())
    }

    fn places(ids: &Arc<ItemIds>, shard: u32, user: UserId, data: &[u8]) -> Result<Vec<Place>, QueryError> {
        let list = StoredList::decode(data).map_err(|error| QueryError::Stored {
            what: "a stored list".to_owned(),
            reason: error.to_string(),
        })?;
        let head = Arc::new(Head {
            shard,
            user,
            revision: list.revision,
            model_version: list.model_version,
            catalogue_offset: list.catalogue_offset,
            rules_version: list.rules_version,
            now_ms: list.now_ms,
        });
        let place = |(place, entry): (usize, &shoptide_schemas::ListEntry)| Place {
            head: head.clone(),
            place: u32::try_from(place + 1).unwrap_or(u32::MAX),
            item: entry.item,
            score: entry.score,
            source: Source::from_code(entry.source),
            evidence: Some(entry.evidence).filter(|number| *number != u32::MAX),
            ids: ids.clone(),
        };
        Ok(list.entries.iter().enumerate().map(place).collect())
    }
}

#[async_trait]
impl Pages for Lists {
    type Row = Place;
    type Place = (u32, UserId);

    /// Lists, of up to 500 places each.
    const ROWS: usize = 64;
    const BY_USER: bool = true;

    fn columns() -> Vec<Column<Place>> {
        vec![
            column::uint32("partition", |p: &Place| Some(p.head.shard)),
            column::id("user_id", |p: &Place| Some(p.head.user.as_bytes())),
            column::uint32("place", |p: &Place| Some(p.place)),
            column::id("item_id", |p: &Place| p.ids.get(p.item)),
            column::uint32("item_number", |p: &Place| Some(p.item)),
            column::float("score", |p: &Place| Some(p.score)),
            column::text("source", |p: &Place| Some(p.source.as_str())),
            column::id("evidence_item_id", |p: &Place| p.evidence.and_then(|number| p.ids.get(number))),
            column::uint64("model_version", |p: &Place| Some(p.head.model_version)),
            column::int("revision", |p: &Place| Some(p.head.revision)),
            column::int("catalogue_offset", |p: &Place| Some(p.head.catalogue_offset)),
            column::uint64("rules_version", |p: &Place| Some(p.head.rules_version)),
            column::moment("made_for", |p: &Place| Some(p.head.now_ms)),
        ]
    }

    async fn page(
        &self,
        place: Option<Self::Place>,
        lists: usize,
        wanted: &Wanted,
    ) -> Result<(Vec<Place>, Option<Self::Place>), QueryError> {
        let ids = self.ids().await?;
        let mut out = Vec::new();
        if let Some(user) = &wanted.user {
            for (shard, row) in super::profiles::of_user(&*self.truth, user).await? {
                if let Some(data) = row.list {
                    out.extend(Self::places(&ids, shard, row.user, &data)?);
                }
            }
            return Ok((out, None));
        }
        let found = self.truth.stored_lists_after(place, lists).await?;
        let next = match found.last() {
            Some((shard, user, _)) if found.len() == lists => Some((*shard, user.clone())),
            _ => None,
        };
        for (shard, user, data) in found {
            out.extend(Self::places(&ids, shard, user, &data)?);
        }
        Ok((out, next))
    }
}
