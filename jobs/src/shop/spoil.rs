//! Events spoiled on purpose, one of several kinds each: what the border must refuse, for tests of it.

use shoptide_schemas::limits::ID_BYTES_MAX;
use shoptide_schemas::time::DAY_MS;
use shoptide_schemas::wire::{WireEvent, WireTime};

use super::dice::Dice;

/// Makes a good event bad. Each kind is refused by `wire::check`, except the last: its time is refused by the log's.
pub(crate) fn spoil(event: &mut WireEvent, dice: &mut Dice) {
    match dice.below(9) {
        0 => event.event_type = Some("view_itme".to_owned()),
        1 => event.user_id = Some("  ".to_owned()),
        2 => event.user_id = Some("u".repeat(ID_BYTES_MAX + 1)),
        3 => event.occurred_at = Some(WireTime::Text("yesterday".to_owned())),
        4 => event.occurred_at = seconds(event.occurred_at.as_ref()),
        5 => event.event_id = None,
        6 => event.v = Some(99),
        7 => {
            event.event_type = Some("purchase".to_owned());
            event.quantity = Some(-1);
        }
        _ => event.occurred_at = ahead(event.occurred_at.as_ref()),
    }
}

/// The commonest mistake of producers: seconds where milliseconds are meant.
fn seconds(at: Option<&WireTime>) -> Option<WireTime> {
    match at {
        Some(WireTime::Ms(ms)) => Some(WireTime::Ms(ms / 1000)),
        other => other.cloned(),
    }
}

fn ahead(at: Option<&WireTime>) -> Option<WireTime> {
    match at {
        Some(WireTime::Ms(ms)) => Some(WireTime::Ms(ms + 500 * DAY_MS)),
        other => other.cloned(),
    }
}
