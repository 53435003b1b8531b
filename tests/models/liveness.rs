//! Calls that share loads, and call one another: whoever waits is woken, whatever becomes of the others.
//!
//! A call visits the places of its way, each from within the load of the one before: it leads the flight of a place, waits for it,
//! or is let go and loads for itself alone. Its owner may leave it alone at any step, come back to it or not, or drop it. One step
//! of [`Action::Look`] is as many looks as it takes: a call that is attended to is polled before it counts as stalled.
//!
//! A way has an end, and so has everything that is done about it. So "nobody waits for ever" says: where nothing is left to be
//! done, nobody waits who is attended to.

mod state;

use stateright::{Model, Property};

use self::state::{Action, Place, State};
use crate::check::{holds, is_broken};

const NOBODY_WAITS_FOR_EVER: &str = "nobody waits for ever";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Variant {
    /// Who can end is the least fixed point, asked by whoever begins to wait and by whoever looks.
    Circles,
    /// Nobody looks whether those who load are polled.
    NobodyLooks,
    /// A wait that leads back to itself is begun like any other, and nobody looks for circles.
    AnyWait,
    /// Whoever looks finds stalled loads alone: a circle is seen when it closes, or never.
    LooksForStalledLoads,
    /// A load that has stalled counts as one that goes on, for whoever asks whether a wait leads back to itself.
    StalledLoadsGoOn,
    /// Who takes over is not looked at.
    TakersAreNotSeen,
}

#[derive(Debug)]
struct Liveness {
    variant: Variant,
    /// The way of each call.
    ways: Vec<Vec<Place>>,
    /// How often an owner looks elsewhere, comes back, and drops a call.
    leavings: u8,
    returns: u8,
    drops: u8,
}

impl Model for Liveness {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        vec![State::new(self)]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        actions.extend(state.progress(self));
        actions.extend(state.carelessness());
    }

    fn next_state(&self, last: &State, action: Action) -> Option<State> {
        let mut next = last.clone();
        next.step(self, action);
        Some(next)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        let mut properties = vec![Property::always(
            NOBODY_WAITS_FOR_EVER,
            |model: &Self, state: &State| !state.somebody_waits() || !state.progress(model).is_empty(),
        )];
        if self.variant == Variant::Circles {
            properties.extend([
                Property::sometimes("a load is taken over", |_, state: &State| state.has_taken_over),
                Property::sometimes("a call is let go", |_, state: &State| state.has_let_go),
                Property::sometimes("every call has ended", |_, state: &State| state.all_have_ended()),
            ]);
        }
        if self.variant == Variant::Circles && self.returns > 0 {
            let late = "a circle closes when all wait already";
            properties.push(Property::sometimes(late, |_, state: &State| state.has_closed_late));
        }
        properties
    }
}

const LEFT: Place = 0;
const RIGHT: Place = 1;

/// Two calls that meet each other and themselves around a circle, and one that waits from outside.
fn around_a_circle(variant: Variant) -> Liveness {
    Liveness {
        variant,
        ways: vec![vec![LEFT, RIGHT, LEFT], vec![RIGHT, LEFT, RIGHT, LEFT], vec![LEFT]],
        leavings: 2,
        returns: 1,
        drops: 1,
    }
}

#[test]
fn whoever_waits_is_woken_whatever_becomes_of_the_others() {
    holds(around_a_circle(Variant::Circles));
}

#[test]
fn whoever_waits_is_woken_around_a_circle_of_three() {
    holds(Liveness {
        ways: vec![vec![0, 1, 2, 0], vec![1, 2, 0, 1], vec![2, 0, 1, 2]],
        returns: 0,
        drops: 0,
        ..around_a_circle(Variant::Circles)
    });
}

#[test]
fn somebody_must_look_whether_loads_are_polled() {
    is_broken(around_a_circle(Variant::NobodyLooks), NOBODY_WAITS_FOR_EVER);
}

#[test]
fn a_wait_that_leads_back_to_itself_must_be_seen() {
    is_broken(around_a_circle(Variant::AnyWait), NOBODY_WAITS_FOR_EVER);
}

#[test]
fn a_circle_must_be_seen_also_when_it_closes_late() {
    is_broken(around_a_circle(Variant::LooksForStalledLoads), NOBODY_WAITS_FOR_EVER);
}

#[test]
fn a_stalled_load_must_not_count_as_one_that_goes_on() {
    is_broken(around_a_circle(Variant::StalledLoadsGoOn), NOBODY_WAITS_FOR_EVER);
}

#[test]
fn whoever_takes_over_must_be_looked_at_too() {
    is_broken(around_a_circle(Variant::TakersAreNotSeen), NOBODY_WAITS_FOR_EVER);
}
