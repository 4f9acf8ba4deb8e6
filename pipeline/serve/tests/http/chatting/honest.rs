//! What is said of conditions is what the shopper gets when he acts on it: the words that no condition holds, prices in other currencies, and
//! what to give up.

use super::*;

fn row(id: &str, title: &str, brand: &str, category: &str, price: &str, currency: &str) -> Value {
    json!({"item_id": id, "title": title, "brand": brand, "category": category, "price": price, "currency": currency, "stock": 3})
}

/// The small shop with a phone that alone says "zorblax", in its description.
async fn worded() -> Shop {
    let shop = Shop::new().await;
    let mut rows = rows();
    let mut rare = row("Z1", "云帆 手机", "Cloudsail", "technology/phone", "1500.00", "CNY");
    rare["description"] = json!("With zorblax inside.");
    rows.push(rare);
    shop.stock(Value::Array(rows)).await;
    shop
}

/// The words and the index know everything.
async fn ready(shop: &Shop) {
    shop.words_are_known().await;
    shop.found("/v1/search?n=1").await;
}

/// How many products a reply says that giving something up would give.
fn promised(answer: &Value, giving_up: &str) -> usize {
    let reply = answer["reply"].as_str().unwrap();
    let (_, rest) = reply.split_once(giving_up).unwrap_or_else(|| panic!("{giving_up} is not in {reply}"));
    let digits = rest.trim_start_matches("，有 ").split(' ').next().unwrap();
    digits.parse().unwrap_or_else(|_| panic!("{reply}"))
}

/// How many a reply says that it found.
fn found(answer: &Value) -> usize {
    let reply = answer["reply"].as_str().unwrap();
    let (_, rest) = reply.split_once("找到 ").unwrap_or_else(|| panic!("{reply}"));
    rest.split(' ').next().unwrap().parse().unwrap_or_else(|_| panic!("{reply}"))
}

#[tokio::test]
async fn a_rare_product_is_found_however_many_others_say_its_words_louder() {
    let shop = worded().await;
    let loud = |n: usize| {
        row(
            &format!("H{n}"),
            &format!("zorblax edition {n}"),
            "Bluebird",
            "technology/headphones",
            "9.00",
            "CNY",
        )
    };
    for lot in (0..1_100).map(loud).collect::<Vec<_>>().chunks(500) {
        shop.stock(json!(lot)).await;
    }
    ready(&shop).await;
    let answer = shop.turn("ann", &Value::Null, "zorblax 手机").await;
    assert_eq!(products(&answer), ["Z1"], "{answer}");
    let answer = shop.turn("ann", &Value::Null, "zorblax 耳机").await;
    assert_eq!(found(&answer), 1_100, "all are counted");
}

#[tokio::test]
async fn what_giving_a_condition_up_gives_is_counted_with_the_words() {
    let shop = worded().await;
    ready(&shop).await;
    for message in ["zorblax 手机 100元以内", "zorblax 100元以内"] {
        let none = shop.turn("ann", &Value::Null, message).await;
        assert_eq!((products(&none).len(), promised(&none, "不限价格")), (0, 1), "{message}: {none}");
        let some = shop.turn("ann", &none["session_id"], "不限预算").await;
        assert_eq!(products(&some), ["Z1"], "{message}: {some}");
    }
    // Nobody says it: with a category the closest are shown, and it is said that they do not.
    let none = shop.turn("bob", &Value::Null, "quuxfrob 手机 100元以内").await;
    assert!(none["reply"].as_str().unwrap().contains("没有商品写着“quuxfrob”"), "{none}");
    let some = shop.turn("bob", &none["session_id"], "不限预算").await;
    assert_eq!((promised(&none, "不限价格"), found(&some)), (12, 12), "{none} {some}");
    assert!(some["reply"].as_str().unwrap().contains("没有商品写着“quuxfrob”"), "{some}");
    // Without one nothing is.
    let none = shop.turn("bob", &Value::Null, "quuxfrob，3000元以内").await;
    assert!(none["reply"].as_str().unwrap().contains("放宽任何一个条件也没有"), "{none}");
    let still = shop.turn("bob", &none["session_id"], "不限预算").await;
    assert_eq!(products(&still).len(), 0, "{still}");
}

#[tokio::test]
async fn what_giving_a_condition_up_gives_is_what_is_shown_then() {
    let shop = shop().await;
    for (script, giving_up, then) in [
        // "Any price" is no "cheaper" either.
        (&["三千以内拍照好的手机，不要苹果", "还要有NFC", "便宜点的"][..], "不限价格", "不限预算"),
        // "Any brand" excludes none.
        (&["不要苹果的手机，5000以上", "三星的"], "不限品牌", "品牌不限"),
        // Whoever changes a condition is shown again what he has seen.
        (&["小米手机", "还有吗"], "不限品牌", "不限品牌"),
    ] {
        let mut answer = json!({"session_id": null});
        for message in script {
            answer = shop.turn("ann", &answer["session_id"], message).await;
        }
        assert_eq!(products(&answer).len(), 0, "{script:?}: {answer}");
        let promised = promised(&answer, giving_up);
        let answer = shop.turn("ann", &answer["session_id"], then).await;
        assert_eq!(found(&answer), promised, "{script:?}: {answer}");
        shop.clock.fetch_add(60_000, std::sync::atomic::Ordering::Relaxed);
    }
}

#[tokio::test]
async fn a_price_in_another_currency_meets_no_bound() {
    let shop = Shop::new().await;
    let mut rows = rows();
    rows.push(row("U1", "Zeta one", "Zeta", "technology/phone", "400.00", "USD"));
    rows.push(row("U2", "Zeta two", "Zeta", "technology/phone", "500.00", "USD"));
    shop.stock(Value::Array(rows)).await;
    shop.words_are_known().await;
    let none = shop.turn("ann", &Value::Null, "zeta 手机，1000元以内").await;
    assert_eq!(products(&none).len(), 0, "{none}");
    assert!(none["reply"].as_str().unwrap().contains("另有 2 款不是用 CNY 标价"), "{none}");
    let unsaid = shop.turn("ann", &Value::Null, "手机，800以内").await;
    assert_eq!(products(&unsaid), ["P11"], "the shop's own: {unsaid}");
    let cheaper = shop.turn("ann", &unsaid["session_id"], "便宜点的").await;
    assert_eq!(products(&cheaper).len(), 0, "{cheaper}");
    let dollars = shop.turn("ann", &Value::Null, "zeta phone under $450").await;
    assert_eq!(products(&dollars), ["U1"], "{dollars}");
    let none = shop.turn("ann", &Value::Null, "xiaomi phone under $9000").await;
    let reply = none["reply"].as_str().unwrap();
    assert!(products(&none).is_empty() && reply.contains("1 more are not priced in USD"), "{none}");
    let sorted = shop.turn("ann", &Value::Null, "最便宜的手机").await;
    assert_eq!(products(&sorted)[0], "P11", "400 USD is not less than 599 CNY: {sorted}");
}
