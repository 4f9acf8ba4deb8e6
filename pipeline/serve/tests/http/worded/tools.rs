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
async fn a_tool_brings_what_may_be_said_and_the_products_stay_the_rules() {
    let spoken = Spoken::new().await;
    let said = "云帆 商务手机 1010 黑色售价1899元，有货。";
    let replies = [call("get_product", json!({"item_id": "P10"})), Reply::text(said)];
    let answer = spoken.answered("ann", "你好", replies).await;
    assert_eq!((&answer["source"], &answer["reply"]), (&json!("model"), &json!(said)));
    assert_eq!(products(&answer), Vec::<String>::new());
    assert_eq!(told(&spoken)["item_id"], "P10");
    let record = spoken.record("ann", &answer, 1).await;
    assert_eq!((&record["tool_calls"], &record["requests"]), (&json!(1), &json!(2)));
    let unsaid = spoken.answered("bob", "你好", [Reply::text(said)]).await;
    assert_eq!(unsaid["source"], "rules", "nobody brought it");
}

#[tokio::test]
async fn what_a_tool_found_keeps_to_the_conditions_and_to_the_month() {
    let spoken = Spoken::new().await;
    let month = json!({"month": "2000", "currency": "CNY"});
    let set = spoken.shop.call(Method::PUT, "/v1/users/ann/budget", Some(month)).await;
    assert_eq!(set.status.as_u16() / 100, 2);
    for (user, message, item, said) in [
        ("ann", "手机", "P06", "华为 Nova 12 256GB 粉色售价2599元。"),
        ("u1", "三千以内的手机", "P03", "小米 14 256GB 白色售价3999元。"),
        ("u2", "手机，不要苹果", "P01", "苹果 iPhone 15 128GB 黑色售价5999元。"),
        ("u3", "华为的手机", "P10", "云帆 商务手机 1010 黑色售价1899元。"),
        ("u4", "三星手机", "P08", "三星 Galaxy A15 黑色售价1099元。"),
    ] {
        let rules = by_rules(message).await;
        let replies = [call("get_product", json!({ "item_id": item })), Reply::text(said)];
        let answer = spoken.answered(user, message, replies).await;
        assert_eq!(answer["source"], "rules", "{said} -> {answer}");
        assert_eq!(told(&spoken)["item_id"], item, "it was found");
        assert_eq!(spoken.record(user, &answer, 1).await["why"], "ungrounded");
        if user != "ann" {
            assert_eq!(answer["reply"], rules["reply"]);
        }
    }
    // Where nothing speaks against it, the same may be said.
    let said = "华为 Nova 12 256GB 粉色售价2599元。";
    let replies = [call("recommend", json!({"n": 20})), Reply::text(said)];
    let answer = spoken.answered("u5", "你好", replies).await;
    let brought = told(&spoken)["items"].as_array().unwrap().iter().any(|item| item["item_id"] == "P06");
    assert_eq!(answer["source"] == "model", brought, "{answer}");
    let replies = [call("similar", json!({"item_id": "P05", "n": 20})), Reply::text(said)];
    assert_eq!(spoken.answered("u6", "你好", replies).await["source"], "model", "{}", told(&spoken));
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
