//! The loads of one resource that may run at once, and those that wait for their turn.

use std::collections::VecDeque;

use crate::{
    loads::{Awaited, Load, Sightings},
    sync::{
        Arc, Mutex, Notify,
        atomic::{AtomicU8, AtomicU64, Ordering},
    },
    task::TaskPerRuntime,
};

/// Where a [`Turn`] stands; changed under the lock of the places alone.
const WAITING: u8 = 0;
const HOLDING: u8 = 1;
const OUT: u8 = 2;

/// The places of one resource, and the queue for them.
#[derive(Debug)]
pub(crate) struct Queue {
    limit: usize,
    places: Mutex<Places>,
    /// How often somebody was given a place.
    granted: AtomicU64,
    emptied: Notify,
    /// The runtimes that watch the loads that have the places.
    pub(crate) watches: TaskPerRuntime,
}

#[derive(Debug, Default)]
struct Places {
    /// Those who have a place.
    holders: Vec<Arc<Turn>>,
    /// Those who wait, in order.
    waiting: VecDeque<Arc<Turn>>,
}

/// One load on its way through the queue.
#[derive(Debug)]
struct Turn {
    load: Arc<Load>,
    stand: AtomicU8,
    /// Wakes it when it is given a place.
    granted: Notify,
}

impl Turn {
    fn new(load: &Arc<Load>, stand: u8) -> Arc<Self> {
        Arc::new(Self {
            load: Arc::clone(load),
            stand: AtomicU8::new(stand),
            granted: Notify::new(),
        })
    }

    fn stand(&self) -> u8 {
        self.stand.load(Ordering::SeqCst)
    }

    fn set(&self, stand: u8) {
        self.stand.store(stand, Ordering::SeqCst);
    }
}

impl Places {
    /// The loads that have a place.
    fn loads(&self) -> Vec<Arc<Load>> {
        self.holders.iter().map(|holder| Arc::clone(&holder.load)).collect()
    }

    fn leave(&mut self, turn: &Arc<Turn>) {
        match turn.stand() {
            WAITING => self.waiting.retain(|waiting| !Arc::ptr_eq(waiting, turn)),
            HOLDING => self.holders.retain(|holder| !Arc::ptr_eq(holder, turn)),
            _ => {}
        }
        turn.set(OUT);
    }
}

impl Queue {
    /// At most `limit` at once.
    pub(crate) fn new(limit: usize) -> Self {
        Self {
            limit,
            places: Mutex::default(),
            granted: AtomicU64::new(0),
            emptied: Notify::new(),
            watches: TaskPerRuntime::default(),
        }
    }

    /// A place, if one is free and nobody waits.
    pub(crate) fn try_take(self: &Arc<Self>, load: &Arc<Load>) -> Option<Place> {
        let mut places = self.places.lock();
        if places.holders.len() >= self.limit || !places.waiting.is_empty() {
            return None;
        }
        let turn = Turn::new(load, HOLDING);
        places.holders.push(Arc::clone(&turn));
        Some(self.place(turn))
    }

    /// The place of another load, which has stalled; `None` if it has none.
    pub(crate) fn take_over(self: &Arc<Self>, from: &Arc<Load>, load: &Arc<Load>) -> Option<Place> {
        let mut places = self.places.lock();
        let holder = places
            .holders
            .iter_mut()
            .find(|holder| Arc::ptr_eq(&holder.load, from))?;
        let turn = Turn::new(load, HOLDING);
        std::mem::replace(holder, Arc::clone(&turn)).set(OUT);
        Some(self.place(turn))
    }

    /// The end of the queue, where a load waits for a place.
    pub(crate) fn line_up(self: &Arc<Self>, load: &Arc<Load>) -> Place {
        let turn = Turn::new(load, WAITING);
        self.places.lock().waiting.push_back(Arc::clone(&turn));
        self.place(turn)
    }

    /// Takes their places from loads that have stalled, if somebody waits for one.
    pub(crate) fn look(&self, sightings: &mut Sightings) {
        let stalled = {
            let mut places = self.places.lock();
            let stalled = sightings.look(&places.loads());
            places.holders.retain(|holder| {
                let lost = stalled.iter().any(|load| Arc::ptr_eq(load, &holder.load));
                if lost {
                    holder.set(OUT);
                }
                !lost
            });
            !stalled.is_empty()
        };
        if stalled {
            self.grant();
        }
    }

    /// Lets the next one in, whether or not there is room.
    pub(crate) fn is_overdue(&self) {
        let mut places = self.places.lock();
        if let Some(turn) = places.waiting.pop_front() {
            self.let_in(&mut places, &turn);
        }
    }

    /// How often somebody was given a place.
    pub(crate) fn granted(&self) -> u64 {
        self.granted.load(Ordering::SeqCst)
    }

    /// Whether nobody waits.
    pub(crate) fn is_empty(&self) -> bool {
        self.places.lock().waiting.is_empty()
    }

    /// Waits until nobody waits.
    pub(crate) async fn emptied(&self) {
        loop {
            let emptied = self.emptied.notified();
            if self.is_empty() {
                return;
            }
            emptied.await;
        }
    }

    /// Gives free places to those who wait.
    fn grant(&self) {
        let mut places = self.places.lock();
        while places.holders.len() < self.limit {
            let Some(turn) = places.waiting.pop_front() else {
                break;
            };
            self.let_in(&mut places, &turn);
        }
        if places.waiting.is_empty() {
            drop(places);
            self.emptied.notify_waiters();
        }
    }

    fn let_in(&self, places: &mut Places, turn: &Arc<Turn>) {
        self.granted.fetch_add(1, Ordering::SeqCst);
        turn.set(HOLDING);
        places.holders.push(Arc::clone(turn));
        turn.granted.notify_waiters();
    }

    fn place(self: &Arc<Self>, turn: Arc<Turn>) -> Place {
        Place {
            queue: Arc::clone(self),
            turn,
        }
    }
}

/// A place, or one in the queue for it; given back when dropped.
#[derive(Debug)]
pub(crate) struct Place {
    queue: Arc<Queue>,
    turn: Arc<Turn>,
}

impl Place {
    /// What whoever waits for the place waits for.
    pub(crate) fn awaited(&self) -> Arc<dyn Awaited> {
        Arc::new(InLine {
            queue: Arc::clone(&self.queue),
            turn: Arc::clone(&self.turn),
        })
    }

    /// Waits until it is this one's turn. `watch` is called each time before it waits.
    pub(crate) async fn come(self, watch: impl Fn()) -> Self {
        let Self { queue, turn } = &self;
        loop {
            queue.grant();
            // Made before the look, so that a grant in between is not missed.
            let granted = turn.granted.notified();
            {
                let mut places = queue.places.lock();
                match turn.stand() {
                    HOLDING => break,
                    WAITING => {}
                    // It was given a place, did not come for it, and has lost it.
                    _ => {
                        turn.set(WAITING);
                        places.waiting.push_front(Arc::clone(turn));
                        continue;
                    }
                }
            }
            watch();
            granted.await;
        }
        self
    }
}

/// A turn that has not come yet.
#[derive(Debug)]
struct InLine {
    queue: Arc<Queue>,
    turn: Arc<Turn>,
}

impl Awaited for InLine {
    fn loads(&self) -> Vec<Arc<Load>> {
        let places = self.queue.places.lock();
        if self.turn.stand() == WAITING {
            places.loads()
        } else {
            // It has a place, and is to come for it.
            Vec::new()
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.queue.places.lock().leave(&self.turn);
        self.queue.grant();
    }
}
