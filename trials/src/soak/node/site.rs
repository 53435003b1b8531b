use std::{
    pin::Pin,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use cache_runtime::{Cache, with_cache};
use cache_testkit::oracle::Reach;
use fastrand::Rng;
use tokio::time::{Instant, timeout};

use super::{
    bounds::{Bound, Longest},
    database::Database,
    documents::{self, Document, STALENESS_BOUND, Subject},
    floors::Floors,
};
use crate::{lab::reach, soak::orders::Counts};

/// A call that takes longer than this hangs.
const PATIENCE: Duration = Duration::from_mins(1);
/// How long a caller who goes away has waited, in microseconds, at most.
const IMPATIENCE: u64 = 20_000;
/// What a mutation may wait for beside the database: that it is announced, and acknowledged. For a `crash_safe` resource that is
/// four times 250 ms.
const ACKNOWLEDGED: Duration = Duration::from_secs(1);
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
    left_alone: AtomicU64,
    stale: AtomicU64,
    errors: AtomicU64,
    longest: Longest,
    first: Mutex<Vec<String>>,
}

/// A call, which begins when it is first polled.
pub(super) struct Call<'a> {
    future: Pin<Box<dyn Future<Output = ()> + Send + 'a>>,
    bound: Bound,
    /// For how long somebody has polled it.
    polled: Duration,
    what: What,
}

/// What a call asks for.
#[derive(Debug, Clone, Copy)]
enum What {
    Read { cache: usize, subject: Subject, view: u32 },
    Change { cache: usize, subject: Subject },
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
            left_alone: AtomicU64::new(0),
            stale: AtomicU64::new(0),
            errors: AtomicU64::new(0),
            longest: Longest::default(),
            first: Mutex::default(),
        }
    }

    /// Makes one call, and judges what it was answered. Now and then the caller goes away.
    pub(super) async fn call(&self, random: &mut Rng) {
        let mut call = self.draw(random);
        if random.u8(0..100) < 95 {
            self.poll_to_its_end(call).await;
        } else if !self
            .poll_for(&mut call, Duration::from_micros(random.u64(0..IMPATIENCE)))
            .await
        {
            add(&self.abandoned);
        }
    }

    /// One of all the calls that there are.
    pub(super) fn draw(&self, random: &mut Rng) -> Call<'_> {
        let subject = Subject::draw(random);
        match random.u8(0..100) {
            0..94 => self.read_of(subject, random),
            _ => self.begin(What::Change {
                cache: random.usize(0..self.caches.len()),
                subject,
            }),
        }
    }

    /// A read of this subject.
    pub(super) fn read_of(&self, subject: Subject, random: &mut Rng) -> Call<'_> {
        self.begin(What::Read {
            cache: random.usize(0..self.caches.len()),
            subject,
            view: documents::draw_view(random),
        })
    }

    /// The same call once more, if it is a read.
    pub(super) fn again(&self, call: &Call<'_>) -> Option<Call<'_>> {
        matches!(call.what, What::Read { .. }).then(|| self.begin(call.what))
    }

    fn begin(&self, what: What) -> Call<'_> {
        let (future, bound): (Pin<Box<dyn Future<Output = ()> + Send + '_>>, _) = match what {
            What::Read { cache, subject, view } => {
                let bound = Bound {
                    loads: subject.loads(),
                    beside: subject.load_lease(),
                };
                (Box::pin(self.read(cache, subject, view)), bound)
            }
            What::Change { cache, subject } => {
                let bound = Bound {
                    loads: 1,
                    beside: ACKNOWLEDGED,
                };
                (Box::pin(self.change(cache, subject)), bound)
            }
        };
        Call {
            future,
            bound,
            polled: Duration::ZERO,
            what,
        }
    }

    /// Polls a call until it ends.
    pub(super) async fn poll_to_its_end(&self, mut call: Call<'_>) {
        if !self.poll_for(&mut call, PATIENCE).await {
            self.fail(format!("{:?}: not answered within {PATIENCE:?}", call.what));
        }
    }

    /// Polls a call for so long at most. Returns whether it has ended; then it is noted how long it was polled.
    pub(super) async fn poll_for(&self, call: &mut Call<'_>, at_most: Duration) -> bool {
        let began = Instant::now();
        let ended = timeout(at_most, &mut call.future).await.is_ok();
        call.polled += began.elapsed();
        if ended {
            self.longest
                .note(call.polled, call.bound, self.database.slowest(), &call.what);
        }
        ended
    }

    /// A caller looks elsewhere.
    pub(super) fn note_left_alone(&self) {
        add(&self.left_alone);
    }

    async fn read(&self, cache: usize, subject: Subject, view: u32) {
        add(&self.calls);
        let floor = self.floors.of(subject.index(), cache, subject.staleness_bound());
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

    async fn change(&self, cache: usize, subject: Subject) {
        add(&self.calls);
        let change = documents::change(&self.database, subject);
        let (version, reach) = reach::of(with_cache(self.caches[cache].clone(), change)).await;
        add(&self.mutations);
        let reach = reach.unwrap_or(Reach::OwnNode);
        self.floors
            .raise(subject.index(), cache, version, reach, STALENESS_BOUND);
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
        let millis = |duration: Duration| duration.as_millis().try_into().unwrap_or(u64::MAX);
        let slowest = self.database.slowest();
        let too_long = self.longest.too_long(slowest);
        let mut first = self.first.lock().unwrap_or_else(PoisonError::into_inner).clone();
        first.extend(too_long.iter().take(TOLD).cloned());
        Counts {
            calls: count(&self.calls),
            mutations: count(&self.mutations),
            abandoned: count(&self.abandoned),
            left_alone: count(&self.left_alone),
            slowest_load_ms: millis(slowest),
            longest_ms: millis(self.longest.longest()),
            longest_share: self.longest.share(slowest),
            too_long: too_long.len() as u64,
            stale: count(&self.stale),
            errors: count(&self.errors),
            first,
            ..Counts::default()
        }
    }
}

fn add(figure: &AtomicU64) {
    figure.fetch_add(1, Ordering::Relaxed);
}
