//! Everything that a provider can do wrong means: the rules answer, and why.

use std::time::{Duration, Instant};

use shoptide_assistant::{NoTools, Source, Unused};
use shoptide_fake_model::{FakeModel, Reply};
use shoptide_models::grounding::Fault;
use tokio::sync::mpsc;

use crate::{HONEST, ask, assistant, options, write};

/// Short enough for a test, long enough for a loaded machine to connect.
const TIMEOUT: Duration = Duration::from_millis(700);

#[tokio::test]
async fn each_fault_is_the_rules_with_its_reason() {
    let body = |content_type, body: &str| Reply::Body { content_type, body: body.to_owned() };
    let cases = [
        (vec![Reply::Stall(Duration::from_secs(60))], Unused::TimedOut),
        (vec![Reply::status(500), Reply::status(502)], Unused::Failed(502)),
        (vec![Reply::Status { status: 429, retry_after: Some(60) }], Unused::RateLimited),
        (vec![Reply::status(401)], Unused::Rejected(401)),
        (vec![Reply::status(404)], Unused::Rejected(404)),
        (vec![Reply::status(302)], Unused::Rejected(302)),
        (vec![body("application/json", "{\"choices\": [{")], Unused::Broken),
        (vec![body("text/html", "<html>gateway</html>")], Unused::Broken),
        (vec![body("text/event-stream", "data: no json\n\n")], Unused::Broken),
        (vec![body("text/event-stream", "data: {\"choices\": 7}\n\ndata: [DONE]\n\n")], Unused::Broken),
        (vec![body("text/event-stream", "")], Unused::Cut),
        (vec![body("text/event-stream", "data: [DONE]\n\n")], Unused::Cut),
        (vec![Reply::BrokenEvent { text: HONEST.into() }], Unused::Broken),
        (vec![Reply::Cut { text: HONEST.into(), pieces: 3 }], Unused::Cut),
        (vec![Reply::Cut { text: HONEST.into(), pieces: 20 }], Unused::Cut),
        (vec![Reply::Refusal("I cannot help with that.".into())], Unused::Declined),
        (vec![Reply::Filtered], Unused::Declined),
        (vec![Reply::Huge(64 << 20)], Unused::TooLarge),
        (vec![Reply::Drip { text: HONEST.into(), every: Duration::from_millis(100) }], Unused::TimedOut),
        (vec![Reply::text("y".repeat(5_000))], Unused::Ungrounded(Some(Fault::TooLong))),
    ];
    for (replies, expected) in cases {
        let fake = FakeModel::scripted(replies.clone()).await.unwrap();
        let (assistant, _) =
            assistant(shoptide_assistant::AssistantOptions { timeout: TIMEOUT, ..options(&fake) });
        let began = Instant::now();
        let written = write(&assistant).await;
        let replies: String = format!("{replies:?}").chars().take(120).collect();
        assert_eq!(written.result, Err(expected), "{replies}");
        assert_eq!(written.record.source, Source::Rules);
        assert_eq!(written.record.why, Some(expected.name()));
        assert!(began.elapsed() < TIMEOUT + Duration::from_secs(2), "{replies}: {:?}", began.elapsed());
    }
}

#[tokio::test]
async fn a_passing_fault_is_tried_again_once() {
    for first in [Reply::Status { status: 429, retry_after: Some(0) }, Reply::status(503)] {
        let fake = FakeModel::scripted([first, Reply::text(HONEST)]).await.unwrap();
        let (assistant, _) = assistant(options(&fake));
        let written = write(&assistant).await;
        assert_eq!(written.result.as_deref(), Ok(HONEST));
        assert_eq!((written.record.requests, fake.seen().len()), (2, 2));
    }
}

#[tokio::test]
async fn nobody_there_is_unreachable() {
    let fake = FakeModel::scripted([]).await.unwrap();
    let mut options = options(&fake);
    drop(fake);
    // A port that was free a moment ago and is taken by nobody.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    options.base_url = format!("http://{}/v1", listener.local_addr().unwrap());
    drop(listener);
    let (assistant, _) = assistant(options);
    assert_eq!(write(&assistant).await.result, Err(Unused::Unreachable));
}

#[tokio::test]
async fn what_left_before_a_cut_was_true() {
    let fake = FakeModel::scripted([Reply::Cut { text: HONEST.into(), pieces: 22 }]).await.unwrap();
    let (assistant, _) = assistant(options(&fake));
    let (out, mut heard) = mpsc::channel(8);
    let written = assistant.begin(b"u1").unwrap().reply(&ask(), &NoTools, Some(out)).await;
    assert_eq!(written.result, Err(Unused::Cut));
    assert_eq!(written.sent, "The Sony WH-1000XM5 costs ¥2,299.00 and is in stock.");
    assert_eq!(heard.recv().await.as_deref(), Some(written.sent.as_str()));
    assert_eq!(heard.recv().await, None);
}

#[tokio::test]
async fn a_model_that_fails_is_left_alone_and_tried_again() {
    let fake = FakeModel::scripted([]).await.unwrap();
    let options = shoptide_assistant::AssistantOptions {
        failures_max: 3,
        rest: Duration::from_secs(30),
        retries_max: 0,
        ..options(&fake)
    };
    let (assistant, hand) = assistant(options);
    for _ in 0..3 {
        assert_eq!(write(&assistant).await.result, Err(Unused::Failed(500)));
    }
    assert_eq!(assistant.begin(b"u1").err(), Some(Unused::Resting));
    assert_eq!(fake.seen().len(), 3);
    hand.set(30_000);
    fake.queue([Reply::text(HONEST), Reply::text(HONEST)]);
    assert!(write(&assistant).await.result.is_ok());
    assert!(write(&assistant).await.result.is_ok());
}
