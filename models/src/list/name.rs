//! Names of lists. Storefronts send them back with what a list led to, so that whoever reads the events years later knows
//! which kind of list it was, which model made it, and which source put an item there.
//!
//! `BASE.1.MODEL.SEED.GROUPS`: a base as below, the version of what follows, the model's number, the seed of a hash, then a group a
//! source: its letter and two characters an item, 12 bits of the hash of its id. The seed is one by which no two items from different
//! sources look alike. An item for which there was no room has no source; one that never was in the list is taken for one of its
//! places once in 4,096 a place.

use shoptide_schemas::ItemId;
use shoptide_schemas::limits::SHORT_ID_BYTES_MAX;
use xxhash_rust::xxh3::xxh3_64_with_seed;

use crate::blend::Source;

const SOURCES: [(Source, char); 7] = [
    (Source::Factors, 'f'),
    (Source::ItemItem, 'i'),
    (Source::Popularity, 'p'),
    (Source::Trending, 't'),
    (Source::Session, 's'),
    (Source::Catalogue, 'c'),
    (Source::Segment, 'g'),
];
/// The only version there is so far.
const VERSION: &str = "1";
/// URL-safe base 64: 6 bits a character.
const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// What kind of list a name is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum ListKind {
    /// The user's own: `p-SHARD-USER-EPOCH-REVISION`.
    Personal = 0,
    /// For a user nothing is known of: `f-SHARD-USER-MODEL-CATALOGUE`.
    Fallback = 1,
    /// Of a running session alone: `s-SESSION-MODEL-CATALOGUE`.
    Session = 2,
    /// What is trending: `t-MODEL-CATALOGUE`.
    Trending = 3,
    /// A page of a search: `q-QUESTION-CATALOGUE`.
    Search = 4,
    /// A turn of a chat: `c-DIALOGUE-TURN`.
    Chat = 5,
    /// A name that this program never gave.
    Unknown = 6,
}

impl ListKind {
    pub const ALL: [ListKind; 7] = [
        Self::Personal,
        Self::Fallback,
        Self::Session,
        Self::Trending,
        Self::Search,
        Self::Chat,
        Self::Unknown,
    ];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Personal => "personal",
            Self::Fallback => "fallback",
            Self::Session => "session",
            Self::Trending => "trending",
            Self::Search => "search",
            Self::Chat => "chat",
            Self::Unknown => "unknown",
        }
    }
}

/// A list's name, read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ListName<'a> {
    pub kind: ListKind,
    /// The model that made it; none where the name does not say.
    pub model: Option<u64>,
    /// The seed, and all groups.
    groups: Option<(u64, &'a str)>,
}

impl<'a> ListName<'a> {
    /// Reads any text; what no list was ever called is [`ListKind::Unknown`].
    ///
    /// ```
    /// use shoptide_models::list::{ListKind, ListName, list_name};
    /// use shoptide_models::blend::Source;
    /// use shoptide_schemas::ItemId;
    /// let shoe = ItemId::parse("shoe").unwrap();
    /// let name = list_name("p-3-0f1e2d3c4b5a6978-2-17", 12, [(&shoe, Source::ItemItem)].into_iter());
    /// let read = ListName::read(&name);
    /// assert_eq!((read.kind, read.model), (ListKind::Personal, Some(12)));
    /// assert_eq!(read.source_of(shoe.as_bytes()), Some(Source::ItemItem));
    /// assert_eq!(ListName::read("spring-sale").kind, ListKind::Unknown);
    /// ```
    pub fn read(name: &'a str) -> Self {
        let unknown = Self { kind: ListKind::Unknown, model: None, groups: None };
        let (base, rest) = name.split_once('.').map_or((name, None), |(base, rest)| (base, Some(rest)));
        let Some((kind, in_base)) = base_of(base) else { return unknown };
        let Some(rest) = rest else { return Self { kind, model: in_base, groups: None } };
        let mut parts = rest.splitn(4, '.');
        let (version, model) = (parts.next(), parts.next().and_then(number));
        let groups = match (parts.next().map(str::as_bytes), parts.next()) {
            (None, _) => None,
            (Some([seed]), Some(groups)) => match DIGITS.iter().position(|digit| digit == seed) {
                Some(seed) => Some((seed as u64, groups)),
                None => return unknown,
            },
            _ => return unknown,
        };
        match (version, model) {
            (Some(VERSION), Some(model)) if in_base.is_none_or(|known| known == model) => {
                Self { kind, model: Some(model), groups }
            }
            _ => unknown,
        }
    }

    /// The source that put an item there; none where the name does not say, or says two.
    pub fn source_of(&self, item: &[u8]) -> Option<Source> {
        let (seed, groups) = self.groups?;
        let wanted = mark(item, seed);
        let mut found = None;
        for group in groups.split('.') {
            let mut chars = group.chars();
            let letter = chars.next()?;
            let marks = chars.as_str().as_bytes().as_chunks::<2>().0;
            if marks.contains(&wanted) {
                let (source, _) = SOURCES.iter().find(|(_, known)| *known == letter)?;
                if found.replace(*source).is_some_and(|before| before != *source) {
                    return None;
                }
            }
        }
        found
    }
}

/// The name of a list: its base, its model, and the source of as many of its places as there is room for, best first.
pub fn list_name<'a>(base: &str, model: u64, places: impl Iterator<Item = (&'a ItemId, Source)>) -> String {
    let mut name = format!("{base}.{VERSION}.{model}");
    // A point and the seed.
    let mut room = SHORT_ID_BYTES_MAX.saturating_sub(name.len() + 2);
    let mut groups: [Vec<&[u8]>; SOURCES.len()] = Default::default();
    for (item, source) in places {
        let Some(group) = SOURCES.iter().position(|(known, _)| *known == source) else { continue };
        let Some(group) = groups.get_mut(group) else { continue };
        let takes = if group.is_empty() { 4 } else { 2 };
        if takes <= room {
            room -= takes;
            group.push(item.as_bytes());
        }
    }
    if groups.iter().all(Vec::is_empty) {
        return name;
    }
    let seed = (0..DIGITS.len() as u64).find(|seed| apart(&groups, *seed)).unwrap_or(0);
    name.push('.');
    name.push(digit(seed));
    for (group, (_, letter)) in groups.iter().zip(SOURCES).filter(|(group, _)| !group.is_empty()) {
        name.push('.');
        name.push(letter);
        name.extend(group.iter().flat_map(|item| mark(item, seed)).map(char::from));
    }
    name
}

/// Whether no two items from different sources look alike.
fn apart(groups: &[Vec<&[u8]>], seed: u64) -> bool {
    let mut marks: Vec<([u8; 2], usize)> = Vec::new();
    for (group, items) in groups.iter().enumerate() {
        marks.extend(items.iter().map(|item| (mark(item, seed), group)));
    }
    marks.sort_unstable();
    marks.windows(2).all(|pair| match pair {
        [(a, of_a), (b, of_b)] => a != b || of_a == of_b,
        _ => true,
    })
}

/// Two characters: 12 bits of the hash of an id.
fn mark(item: &[u8], seed: u64) -> [u8; 2] {
    let hash = xxh3_64_with_seed(item, seed);
    [hash, hash >> 6].map(|bits| DIGITS.get((bits & 63) as usize).copied().unwrap_or(b'_'))
}

fn digit(seed: u64) -> char {
    DIGITS.get((seed & 63) as usize).copied().map_or('_', char::from)
}

/// The kind of a base, and the model where the base has it.
fn base_of(base: &str) -> Option<(ListKind, Option<u64>)> {
    let (letter, rest) = base.split_once('-')?;
    // An epoch or an offset has a sign where it is below 0.
    let fields: Vec<&str> = rest.split('-').collect();
    let hash = |text: &str| text.len() == 16 && text.bytes().all(|b| b.is_ascii_hexdigit());
    let kind = match (letter, fields.as_slice()) {
        ("p", [shard, user, epoch, revision]) if hash(user) => {
            number(shard).and(number(epoch)).and(number(revision))?;
            (ListKind::Personal, None)
        }
        ("f", [shard, user, model, catalogue]) if hash(user) => {
            number(shard).and(number(catalogue))?;
            (ListKind::Fallback, Some(number(model)?))
        }
        ("s", [session, model, catalogue]) if hash(session) => {
            number(catalogue)?;
            (ListKind::Session, Some(number(model)?))
        }
        ("t", [model, catalogue]) => {
            number(catalogue)?;
            (ListKind::Trending, Some(number(model)?))
        }
        ("q", [question, catalogue]) if hash(question) => {
            number(catalogue)?;
            (ListKind::Search, None)
        }
        ("c", [dialogue, turn]) if hash(dialogue) => {
            number(turn)?;
            (ListKind::Chat, None)
        }
        _ => return None,
    };
    Some(kind)
}

/// Digits alone: `parse` would take a sign.
fn number(text: &str) -> Option<u64> {
    text.bytes().all(|b| b.is_ascii_digit()).then(|| text.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(n: usize) -> ItemId {
        ItemId::from_trusted(format!("item-{n}").as_bytes())
    }

    #[test]
    fn every_kind_is_read_with_its_model() {
        for (name, kind, model) in [
            ("p-3-0f1e2d3c4b5a6978-2-17", ListKind::Personal, None),
            ("p-3-0f1e2d3c4b5a6978-2-17.1.9", ListKind::Personal, Some(9)),
            ("p-3-0f1e2d3c4b5a6978-2-17.1.9.A.fAB", ListKind::Personal, Some(9)),
            ("f-0-0f1e2d3c4b5a6978-4-600", ListKind::Fallback, Some(4)),
            ("f-0-0f1e2d3c4b5a6978-4-600.1.4.b.pAB", ListKind::Fallback, Some(4)),
            ("s-0f1e2d3c4b5a6978-5-600", ListKind::Session, Some(5)),
            ("t-6-600", ListKind::Trending, Some(6)),
            ("q-0f1e2d3c4b5a6978-412", ListKind::Search, None),
            ("c-0f1e2d3c4b5a6978-1", ListKind::Chat, None),
        ] {
            let read = ListName::read(name);
            assert_eq!((read.kind, read.model), (kind, model), "{name}");
        }
    }

    #[test]
    fn what_no_list_was_called_is_unknown() {
        for name in [
            "",
            "l-42",
            "p-1-2",
            "p-3-zzzzzzzzzzzzzzzz-2-17",
            "p-3-0f1e2d3c4b5a6978-2-17.2.9.fAB",
            "p-3-0f1e2d3c4b5a6978-2-17.1.x",
            "p-3-0f1e2d3c4b5a6978-2-17.1.9.fAB",
            "p-3-0f1e2d3c4b5a6978-2-17.1.9.!.fAB",
            "p-3-0f1e2d3c4b5a6978-+2-17",
            "f-0-0f1e2d3c4b5a6978-4-600.1.5",
            "t--600",
            "\u{1b}[2J",
        ] {
            assert_eq!(ListName::read(name).kind, ListKind::Unknown, "{name}");
        }
    }

    #[test]
    fn a_name_has_the_source_of_as_many_places_as_there_is_room_for() {
        let items: Vec<ItemId> = (0..100).map(id).collect();
        let source = |n: usize| SOURCES[n % SOURCES.len()].0;
        let base = "p-4294967295-0f1e2d3c4b5a6978-12-123456";
        let name = list_name(base, 123, items.iter().enumerate().map(|(n, item)| (item, source(n))));
        assert!(name.len() <= SHORT_ID_BYTES_MAX && SHORT_ID_BYTES_MAX - 2 < name.len(), "{name}");
        let read = ListName::read(&name);
        let told: Vec<bool> = items.iter().map(|item| read.source_of(item.as_bytes()).is_some()).collect();
        assert!(told[..30].iter().all(|told| *told), "the first places: {name}");
        for (n, item) in items.iter().enumerate().take(30) {
            assert_eq!(read.source_of(item.as_bytes()), Some(source(n)), "{n}");
        }
        // One of a strange list is hardly ever taken for one of its own.
        let strange = (0..10_000).filter(|n| read.source_of(id(1_000 + n).as_bytes()).is_some()).count();
        assert!(strange < 200, "{strange}");
    }

    #[test]
    fn items_that_look_alike_are_told_apart_by_another_seed() {
        let items: Vec<ItemId> = (0..5_000).map(id).collect();
        let alike = |n: &usize| mark(items[*n].as_bytes(), 0) == mark(items[0].as_bytes(), 0);
        let twin = (1..5_000).find(alike).unwrap();
        let places = [(&items[0], Source::Factors), (&items[twin], Source::Trending)];
        let name = list_name("t-1-2", 1, places.into_iter());
        assert_eq!(ListName::read(&name).source_of(items[0].as_bytes()), Some(Source::Factors));
        assert_eq!(ListName::read(&name).source_of(items[twin].as_bytes()), Some(Source::Trending));
        // Of one source there is nothing to tell apart.
        let places = [(&items[0], Source::Factors), (&items[twin], Source::Factors)];
        assert!(list_name("t-1-2", 1, places.into_iter()).starts_with("t-1-2.1.1.A.f"));
    }
}
