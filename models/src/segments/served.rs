//! What a model version carries of the segments, so that a list can be made, and made again, of it alone: how a segment is recognised, and
//! what is popular in it.

use std::collections::HashMap;

use shoptide_schemas::Topic;

use crate::catalogue::Catalogue;
use crate::content::{levels, tokeniser};
use crate::state::{Tastes, UserState};

/// Items of a segment: what a list has, and as many again that the user may know already.
pub const POPULAR_MAX: usize = 200;
/// Terms of a segment by which a user is recognised.
pub const TERMS_SERVED_MAX: usize = 64;
/// Items of a user that are asked, the strongest: who has more is known to the model.
const TASTES_MAX: usize = 32;

/// The segments of one run.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ServedSegments {
    /// 0 without any.
    pub run: u64,
    pub segments: Vec<ServedSegment>,
}

/// One of them. Weights are millionths, so that they are the same bytes everywhere.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct ServedSegment {
    pub id: u32,
    pub name: String,
    /// Term and weight, the most telling first.
    pub terms: Vec<(String, u32)>,
    /// Item, by its index in the model, and weight, the most popular first.
    pub popular: Vec<(u32, u32)>,
}

impl ServedSegments {
    pub fn is_empty(&self) -> bool {
        self.segments.is_empty()
    }

    pub fn get(&self, id: u32) -> Option<&ServedSegment> {
        self.segments.iter().find(|segment| segment.id == id)
    }

    /// The segment that speaks most of what a user is known to like, the first of several; nothing if none does. His items speak by
    /// category and brand, his searches by their words.
    pub fn recognise(
        &self,
        user: &UserState,
        tastes: &Tastes<'_>,
        catalogue: &Catalogue,
    ) -> Option<&ServedSegment> {
        if self.is_empty() {
            return None;
        }
        let mut said: Vec<(String, f64)> = Vec::new();
        let mut liked: Vec<_> =
            tastes.items.iter().filter(|taste| 0.0 < taste.strength && !taste.hidden).collect();
        if liked.is_empty() {
            liked = tastes.items.iter().filter(|taste| 0.0 < taste.strength).collect();
        }
        liked.sort_by(|a, b| b.strength.total_cmp(&a.strength).then(a.item.cmp(b.item)));
        for taste in liked.into_iter().take(TASTES_MAX) {
            let row = catalogue.number(taste.item).and_then(|number| catalogue.row(number));
            let Some((_, row)) = row else { continue };
            let weight = f64::from(taste.strength).sqrt();
            said.extend(levels(&row.category).map(|level| (format!("c{level}"), weight)));
            said.push((format!("b{}", row.brand.trim().to_lowercase()), weight));
        }
        let queries = user.parts.get(usize::from(Topic::Browse.code())).map_or(&[][..], |part| &part.queries);
        for query in queries {
            tokeniser().each_term(&query.text, &mut |word| said.push((format!("w{word}"), 1.0)));
        }
        let mut best: (f64, Option<&ServedSegment>) = (0.0, None);
        for segment in &self.segments {
            let known: HashMap<&str, u32> = segment.terms.iter().map(|(t, w)| (t.as_str(), *w)).collect();
            let score: f64 =
                said.iter().filter_map(|(term, w)| Some(w * f64::from(*known.get(term.as_str())?))).sum();
            if best.0 < score {
                best = (score, Some(segment));
            }
        }
        best.1
    }
}
