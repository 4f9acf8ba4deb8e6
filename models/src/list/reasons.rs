//! Why an item is in a list, said with the evidence: which of the user's own acts, with which item, when, in which thread.

use shoptide_schemas::{EventMs, ItemId};

use crate::blend::Source;
use crate::catalogue::Catalogue;
use crate::segments::ServedSegments;
use crate::state::{Act, UserState};

/// The user's own act that speaks for a place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Evidence {
    pub item: ItemId,
    pub title: String,
    pub act: Act,
    pub at: EventMs,
    pub thread: Option<String>,
}

/// Why a place is what it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reason {
    /// For machines: `like_what_you`, `with_what_you`, `popular_in_segment`, `popular`, `trending` or `catalogue`.
    pub code: &'static str,
    /// For people, in English.
    pub text: String,
    pub evidence: Option<Evidence>,
}

/// Explains a place from the user's present state; the state may have moved since the list was made, then the reason
/// names the act that is known now.
/// - `evidence`: catalogue number of the user's item that speaks loudest, if any; of a place of his segment, the segment
/// - `segments`: of the model of now
/// - `recent`: how often users acted on the listed item in the last 7 days, if known
pub fn explain(
    source: Source,
    evidence: Option<u32>,
    user: &UserState,
    catalogue: &Catalogue,
    segments: &ServedSegments,
    recent: Option<i64>,
) -> Reason {
    let segment = evidence.filter(|_| source == Source::Segment).and_then(|id| segments.get(id));
    let evidence = evidence.filter(|_| source != Source::Segment);
    let evidence = evidence.and_then(|number| evidence_of(number, user, catalogue));
    let times = match recent {
        Some(1) => ", once in the last 7 days".to_owned(),
        Some(n) if 1 < n => format!(", {n} times in the last 7 days"),
        _ => String::new(),
    };
    match (source, evidence) {
        (Source::Factors | Source::Session, Some(e)) => Reason {
            code: "like_what_you",
            text: format!("fits your taste: you {}", said(&e)),
            evidence: Some(e),
        },
        (Source::ItemItem, Some(e)) => Reason {
            code: "with_what_you",
            text: format!("often chosen together with what you know: you {}", said(&e)),
            evidence: Some(e),
        },
        (Source::Segment, _) => Reason {
            code: "popular_in_segment",
            text: match segment {
                Some(segment) => format!("popular among {} lovers{times}", segment.name),
                None => format!("popular among shoppers with a like taste{times}"),
            },
            evidence: None,
        },
        (Source::Trending, _) => Reason {
            code: "trending",
            text: format!("more and more shoppers look at it{times}"),
            evidence: None,
        },
        (Source::Catalogue, _) => {
            Reason { code: "catalogue", text: "new in the catalogue".to_owned(), evidence: None }
        }
        _ => Reason { code: "popular", text: format!("chosen by many shoppers{times}"), evidence: None },
    }
}

fn evidence_of(number: u32, user: &UserState, catalogue: &Catalogue) -> Option<Evidence> {
    let (item, row) = catalogue.row(number)?;
    let entry = user.parts.iter().filter_map(|p| p.entry(item)).max_by_key(|e| e.last_ms)?;
    Some(Evidence {
        item: item.clone(),
        title: if row.title.is_empty() { item.to_string() } else { row.title.clone() },
        act: entry.last_act,
        at: EventMs(entry.last_ms),
        thread: entry.thread.clone(),
    })
}

fn said(evidence: &Evidence) -> String {
    let Evidence { title, act, at, thread, .. } = evidence;
    let date = at.to_rfc3339().chars().take(10).collect::<String>();
    let verb = match act.name() {
        "view_item" => "looked at",
        "view_item_list" => "saw",
        "search" => "searched and found",
        "add_to_wishlist" => "wished for",
        "add_to_cart" => "put into the cart",
        "purchase" | "feedback_bought" => "bought",
        "rate_item" => "rated",
        "feedback_like" => "liked",
        "recommendation_clicked" => "opened",
        "forum_post" | "forum_reply" | "forum_like" => "talked about",
        _ => "dealt with",
    };
    let thread = thread.as_ref().map(|t| format!(" in thread {t}")).unwrap_or_default();
    format!("{verb} \"{title}\"{thread} on {date}")
}
