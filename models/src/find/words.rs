//! Items and queries as words. Both go through the one tokeniser, so what is written the same is found.

use std::collections::BTreeSet;

use xxhash_rust::xxh3::xxh3_64;

use super::simplified::simplified;
use crate::catalogue::CatalogueItem;
use crate::content::{Cut, TERM_BYTES_MAX, is_han, plain, tokeniser};

/// Words of a query that are looked for; what comes later is passed over. A title that is longer is still found by its key.
pub const QUERY_WORDS_MAX: usize = 24;
/// Words of one field of an item: a description may have 16 KiB, and says what it says in its first thousand words.
const FIELD_WORDS_MAX: usize = 1_000;

/// What the index holds of an item. A word stands in the first of `title`, `about` and `body` that has it, and in no other:
/// that is how loud it is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ItemWords {
    /// Of the title, in all its languages.
    pub title: BTreeSet<String>,
    /// Of brand, category and tags.
    pub about: BTreeSet<String>,
    /// Of the description.
    pub body: BTreeSet<String>,
    /// Words of title, brand, category and tags as they are written, and single Chinese characters: for beginnings of words,
    /// and for typing errors.
    pub forms: BTreeSet<String>,
    /// Keys of the whole titles, and of the id.
    pub keys: BTreeSet<u64>,
}

impl ItemWords {
    /// - `id`: so that an article number is found as it is written
    pub fn of(id: &[u8], item: &CatalogueItem) -> Self {
        let mut words = Self::default();
        let titles = || std::iter::once(&item.title).chain(item.titles.values()).map(String::as_str);
        let about = [item.brand.as_str(), item.category.as_str()];
        let about = || about.into_iter().chain(item.tags.iter().map(String::as_str));
        titles().for_each(|title| take(title, &mut words.title, Some(&mut words.forms)));
        about().for_each(|text| take(text, &mut words.about, Some(&mut words.forms)));
        take(&item.description, &mut words.body, None);
        let Self { title, about, body, .. } = &mut words;
        about.retain(|word| !title.contains(word));
        body.retain(|word| !title.contains(word) && !about.contains(word));
        words.keys = titles().chain(std::str::from_utf8(id).ok()).filter_map(exact_key).collect();
        words
    }
}

fn take(text: &str, terms: &mut BTreeSet<String>, mut forms: Option<&mut BTreeSet<String>>) {
    let mut left = FIELD_WORDS_MAX;
    tokeniser().each_word(&simplified(text), Cut::Fine, &mut |word| {
        if left == 0 {
            return;
        }
        left -= 1;
        terms.insert(word.term.to_owned());
        for part in parts_of(word.form) {
            terms.insert(part.to_owned());
        }
        if let Some(forms) = &mut forms {
            forms.insert(word.form.to_owned());
            forms.extend(parts_of(word.form).map(str::to_owned));
            forms.extend(word.form.chars().filter(|c| is_han(*c)).map(String::from));
        }
    });
}

/// The letters and the digits of a word that has both, such as `iphone15`: people part them, or do not.
pub fn parts_of(form: &str) -> impl Iterator<Item = &str> {
    let class = |c: char| if c.is_numeric() || c == '.' { 1 } else { 0 };
    let ends =
        form.char_indices().zip(form.chars().skip(1)).filter(move |((_, a), b)| class(*a) != class(*b));
    let mut cuts: Vec<usize> = ends.map(|((at, a), _)| at + a.len_utf8()).collect();
    let mut from = 0;
    if !cuts.is_empty() {
        cuts.push(form.len());
    }
    cuts.into_iter().filter_map(move |to| {
        let part = form.get(from..to);
        from = to;
        part.filter(|part| !part.is_empty())
    })
}

/// One word of a query.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueryWord {
    pub form: String,
    pub term: String,
    /// It ends where the query ends, so it may be the beginning of a word.
    pub open: bool,
}

impl QueryWord {
    pub fn is_han(&self) -> bool {
        self.form.chars().all(is_han)
    }
}

/// A query's words, each once, at most [`QUERY_WORDS_MAX`]. Whatever stands between words parts them and is nothing else: a query
/// is text.
///
/// ```
/// use shoptide_models::find::query_words;
/// let words = |q| query_words(q).into_iter().map(|w| w.term).collect::<Vec<_>>();
/// assert_eq!(words("title:(Phones AND -apple*)^2~"), ["titl", "phone", "appl", "2"]);
/// assert_eq!(words("ｉＰｈｏｎｅ手机"), ["iphon", "手机"]);
/// assert!(words("🎁 🎁 \u{202e}").is_empty());
/// ```
pub fn query_words(query: &str) -> Vec<QueryWord> {
    let query = &*simplified(query);
    let mut words: Vec<QueryWord> = Vec::new();
    tokeniser().each_word(query, Cut::Once, &mut |word| {
        if words.len() < QUERY_WORDS_MAX && words.iter().all(|known| known.term != word.term) {
            words.push(QueryWord { form: word.form.to_owned(), term: word.term.to_owned(), open: false });
        }
    });
    let written = plain(query);
    if let Some(last) = words.last_mut() {
        last.open = written.ends_with(&last.form) && last.form.len() <= TERM_BYTES_MAX;
    }
    words
}

/// Names a whole title: the same for all that differ only in case, width, simplified or traditional characters, and what stands
/// between the words. A title without
/// letters and digits (an emoji is one) is named by all that is not white space; nothing by nothing.
///
/// ```
/// use shoptide_models::find::exact_key;
/// assert_eq!(exact_key("iPhone 15 Pro (256GB)"), exact_key("iphone 15  pro 256gb"));
/// assert_ne!(exact_key("🎁"), exact_key("🎉"));
/// assert_eq!(exact_key(" "), None);
/// ```
pub fn exact_key(text: &str) -> Option<u64> {
    let plain = plain(&simplified(text));
    let mut folded = String::with_capacity(plain.len());
    for run in plain.split(|c: char| !c.is_alphanumeric()).filter(|run| !run.is_empty()) {
        if !folded.is_empty() {
            folded.push(' ');
        }
        folded.push_str(run);
    }
    if folded.is_empty() {
        folded.extend(plain.chars().filter(|c| !c.is_whitespace() && !c.is_control()));
    }
    (!folded.is_empty()).then(|| xxh3_64(folded.as_bytes()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn set(words: &[&str]) -> BTreeSet<String> {
        words.iter().map(|w| (*w).to_owned()).collect()
    }

    #[test]
    fn a_word_stands_in_its_loudest_field() {
        let item = CatalogueItem {
            title: "降噪耳机 X20".to_owned(),
            titles: [("en".to_owned(), "Quiet headphones X20".to_owned())].into(),
            brand: "Aurora".to_owned(),
            category: "technology/headphones".to_owned(),
            tags: vec!["耳机".to_owned()],
            description: "Aurora headphones for running".to_owned(),
            ..CatalogueItem::default()
        };
        let words = ItemWords::of(b"TECH1005", &item);
        assert_eq!(words.title, set(&["20", "headphon", "quiet", "x", "x20", "耳机", "降噪"]));
        assert_eq!(words.about, set(&["aurora", "technolog"]));
        assert_eq!(words.body, set(&["run"]));
        assert!(set(&["headphones", "technology", "耳", "机", "x20"]).is_subset(&words.forms));
        assert!(!words.forms.contains("running"), "descriptions would double the index");
        for title in ["降噪耳机 x20", "quiet HEADPHONES, x20", "tech1005"] {
            assert!(words.keys.contains(&exact_key(title).unwrap()), "{title}");
        }
        assert_eq!(ItemWords::of(&[0xff], &CatalogueItem::default()), ItemWords::default());
    }

    #[test]
    fn letters_and_digits_are_parted() {
        for (form, parts) in [
            ("iphone15", &["iphone", "15"][..]),
            ("64gb", &["64", "gb"]),
            ("1.5l", &["1.5", "l"]),
            ("a1b2", &["a", "1", "b", "2"]),
            ("phone", &[]),
            ("15", &[]),
            ("", &[]),
        ] {
            assert_eq!(parts_of(form).collect::<Vec<_>>(), parts, "{form}");
        }
    }

    #[test]
    fn the_last_word_is_open_unless_something_follows() {
        let open = |q: &str| query_words(q).last().unwrap().open;
        assert!(open("red headph") && open("手机 拍照") && open("2 HEADPH"));
        assert!(!open("headph ") && !open("headph!"));
    }

    proptest! {
        #[test]
        fn any_text_is_words(text in any::<String>()) {
            let words = query_words(&text);
            prop_assert!(words.len() <= QUERY_WORDS_MAX);
            prop_assert!(words.iter().all(|w| !w.term.is_empty() && w.form.len() <= TERM_BYTES_MAX + 2));
            let item = CatalogueItem { title: text.clone(), description: text.clone(), ..CatalogueItem::default() };
            let of_item = ItemWords::of(text.as_bytes(), &item);
            prop_assert!(of_item.body.is_empty());
            prop_assert!(exact_key(&text).is_none_or(|key| of_item.keys.contains(&key)));
        }
    }
}
