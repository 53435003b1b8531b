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
        group in_one_step = plain, checked, tracked;
    }
}

const TENANTS: u32 = 50;
const ITEMS: u32 = 80;
/// How many values depend on one subject.
const VIEWS: u32 = 6;

/// How long a value of `tracked` may be old on a node that was not told: `CACHE_NEAR_LEASE`.
pub(super) const LEASE: Duration = Duration::from_secs(1);

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
}

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
        Self {
            tenant: random.u32(0..TENANTS).min(random.u32(0..TENANTS)),
            item: random.u32(0..ITEMS).min(random.u32(0..ITEMS)),
        }
    }

    pub(super) fn index(self) -> usize {
        (self.tenant * ITEMS + self.item) as usize
    }

    /// For how long a value may be old in a cache that did not invalidate it.
    pub(super) fn lease(self) -> Duration {
        if self.kind() == Kind::Tracked {
            LEASE
        } else {
            Duration::ZERO
        }
    }

    fn kind(self) -> Kind {
        match self.item % 4 {
            0 => Kind::Plain,
            1 => Kind::Checked,
            2 => Kind::Tracked,
            _ => Kind::CrashSafe,
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

#[invalidates(resources::in_one_step(item = subject.item), tenant = subject.tenant)]
async fn change_in_one_step(database: &Database, subject: Subject) -> u64 {
    database.write(subject).await
}

#[invalidates(resources::crash_safe(item = subject.item), tenant = subject.tenant)]
async fn change_crash_safe(database: &Database, subject: Subject) -> u64 {
    database.write(subject).await
}
