//! `shoptide chat` against a shop that runs: a terminal's lines in, the shop's words out.

use std::io::Write;
use std::process::Stdio;

use serde_json::json;

use crate::common::{post, shoptide, until, up};

#[tokio::test(flavor = "multi_thread")]
async fn a_terminal_talks_to_a_shop() {
    let dir = tempfile::tempdir().unwrap();
    let (_running, url) = up(dir.path());
    let item = |n: u32, price: u32| {
        json!({"event_id": format!("i{n}"), "type": "item_upsert", "item_id": format!("P{n}"), "occurred_at": 1_777_896_000_000_i64 + i64::from(n),
            "title": format!("Cloudsail phone {n}"), "brand": "Cloudsail", "category": "technology/phone", "tags": ["nfc"],
            "price": format!("{price}.00"), "currency": "CNY", "stock": 3})
        .to_string()
    };
    let lines = [item(1, 1_999), item(2, 3_999)].join("\n");
    assert_eq!(post(&url, lines).await.unwrap().status(), 200);
    until("the shop's words are known", || async {
        let body = json!({"message": "hello"}).to_string();
        let answer = crate::common::client()
            .post(format!("{url}/v1/chat"))
            .header("content-type", "application/json")
            .body(body)
            .send()
            .await
            .unwrap();
        let answer: serde_json::Value = answer.json().await.unwrap();
        (answer["as_of"]["shop.catalogue"] == 2).then_some(())
    })
    .await;
    let said = [
        "a phone below 3000 yuan",
        "/why 1",
        "/why 9",
        "/like 1",
        "/like 1",
        "/history",
        "/reset",
        "/history",
        "/nonsense",
        "/quit",
    ];
    let talk = tokio::task::spawn_blocking(move || {
        let mut child = shoptide(&["chat", "--to", &url, "--user", "ann"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdin = child.stdin.take().unwrap();
        stdin.write_all(said.join("\n").as_bytes()).unwrap();
        drop(stdin);
        child.wait_with_output().unwrap()
    });
    let ended = talk.await.unwrap();
    let text = String::from_utf8(ended.stdout).unwrap();
    assert!(ended.status.success(), "{text}\n{}", String::from_utf8_lossy(&ended.stderr));
    for part in [
        "1. Cloudsail phone 1, 1999 CNY.",
        "Cloudsail phone 1 (P1): ",
        "  price ",
        "expected a number from 1 to 1",
        "(noted)",
        "(conflict: feedback was given before",
        "> a phone below 3000 yuan",
        "nothing was said yet",
        "there is no /nonsense",
    ] {
        assert!(text.contains(part), "{part} is not in\n{text}");
    }
    assert!(!text.contains("phone 2"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shop_that_is_not_there_is_named() {
    let talk = |to: &'static str| {
        let mut child = shoptide(&["chat", "--to", to]);
        let mut child =
            child.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(b"hello\n").unwrap();
        let ended = child.wait_with_output().unwrap();
        (ended.status.code(), String::from_utf8(ended.stderr).unwrap())
    };
    let (code, text) = talk("http://127.0.0.1:1");
    assert!(code == Some(1) && text.contains("does not answer"), "{text}");
    let (code, text) = talk("nonsense");
    assert!(code == Some(2) && text.contains("--to nonsense"), "{text}");
}
