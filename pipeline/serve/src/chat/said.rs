//! Which products say the words of a message that no condition holds.

use std::cell::OnceCell;

use shoptide_models::catalogue::CatalogueItem;
use shoptide_search::Saying;

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

/// The words of conditions of which others are given up one after another: the index is gone through once for all of them.
pub(super) struct SaidOnce<'t> {
    text: &'t str,
    saying: OnceCell<Option<Saying>>,
}

impl<'t> SaidOnce<'t> {
    pub fn new(text: &'t str) -> Self {
        Self { text, saying: OnceCell::new() }
    }

    /// The numbers that [`Said::among`] would find.
    pub fn among(&self, scene: &Scene<'_>, text: &str, numbers: &[u32]) -> Option<Vec<u32>> {
        let Some(search) = scene.app.search.as_ref().filter(|_| text == self.text && !text.trim().is_empty())
        else {
            return Said::among(scene, text, numbers).map(|said| said.numbers());
        };
        if numbers.is_empty() {
            return Some(Vec::new());
        }
        let ask = || {
            let saying = search.saying(text);
            saying.inspect_err(|error| tracing::error!(%error, "the search failed")).ok()
        };
        self.saying.get_or_init(ask).as_ref().map(|saying| saying.among(numbers))
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
