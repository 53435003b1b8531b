use std::{
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use cache_runtime::{Cache, with_cache};
use cache_testkit::oracle::Reach;
use fastrand::Rng;
use tokio::time::timeout;

use super::{
    database::Database,
    documents::{self, Document, LEASE, Subject},
    floors::Floors,
};
use crate::{reach, soak::orders::Counts};

/// A call that takes longer than this hangs.
const PATIENCE: Duration = Duration::from_mins(1);
/// How long a caller who goes away has waited, in microseconds, at most.
const IMPATIENCE: u64 = 20_000;
/// How many problems are told.
const TOLD: usize = 5;

/// The service, and what its callers have seen.
pub(super) struct Site {
    caches: Vec<Cache>,
    database: Database,
    floors: Floors,
    calls: AtomicU64,
    mutations: AtomicU64,
    abandoned: AtomicU64,
    stale: AtomicU64,
    errors: AtomicU64,
    first: Mutex<Vec<String>>,
}

impl Site {
    pub(super) fn new(caches: Vec<Cache>) -> Self {
        Self {
            floors: Floors::new(Subject::COUNT, caches.len()),
            caches,
            database: Database::new(),
            calls: AtomicU64::new(0),
            mutations: AtomicU64::new(0),
            abandoned: AtomicU64::new(0),
            stale: AtomicU64::new(0),
            errors: AtomicU64::new(0),
            first: Mutex::default(),
        }
    }

    /// Makes one call, and judges what it was answered.
    pub(super) async fn call(&self, random: &mut Rng) {
        add(&self.calls);
        let subject = Subject::draw(random);
        let patience = match random.u8(0..100) {
            0..95 => PATIENCE,
            _ => Duration::from_micros(random.u64(0..IMPATIENCE)),
        };
        let answered = match random.u8(0..100) {
            0..94 => timeout(patience, self.read(subject, random)).await,
            _ => timeout(patience, self.change(subject, random)).await,
        };
        match answered {
            Ok(()) => {}
            Err(_) if patience == PATIENCE => self.fail(format!("{subject:?}: not answered within {PATIENCE:?}")),
            Err(_) => add(&self.abandoned),
        }
    }

    async fn read(&self, subject: Subject, random: &mut Rng) {
        let (cache, view) = (random.usize(0..self.caches.len()), documents::draw_view(random));
        let floor = self.floors.of(subject.index(), cache, subject.lease());
        let document = self.read_through(cache, subject, view).await;
        if !document.is_of(subject, view) {
            self.fail(format!("{subject:?}, view {view}: {document:?}"));
        } else if document.version < floor {
            add(&self.stale);
            self.tell(format!(
                "{subject:?}: version {} when {floor} had been acknowledged, through cache {cache}",
                document.version
            ));
        }
    }

    pub(super) async fn read_through(&self, cache: usize, subject: Subject, view: u32) -> Document {
        let read = documents::read(&self.database, subject, view);
        with_cache(self.caches[cache].clone(), read).await
    }

    async fn change(&self, subject: Subject, random: &mut Rng) {
        let cache = random.usize(0..self.caches.len());
        let change = documents::change(&self.database, subject);
        let (version, reach) = reach::of(with_cache(self.caches[cache].clone(), change)).await;
        add(&self.mutations);
        let reach = reach.unwrap_or(Reach::OwnNode);
        self.floors.raise(subject.index(), cache, version, reach, LEASE);
    }

    /// A caller saw an error.
    pub(super) fn fail(&self, problem: String) {
        add(&self.errors);
        self.tell(problem);
    }

    fn tell(&self, problem: String) {
        let mut first = self.first.lock().unwrap_or_else(PoisonError::into_inner);
        if first.len() < TOLD {
            first.push(problem);
        }
    }

    /// What callers have seen so far.
    pub(super) fn counts(&self) -> Counts {
        let count = |figure: &AtomicU64| figure.load(Ordering::Relaxed);
        Counts {
            calls: count(&self.calls),
            mutations: count(&self.mutations),
            abandoned: count(&self.abandoned),
            stale: count(&self.stale),
            errors: count(&self.errors),
            first: self.first.lock().unwrap_or_else(PoisonError::into_inner).clone(),
            ..Counts::default()
        }
    }
}

fn add(figure: &AtomicU64) {
    figure.fetch_add(1, Ordering::Relaxed);
}
