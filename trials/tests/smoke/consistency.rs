//! Nothing old is served, and protocols that are known to be wrong are caught by the same run. docs/consistency.md says what a
//! run is.

use crate::Run;

fn consistency(arguments: &str) -> Run {
    Run::of("consistency", arguments.split(' '))
}

#[track_caller]
fn assert_caught(run: &Run) {
    assert!(run.figure("stale") > 0 && !run.succeeded, "{run}");
}

#[test]
fn nothing_old_is_served_whatever_goes_wrong() {
    let run = consistency("--seconds 4 --seed 1 --faults all");
    assert_eq!(run.figure("stale"), 0, "{run}");
    assert_eq!(run.figure("max_stale_ms"), 0);
    run.assert_succeeded();
    for figure in ["reads", "invalidations", "faults"] {
        assert!(run.figure(figure) > 0, "{run}");
    }
}

#[test]
fn nothing_old_is_served_from_values_that_are_checked() {
    let run = consistency("--seconds 4 --seed 2 --faults all --near checked");
    assert_eq!(run.figure("stale"), 0, "{run}");
    run.assert_succeeded();
}

/// On the node that has invalidated nothing, elsewhere up to the staleness bound: the run judges that.
#[test]
fn nothing_is_served_from_tracked_values_for_longer_than_the_bound() {
    let run = consistency("--seconds 4 --seed 3 --faults all --near tracked");
    run.assert_succeeded();
}

/// Nothing that an invalidation forbids, however many values are past their time-to-live.
#[test]
fn nothing_old_is_served_under_policies_that_return_old_values() {
    let run = consistency("--seconds 4 --seed 5 --faults all --policies");
    assert_eq!(run.figure("stale"), 0, "{run}");
    run.assert_succeeded();
}

/// What Redis does not report to near caches.
#[test]
fn nothing_is_served_for_longer_than_the_bound_when_the_database_is_swapped() {
    let run = consistency("--seconds 6 --seed 2 --faults swapdb --near tracked");
    assert!(run.succeeded && run.figure("faults") > 0, "{run}");
}

#[test]
fn nothing_is_served_for_longer_than_the_bound_when_slots_are_taken_over() {
    let run = consistency("--seconds 6 --seed 6 --faults takeover --near tracked");
    assert!(run.succeeded && run.figure("faults") > 0, "{run}");
}

/// Nodes are killed between commit and invalidation. What they had committed obliges the others all the same.
#[test]
fn nothing_older_than_a_commit_is_served_of_a_crash_safe_resource() {
    let run = consistency("--seconds 4 --seed 4 --faults node");
    run.assert_succeeded();
}

/// Nothing needs to go wrong for this: a load that takes a while is enough.
#[test]
fn deleting_after_a_write_is_caught() {
    assert_caught(&consistency("--seconds 2 --seed 1 --faults none --protocol delete"));
}

#[test]
fn deleting_twice_is_caught() {
    assert_caught(&consistency(
        "--seconds 2 --seed 1 --faults none --protocol double-delete",
    ));
}

/// What a counter forgets is what gives it away: an old snapshot here, an eviction as well as that.
#[test]
fn counting_stamps_is_caught() {
    assert_caught(&consistency(
        "--seconds 5 --seed 1 --faults evict,snapshot --protocol counter",
    ));
}

/// Rows that programs change which know nothing of the framework. The lag is one that a busy machine keeps, too.
#[test]
fn what_other_programs_change_in_postgres_shows_within_the_lag_whatever_goes_wrong() {
    let run = consistency("--writers sql --seconds 5 --seed 2 --faults all --lag-ms 3000");
    assert_followed(&run);
}

#[test]
fn what_other_programs_change_in_sqlite_shows_within_the_lag_whatever_goes_wrong() {
    let run = consistency("--writers sql --database sqlite --seconds 5 --seed 2 --faults all --lag-ms 3000");
    assert_followed(&run);
}

#[track_caller]
fn assert_followed(run: &Run) {
    run.assert_succeeded();
    for figure in ["reads", "commits", "faults"] {
        assert!(run.figure(figure) > 0, "{run}");
    }
    assert_eq!(run.figure("stale"), 0, "{run}");
}

#[test]
fn a_statement_that_no_trigger_sees_is_caught() {
    for database in ["postgres", "sqlite"] {
        assert_caught(&consistency(&format!(
            "--writers sql --database {database} --seconds 5 --seed 1 --faults none --protocol untriggered"
        )));
    }
}

#[test]
fn what_cannot_be_tested_is_refused() {
    consistency("--near tracked --protocol delete").assert_refused("needs --protocol stamps");
    consistency("--faults takeover,kill").assert_refused("goes with node alone");
    consistency("--faults fire").assert_refused("partition");
    consistency("--faults step").assert_refused("needs --writers sql");
    consistency("--protocol untriggered").assert_refused("needs --writers sql");
    consistency("--lag-ms 500").assert_refused("needs --writers sql");
    consistency("--writers sql --protocol delete").assert_refused("needs --writers nodes");
    consistency("--writers sql --policies").assert_refused("needs --writers nodes");
    consistency("--writers sql --faults failover").assert_refused("needs --writers nodes");
    consistency("--writers sql --database sqlite --faults cut").assert_refused("needs --database postgres");
}
