//! `profiles`: what is known of each user, summed up.

use std::collections::BTreeSet;
use std::sync::Arc;

use arrow_array::ArrayRef;
use arrow_array::builder::{BinaryViewBuilder, Float32Builder, ListBuilder, StructBuilder};
use arrow_schema::{DataType, Field, Fields};
use async_trait::async_trait;
use shoptide_models::state::{Act, Part, TasteParams, UserState};
use shoptide_schemas::{Currency, ItemId, UserId};
use shoptide_store::{Truth, UserRow};

use super::column::{self, Column};
use super::{Pages, Wanted};
use crate::error::QueryError;

/// Strongest tastes that a row shows.
const TASTES_MAX: usize = 10;

/// One user.
pub struct Profile {
    shard: u32,
    user: UserId,
    last_ms: Option<i64>,
    /// Of what his parts still hold, by act code.
    acts: [u64; 128],
    items: u64,
    spent_micros: i64,
    tastes: Vec<(ItemId, f32)>,
    queries: Vec<String>,
    known_as: Option<UserId>,
    erased: bool,
    segment: Option<String>,
}

pub struct Profiles {
    pub truth: Arc<dyn Truth>,
    pub tastes: TasteParams,
    pub currency: Currency,
}

/// A user's rows, of whichever shards hold any.
pub(super) async fn of_user(truth: &dyn Truth, user: &UserId) -> Result<Vec<(u32, UserRow)>, QueryError> {
    let shards: BTreeSet<u32> = truth.offsets().await?.iter().map(|row| row.shard).collect();
    let mut found = Vec::new();
    for shard in shards {
        for row in truth.users(shard, std::slice::from_ref(user)).await? {
            if row.list.is_some() || row.parts.iter().any(Option::is_some) {
                found.push((shard, row));
            }
        }
    }
    Ok(found)
}

impl Profiles {
    fn profile(&self, shard: u32, row: UserRow, segment: Option<String>) -> Result<Profile, QueryError> {
        let mut state = UserState::default();
        for (part, stored) in state.parts.iter_mut().zip(&row.parts) {
            if let Some((_, bytes)) = stored {
                *part = Part::decode(bytes).map_err(|error| QueryError::Stored {
                    what: "what is stored of a user".to_owned(),
                    reason: error.to_string(),
                })?;
            }
        }
        let mut acts = [0; 128];
        let entries = state.parts.iter().flat_map(|part| &part.items);
        for count in entries.clone().flat_map(|entry| &entry.acts) {
            if let Some(sum) = acts.get_mut(usize::from(count.act.0)) {
                *sum += u64::from(count.n);
            }
        }
        let items: BTreeSet<&ItemId> = entries.map(|entry| &entry.item).collect();
        let spends = state.parts.iter().flat_map(|part| &part.spend);
        let spent_micros = spends.filter(|s| s.currency == self.currency).map(|s| s.micros).sum();
        let mut tastes: Vec<(ItemId, f32)> = state
            .tastes(&self.tastes)
            .items
            .iter()
            .filter(|taste| 0.0 < taste.strength)
            .map(|taste| (taste.item.clone(), taste.strength))
            .collect();
        tastes.sort_by(|a, b| b.1.total_cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
        tastes.truncate(TASTES_MAX);
        let queries = state.parts.iter().flat_map(|part| &part.queries).map(|q| q.text.clone()).collect();
        Ok(Profile {
            shard,
            last_ms: state.last_ms(),
            acts,
            items: items.len() as u64,
            spent_micros,
            tastes,
            queries,
            known_as: state.forward().cloned(),
            erased: row.erased.iter().any(Option::is_some),
            segment,
            user: row.user,
        })
    }

    /// The rows of a shard, each with the user's segment.
    async fn profiles(
        &self,
        shard: u32,
        rows: Vec<UserRow>,
        out: &mut Vec<Profile>,
    ) -> Result<(), QueryError> {
        let users: Vec<UserId> = rows.iter().map(|row| row.user.clone()).collect();
        let numbers = self.truth.user_segments(shard, &users).await?;
        let segments = match numbers.iter().any(Option::is_some) {
            // Some tens of them, read again with each page: the run that counts may change meanwhile.
            true => self.truth.segments(None).await?.map(|(_, rows)| rows).unwrap_or_default(),
            false => Vec::new(),
        };
        for (row, number) in rows.into_iter().zip(numbers) {
            let segment = segments.iter().find(|segment| Some(segment.segment) == number);
            out.push(self.profile(shard, row, segment.map(|segment| segment.name.clone()))?);
        }
        Ok(())
    }
}

impl Profile {
    fn count(&self, act: Act) -> u64 {
        self.acts.get(usize::from(act.0)).copied().unwrap_or(0)
    }
}

fn taste_fields() -> Fields {
    let (item, strength) = (DataType::BinaryView, DataType::Float32);
    Fields::from(vec![Field::new("item_id", item, true), Field::new("strength", strength, true)])
}

fn tastes(rows: &[Profile]) -> ArrayRef {
    let (items, strengths) = (BinaryViewBuilder::new(), Float32Builder::new());
    let row = StructBuilder::new(taste_fields(), vec![Box::new(items), Box::new(strengths)]);
    let mut out =
        ListBuilder::new(row).with_field(Field::new_list_field(DataType::Struct(taste_fields()), true));
    for profile in rows {
        for (item, strength) in &profile.tastes {
            let row = out.values();
            if let Some(items) = row.field_builder::<BinaryViewBuilder>(0) {
                items.append_value(item.as_bytes());
            }
            if let Some(strengths) = row.field_builder::<Float32Builder>(1) {
                strengths.append_value(*strength);
            }
            row.append(true);
        }
        out.append(true);
    }
    Arc::new(out.finish())
}

#[async_trait]
impl Pages for Profiles {
    type Row = Profile;
    type Place = (u32, UserId);

    /// Users, of up to some 50 KiB each.
    const ROWS: usize = 256;
    const BY_USER: bool = true;

    fn columns() -> Vec<Column<Profile>> {
        let act = |name: &str, act: Act| column::uint64(name, move |p: &Profile| Some(p.count(act)));
        let list = Field::new_list_field(DataType::Struct(taste_fields()), true);
        vec![
            column::uint32("partition", |p: &Profile| Some(p.shard)),
            column::id("user_id", |p: &Profile| Some(p.user.as_bytes())),
            column::moment("last_at", |p: &Profile| p.last_ms),
            column::uint64("acts", |p: &Profile| Some(p.acts.iter().sum())),
            column::uint64("items", |p: &Profile| Some(p.items)),
            act("views", Act::VIEW),
            act("carts", Act::CART_ADD),
            act("purchases", Act::PURCHASE),
            act("refunds", Act::REFUND),
            act("ratings", Act::RATE),
            column::int("spent_micros", |p: &Profile| Some(p.spent_micros)),
            column::text("segment", |p: &Profile| p.segment.as_deref()),
            column::column("tastes", DataType::List(Arc::new(list)), tastes),
            column::texts("queries", |p: &Profile| p.queries.iter().map(String::as_str).collect()),
            column::id("known_as", |p: &Profile| p.known_as.as_ref().map(UserId::as_bytes)),
            column::flag("erased", |p: &Profile| Some(p.erased)),
        ]
    }

    async fn page(
        &self,
        place: Option<Self::Place>,
        rows: usize,
        wanted: &Wanted,
    ) -> Result<(Vec<Profile>, Option<Self::Place>), QueryError> {
        if let Some(user) = &wanted.user {
            let mut out = Vec::new();
            for (shard, row) in of_user(&*self.truth, user).await? {
                self.profiles(shard, vec![row], &mut out).await?;
            }
            return Ok((out, None));
        }
        let users = self.truth.users_after(place, rows).await?;
        let next = if users.len() < rows { None } else { users.last().cloned() };
        let mut out = Vec::with_capacity(users.len());
        for of_shard in users.chunk_by(|a, b| a.0 == b.0) {
            let Some((shard, _)) = of_shard.first() else { continue };
            let ids: Vec<UserId> = of_shard.iter().map(|(_, user)| user.clone()).collect();
            self.profiles(*shard, self.truth.users(*shard, &ids).await?, &mut out).await?;
        }
        Ok((out, next))
    }
}
