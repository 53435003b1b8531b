//! A load under way: whether it goes on, what it is inside of, and what it waits for.
//!
//! A future goes on only while its owner polls it, and an owner may stop: after a `timeout` over `&mut future`, in a `select!`
//! that looks elsewhere, in a stream whose consumer is busy. So a load is polled with a waker of its own. A load that was woken
//! and is not polled for some [`LOOKS`] in a row has *stalled*: whoever waits for it goes on without it. A load that waits for
//! its database is not woken, and is waited for as long as it takes.
//!
//! A load may also wait for others: for flights, for its turn, and for a lease. [`Waits`](super::circles::Waits) knows who waits
//! for whom.

use std::{
    fmt::Debug,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, Wake, Waker},
};

use pin_project_lite::pin_project;
use tracing::{Span, span::Id};

use crate::sync::{
    Mutex, MutexGuard,
    atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
};

/// A load that is woken and unpolled at so many looks in a row has stalled. Looks are counted, and not time: on a machine
/// that is behind with everything, the looks come late, too.
pub(crate) const LOOKS: u32 = 3;

/// What a load waits for.
pub(crate) trait Awaited: Debug + Send + Sync {
    /// The loads any of which can end the wait; none if it is over, or somebody is being let in.
    fn loads(&self) -> Vec<Arc<Load>>;
}

/// One load, from the moment when its call is to run the body.
#[derive(Debug, Default)]
pub(crate) struct Load {
    resource: &'static str,
    /// The load whose body has made the call.
    outer: Option<Arc<Load>>,
    /// The span that it is in.
    span: Option<Id>,
    /// Whether it could go on, and has not been polled since.
    woken: AtomicBool,
    /// How often it was polled.
    polls: AtomicU64,
    /// At how many polls it was seen to have stalled. Whoever looks next need not find out for itself.
    stalled_at: AtomicU64,
    /// Wakes the owner of the future.
    owner: Mutex<Option<Waker>>,
    /// What it waits for, or what a load inside of it waits for.
    waits: Mutex<Vec<Arc<dyn Awaited>>>,
    /// How many leases it has.
    leases: AtomicUsize,
}

impl Load {
    /// A load of a resource, called by the body of `outer`.
    pub(crate) fn new(resource: &'static str, outer: Option<Arc<Self>>) -> Arc<Self> {
        Arc::new(Self {
            resource,
            outer,
            span: Span::current().id(),
            ..Self::default()
        })
    }

    /// The caller's span follows from that of the load, for whose value it waits.
    pub(super) fn is_waited_for(&self) {
        Span::current().follows_from(self.span.clone());
    }

    /// Whether it is inside of a load of this resource.
    pub(crate) fn is_inside_of(&self, resource: &str) -> bool {
        self.chain().skip(1).any(|load| load.resource == resource)
    }

    /// Whether it was seen to have stalled, and was not polled since.
    pub(crate) fn has_stalled(&self) -> bool {
        // The first poll is where a load begins: before it, it has not been woken.
        let seen = self.stalled_at.load(Ordering::SeqCst);
        seen > 0 && seen == self.polls.load(Ordering::SeqCst)
    }

    /// Whether it is this load, or one that it is inside of.
    pub(crate) fn is_within(&self, load: &Self) -> bool {
        self.chain().any(|own| std::ptr::eq(own, load))
    }

    /// The load itself, and those that it is inside of.
    pub(super) fn chain(&self) -> impl Iterator<Item = &Self> {
        std::iter::successors(Some(self), |load| load.outer.as_deref())
    }

    /// What it waits for.
    pub(super) fn waits(&self) -> MutexGuard<'_, Vec<Arc<dyn Awaited>>> {
        self.waits.lock()
    }

    /// Whether it has a lease: then it waits for no other one.
    pub(crate) fn has_lease(&self) -> bool {
        self.leases.load(Ordering::SeqCst) > 0
    }

    /// It has been given a lease.
    pub(super) fn begin_lease(&self) {
        self.leases.fetch_add(1, Ordering::SeqCst);
    }

    /// It has one lease less.
    pub(super) fn end_lease(&self) {
        self.leases.fetch_sub(1, Ordering::SeqCst);
    }

    fn owner(&self) -> MutexGuard<'_, Option<Waker>> {
        self.owner.lock()
    }

    /// To be called before the future is polled.
    fn polled_by(&self, owner: &Waker) {
        let mut known = self.owner();
        if !known.as_ref().is_some_and(|known| known.will_wake(owner)) {
            *known = Some(owner.clone());
        }
        drop(known);
        self.polls.fetch_add(1, Ordering::SeqCst);
        // What woke it up to now is answered by this poll; what wakes it from now on, also in the middle of it, is not.
        self.woken.store(false, Ordering::SeqCst);
    }
}

impl Wake for Load {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.woken.store(true, Ordering::SeqCst);
        // Not under the lock: what wakes may poll at once.
        let owner = self.owner().clone();
        if let Some(owner) = owner {
            owner.wake();
        }
    }
}

pin_project! {
    /// A future that notes in its load when it is woken and when it is polled.
    pub(crate) struct TendedFuture<F> {
        load: Arc<Load>,
        waker: Waker,
        #[pin]
        future: F,
    }
}

impl<F> TendedFuture<F> {
    pub(crate) fn new(load: &Arc<Load>, future: F) -> Self {
        Self {
            load: Arc::clone(load),
            waker: Arc::clone(load).into(),
            future,
        }
    }
}

impl<F: Future> Future for TendedFuture<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        this.load.polled_by(cx.waker());
        this.future.poll(&mut Context::from_waker(this.waker))
    }
}

/// What one observer has seen of loads, look by look.
#[derive(Debug, Default)]
pub(crate) struct Sightings(Vec<Sighting>);

#[derive(Debug)]
struct Sighting {
    load: Arc<Load>,
    polls: u64,
    /// How often in a row it was woken and not polled.
    overdue: u32,
}

impl Sightings {
    /// Looks at these loads once more. Returns those that have stalled.
    pub(crate) fn look(&mut self, loads: &[Arc<Load>]) -> Vec<Arc<Load>> {
        self.0
            .retain(|sighting| loads.iter().any(|load| Arc::ptr_eq(load, &sighting.load)));
        let mut stalled = Vec::new();
        for load in loads {
            let sighting = self.of(load);
            if load.has_stalled() {
                stalled.push(Arc::clone(load));
                continue;
            }
            // The polls first: one that comes in between makes the next look begin anew.
            let polls = load.polls.load(Ordering::SeqCst);
            if !load.woken.load(Ordering::SeqCst) {
                sighting.overdue = 0;
            } else if sighting.overdue > 0 && sighting.polls != polls {
                sighting.overdue = 1;
            } else {
                sighting.overdue += 1;
            }
            sighting.polls = polls;
            if sighting.overdue >= LOOKS {
                load.stalled_at.store(polls, Ordering::SeqCst);
                stalled.push(Arc::clone(load));
            }
        }
        stalled
    }

    fn of(&mut self, load: &Arc<Load>) -> &mut Sighting {
        let known = self.0.iter().position(|sighting| Arc::ptr_eq(&sighting.load, load));
        let at = known.unwrap_or_else(|| {
            self.0.push(Sighting {
                load: Arc::clone(load),
                polls: 0,
                overdue: 0,
            });
            self.0.len() - 1
        });
        &mut self.0[at]
    }
}
