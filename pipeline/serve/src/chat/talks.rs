//! Talks that nobody keeps: a client that sends all messages of before each time would have them all read again, lists and all. Where a talk stood
//! after its last answer is remembered for a while; what was forgotten is read again.

use sha2::{Digest, Sha256};
use shoptide_models::chat::DialogueState;
use shoptide_schemas::UserId;

use super::ask::EARLIER_MAX;

/// Talks that are remembered: of some hundred bytes, at most 64 KiB each.
const TALKS_MAX: usize = 1_024;

/// A talk's name: by who speaks and what he said, in its order. A SHA-256, so that nobody finds words that open another's talk.
type Name = [u8; 32];

pub(crate) struct Talks(quick_cache::sync::Cache<Name, DialogueState>);

impl Default for Talks {
    fn default() -> Self {
        Self(quick_cache::sync::Cache::new(TALKS_MAX))
    }
}

impl Talks {
    /// Where a talk stood after these messages.
    pub fn after(&self, user: Option<&UserId>, said: &[String]) -> Option<DialogueState> {
        self.0.get(&name(user, said))
    }

    /// Remembers where a talk stands after these messages.
    pub fn note(&self, user: Option<&UserId>, said: &[String], state: DialogueState) {
        self.0.insert(name(user, said), state);
    }
}

/// Of the messages that the next request would be read from.
fn name(user: Option<&UserId>, said: &[String]) -> Name {
    let mut digest = Sha256::new();
    let mut add = |bytes: &[u8]| {
        digest.update(bytes.len().to_le_bytes());
        digest.update(bytes);
    };
    // Nobody's id is empty.
    add(user.map(UserId::as_bytes).unwrap_or_default());
    let last = said.get(said.len().saturating_sub(EARLIER_MAX)..).unwrap_or_default();
    last.iter().for_each(|message| add(message.as_bytes()));
    digest.finalize().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(messages: &[&str]) -> Vec<String> {
        messages.iter().map(|m| (*m).to_owned()).collect()
    }

    #[test]
    fn a_talk_is_known_by_who_speaks_and_all_that_was_said() {
        let (ann, bob) = (UserId::from_trusted(b"ann"), UserId::from_trusted(b"bob"));
        let talks = Talks::default();
        talks.note(Some(&ann), &said(&["ab", "c"]), DialogueState::default());
        assert!(talks.after(Some(&ann), &said(&["ab", "c"])).is_some());
        for (user, other) in [
            (Some(&bob), said(&["ab", "c"])),
            (None, said(&["ab", "c"])),
            (Some(&ann), said(&["a", "bc"])),
            (Some(&ann), said(&["c", "ab"])),
            (Some(&ann), said(&["ab"])),
        ] {
            assert!(talks.after(user, &other).is_none(), "{other:?}");
        }
    }

    #[test]
    fn only_the_messages_count_that_would_be_read() {
        let talks = Talks::default();
        let long: Vec<String> = (0..20).map(|n| n.to_string()).collect();
        talks.note(None, &long, DialogueState::default());
        assert!(talks.after(None, &long[20 - EARLIER_MAX..]).is_some());
        assert!(talks.after(None, &long[21 - EARLIER_MAX..]).is_none());
    }
}
