//! Read, fill and invalidate of one entry under two stamps, that of its resource and that of its scope, while anything is
//! evicted at any time and fills arrive as late as they like.
//!
//! Readers are anonymous: any of them may be in any process. Where two steps of a process are one step here, the single step
//! is the stricter for the protocol: a call starts with its `MGET`, an invalidation is acknowledged as it takes effect.

mod state;
mod steps;

use stateright::{Model, Property};

use self::{
    state::{Action, Entry, Reader, State},
    steps::{begin_late_read, begin_read, read_on, write_on},
};
use crate::check::{holds, is_violated, never_stale};

const WRITERS: usize = 2;
const CONCURRENT_READS: usize = 2;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Variant {
    /// The protocol.
    Stamps,
    /// The protocol in a cluster: the stamps and the entry are read one by one, in any order.
    SplitReads,
    /// The protocol with entries whose time-to-live is over: one that is read late is returned, and loaded anew.
    StaleWhileRevalidate,
    /// As that, and an old entry is returned whatever its stamps are.
    StaleWhateverTheStamps,
    /// As that, and the load fails each time: the old value is stored once more, for a while, under the stamps of that moment.
    OldValueIsStoredAgain,
    /// No stamps: the entry is deleted.
    DeleteOnly,
    /// No stamps: the entry is deleted, and once more at any later time, before the mutation returns.
    DelayedDoubleDelete,
    /// An invalidation increments; a counter that was evicted starts again.
    CounterStamps,
    /// The stamps that an entry is stored under are read once its value has been loaded.
    StampsAfterTheLoad,
    /// An entry is good unless a stamp that is there differs.
    MissingStampIsAHit,
    /// A call joins whatever load of the same entry is under way.
    FlightsByEntryAlone,
}

#[derive(Debug)]
struct Protocol {
    variant: Variant,
    reads: u8,
    evictions: u8,
}

impl Protocol {
    /// Whether an entry may be read after its time-to-live.
    fn has_windows(&self) -> bool {
        matches!(
            self.variant,
            Variant::StaleWhileRevalidate | Variant::StaleWhateverTheStamps | Variant::OldValueIsStoredAgain
        )
    }

    fn has_stamps(&self) -> bool {
        !matches!(self.variant, Variant::DeleteOnly | Variant::DelayedDoubleDelete)
    }
}

impl Model for Protocol {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        vec![State::new(self.reads, self.evictions)]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        if state.reads_left > 0 && state.readers.len() < CONCURRENT_READS {
            actions.push(Action::BeginRead);
            if self.has_windows() && state.entry.is_some() {
                actions.push(Action::BeginLateRead);
            }
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
            let there = (0..state.stamps.len()).filter(|&stamp| state.stamps[stamp].is_some());
            actions.extend(there.map(Action::EvictStamp));
        }
    }

    fn next_state(&self, last: &State, action: Action) -> Option<State> {
        let mut next = last.clone();
        match action {
            Action::BeginRead => begin_read(self, &mut next),
            Action::BeginLateRead => begin_late_read(self, &mut next),
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
            Action::ReadStamp(index, _)
            | Action::ReadEntry(index)
            | Action::SetNx(index)
            | Action::GetStamp(index)
            | Action::Load(index)
            | Action::Land(index)
            | Action::Join(index, _) => read_on(self, &mut next, index, action),
        }
        Some(next)
    }

    /// When no read is left that could return a stored or shared value, or no value can be old, nothing can go wrong any more.
    fn within_boundary(&self, state: &State) -> bool {
        let may_return = state.reads_left > 0 || state.readers.len() > 1 || state.readers.iter().any(Reader::may_hit);
        state.stale || (may_return && state.old_value_remains())
    }

    fn properties(&self) -> Vec<Property<Self>> {
        let mut properties = vec![
            never_stale(|_, state: &State| !state.stale),
            Property::sometimes("a fill arrives after an invalidation", |_, state: &State| {
                state.fills.iter().any(|fill| fill.version < state.floor)
            }),
            Property::sometimes(
                "an invalidated entry has been replaced",
                |model: &Self, state: &State| {
                    let good = |entry: Entry| entry.version == 1 && model.is_good(state.stamps, entry);
                    state.floor == 1 && state.entry.is_some_and(good)
                },
            ),
        ];
        if self.has_stamps() {
            properties.push(Property::sometimes("a dead entry is there", |_, state: &State| {
                state.entry.is_some_and(|entry| entry.version < state.floor)
            }));
        }
        properties
    }
}

fn protocol(variant: Variant) -> Protocol {
    Protocol {
        variant,
        reads: 3,
        evictions: 2,
    }
}

#[test]
fn stamps_hold() {
    holds(protocol(Variant::Stamps));
}

#[test]
fn stamps_hold_where_every_key_is_read_on_its_own() {
    let variant = Variant::SplitReads;
    // Three steps for each read instead of one: one eviction fewer keeps the time down.
    holds(Protocol {
        evictions: 1,
        ..protocol(variant)
    });
}

#[test]
fn stamps_hold_where_old_values_are_returned_while_they_are_loaded_again() {
    // A late read has one call more under way.
    holds(Protocol {
        evictions: 1,
        ..protocol(Variant::StaleWhileRevalidate)
    });
}

#[test]
fn an_old_value_must_not_be_returned_whatever_its_stamps_are() {
    is_violated(protocol(Variant::StaleWhateverTheStamps));
}

#[test]
fn an_old_value_must_not_be_stored_again_when_its_load_fails() {
    is_violated(protocol(Variant::OldValueIsStoredAgain));
}

#[test]
fn deleting_the_entry_is_not_enough() {
    is_violated(protocol(Variant::DeleteOnly));
}

#[test]
fn deleting_the_entry_twice_is_not_enough() {
    is_violated(protocol(Variant::DelayedDoubleDelete));
}

#[test]
fn a_counter_brings_old_entries_back_after_its_eviction() {
    is_violated(protocol(Variant::CounterStamps));
}

#[test]
fn stamps_that_are_read_after_the_load_sanction_an_old_value() {
    is_violated(protocol(Variant::StampsAfterTheLoad));
}

#[test]
fn a_missing_stamp_must_not_be_a_hit() {
    is_violated(protocol(Variant::MissingStampIsAHit));
}

#[test]
fn a_flight_must_not_be_joined_by_entry_alone() {
    is_violated(protocol(Variant::FlightsByEntryAlone));
}
