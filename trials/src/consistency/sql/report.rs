use std::{process::ExitCode, time::Duration};

use cache_testkit::oracle::check;

use super::{
    commits::Lags,
    run::{Ran, allowed},
};
use crate::consistency::{
    node::Hit,
    options::{Near, Options, name_of},
    report::{count, show},
};

/// Prints what happened and, as the last line, the figures.
pub(super) fn judge(options: &Options, ran: &Ran) -> ExitCode {
    let allowed = allowed(options);
    let shared = count(&ran.notes, Hit::Shared);
    let near = count(&ran.notes, Hit::Near);
    let reads: Vec<_> = ran.notes.iter().map(|note| note.event.clone()).collect();
    let commits = ran.ledger.commits();
    let lags = Lags::of_reads(reads.iter());
    let (mut calm, mut troubled) = (Vec::new(), Vec::new());
    let mut history = reads;
    for commit in &commits {
        let due = ran.troubles.due(commit.at, allowed);
        let is_calm = due.since(commit.at) <= allowed;
        let lag = commit
            .versions
            .iter()
            .filter_map(|&(subject, version)| lags.after(commit.at, subject, version));
        if is_calm { &mut calm } else { &mut troubled }.extend(lag.max());
        history.extend(commit.obligations(due));
    }
    history.extend(ran.last.obligations(ran.last.at));
    let verdict = check(&history);
    calm.sort_unstable();

    println!(
        "{} nodes for {} s, seed {}, writers sql, database {}, protocol {}, near {}, faults {}",
        options.nodes,
        options.seconds,
        options.seed,
        name_of(&options.database()),
        name_of(&options.protocol),
        name_of(&options.near),
        options.fault_names(),
    );
    println!("went wrong: {}", ran.log.summary());
    println!("transactions: {}", ran.ledger.summary());
    println!(
        "reads from the cache: {shared}, near: {near}; an old row may be read for {allowed:?} after its commit, and was, where something \
         was wrong, for {:?} at the longest; it took up to {:?} from a fault until all was relayed",
        troubled.iter().max().copied().unwrap_or_default(),
        ran.troubles.longest(),
    );
    let is_broken = show(&verdict, Duration::ZERO, &ran.log);
    let is_judged = !commits.is_empty() && shared > 0 && (near > 0 || options.near == Near::Off);
    if !is_judged {
        println!("this run proves nothing: there must be reads from each cache, and commits");
    }
    println!(
        "reads={} commits={} faults={} stale={} max_stale_ms={} lag_p50_ms={} lag_p99_ms={} lag_max_ms={}",
        verdict.reads,
        commits.len(),
        ran.log.count(),
        verdict.stale.len(),
        millis(verdict.max_stale()),
        millis(quantile(&calm, 50)),
        millis(quantile(&calm, 99)),
        millis(calm.last().copied().unwrap_or_default()),
    );
    if is_judged && !is_broken {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// Of sorted ones.
fn quantile(durations: &[Duration], percent: usize) -> Duration {
    let rank = (durations.len() * percent).div_ceil(100).saturating_sub(1);
    durations.get(rank).copied().unwrap_or_default()
}

fn millis(duration: Duration) -> u128 {
    duration.as_nanos().div_ceil(1_000_000)
}
