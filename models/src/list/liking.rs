//! How much a user likes items that something else has found.

use super::linked::Linked;
use super::make::{ListParams, ListScratch, history_of};
use crate::blend::Scorer;
use crate::state::UserState;

/// How much each of these items is to a user's liking, by the blend that makes his lists; unitless, comparable among each other.
/// Where the model knows nothing of an item it is 0; of a user without a history, the item's popularity and trend.
/// - `numbers`: in the catalogue
/// - cost: a fold-in and a dot product for each item, not for each of the model
pub fn liking(
    user: &UserState,
    linked: &Linked,
    numbers: &[u32],
    params: &ListParams,
    scratch: &mut ListScratch,
) -> Vec<f32> {
    let Some(model) = linked.model() else { return vec![0.0; numbers.len()] };
    let tastes = user.tastes(&params.taste);
    let history = history_of(&tastes, linked);
    let known: Vec<Option<u32>> = numbers.iter().map(|number| linked.index(*number)).collect();
    let items: Vec<u32> = known.iter().copied().flatten().collect();
    let mut scores =
        Scorer::new(model, &params.blend).scores_of(&history, &items, scratch.scorer()).into_iter();
    known.iter().map(|known| known.and_then(|_| scores.next()).unwrap_or(0.0)).collect()
}
