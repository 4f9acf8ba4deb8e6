//! Where the next page begins, as a text that clients send back unread.
//!
//! An order that depends on items alone goes on behind the last key, however many pages there are. A personal order moves
//! with every event of the user, so its cursor names what was shown instead.

use super::key::Key;
use crate::codec::{Reader, Writer};

const FORMAT: u8 = 1;
const WHAT: &str = "a cursor";
/// Places of a personal order that a cursor can remember: some 5 KB of URL at worst. Who wants more than 1,000 wants a filter.
pub const SEEN_MAX: usize = 1_000;
/// A cursor's text; longer ones are not ours.
const TEXT_BYTES_MAX: usize = 8 * 1024;

/// Where a walk stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cursor {
    /// Names the question: a cursor goes on only with the query, filters and order that it was given for.
    pub question: u64,
    /// How much each word counts, where not all had to be found; empty if all had to. It is the first page's, so that later
    /// events cannot move an item from one page to another.
    pub weights: Vec<u8>,
    pub place: Place,
}

/// What has been shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// Everything down to this key.
    Behind(Key),
    /// These, by number, sorted.
    Seen(Vec<u32>),
}

/// A text that no cursor has, or another question's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the cursor is not one that this query was answered with")]
pub struct BadCursor;

impl Cursor {
    /// Letters, digits, `-` and `_`.
    pub fn to_text(&self) -> String {
        let mut out = Writer::with_format(FORMAT);
        out.uint(self.question);
        out.bytes(&self.weights);
        match &self.place {
            Place::Behind(key) => {
                out.uint(0);
                out.uint(key.rank);
                out.uint(u64::from(key.number));
            }
            Place::Seen(numbers) => {
                out.uint(1);
                out.uint(numbers.len() as u64);
                let mut last = 0;
                for number in numbers {
                    out.uint(u64::from(number.saturating_sub(last)));
                    last = *number;
                }
            }
        }
        let bytes = out.finish();
        let sum = check(&bytes);
        written(&[bytes, sum.to_vec()].concat())
    }

    /// # Errors
    /// [`BadCursor`] for whatever [`Self::to_text`] did not write for this question.
    pub fn parse(text: &str, question: u64) -> Result<Self, BadCursor> {
        let bytes = read(text).ok_or(BadCursor)?;
        let (bytes, sum) = bytes.split_at_checked(bytes.len().saturating_sub(SUM_BYTES)).ok_or(BadCursor)?;
        if sum != check(bytes) {
            return Err(BadCursor);
        }
        let cursor = Self::decode(bytes).map_err(|_| BadCursor)?;
        (cursor.question == question).then_some(cursor).ok_or(BadCursor)
    }

    fn decode(bytes: &[u8]) -> Result<Self, crate::codec::CodecError> {
        let mut from = Reader::new(WHAT, bytes, FORMAT)?;
        let question = from.uint()?;
        let weights = from.bytes()?.to_vec();
        let place = match from.uint()? {
            0 => {
                let rank = from.uint()?;
                let number = u32::try_from(from.uint()?).map_err(|_| from.damaged())?;
                Place::Behind(Key { rank, number })
            }
            _ => {
                let mut numbers = Vec::new();
                let mut last = 0_u32;
                for _ in 0..from.count()? {
                    let step = u32::try_from(from.uint()?).map_err(|_| from.damaged())?;
                    last = last.checked_add(step).ok_or_else(|| from.damaged())?;
                    numbers.push(last);
                }
                Place::Seen(numbers)
            }
        };
        from.finish()?;
        Ok(Self { question, weights, place })
    }
}

const SUM_BYTES: usize = 4;

/// Not against malice (there is nothing to gain), but so that a cut or mistyped cursor is told and not obeyed.
fn check(bytes: &[u8]) -> [u8; SUM_BYTES] {
    (xxhash_rust::xxh3::xxh3_64(bytes) as u32).to_le_bytes()
}

const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// RFC 4648's base64 for URLs, without padding.
fn written(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for group in bytes.chunks(3) {
        let bits = group.iter().chain([0, 0].iter()).take(3).fold(0_u32, |bits, b| bits << 8 | u32::from(*b));
        for place in 0..=group.len() {
            let digit = bits >> (18 - 6 * place) & 63;
            text.push(DIGITS.get(digit as usize).map_or('A', |d| char::from(*d)));
        }
    }
    text
}

fn read(text: &str) -> Option<Vec<u8>> {
    if TEXT_BYTES_MAX < text.len() {
        return None;
    }
    let mut bytes = Vec::with_capacity(text.len() / 4 * 3 + 2);
    for group in text.as_bytes().chunks(4) {
        let mut bits = 0_u32;
        for digit in group {
            bits = bits << 6 | DIGITS.iter().position(|d| d == digit)? as u32;
        }
        let missing = 4 - group.len();
        if missing == 3 {
            return None;
        }
        bits <<= 6 * missing;
        bytes.extend(bits.to_be_bytes().get(1..4 - missing)?);
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn any_place() -> impl Strategy<Value = Place> {
        prop_oneof![
            (any::<u64>(), any::<u32>()).prop_map(|(rank, number)| Place::Behind(Key { rank, number })),
            prop::collection::btree_set(any::<u32>(), 0..50)
                .prop_map(|s| Place::Seen(s.into_iter().collect())),
        ]
    }

    proptest! {
        #[test]
        fn a_cursor_comes_back(question: u64, weights in prop::collection::vec(any::<u8>(), 0..24), place in any_place()) {
            let cursor = Cursor { question, weights, place };
            let text = cursor.to_text();
            prop_assert!(text.bytes().all(|b| DIGITS.contains(&b)));
            prop_assert_eq!(Cursor::parse(&text, question), Ok(cursor));
            prop_assert_eq!(Cursor::parse(&text, question ^ 1), Err(BadCursor));
            prop_assert_eq!(Cursor::parse(&text[1..], question), Err(BadCursor));
            prop_assert_eq!(Cursor::parse(&text[..text.len() - 1], question), Err(BadCursor));
        }

        #[test]
        fn any_text_is_refused_or_read(text in any::<String>()) {
            prop_assert_eq!(Cursor::parse(&text, 7), Err(BadCursor));
        }
    }

    #[test]
    fn the_longest_cursor_fits() {
        let place = Place::Seen((0..SEEN_MAX as u32).map(|n| n * 4_000_000).collect());
        let cursor = Cursor { question: u64::MAX, weights: vec![15; 24], place };
        let text = cursor.to_text();
        assert!(text.len() < TEXT_BYTES_MAX, "{}", text.len());
        assert_eq!(Cursor::parse(&text, u64::MAX), Ok(cursor));
    }
}
