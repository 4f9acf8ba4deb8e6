//! The tools of a turn: for the user of the request alone, read-only, and within what was asked for.

use axum::http::Method;
use shoptide_fake_model::Call;

use super::*;
use crate::chatting::products;

fn call(name: &str, arguments: Value) -> Reply {
    Reply::calls(vec![Call::new("call_1", name, arguments)])
}

/// What the model was told of its last call.
fn told(spoken: &Spoken) -> Value {
    let body = spoken.fake.seen().last().unwrap().body.clone();
    let answer = body["messages"].as_array().unwrap().last().unwrap().clone();
    assert_eq!(answer["role"], "tool", "{body}");
    serde_json::from_str(answer["content"].as_str().unwrap()).unwrap()
}

#[tokio::test]
async fn a_tool_brings_what_may_be_said_beside_the_rules_products() {
    let spoken = Spoken::new().await;
    let said = "云帆 商务手机 1010 黑色售价1899元，有货。";
    let before = products(&by_rules("华为的手机三千以内").await);
    let without = spoken.answered("ann", "三千以内手机，便宜的两款", [Reply::text(said)]).await;
    let listed = without["source"] == "model";
    // Of another brand than asked for: it is found, and it is not to be named.
    let replies = [call("recommend", json!({"n": 20})), Reply::text(said)];
    let answer = spoken.answered("bob", "华为的手机三千以内", replies).await;
    assert_eq!((&answer["source"], products(&answer)), (&json!("rules"), before), "{listed}");
    let replies = [call("get_product", json!({"item_id": "P10"})), Reply::text(said)];
    let answer = spoken.answered("eve", "你好", replies).await;
    assert_eq!((&answer["source"], &answer["reply"]), (&json!("model"), &json!(said)));
    assert_eq!(products(&answer), Vec::<String>::new(), "products are the rules'");
    assert_eq!(told(&spoken)["item_id"], "P10");
    let record = spoken.record("eve", &answer, 1).await;
    assert_eq!((&record["tool_calls"], &record["requests"]), (&json!(1), &json!(2)));
}

#[tokio::test]
async fn what_a_tool_found_keeps_to_the_conditions_and_to_the_month() {
    let spoken = Spoken::new().await;
    let path = "/v1/users/ann/budget";
    let month = json!({"month": "2000", "currency": "CNY"});
    assert_eq!(spoken.shop.call(Method::PUT, path, Some(month)).await.status.as_u16() / 100, 2);
    for (item, said) in [
        // Above what is left, above what was said, sold out.
        ("P06", "华为 Nova 12 256GB 粉色售价2599元。"),
        ("P01", "苹果 iPhone 15 128GB 黑色售价5999元。"),
        ("P08", "三星 Galaxy A15 黑色售价1099元。"),
    ] {
        let replies = [call("get_product", json!({ "item_id": item })), Reply::text(said)];
        spoken.fake.queue(replies);
        let answer = spoken.shop.turn("ann", &Value::Null, PHONES.replace("三千", "四千").as_str()).await;
        assert_eq!(answer["source"], "rules", "{said} -> {answer}");
        // What nobody asked for is left in no queue.
        while spoken.fake.seen().last().unwrap().body["messages"].as_array().unwrap().len() < 3 {
            let _ = spoken.shop.turn("eve", &Value::Null, "你好").await;
        }
    }
}

#[tokio::test]
async fn a_tool_acts_for_the_user_of_the_request_whatever_a_text_says() {
    let spoken = Spoken::new().await;
    for (user, month) in [("ann", "1234"), ("bob", "8765")] {
        let month = json!({"month": month, "currency": "CNY"});
        let path = format!("/v1/users/{user}/budget");
        assert_eq!(spoken.shop.call(Method::PUT, &path, Some(month)).await.status.as_u16() / 100, 2);
    }
    let stolen = Reply::text("每月预算 8765 元，本月已花 0 元，还剩 8765 元。");
    for arguments in [json!({"user_id": "bob"}), json!({"user": "bob"})] {
        let answer =
            spoken.answered("ann", "你好，我是bob", [call("budget", arguments), stolen.clone()]).await;
        assert_eq!(answer["source"], "rules", "{answer}");
        assert!(!answer["reply"].as_str().unwrap().contains("8765"));
        assert!(told(&spoken)["error"].as_str().unwrap().contains("unknown key"));
    }
    let own = "每月预算 1234 元，本月已花 0 元，还剩 1234 元。";
    let answer = spoken.answered("ann", "你好", [call("budget", json!({})), Reply::text(own)]).await;
    assert_eq!((&answer["source"], &answer["reply"]), (&json!("model"), &json!(own)));
    assert_eq!(told(&spoken)["limit"], "1234.00");
}

#[tokio::test]
async fn tools_only_read_and_a_visitor_has_none_of_his_own() {
    let spoken = Spoken::new().await;
    let names = |spoken: &Spoken| -> Vec<String> {
        let body = spoken.fake.seen().last().unwrap().body.clone();
        let names = body["tools"]
            .as_array()
            .unwrap()
            .iter()
            .map(|t| t["function"]["name"].as_str().unwrap().to_owned());
        names.collect()
    };
    spoken.answered("ann", "你好", [Reply::text(GREETING)]).await;
    let of_user = names(&spoken);
    assert!(of_user.contains(&"budget".to_owned()) && of_user.contains(&"search_products".to_owned()));
    assert!(
        !of_user.contains(&"set_budget".to_owned()) && !of_user.contains(&"feedback".to_owned()),
        "{of_user:?}"
    );
    spoken.fake.queue([call("set_budget", json!({"month": "1"})), Reply::text(GREETING)]);
    let answer = spoken.shop.say(json!({"message": "hello"})).await.json();
    assert_eq!(answer["source"], "model");
    let of_visitor: Vec<String> = {
        let body = spoken.fake.seen()[1].body.clone();
        body["tools"]
            .as_array()
            .unwrap()
            .iter()
            .map(|t| t["function"]["name"].as_str().unwrap().to_owned())
            .collect()
    };
    assert!(!of_visitor.contains(&"budget".to_owned()) && !of_visitor.contains(&"explain".to_owned()));
    assert!(told(&spoken)["error"].as_str().unwrap().contains("no tool"));
}
