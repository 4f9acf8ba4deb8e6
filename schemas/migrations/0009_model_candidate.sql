-- How a published version came to be: where its events came from, what it was measured by, the configuration. JSON; nothing for
-- the small versions between two trainings.
ALTER TABLE model ADD COLUMN report {BYTES};

-- Trainings that were not published: kept to be looked at, and to be published by hand. They have numbers of their own, so that the
-- versions that are served rise by one each time, whatever was refused in between.
CREATE TABLE model_candidate (
    number BIGINT NOT NULL,
    parent BIGINT,
    file {TEXT} NOT NULL,
    bytes BIGINT NOT NULL,
    created_ms BIGINT NOT NULL,
    lineage {BYTES} NOT NULL,
    report {BYTES} NOT NULL,
    PRIMARY KEY (number)
){END_WIDE};
