//! A reply in the model's words: tools first, then sentences, each of which is checked before it leaves.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_openai::types::chat::{
    ChatCompletionMessageToolCall, ChatCompletionMessageToolCalls, ChatCompletionRequestAssistantMessage,
    ChatCompletionRequestMessage, ChatCompletionRequestToolMessage, ChatCompletionRequestToolMessageContent,
    ChatCompletionTool, ChatCompletionTools, FunctionCall, FunctionObject,
};
use async_openai::types::stream::StreamResponse;
use futures::StreamExt;
use serde_json::{Value, json};
use shoptide_models::grounding::{Checker, Facts, REPLY_CHARS_MAX, Ruling, Splitter};
use tokio::sync::mpsc;
use tokio::time::timeout_at;

use crate::assistant::{Answer, Turn};
use crate::data::{Ask, user_message};
use crate::outcome::{Source, Unused, Written};
use crate::prompts::REPLY;
use crate::tools::{ToolError, ToolSpec, Tools, arguments};
use crate::transport::Notes;
use crate::understand::messages;
use crate::wire::{WireAnswer, WireCall, WireUsage};

/// Bytes of the arguments of one call.
const ARGUMENTS_BYTES_MAX: usize = 8 * 1024;

/// Where sentences go as they stand, if anybody waits for them.
pub(crate) type Out = Option<mpsc::Sender<String>>;

/// What one round brought.
enum Round {
    /// The model spoke: what stood.
    Spoke(String),
    Calls(Vec<FunctionCallOf>),
}

#[derive(Debug, Default, Clone)]
struct FunctionCallOf {
    id: String,
    name: String,
    arguments: String,
}

impl Turn {
    /// Writes the reply. `out` gets each sentence as soon as it stands, none before one of them is of use; it is closed by the end.
    /// Uses no more than the turn's time, whatever the provider and the tools do.
    pub async fn reply(
        &mut self,
        ask: &Ask,
        tools: &dyn Tools,
        out: Option<mpsc::Sender<String>>,
    ) -> Written {
        let mut sent = String::new();
        let deadline = self.deadline;
        let result = match timeout_at(deadline, self.rounds(ask, tools, &out, &mut sent)).await {
            Ok(result) => result,
            Err(_) => {
                self.took(None, 0);
                self.ended(Err(Unused::TimedOut));
                Err(Unused::TimedOut)
            }
        };
        drop(out);
        self.record.latency_ms = self.elapsed_ms();
        self.record.source = if result.is_ok() { Source::Model } else { Source::Rules };
        self.record.why = result.as_ref().err().map(|why| why.name());
        tracing::debug!(why = self.record.why, latency_ms = self.record.latency_ms, "a model's turn ended");
        Written { result, sent, record: self.record.clone() }
    }

    async fn rounds(
        &mut self,
        ask: &Ask,
        tools: &dyn Tools,
        out: &Out,
        sent: &mut String,
    ) -> Result<String, Unused> {
        let specs = tools.list();
        let mut facts = ask.facts.clone();
        let mut talk = messages(REPLY.text, user_message(ask));
        let mut called = 0;
        for round in 0..=self.assistant.options.rounds_max {
            let mut request = self.request(talk.clone(), true);
            // The last round must be words.
            if !specs.is_empty() && round < self.assistant.options.rounds_max {
                request.tools = Some(specs.iter().map(offered).collect());
            }
            let Answer::Stream(stream, notes) = self.send(REPLY, &request).await? else {
                return Err(Unused::Broken);
            };
            let round = self.listen(stream, &notes, &facts, out, sent).await;
            self.ended(round.as_ref().map(|_| ()).map_err(|why| *why));
            match round? {
                Round::Spoke(text) => return Ok(text),
                Round::Calls(calls) => {
                    called += calls.len();
                    if self.assistant.options.calls_max < called {
                        return Err(Unused::TooManyCalls);
                    }
                    talk.push(wanted(&calls));
                    for call in calls {
                        let content = self.called(&specs, tools, &call, &mut facts).await;
                        talk.push(answered(call.id, content));
                    }
                }
            }
        }
        Err(Unused::TooManyCalls)
    }

    /// Calls one tool. Its answer, or why there is none, goes back to the model; its facts count from now on.
    async fn called(
        &mut self,
        specs: &[ToolSpec],
        tools: &dyn Tools,
        call: &FunctionCallOf,
        facts: &mut Facts,
    ) -> String {
        self.record.tool_calls += 1;
        let answer = match arguments(specs, &call.name, &call.arguments) {
            Ok(arguments) => tools.call(&call.name, arguments).await,
            Err(bad) => Err(bad),
        };
        let max = self.assistant.options.tool_bytes_max;
        let answer = answer.and_then(|answer| {
            let text = answer.json.to_string();
            // Half an answer could say the opposite of the whole.
            if max < text.len() {
                Err(ToolError::Arguments(format!("the answer is larger than {max} bytes, ask for less")))
            } else {
                Ok((text, answer))
            }
        });
        match answer {
            Ok((text, answer)) => {
                for product in answer.products {
                    if facts.products.iter().all(|own| own.id != product.id) {
                        facts.products.push(product);
                        // What a tool brings was not chosen by the conditions.
                        facts.all_met = false;
                    }
                }
                facts.quotes.extend(answer.quotes);
                text
            }
            Err(error) => json!({"error": error.to_string()}).to_string(),
        }
    }

    /// Reads one answer to its end.
    async fn listen(
        &mut self,
        mut stream: StreamResponse<Value>,
        notes: &Arc<Notes>,
        facts: &Facts,
        out: &Out,
        sent: &mut String,
    ) -> Result<Round, Unused> {
        let mut hearing = Hearing::new(facts);
        let result = loop {
            match stream.next().await {
                Some(Ok(value)) => {
                    let more = match WireAnswer::read(value) {
                        Some(answer) => hearing.take(answer),
                        None => Err(Unused::Broken),
                    };
                    if let Err(why) = more {
                        break Err(why);
                    }
                    if let Err(why) = hearing.send(out, sent).await {
                        break Err(why);
                    }
                }
                Some(Err(error)) => break Err(notes.reason(&error).0),
                None => break Ok(()),
            }
        };
        self.took(hearing.usage, hearing.bytes);
        let ended = result.and_then(|()| hearing.end());
        self.record.sentences_gone += hearing.gone;
        if matches!(ended, Ok(Round::Spoke(_))) {
            hearing.send(out, sent).await?;
        }
        ended
    }
}

/// One answer as it is heard: words through the splitter and the check, calls piece by piece.
struct Hearing<'f> {
    splitter: Option<Splitter>,
    checker: Checker<'f>,
    /// What stands.
    text: String,
    /// Bytes of `text` that have left.
    left: usize,
    calls: BTreeMap<usize, FunctionCallOf>,
    finish: Option<String>,
    refused: bool,
    stopped: Option<shoptide_models::grounding::Fault>,
    gone: u32,
    chars: usize,
    bytes: usize,
    usage: Option<WireUsage>,
}

impl<'f> Hearing<'f> {
    fn new(facts: &'f Facts) -> Self {
        Self {
            splitter: Some(Splitter::default()),
            checker: Checker::new(facts),
            text: String::new(),
            left: 0,
            calls: BTreeMap::new(),
            finish: None,
            refused: false,
            stopped: None,
            gone: 0,
            chars: 0,
            bytes: 0,
            usage: None,
        }
    }

    fn take(&mut self, answer: WireAnswer) -> Result<(), Unused> {
        self.usage = answer.usage.or(self.usage);
        let Some(choice) = answer.choices.into_iter().next() else { return Ok(()) };
        self.finish = choice.finish_reason.or(self.finish.take());
        self.refused |= choice.delta.refusal.is_some_and(|r| !r.is_empty());
        for call in choice.delta.tool_calls.unwrap_or_default() {
            self.call(call)?;
        }
        let Some(words) = choice.delta.content else { return Ok(()) };
        self.bytes += words.len();
        self.chars += words.chars().count();
        if REPLY_CHARS_MAX < self.chars {
            return Err(Unused::TooLarge);
        }
        let sentences = self.splitter.as_mut().map(|s| s.push(&words)).unwrap_or_default();
        sentences.iter().for_each(|sentence| self.rule(sentence));
        match self.stopped {
            Some(fault) => Err(Unused::Ungrounded(Some(fault))),
            None => Ok(()),
        }
    }

    fn call(&mut self, piece: WireCall) -> Result<(), Unused> {
        let call = self.calls.entry(piece.index).or_default();
        if let Some(id) = piece.id.filter(|id| !id.is_empty()) {
            call.id = id;
        }
        let function = piece.function.unwrap_or_default();
        if let Some(name) = function.name {
            call.name.push_str(&name);
        }
        if let Some(arguments) = function.arguments {
            self.bytes += arguments.len();
            call.arguments.push_str(&arguments);
        }
        if ARGUMENTS_BYTES_MAX < call.arguments.len() + call.name.len() {
            return Err(Unused::TooLarge);
        }
        Ok(())
    }

    fn rule(&mut self, sentence: &str) {
        match self.checker.sentence(sentence) {
            Ruling::Stands(sentence) => self.text.push_str(&sentence),
            Ruling::Gone(_) => self.gone += 1,
            Ruling::Stop(fault) => {
                self.gone += 1;
                self.stopped = Some(fault);
            }
        }
    }

    /// Sends what stands and has not left, once one sentence is of use: a greeting before nothing is no reply.
    async fn send(&mut self, out: &Out, sent: &mut String) -> Result<(), Unused> {
        let Some(out) = out else { return Ok(()) };
        let more = self.text.get(self.left..).unwrap_or_default();
        if more.is_empty() || !self.checker.is_useful() {
            return Ok(());
        }
        out.send(more.to_owned()).await.map_err(|_| Unused::Left)?;
        sent.push_str(more);
        self.left = self.text.len();
        Ok(())
    }

    fn end(&mut self) -> Result<Round, Unused> {
        if self.refused || self.finish.as_deref() == Some("content_filter") {
            return Err(Unused::Declined);
        }
        if self.finish.is_none() {
            return Err(Unused::Cut);
        }
        if !self.calls.is_empty() {
            return Ok(Round::Calls(std::mem::take(&mut self.calls).into_values().collect()));
        }
        // Words that were cut for their length may be half a sentence, which the check would not know.
        let rest = self
            .splitter
            .take()
            .and_then(Splitter::finish)
            .filter(|_| self.finish.as_deref() != Some("length"));
        if let Some(sentence) = rest {
            self.rule(&sentence);
        }
        match self.stopped {
            None if self.checker.is_answer() => Ok(Round::Spoke(self.text.trim().to_owned())),
            fault => Err(Unused::Ungrounded(fault)),
        }
    }
}

fn offered(spec: &ToolSpec) -> ChatCompletionTools {
    ChatCompletionTools::Function(ChatCompletionTool {
        function: FunctionObject {
            name: spec.name.clone(),
            description: Some(spec.description.clone()),
            parameters: Some(spec.parameters.clone()),
            strict: None,
        },
    })
}

fn wanted(calls: &[FunctionCallOf]) -> ChatCompletionRequestMessage {
    let calls = calls.iter().map(|call| {
        ChatCompletionMessageToolCalls::Function(ChatCompletionMessageToolCall {
            id: call.id.clone(),
            function: FunctionCall { name: call.name.clone(), arguments: call.arguments.clone() },
        })
    });
    ChatCompletionRequestMessage::Assistant(ChatCompletionRequestAssistantMessage {
        tool_calls: Some(calls.collect()),
        ..ChatCompletionRequestAssistantMessage::default()
    })
}

fn answered(id: String, content: String) -> ChatCompletionRequestMessage {
    ChatCompletionRequestMessage::Tool(ChatCompletionRequestToolMessage {
        content: ChatCompletionRequestToolMessageContent::Text(content),
        tool_call_id: id,
    })
}
