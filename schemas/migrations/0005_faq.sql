-- Questions that shoppers ask, each with the shop's answer, as JSON. The pointer `faq` counts the changes, so that every process
-- sees when to read them again.
CREATE TABLE faq (
    entry_id {ID} NOT NULL,
    data {BYTES} NOT NULL,
    PRIMARY KEY (entry_id)
){END_WIDE};

-- What users' acts say of an item: what it was bought with, and where it is talked of. Made by a training, as of which model.
CREATE TABLE item_links (
    item_id {ID} NOT NULL,
    version BIGINT NOT NULL,
    data {BYTES} NOT NULL,
    PRIMARY KEY (item_id)
){END_WIDE};
