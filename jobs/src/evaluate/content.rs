//! `evaluate ranking --items FILE`: the model `content`, which ranks by what items say of themselves.

use std::path::Path;

use shoptide_models::content::{ContentIndex, ContentParams, ContentRank, ItemText};
use shoptide_models::matrix::Interactions;
use shoptide_models::model::{RankItems, Scored};

use super::error::EvaluateError;
use super::ids::Ids;

/// As typed after `--model`.
pub(super) const NAME: &str = "content";

/// Bytes of one field that are read: enough for any description, and no file can ask for all memory by one cell.
const FIELD_BYTES_MAX: usize = 65_536;

/// What one item says.
#[derive(Debug, Clone, Default)]
struct Text {
    title: String,
    brand: String,
    category: String,
    tags: Vec<String>,
    description: String,
}

/// The texts of the items that have numbers, and of how many of them the file says something.
#[derive(Debug)]
pub(super) struct ItemsFile {
    texts: Vec<Text>,
    known: usize,
    strange: usize,
}

/// Names of the columns; the item's must be there, and at least one of the others.
const ITEM: &[&str] = &["item", "itemid", "movieid", "productid", "asin", "id"];
const TEXTS: [&[&str]; 5] = [
    &["title", "name"],
    &["brand"],
    &["category", "categories"],
    &["tags", "genres", "keywords"],
    &["description", "text"],
];

impl ItemsFile {
    /// Reads a file of comma or tab separated fields, quoted where they must be, under a header. Tags are separated by
    /// `|`, levels of a category by `/`.
    ///
    /// # Errors
    /// If the file cannot be read, has no item column or nothing that an item could say.
    pub(super) fn read(file: &Path, items: &Ids) -> Result<Self, EvaluateError> {
        let bytes = std::fs::read(file).map_err(|e| EvaluateError::unreadable(file, e))?;
        let head = bytes.split(|b| *b == b'\n').next().unwrap_or_default();
        let delimiter = if head.contains(&b'\t') { b'\t' } else { b',' };
        let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&bytes);
        let mut rows = csv::ReaderBuilder::new().delimiter(delimiter).flexible(true).from_reader(bytes);
        let header = rows.byte_headers().map_err(|e| EvaluateError::file(file, e))?.clone();
        let normal =
            |cell: &[u8]| String::from_utf8_lossy(cell).trim().to_lowercase().replace(['_', '-', ' '], "");
        let place = |names: &[&str]| header.iter().position(|cell| names.contains(&normal(cell).as_str()));
        let Some(item) = place(ITEM) else {
            return Err(EvaluateError::line(file, 1, "no column item"));
        };
        let places = TEXTS.map(place);
        if places.iter().all(Option::is_none) {
            let expected = "expected one of the columns title, brand, category, tags, description";
            return Err(EvaluateError::line(file, 1, expected));
        }
        let mut made = Self { texts: vec![Text::default(); items.len()], known: 0, strange: 0 };
        let mut row = csv::ByteRecord::new();
        while rows.read_byte_record(&mut row).map_err(|e| EvaluateError::file(file, e))? {
            let line = row.position().map_or(0, csv::Position::line);
            if let Some(long) = row.iter().find(|cell| FIELD_BYTES_MAX < cell.len()) {
                let found = format!("a field of {} bytes, expected at most {FIELD_BYTES_MAX}", long.len());
                return Err(EvaluateError::line(file, line, found));
            }
            let id = row.get(item).unwrap_or_default().trim_ascii();
            if id.is_empty() {
                return Err(EvaluateError::line(file, line, "item is empty, expected an id"));
            }
            let Some(text) = items.find(id).and_then(|item| made.texts.get_mut(item as usize)) else {
                made.strange += 1;
                continue;
            };
            let cell = |at: Option<usize>| {
                String::from_utf8_lossy(at.and_then(|at| row.get(at)).unwrap_or_default()).into_owned()
            };
            let [title, brand, category, tags, description] = places.map(cell);
            let tags = tags.split('|').filter(|tag| !tag.is_empty()).map(str::to_owned).collect();
            *text = Text { title, brand, category, tags, description };
            made.known += 1;
        }
        Ok(made)
    }

    pub(super) fn note(&self, n_items: usize) -> String {
        format!(
            "content: {} of {n_items} items say something; {} rows are of items that are not in the training data",
            self.known, self.strange
        )
    }
}

/// Ranks by the cosine between what a user had and what there is.
pub(super) struct ByContent {
    index: ContentIndex,
    users: Interactions,
}

impl ByContent {
    pub(super) fn fit(file: &ItemsFile, users: &Interactions, params: &ContentParams) -> Self {
        let texts: Vec<ItemText<'_>> = file
            .texts
            .iter()
            .map(|text| ItemText {
                title: &text.title,
                brand: &text.brand,
                category: &text.category,
                tags: &text.tags,
                description: &text.description,
                price: None,
            })
            .collect();
        Self { index: ContentIndex::fit(&texts, params), users: users.clone() }
    }
}

impl RankItems for ByContent {
    fn top(&self, user: u32, skip: &[u32], k: usize) -> Scored {
        ContentRank { index: &self.index, users: &self.users }.top(user, skip, k)
    }
}
