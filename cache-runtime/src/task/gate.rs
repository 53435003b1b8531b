//! At most one at a time, and nobody for a while after a failure.

use std::time::Duration;

use tokio::time::Instant;

use crate::sync::Mutex;

/// What one at a time goes through, of all who come on the same ground, a number. Another ground is another gate, in the place of the
/// one before.
#[derive(Debug, Default)]
pub(crate) struct Gate(Mutex<State>);

#[derive(Debug, Clone, Copy, Default)]
enum State {
    #[default]
    Open,
    TakenOn(u64),
    ShutOn(u64, Instant),
}

impl State {
    fn is_closed(self, ground: u64) -> bool {
        match self {
            Self::Open => false,
            Self::TakenOn(other) => other == ground,
            Self::ShutOn(other, moment) => other == ground && moment > Instant::now(),
        }
    }
}

impl Gate {
    /// Goes in, if nobody is inside and the gate is not shut.
    pub(crate) fn enter(&self, ground: u64) -> bool {
        let mut state = self.0.lock();
        let enters = !state.is_closed(ground);
        if enters {
            *state = State::TakenOn(ground);
        }
        enters
    }

    /// Comes out again.
    pub(crate) fn leave(&self, ground: u64) {
        self.change(ground, State::Open);
    }

    /// Keeps everybody out for a while; who is inside is out.
    pub(crate) fn shut(&self, ground: u64, lasting: Duration) {
        self.change(ground, State::ShutOn(ground, Instant::now() + lasting));
    }

    /// Whether nobody can go in.
    pub(crate) fn is_closed(&self, ground: u64) -> bool {
        self.0.lock().is_closed(ground)
    }

    /// Unless somebody is inside on another ground.
    fn change(&self, ground: u64, to: State) {
        let mut state = self.0.lock();
        if !matches!(*state, State::TakenOn(other) if other != ground) {
            *state = to;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Gate;

    #[test]
    fn one_at_a_time_goes_in() {
        let gate = Gate::default();
        assert!(gate.enter(1) && !gate.enter(1));
        gate.leave(1);
        assert!(gate.enter(1));
    }

    #[tokio::test(start_paused = true)]
    async fn after_a_failure_nobody_goes_in_for_a_while() {
        let gate = Gate::default();
        let lasting = std::time::Duration::from_secs(1);
        gate.shut(1, lasting);
        assert!(!gate.enter(1) && gate.is_closed(1));
        tokio::time::advance(lasting).await;
        assert!(gate.enter(1));
    }

    #[tokio::test(start_paused = true)]
    async fn who_comes_on_another_ground_waits_for_nobody_and_is_not_disturbed() {
        let gate = Gate::default();
        assert!(gate.enter(1) && gate.enter(2));
        gate.leave(1);
        gate.shut(1, std::time::Duration::from_secs(1));
        assert!(gate.is_closed(2) && !gate.is_closed(1));
    }
}
