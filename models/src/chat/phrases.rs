//! What the chat says, in both languages, in one table. A reply is made of these and of facts: titles, prices, counts. Names in braces are filled
//! in by [`fill`].

use super::slots::Language;

macro_rules! phrases {
    ($($name:ident { $chinese:literal, $english:literal })*) => {
        /// A sentence or a part of one.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Phrase { $($name),* }

        impl Phrase {
            pub const ALL: &'static [Phrase] = &[$(Phrase::$name),*];

            /// As it is said in a language, with its braces.
            pub fn text(self, language: Language) -> &'static str {
                match (self, language) {
                    $(
                        (Phrase::$name, Language::Chinese) => $chinese,
                        (Phrase::$name, Language::English) => $english,
                    )*
                }
            }
        }
    };
}

phrases! {
    // What was found.
    Found { "按您的条件（{what}）找到 {count} 款，先看 {n} 款：", "{count} match what you asked for ({what}). Here are {n}:" }
    FoundAll { "按您的条件（{what}）找到 {count} 款：", "{count} match what you asked for ({what}):" }
    Picked { "为您挑了 {n} 款：", "Here are {n} picked for you:" }
    Line { "{place}. {title}，{price}。{why}", "{place}. {title}, {price}. {why}" }
    NoPrice { "暂无价格", "no price yet" }
    LessThanAsked { "有货的只有这些。", "That is all that is in stock." }

    // Nothing was found.
    Nothing { "没有同时满足这些条件的商品（{what}）。", "Nothing meets all of this ({what})." }
    Without { "{without}有 {count} 款，{from}起。", "{without}: {count}, from {from}." }
    WithoutPrice { "{without}有 {count} 款。", "{without}: {count}." }
    NothingEither { "放宽任何一个条件也没有。换个说法或类目试试？", "Giving up any one of them does not help either. Try other words or another category?" }
    NothingLeft { "没有更多了。", "There is nothing more." }
    WithoutBudgetLimit { "不限价格，", "Without the price limit" }
    WithoutRelative { "不比刚才的价格，", "Without comparing with the prices before" }
    WithoutCategory { "不限类目，", "In any category" }
    WithoutBrands { "不限品牌，", "Of any brand" }
    WithoutFeature { "不要求“{name}”，", "Without asking for \"{name}\"" }
    WithBrand { "不排除{name}，", "If {name} is allowed" }
    WithFeature { "不排除“{name}”，", "If \"{name}\" is allowed" }
    WithSeen { "算上看过的，", "With those you have seen" }
    WordsAside { "没有商品写着“{text}”，不看这个词的话：", "No product says \"{text}\". Leaving that aside:" }
    OtherCurrency { "另有 {count} 款不是用 {currency} 标价，没有和您说的价格比较。", "{count} more are not priced in {currency}, so they were not held against your price." }
    NoSuchText { "没有商品写着“{text}”，下面是最接近的。", "No product says \"{text}\"; these come closest." }

    // Conditions.
    UpTo { "{max}以内", "up to {max}" }
    From { "{min}以上", "from {min}" }
    Between { "{min}到 {max}", "{min} to {max}" }
    About { "{about}左右", "about {about}" }
    Below { "比 {price}便宜", "cheaper than {price}" }
    Above { "比 {price}贵", "dearer than {price}" }
    NotThis { "不要{name}", "no {name}" }
    Comma { "、", ", " }
    Quoted { "“{text}”", "\"{text}\"" }

    // Prices that cannot be meant.
    ZeroPrice { "0 元买不到东西。", "Nothing costs 0." }
    NegativePrice { "预算不能是负数。", "A budget cannot be negative." }
    HugePrice { "这个数太大了，不像是价格。", "That number is too large for a price." }
    SwappedPrice { "上下限好像说反了，按 {range} 找的。", "The limits were the wrong way round, so this is {range}." }

    // Questions back.
    AskCategory { "您想买什么？比如手机、耳机、跑鞋。", "What are you looking for? A phone, headphones, running shoes?" }
    AskBudget { "您的预算大概是多少？", "How much may it cost?" }
    AskWhich { "您指的是哪一款？说“第一个”或名字都可以。", "Which one do you mean? \"The first one\" or its name will do." }

    // The month's budget.
    BudgetNone { "您还没有设月预算。说“每个月预算3000”就能设。", "You have not set a monthly budget. Say \"my monthly budget is 3000\" to set one." }
    BudgetSet { "好的，每月预算设为 {limit}，本月还剩 {left}。", "Done: your monthly budget is {limit}, and {left} of it is left." }
    BudgetLeft { "每月预算 {limit}，本月已花 {spent}，还剩 {left}。", "Of your monthly budget of {limit} you have spent {spent}; {left} is left." }
    BudgetBad { "月预算没有改动。", "Your monthly budget stays as it is." }
    BudgetUnknown { "现在查不到您的月预算，请稍后再试。", "Your monthly budget cannot be looked up right now, please try again." }
    BudgetHides { "另有 {count} 款超出本月剩余预算（{left}），没有列出。", "{count} more cost more than what is left of this month ({left}) and are not listed." }
    BudgetHidesAll { "符合条件的 {count} 款都超出本月剩余预算（{left}），最便宜的 {from}。要看的话请先调整月预算。", "The {count} that match all cost more than what is left of this month ({left}); the cheapest is {from}. Change your monthly budget to see them." }
    BudgetNotSure { "月预算暂时查不到，按上次知道的算。", "Your monthly budget cannot be looked up right now; this goes by what was known last." }

    // Products.
    About1 { "{title}：{price}，{stock}。", "{title}: {price}, {stock}." }
    InStock { "有货", "in stock" }
    SoldOut { "缺货", "sold out" }
    NotSold { "已下架", "no longer sold" }
    OfBrand { "品牌：{brand}。", "Brand: {brand}." }
    OfCategory { "类目：{category}。", "Category: {category}." }
    Says { "写明的特点：{traits}。", "It says: {traits}." }
    Has { "有“{name}”：{field}写着“{quote}”。", "Yes, \"{name}\": its {field} says \"{quote}\"." }
    HasNot { "没有“{name}”：{field}写着“{quote}”。", "Not \"{name}\": its {field} says \"{quote}\"." }
    InTitle { "名称", "title" }
    InTags { "标签", "tag" }
    InCategory { "类目", "category" }
    InDescription { "描述", "description" }
    DoesNotSay { "商品信息没有写明“{name}”，我不能确定。", "Its page does not say \"{name}\", so I cannot tell." }
    Person { "可以为您转人工客服。", "A person can help: ask for customer service." }
    NotKnown { "这个我还不知道。", "That I do not know." }
    Gone { "这款商品已经不在目录里了。", "This product is no longer in the catalogue." }

    // Compared.
    Compared { "比较如下：", "Side by side:" }
    CheaperBy { "“{title}”便宜 {by}。", "\"{title}\" is {by} cheaper." }
    OnlyOne { "只有“{title}”写明有：{traits}。", "Only \"{title}\" says: {traits}." }
    BothSay { "都写明有：{traits}。", "Both say: {traits}." }
    OfOne { "“{title}”：{said}", "\"{title}\": {said}" }
    MeetsMore { "就您问的来看，“{title}”更合适。", "By what you asked, \"{title}\" does better." }
    NotDecided { "就已知的来看，分不出哪个更合适。", "What is known does not decide between them." }
    NoBrand { "店里没有有货的{brand}。", "Nothing of {brand} is in stock." }

    // What goes with another.
    GoesWith { "和“{title}”搭配的有：", "What goes with \"{title}\":" }
    NothingGoesWith { "没有什么说明哪些和“{title}”搭配：商品没有写，一起买的人也不够多。", "Nothing says what goes with \"{title}\": its page names no product, and too few baskets had it with another." }

    // Like another.
    LikeIt { "和“{title}”相近的有：", "Like \"{title}\":" }
    NothingLikeIt { "没有找到和“{title}”相近且符合条件的。", "Nothing like \"{title}\" meets what you asked for." }

    // The price of before.
    PriceNow { "“{title}”现在 {now}。", "\"{title}\" is {now} now." }
    PriceBefore { "以前的价格，从新到旧：{prices}。", "Before that, newest first: {prices}." }
    PriceNowSince { "“{title}”现在 {now}，从 {date} 起。", "\"{title}\" is {now} now, since {date}." }
    PriceFrom { "{price}（{date} 起）", "{price} (from {date})" }
    PriceRange { "记录里最低 {low}，最高 {high}。", "The lowest on record is {low}, the highest {high}." }
    PriceUndated { "没写日期的价格只知道先后。", "Of those without a date only the order is known." }
    PriceSame { "记录里没有变过价。", "It has not changed on record." }

    // Said of a product.
    Liked { "好的，记下您喜欢“{title}”。", "Noted: you like \"{title}\"." }
    Disliked { "好的，不再推荐“{title}”。", "Noted: \"{title}\" will not be shown again." }
    Bought { "好的，记下您已经买了“{title}”。", "Noted: you have bought \"{title}\"." }

    // Talk.
    Hello { "您好，我可以帮您找商品、比价格、看月预算。想买点什么？", "Hello! I can find products, compare them, and keep to your budget. What are you looking for?" }
    Decline { "这个我帮不上。我可以帮您找商品、比较、查价格和月预算。", "I cannot help with that. I can find products, compare them, and look up prices and your budget." }

    // Why a product is shown.
    WhyWithin { "价格在您说的范围内", "within the price you named" }
    WhyNear { "价格接近 {about}", "close to {about}" }
    WhyBrand { "是您要的{brand}", "of {brand}, as you asked" }
    WhyHas { "有{traits}", "has {traits}" }
    WhySaid { "名称或描述里有您说的词", "your words are in its text" }
    WhyRated { "{count} 位顾客评分 {mean}", "rated {mean} by {count} shoppers" }
    WhyRatedOnce { "1 位顾客评分 {mean}", "rated {mean} by one shopper" }
    WhyPopular { "很多人选", "chosen by many shoppers" }
    WhyTasteBrand { "您常看{brand}", "you often look at {brand}" }
    WhyTasteCategory { "您常看{category}", "you often look at {category}" }
    WhyUsual { "接近您平时的价位（{price}）", "near what you usually pay ({price})" }
    WhyLike { "和您的“{title}”是一类：{verb}于 {date}", "like \"{title}\", which you {verb} on {date}" }
    WhyBudget { "在本月剩余预算 {left}之内", "within the {left} left of this month" }
    WhyBoughtWith { "和“{title}”一起买过 {n} 次", "in the same basket {n} times with \"{title}\"" }
    WhyFits { "“{title}”的{field}写着“{quote}”", "the {field} of \"{title}\" says \"{quote}\"" }
    WhyCheapest { "符合条件里价格靠前", "among the first by the price order you asked for" }
    WhyInStock { "有货", "in stock" }

    // What the user did.
    DidView { "看过", "looked at" }
    DidCart { "加购", "put into the cart" }
    DidWish { "收藏", "wished for" }
    DidBuy { "购买", "bought" }
    DidLike { "喜欢", "liked" }
    DidRate { "评分", "rated" }
    DidTalk { "讨论", "talked about" }
    DidOther { "了解过", "dealt with" }

    // What may be said next; each is understood as what it says.
    NextMore { "还有别的吗", "show me more" }
    NextCheaper { "便宜一点的", "something cheaper" }
    NextCompare { "第一个和第二个哪个好", "compare the first and the second" }
    NextSimilar { "有和第一个类似的吗", "something similar to the first one" }
    NextHistory { "第一个以前多少钱", "price history of the first one" }
    NextAnyPrice { "不限预算", "any price" }
    NextAnyBrand { "不限品牌", "any brand" }
    NextBudget { "这个月预算还剩多少", "how much of my monthly budget is left" }
    NextPhone { "三千以内拍照好的手机", "a phone with a good camera under 500 dollars" }
    NextHeadphones { "降噪耳机", "noise cancelling headphones" }
}

/// Fills the braces of a text. A value is put in as it is: braces within it are not filled again.
///
/// ```
/// use shoptide_models::chat::fill;
/// assert_eq!(fill("{n} of {what}", &[("n", "3"), ("what", "{n}")]), "3 of {n}");
/// ```
pub fn fill(text: &str, values: &[(&str, &str)]) -> String {
    let mut filled = String::with_capacity(text.len() + values.iter().map(|(_, v)| v.len()).sum::<usize>());
    let mut rest = text;
    while let Some((before, behind)) = rest.split_once('{') {
        filled.push_str(before);
        let Some((name, behind)) = behind.split_once('}') else {
            rest = behind;
            break;
        };
        match values.iter().find(|(known, _)| *known == name) {
            Some((_, value)) => filled.push_str(value),
            None => filled.extend(["{", name, "}"]),
        }
        rest = behind;
    }
    filled.push_str(rest);
    filled
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::super::state::Shown;
    use super::super::{DialogueState, Intent, Lexicon, SlotKind, Understood, understand};
    use super::*;

    fn braces(text: &str) -> BTreeSet<&str> {
        text.split('{').skip(1).filter_map(|t| t.split_once('}')).map(|(name, _)| name).collect()
    }

    #[test]
    fn both_languages_say_the_same_facts() {
        for phrase in Phrase::ALL {
            let [chinese, english] = [Language::Chinese, Language::English].map(|l| phrase.text(l));
            assert_eq!(braces(chinese), braces(english), "{phrase:?}");
            assert!(!english.chars().any(|c| ('\u{3000}'..='\u{9fff}').contains(&c)), "{english}");
            assert!(!chinese.is_empty() && !english.is_empty(), "{phrase:?}");
        }
    }

    #[test]
    fn what_may_be_said_next_is_understood() {
        let shown = |number| Shown {
            number,
            brand: "apple".into(),
            price: Some(shoptide_schemas::Micros(9_000_000)),
            currency: None,
            rating: None,
        };
        let mut state = DialogueState::default();
        state.wanted.category = Some("phone".into());
        state.show(vec![shown(1), shown(2), shown(3)]);
        let lexicon = Lexicon::default();
        for language in [Language::Chinese, Language::English] {
            let read = |phrase: Phrase| -> Understood { understand(phrase.text(language), &lexicon, &state) };
            assert_eq!(read(Phrase::NextMore).intent, Intent::Refine);
            assert!(read(Phrase::NextMore).slots.more);
            assert_eq!(read(Phrase::NextCheaper).intent, Intent::Refine);
            assert_eq!(read(Phrase::NextCompare).intent, Intent::Compare);
            assert_eq!(read(Phrase::NextCompare).slots.references.len(), 2);
            assert_eq!(read(Phrase::NextSimilar).intent, Intent::Similar);
            assert_eq!(read(Phrase::NextHistory).intent, Intent::AskPriceHistory);
            assert_eq!(read(Phrase::NextAnyPrice).slots.dropped, [SlotKind::Budget]);
            assert_eq!(read(Phrase::NextAnyBrand).slots.dropped, [SlotKind::Brands]);
            assert_eq!(read(Phrase::NextBudget).intent, Intent::Budget);
            for find in [Phrase::NextPhone, Phrase::NextHeadphones] {
                assert_eq!(
                    understand(find.text(language), &lexicon, &Default::default()).intent,
                    Intent::Find
                );
            }
        }
    }

    #[test]
    fn braces_are_filled_once() {
        assert_eq!(fill("{a}{b} {", &[("a", "{b}"), ("b", "x")]), "{b}x ");
        assert_eq!(fill("{c}", &[("a", "1")]), "{c}");
        assert_eq!(fill("plain", &[]), "plain");
    }
}
