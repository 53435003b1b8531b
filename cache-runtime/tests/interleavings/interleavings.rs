//! The small concurrent cores of the runtime under a scheduler that tries interleavings of their threads.
//!
//! The cores are included as source, with [`sync`] in the place of the runtime's own module of that name. Each is asked to
//! keep its promise in every schedule, and a copy of the same scenario with one mistake in it has to be caught: otherwise the
//! scenario sees nothing. `docs/models.md` describes them.

/// As the runtime has them.
#[expect(dead_code, reason = "the scenarios do not need all of it")]
mod loads;

#[expect(dead_code, reason = "the scenarios do not need all of it")]
#[path = "../../src/task/background.rs"]
mod background;
#[expect(dead_code, reason = "the scenarios do not need all of it")]
#[path = "../../src/key/call_key.rs"]
mod call_key;
#[expect(dead_code, reason = "the scenarios do not need all of it")]
#[path = "../../src/near/coarse.rs"]
mod coarse;
#[path = "../../src/invalidation/journal/lines.rs"]
mod lines;
#[expect(dead_code, reason = "the scenarios do not need all of it")]
#[path = "../../src/near/front.rs"]
mod near_front;
#[path = "../../src/near/marks.rs"]
mod near_marks;
#[expect(dead_code, reason = "the scenarios do not need all of it")]
#[path = "../../src/invalidation/journal/pending.rs"]
mod pending;
#[expect(
    dead_code,
    unreachable_pub,
    reason = "the scenarios do not need all of it, and nobody uses them"
)]
#[path = "../../src/key/stamp_key.rs"]
mod stamp_key;
mod sync;

mod key {
    pub(crate) use crate::{
        call_key::{CallForm, CallKey},
        stamp_key::StampKey,
    };
}

mod task {
    pub(crate) use crate::background::TaskPerRuntime;
}

mod flights;
mod front;
mod guard;
mod marks;
mod stalls;

use shuttle::{
    Config, Runner,
    scheduler::{DfsScheduler, PctScheduler, RandomScheduler, Scheduler},
};

/// The journal widens early here.
const LIMIT: usize = 3;

/// The stamp that the scenarios are about.
const STAMP: &str = "cachestamp:t:r";

/// How many schedules an exhaustive search may take.
const MOST_SCHEDULES: usize = 200_000;

/// A caller outside of any load, whose waits nobody watches.
fn joining<K: loads::FlightKey>(
    began: loads::Moment,
    waits: &loads::Waits,
) -> loads::JoinRequest<'_, impl Fn(&sync::Arc<loads::Flight<K>>) + use<K>> {
    loads::JoinRequest {
        resource: "r",
        began,
        caller: loads::Caller::Outside,
        waits,
        watch: |_: &sync::Arc<loads::Flight<K>>| {},
    }
}

fn stamp() -> Vec<key::StampKey> {
    vec![key::StampKey::new(STAMP.to_owned())]
}

/// Runs a scenario in every schedule that it has.
fn in_every_schedule(scenario: impl Fn() + Send + Sync + 'static) {
    let schedules = run(DfsScheduler::new(Some(MOST_SCHEDULES), false), scenario);
    assert!(schedules < MOST_SCHEDULES, "the search was not finished");
    println!("every schedule: {schedules}");
}

/// Runs a scenario in `schedules` schedules: half of them are random, the others have few preemptions. They are the same in
/// every run.
fn in_many_schedules(schedules: usize, scenario: impl Fn() + Send + Sync + Clone + 'static) {
    let half = schedules / 2;
    run(RandomScheduler::new_from_seed(1, half), scenario.clone());
    run(PctScheduler::new_from_seed(2, 3, half), scenario);
    println!("many schedules: {schedules}");
}

fn run(scheduler: impl Scheduler + 'static, scenario: impl Fn() + Send + Sync + 'static) -> usize {
    Runner::new(scheduler, Config::default()).run(scenario)
}
