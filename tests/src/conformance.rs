//! What every adapter does, as a list of tests that are generic over the runtime.

/// Instantiates the suite for a [`Runtime`](crate::Runtime).
#[macro_export]
macro_rules! conformance {
    ($runtime:ty) => {
        $crate::conformance!(@each $runtime, trouble:
            a_stream_that_stalls_is_given_up_by_both_sides
            a_stream_that_is_cut_fails_at_once_and_the_next_works
            a_large_state_is_exchanged_both_ways
            s_49_a_peer_that_does_not_read_is_dropped
            s_49_a_peer_that_drips_is_dropped
            s_48_a_node_starts_and_joins_under_a_flood_of_datagrams
            s_48_a_handler_that_blocks_holds_up_nobody_and_misses_nothing
            s_38_refusals_that_the_socket_reports_are_counted_and_the_node_goes_on
            s_38_datagrams_that_cannot_be_sent_are_counted
            garbage_is_counted_and_does_no_harm
            no_datagram_is_lost_to_calls_that_interrupt_the_wait_for_it
            idle_connections_do_not_lock_others_out
            s_50_what_was_meant_for_a_node_that_is_gone_does_no_harm
        );
        $crate::conformance!(@each $runtime, recording:
            a_recorded_cluster_with_a_killed_node_does_the_same_again
            #[ignore = "the one above runs it in a process of its own, and kills that"]
            a_node_that_is_recorded_until_it_is_killed
            a_journal_of_an_encrypted_node_has_no_keys_and_replays_with_them
            a_journal_goes_on_in_files_each_of_which_replays_and_of_which_some_are_kept
            a_journal_that_cannot_be_written_ends_and_the_node_goes_on
        );
        $crate::conformance!(@each $runtime, membership:
            a_lone_node_knows_itself
            two_nodes_see_each_other
            news_of_a_third_node_spreads_by_gossip
            joins_and_leaves_are_told_as_events
            a_killed_node_is_seen_to_fail
            a_restarted_node_comes_back
            a_node_that_left_stays_left_and_is_not_taken_for_failed
            force_leave_turns_failed_into_left
            force_leave_with_prune_forgets
            changed_tags_reach_the_others
            tags_that_are_too_large_are_refused
            a_state_of_many_chunks_is_exchanged
        );
        $crate::conformance!(@each $runtime, handles:
            a_user_event_reaches_every_node_once
            a_user_event_that_is_too_large_is_refused_with_size_and_limit
            a_replaying_join_is_told_old_user_events_and_a_plain_one_is_not
            a_slow_subscriber_is_told_what_it_missed_and_holds_nobody_up
            events_end_when_the_node_stops
            a_stopped_node_answers_that_it_has_stopped
            a_second_leave_is_refused_and_the_first_goes_on
            shutdown_closes_the_sockets
            dropping_the_last_handle_stops_the_node
            calls_from_many_tasks_are_all_answered
            a_node_at_rest_sleeps
        );
        $crate::conformance!(@each $runtime, addresses:
            a_port_in_use_is_named
            an_unresolvable_bind_address_is_named
            an_unreachable_seed_is_named_with_the_reason
            seeds_that_fail_do_not_spoil_those_that_work
            a_name_is_resolved_to_all_its_addresses
            a_cluster_runs_over_ipv6
            a_node_bound_to_both_families_talks_to_ipv4
            an_advertised_address_is_what_others_see
        );
        $crate::conformance!(@each $runtime, layer:
            a_query_is_asked_of_those_that_pass_and_answers_come_as_they_are_sent
            s_24_a_query_whose_answers_nobody_takes_holds_up_no_other
            an_answer_that_cannot_be_sent_is_refused_with_the_reason
            a_query_that_cannot_be_asked_is_refused_with_the_reason
            members_learn_how_far_apart_they_are
            keys_are_rotated_everywhere_and_kept_in_the_file
            s_32_a_wrong_key_keeps_out_and_is_kept_nowhere
            a_keyring_file_that_cannot_be_used_is_named
            s_27_a_node_with_a_snapshot_finds_back_and_hears_what_it_missed
            s_33_a_damaged_snapshot_starts_and_a_full_disk_is_reported
            s_14_a_node_whose_name_is_taken_is_told_and_stops
        );
    };
    (@each $runtime:ty, $part:ident: $($(#[$meta:meta])* $test:ident)*) => {
        $(
            #[test]
            $(#[$meta])*
            fn $test() {
                <$runtime as $crate::Runtime>::run($crate::$part::$test::<$runtime>());
            }
        )*
    };
}
