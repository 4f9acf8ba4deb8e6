//! A checksum over the whole file, kept inside it.
//!
//! It stands as 32 hexadecimal digits in the schema's metadata, which an Arrow file has twice: before the rows and
//! again in its footer. It is the XXH3-128 of all bytes, with both places read as zeros.

use super::corrupt;
use crate::snapshot::SnapshotError;
use xxhash_rust::xxh3::Xxh3;

/// Metadata key of the checksum.
pub(super) const KEY: &str = "shoptide.checksum";

/// Stands before the digits. The control character cannot occur in the other metadata, which is JSON and numbers.
const MARKER: &str = "\u{1}xxh3-128:";
const DIGITS: usize = 32;
const ZEROS: [u8; DIGITS] = [b'0'; DIGITS];
const MAGIC: &[u8] = b"ARROW1";

/// The metadata value to write; [`seal`] fills the digits in.
pub(super) fn placeholder() -> String {
    format!("{MARKER}{}", "0".repeat(DIGITS))
}

/// Where the digits begin, in the schema and in the footer.
fn places(bytes: &[u8]) -> Result<[usize; 2], SnapshotError> {
    let foreign = |reason: &str| Err(SnapshotError::Foreign { reason: reason.to_owned() });
    if !bytes.starts_with(MAGIC) {
        return foreign("it does not begin like an Arrow file");
    }
    let word = |at: usize| -> Option<usize> {
        let bytes = bytes.get(at..at.checked_add(4)?)?.try_into().ok()?;
        usize::try_from(i32::from_le_bytes(bytes)).ok()
    };
    // Magic and padding (8), a continuation mark (4), the schema's length (4), the schema.
    let schema = word(12).and_then(|len| Some((16, bytes.get(16..16 + len)?)));
    let Some(in_schema) = schema.map(|(from, part)| only(from, part)) else {
        return Err(corrupt("it ends within its schema"));
    };
    let Some(in_schema) = in_schema else { return foreign("it is an Arrow file of something else") };
    if !bytes.ends_with(MAGIC) {
        return Err(corrupt("it ends early"));
    }
    // The footer, its length (4), magic.
    let end = bytes.len().saturating_sub(MAGIC.len() + 4);
    let footer =
        word(end).and_then(|len| Some((end.checked_sub(len)?, bytes.get(end.checked_sub(len)?..end)?)));
    match footer.and_then(|(from, part)| only(from, part)) {
        Some(in_footer) if in_schema + DIGITS <= in_footer => Ok([in_schema, in_footer]),
        _ => Err(corrupt("its footer is not that of a model file")),
    }
}

/// Where the digits after the only marker in `part` begin; `from` is where `part` itself does.
fn only(from: usize, part: &[u8]) -> Option<usize> {
    let marker = MARKER.as_bytes();
    let mut found = part.windows(marker.len() + DIGITS).enumerate().filter(|(_, w)| w.starts_with(marker));
    match (found.next(), found.next()) {
        (Some((at, _)), None) => Some(from + at + marker.len()),
        _ => None,
    }
}

fn digits(bytes: &[u8], [first, second]: [usize; 2]) -> String {
    let mut hash = Xxh3::new();
    hash.update(&bytes[..first]);
    hash.update(&ZEROS);
    hash.update(&bytes[first + DIGITS..second]);
    hash.update(&ZEROS);
    hash.update(&bytes[second + DIGITS..]);
    format!("{:032x}", hash.digest128())
}

/// Fills the checksum in.
pub(super) fn seal(bytes: &mut [u8]) -> Result<(), SnapshotError> {
    let places = places(bytes).map_err(|e| SnapshotError::Encode { reason: e.to_string() })?;
    let digits = digits(bytes, places);
    for place in places {
        bytes[place..place + DIGITS].copy_from_slice(digits.as_bytes());
    }
    Ok(())
}

/// Checks that the bytes are the ones that were sealed.
pub(super) fn verify(bytes: &[u8]) -> Result<(), SnapshotError> {
    let places = places(bytes)?;
    let expected = digits(bytes, places);
    for place in places {
        if bytes[place..place + DIGITS] != *expected.as_bytes() {
            return Err(corrupt("its checksum does not match its content"));
        }
    }
    Ok(())
}
