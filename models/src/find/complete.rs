//! What a text that is being typed may become.

use std::collections::HashMap;

use crate::content::{Cut, plain, tokeniser};

/// The text with its last word completed by a word of these titles, the most frequent first; a title that stands earlier counts
/// for more. Nothing if the text does not end in the middle of a word.
///
/// ```
/// use shoptide_models::find::completions;
/// let titles = ["Aurora wireless headphones", "Red wired headphones", "无线耳机"];
/// assert_eq!(completions("red Wire", titles.into_iter(), 5), ["red wireless", "red wired"]);
/// assert_eq!(completions("无", titles.into_iter(), 5), ["无线耳机"]);
/// assert!(completions("wireless ", titles.into_iter(), 5).is_empty());
/// ```
pub fn completions<'t>(text: &str, titles: impl Iterator<Item = &'t str>, n: usize) -> Vec<String> {
    // Completed in the characters that it is typed in, so nothing is simplified here.
    let (written, mut last) = (plain(text), String::new());
    tokeniser().each_word(text, Cut::Once, &mut |word| word.form.clone_into(&mut last));
    let Some(before) = written.strip_suffix(&last).filter(|_| !last.is_empty()) else { return Vec::new() };
    let mut weights: HashMap<String, f64> = HashMap::new();
    for (place, title) in titles.enumerate() {
        let weight = 1.0 / (1.0 + place as f64).sqrt();
        tokeniser().each_word(title, Cut::Once, &mut |word| {
            if last.len() < word.form.len() && word.form.starts_with(&last) {
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
