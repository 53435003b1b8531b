use std::{process::ExitCode, time::Duration};

use cache_testkit::oracle::{Verdict, check};
use clap::ValueEnum as _;

use super::{
    faults::Log,
    node::{Note, Subject, TTL},
    options::{Options, Protocol},
};

/// How many stale reads are shown.
const SHOWN: usize = 5;

/// Prints what happened and, as the last line, the figures.
pub(super) fn judge(options: &Options, notes: Vec<Note>, faults: &Log) -> ExitCode {
    let hits = notes.iter().filter(|note| note.hit).count();
    let history: Vec<_> = notes.into_iter().map(|note| note.event).collect();
    let verdict = check(&history);
    let allowed = documented(options);

    let protocol = options.protocol.to_possible_value();
    println!(
        "{} nodes for {} s, seed {}, protocol {}, near {}, faults {}",
        options.nodes,
        options.seconds,
        options.seed,
        protocol.as_ref().map_or("", |protocol| protocol.get_name()),
        options.near,
        options.faults,
    );
    println!("went wrong: {}", faults.summary());
    println!(
        "reads from the cache: {hits}; invalidations acknowledged: {}; allowed to be stale for: {allowed:?}",
        verdict.acknowledged
    );
    let broken = show(&verdict, allowed, faults);
    let judged = hits > 0 && verdict.acknowledged > 0;
    if !judged {
        println!("this run proves nothing: there must be reads from the cache and acknowledged invalidations");
    }
    println!(
        "reads={} invalidations={} faults={} stale={} max_stale_ms={}",
        verdict.reads,
        verdict.invalidations,
        faults.count(),
        verdict.stale.len(),
        verdict.max_stale().as_nanos().div_ceil(1_000_000),
    );
    if judged && !broken {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// For how long an old value may be served, as docs/guarantees.md has it.
fn documented(options: &Options) -> Duration {
    if options.protocol == Protocol::Stamps && options.faults.lose_writes() {
        // The time-to-live counts from the fill, which may come after the invalidation: as late as a load and a fault last.
        TTL + Duration::from_secs(2)
    } else {
        Duration::ZERO
    }
}

/// Shows the first few stale reads with what had gone wrong before, those that break the guarantee if there are any.
/// Returns whether there are.
fn show(verdict: &Verdict<Subject>, allowed: Duration, faults: &Log) -> bool {
    let broken: Vec<_> = verdict.stale_for_longer_than(allowed).collect();
    let is_broken = !broken.is_empty();
    let (word, stale) = if is_broken {
        ("BROKEN:", broken)
    } else {
        ("within the bound:", verdict.stale.iter().collect())
    };
    for read in stale.into_iter().take(SHOWN) {
        println!("{word} {read}");
        for fault in faults.before(read.began, 3) {
            println!("    {fault}");
        }
    }
    is_broken
}
