//! Which products say the words of a message that no condition holds.

use shoptide_models::catalogue::CatalogueItem;

use super::scene::Scene;

/// Points of the products that say the words, in order of number.
#[derive(Debug, Default)]
pub(super) struct Said(Vec<(u32, u32)>);

impl Said {
    /// Asks about products in order of number; `None` if there are no words, or nothing that looks for them.
    pub fn among(scene: &Scene<'_>, text: &str, numbers: &[u32]) -> Option<Self> {
        if text.trim().is_empty() {
            return None;
        }
        let Some(search) = &scene.app.search else { return Some(Self(in_titles(scene, text, numbers))) };
        let said = search.among(text, numbers);
        said.inspect_err(|error| tracing::error!(%error, "the search failed")).ok().map(Self)
    }

    pub fn numbers(&self) -> Vec<u32> {
        self.0.iter().map(|(number, _)| *number).collect()
    }

    /// 0 for one that does not say them.
    pub fn points(&self, number: u32) -> u32 {
        let place = self.0.binary_search_by_key(&number, |(number, _)| *number);
        place.ok().and_then(|place| self.0.get(place)).map_or(0, |(_, points)| *points)
    }
}

/// Without an index: products whose title holds the words as they are.
fn in_titles(scene: &Scene<'_>, text: &str, numbers: &[u32]) -> Vec<(u32, u32)> {
    let text = text.to_lowercase();
    let holds = |item: &CatalogueItem| {
        std::iter::once(&item.title).chain(item.titles.values()).any(|t| t.to_lowercase().contains(&text))
    };
    let said = |number: &&u32| scene.row(**number).is_some_and(|(_, item)| holds(item));
    numbers.iter().filter(said).map(|number| (*number, 1)).collect()
}
