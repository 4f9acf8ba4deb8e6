//! Precision and recall on labelled questions to the example's 40 entries, in scope and out of it, in both languages.
//! `questions.tsv` was looked at while the words were written, `unseen.tsv` was not. `cargo test -p shoptide-models --test faq -- --nocapture`
//! prints what was got wrong.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use shoptide_models::faq::{Asked, FaqBook, example};
use shoptide_schemas::faq::LANGUAGES;

/// What is asserted of each set.
struct Bar {
    /// Of the questions in scope, answered by the right entry.
    recall: f64,
    /// Of the answers given, right ones.
    precision: f64,
    /// Of the questions out of scope, not answered.
    refused: f64,
}

#[derive(Default)]
struct Score {
    in_scope: u32,
    right: u32,
    answered: u32,
    out_of_scope: u32,
    refused: u32,
    /// The right entry is among the first three, known or not.
    in_three: u32,
}

fn measure(name: &str, lines: &str, bar: &Bar) {
    let book = FaqBook::new(1, example().unwrap());
    let mut wrong = Vec::new();
    let mut all = Score::default();
    for language in LANGUAGES {
        let mut score = Score::default();
        for line in lines.lines() {
            let (wanted, question) = line.split_once('\t').unwrap();
            let asked = Asked::new(question);
            if asked.language != language {
                continue;
            }
            let hits = book.ask(&asked, 3);
            let answer = hits.first().filter(|hit| hit.is_known()).map(|hit| hit.entry.id.as_str());
            score.answered += u32::from(answer.is_some());
            if wanted == "-" {
                score.out_of_scope += 1;
                score.refused += u32::from(answer.is_none());
            } else {
                assert!(book.entries().iter().any(|entry| entry.id == wanted), "{wanted}");
                score.in_scope += 1;
                score.right += u32::from(answer == Some(wanted));
                score.in_three += u32::from(hits.iter().any(|hit| hit.entry.id == wanted));
            }
            if answer.unwrap_or("-") != wanted {
                let best = hits.first().map(|h| format!("{} {:.2}", h.entry.id, h.confidence));
                wrong.push(format!("{wanted:<20} {question} -> {}", best.unwrap_or_default()));
            }
        }
        println!("{name} {language}: {}", score.said());
        all = all.plus(&score);
    }
    println!("{name}: {}", all.said());
    println!("{}", if name == "unseen" { String::new() } else { wrong.join("\n") });
    let (recall, precision, refused) = all.shares();
    assert!(bar.recall <= recall, "{name}: recall {recall}");
    assert!(bar.precision <= precision, "{name}: precision {precision}");
    assert!(bar.refused <= refused, "{name}: refused {refused}");
}

impl Score {
    fn plus(&self, other: &Self) -> Self {
        Self {
            in_scope: self.in_scope + other.in_scope,
            right: self.right + other.right,
            answered: self.answered + other.answered,
            out_of_scope: self.out_of_scope + other.out_of_scope,
            refused: self.refused + other.refused,
            in_three: self.in_three + other.in_three,
        }
    }

    fn shares(&self) -> (f64, f64, f64) {
        let share = |part: u32, of: u32| f64::from(part) / f64::from(of.max(1));
        (
            share(self.right, self.in_scope),
            share(self.right, self.answered),
            share(self.refused, self.out_of_scope),
        )
    }

    fn said(&self) -> String {
        let (recall, precision, refused) = self.shares();
        format!(
            "{} in scope, recall {recall:.3}, precision {precision:.3}, in the first three {:.3}; {} out of scope, refused {refused:.3}",
            self.in_scope,
            f64::from(self.in_three) / f64::from(self.in_scope.max(1)),
            self.out_of_scope,
        )
    }
}

#[test]
fn questions_that_were_looked_at() {
    let bar = Bar { recall: 0.95, precision: 0.94, refused: 0.85 };
    measure("looked at", include_str!("questions.tsv"), &bar);
}

#[test]
fn questions_that_were_not() {
    let bar = Bar { recall: 0.8, precision: 0.85, refused: 0.9 };
    measure("unseen", include_str!("unseen.tsv"), &bar);
}

#[test]
fn the_example_is_forty_entries_in_both_languages() {
    let entries = example().unwrap();
    assert_eq!(entries.len(), 40);
    for entry in &entries {
        for language in LANGUAGES {
            assert!(
                !entry.questions[language].is_empty() && entry.answers.contains_key(language),
                "{}",
                entry.id
            );
        }
    }
    let categories: std::collections::BTreeSet<&str> = entries.iter().map(|e| e.category.as_str()).collect();
    let expected = ["delivery", "invoice", "membership", "payment", "returns", "warranty"];
    assert_eq!(categories.into_iter().collect::<Vec<_>>(), expected);
}
