//! Questions and answers, and links of items.

use std::sync::Arc;

use shoptide_store::{FaqChange, FaqRow, ItemLinksRow, StoreError, Truth};

use crate::rows::*;

fn row(id: &str, data: &str) -> FaqRow {
    FaqRow { id: id.to_owned(), data: data.as_bytes().to_vec() }
}

fn put(rows: &[(&str, &str)]) -> FaqChange {
    let put = rows.iter().map(|(id, data)| row(id, data)).collect();
    FaqChange { put, entries_max: 1_000, ..FaqChange::default() }
}

pub async fn questions_change_as_a_whole_and_are_counted(truth: Arc<dyn Truth>) {
    assert_eq!(truth.faq().await.unwrap(), (0, Vec::new()));
    assert_eq!(truth.faq_revision().await.unwrap(), 0);
    // Ids that a collation would merge, out of order, one of them twice over time.
    truth.change_faq(put(&[("b", "1"), ("B", "2"), ("a", "3"), ("a ", "4")])).await.unwrap();
    truth.change_faq(put(&[("a", "5")])).await.unwrap();
    let all = vec![row("B", "2"), row("a", "5"), row("a ", "4"), row("b", "1")];
    assert_eq!(truth.faq().await.unwrap(), (2, all));
    let gone = FaqChange { gone: vec!["a".into(), "nothing".into()], ..put(&[("c", "6")]) };
    truth.change_faq(gone).await.unwrap();
    assert_eq!(truth.faq().await.unwrap().1, [row("B", "2"), row("a ", "4"), row("b", "1"), row("c", "6")]);
    truth.change_faq(FaqChange { replace: true, ..put(&[("d", "7")]) }).await.unwrap();
    assert_eq!(truth.faq().await.unwrap(), (4, vec![row("d", "7")]));
    assert_eq!(truth.faq_revision().await.unwrap(), 4);
    // Other pointers are others.
    assert_eq!(truth.model_pointer().await.unwrap(), None);
}

pub async fn questions_have_a_bound(truth: Arc<dyn Truth>) {
    truth.change_faq(put(&[("a", "1"), ("b", "1")])).await.unwrap();
    let full = FaqChange { entries_max: 3, ..put(&[("c", "1"), ("d", "1")]) };
    let error = truth.change_faq(full).await.unwrap_err();
    assert!(matches!(&error, StoreError::Full { reason, .. } if reason.contains("4 questions")), "{error}");
    assert_eq!(truth.faq().await.unwrap(), (1, vec![row("a", "1"), row("b", "1")]));
    // Two at once: neither is lost.
    let (one, two) = tokio::join!(truth.change_faq(put(&[("c", "1")])), truth.change_faq(put(&[("d", "1")])));
    one.and(two).unwrap();
    let (revision, all) = truth.faq().await.unwrap();
    assert_eq!((revision, all.len()), (3, 4));
}

pub async fn links_of_items_are_replaced_by_newer_ones(truth: Arc<dyn Truth>) {
    let links = |id: &str, data: &str| ItemLinksRow { item: item(id), data: data.as_bytes().to_vec() };
    let of = async |id: &str| truth.item_links(&item(id)).await.unwrap();
    let many = (0..700).map(|n| links(&format!("many {n}"), "x"));
    truth.put_item_links(3, many.chain([links("x", "1"), links("X", "2")]).collect()).await.unwrap();
    assert_eq!(of("x").await.as_deref(), Some(&b"1"[..]));
    truth.put_item_links(4, vec![links("x", "3")]).await.unwrap();
    truth.forget_item_links(4).await.unwrap();
    assert_eq!(of("x").await.as_deref(), Some(&b"3"[..]));
    assert_eq!((of("X").await, of("many 699").await), (None, None));
}
