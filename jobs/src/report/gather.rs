//! From events to sums, in bounded memory: a group whose events may be too many is read several times, each time for a share of
//! its users.

use std::collections::HashMap;
use std::sync::Arc;

use shoptide_models::report::{Act, Members, Shelf, Tallies, attribute};
use shoptide_schemas::{EventType, TimeVerdict, UserId};
use xxhash_rust::xxh3::xxh3_64;

use super::body::Reading;
use super::{EventGroup, ReportContext, ReportError, Segments};

/// Events held at once, of 160 bytes each; a pass over a group is for so many.
const PASS_EVENTS: u64 = 1_000_000;
/// Events of one user: whoever has more in a period is no shopper. What is beyond is counted, not attributed.
const USER_EVENTS_MAX: usize = 500_000;
/// Events between two words about the progress.
const TELL_EVENTS: u64 = 4_096;
/// Users asked for at once, of their groups.
const SEGMENTS_AT_ONCE: usize = 10_000;

/// All sums.
#[derive(Debug)]
pub struct Gathered {
    pub tallies: Tallies,
    pub members: Members,
    pub reading: Reading,
}

/// One user's events of a pass.
#[derive(Debug, Default)]
pub(super) struct Kept {
    pub acts: Vec<Act>,
    pub erased: bool,
}

/// Reads everything once, or as often as it takes.
///
/// # Errors
/// [`ReportError`] if a source fails.
pub async fn gather(context: &ReportContext, shelf: &Arc<Shelf>) -> Result<Gathered, ReportError> {
    let ReportContext { events, segments, rules, progress, .. } = context;
    let mut gathered = Gathered {
        tallies: Tallies::new(shelf),
        members: Members::default(),
        reading: Reading { source: events.name(), ..Reading::default() },
    };
    let groups = events.groups(rules.reads()).await?;
    let passes = |group: &EventGroup| group.events_max.div_ceil(PASS_EVENTS).max(1);
    progress.begin("reading events", groups.iter().map(|group| passes(group) * group.events_max).sum());
    for group in groups {
        let passes = passes(&group);
        for pass in 0..passes {
            let mine = |user: &[u8]| xxh3_64(user) % passes == pass;
            let users = collect(context, &group, shelf, &mine, &mut gathered.reading).await?;
            let mut users: Vec<(UserId, Kept)> = users.into_iter().collect();
            // The same report from any source.
            users.sort_unstable_by(|a, b| a.0.cmp(&b.0));
            let named = named(segments.as_deref(), &users).await?;
            let (rules, shelf) = (*rules, shelf.clone());
            gathered = tokio::task::spawn_blocking(move || {
                for (place, (user, mut kept)) in users.into_iter().enumerate() {
                    if kept.erased {
                        gathered.reading.erased_users += 1;
                        continue;
                    }
                    let journey = attribute(&mut kept.acts, &rules);
                    let segment = named.get(place).and_then(Option::as_deref);
                    gathered.tallies.add(&journey, rules.period(), segment, &shelf);
                    gathered.members.add(user.as_bytes(), &journey, rules.period());
                }
                gathered
            })
            .await
            .map_err(ReportError::text)?;
        }
    }
    Ok(gathered)
}

/// The events of those users of a group that `mine` names.
pub(super) async fn collect(
    context: &ReportContext,
    group: &EventGroup,
    shelf: &Shelf,
    mine: &(dyn Fn(&[u8]) -> bool + Sync),
    reading: &mut Reading,
) -> Result<HashMap<UserId, Kept>, ReportError> {
    let ReportContext { events, rules, progress, .. } = context;
    let reads = rules.reads();
    let mut users: HashMap<UserId, Kept> = HashMap::new();
    let (mut seen_of_group, mut told) = (0, 0);
    let mut take = |seen: shoptide_models::report::Seen<'_>| {
        seen_of_group += 1;
        if told + TELL_EVENTS <= seen_of_group {
            progress.add(TELL_EVENTS);
            told += TELL_EVENTS;
        }
        if !mine(seen.user) {
            return;
        }
        if seen.event_type == EventType::UserErased {
            users.entry(UserId::from_trusted(seen.user)).or_default().erased = true;
            return;
        }
        if !reads.has(seen.at.0) {
            return;
        }
        let verdict = seen.verdict();
        if matches!(verdict, TimeVerdict::Future { .. }) {
            // A dead letter: to the lake it is no event either.
            return;
        }
        let Some(act) = Act::of(&seen, shelf) else { return };
        reading.events += 1;
        if seen.is_copy() {
            reading.copies += 1;
        } else if verdict == TimeVerdict::Late {
            reading.late += 1;
        } else {
            let user = users.entry(UserId::from_trusted(seen.user)).or_default();
            if user.acts.len() < USER_EVENTS_MAX {
                user.acts.push(act);
            } else {
                reading.beyond += 1;
            }
            reading.oldest_ms = Some(reading.oldest_ms.map_or(act.at, |ms| ms.min(act.at)));
            reading.newest_ms = Some(reading.newest_ms.map_or(act.at, |ms| ms.max(act.at)));
        }
    };
    events.read(group, reads, &mut take).await?;
    // The others of the group were of no interest.
    progress.add(group.events_max.saturating_sub(told));
    Ok(users)
}

async fn named(
    segments: Option<&dyn Segments>,
    users: &[(UserId, Kept)],
) -> Result<Vec<Option<String>>, ReportError> {
    let Some(segments) = segments else { return Ok(Vec::new()) };
    let mut names = Vec::with_capacity(users.len());
    for some in users.chunks(SEGMENTS_AT_ONCE) {
        let ids: Vec<UserId> = some.iter().map(|(user, _)| user.clone()).collect();
        names.extend(segments.of(&ids).await?);
    }
    Ok(names)
}
