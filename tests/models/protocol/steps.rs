//! What readers and writers do next.

use super::{
    Protocol, Variant,
    state::{Action, Entry, Key, Pair, Reader, State, Writer},
};
use crate::terms::{Stamp, Version, insert_sorted, take};

/// Of who stores without one: a number that no stamp has.
const NO_TICKET: Pair<Stamp> = [63; 2];

impl Protocol {
    /// Whether an entry may be returned by who has read these stamps.
    pub(super) fn is_good(&self, stamps: Pair<Option<Stamp>>, entry: Entry) -> bool {
        let good = |(current, stored): (Option<Stamp>, Stamp)| match current {
            Some(current) => current == stored,
            None => self.variant == Variant::MissingStampIsAHit,
        };
        !self.has_stamps() || stamps.into_iter().zip(entry.stamps).all(good)
    }

    /// Whether calls with these tickets find the same flight. What has no tickets is judged without flights.
    fn shares_flights(&self, one: Pair<Stamp>, other: Pair<Stamp>) -> bool {
        match self.variant {
            Variant::DeleteOnly | Variant::DelayedDoubleDelete | Variant::StampsAfterTheLoad => false,
            Variant::FlightsByEntryAlone => true,
            _ => one == other,
        }
    }
}

/// The steps that are open to a reader.
pub(super) fn of_reader(model: &Protocol, state: &State, index: usize, reader: Reader, actions: &mut Vec<Action>) {
    match reader {
        Reader::Reading { stamps, entry, .. } => {
            let unread = (0..stamps.len()).filter(|&stamp| stamps[stamp] == Key::Unread);
            actions.extend(unread.map(|stamp| Action::ReadStamp(index, stamp)));
            if entry == Key::Unread {
                actions.push(Action::ReadEntry(index));
            }
        }
        Reader::Creating { set: false, .. } => actions.push(Action::SetNx(index)),
        Reader::Creating { set: true, .. } => actions.push(Action::GetStamp(index)),
        Reader::Loading { ticket, .. } => {
            actions.push(Action::Load(index));
            let may_join = |other: &Reader| match other {
                Reader::Loaded { ticket: theirs, .. } => model.shares_flights(*theirs, ticket),
                _ => false,
            };
            let flights = (0..state.readers.len()).filter(|&other| may_join(&state.readers[other]));
            actions.extend(flights.map(|other| Action::Join(index, other)));
        }
        Reader::Loaded { .. } => actions.push(Action::Land(index)),
    }
}

pub(super) fn begin_read(model: &Protocol, state: &mut State) {
    state.reads_left -= 1;
    let floor = state.floor;
    if model.variant == Variant::SplitReads {
        let reading = Reader::Reading {
            floor,
            stamps: [Key::Unread; 2],
            entry: Key::Unread,
        };
        insert_sorted(&mut state.readers, reading);
    } else {
        decide(model, state, floor, state.stamps, state.entry);
    }
}

/// A call that comes after the time-to-live of the entry is given the old value, and a load begins that nobody waits for.
pub(super) fn begin_late_read(model: &Protocol, state: &mut State) {
    let Some(entry) = state.entry else { return };
    if model.variant != Variant::StaleWhateverTheStamps && !model.is_good(state.stamps, entry) {
        begin_read(model, state);
        return;
    }
    state.reads_left -= 1;
    let floor = state.floor;
    state.returned(entry.version, floor);
    if model.variant == Variant::OldValueIsStoredAgain {
        let version = entry.version;
        insert_sorted(
            &mut state.readers,
            Reader::Loaded {
                ticket: NO_TICKET,
                version,
            },
        );
    } else {
        create_or_load(state, floor, state.stamps);
    }
}

/// Hit or miss, once everything has been read.
fn decide(model: &Protocol, state: &mut State, floor: Version, found: Pair<Option<Stamp>>, entry: Option<Entry>) {
    match entry.filter(|entry| model.is_good(found, *entry)) {
        Some(entry) => state.returned(entry.version, floor),
        None if !model.has_stamps() || model.variant == Variant::StampsAfterTheLoad => {
            let ticket = NO_TICKET;
            insert_sorted(&mut state.readers, Reader::Loading { floor, ticket });
        }
        None => create_or_load(state, floor, found),
    }
}

fn create_or_load(state: &mut State, floor: Version, found: Pair<Option<Stamp>>) {
    let reader = match found {
        [Some(resource), Some(scope)] => Reader::Loading {
            floor,
            ticket: [resource, scope],
        },
        _ => Reader::Creating {
            floor,
            found,
            set: false,
        },
    };
    insert_sorted(&mut state.readers, reader);
}

/// The next step of a call.
pub(super) fn read_on(model: &Protocol, state: &mut State, index: usize, action: Action) {
    let (reader, others) = take(&state.readers, index);
    match (reader, action) {
        (Reader::Reading { floor, stamps, entry }, Action::ReadStamp(_, stamp)) => {
            let mut stamps = stamps;
            stamps[stamp] = Key::Read(state.stamps[stamp]);
            state.readers = others;
            read_key(model, state, floor, stamps, entry);
        }
        (Reader::Reading { floor, stamps, .. }, Action::ReadEntry(_)) => {
            state.readers = others;
            read_key(model, state, floor, stamps, Key::Read(state.entry));
        }
        (Reader::Creating { floor, found, .. }, Action::SetNx(_)) => {
            let missing = first_missing(found);
            if state.stamps[missing].is_none() {
                state.stamps[missing] = Some(first_stamp(model, state, missing));
            }
            state.readers = others;
            let set = true;
            insert_sorted(&mut state.readers, Reader::Creating { floor, found, set });
        }
        (Reader::Creating { floor, mut found, .. }, Action::GetStamp(_)) => {
            let missing = first_missing(found);
            found[missing] = state.stamps[missing];
            state.readers = others;
            // Still missing: this call loads without filling.
            if found[missing].is_some() {
                create_or_load(state, floor, found);
            }
        }
        (Reader::Loading { ticket, .. }, Action::Load(_)) => {
            let version = state.database;
            state.readers = others;
            insert_sorted(&mut state.readers, Reader::Loaded { ticket, version });
        }
        (Reader::Loading { floor, .. }, Action::Join(_, flight)) => {
            if let Reader::Loaded { version, .. } = state.readers[flight] {
                state.returned(version, floor);
            }
            state.readers = others;
        }
        (Reader::Loaded { ticket, version }, Action::Land(_)) => {
            state.readers = others;
            let stamps = if model.variant == Variant::StampsAfterTheLoad || ticket == NO_TICKET && model.has_stamps() {
                current_or_created(model, state)
            } else {
                ticket
            };
            insert_sorted(&mut state.fills, Entry { version, stamps });
        }
        (reader, action) => unreachable!("{action:?} is not open to {reader:?}"),
    }
}

fn read_key(model: &Protocol, state: &mut State, floor: Version, stamps: Pair<Key<Stamp>>, entry: Key<Entry>) {
    match (stamps, entry) {
        ([Key::Read(resource), Key::Read(scope)], Key::Read(entry)) => {
            decide(model, state, floor, [resource, scope], entry);
        }
        _ => insert_sorted(&mut state.readers, Reader::Reading { floor, stamps, entry }),
    }
}

fn first_missing(found: Pair<Option<Stamp>>) -> usize {
    usize::from(found[0].is_some())
}

fn first_stamp(model: &Protocol, state: &State, index: usize) -> Stamp {
    match model.variant {
        Variant::CounterStamps => 1,
        _ => state.random(index),
    }
}

fn current_or_created(model: &Protocol, state: &mut State) -> Pair<Stamp> {
    [0, 1].map(|index| {
        let stamp = state.stamps[index].unwrap_or_else(|| first_stamp(model, state, index));
        state.stamps[index] = Some(stamp);
        stamp
    })
}

/// The next step of a mutation.
pub(super) fn write_on(model: &Protocol, state: &mut State, writer: usize) {
    let acknowledge = |state: &mut State, version: Version| {
        state.floor = state.floor.max(version);
        Writer::Done
    };
    state.writers[writer] = match (state.writers[writer], model.variant) {
        (Writer::Idle, _) => {
            state.database += 1;
            Writer::Committed(state.database)
        }
        (Writer::Committed(version), Variant::DelayedDoubleDelete) => {
            state.entry = None;
            Writer::DeletedOnce(version)
        }
        (Writer::Committed(version), Variant::DeleteOnly) | (Writer::DeletedOnce(version), _) => {
            state.entry = None;
            acknowledge(state, version)
        }
        (Writer::Committed(version), Variant::CounterStamps) => {
            state.stamps[writer] = Some(state.stamps[writer].unwrap_or(0) + 1);
            acknowledge(state, version)
        }
        (Writer::Committed(version), _) => {
            state.stamps[writer] = None;
            acknowledge(state, version)
        }
        (Writer::Done, _) => Writer::Done,
    };
}
