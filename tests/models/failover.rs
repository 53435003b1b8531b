//! Failover to a replica that has not received the last writes, and the replay of acknowledged invalidations.
//!
//! Replication is asynchronous: the replica has executed a prefix of what the primary has. When the primary fails, the replica
//! takes its place with that prefix; old stamps and entries are back. Every process loses its connection, and when it has a new
//! one it sends the invalidations of the last moments again before it reads.
//!
//! An invalidation is *in force* from its acknowledgement on, until a failover loses it, and again from its process's replay
//! on. What is promised: a read that starts later returns nothing older than
//!
//! - any version whose invalidation is in force when it starts, whichever process reads;
//! - any version that its own process has had acknowledged, in force or not.
//!
//! So what remains is a read by another process, between the failover and the replay.

mod state;
mod steps;

use stateright::{Model, Property};

use self::state::{Action, Connection, State};
use crate::check::{holds, is_violated, never_stale};

/// One mutation each.
const PROCESSES: usize = 2;
const CONCURRENT_READS: usize = 2;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Variant {
    /// A process replays before it reads again, and remembers longer than the replica lags.
    Replay,
    /// An invalidation is acknowledged when the replica has it, too (`WAIT`). Nothing is replayed.
    Wait,
    /// Nothing is replayed.
    NoReplay,
    /// A process reads while its replay is on the way.
    ReadsBeforeReplay,
    /// A process forgets what the replica does not have yet.
    ForgetsTooSoon,
    /// Only the first failover is followed by a replay.
    ReplayedOnce,
    /// Connections go through something that hides the failover from the processes.
    Unnoticed,
    /// The old primary goes on answering processes that have not noticed.
    OldPrimaryAnswers,
}

#[derive(Debug)]
struct Failover {
    variant: Variant,
    reads: u8,
    evictions: u8,
    failovers: u8,
}

impl Failover {
    fn replays(&self) -> bool {
        !matches!(self.variant, Variant::Wait | Variant::NoReplay)
    }
}

impl Model for Failover {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        vec![State::new(self)]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        for (index, process) in state.processes.iter().enumerate() {
            let room = state.reads_left > 0 && state.readers.len() < CONCURRENT_READS;
            if room && self.may_read(process.connection) {
                actions.push(Action::BeginRead(index));
            }
            if self.may_write(state, index) {
                actions.push(Action::Write(index));
            }
            match process.connection {
                Connection::Up => {}
                Connection::Lost => actions.push(Action::Replay(index)),
                Connection::Old => actions.push(Action::NoticeFailover(index)),
            }
            if process.remembers && self.may_forget(state, index) {
                actions.push(Action::Forget(index));
            }
        }
        actions.extend((0..state.readers.len()).map(Action::ReadOn));
        actions.extend((0..state.fills.len()).map(Action::DeliverFill));
        if !state.log.is_empty() {
            actions.push(Action::Replicate);
        }
        if state.failovers_left > 0 {
            actions.push(Action::FailOver);
        }
        if state.evictions_left > 0 {
            actions.extend(state.primary.entry.map(|_| Action::EvictEntry));
            actions.extend(state.primary.stamp.map(|_| Action::EvictStamp));
        }
    }

    fn next_state(&self, last: &State, action: Action) -> Option<State> {
        let mut next = last.clone();
        self.step(&mut next, action);
        Some(next)
    }

    /// Reads return stored values as they begin. After the last one, or when no value can be old, nothing can go wrong any more.
    fn within_boundary(&self, state: &State) -> bool {
        state.stale || (state.reads_left > 0 && state.old_value_remains())
    }

    fn properties(&self) -> Vec<Property<Self>> {
        let mut properties = vec![
            never_stale(|_, state: &State| !state.stale),
            Property::sometimes("an invalidated entry has been replaced", |_, state: &State| {
                state.in_force.contains(&1) && state.primary.valid() == Some(1)
            }),
        ];
        if self.variant == Variant::Replay {
            let old_again = "an acknowledged invalidation is lost and the old value is back";
            properties.push(Property::sometimes(old_again, |_, state: &State| {
                let newest = state.processes.iter().map(|process| process.acknowledged).max();
                state.primary.valid() < newest && state.primary.valid().is_some()
            }));
        }
        properties
    }
}

fn failover(variant: Variant) -> Failover {
    Failover {
        variant,
        reads: 3,
        evictions: 0,
        failovers: 1,
    }
}

#[test]
fn a_replay_restores_what_a_failover_has_lost() {
    holds(Failover {
        evictions: 1,
        failovers: 2,
        ..failover(Variant::Replay)
    });
}

#[test]
fn an_invalidation_that_the_replica_has_needs_no_replay() {
    holds(failover(Variant::Wait));
}

#[test]
fn without_a_replay_old_values_come_back() {
    is_violated(failover(Variant::NoReplay));
}

#[test]
fn a_process_must_replay_before_it_reads() {
    is_violated(failover(Variant::ReadsBeforeReplay));
}

#[test]
fn a_process_must_remember_for_as_long_as_the_replica_lags() {
    is_violated(failover(Variant::ForgetsTooSoon));
}

#[test]
fn every_failover_must_be_followed_by_a_replay() {
    is_violated(Failover {
        failovers: 2,
        ..failover(Variant::ReplayedOnce)
    });
}

#[test]
fn a_failover_must_be_noticed_by_every_process() {
    is_violated(failover(Variant::Unnoticed));
}

/// Not a mistake of the protocol but its limit, see `docs/guarantees.md`: who still reaches a primary that was replaced reads
/// what nobody invalidates there.
#[test]
fn an_old_primary_that_goes_on_answering_is_beyond_the_promise() {
    is_violated(failover(Variant::OldPrimaryAnswers));
}
