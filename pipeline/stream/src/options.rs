//! Bounds of the stream, from the configuration.

/// Each bound with its reason in `config/default.toml`.
#[derive(Debug, Clone)]
pub struct StreamOptions {
    /// Records of one commit.
    pub batch_records_max: usize,
    /// Bytes of one read.
    pub batch_bytes_max: usize,
    /// Users in memory, a shard.
    pub users_cached_max: usize,
    /// Bytes of the packed ones among them.
    pub users_cached_bytes_max: usize,
    /// A list this many model versions old is made anew by the sweep.
    pub list_versions_behind_max: u64,
    /// Lists a second that a shard's sweep may make.
    pub sweep_lists_per_s: u32,
    /// At most one list a user in this time; 0 makes one at every event.
    pub list_every_ms: u64,
    /// Milliseconds that a chat is kept after its last message; 0 is for ever.
    pub chats_kept_ms: i64,
}
