//! What a text that is being typed may become.

use std::collections::HashMap;

use super::words::query_words;
use crate::content::{Cut, plain, tokeniser};

/// The text with its last word completed by a word of these titles, the most frequent first; a title that stands earlier counts
/// for more. Nothing if the text does not end in the middle of a word.
///
/// ```
/// use shoptide_models::find::completions;
/// let titles = ["Aurora wireless headphones", "Red wired headphones", "无线耳机"];
/// assert_eq!(completions("red Wire", titles.into_iter(), 5), ["red wireless", "red wired"]);
/// assert_eq!(completions("无", titles.into_iter(), 5), ["无线"]);
/// assert!(completions("wireless ", titles.into_iter(), 5).is_empty());
/// ```
pub fn completions<'t>(text: &str, titles: impl Iterator<Item = &'t str>, n: usize) -> Vec<String> {
    let Some(last) = query_words(text).pop().filter(|word| word.open) else { return Vec::new() };
    let written = plain(text);
    let Some(before) = written.strip_suffix(&last.form) else { return Vec::new() };
    let mut weights: HashMap<String, f64> = HashMap::new();
    for (place, title) in titles.enumerate() {
        let weight = 1.0 / (1.0 + place as f64).sqrt();
        tokeniser().each_word(title, Cut::Once, &mut |word| {
            if last.form.len() < word.form.len() && word.form.starts_with(&last.form) {
                *weights.entry(word.form.to_owned()).or_default() += weight;
            }
        });
    }
    let mut words: Vec<(String, f64)> = weights.into_iter().collect();
    words.sort_by(|a, b| b.1.total_cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    words.truncate(n);
    let before = before.trim_start();
    words.into_iter().map(|(word, _)| format!("{before}{word}")).collect()
}
