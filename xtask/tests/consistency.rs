//! A few seconds of `cargo xtask consistency`: nothing old is served, and protocols that are known to be wrong are caught
//! by the same run. docs/consistency.md says what a run is.

use std::process::Command;

/// What a run has printed last.
#[derive(Debug)]
struct Run {
    succeeded: bool,
    output: String,
}

impl Run {
    fn of(arguments: &str) -> Self {
        let output = Command::new(env!("CARGO_BIN_EXE_xtask"))
            .arg("consistency")
            .args(arguments.split(' '))
            .output()
            .expect("the program was built with this test");
        let text = |bytes| String::from_utf8(bytes).expect("what it prints is text");
        Self {
            succeeded: output.status.success(),
            output: text(output.stdout) + &text(output.stderr),
        }
    }

    fn figure(&self, name: &str) -> u64 {
        let last = self.output.lines().last().unwrap_or_default();
        let figure = last
            .split(' ')
            .find_map(|word| word.strip_prefix(name)?.strip_prefix('='));
        figure
            .and_then(|figure| figure.parse().ok())
            .unwrap_or_else(|| panic!("no {name} in the last line of:\n{}", self.output))
    }

    #[track_caller]
    fn assert_caught(&self) {
        assert!(self.figure("stale") > 0 && !self.succeeded, "{}", self.output);
    }
}

#[test]
fn nothing_old_is_served_whatever_goes_wrong() {
    let run = Run::of("--seconds 4 --seed 1 --faults all");
    assert_eq!(run.figure("stale"), 0, "{}", run.output);
    assert_eq!(run.figure("max_stale_ms"), 0);
    assert!(run.succeeded, "{}", run.output);
    for figure in ["reads", "invalidations", "faults"] {
        assert!(run.figure(figure) > 0, "{}", run.output);
    }
}

#[test]
fn nothing_old_is_served_from_values_that_are_checked() {
    let run = Run::of("--seconds 4 --seed 2 --faults all --near checked");
    assert_eq!(run.figure("stale"), 0, "{}", run.output);
    assert!(run.succeeded, "{}", run.output);
}

/// On the node that has invalidated nothing, elsewhere for the lease at most: the run judges that.
#[test]
fn nothing_is_served_from_tracked_values_for_longer_than_the_lease() {
    let run = Run::of("--seconds 4 --seed 3 --faults all --near tracked");
    assert!(run.succeeded, "{}", run.output);
}

/// What Redis does not report to near caches.
#[test]
fn nothing_is_served_for_longer_than_the_lease_when_the_database_is_swapped() {
    let run = Run::of("--seconds 6 --seed 2 --faults swapdb --near tracked");
    assert!(run.succeeded && run.figure("faults") > 0, "{}", run.output);
}

#[test]
fn nothing_is_served_for_longer_than_the_lease_when_slots_are_taken_over() {
    let run = Run::of("--seconds 6 --seed 6 --faults takeover --near tracked");
    assert!(run.succeeded && run.figure("faults") > 0, "{}", run.output);
}

/// Nodes are killed between commit and invalidation. What they had committed obliges the others all the same.
#[test]
fn nothing_older_than_a_commit_is_served_of_a_crash_safe_resource() {
    let run = Run::of("--seconds 4 --seed 4 --faults node");
    assert!(run.succeeded, "{}", run.output);
}

/// Nothing needs to go wrong for this: a load that takes a while is enough.
#[test]
fn deleting_after_a_write_is_caught() {
    Run::of("--seconds 2 --seed 1 --faults none --protocol delete").assert_caught();
}

#[test]
fn deleting_twice_is_caught() {
    Run::of("--seconds 2 --seed 1 --faults none --protocol double-delete").assert_caught();
}

/// What a counter forgets is what gives it away: an old snapshot here, an eviction as well as that.
#[test]
fn counting_stamps_is_caught() {
    Run::of("--seconds 5 --seed 1 --faults evict,snapshot --protocol counter").assert_caught();
}

#[test]
fn what_cannot_be_tested_is_refused() {
    let near = Run::of("--near tracked --protocol delete");
    assert!(
        !near.succeeded && near.output.contains("needs --protocol stamps"),
        "{}",
        near.output
    );
    let stages = Run::of("--faults takeover,kill");
    assert!(
        !stages.succeeded && stages.output.contains("goes with node alone"),
        "{}",
        stages.output
    );
    let faults = Run::of("--faults fire");
    assert!(
        !faults.succeeded && faults.output.contains("partition"),
        "{}",
        faults.output
    );
}
