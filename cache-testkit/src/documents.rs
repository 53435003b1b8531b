//! Compiles and runs the Rust blocks of the repository's documents. `cargo xtask test` checks that none is missing here.

#[doc = include_str!("../../README.md")]
struct Readme;

#[doc = include_str!("../../cache-runtime/README.md")]
struct Runtime;

#[doc = include_str!("../../cache-macros/README.md")]
struct Macros;

#[doc = include_str!("../../cache-testkit/README.md")]
struct Testkit;

#[doc = include_str!("../../docs/tutorial.md")]
struct Tutorial;

#[doc = include_str!("../../docs/howto.md")]
struct HowTo;

#[doc = include_str!("../../docs/guide.md")]
struct Guide;

#[doc = include_str!("../../docs/options.md")]
struct Options;

#[doc = include_str!("../../docs/freshness.md")]
struct Freshness;

#[doc = include_str!("../../docs/database.md")]
struct Database;

#[doc = include_str!("../../docs/http.md")]
struct Http;

#[doc = include_str!("../../docs/catalogue.md")]
struct Catalogue;

#[doc = include_str!("../../docs/metrics.md")]
struct Metrics;

#[doc = include_str!("../../docs/command-line.md")]
struct CommandLine;

#[doc = include_str!("../../docs/dashboard.md")]
struct Dashboard;

#[doc = include_str!("../../docs/codecs.md")]
struct Codecs;

#[doc = include_str!("../../docs/consistency.md")]
struct Consistency;

#[doc = include_str!("../../docs/benchmarks.md")]
struct Benchmarks;

#[doc = include_str!("../../CONTRIBUTING.md")]
struct Contributing;
