//! The hard rules of this moment, asked of the live catalogue: listed, in stock, of the category, not excluded, within
//! what is left of the month's budget.

use shoptide_models::blend::Source;
use shoptide_models::catalogue::{Catalogue, CatalogueItem};
use shoptide_models::list::UNNUMBERED;
use shoptide_schemas::{Currency, ItemId, ListEntry};

use super::ask::Ask;

pub(crate) struct Rules<'a> {
    pub catalogue: &'a Catalogue,
    category: Option<&'a str>,
    /// Sorted catalogue numbers.
    exclude: Vec<u32>,
    /// Micro-units that are left, and of which currency; a price in another is never compared.
    left: Option<(i64, Currency)>,
}

/// A place that passed the rules.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pick {
    pub item: u32,
    pub score: f32,
    pub source: Source,
    /// The user's own item that speaks loudest, by catalogue number.
    pub evidence: Option<u32>,
}

impl From<&ListEntry> for Pick {
    fn from(entry: &ListEntry) -> Self {
        let ListEntry { item, score, source, evidence } = *entry;
        let evidence = Some(evidence).filter(|number| *number != UNNUMBERED);
        Self { item, score, source: Source::from_code(source), evidence }
    }
}

impl<'a> Rules<'a> {
    pub fn new(catalogue: &'a Catalogue, ask: &'a Ask, left: Option<(i64, Currency)>) -> Self {
        let mut exclude: Vec<u32> = ask.exclude.iter().filter_map(|id| catalogue.number(id)).collect();
        exclude.sort_unstable();
        Self { catalogue, category: ask.category.as_deref(), exclude, left }
    }

    /// Leaves out more items.
    pub fn exclude<'i>(&mut self, items: impl Iterator<Item = &'i ItemId>) {
        self.exclude.extend(items.filter_map(|id| self.catalogue.number(id)));
        self.exclude.sort_unstable();
    }

    /// The item, if it may be shown now.
    pub fn allowed(&self, number: u32) -> Option<(&'a ItemId, &'a CatalogueItem)> {
        let (id, item) = self.catalogue.row(number)?;
        let fits = item.listable()
            && item.in_stock()
            && self.category.is_none_or(|wanted| within(&item.category, wanted))
            && self.affordable(item)
            && self.exclude.binary_search(&number).is_err();
        fits.then_some((id, item))
    }

    fn affordable(&self, item: &CatalogueItem) -> bool {
        match (self.left, item.price) {
            (Some((left, currency)), Some((price, of))) if currency == of => price.0 <= left,
            _ => true,
        }
    }

    /// The first `n` entries that may be shown.
    pub fn pick(&self, entries: &[ListEntry], n: usize) -> Vec<Pick> {
        entries.iter().filter(|e| self.allowed(e.item).is_some()).take(n).map(Pick::from).collect()
    }
}

/// Whether a category is the wanted one or below it.
pub(crate) fn within(category: &str, wanted: &str) -> bool {
    category.strip_prefix(wanted).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_category_holds_what_is_below_it() {
        assert!(within("technology/phone", "technology"));
        assert!(within("technology", "technology"));
        assert!(!within("technology-used", "technology"));
        assert!(!within("tech", "technology"));
    }
}
