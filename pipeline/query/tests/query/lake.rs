//! Events out of files: the same as in memory, and no more of the files than the question needs.

use datafusion::physical_plan::displayable;
use shoptide_query::Statement;

use crate::common::*;

#[tokio::test]
async fn every_event_is_there_once_for_each_time_it_was_logged() {
    let lake = lake(1, 2_000);
    assert_eq!(rows(&lake.shop, "SELECT count(*) FROM events").await, [[lake.events.len().to_string()]]);
    // Counted from the rows themselves, not from what the commit says of them.
    let counted = rows(
        &lake.shop,
        "SELECT topic, \"partition\", count(event_id), min(\"offset\"), max(\"offset\") FROM events GROUP BY 1, 2 ORDER BY 1, 2",
    )
    .await;
    let mut by_hand = std::collections::BTreeMap::new();
    for event in &lake.events {
        let entry =
            by_hand.entry((event.topic.name().to_owned(), event.partition)).or_insert((0, i64::MAX, 0));
        *entry = (entry.0 + 1, entry.1.min(event.offset), entry.2.max(event.offset));
    }
    let by_hand: Vec<Vec<String>> = by_hand
        .into_iter()
        .map(|((topic, partition), (n, low, high))| {
            vec![topic, partition.to_string(), n.to_string(), low.to_string(), high.to_string()]
        })
        .collect();
    assert_eq!(counted, by_hand);
    let all = rows(&lake.shop, "SELECT * FROM events LIMIT 3").await;
    assert_eq!((all.len(), all[0].len()), (3, 24));
}

#[tokio::test]
async fn ids_compare_with_texts_byte_for_byte() {
    let lake = lake(2, 1_500);
    let of = |user: &[u8]| lake.events.iter().filter(|e| e.user() == user).count().to_string();
    let count = async |condition: &str| {
        rows(&lake.shop, &format!("SELECT count(event_id) FROM events WHERE {condition}")).await[0][0].clone()
    };
    assert_ne!(of(b"u1"), "0");
    assert_eq!(count("user_id = 'u1'").await, of(b"u1"));
    assert_eq!(count("'u1' = user_id").await, of(b"u1"));
    assert_eq!(count("user_id IN ('u1', 'nobody')").await, of(b"u1"));
    assert_eq!(count("user_id = 'U1'").await, "0");
    assert_eq!(count("user_id = 'u1 '").await, "0");
    assert_eq!(count("user_id = id('0xff0075')").await, of(&[0xff, 0, b'u']));
    assert_eq!(count("user_id = x'ff0075'").await, of(&[0xff, 0, b'u']));
    assert_eq!(count("text(user_id) = '0xff0075'").await, of(&[0xff, 0, b'u']));
    // The id that is no UTF-8 stops none of these.
    let tens = lake.events.iter().filter(|e| e.user().starts_with(b"u1")).count().to_string();
    assert_eq!(count("user_id LIKE 'u1%'").await, tens);
    assert_eq!(count("user_id ~ '^u1'").await, tens);
    assert_eq!(count("CAST(user_id AS VARCHAR) LIKE 'u1%'").await, tens);
    assert_eq!(count("'<' || user_id || '>' = '<u1>'").await, of(b"u1"));
    let shown = rows(&lake.shop, "SELECT DISTINCT user_id FROM events ORDER BY user_id DESC LIMIT 1").await;
    assert_eq!(shown, [["0xff0075"]]);
}

/// The files that a plan reads: all of them, which `EXPLAIN` would cut short.
async fn files(lake: &Lake, condition: &str) -> usize {
    let sql = format!("SELECT sum(quantity) FROM events WHERE {condition}");
    let statement = Statement::all(&sql).unwrap().pop().unwrap();
    let plan = lake.shop.plan(statement).await.unwrap();
    let plan = lake.shop.context().state().create_physical_plan(&plan).await.unwrap();
    displayable(plan.as_ref()).indent(true).to_string().matches(".parquet").count()
}

#[tokio::test]
async fn what_files_names_say_opens_no_others() {
    let lake = lake(3, 3_000);
    let of = |keep: &dyn Fn(&shoptide_query::lake::LakePart) -> bool| {
        lake.parts.iter().filter(|part| keep(part)).count()
    };
    let day = FIRST_DAY + 3;
    let carts = of(&|p| p.event_type.unwrap().name() == "add_to_cart");
    assert_eq!(files(&lake, "type = 'add_to_cart'").await, carts);
    assert_eq!(files(&lake, "date = '2026-01-08'").await, of(&|p| p.day == Some(day as i32)));
    assert_eq!(
        files(&lake, "date >= '2026-01-08' AND type IN ('purchase', 'search')").await,
        of(&|p| p.day >= Some(day as i32) && ["purchase", "search"].contains(&p.event_type.unwrap().name()))
    );
    assert_eq!(
        files(&lake, "topic = 'shop.cart' AND \"partition\" = 1").await,
        of(&|p| p.topic == "shop.cart" && p.partition == 1)
    );
    assert_eq!(files(&lake, "type = 'refund'").await, 0);
    let found = rows(
        &lake.shop,
        "SELECT count(event_id) FROM events WHERE date = '2026-01-08' AND type = 'purchase'",
    )
    .await;
    let by_hand =
        lake.events.iter().filter(|e| e.day() == day && e.event.event_type.name() == "purchase").count();
    assert_eq!(found, [[by_hand.to_string()]]);
}

#[tokio::test]
async fn a_moment_passes_over_files_of_other_days() {
    let lake = lake(4, 2_000);
    let late = |p: &shoptide_query::lake::LakePart| p.day >= Some(FIRST_DAY as i32 + 19);
    let of_views = |p: &shoptide_query::lake::LakePart| p.event_type.unwrap().name() == "view_item";
    let expected = lake.parts.iter().filter(|p| of_views(p) && late(p)).count();
    let condition = "type = 'view_item' AND occurred_at >= '2026-01-24T00:00:00Z'";
    assert_eq!(files(&lake, condition).await, expected);
    assert!(0 < expected && expected < lake.parts.iter().filter(|p| of_views(p)).count());
    // Not of these days, and one of them that leaves no file at all.
    let before = "occurred_at < '2026-01-24T00:00:00Z'";
    assert_eq!(files(&lake, before).await, lake.parts.iter().filter(|p| !late(p)).count());
    assert_eq!(files(&lake, "occurred_at > '2027-01-01T00:00:00Z'").await, 0);
    assert_eq!(files(&lake, "\"offset\" < 0").await, 0);
    // What a function gives anew is asked of the rows, and of every file.
    assert_eq!(files(&lake, "random() < 0.5").await, lake.parts.len());
    for (condition, of_day) in [(condition, FIRST_DAY + 19), ("type = 'view_item'", FIRST_DAY)] {
        let found = rows(&lake.shop, &format!("SELECT count(event_id) FROM events WHERE {condition}")).await;
        let views = lake.events.iter().filter(|e| e.event.event_type.name() == "view_item");
        assert_eq!(found, [[views.filter(|e| of_day <= e.day()).count().to_string()]], "{condition}");
    }
}
