//! All that an answer is made from, read at one moment: the words, the shelf, the live catalogue and model, and what is known of the user.

use std::sync::Arc;

use shoptide_models::catalogue::{Catalogue, CatalogueItem};
use shoptide_models::chat::{Language, Phrase, fill};
use shoptide_models::faq::FaqBook;
use shoptide_models::knowledge::Knowledge;
use shoptide_models::list::Linked;
use shoptide_models::product_score::{Budget, TasteProfile};
use shoptide_models::rated::{RatingSum, Ratings};
use shoptide_models::state::UserState;
use shoptide_schemas::{Currency, ItemId, Micros, UserId};

use super::knowledge::Known;
use crate::app::App;
use crate::budgets::Certainty;

/// The user, as far as the store told in time.
pub(super) struct Shopper {
    /// Whoever he turned out to be.
    pub user: UserId,
    pub state: UserState,
    /// What is left of his month, if he has a budget.
    pub left: Option<(i64, Currency)>,
    pub certainty: Option<Certainty>,
}

impl Shopper {
    pub fn nobody(user: UserId) -> Self {
        Self { user, state: UserState::default(), left: None, certainty: None }
    }
}

pub(super) struct Scene<'a> {
    pub app: &'a App,
    pub known: &'a Known,
    pub linked: Arc<Linked>,
    faq: Arc<FaqBook>,
    ratings: Arc<Ratings>,
    pub language: Language,
    pub shopper: &'a Shopper,
    pub profile: TasteProfile,
    /// His own items, by number: how much he likes them, and whether they are not to be recommended.
    pub tastes: Vec<(u32, f32, bool)>,
}

impl<'a> Scene<'a> {
    pub fn new(app: &'a App, known: &'a Known, language: Language, shopper: &'a Shopper) -> Self {
        let linked = app.context.live.linked();
        let catalogue = linked.catalogue();
        let tastes = shopper.state.tastes(&app.context.lists.taste);
        let profile = TasteProfile::of(&tastes, catalogue);
        let mut numbered: Vec<(u32, f32, bool)> = tastes
            .items
            .iter()
            .filter_map(|taste| Some((catalogue.number(taste.item)?, taste.strength, taste.hidden)))
            .collect();
        numbered.sort_by(|a, b| b.1.total_cmp(&a.1));
        drop(tastes);
        let (faq, ratings) = (app.context.live.faq(), app.context.live.ratings());
        Self { app, known, linked, faq, ratings, language, shopper, profile, tastes: numbered }
    }

    /// What is known of products, each with what says so: as `GET /v1/items/{id}/facts` reads it.
    pub fn graph(&self) -> Knowledge<'_> {
        Knowledge { catalogue: self.catalogue(), lexicon: &self.known.lexicon, faq: &self.faq }
    }

    pub fn catalogue(&self) -> &Catalogue {
        self.linked.catalogue()
    }

    pub fn row(&self, number: u32) -> Option<(&ItemId, &CatalogueItem)> {
        self.catalogue().row(number)
    }

    /// What shoppers gave a product.
    pub fn rating(&self, number: u32) -> RatingSum {
        self.ratings.get(number)
    }

    pub fn say(&self, phrase: Phrase, values: &[(&str, &str)]) -> String {
        fill(phrase.text(self.language), values)
    }

    /// A category or a brand as people call it.
    pub fn name(&self, key: &str) -> String {
        self.known.lexicon.name_in(key, self.language)
    }

    /// A feature, for whom, or when, as people call it.
    pub fn feature(&self, key: &str) -> String {
        self.known.lexicon.trait_in(key, self.language)
    }

    /// Features in a row: `拍照、NFC`.
    pub fn features<'k>(&self, keys: impl IntoIterator<Item = &'k String>) -> String {
        let names: Vec<String> = keys.into_iter().map(|key| self.feature(key)).collect();
        names.join(Phrase::Comma.text(self.language))
    }

    /// The title in the answer's language, else as the shop writes it.
    pub fn title(&self, number: u32) -> String {
        let Some((id, item)) = self.row(number) else { return String::new() };
        let code = code_of(self.language);
        let title = item.titles.get(code).filter(|t| !t.is_empty()).unwrap_or(&item.title);
        if title.is_empty() { id.to_string() } else { plain(title) }
    }

    pub fn money(&self, (price, currency): (Micros, Currency)) -> String {
        money(price, currency, self.language)
    }

    pub fn price(&self, number: u32) -> String {
        let price = self.row(number).and_then(|(_, item)| item.price);
        price.map_or_else(|| Phrase::NoPrice.text(self.language).to_owned(), |price| self.money(price))
    }

    pub fn shop_currency(&self) -> Currency {
        self.app.context.options.currency
    }

    /// What is left of the month, as the score reads it.
    pub fn budget(&self) -> Option<Budget> {
        self.shopper.left.map(|(left, currency)| Budget { left: Micros(left), currency })
    }
}

/// `zh` or `en`.
pub(super) fn code_of(language: Language) -> &'static str {
    match language {
        Language::Chinese => "zh",
        Language::English => "en",
    }
}

/// `2999 元`, `1299.50 USD`: as one says it, with cents only where there are any.
pub(super) fn money(price: Micros, currency: Currency, language: Language) -> String {
    let amount = price.to_string();
    let amount = amount.strip_suffix(".00").unwrap_or(&amount);
    match (currency.as_str(), language) {
        ("CNY", Language::Chinese) => format!("{amount} 元"),
        (code, _) => format!("{amount} {code}"),
    }
}

/// Text of the catalogue or of a user as one line of plain text: nothing that turns the line around or breaks it.
pub(super) fn plain(text: &str) -> String {
    let turns = |c: char| matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{061c}');
    let line: String =
        text.chars().filter(|c| !turns(*c)).map(|c| if c.is_control() { ' ' } else { c }).collect();
    line.trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn money_is_said_as_people_say_it() {
        let cny = Currency(*b"CNY");
        assert_eq!(money(Micros(2_999_000_000), cny, Language::Chinese), "2999 元");
        assert_eq!(money(Micros(2_999_500_000), cny, Language::English), "2999.50 CNY");
        assert_eq!(money(Micros(5_000_000), Currency(*b"USD"), Language::Chinese), "5 USD");
    }

    #[test]
    fn texts_are_one_plain_line() {
        assert_eq!(plain(" a\u{202e}b\nc\u{0}d\u{2066} "), "ab c d");
    }
}
