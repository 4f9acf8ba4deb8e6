//! The generated shop: the last fifth of its events, by the order in which they were sent, is hidden; items that a user
//! first turns to there are the targets.

use std::collections::HashSet;

use serde_json::json;
use shoptide_jobs::import::Outgoing;
use shoptide_jobs::shop::Shop;
use shoptide_jobs::train::{Tables, held_out};
use shoptide_models::evaluate::Quality;
use shoptide_schemas::wire::WireEvent;

use super::movielens::beside;
use super::{Targets, ids, measure, plain};
use crate::figure::{Figure, Row};
use crate::shop::{Folded, config, everything, generated};

/// The seed of `shoptide demo`.
pub const SEED: u64 = 7;
const USERS: u64 = 1_000;
const ITEMS: u64 = 600;
const EVENTS: u64 = 50_000;
const TRAIN_SHARE: f64 = 0.8;
/// What "well above" is taken to mean; item-item alone here has the order of visits as well, so a tenth is much.
const WELL_ABOVE: f64 = 1.1;
/// What a shop wants to have foreseen.
const WANTED: [&str; 4] = ["view_item", "add_to_cart", "add_to_wishlist", "purchase"];

/// # Errors
/// If training fails.
pub async fn row(set: &[String]) -> anyhow::Result<Row> {
    let config = config(set)?;
    let shop = generated(SEED, USERS, ITEMS, EVENTS)?;
    let (folded, targets) = split(&shop, 1.0).await?;
    let m = measure(&folded, &config, &targets).await?;
    let plain = plain(&folded, set, &targets).await?;
    // What the demo and `shoptide jobs evaluate` print, on all events.
    let whole = Folded::of(everything(&shop), 4).await?;
    let opened = whole.open(&config).await?;
    let mut tables = Tables::default();
    tables.advance(&*opened.context.truth).await?;
    let held = held_out(&tables, &opened.context.params)?;
    opened.close().await;
    let (q, p, i) = (m.of("served"), m.of("popularity"), m.of("item_item"));
    let times = |other: Quality| (q.recall / other.recall).min(q.ndcg / other.ndcg);
    let users_cut = format!(
        "cut by users (last fifth of each user's items, as the demo prints it): served {:.4} / {:.4}, popularity {:.4} / {:.4}, \
         item-item {:.4} / {:.4}, factors {:.4} / {:.4}",
        held.blend.recall,
        held.blend.ndcg,
        held.popularity.recall,
        held.popularity.ndcg,
        held.item_item.recall,
        held.item_item.ndcg,
        held.factors.recall,
        held.factors.ndcg
    );
    Ok(Row::Measured(Figure {
        what: "served list's quality, generated shop".to_owned(),
        measured: format!(
            "recall@20 **{:.4}**, NDCG@20 **{:.4}**; {}; {users_cut}",
            q.recall,
            q.ndcg,
            beside(&m, &plain)
        ),
        bar: format!(
            "well above popularity and item-item alone (it is {:.1} and {:.2} times them; read as {WELL_ABOVE} times)",
            times(p),
            times(i)
        ),
        met: Some(WELL_ABOVE <= times(p) && WELL_ABOVE <= times(i)),
        reference: String::new(),
        how: format!(
            "{EVENTS} events, {USERS} users, {ITEMS} items, seed {SEED}; the first 80 % of the events folded, trained and ranked as \
             served; targets: items that a user first views, wishes, carts or buys in the rest; {} users, full ranking",
            m.users
        ),
        values: json!({ "served_path": m.json(), "plain": plain.json(), "held_out_users": held.users }),
    }))
}

/// Folds the first 80 % of the events (of the first `share` of them, for tuning) and collects the targets of the rest.
///
/// # Errors
/// If the fold fails.
pub async fn split(shop: &Shop, share: f64) -> anyhow::Result<(Folded, Targets)> {
    let mut events: Vec<WireEvent> = shop.events().collect();
    events.truncate((events.len() as f64 * share) as usize);
    let later = events.split_off((events.len() as f64 * TRAIN_SHARE) as usize);
    let pair = |e: &WireEvent| Some((e.user_id.clone()?, e.item_id.clone()?));
    let mut met: HashSet<(String, String)> = events.iter().filter_map(pair).collect();
    let known: HashSet<String> = events.iter().filter_map(|e| e.item_id.clone()).collect();
    let mut targets = Targets::new();
    for event in &later {
        let wanted = event.event_type.as_deref().is_some_and(|t| WANTED.contains(&t));
        let Some((user, item)) = pair(event).filter(|_| wanted) else { continue };
        if known.contains(&item) && met.insert((user.clone(), item.clone())) {
            let (user, item) = ids(&user, &item)?;
            targets.entry(user).or_default().push(item);
        }
    }
    let outgoing = shop.catalogue().map(Outgoing::Item).chain(events.into_iter().map(Outgoing::Event));
    Ok((Folded::of(outgoing, 4).await?, targets))
}
