//! One flight: a load, as those who load it and those who wait for it share it.

use std::{fmt::Debug, hash::Hash, pin::pin, time::Duration};

use tokio::time::Instant;

use super::{
    circles::Waits,
    load::{Awaited, Load, Sightings},
};
use crate::{
    key::StampKey,
    sync::{
        Arc, Mutex, MutexGuard, Notify,
        atomic::{AtomicUsize, Ordering},
    },
    task::TaskPerRuntime,
};

/// For how long a flight that has landed is joined by callers whose read came before its fill. A fill takes less, unless the
/// leader stalls in it.
const LINGERING: Duration = Duration::from_secs(1);

/// What a flight is found by.
pub(crate) trait FlightKey: Clone + Debug + Eq + Hash + Send + Sync + 'static {
    /// What a load comes to.
    type Value: Clone + Debug + Send + 'static;

    /// Whether the load is under stamps, so that it may be joined while it lasts.
    fn is_stamped(&self) -> bool;

    /// Whether an invalidation of these stamps concerns the load.
    fn depends_on(&self, stamps: &[StampKey]) -> bool;
}

/// One load, as its leader and its waiters share it.
#[derive(Debug)]
pub(crate) struct Flight<K: FlightKey> {
    pub(super) key: K,
    pub(super) number: u64,
    pub(super) waiters: AtomicUsize,
    state: Mutex<State<K::Value>>,
    changed: Notify,
    /// The runtimes that [watch](super::watch) it.
    pub(super) watches: TaskPerRuntime,
}

impl<K: FlightKey> Flight<K> {
    pub(super) fn new(key: K, number: u64, leader: Arc<Load>) -> Self {
        Self {
            key,
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
    #[expect(
        clippy::manual_async_fn,
        reason = "an async function would have room for what it is given twice, in every task that waits"
    )]
    pub(super) fn wait(
        &self,
        resource: &'static str,
        caller: Caller<'_>,
        waits: &Waits,
    ) -> impl Future<Output = WaitEnd<K::Value>> {
        async move {
            let (mut has_waited, mut is_outside) = (false, false);
            loop {
                // Made before the look at the state, so that a change in between is not missed.
                let changed = pin!(self.changed.notified());
                match self.sight(resource, caller, has_waited, is_outside) {
                    Sight::End(end) => return end,
                    // Not under the lock of the state, which this looks at.
                    Sight::Circle(waiting, leaders) if waits.depend_on(&leaders, waiting) => {
                        self.circle_is_open();
                        return WaitEnd::Circle;
                    }
                    Sight::Circle(..) => {
                        is_outside = true;
                        continue;
                    }
                    Sight::Flying => {}
                }
                changed.await;
                (has_waited, is_outside) = (true, false);
            }
        }
    }

    /// What one that waits sees. A vacancy is taken with it, unless there is a circle that the caller is not known to be outside of.
    fn sight<'a>(
        &self,
        resource: &'static str,
        caller: Caller<'a>,
        has_waited: bool,
        is_outside: bool,
    ) -> Sight<'a, K::Value> {
        let mut state = self.state();
        let crew = match &mut *state {
            State::Flying(crew) => crew,
            State::Landed(_, at) if !has_waited && at.elapsed() > LINGERING => return Sight::End(WaitEnd::Over),
            State::Landed(landed, _) => return Sight::End(WaitEnd::Landed(landed.clone())),
            State::Abandoned => return Sight::End(WaitEnd::Over),
        };
        let takeover = match (&crew.vacancy, caller.waiting()) {
            (None, _) => return Sight::Flying,
            (Some(_), Some(waiting)) if crew.leaders.iter().any(|leader| waiting.is_within(leader)) => {
                return Sight::End(WaitEnd::Circle);
            }
            (Some(Takeover::Circle), Some(waiting)) if !is_outside => {
                return Sight::Circle(waiting, crew.leaders.clone());
            }
            (Some(takeover), _) => takeover.clone(),
        };
        let load = caller.load(resource);
        crew.vacancy = None;
        crew.leaders.push(Arc::clone(&load));
        crew.led += 1;
        Sight::End(WaitEnd::Vacancy(load, takeover))
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
    pub(super) fn end(&self, end: State<K::Value>) {
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

    pub(super) fn state(&self) -> MutexGuard<'_, State<K::Value>> {
        self.state.lock()
    }
}

impl<K: FlightKey> Awaited for Flight<K> {
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

/// What one that waits sees of a flight.
enum Sight<'a, V> {
    Flying,
    /// All who load wait for one another: these, and maybe for the load that waits here.
    Circle(&'a Arc<Load>, Vec<Arc<Load>>),
    End(WaitEnd<V>),
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
