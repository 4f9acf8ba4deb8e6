//! Ids are opaque bytes: how they are shown as text, and read back from it.

use std::borrow::Cow;

/// What says that hexadecimal digits follow.
const HEX: &str = "0x";

/// The bytes as text if they are UTF-8, else `0x` and their hexadecimal digits. A text that begins with `0x` itself is shown by its
/// digits too, so that no two ids look alike: [`parsed`] gives the same bytes again.
///
/// ```
/// use shoptide_query::ids::shown;
/// assert_eq!(shown("üser 1".as_bytes()), "üser 1");
/// assert_eq!(shown(&[0xff, 0x01]), "0xff01");
/// assert_eq!(shown(b"0xff01"), "0x307866663031");
/// ```
pub fn shown(bytes: &[u8]) -> Cow<'_, str> {
    match std::str::from_utf8(bytes) {
        Ok(text) if !text.starts_with(HEX) => Cow::Borrowed(text),
        _ => Cow::Owned(hex(bytes)),
    }
}

fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digit = |nibble: u8| DIGITS.get(usize::from(nibble)).copied().map_or('0', char::from);
    let mut out = String::with_capacity(HEX.len() + 2 * bytes.len());
    out.push_str(HEX);
    for byte in bytes {
        out.push(digit(byte >> 4));
        out.push(digit(byte & 15));
    }
    out
}

/// The bytes that [`shown`] made this of: those of the digits behind `0x`, else the text's own.
pub fn parsed(text: &str) -> Vec<u8> {
    text.strip_prefix(HEX).and_then(unhex).unwrap_or_else(|| text.as_bytes().to_vec())
}

fn unhex(digits: &str) -> Option<Vec<u8>> {
    let digit = |d: u8| char::from(d).to_digit(16).and_then(|d| u8::try_from(d).ok());
    let (pairs, rest) = digits.as_bytes().as_chunks::<2>();
    if !rest.is_empty() {
        return None;
    }
    pairs.iter().map(|[high, low]| Some(digit(*high)? << 4 | digit(*low)?)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_shown_is_read_back() {
        let bytes: Vec<Vec<u8>> = vec![vec![], vec![0], vec![0xff], vec![0xc3, 0x28], b"u 1 ".to_vec()];
        let texts =
            ["0x", "0xff", "0xfg", "0xf", "0X11", "üser", "x0x", "0x0x"].map(|t| t.as_bytes().to_vec());
        let all: Vec<Vec<u8>> = bytes.into_iter().chain(texts).collect();
        for id in &all {
            assert_eq!(&parsed(&shown(id)), id);
        }
        let shown: std::collections::BTreeSet<_> = all.iter().map(|id| shown(id)).collect();
        assert_eq!(shown.len(), all.len());
    }
}
