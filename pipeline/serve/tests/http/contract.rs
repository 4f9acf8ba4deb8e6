//! What holds for every route: it is described, it asks for its key, its errors have one shape.

use std::collections::BTreeSet;

use axum::body::Body;
use axum::http::{Method, Request, header};
use serde_json::{Value, json};
use shoptide_serve::{ApiKey, Cors, openapi, routes};

use crate::common::{Shop, view};

fn described() -> Value {
    openapi()
}

#[tokio::test]
async fn the_description_lists_exactly_what_is_served() {
    let api = described();
    assert!(api["openapi"].as_str().unwrap().starts_with("3.1"));
    let mut listed = BTreeSet::new();
    for (path, item) in api["paths"].as_object().unwrap() {
        listed.extend(item.as_object().unwrap().keys().map(|method| (method.to_uppercase(), path.clone())));
    }
    let served: BTreeSet<(String, String)> = routes().into_iter().map(|(m, p)| (m, p.to_owned())).collect();
    assert_eq!(listed, served);
    let shop = Shop::new().await;
    assert_eq!(shop.get("/openapi.json").await.json(), api);
}

#[tokio::test]
async fn every_operation_is_described_whole() {
    let api = described();
    for (path, item) in api["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let name = format!("{method} {path}");
            assert!(operation["summary"].is_string(), "{name} has no summary");
            let responses = operation["responses"].as_object().unwrap();
            assert!(responses.keys().any(|s| s.starts_with('2')), "{name}");
            for status in ["400", "500", "503"] {
                assert!(responses.contains_key(status), "{name} lacks {status}");
            }
            if ["post", "put", "patch"].contains(&method.as_str()) {
                assert!(operation["requestBody"].is_object(), "{name} has no body");
                for status in ["408", "413", "415", "422"] {
                    assert!(responses.contains_key(status), "{name} lacks {status}");
                }
            }
            for (status, response) in responses {
                if status.as_str() >= "400" {
                    assert!(response["content"]["application/json"]["schema"].is_object(), "{name} {status}");
                }
            }
        }
    }
    let events =
        &api["paths"]["/v1/events"]["post"]["requestBody"]["content"]["application/json"]["schema"]["anyOf"];
    assert_eq!(events[1]["maxItems"], 1000);
    assert!(api["components"]["schemas"]["WireEvent"]["properties"]["occurred_at"].is_object());
    // No reference leads nowhere.
    let text = api.to_string();
    for reference in text.split("\"$ref\":\"#/components/schemas/").skip(1) {
        let name = reference.split('"').next().unwrap();
        assert!(api["components"]["schemas"][name].is_object(), "{name} is referred to and missing");
    }
}

#[tokio::test]
async fn the_documentation_needs_no_network() {
    let shop = Shop::new().await;
    assert_eq!(shop.get("/docs").await.headers[header::LOCATION], "/docs/");
    let page = String::from_utf8(shop.get("/docs/").await.bytes).unwrap();
    assert!(page.contains("swagger-ui") && !page.contains("https://"), "{page}");
    let script = String::from_utf8(shop.get("/docs/swagger-initializer.js").await.bytes).unwrap();
    assert!(script.contains("/openapi.json") && !script.contains("petstore"), "{script}");
    assert_eq!(shop.get("/docs/swagger-ui-bundle.js").await.status, 200);
}

/// A request that each route could take, were it not for what is wrong with it.
fn request(method: &str, path: &str) -> axum::http::request::Builder {
    Request::builder()
        .method(method)
        .uri(path.replace("{id}", "x"))
        .header(header::CONTENT_TYPE, "application/json")
}

#[tokio::test]
async fn every_error_has_the_one_body() {
    let shop = Shop::new().await;
    for (method, path) in routes() {
        let with_body = ["POST", "PUT", "PATCH"].contains(&method.as_str());
        // Errors of that protocol's requests have the protocol's shape.
        if with_body && path != "/v1/chat/completions" {
            for (body, status) in [("{", 400), ("{\"no_such_field\":1}", 422), ("[", 400), ("", 400)] {
                let answer = shop.send(request(&method, path).body(Body::from(body)).unwrap()).await;
                assert_eq!(answer.error().0, status, "{method} {path} {body}");
            }
            let untyped =
                Request::builder().method(&*method).uri(path.replace("{id}", "x")).body(Body::from("{}"));
            assert_eq!(shop.send(untyped.unwrap()).await.error().0, 415, "{method} {path}");
        }
        let odd = shop
            .send(request(&method, &format!("{path}?no_such_parameter=1")).body(Body::from("{}")).unwrap())
            .await;
        assert_eq!(odd.error(), (400, "unknown_field".to_owned()), "{method} {path}");
        let wrong = shop.send(request("PURGE", path).body(Body::empty()).unwrap()).await;
        assert_eq!(wrong.error(), (405, "method_not_allowed".to_owned()), "{method} {path}");
        assert!(wrong.headers[header::ALLOW].to_str().unwrap().contains(&method), "{method} {path}");
    }
    for path in ["/", "/v1", "/v2/events", "/v1/events/", "/favicon.ico", "/V1/events"] {
        assert_eq!(shop.get(path).await.error(), (404, "not_found".to_owned()), "{path}");
    }
    assert_eq!(shop.logged().await, 0);
    let text = String::from_utf8(shop.get("/metrics").await.bytes).unwrap();
    assert!(text.contains("shoptide_http_requests_total{route=\"unknown\",status=\"404\"} 6"), "{text}");
    assert!(!text.contains("status=\"5"), "no bad input may be our failure\n{text}");
}

#[tokio::test]
async fn keys_open_what_they_are_for() {
    let shop = Shop::with(|options| {
        options.write_key = Some(ApiKey::new("write-canary-0123456789"));
        options.read_key = Some(ApiKey::new("read-canary-0123456789"));
    })
    .await;
    let open = ["/live", "/ready", "/metrics", "/health", "/openapi.json"];
    let writes = |method: &str, path: &str| {
        matches!(method, "PUT" | "PATCH" | "DELETE")
            || [
                "/v1/events",
                "/v1/items",
                "/v1/chat",
                "/v1/chat/completions",
                "/v1/recommendations/{record_id}/feedback",
                "/v1/faq/entries",
            ]
            .contains(&path)
    };
    for (method, path) in routes() {
        if open.contains(&path) {
            assert_eq!(shop.get(path).await.status, 200, "{path}");
            continue;
        }
        let (right, wrong) = ("write-canary-0123456789", "read-canary-0123456789");
        let (right, wrong) = if writes(&method, path) { (right, wrong) } else { (wrong, right) };
        // Where either opens, a third opens nothing.
        let wrong = if path == "/mcp" { "other-canary-0123456789" } else { wrong };
        let with = |name: &str, value: String| {
            request(&method, path).header(name, value).body(Body::from("{}")).unwrap()
        };
        let refused = [
            request(&method, path).body(Body::from("{}")).unwrap(),
            with("x-api-key", wrong.to_owned()),
            with("x-api-key", format!("{right}x")),
            with("x-api-key", String::new()),
            with("authorization", format!("Basic {right}")),
            with("authorization", format!("Bearer {wrong}")),
            with("authorization", right.to_owned()),
        ];
        for bad in refused {
            let answer = shop.send(bad).await;
            assert_eq!(answer.error(), (401, "unauthorized".to_owned()), "{method} {path}");
            assert_eq!(answer.headers[header::WWW_AUTHENTICATE], "Bearer");
        }
        for good in [with("x-api-key", right.to_owned()), with("authorization", format!("bearer {right}"))] {
            assert_ne!(shop.send(good).await.status, 401, "{method} {path}");
        }
    }
    assert_eq!(format!("{:?}", shop.context.options.write_key), "Some(***)");
}

#[tokio::test]
async fn browsers_of_listed_origins_may_call() {
    let preflight = |origin: &str| {
        let request =
            Request::builder().method(Method::OPTIONS).uri("/v1/events").header(header::ORIGIN, origin);
        let request = request.header(header::ACCESS_CONTROL_REQUEST_METHOD, "POST");
        request
            .header(header::ACCESS_CONTROL_REQUEST_HEADERS, "content-type,x-api-key")
            .body(Body::empty())
            .unwrap()
    };
    let event = |origin: &str| {
        let request = Request::post("/v1/events").header(header::CONTENT_TYPE, "application/json");
        request.header(header::ORIGIN, origin).body(Body::from(view("e", "u", "i").to_string())).unwrap()
    };
    let allow = header::ACCESS_CONTROL_ALLOW_ORIGIN;
    let nobody = Shop::new().await;
    assert_eq!(nobody.send(preflight("https://shop.example")).await.error().0, 405);
    assert!(!nobody.send(event("https://shop.example")).await.headers.contains_key(&allow));

    let only = Shop::with(|o| o.cors = Cors::Only(vec!["https://shop.example".to_owned()])).await;
    let allowed = only.send(preflight("https://shop.example")).await;
    assert_eq!(allowed.headers[&allow], "https://shop.example");
    assert!(allowed.headers[header::ACCESS_CONTROL_ALLOW_HEADERS].to_str().unwrap().contains("x-api-key"));
    for other in ["https://evil.example", "https://shop.example.evil.example", "http://shop.example", "null"]
    {
        assert!(!only.send(preflight(other)).await.headers.contains_key(&allow), "{other}");
        assert!(!only.send(event(other)).await.headers.contains_key(&allow), "{other}");
    }
    let anybody = Shop::with(|o| o.cors = Cors::Anybody).await;
    let answer = anybody.send(event("https://any.example")).await;
    assert_eq!((answer.status.as_u16(), &answer.headers[&allow]), (200, &"*".parse().unwrap()));
    assert!(!answer.headers.contains_key(header::ACCESS_CONTROL_ALLOW_CREDENTIALS));
}

#[tokio::test]
async fn metrics_can_be_switched_off_and_ready_is_ready() {
    let shop = Shop::with(|options| options.metrics = false).await;
    assert_eq!(shop.get("/metrics").await.error().0, 404);
    let checks = json!({"cache": "ok", "catalogue": "ok", "log": "ok", "shards": "ok", "store": "ok"});
    assert_eq!(shop.get("/ready").await.json(), json!({"status": "ready", "checks": checks}));
    let health =
        json!({"status": "healthy", "model_loaded": false, "num_users": 0, "num_items": 0, "degraded": []});
    assert_eq!(shop.get("/health").await.json(), health);
    assert_eq!(shop.get("/live").await.json(), json!({"status": "live"}));
}

/// As in `cargo demo`: the routes are there, and say what is missing.
#[cfg(not(feature = "search"))]
#[tokio::test]
async fn a_program_built_without_search_says_so() {
    let shop = Shop::new().await;
    for path in ["/v1/search?q=a", "/v1/suggest?q=a"] {
        let answer = shop.get(path).await;
        assert_eq!(answer.error(), (501, "not_implemented".to_owned()), "{path}");
        assert!(answer.json()["message"].as_str().unwrap().contains("--features search"));
    }
}
