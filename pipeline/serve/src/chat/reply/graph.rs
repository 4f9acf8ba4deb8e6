//! What the graph of products says: whether one has something, which of several meets more of what was asked, what goes with one. Each answer
//! says what says so; where nothing does, that is said.

use shoptide_models::chat::{Conditions, DialogueState, Phrase, PriceRange};
use shoptide_models::knowledge::{Answer, Edge, Evidence, Has, Node, best};

use super::super::answer::Why;
use super::super::find::{SHOWN, Shown, find};
use super::super::scene::{Scene, plain};
use super::products::DESCRIBED_MAX;
use super::{Draft, Facts, reasons};

fn has(scene: &Scene<'_>, number: u32, wishes: &[String]) -> Vec<Has> {
    scene.graph().has_each(number, wishes.iter().cloned())
}

/// Asked-for features that some product's row does not decide.
pub(in super::super) fn undecided(scene: &Scene<'_>, items: &[u32], features: &[String]) -> Vec<String> {
    let all: Vec<Has> =
        items.iter().take(DESCRIBED_MAX).flat_map(|number| has(scene, *number, features)).collect();
    let open = |key: &&String| all.iter().any(|has| has.wish == **key && has.answer == Answer::Unknown);
    features.iter().filter(open).cloned().collect()
}

/// Where a row says something, and the words.
fn quote<'e>(scene: &Scene<'_>, evidence: &'e Evidence) -> Option<(&'static str, &'e str)> {
    let (phrase, text) = match evidence {
        Evidence::Field { field: "title", text } => (Phrase::InTitle, text),
        Evidence::Field { field: "category", text } => (Phrase::InCategory, text),
        Evidence::Field { field: "description", text } => (Phrase::InDescription, text),
        Evidence::Field { text, .. } | Evidence::Tag(text) => (Phrase::InTags, text),
        Evidence::Baskets(_) | Evidence::Users(_) => return None,
    };
    Some((phrase.text(scene.language), text))
}

/// Whether a product has something, and what says so.
fn answered(scene: &Scene<'_>, has: &Has) -> String {
    let name = scene.feature(&has.wish);
    let quoted = has.edge.as_ref().and_then(|edge| quote(scene, &edge.evidence));
    let phrase = match has.answer {
        Answer::Yes => Phrase::Has,
        Answer::No => Phrase::HasNot,
        Answer::Unknown => Phrase::DoesNotSay,
    };
    let (field, text) = quoted.unwrap_or_default();
    scene.say(phrase, &[("name", &name), ("field", field), ("quote", &plain(text))])
}

/// Says of one product what was asked about.
/// - `told`: somebody else has an answer to what its row does not say
pub(super) fn describe(scene: &Scene<'_>, number: u32, features: &[String], told: bool, draft: &mut Draft) {
    let all = has(scene, number, features);
    for has in all.iter().filter(|has| !told || has.answer != Answer::Unknown) {
        draft.say(answered(scene, has));
    }
    if !told && all.iter().any(|has| has.answer == Answer::Unknown) {
        draft.say(scene.say(Phrase::Person, &[]));
    }
}

/// Says of each of several products what was asked about, and which has more of it.
pub(super) fn weigh(scene: &Scene<'_>, numbers: &[u32], features: &[String], draft: &mut Draft) {
    let mut answers: Vec<Vec<Answer>> = Vec::with_capacity(numbers.len());
    for number in numbers {
        let all = has(scene, *number, features);
        for has in &all {
            let values = [("title", &*scene.title(*number)), ("said", &answered(scene, has))];
            draft.say(scene.say(Phrase::OfOne, &values));
        }
        answers.push(all.iter().map(|has| has.answer).collect());
    }
    draft.say(match best(&answers).and_then(|place| numbers.get(place)) {
        Some(number) => scene.say(Phrase::MeetsMore, &[("title", &scene.title(*number))]),
        None => scene.say(Phrase::NotDecided, &[]),
    });
}

/// What goes with a product: what it says that it fits, and what is bought with it. What was excluded in the dialogue stays so, and what
/// it may cost at most; the other conditions are of something else.
pub(super) fn goes_with(scene: &Scene<'_>, after: &DialogueState, items: &[u32], facts: &Facts) -> Draft {
    let mut draft = Draft::default();
    let Some(item) = items.first().copied() else { return draft };
    let title = scene.title(item);
    let edges = scene.graph().goes_with(item, &facts.links);
    let numbers: Vec<u32> = edges.iter().filter_map(product).collect();
    if numbers.is_empty() {
        draft.say(scene.say(Phrase::NothingGoesWith, &[("title", &title)]));
        draft.offer(scene, &[Phrase::NextSimilar]);
        return draft;
    }
    let all = Conditions::of(after, false);
    let most = all.price.filter(|range| range.max.is_some());
    let conditions = Conditions {
        price: most.map(|range| PriceRange { min: None, about: None, ..range }),
        brands_excluded: all.brands_excluded,
        features_excluded: all.features_excluded,
        unwanted: all.unwanted,
        ..Conditions::default()
    };
    let mut found = find(scene, &conditions, Some(&numbers), SHOWN);
    if found.shown.is_empty() {
        draft.say(match found.over_budget {
            0 => scene.say(Phrase::NothingLeft, &[]),
            _ => super::show::over_budget(scene, &found),
        });
        return draft;
    }
    draft.say(scene.say(Phrase::GoesWith, &[("title", &title)]));
    // As sure as it is said, not as it is liked.
    let place = |shown: &Shown| numbers.iter().position(|number| *number == shown.number);
    found.shown.sort_by_key(place);
    for shown in found.shown {
        let edge = place(&shown).and_then(|place| edges.get(place));
        let own = edge.and_then(|edge| together(scene, &title, edge));
        let reasons = own.into_iter().chain(reasons(scene, &conditions, &shown)).collect();
        draft.line(scene, shown, reasons);
    }
    draft.offer(scene, &[Phrase::NextCompare]);
    draft
}

fn product(edge: &Edge) -> Option<u32> {
    match edge.to {
        Node::Product(number) => Some(number),
        _ => None,
    }
}

/// What says that a product goes with another.
fn together(scene: &Scene<'_>, title: &str, edge: &Edge) -> Option<Why> {
    let text = match &edge.evidence {
        Evidence::Baskets(n) => scene.say(Phrase::WhyBoughtWith, &[("title", title), ("n", &n.to_string())]),
        evidence => {
            let (field, text) = quote(scene, evidence)?;
            scene.say(Phrase::WhyFits, &[("title", title), ("field", field), ("quote", &plain(text))])
        }
    };
    Some(Why { code: edge.relation.as_str().to_owned(), text, evidence: None })
}
