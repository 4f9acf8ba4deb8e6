-- What is known to be in the cache, so that whoever takes a shard over knows what may not be.

-- Lists that the records before this offset asked for are made, and the cache has them.
ALTER TABLE stream_offset ADD COLUMN published_off BIGINT NOT NULL DEFAULT 0;
UPDATE stream_offset SET published_off = next_off;

-- Lists that were made without a record, and that the cache may not have.
CREATE TABLE list_owed (
    shard BIGINT NOT NULL,
    user_id {ID} NOT NULL,
    PRIMARY KEY (shard, user_id)
){END};
