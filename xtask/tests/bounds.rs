//! A few seconds of `cargo xtask bounds`.

use std::process::Command;

#[test]
fn near_cache_and_journal_stay_within_their_bounds() {
    let output = Command::new(env!("CARGO_BIN_EXE_xtask"))
        .args(["bounds", "--seconds", "9"])
        .output()
        .expect("the program was built with this test");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success(),
        "{text}{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let last = text.lines().last().expect("a verdict");
    assert!(last.contains("near_bytes=") && last.contains("growth="), "{last}");
}
