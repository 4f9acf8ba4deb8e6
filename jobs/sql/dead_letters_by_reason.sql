-- What was refused, and why: dead letters by reason, field and topic, since when, until when, and the newest to look at with
-- `shoptide dead-letters show`.
WITH newest AS (
    SELECT
        *,
        row_number() OVER (
            PARTITION BY reason, field, topic ORDER BY appended_at DESC, "partition" DESC, "offset" DESC
        ) AS place
    FROM dead_letters
)
SELECT
    reason,
    field,
    topic,
    count(*) AS letters,
    min(appended_at) AS since,
    max(appended_at) AS until,
    max(CASE WHEN place = 1 THEN topic || '/' || "partition" || '/' || "offset" END) AS newest
FROM newest
GROUP BY reason, field, topic
ORDER BY letters DESC, reason, field, topic
