//! Splits one row of CSV or TSV into fields, as RFC 4180 says; a quote inside an unquoted field is just a quote, since
//! real files hold inches.

/// How rows are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Dialect {
    pub delimiter: u8,
    pub quoted: bool,
}

/// The fields of one row in one buffer, reused for every row.
#[derive(Debug, Default)]
pub(crate) struct Fields {
    bytes: String,
    ends: Vec<usize>,
}

impl Fields {
    pub(crate) fn len(&self) -> usize {
        self.ends.len()
    }

    pub(crate) fn get(&self, place: usize) -> Option<&str> {
        let end = *self.ends.get(place)?;
        let start = place.checked_sub(1).and_then(|p| self.ends.get(p)).copied().unwrap_or(0);
        self.bytes.get(start..end)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &str> {
        (0..self.len()).filter_map(|place| self.get(place))
    }

    /// Replaces the fields by those of `row`, which has no open quote.
    pub(crate) fn split(&mut self, row: &str, dialect: Dialect) {
        self.bytes.clear();
        self.ends.clear();
        let mut rest = row;
        loop {
            rest = match rest.strip_prefix('"') {
                Some(quoted) if dialect.quoted => self.take_quoted(quoted),
                _ => rest,
            };
            let end = rest.bytes().position(|b| b == dialect.delimiter);
            let (field, next) = match end {
                // The delimiter is ASCII, so both cuts lie between characters.
                Some(end) => (rest.get(..end).unwrap_or_default(), rest.get(end + 1..)),
                None => (rest, None),
            };
            self.bytes.push_str(field);
            self.ends.push(self.bytes.len());
            match next {
                Some(next) => rest = next,
                None => return,
            }
        }
    }

    /// Takes over the inside of a quoted field and returns what follows its closing quote.
    fn take_quoted<'a>(&mut self, mut rest: &'a str) -> &'a str {
        while let Some((inside, after)) = rest.split_once('"') {
            self.bytes.push_str(inside);
            match after.strip_prefix('"') {
                Some(more) => {
                    self.bytes.push('"');
                    rest = more;
                }
                None => return after,
            }
        }
        self.bytes.push_str(rest);
        ""
    }
}

/// Whether a quoted field is still open at the end of `line`; `open` says whether one was at its beginning.
pub(crate) fn leaves_quote_open(line: &[u8], mut open: bool, dialect: Dialect) -> bool {
    if !dialect.quoted {
        return false;
    }
    let mut at_start = true;
    let mut bytes = line.iter().copied().peekable();
    while let Some(byte) = bytes.next() {
        if open {
            if byte == b'"' && bytes.next_if_eq(&b'"').is_none() {
                open = false;
            }
        } else if byte == b'"' && at_start {
            open = true;
        }
        at_start = byte == dialect.delimiter && !open;
    }
    open
}

#[cfg(test)]
mod tests {
    use super::*;

    const CSV: Dialect = Dialect { delimiter: b',', quoted: true };

    fn split(row: &str, dialect: Dialect) -> Vec<String> {
        let mut fields = Fields::default();
        fields.split(row, dialect);
        fields.iter().map(str::to_owned).collect()
    }

    #[test]
    fn splits_as_rfc_4180_says_and_forgives_inches() {
        for (row, expected) in [
            ("a,b,c", vec!["a", "b", "c"]),
            ("", vec![""]),
            (",", vec!["", ""]),
            ("\"a,b\",c", vec!["a,b", "c"]),
            ("\"say \"\"hi\"\"\",x", vec!["say \"hi\"", "x"]),
            ("\"\",\"\"", vec!["", ""]),
            ("5\" nail,x", vec!["5\" nail", "x"]),
            ("\"a\nb\",c", vec!["a\nb", "c"]),
            ("\"a\"b,c", vec!["ab", "c"]),
            ("手机,\"耳,机\"", vec!["手机", "耳,机"]),
        ] {
            assert_eq!(split(row, CSV), expected, "{row}");
            assert!(!leaves_quote_open(row.as_bytes(), false, CSV), "{row}");
        }
        assert_eq!(split("\"a\tb", Dialect { delimiter: b'\t', quoted: false }), ["\"a", "b"]);
    }

    #[test]
    fn sees_a_quote_that_is_not_closed() {
        for (line, open, left) in [
            ("\"a", false, true),
            ("x,\"a", false, true),
            ("x,5\" a", false, false),
            ("b\",c", true, false),
            ("b\"\",c", true, true),
            ("b\",\"c", true, true),
        ] {
            assert_eq!(leaves_quote_open(line.as_bytes(), open, CSV), left, "{line}");
        }
    }
}
