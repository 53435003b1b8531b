//! What the server and the network do to the tracking connection.

use super::{
    Near, Variant,
    state::{Action, Link, Message, Request, State},
};

pub(super) fn actions(state: &State, actions: &mut Vec<Action>) {
    if let Link::Up { request, .. } = &state.link {
        actions.extend(request.map(|_| Action::Serve));
        if state.breaks_left > 0 {
            actions.push(Action::Break);
        }
    }
    if state.push_due {
        actions.push(Action::Push);
    }
    if state.evictions_left > 0 && state.stamp.is_some() {
        actions.push(Action::EvictStamp);
    }
    if state.swaps_left > 0 {
        actions.push(Action::SwapData);
    }
    if state.losses_left > 0 && state.stamp.is_some() {
        actions.push(Action::LoseStamp);
    }
}

pub(super) fn step(model: &Near, state: &mut State, action: Action) {
    match (action, &mut state.link) {
        (Action::Break, link) => {
            state.breaks_left -= 1;
            *link = Link::Silent;
        }
        (
            Action::Serve,
            Link::Up {
                tracking,
                request,
                messages,
            },
        ) => {
            let served = request.take().expect("only what was sent is served");
            *tracking |= served == Request::Track;
            state.key |= served == Request::Track;
            let gone = !state.key && model.variant != Variant::NoKeyOfItsOwn;
            messages.push(if gone { Message::Gone } else { Message::Answer(served) });
        }
        (Action::Push, link) => {
            state.push_due = false;
            if let Link::Up {
                tracking: true,
                messages,
                ..
            } = link
            {
                messages.push(Message::Push);
            }
            // Answers to other connections are written after the pushes.
            state.acknowledge();
        }
        (Action::EvictStamp, _) => {
            state.evictions_left -= 1;
            state.stamp = None;
            state.stamp_changed();
        }
        (Action::SwapData, _) => {
            state.swaps_left -= 1;
            state.stamp = None;
            state.entry = None;
            state.key = false;
        }
        (Action::LoseStamp, _) => {
            state.losses_left -= 1;
            state.stamp = None;
        }
        (action, link) => unreachable!("{action:?} on {link:?}"),
    }
}
