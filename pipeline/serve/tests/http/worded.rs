//! The chat with a language model behind it: a real server that says what a script says, asked by the client of production.

mod bounds;
mod faults;
mod grounded;
mod kept;
mod streamed;
mod tools;
mod understood;

use std::time::Duration;

use serde_json::{Value, json};
use shoptide_assistant::{Assistant, AssistantOptions, Key};
use shoptide_fake_model::{FakeModel, Reply};
use shoptide_schemas::UserId;
use shoptide_serve::{LanguageModel, ServeOptions, router};
use shoptide_store::{ChatKey, Truth};

use crate::chatting::rows;
use crate::common::Shop;

/// The provider's key: nobody but the provider ever sees it.
pub const KEY: &str = "sk-canary-worded-0123456789";
pub const PHONES: &str = "三千以内拍照好的手机，不要苹果";
/// True of what [`PHONES`] finds.
pub const FLUENT: &str = "华为 Nova 12 256GB 粉色售价2599元，有货。云帆 影像手机 1005售价2799元，有拍照。";
const GREETING: &str = "Hello! What are you looking for?";

/// A small shop and its model; what the model says is queued, else it greets.
pub struct Spoken {
    pub shop: Shop,
    pub fake: FakeModel,
}

pub fn options(fake: &FakeModel) -> AssistantOptions {
    AssistantOptions {
        base_url: fake.base_url(),
        model: "fake".to_owned(),
        key: Some(Key::new(KEY)),
        // Tests run on crowded machines; what is tested for its patience sets its own.
        timeout: Duration::from_secs(20),
        failures_max: 1_000,
        million_in_cost: 1_000_000,
        million_out_cost: 2_000_000,
        ..AssistantOptions::default()
    }
}

/// Whether a request asks for the reading of a message, rather than for words.
pub fn is_reading(body: &Value) -> bool {
    body.get("response_format").is_some()
}

/// What a request for words was given.
pub fn given(body: &Value) -> Value {
    serde_json::from_str(body["messages"][1]["content"].as_str().unwrap()).unwrap()
}

impl Spoken {
    pub async fn new() -> Self {
        Self::with(|_| {}, |_| {}).await
    }

    pub async fn with(
        model: impl FnOnce(&mut AssistantOptions),
        serve: impl FnOnce(&mut ServeOptions),
    ) -> Self {
        Self::deciding(|_| Reply::text(GREETING), model, serve).await
    }

    pub async fn deciding(
        decide: impl Fn(&Value) -> Reply + Send + Sync + 'static,
        model: impl FnOnce(&mut AssistantOptions),
        serve: impl FnOnce(&mut ServeOptions),
    ) -> Self {
        let fake = FakeModel::deciding(decide).await.unwrap();
        let mut shop = Shop::with(serve).await;
        shop.stock(Value::Array(rows())).await;
        // Its words are read without the model, which is to hear nothing but what a test says.
        shop.words_are_known().await;
        let mut asked = options(&fake);
        model(&mut asked);
        shop.listens_to(asked).await;
        Self { shop, fake }
    }

    /// One message of a new dialogue, to which the model answers this.
    pub async fn answered(
        &self,
        user: &str,
        message: &str,
        replies: impl IntoIterator<Item = Reply>,
    ) -> Value {
        self.fake.queue(replies);
        self.shop.turn(user, &Value::Null, message).await
    }

    /// What the row of a dialogue's message holds of the model.
    pub async fn record(&self, user: &str, answer: &Value, turn: usize) -> Value {
        let user = UserId::parse(user).unwrap();
        let key = ChatKey {
            shard: self.shop.shard(&user.to_string()),
            user,
            session: answer["session_id"].as_str().unwrap().to_owned(),
        };
        let rows = self.shop.truth.chat_messages(&key, 0, 100).await.unwrap();
        let stored: Value = serde_json::from_slice(&rows[turn - 1].answer).unwrap();
        stored["model"].clone()
    }
}

impl Shop {
    /// Puts a model behind the chat. The words of the catalogue are read anew, which a greeting would have the model hear of: whoever asks for too
    /// early a message is told so, and nothing is asked.
    pub async fn listens_to(&mut self, options: AssistantOptions) {
        let assistant = Assistant::new(options, self.context.clock.clone()).unwrap();
        self.context.language_model = Some(LanguageModel::from(assistant));
        self.router = router(self.context.clone());
        let until = tokio::time::Instant::now() + crate::chatting::PATIENCE;
        // A question back is never the model's.
        while self.say(json!({"message": "帮我推荐一下"})).await.status != 200 {
            assert!(tokio::time::Instant::now() < until);
            tokio::time::sleep(crate::chatting::BREATH).await;
        }
    }
}

/// The same message in the same shop without a model.
pub async fn by_rules(message: &str) -> Value {
    let shop = crate::chatting::shop().await;
    shop.turn("ann", &Value::Null, message).await
}
