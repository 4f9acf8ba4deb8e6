//! How much each user likes each item, from events, as SQL: what the fold and the trainer make of the same events.
//!
//! As there: a repeated event or order line counts once, late and future ones do not, an erased user is gone, what an anonymous user did is
//! the known user's, each act is worth its weight, halved with every half-life of its topic before the user's last event,
//! a rating is scaled by the last rating of the item, and only what remains above 0 counts.
//!
//! Unlike there nothing is forgotten: the fold keeps a user's last 256 items a topic and 24 (act, day) an item, and knows
//! the last 256 event ids.

use std::fmt::Write;

use shoptide_models::state::{Act, TasteParams};
use shoptide_schemas::limits::{FUTURE_MS, LATE_MS};
use shoptide_schemas::time::DAY_MS;
use shoptide_schemas::{EventType, USER_TOPICS};

/// One pass over the events, beside two for who is gone and who became known: a name that is used twice is computed twice.
///
/// The query for `user_id`, `item_id`, `strength` (Float32, above 0) over a table of events by
/// [`event_schema`](shoptide_schemas::arrow::event_schema) that is called `events`.
pub fn interactions_sql(taste: &TasteParams) -> String {
    let rating_neutral = f64::from(taste.rating_neutral());
    let mut weights = String::new();
    for act in Act::all() {
        let weight = taste.weight(act);
        if weight != 0.0 {
            let _ = write!(weights, " WHEN '{}' THEN {:?}", act.name(), f64::from(weight));
        }
    }
    let mut half_lives = String::new();
    for topic in USER_TOPICS {
        let _ =
            write!(half_lives, " WHEN '{}' THEN {:?}", topic.name(), f64::from(taste.half_life_days(topic)));
    }
    let (identify, erased, absorbed, rate) = (
        EventType::Identify.name(),
        EventType::UserErased.name(),
        EventType::PartAbsorbed.name(),
        Act::RATE.name(),
    );
    format!(
        r#"WITH
in_time AS (
  SELECT * FROM events
  WHERE type = '{erased}'
     OR (arrow_cast(occurred_at, 'Int64') - arrow_cast(appended_at, 'Int64') <= {FUTURE_MS}
     AND (historical OR arrow_cast(appended_at, 'Int64') - arrow_cast(occurred_at, 'Int64') <= {LATE_MS}))
),
gone AS (SELECT DISTINCT user_id FROM in_time WHERE type = '{erased}'),
known AS (
  SELECT topic, user_id, min("offset") AS left_at,
    first_value(known_user_id ORDER BY "offset") AS known_user_id
  FROM in_time WHERE type = '{identify}' GROUP BY topic, user_id
),
once AS (
  SELECT e.*, k.known_user_id AS known_as,
    row_number() OVER (PARTITION BY e.topic, e.user_id, e.event_id ORDER BY e."offset") AS nth
  FROM in_time e
  LEFT JOIN known k ON e.topic = k.topic AND e.user_id = k.user_id
  LEFT JOIN gone g ON e.user_id = g.user_id
  WHERE e.type NOT IN ('{erased}', '{identify}', '{absorbed}')
    AND (k.left_at IS NULL OR e."offset" < k.left_at)
    AND g.user_id IS NULL
),
lined AS (
  SELECT *, row_number() OVER (
    PARTITION BY topic, user_id, type, order_id, order_line ORDER BY "offset") AS nth_line
  FROM once WHERE nth = 1
),
acts AS (
  SELECT topic, coalesce(known_as, user_id) AS user_id, item_id, coalesce('feedback_' || feedback, type) AS act,
    arrow_cast(occurred_at, 'Int64') AS at_ms, "offset", arrow_cast(rating_hundredths, 'Int64') AS rating
  FROM lined WHERE order_id IS NULL OR nth_line = 1
),
beside AS (
  SELECT user_id, item_id, topic, act, at_ms / {DAY_MS} AS day,
    max(at_ms) OVER (PARTITION BY user_id) / {DAY_MS} AS last_day,
    max(CASE WHEN act = '{rate}' THEN "offset" * 1024 + rating END)
      OVER (PARTITION BY user_id, item_id) % 1024 AS rating
  FROM acts
),
counted AS (
  SELECT user_id, item_id, topic, act, day, min(last_day) AS last_day, min(rating) AS rating, count(*) AS n
  FROM beside WHERE item_id IS NOT NULL GROUP BY 1, 2, 3, 4, 5
),
worth AS (
  SELECT user_id, item_id,
    n * (CASE act{weights} ELSE 0.0 END)
    * (CASE WHEN act <> '{rate}' THEN 1.0
       WHEN rating < {neutral:?} THEN (rating - {neutral:?}) / {below:?}
       ELSE (rating - {neutral:?}) / {above:?} END)
    * power(2.0, -(greatest(last_day - day, 0) / (CASE topic{half_lives} END))) AS strength
  FROM counted
)
SELECT arrow_cast(user_id, 'Binary') AS user_id, arrow_cast(item_id, 'Binary') AS item_id,
  arrow_cast(sum(strength), 'Float32') AS strength
FROM worth GROUP BY user_id, item_id HAVING sum(strength) > 0.0"#,
        neutral = rating_neutral * 100.0,
        below = rating_neutral.max(0.01) * 100.0,
        above = (5.0 - rating_neutral) * 100.0,
    )
}
