//! A reply as sentences, as it comes in pieces; and a sentence as text that is only text.

/// Characters of a sentence. A longer one is no answer to a shopper, and what is cut from it would mean something else.
pub const SENTENCE_CHARS_MAX: usize = 400;

/// Cuts a stream of pieces into sentences. Holds at most one sentence of [`SENTENCE_CHARS_MAX`] characters and one more, which the
/// caller refuses for its length.
#[derive(Debug, Default)]
pub struct Splitter {
    pending: String,
}

impl Splitter {
    /// Takes the next piece; returns the sentences that are whole now.
    pub fn push(&mut self, piece: &str) -> Vec<String> {
        let mut whole = Vec::new();
        for c in piece.chars() {
            self.pending.push(c);
            // A point ends a sentence only if something else than a figure or letter follows, so it is looked at one character later.
            if let Some(end) = end_before(&self.pending) {
                let rest = self.pending.split_off(end);
                whole.push(std::mem::replace(&mut self.pending, rest));
            } else if 2 * SENTENCE_CHARS_MAX < self.pending.chars().count() {
                whole.push(std::mem::take(&mut self.pending));
            }
        }
        whole.retain(|s| !s.trim().is_empty());
        whole
    }

    /// What is left when nothing more comes.
    pub fn finish(self) -> Option<String> {
        Some(self.pending).filter(|s| !s.trim().is_empty())
    }
}

/// Where the first sentence ends, if the last character shows that it has.
fn end_before(text: &str) -> Option<usize> {
    let (last_at, last) = text.char_indices().next_back()?;
    if last == '\n' {
        return Some(text.len());
    }
    let before = text.get(..last_at)?;
    let closing = |c: char| matches!(c, '”' | '’' | '"' | '\'' | '」' | '』' | '）' | ')' | '》' | '*');
    let ender = before.trim_end_matches(closing).chars().next_back()?;
    let ends = match ender {
        '。' | '！' | '？' | '…' | '!' | '?' => {
            !matches!(last, '。' | '！' | '？' | '…' | '!' | '?' | '.')
        }
        '.' => (last.is_whitespace() || is_wide(last)) && !is_list_mark(before),
        _ => return None,
    };
    (ends && !closing(last)).then_some(last_at)
}

fn is_wide(c: char) -> bool {
    '\u{2e80}' <= c && c != '…'
}

/// `1.` at the beginning of a line numbers it.
fn is_list_mark(text: &str) -> bool {
    let text = text.trim_start().trim_end_matches('.');
    !text.is_empty() && text.len() <= 2 && text.bytes().all(|b| b.is_ascii_digit())
}

/// The sentence without the marks of emphasis and lists that models like to write; `None` if something else in it is not
/// plain text: markup, links, code, what cannot be seen.
pub(crate) fn plain(sentence: &str) -> Option<String> {
    let is_picture = |c: char| matches!(c, '\u{1f300}'..='\u{1faff}' | '\u{2600}'..='\u{27bf}' | '\u{fe0f}');
    let text: String = sentence.chars().filter(|c| *c != '*' && !is_picture(*c)).collect();
    let mut text = text.trim();
    for mark in ['#', '-', '•', '·', '–'] {
        text = text.trim_start_matches(mark).trim_start();
    }
    let figures = text.bytes().take_while(u8::is_ascii_digit).count();
    if (1..=2).contains(&figures)
        && let Some(rest) = text.get(figures..)
        && let Some(rest) = rest.strip_prefix(". ").or(rest.strip_prefix(") ")).or(rest.strip_prefix('、'))
    {
        text = rest.trim_start();
    }
    let hidden = |c: char| {
        c.is_control()
            || matches!(c, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{61c}' | '\u{e0000}'..='\u{e007f}')
    };
    let marks = |c: char| {
        matches!(c, '<' | '>' | '[' | ']' | '{' | '}' | '`' | '|' | '\\' | '@' | '^' | '=' | '_' | '$' | '#')
    };
    // A dollar sign is money only before a figure.
    let chars: Vec<char> = text.chars().collect();
    let markup = chars.iter().enumerate().any(|(i, c)| match c {
        '$' => !chars.get(i + 1).is_some_and(|next| next.is_ascii_digit() || *next == ' '),
        c => marks(*c) || hidden(*c),
    });
    (!markup).then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(text: &str, pieces: usize) -> Vec<String> {
        let mut splitter = Splitter::default();
        let chars: Vec<char> = text.chars().collect();
        let mut all: Vec<String> = Vec::new();
        for piece in chars.chunks(pieces) {
            all.extend(splitter.push(&piece.iter().collect::<String>()));
        }
        all.extend(splitter.finish());
        all.iter().map(|s| s.trim().to_owned()).collect()
    }

    #[test]
    fn sentences_do_not_depend_on_pieces() {
        for (text, expected) in [
            ("小米14售价¥3,999.00。有货！要看看吗？", &["小米14售价¥3,999.00。", "有货！", "要看看吗？"][..]),
            ("It costs $1.5k. Really?! Yes.", &["It costs $1.5k.", "Really?!", "Yes."]),
            ("1. First one.\n2. Second one", &["1. First one.", "2. Second one"]),
            ("他说“好。”然后", &["他说“好。”", "然后"]),
            ("Costs 2.999,00 euro", &["Costs 2.999,00 euro"]),
        ] {
            for pieces in [1, 2, 3, 100] {
                assert_eq!(split(text, pieces), expected, "{text} by {pieces}");
            }
        }
    }

    #[test]
    fn nothing_is_held_without_end() {
        let mut splitter = Splitter::default();
        let whole = splitter.push(&"手".repeat(100_000));
        assert!(whole.iter().all(|s| s.chars().count() <= 2 * SENTENCE_CHARS_MAX + 1) && 100 < whole.len());
        assert!(splitter.pending.len() <= 6 * SENTENCE_CHARS_MAX + 3);
    }

    #[test]
    fn emphasis_goes_and_markup_is_refused() {
        assert_eq!(plain("1. **小米14** 🎉").as_deref(), Some("小米14"));
        assert_eq!(plain("- It is $20.").as_deref(), Some("It is $20."));
        for bad in ["<b>x", "[a](b)", "`x`", "a\u{202e}b", "x\u{200b}y", "a|b", "$x", "me@x", "\u{7}"] {
            assert_eq!(plain(bad), None, "{bad}");
        }
    }
}
