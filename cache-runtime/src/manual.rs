#![doc = include_str!("manual/links.md")]
#![doc = include_str!("../docs/README.md")]
//! # In the repository
//!
//! Not here, because their charts and programs are not: the benchmarks (`docs/benchmarks.md`), the timelines and
//! the simulator (`docs/why.md`, `docs/simulator.md`), and the examples.

// The pages link to each other as files, which is what they are in the repository. Of two definitions of a link the first holds:
// `links.md` stands before each page, and leads to the modules. Only rustdoc sees this module; the examples in the pages are
// compiled and run by `cache-testkit/src/documents.rs`, since they use the test kit.
macro_rules! pages {
    ($($page:ident: $($file:literal),+;)+) => {$(
        #[doc = include_str!("manual/links.md")]
        $(#[doc = include_str!(concat!("../docs/", $file))])+
        pub mod $page {}
    )+};
}

pages! {
    tutorial: "tutorial.md";
    howto: "howto.md";
    features: "features.md";
    guide: "guide.md";
    options: "options.md";
    freshness: "freshness.md";
    database: "database.md";
    http: "http.md";
    catalogue: "catalogue.md";
    command_line: "command-line.md";
    dashboard: "dashboard.md";
    deployments: "deployments.md";
    keys: "keys.md";
    codecs: "codecs.md";
    protocol: "protocol.md";
    guarantees: "guarantees.md";
    consistency: "consistency.md";
    resilience: "resilience.md";
    models: "models.md";
    operations: "operations.md";
    metrics: "metrics.md";
    decisions:
        "decisions/0001-random-stamps.md",
        "decisions/0002-shared-handles.md",
        "decisions/0003-natural-batching.md",
        "decisions/0004-failed-flights.md",
        "decisions/0005-identity-of-a-function.md",
        "decisions/0006-checked-is-the-fallback-of-tracked.md",
        "decisions/0007-holds-are-sets-of-writers.md",
        "decisions/0008-known-calls.md",
        "decisions/0009-stalled-loads.md",
        "decisions/0010-handles-are-skipped.md",
        "decisions/0011-folders-by-concern.md",
        "decisions/0012-old-values.md",
        "decisions/0013-outbox.md",
        "decisions/0014-loads-without-types.md",
        "decisions/0015-one-walk-and-a-rest.md",
        "decisions/0016-packed.md";
}
