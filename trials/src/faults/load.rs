//! The callers of the services, and what they saw.

use std::{
    ops::{Range, RangeInclusive},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result};
use cache_testkit::oracle::{Reach, Recorder, Verdict};
use fastrand::Rng;
use serde_json::json;
use tokio::{
    sync::watch,
    task::JoinSet,
    time::{sleep, timeout},
};

use super::{service::Service, stage::Services};

/// What callers ask for. The treasuries tell their version.
const PAGES: [&str; 6] = [
    "/api/dashboard/summary?company=1",
    "/api/dashboard/summary?company=2",
    "/api/dashboard/maturity?company=1",
    "/api/invoices?company=1&unpaid=true&page=1&page_size=50",
    "/api/invoices/summary?company=2",
    "/api/companies",
];
const COMPANIES: RangeInclusive<u8> = 1..=2;

/// Between two calls of a caller, in milliseconds: the machine is to have time left, or all that is measured is that it has
/// not.
const PAUSE: Range<u64> = 5..35;
/// Between two mutations.
const MUTATIONS: Duration = Duration::from_millis(100);
/// How long the last calls may take.
const ENDING: Duration = Duration::from_secs(90);

/// Callers at work.
pub(super) struct Load {
    seen: Arc<Seen>,
    callers: JoinSet<Result<()>>,
    stop: watch::Sender<bool>,
}

/// What callers saw so far.
#[derive(Debug)]
pub(super) struct Seen {
    samples: Mutex<Vec<Sample>>,
    errors: Mutex<Vec<String>>,
    recorder: Recorder<u8>,
    acknowledged: watch::Sender<Vec<Instant>>,
    hits: watch::Sender<Option<Instant>>,
}

/// One page as one of the services answered it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sample {
    pub(super) began: Instant,
    pub(super) took: Duration,
    /// Whether the service has a cache.
    pub(super) cached: bool,
}

impl Load {
    /// Lets callers loose. If the fault loses writes, a mutation obliges nobody but the process that has made it.
    pub(super) fn start(services: &Services, callers: u16, loses_writes: bool) -> Self {
        Self::start_with(services, callers, loses_writes, PAUSE)
    }

    /// The same with callers who never pause.
    pub(super) fn start_without_pause(services: &Services, callers: u16) -> Self {
        Self::start_with(services, callers, false, 0..1)
    }

    fn start_with(services: &Services, callers: u16, loses_writes: bool, pause: Range<u64>) -> Self {
        let seen = Arc::new(Seen {
            samples: Mutex::default(),
            errors: Mutex::default(),
            recorder: Recorder::new(),
            acknowledged: watch::Sender::default(),
            hits: watch::Sender::default(),
        });
        let (stop, stopping) = watch::channel(false);
        let mut load = JoinSet::new();
        for _ in 0..callers {
            load.spawn(call(
                services.clone(),
                Arc::clone(&seen),
                stopping.clone(),
                pause.clone(),
            ));
        }
        load.spawn(look(
            Arc::clone(&services.neighbour),
            Arc::clone(&seen),
            stopping.clone(),
        ));
        load.spawn(book(services.clone(), Arc::clone(&seen), stopping, loses_writes));
        Self {
            seen,
            callers: load,
            stop,
        }
    }

    pub(super) fn seen(&self) -> &Seen {
        &self.seen
    }

    /// Waits for the calls that are under way, and returns what all of them saw.
    pub(super) async fn stop(mut self) -> Result<Arc<Seen>> {
        self.stop.send_replace(true);
        let ended = async {
            while let Some(caller) = self.callers.join_next().await {
                caller.context("a caller panicked")??;
            }
            anyhow::Ok(())
        };
        timeout(ENDING, ended)
            .await
            .with_context(|| format!("a call was not answered within {ENDING:?}"))??;
        Ok(self.seen)
    }
}

impl Seen {
    pub(super) fn samples(&self) -> Vec<Sample> {
        lock(&self.samples).clone()
    }

    /// What went wrong for callers, call by call.
    pub(super) fn errors(&self) -> Vec<String> {
        lock(&self.errors).clone()
    }

    pub(super) fn verdict(&self) -> Verdict<u8> {
        self.recorder.verdict()
    }

    /// Mutations that every process had been told of, in this time.
    pub(super) fn acknowledged(&self, from: Instant, until: Instant) -> usize {
        let acknowledged = self.acknowledged.borrow();
        acknowledged.iter().filter(|at| (from..until).contains(*at)).count()
    }

    /// Waits until a call that began after this moment was answered from the cache, and returns when it was.
    pub(super) async fn hit_since(&self, then: Instant) -> Instant {
        let mut hits = self.hits.subscribe();
        let hit = hits.wait_for(|hit| hit.is_some_and(|began| began >= then)).await;
        let hit = *hit.expect("the sender is in `self`");
        hit.expect("this was waited for")
    }

    async fn get(&self, service: &Service, cached: bool, path: &str) -> Option<super::service::Answer> {
        let began = Instant::now();
        match service.get(path).await {
            Ok(answer) => {
                let took = answer.took;
                lock(&self.samples).push(Sample { began, took, cached });
                if answer.is_hit {
                    self.hits.send_if_modified(|latest| {
                        let is_later = latest.is_none_or(|latest| latest < began);
                        if is_later {
                            *latest = Some(began);
                        }
                        is_later
                    });
                }
                Some(answer)
            }
            Err(error) => {
                lock(&self.errors).push(format!("{path}: {error:#}"));
                None
            }
        }
    }
}

/// Asks for the same page with and without the cache, in turns, so that whatever else the machine does hits both alike.
async fn call(services: Services, seen: Arc<Seen>, stopping: watch::Receiver<bool>, pause: Range<u64>) -> Result<()> {
    let mut random = Rng::new();
    while !*stopping.borrow() {
        let company = random.u8(COMPANIES);
        let treasury = treasury(company);
        let page = PAGES.get(random.usize(0..=PAGES.len())).copied();
        let path = page.unwrap_or(&treasury);
        let cached_first = random.bool();
        for cached in [cached_first, !cached_first] {
            if !cached {
                seen.get(&services.bare, false, path).await;
                continue;
            }
            let read = seen.recorder.begin(company);
            let answer = seen.get(&services.cached, true, path).await;
            if page.is_none()
                && let Some(answer) = answer
            {
                read.read(answer.movements()?);
            }
        }
        sleep(Duration::from_millis(random.u64(pause.clone()))).await;
    }
    Ok(())
}

/// Reads versions through the other process.
async fn look(neighbour: Arc<Service>, seen: Arc<Seen>, stopping: watch::Receiver<bool>) -> Result<()> {
    let recorder = seen.recorder.node(1);
    let mut random = Rng::new();
    while !*stopping.borrow() {
        let company = random.u8(COMPANIES);
        let path = treasury(company);
        let read = recorder.begin(company);
        match neighbour.get(&path).await {
            Ok(answer) => read.read(answer.movements()?),
            Err(error) => lock(&seen.errors).push(format!("{path}, the other process: {error:#}")),
        }
        sleep(Duration::from_millis(random.u64(PAUSE))).await;
    }
    Ok(())
}

/// Books movements, one at a time, so that it is known how many there are after each.
async fn book(services: Services, seen: Arc<Seen>, stopping: watch::Receiver<bool>, loses_writes: bool) -> Result<()> {
    let service = &services.cached;
    while !*stopping.borrow() {
        for company in COMPANIES {
            sleep(MUTATIONS).await;
            let version = services.bare.get(&treasury(company)).await?.movements()? + 1;
            let number = service.heard.invalidations();
            let mutation = seen.recorder.begin(company);
            let movement = json!({ "company": company, "amount": 1, "booked_on": "2025-12-31" });
            if let Err(error) = service.post("/api/treasury/transactions", &movement).await {
                lock(&seen.errors).push(format!("a movement was not booked: {error:#}"));
                continue;
            }
            let reach = service.heard.reach_of(number).await;
            if reach == Reach::EveryNode {
                seen.acknowledged
                    .send_modify(|acknowledged| acknowledged.push(Instant::now()));
            }
            mutation.invalidated(version, if loses_writes { Reach::OwnNode } else { reach });
        }
    }
    Ok(())
}

fn treasury(company: u8) -> String {
    format!("/api/treasury?company={company}")
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
