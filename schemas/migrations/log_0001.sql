-- The embedded log: records in order of topic, partition and offset; heads say where each partition begins and ends,
-- and its greatest append time, which survives the deletion of its records.
CREATE TABLE record (
    topic BIGINT NOT NULL,
    part BIGINT NOT NULL,
    off BIGINT NOT NULL,
    append_ms BIGINT NOT NULL,
    record_key {BYTES},
    payload {BYTES},
    PRIMARY KEY (topic, part, off)
){END};

CREATE TABLE head (
    topic BIGINT NOT NULL,
    part BIGINT NOT NULL,
    first_off BIGINT NOT NULL,
    next_off BIGINT NOT NULL,
    last_ms BIGINT NOT NULL,
    PRIMARY KEY (topic, part)
){END};
