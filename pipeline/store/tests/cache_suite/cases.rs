//! What every cache does.

use std::sync::Arc;

use shoptide_schemas::{StoredList, UserId};
use shoptide_store::{Cache, CacheEntry};

use crate::Subject;

fn user(id: impl AsRef<[u8]>) -> UserId {
    UserId::from_trusted(id.as_ref())
}

fn entry(id: impl AsRef<[u8]>, epoch: i64, revision: i64) -> CacheEntry {
    let version = StoredList { epoch, revision, ..StoredList::default() }.version_key();
    let data = Arc::from(format!("{epoch}.{revision}").as_bytes());
    CacheEntry { shard: 0, user: user(id), version, data }
}

async fn set(cache: &Arc<dyn Cache>, id: impl AsRef<[u8]>, epoch: i64, revision: i64) {
    cache.set_if_newer(vec![entry(id, epoch, revision)]).await.unwrap();
}

async fn held(cache: &Arc<dyn Cache>, id: impl AsRef<[u8]>) -> Option<String> {
    cache.get(0, &user(id)).await.unwrap().map(|data| String::from_utf8(data.to_vec()).unwrap())
}

pub async fn only_a_newer_version_replaces(subject: &Subject) {
    let cache = &subject.cache;
    assert_eq!(held(cache, "a").await, None);
    cache.set_if_newer(vec![entry("a", 1, 9), entry("a", 1, 2), entry("b", 1, 1)]).await.unwrap();
    assert_eq!(held(cache, "a").await.as_deref(), Some("1.9"));
    cache.set_if_newer(vec![entry("a", 1, 10), entry("a", 1, 10)]).await.unwrap();
    assert_eq!(held(cache, "a").await.as_deref(), Some("1.10"));
    set(cache, "a", 2, 1).await;
    set(cache, "a", 1, 11).await;
    assert_eq!(held(cache, "a").await.as_deref(), Some("2.1"));
    assert_eq!(held(cache, "b").await.as_deref(), Some("1.1"));
    assert_eq!(cache.get(1, &user("a")).await.unwrap(), None);
}

pub async fn versions_beyond_doubles_stay_apart(subject: &Subject) {
    let cache = &subject.cache;
    // 2^53 and its successor are the same double.
    for (older, newer) in [
        ((1, 9_007_199_254_740_992), (1, 9_007_199_254_740_993)),
        ((9_007_199_254_740_992, 5), (9_007_199_254_740_993, 1)),
        ((i64::MAX - 1, 0), (i64::MAX, 0)),
        ((i64::MAX, i64::MAX - 1), (i64::MAX, i64::MAX)),
        ((9, i64::MAX), (10, 0)),
    ] {
        let id = format!("{older:?}");
        set(cache, &id, newer.0, newer.1).await;
        set(cache, &id, older.0, older.1).await;
        let newest = format!("{}.{}", newer.0, newer.1);
        assert_eq!(held(cache, &id).await, Some(newest.clone()), "an older version replaced");
        let id = format!("{newer:?}, in order");
        set(cache, &id, older.0, older.1).await;
        set(cache, &id, newer.0, newer.1).await;
        assert_eq!(held(cache, &id).await, Some(newest), "a newer version did not replace");
    }
}

pub async fn lists_expire_and_the_same_again_stays_longer(subject: &Subject) {
    let cache = &subject.cache;
    cache.set_if_newer(vec![entry("a", 1, 1), entry("b", 1, 1), entry("c", 1, 1)]).await.unwrap();
    subject.wait(subject.ttl_ms * 6 / 10).await;
    set(cache, "a", 1, 1).await;
    set(cache, "b", 1, 0).await;
    set(cache, "c", 1, 2).await;
    subject.wait(subject.ttl_ms * 6 / 10).await;
    assert_eq!(held(cache, "a").await.as_deref(), Some("1.1"), "the same version did not stay longer");
    assert_eq!(held(cache, "b").await, None, "an older version made a list stay");
    assert_eq!(held(cache, "c").await.as_deref(), Some("1.2"));
    subject.wait(subject.ttl_ms).await;
    assert_eq!((held(cache, "a").await, held(cache, "c").await), (None, None));
    set(cache, "a", 1, 1).await;
    assert_eq!(held(cache, "a").await.as_deref(), Some("1.1"), "an expired list came again");
}

pub async fn a_late_reader_cannot_bring_back_who_was_removed(subject: &Subject) {
    let cache = &subject.cache;
    set(cache, "a", 1, 5).await;
    // A reader has taken the list of revision 5 from the truth; then the user is erased, once a topic.
    for _ in 0..5 {
        cache.remove(0, &user("a")).await.unwrap();
    }
    cache.remove(0, &user("b")).await.unwrap();
    assert_eq!((held(cache, "a").await, held(cache, "b").await), (None, None));
    cache
        .set_if_newer(vec![entry("a", 1, 5), entry("a", 1, 4), entry("b", 1, 5), entry("c", 1, 1)])
        .await
        .unwrap();
    assert_eq!((held(cache, "a").await, held(cache, "b").await), (None, None), "who was removed is back");
    assert!(held(cache, "c").await.is_some(), "a removal concerns nobody else");
    // In another shard the same id is another user.
    cache.set_if_newer(vec![CacheEntry { shard: 1, ..entry("a", 1, 5) }]).await.unwrap();
    assert!(cache.get(1, &user("a")).await.unwrap().is_some());
    // A write that was given up may still be on its way, of a list newer than the one that was held, even of a later owner.
    cache.set_if_newer(vec![entry("a", 1, 6), entry("a", 2, 1), entry("b", 2, 1)]).await.unwrap();
    assert_eq!((held(cache, "a").await, held(cache, "b").await), (None, None), "a lost write is back");
}

pub async fn removals_are_remembered_for_a_while_and_outlive_a_clear(subject: &Subject) {
    let cache = &subject.cache;
    cache.set_if_newer(vec![entry("a", 1, 5), entry("c", 1, 5)]).await.unwrap();
    cache.remove(0, &user("a")).await.unwrap();
    cache.remove(0, &user("b")).await.unwrap();
    cache.clear().await.unwrap();
    cache.set_if_newer(vec![entry("a", 1, 5), entry("b", 1, 5), entry("c", 1, 4)]).await.unwrap();
    assert_eq!((held(cache, "a").await, held(cache, "b").await), (None, None), "the clear forgot removals");
    assert_eq!(held(cache, "c").await.as_deref(), Some("1.4"), "cleared, not removed");
    // Nor is a removal remembered for ever; by then no reader is on its way.
    subject.wait(subject.tombstone_ms + 100).await;
    cache.set_if_newer(vec![entry("a", 1, 5), entry("b", 1, 5)]).await.unwrap();
    assert_eq!(held(cache, "a").await.as_deref(), Some("1.5"));
    assert_eq!(held(cache, "b").await.as_deref(), Some("1.5"));
}

pub async fn ids_that_only_look_alike_stay_apart(subject: &Subject) {
    let cache = &subject.cache;
    let long = "x".repeat(64);
    let ids: Vec<&[u8]> = vec![
        b"User1",
        b"user1",
        "üser1".as_bytes(),
        b"user1 ",
        b" user1",
        b"1:user1",
        b"{a}",
        b"a",
        b"*",
        b"0",
        b"\r\n",
        b"\0",
        b"\xff\xfe",
        b"user1\0",
        long.as_bytes(),
    ];
    for (n, id) in (0_i64..).zip(&ids) {
        set(cache, id, 1, n).await;
    }
    for (n, id) in (0_i64..).zip(&ids) {
        assert_eq!(held(cache, id).await, Some(format!("1.{n}")), "{id:?}");
    }
    // Shard 1 of user "1:x" is not shard 11 of user "x", nor shard 1 of ":x".
    let other = CacheEntry { shard: 1, ..entry("1:x", 7, 7) };
    cache.set_if_newer(vec![other]).await.unwrap();
    for (shard, id) in [(11, "x"), (1, ":x"), (1, "1"), (1, "x")] {
        assert_eq!(cache.get(shard, &user(id)).await.unwrap(), None);
    }
    cache.remove(0, &user("user1")).await.unwrap();
    assert_eq!(held(cache, "User1").await.as_deref(), Some("1.0"));
    assert_eq!(held(cache, "user1").await, None);
}

pub async fn many_and_large_lists_go_in_one_call(subject: &Subject) {
    let cache = &subject.cache;
    let list = |n: usize, bytes: usize| CacheEntry {
        data: Arc::from(vec![u8::try_from(n % 251).unwrap(); bytes]),
        ..entry(n.to_string(), 1, 1)
    };
    // More than one pipeline by count, more than one by bytes, and one that is larger than a pipeline by itself.
    let sizes = |n: usize| {
        if n == 700 {
            400_000
        } else if n < 600 {
            50
        } else {
            9_000
        }
    };
    cache.set_if_newer((0..800).map(|n| list(n, sizes(n))).collect()).await.unwrap();
    for n in 0..800 {
        let found = cache.get(0, &user(n.to_string())).await.unwrap();
        assert_eq!(found, Some(list(n, sizes(n)).data), "list {n}");
    }
}

pub async fn of_many_setters_the_newest_stays(subject: &Subject) {
    let order = |setter: i64, n: i64| (n * 7 + setter * 13) % 400;
    let setters = (0..4_i64).map(|setter| {
        let cache = Arc::clone(&subject.cache);
        tokio::spawn(async move {
            for n in 0..400 {
                set(&cache, (n % 3).to_string(), 1, order(setter, n)).await;
            }
        })
    });
    for setter in setters.collect::<Vec<_>>() {
        setter.await.unwrap();
    }
    for id in 0..3_i64 {
        let of = |setter| (0..400).filter(|n| n % 3 == id).map(move |n| order(setter, n));
        let newest = (0..4).flat_map(of).max().unwrap();
        assert_eq!(held(&subject.cache, id.to_string()).await, Some(format!("1.{newest}")));
    }
}

pub async fn clear_takes_every_list(subject: &Subject) {
    let cache = &subject.cache;
    cache.clear().await.unwrap();
    cache.set_if_newer((0..2_500).map(|n| entry(n.to_string(), 1, 1)).collect()).await.unwrap();
    cache.clear().await.unwrap();
    for n in (0..2_500).step_by(7) {
        assert_eq!(held(cache, n.to_string()).await, None, "{n}");
    }
    set(cache, "1", 1, 1).await;
    assert!(held(cache, "1").await.is_some());
}
