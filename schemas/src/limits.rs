//! Every bound of the wire in one place, each with its reason.

/// An event as JSON. Kafka's default `max.message.bytes` is 1 MiB; one event that large is a mistake, not an event.
pub const EVENT_BYTES_MAX: usize = 64 * 1024;
/// What a dead letter keeps of a record's key and of its value. A batch of 1 MiB may unpack to gigabytes, which no statement to a
/// database can carry; whatever could be retried is shorter.
pub const DEAD_FIELD_BYTES_MAX: usize = 1024 * 1024;
/// Events of one request: enough to amortise a round trip, few enough to answer each one.
pub const BATCH_EVENTS_MAX: usize = 1_000;
/// A request body after decompression, so that a gzip bomb costs at most this much memory.
pub const BATCH_BYTES_MAX: usize = 2 * 1024 * 1024;
/// Chosen by the producer; a UUID with a prefix fits.
pub const EVENT_ID_BYTES_MAX: usize = 64;
/// What a split line appends: `#` and its place, 0 to 199.
pub const LINE_SUFFIX_BYTES_MAX: usize = 4;
/// Users and items: fits the primary key of InnoDB with room for shard and topic.
pub const ID_BYTES_MAX: usize = 128;
/// Session, order, list and thread ids.
pub const SHORT_ID_BYTES_MAX: usize = 128;
/// A line without a name of its own is `item:` and its item, and travels so when an event is forwarded.
pub const ORDER_LINE_BYTES_MAX: usize = 5 + ID_BYTES_MAX;
/// A search query; longer ones are pasted texts.
pub const QUERY_BYTES_MAX: usize = 512;
/// A forum text.
pub const TEXT_BYTES_MAX: usize = 16 * 1024;
/// `context` is carried, never interpreted.
pub const CONTEXT_BYTES_MAX: usize = 4 * 1024;
/// Pieces in one line of an order.
pub const QUANTITY_MAX: i64 = 100_000;
/// Lines of one event's `items`.
pub const LINES_MAX: usize = 200;
/// A decimal string: all digits that money can have, and some zeros.
pub const DECIMAL_BYTES_MAX: usize = 32;
/// A time as text: RFC 3339 with nanoseconds and an offset has 35.
pub const TIME_BYTES_MAX: usize = 40;
/// Item texts.
pub const TITLE_BYTES_MAX: usize = 1_024;
pub const BRAND_BYTES_MAX: usize = 256;
pub const CATEGORY_BYTES_MAX: usize = 256;
pub const DESCRIPTION_BYTES_MAX: usize = 16 * 1024;
pub const TAGS_MAX: usize = 32;
pub const TAG_BYTES_MAX: usize = 64;
/// Languages of one item's titles.
pub const TITLES_MAX: usize = 8;
/// Pieces in stock.
pub const STOCK_MAX: i64 = 1_000_000_000;
/// An event this much older than its append time is `late`, unless it says `historical`.
pub const LATE_MS: i64 = 30 * 86_400_000;
/// A producer's clock may run ahead by this much.
pub const FUTURE_MS: i64 = 5 * 60_000;
/// A name of the shop's own for a question and its answer.
pub const FAQ_ID_BYTES_MAX: usize = 64;
pub const FAQ_CATEGORY_BYTES_MAX: usize = 64;
pub const FAQ_TAGS_MAX: usize = 16;
/// Wordings of one question in one language: more of them say nothing new.
pub const FAQ_QUESTIONS_MAX: usize = 16;
pub const FAQ_QUESTION_BYTES_MAX: usize = 1_024;
/// An answer that is longer is a page, to which it can point.
pub const FAQ_ANSWER_BYTES_MAX: usize = 4 * 1024;
/// Entries of a shop. Every process that answers holds them all: 10,000 usual ones are some 20 MB with their index.
pub const FAQ_ENTRIES_MAX: usize = 10_000;
