//! Why a product is shown, in words, each from a part of its score that speaks for it, or from the user's own acts.

use shoptide_models::blend::Source;
use shoptide_models::chat::{Conditions, Phrase, Sort};
use shoptide_models::content::levels;
use shoptide_models::list::explain;
use shoptide_models::product_score::{PartKind, Rating, Reason, ScorePart};
use shoptide_models::segments::ServedSegments;

use super::answer::{Act, Why};
use super::find::Shown;
use super::scene::{Scene, plain};

/// Reasons of one product: more is not read.
const REASONS_MAX: usize = 4;
/// A part below this speaks for nothing.
const SPEAKS: f32 = 0.5;
/// A taste that is worth being named, of -1 to 1.
const TASTE: f32 = 0.3;
/// A mean from which ratings speak for a product.
const WELL_RATED: f32 = 4.0;
/// Of the shown ones, those as popular as this share of the most popular.
const POPULAR: f32 = 0.6;

/// The reasons, loudest first; always at least one.
pub(super) fn reasons(scene: &Scene<'_>, conditions: &Conditions, shown: &Shown) -> Vec<Why> {
    let mut parts: Vec<&ScorePart> = shown.score.parts.iter().collect();
    parts.sort_by(|a, b| (b.share * b.score).total_cmp(&(a.share * a.score)));
    let mut all: Vec<Why> = parts.into_iter().filter_map(|part| of_part(scene, shown, part)).collect();
    if matches!(conditions.sort, Some(Sort::PriceAsc | Sort::PriceDesc)) {
        all.insert(0, why("price", scene.say(Phrase::WhyCheapest, &[])));
    }
    if let Some(rating) =
        scene.rating(shown.number).rating().filter(|_| conditions.sort == Some(Sort::Rating))
    {
        // What was asked for comes first, whatever it says.
        all.retain(|why| why.code != PartKind::Rating.name());
        all.insert(0, rated(scene, rating));
    }
    all.truncate(REASONS_MAX);
    if all.is_empty() {
        all.push(why("stock", scene.say(Phrase::WhyInStock, &[])));
    }
    all
}

fn why(code: &str, text: String) -> Why {
    Why { code: code.to_owned(), text, evidence: None }
}

fn of_part(scene: &Scene<'_>, shown: &Shown, part: &ScorePart) -> Option<Why> {
    let said = |phrase, values: &[(&str, &str)]| Some(why(part.kind.name(), scene.say(phrase, values)));
    if part.score < SPEAKS {
        return None;
    }
    match &part.reason {
        Reason::PriceWithin { min: None, max: None, .. } => None,
        Reason::PriceWithin { .. } => said(Phrase::WhyWithin, &[]),
        Reason::PriceNear { about, .. } => {
            let currency = scene.row(shown.number)?.1.price?.1;
            said(Phrase::WhyNear, &[("about", &scene.money((*about, currency)))])
        }
        Reason::BrandWanted { brand } => said(Phrase::WhyBrand, &[("brand", &plain(brand))]),
        Reason::Features { found, .. } if !found.is_empty() => {
            said(Phrase::WhyHas, &[("traits", &scene.features(found.iter().map(|(key, _)| key)))])
        }
        Reason::Said => said(Phrase::WhySaid, &[]),
        Reason::Rated { mean, count } if WELL_RATED <= *mean => {
            Some(rated(scene, Rating { mean: *mean, count: *count }))
        }
        Reason::Popular if POPULAR <= part.score => said(Phrase::WhyPopular, &[]),
        Reason::Profile { brand: Some((brand, taste)), .. } if TASTE <= *taste => {
            said(Phrase::WhyTasteBrand, &[("brand", &plain(brand))])
        }
        Reason::Profile { category: Some((category, taste)), .. } if TASTE <= *taste => {
            let leaf = category.rsplit('/').next().unwrap_or(category);
            said(Phrase::WhyTasteCategory, &[("category", &scene.name(leaf))])
        }
        Reason::Profile { usual_price: Some(usual), .. } => {
            let currency = scene.row(shown.number)?.1.price?.1;
            said(Phrase::WhyUsual, &[("price", &scene.money((*usual, currency)))])
        }
        Reason::Liked => liked(scene, shown),
        Reason::WithinBudget { left } => {
            let currency = scene.row(shown.number)?.1.price?.1;
            said(Phrase::WhyBudget, &[("left", &scene.money((*left, currency)))])
        }
        _ => None,
    }
}

/// `rated 4.6 by 32 shoppers`.
fn rated(scene: &Scene<'_>, Rating { mean, count }: Rating) -> Why {
    let phrase = if count == 1 { Phrase::WhyRatedOnce } else { Phrase::WhyRated };
    let (mean, count) = (format!("{mean:.1}"), count.to_string());
    why(PartKind::Rating.name(), scene.say(phrase, &[("mean", &mean), ("count", &count)]))
}

/// The user's own act that speaks for the product: with what he likes best of its category.
fn liked(scene: &Scene<'_>, shown: &Shown) -> Option<Why> {
    let category = &scene.row(shown.number)?.1.category;
    let alike = |number: u32| {
        let own = scene.row(number).map(|(_, item)| item.category.as_str()).unwrap_or_default();
        number != shown.number
            && !category.is_empty()
            && (own == category || levels(category).any(|level| level == own))
    };
    let (number, ..) =
        *scene.tastes.iter().find(|(number, strength, _)| 0.0 < *strength && alike(*number))?;
    let evidence = explain(
        Source::Factors,
        Some(number),
        &scene.shopper.state,
        scene.catalogue(),
        &ServedSegments::default(),
        None,
    )
    .evidence?;
    let at = evidence.at.to_rfc3339();
    let verb = match evidence.act.name() {
        "view_item" | "view_item_list" | "recommendation_clicked" | "search" => Phrase::DidView,
        "add_to_wishlist" => Phrase::DidWish,
        "add_to_cart" => Phrase::DidCart,
        "purchase" | "feedback_bought" => Phrase::DidBuy,
        "feedback_like" => Phrase::DidLike,
        "rate_item" => Phrase::DidRate,
        "forum_post" | "forum_reply" | "forum_like" => Phrase::DidTalk,
        _ => Phrase::DidOther,
    };
    let title = scene.title(number);
    let date: String = at.chars().take(10).collect();
    let values = [("title", title.as_str()), ("verb", verb.text(scene.language)), ("date", &date)];
    let act = Act {
        item_id: evidence.item.to_string(),
        title: title.clone(),
        act: evidence.act.name().to_owned(),
        at,
    };
    Some(Why { evidence: Some(act), ..why("liking", scene.say(Phrase::WhyLike, &values)) })
}
