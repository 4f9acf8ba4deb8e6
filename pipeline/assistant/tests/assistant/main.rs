//! The assistant against a server that speaks OpenAI's protocol, through the client of production.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod bounds;
mod faults;
mod grounded;
mod secrets;
mod tools;
mod understood;

#[allow(dead_code)]
#[path = "../../../../models/tests/grounding/scenes.rs"]
mod scenes;

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use shoptide_assistant::{Ask, Assistant, AssistantOptions, Key, NoTools, Written};
use shoptide_fake_model::FakeModel;
use shoptide_models::chat::Language;

pub const KEY: &str = "sk-test-canary-0123456789";
pub const HONEST: &str =
    "The Sony WH-1000XM5 costs ¥2,299.00 and is in stock. The Bose QC45 costs ¥1,899.00.";

pub fn options(fake: &FakeModel) -> AssistantOptions {
    AssistantOptions {
        base_url: fake.base_url(),
        model: "fake".to_owned(),
        key: Some(Key::new(KEY)),
        timeout: Duration::from_secs(8),
        million_in_cost: 1_000_000,
        million_out_cost: 2_000_000,
        ..AssistantOptions::default()
    }
}

/// A clock that tests set.
#[derive(Clone, Default)]
pub struct Hand(Arc<AtomicI64>);

impl Hand {
    pub fn set(&self, ms: i64) {
        self.0.store(ms, Ordering::SeqCst);
    }
}

pub fn assistant(options: AssistantOptions) -> (Arc<Assistant>, Hand) {
    let hand = Hand::default();
    let clock = hand.clone();
    let assistant = Assistant::new(options, Arc::new(move || clock.0.load(Ordering::SeqCst))).unwrap();
    (Arc::new(assistant), hand)
}

/// Asks for a reply about the three headphones.
pub fn ask() -> Ask {
    Ask {
        message: "noise cancelling headphones under 2500 yuan".to_owned(),
        language: Some(Language::English),
        facts: scenes::scenes().remove("headphones").unwrap(),
        texts: Vec::new(),
    }
}

pub async fn write(assistant: &Arc<Assistant>) -> Written {
    assistant.begin(b"u1").unwrap().reply(&ask(), &NoTools, None).await
}
