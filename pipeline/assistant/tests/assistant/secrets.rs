//! Keys and words of shoppers are in no log and no debug output.

use std::io::Write;
use std::sync::{Arc, Mutex};

use shoptide_assistant::NoTools;
use shoptide_fake_model::{FakeModel, Reply};
use tracing_subscriber::filter::LevelFilter;

use crate::{HONEST, KEY, ask, assistant, options};

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[test]
fn debug_output_hides_the_key() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let fake = FakeModel::scripted([]).await.unwrap();
        let (assistant, _) = assistant(options(&fake));
        let shown = format!("{assistant:?} {:?}", options(&fake));
        assert!(!shown.contains(KEY) && shown.contains("***"), "{shown}");
    });
}

#[test]
fn logs_hold_neither_key_nor_words() {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(LevelFilter::TRACE)
        .with_writer(move || writer.clone())
        .finish();
    // For the whole process: the client has tasks of its own.
    tracing::subscriber::set_global_default(subscriber).unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let canary = "canaryword";
        let body = |content_type, body: &str| Reply::Body { content_type, body: body.to_owned() };
        let fake = FakeModel::scripted([
            Reply::text(HONEST),
            Reply::text(canary),
            body("application/json", &format!("{{\"{canary}")),
            body("text/event-stream", &format!("data: {canary}\n\n")),
            body("text/event-stream", &format!("data: {{\"choices\": \"{canary}\"}}\n\n")),
            Reply::Refusal(canary.into()),
            Reply::status(401),
            Reply::Cut { text: canary.repeat(10), pieces: 5 },
        ])
        .await
        .unwrap();
        let mut options = options(&fake);
        options.failures_max = 100;
        let (assistant, _) = assistant(options);
        for _ in 0..8 {
            let mut ask = ask();
            ask.message = canary.into();
            let _ = assistant.begin(b"u1").unwrap().reply(&ask, &NoTools, None).await;
        }
        assert_eq!(fake.seen().len(), 8);
        let log = String::from_utf8_lossy(&log.0.lock().unwrap()).into_owned();
        assert!(log.contains("a model's turn ended"), "the log is heard: {log}");
        let lines: Vec<&str> = log.lines().filter(|l| l.contains(KEY) || l.contains(canary)).collect();
        assert!(lines.is_empty(), "{}", lines.join("\n"));
    });
}
