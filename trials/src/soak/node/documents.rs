//! What a user of the framework writes.

use std::time::Duration;

use cache_runtime::{cached, invalidates};
use fastrand::Rng;
use serde::{Deserialize, Serialize};

use super::database::Database;

mod resources {
    cache_runtime::resources! {
        plain { ttl = "20s", scope(item: u32) }
        checked { ttl = "20s", scope(item: u32) }
        tracked { ttl = "20s", scope(item: u32) }
        crash_safe { ttl = "20s", scope(item: u32), crash_safe }
        crossed { ttl = "20s", scope(item: u32) }
        limited { ttl = "20s", scope(item: u32), max_loads = 16 }
        group in_one_step = plain, checked, tracked, crossed, limited;
    }
}

const TENANTS: u32 = 50;
const ITEMS: u32 = 80;
/// Of what is loaded crosswise or in turns, so that loads meet.
const FEW_TENANTS: u32 = 2;
const FEW_ITEMS: u32 = 24;
/// How many loads a crossed one is inside of at most.
const DEPTH: u32 = 2;
/// How many values depend on one subject.
const VIEWS: u32 = 6;

/// How long a value of `tracked` may be old on a node that was not told: `CACHE_NEAR_MAX_STALENESS`.
pub(super) const STALENESS_BOUND: Duration = Duration::from_secs(1);

/// How long another one's load is waited for that does not extend its lease: `lease` alone.
const LOAD_LEASE: Duration = Duration::from_secs(2);

/// `max_loads` of `limited`.
const MAX_LOADS: u32 = 16;

/// What there are versions of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Subject {
    tenant: u32,
    item: u32,
}

/// How a subject's values are cached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Plain,
    Checked,
    Tracked,
    CrashSafe,
    Crossed,
    Limited,
}

const KINDS: u32 = 6;

/// What is cached. It says what it is of, so that somebody else's is noticed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Document {
    subject: Subject,
    view: u32,
    pub(super) version: u64,
    text: String,
}

impl Subject {
    pub(super) const COUNT: usize = (TENANTS * ITEMS) as usize;

    /// The one for a caller who is alone.
    pub(super) const FIRST: Self = Self { tenant: 0, item: 0 };

    /// One of them, the first ones more often.
    pub(super) fn draw(random: &mut Rng) -> Self {
        let subject = Self {
            tenant: random.u32(0..TENANTS).min(random.u32(0..TENANTS)),
            item: random.u32(0..ITEMS).min(random.u32(0..ITEMS)),
        };
        match subject.kind() {
            Kind::Crossed | Kind::Limited => Self {
                tenant: subject.tenant % FEW_TENANTS,
                item: subject.item % FEW_ITEMS,
            },
            _ => subject,
        }
    }

    /// One of those whose loads call others of their kind.
    pub(super) fn draw_crossed(random: &mut Rng) -> Self {
        Self {
            tenant: random.u32(0..FEW_TENANTS),
            item: KINDS * random.u32(0..FEW_ITEMS / KINDS) + 4,
        }
    }

    /// The next one of the same kind, around a circle.
    fn next(self) -> Self {
        let item = (self.item + KINDS) % FEW_ITEMS;
        Self { item, ..self }
    }

    pub(super) fn index(self) -> usize {
        (self.tenant * ITEMS + self.item) as usize
    }

    /// For how long a value may be old in a cache that did not invalidate it.
    pub(super) fn staleness_bound(self) -> Duration {
        if self.kind() == Kind::Tracked {
            STALENESS_BOUND
        } else {
            Duration::ZERO
        }
    }

    fn kind(self) -> Kind {
        match self.item % KINDS {
            0 => Kind::Plain,
            1 => Kind::Checked,
            2 => Kind::Tracked,
            3 => Kind::CrashSafe,
            4 => Kind::Crossed,
            _ => Kind::Limited,
        }
    }

    /// How many loads a read of it may have to wait for, each of which may be somebody else's and then one of its own.
    pub(super) fn loads(self) -> u32 {
        match self.kind() {
            Kind::Plain | Kind::Checked | Kind::Tracked | Kind::CrashSafe => 1,
            // A chain of others' loads around the circle, and its own.
            Kind::Crossed => FEW_ITEMS / KINDS + 1 + DEPTH,
            // As many turns as it takes for each of the others of the resource to have had one, and its own.
            Kind::Limited => FEW_TENANTS * (FEW_ITEMS / KINDS) * VIEWS / MAX_LOADS + 1,
        }
    }

    /// For how long the next one waits when Redis has kept to itself that somebody has the lease.
    pub(super) fn load_lease(self) -> Duration {
        if self.kind() == Kind::Plain {
            LOAD_LEASE
        } else {
            Duration::ZERO
        }
    }
}

impl Document {
    pub(super) fn new(subject: Subject, view: u32, version: u64) -> Self {
        Self {
            subject,
            view,
            version,
            text: "x".repeat(200 + view as usize * 400),
        }
    }

    pub(super) fn is_of(&self, subject: Subject, view: u32) -> bool {
        *self == Self::new(subject, view, self.version)
    }
}

pub(super) fn draw_view(random: &mut Rng) -> u32 {
    random.u32(0..VIEWS)
}

pub(super) async fn read(database: &Database, subject: Subject, view: u32) -> Document {
    match subject.kind() {
        Kind::Plain => plain(database, subject, view).await,
        Kind::Checked => checked(database, subject, view).await,
        Kind::Tracked => tracked(database, subject, view).await,
        Kind::CrashSafe => crash_safe(database, subject, view).await,
        Kind::Crossed => crossed(database, subject, view, DEPTH).await,
        Kind::Limited => limited(database, subject, view).await,
    }
}

/// Returns the new version.
pub(super) async fn change(database: &Database, subject: Subject) -> u64 {
    if subject.kind() == Kind::CrashSafe {
        change_crash_safe(database, subject).await
    } else {
        change_in_one_step(database, subject).await
    }
}

#[cached(resource = resources::plain, scope(item = subject.item), tenant = subject.tenant, skip(database), lease)]
async fn plain(database: &Database, subject: Subject, view: u32) -> Document {
    database.read(subject, view).await
}

#[cached(
    resource = resources::checked,
    scope(item = subject.item),
    tenant = subject.tenant,
    skip(database),
    near = "checked"
)]
async fn checked(database: &Database, subject: Subject, view: u32) -> Document {
    database.read(subject, view).await
}

#[cached(
    resource = resources::tracked,
    scope(item = subject.item),
    tenant = subject.tenant,
    skip(database),
    near = "tracked"
)]
async fn tracked(database: &Database, subject: Subject, view: u32) -> Document {
    database.read(subject, view).await
}

#[cached(resource = resources::crash_safe, scope(item = subject.item), tenant = subject.tenant, skip(database))]
async fn crash_safe(database: &Database, subject: Subject, view: u32) -> Document {
    database.read(subject, view).await
}

/// Reads, and asks for the next one, so that loads which begin at different places wait for one another in a circle. A function
/// with a `lease` must not do that: such loads would wait for one another over two caches.
#[cached(
    resource = resources::crossed,
    scope(item = subject.item),
    tenant = subject.tenant,
    skip(database),
    independent(depth)
)]
async fn crossed(database: &Database, subject: Subject, view: u32, depth: u32) -> Document {
    let document = database.read(subject, view).await;
    if depth > 0 {
        Box::pin(crossed(database, subject.next(), view, depth - 1)).await;
    }
    document
}

#[cached(resource = resources::limited, scope(item = subject.item), tenant = subject.tenant, skip(database))]
async fn limited(database: &Database, subject: Subject, view: u32) -> Document {
    database.read(subject, view).await
}

#[invalidates(resources::in_one_step(item = subject.item), tenant = subject.tenant)]
async fn change_in_one_step(database: &Database, subject: Subject) -> u64 {
    database.write(subject).await
}

#[invalidates(resources::crash_safe(item = subject.item), tenant = subject.tenant)]
async fn change_crash_safe(database: &Database, subject: Subject) -> u64 {
    database.write(subject).await
}
