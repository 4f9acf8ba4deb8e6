//! Who may ask the model, and for how long.

use std::sync::Arc;
use std::time::Duration;

use async_openai::Client;
use async_openai::config::OpenAIConfig;
use async_openai::error::OpenAIError;
use async_openai::types::chat::{
    ChatCompletionRequestMessage, ChatCompletionStreamOptions, CreateChatCompletionRequest,
};
use async_openai::types::stream::StreamResponse;
use serde_json::Value;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

use crate::breaker::Breaker;
use crate::budget::{Budget, Payer};
use crate::options::AssistantOptions;
use crate::outcome::{Record, Source, Unused};
use crate::prompts::Prompt;
use crate::transport::{Http, Notes, Transport, http};
use crate::wire::{WireUsage, tokens_of};

/// Wait before a request is sent again, if the provider does not say how long.
const RETRY_WAIT: Duration = Duration::from_millis(200);
/// Longest wait that is worth it within one turn.
const RETRY_WAIT_MAX: Duration = Duration::from_secs(2);

/// An assistant that cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum AssistantError {
    #[error("TLS cannot be used: {0}")]
    Tls(#[from] std::io::Error),
}

/// Milliseconds since 1970.
pub type Clock = Arc<dyn Fn() -> i64 + Send + Sync>;

/// Asks one model for everybody: bounded in turns, tokens and time.
pub struct Assistant {
    pub(crate) options: AssistantOptions,
    config: OpenAIConfig,
    http: Http,
    /// Builds requests and sends none.
    requests: reqwest::Client,
    seats: Arc<Semaphore>,
    budget: Budget,
    breaker: Breaker,
    clock: Clock,
}

impl std::fmt::Debug for Assistant {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Assistant").field("options", &self.options).finish_non_exhaustive()
    }
}

/// One user's turn: everything that is asked in it shares one time, one place and one record.
pub struct Turn {
    pub(crate) assistant: Arc<Assistant>,
    payer: Payer,
    began: Instant,
    pub(crate) deadline: Instant,
    pub(crate) record: Record,
    /// Of the request under way.
    open: Option<Taken>,
    _seat: OwnedSemaphorePermit,
}

/// An answer that has begun.
pub(crate) enum Answer {
    Whole(Value),
    Stream(StreamResponse<Value>, Arc<Notes>),
}

impl Assistant {
    /// # Errors
    /// [`AssistantError`] if there is no TLS on this machine.
    pub fn new(options: AssistantOptions, clock: Clock) -> Result<Self, AssistantError> {
        let http = http(options.timeout)?;
        let mut config = OpenAIConfig::new().with_api_base(options.base_url.trim_end_matches('/'));
        // Without one in the configuration none is sent, whatever the environment holds.
        config = config.with_api_key(options.key.as_ref().map_or("", |k| k.expose()));
        config = config.with_org_id("").with_project_id("");
        let seats = Arc::new(Semaphore::new(options.turns_max));
        let budget = Budget::new(
            options.user_tokens_max,
            options.visitors_tokens_max,
            options.day_tokens_max,
            options.users_max,
        );
        let breaker = Breaker::new(options.failures_max, options.rest);
        Ok(Self { options, config, http, requests: reqwest::Client::new(), seats, budget, breaker, clock })
    }

    /// Longest that one turn waits for the model in all.
    pub fn timeout(&self) -> Duration {
        self.options.timeout
    }

    pub(crate) fn now_ms(&self) -> i64 {
        (self.clock)()
    }

    /// Begins a turn of an authenticated user; the time runs from here. Waits for nothing.
    ///
    /// # Errors
    /// [`Unused::Resting`] or [`Unused::Busy`].
    pub fn begin(self: &Arc<Self>, user: &[u8]) -> Result<Turn, Unused> {
        self.begin_for(Payer::User(user.into()))
    }

    /// As [`Self::begin`], for somebody of whom nothing is known but his dialogue.
    ///
    /// # Errors
    /// As [`Self::begin`].
    pub fn begin_for_visitor(self: &Arc<Self>, dialogue: &[u8]) -> Result<Turn, Unused> {
        self.begin_for(Payer::Visitor(dialogue.into()))
    }

    fn begin_for(self: &Arc<Self>, payer: Payer) -> Result<Turn, Unused> {
        let seat = self.seats.clone().try_acquire_owned().map_err(|_| Unused::Busy)?;
        if !self.breaker.admits(self.now_ms()) {
            return Err(Unused::Resting);
        }
        let began = Instant::now();
        Ok(Turn {
            assistant: self.clone(),
            payer,
            began,
            deadline: began + self.options.timeout,
            record: self.blank(),
            open: None,
            _seat: seat,
        })
    }

    /// The record of a turn that could not begin.
    pub fn refused(&self, why: Unused) -> Record {
        Record { why: Some(why.name()), ..self.blank() }
    }

    fn blank(&self) -> Record {
        Record {
            prompt: "",
            model: self.options.model.clone(),
            source: Source::Rules,
            why: None,
            tokens_in: 0,
            tokens_out: 0,
            cost: 0,
            latency_ms: 0,
            requests: 0,
            tool_calls: 0,
            sentences_gone: 0,
        }
    }
}

/// Tokens taken for a request before it is sent, and those of its prompt.
#[derive(Debug, Clone, Copy)]
struct Taken {
    tokens: u64,
    prompt: u64,
}

impl Turn {
    /// Ends a turn without a reply of the model; `why` if it was to write one.
    pub fn end(mut self, why: Option<Unused>) -> Record {
        self.record.latency_ms = self.elapsed_ms();
        self.record.why = why.map(Unused::name);
        self.record
    }

    pub(crate) fn request(
        &self,
        messages: Vec<ChatCompletionRequestMessage>,
        stream: bool,
    ) -> CreateChatCompletionRequest {
        CreateChatCompletionRequest {
            model: self.assistant.options.model.clone(),
            messages,
            max_completion_tokens: Some(self.assistant.options.answer_tokens_max),
            temperature: Some(0.0),
            stream: Some(stream),
            stream_options: stream.then_some(ChatCompletionStreamOptions {
                include_usage: Some(true),
                include_obfuscation: None,
            }),
            ..CreateChatCompletionRequest::default()
        }
    }

    /// Sends a request, again if that may help and there is time. Nothing of its answer has been seen before this returns.
    pub(crate) async fn send(
        &mut self,
        prompt: Prompt,
        request: &CreateChatCompletionRequest,
    ) -> Result<Answer, Unused> {
        self.record.prompt = prompt.version;
        let bytes = serde_json::to_vec(request).map_or(0, |b| b.len());
        let asked = tokens_of(bytes);
        let tokens = asked.saturating_add(u64::from(self.assistant.options.answer_tokens_max));
        let mut tried = 0;
        loop {
            if !self.assistant.budget.take(&self.payer, tokens, self.assistant.now_ms()) {
                return Err(Unused::Spent);
            }
            self.open = Some(Taken { tokens, prompt: asked });
            self.record.requests += 1;
            let sent = tokio::time::timeout_at(self.deadline, self.attempt(request)).await;
            let (why, rest) = match sent {
                Ok(Ok(answer)) => return Ok(answer),
                Ok(Err(failed)) => failed,
                Err(_) => (Unused::TimedOut, None),
            };
            // Nothing was answered, so nothing was billed; a request that timed out may have been.
            let billed = if why == Unused::TimedOut { None } else { Some(WireUsage::default()) };
            self.took(billed, 0);
            let wait = rest.unwrap_or(RETRY_WAIT);
            let in_time = Instant::now() + wait < self.deadline && wait <= RETRY_WAIT_MAX;
            if !why.may_pass() || self.assistant.options.retries_max <= tried || !in_time {
                self.assistant.breaker.failed(self.assistant.now_ms(), rest);
                return Err(why);
            }
            tried += 1;
            tokio::time::sleep(wait).await;
        }
    }

    async fn attempt(
        &self,
        request: &CreateChatCompletionRequest,
    ) -> Result<Answer, (Unused, Option<Duration>)> {
        let notes = Arc::new(Notes::default());
        let transport = Transport {
            http: self.assistant.http.clone(),
            body_bytes_max: self.assistant.options.body_bytes_max,
            notes: notes.clone(),
        };
        let client = Client::build(self.assistant.requests.clone(), self.assistant.config.clone())
            .with_http_service(transport);
        let reason = |error: OpenAIError| notes.reason(&error);
        if request.stream == Some(true) {
            let stream = client.chat().create_stream_byot(request).await.map_err(reason)?;
            Ok(Answer::Stream(stream, notes))
        } else {
            Ok(Answer::Whole(client.chat().create_byot(request).await.map_err(reason)?))
        }
    }

    /// What the request under way took: as the provider said, else by its prompt and the bytes of its answer.
    pub(crate) fn took(&mut self, usage: Option<WireUsage>, bytes: usize) {
        let Some(taken) = self.open.take() else { return };
        let used =
            usage.unwrap_or(WireUsage { prompt_tokens: taken.prompt, completion_tokens: tokens_of(bytes) });
        self.settle(taken.tokens, used);
    }

    fn settle(&mut self, taken: u64, used: WireUsage) {
        let options = &self.assistant.options;
        let all = used.prompt_tokens.saturating_add(used.completion_tokens);
        self.assistant.budget.settle(&self.payer, taken, all, self.assistant.now_ms());
        let record = &mut self.record;
        record.tokens_in = record.tokens_in.saturating_add(used.prompt_tokens);
        record.tokens_out = record.tokens_out.saturating_add(used.completion_tokens);
        let cost = |tokens: u64, million: i64| i128::from(tokens) * i128::from(million);
        let millionths = cost(record.tokens_in, options.million_in_cost)
            + cost(record.tokens_out, options.million_out_cost);
        record.cost = i64::try_from(millionths / 1_000_000).unwrap_or(i64::MAX);
    }

    /// Tells the breaker how an answer ended that had begun.
    pub(crate) fn ended(&self, result: Result<(), Unused>) {
        match result {
            Err(why) if why.is_failure() => self.assistant.breaker.failed(self.assistant.now_ms(), None),
            // Nobody knows how it would have ended.
            Err(Unused::Left) => {}
            // It answered, whatever the answer is worth.
            Err(_) | Ok(()) => self.assistant.breaker.succeeded(),
        }
    }

    pub(crate) fn elapsed_ms(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}
