//! Runs the suite of every truth on each of them: SQLite always, MySQL or MariaDB where `SHOPTIDE_TEST_MYSQL` names a server
//! (`deploy/services up` provides one).
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod rows;
mod server;
mod suite;

use std::sync::Arc;

use shoptide_store::{SqliteTruth, SqliteTruthOptions, Truth};

macro_rules! on_every_truth {
    ($($area:ident :: $test:ident,)*) => {
        mod sqlite {
            use super::*;
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $test() {
                    let dir = tempfile::tempdir().unwrap();
                    let options = SqliteTruthOptions::new(dir.path().join("truth.db"));
                    let truth: Arc<dyn Truth> = SqliteTruth::open(options).await.unwrap();
                    suite::$area::$test(Arc::clone(&truth)).await;
                    truth.close().await;
                }
            )*
        }
        mod mysql {
            use super::*;
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $test() {
                    let Some(database) = server::Database::new().await else { return };
                    let truth: Arc<dyn Truth> = database.truth().await;
                    suite::$area::$test(Arc::clone(&truth)).await;
                    truth.close().await;
                    database.drop().await;
                }
            )*
        }
    };
}

on_every_truth! {
    chats::a_turn_is_written_once_and_found_by_its_user,
    chats::feedback_is_given_once,
    chats::a_turn_does_all_of_it_or_nothing,
    chats::an_erased_user_has_no_turn,
    chats::chats_go_with_their_user_and_with_time,
    chats::chats_move_with_their_user,
    chats::versions_of_an_item_come_newest_first,
    commits::assign_raises_one_epoch_for_all_topics,
    commits::a_commit_writes_every_table,
    commits::a_fenced_commit_leaves_nothing,
    commits::a_commit_that_cannot_be_meant_is_refused,
    commits::a_commit_refused_at_its_end_leaves_nothing,
    commits::erasure_takes_everything_of_a_user_and_nothing_else,
    commits::a_dropped_commit_is_whole_or_absent,
    counters::counts_commute_and_cancel,
    counters::counts_and_quality_sum_over_shards_and_days,
    faq::questions_change_as_a_whole_and_are_counted,
    faq::questions_have_a_bound,
    faq::links_of_items_are_replaced_by_newer_ones,
    growth::users_move_with_all_that_is_theirs,
    growth::offsets_step_over_at_once,
    growth::the_later_budget_stays,
    growth::a_cut_of_before_sees_the_new_shards,
    ids::ids_that_only_look_alike_stay_apart,
    jobs::a_lease_is_taken_once_and_fences_its_former_holder,
    jobs::an_instant_runs_once_and_again_only_after_a_failure,
    jobs::history_is_found_by_name_and_bounded,
    ratings::ratings_add_up_and_changes_are_seen,
    ratings::pages_of_ratings_lose_nothing,
    ratings::a_shard_knows_what_it_has_counted,
    reads::users_and_lists_are_paged_in_order,
    reads::todo_and_outbox_are_worked_off_in_order,
    reads::what_the_cache_is_owed_is_remembered,
    reads::dead_letters_come_newest_first,
    reads::the_catalogue_keeps_every_version,
    reads::budgets_are_set_replaced_and_removed,
    reads::candidates_have_numbers_of_their_own,
    reads::models_are_published_in_order,
    reads::parts_of_models_come_and_go_with_their_row,
    reads::a_closed_truth_says_so,
    walks::pages_hold_every_row_once,
    segments::a_run_is_seen_whole_or_not_at_all,
    segments::an_erased_user_is_in_no_segment,
    segments::segments_move_with_their_user,
    walks::scans_are_in_order_and_know_what_changed,
    walks::a_scan_sees_one_cut_while_commits_go_on,
    walks::a_walker_who_goes_away_costs_nothing,
}

#[cfg(feature = "faults")]
#[path = "broken/mod.rs"]
mod broken;

/// What only a server shows is tried where one is named.
#[cfg(feature = "faults")]
#[test]
fn broken_protections_are_noticed() {
    use shoptide_faults::Break;
    let everywhere = [
        (Break::NoEpochTest, "a_fenced_commit_leaves_nothing"),
        (Break::NoOffsetTest, "a_fenced_commit_leaves_nothing"),
        (Break::EpochStays, "assign_raises_one_epoch_for_all_topics"),
        (Break::OffsetsFirst, "a_commit_refused_at_its_end_leaves_nothing"),
    ];
    for (broken, test) in everywhere {
        broken::noticed(broken, &format!("sqlite::{test}"));
        if broken::has("SHOPTIDE_TEST_MYSQL") {
            broken::noticed(broken, &format!("mysql::{test}"));
        }
    }
    if broken::has("SHOPTIDE_TEST_MYSQL") {
        broken::noticed(
            Break::TransactionOfCaller,
            "mysql_locks::a_caller_who_goes_away_leaves_no_half_transaction",
        );
        broken::noticed(Break::KeepHalf, "mysql_locks::a_lock_that_is_not_had_in_time_leaves_no_half_batch");
    }
}

mod mysql_locks;
