//! Dialogues over HTTP: what each message shows, in both languages, and that whatever is shown meets all that was said.

use std::collections::BTreeSet;
use std::sync::atomic::Ordering;

use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use shoptide_store::Truth;

use super::*;
use crate::common::view;
use crate::reading::publish_model;

/// Each message with its action, the products in any order (`*` leaves them open), and a part of the reply.
async fn dialogue(shop: &Shop, user: &str, script: &[(&str, &str, &str, &str)]) {
    let mut session = Value::Null;
    for (message, action, shown, part) in script {
        let answer = shop.turn(user, &session, message).await;
        assert_eq!(answer["action"], *action, "{message}: {answer}");
        let reply = answer["reply"].as_str().unwrap();
        assert!(reply.contains(part), "{message}: {reply}");
        if *shown != "*" {
            let found: BTreeSet<String> = products(&answer).into_iter().collect();
            let expected: BTreeSet<String> = shown.split_whitespace().map(str::to_owned).collect();
            assert_eq!(found, expected, "{message}: {reply}");
        }
        session = answer["session_id"].clone();
        shop.clock.fetch_add(4_000, Ordering::Relaxed);
    }
}

#[tokio::test]
async fn conditions_are_kept_changed_and_given_up() {
    let shop = shop().await;
    let script = [
        ("三千以内拍照好的手机，不要苹果", "show", "P06 P09", "拍照"),
        ("第一个支持快充吗", "describe", "", "有“快充”"),
        ("第二个有NFC吗", "describe", "", "不能确定"),
        ("便宜点的", "show", "", "不比刚才的价格"),
        ("不限预算了", "show", "P06 P03 P07 P05 P09", "5 款"),
        ("第一个和第二个哪个好", "compare", "*", "便宜"),
        ("第一个以前多少钱", "price_history", "", "没有变过价"),
        ("第一个不喜欢", "feedback", "", "不再推荐"),
        ("还有别的吗", "show", "", "没有更多了"),
    ];
    dialogue(&shop, "ann", &script).await;
    let script = [
        ("noise cancelling headphones under 2000 yuan", "show", "P14 P15 P18", "noise cancelling"),
        ("no Apple", "show", "P14 P15", "no apple"),
        ("which of these is more comfortable", "compare", "*", "comfortable"),
        ("does the first one have NFC", "describe", "", "does not say"),
        ("something like the second one", "similar", "*", "Like"),
        ("how do I return something", "service", "", "That I do not know"),
        ("what is the weather", "decline", "", "cannot help"),
    ];
    dialogue(&shop, "bob", &script).await;
}

#[tokio::test]
async fn one_question_and_never_two() {
    let shop = shop().await;
    let script = [
        ("帮我推荐一下", "ask", "", "您想买什么"),
        ("预算3000", "show", "*", "3000 元以内"),
        ("手机", "show", "*", "手机"),
    ];
    dialogue(&shop, "ann", &script).await;
}

#[tokio::test]
async fn the_months_budget_is_asked_about_set_and_kept() {
    let shop = shop().await;
    let script = [
        ("这个月预算还剩多少", "budget", "", "还没有设月预算"),
        ("每个月预算3000", "budget", "", "3000 元"),
        ("手机", "show", "P04 P06 P09 P10 P11", "超出本月剩余预算"),
        ("笔记本电脑", "show", "", "最便宜的 3299 元"),
        ("how much of my monthly budget is left", "budget", "", "3000 CNY is left"),
    ];
    dialogue(&shop, "ann", &script).await;
    let budget = shop.get("/v1/users/ann/budget").await.json();
    assert_eq!((&budget["limit"], &budget["currency"]), (&json!("3000.00"), &json!("CNY")));
    let other = shop.turn("bob", &Value::Null, "笔记本电脑").await;
    assert_eq!(products(&other).len(), 5, "a budget is its user's");
}

#[tokio::test]
async fn prices_of_before_are_told_in_their_order_with_their_days() {
    let shop = shop().await;
    let answer = shop.turn("ann", &Value::Null, "小米手机").await;
    assert_eq!(products(&answer), ["P03"]);
    const DAY_MS: i64 = 86_400_000;
    let changes = [
        ("price", json!({"price": "4599.00"}), 9),
        ("price", json!({"price": "4299.00"}), 5),
        ("stock", json!({"stock": 2}), 4),
        ("price", json!({"price": "3999.00"}), 1),
    ];
    for (n, (kind, fields, days)) in changes.into_iter().enumerate() {
        let mut event = json!({"event_id": format!("p{n}"), "type": kind, "item_id": "P03",
            "occurred_at": crate::common::NOW_MS - days * DAY_MS});
        event.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        if kind == "price" {
            event["currency"] = json!("CNY");
        }
        assert_eq!(shop.post("/v1/events", event.to_string()).await.json()["rejected"], 0);
    }
    shop.catalogue_is_live().await;
    shop.fold_catalogue().await;
    let answer = shop.turn("ann", &answer["session_id"], "这个以前多少钱").await;
    let reply = answer["reply"].as_str().unwrap();
    let told = [
        "现在 3999 元，从 2026-05-03 起。",
        "4299 元（2026-04-29 起）、4599 元（2026-04-25 起）",
        "最低 3999 元",
    ];
    for part in told {
        assert!(reply.contains(part), "{reply}");
    }
    assert!(!reply.contains("没写日期"), "{reply}");
    let answer = shop.turn("ann", &answer["session_id"], "what did it cost before").await;
    let reply = answer["reply"].as_str().unwrap();
    for part in
        ["is 3999 CNY now, since 2026-05-03.", "4299 CNY (from 2026-04-29), 4599 CNY (from 2026-04-25)"]
    {
        assert!(reply.contains(part), "{reply}");
    }
}

/// The log keeps records for a while only: prices stay, their days do not.
#[tokio::test]
async fn prices_whose_records_are_gone_have_an_order_only() {
    let shop = shop().await;
    let answer = shop.turn("ann", &Value::Null, "小米手机").await;
    let number = shop.live.catalogue().number(&shoptide_schemas::ItemId::parse("P03").unwrap()).unwrap();
    let rows = shop.truth.assign(0, &[(Topic::Catalogue, 0)]).await.unwrap();
    let catalogue = shop.live.catalogue();
    let (id, item) = catalogue.row(number).unwrap();
    // Of records that the log does not have.
    let version = |from_off: i64, price: i64| shoptide_store::ItemRow {
        num: number,
        item: id.clone(),
        from_off: 1_000_000 + from_off,
        data: shoptide_models::catalogue::CatalogueItem {
            price: Some((Micros(price * 1_000_000), shoptide_schemas::Currency(*b"CNY"))),
            ..item.clone()
        }
        .encode(),
    };
    let commit = shoptide_store::Commit {
        epoch: rows[0].epoch,
        offsets: vec![shoptide_store::OffsetMove {
            topic: Topic::Catalogue,
            from: 0,
            to: 0,
            append_ms: 0,
            tally: shoptide_store::Tally::default(),
        }],
        items: vec![version(1, 4_599), version(2, 4_299), version(3, 3_999)],
        ..shoptide_store::Commit::default()
    };
    shop.truth.commit(commit).await.unwrap();
    let answer = shop.turn("ann", &answer["session_id"], "这个以前多少钱").await;
    let reply = answer["reply"].as_str().unwrap();
    for part in
        ["现在 3999 元。", "4299 元、4599 元", "最低 3999 元", "最高 4599 元", "没写日期的价格只知道先后"]
    {
        assert!(reply.contains(part), "{reply}");
    }
}

#[tokio::test]
async fn what_is_sold_out_is_gone_at_once_and_a_new_brand_is_understood() {
    let shop = shop().await;
    shop.call(Method::PATCH, "/v1/items/P06", Some(json!({"stock": 0}))).await;
    shop.catalogue_is_live().await;
    let answer = shop.turn("ann", &Value::Null, "三千以内拍照好的手机").await;
    assert_eq!(products(&answer), ["P09"], "before the words have heard of it");
    let row = json!([{"item_id": "N1", "title": "Zyphora 影像手机 1", "brand": "Zyphora", "category": "technology/phone",
        "tags": ["手机", "拍照"], "price": "1999.00", "currency": "CNY", "stock": 3}]);
    shop.stock(row).await;
    shop.words_are_known().await;
    let answer = shop.turn("ann", &Value::Null, "有 zyphora 的手机吗").await;
    assert_eq!(products(&answer), ["N1"], "{answer}");
    let answer = shop.turn("ann", &Value::Null, "三千以内拍照好的手机，不要zyphora").await;
    assert_eq!(products(&answer), ["P09"], "{answer}");
}

#[tokio::test]
async fn reasons_name_the_users_own_acts() {
    let shop = Shop::new().await;
    shop.stock_twelve().await;
    publish_model(&shop);
    shop.know("u1", &[view("e", "u1", "T1")], &["T2", "T1"]).await;
    shop.words_are_known().await;
    let answer = shop.turn("u1", &Value::Null, "a phone below 600 yuan").await;
    let evidence: Vec<&Value> = answer["products"]
        .as_array()
        .unwrap()
        .iter()
        .flat_map(|p| p["reasons"].as_array().unwrap())
        .filter_map(|r| r.get("evidence"))
        .collect();
    assert!(!evidence.is_empty(), "{answer}");
    assert_eq!(
        (&evidence[0]["item_id"], &evidence[0]["act"], &evidence[0]["at"]),
        (&json!("T1"), &json!("view_item"), &json!("2026-05-04T12:00:00.000Z"))
    );
    // Without any condition: what his own list says.
    let session = shop.turn("u1", &Value::Null, "recommend something").await;
    assert_eq!(session["action"], "ask");
    let answer = shop.turn("u1", &session["session_id"], "show me more").await;
    assert_eq!(answer["action"], "show", "{answer}");
    assert!(!products(&answer).is_empty(), "{answer}");
}

/// What may be said of a search, with what it means for whoever checks the answer.
#[derive(Debug, Clone, Default)]
struct Said {
    max: Option<i64>,
    min: Option<i64>,
    brand: Option<&'static str>,
    not: Option<&'static str>,
    tag: Option<&'static str>,
}

impl Said {
    fn message(&self) -> String {
        let mut text = String::new();
        match (self.min, self.max) {
            (Some(min), Some(max)) => text.push_str(&format!("{min}到{max}元")),
            (None, Some(max)) => text.push_str(&format!("{max}元以内")),
            (Some(min), None) => text.push_str(&format!("{min}元以上")),
            (None, None) => {}
        }
        if let Some(tag) = self.tag {
            text.push_str(&format!("要有{tag}的"));
        }
        text.push_str(self.brand.unwrap_or_default());
        text.push_str("手机");
        if let Some(not) = self.not {
            text.push_str(&format!("，不要{not}"));
        }
        text
    }
}

fn said() -> impl Strategy<Value = Said> {
    let brand = || prop::option::of(prop::sample::select(vec!["苹果", "小米", "华为", "三星", "红米"]));
    let price = || prop::option::of(5i64..70);
    (price(), price(), brand(), brand(), prop::option::of(prop::sample::select(vec!["NFC", "快充", "防水"])))
        .prop_map(|(a, b, brand, not, tag)| {
            let (min, max) = match (a, b) {
                (Some(a), Some(b)) if a == b => (None, Some(a * 100)),
                (Some(a), Some(b)) => (Some(a.min(b) * 100), Some(a.max(b) * 100)),
                (a, b) => (a.map(|a| a * 100), b.map(|b| b * 100)),
            };
            Said { max, min, brand, not: not.filter(|not| Some(*not) != brand), tag }
        })
}

/// Hard conditions are met by every product that is shown, while stock and prices change under it.
#[test]
fn whatever_is_shown_meets_every_hard_condition() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let shop = runtime.block_on(shop());
    let spelled = |brand: &str| match brand {
        "苹果" => "Apple".to_owned(),
        "三星" => "Samsung".to_owned(),
        other => other.to_owned(),
    };
    let (shown, turns) = (std::cell::Cell::new(0), std::cell::Cell::new(0));
    let changes = prop::collection::vec((0usize..12, 3i64..70, 0i64..2), 0..3);
    let strategy = (prop::collection::vec(said(), 1..4), changes, prop::option::of(10i64..60));
    let outcome =
        TestRunner::new(ProptestConfig::with_cases(48)).run(&strategy, |(script, changes, budget)| {
            turns.set(turns.get() + 1);
            let user = format!("u{}", turns.get());
            runtime.block_on(async {
                for (item, price, stock) in changes {
                    let path = format!("/v1/items/P{:02}", item + 1);
                    let body =
                        json!({"price": format!("{}.00", price * 100), "currency": "CNY", "stock": stock});
                    shop.call(Method::PATCH, &path, Some(body)).await;
                }
                // The live catalogue alone: the words may still be behind.
                shop.catalogue_is_live().await;
                if let Some(budget) = budget {
                    let body = json!({"month": format!("{}.00", budget * 100)});
                    shop.call(Method::PUT, &format!("/v1/users/{user}/budget"), Some(body)).await;
                }
                for said in &script {
                    let answer = shop.turn(&user, &Value::Null, &said.message()).await;
                    let catalogue = shop.live.catalogue();
                    for product in answer["products"].as_array().unwrap() {
                        let id =
                            shoptide_schemas::ItemId::parse(product["item_id"].as_str().unwrap()).unwrap();
                        let (_, row) = catalogue.row(catalogue.number(&id).unwrap()).unwrap();
                        let cost = row.price.unwrap().0;
                        let whole = |n: i64| Micros(n * 1_000_000);
                        prop_assert_eq!(price(product), cost, "the price that is said");
                        prop_assert!(row.in_stock() && row.category == "technology/phone");
                        prop_assert!(said.max.is_none_or(|max| cost <= whole(max)), "{:?} {}", said, product);
                        prop_assert!(said.min.is_none_or(|min| whole(min) <= cost), "{:?} {}", said, product);
                        prop_assert!(
                            budget.is_none_or(|b| cost <= whole(b * 100)),
                            "{:?} {}",
                            budget,
                            product
                        );
                        prop_assert!(
                            said.brand.is_none_or(|b| row.brand == spelled(b)),
                            "{:?} {}",
                            said,
                            product
                        );
                        prop_assert!(
                            said.not.is_none_or(|b| row.brand != spelled(b)),
                            "{:?} {}",
                            said,
                            product
                        );
                        let tagged = |tag: &str| row.tags.iter().any(|t| t.eq_ignore_ascii_case(tag));
                        prop_assert!(said.tag.is_none_or(tagged), "{:?} {}", said, product);
                        shown.set(shown.get() + 1);
                    }
                }
                Ok(())
            })
        });
    outcome.unwrap();
    assert!(50 < shown.get(), "only {} products were shown", shown.get());
}

/// A shop that learns what "glimmer" is finds it in titles of before, too, when nobody wants it.
#[tokio::test]
async fn what_a_new_word_excludes_is_not_shown_though_its_row_is_old() {
    let shop = shop().await;
    let lamp = |id: &str, title: &str, tags: &[&str]| {
        json!({"item_id": id, "title": title, "brand": "Aurora", "category": "home/lamp", "tags": tags,
            "price": "90.00", "currency": "CNY", "stock": 3})
    };
    shop.stock(json!([lamp("L1", "Desk lamp glimmer", &[]), lamp("L2", "Desk lamp plain", &[])])).await;
    shop.words_are_known().await;
    let before = shop.turn("ann", &Value::Null, "a lamp").await;
    assert_eq!(products(&before).len(), 2, "{before}");
    shop.stock(json!([lamp("L3", "Floor lamp", &["glimmer"])])).await;
    shop.words_are_known().await;
    let answer = shop.turn("ann", &Value::Null, "a lamp, no glimmer").await;
    assert_eq!(products(&answer), ["L2"], "{answer}");
}
