//! Tags that a load finds: one entry under the stamp of its resource, known before the load, and under that of a tag, known only
//! once the value has been loaded. An epoch, which is known before and moves with every invalidation of a tag of its bucket,
//! covers the time in between.
//!
//! Readers are anonymous, steps are as strict as in `protocol`. A hit takes two reads: of the resource's stamp and the entry,
//! which names its tag, and then of the tag's stamp.

mod state;
mod steps;

use stateright::{Model, Property};

use self::{
    state::{Action, Key, Reader, State},
    steps::{begin_read, read_on, write_on},
};
use crate::check::{holds, is_violated, never_stale};

const WRITERS: usize = 2;
const CONCURRENT_READS: usize = 2;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Variant {
    /// The protocol: an invalidation removes the epoch, then the tag's stamp. A load reads the epoch before it begins; when it
    /// is over it reads the tag's stamp, then the epoch again, and is stored only if that is the same.
    Epochs,
    /// The tag's stamp is read after the load, and that is all.
    NoEpochs,
    /// After the load the epoch is compared first, and the tag's stamp read second.
    StampAfterTheCheck,
    /// An invalidation removes the tag's stamp first, and the epoch second.
    StampRemovedFirst,
    /// The epoch is read for the first time when the load is over.
    EpochAfterTheLoad,
    /// An epoch that is gone has not moved.
    MissingEpochPasses,
    /// An invalidation counts the epoch up; one that was evicted starts again.
    CounterEpochs,
    /// A call joins a load of its entry that has the same stamp of the resource, whatever the epochs.
    FlightsWithoutEpochs,
}

/// What a mutation invalidates.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Target {
    Resource,
    Tag,
}

#[derive(Debug)]
struct Tags {
    variant: Variant,
    targets: [Target; WRITERS],
    reads: u8,
    evictions: u8,
}

impl Model for Tags {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        vec![State::new(self.reads, self.evictions)]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        if state.reads_left > 0 && state.readers.len() < CONCURRENT_READS {
            actions.push(Action::BeginRead);
        }
        for (index, reader) in state.readers.iter().enumerate() {
            steps::of_reader(self, state, index, *reader, actions);
        }
        actions.extend((0..state.fills.len()).map(Action::DeliverFill));
        actions.extend(
            (0..WRITERS)
                .filter(|&writer| !state.writers[writer].is_done())
                .map(Action::Write),
        );
        if state.evictions_left > 0 {
            actions.extend(state.entry.map(|_| Action::EvictEntry));
            let there = Key::ALL.into_iter().filter(|&key| state.stamps.get(key).is_some());
            actions.extend(there.map(Action::Evict));
        }
    }

    fn next_state(&self, last: &State, action: Action) -> Option<State> {
        let mut next = last.clone();
        match action {
            Action::BeginRead => begin_read(&mut next),
            Action::Write(writer) => write_on(self, &mut next, writer),
            Action::DeliverFill(index) => next.entry = Some(next.fills.remove(index)),
            Action::EvictEntry => {
                next.evictions_left -= 1;
                next.entry = None;
            }
            Action::Evict(key) => {
                next.evictions_left -= 1;
                next.stamps.set(key, None);
            }
            Action::Step(index) => read_on(self, &mut next, index),
            Action::Join(index, flight) => next.join(index, flight),
        }
        Some(next)
    }

    /// When no read is left that could return a stored or shared value, or no value can be old, nothing can go wrong any more.
    fn within_boundary(&self, state: &State) -> bool {
        let may_return = state.reads_left > 0 || state.readers.len() > 1 || state.readers.iter().any(Reader::may_hit);
        state.stale || (may_return && state.old_value_remains())
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            never_stale(|_, state: &State| !state.stale),
            Property::sometimes("a fill arrives after an invalidation", |_, state: &State| {
                state.fills.iter().any(|fill| fill.version < state.floor)
            }),
            Property::sometimes("an invalidated entry has been replaced", |_, state: &State| {
                state.floor == 1
                    && state
                        .entry
                        .is_some_and(|entry| entry.version == 1 && state.is_good(entry))
            }),
            Property::sometimes("a load is not stored, for its epoch has moved", |_, state: &State| {
                state.is_any_refused
            }),
        ]
    }
}

fn tags(variant: Variant, targets: [Target; WRITERS]) -> Tags {
    Tags {
        variant,
        targets,
        reads: 3,
        evictions: 2,
    }
}

fn of_tag_alone(variant: Variant) -> Tags {
    tags(variant, [Target::Tag; WRITERS])
}

#[test]
fn epochs_hold_where_tags_are_invalidated() {
    holds(of_tag_alone(Variant::Epochs));
}

#[test]
fn epochs_hold_where_the_resource_is_invalidated_too() {
    holds(tags(Variant::Epochs, [Target::Resource, Target::Tag]));
}

#[test]
fn the_stamp_of_a_tag_that_is_read_after_the_load_proves_nothing_of_the_time_before() {
    is_violated(of_tag_alone(Variant::NoEpochs));
}

#[test]
fn a_stamp_that_is_read_after_the_epochs_were_compared_sanctions_an_old_value() {
    is_violated(of_tag_alone(Variant::StampAfterTheCheck));
}

#[test]
fn a_stamp_must_not_be_removed_before_the_epoch() {
    is_violated(of_tag_alone(Variant::StampRemovedFirst));
}

#[test]
fn an_epoch_that_is_read_after_the_load_proves_nothing() {
    is_violated(of_tag_alone(Variant::EpochAfterTheLoad));
}

#[test]
fn a_missing_epoch_has_moved() {
    is_violated(of_tag_alone(Variant::MissingEpochPasses));
}

#[test]
fn an_epoch_that_counts_is_where_it_was_after_its_eviction() {
    is_violated(of_tag_alone(Variant::CounterEpochs));
}

#[test]
fn a_flight_must_not_be_joined_across_an_epoch() {
    is_violated(of_tag_alone(Variant::FlightsWithoutEpochs));
}
