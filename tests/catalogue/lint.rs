use cache_runtime::catalogue::{Catalogue, Finding, FindingKind};

fn found() -> Vec<Finding> {
    Catalogue::of_program().lint()
}

#[test]
fn each_fault_is_found_and_nothing_else() {
    let found = found();
    let subjects: Vec<_> = found
        .iter()
        .map(|finding| (finding.kind, finding.subject.as_str()))
        .collect();
    assert_eq!(
        subjects,
        [
            (FindingKind::NeverCached, "drafts"),
            (FindingKind::NeverInvalidated, "rates"),
            (FindingKind::InvalidatedInVain, "exports"),
            (FindingKind::SharedResource, "totals"),
            (FindingKind::CachedWrite, "catalogue::service::faults::count_visit"),
        ]
    );
}

#[test]
fn a_finding_says_where_it_is_and_how_to_mend_it() {
    for finding in found() {
        let names: Vec<&str> = finding
            .places
            .iter()
            .filter_map(|place| place.path.rsplit("::").next())
            .collect();
        let expected: &[&str] = match finding.kind {
            FindingKind::NeverCached => &[],
            FindingKind::NeverInvalidated => &["rate"],
            FindingKind::InvalidatedInVain => &["export"],
            FindingKind::SharedResource => &["paid", "unpaid"],
            FindingKind::CachedWrite => &["count_visit"],
            other => panic!("{other}"),
        };
        assert_eq!(names, expected, "{finding}");
        assert!(!finding.remedy.is_empty(), "{finding}");
    }
}

#[test]
fn a_finding_is_printed_like_a_warning_of_the_compiler() {
    let finding = found().swap_remove(4);
    let line = finding.places[0].line;
    assert_eq!(
        finding.to_string(),
        format!(
            "cached-write: `catalogue::service::faults::count_visit` is `#[cached]` and writes (INSERT `visits`): a call that the \
             cache answers does not\n  --> tests/catalogue/service.rs:{line} catalogue::service::faults::count_visit\n  help: write \
             in a function of its own, with `#[invalidates]`, and cache the one that reads"
        )
    );
}
