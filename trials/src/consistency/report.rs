use std::{process::ExitCode, time::Duration};

use cache_testkit::oracle::{Event, Reach, Verdict, What, check};

use super::{
    database::Commit,
    faults::Log,
    node::{Hit, Note, Subject, TTL},
    options::{Near, Options, Protocol, name_of},
    run::Ran,
};

/// How many stale reads are shown.
const SHOWN: usize = 5;

/// The staleness bound that the nodes have: the default.
const NEAR_MAX_STALENESS: Duration = Duration::from_secs(1);

/// The number of no node.
const NOBODY: u64 = u64::MAX;

/// Prints what happened and, as the last line, the figures.
pub(super) fn judge(options: &Options, ran: Ran) -> ExitCode {
    let Ran { notes, commits, faults } = ran;
    let shared = count(&notes, Hit::Shared);
    let near = count(&notes, Hit::Near);
    let past_ttl = count(&notes, Hit::Stale);
    let mut history: Vec<_> = notes.into_iter().map(|note| note.event).collect();
    let on_own_node: Vec<_> = history.iter().map(as_told_to_own_node).collect();
    let mut verdict = check(&history);
    if options.protocol == Protocol::Stamps && options.faults.spare_redis() {
        history.extend(commits.into_iter().filter_map(as_told_to_everybody));
        verdict.stale = check(&history).stale;
    }
    let allowed = Allowed::in_run(options);

    println!(
        "{} nodes for {} s, seed {}, protocol {}, near {}, policies {}, faults {}",
        options.nodes,
        options.seconds,
        options.seed,
        name_of(&options.protocol),
        name_of(&options.near),
        if options.policies { "on" } else { "off" },
        options.fault_names(),
    );
    println!("went wrong: {}", faults.summary());
    println!(
        "reads from the cache: {shared}, near: {near}, past their time-to-live: {past_ttl}; invalidations acknowledged: {}; allowed to be stale for: {:?}, on \
         the node that invalidated: {:?}",
        verdict.acknowledged, allowed.anywhere, allowed.on_own_node,
    );
    let mut broken = show(&verdict, allowed.anywhere, &faults);
    broken |= show(&check(&on_own_node), allowed.on_own_node, &faults);
    let judged = verdict.acknowledged > 0
        && shared > 0
        && (near > 0 || options.near == Near::Off)
        && (past_ttl > 0 || !options.policies);
    if !judged {
        println!("this run proves nothing: there must be reads from each cache and acknowledged invalidations");
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

pub(super) fn count(notes: &[Note], hit: Hit) -> usize {
    notes.iter().filter(|note| note.hit == Some(hit)).count()
}

/// For how long old values may be served, as docs/guarantees.md has it.
struct Allowed {
    /// After an invalidation that was acknowledged.
    anywhere: Duration,
    /// After any that the same node has made.
    on_own_node: Duration,
}

impl Allowed {
    fn in_run(options: &Options) -> Self {
        if options.protocol == Protocol::Stamps && options.faults.lose_writes() {
            // The time-to-live counts from the fill, which may come after the invalidation: as late as a load and a fault
            // last.
            let bound = TTL + Duration::from_secs(2);
            return Self {
                anywhere: bound,
                on_own_node: bound,
            };
        }
        let tracked = options.protocol == Protocol::Stamps && options.near == Near::Tracked;
        Self {
            anywhere: if tracked { NEAR_MAX_STALENESS } else { Duration::ZERO },
            on_own_node: Duration::ZERO,
        }
    }
}

/// The event as if an invalidation obliged nobody but the node that has made it.
fn as_told_to_own_node(event: &Event<Subject>) -> Event<Subject> {
    let mut event = event.clone();
    if let What::Invalidation { reach, .. } = &mut event.what {
        *reach = Reach::OwnNode;
    }
    event
}

/// A commit of what is `crash_safe` whose hold Redis had taken, as it obliges everybody from that moment on, whatever becomes
/// of the node that has made it.
fn as_told_to_everybody(commit: Commit) -> Option<Event<Subject>> {
    let Commit {
        at,
        item,
        version,
        held,
    } = commit;
    held.then_some(Event {
        node: NOBODY,
        key: Subject::Item(item),
        began: at,
        ended: at,
        what: What::Invalidation {
            version,
            reach: Reach::EveryNode,
        },
    })
}

/// Shows the first few stale reads with what had gone wrong before, those that break the guarantee if there are any.
/// Returns whether there are.
pub(super) fn show(verdict: &Verdict<Subject>, allowed: Duration, faults: &Log) -> bool {
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
