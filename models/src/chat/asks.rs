//! Signs of each intent that is no search: what is out of the shop's hands, service, comparisons, opinions, questions about a product.

use super::atoms::Kind;
use super::dictionary::Cue;
use super::intent::Decider;
use super::slots::{Reference, Sort};

impl Decider<'_, '_> {
    pub(super) fn out_of_scope(&self) -> bool {
        if self.has(Cue::NeverHere) {
            return true;
        }
        let slots = &self.read.slots;
        let listed = slots.references.iter().any(|r| *r != Reference::It) || !slots.items.is_empty();
        let how_to = self.has(Cue::HowTo) && !self.searched() && slots.price.is_none();
        let shop =
            slots.category.is_some() && !how_to || slots.price.is_some() || listed || self.has(Cue::Service);
        self.has(Cue::OutOfScope) && !shop
    }

    pub(super) fn monthly_budget(&self) -> bool {
        let slots = &self.read.slots;
        let month = self.has(Cue::Month)
            && self
                .read
                .says(&["预算", "budget", "额度", "花", "spend", "spent", "spending", "限额", "limit"]);
        let left = self.read.says(&["预算", "budget"])
            && self.read.says(&["剩", "剩下", "还剩", "left", "remaining", "剩余"]);
        (self.has(Cue::MonthlyBudget) || month || left)
            && (slots.category.is_none() || !self.searched() && self.has(Cue::MonthlyBudget))
    }

    pub(super) fn service(&self) -> bool {
        if !self.has(Cue::Service) {
            return false;
        }
        let slots = &self.read.slots;
        let product = slots.category.is_some()
            && (self.searched() || slots.price.is_some() || 2 <= slots.features.len());
        let mine = self.has(Cue::Mine);
        let list = slots.more || !slots.dropped.is_empty();
        let trouble = self.has(Cue::Trouble);
        (!product || (mine || trouble) && slots.price.is_none() && (trouble || !self.searched())) && !list
    }

    /// What goes with a product that was pointed at or spoken of; `a shirt that goes with a skirt` looks for a shirt.
    pub(super) fn goes_with(&self) -> bool {
        let slots = &self.read.slots;
        let wishes = slots.price.is_some() || slots.sort.is_some() || slots.more || !slots.dropped.is_empty();
        self.has(Cue::GoesWith) && slots.category.is_none() && !wishes && (self.pointed() || self.live())
    }

    fn entities(&self) -> usize {
        let slots = &self.read.slots;
        let pointed: usize = slots
            .references
            .iter()
            .map(|r| match r {
                Reference::These => 2,
                Reference::FirstN(n) => usize::from(*n),
                _ => 1,
            })
            .sum();
        pointed + self.read.named
    }

    pub(super) fn compares(&self) -> bool {
        let slots = &self.read.slots;
        let entities = self.entities();
        // `比这几个便宜的` looks for others.
        if matches!(slots.sort, Some(Sort::Cheaper | Sort::Dearer)) && !self.has(Cue::Which) {
            return false;
        }
        if self.has(Cue::Compare) {
            let always = self.has(Cue::CompareAlways);
            let which = self.has(Cue::Which);
            let things =
                2 <= entities || self.pointed() || 2 <= self.read.categories || 2 <= slots.features.len();
            return always
                || things && (which && 2 <= entities || !self.searched())
                || slots.category.is_none()
                    && !self.searched()
                    && slots.sort.is_none()
                    && slots.price.is_none()
                    && (self.live() || !self.narrows());
        }
        let which =
            self.has(Cue::Which) || self.read.says(&["better", "哪一个", "哪一款", "谁", "better for"]);
        let or = self.read.says(&["还是", "or"]);
        let versus = self.read.says(&["比", "比较", "than", "against"]);
        let question = self.questions();
        if 2 <= entities && (which || (or || versus) && question) && slots.price.is_none() {
            return true;
        }
        // 还是 asks, where 或者 and `or` may only list.
        if 2 <= entities && self.read.says(&["还是"]) && slots.price.is_none() {
            return true;
        }
        // `A or B?` and nothing else.
        2 <= entities
            && or
            && !self.searched()
            && slots.price.is_none()
            && slots.category.is_none()
            && slots.features.is_empty()
            || which && or && 2 <= slots.features.len() + self.read.categories && question
    }

    pub(super) fn similar(&self) -> bool {
        if !self.has(Cue::Similar) {
            return false;
        }
        // 差不多 and `close to` are mostly about numbers.
        let only_near =
            self.read.spans.iter().filter(|s| s.has(Cue::Similar)).all(|s| s.any(&[Cue::AboutBefore]));
        if only_near && !self.pointed() {
            return false;
        }
        self.pointed()
            || self.live()
            || 0 < self.read.named
            || self.read.model
            || self.read.slots.category.is_some()
            || !self.narrows()
    }

    pub(super) fn feedback(&self) -> bool {
        let slots = &self.read.slots;
        let wishes = slots.price.is_some() || slots.sort.is_some() || slots.more || !slots.dropped.is_empty();
        if wishes {
            return false;
        }
        let asks = self.has(Cue::Question)
            && self.read.spans.iter().any(|s| {
                s.has(Cue::Question)
                    && !s.any(&[Cue::FeedbackUp, Cue::FeedbackDown, Cue::FeedbackBought])
                    && !s.any(&[Cue::Filler])
            });
        let unnegated = self.read.spans.iter().any(|s| s.has(Cue::Not));
        if self.has(Cue::FeedbackBought) && !asks && slots.brands_excluded.is_empty() && !self.searched_for()
        {
            return true;
        }
        if self.opinion().is_some() && !asks && !self.searched_for() {
            let about_wishes =
                slots.category.is_some() && !self.pointed() || !slots.brands.is_empty() && !self.pointed();
            let features = !slots.features.is_empty()
                || !slots.features_excluded.is_empty()
                || !slots.brands_excluded.is_empty();
            return self.pointed() || !about_wishes && !features || self.only_opinion();
        }
        // `不要第二个`
        unnegated && self.pointed() && !asks && !self.narrows() && !self.searched_for()
    }
    /// A wish to get something that is no opinion: `喜欢` and `show me` are in one message of feedback and search.
    fn searched_for(&self) -> bool {
        self.read.spans.iter().any(|s| {
            s.has(Cue::Buy)
                && !s.any(&[
                    Cue::FeedbackUp,
                    Cue::FeedbackDown,
                    Cue::FeedbackBought,
                    Cue::Question,
                    Cue::With,
                    Cue::Filler,
                ])
        })
    }

    /// Every span with content is an opinion too: `不好看`.
    fn only_opinion(&self) -> bool {
        let opinion = [Cue::FeedbackUp, Cue::FeedbackDown, Cue::FeedbackBought];
        self.read.spans.iter().filter(|s| s.is_content()).all(|s| s.any(&opinion))
    }

    pub(super) fn asks_product(&self) -> bool {
        let slots = &self.read.slots;
        let changes = matches!(slots.sort, Some(Sort::Cheaper | Sort::Dearer))
            || slots.more
            || !slots.dropped.is_empty();
        if changes && slots.references.is_empty() || slots.price.is_some() {
            return false;
        }
        if self.pointed() {
            // A product only named is looked for; what is asked of it makes it a question.
            if slots.references.is_empty() && (!self.questions() || self.searched()) {
                return false;
            }
            return (!changes || self.questions())
                && !matches!(slots.sort, Some(Sort::Cheaper | Sort::Dearer));
        }
        if !self.questions() {
            return false;
        }
        // `有防水的吗`, `有没有...的手机`, `any in black`: a search in the form of a question.
        let nominal = self.nominal();
        let judged = self.has(Cue::Judge);
        if self.read.model {
            return !nominal && !self.searched();
        }
        if slots.category.is_some() {
            return judged && !slots.brands.is_empty() && !self.searched() && slots.features.is_empty();
        }
        if !slots.brands.is_empty() {
            return judged && !self.searched();
        }
        if self.searched() || nominal {
            return false;
        }
        let about = !slots.features.is_empty() || self.has(Cue::AskDetail);
        about
            && (self.live() || slots.whom.is_empty() || self.has(Cue::Question))
            && slots.brands_excluded.is_empty()
            && slots.features_excluded.is_empty()
    }

    /// A question for things with a property: a 的 before 吗, `any ... ones`.
    pub(super) fn nominal(&self) -> bool {
        let atoms = self.read.atoms;
        let de = atoms.windows(2).any(|w| matches!(w, [a, b] if (a.is("的") || a.is("款")) && (b.is("有") || b.is("吗") || b.is("么") || b.is("呢") || b.is("嘛") || b.is("?") || b.is("？"))));
        let ends = atoms.iter().rev().find(|a| a.kind != Kind::Mark).is_some_and(|a| a.is("的"));
        let has = self.read.says(&["有没有", "有", "哪些", "哪个牌子", "什么牌子"]);
        de || ends && has
            || self.read.says(&[
                "any",
                "ones",
                "do you have",
                "do you sell",
                "have you got",
                "got any",
                "anything",
                "something",
                "how about",
                "what about",
                "呢",
            ])
    }
}
