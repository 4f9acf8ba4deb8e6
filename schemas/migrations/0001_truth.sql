-- The truth. {ID}, {KEY}, {BYTES}, {TEXT}, {END} and {END_WIDE} are the dialect's: VARBINARY and InnoDB, or BLOB and, for
-- narrow rows, WITHOUT ROWID.
-- Every key of what grows with users leads with the shard. Numbers are integers, ids and states exact bytes.

-- Where each shard stands in each topic, and the sum that must add up:
-- next_off - base_off - gaps = applied + duplicate + late + erased + dead.
CREATE TABLE stream_offset (
    shard BIGINT NOT NULL,
    topic BIGINT NOT NULL,
    next_off BIGINT NOT NULL,
    epoch BIGINT NOT NULL,
    base_off BIGINT NOT NULL,
    append_ms BIGINT NOT NULL,
    logged BIGINT NOT NULL,
    applied BIGINT NOT NULL,
    duplicate BIGINT NOT NULL,
    late BIGINT NOT NULL,
    erased BIGINT NOT NULL,
    dead BIGINT NOT NULL,
    PRIMARY KEY (shard, topic)
){END};

-- One part per user and topic, folded only from that topic; upto is the last offset folded in.
CREATE TABLE user_part (
    shard BIGINT NOT NULL,
    user_id {ID} NOT NULL,
    topic BIGINT NOT NULL,
    upto BIGINT NOT NULL,
    data {BYTES} NOT NULL,
    PRIMARY KEY (shard, user_id, topic)
){END_WIDE};

-- What the trainer asks: which parts changed since its last cut.
CREATE INDEX user_part_upto ON user_part (shard, topic, upto);

-- Order lines are unique for ever.
CREATE TABLE order_line (
    shard BIGINT NOT NULL,
    user_id {ID} NOT NULL,
    kind BIGINT NOT NULL,
    order_id {ID} NOT NULL,
    line_id {KEY} NOT NULL,
    PRIMARY KEY (shard, user_id, kind, order_id, line_id)
){END};

-- Counts that add up across shards; readers sum.
CREATE TABLE item_count (
    shard BIGINT NOT NULL,
    item_id {ID} NOT NULL,
    day BIGINT NOT NULL,
    type BIGINT NOT NULL,
    n BIGINT NOT NULL,
    PRIMARY KEY (shard, item_id, day, type)
){END};

CREATE TABLE dead_letter (
    shard BIGINT NOT NULL,
    topic BIGINT NOT NULL,
    off BIGINT NOT NULL,
    append_ms BIGINT NOT NULL,
    reason {TEXT} NOT NULL,
    field {TEXT} NOT NULL,
    message {TEXT} NOT NULL,
    record_key {BYTES},
    payload {BYTES},
    PRIMARY KEY (shard, topic, off)
){END_WIDE};

-- Who was erased, by hash, and at which offset of each topic.
CREATE TABLE tombstone (
    shard BIGINT NOT NULL,
    user_hash {ID} NOT NULL,
    topic BIGINT NOT NULL,
    off BIGINT NOT NULL,
    PRIMARY KEY (shard, user_hash, topic)
){END};

-- Records that a fold owes to another partition; deleted once they are in the log.
CREATE TABLE outbox (
    shard BIGINT NOT NULL,
    topic BIGINT NOT NULL,
    off BIGINT NOT NULL,
    record_key {ID} NOT NULL,
    payload {BYTES} NOT NULL,
    PRIMARY KEY (shard, topic, off)
){END_WIDE};

-- Derived: the lists, and the users whose list is still to be made.
CREATE TABLE user_list (
    shard BIGINT NOT NULL,
    user_id {ID} NOT NULL,
    revision BIGINT NOT NULL,
    model_version BIGINT NOT NULL,
    last_ms BIGINT NOT NULL,
    data {BYTES} NOT NULL,
    PRIMARY KEY (shard, user_id)
){END_WIDE};

-- Which model versions are still named: asked after every publish.
CREATE INDEX user_list_model ON user_list (shard, model_version);

CREATE TABLE list_todo (
    shard BIGINT NOT NULL,
    user_id {ID} NOT NULL,
    PRIMARY KEY (shard, user_id)
){END};

-- Derived: prequential quality, integer sums by day.
CREATE TABLE quality (
    shard BIGINT NOT NULL,
    day BIGINT NOT NULL,
    metric BIGINT NOT NULL,
    n BIGINT NOT NULL,
    PRIMARY KEY (shard, day, metric)
){END};

-- Limits have no log: they are what the shop last said.
CREATE TABLE user_budget (
    shard BIGINT NOT NULL,
    user_id {ID} NOT NULL,
    month_micros BIGINT NOT NULL,
    currency {KEY} NOT NULL,
    updated_ms BIGINT NOT NULL,
    PRIMARY KEY (shard, user_id)
){END};

-- The catalogue: numbers in order of first appearance, and every version of every row.
CREATE TABLE item (
    num BIGINT NOT NULL,
    item_id {ID} NOT NULL UNIQUE,
    from_off BIGINT NOT NULL,
    data {BYTES} NOT NULL,
    PRIMARY KEY (num)
){END_WIDE};

CREATE TABLE item_version (
    num BIGINT NOT NULL,
    from_off BIGINT NOT NULL,
    data {BYTES} NOT NULL,
    PRIMARY KEY (num, from_off)
){END_WIDE};

-- Published models; the pointer row is flipped last.
CREATE TABLE model (
    version BIGINT NOT NULL,
    parent BIGINT,
    kind {TEXT} NOT NULL,
    file {TEXT} NOT NULL,
    bytes BIGINT NOT NULL,
    created_ms BIGINT NOT NULL,
    lineage {BYTES} NOT NULL,
    PRIMARY KEY (version)
){END_WIDE};

CREATE TABLE pointer (
    name {KEY} NOT NULL,
    value BIGINT NOT NULL,
    PRIMARY KEY (name)
){END};
