//! Where a sentence speaks of products, and of which.

use super::comparisons::is_superlative;
use super::facts::Facts;
use super::judge::Fault;
use super::lexer::Token;
use super::subjects::Mention;
use super::words::Cue;

/// Where products are spoken of.
pub(super) fn mentions(tokens: &[Token], facts: &Facts, focus: &[usize]) -> Result<Vec<Mention>, Fault> {
    let count = facts.products.len();
    let all: Vec<usize> = (0..count).collect();
    let one = |place: usize| if place < count { Ok(vec![place]) } else { Err(Fault::Count) };
    let mut found: Vec<(Mention, bool)> = Vec::new();
    let mut superlatives = Vec::new();
    for (at, token) in tokens.iter().enumerate() {
        let next = tokens.get(at + 1);
        let names_next = matches!(next, Some(Token::Named(_) | Token::Brand { .. }));
        let noun_next = next.is_some_and(|t| {
            t.has(Cue::Count) || matches!(t, Token::Property { categories, .. } if !categories.is_empty())
        });
        let mut add = |products: Vec<usize>, named: bool, exact: bool| {
            found.push((Mention { at, products, named }, exact))
        };
        match token {
            Token::Named(products) => add(products.clone(), true, true),
            Token::Brand { products, .. } if !products.is_empty() => add(products.clone(), true, false),
            Token::Place(place) => add(one(place.wrapping_sub(1))?, false, false),
            Token::Words(cues) => {
                let has = |cue| cues.contains(&cue);
                let ordinal = [Cue::Ordinal1, Cue::Ordinal2, Cue::Ordinal3, Cue::Ordinal4, Cue::Ordinal5];
                if let Some(place) = ordinal.iter().position(|cue| has(*cue)) {
                    // `First, …` begins a sentence; `the first two` counts.
                    if !has(Cue::Part) || noun_next {
                        add(one(place)?, false, false);
                    }
                } else if has(Cue::Last) {
                    add(one(count.wrapping_sub(1))?, false, false);
                } else if has(Cue::It) && !names_next {
                    let it = if focus.is_empty() { all.clone() } else { focus.to_vec() };
                    add(it, false, false);
                } else if has(Cue::These) {
                    add(all.clone(), false, false);
                } else if [Cue::Cheapest, Cue::Dearest, Cue::BestRated].into_iter().any(has) {
                    superlatives.push(at);
                }
            }
            _ => {}
        }
    }
    if found.is_empty()
        && let Some(at) = superlatives.first().copied()
        && let Some(token) = tokens.get(at)
        && let Some(best) = (0..count).find(|i| is_superlative(facts, token, *i))
    {
        // `The cheapest one costs …`: it names a product.
        found.push((Mention { at, products: vec![best], named: false }, false));
    }
    narrowed(tokens, found)
}

/// Two mentions side by side are one product said twice: `the second one, Mate 60`, `小米的小米14`.
fn narrowed(tokens: &[Token], mut found: Vec<(Mention, bool)>) -> Result<Vec<Mention>, Fault> {
    found.sort_by_key(|(m, _)| m.at);
    for i in 1..found.len() {
        let (Some((first, first_exact)), Some((second, second_exact))) = (found.get(i - 1), found.get(i))
        else {
            continue;
        };
        let between = tokens.get(first.at + 1..second.at).unwrap_or(&[]);
        let joined = between.iter().all(|t| {
            matches!(t, Token::Mark(':' | '：' | '(' | '（' | '"' | '“' | '”' | '-'))
                || t.has(Cue::Plain) && !t.has(Cue::And)
        });
        if !joined || *first_exact && *second_exact {
            continue;
        }
        let both: Vec<usize> =
            first.products.iter().copied().filter(|p| second.products.contains(p)).collect();
        if both.is_empty() {
            return Err(Fault::Count);
        }
        for j in [i - 1, i] {
            if let Some((mention, _)) = found.get_mut(j) {
                mention.products.clone_from(&both);
            }
        }
    }
    Ok(found.into_iter().map(|(m, _)| m).collect())
}
