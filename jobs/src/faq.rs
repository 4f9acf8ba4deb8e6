//! Entries out of a file's text: JSON lines, or CSV with a column a field. All of it is read before any of it counts, and every
//! bad row is named.

use std::collections::{BTreeMap, HashMap};

use shoptide_schemas::faq::LANGUAGES;
use shoptide_schemas::limits::FAQ_ENTRIES_MAX;
use shoptide_schemas::{Code, FaqEntry, Reject};

/// Bad rows that are named; a file with more is of another kind.
pub const BAD_ROWS_MAX: usize = 100;
/// Bytes of a file: 10,000 usual entries have some 10 MiB.
pub const FILE_BYTES_MAX: u64 = 64 * 1024 * 1024;
/// What parts several questions or tags in one field of CSV.
const PARTS: char = '|';
/// Columns of CSV, in any order.
const COLUMNS: [&str; 7] = ["id", "category", "tags", "question_zh", "question_en", "answer_zh", "answer_en"];

/// A row that cannot be taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {}: {}", reject.field, reject.message)]
pub struct BadRow {
    /// From 1; of a row of several lines, the first.
    pub line: u64,
    pub reject: Reject,
}

/// Reads JSON lines; blank lines are passed over.
///
/// # Errors
/// Every row that is no entry or whose id or first wording was given before, at most [`BAD_ROWS_MAX`].
pub fn read_lines(text: &str) -> Result<Vec<FaqEntry>, Vec<BadRow>> {
    let mut rows = Rows::default();
    for (line, row) in (1..).zip(text.lines()) {
        if !row.trim().is_empty() {
            rows.take(line, FaqEntry::parse(row.as_bytes()));
        }
    }
    rows.finish()
}

/// Reads CSV with a head: `id, category, tags, question_zh, question_en, answer_zh, answer_en`, in any order, of which
/// only the languages that are used must be there. `|` parts several questions or tags.
///
/// # Errors
/// As [`read_lines`], and for a head with a column that is not known, missing or given twice.
pub fn read_csv(text: &str) -> Result<Vec<FaqEntry>, Vec<BadRow>> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut reader = csv::ReaderBuilder::new().has_headers(false).flexible(true).from_reader(text.as_bytes());
    let mut records = reader.records().map(|record| {
        let unread = |error: &csv::Error| Reject::new(Code::Malformed, "row", error.to_string());
        match record {
            Ok(record) => (record.position().map_or(1, csv::Position::line), Ok(record)),
            Err(error) => (error.position().map_or(1, csv::Position::line), Err(unread(&error))),
        }
    });
    let head = match records.next() {
        Some((line, head)) => {
            head.and_then(|head| columns(&head)).map_err(|reject| vec![BadRow { line, reject }])?
        }
        None => Vec::new(),
    };
    let mut rows = Rows::default();
    for (line, record) in records {
        rows.take(line, record.and_then(|fields| of_fields(&head, &fields)));
    }
    rows.finish()
}

/// What was read so far.
#[derive(Default)]
struct Rows {
    entries: Vec<FaqEntry>,
    bad: Vec<BadRow>,
    ids: HashMap<String, u64>,
    wordings: HashMap<String, u64>,
}

impl Rows {
    fn take(&mut self, line: u64, entry: Result<FaqEntry, Reject>) {
        match entry.and_then(|entry| self.not_twice(line, entry)) {
            Ok(entry) => self.entries.push(entry),
            Err(reject) if self.bad.len() < BAD_ROWS_MAX => self.bad.push(BadRow { line, reject }),
            Err(_) => {}
        }
    }

    /// The entry, if neither its id nor one of its wordings was there before.
    fn not_twice(&mut self, line: u64, entry: FaqEntry) -> Result<FaqEntry, Reject> {
        let twice = |field: String, first: u64, what: &str| {
            let message = format!("{field} has {what} of line {first} again");
            Err(Reject::new(Code::DuplicateField, field, message))
        };
        if let Some(first) = self.ids.get(&entry.id) {
            return twice("id".to_owned(), *first, "the id");
        }
        for (language, questions) in &entry.questions {
            for question in questions {
                if let Some(first) = self.wordings.get(&worded(question)) {
                    return twice(format!("questions.{language}"), *first, "a question");
                }
            }
        }
        if FAQ_ENTRIES_MAX <= self.entries.len() {
            let message = format!("the file has more entries than {FAQ_ENTRIES_MAX}");
            return Err(Reject::new(Code::TooLong, "entry", message));
        }
        self.ids.insert(entry.id.clone(), line);
        let wordings = entry.questions.values().flatten().map(|question| (worded(question), line));
        self.wordings.extend(wordings);
        Ok(entry)
    }

    fn finish(mut self) -> Result<Vec<FaqEntry>, Vec<BadRow>> {
        if self.entries.is_empty() && self.bad.is_empty() {
            let reject = Reject::new(Code::Missing, "entry", "the file has no entry");
            self.bad.push(BadRow { line: 1, reject });
        }
        if self.bad.is_empty() { Ok(self.entries) } else { Err(self.bad) }
    }
}

/// A wording as it is compared.
fn worded(question: &str) -> String {
    question.trim().to_lowercase()
}

fn columns(head: &csv::StringRecord) -> Result<Vec<&'static str>, Reject> {
    let mut known: Vec<&'static str> = Vec::new();
    for name in head {
        let Some(column) = COLUMNS.into_iter().find(|column| column == &name.trim()) else {
            let message = format!("the head has a column that is not known, expected {}", COLUMNS.join(", "));
            return Err(Reject::new(Code::UnknownField, "head", message));
        };
        if known.contains(&column) {
            return Err(Reject::new(Code::DuplicateField, "head", format!("the head has {column} twice")));
        }
        known.push(column);
    }
    match ["id", "category"].into_iter().find(|column| !known.contains(column)) {
        Some(missing) => Err(Reject::new(Code::Missing, missing, format!("the head has no {missing}"))),
        None => Ok(known),
    }
}

fn of_fields(head: &[&'static str], fields: &csv::StringRecord) -> Result<FaqEntry, Reject> {
    if head.len() != fields.len() {
        let message = format!("the row has {} fields, expected {}", fields.len(), head.len());
        return Err(Reject::new(Code::Malformed, "row", message));
    }
    let of = |column: &str| {
        let place = head.iter().position(|known| *known == column);
        place.and_then(|place| fields.get(place)).map_or("", str::trim)
    };
    let parts = |text: &str| -> Vec<String> {
        text.split(PARTS).map(str::trim).filter(|part| !part.is_empty()).map(str::to_owned).collect()
    };
    let mut questions = BTreeMap::new();
    let mut answers = BTreeMap::new();
    for language in LANGUAGES {
        let asked = parts(of(&format!("question_{language}")));
        if !asked.is_empty() {
            questions.insert(language.to_owned(), asked);
        }
        let answer = of(&format!("answer_{language}"));
        if !answer.is_empty() {
            answers.insert(language.to_owned(), answer.to_owned());
        }
    }
    let entry = FaqEntry {
        id: of("id").to_owned(),
        category: of("category").to_owned(),
        tags: parts(of("tags")),
        questions,
        answers,
    };
    entry.check()?;
    Ok(entry)
}
