//! The last ten minutes of a cache, looked at every two seconds.
//!
//! A look takes some microseconds and what is kept does not grow: points of the charts, and the counts that the last minute is worked
//! out from.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use tokio::{
    sync::watch,
    time::{Instant, sleep},
};

use super::view::chart::Chart;
use crate::{
    Cache, ResourceStats, Stats,
    sync::Mutex,
    task::{Needs, SingleTask, handle_for},
};

/// How often it looks, which is how often a page is told.
const EVERY: Duration = Duration::from_secs(2);

/// How long a point of the charts stands for.
const POINT: Duration = Duration::from_secs(6);

/// How far back the current figures go.
pub(super) const LATELY: Duration = Duration::from_mins(1);

/// What is known of the last minutes, and the task that goes on looking.
#[derive(Debug)]
pub(super) struct Sampler {
    history: Mutex<History>,
    /// The number of the last look.
    looked: watch::Sender<u64>,
    task: SingleTask,
}

impl Sampler {
    pub(super) fn new(cache: &Cache) -> Arc<Self> {
        Arc::new(Self {
            history: Mutex::new(History::new(Look::at(cache))),
            looked: watch::Sender::new(0),
            task: SingleTask::default(),
        })
    }

    /// Starts the task, if it does not run and there is a runtime for it. It ends with the sampler.
    pub(super) fn ensure(self: &Arc<Self>, cache: &Cache) {
        if self.task.is_running() {
            return;
        }
        let Ok(runtime) = handle_for(Needs::Timers) else { return };
        let Some(claim) = self.task.claim() else { return };
        let (sampler, cache) = (Arc::downgrade(self), cache.clone());
        runtime.spawn(async move {
            let _claim = claim;
            loop {
                sleep(EVERY).await;
                let Some(sampler) = sampler.upgrade() else { return };
                sampler.look(&cache);
            }
        });
    }

    fn look(&self, cache: &Cache) {
        self.history.lock().add(Look::at(cache));
        self.looked.send_modify(|looks| *looks += 1);
    }

    /// The figures as they are now, over the last minute.
    pub(super) fn figures(&self, cache: &Cache) -> Figures {
        self.history.lock().figures(Look::at(cache))
    }

    /// Tells of each look.
    pub(super) fn watch(&self) -> watch::Receiver<u64> {
        self.looked.subscribe()
    }
}

/// What is counted at one moment.
#[derive(Debug, Clone)]
struct Look {
    at: Instant,
    stats: Stats,
    each: Vec<ResourceStats>,
    is_out: bool,
}

impl Look {
    fn at(cache: &Cache) -> Self {
        Self {
            at: Instant::now(),
            stats: cache.stats(),
            each: cache.resource_stats(),
            is_out: !cache.is_available(),
        }
    }

    /// What was counted of the resource.
    fn of(&self, resource: &str) -> Option<&ResourceStats> {
        self.each.iter().find(|stats| stats.resource == resource)
    }

    /// What each resource has done since an earlier look.
    fn since(&self, earlier: &Self) -> Vec<ResourceStats> {
        let since = |now: &ResourceStats| {
            earlier
                .of(now.resource)
                .map_or_else(|| now.clone(), |before| now.since(before))
        };
        self.each.iter().map(since).collect()
    }
}

#[derive(Debug)]
struct History {
    /// At each point of the last minute, and before the first of them.
    lately: VecDeque<Look>,
    points: VecDeque<Point>,
    /// Whether the store was out of reach at any look since the last point.
    was_out: bool,
}

impl History {
    fn new(first: Look) -> Self {
        Self {
            lately: VecDeque::from([first]),
            points: VecDeque::new(),
            was_out: false,
        }
    }

    fn add(&mut self, look: Look) {
        self.was_out |= look.is_out;
        let Some(last) = self.lately.back() else { return };
        let passed = look.at.duration_since(last.at);
        if passed < POINT {
            return;
        }
        let (each, seconds) = (look.since(last), passed.as_secs_f64());
        self.points.push_back(Point {
            each: each
                .iter()
                .map(|counts| (counts.resource, Course::of(counts, seconds)))
                .collect(),
            all: Course::of(&sum(each), seconds),
            is_out: std::mem::take(&mut self.was_out),
        });
        if self.points.len() > Chart::WIDTH {
            self.points.pop_front();
        }
        let oldest = look.at.checked_sub(LATELY);
        // One that is as old stays: the minute is counted from it.
        while self.lately.len() > 1 && oldest.is_some_and(|oldest| self.lately[1].at <= oldest) {
            self.lately.pop_front();
        }
        self.lately.push_back(look);
    }

    fn figures(&self, now: Look) -> Figures {
        let first = self.lately.front().unwrap_or(&now);
        let lately = now.since(first);
        Figures {
            seconds: now.at.duration_since(first.at).as_secs_f64(),
            all: Lately {
                counts: sum(lately.clone()),
                courses: self.points.iter().map(|point| point.all).collect(),
            },
            each: lately
                .into_iter()
                .map(|counts| Lately {
                    courses: self.courses_of(counts.resource),
                    counts,
                })
                .collect(),
            outages: self.points.iter().map(|point| point.is_out).collect(),
            total: sum(now.each.clone()),
            totals: now.each,
            stats: now.stats,
        }
    }

    fn courses_of(&self, resource: &str) -> Vec<Course> {
        let course = |point: &Point| {
            let found = point.each.iter().find(|(name, _)| *name == resource);
            found.map(|(_, course)| *course).unwrap_or_default()
        };
        self.points.iter().map(course).collect()
    }
}

/// What all resources have done together.
fn sum(each: Vec<ResourceStats>) -> ResourceStats {
    let all = each.into_iter().reduce(|all, one| all.plus(&one));
    all.unwrap_or_default()
}

/// Six seconds of a cache.
#[derive(Debug)]
struct Point {
    each: Vec<(&'static str, Course)>,
    all: Course,
    is_out: bool,
}

/// What a chart shows of six seconds; times in seconds.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Course {
    pub(super) calls: f64,
    pub(super) hit_rate: Option<f64>,
    pub(super) lookup_p99: Option<f64>,
    pub(super) load_p99: Option<f64>,
    /// Of loading, spared in each second.
    pub(super) saved: f64,
}

impl Course {
    #[expect(clippy::cast_precision_loss, reason = "a rate for the eye")]
    fn of(counts: &ResourceStats, seconds: f64) -> Self {
        let calls = counts.calls();
        Self {
            calls: calls as f64 / seconds,
            hit_rate: (calls > 0).then(|| counts.hit_rate()),
            lookup_p99: counts.lookup_latency.quantile(0.99).map(|time| time.as_secs_f64()),
            load_p99: counts.load_latency.quantile(0.99).map(|time| time.as_secs_f64()),
            saved: counts.load_time_saved.as_secs_f64() / seconds,
        }
    }
}

/// The figures of a moment.
#[derive(Debug)]
pub(super) struct Figures {
    /// How long the counts of lately are: a minute, or less in the beginning.
    pub(super) seconds: f64,
    pub(super) all: Lately,
    pub(super) each: Vec<Lately>,
    /// For each point, whether the store was out of reach.
    pub(super) outages: Vec<bool>,
    /// Since the cache was built.
    pub(super) totals: Vec<ResourceStats>,
    pub(super) total: ResourceStats,
    pub(super) stats: Stats,
}

/// The last minute, and the points of the last ten.
#[derive(Debug)]
pub(super) struct Lately {
    pub(super) counts: ResourceStats,
    pub(super) courses: Vec<Course>,
}

impl Figures {
    /// How often something has happened in each second of the last minute.
    #[expect(clippy::cast_precision_loss, reason = "a rate for the eye")]
    pub(super) fn per_second(&self, count: u64) -> f64 {
        if self.seconds > 0.0 {
            count as f64 / self.seconds
        } else {
            0.0
        }
    }

    /// How much of something came in each second of the last minute, in seconds.
    pub(super) fn per_second_of(&self, time: Duration) -> f64 {
        if self.seconds > 0.0 {
            time.as_secs_f64() / self.seconds
        } else {
            0.0
        }
    }

    pub(super) fn of(&self, resource: &str) -> Option<&Lately> {
        self.each.iter().find(|lately| lately.counts.resource == resource)
    }
}
