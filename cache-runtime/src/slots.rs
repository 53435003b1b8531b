//! Slots: how many loads of one resource run at once in this process.
//!
//! A load that finds none free waits its turn, in order. It holds a flight then, and no lease: others wait for it, and it
//! must not keep other processes from loading.
//!
//! A load may be waited for by a body that holds a slot itself: of a function that calls itself, or of two that call each
//! other. Three rules keep them from waiting for one another for ever:
//! - who is inside a load of the same resource runs in its slot;
//! - who is inside any load joins only flights whose load has begun ([`Flights::join_begun`](crate::flight::Flights));
//! - who is inside any load waits for a slot for [`PATIENCE_INSIDE`], then goes on without.

use std::{
    collections::HashMap,
    sync::{Arc, LazyLock, Mutex, PoisonError},
    time::Duration,
};

use tokio::{
    runtime::Handle,
    sync::{OwnedSemaphorePermit, Semaphore},
    time::timeout,
};

use crate::{context, declared, resource::Resource, stats::Counter};

/// How long a load that another one waits for waits for a slot. Long for a queue that moves, short for one that never will.
const PATIENCE_INSIDE: Duration = Duration::from_secs(5);

/// The slots of one cache.
#[derive(Debug)]
pub(crate) struct Slots {
    /// Of a resource that does not say.
    limit: Option<u32>,
    by_resource: Mutex<HashMap<&'static str, Arc<Semaphore>>>,
}

/// The right to run one load, given back when dropped.
#[derive(Debug)]
pub(crate) struct Slot {
    _permit: Option<OwnedSemaphorePermit>,
    /// Whether it took time to get it, in which another may have filled.
    pub(crate) waited: bool,
}

impl Slot {
    const WITHOUT_WAITING: Self = Self {
        _permit: None,
        waited: false,
    };
}

/// The loads that a task is inside of.
#[derive(Debug, Clone)]
pub(crate) struct Loading {
    resource: &'static str,
    outer: Option<Arc<Loading>>,
}

impl Loading {
    fn includes(&self, resource: &str) -> bool {
        self.resource == resource || self.outer.as_ref().is_some_and(|outer| outer.includes(resource))
    }
}

impl Slots {
    pub(crate) fn new(limit: Option<u32>) -> Self {
        Self {
            limit,
            by_resource: Mutex::default(),
        }
    }

    /// Waits until one more load of the resource may run; `queued` counts those that have to wait.
    pub(crate) async fn take(&self, resource: &'static Resource, queued: &Counter) -> Slot {
        let Some(slots) = self.of(resource) else {
            return Slot::WITHOUT_WAITING;
        };
        let inside = context::loading();
        if inside.as_ref().is_some_and(|loading| loading.includes(resource.name())) {
            return Slot::WITHOUT_WAITING;
        }
        let permit = match Arc::clone(&slots).try_acquire_owned() {
            Ok(permit) => {
                return Slot {
                    _permit: Some(permit),
                    waited: false,
                };
            }
            Err(_) if inside.is_none() => {
                queued.add(1);
                slots.acquire_owned().await.ok()
            }
            // Without tokio there is no clock.
            Err(_) if Handle::try_current().is_err() => None,
            Err(_) => {
                queued.add(1);
                timeout(PATIENCE_INSIDE, slots.acquire_owned())
                    .await
                    .ok()
                    .and_then(Result::ok)
            }
        };
        Slot {
            _permit: permit,
            waited: true,
        }
    }

    /// Runs the body of a load, so that the calls in it know that they are inside of it.
    pub(crate) async fn inside<F: Future>(&self, resource: &'static str, body: F) -> F::Output {
        if self.limit.is_some() || *ANY_DECLARED {
            let inside = context::scope(body, |context| {
                let outer = context.loading.take().map(Arc::new);
                context.loading = Some(Loading { resource, outer });
            });
            inside.await
        } else {
            body.await
        }
    }

    fn of(&self, resource: &'static Resource) -> Option<Arc<Semaphore>> {
        let limit = resource.max_loads().or(self.limit)?;
        let mut by_resource = self.by_resource.lock().unwrap_or_else(PoisonError::into_inner);
        let slots = by_resource.entry(resource.name()).or_insert_with(|| {
            let limit = usize::try_from(limit).unwrap_or(usize::MAX);
            Arc::new(Semaphore::new(limit.clamp(1, Semaphore::MAX_PERMITS)))
        });
        Some(Arc::clone(slots))
    }
}

/// Whether any resource of this program says how many of its loads may run.
static ANY_DECLARED: LazyLock<bool> =
    LazyLock::new(|| declared::resources().any(|resource| resource.max_loads().is_some()));
