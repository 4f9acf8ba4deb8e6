-- Who comes back: users by the week (Monday to Sunday, UTC) of their first event, and how many of them were there again so many
-- weeks later.
WITH weeks AS (
    SELECT DISTINCT user_id, date_trunc('week', occurred_at) AS week
    FROM events
    WHERE type <> 'user_erased'
),
cohorts AS (
    SELECT user_id, week, min(week) OVER (PARTITION BY user_id) AS cohort
    FROM weeks
),
counted AS (
    SELECT
        cohort,
        CAST((date_part('epoch', week) - date_part('epoch', cohort)) / 604800 AS BIGINT) AS weeks_later,
        count(*) AS users
    FROM cohorts
    GROUP BY cohort, weeks_later
)
SELECT
    CAST(cohort AS DATE) AS cohort,
    weeks_later,
    users,
    round(100.0 * users / first_value(users) OVER (PARTITION BY cohort ORDER BY weeks_later), 2) AS percent
FROM counted
ORDER BY cohort, weeks_later
