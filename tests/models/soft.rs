//! Soft invalidation: one entry under a strict and a soft stamp. A strict invalidation removes the first: what carries it is
//! never used again. A soft one removes the second: what carries that may be returned while a load that began afterwards is under
//! way.
//!
//! Readers and refreshes are anonymous: any of them may be in any process. Steps are as strict as in `protocol`. The end of the
//! stale window is that of the entry, an eviction.

mod state;
mod steps;

use stateright::{Model, Property};

use self::{
    state::{Action, State},
    steps::{begin_read, load_on, read_on, write_on},
};
use crate::check::{holds, is_broken, is_violated, never_stale};

const WRITERS: usize = 2;
const CONCURRENT_READS: usize = 2;

/// What a soft invalidation promises.
const RELOADED: &str = "old only while a younger load is under way";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Variant {
    /// The protocol: two stamps, each with a key of its own.
    TwoStamps,
    /// One stamp of two halves under one key: a soft invalidation reads it and writes it with another soft half.
    RewrittenStamp,
    /// A strict invalidation removes the soft stamp alone.
    StrictRemovesTheSoftStamp,
    /// An entry is fresh unless a soft stamp that is there differs.
    MissingSoftStampIsFresh,
    /// The soft stamp that a load is stored under is read when the load is over.
    SoftStampAfterTheLoad,
    /// Who returns an old value is content with any load of the entry that is under way.
    AnyLoadWillDo,
    /// A call that finds nothing it may return joins any load of its entry that has its strict stamp.
    FlightsByStrictStamp,
}

/// What a mutation removes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verb {
    Strict,
    Soft,
}

#[derive(Debug)]
struct Soft {
    variant: Variant,
    verbs: [Verb; WRITERS],
    reads: u8,
    evictions: u8,
    failures: u8,
}

impl Model for Soft {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        vec![State::new(self.reads, self.evictions, self.failures)]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        if state.reads_left > 0 && state.readers.len() < CONCURRENT_READS {
            actions.push(Action::BeginRead);
        }
        for (index, reader) in state.readers.iter().enumerate() {
            steps::of_reader(self, state, index, *reader, actions);
        }
        for index in 0..state.loads.len() {
            actions.push(Action::Load(index));
            if state.failures_left > 0 && state.loads[index].version.is_none() {
                actions.push(Action::Fail(index));
            }
        }
        actions.extend((0..state.fills.len()).map(Action::DeliverFill));
        actions.extend(state.failed.map(|_| Action::Forget));
        actions.extend(
            (0..WRITERS)
                .filter(|&writer| !state.writers[writer].is_done())
                .map(Action::Write),
        );
        if state.evictions_left > 0 {
            actions.extend(state.entry.map(|_| Action::EvictEntry));
            let there = (0..state.stamps.len()).filter(|&stamp| state.stamps[stamp].is_some());
            actions.extend(there.map(Action::EvictStamp));
        }
    }

    fn next_state(&self, last: &State, action: Action) -> Option<State> {
        let mut next = last.clone();
        match action {
            Action::BeginRead => begin_read(self, &mut next),
            Action::Write(writer) => write_on(self, &mut next, writer),
            Action::DeliverFill(index) => next.entry = Some(next.fills.remove(index)),
            Action::EvictEntry => {
                next.evictions_left -= 1;
                next.entry = None;
            }
            Action::EvictStamp(stamp) => {
                next.evictions_left -= 1;
                next.stamps[stamp] = None;
            }
            Action::Fail(index) => {
                next.failures_left -= 1;
                next.failed = Some(next.loads.remove(index));
            }
            Action::Forget => next.failed = None,
            Action::Load(index) => load_on(self, &mut next, index),
            Action::SetNx(index) | Action::GetStamp(index) | Action::Begin(index) | Action::Join(index, _) => {
                read_on(&mut next, index, action);
            }
        }
        Some(next)
    }

    /// When no read is left that could return anything, nothing can go wrong any more.
    fn within_boundary(&self, state: &State) -> bool {
        let may_return = state.reads_left > 0 || !state.readers.is_empty();
        state.stale || state.neglected || (may_return && state.old_value_remains())
    }

    fn properties(&self) -> Vec<Property<Self>> {
        let mut properties = vec![
            never_stale(|_, state: &State| !state.stale),
            Property::always(RELOADED, |_, state: &State| !state.neglected),
            Property::sometimes("a fill arrives after an invalidation", |_, state: &State| {
                state.fills.iter().any(|fill| fill.version < state.database)
            }),
        ];
        if self.verbs.contains(&Verb::Soft) {
            properties.push(Property::sometimes(
                "an old value is returned beside a younger load",
                |_, state: &State| state.is_any_old,
            ));
        }
        properties
    }
}

fn soft(variant: Variant, verbs: [Verb; WRITERS]) -> Soft {
    Soft {
        variant,
        verbs,
        reads: 3,
        evictions: 1,
        failures: 1,
    }
}

fn soft_twice(variant: Variant) -> Soft {
    soft(variant, [Verb::Soft; WRITERS])
}

fn strict_and_soft(variant: Variant) -> Soft {
    soft(variant, [Verb::Strict, Verb::Soft])
}

#[test]
fn two_stamps_hold_where_a_strict_and_a_soft_invalidation_race() {
    holds(strict_and_soft(Variant::TwoStamps));
}

#[test]
fn two_stamps_hold_where_two_soft_invalidations_race() {
    holds(soft_twice(Variant::TwoStamps));
}

#[test]
fn a_soft_invalidation_that_rewrites_the_stamp_brings_back_what_was_strictly_invalidated() {
    is_violated(strict_and_soft(Variant::RewrittenStamp));
}

#[test]
fn a_strict_invalidation_must_not_stop_at_the_soft_stamp() {
    is_violated(strict_and_soft(Variant::StrictRemovesTheSoftStamp));
}

#[test]
fn a_missing_soft_stamp_is_not_fresh() {
    is_broken(soft_twice(Variant::MissingSoftStampIsFresh), RELOADED);
}

#[test]
fn a_soft_stamp_that_is_read_after_the_load_makes_an_old_value_fresh() {
    is_broken(soft_twice(Variant::SoftStampAfterTheLoad), RELOADED);
}

#[test]
fn a_load_from_before_the_invalidation_does_not_excuse_an_old_value() {
    is_broken(soft_twice(Variant::AnyLoadWillDo), RELOADED);
}

#[test]
fn a_flight_must_not_be_joined_across_a_soft_invalidation() {
    is_broken(soft_twice(Variant::FlightsByStrictStamp), RELOADED);
}
