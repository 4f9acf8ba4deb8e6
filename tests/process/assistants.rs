//! An assistant's own client against the program: over standard input and output, and over HTTP.

use std::collections::HashMap;
use std::path::Path;
use std::process::Stdio;

use rmcp::model::{CallToolRequestParams, CallToolResult};
use rmcp::service::{RoleClient, RunningService};
use rmcp::transport::streamable_http_client::StreamableHttpClientTransportConfig;
use rmcp::transport::{StreamableHttpClientTransport, TokioChildProcess};
use rmcp::{ServiceExt, model::JsonObject};
use serde_json::{Value, json};
use tokio::process::Command;

use crate::common::{caught_up, follow, path, rested_shop, run, send, shop, shoptide, until};

type Client = RunningService<RoleClient, ()>;

const READING: [&str; 8] =
    ["search_products", "get_product", "recommend", "similar", "explain", "price_history", "budget", "faq"];

fn object(value: Value) -> JsonObject {
    value.as_object().unwrap().clone()
}

async fn call(client: &Client, name: &'static str, arguments: Value) -> CallToolResult {
    let params = CallToolRequestParams::new(name).with_arguments(object(arguments));
    client.call_tool(params).await.unwrap()
}

/// What a tool answered.
async fn told(client: &Client, name: &'static str, arguments: Value) -> Value {
    let result = call(client, name, arguments).await;
    assert_ne!(result.is_error, Some(true), "{name}: {result:?}");
    result.structured_content.unwrap()
}

async fn refused(client: &Client, name: &'static str, arguments: Value) -> bool {
    call(client, name, arguments).await.is_error == Some(true)
}

async fn names(client: &Client) -> Vec<String> {
    client.list_all_tools().await.unwrap().into_iter().map(|tool| tool.name.into_owned()).collect()
}

/// Every tool that reads, in one shop.
async fn ask_all(client: &Client) {
    let list = told(client, "recommend", json!({"n": 3})).await;
    let items = list["items"].as_array().unwrap();
    assert_eq!(items.len(), 3, "{list}");
    let first = &items[0];
    let id = json!({"item_id": first["item_id"]});
    let product = told(client, "get_product", id.clone()).await;
    assert_eq!((&product["title"], &product["price"]), (&first["title"], &first["price"]));
    let explained = told(client, "explain", id.clone()).await;
    assert_eq!((&explained["recommended"], &explained["rank"]), (&json!(true), &json!(1)), "{explained}");
    let prices = told(client, "price_history", id.clone()).await;
    assert_eq!(prices["prices"].as_array().unwrap().last().unwrap()["price"], product["price"], "{prices}");
    assert!(prices["prices"][0]["since"].is_string(), "{prices}");
    assert!(!told(client, "similar", id).await["items"].as_array().unwrap().is_empty());
    if cfg!(feature = "search") {
        let title = json!({"query": first["title"]});
        let found = until("the title can be found", || async {
            let found = told(client, "search_products", title.clone()).await;
            (found["items"].as_array().unwrap().iter().any(|i| i["item_id"] == first["item_id"]))
                .then_some(found)
        })
        .await;
        assert!(found["currency"].is_string());
    }
    assert_eq!(told(client, "budget", json!({})).await["set"], false);
    let faq = told(client, "faq", json!({"question": "怎么开发票？"})).await;
    assert_eq!((&faq["known"], &faq["answers"][0]["category"]), (&json!(true), &json!("invoice")), "{faq}");
    assert!(refused(client, "get_product", json!({"item_id": "iPhone 999"})).await);
}

fn import_example(dir: &Path) {
    let file = dir.join("faq.jsonl");
    std::fs::write(&file, run(&["faq", "example"]).out).unwrap();
    assert_eq!(run(&["faq", "import", path(&file), "--data-dir", path(dir)]).code, Some(0));
}

/// `shoptide mcp` with a client at its other ends.
async fn over_stdio(dir: &Path, more: &[&str]) -> Client {
    let command = shoptide(&[&["mcp", "--data-dir", path(dir)], more].concat());
    let mut command = Command::from(command);
    command.kill_on_drop(true);
    let (child, _) = TokioChildProcess::builder(command).stderr(Stdio::null()).spawn().unwrap();
    ().serve(child).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_assistant_asks_a_rested_shop_over_stdio() {
    let dir = tempfile::tempdir().unwrap();
    rested_shop(dir.path()).await;
    import_example(dir.path());
    let user = shop(7, 400).user_id(0);
    let client = over_stdio(dir.path(), &["--user", &user]).await;
    assert_eq!(client.peer_info().unwrap().server_info.as_ref().unwrap().name, "shoptide");
    assert_eq!(names(&client).await, READING);
    ask_all(&client).await;
    assert!(refused(&client, "set_budget", json!({"month": "1"})).await, "read-only without a key");
    client.cancel().await.unwrap();

    let nobody = over_stdio(dir.path(), &[]).await;
    assert!(refused(&nobody, "budget", json!({})).await);
    assert_eq!(told(&nobody, "recommend", json!({})).await["made_from"], "fallback");
    nobody.cancel().await.unwrap();

    let key = dir.path().join("key");
    std::fs::write(&key, "k".repeat(20)).unwrap();
    run(&["mcp", "--data-dir", path(dir.path()), "--key-file", path(&key)]).refused(&["serve.write_key"]);
    run(&["mcp", "--data-dir", path(&dir.path().join("none"))]).refused(&["holds no shop"]);
    // Nobody at the other end: it ends as he leaves.
    assert_eq!(run(&["mcp", "--data-dir", path(dir.path())]).code, Some(0));
}

/// A client at `/mcp`.
async fn over_http(url: &str, key: &str, user: &str) -> Client {
    let headers = HashMap::from([("x-shoptide-user".parse().unwrap(), user.parse().unwrap())]);
    let config = StreamableHttpClientTransportConfig::with_uri(format!("{url}/mcp"))
        .auth_header(key)
        .custom_headers(headers);
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    ().serve(StreamableHttpClientTransport::with_client(http, config)).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn assistants_ask_a_running_shop_over_http_each_for_its_user() {
    let dir = tempfile::tempdir().unwrap();
    let (read, write) = ("r".repeat(20), "w".repeat(20));
    let mut command = shoptide(&["--log-json", "up", "--data-dir", path(dir.path()), "--port", "0"]);
    command.env("SHOPTIDE_SERVE__READ_KEY", &read);
    let (running, url) = follow(command);
    let generated = shop(7, 400);
    send(&url, &generated).await;
    caught_up(dir.path()).await;
    running.stop();
    let mut command = shoptide(&["--log-json", "up", "--data-dir", path(dir.path()), "--port", "0"]);
    command.envs([("SHOPTIDE_SERVE__READ_KEY", &read), ("SHOPTIDE_SERVE__WRITE_KEY", &write)]);
    let (running, url) = follow(command);
    import_example(dir.path());
    let (one, two) = (generated.user_id(0), generated.user_id(1));
    let reader = over_http(&url, &read, &one).await;
    assert_eq!(names(&reader).await, READING);
    until("the questions are read", || async {
        let faq = told(&reader, "faq", json!({"question": "invoice"})).await;
        (faq["known"] == true).then_some(())
    })
    .await;
    ask_all(&reader).await;
    let writer = over_http(&url, &write, &two).await;
    assert_eq!(names(&writer).await[8..], ["set_budget", "feedback"]);
    let budget = told(&writer, "set_budget", json!({"month": "1234.50"})).await;
    assert_eq!(budget["limit"], "1234.50");
    assert_eq!(told(&reader, "budget", json!({})).await["set"], false, "one's budget is not another's");
    let item = told(&writer, "recommend", json!({"n": 1})).await["items"][0]["item_id"].clone();
    assert_eq!(
        told(&writer, "feedback", json!({"item_id": item, "feedback": "not_interested"})).await["noted"],
        true
    );
    assert!(refused(&reader, "set_budget", json!({"month": "1"})).await);
    reader.cancel().await.unwrap();
    writer.cancel().await.unwrap();
    running.stop();
}
