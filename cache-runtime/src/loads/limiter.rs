//! The limiter: how many loads of one resource run at once in this process.
//!
//! A load that finds none free waits its turn, in order. It holds a flight then, and no lease: others wait for it, and it
//! must not keep other processes from loading.
//!
//! No load waits for a slot that cannot become free before it has ended itself:
//! - who is inside a load of the same resource runs in its slot;
//! - whose wait would lead back to itself, over whatever loads and flights, goes on without
//!   ([`Waits`](super::Waits));
//! - a load that [stalls](super::Load) loses its slot to the next one, and takes no other when it is polled again;
//! - when nobody was given a slot for as long as the backstop says, the next one goes on without.

mod queue;

use std::{collections::HashMap, sync::Arc, time::Duration};

use tokio::{
    runtime::Handle,
    time::{Instant, sleep},
};

use self::queue::{Place, Queue};
use super::{Load, Sightings, Takeover, WAITS, WATCH_INTERVAL};
use crate::{resource::Resource, sync::Mutex, task::RuntimeClaim};

/// The slots of one cache.
#[derive(Debug)]
pub(crate) struct LoadLimiter {
    /// Of a resource that does not say.
    limit: Option<u32>,
    /// See [`CacheBuilder::load_backstop`](crate::CacheBuilder::load_backstop).
    backstop: Duration,
    by_resource: Mutex<HashMap<&'static str, Arc<Queue>>>,
}

/// The right to run one load, given back when dropped.
#[derive(Debug)]
pub(crate) struct Slot {
    _place: Option<Place>,
    /// Whether it took time to get it, in which another may have filled.
    pub(crate) waited: bool,
}

impl Slot {
    const WITHOUT_WAITING: Self = Self {
        _place: None,
        waited: false,
    };
}

impl LoadLimiter {
    pub(crate) fn new(limit: Option<u32>, backstop: Duration) -> Self {
        Self {
            limit,
            backstop,
            by_resource: Mutex::default(),
        }
    }

    /// Waits until this load of the resource may run; `on_wait` is called if it has to. A load that takes over from others takes
    /// their slot, too.
    pub(crate) async fn take(
        &self,
        resource: &'static Resource,
        load: &Arc<Load>,
        takeover: Option<&Takeover>,
        on_wait: impl FnOnce(),
    ) -> Slot {
        let Some(queue) = self.of(resource) else {
            return Slot::WITHOUT_WAITING;
        };
        if load.is_inside_of(resource.name()) {
            return Slot::WITHOUT_WAITING;
        }
        let at_once = match takeover {
            // It is not to wait for those that it is to do without.
            Some(Takeover::Overdue) => return Slot::WITHOUT_WAITING,
            Some(Takeover::Stalled(stalled)) => stalled.iter().find_map(|stalled| queue.take_over(stalled, load)),
            // Those in the circle have places that nobody can take from them: they will go on in them.
            Some(Takeover::Circle) | None => None,
        };
        if let Some(place) = at_once.or_else(|| queue.try_take(load)) {
            return Slot {
                _place: Some(place),
                waited: false,
            };
        }
        on_wait();
        Slot {
            _place: self.line_up(resource.name(), &queue, load).await,
            waited: true,
        }
    }

    /// Waits for a place. `None` if that would be to wait for itself.
    async fn line_up(&self, resource: &'static str, queue: &Arc<Queue>, load: &Arc<Load>) -> Option<Place> {
        // Without tokio there is nobody to see who stalls.
        let runtime = Handle::try_current().ok()?;
        let place = queue.line_up(load);
        let _wait = WAITS.begin(load, place.awaited())?;
        Some(place.come(|| watch(&runtime, queue, resource, self.backstop)).await)
    }

    fn of(&self, resource: &'static Resource) -> Option<Arc<Queue>> {
        let limit = resource.max_loads().or(self.limit)?;
        let mut by_resource = self.by_resource.lock();
        let queue = by_resource.entry(resource.name()).or_insert_with(|| {
            let limit = usize::try_from(limit).unwrap_or(usize::MAX);
            Arc::new(Queue::new(limit.max(1)))
        });
        Some(Arc::clone(queue))
    }
}

/// Watches the loads that have the places of a queue, on this runtime, as long as anybody waits; unless it does already.
fn watch(runtime: &Handle, queue: &Arc<Queue>, resource: &'static str, backstop: Duration) {
    if let Some(claim) = queue.watches.claim(runtime) {
        runtime.spawn(watch_on(runtime.clone(), claim, Arc::clone(queue), resource, backstop));
    }
}

async fn watch_on(
    runtime: Handle,
    mut claim: RuntimeClaim,
    queue: Arc<Queue>,
    resource: &'static str,
    backstop: Duration,
) {
    let mut sightings = Sightings::default();
    let (mut granted, mut since) = (queue.granted(), Instant::now());
    let mut said = false;
    loop {
        tokio::select! {
            () = queue.emptied() => {
                // Whoever comes from here on starts another one.
                drop(claim);
                if queue.is_empty() {
                    return;
                }
                match queue.watches.claim(&runtime) {
                    Some(again) => claim = again,
                    None => return,
                }
            }
            () = sleep(WATCH_INTERVAL) => {}
        }
        queue.look(&mut sightings);
        if queue.granted() != granted {
            (granted, since) = (queue.granted(), Instant::now());
        } else if since.elapsed() >= backstop {
            if !std::mem::replace(&mut said, true) {
                tracing::warn!(
                    resource,
                    "no load has ended for {backstop:?} while others wait for their turn: they go on without, one each time that this is over"
                );
            }
            queue.is_overdue();
            since = Instant::now();
        }
    }
}
