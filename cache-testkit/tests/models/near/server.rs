//! What the server and the network do to the tracking connection.

use super::state::{Action, Link, Message, Request, State};

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
}

pub(super) fn step(state: &mut State, action: Action) {
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
            messages.push(Message::Answer(served));
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
        (action, link) => unreachable!("{action:?} on {link:?}"),
    }
}
