//! Labelled messages against the bars.

use std::collections::HashMap;
use std::io::{BufRead, BufReader};

use shoptide_models::chat::{DialogueState, understand};

use crate::catalogue::{after_phones, lexicon};
use crate::score::{Label, Score};

fn labels(file: &str) -> Vec<Label> {
    let read = |line: &str| serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}"));
    file.lines().filter(|l| !l.trim().is_empty()).map(read).collect()
}

/// Texts of the public queries, where the data sets are.
fn queries() -> Option<HashMap<u32, String>> {
    let folder = std::path::PathBuf::from(std::env::var_os("SHOPTIDE_DATA")?).join("multi_cpr_ecom_queries");
    let mut all = HashMap::new();
    for name in ["train.query.txt.gz", "dev.query.txt.gz"] {
        let file = std::fs::File::open(folder.join(name)).ok()?;
        for line in BufReader::new(flate2::read::GzDecoder::new(file)).lines() {
            let line = line.ok()?;
            let (id, text) = line.split_once('\t')?;
            all.insert(id.parse().ok()?, text.to_owned());
        }
    }
    Some(all)
}

fn score(labels: Vec<Label>) -> Score {
    let lexicon = lexicon();
    let after = after_phones(&lexicon);
    let queries = queries();
    let (mut score, mut skipped) = (Score::default(), 0);
    for label in labels {
        let state = match label.after.as_deref() {
            None => DialogueState::default(),
            Some("phones") => after.clone(),
            Some(other) => panic!("no state is called {other}"),
        };
        let text = match label.query {
            None => label.text.clone(),
            Some(id) => match queries.as_ref().map(|all| all.get(&id)) {
                Some(text) => text.unwrap_or_else(|| panic!("no query has id {id}")).clone(),
                None => {
                    skipped += 1;
                    continue;
                }
            },
        };
        let read = understand(&text, &lexicon, &state);
        if let Some(differs) = score.add(&label, &read) {
            println!("{text}\n   {differs}");
        }
    }
    if 0 < skipped {
        println!("SHOPTIDE_DATA is not set: {skipped} public queries are skipped");
    }
    println!("{score}");
    score
}

#[test]
fn labelled_messages_are_understood() {
    let labels = labels(include_str!("utterances.jsonl"));
    assert!(400 <= labels.iter().filter(|l| l.query.is_none()).count());
    let slots = |l: &&Label| 2 <= l.pairs().iter().filter(|p| !p.starts_with("currency")).count();
    assert!(labels.len() <= 2 * labels.iter().filter(slots).count(), "half of them have several slots");
    let score = score(labels);
    assert!(0.95 <= score.intent_accuracy() && 0.95 <= score.slot_f1() && 0.98 <= score.price_accuracy());
}

/// Written in other styles before any of them was tried; `README.md` has what they showed then.
#[test]
fn messages_in_other_styles_are_understood() {
    for file in [include_str!("blind.jsonl"), include_str!("blind2.jsonl"), include_str!("blind3.jsonl")] {
        let score = score(labels(file));
        assert!(0.90 <= score.intent_accuracy() && 0.90 <= score.slot_f1() && 0.90 <= score.price_accuracy());
    }
}

/// Any other set: `SHOPTIDE_UTTERANCES=file.jsonl`.
#[test]
fn messages_of_a_given_file_are_understood() {
    let Some(path) = std::env::var_os("SHOPTIDE_UTTERANCES") else {
        println!("SHOPTIDE_UTTERANCES is not set: skipped");
        return;
    };
    let score = score(labels(&std::fs::read_to_string(path).unwrap()));
    assert!(0.90 <= score.intent_accuracy() && 0.90 <= score.slot_f1() && 0.90 <= score.price_accuracy());
}
