//! The rules. Each is a sentence about a store, and gets keys of its own.

mod absence;
mod concurrency;
mod entries;
mod holds;
mod inspection;
mod leases;
mod stamps;
mod sweeps;
mod watch;

use super::{Capability, Rule};

macro_rules! rules {
    ($($needs:expr => [$($module:ident::$name:ident),+ $(,)?]),+ $(,)?) => {
        pub(super) const ALL: &[Rule] = &[
            $($(Rule {
                name: stringify!($name),
                needs: $needs,
                check: |bench| Box::pin(async move { $module::$name(&bench).await }),
            },)+)+
        ];
    };
}

rules![
    None => [
        stamps::an_address_that_nobody_used_reads_as_nothing,
        stamps::a_created_stamp_is_what_reads_see,
        stamps::a_stamp_is_created_once,
        stamps::the_stamps_of_an_address_keep_their_order,
        stamps::a_removed_stamp_is_missing_and_its_successor_is_another,
        stamps::several_stamps_are_removed_together_and_the_others_stay,
        stamps::removing_what_is_missing_is_no_error,
        stamps::a_probe_succeeds_and_changes_nothing,
        stamps::stamps_read_alone_are_the_same,
        stamps::all_stamps_are_removed_at_once_if_need_be,
        entries::an_entry_reads_back_byte_for_byte,
        entries::an_entry_of_a_mebibyte_reads_back,
        entries::a_fill_replaces_the_entry_before,
        entries::a_fill_leaves_the_stamps,
        entries::an_entry_is_a_hit_until_a_stamp_is_removed,
        entries::a_fill_that_lost_a_race_is_dead_on_arrival,
        entries::an_entry_expires_and_its_stamps_stay,
        entries::extreme_times_to_live_are_no_errors,
        entries::hostile_values_are_keys_of_their_own,
        entries::several_addresses_read_as_each_of_them_does_alone,
        entries::several_entries_are_filled_together,
        concurrency::concurrent_creators_agree,
        concurrency::concurrent_readers_get_their_own_entries,
        concurrency::concurrent_readers_of_several_addresses_get_their_own_entries,
        concurrency::a_read_sees_what_was_acknowledged_before_it,
        concurrency::a_dropped_call_harms_nobody,
        absence::what_a_store_does_without_is_unsupported,
    ],
    Some(Capability::Sweeps) => [
        sweeps::a_sweep_removes_dead_entries_and_leaves_living_ones,
        sweeps::a_sweep_touches_only_what_matches,
        sweeps::a_sweep_of_several_patterns_takes_what_matches_any_of_them,
        sweeps::a_star_matches_any_run_of_characters,
        sweeps::no_character_but_the_star_widens_a_sweep,
        sweeps::a_sweep_leaves_what_was_filled_again,
        sweeps::a_sweep_leaves_what_has_lost_a_soft_stamp_alone,
    ],
    Some(Capability::Watches) => [
        watch::a_change_is_reported_before_the_store_says_that_all_have_been,
        watch::a_removal_is_reported_though_there_was_no_stamp,
    ],
    Some(Capability::Holds) => [
        holds::a_hold_is_seen_until_its_writer_leaves,
        holds::writers_come_and_go_independently,
        holds::a_writer_that_does_not_renew_is_gone_when_its_lease_is_over,
        holds::a_renewed_hold_lasts,
        holds::a_hold_that_settles_ends_by_itself,
    ],
    Some(Capability::Leases) => [
        leases::a_lease_has_one_holder,
        leases::a_lease_that_was_given_back_is_free,
        leases::a_lease_that_is_not_extended_runs_out,
        leases::an_extended_lease_lasts,
    ],
    Some(Capability::Inspection) => [
        inspection::a_scan_finds_every_key_page_by_page,
        inspection::a_scan_finds_only_what_its_pattern_matches,
        inspection::what_stands_under_keys_is_looked_at_in_their_order,
        inspection::no_more_is_looked_at_than_was_asked_for,
        inspection::to_look_at_an_entry_changes_nothing,
    ],
];
