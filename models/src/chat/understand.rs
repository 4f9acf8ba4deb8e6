//! A message and the state of the dialogue become an intent and slots.

use super::atoms::{Atom, Kind, atoms};
use super::dictionary::{Sense, dictionary};
use super::intent;
use super::lexicon::Lexicon;
use super::reading::Reading;
use super::slots::{Language, Understood};
use super::spans::{Span, spans};
use super::state::DialogueState;

/// Reads a message. Never fails: what cannot be read is no slot. Cost: linear in the message, of which the first
/// [`MESSAGE_CHARS_MAX`](super::MESSAGE_CHARS_MAX) characters are read.
///
/// ```
/// use shoptide_models::chat::{DialogueState, Intent, Lexicon, understand};
/// use shoptide_schemas::Micros;
/// let read = understand("三千以内拍照好的手机，不要苹果", &Lexicon::default(), &DialogueState::default());
/// assert_eq!(read.intent, Intent::Find);
/// assert_eq!(read.slots.price.and_then(|p| p.max), Some(Micros(3_000_000_000)));
/// assert_eq!(read.slots.category.as_deref(), Some("phone"));
/// assert_eq!((read.slots.features, read.slots.brands_excluded), (vec!["camera".into()], vec!["apple".into()]));
/// ```
pub fn understand(message: &str, lexicon: &Lexicon, state: &DialogueState) -> Understood {
    let atoms = atoms(message);
    let spans = spans(&atoms, lexicon);
    let read = Reading::of(&atoms, &spans, lexicon, state);
    let language = language(&atoms, &spans).or(state.language);
    intent::decide(read, language, state)
}

/// By the words that are no names: Chinese has two characters to a word.
fn language(atoms: &[Atom], spans: &[Span]) -> Option<Language> {
    let (mut han, mut latin, mut names) = (0usize, 0usize, 0usize);
    for span in spans {
        let name = span.senses.iter().any(|s| matches!(s, Sense::Brand(_)));
        for atom in atoms.get(span.from..span.to).unwrap_or(&[]) {
            match atom.kind {
                Kind::Han if name => names += 1,
                Kind::Han => han += 1,
                Kind::Word if !name && 1 < atom.text.len() => latin += 1,
                _ => {}
            }
        }
    }
    match (han, latin) {
        (0, 0) if 0 < names => Some(Language::Chinese),
        (0, 0) => atoms.iter().any(|a| a.kind == Kind::Word).then_some(Language::English),
        _ if latin * 2 <= han + 1 => Some(Language::Chinese),
        _ => Some(Language::English),
    }
}

/// The opposite of a feature, if it has one.
pub fn opposite(feature: &str) -> Option<&'static str> {
    dictionary().opposite.get(feature).map(|o| &**o)
}
