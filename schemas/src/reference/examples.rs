//! One example a type, the same that the fixtures keep for ever.

use crate::event::EventType;

macro_rules! fixture {
    ($name:literal) => {
        include_str!(concat!("../../fixtures/v1/", $name, ".json")).trim_ascii_end()
    };
}

/// An event of this type as JSON.
pub fn user_example(event_type: EventType) -> &'static str {
    match event_type {
        EventType::ViewItem => fixture!("view_item"),
        EventType::ViewItemList => fixture!("view_item_list"),
        EventType::Search => fixture!("search"),
        EventType::AddToWishlist => fixture!("add_to_wishlist"),
        EventType::AddToCart => fixture!("add_to_cart"),
        EventType::RemoveFromCart => fixture!("remove_from_cart"),
        EventType::BeginCheckout => fixture!("begin_checkout"),
        EventType::Purchase => fixture!("purchase"),
        EventType::Refund => fixture!("refund"),
        EventType::ForumPost => fixture!("forum_post"),
        EventType::ForumReply => fixture!("forum_reply"),
        EventType::ForumLike => fixture!("forum_like"),
        EventType::RateItem => fixture!("rate_item"),
        EventType::RecommendationShown => fixture!("recommendation_shown"),
        EventType::RecommendationClicked => fixture!("recommendation_clicked"),
        EventType::RecommendationFeedback => fixture!("recommendation_feedback"),
        EventType::ChatIntent => fixture!("chat_intent"),
        EventType::Identify => fixture!("identify"),
        EventType::UserErased => fixture!("user_erased"),
        EventType::PartAbsorbed => fixture!("part_absorbed"),
    }
}

/// GA4's form of a purchase, before the split.
pub(super) const ITEMS_EXAMPLE: &str = fixture!("purchase_items");

/// A catalogue event of this type as JSON; `None` if producers may not send it.
pub fn catalogue_example(name: &str) -> Option<&'static str> {
    Some(match name {
        "item_upsert" => fixture!("catalogue_item_upsert"),
        "item_patch" => fixture!("catalogue_item_patch"),
        "item_removed" => fixture!("catalogue_item_removed"),
        "stock" => fixture!("catalogue_stock"),
        "price" => fixture!("catalogue_price"),
        _ => return None,
    })
}
