//! Bodies made before the clock starts. Users are drawn at random for every event, so that hardly any two events of a
//! batch share a list: a shop's own sessions would let one list answer for many events. With `active` users at a time they are drawn
//! among so many, then among the next.

use std::collections::HashMap;

use serde_json::Value;
use shoptide_jobs::shop::{Shop, ShopOptions, ShopParams};
use xxhash_rust::xxh3::xxh3_64;

use super::Ask;
use crate::dice::Dice;
use crate::shop::clock;

/// One event as JSON, and whose it is.
pub struct Ready {
    pub user: String,
    pub json: Vec<u8>,
}

/// Makes `n` events of the shop that was loaded, each user's in their order, users at random (among the active ones).
///
/// # Errors
/// If a number is out of its bounds.
pub fn ready(ask: &Ask, n: u64) -> anyhow::Result<Vec<Ready>> {
    let options = ShopOptions {
        users: ask.users,
        items: ask.items,
        events: n,
        duplicate_per_mille: 0,
        late_per_mille: 0,
        run: ask.run.clone(),
        ..ShopOptions::demo(ask.seed, clock()())
    };
    let shop = Shop::new(ShopParams::new(options)?);
    let (mut order, mut queues) = (Vec::new(), HashMap::<String, std::collections::VecDeque<Vec<u8>>>::new());
    for event in shop.events() {
        let user = event.user_id.clone().unwrap_or_default();
        queues.entry(user.clone()).or_default().push_back(serde_json::to_vec(&event)?);
        order.push(user);
    }
    let mut dice = Dice(ask.seed);
    // Groups of users come one after the other; without groups all of them are one.
    let active = if ask.active == 0 { ask.users } else { ask.active };
    let groups = ask.users.div_ceil(active.max(1));
    let group = |user: &String| xxh3_64(user.as_bytes()) % groups;
    order.sort_by_key(group);
    for group in order.chunk_by_mut(|a, b| group(a) == group(b)) {
        for last in (1..group.len()).rev() {
            group.swap(last, dice.below(last + 1));
        }
    }
    let next = |user: String| {
        let json = queues.get_mut(&user)?.pop_front()?;
        Some(Ready { user, json })
    };
    Ok(order.into_iter().filter_map(next).collect())
}

/// A JSON array of events.
pub fn body(events: &[Ready]) -> Vec<u8> {
    let mut body = Vec::with_capacity(events.iter().map(|e| e.json.len() + 1).sum::<usize>() + 2);
    body.push(b'[');
    for (n, event) in events.iter().enumerate() {
        if 0 < n {
            body.push(b',');
        }
        body.extend_from_slice(&event.json);
    }
    body.push(b']');
    body
}

/// Where the log has the first event of an answer.
pub fn place(answer: &[u8]) -> Option<(String, i64)> {
    let answer: Value = serde_json::from_slice(answer).ok()?;
    let verdict = answer.pointer("/verdicts/0")?;
    Some((verdict.get("topic")?.as_str()?.to_owned(), verdict.get("offset")?.as_i64()?))
}
