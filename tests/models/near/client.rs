//! What the process with the near cache does, and the mutations of both processes.

use super::{
    BOUND, CONCURRENT_READS, Near, OWN, Variant,
    state::{Action, Link, Message, Read, Request, State, Writer},
};
use crate::terms::{Version, insert_sorted, take};

pub(super) fn actions(model: &Near, state: &State, actions: &mut Vec<Action>) {
    match &state.link {
        Link::Down => actions.push(Action::Connect),
        Link::Silent => actions.push(Action::NoticeBreak),
        Link::Up { messages, .. } if !messages.is_empty() => actions.push(Action::Receive),
        Link::Up { .. } => {}
    }
    // A second ping in one tick would not extend the bound.
    if state.in_use && state.awaited.is_none() && state.bound_age > 0 {
        actions.push(Action::Ping);
    }
    let admitted = state.reads.len() < CONCURRENT_READS && !state.own_is_pending(model);
    if state.reads_left > 0 && admitted && state.near_hit(model).is_none() {
        actions.push(Action::BeginRead);
    }
    actions.extend((0..state.reads.len()).map(Action::ReadOn));
    for (index, writer) in state.writers.iter().enumerate() {
        if !matches!(writer, Writer::Removed(_) | Writer::Done) {
            actions.push(Action::Write(index));
        }
    }
}

/// The life of the tracking connection.
pub(super) fn step(model: &Near, state: &mut State, action: Action) {
    match action {
        Action::Connect => {
            if model.variant == Variant::FlushThenTrack {
                state.flush();
            }
            if model.variant == Variant::UseBeforeTracking {
                state.flush();
                state.in_use = true;
                state.bound_age = 0;
            }
            state.link = Link::Up {
                tracking: false,
                request: Some(Request::Track),
                messages: Vec::new(),
            };
            state.awaited = Some(0);
        }
        Action::NoticeBreak => end_watch(state),
        Action::Ping => {
            state.awaited = Some(0);
            if let Link::Up { request, .. } = &mut state.link {
                *request = Some(Request::Ping);
            }
        }
        Action::Receive => receive(model, state),
        _ => unreachable!("{action:?} is not about the connection"),
    }
}

fn end_watch(state: &mut State) {
    state.link = Link::Down;
    state.in_use = false;
    state.bound_age = BOUND + 1;
    state.awaited = None;
    state.flush();
}

fn receive(model: &Near, state: &mut State) {
    let Link::Up { messages, .. } = &mut state.link else {
        return;
    };
    match messages.remove(0) {
        Message::Push => {
            state.near = None;
            if model.variant != Variant::NoEpochGuard {
                state.flush();
            }
        }
        Message::Gone => end_watch(state),
        Message::Answer(request) => {
            let sent = state.awaited.take().expect("what is answered was asked");
            state.bound_age = match model.variant {
                Variant::BoundFromTheAnswer => 0,
                _ => sent,
            };
            if request == Request::Track {
                if !matches!(model.variant, Variant::FlushThenTrack | Variant::UseBeforeTracking) {
                    state.flush();
                }
                state.in_use = true;
            }
        }
    }
}

/// A read that the near cache could not answer begins, and is executed by the server: had it begun earlier, the epoch would
/// only have had more time to move.
pub(super) fn begin_read(state: &mut State) {
    state.reads_left -= 1;
    let guarded = false;
    let read = match (state.stamp, state.entry) {
        (Some(stamp), Some((version, stored))) if stamp == stored => Read::Replied { guarded, version },
        (Some(stamp), _) => Read::Loading { guarded, stamp },
        (None, _) => {
            let stamp = state.random();
            state.stamp = Some(stamp);
            state.stamp_changed();
            Read::Loading { guarded, stamp }
        }
    };
    insert_sorted(&mut state.reads, read);
}

/// The next step of a read.
pub(super) fn read_on(state: &mut State, index: usize) {
    let (read, others) = take(&state.reads, index);
    state.reads = others;
    match read {
        Read::Loading { guarded, stamp } => {
            let version = state.database;
            let loaded = Read::Loaded {
                guarded,
                version,
                stamp,
            };
            insert_sorted(&mut state.reads, loaded);
        }
        Read::Loaded {
            guarded,
            version,
            stamp,
        } => {
            state.entry = Some((version, stamp));
            insert(state, guarded, version);
        }
        Read::Replied { guarded, version } => insert(state, guarded, version),
    }
}

fn insert(state: &mut State, guarded: bool, version: Version) {
    if state.in_use && !guarded {
        state.near = Some(version);
    }
}

/// The next step of a mutation.
pub(super) fn write(model: &Near, state: &mut State, index: usize) {
    match state.writers[index] {
        Writer::Idle => {
            state.database += 1;
            state.writers[index] = if index == OWN {
                state.flush();
                Writer::Journaled(state.database)
            } else {
                Writer::Committed(state.database)
            };
        }
        Writer::Committed(version) | Writer::Journaled(version) => {
            let heard = !matches!(model.variant, Variant::UnheardRemovals | Variant::NoKeyOfItsOwn);
            if state.stamp.take().is_some() || heard {
                state.stamp_changed();
            }
            state.writers[index] = Writer::Removed(version);
            if !state.push_due || model.variant == Variant::AcknowledgedBeforePushed {
                state.acknowledge();
            }
        }
        Writer::Removed(_) | Writer::Done => {}
    }
}
