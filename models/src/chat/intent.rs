//! The intent, decided from slots, cues and the state, in a fixed order: what is out of the shop's hands first, then questions about service,
//! history and products, then opinions, and a search for what is left.

use super::atoms::Kind;
use super::dictionary::{Cue, Sense};
use super::reading::Reading;
use super::slots::{Intent, Language, Opinion, PriceRange, SlotKind, Slots, Sort, Understood};
use super::state::DialogueState;
use super::wishes::ends_clause;

/// Unknown words that small talk may have beside its own.
const SMALL_TALK_WORDS_MAX: usize = 3;
/// A text without any known word is still typed into a search box if it is not longer.
const SEARCH_WORDS_MAX: usize = 16;

pub(super) fn decide(read: Reading<'_>, language: Option<Language>, state: &DialogueState) -> Understood {
    let decider = Decider { read: &read, state };
    let (intent, opinion) = decider.decide();
    let together = intent == Intent::AskProduct && decider.goes_with();
    if matches!(intent, Intent::SmallTalk | Intent::OutOfScope) {
        // What such a message mentions is no wish.
        return Understood { intent, slots: Default::default(), language, opinion };
    }
    let mut slots = read.slots;
    slots.together = together;
    match intent {
        Intent::Similar => slots.more = false,
        Intent::Compare => slots.sort = None,
        Intent::OrderOrService => slots.features.clear(),
        Intent::Budget => {
            // What a month may cost is an upper bound.
            let price = slots.price.map(|p| PriceRange { max: p.max.or(p.about), about: None, ..p });
            slots = Slots { price, price_problem: slots.price_problem, ..Slots::default() };
        }
        _ => {}
    }
    // Cheaper than nothing that was shown is cheap.
    let relative = intent == Intent::Refine || intent == Intent::Similar || !slots.references.is_empty();
    slots.sort = match slots.sort {
        Some(Sort::Cheaper) if !relative => Some(Sort::PriceAsc),
        Some(Sort::Dearer) if !relative => None,
        other => other,
    };
    Understood { intent, slots, language, opinion }
}

pub(super) struct Decider<'r, 'a> {
    pub read: &'r Reading<'a>,
    pub state: &'r DialogueState,
}

impl Decider<'_, '_> {
    pub(super) fn has(&self, cue: Cue) -> bool {
        self.read.has(cue)
    }

    fn decide(&self) -> (Intent, Option<Opinion>) {
        let plain = |intent| (intent, None);
        if !self.read.atoms.iter().any(|a| a.kind != Kind::Mark) {
            return match self.opinion() {
                Some(opinion) => (Intent::Feedback, Some(opinion)),
                None => plain(Intent::SmallTalk),
            };
        }
        if self.out_of_scope() {
            return plain(Intent::OutOfScope);
        }
        if self.monthly_budget() {
            return plain(Intent::Budget);
        }
        let text = self.read.text();
        let past = ["以前", "之前", "去年", "上个月", "上周"].iter().any(|w| text.contains(w))
            && text.contains("多少钱")
            || self.read.says(&["ago", "last year", "last month", "last week", "months ago"])
                && self.read.says(&["多少钱", "价格", "cost", "price", "how much"]);
        if (self.has(Cue::PriceHistory) || past) && !(self.searched() && self.read.slots.category.is_some()) {
            return plain(Intent::AskPriceHistory);
        }
        if self.service() {
            return plain(Intent::OrderOrService);
        }
        if self.goes_with() {
            return plain(Intent::AskProduct);
        }
        if self.compares() {
            return plain(Intent::Compare);
        }
        if self.similar() {
            return plain(Intent::Similar);
        }
        if self.feedback() {
            return (Intent::Feedback, self.opinion().or(Some(Opinion::Dislike)));
        }
        if self.asks_product() {
            return plain(Intent::AskProduct);
        }
        if self.small_talk() {
            return plain(Intent::SmallTalk);
        }
        plain(self.search())
    }

    pub(super) fn questions(&self) -> bool {
        let spans = self.read.spans;
        let cued = spans.iter().enumerate().any(|(i, s)| {
            // An English verb asks where it begins: `is it`, not `canvas is fine`.
            let verb =
                ["is", "are", "can", "do", "does", "has", "will"].contains(&s.text(self.read.atoms).as_str());
            s.has(Cue::Question) && (!verb || i == 0 || ends_clause(spans, self.read.atoms, i - 1))
        });
        cued || self.read.atoms.iter().any(|a| a.is("?") || a.is("？"))
    }

    /// A product that was pointed at or named.
    pub(super) fn pointed(&self) -> bool {
        !self.read.slots.references.is_empty() || !self.read.slots.items.is_empty()
    }

    /// Something to search by, beside the order of results.
    pub(super) fn narrows(&self) -> bool {
        let slots = &self.read.slots;
        slots.category.is_some()
            || slots.price.is_some()
            || !slots.brands.is_empty()
            || !slots.features.is_empty()
            || !slots.brands_excluded.is_empty()
            || !slots.features_excluded.is_empty()
    }

    /// A wish to get something is said.
    pub(super) fn searched(&self) -> bool {
        self.read.spans.iter().any(|s| s.has(Cue::Buy) && !s.any(&[Cue::Question, Cue::With]))
    }

    pub(super) fn live(&self) -> bool {
        !self.state.shown.is_empty() || self.state.focus.is_some()
    }

    pub(super) fn opinion(&self) -> Option<Opinion> {
        if self.has(Cue::FeedbackBought) {
            Some(Opinion::Bought)
        } else if self.has(Cue::FeedbackDown) {
            Some(Opinion::Dislike)
        } else if self.has(Cue::FeedbackUp) {
            Some(Opinion::Like)
        } else {
            None
        }
    }

    fn small_talk(&self) -> bool {
        let talk = [Cue::Greeting, Cue::Thanks, Cue::Bye, Cue::Chitchat];
        let slots = &self.read.slots;
        if !self.read.any(&talk)
            || slots.price.is_some()
            || self.pointed()
            || slots.more
            || !slots.dropped.is_empty()
            || slots.sort.is_some()
        {
            return false;
        }
        let other = self.read.spans.iter().filter(|s| s.is_content() && !s.any(&talk)).count();
        let wish =
            self.read.spans.iter().any(|s| {
                s.any(&[Cue::Buy]) && !s.any(&talk) && !s.any(&[Cue::Question, Cue::Filler, Cue::With])
            });
        other == 0 && !wish && self.read.unknown_words <= SMALL_TALK_WORDS_MAX + 3
    }

    fn search(&self) -> Intent {
        let slots = &self.read.slots;
        let searching = self.state.wanted.narrows() || self.live();
        let anew = slots.dropped.contains(&SlotKind::All);
        if anew {
            return if self.narrows() { Intent::Find } else { Intent::Refine };
        }
        let content = self.narrows()
            || !slots.whom.is_empty()
            || !slots.occasions.is_empty()
            || slots.quantity.is_some();
        if let Some(category) = &slots.category {
            let same = self.state.wanted.category.as_ref() == Some(category);
            return if searching && same { Intent::Refine } else { Intent::Find };
        }
        if searching
            && (content
                || slots.sort.is_some()
                || slots.more
                || !slots.dropped.is_empty()
                || slots.price_problem.is_some())
        {
            return Intent::Refine;
        }
        if slots.more || !slots.dropped.is_empty() || matches!(slots.sort, Some(Sort::Cheaper | Sort::Dearer))
        {
            return Intent::Refine;
        }
        if content || slots.sort.is_some() || slots.price_problem.is_some() {
            return if self.sounds_like_a_change() { Intent::Refine } else { Intent::Find };
        }
        if self.searched() {
            return Intent::Find;
        }
        if slots.text.is_empty() || self.read.unknown_words == 0 {
            return if self.questions() { Intent::OutOfScope } else { Intent::SmallTalk };
        }
        if self.questions() || SEARCH_WORDS_MAX < self.read.unknown_words {
            Intent::OutOfScope
        } else {
            Intent::Find
        }
    }

    /// Without a search before, a message may still be said as a change to one.
    fn sounds_like_a_change(&self) -> bool {
        let slots = &self.read.slots;
        let only_excluded = (!slots.brands_excluded.is_empty() || !slots.features_excluded.is_empty())
            && slots.price.is_none()
            && slots.brands.is_empty()
            && slots.features.is_empty()
            && slots.whom.is_empty()
            && slots.occasions.is_empty();
        let bare = slots.whom.is_empty() && slots.occasions.is_empty();
        let first =
            self.read.spans.iter().find(|s| !s.has(Cue::Filler) || s.is_content() || s.has(Cue::Change));
        let begins = first.is_some_and(|s| {
            s.any(&[Cue::Change, Cue::Only, Cue::But])
                && !s.senses.iter().any(|s| matches!(s, Sense::Feature(_)))
        });
        let comparative = self.read.spans.iter().any(|s| {
            let text = s.text(self.read.atoms);
            s.is_content()
                && (text.ends_with("一点")
                    || text.ends_with("点的")
                    || text.ends_with("一点的")
                    || text.ends_with('点') && 1 < text.chars().count()
                    || ["bigger", "smaller", "lighter", "larger", "thinner", "warmer", "quieter"]
                        .contains(&text.as_str()))
        });
        let asks = bare && self.nominal() && self.questions();
        (only_excluded
            || begins
            || comparative
            || asks
            || slots.sort.is_some()
                && !self.searched()
                && !slots.more
                && self.read.says(&["排序", "sort", "sort by", "order by", "按"]))
            && !self.searched()
            || begins
    }
}
