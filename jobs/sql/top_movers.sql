-- What rises and what falls: views, wishes, carts and purchases of each item in the last seven days of the lake beside the seven
-- days before. Repeats of one event count once. `score` is the change in standard deviations of a count: beyond 3 it is hardly
-- chance. The 50 that moved most.
WITH last AS (
    SELECT max(date) AS day
    FROM events
),
counted AS (
    SELECT
        item_id,
        count(DISTINCT CASE WHEN date > day - INTERVAL '7 days' THEN event_id END) AS this_week,
        count(DISTINCT CASE WHEN date <= day - INTERVAL '7 days' THEN event_id END) AS week_before
    FROM events
    CROSS JOIN last
    WHERE type IN ('view_item', 'add_to_wishlist', 'add_to_cart', 'purchase')
        AND date > day - INTERVAL '14 days'
    GROUP BY item_id
)
SELECT
    item_id,
    this_week,
    week_before,
    this_week - week_before AS change,
    round((this_week - week_before) / sqrt(this_week + week_before), 2) AS score
FROM counted
ORDER BY abs(score) DESC, item_id
LIMIT 50
