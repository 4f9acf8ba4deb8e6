//! Ids are bytes: whatever a collation or an affinity would merge stays apart.

use std::sync::Arc;

use shoptide_schemas::Topic;
use shoptide_store::Truth;

use crate::rows::*;

const IDS: [&[u8]; 15] = [
    b"\0",
    b"\0\0",
    b" 1",
    b"01",
    b"1",
    b"1 ",
    b"1.0",
    b"1\0",
    b"User1",
    b"user1",
    b"user1 ",
    b"user1\xff",
    "u\u{308}ser1".as_bytes(),
    "\u{fc}ser1".as_bytes(),
    b"\xff\xfe",
];

pub async fn ids_that_only_look_alike_stay_apart(truth: Arc<dyn Truth>) {
    let epoch = assigned(&*truth, &[Topic::Browse]).await;
    let users = IDS.map(user);
    let mut all = commit(epoch, &[step(Topic::Browse, 0, 99)]);
    for (n, id) in users.iter().enumerate() {
        all.parts.push(part(id, Topic::Browse, n as i64, &[n as u8]));
        all.lists.push(list(id, n as i64, 1));
        all.todo.push(id.clone());
        all.tombstones.push((id.clone(), Topic::Cart, n as i64));
        all.lines.push(line(id, "o", "1"));
        let text = String::from_utf8_lossy(IDS[n]).into_owned();
        all.counts.push(count(&text, 1, 1 + n as i64));
        let mut row = item_row(n as u32, 1, "");
        row.item = item(IDS[n]);
        all.items.push(row);
    }
    truth.commit(all).await.unwrap();

    let rows = truth.users(SHARD, &users).await.unwrap();
    for (n, row) in rows.iter().enumerate() {
        assert_eq!(row.parts[0], Some((n as i64, vec![n as u8])), "{:?}", IDS[n]);
        assert_eq!(row.erased[1], Some(n as i64));
        assert_eq!(row.list, Some(format!("list {n} of model 1").into_bytes()));
        assert_eq!(truth.list(SHARD, &users[n]).await.unwrap(), row.list);
    }
    let mut sorted = IDS;
    sorted.sort_unstable();
    let sorted: Vec<_> = sorted.iter().map(user).collect();
    assert_eq!(truth.todo(SHARD, 99).await.unwrap(), sorted);
    assert_eq!(truth.count_users().await.unwrap(), 15);
    let paged = truth.users_after(None, 99).await.unwrap();
    assert_eq!(paged.into_iter().map(|(_, user)| user).collect::<Vec<_>>(), sorted);
    assert_eq!(truth.catalogue().await.unwrap().0.len(), 15);
    assert_eq!(truth.known_lines(SHARD, &[line(&user("USER1"), "o", "1")]).await.unwrap(), [false]);

    let mut gone = commit(epoch, &[step(Topic::Browse, 99, 100)]);
    gone.parts_gone = vec![(user("1"), Topic::Browse)];
    gone.lines_gone = vec![user("user1")];
    truth.commit(gone).await.unwrap();
    assert_eq!(truth.count_users().await.unwrap(), 14);
    let lines: Vec<_> = users.iter().map(|user| line(user, "o", "1")).collect();
    let known = truth.known_lines(SHARD, &lines).await.unwrap();
    assert_eq!(known.iter().filter(|known| !**known).count(), 1);
}
