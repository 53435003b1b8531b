//! `crash_safe`: a mutation brackets its body with a hold, so that a process that is killed between commit and invalidation
//! leaves no old entry behind.
//!
//! Before the body a writer puts its id into the hold and then removes the stamp; after the body it removes the stamp and then
//! takes its id out. The hold is a set of ids under one key. Readers that see one load without filling, and look at the hold
//! *after* they have had the stamp, each time. An id that nobody renews lapses: any time after its writer is gone, and, within
//! a bound, while the writer lives but is stalled. The hold can be evicted like any other key.
//!
//! Only stored values are judged: where loads read a replica of the database that lags, what they return themselves may be
//! old with and without a cache.
//!
//! What is promised, in versions: a read that starts later returns no version older than the newest one that was either
//! acknowledged, or committed by a writer whose id had been in the hold without a break until then. What became of that
//! writer after its commit does not matter.

mod state;
mod steps;

use stateright::{Model, Property};

use self::state::{Action, Reader, State, Writer};
use crate::check::{holds, is_violated, never_stale};

const WRITERS: usize = 2;
const CONCURRENT_READS: usize = 2;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Variant {
    /// A set of ids; the hold is read by a command of its own, after the stamp.
    Bracket,
    /// One key without ids that every writer sets and renews and nobody removes: it lapses.
    LapsingHold,
    /// The stamp is removed before the hold is set.
    BeginReversed,
    /// After a stamp has been created the hold is not read again.
    NoSecondLook,
    /// The hold is read by a command of its own, before the stamp.
    HoldBeforeStamp,
    /// The hold has room for one id; the next writer's replaces it. Only the owner releases it.
    RoomForOne,
    /// As `RoomForOne`, and whoever is done releases it.
    ReleasedByAnyone,
    /// The hold is released before the last invalidation.
    EndReversed,
    /// Who has found a valid entry does not look at the hold.
    HitsDoNotLook,
    /// Loads read a replica of the database that lags; the hold is kept until the replica has caught up (`settle`).
    Settled,
    /// Loads read a replica that lags; the hold is dropped at once.
    Unsettled,
    /// No hold.
    NoHold,
}

#[derive(Debug)]
struct CrashSafe {
    variant: Variant,
    reads: u8,
    evictions: u8,
    kills: u8,
    /// How many ids of living writers may lapse.
    lapses: u8,
}

impl CrashSafe {
    fn has_lagging_replica(&self) -> bool {
        matches!(self.variant, Variant::Settled | Variant::Unsettled)
    }
}

impl Model for CrashSafe {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        vec![State::new(self)]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        if state.reads_left > 0 && state.readers.len() < CONCURRENT_READS {
            actions.push(Action::BeginRead);
        }
        actions.extend((0..state.readers.len()).map(Action::ReadOn));
        actions.extend((0..state.fills.len()).map(Action::DeliverFill));
        for (index, writer) in state.writers.iter().enumerate() {
            if writer.is_alive() {
                if self.may_write_on(state, index) {
                    actions.push(Action::Write(index));
                }
                if state.kills_left > 0 && *writer != Writer::Idle {
                    actions.push(Action::Kill(index));
                }
            }
            if state.hold.contains(index) && self.may_lapse(state, index) {
                actions.push(Action::Lapse(index));
            }
        }
        if state.replica < state.database {
            actions.push(Action::CatchUp);
        }
        if state.evictions_left > 0 {
            actions.extend(state.entry.map(|_| Action::EvictEntry));
            actions.extend(state.stamp.map(|_| Action::EvictStamp));
            actions.extend(state.hold.is_set().then_some(Action::EvictHold));
        }
    }

    fn next_state(&self, last: &State, action: Action) -> Option<State> {
        let mut next = last.clone();
        match action {
            Action::BeginRead => self.begin_read(&mut next),
            Action::ReadOn(index) => self.read_on(&mut next, index),
            Action::DeliverFill(index) => next.entry = Some(next.fills.remove(index)),
            Action::Write(index) => self.write_on(&mut next, index),
            Action::Kill(index) => {
                next.kills_left -= 1;
                next.writers[index] = Writer::Gone;
            }
            Action::Lapse(index) => self.lapse(&mut next, index),
            Action::CatchUp => next.replica = next.database,
            Action::EvictEntry => {
                next.evictions_left -= 1;
                next.entry = None;
            }
            Action::EvictStamp => {
                next.evictions_left -= 1;
                next.stamp = None;
            }
            Action::EvictHold => {
                next.evictions_left -= 1;
                (0..WRITERS).for_each(|id| next.release(id));
            }
        }
        Some(next)
    }

    /// When no read is left that could return a stored value, or no value can be old, nothing can go wrong any more.
    fn within_boundary(&self, state: &State) -> bool {
        let may_return = state.reads_left > 0 || state.readers.iter().any(|reader| reader.may_hit());
        state.stale || (may_return && state.old_value_remains())
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            never_stale(|_, state: &State| !state.stale),
            Property::sometimes(
                "the version of a killed writer is cached",
                |model: &Self, state: &State| {
                    let killed = state.kills_left < model.kills && state.writers == [Writer::Gone, Writer::Idle];
                    let cached = |(version, stamp)| version == 1 && state.stamp == Some(stamp);
                    killed && state.entry.is_some_and(cached)
                },
            ),
            Property::sometimes("a stamp is created while a body runs", |_, state: &State| {
                let creates = |reader: &Reader| matches!(reader, Reader::Created);
                let works = |writer: &Writer| matches!(writer, Writer::Begun { .. });
                state.readers.iter().any(creates) && state.writers.iter().any(works)
            }),
        ]
    }
}

/// A holding variant with the full measure of faults.
fn with_faults(variant: Variant) -> CrashSafe {
    CrashSafe {
        variant,
        reads: 3,
        evictions: 2,
        kills: 2,
        lapses: 1,
    }
}

/// A bad variant fails without any fault but a killed writer.
fn with_a_kill(variant: Variant) -> CrashSafe {
    CrashSafe {
        evictions: 0,
        kills: 1,
        lapses: 0,
        ..with_faults(variant)
    }
}

#[test]
fn a_bracket_of_hold_and_stamp_holds() {
    holds(with_faults(Variant::Bracket));
}

#[test]
fn a_hold_that_only_lapses_holds() {
    holds(with_faults(Variant::LapsingHold));
}

#[test]
fn a_hit_needs_no_look_at_the_hold() {
    holds(with_a_kill(Variant::HitsDoNotLook));
}

#[test]
fn a_hold_that_is_kept_until_the_replica_has_caught_up_holds() {
    holds(with_a_kill(Variant::Settled));
}

/// Nothing valid is loaded under a hold, so nothing old is left either way. The other order saves what would be filled between
/// the two steps.
#[test]
fn the_order_at_the_end_does_not_matter_for_what_is_promised() {
    holds(with_a_kill(Variant::EndReversed));
}

#[test]
fn the_hold_must_be_set_before_the_stamp_is_removed() {
    is_violated(with_a_kill(Variant::BeginReversed));
}

#[test]
fn the_hold_must_be_read_again_after_a_stamp_was_created() {
    is_violated(with_a_kill(Variant::NoSecondLook));
}

#[test]
fn the_hold_must_not_be_read_before_the_stamp() {
    is_violated(with_a_kill(Variant::HoldBeforeStamp));
}

#[test]
fn a_hold_needs_room_for_every_writer() {
    is_violated(with_a_kill(Variant::RoomForOne));
}

#[test]
fn a_writer_must_not_release_the_hold_of_another() {
    is_violated(with_a_kill(Variant::ReleasedByAnyone));
}

#[test]
fn a_lagging_replica_needs_a_hold_that_settles() {
    is_violated(with_a_kill(Variant::Unsettled));
}

#[test]
fn without_a_hold_a_killed_writer_leaves_an_old_entry_behind() {
    is_violated(with_a_kill(Variant::NoHold));
}
