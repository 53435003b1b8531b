//! The stores of the runtime keep the contract, and a store that breaks a rule is found out.

mod flawed;

use cache_runtime::store::{MemoryStore, RedisConfig, RedisStore};
use cache_testkit::{
    RedisServer, RedisServerBuilder, SpyStore,
    contract::{self, Subject},
};

use crate::flawed::{Flaw, FlawedStore};

const CAPACITY: u64 = 64 * 1024 * 1024;

async fn redis_keeps_the_contract(builder: RedisServerBuilder, connections: usize) {
    let server = builder.start().expect("a server");
    contract::run(async || {
        let config = RedisConfig::new(server.url())
            .expect("the address of the server")
            .max_connections(connections);
        RedisStore::new(config)
    })
    .await;
}

#[tokio::test]
async fn the_memory_store_keeps_the_contract() {
    contract::run(async || MemoryStore::new(CAPACITY)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_memory_store_keeps_the_contract_on_several_threads() {
    contract::run(async || MemoryStore::new(CAPACITY)).await;
}

#[tokio::test]
async fn the_redis_store_keeps_the_contract() {
    redis_keeps_the_contract(RedisServer::builder(), 4).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_redis_store_keeps_the_contract_on_several_threads() {
    redis_keeps_the_contract(RedisServer::builder(), 4).await;
}

#[tokio::test]
async fn the_redis_store_keeps_the_contract_with_one_connection() {
    redis_keeps_the_contract(RedisServer::builder(), 1).await;
}

#[tokio::test]
async fn the_redis_store_keeps_the_contract_over_a_unix_socket_with_a_password() {
    redis_keeps_the_contract(RedisServer::builder().with_unix_socket().password("p@ss:w/rd"), 4).await;
}

#[tokio::test]
async fn the_spy_store_changes_nothing_about_the_store_it_watches() {
    contract::run(async || SpyStore::new(MemoryStore::new(CAPACITY))).await;
}

#[tokio::test]
async fn what_a_store_needs_lives_as_long_as_the_store_is_tested() {
    let violations = contract::violations(async || {
        let server = RedisServer::builder().with_unix_socket().start().unwrap();
        Subject::new(RedisStore::new(RedisConfig::new(server.url()).unwrap())).keeping(server)
    })
    .await;
    assert_eq!(violations, []);
}

/// The rules that a store with this flaw breaks.
async fn broken_rules(flaw: Flaw) -> Vec<&'static str> {
    let violations = contract::violations(async || FlawedStore::new(flaw)).await;
    violations.iter().map(|violation| violation.rule).collect()
}

#[tokio::test]
async fn a_store_without_a_flaw_breaks_no_rule() {
    assert_eq!(broken_rules(Flaw::None).await, [] as [&str; 0]);
}

// With the clock paused, what never happens is given up at once.
#[tokio::test(start_paused = true)]
async fn each_flaw_is_found_by_the_rule_that_is_about_it() {
    for (flaw, rule) in [
        (Flaw::InventsStamps, "an_address_that_nobody_used_reads_as_nothing"),
        (Flaw::CreatesNothing, "a_created_stamp_is_what_reads_see"),
        (Flaw::ReplacesStamps, "a_stamp_is_created_once"),
        (Flaw::ReplacesStamps, "concurrent_creators_agree"),
        (Flaw::ReversesStamps, "the_stamps_of_an_address_keep_their_order"),
        (
            Flaw::KeepsRemovedStamps,
            "a_removed_stamp_is_missing_and_its_successor_is_another",
        ),
        (Flaw::KeepsRemovedStamps, "an_entry_is_a_hit_until_a_stamp_is_removed"),
        (
            Flaw::RemovesOneStamp,
            "several_stamps_are_removed_together_and_the_others_stay",
        ),
        (Flaw::RemovingNothingIsAnError, "removing_what_is_missing_is_no_error"),
        (Flaw::ProbeRemovesStamps, "a_probe_succeeds_and_changes_nothing"),
        (Flaw::CutsEntries(64), "an_entry_reads_back_byte_for_byte"),
        (Flaw::CutsEntries(1 << 19), "an_entry_of_a_mebibyte_reads_back"),
        (Flaw::KeepsTheFirstEntry, "a_fill_replaces_the_entry_before"),
        (Flaw::FillRemovesStamps, "a_fill_leaves_the_stamps"),
        (Flaw::FillRestoresStamps, "a_fill_that_lost_a_race_is_dead_on_arrival"),
        (Flaw::ExpiresAtOnce, "an_entry_expires_and_its_stamps_stay"),
        (Flaw::RefusesLongTtl, "extreme_times_to_live_are_no_errors"),
        (Flaw::NeverExpires, "an_entry_expires_and_its_stamps_stay"),
        (Flaw::IgnoresCase, "hostile_values_are_keys_of_their_own"),
        (Flaw::CutsKeys(36), "hostile_values_are_keys_of_their_own"),
        (
            Flaw::SweepsNothing,
            "a_sweep_removes_dead_entries_and_leaves_living_ones",
        ),
        (Flaw::SweepsTheLiving, "a_sweep_leaves_what_was_filled_again"),
        (Flaw::SweepsEverything, "a_sweep_touches_only_what_matches"),
        (
            Flaw::SweepsForTheFirst,
            "a_sweep_of_several_patterns_takes_what_matches_any_of_them",
        ),
        (Flaw::SweepsByPrefix, "a_star_matches_any_run_of_characters"),
        (Flaw::SweepsTheOld, "a_sweep_leaves_what_has_lost_a_soft_stamp_alone"),
        (Flaw::SweepsByGlob, "no_character_but_the_star_widens_a_sweep"),
        (Flaw::MixesUpReaders, "concurrent_readers_get_their_own_entries"),
        (Flaw::SharesEarlierReads, "a_read_sees_what_was_acknowledged_before_it"),
        (Flaw::DroppedReadBreaksTheStore, "a_dropped_call_harms_nobody"),
        (Flaw::Panics, "an_entry_of_a_mebibyte_reads_back"),
        (Flaw::MixesUpStampsReadAlone, "stamps_read_alone_are_the_same"),
        (
            Flaw::RemovesSomeOfAllStamps,
            "all_stamps_are_removed_at_once_if_need_be",
        ),
        (Flaw::HoldsOneWriter, "writers_come_and_go_independently"),
        (Flaw::ReleaseFreesEverybody, "writers_come_and_go_independently"),
        (
            Flaw::HoldsTheDead,
            "a_writer_that_does_not_renew_is_gone_when_its_lease_is_over",
        ),
        (Flaw::RenewsNothing, "a_renewed_hold_lasts"),
        (Flaw::SettlesNever, "a_hold_that_settles_ends_by_itself"),
        (Flaw::LeasesToEverybody, "a_lease_has_one_holder"),
        (Flaw::LeasesForEver, "a_lease_that_is_not_extended_runs_out"),
        (Flaw::KeepsLeases, "a_lease_that_was_given_back_is_free"),
        (Flaw::ExtendsNothing, "an_extended_lease_lasts"),
        (
            Flaw::ReportsNothing,
            "a_change_is_reported_before_the_store_says_that_all_have_been",
        ),
        (
            Flaw::SortsReadsOfMany,
            "several_addresses_read_as_each_of_them_does_alone",
        ),
        (Flaw::FillsTheFirstOfMany, "several_entries_are_filled_together"),
        (
            Flaw::MixesUpReadersOfMany,
            "concurrent_readers_of_several_addresses_get_their_own_entries",
        ),
        (
            Flaw::ReportsWhatWasThere,
            "a_removal_is_reported_though_there_was_no_stamp",
        ),
        (Flaw::ScansOnePage, "a_scan_finds_every_key_page_by_page"),
        (Flaw::ScansAllAtOnce, "a_scan_finds_every_key_page_by_page"),
        (Flaw::ScansByGlob, "a_scan_finds_only_what_its_pattern_matches"),
        (Flaw::ScansTheExpired, "to_look_at_an_entry_changes_nothing"),
        (
            Flaw::LooksInAnyOrder,
            "what_stands_under_keys_is_looked_at_in_their_order",
        ),
        (Flaw::LooksAtAllOfIt, "no_more_is_looked_at_than_was_asked_for"),
        (Flaw::SaysNotHowLong, "to_look_at_an_entry_changes_nothing"),
        (Flaw::RenewsWhatIsLookedAt, "to_look_at_an_entry_changes_nothing"),
    ] {
        let broken = broken_rules(flaw).await;
        assert!(
            broken.contains(&rule),
            "{flaw:?} should break {rule}, and breaks {broken:?}"
        );
    }
}

#[tokio::test]
#[should_panic(expected = "- a_sweep_removes_dead_entries_and_leaves_living_ones: of 600 entries")]
async fn the_report_names_the_rule_and_what_was_seen() {
    contract::run(async || FlawedStore::new(Flaw::SweepsNothing)).await;
}
