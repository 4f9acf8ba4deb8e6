//! Tokens, places and time are bounded, and one who waits harms nobody else.

use std::time::{Duration, Instant};

use shoptide_assistant::{AssistantOptions, NoTools, Unused};
use shoptide_fake_model::{FakeModel, Reply, Usage};

use crate::{HONEST, ask, assistant, options, write};

#[tokio::test]
async fn a_user_who_spent_his_tokens_gets_the_rules_until_tomorrow() {
    let usage = Usage { prompt: 9_000, completion: 900 };
    let fake = FakeModel::deciding(move |_| Reply::Text { text: HONEST.into(), usage }).await.unwrap();
    let (assistant, hand) = assistant(AssistantOptions { user_tokens_max: 10_000, ..options(&fake) });
    let write_as =
        async |user: &[u8]| assistant.begin(user).unwrap().reply(&ask(), &NoTools, None).await.result;
    assert!(write_as(b"u1").await.is_ok());
    assert_eq!(write_as(b"u1").await, Err(Unused::Spent));
    assert_eq!(fake.seen().len(), 1, "what is spent is not asked");
    assert!(write_as(b"u2").await.is_ok());
    hand.set(86_400_000);
    assert!(write_as(b"u1").await.is_ok());
}

#[tokio::test]
async fn visitors_have_one_bound_however_many_dialogues_they_begin() {
    let usage = Usage { prompt: 9_000, completion: 900 };
    let fake = FakeModel::deciding(move |_| Reply::Text { text: HONEST.into(), usage }).await.unwrap();
    let (assistant, hand) = assistant(AssistantOptions { visitors_tokens_max: 20_000, ..options(&fake) });
    let visit = async |dialogue: &[u8]| {
        assistant.begin_for_visitor(dialogue).unwrap().reply(&ask(), &NoTools, None).await.result
    };
    assert!(visit(b"d1").await.is_ok() && visit(b"d2").await.is_ok());
    for dialogue in [b"d1", b"d2", b"d3", b"d4"] {
        assert_eq!(visit(dialogue).await, Err(Unused::Spent));
    }
    assert_eq!(fake.seen().len(), 2, "what is spent is not asked");
    assert!(write(&assistant).await.result.is_ok(), "a user has his own");
    hand.set(86_400_000);
    assert!(visit(b"d5").await.is_ok());
}

#[tokio::test]
async fn the_day_has_a_bound_for_all() {
    let usage = Usage { prompt: 9_000, completion: 900 };
    let fake = FakeModel::deciding(move |_| Reply::Text { text: HONEST.into(), usage }).await.unwrap();
    let (assistant, _) = assistant(AssistantOptions { day_tokens_max: 10_000, ..options(&fake) });
    assert!(write(&assistant).await.result.is_ok());
    let other = assistant.begin(b"u2").unwrap().reply(&ask(), &NoTools, None).await;
    assert_eq!(other.result, Err(Unused::Spent));
}

#[tokio::test]
async fn a_model_that_stalls_for_a_minute_harms_only_who_asked_it() {
    let stall = Duration::from_secs(60);
    let fake = FakeModel::deciding(move |_| Reply::Stall(stall)).await.unwrap();
    let timeout = Duration::from_millis(900);
    let (assistant, _) = assistant(AssistantOptions { timeout, turns_max: 4, ..options(&fake) });
    let began = Instant::now();
    let waiting = futures::future::join_all((0..4).map(|_| write(&assistant)));
    let others = async {
        // All places are taken once the server has seen four.
        while fake.seen().len() < 4 {
            tokio::task::yield_now().await;
        }
        for _ in 0..1_000 {
            assert_eq!(assistant.begin(b"u2").err(), Some(Unused::Busy));
        }
        began.elapsed()
    };
    let (waited, others) = tokio::join!(waiting, others);
    assert!(waited.iter().all(|w| w.result == Err(Unused::TimedOut)));
    assert!(others < timeout, "others waited {others:?}");
    assert!(began.elapsed() < timeout + Duration::from_secs(2), "{:?}", began.elapsed());
    let record = &waited[0].record;
    assert!(0 < record.tokens_in, "what may have been billed is counted: {record:?}");
}

#[tokio::test]
async fn a_slow_reader_takes_no_longer_than_the_turn() {
    let fake = FakeModel::scripted([Reply::text(HONEST)]).await.unwrap();
    let timeout = Duration::from_millis(700);
    let (assistant, _) = assistant(AssistantOptions { timeout, ..options(&fake) });
    // Room for one sentence, and nobody takes it.
    let (out, _heard) = tokio::sync::mpsc::channel(1);
    let written = assistant.begin(b"u1").unwrap().reply(&ask(), &NoTools, Some(out)).await;
    assert_eq!(written.result, Err(Unused::TimedOut));
}
