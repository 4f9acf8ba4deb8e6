//! Quality of the served list: what the real fold, trainer and ranker make of the first part of each user's events,
//! measured against the rest. Full catalogue, nothing sampled.

pub mod generated;
pub mod movielens;

use std::collections::HashMap;

use anyhow::Context;
use serde_json::{Value, json};
use shoptide_config::Config;
use shoptide_jobs::train::train_once;
use shoptide_live::load_version;
use shoptide_models::blend::BlendParams;
use shoptide_models::evaluate::{Mean, Quality, quality};
use shoptide_models::list::{Linked, ListParams, ListScratch, make_list};
use shoptide_schemas::{ItemId, UserId};

use crate::shop::Folded;

/// Places that count.
pub const PLACES: usize = 20;

/// What each user turned to after the cut.
pub type Targets = HashMap<UserId, Vec<ItemId>>;

/// The served blend and each of its parts alone.
pub struct Measured {
    pub users: usize,
    /// Name and quality, the served blend first.
    pub each: Vec<(&'static str, Quality)>,
}

impl Measured {
    pub fn of(&self, name: &str) -> Quality {
        self.each.iter().find(|(n, _)| *n == name).map(|(_, q)| *q).unwrap_or_default()
    }

    pub fn json(&self) -> Value {
        let one = |(name, q): &(&'static str, Quality)| {
            (
                (*name).to_owned(),
                json!({ "recall_20": q.recall, "ndcg_20": q.ndcg, "hit_rate_20": q.hit_rate }),
            )
        };
        json!({ "users": self.users, "models": self.each.iter().map(one).collect::<serde_json::Map<_, _>>() })
    }
}

/// Trains on what was folded and ranks for every user with targets.
///
/// # Errors
/// If training fails or a stored part is damaged.
pub async fn measure(folded: &Folded, config: &Config, targets: &Targets) -> anyhow::Result<Measured> {
    let opened = folded.open(config).await?;
    let trained = train_once(&opened.context).await?;
    let context = &opened.context;
    // What is ranked with is what was published: through the file, as a server reads it.
    let model = load_version(&*context.truth, &context.files, trained.model.version(), None).await?;
    let linked = Linked::new(Some(model), context.live.catalogue(), None);
    let users = opened.users().await?;
    let served = config.list_params();
    let alone = |f, i, p| -> anyhow::Result<ListParams> {
        let blend = BlendParams::new(f, i, p, 0.0)?;
        let places = f64::from(served.blend.recency_places());
        Ok(ListParams {
            blend: if places.is_finite() { blend.with_recency(places)? } else { blend },
            ..served.clone()
        })
    };
    let lists = [
        ("served", served.clone()),
        ("popularity", alone(0.0, 0.0, 1.0)?),
        ("item_item", alone(0.0, 1.0, 0.0)?),
        ("factors", alone(1.0, 0.0, 0.0)?),
    ];
    let mut measured = Measured { users: 0, each: Vec::new() };
    for (name, params) in lists {
        let (mut scratch, mut mean) = (ListScratch::default(), Mean::default());
        for (user, state) in &users {
            let Some(wanted) = targets.get(user) else { continue };
            // An item that nobody touched before the cut has no number in any list; it counts as missed.
            let number = |item: &ItemId| linked.catalogue().number(item);
            let wanted: Vec<u32> = wanted.iter().filter_map(number).collect();
            let list = make_list(state, &linked, &params, &mut scratch);
            let ranked: Vec<u32> = list.iter().map(|e| e.item).collect();
            mean.add(quality(&ranked, &wanted, PLACES));
        }
        measured.users = mean.n();
        measured.each.push((name, mean.get()));
    }
    opened.close().await;
    Ok(measured)
}

/// The yardsticks as others know them: popularity without decay, item cosine without order, no diversity.
///
/// # Errors
/// As [`measure`].
pub async fn plain(folded: &Folded, set: &[String], targets: &Targets) -> anyhow::Result<Measured> {
    let mut set = set.to_vec();
    let keys = [
        "item_item.far_weight=1",
        "blend.recency_places=1000000",
        "popularity.half_life_days=36500",
        "mmr.lambda=1",
    ];
    set.extend(keys.map(str::to_owned));
    measure(folded, &crate::shop::config(&set)?, targets).await
}

/// An item's row with nothing but its id for a title, as an import without a catalogue makes it.
pub fn bare_item(item: &str, at_ms: i64) -> shoptide_schemas::catalogue::WireCatalogue {
    shoptide_schemas::catalogue::WireCatalogue {
        event_id: Some(format!("item:{item}")),
        event_type: Some("item_upsert".to_owned()),
        item_id: Some(item.to_owned()),
        occurred_at: Some(shoptide_schemas::wire::WireTime::Ms(at_ms)),
        title: Some(item.to_owned()),
        ..Default::default()
    }
}

/// Ids of the wire.
///
/// # Errors
/// For an id that the border refuses.
pub fn ids(user: &str, item: &str) -> anyhow::Result<(UserId, ItemId)> {
    let user = UserId::parse(user).ok().context("a user id that the border refuses")?;
    Ok((user, ItemId::parse(item).ok().context("an item id that the border refuses")?))
}
