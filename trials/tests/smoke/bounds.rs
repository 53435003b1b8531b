use crate::Run;

#[test]
fn near_cache_and_journal_stay_within_their_bounds() {
    // A journal that is full soon, however busy the machine is.
    let run = Run::of("bounds", ["--seconds", "9", "--journal-limit", "4096"]);
    run.assert_succeeded();
    let last = run.last_line();
    assert!(last.contains("near_bytes=") && last.contains("growth="), "{last}");
}
