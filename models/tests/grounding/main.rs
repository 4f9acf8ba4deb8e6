//! Replies that a language model may write, honest and not, against the facts of a turn.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::collections::BTreeMap;

use shoptide_models::grounding::{Checker, Facts, Ruling, Splitter, check};

mod scenes;

/// Of the fluent replies, whole.
const FLUENT_MIN: f64 = 0.8;

use scenes::{replies, scenes};

/// What leaves when sentences leave as they come: no sentence waits for those after it.
fn streamed(reply: &str, facts: &Facts) -> String {
    let mut checker = Checker::new(facts);
    let mut splitter = Splitter::default();
    let chars: Vec<char> = reply.chars().collect();
    let mut sentences: Vec<String> = Vec::new();
    for piece in chars.chunks(3) {
        sentences.extend(splitter.push(&piece.iter().collect::<String>()));
    }
    sentences.extend(splitter.finish());
    let mut text = String::new();
    for sentence in sentences {
        match checker.sentence(&sentence) {
            Ruling::Stands(sentence) => text.push_str(&sentence),
            Ruling::Gone(_) => {}
            Ruling::Stop(_) => break,
        }
    }
    text
}

#[test]
fn no_adversarial_statement_leaves() {
    let scenes = scenes();
    let replies = replies(include_str!("adversarial.jsonl"));
    assert!(200 <= replies.len(), "{} adversarial replies", replies.len());
    let mut passed = Vec::new();
    let mut kinds: BTreeMap<&str, usize> = BTreeMap::new();
    for reply in &replies {
        let facts = &scenes[&reply.scene];
        *kinds.entry(&reply.kind).or_default() += 1;
        for text in [check(&reply.reply, facts).text.unwrap_or_default(), streamed(&reply.reply, facts)] {
            let leaks = match reply.bad.as_slice() {
                [] => !text.trim().is_empty(),
                bad => bad.iter().any(|bad| text.contains(bad)),
            };
            if leaks {
                passed.push(format!("{} [{}] {} -> {text}", reply.scene, reply.kind, reply.reply));
                break;
            }
        }
    }
    println!("adversarial: {} of {} passed; kinds {kinds:?}", passed.len(), replies.len());
    assert!(passed.is_empty(), "{}", passed.join("\n"));
    for reply in replies.iter().filter(|r| !r.bad.is_empty()) {
        assert!(reply.bad.iter().all(|bad| reply.reply.contains(bad)), "no such text in: {}", reply.reply);
    }
}

/// The share of replies of a file that leave as they were written.
fn survive(name: &str, file: &str) -> f64 {
    let scenes = scenes();
    let replies = replies(file);
    let mut lost = Vec::new();
    for reply in &replies {
        let facts = &scenes[&reply.scene];
        let checked = check(&reply.reply, facts);
        if checked.text.as_deref() != Some(reply.text.as_deref().unwrap_or(&reply.reply).trim()) {
            lost.push(format!("{} {} -> {:?} {:?}", reply.scene, reply.reply, checked.text, checked.faults));
        }
    }
    let share = 1.0 - lost.len() as f64 / replies.len() as f64;
    println!(
        "{name}: {} of {} survive whole\n{}",
        replies.len() - lost.len(),
        replies.len(),
        lost.join("\n")
    );
    share
}

#[test]
fn honest_replies_survive() {
    assert!(60 <= replies(include_str!("honest.jsonl")).len());
    assert_eq!(survive("honest", include_str!("honest.jsonl")), 1.0);
}

/// Sixty replies as a fluent model writes them, true of their scenes, from before the list had their words: what of them is lost now is a judgement
/// ("good value"), an order of several, or a bare yes, which nothing here can hold against a fact.
#[test]
fn most_fluent_replies_survive() {
    assert_eq!(replies(include_str!("fluent.jsonl")).len(), 60);
    assert!(FLUENT_MIN <= survive("fluent", include_str!("fluent.jsonl")));
}

/// Written when the check was finished: 28 of 40 survived at first sight, 38 since. What a reply in plain words may expect.
#[test]
fn most_unseen_honest_replies_survive() {
    assert!(0.6 <= survive("unseen", include_str!("unseen.jsonl")));
}
