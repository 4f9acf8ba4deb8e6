//! The tools over the Model Context Protocol, as messages of HTTP: whom they act for, what they may do, and what they refuse.

use axum::body::Body;
use axum::http::{Method, Request};
use serde_json::{Value, json};
use shoptide_schemas::Topic;
use shoptide_serve::{ApiKey, router};

use crate::common::{Answer, NOW_MS, Shop, view};

const READ: &str = "rrrrrrrrrrrrrrrrrrrr";
const WRITE: &str = "wwwwwwwwwwwwwwwwwwww";

/// Who sends a message.
#[derive(Default)]
struct Sender<'a> {
    key: Option<&'a str>,
    user: Option<&'a str>,
}

impl Shop {
    /// Twelve items, and keys from then on.
    async fn with_keys() -> Self {
        let mut shop = Self::new().await;
        shop.stock_twelve().await;
        shop.context.options.read_key = Some(ApiKey::new(READ));
        shop.context.options.write_key = Some(ApiKey::new(WRITE));
        shop.router = router(shop.context.clone());
        shop
    }

    async fn message(&self, sender: &Sender<'_>, message: &Value) -> Answer {
        let mut request = Request::post("/mcp")
            .header("host", "127.0.0.1")
            .header("content-type", "application/json")
            .header("accept", "application/json, text/event-stream");
        for (name, value) in [("x-api-key", sender.key), ("x-shoptide-user", sender.user)] {
            if let Some(value) = value {
                request = request.header(name, value);
            }
        }
        self.send(request.body(Body::from(message.to_string())).unwrap()).await
    }

    /// The result of a tool: whether it is an error, and what it says.
    async fn tool(&self, sender: &Sender<'_>, name: &str, arguments: Value) -> (bool, Value) {
        let params = json!({"name": name, "arguments": arguments});
        let call = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params});
        let answer = self.message(sender, &call).await;
        assert_eq!(answer.status, 200, "{}", String::from_utf8_lossy(&answer.bytes));
        let result = answer.json()["result"].clone();
        assert!(result.is_object(), "{}", answer.json());
        let failed = result["isError"] == true;
        let text = result["content"][0]["text"].as_str().unwrap();
        let said: Value = serde_json::from_str(text).unwrap();
        assert!(failed || result["structuredContent"] == said, "{result}");
        (failed, said)
    }

    async fn answer_of(&self, sender: &Sender<'_>, name: &str, arguments: Value) -> Value {
        let (failed, said) = self.tool(sender, name, arguments).await;
        assert!(!failed, "{name}: {said}");
        said
    }

    async fn refusal_of(&self, sender: &Sender<'_>, name: &str, arguments: Value) -> String {
        let (failed, said) = self.tool(sender, name, arguments).await;
        assert!(failed, "{name}: {said}");
        said["code"].as_str().unwrap().to_owned()
    }

    async fn tools(&self, sender: &Sender<'_>) -> Vec<Value> {
        let list = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/list"});
        self.message(sender, &list).await.json()["result"]["tools"].as_array().unwrap().clone()
    }
}

fn names(tools: &[Value]) -> Vec<&str> {
    tools.iter().map(|tool| tool["name"].as_str().unwrap()).collect()
}

const READING: [&str; 8] =
    ["search_products", "get_product", "recommend", "similar", "explain", "price_history", "budget", "faq"];

#[tokio::test]
async fn tools_are_told_with_their_schemas_and_writers_have_more() {
    let shop = Shop::with_keys().await;
    let reader = Sender { key: Some(READ), user: Some("u1") };
    let told = shop.tools(&reader).await;
    assert_eq!(names(&told), READING);
    for tool in &told {
        assert_eq!(tool["annotations"]["readOnlyHint"], true, "{tool}");
        for schema in ["inputSchema", "outputSchema"] {
            assert_eq!(tool[schema]["type"], "object", "{tool}");
            assert!(jsonless(&tool[schema]), "{tool}");
        }
        assert_eq!(tool["inputSchema"]["additionalProperties"], false, "{tool}");
        assert!(!tool["inputSchema"].to_string().contains("user"), "no argument names a user: {tool}");
    }
    let writer = Sender { key: Some(WRITE), user: Some("u1") };
    assert_eq!(names(&shop.tools(&writer).await)[8..], ["set_budget", "feedback"]);
    assert_eq!(shop.message(&Sender::default(), &json!({})).await.error(), (401, "unauthorized".to_owned()));
    let wrong = Sender { key: Some("no key of this shop"), user: Some("u1") };
    assert_eq!(shop.message(&wrong, &json!({})).await.status, 401);
}

/// No reference that an assistant would have to resolve.
fn jsonless(schema: &Value) -> bool {
    !schema.to_string().contains("$ref")
}

/// A product's words are waited for where they are being read, not where they never will be.
#[tokio::test]
async fn a_process_without_a_chat_is_not_waited_for() {
    let shop = Shop::with(|options| options.chat = false).await;
    shop.stock_twelve().await;
    let refused = shop.refusal_of(&Sender::default(), "get_product", json!({"item_id": "T2"})).await;
    assert_eq!(refused, "unavailable");
    let metrics = String::from_utf8(shop.get("/metrics").await.bytes).unwrap();
    let asked =
        metrics.lines().find(|line| line.contains("/v1/items/{id}/facts") && line.contains("requests_total"));
    assert!(asked.is_some_and(|line| line.ends_with(" 1")), "asked once: {asked:?}");
}

#[tokio::test]
async fn tools_answer_as_the_api_does() {
    let shop = Shop::with_example_faq().await;
    shop.stock_twelve().await;
    shop.words_are_known().await;
    shop.know("u1", &[view("e1", "u1", "T1")], &["T2", "F3", "T4"]).await;
    let sender = Sender { key: None, user: Some("u1") };
    let list = shop.answer_of(&sender, "recommend", json!({"n": 3})).await;
    let page = shop.get("/v1/users/u1/recommendations?n=3&explain=true").await.json();
    for (tool, api) in list["items"].as_array().unwrap().iter().zip(page["items"].as_array().unwrap()) {
        for field in ["item_id", "title", "price", "currency", "source"] {
            assert_eq!(tool[field], api[field], "{field}");
        }
        assert_eq!(tool["reason"]["text"], api["reason"]["text"]);
    }
    assert_eq!((&list["list_id"], &list["made_from"]), (&page["list_id"], &json!("personal")));
    let explained = shop.answer_of(&sender, "explain", json!({"item_id": "F3"})).await;
    assert_eq!((&explained["recommended"], &explained["rank"]), (&json!(true), &json!(2)), "{explained}");
    let product = shop
        .answer_of(&sender, "get_product", json!({"item_id": "T2", "has": "is it wireless", "or": "T3"}))
        .await;
    assert_eq!(
        (&product["asked"][0]["answer"], &product["other"][0]["wish"]),
        (&json!("unknown"), &json!("wireless"))
    );
    assert!(product["facts"].as_array().unwrap().iter().any(|fact| fact["to"] == "Aurora"), "{product}");
    assert_eq!((&product["price"], &product["available"]), (&json!("500.00"), &json!(true)), "{product}");
    let similar = shop.answer_of(&sender, "similar", json!({"item_id": "T2"})).await;
    assert_eq!(similar["items"].as_array().unwrap().len(), 5, "{similar}");
    let faq = shop.answer_of(&sender, "faq", json!({"question": "运费多少钱"})).await;
    assert_eq!(faq["answers"][0]["id"], "delivery-fee");
    assert_eq!(shop.answer_of(&sender, "budget", json!({})).await, json!({"set": false}));
    shop.call(Method::PUT, "/v1/users/u1/budget", Some(json!({"month": "150"}))).await;
    let budget = shop.answer_of(&sender, "budget", json!({})).await;
    assert_eq!((&budget["set"], &budget["left"]), (&json!(true), &json!("150.00")), "{budget}");
    // The budget holds for what is recommended: of all twelve two are as cheap.
    let cheap = shop.answer_of(&sender, "recommend", json!({"n": 20})).await;
    let prices: Vec<&str> =
        cheap["items"].as_array().unwrap().iter().map(|i| i["price"].as_str().unwrap()).collect();
    assert_eq!(prices, ["100.00", "100.00"]);
    // Nobody's list is what is trending.
    let nobody = shop.answer_of(&Sender::default(), "recommend", json!({})).await;
    assert_eq!((&nobody["made_from"], nobody["items"].as_array().unwrap().len()), (&json!("fallback"), 5));
}

#[cfg(feature = "search")]
#[tokio::test]
async fn search_finds_and_is_text() {
    let shop = Shop::new().await;
    shop.stock_twelve().await;
    let sender = Sender { key: None, user: Some("u1") };
    let found = async {
        loop {
            let found =
                shop.answer_of(&sender, "search_products", json!({"query": "number", "sort": "price"})).await;
            if found["total"] == 12 {
                return found;
            }
            tokio::task::yield_now().await;
        }
    };
    let found =
        tokio::time::timeout(std::time::Duration::from_secs(20), found).await.expect("the index is made");
    assert_eq!(
        (&found["items"][0]["price"], &found["items"][0]["in_stock"]),
        (&json!("100.00"), &json!(true))
    );
    assert_eq!(found["brands"], json!([{"value": "Aurora", "count": 12}]));
    for query in ["title:x AND (", "*", "😀😀", "\"", "T1 OR 1=1 --", "&n=100#"] {
        shop.answer_of(&sender, "search_products", json!({"query": query})).await;
    }
    let long = "a".repeat(100 * 1024);
    assert_eq!(shop.refusal_of(&sender, "search_products", json!({"query": long})).await, "too_long");
    assert_eq!(
        shop.refusal_of(&Sender::default(), "search_products", json!({"sort": "personal"})).await,
        "unauthorized"
    );
}

#[tokio::test]
async fn prices_are_remembered_with_their_time() {
    let shop = Shop::new().await;
    shop.stock_twelve().await;
    let before = shop.get("/v1/items/T1/prices").await.json();
    // What the store has not folded is not told: here nothing folds.
    assert_eq!(before["prices"], json!([]));
    shop.fold_catalogue().await;
    shop.clock.fetch_add(3_600_000, std::sync::atomic::Ordering::Relaxed);
    for (field, value) in [("stock", json!(3)), ("price", json!("450.00"))] {
        let mut patch = json!({field: value});
        if field == "price" {
            patch["currency"] = json!("CNY");
        }
        assert_eq!(shop.call(Method::PATCH, "/v1/items/T1", Some(patch)).await.status, 202);
    }
    shop.catalogue_is_live().await;
    shop.fold_catalogue().await;
    let history = shop.get("/v1/items/T1/prices").await.json();
    let prices = history["prices"].as_array().unwrap();
    assert_eq!(prices.len(), 2, "stock is no price: {history}");
    assert_eq!((&prices[0]["price"], &prices[1]["price"]), (&json!("600.00"), &json!("450.00")));
    assert_eq!(
        (&prices[0]["since"], &prices[1]["since"]),
        (&json!("2026-05-04T12:00:00.000Z"), &json!("2026-05-04T13:00:00.000Z")),
        "{history}"
    );
    let told = shop.answer_of(&Sender::default(), "price_history", json!({"item_id": "T1"})).await;
    assert_eq!(told["prices"][1]["price"], "450.00");
    assert_eq!(shop.get("/v1/items/none/prices").await.error(), (404, "not_found".to_owned()));
}

#[tokio::test]
async fn a_tool_acts_for_the_requests_user_and_nobody_else() {
    let shop = Shop::with_keys().await;
    let writer = |user| Sender { key: Some(WRITE), user };
    for (user, month) in [("u1", "100"), ("u2", "200")] {
        shop.answer_of(&writer(Some(user)), "set_budget", json!({"month": month})).await;
    }
    for (user, left) in [("u1", "100.00"), ("u2", "200.00")] {
        let reader = Sender { key: Some(READ), user: Some(user) };
        assert_eq!(shop.answer_of(&reader, "budget", json!({})).await["left"], left);
        // However it is asked, there is no argument for it.
        let other = json!({"user_id": "u2"});
        assert_eq!(shop.refusal_of(&reader, "budget", other).await, "unknown_field");
        assert_eq!(shop.refusal_of(&reader, "set_budget", json!({"month": "1"})).await, "forbidden");
        assert_eq!(
            shop.refusal_of(&reader, "feedback", json!({"item_id": "T1", "feedback": "like"})).await,
            "forbidden"
        );
    }
    for tool in ["budget", "explain", "set_budget", "feedback"] {
        let arguments = match tool {
            "budget" => json!({}),
            "set_budget" => json!({"month": "1"}),
            "feedback" => json!({"item_id": "T1", "feedback": "like"}),
            _ => json!({"item_id": "T1"}),
        };
        assert_eq!(shop.refusal_of(&writer(None), tool, arguments).await, "unauthorized", "{tool}");
    }
    let feedback = json!({"item_id": "T1", "feedback": "dislike", "list_id": "p-1"});
    assert_eq!(shop.answer_of(&writer(Some("u1")), "feedback", feedback).await["noted"], true);
    let logged = shop.records(Topic::Feedback).await;
    let event: Value = serde_json::from_slice(logged[0].value.as_ref().unwrap()).unwrap();
    assert_eq!((&event["user_id"], &event["feedback"], logged.len()), (&json!("u1"), &json!("dislike"), 1));
    assert_eq!(event["occurred_at"], NOW_MS);
    // A user whose id would leave its place in a path.
    let odd = writer(Some("a%2F..%2Fb%3Fn%3D1"));
    shop.answer_of(&odd, "set_budget", json!({"month": "7"})).await;
    assert_eq!(shop.answer_of(&odd, "budget", json!({})).await["limit"], "7.00");
}

#[tokio::test]
async fn without_a_write_key_nobody_writes() {
    let shop = Shop::new().await;
    let sender = Sender { key: Some(""), user: Some("u1") };
    assert_eq!(names(&shop.tools(&sender).await), READING);
    assert_eq!(shop.refusal_of(&sender, "set_budget", json!({"month": "1"})).await, "forbidden");
}

#[tokio::test]
async fn messages_and_arguments_of_another_shape_are_refused() {
    let shop = Shop::new().await;
    shop.stock_twelve().await;
    let sender = Sender::default();
    for (tool, arguments, code) in [
        ("get_product", json!({}), "missing"),
        ("get_product", json!({"item_id": ""}), "not_found"),
        ("get_product", json!({"item_id": "iPhone 999"}), "not_found"),
        ("get_product", json!({"item_id": "x".repeat(100_000)}), "too_long"),
        ("get_product", json!({"item_id": 7}), "bad_value"),
        ("recommend", json!({"n": 21}), "out_of_range"),
        ("recommend", json!({"n": -1}), "out_of_range"),
        ("similar", json!({"item_id": "T1", "n": 0}), "out_of_range"),
        ("faq", json!({"question": ""}), "blank"),
        ("faq", json!({"question": "a".repeat(100 * 1024)}), "too_long"),
    ] {
        assert_eq!(shop.refusal_of(&sender, tool, arguments.clone()).await, code, "{tool} {arguments:.60}");
    }
    let unknown = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "drop_tables", "arguments": {}}});
    assert_eq!(shop.message(&sender, &unknown).await.json()["error"]["code"], -32602);
    let big = json!({"jsonrpc": "2.0", "id": 1, "method": "ping", "params": {"x": "y".repeat(300_000)}});
    assert_eq!(shop.message(&sender, &big).await.error(), (413, "too_long".to_owned()));
    for (nonsense, status) in
        [(json!({"hello": "you"}), 422), (json!([]), 422), (json!("x"), 422), (json!([unknown]), 422)]
    {
        assert_eq!(shop.message(&sender, &nonsense).await.error().0, status, "{nonsense}");
    }
    let bad_user = Sender { key: None, user: Some("%ff") };
    assert_eq!(shop.message(&bad_user, &unknown).await.error(), (400, "bad_value".to_owned()));
    assert_eq!(shop.get("/mcp").await.error(), (405, "method_not_allowed".to_owned()));
    // A page somewhere has its name point here.
    let page = |name: &'static str, value: &'static str| {
        let request = Request::post("/mcp").header("content-type", "application/json");
        let request = request.header("accept", "application/json, text/event-stream");
        let request = if name == "host" { request } else { request.header("host", "127.0.0.1") };
        request.header(name, value).body(Body::from(unknown.to_string())).unwrap()
    };
    let forbidden = (403, "forbidden".to_owned());
    assert_eq!(shop.send(page("host", "evil.example")).await.error(), forbidden);
    assert_eq!(shop.send(page("origin", "https://evil.example")).await.error(), forbidden);
}
