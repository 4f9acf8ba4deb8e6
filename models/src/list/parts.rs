//! What the sources say of items that are in a list, for whoever asks why.

use std::collections::HashMap;

use super::linked::Linked;
use super::make::{ListParams, ListScratch, history_of};
use crate::blend::Scorer;
use crate::state::UserState;

/// Names of the parts of a score, in their order.
pub const PARTS: [&str; 4] = ["factors", "item_item", "popularity", "trending"];

/// The parts of each item's score by the model as it is now, in the order of [`PARTS`]; their sum is the score by which a list made
/// now would rank it before diversity. None where the model does not know the item.
/// - `numbers`: in the catalogue
/// - cost: that of a list
pub fn score_parts(
    user: &UserState,
    linked: &Linked,
    numbers: &[u32],
    params: &ListParams,
    scratch: &mut ListScratch,
) -> Vec<Option<[f32; PARTS.len()]>> {
    let Some(model) = linked.model() else { return vec![None; numbers.len()] };
    let history = history_of(&user.tastes(&params.taste), linked);
    let wanted: HashMap<u32, u32> =
        numbers.iter().filter_map(|number| Some((linked.index(*number)?, *number))).collect();
    let out = |index: u32| !wanted.contains_key(&index);
    let scorer = Scorer::new(model, &params.blend);
    let candidates = scorer.candidates(&history, wanted.len(), &out, scratch.scorer());
    let parts: HashMap<u32, [f32; PARTS.len()]> =
        candidates.iter().filter_map(|c| Some((*wanted.get(&c.item)?, c.parts))).collect();
    numbers.iter().map(|number| parts.get(number).copied()).collect()
}
