//! A few seconds of `cargo xtask soak`. docs/resilience.md says what a run is.

use std::process::Command;

#[test]
fn a_service_under_faults_and_too_many_callers_is_as_it_was_afterwards() {
    let output = Command::new(env!("CARGO_BIN_EXE_xtask"))
        .args(["soak", "--minutes", "0.2"])
        .output()
        .expect("the program was built with this test");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success(),
        "{text}{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let last = text.lines().last().expect("a verdict");
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
