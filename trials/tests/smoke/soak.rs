//! docs/resilience.md says what a run is.

use crate::Run;

#[test]
fn a_service_under_faults_and_too_many_callers_is_as_it_was_afterwards() {
    let run = Run::of("soak", ["--minutes", "0.2"]);
    run.assert_succeeded();
    let last = run.last_line();
    for figure in [
        "rounds=",
        "faults=",
        "left_alone=",
        "longest_share=",
        "too_long=0 ",
        "growth=",
        "files=",
        "tasks=",
        "lone_slower=",
    ] {
        assert!(last.contains(figure), "{last}");
    }
}
