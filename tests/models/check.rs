//! Runs the checker and says what it found.

use std::{fmt::Debug, hash::Hash};

use stateright::{Checker, HasDiscoveries, Model, Property};

/// The property that every model states in its own terms, and that the known-bad variants break.
pub(crate) const NEVER_STALE: &str = "never stale";

/// The always-property of that name.
pub(crate) fn never_stale<M: Model>(condition: fn(&M, &M::State) -> bool) -> Property<M> {
    Property::always(NEVER_STALE, condition)
}

/// What is asked of a model and its state so that the checker can run it.
pub(crate) trait Checkable:
    Model<State: Clone + Debug + Hash + PartialEq + Send + Sync, Action: Clone + Debug + PartialEq + Send + Sync>
    + Debug
    + Send
    + Sync
    + 'static
{
}

impl<M> Checkable for M where
    M: Model<State: Clone + Debug + Hash + PartialEq + Send + Sync, Action: Clone + Debug + PartialEq + Send + Sync>
        + Debug
        + Send
        + Sync
        + 'static
{
}

/// Visits every reachable state. No always-property may be broken, and each sometimes-property must have been met, so that the
/// model is known to reach what it is about.
pub(crate) fn holds<M: Checkable>(model: M) {
    let name = format!("{model:?}");
    let checker = model.checker().spawn_bfs().join();
    println!(
        "{name}: holds, {} unique states, {} generated, {} steps deep",
        checker.unique_state_count(),
        checker.state_count(),
        checker.max_depth() - 1,
    );
    checker.assert_properties();
}

/// Searches breadth-first until [`NEVER_STALE`] is broken, and prints how.
pub(crate) fn is_violated<M: Checkable>(model: M) {
    is_broken(model, NEVER_STALE);
}

/// As [`is_violated`], for another property.
pub(crate) fn is_broken<M: Checkable>(model: M, property: &'static str) {
    let name = format!("{model:?}");
    let checker = model
        .checker()
        .finish_when(HasDiscoveries::AnyFailures)
        .spawn_bfs()
        .join();
    let states = checker.unique_state_count();
    let Some(counterexample) = checker.discovery(property) else {
        panic!("{name}: no counterexample in {states} unique states; the model does not see what is wrong with it");
    };
    let steps = counterexample.into_actions();
    println!(
        "{name}: violated, {states} unique states searched, in {} steps: {steps:?}",
        steps.len()
    );
}
