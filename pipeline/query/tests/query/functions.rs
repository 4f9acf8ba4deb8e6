//! Functions of ours, against the formulas that they stand for.

use shoptide_query::{QueryError, session};

use crate::common::*;

async fn one(shop: &shoptide_query::Shop, expression: &str) -> String {
    rows(shop, &format!("SELECT {expression}")).await[0][0].clone()
}

fn empty() -> shoptide_query::Shop {
    shoptide_query::open(&options(), shoptide_query::Sources::default()).unwrap()
}

#[tokio::test]
async fn decay_halves() {
    let shop = empty();
    for (expression, expected) in [
        ("decay(0, 30)", 1.0),
        ("decay(2592000000, 30)", 0.5),
        ("decay(86400000, 0.5)", 0.25),
        // Out of order: it does not grow.
        ("decay(-86400000, 1)", 1.0),
        ("decay(TIMESTAMP '2026-01-01', TIMESTAMP '2026-01-04', 1.5)", 0.25),
        ("decay('2026-01-01T00:00:00Z', '2026-01-02T00:00:00Z', 1)", 0.5),
    ] {
        let found: f64 = one(&shop, expression).await.parse().unwrap();
        assert!((found - expected).abs() < 1e-12, "{expression}: {found}");
    }
    assert_eq!(one(&shop, "decay(NULL, 30)").await, "");
    let error = refused(&shop, "SELECT decay(1, 0)").await.to_string();
    assert!(error.contains("half-life is 0 days, expected above 0"), "{error}");
    assert!(matches!(refused(&shop, "SELECT decay('a')").await, QueryError::Wrong(_)));
}

#[tokio::test]
async fn cosine_is_of_directions() {
    let shop = empty();
    for (expression, expected) in [
        ("cosine([1.0, 0.0], [0.0, 2.0])", 0.0),
        ("cosine([1, 2, 3], [2, 4, 6])", 1.0),
        ("cosine([1, 0], [-3, 0])", -1.0),
        ("cosine([3, 4], [4, 3])", 0.96),
    ] {
        let found: f64 = one(&shop, expression).await.parse().unwrap();
        assert!((found - expected).abs() < 1e-12, "{expression}: {found}");
    }
    assert_eq!(one(&shop, "cosine([0, 0], [1, 2])").await, "");
    assert_eq!(one(&shop, "cosine(NULL, [1, 2])").await, "");
    let error = refused(&shop, "SELECT cosine([1], [1, 2])").await.to_string();
    assert!(error.contains("lists of 1 and 2 numbers"), "{error}");
    assert!(matches!(refused(&shop, "SELECT cosine('a', 'b')").await, QueryError::Wrong(_)));
}

#[tokio::test]
async fn ids_go_to_text_and_back() {
    let shop = empty();
    assert_eq!(one(&shop, "text(id('u1'))").await, "u1");
    assert_eq!(one(&shop, "text(x'ff')").await, "0xff");
    assert_eq!(one(&shop, "text(id(text(x'ff'))) = text(x'ff')").await, "true");
    assert_eq!(one(&shop, "id(text(id('0x00'))) = x'00'").await, "true");
}

#[tokio::test]
async fn segment_needs_a_store() {
    let shop = empty();
    let error = refused(&shop, "SELECT segment('u1')").await.to_string();
    assert!(error.contains("segment needs the store"), "{error}");
}

#[test]
fn executors_register_the_same_functions() {
    let names: Vec<String> =
        shoptide_query::functions::all().iter().map(|function| function.name().to_owned()).collect();
    assert_eq!(names, ["decay", "cosine", "text", "id", "segment"]);
    let session = session(&options()).unwrap();
    for name in names {
        assert!(session.state().scalar_functions().contains_key(&name), "{name}");
    }
}
