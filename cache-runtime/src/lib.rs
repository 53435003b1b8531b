//! Declarative caching of async methods over Redis: race-free O(1) invalidation, names checked by the compiler, and a
//! service that goes on when Redis does not.
//!
//! - [`resources!`] declares what is cached, once, in `src/cache_resources.rs`.
//! - [`#[cached]`](macro@cached) on an async function keeps its result.
//! - [`#[invalidates]`](macro@invalidates) on a mutation makes results unusable once it has returned.
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
//! The book is the module [`manual`]: the [guide](manual::guide), the [options](manual::options), what is
//! [guaranteed](manual::guarantees), the formats of keys and entries, the protocol.

// What is public and can get no more fields or variants is so for a reason.
#![warn(clippy::exhaustive_enums, clippy::exhaustive_structs)]

mod absent;
mod arguments;
mod builder;
mod by_key;
mod cache;
mod cached;
mod call;
mod canonical;
mod changing;
mod codec;
mod compact;
mod compression;
mod config;
mod context;
mod declared;
mod engine;
mod envelope;
mod exact;
mod flight;
mod glob;
mod health;
mod hold;
mod identity;
mod invalidate;
mod journal;
mod keeper;
mod key;
mod lease;
mod mutation;
mod near;
mod nowhere;
mod observe;
mod recent;
mod repeats;
mod resource;
mod returns;
mod runtime;
mod shape;
mod signature;
mod site;
mod skipped;
mod slots;
mod stamp;
mod stats;
mod stored;
mod sweeper;
mod sync;
mod tenants;
mod transaction;
mod word;

#[cfg(all(doc, not(doctest)))]
pub mod manual;
pub mod protocol;
pub mod store;

pub use cache_macros::{cached, invalidates, resources};

pub use crate::{
    builder::{Builder, OnFailover},
    cache::Cache,
    compression::Compression,
    config::ConfigError,
    context::{TaskContext, current_tenant, in_current_context, spawn, with_cache, with_tenant},
    envelope::{Envelope, Identity, Rejection},
    invalidate::{Invalidate, InvalidateError, Invalidated},
    key::Address,
    observe::{Observed, Outcome, Outcomes, observe},
    resource::{Group, Registry, Resource, Tenancy},
    signature::{SigningKey, SigningKeyError},
    stamp::{Stamp, Ticket},
    stats::Stats,
    transaction::transaction,
    word::ParseError,
};

/// What the macros expand to. Not part of the public API: anything here may change in any release.
#[doc(hidden)]
pub mod __private {
    pub use ::inventory;

    pub use crate::{
        arguments::{Key, KeyArg, in_key},
        cached::{CacheValue, cached, never},
        call::Call,
        canonical::{canonical_json, key_hash},
        codec::Codec,
        config::from_env,
        identity::Item,
        key::scope_value,
        mutation::{On, Plan, ScopeValues, detached, invalidating, invalidating_detached},
        near::{Coherence, NearToo, SharedOnly},
        nowhere::nowhere,
        resource::{Declared, Group, GroupPart, Optional, OptionalText, Registry, Resource, Scope, Selection, Tenancy},
        returns::{Returns, Shape},
        site::Site,
        skipped::{Probe, skippable},
    };
}
