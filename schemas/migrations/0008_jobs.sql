-- Jobs on a schedule: who leads, what is scheduled since when, and how each run went.

-- A lease: whoever takes it raises `epoch`, which fences every write of the holder before him. `beat` rises with each renewal; a
-- candidate takes a lease whose beat has stood still for long enough by his own steady clock. `until_ms` is when its holder meant it
-- to end, for people to read; 0 is "given back".
CREATE TABLE job_lease (
    name {KEY} NOT NULL,
    holder {ID} NOT NULL,
    epoch BIGINT NOT NULL,
    beat BIGINT NOT NULL,
    until_ms BIGINT NOT NULL,
    PRIMARY KEY (name)
){END};

-- A schedule as a leader has met it: instants up to `since_ms` (it was new, or its rule was another) and up to `floor_ms` (their
-- rows are forgotten) are never run.
CREATE TABLE job_schedule (
    name {KEY} NOT NULL,
    rule {TEXT} NOT NULL,
    since_ms BIGINT NOT NULL,
    floor_ms BIGINT NOT NULL,
    PRIMARY KEY (name)
){END_WIDE};

-- One attempt to run what was due at an instant; the key lets no instant run twice. `ended_ms` 0 is "not yet".
CREATE TABLE job_run (
    schedule {KEY} NOT NULL,
    by_hand BIGINT NOT NULL,
    scheduled_ms BIGINT NOT NULL,
    attempt BIGINT NOT NULL,
    job {KEY} NOT NULL,
    status BIGINT NOT NULL,
    started_ms BIGINT NOT NULL,
    ended_ms BIGINT NOT NULL,
    row_count BIGINT NOT NULL,
    note {TEXT} NOT NULL,
    error {TEXT} NOT NULL,
    lease {KEY} NOT NULL,
    epoch BIGINT NOT NULL,
    holder {ID} NOT NULL,
    PRIMARY KEY (schedule, by_hand, scheduled_ms, attempt)
){END_WIDE};

-- What a new holder of a lease finds running, and what people ask for: the newest.
CREATE INDEX job_run_lease ON job_run (lease, status);
CREATE INDEX job_run_started ON job_run (started_ms);
