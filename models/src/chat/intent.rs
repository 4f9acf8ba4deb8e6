//! The intent, decided from slots, cues and the state, in a fixed order: what is out of the shop's hands first, then questions about service,
//! history and products, then opinions, and a search for what is left.

use super::atoms::Kind;
use super::dictionary::{Cue, Sense};
use super::slots::{Intent, Language, Opinion, PriceRange, Reference, SlotKind, Slots, Sort, Understood};
use super::state::DialogueState;
use super::understand::Reading;
use super::wishes::ends_clause;

/// Unknown words that small talk may have beside its own.
const SMALL_TALK_WORDS_MAX: usize = 3;
/// A text without any known word is still typed into a search box if it is not longer.
const SEARCH_WORDS_MAX: usize = 16;

/// Tasks for another kind of assistant, whatever product they mention.
const NEVER_HERE: [&str; 46] = [
    "ignore previous", "ignore all previous", "previous instructions", "ignore your instructions", "ignore the instructions", "system prompt",
    "your prompt", "your instructions", "write a poem", "poem", "poem about", "essay", "translate", "write code", "write a program",
    "python script", "haiku", "story about", "tell me a story", "other users", "other customers", "another user", "admin password", "api key",
    "someone elses", "act as", "pretend you are", "忽略之前的指令", "忽略以上", "系统提示", "提示词", "你的指令", "写首诗", "写一首诗", "写诗",
    "作文", "写作文", "翻译", "翻译成", "写代码给", "其他用户", "别的用户", "管理员密码", "假装你是", "扮演", "别人的订单",
];

/// Which of several.
const WHICH: [&str; 22] = [
    "which", "which is", "which one", "which of", "which one should i", "which should i", "which would you", "which do you", "哪个", "哪款", "哪个好", "选哪个", "买哪个",
    "哪个更", "哪个更好", "纠结", "怎么选", "torn between", "cant decide between", "该选哪个", "二选一", "选谁",
];

/// How things are done, which no product answers.
const HOW_TO: [&str; 12] = [
    "怎么洗", "怎么做", "怎么吃", "怎么修", "怎么变", "怎么治", "怎么减", "怎么教育", "how to cook", "how do i cook", "how to make", "how do i fix my",
];

pub(super) fn decide(read: Reading<'_>, language: Option<Language>, state: &DialogueState) -> Understood {
    let (intent, opinion) = Decider { read: &read, state }.decide();
    if matches!(intent, Intent::SmallTalk | Intent::OutOfScope) {
        // What such a message mentions is no wish.
        return Understood { intent, slots: Default::default(), language, opinion };
    }
    let mut slots = read.slots;
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

struct Decider<'r, 'a> {
    read: &'r Reading<'a>,
    state: &'r DialogueState,
}

impl Decider<'_, '_> {
    fn has(&self, cue: Cue) -> bool {
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
        let past = ["以前", "之前", "去年", "上个月", "上周"].iter().any(|w| text.contains(w)) && text.contains("多少钱")
            || self.read.says(&["ago", "last year", "last month", "last week", "months ago"])
            && self.read.says(&["多少钱", "价格", "cost", "price", "how much"]);
        if (self.has(Cue::PriceHistory) || past) && !(self.searched() && self.read.slots.category.is_some()) {
            return plain(Intent::AskPriceHistory);
        }
        if self.service() {
            return plain(Intent::OrderOrService);
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

    fn questions(&self) -> bool {
        let spans = self.read.spans;
        let cued = spans.iter().enumerate().any(|(i, s)| {
            // An English verb asks where it begins: `is it`, not `canvas is fine`.
            let verb = ["is", "are", "can", "do", "does", "has", "will"].contains(&s.text(self.read.atoms).as_str());
            s.has(Cue::Question) && (!verb || i == 0 || ends_clause(spans, self.read.atoms, i - 1))
        });
        cued || self.read.atoms.iter().any(|a| a.is("?") || a.is("？"))
    }

    /// A product that was pointed at or named.
    fn pointed(&self) -> bool {
        !self.read.slots.references.is_empty() || !self.read.slots.items.is_empty()
    }

    /// Something to search by, beside the order of results.
    fn narrows(&self) -> bool {
        let slots = &self.read.slots;
        slots.category.is_some() || slots.price.is_some() || !slots.brands.is_empty() || !slots.features.is_empty()
            || !slots.brands_excluded.is_empty() || !slots.features_excluded.is_empty()
    }

    /// A wish to get something is said.
    fn searched(&self) -> bool {
        self.read.spans.iter().any(|s| s.has(Cue::Buy) && !s.any(&[Cue::Question, Cue::With]))
    }

    fn live(&self) -> bool {
        !self.state.shown.is_empty() || self.state.focus.is_some()
    }

    fn out_of_scope(&self) -> bool {
        if self.read.says(&NEVER_HERE) {
            return true;
        }
        let slots = &self.read.slots;
        let listed = slots.references.iter().any(|r| *r != Reference::It) || !slots.items.is_empty();
        let how_to = self.read.says(&HOW_TO) && !self.searched() && slots.price.is_none();
        let shop = slots.category.is_some() && !how_to || slots.price.is_some() || listed || self.has(Cue::Service);
        self.has(Cue::OutOfScope) && !shop
    }

    fn monthly_budget(&self) -> bool {
        let slots = &self.read.slots;
        let month = self.has(Cue::Month) && self.read.says(&["预算", "budget", "额度", "花", "spend", "spent", "spending", "限额", "limit"]);
        let left = self.read.says(&["预算", "budget"]) && self.read.says(&["剩", "剩下", "还剩", "left", "remaining", "剩余"]);
        (self.has(Cue::MonthlyBudget) || month || left) && (slots.category.is_none() || !self.searched() && self.has(Cue::MonthlyBudget))
    }

    fn service(&self) -> bool {
        if !self.has(Cue::Service) {
            return false;
        }
        let slots = &self.read.slots;
        let product = slots.category.is_some() && (self.searched() || slots.price.is_some() || 2 <= slots.features.len());
        let mine = self.read.says(&["我的", "my", "my order", "订单", "我的订单", "order", "怎么", "如何", "多久", "可以", "能", "can i", "how do i", "how long", "what is", "do you"]);
        let list = slots.more || !slots.dropped.is_empty();
        let trouble = self.read.says(&["坏了", "怎么退", "怎么退货", "退货", "换货", "保修", "售后", "订单", "怎么保修", "refund", "return", "broken", "damaged", "my order"]);
        (!product || mine && slots.price.is_none() && (trouble || !self.searched())) && !list
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

    fn compares(&self) -> bool {
        let slots = &self.read.slots;
        let entities = self.entities();
        // `比这几个便宜的` looks for others.
        if matches!(slots.sort, Some(Sort::Cheaper | Sort::Dearer)) && !self.read.says(&WHICH) {
            return false;
        }
        let plain = ["对比", "对比一下", "区别", "差别", "有什么区别", "有啥区别", "compare", "vs", "versus", "difference", "pk", "比较一下", "比一比", "head to head", "side by side", "差异", "做个对比", "有何区别", "comparison"];
        if self.has(Cue::Compare) {
            let always = self.read.says(&plain);
            let which = self.read.says(&WHICH);
            let things = 2 <= entities || self.pointed() || 2 <= self.read.categories || 2 <= slots.features.len();
            return always || things && (which && 2 <= entities || !self.searched()) || slots.category.is_none() && !self.searched() && slots.sort.is_none() && slots.price.is_none() && (self.live() || !self.narrows());
        }
        let which = self.read.says(&["which", "better", "哪个", "哪款", "哪一个", "哪一款", "谁", "better for"]);
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
        2 <= entities && or && !self.searched() && slots.price.is_none() && slots.category.is_none() && slots.features.is_empty()
            || which && or && 2 <= slots.features.len() + self.read.categories && question
    }

    fn similar(&self) -> bool {
        if !self.has(Cue::Similar) {
            return false;
        }
        // 差不多 and `close to` are mostly about numbers.
        let only_near = self.read.spans.iter().filter(|s| s.has(Cue::Similar)).all(|s| s.any(&[Cue::AboutBefore]));
        if only_near && !self.pointed() {
            return false;
        }
        self.pointed() || self.live() || 0 < self.read.named || self.read.model || self.read.slots.category.is_some() || !self.narrows()
    }

    fn opinion(&self) -> Option<Opinion> {
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

    fn feedback(&self) -> bool {
        let slots = &self.read.slots;
        let wishes = slots.price.is_some() || slots.sort.is_some() || slots.more || !slots.dropped.is_empty();
        if wishes {
            return false;
        }
        let asks = self.has(Cue::Question) && self.read.spans.iter().any(|s| s.has(Cue::Question) && !s.any(&[Cue::FeedbackUp, Cue::FeedbackDown, Cue::FeedbackBought]) && !s.any(&[Cue::Filler]));
        let unnegated = self.read.spans.iter().any(|s| s.has(Cue::Not));
        if self.has(Cue::FeedbackBought) && !asks && slots.brands_excluded.is_empty() && !self.searched_for() {
            return true;
        }
        if self.opinion().is_some() && !asks && !self.searched_for() {
            let about_wishes = slots.category.is_some() && !self.pointed() || !slots.brands.is_empty() && !self.pointed();
            let features = !slots.features.is_empty() || !slots.features_excluded.is_empty() || !slots.brands_excluded.is_empty();
            return self.pointed() || !about_wishes && !features || self.only_opinion();
        }
        // `不要第二个`
        unnegated && self.pointed() && !asks && !self.narrows() && !self.searched_for()
    }

    /// A wish to get something that is no opinion: `喜欢` and `show me` are in one message of feedback and search.
    fn searched_for(&self) -> bool {
        self.read.spans.iter().any(|s| s.has(Cue::Buy) && !s.any(&[Cue::FeedbackUp, Cue::FeedbackDown, Cue::FeedbackBought, Cue::Question, Cue::With, Cue::Filler]))
    }

    /// Every span with content is an opinion too: `不好看`.
    fn only_opinion(&self) -> bool {
        let opinion = [Cue::FeedbackUp, Cue::FeedbackDown, Cue::FeedbackBought];
        self.read.spans.iter().filter(|s| s.is_content()).all(|s| s.any(&opinion))
    }

    fn asks_product(&self) -> bool {
        let slots = &self.read.slots;
        let changes = matches!(slots.sort, Some(Sort::Cheaper | Sort::Dearer)) || slots.more || !slots.dropped.is_empty();
        if changes && slots.references.is_empty() || slots.price.is_some() {
            return false;
        }
        if self.pointed() {
            // A product only named is looked for; what is asked of it makes it a question.
            if slots.references.is_empty() && (!self.questions() || self.searched()) {
                return false;
            }
            return !(changes && !self.questions()) && !matches!(slots.sort, Some(Sort::Cheaper | Sort::Dearer));
        }
        if !self.questions() {
            return false;
        }
        // `有防水的吗`, `有没有...的手机`, `any in black`: a search in the form of a question.
        let nominal = self.nominal();
        let judged = self.read.says(&["怎么样", "如何", "好用吗", "值得买吗", "值不值得买", "咋样", "评价怎么样", "any good", "good", "worth it", "any reviews", "reviews of", "靠谱吗", "好不好", "how is the", "how good is", "tell me about", "介绍一下"]);
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
        let about = !slots.features.is_empty() || self.read.says(&["多少钱", "什么价", "有货吗", "有货", "怎么卖", "in stock", "how much is", "参数", "规格", "尺寸", "重量", "available", "specs", "库存", "有现货", "还有货吗", "什么材质", "什么颜色", "有什么颜色", "缺点", "优点", "详情"]);
        about && (self.live() || slots.whom.is_empty() || self.has(Cue::Question)) && slots.brands_excluded.is_empty() && slots.features_excluded.is_empty()
    }

    /// A question for things with a property: a 的 before 吗, `any ... ones`.
    fn nominal(&self) -> bool {
        let atoms = self.read.atoms;
        let de = atoms.windows(2).any(|w| matches!(w, [a, b] if (a.is("的") || a.is("款")) && (b.is("有") || b.is("吗") || b.is("么") || b.is("呢") || b.is("嘛") || b.is("?") || b.is("？"))));
        let ends = atoms.iter().rev().find(|a| a.kind != Kind::Mark).is_some_and(|a| a.is("的"));
        let has = self.read.says(&["有没有", "有", "哪些", "哪个牌子", "什么牌子"]);
        de || ends && has || self.read.says(&["any", "ones", "do you have", "do you sell", "have you got", "got any", "anything", "something", "how about", "what about", "呢"])
    }

    fn small_talk(&self) -> bool {
        let talk = [Cue::Greeting, Cue::Thanks, Cue::Bye, Cue::Chitchat];
        let slots = &self.read.slots;
        if !self.read.any(&talk) || slots.price.is_some() || self.pointed() || slots.more || !slots.dropped.is_empty() || slots.sort.is_some() {
            return false;
        }
        let other = self.read.spans.iter().filter(|s| s.is_content() && !s.any(&talk)).count();
        let wish = self.read.spans.iter().any(|s| s.any(&[Cue::Buy]) && !s.any(&talk) && !s.any(&[Cue::Question, Cue::Filler, Cue::With]));
        other == 0 && !wish && self.read.unknown_words <= SMALL_TALK_WORDS_MAX + 3
    }

    fn search(&self) -> Intent {
        let slots = &self.read.slots;
        let searching = self.state.wanted.narrows() || self.live();
        let anew = slots.dropped.contains(&SlotKind::All);
        if anew {
            return if self.narrows() { Intent::Find } else { Intent::Refine };
        }
        let content = self.narrows() || !slots.whom.is_empty() || !slots.occasions.is_empty() || slots.quantity.is_some();
        if let Some(category) = &slots.category {
            let same = self.state.wanted.category.as_ref() == Some(category);
            return if searching && same { Intent::Refine } else { Intent::Find };
        }
        if searching && (content || slots.sort.is_some() || slots.more || !slots.dropped.is_empty() || slots.price_problem.is_some()) {
            return Intent::Refine;
        }
        if slots.more || !slots.dropped.is_empty() || matches!(slots.sort, Some(Sort::Cheaper | Sort::Dearer)) {
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
        if self.questions() || SEARCH_WORDS_MAX < self.read.unknown_words { Intent::OutOfScope } else { Intent::Find }
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
        let first = self.read.spans.iter().find(|s| !s.has(Cue::Filler) || s.is_content() || s.has(Cue::Change));
        let begins = first.is_some_and(|s| s.any(&[Cue::Change, Cue::Only, Cue::But]) && !s.senses.iter().any(|s| matches!(s, Sense::Feature(_))));
        let comparative = self.read.spans.iter().any(|s| {
            let text = s.text(self.read.atoms);
            s.is_content() && (text.ends_with("一点") || text.ends_with("点的") || text.ends_with("一点的") || text.ends_with('点') && 1 < text.chars().count() || ["bigger", "smaller", "lighter", "larger", "thinner", "warmer", "quieter"].contains(&text.as_str()))
        });
        let asks = bare && self.nominal() && self.questions();
        (only_excluded || begins || comparative || asks || slots.sort.is_some() && !self.searched() && !slots.more && self.read.says(&["排序", "sort", "sort by", "order by", "按"])) && !self.searched() || begins
    }
}
