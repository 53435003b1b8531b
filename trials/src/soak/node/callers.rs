use std::{ops::Range, sync::Arc, time::Duration};

use fastrand::Rng;
use tokio::{
    sync::watch,
    task::{JoinSet, yield_now},
    time::{Instant, sleep},
};

use super::{super::orders::Callers, careless::Careless, site::Site};

/// Between two calls of a caller who pauses, in milliseconds.
const PAUSE: Range<u64> = 5..35;

/// Of so many callers one is careless.
const CARELESS: u32 = 4;

/// So many callers are tried first and at most to keep the machine busy, and for how long.
const FEWEST: u32 = 16;
const MOST: u32 = 64;
const TRIED_FOR: Duration = Duration::from_millis(500);
/// Twice as many callers are worth it if they get this many times as many calls answered.
const WORTH_IT: f64 = 1.2;
/// So long they are at work before that, until the caches are filled.
const WARMING: Duration = Duration::from_secs(1);

/// The callers of the service.
pub(super) struct Crowd {
    site: Arc<Site>,
    random: Rng,
    callers: JoinSet<()>,
    stop: watch::Sender<bool>,
}

impl Crowd {
    pub(super) fn new(site: Arc<Site>, random: Rng) -> Self {
        Self {
            site,
            random,
            callers: JoinSet::new(),
            stop: watch::Sender::new(false),
        }
    }

    /// Waits until the present callers are gone, and lets others come.
    pub(super) async fn replace(&mut self, Callers { count, paused }: Callers) {
        self.stop.send_replace(true);
        while let Some(gone) = self.callers.join_next().await {
            if let Err(panicked) = gone {
                self.site.fail(panicked.to_string());
            }
        }
        self.stop.send_replace(false);
        for caller in 0..count {
            let caller = call(
                Arc::clone(&self.site),
                self.random.fork(),
                caller % CARELESS == CARELESS - 1,
                paused,
                self.stop.subscribe(),
            );
            self.callers.spawn(caller);
        }
    }

    /// Finds out how many callers keep the machine busy: more of them do not get more calls answered.
    pub(super) async fn fill(&mut self) -> u32 {
        let mut count = FEWEST;
        self.replace(Callers { count, paused: false }).await;
        sleep(WARMING).await;
        let mut rate = self.rate().await;
        while count < MOST {
            self.replace(Callers {
                count: count * 2,
                paused: false,
            })
            .await;
            let with_twice_as_many = self.rate().await;
            if with_twice_as_many < WORTH_IT * rate {
                break;
            }
            (count, rate) = (count * 2, with_twice_as_many);
        }
        count
    }

    /// Calls that begin, in a second.
    #[expect(clippy::cast_precision_loss, reason = "a rate needs no more than 52 bits")]
    async fn rate(&self) -> f64 {
        let (before, began) = (self.site.counts().calls, Instant::now());
        sleep(TRIED_FOR).await;
        (self.site.counts().calls - before) as f64 / began.elapsed().as_secs_f64()
    }
}

async fn call(site: Arc<Site>, mut random: Rng, careless: bool, paused: bool, stopping: watch::Receiver<bool>) {
    let mut keeping = Careless::default();
    while !*stopping.borrow() {
        if careless {
            keeping.call(&site, &mut random).await;
        } else {
            site.call(&mut random).await;
        }
        if paused {
            sleep(Duration::from_millis(random.u64(PAUSE))).await;
        } else {
            yield_now().await;
        }
    }
}
