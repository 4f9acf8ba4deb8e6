//! What shoppers give the items, as of this moment: the store's sums, followed.

use std::sync::Arc;
use std::time::Duration;

use shoptide_models::rated::RatingSum;
use shoptide_schemas::ItemId;
use shoptide_store::{ItemRating, RatingsSeen, StoreError, Truth};

use crate::Live;

/// How often the store is asked what changed: a quarter of the two seconds in which an event must show.
const POLL: Duration = Duration::from_millis(500);
/// Changed items of one answer of the store: some tens of milliseconds of its time.
const PAGE_ITEMS_MAX: usize = 1_024;

/// Follows the store until the task is aborted.
pub(crate) async fn follow(live: Arc<Live>, truth: Arc<dyn Truth>) {
    let (mut seen, mut numbered) = (RatingsSeen::default(), 0);
    let mut silent = false;
    loop {
        match step(&live, &*truth, &mut seen, &mut numbered).await {
            Ok(more) => {
                silent = false;
                if more {
                    continue;
                }
            }
            // Said once, not every time.
            Err(error) if !silent => {
                tracing::warn!(%error, "the ratings cannot be read, those of before are used");
                silent = true;
            }
            Err(_) => {}
        }
        tokio::time::sleep(POLL).await;
    }
}

/// Takes over one page of what changed. Returns whether there is more.
/// - `numbered`: items of the catalogue whose ratings were looked for
async fn step(
    live: &Live,
    truth: &dyn Truth,
    seen: &mut RatingsSeen,
    numbered: &mut u32,
) -> Result<bool, StoreError> {
    let catalogue = live.catalogue();
    // What was rated before it had a number was passed over then.
    let new: Vec<ItemId> = (*numbered..catalogue.len())
        .take(PAGE_ITEMS_MAX)
        .filter_map(|number| catalogue.row(number).map(|(id, _)| id.clone()))
        .collect();
    let first = *seen == RatingsSeen::default();
    let reached = if first { catalogue.len() } else { numbered.saturating_add(new.len() as u32) };
    let mut ratings: Vec<ItemRating> =
        if first || new.is_empty() { Vec::new() } else { truth.item_ratings(&new).await? };
    let page = truth.ratings_since(seen, PAGE_ITEMS_MAX).await?;
    ratings.extend(page.ratings);
    live.ratings.send_if_modified(|current| {
        let ratings = ratings.iter().filter_map(|rating| {
            Some((catalogue.number(&rating.item)?, RatingSum::new(rating.n, rating.hundredths)))
        });
        let changed: Vec<_> = ratings.filter(|(number, sum)| current.get(*number) != *sum).collect();
        let mut changed = changed.into_iter().peekable();
        if changed.peek().is_none() {
            return false;
        }
        let held = Arc::make_mut(current);
        changed.for_each(|(number, sum)| {
            held.set(number, sum);
        });
        true
    });
    *seen = page.seen;
    *numbered = reached;
    Ok(page.more || reached < catalogue.len())
}
