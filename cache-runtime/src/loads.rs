//! Loads under way: who they are, whom they wait for, who shares them, and how many run at once.
//!
//! A [flight] is one load that concurrent callers of the same key share.
//!
//! What waiters get:
//! - the leader's value, when it loads one, as a hit would be given it, or its "nothing", for an `Option`;
//! - nothing, when the leader's load fails: then every waiter runs its own load at once, and returns its own error. They
//!   are not queued behind one another: a database that fails after a timeout would make the last of a hundred waiters wait
//!   a hundred timeouts;
//! - when the leader is cancelled or panics, one of the waiters takes over and the others wait for that one;
//! - when the leader [stalls](load), or after the backstop, one of the waiters loads, too, and all are given what comes first;
//! - a call that was made by the load itself, or by one that waits for it, waits for nothing: see [`Role::Circle`]. When that
//!   comes about while it [waits already](circles), it waits no longer, or one that is no part of the circle loads, too.
//!
//! Who finds no flight, but began before one of the same key landed, may have read before its fill: it reads once more.
//!
//! A load under stamps may be joined while it lasts: who read the same stamps would be given its entry anyway. A load
//! without stamps, because the store was not reached or had no memory for them, may have been overtaken by an invalidation
//! that this process cannot see. It is joined only by callers that began before it; a later one waits for it to end, so that
//! the database is spared, and shares the next.

mod circles;
mod flight;
mod flights;
mod holders;
mod inside;
mod join;
mod limiter;
mod load;
mod value;
mod watch;

use std::sync::LazyLock;

pub(crate) use self::{
    circles::{Wait, Waits},
    flight::{Caller, Takeover},
    flights::Moment,
    holders::HOLDERS,
    inside::{inside, load_around, load_of, surroundings_inside},
    join::{Flights, Landing, Leader, LoadKey, Role, join},
    limiter::{LoadLimiter, Slot},
    load::{Awaited, Load, Sightings, TendedFuture},
    value::LoadedValue,
    watch::INTERVAL as WATCH_INTERVAL,
};

/// Who waits for whom in this process: a load of one cache may wait for one of another.
pub(crate) static WAITS: LazyLock<Waits> = LazyLock::new(Waits::default);
