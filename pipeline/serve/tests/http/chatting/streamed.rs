//! Answers as server-sent events, and readers who stop or leave.

use axum::body::Body;
use axum::http::{Request, header};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::*;
use crate::sockets::Server;

pub fn events(text: &str) -> Vec<(String, Value)> {
    let event = |block: &str| {
        let (name, data) = block.split_once('\n').unwrap();
        let data = data.strip_prefix("data: ").unwrap();
        (name.strip_prefix("event: ").unwrap().to_owned(), serde_json::from_str(data).unwrap())
    };
    text.split("\n\n").filter(|block| !block.is_empty()).map(event).collect()
}

#[tokio::test]
async fn first_the_products_then_the_words() {
    let shop = shop().await;
    let body = json!({"user_id": "ann", "message": "三千以内拍照好的手机", "stream": true});
    let answer = shop.say(body).await;
    assert_eq!(answer.headers[header::CONTENT_TYPE], "text/event-stream; charset=utf-8");
    let events = events(std::str::from_utf8(&answer.bytes).unwrap());
    let names: Vec<&str> = events.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names[..2], ["answer", "products"]);
    assert_eq!(names[2..], ["words", "words", "words", "done"]);
    let session = events[0].1["session_id"].as_str().unwrap();
    let whole = shop.get(&format!("/v1/chat/sessions/{session}/messages?user_id=ann")).await;
    let whole = whole.json()["messages"][0]["answer"].clone();
    let words: String =
        events.iter().filter(|(n, _)| n == "words").map(|(_, d)| d["text"].as_str().unwrap()).collect();
    assert_eq!(
        (&events[1].1, &json!(words), &events[5].1["followups"]),
        (&whole["products"], &whole["reply"], &whole["followups"])
    );
    assert!(events[0].1.get("products").is_none() && events[0].1["intent"] == "find");
    // What is refused is refused before anything is streamed.
    let refused = shop.say(json!({"message": "", "stream": true})).await;
    assert_eq!(refused.error(), (422, "blank".to_owned()));
}

#[tokio::test]
async fn readers_who_stop_or_leave_harm_nobody() {
    let shop = shop().await;
    let server = Server::of(&shop).await;
    let body = json!({"message": "手机", "stream": true}).to_string();
    let head = format!(
        "POST {CHAT} HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    let mut stopped = Vec::new();
    let mut tries = 0;
    while stopped.len() < 20 {
        let mut socket = server.connect().await;
        socket.write_all(head.as_bytes()).await.unwrap();
        let mut first = [0; 12];
        socket.read_exact(&mut first).await.unwrap();
        // The server's own chat reads its words first.
        if first == *b"HTTP/1.1 200" {
            // Every other one leaves, the others read no further.
            if tries % 2 == 0 {
                drop(socket)
            } else {
                stopped.push(socket)
            }
            tries += 1;
        }
    }
    let request = Request::post(CHAT).header(header::CONTENT_TYPE, "application/json");
    let answer = shop.send(request.body(Body::from(json!({"message": "手机"}).to_string())).unwrap()).await;
    assert_eq!(answer.status, 200);
    let mut socket = server.connect().await;
    socket
        .write_all(
            format!("{}\r\n", head.replace("host: x", "host: x\r\nconnection: close").trim_end()).as_bytes(),
        )
        .await
        .unwrap();
    let mut text = String::new();
    tokio::time::timeout(PATIENCE, socket.read_to_string(&mut text)).await.unwrap().unwrap();
    assert!(text.starts_with("HTTP/1.1 200") && text.contains("event: done"), "{text}");
    // Those who read no further are let go within the time to stop.
    assert!(server.stop().await < Duration::from_secs(5));
    drop(stopped);
}
