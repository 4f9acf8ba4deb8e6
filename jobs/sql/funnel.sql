-- From a look to a purchase, by user and item: of the pairs that were looked at, how many were put into the cart at or after the
-- first look, and how many of those were bought at or after the first time they were put there. Users count who did so with at
-- least one item.
WITH pairs AS (
    SELECT
        user_id,
        item_id,
        min(CASE WHEN type = 'view_item' THEN occurred_at END) AS viewed_first,
        min(CASE WHEN type = 'add_to_cart' THEN occurred_at END) AS carted_first,
        max(CASE WHEN type = 'add_to_cart' THEN occurred_at END) AS carted_last,
        max(CASE WHEN type = 'purchase' THEN occurred_at END) AS bought_last
    FROM events
    WHERE type IN ('view_item', 'add_to_cart', 'purchase')
    GROUP BY user_id, item_id
),
users AS (
    SELECT
        user_id,
        count(viewed_first) AS viewed,
        count(CASE WHEN viewed_first <= carted_last THEN 1 END) AS carted,
        count(CASE WHEN viewed_first <= carted_last AND carted_first <= bought_last THEN 1 END) AS bought
    FROM pairs
    GROUP BY user_id
)
SELECT
    count(CASE WHEN 0 < viewed THEN 1 END) AS users_viewed,
    count(CASE WHEN 0 < carted THEN 1 END) AS users_carted,
    count(CASE WHEN 0 < bought THEN 1 END) AS users_bought,
    CAST(sum(viewed) AS BIGINT) AS viewed,
    CAST(sum(carted) AS BIGINT) AS carted,
    CAST(sum(bought) AS BIGINT) AS bought,
    round(100.0 * sum(carted) / nullif(sum(viewed), 0), 2) AS carted_percent,
    round(100.0 * sum(bought) / nullif(sum(carted), 0), 2) AS bought_percent
FROM users
