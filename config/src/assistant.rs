//! `[assistant]`: the language model, where it is, and what it may take.

use std::time::Duration;

use shoptide_schemas::Micros;

use crate::bounds::{ms, text, whole};
use crate::error::{ConfigError, Problem};
use crate::layers::Effective;
use crate::raw::RawAssistant;
use crate::secret::Secret;
use crate::secret_source::secret;

/// Keys of servers of one's own are as short as one likes.
const KEY_BYTES_MIN: usize = 1;
/// Names and addresses: longer ones are pasted files.
const TEXT_BYTES_MAX: usize = 1024;
/// More a day than any bill that was meant.
const TOKENS_MAX: i64 = 1_000_000_000;

/// `[assistant]`.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct AssistantConfig {
    /// `None`: the rules answer everything.
    pub model: Option<String>,
    pub base_url: String,
    pub key: Option<Secret>,
    pub timeout: Duration,
    pub retries_max: u32,
    pub turns_max: usize,
    pub answer_tokens_max: u32,
    pub user_tokens_max: u64,
    pub visitors_tokens_max: u64,
    pub day_tokens_max: u64,
    pub users_max: usize,
    pub rounds_max: u32,
    pub calls_max: usize,
    pub failures_max: u32,
    pub rest: Duration,
    pub million_in_cost: Micros,
    pub million_out_cost: Micros,
}

impl AssistantConfig {
    pub(crate) fn check(raw: &RawAssistant, effective: &Effective) -> Result<Self, ConfigError> {
        let blame = |problem| effective.blame(problem);
        let tokens = |key, value, least| whole(key, value, least..=TOKENS_MAX).map_err(blame);
        let key =
            secret(effective, "assistant.key", &raw.key, "assistant.key_file", &raw.key_file, KEY_BYTES_MIN)?;
        let base_url = text("assistant.base_url", &raw.base_url, URL, url).map_err(blame)?;
        if key.is_some() && base_url.starts_with("http://") && !is_here(&base_url) {
            let used = if raw.key_file.is_empty() { "assistant.key" } else { "assistant.key_file" };
            let rule = "a key goes over plain http to this machine only";
            return Err(blame(Problem::conflict(used, "assistant.base_url", rule)));
        }
        let cost = |key, value: &str| {
            let decimal =
                "a decimal of 0 or more such as \"0.15\", at most 9 digits before and 6 after the point";
            text(key, value, decimal, |v| Micros::parse(v, key).ok()).map_err(blame)
        };
        let name = |name: &str| {
            let fits = name.len() <= TEXT_BYTES_MAX && !name.chars().any(char::is_control);
            fits.then(|| Some(name.to_owned()).filter(|name| !name.is_empty()))
        };
        let model =
            text("assistant.model", &raw.model, "a name without control characters", name).map_err(blame)?;
        Ok(Self {
            model,
            base_url,
            key,
            timeout: ms("assistant.timeout_ms", raw.timeout_ms, 100..=60_000).map_err(blame)?,
            retries_max: whole("assistant.retries_max", raw.retries_max, 0..=3).map_err(blame)?,
            turns_max: whole("assistant.turns_max", raw.turns_max, 1..=10_000).map_err(blame)?,
            answer_tokens_max: whole("assistant.answer_tokens_max", raw.answer_tokens_max, 16..=16_384)
                .map_err(blame)?,
            user_tokens_max: tokens("assistant.user_tokens_max", raw.user_tokens_max, 0)?,
            visitors_tokens_max: tokens("assistant.visitors_tokens_max", raw.visitors_tokens_max, 0)?,
            day_tokens_max: tokens("assistant.day_tokens_max", raw.day_tokens_max, 0)?,
            users_max: whole("assistant.users_max", raw.users_max, 1..=10_000_000).map_err(blame)?,
            rounds_max: whole("assistant.rounds_max", raw.rounds_max, 0..=10).map_err(blame)?,
            calls_max: whole("assistant.calls_max", raw.calls_max, 0..=50).map_err(blame)?,
            failures_max: whole("assistant.failures_max", raw.failures_max, 1..=1_000).map_err(blame)?,
            rest: ms("assistant.rest_ms", raw.rest_ms, 100..=3_600_000).map_err(blame)?,
            million_in_cost: cost("assistant.million_in_cost", &raw.million_in_cost)?,
            million_out_cost: cost("assistant.million_out_cost", &raw.million_out_cost)?,
        })
    }
}

const URL: &str = "http:// or https://, a host and perhaps port and path, without a user or a question mark";

fn url(text: &str) -> Option<String> {
    let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"))?;
    let plain = rest.bytes().all(|b| b.is_ascii_graphic() && !b"@?#\"<>\\".contains(&b));
    let fits = plain && !rest.is_empty() && !rest.starts_with(['/', ':']) && text.len() <= TEXT_BYTES_MAX;
    fits.then(|| text.trim_end_matches('/').to_owned())
}

/// Whether a plain address is on this machine.
fn is_here(url: &str) -> bool {
    let authority = url.trim_start_matches("http://").split('/').next().unwrap_or_default();
    let host = match authority.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => authority.split(':').next().unwrap_or_default(),
    };
    host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read() {
        for (good, here) in [
            ("https://api.example/v1", false),
            ("http://localhost:11434/v1", true),
            ("http://127.0.0.1:1/v1", true),
            ("http://[::1]:1", true),
            ("http://localhost.evil.example/v1", false),
            ("http://10.0.0.1/v1", false),
        ] {
            assert_eq!(url(good).as_deref(), Some(good));
            assert_eq!(is_here(good), here, "{good}");
        }
        assert_eq!(url("https://x/v1/").as_deref(), Some("https://x/v1"));
        for bad in [
            "",
            "x",
            "https://",
            "https:///v1",
            "https://:1",
            "https://a@b",
            "https://a?key=1",
            "https://a b",
            "file:///x",
        ] {
            assert_eq!(url(bad), None, "{bad}");
        }
    }
}
