//! Declarative caching of async methods over Redis: race-free O(1) invalidation, names checked by the compiler, and a
//! service that goes on when Redis does not.
//!
//! - [`resources!`] declares what is cached, once, in `src/cache_resources.rs`.
//! - [`#[cached]`](macro@cached) on an async function keeps its result.
//! - [`#[invalidates]`](macro@invalidates) on a mutation makes results unusable once it has returned.
//! - [`Cache::follow`] does the same for what other programs change in the database.
//! - [`transaction`] holds the invalidations of several mutations back until the commit.
//! - [`Cache`] is the handle: built at start-up, installed, closed at shutdown.
//!
//! ```
//! mod cache_resources {
//!     cache_runtime::resources! {
//!         /// The invoices of one company.
//!         invoices_list { ttl = "1m", scope(company: i64) }
//!     }
//! }
//! # use cache_resources as _;
//! # fn main() {}
//! ```
//!
//! Beside the store, `near` keeps decoded values in the process, `lease` makes one load do for all processes, and a resource
//! that is `crash_safe` leaves nothing old to be served when a process is killed in the middle of a mutation.
//!
//! What all of these declare and annotate a program can look at itself: [`catalogue`].
//!
//! The book is the module [`manual`]: the [guide](manual::guide), the [options](manual::options), what is
//! [guaranteed](manual::guarantees), the formats of keys and entries, the protocol.
//!
//! # Crate features
//!
//! None of them is on by default.
//!
//! - `tls`: `rediss://` and its kin, by rustls, with the system's authorities or your own.
//! - `postcard`: `codec = "postcard"`.
//! - `lz4`, `zstd`: compression of large entries.
//! - `postgres`, `sqlite`: what any program changes in a database is invalidated ([`changes`]), by sqlx.
//! - `metrics`: what is counted and timed, for whatever recorder of the `metrics` facade a program installs (`Cache::publish_metrics`).
//! - `cli`: commands for a service's own command line (`commands`), by clap; the program `cachectl`; the look at a program's sources
//!   (`catalogue::Sources`).
//! - `dashboard`: pages that a service mounts (`dashboard`), by axum.
//! - `http`: a layer for every HTTP service of `tower`, axum's among them, and probes for Kubernetes (`http`).

// # Layout
//
// A folder for each concern, which imports only from those below it; from the top:
//
// commands      what a service mounts under its own command line
// dashboard     the pages that a service mounts
// http          a layer for HTTP services, and probes
// catalogue     what the program caches and invalidates, as its attributes say; its graph, its lints
// changes       databases, and the invalidations that follow from their changes
// inspect       what stands in a store, for people who look at it
// call          what `#[cached]` expands to: recognition, lookup, load, fill
// mutation      what `#[invalidates]` expands to; transactions, holds, invalidation by hand
// cache         the handle, the settings, the engine, its background work
// loads         loads under way: flights, turns, who waits for whom
// near          decoded values in the process
// protocol      what makes a read valid
// store         the shared tier: memory, Redis
// invalidation  what is to be invalidated, and what waits to be sent
// entry         what is stored: codec, envelope, stamps, identity
// resource      what `resources!` declares
// key           every key there is
// task          what a task carries, background tasks, tokio's runtimes
// recorder      what a recorder of the `metrics` facade is told
// sync          mutexes

// What is public and can get no more fields or variants is so for a reason.
#![warn(clippy::exhaustive_enums, clippy::exhaustive_structs)]

mod cache;
mod call;
pub mod catalogue;
pub mod changes;
#[cfg(feature = "cli")]
pub mod commands;
#[cfg(feature = "dashboard")]
pub mod dashboard;
mod entry;
#[cfg(feature = "http")]
pub mod http;
pub mod inspect;
mod invalidation;
mod key;
mod loads;
mod mutation;
mod near;
mod recorder;
mod resource;
mod sync;
mod task;

#[cfg(all(doc, not(doctest)))]
pub mod manual;
pub mod protocol;
pub mod store;

pub use cache_macros::{cached, invalidates, resources};

#[cfg(feature = "metrics")]
pub use crate::recorder::DURATION_BUCKETS;
pub use crate::{
    cache::{
        Cache, CacheBuilder, Concern, ConfigError, Freshness, Invalidated, Latencies, ObservedCall, OnFailover,
        Outcome, Outcomes, ResourceStats, Stats, Warmed, Warming, current_tenant, observe, with_cache, with_tenant,
    },
    call::{LoadTimeout, bypass, peek, refresh},
    entry::{Codec, Compression, Encoded, Lifetime, ParseError, SigningKey, SigningKeyError},
    mutation::{Invalidate, InvalidateError, InvalidateTag, InvalidationPreview, transaction},
    resource::{Group, Registry, Resource, Table, Tenancy},
    task::{TaskContext, in_current_context, spawn},
};

/// What the macros expand to. Not part of the public API: anything here may change in any release.
#[doc(hidden)]
pub mod __private {
    pub use ::inventory;

    pub use crate::__submit as submit;

    pub use crate::{
        cache::from_env,
        call::{
            ByMove, CacheValue, Call, EachCall, EachReturns, EachTerms, GivenTags, HardTimeout, Ids, KeyArg, KeyWriter,
            Missing, Ownership, Probe, Site, Terms, cached, cached_each, cached_each_owned, cached_owned, cached_with,
            in_key, never, nowhere, skippable, timed_out,
        },
        catalogue::{FunctionSite, MutationSite, Submission, Submitted, TargetSite},
        entry::{Codec, Item, Returns, Split, has_error, may_be_absent, may_fail},
        key::{
            canonical::{canonical_json, key_hash},
            scope_value,
        },
        mutation::{On, Plan, ScopeValues, detached, invalidating, invalidating_detached, several, tag_values},
        near::{Coherence, NearToo, SharedOnly},
        resource::{
            Declared, Group, GroupPart, Optional, OptionalText, Policies, Registry, Resource, Scope, Selection, Table,
            Tag, Tenancy,
        },
    };
}
