-- What shoppers gave each item: how many ratings and the sum of their hundredths, which add up across shards. `upto` is the offset in
-- shop.feedback of the last record that changed the row, so that readers find what is new to them. A row that came to nothing stays:
-- they must see that too.
CREATE TABLE item_rating (
    shard BIGINT NOT NULL,
    item_id {ID} NOT NULL,
    n BIGINT NOT NULL,
    hundredths BIGINT NOT NULL,
    upto BIGINT NOT NULL,
    PRIMARY KEY (shard, item_id)
){END};

-- What readers ask: what changed since they last looked, and the sums of those items.
CREATE INDEX item_rating_upto ON item_rating (shard, upto);
CREATE INDEX item_rating_item ON item_rating (item_id);
