//! What readers and writers do next.

use super::{
    CrashSafe, Variant, WRITERS,
    state::{Hold, Reader, State, Writer},
};
use crate::terms::{Version, insert_sorted, take};

impl CrashSafe {
    pub(super) fn begin_read(&self, state: &mut State) {
        state.reads_left -= 1;
        let floor = state.floor;
        if self.variant == Variant::HoldBeforeStamp {
            if !state.hold.is_set() {
                insert_sorted(&mut state.readers, Reader::NoHoldSeen { floor });
            }
        } else {
            let reader = look(state, floor);
            insert_sorted(&mut state.readers, reader);
        }
    }

    /// The next step of a call.
    pub(super) fn read_on(&self, state: &mut State, index: usize) {
        let (reader, others) = take(&state.readers, index);
        state.readers = others;
        if let Some(reader) = self.step_of(reader, state) {
            insert_sorted(&mut state.readers, reader);
        }
    }

    /// `None` if the call has returned, or loads without filling.
    fn step_of(&self, reader: Reader, state: &mut State) -> Option<Reader> {
        let looks_first = self.variant == Variant::HoldBeforeStamp;
        match reader {
            Reader::NoHoldSeen { floor } => Some(look(state, floor)),
            Reader::Found { floor, version } => {
                if looks_first || self.variant == Variant::HitsDoNotLook || !state.hold.is_set() {
                    state.returned(version, floor);
                }
                None
            }
            Reader::Stamped { stamp } => (looks_first || !state.hold.is_set()).then_some(Reader::Loading { stamp }),
            Reader::Unstamped => (looks_first || !state.hold.is_set()).then_some(Reader::Creating),
            Reader::Creating => {
                if state.stamp.is_none() {
                    state.stamp = Some(state.random());
                }
                Some(Reader::Created)
            }
            Reader::Created if self.variant == Variant::NoSecondLook => {
                state.stamp.map(|stamp| Reader::Loading { stamp })
            }
            // The hold is looked at after the stamp, again.
            Reader::Created => state.stamp.map(|stamp| Reader::Stamped { stamp }),
            Reader::Loading { stamp } => {
                insert_sorted(&mut state.fills, (state.replica, stamp));
                None
            }
        }
    }

    /// Whether the writer need not wait.
    pub(super) fn may_write_on(&self, state: &State, index: usize) -> bool {
        match state.writers[index] {
            Writer::Ending { version } if self.variant == Variant::Settled => state.replica >= version,
            _ => true,
        }
    }

    /// The next step of a mutation.
    pub(super) fn write_on(&self, state: &mut State, index: usize) {
        let begins_reversed = self.variant == Variant::BeginReversed;
        let ends_reversed = self.variant == Variant::EndReversed;
        state.writers[index] = match state.writers[index] {
            Writer::Idle => {
                let covered = !begins_reversed;
                if begins_reversed {
                    state.stamp = None;
                } else {
                    self.set_hold(state, index);
                }
                Writer::Beginning { covered }
            }
            Writer::Beginning { covered } => {
                if begins_reversed {
                    self.set_hold(state, index);
                } else {
                    state.stamp = None;
                }
                Writer::Begun {
                    covered: covered || begins_reversed,
                }
            }
            Writer::Begun { covered } => {
                state.database += 1;
                let version = state.database;
                if !self.has_lagging_replica() {
                    state.replica = version;
                }
                if covered {
                    state.promise(version);
                }
                Writer::Committed { version }
            }
            Writer::Committed { version } => {
                if ends_reversed {
                    self.drop_hold(state, index);
                } else {
                    invalidate(state, version);
                }
                Writer::Ending { version }
            }
            Writer::Ending { version } => {
                if ends_reversed {
                    invalidate(state, version);
                } else {
                    self.drop_hold(state, index);
                }
                Writer::Gone
            }
            Writer::Gone => Writer::Gone,
        };
    }

    fn set_hold(&self, state: &mut State, index: usize) {
        match self.variant {
            Variant::NoHold => {}
            Variant::RoomForOne | Variant::ReleasedByAnyone => {
                state.hold = Hold::default();
                state.hold.add(index);
            }
            _ => state.hold.add(index),
        }
    }

    fn drop_hold(&self, state: &mut State, index: usize) {
        match self.variant {
            Variant::LapsingHold => {}
            Variant::ReleasedByAnyone => state.hold = Hold::default(),
            _ => state.hold.remove(index),
        }
    }

    /// Whether the time-to-live of this id can be over now.
    pub(super) fn may_lapse(&self, state: &State, index: usize) -> bool {
        // It is longer than the lag of the replica.
        let settled = self.variant != Variant::Settled || state.replica == state.database;
        settled && (state.lapses_left > 0 || !self.is_renewed(state, index))
    }

    /// Whether the time-to-live of this id, or of the key that it is in, is being renewed.
    fn is_renewed(&self, state: &State, index: usize) -> bool {
        let holds = |(id, writer): (usize, &Writer)| state.hold.contains(id) && writer.is_alive();
        match self.variant {
            // There are no ids: whoever renews, renews for all.
            Variant::LapsingHold => state.writers.iter().enumerate().any(holds),
            _ => state.writers[index].is_alive(),
        }
    }

    /// The time-to-live of an id is over; that of a key without ids is over for all.
    pub(super) fn lapse(&self, state: &mut State, index: usize) {
        if self.is_renewed(state, index) {
            state.lapses_left -= 1;
        }
        match self.variant {
            Variant::LapsingHold => (0..WRITERS).for_each(|id| state.release(id)),
            _ => state.release(index),
        }
    }
}

/// `MGET stamp entry`.
fn look(state: &State, floor: Version) -> Reader {
    match (state.stamp, state.entry) {
        (None, _) => Reader::Unstamped,
        (Some(stamp), Some((version, stored))) if stored == stamp => Reader::Found { floor, version },
        (Some(stamp), _) => Reader::Stamped { stamp },
    }
}

fn invalidate(state: &mut State, version: Version) {
    state.stamp = None;
    state.promise(version);
}
