//! MovieLens `ml-latest-small`: the first 80 % (rounded down) of each user's ratings by time, ties in file order, become
//! `rate_item` events; of the rest, ratings of at least 4 of items that anyone rated before the cut are the targets.

use std::collections::HashSet;
use std::io::Read;
use std::path::Path;

use anyhow::Context;
use serde_json::json;
use shoptide_jobs::import::Outgoing;
use shoptide_schemas::wire::{WireEvent, WireTime};

use super::{Measured, Targets, bare_item, ids, measure, plain};
use crate::figure::{Figure, Row};
use crate::shop::{Folded, config, data};

const TRAIN_SHARE: f64 = 0.8;
const LIKED: f64 = 4.0;
const FILE: &str = "ml-latest-small/ratings.csv.gz";

#[derive(Debug, Clone, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
struct Rating {
    user_id: String,
    movie_id: String,
    rating: f64,
    timestamp: i64,
}

/// Ratings cut in two.
pub struct Split {
    pub folded: Folded,
    pub targets: Targets,
}

/// Measures, or says why not.
///
/// # Errors
/// If the file is damaged or training fails.
pub async fn row(set: &[String]) -> anyhow::Result<Row> {
    let path = match data(FILE) {
        Ok(path) => path,
        Err(reason) => return Ok(Row::Skipped { name: "quality on ml-latest-small".to_owned(), reason }),
    };
    let split = Split::read(&path, false).await?;
    let m = measure(&split.folded, &config(set)?, &split.targets).await?;
    let plain = plain(&split.folded, set, &split.targets).await?;
    let q = m.of("served");
    Ok(Row::Measured(Figure {
        what: "served list's quality, ml-latest-small".to_owned(),
        measured: format!("recall@20 **{:.4}**, NDCG@20 **{:.4}**; {}", q.recall, q.ndcg, beside(&m, &plain)),
        bar: "recall@20 >= .150, NDCG@20 >= .115".to_owned(),
        met: Some(0.150 <= q.recall && 0.115 <= q.ndcg),
        reference:
            "Gorse .072 / .071, popularity .084 / .082, `implicit` ALS .149 / .112, item cosine .132 / .116"
                .to_owned(),
        how: format!(
            "first 80 % of each user's ratings by time as `rate_item` events through fold, trainer, model file and \
             list maker with the default configuration, als.seed 42; targets are later ratings >= 4 of known unseen items; \
             {} users, full ranking, one run (deterministic)",
            m.users
        ),
        values: json!({ "served_path": m.json(), "plain": plain.json() }),
    }))
}

/// The sources alone, as served and as others know them.
pub(super) fn beside(m: &Measured, plain: &Measured) -> String {
    let one = |m: &Measured, name: &str, said: &str| {
        let q = m.of(name);
        format!("{said} {:.4} / {:.4}", q.recall, q.ndcg)
    };
    [
        one(m, "popularity", "alone: popularity"),
        one(m, "item_item", "item-item"),
        one(m, "factors", "factors"),
        one(plain, "popularity", "popularity without decay"),
        one(plain, "item_item", "item cosine without order"),
    ]
    .join(", ")
}

impl Split {
    /// `validate`: the same cut within the training part, which is where parameters may be chosen.
    ///
    /// # Errors
    /// If the file is damaged.
    pub async fn read(path: &Path, validate: bool) -> anyhow::Result<Self> {
        let mut users = read(path)?;
        if validate {
            users.iter_mut().for_each(|(_, ratings)| ratings.truncate(train_len(ratings)));
        }
        let (mut events, mut targets) = (Vec::new(), Targets::new());
        let mut known: HashSet<&str> = HashSet::new();
        let mut catalogue = Vec::new();
        for (_, ratings) in &users {
            for r in ratings.iter().take(train_len(ratings)) {
                if known.insert(&r.movie_id) {
                    catalogue.push(Outgoing::Item(bare_item(&r.movie_id, r.timestamp * 1_000)));
                }
                events.push(r);
            }
        }
        for (user, ratings) in &users {
            for r in ratings.iter().skip(train_len(ratings)) {
                if LIKED <= r.rating && known.contains(r.movie_id.as_str()) {
                    let (user, item) = ids(user, &r.movie_id)?;
                    targets.entry(user).or_default().push(item);
                }
            }
        }
        // As a shop would have seen them: by time, whoever rated. The sort is stable, so a user's order stands.
        events.sort_by_key(|r| r.timestamp);
        let events = events.into_iter().enumerate().map(|(n, r)| Outgoing::Event(event(n, r)));
        let folded = Folded::of(catalogue.into_iter().chain(events), 4).await?;
        Ok(Self { folded, targets })
    }
}

fn event(n: usize, r: &Rating) -> WireEvent {
    WireEvent {
        event_id: Some(format!("ml:{n}")),
        event_type: Some("rate_item".to_owned()),
        user_id: Some(r.user_id.clone()),
        item_id: Some(r.movie_id.clone()),
        occurred_at: Some(WireTime::Ms(r.timestamp * 1_000)),
        rating: Some(r.rating),
        historical: true,
        ..WireEvent::default()
    }
}

fn train_len(ratings: &[Rating]) -> usize {
    (ratings.len() as f64 * TRAIN_SHARE) as usize
}

/// Each user's ratings, oldest first, users in the order of the file.
fn read(path: &Path) -> anyhow::Result<Vec<(String, Vec<Rating>)>> {
    let mut text = String::new();
    let file = std::fs::File::open(path).with_context(|| path.display().to_string())?;
    flate2::read::GzDecoder::new(file).read_to_string(&mut text)?;
    let mut users: Vec<(String, Vec<Rating>)> = Vec::new();
    for rating in csv::Reader::from_reader(text.as_bytes()).deserialize() {
        let rating: Rating = rating?;
        match users.last_mut().filter(|(user, _)| *user == rating.user_id) {
            Some((_, ratings)) => ratings.push(rating),
            None => users.push((rating.user_id.clone(), vec![rating])),
        }
    }
    users.iter_mut().for_each(|(_, ratings)| ratings.sort_by_key(|r| r.timestamp));
    Ok(users)
}
