//! What the book does with one entry or with noise; how good it is on labelled questions is measured in `models/tests/faq`.

use super::*;
use shoptide_schemas::FaqEntry;

fn entry(id: &str, zh: &str, en: &str) -> FaqEntry {
    let map = |zh: &str, en: &str| [("zh".to_owned(), zh.to_owned()), ("en".to_owned(), en.to_owned())];
    FaqEntry {
        id: id.to_owned(),
        category: "test".to_owned(),
        tags: Vec::new(),
        questions: map(zh, en).into_iter().map(|(l, q)| (l, vec![q])).collect(),
        answers: map("好", "yes").into_iter().collect(),
    }
}

fn book() -> FaqBook {
    FaqBook::new(
        7,
        vec![
            entry("fee", "运费多少？", "How much is shipping?"),
            entry("back", "怎么退货？", "How do I return it?"),
            entry("lamp", "台灯怎么换灯泡？", "How do I change the bulb of the lamp?"),
        ],
    )
}

#[test]
fn a_question_finds_its_entry_in_either_language() {
    let book = book();
    for (question, id, language) in [
        ("邮费是多少钱", "fee", "zh"),
        ("postage?", "fee", "en"),
        ("can I send it back", "back", "en"),
        ("我的台灯要换灯泡", "lamp", "zh"),
    ] {
        let asked = Asked::new(question);
        let hits = book.ask(&asked, 3);
        assert_eq!((hits[0].entry.id.as_str(), asked.language), (id, language), "{question}");
        assert!(hits[0].is_known(), "{question}: {}", hits[0].confidence);
        assert_eq!(hits[0].answer(language).0, language);
    }
    assert_eq!(book.ask(&Asked::new("运费和退货"), 1).len(), 1);
}

#[test]
fn an_answer_in_another_language_says_so() {
    let mut only = entry("fee", "运费多少？", "shipping fee");
    only.answers.remove("zh");
    let book = FaqBook::new(1, vec![only]);
    assert_eq!(book.ask(&Asked::new("运费"), 1)[0].answer("zh"), ("en", "yes"));
}

#[test]
fn noise_is_not_known() {
    let book = book();
    let long = "运费 ".repeat(40_000);
    for (question, known) in [
        ("", false),
        ("😀🎉👍🏽🤔", false),
        ("\u{202e}\u{200b}", false),
        ("title:\"a\" AND (b OR *) ~ [1 TO 2] -x +y", false),
        ("吗？怎么？", false),
        (long.as_str(), true),
    ] {
        let hits = book.ask(&Asked::new(question), HITS_MAX);
        assert_eq!(hits.first().is_some_and(FaqHit::is_known), known, "{question:.40}");
    }
    assert!(FaqBook::default().ask(&Asked::new("运费"), 5).is_empty());
    let pasted = "运费".repeat(60_000);
    assert_eq!(Asked::new(&pasted), Asked::new(&pasted[..pasted.len() / 2]));
}
