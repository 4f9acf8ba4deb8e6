-- Chats: what was said, and what was recommended. They have no log: they are what was answered, and go with the user or when
-- they have rested for long enough.

-- A dialogue. `turns` rises with each message, and whoever writes one names the number that he read.
CREATE TABLE chat_session (
    shard BIGINT NOT NULL,
    user_id {ID} NOT NULL,
    session_id {KEY} NOT NULL,
    turns BIGINT NOT NULL,
    created_ms BIGINT NOT NULL,
    updated_ms BIGINT NOT NULL,
    state {BYTES} NOT NULL,
    PRIMARY KEY (shard, user_id, session_id)
){END_WIDE};

-- Which have rested for long.
CREATE INDEX chat_session_updated ON chat_session (shard, updated_ms);

-- One message with its answer, as JSON.
CREATE TABLE chat_message (
    shard BIGINT NOT NULL,
    user_id {ID} NOT NULL,
    session_id {KEY} NOT NULL,
    turn BIGINT NOT NULL,
    at_ms BIGINT NOT NULL,
    question {BYTES} NOT NULL,
    answer {BYTES} NOT NULL,
    PRIMARY KEY (shard, user_id, session_id, turn)
){END_WIDE};

-- One product of an answer: its score in millionths, why (JSON), and what the user said of it; `feedback` 0 is nothing yet.
CREATE TABLE chat_record (
    shard BIGINT NOT NULL,
    user_id {ID} NOT NULL,
    session_id {KEY} NOT NULL,
    turn BIGINT NOT NULL,
    place BIGINT NOT NULL,
    item_id {ID} NOT NULL,
    score BIGINT NOT NULL,
    why {BYTES} NOT NULL,
    shown_ms BIGINT NOT NULL,
    feedback BIGINT NOT NULL,
    feedback_ms BIGINT NOT NULL,
    feedback_text {BYTES} NOT NULL,
    PRIMARY KEY (shard, user_id, session_id, turn, place)
){END_WIDE};
