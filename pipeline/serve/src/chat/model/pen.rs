//! Who asks the model in a turn, once it is worth asking.

use std::sync::Arc;
use std::time::Duration;

use shoptide_assistant::{Assistant, Record, Source, Turn, Unused, is_unsure};
use shoptide_store::ChatKey;
use tokio::sync::mpsc;

use super::super::ask::Asked;
use super::super::session::Session;
use super::super::turn::{Read, decided};
use super::Words;
use super::material::Material;
use super::tools::TurnTools;
use crate::app::App;
use crate::error::ApiError;
use crate::tools::Caller;

/// The language model that a process asks.
#[derive(Debug, Clone)]
pub struct LanguageModel(Arc<Assistant>);

impl LanguageModel {
    pub(crate) fn timeout(&self) -> Duration {
        self.0.timeout()
    }
}

impl From<Assistant> for LanguageModel {
    fn from(assistant: Assistant) -> Self {
        Self(Arc::new(assistant))
    }
}

/// One turn's.
pub(in super::super) struct Pen(Option<Asking>);

struct Asking {
    assistant: Arc<Assistant>,
    /// Whose tokens are counted: the user's, or those of a visitor's dialogue.
    payer: Vec<u8>,
    caller: Caller,
    state: State,
}

enum State {
    /// Nobody was asked yet: no place is taken, and no time runs.
    Fresh,
    Begun(Turn),
    /// It has failed in this turn.
    Over(Record),
}

impl Asking {
    fn begin(&self) -> Result<Turn, Unused> {
        match self.caller.user {
            Some(_) => self.assistant.begin(&self.payer),
            None => self.assistant.begin_for_visitor(&self.payer),
        }
    }
}

impl Pen {
    /// A visitor's tools are those of nobody: his dialogue's name is no user.
    pub fn of(app: &App, asked: &Asked, key: &ChatKey) -> Self {
        Self(app.context.language_model.as_ref().map(|LanguageModel(assistant)| Asking {
            assistant: assistant.clone(),
            payer: key.user.as_bytes().to_vec(),
            caller: Caller { user: asked.user.clone(), writes: false },
            state: State::Fresh,
        }))
    }

    /// Whether it may still write.
    pub fn is_ready(&self) -> bool {
        self.0.as_ref().is_some_and(|asking| !matches!(asking.state, State::Over(_)))
    }

    /// Has the model read a message that the rules are unsure of, and fills what they left open.
    ///
    /// # Errors
    /// As the chat's words.
    pub async fn read_again(
        &mut self,
        app: &App,
        session: &Session,
        message: &str,
        read: Read,
    ) -> Result<Read, ApiError> {
        let Some(asking) = self.0.as_mut().filter(|_| is_unsure(&read.understood)) else { return Ok(read) };
        let mut turn = match asking.begin() {
            Ok(turn) => turn,
            Err(why) => {
                asking.state = State::Over(asking.assistant.refused(why));
                return Ok(read);
            }
        };
        match turn.understand(message, &session.memory.dialogue).await {
            Ok(reading) => {
                asking.state = State::Begun(turn);
                app.chat.with(|known| {
                    let understood = reading.merged(&read.understood, &known.lexicon);
                    decided(app, &session.memory.dialogue, understood)
                })
            }
            Err(why) => {
                complain(app, why);
                asking.state = State::Over(turn.end(Some(why)));
                Ok(read)
            }
        }
    }

    /// Has the model word a reply; each sentence goes to `out` as soon as it stands.
    pub async fn write(
        self,
        app: &Arc<App>,
        material: Option<Material>,
        out: Option<mpsc::Sender<String>>,
    ) -> Words {
        let Some(mut asking) = self.0 else { return Words::default() };
        let state = std::mem::replace(&mut asking.state, State::Fresh);
        let (turn, material) = match (state, material) {
            (State::Over(record), _) => return ended(app, None, record),
            (State::Begun(turn), None) => return ended(app, None, turn.end(None)),
            (State::Fresh, None) => return Words::default(),
            (State::Begun(turn), Some(material)) => (Ok(turn), material),
            (State::Fresh, Some(material)) => (asking.begin(), material),
        };
        let mut turn = match turn {
            Ok(turn) => turn,
            Err(why) => return ended(app, None, asking.assistant.refused(why)),
        };
        let Material { ask, limits } = material;
        let tools = TurnTools::new(app.clone(), asking.caller, limits);
        let written = turn.reply(&ask, &tools, out).await;
        if let Err(why) = written.result {
            complain(app, why);
        }
        ended(app, written.result.ok(), written.record)
    }
}

/// An operator hears of a provider that fails; of what was asked and answered nobody hears.
fn complain(app: &App, why: Unused) {
    if why.is_failure() {
        app.complain(&why);
    }
}

fn ended(app: &App, reply: Option<String>, record: Record) -> Words {
    let metrics = app.context.live.metrics();
    let outcome = match (record.source, record.why) {
        (Source::Model, _) => super::BY_MODEL,
        (Source::Rules, why) => why.unwrap_or("read"),
    };
    metrics.assistant_turns.with_label_values(&[outcome]).inc();
    if 0 < record.requests {
        metrics.assistant_seconds.observe(Duration::from_millis(record.latency_ms).as_secs_f64());
    }
    metrics.assistant_tokens.with_label_values(&["in"]).inc_by(record.tokens_in);
    metrics.assistant_tokens.with_label_values(&["out"]).inc_by(record.tokens_out);
    Words {
        reply,
        tokens_in: record.tokens_in,
        tokens_out: record.tokens_out,
        record: serde_json::to_value(record).ok(),
    }
}
