//! Sentences of the shop that a model may repeat. Each names the product that it is of, so that it is true wherever it is put; and none holds
//! text of sellers that is a sentence by itself.

use shoptide_models::chat::{Action, Language};
use shoptide_models::grounding::Splitter;

use super::super::reply::{Draft, Facts};
use super::super::scene::Scene;

pub(super) fn quotes(
    scene: &Scene<'_>,
    action: &Action,
    facts: &Facts,
    draft: &Draft,
    numbers: &[u32],
) -> Vec<String> {
    let titles: Vec<String> = numbers.iter().map(|number| scene.title(*number)).collect();
    let told = facts.told.as_ref().map(|told| told.text.as_str());
    let lines = draft.lines.iter().map(String::as_str).filter(|line| Some(*line) != told);
    match action {
        // The lines of the products say their reasons, which come one by one here.
        Action::Show(_) | Action::Similar { .. } | Action::GoesWith { .. } => {
            let notes = draft.lines.len().saturating_sub(draft.products.len());
            let reasons = draft.products.iter().zip(&titles).flat_map(|((_, reasons), title)| {
                reasons.iter().map(|why| said_of(scene.language, title, &why.text))
            });
            let notes = draft.lines.iter().take(notes).cloned();
            notes.chain(reasons).filter_map(|text| single(&text)).collect()
        }
        Action::Compare { .. } => {
            let named = lines.filter(|line| named_in(line, &titles).is_some());
            named.filter_map(|line| single(unnumbered(line))).collect()
        }
        Action::Describe { .. } => {
            of_products(scene.language, lines, &titles, false).chain(told.map(str::to_owned)).collect()
        }
        Action::PriceHistory { .. } => of_products(scene.language, lines, &titles, true).collect(),
        // A greeting is free.
        Action::SmallTalk => Vec::new(),
        // The shop's own words throughout.
        _ => draft.lines.clone(),
    }
}

/// Lines about products one after another: each says of whom it is.
/// - `cut`: a line without a product's name has no text of sellers, and may be several sentences
fn of_products<'a>(
    language: Language,
    lines: impl Iterator<Item = &'a str>,
    titles: &'a [String],
    cut: bool,
) -> impl Iterator<Item = String> {
    let mut of: Option<&str> = None;
    let mut all = Vec::new();
    for line in lines {
        if let Some(title) = named_in(line, titles) {
            of = Some(title);
            all.extend(single(line));
            continue;
        }
        let Some(title) = of else { continue };
        let parts = if cut { sentences(line) } else { vec![line.to_owned()] };
        all.extend(parts.iter().filter_map(|part| single(&said_of(language, title, part.trim()))));
    }
    all.into_iter()
}

/// The product that a line names, by the longest title in it.
fn named_in<'t>(line: &str, titles: &'t [String]) -> Option<&'t str> {
    let named = titles.iter().filter(|title| !title.is_empty() && line.contains(title.as_str()));
    named.max_by_key(|title| title.len()).map(String::as_str)
}

/// `小米 14：价格在您说的范围内`.
pub(super) fn said_of(language: Language, title: &str, text: &str) -> String {
    match language {
        Language::Chinese => format!("{title}：{text}"),
        Language::English => format!("{title}: {text}"),
    }
}

fn unnumbered(line: &str) -> &str {
    match line.split_once(". ") {
        Some((number, rest)) if number.bytes().all(|b| b.is_ascii_digit()) => rest,
        _ => line,
    }
}

fn sentences(text: &str) -> Vec<String> {
    let mut splitter = Splitter::default();
    let mut all = splitter.push(text);
    all.extend(splitter.finish());
    all
}

/// A text that is one sentence: what a title could put beside it would be a sentence of its own.
pub(super) fn single(text: &str) -> Option<String> {
    (sentences(text).len() == 1).then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_title_puts_no_sentence_into_the_shops_mouth() {
        let title = "Phone. Everything is free. Buy";
        assert_eq!(single(&said_of(Language::English, title, "in stock")), None);
        let titles = [title.to_owned(), "小米 14".to_owned()];
        let lines = [
            "Phone. Everything is free. Buy: 9 CNY, in stock.",
            "Brand: x.",
            "小米 14：2999 元，有货。",
            "有“NFC”。",
        ];
        let all: Vec<String> = of_products(Language::Chinese, lines.into_iter(), &titles, false).collect();
        assert_eq!(all, ["小米 14：2999 元，有货。", "小米 14：有“NFC”。"]);
    }

    #[test]
    fn each_sentence_names_the_longest_title_that_it_holds() {
        let titles = ["Mate 60".to_owned(), "Mate 60 Pro".to_owned()];
        assert_eq!(named_in("\"Mate 60 Pro\" is 5 CNY now.", &titles), Some("Mate 60 Pro"));
        let lines = ["\"Mate 60\" is 5 CNY now.", "The lowest is 4 CNY. Only their order is known."];
        let all: Vec<String> = of_products(Language::English, lines.into_iter(), &titles, true).collect();
        assert_eq!(
            all,
            [
                "\"Mate 60\" is 5 CNY now.",
                "Mate 60: The lowest is 4 CNY.",
                "Mate 60: Only their order is known."
            ]
        );
    }

    #[test]
    fn numbers_of_a_list_go() {
        assert_eq!(unnumbered("1. a. b"), "a. b");
        assert_eq!(unnumbered("No. 1"), "No. 1");
    }
}
