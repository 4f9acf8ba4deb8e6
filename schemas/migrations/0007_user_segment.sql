-- Groups of users with a like taste. A run finds them anew; the pointer `segment` names the run that counts, flipped once the run is
-- whole. Rows of other runs are on their way in or out: nobody reads them.
CREATE TABLE segment_run (
    run BIGINT NOT NULL,
    parent BIGINT,
    created_ms BIGINT NOT NULL,
    data {BYTES} NOT NULL,
    PRIMARY KEY (run)
){END_WIDE};

-- The segments of a run. A segment that is found again keeps its number and its name; `users` were in it when the run ended.
CREATE TABLE segment (
    run BIGINT NOT NULL,
    segment BIGINT NOT NULL,
    name {TEXT} NOT NULL,
    users BIGINT NOT NULL,
    data {BYTES} NOT NULL,
    PRIMARY KEY (run, segment)
){END_WIDE};

CREATE TABLE user_segment (
    shard BIGINT NOT NULL,
    user_id {ID} NOT NULL,
    run BIGINT NOT NULL,
    segment BIGINT NOT NULL,
    PRIMARY KEY (shard, user_id, run)
){END};

-- A run's users in order, and what is left of runs before.
CREATE INDEX user_segment_run ON user_segment (run, shard, user_id);
