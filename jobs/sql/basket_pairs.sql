-- Items that are bought together: pairs of one order, how many orders have both, the share of the orders with either that have
-- the other too, and how many times as often as by chance (lift). The 100 pairs with the most orders.
WITH baskets AS (
    SELECT DISTINCT user_id, order_id, item_id
    FROM events
    WHERE type = 'purchase' AND order_id IS NOT NULL
),
sold AS (
    SELECT item_id, count(*) AS orders
    FROM baskets
    GROUP BY item_id
),
pairs AS (
    SELECT a.item_id AS item_a, b.item_id AS item_b, count(*) AS together
    FROM baskets AS a
    JOIN baskets AS b ON a.user_id = b.user_id AND a.order_id = b.order_id AND a.item_id < b.item_id
    GROUP BY a.item_id, b.item_id
),
total AS (
    SELECT count(*) AS orders
    FROM (SELECT DISTINCT user_id, order_id FROM baskets) AS every
)
SELECT
    item_a,
    item_b,
    together,
    round(1.0 * together / a.orders, 4) AS a_has_b,
    round(1.0 * together / b.orders, 4) AS b_has_a,
    round(1.0 * together * total.orders / a.orders / b.orders, 2) AS lift
FROM pairs
JOIN sold AS a ON a.item_id = item_a
JOIN sold AS b ON b.item_id = item_b
CROSS JOIN total
ORDER BY together DESC, item_a, item_b
LIMIT 100
