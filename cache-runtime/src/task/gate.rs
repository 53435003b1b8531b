//! At most one at a time, and nobody for a while after a failure.

use std::time::Duration;

use tokio::time::Instant;

use crate::sync::Mutex;

/// What one at a time goes through.
#[derive(Debug, Default)]
pub(crate) struct Gate(Mutex<State>);

#[derive(Debug, Clone, Copy, Default)]
enum State {
    #[default]
    Open,
    Taken,
    ShutUntil(Instant),
}

impl Gate {
    /// Goes in, if nobody is inside and the gate is not shut.
    pub(crate) fn enter(&self) -> bool {
        let mut state = self.0.lock();
        let enters = match *state {
            State::Open => true,
            State::Taken => false,
            State::ShutUntil(moment) => moment <= Instant::now(),
        };
        if enters {
            *state = State::Taken;
        }
        enters
    }

    /// Comes out again.
    pub(crate) fn leave(&self) {
        *self.0.lock() = State::Open;
    }

    /// Keeps everybody out for a while; who is inside is out.
    pub(crate) fn shut(&self, lasting: Duration) {
        *self.0.lock() = State::ShutUntil(Instant::now() + lasting);
    }

    /// Whether nobody can go in.
    pub(crate) fn is_closed(&self) -> bool {
        match *self.0.lock() {
            State::Open => false,
            State::Taken => true,
            State::ShutUntil(moment) => moment > Instant::now(),
        }
    }
}
