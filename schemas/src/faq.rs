//! Questions that shoppers ask of the shop itself, with its answers. An entry is JSON on the wire, in files and at rest; one
//! that was checked is within every bound here.

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::limits::{
    FAQ_ANSWER_BYTES_MAX, FAQ_CATEGORY_BYTES_MAX, FAQ_ID_BYTES_MAX, FAQ_QUESTION_BYTES_MAX,
    FAQ_QUESTIONS_MAX, FAQ_TAGS_MAX, TAG_BYTES_MAX,
};
use crate::reject::{Code, Reject};

/// Languages of questions and answers.
pub const LANGUAGES: [&str; 2] = ["zh", "en"];

/// One entry: what is asked, in how many wordings ever, and what the shop says to it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FaqEntry {
    /// Chosen by the shop, 1 to 64 bytes.
    pub id: String,
    /// What it is about, such as `delivery`; 1 to 64 bytes.
    pub category: String,
    /// Words that it is found by beside its questions; at most 16.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    /// Wordings of the question by language, `zh` or `en`; at most 16 each.
    pub questions: BTreeMap<String, Vec<String>>,
    /// The answer by language: one for each language that has a question.
    pub answers: BTreeMap<String, String>,
}

impl FaqEntry {
    /// Reads an entry and checks it.
    ///
    /// # Errors
    /// [`Reject`] for what is no JSON of this shape, and as [`FaqEntry::check`].
    pub fn parse(bytes: &[u8]) -> Result<Self, Reject> {
        let entry: Self = serde_json::from_slice(bytes).map_err(|error| unread(&error))?;
        entry.check()?;
        Ok(entry)
    }

    /// # Errors
    /// [`Reject`] with the field that is missing, blank, too long or given twice, and its bound.
    pub fn check(&self) -> Result<(), Reject> {
        text("id", &self.id, FAQ_ID_BYTES_MAX)?;
        if self.id.chars().any(char::is_control) {
            return Err(Reject::new(Code::BadValue, "id", "id holds a control character"));
        }
        text("category", &self.category, FAQ_CATEGORY_BYTES_MAX)?;
        count("tags", self.tags.len(), FAQ_TAGS_MAX)?;
        self.tags.iter().try_for_each(|tag| text("tags", tag, TAG_BYTES_MAX))?;
        languages("questions", self.questions.keys())?;
        languages("answers", self.answers.keys())?;
        for (language, questions) in &self.questions {
            let field = format!("questions.{language}");
            count(&field, questions.len(), FAQ_QUESTIONS_MAX)?;
            questions.iter().try_for_each(|question| text(&field, question, FAQ_QUESTION_BYTES_MAX))?;
            let mut seen = BTreeSet::new();
            if let Some(twice) = questions.iter().position(|q| !seen.insert(q.trim().to_lowercase())) {
                let message = format!("{field} says the same twice, number {} again", twice + 1);
                return Err(Reject::new(Code::DuplicateField, field, message));
            }
            if !questions.is_empty() && !self.answers.contains_key(language) {
                let field = format!("answers.{language}");
                let message = format!("{field} is missing, there are questions in this language");
                return Err(Reject::new(Code::Missing, field, message));
            }
        }
        if self.questions.values().all(Vec::is_empty) {
            return Err(Reject::new(Code::Missing, "questions", "questions has none, expected at least one"));
        }
        let answer = |(language, answer): (&String, &String)| {
            text(&format!("answers.{language}"), answer, FAQ_ANSWER_BYTES_MAX)
        };
        self.answers.iter().try_for_each(answer)
    }

    /// The bytes at rest.
    pub fn to_bytes(&self) -> Vec<u8> {
        // Strings in maps with string keys cannot fail.
        serde_json::to_vec(self).unwrap_or_default()
    }
}

fn text(field: &str, value: &str, bytes_max: usize) -> Result<(), Reject> {
    if value.trim().is_empty() {
        return Err(Reject::new(Code::Blank, field.to_owned(), format!("{field} is blank")));
    }
    if bytes_max < value.len() {
        let message = format!("{field} has {} bytes, expected at most {bytes_max}", value.len());
        return Err(Reject::new(Code::TooLong, field.to_owned(), message));
    }
    Ok(())
}

fn count(field: &str, n: usize, max: usize) -> Result<(), Reject> {
    if n <= max {
        return Ok(());
    }
    let message = format!("{field} has {n} entries, expected at most {max}");
    Err(Reject::new(Code::TooLong, field.to_owned(), message))
}

fn languages<'a>(field: &'static str, mut given: impl Iterator<Item = &'a String>) -> Result<(), Reject> {
    match given.all(|language| LANGUAGES.contains(&language.as_str())) {
        true => Ok(()),
        false => {
            let message = format!("{field} has a language that is not known, expected zh or en");
            Err(Reject::new(Code::UnknownField, field, message))
        }
    }
}

/// Serde's message names the field in backticks and may repeat the input, of which a beginning is kept.
fn unread(error: &serde_json::Error) -> Reject {
    const SHOWN_CHARS_MAX: usize = 160;
    let text = error.to_string();
    let shown: String = text.chars().filter(|c| !c.is_control()).take(SHOWN_CHARS_MAX).collect();
    let named = text.split('`').nth(1).map(|name| name.chars().take(SHOWN_CHARS_MAX).collect::<String>());
    let (code, field) = match named {
        _ if !error.is_data() => (Code::Malformed, None),
        named if text.starts_with("unknown field") => (Code::UnknownField, named),
        named if text.starts_with("duplicate field") => (Code::DuplicateField, named),
        named if text.starts_with("missing field") => (Code::Missing, named),
        _ => (Code::BadValue, None),
    };
    Reject::new(code, field.unwrap_or_else(|| "entry".to_owned()), shown)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry() -> serde_json::Value {
        serde_json::json!({
            "id": "delivery-time", "category": "delivery", "tags": ["shipping"],
            "questions": {"zh": ["多久能到？"], "en": ["How long does delivery take?", "when will it arrive"]},
            "answers": {"zh": "一到三天。", "en": "One to three days."},
        })
    }

    #[test]
    fn an_entry_comes_back_as_it_went() {
        let bytes = entry().to_string().into_bytes();
        let read = FaqEntry::parse(&bytes).unwrap();
        assert_eq!(FaqEntry::parse(&read.to_bytes()).unwrap(), read);
    }

    #[test]
    fn what_is_wrong_is_named() {
        let long = "x".repeat(5_000);
        for (path, value, code, field) in [
            ("/id", "".into(), "blank", "id"),
            ("/id", long.clone().into(), "too_long", "id"),
            ("/id", "a\u{7}".into(), "bad_value", "id"),
            ("/category", " ".into(), "blank", "category"),
            ("/tags", serde_json::json!(vec!["t"; 17]), "too_long", "tags"),
            ("/tags", serde_json::json!([""]), "blank", "tags"),
            ("/questions/zh", serde_json::json!([]), "", ""),
            ("/questions", serde_json::json!({}), "missing", "questions"),
            ("/questions", serde_json::json!({"fr": ["quoi"]}), "unknown_field", "questions"),
            ("/questions/en", serde_json::json!(vec!["q"; 17]), "too_long", "questions.en"),
            ("/questions/en", serde_json::json!(["Twice?", "twice? "]), "duplicate_field", "questions.en"),
            ("/questions/en", serde_json::json!([long]), "too_long", "questions.en"),
            ("/questions/en", "text".into(), "bad_value", "entry"),
            ("/answers/zh", "".into(), "blank", "answers.zh"),
            ("/answers", serde_json::json!({"zh": "好"}), "missing", "answers.en"),
            ("/answers/en", long.as_str().into(), "too_long", "answers.en"),
        ] {
            let mut wrong = entry();
            *wrong.pointer_mut(path).unwrap() = value;
            let read = FaqEntry::parse(wrong.to_string().as_bytes());
            let said = read
                .err()
                .map_or((String::new(), String::new()), |r| (r.code.to_string(), r.field.into_owned()));
            assert_eq!((said.0.as_str(), said.1.as_str()), (code, field), "{path}");
        }
        let said = |json: &str| FaqEntry::parse(json.as_bytes()).unwrap_err();
        assert_eq!(said("{\"id\": ").code, Code::Malformed);
        assert_eq!(said(r#"{"id": "a", "idd": 1}"#).field, "idd");
        assert_eq!(said(r#"{"id": "a"}"#).code, Code::Missing);
    }
}
