//! Of which products each token of a sentence speaks.

use super::lexer::Token;
use super::words::Cue;

/// A place of a sentence that names products.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Mention {
    pub at: usize,
    pub products: Vec<usize>,
    /// By name or brand, not by a place or a pronoun.
    pub named: bool,
}

/// The mentions of a sentence, in order.
#[derive(Debug)]
pub(crate) struct Subjects<'a> {
    tokens: &'a [Token],
    mentions: Vec<Mention>,
    /// Who is spoken of if the sentence says nobody.
    otherwise: Vec<usize>,
}

impl<'a> Subjects<'a> {
    /// `focus`: of whom the sentence before spoke; `count`: products of the turn.
    pub fn new(tokens: &'a [Token], mut mentions: Vec<Mention>, focus: &[usize], count: usize) -> Self {
        mentions.sort_by_key(|m| m.at);
        let otherwise = if focus.is_empty() { (0..count).collect() } else { focus.to_vec() };
        Self { tokens, mentions, otherwise }
    }

    pub fn mentions(&self) -> &[Mention] {
        &self.mentions
    }

    /// The products that what stands at `at` is said of. Never fewer than are meant: who may be meant is held against it too.
    pub fn of(&self, at: usize) -> Vec<usize> {
        let before = self.group_before(at);
        let after = self.mentions.iter().find(|m| at < m.at);
        let mut all = match (before, after) {
            (None, None) => self.otherwise.clone(),
            (None, Some(next)) => next.products.clone(),
            (Some((group, _)), None) => group,
            (Some((group, last)), Some(next)) => {
                if self.parted(at, next.at) {
                    group
                } else if self.parted(last, at) {
                    next.products.clone()
                } else {
                    [group, next.products.clone()].concat()
                }
            }
        };
        all.sort_unstable();
        all.dedup();
        all
    }

    /// The run of mentions before a place with nothing said between them, and where it ends.
    pub fn group_before(&self, at: usize) -> Option<(Vec<usize>, usize)> {
        let before: Vec<&Mention> = self.mentions.iter().filter(|m| m.at < at).collect();
        let last = before.last()?;
        let mut group = Vec::new();
        let mut next_at = last.at;
        for mention in before.iter().rev() {
            let says = self.tokens.get(mention.at + 1..next_at).unwrap_or(&[]).iter().any(says_something);
            if mention.at != last.at && says {
                break;
            }
            group.extend(&mention.products);
            next_at = mention.at;
        }
        Some((group, last.at))
    }

    /// Whether a mark or a conjunction stands between two places.
    pub fn parted(&self, from: usize, to: usize) -> bool {
        self.tokens.get(from + 1..to).unwrap_or(&[]).iter().any(|token| match token {
            Token::Mark(c) => {
                matches!(c, ',' | '，' | ';' | '；' | ':' | '：' | '(' | ')' | '（' | '）' | '。' | '.')
            }
            token => token.has(Cue::And) || token.has(Cue::But),
        })
    }

    /// The products that the sentence spoke of last.
    pub fn last(&self) -> Option<Vec<usize>> {
        self.group_before(self.tokens.len()).map(|(group, _)| group)
    }
}

/// A token that is said of a product: what follows it begins anew.
pub(crate) fn says_something(token: &Token) -> bool {
    match token {
        Token::Figure(_) | Token::Property { .. } | Token::Phrase(_) => true,
        Token::Words(cues) => cues.iter().any(|cue| {
            matches!(
                cue,
                Cue::InStock
                    | Cue::OutOfStock
                    | Cue::Left
                    | Cue::OneLeft
                    | Cue::InBudget
                    | Cue::OverBudget
                    | Cue::Cheapest
                    | Cue::Dearest
                    | Cue::BestRated
                    | Cue::AllMet
                    | Cue::Not
                    | Cue::But
            )
        }),
        _ => false,
    }
}
