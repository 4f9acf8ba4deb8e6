//! What is said: one function for each action, each making a draft of what the scene and the facts of the turn hold.

mod graph;
mod products;
mod show;
mod talk;

use shoptide_models::chat::{Action, Conditions, DialogueState, Phrase, Understood};
use shoptide_models::knowledge::ItemLinks;
use shoptide_schemas::Currency;

use super::answer::Why;
use super::find::Shown;
use super::scene::Scene;
use super::source::Told;
use super::why::reasons;
use crate::prices::Past;
pub(super) use graph::undecided;
#[cfg_attr(
    not(feature = "assistant"),
    allow(unused_imports, reason = "asked for by what a model is given")
)]
pub(super) use products::DESCRIBED_MAX;
pub(super) use products::{PRICES_MAX, compares_anew};

/// What a turn asked for beside the scene: it takes waiting, so it is there before the words are made.
#[derive(Debug, Default)]
pub(super) struct Facts {
    /// Numbers of products in order: the user's own list, or what is like a product.
    pub among: Option<Vec<u32>>,
    /// Prices of each product, newest first.
    pub prices: Vec<(u32, Vec<Past>)>,
    /// What users' acts say of the product spoken of.
    pub links: ItemLinks,
    pub told: Option<Told>,
    pub month: Month,
}

/// The month's budget as it stands after the turn.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) enum Month {
    /// Nobody asked.
    #[default]
    Unasked,
    /// The store was silent.
    Unknown,
    None,
    /// Micro-units.
    Is {
        limit: i64,
        spent: i64,
        currency: Currency,
        set: bool,
    },
}

/// What is said and shown.
#[derive(Debug, Default)]
pub(super) struct Draft {
    pub lines: Vec<String>,
    pub products: Vec<(Shown, Vec<Why>)>,
    /// Products that are spoken of behind these, in their places, and not recommended: sold out, or not what was asked for.
    pub beside: Vec<u32>,
    pub followups: Vec<String>,
}

impl Draft {
    fn say(&mut self, line: String) {
        self.lines.push(line);
    }

    /// Offers what may be said next, each once.
    fn offer(&mut self, scene: &Scene<'_>, phrases: &[Phrase]) {
        for phrase in phrases {
            let text = phrase.text(scene.language).to_owned();
            if !self.followups.contains(&text) {
                self.followups.push(text);
            }
        }
    }

    /// Shows products, a line each.
    fn show(&mut self, scene: &Scene<'_>, conditions: &Conditions, shown: Vec<Shown>) {
        for shown in shown {
            let reasons = reasons(scene, conditions, &shown);
            self.line(scene, shown, reasons);
        }
    }

    fn line(&mut self, scene: &Scene<'_>, shown: Shown, reasons: Vec<Why>) {
        let why: Vec<&str> = reasons.iter().map(|why| why.text.as_str()).collect();
        let separator = match scene.language {
            shoptide_models::chat::Language::Chinese => "；",
            shoptide_models::chat::Language::English => "; ",
        };
        let values = [
            ("place", &*(self.products.len() + 1).to_string()),
            ("title", &scene.title(shown.number)),
            ("price", &scene.price(shown.number)),
            ("why", &why.join(separator)),
        ];
        self.say(scene.say(Phrase::Line, &values));
        self.products.push((shown, reasons));
    }
}

/// Makes the draft of an action.
/// - `before`: the dialogue before the message; `after`: with it
pub(super) fn draft(
    scene: &Scene<'_>,
    understood: &Understood,
    after: &DialogueState,
    action: &Action,
    facts: &Facts,
) -> Draft {
    match action {
        Action::Show(conditions) => show::show(scene, understood, conditions, facts),
        Action::Ask(question) => talk::ask(scene, understood, *question),
        Action::Compare { items, brands, features } => {
            products::compare(scene, after, items, brands, features)
        }
        Action::GoesWith { items } => graph::goes_with(scene, after, items, facts),
        Action::Similar { item, conditions } => show::similar(scene, after, *item, conditions, facts),
        Action::Describe { items, features } => products::describe(scene, items, features, facts),
        Action::PriceHistory { .. } => products::history(scene, facts),
        Action::Service { .. } => talk::service(scene, facts),
        Action::Budget { .. } => talk::budget(scene, understood, facts),
        Action::Feedback { items, opinion } => talk::feedback(scene, items, *opinion),
        Action::SmallTalk => talk::small_talk(scene),
        Action::Decline => talk::decline(scene),
    }
}
