use proptest::prelude::*;
use shoptide_schemas::{FaqEntry, ItemId};

use super::*;
use crate::catalogue::{Catalogue, CatalogueBuilder, CatalogueItem};
use crate::chat::Lexicon;
use crate::faq::FaqBook;

fn item(title: &str, brand: &str, category: &str, tags: &[&str], description: &str) -> CatalogueItem {
    CatalogueItem {
        title: title.to_owned(),
        brand: brand.to_owned(),
        category: category.to_owned(),
        tags: tags.iter().map(|tag| (*tag).to_owned()).collect(),
        description: description.to_owned(),
        ..CatalogueItem::default()
    }
}

fn id(n: u32) -> ItemId {
    ItemId::from_trusted(format!("i{n}").as_bytes())
}

fn catalogue() -> Catalogue {
    let rows = [
        item(
            "Aurora Phone X200",
            "Aurora",
            "technology/phone",
            &["NFC", "5g"],
            "A phone with a great camera.",
        ),
        item("Zenit Phone 7", "Zenit", "technology/phone", &["budget"], "No NFC, wired charging."),
        item("Case compatible with Aurora Phone X200", "Shell", "technology/accessories", &[], ""),
        item("Running shoe", "Fleet", "sports/shoes", &["running"], ""),
        item("Walking shoe", "Fleet", "sports/shoes", &[], ""),
        item("保护壳 适用于 Aurora X200", "Shell", "technology/accessories", &[], ""),
    ];
    let mut builder = CatalogueBuilder::default();
    for (number, row) in (0..).zip(rows) {
        builder.put(id(number), row, number);
    }
    builder.finish(6)
}

fn with<T>(ask: impl FnOnce(Knowledge<'_>) -> T) -> T {
    let catalogue = catalogue();
    let lexicon = Lexicon::of(&catalogue);
    let map = |text: &str| [("en".to_owned(), text.to_owned())];
    let entry = FaqEntry {
        id: "phones".to_owned(),
        category: "c".to_owned(),
        tags: vec!["phone".to_owned()],
        questions: map("How do I insert a card?").into_iter().map(|(l, q)| (l, vec![q])).collect(),
        answers: map("Gently.").into_iter().collect(),
    };
    let faq = FaqBook::new(1, vec![entry]);
    ask(Knowledge { catalogue: &catalogue, lexicon: &lexicon, faq: &faq })
}

fn links() -> ItemLinks {
    ItemLinks {
        bought_with: vec![(id(2), 7), (ItemId::from_trusted(b"gone"), 5)],
        threads: vec![("t-1".to_owned(), 3)],
    }
}

#[test]
fn a_product_has_edges_with_their_evidence() {
    let edges = with(|k| k.edges(0, &links()));
    let said = |relation: Relation, to: Node| {
        let edge = edges.iter().find(|edge| edge.relation == relation && edge.to == to);
        edge.unwrap_or_else(|| panic!("{relation:?} {to:?}: {edges:#?}")).evidence.clone()
    };
    let field = |field, text: &str| Evidence::Field { field, text: text.to_owned() };
    assert_eq!(
        said(Relation::IsA, Node::Category("technology".into())),
        field("category", "technology/phone")
    );
    assert_eq!(said(Relation::MadeBy, Node::Brand("Aurora".into())), field("brand", "Aurora"));
    assert_eq!(said(Relation::Has, Node::Attribute("nfc".into())), field("tags", "nfc"));
    assert!(matches!(
        said(Relation::Has, Node::Attribute("camera".into())),
        Evidence::Field { field: "description", .. }
    ));
    assert_eq!(said(Relation::BoughtWith, Node::Product(2)), Evidence::Baskets(7));
    assert_eq!(said(Relation::DiscussedIn, Node::Thread("t-1".into())), Evidence::Users(3));
    assert_eq!(said(Relation::DiscussedIn, Node::Question("phones".into())), Evidence::Tag("phone".into()));
    assert!(with(|k| k.edges(99, &links())).is_empty());
}

#[test]
fn it_has_it_or_has_it_not_or_nobody_says() {
    let answer = |number, asked: &str| {
        let all = with(|k| k.has(number, asked));
        all.iter().map(|has| (has.wish.clone(), has.answer, has.edge.is_some())).collect::<Vec<_>>()
    };
    assert_eq!(answer(0, "does it have NFC?"), [("nfc".to_owned(), Answer::Yes, true)]);
    assert_eq!(answer(0, "支持近场通信吗"), [("nfc".to_owned(), Answer::Yes, true)]);
    assert_eq!(answer(1, "does it have NFC?"), [("nfc".to_owned(), Answer::No, true)]);
    assert_eq!(answer(4, "does it have NFC?"), [("nfc".to_owned(), Answer::Unknown, false)]);
    let no = with(|k| k.has_each(1, ["nfc".to_owned()]));
    let evidence = no[0].edge.as_ref().map(|edge| edge.evidence.clone());
    let field = "description";
    assert_eq!(
        evidence,
        Some(Evidence::Field { field, text: "no nfc".to_owned() }),
        "with the no that says it"
    );
    assert_eq!(answer(0, "what do you think"), []);
    assert_eq!(answer(0, "😀"), []);
}

#[test]
fn one_of_two_meets_more() {
    let better = |one, other, asked: &str| with(|k| k.compare(one, other, asked)).better;
    assert_eq!(better(3, 4, "for running"), Some(1));
    assert_eq!(better(4, 3, "which is better for running"), Some(2));
    assert_eq!(better(0, 1, "with NFC"), Some(1));
    assert_eq!(better(3, 4, "hello"), None);
    let (yes, no, unknown) = (Answer::Yes, Answer::No, Answer::Unknown);
    assert_eq!(best(&[vec![unknown], vec![yes], vec![no]]), Some(1));
    assert_eq!(best(&[vec![yes, no], vec![unknown, unknown], vec![no, no]]), None);
}

#[test]
fn what_goes_with_it_is_named_by_a_title_or_by_baskets() {
    let edges = with(|k| k.goes_with(2, &ItemLinks::default()));
    assert_eq!(edges.len(), 1, "{edges:?}");
    assert_eq!((edges[0].relation, &edges[0].to), (Relation::CompatibleWith, &Node::Product(0)));
    let edges = with(|k| k.goes_with(5, &ItemLinks::default()));
    assert_eq!(edges.iter().map(|edge| &edge.to).collect::<Vec<_>>(), [&Node::Product(0)]);
    assert_eq!(with(|k| k.goes_with(0, &links())).len(), 1, "what is gone does not go with it");
    assert!(with(|k| k.goes_with(3, &ItemLinks::default())).is_empty());
}

proptest! {
    #[test]
    fn links_come_back_from_their_bytes(bought in prop::collection::vec((0u32..99, 0u32..99), 0..5), threads in prop::collection::vec((".{0,9}", 0u32..9), 0..5)) {
        let links = ItemLinks { bought_with: bought.into_iter().map(|(n, c)| (id(n), c)).collect(), threads };
        prop_assert_eq!(ItemLinks::decode(&links.encode()).unwrap(), links.clone());
        prop_assert!(ItemLinks::decode(&links.encode()[..links.encode().len() - 1]).is_err());
    }

    #[test]
    fn pairs_are_counted_as_by_hand(baskets in prop::collection::vec(prop::collection::vec(0u32..12, 0..8), 0..20)) {
        let counted = bought_with(baskets.iter().cloned());
        for one in 0..12u32 {
            for other in (0..12u32).filter(|other| *other != one) {
                let both = baskets.iter().filter(|b| b.contains(&one) && b.contains(&other)).count() as u32;
                let said = counted.get(&one).and_then(|all| all.iter().find(|(o, _)| *o == other)).map(|(_, n)| *n);
                prop_assert_eq!(said, Some(both).filter(|n| TOGETHER_MIN <= *n));
            }
        }
    }
}

#[test]
fn a_heap_is_no_basket_and_work_is_bounded() {
    let heap: Vec<u32> = (0..40).collect();
    assert!(bought_with([heap.clone(), heap].into_iter()).is_empty());
    let many = bought_with((0..3).map(|_| (0..30).collect::<Vec<u32>>()));
    assert!(many.values().all(|others| others.len() == LINKS_MAX));
    let threads = discussed_in((0..30).map(|n| (7, if n < 20 { "often" } else { "seldom" })));
    assert_eq!(threads[&7], [("often", 20), ("seldom", 10)]);
}
