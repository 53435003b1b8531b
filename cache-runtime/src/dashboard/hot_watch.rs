//! Who watches the calls that are made most, and until when: they are counted as long as somebody looks.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use tokio::time::{Instant, sleep_until};

use crate::{
    Cache,
    resource::{Resource, declared},
    sync::Mutex,
    task::{Needs, handle_for},
};

/// So many calls of each resource.
const KEYS: usize = 50;

/// How long they are counted after the last look.
const STAYS: Duration = Duration::from_mins(5);

#[derive(Debug, Default)]
pub(super) struct HotWatch(Arc<Mutex<Option<Watched>>>);

#[derive(Debug, Clone, Copy)]
struct Watched {
    since: SystemTime,
    until: Instant,
}

impl HotWatch {
    /// Somebody looks: from now on they are counted, or go on to be. Returns since when.
    pub(super) fn look(&self, cache: &Cache) -> SystemTime {
        let until = Instant::now() + STAYS;
        let mut watched = self.0.lock();
        if let Some(watched) = &mut *watched {
            watched.until = until;
            return watched.since;
        }
        let since = SystemTime::now();
        *watched = Some(Watched { since, until });
        cache
            .engine
            .hot_keys
            .watch(declared::resources().map(Resource::name), KEYS);
        self.end_later(cache, until);
        since
    }

    fn end_later(&self, cache: &Cache, mut until: Instant) {
        let Ok(runtime) = handle_for(Needs::Timers) else { return };
        let (place, engine) = (Arc::clone(&self.0), Arc::downgrade(&cache.engine));
        runtime.spawn(async move {
            loop {
                sleep_until(until).await;
                let mut watched = place.lock();
                match *watched {
                    Some(Watched { until: later, .. }) if later > until => until = later,
                    _ => {
                        *watched = None;
                        if let Some(engine) = engine.upgrade() {
                            engine.hot_keys.end_watch();
                        }
                        return;
                    }
                }
            }
        });
    }
}
