//! The near cache of one process: a decoded value is kept until the server's push says that its stamp is gone.
//!
//! Pushes and answers to pings come over the tracking connection, in the server's order, as late as they like, until the
//! connection breaks, which the process may notice late or never. Reads use another connection, so that a reply can overtake
//! the push that makes it old. Invalidations come from this process and from another one.
//!
//! Two things happen to the server that it does not report. Its data may be replaced, as by `SWAPDB`, the watch's own key with
//! them. Or the stamp alone is lost, as when another server of the cluster claims its slot.
//!
//! Time is a tick, as often as one likes. What is promised of every near hit:
//!
//! - it is no older than what was acknowledged [`BOUND`] ticks before the current one began, whatever becomes of the connection;
//! - it is no older than what this process itself has invalidated, at once.

mod client;
mod server;
mod state;

use stateright::{Model, Property};

use self::state::{Action, Link, Read, State};
use crate::check::{holds, is_violated, never_stale};

/// How many ticks after the one of the ping's sending its answer is good for.
const BOUND: u8 = 1;
/// The writer that belongs to the process with the near cache.
const OWN: usize = 0;
const WRITERS: usize = 2;
const CONCURRENT_READS: usize = 2;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Variant {
    /// Inserts guarded by the epoch; track, flush, use; a bound from the sending of the last answered ping.
    Tracked,
    /// Whatever is read is inserted.
    NoEpochGuard,
    /// The flush comes before the tracking has begun.
    FlushThenTrack,
    /// The values are used as soon as the connection is there, before tracking is confirmed.
    UseBeforeTracking,
    /// The bound counts from the arrival of the answer.
    BoundFromTheAnswer,
    /// The values are used until the connection is known to be broken.
    NoHeartbeat,
    /// An invalidation of this process drops what is there, but does not keep reads out until it is acknowledged.
    OwnReadsGoOn,
    /// The server acknowledges invalidations before it has written the pushes.
    AcknowledgedBeforePushed,
    /// An invalidation that finds no stamp is not pushed, as on a server that is out of memory.
    UnheardRemovals,
    /// The same, and the ping does not ask for a key of the watch's own.
    NoKeyOfItsOwn,
}

#[derive(Debug)]
struct Near {
    variant: Variant,
    reads: u8,
    evictions: u8,
    /// How often the server's data is replaced by other data, without a report.
    swaps: u8,
    /// How often the stamp is lost without a report.
    losses: u8,
    /// How often the tracking connection breaks.
    breaks: u8,
    /// The connection has been made before the first step.
    starts_tracked: bool,
}

impl Model for Near {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        vec![State::new(self)]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        actions.push(Action::Tick);
        client::actions(self, state, actions);
        server::actions(state, actions);
    }

    fn next_state(&self, last: &State, action: Action) -> Option<State> {
        let mut next = last.clone();
        match action {
            Action::Tick => next.tick(),
            Action::Connect | Action::NoticeBreak | Action::Ping | Action::Receive => {
                client::step(self, &mut next, action);
            }
            Action::BeginRead => client::begin_read(&mut next),
            Action::ReadOn(index) => client::read_on(&mut next, index),
            Action::Break
            | Action::Serve
            | Action::Push
            | Action::EvictStamp
            | Action::SwapData
            | Action::LoseStamp => server::step(self, &mut next, action),
            Action::Write(writer) => client::write(self, &mut next, writer),
        }
        // Only a tick can come to nothing.
        (next != *last).then_some(next)
    }

    /// Where no value is kept or can be, or none can be old any more, nothing can go wrong.
    fn within_boundary(&self, state: &State) -> bool {
        let value = state.near.is_some() || !state.reads.is_empty() || state.reads_left > 0;
        value && state.old_value_remains()
    }

    fn properties(&self) -> Vec<Property<Self>> {
        let mut properties = vec![
            never_stale(|model, state: &State| {
                let good = |version| version >= state.floors[usize::from(BOUND)] && version >= state.own_floor;
                state.near_hit(model).is_none_or(good)
            }),
            Property::sometimes("a near hit is behind, within the bound", |model, state: &State| {
                state.near_hit(model).is_some_and(|version| version < state.floor)
            }),
            Property::sometimes("an invalidated value has been replaced", |model, state: &State| {
                state.floor == 1 && state.near_hit(model) == Some(1)
            }),
            Property::sometimes("a reply is overtaken by a push", |_, state: &State| {
                state
                    .reads
                    .iter()
                    .any(|read| matches!(read, Read::Loaded { guarded: true, .. }))
            }),
        ];
        if self.breaks > 0 {
            let unnoticed = "the connection is broken and nobody knows";
            properties.push(Property::sometimes(unnoticed, |model, state: &State| {
                state.link == Link::Silent && state.near_hit(model).is_some()
            }));
        }
        if self.swaps > 0 {
            let unnoticed = "the data is replaced and nobody knows";
            properties.push(Property::sometimes(unnoticed, |model, state: &State| {
                !state.key && state.near_hit(model).is_some()
            }));
        }
        if self.losses > 0 {
            let unnoticed = "a value is used whose stamp is lost";
            properties.push(Property::sometimes(unnoticed, |model, state: &State| {
                state.losses_left == 0 && state.stamp.is_none() && state.near_hit(model).is_some()
            }));
        }
        properties
    }
}

#[test]
fn tracked_values_are_never_older_than_the_bound() {
    holds(near(Variant::Tracked, 1));
}

#[test]
fn tracked_values_survive_evictions_of_their_stamps() {
    holds(Near {
        evictions: 1,
        ..near(Variant::Tracked, 0)
    });
}

#[test]
fn tracked_values_survive_data_that_is_replaced_without_a_report() {
    holds(Near {
        swaps: 1,
        ..near(Variant::Tracked, 0)
    });
}

#[test]
fn tracked_values_survive_a_stamp_that_is_lost_without_a_report() {
    holds(Near {
        losses: 1,
        ..near(Variant::Tracked, 0)
    });
}

#[test]
fn the_key_of_the_watch_is_enough_where_data_is_replaced() {
    holds(Near {
        swaps: 1,
        ..near(Variant::UnheardRemovals, 0)
    });
}

#[test]
fn the_watch_must_have_a_key_of_its_own() {
    is_violated(Near {
        swaps: 1,
        ..near(Variant::NoKeyOfItsOwn, 0)
    });
}

#[test]
fn an_invalidation_must_be_heard_though_there_is_no_stamp() {
    is_violated(Near {
        losses: 1,
        ..near(Variant::UnheardRemovals, 0)
    });
}

fn near(variant: Variant, breaks: u8) -> Near {
    Near {
        variant,
        reads: 2,
        evictions: 0,
        swaps: 0,
        losses: 0,
        breaks,
        starts_tracked: !matches!(variant, Variant::FlushThenTrack | Variant::UseBeforeTracking),
    }
}

#[test]
fn an_insert_must_be_guarded_by_the_epoch() {
    is_violated(near(Variant::NoEpochGuard, 0));
}

#[test]
fn the_flush_must_come_after_the_tracking() {
    is_violated(near(Variant::FlushThenTrack, 0));
}

#[test]
fn values_must_not_be_used_before_tracking_is_confirmed() {
    is_violated(near(Variant::UseBeforeTracking, 0));
}

#[test]
fn the_bound_must_count_from_the_sending_of_the_ping() {
    is_violated(near(Variant::BoundFromTheAnswer, 0));
}

#[test]
fn a_silent_break_needs_a_heartbeat() {
    is_violated(near(Variant::NoHeartbeat, 1));
}

#[test]
fn reads_must_wait_for_the_invalidations_of_their_own_process() {
    is_violated(near(Variant::OwnReadsGoOn, 0));
}

#[test]
fn the_server_must_push_before_it_acknowledges() {
    is_violated(near(Variant::AcknowledgedBeforePushed, 0));
}
