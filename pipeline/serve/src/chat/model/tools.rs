//! The tools that a model may call in a turn: those of the API that only read, for the user of the request. What they bring may be named only if it
//! keeps to what the shopper asked for, as everything that is shown does.

use std::sync::{Arc, OnceLock};

use async_trait::async_trait;
use serde::Deserialize;
use serde_json::Value;
use shoptide_assistant::{ToolAnswer, ToolError, ToolSpec};
use shoptide_models::chat::{Phrase, fill};
use shoptide_models::grounding::Product;
use shoptide_schemas::{Currency, ItemId, Micros};

use super::super::knowledge::Known;
use super::super::scene::{code_of, money, plain};
use super::material::Limits;
use super::quotes::{said_of, single};
use crate::app::App;
use crate::tools::{
    BudgetOutput, Caller, ExplainOutput, FaqOutput, PriceHistoryOutput, PriceThen, ToolError as Refused,
    Tools,
};

/// Tools about the user himself, which refuse for a visitor.
const PERSONAL: [&str; 2] = ["budget", "explain"];
/// Former prices that a quotation names.
const PRICES_MAX: usize = 6;

pub(super) struct TurnTools {
    app: Arc<App>,
    caller: Caller,
    limits: Limits,
    /// Made when the first one is called: most replies need none.
    tools: OnceLock<Tools>,
}

impl TurnTools {
    /// `caller`: as the request was authenticated; no argument and no text changes it.
    pub fn new(app: Arc<App>, caller: Caller, limits: Limits) -> Self {
        Self { app, caller, limits, tools: OnceLock::new() }
    }

    /// A product of the live catalogue that may be named.
    fn product(&self, known: &Known, id: &str) -> Option<(Product, String)> {
        let catalogue = self.app.context.live.catalogue();
        let number = catalogue.number(&ItemId::parse(id).ok()?)?;
        let (id, item) = catalogue.row(number)?;
        let title = item.titles.get(code_of(self.limits.language)).filter(|title| !title.is_empty());
        let title = plain(title.unwrap_or(&item.title));
        let rating = self.app.context.live.ratings().get(number).rating().map(|rating| rating.mean);
        let product = Product::of(&id.to_string(), item, &known.lexicon, rating);
        self.limits
            .admit(number, item, &known.lexicon, self.app.context.options.currency)
            .then_some((product, title))
    }

    fn say(&self, phrase: Phrase, values: &[(&str, &str)]) -> String {
        fill(phrase.text(self.limits.language), values)
    }

    /// What may be said of an answer.
    fn read(&self, known: &Known, name: &str, mut json: Value) -> ToolAnswer {
        let (mut products, mut quotes) = (Vec::new(), Vec::new());
        if let Some(items) = json.get_mut("items").and_then(Value::as_array_mut) {
            items.retain(|item| {
                let found =
                    item.get("item_id").and_then(Value::as_str).and_then(|id| self.product(known, id));
                let kept = found.is_some();
                products.extend(found.map(|(product, _)| product));
                kept
            });
        }
        let one = json.get("item_id").and_then(Value::as_str).and_then(|id| self.product(known, id));
        if let Some((product, title)) = one {
            let said = |text: String| single(&said_of(self.limits.language, &title, &text));
            match name {
                "price_history" => quotes.extend(self.before(&json).and_then(said)),
                "explain" => {
                    quotes.extend(of::<ExplainOutput>(&json).and_then(|e| said(plain(&e.reason?.text))))
                }
                _ => {}
            }
            products.push(product);
        }
        match name {
            "budget" => quotes.extend(of(&json).and_then(|budget| self.budget(&budget))),
            "faq" => quotes.extend(self.told(&json)),
            _ => {}
        }
        ToolAnswer { json, products, quotes }
    }

    fn money(&self, price: Option<&str>, currency: Option<&str>) -> Option<String> {
        let price = Micros::parse(price?, "price").ok()?;
        Some(money(price, Currency::parse(currency?).ok()?, self.limits.language))
    }

    fn before(&self, json: &Value) -> Option<String> {
        let PriceHistoryOutput { mut prices, .. } = of(json)?;
        // The last is the price of now.
        prices.pop()?;
        let said = |then: &PriceThen| {
            let price = self.money(then.price.as_deref(), then.currency.as_deref())?;
            let day = then.since.as_deref().and_then(|since| since.get(..10));
            Some(day.map_or(price.clone(), |date| {
                self.say(Phrase::PriceFrom, &[("price", &price), ("date", date)])
            }))
        };
        let all: Vec<String> = prices.iter().rev().take(PRICES_MAX).filter_map(said).collect();
        let all = all.join(Phrase::Comma.text(self.limits.language));
        (!all.is_empty()).then(|| self.say(Phrase::PriceBefore, &[("prices", &all)]))
    }

    fn budget(&self, budget: &BudgetOutput) -> Option<String> {
        if !budget.set {
            return Some(self.say(Phrase::BudgetNone, &[]));
        }
        let said = |amount: &Option<String>| self.money(amount.as_deref(), budget.currency.as_deref());
        let (limit, spent, left) = (said(&budget.limit)?, said(&budget.spent)?, said(&budget.left)?);
        Some(self.say(Phrase::BudgetLeft, &[("limit", &limit), ("spent", &spent), ("left", &left)]))
    }

    /// Only the answer to what was asked: the others are to other questions.
    fn told(&self, json: &Value) -> Vec<String> {
        let first =
            of::<FaqOutput>(json).filter(|faq| faq.known).and_then(|faq| faq.answers.into_iter().next());
        match first {
            Some(first) => vec![plain(&first.answer)],
            None => vec![self.say(Phrase::NotKnown, &[]), self.say(Phrase::Person, &[])],
        }
    }
}

fn of<T: for<'de> Deserialize<'de>>(json: &Value) -> Option<T> {
    T::deserialize(json).ok()
}

#[async_trait]
impl shoptide_assistant::Tools for TurnTools {
    fn list(&self) -> Vec<ToolSpec> {
        let open = |name: &str| self.caller.user.is_some() || !PERSONAL.contains(&name);
        let specs = Tools::specs(self.caller.writes).filter(|spec| open(spec.name));
        let spec = |spec: &crate::tools::ToolSpec| ToolSpec {
            name: spec.name.to_owned(),
            description: spec.description.to_owned(),
            parameters: Value::Object((*spec.input).clone()),
        };
        specs.map(spec).collect()
    }

    async fn call(&self, name: &str, arguments: Value) -> Result<ToolAnswer, ToolError> {
        let Value::Object(arguments) = arguments else {
            return Err(ToolError::Arguments("the arguments are no object".to_owned()));
        };
        let tools = self.tools.get_or_init(|| Tools::new(&self.app));
        let json = tools.call(&self.caller, name, arguments).await.map_err(refused)?;
        self.app.chat.with(|known| self.read(known, name, json)).map_err(|_| ToolError::Unavailable)
    }
}

fn refused(error: Refused) -> ToolError {
    match error.status {
        500.. => ToolError::Unavailable,
        _ => ToolError::Arguments(error.message),
    }
}
