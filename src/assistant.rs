//! The language model that words the chat's replies, made from the configuration; a program without it refuses one.

use shoptide_config::AssistantConfig;
use shoptide_serve::LanguageModel;

use crate::app::Refused;

/// # Errors
/// [`Refused`] if a model is configured that this program cannot ask.
#[cfg(not(feature = "assistant"))]
pub fn language_model(config: &AssistantConfig) -> anyhow::Result<Option<LanguageModel>> {
    if config.model.is_some() {
        let message = "assistant.model is set, but this program was built without the language model: build it with --features assistant, or with its defaults, or leave assistant.model empty";
        return Err(Refused(message.to_owned()).into());
    }
    Ok(None)
}

/// # Errors
/// [`Refused`] if there is no TLS on this machine.
#[cfg(feature = "assistant")]
pub fn language_model(config: &AssistantConfig) -> anyhow::Result<Option<LanguageModel>> {
    let Some(options) = options(config) else { return Ok(None) };
    let assistant = shoptide_assistant::Assistant::new(options, crate::data_dir::system_clock());
    let assistant =
        assistant.map_err(|error| Refused(format!("assistant.model cannot be asked: {error}")))?;
    tracing::info!("replies of the chat are worded by a language model");
    Ok(Some(LanguageModel::from(assistant)))
}

/// Bounds that are not configured are the library's.
#[cfg(feature = "assistant")]
fn options(config: &AssistantConfig) -> Option<shoptide_assistant::AssistantOptions> {
    Some(shoptide_assistant::AssistantOptions {
        base_url: config.base_url.clone(),
        model: config.model.clone()?,
        key: config.key.as_ref().map(|key| shoptide_assistant::Key::new(key.expose())),
        timeout: config.timeout,
        retries_max: config.retries_max,
        turns_max: config.turns_max,
        answer_tokens_max: config.answer_tokens_max,
        user_tokens_max: config.user_tokens_max,
        visitors_tokens_max: config.visitors_tokens_max,
        day_tokens_max: config.day_tokens_max,
        users_max: config.users_max,
        rounds_max: config.rounds_max,
        calls_max: config.calls_max,
        failures_max: config.failures_max,
        rest: config.rest,
        million_in_cost: config.million_in_cost.0,
        million_out_cost: config.million_out_cost.0,
        ..shoptide_assistant::AssistantOptions::default()
    })
}
