//! What readers, loads and writers do next.

use super::{
    Soft, Variant, Verb,
    state::{Action, Entry, Floor, Load, Pair, Reader, SOFT, STRICT, State, Writer},
};
use crate::terms::{Stamp, Version, insert_sorted, take};

/// What an entry is to who has read these stamps.
enum Standing {
    Fresh,
    /// Softly invalidated.
    Old,
    Dead,
}

impl Soft {
    fn standing(&self, stamps: Pair<Option<Stamp>>, entry: Entry) -> Standing {
        let missing_is_fresh = self.variant == Variant::MissingSoftStampIsFresh && stamps[SOFT].is_none();
        match entry.stamps.map(Some) {
            [strict, _] if strict != stamps[STRICT] => Standing::Dead,
            [_, soft] if soft == stamps[SOFT] || missing_is_fresh => Standing::Fresh,
            _ => Standing::Old,
        }
    }

    /// Whether a call with a ticket finds the load of another one.
    fn finds(&self, load: Pair<Stamp>, ticket: Pair<Stamp>, old: Option<Version>) -> bool {
        match (self.variant, old) {
            (Variant::AnyLoadWillDo, Some(_)) => true,
            (Variant::FlightsByStrictStamp, None) => load[STRICT] == ticket[STRICT],
            _ => load == ticket,
        }
    }
}

/// The steps that are open to a reader.
pub(super) fn of_reader(model: &Soft, state: &State, index: usize, reader: Reader, actions: &mut Vec<Action>) {
    match reader {
        Reader::Creating { set: false, .. } => actions.push(Action::SetNx(index)),
        Reader::Creating { set: true, .. } => actions.push(Action::GetStamp(index)),
        Reader::Ready { old, ticket, .. } => {
            let found = |other: &usize| {
                let load = state.loads[*other];
                // Who has nothing to return waits until it is over.
                model.finds(load.ticket, ticket, old) && (old.is_some() || load.version.is_some())
            };
            // Also where there is one to join, which may be another process's.
            actions.push(Action::Begin(index));
            let joined = (0..state.loads.len()).filter(found);
            actions.extend(joined.map(|load| Action::Join(index, load)));
        }
    }
}

pub(super) fn begin_read(model: &Soft, state: &mut State) {
    state.reads_left -= 1;
    let (floor, found) = (state.floor, state.stamps);
    let old = match state.entry.map(|entry| (entry, model.standing(found, entry))) {
        Some((entry, Standing::Fresh)) => return state.returned(entry.version, floor),
        Some((entry, Standing::Old)) => Some(entry.version),
        Some((_, Standing::Dead)) | None => None,
    };
    create_or_go_on(state, floor, old, found);
}

fn create_or_go_on(state: &mut State, floor: Floor, old: Option<Version>, found: Pair<Option<Stamp>>) {
    let reader = match found {
        [Some(strict), Some(soft)] => Reader::Ready {
            floor,
            old,
            ticket: [strict, soft],
        },
        _ => Reader::Creating {
            floor,
            old,
            found,
            set: false,
        },
    };
    insert_sorted(&mut state.readers, reader);
}

/// The next step of a call.
pub(super) fn read_on(state: &mut State, index: usize, action: Action) {
    let (reader, others) = take(&state.readers, index);
    match (reader, action) {
        (Reader::Creating { floor, old, found, .. }, Action::SetNx(_)) => {
            let missing = first_missing(found);
            if state.stamps[missing].is_none() {
                state.stamps[missing] = Some(state.random(missing));
            }
            state.readers = others;
            let set = true;
            insert_sorted(&mut state.readers, Reader::Creating { floor, old, found, set });
        }
        (
            Reader::Creating {
                floor, old, mut found, ..
            },
            Action::GetStamp(_),
        ) => {
            let missing = first_missing(found);
            found[missing] = state.stamps[missing];
            state.readers = others;
            // Still missing: this call returns what it loads itself, and stores nothing.
            if found[missing].is_some() {
                create_or_go_on(state, floor, old, found);
            }
        }
        (Reader::Ready { floor, old, ticket }, Action::Begin(_)) => {
            state.readers = others;
            let holds_off = old.is_some() && state.failed.is_some_and(|failed| failed.ticket == ticket);
            if !holds_off {
                let load = Load {
                    ticket,
                    since: state.floor.soft,
                    version: None,
                };
                insert_sorted(&mut state.loads, load);
            }
            if let Some(old) = old {
                state.returned(old, floor);
            }
        }
        (Reader::Ready { floor, old, .. }, Action::Join(_, load)) => {
            state.readers = others;
            let shared = old.or(state.loads[load].version);
            if let Some(version) = shared {
                state.returned(version, floor);
            }
        }
        (reader, action) => unreachable!("{action:?} is not open to {reader:?}"),
    }
}

/// A load reads the database; then it is over, and its fill is on the way.
pub(super) fn load_on(model: &Soft, state: &mut State, index: usize) {
    let (load, others) = take(&state.loads, index);
    state.loads = others;
    match load.version {
        None => {
            let version = Some(state.database);
            insert_sorted(&mut state.loads, Load { version, ..load });
        }
        Some(version) => {
            let mut stamps = load.ticket;
            if model.variant == Variant::SoftStampAfterTheLoad {
                let soft = state.stamps[SOFT].unwrap_or_else(|| state.random(SOFT));
                state.stamps[SOFT] = Some(soft);
                stamps[SOFT] = soft;
            }
            insert_sorted(&mut state.fills, Entry { version, stamps });
        }
    }
}

fn first_missing(found: Pair<Option<Stamp>>) -> usize {
    usize::from(found[STRICT].is_some())
}

/// The next step of a mutation.
pub(super) fn write_on(model: &Soft, state: &mut State, writer: usize) {
    let verb = model.verbs[writer];
    state.writers[writer] = match (state.writers[writer], verb) {
        (Writer::Idle, _) => {
            state.database += 1;
            Writer::Committed(state.database)
        }
        (Writer::Committed(version), Verb::Soft) => match state.stamps[STRICT] {
            Some(strict) if model.variant == Variant::RewrittenStamp => Writer::Rewriting(version, strict),
            _ => {
                state.stamps[SOFT] = None;
                acknowledge(state, verb, version)
            }
        },
        (Writer::Rewriting(version, strict), _) => {
            state.stamps = [Some(strict), None];
            acknowledge(state, verb, version)
        }
        (Writer::Committed(version), Verb::Strict) => {
            let removed = match model.variant {
                Variant::StrictRemovesTheSoftStamp => SOFT,
                _ => STRICT,
            };
            state.stamps[removed] = None;
            acknowledge(state, verb, version)
        }
        (Writer::Done, _) => Writer::Done,
    };
}

fn acknowledge(state: &mut State, verb: Verb, version: Version) -> Writer {
    let floor = match verb {
        Verb::Strict => &mut state.floor.strict,
        Verb::Soft => &mut state.floor.soft,
    };
    *floor = version.max(*floor);
    Writer::Done
}
