//! One flight: a load, as those who load it and those who wait for it share it.

use std::{fmt::Debug, time::Duration};

use tokio::time::Instant;

use super::{
    circles::Waits,
    load::{Awaited, Load, Sightings},
};
use crate::{
    sync::{
        Arc, Mutex, MutexGuard, Notify,
        atomic::{AtomicUsize, Ordering},
    },
    task::TaskPerRuntime,
};

/// For how long a flight that has landed is joined by callers whose read came before its fill. A fill takes less, unless the
/// leader stalls in it.
const LINGERING: Duration = Duration::from_secs(1);

/// One load, as its leader and its waiters share it.
#[derive(Debug)]
pub(crate) struct Flight<V> {
    pub(super) number: u64,
    pub(super) waiters: AtomicUsize,
    state: Mutex<State<V>>,
    changed: Notify,
    /// The runtimes that [watch](super::watch) it.
    pub(super) watches: TaskPerRuntime,
}

impl<V: Clone> Flight<V> {
    pub(super) fn new(number: u64, leader: Arc<Load>) -> Self {
        Self {
            number,
            waiters: AtomicUsize::new(0),
            state: Mutex::new(State::Flying(Crew {
                leaders: vec![leader],
                led: 1,
                vacancy: None,
            })),
            changed: Notify::new(),
            watches: TaskPerRuntime::default(),
        }
    }

    /// The right to wait; `None` if as many wait as may.
    pub(super) fn seat(&self, most: Option<usize>) -> Option<Seat<'_>> {
        let taken = self
            .waiters
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |waiters| {
                (most.is_none_or(|most| waiters < most)).then_some(waiters + 1)
            });
        taken.ok().map(|_| Seat(&self.waiters))
    }

    /// Waits for the end, or for a vacancy, which it takes; unless the flight is held up by the one that waits. What that one
    /// would bring may be a part of what the others wait for.
    pub(super) async fn wait(&self, resource: &'static str, caller: Caller<'_>, waits: &Waits) -> WaitEnd<V> {
        let (mut has_waited, mut is_outside) = (false, false);
        loop {
            // Made before the look at the state, so that a change in between is not missed.
            let changed = self.changed.notified();
            let circle = match &mut *self.state() {
                State::Flying(crew) => match (&crew.vacancy, caller.waiting()) {
                    (None, _) => None,
                    (Some(_), Some(waiting)) if crew.leaders.iter().any(|leader| waiting.is_within(leader)) => {
                        return WaitEnd::Circle;
                    }
                    (Some(Takeover::Circle), Some(waiting)) if !is_outside => Some((waiting, crew.leaders.clone())),
                    (Some(takeover), _) => {
                        let (load, takeover) = (caller.load(resource), takeover.clone());
                        crew.vacancy = None;
                        crew.leaders.push(Arc::clone(&load));
                        crew.led += 1;
                        return WaitEnd::Vacancy(load, takeover);
                    }
                },
                State::Landed(_, at) if !has_waited && at.elapsed() > LINGERING => return WaitEnd::Over,
                State::Landed(landed, _) => return WaitEnd::Landed(landed.clone()),
                State::Abandoned => return WaitEnd::Over,
            };
            if let Some((waiting, leaders)) = circle {
                // Not under the lock of the state, which this looks at.
                if waits.depend_on(&leaders, waiting) {
                    self.circle_is_open();
                    return WaitEnd::Circle;
                }
                is_outside = true;
                continue;
            }
            changed.await;
            (has_waited, is_outside) = (true, false);
        }
    }

    /// One that was part of the circle is let go, so nobody else is wanted to load.
    fn circle_is_open(&self) {
        if let State::Flying(crew) = &mut *self.state()
            && let Some(Takeover::Circle) = crew.vacancy
        {
            crew.vacancy = None;
        }
    }

    /// Whether one that leads it has made this load, by its body or by that of a load inside of it.
    pub(super) fn is_led_around(&self, load: &Load) -> bool {
        match &*self.state() {
            State::Flying(crew) => crew.leaders.iter().any(|leader| load.is_within(leader)),
            State::Landed(..) | State::Abandoned => false,
        }
    }

    /// Waits until the flight is over, however.
    pub(crate) async fn ended(&self) {
        loop {
            let changed = self.changed.notified();
            if !matches!(*self.state(), State::Flying(_)) {
                return;
            }
            changed.await;
        }
    }

    /// Lets one of those who wait load, too, if no load under way can end by itself.
    pub(crate) fn look(&self, sightings: &mut Sightings, waits: &Waits) {
        let (leaders, led) = match &*self.state() {
            State::Flying(crew) => (crew.leaders.clone(), crew.led),
            State::Landed(..) | State::Abandoned => return,
        };
        let stalled = sightings.look(&leaders);
        let takeover = if stalled.len() == leaders.len() {
            Takeover::Stalled(stalled)
        } else if waits.are_held_up(&leaders) {
            Takeover::Circle
        } else {
            return;
        };
        let mut state = self.state();
        // Unless somebody has come to lead it meanwhile.
        if let State::Flying(crew) = &mut *state
            && crew.led == led
            && crew.vacancy.is_none()
        {
            crew.vacancy = Some(takeover);
            drop(state);
            self.changed.notify_waiters();
        }
    }

    /// Lets one of those who wait load, too.
    pub(crate) fn is_overdue(&self) {
        if let State::Flying(crew) = &mut *self.state() {
            crew.vacancy.get_or_insert(Takeover::Overdue);
        }
        self.changed.notify_waiters();
    }

    /// How many have led it so far; `None` if it is over.
    pub(crate) fn led(&self) -> Option<usize> {
        match &*self.state() {
            State::Flying(crew) => Some(crew.led),
            State::Landed(..) | State::Abandoned => None,
        }
    }

    /// The first end counts.
    pub(super) fn end(&self, end: State<V>) {
        let mut state = self.state();
        if matches!(*state, State::Flying(_)) {
            *state = end;
            drop(state);
            self.changed.notify_waiters();
        }
    }

    /// A leader goes away.
    pub(super) fn leave(&self, load: &Arc<Load>) {
        let mut state = self.state();
        if let State::Flying(crew) = &mut *state {
            crew.leaders.retain(|leader| !Arc::ptr_eq(leader, load));
            if crew.leaders.is_empty() {
                *state = State::Abandoned;
                drop(state);
                self.changed.notify_waiters();
            }
        }
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State<V>> {
        self.state.lock()
    }
}

impl<V: Debug + Send> Awaited for Flight<V> {
    fn loads(&self) -> Vec<Arc<Load>> {
        match &*self.state.lock() {
            State::Flying(crew) if crew.vacancy.is_none() => crew.leaders.clone(),
            State::Flying(_) | State::Landed(..) | State::Abandoned => Vec::new(),
        }
    }
}

/// What waiting for a flight came to.
pub(super) enum WaitEnd<V> {
    Landed(Landing<V>),
    /// The caller leads, too.
    Vacancy(Arc<Load>, Takeover),
    /// The caller is part of what holds the flight up.
    Circle,
    /// Nobody loads any more, or what was loaded is not to be given to anybody any more.
    Over,
}

/// Counts a waiter for as long as it waits.
pub(super) struct Seat<'a>(&'a AtomicUsize);

impl Drop for Seat<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

/// What a flight came to, for those who waited.
#[derive(Debug, Clone)]
pub(crate) enum Landing<V> {
    Value(V),
    /// The load succeeded and there is nothing: the `None` of an `Option`, at this depth of nested ones.
    Absent(u8),
    /// The load failed, its value could not be encoded, or it cannot be waited for: each caller is on its own.
    Failed,
}

#[derive(Debug)]
pub(super) enum State<V> {
    Flying(Crew),
    Landed(Landing<V>, Instant),
    /// Every leader was cancelled or has panicked.
    Abandoned,
}

/// Who loads in a flight.
#[derive(Debug)]
pub(super) struct Crew {
    /// Usually one. The first that lands ends the flight.
    pub(super) leaders: Vec<Arc<Load>>,
    /// How many there have been.
    led: usize,
    /// Whether one of those who wait is to load, too, and why.
    vacancy: Option<Takeover>,
}

/// Why a caller loads although somebody else does.
#[derive(Debug, Clone)]
pub(crate) enum Takeover {
    /// These loads could go on, and nobody polls them.
    Stalled(Vec<Arc<Load>>),
    /// All who load wait for one another, or have stalled.
    Circle,
    /// The flight has lasted for so long that whoever loads may be waiting for one of its own waiters.
    Overdue,
}

/// What a call that joins a flight is part of.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Caller<'a> {
    /// Of no load.
    Outside,
    /// It is made by the body of this load.
    Inside(&'a Arc<Load>),
    /// It is this load already, which is polled. So it is this one that is to lead: nobody would see another one stall.
    Load(&'a Arc<Load>),
}

impl<'a> Caller<'a> {
    /// The load that waits while the call does.
    pub(super) fn waiting(self) -> Option<&'a Arc<Load>> {
        match self {
            Self::Outside => None,
            Self::Inside(load) | Self::Load(load) => Some(load),
        }
    }

    /// What the call is to load as.
    pub(super) fn load(self, resource: &'static str) -> Arc<Load> {
        match self {
            Self::Outside => Load::new(resource, None),
            Self::Inside(outer) => Load::new(resource, Some(Arc::clone(outer))),
            Self::Load(load) => Arc::clone(load),
        }
    }
}
