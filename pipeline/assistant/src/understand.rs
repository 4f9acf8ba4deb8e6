//! Reading a message where the rules are unsure. The model fills gaps: what the rules read stays as it is, numbers above all.

use async_openai::types::chat::{
    ChatCompletionRequestMessage, ChatCompletionRequestSystemMessage,
    ChatCompletionRequestSystemMessageContent, ChatCompletionRequestUserMessage,
    ChatCompletionRequestUserMessageContent, ResponseFormat, ResponseFormatJsonSchema,
};
use serde::Deserialize;
use serde_json::{Value, json};
use shoptide_models::chat::{
    DialogueState, Intent, Lexicon, Slots, Sort, Understood, VALUES_MAX, understand,
};

use crate::assistant::{Answer, Turn};
use crate::outcome::Unused;
use crate::prompts::UNDERSTAND;
use crate::wire::WireAnswer;

/// Words without a slot from which on the rules are not sure what a message asks for.
const LEFT_OVER_CHARS: usize = 8;

/// Intents that a model may decide on. Not those that act: an opinion is recorded and a budget set only if the rules read it.
const DECIDABLE: [(&str, Intent); 9] = [
    ("find", Intent::Find),
    ("refine", Intent::Refine),
    ("compare", Intent::Compare),
    ("similar", Intent::Similar),
    ("ask_product", Intent::AskProduct),
    ("ask_price_history", Intent::AskPriceHistory),
    ("order_or_service", Intent::OrderOrService),
    ("small_talk", Intent::SmallTalk),
    ("out_of_scope", Intent::OutOfScope),
];
const SORTS: [(&str, Sort); 7] = [
    ("price_asc", Sort::PriceAsc),
    ("price_desc", Sort::PriceDesc),
    ("rating", Sort::Rating),
    ("popularity", Sort::Popularity),
    ("newest", Sort::Newest),
    ("value", Sort::Value),
    ("discount", Sort::Discount),
];

/// What a model read in a message; its schema is [`schema`].
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reading {
    intent: String,
    category: Option<String>,
    brands: Vec<String>,
    brands_excluded: Vec<String>,
    features: Vec<String>,
    features_excluded: Vec<String>,
    for_whom: Vec<String>,
    occasions: Vec<String>,
    sort: Option<String>,
}

/// The JSON schema of a reading, as strict structured output takes it: every key required, nothing else allowed.
///
/// There is no number in it: prices, quantities and references are read by the rules, exactly or not at all.
pub fn schema() -> Value {
    let list = json!({"type": "array", "items": {"type": "string"}});
    let names = |all: Vec<&str>| json!(all);
    let intents = names(DECIDABLE.iter().map(|(name, _)| *name).collect());
    let mut sorts: Vec<Value> = SORTS.iter().map(|(name, _)| json!(name)).collect();
    sorts.push(Value::Null);
    let properties = json!({
        "intent": {"type": "string", "enum": intents},
        "category": {"type": ["string", "null"]},
        "brands": list, "brands_excluded": list, "features": list, "features_excluded": list,
        "for_whom": list, "occasions": list,
        "sort": {"type": ["string", "null"], "enum": sorts},
    });
    let required: Vec<String> =
        properties.as_object().map(|p| p.keys().cloned().collect()).unwrap_or_default();
    json!({"type": "object", "properties": properties, "required": required, "additionalProperties": false})
}

/// Whether the rules leave something to a model: they took the message for nothing of the shop's, or many of its words have no slot.
pub fn is_unsure(rules: &Understood) -> bool {
    let left_over = rules.slots.text.chars().filter(|c| !c.is_whitespace()).count();
    rules.intent == Intent::OutOfScope
        || matches!(rules.intent, Intent::Find | Intent::Refine) && LEFT_OVER_CHARS <= left_over
}

impl Turn {
    /// Has the model read a message. What it read is merged with what the rules read ([`Reading::merged`]) once it is there: nothing has to be held
    /// meanwhile.
    ///
    /// # Errors
    /// [`Unused`]: what the rules read is all there is.
    pub async fn understand(&mut self, message: &str, state: &DialogueState) -> Result<Reading, Unused> {
        let before = json!({"category": state.wanted.category, "brands": state.wanted.brands, "features": state.wanted.features});
        let message: String = message.chars().take(shoptide_models::chat::MESSAGE_CHARS_MAX).collect();
        let user = json!({"message": message, "before": before, "shown": state.shown.len()}).to_string();
        let mut request = self.request(messages(UNDERSTAND.text, user), false);
        request.response_format = Some(ResponseFormat::JsonSchema {
            json_schema: ResponseFormatJsonSchema {
                name: "reading".to_owned(),
                description: None,
                schema: schema(),
                strict: Some(true),
            },
        });
        let Answer::Whole(value) = self.send(UNDERSTAND, &request).await? else { return Err(Unused::Broken) };
        let bytes = value.to_string().len();
        let read = read(value);
        let usage = read.as_ref().map_or(None, |(_, usage)| *usage);
        self.took(usage, bytes);
        self.ended(read.as_ref().map(|_| ()).map_err(|why| *why));
        read.map(|(read, _)| read)
    }
}

pub(crate) fn messages(system: &str, user: String) -> Vec<ChatCompletionRequestMessage> {
    let system = ChatCompletionRequestSystemMessage {
        content: ChatCompletionRequestSystemMessageContent::Text(system.to_owned()),
        name: None,
    };
    let user = ChatCompletionRequestUserMessage {
        content: ChatCompletionRequestUserMessageContent::Text(user),
        name: None,
    };
    vec![ChatCompletionRequestMessage::System(system), ChatCompletionRequestMessage::User(user)]
}

fn read(value: Value) -> Result<(Reading, Option<crate::wire::WireUsage>), Unused> {
    let answer = WireAnswer::read(value).ok_or(Unused::Broken)?;
    let choice = answer.choices.into_iter().next().ok_or(Unused::Broken)?;
    if choice.delta.refusal.is_some() || choice.finish_reason.as_deref() == Some("content_filter") {
        return Err(Unused::Declined);
    }
    if choice.finish_reason.as_deref() == Some("length") {
        return Err(Unused::Cut);
    }
    let text = choice.delta.content.ok_or(Unused::Broken)?;
    let read: Reading = serde_json::from_str(&text).map_err(|_| Unused::Broken)?;
    Ok((read, answer.usage))
}

impl Reading {
    /// The rules' reading with the gaps filled. A model's words become slots only through the same dictionary that the rules read by, so it
    /// cannot bring in a key that nobody knows; what the rules excluded stays excluded.
    pub fn merged(&self, rules: &Understood, lexicon: &Lexicon) -> Understood {
        let read = self;
        let mut all = rules.clone();
        let said = DECIDABLE.iter().find(|(name, _)| *name == read.intent).map(|(_, intent)| *intent);
        if is_unsure(rules)
            && let Some(intent) = said
        {
            all.intent = intent;
        }
        let keyed = |words: &[String], of: fn(Slots) -> Vec<String>| -> Vec<String> {
            let known = words.iter().take(VALUES_MAX).flat_map(|word| {
                // Alone, a name is read as a wish for it.
                of(understand(word, lexicon, &DialogueState::default()).slots)
            });
            known.collect()
        };
        let slots = &mut all.slots;
        if slots.category.is_none()
            && let Some(category) = &read.category
        {
            slots.category = keyed(std::slice::from_ref(category), |s| s.category.into_iter().collect())
                .into_iter()
                .next();
        }
        fill(&mut slots.brands_excluded, keyed(&read.brands_excluded, |s| s.brands), &slots.brands);
        fill(&mut slots.features_excluded, keyed(&read.features_excluded, |s| s.features), &slots.features);
        fill(&mut slots.brands, keyed(&read.brands, |s| s.brands), &slots.brands_excluded);
        fill(&mut slots.features, keyed(&read.features, |s| s.features), &slots.features_excluded);
        fill(&mut slots.whom, keyed(&read.for_whom, |s| s.whom), &[]);
        fill(&mut slots.occasions, keyed(&read.occasions, |s| s.occasions), &[]);
        if slots.sort.is_none() {
            slots.sort =
                SORTS.iter().find(|(name, _)| read.sort.as_deref() == Some(name)).map(|(_, sort)| *sort);
        }
        if matches!(all.intent, Intent::SmallTalk | Intent::OutOfScope) {
            all.slots = rules.slots.clone();
        }
        all
    }
}

fn fill(to: &mut Vec<String>, from: Vec<String>, not: &[String]) {
    for value in from {
        if to.len() < VALUES_MAX && !to.contains(&value) && !not.contains(&value) {
            to.push(value);
        }
    }
}

#[cfg(test)]
mod tests {
    use shoptide_schemas::Micros;

    use super::*;

    fn rules(message: &str) -> Understood {
        understand(message, &Lexicon::default(), &DialogueState::default())
    }

    #[test]
    fn a_model_fills_gaps_and_changes_nothing_that_was_read() {
        let rules = rules("三千以内，不要苹果");
        let read = Reading {
            intent: "find".into(),
            category: Some("smartphone".into()),
            brands: vec!["Apple".into(), "Huawei".into(), "no such brand".into()],
            features: vec!["good camera".into()],
            ..Reading::default()
        };
        let all = read.merged(&rules, &Lexicon::default());
        assert_eq!(all.slots.price.and_then(|p| p.max), Some(Micros(3_000_000_000)));
        assert_eq!(all.slots.category.as_deref(), Some("phone"));
        assert_eq!(all.slots.brands, ["huawei"]);
        assert_eq!(all.slots.brands_excluded, ["apple"]);
        assert_eq!(all.slots.features, ["camera"]);
    }

    #[test]
    fn a_model_decides_an_intent_only_where_the_rules_do_not() {
        let sure = rules("推荐手机");
        let read = Reading { intent: "out_of_scope".into(), ..Reading::default() };
        assert_eq!(read.merged(&sure, &Lexicon::default()).intent, sure.intent);
        let unsure = Understood { intent: Intent::OutOfScope, ..sure };
        let read = Reading { intent: "order_or_service".into(), ..Reading::default() };
        assert_eq!(read.merged(&unsure, &Lexicon::default()).intent, Intent::OrderOrService);
        let read = Reading { intent: "feedback".into(), ..Reading::default() };
        assert_eq!(read.merged(&unsure, &Lexicon::default()).intent, Intent::OutOfScope);
    }

    #[test]
    fn the_schema_is_what_is_read() {
        let schema = schema();
        let validator = jsonschema::validator_for(&schema).unwrap();
        let good = json!({"intent": "find", "category": null, "brands": [], "brands_excluded": [], "features": ["nfc"],
            "features_excluded": [], "for_whom": [], "occasions": [], "sort": "rating"});
        assert!(validator.is_valid(&good));
        assert!(serde_json::from_value::<Reading>(good.clone()).is_ok());
        for (key, value) in [("intent", json!("erase")), ("brands", json!("x")), ("more", json!(1))] {
            let mut bad = good.clone();
            bad[key] = value;
            assert!(!validator.is_valid(&bad), "{bad}");
        }
    }
}
