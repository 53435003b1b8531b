//! What readers and writers do next.

use super::{
    Tags, Target, Variant,
    state::{Action, After, Entry, Key, Reader, Stamps, State, Writer},
};
use crate::terms::{Version, insert_sorted};

impl Tags {
    /// Whether calls with these stamps find the same flight.
    fn shares_flights(&self, one: Stamps, other: Stamps) -> bool {
        let epochs = match self.variant {
            Variant::FlightsWithoutEpochs => true,
            // What has read no epoch yet is judged without flights.
            Variant::NoEpochs | Variant::EpochAfterTheLoad => false,
            _ => one.get(Key::Epoch) == other.get(Key::Epoch),
        };
        epochs && one.get(Key::Resource) == other.get(Key::Resource)
    }

    /// What is read before the load, after the stamp of the resource.
    fn has_epoch_before_the_load(&self) -> bool {
        !matches!(self.variant, Variant::NoEpochs | Variant::EpochAfterTheLoad)
    }

    fn steps_after_the_load(&self) -> &'static [After] {
        match self.variant {
            Variant::NoEpochs => &[After::Stamp],
            Variant::EpochAfterTheLoad => &[After::Epoch, After::Stamp, After::Check],
            Variant::StampAfterTheCheck => &[After::Check, After::Stamp],
            _ => &[After::Stamp, After::Check],
        }
    }

    fn step_after(&self, step: After) -> Option<After> {
        let steps = self.steps_after_the_load();
        let position = steps.iter().position(|&other| other == step)?;
        steps.get(position + 1).copied()
    }
}

/// The steps that are open to a reader.
pub(super) fn of_reader(model: &Tags, state: &State, index: usize, reader: Reader, actions: &mut Vec<Action>) {
    actions.push(Action::Step(index));
    let Reader::Loading { found, .. } = reader else { return };
    let may_join = |other: &Reader| match other {
        Reader::Loaded { found: theirs, .. } => model.shares_flights(*theirs, found),
        _ => false,
    };
    let flights = (0..state.readers.len()).filter(|&other| may_join(&state.readers[other]));
    actions.extend(flights.map(|other| Action::Join(index, other)));
}

pub(super) fn begin_read(state: &mut State) {
    state.reads_left -= 1;
    let (floor, resource) = (state.floor, state.stamps.get(Key::Resource));
    let reader = match state.entry.filter(|entry| resource == Some(entry.resource)) {
        Some(entry) => Reader::Checking { floor, entry },
        None => preparing(floor, Key::Resource, Stamps::default()),
    };
    insert_sorted(&mut state.readers, reader);
}

fn preparing(floor: Version, next: Key, found: Stamps) -> Reader {
    let set = false;
    Reader::Preparing {
        floor,
        next,
        set,
        found,
    }
}

/// The next step of a call.
pub(super) fn read_on(model: &Tags, state: &mut State, index: usize) {
    let next = match state.readers[index] {
        Reader::Checking { floor, entry } => {
            if state.stamps.get(Key::Tag) == Some(entry.tag) {
                state.returned(entry.version, floor);
                None
            } else {
                Some(preparing(floor, Key::Resource, Stamps::default()))
            }
        }
        Reader::Preparing {
            floor,
            next,
            set,
            found,
        } => prepare(model, state, (floor, next, set, found)),
        Reader::Loading { found, .. } => Some(Reader::Loaded {
            version: state.database,
            found,
            step: model.steps_after_the_load()[0],
            set: false,
        }),
        Reader::Loaded {
            version,
            found,
            step,
            set,
        } => go_on(model, state, (version, found, step, set)),
    };
    state.replace(index, next);
}

fn prepare(
    model: &Tags,
    state: &mut State,
    (floor, next, set, mut found): (Version, Key, bool, Stamps),
) -> Option<Reader> {
    if !set {
        set_nx(model, state, next);
        let set = true;
        return Some(Reader::Preparing {
            floor,
            next,
            set,
            found,
        });
    }
    found.set(next, state.stamps.get(next));
    // Still missing: this call loads without filling.
    found.get(next)?;
    Some(if next == Key::Resource && model.has_epoch_before_the_load() {
        preparing(floor, Key::Epoch, found)
    } else {
        Reader::Loading { floor, found }
    })
}

/// A step after the load; the last one sends the fill on its way.
fn go_on(
    model: &Tags,
    state: &mut State,
    (version, mut found, step, set): (Version, Stamps, After, bool),
) -> Option<Reader> {
    let key = match step {
        After::Epoch | After::Check => Key::Epoch,
        After::Stamp => Key::Tag,
    };
    if step == After::Check {
        let epoch = state.stamps.get(key);
        let passes = model.variant == Variant::MissingEpochPasses && epoch.is_none();
        if !passes && epoch != found.get(key) {
            state.is_any_refused = true;
            return None;
        }
    } else if !set {
        set_nx(model, state, key);
        let set = true;
        return Some(Reader::Loaded {
            version,
            found,
            step,
            set,
        });
    } else {
        found.set(key, state.stamps.get(key));
        found.get(key)?;
    }
    let Some(step) = model.step_after(step) else {
        let (resource, tag) = found.get(Key::Resource).zip(found.get(Key::Tag))?;
        insert_sorted(&mut state.fills, Entry { version, resource, tag });
        return None;
    };
    let set = false;
    Some(Reader::Loaded {
        version,
        found,
        step,
        set,
    })
}

fn set_nx(model: &Tags, state: &mut State, key: Key) {
    if state.stamps.get(key).is_none() {
        let first = match (model.variant, key) {
            (Variant::CounterEpochs, Key::Epoch) => 1,
            _ => state.random(key),
        };
        state.stamps.set(key, Some(first));
    }
}

/// The next step of a mutation.
pub(super) fn write_on(model: &Tags, state: &mut State, writer: usize) {
    let target = model.targets[writer];
    state.writers[writer] = match state.writers[writer] {
        Writer::Idle => {
            state.database += 1;
            Writer::Committed(state.database)
        }
        Writer::Committed(version) if target == Target::Tag => {
            let first = match model.variant {
                Variant::StampRemovedFirst => Key::Tag,
                _ => Key::Epoch,
            };
            remove(model, state, first);
            Writer::Halfway(version)
        }
        Writer::Committed(version) => {
            remove(model, state, Key::Resource);
            acknowledge(state, version)
        }
        Writer::Halfway(version) => {
            let second = match model.variant {
                Variant::StampRemovedFirst => Key::Epoch,
                _ => Key::Tag,
            };
            remove(model, state, second);
            acknowledge(state, version)
        }
        Writer::Done => Writer::Done,
    };
}

fn remove(model: &Tags, state: &mut State, key: Key) {
    let counted = match (model.variant, key) {
        (Variant::CounterEpochs, Key::Epoch) => Some(state.stamps.get(key).unwrap_or(0) + 1),
        _ => None,
    };
    state.stamps.set(key, counted);
}

fn acknowledge(state: &mut State, version: Version) -> Writer {
    state.floor = state.floor.max(version);
    Writer::Done
}
