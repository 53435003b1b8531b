use crate::Run;

#[test]
fn near_cache_and_journal_stay_within_their_bounds() {
    // A near cache and a journal that are full soon, however busy the machine is.
    let bounds = [
        "--seconds",
        "9",
        "--journal-limit",
        "4096",
        "--near-capacity",
        "2097152",
    ];
    let run = Run::of("bounds", bounds);
    run.assert_succeeded();
    let last = run.last_line();
    assert!(last.contains("near_bytes=") && last.contains("growth="), "{last}");
}
