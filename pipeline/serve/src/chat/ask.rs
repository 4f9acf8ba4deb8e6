//! What a client sends, checked.

use serde::Deserialize;
use shoptide_models::chat::MESSAGE_CHARS_MAX;
use shoptide_schemas::event::Feedback;
use shoptide_schemas::{Code, Reject, UserId};
use utoipa::ToSchema;

/// Letters of a session's name: 128 random bits.
pub(super) const SESSION_CHARS: usize = 32;
/// Messages of before that are read again: who has said more refines the last of them.
pub(super) const EARLIER_MAX: usize = 8;
/// Characters of what is said of a product.
pub(super) const TEXT_CHARS_MAX: usize = 2_000;

/// One message.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"user_id": "U10001", "message": "三千以内拍照好的手机，不要苹果"}))]
pub(crate) struct ChatBody {
    /// Of an answer before; absent begins a dialogue.
    #[serde(default)]
    pub session_id: Option<String>,
    /// Who asks; absent is a visitor whom only his session knows.
    #[serde(default)]
    pub user_id: Option<String>,
    /// 1 to 2,000 characters, in Chinese, English or both.
    #[serde(default)]
    #[schema(max_length = 2000)]
    pub message: Option<String>,
    /// Answer as server-sent events: first the products, then the words.
    #[serde(default)]
    pub stream: bool,
}

/// Checked.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    pub session: Option<String>,
    pub user: Option<UserId>,
    pub message: String,
    /// It is of a talk that nobody keeps: all of it comes with each message.
    pub talk: bool,
    /// Messages of the shopper before in such a talk, oldest first.
    pub earlier: Vec<String>,
}

impl Asked {
    pub fn new(session: Option<String>, user: Option<&str>, message: String) -> Result<Self, Reject> {
        within(&message, "message", MESSAGE_CHARS_MAX)?;
        if message.trim().is_empty() {
            return Err(Reject::new(Code::Blank, "message", "message is blank"));
        }
        let user = user.map(UserId::parse).transpose()?;
        Ok(Self { session, user, message, talk: false, earlier: Vec::new() })
    }

    /// The last messages of those that went before. What the shop keeps itself it knows better.
    pub fn after(mut self, said: impl Iterator<Item = String>) -> Self {
        if self.session.is_none() {
            self.talk = true;
            self.earlier = said.filter(|text| within(text, "message", MESSAGE_CHARS_MAX).is_ok()).collect();
            self.earlier.drain(..self.earlier.len().saturating_sub(EARLIER_MAX));
        }
        self
    }
}

impl ChatBody {
    pub fn checked(self) -> Result<Asked, Reject> {
        let missing = || Reject::new(Code::Missing, "message", "message is missing");
        let message = self.message.ok_or_else(missing)?;
        Asked::new(self.session_id, self.user_id.as_deref(), message)
    }
}

/// What the user says of a product that he was shown.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"user_id": "U10001", "feedback": "like", "text": "轻，屏幕好"}))]
pub(crate) struct FeedbackBody {
    /// As in the dialogue; absent for a visitor.
    #[serde(default)]
    pub user_id: Option<String>,
    /// `like`, `dislike`, `not_interested` or `bought`.
    #[serde(default)]
    pub feedback: Option<String>,
    /// At most 2,000 characters.
    #[serde(default)]
    #[schema(max_length = 2000)]
    pub text: Option<String>,
}

impl FeedbackBody {
    pub fn checked(self) -> Result<(Option<UserId>, Feedback, String), Reject> {
        let user = self.user_id.as_deref().map(UserId::parse).transpose()?;
        let missing = || Reject::new(Code::Missing, "feedback", "feedback is missing");
        let name = self.feedback.ok_or_else(missing)?;
        let known = Feedback::ALL.into_iter().find(|f| f.name() == name);
        let unknown = || {
            let names = Feedback::ALL.map(Feedback::name).join(", ");
            Reject::new(Code::BadValue, "feedback", format!("feedback is not known, expected one of {names}"))
        };
        let text = self.text.unwrap_or_default();
        within(&text, "text", TEXT_CHARS_MAX)?;
        Ok((user, known.ok_or_else(unknown)?, text))
    }
}

fn within(text: &str, field: &'static str, max: usize) -> Result<(), Reject> {
    // Not longer than its bytes: the usual case costs nothing.
    let chars = if text.len() <= max { text.len() } else { text.chars().count() };
    if max < chars {
        let message = format!("{field} has {chars} characters, expected at most {max}");
        return Err(Reject::new(Code::TooLong, field, message));
    }
    Ok(())
}

/// Names a product that a turn showed: `session.turn.place`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RecordId {
    pub session: String,
    pub turn: u32,
    pub place: u32,
}

impl RecordId {
    /// `None` for what is no such name: nothing has it.
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split('.');
        let (session, turn, place) = (parts.next()?, parts.next()?, parts.next()?);
        let number = |text: &str| text.parse::<u32>().ok().filter(|n| n.to_string() == text);
        let id =
            Self { session: is_session(session)?.to_owned(), turn: number(turn)?, place: number(place)? };
        parts.next().is_none().then_some(id)
    }
}

impl std::fmt::Display for RecordId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}.{}", self.session, self.turn, self.place)
    }
}

/// A text that may be a session's name; whatever else it is, no session has it.
pub(super) fn is_session(text: &str) -> Option<&str> {
    let made = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
    (text.len() == SESSION_CHARS && text.bytes().all(made)).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_are_named_in_one_way() {
        let session = "0123456789abcdef0123456789abcdef";
        let id = RecordId::parse(&format!("{session}.3.10")).unwrap();
        assert_eq!(id, RecordId { session: session.to_owned(), turn: 3, place: 10 });
        assert_eq!(RecordId::parse(&id.to_string()), Some(id));
        for bad in
            ["", "a.1.1", &format!("{session}.1"), &format!("{session}.01.1"), &format!("{session}.1.1.1")]
        {
            assert_eq!(RecordId::parse(bad), None, "{bad}");
        }
        assert_eq!(RecordId::parse(&format!("{}.1.1", session.to_uppercase())), None);
        assert_eq!(RecordId::parse(&format!("{session}.-1.1")), None);
        assert_eq!(RecordId::parse(&format!("{session}.99999999999.1")), None);
    }
}
