//! What every log must do, run against each implementation; then what only a file can do wrong.

// Clippy's exception for tests does not see generic test bodies.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod behaviour;
mod crash;
mod file;
#[cfg(feature = "kafka")]
mod kafka;
mod patient;
mod reading;
mod subject;
#[cfg(feature = "kafka")]
mod unreadable;

/// One test a behaviour and implementation.
macro_rules! suite {
    ($($behaviour:ident::$name:ident),* $(,)?) => {
        mod sqlite {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                crate::$behaviour::$name::<crate::subject::Sqlite>().await;
            })*
        }
        mod memory {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                crate::$behaviour::$name::<crate::subject::Memory>().await;
            })*
        }
    };
}

suite![
    behaviour::offsets_count_up_within_each_partition,
    behaviour::an_append_lands_where_its_key_belongs,
    behaviour::an_empty_append_is_nothing,
    behaviour::watermarks_follow_the_log,
    behaviour::a_full_queue_refuses_at_once_and_appends_nothing,
    behaviour::an_append_larger_than_the_queue_is_a_mistake,
    behaviour::concurrent_producers_lose_and_double_nothing,
    behaviour::append_times_never_go_backwards,
    behaviour::foreign_records_may_lack_key_and_value,
    behaviour::close_flushes_then_refuses,
    behaviour::a_second_owner_is_refused_until_the_first_leaves,
    behaviour::partitions_that_do_not_exist_are_named,
    reading::memory_and_disk_read_the_same,
    reading::reads_keep_to_their_bounds,
    reading::an_append_wakes_the_reader,
    reading::a_reader_of_one_shard_sees_only_that,
    reading::drained_means_nothing_more,
    reading::no_topic_starves,
    reading::a_paused_reader_waits,
    reading::a_cancelled_read_loses_nothing,
    reading::lag_counts_what_is_left,
    reading::deleted_records_are_never_jumped_over,
    reading::offsets_beyond_the_end_are_refused,
    reading::waiting_beyond_an_offset,
    reading::the_catalogue_belongs_to_shard_zero,
];

#[cfg(feature = "kafka")]
/// On Kafka what neither owns the broker's clock, nor stalls it, nor locks a file.
macro_rules! on_kafka {
    ($($behaviour:ident::$name:ident),* $(,)?) => {
        mod on_kafka {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                if crate::kafka::is_there() {
                    crate::$behaviour::$name::<crate::kafka::Kafka>().await;
                }
            })*
        }
    };
}

#[cfg(feature = "kafka")]
on_kafka![
    behaviour::offsets_count_up_within_each_partition,
    behaviour::an_append_lands_where_its_key_belongs,
    behaviour::an_empty_append_is_nothing,
    behaviour::watermarks_follow_the_log,
    behaviour::an_append_larger_than_the_queue_is_a_mistake,
    behaviour::concurrent_producers_lose_and_double_nothing,
    behaviour::foreign_records_may_lack_key_and_value,
    behaviour::close_flushes_then_refuses,
    behaviour::partitions_that_do_not_exist_are_named,
    reading::memory_and_disk_read_the_same,
    reading::reads_keep_to_their_bounds,
    reading::an_append_wakes_the_reader,
    reading::a_reader_of_one_shard_sees_only_that,
    reading::drained_means_nothing_more,
    reading::a_paused_reader_waits,
    reading::a_cancelled_read_loses_nothing,
    reading::lag_counts_what_is_left,
    reading::offsets_beyond_the_end_are_refused,
    reading::waiting_beyond_an_offset,
    reading::the_catalogue_belongs_to_shard_zero,
];
