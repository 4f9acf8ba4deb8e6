//! Scans at one cut while commits go on, and dumps that do not show the batching.

use std::collections::BTreeMap;
use std::sync::Arc;

use shoptide_schemas::{Topic, UserId};
use shoptide_store::{CountPlace, CountRow, DeadLetter, ItemRow, PartRow, Truth};

use crate::rows::*;

pub async fn scans_are_in_order_and_know_what_changed(truth: Arc<dyn Truth>) {
    let mut all = Vec::new();
    for shard in [1_u32, 4] {
        let epoch = truth.assign(shard, &[(Topic::Browse, 0), (Topic::Order, 0)]).await.unwrap()[0].epoch;
        let mut next = commit(epoch, &[step(Topic::Browse, 0, 900)]);
        next.shard = shard;
        for n in 0..900 {
            let topic = if n % 3 == 0 { Topic::Order } else { Topic::Browse };
            let mut row = part(&user(format!("u{}", n * 7 % 900)), topic, n, &[n as u8; 9]);
            row.shard = shard;
            next.parts.push(row);
        }
        all.extend(next.parts.clone());
        truth.commit(next).await.unwrap();
    }
    let key = |part: &PartRow| (part.shard, part.user.clone(), part.topic);
    all.sort_by_key(key);
    let mut found = Vec::new();
    let offsets = truth.scan_parts(&[], &mut |part| found.push(part)).await.unwrap();
    assert_eq!(found, all);
    assert_eq!(offsets, truth.offsets().await.unwrap());

    let since =
        [(4, Topic::Order, 300), (1, Topic::Browse, 890), (4, Topic::Browse, 500), (7, Topic::Browse, 0)];
    let mut found = Vec::new();
    truth.scan_parts(&since, &mut |part| found.push(part)).await.unwrap();
    let changed = |part: &PartRow| {
        since.iter().any(|(s, t, off)| (*s, *t) == (part.shard, part.topic) && *off <= part.upto)
    };
    assert_eq!(found, all.into_iter().filter(changed).collect::<Vec<_>>());
}

pub async fn a_scan_sees_one_cut_while_commits_go_on(truth: Arc<dyn Truth>) {
    const USERS: i64 = 300;
    let epoch = assigned(&*truth, &[Topic::Browse]).await;
    let (stop, mut stopped) = tokio::sync::oneshot::channel::<()>();
    let (started, starts) = tokio::sync::oneshot::channel::<()>();
    let writer = Arc::clone(&truth);
    let writing = tokio::spawn(async move {
        let mut started = Some(started);
        let mut from = 0;
        while stopped.try_recv().is_err() {
            // Every user moves in every commit, so any two commits seen at once would show.
            let mut next = commit(epoch, &[step(Topic::Browse, from, from + 1)]);
            next.parts =
                (0..USERS).map(|n| part(&user(format!("u{n}")), Topic::Browse, from, &[7; 300])).collect();
            writer.commit(next).await.unwrap();
            from += 1;
            started.take().map(|started| started.send(()));
        }
        from
    });
    starts.await.unwrap();
    let mut cuts = BTreeMap::new();
    for round in 0..40 {
        let since = if round % 2 == 0 { vec![] } else { vec![(SHARD, Topic::Browse, 0)] };
        let mut uptos = Vec::new();
        let offsets = truth.scan_parts(&since, &mut |part| uptos.push(part.upto)).await.unwrap();
        assert_eq!(uptos, vec![offsets[0].next_off - 1; USERS as usize]);
        *cuts.entry(offsets[0].next_off).or_insert(0) += 1;
    }
    stop.send(()).unwrap();
    assert!(writing.await.unwrap() > 0 && !cuts.is_empty());
}

pub async fn a_walker_who_goes_away_costs_nothing(truth: Arc<dyn Truth>) {
    let epoch = assigned(&*truth, &[Topic::Browse]).await;
    let mut next = commit(epoch, &[step(Topic::Browse, 0, 1)]);
    next.parts = (0..3000).map(|n| part(&user(format!("u{n}")), Topic::Browse, 0, &[7; 2000])).collect();
    truth.commit(next).await.unwrap();
    for _ in 0..20 {
        let (mut sink, mut rows) = (|_| {}, 0);
        let walk = truth.scan_parts(&[], &mut sink);
        tokio::select! { biased; () = tokio::task::yield_now() => {}, _ = walk => {} }
        truth.scan_parts(&[], &mut |_| rows += 1).await.unwrap();
        assert_eq!(rows, 3000);
    }
}

/// Pages of any size hold the same rows, each once and in order.
pub async fn pages_hold_every_row_once(truth: Arc<dyn Truth>) {
    for shard in [1_u32, 4] {
        let topics = [(Topic::Browse, 0), (Topic::Order, 0)];
        let epoch = truth.assign(shard, &topics).await.unwrap()[0].epoch;
        let mut next = commit(epoch, &[step(Topic::Browse, 0, 9), step(Topic::Order, 0, 9)]);
        next.shard = shard;
        next.lists = (0..9).map(|n| list(&user(format!("u{n}")), n, 1)).collect();
        next.counts = (0..9).map(|n| count(&format!("i{}", n % 3), 10 + n as u32 / 5, 1 + n)).collect();
        next.counts.extend((0..3).map(|kind| {
            let mut row = count("i1", 10, 50);
            row.kind = 2 + kind;
            row
        }));
        let key = user("u1");
        next.dead =
            (0..5).flat_map(|n| [dead(Topic::Browse, n, &key), dead(Topic::Order, n, &key)]).collect();
        next.dead.iter_mut().for_each(|letter| letter.shard = shard);
        if shard == 1 {
            let row =
                |num| ItemRow { num, item: item(format!("i{num}")), from_off: 1, data: vec![num as u8] };
            next.items = (0..9).map(row).collect();
        }
        truth.commit(next).await.unwrap();
    }
    let mut whole: Option<(Vec<_>, Vec<_>, Vec<_>, Vec<_>)> = None;
    for limit in [100, 1, 2, 7] {
        let (mut items, mut lists, mut letters, mut counts) =
            (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        loop {
            let page = truth.items_after(items.last().map(|row: &ItemRow| row.num), limit).await.unwrap();
            assert!(page.len() <= limit);
            if page.is_empty() {
                break;
            }
            items.extend(page);
        }
        loop {
            let after = lists.last().map(|(shard, user, _): &(u32, UserId, Vec<u8>)| (*shard, user.clone()));
            let page = truth.stored_lists_after(after, limit).await.unwrap();
            if page.is_empty() {
                break;
            }
            lists.extend(page);
        }
        loop {
            let after = letters.last().map(|l: &DeadLetter| (l.shard, l.topic, l.offset));
            let page = truth.dead_letters_after(after, limit).await.unwrap();
            if page.is_empty() {
                break;
            }
            letters.extend(page);
        }
        loop {
            let after = counts.last().map(|(shard, row): &(u32, CountRow)| CountPlace {
                shard: *shard,
                item: row.item.clone(),
                day: row.day,
                kind: row.kind,
            });
            let page = truth.item_counts_after(after, limit).await.unwrap();
            assert!(page.len() <= limit);
            if page.is_empty() {
                break;
            }
            counts.extend(page);
        }
        let found = (items, lists, letters, counts);
        let sizes = (found.0.len(), found.1.len(), found.2.len(), found.3.len());
        assert_eq!(sizes, (9, 18, 20, 18), "pages of {limit}");
        match &whole {
            Some(whole) => assert!(*whole == found, "pages of {limit}"),
            None => whole = Some(found),
        }
    }
}
